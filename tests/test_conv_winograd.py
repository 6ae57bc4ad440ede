"""Winograd convolution: close to the definition, finite where it is finite, the same bits however it runs."""

import itertools
from functools import cache
from typing import NamedTuple

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


class Shape(NamedTuple):
    """A convolution; padding on both sides of each axis, the kernel on the last two axes."""

    batch: int
    in_channels: int
    out_channels: int
    size: tuple[int, ...]
    padding: tuple[tuple[int, int], ...] = ((1, 1), (1, 1))
    groups: int = 1
    kernel: int = 3
    stride: int = 1
    dilation: int = 1
    depth: int = 1  # of the kernel, in volumes
    one_row: bool = False  # a kernel of one row for images

    @property
    def axes(self):
        return len(self.size)

    def per_axis(self, value, depth):
        return (depth, 1 if self.one_row else value, value)[-self.axes :]

    @property
    def geometry(self):
        stride, dilation = self.per_axis(self.stride, 1), self.per_axis(self.dilation, 1)
        return stride, self.padding, dilation, self.groups

    @property
    def taps(self):
        """Of a phase, on each of the last two axes."""
        return -(-self.kernel // self.stride)

    @property
    def weight(self):
        kernel = self.per_axis(self.kernel, self.depth)
        return self.out_channels, self.in_channels // self.groups, *kernel

    @property
    def output(self):
        strides, padding, dilations, _ = self.geometry
        sides = zip(self.size, padding, self.weight[2:], strides, dilations, strict=True)
        return tuple((n + sum(pad) - d * (k - 1) - 1) // s + 1 for n, pad, k, s, d in sides)


SHAPES = [
    Shape(1, 16, 16, (12, 12)),
    Shape(2, 17, 31, (13, 55)),
    Shape(1, 67, 5, (7, 66), ((0, 2), (2, 0))),
    Shape(3, 3, 67, (4, 9), ((2, 2), (1, 2))),
    Shape(2, 20, 24, (14, 14), ((0, 0), (0, 0)), groups=4),
    Shape(2, 19, 21, (13, 18), ((2, 2), (1, 2)), kernel=5),
    Shape(2, 21, 34, (13, 30), ((2, 1), (2, 3)), dilation=2),
    Shape(2, 35, 18, (15, 17), ((1, 1), (1, 1)), stride=2),
    Shape(1, 18, 19, (4, 9, 10), ((1, 0), (1, 1), (1, 1)), depth=2),
    Shape(1, 256, 100, (14, 14)),
    Shape(1, 64, 64, (56, 56)),
    Shape(1, 1, 64, (3, 3), ((0, 0), (0, 0))),
    Shape(1, 8, 8, (3, 200), ((3, 1), (3, 4))),
    Shape(1, 20, 20, (29, 31), ((3, 7), (7, 3)), dilation=7),
    Shape(1, 7, 40, (25, 31), ((3, 2), (1, 6)), groups=1, kernel=5, dilation=3),
    Shape(1, 17, 23, (23, 40), ((0, 2), (2, 0)), kernel=4, stride=2),
    Shape(1, 40, 33, (20, 25), ((2, 2), (1, 3)), kernel=5, stride=2),
    Shape(2, 24, 20, (19, 18), ((0, 1), (3, 0)), groups=2, kernel=6, stride=2),
    Shape(1, 33, 20, (21, 18), ((0, 1), (1, 0)), kernel=2),
    Shape(2, 20, 17, (3, 12, 11), ((1, 1), (0, 2), (2, 2)), kernel=3, stride=2, depth=3),
    Shape(2, 18, 33, (67,), ((1, 0),)),
    Shape(3, 35, 17, (40,), ((2, 2),), kernel=5, dilation=2),
    Shape(1, 20, 21, (150,), ((0, 3),), groups=1, kernel=4),
    Shape(1, 19, 40, (70,), ((1, 1),), kernel=6, stride=2),
    Shape(2, 17, 20, (33,), ((1, 16),), kernel=2, dilation=16),
    Shape(1, 24, 18, (9, 21), ((1, 2), (1, 1)), kernel=3, dilation=3, one_row=True),
    Shape(2, 35, 40, (25, 18), ((2, 2), (2, 0)), kernel=5),
    Shape(1, 72, 70, (28, 30), ((4, 0), (0, 5)), groups=2, kernel=5),
    # Some of a unit's phases at a time; the last of them may be fewer.
    Shape(1, 20, 33, (211,), ((5, 40),), kernel=2, dilation=33),
    Shape(2, 18, 35, (150,), ((17, 3),), dilation=17),
    Shape(1, 33, 17, (400,), ((31, 31),), kernel=5, dilation=31),
    Shape(2, 19, 20, (300,), ((0, 0),), kernel=4, dilation=64),
    Shape(2, 20, 18, (5, 130), ((1, 1), (41, 39)), dilation=40, one_row=True),
    Shape(1, 17, 20, (45, 50), ((19, 20), (18, 23)), dilation=19),
    Shape(1, 18, 17, (2, 30, 41), ((1, 0), (13, 0), (2, 11)), kernel=2, dilation=13, depth=2),
    Shape(1, 36, 33, (60, 63), ((22, 22), (22, 21)), kernel=5, dilation=11),
]


@pytest.fixture(autouse=True)
def default_precision():
    _core.set_precision("default")


def draw(shape, spread="normal"):
    """Input, weight, bias and grad_output of a convolution."""
    rng = generator("winograd", shape, spread)
    n, k = shape.batch, shape.out_channels
    sizes = [(n, shape.in_channels, *shape.size), shape.weight, (k,), (n, k, *shape.output)]
    arrays = [rng.standard_normal(size) for size in sizes]
    if spread == "positive":
        arrays = [np.abs(array) for array in arrays]
    if spread == "wide":
        arrays = [
            array * 10.0 ** rng.integers(-20, 21, array.shape[:1] + (1,) * (array.ndim - 1))
            for array in arrays
        ]
        arrays[1] = rng.standard_normal(sizes[1])
    return [array.astype(np.float32) for array in arrays]


def forward(arrays, shape, **options):
    x, w, b, _ = arrays
    return _core.conv_forward(shape.axes, x, w, b, *shape.geometry, **options)


def grad_input(arrays, shape, **options):
    x, w, _, g = arrays
    return _core.conv_grad_input(shape.axes, g, w, x.shape, *shape.geometry, **options)


def grad_weight(arrays, shape, **options):
    x, w, _, g = arrays
    return _core.conv_grad_weight(shape.axes, g, x, w.shape, *shape.geometry, **options)


OPERATIONS = [forward, grad_input, grad_weight]


def define(operation, arrays, shape):
    x, w, b, g = (array.astype(np.float64) for array in arrays)
    if operation is forward:
        return reference.conv_forward(x, w, b, *shape.geometry)
    if operation is grad_input:
        return reference.conv_grad_input(g, w, x.shape, *shape.geometry)
    return reference.conv_grad_weight(g, x, w.shape, *shape.geometry)


@cache
def exact(operation, shape, spread="normal"):
    return define(operation, draw(shape, spread), shape)


def applies(operation, shape, algorithm):
    """
    Tiles go with taps and have more than one output; those of 4 with 5 taps are held back where errors show.
    """
    one_axis = shape.axes == 1 or shape.one_row
    tiles = {2: [4, 3], 3: [4] if one_axis else [4, 2], 4: [3] if one_axis else [], 5: [4, 2]}[shape.taps]
    tile = int(algorithm.removeprefix("winograd_"))
    results = shape.size if operation is grad_input else shape.output
    if tile not in tiles or shape.dilation > min(results[-1:] if one_axis else results[-2:]):
        return False
    rough = algorithm == "winograd_4" and shape.taps == 5
    if operation is grad_weight:
        return shape.stride == 1 and shape.taps > 2 and (one_axis or not rough)
    if operation is forward:
        depth, results, plane = shape.in_channels, shape.out_channels * np.prod(shape.output), shape.size
    else:
        depth, results, plane = shape.out_channels, shape.in_channels * np.prod(shape.size), shape.output
    depth, results = depth * shape.depth // shape.groups, shape.batch * results
    if results < 64 or (rough and depth < (4 if one_axis else 32)):
        return False
    return not rough or one_axis or (results >= 16384 and min(plane[-2:]) >= 8)


def cases(shapes=SHAPES):
    """Every shape with the operations and algorithms that serve it."""
    every = itertools.product(shapes, OPERATIONS, ALGORITHMS)
    return [case for case in every if applies(case[1], case[0], case[2])]


def check_errors(operation, shape, spread, algorithm):
    arrays = draw(shape, spread)
    expected = exact(operation, shape, spread)
    error = operation(arrays, shape, algorithm=algorithm) - expected
    assert np.abs(error).max() <= LARGEST_ERROR * np.abs(expected).max()
    # With so few products the direct sum hardly rounds; nobody would choose Winograd there.
    channels = shape.in_channels if operation is forward else shape.out_channels
    if operation is grad_weight or channels // shape.groups < 4:
        return
    direct = operation(arrays, shape, algorithm="im2col_gemm") - expected
    assert np.sqrt(np.mean(np.square(error))) <= RMS_RATIO * np.sqrt(np.mean(np.square(direct)))


@pytest.mark.parametrize("spread", ["normal", "positive"])
@pytest.mark.parametrize(("shape", "operation", "algorithm"), cases())
def test_errors_stay_within_the_promise(shape, operation, algorithm, spread, isa):
    check_errors(operation, shape, spread, algorithm)


@settings(max_examples=90)
@given(st.data())
def test_errors_on_any_shape(isa, data):
    size, groups, stride = st.integers(1, 40), data.draw(st.integers(1, 2)), data.draw(st.integers(1, 2))
    kernel = data.draw(st.sampled_from([2, 3, 5] if stride == 1 else [3, 4, 5, 6]))
    kind = data.draw(st.sampled_from(["line", "row", "plane", "plane", "volume"]))
    dilation = data.draw(st.integers(1, 1 if stride == 2 else 40 if kind in ("line", "row") else 12))
    padding = tuple((data.draw(st.integers(0, 3)), data.draw(st.integers(0, 3))) for _ in range(2))
    extent = dilation * (kernel - 1) + 1
    plane = tuple(max(data.draw(size), extent - sum(sides)) for sides in padding)
    channels = tuple(groups * data.draw(size) for _ in range(2))
    shape = Shape(data.draw(st.integers(1, 2)), *channels, plane, padding, groups, kernel, stride, dilation)
    if kind == "line":
        shape = shape._replace(size=plane[1:], padding=padding[1:])
    elif kind == "row":
        shape = shape._replace(one_row=True)
    elif kind == "volume":
        depth, sides = (
            data.draw(st.integers(1, 3)),
            (data.draw(st.integers(0, 2)), data.draw(st.integers(0, 2))),
        )
        slices = max(data.draw(st.integers(1, 4)), depth - sum(sides))
        shape = shape._replace(size=(slices, *plane), padding=(sides, *padding), depth=depth)
    arrays = draw(shape)
    for _, operation, algorithm in cases([shape]):
        expected = exact(operation, shape)
        error = np.abs(operation(arrays, shape, algorithm=algorithm) - expected).max()
        assert error <= LARGEST_ERROR * np.abs(expected).max(), (shape, operation, algorithm)


def explain(operation, shape, **options):
    """What would run."""
    x, w, _, _ = draw(shape)
    return _core.conv_explain(operation.__name__, "float32", x.shape, w.shape, *shape.geometry, **options)


@pytest.mark.parametrize(
    ("shape", "algorithm"),
    [
        (Shape(1, 32, 32, (20, 20)), "winograd_4"),
        (Shape(8, 64, 48, (7, 7)), "winograd_4"),
        (Shape(2, 32, 40, (28, 28)), "winograd_4"),
        (Shape(1, 48, 64, (14, 14)), "winograd_2"),
        (Shape(1, 64, 64, (9, 9)), "winograd_2"),
        (Shape(2, 32, 40, (28, 28), ((2, 2), (2, 2)), kernel=5), "winograd_2"),
        (Shape(1, 64, 64, (51,), ((0, 0),)), "winograd_4"),
        (Shape(4, 64, 64, (16,), ((0, 0),), kernel=4), "winograd_3"),
        (Shape(8, 48, 64, (64,), ((0, 0),), kernel=5), "winograd_4"),
        (Shape(2, 48, 64, (64,), ((0, 0),), kernel=5), "winograd_2"),
        (Shape(1, 64, 64, (14, 14), ((2, 2), (2, 2)), kernel=5), "direct_channels"),
    ],
    ids=str,
)
def test_the_gradient_in_the_weights_rounds_little_more_than_a_plain_sum(shape, algorithm, isa):
    """Winograd is chosen only over so many points that it does."""
    assert explain(grad_weight, shape)["algorithm"] == algorithm
    arrays = draw(shape)
    expected = exact(grad_weight, shape)
    error, direct = (
        np.sqrt(np.mean(np.square(grad_weight(arrays, shape, algorithm=name) - expected)))
        for name in (None, "im2col_gemm")
    )
    assert error <= GRAD_WEIGHT_RMS_RATIO * direct


def test_five_taps_stay_within_the_bounds_however_many_channels(isa):
    for channels in (32, 64, 257):
        shape = Shape(1, channels, 23, (28, 28), ((2, 2), (2, 2)), kernel=5)
        check_errors(forward, shape, "normal", "winograd_4")


@pytest.mark.parametrize("operation", [forward, grad_input])
def test_stride_2_stays_within_the_bounds_however_many_channels(operation, isa):
    """Four phases of as many channels are one sum."""
    for channels in (64, 300):
        check_errors(operation, Shape(1, channels, channels, (48, 48), stride=2), "normal", "winograd_4")


@pytest.mark.parametrize(
    ("shape", "operation", "algorithm"),
    [
        case
        for case in cases([Shape(6, 16, 20, (13, 14)), Shape(6, 16, 20, (13, 14), stride=2)])
        if case[1] is not grad_weight
    ],
)
def test_wide_ranges_stay_finite_and_close(shape, operation, algorithm, isa):
    """Images of very different sizes in a batch do not disturb each other."""
    arrays = draw(shape, "wide")
    expected = exact(operation, shape, "wide")
    actual = operation(arrays, shape, algorithm=algorithm)
    for image, truth in zip(actual, expected, strict=True):
        assert np.abs(image - truth).max() <= LARGEST_ERROR * np.abs(truth).max()


@pytest.mark.parametrize(
    ("kernel", "stride", "dilation"), [(3, 1, 1), (5, 1, 1), (3, 1, 3), (3, 2, 1), (5, 2, 1)]
)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_small_integers_round_to_the_exact_result(operation, kernel, stride, dilation, isa):
    shape = Shape(2, 38, 33, (15, 33), ((1, 1), (2, 2)), 1, kernel, stride, dilation)
    arrays = draw(shape)
    arrays = [generator("integers", i).integers(-4, 5, a.shape) for i, a in enumerate(arrays)]
    expected = define(operation, arrays, shape)
    for algorithm in ALGORITHMS:
        if applies(operation, shape, algorithm):
            actual = operation([a.astype(np.float32) for a in arrays], shape, algorithm=algorithm)
            np.testing.assert_array_equal(np.rint(actual), expected)


@pytest.mark.parametrize(
    ("algorithm", "shape", "shift"),
    [
        ("winograd_4", Shape(1, 18, 18, (24, 24)), (4, 8)),
        ("winograd_2", Shape(1, 18, 18, (24, 24)), (4, 8)),
        ("winograd_4", Shape(1, 18, 18, (48, 48), ((2, 2), (2, 2)), dilation=2), (8, 16)),
        ("winograd_4", Shape(1, 18, 18, (24, 24), ((1, 0), (1, 0)), kernel=2), (4, 8)),
        ("winograd_3", Shape(1, 18, 18, (24, 24), ((1, 0), (1, 0)), kernel=2), (3, 6)),
    ],
)
@pytest.mark.parametrize("operation", [forward, grad_input])
def test_a_shifted_image_gives_the_shifted_result(operation, algorithm, shape, shift, isa):
    """By a whole tile, so that the same bits come out."""
    x, w, _, _ = draw(shape)
    moved = np.roll(x, shift, axis=(2, 3))
    one = operation((x, w, None, x), shape, algorithm=algorithm)
    other = operation((moved, w, None, moved), shape, algorithm=algorithm)
    (dy, dx), edge = shift, 2
    here = other[..., dy + edge : -edge, dx + edge : -edge]
    assert_same_bits(here, one[..., edge : -dy - edge, edge : -dx - edge])


def with_any_number_of_threads(operation, arrays, shape, algorithm):
    """Return the result, which any number of threads has."""
    results = []
    for threads in (1, 2, 3, 7):
        _core.set_num_threads(threads)
        results.append(operation(arrays, shape, algorithm=algorithm))
    for result in results[1:]:
        assert_same_bits(result, results[0])
    return results[0]


@pytest.mark.parametrize(("shape", "operation", "algorithm"), cases([*SHAPES[:9], *SHAPES[-2:]]))
def test_same_bits_for_any_number_of_threads(shape, operation, algorithm, isa):
    with_any_number_of_threads(operation, draw(shape), shape, algorithm)


# By all numbers of threads with AVX-512, and by some alone.
SHARED = [
    (forward, Shape(1, 300, 500, (31, 30), stride=2), "winograd_4"),
    (forward, Shape(1, 700, 640, (32, 30)), "winograd_4"),
    (grad_input, Shape(1, 900, 900, (30, 29)), "winograd_2"),
    (forward, Shape(1, 300, 300, (30, 31), ((2, 2), (2, 2)), kernel=5), "winograd_4"),
    (forward, Shape(1, 2000, 1500, (900,), ((1, 1),)), "winograd_4"),
    (forward, Shape(1, 180, 250, (31, 30), stride=2), "winograd_3"),
    (grad_input, Shape(1, 150, 250, (31, 30), stride=2), "winograd_4"),
    (forward, Shape(1, 120, 200, (3, 14, 15), ((1, 1),) * 3, depth=2), "winograd_4"),
    (grad_input, Shape(1, 300, 260, (23, 21), ((2, 2), (2, 2)), dilation=2), "winograd_4"),
    (forward, Shape(2, 320, 280, (14, 14), groups=2), "winograd_4"),
]


def some_channels(operation, arrays, shape, channels):
    """The problem of some of the result's channels alone, whose transformed weights stay in L2."""
    x, w, b, g = arrays
    count = channels.stop - channels.start
    if operation is forward:
        return (x, w[channels], b[channels], g[:, channels]), shape._replace(out_channels=count)
    return (x[:, channels], w[:, channels], b, g), shape._replace(in_channels=count)


@pytest.mark.parametrize(("operation", "shape", "algorithm"), SHARED)
def test_blocks_that_threads_share(operation, shape, algorithm, isa):
    """All threads work on one block, with the bits of blocks of their own."""
    arrays = draw(shape)
    result = with_any_number_of_threads(operation, arrays, shape, algorithm)
    if shape.groups == 1:
        for first in range(0, result.shape[1], 64):
            channels = slice(first, min(first + 64, result.shape[1]))
            alone, some = some_channels(operation, arrays, shape, channels)
            assert_same_bits(operation(alone, some, algorithm=algorithm), result[:, channels])


# The definition of the others in float64 takes up to a minute.
@pytest.mark.parametrize(("operation", "shape", "algorithm"), [SHARED[0], *SHARED[5:]])
def test_errors_of_blocks_that_threads_share(operation, shape, algorithm, isa):
    _core.set_num_threads(7)
    check_errors(operation, shape, "normal", algorithm)


@pytest.mark.parametrize("size", [(9, 10), (17, 30)])
def test_weights_from_memory(size, isa):
    """A few rows of tiles, under which all of the next transformed weights, 50 MB, are asked for."""
    shape = Shape(1, 640, 560, size)
    arrays = draw(shape)
    result = with_any_number_of_threads(forward, arrays, shape, "winograd_4")
    alone, some = some_channels(forward, arrays, shape, slice(500, 560))
    assert_same_bits(forward(alone, some, algorithm="winograd_4"), result[:, 500:])


def test_threads_share_blocks_where_weights_are_large(isa):
    operation, shape, algorithm = SHARED[0]
    _core.set_num_threads(7)
    assert "shared blocks" in explain(operation, shape, algorithm=algorithm)["kernel"]
    few = shape._replace(in_channels=64, out_channels=32)
    assert "shared blocks" not in explain(operation, few, algorithm=algorithm)["kernel"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_same_bits_for_any_layout(algorithm, isa, layouts):
    shape = Shape(2, 17, 31, (13, 55), kernel=2 if algorithm == "winograd_3" else 3)
    arrays = draw(shape)
    for operation in OPERATIONS:
        if not applies(operation, shape, algorithm):
            continue
        expected = operation(arrays, shape, algorithm=algorithm)
        for position in range(4):
            for name, variant in layouts(arrays[position]):
                changed = [*arrays[:position], variant, *arrays[position + 1 :]]
                assert_same_bits(operation(changed, shape, algorithm=algorithm), expected, name)


def test_a_long_sum_in_several_steps(isa):
    """Blocks of grad_weight advance together where one alone would keep an interrupt waiting."""
    shape = Shape(3, 80, 72, (56, 57))
    arrays = draw(shape)
    expected, results = exact(grad_weight, shape), []
    for threads in (1, 3):
        _core.set_num_threads(threads)
        results.append(grad_weight(arrays, shape, algorithm="winograd_4"))
    assert np.abs(results[0] - expected).max() <= LARGEST_ERROR * np.abs(expected).max()
    assert_same_bits(*results)


NOT_FINITE = [
    Shape(1, 17, 18, (13, 22)),
    Shape(1, 36, 40, (21, 22), ((2, 2), (2, 2)), kernel=5),
    Shape(1, 17, 18, (19, 20), ((2, 2), (2, 2)), dilation=2),
    Shape(1, 17, 18, (20, 17), stride=2),
    Shape(1, 6, 5, (3, 8, 9), ((1, 1), (1, 1), (1, 1)), depth=3),
    Shape(1, 17, 18, (50,), ((2, 2),), dilation=2),
    Shape(1, 17, 18, (120,), ((20, 20),), dilation=20),
    Shape(2, 200, 210, (14, 13)),
]


@pytest.mark.parametrize(("shape", "operation", "algorithm"), cases(NOT_FINITE))
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 3e38])
@pytest.mark.parametrize("where", ["input", "weight", "bias", "grad_output"])
def test_non_finite_values_appear_where_the_definition_puts_them(
    where, value, shape, operation, algorithm, isa
):
    arrays = draw(shape)
    target = arrays[["input", "weight", "bias", "grad_output"].index(where)]
    target.flat[[5 % target.size, 777 % target.size]] = value
    with np.errstate(over="ignore", invalid="ignore"):
        expected = operation(arrays, shape, algorithm="im2col_gemm")
        actual = operation(arrays, shape, algorithm=algorithm)
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(np.isfinite(actual), finite)
    np.testing.assert_array_equal(actual[~finite], expected[~finite])


def test_the_gradient_in_the_weights_sums_over_the_padding_value(isa):
    """Only zeros may be left out of the sums."""
    shape = Shape(8, 32, 32, (20, 20))
    arrays = draw(shape)
    x, w, _, g = arrays
    actual = _core.conv_grad_weight(2, g, x, w.shape, *shape.geometry, 2.0)
    padded = np.pad(x, [(0, 0), (0, 0), (1, 1), (1, 1)], constant_values=2)
    expected = reference.conv_grad_weight(g.astype(np.float64), padded.astype(np.float64), w.shape, 1, 0)
    assert np.abs(actual - expected).max() <= LARGEST_ERROR * np.abs(expected).max()


@pytest.mark.parametrize("batch", [0, 3])
def test_no_sum_is_zero(batch, isa):
    x, g = np.ones((batch, 20, 8, 8), np.float32), np.zeros((batch, 24, 8, 8), np.float32)
    for algorithm in ("winograd_4", "winograd_2"):
        actual = _core.conv_grad_weight(2, g, x, (24, 20, 3, 3), 1, 1, 1, 1, algorithm=algorithm)
        np.testing.assert_array_equal(actual, np.zeros((24, 20, 3, 3), np.float32))


def test_the_first_choice_for_common_layers(isa):
    for n, channels, size in [(1, 64, 56), (16, 64, 56), (16, 256, 14), (1, 128, 28)]:
        plan = _core.conv_explain(
            "forward", "float32", (n, channels, size, size), (channels, channels, 3, 3), 1, 1, 1, 1
        )
        assert plan["algorithm"] == "winograd_4", plan
    for operation in OPERATIONS:
        for n, channels, size, taps in [(8, 128, 28, 3), (16, 256, 14, 3), (8, 96, 27, 5)]:
            shape = Shape(n, channels, channels, (size, size), ((taps // 2,) * 2,) * 2, kernel=taps)
            small = operation is grad_weight and taps == 5
            plan = explain(operation, shape)
            assert plan["algorithm"] == ("winograd_2" if small else "winograd_4"), plan
            assert plan["workspace_bytes"] <= 2**21 * plan["threads"]
    for operation, shape, algorithm in [
        (forward, Shape(8, 256, 256, (28, 28), ((2, 2), (2, 2)), dilation=2), "winograd_4"),
        (grad_weight, Shape(8, 128, 128, (28, 28), ((2, 2), (2, 2)), dilation=2), "winograd_4"),
        (forward, Shape(1, 128, 256, (8, 28, 28), ((1, 1),) * 3, depth=3), "winograd_4"),
        (forward, Shape(4, 64, 64, (56, 56), ((2, 2), (2, 2)), kernel=5, stride=2), "winograd_4"),
        (grad_input, Shape(1, 64, 128, (64, 64), kernel=4, stride=2), "winograd_3"),
        (forward, Shape(64, 300, 100, (64,), ((0, 0),), kernel=4), "winograd_3"),
        (grad_weight, Shape(64, 300, 100, (64,), ((0, 0),), kernel=5), "winograd_4"),
        (forward, Shape(1, 64, 128, (8512,), ((0, 0),), kernel=2, dilation=512), "winograd_4"),
        (grad_weight, Shape(1, 64, 64, (8, 28, 28), ((1, 1),) * 3, depth=3), "winograd_4"),
    ]:
        plan = explain(operation, shape)
        assert plan["algorithm"] == algorithm, plan
        assert plan["workspace_bytes"] <= 2**21 * plan["threads"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"dtype": "float64"}, "float32"),
        ({"weight": (64, 64, 7, 7)}, "2 x 2, 3 x 3, 5 x 5"),
        ({"weight": (64, 64, 4, 4)}, "2 x 2, 3 x 3, 5 x 5"),
        ({"weight": (64, 64, 3, 5)}, "kernels of one row, or rows and columns of the same kernel"),
        ({"weight": (24, 24, 5, 5), "input": (1, 24, 56, 56)}, "5 x 5 kernels over many"),
        ({"weight": (2, 24, 3, 3), "input": (1, 24, 1, 1)}, "64 results"),
        ({"stride": 3}, "stride 1, forward and grad_input also 2"),
        ({"stride": 2, "dilation": 2}, "stride 1 or dilation 1"),
        ({"dilation": 57, "padding": 57}, "dilations up to the size of the result"),
    ],
)
def test_it_says_where_it_does_not_apply(change, reason):
    settings = {
        "dtype": "float32", "input": (1, 64, 56, 56), "weight": (64, 64, 3, 3),
        "stride": 1, "padding": 2, "dilation": 1,
    } | change  # fmt: skip
    plan = _core.conv_explain("forward", *settings.values(), 1, algorithm="reference")
    assert f"not winograd_4: for {reason}" in plan["reason"]


def test_strict_precision_does_without(strict):
    plan = _core.conv_explain("forward", "float32", (1, 64, 57, 57), (64, 64, 3, 3), 1, 1, 1, 1)
    assert plan["algorithm"] == "direct_channels"
    assert "not winograd_4: strict precision" in plan["reason"]
    with pytest.raises(ValueError, match=r"algorithm: winograd_4 does not apply: strict precision"):
        _core.conv_explain(
            "forward", "float32", (1, 64, 57, 57), (64, 64, 3, 3), 1, 1, 1, 1, algorithm="winograd_4"
        )
