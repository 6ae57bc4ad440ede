"""Depthwise convolution: exact on integers, within bounds on floats, the same bits however it runs."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reference
from arrays import assert_exact, assert_same_bits, gamma, generator, small_integers
from convnative import _core

OPERATIONS = ["forward", "grad_input", "grad_weight"]
ALGORITHM = {"algorithm": "depthwise"}


def data(shape, kernel, outputs, geometry, dtype=None, key=""):
    """Input, weight, bias and grad_output, of so many outputs a group: integers, or normal numbers."""
    groups = geometry[3]
    rng = generator(key, shape, kernel, outputs, geometry)
    weight_shape = (groups * outputs, shape[1] // groups, *kernel)
    output_shape = reference.conv_forward(np.zeros(shape), np.zeros(weight_shape), None, *geometry).shape
    shapes = shape, weight_shape, weight_shape[:1], output_shape
    if dtype is None:
        return [small_integers(rng, each) for each in shapes]
    return [rng.standard_normal(each).astype(dtype) for each in shapes]


def run(operation, arrays, geometry, **options):
    x, w, b, g = arrays
    options = ALGORITHM | options
    axes = x.ndim - 2
    if operation == "forward":
        return _core.conv_forward(axes, x, w, b, *geometry, **options)
    if operation == "grad_input":
        return _core.conv_grad_input(axes, g, w, x.shape, *geometry, **options)
    return _core.conv_grad_weight(axes, g, x, w.shape, *geometry, **options)


def exact(operation, arrays, geometry):
    x, w, b, g = arrays
    if operation == "forward":
        return reference.conv_forward(x, w, b, *geometry)
    if operation == "grad_input":
        return reference.conv_grad_input(g, w, x.shape, *geometry)
    return reference.conv_grad_weight(g, x, w.shape, *geometry)


def check_exact(shape, kernel, multiplier, geometry, dtype):
    arrays = data(shape, kernel, multiplier, geometry)
    for operation in OPERATIONS:
        actual = run(operation, [array.astype(dtype) for array in arrays], geometry)
        assert_exact(actual, exact(operation, arrays, geometry), dtype, (operation, shape, kernel, geometry))


# -- integers, bit for bit --------------------------------------------------------------------


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_every_width_and_height_is_exact(stride, dtype, isa):
    """From 1 to 67, so every tail of a vector and of a tile."""
    for size in range(1, 68):
        other = 1 + size * 7 % 19
        for shape in [(1, 2, other, size), (1, 1, size, other)]:
            check_exact(shape, (3, 3), 1, (stride, 1, 1, shape[1]), dtype)


@pytest.mark.parametrize("taps", range(1, 17))
def test_every_number_of_taps_is_exact(taps, dtype, isa):
    """Chains of taps that are cut into pieces, rows of taps that are cut into groups."""
    padding = ((taps // 2, taps - 1), (1, 0))
    for kernel, sides in [((taps, 2), padding), ((2, taps), padding[::-1])]:
        for stride, dilation in [((1, 1), 1), ((2, 2), 1), ((1, 1), 2), ((2, 3), 3), ((1, 2), 1)]:
            sizes = tuple(dilation * (k - 1) + 1 + 13 for k in kernel)
            check_exact((1, 2, *sizes), kernel, 2, (stride, sides, dilation, 2), dtype)


@pytest.mark.parametrize("taps", [3, 5, 7])
def test_walks_over_small_and_large_planes_are_exact(taps, dtype, isa):
    """Planes that go together, a part of the channels at a time, planes that are cut, few rows a residue."""
    for shape in [(2, 45, 14, 15), (3, 170, 7, 7), (1, 1, 70, 290)]:
        for stride, dilation in [(1, 1), (2, 1), (1, 2), (1, 5), (1, 9)]:
            check_exact(shape, (taps, taps), 1, (stride, dilation * (taps // 2), dilation, shape[1]), dtype)


@pytest.mark.parametrize("taps", [3, 5, 7])
def test_rows_of_any_length_are_exact(taps, dtype, isa):
    """Narrow planes have walks, wide ones tiles; sums go over blocks of columns. The limits and beyond."""
    for width in [96, 97, 127, 129, 320, 321, 639, 641, 643, 1300]:
        for stride, dilation in [(1, 1), (2, 1), (1, 2)]:
            geometry = stride, dilation * (taps // 2), dilation, 2
            check_exact((1, 2, 9 + width % 37, width), (taps, taps), 1, geometry, dtype)


def test_gradients_of_few_outputs_are_exact(dtype, isa):
    """Pairs of an output and an input channel of its group, in several parts and in one."""
    for shape, outputs, kernel, geometry in [
        ((2, 8, 20, 21), 1, (3, 3), (1, 1, 1, 1)),
        ((1, 67, 9, 13), 3, (3, 3), (1, 1, 1, 1)),
        ((3, 12, 17, 40), 2, (5, 5), (2, 2, 1, 4)),
        ((1, 6, 40, 31), 5, (7, 3), ((1, 3), (3, 1), (2, 1), 2)),
        ((1, 3, 100, 130), 2, (3, 3), (1, 1, 1, 1)),
        ((1, 4, 300), 3, (5,), (1, 2, 1, 2)),
        ((2, 4, 7, 8, 9), 2, (3, 2, 3), (1, 1, 1, 2)),
        ((0, 4, 7, 8), 2, (3, 2), (1, 1, 1, 2)),
        # Two outputs at a time, an odd one; several inputs; more of them than the sums of one task.
        ((2, 3, 20, 70), 7, (3, 3), (1, 1, 1, 1)),
        ((3, 5, 12, 33), 6, (2, 3), (2, 1, 1, 1)),
        ((2, 6, 17, 19), 4, (3, 2), (1, 1, 2, 2)),
        ((2, 4, 6, 18), 70, (3, 3), (1, 1, 1, 1)),
        ((1, 2, 10, 40), 131, (7, 7), (1, 3, 1, 1)),
    ]:
        x, w, b, g = data(shape, kernel, outputs, geometry)
        actual = run("grad_weight", [array.astype(dtype) for array in (x, w, b, g)], geometry)
        assert_exact(actual, exact("grad_weight", (x, w, b, g), geometry), dtype, (shape, outputs, kernel))


@st.composite
def problems(draw):
    axes = draw(st.integers(1, 3))
    each = lambda low, high: tuple(draw(st.integers(low, high)) for _ in range(axes))  # noqa: E731
    kernel, stride, dilation = each(1, (16, 8, 4)[axes - 1]), each(1, 4), each(1, 4)
    padding = tuple(zip(each(0, 6), each(0, 6), strict=True))
    sizes = tuple(
        max(d * (k - 1) + 1 - sum(p), 1) + draw(st.integers(0, (300, 40, 9)[axes - 1]))
        for k, d, p in zip(kernel, dilation, padding, strict=True)
    )
    channels = draw(st.integers(1, 5))
    shape = (draw(st.integers(0, 3)), channels, *sizes)
    return shape, kernel, draw(st.integers(1, 3)), (stride, padding, dilation, channels)


@settings(max_examples=80)
@given(problem=problems())
def test_drawn_problems_are_exact(problem, dtype, isa):
    check_exact(*problem, dtype)


def test_a_stride_beyond_all_sizes_is_exact(dtype, isa):
    """Neither places nor distances overflow."""
    for stride in (2**31, 2**62):
        check_exact((2, 2, 5, 20), (3, 3), 2, (stride, 1, 1, 2), dtype)
    check_exact((1, 1, 3, 3), (1, 1), 1, (1, 40, 1, 1), dtype)


# Narrow planes: two channels share a vector, of an odd number the last has one of its own; rows that
# one or two registers hold are loaded once for all taps.
NARROW = [
    ((batch, channels, 6, width), kernel, (stride, padding, dilation, channels, "zeros"))
    for batch, channels, width in zip(
        [1, 2, 3, 4, 1, 5] * 4, [1, 2, 3, 4, 5, 7] * 4, [*range(1, 19), *range(29, 35)], strict=True
    )
    for kernel, stride, padding, dilation in [
        ((3, 3), 1, 1, 1),
        ((5, 5), 1, 2, 1),
        ((7, 7), 1, 3, 1),
        ((3, 3), 1, (4, 5), (1, 4)),
        ((3, 3), 2, 1, 1),
        ((3, 3), 2, ((1, 1), (0, 2)), 1),
        ((5, 5), 2, 2, 1),
        ((7, 7), 2, (3, 6), 1),
        ((5, 4), (1, 2), (2, 3), 1),
        ((2, 3), 1, (0, 2), (1, 2)),
    ]
]


def test_channels_that_share_a_vector_are_exact(dtype, isa):
    for shape, kernel, geometry in NARROW:
        check_exact(shape, kernel, 1, geometry, dtype)


def test_channels_that_share_a_vector_have_the_bits_of_each_alone(dtype, isa):
    for shape, kernel, geometry in NARROW:
        x, w, b, g = data(shape, kernel, 1, geometry, dtype)
        for operation in OPERATIONS:
            together = run(operation, (x, w, b, g), geometry)
            for c in range(shape[1]):
                one = [x[:, c : c + 1], w[c : c + 1], b[c : c + 1], g[:, c : c + 1]]
                alone = run(operation, [np.ascontiguousarray(a) for a in one], (*geometry[:3], 1, "zeros"))
                part = together[c : c + 1] if operation == "grad_weight" else together[:, c : c + 1]
                assert_same_bits(part, alone, (operation, shape, kernel, geometry, c))


@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_channels_that_share_a_vector_share_no_infinity(value, dtype, isa):
    for shape, kernel, geometry in NARROW[5::7]:
        for operation, which in product(OPERATIONS, (0, 3)):
            arrays = [array.astype(dtype) for array in data(shape, kernel, 1, geometry)]
            arrays[which][0, shape[1] // 2, 0, -1] = value
            with np.errstate(invalid="ignore"):
                expected = exact(operation, arrays, geometry)
            assert_exact(run(operation, arrays, geometry), expected, dtype, (operation, shape, kernel, which))


# -- floats -----------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", OPERATIONS)
def test_floats_within_the_bound(operation, dtype, isa):
    """gamma(n + 2) times the result with absolute values, for n products per element."""
    for shape, kernel, geometry in [
        ((2, 3, 33, 40), (3, 3), (1, 1, 1, 3)),
        ((1, 2, 60, 60), (5, 5), (2, 2, 1, 2)),
        ((2, 1, 3000), (7,), (1, 3, 1, 1)),
        ((1, 2, 9, 15, 17), (3, 3, 3), (1, 1, 1, 2)),
    ]:
        arrays = data(shape, kernel, 2, geometry, dtype)
        wide = [array.astype(np.longdouble if dtype == np.float64 else np.float64) for array in arrays]
        error = np.abs(run(operation, arrays, geometry) - exact(operation, wide, geometry))
        ones = [np.ones(array.shape, np.int64) for array in arrays]
        products = int(exact(operation, ones, geometry).max())
        magnitude = exact(operation, [np.abs(array) for array in wide], geometry)
        assert (error <= float(gamma(products + 2, dtype)) * magnitude).all()


def test_long_sums_of_the_gradient_lose_few_digits(isa):
    """Sums of 200 704 products: root mean square error far below that of one chain."""
    arrays = data((4, 4, 224, 224), (3, 3), 1, (1, 1, 1, 4), np.float32)
    expected = exact("grad_weight", [array.astype(np.float64) for array in arrays], (1, 1, 1, 4))
    error = run("grad_weight", arrays, (1, 1, 1, 4)) - expected
    assert np.sqrt(np.mean(error**2)) <= 1e-6 * np.sqrt(np.mean(expected**2))


# -- the same bits however it runs ------------------------------------------------------------

FLOAT_PROBLEMS = [
    ((2, 3, 30, 37), (3, 3), 2, (1, 1, 1, 3)),
    ((3, 2, 21, 45), (5, 4), 1, (2, ((2, 1), (0, 3)), 1, 2)),
    ((2, 2, 29, 70), (3, 3), 1, (1, 3, 3, 2)),
    ((2, 3, 1500), (9,), 1, (1, 4, 1, 3)),
    ((2, 2, 6, 17, 19), (3, 3, 2), 1, ((1, 2, 1), 1, 1, 2)),
    ((1, 1, 200, 210), (7, 7), 1, (1, 3, 1, 1)),
]


FEW_OUTPUTS = [
    ((1, 5, 90, 130), (3, 3), 2, (1, 1, 1, 1)),
    ((2, 8, 60, 31), (5, 5), 3, (2, 2, 1, 2)),
    ((3, 3, 40, 70), (3, 3), 37, (1, 1, 1, 1)),
]
EVERY_PROBLEM = [(operation, problem) for operation in OPERATIONS for problem in FLOAT_PROBLEMS]
EVERY_PROBLEM += [("grad_weight", problem) for problem in FEW_OUTPUTS]


@pytest.mark.parametrize(("operation", "problem"), EVERY_PROBLEM, ids=str)
def test_same_bits_for_any_number_of_threads(problem, operation, dtype, isa):
    arrays, geometry = data(*problem, dtype), problem[-1]
    results = []
    for threads in (1, 2, 3, 7):
        _core.set_num_threads(threads)
        results.append(run(operation, arrays, geometry))
    for result in results[1:]:
        assert_same_bits(result, results[0])


@pytest.mark.parametrize("operation", OPERATIONS[:2])
@pytest.mark.parametrize("problem", FLOAT_PROBLEMS[:5], ids=str)
def test_same_bits_for_any_split_of_the_batch(problem, operation, dtype, isa):
    (x, w, b, g), geometry = data(*problem, dtype), problem[-1]
    whole = run(operation, (x, w, b, g), geometry)
    for n in range(len(x)):
        alone = run(operation, (x[n : n + 1], w, b, g[n : n + 1]), geometry)
        assert_same_bits(alone[0], whole[n])


FAR = [
    ((8, 1101, 14, 14), 3, 2),  # two narrow planes share a vector, one is left over
    ((8, 96, 45, 50), 3, 1),
    ((8, 96, 45, 50), 3, 2),
    ((8, 96, 45, 50), 5, 1),
    ((8, 96, 45, 50), 7, 1),
    ((8, 96, 45, 50), 7, 2),
    ((4, 24, 150, 130), 7, 1),  # tiles
]


@pytest.mark.parametrize("operation", ["forward", "grad_input"])
@pytest.mark.parametrize(("shape", "taps", "stride"), FAR)
def test_rows_that_are_asked_for_early_have_the_same_bits(shape, taps, stride, operation, isa):
    """Beyond 8 MiB walks and tiles ask for far rows; an image alone is smaller."""
    geometry = stride, taps // 2, 1, shape[1]
    x, w, b, g = data(shape, (taps, taps), 1, geometry, np.float32, "far")
    assert x.nbytes + g.nbytes > 8 * 2**20
    actual = run(operation, (x, w, b, g), geometry)
    for image in range(shape[0]):
        one = slice(image, image + 1)
        assert_same_bits(run(operation, (x[one], w, b, g[one]), geometry), actual[one])


@pytest.mark.parametrize(("operation", "problem"), EVERY_PROBLEM, ids=str)
def test_same_bits_on_avx2_and_avx512(problem, operation, dtype):
    if not {"avx2", "avx512"} <= set(_core.available_isas()):
        pytest.skip("this CPU, or CONVNATIVE_MAX_ISA, does not offer both AVX2 and AVX-512")
    arrays, geometry = data(*problem, dtype), problem[-1]
    results = []
    for name in ("avx2", "avx512"):
        _core.set_isa(name)
        results.append(run(operation, arrays, geometry))
    assert_same_bits(*results)


# -- infinities and NaN -----------------------------------------------------------------------


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_non_finite_values_appear_where_the_definition_puts_them(value, operation, dtype, isa):
    for shape, stride in [((2, 2, 11, 21), 1), ((1, 2, 10, 37), 2)]:
        geometry = (stride, ((1, 0), (1, 1)), 1, 2)
        for which in ({"forward": (0, 1, 2), "grad_input": (3,), "grad_weight": (0, 3)})[operation]:
            for position in range(0, 400, 37):
                arrays = [a.astype(dtype) + 10 for a in data(shape, (3, 3), 1, geometry)]
                arrays[which].flat[position % arrays[which].size] = value
                with np.errstate(invalid="ignore"):
                    expected = exact(operation, arrays, geometry)
                assert_exact(run(operation, arrays, geometry), expected, dtype, (shape, which, position))


@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_gradients_that_meet_padding_alone_keep_their_infinities(value, dtype, isa):
    """Rows and columns of grad_output all of whose taps lie in the padding: infinity times zero is NaN."""
    for shape, kernel, outputs, geometry in [
        ((2, 4, 5, 9), (3, 3), 1, (1, 5, 1, 4)),
        ((2, 2, 5, 9), (3, 3), 3, (1, 5, 1, 1)),
        ((1, 2, 7, 20), (2, 3), 2, (2, (3, 4), 1, 1)),
        ((1, 2, 4, 18), (3, 5), 2, (1, (2, 40), 2, 2)),
        ((1, 2, 3, 5, 18), (3, 3, 3), 1, (1, (4, 1, 1), 1, 2)),
        ((1, 1, 160, 20), (3, 3), 1, (1, 4, 1, 1)),
    ]:
        x, w, b, g = [array.astype(dtype) for array in data(shape, kernel, outputs, geometry)]
        for position in {0, g.size - 1, *range(3, g.size, g.size // 23)}:
            grad = g.copy()
            grad.flat[position] = value
            with np.errstate(invalid="ignore"):
                expected = exact("grad_weight", (x, w, b, grad), geometry)
            assert_exact(run("grad_weight", (x, w, b, grad), geometry), expected, dtype, (shape, position))


# -- the choice -------------------------------------------------------------------------------


def explain(operation, shape, weight, groups, **options):
    dtype, padding_mode = options.pop("dtype", "float32"), options.pop("padding_mode", "zeros")
    return _core.conv_explain(operation, dtype, shape, weight, 1, 1, 1, groups, padding_mode, **options)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_it_is_the_choice_for_depthwise_shapes(operation, dtype, isa, strict):
    for multiplier in (1, 3):
        plan = explain(operation, (1, 8, 30, 30), (8 * multiplier, 1, 3, 3), 8, dtype=str(dtype))
        assert plan["algorithm"] == "depthwise"
        assert plan["packed_weight_bytes"] == 0
        assert isa in plan["kernel"]


def test_many_strided_outputs_of_one_channel_are_a_matrix_product():
    plan = _core.conv_explain("grad_weight", "float64", (1, 1, 112, 112), (64, 1, 7, 7), 2, 3, 1, 1)
    assert plan["algorithm"] == "direct_channels"
    assert "not depthwise: output channels share" in plan["reason"]


def test_several_outputs_of_one_channel_share_a_strip():
    shapes = (1, 1, 112, 112), (6, 1, 5, 5)
    plan = _core.conv_explain("forward", "float32", *shapes, 1, 2, 1, 1)
    assert plan["algorithm"] == "direct_strip"
    assert "not depthwise: a strip" in plan["reason"]
    assert _core.conv_explain("grad_input", "float32", *shapes, 1, 2, 1, 1)["algorithm"] == "depthwise"


@pytest.mark.parametrize(
    ("shape", "weight", "groups"),
    [
        ((1, 64, 112, 112), (1, 64, 3, 3), 1),
        ((1, 64, 112, 112), (3, 64, 3, 3), 1),
        ((1, 64, 56, 56), (8, 64, 3, 3), 1),
        ((4, 16, 64, 64), (3, 16, 5, 5), 1),
        ((1, 128, 56, 56), (128, 4, 3, 3), 32),
    ],
)
def test_few_outputs_of_many_channels_go_pair_by_pair(shape, weight, groups, dtype, isa, strict):
    plan = explain("grad_weight", shape, weight, groups, dtype=str(dtype))
    assert plan["algorithm"] == "depthwise"


@pytest.mark.parametrize("weight", [(64, 64, 3, 3), (16, 64, 1, 1), (32, 64, 3, 3)])
def test_many_outputs_share_what_is_read(weight, isa, strict):
    plan = explain("grad_weight", (1, 64, 56, 56), weight, 1)
    assert plan["algorithm"] != "depthwise"
    assert "not depthwise: output channels share what is read in a matrix product" in plan["reason"]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_it_says_where_it_does_not_apply(operation):
    if operation != "grad_weight":
        plan = explain(operation, (1, 8, 30, 30), (8, 2, 3, 3), 4)
        assert "not depthwise: for one input channel per group alone" in plan["reason"]
    plan = explain(operation, (1, 8, 30, 30), (8, 1, 3, 3), 8, padding_mode="reflect")
    assert "not depthwise: for padding with zeros alone" in plan["reason"]
