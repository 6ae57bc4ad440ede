"""Canny's edge detector."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._checks import number, real
from . import kernels
from ._correlate import correlate
from ._edges import sobel
from ._picture import Pixels, check_picture

Mask = NDArray[np.bool_]

# ITU-R BT.601
_LUMA = np.array([0.299, 0.587, 0.114])

# Gradients as near as this are equal: on both sides of a straight step they are, but for their rounding.
_TIE = 1 + 1e-9


def canny(image: Pixels, sigma: float = 1.0, low: float | None = None, high: float | None = None) -> Mask:
    r"""Find edges one pixel wide with Canny's detector.

    Five steps: a Gaussian; the gradient, by Sobel's kernels; non-maximum suppression, which keeps a pixel
    whose gradient is at least as large as those on both sides of it in the gradient's direction
    (interpolated between two neighbours); a double threshold; and hysteresis, which keeps the pixels above
    the low threshold that hang together, diagonally too, with one above the high threshold. The Gaussian is
    cut off at four standard deviations, and at the border of the image only what lies inside is averaged. The
    outermost pixels are never edges. All of it is computed in float64.

    The result is that of scikit-image's `canny`, but for pixels side by side whose gradients are equal, as on
    a straight step of a drawing: both are kept here, while there the last bit decides.

    Parameters
    ----------
    image : ndarray, shape (H, W) or (H, W, 3)
        uint8, uint16, float32 or float64. Of a colour image the luma (ITU-R BT.601) is taken.
    sigma : float, optional
        Standard deviation of the Gaussian in pixels.
    low, high : float, optional
        Thresholds of the gradient, in units of the image; by default a tenth and a fifth of the largest value
        of its type (of 1 for floats).

    Returns
    -------
    ndarray of bool, shape (H, W)
        Where the edges are.

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If the image has another shape, a number is out of range, or `low` is above `high`.

    References
    ----------
    J. Canny, "A computational approach to edge detection", IEEE Transactions on Pattern Analysis and Machine
    Intelligence 8 (1986), 679-714.

    Examples
    --------
    >>> square = np.zeros((9, 9))
    >>> square[3:6, 3:6] = 1
    >>> print("\n".join("".join("-#"[int(edge)] for edge in row) for row in canny(square, 0.5)))
    ---------
    ---------
    ----#----
    ---#-#---
    --#---#--
    ---#-#---
    ----#----
    ---------
    ---------
    """
    pixels = check_picture(image)
    if pixels.ndim == 3 and pixels.shape[2] not in (1, 3):
        raise ValueError(f"image: expected shape (H, W) or (H, W, 3), received {pixels.shape}")
    largest = 1.0 if pixels.dtype.kind == "f" else float(np.iinfo(pixels.dtype).max)
    lower = 0.1 * largest if low is None else number("low", low, 0)
    upper = 0.2 * largest if high is None else number("high", high, 0)
    if lower > upper:
        raise ValueError(f"low: expected at most high = {upper:g}, received {lower:g}")
    if pixels.ndim == 3:
        pixels = pixels[..., 0] if pixels.shape[2] == 1 else pixels @ _LUMA
    smoothed = _smooth(pixels.astype(np.float64) / largest, sigma)
    gradient = sobel(smoothed, border="symmetric")
    lower, upper = lower / largest, upper / largest
    ridges = _thin(gradient.gx, -gradient.gy, lower)
    return _connected(ridges, ridges & (gradient.magnitude >= upper))


def _smooth(pixels: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Return the Gaussian mean of the pixels that lie inside the image."""
    kernel = kernels.gaussian(sigma, radius=int(4 * real("sigma", sigma) + 0.5))
    sums = correlate(pixels, kernel, border="zeros")
    shares = correlate(np.ones_like(pixels), kernel, border="zeros")
    return np.asarray(sums / (shares + np.finfo(np.float64).eps))


def _thin(gx: Pixels, gy: Pixels, threshold: float) -> Mask:
    """Return where the gradient, (gx, gy) to the right and downwards, is largest along its own direction."""
    width = gx.shape[1]
    magnitude = np.sqrt(gx * gx + gy * gy)
    candidates = (magnitude >= threshold) & (magnitude > 0)
    candidates[[0, -1]] = candidates[:, [0, -1]] = False
    places = np.flatnonzero(candidates)
    right, down = gx.ravel()[places], gy.ravel()[places]
    steep = np.abs(down) >= np.abs(right)
    # Places are counted row by row: one step along the larger component, and one along both.
    step_right, step_down = np.sign(right).astype(np.intp), np.sign(down).astype(np.intp) * width
    straight = np.where(steep, step_down, step_right)
    diagonal = step_down + step_right
    major, minor = (choose(np.abs(down), np.abs(right)) for choose in (np.maximum, np.minimum))
    share = minor / major
    values = magnitude.ravel()
    here = values[places]
    largest = np.ones(places.shape, np.bool_)
    for sign in (1, -1):
        beside = values[places + sign * diagonal] * share + values[places + sign * straight] * (1 - share)
        largest &= beside <= here * _TIE
    result = np.zeros(gx.shape, np.bool_)
    result.ravel()[places[largest]] = True
    return result


def _connected(mask: Mask, seeds: Mask) -> Mask:
    """Return the pixels of a mask that hang together, diagonally too, with one of the seeds in it.

    Every pixel has a parent, at first itself. Of two neighbours with different roots the larger root is hung
    onto the smaller, then all pixels are hung onto their roots, until no neighbours differ.
    """
    height, width = mask.shape
    places = np.flatnonzero(mask)
    number_of: NDArray[Any] = np.full(height * width, -1, np.intp)
    number_of[places] = np.arange(places.size)
    grid = number_of.reshape(height, width)
    pairs = [
        (grid[:, :-1], grid[:, 1:]),
        (grid[:-1], grid[1:]),
        (grid[:-1, :-1], grid[1:, 1:]),
        (grid[:-1, 1:], grid[1:, :-1]),
    ]
    links = [
        (first[both], second[both]) for first, second in pairs for both in [(first >= 0) & (second >= 0)]
    ]
    left, right = (np.concatenate(side) for side in zip(*links, strict=True))
    parent = np.arange(places.size)
    while left.size:
        roots = parent[left], parent[right]
        apart = roots[0] != roots[1]
        left, right = left[apart], right[apart]
        np.minimum.at(parent, np.maximum(*roots)[apart], np.minimum(*roots)[apart])
        while True:
            above = parent[parent]
            if np.array_equal(above, parent):
                break
            parent = above
    chosen = np.zeros(places.size, np.bool_)
    chosen[parent[number_of[np.flatnonzero(seeds)]]] = True
    result = np.zeros_like(mask)
    result.ravel()[places] = chosen[parent]
    return result
