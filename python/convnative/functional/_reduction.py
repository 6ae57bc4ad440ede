"""What the losses do with their elements."""

# ruff: noqa: ARG005 (autograd gives the makers of products all arguments, by position)
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import autograd.numpy as anp
import numpy as np

from .. import _core
from ._differentiation import defjvp, defvjp, primitive

if TYPE_CHECKING:
    from .._typing import Array

REDUCTIONS = ("none", "mean", "sum")


def total(losses: Any, divisor: float) -> Any:
    """Return the sum of all elements, in float64, divided by a number; NaN for 0 / 0."""
    if type(losses) is np.ndarray:
        return scalar(_core.sum(losses, divisor))
    return _total(losses, divisor)


def scalar(result: Array) -> Any:
    """Return the element of an array without axes, as NumPy's reductions do."""
    return result[()]


@primitive
def _total(losses: Any, divisor: float) -> Any:
    return scalar(_core.sum(np.asarray(losses), divisor))


def _spread(g: Any, losses: Any, divisor: float) -> Any:
    """Return the adjoint of `_total`: the same number everywhere."""
    shape = anp.shape(losses)
    share = g / divisor if divisor else g * np.nan
    return anp.broadcast_to(anp.reshape(share, (1,) * len(shape)), shape)


defvjp(_total, lambda ans, losses, divisor: lambda g: _spread(g, losses, divisor))
defjvp(_total, lambda g, ans, losses, divisor: _total(g, divisor))
