"""Dropout: of elements or whole channels, to zero or to what keeps mean and variance."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from autograd.tracer import getval, isbox

from .._checks import float_array, number
from .._random import generator

if TYPE_CHECKING:
    from .._typing import Array, RandomSource

# Minus the limit of selu for very negative elements: what dropped elements become.
_SELU_LIMIT = 1.7580993408473766


def dropout(input: Array, p: float = 0.5, training: bool = True, *, rng: RandomSource = None) -> Array:
    """
    Set random elements to zero and scale the others up, so that the mean stays.

    Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting" (2014), in the
    form that scales by 1 / (1 - p) during training.

    Parameters
    ----------
    input : ndarray, any shape
        float32 or float64.
    p : float, default 0.5
        Probability of an element to be zeroed.
    training : bool, default True
        Without it, `input` is returned as it is.
    rng : numpy.random.Generator or int, optional
        Source of the random numbers, or a seed for one; by default the generator of `manual_seed`.

    Returns
    -------
    ndarray, shape of `input`

    Raises
    ------
    TypeError
        If `input` is not a float32 or float64 array.
    ValueError
        If `p` is not from 0 to 1.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> y = F.dropout(np.ones(1000), 0.25, rng=0)
    >>> sorted(set(y.round(3).tolist()))
    [0.0, 1.333]
    >>> F.dropout(np.ones(3), 0.25, training=False).tolist()
    [1.0, 1.0, 1.0]
    """
    return _dropout(input, p, training, rng, axes=None)


def dropout1d(input: Array, p: float = 0.5, training: bool = True, *, rng: RandomSource = None) -> Array:
    """
    `dropout` of whole channels of sequences.

    Parameters
    ----------
    input : ndarray, shape (N, C, L) or (C, L)
        float32 or float64.
    p, training, rng
        See `dropout`.

    Returns
    -------
    ndarray, shape of `input`

    Raises
    ------
    TypeError, ValueError
        As `dropout`, or if `input` has another number of dimensions.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.dropout1d(np.ones((1, 3, 2)), rng=0).tolist()
    [[[2.0, 2.0], [0.0, 0.0], [0.0, 0.0]]]
    """
    return _dropout(input, p, training, rng, axes=1)


def dropout2d(input: Array, p: float = 0.5, training: bool = True, *, rng: RandomSource = None) -> Array:
    """
    `dropout` of whole channels of images.

    Tompson et al., "Efficient object localization using convolutional networks" (2014).

    Parameters
    ----------
    input : ndarray, shape (N, C, H, W) or (C, H, W)
        float32 or float64.
    p, training, rng
        See `dropout`.

    Returns
    -------
    ndarray, shape of `input`

    Raises
    ------
    TypeError, ValueError
        As `dropout`, or if `input` has another number of dimensions.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.dropout2d(np.ones((1, 3, 1, 2)), rng=0).tolist()
    [[[[2.0, 2.0]], [[0.0, 0.0]], [[0.0, 0.0]]]]
    """
    return _dropout(input, p, training, rng, axes=2)


def dropout3d(input: Array, p: float = 0.5, training: bool = True, *, rng: RandomSource = None) -> Array:
    """
    `dropout` of whole channels of volumes.

    Parameters
    ----------
    input : ndarray, shape (N, C, D, H, W) or (C, D, H, W)
        float32 or float64.
    p, training, rng
        See `dropout`.

    Returns
    -------
    ndarray, shape of `input`

    Raises
    ------
    TypeError, ValueError
        As `dropout`, or if `input` has another number of dimensions.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.dropout3d(np.ones((1, 3, 1, 1, 1)), rng=0).ravel().tolist()
    [2.0, 0.0, 0.0]
    """
    return _dropout(input, p, training, rng, axes=3)


def alpha_dropout(input: Array, p: float = 0.5, training: bool = False, *, rng: RandomSource = None) -> Array:
    """
    Set random elements to selu's limit, and scale and shift all so that mean 0 and variance 1 stay.

    Klambauer et al., "Self-normalizing neural networks" (2017); for use with `selu`.

    Parameters
    ----------
    input : ndarray, any shape
        float32 or float64.
    p : float, default 0.5
        Probability of an element to be dropped.
    training : bool, default False
        Without it, `input` is returned as it is.
    rng : numpy.random.Generator or int, optional
        Source of the random numbers, or a seed for one; by default the generator of `manual_seed`.

    Returns
    -------
    ndarray, shape of `input`

    Raises
    ------
    TypeError
        If `input` is not a float32 or float64 array.
    ValueError
        If `p` is not from 0 to 1.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> y = F.alpha_dropout(np.random.default_rng(0).standard_normal(100000), 0.3, True, rng=1)
    >>> bool(abs(y.mean()) < 0.02 and abs(y.std() - 1) < 0.02)
    True
    """
    return _alpha_dropout(input, p, training, rng, whole_channels=False)


def feature_alpha_dropout(
    input: Array, p: float = 0.5, training: bool = False, *, rng: RandomSource = None
) -> Array:
    """
    `alpha_dropout` of whole channels.

    Parameters
    ----------
    input : ndarray, shape (N, C, ...)
        float32 or float64.
    p, training, rng
        See `alpha_dropout`.

    Returns
    -------
    ndarray, shape of `input`

    Raises
    ------
    TypeError, ValueError
        As `alpha_dropout`, or if `input` has less than 2 dimensions.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.feature_alpha_dropout(np.ones((1, 3, 2)), 0.5, True, rng=0).round(3).tolist()
    [[[1.666, 1.666], [-0.779, -0.779], [-0.779, -0.779]]]
    """
    return _alpha_dropout(input, p, training, rng, whole_channels=True)


def _dropout(input: Array, p: float, training: bool, rng: RandomSource, axes: int | None) -> Array:
    """Drop elements, or with a number of spatial axes whole channels."""
    p = number("p", p, 0, 1)
    if axes is not None and input.ndim not in (axes + 1, axes + 2):
        raise ValueError(
            f"input: expected {axes + 1} or {axes + 2} dimensions, (C, spatial...) or (N, C, spatial...), "
            f"received shape {input.shape}"
        )
    if hasattr(input, "__convnative_function__"):
        stand_in: Array = input.__convnative_function__("dropout", input, p, training)
        return stand_in
    value = float_array("input", getval(input))
    if type(input) is not np.ndarray and not isbox(input):
        input = value  # a subclass does not pass through
    if not training or p == 0:
        return input
    shape = value.shape if axes is None else value.shape[:-axes] + (1,) * axes
    # For p = 1 no draw, from [0, 1), is kept, and the factor is never used.
    keep = generator(rng).random(shape, dtype=value.dtype) >= p
    mask = keep * value.dtype.type(1 / (1 - p) if p < 1 else 0)
    result: Array = input * mask
    return result


def _alpha_dropout(input: Array, p: float, training: bool, rng: RandomSource, whole_channels: bool) -> Array:
    p = number("p", p, 0, 1)
    if hasattr(input, "__convnative_function__"):
        stand_in: Array = input.__convnative_function__("dropout", input, p, training)
        return stand_in
    value = float_array("input", getval(input))
    if whole_channels and value.ndim < 2:
        raise ValueError(f"input: expected shape (N, C, ...), received shape {value.shape}")
    if type(input) is not np.ndarray and not isbox(input):
        input = value  # a subclass does not pass through
    if not training or p == 0:
        return input
    real = value.dtype.type
    result: Array
    if p == 1:
        result = input * real(0)
        return result
    shape = value.shape[:2] + (1,) * (value.ndim - 2) if whole_channels else value.shape
    keep = generator(rng).random(shape, dtype=value.dtype) >= p
    # The variance of a mixture of x, of variance 1, and -limit is (1 - p) (1 + p limit^2), its mean -p limit.
    scale = 1 / math.sqrt((1 - p) * (1 + p * _SELU_LIMIT**2))
    shift = scale * p * _SELU_LIMIT
    result = input * (keep * real(scale)) + (real(shift) - ~keep * real(scale * _SELU_LIMIT))
    return result
