"""What is measured: a problem with its data, and its result in float64, with which every peer must agree."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from .shapes import Shape

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Array = np.ndarray[Any, np.dtype[Any]]

# Of the largest result. Winograd F(4x4) in float32 stays below 1e-5; longer sums in float64 below 1e-13.
TOLERANCES = {"float32": 1e-4, "float64": 1e-12}


class Problem(ABC):
    """
    Something that peers are timed with; `kind` names the method of `Peer` that prepares it.

    The harness keeps it as an object; the peers' processes get `description()` as JSON and `arrays()`.
    """

    kind: ClassVar[str]
    unit: ClassVar[str]
    measure: ClassVar[str] = "max error / max|y|"

    operation: str

    @classmethod
    @abstractmethod
    def random(cls, row: Any, operation: str, rng: np.random.Generator, dtype: str = "float32") -> Problem:
        """Return a row of the command's table with new data."""

    @property
    @abstractmethod
    def label(self) -> str:
        """Names the row."""

    @property
    @abstractmethod
    def group(self) -> str:
        """The class over which a report takes means."""

    @property
    @abstractmethod
    def work(self) -> float:
        """Divided by the seconds of a call it is the speed in `unit`."""

    @property
    @abstractmethod
    def tolerance(self) -> float:
        """Largest `error` of a peer that counts as right."""

    @staticmethod
    def error(result: Array, expected: Array) -> float:
        """Return what `measure` says of one result."""
        return float(np.max(np.abs(result - expected)) / (np.max(np.abs(expected)) or 1))

    def largest_error(self, results: Array | Sequence[Array], expected: Sequence[Array]) -> float:
        """Return the largest error of a result, or of several; ValueError if they cannot be compared."""
        several = [results] if isinstance(results, np.ndarray) else results
        largest = 0.0
        for result, wanted in zip(several, expected, strict=True):
            if result.shape != wanted.shape:
                raise ValueError(f"result has shape {result.shape}, expected {wanted.shape}")
            error = self.error(result, wanted)
            if not np.isfinite(error):
                raise ValueError("result is not finite")
            largest = max(largest, error)
        return largest

    @abstractmethod
    def description(self) -> dict[str, Any]:
        """All but the arrays."""

    @abstractmethod
    def arrays(self) -> dict[str, Array]:
        """Return the data by name; C-contiguous."""

    @classmethod
    @abstractmethod
    def load(cls, description: dict[str, Any], arrays: Mapping[str, Array]) -> Problem:
        """Undo `description` and `arrays`."""

    @abstractmethod
    def reference(self) -> list[Array]:
        """Compute the results in float64."""


DISTRIBUTIONS: dict[str, Callable[[np.random.Generator, tuple[int, ...]], Array]] = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "positive": lambda rng, shape: np.abs(rng.standard_normal(shape)),
    "wide": lambda rng, shape: rng.standard_normal(shape) * 10.0 ** rng.uniform(-20, 20, shape),
}


@dataclass(frozen=True)
class Case(Problem):
    """A convolution: `operation` is "forward", "grad_input" or "grad_weight"; the layout is N C spatial."""

    kind = "convolution"
    unit = "GFLOP/s"

    shape: Shape
    operation: str
    input: Array
    weight: Array
    grad_output: Array

    @classmethod
    def random(
        cls,
        shape: Shape,
        operation: str,
        rng: np.random.Generator,
        dtype: str = "float32",
        distribution: str = "normal",
    ) -> Case:
        """Return new data. Of a wide distribution is one array: the products must not overflow."""
        wide = "grad_output" if operation == "grad_input" else "input"
        arrays = {}
        for name, size in (
            ("input", shape.input_shape),
            ("weight", shape.weight_shape),
            ("grad_output", shape.output_shape),
        ):
            drawn = "normal" if distribution == "wide" and name != wide else distribution
            arrays[name] = DISTRIBUTIONS[drawn](rng, size).astype(dtype)
        return cls(shape, operation, **arrays)

    @property
    def label(self) -> str:
        return self.shape.label

    @property
    def group(self) -> str:
        return self.shape.kind

    @property
    def work(self) -> float:
        return self.shape.flops / 1e9

    @property
    def dtype(self) -> str:
        return self.input.dtype.name

    @property
    def tolerance(self) -> float:
        return TOLERANCES[self.dtype]

    def description(self) -> dict[str, Any]:
        return {"shape": asdict(self.shape), "operation": self.operation}

    def arrays(self) -> dict[str, Array]:
        return {"input": self.input, "weight": self.weight, "grad_output": self.grad_output}

    @classmethod
    def load(cls, description: dict[str, Any], arrays: Mapping[str, Array]) -> Case:
        return cls(Shape.from_json(description["shape"]), description["operation"], **arrays)

    def in_two_dimensions(self) -> Case:
        """Return a 1-D case as a 2-D one whose planes have one row."""
        planes = {name: array[:, :, None] for name, array in self.arrays().items()}
        return Case(self.shape.in_two_dimensions(), self.operation, **planes)

    def reference(self) -> list[Array]:
        return [convolution(self.shape, self.operation, self.arrays())]


def convolution(shape: Shape, operation: str, arrays: Mapping[str, Array]) -> Array:
    """
    Compute one operation in float64, a matrix product per tap of the kernel.

    `big` are the planes that the taps reach into, `small` those with one value per position of the kernel:
    input and output of a convolution, output and input of a transposed one.
    """
    data = {name: array.astype(np.float64) for name, array in arrays.items()}
    small, big = data["grad_output"], data["input"]
    wanted = {"forward": "small", "grad_input": "big", "grad_weight": "weight"}[operation]
    if shape.transposed:
        small, big = big, small
        wanted = {"small": "big", "big": "small", "weight": "weight"}[wanted]

    groups = shape.groups
    by_group = (groups, small.shape[1] // groups, big.shape[1] // groups)
    weight = data["weight"].reshape(*by_group, *shape.kernel_size)
    values = small.reshape(shape.batch, groups, by_group[1], -1)
    padded = np.pad(big, ((0, 0), (0, 0), *((p, p) for p in shape.padding)))
    result = {
        "small": np.zeros_like(values) if wanted == "small" else None,
        "big": np.zeros_like(padded) if wanted == "big" else None,
        "weight": np.zeros_like(weight) if wanted == "weight" else None,
    }[wanted]
    assert result is not None

    for tap in np.ndindex(*shape.kernel_size):
        reached = tuple(
            slice(t * d, t * d + (size - 1) * s + 1, s)
            for t, d, s, size in zip(tap, shape.dilation, shape.stride, small.shape[2:], strict=True)
        )
        seen = padded[(..., *reached)]
        pixels = seen.reshape(shape.batch, groups, by_group[2], -1)
        if wanted == "small":
            result += weight[(..., *tap)] @ pixels
        elif wanted == "big":
            spread = weight[(..., *tap)].swapaxes(1, 2) @ values
            result[(..., *reached)] += spread.reshape(seen.shape)
        else:
            result[(..., *tap)] = (values @ pixels.swapaxes(2, 3)).sum(axis=0)

    if wanted == "big":
        inner = (slice(p, p + size) for p, size in zip(shape.padding, big.shape[2:], strict=True))
        return result[(..., *inner)]
    return result.reshape(small.shape if wanted == "small" else shape.weight_shape)
