"""
Normalisation by mean and variance, and local response normalisation.

Batch, layer, group and instance norm are one operation of the core on different groups of elements. With
z = (x - mean) * inverse, inverse = 1 / sqrt(variance + eps), its primitives are::

    norm              input, weight, bias         -> z * weight + bias
    norm_grad_input   input, grad_output, weight  -> P(weight * grad_output)
    norm_grad_weight  input, grad_output          -> sum of grad_output * z over all but the channels
    norm_inverse      input                       -> inverse

where P(u) = inverse * (u - mean(u) - z * mean(z * u)) is the derivative of z, a symmetric map. They are
closed under differentiation. The statistics of the input are measured once and handed to all of them; where
they are constants instead (running statistics), P(u) = inverse * u.
"""

# ruff: noqa: ARG005 (autograd gives the makers of products all arguments, by position)
from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import autograd.numpy as anp
import numpy as np
from autograd import make_vjp
from autograd.tracer import getval, isbox

from .. import _core
from .._checks import FLOATS, boolean, float_array, integer, real
from ._differentiation import cotangent, defjvp, defvjp, defvjp_jointly, primitive, refuse_traced

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .._typing import Array


class _Config(NamedTuple):
    """Which elements make a group, and the statistics of each."""

    kind: str  # "batch": channels; "group": groups of channels of an image; "layer": the last axes
    number: int  # of groups, or of last axes
    mean: Any
    inverse: Any
    constant: bool  # whether the statistics are no function of the input


def batch_norm(
    input: Array,
    running_mean: Array | None,
    running_var: Array | None,
    weight: Array | None = None,
    bias: Array | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *,
    out: Array | None = None,
) -> Array:
    r"""
    Normalise every channel over the batch.

    Ioffe and Szegedy, "Batch normalization" (2015):

    .. math:: y = \frac{x - mean}{\sqrt{variance + eps}} \, weight + bias

    Parameters
    ----------
    input : ndarray, shape (N, C) or (N, C, spatial...)
        float32 or float64.
    running_mean, running_var : ndarray, shape (C,), or None
        Of the input's dtype. In training they are updated in place, to
        (1 - momentum) running + momentum measured, with the variance's unbiased estimate; otherwise the
        channels are normalised by them.
    weight, bias : ndarray, shape (C,), optional
        Of the input's dtype.
    training : bool, default False
        Whether to measure mean and (biased) variance of the input.
    momentum : float, default 0.1
        How much of the measured statistics enters the running ones.
    eps : float, default 1e-5
        Added to the variance.
    out : ndarray, optional
        Array to write the result into: of the exact shape and dtype, C-contiguous, not overlapping the
        inputs. Not possible while autograd differentiates.

    Returns
    -------
    ndarray, shape of `input`

    Raises
    ------
    TypeError
        If dtypes are not those above.
    ValueError
        If shapes do not fit together, or a channel has a single value in training.

    Notes
    -----
    Sums run in float64 in a fixed order: neither threads nor instruction sets change a bit. Running
    statistics never hold traced values.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> x = np.array([[1.0, 10.0], [3.0, 30.0]])
    >>> mean, var = np.zeros(2), np.ones(2)
    >>> F.batch_norm(x, mean, var, training=True).round(3).tolist()
    [[-1.0, -1.0], [1.0, 1.0]]
    >>> mean.round(3).tolist(), var.round(3).tolist()
    ([0.2, 2.0], [1.1, 20.9])
    """
    eps, momentum = real("eps", eps), real("momentum", momentum)
    boolean("training", training)
    if _is_abstract(input):
        return _norm(input, weight, bias, _Config("batch", 0, None, None, not training))
    value = _with_channels(input)
    running = _running_statistics(running_mean, running_var, value.shape[1], value.dtype, updated=training)
    if not training:
        if running is None:
            raise ValueError(
                "running_mean: expected an array, as training=False normalises by it, received None"
            )
        mean, variance = (array.astype(np.float64) for array in running)
        config = _Config("batch", 0, mean, _inverse(variance, eps), True)
        return _normalize(input, weight, bias, config, out)
    if eps <= 0:
        raise ValueError(f"eps: expected a number > 0 in training, received {eps}")
    count = value.size // value.shape[1] if value.shape[1] else 0
    if count == 1:
        raise ValueError(
            f"input: expected more than one value per channel in training, received shape {value.shape}"
        )
    mean, variance = _core.norm_moments(value, "batch", 0)
    config = _Config("batch", 0, mean, _inverse(variance, eps), False)
    result = _normalize(input, weight, bias, config, out)
    if running is not None and count:
        _update(running, mean, variance * (count / (count - 1)), momentum)
    return result


def instance_norm(
    input: Array,
    running_mean: Array | None = None,
    running_var: Array | None = None,
    weight: Array | None = None,
    bias: Array | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *,
    out: Array | None = None,
) -> Array:
    """
    Normalise every channel of every image by itself.

    Ulyanov et al., "Instance normalization" (2016). See `batch_norm` for the formula.

    Parameters
    ----------
    input : ndarray, shape (N, C, spatial...)
        float32 or float64.
    running_mean, running_var : ndarray, shape (C,), or None
        Of the input's dtype. With `use_input_stats` they are updated in place with the mean over the batch
        of the measured means and unbiased variances; without, the channels are normalised by them.
    weight, bias : ndarray, shape (C,), optional
        Of the input's dtype.
    use_input_stats : bool, default True
        Whether to measure mean and variance of the input.
    momentum : float, default 0.1
        How much of the measured statistics enters the running ones.
    eps : float, default 1e-5
        Added to the variance.
    out : ndarray, optional
        Array to write the result into: of the exact shape and dtype, C-contiguous, not overlapping the
        inputs. Not possible while autograd differentiates.

    Returns
    -------
    ndarray, shape of `input`

    Raises
    ------
    TypeError
        If dtypes are not those above.
    ValueError
        If shapes do not fit together, or a channel to be measured has a single value.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.instance_norm(np.array([[[1.0, 3.0], [10.0, 30.0]]])).round(3).tolist()
    [[[-1.0, 1.0], [-1.0, 1.0]]]
    """
    eps, momentum = real("eps", eps), real("momentum", momentum)
    boolean("use_input_stats", use_input_stats)
    if _is_abstract(input):
        kind = "instance" if use_input_stats else "batch"
        return _norm(input, weight, bias, _Config(kind, 0, None, None, not use_input_stats))
    value = _with_channels(input)
    batch, channels = value.shape[:2]
    running = _running_statistics(running_mean, running_var, channels, value.dtype, updated=use_input_stats)
    if not use_input_stats:
        if running is None:
            raise ValueError(
                "running_mean: expected an array, as use_input_stats=False normalises by it, received None"
            )
        mean, variance = (array.astype(np.float64) for array in running)
        config = _Config("batch", 0, mean, _inverse(variance, eps), True)
        return _normalize(input, weight, bias, config, out)
    count = math.prod(value.shape[2:])
    if count == 1:
        raise ValueError(
            f"input: expected more than one value per channel of an image, received shape {value.shape}"
        )
    groups = max(channels, 1)
    mean, variance = _core.norm_moments(value, "group", groups)
    config = _Config("group", groups, mean, _inverse(variance, eps), False)
    result = _normalize(input, weight, bias, config, out)
    if running is not None and value.size:
        per_image = (array.reshape(batch, channels).mean(axis=0) for array in (mean, variance))
        measured_mean, measured_variance = per_image
        _update(running, measured_mean, measured_variance * (count / (count - 1)), momentum)
    return result


def group_norm(
    input: Array,
    num_groups: int,
    weight: Array | None = None,
    bias: Array | None = None,
    eps: float = 1e-5,
    *,
    out: Array | None = None,
) -> Array:
    """
    Normalise groups of channels of every image.

    Wu and He, "Group normalization" (2018). See `batch_norm` for the formula.

    Parameters
    ----------
    input : ndarray, shape (N, C) or (N, C, spatial...)
        float32 or float64.
    num_groups : int
        Divides C: each group is C / num_groups neighbouring channels.
    weight, bias : ndarray, shape (C,), optional
        Of the input's dtype.
    eps : float, default 1e-5
        Added to the variance.
    out : ndarray, optional
        Array to write the result into: of the exact shape and dtype, C-contiguous, not overlapping the
        inputs. Not possible while autograd differentiates.

    Returns
    -------
    ndarray, shape of `input`

    Raises
    ------
    TypeError
        If dtypes are not those above.
    ValueError
        If shapes do not fit together, or all there is to measure is one value per group of one image.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.group_norm(np.array([[1.0, 3.0, 10.0, 30.0]]), 2).round(3).tolist()
    [[-1.0, 1.0, -1.0, 1.0]]
    """
    eps = real("eps", eps)
    num_groups = integer("num_groups", num_groups, 1)
    if _is_abstract(input):
        return _norm(input, weight, bias, _Config("group", num_groups, None, None, False))
    value = _with_channels(input)
    channels = value.shape[1]
    if channels % num_groups:
        raise ValueError(f"num_groups: expected a divisor of {channels} channels, received {num_groups}")
    if value.size == num_groups:
        raise ValueError(f"input: expected more than one value per group, received shape {value.shape}")
    mean, variance = _core.norm_moments(value, "group", num_groups)
    config = _Config("group", num_groups, mean, _inverse(variance, eps), False)
    return _normalize(input, weight, bias, config, out)


def layer_norm(
    input: Array,
    normalized_shape: Sequence[int],
    weight: Array | None = None,
    bias: Array | None = None,
    eps: float = 1e-5,
    *,
    out: Array | None = None,
) -> Array:
    """
    Normalise over the last axes.

    Ba et al., "Layer normalization" (2016). See `batch_norm` for the formula.

    Parameters
    ----------
    input : ndarray, shape (..., *normalized_shape)
        float32 or float64.
    normalized_shape : sequence of int
        Sizes of the last axes, over which mean and variance are measured.
    weight, bias : ndarray, shape `normalized_shape`, optional
        Of the input's dtype.
    eps : float, default 1e-5
        Added to the variance.
    out : ndarray, optional
        Array to write the result into: of the exact shape and dtype, C-contiguous, not overlapping the
        inputs. Not possible while autograd differentiates.

    Returns
    -------
    ndarray, shape of `input`

    Raises
    ------
    TypeError
        If dtypes are not those above.
    ValueError
        If shapes do not fit together.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.layer_norm(np.array([[1.0, 3.0], [10.0, 30.0]]), (2,)).round(3).tolist()
    [[-1.0, 1.0], [-1.0, 1.0]]
    """
    eps = real("eps", eps)
    sizes = _normalized_shape(normalized_shape)
    number = len(sizes)
    if _is_abstract(input):
        _require_last_axes(input.shape, sizes)
        return _norm(input, weight, bias, _Config("layer", number, None, None, False))
    value = float_array("input", getval(input))
    _require_last_axes(value.shape, sizes)
    mean, variance = _core.norm_moments(value, "layer", number)
    config = _Config("layer", number, mean, _inverse(variance, eps), False)
    return _normalize(input, weight, bias, config, out)


def local_response_norm(
    input: Array,
    size: int,
    alpha: float = 1e-4,
    beta: float = 0.75,
    k: float = 1.0,
    *,
    out: Array | None = None,
) -> Array:
    r"""
    Normalise every element by the squares of its neighbours in other channels.

    Krizhevsky et al., "ImageNet classification with deep convolutional neural networks" (2012):

    .. math:: y_c = x_c \Bigl(k + \frac{alpha}{size} \sum_{c'} x_{c'}^2\Bigr)^{-beta}

    over `size` channels c', of which size / 2, rounded down, lie before c; channels beyond the ends count 0.

    Parameters
    ----------
    input : ndarray, shape (N, C, spatial...)
        float32 or float64, of 3 dimensions or more.
    size : int
        Number of channels in a sum.
    alpha, beta, k : float, default 1e-4, 0.75 and 1
        See above.
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
        If `size` is not positive or `input` has less than 3 dimensions.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.local_response_norm(np.full((1, 2, 1), 2.0), 2, alpha=2.0, beta=0.5).round(4).tolist()
    [[[0.8944], [0.6667]]]
    """
    config = (integer("size", size, 1), real("alpha", alpha), real("beta", beta), real("k", k))
    if out is not None:
        refuse_traced(input)
    elif type(input) is not np.ndarray:
        return _local_response(input, config)
    result: Array = _core.local_response_forward(input, *config, out)
    return result


# -- arguments ----------------------------------------------------------------------------------


def _is_abstract(input: Any) -> bool:
    return hasattr(input, "__convnative_function__")


def _with_channels(input: Any) -> Array:
    value = float_array("input", getval(input))
    if value.ndim < 2:
        raise ValueError(f"input: expected shape (N, C, ...), received {value.shape}")
    return value


def _normalized_shape(normalized_shape: Any) -> tuple[int, ...]:
    if isinstance(normalized_shape, (str, bytes)) or not isinstance(normalized_shape, (tuple, list)):
        raise TypeError(f"normalized_shape: expected a sequence of ints, received {normalized_shape!r}")
    if not normalized_shape:
        raise ValueError("normalized_shape: expected at least one size, received none")
    return tuple(integer("normalized_shape", size, 0) for size in normalized_shape)


def _require_last_axes(shape: tuple[int, ...], sizes: tuple[int, ...]) -> None:
    if shape[-len(sizes) :] != sizes:
        raise ValueError(
            f"normalized_shape: expected the sizes of the last axes of an input of shape {shape}, "
            f"received {sizes}"
        )


def _running_statistics(
    running_mean: Any, running_var: Any, channels: int, dtype: np.dtype[Any], *, updated: bool
) -> tuple[Array, Array] | None:
    """Check the running statistics and return their plain arrays."""
    if running_mean is None and running_var is None:
        return None
    arrays = []
    for name, array in (("running_mean", running_mean), ("running_var", running_var)):
        array = getval(array)
        if not isinstance(array, np.ndarray) or array.dtype.newbyteorder("=") not in FLOATS:
            received = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
            raise TypeError(f"{name}: expected a numpy.ndarray of {dtype}, received {received}")
        if array.dtype.newbyteorder("=") != dtype:
            raise TypeError(f"{name}: expected the input's dtype {dtype}, received {array.dtype}")
        if array.shape != (channels,):
            raise ValueError(f"{name}: expected shape {(channels,)}, received {array.shape}")
        if updated and not array.flags.writeable:
            raise ValueError(f"{name}: expected a writable array, received a read-only one")
        arrays.append(array)
    return arrays[0], arrays[1]


def _update(running: tuple[Array, Array], mean: Array, variance: Array, momentum: float) -> None:
    for array, measured in zip(running, (mean, variance), strict=True):
        array[...] = (1 - momentum) * array + momentum * measured


def _inverse(variance: Array, eps: float) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        result: Array = 1 / np.sqrt(variance + eps)
    return result


def _normalize(input: Any, weight: Any, bias: Any, config: _Config, out: Array | None) -> Array:
    if out is not None:
        refuse_traced(input, weight, bias)
    elif isbox(input) or isbox(weight) or isbox(bias):
        return _norm(input, weight, bias, config)
    kind, number, mean, inverse, _ = config
    result: Array = _core.norm_forward(input, mean, inverse, weight, bias, kind, number, out)
    return result


# -- primitives ---------------------------------------------------------------------------------


@primitive
def _norm(input: Any, weight: Any, bias: Any, config: _Config) -> Array:
    kind, number, mean, inverse, _ = config
    result: Array = _core.norm_forward(input, mean, inverse, weight, bias, kind, number)
    return result


def _gradients(input: Any, grad_output: Any, weight: Any, config: _Config, wanted: str) -> tuple[Any, ...]:
    """Gradients in input, weight and bias; those that are not wanted are None."""
    kind, number, mean, inverse, constant = config
    return _core.norm_grad(input, grad_output, mean, inverse, weight, kind, number, constant, wanted)


@primitive
def _norm_grad_input(input: Any, grad_output: Any, weight: Any, config: _Config) -> Any:
    return _gradients(input, grad_output, weight, config, "i")[0]


@primitive
def _norm_grad_weight(input: Any, grad_output: Any, config: _Config) -> Any:
    return _gradients(input, grad_output, None, config, "w")[1]


@primitive
def _norm_inverse(input: Any, config: _Config) -> Any:
    """Return 1 / standard deviation in the shape (1, groups, 1) of `_by_groups`."""
    return config.inverse.astype(input.dtype).reshape(1, -1, 1)


@primitive
def _local_response(input: Any, config: tuple[Any, ...]) -> Array:
    result: Array = _core.local_response_forward(input, *config)
    return result


@primitive
def _local_response_grad(input: Any, grad_output: Any, config: tuple[Any, ...]) -> Array:
    result: Array = _core.local_response_grad(input, grad_output, *config)
    return result


@primitive
def _channel_window_sum(input: Any, size: int, adjoint: bool) -> Array:
    result: Array = _core.channel_window_sum(input, size, adjoint)
    return result


# -- derivatives --------------------------------------------------------------------------------


def _by_groups(array: Any, config: _Config) -> Any:
    """Return the array in the shape (segments, groups, length), statistics being over segments and length."""
    shape = array.shape
    if config.kind == "batch":
        return anp.reshape(array, (shape[0], shape[1], math.prod(shape[2:])))
    count = config.mean.size
    return anp.reshape(array, (1, count, math.prod(shape) // max(count, 1)))


def _group_mean(array: Any) -> Any:
    return anp.mean(array, axis=(0, 2), keepdims=True) if array.size else anp.zeros((1, array.shape[1], 1))


def _channel_sum(array: Any, config: _Config) -> Any:
    """Sum over everything but the axes of weight and bias."""
    axes = range(array.ndim - config.number) if config.kind == "layer" else (0, *range(2, array.ndim))
    return anp.sum(array, axis=tuple(axes))


def _along_channels(weight: Any, array: Any, config: _Config) -> Any:
    """Return a weight in a shape that broadcasts to the array's."""
    return weight if config.kind == "layer" else anp.reshape(weight, (-1, *(1,) * (array.ndim - 2)))


def _weighted(array: Any, weight: Any, config: _Config) -> Any:
    return array if weight is None else array * _along_channels(weight, array, config)


def _norm_vjps(argnums: Sequence[int], ans: Any, args: tuple[Any, ...]) -> Callable[[Any], tuple[Any, ...]]:
    """Return the gradients of `_norm` in some of its arguments, from one pass where nothing is traced."""
    input, weight, _, config = args

    def vjps(g: Any) -> tuple[Any, ...]:
        g = cotangent(g, ans)
        if isbox(g) or isbox(input) or isbox(weight):
            makers = (
                lambda: _norm_grad_input(input, g, weight, config),
                lambda: _norm_grad_weight(input, g, config),
                lambda: _channel_sum(g, config),
            )
            return tuple(makers[argnum]() for argnum in argnums)
        gradients = _gradients(input, g, weight, config, "".join("iwb"[argnum] for argnum in argnums))
        return tuple(gradients[argnum] for argnum in argnums)

    return vjps


def _second_derivative(input: Any, u: Any, v: Any, config: _Config) -> Any:
    """
    Gradient in the input of <v, P(u)>.

    With r = inverse, a = mean(z v), b = mean(z u) and S = <v, P(u)> / r of each group of M elements:
    dr = -r^2 mean(z dx), da = mean(P(v) dx) and db = mean(P(u) dx), so that the gradient is
    -r^2 z S / M - r (b P(v) + a P(u)).
    """
    if config.constant:
        return anp.zeros_like(input)
    z = _by_groups(_norm(input, None, None, config), config)
    r = _norm_inverse(input, config)
    pu, pv = (_by_groups(_norm_grad_input(input, array, None, config), config) for array in (u, v))
    u, v = _by_groups(u, config), _by_groups(v, config)
    a, b = _group_mean(z * v), _group_mean(z * u)
    mean_s = _group_mean(v * pu) / r
    gradient = -(r**2) * z * mean_s - r * (b * pv + a * pu)
    return anp.reshape(gradient, input.shape)


def _directional(input: Any, u: Any, direction: Any, config: _Config) -> Any:
    """Return the derivative of P(u) when the input moves in a direction."""
    if config.constant:
        return anp.zeros_like(input)
    z = _by_groups(_norm(input, None, None, config), config)
    r = _norm_inverse(input, config)
    pu, dz = (_by_groups(_norm_grad_input(input, array, None, config), config) for array in (u, direction))
    u, direction = _by_groups(u, config), _by_groups(direction, config)
    dr = -(r**2) * _group_mean(z * direction)
    derivative = dr / r * pu - r * (dz * _group_mean(z * u) + z * _group_mean(dz * u))
    return anp.reshape(derivative, input.shape)


defvjp_jointly(_norm, _norm_vjps)
defjvp(
    _norm,
    lambda g, ans, input, weight, bias, config: _weighted(
        _norm_grad_input(input, g, None, config), weight, config
    ),
    lambda g, ans, input, weight, bias, config: _norm(input, g, None, config),
    lambda g, ans, input, weight, bias, config: _along_channels(g, input, config) + anp.zeros_like(input),
)
defvjp(
    _norm_grad_input,
    lambda ans, input, grad_output, weight, config: (
        lambda g: _second_derivative(input, _weighted(grad_output, weight, config), cotangent(g, ans), config)
    ),
    lambda ans, input, grad_output, weight, config: (
        lambda g: _weighted(_norm_grad_input(input, cotangent(g, ans), None, config), weight, config)
    ),
    lambda ans, input, grad_output, weight, config: (
        lambda g: _channel_sum(grad_output * _norm_grad_input(input, cotangent(g, ans), None, config), config)
    ),
)
defjvp(
    _norm_grad_input,
    lambda g, ans, input, grad_output, weight, config: _directional(
        input, _weighted(grad_output, weight, config), g, config
    ),
    lambda g, ans, input, grad_output, weight, config: _norm_grad_input(input, g, weight, config),
    lambda g, ans, input, grad_output, weight, config: _norm_grad_input(input, grad_output, g, config),
)
defvjp(
    _norm_grad_weight,
    lambda ans, input, grad_output, config: (
        lambda g: _norm_grad_input(input, grad_output, cotangent(g, ans), config)
    ),
    lambda ans, input, grad_output, config: lambda g: _norm(input, cotangent(g, ans), None, config),
)
defjvp(
    _norm_grad_weight,
    lambda g, ans, input, grad_output, config: _channel_sum(
        grad_output * _norm_grad_input(input, g, None, config), config
    ),
    lambda g, ans, input, grad_output, config: _norm_grad_weight(input, g, config),
)


def _inverse_gradient(input: Any, g: Any, config: _Config) -> Any:
    """Return the gradient of the inverse standard deviations; those that are no constants."""
    z, r = _by_groups(_norm(input, None, None, config), config), _norm_inverse(input, config)
    size = z.size // max(r.size, 1)
    return anp.reshape(-(r**2) / max(size, 1) * z * g, input.shape)


defvjp(_norm_inverse, lambda ans, input, config: lambda g: _inverse_gradient(input, g, config))
defjvp(
    _norm_inverse,
    lambda g, ans, input, config: (
        -(_norm_inverse(input, config) ** 2)
        * _group_mean(_by_groups(_norm(input, None, None, config), config) * _by_groups(g, config))
    ),
)


def _response_scale(input: Any, config: tuple[Any, ...]) -> tuple[Any, float, float]:
    size, alpha, beta, k = config
    share = alpha / size
    return k + share * _channel_window_sum(input * input, size, False), share, beta


def _response_curvature(input: Any, grad_output: Any, direction: Any, config: tuple[Any, ...]) -> Any:
    """
    Gradient in the input of <direction, gradient of local_response_norm>.

    The gradient G(x, g) = g s^-beta - 2 beta share x W*(g x s^-(beta + 1)), with s = k + share W(x^2), W the
    sum over windows and W* its adjoint, is differentiated as it stands.
    """

    def product(x: Any) -> Any:
        scale, share, beta = _response_scale(x, config)
        falls = grad_output * x * scale ** (-beta - 1)
        gradient = grad_output * scale**-beta - 2 * beta * share * x * _channel_window_sum(
            falls, config[0], True
        )
        return anp.sum(direction * gradient)

    vjp, value = make_vjp(product)(input)
    return vjp(anp.ones_like(value))


def _response_directional(input: Any, direction: Any, config: tuple[Any, ...]) -> Any:
    """Return the derivative of `local_response_norm` when the input moves in a direction."""
    scale, share, beta = _response_scale(input, config)
    growth = _channel_window_sum(input * direction, config[0], False)
    return direction * scale**-beta - 2 * beta * share * input * scale ** (-beta - 1) * growth


defvjp(
    _local_response,
    lambda ans, input, config: lambda g: _local_response_grad(input, cotangent(g, ans), config),
)
defjvp(_local_response, lambda g, ans, input, config: _response_directional(input, g, config))
defvjp(
    _local_response_grad,
    lambda ans, input, grad_output, config: (
        lambda g: _response_curvature(input, grad_output, cotangent(g, ans), config)
    ),
    lambda ans, input, grad_output, config: lambda g: _response_directional(input, cotangent(g, ans), config),
)
defvjp(
    _channel_window_sum,
    lambda ans, input, size, adjoint: lambda g: _channel_window_sum(cotangent(g, ans), size, not adjoint),
)
defjvp(_channel_window_sum, "same")
