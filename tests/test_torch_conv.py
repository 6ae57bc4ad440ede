"""
Agreement with torch on convolutions of one to three axes, transposed ones, padding modes and layers.

Torch is never needed to use or to build this package; where it is not installed, these tests skip.
"""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convnative import functional as F
from convnative import nn

torch = pytest.importorskip("torch", reason="torch is not installed: agreement with it is not checked")

from test_torch_agreement import TF, assert_same, compare, real, rng, to_torch  # noqa: E402, F401

AXES = [1, 2, 3]
BATCHES = pytest.mark.parametrize("batch", [(3,), (0,), ()], ids=["batched", "empty", "unbatched"])


def each(axes, *values):
    """The first `axes` of three values."""
    return tuple(values[:axes])


CONV = [
    {},
    {"stride": 2, "padding": 1},
    {"stride": (1, 3, 2), "padding": (2, 0, 1), "dilation": (1, 2, 1)},
    {"padding": "same", "dilation": 2},
    {"padding": "valid", "groups": 2},
]
TRANSPOSED = [
    {},
    {"stride": 2, "padding": 1},
    {"stride": 2, "padding": 1, "output_padding": 1, "groups": 2},
    {"stride": (3, 1, 2), "padding": (0, 1, 2), "output_padding": (2, 0, 1), "dilation": (1, 2, 2)},
    {"stride": 1, "dilation": 3, "output_padding": 2, "padding": 2},
]


def cut(options, axes):
    return {key: value[:axes] if isinstance(value, tuple) else value for key, value in options.items()}


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("options", CONV, ids=str)
@BATCHES
@pytest.mark.parametrize("with_bias", [True, False])
def test_conv(real, axes, options, batch, with_bias):  # noqa: F811
    options = cut(options, axes)
    x = real(*batch, 4, *each(axes, 7, 6, 5))
    w = real(6, 4 // options.get("groups", 1), *each(axes, 3, 2, 3))
    arrays = (x, w, real(6)) if with_bias else (x, w)
    ours, theirs = getattr(F, f"conv{axes}d"), getattr(TF, f"conv{axes}d")
    compare(lambda *a: ours(*a, **options), lambda *a: theirs(*a, **options), *arrays)


@pytest.mark.parametrize("axes", AXES)
def test_gradient_functions(real, axes):  # noqa: F811
    x, w = real(2, 4, *each(axes, 7, 6, 5)), real(6, 2, *(3,) * axes)
    options = {"stride": 2, "padding": 1, "dilation": 1, "groups": 2}
    g = real(*getattr(F, f"conv{axes}d")(x, w, **options).shape)
    assert_same(
        getattr(F, f"conv{axes}d_grad_input")(g, w, x.shape, **options),
        getattr(torch.nn.grad, f"conv{axes}d_input")(x.shape, to_torch(w), to_torch(g), **options),
    )
    assert_same(
        getattr(F, f"conv{axes}d_grad_weight")(g, x, w.shape, **options),
        getattr(torch.nn.grad, f"conv{axes}d_weight")(to_torch(x), w.shape, to_torch(g), **options),
    )


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("options", TRANSPOSED, ids=str)
@BATCHES
@pytest.mark.parametrize("with_bias", [True, False])
def test_conv_transpose(real, axes, options, batch, with_bias):  # noqa: F811
    options = cut(options, axes)
    groups = options.get("groups", 1)
    x, w = real(*batch, 4, *each(axes, 4, 5, 3)), real(4, 6 // groups, *each(axes, 3, 2, 3))
    arrays = (x, w, real(6)) if with_bias else (x, w)
    ours, theirs = getattr(F, f"conv_transpose{axes}d"), getattr(TF, f"conv_transpose{axes}d")
    compare(lambda *a: ours(*a, **options), lambda *a: theirs(*a, **options), *arrays)


@given(data=st.data())
@settings(max_examples=80)
def test_drawn_transposed(data):
    draw, small = data.draw, st.integers(1, 4)
    axes = draw(st.integers(1, 3))
    per_axis = lambda values: tuple(draw(values) for _ in range(axes))  # noqa: E731
    groups = draw(st.integers(1, 3))
    options = {
        "stride": per_axis(small),
        "padding": per_axis(st.integers(0, 3)),
        "output_padding": per_axis(st.integers(0, 3)),
        "groups": groups,
        "dilation": per_axis(st.integers(1, 3)),
    }
    # Torch checks no output_padding where the batch is empty.
    x = rng.standard_normal((draw(st.integers(1, 2)), groups * draw(small), *per_axis(small)))
    w = rng.standard_normal((x.shape[1], draw(small), *per_axis(small)))
    ours, theirs = getattr(F, f"conv_transpose{axes}d"), getattr(TF, f"conv_transpose{axes}d")
    try:
        theirs(to_torch(x), to_torch(w), **options)
    except RuntimeError:
        with pytest.raises(ValueError, match=r"expected .* received"):
            ours(x, w, **options)
    else:
        compare(lambda *a: ours(*a, **options), lambda *a: theirs(*a, **options), x, w)


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
@pytest.mark.parametrize(
    "options",
    [{"padding": 1}, {"padding": (2, 1, 2), "stride": 2}, {"padding": "same", "dilation": 2}],
    ids=str,
)
@BATCHES
def test_padding_modes(real, axes, mode, options, batch):  # noqa: F811
    """Through torch's layers, where the modes are."""
    options = {**cut(options, axes), "padding_mode": mode}
    x, w, b = real(*batch, 4, *each(axes, 6, 5, 5)), real(6, 4, *each(axes, 3, 2, 3)), real(6)
    layer = getattr(torch.nn, f"Conv{axes}d")(4, 6, w.shape[2:], **options).to(to_torch(x).dtype)
    compare(
        lambda *a: getattr(F, f"conv{axes}d")(*a, **options),
        lambda x, w, b: torch.func.functional_call(layer, {"weight": w, "bias": b}, (x,)),
        x,
        w,
        b,
    )


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_the_same_amounts_of_padding_are_refused(mode):
    for size, padding in itertools.product(range(1, 5), range(6)):
        x = rng.standard_normal((1, 1, size))
        theirs = torch.nn.Conv1d(1, 1, 1, padding=padding, padding_mode=mode, dtype=torch.float64)
        w, b = (parameter.detach().numpy() for parameter in theirs.parameters())
        try:
            expected = theirs(to_torch(x))
        except RuntimeError:
            with pytest.raises(ValueError, match=r"^padding: "):
                F.conv1d(x, w, b, padding=padding, padding_mode=mode)
        else:
            assert_same(F.conv1d(x, w, b, padding=padding, padding_mode=mode), expected)


x, w = np.ones((1, 2, 4)), np.ones((2, 3, 3))
REFUSED = [
    (x, w, {"output_padding": 1}),
    (x, w, {"output_padding": 2, "stride": 2}),
    (x, w, {"output_padding": -1, "stride": 2}),
    (x, w, {"padding": -1}),
    (x, w, {"padding": 3}),
    (x, w, {"stride": 0}),
    (x, w, {"stride": -1}),
    (x, w, {"dilation": 0}),
    (x, w, {"groups": 0}),
    (x, w, {"groups": 3}),
    (x, w, {"stride": (1, 1)}),
    (x, w, {"padding": (1, 1)}),
    (x, w, {"output_padding": (0, 0)}),
    (x, w, {"bias": np.ones(2)}),
    (x, w, {"bias": np.ones((3, 1))}),
    (x, np.ones((3, 2, 3)), {}),
    (x, np.ones((2, 3, 0)), {}),
    (x, np.ones((2, 0, 3)), {}),
    (x, np.ones((2, 3)), {}),
    (x, np.ones((2, 3, 3, 3)), {}),
    (np.ones((1, 2, 0)), w, {}),
    (np.ones(4), w, {}),
    (np.ones((1, 1, 2, 4)), w, {}),
    (x.astype(np.float32), w, {}),
]


@pytest.mark.parametrize(
    ("x", "w", "options"), REFUSED, ids=lambda value: str(getattr(value, "shape", value))
)
def test_transposed_convolutions_that_are_refused(x, w, options):
    with pytest.raises((RuntimeError, TypeError)):
        TF.conv_transpose1d(
            to_torch(x), to_torch(w), **{key: to_torch(value) for key, value in options.items()}
        )
    with pytest.raises(
        (ValueError, TypeError), match=r"^(input|weight|bias|stride|.*padding|dilation|groups): "
    ):
        F.conv_transpose1d(x, w, **options)


# -- layers -------------------------------------------------------------------------------------

LAYERS = [
    *(("Conv{}d", (4, 6, 3), options) for options in ({}, {"padding": "same", "dilation": 2})),
    *(("Conv{}d", (4, 6, 3, 2, 2, 1, 2, False, mode), {}) for mode in ("zeros", "reflect", "circular")),
    ("Conv{}d", (4, 6, 3), {"padding": 1, "padding_mode": "replicate"}),
    *(("ConvTranspose{}d", (4, 6, 3), options) for options in ({}, {"stride": 2, "padding": 1})),
    ("ConvTranspose{}d", (4, 6, 3, 3, 1, 2, 2, False, 2), {}),
    ("LazyConv{}d", (6, 3, 2, 1, 1, 2), {}),
    ("LazyConvTranspose{}d", (6, 3, 2, 1, 1, 2), {}),
]


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize(("name", "arguments", "options"), LAYERS, ids=str)
def test_layer(name, arguments, options, axes):
    ours = getattr(nn, name.format(axes))(*arguments, **options)
    theirs = getattr(torch.nn, name.format(axes))(*arguments, **options)
    assert repr(ours) == repr(theirs)
    x = rng.standard_normal((2, 4, *each(axes, 7, 6, 5))).astype(np.float32)
    ours(x), theirs(to_torch(x))
    assert type(ours).__name__ == type(theirs).__name__
    assert repr(ours) == repr(theirs)
    assert {k: v.shape for k, v in ours.state_dict().items()} == {
        k: tuple(v.shape) for k, v in theirs.state_dict().items()
    }
    ours.load_state_dict({key: value.numpy() for key, value in theirs.state_dict().items()})
    assert_same(ours(x), theirs(to_torch(x)))
    assert_same(ours(x[0]), theirs(to_torch(x[0])))


@pytest.mark.parametrize("axes", AXES)
def test_output_size(axes):
    name = f"ConvTranspose{axes}d"
    ours = getattr(nn, name)(2, 3, 3, 3, 1, dilation=2)
    theirs = getattr(torch.nn, name)(2, 3, 3, 3, 1, dilation=2)
    ours.load_state_dict({key: value.numpy() for key, value in theirs.state_dict().items()})
    x = rng.standard_normal((2, 2, *(4,) * axes)).astype(np.float32)
    for size in range(10, 18):
        try:
            expected = theirs(to_torch(x), output_size=[size] * axes)
        except ValueError:
            with pytest.raises(ValueError, match=r"^output_size: "):
                ours(x, [size] * axes)
        else:
            assert_same(ours(x, [size] * axes), expected)


def test_initial_values_have_the_same_distribution():
    torch.manual_seed(0)
    for name, arguments in (
        ("Conv1d", (32, 1024, 5, 1, 0, 1, 2)),
        ("Conv3d", (16, 256, 3)),
        ("ConvTranspose2d", (1024, 32, 3, 1, 0, 0, 2)),
    ):
        ours = getattr(nn, name)(*arguments, rng=0)
        theirs = getattr(torch.nn, name)(*arguments)
        for key, value in theirs.state_dict().items():
            mine = ours.state_dict()[key]
            np.testing.assert_allclose(mine.std(), value.std().item(), rtol=0.25 if mine.size < 99 else 0.1)
            np.testing.assert_allclose(np.abs(mine).max(), value.abs().max().item(), rtol=0.1)


def test_lazy_layers_take_torch_states():
    theirs = torch.nn.Sequential(
        torch.nn.LazyConv2d(4, 3), torch.nn.LazyBatchNorm2d(), torch.nn.LazyConvTranspose2d(2, 3)
    )
    ours = nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.LazyConvTranspose2d(2, 3))
    theirs(torch.ones(1, 3, 6, 6))
    ours.load_state_dict({key: value.numpy() for key, value in theirs.state_dict().items()})
    assert repr(ours) == repr(theirs)
    x = rng.standard_normal((2, 3, 6, 6)).astype(np.float32)
    assert_same(ours(x), theirs(to_torch(x)))
