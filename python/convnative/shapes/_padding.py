"""What a padding mode means for a window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from ._arguments import (
    MAX_SIZE,
    Padding,
    PaddingMode,
    Pair,
    _as_int,
    _as_shape,
    normalize_padding,
    normalize_size,
)
from ._symbols import Expression


def effective_kernel_size(kernel_size: int, dilation: int = 1) -> int:
    """Return the extent that a dilated kernel covers, ``dilation * (kernel_size - 1) + 1``.

    Parameters
    ----------
    kernel_size : int
        Number of kernel elements.
    dilation : int, optional
        Distance between them.

    Returns
    -------
    int
        The covered extent.

    Raises
    ------
    TypeError, ValueError
        If an argument is not an int of at least 1.
    OverflowError
        If the extent is beyond `MAX_SIZE`.

    Examples
    --------
    >>> effective_kernel_size(3, dilation=2)
    5
    """
    kernel_size = _as_int(kernel_size, "kernel_size", "an int >= 1", 1)
    dilation = _as_int(dilation, "dilation", "an int >= 1", 1)
    extent = dilation * (kernel_size - 1) + 1
    if extent > MAX_SIZE:
        raise OverflowError(
            f"dilation * (kernel_size - 1): expected less than {MAX_SIZE}, received {extent - 1}"
        )
    return extent


def _axis_padding(
    padding: Pair | PaddingMode, input_size: int | Expression, extent: int, stride: int
) -> Pair:
    """Return the (before, after) padding of one axis, for a window that covers `extent` elements."""
    if not isinstance(padding, str):
        return padding
    if padding == "causal":
        return extent - 1, 0
    if isinstance(input_size, int):
        output = -(-input_size // stride)
        total = max((output - 1) * stride + extent - input_size, 0)
    elif stride == 1:
        total = extent - 1
    else:
        raise ValueError(
            f"padding: expected an explicit padding for the symbolic size {input_size} and stride {stride}, "
            f"received {padding!r}, whose amount depends on the value of the size"
        )
    small, large = total // 2, total - total // 2
    return (small, large) if padding == "same" else (large, small)


def resolve_padding(
    padding: Padding,
    input_size: Sequence[int | str | Expression],
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] = 1,
    dilation: int | Sequence[int] = 1,
) -> tuple[Pair, ...]:
    """Return how many elements a padding adds before and after each spatial axis.

    ``"valid"`` adds none. ``"same"`` makes the output ``ceil(input / stride)`` large, as SAME_UPPER of ONNX
    and SAME of TensorFlow do: the total is ``max((ceil(I/S) - 1)*S + F - I, 0)``, and an odd one has its
    extra element at the end; ``"same_lower"`` has it at the beginning. ``"causal"`` adds ``F - 1`` before and
    none after, so that an output sees no later input. F is the effective kernel size.

    Parameters
    ----------
    padding : int, str, sequence of int or sequence of pairs
        The padding, as for `normalize_padding`.
    input_size : sequence of int or str
        Size of each spatial axis.
    kernel_size, stride, dilation : int or sequence of int
        The window.

    Returns
    -------
    tuple of (int, int)
        A ``(before, after)`` pair for each axis.

    Raises
    ------
    TypeError, ValueError, OverflowError
        If an argument is not valid, or the amount depends on a symbolic size.

    Examples
    --------
    >>> resolve_padding("same", (224, 224), kernel_size=3, stride=2)
    ((0, 1), (0, 1))
    >>> resolve_padding("same_lower", (224, 224), kernel_size=3, stride=2)
    ((1, 0), (1, 0))
    >>> resolve_padding("causal", (100,), kernel_size=3, dilation=4)
    ((8, 0),)
    """
    sizes = _as_shape(input_size, "input_size")
    axes = len(sizes)
    extents = _extents(kernel_size, dilation, axes)
    strides = normalize_size(stride, axes, "stride")
    specification = normalize_padding(padding, axes)
    return tuple(
        _axis_padding(_of_axis(specification, axis), sizes[axis], extents[axis], strides[axis])
        for axis in range(axes)
    )


def _extents(kernel_size: int | Sequence[int], dilation: int | Sequence[int], axes: int) -> tuple[int, ...]:
    kernel = normalize_size(kernel_size, axes, "kernel_size")
    spread = normalize_size(dilation, axes, "dilation")
    return tuple(effective_kernel_size(k, d) for k, d in zip(kernel, spread, strict=True))


def _of_axis(padding: tuple[Pair, ...] | PaddingMode, axis: int) -> Pair | PaddingMode:
    return padding if isinstance(padding, str) else padding[axis]


def _one_axis(padding: int | str | Sequence[int]) -> Pair | PaddingMode:
    """Return the padding of a single axis, which is an int, a (before, after) pair or a mode."""
    pair = not isinstance(padding, str) and isinstance(padding, Sequence)
    specification = [cast(Sequence[int], padding)] if pair else cast(int | str, padding)
    return _of_axis(normalize_padding(specification, 1), 0)
