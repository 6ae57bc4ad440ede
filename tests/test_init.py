"""Initial values: fans, gains, moments, reproducibility."""

import math
import threading

import numpy as np
import pytest

import convnative as cn
from convnative import init

RANDOM = {
    "uniform": init.uniform,
    "normal": init.normal,
    "xavier_uniform": init.xavier_uniform,
    "xavier_normal": init.xavier_normal,
    "kaiming_uniform": init.kaiming_uniform,
    "kaiming_normal": init.kaiming_normal,
}


def test_fans_and_gains():
    assert init.calculate_fan((8, 3)) == (3, 8)
    assert init.calculate_fan((8, 3, 5, 2)) == (30, 80)
    assert init.calculate_gain("tanh") == 5 / 3
    assert init.calculate_gain("leaky_relu", 1) == 1
    assert init.calculate_gain("leaky_relu") == math.sqrt(2 / (1 + 0.01**2))


@pytest.mark.parametrize(
    ("values", "std"),
    [
        (init.xavier_uniform((200, 300), 2.0, rng=0), 2 * math.sqrt(2 / 500)),
        (init.xavier_normal((200, 300), 2.0, rng=0), 2 * math.sqrt(2 / 500)),
        (init.kaiming_uniform((200, 300), rng=0), math.sqrt(2 / 300)),
        (init.kaiming_normal((200, 300), 0.5, "fan_out", rng=0), math.sqrt(2 / 1.25 / 200)),
        (init.kaiming_normal((200, 300), nonlinearity="linear", rng=0), math.sqrt(1 / 300)),
    ],
)
def test_standard_deviations(values, std):
    np.testing.assert_allclose(values.std(), std, rtol=0.02)
    np.testing.assert_allclose(values.mean(), 0, atol=0.02 * std)


@pytest.mark.parametrize("name", RANDOM)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_random_values_are_new_and_reproducible(name, dtype):
    make = RANDOM[name]
    values = make((4, 3, 2, 2), dtype=dtype, rng=3)
    assert values.dtype == dtype
    assert values.shape == (4, 3, 2, 2)
    np.testing.assert_array_equal(values, make((4, 3, 2, 2), dtype=dtype, rng=3))
    np.testing.assert_array_equal(values, make((4, 3, 2, 2), dtype=dtype, rng=np.random.default_rng(3)))
    generator = cn.manual_seed(3)
    assert isinstance(generator, np.random.Generator)
    np.testing.assert_array_equal(values, make((4, 3, 2, 2), dtype=dtype))
    assert (values != make((4, 3, 2, 2), dtype=dtype)).any()


def test_constants():
    np.testing.assert_array_equal(init.zeros((2, 3)), np.zeros((2, 3), np.float32))
    np.testing.assert_array_equal(init.ones((2,), dtype=np.float64), [1.0, 1.0])
    assert init.constant((), 3).dtype == np.float32


def test_default_generator_is_shared_by_threads():
    cn.manual_seed(0)
    drawn = []
    threads = [
        threading.Thread(target=lambda: drawn.extend(init.uniform((1000,), dtype=np.float64).tolist()))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(drawn)) == 8000


@pytest.mark.parametrize(
    ("call", "kind", "name"),
    [
        (lambda: init.kaiming_normal((3,)), ValueError, "shape"),
        (lambda: init.uniform(3), TypeError, "shape"),
        (lambda: init.uniform((-1,)), ValueError, "shape"),
        (lambda: init.uniform((2,), 1, 0), ValueError, "b"),
        (lambda: init.normal((2,), 0, -1), ValueError, "std"),
        (lambda: init.normal((2,), dtype=int), TypeError, "dtype"),
        (lambda: init.kaiming_uniform((2, 2), mode="fan"), ValueError, "mode"),
        (lambda: init.calculate_gain("swish"), ValueError, "nonlinearity"),
        (lambda: init.uniform((2,), rng=1.5), TypeError, "rng"),
        (lambda: init.uniform((2,), rng=-1), ValueError, "rng"),
        (lambda: cn.manual_seed(-1), ValueError, "seed"),
        (lambda: cn.manual_seed("1"), TypeError, "seed"),
    ],
)
def test_errors_name_the_argument(call, kind, name):
    with pytest.raises(kind, match=rf"^{name}: "):
        call()
