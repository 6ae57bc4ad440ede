"""
Activations.

Those of one number are rows of a table in the core (cpp/elementwise/functions.h), which has the function and
its first two derivatives; the functions here give the row its parameters.
"""

# ruff: noqa: ARG005 (autograd gives the makers of products all arguments, by position)
from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import autograd.numpy as anp
import numpy as np
from autograd.tracer import isbox

from .. import _core
from .._checks import choice, real
from ._differentiation import as_array, cotangent, defjvp, defvjp, primitive, refuse_traced

if TYPE_CHECKING:
    from .._typing import Array

# Name and parameters of a row.
_Config = tuple[str, tuple[float, ...]]

_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946


def relu(input: Array, *, out: Array | None = None) -> Array:
    """
    Positive part of every element, max(x, 0); NaN stays NaN.

    Parameters
    ----------
    input : ndarray, any shape
        float32 or float64.
    out : ndarray, optional
        Array to write the result into: of the exact shape and dtype, C-contiguous, not overlapping the
        input. Not possible while autograd differentiates.

    Returns
    -------
    ndarray, shape of `input`

    Raises
    ------
    TypeError
        If `input` is not a float32 or float64 array.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.relu(np.array([-1.0, 0.0, 2.0])).tolist()
    [0.0, 0.0, 2.0]
    """
    if out is not None:
        refuse_traced(input)
    elif type(input) is not np.ndarray:
        return _relu(input)
    result: Array = _core.relu_forward(input, out)
    return result


def relu_grad_input(grad_output: Array, input: Array) -> Array:
    """
    Gradient of `relu`: `grad_output` where the input is not <= 0, else 0.

    Parameters
    ----------
    grad_output : ndarray
        Gradient of a scalar with respect to relu's result.
    input : ndarray, shape of `grad_output`
        The input of relu.

    Returns
    -------
    ndarray, shape of `input`

    Raises
    ------
    TypeError
        If an argument is not a float32 or float64 array, or the dtypes differ.
    ValueError
        If the shapes differ.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.relu_grad_input(np.array([5.0, 5.0, 5.0]), np.array([-1.0, 0.0, 2.0])).tolist()
    [0.0, 0.0, 5.0]
    """
    return _relu_grad(input, grad_output)


def relu6(input: Array, *, out: Array | None = None) -> Array:
    """
    Every element cut to the interval from 0 to 6.

    Parameters
    ----------
    input : ndarray, any shape
        float32 or float64.
    out : ndarray, optional
        Array to write the result into: of the exact shape and dtype, C-contiguous, not overlapping the
        input. Not possible while autograd differentiates.

    Returns
    -------
    ndarray, shape of `input`

    Raises
    ------
    TypeError
        If `input` is not a float32 or float64 array.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.relu6(np.array([-1.0, 2.0, 7.0])).tolist()
    [0.0, 2.0, 6.0]
    """
    return _apply(input, "hardtanh", (0.0, 6.0), out)


def leaky_relu(input: Array, negative_slope: float = 0.01, *, out: Array | None = None) -> Array:
    """
    Identity for positive elements, a line of another slope for the others.

    Parameters
    ----------
    input : ndarray, any shape
        float32 or float64.
    negative_slope : float, default 0.01
        Slope for elements that are not positive.
    out : ndarray, optional
        Array to write the result into: of the exact shape and dtype, C-contiguous, not overlapping the
        input. Not possible while autograd differentiates.

    Returns
    -------
    ndarray, shape of `input`

    Raises
    ------
    TypeError
        If `input` is not a float32 or float64 array, or a setting is not a number.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.leaky_relu(np.array([-1.0, 2.0]), 0.25).tolist()
    [-0.25, 2.0]
    """
    return _apply(input, "leaky_relu", (real("negative_slope", negative_slope),), out)


def prelu(input: Array, weight: Array, *, out: Array | None = None) -> Array:
    """
    `leaky_relu` with a slope that is an array: one for all elements, or one per channel.

    Parameters
    ----------
    input : ndarray, shape (N, C, ...), or any with one weight
        float32 or float64.
    weight : ndarray, shape (C,), (1,) or ()
        Slopes for elements that are not positive, of the input's dtype.
    out : ndarray, optional
        Array to write the result into: of the exact shape and dtype, C-contiguous, not overlapping the
        inputs. Not possible while autograd differentiates.

    Returns
    -------
    ndarray, shape of `input`

    Raises
    ------
    TypeError
        If an argument is not a float32 or float64 array, or the dtypes differ.
    ValueError
        If `weight` has another shape.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.prelu(np.array([[-1.0, -1.0], [2.0, 2.0]]), np.array([0.5, 0.25])).tolist()
    [[-0.5, -0.25], [2.0, 2.0]]
    """
    if out is not None:
        refuse_traced(input, weight)
    elif type(input) is not np.ndarray or isbox(weight):
        return _prelu(input, weight)
    result: Array = _core.prelu_forward(input, input, weight, True, out)
    return result


def threshold(input: Array, threshold: float, value: float, *, out: Array | None = None) -> Array:
    """
    Elements above a threshold, and one value in place of the others.

    The result is x where x > `threshold` and `value` elsewhere; NaN stays NaN. With the value 0 this is the
    thresholded rectifier.

    Parameters
    ----------
    input : ndarray, any shape
        float32 or float64.
    threshold : float
        What an element has to exceed.
    value : float
        What takes the place of the others.
    out : ndarray, optional
        Array to write the result into: of the exact shape and dtype, C-contiguous, not overlapping the
        input. Not possible while autograd differentiates.

    Returns
    -------
    ndarray, shape of `input`

    Raises
    ------
    TypeError
        If `input` is not a float32 or float64 array, or a setting is not a number.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.threshold(np.array([-1.0, 0.5, 2.0]), 1.0, 0.0).tolist()
    [0.0, 0.0, 2.0]
    """
    return _apply(input, "threshold", (real("threshold", threshold), real("value", value)), out)


def hardtanh(input: Array, min_val: float = -1.0, max_val: float = 1.0, *, out: Array | None = None) -> Array:
    """
    Every element cut to an interval.

    Parameters
    ----------
    input : ndarray, any shape
        float32 or float64.
    min_val, max_val : float, default -1 and 1
        The ends of the interval. The derivative there is 0.
    out : ndarray, optional
        Array to write the result into: of the exact shape and dtype, C-contiguous, not overlapping the
        input. Not possible while autograd differentiates.

    Returns
    -------
    ndarray, shape of `input`

    Raises
    ------
    TypeError
        If `input` is not a float32 or float64 array, or a setting is not a number.
    ValueError
        If `min_val` is above `max_val`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.hardtanh(np.array([-3.0, 0.5, 3.0])).tolist()
    [-1.0, 0.5, 1.0]
    """
    low, high = real("min_val", min_val), real("max_val", max_val)
    if low > high:
        raise ValueError(f"min_val: expected at most max_val = {max_val}, received {min_val}")
    return _apply(input, "hardtanh", (low, high), out)


def hardsigmoid(input: Array, *, out: Array | None = None) -> Array:
    """
    Line through (-3, 0) and (3, 1), cut to the interval from 0 to 1.

    Parameters
    ----------
    input : ndarray, any shape
        float32 or float64.
    out : ndarray, optional
        Array to write the result into: of the exact shape and dtype, C-contiguous, not overlapping the
        input. Not possible while autograd differentiates.

    Returns
    -------
    ndarray, shape of `input`

    Raises
    ------
    TypeError
        If `input` is not a float32 or float64 array.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.hardsigmoid(np.array([-4.0, 0.0, 1.5])).tolist()
    [0.0, 0.5, 0.75]
    """
    return _apply(input, "hardsigmoid", (), out)


def hardswish(input: Array, *, out: Array | None = None) -> Array:
    """
    X times its `hardsigmoid`.

    Howard et al., "Searching for MobileNetV3" (2019).

    Parameters
    ----------
    input : ndarray, any shape
        float32 or float64.
    out : ndarray, optional
        Array to write the result into: of the exact shape and dtype, C-contiguous, not overlapping the
        input. Not possible while autograd differentiates.

    Returns
    -------
    ndarray, shape of `input`

    Raises
    ------
    TypeError
        If `input` is not a float32 or float64 array.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.hardswish(np.array([-4.0, 0.0, 1.5, 5.0])).tolist()
    [-0.0, 0.0, 1.125, 5.0]
    """
    return _apply(input, "hardswish", (), out)


def elu(input: Array, alpha: float = 1.0, *, out: Array | None = None) -> Array:
    """
    Identity for positive elements, alpha (exp(x) - 1) for the others.

    Clevert et al., "Fast and accurate deep network learning by exponential linear units" (2015).

    Parameters
    ----------
    input : ndarray, any shape
        float32 or float64.
    alpha : float, default 1
        Minus the limit for very negative elements.
    out : ndarray, optional
        Array to write the result into: of the exact shape and dtype, C-contiguous, not overlapping the
        input. Not possible while autograd differentiates.

    Returns
    -------
    ndarray, shape of `input`

    Raises
    ------
    TypeError
        If `input` is not a float32 or float64 array, or a setting is not a number.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.elu(np.array([-np.log(2), 2.0])).round(4).tolist()
    [-0.5, 2.0]
    """
    return _apply(input, "elu", (real("alpha", alpha), 1.0, 1.0), out)


def selu(input: Array, *, out: Array | None = None) -> Array:
    """
    Self-normalising `elu`: scale elu(x, alpha) with both fixed.

    Klambauer et al., "Self-normalizing neural networks" (2017): alpha and scale keep mean 0 and variance 1.

    Parameters
    ----------
    input : ndarray, any shape
        float32 or float64.
    out : ndarray, optional
        Array to write the result into: of the exact shape and dtype, C-contiguous, not overlapping the
        input. Not possible while autograd differentiates.

    Returns
    -------
    ndarray, shape of `input`

    Raises
    ------
    TypeError
        If `input` is not a float32 or float64 array.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.selu(np.array([-np.log(2), 1.0])).round(4).tolist()
    [-0.879, 1.0507]
    """
    return _apply(input, "elu", (_SELU_ALPHA, _SELU_SCALE, 1.0), out)


def celu(input: Array, alpha: float = 1.0, *, out: Array | None = None) -> Array:
    """
    `elu` with a continuous derivative: x, or alpha (exp(x / alpha) - 1) below 0.

    Barron, "Continuously differentiable exponential linear units" (2017).

    Parameters
    ----------
    input : ndarray, any shape
        float32 or float64.
    alpha : float, default 1
        Minus the limit for very negative elements; not 0.
    out : ndarray, optional
        Array to write the result into: of the exact shape and dtype, C-contiguous, not overlapping the
        input. Not possible while autograd differentiates.

    Returns
    -------
    ndarray, shape of `input`

    Raises
    ------
    TypeError
        If `input` is not a float32 or float64 array, or a setting is not a number.
    ValueError
        If `alpha` is 0.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.celu(np.array([-2 * np.log(2), 3.0]), 2.0).round(4).tolist()
    [-1.0, 3.0]
    """
    scale = real("alpha", alpha)
    if scale == 0:
        raise ValueError("alpha: expected a number other than 0, received 0")
    return _apply(input, "elu", (scale, 1.0, 1 / scale), out)


def sigmoid(input: Array, *, out: Array | None = None) -> Array:
    """
    Logistic function 1 / (1 + exp(-x)).

    Accurate to 3 units in the last place, for results close to 0 too.

    Parameters
    ----------
    input : ndarray, any shape
        float32 or float64.
    out : ndarray, optional
        Array to write the result into: of the exact shape and dtype, C-contiguous, not overlapping the
        input. Not possible while autograd differentiates.

    Returns
    -------
    ndarray, shape of `input`

    Raises
    ------
    TypeError
        If `input` is not a float32 or float64 array.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.sigmoid(np.array([0.0, np.log(3)])).round(4).tolist()
    [0.5, 0.75]
    """
    return _apply(input, "sigmoid", (), out)


def logsigmoid(input: Array, *, out: Array | None = None) -> Array:
    """
    Logarithm of `sigmoid`, accurate also where that is close to 0 or 1.

    Parameters
    ----------
    input : ndarray, any shape
        float32 or float64.
    out : ndarray, optional
        Array to write the result into: of the exact shape and dtype, C-contiguous, not overlapping the
        input. Not possible while autograd differentiates.

    Returns
    -------
    ndarray, shape of `input`

    Raises
    ------
    TypeError
        If `input` is not a float32 or float64 array.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.logsigmoid(np.array([0.0, -1000.0])).round(4).tolist()
    [-0.6931, -1000.0]
    """
    return _apply(input, "logsigmoid", (), out)


def tanh(input: Array, *, out: Array | None = None) -> Array:
    """
    Hyperbolic tangent, to 3 units in the last place.

    Parameters
    ----------
    input : ndarray, any shape
        float32 or float64.
    out : ndarray, optional
        Array to write the result into: of the exact shape and dtype, C-contiguous, not overlapping the
        input. Not possible while autograd differentiates.

    Returns
    -------
    ndarray, shape of `input`

    Raises
    ------
    TypeError
        If `input` is not a float32 or float64 array.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.tanh(np.array([0.0, 1.0])).round(4).tolist()
    [0.0, 0.7616]
    """
    return _apply(input, "tanh", (), out)


def softplus(input: Array, beta: float = 1.0, threshold: float = 20.0, *, out: Array | None = None) -> Array:
    """
    Smooth rectifier log(1 + exp(beta x)) / beta.

    Parameters
    ----------
    input : ndarray, any shape
        float32 or float64.
    beta : float, default 1
        How sharp the bend is.
    threshold : float, default 20
        Where beta x is above it, the result is x.
    out : ndarray, optional
        Array to write the result into: of the exact shape and dtype, C-contiguous, not overlapping the
        input. Not possible while autograd differentiates.

    Returns
    -------
    ndarray, shape of `input`

    Raises
    ------
    TypeError
        If `input` is not a float32 or float64 array, or a setting is not a number.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.softplus(np.array([0.0, 30.0])).round(4).tolist()
    [0.6931, 30.0]
    """
    return _apply(input, "softplus", (real("beta", beta), real("threshold", threshold)), out)


def softsign(input: Array, *, out: Array | None = None) -> Array:
    """
    X / (1 + |x|).

    Parameters
    ----------
    input : ndarray, any shape
        float32 or float64.
    out : ndarray, optional
        Array to write the result into: of the exact shape and dtype, C-contiguous, not overlapping the
        input. Not possible while autograd differentiates.

    Returns
    -------
    ndarray, shape of `input`

    Raises
    ------
    TypeError
        If `input` is not a float32 or float64 array.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.softsign(np.array([-1.0, 3.0])).tolist()
    [-0.5, 0.75]
    """
    return _apply(input, "softsign", (), out)


def silu(input: Array, *, out: Array | None = None) -> Array:
    """
    X times its `sigmoid`; also known as swish.

    The limits at the infinities are -0 and infinity.

    Parameters
    ----------
    input : ndarray, any shape
        float32 or float64.
    out : ndarray, optional
        Array to write the result into: of the exact shape and dtype, C-contiguous, not overlapping the
        input. Not possible while autograd differentiates.

    Returns
    -------
    ndarray, shape of `input`

    Raises
    ------
    TypeError
        If `input` is not a float32 or float64 array.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.silu(np.array([0.0, np.log(3)])).round(4).tolist()
    [0.0, 0.824]
    """
    return _apply(input, "silu", (), out)


def mish(input: Array, *, out: Array | None = None) -> Array:
    """
    X tanh(softplus(x)).

    Misra, "Mish: a self regularized non-monotonic activation function" (2019). The limits at the infinities
    are -0 and infinity.

    Parameters
    ----------
    input : ndarray, any shape
        float32 or float64.
    out : ndarray, optional
        Array to write the result into: of the exact shape and dtype, C-contiguous, not overlapping the
        input. Not possible while autograd differentiates.

    Returns
    -------
    ndarray, shape of `input`

    Raises
    ------
    TypeError
        If `input` is not a float32 or float64 array.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.mish(np.array([0.0, 1.0])).round(4).tolist()
    [0.0, 0.8651]
    """
    return _apply(input, "mish", (), out)


def gelu(input: Array, approximate: str = "none", *, out: Array | None = None) -> Array:
    """
    X times the probability that a standard normal variable is below x.

    Hendrycks and Gimpel, "Gaussian error linear units" (2016). The tails are accurate: the result of a very
    negative x is small, not 0. The limits at the infinities are -0 and infinity.

    Parameters
    ----------
    input : ndarray, any shape
        float32 or float64.
    approximate : {"none", "tanh"}
        With "tanh", the approximation x sigmoid(2 sqrt(2 / pi) (x + 0.044715 x^3)).
    out : ndarray, optional
        Array to write the result into: of the exact shape and dtype, C-contiguous, not overlapping the
        input. Not possible while autograd differentiates.

    Returns
    -------
    ndarray, shape of `input`

    Raises
    ------
    TypeError
        If `input` is not a float32 or float64 array.
    ValueError
        If `approximate` is neither.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.gelu(np.array([-10.0, 0.0, 1.0])).round(4).tolist()
    [-0.0, 0.0, 0.8413]
    """
    choice("approximate", approximate, ("none", "tanh"))
    return _apply(input, "gelu" if approximate == "none" else "gelu_tanh", (), out)


def softmax(input: Array, dim: int, *, out: Array | None = None) -> Array:
    """
    Exponentials scaled to the sum 1 along one axis.

    The maximum is subtracted first, so that large inputs do not overflow.

    Parameters
    ----------
    input : ndarray, any shape
        float32 or float64.
    dim : int
        The axis along which the results sum to 1.
    out : ndarray, optional
        Array to write the result into: of the exact shape and dtype, C-contiguous, not overlapping the
        input. Not possible while autograd differentiates.

    Returns
    -------
    ndarray, shape of `input`

    Raises
    ------
    TypeError
        If `input` is not a float32 or float64 array.
    IndexError
        If `input` has no such axis.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.softmax(np.log([[1.0, 3.0]]), dim=1).round(3).tolist()
    [[0.25, 0.75]]
    """
    if out is not None:
        refuse_traced(input)
    elif type(input) is not np.ndarray:
        return _softmax(input, dim)
    result: Array = _core.softmax_forward(input, dim, False, out)
    return result


def log_softmax(input: Array, dim: int, *, out: Array | None = None) -> Array:
    """
    Logarithm of `softmax`, accurate also where the softmax is close to 0.

    Parameters
    ----------
    input : ndarray, any shape
        float32 or float64.
    dim : int
        The axis along which the exponentials of the results sum to 1.
    out : ndarray, optional
        Array to write the result into: of the exact shape and dtype, C-contiguous, not overlapping the
        input. Not possible while autograd differentiates.

    Returns
    -------
    ndarray, shape of `input`

    Raises
    ------
    TypeError
        If `input` is not a float32 or float64 array.
    IndexError
        If `input` has no such axis.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.log_softmax(np.array([1000.0, 0.0]), dim=0).tolist()
    [0.0, -1000.0]
    """
    if out is not None:
        refuse_traced(input)
    elif type(input) is not np.ndarray:
        return _log_softmax(input, dim)
    result: Array = _core.softmax_forward(input, dim, True, out)
    return result


def softmin(input: Array, dim: int) -> Array:
    """
    `softmax` of the negative input.

    Parameters
    ----------
    input : ndarray, any shape
        float32 or float64.
    dim : int
        The axis along which the results sum to 1.

    Returns
    -------
    ndarray, shape of `input`

    Raises
    ------
    TypeError
        If `input` is not a float32 or float64 array.
    IndexError
        If `input` has no such axis.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.softmin(np.log([[1.0, 3.0]]), dim=1).round(3).tolist()
    [[0.75, 0.25]]
    """
    is_float = getattr(getattr(input, "dtype", None), "kind", None) == "f"
    return softmax(-input if is_float else input, dim)  # softmax refuses the others


def _apply(input: Any, name: str, parameters: tuple[float, ...], out: Array | None) -> Array:
    """Apply a row of the core's table of elementwise functions."""
    if out is not None:
        refuse_traced(input)
    elif type(input) is not np.ndarray:
        return _activation(input, (name, parameters))
    result: Array = _core.activation_forward(input, name, parameters, out)
    return result


@primitive
def _relu(input: Any) -> Array:
    result: Array = _core.relu_forward(as_array(input))
    return result


@primitive
def _relu_grad(input: Any, grad_output: Any) -> Array:
    result: Array = _core.relu_grad(as_array(input), as_array(grad_output))
    return result


@primitive
def _activation(input: Any, config: _Config) -> Array:
    result: Array = _core.activation_forward(as_array(input), *config)
    return result


@primitive
def _activation_grad(input: Any, grad_output: Any, config: _Config) -> Array:
    """Return the derivative at `input`, times `grad_output`."""
    result: Array = _core.activation_grad(as_array(input), as_array(grad_output), *config)
    return result


@primitive
def _activation_second(input: Any, factor: Any, config: _Config) -> Array:
    """Return the second derivative at `input`, times `factor`."""
    result: Array = _core.activation_grad(as_array(input), as_array(factor), *config, 2)
    return result


@primitive
def _prelu(input: Any, weight: Any) -> Array:
    result: Array = _core.prelu_forward(as_array(input), as_array(input), as_array(weight))
    return result


@primitive
def _prelu_select(input: Any, values: Any, weight: Any, pass_positive: bool) -> Array:
    """Return weight * values, but where input > 0 the values themselves, or 0 unless they pass."""
    arrays = (as_array(input), as_array(values), as_array(weight))
    result: Array = _core.prelu_forward(*arrays, pass_positive)
    return result


@primitive
def _prelu_sums(input: Any, a: Any, b: Any, weight_shape: Any) -> Array:
    """Return, for each weight, the sum of a * b where not input > 0."""
    result: Array = _core.prelu_sums(as_array(input), as_array(a), as_array(b), weight_shape)
    return result


@primitive
def _softmax(input: Any, dim: int) -> Array:
    result: Array = _core.softmax_forward(as_array(input), dim, False)
    return result


@primitive
def _log_softmax(input: Any, dim: int) -> Array:
    result: Array = _core.softmax_forward(as_array(input), dim, True)
    return result


@primitive
def _softmax_grad(y: Any, grad_output: Any, dim: int) -> Array:
    """Return y (grad_output - <y, grad_output>)."""
    result: Array = _core.softmax_grad(as_array(y), as_array(grad_output), dim, False)
    return result


@primitive
def _log_softmax_grad(y: Any, grad_output: Any, dim: int) -> Array:
    """Return grad_output - exp(y) times the sum of grad_output."""
    result: Array = _core.softmax_grad(as_array(y), as_array(grad_output), dim, True)
    return result


def _sum(values: Any, dim: int) -> Any:
    return anp.sum(values, axis=dim, keepdims=True)


defvjp(_relu, lambda ans, input: lambda g: _relu_grad(input, cotangent(g, ans)))
defjvp(_relu, lambda g, ans, input: _relu_grad(input, g))
# The derivative is piecewise constant in `input`, and selecting is its own adjoint.
defvjp(_relu_grad, None, lambda ans, input, grad_output: lambda g: _relu_grad(input, cotangent(g, ans)))
defjvp(_relu_grad, None, "same")


def _no_third_derivative(config: _Config) -> NoReturn:
    raise NotImplementedError(f"{config[0]}: there are derivatives up to the second order")


defvjp(
    _activation,
    lambda ans, input, config: lambda g: _activation_grad(input, cotangent(g, ans), config),
)
defjvp(_activation, lambda g, ans, input, config: _activation_grad(input, g, config))
defvjp(
    _activation_grad,
    lambda ans, input, grad_output, config: (
        lambda g: _activation_second(input, cotangent(g, ans) * grad_output, config)
    ),
    lambda ans, input, grad_output, config: lambda g: _activation_grad(input, cotangent(g, ans), config),
)
defjvp(
    _activation_grad,
    lambda g, ans, input, grad_output, config: _activation_second(input, g * grad_output, config),
    "same",
)

defvjp(
    _activation_second,
    lambda ans, input, factor, config: _no_third_derivative(config),
    lambda ans, input, factor, config: lambda g: _activation_second(input, cotangent(g, ans), config),
)
defjvp(
    _activation_second,
    lambda g, ans, input, factor, config: _no_third_derivative(config),
    "same",
)

# The sign of `input` is locally constant, and all else is linear in each argument.
defvjp(
    _prelu,
    lambda ans, input, weight: lambda g: _prelu_select(input, cotangent(g, ans), weight, True),
    lambda ans, input, weight: lambda g: _prelu_sums(input, input, cotangent(g, ans), weight.shape),
)
defjvp(
    _prelu,
    lambda g, ans, input, weight: _prelu_select(input, g, weight, True),
    lambda g, ans, input, weight: _prelu_select(input, input, g, False),
)
defvjp(
    _prelu_select,
    None,
    lambda ans, input, values, weight, pass_positive: (
        lambda g: _prelu_select(input, cotangent(g, ans), weight, pass_positive)
    ),
    lambda ans, input, values, weight, pass_positive: (
        lambda g: _prelu_sums(input, values, cotangent(g, ans), weight.shape)
    ),
)
defjvp(
    _prelu_select,
    None,
    "same",
    lambda g, ans, input, values, weight, pass_positive: _prelu_select(input, values, g, False),
)
defvjp(
    _prelu_sums,
    None,
    lambda ans, input, a, b, shape: lambda g: _prelu_select(input, b, cotangent(g, ans), False),
    lambda ans, input, a, b, shape: lambda g: _prelu_select(input, a, cotangent(g, ans), False),
)
defjvp(_prelu_sums, None, "same", "same")

# With y = softmax(x): dy = y (dx - <y, dx>), a symmetric map. With y = log_softmax(x):
# dy = dx - <exp(y), dx>.
defvjp(_softmax, lambda ans, input, dim: lambda g: _softmax_grad(ans, cotangent(g, ans), dim))
defjvp(_softmax, lambda g, ans, input, dim: _softmax_grad(ans, g, dim))
defvjp(
    _softmax_grad,
    lambda ans, y, grad_output, dim: (
        lambda g: g * (grad_output - _sum(y * grad_output, dim)) - (grad_output * _sum(y * g, dim))
    ),
    lambda ans, y, grad_output, dim: lambda g: _softmax_grad(y, cotangent(g, ans), dim),
)
defjvp(
    _softmax_grad,
    lambda g, ans, y, grad_output, dim: (
        g * (grad_output - _sum(y * grad_output, dim)) - (y * _sum(g * grad_output, dim))
    ),
    "same",
)
defvjp(_log_softmax, lambda ans, input, dim: lambda g: _log_softmax_grad(ans, cotangent(g, ans), dim))
defjvp(_log_softmax, lambda g, ans, input, dim: g - _sum(anp.exp(ans) * g, dim))
defvjp(
    _log_softmax_grad,
    lambda ans, y, grad_output, dim: lambda g: -anp.exp(y) * _sum(grad_output, dim) * g,
    lambda ans, y, grad_output, dim: lambda g: g - _sum(anp.exp(y) * g, dim),
)
defjvp(
    _log_softmax_grad,
    lambda g, ans, y, grad_output, dim: -anp.exp(y) * _sum(grad_output, dim) * g,
    "same",
)
