"""
Adaptive pooling, whose windows follow from the output size, and global pooling, which has one window.

Window i of an axis covers [floor(i I / O), ceil((i + 1) I / O)) of its I elements, O being the output size.
"""

# ruff: noqa: ARG005 (autograd gives the makers of products all arguments, by position)
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import autograd.numpy as anp
import numpy as np
from autograd.tracer import getval

from .. import _core, shapes
from .._checks import boolean
from ._differentiation import cotangent, defjvp, defvjp, primitive, refuse_traced
from ._indexed_pool import _indexed_add, _indexed_pick

if TYPE_CHECKING:
    from .._typing import Array, OutputSize, Pooled, Size

# axes, output_size
_Config = tuple[int, Any]


def adaptive_avg_pool1d(input: Array, output_size: Size, *, out: Array | None = None) -> Array:
    """
    Mean of `output_size` windows of a signal of shape (N, C, L) or (C, L); see `adaptive_avg_pool2d`.

    Raises
    ------
    TypeError, ValueError
        As `adaptive_avg_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.adaptive_avg_pool1d(np.array([[1.0, 2.0, 3.0, 4.0, 5.0]]), 3).tolist()
    [[1.5, 3.0, 4.5]]
    """
    return _average(1, input, output_size, out)


def adaptive_avg_pool2d(input: Array, output_size: OutputSize, *, out: Array | None = None) -> Array:
    """
    Mean of as many windows of an image as the output has elements.

    The windows cover the image as evenly as whole pixels allow: row i of the output averages the rows from
    floor(i H / OH) to below ceil((i + 1) H / OH). Sums are carried in float64.

    Parameters
    ----------
    input : ndarray, shape (N, C, H, W) or (C, H, W)
        float32 or float64, any memory layout.
    output_size : int or pair of int or None
        (OH, OW), or one number for both; None keeps a size of the input.
    out : ndarray, optional
        Array to write the result into: of the exact shape and dtype, C-contiguous, not overlapping the
        input. Not possible while autograd differentiates.

    Returns
    -------
    ndarray, shape (N, C, OH, OW) or (C, OH, OW)

    Raises
    ------
    TypeError
        If `input` is not a float32 or float64 array.
    ValueError
        If `input` has no rows or columns, or an output size is negative.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.adaptive_avg_pool2d(np.arange(12.0).reshape(1, 3, 4), (1, 2)).tolist()
    [[[4.5, 6.5]]]
    """
    return _average(2, input, output_size, out)


def adaptive_avg_pool3d(input: Array, output_size: OutputSize, *, out: Array | None = None) -> Array:
    """
    Mean of windows of a volume of shape (N, C, D, H, W) or (C, D, H, W); see `adaptive_avg_pool2d`.

    Raises
    ------
    TypeError, ValueError
        As `adaptive_avg_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.adaptive_avg_pool3d(np.arange(8.0).reshape(1, 2, 2, 2), (2, 1, 1)).tolist()
    [[[[1.5]], [[5.5]]]]
    """
    return _average(3, input, output_size, out)


def adaptive_max_pool1d(
    input: Array, output_size: Size, return_indices: bool = False, *, out: Array | None = None
) -> Pooled:
    """
    Maximum of `output_size` windows of a signal of shape (N, C, L) or (C, L); see `adaptive_max_pool2d`.

    Raises
    ------
    TypeError, ValueError
        As `adaptive_max_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.adaptive_max_pool1d(np.array([[1.0, 2.0, 3.0, 4.0, 5.0]]), 3).tolist()
    [[2.0, 4.0, 5.0]]
    """
    return _maximum(1, input, output_size, return_indices, out)


def adaptive_max_pool2d(
    input: Array, output_size: OutputSize, return_indices: bool = False, *, out: Array | None = None
) -> Pooled:
    """
    Maximum of as many windows of an image as the output has elements.

    Parameters
    ----------
    input : ndarray, shape (N, C, H, W) or (C, H, W)
        float32 or float64, any memory layout. A window that contains a NaN gives NaN.
    output_size : int or pair of int or None
        (OH, OW), or one number for both; None keeps a size of the input. The windows are those of
        `adaptive_avg_pool2d`.
    return_indices : bool, default False
        Return the positions of the maxima too.
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
        If `input` is not a float32 or float64 array.
    ValueError
        If `input` has no channels, rows or columns, or an output size is negative.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.adaptive_max_pool2d(np.arange(12.0).reshape(1, 3, 4), (1, 2)).tolist()
    [[[9.0, 11.0]]]
    """
    return _maximum(2, input, output_size, return_indices, out)


def adaptive_max_pool3d(
    input: Array, output_size: OutputSize, return_indices: bool = False, *, out: Array | None = None
) -> Pooled:
    """
    Maximum of windows of a volume of shape (N, C, D, H, W) or (C, D, H, W); see `adaptive_max_pool2d`.

    Raises
    ------
    TypeError, ValueError
        As `adaptive_max_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.adaptive_max_pool3d(np.arange(8.0).reshape(1, 2, 2, 2), (2, 1, 1)).tolist()
    [[[[3.0]], [[7.0]]]]
    """
    return _maximum(3, input, output_size, return_indices, out)


def global_avg_pool(input: Array, *, keepdims: bool = True) -> Array:
    """
    Mean of every channel over all positions, whatever their number.

    Parameters
    ----------
    input : ndarray, shape (N, C, spatial...)
        float32 or float64 with one to three spatial axes; the batch axis is always there, as in ONNX.
    keepdims : bool, default True
        Keep the spatial axes, of size 1.

    Returns
    -------
    ndarray, shape (N, C, 1...) or (N, C)

    Raises
    ------
    TypeError
        If `input` is not a float32 or float64 array.
    ValueError
        If it has another number of axes, or no positions.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.global_avg_pool(np.arange(8.0).reshape(1, 2, 2, 2)).tolist()
    [[[[1.5]], [[5.5]]]]
    >>> F.global_avg_pool(np.arange(8.0).reshape(1, 2, 2, 2), keepdims=False).tolist()
    [[1.5, 5.5]]
    """
    axes = _global_axes(input)
    return _without_axes(_average(axes, input, 1, None), keepdims)


def global_max_pool(input: Array, *, keepdims: bool = True) -> Array:
    """
    Maximum of every channel over all positions, whatever their number.

    Parameters
    ----------
    input : ndarray, shape (N, C, spatial...)
        float32 or float64 with one to three spatial axes; the batch axis is always there, as in ONNX.
    keepdims : bool, default True
        Keep the spatial axes, of size 1.

    Returns
    -------
    ndarray, shape (N, C, 1...) or (N, C)

    Raises
    ------
    TypeError
        If `input` is not a float32 or float64 array.
    ValueError
        If it has another number of axes, or no channels or positions.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.global_max_pool(np.arange(8.0).reshape(1, 2, 2, 2), keepdims=False).tolist()
    [[3.0, 7.0]]
    """
    axes = _global_axes(input)
    return _without_axes(_maximum(axes, input, 1, False, None), keepdims)


def _global_axes(input: Array) -> int:
    axes = getattr(input, "ndim", 4) - 2
    if not 1 <= axes <= 3:
        raise ValueError(
            f"input: expected 3 to 5 dimensions (N, C, spatial...), received shape {input.shape}"
        )
    return int(axes)


def _without_axes(pooled: Array, keepdims: bool) -> Array:
    result: Array = pooled if keepdims else anp.reshape(pooled, pooled.shape[:2])
    return result


def _average(axes: int, input: Array, output_size: OutputSize, out: Array | None) -> Array:
    sizes = _sizes(axes, input, output_size)
    if out is not None:
        refuse_traced(input)
    elif type(input) is not np.ndarray:
        return _adaptive_avg_pool(input, (axes, sizes))
    result: Array = _core.adaptive_avg_pool_forward(axes, input, sizes, out)
    return result


def _maximum(
    axes: int, input: Array, output_size: OutputSize, return_indices: bool, out: Array | None
) -> Pooled:
    boolean("return_indices", return_indices)
    sizes = _sizes(axes, input, output_size)
    if out is not None:
        refuse_traced(input)
    elif type(input) is not np.ndarray:
        config = (axes, sizes)
        values = _adaptive_max_pool(input, config, [])
        return (values, _adaptive_max_indices(getval(input), config)) if return_indices else values
    run = _core.adaptive_max_pool_with_indices if return_indices else _core.adaptive_max_pool_forward
    return run(axes, input, sizes, out)


def _sizes(axes: int, input: Array, output_size: OutputSize) -> Any:
    """Return the sizes as the core takes them; it refuses an input that has no shape or the wrong one."""
    shape = getattr(input, "shape", ())
    if len(shape) not in (axes + 1, axes + 2):
        return 1
    if 0 in shape[-axes:]:
        raise ValueError(f"input: expected spatial sizes >= 1, received shape {shape}")
    # What asks for no rules, and would cost more than the pool of a small array.
    if type(output_size) is int and 0 <= output_size < 1 << 16:
        return output_size
    return shapes.adaptive_output_shape(shape, output_size, axes=axes)[-axes:]


@primitive
def _adaptive_avg_pool(input: Any, config: _Config) -> Array:
    result: Array = _core.adaptive_avg_pool_forward(config[0], input, config[1])
    return result


@primitive
def _adaptive_avg_pool_grad(grad_output: Any, input_shape: Any, config: _Config) -> Array:
    result: Array = _core.adaptive_avg_pool_grad(config[0], grad_output, input_shape, config[1])
    return result


@primitive
def _adaptive_max_pool(input: Any, config: _Config, kept: list[Array]) -> Array:
    """Append the indices to `kept`, which is empty: the products below are made after the result."""
    result, indices = _core.adaptive_max_pool_with_indices(config[0], input, config[1])
    kept.append(indices)
    return result


@primitive
def _adaptive_max_indices(input: Any, config: _Config) -> Array:
    result: Array = _core.adaptive_max_pool_with_indices(config[0], input, config[1])[1]
    return result


defvjp(
    _adaptive_avg_pool,
    lambda ans, input, config: lambda g: _adaptive_avg_pool_grad(cotangent(g, ans), input.shape, config),
)
defjvp(_adaptive_avg_pool, "same")
defvjp(
    _adaptive_avg_pool_grad,
    lambda ans, grad_output, input_shape, config: lambda g: _adaptive_avg_pool(cotangent(g, ans), config),
)
defjvp(_adaptive_avg_pool_grad, "same")
# The choice of the maxima is locally constant in `input`: no derivative through it.
defvjp(
    _adaptive_max_pool,
    lambda ans, input, config, kept: (
        lambda g: _indexed_add(cotangent(g, ans), kept[0], (config[0], input.shape[-config[0] :]))
    ),
)
defjvp(_adaptive_max_pool, lambda g, ans, input, config, kept: _indexed_pick(g, kept[0], config[0]))
