"""Tables in Markdown of what a document holds, and what it says about the machine."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .harness import ROOT
from .peers import PEERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from .cases import Problem

    Result = Mapping[str, Any]


def environment() -> dict[str, Any]:
    """CPU, load, commit and date."""
    # No tags: the commit itself, and whether the tree differs from it.
    describe = ["git", "describe", "--always", "--dirty", "--exclude=*", "--abbrev=40"]
    try:
        commit = subprocess.run(describe, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        commit = "unknown"
    return {
        "cpu": _cpu_model(),
        "cpus": os.cpu_count(),
        "load_average": os.getloadavg()[0],
        "platform": platform.platform(),
        "commit": commit,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def title(document: Mapping[str, Any]) -> str:
    """Machine, commit and versions; which peers are left out, and how to read the table."""
    machine = (
        document["cpu"],
        f"{document['threads']} threads",
        f"commit {document['commit']}",
        document["date"],
    )
    lines = [f"`{document['command']}`: {', '.join(machine)}", ""]
    for name, versions in document["versions"].items():
        if "failure" in versions:
            lines.append(f"- {name} is left out: {versions['failure']}")
        else:
            lines.append(f"- {name}: {', '.join(' '.join(item) for item in versions.items())}")
    return "\n".join([*lines, ""])


def table(rows: Iterable[Sequence[str]], *headings: str) -> Iterator[str]:
    """Yield the lines of a table, one by one as its rows come."""
    yield _row(headings)
    yield _row(["---"] * len(headings))
    yield from map(_row, rows)


# -- speeds -----------------------------------------------------------------------------------


def speeds(results: Iterable[Result], peers: Sequence[str], problem: type[Problem]) -> Iterator[str]:
    """Yield a table of the speed of each peer, with the verdicts on ours."""
    yield f"{problem.unit} ({problem.measure}); ratio: time of the fastest peer / ours, median and spread\n"
    ours = [name for name in peers if PEERS[name].ours]
    headings = "shape", "operation", *peers, "fastest peer", *(f"ratio, {name}" for name in ours)
    yield from table((_speed_row(result, peers, ours) for result in results), *headings)


def _speed_row(result: Result, peers: Sequence[str], ours: Sequence[str]) -> list[str]:
    cells = [_speed(result["work"], result["peers"].get(name)) for name in peers]
    verdicts = [result["verdicts"].get(name) for name in ours]
    fastest = next((verdict["fastest"] for verdict in verdicts if verdict is not None), "–")
    ratios = [
        "–" if v is None else f"{v['ratio']:.2f} ({v['least']:.2f} to {v['greatest']:.2f})" for v in verdicts
    ]
    return [result["label"], result["operation"], *cells, fastest, *ratios]


def _speed(work: float, measurement: Mapping[str, Any] | None) -> str:
    if measurement is None or measurement["unsupported"] is not None:
        return "–"
    if measurement["failure"] is not None:
        return "wrong" if measurement["failure"].startswith("wrong") else "failed"
    speed = work / statistics.median(measurement["seconds"])
    return f"{_three_digits(speed)} ({measurement['error']:.1e})"


def means(results: Iterable[Result]) -> list[dict[str, Any]]:
    """
    Return the geometric mean of the ratios of each operation, class and one of ours, and the least ratio.

    "all" is over the rows, so that a class counts by how many it has.
    """
    found: dict[tuple[str, str, str], list[tuple[float, str]]] = {}
    for result in results:
        for ours, verdict in result["verdicts"].items():
            for group in (result["group"], "all"):
                ratios = found.setdefault((ours, result["operation"], group), [])
                ratios.append((verdict["ratio"], result["label"]))
    rows = []
    for (ours, operation, group), ratios in sorted(found.items(), key=lambda item: item[0][2] == "all"):
        least, label = min(ratios)
        mean = statistics.geometric_mean(ratio for ratio, _ in ratios)
        facts = {"ours": ours, "operation": operation, "group": group, "rows": len(ratios)}
        rows.append({**facts, "mean": mean, "least": least, "at": label})
    return rows


def mean_table(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    cells = (
        [
            *(r["group"], r["operation"], r["ours"], str(r["rows"])),
            *(f"{r['mean']:.2f}", f"{r['least']:.2f}", r["at"]),
        ]
        for r in rows
    )
    yield from table(cells, "class", "operation", "of", "rows", "geometric mean of ratios", "least", "at")


# -- errors -----------------------------------------------------------------------------------


def errors(results: Iterable[Result]) -> Iterator[str]:
    """Yield a table of the errors of each variant."""
    yield "max: of max|y|; rms: of rms(y); bound: largest of |error| / (|w| * |x|), in units of rounding\n"
    rows = (
        [result["label"], result["operation"], result["distribution"], variant, *_errors(found)]
        for result in results
        for variant, found in result["errors"].items()
    )
    yield from table(rows, "shape", "operation", "data", "variant", "max", "rms", "bound")


def worst(results: Iterable[Result]) -> dict[tuple[str, str, str], dict[str, float]]:
    """Return the largest errors of each operation, distribution and variant."""
    found: dict[tuple[str, str, str], dict[str, float]] = {}
    for result in results:
        for variant, measured in result["errors"].items():
            largest = found.setdefault((result["operation"], result["distribution"], variant), dict(measured))
            for name, value in measured.items():
                largest[name] = max(largest[name], value)
    return found


def worst_table(results: Iterable[Result]) -> Iterator[str]:
    rows = ([*key, *_errors(found)] for key, found in worst(results).items())
    yield from table(rows, "operation", "data", "variant", "largest max", "largest rms", "largest bound")


def _errors(found: Mapping[str, float]) -> list[str]:
    return [f"{found['max']:.1e}", f"{found['rms']:.1e}", f"{found['bound']:.1f}"]


# -- sweeps -----------------------------------------------------------------------------------


def sweeps(results: Iterable[Result]) -> Iterator[str]:
    """Yield a table of the points of each sweep; what is above the trend is marked."""
    yield "trend: what the neighbours let expect; see README.md\n"
    rows = (
        [
            result["peer"],
            f"{result['label']} {result['operation']}",
            f"{result['axis']} = {point['value']}",
            f"{point['seconds'] * 1e6:.1f}",
            _three_digits(point["work"] / point["seconds"]),
            f"{point['factor']:.2f}" + (" **cliff**" if point["cliff"] else ""),
        ]
        for result in results
        for point in result["points"]
    )
    yield from table(rows, "peer", "around", "point", "µs", "GFLOP/s", "time / trend")


def _three_digits(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.processor())
