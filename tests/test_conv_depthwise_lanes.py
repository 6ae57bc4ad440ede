"""Depthwise convolution with channels in the lanes: exact on integers, the same bits however it runs."""

from itertools import product

import numpy as np
import pytest

import reference
from arrays import assert_exact, assert_same_bits, gamma, generator, small_integers
from convnative import _core

OPERATIONS = ["forward", "grad_input"]
ALGORITHM = {"algorithm": "depthwise_lanes"}


def data(shape, kernel, geometry, dtype=None):
    """Input, weight, bias and grad_output: integers, or normal numbers."""
    rng = generator("channels in the lanes", shape, kernel, geometry)
    weight_shape, channels = (shape[1], 1, *kernel), shape[1]
    output = reference.conv_forward(np.zeros(shape), np.zeros(weight_shape), None, *geometry, channels)
    shapes = shape, weight_shape, (channels,), output.shape
    if dtype is None:
        return [small_integers(rng, each) for each in shapes]
    return [rng.standard_normal(each).astype(dtype) for each in shapes]


def run(operation, arrays, geometry, **options):
    x, w, b, g = arrays
    groups, axes = w.shape[0], x.ndim - 2
    options = ALGORITHM | options
    if operation == "forward":
        return _core.conv_forward(axes, x, w, b, *geometry, groups, **options)
    return _core.conv_grad_input(axes, g, w, x.shape, *geometry, groups, **options)


def exact(operation, arrays, geometry):
    x, w, b, g = arrays
    if operation == "forward":
        return reference.conv_forward(x, w, b, *geometry, w.shape[0])
    return reference.conv_grad_input(g, w, x.shape, *geometry, w.shape[0])


def check_exact(shape, kernel, geometry, dtype):
    arrays = data(shape, kernel, geometry)
    for operation in OPERATIONS:
        actual = run(operation, [array.astype(dtype) for array in arrays], geometry)
        assert_exact(actual, exact(operation, arrays, geometry), dtype, (operation, shape, kernel, geometry))


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
        assert (error <= float(gamma(int(np.prod(kernel)) + 2, dtype)) * magnitude).all()


PROBLEMS = [
    ((3, 40, 20, 31), (4, 4), (2, 1, 1)),
    ((1, 17, 130, 90), (3, 5), (3, (1, 2), 1)),
    ((2, 9, 6, 7, 9), (2, 3, 3), (2, 1, 1)),
]


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_the_same_bits_for_any_threads_levels_and_neighbours(problem, operation, dtype):
    """Also of each channel and image beside others or beside one alone."""
    shape, kernel, geometry = problem
    x, w, b, g = data(shape, kernel, geometry, dtype)
    results = []
    for level in (level for level in _core.available_isas() if level != "baseline"):
        _core.set_isa(level)
        for threads in (1, 2, 3, 7):
            _core.set_num_threads(threads)
            results.append(run(operation, (x, w, b, g), geometry))
        pair, last = slice(3, 5), slice(-1, None)
        alone = run(operation, (x[last, pair], w[pair], b[pair], g[last, pair]), geometry)
        assert_same_bits(alone, np.ascontiguousarray(results[-1][last, pair]))
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
        ((2, 4, 9, 9), (8, 1, 3, 3), (1, 1, 1, 4), "an output each"),
        ((2, 4, 9, 9), (4, 2, 3, 3), (1, 1, 1, 2), "an output each"),
        ((2, 1, 9, 9), (1, 1, 3, 3), (1, 1, 1, 1), "an output each"),
        ((2, 4, 9, 9), (4, 1, 3, 3), (1, 1, 1, 4, "reflect"), "padding with zeros"),
        ((2, 4, 50, 50), (4, 1, 40, 40), (1, 1, 1, 4), "stay in L1"),
        ((2, 4, 90, 9000), (4, 1, 3, 3), (1, 0, (1, 4000), 4), "larger than a block"),
        ((0, 4, 9, 9), (4, 1, 3, 3), (1, 1, 1, 4), "nothing to sum"),
    ],
)
def test_where_it_does_not_apply(shape, weight, geometry, reason):
    with pytest.raises(ValueError, match=f"depthwise_lanes does not apply: .*{reason}"):
        _core.conv_explain("forward", "float32", shape, weight, *geometry, **ALGORITHM)
