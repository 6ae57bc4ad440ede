"""
Agreement with torch over shapes that Hypothesis draws: convolutions, transposed convolutions, dense layers.

Values are small integers: in strict precision sums are exact, and every difference is an error of indexing.
"""

import numpy as np
import pytest
from autograd import make_vjp
from hypothesis import given, settings
from hypothesis import strategies as st

from convnative import functional as F

torch = pytest.importorskip("torch", reason="torch is not installed: agreement with it is not checked")
TF = torch.nn.functional
pytestmark = [
    pytest.mark.usefixtures("strict"),
    pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning"),  # torch, of even kernels
]

AXES = [1, 2, 3]
LARGEST = {1: 40, 2: 12, 3: 6}


def integers(rng, shape, dtype):
    return rng.integers(-4, 5, shape).astype(dtype)


def assert_agree(ours, theirs, arrays, rng):
    """Values, and the gradients of a random linear combination with respect to every array, are the same."""
    tensors = [torch.from_numpy(array.copy()).requires_grad_() for array in arrays]
    expected = theirs(*tensors)
    pullback, result = make_vjp(lambda packed: ours(*packed))(tuple(arrays))
    assert result.dtype == arrays[0].dtype
    np.testing.assert_array_equal(result, expected.detach().numpy())
    cotangent = integers(rng, result.shape, result.dtype)
    expected.backward(torch.from_numpy(cotangent))
    for gradient, array, tensor in zip(pullback(cotangent), arrays, tensors, strict=True):
        assert gradient.shape == array.shape
        expected = np.zeros_like(array) if tensor.grad is None else tensor.grad.numpy()
        np.testing.assert_array_equal(gradient, expected)


@st.composite
def convolutions(draw, axes, transposed):
    """A call that torch takes: (arrays, settings)."""

    def per_axis(low, high):
        values = st.lists(st.integers(low, high), min_size=axes, max_size=axes)
        return draw(st.integers(low, high) | values.map(tuple))

    def as_tuple(value):
        return (value,) * axes if isinstance(value, int) else value

    groups = draw(st.sampled_from([1, 1, 2, 3, 4]))
    in_channels = groups * draw(st.integers(1, 4))
    out_channels = groups * draw(st.integers(1, 5))
    kernel = draw(st.lists(st.integers(1, 4 if axes < 3 else 3), min_size=axes, max_size=axes))
    arguments = {"stride": per_axis(1, 3), "dilation": per_axis(1, 3), "groups": groups}
    spans = [d * (k - 1) for d, k in zip(as_tuple(arguments["dilation"]), kernel, strict=True)]
    unit_stride = as_tuple(arguments["stride"]) == (1,) * axes
    if not transposed and draw(st.integers(0, 4)) == 0:
        arguments["padding"] = draw(st.sampled_from(["same", "valid"] if unit_stride else ["valid"]))
    else:
        arguments["padding"] = per_axis(0, 3)
    amounts = (
        spans
        if arguments["padding"] == "same"
        else (0,) * axes
        if arguments["padding"] == "valid"
        else [2 * p for p in as_tuple(arguments["padding"])]
    )
    size = []
    if transposed:
        steps = as_tuple(arguments["stride"])
        extra = [
            draw(st.integers(0, max(step, dilation) - 1))
            for step, dilation in zip(steps, as_tuple(arguments["dilation"]), strict=True)
        ]
        arguments["output_padding"] = tuple(extra)
        for step, span, amount, more in zip(steps, spans, amounts, extra, strict=True):
            # (size - 1) * step + span + 1 + more - amount >= 1
            least = max(1, -(-(amount - span - more) // step) + 1)
            size.append(draw(st.integers(least, least + LARGEST[axes] // step)))
    else:
        for span, amount in zip(spans, amounts, strict=True):
            least = max(1, span + 1 - amount)
            size.append(draw(st.integers(least, least + LARGEST[axes])))
    batch = draw(st.sampled_from([(), (0,), (1,), (2,), (3,)]))
    weight = (
        (in_channels, out_channels // groups, *kernel)
        if transposed
        else (out_channels, in_channels // groups, *kernel)
    )
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    arrays = [integers(rng, (*batch, in_channels, *size), dtype), integers(rng, weight, dtype)]
    if draw(st.booleans()):
        arrays.append(integers(rng, out_channels, dtype))
    return arrays, arguments, rng


def check_convolution(axes, data, transposed):
    name = f"conv_transpose{axes}d" if transposed else f"conv{axes}d"
    arrays, arguments, rng = data.draw(convolutions(axes, transposed))
    assert_agree(
        lambda *a: getattr(F, name)(*a, **arguments),
        lambda *a: getattr(TF, name)(*a, **arguments),
        arrays,
        rng,
    )


@st.composite
def dense(draw):
    """Arrays for linear, of any number of leading axes."""
    leading = tuple(draw(st.lists(st.integers(0, 7), max_size=3)))
    inputs, outputs = draw(st.integers(1, 70)), draw(st.integers(1, 70))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    arrays = [integers(rng, (*leading, inputs), dtype), integers(rng, (outputs, inputs), dtype)]
    if draw(st.booleans()):
        arrays.append(integers(rng, outputs, dtype))
    return arrays, rng


def check_linear(data):
    arrays, rng = data.draw(dense())
    assert_agree(F.linear, TF.linear, arrays, rng)


@pytest.mark.parametrize("axes", AXES)
@given(data=st.data())
@settings(max_examples=50)
def test_conv(axes, data):
    check_convolution(axes, data, transposed=False)


@pytest.mark.parametrize("axes", AXES)
@given(data=st.data())
@settings(max_examples=50)
def test_conv_transpose(axes, data):
    check_convolution(axes, data, transposed=True)


@given(data=st.data())
@settings(max_examples=50)
def test_linear(data):
    check_linear(data)


@pytest.mark.slow
@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("transposed", [False, True], ids=["conv", "conv_transpose"])
@given(data=st.data())
@settings(max_examples=500)
def test_convolutions_of_many_shapes(axes, transposed, data):
    check_convolution(axes, data, transposed)


@pytest.mark.slow
@given(data=st.data())
@settings(max_examples=500)
def test_linear_of_many_shapes(data):
    check_linear(data)
