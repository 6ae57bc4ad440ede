"""Agreement with torch on normalisation: functions, gradients, running statistics, layers, errors."""

import warnings

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad
from hypothesis import given, settings
from hypothesis import strategies as st

import convnative as cn
from convnative import functional as F
from convnative import nn

torch = pytest.importorskip("torch", reason="torch is not installed: agreement with it is not checked")
TF = torch.nn.functional

TOLERANCE = {np.float32: {"rtol": 2e-4, "atol": 2e-3}, np.float64: {"rtol": 1e-9, "atol": 1e-9}}

reals = st.sampled_from([np.float32, np.float64])


def tensor(array):
    return None if array is None else torch.from_numpy(np.array(array)).requires_grad_()


def assert_close(ours, theirs, real):
    theirs = theirs.detach().numpy()
    assert np.shape(ours) == theirs.shape
    assert ours.dtype == theirs.dtype
    np.testing.assert_allclose(ours, theirs, **TOLERANCE[real])


def compare(ours, theirs, x, weight, bias):
    """Values, and gradients of a weighted sum of squares, which lets gradients through mean and variance."""
    real = x.dtype.type
    coefficients = np.random.default_rng(3).standard_normal(x.shape).astype(real)
    tensors = [tensor(array) for array in (x, weight, bias)]
    expected = theirs(*tensors)
    assert_close(ours(x, weight, bias), expected, real)
    (expected**2 * torch.from_numpy(coefficients)).sum().backward()
    for argument, (array, t) in enumerate(zip((x, weight, bias), tensors, strict=True)):
        if array is not None:
            ours_grad = grad(lambda *a: anp.sum(ours(*a) ** 2 * coefficients), argument)(x, weight, bias)
            assert_close(ours_grad, t.grad, real)


@st.composite
def images(draw, least=2, spatial=3):
    """An array (N, C, ...) with at least two values per channel, and weights for the channels or none."""
    real = draw(reals)
    sizes = draw(st.lists(st.integers(1, 4), min_size=least - 2, max_size=spatial))
    shape = (draw(st.integers(2, 4)), draw(st.sampled_from([1, 2, 4, 6])), *sizes)
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    x = (rng.standard_normal(shape) * 2 + draw(st.sampled_from([0, 5]))).astype(real)
    weight, bias = (
        rng.standard_normal(shape[1]).astype(real) if draw(st.booleans()) else None for _ in range(2)
    )
    return x, weight, bias, rng


@given(case=images(), eps=st.sampled_from([1e-5, 0.1]))
@settings(max_examples=25)
def test_batch_norm_in_training(case, eps):
    x, weight, bias, rng = case
    mean, var = rng.standard_normal(x.shape[1]).astype(x.dtype), rng.random(x.shape[1]).astype(x.dtype)
    their_mean, their_var = torch.from_numpy(mean.copy()), torch.from_numpy(var.copy())
    F.batch_norm(x, mean, var, weight, bias, True, 0.3, eps)
    TF.batch_norm(torch.from_numpy(x), their_mean, their_var, None, None, True, 0.3, eps)
    assert_close(mean, their_mean, x.dtype.type)
    assert_close(var, their_var, x.dtype.type)
    compare(
        lambda x, w, b: F.batch_norm(x, None, None, w, b, True, 0.3, eps),
        lambda x, w, b: TF.batch_norm(x, None, None, w, b, True, 0.3, eps),
        x, weight, bias,
    )  # fmt: skip


@given(case=images())
@settings(max_examples=30)
def test_batch_norm_with_running_statistics(case):
    x, weight, bias, rng = case
    mean, var = rng.standard_normal(x.shape[1]).astype(x.dtype), rng.random(x.shape[1]).astype(x.dtype)
    compare(
        lambda x, w, b: F.batch_norm(x, mean, var, w, b),
        lambda x, w, b: TF.batch_norm(x, torch.from_numpy(mean), torch.from_numpy(var), w, b),
        x, weight, bias,
    )  # fmt: skip


@given(case=images(least=3))
@settings(max_examples=25)
def test_instance_norm(case):
    x, weight, bias, rng = case
    x = np.concatenate([x, x[..., ::-1] * 2 + 1], axis=-1)
    mean, var = rng.standard_normal(x.shape[1]).astype(x.dtype), rng.random(x.shape[1]).astype(x.dtype)
    their_mean, their_var = torch.from_numpy(mean.copy()), torch.from_numpy(var.copy())
    F.instance_norm(x, mean, var, None, None, True, 0.3)
    TF.instance_norm(torch.from_numpy(x), their_mean, their_var, None, None, True, 0.3)
    assert_close(mean, their_mean, x.dtype.type)
    assert_close(var, their_var, x.dtype.type)
    compare(
        lambda x, w, b: F.instance_norm(x, None, None, w, b),
        lambda x, w, b: TF.instance_norm(x, None, None, w, b),
        x, weight, bias,
    )  # fmt: skip
    compare(
        lambda x, w, b: F.instance_norm(x, mean, var, w, b, False),
        lambda x, w, b: TF.instance_norm(x, torch.from_numpy(mean), torch.from_numpy(var), w, b, False),
        x, weight, bias,
    )  # fmt: skip


@given(case=images(), groups=st.sampled_from([1, 2, 3, 6]))
@settings(max_examples=25)
def test_group_norm(case, groups):
    x, weight, bias, _ = case
    groups = groups if x.shape[1] % groups == 0 else x.shape[1]
    bias = None if weight is None else bias  # torch 2.13 has no gradient of a bias without a weight
    compare(
        lambda x, w, b: F.group_norm(x, groups, w, b),
        lambda x, w, b: TF.group_norm(x, groups, w, b),
        x, weight, bias,
    )  # fmt: skip


@given(case=images(), axes=st.integers(1, 4))
@settings(max_examples=25)
def test_layer_norm(case, axes):
    x, weight, bias, rng = case
    sizes = x.shape[-min(axes, x.ndim) :]
    weight, bias = (
        None if array is None else rng.standard_normal(sizes).astype(x.dtype) for array in (weight, bias)
    )
    compare(
        lambda x, w, b: F.layer_norm(x, sizes, w, b),
        lambda x, w, b: TF.layer_norm(x, sizes, w, b),
        x, weight, bias,
    )  # fmt: skip


@given(
    case=images(least=3),
    size=st.integers(1, 9),
    constants=st.tuples(*(st.sampled_from(values) for values in ((1e-4, 0.5), (0.75, 1.0, 0.3), (1.0, 2.5)))),
)
@settings(max_examples=25)
def test_local_response_norm(case, size, constants):
    compare(
        lambda x, *_: F.local_response_norm(x, size, *constants),
        lambda x, *_: TF.local_response_norm(x, size, *constants),
        case[0], None, None,
    )  # fmt: skip


LAYERS = [
    ("BatchNorm1d", (3,), {}, (4, 3)),
    ("BatchNorm1d", (3,), {}, (4, 3, 5)),
    ("BatchNorm2d", (3, 1e-3, None), {}, (4, 3, 5, 2)),
    ("BatchNorm2d", (3,), {"bias": False}, (4, 3, 5, 2)),
    ("BatchNorm2d", (3,), {"affine": False}, (4, 3, 5, 2)),
    ("BatchNorm2d", (3,), {"track_running_stats": False}, (4, 3, 5, 2)),
    ("BatchNorm3d", (3, 1e-5, 0.3), {}, (4, 3, 2, 3, 2)),
    ("InstanceNorm1d", (3,), {}, (3, 5)),
    ("InstanceNorm1d", (3,), {"affine": True, "track_running_stats": True}, (2, 3, 5)),
    ("InstanceNorm2d", (3,), {"affine": True}, (3, 5, 4)),
    ("InstanceNorm3d", (3,), {"track_running_stats": True}, (2, 3, 2, 2, 2)),
    ("GroupNorm", (2, 4), {}, (3, 4, 5)),
    ("GroupNorm", (2, 4), {"affine": False}, (3, 4)),
    ("GroupNorm", (1, 4, 1e-3), {"bias": False}, (3, 4)),
    ("LayerNorm", (5,), {}, (3, 5)),
    ("LayerNorm", ((4, 5),), {"bias": False}, (3, 4, 5)),
    ("LayerNorm", ([5],), {"elementwise_affine": False}, (3, 5)),
    ("LocalResponseNorm", (3,), {}, (2, 4, 5)),
    ("LocalResponseNorm", (3, 0.1, 0.5, 2.0), {}, (2, 4, 5, 2)),
]


@pytest.mark.parametrize(("name", "arguments", "options", "shape"), LAYERS, ids=str)
def test_layers(name, arguments, options, shape):
    ours, theirs = (getattr(library, name)(*arguments, **options) for library in (nn, torch.nn))
    assert repr(ours) == repr(theirs)
    rng = np.random.default_rng(4)
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.copy_(torch.from_numpy(rng.standard_normal(parameter.shape)))
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict({key: value.numpy() for key, value in theirs.state_dict().items()})
    for _ in range(3):
        x = rng.standard_normal(shape).astype(np.float32)
        assert_close(ours(x), theirs(torch.from_numpy(x)), np.float32)
    for key, value in theirs.state_dict().items():
        mine = ours.state_dict()[key]
        assert mine.dtype == value.numpy().dtype
        np.testing.assert_allclose(mine, value.numpy(), rtol=1e-5, atol=1e-6, err_msg=key)
    ours.eval(), theirs.eval()
    assert_close(ours(x), theirs(torch.from_numpy(x)), np.float32)


def test_training_follows_the_same_path():
    def network(library, **options):
        return library.Sequential(
            library.Conv2d(1, 4, 3, **options),
            library.BatchNorm2d(4, **options),
            library.GELU(),
            library.GroupNorm(2, 4, **options),
            library.PReLU(4, **options),
            library.Flatten(),
            library.Linear(64, 5, **options),
            library.LayerNorm(5, **options),
        )

    ours, theirs = network(nn, dtype=np.float64), network(torch.nn, dtype=torch.float64)
    ours.load_state_dict({key: value.numpy() for key, value in theirs.state_dict().items()})
    optimizers = cn.optim.SGD(ours, 0.1, 0.9), torch.optim.SGD(theirs.parameters(), 0.1, 0.9)
    rng = np.random.default_rng(5)
    x, t = rng.standard_normal((16, 1, 6, 6)), rng.integers(0, 5, 16)
    for _ in range(8):
        value, grads = cn.value_and_grad(lambda m: F.cross_entropy(m(x), t), ours)
        optimizers[0].step(grads)
        optimizers[1].zero_grad()
        loss = TF.cross_entropy(theirs(torch.from_numpy(x)), torch.from_numpy(t))
        loss.backward()
        optimizers[1].step()
        np.testing.assert_allclose(value, loss.item(), rtol=1e-8)
    for key, expected in theirs.state_dict().items():
        np.testing.assert_allclose(ours.state_dict()[key], expected.numpy(), rtol=1e-6, atol=1e-9)


SHAPES = [(3,), (2, 3), (1, 3), (2, 3, 4), (1, 3, 1), (2, 3, 1), (0, 3), (2, 3, 0), (0, 3, 4), (1, 3, 2, 2),
          (2, 3, 2, 2, 2), (1, 3, 1, 1, 1)]  # fmt: skip
CALLS = {
    "batch_norm in training": lambda library, x, _: library.batch_norm(x, None, None, training=True),
    "batch_norm": lambda library, x, ones: library.batch_norm(x, ones(3), ones(3)),
    "batch_norm of 4 channels": lambda library, x, ones: library.batch_norm(x, ones(4), ones(4)),
    "batch_norm without statistics": lambda library, x, _: library.batch_norm(x, None, None),
    "batch_norm eps": lambda library, x, _: library.batch_norm(x, None, None, training=True, eps=0.0),
    "instance_norm": lambda library, x, _: library.instance_norm(x),
    "instance_norm without statistics": lambda library, x, _: library.instance_norm(x, use_input_stats=False),
    "group_norm": lambda library, x, _: library.group_norm(x, 3),
    "group_norm of 1": lambda library, x, _: library.group_norm(x, 1),
    "group_norm of 2": lambda library, x, _: library.group_norm(x, 2),
    "group_norm weight": lambda library, x, ones: library.group_norm(x, 1, ones(4)),
    "layer_norm": lambda library, x, _: library.layer_norm(x, x.shape[-1:]),
    "layer_norm of 3": lambda library, x, _: library.layer_norm(x, (3,)),
    "layer_norm of nothing": lambda library, x, _: library.layer_norm(x, ()),
    "layer_norm weight": lambda library, x, ones: library.layer_norm(x, x.shape[-1:], ones(7)),
    "local_response_norm": lambda library, x, _: library.local_response_norm(x, 2),
    "local_response_norm of 0": lambda library, x, _: library.local_response_norm(x, 0),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_both_take_or_refuse(name, shape):
    x = np.random.default_rng(6).standard_normal(shape)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = CALLS[name](TF, torch.from_numpy(x), lambda n: torch.ones(n, dtype=torch.float64))
    except (RuntimeError, ValueError, IndexError):
        with pytest.raises(ValueError, match="expected"):
            CALLS[name](F, x, np.ones)
        return
    # Of an array without elements or without channels, torch takes what it does not look at.
    try:
        actual = CALLS[name](F, x, np.ones)
    except ValueError:
        assert x.size == 0 or x.ndim < 2
    else:
        assert_close(actual, expected, np.float64)
