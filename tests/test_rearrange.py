"""Padding, sliding blocks and shuffles against their definitions: every result is exact."""

from functools import cache

import numpy as np
import pytest
from autograd.test_util import check_grads

import reference
from arrays import assert_exact, assert_same_bits, covering, generator, small_integers
from convnative import _core, nn, shapes
from convnative import functional as F
from convnative.summary import summary

rng = np.random.default_rng(17)

MODES = ["constant", "reflect", "symmetric", "replicate", "circular"]


def flat(pairs):
    """The pairs of the last axes in torch's order."""
    return tuple(amount for pair in reversed(pairs) for amount in pair)


def random_of(shape, dtype, *key):
    return small_integers(generator(shape, *key), shape).astype(dtype)


# -- pad --------------------------------------------------------------------------------------


@cache
def pad_cases():
    """(mode, shape, pairs): every width up to 67, and every pair of amounts on every pair of axes."""
    cases = []
    for mode in MODES:
        for width in range(1, 68):
            most = min(width - 1 if mode == "reflect" else width, 3 + width % 17)
            cases.append((mode, (2, 3, width), ((most, most // 2),)))
        for axes in (1, 2, 3):
            amounts = [(0, 0), (1, 2), (3, 0), (0, 4), (-1, 2), (2, -1), (-2, -1)]
            rows = covering(
                {
                    **{f"amounts{axis}": amounts for axis in range(axes)},
                    **{f"size{axis}": [5, 6] for axis in range(axes)},
                    "lead": [(2, 3), (4,), (0, 2)],
                },
                key=mode,
            )
            for row in rows:
                sizes = tuple(row[f"size{axis}"] for axis in range(axes))
                pairs = tuple(row[f"amounts{axis}"] for axis in range(axes))
                cases.append((mode, (*row["lead"], *sizes), pairs))
    return cases


def padded(x, pairs, mode):
    """By NumPy; where amounts are negative, by its own rule for each mode."""
    if mode == "circular":  # crops, then wraps
        crops = tuple((min(before, 0), min(after, 0)) for before, after in pairs)
        x = reference.pad(x, crops)
        return reference.pad(x, [(max(b, 0), max(a, 0)) for b, a in pairs], mode)
    return reference.pad(x, pairs, mode)


@pytest.mark.parametrize("mode", MODES)
def test_pad(mode, dtype):
    for case_mode, shape, pairs in pad_cases():
        if case_mode == mode:
            x = random_of(shape, dtype)
            assert_same_bits(F.pad(x, flat(pairs), mode), padded(x, pairs, mode), (shape, pairs))


@pytest.mark.parametrize("mode", MODES)
def test_pad_grad(mode, dtype):
    for case_mode, shape, pairs in pad_cases():
        if case_mode != mode or (mode == "circular" and min(map(min, pairs)) < 0):
            continue
        output = F.pad(np.zeros(shape, dtype), flat(pairs), mode).shape
        g = random_of(output, dtype, "gradient")
        expected = reference.pad_grad(g, shape, pairs, mode)
        assert_exact(_core.pad_grad(g, shape, flat(pairs), mode), expected, dtype, (shape, pairs))


@pytest.mark.parametrize("value", [0.0, -2.5, np.inf, np.nan])
def test_constant_padding_of_many_axes(value, dtype):
    x = random_of((2, 3, 1, 4, 2, 5), dtype)
    pairs = ((1, 0), (0, 2), (2, 1), (-1, 1), (0, 0), (3, -2))
    assert_same_bits(
        F.pad(x, flat(pairs), value=value), reference.pad(x, pairs, "constant", np.array(value, dtype))
    )


def test_padding_of_nothing():
    x = np.zeros((2, 0, 3))
    assert F.pad(x, (1, 1), value=2.0).shape == (2, 0, 5)
    np.testing.assert_array_equal(F.pad(x, (0, 0, 1, 2), value=2.0), np.full((2, 3, 3), 2.0))
    np.testing.assert_array_equal(F.pad(np.array(3.0), ()), 3.0)
    assert F.pad(np.zeros((0, 2, 3)), (1, 1), "reflect").shape == (0, 2, 5)
    np.testing.assert_array_equal(F.pad(np.ones((1, 3)), (-2, -1), "reflect"), np.ones((1, 0)))


def test_the_gradient_of_much_replicated_elements_is_accurate():
    """100 000 terms of float32, of which a plain sum would lose the last digits."""
    g = np.full((1, 100_003), 0.1, np.float32)
    result = _core.pad_grad(g, (1, 3), (100_000, 0), "replicate")
    np.testing.assert_allclose(result[0, 0], np.float32(0.1) * 100_001.0, rtol=1e-6)


# -- sliding blocks ---------------------------------------------------------------------------


@cache
def unfold_cases():
    """(shape, kernel, dilation, padding, stride) for one to three axes, and every width up to 67."""
    cases = [((2, 2, 3, width), (2, 3), 1, 1, (1, 1 + width % 2)) for width in range(1, 68)]
    for axes in (1, 2, 3):
        rows = covering(
            {
                **{f"kernel{axis}": [1, 2, 3] for axis in range(axes)},
                **{f"dilation{axis}": [1, 2] for axis in range(axes)},
                **{f"padding{axis}": [(0, 0), (1, 0), (0, 2), (3, 3)] for axis in range(axes)},
                **{f"stride{axis}": [1, 2, 3] for axis in range(axes)},
                "lead": [(2, 3), (2,), (0, 1)],
            }
        )
        for row in rows:
            each = [tuple(row[f"{name}{axis}"] for axis in range(axes)) for name in SETTINGS]
            cases.append(((*row["lead"], *(5, 7, 6)[:axes]), *each))
    return cases


SETTINGS = ("kernel", "dilation", "padding", "stride")


def test_unfold(dtype):
    for shape, *window in unfold_cases():
        x = random_of(shape, dtype)
        assert_same_bits(F.unfold(x, *window), reference.unfold(x, *window), (shape, window))


def test_fold(dtype):
    for shape, *window in unfold_cases():
        sizes = shape[-len(window[0]) :]
        columns = random_of(F.unfold(np.zeros(shape, dtype), *window).shape, dtype)
        expected = reference.fold(columns, sizes, *window)
        assert_exact(F.fold(columns, sizes, *window), expected, dtype, (shape, window))


def test_rows_longer_than_a_task(dtype):
    x = random_of((1, 1, 40_001), dtype)
    assert_same_bits(F.unfold(x, (3,), 2, 1, 2), reference.unfold(x, (3,), 2, 1, 2))
    columns = F.unfold(x, (3,), 2, 1, 2)
    assert_exact(
        F.fold(columns, (40_001,), (3,), 2, 1, 2), reference.fold(columns, (40_001,), (3,), 2, 1, 2), dtype
    )
    assert_same_bits(F.pad(x, (7, 30_000), "reflect"), reference.pad(x, ((7, 30_000),), "reflect"))


# -- order of axes ----------------------------------------------------------------------------


def test_permute(dtype):
    for sizes in (
        (1,),
        (67,),
        (33, 35),
        (64, 3),
        (3, 64),
        (2, 1, 31),
        (5, 4, 3, 2),
        (2, 3, 1, 4, 33),
        (2, 0, 3),
    ):
        x = random_of(sizes, dtype)
        for _ in range(8):
            order = tuple(map(int, rng.permutation(len(sizes))))
            expected = x.transpose(order)
            assert_same_bits(_core.permute(x, sizes, order, expected.shape), expected.copy(), (sizes, order))
    x = random_of((300, 5000), dtype)  # many tiles and tasks
    assert_same_bits(_core.permute(x, x.shape, (1, 0), (5000, 300)), x.T.copy())


@pytest.mark.parametrize("order", ["crd", "dcr"])
@pytest.mark.parametrize("shape", [(2, 8, 3, 5), (4, 1, 1), (2, 3, 4, 2, 2), (0, 4, 2, 2)], ids=str)
def test_pixel_shuffle(shape, order, dtype):
    x = random_of(shape, dtype)
    *lead, channels, height, width = shape
    y = F.pixel_shuffle(x, 2, order=order)
    assert y.shape == (*lead, channels // 4, 2 * height, 2 * width)
    for c, i, j in np.ndindex(channels // 4, 2, 2):
        source = (c * 2 + i) * 2 + j if order == "crd" else (i * 2 + j) * (channels // 4) + c
        assert_same_bits(y[..., c, i::2, j::2].copy(), x[..., source, :, :].copy())
    assert_same_bits(F.pixel_unshuffle(y, 2, order=order), x)


def test_channel_shuffle_deals_the_groups_out():
    x = random_of((2, 12, 3), np.float64)
    assert_same_bits(F.channel_shuffle(F.channel_shuffle(x, 3), 4), x)
    assert_same_bits(F.channel_shuffle(x, 3)[:, :3], x[:, [0, 4, 8]])


# -- what every one of them promises ----------------------------------------------------------

OPERATIONS = {
    "constant": (lambda x: F.pad(x, (1, -2, 3, 0), value=1.5), (2, 3, 5, 6)),
    **{mode: (lambda x, mode=mode: F.pad(x, (3, 2, 0, 1), mode), (2, 3, 5, 6)) for mode in MODES[1:]},
    "unfold": (lambda x: F.unfold(x, (2, 3), 1, (1, 2), (1, 2)), (2, 3, 5, 6)),
    "fold": (lambda x: F.fold(x, (4, 5), (2, 3), 1, (1, 2), (1, 2)), (2, 12, 20)),
    "pixel_shuffle": (lambda x: F.pixel_shuffle(x, 2), (2, 8, 3, 5)),
    "pixel_unshuffle": (lambda x: F.pixel_unshuffle(x, 2, order="dcr"), (2, 3, 4, 6)),
    "channel_shuffle": (lambda x: F.channel_shuffle(x, 2), (2, 4, 3)),
    "unflatten": (lambda x: F.unflatten(x, 1, (2, -1)), (2, 4, 3)),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_derivatives(name):
    function, shape = OPERATIONS[name]
    check_grads(function, modes=["fwd", "rev"], order=2)(rng.standard_normal(shape))


@pytest.mark.parametrize("name", OPERATIONS)
def test_any_memory_layout(name, layouts, dtype):
    function, shape = OPERATIONS[name]
    x = rng.standard_normal(shape).astype(dtype)
    expected = function(x)
    for layout, array in layouts(x):
        if layout != "broadcast" and name != "unflatten":
            assert_same_bits(function(array), expected, layout)


@pytest.mark.parametrize("name", OPERATIONS)
def test_empty_batches(name):
    function, shape = OPERATIONS[name]
    x = np.zeros((0, *shape[1:]))
    assert function(x).shape == (0, *function(np.zeros(shape)).shape[1:])


def test_threads_change_no_bit(threads):
    x = np.random.default_rng(1).standard_normal((3, 8, 90, 91)).astype(np.float32)
    _core.set_num_threads(1)
    runs = [
        lambda: F.pad(x, (5, 6, 7, 8), "reflect"),
        lambda: _core.pad_grad(x, (3, 8, 80, 81), (5, 5, 4, 6), "circular"),
        lambda: F.unfold(x, 3, 1, 1),
        lambda: F.fold(F.unfold(x, 3, 1, 1), (90, 91), 3, 1, 1),
        lambda: F.pixel_shuffle(x, 2),
    ]
    expected = [run() for run in runs]
    _core.set_num_threads(threads)
    for run, alone in zip(runs, expected, strict=True):
        assert_same_bits(run(), alone)


# -- shapes -----------------------------------------------------------------------------------


def test_shapes_agree_with_the_functions():
    for _, shape, pairs in pad_cases()[::11]:
        expected = F.pad(np.zeros(shape), flat(pairs)).shape
        assert shapes.pad_output_shape(shape, flat(pairs)) == expected
    for shape, *window in unfold_cases()[::3]:
        columns = F.unfold(np.zeros(shape), *window).shape
        assert shapes.unfold_output_shape(shape, *window) == columns
        sizes = shape[-len(window[0]) :]
        assert shapes.fold_output_shape(columns, sizes, *window) == shape
    assert shapes.pixel_shuffle_output_shape((2, 8, 3, 5), 2) == (2, 2, 6, 10)
    assert shapes.pixel_unshuffle_output_shape((2, 8, 4, 6), 2) == (2, 32, 2, 3)


def test_shapes_of_names():
    assert str(shapes.pad_output_shape(("N", "C", "W"), (2, -1))) == "(N, C, W + 1)"
    assert str(shapes.unfold_output_shape(("N", "C", 5, "W"), 3, 1, 1)) == "(N, 9*C, 5*W)"
    assert str(shapes.pixel_shuffle_output_shape(("N", 4, "H", "W"), 2)) == "(N, 1, 2*H, 2*W)"
    with pytest.raises(ValueError, match=r"^upscale_factor: "):
        shapes.pixel_shuffle_output_shape(("N", "C", "H", "W"), 2)
    with pytest.raises(ValueError, match=r"^input_shape: "):
        shapes.fold_output_shape((2, 9, 5), (4, 4), 3)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.ReflectionPad2d((1, 2, 0, 1)), (2, 3, 5, 6)),
        (nn.ConstantPad3d(1, 0.5), (2, 3, 5, 6, 4)),
        (nn.Unfold(3, padding=1), (2, 3, 5, 6)),
        (nn.Fold((4, 5), 2), (2, 12, 12)),
        (nn.PixelShuffle(2), (2, 8, 3, 5)),
        (nn.PixelUnshuffle(2), (2, 3, 4, 6)),
        (nn.ChannelShuffle(2), (2, 4, 3)),
        (nn.Unflatten(1, (2, 2)), (2, 4, 3)),
    ],
    ids=str,
)
def test_summary_knows_the_layers(layer, shape):
    assert summary(layer, shape).output_shape == layer(np.zeros(shape, np.float32)).shape


def test_padding_moves_the_receptive_field():
    model = nn.Sequential(nn.ZeroPad2d((1, 2, 3, 4)), nn.Conv2d(1, 1, 3))
    row = summary(model, (1, 1, 8, 8)).layers[-1]
    assert [axis.start for axis in row.receptive_field] == [-3, -1]
    assert [axis.size for axis in row.receptive_field] == [3, 3]


# -- bad input --------------------------------------------------------------------------------

IMAGE = np.ones((1, 2, 5, 6))
COLUMNS = np.ones((1, 8, 20))
ERRORS = {
    "pad list": (lambda: F.pad([[1.0]], (1, 1)), TypeError, "input"),
    "pad int": (lambda: F.pad(IMAGE, 1), TypeError, "pad"),
    "pad bool": (lambda: F.pad(IMAGE, (True, False)), TypeError, "pad"),
    "pad mode type": (lambda: F.pad(IMAGE, (1, 1), 3), TypeError, "mode"),
    "pad huge": (lambda: F.pad(IMAGE, (2**62, 2**62)), OverflowError, "pad"),
    "pad beyond int64": (lambda: F.pad(IMAGE, (2**64, 0)), OverflowError, "pad"),
    "pad bytes": (lambda: F.pad(IMAGE, (2**60, 2**60)), OverflowError, "pad"),
    "pad memory": (lambda: F.pad(IMAGE, (2**48, 0)), MemoryError, None),
    "pad crop": (lambda: F.pad(IMAGE, (9, -7)), ValueError, "pad"),
    "pad symmetric": (lambda: F.pad(IMAGE[0], (7, 0), "symmetric"), ValueError, "pad"),
    "pad channels": (lambda: F.pad(IMAGE[:, :0], (1, 1, 1, 1), "reflect"), ValueError, "input"),
    "pad value type": (lambda: F.pad(IMAGE, (1, 1), value="0"), TypeError, "value"),
    "pad value array": (lambda: F.pad(IMAGE, (1, 1), value=np.ones(1)), TypeError, "value"),
    "pad complex": (lambda: F.pad(IMAGE.astype(complex), (1, 1)), TypeError, "input"),
    "unfold list": (lambda: F.unfold([1.0], 2), TypeError, "input"),
    "unfold integers": (lambda: F.unfold(IMAGE.astype(int), 2), TypeError, "input"),
    "unfold rank": (lambda: F.unfold(IMAGE[0, 0], 2), ValueError, "input"),
    "unfold kernel": (lambda: F.unfold(IMAGE, 0), ValueError, "kernel_size"),
    "unfold large kernel": (lambda: F.unfold(IMAGE, 7), ValueError, "kernel_size"),
    "unfold huge kernel": (lambda: F.unfold(IMAGE, 2**62, padding=2**62), OverflowError, ""),
    "unfold stride": (lambda: F.unfold(IMAGE, 2, stride=0), ValueError, "stride"),
    "unfold dilation": (lambda: F.unfold(IMAGE, 2, dilation=(1, 0)), ValueError, "dilation"),
    "unfold huge dilation": (lambda: F.unfold(IMAGE, 3, dilation=2**62), OverflowError, "dilation"),
    "unfold padding": (lambda: F.unfold(IMAGE, 2, padding=-1), ValueError, "padding"),
    "unfold four axes": (lambda: F.unfold(IMAGE, (2, 2, 2, 2)), ValueError, "axes"),
    "unfold channels": (lambda: F.unfold(IMAGE[:, :0], 2), ValueError, "input"),
    "unfold empty": (lambda: F.unfold(IMAGE[..., :0], 2, padding=2), ValueError, "input"),
    "unfold memory": (lambda: F.unfold(IMAGE, 2, padding=2**22), MemoryError, None),
    "fold rank": (lambda: F.fold(IMAGE, (5, 6), 2), ValueError, "input"),
    "fold rows": (lambda: F.fold(COLUMNS[:, :7], (5, 6), 2), ValueError, "input"),
    "fold blocks": (lambda: F.fold(COLUMNS, (5, 5), 2), ValueError, "input"),
    "fold size": (lambda: F.fold(COLUMNS, (5, 0), 2), ValueError, "output_size"),
    "fold floats": (lambda: F.fold(COLUMNS, (5.0, 6.0), 2), TypeError, "output_size"),
    "fold huge": (lambda: F.fold(COLUMNS, (2**62, 2**62), 2), OverflowError, "output_size"),
    "pixel_shuffle channels": (lambda: F.pixel_shuffle(IMAGE, 2), ValueError, "upscale_factor"),
    "pixel_shuffle zero": (lambda: F.pixel_shuffle(IMAGE, 0), ValueError, "upscale_factor"),
    "pixel_shuffle float": (lambda: F.pixel_shuffle(IMAGE, 2.0), TypeError, "upscale_factor"),
    "pixel_shuffle rank": (lambda: F.pixel_shuffle(IMAGE[0, 0], 1), ValueError, "input"),
    "pixel_shuffle order": (lambda: F.pixel_shuffle(COLUMNS, 1, order="rcd"), ValueError, "order"),
    "pixel_shuffle list": (lambda: F.pixel_shuffle([1.0], 1), TypeError, "input"),
    "pixel_shuffle integers": (lambda: F.pixel_shuffle(IMAGE.astype(int), 1), TypeError, "input"),
    "pixel_unshuffle": (lambda: F.pixel_unshuffle(IMAGE, 2), ValueError, "downscale_factor"),
    "channel_shuffle": (lambda: F.channel_shuffle(IMAGE, 3), ValueError, "groups"),
    "channel_shuffle rank": (lambda: F.channel_shuffle(IMAGE[0, 0], 1), ValueError, "input"),
    "unflatten product": (lambda: F.unflatten(IMAGE, 1, (3, 1)), ValueError, "sizes"),
    "unflatten int": (lambda: F.unflatten(IMAGE, 1, 2), TypeError, "sizes"),
    "unflatten axis": (lambda: F.unflatten(IMAGE, 4, (1, 1)), IndexError, "dim"),
    "Unflatten": (lambda: nn.Unflatten(1, 2), TypeError, "unflattened_size"),
    "ReflectionPad2d": (lambda: nn.ReflectionPad2d((1, 2)), ValueError, "padding"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_name_the_argument(case):
    call, kind, name = ERRORS[case]
    with pytest.raises(kind) as caught:
        call()
    assert type(caught.value) is kind or issubclass(type(caught.value), MemoryError)
    if name is not None:
        assert str(caught.value).startswith(f"{name}: " if name else ""), caught.value
        assert "expected" in str(caught.value)
        assert "received" in str(caught.value)
