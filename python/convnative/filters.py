"""Classical image filters: small kernels as arrays, and their application to photographs.

Every kernel is a two-dimensional float64 array whose centre is its middle element. A filter is a
cross-correlation, as `convnative.functional.conv2d` is: the kernel is laid over the image as it is printed,
not turned round.

Examples
--------
>>> import numpy as np
>>> from convnative import filters
>>> image = np.zeros((5, 5), dtype=np.uint8)
>>> image[2, 2] = 90
>>> filters.apply(image, filters.box(3))
array([[ 0,  0,  0,  0,  0],
       [ 0, 10, 10, 10,  0],
       [ 0, 10, 10, 10,  0],
       [ 0, 10, 10, 10,  0],
       [ 0,  0,  0,  0,  0]], dtype=uint8)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from . import functional

__all__ = [
    "apply",
    "binomial",
    "box",
    "edge",
    "gaussian",
    "identity",
    "kernel",
    "kernel_names",
    "laplacian",
    "sharpen",
    "shift",
    "sobel_horizontal",
    "sobel_vertical",
]

Kernel = NDArray[np.float64]
Border = Literal["replicate", "reflect", "circular", "zeros"]


# -- kernels ----------------------------------------------------------------------------------------------


def identity() -> Kernel:
    """Return the 3 by 3 kernel that leaves an image as it is.

    Returns
    -------
    ndarray, shape (3, 3)
        A single one in the middle.
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

    Examples
    --------
    >>> shift(0, 1)
    array([[0., 0., 0.],
           [1., 0., 0.],
           [0., 0., 0.]])
    """
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
    """
    _check_odd(size)
    row = np.array([math.comb(size - 1, index) for index in range(size)], dtype=np.float64)
    return np.asarray(np.outer(row, row) / 4 ** (size - 1))


def gaussian(sigma: float = 1.0) -> Kernel:
    """Return a Gaussian kernel, cut off at three standard deviations and divided by its sum.

    Parameters
    ----------
    sigma : float, optional
        Standard deviation in pixels.

    Returns
    -------
    ndarray, shape (2 r + 1, 2 r + 1) with r = ceil(3 sigma)
        The kernel.

    Raises
    ------
    ValueError
        If the standard deviation is not positive and finite.

    Examples
    --------
    >>> gaussian(1.0).shape
    (7, 7)
    """
    if not 0 < sigma < math.inf:
        raise ValueError(f"sigma: expected a number > 0, received {sigma!r}")
    radius = math.ceil(3 * sigma)
    row = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
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


def laplacian() -> Kernel:
    """Return the five-point Laplacian, the sum of both second differences.

    Returns
    -------
    ndarray, shape (3, 3)
        The kernel.

    Examples
    --------
    >>> laplacian()
    array([[ 0.,  1.,  0.],
           [ 1., -4.,  1.],
           [ 0.,  1.,  0.]])
    """
    return np.array([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]])


def edge() -> Kernel:
    """Return the edge detector: the eight neighbours against eight times the centre.

    Returns
    -------
    ndarray, shape (3, 3)
        The kernel.

    Examples
    --------
    >>> edge()
    array([[ 1.,  1.,  1.],
           [ 1., -8.,  1.],
           [ 1.,  1.,  1.]])
    """
    return np.array([[1.0, 1, 1], [1, -8, 1], [1, 1, 1]])


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
    return np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])


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
    return np.array([[1.0, 2, 1], [0, 0, 0], [-1, -2, -1]])


_KERNELS: dict[str, Callable[[], Kernel]] = {
    "identity": identity,
    "shift": shift,
    "box": box,
    "gaussian": gaussian,
    "binomial3": lambda: binomial(3),
    "binomial5": lambda: binomial(5),
    "sharpen": sharpen,
    "laplacian": laplacian,
    "edge": edge,
    "sobel-horizontal": sobel_horizontal,
    "sobel-vertical": sobel_vertical,
}


def kernel_names() -> tuple[str, ...]:
    """Return the names that `kernel` knows.

    Returns
    -------
    tuple of str
        The names.

    Examples
    --------
    >>> "laplacian" in kernel_names()
    True
    """
    return tuple(_KERNELS)


def kernel(name: str) -> Kernel:
    """Return a kernel by its name, with its default size.

    Parameters
    ----------
    name : str
        One of `kernel_names`.

    Returns
    -------
    ndarray
        The kernel.

    Raises
    ------
    ValueError
        If there is no kernel of this name; the message lists the names.

    Examples
    --------
    >>> kernel("box").sum().round(12)
    np.float64(1.0)
    """
    if name not in _KERNELS:
        raise ValueError(f"kernel: expected one of {', '.join(_KERNELS)}, received {name!r}")
    return _KERNELS[name]()


def _check_odd(size: int) -> None:
    if type(size) is not int or size < 1 or size % 2 == 0:
        raise ValueError(f"size: expected an odd int >= 1, received {size!r}")


# -- application ------------------------------------------------------------------------------------------


def apply(
    image: NDArray[Any], kernel: NDArray[Any], *, border: Border = "replicate", absolute: bool = False
) -> NDArray[Any]:
    """Filter an image with a kernel, each colour plane by itself.

    Parameters
    ----------
    image : ndarray, shape (H, W) or (H, W, 3)
        Grey or colour, uint8, float32 or float64.
    kernel : ndarray, shape (R, S)
        Odd sizes; laid over the image as it is, without turning it round.
    border : {"replicate", "reflect", "circular", "zeros"}, optional
        What lies outside of the image. The default continues the outermost pixels, so that a blur does not
        darken the border and an edge detector finds no edge there.
    absolute : bool, optional
        Return the magnitude, as is usual for kernels with negative answers (Laplacian, Sobel).

    Returns
    -------
    ndarray, shape of the image
        A float image keeps its type and its values are not limited. A uint8 image is converted to float32,
        filtered, rounded to the nearest integer (halves to even), limited to 0 to 255 and converted back.

    Raises
    ------
    TypeError
        If the image is of another type.
    ValueError
        If the image or the kernel has another shape, or the border is unknown.

    Examples
    --------
    >>> image = np.array([[0, 0, 200, 200]], dtype=np.uint8)
    >>> apply(image, sobel_horizontal())
    array([[  0, 255, 255,   0]], dtype=uint8)
    >>> apply(image.astype(np.float32), sobel_horizontal())
    array([[  0., 800., 800.,   0.]], dtype=float32)
    """
    pixels, weights = np.asarray(image), np.asarray(kernel)
    if pixels.dtype not in (np.uint8, np.float32, np.float64):
        raise TypeError(f"image: expected uint8, float32 or float64, received {pixels.dtype}")
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3) or 0 in pixels.shape:
        raise ValueError(f"image: expected shape (H, W) or (H, W, 3), received {pixels.shape}")
    if weights.ndim != 2 or 0 in weights.shape or any(size % 2 == 0 for size in weights.shape):
        raise ValueError(f"kernel: expected shape (R, S) with odd sizes, received {weights.shape}")
    if border not in get_args(Border):
        raise ValueError(f"border: expected one of {', '.join(get_args(Border))}, received {border!r}")
    working = np.dtype(np.float32) if pixels.dtype == np.uint8 else pixels.dtype
    # The planes are a batch of images with one channel, which the same kernel serves.
    planes = pixels[np.newaxis] if pixels.ndim == 2 else np.moveaxis(pixels, 2, 0)
    batch = np.ascontiguousarray(planes[:, np.newaxis], dtype=working)
    rows, columns = weights.shape[0] // 2, weights.shape[1] // 2
    padding: tuple[int, int] = (rows, columns)
    if border != "zeros":
        batch = functional.pad(batch, (columns, columns, rows, rows), mode=border)
        padding = (0, 0)
    output = functional.conv2d(batch, weights[np.newaxis, np.newaxis].astype(working), padding=padding)
    result = output[:, 0]
    result = result[0] if pixels.ndim == 2 else np.moveaxis(result, 0, 2)
    if absolute:
        result = np.abs(result)
    if pixels.dtype == np.uint8:
        return np.clip(np.rint(result), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(result)
