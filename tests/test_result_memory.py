"""Memory of results, and of what calls work in, that is used again."""

import gc
import threading

import numpy as np
import pytest

import convnative as cn
from arrays import generator
from convnative import functional as F


@pytest.fixture(autouse=True)
def _nothing_kept():
    gc.collect()
    cn.runtime.release_memory()
    yield
    gc.collect()
    cn.runtime.release_memory()


def address(array):
    return array.ctypes.data


def keeps_memory():
    """Whether this build does: not one that sanitizers watch."""
    x = np.ones(1 << 16, np.float32)
    F.relu(x)
    return cn.runtime.release_memory() > 0


needs_kept_memory = pytest.mark.skipif(not keeps_memory(), reason="built to keep no memory")


@needs_kept_memory
def test_memory_of_a_result_that_is_gone_serves_the_next_one():
    x = generator("kept").standard_normal((1, 3, 40, 50)).astype(np.float32)
    y = F.relu(x)
    first = address(y)
    del y
    again = F.max_pool2d(x, 1)  # of another kernel, and of the same size
    assert address(again) == first
    np.testing.assert_array_equal(again, x)


@needs_kept_memory
@pytest.mark.parametrize(
    ("size", "kept"), [(4096, True), (4095, False), (32 << 20, True), ((32 << 20) + 1, False)]
)
def test_sizes_that_are_kept(size, kept):
    y = F.relu(np.ones(size, np.float32))
    assert y.sum() == size
    del y
    assert (cn.runtime.release_memory() >= 4 * size) == kept
    assert cn.runtime.release_memory() == 0


@needs_kept_memory
def test_what_is_kept_has_a_limit():
    results = [F.relu(np.full(1 << 20, i, np.float32)) for i in range(40)]
    assert all((y == i).all() for i, y in enumerate(results))
    del results
    gc.collect()
    assert 64 << 20 <= cn.runtime.release_memory() <= 128 << 20


@needs_kept_memory
def test_a_larger_result_than_all_that_is_kept_leaves_the_others():
    small, large = F.relu(np.ones(1 << 20, np.float32)), F.relu(np.ones(33 << 20, np.float32))
    del small, large
    assert 4 << 20 <= cn.runtime.release_memory() < 8 << 20


@needs_kept_memory
def test_what_a_call_worked_in_serves_the_next_one():
    x = generator("scratch").standard_normal((1, 512, 14, 14)).astype(np.float32)
    w = generator("scratch w").standard_normal((512, 512, 3, 3)).astype(np.float32)
    once = F.conv2d(x, w, padding=1)
    kept = cn.runtime.release_memory()
    assert kept >= w.nbytes  # packed, at least
    for _ in range(3):
        np.testing.assert_array_equal(F.conv2d(x, w, padding=1), once)
    gc.collect()
    assert kept <= cn.runtime.release_memory() <= kept + once.nbytes * 9 // 8 + 4096


def test_results_own_their_memory_and_nothing_else_does():
    x = generator("own").standard_normal((4, 16, 32, 33)).astype(np.float32)
    results = [F.relu(x) for _ in range(5)]
    assert all(y.base is None and y.flags.owndata and y.flags.writeable for y in results)
    assert len({address(y) for y in results}) == 5
    assert all(address(y) % 64 == 0 for y in results)
    for y in results:
        np.testing.assert_array_equal(y, np.maximum(x, 0))
    view = results[0][1:]
    expected = view.copy()
    del results
    gc.collect()
    F.relu(-x)
    np.testing.assert_array_equal(view, expected)


def test_a_result_can_be_resized():
    y = F.relu(np.arange(10_000.0))
    for size in (50_000, 6_000, 10):
        y.resize(size, refcheck=False)
        np.testing.assert_array_equal(y[:10], np.arange(10))
    z = F.relu(np.ones(10_000))
    z.resize(20_000, refcheck=False)
    assert z[:10_000].all()
    assert not z[10_000:].any()


def test_a_result_may_be_freed_by_any_thread():
    x = generator("threads").standard_normal((2, 8, 64, 65)).astype(np.float32)
    expected = np.maximum(x, 0)
    shared: list[np.ndarray] = []
    wrong: list[int] = []

    def work():
        for _ in range(200):
            y = F.relu(x)
            shared.append(y)
            if len(shared) > 5:
                shared.pop(0)
            if not np.array_equal(y, expected):
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_arrays_made_elsewhere_are_not_ours():
    """The allocator is set for our results alone."""
    F.relu(np.ones(1 << 16, np.float32))
    cn.runtime.release_memory()
    other = np.empty(1 << 16, np.float32)
    del other
    assert cn.runtime.release_memory() == 0
