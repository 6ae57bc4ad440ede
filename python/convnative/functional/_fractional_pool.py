"""Fractional max pooling: windows of one size at pseudo-random distances."""

# ruff: noqa: ARG005 (autograd gives the makers of products all arguments, by position)
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from autograd.tracer import getval

from .. import _core, shapes
from .._checks import boolean, float_array
from .._random import generator
from ._differentiation import cotangent, defjvp, defvjp, primitive, refuse_traced
from ._indexed_pool import _indexed_add, _indexed_pick

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._typing import Array, Pooled, RandomSource, Size

# axes, kernel_size, output_size
_Config = tuple[int, Any, Any]


def fractional_max_pool2d(
    input: Array,
    kernel_size: Size,
    output_size: Size | None = None,
    output_ratio: float | Sequence[float] | None = None,
    return_indices: bool = False,
    _random_samples: Array | None = None,
    *,
    rng: RandomSource = None,
    out: Array | None = None,
) -> Pooled:
    """
    Maximum of windows that shrink an image by a factor between 1 and 2, say.

    Graham, "Fractional max-pooling" (2014), with overlapping windows. With a = (H - kernel) / (OH - 1) and
    a random number u from 0 to 1 for each plane and axis, window i begins at floor((i + u) a) - floor(u a),
    the last one at H - kernel.

    Parameters
    ----------
    input : ndarray, shape (N, C, H, W) or (C, H, W)
        float32 or float64, any memory layout. A window that contains a NaN gives NaN.
    kernel_size : int or pair of int
        Size of the window.
    output_size : int or pair of int, optional
        (OH, OW).
    output_ratio : float or pair of float, optional
        The output size as a part of the input's, rounded down; for calls without `output_size`.
    return_indices : bool, default False
        Return the positions of the maxima too.
    _random_samples : ndarray, shape (N, C, 2), optional
        The random numbers, of the input's dtype; the first of each pair belongs to the columns.
    rng : numpy.random.Generator or int, optional
        Source of the random numbers where they are not given, or a seed for one; by default the generator
        of `manual_seed`.
    out : ndarray, optional
        Array to write the result into: of the exact shape and dtype, C-contiguous, not overlapping the
        input. Not possible while autograd differentiates.

    Returns
    -------
    output : ndarray, shape (N, C, OH, OW) or (C, OH, OW)
    indices : ndarray of int64, shape of `output`
        With `return_indices` alone: where each maximum is, as for `max_pool2d`.

    Raises
    ------
    TypeError
        If `input` is not a float32 or float64 array, or `_random_samples` of another dtype.
    ValueError
        If sizes do not fit together, neither size nor ratio is given, or a random number is none.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> x = np.arange(25.0).reshape(1, 5, 5)
    >>> F.fractional_max_pool2d(x, 2, 3, _random_samples=np.full((1, 1, 2), 0.5)).tolist()
    [[[6.0, 8.0, 9.0], [16.0, 18.0, 19.0], [21.0, 23.0, 24.0]]]
    """
    return _pool(2, input, kernel_size, output_size, output_ratio, return_indices, _random_samples, rng, out)


def fractional_max_pool3d(
    input: Array,
    kernel_size: Size,
    output_size: Size | None = None,
    output_ratio: float | Sequence[float] | None = None,
    return_indices: bool = False,
    _random_samples: Array | None = None,
    *,
    rng: RandomSource = None,
    out: Array | None = None,
) -> Pooled:
    """
    Maximum of windows at random distances of a volume; see `fractional_max_pool2d`.

    The volume has shape (N, C, D, H, W) or (C, D, H, W); the random numbers of a plane are for D, H and W, in
    this order.

    Raises
    ------
    TypeError, ValueError
        As `fractional_max_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.fractional_max_pool3d(np.arange(27.0).reshape(1, 3, 3, 3), 2, 1, rng=0).tolist()
    [[[[26.0]]]]
    """
    return _pool(3, input, kernel_size, output_size, output_ratio, return_indices, _random_samples, rng, out)


def _pool(
    axes: int,
    input: Array,
    kernel_size: Size,
    output_size: Size | None,
    output_ratio: float | Sequence[float] | None,
    return_indices: bool,
    samples: Array | None,
    rng: RandomSource,
    out: Array | None,
) -> Pooled:
    boolean("return_indices", return_indices)
    abstract = hasattr(input, "__convnative_function__")
    shape = input.shape if abstract else float_array("input", getval(input)).shape
    sizes = shapes.fractional_output_shape(shape, kernel_size, output_size, output_ratio, axes=axes)[-axes:]
    config = (axes, kernel_size, sizes)
    if samples is None and not abstract:
        channels = (1, *shape)[-axes - 2 : -axes]  # a batch of one where there is none
        samples = generator(rng).random((*channels, axes), dtype=input.dtype.newbyteorder("="))
    if out is not None:
        refuse_traced(input)
    elif type(input) is not np.ndarray:
        if not return_indices:
            return _fractional_max_pool(input, samples, config)
        indices = _fractional_max_indices(getval(input), samples, config)
        return _fractional_max_pool(input, samples, config), indices
    run = _core.fractional_max_pool_with_indices if return_indices else _core.fractional_max_pool_forward
    return run(axes, input, kernel_size, sizes, samples, out)


@primitive
def _fractional_max_pool(input: Any, samples: Any, config: _Config) -> Array:
    axes, kernel_size, output_size = config
    result: Array = _core.fractional_max_pool_forward(axes, input, kernel_size, output_size, samples)
    return result


@primitive
def _fractional_max_indices(input: Any, samples: Any, config: _Config) -> Array:
    axes, kernel_size, output_size = config
    result: Array = _core.fractional_max_pool_with_indices(axes, input, kernel_size, output_size, samples)[1]
    return result


# The choice of the maxima is locally constant in `input`: no derivative through it.
defvjp(
    _fractional_max_pool,
    lambda ans, input, samples, config: (
        lambda g: _indexed_add(
            cotangent(g, ans),
            _fractional_max_indices(getval(input), samples, config),
            (config[0], input.shape[-config[0] :]),
        )
    ),
)
defjvp(
    _fractional_max_pool,
    lambda g, ans, input, samples, config: _indexed_pick(
        g, _fractional_max_indices(getval(input), samples, config), config[0]
    ),
)
