"""Losses: the core against the definitions, then the public functions, their derivatives and errors."""

from itertools import product

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad, make_vjp
from autograd.test_util import check_grads
from hypothesis import given
from hypothesis import strategies as st

import convnative as cn
import reference
from arrays import assert_same_bits, generator, small_integers
from convnative import _core, nn
from convnative import functional as F

LOSSES = _core.pairwise_losses()
# Sizes around the ends of chains, buffers and blocks of the sums.
SIZES = [0, 1, 2, 7, 8, 9, 16, 31, 67, 511, 512, 513, 16383, 16384, 16385, 40000]
DERIVATIVES = ["value", "dx", "dt", "dxx", "dxt", "dtt"]
UNIT = {np.dtype(np.float32): 2.0**-24, np.dtype(np.float64): 2.0**-53}


def draw(loss, shape, dtype, key=0):
    """An input, a target and weights inside of the domain of a loss."""
    rng = generator(loss, shape, key)
    if loss == "binary_cross_entropy":
        x, t = rng.uniform(0.01, 0.99, (2, *shape))
    elif loss == "kl_div":
        x, t = rng.standard_normal(shape), rng.uniform(0, 1, shape)
    else:
        x, t = rng.standard_normal((2, *shape)) * 2
    return tuple(np.asarray(a, dtype) for a in (x, t, rng.uniform(0.5, 2, shape)))


def pairwise(loss, x, t, weight=None, grad=None, *, derivative="value", reduce=False, divisor=1.0, p=0.7):
    return _core.pairwise_loss(loss, derivative, p, x, t, weight, grad, reduce, divisor)


def assert_exact(actual, expected, dtype, context=""):
    """Equal to the exact result; zeros of either sign are equal."""
    np.testing.assert_array_equal(actual, np.asarray(expected).astype(dtype), str(context), strict=True)


# -- the table of pairs -------------------------------------------------------------------------


def test_every_row_has_a_definition():
    assert set(LOSSES) == set(reference.PAIRWISE)


@pytest.mark.parametrize("loss", LOSSES)
def test_values(loss, dtype):
    for shape in ((), (0,), (5,), (3, 0, 2), (3, 4, 5), (513,)):
        x, t, w = draw(loss, shape, dtype)
        expected = np.asarray(reference.pairwise_loss(loss, 0.7, x, t, w))
        actual = pairwise(loss, x, t, w)
        assert actual.dtype == dtype
        assert actual.shape == shape
        # Some units in the last place of a result, or of an intermediate one no larger than 64.
        scale = 8 * UNIT[dtype] if dtype == np.float64 else UNIT[dtype]
        np.testing.assert_allclose(
            actual.astype(expected.dtype), expected, rtol=float(4 * scale), atol=64 * 2.0**-53
        )


@pytest.mark.parametrize("loss", ["mse", "l1", "huber"])
def test_integers_are_exact(loss, dtype):
    for size in SIZES:
        rng = generator(size, loss)
        x, t = small_integers(rng, size), small_integers(rng, size)
        w, g = small_integers(rng, size, 2), small_integers(rng, size, 2)
        expected = reference.pairwise_loss(loss, 2, x, t, w)
        arrays = [a.astype(dtype) for a in (x, t, w)]
        assert_exact(pairwise(loss, *arrays, p=2.0), expected, dtype, size)
        assert_exact(pairwise(loss, *arrays, g.astype(dtype), p=2.0), expected * g, dtype, size)
        assert_exact(pairwise(loss, *arrays, p=2.0, reduce=True), np.asarray(expected.sum()), dtype, size)
        three = np.asarray(3, dtype)
        total = np.asarray(3 * expected.sum() / 2)
        assert_exact(pairwise(loss, *arrays, three, p=2.0, reduce=True, divisor=2), total, dtype, size)


@pytest.mark.parametrize("derivative", DERIVATIVES)
@pytest.mark.parametrize("loss", LOSSES)
def test_every_kind_agrees_with_itself(loss, derivative, dtype):
    """Weights, gradients and sums act in the same way on every row and derivative."""
    x, t, w = draw(loss, (700,), dtype)
    g = generator("g").standard_normal(700).astype(dtype)
    plain = pairwise(loss, x, t, derivative=derivative).astype(np.float64)
    tolerance = {"rtol": float(8 * UNIT[dtype]), "atol": 0}
    np.testing.assert_allclose(pairwise(loss, x, t, w, derivative=derivative), plain * w, **tolerance)
    both = pairwise(loss, x, t, w, g, derivative=derivative, divisor=3)
    np.testing.assert_allclose(both, plain * w * g / 3, **tolerance)
    total = pairwise(loss, x, t, w, g, derivative=derivative, divisor=3, reduce=True)
    bound = np.abs(plain * w * g).sum() * float(4 * UNIT[dtype])
    np.testing.assert_allclose(total, (plain * w * g / 3).sum(), rtol=float(2 * UNIT[dtype]), atol=bound)
    one = np.asarray(0.3, dtype)
    np.testing.assert_allclose(
        pairwise(loss, x, t, None, one, derivative=derivative), plain * one.astype(np.float64), **tolerance
    )


@pytest.mark.parametrize("loss", LOSSES)
def test_same_bits_however_it_runs(loss, dtype, layouts):
    x, t, w = draw(loss, (3, 120, 67), dtype)
    each, total = pairwise(loss, x, t, w), pairwise(loss, x, t, w, reduce=True)
    for isa, threads in product(_core.available_isas(), (1, 2, 3, 7)):
        _core.set_isa(isa)
        _core.set_num_threads(threads)
        assert_same_bits(pairwise(loss, x, t, w), each, (isa, threads))
        assert_same_bits(pairwise(loss, x, t, w, reduce=True), total, (isa, threads))
    for place, array in enumerate((x, t, w)):
        for name, variant in layouts(array):
            arrays = [x, t, w]
            arrays[place] = variant
            assert_same_bits(pairwise(loss, *arrays, reduce=True), total, (name, place))


def test_sum_of_many_float32_values_is_accurate(threads):
    x = np.full(3_000_000, 0.1, np.float32)
    assert _core.sum(x) == np.float32(np.float64(np.float32(0.1)) * x.size)
    assert pairwise("l1", x, np.zeros_like(x), reduce=True) == _core.sum(x)


def test_sums_of_every_size_are_exact(dtype, threads):
    for size in SIZES:
        x = small_integers(generator(size), size)
        assert_exact(_core.sum(x.astype(dtype)), np.asarray(x.sum()), dtype)
        assert_exact(_core.sum(x.astype(dtype), 2), np.asarray(x.sum() / 2), dtype)


def test_special_values(dtype):
    inf, nan = np.inf, np.nan

    def check(loss, x, t, value, dx, p=1.0):
        x, t = np.array(x, dtype), np.array(t, dtype)
        np.testing.assert_array_equal(pairwise(loss, x, t, p=p), np.array(value, dtype))
        np.testing.assert_array_equal(pairwise(loss, x, t, p=p, derivative="dx"), np.array(dx, dtype))

    check("l1", [1, 2, nan, inf, -inf], [1, 3, 0, 0, inf], [0, 1, nan, inf, inf], [0, -1, 0, 1, -1])
    check("mse", [nan, inf, -inf], [0, 0, inf], [nan, inf, inf], [nan, inf, -inf])
    edge = [1, -1, 0.5, nan, inf]
    check("smooth_l1", edge, [0] * 5, [0.5, 0.5, 0.125, nan, inf], [1, -1, 0.5, nan, 1])
    check("huber", edge, [0] * 5, [0.5, 0.5, 0.125, nan, inf], [1, -1, 0.5, nan, 1])
    check("smooth_l1", [2, 0], [0, 0], [2, 0], [1, 0], 0.0)
    check("binary_cross_entropy", [0, 1, 0, 1], [0, 1, 1, 0], [0, 0, 100, 100], [0, 0, -1e12, 1e12])
    check("kl_div", [-1, -1, 0], [0, 1, 0], [0, 1, 0], [0, -1, 0])
    check("binary_cross_entropy_with_logits", [1000, -1000], [0.5, 0.5], [500, 500], [0.5, -0.5])


@pytest.mark.parametrize("bad", [-0.1, 1.1, np.nan, np.inf])
def test_domain(bad, dtype, threads):
    good = np.full(40000, 0.5, dtype)
    for place in (0, 511, 20000, 39999):
        spoilt = good.copy()
        spoilt[place] = bad
        with pytest.raises(ValueError, match=r"^input: expected numbers from 0 to 1, received"):
            F.binary_cross_entropy(spoilt, good)
        with pytest.raises(ValueError, match=r"^target: expected numbers from 0 to 1, received"):
            F.binary_cross_entropy(good, spoilt)


# -- classes ------------------------------------------------------------------------------------

CLASS_SHAPES = [(5,), (1, 1), (4, 10), (0, 3), (3, 7, 5), (2, 67, 3, 4), (2, 3, 1, 2, 2), (300, 3, 70)]


def points_of(shape):
    return () if len(shape) == 1 else (shape[0], *shape[2:])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", CLASS_SHAPES, ids=str)
def test_nll(shape, weighted, dtype, threads):
    rng = generator(shape, "nll")
    classes = shape[0] if len(shape) == 1 else shape[1]
    x, w = small_integers(rng, shape), small_integers(rng, classes) if weighted else None
    target = rng.integers(0, classes, points_of(shape))
    for ignore_index in (-100, 0, 2):
        expected = np.asarray(reference.nll(x, target, w, ignore_index))
        real = w.astype(dtype) if weighted else None
        assert_exact(
            _core.nll_forward(x.astype(dtype), target, real, ignore_index), expected, dtype, ignore_index
        )
        # The gradient is the adjoint, exactly.
        g = np.asarray(small_integers(rng, points_of(shape)))
        gradient = _core.nll_grad(shape, target, real, ignore_index, g.astype(dtype))
        assert (gradient * x).sum() == (expected * g).sum()
        counted = target != ignore_index
        ones = np.ones(classes) if w is None else w
        assert _core.target_weight(shape, target, real, ignore_index) == ones[target[counted]].sum()


@pytest.mark.parametrize("shape", CLASS_SHAPES, ids=str)
def test_class_products(shape, dtype, threads):
    rng = generator(shape, "products")
    classes = shape[0] if len(shape) == 1 else shape[1]
    x, p, w = small_integers(rng, shape), small_integers(rng, shape), small_integers(rng, classes)
    g = np.asarray(small_integers(rng, points_of(shape)))
    real = {name: np.asarray(a).astype(dtype) for name, a in {"x": x, "p": p, "w": w, "g": g}.items()}
    expected = np.asarray(reference.class_product(x, p, w, 2, 3))
    assert_exact(_core.class_product_forward(real["x"], real["p"], real["w"], 2, 3), expected, dtype)
    unweighted = np.asarray(reference.class_product(x, p, None, 2, 3))
    assert_exact(_core.class_product_forward(real["x"], real["p"], None, 2, 3), unweighted, dtype)
    # The gradients are adjoints, exactly.
    total = (expected * g).sum()
    in_x = _core.class_product_grad(real["p"], real["w"], real["g"], 2, 3)
    assert in_x.dtype == dtype
    assert (in_x.astype(np.int64) * x).sum() == total
    in_w = _core.class_product_points(real["x"], real["p"], real["g"], 2, 3)
    assert in_w.dtype == dtype
    assert (in_w.astype(np.int64) * w).sum() == total
    in_p = _core.class_product_grad(real["x"], real["w"], real["g"], 2, 0)
    assert (in_p.astype(np.int64) * p).sum() == (reference.class_product(x, p, w, 2, 0) * g).sum()


def test_class_losses_same_bits_however_they_run(dtype, layouts):
    rng = generator("class bits")
    x, p = rng.standard_normal((2, 700, 13, 21)).astype(dtype)
    w, g = rng.random(13).astype(dtype), rng.standard_normal((700, 21)).astype(dtype)
    target = rng.integers(0, 13, (700, 21))

    def results(x=x, p=p, w=w, g=g, target=target):
        return (
            _core.nll_forward(x, target, w, 3),
            _core.nll_grad(x.shape, target, w, 3, g),
            _core.class_product_forward(x, p, w, 0.9, 0.1),
            _core.class_product_grad(p, w, g, 0.9, 0.1),
            _core.class_product_points(x, p, g, 0.9, 0.1),
        )

    expected = results()
    for threads in (1, 2, 3, 7):
        _core.set_num_threads(threads)
        for actual, wanted in zip(results(), expected, strict=True):
            assert_same_bits(actual, wanted, threads)
    variants = [
        (argument, variant)
        for argument, array in {"x": x, "p": p, "w": w, "g": g}.items()
        for _, variant in layouts(array)
    ]
    variants += [("target", t) for t in (np.asfortranarray(target), target[::-1][::-1], target.astype(">i4"))]
    for argument, variant in variants:
        for actual, wanted in zip(results(**{argument: variant}), expected, strict=True):
            assert_same_bits(actual, wanted, argument)


# -- derivatives --------------------------------------------------------------------------------

rng = np.random.default_rng(3)
SHAPES = [(), (4,), (2, 3, 2)]

# name: (loss of (input, target), of which a second derivative exists)
PAIRS = {
    "mse": lambda x, t, **o: F.mse_loss(x, t, **o),
    "l1": lambda x, t, **o: F.l1_loss(x, t, **o),
    "smooth_l1": lambda x, t, **o: F.smooth_l1_loss(x, t, beta=0.6, **o),
    "huber": lambda x, t, **o: F.huber_loss(x, t, delta=0.6, **o),
    "bce": lambda x, t, **o: F.binary_cross_entropy(x, t, **o),
    "bce_with_logits": lambda x, t, **o: F.binary_cross_entropy_with_logits(x, t, **o),
    "kl_div": lambda x, t, **o: F.kl_div(x, t, **o),
    "kl_div_log": lambda x, t, **o: F.kl_div(x, t, log_target=True, **o),
}
WEIGHTED = ["mse", "l1", "huber", "bce", "bce_with_logits"]


def pair(name, shape):
    """Away from kinks and from the ends of domains."""
    x, t = rng.uniform(0.1, 0.9, (2, *shape))
    if name in ("smooth_l1", "huber", "l1"):
        x = t + np.where(rng.random(shape) < 0.5, 1, -1) * np.where(rng.random(shape) < 0.5, 0.3, 1.2)
    return np.asarray(x), np.asarray(t)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", PAIRS)
def test_derivatives_of_pairs(name, shape, reduction):
    x, t = pair(name, shape)
    check = lambda f, *a: check_grads(f, modes=["fwd", "rev"], order=2)(*a)  # noqa: E731
    check(lambda x, t: PAIRS[name](x, t, reduction=reduction), x, t)
    if name in WEIGHTED:
        w = np.asarray(rng.uniform(0.5, 2, shape))
        check(lambda x, t, w: PAIRS[name](x, t, reduction=reduction, weight=w), x, t, w)
        check(lambda x: PAIRS[name](x, t, reduction=reduction, weight=w), x)
        check(lambda w: PAIRS[name](x, t, reduction=reduction, weight=w), w)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize(("weight", "pos_weight"), [(None, (3,)), ((2, 1), (3,)), ((2, 3), (2, 3)), ((), ())])
def test_derivatives_with_broadcast_weights(weight, pos_weight, reduction):
    x, t = pair("bce_with_logits", (2, 3))
    w = None if weight is None else np.asarray(rng.uniform(0.5, 2, weight))
    p = np.asarray(rng.uniform(0.5, 2, pos_weight))

    def loss(x, t, w, p):
        return F.binary_cross_entropy_with_logits(x, t, w, reduction=reduction, pos_weight=p)

    if w is None:
        check_grads(lambda x, t, p: loss(x, t, None, p), modes=["fwd", "rev"], order=2)(x, t, p)
    else:
        check_grads(loss, modes=["fwd", "rev"], order=2)(x, t, w, p)


def test_derivative_of_batchmean():
    x, t = pair("kl_div", (3, 4))
    check_grads(lambda x, t: F.kl_div(x, t, reduction="batchmean"), modes=["fwd", "rev"], order=2)(x, t)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 4, 3)], ids=str)
def test_derivatives_over_classes(shape, reduction):
    x, p = rng.standard_normal(shape), rng.random(shape)
    w, index = rng.random(4) + 0.5, np.asarray(rng.integers(0, 3, points_of(shape)))
    check = lambda f, *a: check_grads(f, modes=["fwd", "rev"], order=2)(*a)  # noqa: E731
    options = {"reduction": reduction}
    check(lambda x: F.nll_loss(x, index, w, ignore_index=3, **options), x)
    check(lambda x: F.nll_loss(x, index, **options), x)
    check(lambda x, p, w: F.cross_entropy(x, p, w, label_smoothing=0.2, **options), x, p, w)
    check(lambda x, p: F.cross_entropy(x, p, **options), x, p)
    check(lambda x: F.cross_entropy(x, index, w, label_smoothing=0.2, **options), x)


def test_third_derivatives_are_refused():
    x, t = pair("mse", (3,))

    def slope(x):
        return grad(lambda x: F.binary_cross_entropy_with_logits(x, t))(x)

    with pytest.raises(NotImplementedError, match="second order"):
        grad(lambda x: (grad(lambda x: (slope(x) ** 2).sum())(x) ** 2).sum())(x)


def test_mean_of_nothing_has_a_gradient():
    empty = np.zeros((0, 3))
    for function in (F.mse_loss, F.binary_cross_entropy, F.kl_div, F.cross_entropy):
        assert grad(lambda x, f=function: f(x, empty))(empty).shape == (0, 3)
    x, ignored = np.zeros((2, 3)), np.array([-100, -100])
    for function in (F.nll_loss, F.cross_entropy):
        assert np.isnan(function(x, ignored))
        np.testing.assert_array_equal(grad(lambda x, f=function: f(x, ignored))(x), 0)


def test_gradients_keep_the_dtype():
    x, t = (np.asarray(a, np.float32) for a in pair("bce", (3, 4)))
    w = np.ones(4, np.float32)
    losses = [
        *PAIRS.values(),
        lambda x, t, **o: F.cross_entropy(x, t, w, **o),
        lambda x, t, **o: F.nll_loss(x * t, np.array([0, 1, 2]), w, **o),
    ]
    for loss, reduction in product(losses, ("none", "mean")):
        assert loss(x, t, reduction=reduction).dtype == np.float32
        for argument in (0, 1):
            gradient = grad(
                lambda x, t, loss=loss, r=reduction: (loss(x, t, reduction=r) * np.float64(np.pi)).sum(),
                argument,
            )(x, t)
            assert gradient.dtype == np.float32
    vjp, value = make_vjp(lambda x: F.mse_loss(x, t))(x)
    assert value.dtype == np.float32
    assert vjp(1.0).dtype == np.float32


def test_no_temporary_arrays_for_the_plain_case(monkeypatch):
    """The gradient of a mean is one pass over input and target."""
    from convnative.functional import _pairwise_loss

    calls = []
    real = _core.pairwise_loss
    monkeypatch.setattr(
        _pairwise_loss._core, "pairwise_loss", lambda *a: calls.append((a[1], np.shape(a[6]))) or real(*a)
    )
    x, t = pair("mse", (5, 7))
    grad(lambda x: F.mse_loss(x, t))(x)
    assert calls == [("value", ()), ("dx", ())]


# -- values -------------------------------------------------------------------------------------


@given(st.integers(0, 40), st.sampled_from(["none", "mean", "sum"]), st.booleans())
def test_reductions(size, reduction, weighted):
    x, t, w = draw("mse", (size,), np.dtype(np.float64))
    each = (x - t) ** 2 * (w if weighted else 1)
    with np.errstate(invalid="ignore"):
        mean = each.sum() / (w.sum() if weighted else np.float64(size))
    expected = {"none": each, "sum": each.sum(), "mean": mean}[reduction]
    actual = F.mse_loss(x, t, reduction=reduction, weight=w if weighted else None)
    np.testing.assert_allclose(actual, expected, rtol=1e-13)
    assert isinstance(actual, np.ndarray if reduction == "none" else np.float64)


def test_weights_by_hand():
    x, t, w = np.array([1.0, 2.0, 4.0]), np.zeros(3), np.array([1.0, 0.0, 3.0])
    assert F.mse_loss(x, t, weight=w) == 49 / 4
    assert F.l1_loss(x, t, weight=w) == 13 / 4
    assert F.huber_loss(x, t, weight=w) == (0.5 + 3 * 3.5) / 3  # by the number of elements, as in torch
    assert F.kl_div(np.zeros((2, 3)), np.ones((2, 3)) * np.e, reduction="batchmean") == 3 * np.e
    logits = np.array([[0.0, 1.0]])
    weighted = F.binary_cross_entropy_with_logits(
        logits, np.ones((1, 2)), reduction="sum", pos_weight=np.array([2.0, 0.0])
    )
    np.testing.assert_allclose(weighted, 2 * np.log(2))


def test_smooth_l1_with_beta_0_is_l1():
    x, t = pair("l1", (5,))
    assert F.smooth_l1_loss(x, t, beta=0) == F.l1_loss(x, t)
    np.testing.assert_array_equal(
        grad(lambda x: F.smooth_l1_loss(x, t, beta=0))(x), grad(lambda x: F.l1_loss(x, t))(x)
    )


def test_scalars_inside_of_derivatives():
    x = np.array([1.0, 2.0])
    gradient = grad(lambda x: F.mse_loss(anp.sum(x), np.array(1.0)))(x)
    np.testing.assert_array_equal(gradient, [4, 4])


def test_class_index_targets_of_any_layout():
    x = np.log(np.array([[0.2, 0.8], [0.5, 0.5]]))
    assert F.nll_loss(x[0], np.int64(1)) == -x[0, 1]
    for target in (np.array([1, 0], np.uint8), np.array([0, 1])[::-1], np.array([1, 0], ">i4")):
        assert F.nll_loss(x, target) == -(x[0, 1] + x[1, 0]) / 2


def test_no_classes():
    for target in (np.zeros((3, 0)), np.zeros((3, 0))):
        assert np.isnan(F.cross_entropy(np.zeros((3, 0)), target))
        assert F.cross_entropy(np.zeros((3, 0)), target, reduction="none").tolist() == [0, 0, 0]
        assert np.isnan(F.cross_entropy(np.zeros((3, 0)), target, label_smoothing=0.1))
    with pytest.raises(IndexError, match=r"^target: "):
        F.cross_entropy(np.zeros((3, 0)), np.zeros(3, int))


# -- layers -------------------------------------------------------------------------------------

POSITIVE = np.array([1.0, 2.0, 3.0])
LAYERS = {
    nn.CrossEntropyLoss: ({"label_smoothing": 0.1, "ignore_index": 2}, F.cross_entropy, "index"),
    nn.NLLLoss: ({"ignore_index": 2}, F.nll_loss, "index"),
    nn.MSELoss: ({}, F.mse_loss, "pair"),
    nn.L1Loss: ({}, F.l1_loss, "pair"),
    nn.SmoothL1Loss: ({"beta": 0.3}, F.smooth_l1_loss, "pair"),
    nn.HuberLoss: ({"delta": 0.3}, F.huber_loss, "pair"),
    nn.BCELoss: ({}, F.binary_cross_entropy, "pair"),
    nn.BCEWithLogitsLoss: ({"pos_weight": POSITIVE}, F.binary_cross_entropy_with_logits, "pair"),
    nn.KLDivLoss: ({"log_target": True}, F.kl_div, "pair"),
}  # fmt: skip


@pytest.mark.parametrize("layer", LAYERS)
def test_layers_call_the_functions(layer):
    settings, function, kind = LAYERS[layer]
    x, t = pair("bce", (4, 3))
    t = np.array([0, 2, 1, 1]) if kind == "index" else t
    for reduction in ("none", "mean", "sum"):
        ours = layer(reduction=reduction, **settings)
        np.testing.assert_array_equal(ours(x, t), function(x, t, reduction=reduction, **settings))
    with pytest.raises(ValueError, match=r"^reduction: "):
        layer(reduction="median")
    assert list(layer(**settings).parameters()) == []


def test_weights_of_layers_are_buffers():
    w = np.array([1.0, 2.0, 0.5])
    loss = nn.CrossEntropyLoss(w)
    assert list(loss.state_dict()) == ["weight"]
    assert list(nn.CrossEntropyLoss().state_dict()) == []
    assert list(nn.BCEWithLogitsLoss(w, pos_weight=w).state_dict()) == ["weight", "pos_weight"]
    x, t = rng.standard_normal((2, 3)), np.array([0, 2])
    assert loss(x, t) == F.cross_entropy(x, t, w)
    assert nn.KLDivLoss(reduction="batchmean")(x, np.exp(x)) == F.kl_div(x, np.exp(x), reduction="batchmean")


def test_a_loss_layer_trains_a_model():
    model = nn.Sequential(nn.Identity("ignored"), nn.Linear(2, 1, rng=0))
    x, t = np.eye(2, dtype=np.float32), np.array([[1], [0]], np.float32)
    criterion = nn.MSELoss()
    optimizer = cn.optim.SGD(model, 0.5)
    for _ in range(60):
        loss, grads = cn.value_and_grad(lambda m: criterion(m(x), t), model)
        optimizer.step(grads)
    assert loss < 1e-3


def test_summary_knows_losses():
    class WithLoss(nn.Module):
        def __init__(self, function):
            super().__init__()
            self.function = function
            self.linear = nn.Linear(4, 3)

        def forward(self, x):
            return self.function(self.linear(x))

    t, p, w = np.zeros((5, 3), np.float32), np.ones((5, 3), np.float32), np.ones(3, np.float32)
    index = np.zeros(5, int)
    for function, shape in (
        (lambda x: F.mse_loss(x, t), ()),
        (lambda x: F.mse_loss(x, t, reduction="none"), (5, 3)),
        (lambda x: F.binary_cross_entropy_with_logits(x, t, w, pos_weight=w, reduction="none"), (5, 3)),
        (lambda x: F.kl_div(x, t, reduction="batchmean"), ()),
        (lambda x: F.cross_entropy(x, index), ()),
        (lambda x: F.cross_entropy(x, index, reduction="none"), (5,)),
        (lambda x: F.cross_entropy(x, p, w, reduction="sum"), ()),
        (lambda x: F.cross_entropy(x, p, reduction="none"), (5,)),
        (lambda x: F.nll_loss(x, index, w, reduction="none"), (5,)),
    ):
        assert cn.summary(WithLoss(function), (5, 4)).output_shape == shape


# -- errors -------------------------------------------------------------------------------------

X = np.full((2, 3), 0.5)
ERRORS = {
    "list": (lambda: F.mse_loss([1.0], np.ones(1)), TypeError, "input"),
    "target list": (lambda: F.mse_loss(np.ones(1), [1.0]), TypeError, "target"),
    "integers": (lambda: F.l1_loss(np.ones(3, int), np.ones(3, int)), TypeError, "input"),
    "mixed": (lambda: F.mse_loss(X, X.astype(np.float32)), TypeError, "target"),
    "masked": (lambda: F.mse_loss(np.ma.array(X), X), TypeError, "input"),
    "broadcast": (lambda: F.mse_loss(X, X[0]), ValueError, "target"),
    "broadcast one": (lambda: F.kl_div(X, X[:1]), ValueError, "target"),
    "reduction": (lambda: F.mse_loss(X, X, reduction="batchmean"), ValueError, "reduction"),
    "reduction None": (lambda: F.mse_loss(X, X, reduction=None), ValueError, "reduction"),
    "kl reduction": (lambda: F.kl_div(X, X, reduction="max"), ValueError, "reduction"),
    "weight shape": (lambda: F.mse_loss(X, X, weight=X[0]), ValueError, "weight"),
    "l1 weight shape": (lambda: F.l1_loss(X, X, weight=X[0]), ValueError, "weight"),
    "huber weight shape": (lambda: F.huber_loss(X, X, weight=X[0]), ValueError, "weight"),
    "weight dtype": (lambda: F.mse_loss(X, X, weight=X.astype(np.float32)), TypeError, "weight"),
    "weight list": (lambda: F.mse_loss(X, X, weight=[1.0]), TypeError, "weight"),
    "bce weight": (lambda: F.binary_cross_entropy(X, X, np.ones(2)), ValueError, "weight"),
    "bce larger weight": (lambda: F.binary_cross_entropy(X, X, np.ones((1, 2, 3))), ValueError, "weight"),
    "bce weight list": (lambda: F.binary_cross_entropy(X, X, [1.0]), TypeError, "weight"),
    "pos_weight": (
        lambda: F.binary_cross_entropy_with_logits(X, X, pos_weight=np.ones((2, 2))),
        ValueError,
        "pos_weight",
    ),
    "beta": (lambda: F.smooth_l1_loss(X, X, beta=-1), ValueError, "beta"),
    "beta NaN": (lambda: F.smooth_l1_loss(X, X, beta=np.nan), ValueError, "beta"),
    "beta str": (lambda: F.smooth_l1_loss(X, X, beta="1"), TypeError, "beta"),
    "delta": (lambda: F.huber_loss(X, X, delta=0), ValueError, "delta"),
    "delta NaN": (lambda: F.huber_loss(X, X, delta=np.nan), ValueError, "delta"),
    "delta bool": (lambda: F.huber_loss(X, X, delta=True), TypeError, "delta"),
    "log_target": (lambda: F.kl_div(X, X, log_target=1), TypeError, "log_target"),
    "nll input": (lambda: F.nll_loss([[1.0]], np.array([0])), TypeError, "input"),
    "nll scalar": (lambda: F.nll_loss(np.array(1.0), np.array(0)), ValueError, "input"),
    "nll floats": (lambda: F.nll_loss(X, np.array([0.0, 1.0])), TypeError, "target"),
    "nll bools": (lambda: F.nll_loss(X, np.array([True, False])), TypeError, "target"),
    "nll list": (lambda: F.nll_loss(X, [0, 1]), TypeError, "target"),
    "nll shape": (lambda: F.nll_loss(X, np.array([0])), ValueError, "target"),
    "nll range": (lambda: F.nll_loss(X, np.array([0, 3])), IndexError, "target"),
    "nll negative": (lambda: F.nll_loss(X, np.array([0, -1])), IndexError, "target"),
    "nll weight": (lambda: F.nll_loss(X, np.array([0, 1]), np.ones(2)), ValueError, "weight"),
    "nll weight dtype": (
        lambda: F.nll_loss(X, np.array([0, 1]), np.ones(3, np.float32)),
        TypeError,
        "weight",
    ),
    "nll ignore": (lambda: F.nll_loss(X, np.array([0, 1]), ignore_index=0.5), TypeError, "ignore_index"),
    "nll traced weight": (
        lambda: grad(lambda w: F.nll_loss(X, np.array([0, 1]), w))(np.ones(3)),
        TypeError,
        "weight",
    ),
    "cross_entropy integers as probabilities": (
        lambda: F.cross_entropy(X, np.ones((2, 3), int)),
        TypeError,
        "target",
    ),
    "cross_entropy smoothing NaN": (
        lambda: F.cross_entropy(X, X, label_smoothing=np.nan),
        ValueError,
        "label_smoothing",
    ),
    "cross_entropy uint64": (
        lambda: F.cross_entropy(X, np.array([0, 2**63], np.uint64)),
        IndexError,
        "target",
    ),
    "cross_entropy ignore_index": (
        lambda: F.cross_entropy(X, np.array([0, 1]), ignore_index=2**63),
        OverflowError,
        "ignore_index",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name):
    call, kind, argument = ERRORS[name]
    with pytest.raises(kind, match=rf"^{argument}: .*expected .*received"):
        call()


GRAD = {"loss": "mse", "derivative": "value", "parameter": 0.0, "input": X, "target": X, "weight": X,
        "grad": X, "reduce": False, "divisor": 1.0}  # fmt: skip
HOSTILE = [
    ("pairwise_loss", GRAD, "loss", "none such", ValueError),
    ("pairwise_loss", GRAD, "loss", 3, TypeError),
    ("pairwise_loss", GRAD, "derivative", "dxxx", ValueError),
    ("pairwise_loss", GRAD, "parameter", "1", TypeError),
    ("pairwise_loss", GRAD, "target", X.T, ValueError),
    ("pairwise_loss", GRAD, "weight", X[0], ValueError),
    ("pairwise_loss", GRAD, "grad", X[0], ValueError),
    ("pairwise_loss", GRAD, "grad", X.astype(np.float32), TypeError),
    ("pairwise_loss", GRAD, "reduce", 1, TypeError),
    ("pairwise_loss", GRAD, "divisor", None, TypeError),
    ("sum", {"input": X}, "input", [1.0], TypeError),
    ("sum", {"input": X}, "divisor", "1", TypeError),
    *(
        (name, {**arguments, "target": np.array([0, 1]), "class_weight": None, "ignore_index": -100}, *change)
        for name, arguments in (
            ("nll_forward", {"input": X}),
            ("nll_grad", {"input_shape": (2, 3), "grad_losses": X[:, 0]}),
            ("target_weight", {"input_shape": (2, 3)}),
        )
        for change in (
            ("target", np.array([0, 3]), IndexError),
            ("target", np.array([0]), ValueError),
            ("target", np.array([0.0, 1.0]), TypeError),
            ("class_weight", X[0, :2], ValueError),
            ("class_weight", [1.0], TypeError),
            ("ignore_index", 2**63, OverflowError),
        )
    ),
    *(
        (name, {**arguments, "scale": 1.0, "shift": 0.0}, *change)
        for name, arguments in (
            ("class_product_forward", {"input": X, "probabilities": X, "class_weight": X[0]}),
            ("class_product_grad", {"probabilities": X, "class_weight": X[0], "grad_losses": X[:, 0]}),
            ("class_product_points", {"input": X, "probabilities": X, "grad_losses": X[:, 0]}),
        )
        for change in (
            ("probabilities", np.array(1.0), ValueError),
            ("probabilities", X.astype(int), TypeError),
            ("scale", "1", TypeError),
            ("shift", None, TypeError),
        )
    ),
]


@pytest.mark.parametrize("case", HOSTILE, ids=lambda case: f"{case[0]}-{case[2]}-{case[3]!r}"[:50])
def test_errors_of_the_core(case):
    name, arguments, argument, value, kind = case
    getattr(_core, name)(**arguments)
    with pytest.raises(kind, match=rf"^({argument}|input|grad_losses|class_weight): .*expected .*received"):
        getattr(_core, name)(**{**arguments, argument: value})
