"""Pools to a given output size, and back from a pool."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from ._arguments import (
    Padding,
    Pair,
    _as_int,
    _check_addressable,
    _checked,
    _is_sequence,
    _text,
    normalize_padding,
    normalize_size,
)
from ._symbols import Expression
from ._windows import _split_shape


def _pooled_planes(
    input_shape: Sequence[int | str | Expression], axes: int
) -> tuple[tuple[int | Expression, ...], tuple[int | Expression, ...]]:
    """Return the sizes before the spatial ones, and the spatial ones, which must not be 0."""
    batch, channels, spatial = _split_shape(input_shape, axes)
    if 0 in spatial:
        raise ValueError(f"input_shape: expected spatial sizes >= 1, received {_text(input_shape)}")
    return (*batch, channels), spatial


def adaptive_output_shape(
    input_shape: Sequence[int | str | Expression],
    output_size: int | Sequence[int | None] | None,
    *,
    axes: int = 2,
) -> tuple[int | Expression, ...]:
    """Return the output shape of adaptive pooling.

    Parameters
    ----------
    input_shape : sequence of int or str
        ``(N, C, *spatial)``, or ``(C, *spatial)`` without a batch. Sizes may be names.
    output_size : int or sequence of int or None
        One int for all spatial axes, or one for each; None among several keeps the size of the input.
    axes : int, optional
        Number of spatial axes.

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
    >>> adaptive_output_shape((8, 512, 9, 7), (None, 3))
    (8, 512, 9, 3)
    >>> adaptive_output_shape(("N", 512, "H", "W"), 1)
    (N, 512, 1, 1)
    """
    lead, spatial = _pooled_planes(input_shape, axes)
    expected = f"an int >= 0 or {axes} of them" if axes == 1 else f"an int >= 0 or {axes} of them or None"
    sizes = output_size if _is_sequence(output_size) else (output_size,) * axes
    if len(sizes) != axes:
        raise ValueError(f"output_size: expected {expected}, received {output_size!r}")
    output: list[int | Expression] = []
    for size, kept in zip(sizes, spatial, strict=True):
        if size is None and axes > 1 and output_size is not None:
            output.append(kept)
        else:
            output.append(_as_int(size, "output_size", expected, 0))
    _check_addressable((*lead, *output), "output_size")
    return (*lead, *output)


def adaptive_windows(input_size: int, output_size: int) -> list[Pair]:
    """Return where the windows of an adaptive pool begin and end on one axis.

    Parameters
    ----------
    input_size, output_size : int
        The sizes I and O.

    Returns
    -------
    list of (int, int)
        ``(floor(i I / O), ceil((i + 1) I / O))`` for each output i; the end is not part of the window.

    Raises
    ------
    TypeError, ValueError
        If a size is not an int, or below 1 or 0.

    Examples
    --------
    >>> adaptive_windows(5, 3)
    [(0, 2), (1, 4), (3, 5)]
    """
    size = _as_int(input_size, "input_size", "an int >= 1", 1)
    windows = _as_int(output_size, "output_size", "an int >= 0", 0)
    return [(i * size // windows, -(-(i + 1) * size // windows)) for i in range(windows)]


def fractional_output_shape(
    input_shape: Sequence[int | str | Expression],
    kernel_size: int | Sequence[int],
    output_size: int | Sequence[int] | None = None,
    output_ratio: float | Sequence[float] | None = None,
    *,
    axes: int = 2,
) -> tuple[int | Expression, ...]:
    """Return the output shape of fractional max pooling.

    Parameters
    ----------
    input_shape : sequence of int
        ``(N, C, *spatial)``, or ``(C, *spatial)`` without a batch.
    kernel_size : int or sequence of int
        The window.
    output_size : int or sequence of int, optional
        The sizes themselves.
    output_ratio : float or sequence of float, optional
        Without `output_size`: the sizes as parts of the input's, rounded down.
    axes : int, optional
        Number of spatial axes.

    Returns
    -------
    tuple of int or Expression
        The input shape with the output sizes in place of the spatial ones.

    Raises
    ------
    TypeError, ValueError, OverflowError
        If an argument is not valid, neither size nor ratio is given, or the windows do not fit. As torch has
        it, ``output + kernel_size - 1`` may equal the input on images, but not on volumes.

    Examples
    --------
    >>> fractional_output_shape((8, 16, 25, 25), 2, output_ratio=0.7)
    (8, 16, 17, 17)
    """
    lead, spatial = _pooled_planes(input_shape, axes)
    kernel = normalize_size(kernel_size, axes, "kernel_size")
    output: tuple[int | Expression, ...]
    if output_size is not None:
        output = normalize_size(output_size, axes, "output_size", 0)
    elif output_ratio is not None:
        output = tuple(
            _part_of(size, ratio) for size, ratio in zip(spatial, _ratios(output_ratio, axes), strict=True)
        )
    else:
        raise ValueError("output_size: expected a size, or an output_ratio in its place, received None")
    spare = 1 if axes == 3 else 0
    for size, extent, count in zip(spatial, kernel, output, strict=True):
        if isinstance(size, int) and isinstance(count, int) and count > (most := size - extent + 1 - spare):
            raise ValueError(
                f"output_size: expected at most {max(most, 0)} windows of {extent} on {size} elements, "
                f"received {count}"
            )
    _check_addressable((*lead, *output), "output_size")
    return (*lead, *output)


def _ratios(output_ratio: float | Sequence[float], axes: int) -> Sequence[float]:
    ratios = output_ratio if _is_sequence(output_ratio) else (output_ratio,) * axes
    if len(ratios) != axes:
        raise ValueError(f"output_ratio: expected a number or {axes} of them, received {output_ratio!r}")
    for ratio in ratios:
        if isinstance(ratio, bool) or not hasattr(ratio, "__float__"):
            raise TypeError(f"output_ratio: expected numbers from 0 to 1, received {ratio!r}")
        if not 0 <= float(cast(float, ratio)) <= 1:
            raise ValueError(f"output_ratio: expected numbers from 0 to 1, received {ratio!r}")
    return cast("Sequence[float]", ratios)


def _part_of(size: int | Expression, ratio: float) -> int:
    if isinstance(size, Expression):
        raise ValueError(f"output_ratio: expected sizes that are known, received {size}")
    return int(size * ratio)


def unpool_output_size(input_size: int, kernel_size: int, stride: int | None = None, padding: int = 0) -> int:
    """Return the size of which max pooling along one axis makes `input_size`, and the rest of no stride.

    Parameters
    ----------
    input_size : int
        Size of the axis after the pool.
    kernel_size : int
        Number of elements of a window.
    stride : int, optional
        Distance between windows; the kernel size if not given.
    padding : int, optional
        Elements on each side.

    Returns
    -------
    int
        ``(I - 1) S + F - 2 P``.

    Raises
    ------
    TypeError, ValueError, OverflowError
        If an argument is not valid.

    Examples
    --------
    >>> unpool_output_size(4, 2)
    8
    >>> unpool_output_size(4, 3, stride=2, padding=1)
    7
    """
    size = _as_int(input_size, "input_size", "an int >= 1", 1)
    extent = _as_int(kernel_size, "kernel_size", "an int >= 1", 1)
    step = extent if stride is None else _as_int(stride, "stride", "an int >= 1", 1)
    sides = _as_int(padding, "padding", "an int >= 0", 0)
    output = (size - 1) * step + extent - 2 * sides
    if output < 0:
        raise ValueError(
            f"padding: expected at most {((size - 1) * step + extent) // 2} on each side of what "
            f"{size} windows of {extent} cover, received {sides}"
        )
    return cast(int, _checked(output, "output"))


def unpool_output_shape(
    input_shape: Sequence[int],
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: Padding = 0,
    output_size: Sequence[int] | None = None,
    *,
    axes: int = 2,
) -> tuple[int, ...]:
    """Return the output shape of max unpooling.

    Parameters
    ----------
    input_shape : sequence of int
        ``(N, C, *spatial)``, or ``(C, *spatial)`` without a batch, of what the pool gave.
    kernel_size, stride : int or sequence of int
        Those of the pool.
    padding : int, sequence of int or sequence of pairs, optional
        That of the pool: one int for every side, one for each axis, or one ``(before, after)`` pair for each.
    output_size : sequence of int, optional
        The spatial sizes, or a shape with batch and channels before them; less than a stride away from those
        of `unpool_output_size`.
    axes : int, optional
        Number of spatial axes.

    Returns
    -------
    tuple of int
        The input shape with the output sizes in place of the spatial ones.

    Raises
    ------
    TypeError, ValueError, OverflowError
        If an argument is not valid.

    Examples
    --------
    >>> unpool_output_shape((8, 16, 4, 4), 2)
    (8, 16, 8, 8)
    >>> unpool_output_shape((8, 16, 4, 4), 2, output_size=(9, 8))
    (8, 16, 9, 8)
    """
    lead, spatial = _pooled_planes(input_shape, axes)
    kernel = normalize_size(kernel_size, axes, "kernel_size")
    steps = kernel if stride is None else normalize_size(stride, axes, "stride")
    if _is_sequence(padding) and any(map(_is_sequence, padding)):
        pairs = cast("tuple[Pair, ...]", normalize_padding(cast("Padding", padding), axes))
    else:
        pairs = tuple(
            (side, side) for side in normalize_size(cast("int | Sequence[int]", padding), axes, "padding", 0)
        )
    output = tuple(
        _unpooled(cast(int, size), *window)
        for size, window in zip(spatial, zip(kernel, steps, pairs, strict=True), strict=True)
    )
    if output_size is not None:
        if not _is_sequence(output_size):
            raise TypeError(f"output_size: expected a sequence of ints, received {output_size!r}")
        if len(output_size) not in (axes, axes + 2):
            raise ValueError(f"output_size: expected {axes} or {axes + 2} sizes, received {output_size!r}")
        wanted = tuple(_as_int(size, "output_size", "ints >= 0", 0) for size in output_size[-axes:])
        for size, usual, step in zip(wanted, output, steps, strict=True):
            if not usual - step < size < usual + step:
                raise ValueError(
                    f"output_size: expected sizes above {usual - step} and below {usual + step}, "
                    f"received {output_size!r}"
                )
        output = wanted
    _check_addressable((*lead, *output), "output_size")
    return cast("tuple[int, ...]", (*lead, *output))


def _unpooled(size: int, kernel: int, step: int, sides: Pair) -> int:
    before, after = sides
    if before == after:
        return unpool_output_size(size, kernel, step, before)
    output = unpool_output_size(size, kernel, step) - before - after
    if output < 0:
        raise ValueError(
            f"padding: expected together at most the {output + before + after} elements that {size} windows "
            f"of {kernel} cover, received {sides}"
        )
    return output
