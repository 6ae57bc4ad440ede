"""``convnative bench``: how fast this machine is, and how much of it some convolutions use."""

from __future__ import annotations

import argparse
import math
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import functional, runtime
from ._bench_peers import PEERS, Convolution, installed
from ._output import Output, positive_int

if TYPE_CHECKING:
    from collections.abc import Callable

_EXAMPLES = """\
examples:
  convnative bench
  convnative bench --threads 1
  convnative bench --alone

Nothing else should run meanwhile. `python -m benchmarks` in a checkout measures more, and each library in a
process of its own.
"""

_SECONDS = 0.1  # of calls, for one figure
_REST = 0.2  # before it: threads of the library before spin for a while
_COPIED = 2**27  # bytes, more than caches hold
_TOLERANCE = 1e-4  # of the largest output; beyond it a library computed something else

# in channels, out channels, height and width, kernel, stride, groups
_SHAPES = {
    "3x3, 64 to 64 @ 56x56": (64, 64, (56, 56), 3, 1, 1),
    "3x3, 256 to 256 @ 14x14": (256, 256, (14, 14), 3, 1, 1),
    "3x3 stride 2, 128 to 128 @ 56x56": (128, 128, (56, 56), 3, 2, 1),
    "1x1, 64 to 256 @ 56x56": (64, 256, (56, 56), 1, 1, 1),
    "7x7 stride 2, 3 to 64 @ 224x224": (3, 64, (224, 224), 7, 2, 1),
    "3x3 depthwise, 144 @ 56x56": (144, 144, (56, 56), 3, 1, 144),
    "3x3, one plane @ 1080x1920": (1, 1, (1080, 1920), 3, 1, 1),
}


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Describe the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "bench",
        help="measure this machine's peak and the speed of some convolutions",
        description="Measure this machine's multiply-add peak, its memory and the speed of some convolutions "
        "in float32, beside other libraries that are installed.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--threads", type=positive_int, default=runtime.get_num_threads(), help="default: all (%(default)s)"
    )
    parser.add_argument("--alone", action="store_true", help="leave other libraries out")
    return parser


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Print the figures."""
    with runtime.threads(arguments.threads):
        peak = runtime.fma_peak()
        config = runtime.show_config()
        threads = f"{arguments.threads} thread{'s' if arguments.threads > 1 else ''}"
        output.heading(f"Machine ({config['ISA']}, {threads})")
        if peak:
            output.line(f"multiply-adds   {peak / 1e9:7.0f} GFLOP/s, float32")
        output.line(f"memory, copied  {_copy_bandwidth(arguments.threads) / 1e9:7.0f} GB/s, read and written")

        peers = [] if arguments.alone else installed()
        output.heading("conv2d, float32, N = 1: GFLOP/s of the definition; Winograd's algorithm does fewer")
        headings = ["", "convnative", *(["of the peak"] if peak else []), *peers]
        rows = []
        with output.progress(len(_SHAPES)) as advance:
            for label in _SHAPES:
                rows.append(_row(label, peak, peers, arguments.threads))
                advance(1, label)
        output.table(headings, rows)
        output.line("All in one process, weights packed inside of the call where a library can be called so.")
    return 0


def _row(label: str, peak: float, peers: list[str], threads: int) -> list[str]:
    in_channels, out_channels, size, kernel, stride, groups = _SHAPES[label]
    rng, weight_shape = np.random.default_rng(), (out_channels, in_channels // groups, kernel, kernel)
    input = rng.standard_normal((1, in_channels, *size), dtype=np.float32)
    weight = rng.standard_normal(weight_shape, dtype=np.float32)
    case = Convolution(input, weight, stride, kernel // 2, groups)

    def ours() -> Any:
        return functional.conv2d(*case[:2], None, case.stride, case.padding, 1, case.groups)

    result = ours()
    flops = 2 * result.size * math.prod(weight_shape[1:])
    speed = flops / _seconds(ours)
    cells = [label, _figure(speed), *([f"{speed / peak:.0%}"] if peak else [])]
    for name in peers:
        cells.append(_peer_cell(name, case, threads, result, flops))
    return cells


def _peer_cell(name: str, case: Convolution, threads: int, expected: Any, flops: float) -> str:
    try:
        call = PEERS[name][1](case, threads)
        if call is None:
            return "–"
        difference = np.abs(np.asarray(call()) - expected).max()
    except Exception as error:  # whatever a library that is half installed raises
        return type(error).__name__
    if not difference <= _TOLERANCE * np.abs(expected).max():
        return "wrong"
    return _figure(flops / _seconds(call))


def _figure(speed: float) -> str:
    return f"{speed / 1e9:.1f}"


def _seconds(call: Callable[[], Any]) -> float:
    """Return the median time of a call."""
    time.sleep(_REST)
    call()
    times: list[float] = []
    while len(times) < 3 or sum(times) < _SECONDS:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def _copy_bandwidth(threads: int) -> float:
    """Return bytes read and written per second, in the best of some copies of a large array."""
    source, target = np.ones(_COPIED, np.uint8), np.zeros(_COPIED, np.uint8)
    parts = list(zip(np.array_split(source, threads), np.array_split(target, threads), strict=True))
    best = math.inf
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(5):
            start = time.perf_counter()
            # NumPy releases the GIL in it.
            list(pool.map(lambda part: np.copyto(part[1], part[0]), parts))
            best = min(best, time.perf_counter() - start)
    return 2 * _COPIED / best
