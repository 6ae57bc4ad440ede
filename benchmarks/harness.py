"""Asks the peers' processes in turn, and compares what they answer."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .peers import PEERS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .cases import Array, Problem

ROOT = Path(__file__).resolve().parents[1]
ROUND_SECONDS = 0.05
REST_SECONDS = 0.3  # before a peer is timed: idle threads of the one before it spin for a while


class Worker:
    """The process of one peer; a context manager that ends it."""

    def __init__(self, peer: str, threads: int, python: str = sys.executable) -> None:
        self._process = subprocess.Popen(
            [python, "-m", "benchmarks.worker", peer, str(threads)],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": str(threads)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.versions = self._answer()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._process.kill()
        self._process.communicate()

    def ask(self, **request: Any) -> dict[str, Any]:
        """Return the answer; a process that has ended answers with a failure."""
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps(request), file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            return {"failure": f"its process ended with exit code {self._process.wait()}"}
        answer: dict[str, Any] = json.loads(line)
        return answer


@dataclass
class Measurement:
    """What one peer did with one case: the time of a call in each round, or why there is none."""

    error: float | None = None
    failure: str | None = None
    unsupported: str | None = None
    seconds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


@dataclass(frozen=True)
class Verdict:
    """Time of the fastest peer divided by ours, round by round: median, least, greatest."""

    fastest: str
    ratio: float
    least: float
    greatest: float


def save(problem: Problem, expected: Sequence[Array], folder: Path) -> dict[str, str]:
    """Write the data for the peers' processes; return the part of a request that names it."""
    data = folder / "problem.npz"
    results = {f"expected/{index:04}": array for index, array in enumerate(expected)}
    np.savez(data, **problem.arrays(), **results)
    return {"kind": problem.kind, "data": str(data)}


def measure(
    problem: Problem, workers: Mapping[str, Worker], rounds: int, folder: Path
) -> dict[str, Measurement]:
    """Check every peer, then time those that are right, one after the other in each round."""
    file = save(problem, problem.reference(), folder)
    measurements = {}
    for name, worker in workers.items():
        answer = worker.ask(load=problem.description(), **file)
        measurement = measurements[name] = Measurement(**answer)
        error = measurement.error
        if error is not None and error > problem.tolerance:
            measurement.failure = f"wrong: {problem.measure} {error:.1e}, tolerance {problem.tolerance:.0e}"

    timed = {name: m for name, m in measurements.items() if m.failure is None and m.unsupported is None}
    rest = REST_SECONDS if len(timed) > 1 else 0
    for _ in range(rounds):
        for name, measurement in timed.items():
            if measurement.failure is None:
                time.sleep(rest)
                answer = workers[name].ask(round=ROUND_SECONDS)
                measurement.failure = answer.get("failure")
                if measurement.failure is None:
                    measurement.seconds.append(answer["seconds"])
    return measurements


def compare(measurements: Mapping[str, Measurement], ours: str) -> Verdict | None:
    """Return the verdict on one of our own, or None where it or all others have no time."""
    timed = {name: m for name, m in measurements.items() if m.failure is None and m.seconds}
    us = timed.get(ours)
    theirs = [name for name in timed if not PEERS[name].ours]
    if us is None or not theirs:
        return None
    fastest = min(theirs, key=lambda name: timed[name].median)
    ratios = [a / b for a, b in zip(timed[fastest].seconds, us.seconds, strict=True)]
    return Verdict(fastest, statistics.median(ratios), min(ratios), max(ratios))
