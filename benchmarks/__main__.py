"""Command line: `python -m benchmarks --help`."""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import report
from .cases import COMMANDS, UNITS, random_case
from .harness import REST_SECONDS, TOLERANCE, Worker, compare, measure
from .peers import PEERS
from .shapes import select

if TYPE_CHECKING:
    from collections.abc import Mapping


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Speed of convnative beside its peers."
    )
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("--peers", default=",".join(PEERS), help="default: %(default)s")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--shapes", default="all", help="all, required, or part of a row's label")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured")
    interpreter = "interpreter for a peer that lives in another environment; repeatable"
    parser.add_argument("--python", action="append", default=[], metavar="PEER=PATH", help=interpreter)
    options = parser.parse_args()

    if options.threads < 1 or options.rounds < 1:
        parser.error("--threads, --rounds: expected an int >= 1")
    options.peers = options.peers.split(",")
    options.python = dict(entry.partition("=")[::2] for entry in options.python)
    for name in (*options.peers, *options.python):
        if name not in PEERS:
            parser.error(f"expected a peer among {','.join(PEERS)}, received {name!r}")
    for path in options.python.values():
        if shutil.which(path) is None:
            parser.error(f"--python: expected PEER=PATH of an interpreter, received {path!r}")
    if not select(options.shapes, COMMANDS[options.command][0]):
        parser.error(f"--shapes: expected all, required or part of a label, received {options.shapes!r}")
    return options


def run(options: argparse.Namespace, workers: Mapping[str, Worker]) -> list[dict[str, Any]]:
    """Measure case by case, print each row when it is known, and return everything."""
    rng, results = np.random.default_rng(), []
    print(report.header(workers), flush=True)
    rows, operations = COMMANDS[options.command]
    for shape in select(options.shapes, rows):
        for operation in operations:
            case = random_case(shape, operation, rng)
            with tempfile.TemporaryDirectory() as folder:
                measurements = measure(case, workers, options.rounds, Path(folder))
            verdict = compare(measurements)
            print(report.row(case, measurements, verdict), flush=True)
            for name, measurement in measurements.items():
                if measurement.failure is not None:
                    print(f"{name}, {shape.label}, {operation}: {measurement.failure}", file=sys.stderr)
            results.append(
                {
                    "shape": asdict(shape),
                    "operation": operation,
                    "work": case.work,
                    "peers": {name: asdict(measurement) for name, measurement in measurements.items()},
                    "verdict": asdict(verdict) if verdict else None,
                }
            )
    return results


def main() -> None:
    options = arguments()
    document = {
        **report.environment(),
        **{name: getattr(options, name) for name in ("command", "threads", "rounds")},
        "unit": UNITS[options.command],
        "rest_seconds": REST_SECONDS,
        "tolerance": TOLERANCE,
    }
    with contextlib.ExitStack() as stack:
        started = {
            name: stack.enter_context(Worker(name, options.threads, options.python.get(name, sys.executable)))
            for name in options.peers
        }
        workers = {name: worker for name, worker in started.items() if "failure" not in worker.versions}
        document["versions"] = {name: worker.versions for name, worker in started.items()}
        print(report.title(document))
        document["results"] = run(options, workers)
    if options.json:
        options.json.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
