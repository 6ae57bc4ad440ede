"""
Max pooling and its gradients.

Max pooling picks one position per window, so that the family is closed under differentiation::

    max_pool       input            -> the maximum of every window
    max_pool_grad  input, output    -> every value put back at its window's maximum
    max_pool_pick  input, values    -> the value found at every window's maximum (adjoint of the former)

A traced pool keeps which tap of its window each maximum is, a byte each, so that its gradients neither search
the input again nor see what has been written into it since; `input` gives them its shape then. Kernels of
more than 255 taps keep nothing.

The primitives serve any number of spatial axes; the public functions fix it.
"""

# ruff: noqa: ARG005 (autograd gives the makers of products all arguments, by position)
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from autograd.tracer import getval

from .. import _core
from .._checks import boolean
from ._differentiation import cotangent, defjvp, defvjp, primitive, refuse_traced

if TYPE_CHECKING:
    from .._typing import Array, CeilMode, Padding, Pooled, Size

# axes, kernel_size, stride, padding, dilation, ceil_mode: passed on as they come, the core checks them
_Config = tuple[Any, ...]


def max_pool1d(
    input: Array,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: CeilMode = False,
    return_indices: bool = False,
    *,
    out: Array | None = None,
) -> Pooled:
    """
    Maximum of every window of a signal of shape (N, C, L) or (C, L); see `max_pool2d`.

    Raises
    ------
    TypeError, ValueError
        As `max_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.max_pool1d(np.array([[1.0, 3.0, 2.0, 0.0]]), 2).tolist()
    [[3.0, 2.0]]
    """
    config = (1, kernel_size, stride, padding, dilation, ceil_mode)
    return _pool(input, config, return_indices, out)


def max_pool2d(
    input: Array,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: CeilMode = False,
    return_indices: bool = False,
    *,
    out: Array | None = None,
) -> Pooled:
    """
    Maximum of every window of an image.

    Parameters
    ----------
    input : ndarray, shape (N, C, H, W) or (C, H, W)
        float32 or float64, any memory layout. A window that contains a NaN gives NaN.
    kernel_size : int or pair of int
        Size of the window.
    stride : int or pair of int, optional
        Step from one window to the next; `kernel_size` by default.
    padding : int, pair of int, pair of (before, after) pairs, or str, default 0
        Positions around the image that belong to windows but never win: at most half of `kernel_size`,
        or, given as pairs, less than the extent of a window on each side. The strings are those of
        `conv2d`.
    dilation : int or pair of int, default 1
        Distance between the elements of a window.
    ceil_mode : bool, "torch" or "onnx", default False
        Round the output size up instead of down; a window has to start inside of the image or the
        padding before it. That is torch's rule and ONNX's, so that both names mean what True does.
    return_indices : bool, default False
        Return the positions of the maxima too.
    out : ndarray, optional
        Array to write the result into: of the exact shape and dtype, C-contiguous, not overlapping the
        input. Not possible while autograd differentiates.

    Returns
    -------
    output : ndarray, shape (N, C, OH, OW) or (C, OH, OW)
        The maxima; -inf for a window between all elements, which dilation makes possible.
    indices : ndarray of int64, shape of `output`
        With `return_indices` alone: where each maximum is, as row * W + column. Of equal elements it is
        the first, of several NaNs the last, as in torch; -1 where there is none.

    Raises
    ------
    TypeError
        If `input` is not a float32 or float64 array.
    ValueError
        If sizes do not fit together; the message names the argument.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> x = np.arange(16.0).reshape(1, 4, 4)
    >>> F.max_pool2d(x, 2).tolist()
    [[[5.0, 7.0], [13.0, 15.0]]]
    >>> maxima, indices = F.max_pool2d(-x, 2, return_indices=True)
    >>> indices.tolist()
    [[[0, 2], [8, 10]]]
    """
    config = (2, kernel_size, stride, padding, dilation, ceil_mode)
    return _pool(input, config, return_indices, out)


def max_pool3d(
    input: Array,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: CeilMode = False,
    return_indices: bool = False,
    *,
    out: Array | None = None,
) -> Pooled:
    """
    Maximum of every window of a volume of shape (N, C, D, H, W) or (C, D, H, W); see `max_pool2d`.

    Raises
    ------
    TypeError, ValueError
        As `max_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.max_pool3d(np.arange(8.0).reshape(1, 2, 2, 2), 2).tolist()
    [[[[7.0]]]]
    """
    config = (3, kernel_size, stride, padding, dilation, ceil_mode)
    return _pool(input, config, return_indices, out)


def max_pool1d_grad_input(
    grad_output: Array,
    input: Array,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: CeilMode = False,
) -> Array:
    """
    Gradient of `max_pool1d` with respect to its input; see `max_pool2d_grad_input`.

    Raises
    ------
    TypeError, ValueError
        As `max_pool2d_grad_input`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.max_pool1d_grad_input(np.array([[5.0]]), np.array([[1.0, 3.0]]), 2).tolist()
    [[0.0, 5.0]]
    """
    return _max_pool_grad(input, grad_output, (1, kernel_size, stride, padding, dilation, ceil_mode))


def max_pool2d_grad_input(
    grad_output: Array,
    input: Array,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: CeilMode = False,
) -> Array:
    """
    Gradient of `max_pool2d` with respect to its input.

    Each value goes to the position that `max_pool2d` gives with ``return_indices``.

    Parameters
    ----------
    grad_output : ndarray, shape (N, C, OH, OW) or (C, OH, OW)
        Gradient of a scalar with respect to the pool's result.
    input : ndarray, shape (N, C, H, W) or (C, H, W)
        The pool's input.
    kernel_size, stride, padding, dilation, ceil_mode
        As in `max_pool2d`.

    Returns
    -------
    ndarray, shape of `input`

    Raises
    ------
    TypeError
        If an argument is not a float32 or float64 array, or the dtypes differ.
    ValueError
        If the shapes do not belong to one pool.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> x = np.array([[[1.0, 3.0, 3.0, 2.0]]])
    >>> F.max_pool2d_grad_input(np.array([[[5.0, 7.0]]]), x, (1, 2)).tolist()
    [[[0.0, 5.0, 7.0, 0.0]]]
    """
    return _max_pool_grad(input, grad_output, (2, kernel_size, stride, padding, dilation, ceil_mode))


def max_pool3d_grad_input(
    grad_output: Array,
    input: Array,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: CeilMode = False,
) -> Array:
    """
    Gradient of `max_pool3d` with respect to its input; see `max_pool2d_grad_input`.

    Raises
    ------
    TypeError, ValueError
        As `max_pool2d_grad_input`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.max_pool3d_grad_input(np.array([[[[5.0]]]]), np.array([[[[1.0, 3.0]]]]), (1, 1, 2)).tolist()
    [[[[0.0, 5.0]]]]
    """
    return _max_pool_grad(input, grad_output, (3, kernel_size, stride, padding, dilation, ceil_mode))


def _pool(input: Array, config: _Config, return_indices: bool, out: Array | None) -> Pooled:
    boolean("return_indices", return_indices)
    if out is not None:
        refuse_traced(input)
    elif type(input) is not np.ndarray:
        values = _max_pool(input, config, [])
        return (values, _max_pool_indices(getval(input), config)) if return_indices else values
    run = _core.max_pool_with_indices if return_indices else _core.max_pool_forward
    axes, *settings = (*config, out)
    return run(axes, input, *settings)


@primitive
def _max_pool(input: Any, config: _Config, kept: list[Array | None]) -> Array:
    """Append the taps to `kept`, which is empty: the products below are made after the result."""
    axes, *settings = config
    result, taps = _core.max_pool_with_taps(axes, input, *settings)
    kept.append(taps)
    return result


@primitive
def _max_pool_indices(input: Any, config: _Config) -> Array:
    axes, *settings = config
    result: Array = _core.max_pool_with_indices(axes, input, *settings)[1]
    return result


@primitive
def _max_pool_grad(input: Any, grad_output: Any, config: _Config, taps: Array | None = None) -> Array:
    axes, *settings = (*config, taps)
    result: Array = _core.max_pool_grad(axes, input, grad_output, *settings)
    return result


@primitive
def _max_pool_pick(input: Any, values: Any, config: _Config, taps: Array | None = None) -> Array:
    axes, *settings = (*config, taps)
    result: Array = _core.max_pool_pick(axes, input, values, *settings)
    return result


# The choice of the maxima is locally constant in `input`: no derivative through it.
defvjp(
    _max_pool,
    lambda ans, input, config, kept: lambda g: _max_pool_grad(input, cotangent(g, ans), config, kept[0]),
)
defjvp(_max_pool, lambda g, ans, input, config, kept: _max_pool_pick(input, g, config, kept[0]))
defvjp(
    _max_pool_grad,
    None,
    lambda ans, input, grad_output, config, taps=None: (
        lambda g: _max_pool_pick(input, cotangent(g, ans), config, taps)
    ),
)
defjvp(_max_pool_grad, None, "same")
defvjp(
    _max_pool_pick,
    None,
    lambda ans, input, values, config, taps=None: (
        lambda g: _max_pool_grad(input, cotangent(g, ans), config, taps)
    ),
)
defjvp(_max_pool_pick, None, "same")
