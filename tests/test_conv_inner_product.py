"""Kernels that cover the input: dense products over the images, however their operands are read."""

from dataclasses import replace

import numpy as np
import pytest

import convnative as cn
import reference
from arrays import assert_exact, assert_same_bits, generator
from convnative import _core, nn
from convolutions import Case, cast, floats

ALGORITHM = {"algorithm": "inner_product"}
PLAIN = (1, 0, 1, 1)  # stride, padding, dilation, groups


def covering_case(batch, channels, sizes, **options):
    ones, nothing = (1,) * len(sizes), ((0, 0),) * len(sizes)
    return Case(batch, *channels, sizes, sizes, ones, nothing, ones, **options)


# Few and many images, channels beyond tiles and vectors, sums beyond a block of 640.
CASES = [
    *(covering_case(n, (5, 1 + n % 5 * 13), (2, 3)) for n in range(1, 68)),
    *(covering_case(3 + k % 3 * 7, (4, k), (3, 3), bias=k % 2 == 0) for k in range(1, 68)),
    *(covering_case(n, (c, 70), (1, 1)) for n in (1, 7, 33) for c in (1, 17, 640, 641, 1500)),
    covering_case(None, (3, 4), (5, 5)),
    covering_case(2, (3, 4), (7,)),
    covering_case(9, (2, 50), (2, 3, 4)),
    covering_case(700, (2, 9), (2, 2)),
    covering_case(1400, (30, 3), (1,)),
    covering_case(0, (3, 4), (2, 2)),
    replace(covering_case(4, (6, 7), (1, 1)), stride=(3, 2), dilation=(2, 5)),
]


def float_data(case, dtype):
    rng = generator(case, "inner product")
    x, w, b = (floats(rng, s, dtype) for s in (case.input_shape, case.weight_shape, (case.out_channels,)))
    return x, w, b, floats(rng, case.output.shape, dtype)


def test_integers_are_exact(dtype, isa):
    for case in CASES:
        x, w, b = cast(case.data, dtype)
        y = _core.conv_forward(case.axes, x, w, b, *case.geometry, **ALGORITHM)
        assert_exact(y, case.output, dtype, case)
        g = case.grad_output.astype(dtype)
        grad_input = _core.conv_grad_input(case.axes, g, w, x.shape, *case.geometry, **ALGORITHM)
        assert_exact(grad_input, case.grad_input, dtype, case)
        grad_weight = _core.conv_grad_weight(case.axes, g, x, w.shape, *case.geometry, **ALGORITHM)
        assert_exact(grad_weight, case.grad_weight, dtype, case)


def test_transposed_with_a_bias_for_each_plane(dtype, isa):
    """From one element to a whole plane, as generators begin."""
    rng = generator("a plane from one element")
    for batch, channels, outs, plane in [(1, 4, 3, (4, 4)), (9, 70, 5, (3, 2)), (40, 700, 33, (1, 3))]:
        x = rng.integers(-4, 5, (batch, channels, 1, 1))
        w, b = rng.integers(-4, 5, (channels, outs, *plane)), rng.integers(-99, 100, outs)
        expected = (x.reshape(batch, channels) @ w.reshape(channels, -1)).reshape(batch, outs, *plane)
        expected += b[:, None, None]
        data = cast((x, w, b), dtype)
        y = _core.conv_transpose_forward(2, *data, 1, 0, 0, 1, 1, **ALGORITHM)
        assert_exact(y, expected, dtype)
        prepared = _core.prepare_conv_transpose(2, x.shape, *data[1:], 1, 0, 0, 1, 1, **ALGORITHM)
        assert_exact(prepared(data[0]), expected, dtype)


@pytest.mark.parametrize("channels", [(300, 130), (900, 40)])
def test_every_way_of_reading_has_the_same_sums(channels, dtype, isa, threads):
    """One image, a few, many; packed beforehand; im2col: the same chains of multiply-adds."""
    case = covering_case(70, channels, (1, 2))
    x, w, b, g = float_data(case, dtype)
    y = _core.conv_forward(2, x, w, b, *case.geometry, **ALGORITHM)
    assert_same_bits(y, _core.conv_forward(2, x, w, b, *case.geometry, algorithm="im2col_gemm"))
    grad_input = _core.conv_grad_input(2, g, w, x.shape, *case.geometry, **ALGORITHM)
    other = _core.conv_grad_input(2, g, w, x.shape, *case.geometry, algorithm="im2col_gemm")
    assert_same_bits(grad_input, other)
    for count in (1, 3, 8, 9, 16, 17, 33, 48, 49):
        part = slice(5, 5 + count)
        assert_same_bits(_core.conv_forward(2, x[part], w, b, *case.geometry, **ALGORITHM), y[part], count)
        gradient = _core.conv_grad_input(2, g[part], w, x[part].shape, *case.geometry, **ALGORITHM)
        assert_same_bits(gradient, grad_input[part], count)
        prepared = _core.prepare_conv(2, x[part].shape, w, b, *case.geometry, **ALGORITHM)
        assert_same_bits(prepared(x[part]), y[part], count)


@pytest.mark.parametrize("batch", [640, 641, 5000])
def test_the_gradient_in_the_weights_is_cut_by_the_batch_alone(batch, dtype):
    """Chains over parts of it round less than one chain; neither threads nor levels may change the cuts."""
    case = covering_case(batch, (7, 40), (2, 1))
    x, w, _, g = float_data(case, dtype)
    results = []
    for level in (level for level in _core.available_isas() if level != "baseline"):
        _core.set_isa(level)
        for threads in (1, 2, 3, 7):
            _core.set_num_threads(threads)
            results.append(_core.conv_grad_weight(2, g, x, w.shape, *case.geometry, **ALGORITHM))
    for other in results[1:]:
        assert_same_bits(other, results[0])
    expected = reference.conv_grad_weight(g, x, w.shape, *case.geometry)
    for result in results[:1]:
        error = np.sqrt(np.square(result - expected).mean()) / np.abs(expected).max()
        assert error <= 2 * np.finfo(dtype).eps


@pytest.mark.parametrize("operation", ["forward", "grad_input", "grad_weight"])
def test_the_choice(operation, dtype, isa):
    for batch, shape in [(1, (64, 3, 8, 8)), (8, (120, 16, 5, 5)), (32, (240, 960, 1, 1))]:
        plan = _core.conv_explain(operation, str(dtype), (batch, *shape[1:]), shape, *PLAIN)
        assert plan["algorithm"] == "inner_product"


@pytest.mark.parametrize(
    ("image", "weight", "geometry", "reason"),
    [
        ((2, 4, 5, 5), (6, 4, 5, 4), PLAIN, "cover the input"),
        ((2, 4, 5, 5), (6, 4, 5, 5), (1, 2, 1, 1), "without padding"),
        ((2, 4, 5, 5), (6, 2, 5, 5), (1, 0, 1, 2), "one group"),
        ((2, 4, 3, 3), (6, 4, 1, 1), PLAIN, "cover the input"),
    ],
)
@pytest.mark.parametrize("operation", ["forward", "grad_input", "grad_weight"])
def test_where_it_does_not_apply(operation, image, weight, geometry, reason):
    with pytest.raises(ValueError, match=f"inner_product does not apply: .*{reason}"):
        _core.conv_explain(operation, "float32", image, weight, *geometry, **ALGORITHM)


def test_a_layer():
    layer = nn.Conv2d(16, 120, 5, rng=0)
    x = generator("LeNet").standard_normal((8, 16, 5, 5)).astype(np.float32)
    expected = layer(x)
    assert cn.explain(layer.prepare(x.shape))["algorithm"] == "inner_product"
    assert_same_bits(layer.prepare(x.shape)(x), expected)
    assert_same_bits(
        nn.Flatten()(expected),
        cn.functional.linear(x.reshape(8, -1), layer.weight.reshape(120, -1), layer.bias),
    )
