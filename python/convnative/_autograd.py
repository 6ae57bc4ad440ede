"""Derivatives with respect to the parameters of a model, and what autograd needs for threads."""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from autograd import tracer
from autograd.core import VJPNode, add_outgrads
from autograd.util import toposort

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ._typing import Array
    from .nn import Module

    ModelT = TypeVar("ModelT", bound=Module)


class _UniqueTraceIds(tracer.TraceStack):  # type: ignore[misc]
    """
    Trace numbers that are never used twice, in any thread.

    Autograd tells nested derivatives apart by a number per trace: an inner trace must have a larger
    number than every trace around it, and no two that can meet may share one. Its own stack counts up
    when a trace begins and down when it ends, in one counter for the whole process. With several threads,
    the end of one thread's trace lets another thread reuse the number of a trace that it is still inside,
    and then inner and outer derivatives are mixed up silently. Numbers that only ever grow keep both
    rules, across threads too, and need nothing done when a trace ends with an exception.
    """

    def __init__(self, first: int) -> None:
        super().__init__()
        self._ids = itertools.count(first)  # next() on it is one atomic step

    @contextmanager
    def new_trace(self) -> Iterator[int]:
        yield next(self._ids)


# Installed here and nowhere else. Autograd looks the stack up each time that it starts a trace, so this
# also covers plain autograd.grad, elementwise_grad and the rest.
# Traces that have already begun, when convnative is imported inside of a function that is being
# differentiated, keep their smaller numbers.
tracer.trace_stack = _UniqueTraceIds(first=tracer.trace_stack.top + 1)


def value_and_grad(
    function: Callable[[ModelT], Any], model: ModelT, *, has_aux: bool = False
) -> tuple[Any, dict[str, Array]]:
    """
    Value of a function of a model, and its gradient with respect to the model's parameters.

    `function` is called once, with a stand-in for `model`: the same layers in the same mode, sharing the
    buffers, whose parameters are the traced values of autograd. `model` itself is never touched, so that
    calls may be nested and made from several threads at once, and an exception leaves nothing behind.
    Consequently the derivative is taken with respect to the argument of `function`: a model that
    `function` reaches in another way counts as a constant, and attributes (other than buffers) that the
    layers set on themselves during the call are dropped with the stand-in.

    Frozen parameters (see `convnative.nn.Module.requires_grad_`) are constants too.

    Parameters
    ----------
    function : callable
        Takes the model, returns the scalar to differentiate; with `has_aux`, a pair of the scalar and
        anything else.
    model : Module
        The parameters of this module and of all modules in it are differentiated, except frozen ones.
    has_aux : bool, default False
        Whether `function` returns a pair.

    Returns
    -------
    value : scalar, or (scalar, aux) with `has_aux`
        What `function` returned, without traces.
    grads : dict of str to ndarray
        One array per name of ``model.named_parameters(requires_grad=True)``, of the parameter's shape and
        dtype. An array that is used in several places is one parameter with one gradient. The arrays share
        no memory with each other, the parameters or anything else. A parameter without influence on the
        value has a gradient of zeros.

    Raises
    ------
    TypeError
        If `model` is not a Module, or the value is not a float scalar.
    ValueError
        If the value has more than one element, or does not depend on the parameters at all.

    Examples
    --------
    >>> import numpy as np, convnative as cn
    >>> from convnative import nn, functional as F
    >>> model = nn.Linear(2, 1)
    >>> model.weight[...] = [[2.0, 3.0]]
    >>> model.bias[...] = 1.0
    >>> x = np.array([[1.0, 2.0]], dtype=np.float32)
    >>> value, grads = cn.value_and_grad(lambda m: (m(x) ** 2).sum(), model)
    >>> float(value)
    81.0
    >>> grads["weight"].tolist(), grads["bias"].tolist()
    ([[18.0, 36.0]], [18.0])
    """
    from .nn import Module

    if not isinstance(model, Module):
        raise TypeError(f"model: expected a convnative.nn.Module, received {type(model).__name__}")
    parameters = dict(model.named_parameters(requires_grad=True))
    roots = {name: VJPNode.new_root() for name in parameters}
    with tracer.trace_stack.new_trace() as trace:
        boxes = {
            id(parameter): tracer.new_box(parameter, trace, roots[name])
            for name, parameter in parameters.items()
        }
        result = function(model._with_parameters(boxes))
    aux = None
    if has_aux:
        if not isinstance(result, tuple) or len(result) != 2:
            raise TypeError(
                "function: expected a pair (value, aux) because has_aux=True, "
                f"received {type(result).__name__}"
            )
        result, aux = result
    value, end_node = _untrace(result, trace), getattr(result, "_node", None)
    _check_value(value)
    if parameters and not _traced_by(result, trace):
        raise ValueError(
            "function: expected a value that depends on the parameters of the model that it is given, "
            "received one that does not; a model that is not reached through the argument is a constant"
        )
    outgrads = _backward(value, end_node) if parameters else {}
    grads = _finish(parameters, roots, outgrads)
    return ((value, _untrace(aux, trace)) if has_aux else value), grads


def _traced_by(value: Any, trace: int) -> bool:
    return bool(tracer.isbox(value) and value._trace == trace)


def _untrace(value: Any, trace: int) -> Any:
    """Replace the boxes of one trace by their values, in containers too; outer traces' boxes stay."""
    if _traced_by(value, trace):
        return value._value
    if type(value) in (tuple, list):
        return type(value)(_untrace(item, trace) for item in value)
    if type(value) is dict:
        return {key: _untrace(item, trace) for key, item in value.items()}
    return value


def _check_value(value: Any) -> None:
    plain = tracer.getval(value)
    if not isinstance(plain, (float, np.floating, np.ndarray)) or not np.issubdtype(
        np.asarray(plain).dtype, np.floating
    ):
        raise TypeError(f"function: expected it to return a float scalar, received {type(plain).__name__}")
    if np.shape(plain) != ():
        raise ValueError(
            f"function: expected it to return a scalar, received an array of shape {np.shape(plain)}"
        )


def _backward(value: Any, end_node: Any) -> dict[Any, tuple[Any, bool]]:
    """
    Reverse sweep that keeps the gradients of all roots.

    autograd.core.backward_pass serves one root; a dict of parameters would have to go through it as one
    container, which costs a zeroed copy of all parameters per step.
    """
    one = np.ones((), dtype=np.asarray(tracer.getval(value)).dtype)
    outgrads: dict[Any, tuple[Any, bool]] = {end_node: (one, False)}
    for node in toposort(end_node):
        if node.parents:
            outgrad, _ = outgrads.pop(node)
            for parent, ingrad in zip(node.parents, node.vjp(outgrad), strict=True):
                outgrads[parent] = add_outgrads(outgrads.get(parent), ingrad)
    return outgrads


def _finish(
    parameters: dict[str, Array], roots: dict[str, Any], outgrads: dict[Any, tuple[Any, bool]]
) -> dict[str, Array]:
    """Gradients by name: in the parameter's dtype, each in memory of its own."""
    grads: dict[str, Any] = {}
    seen: set[int] = set()
    for name, parameter in parameters.items():
        grad, owned = outgrads.get(roots[name], (None, False))
        if grad is None:
            plain = tracer.getval(parameter)
            grad, owned = np.zeros(plain.shape, plain.dtype), True
        if grad.dtype != parameter.dtype:  # float64 arithmetic around a float32 parameter
            grad, owned = grad.astype(parameter.dtype), True
        if not tracer.isbox(grad):
            # Two parents of a sum receive one and the same array, and a reshape hands on a view.
            grad = np.asarray(grad)
            if not owned and (grad.base is not None or id(grad) in seen):
                grad = np.array(grad, order="C")
            seen.add(id(grad))
        grads[name] = grad
    return grads
