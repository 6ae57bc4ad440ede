"""A kernel on its way over an input, with the products written out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from .. import functional as F
from .._checks import integer
from ..shapes import normalize_padding, normalize_size, resolve_padding
from ._figure import FAINT, HIGHLIGHT, INK, Array, hide_axes, new_figure, number, numeric, shade

_MOST_INPUTS, _MOST_TAPS = 14, 7
_INCH = 0.42  # of a cell
_GAP = 1.3  # cells between input, kernel and output


@dataclass(frozen=True)
class _Scene:
    """An input with its padding, a kernel, and their cross-correlation; all with two axes."""

    padded: Array
    real: Array  # which cells of `padded` are no padding
    kernel: Array
    output: Array
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    line: bool  # whether everything has one row

    def window(self, row: int, column: int) -> tuple[int, int, int, int]:
        """Return top, left, height and width of the window of an output."""
        extents = [(taps - 1) * step + 1 for taps, step in zip(self.kernel.shape, self.dilation, strict=True)]
        return row * self.stride[0], column * self.stride[1], extents[0], extents[1]

    def taps(self, row: int, column: int) -> Array:
        """Return the inputs that the kernel's numbers are multiplied by."""
        top, left, height, width = self.window(row, column)
        return self.padded[top : top + height : self.dilation[0], left : left + width : self.dilation[1]]

    def products(self, row: int, column: int) -> list[str]:
        """Return the sum as text, a line for each row of the kernel."""
        lines = []
        for inputs, weights in zip(self.taps(row, column), self.kernel, strict=True):
            products = [f"{_factor(x)}·{_factor(w)}" for x, w in zip(inputs, weights, strict=True)]
            lines.append(" + ".join(products))
        lines = [f"+ {line}" if index else line for index, line in enumerate(lines)]
        return [*lines, f"= {number(self.output[row, column], 4)}"]

    def size(self) -> tuple[float, float]:
        """Return width and height of a frame, in cells."""
        parts = (self.padded, self.kernel, self.output)
        width = sum(part.shape[1] for part in parts) + 2 * _GAP
        text = 0.2 * max(len(line) for line in self.products(0, 0)) + 1.5
        return max(width, text), max(part.shape[0] for part in parts) + 0.62 * (len(self.kernel) + 1) + 1.5


def _factor(value: float) -> str:
    return f"({number(value)})" if value < 0 else number(value)


def _scene(input: Any, kernel: Any, stride: Any, padding: Any, dilation: Any) -> _Scene:
    values, weights = numeric("input", input, (1, 2)), numeric("kernel", kernel, (1, 2))
    if values.ndim != weights.ndim:
        raise ValueError(f"kernel: expected {values.ndim} dimensions, as the input, received {weights.ndim}")
    axes = values.ndim
    if max(values.shape) > _MOST_INPUTS:
        raise ValueError(f"input: expected at most {_MOST_INPUTS} on a side, received shape {values.shape}")
    if max(weights.shape) > _MOST_TAPS:
        raise ValueError(f"kernel: expected at most {_MOST_TAPS} on a side, received shape {weights.shape}")
    steps, gaps = normalize_size(stride, axes, "stride"), normalize_size(dilation, axes, "dilation")
    sides = resolve_padding(normalize_padding(padding, axes), values.shape, weights.shape, steps, gaps)
    convolve = F.conv1d if axes == 1 else F.conv2d
    output = convolve(
        values[np.newaxis, np.newaxis], weights[np.newaxis, np.newaxis], None, steps, sides, gaps
    )[0, 0]
    if axes == 1:
        values, weights, output = values[np.newaxis], weights[np.newaxis], output[np.newaxis]
        steps, gaps, sides = (1, *steps), (1, *gaps), ((0, 0), *sides)
    return _Scene(
        np.pad(values, sides),
        np.pad(np.ones(values.shape, bool), sides),
        weights,
        output,
        steps,
        gaps,
        line=axes == 1,
    )


def _cell(axes: Any, x: float, y: float, text: str, colour: Any, ink: str = INK, **style: Any) -> None:
    axes.add_patch(
        Rectangle((x, y), 1, 1, facecolor=colour, **{"edgecolor": "#adb5bd", "linewidth": 0.6, **style})
    )
    size = 9 if len(text) < 4 else 7.5 if len(text) < 6 else 6
    axes.text(x + 0.5, y + 0.52, text, ha="center", va="center", fontsize=size, color=ink)


def _draw_frame(axes: Any, scene: _Scene, row: int, column: int) -> None:
    """Draw one step, with the outputs up to it."""
    axes.clear()
    hide_axes(axes)
    width, height = scene.size()
    axes.set_xlim(-0.4, width + 0.1)
    axes.set_ylim(height - 0.4, -1.3)
    axes.set_aspect("equal")
    deepest = max(scene.padded.shape[0], len(scene.kernel), len(scene.output))

    top, left, tall, wide = scene.window(row, column)
    taps = {
        (top + a * scene.dilation[0], left + b * scene.dilation[1])
        for a, b in np.ndindex(*scene.kernel.shape)
    }
    y = (deepest - scene.padded.shape[0]) / 2
    axes.text(scene.padded.shape[1] / 2, y - 0.35, "input", ha="center", va="bottom", fontsize=9, color=FAINT)
    for (i, j), value in np.ndenumerate(scene.padded):
        real = scene.real[i, j]
        colour = "#ffe8cc" if (i, j) in taps else "white" if real else "#f1f3f5"
        style = {} if real else {"linestyle": ":"}
        _cell(axes, j, y + i, number(value), colour, INK if real else FAINT, **style)
    axes.add_patch(
        Rectangle((left, y + top), wide, tall, fill=False, edgecolor=HIGHLIGHT, linewidth=2.2, zorder=3)
    )

    x = scene.padded.shape[1] + _GAP
    axes.text(x - _GAP / 2, deepest / 2, "⋆", ha="center", va="center", fontsize=24, color=INK)
    y = (deepest - len(scene.kernel)) / 2
    axes.text(
        x + scene.kernel.shape[1] / 2, y - 0.35, "kernel", ha="center", va="bottom", fontsize=9, color=FAINT
    )
    limit = float(np.abs(scene.kernel).max())
    for (i, j), value in np.ndenumerate(scene.kernel):
        _cell(axes, x + j, y + i, number(value), shade(value, limit))

    x += scene.kernel.shape[1] + _GAP
    axes.text(x - _GAP / 2, deepest / 2, "=", ha="center", va="center", fontsize=13, color=INK)
    y = (deepest - len(scene.output)) / 2
    axes.text(
        x + scene.output.shape[1] / 2, y - 0.35, "output", ha="center", va="bottom", fontsize=9, color=FAINT
    )
    for (i, j), value in np.ndenumerate(scene.output):
        here = (i, j) == (row, column)
        known = (i, j) <= (row, column)
        _cell(axes, x + j, y + i, number(value) if known else "", "#ffe8cc" if here else "white")
    axes.add_patch(
        Rectangle((x + column, y + row), 1, 1, fill=False, edgecolor=HIGHLIGHT, linewidth=2.2, zorder=3)
    )

    for index, line in enumerate(scene.products(row, column)):
        last = index == len(scene.kernel)
        axes.text(
            0,
            deepest + 0.75 + 0.62 * index,
            line,
            ha="left",
            va="center",
            fontsize=9,
            color=HIGHLIGHT if last else INK,
            weight="bold" if last else "normal",
        )


def _frame_inches(scene: _Scene) -> tuple[float, float]:
    width, height = scene.size()
    return (width + 0.5) * _INCH, (height + 0.9) * _INCH


def sliding_window(
    input: Any,
    kernel: Any,
    *,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    outputs: Sequence[int | Sequence[int]] | None = None,
    columns: int = 2,
    title: str | None = None,
) -> Figure:
    """
    Draw a kernel on its way over an input: for some outputs the window, the products and their sum.

    Parameters
    ----------
    input, kernel : array_like, shape (W,) and (S,), or (H, W) and (R, S)
        Small ones: at most 14 on a side, and 7.
    stride, padding, dilation
        As in `convnative.functional.conv2d`. Padding is zeros, drawn dotted.
    outputs : sequence of int or pair of int, optional
        Positions of the outputs to show; by default four that are spread over the output.
    columns : int, default 2
        Frames side by side.
    title : str, optional
        The title of the figure.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError, ValueError, IndexError
        If an argument is not as described, or an output is not there.

    Examples
    --------
    >>> figure = sliding_window([1, 2, 3, 4, 5], [1, 0, -1], outputs=[0])
    >>> [text.get_text() for text in figure.axes[0].texts][-2:]
    ['1·1 + 2·0 + 3·(−1)', '= −2']
    """
    scene = _scene(input, kernel, stride, padding, dilation)
    positions = _positions(scene, outputs)
    columns = min(integer("columns", columns, 1), len(positions))
    rows = math.ceil(len(positions) / columns)
    width, height = _frame_inches(scene)
    figure = new_figure(columns * width + 0.2, rows * height + (0.4 if title else 0.1))
    if title:
        figure.suptitle(title, fontsize=11)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid:
        hide_axes(axes)
    for axes, (row, column) in zip(grid, positions, strict=False):
        _draw_frame(axes, scene, row, column)
    return figure


def _positions(scene: _Scene, outputs: Sequence[int | Sequence[int]] | None) -> list[tuple[int, int]]:
    rows, columns = scene.output.shape
    if outputs is None:
        count = min(4, rows * columns)
        flat = np.linspace(0, rows * columns - 1, count).round().astype(int)
        return [(int(index) // columns, int(index) % columns) for index in flat]
    positions = []
    for output in outputs:
        pair: Any = (0, output) if scene.line else output
        if not (
            isinstance(pair, Sequence)
            and len(pair) == 2
            and all(isinstance(index, (int, np.integer)) for index in pair)
        ):
            expected = "ints" if scene.line else "pairs of ints"
            raise TypeError(f"outputs: expected {expected}, received {output!r}")
        if not (0 <= pair[0] < rows and 0 <= pair[1] < columns):
            shape = scene.output.shape[1:] if scene.line else scene.output.shape
            raise IndexError(
                f"outputs: expected positions in an output of shape {shape}, received {output!r}"
            )
        positions.append((int(pair[0]), int(pair[1])))
    if not positions:
        raise ValueError("outputs: expected at least one position, received none")
    return positions


def sliding_window_animation(
    path: str | Path,
    input: Any,
    kernel: Any,
    *,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    seconds: float = 1.0,
) -> Path:
    """
    Write an animation of a kernel on its way over an input: one frame for each output.

    Parameters
    ----------
    path : str or Path
        The file to write: .gif (needs Pillow).
    input, kernel, stride, padding, dilation
        As in `sliding_window`.
    seconds : float, default 1
        How long each frame stays.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = sliding_window_animation(f"{folder}/conv.gif", [1, 2, 3, 4, 5], [1, 0, -1])
    ...     file.stat().st_size > 1000
    True
    """
    from matplotlib.animation import PillowWriter

    file = Path(path)
    if file.suffix.lower() != ".gif":
        raise ValueError(f"path: expected a file name that ends in .gif, received {str(path)!r}")
    if not 0 < seconds < math.inf:
        raise ValueError(f"seconds: expected a number > 0, received {seconds!r}")
    scene = _scene(input, kernel, stride, padding, dilation)
    figure = new_figure(*_frame_inches(scene))
    axes = figure.subplots()
    writer = PillowWriter(fps=1 / seconds)  # type: ignore[arg-type]  # it takes fractions
    with writer.saving(figure, str(file), dpi=100):
        for row, column in np.ndindex(*scene.output.shape):
            _draw_frame(axes, scene, row, column)
            writer.grab_frame()
    return file
