"""
Images of other sizes, in torch's terms and in ONNX's.

Every mode is one linear map per axis, which the core keeps as a table of positions and weights, and its
gradient the map of the tables' transposes::

    resample       input  -> output
    resample_grad  output -> input (adjoint of the former)
"""

# ruff: noqa: ARG005 (autograd gives the makers of products all arguments, by position)
from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from .. import _core, shapes
from .._checks import boolean, choice, integer
from ._differentiation import cotangent, defjvp, defvjp, primitive

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._typing import Array, Size

# axes, size, scale_factor, roi, mode, coordinate_transformation, nearest_mode, cubic_coefficient,
# exclude_outside, antialias, extrapolation_value; sizes, scales (or None) and crops (or None) one per axis
_Config = tuple[Any, ...]

# The number of spatial axes that a mode of `interpolate` is for; of those left out, any from one to three.
_AXES = {"linear": 1, "bilinear": 2, "bicubic": 2, "lanczos": 2, "trilinear": 3}
_MODES = ("nearest", "nearest-exact", "area", *_AXES)
_KERNELS = {"bicubic": "cubic", "lanczos": "lanczos"}
# Images of at most this many rows and columns together: torch has another kernel for them, which takes the
# nearest element by single precision, and as it is or twice where the sizes say so, whatever the factor.
_SMALL_IMAGE = 128


def interpolate(
    input: Array,
    size: Size | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Array:
    """
    Signals, images or volumes of another size.

    Parameters
    ----------
    input : ndarray, shape (N, C, W), (N, C, H, W) or (N, C, D, H, W)
        float32 or float64, any memory layout.
    size : int or sequence of int, optional
        Size of the output's spatial axes. Either this or `scale_factor`.
    scale_factor : float or sequence of float, optional
        Sizes of the output in units of the input's, rounded down. Where an output lies in the input is
        computed from the factor, and not from the sizes, unless `recompute_scale_factor`.
    mode : str
        "nearest" (as torch and OpenCV have it, from the lower corner), "nearest-exact" (from the centre),
        "linear", "bilinear" and "trilinear" for one, two and three axes, "bicubic" (images), "lanczos"
        (images, with `antialias`), or "area", the mean over the elements that an output covers: adaptive
        average pooling.
    align_corners : bool, optional
        For the linear and cubic modes: whether the centres, instead of the borders, of the corner elements
        of input and output coincide.
    recompute_scale_factor : bool, optional
        Whether the sizes that `scale_factor` leads to take its place.
    antialias : bool, default False
        For "bilinear" and "bicubic": where the output is smaller, average over all that it covers. The
        cubic is then Catmull and Rom's (coefficient -0.5, as in Pillow) instead of -0.75.

    Returns
    -------
    ndarray, shape (N, C, *output_size)

    Raises
    ------
    TypeError
        If `input` is not a float32 or float64 array, or sizes are not ints.
    ValueError
        If shape, sizes and mode do not fit together; the message names the argument.

    See Also
    --------
    resize : ONNX's definitions, for any axes.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> x = np.array([[[0.0, 4.0]]])
    >>> F.interpolate(x, scale_factor=2).tolist()
    [[[0.0, 0.0, 4.0, 4.0]]]
    >>> F.interpolate(x, size=4, mode="linear").tolist()
    [[[0.0, 1.0, 3.0, 4.0]]]
    >>> F.interpolate(x, size=3, mode="linear", align_corners=True).tolist()
    [[[0.0, 2.0, 4.0]]]
    """
    config = _torch_config(input, size, scale_factor, mode, align_corners, recompute_scale_factor, antialias)
    return _resampled(input, config)


def _torch_config(
    input: Any, size: Any, scale_factor: Any, mode: str, align_corners: Any, recompute: Any, antialias: Any
) -> _Config:
    shape = _shape_of(input)
    axes = len(shape) - 2
    choice("mode", mode, _MODES)
    boolean("antialias", antialias)
    if align_corners is not None:
        boolean("align_corners", align_corners)
    if recompute is not None:
        boolean("recompute_scale_factor", recompute)
    if not 1 <= axes <= 3:
        raise ValueError(f"input: expected 3, 4 or 5 dimensions (N, C, spatial...), received shape {shape}")
    if _AXES.get(mode, axes) != axes:
        raise ValueError(f"mode: expected one for {axes} spatial axes, received {mode!r}")
    interpolates = mode in _AXES and mode != "lanczos"
    if align_corners is not None and not interpolates:
        raise ValueError(f"align_corners: expected None in mode {mode!r}, received {align_corners!r}")
    if antialias and mode not in ("bilinear", "bicubic", "lanczos"):
        raise ValueError(f"antialias: expected False in mode {mode!r}, received {antialias!r}")
    if mode == "lanczos" and not antialias:
        raise ValueError(f"antialias: expected True in mode 'lanczos', received {antialias!r}")
    if recompute and size is not None:
        raise ValueError(f"recompute_scale_factor: expected None where size is given, received {recompute!r}")
    if mode != "area" and shape[1] < 1:
        raise ValueError(f"input: expected at least one channel, received shape {shape}")
    output: Any = shapes.interpolate_output_shape(shape, size, scale_factor)[2:]
    scales: tuple[float | None, ...] = (None,) * axes
    if scale_factor is not None and not recompute:
        scales = shapes.normalize_scale(scale_factor, axes)

    kernel, coordinates = _KERNELS.get(mode, "linear"), "torch_half_pixel"
    if mode == "area":
        kernel = "area"
    elif mode in ("nearest", "nearest-exact"):
        kernel = "nearest"
        small = axes == 2 and sum(output) <= _SMALL_IMAGE
        coordinates = ("torch_small_image_" if small else "torch_") + mode.replace("-", "_")
    elif align_corners:
        coordinates = "torch_align_corners_antialias" if antialias else "torch_align_corners"
    if kernel == "linear" or antialias:
        # In these modes, torch leaves an axis of the same size as it is, whatever the factor.
        scales = tuple(
            None if new == old else scale for new, old, scale in zip(output, shape[2:], scales, strict=True)
        )
    coefficient = -0.5 if antialias else -0.75
    return (
        tuple(range(2, 2 + axes)),
        output,
        scales,
        (None,) * axes,
        kernel,
        coordinates,
        "floor",
        coefficient,
        bool(antialias),
        bool(antialias),
        0.0,
    )


def resize(
    input: Array,
    size: Size | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    *,
    axes: Sequence[int] | None = None,
    coordinate_transformation: str = "half_pixel",
    nearest_mode: str = "round_prefer_floor",
    cubic_coefficient: float = -0.75,
    exclude_outside: bool = False,
    antialias: bool = False,
    roi: Sequence[Sequence[float]] | None = None,
    extrapolation_value: float = 0.0,
    keep_aspect_ratio: str = "stretch",
) -> Array:
    """
    Array whose axes have other sizes, as ONNX's operator Resize defines it.

    Parameters
    ----------
    input : ndarray
        float32 or float64, any shape and memory layout.
    size : int or sequence of int, optional
        Size of the output along `axes`. Either this or `scale_factor`.
    scale_factor : float or sequence of float, optional
        Sizes of the output in units of the input's, rounded down.
    mode : {"nearest", "linear", "cubic"}
        The kind of interpolation, along one axis after the other.
    axes : sequence of int, optional
        The axes to resize; negative numbers count from the end. By default the last ones, as many as
        `size` or `scale_factor` has numbers, and all behind the first two where it is one number.
    coordinate_transformation : str
        Where an output lies in the input: "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel",
        "align_corners", "asymmetric" or "tf_crop_and_resize".
    nearest_mode : {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"}
        Which element is the nearest.
    cubic_coefficient : float, default -0.75
        The kernel's slope at its first zero; -0.5 is Catmull and Rom's.
    exclude_outside : bool, default False
        Whether elements beside the input have no weight, and the others' weights are scaled to the sum 1.
        Otherwise they are border elements.
    antialias : bool, default False
        Whether linear and cubic kernels are as wide as an output where these are fewer.
    roi : sequence of (start, end) pairs, optional
        The part of each of `axes` that "tf_crop_and_resize" resizes, from 0, the first element, to 1, the
        last.
    extrapolation_value : float, default 0
        What "tf_crop_and_resize" gives outside of the input.
    keep_aspect_ratio : {"stretch", "not_larger", "not_smaller"}
        With `size`: whether one factor, the smallest or the largest of all axes', is used for all of them.

    Returns
    -------
    ndarray

    Raises
    ------
    TypeError
        If `input` is not a float32 or float64 array, or sizes are not ints.
    ValueError
        If shape, sizes and settings do not fit together; the message names the argument.
    IndexError
        If `input` has no such axis.

    See Also
    --------
    interpolate : torch's definitions.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> x = np.array([1.0, 2.0, 3.0, 4.0])
    >>> F.resize(x, (3,), mode="linear").round(3).tolist()
    [1.167, 2.5, 3.833]
    >>> F.resize(x, (2,), mode="linear", antialias=True).round(3).tolist()
    [1.625, 3.375]
    """
    shape = _shape_of(input)
    choice("mode", mode, ("nearest", "linear", "cubic"))
    choice("coordinate_transformation", coordinate_transformation, _COORDINATES)
    choice("keep_aspect_ratio", keep_aspect_ratio, ("stretch", "not_larger", "not_smaller"))
    if antialias and mode == "nearest":
        raise ValueError(f"antialias: expected False in mode 'nearest', received {antialias!r}")
    if (size is None) == (scale_factor is None):
        raise ValueError(
            "size: expected either size or scale_factor, received "
            + ("neither" if size is None else "both of them")
        )
    chosen = _chosen_axes(axes, size if scale_factor is None else scale_factor, len(shape))
    extents = [shape[axis] for axis in chosen]
    scales: tuple[float | None, ...] = (None,) * len(chosen)
    if scale_factor is not None:
        factors = shapes.normalize_scale(scale_factor, len(chosen))
        sizes = tuple(math.floor(extent * factor) for extent, factor in zip(extents, factors, strict=True))
        scales = factors
    else:
        sizes = shapes.normalize_size(cast("Size", size), len(chosen), "size")
        if keep_aspect_ratio != "stretch" and all(extents):
            pick = min if keep_aspect_ratio == "not_larger" else max
            factor = pick(new / old for new, old in zip(sizes, extents, strict=True))
            sizes = tuple(int(extent * factor + 0.5) for extent in extents)
            scales = (factor,) * len(chosen)
    crops = _crops(roi, len(chosen), coordinate_transformation)
    # The core takes the axes in ascending order. What keeps its size is left as it is, whatever the rounding.
    by_axis = sorted(
        (
            entry
            for entry in zip(chosen, sizes, scales, crops, strict=True)
            if not _is_identity(shape, *entry)
        ),
        key=lambda entry: entry[0],
    )
    config = (
        *(tuple(entry[part] for entry in by_axis) for part in range(4)),
        mode,
        coordinate_transformation,
        nearest_mode,
        cubic_coefficient,
        exclude_outside,
        antialias,
        extrapolation_value if coordinate_transformation == "tf_crop_and_resize" else 0.0,
    )
    return _resampled(input, config)


_COORDINATES = (
    "half_pixel",
    "half_pixel_symmetric",
    "pytorch_half_pixel",
    "align_corners",
    "asymmetric",
    "tf_crop_and_resize",
)


def _chosen_axes(axes: Any, sizes: Any, rank: int) -> tuple[int, ...]:
    """Return the axes to resize, none negative."""
    several = isinstance(sizes, (tuple, list))
    if axes is None:
        count = len(sizes) if several else max(rank - 2, 0)
        if count > rank:
            raise ValueError(f"size: expected at most {rank} numbers for the input's axes, received {count}")
        return tuple(range(rank - count, rank))
    if not isinstance(axes, (tuple, list)):
        raise TypeError(f"axes: expected a sequence of ints, received {axes!r}")
    numbers = [integer("axes", axis, -(2**63)) for axis in axes]
    for axis in numbers:
        if not -rank <= axis < rank:
            raise IndexError(f"axes: expected axes from {-rank} to {rank - 1}, received {axis}")
    chosen = tuple(axis % rank for axis in numbers)
    if len(set(chosen)) != len(chosen):
        raise ValueError(f"axes: expected different axes, received {tuple(axes)}")
    if several and len(sizes) != len(chosen):
        raise ValueError(f"axes: expected {len(sizes)} axes, one for each size, received {tuple(axes)}")
    return chosen


def _is_identity(
    shape: tuple[int, ...], axis: int, size: int, scale: float | None, crop: tuple[Any, Any] | None
) -> bool:
    whole = crop is None or (math.isclose(crop[0], 0) and math.isclose(crop[1], 1))
    return whole and size == shape[axis] and (scale is None or math.isclose(scale, 1))


def _crops(roi: Any, count: int, coordinates: str) -> tuple[tuple[Any, Any] | None, ...]:
    """Return the part of each axis that is resized."""
    if coordinates != "tf_crop_and_resize":
        return (None,) * count
    expected = f"{count} (start, end) pairs for 'tf_crop_and_resize'"
    try:
        crops = tuple((float(start), float(end)) for start, end in roi)
    except (TypeError, ValueError):
        raise ValueError(f"roi: expected {expected}, received {roi!r}") from None
    if len(crops) != count:
        raise ValueError(f"roi: expected {expected}, received {roi!r}")
    return crops


def _shape_of(input: Any) -> tuple[int, ...]:
    if not hasattr(input, "shape"):
        raise TypeError(
            f"input: expected a numpy.ndarray of float32 or float64, received {type(input).__name__}"
        )
    shape: tuple[int, ...] = input.shape
    return shape


def _resampled(input: Any, config: _Config) -> Array:
    if type(input) is not np.ndarray:
        return _resample(input, config)
    result: Array = _core.resample_forward(input, config)
    return result


@primitive
def _resample(input: Any, config: _Config) -> Array:
    result: Array = _core.resample_forward(input, config)
    return result


@primitive
def _resample_grad(grad_output: Any, input_shape: Any, config: _Config) -> Array:
    result: Array = _core.resample_grad(grad_output, input_shape, config)
    return result


def _linear_part(config: _Config) -> _Config:
    """Return what maps differences of inputs to differences of outputs: nothing is added from outside."""
    return (*config[:-1], 0.0)


defvjp(_resample, lambda ans, input, config: lambda g: _resample_grad(cotangent(g, ans), input.shape, config))
defjvp(_resample, lambda g, ans, input, config: _resample(g, _linear_part(config)))
defvjp(
    _resample_grad,
    lambda ans, grad_output, input_shape, config: (
        lambda g: _resample(cotangent(g, ans), _linear_part(config))
    ),
)
defjvp(_resample_grad, "same")
