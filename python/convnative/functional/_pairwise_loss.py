"""
Losses of pairs: one element of the input, one of the target.

All of them are rows of one table in the core, f(x, t) with its partial derivatives, and one primitive::

    pairwise  input x, target t, weight w, grad g  ->  g w f(x, t) / divisor, each element or their sum

Its gradients are the same primitive with another derivative of f in place of f.
"""

# ruff: noqa: ARG005 (autograd gives the makers of products all arguments, by position)
from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import autograd.numpy as anp
import numpy as np
from autograd.tracer import getval, isbox

from .. import _core
from .._checks import choice, float_array, real
from ._differentiation import as_array, cotangent, defjvp, defvjp, primitive
from ._reduction import REDUCTIONS, scalar, total

if TYPE_CHECKING:
    from .._typing import Array

# loss, derivative, parameter, whether to sum, divisor: see _core.pairwise_loss
_Config = tuple[str, str, float, bool, float]


def mse_loss(input: Array, target: Array, *, reduction: str = "mean", weight: Array | None = None) -> Any:
    """
    Squared difference, (x - t)².

    Parameters
    ----------
    input : ndarray, any shape
        float32 or float64.
    target : ndarray, shape of `input`
        Of the input's dtype. Other shapes are not broadcast.
    reduction : {"mean", "sum", "none"}
        The mean with a weight is the sum divided by the sum of the weights.
    weight : ndarray, shape of `input`, optional
        Factor of each element.

    Returns
    -------
    scalar, or with "none" an ndarray of the input's shape
        Sums run in float64. The mean of no elements is NaN, as in torch.

    Raises
    ------
    TypeError
        If an argument is not a float32 or float64 array, or the dtypes differ.
    ValueError
        If the shapes differ.

    Notes
    -----
    The arguments after `target` go by name only: torch has obsolete ones between them.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> print(F.mse_loss(np.array([1.0, 2.0]), np.array([1.0, 4.0])))
    2.0
    """
    return _weighted_mean("mse", input, target, reduction, weight)


def l1_loss(input: Array, target: Array, *, reduction: str = "mean", weight: Array | None = None) -> Any:
    """
    Absolute difference, |x - t|; its derivative at 0 counts as 0.

    Parameters
    ----------
    input : ndarray, any shape
        float32 or float64.
    target : ndarray, shape of `input`
        Of the input's dtype. Other shapes are not broadcast.
    reduction : {"mean", "sum", "none"}
        The mean with a weight is the sum divided by the sum of the weights.
    weight : ndarray, shape of `input`, optional
        Factor of each element.

    Returns
    -------
    scalar, or with "none" an ndarray of the input's shape
        Sums run in float64. The mean of no elements is NaN, as in torch.

    Raises
    ------
    TypeError
        If an argument is not a float32 or float64 array, or the dtypes differ.
    ValueError
        If the shapes differ.

    Notes
    -----
    The arguments after `target` go by name only: torch has obsolete ones between them.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> print(F.l1_loss(np.array([1.0, 2.0]), np.array([1.0, 4.0])))
    1.0
    """
    return _weighted_mean("l1", input, target, reduction, weight)


def smooth_l1_loss(input: Array, target: Array, *, reduction: str = "mean", beta: float = 1.0) -> Any:
    """
    Squared difference near 0, absolute difference beyond.

    With e = x - t it is e² / (2 beta) where |e| < beta, and |e| - beta / 2 elsewhere.

    Parameters
    ----------
    input : ndarray, any shape
        float32 or float64.
    target : ndarray, shape of `input`
        Of the input's dtype. Other shapes are not broadcast.
    reduction : {"mean", "sum", "none"}
    beta : float, default 1
        Where the square ends, >= 0; with 0 this is `l1_loss`.

    Returns
    -------
    scalar, or with "none" an ndarray of the input's shape
        Sums run in float64. The mean of no elements is NaN, as in torch.

    Raises
    ------
    TypeError
        If an argument is not a float32 or float64 array, or the dtypes differ.
    ValueError
        If the shapes differ or `beta` is negative.

    Notes
    -----
    The arguments after `target` go by name only: torch has obsolete ones between them.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> print(F.smooth_l1_loss(np.array([1.0, 2.0]), np.array([1.5, 4.0]), reduction="none"))
    [0.125 1.5  ]
    """
    beta = real("beta", beta)
    return _loss("smooth_l1" if beta else "l1", input, target, None, reduction, beta)


def huber_loss(
    input: Array,
    target: Array,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Array | None = None,
) -> Any:
    """
    Squared difference near 0, absolute difference beyond.

    With e = x - t it is e² / 2 where |e| <= delta, and delta (|e| - delta / 2) elsewhere.

    Parameters
    ----------
    input : ndarray, any shape
        float32 or float64.
    target : ndarray, shape of `input`
        Of the input's dtype. Other shapes are not broadcast.
    reduction : {"mean", "sum", "none"}
        The mean divides by the number of elements, whatever the weights.
    delta : float, default 1
        Where the square ends, > 0.
    weight : ndarray, shape of `input`, optional
        Factor of each element.

    Returns
    -------
    scalar, or with "none" an ndarray of the input's shape
        Sums run in float64. The mean of no elements is NaN, as in torch.

    Raises
    ------
    TypeError
        If an argument is not a float32 or float64 array, or the dtypes differ.
    ValueError
        If the shapes differ or `delta` is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> print(F.huber_loss(np.array([1.0, 2.0]), np.array([1.5, 4.0]), "none"))
    [0.125 1.5  ]
    """
    return _loss("huber", input, target, weight, reduction, real("delta", delta))


def binary_cross_entropy(
    input: Array, target: Array, weight: Array | None = None, *, reduction: str = "mean"
) -> Any:
    """
    Cross-entropy of probabilities of two classes, -t log x - (1 - t) log(1 - x).

    As in torch, the logarithms are no less than -100, so that the loss is finite at 0 and 1, and the
    derivative in x divides by no less than 1e-12. `binary_cross_entropy_with_logits` needs no such bounds.

    Parameters
    ----------
    input : ndarray, any shape
        Probabilities from 0 to 1, float32 or float64.
    target : ndarray, shape of `input`
        From 0 to 1, of the input's dtype.
    weight : ndarray, optional
        Factor of each element, of the input's dtype and a shape that broadcasts to the input's.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    scalar, or with "none" an ndarray of the input's shape
        Sums run in float64. The mean of no elements is NaN, as in torch.

    Raises
    ------
    TypeError
        If an argument is not a float32 or float64 array, or the dtypes differ.
    ValueError
        If the shapes differ or an element is not from 0 to 1.

    Notes
    -----
    The arguments after `weight` go by name only: torch has obsolete ones between them.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> print(F.binary_cross_entropy(np.array([0.5, 0.25]), np.array([1.0, 0.0]), reduction="none").round(4))
    [0.6931 0.2877]
    """
    return _loss("binary_cross_entropy", input, target, _spread(weight, input, "weight"), reduction)


def binary_cross_entropy_with_logits(
    input: Array,
    target: Array,
    weight: Array | None = None,
    *,
    reduction: str = "mean",
    pos_weight: Array | None = None,
) -> Any:
    """
    Binary cross-entropy of the sigmoid of the input, accurate for scores of any size.

    Parameters
    ----------
    input : ndarray, any shape
        Scores before the sigmoid, float32 or float64.
    target : ndarray, shape of `input`
        Probabilities, usually 0 or 1, of the input's dtype.
    weight : ndarray, optional
        Factor of each element, of the input's dtype and a shape that broadcasts to the input's.
    reduction : {"mean", "sum", "none"}
    pos_weight : ndarray, optional
        Factor of the term of the positives, -t log sigmoid(x); of the input's dtype and a shape that
        broadcasts to the input's.

    Returns
    -------
    scalar, or with "none" an ndarray of the input's shape
        Sums run in float64. The mean of no elements is NaN, as in torch.

    Raises
    ------
    TypeError
        If an argument is not a float32 or float64 array, or the dtypes differ.
    ValueError
        If the shapes differ.

    Notes
    -----
    The arguments after `weight` go by name only: torch has obsolete ones between them.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> x, t = np.array([0.0, 1000.0]), np.array([1.0, 0.0])
    >>> F.binary_cross_entropy_with_logits(x, t, reduction="none").round(4).tolist()
    [0.6931, 1000.0]
    """
    name = "binary_cross_entropy_with_logits"
    if pos_weight is None:
        return _loss(name, input, target, _spread(weight, input, "weight"), reduction)
    weight = _spread(weight, input, "weight")
    positive = _spread(pos_weight, input, "pos_weight")
    if weight is not None:
        positive = weight * positive
    return _loss(f"{name}_negative", input, target, weight, reduction) + _loss(
        f"{name}_positive", input, target, positive, reduction
    )


def kl_div(input: Array, target: Array, *, reduction: str = "mean", log_target: bool = False) -> Any:
    """
    Kullback-Leibler divergence of elements, t (log t - x), for log-probabilities x.

    Parameters
    ----------
    input : ndarray, any shape
        Log-probabilities, float32 or float64.
    target : ndarray, shape of `input`
        Probabilities, or with `log_target` their logarithms, of the input's dtype.
    reduction : {"mean", "batchmean", "sum", "none"}
        "batchmean" divides the sum by the size of the first axis: the divergence as mathematics defines
        it. "mean" divides by the number of elements.
    log_target : bool, default False
        Whether the target is logarithms.

    Returns
    -------
    scalar, or with "none" an ndarray of the input's shape
        Sums run in float64. The mean of no elements is NaN, as in torch.

    Raises
    ------
    TypeError
        If an argument is not a float32 or float64 array, or the dtypes differ.
    ValueError
        If the shapes differ.

    Notes
    -----
    The arguments after `target` go by name only: torch has obsolete ones between them.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> p, q = np.array([[0.5, 0.5]]), np.array([[0.25, 0.75]])
    >>> print(F.kl_div(np.log(q), p, reduction="batchmean").round(4))
    0.1438
    """
    choice("reduction", reduction, (*REDUCTIONS, "batchmean"))
    if not isinstance(log_target, (bool, np.bool_)):
        raise TypeError(f"log_target: expected a bool, received {log_target!r}")
    name = "kl_div_log_target" if log_target else "kl_div"
    if reduction != "batchmean":
        return _loss(name, input, target, None, reduction)
    shape = np.shape(getval(input))
    return _evaluate(name, input, target, None, 0.0, True, shape[0] if shape else 1)


def _spread(weight: Any, input: Any, name: str) -> Any:
    """Return a weight in the shape of the input; None stays None."""
    if weight is None:
        return None
    shape = np.shape(getval(input))
    given = float_array(name, as_array(getval(weight))).shape
    if len(given) > len(shape) or any(
        size not in (1, wanted) for size, wanted in zip(given[::-1], shape[::-1], strict=False)
    ):
        raise ValueError(f"{name}: expected a shape that broadcasts to {shape}, received {given}")
    if given == shape:
        return weight
    return anp.broadcast_to(anp.reshape(weight, (1,) * (len(shape) - len(given)) + given), shape)


def _weighted_mean(loss: str, input: Any, target: Any, reduction: str, weight: Any) -> Any:
    """Return a loss whose mean divides by the sum of the weights."""
    choice("reduction", reduction, REDUCTIONS)
    if weight is None or reduction != "mean":
        return _loss(loss, input, target, weight, reduction)
    sum_of_weights = float(total(float_array("weight", as_array(getval(weight))), 1))
    if isbox(weight) and sum_of_weights:
        return _loss(loss, input, target, weight, "sum") / total(weight, 1)
    return _evaluate(loss, input, target, weight, 0.0, True, sum_of_weights)


def _loss(loss: str, input: Any, target: Any, weight: Any, reduction: str, parameter: float = 0.0) -> Any:
    choice("reduction", reduction, REDUCTIONS)
    divisor = math.prod(np.shape(getval(input))) if reduction == "mean" else 1
    return _evaluate(loss, input, target, weight, parameter, reduction != "none", divisor)


def _evaluate(
    loss: str, input: Any, target: Any, weight: Any, parameter: float, reduce: bool, divisor: float
) -> Any:
    config = (loss, "value", parameter, reduce, divisor)
    plain = (
        type(input) is np.ndarray
        and type(target) is np.ndarray
        and (weight is None or type(weight) is np.ndarray)
    )
    return (
        _compute(input, target, weight, None, config)
        if plain
        else _pairwise(input, target, weight, None, config)
    )


def _compute(input: Any, target: Any, weight: Any, grad: Any, config: _Config) -> Any:
    loss, derivative, parameter, reduce, divisor = config
    result = _core.pairwise_loss(loss, derivative, parameter, input, target, weight, grad, reduce, divisor)
    return scalar(result) if reduce else result


@primitive
def _pairwise(input: Any, target: Any, weight: Any, grad: Any, config: _Config) -> Any:
    return _compute(as_array(input), as_array(target), as_array(weight), as_array(grad), config)


# The derivatives in the input and in the target of each derivative in the table.
_NEXT = {"value": ("dx", "dt"), "dx": ("dxx", "dxt"), "dt": ("dxt", "dtt")}


def _differentiated(config: _Config, argument: int, reduce: bool) -> _Config:
    loss, derivative, parameter, _, divisor = config
    if derivative not in _NEXT:
        raise NotImplementedError(f"{loss}: there are derivatives up to the second order")
    return loss, _NEXT[derivative][argument], parameter, reduce, divisor


def _reducing(config: _Config, reduce: bool) -> _Config:
    return (*config[:3], reduce, config[4])


def _times(g: Any, grad: Any) -> Any:
    return g if grad is None else g * grad


def _of(g: Any, ans: Any) -> Any:
    """Return the cotangent as an array of the result's dtype."""
    return cotangent(g if hasattr(g, "dtype") else np.asarray(g), ans)


# g w f / divisor is linear in w and in g. The derivative in a g that is one number for all elements is a sum.
defvjp(
    _pairwise,
    lambda ans, x, t, w, g, config: (
        lambda c: _pairwise(x, t, w, _times(_of(c, ans), g), _differentiated(config, 0, False))
    ),
    lambda ans, x, t, w, g, config: (
        lambda c: _pairwise(x, t, w, _times(_of(c, ans), g), _differentiated(config, 1, False))
    ),
    lambda ans, x, t, w, g, config: (
        lambda c: _pairwise(x, t, None, _times(_of(c, ans), g), _reducing(config, False))
    ),
    lambda ans, x, t, w, g, config: (
        lambda c: _pairwise(x, t, w, _of(c, ans), _reducing(config, anp.ndim(g) == 0))
    ),
)
defjvp(
    _pairwise,
    lambda v, ans, x, t, w, g, config: _pairwise(
        x, t, w, _times(v, g), _differentiated(config, 0, config[3])
    ),
    lambda v, ans, x, t, w, g, config: _pairwise(
        x, t, w, _times(v, g), _differentiated(config, 1, config[3])
    ),
    lambda v, ans, x, t, w, g, config: _pairwise(x, t, None, _times(v, g), config),
    lambda v, ans, x, t, w, g, config: _pairwise(x, t, w, v, config),
)
