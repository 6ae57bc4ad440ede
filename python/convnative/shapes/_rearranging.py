"""Output sizes of padding, sliding blocks, shuffles and interpolation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

from ._arguments import (
    Padding,
    _as_int,
    _as_shape,
    _check_addressable,
    _checked,
    _int_form,
    _is_sequence,
    _text,
    normalize_size,
)
from ._symbols import Expression
from ._windows import _split_shape, conv_output_shape, element_count


def pad_output_shape(
    input_shape: Sequence[int | str | Expression], pad: Sequence[int]
) -> tuple[int | Expression, ...]:
    """Return the shape of an array after padding.

    Parameters
    ----------
    input_shape : sequence of int or str
        The shape. Sizes may be names.
    pad : sequence of int
        (before, after) of the last axis, then of the one before it, and so on; negative amounts crop.

    Returns
    -------
    tuple of int or Expression
        The shape of the result.

    Raises
    ------
    TypeError
        If `pad` is not a sequence of ints.
    ValueError
        If there are more pairs than axes, or an axis would have a negative size.
    OverflowError
        If a size, or the bytes of an array of this shape, are beyond `MAX_SIZE`.

    Examples
    --------
    >>> pad_output_shape(("N", 3, "H", 8), (1, 2, 3, -1))
    (N, 3, H + 2, 11)
    """
    sizes = list(_as_shape(input_shape, "input_shape"))
    if not _is_sequence(pad):
        raise TypeError(f"pad: expected a sequence of ints, received {pad!r}")
    amounts = [_int_form(amount, "pad", "a sequence of ints") for amount in pad]
    if len(amounts) % 2 or len(amounts) // 2 > len(sizes):
        raise ValueError(
            f"pad: expected (before, after) for at most {len(sizes)} axes, received {len(amounts)} ints"
        )
    for pair in range(len(amounts) // 2):
        before, after = amounts[2 * pair : 2 * pair + 2]
        size = sizes[-1 - pair] + before + after
        if isinstance(size, int) and size < 0:
            raise ValueError(
                f"pad: expected a result of size >= 0, received {(before, after)} "
                f"for an axis of size {sizes[-1 - pair]}"
            )
        sizes[-1 - pair] = _checked(size, "pad")
    _check_addressable(sizes, "output")
    return tuple(sizes)


def unfold_output_shape(
    input_shape: Sequence[int | str | Expression],
    kernel_size: int | Sequence[int],
    dilation: int | Sequence[int] = 1,
    padding: Padding = 0,
    stride: int | Sequence[int] = 1,
) -> tuple[int | Expression, ...]:
    """Return the shape of the sliding blocks of an image as columns.

    Parameters
    ----------
    input_shape : sequence of int or str
        ``(N, C, *spatial)``, or ``(C, *spatial)`` without a batch. Sizes may be names.
    kernel_size : int or sequence of int
        Size of a block; its length is the number of spatial axes, two where it is one int.
    dilation, stride : int or sequence of int, optional
        The window.
    padding : int, str, sequence of int or sequence of pairs, optional
        The padding, as for `resolve_padding`.

    Returns
    -------
    tuple of int or Expression
        ``(N, C * kernel elements, blocks)``, without N if the input has none.

    Raises
    ------
    TypeError, ValueError, OverflowError
        As for `conv_output_shape`.

    Examples
    --------
    >>> unfold_output_shape(("N", 3, 32, 32), 5, padding=2, stride=2)
    (N, 75, 256)
    """
    axes = len(kernel_size) if _is_sequence(kernel_size) else 2
    kernel = normalize_size(kernel_size, axes, "kernel_size")
    batch, channels, _ = _split_shape(input_shape, axes)
    # The blocks are those of a convolution, for which it does not matter how many kernels there are.
    weight = (1, channels if isinstance(channels, int) else 1, *kernel)
    of_blocks = conv_output_shape(
        (*batch, weight[1], *_as_shape(input_shape, "input_shape")[-axes:]), weight, stride, padding, dilation
    )
    output = (*batch, channels * math.prod(kernel), element_count(of_blocks[-axes:]))
    _check_addressable(output, "output")
    return output


def fold_output_shape(
    input_shape: Sequence[int | str | Expression],
    output_size: int | Sequence[int],
    kernel_size: int | Sequence[int],
    dilation: int | Sequence[int] = 1,
    padding: Padding = 0,
    stride: int | Sequence[int] = 1,
) -> tuple[int | Expression, ...]:
    """Return the shape of the image that sliding blocks, given as columns, add up to.

    Parameters
    ----------
    input_shape : sequence of int or str
        ``(N, C * kernel elements, blocks)``, or the same without a batch. N may be a name.
    output_size : int or sequence of int
        Size of the image; its length is the number of spatial axes, two where it is one int.
    kernel_size, dilation, padding, stride
        The window, as for `unfold_output_shape`.

    Returns
    -------
    tuple of int or Expression
        ``(N, C, *output_size)``, without N if the input has none.

    Raises
    ------
    TypeError, ValueError, OverflowError
        If an argument is not valid, or the columns are not those of such an image.

    Examples
    --------
    >>> fold_output_shape((8, 75, 256), (32, 32), 5, padding=2, stride=2)
    (8, 3, 32, 32)
    """
    axes = len(output_size) if _is_sequence(output_size) else 2
    image = normalize_size(output_size, axes, "output_size")
    kernel = normalize_size(kernel_size, axes, "kernel_size")
    batch, rows, (blocks,) = _split_shape(input_shape, 1)
    *_, taps, count = unfold_output_shape((1, *image), kernel, dilation, padding, stride)
    if not isinstance(rows, int) or not isinstance(taps, int) or rows % taps or not rows or blocks != count:
        raise ValueError(
            f"input_shape: expected a positive multiple of the kernel's {taps} elements by {count} blocks, "
            f"received {_text(input_shape)}"
        )
    return (*batch, rows // taps, *image)


def pixel_shuffle_output_shape(
    input_shape: Sequence[int | str | Expression], upscale_factor: int
) -> tuple[int | Expression, ...]:
    """Return the shape after groups of channels have become blocks of the image.

    Parameters
    ----------
    input_shape : sequence of int or str
        ``(..., C * r * r, H, W)``. Sizes other than the channels may be names.
    upscale_factor : int
        The factor r.

    Returns
    -------
    tuple of int or Expression
        ``(..., C, H * r, W * r)``.

    Raises
    ------
    TypeError, ValueError
        If the factor is not an int of at least 1 or r * r does not divide the channels.

    Examples
    --------
    >>> pixel_shuffle_output_shape(("N", 12, "H", "W"), 2)
    (N, 3, 2*H, 2*W)
    """
    factor = _as_int(upscale_factor, "upscale_factor", "an int >= 1", 1)
    *leading, channels, height, width = _at_least_three(input_shape)
    if not isinstance(channels, int) or channels % factor**2:
        raise ValueError(
            f"upscale_factor: expected one whose square divides the {channels} channels, received {factor}"
        )
    return (*leading, channels // factor**2, height * factor, width * factor)


def pixel_unshuffle_output_shape(
    input_shape: Sequence[int | str | Expression], downscale_factor: int
) -> tuple[int | Expression, ...]:
    """Return the shape after blocks of the image have become groups of channels.

    Parameters
    ----------
    input_shape : sequence of int or str
        ``(..., C, H * r, W * r)``. Sizes other than the last two may be names.
    downscale_factor : int
        The factor r.

    Returns
    -------
    tuple of int or Expression
        ``(..., C * r * r, H, W)``.

    Raises
    ------
    TypeError, ValueError
        If the factor is not an int of at least 1 or does not divide the last two sizes.

    Examples
    --------
    >>> pixel_unshuffle_output_shape((8, 3, 32, 32), 2)
    (8, 12, 16, 16)
    """
    factor = _as_int(downscale_factor, "downscale_factor", "an int >= 1", 1)
    *leading, channels, height, width = _at_least_three(input_shape)
    if height % factor != 0 or width % factor != 0:
        raise ValueError(
            f"downscale_factor: expected a divisor of the image's sizes {height} and {width}, "
            f"received {factor}"
        )
    output = (*leading, channels * factor**2, height // factor, width // factor)
    _check_addressable(output, "downscale_factor")
    return output


def _at_least_three(input_shape: Sequence[int | str | Expression]) -> tuple[int | Expression, ...]:
    sizes = _as_shape(input_shape, "input_shape")
    if len(sizes) < 3:
        raise ValueError(f"input: expected at least 3 dimensions received {_text(input_shape)}")
    return sizes


def normalize_scale(scale_factor: float | Sequence[float], axes: int) -> tuple[float, ...]:
    """Return one factor for each axis.

    Parameters
    ----------
    scale_factor : float or sequence of float
        One number for all axes or one for each.
    axes : int
        Number of axes.

    Returns
    -------
    tuple of float
        `axes` finite numbers above 0.

    Raises
    ------
    TypeError
        If a factor is not a number.
    ValueError
        If a factor is not finite and above 0, or there are not as many as axes.

    Examples
    --------
    >>> normalize_scale(2, 3)
    (2.0, 2.0, 2.0)
    """
    expected = f"a finite number > 0 or {axes} of them"
    given = scale_factor if _is_sequence(scale_factor) else (scale_factor,) * axes
    if len(given) != axes:
        raise ValueError(f"scale_factor: expected {expected}, received {scale_factor!r}")
    factors = []
    for factor in given:
        if isinstance(factor, bool) or not hasattr(factor, "__float__") or hasattr(factor, "shape"):
            raise TypeError(f"scale_factor: expected {expected}, received {scale_factor!r}")
        number = float(factor)
        if not 0 < number < math.inf:
            raise ValueError(f"scale_factor: expected {expected}, received {scale_factor!r}")
        factors.append(number)
    return tuple(factors)


def interpolate_output_shape(
    input_shape: Sequence[int | str | Expression],
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
) -> tuple[int | Expression, ...]:
    """Return the shape of a resampled signal, image or volume.

    Parameters
    ----------
    input_shape : sequence of int or str
        ``(N, C, *spatial)``. Sizes may be names; a spatial one only with a `size` or a whole factor.
    size : int or sequence of int, optional
        Size of the output's spatial axes. Either this or `scale_factor`.
    scale_factor : float or sequence of float, optional
        The same in units of the input's sizes, rounded down.

    Returns
    -------
    tuple of int or Expression
        ``(N, C, *output_size)``.

    Raises
    ------
    TypeError
        If a size is not an int or a factor not a number.
    ValueError
        If both or none of `size` and `scale_factor` are given, one is out of range, or a size depends on a
        name in a way that an `Expression` cannot state.
    OverflowError
        If a size, or the bytes of an array of this shape, are beyond `MAX_SIZE`.

    Examples
    --------
    >>> interpolate_output_shape((8, 3, 17, 20), scale_factor=1.5)
    (8, 3, 25, 30)
    >>> interpolate_output_shape(("N", 3, "H", "W"), scale_factor=2)
    (N, 3, 2*H, 2*W)
    """
    batch, channels, *spatial = _at_least_three(input_shape)
    if (size is None) == (scale_factor is None):
        received = "neither" if size is None else "both of them"
        raise ValueError(f"size: expected either size or scale_factor, received {received}")
    axes = len(spatial)
    if scale_factor is None:
        sizes = normalize_size(cast("int | Sequence[int]", size), axes, "size", minimum=0)
        if _is_sequence(size) and len(size) != axes:
            raise ValueError(f"size: expected an int >= 0 or {axes} of them, received {size!r}")
        output: list[int | Expression] = list(sizes)
    else:
        factors = normalize_scale(scale_factor, axes)
        output = [_scaled(extent, factor) for extent, factor in zip(spatial, factors, strict=True)]
    _check_addressable((batch, channels, *output), "output")
    return (batch, channels, *output)


def _scaled(size: int | Expression, factor: float) -> int | Expression:
    if isinstance(size, int):
        return _checked(math.floor(size * factor), "scale_factor")
    if not factor.is_integer():
        raise ValueError(
            f"scale_factor: expected a whole number for the symbolic size {size}, received {factor}"
        )
    return size * int(factor)
