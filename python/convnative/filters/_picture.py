"""Pictures as matrices: their checks, and parts of them together with what lies outside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._checks import real

Pixels = NDArray[Any]
Border = str | float

BORDERS = ("replicate", "reflect", "symmetric", "circular", "zeros")
DTYPES = (np.uint8, np.uint16, np.float32, np.float64)
MOST_CHANNELS = 4


def check_picture(image: Any) -> Pixels:
    """Return a picture as a C-contiguous array in native byte order; an error says what it is not."""
    if not isinstance(image, np.ndarray) or hasattr(image, "mask"):  # a masked array's mask would be lost
        raise TypeError(f"image: expected a numpy.ndarray, received {type(image).__name__}")
    dtype = image.dtype.newbyteorder("=")
    if dtype not in DTYPES:
        raise TypeError(f"image: expected uint8, uint16, float32 or float64, received {image.dtype}")
    channels = image.shape[2] if image.ndim == 3 else 1
    if image.ndim not in (2, 3) or 0 in image.shape or channels > MOST_CHANNELS:
        raise ValueError(
            f"image: expected shape (H, W) or (H, W, 1 to {MOST_CHANNELS}) with at least one pixel, "
            f"received {image.shape}"
        )
    return np.ascontiguousarray(image, dtype=dtype)


def check_border(border: Border) -> Border:
    """Return a border: a mode, or the number that it consists of."""
    if isinstance(border, str):
        if border not in BORDERS:
            listed = ", ".join(map(repr, BORDERS))
            raise ValueError(f"border: expected one of {listed} or a number, received {border!r}")
        return 0.0 if border == "zeros" else border
    return real("border", border)


def working_dtype(pixels: Pixels) -> np.dtype[Any]:
    """Return the type in which a picture is computed."""
    return pixels.dtype if pixels.dtype.kind == "f" else np.dtype(np.float32)


@dataclass(frozen=True)
class Matrix:
    """A picture as a matrix: one row of the picture after the other, its pixels side by side.

    The channels stay where they are, so that neighbours of one channel lie `step` elements apart and a kernel
    is laid over the matrix with a dilation of `step` columns: colours are never taken apart.

    Attributes
    ----------
    values : ndarray, shape (H, W * step)
        The elements; C-contiguous.
    step : int
        Number of channels.
    """

    values: Pixels
    step: int

    @classmethod
    def of(cls, pixels: Pixels) -> Matrix:
        """Return the matrix of a picture, a view of it."""
        return cls(
            pixels.reshape(pixels.shape[0], -1),
            pixels.shape[2] if pixels.ndim == 3 else 1,
        )

    @property
    def height(self) -> int:
        """Number of rows."""
        return int(self.values.shape[0])

    @property
    def width(self) -> int:
        """Number of pixels in a row."""
        return int(self.values.shape[1]) // self.step

    def window(self, rows: tuple[int, int], columns: tuple[int, int], border: Border, out: Pixels) -> Pixels:
        """Copy the pixels of a rectangle that may reach beyond the picture.

        Parameters
        ----------
        rows, columns : (int, int)
            Half-open ranges of pixels.
        border : str or float
            What lies outside.
        out : ndarray, shape (rows, columns * step)
            Where they go, with its type.

        Returns
        -------
        ndarray
            `out`.
        """
        (top, bottom), (left, right) = rows, columns
        first, last = (min(max(edge, 0), self.height) for edge in rows)
        pixels = self.values.reshape(self.height, self.width, self.step)
        target = out.reshape(bottom - top, right - left, self.step)
        self._copy(pixels[first:last], target[first - top : last - top], left, border)
        for begin, end in ((top, min(bottom, 0)), (max(top, self.height), bottom)):
            if begin >= end:
                continue
            part = target[begin - top : end - top]
            if isinstance(border, str):
                outside = _sources(begin, end, self.height, border)
                self._copy(pixels[outside], part, left, border)
            else:
                part[...] = border
        return out

    def _copy(self, pixels: Pixels, target: Pixels, left: int, border: Border) -> None:
        """Copy whole rows of the picture into the columns from `left` on of a target."""
        right = left + target.shape[1]
        first, last = (min(max(edge, 0), self.width) for edge in (left, right))
        target[:, first - left : last - left] = pixels[:, first:last]
        for begin, end in ((left, min(right, 0)), (max(left, self.width), right)):
            if begin < end:
                part = target[:, begin - left : end - left]
                if isinstance(border, str):
                    part[...] = pixels[:, _sources(begin, end, self.width, border)]
                else:
                    part[...] = border


def _sources(begin: int, end: int, size: int, border: str) -> NDArray[np.intp]:
    """Return which elements of an axis stand at positions outside of it."""
    positions = np.arange(begin, end)
    if border == "replicate":
        return np.clip(positions, 0, size - 1)
    if border == "circular":
        return positions % size
    if border == "symmetric":
        positions = positions % (2 * size)
        return np.minimum(positions, 2 * size - 1 - positions)
    period = max(2 * (size - 1), 1)  # a single element is mirrored at itself
    positions = positions % period
    return np.minimum(positions, period - positions) if size > 1 else np.zeros_like(positions)
