"""
The primitives under all convolutions, for any number of spatial axes.

A convolution is linear in its input and in its weight, so that three primitives are closed under
differentiation: the derivative of each is made of the other two::

    forward      (input, weight)       -> output
    grad_input   (grad_output, weight) -> input
    grad_weight  (grad_output, input)  -> weight

The same holds for the transposed convolution.
"""

# ruff: noqa: ARG005 (autograd gives the makers of products all arguments, by position)
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import autograd.numpy as anp
import numpy as np

from .. import _core
from ._differentiation import cotangent, defjvp, defvjp, primitive

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._typing import Array

    # axes and then settings as the core takes them, which parses and checks them
    Config = tuple[Any, ...]


# -- convolution: config = axes, stride, padding, dilation, groups, padding_mode ---------------


@primitive
def conv(input: Any, weight: Any, bias: Any, config: Config) -> Array:
    axes, *settings = config
    result: Array = _core.conv_forward(axes, input, weight, bias, *settings)
    return result


@primitive
def conv_grad_input(grad_output: Any, weight: Any, input_shape: Any, config: Config) -> Array:
    axes, *settings = config
    result: Array = _core.conv_grad_input(axes, grad_output, weight, input_shape, *settings)
    return result


@primitive
def conv_grad_weight(grad_output: Any, input: Any, weight_shape: Any, config: Config) -> Array:
    axes, *settings = config
    result: Array = _core.conv_grad_weight(axes, grad_output, input, weight_shape, *settings)
    return result


def _without_constant(config: Config) -> Config:
    """Return the part of the convolution that is linear in the input: a constant border adds to it."""
    *settings, padding_mode = config
    return config if isinstance(padding_mode, str) else (*settings, "zeros")


# -- transposed convolution: config = axes, stride, padding, output_padding, groups, dilation --


@primitive
def conv_transpose(input: Any, weight: Any, bias: Any, config: Config) -> Array:
    axes, *settings = config
    result: Array = _core.conv_transpose_forward(axes, input, weight, bias, *settings)
    return result


@primitive
def conv_transpose_grad_input(grad_output: Any, weight: Any, input_shape: Any, config: Config) -> Array:
    axes, *settings = config
    result: Array = _core.conv_transpose_grad_input(axes, grad_output, weight, input_shape, *settings)
    return result


@primitive
def conv_transpose_grad_weight(grad_output: Any, input: Any, weight_shape: Any, config: Config) -> Array:
    axes, *settings = config
    result: Array = _core.conv_transpose_grad_weight(axes, grad_output, input, weight_shape, *settings)
    return result


# -- bias and kernel ---------------------------------------------------------------------------


@primitive
def conv_grad_bias(grad_output: Any, axes: int) -> Array:
    result: Array = _core.conv_grad_bias(axes, grad_output)
    return result


@primitive
def _spread_bias(bias: Any, shape: tuple[int, ...], axes: int) -> Array:
    """One value per channel, repeated over all positions: the adjoint of `conv_grad_bias`."""
    result: Array = np.broadcast_to(bias.reshape(-1, *(1,) * axes), shape).copy()
    return result


@primitive
def reverse_kernel(weight: Any, axes: int) -> Array:
    """Return a view of a weight with the elements of every kernel in reverse order."""
    result: Array = weight[(..., *(slice(None, None, -1),) * axes)]
    return result


# -- derivatives -------------------------------------------------------------------------------


def _define_derivatives(
    forward: Callable[..., Any],
    grad_input: Callable[..., Any],
    grad_weight: Callable[..., Any],
    linear: Callable[[Config], Config] = lambda config: config,
) -> None:
    """Derive three primitives from each other; `linear` gives the config of the part linear in the input."""
    defvjp(
        forward,
        lambda ans, input, weight, bias, config: (
            lambda g: grad_input(cotangent(g, ans), weight, input.shape, config)
        ),
        lambda ans, input, weight, bias, config: (
            lambda g: grad_weight(cotangent(g, ans), input, weight.shape, config)
        ),
        lambda ans, input, weight, bias, config: lambda g: conv_grad_bias(cotangent(g, ans), config[0]),
    )
    defjvp(
        forward,
        lambda g, ans, input, weight, bias, config: forward(g, weight, None, linear(config)),
        lambda g, ans, input, weight, bias, config: forward(input, g, None, config),
        lambda g, ans, input, weight, bias, config: _spread_bias(g, anp.shape(ans), config[0]),
    )
    defvjp(
        grad_input,
        lambda ans, grad_output, weight, input_shape, config: (
            lambda g: forward(cotangent(g, ans), weight, None, linear(config))
        ),
        lambda ans, grad_output, weight, input_shape, config: (
            lambda g: grad_weight(grad_output, cotangent(g, ans), weight.shape, linear(config))
        ),
    )
    defjvp(grad_input, "same", "same")
    defvjp(
        grad_weight,
        lambda ans, grad_output, input, weight_shape, config: (
            lambda g: forward(input, cotangent(g, ans), None, config)
        ),
        lambda ans, grad_output, input, weight_shape, config: (
            lambda g: grad_input(grad_output, cotangent(g, ans), input.shape, config)
        ),
    )
    defjvp(
        grad_weight,
        "same",
        lambda g, ans, grad_output, input, weight_shape, config: grad_weight(
            grad_output, g, weight_shape, linear(config)
        ),
    )


_define_derivatives(conv, conv_grad_input, conv_grad_weight, _without_constant)
_define_derivatives(conv_transpose, conv_transpose_grad_input, conv_transpose_grad_weight)
defvjp(
    conv_grad_bias,
    lambda ans, grad_output, axes: lambda g: _spread_bias(cotangent(g, ans), grad_output.shape, axes),
)
defjvp(conv_grad_bias, "same")
defvjp(_spread_bias, lambda ans, bias, shape, axes: lambda g: conv_grad_bias(cotangent(g, ans), axes))
defjvp(_spread_bias, "same")
defvjp(reverse_kernel, lambda ans, weight, axes: lambda g: reverse_kernel(cotangent(g, ans), axes))
defjvp(reverse_kernel, "same")
