"""Pictures: what is written on them is what the library computes, and they can be drawn."""

import subprocess
import sys

import numpy as np
import pytest

import convnative as cn
from convnative import filters, models, nn
from convnative import functional as F

FigureCanvasAgg = pytest.importorskip("matplotlib.backends.backend_agg").FigureCanvasAgg
plot = pytest.importorskip("convnative.plot")
Image = pytest.importorskip("PIL.Image")


def texts(axes):
    return [text.get_text() for text in axes.texts]


def drawn(figure):
    """Draw for real: the pixels, and no text beyond the edge or over another of the same axes."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    whole = figure.bbox.padded(1)
    for axes in figure.axes:
        labels = [*axes.texts, axes.title, axes.xaxis.label, axes.yaxis.label]
        boxes = [label.get_window_extent(renderer) for label in labels if label.get_text()]
        for box in boxes:
            assert whole.contains(box.x0, box.y0)
            assert whole.contains(box.x1, box.y1)
        for index, box in enumerate(boxes):
            for other in boxes[:index]:
                # the boxes of text have a margin above and below
                assert not box.shrunk(1, 0.6).overlaps(other.shrunk(1, 0.6)), [box, other]
    return np.asarray(canvas.buffer_rgba())[:, :, :3]


# -- kernels and maps -------------------------------------------------------------------------------------


def test_kernels_shows_the_numbers():
    figure = plot.kernels(filters.kernel("sobel-horizontal"))
    assert texts(figure.axes[0]) == ["−1", "0", "1", "−2", "0", "2", "−1", "0", "1"]
    pixels = drawn(figure)
    colours = {tuple(colour) for colour in pixels.reshape(-1, 3)}
    assert any(r > b + 100 for r, _, b in (map(int, c) for c in colours))  # red below zero
    assert any(b > r + 100 for r, _, b in (map(int, c) for c in colours))  # blue above


def test_kernels_of_a_layer_and_their_scale():
    weight = nn.Conv2d(3, 4, 5, rng=0).weight
    figure = plot.kernels(weight, names=["a", "b", "c", "d"])
    drawn(figure)
    panels = figure.axes[:12]
    assert panels[5].get_title() == "b, channel 2"
    limit = np.abs(weight).max()
    for panel, kernel in zip(panels, weight.reshape(-1, 5, 5), strict=True):
        assert np.array_equal(panel.images[0].get_array(), kernel.astype(np.float64))
        assert panel.images[0].get_clim() == (-limit, limit)
        assert [float(text.replace("−", "-")) for text in texts(panel)] == pytest.approx(
            kernel.ravel().tolist(), abs=0.0051
        )
    assert not texts(plot.kernels(nn.Conv2d(1, 32, 3).weight).axes[0])
    assert texts(plot.kernels(nn.Conv2d(1, 32, 3).weight, numbers=True).axes[0])
    drawn(plot.kernels(np.zeros((3, 3))))


def test_feature_maps():
    image = np.random.default_rng(0).standard_normal((1, 1, 12, 20)).astype(np.float32)
    maps = nn.Conv2d(1, 5, 3)(image)
    figure = plot.feature_maps(maps, columns=3, title="maps")
    drawn(figure)
    for axes, expected in zip(figure.axes, maps[0], strict=False):
        assert np.array_equal(axes.images[0].get_array(), expected.astype(np.float64))
    assert plot.feature_maps(F.relu(maps)).axes[0].images[0].get_clim()[0] == 0


# -- the window -------------------------------------------------------------------------------------------


def test_sliding_window_writes_out_the_first_sum():
    figure = plot.sliding_window([1, 2, 3, 4, 5], [1, 0, -1], outputs=[0, 2])
    assert texts(figure.axes[0])[-2:] == ["1·1 + 2·0 + 3·(−1)", "= −2"]
    assert texts(figure.axes[1])[-2:] == ["3·1 + 4·0 + 5·(−1)", "= −2"]
    drawn(figure)


@pytest.mark.parametrize(
    "options",
    [{}, {"padding": "same"}, {"stride": 2, "padding": 1}, {"dilation": 2, "padding": ((2, 1), (0, 2))}],
)
def test_sums_are_those_of_the_library(options):
    rng = np.random.default_rng(0)
    x, kernel = rng.integers(-5, 9, (6, 5)), rng.integers(-3, 4, (3, 2))
    arrays = [array[np.newaxis, np.newaxis].astype(np.float64) for array in (x, kernel)]
    expected = F.conv2d(*arrays, **options)[0, 0]
    positions = [(0, 0), (expected.shape[0] - 1, expected.shape[1] - 1)]
    figure = plot.sliding_window(x, kernel, outputs=positions, **options)
    drawn(figure)
    for axes, position in zip(figure.axes, positions, strict=True):
        *products, total = texts(axes)[-4:]
        formula = " ".join(products).replace("·", "*").replace("−", "-")
        assert eval(formula) == expected[position] == float(total[2:].replace("−", "-"))


def test_animation_has_a_frame_for_each_output(tmp_path):
    path = plot.sliding_window_animation(tmp_path / "a.gif", np.eye(4), np.ones((2, 2)), seconds=0.5)
    with Image.open(path) as animation:
        assert animation.n_frames == 9
        assert animation.info["duration"] == 500
        animation.seek(3)
        frame = np.asarray(animation.convert("RGB"))
    assert frame.std() > 10


# -- networks ---------------------------------------------------------------------------------------------


def test_receptive_field_is_the_summary_s():
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.MaxPool2d(2), nn.Conv2d(4, 4, 3))
    image = np.random.default_rng(0).random((3, 24, 32))
    table = cn.summary(model, (1, 3, 24, 32))
    figure = plot.receptive_field(image, table, ["0", "2"], position=(0, 1))
    drawn(figure)
    small, large = figure.axes[0].patches
    assert (small.get_x(), small.get_y(), small.get_width()) == (31 - 1 - 0.5, -1 - 0.5, 3)
    field, count = table.layers[2].receptive_field[1], table.output_shape[3]
    assert large.get_x() == field.start + (count - 1) * field.jump - 0.5
    assert large.get_height() == field.size == 8


@pytest.mark.parametrize("name", ["lenet5", "alexnet_2012", "resnet18"])
def test_architecture_has_every_shape_and_count(name):
    shape = {"lenet5": (1, 1, 32, 32)}.get(name, (1, 3, 227, 227))
    with cn.init.skip_random():
        table = cn.summary(getattr(models, name)(), shape)
    figure = plot.architecture(table)
    drawn(figure)
    written = texts(figure.axes[0])
    for layer in table.layers:
        assert " × ".join(map(str, layer.output_shape[1:])) in written
    counts = [int(text.replace(",", "")) for text in written if text.replace(",", "").isdigit()]
    vectors = [layer.output_shape[1] for layer in table.layers if len(layer.output_shape) == 2]
    assert sum(counts) - table.parameters <= sum(vectors)
    if name == "alexnet_2012":
        assert {"34,944", "614,656"} <= set(written)


def test_branches_stand_one_after_the_other():
    class Branches(nn.Module):
        def __init__(self):
            super().__init__()
            self.narrow, self.wide = nn.Conv1d(3, 8, 3), nn.Conv1d(3, 8, 5)

        def forward(self, x):
            return np.concatenate([F.global_max_pool(layer(x)) for layer in (self.narrow, self.wide)], axis=1)

    figure = plot.architecture(cn.summary(Branches(), (1, 3, 20)))
    drawn(figure)
    assert texts(figure.axes[0]).count("8 × 1") == 2


def test_training_curve():
    figure = plot.training_curve(
        loss=[2.3, 0.9, 0.4], accuracy={"training": [0.3, 0.8], "held out": [0.2, 0.7]}
    )
    drawn(figure)
    loss, accuracy = figure.axes
    assert loss.get_yscale() == "log"
    assert accuracy.get_yscale() == "linear"
    assert [line.get_ydata().tolist() for line in accuracy.lines] == [[0.3, 0.8], [0.2, 0.7]]
    assert plot.training_curve(loss=[1.0, 0.0]).axes[0].get_yscale() == "linear"


# -- errors -----------------------------------------------------------------------------------------------

TABLE = cn.summary(nn.Conv2d(1, 1, 3), (1, 1, 8, 8))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: plot.kernels([["a"]]), TypeError, "weight: expected an array of numbers"),
        (lambda: plot.kernels(np.zeros(3)), ValueError, r"weight: .* received shape \(3,\)"),
        (lambda: plot.kernels(np.full((3, 3), np.nan)), ValueError, "weight: expected finite"),
        (
            lambda: plot.kernels(np.zeros((2, 3, 3)), names=["one"]),
            ValueError,
            "names: expected one for each of 2",
        ),
        (lambda: plot.kernels(np.zeros((3, 3)), columns=0), ValueError, "columns"),
        (lambda: plot.feature_maps(np.zeros((2, 3, 4, 4))), ValueError, "maps: .* a batch of 2"),
        (lambda: plot.sliding_window(np.zeros(15), [1]), ValueError, "input: expected at most 14"),
        (lambda: plot.sliding_window(np.zeros(9), np.zeros(8)), ValueError, "kernel: expected at most 7"),
        (lambda: plot.sliding_window(np.zeros(9), np.zeros((2, 2))), ValueError, "kernel: expected 1 dim"),
        (lambda: plot.sliding_window([1, 2], [1, 2, 3]), ValueError, "kernel"),
        (
            lambda: plot.sliding_window([1, 2, 3], [1, 2], outputs=[2]),
            IndexError,
            r"shape \(2,\), received 2",
        ),
        (lambda: plot.sliding_window([1, 2, 3], [1, 2], outputs=["0"]), TypeError, "outputs: expected ints"),
        (lambda: plot.sliding_window([1, 2, 3], [1, 2], outputs=[]), ValueError, "at least one position"),
        (lambda: plot.sliding_window_animation("a.png", [1, 2], [1]), ValueError, r"path: .*\.gif"),
        (lambda: plot.sliding_window_animation("a.gif", [1], [1], seconds=0), ValueError, "seconds"),
        (lambda: plot.receptive_field(np.zeros((4, 4)), TABLE), ValueError, "table: .* images of 4 x 4"),
        (lambda: plot.receptive_field(np.zeros((8, 8)), TABLE, ["7"]), ValueError, "layers: .* received 7"),
        (lambda: plot.receptive_field(np.zeros((8, 8)), TABLE, position=(2, 0)), ValueError, "position"),
        (lambda: plot.architecture("resnet"), TypeError, "table: expected a .*Summary, received str"),
        (lambda: plot.training_curve(), ValueError, "panels: expected at least one"),
        (lambda: plot.training_curve(loss={}), ValueError, "loss: expected at least one curve"),
        (lambda: plot.training_curve(loss=[float("nan")]), ValueError, "loss: expected finite"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_without_matplotlib_the_extra_is_named():
    script = """
import sys
sys.modules["matplotlib"] = None
try:
    import convnative.plot
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout == "convnative.plot needs matplotlib: pip install 'convnative[plot]'\n", done.stderr
