"""Adaptive, fractional, power-average and global pools, and unpooling, against the definition."""

import numpy as np
import pytest
from autograd import grad
from autograd.test_util import check_grads as check
from hypothesis import given, settings
from hypothesis import strategies as st

import convnative as cn
import reference
from arrays import assert_exact, assert_same_bits, assert_within, gamma, generator, small_integers
from convnative import _core, nn, shapes
from convnative import functional as F

AXES = [1, 2, 3]


def of_axes(name, axes):
    return getattr(F, f"{name}{axes}d")


def sizes_of(rng, axes, low=1, high=9, widest=67):
    return (*map(int, rng.integers(low, high, axes - 1)), int(rng.integers(low, widest + 1)))


def adaptive_cases(count=24):
    """Shapes and output sizes: dividing, not dividing, larger than the input, 1 and 0; 1 to 35 planes."""
    rng = generator("adaptive cases")
    for number in range(count):
        axes = number % 3 + 1
        sizes = sizes_of(rng, axes)
        output = [int(rng.integers(1, 2 * size + 2)) for size in sizes]
        if number % 4 == 0:
            output = [1] * axes
        if number % 10 == 3:
            output[int(rng.integers(axes))] = 0
        lead = ((2, 3), (4,), (0, 2), (1, 1))[number % 4]
        yield (*lead, *sizes), tuple(output)
    for planes in range(1, 36):
        axes = planes % 3 + 1
        sizes = sizes_of(rng, axes, 1, 6, 9)
        yield (1, planes, *sizes), tuple(1 if planes % 4 == 0 else int(rng.integers(1, n + 2)) for n in sizes)


def hostile(rng, shape, dtype):
    """Many equal values, zeros of both signs, infinities and NaNs."""
    values = np.array([-0.0, 0.0, 1.0, -1.0, np.inf, -np.inf, -np.inf, np.nan], dtype)
    return rng.choice(values, shape, p=[0.2, 0.2, 0.15, 0.15, 0.05, 0.1, 0.1, 0.05])


# -- adaptive -----------------------------------------------------------------------------------


def test_adaptive_average(dtype, isa):
    for shape, output in adaptive_cases():
        axes = len(output)
        rng = generator(shape, output)
        x = small_integers(rng, shape, 100).astype(dtype)
        expected = reference.adaptive_avg_pool_forward(x, output)
        # The sum is exact and the quotient rounded to float64 first.
        actual = _core.adaptive_avg_pool_forward(axes, x, output)
        assert_within(actual, expected, np.abs(expected) * 2 * float(gamma(2, dtype)), (shape, output))
        g = small_integers(rng, expected.shape).astype(dtype)
        grad = reference.adaptive_avg_pool_grad(g, shape, output)
        bound = reference.adaptive_avg_pool_grad(np.abs(g), shape, output) * float(gamma(40, dtype))
        actual = _core.adaptive_avg_pool_grad(axes, g, shape, output)
        assert_within(actual, grad, bound, (shape, output))


def test_adaptive_average_of_dividing_sizes_is_exact(dtype, isa):
    """Windows of 4 or 16 elements: quotients of integers by powers of two."""
    rng = generator("dividing")
    x = small_integers(rng, (2, 3, 12, 60), 1000).astype(dtype)
    expected = reference.adaptive_avg_pool_forward(x, (3, 15))
    assert_exact(_core.adaptive_avg_pool_forward(2, x, (3, 15)), expected, dtype)
    assert_same_bits(F.avg_pool2d(x, 4), _core.adaptive_avg_pool_forward(2, x, (3, 15)))


@pytest.mark.parametrize("kernel", [(2, 2), (3, 3), (1, 5), (4, 4), (16, 1)], ids=str)
def test_few_alike_windows_are_those_of_a_plain_pool(kernel, dtype, isa):
    for rows, columns in ((2, 3), (7, 7), (1, 17)):
        shape = (2, 9, rows * kernel[0], columns * kernel[1])
        x = generator(shape, "alike").standard_normal(shape).astype(dtype)
        y = F.avg_pool2d(x, kernel)
        assert_same_bits(F.adaptive_avg_pool2d(x, (rows, columns)), y, shape)
        gradient = _core.adaptive_avg_pool_grad(2, y, shape, (rows, columns))
        assert_same_bits(gradient, F.avg_pool2d_grad_input(y, shape, kernel), shape)
    x = generator("alike, overlapping").standard_normal((1, 20, 13, 27)).astype(dtype)
    assert_same_bits(F.adaptive_avg_pool2d(x, (6, 13)), F.avg_pool2d(x, 3, 2))


def test_adaptive_maximum(dtype, isa):
    for shape, output in adaptive_cases():
        axes = len(output)
        rng = generator(shape, output, "max")
        for x in (small_integers(rng, shape, 3).astype(dtype), hostile(rng, shape, dtype)):
            values, indices = reference.adaptive_max_pool(x, output)
            assert_same_bits(_core.adaptive_max_pool_forward(axes, x, output), values, (shape, output))
            actual = _core.adaptive_max_pool_with_indices(axes, x, output)
            assert_same_bits(actual[0], values, (shape, output))
            np.testing.assert_array_equal(actual[1], indices)


@pytest.mark.parametrize("width", [1, 2, 15, 16, 17, 31, 64, 67, 200])
def test_every_place_of_a_global_window(width, dtype, isa):
    """The maximum, and one or two NaNs, in every lane and tail; sums of every length."""
    rng = generator(width)
    x = np.zeros((width, 1, width), dtype)
    x[np.arange(width), 0, np.arange(width)] = 1
    values, indices = F.adaptive_max_pool1d(x, 1, True)
    assert (values == 1).all()
    np.testing.assert_array_equal(indices.ravel(), np.arange(width))
    x[np.arange(width), 0, np.arange(width)] = np.nan
    x[np.arange(width), 0, rng.integers(0, np.arange(width) + 1)] = np.nan
    values, indices = F.adaptive_max_pool1d(x, 1, True)
    assert np.isnan(values).all()
    np.testing.assert_array_equal(indices.ravel(), np.arange(width))
    x = small_integers(rng, (3, 2, width), 2**20).astype(dtype)
    assert_exact(F.global_avg_pool(x), x.astype(np.int64).sum(2, keepdims=True) / width, dtype)


def test_long_sums_keep_their_digits():
    """A float32 sum of 2**24 ones and more would stand still."""
    x = np.ones((1, 1, 2**24 + 2**20), np.float32)
    assert F.global_avg_pool(x).item() == 1.0


def test_global_windows_longer_than_a_piece(dtype, isa):
    """A plane is reduced in pieces: ties and NaNs on both sides of their seams."""
    length = 3 * 2**16 + 5
    x = np.zeros((4, 1, length), dtype)
    x[0, 0, [2**16 - 1, 2**16, length - 1]] = 1
    x[1, 0, [7, 2**17]] = np.nan
    x[2] = -np.inf
    x[3, 0] = generator("pieces").integers(-1000, 1000, length)
    for threads in (1, 3):
        _core.set_num_threads(threads)
        maxima, indices = F.adaptive_max_pool1d(x, 1, True)
        assert_same_bits(maxima.ravel(), np.array([1, np.nan, -np.inf, x[3].max()], dtype))
        assert indices.ravel().tolist() == [2**16 - 1, 2**17, 0, int(x[3].argmax())]
        assert_exact(F.global_avg_pool(x[3:]), x[3:].sum(2, dtype=np.float64, keepdims=True) / length, dtype)


@given(size=st.integers(1, 40), outputs=st.integers(0, 60))
@settings(max_examples=200)
def test_adaptive_windows(size, outputs):
    assert shapes.adaptive_windows(size, outputs) == reference.adaptive_windows(size, outputs)
    if outputs:
        ones = np.zeros((1, 1, size))
        starts = F.adaptive_max_pool1d(ones, outputs, True)[1].ravel()  # the first of equal elements
        ends = size - 1 - F.adaptive_max_pool1d(ones, outputs, True)[1].ravel()[::-1]
        assert list(zip(starts, ends + 1, strict=True)) == shapes.adaptive_windows(size, outputs)


def test_none_keeps_a_size():
    x = np.ones((2, 3, 5, 7))
    assert F.adaptive_avg_pool2d(x, (None, 2)).shape == (2, 3, 5, 2)
    assert F.adaptive_max_pool2d(x, (3, None)).shape == (2, 3, 3, 7)
    for function in (F.adaptive_avg_pool1d, F.adaptive_max_pool1d):
        with pytest.raises(TypeError, match=r"^output_size: "):
            function(x[0], None)


def test_unpooling_after_padding_per_side(dtype):
    """Every maximum comes back to its place; the default size is the pool's input where its windows fit."""
    for axes in AXES:
        shape = (2, 3, 9, 7, 5)[: axes + 2]
        x = generator("pairs", axes).permutation(np.prod(shape)).reshape(shape).astype(dtype) + 1
        for sides in ((0, 1), (1, 0), (2, 1)):
            pairs = (sides,) * axes
            pooled = of_axes("max_pool", axes)(x, 3, 2, pairs, return_indices=True)
            size = tuple(2 * (n - 1) + 3 - sum(sides) for n in pooled[0].shape[2:])
            layer = getattr(nn, f"MaxUnpool{axes}d")(3, 2, pairs)
            assert shapes.unpool_output_shape(pooled[0].shape, 3, 2, pairs, axes=axes)[2:] == size
            y = of_axes("max_unpool", axes)(*pooled, 3, 2, pairs, output_size=shape)
            assert_same_bits(y, np.where(np.isin(x, pooled[0]), x, 0).astype(dtype), sides)
            assert_same_bits(layer(*pooled, shape), y)
            if size == shape[2:]:
                assert_same_bits(layer(*pooled), y)
    with pytest.raises(ValueError, match=r"^padding: expected together at most the 3 elements"):
        shapes.unpool_output_shape((1, 1, 1, 1), 3, 2, ((0, 0), (3, 1)))
    for bad in ("same", ((1, 2),)):
        with pytest.raises((TypeError, ValueError), match=r"^padding: "):
            F.max_unpool2d(np.ones((1, 2, 2)), np.zeros((1, 2, 2), int), 2, padding=bad)


@pytest.mark.parametrize("output", [(0, 2), (0, 0)], ids=str)
def test_no_positions_have_no_gradient(output, dtype):
    x = np.ones((2, 3, 5, 7), dtype)
    for function in (F.adaptive_avg_pool2d, F.adaptive_max_pool2d):
        assert function(x, output).shape == (2, 3, *output)
        gradient = grad(lambda x, function=function: function(x, output).sum())(x)
        np.testing.assert_array_equal(gradient, np.zeros_like(x), strict=True)


def test_the_divisor_of_signals(dtype):
    x = small_integers(generator("divisor"), (2, 3, 9)).astype(dtype)
    options = {"stride": 2, "padding": 1, "divisor_override": 4}
    y = F.avg_pool1d(x, 3, **options)
    assert_same_bits(y, F.avg_pool2d(x[..., None], (3, 1), (2, 1), (1, 0), divisor_override=4)[..., 0])
    assert_same_bits(nn.AvgPool1d(3, **options)(x), y)
    assert_same_bits(
        F.avg_pool1d_grad_input(y, x.shape, 3, **options),
        grad(lambda x: (F.avg_pool1d(x, 3, **options) * y).sum())(x),
    )


def test_global_pools(dtype):
    for axes in AXES:
        x = generator("global", axes).standard_normal((2, 3, 4, 5, 6)[: axes + 2]).astype(dtype)
        spatial = tuple(range(2, axes + 2))
        np.testing.assert_array_equal(F.global_max_pool(x), x.max(spatial, keepdims=True))
        np.testing.assert_array_equal(F.global_max_pool(x, keepdims=False), x.max(spatial))
        average = F.global_avg_pool(x, keepdims=False)
        np.testing.assert_allclose(average, x.mean(spatial, dtype=np.float64), rtol=1e-6, atol=1e-7)
    for wrong in (np.ones((2, 3)), np.ones((1,) * 6)):
        with pytest.raises(ValueError, match=r"^input: expected 3 to 5 dimensions"):
            F.global_avg_pool(wrong)


# -- fractional ---------------------------------------------------------------------------------


def test_fractional_maximum(dtype, isa):
    rng = generator("fractional")
    for number in range(40):
        axes = number % 2 + 2
        kernel = tuple(map(int, rng.integers(1, 4, axes)))
        sizes = tuple(k + int(rng.integers(1, 12)) for k in kernel)
        spare = axes - 2  # what torch asks of volumes
        output = tuple(int(rng.integers(1, s - k + 2 - spare)) for s, k in zip(sizes, kernel, strict=True))
        lead = ((2, 3), (4,), (0, 2))[number % 3]
        shape = (*lead, *sizes)
        planes = lead if len(lead) == 2 else (1, *lead)
        samples = rng.random((*planes, axes)).astype(dtype)
        x = hostile(rng, shape, dtype)
        values, indices = reference.fractional_max_pool(x, kernel, output, samples)
        function = of_axes("fractional_max_pool", axes)
        actual = function(x, kernel, output, return_indices=True, _random_samples=samples)
        assert_same_bits(actual[0], values, (shape, kernel, output))
        np.testing.assert_array_equal(actual[1], indices)
        assert_same_bits(function(x, kernel, output, _random_samples=samples), values)


def test_random_numbers_are_drawn_from_the_generator():
    x = generator("drawn").standard_normal((2, 3, 9, 9))
    samples = np.random.default_rng(5).random((2, 3, 2))
    expected = F.fractional_max_pool2d(x, 2, 5, _random_samples=samples)
    assert_same_bits(F.fractional_max_pool2d(x, 2, 5, rng=5), expected)
    cn.manual_seed(5)
    assert_same_bits(F.fractional_max_pool2d(x, 2, 5), expected)
    layer = nn.FractionalMaxPool2d(2, 5, rng=5)
    assert_same_bits(layer(x), expected)
    assert (layer(x) != expected).any()


@pytest.mark.parametrize("sample", [-0.1, 1.1, np.nan, np.inf])
def test_random_numbers_outside_of_the_unit_interval(sample):
    with pytest.raises(ValueError, match=r"^_random_samples: "):
        F.fractional_max_pool2d(np.ones((1, 4, 4)), 2, 2, _random_samples=np.full((1, 1, 2), sample))


# -- unpooling ----------------------------------------------------------------------------------


@pytest.mark.parametrize("axes", AXES)
def test_unpooling(axes, dtype, isa):
    for number in range(12):
        rng = generator("unpool", axes, number)
        sizes = tuple(map(int, rng.integers(1, 6, axes)))
        kernel, stride = int(rng.integers(1, 4)), int(rng.integers(1, 4))
        lead = ((2, 3), (4,), (0, 2))[number % 3]
        x = rng.standard_normal((*lead, *sizes)).astype(dtype)
        output = tuple((s - 1) * stride + kernel for s in sizes)
        kind = (np.int64, np.int32, np.uint8)[number % 3]
        indices = rng.integers(0, min(np.prod(output), 256), x.shape).astype(kind)
        y = of_axes("max_unpool", axes)(x, indices, kernel, stride)
        assert_same_bits(y, reference.max_unpool(x, indices, output))


@pytest.mark.parametrize("axes", AXES)
def test_unpooling_undoes_pooling(axes):
    x = generator("undo", axes).permutation(4**axes * 6).reshape(2, 3, *(4,) * axes) + 1.0
    maxima, indices = of_axes("max_pool", axes)(x, 2, return_indices=True)
    back = of_axes("max_unpool", axes)(maxima, indices, 2)
    assert_same_bits(of_axes("max_pool", axes)(back, 2), maxima)
    assert ((back == x) | (back == 0)).all()


@pytest.mark.parametrize("bad", [-1, 4, 2**32 + 3, -(2**63), 2**63 - 1])
def test_bad_indices_write_nothing(bad):
    x = np.ones((2, 3, 2))
    indices = np.zeros(x.shape, np.int64)
    indices[1, 2, 1] = bad
    out = np.full((2, 3, 4), 7.0)
    with pytest.raises(IndexError, match=rf"^indices: expected integers in \[0, 4\), received {bad}$"):
        F.max_unpool1d(x, indices, 2, out=out)
    assert (out == 7).all()
    with pytest.raises(IndexError, match=r"^indices: "):
        F.max_unpool1d(x, np.full(x.shape, 2**64 - 1, np.uint64), 2)


def test_moves_by_index(dtype):
    rng = generator("moves")
    values, indices = small_integers(rng, (2, 3, 4, 5)).astype(dtype), rng.integers(-1, 20, (2, 3, 2, 6))
    picked = _core.indexed_pick(2, values, indices, 0.0)
    assert_same_bits(picked, reference.indexed_pick(values, indices, 2).astype(dtype))
    g = small_integers(rng, indices.shape).astype(dtype)
    added = _core.indexed_add(2, g, indices, (4, 5))
    assert_exact(added, reference.indexed_add(g, indices, (4, 5)), dtype)
    assert (picked * g).sum() == (values * added).sum()
    for bad in (-2, 20):
        wrong = indices.copy()
        wrong[0, 0, 0, 0] = bad
        with pytest.raises(IndexError, match=r"^indices: expected integers in \[-1, 20\)"):
            _core.indexed_pick(2, values, wrong, 0.0)
        with pytest.raises(IndexError, match=r"^indices: "):
            _core.indexed_add(2, g, wrong, (4, 5))


# -- power averages -----------------------------------------------------------------------------


def lp_cases(count=36):
    rng = generator("lp cases")
    for number in range(count):
        axes = number % 3 + 1
        sizes = sizes_of(rng, axes, 6, 10)
        kernel, stride = (tuple(map(int, rng.integers(1, 4, axes))) for _ in range(2))
        dilation = tuple(map(int, rng.integers(1, 3, axes))) if number % 4 == 0 else (1,) * axes
        padding = tuple((int(rng.integers(0, k)), int(rng.integers(0, k))) for k in kernel)
        p = (1, 2, 3, 1.5, 4, 2.5)[number % 6]
        yield (2, 3, *sizes), p, kernel, stride, padding, dilation, bool(number % 2)


@pytest.mark.parametrize("definition", ["torch", "onnx"])
def test_power_average(definition, dtype, isa):
    onnx = definition == "onnx"
    for shape, p, *geometry in lp_cases():
        axes = len(shape) - 2
        x = generator(shape, p).uniform(0.1, 2, shape).astype(dtype)
        if onnx:
            x *= generator(shape, "sign").choice([-1, 1], shape).astype(dtype)
        arguments = p, *geometry, onnx, not onnx
        expected = reference.lp_pool_forward(x, *arguments, axes=axes)
        actual = _core.lp_pool_forward(axes, x, *arguments)
        tolerance = 1e-5 if dtype == np.float32 else 1e-13
        np.testing.assert_allclose(actual, expected.astype(dtype), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("definition", ["torch", "onnx"])
def test_power_average_derivatives(definition):
    for shape, p, kernel, stride, padding, dilation, ceil_mode in lp_cases(12):
        axes = len(shape) - 2
        shape = (1, 2, *(min(size, 7) for size in shape[2:]))
        x = generator(shape, p, "derivatives").uniform(0.3, 2, shape)
        if definition == "onnx":
            x *= generator(shape, "sign").choice([-1, 1], shape)
        options = {"padding": padding, "dilation": dilation, "definition": definition}

        def f(x, axes=axes, arguments=(p, kernel, stride, ceil_mode), options=options):
            return of_axes("lp_pool", axes)(x, *arguments, **options)

        check(f, modes=["rev"], order=2)(x)
        check(f, modes=["fwd"], order=1)(x)


def test_power_average_of_zeros_has_no_slope(dtype, isa):
    x = np.array([[0, 0, 1, 0]], dtype)
    for p, definition in ((1, "torch"), (2, "torch"), (3, "torch"), (2, "onnx"), (1, "onnx"), (2.5, "onnx")):
        slope = grad(lambda x, p=p, d=definition: F.lp_pool1d(x, p, 2, definition=d).sum())(x)
        assert slope.tolist() == [[0, 0, 1, 1.0 if (p, definition) == (1, "torch") else 0]], (p, definition)


def test_infinite_norms():
    x = np.array([[3.0, -4.0, 1.0, -2.0]])
    out = np.empty((1, 2))
    assert F.lp_pool1d(x, np.inf, 2).tolist() == [[4.0, 2.0]]
    assert F.lp_pool1d(x, -np.inf, 2, out=out) is out
    assert out.tolist() == [[3.0, 1.0]]
    for norm in (0, np.nan):
        with pytest.raises(ValueError, match=r"^norm_type: "):
            F.lp_pool1d(x, norm, 2)


def test_powers_of_rows_wider_than_a_block(dtype, isa):
    """A strip is cut into blocks of columns, and hostile windows go the plain way."""
    x = small_integers(generator("wide"), (1, 1, 3, 20_000)).astype(dtype)
    for kernel, stride in (((2, 3), (1, 2)), ((3, 300), (1, 7)), ((1, 15_000), (1, 100))):
        arguments = 2, kernel, stride, 0, 1, False, False, False
        sums = reference.avg_pool_forward(x**2, kernel, stride, 0, False, True, 1, axes=2)
        actual = _core.lp_pool_forward(2, x, *arguments)
        np.testing.assert_allclose(actual, np.sqrt(sums), rtol=1e-4 if dtype == np.float32 else 1e-12)


# -- derivatives --------------------------------------------------------------------------------


@pytest.mark.parametrize("axes", AXES)
def test_derivatives(axes):
    rng = generator("derivatives", axes)
    x = rng.permutation(2 * 5**axes).reshape(1, 2, *(5,) * axes) / 7.0
    samples = rng.random((1, 2, axes))
    average = {
        "avg_pool": lambda x: of_axes("avg_pool", axes)(x, 3, 2, 1, True),
        "avg_pool with dilation": lambda x: of_axes("avg_pool", axes)(x, 2, 1, dilation=2),
        "adaptive_avg_pool": lambda x: of_axes("adaptive_avg_pool", axes)(x, 3),
        "global_avg_pool": lambda x: F.global_avg_pool(x, keepdims=False),
    }
    maximum = {
        "max_pool": lambda x: of_axes("max_pool", axes)(x, 2, 2),
        "max_pool with indices": lambda x: of_axes("max_pool", axes)(x, 2, 1, return_indices=True)[0],
        "adaptive_max_pool": lambda x: of_axes("adaptive_max_pool", axes)(x, 3),
        "adaptive with indices": lambda x: of_axes("adaptive_max_pool", axes)(x, 2, True)[0],
        "global_max_pool": F.global_max_pool,
        "max_unpool": lambda x: of_axes("max_unpool", axes)(
            x, np.arange(x.size).reshape(x.shape) % 5**axes, 2
        ),
    }
    if axes > 1:
        fractional = of_axes("fractional_max_pool", axes)
        maximum["fractional_max_pool"] = lambda x: fractional(x, 2, 3, _random_samples=samples)
    for function in (*average.values(), *maximum.values()):
        check(function, modes=["rev", "fwd"], order=2)(x)
        check(lambda x, f=function: f(x) ** 2, modes=["rev"], order=2)(x)


def test_gradient_functions_are_adjoint(dtype):
    for axes in AXES:
        rng = generator("adjoint", axes)
        x = small_integers(rng, (2, 3, *(6,) * axes)).astype(dtype)
        geometry = 3, 2, 1, True
        y = of_axes("avg_pool", axes)(x, *geometry)
        g = small_integers(rng, y.shape).astype(dtype)
        back = of_axes("avg_pool", axes)
        grad_input = getattr(F, f"avg_pool{axes}d_grad_input")(g, x.shape, *geometry)
        np.testing.assert_allclose(
            (back(x, *geometry) * g).sum(), (x * grad_input).sum(), rtol=1e-4, atol=1e-3
        )
        grad_input = getattr(F, f"max_pool{axes}d_grad_input")(g, x, 3, 2, 1, 1, True)
        values, indices = of_axes("max_pool", axes)(x, 3, 2, 1, 1, True, True)
        assert_same_bits(grad_input, _core.indexed_add(axes, g, indices, x.shape[2:]))
        assert_same_bits(values, _core.indexed_pick(axes, x, indices, 0.0))


def test_indices_of_traced_inputs():
    x = generator("traced").standard_normal((2, 3, 6, 6))

    def loss(x):
        y, indices = F.max_pool2d(x, 2, return_indices=True)
        return (F.max_unpool2d(y, indices, 2) ** 2).sum()

    y, indices = F.max_pool2d(x, 2, return_indices=True)
    np.testing.assert_allclose(grad(loss)(x), 2 * F.max_unpool2d(y, indices, 2))


# -- the same bits however it runs --------------------------------------------------------------


def _calls(dtype):
    rng = generator("plane pool layouts")
    x = rng.standard_normal((3, 5, 20, 37)).astype(dtype)
    indices = rng.integers(0, 4000, x.shape)
    samples = rng.random((3, 5, 2)).astype(dtype)
    return x, {
        "indices": lambda x: _core.max_pool_with_indices(2, x, 3, 2, 1, 1, True)[1].astype(dtype),
        "dilated average": lambda x: _core.avg_pool_forward(2, x, 3, 2, 1, True, False, None, dilation=2),
        "adaptive average": lambda x: _core.adaptive_avg_pool_forward(2, x, (7, 11)),
        "adaptive average gradient": lambda x: _core.adaptive_avg_pool_grad(2, x, (3, 5, 41, 90), (20, 37)),
        "adaptive maximum": lambda x: _core.adaptive_max_pool_forward(2, x, (7, 11)),
        "fractional": lambda x: _core.fractional_max_pool_forward(2, x, 2, (13, 24), samples),
        "unpool": lambda x: _core.max_unpool_forward(2, x, indices, (50, 80)),
        "add": lambda x: _core.indexed_add(2, x, indices, (50, 80)),
        "pick": lambda x: _core.indexed_pick(2, x, indices[..., :5] % 740, 0.0),
        "squares": lambda x: _core.lp_pool_forward(2, x, 2, 3, 2, 1, 1, True, True, False),
        "square gradient": lambda x: _core.lp_pool_grad(
            2, x, x[..., :10, :19] ** 2, x[..., :10, :19], 2, 3, 2, 1, 1, False, True, False
        ),
    }


@pytest.mark.parametrize("name", _calls(np.dtype(np.float64))[1])
def test_same_bits_for_any_layout_threads_and_isa(name, dtype, layouts):
    x, calls = _calls(dtype)
    call = calls[name]
    expected = call(x)
    for layout, variant in layouts(x):
        assert_same_bits(call(variant), expected, layout)
    for threads in (1, 2, 3, 7):
        _core.set_num_threads(threads)
        assert_same_bits(call(x), expected, f"{threads} threads")
    for isa in _core.available_isas():
        _core.set_isa(isa)
        assert_same_bits(call(x), expected, isa)


OUT = {
    "max_pool1d": (lambda x, **o: F.max_pool1d(x[0], 2, **o)),
    "max_pool3d": (lambda x, **o: F.max_pool3d(x[None], 2, **o)),
    "avg_pool1d": (lambda x, **o: F.avg_pool1d(x[0], 2, **o)),
    "avg_pool3d": (lambda x, **o: F.avg_pool3d(x[None], 2, **o)),
    "lp_pool2d": (lambda x, **o: F.lp_pool2d(x, 2, 2, **o)),
    "adaptive_avg_pool2d": (lambda x, **o: F.adaptive_avg_pool2d(x, 2, **o)),
    "adaptive_max_pool2d": (lambda x, **o: F.adaptive_max_pool2d(x, 2, **o)),
    "fractional_max_pool2d": (lambda x, **o: F.fractional_max_pool2d(x, 2, 2, rng=0, **o)),
    "max_unpool2d": (lambda x, **o: F.max_unpool2d(x, np.arange(x.size).reshape(x.shape) % 36, 2, **o)),
}


@pytest.mark.parametrize("name", OUT)
def test_out(name, dtype):
    x = generator("out").standard_normal((2, 3, 6, 6)).astype(dtype)
    function = OUT[name]
    expected = function(x)
    out = np.full_like(expected, np.nan)
    assert function(x, out=out) is out
    assert_same_bits(out, expected)
    with pytest.raises(ValueError, match=r"^out: "):
        function(x, out=np.empty((*expected.shape, 1), dtype))
    with pytest.raises(TypeError, match=r"^out: .*autograd"):
        grad(lambda x: function(x, out=out).sum())(x)


def test_out_beside_indices():
    x = generator("out").standard_normal((2, 3, 6, 6))
    for call in (
        lambda **o: F.max_pool2d(x, 2, return_indices=True, **o),
        lambda **o: F.adaptive_max_pool2d(x, 2, True, **o),
        lambda **o: F.fractional_max_pool2d(x, 2, 2, return_indices=True, rng=0, **o),
    ):
        values, indices = call()
        out = np.empty_like(values)
        result = call(out=out)
        assert result[0] is out
        assert_same_bits(out, values)
        np.testing.assert_array_equal(result[1], indices)


# -- ceil mode by name, bounds of the padding ---------------------------------------------------


def test_ceil_mode_by_name():
    x = np.arange(5.0)[None]
    for mode in ("torch", "onnx"):
        assert_same_bits(F.max_pool1d(x, 2, ceil_mode=mode), F.max_pool1d(x, 2, ceil_mode=True))
        assert shapes.pool_output_size(5, 2, ceil_mode=mode) == 3
        assert nn.AvgPool1d(2, ceil_mode=mode)(x).shape == (1, 3)
    for call in (
        lambda: F.max_pool1d(x, 2, ceil_mode="caffe"),
        lambda: shapes.pool_output_size(5, 2, ceil_mode="caffe"),
        lambda: nn.MaxPool1d(2, ceil_mode="caffe"),
    ):
        with pytest.raises(
            ValueError, match=r"^ceil_mode: expected a bool, 'torch' or 'onnx', received 'caffe'"
        ):
            call()


def test_bounds_of_the_padding():
    """Half the kernel where it is stated once, the window's extent where it is stated per side."""
    x = np.ones((1, 1, 9))
    for kernel, dilation, padding, good in (
        (3, 1, 1, True),
        (3, 1, 2, False),
        (3, 1, [(2, 2)], True),
        (3, 1, [(3, 0)], False),
        (2, 3, 1, True),
        (2, 3, 2, False),
        (2, 3, [(2, 3)], True),
        (2, 3, [(0, 4)], False),
    ):
        for call in (
            lambda k, d, p: F.max_pool1d(x, k, 1, p, d).shape,
            lambda k, d, p: F.avg_pool1d(x, k, 1, p, dilation=d).shape,
            lambda k, d, p: shapes.pool_output_shape(x.shape, k, 1, p, d, axes=1),
        ):
            if good:
                extra = 2 * padding if isinstance(padding, int) else sum(padding[0])
                assert call(kernel, dilation, padding) == (1, 1, 9 + extra - dilation * (kernel - 1))
            else:
                with pytest.raises(ValueError, match=r"^padding: expected at most"):
                    call(kernel, dilation, padding)


# -- errors -------------------------------------------------------------------------------------

X = np.ones((1, 2, 5, 5))
INDICES = np.zeros((1, 2, 5, 5), np.int64)

ERRORS = {
    "adaptive list": (lambda: F.adaptive_avg_pool2d([[1.0]], 1), TypeError, "input"),
    "adaptive integers": (lambda: F.adaptive_avg_pool2d(X.astype(int), 1), TypeError, "input"),
    "adaptive rank": (lambda: F.adaptive_avg_pool2d(X[0, 0], 1), ValueError, "input"),
    "adaptive negative": (lambda: F.adaptive_avg_pool2d(X, -1), ValueError, "output_size"),
    "adaptive length": (lambda: F.adaptive_avg_pool2d(X, (1, 2, 3)), ValueError, "output_size"),
    "adaptive float": (lambda: F.adaptive_max_pool2d(X, 1.5), TypeError, "output_size"),
    "adaptive huge": (lambda: F.adaptive_max_pool2d(X, 2**62), OverflowError, "output_size"),
    "adaptive beyond": (lambda: F.adaptive_max_pool2d(X, 2**64), OverflowError, "output_size"),
    "adaptive empty": (lambda: F.adaptive_avg_pool2d(X[:, :, :0], 1), ValueError, "input"),
    "adaptive channels": (lambda: F.adaptive_max_pool2d(X[:, :0], 1), ValueError, "input"),
    "fractional size": (lambda: F.fractional_max_pool2d(X, 2), ValueError, "output_size"),
    "fractional large": (lambda: F.fractional_max_pool2d(X, 2, 5), ValueError, "output_size"),
    "fractional kernel": (lambda: F.fractional_max_pool2d(X, 6, 1), ValueError, "output_size"),
    "fractional zero": (lambda: F.fractional_max_pool2d(X, 0, 1), ValueError, "kernel_size"),
    "fractional ratio": (lambda: F.fractional_max_pool2d(X, 2, None, 1.5), ValueError, "output_ratio"),
    "fractional ratio type": (lambda: F.fractional_max_pool2d(X, 2, None, "a"), TypeError, "output_ratio"),
    "fractional volume": (lambda: F.fractional_max_pool3d(X, 2, (1, 4, 4)), ValueError, "output_size"),
    "fractional samples": (
        lambda: F.fractional_max_pool2d(X, 2, 2, _random_samples=np.ones((1, 1, 2))),
        ValueError,
        "_random_samples",
    ),
    "fractional dtype": (
        lambda: F.fractional_max_pool2d(X, 2, 2, _random_samples=np.ones((1, 2, 2), np.float32)),
        TypeError,
        "_random_samples",
    ),
    "fractional list": (lambda: F.fractional_max_pool2d([1.0], 2, 2), TypeError, "input"),
    "unpool list": (lambda: F.max_unpool2d([1.0], INDICES, 2), TypeError, "input"),
    "unpool floats": (lambda: F.max_unpool2d(X, X, 2), TypeError, "indices"),
    "unpool indices list": (lambda: F.max_unpool2d(X, INDICES.tolist(), 2), TypeError, "indices"),
    "unpool shape": (lambda: F.max_unpool2d(X, INDICES[:, :, :4], 2), ValueError, "indices"),
    "unpool range": (lambda: F.max_unpool2d(X, INDICES + 100, 2), IndexError, "indices"),
    "unpool kernel": (lambda: F.max_unpool2d(X, INDICES, 0), ValueError, "kernel_size"),
    "unpool stride": (lambda: F.max_unpool2d(X, INDICES, 2, 0), ValueError, "stride"),
    "unpool padding": (lambda: F.max_unpool2d(X, INDICES, 2, 2, -1), ValueError, "padding"),
    "unpool wide padding": (lambda: F.max_unpool2d(X, INDICES, 2, 2, 9), ValueError, "padding"),
    "unpool size": (lambda: F.max_unpool2d(X, INDICES, 2, output_size=(8, 10)), ValueError, "output_size"),
    "unpool size type": (lambda: F.max_unpool2d(X, INDICES, 2, output_size=10), TypeError, "output_size"),
    "unpool size length": (
        lambda: F.max_unpool2d(X, INDICES, 2, output_size=(10,)),
        ValueError,
        "output_size",
    ),
    "unpool huge": (lambda: F.max_unpool2d(X, INDICES, 2, 2**62), OverflowError, "output"),
    "lp definition": (lambda: F.lp_pool2d(X, 2, 2, definition="caffe"), ValueError, "definition"),
    "lp norm": (lambda: F.lp_pool2d(X, "2", 2), TypeError, "norm_type"),
    "lp kernel": (lambda: F.lp_pool2d(X, 2, 0), ValueError, "kernel_size"),
    "lp padding": (lambda: F.lp_pool2d(X, 2, 2, padding=2), ValueError, "padding"),
    "max list": (lambda: F.max_pool1d([1.0], 2), TypeError, "input"),
    "max rank": (lambda: F.max_pool3d(X[0], 2), ValueError, "input"),
    "average dilation": (lambda: F.avg_pool2d(X, 2, dilation=0), ValueError, "dilation"),
    "average divisor": (lambda: F.avg_pool3d(X[None], 1, divisor_override=0), ValueError, "divisor_override"),
    "fractional layer": (lambda: nn.FractionalMaxPool2d(2), ValueError, "output_size"),
    "fractional layer both": (lambda: nn.FractionalMaxPool2d(2, 2, 0.5), ValueError, "output_ratio"),
    "fractional layer ratio": (lambda: nn.FractionalMaxPool2d(2, None, 1.0), ValueError, "output_ratio"),
    "adaptive layer": (lambda: nn.AdaptiveAvgPool2d(-1), ValueError, "output_size"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name):
    function, kind, argument = ERRORS[name]
    with pytest.raises(kind, match=rf"^{argument}(_shape)?: expected .*received "):
        function()


# -- shapes, summary, explain -------------------------------------------------------------------

LAYERS = {
    "MaxPool1d": (nn.MaxPool1d(3, 2, 1), (2, 4, 9)),
    "MaxPool3d": (nn.MaxPool3d(2), (2, 4, 6, 6, 6)),
    "AvgPool1d": (nn.AvgPool1d(3, 2, ceil_mode=True), (2, 4, 8)),
    "AvgPool2d": (nn.AvgPool2d(2, 1, dilation=2), (2, 4, 8, 8)),
    "AvgPool3d": (nn.AvgPool3d(2), (2, 4, 6, 6, 6)),
    "LPPool1d": (nn.LPPool1d(2, 3), (2, 4, 9)),
    "LPPool2d": (nn.LPPool2d(2, 3, 2), (2, 4, 9, 9)),
    "LPPool3d": (nn.LPPool3d(2, 2), (2, 4, 6, 6, 6)),
    "AdaptiveAvgPool1d": (nn.AdaptiveAvgPool1d(4), (2, 4, 9)),
    "AdaptiveAvgPool2d": (nn.AdaptiveAvgPool2d((3, None)), (2, 4, 9, 9)),
    "AdaptiveAvgPool3d": (nn.AdaptiveAvgPool3d(1), (2, 4, 6, 6, 6)),
    "AdaptiveMaxPool1d": (nn.AdaptiveMaxPool1d(4), (2, 4, 9)),
    "AdaptiveMaxPool2d": (nn.AdaptiveMaxPool2d((3, None)), (2, 4, 9, 9)),
    "AdaptiveMaxPool3d": (nn.AdaptiveMaxPool3d(1), (2, 4, 6, 6, 6)),
    "FractionalMaxPool2d": (nn.FractionalMaxPool2d(2, output_ratio=0.7), (2, 4, 9, 9)),
    "FractionalMaxPool3d": (nn.FractionalMaxPool3d(2, 3), (2, 4, 6, 6, 6)),
    "GlobalAvgPool": (nn.GlobalAvgPool(), (2, 4, 9, 9)),
    "GlobalMaxPool": (nn.GlobalMaxPool(keepdims=False), (2, 4, 9, 9)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_summary_knows_the_layer(name):
    layer, shape = LAYERS[name]
    x = np.ones(shape, np.float32)
    y = layer(x)
    table = cn.summary(layer, shape)
    assert table.output_shape == y.shape
    assert table.layers[0].memory >= y.nbytes
    assert repr(layer).startswith(name)


def test_summary_follows_indices():
    class Network(nn.Module):
        def __init__(self, pool):
            super().__init__()
            self.pool, self.unpool = pool, nn.MaxUnpool2d(2)

        def forward(self, x):
            return self.unpool(*self.pool(x), output_size=(8, 8))

    for pool in (
        nn.MaxPool2d(2, return_indices=True),
        nn.AdaptiveMaxPool2d(4, return_indices=True),
        nn.FractionalMaxPool2d(2, 4, return_indices=True),
    ):
        model = Network(pool)
        table = cn.summary(model, (2, 3, 8, 8))
        assert table.output_shape == model(np.ones((2, 3, 8, 8), np.float32)).shape == (2, 3, 8, 8)
        assert table.layers[0].memory == 2 * 3 * 16 * (4 + 8)


def test_receptive_fields():
    model = nn.Sequential(nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(2))
    field = cn.summary(model, (1, 3, 16, 16)).layers[-1].receptive_field
    assert field == cn.summary(nn.AvgPool2d(8), (1, 3, 16, 16)).layers[-1].receptive_field


EXPLAINED = {
    "squares": (lambda: cn.explain(F.adaptive_avg_pool2d, (2, 3, 48, 48), 24), "f32_sum_squares"),
    "direct": (lambda: cn.explain(F.max_pool2d, (2, 3, 80, 80), 3, 2), "f32_max_pool_row_stride2"),
    "separable": (lambda: cn.explain(F.avg_pool2d, (2, 3, 80, 80), 5, 1), "f32_sum_pool_row_stride1"),
    "argmax": (lambda: cn.explain(F.max_pool1d, (1, 32), 3, return_indices=True), "f32_taps_pool_row"),
    "spread": (
        lambda: cn.explain(F.avg_pool3d_grad_input, (1, 1, 4, 4, 4), (1, 1, 8, 8, 8), 2),
        "f32_sum_pool_row",
    ),
    "reference": (
        lambda: cn.explain(F.lp_pool2d, (1, 8, 8), 2, 2, dilation=2),
        "plain loops",
    ),
    "windows": (lambda: cn.explain(F.adaptive_avg_pool2d, np.ones((3, 200, 200)), 3), "f64_sum_rows"),
    "planes in lanes": (lambda: cn.explain(F.max_pool2d, (2, 16, 14, 14), 3, 2), "f32_max_plane_lanes"),
    "scatter": (lambda: cn.explain(F.max_unpool2d, (1, 3, 4, 4), (1, 3, 4, 4), 2), "plain loops"),
}


@pytest.mark.parametrize("algorithm", EXPLAINED)
def test_explain(algorithm):
    call, kernel = EXPLAINED[algorithm]
    explanation = call()
    assert explanation["algorithm"] == algorithm
    assert explanation["kernel"].startswith(kernel)
    assert explanation["reason"]
    assert explanation["threads"] >= 1
    assert explanation["workspace_bytes"] >= 0
    assert explanation["bytes_touched"] > 0


@pytest.mark.parametrize(
    ("call", "kernel", "elements"),
    [
        (
            lambda: cn.explain(F.max_pool2d, (32, 14, 14), 3, return_indices=True),
            "f32_argmax_",
            196 + 16 + 32,
        ),
        (
            lambda: cn.explain(F.max_pool2d_grad_input, (32, 4, 4), (32, 14, 14), 3),
            "f32_argmax_",
            2 * 196 + 16,
        ),
        (lambda: cn.explain(F.avg_pool2d, (32, 14, 14), 3), "f32_sum_", 212),
        (lambda: cn.explain(F.avg_pool2d_grad_input, (32, 4, 4), (32, 14, 14), 3), "f32_sum_", 212),
        (lambda: cn.explain(F.adaptive_avg_pool2d, (32, 14, 14), 4), "f32_mean_", 212),
        (lambda: cn.explain(F.adaptive_max_pool2d, (32, 14, 14), 4), "f32_max_", 212),
        (lambda: cn.explain(F.adaptive_max_pool2d, (32, 14, 14), 4, return_indices=True), "f32_argmax_", 244),
    ],
)
def test_explain_of_planes_in_lanes(call, kernel, elements, isa):
    explanation = call()
    assert explanation["algorithm"] == "planes in lanes"
    assert explanation["kernel"] == f"{kernel}plane_lanes_{isa}"
    assert explanation["bytes_touched"] == 4 * 32 * elements
    # A strip of rows, what is made of it and the room of a square of registers: in cache.
    assert 0 < explanation["workspace_bytes"] <= explanation["threads"] * 2**20


def test_explain_gives_shapes_and_bytes():
    explanation = cn.explain(F.max_pool2d, (2, 3, 32, 32), 2)
    assert explanation["output_shape"] == (2, 3, 16, 16)
    assert explanation["bytes_touched"] == 4 * 2 * 3 * (32 * 32 + 16 * 16)
    assert cn.explain(F.fractional_max_pool2d, (3, 9, 9), 2, 5)["output_shape"] == (3, 5, 5)
    assert cn.explain(F.max_pool2d_grad_input, (3, 4, 4), (3, 8, 8), 2)["operation"] == "max_pool_grad"
    dilated = cn.explain(F.avg_pool1d_grad_input, (1, 1, 6), (1, 1, 8), 2, 1, dilation=2)
    assert dilated["kernel"].startswith("f32_pool_add_shares")
    assert cn.explain(F.global_avg_pool, (1, 3, 8, 8))["output_shape"] == (1, 3, 1, 1)
    assert cn.explain(F.lp_pool2d, (3, 8, 8), 2, 2, dtype=np.float64)["kernel"].startswith("f64_sum")
    with pytest.raises(TypeError, match=r"^dtype: "):
        cn.explain(F.max_pool2d_grad_input, np.ones((1, 2, 2), np.float32), np.ones((1, 4, 4)), 2)
