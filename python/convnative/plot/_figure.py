"""What the pictures share: figures without global state, colours, numbers as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from numpy.typing import NDArray

Array = NDArray[Any]

# Red below, blue above zero, and white at it.
SIGNED = "RdBu"
HIGHLIGHT = "#e8590c"
INK = "#212529"
FAINT = "#868e96"


def new_figure(width: float, height: float, *, constrained: bool = True) -> Figure:
    """Return an empty white figure of a size in inches."""
    return Figure(
        figsize=(width, height), dpi=150, facecolor="white", layout="constrained" if constrained else None
    )


def hide_axes(axes: Any) -> None:
    """Leave the picture of some axes alone, without ticks and frame."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def text_on(colour: Sequence[float]) -> str:
    """Return the colour of text that is legible on another one."""
    red, green, blue = colour[:3]
    return INK if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "white"


def shade(value: float, limit: float) -> tuple[float, float, float, float]:
    """Return the pale colour of a signed number, for a cell with the number written on it."""
    red, green, blue, alpha = colormaps[SIGNED](0.5 + 0.3 * value / limit if limit else 0.5)
    return (red, green, blue, alpha)


def number(value: float, digits: int = 3) -> str:
    """Return a number as short text with a real minus sign."""
    rounded = float(f"{value:.{digits}g}") + 0.0  # no negative zero
    whole = rounded == int(rounded) and abs(rounded) < 1e6
    return (f"{rounded:.0f}" if whole else f"{rounded:.{digits}g}").replace("-", "\N{MINUS SIGN}")


def numeric(name: str, value: Any, dimensions: Sequence[int]) -> Array:
    """Return an array of finite numbers, not empty, with one of some numbers of dimensions."""
    array = np.asarray(value)
    if array.dtype.kind not in "buif":
        raise TypeError(f"{name}: expected an array of numbers, received {array.dtype}")
    if array.ndim not in dimensions or not array.size:
        expected = " or ".join(map(str, dimensions))
        raise ValueError(f"{name}: expected an array of {expected} dimensions, received shape {array.shape}")
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: expected finite numbers, received NaN or an infinity")
    return array


def checked_names(names: Sequence[str] | None, count: int, of: str) -> list[str]:
    """Return the names, or numbers for them; one for each."""
    if names is None:
        return [str(index) for index in range(count)]
    if isinstance(names, str) or len(names) != count:
        raise ValueError(f"names: expected one for each of {count} {of}, received {names!r}")
    return list(names)
