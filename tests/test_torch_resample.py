"""Agreement with torch on padding, sliding blocks, shuffles and interpolation, refusals included."""

import numpy as np
import pytest
from autograd import grad
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from convnative import functional as F
from convnative import nn
from convnative.shapes import interpolate_output_shape

torch = pytest.importorskip("torch", reason="torch is not installed: agreement with it is not checked")
TF = torch.nn.functional

TOLERANCE = {
    np.dtype(np.float32): {"rtol": 2e-5, "atol": 2e-5},
    np.dtype(np.float64): {"rtol": 1e-10, "atol": 1e-12},
}
REFUSALS = (RuntimeError, ValueError, TypeError, NotImplementedError, IndexError)
DTYPES = st.sampled_from([np.float32, np.float64])
rng = np.random.default_rng(5)


def to_torch(array):
    return torch.from_numpy(np.array(array))


def assert_same(ours, theirs):
    theirs = theirs.detach().numpy()
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype
    np.testing.assert_allclose(ours, theirs, **TOLERANCE[theirs.dtype])


def compare(ours, theirs, x, with_gradient=True):
    """Values and the gradient of a random linear combination; where one refuses, so does the other."""
    tensor = to_torch(x).requires_grad_()
    try:
        expected = theirs(tensor)
    except REFUSALS as error:
        with pytest.raises((ValueError, TypeError, IndexError, OverflowError)):
            ours(x)
        return error
    assert_same(ours(x), expected)
    if not with_gradient or expected.numel() == 0:  # of which torch has a gradient now and then
        return None
    coefficients = rng.standard_normal(tuple(expected.shape)).astype(x.dtype)
    (expected * to_torch(coefficients)).sum().backward()
    assert_same(grad(lambda x: (ours(x) * coefficients).sum())(x), tensor.grad)
    return None


def arrays(shape, dtype):
    return rng.standard_normal(shape).astype(dtype)


# -- pad ----------------------------------------------------------------------------------------


@settings(max_examples=200)
@given(
    st.sampled_from(["constant", "reflect", "replicate", "circular"]),
    st.lists(st.integers(0, 6), min_size=1, max_size=5),
    st.lists(st.integers(-3, 5), max_size=6),
    st.sampled_from([None, 0, 0.0, 1.5]),
    DTYPES,
)
def test_pad(mode, shape, amounts, value, dtype):
    if mode == "circular":  # torch returns memory as it was where more is wrapped than cropping leaves
        pairs = zip(amounts[::2], amounts[1::2], reversed(shape), strict=False)
        assume(all(max(a, b) <= max(size + min(a, 0) + min(b, 0), 0) for a, b, size in pairs))
    compare(
        lambda x: F.pad(x, tuple(amounts), mode, value),
        lambda x: TF.pad(x, tuple(amounts), mode, value),
        arrays(shape, dtype),
    )


# -- sliding blocks -----------------------------------------------------------------------------

PAIRS = st.one_of(st.integers(1, 3), st.tuples(st.integers(1, 3), st.integers(1, 3)))
PADDINGS = st.one_of(st.integers(0, 3), st.tuples(st.integers(0, 3), st.integers(0, 3)))


@settings(max_examples=80)
@given(
    st.sampled_from([(), (0,), (2,)]),
    st.integers(0, 3),
    st.tuples(st.integers(0, 8), st.integers(1, 8)),
    PAIRS,
    PAIRS,
    PADDINGS,
    PAIRS,
    DTYPES,
)
def test_unfold_and_fold(batch, channels, size, kernel_size, dilation, padding, stride, dtype):
    arguments = (kernel_size, dilation, padding, stride)
    x = arrays((*batch, channels, *size), dtype)
    refusal = compare(lambda x: F.unfold(x, *arguments), lambda x: TF.unfold(x, *arguments), x)
    if refusal is None:
        columns = arrays(F.unfold(x, *arguments).shape, dtype)
        compare(lambda c: F.fold(c, size, *arguments), lambda c: TF.fold(c, size, *arguments), columns)
        for wrong in (columns[..., :-1], columns[..., :-1, :]):
            compare(lambda c: F.fold(c, size, *arguments), lambda c: TF.fold(c, size, *arguments), wrong)


# -- shuffles -----------------------------------------------------------------------------------


@settings(max_examples=60)
@given(
    st.lists(st.sampled_from([0, 1, 2, 3, 4, 8, 9, 18]), min_size=1, max_size=5), st.integers(-1, 3), DTYPES
)
def test_shuffles(shape, factor, dtype):
    x = arrays(shape, dtype)
    compare(lambda x: F.pixel_shuffle(x, factor), lambda x: TF.pixel_shuffle(x, factor), x)
    if x.size:  # torch leaves the channels of an empty image as they are
        compare(lambda x: F.pixel_unshuffle(x, factor), lambda x: TF.pixel_unshuffle(x, factor), x)
        compare(lambda x: F.channel_shuffle(x, factor), lambda x: torch.channel_shuffle(x, factor), x)


# -- interpolation ------------------------------------------------------------------------------

MODES = ["nearest", "nearest-exact", "linear", "bilinear", "trilinear", "bicubic", "area"]
FACTORS = st.one_of(
    st.floats(0.05, 5),
    st.fractions(min_value="1/10", max_value=8, max_denominator=40).map(float),
    st.sampled_from([1, 2, 3, 0.5, 0.25, 1.1]),
)


@st.composite
def interpolations(draw):
    axes = draw(st.integers(1, 3))
    shape = (draw(st.integers(0, 2)), draw(st.integers(1, 2)))
    shape += tuple(draw(st.lists(st.integers(1, 9), min_size=axes, max_size=axes)))
    options = {"mode": draw(st.sampled_from(MODES))}
    if draw(st.booleans()):
        one = st.integers(1, 12)
        options["size"] = draw(st.one_of(one, st.tuples(*[one] * axes)))
    else:
        options["scale_factor"] = draw(st.one_of(FACTORS, st.tuples(*[FACTORS] * axes)))
        options["recompute_scale_factor"] = draw(st.sampled_from([None, None, False, True]))
    options["align_corners"] = draw(st.sampled_from([None, None, False, True]))
    options["antialias"] = draw(st.sampled_from([False, False, True]))
    return shape, options


@settings(max_examples=250)
@given(interpolations(), DTYPES)
def test_interpolate(case, dtype):
    shape, options = case
    mode = options["mode"]
    if options["antialias"] and mode in ("bilinear", "bicubic") and len(shape) == 4:
        try:
            output = interpolate_output_shape(shape, options.get("size"), options.get("scale_factor"))
        except ValueError:
            output = shape
        assume(output[3] > 1)  # torch mixes up the rows of an image that is one column wide
    # torch's gradients are not everywhere those of its results: of nearest elements where rounding decides,
    # and of axes that keep their size although a factor is given.
    consistent = not mode.startswith("nearest") and (
        "size" in options or not (mode == "bicubic" or options["antialias"])
    )
    compare(
        lambda x: F.interpolate(x, **options),
        lambda x: TF.interpolate(x, **options),
        arrays(shape, dtype),
        with_gradient=consistent,
    )


@settings(max_examples=200)
@given(
    st.integers(1, 60),
    st.one_of(st.integers(1, 160), FACTORS),
    st.sampled_from(["nearest", "nearest-exact"]),
    st.integers(1, 3),
    DTYPES,
)
def test_nearest_takes_the_same_element(width, target, mode, axes, dtype):
    """Also where rounding decides: the sizes, the factor and the type matter."""
    x = np.arange(width, dtype=dtype).reshape((1,) * (axes + 1) + (width,))
    rest = (1,) * (axes - 1)
    if isinstance(target, float):
        assume(int(width * target) > 0)
        options = {"scale_factor": (*map(float, rest), target)}
    else:
        options = {"size": (*rest, int(target))}
    expected = TF.interpolate(to_torch(x), mode=mode, **options).numpy()
    np.testing.assert_array_equal(F.interpolate(x, mode=mode, **options), expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [(3, 5), (20, 16), (9, 40)])
def test_lanczos(size, dtype):
    x = arrays((2, 3, 9, 16), dtype)
    try:
        TF.interpolate(to_torch(x), size, mode="lanczos", antialias=True)
    except (ValueError, NotImplementedError):
        pytest.skip("this torch has no lanczos mode")
    compare(
        lambda x: F.interpolate(x, size, mode="lanczos", antialias=True),
        lambda x: TF.interpolate(x, size, mode="lanczos", antialias=True),
        x,
    )


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"size": 4, "scale_factor": 2},
        {"size": (4,)},
        {"size": (4, 4, 4)},
        {"size": 0},
        {"size": -1},
        {"size": 4.0},
        {"size": True},
        {"scale_factor": (2.0,)},
        {"scale_factor": 0.0},
        {"scale_factor": -1.0},
        {"scale_factor": 0.1},
        {"scale_factor": float("nan")},
        {"scale_factor": 1e30},
        {"size": 4, "recompute_scale_factor": True},
        {"size": 4, "recompute_scale_factor": False},
        {"size": 4, "mode": "cubic"},
        {"size": (0, 4), "mode": "area"},
        {"scale_factor": 0.1, "mode": "area"},
    ],
    ids=str,
)
def test_interpolate_refuses_the_same(options):
    for shape in ((2, 3, 5, 6), (2, 0, 5, 6), (2, 3, 0, 6), (0, 3, 5, 6), (5, 6), (1, 1, 1, 1, 1, 1)):
        x = np.ones(shape)
        compare(lambda x: F.interpolate(x, **options), lambda x: TF.interpolate(x, **options), x)


# -- unflatten ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dim", "sizes"),
    [
        (1, (3, 4)),
        (1, [-1, 6]),
        (-2, (2, 2, 3)),
        (1, (12,)),
        (1, ()),
        (1, (-1, -1)),
        (1, (5, 2)),
        (1, (-2, -6)),
        (3, (1, 1)),
        (0, (0, -1)),
        (0, (2, -1)),
        (2, (0, -1)),
        (2, (3, -1)),
        (2, (3, 0)),
    ],
    ids=str,
)
def test_unflatten(dim, sizes):
    x = arrays((2, 12, 0 if dim == 2 else 5), np.float64)
    compare(lambda x: F.unflatten(x, dim, sizes), lambda x: torch.unflatten(x, dim, sizes), x)


# -- layers -------------------------------------------------------------------------------------

LAYERS = [
    *((f"ConstantPad{n}d", ((1, 2) * n, 1.5), (2, 3, 4, 5, 6)[: n + 2]) for n in (1, 2, 3)),
    *((f"ZeroPad{n}d", (1,), (2, 3, 4, 5, 6)[: n + 2]) for n in (1, 2, 3)),
    *((f"ReflectionPad{n}d", ((1, 2) * n,), (2, 3, 4, 5, 6)[: n + 2]) for n in (1, 2, 3)),
    *((f"ReplicationPad{n}d", (2,), (2, 3, 4, 5, 6)[: n + 2]) for n in (1, 2, 3)),
    *((f"CircularPad{n}d", ((2, 1) * n,), (3, 4, 5, 6)[: n + 1]) for n in (1, 2, 3)),
    ("Unfold", (3,), (2, 4, 6, 7)),
    ("Unfold", ((2, 3), 2, (1, 0), (1, 2)), (4, 6, 7)),
    ("Fold", ((4, 5), 2), (2, 12, 12)),
    ("PixelShuffle", (2,), (2, 8, 3, 4)),
    ("PixelUnshuffle", (2,), (2, 2, 4, 6)),
    ("ChannelShuffle", (2,), (2, 8, 3)),
    ("Upsample", ((5, 7),), (2, 3, 4, 5)),
    ("Upsample", (None, 2, "trilinear", True), (2, 3, 4, 5, 2)),
    ("Upsample", (None, (1.5, 2), "bicubic", None, True), (2, 3, 4, 5)),
    ("UpsamplingNearest2d", (None, 2), (2, 3, 4, 5)),
    ("UpsamplingBilinear2d", ((5, 7),), (2, 3, 4, 5)),
    ("Unflatten", (1, (2, 3)), (2, 6, 4)),
    ("Unflatten", (-1, (2, -1)), (2, 6, 4)),
]


@pytest.mark.parametrize(("name", "arguments", "shape"), LAYERS, ids=str)
def test_layer(name, arguments, shape):
    ours, theirs = getattr(nn, name)(*arguments), getattr(torch.nn, name)(*arguments)
    assert repr(ours) == repr(theirs)
    x = arrays(shape, np.float32)
    assert_same(ours(x), theirs(to_torch(x)))
