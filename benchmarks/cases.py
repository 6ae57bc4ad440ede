"""One operation on one shape with its data, and the same in float64: what every peer must agree with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .shapes import POOL_SHAPES, SHAPES, PoolShape, Shape

Array = np.ndarray[Any, np.dtype[Any]]

# The rows and the operations of each command.
COMMANDS: dict[str, tuple[tuple[Any, ...], tuple[str, ...]]] = {
    "layers": (SHAPES, ("forward",)),
    "backward": (SHAPES, ("grad_input", "grad_weight")),
    "pooling": (POOL_SHAPES, ("forward", "grad_input")),
}
# What the speeds are told in: of `work`.
UNITS = {"layers": "GFLOP/s", "backward": "GFLOP/s", "pooling": "GB/s"}


@dataclass(frozen=True)
class Case:
    """`operation` is "forward", "grad_input" or "grad_weight"; the arrays are C-contiguous float32, NCHW."""

    shape: Shape
    operation: str
    input: Array
    weight: Array
    grad_output: Array

    @property
    def work(self) -> int:
        return self.shape.flops


@dataclass(frozen=True)
class PoolCase:
    """`operation` is "forward" or "grad_input"; the arrays are C-contiguous float32, N C spatial."""

    shape: PoolShape
    operation: str
    input: Array
    grad_output: Array

    @property
    def work(self) -> int:
        """Bytes of the arrays that the operation is defined by, each once: no indices."""
        reads_input = self.operation == "grad_input" and self.shape.kind == "max"
        return self.input.nbytes * (2 if reads_input else 1) + self.grad_output.nbytes


def make_case(shape: Shape | PoolShape, operation: str, arrays: dict[str, Array]) -> Case | PoolCase:
    """Build a row's case from the arrays that it has, by name."""
    return (Case if isinstance(shape, Shape) else PoolCase)(shape, operation, **arrays)  # type: ignore[arg-type]


def random_case(shape: Shape | PoolShape, operation: str, rng: np.random.Generator) -> Case | PoolCase:
    sizes = {"input": shape.input_shape, "grad_output": shape.output_shape}
    if isinstance(shape, Shape):
        sizes["weight"] = shape.weight_shape
    arrays = {name: rng.standard_normal(size, dtype=np.float32) for name, size in sizes.items()}
    return make_case(shape, operation, arrays)


def reference(case: Case | PoolCase) -> Array:
    """Compute the case's result in float64."""
    return pool_reference(case) if isinstance(case, PoolCase) else conv_reference(case)


def pool_reference(case: PoolCase) -> Array:
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


def conv_reference(case: Case) -> Array:
    """One matrix product per tap of the kernel."""
    shape, groups = case.shape, case.shape.groups
    batch, _, out_height, out_width = shape.output_shape
    pads = ((0, 0), (0, 0), *((p, p) for p in shape.padding))
    padded = np.pad(case.input.astype(np.float64), pads)
    by_group = (groups, shape.out_channels // groups, shape.in_channels // groups, *shape.kernel_size)
    weight = case.weight.astype(np.float64).reshape(by_group)
    grad_output = case.grad_output.astype(np.float64).reshape(batch, groups, by_group[1], -1)

    output, grad_padded, grad_weight = (
        np.zeros_like(grad_output),
        np.zeros_like(padded),
        np.zeros_like(weight),
    )
    for r, s in np.ndindex(*shape.kernel_size):
        rows, columns = (
            slice(tap * dilation, tap * dilation + (size - 1) * stride + 1, stride)
            for tap, dilation, size, stride in zip(
                (r, s), shape.dilation, (out_height, out_width), shape.stride, strict=True
            )
        )
        seen = padded[:, :, rows, columns]
        pixels = seen.reshape(batch, groups, by_group[2], -1)
        if case.operation == "forward":
            output += weight[..., r, s] @ pixels
        elif case.operation == "grad_input":
            spread = weight[..., r, s].swapaxes(1, 2) @ grad_output
            grad_padded[:, :, rows, columns] += spread.reshape(seen.shape)
        else:
            grad_weight[..., r, s] = (grad_output @ pixels.swapaxes(2, 3)).sum(axis=0)

    if case.operation == "forward":
        return output.reshape(shape.output_shape)
    if case.operation == "grad_weight":
        return grad_weight.reshape(shape.weight_shape)
    (top, left), (height, width) = shape.padding, (shape.height, shape.width)
    return grad_padded[:, :, top : top + height, left : left + width]
