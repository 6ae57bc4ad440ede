"""What a model is made of and what it costs, from shapes alone.

Nothing is computed: the model is followed with arrays that have a shape and no values, so that a summary of
a network for large images takes no memory and no time.

Conventions
-----------
MACs
    Multiply-accumulates of convolutions, linear layers and matrix products, as the definition has them:
    output elements times kernel elements times input channels per group. Products with padding are counted;
    biases, pools, activations and elementwise arithmetic are not. An operation count is twice this number.
Memory
    Bytes of the outputs that are arrays of their own, which training keeps for the gradients; views
    (flatten, reshape) take none.
Receptive field
    Size, jump and start on each spatial axis of the (first) input, as in `convnative.shapes.ReceptiveField`.
    A linear layer sees everything that its inputs see.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ._abstract import Effect, Shape
    from ._comparison import DenseComparison
    from ._shape_rules import shape_rule
    from .nn import Module
    from .shapes import InputRegion, ReceptiveField

__all__ = [
    "DenseComparison",
    "Effect",
    "LayerSummary",
    "ParameterCount",
    "Summary",
    "count_parameters",
    "shape_rule",
    "summary",
]


def __getattr__(name: str) -> Any:
    # What following a forward needs is imported when it is first asked for: not every program does.
    if name == "DenseComparison":
        from ._comparison import DenseComparison

        return DenseComparison
    if name == "Effect":
        from ._abstract import Effect

        return Effect
    if name == "shape_rule":
        from ._shape_rules import shape_rule

        return shape_rule
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@dataclass(frozen=True)
class ParameterCount:
    """Number of parameters, split by their use.

    Attributes
    ----------
    weights : int
        Elements of all parameters that are not biases.
    biases : int
        Elements of the parameters whose name ends in ``bias``.
    """

    weights: int
    biases: int

    @property
    def total(self) -> int:
        """Weights and biases together."""
        return self.weights + self.biases


@dataclass(frozen=True)
class LayerSummary:
    """One layer, or one operation of a forward, in the order in which they run.

    Attributes
    ----------
    name : str
        Path of the module in the model, as in the keys of its state_dict.
    kind : str
        Class of the layer, or name of the operation.
    output_shape : tuple of int
        Shape of the output.
    weights, biases : int
        Parameters of the layer that no earlier row has counted.
    macs : int
        Multiply-accumulates.
    memory : int
        Bytes of the output; 0 for a view.
    receptive_field : tuple of ReceptiveField
        The field of the output on each spatial axis of the model's input; empty for inputs without such axes.
    reused : bool
        Whether the layer's parameters were counted in an earlier row.
    comparison : DenseComparison or None
        What a dense layer in place of a convolution would have, where `summary` was asked to compare.
    """

    name: str
    kind: str
    output_shape: Shape
    weights: int
    biases: int
    macs: int
    memory: int
    receptive_field: tuple[ReceptiveField, ...]
    reused: bool
    comparison: DenseComparison | None = None

    @property
    def parameters(self) -> int:
        """Weights and biases together."""
        return self.weights + self.biases


@dataclass(frozen=True)
class Summary:
    """The layers of a model and their totals; printed, it is a table.

    Attributes
    ----------
    model : str
        Class of the model.
    input_shapes : tuple of tuple of int
        Shape of each input, with its batch.
    dtypes : tuple of numpy.dtype
        Type of each input.
    layers : tuple of LayerSummary
        The layers in the order in which they run.
    weights, biases : int
        Parameters of the model; shared ones count once.
    parameter_memory : int
        Bytes of the parameters.
    """

    model: str
    input_shapes: tuple[Shape, ...]
    dtypes: tuple[np.dtype[Any], ...]
    layers: tuple[LayerSummary, ...]
    weights: int
    biases: int
    parameter_memory: int

    @property
    def parameters(self) -> int:
        """Weights and biases together."""
        return self.weights + self.biases

    @property
    def input_shape(self) -> Shape:
        """Shape of the first input, with its batch."""
        return self.input_shapes[0]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the first input."""
        return self.dtypes[0]

    @property
    def output_shape(self) -> Shape:
        """Shape of the last layer's output."""
        return self.layers[-1].output_shape if self.layers else self.input_shape

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one forward for the whole batch."""
        return sum(layer.macs for layer in self.layers)

    @property
    def input_memory(self) -> int:
        """Bytes of the inputs."""
        inputs = zip(self.input_shapes, self.dtypes, strict=True)
        return sum(math.prod(shape) * dtype.itemsize for shape, dtype in inputs)

    @property
    def activation_memory(self) -> int:
        """Bytes of all outputs, which training keeps for the gradients."""
        return sum(layer.memory for layer in self.layers)

    @property
    def receptive_field(self) -> tuple[ReceptiveField, ...]:
        """The field of the model's output on each spatial axis of its input."""
        return self.layers[-1].receptive_field if self.layers else ()

    def input_region(self, output: Sequence[int], layer: int = -1) -> tuple[InputRegion, ...]:
        """Return which part of the input one output pixel depends on.

        Parameters
        ----------
        output : sequence of int
            The position of the pixel on each spatial axis of the layer's output.
        layer : int, optional
            Which row of the table; the last one if not given.

        Returns
        -------
        tuple of InputRegion
            For each spatial axis of the input the real inputs, and the padding seen before and after them.
            Near the border, where layers behind the first one pad, that may hide some of these inputs.

        Raises
        ------
        TypeError, ValueError
            If the output is not one position for each axis, or lies outside.

        Examples
        --------
        >>> from convnative import nn
        >>> two = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.Conv2d(1, 1, 3, stride=2))
        >>> rows, columns = summary(two, (1, 1, 9, 9)).input_region((0, 2))
        >>> rows
        InputRegion(start=0, stop=4, before=1, after=0)
        >>> columns
        InputRegion(start=3, stop=8, before=0, after=0)
        """
        from .shapes import input_region

        row = self.layers[layer]
        fields, spatial = row.receptive_field, self.input_shape[2:]
        sizes = row.output_shape[-len(fields) :] if fields else ()
        if not fields or len(output) != len(fields):
            raise ValueError(
                f"output: expected one position for each of {len(fields)} axes, received {tuple(output)}"
            )
        for position, size, field in zip(output, sizes, fields, strict=True):
            if field.jump and position >= size:
                raise ValueError(f"output: expected positions below {sizes}, received {tuple(output)}")
        return tuple(map(input_region, fields, output, spatial))

    def __str__(self) -> str:
        rows = self._table()
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines = []
        for row in rows:
            cells = [
                cell.ljust(width) if column < _TEXT_COLUMNS else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            ]
            lines.append("  ".join(cells).rstrip())
        rule = "-" * max(map(len, lines))
        return "\n".join([self._title(), rule, lines[0], rule, *lines[1:], rule, *self._totals()])

    def __rich__(self) -> RenderableType:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table(title=self._title(), title_justify="left", header_style="bold")
        headings, *rows = self._table()
        for column, heading in enumerate(headings):
            table.add_column(heading, justify="left" if column < _TEXT_COLUMNS else "right")
        for row in rows:
            table.add_row(*map(Text, row))
        return Group(table, *(Text(line) for line in self._totals()))

    def _table(self) -> list[tuple[str, ...]]:
        """Return the headings and the cells of each row."""
        if not any(layer.comparison for layer in self.layers):
            return [_HEADINGS, *map(_cells, self.layers)]
        rows = ((*_cells(layer), *_comparison_cells(layer.comparison)) for layer in self.layers)
        return [(*_HEADINGS, *_COMPARISON_HEADINGS), *rows]

    def _title(self) -> str:
        pairs = zip(self.input_shapes, self.dtypes, strict=True)
        return f"{self.model}, input {', '.join(f'{_by(shape)} {dtype}' for shape, dtype in pairs)}"

    def _totals(self) -> list[str]:
        totals = [
            f"Parameters       {self.parameters:,} = {self.weights:,} weights + {self.biases:,} biases "
            f"({_bytes(self.parameter_memory)})",
            f"MACs             {self.macs:,}",
            f"Memory           {_bytes(self.activation_memory)} of activations, "
            f"{_bytes(self.input_memory)} of input",
        ]
        if self.receptive_field:
            size, jump, start = _field_cells(self.receptive_field)
            totals.append(f"Receptive field  {size}, jump {jump}, start {start}")
        missing = self.parameters - sum(layer.parameters for layer in self.layers)
        if missing:
            totals.append(f"Not called       layers with {missing:,} parameters")
        return totals


_HEADINGS = ("Layer", "Type", "Output", "Weights", "Biases", "MACs", "Memory", "Field", "Jump", "Start")
_TEXT_COLUMNS = 3
_COMPARISON_HEADINGS = ("Dense", "Invariant", "Local")


def _cells(layer: LayerSummary) -> tuple[str, ...]:
    return (
        layer.name,
        f"{layer.kind} (reused)" if layer.reused else layer.kind,
        _by(layer.output_shape),
        f"{layer.weights:,}" if layer.weights else "-",
        f"{layer.biases:,}" if layer.biases else "-",
        f"{layer.macs:,}" if layer.macs else "-",
        _bytes(layer.memory) if layer.memory else "-",
        *_field_cells(layer.receptive_field),
    )


def _comparison_cells(comparison: DenseComparison | None) -> tuple[str, ...]:
    if comparison is None:
        return ("-",) * len(_COMPARISON_HEADINGS)
    counts = comparison.dense, comparison.translation_invariant, comparison.local
    return tuple(f"{count:,}" for count in counts)


def _field_cells(fields: tuple[ReceptiveField, ...]) -> tuple[str, str, str]:
    """Return the size on every axis, and jump and start once where all axes agree."""
    if not fields:
        return "-", "-", "-"
    jumps, starts = [[getattr(field, part) for field in fields] for part in ("jump", "start")]
    size = _by([field.size for field in fields])
    jump, start = (_by(values if len(set(values)) > 1 else values[:1]) for values in (jumps, starts))
    return size, jump, start


def _by(sizes: Sequence[int]) -> str:
    return "x".join(map(str, sizes))


def _bytes(count: int) -> str:
    size, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f"{count} B" if unit == "B" else f"{size:.1f} {unit}"


def count_parameters(model: Module) -> ParameterCount:
    """Count the parameters of a model, those of its children included; shared ones count once.

    Parameters
    ----------
    model : Module
        The model.

    Returns
    -------
    ParameterCount
        Weights, biases and their total.

    Raises
    ------
    TypeError
        If `model` is not a Module.

    Examples
    --------
    The first two convolutions of AlexNet as published, with 2 groups in the second:

    >>> from convnative import nn
    >>> count_parameters(nn.Conv2d(3, 96, 11, stride=4))
    ParameterCount(weights=34848, biases=96)
    >>> count_parameters(nn.Conv2d(96, 256, 5, padding=2, groups=2)).total
    307456
    """
    _check_model(model)
    return _count(model.named_parameters(), set())


def _check_model(model: Any) -> None:
    from .nn import Module

    if not isinstance(model, Module):
        raise TypeError(f"model: expected a convnative.nn.Module, received {type(model).__name__}")


def _count(named_parameters: Any, counted: set[int]) -> ParameterCount:
    """Count the parameters whose identity is not yet in `counted`, and add them to it."""
    weights = biases = 0
    for name, parameter in named_parameters:
        if id(parameter) in counted:
            continue
        counted.add(id(parameter))
        if name.rpartition(".")[2].endswith("bias"):
            biases += parameter.size
        else:
            weights += parameter.size
    return ParameterCount(weights, biases)


def summary(
    model: Module,
    input_shape: Sequence[int] | Sequence[Sequence[int]],
    dtype: Any = None,
    *,
    compare: str | None = None,
) -> Summary:
    """Describe a model layer by layer for a given input, without running it.

    The forward is followed with an array that has a shape but no values, so that any Python code in it is
    understood: residual additions, branches, reshapes, calls of `convnative.functional` and of NumPy. A
    module without children is a layer, and a row of the table; an operation in the forward of a module with
    children is a row of its own. A layer whose forward looks at values needs a rule, see `shape_rule`.

    Parameters
    ----------
    model : Module
        The model.
    input_shape : sequence of int, or sequence of such sequences
        Shape of the input, with its batch: MACs and memory are those of the whole batch. Several shapes
        for a forward that takes several inputs.
    dtype : dtype, or list of dtype, optional
        Type of the inputs, or of each input: float32, float64, or int32 or int64 for inputs that are
        indices. By default that of the model's first parameter, or float32.
    compare : "dense", optional
        Add to every convolution how many weights a dense layer of the same input and output has, a
        translation-invariant one, and one that is local too; see `DenseComparison`.

    Returns
    -------
    Summary
        Layers and totals as data. ``str()`` gives a plain table; rich prints a rich one.

    Raises
    ------
    TypeError
        If `model` is not a Module, its forward needs values, or an argument is not as described.
    ValueError
        If a layer does not accept the shape that reaches it (the message names the layer), or `compare` is
        unknown.

    Examples
    --------
    >>> from convnative import nn
    >>> lenet = nn.Sequential(
    ...     nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2),
    ...     nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
    ...     nn.Flatten(), nn.Linear(400, 10),
    ... )
    >>> print(summary(lenet, (1, 1, 32, 32)))
    Sequential, input 1x1x32x32 float32
    ------------------------------------------------------------------------------------
    Layer  Type       Output      Weights  Biases     MACs    Memory  Field  Jump  Start
    ------------------------------------------------------------------------------------
    0      Conv2d     1x6x28x28       150       6  117,600  18.4 KiB    5x5     1      0
    1      ReLU       1x6x28x28         -       -        -  18.4 KiB    5x5     1      0
    2      MaxPool2d  1x6x14x14         -       -        -   4.6 KiB    6x6     2      0
    3      Conv2d     1x16x10x10    2,400      16  240,000   6.2 KiB  14x14     2      0
    4      ReLU       1x16x10x10        -       -        -   6.2 KiB  14x14     2      0
    5      MaxPool2d  1x16x5x5          -       -        -   1.6 KiB  16x16     4      0
    6      Flatten    1x400             -       -        -         -  16x16     4      0
    7      Linear     1x10          4,000      10    4,000      40 B  32x32     0      0
    ------------------------------------------------------------------------------------
    Parameters       6,582 = 6,550 weights + 32 biases (25.7 KiB)
    MACs             361,600
    Memory           55.4 KiB of activations, 4.0 KiB of input
    Receptive field  32x32, jump 0, start 0

    From a fully connected layer to a convolution:

    >>> convolution = nn.Conv2d(1, 1, 11, padding=5, bias=False)
    >>> (layer,) = summary(convolution, (1, 1, 1000, 1000), compare="dense").layers
    >>> layer.comparison
    DenseComparison(dense=1000000000000, translation_invariant=4000000, local=121, layer=121)
    """
    from ._abstract import Field, ShapeArray, Walk, own_parameters
    from ._checks import choice
    from ._comparison import compared
    from ._shape_rules import RULES
    from .shapes import ReceptiveField

    _check_model(model)
    if compare is not None:
        choice("compare", compare, ("dense",))
    input_shapes = _input_shapes(input_shape)
    parameters = list(model.named_parameters())
    default = parameters[0][1].dtype if parameters else np.float32
    dtypes = _input_dtypes(default if dtype is None else dtype, len(input_shapes))
    spatial = input_shapes[0][2:]
    field = Field((ReceptiveField(),) * len(spatial), spatial, spatial) if spatial else None
    walk = Walk(model, RULES)
    model(
        *(
            ShapeArray(walk, shape, dtype, None if index else field)
            for index, (shape, dtype) in enumerate(zip(input_shapes, dtypes, strict=True))
        )
    )
    counted: set[int] = set()
    layers = []
    for call in walk.calls:
        owned = [] if call.module is None else list(own_parameters(call.module))
        reused = any(id(value) in counted for _, value in owned)
        count = _count(owned, counted)
        layers.append(
            LayerSummary(
                name=call.name,
                kind=call.kind,
                output_shape=call.shape,
                weights=count.weights,
                biases=count.biases,
                macs=call.macs,
                memory=call.memory,
                receptive_field=call.field.axes if call.field else (),
                reused=reused,
                comparison=compared(call.module, call.input_shape, call.shape) if compare else None,
            )
        )
    total = _count(parameters, set())
    return Summary(
        model=type(model).__name__,
        input_shapes=input_shapes,
        dtypes=dtypes,
        layers=tuple(layers),
        weights=total.weights,
        biases=total.biases,
        parameter_memory=sum({id(value): value.nbytes for _, value in parameters}.values()),
    )


def _input_shapes(input_shape: Any) -> tuple[Shape, ...]:
    """Return the shapes of the inputs: one shape is that of a single input."""
    from .shapes import element_count

    sizes = tuple(input_shape)
    shapes = sizes if sizes and all(isinstance(size, Sequence) for size in sizes) else (sizes,)
    checked = []
    for shape in shapes:
        try:
            checked.append(tuple(operator.index(size) for size in shape))
        except TypeError:
            raise TypeError(f"input_shape: expected ints, received {shape!r}") from None
        if any(size < 0 for size in checked[-1]):
            raise ValueError(f"input_shape: expected ints >= 0, received {checked[-1]}")
        element_count(checked[-1])
    return tuple(checked)


def _input_dtypes(dtype: Any, inputs: int) -> tuple[np.dtype[Any], ...]:
    """Return the type of each input: one type is that of all."""
    dtypes = tuple(map(np.dtype, dtype if isinstance(dtype, (list, tuple)) else [dtype] * inputs))
    if len(dtypes) != inputs:
        raise ValueError(f"dtype: expected one for each of {inputs} inputs, received {len(dtypes)}")
    for known in dtypes:
        if known not in (np.float32, np.float64, np.int32, np.int64):
            raise TypeError(f"dtype: expected float32, float64, int32 or int64, received {known}")
    return dtypes
