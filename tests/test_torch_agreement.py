"""
Agreement with torch on functions, gradients, layers, state dicts and optimizers.

Torch is never needed to use or to build this package; where it is not installed, these tests skip.
"""

import itertools

import numpy as np
import pytest
from autograd import grad

import convnative as cn
from convnative import functional as F
from convnative import nn

torch = pytest.importorskip("torch", reason="torch is not installed: agreement with it is not checked")
TF = torch.nn.functional

rng = np.random.default_rng(11)
TOLERANCE = {
    np.dtype(np.float32): {"rtol": 2e-5, "atol": 2e-5},
    np.dtype(np.float64): {"rtol": 1e-10, "atol": 1e-12},
}


def to_torch(value):
    return torch.from_numpy(np.array(value)) if isinstance(value, (np.ndarray, np.generic)) else value


def assert_same(ours, theirs):
    theirs = theirs.detach().numpy()
    assert np.shape(ours) == theirs.shape
    assert ours.dtype == theirs.dtype
    np.testing.assert_allclose(ours, theirs, **TOLERANCE[theirs.dtype])


def compare(ours, theirs, *arrays, gradients=None):
    """Values, and gradients of a random linear combination with respect to the float arrays."""
    tensors = [to_torch(array) for array in arrays]
    floats = [i for i, a in enumerate(arrays) if isinstance(a, np.ndarray) and a.dtype.kind == "f"]
    floats = floats if gradients is None else gradients
    for i in floats:
        tensors[i].requires_grad_()
    expected = theirs(*tensors)
    assert_same(ours(*arrays), expected)
    coefficients = np.asarray(rng.standard_normal(expected.shape), dtype=arrays[0].dtype)
    (expected * to_torch(coefficients)).sum().backward()
    for i in floats:
        gradient = grad(lambda *a: (ours(*a) * coefficients).sum(), i)(*arrays)
        assert_same(np.asarray(gradient), tensors[i].grad)


@pytest.fixture(params=[np.float32, np.float64], ids=["float32", "float64"])
def real(request):
    """A function that draws arrays of one of the two types."""

    def draw(*shape):
        return np.asarray(rng.standard_normal(shape), dtype=request.param)

    return draw


CONV = [
    {},
    {"stride": 2},
    {"stride": (1, 3), "padding": (2, 0)},
    {"padding": "valid", "dilation": 2},
    {"padding": "same", "dilation": (1, 2)},
    {"groups": 2, "padding": 1},
]


@pytest.mark.parametrize("settings", CONV, ids=str)
@pytest.mark.parametrize("batch", [(3,), (0,), ()], ids=["batched", "empty", "unbatched"])
@pytest.mark.parametrize("with_bias", [True, False])
def test_conv2d(real, settings, batch, with_bias):
    x = real(*batch, 4, 7, 8)
    w = real(6, 4 // settings.get("groups", 1), 3, 2)
    arrays = (x, w, real(6)) if with_bias else (x, w)
    compare(lambda *a: F.conv2d(*a, **settings), lambda *a: TF.conv2d(*a, **settings), *arrays)


def test_conv2d_gradient_functions(real):
    x, w = real(2, 4, 7, 8), real(6, 2, 3, 3)
    settings = {"stride": 2, "padding": 1, "dilation": 1, "groups": 2}
    g = real(*F.conv2d(x, w, **settings).shape)
    assert_same(
        F.conv2d_grad_input(g, w, x.shape, **settings),
        torch.nn.grad.conv2d_input(x.shape, to_torch(w), to_torch(g), **settings),
    )
    assert_same(
        F.conv2d_grad_weight(g, x, w.shape, **settings),
        torch.nn.grad.conv2d_weight(to_torch(x), w.shape, to_torch(g), **settings),
    )


@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize(
    ("kernel_size", "stride", "padding", "dilation"),
    [(2, None, 0, 1), (3, 2, 1, 1), ((2, 3), (1, 2), (1, 0), 1), (3, 1, 1, 2), (2, 3, 0, 1)],
)
@pytest.mark.parametrize("batch", [(2,), ()], ids=["batched", "unbatched"])
def test_max_pool2d(real, batch, kernel_size, stride, padding, dilation, ceil_mode):
    arguments = (kernel_size, stride, padding, dilation, ceil_mode)
    x = real(*batch, 3, 8, 9)
    compare(lambda x: F.max_pool2d(x, *arguments), lambda x: TF.max_pool2d(x, *arguments), x)
    equal = np.round(x)  # many equal elements: the same one has to win
    compare(lambda x: F.max_pool2d(x, *arguments), lambda x: TF.max_pool2d(x, *arguments), equal)


def test_max_pool2d_with_nan_and_infinities(real):
    x = real(1, 2, 6, 6)
    x[0, 0, 2, 3] = np.nan
    x[0, 1, :2] = -np.inf
    x[0, 1, 3, 3] = np.inf
    tensor = to_torch(x).requires_grad_()
    expected = TF.max_pool2d(tensor, 3, 2, 1)
    assert_same(F.max_pool2d(x, 3, 2, 1), expected)
    g = real(*expected.shape)
    expected.backward(to_torch(g))
    assert_same(F.max_pool2d_grad_input(g, x, 3, 2, 1), tensor.grad)


@pytest.mark.parametrize("divisor_override", [None, 5])
@pytest.mark.parametrize("count_include_pad", [False, True])
@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize(
    ("kernel_size", "stride", "padding"), [(2, None, 0), (3, 2, 1), ((2, 3), (1, 2), (1, 0)), (2, 3, 1)]
)
def test_avg_pool2d(real, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    arguments = (kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
    for shape in ((2, 3, 8, 9), (3, 8, 9)):
        compare(lambda x: F.avg_pool2d(x, *arguments), lambda x: TF.avg_pool2d(x, *arguments), real(*shape))


def test_relu(real):
    x = real(3, 4, 5)
    x[0, 0] = [np.nan, 0, -0.0, np.inf, -np.inf]
    g = real(3, 4, 5)
    tensor = to_torch(x).requires_grad_()
    expected = TF.relu(tensor)
    assert_same(F.relu(x), expected)
    expected.backward(to_torch(g))
    np.testing.assert_array_equal(F.relu_grad_input(g, x), tensor.grad.numpy())


@pytest.mark.parametrize("shape", [(5,), (3, 5), (2, 3, 4, 5)], ids=str)
def test_softmax(real, shape):
    for dim in range(-len(shape), len(shape)):
        x = real(*shape) * 30
        compare(lambda x, dim=dim: F.softmax(x, dim), lambda x, dim=dim: TF.softmax(x, dim), x)
        compare(lambda x, dim=dim: F.softmin(x, dim), lambda x, dim=dim: TF.softmin(x, dim), x)
        compare(lambda x, dim=dim: F.log_softmax(x, dim), lambda x, dim=dim: TF.log_softmax(x, dim), x)


@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 3, 4), (0, 4)], ids=str)
@pytest.mark.parametrize("with_bias", [True, False])
def test_linear(real, shape, with_bias):
    arrays = (real(*shape), real(5, 4), real(5)) if with_bias else (real(*shape), real(5, 4))
    compare(F.linear, TF.linear, *arrays)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("label_smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("with_weight", [False, True])
@pytest.mark.parametrize("shape", [(5,), (4, 5), (2, 5, 3), (2, 5, 3, 2)], ids=str)
def test_cross_entropy(real, shape, with_weight, label_smoothing, reduction):
    x = real(*shape)
    axis = 0 if len(shape) == 1 else 1
    weight = np.abs(real(5)) if with_weight else None
    options = {"reduction": reduction, "label_smoothing": label_smoothing}

    def ours(x, target, **extra):
        return F.cross_entropy(x, target, weight, **options, **extra)

    def theirs(x, target, **extra):
        return TF.cross_entropy(x, target, to_torch(weight), **options, **extra)

    index = np.asarray(rng.integers(0, 5, shape[:axis] + shape[axis + 1 :]))
    compare(ours, theirs, x, index)
    ignored = index[(0,) * index.ndim]
    if (index != ignored).any():
        compare(
            lambda x, t: ours(x, t, ignore_index=int(ignored)),
            lambda x, t: theirs(x, t, ignore_index=int(ignored)),
            x,
            index,
        )
    probabilities = np.asarray(TF.softmax(to_torch(real(*shape)), axis))
    compare(ours, theirs, x, probabilities)


@pytest.mark.parametrize("target_type", [np.uint8, np.int32, np.int64])
def test_cross_entropy_of_large_scores(real, target_type):
    x = real(6, 5) * 1000
    target = rng.integers(0, 5, 6).astype(target_type)
    assert_same(F.cross_entropy(x, target), TF.cross_entropy(to_torch(x), to_torch(target.astype(np.int64))))


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
@pytest.mark.parametrize(
    "pad", [(1, 2), (-1, 2), (2, -2), (0, 0), (1, 1, 2, 0), (-1, 1, 2, -1), (1, 0, 1, 1, 0, 1)], ids=str
)
def test_pad(real, mode, pad):
    for ndim in (len(pad) // 2 + 1, len(pad) // 2 + 2):
        x = real(*(3, 4, 3, 4, 5)[-ndim:])
        compare(lambda x: F.pad(x, pad, mode), lambda x: TF.pad(x, pad, mode), x)
    if mode == "constant":
        compare(lambda x: F.pad(x, pad, mode, 1.5), lambda x: TF.pad(x, pad, mode, 1.5), real(3, 4, 5))


def test_pad_takes_the_same_ranks(real):
    for mode, ndim, count in itertools.product(("reflect", "replicate", "circular"), range(1, 7), range(5)):
        x, pad = real(*(3,) * ndim), (1, 1) * count
        try:
            expected = TF.pad(to_torch(x), pad, mode)
        except (RuntimeError, NotImplementedError):
            with pytest.raises(ValueError, match=r"^pad: "):
                F.pad(x, pad, mode)
        else:
            assert_same(F.pad(x, pad, mode), expected)


@pytest.mark.parametrize("arguments", [(), (1,), (0, 1), (1, 2), (-2, -1), (2, 2)], ids=str)
def test_flatten(real, arguments):
    compare(lambda x: F.flatten(x, *arguments), lambda x: torch.flatten(x, *arguments), real(2, 3, 4, 5))


# -- layers -------------------------------------------------------------------------------------

LAYERS = [
    ("Conv2d", (4, 6, 3), {}),
    ("Conv2d", (4, 6, (3, 2), 2, (1, 0), (1, 2), 2, False), {}),
    ("Conv2d", (4, 6, 3), {"padding": "same", "dilation": 2}),
    ("MaxPool2d", (2,), {}),
    ("MaxPool2d", ((2, 3), 1, 1, 1), {"ceil_mode": True}),
    ("AvgPool2d", (2,), {}),
    ("AvgPool2d", (3, 2, 1, True, False), {}),
    ("Flatten", (), {}),
    ("Linear", (8, 3), {}),
    ("Linear", (8, 3, False), {}),
    ("ReLU", (), {}),
    ("Softmax", (1,), {}),
]


@pytest.mark.parametrize(("name", "arguments", "options"), LAYERS, ids=lambda value: str(value))
def test_layer(name, arguments, options):
    ours = getattr(nn, name)(*arguments, **options)
    theirs = getattr(torch.nn, name)(*arguments, **options)
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    keys = ours.load_state_dict({key: value.numpy() for key, value in theirs.state_dict().items()})
    assert keys == ([], [])
    x = rng.standard_normal((2, 4, 9, 8)).astype(np.float32)
    assert_same(ours(x), theirs(to_torch(x)))


def test_initial_values_have_the_same_distribution():
    torch.manual_seed(0)
    for name, arguments in (("Conv2d", (32, 1024, 3, 1, 0, 1, 2)), ("Linear", (100, 2000))):
        ours = getattr(nn, name)(*arguments, rng=0)
        theirs = getattr(torch.nn, name)(*arguments)
        for key, value in theirs.state_dict().items():
            mine = ours.state_dict()[key]
            np.testing.assert_allclose(mine.std(), value.std().item(), rtol=0.1)
            np.testing.assert_allclose(np.abs(mine).max(), value.abs().max().item(), rtol=0.02)
    for name in ("xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal"):
        expected = getattr(torch.nn.init, name + "_")(torch.empty(200, 100, 3, 3))
        np.testing.assert_allclose(
            getattr(cn.init, name)((200, 100, 3, 3), rng=0).std(), expected.std().item(), rtol=0.01
        )
    for name in ("linear", "conv2d", "sigmoid", "tanh", "relu", "leaky_relu", "selu"):
        assert cn.init.calculate_gain(name) == pytest.approx(torch.nn.init.calculate_gain(name))


def make_networks(dtype):
    def network(library, **options):
        return library.Sequential(
            library.Conv2d(1, 4, 3, padding=1, **options),
            library.ReLU(),
            library.MaxPool2d(2),
            library.Conv2d(4, 6, 3, **options),
            library.ReLU(),
            library.AvgPool2d(2),
            library.Flatten(),
            library.Linear(6, 5, **options),
        )

    ours = network(nn, dtype=dtype)
    theirs = network(torch.nn, dtype=torch.float32 if dtype is np.float32 else torch.float64)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert repr(ours) == repr(theirs)
    theirs.load_state_dict({key: to_torch(value) for key, value in ours.state_dict().items()})
    return ours, theirs


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gradients_of_a_network(dtype):
    ours, theirs = make_networks(dtype)
    x, t = rng.standard_normal((3, 1, 8, 8)).astype(dtype), np.array([0, 4, 2])
    value, grads = cn.value_and_grad(lambda m: F.cross_entropy(m(x), t), ours)
    loss = TF.cross_entropy(theirs(to_torch(x)), to_torch(t))
    loss.backward()
    assert_same(value, loss)
    for name, parameter in theirs.named_parameters():
        assert_same(grads[name], parameter.grad)


OPTIMIZERS = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01, "maximize": True}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.01, "maximize": True}),
    ("SGD", {}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.01, "betas": (0.8, 0.95), "eps": 1e-6, "weight_decay": 0.1}),
    ("AdamW", {"lr": 0.01, "amsgrad": True}),
    ("AdamW", {"lr": 0.01, "maximize": True, "amsgrad": True, "weight_decay": 0.0}),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("name", "options"), OPTIMIZERS, ids=str)
def test_optimizer(name, options, dtype):
    ours, theirs = make_networks(dtype)
    our_optimizer = getattr(cn.optim, name)(ours, **options)
    their_optimizer = getattr(torch.optim, name)(theirs.parameters(), **options)
    for step in range(8):
        grads = {
            key: np.asarray(rng.standard_normal(value.shape) / (step + 1), dtype)
            for key, value in ours.named_parameters()
        }
        our_optimizer.step(grads)
        for key, parameter in theirs.named_parameters():
            parameter.grad = to_torch(grads[key])
        their_optimizer.step()
    tolerance = 1e-12 if dtype is np.float64 else 2e-6
    for key, parameter in theirs.named_parameters():
        np.testing.assert_allclose(
            ours.state_dict()[key], parameter.detach().numpy(), rtol=tolerance, atol=tolerance
        )


def test_training_follows_the_same_path():
    ours, theirs = make_networks(np.float64)
    our_optimizer = cn.optim.SGD(ours, 0.1, 0.9, nesterov=True)
    their_optimizer = torch.optim.SGD(theirs.parameters(), 0.1, 0.9, nesterov=True)
    x, t = rng.standard_normal((16, 1, 8, 8)), rng.integers(0, 5, 16)
    for _ in range(10):
        value, grads = cn.value_and_grad(lambda m: F.cross_entropy(m(x), t), ours)
        our_optimizer.step(grads)
        their_optimizer.zero_grad()
        loss = TF.cross_entropy(theirs(to_torch(x)), to_torch(t))
        loss.backward()
        their_optimizer.step()
        np.testing.assert_allclose(value, loss.item(), rtol=1e-8)


def test_files_are_exchanged(tmp_path):
    pytest.importorskip("safetensors", reason="safetensors is not installed")
    from safetensors.torch import load_file, save_file

    ours, theirs = make_networks(np.float32)
    cn.save(ours.state_dict(), tmp_path / "ours")
    theirs.load_state_dict(load_file(tmp_path / "ours"))
    save_file(theirs.state_dict(), tmp_path / "theirs")
    for name, array in cn.load(tmp_path / "theirs").items():
        np.testing.assert_array_equal(array, ours.state_dict()[name])
