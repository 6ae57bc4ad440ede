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

from . import accuracy, environments, picture, report, scaling
from .cases import TOLERANCES, Case
from .harness import REST_SECONDS, ROUND_SECONDS, Worker, compare, measure
from .peers import PEERS
from .pictures import PICTURES, PictureCase, PictureShape
from .pooling import POOL_SHAPES, PoolCase
from .selection import select
from .shapes import IMAGES, SHAPES
from .training import NETWORKS, TrainingStep

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .cases import Problem

OPERATIONS = ("forward", "grad_input", "grad_weight")
ENGINES = ("onnxruntime", "openvino", "jax", "ncnn", "mnn")
TORCH = ("torch", "torch-channels-last")
IMAGE_LIBRARIES = ("opencv", "scipy-ndimage", "scipy-signal", "scikit-image")
# What is measured by default: the peers that have the command's operations.
COMMAND_PEERS = {
    "layers": ("convnative", "convnative-prepacked", *TORCH, "torch-prepacked", *ENGINES),
    "backward": ("convnative", *TORCH, "jax"),
    "images": ("convnative-out", "convnative", *TORCH, *ENGINES, *IMAGE_LIBRARIES),
    "pooling": ("convnative", *TORCH),
    "training": ("convnative", *TORCH),
    "accuracy": ("convnative", *TORCH),
    "scaling": ("convnative",),
}
COMMAND_OPERATIONS = {"backward": OPERATIONS[1:], "pooling": OPERATIONS[:2], "accuracy": OPERATIONS}
# The problems of a command and the rows that they are made of; `Case` and `SHAPES` of all others.
COMMAND_PROBLEMS: dict[str, type[Problem]] = {"pooling": PoolCase, "training": TrainingStep}
COMMAND_ROWS: dict[str, Sequence[Any]] = {
    "images": (*IMAGES, *PICTURES),
    "pooling": POOL_SHAPES,
    "training": tuple(NETWORKS),
}


def problems(options: argparse.Namespace) -> Iterator[Problem]:
    """Yield what a command times, with new random data."""
    rng = np.random.default_rng()
    for row in options.selected:
        problem = (
            PictureCase if isinstance(row, PictureShape) else COMMAND_PROBLEMS.get(options.command, Case)
        )
        for operation in options.operations:
            yield problem.random(row, operation, rng, options.dtype)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Speed and errors of convnative beside its peers."
    )
    places = argparse.ArgumentParser(add_help=False)
    folder = "of the peers' environments (default: build/peers)"
    places.add_argument(
        "--environments", type=Path, default=environments.DEFAULT, metavar="FOLDER", help=folder
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    helps = {
        "layers": "forward of convolutions",
        "backward": "their gradients with respect to input and weight",
        "images": "photographs: one plane to one and to several, and filters of grey and colour pictures",
        "pooling": "pools and their gradients",
        "training": "training steps of whole networks",
        "accuracy": "errors beside torch's, of every algorithm of ours",
        "scaling": "time against one size after the other, and where it jumps",
    }
    for command, text in helps.items():
        _add_options(commands.add_parser(command, help=text, description=text, parents=[places]))
    again = commands.add_parser("report", help="tables and picture of files that --json wrote")
    again.add_argument("files", type=Path, nargs="+", metavar="FILE", help="all of one command")
    again.add_argument("--picture", type=Path, metavar="FILE")
    text = "an environment with its packages for each peer"
    install = commands.add_parser("install", help=text, description=text, parents=[places])
    install.add_argument("--peers", default=",".join(PEERS), help="default: all")
    options = parser.parse_args()
    if options.command != "report":
        _check(options, parser)
    return options


def _add_options(command: argparse.ArgumentParser) -> None:
    name = command.prog.rpartition(" ")[2]
    command.add_argument("--peers", default=",".join(COMMAND_PEERS[name]), help="default: %(default)s")
    command.add_argument("--threads", type=int, default=2)
    command.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured")
    command.add_argument("--picture", type=Path, metavar="FILE", help="draw it (needs matplotlib)")
    interpreter = "interpreter for a peer that lives elsewhere; repeatable"
    command.add_argument("--python", action="append", default=[], metavar="PEER=PATH", help=interpreter)
    if name != "accuracy":
        command.add_argument("--rounds", type=int, default=5)
    if name == "training":
        command.add_argument("--shapes", default="all", help=f"all, or one of {', '.join(NETWORKS)}")
        return
    default = {"images": "all", "pooling": "all", "scaling": "N=1 3x3 64-64 @56"}.get(name, "overview")
    rows = (
        "all, required, overview, a network, a class, part of a row's label, or, of convolutions, "
        "drawn COUNT SEED; with ; between several"
    )
    command.add_argument("--shapes", default=default, help=f"{rows} (default: %(default)s)")
    command.add_argument("--dtype", choices=TOLERANCES, default="float32")
    operations = ",".join(COMMAND_OPERATIONS.get(name, OPERATIONS[:1]))
    command.add_argument("--operations", default=operations, help="default: %(default)s")
    if name == "scaling":
        command.add_argument("--axes", default=",".join(scaling.AXES), help="default: %(default)s")


def _check(options: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    def words(option: str, known: Any) -> list[str]:
        given: list[str] = getattr(options, option).split(",")
        for word in given:
            if word not in known:
                parser.error(f"--{option}: expected one of {', '.join(known)}, received {word!r}")
        return given

    options.peers = words("peers", PEERS)
    if options.command == "install":
        return
    if options.threads < 1 or getattr(options, "rounds", 1) < 1:
        parser.error("--threads, --rounds: expected an int >= 1")
    given = dict(entry.partition("=")[::2] for entry in options.python)
    for name, path in given.items():
        if name not in PEERS or shutil.which(path) is None:
            parser.error(f"--python: expected PEER=PATH of an interpreter, received {name}={path}")
    options.python = {
        name: given.get(name, environments.interpreter(name, options.environments)) for name in options.peers
    }
    rows = COMMAND_ROWS.get(options.command, SHAPES)
    if options.command == "training":
        options.operations, options.dtype = [TrainingStep.operation], "float32"
        options.selected = [name for name in rows if options.shapes in ("all", name)]
    else:
        options.operations = words("operations", OPERATIONS)
        options.selected = select(options.shapes, rows)
    if options.command == "scaling":
        options.axes = words("axes", scaling.AXES)
    if not options.selected:
        parser.error(f"--shapes: expected a name or part of a label, received {options.shapes!r}")


def timings(options: argparse.Namespace, workers: Mapping[str, Worker]) -> Iterator[dict[str, Any]]:
    """Measure problem by problem, and yield each when it is known."""
    for problem in problems(options):
        with tempfile.TemporaryDirectory() as folder:
            measurements = measure(problem, workers, options.rounds, Path(folder))
        verdicts = {name: compare(measurements, name) for name in options.peers if PEERS[name].ours}
        for name, measurement in measurements.items():
            if measurement.failure is not None:
                reason = measurement.failure.partition("\n")[0]
                print(f"{name}, {problem.label}, {problem.operation}: {reason}", file=sys.stderr)
        yield {
            **problem.description(),
            "label": problem.label,
            "group": problem.group,
            "operation": problem.operation,
            "unit": problem.unit,
            "work": problem.work,
            "peers": {name: asdict(measurement) for name, measurement in measurements.items()},
            "verdicts": {name: asdict(verdict) for name, verdict in verdicts.items() if verdict},
        }


def tables(document: Mapping[str, Any], results: Iterator[dict[str, Any]]) -> Iterator[str]:
    """Yield the lines of a report, each row as soon as its result comes."""
    seen = document["results"]

    def kept() -> Iterator[dict[str, Any]]:
        for result in results:
            seen.append(result)
            yield result

    command = document["command"]
    yield report.title(document)
    if command == "accuracy":
        yield from report.errors(kept())
        yield ""
        yield from report.worst_table(seen)
    elif command == "scaling":
        yield from report.sweeps(kept())
    else:
        peers = [name for name, versions in document["versions"].items() if "failure" not in versions]
        yield from report.speeds(kept(), peers, COMMAND_PROBLEMS.get(command, Case))
        rows = report.means(seen)
        if rows:
            yield ""
            yield from report.mean_table(rows)


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """Run a command and return its document, whole or as far as it came."""
    settings = ("command", "threads", "rounds", "dtype", "shapes")
    document: dict[str, Any] = {
        **report.environment(),
        **{name: getattr(options, name) for name in settings if hasattr(options, name)},
        "round_seconds": ROUND_SECONDS,
        "rest_seconds": REST_SECONDS,
        "results": [],
    }
    with contextlib.ExitStack() as stack:
        started = {
            name: stack.enter_context(Worker(name, options.threads, python))
            for name, python in options.python.items()
        }
        document["versions"] = {name: worker.versions for name, worker in started.items()}
        workers = {name: worker for name, worker in started.items() if "failure" not in worker.versions}
        if options.command == "accuracy":
            results = accuracy.run(options.selected, options.operations, options.dtype, workers)
        elif options.command == "scaling":
            results = scaling.run(
                options.selected,
                options.operations,
                options.dtype,
                options.rounds,
                {name: options.python[name] for name in workers},
                options.threads,
                options.axes,
            )
        else:
            results = timings(options, workers)
        try:
            for line in tables(document, results):
                print(line, flush=True)
        finally:
            if options.json:
                options.json.write_text(json.dumps(document, indent=1) + "\n")
    return document


def merged(files: list[Path]) -> dict[str, Any]:
    """Return the first document with the results and the peers of all."""
    documents = [json.loads(file.read_text()) for file in files]
    commands = {document["command"] for document in documents}
    if len(commands) > 1:
        raise SystemExit(f"report: expected files of one command, received {', '.join(sorted(commands))}")
    versions = {name: facts for document in documents for name, facts in document["versions"].items()}
    results = [result for document in documents for result in document["results"]]
    return {**documents[0], "versions": versions, "results": results}


def main() -> None:
    options = arguments()
    if options.command == "install":
        failures = environments.install(options.peers, options.environments)
        if failures:
            raise SystemExit("\n".join(f"{peer}: {failure}" for peer, failure in failures.items()))
        return
    if options.command == "report":
        document = merged(options.files)
        for line in tables({**document, "results": []}, iter(document["results"])):
            print(line)
    else:
        document = measured(options)
    if options.picture:
        picture.draw(document, options.picture)


if __name__ == "__main__":
    main()
