"""Functions that change the shape alone."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import autograd.numpy as anp
import numpy as np

from .._checks import integer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._typing import Array


def flatten(input: Array, start_dim: int = 0, end_dim: int = -1) -> Array:
    """
    Join consecutive axes into one.

    Parameters
    ----------
    input : ndarray, any shape
        An array without axes becomes one of shape (1,).
    start_dim, end_dim : int
        First and last axis to join; negative numbers count from the end.

    Returns
    -------
    ndarray
        A view where the memory layout allows it, else a copy.

    Raises
    ------
    TypeError
        If an axis is not an int.
    IndexError
        If `input` has no such axis.
    ValueError
        If `end_dim` comes before `start_dim`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.flatten(np.zeros((2, 3, 4, 5)), 1).shape
    (2, 60)
    """
    if not hasattr(input, "shape"):
        raise TypeError(f"input: expected a numpy.ndarray, received {type(input).__name__}")
    shape: tuple[int, ...] = input.shape
    first = _axis("start_dim", start_dim, len(shape))
    last = _axis("end_dim", end_dim, len(shape))
    if first > last:
        raise ValueError(f"end_dim: expected an axis not before start_dim = {start_dim}, received {end_dim}")
    joined = math.prod(shape[first : last + 1])
    result: Array = anp.reshape(input, (*shape[:first], joined, *shape[last + 1 :]))
    return result


def unflatten(input: Array, dim: int, sizes: Sequence[int]) -> Array:
    """
    Split one axis into several.

    Parameters
    ----------
    input : ndarray, any shape
        At least one axis.
    dim : int
        The axis to split; a negative number counts from the end.
    sizes : sequence of int
        The sizes of the axes that take its place; one of them may be -1 and is then what is left.

    Returns
    -------
    ndarray
        A view where the memory layout allows it, else a copy.

    Raises
    ------
    TypeError
        If `sizes` is not a sequence of ints.
    IndexError
        If `input` has no such axis.
    ValueError
        If the product of `sizes` is not the axis' size.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.unflatten(np.zeros((2, 60)), 1, (3, 4, -1)).shape
    (2, 3, 4, 5)
    """
    if not hasattr(input, "shape"):
        raise TypeError(f"input: expected a numpy.ndarray, received {type(input).__name__}")
    if not isinstance(sizes, (tuple, list)):
        raise TypeError(f"sizes: expected a tuple of ints, received {sizes!r}")
    shape: tuple[int, ...] = input.shape
    axis = _axis("dim", dim, len(shape))
    parts = [integer("sizes", size, -1) for size in sizes]
    known = math.prod(size for size in parts if size != -1)
    size = shape[axis] if shape else 1
    fits = size % known == 0 if -1 in parts and known else size == known and -1 not in parts
    if not parts or parts.count(-1) > 1 or not fits:
        raise ValueError(f"sizes: expected sizes whose product is {size}, received {tuple(sizes)}")
    split = [size // known if part == -1 else part for part in parts]
    result: Array = anp.reshape(input, (*shape[:axis], *split, *shape[axis + 1 :]))
    return result


def _axis(name: str, axis: int, ndim: int) -> int:
    ndim = max(ndim, 1)
    if isinstance(axis, bool) or not isinstance(axis, (int, np.integer)):
        raise TypeError(f"{name}: expected an int, received {axis!r}")
    if not -ndim <= axis < ndim:
        raise IndexError(f"{name}: expected an axis from {-ndim} to {ndim - 1}, received {axis}")
    return axis % ndim
