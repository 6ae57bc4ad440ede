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
@pytest.mark.parametrize("out_features", [5, 1, 0])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_integers_are_exact(shape, out_features, with_bias, dtype):
    rng = generator(shape, out_features)
    x, w = small_integers(rng, shape), small_integers(rng, (out_features, shape[-1]))
    b = small_integers(rng, out_features) if with_bias else None
    g = small_integers(rng, (*shape[:-1], out_features))
    arrays = [a.astype(dtype) for a in (x, w, b) if a is not None]
    assert_exact(F.linear(*arrays), np.asarray(reference.linear(x, w, b)), dtype)
    count = math.prod(shape[:-1])
    rows, g_rows = x.reshape(count, shape[-1]), g.reshape(count, out_features)
    expected = [g @ w, g_rows.T @ rows, g_rows.sum(axis=0)]
    for argument, array in enumerate(arrays):
        gradient = grad(lambda *a: (F.linear(*a) * g.astype(dtype)).sum(), argument)(*arrays)
        np.testing.assert_array_equal(gradient, expected[argument].astype(dtype), strict=True)
        assert gradient.shape == array.shape


@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize("shape", SHAPES[:4], ids=str)
def test_second_derivatives(shape, with_bias):
    rng = generator(shape, "second")
    arrays = [rng.standard_normal(s) for s in (shape, (3, shape[-1]), (3,))][: 3 if with_bias else 2]
    check_grads(F.linear, modes=["fwd", "rev"], order=2)(*arrays)


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
