"""The command `pooling`: pools, their rows and their float64 results."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .cases import TOLERANCES, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .cases import Array


@dataclass(frozen=True)
class PoolShape:
    """
    A pool: kind "max" or "avg" of windows at even distances, or, where it has an `output_size`, adaptive.

    Stride 0 stands for that of the kernel.
    """

    batch: int
    channels: int
    sizes: tuple[int, ...]
    kind: str
    kernel: int = 0
    stride: int = 0
    padding: int = 0
    output_size: int = 0

    @property
    def label(self) -> str:
        size = "x".join(map(str, self.sizes if len(set(self.sizes)) > 1 else self.sizes[:1]))
        extent = "x".join([str(self.output_size or self.kernel)] * self.axes)
        stride = "" if self.output_size or self.step == self.kernel else f" s{self.step}"
        family = "global " if self.output_size == 1 else "adaptive " if self.output_size else ""
        window = "" if self.output_size == 1 else f" {extent}{stride}"
        return f"N={self.batch} {family}{self.kind}{window} {self.channels} @{size}"

    @property
    def axes(self) -> int:
        return len(self.sizes)

    @property
    def step(self) -> int:
        return self.stride or self.kernel

    @property
    def input_shape(self) -> tuple[int, ...]:
        return self.batch, self.channels, *self.sizes

    @property
    def output_shape(self) -> tuple[int, ...]:
        if self.output_size:
            return self.batch, self.channels, *(self.output_size for _ in self.sizes)
        sizes = ((size + 2 * self.padding - self.kernel) // self.step + 1 for size in self.sizes)
        return self.batch, self.channels, *sizes


POOL_SHAPES = (
    PoolShape(1, 64, (112, 112), "max", 3, 2, 1),
    PoolShape(8, 64, (112, 112), "max", 3, 2, 1),
    PoolShape(32, 64, (112, 112), "max", 3, 2, 1),
    PoolShape(1, 64, (224, 224), "max", 2),
    PoolShape(8, 64, (224, 224), "max", 2),
    PoolShape(1, 256, (56, 56), "max", 2),
    PoolShape(32, 256, (56, 56), "max", 2),
    PoolShape(1, 192, (28, 28), "max", 3, 1, 1),
    PoolShape(8, 192, (28, 28), "max", 3, 1, 1),
    PoolShape(8, 256, (13, 13), "max", 3, 2),
    PoolShape(1, 96, (55, 55), "max", 3, 2),
    PoolShape(8, 64, (113, 113), "max", 3, 2, 1),
    PoolShape(1, 96, (55, 55), "max", 3),
    PoolShape(1, 256, (20, 20), "max", 5, 1, 2),
    PoolShape(8, 128, (4096,), "max", 2),
    PoolShape(1, 64, (16, 56, 56), "max", 2),
    PoolShape(1, 256, (56, 56), "avg", 2),
    PoolShape(8, 256, (56, 56), "avg", 2),
    PoolShape(32, 512, (14, 14), "avg", 2),
    PoolShape(1, 64, (112, 112), "avg", 3, 2, 1),
    PoolShape(8, 64, (112, 112), "avg", 3, 2, 1),
    PoolShape(1, 192, (35, 35), "avg", 3, 1, 1),
    PoolShape(8, 192, (35, 35), "avg", 3, 1, 1),
    PoolShape(1, 768, (17, 17), "avg", 5, 3),
    PoolShape(1, 2048, (7, 7), "avg", output_size=1),
    PoolShape(32, 2048, (7, 7), "avg", output_size=1),
    PoolShape(8, 512, (14, 14), "avg", output_size=1),
    PoolShape(1, 2048, (7, 7), "max", output_size=1),
    PoolShape(1, 256, (13, 13), "avg", output_size=6),
    PoolShape(8, 512, (14, 14), "avg", output_size=7),
    PoolShape(1, 256, (13, 13), "max", output_size=6),
    PoolShape(1, 1, (8, 8), "max", 2),  # the cost of a call
)


@dataclass(frozen=True)
class PoolCase(Problem):
    """`operation` is "forward" or "grad_input"; the arrays are C-contiguous, N C spatial."""

    kind = "pool"
    unit = "GB/s"

    shape: PoolShape
    operation: str
    input: Array
    grad_output: Array

    @classmethod
    def random(
        cls, row: PoolShape, operation: str, rng: np.random.Generator, dtype: str = "float32"
    ) -> PoolCase:
        arrays = (rng.standard_normal(size).astype(dtype) for size in (row.input_shape, row.output_shape))
        return cls(row, operation, *arrays)

    @property
    def label(self) -> str:
        return self.shape.label

    @property
    def group(self) -> str:
        return f"adaptive {self.shape.kind}" if self.shape.output_size else self.shape.kind

    @property
    def work(self) -> float:
        """Bytes of the arrays that the operation is defined by, each once: no indices."""
        reads_input = self.operation == "grad_input" and self.shape.kind == "max"
        return (self.input.nbytes * (2 if reads_input else 1) + self.grad_output.nbytes) / 1e9

    @property
    def tolerance(self) -> float:
        return TOLERANCES[self.input.dtype.name]

    def description(self) -> dict[str, Any]:
        return {"shape": asdict(self.shape), "operation": self.operation}

    def arrays(self) -> dict[str, Array]:
        return {"input": self.input, "grad_output": self.grad_output}

    @classmethod
    def load(cls, description: dict[str, Any], arrays: Mapping[str, Array]) -> PoolCase:
        shape = {**description["shape"], "sizes": tuple(description["shape"]["sizes"])}
        return cls(PoolShape(**shape), description["operation"], **arrays)

    def reference(self) -> list[Array]:
        return [pooled(self)]


def pooled(case: PoolCase) -> Array:
    """One tap of all windows, or one adaptive window, at a time; the first of equal maxima wins."""
    shape = case.shape
    input, grad_output = case.input.astype(np.float64), case.grad_output.astype(np.float64)
    if not shape.output_size:
        is_max = shape.kind == "max"
        pads = ((0, 0), (0, 0), *((shape.padding, shape.padding) for _ in shape.sizes))
        padded = np.pad(input, pads, constant_values=-np.inf if is_max else 0)
        taps = [
            (
                ...,
                *(
                    slice(tap, tap + (count - 1) * shape.step + 1, shape.step)
                    for tap, count in zip(place, shape.output_shape[2:], strict=True)
                ),
            )
            for place in np.ndindex(*(shape.kernel for _ in shape.sizes))
        ]
        output, source = np.full(shape.output_shape, -np.inf if is_max else 0.0), 0
        for number, where in enumerate(taps):
            if is_max:
                source = np.where(padded[where] > output, number, source)
                output = np.maximum(output, padded[where])
            else:
                output += padded[where] / len(taps)
        if case.operation == "forward":
            return output
        padded[...] = 0
        for number, where in enumerate(taps):
            padded[where] += np.where(source == number, grad_output, 0) if is_max else grad_output / len(taps)
        return padded[(..., *(slice(shape.padding, shape.padding + size) for size in shape.sizes))]

    output, grad_input = np.empty_like(grad_output), np.zeros_like(input)
    for place in np.ndindex(*shape.output_shape[2:]):
        window = (
            ...,
            *(
                slice(i * size // shape.output_size, -(-(i + 1) * size // shape.output_size))
                for i, size in zip(place, shape.sizes, strict=True)
            ),
        )
        elements = input[window].reshape(*shape.input_shape[:2], -1)
        gradient = grad_output[(..., *place)][..., None]
        if shape.kind == "max":
            output[(..., *place)] = elements.max(axis=-1)
            share = np.where(
                np.arange(elements.shape[-1]) == elements.argmax(axis=-1)[..., None], gradient, 0
            )
        else:
            output[(..., *place)] = elements.mean(axis=-1)
            share = np.broadcast_to(gradient / elements.shape[-1], elements.shape)
        grad_input[window] += share.reshape(grad_input[window].shape)
    return output if case.operation == "forward" else grad_input
