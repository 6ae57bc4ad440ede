"""Photographs from and to files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._output import CommandError, require

Photograph = NDArray[np.uint8] | NDArray[np.uint16]


def read_image(path: Path) -> Photograph:
    """Return a photograph as (H, W) grey or (H, W, 3) colour, turned upright; transparency is left out.

    Grey of 16 bits is uint16, all else uint8.
    """
    image_module, operations = require("PIL.Image"), require("PIL.ImageOps")
    if not path.is_file():
        raise CommandError(
            f"{path}: expected an image file, there is {'a folder' if path.is_dir() else 'none'}"
        )
    try:
        with image_module.open(path) as file:
            if 0 in file.size:
                raise ValueError("it has no pixels")
            mode, deep = file.mode, _is_deep(file)
            image = operations.exif_transpose(file)
            if mode.startswith("I;16") or (mode == "I" and deep):
                return np.asarray(image).astype(np.uint16)
            if mode in ("I", "F") or deep:  # Pillow would drop bits, or cut values off at 255
                raise ValueError("expected 8 bits a channel, or grey of 16 bits, received more")
            grey = mode in ("1", "L", "LA")
            return np.array(image.convert("L" if grey else "RGB"), dtype=np.uint8)
    except (OSError, SyntaxError, ValueError, image_module.DecompressionBombError) as error:
        # Pillow's SyntaxError is a broken PNG; OSError covers unknown formats and truncated files.
        raise CommandError(f"{path}: not a readable image ({_one_line(error)})") from error


def _is_deep(file: Any) -> bool:
    """Whether the pixels in a file, of which Pillow tells in its raw modes, have 16 bits a channel."""
    return any(";16" in str(tile[3]) for tile in file.tile)


def image_suffixes() -> frozenset[str]:
    """Return the suffixes of the files that can be read, in lower case."""
    return frozenset(require("PIL.Image").registered_extensions())


def write_image(path: Path, pixels: NDArray[Any]) -> None:
    """Save uint8 or uint16 pixels; the suffix of the file decides the format."""
    image_module = require("PIL.Image")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        image_module.fromarray(pixels).save(path)
    except (OSError, ValueError) as error:
        raise CommandError(f"{path}: cannot write ({_one_line(error)})") from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
