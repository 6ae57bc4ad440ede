"""Kernels on pictures, by the convolutions of `convnative.functional`."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import functional
from .._checks import boolean
from ._picture import Border, Matrix, Pixels, check_border, check_picture, working_dtype
from .kernels import Kernel, check_kernel

# From this many elements on, two passes with the factors of a kernel of rank 1 are faster than one with all.
_FEWEST_SEPARABLE = 81

# What takes several passes, or a conversion to float32 and back, runs in strips of about this many elements,
# which stay in a core's cache meanwhile.
_STRIP_ELEMENTS = 1 << 18

Range = tuple[int, int]


def correlate(
    image: Pixels,
    kernel: NDArray[Any],
    *,
    border: Border = "replicate",
    absolute: bool = False,
    as_float: bool = False,
) -> Pixels:
    r"""Lay a kernel over every pixel and add up the products, each channel by itself.

    .. math:: Y_{i,j} = \sum_{a,b} K_{a,b} \, X_{i + a - \lfloor R/2 \rfloor,\; j + b - \lfloor S/2 \rfloor}

    A kernel of rank 1 with many elements, such as a large box or Gaussian, runs as two passes with its column
    and its row.

    Parameters
    ----------
    image : ndarray, shape (H, W) or (H, W, channels)
        Grey, or with up to 4 channels; uint8, uint16, float32 or float64.
    kernel : ndarray, shape (R, S)
        Laid over the image as it is, without turning it round. Its element (R // 2, S // 2) is the centre.
    border : str or float, optional
        What lies outside of the image: "replicate", "reflect", "symmetric", "circular", "zeros" or a number.
    absolute : bool, optional
        Return the magnitude, as is usual for kernels with negative answers (Laplacian, Sobel).
    as_float : bool, optional
        Return the float32 values of an integer image as they are, without rounding.

    Returns
    -------
    ndarray, shape of the image
        A float image keeps its type and its values are not limited. An integer image is converted to float32,
        filtered, rounded to the nearest integer (halves to even), limited to the range of its type and
        converted back.

    Raises
    ------
    TypeError
        If the image or the kernel is of another type.
    ValueError
        If the image or the kernel has another shape, or the border is unknown.

    See Also
    --------
    convolve : with the kernel turned round.

    Examples
    --------
    >>> from convnative.filters import kernels
    >>> image = np.array([[0, 0, 200, 200]], dtype=np.uint8)
    >>> correlate(image, kernels.sobel_horizontal())
    array([[  0, 255, 255,   0]], dtype=uint8)
    >>> correlate(image, kernels.sobel_horizontal(), as_float=True)
    array([[  0., 800., 800.,   0.]], dtype=float32)
    """
    weights = check_kernel(kernel)
    centre = (weights.shape[0] // 2, weights.shape[1] // 2)
    return _filter(image, weights, centre, border, absolute=absolute, as_float=as_float)


def convolve(
    image: Pixels,
    kernel: NDArray[Any],
    *,
    border: Border = "replicate",
    absolute: bool = False,
    as_float: bool = False,
) -> Pixels:
    r"""Convolve an image with a kernel, each channel by itself: `correlate` with the kernel turned round.

    .. math:: Y_{i,j} = \sum_{a,b} K_{a,b} \, X_{i - a + \lfloor R/2 \rfloor,\; j - b + \lfloor S/2 \rfloor}

    Parameters
    ----------
    image, kernel, border, absolute, as_float
        As for `correlate`.

    Returns
    -------
    ndarray, shape of the image
        As for `correlate`.

    Raises
    ------
    TypeError, ValueError
        As for `correlate`.

    Examples
    --------
    A single bright pixel becomes the kernel itself:

    >>> image = np.zeros((3, 3))
    >>> image[1, 1] = 1
    >>> convolve(image, np.arange(9.0).reshape(3, 3))
    array([[0., 1., 2.],
           [3., 4., 5.],
           [6., 7., 8.]])
    """
    weights = check_kernel(kernel)[::-1, ::-1]
    centre = ((weights.shape[0] - 1) // 2, (weights.shape[1] - 1) // 2)
    return _filter(image, weights, centre, border, absolute=absolute, as_float=as_float)


def _filter(
    image: Pixels, weights: Kernel, centre: tuple[int, int], border: Border, *, absolute: bool, as_float: bool
) -> Pixels:
    """Check the arguments that are the same for both orientations and choose how to run."""
    pixels, outside = check_picture(image), check_border(border)
    absolute, as_float = boolean("absolute", absolute), boolean("as_float", as_float)
    dtype = working_dtype(pixels)
    passes = [_Pass(part.astype(dtype), at) for part, at in _factors(weights, centre, dtype)]
    run = _Run(pixels, passes, outside, absolute=absolute, as_float=as_float)
    return run.result().reshape(pixels.shape)


def _factors(
    weights: Kernel, centre: tuple[int, int], dtype: np.dtype[Any]
) -> list[tuple[Kernel, tuple[int, int]]]:
    """Return the kernel, or the column and the row whose outer product it is, each with its centre."""
    if weights.size < _FEWEST_SEPARABLE or 1 in weights.shape:
        return [(weights, centre)]
    row, column = np.unravel_index(np.abs(weights).argmax(), weights.shape)
    pivot = weights[row, column]
    if pivot == 0:
        return [(weights, centre)]
    factors = weights[:, column : column + 1], weights[row : row + 1] / pivot
    # As near as rounding the kernel to the working type comes.
    if np.abs(factors[0] * factors[1] - weights).max() > 2 * np.finfo(dtype).eps * abs(pivot):
        return [(weights, centre)]
    return [(factors[0], (centre[0], 0)), (factors[1], (0, centre[1]))]


class _Pass:
    """One kernel, of the working type, and how far it reaches from its centre."""

    def __init__(self, weights: Pixels, centre: tuple[int, int]) -> None:
        self.weights = weights
        self.before = centre
        self.after = (weights.shape[0] - 1 - centre[0], weights.shape[1] - 1 - centre[1])

    def sums(self, values: Pixels, step: int, *, pad_columns: bool, out: Pixels) -> None:
        """Write the sums over a matrix into `out`; with zeros beside it, as many columns as it has."""
        columns = (self.before[1] * step, self.after[1] * step) if pad_columns else (0, 0)
        functional.conv2d(
            values[None, None],
            self.weights[None, None],
            padding=((0, 0), columns),
            dilation=(1, step),
            out=out[None, None],
        )


class _Run:
    """One filter of one picture.

    The rows whose sums lie inside the picture are computed as if there were zeros beside it, which costs
    nothing. Those outputs that see the border are computed again, from narrow windows in which it is filled
    in. Whatever lies between the picture and the result stays in memory that is used again and again: fresh
    memory is paid for page by page, which takes longer than a small kernel.
    """

    def __init__(
        self, pixels: Pixels, passes: Sequence[_Pass], border: Border, *, absolute: bool, as_float: bool
    ) -> None:
        self._matrix = Matrix.of(pixels)
        self._passes = passes
        self._border = border
        self._absolute = absolute
        self._working = passes[0].weights.dtype
        self._converted = pixels.dtype != self._working
        self._rounded = self._converted and not as_float
        self._limit = float(np.iinfo(pixels.dtype).max) if self._rounded else 0.0
        self._limited = self._rounded and not self._stays_inside()
        self._before, self._after = (
            [sum(getattr(each, side)[axis] for each in passes) for axis in (0, 1)]
            for side in ("before", "after")
        )
        self._memory: list[Pixels] = []
        dtype = pixels.dtype if self._rounded else self._working
        self._result = np.empty(self._matrix.values.shape, dtype)

    def _stays_inside(self) -> bool:
        """Whether the sums are means with positive weights, which cannot leave the range of the picture."""
        inside = isinstance(self._border, str) or 0 <= self._border <= self._limit
        positive = all(each.weights.min() >= 0 for each in self._passes)
        return inside and positive and math.prod(each.weights.sum() for each in self._passes) <= 1 + 1e-6

    def result(self) -> Pixels:
        """Compute everything."""
        height, width = self._matrix.height, self._matrix.width
        top, left = self._before
        bottom, right = height - self._after[0], width - self._after[1]
        if top >= bottom or left >= right:
            self._block((0, height), (0, width))
            return self._result
        count = 1
        if self._converted or len(self._passes) > 1:
            count = max(round((bottom - top) * width * self._matrix.step / _STRIP_ELEMENTS), 1)
        edges = [top + (bottom - top) * index // count for index in range(count + 1)]
        for first, last in itertools.pairwise(edges):
            self._strip(first, last)
        self._block((0, top), (0, width))
        self._block((bottom, height), (0, width))
        if self._border != 0:
            self._block((top, bottom), (0, left))
            self._block((top, bottom), (right, width))
        return self._result

    def _strip(self, top: int, bottom: int) -> None:
        """Compute whole rows from rows that all lie in the picture, with zeros beside it."""
        rows = slice(top - self._before[0], bottom + self._after[0])
        values = self._matrix.values[rows]
        if self._converted:
            copy = self._part(0, *values.shape)
            np.copyto(copy, values)
            values = copy
        self._apply(values, self._result[top:bottom], pad_columns=True)

    def _block(self, rows: Range, columns: Range) -> None:
        """Compute a rectangle of the picture from a window with its border."""
        if rows[0] >= rows[1] or columns[0] >= columns[1]:
            return
        step = self._matrix.step
        outer = [
            (first - before, last + after)
            for (first, last), before, after in zip((rows, columns), self._before, self._after, strict=True)
        ]
        height, width = (last - first for first, last in outer)
        window = self._matrix.window(outer[0], outer[1], self._border, self._part(0, height, width * step))
        target = self._result[rows[0] : rows[1], columns[0] * step : columns[1] * step]
        self._apply(window, target, pad_columns=False)

    def _apply(self, values: Pixels, target: Pixels, *, pad_columns: bool) -> None:
        """Run the passes over a matrix and bring what they give into a part of the result."""
        step = self._matrix.step
        height, width = values.shape
        for index, each in enumerate(self._passes, 1):
            height -= each.weights.shape[0] - 1
            width -= 0 if pad_columns else (each.weights.shape[1] - 1) * step
            direct = index == len(self._passes) and not self._rounded and target.flags.c_contiguous
            out = target if direct else self._part(index, height, width)
            each.sums(values, step, pad_columns=pad_columns, out=out)
            values = out
        if self._absolute:
            np.abs(values, out=values)
        if self._rounded:
            np.rint(values, out=values)
        if self._limited:
            np.clip(values, 0, self._limit, out=target, casting="unsafe")
        elif values is not target:
            np.copyto(target, values, casting="unsafe")

    def _part(self, index: int, rows: int, columns: int) -> Pixels:
        """Return memory for a step of the computation, that of the call before where it suffices."""
        while index >= len(self._memory):
            self._memory.append(np.empty(0, self._working))
        if self._memory[index].size < rows * columns:
            self._memory[index] = np.empty(rows * columns, self._working)
        return self._memory[index][: rows * columns].reshape(rows, columns)
