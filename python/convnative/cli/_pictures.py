"""Pictures of what a network and a filter do, drawn with matplotlib without a display."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._digits import History
from ._output import require

Array = NDArray[Any]

_DPI = 150
_TITLE = 38  # letters that stand above a photograph without reaching the next
_STYLE = {
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "white",
}


def _figure(width: float, height: float) -> Any:
    """Return an empty figure; it belongs to no window and no global state."""
    return require("matplotlib.figure").Figure(figsize=(width, height), dpi=_DPI, layout="constrained")


def _save(figure: Any, path: Path) -> Path:
    figure.savefig(path)
    return path


def _hide_axes(axes: Any) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def filtered_photographs(path: Path, panels: Mapping[str, tuple[Array, Array | None]]) -> Path:
    """Draw filtered photographs side by side, each with its name and the kernel in a corner.

    Parameters
    ----------
    path : Path
        The file to write.
    panels : mapping of str to (photograph, kernel or None)
        What to show, in this order.

    Returns
    -------
    Path
        The file.
    """
    columns = min(len(panels), 5)
    rows = math.ceil(len(panels) / columns)
    height, width = next(iter(panels.values()))[0].shape[:2]
    with require("matplotlib").rc_context(_STYLE):
        figure = _figure(3.6 * columns, rows * (3.6 * height / width + 0.35))
        grid = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes in grid:
            _hide_axes(axes)
        for axes, (name, (photograph, kernel)) in zip(grid, panels.items(), strict=False):
            white = np.iinfo(photograph.dtype).max
            axes.imshow(photograph, cmap="gray", vmin=0, vmax=white, interpolation="antialiased")
            axes.set_title(name if len(name) <= _TITLE else f"{name[:_TITLE]}\N{HORIZONTAL ELLIPSIS}")
            if kernel is not None:
                _draw_kernel(axes.inset_axes((0.77, 0.68, 0.22, 0.30)), kernel)
        return _save(figure, path)


def _draw_kernel(axes: Any, kernel: Array) -> None:
    """Draw a kernel in colour, red below and blue above zero, with its numbers if they are few and whole."""
    limit = np.abs(kernel).max()
    axes.imshow(kernel, cmap="RdBu", vmin=-1.6 * limit, vmax=1.6 * limit)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(True)
    if kernel.size == 9:
        for (row, column), value in np.ndenumerate(kernel):
            # 1/9 rather than 0.11
            unit = value != 0 and not float(value).is_integer() and abs(1 / value - round(1 / value)) < 1e-6
            text = f"1/{1 / value:.0f}" if unit else f"{value:.2g}"
            axes.text(column, row, text.replace("-", "\N{MINUS SIGN}"), ha="center", va="center", fontsize=8)


def first_layer_kernels(path: Path, weight: Array) -> Path:
    """Draw the kernels of a first layer with one input channel.

    Parameters
    ----------
    path : Path
        The file to write.
    weight : ndarray, shape (K, 1, R, S)
        The weight of the layer.

    Returns
    -------
    Path
        The file.
    """
    title = f"The {len(weight)} kernels that the first layer has learned"
    return _save(require("convnative.plot").kernels(weight, title=title), path)


def feature_maps(path: Path, image: Array, label: int, layers: Sequence[tuple[str, Array]]) -> Path:
    """Draw an image and what each of some layers makes of it.

    Parameters
    ----------
    path : Path
        The file to write.
    image : ndarray, shape (H, W)
        The image.
    label : int
        What it shows.
    layers : sequence of (str, ndarray of shape (C, H, W))
        Names and outputs of layers.

    Returns
    -------
    Path
        The file.
    """
    columns = 16
    heights = [math.ceil(len(maps) / columns) for _, maps in layers]
    with require("matplotlib").rc_context(_STYLE):
        figure = _figure(15, 0.95 * sum(heights) + 0.45 * len(layers))
        left, right = figure.subfigures(1, 2, width_ratios=(1, 6))
        axes = left.subplots()
        _hide_axes(axes)
        axes.imshow(image, cmap="gray_r", vmin=0, vmax=1)
        axes.set_title(f"the digit {label}")
        parts = right.subfigures(len(layers), 1, height_ratios=[height + 0.45 for height in heights])
        for part, height, (name, maps) in zip(np.atleast_1d(parts), heights, layers, strict=True):
            part.suptitle(f"{name}: {len(maps)} maps of {maps.shape[1]} × {maps.shape[2]}", fontsize=11)
            grid = part.subplots(height, columns, squeeze=False).ravel()
            # One scale for a layer, so that a dark map is one that does not answer.
            limit = float(maps.max()) or 1.0
            for panel in grid:
                _hide_axes(panel)
            for panel, feature_map in zip(grid, maps, strict=False):
                panel.imshow(feature_map, cmap="magma", vmin=0, vmax=limit)
        return _save(figure, path)


def training_curve(path: Path, history: History) -> Path:
    """Draw loss and accuracy over the epochs.

    Parameters
    ----------
    path : Path
        The file to write.
    history : History
        What training gave.

    Returns
    -------
    Path
        The file.
    """
    epochs = np.arange(1, len(history.losses) + 1)
    errors = [100 * (1 - np.array(values)) for values in (history.accuracies, history.held_out_accuracies)]
    with require("matplotlib").rc_context(_STYLE):
        figure = _figure(10, 4)
        loss, error = figure.subplots(1, 2)
        loss.plot(epochs, history.losses, marker=".", color="tab:blue")
        loss.set_yscale("log")
        loss.set_title("Loss on the training digits")
        error.plot(epochs, errors[0], marker=".", color="tab:blue", label="training, shifted at random")
        error.plot(epochs, errors[1], marker=".", color="tab:orange", label="held out")
        error.axhline(2, color="0.5", linestyle="--", linewidth=1, label="98 % right")
        error.set_yscale("symlog", linthresh=1)
        error.set_ylim(0, 100)
        error.set_yticks([0, 0.5, 1, 2, 5, 10, 20, 50, 100])
        error.yaxis.set_major_formatter("{x:g} %")
        error.set_title("Digits read wrongly")
        error.legend(frameon=False)
        for axes in (loss, error):
            axes.set_xlabel("epoch")
            axes.xaxis.set_major_locator(require("matplotlib.ticker").MaxNLocator(integer=True))
            axes.grid(alpha=0.3)
        return _save(figure, path)
