"""Kernels on pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._checks import boolean
from ..functional._picture import correlate_picture
from ._picture import Border, Pixels, check_border, check_picture, working_dtype
from .kernels import Kernel, check_kernel

# From this many elements on, two passes with the factors of a kernel of rank 1 are faster than one with all.
_FEWEST_SEPARABLE = 49


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
        If the image or the kernel has another shape, the kernel numbers beyond float32 for an image that is
        computed in it, or the border is unknown.

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
    """Check the arguments that are the same for both orientations and run."""
    pixels, outside = check_picture(image), check_border(border)
    absolute, as_float = boolean("absolute", absolute), boolean("as_float", as_float)
    factors = _factors(weights, working_dtype(pixels))
    return np.asarray(
        correlate_picture(pixels, factors, centre, outside, absolute=absolute, as_float=as_float)
    )


def _factors(weights: Kernel, dtype: np.dtype[Any]) -> tuple[Pixels, ...]:
    """Return the kernel, or the column and the row whose outer product it is, in the working type."""
    largest = np.abs(weights).max()
    if largest > np.finfo(dtype).max:
        raise ValueError(f"kernel: expected numbers of {dtype} for this image, received {largest:g}")
    whole = (weights.astype(dtype),)
    if weights.size < _FEWEST_SEPARABLE or 1 in weights.shape:
        return whole
    row, column = np.unravel_index(np.abs(weights).argmax(), weights.shape)
    pivot = weights[row, column]
    if pivot == 0:
        return whole
    factors = weights[:, column : column + 1], weights[row : row + 1] / pivot
    # As near as rounding the kernel to the working type comes.
    if np.abs(factors[0] * factors[1] - weights).max() > 2 * np.finfo(dtype).eps * abs(pivot):
        return whole
    return factors[0].astype(dtype), factors[1].astype(dtype)
