"""Kernels, feature maps and receptive fields as images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from .._checks import integer
from ._figure import SIGNED, Array, checked_names, hide_axes, new_figure, numeric, text_on

if TYPE_CHECKING:
    from ..summary import Summary

# Cells of this many inches hold a number of three digits; a kernel with more columns is drawn without.
_CELL = 0.42
_MOST_NUMBERS = 7


def kernels(
    weight: Any,
    *,
    names: Sequence[str] | None = None,
    columns: int = 8,
    numbers: bool | None = None,
    title: str | None = None,
) -> Figure:
    """
    Draw kernels as images, red below and blue above zero, all on one scale, with their numbers.

    Parameters
    ----------
    weight : array_like, shape (R, S), (K, R, S) or (K, C, R, S)
        One kernel, several, or the weight of a `Conv2d` layer: then K rows of C images. The weight of a
        `Conv1d` layer, (K, C, L), is K images of C rows.
    names : sequence of str, optional
        A title for each kernel; of a weight with several input channels, for each of the K rows.
    columns : int, default 8
        Images side by side; of a weight with several input channels, always C.
    numbers : bool, optional
        Whether to write the numbers; by default where kernels are at most 7 by 7 and there are at most 16.
    title : str, optional
        The title of the figure.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    Examples
    --------
    >>> from convnative import filters, nn
    >>> figure = kernels(filters.kernel("sobel-horizontal"))
    >>> sorted(text.get_text() for text in figure.axes[0].texts)
    ['0', '0', '0', '1', '1', '2', '−1', '−1', '−2']
    >>> figure = kernels(nn.Conv2d(3, 4, 5).weight, title="a first layer")
    >>> len(figure.axes) - 1  # and the scale
    12
    """
    values = numeric("weight", weight, (2, 3, 4))
    if values.ndim == 2:
        values = values[np.newaxis]
    rows_of_channels = values.ndim == 4 and values.shape[1] > 1
    titles = checked_names(names, len(values), "kernels")
    if rows_of_channels:
        columns = values.shape[1]
        titles = [f"{title}, channel {channel}" for title in titles for channel in range(columns)]
    elif names is None and len(values) == 1:
        titles = [""]
    images = values.reshape(-1, *values.shape[-2:])
    height, width = images.shape[1:]
    columns = min(integer("columns", columns, 1), len(images))
    rows = math.ceil(len(images) / columns)
    if numbers is None:
        numbers = max(height, width) <= _MOST_NUMBERS and len(images) <= 16
    cell = _CELL if numbers else min(_CELL, 1.1 / max(height, width))
    limit = float(np.abs(images).max()) or 1.0

    panel = (max(cell * width, 0.9) + 0.15, cell * height + 0.32)
    figure = new_figure(columns * panel[0] + 0.9, rows * panel[1] + (0.4 if title else 0.1))
    if title:
        figure.suptitle(title, fontsize=11)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.ravel():
        hide_axes(axes)
    for axes, image, name in zip(grid.ravel(), images, titles, strict=False):
        drawn = axes.imshow(image, cmap=SIGNED, vmin=-limit, vmax=limit)
        axes.set_title(name, fontsize=9, pad=3)
        if numbers:
            decimals = _decimals(image)
            for (row, column), value in np.ndenumerate(image):
                colour = text_on(drawn.cmap(drawn.norm(value)))
                value = round(value, decimals) + 0.0  # no negative zero
                text = f"{value:.{decimals}f}".replace("-", "\N{MINUS SIGN}")
                axes.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)
    figure.colorbar(drawn, ax=grid, fraction=0.05, pad=0.03, label="weight")
    return figure


def _decimals(kernel: Array) -> int:
    """Return how many decimals show two digits of the largest number; none for whole numbers."""
    if np.array_equal(kernel, np.rint(kernel)):
        return 0
    return max(1 - math.floor(math.log10(np.abs(kernel).max())), 0)


def feature_maps(
    maps: Any, *, names: Sequence[str] | None = None, columns: int = 8, title: str | None = None
) -> Figure:
    """
    Draw feature maps side by side on one scale, so that a dark map is one that does not answer.

    Parameters
    ----------
    maps : array_like, shape (C, H, W) or (1, C, H, W)
        What a layer makes of one image.
    names : sequence of str, optional
        A title for each map; by default its number.
    columns : int, default 8
        Maps side by side.
    title : str, optional
        The title of the figure.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> figure = feature_maps(nn.Conv2d(1, 6, 3)(np.ones((1, 1, 9, 12), np.float32)), columns=3)
    >>> [axes.get_title() for axes in figure.axes[:6]]
    ['0', '1', '2', '3', '4', '5']
    """
    values = numeric("maps", maps, (3, 4))
    if values.ndim == 4:
        if len(values) != 1:
            raise ValueError(f"maps: expected those of one image, received a batch of {len(values)}")
        values = values[0]
    titles = checked_names(names, len(values), "maps")
    columns = min(integer("columns", columns, 1), len(values))
    rows = math.ceil(len(values) / columns)
    # Maps that are never negative (after a ReLU) begin at black; others have a scale around zero.
    signed = bool((values < 0).any())
    limit = float(np.abs(values).max()) or 1.0
    aspect = values.shape[1] / values.shape[2]
    width = 1.5 if aspect < 1.5 else 2.2 / aspect
    figure = new_figure(columns * width + 0.9, rows * (width * aspect + 0.25) + (0.4 if title else 0.1))
    if title:
        figure.suptitle(title, fontsize=11)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.ravel():
        hide_axes(axes)
    for axes, image, name in zip(grid.ravel(), values, titles, strict=False):
        drawn = axes.imshow(
            image, cmap=SIGNED if signed else "magma", vmin=-limit if signed else 0, vmax=limit
        )
        axes.set_title(name, fontsize=9, pad=3)
    figure.colorbar(drawn, ax=grid, fraction=0.05, pad=0.03, label="answer")
    return figure


def receptive_field(
    image: Any,
    table: Summary,
    layers: Sequence[str] | None = None,
    *,
    position: Sequence[float] = (0.5, 0.5),
    title: str | None = None,
) -> Figure:
    """
    Draw over an image how far single outputs of some layers see.

    Parameters
    ----------
    image : array_like, shape (H, W), (H, W, 3), (1, H, W) or (3, H, W)
        An input of the network.
    table : Summary
        What `convnative.summary` says of the network, for an input of this size.
    layers : sequence of str, optional
        Names of layers in the table; by default those with a kernel, at most the last six.
    position : pair of float, default (0.5, 0.5)
        Which output of each layer: the one at these fractions of its height and width.
    title : str, optional
        The title of the figure.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or a layer's output has no position.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn, summary
    >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.MaxPool2d(2), nn.Conv2d(4, 4, 3))
    >>> figure = receptive_field(np.zeros((20, 30)), summary(model, (1, 1, 20, 30)))
    >>> [text.get_text() for text in figure.legends[0].get_texts()]
    ['0 Conv2d: 3 × 3', '1 MaxPool2d: 4 × 4', '2 Conv2d: 8 × 8']
    """
    pixels = numeric("image", image, (2, 3))
    if pixels.ndim == 3 and pixels.shape[2] not in (1, 3):
        pixels = np.moveaxis(pixels, 0, 2)
    if pixels.ndim == 3 and pixels.shape[2] not in (1, 3):
        raise ValueError(f"image: expected one channel or three, received shape {np.shape(image)}")
    height, width = pixels.shape[:2]
    if table.input_shape[2:] != (height, width):
        raise ValueError(
            f"table: expected a summary for images of {height} x {width}, "
            f"received one for {table.input_shape}"
        )
    down, right = position
    if not (0 <= down <= 1 and 0 <= right <= 1):
        raise ValueError(f"position: expected two numbers from 0 to 1, received {position!r}")
    rows = {row.name: row for row in table.layers if len(row.output_shape) == 4 and row.receptive_field}
    if layers is None:
        chosen, size = [], 1
        for name, row in rows.items():
            if row.receptive_field[0].size > size:
                chosen.append(name)
                size = row.receptive_field[0].size
        layers = chosen[-6:]
    unknown = [name for name in layers if name not in rows]
    if unknown or not layers:
        raise ValueError(
            f"layers: expected some of {', '.join(rows)}, received {', '.join(unknown) or 'none'}"
        )

    from matplotlib import colormaps

    figure = new_figure(7.6, max(2.4, min(7.2, 4.6 * height / width)) + 0.3)
    axes: Any = figure.subplots()
    low, high = float(pixels.min()), float(pixels.max())
    shown = (pixels - low) / (high - low) if high > low else np.full_like(pixels, 0.5)
    axes.imshow(shown.squeeze(), cmap="gray", vmin=0, vmax=1)
    bounds = [0.0, float(height), 0.0, float(width)]
    for index, name in enumerate(layers):
        row = rows[name]
        spans = []
        for field, count, fraction in zip(
            row.receptive_field, row.output_shape[2:], (down, right), strict=True
        ):
            spans.append((field.start + round(fraction * (count - 1)) * field.jump, field.size))
        (top, tall), (left, wide) = spans
        colour = colormaps["turbo"](0.08 + 0.84 * index / max(len(layers) - 1, 1))
        label = f"{name} {row.kind}: {tall} × {wide}"
        axes.add_patch(
            Rectangle(
                (left - 0.5, top - 0.5), wide, tall, fill=False, edgecolor=colour, linewidth=2, label=label
            )
        )
        bounds = [
            min(bounds[0], top),
            max(bounds[1], top + tall),
            min(bounds[2], left),
            max(bounds[3], left + wide),
        ]
    margin = 0.02 * max(height, width)
    axes.set_ylim(bounds[1] - 0.5 + margin, bounds[0] - 0.5 - margin)
    axes.set_xlim(bounds[2] - 0.5 - margin, bounds[3] - 0.5 + margin)
    hide_axes(axes)
    figure.legend(loc="outside right center", frameon=False, fontsize=9, title="one output sees")
    axes.set_title(title or "Receptive fields", fontsize=11)
    return figure
