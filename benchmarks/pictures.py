"""The command `images`, beside its planes: pictures through filters, as image libraries have them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .cases import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .cases import Array


@dataclass(frozen=True)
class PictureShape:
    """
    A picture (H, W) or (H, W, 3) and a square kernel, whose border repeats the outermost pixels.

    With a `sigma` the kernel is a Gaussian, which libraries run as a column and a row.
    """

    height: int
    width: int
    channels: int
    dtype: str
    kernel: int
    sigma: float = 0

    @property
    def label(self) -> str:
        name = "Gaussian" if self.sigma else "filter"
        colours = "RGB" if self.channels == 3 else "grey"
        return f"{name} {self.kernel}x{self.kernel} {self.dtype} {colours} @{self.height}x{self.width}"

    @property
    def kind(self) -> str:
        """The class of a report."""
        return f"{self.dtype}, {'Gaussian' if self.sigma else 'filter'}"

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.height, self.width, *((self.channels,) if self.channels > 1 else ()))


PICTURES = tuple(
    PictureShape(*size, channels, dtype, kernel, sigma)
    for size in ((1080, 1920), (2160, 3840))
    for dtype in ("float32", "uint8")
    for channels in (1, 3)
    for kernel, sigma in ((3, 0), (5, 0), (7, 0), (15, 2.5))
)


@dataclass(frozen=True)
class PictureCase(Problem):
    """Weights are positive and their sum is 1: no library has to limit the result."""

    kind = "picture"
    unit = "GFLOP/s"

    shape: PictureShape
    operation: str
    image: Array
    weight: Array

    @classmethod
    def random(
        cls,
        row: PictureShape,
        operation: str,
        rng: np.random.Generator,
        dtype: str = "float32",  # noqa: ARG003 (the row says)
    ) -> PictureCase:
        image = rng.integers(0, 256, row.shape).astype(row.dtype)
        weight = np.outer(row_of(row), row_of(row)) if row.sigma else rng.random((row.kernel, row.kernel))
        return cls(row, operation, image, weight / weight.sum())

    @property
    def label(self) -> str:
        return self.shape.label

    @property
    def group(self) -> str:
        return self.shape.kind

    @property
    def work(self) -> float:
        """Operations of the definition."""
        return 2 * self.image.size * self.weight.size / 1e9

    @property
    def tolerance(self) -> float:
        """Some libraries cut integers off instead of rounding them, after each pass."""
        return 2.01 / 128 if self.shape.dtype == "uint8" else 1e-5

    def description(self) -> dict[str, Any]:
        return {"shape": asdict(self.shape), "operation": self.operation}

    def arrays(self) -> dict[str, Array]:
        return {"image": self.image, "weight": self.weight}

    @classmethod
    def load(cls, description: dict[str, Any], arrays: Mapping[str, Array]) -> PictureCase:
        return cls(PictureShape(**description["shape"]), description["operation"], **arrays)

    def reference(self) -> list[Array]:
        if self.shape.sigma:
            row = row_of(self.shape)[None]
            return [correlated(correlated(self.image, row.T), row)]
        return [correlated(self.image, self.weight)]


def row_of(shape: PictureShape) -> Array:
    """Return one row of the Gaussian."""
    places = np.arange(shape.kernel) - shape.kernel // 2
    row = np.exp(-0.5 * (places / shape.sigma) ** 2)
    return np.asarray(row / row.sum())


def correlated(image: Array, weight: Array) -> Array:
    """Compute in float64, tap by tap."""
    height, width = image.shape[:2]
    rows, columns = weight.shape
    pads = ((rows // 2, rows // 2), (columns // 2, columns // 2), *(((0, 0),) * (image.ndim - 2)))
    padded = np.pad(image.astype(np.float64), pads, mode="edge")
    result = np.zeros(image.shape)
    for (row, column), value in np.ndenumerate(weight):
        result += value * padded[row : row + height, column : column + width]
    return result
