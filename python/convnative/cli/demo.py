"""``convnative demo``: the whole of it on real data, in under a minute."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import convnative

from .. import filters, functional, nn, shapes
from ..filters import kernels
from . import _pictures, _reference
from ._architectures import ARCHITECTURES
from ._digits import Digits, load_digits, predict
from ._images import read_image, write_image
from ._output import CommandError, Output, require
from .train import add_training_options, save_weights, train_digits

Array = NDArray[Any]

_GOAL = 0.98

_EXAMPLES = """\
examples:
  convnative demo
  convnative demo -o somewhere --seed 1
"""

_FILTERS = {
    "identity": kernels.identity(),
    "shift by one pixel": kernels.shift(0, 1),
    "box blur": kernels.box(3),
    "Gaussian blur": kernels.gaussian(1.5),
    "sharpen": kernels.sharpen(),
    "Laplacian": kernels.laplacian(),
    "edge (−8)": kernels.laplacian(8),
    "horizontal Sobel": kernels.sobel_horizontal(),
    "vertical Sobel": kernels.sobel_vertical(),
}


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Describe the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "demo",
        help="train on real digits, filter a real photograph, draw pictures, measure",
        description="Train a small network on scikit-learn's handwritten digits, filter its photograph of a "
        "Chinese temple, draw pictures of both and compare our convolution with NumPy. Exit status 1 if "
        "fewer than 98 % of the held-out digits are read correctly.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_training_options(parser)
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("convnative-demo"),
        metavar="FOLDER",
        help="where to put weights and pictures (default: convnative-demo)",
    )
    return parser


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Do the four parts of the demo."""
    for module in ("sklearn.datasets", "PIL.Image", "matplotlib", "safetensors"):
        require(module)
    begin = time.perf_counter()
    folder: Path = arguments.output
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError(f"{folder}: cannot make the folder ({error.strerror or error})") from error

    output.heading("A LeNet-like network for 8 by 8 digits")
    digits = load_digits(arguments.seed)
    model, history = train_digits(digits, output, epochs=arguments.epochs, seed=arguments.seed)
    found = predict(model, digits.held_out_images)
    right = int((found == digits.held_out_labels).sum())
    accuracy = right / len(found)
    output.line(f"{right} of {len(found)} held-out digits are read correctly: {accuracy:.2%}")
    same = _saved_and_loaded(model, digits, found, folder / "digits.safetensors", output)

    output.heading("Filters on a photograph")
    _filter_photograph(folder, output)

    output.heading("Pictures of the network")
    first_layer = _pictures.first_layer_kernels(folder / "kernels.png", model[0].weight)  # type: ignore[index]
    maps = _draw_feature_maps(folder / "feature-maps.png", model, digits)
    curve = _pictures.training_curve(folder / "training.png", history)
    for title, path in (
        ("first-layer kernels", first_layer),
        ("feature maps", maps),
        ("training curve", curve),
    ):
        output.line(f"{title}: {path}")

    output.heading("Our convolution against plain NumPy, on this network's layers (batch of 64)")
    agree = _compare_with_numpy(model, digits, output)

    output.heading("Result")
    output.line(f"Everything is in {folder.resolve()} ({time.perf_counter() - begin:.0f} s)")
    failures = []
    if accuracy < _GOAL:
        failures.append(f"accuracy {accuracy:.2%}, expected at least {_GOAL:.0%}")
    if not same:
        failures.append("the loaded weights give other predictions")
    if not agree:
        failures.append("our convolution and NumPy differ")
    for failure in failures:
        output.line(f"FAILED: {failure}")
    if not failures:
        output.line(f"Passed: {accuracy:.2%} of the held-out digits, at least {_GOAL:.0%} expected")
    return 1 if failures else 0


def _saved_and_loaded(model: nn.Module, digits: Digits, found: Array, path: Path, output: Output) -> bool:
    """Save the weights, load them into a new network and say whether it predicts the same."""
    save_weights(model, path)
    copy = ARCHITECTURES["digits"].build()
    copy.load_state_dict(convnative.load(path))
    same = bool(np.array_equal(predict(copy, digits.held_out_images), found))
    output.line(f"weights: {path}, loaded again: {'the same' if same else 'OTHER'} predictions")
    return same


def _filter_photograph(folder: Path, output: Output) -> None:
    """Apply the kernels to scikit-learn's photograph of a temple, and draw all results on one sheet."""
    datasets = require("sklearn.datasets")
    photograph = read_image(Path(datasets.__file__).parent / "images" / "china.jpg")
    grey = np.rint(photograph @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)  # ITU-R BT.601 luma
    panels: dict[str, tuple[Array, Array | None]] = {"china.jpg": (photograph, None)}
    (folder / "filtered").mkdir(exist_ok=True)
    for name, kernel in _FILTERS.items():
        # A kernel that sums to zero answers to differences, of both signs: its magnitude is shown, in grey.
        differences = abs(kernel.sum()) < 1e-9
        result = filters.correlate(grey if differences else photograph, kernel, absolute=differences)
        panels[f"{name}, magnitude" if differences else name] = (result, kernel)
        words = "".join(letter if letter.isalnum() else " " for letter in name.lower()).split()
        write_image(folder / "filtered" / f"{'-'.join(words)}.png", result)
    sheet = _pictures.filtered_photographs(folder / "filters.png", panels)
    output.line(f"{len(_FILTERS)} kernels on {_size(photograph)} pixels: {sheet} and {folder / 'filtered'}")


def _size(image: Array) -> str:
    return f"{image.shape[1]} x {image.shape[0]}"


def _draw_feature_maps(path: Path, model: nn.Module, digits: Digits) -> Path:
    """Draw what the activations after the convolutions make of the first held-out digit."""
    image = digits.held_out_images[:1]
    layers = []
    output, convolution = image, 0
    for layer in model.children():
        output = layer(output)
        if isinstance(layer, nn.Conv2d):
            convolution += 1
        elif isinstance(layer, nn.ReLU) and output.ndim == 4:
            layers.append((f"convolution {convolution} and ReLU", output[0]))
    return _pictures.feature_maps(path, image[0, 0], int(digits.held_out_labels[0]), layers)


def _compare_with_numpy(model: nn.Module, digits: Digits, output: Output) -> bool:
    """Time our convolution and its gradients on the layers of a network; say whether the results agree."""
    rng = np.random.default_rng(0)
    x = digits.images[:64]
    rows, totals, agree = [], np.zeros(2), True
    for name, layer in model.named_children():
        if isinstance(layer, nn.Conv2d):
            for operation, ours, plain in _operations(layer, x, rng):
                agree = agree and _agrees(ours(), plain())
                times = np.array([_best_time(ours), _best_time(plain)])
                totals += times
                rows.append(_timing_row(f"layer {name} {operation}", times))
        x = layer(x)
    rows.append(_timing_row("together", totals))
    output.table(("", "ours", "NumPy", "times as fast"), rows)
    output.line(
        f"Our convolution and its gradients ran {totals[1] / totals[0]:.1f} times as fast as NumPy's."
    )
    return agree


def _operations(
    layer: nn.Conv2d, x: Array, rng: np.random.Generator
) -> list[tuple[str, Callable[[], Array], Callable[[], Array]]]:
    """Return the convolution of a layer and its gradients, as functions of ours and of plain NumPy."""
    weight: Any = layer.weight
    bias: Any = layer.bias
    rows, columns = shapes.resolve_padding(layer.padding, x.shape[2:], layer.kernel_size)
    padding = (rows, columns)
    grad = rng.standard_normal(layer(x).shape).astype(x.dtype)
    return [
        (
            "forward",
            lambda: functional.conv2d(x, weight, bias, padding=padding),
            lambda: _reference.conv2d(x, weight, bias, padding),
        ),
        (
            "input gradient",
            lambda: functional.conv2d_grad_input(grad, weight, x.shape, padding=padding),
            lambda: _reference.conv2d_grad_input(grad, weight, x.shape, padding),
        ),
        (
            "weight gradient",
            lambda: functional.conv2d_grad_weight(grad, x, weight.shape, padding=padding),
            lambda: _reference.conv2d_grad_weight(grad, x, weight.shape, padding),
        ),
        (
            "bias gradient",
            lambda: functional.conv2d_grad_bias(grad),
            lambda: _reference.conv2d_grad_bias(grad),
        ),
    ]


def _agrees(ours: Array, plain: Array) -> bool:
    """Return whether two float32 results differ by rounding alone."""
    return bool(np.allclose(ours, plain, rtol=1e-3, atol=1e-3 * float(np.abs(plain).max())))


def _best_time(function: Callable[[], Any]) -> float:
    """Return the shortest of the times that fit into a tenth of a second, at least three."""
    times: list[float] = []
    while len(times) < 3 or sum(times) < 0.1:
        begin = time.perf_counter()
        function()
        times.append(time.perf_counter() - begin)
    return min(times)


def _timing_row(name: str, times: Array) -> tuple[str, str, str, str]:
    ours, plain = (f"{1e6 * seconds:,.0f} µs" for seconds in times)
    return name, ours, plain, f"{times[1] / times[0]:.1f}"
