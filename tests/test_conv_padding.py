"""Padding modes of the convolution: what they mean, what they refuse, and that they cost what they should."""

import time

import numpy as np
import pytest
from autograd.test_util import check_grads

import reference
from arrays import assert_same_bits, generator, small_integers
from convnative import _core
from convnative import functional as F
from convolutions import PADDING_MODES, padding_mode_cases

MODES = [mode for mode in PADDING_MODES if isinstance(mode, str)]


@pytest.mark.parametrize(
    ("mode", "before", "after"),
    [
        ("reflect", [3, 2], [3, 2]),
        ("symmetric", [2, 1], [4, 3]),
        ("replicate", [1, 1], [4, 4]),
        ("circular", [3, 4], [1, 2]),
        (7.0, [7, 7], [7, 7]),
        ("zeros", [0, 0], [0, 0]),
    ],
)
def test_by_hand(mode, before, after, dtype, isa):
    x, w = np.array([[[1, 2, 3, 4]]], dtype), np.ones((1, 1, 1), dtype)
    padded = _core.conv_forward(1, x, w, None, 1, 2, 1, 1, mode)
    assert padded.ravel().tolist() == [*before, 1, 2, 3, 4, *after]


@pytest.mark.parametrize("mode", MODES)
def test_the_same_as_padding_first(mode, dtype, isa):
    """Bit for bit: the order of a sum does not depend on where its elements are read."""
    rng = generator(mode)
    for stride, pairs in ((1, ((1, 1), (1, 1))), (2, ((3, 0), (2, 4))), (3, ((0, 0), (5, 6)))):
        x = rng.standard_normal((2, 5, 9, 40)).astype(dtype)
        w = rng.standard_normal((6, 5, 3, 3)).astype(dtype)
        padded = reference.pad(x, pairs, mode)
        assert_same_bits(
            _core.conv_forward(2, x, w, None, stride, pairs, 1, 1, mode),
            _core.conv_forward(2, np.ascontiguousarray(padded), w, None, stride, 0, 1, 1),
        )


def test_no_padding_has_no_mode(isa):
    x, w = np.ones((1, 2, 5, 6), np.float32), np.ones((3, 2, 3, 3), np.float32)
    for mode in PADDING_MODES:
        plan = _core.conv_explain("forward", "float32", x.shape, w.shape, 1, 0, 1, 1, mode)
        assert plan == _core.conv_explain("forward", "float32", x.shape, w.shape, 1, 0, 1, 1)


def test_a_constant_of_zero_is_zeros(isa):
    x, w = np.full((1, 1, 3, 3), 2.0), np.full((1, 1, 3, 3), np.inf)
    zeros = F.conv2d(x, w, padding=1)
    for value in (0, 0.0, np.float32(0)):
        assert_same_bits(F.conv2d(x, w, padding=1, padding_mode=value), zeros)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_a_constant_need_not_be_finite(value, dtype, isa):
    x, w = np.ones((1, 1, 4, 20), dtype), np.ones((1, 1, 3, 3), dtype)
    y = F.conv2d(x, w, padding=1, padding_mode=value)[0, 0]
    assert (y[1:-1, 1:-1] == 9).all()
    y[1:-1, 1:-1] = value
    assert_same_bits(y, np.full_like(y, value))


# -- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "size", "most"), [("reflect", 4, 3), ("symmetric", 4, 4), ("circular", 4, 4), ("reflect", 1, 0)]
)
def test_the_most_that_a_mode_can_pad(mode, size, most, dtype):
    x, w = np.ones((1, 1, 9, size), dtype), np.ones((1, 1, 1, 1), dtype)
    for side in ((most, 0), (0, most), (most, most)):
        F.conv2d(x, w, padding=[(0, 0), side], padding_mode=mode)
    for side in ((most + 1, 0), (0, most + 1), (0, 2**62)):
        pairs = [(0, 0), side]
        calls = [
            lambda pairs=pairs: F.conv2d(x, w, padding=pairs, padding_mode=mode),
            lambda pairs=pairs: F.conv2d_grad_input(x, w, x.shape, 1, pairs, padding_mode=mode),
            lambda pairs=pairs: F.conv2d_grad_weight(x, x, w.shape, 1, pairs, padding_mode=mode),
        ]
        for call in calls:
            with pytest.raises(ValueError, match=rf"^padding: expected at most {most} .* received"):
                call()


@pytest.mark.parametrize("mode", MODES)
def test_an_empty_axis_has_nothing_to_repeat(mode):
    with pytest.raises(ValueError, match=r"^padding: "):
        F.conv1d(np.ones((1, 1, 0)), np.ones((1, 1, 1)), padding=1, padding_mode=mode)


@pytest.mark.parametrize("name", ["same", "same_lower", "causal"])
def test_named_padding_may_be_too_much(name):
    with pytest.raises(ValueError, match=r"^padding: "):
        F.conv1d(np.ones((1, 1, 2)), np.ones((1, 1, 9)), padding=name, padding_mode="reflect")


def test_padding_far_beyond_the_input_takes_no_longer():
    """What no window reads costs nothing, however much of it there is."""
    far = 2**40
    x, w = np.arange(6.0).reshape(1, 1, 2, 3), np.array([[[[2.0, 3.0]]]])
    settings = {"stride": (1, far), "padding": [(0, 0), (far, far)], "dilation": (1, far)}
    for mode in ("replicate", 5.0):
        start = time.perf_counter()
        y = F.conv2d(x, w, padding_mode=mode, **settings)
        assert y.shape == (1, 1, 2, 2)
        g = np.ones_like(y)
        gradient = F.conv2d_grad_input(g, w, x.shape, padding_mode=mode, **settings)
        F.conv2d_grad_weight(g, x, w.shape, padding_mode=mode, **settings)
        assert time.perf_counter() - start < 5
        if mode == "replicate":  # the windows lie on (-far, 0) and (0, far)
            np.testing.assert_array_equal(y[0, 0], [[0, 6], [15, 21]])
            np.testing.assert_array_equal(gradient[0, 0], [[7, 0, 3], [7, 0, 3]])


# -- derivatives --------------------------------------------------------------------------------

DERIVATIVES = [
    (1, {"padding": 2, "stride": 2}),
    (1, {"padding": "causal", "dilation": 2}),
    (2, {"padding": [(0, 2), (1, 3)], "stride": (2, 1)}),
    (2, {"padding": "same", "stride": 3, "groups": 2}),
    (3, {"padding": 1}),
]


@pytest.mark.parametrize(("axes", "settings"), DERIVATIVES, ids=str)
@pytest.mark.parametrize("mode", PADDING_MODES)
@pytest.mark.parametrize("flip_kernel", [False, True])
def test_derivatives(axes, settings, mode, flip_kernel):
    if axes == 3 and flip_kernel:
        pytest.skip("covered by the other two")
    rng = generator(axes, str(settings))
    settings = {**settings, "padding_mode": mode, "flip_kernel": flip_kernel}
    channels = 2 * settings.get("groups", 1)
    x = rng.standard_normal((channels, *(5, 5, 3)[:axes]))
    w = rng.standard_normal((2, 2, *(3, 2, 2)[:axes]))
    conv, grad_input, grad_weight = (
        getattr(F, f"conv{axes}d{end}") for end in ("", "_grad_input", "_grad_weight")
    )
    check_grads(lambda x, w: conv(x, w, **settings), (0, 1), modes=["fwd", "rev"], order=2)(x, w)
    g = rng.standard_normal(conv(x, w, **settings).shape)
    check_grads(lambda g, w: grad_input(g, w, x.shape, **settings), (0, 1), modes=["fwd", "rev"])(g, w)
    check_grads(lambda g, x: grad_weight(g, x, w.shape, **settings), (0, 1), modes=["fwd", "rev"])(g, x)


# -- flipped kernels ----------------------------------------------------------------------------


def test_flipped_kernels_give_the_convolution_of_the_definition(dtype, isa):
    """Y[i, j] = sum over a, b of K[a, b] X[i - a, j - b], with zeros outside of X."""
    rng = generator("flip")
    x, kernel = small_integers(rng, (5, 7)), small_integers(rng, (3, 2))
    expected = np.zeros((7, 8))
    for i, j in np.ndindex(5, 7):
        for a, b in np.ndindex(3, 2):
            expected[i + a, j + b] += kernel[a, b] * x[i, j]
    y = F.conv2d(
        x[None, None].astype(dtype), kernel[None, None].astype(dtype), padding=(2, 1), flip_kernel=True
    )
    assert_same_bits(y[0, 0], expected.astype(dtype))


def test_flipped_kernels_everywhere(dtype, isa):
    for case in padding_mode_cases()[::9]:
        x, w, b = (None if a is None else a.astype(dtype) for a in case.data)
        axes = case.axes
        back = (..., *(slice(None, None, -1),) * axes)
        conv, grad_input, grad_weight = (
            getattr(F, f"conv{axes}d{end}") for end in ("", "_grad_input", "_grad_weight")
        )
        *settings, mode = case.geometry
        options = {"padding_mode": mode, "flip_kernel": True}
        assert_same_bits(conv(x, w[back], b, *settings, **options), case.output.astype(dtype), case)
        out = np.empty(case.output.shape, dtype)
        assert conv(x, w[back], b, *settings, out=out, **options) is out
        assert_same_bits(out, case.output.astype(dtype), case)
        g = case.grad_output.astype(dtype)
        assert_same_bits(
            grad_input(g, w[back], x.shape, *settings, **options), case.grad_input.astype(dtype), case
        )
        assert_same_bits(
            grad_weight(g, x, w.shape, *settings, **options)[back], case.grad_weight.astype(dtype), case
        )


@pytest.mark.parametrize("value", [None, 1, "yes", np.True_])
def test_flip_kernel_is_a_bool(value):
    x, w = np.ones((1, 1, 4)), np.ones((1, 1, 2))
    with pytest.raises(TypeError, match=r"^flip_kernel: expected a bool, received"):
        F.conv1d(x, w, flip_kernel=value)


@pytest.mark.parametrize("weight", [None, 3, "w", np.ones(3), np.ones((1, 1, 2, 2))])
def test_what_is_no_weight_is_refused_flipped_too(weight):
    with pytest.raises((TypeError, ValueError), match=r"^weight: "):
        F.conv1d(np.ones((1, 1, 4)), weight, flip_kernel=True)
