"""
Lookups in a table of vectors.

Looking up is linear in the table, and its gradient sums per row::

    embedding               table       -> the rows that the indices name
    embedding_grad          grad_output -> the sum of the gradients of each row
    embedding_grad_adjoint  table       -> rows, zeros for a padding row (adjoint of the former)
"""

# ruff: noqa: ARG001, ARG005 (autograd gives the makers of products all arguments, by position)
from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import autograd.numpy as anp
import numpy as np
from autograd.tracer import getval, isbox

from .. import _core
from .._checks import integer, real
from ._differentiation import as_array, cotangent, defjvp, defvjp, primitive

if TYPE_CHECKING:
    from .._typing import Array

# padding_idx (None, or from 0), scale_grad_by_freq
_Config = tuple[Any, bool]


def embedding(
    input: Any,
    weight: Array,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
) -> Array:
    """
    Look up rows of a table.

    Parameters
    ----------
    input : ndarray, any shape
        Indices of rows, of any integer dtype.
    weight : ndarray, shape (num_embeddings, embedding_dim)
        The table, float32 or float64.
    padding_idx : int, optional
        A row without a gradient, as for the padding of sequences; it is looked up like any other. A
        negative one counts from the end.
    max_norm : float, optional
        Rows that are looked up and have a larger norm are scaled down to it first. **This writes to**
        `weight`, as in torch, which therefore has to be writable and C-contiguous; under autograd it has to
        be what is differentiated in itself, not a value computed from it.
    norm_type : float, default 2
        Order p of the norm.
    scale_grad_by_freq : bool, default False
        Divide the gradient of each row by the number of times that it is looked up.

    Returns
    -------
    ndarray, shape (*input.shape, embedding_dim)

    Raises
    ------
    TypeError
        If `input` is not an array of integers or `weight` not one of float32 or float64.
    ValueError
        If the shapes or settings do not fit together.
    IndexError
        If an index is not from 0 to num_embeddings - 1.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> table = np.array([[0.0, 0.0], [1.0, 2.0], [3.0, 4.0]])
    >>> F.embedding(np.array([2, 1, 2]), table).tolist()
    [[3.0, 4.0], [1.0, 2.0], [3.0, 4.0]]
    """
    input = as_array(input)  # an element of an array of indices
    config = (_row("padding_idx", padding_idx, weight), _flag("scale_grad_by_freq", scale_grad_by_freq))
    if max_norm is not None:
        _renormalise(input, weight, max_norm, norm_type)
    if type(input) is np.ndarray and type(weight) is np.ndarray:
        return _core.embedding_forward(input, weight)
    result: Array = _embedding(input, weight, config)
    return result


def one_hot(tensor: Any, num_classes: int = -1) -> Array:
    """
    Vectors with a one at the place of a class and zeros elsewhere.

    Parameters
    ----------
    tensor : ndarray, any shape
        Classes, of any integer dtype.
    num_classes : int, default -1
        Length of the vectors; -1 takes one more than the largest class.

    Returns
    -------
    ndarray of int64, shape (*tensor.shape, num_classes)

    Raises
    ------
    TypeError
        If `tensor` is not an array of integers.
    ValueError
        If `num_classes` is not positive, or -1 and there are no classes to take it from.
    IndexError
        If a class is negative or not below `num_classes`.
    OverflowError, MemoryError
        If the result is too large.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.one_hot(np.array([0, 2])).tolist()
    [[1, 0, 0], [0, 0, 1]]
    """
    tensor = as_array(tensor)
    if not isinstance(tensor, np.ndarray) or hasattr(tensor, "mask") or tensor.dtype.kind not in "iu":
        received = tensor.dtype if type(tensor) is np.ndarray else type(tensor).__name__
        raise TypeError(f"tensor: expected a numpy.ndarray of integers, received {received}")
    count = integer("num_classes", num_classes, -1)
    if count == 0 or (count == -1 and not tensor.size):
        raise ValueError(
            f"num_classes: expected an int >= 1, or -1 where there are classes, received {num_classes}"
        )
    least, largest = int(tensor.min(initial=0)), int(tensor.max(initial=0))
    limit = count if count >= 0 else 2**63 - 1
    if least < 0 or largest >= limit:
        raise IndexError(
            f"tensor: expected classes in [0, {limit}), received {least if least < 0 else largest}"
        )
    count = largest + 1 if count < 0 else count
    if tensor.size * count >= 2**60:  # NumPy says ValueError to more bytes than there are addresses
        raise OverflowError(f"num_classes: expected fewer than 2**60 elements, received {count} classes")
    result = np.zeros((*tensor.shape, count), np.int64)
    np.put_along_axis(result, tensor[..., None].astype(np.int64), 1, axis=-1)
    return result


def _row(name: str, index: Any, weight: Any) -> int | None:
    """Return the index of a row counted from 0."""
    if index is None:
        return None
    shape = np.shape(getval(weight))
    rows = shape[0] if shape else 0
    row = integer(name, index, -(2**63))
    if not -rows <= row < rows:
        raise ValueError(f"{name}: expected an int in [-{rows}, {rows}), received {index}")
    return row % rows


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name}: expected a bool, received {value!r}")
    return bool(value)


def _renormalise(input: Any, weight: Any, max_norm: Any, norm_type: Any) -> None:
    """Scale rows of the array behind `weight` down in place, which autograd must not see."""
    max_norm, norm_type = real("max_norm", max_norm), real("norm_type", norm_type)
    if not max_norm >= 0:
        raise ValueError(f"max_norm: expected a number >= 0, received {max_norm}")
    if math.isnan(norm_type):
        raise ValueError(f"norm_type: expected a number, received {norm_type}")
    while isbox(weight):
        # A value that was computed may be needed as it was, by the derivative of what it was computed with.
        if getattr(weight._node, "parents", None) != []:
            raise TypeError(
                "weight: expected the array that is differentiated in where max_norm is given, "
                "received a value that was computed from it"
            )
        weight = weight._value
    if not hasattr(input, "__convnative_function__"):
        _core.embedding_renormalise(input, weight, max_norm, norm_type)


@primitive
def _embedding(input: Any, weight: Any, config: _Config) -> Any:
    return _core.embedding_forward(input, weight)


@primitive
def _embedding_grad(grad_output: Any, input: Any, shape: tuple[int, ...], config: _Config) -> Any:
    return _core.embedding_grad(input, grad_output, shape, *config)


@primitive
def _embedding_grad_adjoint(weight: Any, input: Any, config: _Config) -> Any:
    return _core.embedding_grad_adjoint(input, weight, *config)


defvjp(
    _embedding,
    None,
    lambda ans, input, weight, config: (
        lambda g: _embedding_grad(cotangent(g, ans), input, anp.shape(weight), config)
    ),
)
defjvp(_embedding, None, lambda g, ans, input, weight, config: _embedding(input, g, config))
defvjp(
    _embedding_grad,
    lambda ans, grad_output, input, shape, config: (
        lambda g: _embedding_grad_adjoint(cotangent(g, ans), input, config)
    ),
)
defjvp(
    _embedding_grad,
    lambda g, ans, grad_output, input, shape, config: _embedding_grad(g, input, shape, config),
)
defvjp(
    _embedding_grad_adjoint,
    lambda ans, weight, input, config: (
        lambda g: _embedding_grad(cotangent(g, ans), input, anp.shape(weight), config)
    ),
)
defjvp(
    _embedding_grad_adjoint, lambda g, ans, weight, input, config: _embedding_grad_adjoint(g, input, config)
)
