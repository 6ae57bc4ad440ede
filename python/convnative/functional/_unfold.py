"""
Sliding blocks of an image as columns (im2col), and back (col2im).

Both are linear, and each other's adjoint.
"""

# ruff: noqa: ARG005 (autograd gives the makers of products all arguments, by position)
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core
from ._differentiation import cotangent, defjvp, defvjp, primitive

if TYPE_CHECKING:
    from .._typing import Array, Padding, Size

# kernel_size, dilation, padding, stride: passed on as they come, the core parses and checks them
_Window = tuple[Any, Any, Any, Any]


def unfold(
    input: Array, kernel_size: Size, dilation: Size = 1, padding: Padding = 0, stride: Size = 1
) -> Array:
    """
    Sliding blocks of an image, each one a column: im2col.

    Parameters
    ----------
    input : ndarray, shape (N, C, H, W) or (C, H, W)
        float32 or float64, any memory layout. A `kernel_size` of one or three ints takes signals
        (N, C, L) or volumes (N, C, D, H, W) instead.
    kernel_size : int or pair of int
        Size of a block.
    dilation : int or pair of int, default 1
        Distance between the elements of a block.
    padding : int, pair of int, pair of (before, after) pairs, or str, default 0
        Zeros around the image. The strings are those of `conv2d`.
    stride : int or pair of int, default 1
        Step from one block to the next.

    Returns
    -------
    ndarray, shape (N, C * R * S, blocks) or (C * R * S, blocks)
        Row (c * R + r) * S + s holds element (r, s) of channel c of every block, the blocks in row-major
        order.

    Raises
    ------
    TypeError
        If `input` is not a float32 or float64 array.
    ValueError
        If sizes do not fit together; the message names the argument.

    See Also
    --------
    fold : the adjoint.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> x = np.arange(6.0).reshape(1, 2, 3)
    >>> F.unfold(x, 2).tolist()
    [[0.0, 1.0], [1.0, 2.0], [3.0, 4.0], [4.0, 5.0]]
    """
    axes, window = _axes(kernel_size), (kernel_size, dilation, padding, stride)
    if type(input) is not np.ndarray:
        return _unfold(input, axes, window)
    result: Array = _core.unfold(axes, input, *window)
    return result


def fold(
    input: Array,
    output_size: Size,
    kernel_size: Size,
    dilation: Size = 1,
    padding: Padding = 0,
    stride: Size = 1,
) -> Array:
    """
    Image of which every element is the sum of the elements of blocks that lie on it: col2im.

    Parameters
    ----------
    input : ndarray, shape (N, C * R * S, blocks) or (C * R * S, blocks)
        float32 or float64, any memory layout: columns as `unfold` makes them.
    output_size : int or pair of int
        Size of the image (H, W). One or three ints in a sequence make signals (L,) or volumes (D, H, W).
    kernel_size, dilation, padding, stride
        As in `unfold`.

    Returns
    -------
    ndarray, shape (N, C, H, W) or (C, H, W)

    Raises
    ------
    TypeError
        If `input` is not a float32 or float64 array.
    ValueError
        If sizes do not fit together; the message names the argument.

    See Also
    --------
    unfold : the adjoint.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> x = np.arange(6.0).reshape(1, 2, 3)
    >>> F.fold(F.unfold(x, 2), (2, 3), 2).tolist()
    [[[0.0, 2.0, 2.0], [3.0, 8.0, 5.0]]]
    """
    axes, window = _axes(output_size), (kernel_size, dilation, padding, stride)
    if type(input) is not np.ndarray:
        return _fold(input, axes, output_size, window)
    result: Array = _core.fold(axes, input, output_size, *window)
    return result


def _axes(size: Size) -> int:
    """As many as there are sizes; an image's where one stands for all."""
    return len(size) if isinstance(size, (tuple, list)) else 2


@primitive
def _unfold(input: Any, axes: int, window: _Window) -> Array:
    result: Array = _core.unfold(axes, input, *window)
    return result


@primitive
def _fold(input: Any, axes: int, output_size: Any, window: _Window) -> Array:
    result: Array = _core.fold(axes, input, output_size, *window)
    return result


defvjp(
    _unfold,
    lambda ans, input, axes, window: lambda g: _fold(cotangent(g, ans), axes, input.shape[-axes:], window),
)
defjvp(_unfold, "same")
defvjp(
    _fold, lambda ans, input, axes, output_size, window: lambda g: _unfold(cotangent(g, ans), axes, window)
)
defjvp(_fold, "same")
