"""
Unpooling, and moves by index, of which the gradients of pools with irregular windows are made.

An index is a position in a plane, row by row. Both moves are linear, and each is the other's adjoint::

    indexed_pick  values  -> values[indices], 0 where the index is -1
    indexed_add   values  -> zeros, and every value added at its index
"""

# ruff: noqa: ARG005 (autograd gives the makers of products all arguments, by position)
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from autograd.tracer import getval

from .. import _core, shapes
from ._differentiation import cotangent, defjvp, defvjp, primitive, refuse_traced

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._typing import Array, Padding, Size


def max_unpool1d(
    input: Array,
    indices: Array,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    output_size: Sequence[int] | None = None,
    *,
    out: Array | None = None,
) -> Array:
    """
    Put the values of a signal of shape (N, C, L) or (C, L) back; see `max_unpool2d`.

    Raises
    ------
    TypeError, ValueError, IndexError
        As `max_unpool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.max_unpool1d(np.array([[5.0, 7.0]]), np.array([[1, 2]]), 2).tolist()
    [[0.0, 5.0, 7.0, 0.0]]
    """
    return _unpool(1, input, indices, kernel_size, stride, padding, output_size, out)


def max_unpool2d(
    input: Array,
    indices: Array,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    output_size: Sequence[int] | None = None,
    *,
    out: Array | None = None,
) -> Array:
    """
    Put the maxima of a pool back to where they came from, between zeros.

    Parameters
    ----------
    input : ndarray, shape (N, C, H, W) or (C, H, W)
        float32 or float64, any memory layout.
    indices : ndarray of int, shape of `input`
        Where each value goes, as row * OW + column: what `max_pool2d` gives with ``return_indices``. Of
        several values for one place the last stays.
    kernel_size, stride : int or pair of int
        Those of the pool; they decide the output size.
    padding : int, pair of int, or pair of (before, after) pairs, default 0
        That of the pool.
    output_size : sequence of int, optional
        The output's spatial sizes, or its whole shape with the batch, of which the sizes are taken. Each
        must be less than a stride away from the size that the other arguments give.
    out : ndarray, optional
        Array to write the result into: of the exact shape and dtype, C-contiguous, not overlapping the
        input. Not possible while autograd differentiates.

    Returns
    -------
    ndarray, shape (N, C, OH, OW) or (C, OH, OW)

    Raises
    ------
    TypeError
        If `input` is not a float32 or float64 array or `indices` not one of integers.
    ValueError
        If sizes do not fit together; the message names the argument.
    IndexError
        If an index is negative or beyond the output's plane.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> x = np.array([[[1.0, 2.0], [3.0, 4.0]]])
    >>> F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2).tolist()
    [[[0.0, 0.0], [0.0, 4.0]]]
    """
    return _unpool(2, input, indices, kernel_size, stride, padding, output_size, out)


def max_unpool3d(
    input: Array,
    indices: Array,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    output_size: Sequence[int] | None = None,
    *,
    out: Array | None = None,
) -> Array:
    """
    Put the values of a volume of shape (N, C, D, H, W) or (C, D, H, W) back; see `max_unpool2d`.

    Raises
    ------
    TypeError, ValueError, IndexError
        As `max_unpool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.max_unpool3d(np.array([[[[5.0]]]]), np.array([[[[1]]]]), (1, 1, 2)).tolist()
    [[[[0.0, 5.0]]]]
    """
    return _unpool(3, input, indices, kernel_size, stride, padding, output_size, out)


def _unpool(
    axes: int,
    input: Array,
    indices: Array,
    kernel_size: Size,
    stride: Size | None,
    padding: Padding,
    output_size: Sequence[int] | None,
    out: Array | None,
) -> Array:
    if not hasattr(input, "shape"):
        raise TypeError(
            f"input: expected a numpy.ndarray of float32 or float64, received {type(input).__name__}"
        )
    settings = kernel_size, stride, padding, output_size
    sizes = shapes.unpool_output_shape(input.shape, *settings, axes=axes)[-axes:]
    if out is not None:
        refuse_traced(input)
    elif type(input) is not np.ndarray:
        return _max_unpool(input, getval(indices), (axes, sizes))
    result: Array = _core.max_unpool_forward(axes, input, getval(indices), sizes, out)
    return result


@primitive
def _max_unpool(input: Any, indices: Any, config: tuple[int, Any]) -> Array:
    axes, output_size = config
    result: Array = _core.max_unpool_forward(axes, input, indices, output_size)
    return result


@primitive
def _indexed_pick(values: Any, indices: Any, axes: int) -> Array:
    result: Array = _core.indexed_pick(axes, values, indices, 0.0)
    return result


@primitive
def _indexed_add(values: Any, indices: Any, config: tuple[int, Any]) -> Array:
    axes, output_size = config
    if values.size == 0:  # an adaptive pool to no positions
        return np.zeros((*values.shape[:-axes], *output_size), values.dtype)
    result: Array = _core.indexed_add(axes, values, indices, output_size)
    return result


defvjp(
    _max_unpool,
    lambda ans, input, indices, config: lambda g: _indexed_pick(cotangent(g, ans), indices, config[0]),
)
defjvp(_max_unpool, "same")
defvjp(
    _indexed_pick,
    lambda ans, values, indices, axes: (
        lambda g: _indexed_add(cotangent(g, ans), indices, (axes, values.shape[-axes:]))
    ),
)
defjvp(_indexed_pick, "same")
defvjp(
    _indexed_add,
    lambda ans, values, indices, config: lambda g: _indexed_pick(cotangent(g, ans), indices, config[0]),
)
defjvp(_indexed_add, "same")
