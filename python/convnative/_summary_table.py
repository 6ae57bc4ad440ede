"""What a summary holds, and the tables that it prints as."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from rich.console import RenderableType

    from ._abstract import Shape
    from ._comparison import DenseComparison
    from .shapes import InputRegion, ReceptiveField


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
        >>> from convnative import nn, summary
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
