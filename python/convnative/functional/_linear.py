"""The fully connected layer's function."""

# ruff: noqa: ARG001, ARG005 (autograd gives the makers of products all arguments, by position)
from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import autograd.numpy as anp
import numpy as np

from .. import _core
from ._differentiation import cotangent, defjvp, defvjp, primitive, refuse_traced

if TYPE_CHECKING:
    from .._typing import Array


def linear(input: Array, weight: Array, bias: Array | None = None, *, out: Array | None = None) -> Array:
    """
    Apply an affine map to the last axis: ``input @ weight.T + bias``.

    Parameters
    ----------
    input : ndarray, shape (..., in_features)
        float32 or float64, any number of leading axes.
    weight : ndarray, shape (out_features, in_features) or (in_features,)
        Of the input's dtype. A vector is one output without an axis of its own.
    bias : ndarray, shape (out_features,) or (), optional
        Of the input's dtype.
    out : ndarray, optional
        Array to write the result into: of the exact shape and dtype, C-contiguous, not overlapping an
        argument. Not possible while autograd differentiates.

    Returns
    -------
    ndarray, shape (..., out_features) or (...)

    Raises
    ------
    TypeError
        If an argument is not a float32 or float64 array, or the dtypes differ.
    ValueError
        If the shapes do not fit together.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.linear(np.array([1.0, 2.0]), np.array([[1.0, 1.0], [0.0, 3.0]]), np.array([0.5, 0.0])).tolist()
    [3.5, 6.0]
    """
    plain = (
        type(input) is np.ndarray
        and type(weight) is np.ndarray
        and (bias is None or type(bias) is np.ndarray)
    )
    if plain and input.ndim == 2 and weight.ndim != 1:
        try:
            product: Array = _core.matmul(input, weight, False, True, bias, out)
            return product
        except (TypeError, ValueError) as error:
            refusal = error
        _check(input, weight, bias)  # says it in the terms of this function, where it can
        raise refusal
    _check(input, weight, bias)
    *leading, in_features = input.shape
    if weight.ndim == 1:
        weight = anp.reshape(weight, (1, in_features))
        bias = None if bias is None else anp.reshape(bias, (1,))
        columns: tuple[int, ...] = ()
    else:
        columns = weight.shape[:1]
    shape = (*leading, *columns)
    rows = input if len(leading) == 1 else anp.reshape(input, (math.prod(leading), in_features))
    if out is not None:
        refuse_traced(input, weight, bias)
        if type(out) is not np.ndarray or out.shape != shape or not out.flags.c_contiguous:
            raise ValueError(
                f"out: expected a C-contiguous numpy.ndarray of shape {shape}, "
                f"received {getattr(out, 'shape', type(out).__name__)}"
            )
        _core.matmul(rows, weight, False, True, bias, out.reshape(math.prod(leading), len(weight)))
        return out
    result: Array = _matmul(rows, weight, bias, False, True)
    if result.shape != shape:
        result = anp.reshape(result, shape)
    return result


def _check(input: Any, weight: Any, bias: Any) -> None:
    """Check what the core would report under the names of a matrix product."""
    given = (("input", input), ("weight", weight)) + ((("bias", bias),) if bias is not None else ())
    for name, array in given:
        dtype = getattr(array, "dtype", None)
        if getattr(dtype, "type", None) not in (np.float32, np.float64) or hasattr(array, "mask"):
            received = dtype if type(array) is np.ndarray else type(array).__name__
            raise TypeError(f"{name}: expected a numpy.ndarray of float32 or float64, received {received}")
        # A summary may ask what a network would need in another dtype than its parameters have.
        if array.dtype.type is not input.dtype.type and not hasattr(input, "__convnative_function__"):
            raise TypeError(f"{name}: expected the input's dtype {input.dtype}, received {array.dtype}")
    if weight.ndim not in (1, 2):
        raise ValueError(
            f"weight: expected shape (out_features, in_features) or (in_features,), received {weight.shape}"
        )
    *columns, in_features = weight.shape
    if input.shape[-1:] != (in_features,):
        raise ValueError(
            f"input: expected shape (..., {in_features}) for a weight of shape {weight.shape}, "
            f"received {input.shape}"
        )
    if bias is not None and bias.shape != tuple(columns):
        raise ValueError(f"bias: expected shape {tuple(columns)}, received {bias.shape}")


@primitive
def _matmul(a: Any, b: Any, bias: Any, transpose_a: bool, transpose_b: bool) -> Any:
    """op(a) op(b) + bias with op(m) = m or its transpose; its own derivative in a and in b."""
    return _core.matmul(a, b, transpose_a, transpose_b, bias)


def _repeat(row: Any, rows: int) -> Any:
    """Return a matrix of equal rows, as a matrix product: differentiable, and right for no rows."""
    return _matmul(np.ones((rows, 1), row.dtype), anp.reshape(row, (1, -1)), None, False, False)


@primitive
def _column_sums(matrix: Any) -> Any:
    return _core.column_sums(matrix)


def _vjp_a(ans: Any, a: Any, b: Any, bias: Any, transpose_a: bool, transpose_b: bool) -> Any:
    if transpose_a:
        return lambda g: _matmul(b, cotangent(g, ans), None, transpose_b, True)
    return lambda g: _matmul(cotangent(g, ans), b, None, False, not transpose_b)


def _vjp_b(ans: Any, a: Any, b: Any, bias: Any, transpose_a: bool, transpose_b: bool) -> Any:
    if transpose_b:
        return lambda g: _matmul(cotangent(g, ans), a, None, True, transpose_a)
    return lambda g: _matmul(a, cotangent(g, ans), None, not transpose_a, False)


defvjp(
    _matmul,
    _vjp_a,
    _vjp_b,
    lambda ans, a, b, bias, transpose_a, transpose_b: lambda g: _column_sums(cotangent(g, ans)),
)
defjvp(
    _matmul,
    lambda g, ans, a, b, bias, transpose_a, transpose_b: _matmul(g, b, None, transpose_a, transpose_b),
    lambda g, ans, a, b, bias, transpose_a, transpose_b: _matmul(a, g, None, transpose_a, transpose_b),
    lambda g, ans, a, b, bias, transpose_a, transpose_b: _repeat(g, anp.shape(ans)[0]),
)
defvjp(_column_sums, lambda ans, matrix: lambda g: _repeat(cotangent(g, ans), anp.shape(matrix)[0]))
defjvp(_column_sums, "same")
