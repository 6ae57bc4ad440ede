"""Sizes against brute force: windows are laid out one by one and counted."""

import contextlib

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from convnative import shapes
from convnative.shapes import MAX_SIZE

sizes = st.integers(1, 24)
kernels = st.integers(1, 7)
strides = st.integers(1, 5)
dilations = st.integers(1, 3)
sides = st.integers(0, 4)
pairs = st.tuples(sides, sides)


def window_starts(size, kernel, stride, padding, dilation):
    """First positions of all windows that lie inside the padded input, found by trying every position."""
    extent = dilation * (kernel - 1) + 1
    padded = padding[0] + size + padding[1]
    return [start for start in range(0, padded, stride) if start + extent <= padded]


def pool_starts(size, kernel, stride, padding, dilation, ceil_mode):
    extent = dilation * (kernel - 1) + 1
    padded = padding[0] + size + padding[1]
    starts = window_starts(size, kernel, stride, padding, dilation)
    if not ceil_mode:
        return starts
    # In ceil mode one more window joins: it hangs over the end by less than a stride, but it must not begin
    # in the padding there.
    following = starts[-1] + stride if starts else 0
    if 0 < following + extent - padded < stride and following < padding[0] + size:
        starts.append(following)
    return starts


# -- output sizes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "expected"),
    [
        (227, 11, 4, 0, 55),  # AlexNet, first layer
        (224, 11, 4, 2, 55),
        (32, 5, 1, 0, 28),  # LeNet-5
        (224, 7, 2, 3, 112),  # ResNet, first layer
        (224, 3, 1, 1, 224),  # VGG
        (5, 3, 2, 1, 3),
        (6, 3, 2, 1, 3),
        (1, 1, 1, 0, 1),
    ],
)
def test_published_sizes(size, kernel, stride, padding, expected):
    assert shapes.conv_output_size(size, kernel, stride, padding) == expected


@given(sizes, kernels, strides, pairs, dilations)
def test_conv_output_size_counts_windows(size, kernel, stride, padding, dilation):
    count = len(window_starts(size, kernel, stride, padding, dilation))
    if count == 0:
        with pytest.raises(ValueError, match="kernel_size: expected a window of at most"):
            shapes.conv_output_size(size, kernel, stride, padding, dilation)
    else:
        assert shapes.conv_output_size(size, kernel, stride, padding, dilation) == count


@given(sizes, kernels, strides, pairs, dilations, st.booleans())
def test_pool_output_size_counts_windows(size, kernel, stride, padding, dilation, ceil_mode):
    extent = dilation * (kernel - 1) + 1
    if max(padding) > extent - 1:
        with pytest.raises(ValueError, match="padding: expected at most"):
            shapes.pool_output_size(size, kernel, stride, padding, dilation, ceil_mode)
        return
    count = len(pool_starts(size, kernel, stride, padding, dilation, ceil_mode))
    if count == 0:
        with pytest.raises(ValueError, match="kernel_size: expected a window"):
            shapes.pool_output_size(size, kernel, stride, padding, dilation, ceil_mode)
    else:
        assert shapes.pool_output_size(size, kernel, stride, padding, dilation, ceil_mode) == count


def test_pool_stride_is_the_kernel_size_unless_given():
    assert shapes.pool_output_size(12, 3) == 4
    assert shapes.pool_output_shape((2, 3, 12, 12), (3, 2)) == (2, 3, 4, 6)


@given(sizes, kernels, strides, dilations)
def test_same_padding(size, kernel, stride, dilation):
    upper = shapes.resolve_padding("same", (size,), kernel, stride, dilation)[0]
    lower = shapes.resolve_padding("same_lower", (size,), kernel, stride, dilation)[0]
    assert upper == lower[::-1]
    assert 0 <= upper[1] - upper[0] <= 1
    for mode, padding in (("same", upper), ("same_lower", lower)):
        output = shapes.conv_output_size(size, kernel, stride, mode, dilation)
        assert output == -(-size // stride)
        assert output == len(window_starts(size, kernel, stride, padding, dilation))
    if sum(upper):
        # It is the least padding that gives this output: one element less loses a window.
        fewer = (upper[0], upper[1] - 1)
        assert len(window_starts(size, kernel, stride, fewer, dilation)) == output - 1


@given(sizes, kernels, dilations)
def test_causal_output_sees_no_later_input(size, kernel, dilation):
    ((before, after),) = shapes.resolve_padding("causal", (size,), kernel, 1, dilation)
    field = shapes.receptive_field(kernel, 1, (before, after), dilation)
    for output in range(shapes.conv_output_size(size, kernel, 1, "causal", dilation)):
        assert shapes.input_region(field, output, size).stop == output + 1


@given(sizes, kernels, strides, pairs, dilations)
def test_exact_refuses_what_the_floor_hides(size, kernel, stride, padding, dilation):
    starts = window_starts(size, kernel, stride, padding, dilation)
    assume(starts)
    covered = starts[-1] + dilation * (kernel - 1) + 1
    if covered == padding[0] + size + padding[1]:
        assert shapes.conv_output_size(size, kernel, stride, padding, dilation, exact=True) == len(starts)
    else:
        with pytest.raises(ValueError, match=r"stride: expected a divisor of .*which leaves"):
            shapes.conv_output_size(size, kernel, stride, padding, dilation, exact=True)


def test_shapes_with_and_without_a_batch():
    assert shapes.conv_output_shape((2, 4, 9, 8), (6, 2, 3, 2), (2, 1), 1, groups=2) == (2, 6, 5, 9)
    assert shapes.conv_output_shape((4, 9, 8), (6, 4, 3, 2), (2, 1), 1) == (6, 5, 9)
    assert shapes.conv_output_shape((0, 4, 9), (6, 4, 3)) == (0, 6, 7)
    assert shapes.conv_output_shape((1, 1, 5, 6, 7), (1, 1, 2, 3, 4)) == (1, 1, 4, 4, 4)
    assert shapes.pool_output_shape((3, 9), 2, axes=1) == (3, 4)


# -- symbolic sizes ---------------------------------------------------------------------------------------


@given(sizes, kernels, strides, pairs, dilations, st.sampled_from(["pair", "same", "same_lower", "causal"]))
def test_symbolic_sizes_evaluate_to_the_numeric_ones(size, kernel, stride, padding, dilation, mode):
    chosen = padding if mode == "pair" else mode
    extent = dilation * (kernel - 1) + 1
    assume(mode != "pair" or size + sum(padding) >= extent)
    expression = shapes.conv_output_size("H", kernel, stride, chosen, dilation)
    assert expression.evaluate(H=size) == shapes.conv_output_size(size, kernel, stride, chosen, dilation)
    if mode != "pair" or max(padding) <= extent // 2:
        for ceil_mode in (False, True):
            pooled = shapes.pool_output_size("H", kernel, stride, chosen, dilation, ceil_mode)
            numeric = shapes.pool_output_size(size, kernel, stride, chosen, dilation, ceil_mode)
            assert pooled.evaluate(H=size) == numeric


@given(sizes, kernels, strides, kernels, strides, kernels, strides)
def test_symbolic_sizes_compose(size, k1, s1, k2, s2, k3, s3):
    symbolic, numeric = shapes.symbol("H"), size + 60
    for kernel, stride in ((k1, s1), (k2, s2), (k3, s3)):
        symbolic = shapes.conv_output_size(symbolic, kernel, stride, kernel // 2)
        numeric = shapes.conv_output_size(numeric, kernel, stride, kernel // 2)
    assert symbolic.evaluate(H=size + 60) == numeric


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.integers(-9, 9), st.integers(1, 6)), min_size=1, max_size=4), st.integers(-40, 40)
)
def test_expressions_follow_integer_arithmetic(steps, value):
    expression, number = shapes.symbol("a"), value
    for offset, divisor in steps:
        remainder = (expression * 3 + offset) % divisor
        if isinstance(remainder, int):
            assert remainder == (number * 3 + offset) % divisor
        expression, number = (expression * 3 + offset) // divisor, (number * 3 + offset) // divisor
    assert expression.evaluate(a=value) == number


def test_symbolic_text():
    height, width = shapes.symbol("H"), shapes.symbol("W")
    assert str(shapes.conv_output_size("H", 3, padding=1)) == "H"
    assert str(shapes.conv_output_size("H", 3, stride=2)) == "floor((H + 1)/2) - 1"
    assert str(shapes.pool_output_size(shapes.pool_output_size("H", 2), 2)) == "floor(H/4)"
    assert str(shapes.element_count((2, height, 3, width))) == "6*H*W"
    assert str(3 - height) == "-H + 3"
    assert height + 1 - height == 1
    assert height * 0 == 0
    assert hash(height + 1) == hash(1 + height)
    assert -height == 0 - height


def test_symbolic_limits():
    with pytest.raises(ValueError, match="explicit padding for the symbolic size H and stride 2"):
        shapes.resolve_padding("same", ("H",), 3, 2)
    assert shapes.resolve_padding("same", ("H",), 4, 1) == ((1, 2),)
    with pytest.raises(ValueError, match="which divides only some sizes"):
        shapes.conv_output_size("H", 3, 2, exact=True)
    assert str(shapes.conv_output_size(shapes.symbol("H") * 2, 2, 2, exact=True)) == "H"
    with pytest.raises(ValueError, match="expected a value for 'H'"):
        shapes.symbol("H").evaluate(W=3)
    with pytest.raises(ValueError, match="expected an identifier"):
        shapes.symbol("H + 1")


# -- inverse problems -------------------------------------------------------------------------------------


def solutions_by_search(candidates, output, window):
    found = []
    for value in candidates:
        size, kernel, stride, padding, dilation = window(value)
        starts = window_starts(size, kernel, stride, padding, dilation)
        if len(starts) == output:
            covered = starts[-1] + dilation * (kernel - 1) + 1
            found.append((value, covered == size + sum(padding)))
    return found


def listed(solutions):
    found = [(solution.value, solution.exact) for solution in solutions]
    assert len(solutions) == len(found)
    assert bool(solutions) == bool(found)
    return found


@given(st.integers(1, 12), kernels, strides, pairs, dilations)
def test_solve_input_size(output, kernel, stride, padding, dilation):
    expected = solutions_by_search(range(100), output, lambda size: (size, kernel, stride, padding, dilation))
    assert listed(shapes.solve_input_size(output, kernel, stride, padding, dilation)) == expected


@given(sizes, st.integers(1, 12), strides, pairs, dilations)
def test_solve_kernel_size(size, output, stride, padding, dilation):
    expected = solutions_by_search(
        range(1, 40), output, lambda kernel: (size, kernel, stride, padding, dilation)
    )
    assert listed(shapes.solve_kernel_size(size, output, stride, padding, dilation)) == expected


@given(sizes, st.integers(1, 12), kernels, pairs, dilations)
def test_solve_stride(size, output, kernel, padding, dilation):
    expected = solutions_by_search(
        range(1, size + sum(padding) + 1), output, lambda stride: (size, kernel, stride, padding, dilation)
    )
    assert listed(shapes.solve_stride(size, output, kernel, padding, dilation)) == expected


@given(sizes, st.integers(1, 30), kernels, strides, dilations)
def test_solve_padding(size, output, kernel, stride, dilation):
    expected = solutions_by_search(
        range(90), output, lambda side: (size, kernel, stride, (side, side), dilation)
    )
    assert listed(shapes.solve_padding(size, output, kernel, stride, dilation)) == expected


def test_inverse_problems_need_an_explicit_padding():
    with pytest.raises(ValueError, match=r"padding: expected an int, a \(before, after\) pair or 'valid'"):
        shapes.solve_kernel_size(8, 8, padding="same")


# -- receptive fields -------------------------------------------------------------------------------------

layers = st.lists(st.tuples(kernels, st.integers(1, 3), sides, dilations), min_size=1, max_size=4)


@given(layers, st.integers(1, 30))
def test_receptive_field_against_propagated_dependencies(stack, size):
    # Each position carries the set of inputs it depends on; padding positions are numbered beyond the ends.
    margin = 400
    positions = [{index} for index in range(-margin, size + margin)]
    origin, length = margin, size
    field = shapes.ReceptiveField()
    for kernel, stride, padding, dilation in stack:
        length = len(window_starts(length, kernel, stride, (padding, padding), dilation))
        assume(length > 0)
        begin = origin - padding
        first = begin % stride
        taps = [dilation * tap for tap in range(kernel)]
        positions = [
            set().union(*(positions[start + tap] for tap in taps))
            for start in range(first, len(positions) - taps[-1], stride)
        ]
        origin = (begin - first) // stride
        field = field.then(shapes.receptive_field(kernel, stride, padding, dilation))
    for output in range(length):
        seen = positions[origin + output]
        begin = field.start + output * field.jump
        assert (min(seen), max(seen) + 1) == (begin, begin + field.size)
        region = shapes.input_region(field, output, size)
        real = [index for index in range(begin, begin + field.size) if 0 <= index < size]
        assert list(range(region.start, region.stop)) == real
        assert region.before == sum(index < 0 for index in range(begin, begin + field.size))
        assert region.after == sum(index >= size for index in range(begin, begin + field.size))


@given(layers)
def test_composition_is_associative(stack):
    fields = [shapes.receptive_field(*layer) for layer in stack]
    from_the_end = shapes.ReceptiveField()
    for field in reversed(fields):
        from_the_end = field.then(from_the_end)
    assert shapes.compose_receptive_fields(fields) == from_the_end


@given(layers, st.integers(0, 5), st.integers(1, 5))
def test_tiles_and_their_halo(stack, first, count):
    field = shapes.compose_receptive_fields(shapes.receptive_field(*layer) for layer in stack)
    size = 100000
    tile = shapes.input_region(field, (first, first + count), size)
    ends = [shapes.input_region(field, index, size) for index in (first, first + count - 1)]
    assert (tile.start, tile.stop) == (ends[0].start, ends[1].stop)
    following = shapes.input_region(field, 9, size)
    previous = shapes.input_region(field, 8, size)
    if previous.before == 0:
        assert shapes.halo(field) == max(previous.stop - following.start, 0)


def test_vgg16_receptive_field():
    conv, pool = shapes.receptive_field(3, 1, 1), shapes.receptive_field(2, 2)
    stack = [conv, conv, pool] * 2 + [conv, conv, conv, pool] * 3
    field = shapes.compose_receptive_fields(stack)
    assert (field.size, field.jump) == (212, 32)


# -- hostile arguments ------------------------------------------------------------------------------------

HOSTILE = [0, -1, 2**31, 2**62, 2**63 - 1, 2**63, 10**30, 1.5, "3", None, True, [1, 2, 3], (), b"1"]


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("argument", ["stride", "padding", "dilation", "groups", "height"])
def test_hostile_arguments_never_give_a_wrong_shape(argument, value):
    if argument == "height":
        arguments = {"input_shape": (1, 2, value, 8)}
    else:
        arguments = {"input_shape": (1, 2, 8, 8), argument: value}
    with contextlib.suppress(TypeError, ValueError, OverflowError):
        output = shapes.conv_output_shape(weight_shape=(2, 2, 3, 3), **arguments)
        assert all(isinstance(size, int) and 0 < size <= MAX_SIZE for size in output)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"stride": 0}, ValueError, "stride: expected an int >= 1 or 2 of them, received 0"),
        ({"stride": 1.0}, TypeError, "stride: expected an int >= 1 or 2 of them, received 1.0"),
        ({"stride": (1, 0)}, ValueError, "stride: expected an int >= 1 or 2 of them, received (1, 0)"),
        ({"stride": (1, 1, 1)}, ValueError, "stride: expected an int >= 1 or 2 of them, received (1, 1, 1)"),
        ({"dilation": True}, TypeError, "dilation: expected an int >= 1 or 2 of them, received True"),
        ({"dilation": 2**62}, OverflowError, "dilation * (kernel_size - 1)"),
        ({"padding": -1}, ValueError, "padding: expected an int >= 0, 2 of them, 2 (before, after) pairs, "),
        ({"padding": [(1, 2)]}, ValueError, "'causal', received [(1, 2)]"),
        ({"stride": (0, 1), "dilation": "1"}, TypeError, "dilation: expected an int >= 1 or 2 of them"),
        ({"padding": [(1, 2), (3,)]}, ValueError, "'causal', received [(1, 2), (3,)]"),
        ({"padding": 2**62}, OverflowError, "input + padding: expected at most"),
        ({"padding": "full"}, ValueError, "received 'full'"),
        ({"groups": 3}, ValueError, "groups: expected a divisor of in_channels = 4 and out_channels = 6"),
        (
            {"groups": 2},
            ValueError,
            "input_shape: expected 8 channels (weight_shape[1] * groups), received 4",
        ),
        ({"input_shape": (4, 8)}, ValueError, "input_shape: expected 4 sizes (batch, channels, 2 spatial)"),
        ({"input_shape": "NCHW"}, TypeError, "input_shape: expected a sequence of sizes, received 'NCHW'"),
        (
            {"input_shape": (1, 4, 2, 2)},
            ValueError,
            "kernel_size: expected a window of at most 2 = 2 + 0 + 0",
        ),
        ({"input_shape": (2**40, 4, 2**20, 8)}, OverflowError, "input_shape: expected an array of at most"),
        ({"weight_shape": (6, 4)}, ValueError, "weight_shape: expected (out_channels, in_channels / groups"),
        ({"weight_shape": (0, 4, 3, 3)}, ValueError, "weight_shape: expected ints >= 1, received 0"),
    ],
)
def test_error_texts(arguments, error, text):
    call = {"input_shape": (1, 4, 8, 8), "weight_shape": (6, 4, 3, 3)} | arguments
    with pytest.raises(error) as caught:
        shapes.conv_output_shape(**call)
    assert text in str(caught.value)


def test_pool_refuses_padding_that_hides_the_input():
    with pytest.raises(ValueError, match="padding: expected at most 1 on each side"):
        shapes.pool_output_shape((1, 1, 8, 8), 3, padding=2)
    # Sides that differ may reach up to the extent of the window, less one.
    assert shapes.pool_output_shape((1, 1, 8, 8), 3, 1, padding=[(2, 0), (0, 2)]) == (1, 1, 8, 8)
    with pytest.raises(ValueError, match="padding: expected at most 2 on each side"):
        shapes.pool_output_shape((1, 1, 8, 8), 3, 1, padding=[(3, 0), (0, 2)])
    with pytest.raises(ValueError, match="input_shape: expected sizes >= 1"):
        shapes.pool_output_shape((1, 1, 0, 8), 3)


def test_flatten_and_linear_errors():
    assert shapes.flatten_output_shape(()) == (1,)
    assert shapes.flatten_output_shape((2, 3, 4), 0, 1) == (6, 4)
    with pytest.raises(IndexError, match="end_dim: expected an axis from -2 to 1, received 2"):
        shapes.flatten_output_shape((2, 3), 0, 2)
    with pytest.raises(ValueError, match="start_dim: expected at most end_dim"):
        shapes.flatten_output_shape((2, 3), 1, 0)
    with pytest.raises(ValueError, match=r"input_shape: expected \(..., 4\), received \(2, 3\)"):
        shapes.linear_output_shape((2, 3), (5, 4))


def test_huge_sizes_are_answered_without_listing_them():
    solutions = shapes.solve_kernel_size(2**62, 1, stride=2**61)
    assert solutions.values == range(2**61 + 1, 2**62 + 1)
    assert next(iter(solutions)) == shapes.Solution(2**61 + 1, exact=False)
    assert shapes.conv_output_size(2**62, 3, 2**40) == 2**22


# -- worked examples --------------------------------------------------------------------------------------


def test_which_kernel_halves_288_to_143():
    solutions = list(shapes.solve_kernel_size(288, 143, stride=2, padding=0))
    assert [(solution.value, solution.exact) for solution in solutions] == [(3, False), (4, True)]


def test_a_stride_that_does_not_divide_is_refused():
    """5 + 2 * 1 - 3 = 4 elements cannot be gone through in steps of 3."""
    assert shapes.conv_output_size(5, 3, stride=3, padding=1) == 2
    with pytest.raises(ValueError, match=r"stride: expected a divisor of 4 = 5 \+ 1 \+ 1 - 3 .*leaves 1"):
        shapes.conv_output_size(5, 3, stride=3, padding=1, exact=True)
    assert shapes.conv_output_size(5, 3, stride=2, padding=1, exact=True) == 3


@pytest.mark.parametrize("layers", range(1, 6))
@pytest.mark.parametrize("kernel", [1, 2, 3, 7])
def test_receptive_field_of_a_stack(layers, kernel):
    """1 + L (K - 1), and with strides, dilations and pools the sum over the layers."""
    fields = [shapes.receptive_field(kernel)] * layers
    assert shapes.compose_receptive_fields(fields).size == 1 + layers * (kernel - 1)
    strided = [shapes.receptive_field(kernel, stride=2, dilation=3), shapes.receptive_field(2, stride=2)]
    expected, jump = 1, 1
    for _ in range(layers):
        for extent, step in ((3 * (kernel - 1) + 1, 2), (2, 2)):
            expected += (extent - 1) * jump
            jump *= step
    whole = shapes.compose_receptive_fields(strided * layers)
    assert (whole.size, whole.jump) == (expected, jump)
