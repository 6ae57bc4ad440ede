"""
Agreement with ONNX's reference implementation: named and per-side paddings, dilation, ceil mode.

The package onnx is needed by these tests alone; where it is not installed, they skip.
"""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from convnative import functional as F
from convnative import shapes

onnx = pytest.importorskip("onnx", reason="onnx is not installed: agreement with it is not checked")
helper = onnx.helper
ReferenceEvaluator = pytest.importorskip("onnx.reference").ReferenceEvaluator

OPSET = 22


def model_of(operator, x, outputs=1, inputs=1, **attributes):
    names = [f"x{i}" for i in range(inputs)]
    node = helper.make_node(operator, names, [f"y{i}" for i in range(outputs)], **attributes)
    types = [onnx.TensorProto.FLOAT, onnx.TensorProto.INT64]
    graph = helper.make_graph(
        [node],
        "pool",
        [helper.make_tensor_value_info(name, types[i], x.shape) for i, name in enumerate(names)],
        [helper.make_tensor_value_info(f"y{i}", types[i], None) for i in range(outputs)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])


def run(operator, x, **attributes):
    return ReferenceEvaluator(model_of(operator, x, **attributes)).run(None, {"x0": x})[0]


def inferred_shape(operator, x, **attributes):
    model = onnx.shape_inference.infer_shapes(model_of(operator, x, **attributes))
    return tuple(size.dim_value for size in model.graph.output[0].type.tensor_type.shape.dim)


@st.composite
def pools(draw, largest_stride=3):
    axes = draw(st.integers(1, 2))
    sizes, kernel, stride, dilation, pads = [], [], [], [], []
    for _ in range(axes):
        k, d = draw(st.integers(1, 4)), draw(st.integers(1, 2))
        reach = d * (k - 1)
        before, after = draw(st.integers(0, reach)), draw(st.integers(0, reach))
        smallest = max(reach + 1 - before - after, 1)
        sizes.append(draw(st.integers(smallest, smallest + 8)))
        kernel.append(k), stride.append(draw(st.integers(1, largest_stride))), dilation.append(d)
        pads.append((before, after))
    x = np.random.default_rng(draw(st.integers(0, 99))).standard_normal((1, 2, *sizes)).astype(np.float32)
    return x, kernel, stride, dilation, pads


def attributes_of(kernel, stride, dilation, pads):
    return {
        "kernel_shape": kernel,
        "strides": stride,
        "dilations": dilation,
        "pads": [before for before, _ in pads] + [after for _, after in pads],
    }


def overhang(x, kernel, stride, dilation, pads, output):
    """How far the last windows reach over the padded input."""
    return max(
        (o - 1) * s + d * (k - 1) + 1 - size - before - after
        for size, k, s, d, (before, after), o in zip(
            x.shape[2:], kernel, stride, dilation, pads, output, strict=True
        )
    )


@given(pool=pools(4), ceil_mode=st.booleans())
@settings(max_examples=150)
def test_output_sizes(pool, ceil_mode):
    x, kernel, stride, dilation, pads = pool
    mode = "onnx" if ceil_mode else False
    expected = inferred_shape("MaxPool", x, ceil_mode=int(ceil_mode), **attributes_of(*pool[1:]))
    axes = len(kernel)
    assert shapes.pool_output_shape(x.shape, kernel, stride, pads, dilation, mode, axes=axes) == expected
    assert getattr(F, f"max_pool{axes}d")(x, kernel, stride, pads, dilation, mode).shape == expected


@given(pool=pools(), ceil_mode=st.booleans())
@settings(max_examples=150)
def test_max_pool(pool, ceil_mode):
    x, kernel, stride, dilation, pads = pool
    # Where every stride and dilation is 1 the reference evaluator mixes up the pads.
    assume(set(stride) | set(dilation) != {1})
    ours = getattr(F, f"max_pool{len(kernel)}d")(
        x, kernel, stride, pads, dilation, "onnx" if ceil_mode else False
    )
    # It does not take maxima of windows in which nothing lies.
    assume(np.isfinite(ours).all())
    theirs = run("MaxPool", x, ceil_mode=int(ceil_mode), **attributes_of(*pool[1:]))
    np.testing.assert_array_equal(ours, theirs)


@given(pool=pools(), ceil_mode=st.booleans(), count_include_pad=st.booleans())
@settings(max_examples=150)
@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:invalid value")
def test_average_pool(pool, ceil_mode, count_include_pad):
    x, kernel, stride, dilation, pads = pool
    ours = getattr(F, f"avg_pool{len(kernel)}d")(
        x, kernel, stride, pads, "onnx" if ceil_mode else False, count_include_pad, dilation=dilation
    )
    # The reference evaluator moves the windows to the left by half of what they reach over the end, which the
    # standard does not say and its own backend tests do not meet.
    assume(overhang(x, kernel, stride, dilation, pads, ours.shape[2:]) < 2)
    attributes = attributes_of(*pool[1:])
    theirs = run(
        "AveragePool", x, ceil_mode=int(ceil_mode), count_include_pad=int(count_include_pad), **attributes
    )
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


@given(pool=pools(), lower=st.booleans(), count_include_pad=st.booleans())
@settings(max_examples=100)
def test_same_padding(pool, lower, count_include_pad):
    x, kernel, stride, _, _ = pool
    # The standard has no window that is smaller than the stride: it would pad by a negative amount.
    kernel = [max(k, s) for k, s in zip(kernel, stride, strict=True)]
    axes = len(kernel)
    padding = "same_lower" if lower else "same"
    attributes = {
        "kernel_shape": kernel,
        "strides": stride,
        "auto_pad": "SAME_LOWER" if lower else "SAME_UPPER",
    }
    assume(
        all((size - 1) // s * s + k >= size for size, k, s in zip(x.shape[2:], kernel, stride, strict=True))
    )
    ours = getattr(F, f"avg_pool{axes}d")(x, kernel, stride, padding, False, count_include_pad)
    theirs = run("AveragePool", x, count_include_pad=int(count_include_pad), **attributes)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    ours = getattr(F, f"max_pool{axes}d")(x, kernel, stride, padding)
    assume(set(stride) != {1})  # see test_max_pool
    if lower:  # which the reference evaluator mistakes for SAME_UPPER: the amounts then, as they are
        pads = shapes.resolve_padding(padding, x.shape[2:], kernel, stride)
        attributes = attributes_of(kernel, stride, [1] * axes, pads)
    np.testing.assert_array_equal(ours, run("MaxPool", x, **attributes))


@given(pool=pools(), p=st.sampled_from([1, 2, 3]))
@settings(max_examples=80)
def test_lp_pool(pool, p):
    """The p-norm of the standard; without padding or overhang the reference evaluator has it too."""
    x, kernel, stride, dilation, pads = pool
    assume(all(d * (k - 1) < n for k, d, n in zip(kernel, dilation, x.shape[2:], strict=True)))
    attributes = attributes_of(kernel, stride, dilation, [(0, 0)] * len(kernel))
    ours = getattr(F, f"lp_pool{len(kernel)}d")(x, p, kernel, stride, dilation=dilation, definition="onnx")
    np.testing.assert_allclose(ours, run("LpPool", x, p=p, **attributes), rtol=1e-5, atol=1e-6)
    # With padding the standard sums what lies in the window and no more.
    padded = getattr(F, f"lp_pool{len(kernel)}d")(
        x, p, kernel, stride, padding=pads, dilation=dilation, definition="onnx"
    )
    around = np.pad(x, [(0, 0), (0, 0), *pads])
    np.testing.assert_allclose(padded, run("LpPool", around, p=p, **attributes), rtol=1e-5, atol=1e-6)


def test_global_pools():
    for axes in (1, 2, 3):
        x = np.random.default_rng(0).standard_normal((2, 3, 4, 5, 6)[: axes + 2]).astype(np.float32)
        np.testing.assert_allclose(F.global_avg_pool(x), run("GlobalAveragePool", x), rtol=1e-6, atol=1e-6)
        if axes == 2:  # the reference evaluator reduces two axes, whatever their number
            np.testing.assert_array_equal(F.global_max_pool(x), run("GlobalMaxPool", x))


@pytest.mark.parametrize("output_shape", [None, (1, 1, 5, 5)])
def test_max_unpool(output_shape):
    """The cases of ONNX's own backend tests: there a larger output keeps the indices of the smaller one."""
    x = np.array([[[[1, 2], [3, 4]]]], np.float32)
    indices = np.array([[[[5, 7], [13, 15]]]])
    y = F.max_unpool2d(x, indices, 2)
    expected = np.zeros((1, 1, 4, 4), np.float32)
    expected[0, 0, 1::2, 1::2] = x
    if output_shape is not None:
        y = np.pad(y, [(0, larger - size) for larger, size in zip(output_shape, y.shape, strict=True)])
        expected = np.pad(expected, [(0, 0), (0, 0), (0, 1), (0, 1)])
    np.testing.assert_array_equal(y, expected)
