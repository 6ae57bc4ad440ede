"""Convolution as mathematics has it: against SciPy, against the layers, and its laws."""

import builtins

import numpy as np
import pytest

from arrays import generator
from convnative import functional as F
from convnative import nn, signal

SHAPES = [
    ((7,), (3,)),
    ((3,), (8,)),
    ((5,), (5,)),
    ((1,), (4,)),
    ((6, 7), (3, 2)),
    ((3, 2), (6, 7)),
    ((4, 9), (6, 3)),
    ((4, 5, 6), (2, 3, 3)),
    ((2, 2, 2), (3, 4, 2)),
]
METHODS = ["direct", "fft", "auto"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_against_scipy(shapes, mode, method, dtype):
    scipy = pytest.importorskip("scipy.signal", reason="SciPy is not installed")
    rng = generator((shapes, mode))
    a, b = (rng.standard_normal(shape).astype(dtype) for shape in shapes)
    for ours, theirs in ((signal.convolve, scipy.convolve), (signal.correlate, scipy.correlate)):
        fits = any(all(x >= y for x, y in zip(*pair)) for pair in (shapes, shapes[::-1]))  # noqa: B905
        if mode == "valid" and not fits:
            with pytest.raises(ValueError, match="mode: expected one array at least as large"):
                ours(a, b, mode, method)
            continue
        expected = theirs(a.astype(np.float64), b.astype(np.float64), mode, "direct")
        result = ours(a, b, mode, method)
        assert result.dtype == dtype
        assert result.shape == expected.shape
        bound = (1e-5 if dtype == np.float32 else 1e-13) * max(np.abs(expected).max(), 1)
        assert np.allclose(result, expected, rtol=0, atol=bound)


def test_long_arrays_go_through_the_transform():
    rng = np.random.default_rng(0)
    a, b = rng.integers(-5, 6, 30000).astype(float), rng.integers(-5, 6, 20000).astype(float)
    result = signal.convolve(a, b)
    assert np.array_equal(result, signal.convolve(a, b, method="fft"))
    assert np.allclose(result[:50], np.convolve(a[:50], b[:50])[:50], rtol=0, atol=1e-8)
    small = signal.convolve(a[:3000], b[:10])
    assert np.array_equal(small, np.convolve(a[:3000], b[:10]))  # sums of integers: exact


def test_lengths_of_transforms():
    from convnative.signal._convolve import _fast_length

    smooth = sorted(2**i * 3**j * 5**k for i in range(12) for j in range(8) for k in range(6))
    for size in range(1, 2049):
        assert _fast_length(size) == next(number for number in smooth if number >= size)


@pytest.mark.parametrize("method", METHODS)
def test_laws(method):
    """f * g = g * f and (f * g) * h = f * (g * h), with integers to the bit where sums are direct."""
    rng = np.random.default_rng(1)
    for shapes in (((9,), (4,), (3,)), ((6, 5), (2, 4), (3, 3)), ((3, 4, 2), (2, 2, 2), (1, 3, 2))):
        f, g, h = (rng.integers(-9, 10, shape).astype(np.float64) for shape in shapes)
        one, other = signal.convolve(f, g, method=method), signal.convolve(g, f, method=method)
        left = signal.convolve(one, h, method=method)
        right = signal.convolve(f, signal.convolve(g, h, method=method), method=method)
        if method == "fft":
            assert np.allclose(one, other, rtol=0, atol=1e-10)
            assert np.allclose(left, right, rtol=0, atol=1e-9)
        else:
            assert np.array_equal(one, other)
            assert np.array_equal(left, right)


def test_two_linear_layers_are_one_with_the_convolved_kernel():
    rng = np.random.default_rng(2)
    x = rng.integers(-9, 10, (1, 1, 12, 11)).astype(np.float64)
    first, second = (rng.integers(-9, 10, (1, 1, *size)).astype(np.float64) for size in ((3, 3), (5, 2)))
    stacked = F.conv2d(F.conv2d(x, first), second)
    kernel = signal.convolve(first[0, 0], second[0, 0])
    assert kernel.shape == (7, 4)
    assert np.array_equal(F.conv2d(x, kernel[None, None]), stacked)


def test_autocorrelation():
    a = np.array([1.0, 2, 3])
    assert signal.autocorrelate(a).tolist() == [3, 8, 14, 8, 3]
    noise = np.random.default_rng(3).standard_normal((20, 20))
    result = signal.autocorrelate(noise)
    assert np.unravel_index(result.argmax(), result.shape) == (19, 19)
    assert np.allclose(result, result[::-1, ::-1], rtol=0, atol=1e-10)


def test_sampled_convolution_approaches_the_integral():
    """Two boxes of width 1 give the triangle max(1 - |t|, 0); exponentials t e^-t."""
    errors = []
    for dx in (0.1, 0.01):
        t = np.arange(0, 10, dx)
        decay = np.exp(-t)
        result = signal.convolve_sampled(decay, decay, dx)[: t.size]
        errors.append(np.abs(result - t * decay).max())
    assert errors[0] < 0.11
    assert errors[1] < 0.11 * errors[0]  # of the order of the step
    dx = 1 / 64
    box = np.ones(64)
    t = np.arange(127) * dx + dx  # sums of the middles of cells, which begin at dx / 2
    triangle = signal.convolve_sampled(box, box, dx)
    assert np.array_equal(triangle, 1 - np.abs(t - 1))
    plane = signal.convolve_sampled(np.ones((4, 8)), np.ones((4, 8)), (0.25, 0.125))
    assert plane.max() == 1
    for wrong in (0, -1.0, float("inf"), (1.0, 2.0)):
        with pytest.raises(ValueError, match="dx: expected"):
            signal.convolve_sampled(box, box, wrong)


@pytest.mark.parametrize(
    ("a", "b", "options", "error", "text"),
    [
        (np.ones(3, int), np.ones(3), {}, TypeError, "a: expected an array of float32 or float64"),
        (np.ones(3), [1.0], {}, TypeError, "b: expected a numpy.ndarray"),
        (np.ones(3), np.ones(3, np.float32), {}, TypeError, "b: expected an array of float64 as a"),
        (np.ones(3), np.ones((3, 3)), {}, ValueError, "b: expected 1 axes as a"),
        (np.ones((1, 1, 1, 1)), np.ones((1, 1, 1, 1)), {}, ValueError, "a: expected 1 to 3 axes"),
        (np.ones(0), np.ones(1), {}, ValueError, "a: expected 1 to 3 axes and no empty one"),
        (np.ones(3), np.ones(3), {"mode": "half"}, ValueError, "mode: expected one of 'full'"),
        (np.ones(3), np.ones(3), {"method": "slow"}, ValueError, "method: expected one of 'auto'"),
    ],
)
def test_errors(a, b, options, error, text):
    with pytest.raises(error, match=text):
        signal.convolve(a, b, **options)


# -- the matrix -------------------------------------------------------------------------------------------

LAYERS = [
    # weight, input, options
    ((3,), (7,), {}),
    ((2, 3), (5, 6), {"stride": 2, "padding": 1}),
    ((2, 2, 3), (4, 3, 5), {"padding": ((1, 0), (0, 2), (1, 1)), "dilation": (1, 2, 1)}),
    ((4, 2, 3), (2, 8), {"padding": "same", "stride": 3}),
    ((4, 3, 3, 2), (3, 6, 5), {"stride": (2, 1), "padding": (2, 1), "dilation": (2, 1)}),
    ((6, 2, 3, 3), (4, 5, 5), {"groups": 2, "padding": 1}),
    ((3, 1, 2, 2, 2), (3, 3, 3, 4), {"groups": 3, "stride": 2, "padding": 1}),
    ((2, 3, 4), (3, 6), {"padding": "causal"}),
]


@pytest.mark.parametrize(("weight_shape", "input_shape", "options"), LAYERS, ids=str)
def test_matrix_is_the_layer(weight_shape, input_shape, options):
    rng = generator((weight_shape, input_shape))
    weight = rng.integers(1, 9, weight_shape).astype(np.float64)
    x = rng.integers(-9, 10, input_shape).astype(np.float64)
    matrix = signal.convolution_matrix(weight, input_shape, **options)
    whole = weight if weight.ndim == x.ndim + 1 else weight[None, None]
    image = x if weight.ndim == x.ndim + 1 else x[None]
    axes = whole.ndim - 2
    expected = getattr(F, f"conv{axes}d")(image[None], whole, **options)
    assert np.array_equal(matrix @ x.ravel(), expected.ravel())
    # Its transpose is the gradient in the input.
    grad_output = rng.integers(-9, 10, expected.shape).astype(np.float64)
    grad = getattr(F, f"conv{axes}d_grad_input")(grad_output, whole, image[None].shape, **options)
    assert np.array_equal(matrix.T @ grad_output.ravel(), grad.ravel())
    sparse = pytest.importorskip("scipy.sparse", reason="SciPy is not installed")
    compact = signal.convolution_matrix(weight, input_shape, **options, sparse=True)
    assert isinstance(compact, sparse.csr_array)
    assert np.array_equal(compact.toarray(), matrix)
    # Every connection is held once, and nothing else.
    ones = getattr(F, f"conv{axes}d")(np.ones((1, *image.shape)), np.ones_like(whole), **options)
    assert np.array_equal(np.diff(compact.indptr), ones.ravel())


@pytest.mark.parametrize("stride", [1, 2])
def test_transposed_matrix_is_the_transposed_convolution(stride):
    rng = np.random.default_rng(5)
    weight = rng.integers(-9, 10, (3, 2, 3, 3)).astype(np.float64)
    y = rng.integers(-9, 10, (3, 4, 5)).astype(np.float64)
    size = [(n - 1) * stride + 3 - 2 for n in y.shape[1:]]
    matrix = signal.convolution_matrix(weight, (2, *size), stride=stride, padding=1)
    expected = F.conv_transpose2d(y[None], weight, stride=stride, padding=1)
    assert expected.shape[1:] == (2, *size)
    assert np.array_equal(matrix.T @ y.ravel(), expected.ravel())


def test_connections_of_a_small_image():
    """Output h11 of a 4 by 4 image under a 2 by 2 kernel uses inputs 1, 2, 5 and 6."""
    matrix = signal.convolution_matrix(np.array([[1.0, 2], [3, 4]]), (4, 4))
    assert (np.flatnonzero(matrix[0]) + 1).tolist() == [1, 2, 5, 6]
    assert matrix[0, [0, 1, 4, 5]].tolist() == [1, 2, 3, 4]
    assert (matrix != 0).sum(axis=1).tolist() == [4] * 9
    line = signal.convolution_matrix(np.array([1.0, 2, 3]), (8,), padding=1)
    for offset in range(-7, 8):
        assert len(set(np.diagonal(line, offset))) == 1  # Toeplitz


def test_matrix_errors(monkeypatch):
    with pytest.raises(TypeError, match="kernel: expected an array of float32 or float64"):
        signal.convolution_matrix(np.ones((2, 2), int), (4, 4))
    with pytest.raises(ValueError, match="kernel: expected one to three axes and as many"):
        signal.convolution_matrix(np.ones((2, 2)), (4,))
    with pytest.raises(ValueError, match="kernel_size: expected a window of at most 4"):
        signal.convolution_matrix(np.ones((5, 2)), (4, 4))
    real_import = builtins.__import__

    def without_scipy(name, *arguments, **options):
        if name.startswith("scipy"):
            raise ImportError(name)
        return real_import(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without_scipy)
    with pytest.raises(ModuleNotFoundError, match="sparse: a sparse matrix needs SciPy: pip install scipy"):
        signal.convolution_matrix(np.ones((2, 2)), (4, 4), sparse=True)


# -- equivariance -----------------------------------------------------------------------------------------


def noise(*shape):
    return np.random.default_rng(11).standard_normal(shape)


def test_circular_convolution_commutes_everywhere():
    layer = nn.Conv2d(2, 3, 5, padding=2, padding_mode="circular", dtype="float64")
    (stage,) = signal.translation_equivariance(layer, noise(2, 2, 12, 13), axis=2).stages
    assert (stage.period, stage.output_shift, stage.borders, stage.outputs) == (1, 1, (0, 0), 12)
    assert stage.error < 1e-12


def test_where_equivariance_ends():
    network = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, dtype="float64"),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 4, 3, padding=1, dtype="float64"),
        nn.Conv2d(4, 4, 3, stride=2, padding=1, dtype="float64"),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 2, dtype="float64"),
    )
    report = signal.translation_equivariance(network, noise(1, 1, 64, 64))
    periods = [(stage.period, stage.output_shift) for stage in report.stages]
    assert periods[:5] == [(1, 1), (1, 1), (2, 1), (2, 1), (4, 1)]
    assert [stage.outputs for stage in report.stages] == [64, 64, 32, 32, 16, 1, None, None]
    # One output at each end sees the padding of the first layer, and one more what comes round.
    assert report.stages[0].borders == (2, 1)
    assert report.borders_begin_at == "0 (Conv2d)"
    assert report.every_shift_ends_at == "2 (MaxPool2d)"
    assert report.ends_at == "5 (AdaptiveAvgPool2d)"
    assert "4 (Conv2d): a shift by 4 shifts the output by 1" in str(report)


def test_equivariance_of_functions():
    def squared(x):
        return x**2

    def position(x):
        return x * np.arange(x.shape[-1])

    def mean(x):
        return np.broadcast_to(x.mean(axis=-1, keepdims=True), x.shape)

    x = noise(1, 1, 20)
    assert str(signal.translation_equivariance(squared, x)) == "squared: a shift by 1 shifts the output by 1"
    assert str(signal.translation_equivariance(position, x)) == "position: not equivariant"
    assert str(signal.translation_equivariance(mean, x)) == "mean: invariant under shifts"
    with pytest.raises(ValueError, match="largest_shift: expected less than the 20 elements"):
        signal.translation_equivariance(squared, x, largest_shift=20)
    with pytest.raises(ValueError, match="axis: expected an axis of an input of shape"):
        signal.translation_equivariance(squared, x, axis=3)
    with pytest.raises(TypeError, match="input: expected"):
        signal.translation_equivariance(squared, [1, 2])
