"""The direct convolutions: the same sums as im2col's, bit for bit, however their blocks are cut."""

import numpy as np
import pytest

import reference
from arrays import assert_exact, assert_same_bits, generator
from convnative import _core
from convolutions import FAMILIES, PADDING_MODES, Case, cast, floats, room_for, try_algorithm


@pytest.fixture(autouse=True)
def _strict(strict):
    pass


@pytest.fixture(params=["direct_strip", "direct_channels"])
def algorithm(request):
    return request.param


def forward(case, data, algorithm):
    return _core.conv_forward(case.axes, *data, *case.geometry, algorithm=algorithm)


def explain(input_shape, weight_shape, *geometry, dtype="float32", operation="forward", **options):
    return _core.conv_explain(operation, dtype, input_shape, weight_shape, *geometry, **options)


def float_data(case, dtype):
    rng = generator(case, "direct strip")
    return [floats(rng, s, dtype) for s in (case.input_shape, case.weight_shape, (case.out_channels,))]


def case_2d(batch, channels, sizes, kernel, stride=1, padding=0, dilation=1, groups=1, mode="zeros"):
    """Channels per group; numbers stand for both axes."""
    both = lambda value: value if isinstance(value, tuple) else (value, value)  # noqa: E731
    pairs = tuple(pair if isinstance(pair, tuple) else (pair, pair) for pair in both(padding))
    return Case(
        batch, groups * channels[0], groups * channels[1], both(sizes), both(kernel), both(stride), pairs,
        both(dilation), groups, True, mode,
    )  # fmt: skip


# One channel to one: tiles of rows below one another, whose heights and widths have tails of their own.
PLANES = [
    *(
        case_2d(1, (1, 1), (1 + h, 70 - h), (k, 3), 1, k // 2)
        for h, k in zip(range(20), [3, 5, 7, 9, 11] * 4, strict=True)
    ),
    *(case_2d(1, (1 + w % 3, 1), (9, w + 4), (3, 5), 1, (1, 0)) for w in range(1, 68)),
    *(case_2d(2, (2, 1), (12, 21), (k, 2), 1, ((k, k - 1), (0, 3))) for k in range(1, 13)),
    case_2d(1, (1, 1), (40, 1300), 7, 1, 3),  # several blocks of columns
    case_2d(1, (3, 1), (19, 41), 3, (1, 2), 1, (1, 3)),
    case_2d(1, (3, 1), (19, 41), 3, (2, 1), 1, (2, 1)),
]
# Every tile of output channels, every tail of points, phases of the stride, groups, dilation.
STRIPS = [
    *(case_2d(1, (1 + k % 4, k), (4, 70 - k), 3, 1, 1) for k in range(1, 68)),
    *(case_2d(2, (3, 5), (5, w), (2, 3), 1, ((0, 1), (2, 0))) for w in range(1, 68)),
    *(case_2d(1, (c, 7), (9, 8 + c), 3, 1, 1, groups=3) for c in (2, 3, 4, 8, 16, 32)),
    *(
        case_2d(1, (2, 9), (3 * s + 11, 4 * s + 19), k, (s, t), (k // 2, (0, k - 1)), d)
        for s in range(1, 5)
        for t in (1, 2, 3, 5)
        for k, d in ((3, 1), (3, 2), (4, 3), (1, 1))
    ),
    case_2d(1, (3, 10), 67, 11, 4, 0),
    case_2d(1, (3, 33), (50, 47), 7, 2, 3),
    case_2d(1, (2, 5), (9, 60), 3, 1, (1, 19), (1, 20)),  # whole vectors between the rows' ends
    case_2d(1, (2, 6), (40, 1), (3, 1), 1, (1, 0)),  # rows shorter than a vector, without a gap
]
# More than a strip holds: blocks of rows and of columns.
LARGE = [
    Case(1, 2, 3, (70000,), (9,), (1,), ((4, 4),), (1,)),
    Case(1, 1, 2, (50000,), (5,), (3,), ((2, 0),), (2,)),
    case_2d(1, (32, 3), (150, 90), 3, 1, 1),
    case_2d(1, (8, 2), (20, 2100), 3, 2, 1),
    case_2d(1, (1, 2), (90, 120), (31, 29), 1, 15),
]


@pytest.mark.parametrize("cases", [PLANES, STRIPS], ids=["planes", "strips"])
def test_integers_are_exact(cases, dtype, isa, algorithm):
    for case in cases:
        assert_exact(forward(case, cast(case.data, dtype), algorithm), case.output, dtype, case)


@pytest.mark.parametrize("mode", PADDING_MODES)
def test_padding_modes_are_exact(mode, dtype, isa, algorithm):
    for stride, dilation, kernel, channels in [(1, 1, 3, (1, 1)), (2, 1, 5, (3, 4)), (3, 2, 3, (2, 9))]:
        padding = ((3, 1), (2, 5))
        sizes = tuple(
            max(room_for(mode, pair), dilation * (kernel - 1) + 1 - sum(pair)) + extra
            for pair, extra in zip(padding, (2, 30), strict=True)
        )
        case = case_2d(2, channels, sizes, kernel, stride, padding, dilation, 1, mode)
        assert_exact(forward(case, cast(case.data, dtype), algorithm), case.output, dtype, case)


@pytest.mark.parametrize("case", LARGE, ids=str)
def test_blocks_of_large_inputs_are_exact(case, isa, algorithm):
    """Against im2col, which the other tests hold to the reference: both are exact on integers."""
    data = cast(case.data, np.float32)
    assert_same_bits(forward(case, data, algorithm), forward(case, data, "im2col_gemm"), case)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_sums_as_im2col(family, dtype, isa, algorithm):
    """One chain of multiply-adds in the order of (channel, tap), so that the choice changes no bit."""
    for case in FAMILIES[family]()[::5]:
        if case.groups > 1 and case.in_channels == case.groups:
            continue
        data = float_data(case, dtype)
        assert_same_bits(forward(case, data, algorithm), forward(case, data, "im2col_gemm"), case)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_gradient_in_the_input_has_the_same_sums_as_im2col(family, dtype, isa, algorithm):
    applied = 0
    for case in FAMILIES[family]()[::3]:
        _, w, _ = float_data(case, dtype)
        g = floats(generator(case, "grad_output"), case.output.shape, dtype)
        arguments = case.axes, g, w, case.input_shape, *case.geometry
        result = try_algorithm(_core.conv_grad_input, *arguments, algorithm=algorithm)
        if result is None:
            continue
        applied += 1
        assert_same_bits(result, _core.conv_grad_input(*arguments, algorithm="im2col_gemm"), case)
    assert applied > 0 or family == "padding modes"


# Sums that run in parts: of one block, whose weights are packed where they are used, and of several blocks.
LONG = [
    case_2d(1, (257, 50), (6, 9), 3, 1, 1),
    case_2d(3, (230, 37), (11, 5), 3, (2, 1), 1),
    case_2d(1, (4100, 67), (3, 5), 1),
    case_2d(1, (231, 20), (40, 23), 3, 1, 1),
    case_2d(1, (230, 330), (7, 5), 3, 1, 1),  # tiles of output channels that threads share evenly
]


@pytest.mark.parametrize("case", LONG, ids=str)
def test_long_sums_are_the_same(case, dtype, isa, algorithm):
    """Forward, and the gradient in the input of the convolution back."""
    x, w, b = float_data(case, dtype)
    back = np.ascontiguousarray(w.swapaxes(0, 1))
    outputs = {}
    for name in (algorithm, "im2col_gemm"):
        for threads in (1, 2, 7):
            _core.set_num_threads(threads)
            y = forward(case, (x, w, b), name)
            outputs[name, threads] = y
            if case.stride == (1, 1):
                shape = case.input_shape[0], case.out_channels, *case.input_shape[2:]
                g = _core.conv_grad_input(case.axes, x, back, shape, *case.geometry, algorithm=name)
                outputs[name, threads] = np.concatenate([y, g], axis=None)
    for result in outputs.values():
        assert_same_bits(result, outputs["im2col_gemm", 1], case)


@pytest.mark.parametrize(
    "case",
    [
        case_2d(5, (31, 4), (128, 126), 1, 2, 0),
        case_2d(5, (17, 3), (170, 180), 3, 2, (1, (0, 2))),
        case_2d(4, (11, 3), (230, 251), 3, 1, 1),
        Case(4, 5, 3, (31, 64, 70), (3, 1, 2), (2, 1, 2), ((1, 1), (0, 0), (1, 1)), (1, 1, 1)),
    ],
    ids=str,
)
def test_strips_that_are_asked_for_early_have_the_same_bits(case, isa, algorithm):
    """Beyond 8 MiB of input the rows of the next channel are asked for; an image alone is smaller."""
    x, w, b = float_data(case, np.float32)
    assert x.nbytes > 8 * 2**20
    whole = forward(case, (x, w, b), algorithm)
    for image in range(len(x)):
        alone = forward(case, (x[image : image + 1], w, b), algorithm)
        assert_same_bits(whole[image : image + 1], alone, case)


# Gradients whose phases interleave: every number of phases, widths with tails, elements of a first and a last
# point that lie beside the input on either side, more lines than wait at a time, taps of equal and of unequal
# number.
INTERLEAVED = [
    *(case_2d(1, (1 + w % 4, 1 + w % 3), (5, w), 4, 2, (1, (w % 3, 1))) for w in range(3, 68)),
    *(case_2d(1, (3, 2), (s + 9, 4 * s + 21), s, s, 0) for s in range(2, 18)),
    *(case_2d(2, (2, 3), (s + 9, 3 * s + 40), s + 2, s, (s // 2, (s - 1, 0))) for s in range(2, 10)),
    *(case_2d(1, (1, 4), (11, 40), k, s, (k // 2, k - 1)) for s in (2, 3, 4) for k in range(s, 12)),
    *(case_2d(1, (2, 5), (17, 33), (4, 5), pair, 2) for pair in ((1, 2), (2, 1), (3, 2), (1, 5), (4, 1))),
    *(case_2d(1, (c, 4), (9, 35), 3, (2, s), 1) for c in (1, 7, 13, 30) for s in (2, 3)),
    *(case_2d(2, (c, 4), (9, 13), 3, 2, 1, groups=g) for c in (2, 5) for g in (2, 3)),
    case_2d(1, (2, 3), 40, 40, 40, 0),
    case_2d(1, (2, 3), (7, 9), (3, 4), 2, ((5, 0), (6, 4))),  # points of padding alone
    case_2d(1, (3, 2), (300, 90), 3, 2, 1),  # several blocks
    case_2d(1, (1, 2), (6, 3000), (2, 5), 2, (0, 2)),
    Case(2, 3, 2, (67,), (5,), (3,), ((2, 1),), (1,)),
    Case(2, 2, 5, (6, 7, 19), (3, 2, 4), (2, 1, 2), ((1, 0), (0, 1), (2, 1)), (1, 1, 1)),
    Case(1, 1, 3, (5, 8, 9), (3, 3, 3), (1, 2, 3), ((1, 1), (1, 1), (0, 2)), (2, 1, 1)),
]


def test_interleaved_gradients_are_exact(dtype, isa):
    for case in INTERLEAVED:
        g, w = cast((case.grad_output, case.data[1]), dtype)
        arguments = case.axes, g, w, case.input_shape, *case.geometry
        result = _core.conv_grad_input(*arguments, algorithm="direct_strip")
        assert_exact(result, case.grad_input, dtype, case)


def test_interleaved_gradients_have_the_same_bits_for_any_number_of_threads(dtype, isa):
    for case in INTERLEAVED[-16:]:
        g, w = cast((case.grad_output, case.data[1]), dtype)
        results = []
        for threads in (1, 2, 3, 7):
            _core.set_num_threads(threads)
            arguments = case.axes, g / 7, w, case.input_shape, *case.geometry
            results.append(_core.conv_grad_input(*arguments, algorithm="direct_strip"))
        for result in results[1:]:
            assert_same_bits(result, results[0], case)


@pytest.mark.parametrize(
    "case",
    [
        case_2d(4, (10, 4), (233, 260), 4, 2, (1, (2, 0))),
        case_2d(4, (7, 3), (290, 275), (3, 2), (2, 1), 1),
        Case(4, 5, 4, (30, 64, 90), (2, 2, 3), (2, 1, 2), ((0, 0), (1, 0), (1, 1)), (1, 1, 1)),
    ],
    ids=str,
)
def test_interleaved_gradients_that_are_asked_for_early_have_the_same_bits(case, isa):
    """Beyond 8 MiB rows of the result are asked for while products are summed; an image alone is smaller."""
    x, w, _ = float_data(case, np.float32)
    g, shape = forward(case, (x, w, None), None), x.shape
    assert x.nbytes + g.nbytes > 8 * 2**20
    arguments = w, (1, *shape[1:]), *case.geometry
    whole = _core.conv_grad_input(case.axes, g, w, shape, *case.geometry, algorithm="direct_strip")
    for image in range(shape[0]):
        alone = _core.conv_grad_input(case.axes, g[image : image + 1], *arguments, algorithm="direct_strip")
        assert_same_bits(whole[image : image + 1], alone, case)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize(
    "case",
    [case_2d(1, (2, 3), (9, 37), 3, 2, 1), case_2d(2, (1, 2), (13, 20), (5, 7), (3, 4), 2)],
    ids=str,
)
def test_zeros_of_interleaved_gradients_meet_no_infinity(case, value, dtype, isa):
    """Phases with fewer taps have weights of zero, which must not turn another element's value into a NaN."""
    w = cast((case.data[1] + 10,), dtype)[0]  # nowhere zero
    for position in range(0, 120, 7):
        g = case.grad_output.astype(dtype)
        g.flat[position * 5 % g.size] = value
        with np.errstate(invalid="ignore"):
            expected = reference.conv_grad_input(g, w, case.input_shape, *case.geometry)
        actual = _core.conv_grad_input(
            case.axes, g, w, case.input_shape, *case.geometry, algorithm="direct_strip"
        )
        assert_exact(actual, expected, dtype, position)


BITS = [PLANES[4], PLANES[-3], STRIPS[30], STRIPS[-5], STRIPS[-4], case_2d(3, (8, 8), 29, 3, 1, 1, 1, 3)]


@pytest.mark.parametrize("case", BITS, ids=str)
def test_same_bits_for_any_number_of_threads(case, dtype, isa, algorithm):
    data = float_data(case, dtype)
    _core.set_num_threads(1)
    expected = forward(case, data, algorithm)
    for threads in (2, 3, 7):
        _core.set_num_threads(threads)
        assert_same_bits(forward(case, data, algorithm), expected, threads)


@pytest.mark.parametrize("case", BITS, ids=str)
def test_same_bits_for_any_split_of_the_batch(case, dtype, isa, algorithm):
    x, w, b = float_data(case, dtype)
    x = np.concatenate([x, x[:, :, ::-1]])
    whole = forward(case, (x, w, b), algorithm)
    for image, expected in zip(x, whole, strict=True):
        assert_same_bits(forward(case, (image, w, b), algorithm), expected)


@pytest.mark.parametrize("case", BITS, ids=str)
def test_same_bits_on_avx2_and_avx512(case, dtype, algorithm):
    if not {"avx2", "avx512"} <= set(_core.available_isas()):
        pytest.skip("this CPU, or CONVNATIVE_MAX_ISA, does not offer both AVX2 and AVX-512")
    data = float_data(case, dtype)
    _core.set_isa("avx2")
    expected = forward(case, data, algorithm)
    _core.set_isa("avx512")
    assert_same_bits(forward(case, data, algorithm), expected)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize(
    "case", [case_2d(1, (1, 1), (10, 37), 3, 1, 1), case_2d(1, (2, 3), (9, 19), 3, 2, 1)], ids=str
)
def test_non_finite_values_appear_where_the_definition_puts_them(case, value, dtype, isa, algorithm):
    for position in range(12):
        data = cast(case.data, dtype)
        target = data[position % 3]
        target.flat[position * 31 % target.size] = value
        with np.errstate(invalid="ignore"):
            expected = reference.conv_forward(*data, *case.geometry)
        assert_exact(forward(case, data, algorithm), expected, dtype, position)


def test_memory_stays_within_the_limit(isa, algorithm):
    """At most 2 MiB per thread, whatever the image's size; else it says that it does not apply."""
    _core.set_num_threads(3)
    rng = generator("workspace")
    applied = 0
    for _ in range(400):
        c, k = int(rng.choice([1, 2, 3, 32, 300])), int(rng.choice([1, 2, 9]))
        kernel = rng.choice([1, 3, 7, 31, 200], 2).tolist()
        stride, dilation = rng.choice([1, 2, 7, 50], 2).tolist(), rng.choice([1, 2, 40], 2).tolist()
        sizes = [
            int(d * (n - 1) + rng.choice([1, 8, 100, 5000, 300000]))
            for d, n in zip(dilation, kernel, strict=True)
        ]
        dtype = str(rng.choice(["float32", "float64"]))
        shapes = (1, c, *sizes), (k, c, *kernel)
        try:
            plan = explain(*shapes, stride, 0, dilation, 1, dtype=dtype, algorithm=algorithm)
        except ValueError as error:
            assert "larger than a strip" in str(error)
            continue
        applied += 1
        assert plan["workspace_bytes"] <= 3 * 2**21, (shapes, stride, dilation)
    assert applied > 100


def test_memory_of_interleaved_gradients_stays_within_the_limit(isa):
    _core.set_num_threads(3)
    rng = generator("workspace")
    applied = 0
    for _ in range(400):
        c, k = int(rng.choice([1, 2, 3, 32, 300])), int(rng.choice([1, 2, 9]))
        stride = rng.choice([1, 2, 3, 4, 16, 50], 2)
        kernel = stride + rng.choice([0, 1, 7], 2)
        sizes = [int(n + rng.choice([1, 8, 100, 5000, 300000])) for n in kernel]
        options = {"dtype": str(rng.choice(["float32", "float64"])), "operation": "grad_input"}
        shapes = (1, c, *sizes), (k, c, *kernel.tolist())
        try:
            plan = explain(*shapes, stride.tolist(), 0, 1, 1, algorithm="direct_strip", **options)
        except ValueError as error:
            assert "larger than a strip" in str(error)
            continue
        applied += 1
        assert plan["workspace_bytes"] <= 3 * 2**21, (shapes, stride)
    assert applied > 100


@pytest.mark.parametrize(
    ("input_shape", "weight_shape", "stride", "padding", "groups"),
    [
        ((1, 3, 224, 224), (64, 3, 3, 3), 1, 1, 1),
        ((1, 3, 224, 224), (64, 3, 7, 7), 2, 3, 1),
        ((64, 1, 28, 28), (32, 1, 5, 5), 1, 2, 1),
        ((1, 1, 1080, 1920), (2, 1, 5, 5), 1, 2, 1),
        ((1, 128, 56, 56), (128, 4, 3, 3), 1, 1, 32),
        ((1, 512, 28, 28), (512, 16, 3, 3), 1, 1, 32),
    ],
)
def test_the_choice_for_few_channels(input_shape, weight_shape, stride, padding, groups):
    plan = explain(input_shape, weight_shape, stride, padding, 1, groups)
    assert plan["algorithm"] == "direct_strip", plan
    assert "_strip_" in plan["kernel"]


@pytest.mark.parametrize(
    ("input_shape", "weight_shape", "stride", "padding", "groups"),
    [
        ((1, 256, 56, 56), (256, 8, 3, 3), 1, 1, 32),
        ((1, 3, 224, 224), (64, 3, 7, 7), 2, 3, 1),
        ((8, 3, 224, 224), (64, 3, 11, 11), 4, 2, 1),
        ((1, 3, 224, 224), (32, 3, 3, 3), 2, 1, 1),
        ((1, 3, 224, 224), (768, 3, 16, 16), 16, 0, 1),
        ((1, 1, 28, 28), (64, 1, 3, 3), 2, 1, 1),
    ],
)
def test_the_choice_for_the_gradient_in_the_input(input_shape, weight_shape, stride, padding, groups):
    plan = explain(input_shape, weight_shape, stride, padding, 1, groups, operation="grad_input")
    assert plan["algorithm"] == "direct_strip", plan
    # The padding of 3 x 3 taps that repeats the input is another algorithm's.
    plan = explain(input_shape, weight_shape, stride, 1, 1, groups, "reflect", operation="grad_input")
    assert plan["algorithm"] == "im2col_gemm", plan


def test_strips_say_where_they_do_not_apply():
    shapes = (1, 16, 20, 20), (16, 16, 3, 3)
    for geometry, reason in [
        ((4, 1, 1, 1), "reach every input"),
        ((2, 1, 2, 1), "without dilation"),
        ((1, 1, 1, 1, "reflect"), "padding with zeros"),
    ]:
        with pytest.raises(ValueError, match=f"direct_strip does not apply.*{reason}"):
            explain(*shapes, *geometry, operation="grad_input", algorithm="direct_strip")
    with pytest.raises(ValueError, match="direct_strip does not apply: for gradients of strides up to 64"):
        explain((1, 1, 90, 90), (1, 1, 66, 66), 65, 0, 1, 1, operation="grad_input", algorithm="direct_strip")


@pytest.mark.parametrize(
    ("input_shape", "weight_shape", "groups", "reason"),
    [
        ((1, 64, 57, 57), (64, 64, 3, 3), 1, "columns computed in vain"),
        ((8, 32, 4, 4), (64, 32, 3, 3), 1, "columns computed in vain"),
    ],
)
def test_it_says_why_another_is_chosen(input_shape, weight_shape, groups, reason):
    plan = explain(input_shape, weight_shape, 1, 1, 1, groups)
    assert plan["algorithm"] != "direct_strip"
    assert "not direct_strip: " in plan["reason"]
    assert reason in plan["reason"]


@pytest.mark.skipif("avx512" not in _core.available_isas(), reason="the choice is one of 16 lanes")
@pytest.mark.parametrize(
    ("operation", "input_shape", "weight_shape", "stride", "padding", "dilation"),
    [
        ("forward", (1, 128, 56, 56), (128, 128, 3, 3), 2, 1, 1),
        ("forward", (1, 3, 227, 227), (96, 3, 11, 11), 4, 0, 1),
        ("forward", (1, 256, 28, 28), (256, 256, 3, 3), 1, 2, 2),
        ("forward", (8, 512, 7, 7), (512, 512, 3, 3), 1, 1, 1),
        ("grad_input", (1, 128, 56, 56), (128, 128, 3, 3), 2, 1, 1),
        ("grad_input", (1, 1024, 14, 14), (256, 1024, 1, 1), 1, 0, 1),
        ("grad_weight", (1, 64, 56, 56), (256, 64, 1, 1), 1, 0, 1),
        ("grad_weight", (1, 3, 224, 224), (64, 3, 7, 7), 2, 3, 1),
    ],
)
def test_the_choice_for_long_sums(operation, input_shape, weight_shape, stride, padding, dilation):
    _core.set_isa("avx512")
    plan = explain(input_shape, weight_shape, stride, padding, dilation, 1, operation=operation)
    assert plan["algorithm"] == "direct_channels", plan
    assert "_channels_" in plan["kernel"]


def test_channels_say_where_they_do_not_apply():
    shapes = (1, 16, 20, 20), (16, 16, 3, 3)
    for geometry, reason in [
        ((5, 1, 1, 1), "strides up to 4"),
        ((4, 1, 1, 1), "reach every input"),
        ((1, 1, 1, 1, "reflect"), "padding with zeros"),
    ]:
        with pytest.raises(ValueError, match=f"direct_channels does not apply.*{reason}"):
            explain(*shapes, *geometry, operation="grad_input", algorithm="direct_channels")


def test_the_gradient_in_the_weights_is_cut_by_the_shape_alone(dtype):
    """Blocks, stages and parts of points round differently: neither threads nor levels may change them."""
    cases = [
        case_2d(3, (3, 40), 45, 7, 2, 3),  # few weights: several parts
        case_2d(20, (9, 33), 7, 3, 1, 1),  # several images in a block
        case_2d(2, (70, 20), (5, 700), (1, 3), 1, (0, 1)),  # several blocks of columns
        case_2d(2, (20, 50), 30, 1),  # in place
        case_2d(3, (700, 200), 40, 1, 2),  # several stages, in place
        case_2d(3, (500, 130), 60, (3, 1), 2, (1, 0)),  # and with padding
    ]
    levels = [level for level in _core.available_isas() if level != "baseline"]
    for case in cases:
        x, w, _ = float_data(case, dtype)
        g = floats(generator(case, "grad_output"), case.output.shape, dtype)
        arguments = case.axes, g, x, w.shape, *case.geometry
        results = []
        for level in levels:
            _core.set_isa(level)
            for threads in (1, 2, 3, 7):
                _core.set_num_threads(threads)
                results.append(_core.conv_grad_weight(*arguments, algorithm="direct_channels"))
        for other in results[1:]:
            assert_same_bits(other, results[0], case)
        if results:
            expected = reference.conv_grad_weight(g, x, w.shape, *case.geometry)
            bound = 4 * np.finfo(dtype).eps * np.sqrt(g.size)
            assert np.abs(results[0] - expected).max() <= bound * np.abs(expected).max()
