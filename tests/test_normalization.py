"""Normalisation against the definition in a wider type, its derivatives, and running statistics."""

import threading
from itertools import product

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad, make_vjp
from autograd.test_util import check_grads

import convnative as cn
import reference
from arrays import UNIT_ROUNDOFF, assert_same_bits, assert_within, generator, layouts
from convnative import _core, nn
from convnative import functional as F

EPS = 1e-5

# (shape, kind, number): planes long, short and of one element, all kinds of groups, several parts each way
GEOMETRIES = [
    ((2, 3), "batch", 0),
    ((300, 5), "batch", 0),
    ((1, 4, 33), "batch", 0),
    ((3, 2, 5000), "batch", 0),
    ((300, 3, 7), "batch", 0),
    ((2, 150, 2), "batch", 0),
    ((9, 4, 6, 6), "batch", 0),
    ((2, 3, 2, 3, 4), "batch", 0),
    ((2, 6), "group", 2),
    ((2, 6, 5), "group", 6),
    ((2, 6, 40), "group", 3),
    ((3, 8, 3, 3), "group", 1),
    ((2, 4, 9000), "group", 4),
    ((140, 12, 2), "group", 3),
    ((5,), "layer", 1),
    ((3, 1), "layer", 1),
    ((4, 7), "layer", 1),
    ((150, 200), "layer", 1),
    ((2, 3, 4, 5), "layer", 2),
    ((2, 9000), "layer", 1),
    ((1, 3, 70, 60), "layer", 3),
]
geometries = pytest.mark.parametrize(("shape", "kind", "number"), GEOMETRIES, ids=str)
EMPTY = [
    ((0, 3), "batch", 0), ((2, 3, 0), "batch", 0), ((2, 0, 4), "batch", 0), ((0, 6, 4), "group", 3),
    ((2, 6, 0), "group", 3), ((2, 0, 4), "group", 3), ((0, 4), "layer", 1), ((2, 0), "layer", 1),
]  # fmt: skip


def weight_shape(shape, kind, number):
    return shape[len(shape) - number :] if kind == "layer" else shape[1:2]


def statistics(x, kind, number):
    """Mean and inverse standard deviation, as the functions hand them to the core."""
    mean, variance = _core.norm_moments(x, kind, number)
    return mean, 1 / np.sqrt(variance + EPS)


def data(shape, kind, number, dtype, offset=0.0):
    rng = generator(shape, kind)
    x, g = (rng.standard_normal(shape).astype(dtype) for _ in range(2))
    w, b = (rng.standard_normal(weight_shape(shape, kind, number)).astype(dtype) for _ in range(2))
    return (x + dtype.type(offset)).astype(dtype), g, w, b


# -- the core ---------------------------------------------------------------------------------


@geometries
@pytest.mark.parametrize("offset", [0, 1000])
def test_moments(shape, kind, number, offset, dtype, isa):
    """Exact to some units of float64 whatever the mean: nothing cancels."""
    x = data(shape, kind, number, dtype, offset)[0]
    actual = _core.norm_moments(x, kind, number)
    exact = reference.norm_moments(x.astype(np.float64), kind, number)
    # The formula's condition: a relative error of the mean is an absolute one of size |mean|.
    np.testing.assert_allclose(actual[0], exact[0].astype(float), rtol=1e-14, atol=1e-14 * (1 + offset))
    np.testing.assert_allclose(
        actual[1], exact[1].astype(float), rtol=1e-13, atol=1e-13 * (1 + offset) ** 2 * 1e-3
    )


@geometries
@pytest.mark.parametrize("affine", [False, True])
def test_forward(shape, kind, number, affine, dtype, isa):
    x, _, w, b = data(shape, kind, number, dtype)
    w, b = (w, b) if affine else (None, None)
    mean, inverse = statistics(x, kind, number)
    actual = _core.norm_forward(x, mean, inverse, w, b, kind, number)
    exact = reference.norm(x, kind, number, w, b, EPS)
    u = exact.dtype.type(UNIT_ROUNDOFF[x.dtype])
    # One rounding of the result where sums are wider than the type; in float64 a few of each operand.
    scale = np.abs(exact) + (1 + np.abs(exact) if affine else np.abs(exact)) + 1
    assert_within(actual, exact, (2 if dtype == np.float32 else 40) * u * scale * 4)


@geometries
@pytest.mark.parametrize("affine", [False, True])
def test_gradients(shape, kind, number, affine, dtype, isa):
    x, g, w, _ = data(shape, kind, number, dtype)
    w = w if affine else None
    mean, inverse = statistics(x, kind, number)
    actual = _core.norm_grad(x, g, mean, inverse, w, kind, number, False, "iwb")
    exact = reference.norm_grad(x, g, kind, number, w, EPS)
    tolerance = 3e-6 if dtype == np.float32 else 1e-12
    for one, other in zip(actual, exact, strict=True):
        assert one.dtype == dtype
        size = np.abs(other).max(initial=1)
        np.testing.assert_allclose(one, other.astype(np.float64), rtol=tolerance, atol=tolerance * size)


@geometries
def test_gradients_with_constant_statistics(shape, kind, number, dtype, isa):
    x, g, w, _ = data(shape, kind, number, dtype)
    mean, inverse = statistics(x, kind, number)
    x.flat[0] = np.inf  # does not reach the gradient in the input
    actual = _core.norm_grad(x, g, mean, inverse, w, kind, number, True, "i")[0]
    u, axes, shape_of_weight = reference._norm_axes(g.astype(np.float64), kind, number)
    weighted = g.astype(np.float64) * w.astype(np.float64).reshape(shape_of_weight)
    kept = [1 if axis in axes else size for axis, size in enumerate(u.shape)]
    expected = (weighted.reshape(u.shape) * inverse.reshape(kept)).reshape(shape)
    np.testing.assert_allclose(actual, expected, rtol=2 * float(UNIT_ROUNDOFF[x.dtype]) + 1e-15)


@geometries
def test_same_bits_however_it_runs(shape, kind, number, dtype):
    x, g, w, b = data(shape, kind, number, dtype)
    expected = None
    for level, threads in product(_core.available_isas(), (1, 2, 3, 7)):
        _core.set_isa(level)
        _core.set_num_threads(threads)
        moments = _core.norm_moments(x, kind, number)
        mean, inverse = moments[0], 1 / np.sqrt(moments[1] + EPS)
        results = [
            moments,
            _core.norm_forward(x, mean, inverse, w, b, kind, number),
            *_core.norm_grad(x, g, mean, inverse, w, kind, number, False, "iwb"),
            *_core.norm_grad(x, g, mean, inverse, w, kind, number, True, "iwb"),
        ]
        expected = expected or results
        for one, other in zip(results, expected, strict=True):
            assert_same_bits(one, other, (level, threads))
    for letter, one in zip("iwb", expected[2:5], strict=True):
        alone = _core.norm_grad(x, g, mean, inverse, w, kind, number, False, letter)
        assert_same_bits(alone["iwb".index(letter)], one, letter)
        assert sum(part is not None for part in alone) == 1
    for name, variant in layouts(x):
        assert_same_bits(_core.norm_moments(variant, kind, number), expected[0], name)
        assert_same_bits(_core.norm_forward(variant, mean, inverse, w, b, kind, number), expected[1], name)
    for name, variant in layouts(g):
        grads = _core.norm_grad(x, variant, mean, inverse, w, kind, number, False, "iwb")
        for one, other in zip(grads, expected[2:5], strict=True):
            assert_same_bits(one, other, name)
    out = np.full_like(x, np.nan)
    assert _core.norm_forward(x, mean, inverse, w, b, kind, number, out) is out
    assert_same_bits(out, expected[1])


@pytest.mark.parametrize(("shape", "kind", "number"), EMPTY, ids=str)
def test_of_nothing(shape, kind, number, dtype):
    x, g, w, b = data(shape, kind, number, dtype)
    mean, inverse = statistics(x, kind, number)
    assert _core.norm_forward(x, mean, inverse, w, b, kind, number).shape == shape
    for constant in (False, True):
        grads = _core.norm_grad(x, g, mean, inverse, w, kind, number, constant, "iwb")
        assert grads[0].shape == shape
        assert not np.any(grads[1])
        assert not np.any(grads[2])


def test_integers_are_exact(dtype, isa):
    """Mean and variance are small integers, and so is everything that follows."""
    signs = generator("integers").permuted(np.tile([-1, 1], (40, 50)), axis=1)
    x = (3 + 2 * signs).astype(dtype)  # mean 3, variance 4 of each row
    mean, variance = _core.norm_moments(x, "layer", 1)
    assert_same_bits(mean, np.full(40, 3.0))
    assert_same_bits(variance, np.full(40, 4.0))
    y = _core.norm_forward(x, mean, 1 / np.sqrt(variance), None, None, "layer", 1)
    assert_same_bits(y, signs.astype(dtype))
    mean, variance = _core.norm_moments(np.ascontiguousarray(x.T), "batch", 0)
    assert_same_bits(mean, np.full(40, 3.0))
    assert_same_bits(variance, np.full(40, 4.0))


def test_nan_stays_in_its_group(dtype, isa):
    for shape, kind, number in (((4, 3, 40), "batch", 0), ((4, 3, 5), "batch", 0), ((4, 6, 5), "group", 2)):
        x, _, w, b = data(shape, kind, number, dtype)
        x[1, 0, 2] = np.nan
        y = _core.norm_forward(x, *statistics(x, kind, number), w, b, kind, number)
        whole = y[:, 0] if kind == "batch" else y[1, :3]
        assert np.isnan(whole).all()
        assert np.isnan(y).sum() == whole.size


# -- derivatives ------------------------------------------------------------------------------

SHAPES = [(4, 6), (2, 6, 5), (2, 6, 3, 3), (2, 6, 2, 2, 2)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("mode", ["rev", "fwd"])
def test_derivatives_of_both_orders(shape, mode):
    rng = generator(shape, "derivatives")
    x, w, b = rng.standard_normal(shape), rng.standard_normal(6), rng.standard_normal(6)
    mean, var = rng.standard_normal(6), rng.random(6) + 0.5
    per_element = rng.standard_normal(shape[1:])
    functions = [
        (lambda *a: F.batch_norm(a[0], None, None, *a[1:], training=True), w),
        (lambda *a: F.batch_norm(a[0], mean, var, *a[1:]), w),
        (lambda *a: F.group_norm(a[0], 3, *a[1:]), w),
        (lambda *a: F.layer_norm(a[0], shape[1:], *a[1:]), per_element),
    ]
    if len(shape) > 2:
        functions.append((lambda *a: F.instance_norm(a[0], None, None, *a[1:]), w))
    for function, weight in functions:
        check_grads(function, (0, 1, 2), modes=[mode], order=2)(x, weight, np.resize(b, weight.shape))
    check_grads(functions[0][0], modes=[mode], order=2)(x)


def test_third_derivatives():
    x = generator("third").standard_normal((3, 4))
    first = grad(lambda x: anp.sum(F.layer_norm(x, (4,)) ** 3))
    check_grads(lambda x: anp.sum(first(x) ** 2), modes=["rev"], order=2)(x)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 9])
@pytest.mark.parametrize("beta", [0.75, 0.6])
def test_local_response_derivatives(size, beta):
    x = generator(size, beta).standard_normal((2, 4, 3))

    def function(x):
        return F.local_response_norm(x, size, 0.7, beta, 1.3)

    check_grads(function, modes=["rev"], order=2)(x)
    check_grads(function, modes=["fwd"])(x)


def test_gradients_are_float32_for_float32():
    x, w = np.ones((3, 2), np.float32), np.ones(2, np.float32)
    vjp, _ = make_vjp(lambda x: F.batch_norm(x, None, None, w, None, True))(x)
    assert vjp(np.ones((3, 2))).dtype == np.float32
    vjp, _ = make_vjp(lambda w: F.batch_norm(x, None, None, w, None, True))(w)
    assert vjp(np.ones((3, 2))).dtype == np.float32


# -- local response ---------------------------------------------------------------------------

RESPONSES = [((2, 5, 7), 3), ((1, 1, 1), 5), ((2, 96, 9, 9), 5), ((3, 4, 200), 4), ((2, 3, 4), 1),
             ((2, 3, 4), 2**62), ((0, 3, 4), 2), ((2, 0, 4), 2), ((2, 3, 0), 2)]  # fmt: skip


@pytest.mark.parametrize(("shape", "size"), RESPONSES, ids=str)
@pytest.mark.parametrize(("alpha", "beta", "k"), [(1e-4, 0.75, 1.0), (0.5, 0.75, 2.0), (3.0, 1.3, 0.5)])
def test_local_response_norm(shape, size, alpha, beta, k, dtype, threads):
    rng = generator(shape, size)
    x, g = (rng.standard_normal(shape).astype(dtype) for _ in range(2))
    width = min(size, 2 * shape[1] + 1)  # more cannot be seen, but for the division
    scaled = alpha * (width / size)
    tolerance = {"rtol": 1e-6, "atol": 1e-6} if dtype == np.float32 else {"rtol": 1e-13, "atol": 1e-14}
    actual = _core.local_response_forward(x, size, alpha, beta, k)
    expected = reference.local_response_norm(x, width, scaled, beta, k)
    np.testing.assert_allclose(actual, expected.astype(float), **tolerance)
    actual = _core.local_response_grad(x, g, size, alpha, beta, k)
    expected = reference.local_response_norm_grad(x, g, width, scaled, beta, k)
    np.testing.assert_allclose(actual, expected.astype(float), **tolerance)


def test_local_response_norm_same_bits_however_it_runs(dtype):
    rng = generator("response bits")
    x, g = (rng.standard_normal((3, 20, 11, 13)).astype(dtype) for _ in range(2))
    expected = (
        _core.local_response_forward(x, 5, 0.1, 0.7, 1),
        _core.local_response_grad(x, g, 5, 0.1, 0.7, 1),
    )
    for count in (1, 2, 7):
        _core.set_num_threads(count)
        assert_same_bits(_core.local_response_forward(x, 5, 0.1, 0.7, 1), expected[0])
        assert_same_bits(_core.local_response_grad(x, g, 5, 0.1, 0.7, 1), expected[1])
    for name, variant in layouts(x):
        assert_same_bits(_core.local_response_forward(variant, 5, 0.1, 0.7, 1), expected[0], name)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 50])
def test_channel_window_sum_and_its_adjoint(size, dtype):
    rng = generator(size, "window")
    x, y = (rng.integers(-4, 5, (2, 6, 70)) for _ in range(2))
    for adjoint in (False, True):
        actual = _core.channel_window_sum(x.astype(dtype), size, adjoint)
        assert_same_bits(actual, reference.channel_window_sum(x, size, adjoint).astype(dtype))
    forward = _core.channel_window_sum(x.astype(dtype), size, False)
    assert (forward * y).sum() == (x * _core.channel_window_sum(y.astype(dtype), size, True)).sum()


# -- running statistics -----------------------------------------------------------------------


def test_running_statistics_are_updated_in_place():
    x = generator("running").standard_normal((5, 3, 4))
    mean, var = np.zeros(3), np.ones(3)
    F.batch_norm(x, mean, var, training=True, momentum=0.3)
    np.testing.assert_allclose(mean, 0.3 * x.mean(axis=(0, 2)))
    np.testing.assert_allclose(var, 0.7 + 0.3 * x.var(axis=(0, 2), ddof=1))
    before = mean.copy(), var.copy()
    F.batch_norm(x, mean, var)
    assert_same_bits(mean, before[0])
    assert_same_bits(var, before[1])
    F.instance_norm(x, mean, var, momentum=0.3)
    np.testing.assert_allclose(mean, 0.7 * before[0] + 0.3 * x.mean(axis=(0, 2)))
    np.testing.assert_allclose(var, 0.7 * before[1] + 0.3 * x.var(axis=2, ddof=1).mean(axis=0))


@pytest.mark.parametrize("shape", [(0, 3, 4), (2, 3, 0)], ids=str)
def test_an_empty_batch_leaves_the_running_statistics(shape):
    mean, var = np.zeros(3), np.ones(3)
    assert F.batch_norm(np.ones(shape), mean, var, training=True).shape == shape
    assert F.instance_norm(np.ones(shape), mean, var).shape == shape
    assert mean.tolist() == [0, 0, 0]
    assert var.tolist() == [1, 1, 1]


def test_an_error_leaves_the_running_statistics():
    mean, var = np.zeros(3), np.ones(3)
    layer = nn.BatchNorm1d(3)
    for call in (
        lambda: F.batch_norm(np.ones((2, 3)), mean, var, np.ones(4), training=True),
        lambda: F.batch_norm(np.ones((1, 3)), mean, var, training=True),
        lambda: layer(np.ones((2, 4), np.float32)),
        lambda: layer(np.ones((1, 3), np.float32)),
    ):
        with pytest.raises(ValueError, match="expected"):
            call()
    assert mean.tolist() == layer.running_mean.tolist() == [0, 0, 0]
    assert var.tolist() == layer.running_var.tolist() == [1, 1, 1]
    assert layer.num_batches_tracked == 0


def test_buffers_hold_no_traces_inside_of_derivatives():
    layer = nn.BatchNorm1d(3, dtype=np.float64)
    twin = nn.BatchNorm1d(3, dtype=np.float64)
    x = generator("traces").standard_normal((6, 3))

    def loss(model):
        return anp.sum(model(x) ** 3)

    def penalty(model):
        _, inner = cn.value_and_grad(loss, model)
        return sum((array**2).sum() for array in inner.values()) + 0 * anp.sum(model.weight)

    cn.value_and_grad(loss, layer)
    cn.value_and_grad(penalty, layer)
    grad(lambda x: anp.sum(layer(x * 1)))(x)
    for _ in range(3):
        twin(x)
    for name, buffer in layer.named_buffers():
        assert type(buffer) is np.ndarray, name
        np.testing.assert_allclose(buffer, dict(twin.named_buffers())[name])
    assert layer.num_batches_tracked == 3


def test_gradient_of_a_gradient_penalty_through_batch_norm():
    model = nn.Sequential(nn.Linear(3, 4, dtype=np.float64), nn.BatchNorm1d(4, dtype=np.float64), nn.Tanh())
    x = generator("penalty").standard_normal((6, 3))

    def penalty(m):
        _, inner = cn.value_and_grad(lambda k: (k(x) ** 2).sum(), m)
        return sum((array**2).sum() for array in inner.values())

    _, grads = cn.value_and_grad(penalty, model)
    for name, parameter in model.named_parameters():
        for index in np.ndindex(*parameter.shape):
            before = parameter[index]
            parameter[index] = before + 1e-5
            upper = penalty(model)
            parameter[index] = before - 1e-5
            lower = penalty(model)
            parameter[index] = before
            assert grads[name][index] == pytest.approx((upper - lower) / 2e-5, rel=1e-4, abs=1e-6)


def test_cumulative_average():
    layer = nn.BatchNorm1d(2, momentum=None, dtype=np.float64)
    batches = generator("cumulative").standard_normal((4, 10, 2))
    for batch in batches:
        layer(batch)
    np.testing.assert_allclose(layer.running_mean, batches.mean(axis=(0, 1)))
    np.testing.assert_allclose(layer.running_var, batches.var(axis=1, ddof=1).mean(axis=0))
    layer.reset_running_stats()
    assert layer.running_mean.tolist() == [0, 0]
    assert layer.running_var.tolist() == [1, 1]
    assert layer.num_batches_tracked == 0


def test_summary_leaves_the_buffers():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.GroupNorm(2, 4), nn.InstanceNorm2d(4),
                          nn.LocalResponseNorm(2), nn.PReLU(4), nn.GELU(), nn.Dropout2d())  # fmt: skip
    table = cn.summary(model, (2, 3, 8, 8))
    assert table.output_shape == (2, 4, 6, 6)
    assert table.parameters == 3 * 4 * 9 + 4 + 8 + 8 + 4
    assert model[1].num_batches_tracked == 0


@pytest.mark.parametrize(
    ("layer", "shape", "blamed"),
    [
        (nn.BatchNorm2d(3), (1, 4, 2, 2), "weight"),
        (nn.BatchNorm2d(3), (1, 3, 2), "input"),
        (nn.GroupNorm(2, 4), (1, 6, 2), "weight"),
        (nn.GroupNorm(4, 4), (1, 6, 2), "num_groups"),
        (nn.LayerNorm((3, 2)), (1, 3), "normalized_shape"),
        (nn.LocalResponseNorm(2), (2, 3), "input"),
        (nn.PReLU(3), (2, 4), "weight"),
        (nn.InstanceNorm1d(3, affine=True), (2, 4, 5), "input"),
    ],
)
def test_summary_tells_what_does_not_fit(layer, shape, blamed):
    with pytest.raises(ValueError, match=rf"{blamed}: expected .*, received "):
        cn.summary(layer, shape)


def test_threads_of_the_caller_may_share_a_layer():
    layer = nn.BatchNorm2d(4, dtype=np.float64).eval()
    x = generator("shared").standard_normal((8, 4, 9, 9))
    expected, failures = layer(x), []

    def work():
        for _ in range(20):
            if not np.array_equal(layer(x), expected):
                failures.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


# -- arguments --------------------------------------------------------------------------------

ONE, ZERO = np.ones(3), np.zeros(3)
X = np.ones((2, 3, 4))


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: F.batch_norm(np.ones(3), ZERO, ONE), ValueError, "input: expected shape (N, C, ...)"),
        (lambda: F.batch_norm(X, None, None), ValueError, "running_mean: expected an array"),
        (lambda: F.batch_norm(X, ZERO, None), TypeError, "running_var: expected a numpy.ndarray"),
        (lambda: F.batch_norm(X, np.zeros(4), ONE), ValueError, "running_mean: expected shape (3,)"),
        (lambda: F.batch_norm(X, ZERO.astype("f4"), ONE), TypeError, "running_mean: expected the input's"),
        (lambda: F.batch_norm(X, ZERO, ONE, np.ones(4)), ValueError, "weight: expected shape (3,)"),
        (lambda: F.batch_norm(X, ZERO, ONE, None, ONE.astype("f4")), TypeError, "bias: expected dtype"),
        (lambda: F.batch_norm(X[:1, :, :1], ZERO, ONE, training=True), ValueError, "input: expected more"),
        (lambda: F.batch_norm(X, ZERO, ONE, training=True, eps=0), ValueError, "eps: expected a number > 0"),
        (lambda: F.batch_norm(X, ZERO, ONE, momentum="0.1"), TypeError, "momentum: expected a float"),
        (lambda: F.batch_norm(X.astype(int), ZERO, ONE), TypeError, "input: expected an array of float32"),
        (lambda: F.batch_norm(X, ZERO, ONE, out=X), ValueError, "out: expected memory apart from input"),
        (lambda: F.instance_norm(X[:, :, :1]), ValueError, "input: expected more than one value"),
        (lambda: F.instance_norm(X, use_input_stats=False), ValueError, "running_mean: expected an array"),
        (lambda: F.group_norm(X, 2), ValueError, "num_groups: expected a divisor of 3"),
        (lambda: F.group_norm(X, 0), ValueError, "num_groups: expected an int >= 1"),
        (lambda: F.group_norm(X[:1, :, :1], 3), ValueError, "input: expected more than one value"),
        (lambda: F.group_norm(np.ones(3), 3), ValueError, "input: expected shape (N, C, ...)"),
        (lambda: F.layer_norm(X, (3,)), ValueError, "normalized_shape: expected the sizes of the last"),
        (lambda: F.layer_norm(X, ()), ValueError, "normalized_shape: expected at least one"),
        (lambda: F.layer_norm(X, 4), TypeError, "normalized_shape: expected a sequence of ints"),
        (lambda: F.layer_norm(X, (4.0,)), TypeError, "normalized_shape: expected an int"),
        (lambda: F.layer_norm(X, (3, 4), np.ones(4)), ValueError, "weight: expected shape (3, 4)"),
        (lambda: F.local_response_norm(X[0], 2), ValueError, "input: expected shape (N, C, L, ...)"),
        (lambda: F.local_response_norm(X, 0), ValueError, "size: expected an int >= 1"),
        (lambda: F.local_response_norm(X, 2.0), TypeError, "size: expected an int >= 1"),
        (lambda: F.local_response_norm(X, 2, "a"), TypeError, "alpha: expected a float"),
        (lambda: nn.BatchNorm1d(-1), ValueError, "num_features: expected an int >= 0"),
        (lambda: nn.BatchNorm2d(3)(X.astype("f4")), ValueError, "input: expected 4 dimensions"),
        (lambda: nn.InstanceNorm2d(3)(X[0]), ValueError, "input: expected 3 or 4 dimensions"),
        (lambda: nn.GroupNorm(2, 3), ValueError, "num_groups: expected a divisor of num_channels"),
        (lambda: nn.LayerNorm(()), ValueError, "normalized_shape: expected at least one size"),
        (lambda: nn.LocalResponseNorm(0), ValueError, "size: expected an int >= 1"),
    ],
)
def test_wrong_arguments(call, kind, message):
    with pytest.raises(kind) as caught:
        call()
    assert str(caught.value).startswith(message)
    assert "received" in str(caught.value)


def test_out_is_refused_while_differentiating():
    with pytest.raises(TypeError, match=r"^out: "):
        grad(lambda w: anp.sum(F.batch_norm(X, ZERO, ONE, w, out=np.empty_like(X))))(ONE)
