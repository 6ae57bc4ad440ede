"""Vectors divided by their norms, against the definition and against torch."""

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad
from autograd.test_util import check_grads
from hypothesis import given, settings
from hypothesis import strategies as st

import convnative as cn
from arrays import UNIT_ROUNDOFF, generator
from convnative import functional as F
from convnative import nn

INF = float("inf")
NORMS = [2, 1, 3, 0.5, 1.5, -1, 0, INF, -INF]
AXES = [1, 0, -1, (0, 2), (1, 2), [-1, 0], ()]


def definition(x, p, dim, eps=1e-12):
    x = x.astype(np.float64)
    axes = tuple(dim) if isinstance(dim, (tuple, list)) else (dim,)
    axes = axes or tuple(range(x.ndim))
    size = np.abs(x)
    if p == INF:
        norm = size.max(axes, keepdims=True)
    elif p == -INF:
        norm = size.min(axes, keepdims=True)
    elif p == 0:
        norm = (x != 0).sum(axes, keepdims=True)
    else:
        norm = (size**p).sum(axes, keepdims=True) ** (1 / p)
    return x / np.maximum(norm, eps)


@pytest.mark.parametrize("p", NORMS)
def test_the_definition(p, dtype, layouts):
    x = generator("normalize").standard_normal((3, 4, 67)).astype(dtype)
    for dim in AXES:
        expected = definition(x, p, dim)
        actual = F.normalize(x, p, dim)
        assert actual.dtype == dtype
        # Powers, sums in float64, a root and a quotient; a root magnifies relative errors by its exponent.
        rounded = 16 * (1 + 1 / abs(p)) if p and np.isfinite(p) else 2
        tolerance = float(rounded * UNIT_ROUNDOFF[dtype])
        np.testing.assert_allclose(actual, expected, rtol=tolerance, err_msg=str(dim))
        for name, variant in layouts(x):
            np.testing.assert_array_equal(F.normalize(variant, p, dim), actual, err_msg=name)
        out = np.empty_like(x)
        assert F.normalize(x, p, dim, out=out) is out
        np.testing.assert_array_equal(out, actual)


def test_powers_of_two_are_exact(dtype):
    x = np.array([[4, 0, -4], [0, 0, 0], [1, 0, 0]], dtype)
    rows = np.array([[0.5, 0, -0.5], [0, 0, 0], [1, 0, 0]], dtype)
    np.testing.assert_array_equal(F.normalize(x, 1), rows, strict=True)
    np.testing.assert_array_equal(F.normalize(x, 0), x / np.array([[2], [1], [1]], dtype), strict=True)
    np.testing.assert_array_equal(F.normalize(x, INF, eps=8), x / dtype.type(8), strict=True)
    np.testing.assert_array_equal(F.normalize(x[0, 0], 2, 0), np.ones((), dtype), strict=True)


@pytest.mark.parametrize("p", NORMS)
def test_second_derivatives(p):
    x = generator("normalize", p).uniform(0.5, 2, (2, 3, 4)) * np.array([1, -1, 1, -1])
    for dim in (1, (0, 2), -1):
        check_grads(lambda x, dim=dim: F.normalize(x, p, dim), modes=["rev"], order=2)(x)


def test_vectors_of_zeros_have_a_gradient(dtype):
    """That of the quotient alone: the norm's is 0."""
    x = np.zeros((2, 3), dtype)
    for p in (1, 2, 3, INF):
        gradient = grad(lambda x, p=p: F.normalize(x, p, eps=0.5).sum())(x)
        np.testing.assert_array_equal(gradient, np.full_like(x, 2), strict=True)


def test_infinities_are_quiet(dtype):
    for p in (1, 2, INF):
        x = np.array([[np.inf, 1], [np.nan, 1], [3, 0]], dtype)
        y = F.normalize(x, p)
        np.testing.assert_array_equal(np.isnan(y), [[True, False], [True, True], [False, False]])
        np.testing.assert_array_equal(y[[0, 2], 1], 0)


def test_nothing_stays_nothing(dtype):
    for shape in ((0, 3), (3, 0), (2, 0, 4)):
        x = np.zeros(shape, dtype)
        for p in (0, 1, 2):
            assert F.normalize(x, p).shape == shape
            assert grad(lambda x, p=p: F.normalize(x, p).sum())(x).shape == shape
    with pytest.raises(ValueError, match=r"^input: expected elements"):
        F.normalize(np.zeros((3, 0), dtype), INF)


def test_wrong_arguments():
    x = np.ones((2, 3))
    for call, kind, name in (
        (lambda: F.normalize(np.ones((2, 3), int)), TypeError, "input"),
        (lambda: F.normalize([[1.0]]), TypeError, "input"),
        (lambda: F.normalize(np.ma.array(x)), TypeError, "input"),
        (lambda: F.normalize(x, "2"), TypeError, "p"),
        (lambda: F.normalize(x, eps=None), TypeError, "eps"),
        (lambda: F.normalize(x, dim=2), IndexError, "dim"),
        (lambda: F.normalize(x, dim=(0, 5)), IndexError, "dim"),
        (lambda: F.normalize(x, dim=(1, -1)), ValueError, "dim"),
        (lambda: F.normalize(x, dim=1.0), TypeError, "dim"),
        (lambda: F.normalize(x, out=x), ValueError, "out"),
        (lambda: F.normalize(x, out=np.ones((3, 2))), ValueError, "out"),
        (lambda: F.normalize(x, out=np.ones((2, 3), np.float32)), TypeError, "out"),
        (lambda: F.normalize(x, out=np.broadcast_to(1.0, (2, 3))), ValueError, "out"),
        (lambda: grad(lambda x: F.normalize(x, out=np.ones((2, 3))).sum())(x), TypeError, "out"),
    ):
        with pytest.raises(kind, match=rf"^{name}: "):
            call()


def test_a_summary_knows_its_shape():
    class Embed(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, x):
            return F.normalize(self.conv(x), dim=1)

    assert cn.summary(Embed(), (2, 3, 8, 8)).output_shape == (2, 4, 6, 6)


def test_softmin_is_the_softmax_of_the_negative_input(dtype):
    x = generator("softmin").standard_normal((3, 5)).astype(dtype)
    np.testing.assert_array_equal(F.softmin(x, 1), F.softmax(-x, 1), strict=True)
    np.testing.assert_array_equal(nn.Softmin(0)(x), F.softmax(-x, 0), strict=True)
    np.testing.assert_array_equal(F.softmin(x[0, 0].reshape(()), 0), np.ones((), dtype), strict=True)
    check_grads(lambda x: F.softmin(x, 1), modes=["fwd", "rev"], order=2)(x.astype(np.float64))
    for bad in (np.ones((2, 2), int), np.ones((2, 2), bool), [[1.0]], np.ma.array([1.0])):
        with pytest.raises(TypeError, match=r"^input: "):
            F.softmin(bad, 0)
    with pytest.raises(IndexError, match=r"^dim: "):
        F.softmin(x, 2)


@settings(max_examples=40)
@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.integers(1, 4), min_size=1, max_size=4),
    st.sampled_from([np.float32, np.float64]),
    st.sampled_from(NORMS),
    st.sampled_from([1e-12, 0.5]),
    st.data(),
)
def test_torch_agrees(seed, shape, dtype, p, eps, data):
    torch = pytest.importorskip("torch", reason="torch is not installed: agreement with it is not checked")
    rng = np.random.default_rng(seed)
    x = np.round(rng.uniform(-2, 2, shape), 1).astype(dtype)  # with equal elements and, but for p < 0, zeros
    if p < 0:
        x[x == 0] = 1
    dim = data.draw(
        st.integers(-len(shape), len(shape) - 1) | st.sets(st.integers(0, len(shape) - 1), min_size=1)
    )
    dim = tuple(dim) if isinstance(dim, set) else dim
    t = torch.from_numpy(x.copy()).requires_grad_()
    expected = torch.nn.functional.normalize(t, p, dim, eps)
    g = rng.standard_normal(shape).astype(dtype)
    (slope,) = torch.autograd.grad((expected * torch.from_numpy(g)).sum(), t)
    tolerance = {"rtol": 1e-4, "atol": 1e-4} if dtype is np.float32 else {"rtol": 1e-10, "atol": 1e-10}
    np.testing.assert_allclose(F.normalize(x, p, dim, eps), expected.detach().numpy(), **tolerance)
    gradient = grad(lambda x: anp.sum(F.normalize(x, p, dim, eps) * g))(x)
    assert gradient.dtype == dtype
    scale = max(1, np.abs(gradient).max())
    np.testing.assert_allclose(gradient / scale, slope.numpy() / scale, **tolerance)
