"""Elements moved between channels and space, or among channels: changes of the order of axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core, shapes
from .._checks import choice, integer
from ._differentiation import cotangent, defjvp, defvjp, primitive

if TYPE_CHECKING:
    from .._typing import Array

_ORDERS = ("crd", "dcr")

_Shape = tuple[int, ...]
# What `_permute` makes of an array: seen in a shape, its axes put in an order, the result in a shape.
_Move = tuple[_Shape, _Shape, _Shape]


def pixel_shuffle(input: Array, upscale_factor: int, *, order: str = "crd") -> Array:
    """
    Larger image out of groups of r * r channels: depth to space.

    Parameters
    ----------
    input : ndarray, shape (..., C * r * r, H, W)
        float32 or float64, any memory layout.
    upscale_factor : int
        r.
    order : {"crd", "dcr"}
        Whether channel (c * r + i) * r + j of the input, as in torch, or channel (i * r + j) * C + c goes
        to row i and column j of channel c's blocks: ONNX's modes of DepthToSpace.

    Returns
    -------
    ndarray, shape (..., C, H * r, W * r)

    Raises
    ------
    TypeError
        If `input` is not a float32 or float64 array or `upscale_factor` not an int.
    ValueError
        If `input` has fewer than three axes or r * r does not divide its channels.

    See Also
    --------
    pixel_unshuffle : the inverse.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.pixel_shuffle(np.arange(4.0).reshape(4, 1, 1), 2).tolist()
    [[[0.0, 1.0], [2.0, 3.0]]]
    """
    shape = _shape_of(input)
    output: Any = shapes.pixel_shuffle_output_shape(shape, upscale_factor)
    *leading, channels, height, width = output[:-2] + shape[-2:]
    n, r = len(leading), upscale_factor
    if choice("order", order, _ORDERS) == "crd":
        view, axes = (*leading, channels, r, r, height, width), (n, n + 3, n + 1, n + 4, n + 2)
    else:
        view, axes = (*leading, r, r, channels, height, width), (n + 2, n + 3, n, n + 4, n + 1)
    return _moved(input, (view, (*range(n), *axes), output))


def pixel_unshuffle(input: Array, downscale_factor: int, *, order: str = "crd") -> Array:
    """
    Smaller image of which r * r channels hold each channel's blocks: space to depth.

    Parameters
    ----------
    input : ndarray, shape (..., C, H * r, W * r)
        float32 or float64, any memory layout.
    downscale_factor : int
        r.
    order : {"crd", "dcr"}
        As in `pixel_shuffle`; ONNX's SpaceToDepth is "dcr".

    Returns
    -------
    ndarray, shape (..., C * r * r, H, W)

    Raises
    ------
    TypeError
        If `input` is not a float32 or float64 array or `downscale_factor` not an int.
    ValueError
        If `input` has fewer than three axes or r does not divide its last two.

    See Also
    --------
    pixel_shuffle : the inverse.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.pixel_unshuffle(np.arange(4.0).reshape(1, 2, 2), 2).tolist()
    [[[0.0]], [[1.0]], [[2.0]], [[3.0]]]
    """
    shape = _shape_of(input)
    output: Any = shapes.pixel_unshuffle_output_shape(shape, downscale_factor)
    *leading, channels, height, width = shape[:-2] + output[-2:]
    n, r = len(leading), downscale_factor
    view = (*leading, channels, height, r, width, r)
    crd = choice("order", order, _ORDERS) == "crd"
    axes = (n, n + 2, n + 4, n + 1, n + 3) if crd else (n + 2, n + 4, n, n + 1, n + 3)
    return _moved(input, (view, (*range(n), *axes), output))


def channel_shuffle(input: Array, groups: int) -> Array:
    """
    Channels of which neighbours come from different groups.

    Parameters
    ----------
    input : ndarray, shape (N, C, spatial...)
        float32 or float64, any memory layout, at least one spatial axis.
    groups : int
        Divides C. Channel g * (C / groups) + i goes to i * groups + g.

    Returns
    -------
    ndarray, shape of `input`

    Raises
    ------
    TypeError
        If `input` is not a float32 or float64 array or `groups` not an int.
    ValueError
        If `input` has fewer than three axes or `groups` does not divide its channels.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.channel_shuffle(np.arange(6.0).reshape(1, 6, 1), 2).ravel().tolist()
    [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]
    """
    shape = _shape_of(input)
    if len(shape) < 3:
        raise ValueError(f"input: expected at least 3 dimensions, received shape {shape}")
    batch, channels, *spatial = shape
    groups = integer("groups", groups, 1)
    if channels % groups:
        raise ValueError(f"groups: expected a divisor of the {channels} channels, received {groups}")
    view = (batch, groups, channels // groups, *spatial)
    return _moved(input, (view, (0, 2, 1, *range(3, len(view))), shape))


def _shape_of(input: Any) -> _Shape:
    if not hasattr(input, "shape"):
        raise TypeError(
            f"input: expected a numpy.ndarray of float32 or float64, received {type(input).__name__}"
        )
    shape: _Shape = input.shape
    return shape


def _moved(input: Any, move: _Move) -> Array:
    if type(input) is not np.ndarray:
        return _permute(input, move)
    result: Array = _core.permute(input, *move)
    return result


def _inverse(move: _Move, input_shape: _Shape) -> _Move:
    view, order, _ = move
    back = sorted(range(len(order)), key=order.__getitem__)
    return tuple(view[axis] for axis in order), tuple(back), input_shape


@primitive
def _permute(input: Any, move: _Move) -> Array:
    result: Array = _core.permute(input, *move)
    return result


defvjp(_permute, lambda ans, input, move: lambda g: _permute(cotangent(g, ans), _inverse(move, input.shape)))
defjvp(_permute, "same")
