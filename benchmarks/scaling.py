"""The command `scaling`: the time of one shape while one of its sizes changes, and where it jumps."""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from .cases import Case
from .harness import Worker, measure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from .shapes import Shape

CLIFF = 1.3
# Around the widths of vectors and tiles, and between them.
CHANNELS = (
    1,
    2,
    3,
    4,
    5,
    8,
    12,
    15,
    16,
    17,
    24,
    31,
    32,
    33,
    40,
    48,
    63,
    64,
    65,
    80,
    96,
    127,
    128,
    129,
    192,
    256,
)
PLANES = (
    4,
    5,
    6,
    7,
    8,
    10,
    12,
    13,
    14,
    15,
    16,
    17,
    20,
    24,
    27,
    28,
    29,
    32,
    40,
    48,
    55,
    56,
    57,
    64,
    80,
    96,
    112,
)
BATCHES = (1, 2, 3, 4, 5, 6, 7, 8, 12, 16)
AXES = ("in_channels", "out_channels", "plane", "batch", "threads")


def sweep(shape: Shape, axis: str) -> list[tuple[int, Shape]]:
    """Return the shapes along an axis; of a depthwise convolution all channels change together."""
    if axis == "batch":
        return [(batch, replace(shape, batch=batch)) for batch in BATCHES]
    if axis == "plane":
        sized = ((size, replace(shape, size=(size,) * len(shape.size))) for size in PLANES)
        return [(size, s) for size, s in sized if min(s.output_shape[2:]) >= 1]
    if shape.groups == 1:
        return [(channels, replace(shape, **{axis: channels})) for channels in CHANNELS]
    if not shape.depthwise or axis == "out_channels":
        return []
    together = ("in_channels", "out_channels", "groups")
    return [(c, replace(shape, **dict.fromkeys(together, c))) for c in CHANNELS if c > 1]


def factors(work: Sequence[float], seconds: Sequence[float], *, larger: bool = True) -> list[float]:
    """
    Return the time of each point divided by its trend.

    The trend is what the neighbours let expect: the time of the smaller one grown in proportion to the
    operations, or the time of the larger one, whichever is less. An end has one neighbour. Without `larger`
    the smaller one alone counts: more threads may be faster.
    """
    found = []
    for index, time in enumerate(seconds):
        trends = []
        if index > 0:
            trends.append(seconds[index - 1] * max(work[index] / work[index - 1], 1))
        if larger and index + 1 < len(seconds):
            trends.append(seconds[index + 1])
        found.append(time / min(trends, default=time))
    return found


def run(
    shapes: Iterable[Shape],
    operations: Sequence[str],
    dtype: str,
    rounds: int,
    pythons: Mapping[str, str],
    threads: int,
    axes: Sequence[str] = AXES,
) -> Iterator[dict[str, Any]]:
    """Yield one sweep after another: peers by name and interpreter, each alone while it is measured."""
    for peer, python in pythons.items():
        with contextlib.ExitStack() as stack:
            counts = range(1, threads + 1) if "threads" in axes else (threads,)
            workers = {count: stack.enter_context(Worker(peer, count, python)) for count in counts}
            if "failure" in workers[threads].versions:
                continue
            for shape in shapes:
                for operation in operations:
                    for axis in axes:
                        if axis == "threads":
                            asked = [(count, shape, workers[count]) for count in counts]
                        else:
                            asked = [(value, s, workers[threads]) for value, s in sweep(shape, axis)]
                        measured = list(_measured(asked, operation, dtype, rounds))
                        points = _points(measured, larger=axis != "threads")
                        if points:
                            yield {
                                "peer": peer,
                                "label": shape.label,
                                "operation": operation,
                                "axis": axis,
                                "points": points,
                            }


def _measured(
    asked: Iterable[tuple[int, Shape, Worker]], operation: str, dtype: str, rounds: int
) -> Iterator[tuple[int, float, float]]:
    """Yield value, work and seconds of what the peer has."""
    rng = np.random.default_rng()
    for value, shape, worker in asked:
        case = Case.random(shape, operation, rng, dtype)
        with tempfile.TemporaryDirectory() as folder:
            measurement = measure(case, {"": worker}, rounds, Path(folder))[""]
        if measurement.failure is not None:
            raise RuntimeError(f"{shape.label}, {operation}: {measurement.failure}")
        if measurement.unsupported is None:
            yield value, case.work, median(measurement.seconds)


def _points(measured: Sequence[tuple[int, float, float]], *, larger: bool) -> list[dict[str, Any]]:
    work, seconds = [work for _, work, _ in measured], [seconds for *_, seconds in measured]
    return [
        {"value": value, "work": work, "seconds": seconds, "factor": factor, "cliff": factor > CLIFF}
        for (value, work, seconds), factor in zip(
            measured, factors(work, seconds, larger=larger), strict=True
        )
    ]
