"""
Average pooling and its gradient, which is its adjoint, since it is linear.

The primitives serve any number of spatial axes; the public functions fix it.
"""

# ruff: noqa: ARG005 (autograd gives the makers of products all arguments, by position)
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core
from ._differentiation import cotangent, defjvp, defvjp, primitive, refuse_traced

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._typing import Array, CeilMode, Padding, Size

# axes, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, dilation: passed on as
# they come, the core checks them
_Config = tuple[Any, ...]


def avg_pool1d(
    input: Array,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    ceil_mode: CeilMode = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    dilation: Size = 1,
    out: Array | None = None,
) -> Array:
    """
    Mean of every window of a signal of shape (N, C, L) or (C, L); see `avg_pool2d`.

    Raises
    ------
    TypeError, ValueError
        As `avg_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.avg_pool1d(np.array([[1.0, 3.0, 2.0, 0.0]]), 2).tolist()
    [[2.0, 1.0]]
    """
    config = (1, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, dilation)
    return _pool(input, config, out)


def avg_pool2d(
    input: Array,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    ceil_mode: CeilMode = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    dilation: Size = 1,
    out: Array | None = None,
) -> Array:
    """
    Mean of every window of an image.

    Parameters
    ----------
    input : ndarray, shape (N, C, H, W) or (C, H, W)
        float32 or float64, any memory layout.
    kernel_size : int or pair of int
        Size of the window.
    stride : int or pair of int, optional
        Step from one window to the next; `kernel_size` by default.
    padding : int, pair of int, pair of (before, after) pairs, or str, default 0
        Zeros around the image: at most half of `kernel_size`, or, given as pairs, less than the extent of
        a window on each side. The strings are those of `conv2d`.
    ceil_mode : bool, "torch" or "onnx", default False
        Round the output size up instead of down; a window has to start inside of the image or the
        padding before it. That is torch's rule and ONNX's, so that both names mean what True does.
    count_include_pad : bool, default True
        Whether the padding counts as elements of the mean. What lies beyond it, where `ceil_mode` lets
        the last window reach, never counts.
    divisor_override : int, optional
        Divide the sums by this instead of the number of elements.
    dilation : int or pair of int, default 1
        Distance between the elements of a window. A window of which nothing counts gives NaN.
    out : ndarray, optional
        Array to write the result into: of the exact shape and dtype, C-contiguous, not overlapping the
        input. Not possible while autograd differentiates.

    Returns
    -------
    ndarray, shape (N, C, OH, OW) or (C, OH, OW)

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
    >>> F.avg_pool2d(x, 2).tolist()
    [[[2.5, 4.5], [10.5, 12.5]]]
    """
    config = (2, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, dilation)
    return _pool(input, config, out)


def avg_pool3d(
    input: Array,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    ceil_mode: CeilMode = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    dilation: Size = 1,
    out: Array | None = None,
) -> Array:
    """
    Mean of every window of a volume of shape (N, C, D, H, W) or (C, D, H, W); see `avg_pool2d`.

    Raises
    ------
    TypeError, ValueError
        As `avg_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.avg_pool3d(np.arange(8.0).reshape(1, 2, 2, 2), 2).tolist()
    [[[[3.5]]]]
    """
    config = (3, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, dilation)
    return _pool(input, config, out)


def avg_pool1d_grad_input(
    grad_output: Array,
    input_shape: Sequence[int],
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    ceil_mode: CeilMode = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    dilation: Size = 1,
) -> Array:
    """
    Gradient of `avg_pool1d` with respect to its input; see `avg_pool2d_grad_input`.

    Raises
    ------
    TypeError, ValueError
        As `avg_pool2d_grad_input`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.avg_pool1d_grad_input(np.array([[4.0]]), (1, 3), 2).tolist()
    [[2.0, 2.0, 0.0]]
    """
    config = (1, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, dilation)
    return _avg_pool_grad(grad_output, input_shape, config)


def avg_pool2d_grad_input(
    grad_output: Array,
    input_shape: Sequence[int],
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    ceil_mode: CeilMode = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    dilation: Size = 1,
) -> Array:
    """
    Gradient of `avg_pool2d` with respect to its input.

    Parameters
    ----------
    grad_output : ndarray, shape (N, C, OH, OW) or (C, OH, OW)
        Gradient of a scalar with respect to the pool's result.
    input_shape : sequence of int
        Shape of the pool's input: (N, C, H, W) or (C, H, W).
    kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, dilation
        As in `avg_pool2d`.

    Returns
    -------
    ndarray, shape `input_shape`

    Raises
    ------
    TypeError
        If `grad_output` is not a float32 or float64 array.
    ValueError
        If the shapes do not belong to one pool.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.avg_pool2d_grad_input(np.array([[[4.0]]]), (1, 2, 3), 2).tolist()
    [[[1.0, 1.0, 0.0], [1.0, 1.0, 0.0]]]
    """
    config = (2, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, dilation)
    return _avg_pool_grad(grad_output, input_shape, config)


def avg_pool3d_grad_input(
    grad_output: Array,
    input_shape: Sequence[int],
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    ceil_mode: CeilMode = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    dilation: Size = 1,
) -> Array:
    """
    Gradient of `avg_pool3d` with respect to its input; see `avg_pool2d_grad_input`.

    Raises
    ------
    TypeError, ValueError
        As `avg_pool2d_grad_input`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.avg_pool3d_grad_input(np.array([[[[4.0]]]]), (1, 1, 2, 2), (1, 2, 2)).tolist()
    [[[[1.0, 1.0], [1.0, 1.0]]]]
    """
    config = (3, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, dilation)
    return _avg_pool_grad(grad_output, input_shape, config)


def _pool(input: Array, config: _Config, out: Array | None) -> Array:
    if out is not None:
        refuse_traced(input)
    elif type(input) is not np.ndarray:
        return _avg_pool(input, config)
    axes, *settings, dilation = config
    settings += [out, dilation]
    result: Array = _core.avg_pool_forward(axes, input, *settings)
    return result


@primitive
def _avg_pool(input: Any, config: _Config) -> Array:
    axes, *settings, dilation = config
    settings += [None, dilation]
    result: Array = _core.avg_pool_forward(axes, input, *settings)
    return result


@primitive
def _avg_pool_grad(grad_output: Any, input_shape: Any, config: _Config) -> Array:
    axes, *settings = config
    result: Array = _core.avg_pool_grad(axes, grad_output, input_shape, *settings)
    return result


defvjp(_avg_pool, lambda ans, input, config: lambda g: _avg_pool_grad(cotangent(g, ans), input.shape, config))
defjvp(_avg_pool, "same")
defvjp(
    _avg_pool_grad,
    lambda ans, grad_output, input_shape, config: lambda g: _avg_pool(cotangent(g, ans), config),
)
defjvp(_avg_pool_grad, "same")
