"""The benchmark harness: its rows are convolutions, its arithmetic is right, it runs. No times in tests."""

import importlib
import importlib.util
import itertools
import json
import os
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from convnative import _core

ROOT = Path(__file__).resolve().parents[1]

# What starts processes depends on no level of instructions: once is enough.
processes = pytest.mark.skipif("CONVNATIVE_MAX_ISA" in os.environ, reason="runs at the best level")


@pytest.fixture
def benchmarks(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    modules = (
        *("cases", "environments", "harness", "peers", "pictures", "report", "scaling", "selection"),
        *("shapes", "training", "worker"),
    )
    return SimpleNamespace(**{name: importlib.import_module(f"benchmarks.{name}") for name in modules})


def run(*options):
    command = [sys.executable, "-m", "benchmarks", *map(str, options)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


# -- the rows ---------------------------------------------------------------------------------


def test_shapes_are_distinct_convolutions(benchmarks):
    shapes = [*benchmarks.shapes.SHAPES, *benchmarks.shapes.IMAGES]
    assert len({shape.label for shape in shapes}) == len(shapes)
    for shape in shapes:
        assert shape.in_channels % shape.groups == 0, shape
        assert shape.out_channels % shape.groups == 0, shape
        assert min(shape.output_shape) >= 1, shape


def test_pictures_are_distinct(benchmarks):
    rows = benchmarks.pictures.PICTURES
    assert len({row.label for row in rows}) == len(rows)
    (found,) = benchmarks.selection.select("7x7 uint8 RGB @1080", rows)
    assert found.label == "filter 7x7 uint8 RGB @1080x1920"


def test_every_class_has_rows(benchmarks):
    classes = set(benchmarks.shapes.CLASSES)
    assert {shape.kind for shape in benchmarks.shapes.SHAPES} == classes
    assert {shape.kind for shape in benchmarks.shapes.OVERVIEW} == classes


@pytest.mark.parametrize(
    ("label", "kind"),
    [
        ("N=1 3x3 64-64 @56", "3x3 s1 @28+"),
        ("N=8 3x3 384-384 @13", "3x3 s1 @14"),
        ("N=1 3x3 512-512 @7", "3x3 s1 @7"),
        ("N=1 3x3 s2 128-128 @56", "3x3 s2"),
        ("N=32 5x5 96-256 @27", "5x5"),
        ("N=1 1x1 s2 64-128 @56", "1x1, stem, dilated"),
        ("N=1 7x7 s2 3-64 @224", "1x1, stem, dilated"),
        ("N=1 11x11 s4 p0 3-96 @227", "1x1, stem, dilated"),
        ("N=1 3x3 d2 256-256 @28", "1x1, stem, dilated"),
        ("N=1 3x3 s2 depthwise 96 @112", "depthwise"),
        ("N=1 3x3 g32 128-128 @56", "groups"),
        ("N=1 3x3 3-64 @224", "few channels"),
        ("N=1 k2 d512 p0 64-128 @8512", "1-D, 3-D"),
        ("N=1 3x3x3 512-512 @4x14x14", "1-D, 3-D"),
        ("N=1 4x4 transposed s2 128-64 @32", "transposed"),
    ],
)
def test_class(benchmarks, label, kind):
    (shape,) = (shape for shape in benchmarks.shapes.SHAPES if shape.label == label)
    assert shape.kind == kind


def test_select(benchmarks):
    shapes, select = benchmarks.shapes, benchmarks.selection.select
    assert select("all") == list(shapes.SHAPES)
    required = ["N=1 3x3 64-64 @56", "N=16 3x3 64-64 @56", "N=1 3x3 256-256 @14", "N=16 3x3 256-256 @14"]
    assert [shape.label for shape in select("required")] == required
    assert [shape.label for shape in select("N=1 11x11;N=1 4x4 transposed s2 512")] == [
        "N=1 11x11 s4 p0 3-96 @227",
        "N=1 4x4 transposed s2 512-256 @8",
    ]
    assert {shape.kind for shape in select("depthwise")} == {"depthwise"}
    lenet = [(6, 1), (6, 8), (6, 32), (16, 1), (16, 8), (16, 32), (120, 1), (120, 8), (120, 32)]
    assert [(shape.out_channels, shape.batch) for shape in select("lenet")] == lenet
    assert len(select("1080x1920", shapes.IMAGES)) == 6
    assert select("nothing") == []


def test_drawn_convolutions(benchmarks):
    """Different ones, the same for the same seed, of every kind and with an output."""
    select = benchmarks.selection.select
    drawn = select("drawn 300 1")
    assert len(set(drawn)) == 300
    assert select("drawn 300 1") == drawn
    assert select("drawn 20") == select("drawn 20 0") != drawn[:20]
    assert select("drawn 20 1;N=1 11x11 s4")[:20] == drawn[:20]
    assert select("drawn 0") == select("drawn 20", benchmarks.shapes.IMAGES) == []
    assert {len(shape.size) for shape in drawn} == {1, 2, 3}
    assert {shape.transposed for shape in drawn} == {shape.depthwise for shape in drawn} == {True, False}
    for shape in drawn:
        assert shape.in_channels % shape.groups == shape.out_channels % shape.groups == 0, shape
        assert min(shape.output_shape) >= 1, shape
        assert 4e4 <= shape.flops <= 8e8, shape


def test_batches_leave_out_what_is_too_large(benchmarks):
    labels = {shape.label for shape in benchmarks.shapes.SHAPES}
    assert "N=8 3x3 64-64 @224" in labels
    assert "N=32 3x3 64-64 @224" not in labels


# -- what results are compared with -----------------------------------------------------------

SMALL = {
    "2-D": ((3, 2), 4, 6, (9, 12), {"stride": 2, "padding": 1, "groups": 2, "batch": 2}),
    "dilated": (3, 3, 5, 11, {"dilation": 2}),
    "1-D": (4, 6, 4, 20, {"axes": 1, "stride": 3, "padding": 2}),
    "3-D": (3, 2, 4, (4, 5, 6), {"axes": 3, "groups": 2}),
    "transposed": (4, 4, 6, 5, {"stride": 2, "padding": 1, "groups": 2, "transposed": True, "batch": 2}),
    "transposed 1-D": (3, 4, 2, 7, {"axes": 1, "padding": 0, "transposed": True}),
}


@pytest.mark.parametrize("operation", ["forward", "grad_input", "grad_weight"])
@pytest.mark.parametrize("name", SMALL)
def test_reference_is_the_convolution(benchmarks, name, operation):
    *arguments, options = SMALL[name]
    shape = benchmarks.shapes.conv(*arguments, **options)
    case = benchmarks.cases.Case.random(shape, operation, np.random.default_rng(0), "float64")
    call = benchmarks.peers.PEERS["convnative"](_core.get_num_threads()).prepare(case)
    (expected,) = case.reference()
    np.testing.assert_allclose(call.read(call.run()), expected, rtol=1e-12, atol=1e-12)
    if operation == "forward":
        assert shape.output_shape == expected.shape
        small = shape.input_shape if shape.transposed else shape.output_shape
        assert shape.flops == 2 * np.prod(small) * np.prod(shape.weight_shape[1:])


@pytest.mark.parametrize("operation", ["forward", "grad_input"])
def test_reference_is_the_pool(benchmarks, operation):
    pooling = importlib.import_module("benchmarks.pooling")
    assert len({shape.label for shape in pooling.POOL_SHAPES}) == len(pooling.POOL_SHAPES)
    peer = benchmarks.peers.PEERS["convnative"](_core.get_num_threads())
    for shape in (
        pooling.PoolShape(2, 3, (7, 9), "max", 3, 2, 1),
        pooling.PoolShape(1, 2, (8,), "avg", 2),
        pooling.PoolShape(1, 2, (5, 7, 6), "avg", output_size=2),
        pooling.PoolShape(1, 2, (5, 7), "max", output_size=3),
    ):
        case = pooling.PoolCase.random(shape, operation, np.random.default_rng(0), "float64")
        call = peer.prepare(case)
        assert case.largest_error(call.read(call.run()), case.reference()) < 1e-14


@pytest.mark.parametrize("name", ["1-D", "transposed 1-D"])
def test_one_dimension_as_two(benchmarks, name):
    *arguments, options = SMALL[name]
    shape = benchmarks.shapes.conv(*arguments, **options)
    case = benchmarks.cases.Case.random(shape, "forward", np.random.default_rng(0))
    (flat,), (plane,) = case.reference(), case.in_two_dimensions().reference()
    np.testing.assert_array_equal(plane[:, :, 0], flat)


def test_a_problem_survives_the_way_to_its_worker(benchmarks, tmp_path):
    rng = np.random.default_rng(0)
    case = benchmarks.cases.Case.random(benchmarks.shapes.conv(3, 2, 4, 5), "grad_input", rng)
    step = benchmarks.training.TrainingStep.random("LeNet", "step", rng)
    for problem in (case, step):
        expected = [np.zeros(3), np.ones(2)]
        request = json.loads(json.dumps(benchmarks.harness.save(problem, expected, tmp_path)))
        description = json.loads(json.dumps(problem.description()))
        there, results = benchmarks.worker.load(description, request)
        assert type(there) is type(problem)
        assert there.description() == problem.description()
        assert there.arrays().keys() == problem.arrays().keys()
        for name, array in problem.arrays().items():
            np.testing.assert_array_equal(there.arrays()[name], array)
        for result, wanted in zip(results, expected, strict=True):
            np.testing.assert_array_equal(result, wanted)


def test_distributions(benchmarks):
    rng, shape = np.random.default_rng(0), benchmarks.shapes.conv(3, 8, 8, 20)
    positive = benchmarks.cases.Case.random(shape, "forward", rng, distribution="positive")
    assert all(array.min() >= 0 for array in positive.arrays().values())
    for operation, name in (("forward", "input"), ("grad_input", "grad_output"), ("grad_weight", "input")):
        wide = benchmarks.cases.Case.random(shape, operation, rng, distribution="wide")
        for array_name, array in wide.arrays().items():
            assert (np.abs(array).max() > 1e15) == (array_name == name)


def test_error(benchmarks):
    case = benchmarks.cases.Case.random(
        benchmarks.shapes.conv(1, 1, 1, 2), "forward", np.random.default_rng(0)
    )
    expected = np.array([1.0, -4.0])
    assert case.largest_error(np.array([1.5, -4.0]), [expected]) == 0.125
    assert case.largest_error([expected, np.array([2.0])], [expected, np.array([4.0])]) == 0.5
    with pytest.raises(ValueError, match=r"shape \(2, 1\), expected \(2,\)"):
        case.largest_error(expected[:, None], [expected])
    with pytest.raises(ValueError, match="not finite"):
        case.largest_error(np.array([1, np.nan]), [expected])
    result, wanted = np.array([3.0, 5.0], np.float32), np.array([3.0, 4.0])
    found = benchmarks.worker.errors(case, result, wanted, np.array([8.0, 16.0]))
    assert found == {"max": 0.25, "rms": pytest.approx(0.2), "bound": 2**24 / 16}
    step = benchmarks.training.TrainingStep
    assert step.error(np.array([3.0, 5.0]), wanted) == pytest.approx(0.2)


# -- verdicts ---------------------------------------------------------------------------------


def test_verdict(benchmarks):
    harness = benchmarks.harness
    measured = {
        "convnative": harness.Measurement(0.0, seconds=[2.0, 1.0, 4.0]),
        "convnative-strict": harness.Measurement(0.0, seconds=[1.0, 1.0, 1.0]),
        "torch": harness.Measurement(0.0, seconds=[3.0, 3.0, 3.0]),
        "jax": harness.Measurement(0.0, seconds=[9.0, 2.5, 2.5]),
        "mnn": harness.Measurement(0.5, failure="wrong", seconds=[]),
        "ncnn": harness.Measurement(unsupported="N = 1 only"),
    }
    assert harness.compare(measured, "convnative") == harness.Verdict("jax", 2.5, 0.625, 4.5)
    assert harness.compare(measured, "convnative-strict") == harness.Verdict("jax", 2.5, 2.5, 9.0)
    without_time = {"convnative": measured["convnative"], "mnn": measured["mnn"]}
    assert harness.compare(without_time, "convnative") is None
    assert harness.compare({"torch": measured["torch"]}, "convnative") is None


class FakeWorker:
    def __init__(self, *answers):
        self.answers = list(answers)

    def ask(self, **_):
        return self.answers.pop(0)


def test_a_wrong_peer_is_not_timed(benchmarks, tmp_path, monkeypatch):
    monkeypatch.setattr(benchmarks.harness, "REST_SECONDS", 0)
    case = benchmarks.cases.Case.random(
        benchmarks.shapes.conv(1, 1, 1, 2), "forward", np.random.default_rng(0)
    )
    workers = {
        "convnative": FakeWorker({"error": 1e-7}, {"seconds": 1.0}, {"seconds": 3.0}),
        "torch": FakeWorker({"error": 1e-3}),
        "ncnn": FakeWorker({"unsupported": "N = 1 only"}),
        "jax": FakeWorker({"error": 1e-7}, {"seconds": 1.0}, {"failure": "it fell"}),
    }
    measured = benchmarks.harness.measure(case, workers, 2, tmp_path)
    assert measured["convnative"].seconds == [1.0, 3.0]
    assert measured["convnative"].median == 2.0
    assert measured["torch"].failure == "wrong: max error / max|y| 1.0e-03, tolerance 1e-04"
    assert measured["ncnn"].unsupported == "N = 1 only"
    assert measured["jax"].failure == "it fell"
    assert benchmarks.harness.compare(measured, "convnative") is None
    result = {
        "label": "row",
        "operation": "forward",
        "work": 10,
        "peers": {name: vars(m) for name, m in measured.items()},
        "verdicts": {},
    }
    *_, line = benchmarks.report.speeds([result], [*workers, "mnn"], benchmarks.cases.Case)
    assert line == "| row | forward | 5 (1.0e-07) | wrong | – | failed | – | – | – |"


def test_means(benchmarks):
    def result(group, label, ratio):
        verdicts = {} if ratio is None else {"convnative": {"ratio": ratio}}
        return {"operation": "forward", "group": group, "label": label, "verdicts": verdicts}

    rows = benchmarks.report.means(
        [result("a", "1", 1.0), result("b", "2", 2.0), result("a", "3", 4.0), result("b", "4", None)]
    )
    assert [(r["group"], r["rows"], r["least"], r["at"]) for r in rows] == [
        ("a", 2, 1.0, "1"),
        ("b", 1, 2.0, "2"),
        ("all", 3, 1.0, "1"),
    ]
    assert [r["mean"] for r in rows] == pytest.approx([2, 2, 2])


def test_cliffs(benchmarks):
    factors = benchmarks.scaling.factors
    # In proportion; a step up at the third; a smaller problem that takes longer than the next larger.
    assert factors([1, 2, 4], [1.0, 2.0, 4.0]) == [0.5, 1.0, 1.0]
    assert factors([1, 2, 3, 4], [1.0, 2.0, 6.0, 8.0]) == [0.5, 1.0, 2.0, 1.0]
    assert factors([1, 2, 3], [1.0, 5.0, 2.0]) == [0.2, 2.5, 2.0 / 7.5]
    assert factors([1, 1], [3.0, 2.0], larger=False) == [1.0, 2 / 3]
    assert factors([1], [3.0]) == [1.0]


def test_sweeps_change_one_size(benchmarks):
    shapes, scaling = benchmarks.shapes, benchmarks.scaling
    dense, depthwise = shapes.conv(3, 64, 64, 56), shapes.depthwise(144, 56)
    for value, shape in scaling.sweep(dense, "in_channels"):
        assert shape == replace(dense, in_channels=value)
    for value, shape in scaling.sweep(dense, "plane"):
        assert shape == replace(dense, size=(value, value))
    for value, shape in scaling.sweep(depthwise, "in_channels"):
        assert shape == shapes.depthwise(value, 56)
    assert scaling.sweep(depthwise, "out_channels") == []
    assert min(size for size, _ in scaling.sweep(shapes.conv(11, 3, 96, 227, padding=0), "plane")) == 12


# -- peers ------------------------------------------------------------------------------------


def test_extra_names_every_package(benchmarks):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {name for peer in benchmarks.peers.PEERS.values() if not peer.ours for name in peer.packages}
    assert set(project["optional-dependencies"]["peers"]) == needed


MODULES = {
    "convnative": "convnative",
    "convnative-prepacked": "convnative",
    "convnative-out": "convnative",
    "convnative-strict": "convnative",
    "convnative-strict-prepacked": "convnative",
    "torch": "torch",
    "torch-channels-last": "torch",
    "torch-prepacked": "torch",
    "onnxruntime": "onnxruntime",
    "openvino": "openvino",
    "jax": "jax",
    "ncnn": "ncnn",
    "mnn": "MNN",
    "opencv": "cv2",
    "scipy-ndimage": "scipy",
    "scipy-signal": "scipy",
    "scikit-image": "skimage",
}


@processes
@pytest.mark.parametrize("name", MODULES)
def test_peer_is_right(benchmarks, name, tmp_path):
    """In a process of its own, as in a measurement: what it does not refuse agrees with float64."""
    assert set(MODULES) == set(benchmarks.peers.PEERS)
    if importlib.util.find_spec(MODULES[name]) is None:
        pytest.skip(f"{MODULES[name]} is not installed")
    conv, rng, right = benchmarks.shapes.conv, np.random.default_rng(0), 0
    plane = conv(3, 1, 2, (7, 9))
    shapes = [conv(*arguments, **options) for *arguments, options in SMALL.values()]
    cases = [
        benchmarks.cases.Case.random(shape, operation, rng)
        for shape in [*shapes, plane]
        for operation in ("forward", "grad_input", "grad_weight")
    ]
    pictures = benchmarks.pictures
    cases += [
        pictures.PictureCase.random(pictures.PictureShape(20, 31, *row), "forward", rng)
        for row in itertools.product((1, 3), ("float32", "uint8"), (7,), (0, 1.5))
    ]
    with benchmarks.harness.Worker(name, 1) as worker:
        for case in cases:
            (measured,) = benchmarks.harness.measure(case, {name: worker}, 0, tmp_path).values()
            assert measured.failure is None, case.label
            right += measured.error is not None
    assert right > 0


def test_what_a_peer_lacks_is_no_failure(benchmarks):
    from benchmarks.peers.base import UnsupportedError, forward_only
    from benchmarks.peers.opencv import plane_filter

    rng, conv, Case = np.random.default_rng(0), benchmarks.shapes.conv, benchmarks.cases.Case
    forward_only(Case.random(conv(3, 2, 2, 5), "forward", rng))
    plane_filter(Case.random(conv(3, 1, 2, 5), "forward", rng))
    with pytest.raises(UnsupportedError, match="forward only"):
        forward_only(Case.random(conv(3, 2, 2, 5), "grad_input", rng))
    with pytest.raises(UnsupportedError, match="float32 only"):
        forward_only(Case.random(conv(3, 2, 2, 5), "forward", rng, "float64"))
    with pytest.raises(UnsupportedError, match="single planes only"):
        plane_filter(Case.random(conv(3, 2, 2, 5), "forward", rng))
    with pytest.raises(UnsupportedError, match="outputs of the input's size only"):
        plane_filter(Case.random(conv(3, 1, 1, 5, padding=0), "forward", rng))


def test_every_algorithm_has_its_errors(benchmarks):
    case = benchmarks.cases.Case.random(
        benchmarks.shapes.conv(3, 16, 16, 14), "forward", np.random.default_rng(0)
    )
    peer = benchmarks.peers.PEERS["convnative"](_core.get_num_threads())
    variants = peer.variants(case)
    assert {"convnative", "convnative strict", "im2col_gemm", "reference"} <= set(variants)
    (expected,) = case.reference()
    for call in variants.values():
        assert case.error(call.read(call.run()), expected) < 1e-5
    assert _core.precision() == "default"


# -- the commands -----------------------------------------------------------------------------

ALONE = ("--peers=convnative", "--threads=1")


@processes
@pytest.mark.parametrize(
    ("command", "operations", "options"),
    [
        ("layers", ["forward"], ["--shapes=N=1 3x3 p0 1-1 @8", "--rounds=1"]),
        ("layers", ["forward"], ["--shapes=N=1 3x3 p0 1-1 @8", "--rounds=1", "--dtype=float64"]),
        ("backward", ["grad_input", "grad_weight"], ["--shapes=N=1 3x3 p0 1-1 @8", "--rounds=1"]),
        ("pooling", ["forward", "grad_input"], ["--shapes=max 2x2 1 @8", "--rounds=1"]),
        ("training", ["step"], ["--shapes=LeNet", "--rounds=1"]),
    ],
)
def test_run(command, operations, options, tmp_path):
    file = tmp_path / "result.json"
    process = run(command, *ALONE, *options, f"--json={file}")
    assert process.returncode == 0, process.stderr
    assert [line.split(" | ")[1] for line in process.stdout.splitlines()[-len(operations) :]] == operations

    document = json.loads(file.read_text())
    assert document["command"] == command
    assert document["threads"] == 1
    assert document["versions"]["convnative"]["isa"]
    assert [result["operation"] for result in document["results"]] == operations
    for result in document["results"]:
        measurement = result["peers"]["convnative"]
        assert measurement["failure"] is None
        assert measurement["error"] < (1e-13 if "--dtype=float64" in options else 1e-3)
        assert len(measurement["seconds"]) == 1


@processes
def test_images_and_their_report(tmp_path):
    pytest.importorskip("matplotlib")
    file, picture = tmp_path / "result.json", tmp_path / "twice.png"
    options = [
        "--peers=convnative-out,scipy-ndimage",
        "--threads=1",
        "--rounds=1",
        "--shapes=N=1 3x3 1-1 @480",
    ]
    process = run("images", *options, f"--json={file}")
    assert process.returncode == 0, process.stderr
    process = run("report", file, file, f"--picture={picture}")
    assert process.returncode == 0, process.stderr
    rows = [line for line in process.stdout.splitlines() if line.startswith("| N=1 3x3 1-1 @480x640 |")]
    assert len(rows) == 2
    assert "| few channels | forward | convnative-out | 2 |" in process.stdout
    assert picture.stat().st_size > 1000


@processes
def test_accuracy_and_its_picture(tmp_path):
    pytest.importorskip("matplotlib")
    file, picture = tmp_path / "result.json", tmp_path / "errors.svg"
    options = ["--shapes=N=1 5x5 1-6 @28", "--operations=forward"]
    process = run("accuracy", *ALONE, *options, f"--json={file}", f"--picture={picture}")
    assert process.returncode == 0, process.stderr
    results = json.loads(file.read_text())["results"]
    assert [result["distribution"] for result in results] == ["normal", "positive", "wide"]
    for result in results:
        assert {"convnative", "convnative strict", "im2col_gemm"} <= set(result["errors"])
        # What strict precision promises: products + 2.
        assert result["errors"]["convnative strict"]["bound"] <= 27
    assert picture.read_text().startswith("<?xml")


@processes
def test_scaling_and_its_picture(tmp_path):
    pytest.importorskip("matplotlib")
    file, picture = tmp_path / "result.json", tmp_path / "sweeps.svg"
    options = ["--shapes=N=1 3x3 p0 1-1 @8", "--axes=batch,threads", "--rounds=1"]
    process = run("scaling", *ALONE, *options, f"--json={file}", f"--picture={picture}")
    assert process.returncode == 0, process.stderr
    sweeps = json.loads(file.read_text())["results"]
    assert [(sweep["axis"], len(sweep["points"])) for sweep in sweeps] == [("batch", 10), ("threads", 1)]
    for point in sweeps[0]["points"]:
        assert point["cliff"] == (point["factor"] > 1.3)
    assert picture.read_text().startswith("<?xml")


@processes
def test_a_missing_peer_is_left_out(tmp_path):
    missing = tmp_path / "python"
    missing.write_text("#!/bin/sh\nexit 3\n")
    missing.chmod(0o755)
    options = ["--peers=convnative,mnn", f"--python=mnn={missing}", "--shapes=N=1 3x3 p0 1-1 @8"]
    process = run("layers", *options, "--rounds=1", "--threads=1")
    assert process.returncode == 0, process.stderr
    assert "- mnn is left out: its process ended with exit code 3" in process.stdout
    assert process.stdout.splitlines()[-1].count(" | ") == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["layers", "--peers=nobody"], "received 'nobody'"),
        (["layers", "--shapes=nothing"], "received 'nothing'"),
        (["layers", "--rounds=0"], "expected an int >= 1"),
        (["layers", "--operations=sideways"], "received 'sideways'"),
        (["layers", "--python=torch=/nowhere"], "received torch=/nowhere"),
        (["training", "--shapes=GPT"], "received 'GPT'"),
        (["scaling", "--axes=colour"], "received 'colour'"),
        (["install", "--peers=nobody"], "received 'nobody'"),
    ],
)
def test_wrong_usage(benchmarks, options, message, monkeypatch, capsys):
    program = importlib.import_module("benchmarks.__main__")
    monkeypatch.setattr(sys, "argv", ["benchmarks", *options])
    with pytest.raises(SystemExit) as exit:
        program.main()
    assert exit.value.code == 2
    assert message in capsys.readouterr().err


def test_reports_of_two_commands_do_not_mix(benchmarks, tmp_path):
    program = importlib.import_module("benchmarks.__main__")
    files = [tmp_path / "a.json", tmp_path / "b.json"]
    for file, command in zip(files, ("layers", "images"), strict=True):
        file.write_text(json.dumps({"command": command}))
    with pytest.raises(SystemExit, match="expected files of one command, received images, layers"):
        program.merged(files)
