"""Vectors of length 1."""

# ruff: noqa: ARG005 (autograd gives the makers of products all arguments, by position)
from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import autograd.numpy as anp
import numpy as np
from autograd.tracer import getval

from .._checks import real
from ._differentiation import as_array, cotangent, defjvp, defvjp, primitive, refuse_traced
from ._lp_pool import lp_pool2d

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._typing import Array


def normalize(
    input: Array,
    p: float = 2.0,
    dim: int | Sequence[int] = 1,
    eps: float = 1e-12,
    *,
    out: Array | None = None,
) -> Array:
    r"""
    Vectors along some axes, divided by their p-norms.

    .. math::

        y = x / \max(\lVert x \rVert_p, eps)

    Parameters
    ----------
    input : ndarray, any shape with the axes `dim`
        float32 or float64.
    p : float, default 2
        Of the norm :math:`(\sum |x|^p)^{1/p}`. With infinity it is the largest :math:`|x|`, with minus
        infinity the smallest, with 0 the number of elements other than 0.
    dim : int or sequence of int, default 1
        The axes that a vector extends over; of none, all.
    eps : float, default 1e-12
        The least divisor.
    out : ndarray, optional
        Array to write the result into: of the exact shape and dtype, not overlapping the input. Not possible
        while autograd differentiates.

    Returns
    -------
    ndarray, shape of `input`
        The gradient of a norm that is 0 is 0; the gradient of a largest or smallest element is shared among
        equal ones.

    Raises
    ------
    TypeError
        If `input` is not a float32 or float64 array, or a setting is not a number.
    IndexError
        If `input` has no such axis.
    ValueError
        If an axis is given twice, or the norm is that of infinity and there is no element.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.normalize(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[0.6, 0.8], [0.0, 0.0]]
    >>> F.normalize(np.array([[3.0, 4.0]]), p=1, dim=0).tolist()
    [[1.0, 1.0]]
    """
    input = as_array(input)
    dtype = getattr(input, "dtype", None)
    if getattr(dtype, "type", None) not in (np.float32, np.float64) or hasattr(input, "mask"):
        received = dtype if type(input) is np.ndarray else type(input).__name__
        raise TypeError(f"input: expected a numpy.ndarray of float32 or float64, received {received}")
    p, eps = real("p", p), real("eps", eps)
    axes = _axes(dim, input.ndim)
    if out is not None:
        refuse_traced(input)
        _check_out(out, input)
    if input.ndim == 0:
        scalar: Array = anp.reshape(normalize(anp.reshape(input, (1,)), p, 0, eps), ())
        return scalar
    if hasattr(input, "__convnative_function__"):
        stand_in: Array = input.__convnative_function__("normalize", input, axes)
        return stand_in
    if any(input.shape[axis] == 0 for axis in axes) and (math.isinf(p) or p < 0):
        raise ValueError(
            f"input: expected elements of which to take the norm {p}, received shape {input.shape}"
        )
    if input.size == 0:
        result: Array = input / 1  # nothing, whatever the norms are
    else:
        norms = _norms(input, p, axes)
        below = getval(norms) < eps
        divisors = norms * ~below + below * input.dtype.type(eps)
        with np.errstate(invalid="ignore", divide="ignore"):  # of infinities: NaN, as the definition has it
            result = input / divisors
    if out is None:
        return result
    np.copyto(out, result)
    return out


def _axes(dim: int | Sequence[int], ndim: int) -> tuple[int, ...]:
    """Return the axes in ascending order, counted from the front."""
    rank = max(ndim, 1)
    axes = []
    for axis in dim if isinstance(dim, (tuple, list)) else (dim,):
        if isinstance(axis, bool) or not isinstance(axis, (int, np.integer)):
            raise TypeError(f"dim: expected an int or a sequence of ints, received {dim!r}")
        if not -rank <= axis < rank:
            raise IndexError(f"dim: expected ints in [{-rank}, {rank}), received {dim!r}")
        axes.append(int(axis) % rank)
    if len(set(axes)) < len(axes):
        raise ValueError(f"dim: expected every axis once, received {dim!r}")
    return tuple(sorted(axes)) if axes else tuple(range(ndim))


def _norms(x: Array, p: float, axes: tuple[int, ...]) -> Array:
    """Return the norms, with the axes kept at size 1."""
    if math.isinf(p):
        return _extreme(x, axes, p > 0)
    if p == 0:
        count: Array = np.sum(getval(x) != 0, axis=axes, keepdims=True, dtype=x.dtype.type)
        return count
    # The axes side by side: the windows of a pool over an image with the other axes as channels and width.
    first = axes[0]
    if axes != tuple(range(first, first + len(axes))):
        x = anp.moveaxis(x, axes, range(first, first + len(axes)))
    sizes = x.shape[:first], x.shape[first : first + len(axes)], x.shape[first + len(axes) :]
    channels, height, width = map(math.prod, sizes)
    image = anp.reshape(x, (1, channels, height, width))
    norms: Array = lp_pool2d(image, p, (height, 1), definition="onnx")
    norms = anp.reshape(norms, (*sizes[0], *(1 for _ in sizes[1]), *sizes[2]))
    if axes != tuple(range(first, first + len(axes))):
        norms = anp.moveaxis(norms, range(first, first + len(axes)), axes)
    return norms


@primitive
def _extreme(x: Any, axes: tuple[int, ...], largest: bool) -> Array:
    """Return the largest or the smallest absolute value along the axes."""
    result: Array = (np.max if largest else np.min)(np.abs(x), axis=axes, keepdims=True)
    return result


def _shares(x: Any, ans: Any, axes: tuple[int, ...]) -> Array:
    """Return how an extreme changes with each element: equal ones share the slope. Locally constant."""
    x, ans = getval(x), getval(ans)
    extreme = np.abs(x) == ans
    shares: Array = np.sign(x) * extreme / np.sum(extreme, axis=axes, keepdims=True, dtype=x.dtype.type)
    return shares


defvjp(_extreme, lambda ans, x, axes, largest: lambda g: cotangent(g, ans) * _shares(x, ans, axes))
defjvp(
    _extreme, lambda g, ans, x, axes, largest: anp.sum(g * _shares(x, ans, axes), axis=axes, keepdims=True)
)


def _check_out(out: Array, input: Array) -> None:
    if type(out) is not np.ndarray or out.dtype != input.dtype.newbyteorder("="):
        received = getattr(out, "dtype", type(out).__name__)
        raise TypeError(f"out: expected a numpy.ndarray of dtype {input.dtype}, received {received}")
    if out.shape != input.shape:
        raise ValueError(f"out: expected shape {input.shape}, received {out.shape}")
    if not out.flags.writeable:
        raise ValueError("out: expected a writable array, received a read-only one")
    if np.may_share_memory(out, input):
        raise ValueError("out: expected memory apart from input, received an array that overlaps it")
