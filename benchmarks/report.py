"""Rows of the Markdown table, and what a report says about the machine."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .harness import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .cases import Case, PoolCase
    from .harness import Measurement, Verdict


def title(document: Mapping[str, Any]) -> str:
    """Machine, commit and versions; which peers are left out, and how to read the table."""
    lines = [
        f"{document['cpu']}, {document['threads']} threads, commit {document['commit']}, {document['date']}",
        "",
    ]
    for name, versions in document["versions"].items():
        if "failure" in versions:
            lines.append(f"- {name} is left out: {versions['failure']}")
        else:
            lines.append(f"- {name}: {', '.join(' '.join(item) for item in versions.items())}")
    return "\n".join(
        [*lines, "", f"{document['unit']} (max error / max|y|); ratio: time of the fastest peer / ours", ""]
    )


def header(peers: Iterable[str]) -> str:
    names = ["shape", "operation", *peers, "fastest peer", "ratio", "spread"]
    return f"{_row(names)}\n{_row(['---'] * len(names))}"


def row(case: Case | PoolCase, measurements: Mapping[str, Measurement], verdict: Verdict | None) -> str:
    """Speed of each peer, then the verdict."""
    cells = [_cell(case.work, measurement) for measurement in measurements.values()]
    end = ["–", "–", "–"]
    if verdict is not None:
        spread = f"{verdict.least:.2f} to {verdict.greatest:.2f}"
        end = [verdict.fastest, f"{verdict.ratio:.2f}", spread]
    return _row([case.shape.label, case.operation, *cells, *end])


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


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(work: int, measurement: Measurement) -> str:
    if measurement.failure is not None:
        return "wrong" if measurement.failure.startswith("wrong") else "failed"
    speed = work / measurement.median / 1e9
    return f"{speed:.{0 if speed >= 100 else 2}f} ({measurement.max_error:.1e})"


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.processor())
