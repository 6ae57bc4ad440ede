"""
Agreement with torch on every pool: values, indices, gradients and what is refused.

Torch is never needed to use or to build this package; where it is not installed, these tests skip.
"""

import numpy as np
import pytest
from autograd import grad
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from convnative import functional as F
from convnative import nn

torch = pytest.importorskip("torch", reason="torch is not installed: agreement with it is not checked")
TF = torch.nn.functional

TOLERANCE = {
    np.dtype(np.float32): {"rtol": 2e-5, "atol": 2e-5},
    np.dtype(np.float64): {"rtol": 1e-10, "atol": 1e-12},
}


def to_torch(value):
    return torch.from_numpy(np.array(value)) if isinstance(value, (np.ndarray, np.generic)) else value


def assert_same(ours, theirs):
    theirs = theirs.detach().numpy()
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype
    if theirs.dtype.kind == "f":
        np.testing.assert_allclose(ours, theirs, **TOLERANCE[theirs.dtype])
    else:
        np.testing.assert_array_equal(ours, theirs)


def compare(name, x, *arguments, gradient=True, **options):
    """The result, the indices where they are asked for, and the gradient of a random combination."""
    tensor = to_torch(x).requires_grad_()
    theirs = getattr(TF, name)(
        tensor, *map(to_torch, arguments), **{k: to_torch(v) for k, v in options.items()}
    )
    ours = getattr(F, name)(x, *arguments, **options)
    if isinstance(theirs, tuple):
        assert_same(ours[1], theirs[1])
        ours, theirs = ours[0], theirs[0]
    assert_same(ours, theirs)
    if not gradient:
        return
    g = np.random.default_rng(0).standard_normal(ours.shape).astype(x.dtype)
    theirs.backward(to_torch(g))

    def combination(x):
        y = getattr(F, name)(x, *arguments, **options)
        return ((y[0] if isinstance(y, tuple) else y) * g).sum()

    with np.errstate(invalid="ignore"):  # the sum of infinities
        assert_same(grad(combination)(x), tensor.grad)


FLOATS = st.sampled_from([np.float32, np.float64])
KINDS = st.sampled_from(["normal", "ties", "hostile"])


def draw_array(seed, shape, dtype, kind):
    rng = np.random.default_rng(seed)
    if kind == "normal":
        return rng.standard_normal(shape).astype(dtype)
    if kind == "ties":
        return rng.integers(-1, 2, shape).astype(dtype)
    return rng.choice(np.array([0.0, -0.0, 1.0, np.inf, -np.inf, -np.inf, np.nan], dtype), shape)


@st.composite
def inputs(draw, axes, smallest=1, kinds=KINDS):
    batch = draw(st.sampled_from([(), (0,), (1,), (2,)]))
    sizes = tuple(draw(st.lists(st.integers(smallest, 9), min_size=axes, max_size=axes)))
    shape = (*batch, draw(st.integers(1, 3)), *sizes)
    return draw_array(draw(st.integers(0, 999)), shape, draw(FLOATS), draw(kinds))


@st.composite
def windows(draw, axes, sizes, with_dilation=True):
    """kernel, stride, padding, dilation, ceil_mode that torch takes for these sizes."""
    kernel, stride, padding, dilation = [], [], [], []
    for size in sizes:
        d = draw(st.integers(1, 2)) if with_dilation else 1
        k = draw(st.integers(1, 4))
        p = draw(st.integers(0, k // 2))
        while d * (k - 1) + 1 > size + 2 * p:
            k, d, p = k - 1 or 1, 1, 0
        kernel.append(k), stride.append(draw(st.integers(1, 4))), padding.append(p), dilation.append(d)
    return tuple(kernel), tuple(stride), tuple(padding), tuple(dilation), draw(st.booleans())


@pytest.mark.parametrize("axes", [1, 2, 3])
@given(data=st.data())
@settings(max_examples=40)
def test_max_pool(axes, data):
    x = data.draw(inputs(axes))
    geometry = data.draw(windows(axes, x.shape[-axes:]))
    return_indices = data.draw(st.booleans())
    # A window without an element has an index beyond the plane in torch, whose gradient writes there.
    assume((getattr(F, f"max_pool{axes}d")(x, *geometry, True)[1] >= 0).all())
    compare(f"max_pool{axes}d", x, *geometry, return_indices)


@pytest.mark.parametrize("axes", [1, 2, 3])
@given(data=st.data())
@settings(max_examples=40)
def test_avg_pool(axes, data):
    x = data.draw(inputs(axes, kinds=st.just("normal")))
    kernel, stride, padding, _, ceil_mode = data.draw(windows(axes, x.shape[-axes:], with_dilation=False))
    # torch's average of volumes takes no kernel larger than the input, even where padding makes room.
    assume(axes < 3 or all(k <= size for k, size in zip(kernel, x.shape[-axes:], strict=True)))
    options = [data.draw(st.booleans())]
    if axes > 1:
        options.append(data.draw(st.sampled_from([None, 5, -3])))
    compare(f"avg_pool{axes}d", x, kernel, stride, padding, ceil_mode, *options)


@pytest.mark.parametrize("axes", [1, 2, 3])
@given(data=st.data())
@settings(max_examples=40)
def test_lp_pool(axes, data):
    x = data.draw(inputs(axes, kinds=st.just("normal")))
    kernel, stride, _, _, ceil_mode = data.draw(windows(axes, x.shape[-axes:], with_dilation=False))
    kernel = tuple(min(k, size) for k, size in zip(kernel, x.shape[-axes:], strict=True))
    p = data.draw(st.sampled_from([1, 2, 3, 4, 0.5, 1.5, -1, float("inf"), -float("inf")]))
    if p in (0.5, 1.5, -1, 3):  # away from where values or slopes have no limit
        x = np.abs(x) + x.dtype.type(0.1)
    if data.draw(st.booleans()) and p in (1, 2, 4):
        x[..., ::2] = 0
    compare(f"lp_pool{axes}d", x, p, kernel[0] if axes == 1 else kernel, stride, ceil_mode)


def test_lp_pool_of_negative_sums(dtype):
    x = np.array([[-1, -2, 3, 0, 0, 0]], dtype)
    for p in (1, 2, 3):
        with np.errstate(invalid="ignore"):
            compare("lp_pool1d", x, p, 2)


@pytest.mark.parametrize("axes", [1, 2, 3])
@given(data=st.data())
@settings(max_examples=40)
def test_adaptive_pools(axes, data):
    x = data.draw(inputs(axes))
    lowest = st.none() if axes > 1 else st.just(1)
    size = tuple(data.draw(st.lists(st.one_of(st.integers(1, 12), lowest), min_size=axes, max_size=axes)))
    if len(set(size)) == 1 and size[0] is not None:
        size = size[0]
    compare(f"adaptive_max_pool{axes}d", x, size, data.draw(st.booleans()))
    x = draw_array(1, x.shape, x.dtype, "normal")
    compare(f"adaptive_avg_pool{axes}d", x, size)


@pytest.mark.parametrize("axes", [2, 3])
@given(data=st.data())
@settings(max_examples=40)
def test_fractional_max_pool(axes, data):
    x = data.draw(inputs(axes, smallest=4))
    kernel, output = [], []
    for size in x.shape[-axes:]:
        kernel.append(data.draw(st.integers(1, 3)))
        output.append(data.draw(st.integers(1, size - kernel[-1] + 3 - axes)))
    lead = x.shape[:-axes] if x.ndim == axes + 2 else (1, *x.shape[:-axes])
    samples = np.random.default_rng(data.draw(st.integers(0, 99))).random((*lead, axes)).astype(x.dtype)
    assume(x.size)  # torch has no gradient for an empty batch
    compare(
        f"fractional_max_pool{axes}d",
        x,
        tuple(kernel),
        tuple(output),
        None,
        data.draw(st.booleans()),
        samples,
    )


@pytest.mark.parametrize("ratio", [(0.5, 0.7), (0.3, 0.99)])
def test_fractional_ratio(ratio, dtype):
    x = draw_array(0, (2, 3, 11, 13), dtype, "normal")
    samples = np.random.default_rng(0).random((2, 3, 2)).astype(dtype)
    compare("fractional_max_pool2d", x, 2, None, ratio, _random_samples=samples)


@pytest.mark.parametrize("axes", [1, 2, 3])
@given(data=st.data())
@settings(max_examples=40)
def test_max_unpool(axes, data):
    x = data.draw(inputs(axes, kinds=st.just("normal")))
    kernel, stride, padding, _, _ = data.draw(windows(axes, (9,) * axes, with_dilation=False))
    usual = [
        (n - 1) * s + k - 2 * p for n, s, k, p in zip(x.shape[-axes:], stride, kernel, padding, strict=True)
    ]
    output = [max(u + data.draw(st.integers(1 - s, s - 1)), 0) for u, s in zip(usual, stride, strict=True)]
    output_size = data.draw(st.sampled_from([None, tuple(output)]))
    plane = int(np.prod(usual if output_size is None else output))
    count = int(np.prod(x.shape[-axes:]))
    assume(min(usual) > 0 and plane >= count)
    # In torch it is left open which of several values for one place stays.
    rng = np.random.default_rng(0)
    planes = [rng.permutation(plane)[:count] for _ in range(int(np.prod(x.shape[:-axes])))]
    indices = np.array(planes, np.int64).reshape(x.shape)
    compare(f"max_unpool{axes}d", x, indices, kernel, stride, padding, output_size)


def refused(call):
    try:
        call()
    except Exception:  # whatever torch raises
        return True
    return False


REFUSED = {
    "kernel 0": ("max_pool2d", (0,), {}),
    "stride 0": ("max_pool2d", (2, 0), {}),
    "padding beyond half": ("max_pool2d", (3, 1, 2), {}),
    "padding beyond half, dilated": ("max_pool2d", (2, 1, 2, 3), {}),
    "negative padding": ("max_pool1d", (2, 1, -1), {}),
    "window beyond the input": ("max_pool2d", (7,), {}),
    "average window beyond the input": ("avg_pool2d", (7,), {}),
    "average padding": ("avg_pool2d", (3, 1, 2), {}),
    "divisor 0": ("avg_pool2d", (2, None, 0, False, True, 0), {}),
    "p 0": ("lp_pool2d", (0, 2), {}),
    "negative output": ("adaptive_avg_pool2d", (-1,), {}),
    "output of 3": ("adaptive_avg_pool2d", ((1, 2, 3),), {}),
    "output of 1": ("adaptive_max_pool2d", ((1,),), {}),
    "no output": ("adaptive_avg_pool2d", (None,), {}),
    "fractional none": ("fractional_max_pool2d", (2,), {}),
    "fractional large": ("fractional_max_pool2d", (2, 6), {}),
    "fractional samples": (
        "fractional_max_pool2d",
        (2, 3),
        {"_random_samples": np.zeros((1, 1, 2), np.float32)},
    ),
    "fractional dtype": ("fractional_max_pool2d", (2, 3), {"_random_samples": np.zeros((1, 2, 2))}),
    "unpool below": ("max_unpool2d", (np.full((1, 2, 6, 6), -1), 2), {}),
    "unpool beyond": ("max_unpool2d", (np.full((1, 2, 6, 6), 144), 2), {}),
    "unpool far beyond": ("max_unpool2d", (np.full((1, 2, 6, 6), 2**32 + 3), 2), {}),
    "unpool shape": ("max_unpool2d", (np.zeros((1, 2, 6, 5), np.int64), 2), {}),
    "unpool size": (
        "max_unpool2d",
        (np.zeros((1, 2, 6, 6), np.int64), 2),
        {"output_size": (12, 15)},
    ),
    "unpool size of int": ("max_unpool2d", (np.zeros((1, 2, 6, 6), np.int64), 2), {"output_size": 12}),
    "unpool floats": ("max_unpool2d", (np.zeros((1, 2, 6, 6), np.float32), 2), {}),
    "rank": ("adaptive_max_pool3d", (2,), {}),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_torch_refuses_is_refused(name):
    function, arguments, options = REFUSED[name]
    x = np.ones((2, 6, 6) if name == "rank" else (1, 2, 6, 6), np.float32)
    assert refused(
        lambda: getattr(TF, function)(
            to_torch(x), *map(to_torch, arguments), **{k: to_torch(v) for k, v in options.items()}
        )
    )
    with pytest.raises((ValueError, TypeError, IndexError)):
        getattr(F, function)(x, *arguments, **options)


@pytest.mark.parametrize("spatial", [(0, 5), (5, 0)])
@pytest.mark.parametrize("name", ["adaptive_avg_pool2d", "adaptive_max_pool2d"])
def test_empty_planes_are_refused(name, spatial):
    assert refused(lambda: getattr(TF, name)(torch.ones(1, 2, *spatial), 2))
    with pytest.raises(ValueError, match=r"^input"):
        getattr(F, name)(np.ones((1, 2, *spatial)), 2)


def test_no_channels():
    assert F.adaptive_avg_pool2d(np.ones((1, 0, 5, 5)), 2).shape == (1, 0, 2, 2)
    assert TF.adaptive_avg_pool2d(torch.ones(1, 0, 5, 5), 2).shape == (1, 0, 2, 2)


LAYERS = [
    ("MaxPool1d", (2,), {}),
    ("MaxPool1d", (3, 2, 1, 1, True, True), {}),
    ("MaxPool2d", ((2, 3), 1, 1, 2, False, True), {}),
    ("MaxPool2d", (2,), {"return_indices": True}),
    ("MaxPool3d", (2, 1), {}),
    ("AvgPool1d", (3, 2, 1, True, False), {}),
    ("AvgPool2d", (3, 2, 1, True, False, 7), {}),
    ("AvgPool3d", ((1, 2, 2),), {}),
    ("LPPool1d", (2, 3), {}),
    ("LPPool2d", (4, (2, 2), 1, True), {}),
    ("LPPool3d", (2, 2), {}),
    ("AdaptiveAvgPool1d", (2,), {}),
    ("AdaptiveAvgPool2d", ((None, 2),), {}),
    ("AdaptiveAvgPool3d", (1,), {}),
    ("AdaptiveMaxPool1d", (2, True), {}),
    ("AdaptiveMaxPool2d", (2,), {}),
    ("AdaptiveMaxPool3d", ((1, None, 2),), {}),
]


@pytest.mark.parametrize(("name", "arguments", "options"), LAYERS, ids=str)
def test_layer(name, arguments, options):
    ours = getattr(nn, name)(*arguments, **options)
    theirs = getattr(torch.nn, name)(*arguments, **options)
    assert repr(ours) == repr(theirs)
    x = draw_array(0, (2, 3, 7, 8, 9)[: int(name[-2]) + 2], np.float32, "normal")
    mine, expected = ours(x), theirs(to_torch(x))
    if isinstance(expected, tuple):
        assert_same(mine[1], expected[1])
        mine, expected = mine[0], expected[0]
    assert_same(mine, expected)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_unpool_layer(axes):
    arguments = (3, 2, 1)
    pool, unpool = getattr(nn, f"MaxPool{axes}d"), getattr(nn, f"MaxUnpool{axes}d")(*arguments)
    theirs = getattr(torch.nn, f"MaxUnpool{axes}d")(*arguments)
    assert repr(unpool) == repr(theirs)
    x = draw_array(0, (2, 3, 7, 8, 9)[: axes + 2], np.float32, "normal")
    y, indices = pool(*arguments, return_indices=True)(x)
    assert_same(unpool(y, indices, x.shape), theirs(to_torch(y), to_torch(indices), x.shape))


@pytest.mark.parametrize("axes", [2, 3])
def test_fractional_layer(axes):
    x = draw_array(0, (2, 3, 7, 8, 9)[: axes + 2], np.float32, "normal")
    samples = np.random.default_rng(0).random((2, 3, axes)).astype(np.float32)
    name = f"FractionalMaxPool{axes}d"
    for options in ({"output_size": 4}, {"output_ratio": 0.6}, {"output_ratio": (0.5, 0.6, 0.7)[:axes]}):
        ours = getattr(nn, name)(2, **options, _random_samples=samples)
        theirs = getattr(torch.nn, name)(2, **options, _random_samples=to_torch(samples))
        assert repr(ours) == repr(theirs)
        assert_same(ours(x), theirs(to_torch(x)))
