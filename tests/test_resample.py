"""Interpolation against matrices made from the definitions; driver, tables and kernels at every size."""

import numpy as np
import pytest
from autograd import grad
from autograd.test_util import check_grads

import reference
from arrays import assert_exact, assert_same_bits, assert_within, gamma, generator, small_integers
from convnative import _core, nn, shapes
from convnative import functional as F
from convnative.summary import summary

rng = np.random.default_rng(23)

MODES = {  # ours, for one to three axes
    "nearest": ("nearest", "nearest", "nearest"),
    "area": ("area", "area", "area"),
    "linear": ("linear", "bilinear", "trilinear"),
}


def compare(x, size, mode):
    """The result and the gradient within the rounding errors of their sums."""
    axes = len(size)
    name = "bicubic" if mode == "cubic" else MODES[mode][axes - 1]
    matrices = [reference.resampling_matrix(mode, *each) for each in zip(x.shape[-axes:], size, strict=True)]
    y = F.interpolate(x, size, mode=name)
    check(y, x, matrices, (x.shape, size, name))
    g = generator(size).standard_normal(y.shape).astype(x.dtype)
    back = grad(lambda x: (F.interpolate(x, size, mode=name) * g).sum())(x)
    check(back, g, [matrix.T for matrix in matrices], (x.shape, size, name, "gradient"))


def check(actual, x, matrices, context):
    expected = reference.resample(x, matrices)
    magnitude = reference.resample(np.abs(x), [np.abs(matrix) for matrix in matrices])
    terms = sum(int((matrix != 0).sum(axis=1).max(initial=0)) for matrix in matrices)
    # Positions are rounded too, to the type of the array, and move the weights.
    positions = 4 * max(max(matrix.shape) for matrix in matrices)
    bound = float(gamma(terms + positions + 8, x.dtype)) * (magnitude + np.abs(x).max(initial=0))
    assert_within(actual, expected, bound, context)


def random_of(shape, dtype):
    return generator(shape).standard_normal(shape).astype(dtype)


@pytest.mark.parametrize("mode", [*MODES, "cubic"])
def test_every_width(mode, isa, dtype):
    rows = (3,) if mode == "cubic" else ()
    for width in range(1, 68):
        for target in (1, 2 * width, 5, 67):
            compare(random_of((2, 1, *rows, width), dtype), (*[4 for _ in rows], target), mode)


@pytest.mark.parametrize(
    ("shape", "size", "modes"),
    [
        ((2, 3, 5, 7), (8, 3), [*MODES, "cubic"]),
        ((1, 2, 40, 70), (3, 5), ["area", "linear"]),
        ((1, 2, 4, 5, 6), (7, 3, 9), MODES),
        ((2, 1, 1, 9, 1), (3, 4, 5), MODES),
        ((1, 2, 6, 5), (6, 11), [*MODES, "cubic"]),  # an axis that stays
        ((1, 2, 6, 5), (11, 5), [*MODES, "cubic"]),
        ((0, 2, 6, 5), (11, 5), [*MODES, "cubic"]),
        ((1, 1, 600, 3), (2, 3), ["area"]),  # more rows than are combined at a time
        ((1, 1, 300, 33), (1, 2), ["area"]),
        ((1, 1, 3, 9_000), (2, 40), ["area", "linear"]),  # more columns than a buffer holds
        ((1, 1, 2, 30_000), (3, 2), ["area"]),  # windows longer than a buffer
        ((1, 1, 30_000), (2,), ["area"]),
        ((1, 1, 3), (5_001,), ["linear"]),
    ],
    ids=str,
)
def test_sizes(shape, size, modes, isa, dtype):
    for mode in modes:
        compare(random_of(shape, dtype), size, mode)


def test_integers_are_exact(isa, dtype):
    """Where weights are powers of two, every sum is exact."""
    x = small_integers(rng, (2, 3, 8, 12)).astype(dtype)
    for size, mode, ours in (
        ((16, 24), "linear", "bilinear"),
        ((4, 6), "linear", "bilinear"),
        ((16, 3), "linear", "bilinear"),
        ((2, 3), "area", "area"),
        ((4, 24), "area", "area"),
        ((5, 31), "nearest", "nearest"),
        ((16, 24), "cubic", "bicubic"),
    ):
        matrices = [reference.resampling_matrix(mode, *each) for each in zip((8, 12), size, strict=True)]
        assert_exact(F.interpolate(x, size, mode=ours), reference.resample(x, matrices), dtype, (size, mode))


def test_levels_give_the_same_bits(isa, dtype):
    x = random_of((2, 3, 37, 41), dtype)
    runs = [
        lambda: F.interpolate(x, (50, 67), mode="bicubic"),
        lambda: F.interpolate(x, (7, 5), mode="area"),
        lambda: F.interpolate(x, (9, 4), mode="bicubic", antialias=True),
        lambda: F.resize(x, (5, 60, 7), mode="cubic", axes=(1, 3, 2), antialias=True),
    ]
    results = [run() for run in runs]
    _core.set_isa("baseline")
    for run, result in zip(runs, results, strict=True):
        assert_same_bits(run(), result)


def test_threads_change_no_bit(threads):
    x = random_of((2, 16, 61, 67), np.dtype(np.float32))
    g = random_of((2, 16, 90, 101), np.dtype(np.float32))

    def run():
        gradient = grad(lambda x: (F.interpolate(x, (90, 101), mode="bilinear") * g).sum())(x)
        forward = (F.interpolate(x, (90, 101), mode="bicubic"), F.interpolate(x, (30, 7), mode="area"))
        return (*forward, gradient)

    _core.set_num_threads(1)
    alone = run()
    _core.set_num_threads(threads)
    for result, expected in zip(run(), alone, strict=True):
        assert_same_bits(result, expected)


def test_any_memory_layout(layouts, dtype):
    x = random_of((2, 3, 5, 7), dtype)
    expected = F.interpolate(x, (8, 4), mode="bilinear")
    for name, array in layouts(x):
        if name != "broadcast":
            assert_same_bits(F.interpolate(array, (8, 4), mode="bilinear"), expected, name)


def test_the_same_size_is_the_same_array(dtype):
    x = random_of((2, 3, 5, 7), dtype)
    x[0, 0, 2, 3] = np.inf
    for mode in ("nearest", "nearest-exact", "bilinear", "bicubic", "area"):
        result = F.interpolate(x, (5, 7), mode=mode)
        assert_same_bits(result, x, mode)
        assert not np.shares_memory(result, x)


def test_infinities_and_nan_stay_within_their_windows(dtype):
    x = np.ones((1, 1, 1, 8), dtype)
    x[0, 0, 0, 3] = np.inf
    x[0, 0, 0, 6] = np.nan
    y = F.interpolate(x, (2, 16), mode="bilinear")[0, 0, 0]
    assert np.isinf(y).tolist() == [5 <= i <= 8 for i in range(16)]
    assert np.isnan(y).tolist() == [11 <= i <= 14 for i in range(16)]


def test_means_of_many_elements_are_accurate(isa):
    x = np.full((1, 1, 1000, 1003), 0.1, np.float32)
    np.testing.assert_allclose(F.interpolate(x, 1, mode="area"), np.float32(0.1), rtol=2e-6)
    line = np.full((1, 1, 1_000_003), 0.1, np.float32)
    np.testing.assert_allclose(F.interpolate(line, 1, mode="area"), np.float32(0.1), rtol=2e-6)


def test_kernels_by_hand():
    x = np.array([[[[1.0, 2.0, 4.0, 8.0]]]])
    # Keys' kernel of coefficient -0.75 at the distances 0.25 and 0.75, 1.25, 1.75 from the centre.
    near, far, next_near, next_far = 0.87890625, 0.26171875, -0.10546875, -0.03515625
    expected = 1 * next_near + 2 * near + 4 * far + 8 * next_far
    assert F.interpolate(x, (1, 8), mode="bicubic")[0, 0, 0, 3] == expected
    assert F.interpolate(x, (1, 2), mode="area").tolist() == [[[[1.5, 6.0]]]]
    assert F.interpolate(x, (1, 3), mode="nearest").tolist() == [[[[1.0, 2.0, 4.0]]]]
    assert F.interpolate(x, (1, 3), mode="nearest-exact").tolist() == [[[[1.0, 4.0, 8.0]]]]
    np.testing.assert_allclose(
        F.interpolate(x, (1, 2), mode="bilinear", antialias=True)[0, 0, 0], np.array([13, 38]) / 7
    )


def test_factors_place_the_outputs_unless_recomputed():
    x = np.arange(5.0).reshape(1, 1, 5)
    np.testing.assert_allclose(
        F.interpolate(x, scale_factor=1.5, mode="linear")[0, 0],
        ((np.arange(7) + 0.5) / 1.5 - 0.5).clip(0, 4),
    )
    np.testing.assert_allclose(
        F.interpolate(x, scale_factor=1.5, mode="linear", recompute_scale_factor=True)[0, 0],
        ((np.arange(7) + 0.5) * 5 / 7 - 0.5).clip(0, 4),
    )


# -- resize -----------------------------------------------------------------------------------


def test_resize_takes_axes_in_any_order_and_form():
    x = random_of((2, 3, 4, 5), np.float64)
    expected = F.resize(x, (7, 6), mode="linear")
    assert_same_bits(F.resize(x, (6, 7), mode="linear", axes=(3, 2)), expected)
    assert_same_bits(F.resize(x, (7, 6), mode="linear", axes=(-2, -1)), expected)
    assert_same_bits(F.resize(x, [2, 3, 7, 6], mode="linear"), expected)
    assert F.resize(x, scale_factor=2).shape == (2, 3, 8, 10)
    assert F.resize(x, scale_factor=(2, 1.5, 1, 1)).shape == (4, 4, 4, 5)
    assert F.resize(x, 8, axes=(1,)).shape == (2, 8, 4, 5)
    np.testing.assert_array_equal(F.resize(x, 3, axes=(0,), mode="linear")[1], (x[0] + x[1]) / 2)


def test_extrapolated_elements_have_no_gradient():
    options = {
        "coordinate_transformation": "tf_crop_and_resize",
        "roi": [(-0.5, 1.5), (0.0, 1.0)],
        "extrapolation_value": 7.0,
        "mode": "linear",
    }
    x = np.arange(6.0).reshape(2, 3)
    y = F.resize(x, (5, 3), **options)
    assert y[[0, 4]].tolist() == [[7.0] * 3] * 2
    np.testing.assert_allclose(y[2], x.mean(axis=0))
    check_grads(lambda x: F.resize(x, (5, 3), **options), modes=["fwd", "rev"], order=2)(x)
    np.testing.assert_allclose(grad(lambda x: F.resize(x, (5, 3), **options).sum())(x), 1.5)


# -- derivatives ------------------------------------------------------------------------------

DERIVATIVES = {
    "nearest": lambda x: F.interpolate(x, (8, 4)),
    "area": lambda x: F.interpolate(x, (3, 8), mode="area"),
    "bilinear": lambda x: F.interpolate(x, scale_factor=(1.7, 0.6), mode="bilinear"),
    "aligned": lambda x: F.interpolate(x, (8, 3), mode="bilinear", align_corners=True),
    "bicubic": lambda x: F.interpolate(x, (3, 9), mode="bicubic"),
    "antialias": lambda x: F.interpolate(x, (2, 9), mode="bicubic", antialias=True),
    "lanczos": lambda x: F.interpolate(x, (2, 3), mode="lanczos", antialias=True),
    "resize": lambda x: F.resize(x, (3, 2, 9), mode="cubic", exclude_outside=True),
}


@pytest.mark.parametrize("name", DERIVATIVES)
def test_derivatives(name):
    check_grads(DERIVATIVES[name], modes=["fwd", "rev"], order=2)(random_of((1, 2, 5, 6), np.float64))


@pytest.mark.parametrize("name", DERIVATIVES)
def test_the_gradient_is_the_adjoint(name):
    """<A x, y> = <x, A* y>."""
    x = random_of((1, 2, 5, 6), np.float64)
    y = random_of(DERIVATIVES[name](x).shape, np.float64)
    back = grad(lambda x: (DERIVATIVES[name](x) * y).sum())(x)
    np.testing.assert_allclose((DERIVATIVES[name](x) * y).sum(), (x * back).sum(), rtol=1e-12)


def test_gradients_of_an_empty_batch():
    assert grad(lambda x: F.interpolate(x, 7, mode="bilinear").sum())(np.zeros((0, 2, 3, 3))).shape == (
        0,
        2,
        3,
        3,
    )


# -- shapes -----------------------------------------------------------------------------------


def test_shapes_agree_with_the_function():
    x = np.zeros((2, 3, 17, 20))
    for options in (
        {"size": 5},
        {"size": (7, 9)},
        {"scale_factor": 1.5},
        {"scale_factor": (0.3, 2)},
        {"scale_factor": 1 / 3},
    ):
        expected = F.interpolate(x, **options).shape
        assert shapes.interpolate_output_shape(x.shape, **options) == expected
        assert summary(nn.Upsample(**options), x.shape).output_shape == expected
    assert str(shapes.interpolate_output_shape(("N", 3, "H", 5), scale_factor=2)) == "(N, 3, 2*H, 10)"
    with pytest.raises(ValueError, match=r"^scale_factor: "):
        shapes.interpolate_output_shape(("N", 3, "H"), scale_factor=1.5)


# -- bad input --------------------------------------------------------------------------------

X = np.ones((1, 2, 5, 6))
CROP = {"coordinate_transformation": "tf_crop_and_resize"}
ERRORS = {
    "list": (lambda: F.interpolate([1.0], 2), TypeError, "input"),
    "integers": (lambda: F.interpolate(X.astype(int), 2), TypeError, "input"),
    "masked": (lambda: F.interpolate(np.ma.array(X), 2), TypeError, "input"),
    "rank": (lambda: F.interpolate(X[0, 0], 2), ValueError, "input"),
    "channels": (lambda: F.interpolate(X[:, :0], 2), ValueError, "input"),
    "empty": (lambda: F.interpolate(X[..., :0], 2), ValueError, "input"),
    "neither": (lambda: F.interpolate(X), ValueError, "size"),
    "both": (lambda: F.interpolate(X, 2, 2.0), ValueError, "size"),
    "size length": (lambda: F.interpolate(X, (2,)), ValueError, "size"),
    "size zero": (lambda: F.interpolate(X, (0, 2)), ValueError, "size"),
    "size float": (lambda: F.interpolate(X, 2.0), TypeError, "size"),
    "size bool": (lambda: F.interpolate(X, True), TypeError, "size"),
    "size huge": (lambda: F.interpolate(X, (2**62, 2**62)), OverflowError, None),
    "size beyond int64": (lambda: F.interpolate(X, 2**64), OverflowError, "size"),
    "size memory": (lambda: F.interpolate(X[:, :, :, :1], (2**24, 2**24)), MemoryError, None),
    "scale zero": (lambda: F.interpolate(X, scale_factor=0.0), ValueError, "scale_factor"),
    "scale small": (lambda: F.interpolate(X, scale_factor=0.1), ValueError, "size"),
    "scale NaN": (lambda: F.interpolate(X, scale_factor=np.nan), ValueError, "scale_factor"),
    "scale huge": (lambda: F.interpolate(X, scale_factor=1e300), OverflowError, "scale_factor"),
    "scale str": (lambda: F.interpolate(X, scale_factor="2"), TypeError, "scale_factor"),
    "scale bool": (lambda: F.interpolate(X, scale_factor=True), TypeError, "scale_factor"),
    "scale length": (lambda: F.interpolate(X, scale_factor=(2.0,)), ValueError, "scale_factor"),
    "mode": (lambda: F.interpolate(X, 2, mode="cubic"), ValueError, "mode"),
    "mode axes": (lambda: F.interpolate(X, 2, mode="linear"), ValueError, "mode"),
    "aligned nearest": (lambda: F.interpolate(X, 2, align_corners=False), ValueError, "align_corners"),
    "antialias nearest": (lambda: F.interpolate(X, 2, antialias=True), ValueError, "antialias"),
    "lanczos": (lambda: F.interpolate(X, 2, mode="lanczos"), ValueError, "antialias"),
    "recompute": (
        lambda: F.interpolate(X, 2, recompute_scale_factor=True),
        ValueError,
        "recompute_scale_factor",
    ),
    "resize neither": (lambda: F.resize(X), ValueError, "size"),
    "resize axes": (lambda: F.resize(X, (2, 2), axes=(2, 4)), IndexError, "axes"),
    "resize twice": (lambda: F.resize(X, (2, 2), axes=(2, -2)), ValueError, "axes"),
    "resize axes type": (lambda: F.resize(X, (2, 2), axes=2), TypeError, "axes"),
    "resize axes count": (lambda: F.resize(X, (2, 2), axes=(2,)), ValueError, "axes"),
    "resize many": (lambda: F.resize(X, (2,) * 5), ValueError, "size"),
    "resize zero": (lambda: F.resize(X, (2, 0)), ValueError, "size"),
    "resize mode": (lambda: F.resize(X, 2, mode="area"), ValueError, "mode"),
    "resize coordinates": (
        lambda: F.resize(X, 2, coordinate_transformation="torch_nearest"),
        ValueError,
        "coordinate_transformation",
    ),
    "resize nearest": (lambda: F.resize(X, 2, nearest_mode="round"), ValueError, "nearest_mode"),
    "resize antialias": (lambda: F.resize(X, 2, antialias=True), ValueError, "antialias"),
    "resize cubic": (
        lambda: F.resize(X, 2, mode="cubic", cubic_coefficient=np.inf),
        ValueError,
        "cubic_coefficient",
    ),
    "resize roi": (lambda: F.resize(X, (2, 2), **CROP), ValueError, "roi"),
    "resize roi pairs": (lambda: F.resize(X, (2, 2), roi=[(0, 1)], **CROP), ValueError, "roi"),
    "resize roi NaN": (lambda: F.resize(X, (2,), roi=[(0, np.nan)], **CROP), ValueError, "roi"),
    "resize ratio": (lambda: F.resize(X, 2, keep_aspect_ratio="yes"), ValueError, "keep_aspect_ratio"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_name_the_argument(case):
    call, kind, name = ERRORS[case]
    with pytest.raises(kind) as caught:
        call()
    if name is not None:
        assert str(caught.value).startswith(f"{name}: expected "), caught.value
        assert "received" in str(caught.value)
