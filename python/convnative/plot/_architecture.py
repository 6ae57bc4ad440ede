"""A network as a row of blocks, from its summary."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Polygon, Rectangle

from .._checks import integer
from ._figure import FAINT, INK, hide_axes, new_figure

if TYPE_CHECKING:
    from ..summary import LayerSummary, Summary

_COLOURS = {"conv": "#74c0fc", "pool": "#ffc078", "linear": "#8ce99a", "embedding": "#b197fc"}
_OTHER = "#dee2e6"
_SLOT = 1.52  # inches of a block with its text
_PICTURE = 1.25  # inches of the highest block


@dataclass
class _Block:
    """A layer, and what follows it without changing shape and field: activation, norm, dropout."""

    layer: LayerSummary
    kinds: list[str] = field(default_factory=list)
    parameters: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        return self.layer.output_shape[1:]

    @property
    def colour(self) -> str:
        kind = self.layer.kind.lower()
        return next((colour for part, colour in _COLOURS.items() if part in kind), _OTHER)


def _blocks(table: Summary) -> list[_Block]:
    blocks: list[_Block] = []
    for layer in table.layers:
        previous = blocks[-1].layer if blocks else None
        follows = (
            previous is not None
            and not layer.macs
            and layer.kind != blocks[-1].kinds[-1]  # the pools of branches, one after the other
            and layer.output_shape == previous.output_shape
            and layer.receptive_field == previous.receptive_field
        )
        if not follows:
            blocks.append(_Block(layer))
        blocks[-1].kinds.append(layer.kind)
        blocks[-1].parameters += layer.parameters
    return blocks


def architecture(table: Summary, *, columns: int = 9, title: str | None = None) -> Figure:
    r"""
    Draw a network as blocks, as high as their outputs and as wide as their channels, with the numbers.

    Layers that leave shape and receptive field as they are (activations, norms, dropout) are part of the
    block before. Heights and widths grow with the logarithm of the sizes. Branches stand one after the
    other, in the order in which they run.

    Parameters
    ----------
    table : Summary
        What `convnative.summary` says of the network.
    columns : int, default 9
        Blocks in a row.
    title : str, optional
        The title of the figure; by default the model's class, its parameters and multiply-accumulates.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or the network has no layers.

    Examples
    --------
    >>> from convnative import models, summary
    >>> figure = architecture(summary(models.lenet5(), (1, 1, 32, 32)))
    >>> [text.get_text() for text in figure.axes[0].texts][:6]
    ['input', '1 × 32 × 32', 'Conv2d\n+ ReLU', '6 × 28 × 28', '156', 'MaxPool2d']
    """
    from ..summary import Summary

    if not isinstance(table, Summary):
        raise TypeError(f"table: expected a convnative.summary.Summary, received {type(table).__name__}")
    blocks = _blocks(table)
    if not blocks:
        raise ValueError("table: expected a network of at least one layer, received one of none")
    count = len(blocks) + 1
    columns = min(integer("columns", columns, 1), count)
    rows = math.ceil(count / columns)
    most_lines = max(len(block.kinds) for block in blocks)
    row_height = _PICTURE + 0.28 + 0.17 * (most_lines + 2) + 0.2
    width, height = columns * _SLOT + 0.3, rows * row_height + 0.45
    figure = new_figure(width, height, constrained=False)
    axes: Any = figure.add_axes((0, 0, 1, 1))
    hide_axes(axes)
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    heading = title or f"{table.model}: {table.parameters:,} parameters, {table.macs:,} MACs"
    axes.set_title(heading, fontsize=12, y=1 - 0.33 / height, color=INK)

    largest = max([*table.input_shape[2:], *(size for block in blocks for size in block.shape[1:]), 2])
    for index in range(count):
        left = 0.15 + index % columns * _SLOT
        top = 0.45 + index // columns * row_height
        if index % columns:
            axes.add_patch(
                FancyArrowPatch(
                    (left - 0.16, top + 0.1 + _PICTURE / 2),
                    (left + 0.1, top + 0.1 + _PICTURE / 2),
                    arrowstyle="-|>",
                    mutation_scale=8,
                    color=FAINT,
                    linewidth=0.9,
                )
            )
        middle, text = left + _SLOT / 2, top + _PICTURE + 0.28
        if not index:
            _draw_block(axes, middle, top + 0.1, table.input_shape[1:], "white", largest)
            axes.text(middle, text, "input", ha="center", va="top", fontsize=8, weight="bold", color=INK)
            axes.text(
                middle, text + 0.17, _by(table.input_shape[1:]), ha="center", va="top", fontsize=8, color=INK
            )
            continue
        block = blocks[index - 1]
        _draw_block(axes, middle, top + 0.1, block.shape, block.colour, largest)
        kinds = _kinds(block)
        axes.text(
            middle,
            text,
            "\n".join(kinds),
            ha="center",
            va="top",
            fontsize=8,
            weight="bold",
            color=INK,
            linespacing=1.15,
        )
        below = text + 0.148 * len(kinds) + 0.02
        axes.text(middle, below, _by(block.shape), ha="center", va="top", fontsize=8, color=INK)
        if block.parameters:
            axes.text(
                middle, below + 0.17, f"{block.parameters:,}", ha="center", va="top", fontsize=8, color=FAINT
            )
    return figure


def _kinds(block: _Block) -> list[str]:
    """Return the kinds of a block's layers, one a line, cut to the width of a slot."""
    names = [block.kinds[0], *(f"+ {kind}" for kind in block.kinds[1:])]
    return [name if len(name) <= 21 else name[:20] + "…" for name in names]


def _by(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))


def _draw_block(
    axes: Any, middle: float, top: float, shape: tuple[int, ...], colour: str, largest: int
) -> None:
    """Draw a cuboid for channels and space, or a bar for a vector."""
    style: dict[str, Any] = {"edgecolor": "#495057", "linewidth": 0.8, "facecolor": colour}
    if len(shape) < 2:
        features = shape[0] if shape else 1
        tall = _PICTURE * min(1.0, 0.2 + 0.8 * math.log2(features + 1) / 13)
        axes.add_patch(Rectangle((middle - 0.07, top + (_PICTURE - tall) / 2), 0.14, tall, **style))
        return
    tall = 0.12 + (_PICTURE - 0.34) * math.log2(shape[1] + 1) / math.log2(largest + 1)
    wide = 0.08 + 0.042 * math.log2(shape[0] + 1)
    deep = 0.2 * (tall / _PICTURE)
    left, up = middle - (wide + deep) / 2, top + (_PICTURE - tall + deep) / 2
    right, down = left + wide, up + tall
    axes.add_patch(Rectangle((left, up), wide, tall, **style))
    axes.add_patch(
        Polygon([(left, up), (left + deep, up - deep), (right + deep, up - deep), (right, up)], **style)
    )
    side = [(right, up), (right + deep, up - deep), (right + deep, down - deep), (right, down)]
    axes.add_patch(Polygon(side, **style))
    axes.add_patch(Polygon(side, facecolor="black", alpha=0.12, linewidth=0))
