"""Max and average pooling, forward and gradient, against the definition: every result is exact."""

from functools import cache, lru_cache
from itertools import product

import numpy as np
import pytest
from autograd import make_vjp
from hypothesis import given, settings
from hypothesis import strategies as st

import reference
from arrays import assert_exact, assert_same_bits, assert_within, covering, gamma, generator, small_integers
from convnative import _core
from convnative import functional as F

# -- cases ------------------------------------------------------------------------------------


def is_valid(sizes, kernel, padding, dilation):
    """A window fits, and the padding, given per side, is less than its extent."""
    for size, k, (before, after), d in zip(sizes, kernel, padding, dilation, strict=True):
        extent = d * (k - 1) + 1
        if max(before, after) > extent - 1 or extent > size + before + after:
            return False
    return True


@cache
def axis_cases():
    """Every (kernel, stride, dilation, before, after, ceil_mode) on the rows and on the columns."""
    grid = list(product(range(1, 6), range(1, 4), range(1, 4), range(3), range(3), (False, True)))
    grid = [row for row in grid if max(row[3:5]) < row[2] * (row[0] - 1) + 1]  # kernel, dilation, padding
    halves = [[row for row in grid if row[5] is mode] for mode in (False, True)]
    rng = generator("pool cases")
    cases = []
    for half, ceil_mode in zip(halves, (False, True), strict=True):
        for number, (row, other) in enumerate(zip(half, rng.permutation(len(half)), strict=True)):
            kernel, stride, dilation, before, after, _ = zip(row, half[other], strict=True)
            padding = tuple(zip(before, after, strict=True))
            extra = [int(rng.integers(0, 7)), int(rng.integers(0, 19))]
            sizes = tuple(
                max(d * (k - 1) + 1 - sum(p), 1) + e
                for k, d, p, e in zip(kernel, dilation, padding, extra, strict=True)
            )
            lead = ((2, 3), (5,), (1, 1), (0, 2), (1, 17))[number % 5]
            if is_valid(sizes, kernel, padding, dilation):
                cases.append(((*lead, *sizes), kernel, stride, padding, dilation, ceil_mode))
    return cases


@cache
def width_cases():
    """Every width from 1 to 67, so every vector tail."""
    return [
        ((2, 3, 5, width), (3, kernel), (2, stride), ((1, 1), (kernel // 2, (kernel - 1) // 2)), (1, 1), ceil)
        for width in range(1, 68)
        for kernel in (1, 2, 3, 4)
        for stride in (1, 2)
        for ceil in (False, True)
    ]


@cache
def other_axes_cases():
    cases = []
    for axes in (1, 3):
        rows = covering(
            {
                **{f"kernel{a}": [1, 2, 3] for a in range(axes)},
                **{f"stride{a}": [1, 2, 3] for a in range(axes)},
                **{f"padding{a}": [(0, 0), (0, 1), (1, 0), (1, 1)] for a in range(axes)},
                **{f"dilation{a}": [1, 2] for a in range(axes)},
                **{f"size{a}": [5, 6, 9] for a in range(axes)},
                "ceil_mode": [False, True],
                "lead": [(2, 3), (4,), (0, 1)],
            },
            strength=3 if axes == 1 else 2,
        )
        for row in rows:
            of = {
                n: tuple(row[f"{n}{a}"] for a in range(axes)) for n in ("kernel", "stride", "padding", "size")
            }
            dilation = tuple(row[f"dilation{a}"] for a in range(axes))
            if is_valid(of["size"], of["kernel"], of["padding"], dilation):
                shape = (*row["lead"], *of["size"])
                cases.append((shape, of["kernel"], of["stride"], of["padding"], dilation, row["ceil_mode"]))
    return cases


@cache
def plane_cases():
    """1 to 35 small planes, so every number of them in a vector's lanes; the last take several strips."""
    rng = generator("planes")
    cases = []
    while len(cases) < 70:
        axes = len(cases) % 3 + 1
        kernel, stride, dilation = (tuple(map(int, rng.integers(1, high, axes))) for high in (6, 5, 3))
        reach = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        padding = tuple((int(rng.integers(0, r + 1)), int(rng.integers(0, r + 1))) for r in reach)
        sizes = tuple(map(int, rng.integers(1, (30, 14, 7)[axes - 1], axes)))
        if is_valid(sizes, kernel, padding, dilation):
            shape = (1, len(cases) % 35 + 1, *sizes)
            cases.append((shape, kernel, stride, padding, dilation, bool(len(cases) % 2)))
    sides = ((1, 1), (1, 1))
    return [
        *cases,
        ((1, 17, 150, 60), (3, 3), (1, 1), sides, (1, 1), False),
        ((1, 17, 150, 60), (3, 2), (2, 3), sides, (1, 1), True),
        ((1, 9, 3, 60, 50), (2, 3, 3), (1, 2, 2), ((0, 1), *sides), (1, 1, 1), False),
    ]


@cache
def square_cases():
    """2x2 windows side by side: rows with every tail, odd and even numbers of them."""
    cases = []
    for width in range(2, 68):
        height, planes = width % 6 + 2, width % 35 + 1
        if width % 4 == 3:
            cases.append(
                ((1, planes, 2, height, width), (1, 2, 2), (1, 2, 2), ((0, 0),) * 3, (1, 1, 1), False)
            )
        else:
            cases.append(((1, planes, height, width), (2, 2), (2, 2), ((0, 0),) * 2, (1, 1), width % 4 == 0))
    return cases


FAMILIES = {
    "axis": axis_cases,
    "widths": width_cases,
    "other axes": other_axes_cases,
    "planes": plane_cases,
    "squares": square_cases,
}


def without_dilation(cases):
    """The cases as an average pool takes them."""
    for shape, kernel, stride, padding, _, ceil_mode in cases:
        if is_valid(shape[-len(kernel) :], kernel, padding, (1,) * len(kernel)):
            yield shape, kernel, stride, padding, ceil_mode


def shuffled(rng, shape):
    """Distinct integers in a random order: every maximum is unique."""
    return (rng.permutation(int(np.prod(shape))) - int(np.prod(shape)) // 2).reshape(shape)


# -- max --------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)  # the cases of a test, which meets each on every level and in both types
def max_reference(data, shape, geometry):
    """Maxima, positions, a gradient and what comes of it, values and those picked."""
    x, axes = np.frombuffer(data).reshape(shape), len(geometry[0])
    expected, positions = reference._max_pool(x, *geometry, axes)
    rng = generator((shape, geometry), "pool gradients")
    g, values = small_integers(rng, expected.shape), small_integers(rng, shape)
    grad = reference.max_pool_grad(x, g, *geometry, axes=axes)
    picked = reference.max_pool_pick(x, values, *geometry, axes=axes)
    return expected, positions, g, grad, values, picked


def check_max(x, kernel, stride, padding, dilation, ceil_mode, dtype):
    """The forward, the gradient and the pick, bit for bit."""
    axes = len(kernel)
    x = x.astype(dtype)
    geometry = kernel, stride, padding, dilation, ceil_mode
    context = (x.shape, geometry)
    expected, positions, g, grad, values, picked = max_reference(x.astype(np.float64).tobytes(), *context)
    expected = expected.astype(dtype)
    assert_same_bits(_core.max_pool_forward(axes, x, *geometry), expected, context)
    assert_exact(_core.max_pool_grad(axes, x, g.astype(dtype), *geometry), grad, dtype, context)
    maxima, indices = _core.max_pool_with_indices(axes, x, *geometry)
    assert_same_bits(maxima, expected, context)
    assert indices.dtype == np.int64
    np.testing.assert_array_equal(indices, positions)
    assert_exact(_core.max_pool_pick(axes, x, values.astype(dtype), *geometry), picked, dtype, context)
    maxima, taps = _core.max_pool_with_taps(axes, x, *geometry)
    assert_same_bits(maxima, expected, context)
    if np.prod(kernel) > 255:
        assert taps is None
        return
    assert taps.dtype == np.uint8
    # What the taps were found in is of no more use.
    blank = np.zeros_like(x)
    assert_exact(_core.max_pool_grad(axes, blank, g.astype(dtype), *geometry, taps), grad, dtype, context)
    assert_exact(
        _core.max_pool_pick(axes, blank, values.astype(dtype), *geometry, taps), picked, dtype, context
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_max_of_distinct_values(family, dtype, isa):
    for shape, *geometry in FAMILIES[family]():
        check_max(shuffled(generator(shape, geometry), shape), *geometry, dtype)


def test_taps_of_large_kernels(dtype, isa):
    for kernel in ((15, 17), (16, 16)):
        check_max(shuffled(generator(kernel), (1, 2, 19, 23)), kernel, (1, 2), (3, 2), (1, 1), False, dtype)


@pytest.mark.parametrize("kernel", [(3, 3), (2, 5), (5, 5), (1, 4), (6, 6)])
def test_gradients_of_windows_one_apart_add_up_in_ascending_order(kernel, dtype, isa):
    """Bit for bit what a loop over the windows would add, in planes of one band of rows and of several."""
    rng = generator(kernel, "ascending")
    padding = tuple(k // 2 for k in kernel)
    for plane in [(7, 9), (7, 12), (13, 67), (131, 33)]:
        x = shuffled(rng, (2, 3, *plane)).astype(dtype)
        geometry = kernel, 1, padding, 1, False
        _, indices = _core.max_pool_with_indices(2, x, *geometry)
        g = rng.standard_normal(indices.shape).astype(dtype)
        expected = np.zeros((6, plane[0] * plane[1]), dtype)
        for grad, where, values in zip(expected, indices.reshape(6, -1), g.reshape(6, -1), strict=True):
            np.add.at(grad, where, values)
        grad = _core.max_pool_grad(2, x, g, *geometry)
        assert_same_bits(grad, expected.reshape(x.shape), (plane, kernel))


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(2, 2, 0), (3, 2, 1), (3, 1, 1)])
def test_taps_that_lead_nowhere(kernel, stride, padding, dtype, isa):
    """Whatever the bytes are: nothing beside the arrays is read or written, and what is finite stays so."""
    rng = generator(kernel, stride, "taps")
    x = np.zeros((2, 3, 9, 10), dtype)
    geometry = kernel, stride, padding, 1, False
    y = _core.max_pool_forward(2, x, *geometry)
    for taps in (rng.integers(0, 256, y.shape, np.uint8), np.full(y.shape, 254, np.uint8)):
        grad = _core.max_pool_grad(2, x, y + 1, *geometry, taps)
        assert grad.sum() <= y.size
        assert np.isfinite(grad).all()
        assert _core.max_pool_pick(2, x, x + 1, *geometry, taps).max() <= 1


@pytest.mark.parametrize(
    "taps", [np.zeros((1, 2, 2)), np.zeros((1, 2, 2), np.int8), [[[0, 1], [2, 3]]], "0123"]
)
def test_taps_of_other_types(taps):
    x = np.zeros((1, 4, 4))
    with pytest.raises(TypeError, match=r"^taps: "):
        _core.max_pool_grad(2, x, x[:, :2, :2], 2, 2, 0, 1, False, taps)


def test_what_is_written_into_the_input_later_changes_no_gradient(dtype):
    x = shuffled(generator("in place"), (2, 3, 8, 9)).astype(dtype)
    backward, y = make_vjp(lambda x: F.max_pool2d(x, 3, 2, 1))(x)
    expected = F.max_pool2d_grad_input(np.ones_like(y), x, 3, 2, 1)
    x[...] = -x
    assert_same_bits(backward(np.ones_like(y)), expected)


@pytest.mark.parametrize("family", FAMILIES)
def test_first_of_equal_maxima_wins(family, dtype, isa):
    """Few values, so nearly every window has ties; the gradient shows which was taken."""
    for shape, *geometry in FAMILIES[family]():
        check_max(generator(shape, "ties").integers(0, 2, shape), *geometry, dtype)


def test_zeros_of_either_sign_are_equal(dtype, isa):
    """-0 before +0: the first is taken, and its sign is kept."""
    x = np.zeros((1, 1, 2, 40), dtype)
    x[0, 0, 0, ::2] = -0.0
    check_max(x, (2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1), False, dtype)


@pytest.mark.parametrize("value", [-np.inf, "lowest"])
@pytest.mark.parametrize("family", FAMILIES)
def test_padding_never_wins(family, value, dtype, isa):
    lowest = np.finfo(dtype).min if value == "lowest" else value
    for shape, *geometry in FAMILIES[family]():
        check_max(np.full(shape, lowest), *geometry, dtype)


def test_infinity_wins(dtype, isa):
    for shape, *geometry in axis_cases()[::7]:
        x = generator(shape, "infinity").choice([-np.inf, 0.0, np.inf], shape)
        check_max(x, *geometry, dtype)


def test_zeros_ties_and_infinities_of_every_number_of_planes(dtype, isa):
    for shape, *geometry in plane_cases():
        x = generator(shape, "ties").choice([-np.inf, -1.0, -0.0, 0.0, 1.0, np.inf], shape)
        check_max(x, *geometry, dtype)


def test_averages_do_not_depend_on_the_level(dtype):
    """Sums of fractions, whose bits tell in which order they were added."""
    for shape, kernel, stride, padding, _, ceil_mode in plane_cases():
        geometry = kernel, stride, padding, ceil_mode, False, None
        if not is_valid(shape[2:], kernel, padding, (1,) * len(kernel)):
            continue
        rng = generator(shape, "fractions")
        x, results = rng.standard_normal(shape).astype(dtype), []
        for level in _core.available_isas():
            _core.set_isa(level)
            y = _core.avg_pool_forward(len(kernel), x, *geometry)
            # One plane at a time, which no level spreads over its lanes.
            alone = [_core.avg_pool_forward(len(kernel), plane[None], *geometry) for plane in x[0]]
            assert_same_bits(np.concatenate(alone)[None], y, (level, shape, geometry))
            results.append((y, _core.avg_pool_grad(len(kernel), y, shape, *geometry)))
        for y, gradient in results[1:]:
            assert_same_bits(y, results[0][0], (shape, geometry))
            assert_same_bits(gradient, results[0][1], (shape, geometry))


def test_squares_are_added_row_by_row(dtype, isa):
    """In the order of any window, whatever the driver; the last shapes take several tasks."""
    wide = [((1, 35, 90, width), (2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1), False) for width in (14, 23, 66)]
    for shape, *geometry in without_dilation([*square_cases(), *wide]):
        x = generator(shape, "squares").standard_normal(shape).astype(dtype)
        whole = x[..., : shape[-2] // 2 * 2, : shape[-1] // 2 * 2]
        first, second = whole[..., ::2, :], whole[..., 1::2, :]
        sums = ((first[..., ::2] + first[..., 1::2]) + second[..., ::2]) + second[..., 1::2]
        for threads, divisor in ((1, None), (3, 3)):
            _core.set_num_threads(threads)
            y = _core.avg_pool_forward(len(shape) - 2, x, *geometry, False, divisor)
            assert_same_bits(y, sums / (divisor or 4), shape)
            expected = np.zeros_like(x)
            g = np.where(y < 0, dtype.type(-0.0), y)
            shares = g / (divisor or 4) + 0  # a sum of one, which begins at +0
            expected[..., : whole.shape[-2], : whole.shape[-1]] = shares.repeat(2, -1).repeat(2, -2)
            gradient = _core.avg_pool_grad(len(shape) - 2, g, shape, *geometry, False, divisor)
            assert_same_bits(gradient, expected, shape)


def test_nan_propagates_from_every_lane_and_tail(dtype, isa):
    """One NaN at each place of rows of every width, at each place of the window."""
    for width in range(2, 68):
        for kernel, stride in ((2, 2), (3, 1), (3, 2)):
            if kernel > width:
                continue
            base = shuffled(generator(width), (1, 1, kernel, width)).astype(dtype)
            rows = []
            for place in range(width):
                x = base.copy()
                x[0, 0, place % kernel, place] = np.nan
                rows.append(x)
            x = np.concatenate(rows)
            check_max(x, (kernel, kernel), (stride, stride), ((1, 1), (1, 1)), (1, 1), False, dtype)


def test_nan_propagates_everywhere(dtype, isa):
    """Windows with several NaNs: the result is NaN and the gradient goes to the last of them."""
    for shape, *geometry in [*axis_cases()[::5], *other_axes_cases(), *plane_cases()]:
        rng = generator(shape, "many NaNs")
        x = shuffled(rng, shape).astype(dtype)
        x[rng.random(shape) < 0.3] = np.nan
        check_max(x, *geometry, dtype)


def test_a_window_between_all_elements_has_no_maximum(dtype, isa):
    """Dilation can step over the whole input: the maximum of nothing is -inf and no gradient flows."""
    x, geometry = np.array([[1, 2, 3]], dtype), (2, 1, 1, 4, False)
    assert _core.max_pool_forward(1, x, *geometry).tolist() == [[-np.inf]]
    assert [a.tolist() for a in _core.max_pool_with_indices(1, x, *geometry)] == [[[-np.inf]], [[-1]]]
    assert_same_bits(_core.max_pool_grad(1, x, np.ones((1, 1), dtype), *geometry), np.zeros_like(x))
    assert_same_bits(_core.max_pool_pick(1, x, x, *geometry), np.zeros((1, 1), dtype))


# -- average ----------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def average_reference(shape, geometry, dilation):
    """Integers, their averages, a gradient of multiples of every divisor, and what comes of it."""
    axes = len(geometry[0])
    rng = generator((shape, geometry))
    x = small_integers(rng, shape, 100)
    expected = reference.avg_pool_forward(x.astype(np.float64), *geometry, dilation, axes=axes)
    divisors = reference._AveragePool(shape[-axes:], *geometry, dilation).divisor
    g = small_integers(rng, expected.shape) * (divisors if expected.size else 1)
    grad = reference.avg_pool_grad(g.astype(np.float64), shape, *geometry, dilation, axes=axes)
    return x, expected, g, grad


def check_average(
    shape, kernel, stride, padding, ceil_mode, count_include_pad, divisor_override, dtype, dilation=1
):
    """The forward is exact: the sum of small integers has no error and the quotient is rounded once."""
    axes = len(kernel)
    geometry = kernel, stride, padding, ceil_mode, count_include_pad, divisor_override
    context = (shape, geometry)
    x, expected, g, grad = average_reference(shape, geometry, dilation)
    actual = _core.avg_pool_forward(axes, x.astype(dtype), *geometry, dilation=dilation)
    assert_exact(actual, expected, dtype, context)
    # Multiples of every possible divisor: the gradient has no error either.
    actual = _core.avg_pool_grad(axes, g.astype(dtype), shape, *geometry, dilation=dilation)
    assert_exact(actual, grad, dtype, context)


@pytest.mark.parametrize("count_include_pad", [True, False])
@pytest.mark.parametrize("divisor_override", [None, 1, 7, -3])
@pytest.mark.parametrize("family", FAMILIES)
def test_average(family, divisor_override, count_include_pad, dtype, isa):
    for case in without_dilation(FAMILIES[family]()):
        check_average(*case, count_include_pad, divisor_override, dtype)


@pytest.mark.parametrize("count_include_pad", [True, False])
@pytest.mark.parametrize("family", FAMILIES)
def test_average_with_dilation(family, count_include_pad, dtype, isa):
    for shape, kernel, stride, padding, dilation, ceil_mode in FAMILIES[family]()[::6]:
        check_average(
            shape, kernel, stride, padding, ceil_mode, count_include_pad, None, dtype, dilation=dilation
        )


def test_the_average_of_nothing_is_nan(dtype, isa):
    x, geometry = np.array([[1, 2, 3]], dtype), (2, 1, ((1, 1),), False)
    y = _core.avg_pool_forward(1, x, *geometry, False, None, dilation=4)
    assert np.isnan(y).all()
    assert y.shape == (1, 1)
    assert _core.avg_pool_forward(1, x, *geometry, True, None, dilation=4).tolist() == [[0.0]]
    grad = _core.avg_pool_grad(1, np.ones((1, 1), dtype), x.shape, *geometry, False, None, dilation=4)
    assert_same_bits(grad, np.zeros_like(x))


def test_average_of_floats_within_the_bound(dtype, isa, strict):
    """gamma(n + 2) times the average of the absolute values."""
    for shape, kernel, *rest in without_dilation([*axis_cases()[::3], *other_axes_cases()]):
        x = generator(shape, kernel, "floats").standard_normal(shape).astype(dtype)
        arguments = (kernel, *rest, True, None)
        exact = reference.avg_pool_forward(x, *arguments, axes=len(kernel))
        magnitude = reference.avg_pool_forward(np.abs(x), *arguments, axes=len(kernel))
        bound = exact.dtype.type(gamma(int(np.prod(kernel)) + 2, dtype)) * magnitude
        assert_within(_core.avg_pool_forward(len(kernel), x, *arguments), exact, bound, (shape, arguments))


def test_average_gradient_is_the_adjoint(dtype, isa):
    """<avg(x), g> = <x, avg_grad(g)>; the override of the divisor keeps everything an integer."""
    for shape, kernel, stride, padding, ceil_mode in without_dilation(axis_cases()[::3]):
        axes = len(kernel)
        geometry = kernel, stride, padding, ceil_mode, True, 1
        rng = generator(shape, "adjoint")
        x = small_integers(rng, shape).astype(dtype)
        y = _core.avg_pool_forward(axes, x, *geometry)
        g = small_integers(rng, y.shape).astype(dtype)
        grad = _core.avg_pool_grad(axes, g, shape, *geometry)
        assert (y.astype(np.int64) * g.astype(np.int64)).sum() == (
            x.astype(np.int64) * grad.astype(np.int64)
        ).sum()


def test_average_propagates_nan_and_infinity(dtype, isa):
    for value in (np.nan, np.inf, -np.inf):
        for width in range(3, 40):
            x = np.ones((1, 1, 4, width), dtype)
            x[0, 0, width % 4, width * 7 % width] = value
            arguments = (3, 1, 1, False, True, None)
            expected = reference.avg_pool_forward(x, *arguments, axes=2)
            assert_exact(_core.avg_pool_forward(2, x, *arguments), expected, dtype, (value, width))


# -- output sizes -----------------------------------------------------------------------------


def windows_by_enumeration(size, kernel, stride, before, after, dilation, ceil_mode):
    """Count windows one at a time.

    A window that lies within the padded extent counts. In ceil mode so does one that runs over its end, if
    the one before it did not reach the end and it starts before the padding after the input.
    """
    extent, count = dilation * (kernel - 1) + 1, 0
    while True:
        start = count * stride
        inside = start + extent <= before + size + after
        previous_end = start - stride + extent
        over = ceil_mode and previous_end < before + size + after and start < before + size
        if not (inside or over):
            return count
        count += 1


@given(
    size=st.integers(1, 20),
    kernel=st.integers(1, 6),
    stride=st.integers(1, 7),
    before=st.integers(0, 5),
    after=st.integers(0, 5),
    dilation=st.integers(1, 3),
    ceil_mode=st.booleans(),
)
@settings(max_examples=500)
def test_output_size_by_enumeration(size, kernel, stride, before, after, dilation, ceil_mode):
    padding = ((before, after),)
    if not is_valid((size,), (kernel,), padding, (dilation,)):
        return
    x = np.zeros((1, 1, size), np.float32)
    expected = windows_by_enumeration(size, kernel, stride, before, after, dilation, ceil_mode)
    y = _core.max_pool_forward(1, x, kernel, stride, padding, dilation, ceil_mode)
    assert y.shape == (1, 1, expected)
    if dilation == 1:
        y = _core.avg_pool_forward(1, x, kernel, stride, padding, ceil_mode, True, None)
        assert y.shape == (1, 1, expected)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "expected"),
    [
        (5, 2, 2, 0, [1, 3, 4]),  # the last window holds one element
        (5, 2, 3, 1, [0, 3]),  # a third would start in the padding after the input
        (4, 3, 2, 1, [1, 3, 3]),
        (3, 2, 4, 0, [1]),  # a window that starts beyond the end is none
    ],
)
def test_ceil_mode_by_hand(size, kernel, stride, padding, expected):
    x = np.arange(size, dtype=np.float32)[None]
    y = _core.max_pool_forward(1, x, kernel, stride, padding, 1, True)
    assert y.tolist() == [[float(v) for v in expected]]


@pytest.mark.parametrize(
    ("count_include_pad", "divisor_override", "expected"),
    [
        (True, None, [0 / 2, 3 / 2, 7 / 2]),
        (False, None, [0 / 1, 3 / 2, 7 / 2]),
        (True, 4, [0 / 4, 3 / 4, 7 / 4]),
    ],
)
def test_average_by_hand(count_include_pad, divisor_override, expected):
    x = np.arange(5, dtype=np.float32)[None]
    y = _core.avg_pool_forward(1, x, 2, 2, 1, False, count_include_pad, divisor_override)
    assert y.tolist() == [expected]


# -- the forms that arguments may take, the same bits however it runs --------------------------


def test_stride_defaults_to_the_kernel(dtype):
    x = shuffled(generator("stride"), (2, 3, 9, 12)).astype(dtype)
    for kernel in (2, 3, (2, 3), [3], [np.int8(3), 2]):
        expected = _core.max_pool_forward(2, x, kernel, kernel, 0, 1, False)
        assert_same_bits(_core.max_pool_forward(2, x, kernel, None, 0, 1, False), expected)
        expected = _core.avg_pool_forward(2, x, kernel, kernel, 0, False, True, None)
        assert_same_bits(_core.avg_pool_forward(2, x, kernel, None, 0, False, True, None), expected)


@pytest.mark.parametrize("padding", ["valid", "same", "same_lower", "causal"])
def test_named_paddings(padding, dtype, isa):
    for kernel, stride, width in product((1, 2, 3, 4), (1, 2, 3), (8, 9, 10)):
        x = shuffled(generator(width), (1, 2, 8, width)).astype(dtype)
        geometry = (kernel, kernel), (stride, stride), padding
        check_max(x, *geometry, (1, 1), False, dtype)
        check_average(x.shape, *geometry, False, False, None, dtype)


def test_out_is_filled_and_returned(dtype, isa):
    x = shuffled(generator("out"), (2, 3, 9, 12)).astype(dtype)
    for call in (
        lambda **options: _core.max_pool_forward(2, x, 2, None, 0, 1, False, **options),
        lambda **options: _core.avg_pool_forward(2, x, 2, None, 0, False, True, None, **options),
    ):
        expected = call()
        out = np.full(expected.shape, np.nan, dtype)
        assert call(out=out) is out
        assert_same_bits(out, expected)


def _calls(x, g):
    """Every pool function on fixed geometry."""
    geometry = (3, 2), (2, 1), ((1, 1), (0, 1)), (1, 2)
    average = (3, 2), (2, 1), ((1, 1), (0, 1)), True, False, None
    return {
        "max_pool_forward": lambda x=x, **_: _core.max_pool_forward(2, x, *geometry, True),
        "max_pool_grad": lambda x=x, g=g: _core.max_pool_grad(2, x, g, *geometry, True),
        "max_pool_pick": lambda x=x, **_: _core.max_pool_pick(2, x, x, *geometry, True),
        "max_pool_with_taps": lambda x=x, **_: _core.max_pool_with_taps(2, x, *geometry, True)[1],
        "avg_pool_forward": lambda x=x, **_: _core.avg_pool_forward(2, x, *average),
    }


@pytest.mark.parametrize(
    "function",
    ["max_pool_forward", "max_pool_grad", "max_pool_pick", "max_pool_with_taps", "avg_pool_forward"],
)
def test_same_bits_for_any_layout_and_number_of_threads(function, dtype, isa, layouts):
    x = generator("pool layouts").standard_normal((3, 5, 20, 37)).astype(dtype)
    y = _core.max_pool_forward(2, x, (3, 2), (2, 1), ((1, 1), (0, 1)), (1, 2), True)
    g = generator("pool layouts of g").standard_normal(y.shape).astype(dtype)
    call = _calls(x, g)[function]
    expected = call()
    for name, variant in layouts(x):
        assert_same_bits(call(x=variant), expected, name)
    for name, variant in layouts(g):
        assert_same_bits(call(g=variant), expected, name)
    for threads in (1, 2, 3, 7):
        _core.set_num_threads(threads)
        assert_same_bits(call(), expected, f"{threads} threads")


def test_same_bits_on_every_isa(dtype):
    x = generator("pool isas").standard_normal((3, 5, 20, 37)).astype(dtype)
    y = _core.max_pool_forward(2, x, (3, 2), (2, 1), ((1, 1), (0, 1)), (1, 2), True)
    g = generator("pool isas of g").standard_normal(y.shape).astype(dtype)
    for name, call in _calls(x, g).items():
        results = []
        for isa in _core.available_isas():
            _core.set_isa(isa)
            results.append(call())
        for result in results:
            assert_same_bits(result, results[0], name)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding"), [((45, 90), 3, 2, 1), ((80, 66), 2, 2, 0), ((70, 71), 5, 1, 2)]
)
def test_rows_that_are_asked_for_early_have_the_same_bits(size, kernel, stride, padding, isa):
    """Beyond 8 MiB pools ask for the rows under the next windows; an image alone is smaller."""
    x = small_integers(generator("far", size), (16, 40, *size)).astype(np.float32)
    assert x.nbytes > 8 * 2**20

    def through_taps(x):
        back, y = make_vjp(lambda x: F.max_pool2d(x, kernel, stride, padding))(x)
        return y, back(np.ones_like(y))

    for pool in (F.max_pool2d, F.avg_pool2d):
        actual = pool(x, kernel, stride, padding)
        for image in range(len(x)):
            assert_same_bits(pool(x[image : image + 1], kernel, stride, padding), actual[image : image + 1])
    y, gradient = through_taps(x)
    for image in range(len(x)):
        expected_y, expected_gradient = through_taps(x[image : image + 1])
        assert_same_bits(y[image : image + 1], expected_y)
        assert_same_bits(gradient[image : image + 1], expected_gradient)
