"""Agreement with SciPy on what both define: convolution, correlation and the modes of the border."""

import numpy as np
import pytest

from arrays import generator
from convnative import functional as F

signal = pytest.importorskip("scipy.signal", reason="SciPy is not installed: agreement is not checked")
ndimage = pytest.importorskip("scipy.ndimage", reason="SciPy is not installed: agreement is not checked")

SHAPES = [((17,), (5,)), ((9, 12), (3, 4)), ((5, 6, 7), (2, 3, 3))]
# The padding mode that SciPy's names stand for.
MODES = {
    "reflect": "symmetric",
    "mirror": "reflect",
    "nearest": "replicate",
    "wrap": "circular",
    "constant": 2.5,
}


def convolve(x, kernel, **options):
    function = getattr(F, f"conv{x.ndim}d")
    return function(x[None, None], kernel[None, None], **options)[0, 0]


@pytest.fixture(params=SHAPES, ids=lambda shapes: f"{len(shapes[0])}-d")
def image_and_kernel(request, dtype):
    rng = generator(request.param)
    return [rng.standard_normal(shape).astype(dtype) for shape in request.param]


def assert_close(actual, expected):
    assert actual.shape == expected.shape
    tolerance = 1e-5 if actual.dtype == np.float32 else 1e-12
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("flip_kernel", [False, True], ids=["correlate", "convolve"])
def test_signal(image_and_kernel, flip_kernel):
    x, kernel = image_and_kernel
    theirs = signal.convolve if flip_kernel else signal.correlate
    whole = [(size - 1, size - 1) for size in kernel.shape]
    # SciPy's "same" is the middle of the whole, which starts after (size - 1) // 2 elements.
    middle = [(size // 2, (size - 1) // 2) for size in kernel.shape]
    for mode, padding in (("full", whole), ("same", middle), ("valid", 0)):
        ours = convolve(x, kernel, padding=padding, flip_kernel=flip_kernel)
        assert_close(ours, theirs(x, kernel, mode, method="direct"))


@pytest.mark.parametrize("flip_kernel", [False, True], ids=["correlate", "convolve"])
@pytest.mark.parametrize("mode", MODES)
def test_ndimage(image_and_kernel, mode, flip_kernel):
    x, kernel = image_and_kernel
    theirs = ndimage.convolve if flip_kernel else ndimage.correlate
    # The kernel's element size // 2 lies on the output's place; a flipped kernel's is the one before.
    padding = [
        ((size - 1) // 2, size // 2) if flip_kernel else (size // 2, (size - 1) // 2) for size in kernel.shape
    ]
    ours = convolve(x, kernel, padding=padding, padding_mode=MODES[mode], flip_kernel=flip_kernel)
    assert_close(ours, theirs(x, kernel, mode=mode, cval=2.5))


@pytest.mark.parametrize("boundary", ["fill", "wrap", "symm"])
def test_convolve2d(boundary, dtype):
    rng = generator(boundary)
    x, kernel = (rng.standard_normal(shape).astype(dtype) for shape in ((7, 9), (4, 3)))
    mode = {"fill": 1.5, "wrap": "circular", "symm": "symmetric"}[boundary]
    ours = convolve(x, kernel, padding=[(3, 3), (2, 2)], padding_mode=mode, flip_kernel=True)
    assert_close(ours, signal.convolve2d(x, kernel, "full", boundary, 1.5))


def test_upfirdn_is_a_transposed_convolution(dtype):
    rng = generator("upfirdn")
    x, kernel = rng.standard_normal(11).astype(dtype), rng.standard_normal(6).astype(dtype)
    for up in (1, 2, 3, 7):
        expected = signal.upfirdn(kernel, x, up)
        ours = F.conv_transpose1d(x[None, None], kernel[None, None], stride=up)[0, 0]
        assert_close(ours[: len(expected)], expected.astype(dtype))
