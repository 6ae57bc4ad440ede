"""
Power-average pooling.

With P the windows' (scaled) sums, A its adjoint and y the result::

    lp_pool       x        -> y = P(x^p)^(1/p)
    lp_pool_grad  x, y, g  -> x^(p-1) * A(g * y^(1-p))

Second derivatives are composed of the average pool and its gradient, which P and A are but for a factor.
"""

# ruff: noqa: ARG005 (autograd gives the makers of products all arguments, by position)
from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import autograd.numpy as anp
import numpy as np

from .. import _core, shapes
from .._checks import choice
from ._avg_pool import _avg_pool, _avg_pool_grad
from ._differentiation import cotangent, defjvp, defvjp, primitive, refuse_traced
from ._max_pool import max_pool1d, max_pool2d, max_pool3d

if TYPE_CHECKING:
    from .._typing import Array, CeilMode, Padding, Size

# axes, norm_type, kernel_size, stride, padding, dilation, ceil_mode, absolute, scaled: passed on as they
# come, the core checks them
_Config = tuple[Any, ...]


def lp_pool1d(
    input: Array,
    norm_type: float,
    kernel_size: Size,
    stride: Size | None = None,
    ceil_mode: CeilMode = False,
    *,
    padding: Padding = 0,
    dilation: Size = 1,
    definition: str = "torch",
    out: Array | None = None,
) -> Array:
    """
    Power average of every window of a signal of shape (N, C, L) or (C, L); see `lp_pool2d`.

    Raises
    ------
    TypeError, ValueError
        As `lp_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.lp_pool1d(np.array([[3.0, 4.0, 0.0, 2.0]]), 2, 2).tolist()
    [[5.0, 2.0]]
    """
    return _pool(1, input, norm_type, kernel_size, stride, padding, dilation, ceil_mode, definition, out)


def lp_pool2d(
    input: Array,
    norm_type: float,
    kernel_size: Size,
    stride: Size | None = None,
    ceil_mode: CeilMode = False,
    *,
    padding: Padding = 0,
    dilation: Size = 1,
    definition: str = "torch",
    out: Array | None = None,
) -> Array:
    r"""
    Power average of every window of an image.

    .. math::

        y = \Big(\sum_{x \in window} x^p\Big)^{1/p}

    Parameters
    ----------
    input : ndarray, shape (N, C, H, W) or (C, H, W)
        float32 or float64, any memory layout.
    norm_type : float
        The exponent p, any number but 0. With infinity the result is the largest :math:`|x|` of each
        window, with minus infinity the smallest.
    kernel_size : int or pair of int
        Size of the window.
    stride : int or pair of int, optional
        Step from one window to the next; `kernel_size` by default.
    ceil_mode : bool, "torch" or "onnx", default False
        Round the output size up instead of down, as for `avg_pool2d`.
    padding : int, pair of int, pair of (before, after) pairs, or str, default 0
        Zeros around the image, as for `avg_pool2d`.
    dilation : int or pair of int, default 1
        Distance between the elements of a window.
    definition : {"torch", "onnx"}, default "torch"
        "torch" takes the formula as it stands, so that odd p may cancel or make the root NaN, and in
        `ceil_mode` scales the sum of a window that the end of the padded image cuts off up to a whole
        one. "onnx" is the p-norm: the powers are those of :math:`|x|`, and nothing is scaled.
    out : ndarray, optional
        Array to write the result into: of the exact shape and dtype, C-contiguous, not overlapping the
        input. Not possible while autograd differentiates.

    Returns
    -------
    ndarray, shape (N, C, OH, OW) or (C, OH, OW)
        Its gradient in a window whose norm is 0 is 0.

    Raises
    ------
    TypeError
        If `input` is not a float32 or float64 array.
    ValueError
        If sizes do not fit together, or `norm_type` is 0; the message names the argument.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> x = np.array([[[3.0, -4.0, 1.0, -2.0]]])
    >>> F.lp_pool2d(x, 2, (1, 2)).round(3).tolist()
    [[[5.0, 2.236]]]
    >>> F.lp_pool2d(x, 1, (1, 2)).tolist(), F.lp_pool2d(x, 1, (1, 2), definition="onnx").tolist()
    ([[[-1.0, -1.0]]], [[[7.0, 3.0]]])
    """
    return _pool(2, input, norm_type, kernel_size, stride, padding, dilation, ceil_mode, definition, out)


def lp_pool3d(
    input: Array,
    norm_type: float,
    kernel_size: Size,
    stride: Size | None = None,
    ceil_mode: CeilMode = False,
    *,
    padding: Padding = 0,
    dilation: Size = 1,
    definition: str = "torch",
    out: Array | None = None,
) -> Array:
    """
    Power average of every window of a volume of shape (N, C, D, H, W) or (C, D, H, W); see `lp_pool2d`.

    Raises
    ------
    TypeError, ValueError
        As `lp_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.lp_pool3d(np.ones((1, 2, 2, 4)), 2, 2).round(3).tolist()
    [[[[2.828, 2.828]]]]
    """
    return _pool(3, input, norm_type, kernel_size, stride, padding, dilation, ceil_mode, definition, out)


def _pool(
    axes: int,
    input: Array,
    norm_type: float,
    kernel_size: Size,
    stride: Size | None,
    padding: Padding,
    dilation: Size,
    ceil_mode: CeilMode,
    definition: str,
    out: Array | None,
) -> Array:
    onnx = choice("definition", definition, ("torch", "onnx")) == "onnx"
    if norm_type in (math.inf, -math.inf):
        sign = math.copysign(1.0, norm_type)
        if out is not None:
            refuse_traced(input)
        max_pool = (max_pool1d, max_pool2d, max_pool3d)[axes - 1]
        pooled = max_pool(anp.abs(input) * sign, kernel_size, stride, padding, dilation, ceil_mode, out=out)
        if sign > 0:
            extreme: Array = pooled
        else:
            extreme = -pooled if out is None else np.negative(out, out=out)
        return extreme
    config = (axes, norm_type, kernel_size, stride, padding, dilation, ceil_mode, onnx, not onnx)
    if out is not None:
        refuse_traced(input)
    elif type(input) is not np.ndarray:
        return _lp_pool(input, config)
    settings = config[1:]
    result: Array = _core.lp_pool_forward(axes, input, *settings, out)
    return result


@primitive
def _lp_pool(input: Any, config: _Config) -> Array:
    axes, *settings = config
    result: Array = _core.lp_pool_forward(axes, input, *settings)
    return result


@primitive
def _lp_pool_grad(input: Any, output: Any, grad_output: Any, config: _Config) -> Array:
    axes, *settings = config
    result: Array = _core.lp_pool_grad(axes, input, output, grad_output, *settings)
    return result


def _average(config: _Config) -> tuple[tuple[Any, ...], int]:
    """Return the average pool, and the factor, that make the windows' (scaled) sums."""
    axes, _, kernel_size, stride, padding, dilation, ceil_mode, _, scaled = config
    divisor = None if scaled else 1
    count = math.prod(shapes.normalize_size(kernel_size, axes, "kernel_size")) if scaled else 1
    return (axes, kernel_size, stride, padding, ceil_mode, True, divisor, dilation), count


def _sum(values: Any, config: _Config) -> Any:
    """Sum every window: P."""
    average, factor = _average(config)
    return _avg_pool(values, average) * factor


def _spread(values: Any, shape: Any, config: _Config) -> Any:
    """Give every element the sum of its windows' values: A."""
    average, factor = _average(config)
    return _avg_pool_grad(values * factor, shape, average)


def _slope(x: Any, config: _Config) -> Any:
    """Return x^(p-1), or with the absolute value that with the sign of x."""
    p, absolute = config[1], config[-2]
    return anp.sign(x) * anp.abs(x) ** (p - 1.0) if absolute else x ** (p - 1.0)


def _bend(x: Any, config: _Config) -> Any:
    """Return the derivative of `_slope`."""
    p, absolute = config[1], config[-2]
    if p == 1:
        return anp.zeros_like(x)
    return (p - 1.0) * (anp.abs(x) if absolute else x) ** (p - 2.0)


def _hand_on(y: Any, exponent: float) -> Any:
    """Return y^exponent, and 0 for windows of zeros."""
    zero = y == 0
    return anp.where(zero, 0.0, anp.where(zero, 1.0, y) ** exponent)


defvjp(
    _lp_pool,
    lambda ans, input, config: lambda g: _lp_pool_grad(input, ans, cotangent(g, ans), config),
)
defjvp(
    _lp_pool,
    lambda g, ans, input, config: _hand_on(ans, 1.0 - config[1]) * _sum(g * _slope(input, config), config),
)
defvjp(
    _lp_pool_grad,
    lambda ans, input, output, grad_output, config: (
        lambda g: (
            g
            * _bend(input, config)
            * _spread(grad_output * _hand_on(output, 1.0 - config[1]), input.shape, config)
        )
    ),
    lambda ans, input, output, grad_output, config: (
        lambda g: (
            (1.0 - config[1])
            * _hand_on(output, -config[1])
            * grad_output
            * _sum(g * _slope(input, config), config)
        )
    ),
    lambda ans, input, output, grad_output, config: (
        lambda g: _hand_on(output, 1.0 - config[1]) * _sum(g * _slope(input, config), config)
    ),
)
