"""The affine map: its gradients for every shape of the input; sums of columns."""

import math

import numpy as np
import pytest
from autograd import grad
from autograd.test_util import check_grads

import reference
from arrays import assert_exact, assert_same_bits, generator, small_integers
from convnative import _core
from convnative import functional as F

SHAPES = [(4,), (3, 4), (2, 3, 4), (2, 1, 3, 4), (0, 4), (2, 0, 4), (1, 0), (3, 0)]


@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize("columns", [(5,), (1,), (0,), ()], ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_integers_are_exact(shape, columns, with_bias, dtype):
    """Also of a weight that is a vector, which takes the last axis away."""
    rng = generator(shape, columns)
    x, w = small_integers(rng, shape), small_integers(rng, (*columns, shape[-1]))
    b = small_integers(rng, columns) if with_bias else None
    g = small_integers(rng, (*shape[:-1], *columns))
    arrays = [a.astype(dtype) for a in (x, w, b) if a is not None]
    y = F.linear(*arrays)
    assert_exact(y, np.asarray(reference.linear(x, w, b)), dtype)
    out = np.empty_like(y)
    assert F.linear(*arrays[:2], arrays[2] if with_bias else None, out=out) is out
    assert_same_bits(out, y)
    count = math.prod(shape[:-1])
    rows, g_rows = x.reshape(count, shape[-1]), g.reshape(count, *columns)
    expected = [g @ w if columns else g[..., None] * w, g_rows.T @ rows, g_rows.sum(axis=0)]
    for argument, array in enumerate(arrays):
        gradient = grad(lambda *a: (F.linear(*a) * g.astype(dtype)).sum(), argument)(*arrays)
        np.testing.assert_array_equal(gradient, expected[argument].astype(dtype), strict=True)
        assert gradient.shape == array.shape


@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize("shape", SHAPES[:4], ids=str)
def test_second_derivatives(shape, with_bias):
    rng = generator(shape, "second")
    for columns in ((3,), ()):
        drawn = (shape, (*columns, shape[-1]), columns)[: 3 if with_bias else 2]
        arrays = [np.asarray(rng.standard_normal(s)) for s in drawn]
        check_grads(F.linear, modes=["fwd", "rev"], order=2)(*arrays)


def test_arguments_that_do_not_fit():
    x = np.ones((2, 4))
    for weight, bias, message in (
        (np.ones((1, 3, 4)), None, r"^weight: expected shape \(out_features, in_features\) or"),
        (np.ones(3), None, r"^input: expected shape \(\.\.\., 3\)"),
        (np.ones(4), np.ones(1), r"^bias: expected shape \(\)"),
        (np.ones((3, 4)), np.ones(4), r"^bias: expected shape \(3,\)"),
    ):
        with pytest.raises(ValueError, match=message):
            F.linear(x, weight, bias)


def test_column_sums_are_exact(dtype, threads):
    for m, n in ((0, 3), (3, 0), (1, 1), (5, 63), (7, 64), (9, 65), (700, 67), (2, 1000)):
        x = small_integers(generator(m, n), (m, n))
        assert_exact(_core.column_sums(x.astype(dtype)), x.sum(axis=0), dtype, (m, n))


def test_column_sums_same_bits_however_they_run(dtype, layouts):
    x = generator("columns").standard_normal((3000, 131)).astype(dtype)
    expected = _core.column_sums(x)
    for threads in (1, 2, 3, 7):
        _core.set_num_threads(threads)
        assert_same_bits(_core.column_sums(x), expected, threads)
    for name, variant in layouts(x):
        assert_same_bits(_core.column_sums(variant), expected, name)


def test_the_gradient_of_the_bias_is_accurate():
    """float32's own sum of so many equal numbers would stop growing."""
    x, w = np.zeros((20_000_000, 1), np.float32), np.zeros((1, 1), np.float32)
    gradient = grad(lambda b: F.linear(x, w, b).sum())(np.zeros(1, np.float32))
    assert gradient == 20_000_000


def test_column_sums_want_a_matrix():
    for bad, kind in ((np.ones(3), ValueError), (np.ones((2, 2), int), TypeError), ([[1.0]], TypeError)):
        with pytest.raises(kind, match=r"^matrix: "):
            _core.column_sums(bad)
