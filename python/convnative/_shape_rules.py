"""What the functions of `convnative.functional` do to shapes: one rule for each primitive.

A rule takes the arguments of its primitive, the first of them an abstract array, and returns an `Effect`.
Layers need no rule: their forward calls these functions. A layer whose forward looks at values can be given
one with `shape_rule`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from . import shapes
from ._abstract import Effect, Field, Rule, Rules, Shape, ShapeArray

_FUNCTIONS: dict[str, Rule] = {}
_LAYERS: dict[type, Rule] = {}
_R = TypeVar("_R", bound=Rule)


def _layer_rule(layer_class: type) -> Rule | None:
    """Return the rule of a class or of the nearest class that it derives from."""
    return next((_LAYERS[base] for base in layer_class.__mro__ if base in _LAYERS), None)


RULES = Rules(of_function=_FUNCTIONS.get, of_layer=_layer_rule)


def shape_rule(layer_class: type) -> Callable[[_R], _R]:
    """Register a shape rule for a layer class, for `summary`.

    A rule is needed only for a layer whose forward cannot run on shapes, because it looks at values.

    Parameters
    ----------
    layer_class : type
        A subclass of `convnative.nn.Module`; its subclasses share the rule.

    Returns
    -------
    callable
        A decorator for a function of the layer and its abstract input (with `shape`, `dtype` and `field`)
        that returns an `Effect`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> from convnative.summary import Effect, shape_rule, summary
    >>> class Sort(nn.Module):
    ...     def forward(self, input):
    ...         return np.sort(input, axis=-1)
    >>> @shape_rule(Sort)
    ... def sort_rule(layer, input):
    ...     return Effect(input.shape, field=input.field)
    >>> summary(Sort(), (2, 10)).output_shape
    (2, 10)
    """

    def register(rule: _R) -> _R:
        _LAYERS[layer_class] = rule
        return rule

    return register


def _function(*names: str) -> Callable[[_R], _R]:
    """Register the rule of primitives, by their names in `convnative.functional`."""

    def register(rule: _R) -> _R:
        _FUNCTIONS.update(dict.fromkeys(names, rule))
        return rule

    return register


def _windows(
    input: ShapeArray, output: Shape, kernel_size: Any, stride: Any, padding: Any, dilation: Any, axes: int
) -> Field | None:
    """Return the receptive field behind a layer of windows."""
    if input.field is None:
        return None
    spatial = input.shape[-axes:]
    pairs = shapes.resolve_padding(padding, spatial, kernel_size, stride, dilation)
    kernel = shapes.normalize_size(kernel_size, axes, "kernel_size")
    steps = shapes.normalize_size(stride, axes, "stride")
    spread = shapes.normalize_size(dilation, axes, "dilation")
    windows = [
        shapes.receptive_field(k, s, p, d) for k, s, p, d in zip(kernel, steps, pairs, spread, strict=True)
    ]
    return input.field.through(windows, spatial, output[-axes:])


def _ints(shape: Sequence[Any]) -> Shape:
    return tuple(int(size) for size in shape)


def _check_dtype(input: ShapeArray, weight: Any) -> None:
    if weight.dtype != input.dtype:
        raise TypeError(f"weight: expected the input's dtype {input.dtype}, received {weight.dtype}")


@_function("conv")
def _conv(input: ShapeArray, weight: Any, _bias: Any, config: tuple[Any, ...]) -> Effect:
    axes, stride, padding, dilation, groups, _padding_mode = config
    _check_dtype(input, weight)
    output = _ints(shapes.conv_output_shape(input.shape, weight.shape, stride, padding, dilation, groups))
    # An output element is a sum over the input channels of its group and over the kernel.
    macs = math.prod(output) * math.prod(weight.shape[1:])
    return Effect(output, macs, _windows(input, output, weight.shape[2:], stride, padding, dilation, axes))


@_function("conv_grad_bias")
def _conv_grad_bias(grad_output: ShapeArray, axes: int) -> Effect:
    return Effect((grad_output.shape[-axes - 1],), 0, grad_output.field and grad_output.field.hull())


@_function("conv_transpose")
def _conv_transpose(input: ShapeArray, weight: Any, _bias: Any, config: tuple[Any, ...]) -> Effect:
    _, *settings = config
    _check_dtype(input, weight)
    output = _ints(shapes.conv_transpose_output_shape(input.shape, weight.shape, *settings))
    # Every input element goes to the output channels of its group, once for each element of the kernel.
    macs = math.prod(input.shape) * math.prod(weight.shape[1:])
    # With a stride the outputs of one kernel see different inputs: taken together, all of them.
    return Effect(output, macs, input.field and input.field.hull())


@_function("_max_pool")
def _max_pool(input: ShapeArray, config: tuple[Any, ...], _kept: Any = None) -> Effect:
    axes, kernel_size, stride, padding, dilation, ceil_mode = config
    return _pool(input, axes, kernel_size, stride, padding, dilation, ceil_mode)


@_function("_max_pool_indices")
def _max_pool_indices(input: ShapeArray, config: tuple[Any, ...]) -> Effect:
    return _indices(_max_pool(input, config))


@_function("_avg_pool")
def _avg_pool(input: ShapeArray, config: tuple[Any, ...]) -> Effect:
    axes, kernel_size, stride, padding, ceil_mode, *_, dilation = config
    return _pool(input, axes, kernel_size, stride, padding, dilation, ceil_mode)


@_function("_lp_pool")
def _lp_pool(input: ShapeArray, config: tuple[Any, ...]) -> Effect:
    axes, _, kernel_size, stride, padding, dilation, ceil_mode, *_ = config
    return _pool(input, axes, kernel_size, stride, padding, dilation, ceil_mode)


def _pool(
    input: ShapeArray, axes: int, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: Any
) -> Effect:
    stride = kernel_size if stride is None else stride
    output = _ints(
        shapes.pool_output_shape(input.shape, kernel_size, stride, padding, dilation, ceil_mode, axes=axes)
    )
    return Effect(output, 0, _windows(input, output, kernel_size, stride, padding, dilation, axes))


def _indices(pool: Effect) -> Effect:
    return Effect(pool.shape, pool.macs, pool.field, dtype=np.dtype(np.int64))


@_function("_adaptive_avg_pool", "_adaptive_max_pool")
def _adaptive_pool(input: ShapeArray, config: tuple[Any, ...], _kept: Any = None) -> Effect:
    axes, output_size = config
    output = _ints(shapes.adaptive_output_shape(input.shape, output_size, axes=axes))
    kernel = []
    for size, windows in zip(input.shape[-axes:], output[-axes:], strict=True):
        if windows == 0 or size % windows:
            return Effect(output, 0, input.field and input.field.hull())  # windows that are not alike
        kernel.append(size // windows)
    return Effect(output, 0, _windows(input, output, kernel, kernel, 0, 1, axes))


@_function("_adaptive_max_indices")
def _adaptive_max_indices(input: ShapeArray, config: tuple[Any, ...]) -> Effect:
    return _indices(_adaptive_pool(input, config))


@_function("_fractional_max_pool")
def _fractional_max_pool(input: ShapeArray, _samples: Any, config: tuple[Any, ...]) -> Effect:
    axes, kernel_size, output_size = config
    output = shapes.fractional_output_shape(input.shape, kernel_size, output_size, axes=axes)
    return Effect(_ints(output), 0, input.field and input.field.hull())


@_function("_fractional_max_indices")
def _fractional_max_indices(input: ShapeArray, samples: Any, config: tuple[Any, ...]) -> Effect:
    return _indices(_fractional_max_pool(input, samples, config))


@_function("_max_unpool")
def _max_unpool(input: ShapeArray, indices: Any, config: tuple[Any, ...]) -> Effect:
    axes, output_size = config
    if tuple(indices.shape) != input.shape:
        raise ValueError(f"indices: expected shape {input.shape}, received shape {tuple(indices.shape)}")
    return Effect((*input.shape[:-axes], *output_size), 0, input.field and input.field.hull())


@_function("_matmul")
def _matmul(input: ShapeArray, weight: Any, _bias: Any, transpose_a: bool, transpose_b: bool) -> Effect:
    _check_dtype(input, weight)
    rows, inner = input.shape[::-1] if transpose_a else input.shape
    columns = weight.shape[0 if transpose_b else 1]
    return Effect((rows, columns), rows * inner * columns, input.field and input.field.hull())


@_function("_relu", "_activation", "_softmax", "_log_softmax")
def _elementwise(input: ShapeArray, *_: Any) -> Effect:
    return Effect(input.shape, 0, input.field)


@_function("dropout")
def _dropout(input: ShapeArray, p: float, training: bool) -> Effect:
    return Effect(input.shape, 0, input.field, allocates=training and p > 0)


@_function("_prelu")
def _prelu(input: ShapeArray, weight: Any) -> Effect:
    _check_dtype(input, weight)
    channels = input.shape[1] if input.ndim > 1 else 1
    if weight.shape not in ((), (1,), (channels,)):
        raise ValueError(
            f"weight: expected shape (1,) or one weight for each of {channels} channels, "
            f"received shape {weight.shape}"
        )
    return Effect(input.shape, 0, input.field)


@_function("_norm")
def _norm(input: ShapeArray, weight: Any, bias: Any, config: tuple[Any, ...]) -> Effect:
    kind, number, *_ = config
    expected = input.shape[-number:] if kind == "layer" else input.shape[1:2]
    if kind != "layer" and input.ndim < 2:
        raise ValueError(f"input: expected shape (N, C, ...), received {input.shape}")
    if kind == "group" and input.shape[1] % number:
        raise ValueError(f"num_groups: expected a divisor of {input.shape[1]} channels, received {number}")
    for name, parameter in (("weight", weight), ("bias", bias)):
        if parameter is None:
            continue
        if parameter.dtype != input.dtype:
            raise TypeError(f"{name}: expected the input's dtype {input.dtype}, received {parameter.dtype}")
        if parameter.shape != expected:
            raise ValueError(f"{name}: expected shape {expected}, received {parameter.shape}")
    # Batch norm is a constant scale at inference; the others look at every position at all times.
    field = input.field if kind == "batch" else input.field and input.field.hull()
    return Effect(input.shape, 0, field)


@_function("normalize")
def _normalize(input: ShapeArray, axes: tuple[int, ...]) -> Effect:
    across = all(axis < 2 for axis in axes)  # positions stay apart
    return Effect(input.shape, 0, input.field if across else input.field and input.field.hull())


@_function("_local_response")
def _local_response(input: ShapeArray, _: tuple[Any, ...]) -> Effect:
    if input.ndim < 3:
        raise ValueError(f"input: expected shape (N, C, L, ...), received {input.shape}")
    return Effect(input.shape, 0, input.field)


@_function("_pairwise")
def _pairwise(input: ShapeArray, _target: Any, _weight: Any, _grad: Any, config: tuple[Any, ...]) -> Effect:
    *_, reduce, _divisor = config
    return _loss(() if reduce else input.shape, input)


@_function("_cross_entropy", "_nll", "_class_product")
def _class_loss(input: ShapeArray, *_: Any) -> Effect:
    return _loss(input.shape[:1] + input.shape[2:] if input.ndim > 1 else (), input)


@_function("_total")
def _total(losses: ShapeArray, _divisor: float) -> Effect:
    return _loss((), losses)


def _loss(shape: Shape, input: ShapeArray) -> Effect:
    return Effect(shape, 0, input.field and input.field.hull())


@_function("_embedding")
def _embedding(input: ShapeArray, weight: Any, _config: tuple[Any, ...]) -> Effect:
    if weight.ndim != 2:
        raise ValueError(f"weight: expected shape (num_embeddings, embedding_dim), received {weight.shape}")
    return Effect((*input.shape, weight.shape[1]), 0, input.field and input.field.hull(), dtype=weight.dtype)


@_function("_pad")
def _pad(input: ShapeArray, config: tuple[Any, ...]) -> Effect:
    pad, *_ = config
    output = _ints(shapes.pad_output_shape(input.shape, pad))
    field = input.field
    if field is not None:
        axes = len(field.axes)
        before = (*[0] * axes, *reversed(pad[0 : 2 * axes : 2]))[-axes:]
        windows = [shapes.ReceptiveField(size=1, jump=1, start=-amount) for amount in before]
        field = field.through(windows, input.shape[-axes:], output[-axes:])
    return Effect(output, 0, field)


@_function("_unfold")
def _unfold(input: ShapeArray, _axes: int, window: tuple[Any, ...]) -> Effect:
    return _mixing(input, _ints(shapes.unfold_output_shape(input.shape, *window)))


@_function("_fold")
def _fold(input: ShapeArray, _axes: int, output_size: Any, window: tuple[Any, ...]) -> Effect:
    return _mixing(input, _ints(shapes.fold_output_shape(input.shape, output_size, *window)))


@_function("_permute")
def _permute(input: ShapeArray, move: tuple[Shape, Shape, Shape]) -> Effect:
    output = move[-1]
    return Effect(output, 0, input.field) if output[2:] == input.shape[2:] else _mixing(input, output)


@_function("_resample")
def _resample(input: ShapeArray, config: tuple[Any, ...]) -> Effect:
    output = list(input.shape)
    for axis, size in zip(config[0], config[1], strict=True):
        output[axis] = size
    return _mixing(input, tuple(output))


def _mixing(input: ShapeArray, output: Shape) -> Effect:
    """Return the effect of what gives the positions of space another number or meaning."""
    return Effect(output, 0, input.field and input.field.hull())
