"""Pictures and borders: their checks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._checks import real

Pixels = NDArray[Any]
Border = str | float

BORDERS = ("replicate", "reflect", "symmetric", "circular", "zeros")
DTYPES = (np.uint8, np.uint16, np.float32, np.float64)
MOST_CHANNELS = 4


def check_picture(image: Any) -> Pixels:
    """Return a picture as a C-contiguous array in native byte order; an error says what it is not."""
    if not isinstance(image, np.ndarray) or hasattr(image, "mask"):  # a masked array's mask would be lost
        raise TypeError(f"image: expected a numpy.ndarray, received {type(image).__name__}")
    dtype = image.dtype.newbyteorder("=")
    if dtype not in DTYPES:
        raise TypeError(f"image: expected uint8, uint16, float32 or float64, received {image.dtype}")
    channels = image.shape[2] if image.ndim == 3 else 1
    if image.ndim not in (2, 3) or 0 in image.shape or channels > MOST_CHANNELS:
        raise ValueError(
            f"image: expected shape (H, W) or (H, W, 1 to {MOST_CHANNELS}) with at least one pixel, "
            f"received {image.shape}"
        )
    return np.ascontiguousarray(image, dtype=dtype)


def check_border(border: Border) -> Border:
    """Return a border: a mode, or the number that it consists of."""
    if isinstance(border, str):
        if border not in BORDERS:
            listed = ", ".join(map(repr, BORDERS))
            raise ValueError(f"border: expected one of {listed} or a number, received {border!r}")
        return 0.0 if border == "zeros" else border
    return real("border", border)


def working_dtype(pixels: Pixels) -> np.dtype[Any]:
    """Return the type in which a picture is computed."""
    return pixels.dtype if pixels.dtype.kind == "f" else np.dtype(np.float32)
