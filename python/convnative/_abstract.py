"""Arrays that have a shape and a type but no values, and the walk of a network with them.

A `ShapeArray` goes through a model in place of an ndarray, so that whatever Python code a forward has
(residual additions, branches, reshapes, NumPy functions) is followed with shapes alone. Three protocols bring
it where it is needed: ``Module.__call__`` hands itself to ``__convnative_abstract__`` of its first argument,
so that the layers are known; the primitives of `convnative.functional` hand themselves to
``__convnative_function__``, which applies their shape rule (see `_shape_rules`); and NumPy has protocols of
its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from .nn import Module
from .shapes import ReceptiveField

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Field:
    """The receptive field of an array: which part of the network's input each of its positions sees.

    Attributes
    ----------
    axes : tuple of ReceptiveField
        The field on each spatial axis of the network's input.
    extent : tuple of int or None
        Number of positions on each of these axes; None once the positions are mixed, when all see the same.
    source : tuple of int
        Spatial sizes of the network's input, to which a field that covers all of it is clipped.
    """

    axes: tuple[ReceptiveField, ...]
    extent: Shape | None
    source: Shape

    def hull(self) -> Field:
        """Return the field of something that depends on every position."""
        if self.extent is None:
            return self
        axes = []
        for axis, count, size in zip(self.axes, self.extent, self.source, strict=True):
            whole = axis.hull(count)
            start = max(whole.start, 0)
            axes.append(ReceptiveField(max(min(whole.start + whole.size, size) - start, 0), 0, start))
        return Field(tuple(axes), None, self.source)

    def joined(self, other: Field) -> Field:
        """Return the field of an elementwise result of two arrays."""
        left, right = self, other
        aligned = all(a.jump == b.jump for a, b in zip(left.axes, right.axes, strict=True))
        if left.extent != right.extent or not aligned:
            left, right = left.hull(), right.hull()
        axes = []
        for a, b in zip(left.axes, right.axes, strict=True):
            start, stop = min(a.start, b.start), max(a.start + a.size, b.start + b.size)
            axes.append(ReceptiveField(stop - start, a.jump, start))
        return Field(tuple(axes), left.extent, left.source)

    def through(self, windows: Sequence[ReceptiveField], spatial: Shape, output: Shape) -> Field:
        """Return the field after a layer of windows that turns `spatial` positions into `output` ones."""
        if self.extent != spatial:
            return self.hull()
        axes = tuple(axis.then(window) for axis, window in zip(self.axes, windows, strict=True))
        return Field(axes, output, self.source)


@dataclass(frozen=True)
class Effect:
    """What a function or a layer does to shapes: the result of a shape rule.

    Attributes
    ----------
    shape : tuple of int
        Shape of the output.
    macs : int
        Multiply-accumulates.
    field : Field or None
        Receptive field of the output.
    allocates : bool
        Whether the output takes memory of its own; False for a view of the input.
    dtype : dtype or None
        Type of the output; None for that of the input.
    """

    shape: Shape
    macs: int = 0
    field: Field | None = None
    allocates: bool = True
    dtype: np.dtype[Any] | None = None


Rule = Callable[..., Effect]


@dataclass
class Call:
    """A layer, or an operation in the forward of a container, as it was met."""

    name: str
    kind: str
    module: Module | None
    shape: Shape = ()
    field: Field | None = None
    macs: int = 0
    memory: int = 0
    input_shape: Shape = ()


@dataclass(frozen=True)
class Rules:
    """The shape rules of functions, by name, and of the layers that have one."""

    of_function: Callable[[str], Rule | None]
    of_layer: Callable[[type], Rule | None]


class Walk:
    """Follows one forward of a model with shapes and lists the layers in the order in which they ran.

    A layer is a module that calls no other, as none below it has a forward: what happens in its own adds up
    to one entry. An operation in the forward of any other module is an entry of its own.
    """

    def __init__(self, model: Module, rules: Rules) -> None:
        self.calls: list[Call] = []
        self._names = {id(module): name for name, module in model.named_modules()}
        self._rules = rules
        self._containers: list[str] = []
        self._layer: Call | None = None
        self._reported: Exception | None = None

    def call(self, module: Module, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """Apply a module to abstract inputs."""
        kind = type(module).__name__
        name = self._names.get(id(module), kind)
        title = f"{name} ({kind})" if name else kind
        if self._layer is not None:
            # A layer that makes use of another one, which is no child of its: still one layer.
            return module.forward(*inputs, **options)
        call = Call(name, kind, module)
        if inputs and isinstance(inputs[0], ShapeArray):
            call.input_shape = inputs[0].shape
        is_layer = not any(has_forward(below) for below in module.modules() if below is not module)
        if is_layer or next(own_parameters(module), None) is not None:
            self.calls.append(call)
        if is_layer:
            self._layer = call
        else:
            self._containers.append(name)
        try:
            output = self._forward(module, inputs, options)
        except (TypeError, ValueError, IndexError, OverflowError) as error:
            if error is self._reported:  # by the layer within; the modules around it add nothing
                raise
            self._reported = _naming(title, error)
            raise self._reported from error
        finally:
            if is_layer:
                self._layer = None
            else:
                self._containers.pop()
        first = output[0] if isinstance(output, (tuple, list)) and output else output
        if isinstance(first, ShapeArray):
            call.shape, call.field = first.shape, first.field
        return output

    def _forward(self, module: Module, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
        rule = self._rules.of_layer(type(module))
        if rule is None:
            return module.forward(*inputs, **options)
        return self.operation(type(module).__name__, inputs[0].dtype, rule(module, *inputs, **options))

    def function(self, name: str, arguments: tuple[Any, ...]) -> ShapeArray:
        """Apply a function of `convnative.functional` to abstract arguments."""
        rule = self._rules.of_function(name)
        title = name.removeprefix("_")
        if rule is None:
            raise TypeError(f"{title} has no shape rule")
        return self.operation(title, arguments[0].dtype, rule(*arguments))

    def operation(self, kind: str, dtype: np.dtype[Any], effect: Effect) -> ShapeArray:
        """Take down an operation and return its output."""
        dtype = effect.dtype or dtype
        call = self._layer
        if call is None:
            path = self._containers[-1] if self._containers else ""
            call = Call(f"{path}.{kind}" if path else kind, kind, None, effect.shape, effect.field)
            self.calls.append(call)
        call.macs += effect.macs
        call.memory += math.prod(effect.shape) * dtype.itemsize if effect.allocates else 0
        return ShapeArray(self, effect.shape, dtype, effect.field)


def has_forward(module: Module) -> bool:
    """Whether a module can be called; lists and dicts of modules and parameters cannot."""
    return getattr(module.forward, "__func__", None) is not Module.forward


def own_parameters(module: Module) -> Iterator[tuple[str, Any]]:
    """Yield the parameters of a module and of the lists of parameters in it: those of its own forward."""
    yield from module.named_parameters(recurse=False)
    for child in module.children():
        if not has_forward(child):
            yield from own_parameters(child)


def _naming(title: str, error: Exception) -> Exception:
    """Return an error of the same built-in kind whose message names the layer."""
    if isinstance(error, TypeError):
        return TypeError(
            f"{title}: {error} (a layer whose forward looks at values needs a shape rule, "
            "see convnative.summary.shape_rule)"
        )
    kind = next(kind for kind in (IndexError, OverflowError, ValueError) if isinstance(error, kind))
    return kind(f"{title}: {error}")


class ShapeArray(NDArrayOperatorsMixin):
    """An array of which only the shape and the type are known.

    It answers `shape`, `ndim`, `size` and `dtype` and follows arithmetic, NumPy's elementwise functions,
    matrix products, reductions, `concatenate`, and everything that gives a view: indices and slices,
    `reshape`, `transpose`, `squeeze`, `split` and the like. Anything that needs values raises `TypeError`.
    """

    def __init__(self, walk: Walk, shape: Shape, dtype: np.dtype[Any], field: Field | None = None) -> None:
        self.shape = shape
        self.dtype = dtype
        self.field = field
        self._walk = walk

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    def __repr__(self) -> str:
        return f"ShapeArray(shape={self.shape}, dtype={self.dtype})"

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of an array without axes")
        return self.shape[0]

    # -- protocols ----------------------------------------------------------------------------------------

    def __convnative_abstract__(self, module: Module, *inputs: Any, **options: Any) -> Any:
        """Apply a module to abstract inputs; called by ``Module.__call__``."""
        return self._walk.call(module, inputs, options)

    def __convnative_function__(self, name: str, *arguments: Any) -> ShapeArray:
        """Apply a function of `convnative.functional`; called by its primitives."""
        return self._walk.function(name, arguments)

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("the values of the array are not known, only its shape")

    def __bool__(self) -> bool:
        raise TypeError("the values of the array are not known, only its shape")

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **_: Any) -> ShapeArray:
        if method != "__call__" or ufunc.nout != 1 or (ufunc.signature and ufunc is not np.matmul):
            raise TypeError(f"numpy.{ufunc.__name__} needs the values of the array")
        if ufunc is np.matmul:
            return self._product(*inputs)
        return self._elementwise(ufunc.__name__, *inputs)

    def __array_function__(self, function: Any, _: Any, arguments: tuple[Any, ...], options: Any) -> Any:
        name = function.__name__
        if function in _VIEWS:
            return arguments[0]._view(function, *arguments[1:], **options)
        if function in (np.split, np.array_split):
            return arguments[0]._split(function, *arguments[1:], **options)
        if function is np.ravel:  # of the skeleton it would be a copy
            return arguments[0].flatten()
        if function in _REDUCTIONS:
            return arguments[0]._reduce(name, *arguments[1:], **options)
        if function in (np.where, np.clip):
            return self._elementwise(name, *arguments, *options.values())
        if function is np.dot and min(np.ndim(argument) for argument in arguments) == 2:
            return self._product(*arguments)
        if function in (np.concatenate, np.stack):
            return _joined(function, self._walk, *arguments, **options)
        if function in (np.shape, np.ndim, np.size):
            return getattr(arguments[0], name)
        raise TypeError(f"numpy.{name} needs the values of the array")

    # -- views --------------------------------------------------------------------------------------------

    def _skeleton(self) -> np.ndarray[Any, Any]:
        """Return one element repeated without memory: NumPy's own rules give the shapes of its views."""
        return np.broadcast_to(np.zeros((), self.dtype), self.shape)

    def _view(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> ShapeArray:
        shape = function(self._skeleton(), *arguments, **options).shape
        return ShapeArray(self._walk, shape, self.dtype, self.field)

    def __getitem__(self, index: Any) -> ShapeArray:
        parts = index if isinstance(index, tuple) else (index,)
        if not all(part is None or part is Ellipsis or isinstance(part, (int, slice)) for part in parts):
            raise TypeError("an index other than ints, slices, None and ... needs the values of the array")
        return self._part(self._skeleton()[index].shape)

    def _split(self, function: Callable[..., Any], sections: Any, axis: int = 0) -> list[ShapeArray]:
        return [self._part(part.shape) for part in function(self._skeleton(), sections, axis)]

    def _part(self, shape: Shape) -> ShapeArray:
        """Return a view of some of the elements."""
        field = self.field
        if field is not None and shape[2:] != self.shape[2:]:
            field = field.hull()
        return ShapeArray(self._walk, shape, self.dtype, field)

    def reshape(self, *shape: Any) -> ShapeArray:
        """Return the array with another shape; one size may be -1."""
        return self._view(lambda array: array.reshape(*shape))

    def flatten(self) -> ShapeArray:
        """Return the array with one axis."""
        return self.reshape(-1)

    ravel = flatten

    def transpose(self, *axes: Any) -> ShapeArray:
        """Return the array with its axes in another order."""
        return self._view(lambda array: array.transpose(*axes))

    @property
    def T(self) -> ShapeArray:
        """The array with its axes reversed."""
        return self.transpose()

    def swapaxes(self, first: int, second: int) -> ShapeArray:
        """Return the array with two axes exchanged."""
        return self._view(np.swapaxes, first, second)

    def squeeze(self, axis: Any = None) -> ShapeArray:
        """Return the array without axes of size 1."""
        return self._view(np.squeeze, axis)

    def view(self, kind: type) -> ShapeArray:
        """Return the array itself: autograd asks for a view of the class ndarray."""
        if kind is not np.ndarray:
            raise TypeError("a view of another type needs the values of the array")
        return self

    def copy(self) -> ShapeArray:
        """Return a copy."""
        return self.astype(self.dtype)

    def astype(self, dtype: Any) -> ShapeArray:
        """Return a copy of another type."""
        return self._walk.operation("astype", np.dtype(dtype), Effect(self.shape, 0, self.field))

    # -- arithmetic ---------------------------------------------------------------------------------------

    def _elementwise(self, name: str, *operands: Any) -> ShapeArray:
        present = [value for value in operands if value is not None]
        dtype = np.result_type(*(getattr(value, "dtype", value) for value in present))
        shape = np.broadcast_shapes(*(np.shape(value) for value in present))
        return self._walk.operation(name, dtype, Effect(shape, 0, _joined_fields(present)))

    def _product(self, left: Any, right: Any) -> ShapeArray:
        if left.ndim < 2 or right.ndim < 2 or left.shape[-1] != right.shape[-2]:
            raise ValueError(
                "matmul: expected shapes (..., m, k) and (..., k, n), "
                f"received {left.shape} and {right.shape}"
            )
        batch = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
        shape = (*batch, left.shape[-2], right.shape[-1])
        field = _joined_fields((left, right))
        effect = Effect(shape, math.prod(shape) * left.shape[-1], field and field.hull())
        return self._walk.operation("matmul", np.result_type(left.dtype, right.dtype), effect)

    # -- reductions ---------------------------------------------------------------------------------------

    def _reduce(self, kind: str, axis: Any = None, keepdims: bool = False) -> ShapeArray:
        chosen = range(self.ndim) if axis is None else [axis] if isinstance(axis, int) else axis
        axes = {index % self.ndim for index in chosen}
        shape = tuple(
            1 if index in axes else size
            for index, size in enumerate(self.shape)
            if keepdims or index not in axes
        )
        field = self.field
        if field is not None and any(index >= self.ndim - len(field.axes) for index in axes):
            field = field.hull()
        return self._walk.operation(kind, self.dtype, Effect(shape, 0, field))

    def sum(self, axis: Any = None, keepdims: bool = False) -> ShapeArray:
        """Return the sum over some axes."""
        return self._reduce("sum", axis, keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> ShapeArray:
        """Return the mean over some axes."""
        return self._reduce("mean", axis, keepdims)

    def max(self, axis: Any = None, keepdims: bool = False) -> ShapeArray:
        """Return the largest value over some axes."""
        return self._reduce("max", axis, keepdims)

    def min(self, axis: Any = None, keepdims: bool = False) -> ShapeArray:
        """Return the smallest value over some axes."""
        return self._reduce("min", axis, keepdims)

    def var(self, axis: Any = None, keepdims: bool = False) -> ShapeArray:
        """Return the variance over some axes."""
        return self._reduce("var", axis, keepdims)


_VIEWS = {
    np.broadcast_to,
    np.expand_dims,
    np.flip,
    np.moveaxis,
    np.reshape,
    np.squeeze,
    np.swapaxes,
    np.transpose,
}
_REDUCTIONS = {np.max, np.mean, np.min, np.std, np.sum, np.var}


def _joined_fields(arrays: Iterable[Any]) -> Field | None:
    """Return the receptive field of something that depends on several arrays, those without one left out."""
    joined: Field | None = None
    for array in arrays:
        field = getattr(array, "field", None)
        if field is not None:
            joined = field if joined is None else joined.joined(field)
    return joined


def _joined(function: Any, walk: Walk, arrays: Sequence[Any], axis: int = 0) -> ShapeArray:
    """Follow `concatenate` and `stack`."""
    shapes = [array.shape for array in arrays]
    if function is np.stack:
        place = axis % (len(shapes[0]) + 1)
        shapes = [(*shape[:place], 1, *shape[place:]) for shape in shapes]
    place = axis % len(shapes[0])
    if len({shape[:place] + shape[place + 1 :] for shape in shapes}) != 1:
        raise ValueError(
            f"{function.__name__}: expected shapes that agree but for axis {axis}, "
            f"received {[array.shape for array in arrays]}"
        )
    joined = (*shapes[0][:place], sum(shape[place] for shape in shapes), *shapes[0][place + 1 :])
    dtype = np.result_type(*(array.dtype for array in arrays))
    return walk.operation(function.__name__, dtype, Effect(joined, 0, _joined_fields(arrays)))
