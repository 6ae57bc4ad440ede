"""Rows by the name of a selection, a network, a class, or by a part of their label."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .drawn import drawn
from .shapes import CLASSES, NETWORKS, OVERVIEW, REQUIRED, SHAPES, Shape, batched

if TYPE_CHECKING:
    from collections.abc import Iterable


def select(which: str, shapes: Iterable[Shape] = SHAPES) -> list[Shape]:
    """
    Rows of `shapes` for "all", "required", "overview", a network, a class, or the part of a label.

    Convolutions also for "drawn 100" or "drawn 100 2": so many at random, by a seed. Several of these may
    stand with semicolons between them.
    """
    shapes = tuple(shapes)
    chosen: dict[Shape, None] = {}
    for name in which.split(";"):
        numbers = re.fullmatch(r"drawn (\d+)(?: (\d+))?", name)
        if numbers and shapes == SHAPES:
            chosen.update(dict.fromkeys(drawn(int(numbers[1]), int(numbers[2] or 0))))
            continue
        if name == "all":
            found: Iterable[Shape] = shapes
        elif name in ("required", "overview"):
            found = REQUIRED if name == "required" else OVERVIEW
        elif name in NETWORKS:
            found = batched(NETWORKS[name])
        elif name in CLASSES:
            found = (shape for shape in shapes if shape.kind == name)
        else:
            found = (shape for shape in shapes if name in shape.label)
        chosen.update(dict.fromkeys(shape for shape in found if shape in shapes))
    return list(chosen)
