"""
The process of one peer: `python -m benchmarks.worker PEER THREADS`, from the repository's root.

Runs in any environment with NumPy and the peer. One JSON object per line: on stdout first the peer's
versions, then an answer to each line of stdin. To `{"load": description, "kind": ..., "data": file}` that is
the largest error relative to the largest result, to `{"round": seconds}` the median time of a call, to
`{"errors": description, ...}` the errors of each of the peer's variants. An answer with "failure" says what
went wrong, one with "unsupported" what the library does not have.
"""

from __future__ import annotations

import gc
import json
import os
import platform
import statistics
import sys
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from .cases import Case
from .peers import PEERS, UnsupportedError
from .pictures import PictureCase
from .pooling import PoolCase
from .training import TrainingStep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .cases import Array, Problem
    from .peers import Call

PROBLEMS: dict[str, type[Problem]] = {
    problem.kind: problem for problem in (Case, PictureCase, PoolCase, TrainingStep)
}
MIN_REPETITIONS = 3


def errors(case: Case, result: Array, expected: Array, magnitude: Array) -> dict[str, float]:
    """
    Return errors over one case.

    `max` and `rms` are relative to the largest result and to its root mean square. `bound` is the largest
    error relative to the sum of the absolute products, which the textbook bounds elementwise, in units of
    the result's rounding error.
    """
    error = np.abs(result - expected)
    unit = np.finfo(result.dtype).eps / 2
    summed = magnitude > 0
    return {
        "max": case.largest_error(result, [expected]),
        "rms": float(np.sqrt(np.mean(error**2) / np.mean(expected**2))),
        "bound": float(np.max(error[summed] / magnitude[summed]) / unit),
    }


def median_time(call: Callable[[], Any], seconds: float) -> float:
    """Median over as many calls as take `seconds`, after one that wakes the library's threads."""
    call()
    times: list[float] = []
    begin = perf_counter()
    while len(times) < MIN_REPETITIONS or perf_counter() - begin < seconds:
        start = perf_counter()
        call()
        times.append(perf_counter() - start)
    return statistics.median(times)


def load(description: dict[str, Any], request: dict[str, Any]) -> tuple[Problem, list[Array]]:
    """Read the problem and what is expected, or what `magnitude` an elementwise bound has, from its file."""
    with np.load(request["data"]) as data:
        arrays = dict(data)
    results = [arrays.pop(name) for name in sorted(arrays) if name.startswith("expected/")]
    return PROBLEMS[request["kind"]].load(description, arrays), results


def answers(name: str, threads: int) -> Iterator[dict[str, Any]]:
    peer = PEERS[name](threads)
    yield {"python": platform.python_version(), "numpy": np.__version__, **peer.versions()}

    call: Call | None = None
    gc.disable()
    for request in map(json.loads, sys.stdin):
        try:
            if "round" in request:
                assert call is not None, "nothing is loaded"
                yield {"seconds": median_time(call.run, request["round"])}
            elif "errors" in request:
                problem, (expected, magnitude) = load(request["errors"], request)
                assert isinstance(problem, Case)
                yield {
                    variant: errors(problem, np.asarray(way.read(way.run())), expected, magnitude)
                    for variant, way in peer.variants(problem).items()
                }
            else:
                call = None  # the memory of the case before
                gc.collect()
                problem, expected = load(request["load"], request)
                call = peer.prepare(problem)
                yield {"error": problem.largest_error(call.read(call.run()), expected)}
        except UnsupportedError as reason:
            yield {"unsupported": str(reason)}
        except Exception as error:  # whatever a library raises ends this case, not the run
            yield {"failure": f"{type(error).__name__}: {error}"}


def main() -> None:
    # Libraries print on stdout as they like: that becomes stderr, and the answers get a channel of their own.
    channel = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    try:
        for answer in answers(sys.argv[1], int(sys.argv[2])):
            print(json.dumps(answer), file=channel)
    except (ImportError, OSError) as error:  # the peer, or a library below it, is not installed
        print(json.dumps({"failure": f"{type(error).__name__}: {error}"}), file=channel)


if __name__ == "__main__":
    main()
