"""Batches: coverage, order, refusals."""

import numpy as np
import pytest

import convnative as cn
from convnative.data import batches

X, T = np.arange(20.0).reshape(10, 2), np.arange(10)


def test_in_order_as_views():
    parts = list(batches(X, T, size=4))
    assert [len(t) for _, t in parts] == [4, 4, 2]
    np.testing.assert_array_equal(np.concatenate([x for x, _ in parts]), X)
    assert all(np.shares_memory(x, X) for x, _ in parts)


@pytest.mark.parametrize(
    ("size", "drop_last", "count"), [(4, False, 3), (4, True, 2), (5, True, 2), (11, True, 0)]
)
def test_length(size, drop_last, count):
    part = batches(X, T, size=size, drop_last=drop_last)
    assert len(part) == len(list(part)) == count
    assert len(batches(np.empty((0, 3)), size=2)) == 0


def test_shuffled_together_in_a_new_order_each_time():
    part = batches(X, T, size=3, shuffle=True, rng=0)
    first = np.concatenate([t for _, t in part])
    second = np.concatenate([t for _, t in part])
    assert sorted(first) == sorted(second) == T.tolist()
    assert (first != second).any()
    for x, t in part:
        np.testing.assert_array_equal(x, X[t])
    np.testing.assert_array_equal(
        first, np.concatenate([t for _, t in batches(X, T, size=3, shuffle=True, rng=0)])
    )
    cn.manual_seed(4)
    first = np.concatenate([t for (t,) in batches(T, size=3, shuffle=True)])
    cn.manual_seed(4)
    np.testing.assert_array_equal(first, np.concatenate([t for (t,) in batches(T, size=3, shuffle=True)]))


@pytest.mark.parametrize(
    ("call", "kind", "name"),
    [
        (lambda: batches(size=2), ValueError, "arrays"),
        (lambda: batches(X, T[:3], size=2), ValueError, "arrays"),
        (lambda: batches([1, 2], size=2), TypeError, "arrays"),
        (lambda: batches(np.array(1), size=2), ValueError, "arrays"),
        (lambda: batches(X, size=0), ValueError, "size"),
        (lambda: batches(X, size=1.5), TypeError, "size"),
        (lambda: batches(X, size=2, rng="x"), TypeError, "rng"),
    ],
)
def test_errors_name_the_argument(call, kind, name):
    with pytest.raises(kind, match=rf"^{name}: "):
        call()
