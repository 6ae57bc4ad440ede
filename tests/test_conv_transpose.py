"""The transposed convolution: exact on integers, the adjoint of the convolution, its sizes and refusals."""

from dataclasses import dataclass
from functools import cache, cached_property
from itertools import product

import numpy as np
import pytest
from autograd.test_util import check_grads
from hypothesis import event, given, settings
from hypothesis import strategies as st

import convnative as cn
import reference
from arrays import assert_exact, assert_same_bits, assert_within, gamma, generator, small_integers
from convnative import _core, nn, shapes
from convnative import functional as F
from convnative.summary import summary
from convolutions import algorithms, cast, try_algorithm
from test_shapes_agree import ODD, SIDES, WINDOW, agree, one_or_each, outcome, paddings, rarely

FORWARD = [None, *algorithms("grad_input")]
GRADIENTS = {
    "grad_input": [None, *algorithms("forward")],
    "grad_weight": [None, *algorithms("grad_weight")],
}


@dataclass(frozen=True)
class Case:
    """One transposed convolution; `batch` is None for an unbatched input."""

    batch: int | None
    in_channels: int
    out_channels: int
    sizes: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...] | str
    output_padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int = 1
    bias: bool = True

    @property
    def axes(self):
        return len(self.sizes)

    @property
    def input_shape(self):
        lead = () if self.batch is None else (self.batch,)
        return (*lead, self.in_channels, *self.sizes)

    @property
    def weight_shape(self):
        return (self.in_channels, self.out_channels // self.groups, *self.kernel)

    @property
    def geometry(self):
        return self.stride, self.padding, self.output_padding, self.groups, self.dilation

    @cached_property
    def data(self):
        """Integer input, weight and bias (or None)."""
        rng = generator(self)
        return (
            small_integers(rng, self.input_shape),
            small_integers(rng, self.weight_shape),
            small_integers(rng, self.out_channels, 100) if self.bias else None,
        )

    @cached_property
    def output(self):
        return reference.conv_transpose_forward(*self.data, *self.geometry)

    @cached_property
    def grad_output(self):
        return small_integers(generator(self, "grad_output"), self.output.shape)


@st.composite
def cases(draw):
    axes = draw(st.integers(1, 3))
    small = st.integers(1, 3)
    groups = draw(small)
    kernel, stride, dilation = (tuple(draw(st.integers(1, most)) for _ in range(axes)) for most in (5, 4, 3))
    sizes = tuple(draw(st.integers(1, (40, 12, 5)[axes - 1])) for _ in range(axes))
    extra = tuple(draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True))
    whole = [
        (n - 1) * s + d * (k - 1) + 1 + e
        for n, s, d, k, e in zip(sizes, stride, dilation, kernel, extra, strict=True)
    ]
    before = [draw(st.integers(0, min(w - 1, 6))) for w in whole]
    padding = tuple((b, draw(st.integers(0, min(w - 1 - b, 6)))) for w, b in zip(whole, before, strict=True))
    padding = draw(st.sampled_from([padding, padding, padding, "same", "same_lower", "valid"]))
    return Case(
        draw(st.sampled_from([None, 0, 1, 2, 3])), groups * draw(st.integers(1, 9)),
        groups * draw(st.integers(1, 18)), sizes, kernel, stride, padding, extra, dilation, groups,
        draw(st.booleans()),
    )  # fmt: skip


@cache
def listed_cases():
    """Every kernel, stride and dilation along an axis, with kernels shorter than the stride among them."""
    rng = generator("transposed")
    found = []
    for number, (kernel, stride, dilation, name) in enumerate(
        product(range(1, 6), range(1, 5), range(1, 4), ["pairs", "pairs", "same", "same_lower", "valid"])
    ):
        axes = 1 + number % 3
        draw = lambda low, high, axes=axes: rng.integers(low, high, axes).tolist()  # noqa: E731
        kernels, strides, dilations = draw(1, 4), draw(1, 4), draw(1, 3)
        kernels[-1], strides[-1], dilations[-1] = kernel, stride, dilation
        sizes = draw(1, (70, 20, 6)[axes - 1])
        extra = [int(rng.integers(0, max(s, d))) for s, d in zip(strides, dilations, strict=True)]
        room = [
            (n - 1) * s + d * (k - 1) + e
            for n, s, d, k, e in zip(sizes, strides, dilations, kernels, extra, strict=True)
        ]
        pairs = tuple((min(r // 2, number % 4), min(r // 2, number % 3)) for r in room)
        groups = 1 + number % 3
        found.append(
            Case(
                (1, 3, None, 2, 0)[number % 5], groups * (1 + number % 6), groups * (1 + number % 18),
                tuple(sizes), tuple(kernels), tuple(strides), pairs if name == "pairs" else name,
                tuple(extra), tuple(dilations), groups, number % 2 == 0,
            )
        )  # fmt: skip
    return found


def enlarging(batch, channels, sizes, kernel, groups=1, bias=True):
    none = (0,) * len(sizes)
    return Case(
        batch, *channels, sizes, kernel, kernel, tuple((0, 0) for _ in sizes), none, tuple(1 for _ in sizes),
        groups, bias,
    )  # fmt: skip


# Every point of the input becomes a block of the output: widths with tails, every number of rows that
# interleave, panels that span rows and images, sums up to the longest that interleave and longer ones.
ENLARGING = [
    *(enlarging(1 + w % 3, (1 + w % 7, 1 + w % 4), (2, w), (2, 2), bias=w % 2 == 0) for w in range(1, 68)),
    *(enlarging(2, (6, 4), (3, 11), (s % 3 + 1, s), 1 + s % 2) for s in range(2, 12)),
    *(enlarging(2, (3, 4), (s, 5), (s, 1), bias=s == 2) for s in (2, 3)),
    *(enlarging(3, (c, 9), (3, 7), (2, 2)) for c in (639, 641, 1280, 1281)),
    enlarging(1, (5, 150), (20, 23), (2, 2)),
    enlarging(2, (4, 3), (50,), (2,)),
    enlarging(2, (4, 6), (3, 5, 9), (2, 3, 2), 2),
    enlarging(1, (4, 3), (3, 5, 9), (3, 1, 4)),
]

LARGE = [
    Case(2, 64, 70, (14, 15), (4, 4), (2, 2), ((1, 1), (1, 1)), (0, 0), (1, 1)),
    Case(1, 70, 300, (13, 13), (3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1), (1, 1)),
    Case(1, 3, 2, (30, 33), (9, 11), (1, 1), ((4, 4), (5, 5)), (0, 0), (1, 1)),
    Case(3, 33, 20, (7, 40), (3, 5), (3, 2), ((0, 2), (1, 0)), (2, 1), (2, 1)),
]


def forward(case, data, **options):
    return _core.conv_transpose_forward(case.axes, *data, *case.geometry, **options)


def gradient(operation, case, g, x, w, **options):
    if operation == "grad_input":
        return _core.conv_transpose_grad_input(case.axes, g, w, case.input_shape, *case.geometry, **options)
    return _core.conv_transpose_grad_weight(case.axes, g, x, case.weight_shape, *case.geometry, **options)


# -- integers, bit for bit ----------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", FORWARD)
def test_integers_are_exact(algorithm, dtype, isa, strict):
    applied = 0
    every = [*listed_cases(), *ENLARGING, *LARGE]
    for case in every[::4] if algorithm == "reference" else every:
        actual = try_algorithm(forward, case, cast(case.data, dtype), algorithm=algorithm)
        if actual is not None:
            applied += 1
            assert_exact(actual, case.output, dtype, (case, algorithm))
    if not applied:
        pytest.skip(f"{algorithm} applies to none of these")


@given(case=cases())
@settings(max_examples=50)
def test_drawn_integers_are_exact(case, dtype, isa, strict):
    for algorithm in FORWARD:
        actual = try_algorithm(forward, case, cast(case.data, dtype), algorithm=algorithm)
        if actual is not None:
            assert_exact(actual, case.output, dtype, (case, algorithm))


@pytest.mark.parametrize("operation", ["grad_input", "grad_weight"])
def test_gradients_are_exact(operation, dtype, isa, strict):
    """By the identity that defines them: <f(x, w), g> = <x, grad_input> for every unit x, and so for w."""
    for case in [*listed_cases()[::3], *LARGE[:1]]:
        x, w, _ = case.data
        g = case.grad_output
        for algorithm in GRADIENTS[operation] if case not in LARGE else [None]:
            actual = try_algorithm(gradient, operation, case, *cast((g, x, w), dtype), algorithm=algorithm)
            if actual is None:
                continue
            other = x if operation == "grad_input" else w
            assert actual.shape == other.shape
            probe = small_integers(generator(case, "probe"), other.shape)
            pair = (probe, w) if operation == "grad_input" else (x, probe)
            expected = (reference.conv_transpose_forward(*pair, None, *case.geometry) * g).sum()
            assert (actual.astype(np.int64) * probe).sum() == expected, (case, operation, algorithm)


def test_it_is_the_gradient_of_the_convolution(dtype, isa):
    for case in listed_cases():
        if isinstance(case.padding, str) or any(
            e >= s for e, s in zip(case.output_padding, case.stride, strict=True)
        ):
            continue
        x, w, _ = cast(case.data, dtype)
        conv = _core.conv_grad_input(
            case.axes, x, w, case.output.shape, case.stride, case.padding, case.dilation, case.groups
        )
        assert_same_bits(forward(case, (x, w, None)), conv, case)


@pytest.mark.parametrize("name", ["same", "same_lower"])
def test_same_is_the_adjoint_of_same(name, dtype, isa):
    """The output has input * stride elements: the convolution of that padding leads back to the input."""
    rng = generator(name)
    for kernel, stride, dilation, size in product(range(1, 6), range(1, 5), range(1, 3), (1, 2, 5)):
        x = small_integers(rng, (2, 3, size)).astype(dtype)
        w = small_integers(rng, (3, 2, kernel)).astype(dtype)
        y = F.conv_transpose1d(x, w, None, stride, name, dilation=dilation)
        assert y.shape == (2, 2, size * stride)
        assert_same_bits(y, F.conv1d_grad_input(x, w, y.shape, stride, name, dilation), (kernel, stride))


def test_results_by_hand():
    x, w = np.array([[[1.0, 2.0, 3.0]]]), np.array([[[1.0, 10.0, 100.0]]])
    assert F.conv_transpose1d(x, w).ravel().tolist() == [1, 12, 123, 230, 300]
    assert F.conv_transpose1d(x, w, stride=2).ravel().tolist() == [1, 10, 102, 20, 203, 30, 300]
    assert F.conv_transpose1d(x, w, stride=2, padding=[(2, 1)]).ravel().tolist() == [102, 20, 203, 30]
    assert F.conv_transpose1d(x, w, np.array([0.5]), 4, 0, 2).ravel().tolist() == [
        1.5, 10.5, 100.5, 0.5, 2.5, 20.5, 200.5, 0.5, 3.5, 30.5, 300.5, 0.5, 0.5,
    ]  # fmt: skip


# -- floats, threads, layouts -------------------------------------------------------------------


def float_data(case, dtype):
    rng = generator(case, "floats")
    shapes = case.input_shape, case.weight_shape, (case.out_channels,)
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


@pytest.mark.parametrize("case", LARGE, ids=lambda case: str(case.sizes))
def test_floats_within_the_bound(case, dtype, isa, strict):
    data = float_data(case, dtype)
    exact = reference.conv_transpose_forward(*data, *case.geometry)
    magnitude = reference.conv_transpose_forward(*map(np.abs, data), *case.geometry)
    products = int(np.prod(case.weight_shape)) // case.out_channels * case.groups
    bound = exact.dtype.type(gamma(products + 2, dtype)) * magnitude
    assert_within(forward(case, data), exact, bound)


@pytest.mark.parametrize("case", LARGE, ids=lambda case: str(case.sizes))
def test_same_bits_however_it_runs(case, dtype, isa, layouts):
    x, w, b = float_data(case, dtype)
    expected = forward(case, (x, w, b))
    g = generator(case, "g").standard_normal(expected.shape).astype(dtype)
    gradients = [gradient(operation, case, g, x, w) for operation in GRADIENTS]
    for threads in (1, 2, 3, 7):
        _core.set_num_threads(threads)
        assert_same_bits(forward(case, (x, w, b)), expected, threads)
        for operation, gradient_ in zip(GRADIENTS, gradients, strict=True):
            assert_same_bits(gradient(operation, case, g, x, w), gradient_, (operation, threads))
    for name, variant in layouts(x):
        assert_same_bits(forward(case, (variant, w, b)), expected, name)
    for name, variant in layouts(w):
        assert_same_bits(forward(case, (x, variant, b)), expected, name)


@pytest.mark.parametrize("case", LARGE, ids=lambda case: str(case.sizes))
def test_same_bits_for_any_split_of_the_batch(case, dtype, isa, strict):
    x, w, b = float_data(case, dtype)
    for image, result in zip(x, forward(case, (x, w, b)), strict=True):
        assert_same_bits(forward(case, (image, w, b)), result)


def test_enlarging_gives_the_same_bits_whatever_interleaves(dtype, isa, strict):
    for case in ENLARGING[5::6]:
        x, w, b = float_data(case, dtype)
        expected = forward(case, (x, w, b), algorithm="direct_strip")
        for algorithm in ("im2col_gemm", "direct_strip"):
            for threads in (1, 2, 7):
                _core.set_num_threads(threads)
                actual = forward(case, (x, w, b), algorithm=algorithm)
                assert_same_bits(actual, expected, (case, algorithm, threads))
        for image, result in zip(x, expected, strict=True):
            assert_same_bits(forward(case, (image, w, b), algorithm="im2col_gemm"), result, case)


def test_out_and_the_empty_batch(dtype):
    case = LARGE[0]
    x, w, b = cast(case.data, dtype)
    out = np.full(case.output.shape, np.nan, dtype)
    assert F.conv_transpose2d(x, w, b, 2, 1, out=out) is out
    assert_exact(out, case.output, dtype)
    empty = F.conv_transpose2d(x[:0], w, b, 2, 1)
    assert_same_bits(empty, np.zeros((0, *case.output.shape[1:]), dtype))
    zeros = _core.conv_transpose_grad_weight(2, empty, x[:0], w.shape, *case.geometry)
    assert_same_bits(zeros, np.zeros_like(w))


# -- derivatives --------------------------------------------------------------------------------

DERIVATIVES = [
    (1, {"stride": 2, "padding": 1, "output_padding": 1, "groups": 2}),
    (1, {"dilation": 3, "output_padding": 2}),
    (2, {"stride": (2, 3), "padding": [(1, 0), (0, 2)]}),
    (2, {"stride": 2, "padding": "same", "dilation": 2}),
    (3, {"stride": (1, 2, 1), "padding": 1}),
]


@pytest.mark.parametrize(("axes", "options"), DERIVATIVES, ids=str)
@pytest.mark.parametrize("batch", [(2,), ()], ids=["batched", "unbatched"])
def test_derivatives(axes, options, batch):
    rng = generator(axes, str(options))
    function = getattr(F, f"conv_transpose{axes}d")
    x = rng.standard_normal((*batch, 2, *(3, 2, 3)[:axes]))
    w = rng.standard_normal((2, 2, *(3, 2, 2)[:axes]))
    b = rng.standard_normal(2 * options.get("groups", 1))
    check_grads(lambda x, w, b: function(x, w, b, **options), (0, 1, 2), modes=["fwd", "rev"])(x, w, b)
    check_grads(lambda x, w: function(x, w, **options), (0, 1), modes=["rev"], order=3)(x, w)


# -- sizes and refusals -------------------------------------------------------------------------


@st.composite
def shape_cases(draw):
    axes = draw(st.integers(1, 3))
    groups = draw(rarely(ODD, st.integers(0, 3)))
    factor = groups if isinstance(groups, int) and 0 < groups < 9 else 1
    channels = draw(rarely(st.integers(0, 7), st.integers(1, 3).map(lambda c: c * factor)))
    batch = draw(st.sampled_from([(), (0,), (1,), (2,)]))
    sizes = draw(st.lists(rarely(st.just(0), st.integers(1, 9), 30), min_size=axes, max_size=axes))
    kernel = draw(st.lists(rarely(st.just(0), st.integers(1, 5), 30), min_size=axes, max_size=axes))
    return {
        "input_shape": (*batch, channels, *sizes),
        "weight_shape": (
            draw(rarely(st.integers(0, 9), st.just(channels))),
            draw(st.integers(0, 3)),
            *kernel,
        ),
        "stride": draw(rarely(ODD, one_or_each(WINDOW, axes))),
        "padding": draw(paddings(axes)),
        "output_padding": draw(st.one_of(st.just(0), rarely(ODD, one_or_each(SIDES, axes)))),
        "groups": groups,
        "dilation": draw(rarely(ODD, one_or_each(WINDOW, axes))),
    }


@given(case=shape_cases())
@settings(max_examples=400)
def test_shapes_agree_with_the_core(case):
    ours = outcome(lambda: shapes.conv_transpose_output_shape(**case))
    axes = len(case["weight_shape"]) - 2
    x, w = (np.zeros(case[name], np.float32) for name in ("input_shape", "weight_shape"))
    names = "stride", "padding", "output_padding", "groups", "dilation"
    core = outcome(lambda: _core.conv_transpose_forward(axes, x, w, None, *(case[n] for n in names)).shape)
    event("refused" if isinstance(ours, type) else "answered")
    agree(ours, core, case)


def test_symbolic_sizes():
    assert str(shapes.conv_transpose_output_size("L", 3, 2, 1, 1)) == "2*L"
    assert str(shapes.conv_transpose_output_size("L", 5, 3, "same")) == "3*L"
    assert shapes.conv_transpose_output_shape(("N", 4, 5), (4, 2, 3), groups=2)[1:] == (4, 7)


@pytest.mark.parametrize(
    ("options", "blamed"),
    [
        ({"output_padding": 1}, "output_padding"),
        ({"output_padding": 2, "stride": 2, "dilation": 2}, "output_padding"),
        ({"output_padding": -1, "stride": 2}, "output_padding"),
        ({"padding": 3}, "padding"),
        ({"padding": -1}, "padding"),
        ({"padding": "causal"}, "padding"),
        ({"groups": 0}, "groups"),
        ({"groups": 2}, "groups"),
    ],
    ids=str,
)
def test_refusals(options, blamed):
    with pytest.raises(ValueError, match=rf"^{blamed}: expected .* received"):
        F.conv_transpose1d(np.ones((1, 3, 3)), np.ones((3, 1, 3)), **options)


@pytest.mark.parametrize(
    "options",
    [
        {"stride": 2**62},
        {"dilation": 2**62},
        {"stride": 2**61, "dilation": 2**61},
        {"padding": [(2**62, 2**62)]},
        {"stride": 2**63 - 1, "output_padding": 2**63 - 2},
    ],
    ids=str,
)
def test_sizes_beyond_64_bits(options):
    with pytest.raises((OverflowError, ValueError), match="expected"):
        F.conv_transpose1d(np.ones((1, 1, 3)), np.ones((1, 1, 3)), **options)


def test_weight_shape_times_groups_beyond_64_bits():
    weight = np.broadcast_to(np.float32(0), (4, 1, 1))
    with pytest.raises((OverflowError, ValueError)):
        F.conv_transpose1d(np.ones((1, 4, 3), np.float32), weight, groups=2**62)


# -- layers and summaries -----------------------------------------------------------------------


def test_summary():
    model = nn.Sequential(nn.Conv2d(1, 4, 3, stride=2, padding=1), nn.ConvTranspose2d(4, 2, 4, 2, 1))
    table = summary(model, (3, 1, 8, 8))
    assert table.output_shape == (3, 2, 8, 8)
    assert table.layers[1].macs == 3 * 4 * 16 * 2 * 16
    assert table.layers[1].weights == 4 * 2 * 16
    with pytest.raises(TypeError, match="weight: expected the input's dtype"):
        summary(nn.ConvTranspose1d(1, 1, 2), (1, 1, 3), dtype=np.float64)


def test_explain():
    for axes in (1, 2, 3):
        plan = cn.explain(
            getattr(F, f"conv_transpose{axes}d"), (2, 4, *(5,) * axes), (4, 3, *(3,) * axes), stride=2
        )
        assert plan["output_shape"] == (2, 3, *(11,) * axes)
        assert plan["algorithm"] in algorithms("grad_input") + algorithms("grad_input", strict=False)
        for name in ("", "_grad_input", "_grad_weight"):
            function = getattr(F, f"conv{axes}d{name}")
            x, w, y = (2, 4, *(6,) * axes), (8, 4, *(3,) * axes), (2, 8, *(6,) * axes)
            arguments = {"": (x, w), "_grad_input": (y, w, x), "_grad_weight": (y, x, w)}[name]
            plan = cn.explain(function, *arguments, padding=1, padding_mode="reflect")
            assert plan["output_shape"] == y


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_layer_output_size(axes):
    layer = getattr(nn, f"ConvTranspose{axes}d")(2, 3, 3, stride=3, padding=1, rng=0)
    x = np.zeros((2, 2, *(4,) * axes), np.float32)
    for size in (10, 11, 12):
        assert layer(x, (size,) * axes).shape == (2, 3, *(size,) * axes)
        assert layer(x, (2, 3, *(size,) * axes)).shape == (2, 3, *(size,) * axes)
        assert layer(x[0], output_size=[size] * axes).shape == (3, *(size,) * axes)
    for wrong in ((9,) * axes, (13,) * axes, (11,) * (axes + 1), ()):
        with pytest.raises(ValueError, match=r"^output_size: expected .* received"):
            layer(x, wrong)
    with pytest.raises(TypeError, match=r"^output_size: "):
        layer(x, (11.0,) * axes)


def test_layer_refusals():
    for arguments, name in (
        ({"output_padding": -1}, "output_padding"),
        ({"padding_mode": "reflect"}, "padding_mode"),
        ({"groups": 3}, "groups"),
        ({"stride": 0}, "stride"),
    ):
        with pytest.raises(ValueError, match=rf"^{name}: "):
            nn.ConvTranspose2d(2, 4, 3, **arguments)
