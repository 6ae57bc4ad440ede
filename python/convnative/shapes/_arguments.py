"""Checks of sizes, paddings and shapes, each with an error that names the argument."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Literal, TypeGuard, get_args

from ._symbols import Expression, symbol

MAX_SIZE = 2**63 - 1
"""The largest size, and the largest number of elements, that the core can hold."""

PaddingMode = Literal["same", "same_lower", "causal"]
CeilMode = bool | Literal["torch", "onnx"]
Padding = int | str | Sequence[int] | Sequence[Sequence[int]]
Pair = tuple[int, int]


# An argument is looked at twice, as the core does: first the form of every argument (types, lengths, names,
# 64 bits), then their values.


def _int_form(value: object, name: str, expected: str) -> int:
    """Return an int that fits the core; bools and floats are none."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name}: expected {expected}, received {value!r}")
    number = operator.index(value)
    if not -MAX_SIZE - 1 <= number <= MAX_SIZE:
        raise OverflowError(f"{name}: expected {expected}, at most {MAX_SIZE}, received {number}")
    return number


def _as_int(value: object, name: str, expected: str, minimum: int) -> int:
    number = _int_form(value, name, expected)
    if number < minimum:
        raise ValueError(f"{name}: expected {expected}, received {value!r}")
    return number


def _expected_size(axes: int, minimum: int) -> str:
    return f"an int >= {minimum} or {axes} of them"


def _expected_padding(axes: int) -> str:
    return (
        f"an int >= 0, {axes} of them, {axes} (before, after) pairs, "
        "'valid', 'same', 'same_lower' or 'causal'"
    )


def _size_form(value: object, axes: int, name: str, expected: str) -> tuple[int, ...]:
    """Return one int for each axis, whatever their values."""
    if not _is_sequence(value):
        return (_int_form(value, name, expected),) * axes
    if len(value) not in (1, axes):
        raise ValueError(f"{name}: expected {expected}, received {value!r}")
    sizes = tuple(_int_form(item, name, expected) for item in value)
    return sizes if len(sizes) == axes else sizes * axes


def _padding_form(padding: object, axes: int) -> tuple[Pair, ...] | PaddingMode:
    """Return a pair for each axis, whatever their values, or the name of a mode."""
    expected = _expected_padding(axes)
    if isinstance(padding, str):
        if padding == "valid":
            return ((0, 0),) * axes
        modes: tuple[PaddingMode, ...] = get_args(PaddingMode)
        for mode in modes:
            if padding == mode:
                return mode
        raise ValueError(f"padding: expected {expected}, received {padding!r}")
    if not _is_sequence(padding) or not any(map(_is_sequence, padding)):
        return tuple((side, side) for side in _size_form(padding, axes, "padding", expected))
    if len(padding) != axes:
        raise ValueError(f"padding: expected {expected}, received {padding!r}")
    pairs = []
    for item in padding:
        if not _is_sequence(item) or len(item) != 2:
            raise ValueError(f"padding: expected {expected}, received {padding!r}")
        pairs.append((_int_form(item[0], "padding", expected), _int_form(item[1], "padding", expected)))
    return tuple(pairs)


def _is_sequence(value: object) -> TypeGuard[Sequence[object]]:
    """Return whether a value lists several: a str is one name, not a sequence of letters."""
    return isinstance(value, Sequence) and not isinstance(value, str)


def _as_size(value: int | str | Expression, name: str, minimum: int = 0) -> int | Expression:
    if isinstance(value, Expression):
        return value
    if isinstance(value, str):
        return symbol(value)
    return _as_int(value, name, f"an int >= {minimum} or a name", minimum)


def _as_shape(shape: Sequence[int | str | Expression], name: str) -> tuple[int | Expression, ...]:
    if not _is_sequence(shape):
        raise TypeError(f"{name}: expected a sequence of sizes, received {shape!r}")
    return tuple(_as_size(size, name) for size in shape)


def _checked(value: int | Expression, name: str) -> int | Expression:
    if isinstance(value, int) and value > MAX_SIZE:
        raise OverflowError(f"{name}: expected at most {MAX_SIZE}, received {value}")
    return value


def normalize_size(value: int | Sequence[int], axes: int, name: str, minimum: int = 1) -> tuple[int, ...]:
    """Return one int for each spatial axis.

    Parameters
    ----------
    value : int or sequence of int
        One int for all axes, one for each, or a sequence of a single one for all.
    axes : int
        Number of spatial axes.
    name : str
        The argument that an error names.
    minimum : int, optional
        The smallest value allowed.

    Returns
    -------
    tuple of int
        `axes` ints.

    Raises
    ------
    TypeError
        If a value is not an int.
    ValueError
        If a value is below the minimum, or the sequence has another length.
    OverflowError
        If a value is beyond `MAX_SIZE`.

    Examples
    --------
    >>> normalize_size(3, 2, "kernel_size")
    (3, 3)
    >>> normalize_size(0, 2, "stride")
    Traceback (most recent call last):
    ValueError: stride: expected an int >= 1 or 2 of them, received 0
    """
    expected = _expected_size(axes, minimum)
    sizes = _size_form(value, axes, name, expected)
    if any(size < minimum for size in sizes):
        raise ValueError(f"{name}: expected {expected}, received {value!r}")
    return sizes


def normalize_padding(padding: Padding, axes: int) -> tuple[Pair, ...] | PaddingMode:
    """Return a padding as one ``(before, after)`` pair for each spatial axis, or as the name of a mode.

    Parameters
    ----------
    padding : int, str, sequence of int or sequence of pairs
        One int for every side, one int for each axis, one ``(before, after)`` pair for each axis, or one of
        ``"valid"``, ``"same"``, ``"same_lower"`` and ``"causal"``. See `resolve_padding` for the modes.
    axes : int
        Number of spatial axes.

    Returns
    -------
    tuple of (int, int), or str
        The pairs; the name for a mode other than ``"valid"``, whose padding is zero everywhere.

    Raises
    ------
    TypeError
        If the padding is of another type.
    ValueError
        If a value is negative, a sequence has another length or a mode is unknown.
    OverflowError
        If a value is beyond `MAX_SIZE`.

    Examples
    --------
    >>> normalize_padding(1, 2)
    ((1, 1), (1, 1))
    >>> normalize_padding([1, 2], 2)
    ((1, 1), (2, 2))
    >>> normalize_padding([(0, 1), (2, 3)], 2)
    ((0, 1), (2, 3))
    >>> normalize_padding("same", 2)
    'same'
    >>> normalize_padding("full", 2)  # doctest: +NORMALIZE_WHITESPACE
    Traceback (most recent call last):
    ValueError: padding: expected an int >= 0, 2 of them, 2 (before, after) pairs,
    'valid', 'same', 'same_lower' or 'causal', received 'full'
    """
    form = _padding_form(padding, axes)
    if not isinstance(form, str) and any(side < 0 for pair in form for side in pair):
        raise ValueError(f"padding: expected {_expected_padding(axes)}, received {padding!r}")
    return form


def _text(shape: Sequence[int | str | Expression]) -> str:
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def _check_addressable(shape: Sequence[int | str | Expression], name: str) -> None:
    """Refuse a shape whose elements of 8 bytes could not be addressed; a size of 0 counts as 1."""
    sizes = [size for size in _as_shape(shape, name) if isinstance(size, int) and size > 0]
    if 8 * math.prod(sizes) > MAX_SIZE:
        raise OverflowError(f"{name}: expected an array of at most {MAX_SIZE} bytes, received {_text(shape)}")
