"""
Losses of class scores.

With class indices, the cross-entropy is one primitive. With class probabilities t it is, after log_softmax,
minus the sum over the classes of w_c t_c x_c, which is linear in each factor; the family of its gradients is
closed under differentiation::

    class_product         input x, probabilities t, weight w -> one loss per point
    class_product_grad    probabilities, weight, grad        -> the gradient in the input
    class_product_points  input, probabilities, grad         -> the gradient in the weight

The gradient in the probabilities is class_product_grad with the input in their place.
"""

# ruff: noqa: ARG005 (autograd gives the makers of products all arguments, by position)
from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import autograd.numpy as anp
import numpy as np
from autograd.tracer import getval, isbox

from .. import _core
from .._checks import choice, float_array, integer, number
from ._activation import _softmax, log_softmax
from ._differentiation import as_array, cotangent, defjvp, defvjp, primitive
from ._reduction import REDUCTIONS, total

if TYPE_CHECKING:
    from .._typing import Array

# target, weight, ignore_index, label_smoothing of the loss with class indices
_Config = tuple[Any, Any, int, float]


def cross_entropy(
    input: Array,
    target: Any,
    weight: Array | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:
    r"""
    Cross-entropy between class scores and the classes that are right.

    With p = softmax(input) over the classes and target probabilities t (for class indices: 1 at the
    index), each element's loss is

    .. math:: -\sum_c weight_c \, t'_c \, \log p_c, \qquad
        t'_c = (1 - label\_smoothing) \, t_c + label\_smoothing / C

    Parameters
    ----------
    input : ndarray, shape (N, C, d1, d2, ...) or (C,)
        Scores of the C classes before softmax, float32 or float64.
    target : ndarray
        Class indices, of any integer dtype and shape (N, d1, d2, ...) or (); or class probabilities, of
        the input's shape and dtype.
    weight : ndarray, shape (C,), optional
        Weight of each class, of the input's dtype. It has a gradient where the target is probabilities.
    ignore_index : int, default -100
        Elements with this class index count nothing. For class indices only.
    reduction : {"mean", "sum", "none"}
        The mean over class indices is weighted: the sum divided by the sum of the targets' weights. The
        mean over probabilities is the sum divided by the number of elements.
    label_smoothing : float, default 0
        From 0 to 1.

    Returns
    -------
    scalar, or with "none" an ndarray of shape (N, d1, d2, ...) or ()
        The mean of no elements is NaN, as in torch.

    Raises
    ------
    TypeError
        If dtypes are not those above.
    ValueError
        If shapes or settings do not fit together.
    IndexError
        If a class index is neither from 0 to C - 1 nor `ignore_index`.

    Notes
    -----
    The arguments after `weight` go by name only: torch has obsolete ones between them.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> scores = np.log([[0.25, 0.75], [0.5, 0.5]])
    >>> F.cross_entropy(scores, np.array([1, 0]), reduction="none").round(4).tolist()
    [0.2877, 0.6931]
    >>> print(F.cross_entropy(scores, np.array([[0.0, 1.0], [0.5, 0.5]])).round(4))
    0.4904
    """
    choice("reduction", reduction, REDUCTIONS)
    label_smoothing = number("label_smoothing", label_smoothing, 0, 1)
    ignore_index = integer("ignore_index", ignore_index, _LEAST_INDEX)
    shape, dtype = _scores("input", input)
    target = _plain_target(target)
    if weight is not None:
        _check_weight(weight, shape, dtype)
    if target.dtype.kind in "iu":
        _refuse_traced_weight(weight)
        if target.shape == shape:
            raise TypeError(
                f"target: expected class probabilities of the input's dtype {dtype} where the shape is the "
                f"input's, received {target.dtype}"
            )
        config = (target, weight, ignore_index, label_smoothing)
        if type(input) is np.ndarray:
            losses: Any = _core.cross_entropy_forward(input, *config)
        else:
            losses = _cross_entropy(input, config)
        return _reduce_indexed(losses, reduction, shape, target, weight, ignore_index)
    if ignore_index >= 0:
        raise ValueError(
            f"ignore_index: expected a negative int, as it has no effect on target probabilities, "
            f"received {ignore_index}"
        )
    _check_probabilities(target, shape, dtype)
    axis = _class_axis(shape)
    classes = shape[axis]
    scale, shift = 1 - label_smoothing, label_smoothing / max(classes, 1)
    losses = _class_product(log_softmax(input, axis), target, weight, (scale, shift))
    if reduction == "none":
        return losses
    points = math.prod(shape) // classes if classes else 0
    return total(losses, points if reduction == "mean" else 1)


def nll_loss(
    input: Array,
    target: Any,
    weight: Array | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Any:
    """
    Negative log-likelihood: minus the score of the class that is right, times the weight of that class.

    The scores are usually the results of `log_softmax`.

    Parameters
    ----------
    input : ndarray, shape (N, C, d1, d2, ...) or (C,)
        Log-probabilities of the C classes, float32 or float64.
    target : ndarray, shape (N, d1, d2, ...) or ()
        Class indices, of any integer dtype.
    weight : ndarray, shape (C,), optional
        Weight of each class, of the input's dtype.
    ignore_index : int, default -100
        Elements with this class index count nothing.
    reduction : {"mean", "sum", "none"}
        The mean is weighted: the sum divided by the sum of the targets' weights.

    Returns
    -------
    scalar, or with "none" an ndarray of the target's shape
        The mean of no elements is NaN, as in torch.

    Raises
    ------
    TypeError
        If dtypes are not those above.
    ValueError
        If shapes or settings do not fit together.
    IndexError
        If a class index is neither from 0 to C - 1 nor `ignore_index`.

    Notes
    -----
    The arguments after `weight` go by name only: torch has obsolete ones between them.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> log_p = np.array([[-0.5, -1.0], [-2.0, -0.25]])
    >>> print(F.nll_loss(log_p, np.array([0, 1])))
    0.375
    >>> F.nll_loss(log_p, np.array([0, 1]), np.array([1.0, 4.0]), reduction="none").tolist()
    [0.5, 1.0]
    """
    choice("reduction", reduction, REDUCTIONS)
    ignore_index = integer("ignore_index", ignore_index, _LEAST_INDEX)
    shape, dtype = _scores("input", input)
    target = _plain_target(target)
    if weight is not None:
        _check_weight(weight, shape, dtype)
    _refuse_traced_weight(weight)
    config = (target, weight, ignore_index)
    losses: Any = _core.nll_forward(input, *config) if type(input) is np.ndarray else _nll(input, config)
    return _reduce_indexed(losses, reduction, shape, target, weight, ignore_index)


# -- arguments ------------------------------------------------------------------------------------

_LEAST_INDEX = -(2**63)


def _class_axis(shape: tuple[int, ...]) -> int:
    return 0 if len(shape) == 1 else 1


def _scores(name: str, value: Any) -> tuple[tuple[int, ...], Any]:
    """Return the shape and the dtype of class scores, which may be traced or abstract."""
    if not hasattr(value, "__convnative_function__"):
        value = float_array(name, getval(value))
    if not value.shape:
        raise ValueError(f"{name}: expected shape (N, C, ...) or (C,), received ()")
    return value.shape, value.dtype


def _plain_target(target: Any) -> Any:
    target = as_array(target)  # an element of an array of labels
    if not isbox(target) and not isinstance(target, np.ndarray):
        raise TypeError(
            f"target: expected a numpy.ndarray of class indices or probabilities, "
            f"received {type(target).__name__}"
        )
    return target


def _check_weight(weight: Any, shape: tuple[int, ...], dtype: Any) -> None:
    checked = float_array("weight", getval(weight))
    expected = (shape[_class_axis(shape)],)
    if checked.shape != expected:
        raise ValueError(f"weight: expected shape {expected}, received {checked.shape}")
    if checked.dtype != dtype:
        raise TypeError(f"weight: expected the input's dtype {dtype}, received {checked.dtype}")


def _refuse_traced_weight(weight: Any) -> None:
    if isbox(weight):
        raise TypeError(
            "weight: expected a constant where the target is class indices, received a value that autograd "
            "differentiates"
        )


def _check_probabilities(target: Any, shape: tuple[int, ...], dtype: Any) -> None:
    checked = float_array("target", getval(target))
    if checked.shape != shape:
        raise ValueError(
            f"target: expected class probabilities of the input's shape {shape}, received {checked.shape}"
        )
    if checked.dtype != dtype:
        raise TypeError(f"target: expected the input's dtype {dtype}, received {checked.dtype}")


def _reduce_indexed(
    losses: Any, reduction: str, shape: tuple[int, ...], target: Any, weight: Any, ignore_index: int
) -> Any:
    if reduction == "none":
        return losses
    mean = reduction == "mean"
    return total(losses, _core.target_weight(shape, target, weight, ignore_index) if mean else 1)


# -- cross-entropy with class indices -------------------------------------------------------------


def _target_weight(input: Any, config: _Config) -> Any:
    """Return the sum over the classes of weight_c t'_c, per element, with the class axis kept."""
    target, weight, ignore_index, label_smoothing = config
    counted = target != ignore_index
    if weight is None:
        result = counted.astype(input.dtype)
    else:
        own = weight[np.where(counted, target, 0)]
        smooth = label_smoothing * weight.mean()
        result = np.where(counted, (1 - label_smoothing) * own + smooth, 0).astype(input.dtype)
    return np.expand_dims(result, _class_axis(anp.shape(input)))


@primitive
def _cross_entropy(input: Any, config: _Config) -> Any:
    return _core.cross_entropy_forward(input, *config)


@primitive
def _cross_entropy_grad(input: Any, grad_losses: Any, config: _Config) -> Any:
    # NumPy's arithmetic turns arrays without axes into scalars.
    return _core.cross_entropy_grad(input, *config, np.asarray(grad_losses))


def _directional(input: Any, direction: Any, config: _Config) -> Any:
    """Return the derivative of the losses when the input moves in a direction."""
    target = config[0]
    gradient = _cross_entropy_grad(input, np.ones(target.shape, input.dtype), config)
    return anp.sum(gradient * direction, axis=_class_axis(anp.shape(input)))


def _curvature(input: Any, grad_losses: Any, direction: Any, config: _Config) -> Any:
    """
    Second derivative of the losses in the input, weighted by grad_losses, times a direction.

    The gradient is grad_losses (s p - q), with p the softmax, q_c = weight_c t'_c constant and s the sum
    of q. Hence the second derivative is that of p, a symmetric map, times grad_losses s.
    """
    axis = _class_axis(anp.shape(input))
    p = _softmax(input, axis)
    inner = direction - anp.sum(p * direction, axis=axis, keepdims=True)
    return anp.expand_dims(grad_losses, axis) * _target_weight(input, config) * p * inner


defvjp(
    _cross_entropy, lambda ans, input, config: lambda g: _cross_entropy_grad(input, cotangent(g, ans), config)
)
defjvp(_cross_entropy, lambda g, ans, input, config: _directional(input, g, config))
defvjp(
    _cross_entropy_grad,
    lambda ans, input, grad_losses, config: lambda g: _curvature(input, grad_losses, g, config),
    lambda ans, input, grad_losses, config: lambda g: _directional(input, g, config),
)
defjvp(
    _cross_entropy_grad,
    lambda g, ans, input, grad_losses, config: _curvature(input, grad_losses, g, config),
    lambda g, ans, input, grad_losses, config: _cross_entropy_grad(input, g, config),
)

# -- negative log-likelihood ----------------------------------------------------------------------

# target, weight, ignore_index
_NllConfig = tuple[Any, Any, int]


@primitive
def _nll(input: Any, config: _NllConfig) -> Any:
    return _core.nll_forward(input, *config)


@primitive
def _nll_grad(grad_losses: Any, shape: tuple[int, ...], config: _NllConfig) -> Any:
    return _core.nll_grad(shape, *config, np.asarray(grad_losses))


# Picking one class is linear, and putting back its adjoint.
defvjp(_nll, lambda ans, input, config: lambda g: _nll_grad(cotangent(g, ans), anp.shape(input), config))
defjvp(_nll, lambda g, ans, input, config: _nll(g, config))
defvjp(_nll_grad, lambda ans, grad_losses, shape, config: lambda g: _nll(cotangent(g, ans), config))
defjvp(_nll_grad, lambda g, ans, grad_losses, shape, config: _nll_grad(g, shape, config))

# -- class probabilities --------------------------------------------------------------------------

# scale and shift of the probabilities
_Affine = tuple[float, float]


@primitive
def _class_product(input: Any, probabilities: Any, weight: Any, affine: _Affine) -> Any:
    return _core.class_product_forward(input, probabilities, weight, *affine)


@primitive
def _class_product_grad(probabilities: Any, weight: Any, grad_losses: Any, affine: _Affine) -> Any:
    return _core.class_product_grad(probabilities, weight, np.asarray(grad_losses), *affine)


@primitive
def _class_product_points(input: Any, probabilities: Any, grad_losses: Any, affine: _Affine) -> Any:
    return _core.class_product_points(input, probabilities, np.asarray(grad_losses), *affine)


def _linear_part(affine: _Affine) -> _Affine:
    """Return what is left of scale and shift in a derivative in the probabilities."""
    return affine[0], 0.0


defvjp(
    _class_product,
    lambda ans, x, p, w, affine: lambda g: _class_product_grad(p, w, cotangent(g, ans), affine),
    lambda ans, x, p, w, affine: lambda g: _class_product_grad(x, w, cotangent(g, ans), _linear_part(affine)),
    lambda ans, x, p, w, affine: lambda g: _class_product_points(x, p, cotangent(g, ans), affine),
)
defjvp(
    _class_product,
    lambda v, ans, x, p, w, affine: _class_product(v, p, w, affine),
    lambda v, ans, x, p, w, affine: _class_product(x, v, w, _linear_part(affine)),
    lambda v, ans, x, p, w, affine: _class_product(x, p, v, affine),
)
defvjp(
    _class_product_grad,
    lambda ans, p, w, g, affine: lambda c: _class_product_grad(cotangent(c, ans), w, g, _linear_part(affine)),
    lambda ans, p, w, g, affine: lambda c: _class_product_points(cotangent(c, ans), p, g, affine),
    lambda ans, p, w, g, affine: lambda c: _class_product(cotangent(c, ans), p, w, affine),
)
defjvp(
    _class_product_grad,
    lambda v, ans, p, w, g, affine: _class_product_grad(v, w, g, _linear_part(affine)),
    lambda v, ans, p, w, g, affine: _class_product_grad(p, v, g, affine),
    lambda v, ans, p, w, g, affine: _class_product_grad(p, w, v, affine),
)
defvjp(
    _class_product_points,
    lambda ans, x, p, g, affine: lambda c: _class_product_grad(p, cotangent(c, ans), g, affine),
    lambda ans, x, p, g, affine: lambda c: _class_product_grad(x, cotangent(c, ans), g, _linear_part(affine)),
    lambda ans, x, p, g, affine: lambda c: _class_product(x, p, cotangent(c, ans), affine),
)
defjvp(
    _class_product_points,
    lambda v, ans, x, p, g, affine: _class_product_points(v, p, g, affine),
    lambda v, ans, x, p, g, affine: _class_product_points(x, v, g, _linear_part(affine)),
    lambda v, ans, x, p, g, affine: _class_product_points(x, p, v, affine),
)
