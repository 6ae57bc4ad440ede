"""Convolution and correlation of two arrays, directly or through the Fourier transform."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from .. import functional
from .._checks import choice, float_array, real
from .._typing import Array

Mode = Literal["full", "same", "valid"]
Method = Literal["auto", "direct", "fft"]

# Time of one transform's element and level against that of one multiply-add of a direct convolution in
# float32, and the multiply-adds that take as long as the calls of the transforms, as measured.
_FFT_FACTOR = 110
_FFT_CALLS = 10**6


def convolve(a: Array, b: Array, mode: Mode = "full", method: Method = "auto") -> Array:
    r"""Convolve two arrays.

    .. math:: (a * b)_n = \sum_k a_k \, b_{n - k}

    on every axis, with zeros outside of the arrays. It commutes, a * b = b * a, and is associative,
    (a * b) * c = a * (b * c): two linear convolution layers one after the other are one with the convolved
    kernel.

    Parameters
    ----------
    a, b : ndarray
        float32 or float64, both of one type, with the same number of axes: 1 to 3.
    mode : {"full", "same", "valid"}, optional
        Everything, ``len(a) + len(b) - 1`` elements; its middle, as large as `a`; or what sees no zeros from
        outside, for which one array must be at least as large as the other on every axis.
    method : {"auto", "direct", "fft"}, optional
        Sums of products on the convolution engine, products of Fourier transforms, or what is faster for
        these sizes. The error of a transform is relative to the largest element of the result, that of a
        direct sum to its own terms.

    Returns
    -------
    ndarray
        As ``scipy.signal.convolve``.

    Raises
    ------
    TypeError
        If an array is not of float32 or float64, or the types differ.
    ValueError
        If the number of axes is not the same and 1 to 3, an array is empty, or `mode` or `method` unknown;
        for "valid" also if neither array is the larger one.

    Examples
    --------
    >>> convolve(np.array([1.0, 2, 3]), np.array([1.0, 1]))
    array([1., 3., 5., 3.])
    >>> convolve(np.array([1.0, 2, 3]), np.array([1.0, 1]), "valid")
    array([3., 5.])
    """
    first, second = _checked(a, b)
    choice("mode", mode, ("full", "same", "valid"))
    choice("method", method, ("auto", "direct", "fft"))
    if mode == "valid":
        first, second = _larger_first(first, second)
    starts, sizes = _part(first.shape, second.shape, mode)
    if method == "auto":
        method = _faster(first, second, sizes)
    # Which array is the kernel does not matter but to the time: the smaller one.
    if second.size > first.size:
        first, second = second, first
    run = _by_transform if method == "fft" else _directly
    return run(first, second, starts, sizes)


def correlate(a: Array, b: Array, mode: Mode = "full", method: Method = "auto") -> Array:
    r"""Cross-correlate two arrays: `convolve` with the second one reversed on every axis.

    .. math:: (a \star b)_n = \sum_k a_k \, b_{k - n + N - 1}

    with N elements in b: element N - 1 of the full result is that without a shift.

    Parameters
    ----------
    a, b, mode, method
        As for `convolve`.

    Returns
    -------
    ndarray
        As ``scipy.signal.correlate``.

    Raises
    ------
    TypeError, ValueError
        As for `convolve`.

    Examples
    --------
    >>> correlate(np.array([1.0, 2, 3]), np.array([0.0, 1, 0.5]))
    array([0.5, 2. , 3.5, 3. , 0. ])
    """
    first, second = _checked(a, b)
    return convolve(first, np.flip(second), mode, method)


def autocorrelate(a: Array, mode: Mode = "full", method: Method = "auto") -> Array:
    """Correlate an array with itself; the result is symmetric, and largest in its middle.

    Parameters
    ----------
    a : ndarray
        float32 or float64, with 1 to 3 axes.
    mode, method
        As for `convolve`.

    Returns
    -------
    ndarray
        As ``scipy.signal.correlate(a, a)``.

    Raises
    ------
    TypeError, ValueError
        As for `convolve`.

    Examples
    --------
    >>> autocorrelate(np.array([1.0, 2, 3]))
    array([ 3.,  8., 14.,  8.,  3.])
    """
    return correlate(a, a, mode, method)


def convolve_sampled(
    f: Array, g: Array, dx: float | Sequence[float], mode: Mode = "full", method: Method = "auto"
) -> Array:
    r"""Approximate the convolution of two functions from their samples.

    .. math:: (f * g)(t) = \int f(\tau) \, g(t - \tau) \, d\tau \approx dx \sum_k f_k \, g_{n - k}

    If the samples of f begin at s and those of g at u, those of the full result begin at s + u, with the same
    step. For functions that are smooth and vanish at the ends of their samples the sum converges faster than
    any power of the step; a jump leaves an error of the order of the step.

    Parameters
    ----------
    f, g : ndarray
        Samples on one step: float32 or float64, with 1 to 3 axes.
    dx : float or sequence of float
        The step, or that of each axis.
    mode, method
        As for `convolve`.

    Returns
    -------
    ndarray
        Samples of the convolution.

    Raises
    ------
    TypeError, ValueError
        As for `convolve`; also if a step is not positive and finite.

    Examples
    --------
    Gaussians of variance 1 and 3 give one of variance 4:

    >>> x = np.arange(-20, 20.05, 0.1)
    >>> f, g = (np.exp(-x**2 / (2 * v)) / np.sqrt(2 * np.pi * v) for v in (1, 3))
    >>> both = convolve_sampled(f, g, 0.1, "same")
    >>> bool(np.allclose(both, np.exp(-x**2 / 8) / np.sqrt(8 * np.pi), atol=1e-12))
    True
    """
    first, second = _checked(f, g)
    steps = tuple(dx) if isinstance(dx, Sequence) else (dx,) * first.ndim
    if len(steps) != first.ndim:
        raise ValueError(f"dx: expected a number or {first.ndim} of them, received {dx!r}")
    for step in steps:
        if not 0 < real("dx", step) < math.inf:
            raise ValueError(f"dx: expected numbers > 0, received {dx!r}")
    result = convolve(first, second, mode, method)
    result *= first.dtype.type(math.prod(steps))
    return result


def _checked(a: Any, b: Any) -> tuple[Array, Array]:
    """Return both arrays; an error says which does not fit."""
    first, second = float_array("a", a), float_array("b", b)
    if first.dtype != second.dtype:
        raise TypeError(f"b: expected an array of {first.dtype} as a, received {second.dtype}")
    for name, array in (("a", first), ("b", second)):
        if array.ndim not in (1, 2, 3) or 0 in array.shape:
            raise ValueError(f"{name}: expected 1 to 3 axes and no empty one, received shape {array.shape}")
    if first.ndim != second.ndim:
        raise ValueError(f"b: expected {first.ndim} axes as a, received shape {second.shape}")
    return first, second


def _larger_first(a: Array, b: Array) -> tuple[Array, Array]:
    """Return the array that is at least as large on every axis, then the other."""
    if all(first >= second for first, second in zip(a.shape, b.shape, strict=True)):
        return a, b
    if all(first <= second for first, second in zip(a.shape, b.shape, strict=True)):
        return b, a
    raise ValueError(
        f"mode: expected one array at least as large as the other on every axis for 'valid', "
        f"received shapes {a.shape} and {b.shape}"
    )


def _part(a: tuple[int, ...], b: tuple[int, ...], mode: Mode) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return where in the full result the wanted part begins, and its sizes."""
    if mode == "full":
        sizes = tuple(first + second - 1 for first, second in zip(a, b, strict=True))
        return (0,) * len(a), sizes
    if mode == "same":
        return tuple((second - 1) // 2 for second in b), a
    sizes = tuple(first - second + 1 for first, second in zip(a, b, strict=True))
    return tuple(second - 1 for second in b), sizes


def _faster(a: Array, b: Array, sizes: tuple[int, ...]) -> Method:
    macs = math.prod(sizes) * min(a.size, b.size) * (a.itemsize // 4)
    elements = math.prod(first + second - 1 for first, second in zip(a.shape, b.shape, strict=True))
    return "fft" if macs > _FFT_FACTOR * elements * math.log2(elements + 1) + _FFT_CALLS else "direct"


def _directly(input: Array, kernel: Array, starts: tuple[int, ...], sizes: tuple[int, ...]) -> Array:
    """Return a part of the full result as a convolution, whose padding selects it."""
    function: Any = (functional.conv1d, functional.conv2d, functional.conv3d)[input.ndim - 1]
    padding, part = [], []
    for size, reach, start, count in zip(input.shape, kernel.shape, starts, sizes, strict=True):
        # Element n of the full result lies at n - start of the padded one. What begins or ends beyond the
        # padding that would be 0 is cut off the input.
        before, after = reach - 1 - start, start + count - size
        part.append(slice(max(-before, 0), size - max(-after, 0)))
        padding.append((max(before, 0), max(after, 0)))
    values = input[tuple(part)]
    result: Array = function(values[None], kernel[None, None], padding=padding, flip_kernel=True)
    return result.reshape(sizes)


def _by_transform(a: Array, b: Array, starts: tuple[int, ...], sizes: tuple[int, ...]) -> Array:
    """Return a part of the full result by the convolution theorem."""
    axes = tuple(range(a.ndim))
    lengths = [_fast_length(first + second - 1) for first, second in zip(a.shape, b.shape, strict=True)]
    product = np.fft.rfftn(a, lengths, axes) * np.fft.rfftn(b, lengths, axes)
    full = np.fft.irfftn(product, lengths, axes)
    part = tuple(slice(start, start + count) for start, count in zip(starts, sizes, strict=True))
    return np.ascontiguousarray(full[part], dtype=a.dtype)


def _fast_length(size: int) -> int:
    """Return the smallest number not below `size` whose prime factors are 2, 3 and 5."""
    best = 1 << (size - 1).bit_length()
    five = 1
    while five < best:
        three = five
        while three < best:
            # The smallest power of two that does.
            candidate = three << max(-(-size // three) - 1, 0).bit_length()
            best = min(best, candidate)
            three *= 3
        five *= 5
    return best
