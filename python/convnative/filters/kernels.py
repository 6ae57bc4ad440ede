"""Small kernels as arrays.

Every kernel is a two-dimensional float64 array that is laid over the image as it is printed, with its middle
element on the pixel that is computed (`convnative.filters.correlate`).

Examples
--------
>>> from convnative.filters import kernels
>>> kernels.dilate(kernels.sobel_horizontal(), 2)
array([[-1.,  0.,  0.,  0.,  1.],
       [ 0.,  0.,  0.,  0.,  0.],
       [-2.,  0.,  0.,  0.,  2.],
       [ 0.,  0.,  0.,  0.,  0.],
       [-1.,  0.,  0.,  0.,  1.]])
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._checks import integer, real

__all__ = [
    "binomial",
    "box",
    "dilate",
    "edge",
    "emboss",
    "gaussian",
    "identity",
    "laplacian",
    "prewitt_horizontal",
    "prewitt_vertical",
    "scharr_horizontal",
    "scharr_vertical",
    "sharpen",
    "shift",
    "sobel_horizontal",
    "sobel_vertical",
]

Kernel = NDArray[np.float64]


def identity() -> Kernel:
    """Return the 3 by 3 kernel that leaves an image as it is.

    Returns
    -------
    ndarray, shape (3, 3)
        A single one in the middle.

    Examples
    --------
    >>> identity()
    array([[0., 0., 0.],
           [0., 1., 0.],
           [0., 0., 0.]])
    """
    return shift(0, 0)


def shift(dy: int = 0, dx: int = 1) -> Kernel:
    """Return the kernel that moves an image by whole pixels.

    Parameters
    ----------
    dy, dx : int, optional
        How far the image moves down and to the right.

    Returns
    -------
    ndarray, shape (2 r + 1, 2 r + 1) with r = max(abs(dy), abs(dx), 1)
        A single one, on the side that the pixels come from.

    Raises
    ------
    TypeError
        If a distance is not an int.

    Examples
    --------
    >>> shift(0, 1)
    array([[0., 0., 0.],
           [1., 0., 0.],
           [0., 0., 0.]])
    """
    for name, distance in (("dy", dy), ("dx", dx)):
        if isinstance(distance, bool) or not isinstance(distance, (int, np.integer)):
            raise TypeError(f"{name}: expected an int, received {distance!r}")
    radius = max(abs(dy), abs(dx), 1)
    values = np.zeros((2 * radius + 1, 2 * radius + 1))
    values[radius - dy, radius - dx] = 1
    return values


def box(size: int = 3) -> Kernel:
    """Return the kernel of the mean over a square.

    Parameters
    ----------
    size : int, optional
        Side of the square; odd.

    Returns
    -------
    ndarray, shape (size, size)
        ``1 / size**2`` everywhere.

    Raises
    ------
    ValueError
        If the size is not odd and at least 1.

    Examples
    --------
    >>> box(3) * 9
    array([[1., 1., 1.],
           [1., 1., 1.],
           [1., 1., 1.]])
    """
    _check_odd(size)
    return np.full((size, size), 1 / size**2)


def binomial(size: int = 3) -> Kernel:
    """Return the binomial kernel, the usual small approximation of a Gaussian.

    Parameters
    ----------
    size : int, optional
        Side of the kernel; odd.

    Returns
    -------
    ndarray, shape (size, size)
        The outer product of a row of Pascal's triangle with itself, divided by its sum.

    Raises
    ------
    ValueError
        If the size is not odd and at least 1.

    Examples
    --------
    >>> binomial(3) * 16
    array([[1., 2., 1.],
           [2., 4., 2.],
           [1., 2., 1.]])
    >>> (binomial(5) * 256)[0].tolist()
    [1.0, 4.0, 6.0, 4.0, 1.0]
    """
    _check_odd(size)
    row = np.array([math.comb(size - 1, index) for index in range(size)], dtype=np.float64)
    return np.asarray(np.outer(row, row) / 4.0 ** (size - 1))


def gaussian(sigma: float = 1.0, *, radius: int | None = None) -> Kernel:
    r"""Return a Gaussian kernel: sampled, cut off and divided by its sum.

    .. math:: g(x, y) \propto e^{-(x^2 + y^2) / 2 \sigma^2}

    Parameters
    ----------
    sigma : float, optional
        Standard deviation in pixels.
    radius : int, optional
        Where the kernel is cut off; ``ceil(3 * sigma)`` if not given, which leaves 0.3 % outside.

    Returns
    -------
    ndarray, shape (2 radius + 1, 2 radius + 1)
        The kernel.

    Raises
    ------
    TypeError, ValueError
        If the standard deviation is not positive and finite, or the radius not an int of at least 0.

    Examples
    --------
    >>> gaussian(1.0).shape
    (7, 7)
    >>> kernel = gaussian(2.0, radius=7)
    >>> bool(np.isclose(kernel[7, 9] / kernel[7, 7], np.exp(-0.5)))
    True
    """
    if not 0 < real("sigma", sigma) < math.inf:
        raise ValueError(f"sigma: expected a number > 0, received {sigma!r}")
    reach = math.ceil(3 * sigma) if radius is None else integer("radius", radius, 0)
    row = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    row /= row.sum()
    return np.outer(row, row)


def sharpen() -> Kernel:
    """Return the sharpening kernel: the image minus its Laplacian.

    Returns
    -------
    ndarray, shape (3, 3)
        The kernel.

    Examples
    --------
    >>> sharpen()
    array([[ 0., -1.,  0.],
           [-1.,  5., -1.],
           [ 0., -1.,  0.]])
    """
    return np.array([[0.0, -1, 0], [-1, 5, -1], [0, -1, 0]])


def laplacian(neighbours: int = 4, *, negative: bool = False) -> Kernel:
    """Return the Laplacian: the neighbours against as many times the centre.

    Parameters
    ----------
    neighbours : {4, 8}, optional
        Those above, below, left and right, which is the sum of both second differences, or the diagonal ones
        too.
    negative : bool, optional
        Turn the signs round, so that the centre counts positively.

    Returns
    -------
    ndarray, shape (3, 3)
        The kernel.

    Raises
    ------
    ValueError
        If there are other than 4 or 8 neighbours.

    Examples
    --------
    >>> laplacian()
    array([[ 0.,  1.,  0.],
           [ 1., -4.,  1.],
           [ 0.,  1.,  0.]])
    >>> laplacian(8)
    array([[ 1.,  1.,  1.],
           [ 1., -8.,  1.],
           [ 1.,  1.,  1.]])
    """
    if neighbours not in (4, 8):
        raise ValueError(f"neighbours: expected 4 or 8, received {neighbours!r}")
    corner = 1.0 if neighbours == 8 else 0.0
    values = np.array([[corner, 1, corner], [1, -neighbours, 1], [corner, 1, corner]])
    # 0 - x rather than -x: no zeros with a sign.
    return 0 - values if negative else values


def edge() -> Kernel:
    """Return the kernel that adds to the image the differences of its diagonals.

    Returns
    -------
    ndarray, shape (3, 3)
        The kernel; its sum is 1.

    Examples
    --------
    >>> edge()
    array([[ 1.,  0., -1.],
           [ 0.,  1.,  0.],
           [-1.,  0.,  1.]])
    """
    return np.array([[1.0, 0, -1], [0, 1, 0], [-1, 0, 1]])


def emboss() -> Kernel:
    """Return the kernel that adds to the image its slope from the upper left to the lower right.

    Returns
    -------
    ndarray, shape (3, 3)
        The kernel; its sum is 1.

    Examples
    --------
    >>> emboss()
    array([[-2., -1.,  0.],
           [-1.,  1.,  1.],
           [ 0.,  1.,  2.]])
    """
    return np.array([[-2.0, -1, 0], [-1, 1, 1], [0, 1, 2]])


def sobel_horizontal() -> Kernel:
    """Return the Sobel kernel of the horizontal difference, which answers to vertical edges.

    Returns
    -------
    ndarray, shape (3, 3)
        The kernel.

    Examples
    --------
    >>> sobel_horizontal()
    array([[-1.,  0.,  1.],
           [-2.,  0.,  2.],
           [-1.,  0.,  1.]])
    """
    return _difference(1, 2)


def sobel_vertical() -> Kernel:
    """Return the Sobel kernel of the upper minus the lower rows, which answers to horizontal edges.

    Returns
    -------
    ndarray, shape (3, 3)
        The kernel.

    Examples
    --------
    >>> sobel_vertical()
    array([[ 1.,  2.,  1.],
           [ 0.,  0.,  0.],
           [-1., -2., -1.]])
    """
    return _upward(sobel_horizontal())


def prewitt_horizontal() -> Kernel:
    """Return the Prewitt kernel of the horizontal difference: Sobel's with equal weights.

    Returns
    -------
    ndarray, shape (3, 3)
        The kernel.

    Examples
    --------
    >>> prewitt_horizontal()
    array([[-1.,  0.,  1.],
           [-1.,  0.,  1.],
           [-1.,  0.,  1.]])
    """
    return _difference(1, 1)


def prewitt_vertical() -> Kernel:
    """Return the Prewitt kernel of the upper minus the lower rows.

    Returns
    -------
    ndarray, shape (3, 3)
        The kernel.

    Examples
    --------
    >>> prewitt_vertical()
    array([[ 1.,  1.,  1.],
           [ 0.,  0.,  0.],
           [-1., -1., -1.]])
    """
    return _upward(prewitt_horizontal())


def scharr_horizontal() -> Kernel:
    """Return the Scharr kernel of the horizontal difference, whose direction errs least.

    Returns
    -------
    ndarray, shape (3, 3)
        The kernel.

    Examples
    --------
    >>> scharr_horizontal()
    array([[ -3.,   0.,   3.],
           [-10.,   0.,  10.],
           [ -3.,   0.,   3.]])
    """
    return _difference(3, 10)


def scharr_vertical() -> Kernel:
    """Return the Scharr kernel of the upper minus the lower rows.

    Returns
    -------
    ndarray, shape (3, 3)
        The kernel.

    Examples
    --------
    >>> scharr_vertical()
    array([[  3.,  10.,   3.],
           [  0.,   0.,   0.],
           [ -3., -10.,  -3.]])
    """
    return _upward(scharr_horizontal())


def _difference(corner: float, middle: float) -> Kernel:
    """Return the right column minus the left one, averaged over three rows."""
    return np.outer([corner, middle, corner], [-1.0, 0, 1])


def _upward(horizontal: Kernel) -> Kernel:
    """Return the difference of the upper minus the lower rows for that of the columns."""
    return np.ascontiguousarray(horizontal.T[::-1])


def dilate(kernel: NDArray[Any], dilation: int | Sequence[int]) -> Kernel:
    """Return a kernel with holes: its elements further apart, and zeros between them.

    Parameters
    ----------
    kernel : ndarray, shape (R, S)
        The kernel.
    dilation : int or (int, int)
        Distance between neighbouring elements, of rows and of columns; 1 changes nothing.

    Returns
    -------
    ndarray, shape (dy (R - 1) + 1, dx (S - 1) + 1)
        The kernel with its holes shown.

    Raises
    ------
    TypeError, ValueError
        If the kernel has another number of axes or a dilation is not an int of at least 1.

    Examples
    --------
    >>> dilate(laplacian(), 2)
    array([[ 0.,  0.,  1.,  0.,  0.],
           [ 0.,  0.,  0.,  0.,  0.],
           [ 1.,  0., -4.,  0.,  1.],
           [ 0.,  0.,  0.,  0.,  0.],
           [ 0.,  0.,  1.,  0.,  0.]])
    """
    values = check_kernel(kernel)
    steps = tuple(dilation) if isinstance(dilation, Sequence) else (dilation, dilation)
    if len(steps) != 2:
        raise ValueError(f"dilation: expected an int >= 1 or a pair of them, received {dilation!r}")
    dy, dx = (integer("dilation", step, 1) for step in steps)
    rows, columns = values.shape
    result = np.zeros((dy * (rows - 1) + 1, dx * (columns - 1) + 1))
    result[::dy, ::dx] = values
    return result


def check_kernel(kernel: NDArray[Any]) -> Kernel:
    """Return a kernel as a float64 array; an error names what is wrong with it.

    Parameters
    ----------
    kernel : ndarray, shape (R, S)
        Real numbers.

    Returns
    -------
    ndarray, shape (R, S)
        The kernel as float64.

    Raises
    ------
    TypeError
        If it does not hold real numbers.
    ValueError
        If it has another number of axes, no element, or one that is not finite.

    Examples
    --------
    >>> check_kernel(np.ones(3))
    Traceback (most recent call last):
    ValueError: kernel: expected shape (R, S), received (3,)
    """
    values = np.asarray(kernel)
    if values.dtype.kind not in "iuf":
        raise TypeError(f"kernel: expected real numbers, received {values.dtype}")
    if values.ndim != 2 or 0 in values.shape:
        raise ValueError(f"kernel: expected shape (R, S), received {values.shape}")
    result = values.astype(np.float64)
    if not np.isfinite(result).all():
        raise ValueError(f"kernel: expected finite numbers, received {result[~np.isfinite(result)][0]}")
    return result


def _check_odd(size: int) -> None:
    if type(size) is not int or size < 1 or size % 2 == 0:
        raise ValueError(f"size: expected an odd int >= 1, received {size!r}")
