"""Winograd convolution: close to the definition, finite where it is finite, the same bits however it runs."""

import itertools
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reference
from arrays import assert_same_bits, generator
from convnative import _core
from convolutions import algorithms

ALGORITHMS = algorithms("forward", strict=False)
# Largest error in units of the largest output; root mean square error in units of the direct algorithm's.
LARGEST_ERROR = 6e-6
RMS_RATIO = 6
# The same where the gradient in the weights is left to choose: torch's rounds as the direct algorithm's does.
GRAD_WEIGHT_RMS_RATIO = 2

SHAPES = [
    # N, C, K, H, W, padding, groups, kernel size
    (1, 16, 16, 12, 12, ((1, 1), (1, 1)), 1, 3),
    (2, 17, 31, 13, 55, ((1, 1), (1, 1)), 1, 3),
    (1, 67, 5, 7, 66, ((0, 2), (2, 0)), 1, 3),
    (3, 3, 67, 4, 9, ((2, 2), (1, 2)), 1, 3),
    (2, 20, 24, 14, 14, ((0, 0), (0, 0)), 4, 3),
    (2, 19, 21, 13, 18, ((2, 2), (1, 2)), 1, 5),
    (1, 256, 100, 14, 14, ((1, 1), (1, 1)), 1, 3),
    (1, 64, 64, 56, 56, ((1, 1), (1, 1)), 1, 3),
    (1, 1, 1, 3, 3, ((0, 0), (0, 0)), 1, 3),
    (1, 8, 8, 3, 200, ((3, 1), (3, 4)), 1, 3),
    (2, 35, 40, 25, 18, ((2, 2), (2, 0)), 1, 5),
    (1, 72, 70, 28, 30, ((4, 0), (0, 5)), 2, 5),
]


@pytest.fixture(autouse=True)
def default_precision():
    _core.set_precision("default")


def draw(shape, spread="normal"):
    """Input, weight, bias and grad_output of a convolution, and its settings."""
    n, c, k, h, w, padding, groups, size = shape
    rng = generator("winograd", shape, spread)
    (top, bottom), (left, right) = padding
    out = h + top + bottom - size + 1, w + left + right - size + 1
    sizes = [(n, c, h, w), (k, c // groups, size, size), (k,), (n, k, *out)]
    arrays = [rng.standard_normal(size) for size in sizes]
    if spread == "positive":
        arrays = [np.abs(array) for array in arrays]
    if spread == "wide":
        arrays = [
            array * 10.0 ** rng.integers(-20, 21, array.shape[:1] + (1,) * (array.ndim - 1))
            for array in arrays
        ]
        arrays[1] = rng.standard_normal(sizes[1])
    return [array.astype(np.float32) for array in arrays], (1, padding, 1, groups)


def forward(arrays, geometry, **options):
    x, w, b, _ = arrays
    return _core.conv_forward(2, x, w, b, *geometry, **options)


def grad_input(arrays, geometry, **options):
    x, w, _, g = arrays
    return _core.conv_grad_input(2, g, w, x.shape, *geometry, **options)


def grad_weight(arrays, geometry, **options):
    x, w, _, g = arrays
    return _core.conv_grad_weight(2, g, x, w.shape, *geometry, **options)


OPERATIONS = [forward, grad_input, grad_weight]


def define(operation, arrays, geometry):
    x, w, b, g = (array.astype(np.float64) for array in arrays)
    if operation is forward:
        return reference.conv_forward(x, w, b, *geometry)
    if operation is grad_input:
        return reference.conv_grad_input(g, w, x.shape, *geometry)
    return reference.conv_grad_weight(g, x, w.shape, *geometry)


@cache
def exact(operation, shape, spread="normal"):
    return define(operation, *draw(shape, spread))


def applies(operation, shape, algorithm):
    """F(4x4, 5x5) is held back where its errors would not stay within the bounds."""
    n, c, k, h, w, ((top, bottom), (left, right)), groups, size = shape
    if algorithm != "winograd_4x4" or size == 3:
        return True
    if operation is grad_weight:
        return False
    height, width = h + top + bottom - size + 1, w + left + right - size + 1
    depth, outputs = (c, k * height * width) if operation is forward else (k, c * h * w)
    return depth // groups >= 32 and n * outputs >= 16384


def cases(shapes=SHAPES):
    """Every shape with the operations and algorithms that serve it."""
    every = itertools.product(shapes, OPERATIONS, ALGORITHMS)
    return [case for case in every if applies(case[1], case[0], case[2])]


def check_errors(operation, shape, spread, algorithm):
    arrays, geometry = draw(shape, spread)
    expected = exact(operation, shape, spread)
    error = operation(arrays, geometry, algorithm=algorithm) - expected
    assert np.abs(error).max() <= LARGEST_ERROR * np.abs(expected).max()
    # With so few products the direct sum hardly rounds; nobody would choose Winograd there.
    out_channels, in_channels = arrays[1].shape[:2]
    if operation is grad_weight or (in_channels if operation is forward else out_channels // geometry[3]) < 4:
        return
    direct = operation(arrays, geometry, algorithm="im2col_gemm") - expected
    assert np.sqrt(np.mean(np.square(error))) <= RMS_RATIO * np.sqrt(np.mean(np.square(direct)))


@pytest.mark.parametrize("spread", ["normal", "positive"])
@pytest.mark.parametrize(("shape", "operation", "algorithm"), cases())
def test_errors_stay_within_the_promise(shape, operation, algorithm, spread, isa):
    check_errors(operation, shape, spread, algorithm)


@settings(max_examples=60)
@given(st.data())
def test_errors_on_any_shape(isa, data):
    size, groups, taps = st.integers(1, 40), data.draw(st.integers(1, 2)), data.draw(st.sampled_from([3, 5]))
    padding = tuple((data.draw(st.integers(0, 3)), data.draw(st.integers(0, 3))) for _ in range(2))
    h, w = (max(data.draw(size), taps - sum(sides)) for sides in padding)
    channels = data.draw(size), data.draw(size)
    shape = (data.draw(st.integers(1, 2)), *(groups * c for c in channels), h, w, padding, groups, taps)
    arrays, geometry = draw(shape)
    for _, operation, algorithm in cases([shape]):
        expected = exact(operation, shape)
        error = np.abs(operation(arrays, geometry, algorithm=algorithm) - expected).max()
        assert error <= LARGEST_ERROR * np.abs(expected).max(), (shape, operation, algorithm)


def explain(operation, shape, **options):
    """What would run."""
    (x, w, _, _), geometry = draw(shape)
    return _core.conv_explain(operation.__name__, "float32", x.shape, w.shape, *geometry, **options)


@pytest.mark.parametrize(
    ("shape", "algorithm"),
    [
        ((1, 32, 32, 20, 20, ((1, 1), (1, 1)), 1, 3), "winograd_4x4"),
        ((8, 64, 48, 7, 7, ((1, 1), (1, 1)), 1, 3), "winograd_4x4"),
        ((2, 32, 40, 28, 28, ((1, 1), (1, 1)), 1, 3), "winograd_4x4"),
        ((1, 48, 64, 14, 14, ((1, 1), (1, 1)), 1, 3), "winograd_2x2"),
        ((1, 64, 64, 9, 9, ((1, 1), (1, 1)), 1, 3), "winograd_2x2"),
        ((2, 32, 40, 28, 28, ((2, 2), (2, 2)), 1, 5), "winograd_2x2"),
        ((1, 64, 64, 14, 14, ((2, 2), (2, 2)), 1, 5), "direct_channels"),
    ],
    ids=str,
)
def test_the_gradient_in_the_weights_rounds_little_more_than_a_plain_sum(shape, algorithm, isa):
    """Winograd is chosen only over so many points that it does."""
    assert explain(grad_weight, shape)["algorithm"] == algorithm
    arrays, geometry = draw(shape)
    expected = exact(grad_weight, shape)
    error, direct = (
        np.sqrt(np.mean(np.square(grad_weight(arrays, geometry, algorithm=name) - expected)))
        for name in (None, "im2col_gemm")
    )
    assert error <= GRAD_WEIGHT_RMS_RATIO * direct


def test_five_taps_stay_within_the_bounds_however_many_channels(isa):
    for channels in (32, 64, 257):
        shape = (1, channels, 23, 28, 28, ((2, 2), (2, 2)), 1, 5)
        check_errors(forward, shape, "normal", "winograd_4x4")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("operation", [forward, grad_input])
def test_wide_ranges_stay_finite_and_close(operation, algorithm, isa):
    """Images of very different sizes in a batch do not disturb each other."""
    shape = (6, 16, 20, 13, 14, ((1, 1), (1, 1)), 1, 3)
    arrays, geometry = draw(shape, "wide")
    expected = exact(operation, shape, "wide")
    actual = operation(arrays, geometry, algorithm=algorithm)
    for image, truth in zip(actual, expected, strict=True):
        assert np.abs(image - truth).max() <= LARGEST_ERROR * np.abs(truth).max()


@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_small_integers_round_to_the_exact_result(operation, size, isa):
    shape = (2, 38, 33, 15, 33, ((1, 1), (2, 2)), 1, size)
    arrays, geometry = draw(shape)
    arrays = [generator("integers", i).integers(-4, 5, a.shape) for i, a in enumerate(arrays)]
    expected = define(operation, arrays, geometry)
    for algorithm in ALGORITHMS:
        if applies(operation, shape, algorithm):
            actual = operation([a.astype(np.float32) for a in arrays], geometry, algorithm=algorithm)
            np.testing.assert_array_equal(np.rint(actual), expected)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("operation", [forward, grad_input])
def test_a_shifted_image_gives_the_shifted_result(operation, algorithm, isa):
    """By a whole tile, so that the same bits come out."""
    x = generator("shift").standard_normal((1, 18, 24, 24)).astype(np.float32)
    w = generator("kernel").standard_normal((18, 18, 3, 3)).astype(np.float32)
    moved = np.roll(x, (4, 8), axis=(2, 3))
    settings = (1, ((1, 1), (1, 1)), 1, 1)
    one = operation((x, w, None, x), settings, algorithm=algorithm)
    other = operation((moved, w, None, moved), settings, algorithm=algorithm)
    assert_same_bits(other[..., 5:-4, 9:-4], one[..., 1:-8, 1:-12])


@pytest.mark.parametrize(("shape", "operation", "algorithm"), cases([*SHAPES[:6], *SHAPES[-2:]]))
def test_same_bits_for_any_number_of_threads(shape, operation, algorithm, isa):
    arrays, geometry = draw(shape)
    results = []
    for threads in (1, 2, 3, 7):
        _core.set_num_threads(threads)
        results.append(operation(arrays, geometry, algorithm=algorithm))
    for result in results[1:]:
        assert_same_bits(result, results[0])


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_same_bits_for_any_layout(algorithm, isa, layouts):
    arrays, geometry = draw(SHAPES[1])
    for operation in OPERATIONS:
        expected = operation(arrays, geometry, algorithm=algorithm)
        for position in range(4):
            for name, variant in layouts(arrays[position]):
                changed = [*arrays[:position], variant, *arrays[position + 1 :]]
                assert_same_bits(operation(changed, geometry, algorithm=algorithm), expected, name)


def test_a_long_sum_in_several_steps(isa):
    """Blocks of grad_weight advance together where one alone would keep an interrupt waiting."""
    shape = (3, 80, 72, 56, 57, ((1, 1), (1, 1)), 1, 3)
    arrays, geometry = draw(shape)
    expected, results = exact(grad_weight, shape), []
    for threads in (1, 3):
        _core.set_num_threads(threads)
        results.append(grad_weight(arrays, geometry, algorithm="winograd_4x4"))
    assert np.abs(results[0] - expected).max() <= LARGEST_ERROR * np.abs(expected).max()
    assert_same_bits(*results)


NOT_FINITE = [
    (1, 17, 18, 13, 22, ((1, 1), (1, 1)), 1, 3),
    (1, 36, 40, 21, 22, ((2, 2), (2, 2)), 1, 5),
]


@pytest.mark.parametrize(("shape", "operation", "algorithm"), cases(NOT_FINITE))
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 3e38])
@pytest.mark.parametrize("where", ["input", "weight", "bias", "grad_output"])
def test_non_finite_values_appear_where_the_definition_puts_them(
    where, value, shape, operation, algorithm, isa
):
    arrays, geometry = draw(shape)
    target = arrays[["input", "weight", "bias", "grad_output"].index(where)]
    target.flat[[5 % target.size, 777 % target.size]] = value
    with np.errstate(over="ignore", invalid="ignore"):
        expected = operation(arrays, geometry, algorithm="im2col_gemm")
        actual = operation(arrays, geometry, algorithm=algorithm)
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(np.isfinite(actual), finite)
    np.testing.assert_array_equal(actual[~finite], expected[~finite])


def test_the_gradient_in_the_weights_sums_over_the_padding_value(isa):
    """Only zeros may be left out of the sums."""
    shape = (8, 32, 32, 20, 20, ((1, 1), (1, 1)), 1, 3)
    arrays, geometry = draw(shape)
    x, w, _, g = arrays
    actual = _core.conv_grad_weight(2, g, x, w.shape, *geometry, 2.0)
    padded = np.pad(x, [(0, 0), (0, 0), (1, 1), (1, 1)], constant_values=2)
    expected = reference.conv_grad_weight(g.astype(np.float64), padded.astype(np.float64), w.shape, 1, 0)
    assert np.abs(actual - expected).max() <= LARGEST_ERROR * np.abs(expected).max()


@pytest.mark.parametrize("batch", [0, 3])
def test_no_sum_is_zero(batch, isa):
    x, g = np.ones((batch, 20, 8, 8), np.float32), np.zeros((batch, 24, 8, 8), np.float32)
    for algorithm in ALGORITHMS:
        actual = _core.conv_grad_weight(2, g, x, (24, 20, 3, 3), 1, 1, 1, 1, algorithm=algorithm)
        np.testing.assert_array_equal(actual, np.zeros((24, 20, 3, 3), np.float32))


def test_the_first_choice_for_common_layers(isa):
    for n, channels, size in [(1, 64, 56), (16, 64, 56), (16, 256, 14), (1, 128, 28)]:
        plan = _core.conv_explain(
            "forward", "float32", (n, channels, size, size), (channels, channels, 3, 3), 1, 1, 1, 1
        )
        assert plan["algorithm"] == "winograd_4x4", plan
    for operation in OPERATIONS:
        for n, channels, size, taps in [(8, 128, 28, 3), (16, 256, 14, 3), (8, 96, 27, 5)]:
            shape = (n, channels, channels, size, size, ((taps // 2,) * 2,) * 2, 1, taps)
            small = operation is grad_weight and taps == 5
            plan = explain(operation, shape)
            assert plan["algorithm"] == ("winograd_2x2" if small else "winograd_4x4"), plan
            assert plan["workspace_bytes"] <= 2**21 * plan["threads"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"dtype": "float64"}, "float32"),
        ({"weight": (64, 64, 7, 7)}, "3 x 3 and 5 x 5"),
        ({"weight": (64, 64, 3, 5)}, "3 x 3 and 5 x 5"),
        ({"weight": (24, 24, 5, 5), "input": (1, 24, 56, 56)}, "5 x 5 kernels over many"),
        ({"stride": 2}, "stride 1"),
        ({"dilation": 2}, "dilation 1"),
    ],
)
def test_it_says_where_it_does_not_apply(change, reason):
    settings = {
        "dtype": "float32", "input": (1, 64, 56, 56), "weight": (64, 64, 3, 3), "stride": 1, "dilation": 1
    } | change  # fmt: skip
    arguments = [settings[name] for name in ("dtype", "input", "weight", "stride")]
    plan = _core.conv_explain("forward", *arguments, 2, settings["dilation"], 1)
    assert f"not winograd_4x4: for {reason}" in plan["reason"]


def test_strict_precision_does_without(strict):
    plan = _core.conv_explain("forward", "float32", (1, 64, 56, 56), (64, 64, 3, 3), 1, 1, 1, 1)
    assert plan["algorithm"] == "direct_channels"
    assert "not winograd_4x4: strict precision" in plan["reason"]
    with pytest.raises(ValueError, match=r"algorithm: winograd_4x4 does not apply: strict precision"):
        _core.conv_explain(
            "forward", "float32", (1, 64, 56, 56), (64, 64, 3, 3), 1, 1, 1, 1, algorithm="winograd_4x4"
        )
