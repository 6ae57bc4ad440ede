"""Activations against their definitions in a wider type, and their derivatives."""

from itertools import product

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import elementwise_grad, make_jvp
from autograd.test_util import check_grads

import reference
from arrays import UNIT_ROUNDOFF, assert_same_bits, assert_within, generator, layouts
from convnative import _core, nn
from convnative import functional as F

# (row of the core's table, parameters)
SETTINGS = [
    ("relu", ()),
    ("leaky_relu", (0.01,)),
    ("leaky_relu", (-0.5,)),
    ("threshold", (0.5, -2.0)),
    ("hardtanh", (-1.0, 1.0)),
    ("hardtanh", (0.0, 6.0)),
    ("hardsigmoid", ()),
    ("hardswish", ()),
    ("elu", (1.0, 1.0, 1.0)),
    ("elu", (1.625, 1.0625, 1.0)),
    ("elu", (2.0, 1.0, 0.5)),
    ("sigmoid", ()),
    ("silu", ()),
    ("tanh", ()),
    ("softplus", (1.0, 20.0)),
    ("softplus", (0.5, 8.0)),
    ("logsigmoid", ()),
    ("softsign", ()),
    ("mish", ()),
    ("gelu", ()),
    ("gelu_tanh", ()),
]

# Errors of the functions in units in the last place of the exact result.
ULP = {
    "relu": 0, "leaky_relu": 1, "threshold": 0, "hardtanh": 0, "hardsigmoid": 2, "hardswish": 3, "elu": 3,
    "sigmoid": 3, "silu": 4, "tanh": 3, "softplus": 3, "logsigmoid": 3, "softsign": 2, "mish": 5, "gelu": 8,
    "gelu_tanh": 6,
}  # fmt: skip

rows = pytest.mark.parametrize(("name", "parameters"), SETTINGS, ids=lambda value: str(value))


def arguments(dtype, count=4000):
    """Numbers of every magnitude that the functions tell apart."""
    rng = generator("activations", dtype)
    far = 90 if dtype == np.float32 else 720
    return np.concatenate(
        [
            rng.uniform(-1, 1, count),
            rng.uniform(-12, 12, count),
            rng.uniform(-far, far, count),
            10.0 ** rng.uniform(-30, 0, count) * rng.choice([-1, 1], count),
            np.arange(-8, 8.5, 0.5),
        ]
    ).astype(dtype)


def value_bound(name, x, exact):
    """The promised error: units in the last place, and of a subnormal number for products that underflow."""
    u = exact.dtype.type(UNIT_ROUNDOFF[x.dtype])
    tiny = np.finfo(x.dtype).smallest_subnormal.astype(exact.dtype)
    wide = x.astype(exact.dtype)
    units = np.full(x.shape, ULP[name], exact.dtype)
    if name == "gelu_tanh":  # an error of the exponent's argument is one of the result
        units += 4 * np.minimum(np.abs(1.6 * wide * (1 + 0.044715 * wide**2)), 1000)
    return 2 * u * units * np.abs(exact) + tiny * (1 + 2 * np.abs(wide))


def test_every_row_is_tested():
    table = _core.activation_functions()
    assert {name for name, _ in table} == set(reference.ACTIVATIONS) == set(ULP)
    assert {(name, len(parameters)) for name, parameters in SETTINGS} == set(table)


@rows
def test_values(name, parameters, dtype, isa):
    x = arguments(dtype)
    exact = reference.activation(x, name, parameters)
    actual = _core.activation_forward(x, name, parameters)
    assert actual.dtype == dtype
    assert_within(actual, exact, value_bound(name, x, exact), (name, isa))


@rows
def test_gradients(name, parameters, dtype, isa):
    x = arguments(dtype)
    g = generator(name).standard_normal(x.shape).astype(dtype)
    slope = reference.activation_grad(x, name, parameters)
    expected = slope * g.astype(slope.dtype)
    u = slope.dtype.type(UNIT_ROUNDOFF[x.dtype])
    # The slope of a product cancels where it passes through 0: the error is one of its terms.
    bound = 12 * u * (1 + np.abs(slope)) * np.abs(g) + np.finfo(dtype).tiny
    assert_within(_core.activation_grad(x, g, name, parameters), expected, bound, (name, isa))


SMOOTH = {
    "sigmoid": F.sigmoid,
    "silu": F.silu,
    "tanh": F.tanh,
    "softplus": lambda x: F.softplus(x, 1.5),
    "logsigmoid": F.logsigmoid,
    "softsign": F.softsign,
    "mish": F.mish,
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, "tanh"),
    "elu": lambda x: F.elu(x, 1.5),
    "selu": F.selu,
    "celu": lambda x: F.celu(x, 1.5),
    "hardswish": F.hardswish,
}
PIECES = {
    "relu": F.relu,
    "relu6": F.relu6,
    "leaky_relu": F.leaky_relu,
    "threshold": lambda x: F.threshold(x, 0.2, 3.0),
    "hardtanh": F.hardtanh,
    "hardsigmoid": F.hardsigmoid,
}


@pytest.mark.parametrize("name", [*SMOOTH, *PIECES])
@pytest.mark.parametrize("shape", [(3, 5), ()], ids=str)
def test_derivatives_of_both_orders(name, shape, isa):
    function = {**SMOOTH, **PIECES}[name]
    x = np.asarray(generator(name, shape).uniform(-2.7, 2.7, shape))
    # Away from the kinks, which finite differences would step over.
    x = np.where(np.abs(np.abs(x) - 1) < 0.02, 1.1, np.where(np.abs(x) < 0.25, 0.3 + x, x))
    x = np.asarray(np.where(np.abs(x) < 0.02, 0.1, x))
    check_grads(function, modes=["rev", "fwd"], order=2)(x)


@rows
def test_second_derivative_is_that_of_the_gradient(name, parameters, isa):
    x = generator(name, "second").uniform(-6, 6, 500)
    kinks = [0, -3, 3, -1, 1, 6, 0.5, 16, 20]
    x = x[(np.abs(x[:, None] - kinks) > 1e-3).all(axis=1)]
    one, step = np.ones_like(x), 1e-5
    slope = [_core.activation_grad(x + shift, one, name, parameters) for shift in (step, -step)]
    second = _core.activation_grad(x, one, name, parameters, 2)
    np.testing.assert_allclose(second, (slope[0] - slope[1]) / (2 * step), rtol=1e-6, atol=1e-9)


# -- special values ---------------------------------------------------------------------------

LIMITS = {  # at -inf and inf: value, slope
    "relu": ((0, 0), (np.inf, 1)),
    "leaky_relu": ((-np.inf, 0.01), (np.inf, 1)),
    "threshold": ((-2, 0), (np.inf, 1)),
    "hardtanh": ((-1, 0), (1, 0)),
    "hardsigmoid": ((0, 0), (1, 0)),
    "hardswish": ((0, 0), (np.inf, 1)),
    "elu": ((-1, 0), (np.inf, 1)),
    "sigmoid": ((0, 0), (1, 0)),
    "silu": ((0, 0), (np.inf, 1)),
    "tanh": ((-1, 0), (1, 0)),
    "softplus": ((0, 0), (np.inf, 1)),
    "logsigmoid": ((-np.inf, 1), (0, 0)),
    "softsign": ((-1, 0), (1, 0)),
    "mish": ((0, 0), (np.inf, 1)),
    "gelu": ((0, 0), (np.inf, 1)),
    "gelu_tanh": ((0, 0), (np.inf, 1)),
}


def settings_of(name):
    return next(parameters for row, parameters in SETTINGS if row == name)


@pytest.mark.parametrize("name", LIMITS)
def test_infinities_give_the_limits_and_nan_stays(name, dtype, isa):
    largest = np.finfo(dtype).max
    x = np.array([-np.inf, np.inf, np.nan, -largest, largest], dtype)
    parameters = settings_of(name)
    values = _core.activation_forward(x, name, parameters)
    slopes = _core.activation_grad(x, np.ones_like(x), name, parameters)
    seconds = _core.activation_grad(x, np.ones_like(x), name, parameters, 2)
    for i, (value, slope) in enumerate(LIMITS[name]):
        assert values[i] == value
        assert slopes[i] == pytest.approx(slope)
        assert seconds[i] == 0
        if np.isfinite(value):
            assert values[3 + i] == value
        assert slopes[3 + i] == pytest.approx(slope)
    assert np.isnan(values[2])


@rows
def test_sign_of_zero(name, parameters, dtype, isa):
    x = np.array([0.0, -0.0], dtype)
    y = _core.activation_forward(x, name, parameters)
    if y[0] == 0 and name != "threshold" and parameters != (-0.5,):
        assert np.signbit(y).tolist() == [False, True]


def test_gradients_that_do_not_pass_are_zero(dtype, isa):
    """Whatever comes from above: 0 times infinity would be NaN."""
    g = np.array([np.inf, -np.inf, np.nan], dtype)
    for name, x in (("relu", 0), ("hardtanh", 1), ("hardtanh", -1), ("hardtanh", 5), ("hardsigmoid", 4),
                    ("hardswish", -3), ("threshold", 0.5)):  # fmt: skip
        grad = _core.activation_grad(np.full(3, x, dtype), g, name, settings_of(name))
        np.testing.assert_array_equal(grad, 0, name)


# -- how it runs ------------------------------------------------------------------------------


@rows
def test_same_bits_in_every_lane_and_tail(name, parameters, dtype, isa):
    x = arguments(dtype, 20)[:67]
    g = generator(name, "tails").standard_normal(67).astype(dtype)
    whole = _core.activation_forward(x, name, parameters), _core.activation_grad(x, g, name, parameters)
    for length in range(68):
        for begin in (0, 67 - length):
            part = slice(begin, begin + length)
            assert_same_bits(_core.activation_forward(x[part], name, parameters), whole[0][part])
            assert_same_bits(_core.activation_grad(x[part], g[part], name, parameters), whole[1][part])


@rows
def test_same_bits_however_it_runs(name, parameters, dtype, isa):
    x = generator(name, "bits").standard_normal((3, 5, 7, 67)).astype(dtype) * 3
    g = generator(name, "more bits").standard_normal(x.shape).astype(dtype)
    expected = [_core.activation_forward(x, name, parameters), _core.activation_grad(x, g, name, parameters)]
    for count in (1, 2, 3, 7):
        _core.set_num_threads(count)
        large = np.resize(x, (20, *x.shape))
        result = _core.activation_forward(large, name, parameters)
        assert_same_bits(result, np.resize(expected[0], large.shape), count)
    for kind, variant in layouts(x):
        assert_same_bits(_core.activation_forward(variant, name, parameters), expected[0], kind)
        assert_same_bits(_core.activation_grad(variant, g, name, parameters), expected[1], kind)
    out = np.full_like(x, np.nan)
    assert _core.activation_forward(x, name, parameters, out) is out
    assert_same_bits(out, expected[0])


@rows
def test_levels_with_fused_products_agree_in_every_bit(name, parameters, dtype):
    x = arguments(dtype, 500)
    results = {}
    for level in _core.available_isas():
        _core.set_isa(level)
        results[level] = [
            _core.activation_forward(x, name, parameters),
            *(_core.activation_grad(x, np.ones_like(x), name, parameters, order) for order in (1, 2)),
        ]
    if {"avx2", "avx512"} <= set(results):
        for one, other in zip(results["avx2"], results["avx512"], strict=True):
            assert_same_bits(one, other)


@pytest.mark.parametrize("shape", [(0,), (2, 0, 3), ()], ids=str)
def test_of_nothing_and_of_one_number(shape, dtype):
    for name, parameters in SETTINGS:
        y = _core.activation_forward(np.zeros(shape, dtype), name, parameters)
        assert y.shape == shape
        assert y.dtype == dtype


def test_third_derivatives_are_refused():
    x = np.array([0.3, -0.7])
    slope = elementwise_grad(elementwise_grad(F.silu))
    assert slope(x).shape == x.shape
    for third in (elementwise_grad(slope), lambda x: make_jvp(slope)(x)(x)):
        with pytest.raises(NotImplementedError, match=r"^silu: there are derivatives up to the second order"):
            third(x)
    # What is linear has them all: in the factor of a second derivative, and of softmax.
    g = np.array([2.0, 3.0])
    check_grads(lambda g: elementwise_grad(elementwise_grad(lambda x: F.tanh(x) * g))(x), order=2)(g)
    check_grads(lambda x: elementwise_grad(lambda x: F.softmax(x, 0) * g)(x), modes=["fwd", "rev"], order=2)(
        x
    )
    check_grads(
        lambda x: elementwise_grad(lambda x: F.log_softmax(x, 0) * g)(x), modes=["fwd", "rev"], order=2
    )(x)


# -- prelu ------------------------------------------------------------------------------------

PRELU = [((5,), 1), ((), 1), ((3, 4), 4), ((2, 3, 5), 3), ((2, 3, 5), 1), ((2, 7, 3, 4), 7), ((0, 3), 3),
         ((1, 2, 3, 4, 5), 2), ((4, 3, 130, 140), 3), ((4, 60000), 1), ((700, 300), 300), ((3, 70000), 70000),
         ((200, 5, 7, 9), 5), ((200, 5, 8, 8), 5), ((3, 2, 0), 2)]  # fmt: skip


@pytest.mark.parametrize(("shape", "weights"), PRELU, ids=str)
def test_prelu(shape, weights, dtype, threads):
    rng = generator(shape, "prelu")
    x, g = (np.asarray(rng.integers(-4, 5, shape)).astype(dtype) for _ in range(2))
    w = rng.integers(-4, 5, weights).astype(dtype)
    assert_same_bits(np.asarray(F.prelu(x, w)), np.asarray(reference.prelu(x, w)).astype(dtype))
    grads = reference.prelu_grad(x, w, g)
    for argument, expected in enumerate(grads):
        actual = elementwise_grad(lambda *a: F.prelu(*a) * g, argument)(x, w)
        assert_same_bits(np.asarray(actual), np.asarray(expected).astype(dtype))


def test_prelu_derivatives_of_both_orders():
    rng = generator("prelu derivatives")
    x = rng.uniform(0.1, 2, (2, 3, 4)) * rng.choice([-1, 1], (2, 3, 4))
    for w in (rng.standard_normal(3), rng.standard_normal(1)):
        check_grads(F.prelu, (0, 1), modes=["rev", "fwd"], order=2)(x, w)
        check_grads(lambda x, w: anp.sum(F.prelu(x, w) ** 2 * w.sum()), (0, 1), order=2)(x, w)


@pytest.mark.parametrize(
    ("shape", "weights"), [((3,), (3,)), ((2, 3), (2,)), ((2, 3), (1, 3)), ((2, 3), (0,))], ids=str
)
def test_prelu_weights_that_do_not_fit(shape, weights):
    with pytest.raises(ValueError, match=r"^weight: expected .*, received "):
        F.prelu(np.ones(shape), np.ones(weights))
    with pytest.raises(TypeError, match=r"^weight: expected dtype float64 as input, received dtype float32"):
        F.prelu(np.ones((2, 3)), np.ones(3, np.float32))


# -- arguments --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda x: F.hardtanh(x, 1.0, -1.0), ValueError, "min_val: expected at most max_val"),
        (lambda x: F.celu(x, 0), ValueError, "alpha: expected a number other than 0"),
        (lambda x: F.gelu(x, "erf"), ValueError, "approximate: expected one of"),
        (lambda x: F.elu(x, "1"), TypeError, "alpha: expected a float"),
        (lambda x: F.leaky_relu(x, None), TypeError, "negative_slope: expected a float"),
        (lambda x: F.softplus(x, [1]), TypeError, "beta: expected a float"),
        (lambda x: F.threshold(x, 1j, 0), TypeError, "threshold: expected a float"),
        (lambda x: F.sigmoid(x.astype(int)), TypeError, "input: expected dtype float32 or float64"),
        (lambda x: F.sigmoid(x, out=x), ValueError, "out: expected memory apart from input"),
        (lambda x: F.sigmoid(x, out=np.ones(4)), ValueError, "out: expected shape"),
        (lambda x: _core.activation_forward(x, "sine", ()), ValueError, "name: expected one of relu"),
        (lambda x: _core.activation_forward(x, "elu", ()), ValueError, "parameters: expected 3 numbers"),
        (lambda x: _core.activation_grad(x, x, "elu", (1, 1, 1), 3), ValueError, "order: expected 1 or 2"),
        (lambda _: nn.CELU(0), ValueError, "alpha: "),
        (lambda _: nn.Hardtanh(1, 0), ValueError, "min_val: "),
        (lambda _: nn.GELU("erf"), ValueError, "approximate: "),
        (lambda _: nn.PReLU(0), ValueError, "num_parameters: "),
        (lambda x: nn.Softmax2d()(x), ValueError, "input: "),
    ],
)
def test_wrong_arguments(call, kind, message):
    with pytest.raises(kind, match=rf"^{message}"):
        call(np.ones(3))


def test_out_is_refused_while_differentiating():
    for function, x in product((F.gelu, F.sigmoid, F.elu), (np.ones(3),)):
        with pytest.raises(TypeError, match=r"^out: "):
            elementwise_grad(lambda x, function=function: function(x, out=np.empty(3)))(x)


def test_float32_stays_float32_in_its_gradients():
    x = np.ones((2, 3), np.float32)
    assert elementwise_grad(lambda x: F.gelu(x) * np.ones(3))(x).dtype == np.float32
    w = np.ones(3, np.float32)
    assert elementwise_grad(lambda w: F.prelu(-x, w) * np.ones(3))(w).dtype == np.float32
