"""Packed weights and epilogues: the same bits as the layer, then the residual, then the activation."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

import numpy as np
import pytest
from autograd import grad

import convnative as cn
from arrays import assert_same_bits, generator
from convnative import _core, nn
from convolutions import algorithms

ACTIVATIONS = [
    ("relu", ()),
    ("hardtanh", (0.0, 6.0)),
    ("leaky_relu", (0.25,)),
    ("hardswish", ()),
    ("silu", ()),
]

# input, weight, stride, padding, dilation, groups
FORWARD = [
    ((2, 16, 13, 17), (24, 16, 3, 3), 1, 1, 1, 1),
    ((1, 6, 29, 31), (10, 3, 3, 3), 1, ((0, 2), (1, 0)), 1, 2),
    ((3, 5, 7, 5), (67, 5, 3, 2), (2, 3), 1, (1, 2), 1),
    ((16, 9, 9), (31, 16, 3, 3), 1, 1, 1, 1),
    ((2, 4, 6, 6), (4, 1, 3, 3), 1, 1, 1, 4),
    ((2, 5, 17, 19), (5, 1, 3, 3), 1, 2, 2, 5),
    ((1, 2, 70, 290), (2, 1, 3, 3), 1, 1, 1, 2),
    ((1, 1, 40, 70), (1, 1, 5, 5), 1, 2, 1, 1),
    ((1, 700, 5, 5), (17, 700, 1, 1), 1, 0, 1, 1),
    ((0, 3, 8, 8), (4, 3, 3, 3), 1, 1, 1, 1),
    ((3, 6, 5, 4), (21, 6, 5, 4), 1, 0, 1, 1),
    ((19, 700, 1, 1), (50, 700, 1, 1), 1, 0, 1, 1),
    ((2, 17, 5, 90), (20, 17, 1, 3), 1, (0, 21), (1, 21), 1),
    ((3, 40, 1, 2), (21, 40, 3, 3), 1, 1, 1, 1),
    ((3, 21, 9, 8), (42, 1, 4, 4), 3, 1, 1, 21),
]
# input, weight, stride, padding, output_padding, groups, dilation
TRANSPOSED = [
    ((2, 16, 13, 17), (16, 24, 3, 3), 1, 1, 0, 1, 1),
    ((2, 8, 7, 5), (8, 3, 2, 2), 2, 0, 1, 2, 1),
    ((1, 5, 6, 4), (5, 9, 1, 1), 3, 0, 2, 1, 1),
    ((9, 20, 1, 1), (20, 7, 4, 3), 1, 0, 0, 1, 1),
    ((2, 21, 9, 70), (21, 1, 4, 4), (3, 2), 1, (2, 1), 21, 1),
    ((1, 5, 6, 4), (5, 1, 1, 2), 3, 0, 1, 5, 1),
    ((4, 24, 1, 1), (24, 17, 3, 3), 1, 1, 0, 1, 1),
    ((2, 42, 5, 6), (42, 1, 4, 4), 3, 1, 1, 21, 1),
]


def arrays(case, dtype, result_shape, *, transposed=False, special=False):
    x_shape, w_shape, *geometry = case
    rng = generator("prepared", case)
    outs = w_shape[1] * geometry[3] if transposed else w_shape[0]
    x, w, b, r = (rng.standard_normal(s).astype(dtype) for s in (x_shape, w_shape, (outs,), result_shape))
    if special and x.size:
        x.flat[x.size // 2], x.flat[-1], r.flat[0] = np.inf, np.nan, -np.inf
    return x, w, b, r


def in_passes_of_their_own(y, residual, activation):
    with np.errstate(invalid="ignore"):  # an infinity less an infinity
        y = y if residual is None else y + residual
    return y if activation is None else _core.activation_forward(y, *activation)


def planned(explain, cases, algorithm):
    """The cases that the algorithm applies to, with what their plans say."""
    for case in cases:
        with suppress(ValueError):
            yield case, explain(*case, algorithm=algorithm)


@pytest.mark.parametrize("special", [False, True], ids=["finite", "special"])
@pytest.mark.parametrize("algorithm", [*algorithms("forward", strict=False), *algorithms("forward")])
def test_forward(algorithm, special, dtype, isa):
    plans = list(planned(partial(_core.conv_explain, "forward", str(dtype)), FORWARD, algorithm))
    if not plans:
        pytest.skip(f"{algorithm} is for another type")
    for case, plan in plans:
        x_shape, _, *geometry = case
        x, w, b, r = arrays(case, dtype, plan["output_shape"], special=special)
        y = _core.conv_forward(2, x, w, b, *geometry, algorithm=algorithm)
        for activation in (None, *ACTIVATIONS):
            options = {"activation": activation, "algorithm": algorithm}
            prepared = _core.prepare_conv(2, x_shape, w, b, *geometry, **options)
            assert prepared.explain()["algorithm"] == algorithm
            for residual in (None, r):
                expected = in_passes_of_their_own(y, residual, activation)
                assert_same_bits(prepared(x, residual), expected, (case, activation))
            fused = _core.conv_forward(2, x, w, b, *geometry, **options)
            assert_same_bits(fused, in_passes_of_their_own(y, None, activation), (case, activation))


@pytest.mark.parametrize("algorithm", [*algorithms("grad_input", strict=False), *algorithms("grad_input")])
def test_transposed(algorithm, dtype, isa):
    plans = list(planned(partial(_core.conv_transpose_explain, str(dtype)), TRANSPOSED, algorithm))
    if not plans:
        pytest.skip(f"{algorithm} is for another type")
    for case, plan in plans:
        x_shape, _, *geometry = case
        x, w, b, r = arrays(case, dtype, plan["output_shape"], transposed=True)
        y = _core.conv_transpose_forward(2, x, w, b, *geometry, algorithm=algorithm)
        for activation in (None, *ACTIVATIONS):
            options = {"activation": activation, "algorithm": algorithm}
            prepared = _core.prepare_conv_transpose(2, x_shape, w, b, *geometry, **options)
            for residual in (None, r):
                expected = in_passes_of_their_own(y, residual, activation)
                assert_same_bits(prepared(x, residual), expected, (case, activation))


LAYERS = [
    (nn.Conv1d(4, 6, 3, padding="causal", rng=0), (2, 4, 9)),
    (nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2, bias=False, rng=1), (2, 4, 9, 8)),
    (nn.Conv2d(3, 5, 3, padding=1, padding_mode="reflect", rng=2), (3, 7, 8)),
    (nn.Conv3d(2, 3, 2, dilation=2, rng=3), (1, 2, 5, 6, 7)),
    (nn.ConvTranspose1d(4, 2, 3, stride=2, output_padding=1, rng=4), (2, 4, 5)),
    (nn.ConvTranspose2d(4, 6, 3, padding=1, rng=5), (2, 4, 6, 5)),
    (nn.ConvTranspose3d(2, 4, 2, groups=2, rng=6), (2, 3, 4, 5)),
]


@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=lambda value: repr(value)[:40])
def test_every_layer(layer, shape):
    x = generator(shape).standard_normal(shape).astype(np.float32)
    expected = layer(x)
    with cn.precision("strict"):
        prepared = layer.prepare(shape, activation=nn.LeakyReLU(0.5))
    assert_same_bits(prepared(x), nn.LeakyReLU(0.5)(layer(x)))
    assert prepared.input_shape == shape
    assert prepared.nbytes >= layer.weight.nbytes
    assert cn.explain(prepared)["output_shape"] == expected.shape
    assert cn.explain(prepared)["precision"] == "strict"


def layer_and_input():
    layer = nn.Conv2d(32, 24, 3, padding=1, rng=0)
    return layer, generator("prepared layer").standard_normal((2, 32, 20, 23)).astype(np.float32)


def test_it_keeps_the_weights_that_it_was_given():
    layer, x = layer_and_input()
    prepared = layer.prepare(x.shape)
    before = prepared(x)
    layer.weight *= 2
    layer.bias[:] = np.nan
    assert_same_bits(prepared(x), before)


def test_threads_change_nothing():
    layer, x = layer_and_input()
    results = []
    for threads in (1, 2, 3, 7):
        with cn.threads(threads):
            results.append(
                layer.prepare(x.shape, activation=nn.SiLU())(x, np.ones((2, 24, 20, 23), np.float32))
            )
    prepared = layer.prepare(x.shape, activation=nn.SiLU())
    with ThreadPoolExecutor(4) as pool:
        results += pool.map(prepared, [x] * 8, [np.ones((2, 24, 20, 23), np.float32)] * 8)
    for result in results:
        assert_same_bits(result, results[0])


def test_layouts_and_out():
    layer, x = layer_and_input()
    prepared = layer.prepare(x.shape)
    out = np.empty((2, 24, 20, 23), np.float32)
    assert prepared(np.asfortranarray(x), out=out) is out
    assert_same_bits(out, prepared(x))


@pytest.mark.skipif("avx512" not in cn.available_isas(), reason="the choice is one of 16 lanes")
def test_packing_beforehand_allows_larger_tiles():
    _core.set_isa("avx512")
    _core.set_precision("default")
    shapes = (1, 256, 14, 14), (256, 256, 3, 3)
    assert cn.explain(cn.functional.conv2d, *shapes, padding=1)["algorithm"] == "winograd_2"
    prepared = nn.Conv2d(256, 256, 3, padding=1).prepare(shapes[0])
    assert cn.explain(prepared)["algorithm"] == "winograd_4"


def test_bad_arguments():
    layer, x = layer_and_input()
    prepared = layer.prepare(x.shape)
    y = prepared(x)
    with pytest.raises(TypeError, match=r"input: expected float32, received float64"):
        prepared(x.astype(np.float64))
    with pytest.raises(
        ValueError, match=r"input: expected shape \(2, 32, 20, 23\), received .*\(1, 32, 20, 23\)"
    ):
        prepared(x[:1])
    with pytest.raises(ValueError, match="residual"):
        prepared(x, y[:1])
    with pytest.raises(TypeError, match="residual"):
        prepared(x, y.astype(np.float64))
    with pytest.raises(ValueError, match="out"):
        prepared(x, y, out=y)
    with pytest.raises(TypeError, match=r"activation: expected a ReLU.*received Softmax"):
        layer.prepare(x.shape, activation=nn.Softmax(1))
    with pytest.raises(ValueError, match="weight: expected 31 input channels"):
        layer.prepare((2, 31, 20, 23))
    with pytest.raises(ValueError, match="input_shape"):
        layer.prepare((32, 20))
    with pytest.raises(TypeError):
        grad(lambda v: prepared(v).sum())(x)
    for activation in ("relu", ("relu", 1), ("relu",)):
        with pytest.raises(TypeError, match=r"activation|parameters"):
            _core.conv_forward(2, x, layer.weight, None, 1, 0, 1, 1, activation=activation)


# -- Sequential ---------------------------------------------------------------------------------


def network():
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1, rng=0),
        nn.Conv2d(16, 16, 3, padding=1, rng=1),
        nn.ReLU(),
        nn.Conv2d(16, 8, 1, bias=False, rng=2),
        nn.LeakyReLU(0.2),
        nn.Sequential(nn.Conv2d(8, 8, 3, groups=8, rng=3), nn.ReLU6()),
        nn.Conv2d(8, 4, 1, rng=4),
        nn.Tanh(),
        nn.Conv2d(4, 4, 1, rng=5),
    )


def test_evaluation_mode_has_the_same_bits():
    model, x = network(), generator("network").standard_normal((2, 3, 15, 17)).astype(np.float32)
    expected = x
    for module in (*model[:5], *model[5], *model[6:]):
        expected = module(expected)
    assert_same_bits(model.train()(x), expected)
    assert_same_bits(model.eval()(x), expected)


def test_evaluation_mode_runs_the_activation_in_the_convolution(monkeypatch):
    monkeypatch.setattr(nn.ReLU, "forward", lambda *_: pytest.fail("a pass of its own"))
    model = nn.Sequential(nn.Conv2d(3, 4, 3, rng=0), nn.ReLU()).eval()
    assert (model(np.ones((1, 3, 5, 5), np.float32)) >= 0).all()


def test_evaluation_mode_differentiates_and_summarises():
    model, x = network(), generator("network").standard_normal((1, 3, 9, 9)).astype(np.float32)
    expected = cn.value_and_grad(lambda m: (m(x) ** 2).sum(), model.train())
    actual = cn.value_and_grad(lambda m: (m(x) ** 2).sum(), model.eval())
    assert actual[0] == expected[0]
    for name, gradient in expected[1].items():
        assert_same_bits(actual[1][name], gradient, name)
    assert_same_bits(grad(lambda v: model(v).sum())(x), grad(lambda v: model.train()(v).sum())(x))
    assert str(cn.summary(model.eval(), x.shape)) == str(cn.summary(model.train(), x.shape))


def test_a_subclass_keeps_its_forward():
    class Doubled(nn.ReLU):
        def forward(self, input):
            return 2 * super().forward(input)

    model, x = nn.Sequential(nn.Conv2d(3, 4, 3, rng=0), Doubled()).eval(), np.ones((1, 3, 5, 5), np.float32)
    assert_same_bits(model(x), 2 * nn.ReLU()(model[0](x)))
