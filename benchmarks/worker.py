"""
The process of one peer: `python -m benchmarks.worker PEER THREADS`, from the repository's root.

Runs in any environment with NumPy and the peer. One JSON object per line: on stdout first the peer's
versions, then an answer to each line of stdin: to `{"load": shape, "operation": ..., "data": file}` the
result's largest error relative to the largest result, to `{"round": seconds}` the median time of a call. An
answer with "failure" says what went wrong.
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

from .cases import make_case
from .peers import PEERS
from .shapes import PoolShape, Shape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .cases import Array

MIN_REPETITIONS = 3


def relative_error(result: Array, expected: Array) -> float:
    if result.shape != expected.shape:
        raise ValueError(f"result has shape {result.shape}, expected {expected.shape}")
    error = float(np.max(np.abs(result - expected)) / np.max(np.abs(expected)))
    if not np.isfinite(error):
        raise ValueError("result is not finite")
    return error


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


def answers(name: str, threads: int) -> Iterator[dict[str, Any]]:
    peer = PEERS[name](threads)
    yield {"python": platform.python_version(), "numpy": np.__version__, **peer.versions()}

    call: Callable[[], Any] | None = None
    gc.disable()
    for request in map(json.loads, sys.stdin):
        try:
            if "round" in request:
                assert call is not None, "nothing is loaded"
                yield {"seconds": median_time(call, request["round"])}
            else:
                call = None  # the memory of the case before
                gc.collect()
                with np.load(request["data"]) as data:
                    arrays = dict(data)
                expected = arrays.pop("expected")
                kind = Shape if "weight" in arrays else PoolShape
                call = peer.prepare(make_case(kind.from_json(request["load"]), request["operation"], arrays))
                del arrays
                yield {"max_error": relative_error(np.asarray(call()), expected)}
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
