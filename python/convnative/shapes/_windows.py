"""Output sizes of convolutions, pools and the layers around them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

from ._arguments import (
    CeilMode,
    Padding,
    PaddingMode,
    Pair,
    _as_int,
    _as_shape,
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
from ._padding import _axis_padding, _extents, _of_axis, _one_axis, effective_kernel_size
from ._symbols import Expression


@overload
def conv_output_size(
    input_size: int,
    kernel_size: int,
    stride: int = ...,
    padding: int | str | Sequence[int] = ...,
    dilation: int = ...,
    *,
    exact: bool = ...,
) -> int: ...
@overload
def conv_output_size(
    input_size: str | Expression,
    kernel_size: int,
    stride: int = ...,
    padding: int | str | Sequence[int] = ...,
    dilation: int = ...,
    *,
    exact: bool = ...,
) -> Expression: ...
def conv_output_size(
    input_size: int | str | Expression,
    kernel_size: int,
    stride: int = 1,
    padding: int | str | Sequence[int] = 0,
    dilation: int = 1,
    *,
    exact: bool = False,
) -> int | Expression:
    """Return the output size of a convolution along one axis.

    ``floor((I + P_before + P_after - F) / S) + 1`` with the effective kernel size F.

    Where that comes from: the padded axis has I + P_before + P_after elements. A window covers F of them, the
    ``dilation * (kernel_size - 1) + 1`` from its first to its last. The first window begins at element 0, the
    last one that fits at most at element I + P_before + P_after - F, and windows begin at every S-th element:
    at 0, S, 2 S, ... up to there. These are the quotient, rounded down, and the one at 0. If S does not
    divide, the remainder is how many elements at the end no window covers.

    Parameters
    ----------
    input_size : int or str
        Size of the axis, or a name for it.
    kernel_size, stride, dilation : int
        The window.
    padding : int, (int, int) or str
        Elements on each side, a ``(before, after)`` pair, or a mode of `resolve_padding`.
    exact : bool, optional
        Refuse a stride that does not divide, which leaves elements at the end that no window covers.

    Returns
    -------
    int or Expression
        The output size; an expression for a named input size.

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If an argument is out of range, the kernel is larger than the padded input, or `exact` is set and the
        stride does not divide (or cannot be known to).
    OverflowError
        If a size is beyond `MAX_SIZE`.

    Examples
    --------
    >>> conv_output_size(227, kernel_size=11, stride=4)
    55
    >>> conv_output_size("H", kernel_size=3, stride=2, padding=1)
    floor((H + 1)/2)
    >>> conv_output_size(224, kernel_size=11, stride=4, exact=True)  # doctest: +NORMALIZE_WHITESPACE
    Traceback (most recent call last):
    ValueError: stride: expected a divisor of 213 = 224 + 0 + 0 - 11 (input + padding - kernel),
    received 4, which leaves 1
    """
    size = _as_size(input_size, "input_size")
    extent = effective_kernel_size(kernel_size, dilation)
    step = _as_int(stride, "stride", "an int >= 1", 1)
    return _window_count(size, extent, step, _one_axis(padding), ceil_mode=False, exact=exact)


@overload
def pool_output_size(
    input_size: int,
    kernel_size: int,
    stride: int | None = ...,
    padding: int | str | Sequence[int] = ...,
    dilation: int = ...,
    ceil_mode: CeilMode = ...,
    *,
    exact: bool = ...,
) -> int: ...
@overload
def pool_output_size(
    input_size: str | Expression,
    kernel_size: int,
    stride: int | None = ...,
    padding: int | str | Sequence[int] = ...,
    dilation: int = ...,
    ceil_mode: CeilMode = ...,
    *,
    exact: bool = ...,
) -> Expression: ...
def pool_output_size(
    input_size: int | str | Expression,
    kernel_size: int,
    stride: int | None = None,
    padding: int | str | Sequence[int] = 0,
    dilation: int = 1,
    ceil_mode: CeilMode = False,
    *,
    exact: bool = False,
) -> int | Expression:
    """Return the output size of max or average pooling along one axis.

    Without `ceil_mode` the size is that of a convolution. With it a last window may reach over the end of the
    padded input, unless it would start in the padding after it.

    Parameters
    ----------
    input_size : int or str
        Size of the axis, or a name for it.
    kernel_size : int
        Number of elements of a window.
    stride : int, optional
        Distance between windows; the kernel size if not given.
    padding : int, (int, int) or str
        Elements on each side, a ``(before, after)`` pair, or a mode of `resolve_padding`.
    dilation : int, optional
        Distance between the elements of a window.
    ceil_mode : bool, "torch" or "onnx", optional
        Keep a last window that is only partly inside. Torch and ONNX drop one that would start in the padding
        behind the input, so that both names mean what True does.
    exact : bool, optional
        Refuse a stride that does not divide.

    Returns
    -------
    int or Expression
        The output size; an expression for a named input size.

    Raises
    ------
    TypeError, ValueError, OverflowError
        As for `conv_output_size`; also if the padding is so large that a window could lie outside the input:
        more than half of the kernel size, or for a pair the whole of its extent.

    Examples
    --------
    >>> pool_output_size(7, 2)
    3
    >>> pool_output_size(7, 2, ceil_mode=True)
    4
    >>> pool_output_size("W", 2)
    floor(W/2)
    """
    size = _as_size(input_size, "input_size")
    extent = effective_kernel_size(kernel_size, dilation)
    step = kernel_size if stride is None else _as_int(stride, "stride", "an int >= 1", 1)
    sides = _one_axis(padding)
    _check_pool_padding((sides,), (kernel_size,), (extent,), per_side=_is_sequence(padding))
    return _window_count(size, extent, step, sides, ceil_mode=_rounds_up(ceil_mode), exact=exact)


def _rounds_up(ceil_mode: CeilMode) -> bool:
    if isinstance(ceil_mode, str) and ceil_mode not in ("torch", "onnx"):
        raise ValueError(f"ceil_mode: expected a bool, 'torch' or 'onnx', received {ceil_mode!r}")
    return bool(ceil_mode)


def _check_pool_padding(
    padding: tuple[Pair | PaddingMode, ...],
    kernel: tuple[int, ...],
    extents: tuple[int, ...],
    *,
    per_side: bool,
) -> None:
    """Refuse a padding so large that a window could lie outside the input.

    A padding that is given once for both sides has torch's bound, half the kernel; where sides are given by
    themselves, each must be less than the extent of a window.
    """
    for sides, size, extent in zip(padding, kernel, extents, strict=True):
        most = extent - 1 if per_side else size // 2
        if not isinstance(sides, str) and max(sides) > most:
            bound = "less than the extent of the window" if per_side else "half the kernel_size"
            raise ValueError(f"padding: expected at most {most} on each side ({bound}), received {sides}")


def _window_count(
    size: int | Expression,
    extent: int,
    stride: int,
    padding: Pair | PaddingMode,
    *,
    ceil_mode: bool,
    exact: bool,
) -> int | Expression:
    """Return how many windows of `extent` elements, `stride` apart, fit on one axis."""
    if isinstance(size, Expression) and isinstance(padding, str) and padding != "causal":
        # The amount of padding is not known, but by its definition the output is ceil(I/S).
        return (size + (stride - 1)) // stride
    before, after = _axis_padding(padding, size, extent, stride)
    padded = _checked(size + before + after, "input + padding")
    slack = padded - extent
    if ceil_mode:
        # There are ceil(slack/stride) + 1 windows, but at most the ceil((size + before)/stride) that begin
        # before the padding at the end. Both are ceil((size + before + x)/stride): the smaller x decides.
        count = (size + before + min(0, after - extent + stride) + stride - 1) // stride
    else:
        count = slack // stride + 1
    if isinstance(count, int) and count < 1:
        raise ValueError(
            f"kernel_size: expected a window of at most {padded} = {size} + {before} + {after} "
            f"(input + padding), received one that covers {extent}"
        )
    if exact:
        left = slack % stride
        if left != 0:
            outcome = f"which leaves {left}" if isinstance(left, int) else "which divides only some sizes"
            raise ValueError(
                f"stride: expected a divisor of {slack} = {size} + {before} + {after} - {extent} "
                f"(input + padding - kernel), received {stride}, {outcome}"
            )
    return count


def _split_shape(
    shape: Sequence[int | str | Expression], axes: int
) -> tuple[tuple[int | Expression, ...], int | Expression, tuple[int | Expression, ...]]:
    """Return the batch sizes (one or none), the channels and the spatial sizes of an input shape."""
    sizes = _as_shape(shape, "input_shape")
    if len(sizes) not in (axes + 1, axes + 2):
        raise ValueError(
            f"input_shape: expected {axes + 2} sizes (batch, channels, {axes} spatial) or {axes + 1} without "
            f"the batch, received {_text(shape)}"
        )
    return sizes[: -axes - 1], sizes[-axes - 1], sizes[-axes:]


def conv_output_shape(
    input_shape: Sequence[int | str | Expression],
    weight_shape: Sequence[int],
    stride: int | Sequence[int] = 1,
    padding: Padding = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    *,
    exact: bool = False,
) -> tuple[int | Expression, ...]:
    """Return the output shape of a convolution with any number of spatial axes.

    Parameters
    ----------
    input_shape : sequence of int or str
        ``(N, C, *spatial)``, or ``(C, *spatial)`` without a batch. Sizes may be names.
    weight_shape : sequence of int
        ``(out_channels, C / groups, *kernel_size)``; it decides the number of spatial axes.
    stride, dilation : int or sequence of int, optional
        The window.
    padding : int, str, sequence of int or sequence of pairs, optional
        The padding, as for `resolve_padding`.
    groups : int, optional
        Number of groups into which the channels are split.
    exact : bool, optional
        Refuse a stride that does not divide.

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
    >>> conv_output_shape((1, 3, 227, 227), (96, 3, 11, 11), stride=4, exact=True)
    (1, 96, 55, 55)
    >>> conv_output_shape(("N", 3, "H", "W"), (64, 3, 7, 7), stride=2, padding=3)
    (N, 64, floor((H + 1)/2), floor((W + 1)/2))
    >>> conv_output_shape((1, 4, 8, 8), (16, 3, 3, 3))
    Traceback (most recent call last):
    ValueError: input_shape: expected 3 channels (weight_shape[1] * groups), received 4
    """
    if not _is_sequence(weight_shape):
        raise TypeError(f"weight_shape: expected a sequence of ints, received {weight_shape!r}")
    if len(weight_shape) < 3:
        raise ValueError(
            "weight_shape: expected (out_channels, in_channels / groups, *kernel_size), "
            f"received {_text(weight_shape)}"
        )
    axes = len(weight_shape) - 2
    _size_form(stride, axes, "stride", _expected_size(axes, 1))
    _padding_form(padding, axes)
    _size_form(dilation, axes, "dilation", _expected_size(axes, 1))
    _int_form(groups, "groups", "an int >= 1")
    out_channels, group_channels, *kernel_size = (
        _as_int(size, "weight_shape", "ints >= 1", 1) for size in weight_shape
    )
    batch, channels, spatial = _split_shape(input_shape, axes)
    groups = _as_int(groups, "groups", "an int >= 1", 1)
    if out_channels % groups or (isinstance(channels, int) and channels % groups):
        raise ValueError(
            f"groups: expected a divisor of in_channels = {channels} and out_channels = {out_channels}, "
            f"received {groups}"
        )
    if isinstance(channels, int) and channels != group_channels * groups:
        raise ValueError(
            f"input_shape: expected {group_channels * groups} channels (weight_shape[1] * groups), "
            f"received {channels}"
        )
    extents = _extents(kernel_size, dilation, axes)
    strides = normalize_size(stride, axes, "stride")
    specification = normalize_padding(padding, axes)
    sides = tuple(_of_axis(specification, axis) for axis in range(axes))
    output = (
        *batch,
        out_channels,
        *(
            _window_count(*window, ceil_mode=False, exact=exact)
            for window in zip(spatial, extents, strides, sides, strict=True)
        ),
    )
    _check_addressable(input_shape, "input_shape")
    _check_addressable(weight_shape, "weight_shape")
    _check_addressable(output, "output")
    return output


def pool_output_shape(
    input_shape: Sequence[int | str | Expression],
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: Padding = 0,
    dilation: int | Sequence[int] = 1,
    ceil_mode: CeilMode = False,
    *,
    axes: int = 2,
    exact: bool = False,
) -> tuple[int | Expression, ...]:
    """Return the output shape of max or average pooling.

    Parameters
    ----------
    input_shape : sequence of int or str
        ``(N, C, *spatial)``, or ``(C, *spatial)`` without a batch. Sizes may be names.
    kernel_size : int or sequence of int
        The window.
    stride : int or sequence of int, optional
        Distance between windows; the kernel size if not given.
    padding : int, str, sequence of int or sequence of pairs, optional
        The padding, as for `resolve_padding`.
    dilation : int or sequence of int, optional
        Distance between the elements of a window.
    ceil_mode : bool, "torch" or "onnx", optional
        Keep a last window that is only partly inside, as for `pool_output_size`.
    axes : int, optional
        Number of spatial axes.
    exact : bool, optional
        Refuse a stride that does not divide.

    Returns
    -------
    tuple of int or Expression
        The input shape with the output sizes in place of the spatial ones.

    Raises
    ------
    TypeError, ValueError, OverflowError
        If an argument is not valid.

    Examples
    --------
    >>> pool_output_shape((8, 96, 55, 55), 3, stride=2)
    (8, 96, 27, 27)
    >>> pool_output_shape(("N", 16, "H", "W"), 2)
    (N, 16, floor(H/2), floor(W/2))
    """
    stride = kernel_size if stride is None else stride
    _size_form(kernel_size, axes, "kernel_size", _expected_size(axes, 1))
    _size_form(stride, axes, "stride", _expected_size(axes, 1))
    _padding_form(padding, axes)
    _size_form(dilation, axes, "dilation", _expected_size(axes, 1))
    batch, channels, spatial = _split_shape(input_shape, axes)
    for size in (channels, *spatial):
        if size == 0:
            raise ValueError(
                f"input_shape: expected sizes >= 1 but for the batch, received {_text(input_shape)}"
            )
    extents = _extents(kernel_size, dilation, axes)
    strides = normalize_size(stride, axes, "stride")
    specification = normalize_padding(padding, axes)
    sides = tuple(_of_axis(specification, axis) for axis in range(axes))
    per_side = _is_sequence(padding) and any(map(_is_sequence, padding))
    kernel = normalize_size(kernel_size, axes, "kernel_size")
    _check_pool_padding(sides, kernel, extents, per_side=per_side)
    rounds_up = _rounds_up(ceil_mode)
    output = (
        *batch,
        channels,
        *(
            _window_count(*window, ceil_mode=rounds_up, exact=exact)
            for window in zip(spatial, extents, strides, sides, strict=True)
        ),
    )
    _check_addressable(input_shape, "input_shape")
    _check_addressable(output, "output")
    return output


def linear_output_shape(
    input_shape: Sequence[int | str | Expression], weight_shape: Sequence[int]
) -> tuple[int | Expression, ...]:
    """Return the output shape of a linear map of the last axis.

    Parameters
    ----------
    input_shape : sequence of int or str
        ``(*, in_features)``.
    weight_shape : sequence of int
        ``(out_features, in_features)``, or ``(in_features,)``.

    Returns
    -------
    tuple of int or Expression
        ``(*, out_features)``, or ``(*)``.

    Raises
    ------
    TypeError, ValueError, OverflowError
        If an argument is not valid or the features do not match.

    Examples
    --------
    >>> linear_output_shape(("N", 400), (120, 400))
    (N, 120)
    """
    sizes = _as_shape(input_shape, "input_shape")
    if len(weight_shape) not in (1, 2):
        raise ValueError(
            f"weight_shape: expected (out_features, in_features) or (in_features,), "
            f"received {_text(weight_shape)}"
        )
    *columns, in_features = (_as_int(size, "weight_shape", "ints >= 0", 0) for size in weight_shape)
    if not sizes or (isinstance(sizes[-1], int) and sizes[-1] != in_features):
        raise ValueError(f"input_shape: expected (..., {in_features}), received {_text(input_shape)}")
    return (*sizes[:-1], *columns)


def flatten_output_shape(
    input_shape: Sequence[int | str | Expression], start_dim: int = 0, end_dim: int = -1
) -> tuple[int | Expression, ...]:
    """Return the shape after the axes from `start_dim` to `end_dim`, both included, become one.

    Parameters
    ----------
    input_shape : sequence of int or str
        The shape.
    start_dim, end_dim : int, optional
        First and last axis to merge; negative ones count from the end.

    Returns
    -------
    tuple of int or Expression
        The flattened shape; a shape without axes becomes ``(1,)``.

    Raises
    ------
    IndexError
        If an axis does not exist.
    ValueError
        If `start_dim` comes after `end_dim`.

    Examples
    --------
    >>> flatten_output_shape((64, 16, 5, 5), start_dim=1)
    (64, 400)
    >>> flatten_output_shape(("N", 16, "H", "W"), start_dim=1)
    (N, 16*H*W)
    """
    sizes = _as_shape(input_shape, "input_shape")
    if not sizes:
        return (1,)
    rank = len(sizes)
    for name, dim in (("start_dim", start_dim), ("end_dim", end_dim)):
        if not -rank <= dim < rank:
            raise IndexError(f"{name}: expected an axis from {-rank} to {rank - 1}, received {dim}")
    first, last = start_dim % rank, end_dim % rank
    if first > last:
        raise ValueError(f"start_dim: expected at most end_dim = {end_dim}, received {start_dim}")
    return (*sizes[:first], element_count(sizes[first : last + 1]), *sizes[last + 1 :])


def element_count(shape: Sequence[int | str | Expression]) -> int | Expression:
    """Return the number of elements of an array.

    Parameters
    ----------
    shape : sequence of int or str
        The shape.

    Returns
    -------
    int or Expression
        The product of the sizes.

    Raises
    ------
    OverflowError
        If there are more than `MAX_SIZE`.

    Examples
    --------
    >>> element_count((64, 3, 224, 224))
    9633792
    >>> element_count(("N", 3, 8, 8))
    192*N
    """
    count: int | Expression = 1
    for size in _as_shape(shape, "shape"):
        count = count * size
    return _checked(count, f"the number of elements of {_text(shape)}")
