"""The convolution: exact on integers, within the stated bound on floats, the same bits however it runs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reference
from arrays import UNIT_ROUNDOFF, assert_exact, assert_same_bits, assert_within, gamma, generator
from convnative import _core
from convolutions import (
    FAMILIES,
    PADDING_MODES,
    Case,
    algorithms,
    cast,
    channel_cases,
    floats,
    mixed_cases,
    padding_mode_cases,
    room_for,
    run_family,
    try_algorithm,
    wide_cases,
)  # fmt: skip

# Other algorithms have tests of their own: their results are not exact.
pytestmark = pytest.mark.usefixtures("strict")

ALGORITHMS = algorithms("forward")


def forward(case, data, **options):
    return _core.conv_forward(case.axes, *data, *case.geometry, **options)


def check_exact(case, dtype, algorithm):
    """Whether the algorithm applies to the case; where it does, its result must be exact."""
    actual = try_algorithm(forward, case, cast(case.data, dtype), algorithm=algorithm)
    if actual is not None:
        assert_exact(actual, case.output, dtype, (case, algorithm))
    return actual is not None


# -- integers, bit for bit --------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", [None, *ALGORITHMS])
@pytest.mark.parametrize("family", FAMILIES)
def test_integers_are_exact(family, algorithm, dtype, isa):
    run_family(FAMILIES[family](), algorithm, lambda case, name: check_exact(case, dtype, name))


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ALGORITHMS[:-1])
def test_integers_are_exact_at_every_channel_and_width(algorithm, dtype, isa):
    run_family(wide_cases(), algorithm, lambda case, name: check_exact(case, dtype, name))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_is_exercised(algorithm, isa):
    cases = [case for family in FAMILIES.values() for case in family()]
    assert any(check_exact(case, dtype, algorithm) for dtype in (np.float32, np.float64) for case in cases)


def test_the_list_ends_with_the_reference():
    for operation in ("forward", "grad_input", "grad_weight"):
        assert algorithms(operation), operation
        assert algorithms(operation)[-1] == "reference"


def test_reference_applies_to_every_case(dtype):
    assert all(check_exact(case, dtype, "reference") for case in mixed_cases())


@st.composite
def cases(draw):
    axes = draw(st.integers(1, 3))
    small = st.integers(1, 3)
    groups = draw(small)
    kernel = [draw(st.integers(1, 5)) for _ in range(axes)]
    dilation = [draw(small) for _ in range(axes)]
    padding = [(draw(st.integers(0, 5)), draw(st.integers(0, 5))) for _ in range(axes)]
    mode = draw(st.sampled_from(["zeros", "zeros", *PADDING_MODES]))
    sizes = [
        max(d * (k - 1) + 1 - sum(p), room_for(mode, p)) + draw(st.integers(0, (40, 12, 5)[axes - 1]))
        for k, d, p in zip(kernel, dilation, padding, strict=True)
    ]
    return Case(
        batch=draw(st.sampled_from([None, 0, 1, 2, 3])),
        in_channels=groups * draw(st.integers(1, 9)),
        out_channels=groups * draw(st.integers(1, 18)),
        sizes=tuple(sizes),
        kernel=tuple(kernel),
        stride=tuple(draw(st.integers(1, 4)) for _ in range(axes)),
        padding=tuple(padding),
        dilation=tuple(dilation),
        groups=groups,
        bias=draw(st.booleans()),
        padding_mode=mode,
    )


@given(case=cases(), number=st.integers(0, 10))
@settings(max_examples=150)
def test_drawn_integers_are_exact(case, number, dtype, isa):
    name = [None, *ALGORITHMS][number % (1 + len(ALGORITHMS))]
    check_exact(case, dtype, name)


def test_long_sums_are_exact(dtype, isa):
    """Longer than any block of the sum that a GEMM keeps in cache."""
    case = Case(1, 515, 35, (5, 21), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1))
    for algorithm in [None, *ALGORITHMS]:
        check_exact(case, dtype, algorithm)


def test_many_outputs_are_exact(dtype, isa):
    """More output channels and pixels than any block that a GEMM keeps in cache."""
    case = Case(2, 3, 523, (67, 71), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1))
    for algorithm in [None, *ALGORITHMS[:-1]]:
        check_exact(case, dtype, algorithm)


# -- the forms that arguments may take --------------------------------------------------------


@pytest.mark.parametrize(
    ("stride", "padding", "dilation"),
    [
        (2, 1, 1),
        ((2,), [1], [1]),
        (np.int32(2), np.uint8(1), np.int64(1)),
        ([2, 2], (1, 1), (1, 1)),
        ([np.int16(2), 2], (np.uint64(1), 1), [np.int8(1), 1]),
        ((2, 2), [(1, 1), (1, 1)], (1, 1)),
        ((2, 2), [[1, 1], [1, 1]], (1, 1)),
        ((2, 2), ([1, 1], (1, 1)), (1, 1)),
    ],
)
def test_argument_forms(stride, padding, dilation):
    case = Case(2, 3, 4, (7, 9), (3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1))
    x, w, b = cast(case.data, np.float32)
    assert_exact(_core.conv_forward(2, x, w, b, stride, padding, dilation, 1), case.output, np.float32)


def test_out_is_filled_and_returned(dtype, isa):
    for case in mixed_cases():
        out = np.full(case.output.shape, np.nan, dtype)
        assert forward(case, cast(case.data, dtype), out=out) is out
        assert_exact(out, case.output, dtype, case)


def test_results_are_fresh_and_inputs_stay(dtype, isa):
    for case in mixed_cases():
        data = cast(case.data, dtype)
        copies = [None if a is None else a.copy() for a in data]
        first, second = forward(case, data), forward(case, data)
        assert first.flags.c_contiguous
        assert first.flags.writeable
        assert not np.shares_memory(first, second)
        for array, copy in zip(data, copies, strict=True):
            if array is not None:
                assert_same_bits(array, copy)


# -- floats, within the bound -----------------------------------------------------------------


def assert_within_bound(actual, x, w, b, case, context):
    """|y_hat - y| <= gamma(n + 2) (|b| + |w| conv |x|), for n products per output."""
    exact = reference.conv_forward(x, w, b, *case.geometry)
    magnitude = reference.conv_forward(np.abs(x), np.abs(w), None if b is None else np.abs(b), *case.geometry)
    assert_within(
        actual, exact, exact.dtype.type(gamma(case.products + 2, actual.dtype)) * magnitude, context
    )


@pytest.mark.parametrize("algorithm", [None, *ALGORITHMS])
@pytest.mark.parametrize("spread", [0, 12], ids=["alike", "twelve binades apart"])
def test_floats_within_the_bound(algorithm, spread, dtype, isa, strict):
    for case in [*mixed_cases(), *channel_cases()[::5], *padding_mode_cases()[::5]]:
        rng = generator(case, spread)
        shapes = case.input_shape, case.weight_shape, (case.out_channels,)
        data = [
            np.ldexp(floats(rng, shape, dtype), rng.integers(-spread, spread + 1, shape)).astype(dtype)
            for shape in shapes
        ]
        actual = try_algorithm(forward, case, data, algorithm=algorithm)
        if actual is not None:
            assert_within_bound(actual, *data, case, (case, algorithm))


@pytest.mark.parametrize("algorithm", [None, *ALGORITHMS])
def test_full_mantissas_within_the_bound(algorithm, dtype, isa, strict):
    """Against exact integer arithmetic: every input is a full mantissa of the type, scaled to [-1, 1)."""
    digits = 24 if dtype == np.float32 else 53
    for case in mixed_cases()[::4]:
        rng = generator(case, "mantissas")
        shapes = case.input_shape, case.weight_shape
        whole = [rng.integers(-(2**digits), 2**digits, shape) for shape in shapes]
        scaled = [np.ldexp(i.astype(dtype), -digits) for i in whole]
        actual = try_algorithm(forward, case, [*scaled, None], algorithm=algorithm)
        if actual is None:
            continue
        whole = [i.astype(object) for i in whole]
        exact = reference.conv_forward(*whole, None, *case.geometry)
        magnitude = reference.conv_forward(*map(abs, whole), None, *case.geometry)
        bound = gamma(case.products + 2, dtype)
        for y_hat, y, size in zip(actual.flat, exact.flat, magnitude.flat, strict=True):
            numerator, denominator = float(y_hat).as_integer_ratio()
            error = abs(numerator * 4**digits - y * denominator)
            assert error <= bound * size * denominator, (case, y_hat, y)


def test_the_bound_is_of_the_right_size():
    """The bound must not be so wide that a float32 sum would pass for a float64 one."""
    assert gamma(100, np.float64) * 2**29 == pytest.approx(float(gamma(100, np.float32)), rel=1e-4)
    assert set(UNIT_ROUNDOFF.values()) == {2**-24, 2**-53}


# -- the same bits however it runs ------------------------------------------------------------

FLOAT_CASES = [
    Case(3, 5, 9, (13, 35), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1)),
    Case(4, 64, 64, (14, 14), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1)),
    Case(3, 300, 70, (9, 11), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1)),
    Case(2, 16, 50, (28, 27), (5, 5), (2, 2), ((2, 1), (1, 2)), (1, 1)),
    Case(5, 12, 24, (10, 17), (3, 2), (1, 2), ((0, 1), (2, 0)), (2, 3), 4),
    Case(2, 32, 32, (20, 21), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 32),
    Case(1, 257, 130, (31, 33), (1, 1), (1, 1), ((0, 0), (0, 0)), (1, 1)),
    Case(17, 20, 33, (3, 4), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1)),
    Case(6, 3, 8, (40,), (7,), (2,), ((3, 3),), (1,)),
    Case(2, 6, 11, (5, 9, 10), (3, 2, 3), (1, 1, 2), ((1, 1), (0, 0), (2, 1)), (1, 2, 1), 1),
    *(
        Case(3, 33, 40, (13, 35), (3, 5), stride, ((1, 2), (4, 3)), (1, 2), 1, True, mode)
        for mode, stride in zip(PADDING_MODES, [(1, 1), (2, 1), (1, 3), (2, 2), (1, 1)], strict=True)
    ),
]


def float_data(case, dtype):
    rng = generator(case, "floats")
    return [floats(rng, s, dtype) for s in (case.input_shape, case.weight_shape, (case.out_channels,))]


@pytest.fixture(params=["default", "strict"])
def precision(request):
    _core.set_precision(request.param)


@pytest.mark.parametrize("case", FLOAT_CASES, ids=str)
def test_same_bits_for_any_number_of_threads(case, dtype, isa, precision):
    data = float_data(case, dtype)
    results = []
    for threads in (1, 2, 3, 7):
        _core.set_num_threads(threads)
        results += [forward(case, data), forward(case, data)]
    for result in results[1:]:
        assert_same_bits(result, results[0], case)


@pytest.mark.parametrize("case", FLOAT_CASES, ids=str)
def test_same_bits_for_any_layout(case, dtype, isa, precision, layouts):
    x, w, b = float_data(case, dtype)
    expected = forward(case, (x, w, b))
    for name, variant in layouts(x):
        assert_same_bits(forward(case, (variant, w, b)), expected, f"input {name}")
    for name, variant in layouts(w):
        assert_same_bits(forward(case, (x, variant, b)), expected, f"weight {name}")
    for name, variant in layouts(b):
        assert_same_bits(forward(case, (x, w, variant)), expected, f"bias {name}")


@pytest.mark.parametrize("case", FLOAT_CASES, ids=str)
def test_same_bits_for_any_split_of_the_batch(case, dtype, isa, strict):
    x, w, b = float_data(case, dtype)
    whole = forward(case, (x, w, b))
    for split in (1, 2):
        parts = [forward(case, (x[i : i + split], w, b)) for i in range(0, len(x), split)]
        assert_same_bits(np.concatenate(parts), whole, f"slices of {split}")
    assert_same_bits(np.stack([forward(case, (image, w, b)) for image in x]), whole, "unbatched")


@pytest.mark.parametrize("case", FLOAT_CASES, ids=str)
def test_same_bits_on_avx2_and_avx512(case, dtype, strict):
    if not {"avx2", "avx512"} <= set(_core.available_isas()):
        pytest.skip("this CPU, or CONVNATIVE_MAX_ISA, does not offer both AVX2 and AVX-512")
    data = float_data(case, dtype)
    results = {}
    for name in ("avx2", "avx512"):
        _core.set_isa(name)
        results[name] = forward(case, data)
    assert_same_bits(results["avx512"], results["avx2"], case)


# -- infinities and NaN -----------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", [None, *ALGORITHMS])
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("where", ["input", "weight", "bias"])
def test_non_finite_values_appear_where_the_definition_puts_them(where, value, algorithm, dtype, isa):
    """Zero padding counts as zeros: infinity times it is NaN."""
    case = Case(2, 3, 5, (9, 21), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1))
    for position in range(0, 40, 3):
        data = cast(case.data, dtype)
        target = data[["input", "weight", "bias"].index(where)]
        target.flat[position * 7 % target.size] = value
        with np.errstate(invalid="ignore"):
            expected = reference.conv_forward(*data, *case.geometry)
        actual = try_algorithm(forward, case, data, algorithm=algorithm)
        if actual is not None:
            assert_exact(actual, expected, dtype, (where, value, position, algorithm))


def test_overflow_is_infinite(dtype, isa):
    largest = np.finfo(dtype).max
    x, w = np.full((1, 1, 4, 40), largest), np.full((1, 1, 1, 1), 2, dtype)
    assert_same_bits(_core.conv_forward(2, x, w, None, 1, 0, 1, 1), np.full(x.shape, np.inf, dtype))


def test_subnormal_numbers_survive(dtype, isa):
    tiny = np.finfo(dtype).smallest_subnormal
    x = np.full((1, 1, 4, 40), 3 * tiny, dtype)
    w = np.full((1, 1, 1, 1), 2, dtype)
    assert_same_bits(_core.conv_forward(2, x, w, None, 1, 0, 1, 1), np.full(x.shape, 6 * tiny, dtype))
