"""Output sizes of transposed convolution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

from ._arguments import (
    Padding,
    PaddingMode,
    Pair,
    _as_int,
    _as_size,
    _check_addressable,
    _checked,
    _expected_size,
    _int_form,
    _is_sequence,
    _padding_form,
    _size_form,
    _text,
    normalize_padding,
    normalize_size,
)
from ._padding import _extents, _of_axis, _one_axis, effective_kernel_size
from ._symbols import Expression
from ._windows import _split_shape


@overload
def conv_transpose_output_size(
    input_size: int,
    kernel_size: int,
    stride: int = ...,
    padding: int | str | Sequence[int] = ...,
    output_padding: int = ...,
    dilation: int = ...,
) -> int: ...
@overload
def conv_transpose_output_size(
    input_size: str | Expression,
    kernel_size: int,
    stride: int = ...,
    padding: int | str | Sequence[int] = ...,
    output_padding: int = ...,
    dilation: int = ...,
) -> Expression: ...
def conv_transpose_output_size(
    input_size: int | str | Expression,
    kernel_size: int,
    stride: int = 1,
    padding: int | str | Sequence[int] = 0,
    output_padding: int = 0,
    dilation: int = 1,
) -> int | Expression:
    """Return the output size of a transposed convolution along one axis.

    ``(I - 1) * S + F + output_padding - P_before - P_after`` with the effective kernel size F, and ``I * S``
    for the paddings ``"same"`` and ``"same_lower"``.

    Parameters
    ----------
    input_size : int or str
        Size of the axis, or a name for it.
    kernel_size, stride, dilation : int
        The window.
    padding : int, (int, int) or str
        Elements cut off from each side, a ``(before, after)`` pair, ``"valid"``, ``"same"`` or
        ``"same_lower"``.
    output_padding : int, optional
        Elements added at the end; below `stride` or `dilation`.

    Returns
    -------
    int or Expression
        The output size; an expression for a named input size.

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If an argument is out of range, or nothing is left of the output.
    OverflowError
        If a size is beyond `MAX_SIZE`.

    Examples
    --------
    >>> conv_transpose_output_size(7, kernel_size=3, stride=2, padding=1, output_padding=1)
    14
    >>> conv_transpose_output_size("H", kernel_size=4, stride=2, padding=1)
    2*H
    """
    size = _as_size(input_size, "input_size", 1)
    extent = effective_kernel_size(kernel_size, dilation)
    step = _as_int(stride, "stride", "an int >= 1", 1)
    extra = _as_int(output_padding, "output_padding", "an int >= 0", 0)
    return _painted_size(size, extent, step, _one_axis(padding), extra, dilation)


def _painted_size(
    size: int | Expression,
    extent: int,
    stride: int,
    padding: Pair | PaddingMode,
    output_padding: int,
    dilation: int,
) -> int | Expression:
    """Return how many elements windows of `extent` elements, `stride` apart, cover, less the padding."""
    if padding == "causal":
        raise ValueError(
            "padding: expected sizes, 'valid', 'same' or 'same_lower' of a transposed convolution, "
            "received 'causal'"
        )
    if output_padding >= max(stride, dilation, 1) and output_padding > 0:
        raise ValueError(
            f"output_padding: expected less than stride or dilation, received {output_padding} "
            f"with stride {stride} and dilation {dilation}"
        )
    covered = _checked((size - 1) * stride + extent + output_padding, "stride")
    if isinstance(padding, str):
        return _checked(size * stride, "stride")
    before, after = padding
    _checked(before + after, "padding")
    output = covered - before - after
    if isinstance(output, int) and output < 1:
        raise ValueError(
            f"padding: expected less than the output's {covered} elements on an axis, "
            f"received {before} before and {after} after"
        )
    return output


def conv_transpose_output_shape(
    input_shape: Sequence[int | str | Expression],
    weight_shape: Sequence[int],
    stride: int | Sequence[int] = 1,
    padding: Padding = 0,
    output_padding: int | Sequence[int] = 0,
    groups: int = 1,
    dilation: int | Sequence[int] = 1,
) -> tuple[int | Expression, ...]:
    """Return the output shape of a transposed convolution with any number of spatial axes.

    Parameters
    ----------
    input_shape : sequence of int or str
        ``(N, C, *spatial)``, or ``(C, *spatial)`` without a batch. Sizes may be names.
    weight_shape : sequence of int
        ``(C, out_channels / groups, *kernel_size)``; it decides the number of spatial axes.
    stride, dilation : int or sequence of int, optional
        The window.
    padding : int, str, sequence of int or sequence of pairs, optional
        What is cut off; see `conv_transpose_output_size`.
    output_padding : int or sequence of int, optional
        What is added at the end.
    groups : int, optional
        Number of groups into which the channels are split.

    Returns
    -------
    tuple of int or Expression
        ``(N, out_channels, *output_size)``, without N if the input has none.

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If ranks or channels do not match, or a size is out of range.
    OverflowError
        If a size, or the bytes of an array of this shape, are beyond `MAX_SIZE`.

    Examples
    --------
    >>> conv_transpose_output_shape(("N", 64, "H", "W"), (64, 3, 4, 4), stride=2, padding=1)
    (N, 3, 2*H, 2*W)
    """
    if not _is_sequence(weight_shape):
        raise TypeError(f"weight_shape: expected a sequence of ints, received {weight_shape!r}")
    if len(weight_shape) < 3:
        raise ValueError(
            "weight_shape: expected (in_channels, out_channels / groups, *kernel_size), "
            f"received {_text(weight_shape)}"
        )
    axes = len(weight_shape) - 2
    _size_form(stride, axes, "stride", _expected_size(axes, 1))
    _padding_form(padding, axes)
    _size_form(output_padding, axes, "output_padding", _expected_size(axes, 0))
    _int_form(groups, "groups", "an int >= 1")
    _size_form(dilation, axes, "dilation", _expected_size(axes, 1))
    in_channels, group_channels, *kernel_size = (
        _as_int(size, "weight_shape", "ints >= 1", 1) for size in weight_shape
    )
    batch, channels, spatial = _split_shape(input_shape, axes)
    groups = _as_int(groups, "groups", "an int >= 1", 1)
    if isinstance(channels, int) and channels != in_channels:
        raise ValueError(
            f"input_shape: expected {in_channels} channels (weight_shape[0]), received {channels}"
        )
    if in_channels % groups:
        raise ValueError(f"groups: expected a divisor of in_channels = {in_channels}, received {groups}")
    for size in spatial:
        if isinstance(size, int) and size < 1:
            raise ValueError(f"input_shape: expected spatial sizes >= 1, received {_text(input_shape)}")
    extents = _extents(kernel_size, dilation, axes)
    strides = normalize_size(stride, axes, "stride")
    extras = normalize_size(output_padding, axes, "output_padding", 0)
    specification = normalize_padding(padding, axes)
    sides = tuple(_of_axis(specification, axis) for axis in range(axes))
    spread = normalize_size(dilation, axes, "dilation")
    output = (
        *batch,
        _checked(group_channels * groups, "weight_shape"),
        *(
            _painted_size(*window)
            for window in zip(spatial, extents, strides, sides, extras, spread, strict=True)
        ),
    )
    _check_addressable(input_shape, "input_shape")
    _check_addressable(weight_shape, "weight_shape")
    _check_addressable(output, "output")
    return output
