"""Pictures of a document, by matplotlib."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

from . import report

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    Results = Sequence[Mapping[str, Any]]


def draw(document: Mapping[str, Any], file: Path) -> None:
    """Write the picture; the suffix of the file decides its format."""
    from matplotlib.figure import Figure

    results = document["results"]
    figure = Figure(layout="constrained")
    if document["command"] == "accuracy":
        _errors(figure, results)
    elif document["command"] == "scaling":
        _sweeps(figure, results)
    else:
        _speeds(figure, results)
    figure.suptitle(
        f"{document['command']}: {document['cpu']}, {document['threads']} threads, "
        f"{document['commit'][:12]}, {document['date'][:10]}",
        fontsize="small",
    )
    figure.savefig(file, dpi=120)


def _speeds(figure: Any, results: Results) -> None:
    """Each row's speeds relative to ours: left of the line a peer is slower."""
    ordered = sorted(results, key=lambda result: result["group"])  # stable: rows of a class stay in order
    ours = _ours(ordered)
    names = dict.fromkeys(name for result in ordered for name in result["peers"] if name != ours)
    figure.set_size_inches(9, 1.5 + 0.22 * len(ordered))
    axes = figure.subplots()
    for index, name in enumerate(names):
        points = [
            (_median(result, ours) / _median(result, name), row)
            for row, result in enumerate(ordered)
            if _timed(result, name) and _timed(result, ours)
        ]
        if points:
            axes.scatter(
                *zip(*points, strict=True), label=name, marker="osD^v<>PX*hdp"[index % 13], s=24, alpha=0.8
            )
    axes.axvline(1, color="black", linewidth=1, label=ours)
    labels = [f"{result['label']}, {result['operation']}" for result in ordered]
    axes.set_yticks(range(len(ordered)), labels, fontsize=7)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel(f"speed relative to {ours}")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1, 1))


def _ours(results: Results) -> str:
    return next((name for result in results for name in result["verdicts"]), "convnative")


def _timed(result: Mapping[str, Any], name: str) -> bool:
    measurement = result["peers"].get(name)
    return measurement is not None and measurement["failure"] is None and bool(measurement["seconds"])


def _median(result: Mapping[str, Any], name: str) -> float:
    return statistics.median(result["peers"][name]["seconds"])


def _errors(figure: Any, results: Results) -> None:
    """The largest errors of each variant, a panel per operation and distribution."""
    found = report.worst(results)
    operations = list(dict.fromkeys(operation for operation, *_ in found))
    distributions = list(dict.fromkeys(distribution for _, distribution, _ in found))
    variants = list(dict.fromkeys(variant for *_, variant in found))
    figure.set_size_inches(3.5 * len(distributions), 1 + (0.6 + 0.2 * len(variants)) * len(operations))
    panels = figure.subplots(len(operations), len(distributions), sharey=True, squeeze=False)
    for panel_row, operation in zip(panels, operations, strict=True):
        for axes, distribution in zip(panel_row, distributions, strict=True):
            for name, marker in (("max", "o"), ("rms", "x")):
                points = [
                    (found[operation, distribution, variant][name], row)
                    for row, variant in enumerate(variants)
                    if (operation, distribution, variant) in found
                ]
                axes.scatter(*zip(*points, strict=True), marker=marker, s=20, label=name)
            axes.set_yticks(range(len(variants)), variants, fontsize=7)
            axes.set_xscale("log")
            axes.xaxis.set_minor_formatter("")
            axes.set_title(f"{operation}, {distribution}", fontsize=8)
            axes.grid(alpha=0.3)
    panels[0, 0].invert_yaxis()
    panels[0, 0].legend(fontsize=7)


def _sweeps(figure: Any, results: Results) -> None:
    """Time over size, a panel per sweep; cliffs in red."""
    columns = min(3, len(results))
    rows = -(-len(results) // columns)
    figure.set_size_inches(4.5 * columns, 3.2 * rows)
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in panels[len(results) :]:
        axes.set_visible(False)
    for axes, result in zip(panels, results, strict=False):
        values = [point["value"] for point in result["points"]]
        times = [point["seconds"] * 1e6 for point in result["points"]]
        axes.plot(values, times, marker=".")
        cliffs = [i for i, point in enumerate(result["points"]) if point["cliff"]]
        axes.plot([values[i] for i in cliffs], [times[i] for i in cliffs], "ro", markersize=7)
        for i in cliffs:
            axes.annotate(str(values[i]), (values[i], times[i]), fontsize=7)
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xlabel(result["axis"], fontsize=8)
        axes.set_ylabel("µs", fontsize=8)
        axes.set_title(f"{result['peer']}: {result['label']} {result['operation']}", fontsize=7)
        axes.grid(alpha=0.3)
