"""Filters against SciPy and plain loops, and the values of the classical kernels."""

import itertools

import numpy as np
import pytest

import convnative as cn
from convnative import filters
from convnative.filters import kernels

rng = np.random.default_rng(7)
GREY = rng.integers(0, 256, (13, 17), dtype=np.uint8)
COLOUR = rng.integers(0, 256, (11, 9, 3), dtype=np.uint8)

NUMPY_BORDERS = {
    "replicate": {"mode": "edge"},
    "reflect": {"mode": "reflect"},
    "symmetric": {"mode": "symmetric"},
    "circular": {"mode": "wrap"},
    "zeros": {"mode": "constant"},
    3.5: {"mode": "constant", "constant_values": 3.5},
}


def reference(plane, kernel, border="replicate", centre=None):
    """Every output pixel as a sum over its window, in float64."""
    rows, columns = kernel.shape
    top, left = centre or (rows // 2, columns // 2)
    padding = ((top, rows - 1 - top), (left, columns - 1 - left))
    padded = np.pad(plane.astype(np.float64), padding, **NUMPY_BORDERS[border])
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape)
    return np.einsum("ijrs,rs->ij", windows, kernel)


def by_channel(image, kernel, border="replicate", centre=None):
    if image.ndim == 2:
        return reference(image, kernel, border, centre)
    planes = [reference(image[..., c], kernel, border, centre) for c in range(image.shape[2])]
    return np.stack(planes, axis=-1)


# -- kernels ----------------------------------------------------------------------------------------------


def test_kernels_by_name():
    expected = {
        "identity": [[0, 0, 0], [0, 1, 0], [0, 0, 0]],
        "shift": [[0, 0, 0], [1, 0, 0], [0, 0, 0]],
        "sharpen": [[0, -1, 0], [-1, 5, -1], [0, -1, 0]],
        "laplacian": [[0, 1, 0], [1, -4, 1], [0, 1, 0]],
        "laplacian-negative": [[0, -1, 0], [-1, 4, -1], [0, -1, 0]],
        "laplacian8": [[1, 1, 1], [1, -8, 1], [1, 1, 1]],
        "sobel-horizontal": [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]],
        "sobel-vertical": [[1, 2, 1], [0, 0, 0], [-1, -2, -1]],
        "prewitt-horizontal": [[-1, 0, 1]] * 3,
        "scharr-vertical": [[3, 10, 3], [0, 0, 0], [-3, -10, -3]],
        "edge": [[1, 0, -1], [0, 1, 0], [-1, 0, 1]],
        "emboss": [[-2, -1, 0], [-1, 1, 1], [0, 1, 2]],
        "shift:-1,0": [[0, 0, 0], [0, 0, 0], [0, 1, 0]],
        "sobel_horizontal": [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]],
    }
    for name, values in expected.items():
        assert filters.kernel(name).tolist() == values
        assert not np.signbit(filters.kernel(name)[filters.kernel(name) == 0]).any()
    for name in filters.kernel_names():
        kernel = filters.kernel(name)
        assert kernel.dtype == np.float64
        differences = name.startswith(("laplacian", "sobel", "prewitt", "scharr"))
        assert kernel.sum() == pytest.approx(0 if differences else 1, abs=1e-14)
    assert np.array_equal(filters.kernel("gaussian:2.5"), kernels.gaussian(2.5))
    assert filters.kernel("box:9").shape == (9, 9)
    with pytest.raises(ValueError, match=r"kernel: expected one of identity, shift, .*received 'blur'"):
        filters.kernel("blur")
    for text in ("box:x", "box:3,3", "sharpen:1", "box:"):
        with pytest.raises(ValueError, match="kernel: expected"):
            filters.kernel(text)


def test_binomial_and_gaussian():
    assert (kernels.binomial(3) * 16).tolist() == [[1, 2, 1], [2, 4, 2], [1, 2, 1]]
    assert (kernels.binomial(5) * 256).tolist() == np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]).tolist()
    gaussian = kernels.gaussian(2.0)
    assert gaussian.shape == (13, 13)
    assert np.array_equal(gaussian, gaussian.T)
    y, x = np.mgrid[-6:7, -6:7]
    sampled = np.exp(-(x**2 + y**2) / (2 * 2.0**2))
    assert np.allclose(gaussian, sampled / sampled.sum(), rtol=1e-13, atol=0)
    assert kernels.gaussian(1.0, radius=7).shape == (15, 15)


def test_dilated_kernels():
    assert kernels.dilate(np.ones((2, 3)), (3, 2)).tolist() == [
        [1, 0, 1, 0, 1],
        [0] * 5,
        [0] * 5,
        [1, 0, 1, 0, 1],
    ]
    assert np.array_equal(kernels.dilate(kernels.box(3), 1), kernels.box(3))


def test_kernels_from_text():
    laplacian = [[0, 1, 0], [1, -4, 1], [0, 1, 0]]
    for text in (
        "0 1 0; 1 -4 1; 0 1 0",
        "0,1,0\n1,-4,1\n0,1,0\n",
        "# five points\n(0 1 0;1 -4 1;0 1 0)",
        "(0 1/2 0; .5 -2 5e-1; 0 1/2 0) * 2",
    ):
        assert filters.parse_kernel(text).tolist() == laplacian
    assert np.array_equal(filters.parse_kernel("(1 2 1; 2 4 2; 1 2 1)/16"), kernels.binomial(3))
    for text in ("", ";", "1 2; 3", "1 x", "1/0", "(1 2)/0", "1 2)(", "nan", "inf 1"):
        with pytest.raises(ValueError, match="kernel: expected"):
            filters.parse_kernel(text)


def test_kernels_from_files(tmp_path):
    written = {"a.json": "[[1, 2], [3, 4]]", "b.json": '{"kernel": [[2, 4], [6, 8]], "divisor": 2}'}
    written["c.txt"] = "1 2\n3 4\n"
    for name, text in written.items():
        (tmp_path / name).write_text(text)
    np.save(tmp_path / "d.npy", np.array([[1, 2], [3, 4]]))
    for name in ("a.json", "b.json", "c.txt", "d.npy"):
        assert filters.load_kernel(tmp_path / name).tolist() == [[1, 2], [3, 4]]
    bad = {
        "x.json": ("[[1, 2], [3]]", ValueError),
        "y.json": ('{"rows": []}', ValueError),
        "z.json": ("[[", ValueError),
        "w.json": ('[["a"]]', TypeError),
        "v.npy": ("none", ValueError),
        "u.txt": ("", ValueError),
        "t.json": ('{"kernel": [[1]], "divisor": 0}', ValueError),
    }
    for name, (text, error) in bad.items():
        (tmp_path / name).write_text(text)
        with pytest.raises(error, match=name):
            filters.load_kernel(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        filters.load_kernel(tmp_path / "none.json")


def test_kernel_argument_errors():
    for size in (0, 4, -3, 3.0, True):
        with pytest.raises(ValueError, match="size: expected an odd int >= 1"):
            kernels.box(size)
    for sigma in (0, -1, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="sigma: expected a number > 0"):
            kernels.gaussian(sigma)
    with pytest.raises(ValueError, match="neighbours: expected 4 or 8"):
        kernels.laplacian(6)
    with pytest.raises(TypeError, match="dx: expected an int"):
        kernels.shift(0, 0.5)


# -- correlation and convolution --------------------------------------------------------------------------


@pytest.mark.parametrize("border", NUMPY_BORDERS)
@pytest.mark.parametrize("shape", [(13, 17), (11, 9, 3), (3, 200, 4), (2, 1), (1, 5, 1)])
def test_floats(shape, border):
    image = rng.standard_normal(shape)
    for size in ((3, 3), (2, 5), (4, 4), (11, 9), (1, 7), (15, 1)):
        separable = np.outer(rng.standard_normal(size[0]), rng.standard_normal(size[1]))
        for kernel in (rng.standard_normal(size), separable):
            expected = by_channel(image, kernel, border)
            result = filters.correlate(image, kernel, border=border)
            assert result.dtype == np.float64
            assert np.allclose(result, expected, rtol=0, atol=1e-10)
            centre = ((size[0] - 1) // 2, (size[1] - 1) // 2)
            turned = by_channel(image, kernel[::-1, ::-1], border, centre)
            assert np.allclose(filters.convolve(image, kernel, border=border), turned, rtol=0, atol=1e-10)
            single = filters.correlate(image.astype(np.float32), kernel, border=border)
            assert single.dtype == np.float32
            bound = 1e-5 * np.abs(kernel).sum() * 4
            assert np.allclose(single, expected, rtol=0, atol=bound)


@pytest.mark.parametrize(
    ("border", "mode"),
    [
        *(("replicate", "nearest"), ("reflect", "mirror"), ("symmetric", "reflect")),
        *(("circular", "wrap"), ("zeros", "constant")),
    ],
)
def test_scipy_has_the_same_centres_and_borders(border, mode, isa):
    ndimage = pytest.importorskip("scipy.ndimage", reason="SciPy is not installed")
    image = rng.standard_normal((12, 37))
    for size in [*itertools.product((2, 3, 4), repeat=2), (1, 20), (29, 1), (9, 8)]:
        kernel = np.outer(*map(rng.standard_normal, size)) if size == (9, 8) else rng.standard_normal(size)
        for ours, theirs in ((filters.correlate, ndimage.correlate), (filters.convolve, ndimage.convolve)):
            expected = theirs(image, kernel, mode=mode)
            assert np.allclose(ours(image, kernel, border=border), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("border", NUMPY_BORDERS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_integers_are_rounded_and_limited(dtype, border, isa):
    largest = np.iinfo(dtype).max
    image = rng.integers(0, largest, (19, 23, 3), dtype=dtype, endpoint=True)
    for name in (*filters.kernel_names(), "gaussian:4"):
        kernel = filters.kernel(name)
        expected = by_channel(image, kernel, border)
        result = filters.correlate(image, kernel, border=border)
        assert result.dtype == dtype
        # A value next to a half may round either way; all others are exact.
        off = np.abs(result.astype(int) - np.clip(np.rint(expected), 0, largest))
        assert off.max() <= 1
        near = largest * np.abs(kernel).sum() * 4e-6
        assert np.all(np.abs(expected[off > 0] % 1 - 0.5) < near)
        raw = filters.correlate(image, kernel, border=border, as_float=True)
        assert raw.dtype == np.float32
        assert np.allclose(raw, expected, rtol=0, atol=near)


def test_halves_are_rounded_to_even(isa):
    image = np.array([[1, 2, 3, 4, 5, 6]], dtype=np.uint8)
    assert filters.correlate(image, np.array([[0.5]])).tolist() == [[0, 1, 2, 2, 2, 3]]
    assert filters.correlate(image, np.array([[-1.0]])).tolist() == [[0] * 6]
    assert filters.correlate(image, np.array([[-1.0]]), absolute=True).tolist() == image.tolist()
    assert filters.correlate(image, np.array([[100.0]])).tolist() == [[100, 200, 255, 255, 255, 255]]
    # Of every half, on every level; sums that are infinite or no number have a place too.
    halves = np.arange(65536, dtype=np.uint16)[None]
    assert np.array_equal(filters.correlate(halves, np.array([[0.5]])), np.rint(halves / 2))
    large = np.array([[3e38, 3e38]])  # whose sum is infinite
    assert filters.correlate(image, large).tolist() == [[255] * 6]
    assert filters.correlate(image, np.ones((1, 2)), border=np.nan).tolist() == [[0, 3, 5, 7, 9, 11]]


@pytest.mark.parametrize("shape", [(700, 601), (19, 9001), (9, 2801, 3)])
def test_blocks_of_large_integer_pictures(shape, isa):
    """A picture of several blocks of rows or columns, of exact integers, on any number of threads."""
    kernel = np.array([[0, 1, 0], [1, -3, 2], [0, 1, 0]])
    for dtype, border in ((np.uint8, "circular"), (np.uint16, "reflect"), (np.float64, 3.5)):
        image = rng.integers(0, 256, shape).astype(dtype)
        sums = by_channel(image, kernel, border)
        expected = sums if dtype == np.float64 else np.clip(sums, 0, np.iinfo(dtype).max)
        for threads in (1, 2, 7):
            with cn.threads(threads):
                assert np.array_equal(filters.correlate(image, kernel, border=border), expected)


def test_large_kernels():
    tall, wide = rng.standard_normal((300, 90)), rng.standard_normal((5, 1200))
    blurred = filters.gaussian_blur(tall, 30.0)
    assert np.allclose(blurred, reference(tall, kernels.gaussian(30.0)), rtol=0, atol=1e-12)
    row = rng.standard_normal((1, 2999))
    assert np.allclose(filters.correlate(wide, row), reference(wide, row), rtol=0, atol=1e-11)


def test_identity_and_shifts():
    assert np.array_equal(filters.correlate(COLOUR, kernels.identity()), COLOUR)
    moved = filters.correlate(GREY, kernels.shift(2, -1))
    assert np.array_equal(moved[2:, :-1], GREY[:-2, 1:])
    assert np.array_equal(moved[0], np.append(GREY[0, 1:], GREY[0, -1]))


def test_results_do_not_depend_on_the_layout():
    kernel = kernels.gaussian(0.8)
    for image in (COLOUR, COLOUR.astype(np.float32), COLOUR.astype(np.uint16)):
        expected = filters.correlate(image, kernel)
        reversed_twice = image[::-1, ::-1].copy()[::-1, ::-1]
        assert np.array_equal(filters.correlate(reversed_twice, kernel), expected)
        assert np.array_equal(filters.correlate(np.asfortranarray(image), kernel), expected)
        swapped = image.astype(image.dtype.newbyteorder())
        assert np.array_equal(filters.correlate(swapped, kernel), expected)


def test_the_picture_is_left_alone():
    for image in (GREY.copy(), GREY.astype(np.float32)):
        before = image.copy()
        image.setflags(write=False)
        filters.correlate(image, kernels.laplacian(), absolute=True)
        filters.unsharp_mask(image, 2.0, threshold=1)
        assert np.array_equal(image, before)


@pytest.mark.parametrize(
    ("image", "kernel", "options", "error", "text"),
    [
        (GREY.astype(int), kernels.box(), {}, TypeError, "image: expected uint8, uint16, float32 or float64"),
        (GREY.tolist(), kernels.box(), {}, TypeError, "image: expected a numpy.ndarray, received list"),
        (np.ma.array(GREY), kernels.box(), {}, TypeError, "received MaskedArray"),
        (np.zeros((3, 4, 5)), kernels.box(), {}, ValueError, r"image: expected shape \(H, W\) or"),
        (np.zeros((0, 4)), kernels.box(), {}, ValueError, "image: expected shape"),
        (GREY, np.ones((2, 0)), {}, ValueError, r"kernel: expected shape \(R, S\)"),
        (GREY, np.ones(3), {}, ValueError, "kernel: expected shape"),
        (GREY, np.full((1, 1), np.nan), {}, ValueError, "kernel: expected finite numbers, received nan"),
        (GREY, np.full((1, 1), 1e39), {}, ValueError, r"kernel: expected numbers of float32 .* 1e\+39"),
        (GREY, np.ones((1, 1), complex), {}, TypeError, "kernel: expected real numbers"),
        (GREY, kernels.box(), {"border": "mirror"}, ValueError, "border: expected one of 'replicate', "),
        (GREY, kernels.box(), {"border": None}, TypeError, "border: expected"),
        (GREY, kernels.box(), {"absolute": 1}, TypeError, "absolute: expected True or False"),
    ],
)
def test_errors(image, kernel, options, error, text):
    with pytest.raises(error, match=text):
        filters.correlate(image, kernel, **options)


# -- named operations -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "image", [GREY, COLOUR, COLOUR.astype(np.float64) / 7], ids=["grey", "colour", "float"]
)
def test_unsharp_mask_is_two_steps(image):
    smoothed = by_channel(image, kernels.gaussian(1.5), "reflect")
    difference = image - smoothed
    exact = image.dtype == np.float64
    tolerance = 1e-12 if exact else 1e-4
    found = filters.details(image, 1.5, border="reflect")
    assert np.allclose(found, difference, rtol=0, atol=tolerance)
    for threshold in (0.0, 20.1):
        added = np.where(np.abs(difference) < threshold, 0, difference)
        expected = image + 0.7 * added
        result = filters.unsharp_mask(image, 0.7, 1.5, threshold, border="reflect")
        assert result.dtype == image.dtype
        if not exact:
            expected = np.clip(np.rint(expected), 0, 255)
        # A detail next to the threshold or a half may fall on either side.
        assert np.mean(np.abs(result - expected) > (1e-11 if exact else 0)) < 0.02
    with pytest.raises(ValueError, match="threshold: expected a finite number >= 0"):
        filters.unsharp_mask(image, threshold=-1)


def test_sobel():
    image = rng.standard_normal((14, 15, 3))
    gradient = filters.sobel(image)
    gx = by_channel(image, np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]))
    gy = by_channel(image, np.array([[1, 2, 1], [0, 0, 0], [-1, -2, -1]]))
    assert np.allclose(gradient.gx, gx, rtol=0, atol=1e-12)
    assert np.allclose(gradient.gy, gy, rtol=0, atol=1e-12)
    assert np.allclose(gradient.magnitude, np.sqrt(gx**2 + gy**2), rtol=0, atol=1e-12)
    assert np.allclose(gradient.direction, np.arctan2(gy, gx), rtol=0, atol=1e-9)
    # Brighter upwards: a quarter of a turn.
    assert np.allclose(filters.sobel(np.linspace(9, 0, 10)[:, None] * np.ones(8)).direction, np.pi / 2)
    steps = np.zeros((5, 6))
    steps[:, 3:] = 1
    assert filters.sobel(steps).gx[2].tolist() == [0, 0, 4, 4, 0, 0]
    assert not filters.sobel(steps).gy.any()


def test_small_operations_are_their_kernels():
    for result, name in (
        (filters.sharpen(COLOUR), "sharpen"),
        (filters.box_blur(COLOUR, 5), "box:5"),
        (filters.gaussian_blur(COLOUR, 2.0), "gaussian:2"),
    ):
        assert np.array_equal(result, filters.correlate(COLOUR, filters.kernel(name)))
    expected = by_channel(COLOUR, kernels.laplacian(8))
    assert np.array_equal(filters.laplacian(COLOUR, 8), expected)
    assert np.array_equal(filters.laplacian(COLOUR, 8, negative=True), -expected)
    assert np.array_equal(filters.prewitt(GREY).gx, reference(GREY, kernels.prewitt_horizontal()))
    assert np.array_equal(filters.scharr(GREY).gy, reference(GREY, kernels.scharr_vertical()))


# -- canny ------------------------------------------------------------------------------------------------


def test_canny_against_scikit_image():
    feature = pytest.importorskip("skimage.feature", reason="scikit-image is not installed")
    data = pytest.importorskip("skimage.data", reason="scikit-image is not installed")
    y, x = np.mgrid[-1:1:200j, -1:1:200j]
    circle = (np.hypot(x, y) < 0.5).astype(np.float64)
    noisy = np.clip(circle + 0.2 * np.random.default_rng(0).standard_normal(circle.shape), 0, 1)
    for image in (data.camera()[100:400, 60:400], data.coins(), data.page(), noisy, GREY):
        for options in ({}, {"sigma": 2.5}, {"sigma": 0.5}):
            expected = feature.canny(image, **options)
            assert np.array_equal(filters.canny(image, **options), expected)
    expected = feature.canny(data.camera(), 1.5, 10, 60)
    assert np.array_equal(filters.canny(data.camera(), 1.5, 10, 60), expected)
    # Of pixels whose gradients are equal ours keeps all, theirs those that their rounding favours.
    ours = filters.canny(circle, 1.0)
    theirs = feature.canny(circle, 1.0)
    assert ours[theirs].all()
    assert np.mean(ours != theirs) < 0.01


def test_canny_of_steps():
    step = np.zeros((20, 30), np.uint8)
    step[:, 15:] = 200
    edges = filters.canny(step)
    assert np.array_equal(edges[1:-1].any(axis=0).nonzero()[0], [14, 15])
    assert not edges[[0, -1]].any()
    assert not filters.canny(np.full((9, 9), 7.0)).any()
    assert not filters.canny(np.ones((1, 1))).any()
    grey_as_colour = np.repeat(step[..., None], 3, axis=2)
    assert np.array_equal(filters.canny(grey_as_colour), edges)
    with pytest.raises(ValueError, match="low: expected at most high"):
        filters.canny(step, low=3, high=2)
    with pytest.raises(ValueError, match="image: expected shape"):
        filters.canny(np.zeros((4, 4, 2)))


def test_hysteresis_against_labels():
    """Spirals and noise: components of any form, connected over corners too."""
    ndimage = pytest.importorskip("scipy.ndimage", reason="SciPy is not installed")
    from convnative.filters._canny import _connected

    spiral = np.zeros((81, 81), bool)
    y, x, step = 0, 0, (0, 1)
    spiral[0, 0] = True
    for length in [80, *np.repeat(np.arange(80, 0, -2), 2)]:
        for _ in range(length):
            y, x = y + step[0], x + step[1]
            spiral[y, x] = True
        step = (step[1], -step[0])
    masks = [spiral, *(rng.random((60, 70)) < share for share in (0.05, 0.2, 0.4, 0.9))]
    for mask in masks:
        seeds = mask & (rng.random(mask.shape) < 0.02)
        labels, _ = ndimage.label(mask, np.ones((3, 3)))
        expected = mask & np.isin(labels, np.unique(labels[seeds]))
        assert np.array_equal(_connected(mask, seeds), expected)
    one = np.zeros_like(spiral)
    one[0, 0] = True
    assert np.array_equal(_connected(spiral, one), ndimage.label(spiral, np.ones((3, 3)))[0] == 1)
    assert not _connected(spiral, np.zeros_like(spiral)).any()
