"""
Padding of any axes, and its adjoint.

Both are linear but for the constant, and each other's gradient::

    pad       input  -> output
    pad_grad  output -> input, every element the sum of those that show it
"""

# ruff: noqa: ARG005 (autograd gives the makers of products all arguments, by position)
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core
from ._differentiation import cotangent, defjvp, defvjp, primitive

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._typing import Array

# pad, mode, value: passed on as they come, the core parses and checks them
_Config = tuple[Any, Any, Any]


def pad(input: Array, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Array:
    """
    Extend, or with negative amounts crop, the last axes of an array.

    Parameters
    ----------
    input : ndarray
        float32 or float64, any memory layout; any shape in constant mode. The other modes pad the last k
        axes of an input of k + 1 or k + 2 axes, k from 1 to 3: images with channels, with or without batch.
    pad : sequence of int
        (before, after) of the last axis, then of the one before it, and so on.
    mode : {"constant", "reflect", "symmetric", "replicate", "circular"}
        What the new elements are: `value`; the elements mirrored at the border element, which is not
        repeated; the elements mirrored behind the border element; the border element; the elements from
        the other end. NumPy calls the last two "edge" and "wrap"; torch has no "symmetric".
    value : float, optional
        Of constant mode; 0 by default.

    Returns
    -------
    ndarray
        Always a new array.

    Raises
    ------
    TypeError
        If `input` is not a float32 or float64 array or `pad` not a sequence of ints.
    ValueError
        If amounts and shape do not fit together: a result of negative size, a reflection of as much as
        the axis or more, a wrap by more than the axis.
    OverflowError
        If the result could not be addressed.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> x = np.array([[1.0, 2.0, 3.0]])
    >>> F.pad(x, (2, -1)).tolist()
    [[0.0, 0.0, 1.0, 2.0]]
    >>> F.pad(x, (2, 1), mode="reflect").tolist()
    [[3.0, 2.0, 1.0, 2.0, 3.0, 2.0]]
    >>> F.pad(x, (2, 1), mode="symmetric").tolist()
    [[2.0, 1.0, 1.0, 2.0, 3.0, 3.0]]
    """
    if type(input) is not np.ndarray:
        return _pad(input, (pad, mode, value))
    result: Array = _core.pad_forward(input, pad, mode, value)
    return result


@primitive
def _pad(input: Any, config: _Config) -> Array:
    result: Array = _core.pad_forward(input, *config)
    return result


@primitive
def _pad_grad(grad_output: Any, input_shape: Any, config: _Config) -> Array:
    pad, mode, _ = config
    result: Array = _core.pad_grad(grad_output, input_shape, pad, mode)
    return result


def _linear_part(config: _Config) -> _Config:
    pad, mode, _ = config
    return pad, mode, None


defvjp(_pad, lambda ans, input, config: lambda g: _pad_grad(cotangent(g, ans), input.shape, config))
defjvp(_pad, lambda g, ans, input, config: _pad(g, _linear_part(config)))
defvjp(
    _pad_grad,
    lambda ans, grad_output, input_shape, config: lambda g: _pad(cotangent(g, ans), _linear_part(config)),
)
defjvp(_pad_grad, "same")
