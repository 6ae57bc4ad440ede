"""
Initial values of parameters.

Every function returns a new array of the given shape (torch's namesakes, with an underscore at the end,
fill a tensor instead): ``layer.weight = init.kaiming_normal(layer.weight.shape)``.

Weights have shape (outputs, inputs, *kernel); ``fan_in`` is inputs times kernel positions, the number of
products in one output, and ``fan_out`` is outputs times kernel positions.

Sources: Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks"
(2010), for the functions named Xavier; He et al., "Delving deep into rectifiers" (2015), for those named
Kaiming.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

import numpy as np

from ._checks import choice, float_dtype, integer
from ._random import generator

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ._typing import Array, DType, RandomSource

__all__ = [
    "calculate_fan",
    "calculate_gain",
    "constant",
    "kaiming_normal",
    "kaiming_uniform",
    "normal",
    "ones",
    "skip_random",
    "uniform",
    "xavier_normal",
    "xavier_uniform",
    "zeros",
]

_GAINS = {
    "linear": 1.0,
    "conv1d": 1.0,
    "conv2d": 1.0,
    "conv3d": 1.0,
    "sigmoid": 1.0,
    "tanh": 5.0 / 3.0,
    "relu": math.sqrt(2.0),
    "selu": 0.75,
}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """
    Factor by which weights should grow to make up for what an activation takes away.

    Parameters
    ----------
    nonlinearity : str
        "linear", "conv1d", "conv2d", "conv3d", "sigmoid", "tanh", "relu", "leaky_relu" or "selu".
    param : float, optional
        The negative slope of "leaky_relu", 0.01 by default.

    Returns
    -------
    float
        The value that torch recommends: sqrt(2 / (1 + slope²)) for leaky_relu.

    Raises
    ------
    ValueError
        If the name is another.

    Examples
    --------
    >>> round(calculate_gain("relu"), 4)
    1.4142
    """
    choice("nonlinearity", nonlinearity, (*_GAINS, "leaky_relu"))
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, (int, float, np.integer, np.floating)):
            raise TypeError(f"param: expected the negative slope as a number, received {slope!r}")
        return math.sqrt(2.0 / (1.0 + slope**2))
    return _GAINS[nonlinearity]


def calculate_fan(shape: Sequence[int]) -> tuple[int, int]:
    """
    Return (fan_in, fan_out) of a weight.

    Parameters
    ----------
    shape : sequence of int
        (outputs, inputs, *kernel), at least two numbers.

    Returns
    -------
    fan_in, fan_out : int

    Raises
    ------
    ValueError
        If there are fewer than two numbers.

    Examples
    --------
    >>> calculate_fan((8, 3, 5, 5))
    (75, 200)
    """
    shape = _shape(shape)
    if len(shape) < 2:
        raise ValueError(f"shape: expected (outputs, inputs, *kernel), received {shape}")
    positions = math.prod(shape[2:])
    return shape[1] * positions, shape[0] * positions


_skipping: ContextVar[bool] = ContextVar("convnative_init_skipping", default=False)


@contextmanager
def skip_random() -> Iterator[None]:
    """
    Make layers without drawing their weights, in a ``with`` block: the random functions give zeros.

    For a model whose weights come from elsewhere (`Module.load_state_dict`), or of which only shapes and
    counts are wanted. The operating system gives memory for zeros when they are first written to, so that
    a model of any size is made at once. Other threads are not affected.

    Yields
    ------
    None

    Examples
    --------
    >>> from convnative import models
    >>> with skip_random():
    ...     model = models.vgg16()
    >>> sum(parameter.size for parameter in model.parameters())
    138357544
    """
    token = _skipping.set(True)
    try:
        yield
    finally:
        _skipping.reset(token)


def uniform(
    shape: Sequence[int],
    a: float = 0.0,
    b: float = 1.0,
    *,
    dtype: DType = np.float32,
    rng: RandomSource = None,
) -> Array:
    """
    Return numbers drawn uniformly from [a, b].

    Parameters
    ----------
    shape : sequence of int
        Shape of the result.
    a, b : float
        The interval.
    dtype : float32 or float64, default float32
        Dtype of the result.
    rng : numpy.random.Generator or int, optional
        Source of the random numbers, or a seed for one; by default the generator of `manual_seed`.

    Returns
    -------
    ndarray, shape `shape`

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    Examples
    --------
    >>> x = uniform((1000,), -2, 3, rng=0)
    >>> bool(x.min() < -1.9), bool(x.max() > 2.9), x.dtype.name
    (True, True, 'float32')
    """
    if not a <= b:
        raise ValueError(f"b: expected a number >= a = {a}, received {b}")
    shape, dtype, source = _shape(shape), float_dtype("dtype", dtype), generator(rng)
    if _skipping.get():
        return np.zeros(shape, dtype)
    values = source.random(shape, dtype=dtype)
    values *= b - a
    values += a
    return values


def normal(
    shape: Sequence[int],
    mean: float = 0.0,
    std: float = 1.0,
    *,
    dtype: DType = np.float32,
    rng: RandomSource = None,
) -> Array:
    """
    Return numbers drawn from a normal distribution.

    Parameters
    ----------
    shape : sequence of int
        Shape of the result.
    mean, std : float
        Mean and standard deviation.
    dtype, rng
        As in `uniform`.

    Returns
    -------
    ndarray, shape `shape`

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    Examples
    --------
    >>> x = normal((10000,), 5.0, 2.0, rng=0)
    >>> print(x.mean().round(1), x.std().round(1))
    5.0 2.0
    """
    if not std >= 0:
        raise ValueError(f"std: expected a number >= 0, received {std}")
    shape, dtype, source = _shape(shape), float_dtype("dtype", dtype), generator(rng)
    if _skipping.get():
        return np.zeros(shape, dtype)
    values = source.standard_normal(shape, dtype=dtype)
    values *= std
    values += mean
    return values


def constant(shape: Sequence[int], value: float, *, dtype: DType = np.float32) -> Array:
    """
    Return one number everywhere.

    Parameters
    ----------
    shape : sequence of int
        Shape of the result.
    value : float
        The number.
    dtype : float32 or float64, default float32
        Dtype of the result.

    Returns
    -------
    ndarray, shape `shape`

    Examples
    --------
    >>> constant((2,), 0.5).tolist()
    [0.5, 0.5]
    """
    return np.full(_shape(shape), value, dtype=float_dtype("dtype", dtype))


def zeros(shape: Sequence[int], *, dtype: DType = np.float32) -> Array:
    """
    Return zeros.

    Parameters
    ----------
    shape : sequence of int
        Shape of the result.
    dtype : float32 or float64, default float32
        Dtype of the result.

    Returns
    -------
    ndarray, shape `shape`

    Examples
    --------
    >>> zeros((2,)).tolist()
    [0.0, 0.0]
    """
    return constant(shape, 0.0, dtype=dtype)


def ones(shape: Sequence[int], *, dtype: DType = np.float32) -> Array:
    """
    Return ones.

    Parameters
    ----------
    shape : sequence of int
        Shape of the result.
    dtype : float32 or float64, default float32
        Dtype of the result.

    Returns
    -------
    ndarray, shape `shape`

    Examples
    --------
    >>> ones((2,)).tolist()
    [1.0, 1.0]
    """
    return constant(shape, 1.0, dtype=dtype)


def xavier_uniform(
    shape: Sequence[int], gain: float = 1.0, *, dtype: DType = np.float32, rng: RandomSource = None
) -> Array:
    """
    Return Glorot's uniform weights: in ±gain * sqrt(6 / (fan_in + fan_out)).

    Parameters
    ----------
    shape : sequence of int
        (outputs, inputs, *kernel).
    gain : float, default 1
        See `calculate_gain`.
    dtype, rng
        As in `uniform`.

    Returns
    -------
    ndarray, shape `shape`

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    Examples
    --------
    >>> bool(abs(xavier_uniform((4, 2))).max() <= 1.0)
    True
    """
    fan_in, fan_out = calculate_fan(shape)
    bound = abs(gain) * math.sqrt(6.0 / max(fan_in + fan_out, 1))
    return uniform(shape, -bound, bound, dtype=dtype, rng=rng)


def xavier_normal(
    shape: Sequence[int], gain: float = 1.0, *, dtype: DType = np.float32, rng: RandomSource = None
) -> Array:
    """
    Return Glorot's normal weights: standard deviation gain * sqrt(2 / (fan_in + fan_out)).

    Parameters
    ----------
    shape : sequence of int
        (outputs, inputs, *kernel).
    gain : float, default 1
        See `calculate_gain`.
    dtype, rng
        As in `uniform`.

    Returns
    -------
    ndarray, shape `shape`

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    Examples
    --------
    >>> print(xavier_normal((100, 100), rng=0).std().round(2))
    0.1
    """
    fan_in, fan_out = calculate_fan(shape)
    std = abs(gain) * math.sqrt(2.0 / max(fan_in + fan_out, 1))
    return normal(shape, 0.0, std, dtype=dtype, rng=rng)


def kaiming_uniform(
    shape: Sequence[int],
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    *,
    dtype: DType = np.float32,
    rng: RandomSource = None,
) -> Array:
    """
    Return He's uniform weights: in ±gain * sqrt(3 / fan).

    Parameters
    ----------
    shape : sequence of int
        (outputs, inputs, *kernel).
    a : float, default 0
        Negative slope of the activation that follows, for "leaky_relu"; 0 is ReLU.
    mode : {"fan_in", "fan_out"}
        Whether to keep the scale in the forward or in the backward direction.
    nonlinearity : str, default "leaky_relu"
        See `calculate_gain`.
    dtype, rng
        As in `uniform`.

    Returns
    -------
    ndarray, shape `shape`

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    Examples
    --------
    >>> bool(abs(kaiming_uniform((4, 6))).max() <= 1.0)
    True
    """
    std = _kaiming_std(shape, a, mode, nonlinearity)
    bound = math.sqrt(3.0) * std
    return uniform(shape, -bound, bound, dtype=dtype, rng=rng)


def kaiming_normal(
    shape: Sequence[int],
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    *,
    dtype: DType = np.float32,
    rng: RandomSource = None,
) -> Array:
    """
    Return He's normal weights: standard deviation gain / sqrt(fan).

    Parameters
    ----------
    shape, a, mode, nonlinearity, dtype, rng
        As in `kaiming_uniform`.

    Returns
    -------
    ndarray, shape `shape`

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    Examples
    --------
    >>> print(kaiming_normal((100, 200), rng=0).std().round(2))
    0.1
    """
    return normal(shape, 0.0, _kaiming_std(shape, a, mode, nonlinearity), dtype=dtype, rng=rng)


def _kaiming_std(shape: Sequence[int], a: float, mode: str, nonlinearity: str) -> float:
    choice("mode", mode, ("fan_in", "fan_out"))
    fan_in, fan_out = calculate_fan(shape)
    return calculate_gain(nonlinearity, a) / math.sqrt(max(fan_in if mode == "fan_in" else fan_out, 1))


def _shape(shape: Sequence[int]) -> tuple[int, ...]:
    if not hasattr(shape, "__iter__"):
        raise TypeError(f"shape: expected a sequence of ints, received {shape!r}")
    sizes = tuple(integer("shape", size, 0) for size in shape)
    if math.prod(sizes) >= 2**60:  # NumPy says ValueError to more bytes than there are addresses
        raise OverflowError(f"shape: expected fewer than 2**60 elements, received {sizes}")
    return sizes
