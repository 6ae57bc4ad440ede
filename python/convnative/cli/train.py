"""``convnative train``: a small network on the handwritten digits of scikit-learn."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

import convnative

from .. import nn
from ..summary import summary
from ._architectures import ARCHITECTURES
from ._digits import Digits, History, initialise, load_digits, train
from ._output import CommandError, Output, positive_float, positive_int

_EXAMPLES = """\
examples:
  convnative train
  convnative train --epochs 10 --optimizer sgd --lr 0.02
  convnative train --seed 1 -o digits.safetensors
"""

_RATES = {"adamw": 0.003, "sgd": 0.05}


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Describe the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "train",
        help="train a small network on scikit-learn's handwritten digits",
        description="Train a LeNet-like network on the 1,797 handwritten digits that scikit-learn ships; "
        "360 of them are held out.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_training_options(parser)
    parser.add_argument("--optimizer", choices=_RATES, default="adamw", help="default: adamw")
    parser.add_argument(
        "--batch", type=positive_int, default=64, metavar="N", help="images at once (default: 64)"
    )
    parser.add_argument(
        "--lr",
        type=positive_float,
        metavar="RATE",
        help="first learning rate (default: 0.003 adamw, 0.05 sgd)",
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="save the weights as safetensors")
    return parser


def add_training_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that every command with training has."""
    parser.add_argument(
        "--epochs", type=positive_int, default=40, metavar="N", help="passes over the data (default: 40)"
    )
    parser.add_argument(
        "--seed", type=_seed, default=0, metavar="N", help="of all random numbers (default: 0)"
    )


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected an int >= 0, received {text!r}")
    return int(text)


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Train and save."""
    digits = load_digits(arguments.seed)
    model, _ = train_digits(
        digits,
        output,
        epochs=arguments.epochs,
        seed=arguments.seed,
        batch=arguments.batch,
        optimizer=arguments.optimizer,
        rate=arguments.lr,
    )
    if arguments.output is not None:
        save_weights(model, arguments.output)
        output.line(f"Weights: {arguments.output}")
    return 0


def save_weights(model: nn.Module, path: Path) -> None:
    """Save the weights of a model, or say why it cannot be done."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        convnative.save(model.state_dict(), path)
    except OSError as error:
        raise CommandError(f"{path}: cannot write ({error.strerror or error})") from error
    except ImportError as error:
        raise CommandError("this command needs safetensors: pip install 'convnative[demo]'") from error


def train_digits(
    digits: Digits,
    output: Output,
    *,
    epochs: int,
    seed: int,
    batch: int = 64,
    optimizer: str = "adamw",
    rate: float | None = None,
) -> tuple[nn.Module, History]:
    """Build the network, print its summary and train it with a progress bar."""
    convnative.manual_seed(seed)
    architecture = ARCHITECTURES["digits"]
    model = architecture.build()
    initialise(model)
    output.summary(summary(model, (batch, *architecture.input_shape)))
    rate = _RATES[optimizer] if rate is None else rate
    if optimizer == "sgd":
        chosen: Any = convnative.optim.SGD(model, lr=rate, momentum=0.9, nesterov=True, weight_decay=5e-4)
    else:
        chosen = convnative.optim.AdamW(model, lr=rate, weight_decay=0.05)
    output.heading(f"Training on {len(digits.images):,} digits, {len(digits.held_out_images)} held out")
    with output.progress(epochs * len(digits.images)) as advance:

        def on_batch(images: int, loss: float, accuracy: float, speed: float) -> None:
            advance(images, f"loss {loss:.4f}  accuracy {accuracy:.2%}  {speed:,.0f} images/s")

        def on_epoch(epoch: int, history: History) -> None:
            if epoch == 1 or epoch == epochs or epoch % 5 == 0:
                output.line(
                    f"epoch {epoch:3d}  loss {history.losses[-1]:.4f}  "
                    f"accuracy {history.accuracies[-1]:.2%}  "
                    f"held out {history.held_out_accuracies[-1]:.2%}  "
                    f"{history.images_per_second:,.0f} images/s"
                )

        history = train(
            model,
            chosen,
            digits,
            epochs=epochs,
            batch=batch,
            rng=np.random.default_rng(seed),
            on_batch=on_batch,
            on_epoch=on_epoch,
        )
    return model, history
