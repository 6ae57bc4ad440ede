"""Dropout of elements and of channels."""

import numpy as np
import pytest
from autograd import elementwise_grad

from convnative import functional as F
from convnative import nn

CHANNELS = [
    (F.dropout1d, (40, 30, 7)), (F.dropout1d, (30, 7)), (F.dropout2d, (40, 30, 2, 3)),
    (F.dropout2d, (300, 2, 3)), (F.dropout3d, (40, 30, 2, 2, 2)), (F.dropout3d, (300, 2, 2, 2)),
]  # fmt: skip


@pytest.mark.parametrize(("function", "shape"), CHANNELS, ids=lambda value: getattr(value, "__name__", value))
def test_whole_channels_are_dropped(function, shape, dtype):
    axes = int(function.__name__[-2])
    y = function(np.ones(shape, dtype), 0.25, rng=0)
    assert y.dtype == dtype
    planes = y.reshape(*shape[:-axes], -1)
    assert (planes == planes[..., :1]).all()
    assert set(np.unique(y)) == {0, dtype.type(1 / 0.75)}
    if planes[..., 0].size > 1000:
        assert abs((planes[..., 0] == 0).mean() - 0.25) < 0.04


@pytest.mark.parametrize(
    ("function", "shape"),
    [(F.dropout1d, (3,)), (F.dropout1d, (2, 3, 4, 5)), (F.dropout2d, (3, 4)), (F.dropout2d, (2,) * 5),
     (F.dropout3d, (2, 3, 4)), (F.dropout3d, (2,) * 6)],
)  # fmt: skip
@pytest.mark.parametrize("training", [True, False])
def test_numbers_of_dimensions(function, shape, training):
    with pytest.raises(ValueError, match=r"^input: expected \d or \d dimensions"):
        function(np.ones(shape), 0.5, training)


def test_alpha_dropout_keeps_mean_and_variance(dtype):
    x = np.random.default_rng(0).standard_normal((1000, 200)).astype(dtype)
    for p in (0.1, 0.5, 0.9):
        y = F.alpha_dropout(x, p, True, rng=1)
        assert y.dtype == dtype
        assert abs(y.mean()) < 0.02
        assert abs(y.std() - 1) < 0.02


def test_feature_alpha_dropout_drops_whole_channels(dtype):
    y = F.feature_alpha_dropout(np.ones((40, 30, 2, 3), dtype), 0.3, True, rng=0)
    assert (y == y[:, :, :1, :1]).all()
    assert len(np.unique(y)) == 2
    with pytest.raises(ValueError, match=r"^input: expected shape \(N, C, ...\)"):
        F.feature_alpha_dropout(np.ones(3), 0.5, True)


@pytest.mark.parametrize("function", [F.alpha_dropout, F.feature_alpha_dropout])
def test_alpha_dropout_at_the_ends(function):
    x = np.arange(6.0).reshape(2, 3)
    assert function(x, 0.5) is x
    assert function(x, 0.0, True) is x
    np.testing.assert_array_equal(function(x, 1.0, True), np.zeros((2, 3)))
    for wrong in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match=r"^p: "):
            function(x, wrong, True)


@pytest.mark.parametrize("name", ["dropout", "dropout2d", "alpha_dropout", "feature_alpha_dropout"])
def test_gradient_is_the_slope_of_what_was_done(name):
    function = getattr(F, name)
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 4))
    slope = elementwise_grad(lambda x: function(x, 0.4, True, rng=7))(x)
    moved = function(x + 1, 0.4, True, rng=7) - function(x, 0.4, True, rng=7)
    np.testing.assert_allclose(slope, moved, atol=1e-12)
    assert (slope == 0).any()


@pytest.mark.parametrize(
    ("name", "shape"),
    [("Dropout", (3,)), ("Dropout1d", (2, 3, 4)), ("Dropout2d", (2, 3, 4, 4)), ("Dropout3d", (2, 3, 2, 2, 2)),
     ("AlphaDropout", (2, 3)), ("FeatureAlphaDropout", (2, 3, 4))],
)  # fmt: skip
def test_layers(name, shape):
    x = np.ones(shape)
    layer = getattr(nn, name)(0.5, rng=3)
    assert repr(layer) == f"{name}(p=0.5)"
    np.testing.assert_array_equal(layer(x), getattr(nn, name)(0.5, rng=3)(x))
    assert layer.eval()(x) is x
    with pytest.raises(ValueError, match=r"^p: "):
        getattr(nn, name)(2)
