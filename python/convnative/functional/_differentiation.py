"""What every differentiable function uses of autograd, with types."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, TypeVar, cast

import autograd.extend
import numpy as np
from autograd.tracer import isbox

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FunctionT = TypeVar("FunctionT", bound="Callable[..., Any]")


def primitive(function: FunctionT) -> FunctionT:
    """
    Make `function` a node of autograd's graphs.

    Autograd sees the traced values among the positional arguments only, and the wrapper costs about half
    a microsecond per argument. Hence the pattern of this package: the public function is a plain `def`;
    it calls the core directly when nothing is traced, and otherwise a primitive, positionally, with all
    that is not differentiable in one tuple.

    An array without values (see `convnative.summary`) as the first argument takes over by itself.
    """

    @functools.wraps(function)
    def body(first: Any, *others: Any) -> Any:
        if hasattr(first, "__convnative_function__"):
            return first.__convnative_function__(function.__name__, first, *others)
        return function(first, *others)

    return cast("FunctionT", autograd.extend.primitive(body))


def defvjp(function: Callable[..., Any], *makers: Callable[..., Any] | None) -> None:
    """Register the vector-Jacobian products of a primitive, one maker per leading argument."""
    autograd.extend.defvjp(function, *makers)


def defjvp(function: Callable[..., Any], *products: Callable[..., Any] | str | None) -> None:
    """Register the Jacobian-vector products of a primitive, one per leading argument."""
    autograd.extend.defjvp(function, *products)


def defvjp_jointly(
    function: Callable[..., Any], maker: Callable[[Sequence[int], Any, tuple[Any, ...]], Callable[[Any], Any]]
) -> None:
    """
    Register a maker that returns the vector-Jacobian products in several arguments at once.

    It takes the numbers of the arguments, the result and all arguments, and returns a function from the
    cotangent to a tuple of gradients.
    """
    autograd.extend.defvjp_argnums(function, lambda argnums, ans, args, _: maker(argnums, ans, args))


def cotangent(g: Any, ans: Any) -> Any:
    """
    Return the cotangent `g` in the dtype of the result `ans` that it belongs to.

    NumPy arithmetic of the user's around a float32 result may be float64, and then so is `g`. The
    gradient of a float32 value is float32, as in torch.
    """
    return g if g.dtype == ans.dtype else g.astype(ans.dtype)


def as_array(value: Any) -> Any:
    """Return a NumPy scalar as an array: what NumPy's arithmetic makes of arrays without axes."""
    return np.asarray(value) if isinstance(value, np.generic) else value


def refuse_traced(*arguments: Any) -> None:
    """Raise TypeError when an argument is traced although `out`, which may change later, is given."""
    if any(isbox(argument) for argument in arguments):
        raise TypeError("out: expected None while autograd differentiates, received an array")
