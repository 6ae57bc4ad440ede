"""Padding, sliding blocks, shuffles and resizing as ONNX defines them, by its backend cases and reference."""

import warnings
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convnative import functional as F

onnx = pytest.importorskip("onnx", reason="onnx is not installed: agreement with it is not checked")

OPERATORS = ("Resize", "Col2Im", "DepthToSpace", "SpaceToDepth", "Pad")


@cache
def node_cases():
    """{name: (node, inputs, expected output)} of every case that is one node of these operators."""
    from onnx.backend.test.loader import load_model_tests

    with warnings.catch_warnings():  # that the making of other operators' cases gives
        warnings.simplefilter("ignore")
        cases = load_model_tests(kind="node")
    chosen = {}
    for case in cases:
        if case.model is None or case.model.graph.node[0].op_type not in OPERATORS:
            continue
        (node,), ((inputs, (output,)),) = case.model.graph.node, case.data_sets
        chosen[case.name] = node, inputs, output
    return chosen


def arguments(node, inputs):
    """What a node is given, by name; an empty name in its list of inputs is none."""
    given = dict(zip((name for name in node.input if name), inputs, strict=True))
    attributes = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
    return given | {k: v.decode() if isinstance(v, bytes) else v for k, v in attributes.items()}


def ints(values):
    return tuple(int(value) for value in values)


def run_resize(given):
    rename = {
        "coordinate_transformation_mode": "coordinate_transformation",
        "nearest_mode": "nearest_mode",
        "cubic_coeff_a": "cubic_coefficient",
        "extrapolation_value": "extrapolation_value",
        "keep_aspect_ratio_policy": "keep_aspect_ratio",
    }
    x = given["X"]
    options = {ours: given[theirs] for theirs, ours in rename.items() if theirs in given}
    options |= {flag: bool(given.get(flag, 0)) for flag in ("exclude_outside", "antialias")}
    options["axes"] = ints(given.get("axes", range(x.ndim)))
    if "roi" in given:
        options["roi"] = tuple(given["roi"].reshape(2, -1).astype(float).T)
    if "scales" in given:
        options["scale_factor"] = tuple(map(float, given["scales"]))
    else:
        options["size"] = ints(given["sizes"])
    return F.resize(x, mode=given.get("mode", "nearest"), **options)


def run_col2im(given):
    axes = len(given["image_shape"])
    pads = given.get("pads", [0] * 2 * axes)
    return F.fold(
        given["input"],
        ints(given["image_shape"]),
        ints(given["block_shape"]),
        ints(given.get("dilations", [1] * axes)),
        tuple(zip(ints(pads[:axes]), ints(pads[axes:]), strict=True)),
        ints(given.get("strides", [1] * axes)),
    )


def run_pad(given):
    x, mode = given["x"], {"edge": "replicate", "wrap": "circular"}.get(given["mode"], given["mode"])
    axes = [axis % x.ndim for axis in ints(given.get("axes", range(x.ndim)))]
    pads = ints(given["pads"])
    amounts = {axis: (pads[i], pads[i + len(axes)]) for i, axis in enumerate(axes)}
    pairs = [amounts.get(axis, (0, 0)) for axis in reversed(range(x.ndim))]
    while pairs and pairs[-1] == (0, 0):
        pairs.pop()
    flat = tuple(amount for pair in pairs for amount in pair)
    value = float(given["value"]) if "value" in given else None
    # Integers are exact in float64.
    return F.pad(x.astype(np.result_type(x, np.float32)), flat, mode, value).astype(x.dtype)


RUN = {
    "Resize": run_resize,
    "Col2Im": run_col2im,
    "DepthToSpace": lambda given: F.pixel_shuffle(
        given["x"], given["blocksize"], order=given.get("mode", "DCR").lower()
    ),
    "SpaceToDepth": lambda given: F.pixel_unshuffle(
        given["x"], given["blocksize"], order=given.get("mode", "DCR").lower()
    ),
    "Pad": run_pad,
}


def test_there_are_cases():
    if not node_cases():
        pytest.skip("this version of onnx keeps its cases as files")
    assert {node.op_type for node, _, _ in node_cases().values()} == set(OPERATORS)


@pytest.mark.parametrize("name", node_cases())
def test_backend_case(name):
    node, inputs, expected = node_cases()[name]
    actual = RUN[node.op_type](arguments(node, inputs))
    assert actual.shape == expected.shape
    assert actual.dtype == expected.dtype
    np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-6)


# -- the reference of Resize --------------------------------------------------------------------

COORDINATES = [
    "half_pixel_symmetric",
    "half_pixel",
    "pytorch_half_pixel",
    "align_corners",
    "asymmetric",
    "tf_crop_and_resize",
]


@st.composite
def resizes(draw):
    mode = draw(st.sampled_from(["nearest", "linear", "cubic"]))
    # Where two elements are equally near, both libraries have to compute that exactly.
    exact = mode == "nearest"
    extents = st.sampled_from([1, 2, 4, 8]) if exact else st.integers(1, 7)
    rank = draw(st.integers(1, 4))
    shape = draw(st.lists(extents, min_size=rank, max_size=rank))
    axes = draw(st.lists(st.integers(0, rank - 1), min_size=1, max_size=3, unique=True))
    given = {
        "mode": mode,
        "axes": axes,
        "coordinate_transformation_mode": draw(st.sampled_from(COORDINATES[exact:])),
        "nearest_mode": draw(st.sampled_from(["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])),
        "cubic_coeff_a": draw(st.sampled_from([-0.75, -0.5])),
        "exclude_outside": draw(st.integers(0, 1)),
        "antialias": 0 if exact else draw(st.integers(0, 1)),
        "extrapolation_value": draw(st.sampled_from([0.0, 10.0])),
    }
    if draw(st.booleans()):
        factors = [0.25, 0.5, 0.75, 1, 1.25, 2, 2.5, 3] if exact else [0.1, 0.3, 1 / 3, 0.7, 1.1, 1.7, 2, 3.3]
        # Not below what makes one element.
        scales = [max(draw(st.sampled_from(factors)), 1 / shape[axis]) for axis in axes]
        given["scales"] = np.array(scales, np.float32)
    else:
        given["sizes"] = np.array([draw(extents) * draw(st.sampled_from([1, 2])) for _ in axes])
        policies = ["stretch", "stretch", "not_larger", "not_smaller"]
        given["keep_aspect_ratio_policy"] = draw(st.sampled_from(policies))
    if given["coordinate_transformation_mode"] == "tf_crop_and_resize":
        ends = st.sampled_from(
            [-0.25, 0.0, 0.25, 0.5, 1.0, 1.25] if exact else [-0.3, 0.0, 0.1, 0.4, 1.0, 1.3]
        )
        given["roi"] = np.array([draw(ends) for _ in range(2 * len(axes))])
    return shape, given


def a_hair_off_an_integer(shape, output_shape, given):
    """Whether rounding keeps a coordinate of a crop from being an integer: the reference takes the neighbours
    of the integer then, and the weights of what lies beside it.
    """
    if given["coordinate_transformation_mode"] != "tf_crop_and_resize":
        return False
    starts, ends = np.split(given["roi"], 2)
    for axis, start, end in zip(given["axes"], starts, ends, strict=True):
        last, steps = shape[axis] - 1, max(output_shape[axis] - 1, 1)
        coordinates = (start + np.arange(steps + 1) * (end - start) / steps) * last
        distance = np.abs(coordinates - np.rint(coordinates))
        if (distance < 1e-9).any() and given["mode"] != "nearest":
            return True
    return False


@settings(max_examples=250)
@given(resizes(), st.sampled_from([np.float32, np.float64]))
def test_reference_of_resize(case, dtype):
    shape, given = case
    x = np.random.default_rng(3).standard_normal(shape).astype(dtype)
    arrays = {"X": x} | {name: given[name] for name in ("roi", "scales", "sizes") if name in given}
    attributes = {name: value for name, value in given.items() if name not in arrays}
    names = [name if name in arrays else "" for name in ("X", "roi", "scales", "sizes")]
    node = onnx.helper.make_node("Resize", names, ["Y"], **attributes)
    (expected,) = onnx.reference.ReferenceEvaluator(node).run(None, arrays)
    if 0 in expected.shape or a_hair_off_an_integer(shape, expected.shape, given):
        return
    # The reference computes cubic coefficients in the attribute's type, float32.
    tolerance = 1e-11 if dtype == np.float64 and given["mode"] != "cubic" else 1e-5
    np.testing.assert_allclose(run_resize(given | {"X": x}), expected, rtol=tolerance, atol=tolerance * 10)
