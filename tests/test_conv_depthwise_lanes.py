"""Depthwise convolution with channels in the lanes: exact on integers, the same bits however it runs."""

from itertools import product

import numpy as np
import pytest

import reference
from arrays import assert_exact, assert_same_bits, gamma, generator, small_integers
from convnative import _core

OPERATIONS = ["forward", "grad_input", "grad_weight"]
ALGORITHM = {"algorithm": "depthwise_lanes"}
# Points whose products a gradient in the weights adds before they join the others in float64.
MOST_CHAIN = 256


def data(shape, kernel, geometry, dtype=None, outputs=1):
    """Input, weight, bias and grad_output: integers, or normal numbers; `outputs` of each channel."""
    rng = generator("channels in the lanes", shape, kernel, geometry)
    weight_shape, channels = (shape[1] * outputs, 1, *kernel), shape[1]
    output = reference.conv_forward(np.zeros(shape), np.zeros(weight_shape), None, *geometry, channels)
    shapes = shape, weight_shape, (channels * outputs,), output.shape
    if dtype is None:
        return [small_integers(rng, each) for each in shapes]
    return [rng.standard_normal(each).astype(dtype) for each in shapes]


def run(operation, arrays, geometry, **options):
    x, w, b, g = arrays
    groups, axes = x.shape[1], x.ndim - 2
    options = ALGORITHM | options
    if operation == "forward":
        return _core.conv_forward(axes, x, w, b, *geometry, groups, **options)
    if operation == "grad_input":
        return _core.conv_grad_input(axes, g, w, x.shape, *geometry, groups, **options)
    return _core.conv_grad_weight(axes, g, x, w.shape, *geometry, groups, **options)


def exact(operation, arrays, geometry):
    x, w, b, g = arrays
    if operation == "forward":
        return reference.conv_forward(x, w, b, *geometry, x.shape[1])
    if operation == "grad_input":
        return reference.conv_grad_input(g, w, x.shape, *geometry, x.shape[1])
    return reference.conv_grad_weight(g, x, w.shape, *geometry, x.shape[1])


def check_exact(shape, kernel, geometry, dtype, outputs=1):
    arrays = data(shape, kernel, geometry, outputs=outputs)
    for operation in OPERATIONS:
        actual = run(operation, [array.astype(dtype) for array in arrays], geometry)
        context = operation, shape, kernel, geometry, outputs
        assert_exact(actual, exact(operation, arrays, geometry), dtype, context)


@pytest.mark.parametrize("stride", [1, 2, 3, 4])
def test_every_width_and_number_of_channels_is_exact(stride, dtype, isa):
    for size in range(1, 68):
        taps = 1 + size % 5
        padding = ((taps // 2, taps // 2), (taps - 1, size % 2 + (taps > size)))
        check_exact((1, 2 + size % 33, 1 + size % 7 + taps, size), (taps, taps), (stride, padding, 1), dtype)
        check_exact((2, size + 1, 5, 4), (2, 3), (stride, 1, 1), dtype)


@pytest.mark.parametrize("taps", [(1, 1), (4, 4), (1, 7), (5, 3), (8, 8), (11, 2)])
def test_every_stride_and_dilation_is_exact(taps, dtype, isa):
    for stride, dilation in product([1, 2, (3, 2), (1, 4), 5], [1, 2, (1, 3), 4]):
        check_exact((2, 5, 40, 37), taps, (stride, (taps[0] // 2, taps[1]), dilation), dtype)


def test_a_kernel_of_many_taps_is_exact(dtype, isa):
    for stride in [1, (2, 3), 3]:
        check_exact((2, 5, 70, 67), (31, 31), (stride, (15, 31), 1), dtype)


def test_signals_and_volumes_are_exact(dtype, isa):
    for length, taps, stride, dilation in [(50, 3, 1, 1), (333, 5, 3, 2), (9000, 4, 2, 1), (7000, 3, 5, 900)]:
        check_exact((2, 19, length), (taps,), (stride, taps, dilation), dtype)
    for kernel, stride, padding in [((3, 3, 3), 1, 1), ((2, 3, 1), (2, 1, 3), (1, 2, 0)), ((4, 2, 2), 4, 0)]:
        check_exact((2, 17, 9, 8, 11), kernel, (stride, padding, 1), dtype)


def test_blocks_of_large_planes_are_exact(dtype, isa):
    """More rows, and more columns, than a block has; rows that several blocks read."""
    check_exact((1, 3, 150, 130), (5, 4), (2, 2, 1), dtype)
    check_exact((1, 2, 7, 8000), (3, 9), ((1, 4), (1, 4), 1), dtype)
    check_exact((1, 2, 2500, 9), (6, 3), (3, 1, 2), dtype)


@pytest.mark.parametrize("outputs", [2, 3, 7])
def test_several_outputs_of_a_channel_are_exact(outputs, dtype, isa):
    for shape, kernel, geometry in [
        ((2, 5, 14, 11), (3, 3), (2, 1, 1)),
        ((3, 33, 4, 5), (2, 5), (1, (0, 2), 1)),
        ((2, 18, 6, 5, 7), (3, 1, 2), ((2, 1, 1), 1, 1)),
        ((1, 3, 700), (9,), (1, 4, 2)),
    ]:
        check_exact(shape, kernel, geometry, dtype, outputs)


def test_a_stride_beyond_all_sizes_is_exact(dtype, isa):
    huge = 2**40
    check_exact((2, 3, 6, 7), (3, 2), (huge, 1, 1), dtype)
    check_exact((2, 3, 6, 7), (1, 1), (huge, 0, huge), dtype)


def test_the_choice_for_one_channel_takes_any_stride(isa):
    """Its model divides the taps by a product of strides that no integer holds."""
    plan = _core.conv_explain("grad_input", "float32", (2, 1, 6, 7), (3, 1, 3, 2), 2**62, 1, 1, 1)
    assert plan["algorithm"] in {"depthwise", "direct_strip", "im2col_gemm"}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_floats_within_the_bound(operation, dtype, isa):
    for kernel, geometry in [((4, 4), (2, 1, 1)), ((7, 5), (3, 2, 2))]:
        arrays = data((2, 21, 30, 33), kernel, geometry, dtype)
        doubles = [array.astype(np.float64) for array in arrays]
        expected = exact(operation, doubles, geometry)
        magnitude = exact(operation, [np.abs(array) for array in doubles], geometry)
        error = np.abs(run(operation, arrays, geometry).astype(np.float64) - expected)
        terms = MOST_CHAIN if operation == "grad_weight" else int(np.prod(kernel))
        assert (error <= float(gamma(terms + 2, dtype)) * magnitude).all()


def test_gradients_of_many_points_round_like_short_sums(isa):
    """What 256 points in a row add up to goes on in float64, whatever blocks they lie in."""
    for shape, kernel, geometry in [
        ((40, 4, 60, 50), (3, 3), (2, 1, 1)),
        ((900, 3, 5, 4), (2, 2), (1, 1, 1)),
    ]:
        x, w, b, g = data(shape, kernel, geometry, np.float32)
        arrays = np.abs(x), w, b, np.abs(g)
        expected = exact("grad_weight", [array.astype(np.float64) for array in arrays], geometry)
        error = np.abs(run("grad_weight", arrays, geometry).astype(np.float64) / expected - 1)
        assert error.max() <= 5e-7


PROBLEMS = [
    ((3, 40, 20, 31), (4, 4), (2, 1, 1)),
    ((1, 17, 130, 90), (3, 5), (3, (1, 2), 1)),
    ((2, 9, 6, 7, 9), (2, 3, 3), (2, 1, 1)),
]


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_the_same_bits_for_any_threads_levels_and_neighbours(problem, operation, dtype):
    """Also of each channel beside others or beside one alone, and of each image."""
    shape, kernel, geometry = problem
    x, w, b, g = data(shape, kernel, geometry, dtype)
    results = []
    for level in (level for level in _core.available_isas() if level != "baseline"):
        _core.set_isa(level)
        for threads in (1, 2, 3, 7):
            _core.set_num_threads(threads)
            results.append(run(operation, (x, w, b, g), geometry))
        pair = slice(3, 5)
        images = slice(None) if operation == "grad_weight" else slice(-1, None)
        alone = run(operation, (x[images, pair], w[pair], b[pair], g[images, pair]), geometry)
        whole = results[-1][pair] if operation == "grad_weight" else results[-1][images, pair]
        assert_same_bits(alone, np.ascontiguousarray(whole))
    for other in results[1:]:
        assert_same_bits(other, results[0])


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_non_finite_values_appear_where_the_definition_puts_them(value, operation, dtype, isa):
    geometry = (2, 1, 1)
    for which, place in [(0, (1, 3, 4, 5)), (1, (2, 0, 0, 1)), (3, (0, 5, 1, 2))]:
        arrays = data((2, 19, 9, 12), (4, 3), geometry, dtype)
        arrays[which][place] = value
        with np.errstate(invalid="ignore"):
            expected = exact(operation, [array.astype(np.float64) for array in arrays], geometry)
        actual = run(operation, arrays, geometry)
        if which == 1 and operation == "grad_input":
            # Beyond grad_output lie zeros, which im2col multiplies too; the definition has no products there.
            expected = run(operation, arrays, geometry, algorithm="im2col_gemm")
        np.testing.assert_array_equal(np.isnan(actual), np.isnan(expected))
        np.testing.assert_array_equal(np.isinf(actual), np.isinf(expected))


def explain(operation, shape, kernel, *geometry):
    weight = shape[1], 1, *kernel
    return _core.conv_explain(operation, "float32", shape, weight, *geometry, shape[1])["algorithm"]


def test_the_choice(isa):
    """For strides that part what a vector of columns reads, and small planes; not where planes are walked."""
    for operation in OPERATIONS:
        assert explain(operation, (8, 512, 16, 16), (4, 4), 4, 0, 1) == "depthwise_lanes"
        assert explain(operation, (8, 512, 1, 1), (3, 3), 1, 1, 1) == "depthwise_lanes"
        assert explain(operation, (8, 64, 50), (5,), 3, 2, 1) == "depthwise_lanes"
        assert explain(operation, (8, 64, 8, 8, 8), (3, 3, 3), 2, 1, 1) == "depthwise_lanes"
        assert explain(operation, (1, 144, 56, 56), (3, 3), 1, 1, 1) == "depthwise"
        assert explain(operation, (1, 96, 112, 112), (3, 3), 2, 1, 1) == "depthwise"
    assert explain("grad_input", (8, 256, 28, 28), (4, 4), 2, 1, 1) == "depthwise_lanes"


@pytest.mark.parametrize(
    ("shape", "weight", "geometry", "reason"),
    [
        ((2, 4, 9, 9), (4, 2, 3, 3), (1, 1, 1, 2), "groups of one input channel"),
        ((2, 1, 9, 9), (1, 1, 3, 3), (1, 1, 1, 1), "groups of one input channel"),
        ((2, 4, 9, 9), (4, 1, 3, 3), (1, 1, 1, 4, "reflect"), "padding with zeros"),
        ((2, 4, 50, 50), (4, 1, 40, 40), (1, 1, 1, 4), "stay in L1"),
        ((2, 4, 90, 9000), (4, 1, 2, 3), (1, 0, (1, 4000), 4), "larger than a block"),
        ((0, 4, 9, 9), (4, 1, 3, 3), (1, 1, 1, 4), "nothing to sum"),
    ],
)
@pytest.mark.parametrize("operation", ["forward", "grad_weight"])
def test_where_it_does_not_apply(operation, shape, weight, geometry, reason):
    with pytest.raises(ValueError, match=f"depthwise_lanes does not apply: .*{reason}"):
        _core.conv_explain(operation, "float32", shape, weight, *geometry, **ALGORITHM)
