"""The benchmark harness: its shapes are convolutions, and it runs. Nothing here depends on a time."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from convnative import functional as F

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def shapes(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    return importlib.import_module("benchmarks.shapes")


def run(*options):
    command = [sys.executable, "-m", "benchmarks", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_shapes_are_distinct_convolutions(shapes):
    assert len({shape.label for shape in shapes.SHAPES}) == len(shapes.SHAPES)
    for shape in shapes.SHAPES:
        assert shape.in_channels % shape.groups == 0, shape
        assert shape.out_channels % shape.groups == 0, shape
        assert min(shape.output_shape) >= 1, shape


def test_output_shape_is_that_of_conv2d(shapes):
    shape = shapes.Shape("odd", 2, 4, 9, 12, 6, (3, 2), (2, 3), (2, 1), (2, 1), groups=2)
    input, weight = np.zeros(shape.input_shape), np.zeros(shape.weight_shape)
    output = F.conv2d(input, weight, None, shape.stride, shape.padding, shape.dilation, shape.groups)
    assert shape.output_shape == output.shape


def test_select(shapes):
    assert shapes.select("all") == list(shapes.SHAPES)
    required = [("3x3 64-64 @56", 1), ("3x3 64-64 @56", 16), ("3x3 256-256 @14", 1), ("3x3 256-256 @14", 16)]
    assert [(shape.name, shape.batch) for shape in shapes.select("required")] == required
    assert [shape.label for shape in shapes.select("3x3 1-1 @1080p")] == ["N=1 3x3 1-1 @1080p"]


@pytest.mark.parametrize(
    ("command", "operations"), [("layers", ["forward"]), ("backward", ["grad_input", "grad_weight"])]
)
def test_run(command, operations, tmp_path):
    file = tmp_path / "result.json"
    tiny = ["--peers=convnative", "--shapes=1-1 @8", "--rounds=1", "--threads=1"]
    process = run(command, *tiny, f"--json={file}")
    assert process.returncode == 0, process.stderr
    assert [line.split(" | ")[1] for line in process.stdout.splitlines()[-len(operations) :]] == operations

    report = json.loads(file.read_text())
    assert report["threads"] == 1
    assert report["versions"]["convnative"]["isa"]
    assert [result["operation"] for result in report["results"]] == operations
    for result in report["results"]:
        measurement = result["peers"]["convnative"]
        assert measurement["failure"] is None
        assert measurement["max_error"] < 1e-5
        assert len(measurement["seconds"]) == 1


def test_unknown_peer_is_refused():
    process = run("layers", "--peers=nobody")
    assert process.returncode == 2
    assert "received 'nobody'" in process.stderr
