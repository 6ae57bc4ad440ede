"""The command `accuracy`: errors of every way to compute a case, beside those of other libraries."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .cases import DISTRIBUTIONS, Case, convolution
from .harness import save

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from .harness import Worker
    from .shapes import Shape


def run(
    shapes: Iterable[Shape], operations: Iterable[str], dtype: str, workers: Mapping[str, Worker]
) -> Iterator[dict[str, Any]]:
    """Yield the errors of all variants of all peers on the same data, case by case."""
    rng = np.random.default_rng()
    cases = (
        (distribution, Case.random(shape, operation, rng, dtype, distribution))
        for shape in shapes
        for operation in operations
        for distribution in DISTRIBUTIONS
    )
    for distribution, case in cases:
        absolute = {name: np.abs(array) for name, array in case.arrays().items()}
        magnitude = convolution(case.shape, case.operation, absolute)
        found: dict[str, Any] = {}
        with tempfile.TemporaryDirectory() as folder:
            file = save(case, [*case.reference(), magnitude], Path(folder))
            for name, worker in workers.items():
                answer = worker.ask(errors=case.description(), **file)
                if "failure" in answer:
                    print(f"{name}, {case.label}, {case.operation}: {answer['failure']}", file=sys.stderr)
                elif "unsupported" not in answer:
                    found |= answer
        yield {
            **case.description(),
            "label": case.label,
            "group": case.group,
            "distribution": distribution,
            "errors": found,
        }
