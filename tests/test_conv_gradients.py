"""The gradients of the convolution: exact by differences and by adjointness, then as the forward."""

import numpy as np
import pytest
from hypothesis import given, settings

import reference
from arrays import assert_exact, assert_same_bits, assert_within, gamma, generator
from convnative import _core
from convolutions import (
    FAMILIES,
    Case,
    algorithms,
    cast,
    channel_cases,
    floats,
    mixed_cases,
    padding_mode_cases,
    run_family,
    try_algorithm,
    wide_cases,
)  # fmt: skip
from test_conv_forward import FLOAT_CASES, cases

# Other algorithms have tests of their own: their results are not exact.
pytestmark = pytest.mark.usefixtures("strict")

OPERATIONS = ("grad_input", "grad_weight")
VARIANTS = [(operation, name) for operation in OPERATIONS for name in [None, *algorithms(operation)]]
FAST_VARIANTS = [(operation, name) for operation in OPERATIONS for name in algorithms(operation)[:-1]]


def gradient(operation, case, g, x, w, **options):
    """The gradient of <conv(x, w), g> with respect to the input or the weight."""
    if operation == "grad_input":
        return _core.conv_grad_input(case.axes, g, w, case.input_shape, *case.geometry, **options)
    return _core.conv_grad_weight(case.axes, g, x, case.weight_shape, *case.geometry, **options)


def exact_gradient(operation, case, g, x, w):
    if operation == "grad_input":
        return reference.conv_grad_input(g, w, case.input_shape, *case.geometry)
    return reference.conv_grad_weight(g, x, case.weight_shape, *case.geometry)


# -- integers, bit for bit --------------------------------------------------------------------

DIFFERENCE_CASES = [
    Case(2, 2, 3, (5, 6), (3, 2), (2, 1), ((1, 0), (0, 2)), (1, 2)),
    Case(1, 4, 6, (4, 7), (2, 3), (1, 3), ((0, 1), (3, 1)), (2, 1), 2),
    Case(None, 3, 3, (6, 5), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 3),
    Case(2, 1, 2, (5, 8), (2, 4), (3, 2), "same", (1, 1)),
    Case(1, 2, 2, (7, 5), (3, 2), (2, 2), "same_lower", (1, 2)),
    Case(1, 2, 2, (7, 5), (3, 2), (2, 2), "causal", (1, 2)),
    Case(2, 3, 2, (11,), (4,), (2,), ((1, 2),), (2,)),
    Case(1, 2, 2, (3, 4, 4), (2, 2, 3), (1, 2, 1), ((1, 0), (0, 1), (1, 1)), (1, 1, 1)),
    Case(1, 2, 2, (4, 5), (3, 2), (1, 2), ((3, 2), (4, 3)), (1, 2), 1, True, "reflect"),
    Case(1, 2, 2, (4, 5), (3, 2), (3, 1), ((4, 2), (5, 3)), (1, 2), 1, True, "symmetric"),
    Case(2, 2, 2, (4, 5), (3, 2), (1, 2), ((4, 4), (5, 3)), (2, 2), 2, True, "circular"),
    Case(1, 2, 2, (2, 3), (3, 2), (1, 2), ((5, 2), (0, 7)), (1, 3), 1, True, "replicate"),
    Case(1, 2, 2, (2, 3), (3, 2), (1, 2), ((5, 2), (0, 7)), (1, 3), 1, True, -2.0),
    Case(1, 2, 2, (3, 2, 4), (2, 3, 2), (1, 2, 1), ((1, 2), (1, 1), (3, 0)), (1, 1, 2), 1, True, "reflect"),
    Case(2, 2, 2, (3,), (4,), (2,), "same", (2,), 1, True, "symmetric"),
]


@pytest.mark.parametrize(("operation", "algorithm"), VARIANTS)
@pytest.mark.parametrize("case", DIFFERENCE_CASES, ids=str)
def test_gradient_is_the_exact_difference(case, operation, algorithm, dtype, isa):
    """The convolution is linear in x and in w: L(x + e) - L(x) is the derivative, with no error at all."""
    x, w, _ = case.data
    g = case.grad_output
    changed = x if operation == "grad_input" else w
    base = (reference.conv_forward(x, w, None, *case.geometry) * g).sum()
    expected = np.empty_like(changed)
    for index in np.ndindex(changed.shape):
        changed[index] += 1
        expected[index] = (reference.conv_forward(x, w, None, *case.geometry) * g).sum() - base
        changed[index] -= 1
    actual = try_algorithm(gradient, operation, case, *cast((g, x, w), dtype), algorithm=algorithm)
    if actual is None:
        pytest.skip(f"{algorithm} does not apply")
    assert_exact(actual, expected, dtype)


def check_exact(operation, case, dtype, algorithm):
    """Whether the algorithm applies; where it does, the gradient must be exact."""
    x, w, _ = case.data
    arrays = cast((case.grad_output, x, w), dtype)
    actual = try_algorithm(gradient, operation, case, *arrays, algorithm=algorithm)
    if actual is not None:
        assert_exact(actual, getattr(case, operation), dtype, (case, operation, algorithm))
    return actual is not None


@pytest.mark.parametrize(("operation", "algorithm"), VARIANTS)
@pytest.mark.parametrize("family", FAMILIES)
def test_integers_are_exact(family, operation, algorithm, dtype, isa):
    run_family(FAMILIES[family](), algorithm, lambda case, name: check_exact(operation, case, dtype, name))


@pytest.mark.slow
@pytest.mark.parametrize(("operation", "algorithm"), FAST_VARIANTS)
def test_integers_are_exact_at_every_channel_and_width(operation, algorithm, dtype, isa):
    run_family(wide_cases(), algorithm, lambda case, name: check_exact(operation, case, dtype, name))


@pytest.mark.parametrize(("operation", "algorithm"), [variant for variant in VARIANTS if variant[1]])
def test_every_algorithm_is_exercised(operation, algorithm, isa):
    every = [case for family in FAMILIES.values() for case in family()]
    dtypes = np.float32, np.float64
    assert any(check_exact(operation, case, dtype, algorithm) for dtype in dtypes for case in every)


@given(case=cases())
@settings(max_examples=100)
def test_drawn_integers_are_exact(case, dtype, isa):
    for operation, algorithm in VARIANTS:
        check_exact(operation, case, dtype, algorithm)


@given(case=cases())
@settings(max_examples=100)
def test_adjointness(case, dtype, isa):
    """<conv(x, w), g> = <x, grad_input(g, w)> = <w, grad_weight(g, x)>, in exact integers."""
    x, w, _ = cast(case.data, dtype)
    g = case.grad_output.astype(dtype)
    whole = lambda array: array.astype(np.int64)  # noqa: E731
    y = _core.conv_forward(case.axes, x, w, None, *case.geometry)
    forward = (whole(y) * whole(g)).sum()
    border = whole(_core.conv_forward(case.axes, 0 * x, w, None, *case.geometry))  # a constant's part
    linear = ((whole(y) - border) * whole(g)).sum()
    assert (whole(x) * whole(gradient("grad_input", case, g, x, w))).sum() == linear
    assert (whole(w) * whole(gradient("grad_weight", case, g, x, w))).sum() == forward


def test_grad_bias_is_exact(dtype, isa):
    for family in FAMILIES.values():
        for case in family():
            g = case.grad_output
            actual = _core.conv_grad_bias(case.axes, g.astype(dtype))
            assert_exact(actual, reference.conv_grad_bias(g, case.axes), dtype, case)


def test_long_sums_are_exact(dtype, isa):
    """Longer than any block of the sum: many outputs for grad_weight, many channels for grad_input."""
    tall = Case(3, 2, 3, (61, 67), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1))
    deep = Case(1, 35, 515, (5, 21), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1))
    for operation, algorithm in VARIANTS:
        for case in (tall, deep):
            check_exact(operation, case, dtype, algorithm)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_empty_batch_gives_zero_gradients(operation, dtype, isa):
    case = Case(0, 3, 4, (5, 6), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1))
    x, w, _ = cast(case.data, dtype)
    g = np.zeros((0, 4, 5, 6), dtype)
    shape = case.input_shape if operation == "grad_input" else case.weight_shape
    assert_same_bits(gradient(operation, case, g, x, w), np.zeros(shape, dtype))
    assert_same_bits(_core.conv_grad_bias(2, g), np.zeros(4, dtype))


def test_inputs_that_no_window_reads_have_zero_gradient(dtype, isa):
    """A stride that leaves out columns, and a remainder after the last window."""
    case = Case(1, 1, 1, (1, 8), (1, 1), (1, 3), ((0, 0), (0, 0)), (1, 1))
    w, g = np.full((1, 1, 1, 1), 2, dtype), np.ones((1, 1, 1, 3), dtype)
    expected = np.array([2, 0, 0, 2, 0, 0, 2, 0], dtype).reshape(1, 1, 1, 8)
    assert_same_bits(gradient("grad_input", case, g, None, w), expected)


# -- floats, within the bound -----------------------------------------------------------------


@pytest.mark.parametrize(("operation", "algorithm"), VARIANTS)
@pytest.mark.parametrize("spread", [0, 12], ids=["alike", "twelve binades apart"])
def test_floats_within_the_bound(operation, algorithm, spread, dtype, isa, strict):
    """gamma(n + 2) times the gradient of the absolute values, for n products per element of the gradient."""
    for case in [*mixed_cases(), *channel_cases()[::5], *padding_mode_cases()[::5]]:
        rng = generator(case, spread, "gradients")
        shapes = case.output.shape, case.input_shape, case.weight_shape
        g, x, w = (
            np.ldexp(floats(rng, shape, dtype), rng.integers(-spread, spread + 1, shape)).astype(dtype)
            for shape in shapes
        )
        actual = try_algorithm(gradient, operation, case, g, x, w, algorithm=algorithm)
        if actual is None:
            continue
        exact = exact_gradient(operation, case, g, x, w)
        magnitude = exact_gradient(operation, case, *map(np.abs, (g, x, w)))
        ones = [np.ones(shape, np.int64) for shape in shapes]
        products = int(exact_gradient(operation, case, *ones).max(initial=0))
        bound = exact.dtype.type(gamma(products + 2, dtype)) * magnitude
        assert_within(actual, exact, bound, (case, operation, algorithm))


@pytest.mark.parametrize("spread", [0, 12], ids=["alike", "twelve binades apart"])
def test_grad_bias_within_the_bound(spread, dtype, isa, strict):
    for case in mixed_cases():
        rng = generator(case, spread, "grad_bias")
        shape = case.output.shape
        g = np.ldexp(floats(rng, shape, dtype), rng.integers(-spread, spread + 1, shape)).astype(dtype)
        exact = reference.conv_grad_bias(g, case.axes)
        magnitude = reference.conv_grad_bias(np.abs(g), case.axes)
        terms = g.size // max(case.out_channels, 1)
        bound = exact.dtype.type(gamma(terms + 2, dtype)) * magnitude
        assert_within(_core.conv_grad_bias(case.axes, g), exact, bound, case)


# -- the same bits however it runs ------------------------------------------------------------


def float_data(case, dtype):
    rng = generator(case, "float gradients")
    shapes = case.output.shape, case.input_shape, case.weight_shape
    return [floats(rng, shape, dtype) for shape in shapes]


@pytest.fixture(params=["default", "strict"])
def precision(request):
    _core.set_precision(request.param)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("case", FLOAT_CASES, ids=str)
def test_same_bits_for_any_number_of_threads(case, operation, dtype, isa, precision):
    g, x, w = float_data(case, dtype)
    results = []
    for threads in (1, 2, 3, 7):
        _core.set_num_threads(threads)
        results += [gradient(operation, case, g, x, w), gradient(operation, case, g, x, w)]
        results[-1] = results[-1], _core.conv_grad_bias(case.axes, g)
    expected, expected_bias = results[0], results[1][1]
    for first, (second, bias) in zip(results[::2], results[1::2], strict=True):
        assert_same_bits(first, expected, case)
        assert_same_bits(second, expected, case)
        assert_same_bits(bias, expected_bias, case)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("case", FLOAT_CASES, ids=str)
def test_same_bits_for_any_layout(case, operation, dtype, isa, precision, layouts):
    g, x, w = float_data(case, dtype)
    expected = gradient(operation, case, g, x, w)
    for name, variant in layouts(g):
        assert_same_bits(gradient(operation, case, variant, x, w), expected, f"grad_output {name}")
    other = w if operation == "grad_input" else x
    for name, variant in layouts(other):
        pair = (x, variant) if operation == "grad_input" else (variant, w)
        assert_same_bits(gradient(operation, case, g, *pair), expected, f"other operand {name}")
    bias = _core.conv_grad_bias(case.axes, g)
    for name, variant in layouts(g):
        assert_same_bits(_core.conv_grad_bias(case.axes, variant), bias, f"grad_output {name}")


@pytest.mark.parametrize("case", FLOAT_CASES, ids=str)
def test_grad_input_has_the_same_bits_for_any_split_of_the_batch(case, dtype, isa, strict):
    g, _, w = float_data(case, dtype)
    whole = gradient("grad_input", case, g, None, w)
    for n, part in enumerate(g):
        alone = _core.conv_grad_input(case.axes, part[None], w, (1, *case.input_shape[1:]), *case.geometry)
        assert_same_bits(alone[0], whole[n], f"image {n}")
        unbatched = _core.conv_grad_input(case.axes, part, w, case.input_shape[1:], *case.geometry)
        assert_same_bits(unbatched, whole[n], f"image {n}, unbatched")


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("case", FLOAT_CASES, ids=str)
def test_same_bits_on_avx2_and_avx512(case, operation, dtype, strict):
    if not {"avx2", "avx512"} <= set(_core.available_isas()):
        pytest.skip("this CPU, or CONVNATIVE_MAX_ISA, does not offer both AVX2 and AVX-512")
    g, x, w = float_data(case, dtype)
    results = {}
    for name in ("avx2", "avx512"):
        _core.set_isa(name)
        results[name] = gradient(operation, case, g, x, w), _core.conv_grad_bias(case.axes, g)
    for one, other in zip(results["avx512"], results["avx2"], strict=True):
        assert_same_bits(one, other, case)


# -- infinities and NaN -----------------------------------------------------------------------


@pytest.mark.parametrize(("operation", "algorithm"), VARIANTS)
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_non_finite_gradients_reach_what_they_read(value, operation, algorithm, dtype, isa):
    """With weights and inputs that are nowhere zero, every element that meets the value, and no other."""
    case = Case(2, 3, 5, (9, 21), (3, 3), (2, 1), ((1, 1), (1, 1)), (1, 1))
    x, w, _ = cast(case.data, dtype)
    x, w = x + 10, w + 10
    for position in range(0, 40, 3):
        g = case.grad_output.astype(dtype)
        g.flat[position * 7 % g.size] = value
        # Padding meets the value too, but a border weight meets it only for outputs at the border.
        with np.errstate(invalid="ignore"):
            expected = exact_gradient(operation, case, g, x, w)
        actual = try_algorithm(gradient, operation, case, g, x, w, algorithm=algorithm)
        if actual is not None:
            assert_exact(actual, expected, dtype, (value, position, operation, algorithm))
