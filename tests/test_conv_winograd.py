"""Winograd convolution: close to the definition, finite where it is finite, the same bits however it runs."""

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

SHAPES = [
    # N, C, K, H, W, padding, groups
    (1, 16, 16, 12, 12, ((1, 1), (1, 1)), 1),
    (2, 17, 31, 13, 55, ((1, 1), (1, 1)), 1),
    (1, 67, 5, 7, 66, ((0, 2), (2, 0)), 1),
    (3, 3, 67, 4, 9, ((2, 2), (1, 2)), 1),
    (2, 20, 24, 14, 14, ((0, 0), (0, 0)), 4),
    (1, 256, 100, 14, 14, ((1, 1), (1, 1)), 1),
    (1, 64, 64, 56, 56, ((1, 1), (1, 1)), 1),
    (1, 1, 1, 3, 3, ((0, 0), (0, 0)), 1),
    (1, 8, 8, 3, 200, ((3, 1), (3, 4)), 1),
]


@pytest.fixture(autouse=True)
def default_precision():
    _core.set_precision("default")


def draw(shape, spread="normal"):
    """Input, weight, bias and grad_output of a convolution, and its settings."""
    n, c, k, h, w, padding, groups = shape
    rng = generator("winograd", shape, spread)
    (top, bottom), (left, right) = padding
    sizes = [(n, c, h, w), (k, c // groups, 3, 3), (k,), (n, k, h + top + bottom - 2, w + left + right - 2)]
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


OPERATIONS = [forward, grad_input]


@cache
def exact(operation, shape, spread="normal"):
    arrays, geometry = draw(shape, spread)
    x, w, b, g = (array.astype(np.float64) for array in arrays)
    if operation is forward:
        return reference.conv_forward(x, w, b, *geometry)
    return reference.conv_grad_input(g, w, x.shape, *geometry)


def check_errors(operation, shape, spread, algorithm):
    arrays, geometry = draw(shape, spread)
    expected = exact(operation, shape, spread)
    error = operation(arrays, geometry, algorithm=algorithm) - expected
    assert np.abs(error).max() <= LARGEST_ERROR * np.abs(expected).max()
    # With so few products the direct sum hardly rounds; nobody would choose Winograd there.
    out_channels, in_channels = arrays[1].shape[:2]
    if (in_channels if operation is forward else out_channels // geometry[3]) < 4:
        return
    direct = operation(arrays, geometry, algorithm="im2col_gemm") - expected
    assert np.sqrt(np.mean(np.square(error))) <= RMS_RATIO * np.sqrt(np.mean(np.square(direct)))


@pytest.mark.parametrize("spread", ["normal", "positive"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_errors_stay_within_the_promise(shape, operation, algorithm, spread, isa):
    check_errors(operation, shape, spread, algorithm)


@settings(max_examples=60)
@given(st.data())
def test_errors_on_any_shape(isa, data):
    size, groups = st.integers(1, 40), data.draw(st.integers(1, 2))
    padding = tuple((data.draw(st.integers(0, 3)), data.draw(st.integers(0, 3))) for _ in range(2))
    h, w = (max(data.draw(size), 3 - sum(sides)) for sides in padding)
    channels = data.draw(size), data.draw(size)
    shape = (data.draw(st.integers(1, 2)), *(groups * c for c in channels), h, w, padding, groups)
    arrays, geometry = draw(shape)
    for operation in OPERATIONS:
        expected = exact(operation, shape)
        for algorithm in ALGORITHMS:
            error = np.abs(operation(arrays, geometry, algorithm=algorithm) - expected).max()
            assert error <= LARGEST_ERROR * np.abs(expected).max(), (shape, algorithm)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_wide_ranges_stay_finite_and_close(operation, algorithm, isa):
    """Images of very different sizes in a batch do not disturb each other."""
    shape = (6, 16, 20, 13, 14, ((1, 1), (1, 1)), 1)
    arrays, geometry = draw(shape, "wide")
    expected = exact(operation, shape, "wide")
    actual = operation(arrays, geometry, algorithm=algorithm)
    for image, truth in zip(actual, expected, strict=True):
        assert np.abs(image - truth).max() <= LARGEST_ERROR * np.abs(truth).max()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_small_integers_round_to_the_exact_result(algorithm, isa):
    rng = generator("integers")
    x, w = rng.integers(-4, 5, (2, 19, 15, 33)), rng.integers(-4, 5, (21, 19, 3, 3))
    actual = _core.conv_forward(
        2, x.astype(np.float32), w.astype(np.float32), None, 1, 1, 1, 1, algorithm=algorithm
    )
    np.testing.assert_array_equal(np.rint(actual), reference.conv_forward(x, w, None, 1, 1))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_shifted_image_gives_the_shifted_result(operation, algorithm, isa):
    """By a whole tile, so that the same bits come out."""
    x = generator("shift").standard_normal((1, 18, 24, 24)).astype(np.float32)
    w = generator("kernel").standard_normal((18, 18, 3, 3)).astype(np.float32)
    moved = np.roll(x, (4, 8), axis=(2, 3))
    settings = (1, ((1, 1), (1, 1)), 1, 1)
    one = operation((x, w, None, x), settings, algorithm=algorithm)
    other = operation((moved, w, None, moved), settings, algorithm=algorithm)
    assert_same_bits(other[..., 5:-4, 9:-4], one[..., 1:-8, 1:-12])


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("shape", SHAPES[:6], ids=str)
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


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 3e38])
@pytest.mark.parametrize("where", ["input", "weight", "bias", "grad_output"])
def test_non_finite_values_appear_where_the_definition_puts_them(where, value, algorithm, isa):
    arrays, geometry = draw((1, 17, 18, 13, 22, ((1, 1), (1, 1)), 1))
    target = arrays[["input", "weight", "bias", "grad_output"].index(where)]
    target.flat[[5 % target.size, 777 % target.size]] = value
    for operation in OPERATIONS:
        with np.errstate(over="ignore", invalid="ignore"):
            expected = operation(arrays, geometry, algorithm="im2col_gemm")
            actual = operation(arrays, geometry, algorithm=algorithm)
        finite = np.isfinite(expected)
        np.testing.assert_array_equal(np.isfinite(actual), finite)
        np.testing.assert_array_equal(actual[~finite], expected[~finite])


def test_the_first_choice_for_common_layers(isa):
    for n, channels, size in [(1, 64, 56), (16, 64, 56), (16, 256, 14), (1, 128, 28)]:
        plan = _core.conv_explain(
            "forward", "float32", (n, channels, size, size), (channels, channels, 3, 3), 1, 1, 1, 1
        )
        assert plan["algorithm"] == "winograd_4x4", plan


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"dtype": "float64"}, "float32"),
        ({"weight": (64, 64, 5, 5)}, "3 x 3"),
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
    assert plan["algorithm"] == "im2col_gemm"
    assert f"not winograd_4x4: for {reason}" in plan["reason"]


def test_strict_precision_does_without(strict):
    plan = _core.conv_explain("forward", "float32", (1, 64, 56, 56), (64, 64, 3, 3), 1, 1, 1, 1)
    assert plan["algorithm"] == "im2col_gemm"
    assert "not winograd_4x4: strict precision" in plan["reason"]
    with pytest.raises(ValueError, match=r"algorithm: winograd_4x4 does not apply: strict precision"):
        _core.conv_explain(
            "forward", "float32", (1, 64, 56, 56), (64, 64, 3, 3), 1, 1, 1, 1, algorithm="winograd_4x4"
        )
