"""First and second differences: gradients and the Laplacian."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from . import kernels
from ._correlate import correlate
from ._picture import Border, Pixels


@dataclass(frozen=True)
class Gradient:
    """Both first differences of an image.

    Attributes
    ----------
    gx : ndarray, shape of the image
        Horizontal difference: positive where the image grows brighter to the right.
    gy : ndarray, shape of the image
        Vertical difference: positive where the image grows brighter upwards.
    """

    gx: Pixels
    gy: Pixels

    @cached_property
    def magnitude(self) -> Pixels:
        """``sqrt(gx**2 + gy**2)``."""
        return np.hypot(self.gx, self.gy)

    @cached_property
    def direction(self) -> Pixels:
        """The angle towards the brighter side in radians: 0 to the right, pi / 2 upwards."""
        return np.arctan2(self.gy, self.gx)


def laplacian(
    image: Pixels, neighbours: int = 4, *, negative: bool = False, border: Border = "replicate"
) -> Pixels:
    """Return the Laplacian of an image, the sum of its second differences.

    Parameters
    ----------
    image : ndarray, shape (H, W) or (H, W, channels)
        uint8, uint16, float32 or float64.
    neighbours : {4, 8}, optional
        With the four nearest neighbours, or the diagonal ones too.
    negative : bool, optional
        Turn the sign round: positive on bright lines.
    border : str or float, optional
        As for `correlate`.

    Returns
    -------
    ndarray, shape of the image
        float32, or float64 for a float64 image, with both signs.

    Raises
    ------
    TypeError, ValueError
        As for `correlate` and `kernels.laplacian`.

    Examples
    --------
    >>> laplacian(np.array([[0, 0, 9, 0, 0]], dtype=np.uint8))
    array([[  0.,   9., -18.,   9.,   0.]], dtype=float32)
    """
    return correlate(image, kernels.laplacian(neighbours, negative=negative), border=border, as_float=True)


def sobel(image: Pixels, *, border: Border = "replicate") -> Gradient:
    """Return the gradient of an image by the Sobel kernels.

    Parameters
    ----------
    image : ndarray, shape (H, W) or (H, W, channels)
        uint8, uint16, float32 or float64.
    border : str or float, optional
        As for `correlate`.

    Returns
    -------
    Gradient
        ``gx``, ``gy``, ``magnitude`` and ``direction`` as float32, or float64 for a float64 image. They are
        not divided by the weights of the kernels: a step of 1 gives 4.

    Raises
    ------
    TypeError, ValueError
        As for `correlate`.

    Examples
    --------
    >>> steps = np.tile(np.array([0.0, 0, 1, 1]), (3, 1))
    >>> gradient = sobel(steps)
    >>> gradient.gx[1].tolist(), gradient.gy[1].tolist()
    ([0.0, 4.0, 4.0, 0.0], [0.0, 0.0, 0.0, 0.0])
    >>> float(gradient.direction[1, 1])
    0.0
    """
    return _gradient(image, kernels.sobel_horizontal(), kernels.sobel_vertical(), border)


def prewitt(image: Pixels, *, border: Border = "replicate") -> Gradient:
    """Return the gradient of an image by the Prewitt kernels.

    Parameters
    ----------
    image, border
        As for `sobel`.

    Returns
    -------
    Gradient
        A step of 1 gives 3.

    Raises
    ------
    TypeError, ValueError
        As for `correlate`.

    Examples
    --------
    >>> prewitt(np.tile(np.array([0.0, 0, 1, 1]), (3, 1))).magnitude[1].tolist()
    [0.0, 3.0, 3.0, 0.0]
    """
    return _gradient(image, kernels.prewitt_horizontal(), kernels.prewitt_vertical(), border)


def scharr(image: Pixels, *, border: Border = "replicate") -> Gradient:
    """Return the gradient of an image by the Scharr kernels, whose direction errs least.

    Parameters
    ----------
    image, border
        As for `sobel`.

    Returns
    -------
    Gradient
        A step of 1 gives 16.

    Raises
    ------
    TypeError, ValueError
        As for `correlate`.

    Examples
    --------
    >>> scharr(np.tile(np.array([0.0, 0, 1, 1]), (3, 1))).magnitude[1].tolist()
    [0.0, 16.0, 16.0, 0.0]
    """
    return _gradient(image, kernels.scharr_horizontal(), kernels.scharr_vertical(), border)


def _gradient(
    image: Pixels, horizontal: kernels.Kernel, vertical: kernels.Kernel, border: Border
) -> Gradient:
    gx, gy = (correlate(image, kernel, border=border, as_float=True) for kernel in (horizontal, vertical))
    return Gradient(gx, gy)
