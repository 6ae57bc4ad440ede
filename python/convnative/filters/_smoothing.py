"""Blurring, and sharpening by what blurring takes away."""

from __future__ import annotations

import numpy as np

from .._checks import number
from . import kernels
from ._correlate import correlate
from ._picture import Border, Pixels, check_picture, working_dtype


def gaussian_blur(
    image: Pixels, sigma: float = 1.0, *, radius: int | None = None, border: Border = "replicate"
) -> Pixels:
    """Blur an image with a Gaussian.

    Parameters
    ----------
    image : ndarray, shape (H, W) or (H, W, channels)
        uint8, uint16, float32 or float64.
    sigma : float, optional
        Standard deviation in pixels.
    radius : int, optional
        Where the Gaussian is cut off; ``ceil(3 * sigma)`` if not given.
    border : str or float, optional
        As for `correlate`.

    Returns
    -------
    ndarray, shape and type of the image
        As `correlate` with ``kernels.gaussian(sigma, radius=radius)``.

    Raises
    ------
    TypeError, ValueError
        As for `correlate` and `kernels.gaussian`.

    Examples
    --------
    >>> step = np.array([[0, 0, 0, 240, 240, 240]], dtype=np.uint8)
    >>> gaussian_blur(step, 1.0)
    array([[  1,  14,  72, 168, 226, 239]], dtype=uint8)
    """
    return correlate(image, kernels.gaussian(sigma, radius=radius), border=border)


def box_blur(image: Pixels, size: int = 3, *, border: Border = "replicate") -> Pixels:
    """Replace every pixel by the mean of a square around it.

    Parameters
    ----------
    image : ndarray, shape (H, W) or (H, W, channels)
        uint8, uint16, float32 or float64.
    size : int, optional
        Side of the square; odd.
    border : str or float, optional
        As for `correlate`.

    Returns
    -------
    ndarray, shape and type of the image

    Raises
    ------
    TypeError, ValueError
        As for `correlate` and `kernels.box`.

    Examples
    --------
    >>> box_blur(np.array([[0, 0, 9, 0, 0]], dtype=np.uint8), 3)
    array([[0, 3, 3, 3, 0]], dtype=uint8)
    """
    return correlate(image, kernels.box(size), border=border)


def sharpen(image: Pixels, *, border: Border = "replicate") -> Pixels:
    """Sharpen an image: subtract its Laplacian.

    Parameters
    ----------
    image : ndarray, shape (H, W) or (H, W, channels)
        uint8, uint16, float32 or float64.
    border : str or float, optional
        As for `correlate`.

    Returns
    -------
    ndarray, shape and type of the image
        As `correlate` with ``kernels.sharpen()``.

    Raises
    ------
    TypeError, ValueError
        As for `correlate`.

    Examples
    --------
    >>> sharpen(np.array([[10, 10, 20, 20]], dtype=np.uint8))
    array([[10,  0, 30, 20]], dtype=uint8)
    """
    return correlate(image, kernels.sharpen(), border=border)


def details(image: Pixels, radius: float = 1.0, *, border: Border = "replicate") -> Pixels:
    """Return what a Gaussian blur takes away: the original minus the smoothed image.

    The first step of `unsharp_mask`.

    Parameters
    ----------
    image : ndarray, shape (H, W) or (H, W, channels)
        uint8, uint16, float32 or float64.
    radius : float, optional
        Standard deviation of the Gaussian in pixels.
    border : str or float, optional
        As for `correlate`.

    Returns
    -------
    ndarray, shape of the image
        float32, or float64 for a float64 image.

    Raises
    ------
    TypeError, ValueError
        As for `gaussian_blur`.

    Examples
    --------
    >>> details(np.array([[0.0, 0, 0, 8, 8, 8]]), 1.0).round(2)
    array([[-0.04, -0.47, -2.4 ,  2.4 ,  0.47,  0.04]])
    """
    pixels = check_picture(image)
    smoothed = correlate(pixels, kernels.gaussian(radius), border=border, as_float=True)
    return np.subtract(pixels, smoothed, out=smoothed)


def unsharp_mask(
    image: Pixels,
    amount: float = 1.0,
    radius: float = 1.0,
    threshold: float = 0.0,
    *,
    border: Border = "replicate",
) -> Pixels:
    """Sharpen an image by its details: ``original + amount * (original - smoothed)``.

    Parameters
    ----------
    image : ndarray, shape (H, W) or (H, W, channels)
        uint8, uint16, float32 or float64.
    amount : float, optional
        How much of the details is added; a negative number takes them away.
    radius : float, optional
        Standard deviation in pixels of the Gaussian that smooths.
    threshold : float, optional
        Details of a smaller magnitude, in units of the image, are left alone, so that noise stays as it is.
    border : str or float, optional
        As for `correlate`.

    Returns
    -------
    ndarray, shape and type of the image
        An integer image is rounded and limited once, at the end.

    Raises
    ------
    TypeError, ValueError
        As for `gaussian_blur`; also if the amount is not finite or the threshold negative.

    Examples
    --------
    >>> step = np.array([[100, 100, 100, 140, 140, 140]], dtype=np.uint8)
    >>> unsharp_mask(step)
    array([[100,  98,  88, 152, 142, 140]], dtype=uint8)
    >>> unsharp_mask(step, amount=2, threshold=5)
    array([[100, 100,  76, 164, 140, 140]], dtype=uint8)
    """
    pixels = check_picture(image)
    scale = number("amount", amount, -np.finfo(np.float64).max)
    least = number("threshold", threshold, 0)
    added = details(pixels, radius, border=border)
    if least > 0:
        added[np.abs(added) < least] = 0
    added *= scale
    added += pixels
    if pixels.dtype == working_dtype(pixels):
        return added
    np.rint(added, out=added)
    return np.clip(added, 0, np.iinfo(pixels.dtype).max, out=added).astype(pixels.dtype)
