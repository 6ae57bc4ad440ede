"""Agreement with torch on activations: functions, gradients, second gradients and layers."""

import numpy as np
import pytest
from autograd import elementwise_grad
from hypothesis import given, settings
from hypothesis import strategies as st

from convnative import functional as F
from convnative import nn

torch = pytest.importorskip("torch", reason="torch is not installed: agreement with it is not checked")
TF = torch.nn.functional

TOLERANCE = {np.float32: {"rtol": 4e-6, "atol": 2e-6}, np.float64: {"rtol": 1e-13, "atol": 1e-14}}

FUNCTIONS = {
    "relu": (), "relu6": (), "leaky_relu": (), "elu": (), "selu": (), "celu": (), "gelu": (), "silu": (),
    "mish": (), "sigmoid": (), "tanh": (), "hardswish": (), "hardsigmoid": (), "hardtanh": (), "softplus": (),
    "softsign": (), "logsigmoid": (), "threshold": (0.5, 2.0),
}  # fmt: skip
CASES = [
    *FUNCTIONS.items(),
    ("leaky_relu", (0.3,)),
    ("leaky_relu", (-0.3,)),
    ("elu", (0.7,)),
    ("elu", (-0.7,)),
    ("celu", (0.5,)),
    ("celu", (-0.5,)),
    ("hardtanh", (-0.5, 2.0)),
    ("hardtanh", (1.0, 1.0)),
    ("softplus", (2.0, 3.0)),
]
cases = pytest.mark.parametrize(("name", "arguments"), CASES, ids=lambda value: str(value))


def tensor(array):
    return torch.from_numpy(np.array(array)).requires_grad_()


def compare(ours, theirs, x, second=True, kind=None):
    """Value, gradient, and the gradient of a weighted sum of the gradient."""
    tolerance = TOLERANCE[kind or x.dtype.type]
    g = np.random.default_rng(1).standard_normal(x.shape).astype(x.dtype)
    t = tensor(x)
    expected = theirs(t)
    np.testing.assert_allclose(np.asarray(ours(x)), expected.detach().numpy(), **tolerance)
    (slope,) = torch.autograd.grad((expected * torch.from_numpy(g)).sum(), t, create_graph=True)
    gradient = elementwise_grad(lambda x: ours(x) * g)
    np.testing.assert_allclose(np.asarray(gradient(x)), slope.detach().numpy(), **tolerance)
    if not second or not slope.requires_grad:
        return
    (curvature,) = torch.autograd.grad((slope * torch.from_numpy(g)).sum(), t)
    np.testing.assert_allclose(
        np.asarray(elementwise_grad(lambda x: gradient(x) * g)(x)),
        curvature.numpy(),
        rtol=10 * tolerance["rtol"],
        atol=10 * tolerance["atol"],
    )


@cases
@given(data=st.data())
@settings(max_examples=10)
def test_functions(name, arguments, data):
    real = data.draw(st.sampled_from([np.float32, np.float64]))
    shape = data.draw(st.lists(st.integers(0, 5), max_size=4))
    scale = data.draw(st.sampled_from([0.1, 1, 10]))
    x = np.asarray(np.random.default_rng(data.draw(st.integers(0, 99))).standard_normal(shape) * scale, real)
    x = np.asarray(np.where(x == 0, 0.1, x), real)  # torch leaves some second derivatives open there
    compare(
        lambda x: getattr(F, name)(x, *arguments),
        lambda t: getattr(TF, name)(t, *arguments),
        x,
        # Of hardsigmoid, torch has no second derivative, and 1 / 6 in float32 alone.
        second=name != "hardsigmoid",
        kind=np.float32 if name == "hardsigmoid" else None,
    )


@pytest.mark.parametrize("real", [np.float32, np.float64])
def test_gelu_by_tanh(real):
    x = np.linspace(-6, 6, 1001).astype(real)
    compare(lambda x: F.gelu(x, "tanh"), lambda t: TF.gelu(t, approximate="tanh"), x)


@cases
def test_values_at_the_kinks_and_of_nan(name, arguments):
    x = np.array([np.nan, 0, -0.0, 1, -1, 3, -3, 6, 0.5, 2], np.float64)
    t = tensor(x)
    expected = getattr(TF, name)(t, *arguments)
    np.testing.assert_allclose(getattr(F, name)(x, *arguments), expected.detach().numpy(), rtol=1e-13)
    (slope,) = torch.autograd.grad(expected.sum(), t)
    ours = elementwise_grad(lambda x: getattr(F, name)(x, *arguments))(x)
    tolerance = 1e-7 if name == "hardsigmoid" else 1e-11
    np.testing.assert_allclose(ours[1:], slope.numpy()[1:], rtol=tolerance)


@given(data=st.data())
@settings(max_examples=40)
def test_prelu(data):
    real = data.draw(st.sampled_from([np.float32, np.float64]))
    shape = data.draw(st.lists(st.integers(1, 5), max_size=5))
    channels = shape[1] if len(shape) > 1 else 1
    weights = data.draw(st.sampled_from([(1,), (channels,), ()]))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    x, w, g = (np.asarray(rng.standard_normal(size), real) for size in (shape, weights, shape))
    tx, tw = tensor(x), tensor(w)
    expected = TF.prelu(tx, tw)
    np.testing.assert_allclose(F.prelu(x, w), expected.detach().numpy(), rtol=1e-6)
    grads = torch.autograd.grad((expected * torch.from_numpy(g)).sum(), (tx, tw))
    for argument, grad in enumerate(grads):
        ours = elementwise_grad(lambda x, w: F.prelu(x, w) * g, argument)(x, w)
        np.testing.assert_allclose(np.asarray(ours), grad.numpy(), rtol=1e-4, atol=1e-6)


LAYERS = [
    ("ReLU", ()), ("ReLU6", ()), ("LeakyReLU", ()), ("LeakyReLU", (0.2,)), ("PReLU", ()), ("PReLU", (3,)),
    ("ELU", ()), ("ELU", (0.5,)), ("SELU", ()), ("CELU", ()), ("CELU", (0.5,)), ("GELU", ()),
    ("GELU", ("tanh",)), ("SiLU", ()), ("Mish", ()), ("Sigmoid", ()), ("Tanh", ()), ("Hardswish", ()),
    ("Hardsigmoid", ()), ("Hardtanh", ()), ("Hardtanh", (-2.0, 0.5)), ("Softplus", ()),
    ("Softplus", (2.0, 5.0)), ("Softsign", ()), ("LogSigmoid", ()), ("Threshold", (0.1, 20.0)),
    ("Softmax", (1,)), ("LogSoftmax", (-1,)), ("Softmax2d", ()),
]  # fmt: skip


@pytest.mark.parametrize(("name", "arguments"), LAYERS, ids=lambda value: str(value))
def test_layers(name, arguments):
    ours, theirs = getattr(nn, name)(*arguments), getattr(torch.nn, name)(*arguments)
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict({key: value.numpy() for key, value in theirs.state_dict().items()})
    x = np.random.default_rng(2).standard_normal((2, 3, 4, 5)).astype(np.float32)
    np.testing.assert_allclose(ours(x), theirs(torch.from_numpy(x)).detach().numpy(), rtol=4e-6, atol=4e-7)


REFUSED = [
    lambda library, ones: library.celu(ones(3), 0.0),
    lambda library, ones: library.hardtanh(ones(3), 2.0, 1.0),
    lambda library, ones: library.gelu(ones(3), approximate="erf"),
    lambda library, ones: library.prelu(ones(2, 3), ones(4)),
    lambda library, ones: library.prelu(ones(3), ones(3)),
    lambda library, ones: library.prelu(ones(2, 3), ones(1, 3)),
]


@pytest.mark.parametrize("call", REFUSED)
def test_both_refuse(call):
    with pytest.raises((RuntimeError, ValueError)):
        call(TF, torch.ones)
    with pytest.raises(ValueError, match=r"^\w+: expected .*, received "):
        call(F, lambda *shape: np.ones(shape))
