"""How training went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from ._figure import new_figure, numeric

Curves = Sequence[float] | Mapping[str, Sequence[float]]


def training_curve(
    *, title: str | None = None, x: str = "epoch", log: Sequence[str] = ("loss",), **panels: Curves
) -> Figure:
    """
    Draw loss, accuracy or whatever was measured over the epochs, a panel for each.

    Parameters
    ----------
    title : str, optional
        The title of the figure.
    x : str, default "epoch"
        What the values were measured after.
    log : sequence of str, default ("loss",)
        Panels with a logarithmic axis, where all their values are above 0.
    **panels : sequence of float, or mapping of str to sequence of float
        Name and values of each panel; a mapping for several curves with their names.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError, ValueError
        If there is no panel, or values are not finite numbers.

    Examples
    --------
    >>> figure = training_curve(
    ...     loss=[2.3, 0.9, 0.4], accuracy={"training": [0.3, 0.8, 0.9], "held out": [0.3, 0.7, 0.8]}
    ... )
    >>> [axes.get_ylabel() for axes in figure.axes]
    ['loss', 'accuracy']
    """
    if not panels:
        raise ValueError("panels: expected at least one, such as loss=[...], received none")
    figure = new_figure(4.6 * len(panels), 3.4)
    if title:
        figure.suptitle(title, fontsize=11)
    for axes, (name, curves) in zip(
        np.atleast_1d(np.asarray(figure.subplots(1, len(panels)))), panels.items(), strict=True
    ):
        _draw_panel(axes, name, curves, x, logarithmic=name in log)
    return figure


def _draw_panel(axes: Any, name: str, curves: Curves, x: str, *, logarithmic: bool) -> None:
    named = curves if isinstance(curves, Mapping) else {"": curves}
    lines = {label: numeric(name, values, (1,)) for label, values in named.items()}
    if not lines:
        raise ValueError(f"{name}: expected at least one curve, received none")
    for label, values in lines.items():
        steps = np.arange(1, len(values) + 1)
        marker = "." if len(values) <= 40 else ""
        axes.plot(steps, values, marker=marker, linewidth=1.6, label=label or None)
    if logarithmic and all((values > 0).all() for values in lines.values()):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(x)
    axes.set_ylabel(name)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    if any(lines):
        axes.legend(frameon=False)
