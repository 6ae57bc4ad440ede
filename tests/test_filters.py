"""Filters against plain loops, and the values of the classical kernels."""

import doctest

import numpy as np
import pytest

from convnative import filters

rng = np.random.default_rng(7)
GREY = rng.integers(0, 256, (13, 17), dtype=np.uint8)
COLOUR = rng.integers(0, 256, (11, 9, 3), dtype=np.uint8)

NUMPY_BORDERS = {"replicate": "edge", "reflect": "reflect", "circular": "wrap", "zeros": "constant"}


def reference(plane, kernel, border):
    """Every output pixel as a sum over its window, in float64."""
    rows, columns = kernel.shape
    padding = ((rows // 2, rows // 2), (columns // 2, columns // 2))
    padded = np.pad(plane.astype(np.float64), padding, mode=NUMPY_BORDERS[border])
    result = np.empty(plane.shape)
    for y, x in np.ndindex(*plane.shape):
        result[y, x] = (padded[y : y + rows, x : x + columns] * kernel).sum()
    return result


def test_documented_examples():
    result = doctest.testmod(filters)
    assert result.attempted > 0
    assert result.failed == 0


def test_kernels_by_name():
    expected = {
        "sharpen": [[0, -1, 0], [-1, 5, -1], [0, -1, 0]],
        "laplacian": [[0, 1, 0], [1, -4, 1], [0, 1, 0]],
        "edge": [[1, 1, 1], [1, -8, 1], [1, 1, 1]],
        "sobel-horizontal": [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]],
        "sobel-vertical": [[1, 2, 1], [0, 0, 0], [-1, -2, -1]],
        "identity": [[0, 0, 0], [0, 1, 0], [0, 0, 0]],
        "shift": [[0, 0, 0], [1, 0, 0], [0, 0, 0]],
    }
    for name, values in expected.items():
        assert filters.kernel(name).tolist() == values
    for name in filters.kernel_names():
        kernel = filters.kernel(name)
        assert kernel.dtype == np.float64
        assert kernel.shape[0] == kernel.shape[1]
        assert kernel.shape[0] % 2 == 1
    with pytest.raises(ValueError, match=r"kernel: expected one of identity, shift, .*received 'blur'"):
        filters.kernel("blur")


@pytest.mark.parametrize(
    "name", ["box", "gaussian", "binomial3", "binomial5", "identity", "shift", "sharpen"]
)
def test_kernels_that_keep_brightness(name):
    assert filters.kernel(name).sum() == pytest.approx(1, abs=1e-14)


@pytest.mark.parametrize("name", ["laplacian", "edge", "sobel-horizontal", "sobel-vertical"])
def test_kernels_that_answer_to_differences(name):
    assert filters.kernel(name).sum() == 0


def test_binomial_and_gaussian():
    assert (filters.binomial(3) * 16).tolist() == [[1, 2, 1], [2, 4, 2], [1, 2, 1]]
    assert (filters.binomial(5) * 256)[2].tolist() == [6, 24, 36, 24, 6]
    gaussian = filters.gaussian(2.0)
    assert gaussian.shape == (13, 13)
    assert np.array_equal(gaussian, gaussian.T)
    assert gaussian[6, 8] / gaussian[6, 6] == pytest.approx(np.exp(-0.5))


@pytest.mark.parametrize("border", NUMPY_BORDERS)
@pytest.mark.parametrize("name", filters.kernel_names())
def test_grey_bytes(name, border):
    kernel = filters.kernel(name)
    expected = reference(GREY, kernel, border)
    result = filters.apply(GREY, kernel, border=border)
    assert result.dtype == np.uint8
    # A value next to a half may round either way; all others are exact.
    off = np.abs(result - np.clip(np.rint(expected), 0, 255))
    assert off.max() <= 1
    assert np.all(np.abs(expected[off > 0] % 1 - 0.5) < 1e-4)


def test_colour_planes_are_filtered_by_themselves():
    kernel = filters.sharpen()
    result = filters.apply(COLOUR, kernel)
    for plane in range(3):
        assert np.array_equal(result[..., plane], filters.apply(COLOUR[..., plane], kernel))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_keep_their_type_and_range(dtype):
    image = (COLOUR.astype(dtype) - 100) / 10
    kernel = filters.laplacian()
    result = filters.apply(image, kernel)
    expected = np.stack([reference(image[..., plane], kernel, "replicate") for plane in range(3)], axis=-1)
    assert result.dtype == dtype
    assert np.allclose(result, expected, rtol=0, atol=1e-4 if dtype == np.float32 else 1e-12)
    assert result.min() < 0
    assert np.array_equal(filters.apply(image, kernel, absolute=True), np.abs(result))


def test_identity_and_shifts():
    assert np.array_equal(filters.apply(COLOUR, filters.identity()), COLOUR)
    moved = filters.apply(GREY, filters.shift(2, -1))
    assert np.array_equal(moved[2:, :-1], GREY[:-2, 1:])
    assert np.array_equal(moved[0], np.append(GREY[0, 1:], GREY[0, -1]))


def test_orientation_of_sobel():
    steps = np.zeros((5, 6), np.float64)
    steps[:, 3:] = 1
    assert filters.apply(steps, filters.sobel_horizontal())[2].tolist() == [0, 0, 4, 4, 0, 0]
    assert not filters.apply(steps, filters.sobel_vertical()).any()


def test_results_do_not_depend_on_the_layout():
    kernel = filters.gaussian(0.8)
    expected = filters.apply(COLOUR, kernel)
    reversed_twice = COLOUR[::-1, ::-1].copy()[::-1, ::-1]
    assert np.array_equal(filters.apply(reversed_twice, kernel), expected)
    assert np.array_equal(filters.apply(np.asfortranarray(COLOUR), kernel), expected)


@pytest.mark.parametrize(
    ("image", "kernel", "options", "error", "text"),
    [
        (GREY.astype(int), filters.box(), {}, TypeError, "image: expected uint8, float32 or float64"),
        (np.zeros((3, 4, 4)), filters.box(), {}, ValueError, r"image: expected shape \(H, W\) or"),
        (np.zeros((0, 4)), filters.box(), {}, ValueError, "image: expected shape"),
        (GREY, np.ones((2, 3)), {}, ValueError, r"kernel: expected shape \(R, S\) with odd sizes"),
        (GREY, np.ones(3), {}, ValueError, "kernel: expected shape"),
        (GREY, filters.box(), {"border": "mirror"}, ValueError, "border: expected one of replicate, "),
    ],
)
def test_errors(image, kernel, options, error, text):
    with pytest.raises(error, match=text):
        filters.apply(image, kernel, **options)


def test_kernel_argument_errors():
    for size in (0, 4, -3, 3.0, True):
        with pytest.raises(ValueError, match="size: expected an odd int >= 1"):
            filters.box(size)
    for sigma in (0, -1, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="sigma: expected a number > 0"):
            filters.gaussian(sigma)
