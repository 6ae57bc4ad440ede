"""Summaries against published numbers, against running the network, and against counting by hand."""

import doctest
import importlib
import io
import math
import pickle

import autograd.numpy as anp
import numpy as np
import pytest

import convnative as cn
from convnative import functional as F
from convnative import nn
from convnative.shapes import ReceptiveField
from convnative.summary import Effect, count_parameters, shape_rule, summary


def lenet5():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )


class Residual(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.gain = nn.Parameter(np.ones((channels, 1, 1), np.float32))

    def forward(self, x):
        return F.relu(x + self.gain * self.second(F.relu(self.first(x))))


class Branches(nn.Module):
    """Everything that a forward may contain: branches, functional calls, NumPy functions, reshapes."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 7, stride=2, padding=3)
        self.block = Residual(8)
        self.side = nn.Conv2d(8, 4, 1)
        self.head = nn.Linear(12 * 4 * 4, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.stem(x)), 3, 2, padding=1)
        x = self.block(self.block(x))
        x = np.concatenate([x, F.avg_pool2d(self.side(x), 1)], axis=1)
        if x.shape[2] > 4:
            x = F.max_pool2d(x, 2)
        return F.log_softmax(self.head(np.tanh(x).reshape(len(x), -1)), dim=1)


# -- published numbers ------------------------------------------------------------------------------------


def test_lenet5():
    table = summary(lenet5(), (1, 1, 32, 32))
    by_layer = [layer.parameters for layer in table.layers if layer.parameters]
    assert by_layer == [156, 2416, 48120, 10164, 850]
    assert table.parameters == 61706
    assert (table.weights, table.biases) == (61470, 236)
    assert [layer.output_shape for layer in table.layers][:6:2] == [
        (1, 6, 28, 28),
        (1, 6, 14, 14),
        (1, 16, 10, 10),
    ]
    assert table.output_shape == (1, 10)
    # LeCun et al. 1998 give 122,304 connections for C1, biases included.
    assert table.layers[0].macs + 6 * 28 * 28 == 122304
    assert table.macs == 117600 + 240000 + 48000 + 10080 + 840
    assert table.layers[5].receptive_field == (ReceptiveField(16, 4, 0),) * 2
    assert table.receptive_field == (ReceptiveField(32, 0, 0),) * 2


def test_alexnet_first_layers():
    first = nn.Conv2d(3, 96, 11, stride=4)
    second = nn.Conv2d(96, 256, 5, padding=2)
    table = summary(nn.Sequential(first, nn.MaxPool2d(3, 2), second), (1, 3, 227, 227))
    assert table.layers[0].parameters == 34944
    assert table.layers[2].parameters == 614656
    assert [layer.output_shape[1:] for layer in table.layers] == [(96, 55, 55), (96, 27, 27), (256, 27, 27)]
    assert table.layers[0].macs == 105415200
    assert table.receptive_field == (ReceptiveField(51, 8, -16),) * 2


def test_vgg16():
    with cn.init.skip_random():
        table = summary(cn.models.vgg16(), (1, 3, 224, 224))
    assert table.parameters == 138357544
    assert table.macs == 15470264320
    convolutions = [layer for layer in table.layers if layer.kind == "Conv2d"]
    assert convolutions[0].parameters == 1792
    assert convolutions[-1].receptive_field[0] == ReceptiveField(196, 16, -90)
    features = next(layer for layer in table.layers if layer.output_shape == (1, 512, 7, 7))
    assert features.receptive_field[0] == ReceptiveField(212, 32, -90)


# -- against running the network --------------------------------------------------------------------------


def recorded_shapes(monkeypatch, model, x):
    """Run a model for real and note the shape that each layer without children gives."""
    shapes = []
    call = nn.Module.__call__

    def recording(self, *inputs, **options):
        output = call(self, *inputs, **options)
        if next(self.children(), None) is None:
            shapes.append(output.shape)
        return output

    monkeypatch.setattr(nn.Module, "__call__", recording)
    output = model(x)
    monkeypatch.undo()
    return shapes, output


@pytest.mark.parametrize(
    ("build", "shape"),
    [
        (lenet5, (2, 1, 32, 32)),
        (Branches, (2, 3, 33, 32)),
        (lambda: nn.Sequential(nn.Conv2d(3, 4, 3, padding="same", stride=2), nn.ReLU()), (3, 9, 8)),
        (
            lambda: nn.Sequential(nn.MaxPool2d(3, 2, ceil_mode=True), nn.AvgPool2d(2, padding=1)),
            (2, 3, 9, 12),
        ),
        (lambda: nn.Sequential(nn.Conv2d(4, 6, (3, 2), groups=2, dilation=2), nn.Dropout(0.5)), (0, 4, 9, 8)),
        (lambda: nn.Sequential(nn.Linear(7, 5), nn.Softmax(1), nn.Flatten(0)), (4, 3, 7)),
    ],
)
def test_shapes_are_those_of_a_real_run(monkeypatch, build, shape):
    model = build()
    expected, output = recorded_shapes(monkeypatch, model, np.ones(shape, np.float32))
    table = summary(model, shape)
    layers = {id(module) for module in model.modules() if next(module.children(), None) is None}
    names = {name for name, module in model.named_modules() if id(module) in layers}
    assert [layer.output_shape for layer in table.layers if layer.name in names] == expected
    assert table.output_shape == output.shape


def dependencies(model, shape, output_index):
    """Which rows of the input change one output of a network with positive weights."""
    for parameter in model.parameters():
        parameter[...] = 1
    base = model(np.zeros(shape))[output_index]
    seen = []
    for row in range(shape[2]):
        x = np.zeros(shape)
        x[:, :, row] = 1
        if model(x)[output_index] != base:
            seen.append(row)
    return seen


def test_receptive_field_is_what_the_output_depends_on():
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1, dtype=np.float64),
        nn.MaxPool2d(2),
        nn.Conv2d(2, 1, 3, stride=2, padding=(1, 0), dilation=2, dtype=np.float64),
    )
    shape = (1, 1, 26, 26)
    table = summary(model, shape)
    field = table.receptive_field[0]
    for output in range(table.output_shape[2]):
        start = field.start + output * field.jump
        # A dilated kernel skips rows: the field is the span from the first to the last row that counts.
        inside = [row for row in range(start, start + field.size) if 0 <= row < 26]
        seen = dependencies(model, shape, (0, 0, output, 0))
        assert set(seen) <= set(inside)
        if start >= 0 and start + field.size <= 26:
            assert (seen[0], seen[-1]) == (inside[0], inside[-1])


def test_macs_are_counted_per_output_element():
    table = summary(nn.Conv2d(8, 12, (3, 5), stride=2, padding=1, groups=4), (3, 8, 17, 20))
    batch, channels, height, width = table.output_shape
    assert table.macs == sum(
        2 * 3 * 5 for _ in range(batch) for _ in range(channels) for _ in range(height) for _ in range(width)
    )


# -- rows -------------------------------------------------------------------------------------------------


def test_parameters_of_containers_and_reused_layers_count_once():
    model = Branches()
    table = summary(model, (2, 3, 32, 32))
    assert table.parameters == sum(array.size for array in model.parameters())
    assert sum(layer.parameters for layer in table.layers) == table.parameters
    assert table.biases == 8 + 8 + 4 + 10
    rows = [layer for layer in table.layers if layer.name == "block.first"]
    assert [row.reused for row in rows] == [False, True]
    assert [row.parameters for row in rows] == [584, 0]
    assert rows[0].macs == rows[1].macs > 0
    owner = next(layer for layer in table.layers if layer.name == "block")
    assert (owner.kind, owner.weights, owner.memory) == ("Residual", 8, 0)
    assert [layer.kind for layer in table.layers if layer.name == "block.add"] == ["add", "add"]


def test_residual_addition_joins_receptive_fields():
    table = summary(Branches(), (1, 3, 32, 32))
    adds = [layer.receptive_field[0] for layer in table.layers if layer.name == "block.add"]
    stem = ReceptiveField(11, 4, -5)
    assert adds == [ReceptiveField(11 + 16, 4, -5 - 8), ReceptiveField(11 + 32, 4, -5 - 16)]
    assert stem.then(ReceptiveField(5, 1, -2)) == adds[0]


def test_unused_layers_are_mentioned():
    class Half(nn.Module):
        def __init__(self):
            super().__init__()
            self.used = nn.Linear(3, 2)
            self.unused = nn.Linear(7, 1)

        def forward(self, x):
            return self.used(x)

    table = summary(Half(), (4, 3))
    assert table.parameters == 16
    assert "Not called       layers with 8 parameters" in str(table)


def test_memory():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Dropout(0.5), nn.Linear(8, 4))
    table = summary(model, (5, 1, 4, 4))
    assert [layer.memory for layer in table.layers] == [160, 0, 160, 80]
    assert summary(model.eval(), (5, 1, 4, 4)).layers[2].memory == 0
    assert table.activation_memory == 400
    assert table.input_memory == 320
    assert table.parameter_memory == 4 * table.parameters
    double = nn.Sequential(nn.Conv2d(1, 2, 3, dtype=np.float64), nn.ReLU())
    assert summary(double, (5, 1, 4, 4)).input_memory == 640
    assert [layer.memory for layer in summary(double, (5, 1, 4, 4)).layers] == [320, 320]


def test_nothing_is_computed(monkeypatch):
    from convnative import _core

    def refuse(*_, **__):
        raise AssertionError("the core was called")

    for name in ("conv_forward", "max_pool_forward", "avg_pool_forward", "matmul", "relu_forward"):
        monkeypatch.setattr(_core, name, refuse)
    model = Branches().train()
    table = summary(model, (2**40, 3, 32, 32))
    assert table.output_shape == (2**40, 10)


def test_the_model_is_left_as_it_is():
    model = Branches()
    before = {name: value.copy() for name, value in model.state_dict().items()}
    attributes = {name: dict(module.__dict__) for name, module in model.named_modules()}
    summary(model, (1, 3, 32, 32))
    assert all(np.array_equal(value, before[name]) for name, value in model.state_dict().items())
    assert {name: dict(module.__dict__) for name, module in model.named_modules()} == attributes


# -- functions --------------------------------------------------------------------------------------------


class Function(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


CALLS = {
    "avg_pool2d": lambda x: F.avg_pool2d(x, 2),
    "conv2d": lambda x: F.conv2d(x, np.ones((2, 3, 3, 3), np.float32)),
    "dropout": lambda x: F.dropout(x, 0.3),
    "flatten": lambda x: F.flatten(x, 1),
    "linear": lambda x: F.linear(x, np.ones((2, 8), np.float32)),
    "log_softmax": lambda x: F.log_softmax(x, 1),
    "max_pool2d": lambda x: F.max_pool2d(x, 2),
    "relu": F.relu,
    "softmax": lambda x: F.softmax(x, 1),
}


@pytest.mark.parametrize("name", CALLS)
def test_functions_are_followed(name):
    model = Function(CALLS[name])
    assert summary(model, (2, 3, 6, 8)).output_shape == model(np.ones((2, 3, 6, 8), np.float32)).shape


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.mean(axis=(2, 3)),
        lambda x: np.mean(x, axis=-1, keepdims=True),
        lambda x: np.sum(x),
        lambda x: x.max(axis=1) - x.min(axis=1),
        lambda x: np.transpose(x, (0, 2, 3, 1)) @ np.ones((3, 5), np.float32),
        lambda x: (x.reshape((2, -1)).T * 2.0) ** 2,
        lambda x: np.concatenate((x, -x), axis=-1),
        lambda x: 1 / (1 + np.exp(-x)),
        lambda x: np.ravel(x),
        lambda x: anp.tanh(anp.mean(x, axis=(2, 3))) * anp.ones(3, np.float32),
        lambda x: anp.concatenate((anp.reshape(x, (2, -1)), anp.ravel(x).reshape(2, 144)), 1),
        lambda x: anp.sum(anp.transpose(x, (3, 2, 0, 1)), axis=0) @ anp.ones((3, 2), np.float32),
        lambda x: anp.dot(x.reshape(6, 48), anp.ones((48, 2), np.float32)),
        lambda x: anp.where(x.shape[0] > 1, x, 0),
        lambda x: anp.expand_dims(anp.squeeze(x[:1], 0), 1),
        lambda x: x.squeeze().swapaxes(0, 1),
        lambda x: np.stack((x, x), axis=-1),
        lambda x: np.multiply(*np.split(x, 2, axis=2)),
        lambda x: anp.concatenate(anp.array_split(x, 4, 1)[::-1], 1),
        lambda x: (
            (x - x.mean(axis=(0, 2, 3), keepdims=True)) / np.sqrt(1 + x.var(axis=(0, 2, 3), keepdims=True))
        ),
        lambda x: anp.moveaxis(anp.flip(x, 1), 1, -1).copy(),
        lambda x: anp.max(x, axis=1, keepdims=True),
        lambda x: x.astype(np.float64).T,
        lambda x: anp.swapaxes(x, 1, 2),
        lambda x: anp.clip(x, 0, 1),
        lambda x: x[0, :, 1:-1, None, ::2] + 1,
        lambda x: x[..., 0] * x[:, :1, :, 0],
        lambda x: np.reshape(x, (6, 48)),
        lambda x: x + np.ones((4, 1, 1, 1, 1), np.float32),
        lambda x: np.maximum(x, 0) if np.ndim(x) == 4 else x,
    ],
)
def test_numpy_is_followed(function):
    model = Function(function)
    table = summary(model, (2, 3, 6, 8))
    expected = model(np.ones((2, 3, 6, 8), np.float32))
    assert table.output_shape == expected.shape
    if expected.shape and table.layers[0].memory:
        assert table.layers[0].memory >= math.prod(expected.shape) * expected.dtype.itemsize


# -- errors and rules -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x if x.sum() > 0 else -x,
        lambda x: np.sort(x),
        lambda x: np.asarray(x),
        lambda x: np.modf(x)[0],
        lambda x: float(x.sum()),
        lambda x: np.add.reduce(x),
    ],
)
def test_a_forward_that_needs_values_is_named(function):
    with pytest.raises(TypeError, match=r"^0 \(Function\): "):
        summary(nn.Sequential(Function(function)), (2, 3))


def test_a_shape_that_a_layer_refuses_names_the_layer():
    model = nn.Sequential(nn.Conv2d(1, 6, 5), nn.Flatten(), nn.Linear(400, 10))
    with pytest.raises(ValueError, match=r"^2 \(Linear\): .*expected"):
        summary(model, (1, 1, 8, 8))
    with pytest.raises(ValueError, match=r"^0 \(Conv2d\): kernel_size: expected a window of at most 4"):
        summary(model, (1, 1, 4, 8))


def test_a_rule_stands_in_for_the_forward():
    class TopHalf(nn.Module):
        def forward(self, x):
            return np.sort(x, axis=1)[:, x.shape[1] // 2 :]

    model = nn.Sequential(TopHalf(), nn.Linear(4, 2))
    with pytest.raises(TypeError, match=r"0 \(TopHalf\): .*shape_rule"):
        summary(model, (3, 8))

    @shape_rule(TopHalf)
    def _(_layer, x):
        return Effect((x.shape[0], x.shape[1] // 2), macs=5)

    table = summary(model, (3, 8))
    assert table.output_shape == (3, 2)
    assert table.layers[0].macs == 5


def test_types_and_sizes():
    with pytest.raises(TypeError, match=r"model: expected a convnative.nn.Module, received function"):
        summary(F.relu, (1, 2))
    with pytest.raises(TypeError, match=r"model: expected a convnative.nn.Module, received dict"):
        count_parameters({})
    with pytest.raises(TypeError, match="dtype: expected float32, float64, int32 or int64, received int8"):
        summary(nn.ReLU(), (1, 2), np.int8)
    with pytest.raises(ValueError, match="input_shape"):
        summary(nn.ReLU(), (1, -2))
    assert summary(nn.Linear(3, 2, dtype=np.float64), (1, 3)).dtype == np.float64
    for layer, shape in ((nn.Linear(3, 2), (1, 3)), (nn.Conv2d(1, 2, 3), (1, 3, 3))):
        with pytest.raises(TypeError, match="weight: expected the input's dtype float64, received float32"):
            summary(layer, shape, np.float64)


# -- text -------------------------------------------------------------------------------------------------


def test_plain_text():
    text = str(summary(lenet5(), (1, 1, 32, 32)))
    lines = text.splitlines()
    assert lines[0] == "Sequential, input 1x1x32x32 float32"
    assert " ".join(lines[4].split()) == "0 Conv2d 1x6x28x28 150 6 117,600 18.4 KiB 5x5 1 0"
    assert "Parameters       61,706 = 61,470 weights + 236 biases (241.0 KiB)" in lines
    assert all(line == line.rstrip() for line in lines)


def test_rich_table():
    console = pytest.importorskip("rich.console")
    screen = console.Console(width=120, record=True, force_terminal=True, file=io.StringIO())
    screen.print(summary(lenet5(), (1, 1, 32, 32)))
    text = screen.export_text()
    assert "61,706" in text
    assert "14x14" in text


def test_summaries_can_be_pickled():
    table = summary(lenet5(), (1, 1, 32, 32), compare="dense")
    assert pickle.loads(pickle.dumps(table)) == table


def test_package_exports():
    assert cn.summary is summary
    assert cn.count_parameters is count_parameters


@pytest.mark.parametrize("module", ["summary", "_summary_table", "_shape_rules"])
def test_documented_examples(module):
    result = doctest.testmod(importlib.import_module(f"convnative.{module}"))
    assert result.attempted > 0
    assert result.failed == 0


def test_from_dense_layers_to_convolutions():
    """1000 by 1000 pixels: 10^12 weights, 4 * 10^6 with invariance, 121 within a distance of 5."""
    convolution = nn.Conv2d(1, 1, 2 * 5 + 1, padding=5)
    result = summary(convolution, (1, 1, 1000, 1000), compare="dense")
    (layer,) = result.layers
    assert layer.output_shape == (1, 1, 1000, 1000)
    counts = layer.comparison
    assert counts.dense == 10**12
    assert counts.translation_invariant == 4 * 10**6
    assert counts.local == (2 * 5 + 1) ** 2 == 121
    assert counts.layer == layer.weights == 121
    assert "1,000,000,000,000  4,000,000    121" in str(result)
    model = nn.Sequential(
        nn.Conv2d(4, 6, 3, stride=2, dilation=2, groups=2), nn.ReLU(), nn.ConvTranspose2d(6, 2, 2, stride=2)
    )
    first, relu, last = summary(model, (5, 4, 11, 13), compare="dense").layers
    assert first.output_shape == (5, 6, 4, 5)
    assert relu.comparison is None
    counts = first.comparison
    assert counts.dense == nn.Linear(4 * 11 * 13, 6 * 4 * 5).weight.size
    assert counts.translation_invariant == 4 * 6 * (11 + 4) * (13 + 5)
    assert counts.local == 4 * 6 * 5 * 5
    assert counts.layer == model[0].weight.size == 6 * 2 * 9
    assert last.comparison.dense == 6 * 4 * 5 * 2 * 8 * 10
    plain = summary(model, (5, 4, 11, 13))
    assert all(row.comparison is None for row in plain.layers)
    assert "Dense" not in str(plain)
    with pytest.raises(ValueError, match="compare: expected one of 'dense', received 'sparse'"):
        summary(model, (5, 4, 11, 13), compare="sparse")


def test_input_region_of_any_pixel():
    """Which inputs a pixel sees, against those that change it."""
    model = nn.Sequential(
        nn.Conv2d(1, 1, 3, padding=1, dtype="float64"),
        nn.MaxPool2d(2),
        nn.Conv2d(1, 1, 3, dilation=2, padding=2, stride=2, dtype="float64"),
    )
    model[0].weight = np.abs(model[0].weight) + 0.1
    model[2].weight = np.abs(model[2].weight) + 0.1
    described = summary(model, (1, 1, 17, 14))
    assert described.receptive_field[0].size == 1 + 2 * 1 + 1 + 2 * 4
    reference = np.zeros((1, 1, 17, 14))
    base = model(reference)
    touched = np.zeros((*base.shape[2:], 17, 14), bool)
    for y, x in np.ndindex(17, 14):
        changed = reference.copy()
        changed[0, 0, y, x] = 1
        touched[..., y, x] = (model(changed) != base)[0, 0]
    interior = 0
    for position in np.ndindex(*base.shape[2:]):
        rows, columns = described.input_region(position)
        seen = np.argwhere(touched[position])
        # The last convolution has holes: the region goes from the first to the last input.
        for region, found in zip((rows, columns), seen.T, strict=True):
            assert region.start <= found.min()
            assert found.max() < region.stop
            if not region.before and not region.after:  # no layer between has padded
                interior += 1
                assert (region.start, region.stop) == (found.min(), found.max() + 1)
    assert interior
    with pytest.raises(ValueError, match="output: expected one position for each of 2 axes"):
        described.input_region((0,))
    with pytest.raises(ValueError, match="output: expected positions below"):
        described.input_region((0, 99))
