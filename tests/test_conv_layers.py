"""Convolution layers: modes and axes, layers that learn their channels, separable convolutions."""

import copy
import inspect
import pickle

import numpy as np
import pytest

import convnative as cn
from convnative import functional as F
from convnative import nn
from convnative.summary import summary

rng = np.random.default_rng(3)
MODES = ["zeros", "reflect", "replicate", "circular", "symmetric", 1.5]


def floats(*shape):
    return rng.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("mode", MODES)
def test_the_layer_is_the_function(axes, mode):
    layer = getattr(nn, f"Conv{axes}d")(4, 6, 3, 2, "same", 1, 2, True, mode, rng=0)
    x = floats(2, 4, *(7,) * axes)
    expected = getattr(F, f"conv{axes}d")(x, layer.weight, layer.bias, 2, "same", groups=2, padding_mode=mode)
    np.testing.assert_array_equal(layer(x), expected)
    np.testing.assert_array_equal(layer(x[0]), expected[0])
    assert summary(layer, x.shape).output_shape == expected.shape
    assert ("padding_mode" in repr(layer)) == (mode != "zeros")


def test_gradients_of_a_layer_with_a_mode():
    layer = nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect", dtype=np.float64, rng=0)
    x = rng.standard_normal((2, 2, 5, 4))
    _, grads = cn.value_and_grad(lambda m: (m(x) ** 2).sum(), layer)
    step = 1e-6
    for name, array in layer.named_parameters():
        index = (1,) * array.ndim
        before = (layer(x) ** 2).sum()
        array[index] += step
        difference = ((layer(x) ** 2).sum() - before) / step
        array[index] -= step
        assert grads[name][index] == pytest.approx(difference, rel=1e-4)


@pytest.mark.parametrize(
    ("make", "kind", "name"),
    [
        (lambda: nn.Conv1d(1, 1, 3, padding_mode="mirror"), ValueError, "padding_mode"),
        (lambda: nn.Conv1d(1, 1, 3, padding_mode=None), TypeError, "padding_mode"),
        (lambda: nn.Conv1d(1, 1, 3, padding_mode=True), TypeError, "padding_mode"),
        (lambda: nn.Conv1d(1, 1, (3, 3)), ValueError, "kernel_size"),
        (lambda: nn.Conv3d(1, 1, 3, padding=[(1, 1)]), ValueError, "padding"),
        (lambda: nn.LazyConv2d(0, 3), ValueError, "out_channels"),
        (lambda: nn.LazyConv2d(4, 0), ValueError, "kernel_size"),
        (lambda: nn.LazyConv2d(4, 3, groups=3), ValueError, "groups"),
        (lambda: nn.LazyConv2d(4, 3, groups=0), ValueError, "groups|in_channels"),
        (lambda: nn.LazyLinear(0), ValueError, "out_features"),
        (lambda: nn.SeparableConv2d(2, 3, 3, depth_multiplier=0), ValueError, "depth_multiplier"),
        (lambda: nn.SeparableConv2d(0, 3, 3), ValueError, "in_channels"),
    ],
)
def test_errors_name_the_argument(make, kind, name):
    with pytest.raises(kind, match=rf"^({name}): "):
        make()


# -- lazy ---------------------------------------------------------------------------------------

LAZY = [
    (nn.LazyConv1d, nn.Conv1d, (6, 3), (2, 4, 5)),
    (nn.LazyConv2d, nn.Conv2d, (6, 3, 2, 1, 1, 2, False), (2, 4, 5, 6)),
    (nn.LazyConv3d, nn.Conv3d, (6, 2), (4, 5, 4, 3)),
    (nn.LazyConvTranspose1d, nn.ConvTranspose1d, (6, 3), (2, 4, 5)),
    (nn.LazyConvTranspose2d, nn.ConvTranspose2d, (6, 3, 2, 1, 1, 2), (2, 4, 5, 6)),
    (nn.LazyConvTranspose3d, nn.ConvTranspose3d, (6, 2), (4, 5, 4, 3)),
    (nn.LazyLinear, nn.Linear, (6,), (2, 3, 4)),
    (nn.LazyBatchNorm1d, nn.BatchNorm1d, (1e-3,), (2, 4)),
    (nn.LazyBatchNorm2d, nn.BatchNorm2d, (), (2, 4, 5, 6)),
    (nn.LazyBatchNorm3d, nn.BatchNorm3d, (1e-3, None), (2, 4, 5, 4, 3)),
]


@pytest.fixture(params=LAZY, ids=lambda row: row[0].__name__)
def lazy(request):
    """(a function that makes the lazy layer, the plain class, its arguments, an input)."""
    make, plain, arguments, shape = request.param
    return lambda **options: make(*arguments, **options), plain, arguments, floats(*shape)


def seeded(layer_class, seed):
    """The option for the source of the initial weights, of layers that draw any."""
    return {"rng": seed} if "rng" in inspect.signature(layer_class).parameters else {}


def test_the_first_call_makes_the_plain_layer(lazy):
    make, plain, arguments, x = lazy
    seed = seeded(plain, 5)
    layer, expected = make(**seed), plain(4, *arguments, **seed)
    assert isinstance(layer, plain)
    layer.note = "kept"
    layer.eval()
    expected.eval()
    np.testing.assert_array_equal(layer(x), expected(x))
    assert type(layer) is plain
    assert repr(layer) == repr(expected)
    assert layer.note == "kept"
    assert not layer.training
    assert layer.__dict__.keys() == {**expected.__dict__, "note": 0}.keys()
    for name, array in expected.state_dict().items():
        np.testing.assert_array_equal(layer.state_dict()[name], array)


def test_a_state_makes_the_plain_layer(lazy):
    make, plain, arguments, x = lazy
    source = nn.Sequential(nn.Sequential(plain(4, *arguments)))
    model = nn.Sequential(nn.Sequential(make()))
    assert model.state_dict() == {}
    assert model.load_state_dict({}) == ([], [])
    assert model.load_state_dict(source.state_dict()) == ([], [])
    assert type(model.state_dict()) is dict
    np.testing.assert_array_equal(model(x), source(x))
    assert model.load_state_dict(model.state_dict()) == ([], [])


def test_parameters_do_not_exist_before(lazy):
    make, *_, x = lazy
    model = nn.Sequential(make())
    for ask in (
        lambda: list(model.parameters()),
        lambda: cn.optim.SGD(model, 0.1).step({}),
        lambda: cn.value_and_grad(lambda m: m(x).sum(), model),
        lambda: cn.count_parameters(model),
        lambda: summary(model, x.shape),
        lambda: next(model.children()).weight,
        lambda: next(model.children()).bias,
    ):
        with pytest.raises(ValueError, match=r"^Lazy\w+: expected a first call"):
            ask()
    assert list(model.buffers()) == []
    model(x)
    assert len(list(model.parameters())) >= 1
    cn.value_and_grad(lambda m: m(x).sum(), model)


def test_a_lazy_layer_can_be_copied(lazy):
    make, plain, *_, x = lazy
    layer = make(**seeded(plain, 1))
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert repr(twin) == repr(layer)
        assert twin(x).shape[0] == x.shape[0] or x.ndim == 4
        assert type(twin) is plain
    assert type(layer) is not plain


def test_a_lazy_layer_shows_no_channels():
    assert repr(nn.LazyConv2d(6, 3, groups=3)) == (
        "LazyConv2d(0, 6, kernel_size=(3, 3), stride=(1, 1), groups=3)"
    )
    assert repr(nn.LazyLinear(3)) == "LazyLinear(in_features=0, out_features=3, bias=True)"


def test_lazy_norms_track_from_the_first_batch_on():
    layer, expected = nn.LazyBatchNorm1d(), nn.BatchNorm1d(4)
    x = floats(8, 4)
    for _ in range(2):
        np.testing.assert_array_equal(layer(x), expected(x))
    assert layer.num_batches_tracked == 2
    for name, array in expected.state_dict().items():
        np.testing.assert_array_equal(layer.state_dict()[name], array)


def test_lazy_norms_without_weights():
    layer = nn.LazyBatchNorm2d(affine=False)
    layer.load_state_dict(nn.BatchNorm2d(3, affine=False).state_dict())
    assert type(layer) is nn.BatchNorm2d
    assert layer.num_features == 3
    for name in ("running_mean", "running_var", "num_batches_tracked"):
        with pytest.raises(ValueError, match=r"^LazyBatchNorm2d: expected a first call"):
            getattr(nn.LazyBatchNorm2d(), name)
    assert repr(nn.LazyBatchNorm2d()) == (
        "LazyBatchNorm2d(0, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)"
    )
    with pytest.raises(ValueError, match=r"^input: expected 4 dimensions"):
        nn.LazyBatchNorm2d()(floats(2, 3, 4))
    with pytest.raises(ValueError, match=r"^input: expected 2 or 3 dimensions"):
        nn.LazyBatchNorm1d()(floats(2))
    with pytest.raises(TypeError, match="rng"):
        nn.LazyBatchNorm2d(rng=1)
    assert nn.LazyBatchNorm1d().double()(np.ones((2, 3, 4))).dtype == np.float64


def test_lazy_layers_of_other_types_and_groups():
    layer = nn.LazyConv1d(6, 3, groups=3, dtype=np.float64)
    assert layer(np.zeros((1, 9, 4))).dtype == np.float64
    assert layer.weight.shape == (6, 3, 3)
    loaded = nn.LazyConv1d(6, 3, groups=3, dtype=np.float64)
    loaded.load_state_dict(layer.state_dict())
    assert loaded.in_channels == 9
    with pytest.raises(ValueError, match=r"^groups: expected a divisor of in_channels = 8"):
        nn.LazyConv1d(6, 3, groups=3)(floats(1, 8, 4))
    with pytest.raises(ValueError, match=r"^input: expected an array of 2 or 3 dimensions"):
        nn.LazyConv1d(6, 3)(floats(8))
    with pytest.raises(ValueError, match=r"^input: "):
        nn.LazyLinear(6)(3.0)


def test_a_lazy_layer_can_be_converted():
    model = nn.Sequential(nn.LazyConv2d(4, 3, padding=1), nn.Flatten(), nn.LazyLinear(2)).double()
    assert model(np.zeros((2, 3, 5, 5))).dtype == np.float64
    assert {array.dtype for _, array in model.named_parameters()} == {np.dtype(np.float64)}


def test_a_failed_first_call_leaves_the_layer_lazy():
    layer = nn.LazyConv1d(6, 3, groups=3)
    with pytest.raises(ValueError, match="groups"):
        layer(floats(1, 8, 4))
    assert type(layer) is nn.LazyConv1d
    assert layer(floats(1, 9, 4)).shape == (1, 6, 2)


# -- separable ----------------------------------------------------------------------------------


@pytest.mark.parametrize("multiplier", [1, 3])
def test_separable_convolution_by_the_definition_of_keras(multiplier):
    """depthwise_kernel[r, s, c, m], pointwise_kernel[0, 0, c * multiplier + m, k], bias[k]."""
    depthwise, pointwise = (
        rng.standard_normal((3, 2, 4, multiplier)),
        rng.standard_normal((1, 1, 4 * multiplier, 5)),
    )
    bias, x = rng.standard_normal(5), rng.standard_normal((2, 6, 7, 4))  # channels last
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 2), (1, 2))[:, ::2, ::2]
    middle = np.einsum("nijcrs,rscm->nijcm", windows, depthwise).reshape(2, 2, 3, 4 * multiplier)
    expected = np.einsum("nijc,ck->nijk", middle, pointwise[0, 0]) + bias

    layer = nn.SeparableConv2d(4, 5, (3, 2), stride=2, depth_multiplier=multiplier, dtype=np.float64)
    layer.load_state_dict(
        {
            "depthwise.weight": depthwise.transpose(2, 3, 0, 1).reshape(4 * multiplier, 1, 3, 2),
            "pointwise.weight": pointwise.transpose(3, 2, 0, 1),
            "pointwise.bias": bias,
        }
    )
    actual = layer(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))
    np.testing.assert_allclose(actual.transpose(0, 2, 3, 1), expected, rtol=1e-12)


def test_separable_settings():
    layer = nn.SeparableConv1d(4, 5, 3, 2, "causal", 2, 2, False, "replicate", rng=0)
    assert list(layer.state_dict()) == ["depthwise.weight", "pointwise.weight"]
    assert layer.depthwise.padding_mode == "replicate"
    assert layer(floats(2, 4, 9)).shape == (2, 5, 5)
    table = summary(layer, (2, 4, 9))
    assert table.macs == 2 * 5 * (8 * 3 + 5 * 8)
    _, grads = cn.value_and_grad(lambda m: m(floats(2, 4, 9)).sum(), layer)
    assert set(grads) == {"depthwise.weight", "pointwise.weight"}
