"""ReLU, softmax, cross entropy and matrix products against the definition in a wider type."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reference
from arrays import (
    UNIT_ROUNDOFF,
    assert_exact,
    assert_same_bits,
    assert_within,
    gamma,
    generator,
    small_integers,
)
from convnative import _core

SHAPES = [(), (0,), (1,), (67,), (2, 0, 3), (3, 5), (2, 3, 4, 5), (1, 1, 1, 1, 1, 7), (40, 1000)]


def special_values(dtype):
    info = np.finfo(dtype)
    finite = [0.0, info.smallest_subnormal, info.tiny, 1.0, info.max]
    return np.array([*finite, *(-v for v in finite), np.inf, -np.inf, np.nan], dtype)


def assert_equal(actual, expected, context=""):
    """Equal values; zeros of either sign are equal."""
    assert actual.dtype == expected.dtype, context
    np.testing.assert_array_equal(actual, expected, str(context), strict=True)


# -- relu -------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_relu(shape, dtype, isa):
    rng = generator(shape, "relu")
    x, g = (rng.standard_normal(shape).astype(dtype) for _ in range(2))
    x, g = np.asarray(x, dtype), np.asarray(g, dtype)
    assert_equal(np.asarray(_core.relu_forward(x)), reference.relu(x))
    assert_equal(np.asarray(_core.relu_grad(x, g)), reference.relu_grad(x, g))
    out = np.full(shape, np.nan, dtype)
    assert _core.relu_forward(x, out=out) is out
    assert_equal(out, reference.relu(x))


def test_relu_of_special_values_in_every_lane_and_tail(dtype, isa):
    special = special_values(dtype)
    for length in range(1, 68):
        for shift in range(len(special)):
            x = np.resize(np.roll(special, shift), length)
            g = np.resize(special_values(dtype), length)
            assert_equal(_core.relu_forward(x), reference.relu(x), length)
            assert_equal(_core.relu_grad(x, g), reference.relu_grad(x, g), length)


def test_relu_same_bits_however_it_runs(dtype, layouts):
    x, g = (generator(i, "relu bits").standard_normal((3, 5, 7, 67)).astype(dtype) for i in range(2))
    forward, grad = _core.relu_forward(x), _core.relu_grad(x, g)
    for isa, threads in product(_core.available_isas(), (1, 2, 3, 7)):
        _core.set_isa(isa)
        _core.set_num_threads(threads)
        assert_same_bits(_core.relu_forward(x), forward, (isa, threads))
        assert_same_bits(_core.relu_grad(x, g), grad, (isa, threads))
    for name, variant in layouts(x):
        assert_same_bits(_core.relu_forward(variant), forward, name)
        assert_same_bits(_core.relu_grad(variant, g), grad, name)
    for name, variant in layouts(g):
        assert_same_bits(_core.relu_grad(x, variant), grad, name)


# -- matmul -----------------------------------------------------------------------------------


def check_matmul(m, n, k, transpose_a, transpose_b, bias, dtype):
    rng = generator(m, n, k)
    a, b = small_integers(rng, (m, k)), small_integers(rng, (k, n))
    c = small_integers(rng, n, 100) if bias else None
    expected = reference.linear(a, b.T, c)
    a, b = (
        (np.ascontiguousarray(a.T) if transpose_a else a),
        (np.ascontiguousarray(b.T) if transpose_b else b),
    )
    arrays = [None if array is None else array.astype(dtype) for array in (a, b, c)]
    actual = _core.matmul(arrays[0], arrays[1], transpose_a, transpose_b, arrays[2])
    assert_exact(actual, expected, dtype, (m, n, k, transpose_a, transpose_b, bias))


@pytest.mark.parametrize(("transpose_a", "transpose_b"), list(product([False, True], repeat=2)))
def test_matmul_every_tail(transpose_a, transpose_b, dtype, isa):
    for size in range(68):
        other, depth = size * 29 % 68, size * 41 % 68
        for m, n, k in ((size, other, depth), (other, depth, size), (depth, size, other)):
            check_matmul(m, n, k, transpose_a, transpose_b, size % 2 == 0, dtype)


@pytest.mark.parametrize(("transpose_a", "transpose_b"), list(product([False, True], repeat=2)))
def test_matmul_of_every_small_size(transpose_a, transpose_b, dtype, isa):
    for m, n, k in product(range(5), range(5), range(5)):
        check_matmul(m, n, k, transpose_a, transpose_b, (m + n + k) % 2 == 0, dtype)


@pytest.mark.parametrize(("transpose_a", "transpose_b"), list(product([False, True], repeat=2)))
@pytest.mark.parametrize(
    "sizes", [(1, 700, 1030), (700, 1, 1030), (300, 530, 600), (1030, 7, 3), (3, 5, 5000)]
)
def test_matmul_beyond_every_block(sizes, transpose_a, transpose_b, dtype, isa):
    check_matmul(*sizes, transpose_a, transpose_b, True, dtype)


@given(*(st.integers(0, 90) for _ in range(3)), *(st.booleans() for _ in range(3)))
@settings(max_examples=100)
def test_matmul_of_drawn_sizes(dtype, isa, m, n, k, transpose_a, transpose_b, bias):
    check_matmul(m, n, k, transpose_a, transpose_b, bias, dtype)


def test_matmul_of_floats_within_the_bound(dtype, isa, strict):
    for m, n, k in ((17, 33, 70), (5, 50, 1200), (130, 64, 9), (1, 10, 500)):
        rng = generator(m, n, k, "floats")
        a, b, c = (rng.standard_normal(shape).astype(dtype) for shape in ((m, k), (k, n), (n,)))
        exact = reference.linear(a, b.T, c)
        bound = exact.dtype.type(gamma(k + 2, dtype)) * reference.linear(np.abs(a), np.abs(b).T, np.abs(c))
        assert_within(_core.matmul(a, b, False, False, c), exact, bound, (m, n, k))


def test_matmul_same_bits_however_it_runs(dtype, isa, layouts):
    rng = generator("matmul bits")
    a, b, c = (rng.standard_normal(shape).astype(dtype) for shape in ((70, 310), (310, 53), (53,)))
    expected = _core.matmul(a, b, False, False, c)
    for threads in (1, 2, 3, 7):
        _core.set_num_threads(threads)
        assert_same_bits(_core.matmul(a, b, False, False, c), expected, threads)
    for name, variant in layouts(a):
        assert_same_bits(_core.matmul(variant, b, False, False, c), expected, name)
    for name, variant in layouts(b):
        assert_same_bits(_core.matmul(a, variant, False, False, c), expected, name)
    out = np.full((70, 53), np.nan, dtype)
    assert _core.matmul(a, b, False, False, c, out=out) is out
    assert_same_bits(out, expected)


def test_matmul_same_bits_when_transposed(dtype, isa, strict):
    rng = generator("matmul transposed")
    a, b = rng.standard_normal((70, 310)).astype(dtype), rng.standard_normal((310, 53)).astype(dtype)
    expected = _core.matmul(a, b)
    at, bt = np.ascontiguousarray(a.T), np.ascontiguousarray(b.T)
    assert_same_bits(_core.matmul(at, b, transpose_a=True), expected)
    assert_same_bits(_core.matmul(a, bt, transpose_b=True), expected)
    assert_same_bits(_core.matmul(at, bt, transpose_a=True, transpose_b=True), expected)


def test_matmul_same_bits_for_any_split_of_the_rows(dtype, isa, strict):
    """The batch of a linear layer."""
    rng = generator("matmul rows")
    a, b = rng.standard_normal((70, 310)).astype(dtype), rng.standard_normal((53, 310)).astype(dtype)
    expected = _core.matmul(a, b, transpose_b=True)
    for rows in (1, 3, 16):
        parts = [_core.matmul(a[i : i + rows], b, transpose_b=True) for i in range(0, 70, rows)]
        assert_same_bits(np.concatenate(parts), expected, rows)


# -- softmax ----------------------------------------------------------------------------------


def softmax_bounds(x, dim):
    """Bounds for log softmax (absolute) and softmax (relative), from the operations that both need.

    With t = x - max and s = sum of exp(t): t is rounded once, which moves exp(t) by |t| u; exp and log may be
    off by 2 units in the last place (4 u); the sum over n terms adds n u; so log s is off by
    (n + 4 + E|t|) u + 4 u |log s|, E weighting with the softmax, and the last subtraction or division by u.
    """
    wide = reference.accumulator(x).type
    u = wide(UNIT_ROUNDOFF[x.dtype])
    t = x.astype(wide) - x.astype(wide).max(axis=dim, keepdims=True)
    p = reference.softmax(x, dim)
    log_s = np.log(np.exp(t).sum(axis=dim, keepdims=True))
    sum_error = x.shape[dim] + 4 + (p * np.abs(t)).sum(axis=dim, keepdims=True)
    log_error = u * (sum_error + 4 * log_s + 2 * np.abs(t) + np.abs(t - log_s))
    relative_error = u * (sum_error + np.abs(t) + 4 + 2)
    slack = 1 + 64 * u * sum_error.max(initial=1)  # the terms of second order
    return log_error * slack, relative_error * slack


def check_softmax(x, dim):
    log_error, relative_error = softmax_bounds(x, dim)
    assert_within(
        _core.softmax_forward(x, dim, True), reference.log_softmax(x, dim), log_error, (x.shape, dim)
    )
    expected = reference.softmax(x, dim)
    # Below the smallest normal number digits are lost, or the value is.
    bound = relative_error * expected + np.finfo(x.dtype).tiny
    assert_within(_core.softmax_forward(x, dim, False), expected, bound, (x.shape, dim))


@pytest.mark.parametrize("scale", [1e-3, 1, 30, 1000])
def test_softmax_over_every_length(scale, dtype, isa):
    for length in range(1, 68):
        x = (generator(length, scale).standard_normal((3, length)) * scale).astype(dtype)
        check_softmax(x, 1)
        check_softmax(np.ascontiguousarray(x.T), 0)


@pytest.mark.parametrize(
    "shape", [(7,), (2, 3), (3, 4, 5), (2, 3, 4, 5), (2, 1, 3, 1, 4), (2, 1000), (1, 5, 67)]
)
def test_softmax_over_every_axis(shape, dtype, isa):
    x = generator(shape, "softmax").standard_normal(shape).astype(dtype)
    for dim in range(-len(shape), len(shape)):
        check_softmax(x, dim)


def test_softmax_of_nothing(dtype):
    for shape, dim in (((0, 5), 1), ((5, 0), 0), ((2, 0, 3), 2)):
        for log in (False, True):
            assert _core.softmax_forward(np.zeros(shape, dtype), dim, log).shape == shape


def test_softmax_does_not_overflow(dtype, isa):
    largest = np.finfo(dtype).max
    x = np.array([[largest, largest], [-largest, largest], [-largest, -largest]], dtype)
    expected = np.array([[0.5, 0.5], [0, 1], [0.5, 0.5]], dtype)
    assert_same_bits(_core.softmax_forward(x, 1, False), expected)
    x = np.array([[0, -np.inf], [-np.inf, 3]], dtype)
    assert_same_bits(_core.softmax_forward(x, 1, False), np.array([[1, 0], [0, 1]], dtype))
    assert _core.softmax_forward(x, 1, True).tolist() == [[0, -np.inf], [-np.inf, 0]]


def test_softmax_of_equal_values_is_exact(dtype, isa):
    for length in (1, 2, 4, 8, 16, 64):
        for value in (0.0, 3.0, -1e30):
            x = np.full((2, length), value, dtype)
            assert_same_bits(_core.softmax_forward(x, 1, False), np.full(x.shape, 1 / length, dtype))


def test_softmax_with_nan_or_infinity_is_nan_in_its_row_alone(dtype, isa):
    for value in (np.nan, np.inf):
        for length in (1, 5, 16, 33):
            x = generator(length).standard_normal((3, length)).astype(dtype)
            x[1, length // 2] = value
            for log in (False, True):
                y = _core.softmax_forward(x, 1, log)
                assert np.isnan(y[1]).all() or (log and value == np.inf and np.isnan(y[1, length // 2]))
                assert not np.isnan(y[[0, 2]]).any()


def softmax_gradients(y, g, dim):
    """The gradients of softmax and log_softmax by their results, each with a bound of its error.

    Sums and products are in float64, the result is rounded once. The exponential of log_softmax is one of the
    type, off by 2 units in the last place.
    """
    u, v = float(UNIT_ROUNDOFF[y.dtype]), 2.0**-53
    wide = reference.accumulator(y)
    y, g = y.astype(wide), g.astype(wide)
    e = np.exp(y)
    roundings = (y.shape[dim] + 4) * v * (1 + 64 * u)

    def along(values):
        return values.sum(axis=dim, keepdims=True)

    gradient = y * (g - along(y * g))
    bound = u * np.abs(gradient) + roundings * np.abs(y) * (np.abs(g) + along(np.abs(y * g)))
    log_gradient = g - e * along(g)
    log_bound = u * np.abs(log_gradient) + roundings * (np.abs(g) + e * along(np.abs(g)))
    log_bound += 4 * u * (1 + 64 * u) * e * np.abs(along(g))
    return (gradient, bound), (log_gradient, log_bound)


@pytest.mark.parametrize("scale", [1, 30])
def test_softmax_gradients_over_every_length(scale, dtype, isa):
    for length in [*range(1, 68), 257, 600]:
        rng = generator(length, scale, "gradient")
        x, g = (rng.standard_normal((3, length)).astype(dtype) for _ in range(2))
        for dim, log in product((0, 1), (False, True)):
            y = _core.softmax_forward(x * dtype.type(scale), 1, log)
            y, slope = (y, g) if dim == 1 else (np.ascontiguousarray(y.T), np.ascontiguousarray(g.T))
            expected, bound = softmax_gradients(y, slope, dim)[log]
            actual = _core.softmax_grad(y, slope, dim, log)
            # Below the smallest normal number digits are lost.
            assert_within(actual, expected, bound + np.finfo(dtype).tiny, (length, dim, log))


def test_softmax_gradient_of_integers_is_exact(dtype, isa):
    for shape in ((7,), (3, 4, 5), (2, 67, 3), (2, 3, 67), (0, 3), (3, 0)):
        y, g = (small_integers(generator(shape, name), shape).astype(dtype) for name in "yg")
        for dim in range(len(shape)):
            expected = y * (g - (y * g).sum(axis=dim, keepdims=True))
            assert_same_bits(_core.softmax_grad(y, g, dim, False), expected, (shape, dim))
            expected = g - g.sum(axis=dim, keepdims=True)  # exp(0) = 1
            assert_same_bits(_core.softmax_grad(np.zeros_like(y), g, dim, True), expected, (shape, dim))


def test_softmax_gradient_same_bits_however_it_runs(dtype, isa, layouts):
    rng = generator("softmax gradient bits")
    y, g = (rng.random((3, 40, 67)).astype(dtype) for _ in range(2))
    for dim, log in product(range(3), (False, True)):
        expected = _core.softmax_grad(y, g, dim, log)
        for threads in (1, 2, 3, 7):
            _core.set_num_threads(threads)
            assert_same_bits(_core.softmax_grad(y, g, dim, log), expected, (dim, log, threads))
        for (name, left), (_, right) in zip(layouts(y), layouts(g), strict=True):
            assert_same_bits(_core.softmax_grad(left, right, dim, log), expected, (dim, log, name))


def test_softmax_same_bits_however_it_runs(dtype, isa, layouts):
    x = generator("softmax bits").standard_normal((3, 40, 67)).astype(dtype)
    for dim, log in product(range(3), (False, True)):
        expected = _core.softmax_forward(x, dim, log)
        for threads in (1, 2, 3, 7):
            _core.set_num_threads(threads)
            assert_same_bits(_core.softmax_forward(x, dim, log), expected, (dim, log, threads))
        for name, variant in layouts(x):
            assert_same_bits(_core.softmax_forward(variant, dim, log), expected, (dim, log, name))
        out = np.full(x.shape, np.nan, dtype)
        assert _core.softmax_forward(x, dim, log, out=out) is out
        assert_same_bits(out, expected)


# -- cross entropy ----------------------------------------------------------------------------


def check_cross_entropy(x, target, class_weight, ignore_index, smoothing):
    """The loss and its gradient, within the bounds of softmax carried through their formulas."""
    context = (x.shape, class_weight is not None, ignore_index, smoothing)
    options = class_weight, ignore_index, smoothing
    rows, targets = (x[None], np.asarray(target)[None]) if x.ndim == 1 else (x, target)
    wide = reference.accumulator(x).type
    u = wide(UNIT_ROUNDOFF[x.dtype])
    log_error, relative_error = softmax_bounds(rows, 1)
    weights = np.abs(reference._target_weights(rows, targets, *options))
    log_p, p = reference.log_softmax(rows, 1), reference.softmax(rows, 1)
    roundings = u * (x.shape[0 if x.ndim == 1 else 1] + 8)

    loss = reference.cross_entropy(x, np.asarray(target), *options)
    bound = (weights * (log_error + roundings * np.abs(log_p))).sum(axis=1).reshape(loss.shape)
    actual = np.asarray(_core.cross_entropy_forward(x, target, *options))
    assert actual.dtype == x.dtype
    assert_within(actual, np.asarray(loss), bound, context)

    g = np.asarray(generator(context, "g").standard_normal(loss.shape)).astype(x.dtype)
    grad = reference.cross_entropy_grad(x, np.asarray(target), g, *options)
    total = weights.sum(axis=1, keepdims=True)
    bound = (relative_error + roundings) * p * total + roundings * weights + np.finfo(x.dtype).tiny * total
    bound = (bound * np.abs(g.reshape(targets.shape))[:, None]).reshape(grad.shape)
    actual = _core.cross_entropy_grad(x, target, *options, g)
    assert actual.dtype == x.dtype
    assert_within(actual, grad, bound, context)


@pytest.mark.parametrize(
    "shape", [(5,), (1, 1), (4, 10), (0, 3), (3, 7, 5), (2, 67, 3, 4), (2, 3, 1, 2, 2)], ids=str
)
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ignore_index", [-100, 0, 2])
def test_cross_entropy(shape, smoothing, weighted, ignore_index, dtype, isa):
    rng = generator(shape, smoothing)
    classes = shape[0] if len(shape) == 1 else shape[1]
    x = (rng.standard_normal(shape) * 5).astype(dtype)
    target_shape = () if len(shape) == 1 else (shape[0], *shape[2:])
    target = rng.integers(0, classes, target_shape)
    class_weight = rng.random(classes).astype(dtype) if weighted else None
    check_cross_entropy(x, target, class_weight, ignore_index, smoothing)


def test_cross_entropy_over_every_number_of_classes(dtype, isa):
    for classes in range(1, 68):
        rng = generator(classes, "classes")
        x = (rng.standard_normal((3, classes)) * 3).astype(dtype)
        check_cross_entropy(x, rng.integers(0, classes, 3), None, -100, 0.1 * (classes % 2))


@pytest.mark.parametrize("integer", [np.int8, np.uint8, np.int32, np.uint32, np.int64, np.uint64, ">i4"])
def test_cross_entropy_takes_any_integer_type(integer, dtype):
    x = generator("targets").standard_normal((4, 5)).astype(dtype)
    target = np.array([0, 4, 2, 2])
    expected = _core.cross_entropy_forward(x, target, None, -100, 0.0)
    assert_same_bits(_core.cross_entropy_forward(x, target.astype(integer), None, -100, 0.0), expected)


def test_cross_entropy_ignores(dtype, isa):
    """An ignored element has loss 0 and gradient 0, even where its scores are NaN."""
    x = np.array([[1, 2, 3], [np.nan, 0, 0], [3, 2, 1]], dtype)
    target = np.array([0, -100, 1])
    loss = _core.cross_entropy_forward(x, target, None, -100, 0.0)
    assert loss[1] == 0
    assert np.isfinite(loss).all()
    grad = _core.cross_entropy_grad(x, target, None, -100, 0.0, np.ones(3, dtype))
    assert_same_bits(grad[1], np.zeros(3, dtype))
    assert np.isfinite(grad).all()


def test_cross_entropy_of_a_sure_answer_does_not_overflow(dtype, isa):
    x = np.array([[1e30, 0.0], [0.0, 1e30], [-1e30, -1e30]], dtype)
    target = np.array([0, 1, 0])
    loss = _core.cross_entropy_forward(x, target, None, -100, 0.0)
    np.testing.assert_allclose(loss, [0, 0, np.log(2)], rtol=1e-6)
    grad = _core.cross_entropy_grad(x, target, None, -100, 0.0, np.ones(3, dtype))
    np.testing.assert_allclose(grad, [[0, 0], [0, 0], [-0.5, 0.5]], rtol=1e-6)


def test_cross_entropy_same_bits_however_it_runs(dtype, isa, layouts):
    rng = generator("cross entropy bits")
    x, g = rng.standard_normal((5, 13, 21)).astype(dtype), rng.standard_normal((5, 21)).astype(dtype)
    target, weight = rng.integers(0, 13, (5, 21)), rng.random(13).astype(dtype)
    options = weight, 3, 0.1
    loss = _core.cross_entropy_forward(x, target, *options)
    grad = _core.cross_entropy_grad(x, target, *options, g)
    for threads in (1, 2, 3, 7):
        _core.set_num_threads(threads)
        assert_same_bits(_core.cross_entropy_forward(x, target, *options), loss, threads)
        assert_same_bits(_core.cross_entropy_grad(x, target, *options, g), grad, threads)
    for name, variant in layouts(x):
        assert_same_bits(_core.cross_entropy_forward(variant, target, *options), loss, name)
        assert_same_bits(_core.cross_entropy_grad(variant, target, *options, g), grad, name)
    for name, variant in layouts(g):
        assert_same_bits(_core.cross_entropy_grad(x, target, *options, variant), grad, name)
    for variant in (np.asfortranarray(target), target[::-1][::-1], target.astype(">i8")):
        assert_same_bits(_core.cross_entropy_forward(x, variant, *options), loss)
