"""Functions: results by hand, derivatives by finite differences, errors that name the argument."""

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad, make_jvp, make_vjp
from autograd.test_util import check_grads

from convnative import functional as F

rng = np.random.default_rng(7)


def separated(*shape):
    """Values of which no two are close, so that a finite difference never changes which is larger."""
    size = int(np.prod(shape))
    return (rng.permutation(size).reshape(shape) - size / 2 + 0.25) * 0.1


# -- derivatives of first and second order, forward and reverse ---------------------------------

CONV_SETTINGS = [
    {},
    {"stride": 2, "padding": 1},
    {"stride": (2, 1), "padding": "same", "dilation": (1, 2)},
    {"padding": [(0, 2), (1, 0)]},
    {"groups": 2, "padding": "causal"},
]


@pytest.mark.parametrize("settings", CONV_SETTINGS, ids=str)
@pytest.mark.parametrize("batch", [(2,), ()], ids=["batched", "unbatched"])
def test_conv2d_derivatives(settings, batch):
    x = rng.standard_normal((*batch, 4, 5, 6))
    w = rng.standard_normal((4, 4 // settings.get("groups", 1), 3, 2))
    b = rng.standard_normal(4)
    check_grads(lambda x, w, b: F.conv2d(x, w, b, **settings), (0, 1, 2), modes=["fwd", "rev"])(x, w, b)
    check_grads(lambda x, w: F.conv2d(input=x, weight=w, **settings), (0, 1), modes=["fwd", "rev"])(x, w)
    g = rng.standard_normal(F.conv2d(x, w, b, **settings).shape)
    check_grads(lambda g, w: F.conv2d_grad_input(g, w, x.shape, **settings), (0, 1))(g, w)
    check_grads(lambda g, x: F.conv2d_grad_weight(g, x, w.shape, **settings), (0, 1))(g, x)
    check_grads(F.conv2d_grad_bias)(g)


@pytest.mark.parametrize(
    "settings", [{}, {"stride": 1, "padding": 1}, {"dilation": 2, "stride": 2, "ceil_mode": True}], ids=str
)
@pytest.mark.parametrize("batch", [(2,), ()], ids=["batched", "unbatched"])
def test_max_pool2d_derivatives(settings, batch):
    x = separated(*batch, 2, 6, 7)
    check_grads(lambda x: F.max_pool2d(x, (2, 3), **settings))(x)
    g = rng.standard_normal(F.max_pool2d(x, (2, 3), **settings).shape)
    check_grads(lambda g, x: F.max_pool2d_grad_input(g, x, (2, 3), **settings), (0, 1))(g, x)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"stride": 1, "padding": 1},
        {"ceil_mode": True, "count_include_pad": False},
        {"divisor_override": 5},
    ],
    ids=str,
)
@pytest.mark.parametrize("batch", [(2,), ()], ids=["batched", "unbatched"])
def test_avg_pool2d_derivatives(settings, batch):
    x = rng.standard_normal((*batch, 2, 6, 7))
    check_grads(lambda x: F.avg_pool2d(x, (2, 3), **settings))(x)
    g = rng.standard_normal(F.avg_pool2d(x, (2, 3), **settings).shape)
    check_grads(lambda g: F.avg_pool2d_grad_input(g, x.shape, (2, 3), **settings))(g)


def test_relu_derivatives():
    x = separated(3, 4)
    check_grads(F.relu)(x)
    check_grads(F.relu_grad_input, (0, 1))(rng.standard_normal((3, 4)), x)


def test_relu_keeps_nan_and_its_gradient_lets_it_through():
    x = np.array([np.nan, -1.0, 0.0, 2.0, np.inf])
    np.testing.assert_array_equal(F.relu(x), [np.nan, 0, 0, 2, np.inf])
    np.testing.assert_array_equal(F.relu_grad_input(np.ones(5), x), [1, 0, 0, 1, 1])


@pytest.mark.parametrize("dim", [0, 1, -1])
@pytest.mark.parametrize("function", [F.softmax, F.log_softmax])
def test_softmax_derivatives(function, dim):
    check_grads(lambda x: function(x, dim))(rng.standard_normal((2, 3, 4)))


@pytest.mark.parametrize("shape", [(3,), (4, 3), (2, 4, 3), (0, 3)], ids=str)
@pytest.mark.parametrize("with_bias", [False, True])
def test_linear_derivatives(shape, with_bias):
    x, w, b = rng.standard_normal(shape), rng.standard_normal((5, 3)), rng.standard_normal(5)
    if with_bias:
        check_grads(F.linear, (0, 1, 2))(x, w, b)
    else:
        check_grads(F.linear, (0, 1))(x, w)


@pytest.mark.parametrize("with_weight", [False, True])
@pytest.mark.parametrize("label_smoothing", [0.0, 0.3])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 4, 3)], ids=str)
def test_cross_entropy_derivatives(shape, reduction, label_smoothing, with_weight):
    x = rng.standard_normal(shape)
    axis = 0 if len(shape) == 1 else 1
    options = {
        "reduction": reduction,
        "label_smoothing": label_smoothing,
        "weight": rng.random(4) if with_weight else None,
    }
    index = np.asarray(rng.integers(0, 4, shape[:axis] + shape[axis + 1 :]))
    check_grads(lambda x: F.cross_entropy(x, index, **options))(x)
    probabilities = np.exp(rng.standard_normal(shape))
    probabilities /= probabilities.sum(axis, keepdims=True)
    check_grads(lambda x, t: F.cross_entropy(x, t, **options), (0, 1))(x, probabilities)


def test_cross_entropy_derivatives_with_ignored_elements():
    x, target = rng.standard_normal((4, 3)), np.array([0, 9, 2, 9])
    weight = rng.random(3)
    for options in ({}, {"weight": weight}, {"label_smoothing": 0.2, "weight": weight}):
        check_grads(lambda x, options=options: F.cross_entropy(x, target, ignore_index=9, **options))(x)
    gradient = grad(lambda x: F.cross_entropy(x, target, ignore_index=9))(x)
    assert not gradient[[1, 3]].any()


PADS = [
    ("constant", (2, 1)),
    ("constant", (-2, 1, 0, -1)),
    ("constant", (-5, 4)),
    ("constant", ()),
    ("reflect", (2, 1)),
    ("reflect", (-1, 2, 1, 3)),
    ("replicate", (3, 0, -1, 2)),
    ("circular", (2, 3)),
    ("circular", (-1, 2, 2, -1)),
]


@pytest.mark.parametrize(("mode", "pad"), PADS, ids=str)
def test_pad_derivatives(mode, pad):
    check_grads(lambda x: F.pad(x, pad, mode))(rng.standard_normal((2, 4, 5)))


def test_flatten_and_dropout_derivatives():
    x = rng.standard_normal((2, 3, 4))
    check_grads(lambda x: F.flatten(x, 1))(x)
    check_grads(lambda x: F.dropout(x, 0.4, rng=3))(x)
    check_grads(lambda x: F.dropout(x, 1.0, rng=3))(x)


def test_only_the_gradients_that_are_needed_are_computed(monkeypatch):
    from convnative.functional import _conv

    called = []
    for name in ("conv_grad_input", "conv_grad_weight", "conv_grad_bias"):
        real = getattr(_conv._core, name)
        monkeypatch.setattr(
            _conv._core, name, lambda *args, real=real, name=name: called.append(name) or real(*args)
        )
    x, w, b = rng.standard_normal((1, 1, 4, 4)), rng.standard_normal((2, 1, 3, 3)), rng.standard_normal(2)
    grad(lambda w: F.conv2d(x, w, b).sum())(w)
    assert called == ["conv_grad_weight"]


def test_float32_stays_float32_when_the_user_computes_in_float64():
    x = rng.standard_normal((2, 1, 5, 5)).astype(np.float32)
    w = rng.standard_normal((3, 1, 3, 3)).astype(np.float32)
    b = rng.standard_normal(3).astype(np.float32)
    scale = rng.standard_normal((2, 3, 3, 3))
    vjp, value = make_vjp(lambda w: (F.conv2d(x, w, b) * scale).sum())(w)
    assert value.dtype == np.float64
    assert vjp(1.0).dtype == np.float32
    for function in (
        F.relu,
        lambda x: F.max_pool2d(x, 2),
        lambda x: F.avg_pool2d(x, 2),
        lambda x: F.linear(x, w[0, 0, :, :1].repeat(5, 1)),
        lambda x: F.pad(x, (1, 1)),
        lambda x: F.pad(x, (1, 1, 1, 1), "reflect"),
    ):
        gradient = grad(lambda x, function=function: (function(x) * np.pi * np.float64(2)).sum())(x)
        assert gradient.dtype == np.float32


def test_forward_mode_through_a_network():
    w = rng.standard_normal((2, 1, 3, 3))
    x, direction = separated(2, 1, 6, 6), rng.standard_normal((2, 1, 6, 6))

    def network(x):
        return anp.sum(F.softmax(F.flatten(F.max_pool2d(F.relu(F.conv2d(x, w)), 2), 1), 1) ** 2)

    _, derivative = make_jvp(network)(x)(direction)
    np.testing.assert_allclose(derivative, (grad(network)(x) * direction).sum(), rtol=1e-12)


# -- values -----------------------------------------------------------------------------------


def test_conv2d_by_hand():
    x = np.arange(9.0).reshape(1, 3, 3)
    w = np.array([[[[1.0, 0.0], [0.0, -1.0]]]])
    np.testing.assert_array_equal(F.conv2d(x, w), np.full((1, 2, 2), -4.0))
    np.testing.assert_array_equal(F.conv2d(x, w, np.array([10.0])), np.full((1, 2, 2), 6.0))
    np.testing.assert_array_equal(F.conv2d(x, w, stride=2, padding=1)[0], [[0, -2], [-6, -4]])


def test_linear_by_hand_for_any_number_of_axes():
    w, b = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), np.array([1.0, 0.0, -1.0])
    x = np.arange(12.0).reshape(2, 3, 2)
    np.testing.assert_array_equal(F.linear(x, w, b), x @ w.T + b)
    np.testing.assert_array_equal(F.linear(x[0, 0], w), w @ x[0, 0])
    assert F.linear(np.zeros((0, 2)), w).shape == (0, 3)


def test_dropout_scales_and_is_reproducible():
    x = np.ones(100_000, np.float32)
    y = F.dropout(x, 0.2, rng=1)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y.mean(), 1, atol=0.01)
    assert set(np.unique(y)) == {np.float32(0), np.float32(1.25)}
    np.testing.assert_array_equal(y, F.dropout(x, 0.2, rng=1))
    assert F.dropout(x, 0.2, training=False) is x
    assert not F.dropout(x, 1.0).any()


def test_flatten_of_every_shape():
    assert F.flatten(np.array(3.0)).shape == (1,)
    assert F.flatten(np.zeros((2, 0, 3))).shape == (0,)
    assert F.flatten(np.zeros((2, 3, 4)), 0, 1).shape == (6, 4)
    x = np.zeros((2, 3, 4))
    assert np.shares_memory(F.flatten(x, 1), x)


def test_cross_entropy_takes_an_element_of_an_array_of_labels():
    labels = np.array([2, 0])
    x = rng.standard_normal((2, 3))
    np.testing.assert_allclose(
        [F.cross_entropy(x[i], labels[i]) for i in range(2)], F.cross_entropy(x, labels, reduction="none")
    )


def test_cross_entropy_mean_of_nothing_is_nan():
    assert np.isnan(F.cross_entropy(np.zeros((0, 3)), np.zeros(0, int)))
    assert np.isnan(F.cross_entropy(np.zeros((2, 3)), np.array([-100, -100])))
    assert F.cross_entropy(np.zeros((2, 3)), np.array([-100, -100]), reduction="sum") == 0
    assert F.cross_entropy(np.zeros((0, 3)), np.zeros((0, 3)), reduction="sum") == 0


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("pad", [(1, 2), (0, 3), (2, 2, 1, 1)], ids=str)
def test_pad_agrees_with_numpy(mode, pad):
    names = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
    x = rng.standard_normal((2, 3, 4))
    pairs = [(0, 0)] * (3 - len(pad) // 2) + [pad[i : i + 2] for i in range(len(pad) - 2, -1, -2)]
    np.testing.assert_array_equal(F.pad(x, pad, mode), np.pad(x, pairs, mode=names[mode]))


def test_pad_returns_a_new_array_and_fills_with_the_value():
    x = np.ones((1, 3), np.float32)
    for mode in ("constant", "reflect", "replicate", "circular"):
        assert not np.shares_memory(F.pad(x, (0, 0), mode), x)
    np.testing.assert_array_equal(F.pad(x, (1, 0), value=np.inf), [[np.inf, 1, 1, 1]])


# -- out --------------------------------------------------------------------------------------

OUT = {
    "conv2d": (lambda x, **o: F.conv2d(x, np.ones((2, 2, 3, 3)), **o), (1, 2, 6, 6)),
    "max_pool2d": (lambda x, **o: F.max_pool2d(x, 2, **o), (1, 2, 6, 6)),
    "avg_pool2d": (lambda x, **o: F.avg_pool2d(x, 2, **o), (1, 2, 6, 6)),
    "relu": (F.relu, (3, 4)),
    "softmax": (lambda x, **o: F.softmax(x, 1, **o), (3, 4)),
    "log_softmax": (lambda x, **o: F.log_softmax(x, 1, **o), (3, 4)),
    "linear": (lambda x, **o: F.linear(x, np.ones((5, 4)), **o), (3, 4)),
    "linear-3d": (lambda x, **o: F.linear(x, np.ones((5, 4)), **o), (2, 3, 4)),
    "linear-1d": (lambda x, **o: F.linear(x, np.ones((5, 4)), **o), (4,)),
}


@pytest.mark.parametrize("name", OUT)
def test_out_is_written_and_returned(name):
    function, shape = OUT[name]
    x = rng.standard_normal(shape)
    expected = function(x)
    out = np.full_like(expected, np.nan)
    assert function(x, out=out) is out
    np.testing.assert_array_equal(out, expected)


def test_out_is_written_for_subclasses_of_arrays(tmp_path):
    mapped = np.memmap(tmp_path / "data", np.float64, "w+", shape=(1, 2, 6, 6))
    mapped[...] = rng.standard_normal(mapped.shape)
    for name in ("conv2d", "max_pool2d", "avg_pool2d"):
        function, _ = OUT[name]
        expected = function(np.array(mapped))
        out = np.full_like(expected, np.nan)
        assert function(mapped, out=out) is out
        np.testing.assert_array_equal(out, expected)
        assert type(function(mapped)) is np.ndarray
    assert type(F.pad(mapped, (1, 1))) is np.ndarray
    out = np.empty((1, 2, 6, 5))
    assert F.linear(mapped, np.ones((5, 6)), out=out) is out


@pytest.mark.parametrize("name", OUT)
def test_out_is_refused_where_it_does_not_fit(name):
    function, shape = OUT[name]
    x = rng.standard_normal(shape)
    expected = function(x)
    read_only = np.empty_like(expected)
    read_only.flags.writeable = False
    wrong = {
        "dtype": expected.astype(np.float32),
        "shape": np.empty((*expected.shape, 1)),
        "layout": np.empty((*expected.shape[:-1], 2 * expected.shape[-1]))[..., ::2],
        "read-only": read_only,
        "list": expected.tolist(),
    }
    for out in wrong.values():
        with pytest.raises((TypeError, ValueError), match=r"^out: "):
            function(x, out=out)


@pytest.mark.parametrize("name", OUT)
def test_out_is_refused_while_differentiating(name):
    function, shape = OUT[name]
    x = rng.standard_normal(shape)
    out = np.empty_like(function(x))
    with pytest.raises(TypeError, match=r"^out: .*autograd"):
        grad(lambda x: function(x, out=out).sum())(x)


# -- errors -----------------------------------------------------------------------------------

ONES = np.ones((1, 2, 5, 5))
WEIGHT = np.ones((2, 2, 3, 3))

ERRORS = {
    "conv2d list": (lambda: F.conv2d([[1.0]], WEIGHT), TypeError, "input"),
    "conv2d integers": (lambda: F.conv2d(ONES.astype(int), WEIGHT), TypeError, "input"),
    "conv2d mixed": (lambda: F.conv2d(ONES, WEIGHT.astype(np.float32)), TypeError, "weight"),
    "conv2d bias": (lambda: F.conv2d(ONES, WEIGHT, np.ones(3)), ValueError, "bias"),
    "conv2d stride": (lambda: F.conv2d(ONES, WEIGHT, stride=0), ValueError, "stride"),
    "linear list": (lambda: F.linear([1.0], np.ones((1, 1))), TypeError, "input"),
    "linear weight": (lambda: F.linear(np.ones(3), [[1.0]]), TypeError, "weight"),
    "linear mixed": (lambda: F.linear(np.ones(3), np.ones((2, 3), np.float32)), TypeError, "weight"),
    "linear features": (lambda: F.linear(np.ones((2, 3)), np.ones((2, 4))), ValueError, "input"),
    "linear scalar": (lambda: F.linear(np.array(1.0), np.ones((2, 1))), ValueError, "input"),
    "linear rank": (lambda: F.linear(np.ones(3), np.ones((1, 3, 3))), ValueError, "weight"),
    "linear bias": (lambda: F.linear(np.ones(3), np.ones((2, 3)), np.ones(3)), ValueError, "bias"),
    "linear integers": (lambda: F.linear(np.ones((2, 3), int), np.ones((2, 3))), TypeError, "input"),
    "relu": (lambda: F.relu(np.arange(3)), TypeError, "input"),
    "linear masked": (lambda: F.linear(np.ma.ones((2, 3)), np.ones((2, 3))), TypeError, "input"),
    "pad masked": (lambda: F.pad(np.ma.ones((1, 3)), (1, 1)), TypeError, "input"),
    "softmax dim": (lambda: F.softmax(np.ones((2, 3)), 2), IndexError, "dim"),
    "cross_entropy input": (lambda: F.cross_entropy([[1.0]], np.array([0])), TypeError, "input"),
    "cross_entropy scalar": (lambda: F.cross_entropy(np.array(1.0), np.array(0)), ValueError, "input"),
    "cross_entropy target": (lambda: F.cross_entropy(np.ones((1, 2)), [0]), TypeError, "target"),
    "cross_entropy shape": (lambda: F.cross_entropy(np.ones((1, 2)), np.array([0, 1])), ValueError, "target"),
    "cross_entropy range": (lambda: F.cross_entropy(np.ones((1, 2)), np.array([2])), IndexError, "target"),
    "cross_entropy negative": (
        lambda: F.cross_entropy(np.ones((1, 2)), np.array([-1])),
        IndexError,
        "target",
    ),
    "cross_entropy bool": (lambda: F.cross_entropy(np.ones((1, 2)), np.array([True])), TypeError, "target"),
    "cross_entropy probabilities": (
        lambda: F.cross_entropy(np.ones((1, 2)), np.ones((1, 3))),
        ValueError,
        "target",
    ),
    "cross_entropy mixed": (
        lambda: F.cross_entropy(np.ones((1, 2)), np.ones((1, 2), np.float32)),
        TypeError,
        "target",
    ),
    "cross_entropy weight": (
        lambda: F.cross_entropy(np.ones((1, 2)), np.array([0]), np.ones(3)),
        ValueError,
        "weight",
    ),
    "cross_entropy weight dtype": (
        lambda: F.cross_entropy(np.ones((1, 2)), np.array([0]), np.ones(2, np.float32)),
        TypeError,
        "weight",
    ),
    "cross_entropy reduction": (
        lambda: F.cross_entropy(np.ones((1, 2)), np.array([0]), reduction="max"),
        ValueError,
        "reduction",
    ),
    "cross_entropy smoothing": (
        lambda: F.cross_entropy(np.ones((1, 2)), np.array([0]), label_smoothing=1.5),
        ValueError,
        "label_smoothing",
    ),
    "cross_entropy ignore": (
        lambda: F.cross_entropy(np.ones((1, 2)), np.ones((1, 2)), ignore_index=1),
        ValueError,
        "ignore_index",
    ),
    "dropout p": (lambda: F.dropout(np.ones(3), 1.5), ValueError, "p"),
    "dropout NaN": (lambda: F.dropout(np.ones(3), np.nan), ValueError, "p"),
    "dropout input": (lambda: F.dropout(np.arange(3)), TypeError, "input"),
    "dropout rng": (lambda: F.dropout(np.ones(3), rng="seed"), TypeError, "rng"),
    "flatten axis": (lambda: F.flatten(np.ones((2, 3)), 2), IndexError, "start_dim"),
    "flatten order": (lambda: F.flatten(np.ones((2, 3)), 1, 0), ValueError, "end_dim"),
    "pad mode": (lambda: F.pad(np.ones((1, 3)), (1, 1), "mirror"), ValueError, "mode"),
    "pad odd": (lambda: F.pad(np.ones((1, 3)), (1,)), ValueError, "pad"),
    "pad many": (lambda: F.pad(np.ones(3), (1, 1, 1, 1)), ValueError, "pad"),
    "pad floats": (lambda: F.pad(np.ones(3), (1.0, 1.0)), TypeError, "pad"),
    "pad negative": (lambda: F.pad(np.ones(3), (-2, -2)), ValueError, "pad"),
    "pad rank": (lambda: F.pad(np.ones((1, 1, 1, 3)), (1, 1), "replicate"), ValueError, "pad"),
    "pad reflect": (lambda: F.pad(np.ones((1, 3)), (3, 0), "reflect"), ValueError, "pad"),
    "pad circular": (lambda: F.pad(np.ones((1, 3)), (4, 0), "circular"), ValueError, "pad"),
    "pad replicate": (lambda: F.pad(np.ones((1, 0)), (1, 0), "replicate"), ValueError, "input"),
    "pad value": (lambda: F.pad(np.ones((1, 3)), (1, 1), "reflect", 1.0), ValueError, "value"),
    "pad integers": (lambda: F.pad(np.ones((1, 3), int), (1, 1)), TypeError, "input"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_name_the_argument(case):
    call, kind, name = ERRORS[case]
    with pytest.raises(kind, match=rf"^{name}: ") as caught:
        call()
    assert type(caught.value) is kind


def test_byte_swapped_arrays_give_native_results():
    x = rng.standard_normal((1, 3)).astype(">f4")
    for result in (F.pad(x, (1, 1)), F.pad(x, (1, 1), "reflect"), F.linear(x, np.ones((2, 3), np.float32))):
        assert result.dtype == np.float32
        assert result.dtype.isnative
