"""The real data of the demo: handwritten digits, and how a network learns them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

import convnative

from .. import functional, init, nn
from ._output import require

Array = NDArray[Any]

HELD_OUT = 360


@dataclass(frozen=True)
class Digits:
    """Images (N, 1, 8, 8) with values from 0 to 1 and their labels, for training and held out."""

    images: Array
    labels: Array
    held_out_images: Array
    held_out_labels: Array


def load_digits(seed: int) -> Digits:
    """Return the 1,797 digits of scikit-learn, of which a random 360 are held out."""
    data = require("sklearn.datasets").load_digits()
    images = (data.images[:, np.newaxis] / 16).astype(np.float32)
    labels = data.target.astype(np.int64)
    order = np.random.default_rng(seed).permutation(len(images))
    held_out, kept = order[:HELD_OUT], order[HELD_OUT:]
    return Digits(images[kept], labels[kept], images[held_out], labels[held_out])


@dataclass
class History:
    """What training gave, epoch by epoch."""

    losses: list[float] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)
    held_out_accuracies: list[float] = field(default_factory=list)
    images: int = 0
    seconds: float = 0.0

    @property
    def images_per_second(self) -> float:
        """Training speed, without the evaluations between the epochs."""
        return self.images / self.seconds if self.seconds else 0.0


def initialise(model: nn.Module) -> None:
    """Draw weights with the variance of He et al. 2015, with which ReLU networks learn from the start."""
    for layer in model.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            weight: Any = layer.weight
            weight[...] = init.kaiming_normal(weight.shape)
            layer.bias[...] = 0  # type: ignore[index]


def predict(model: nn.Module, images: Array) -> Array:
    """Return the most likely class of each image; the mode of the model is left as it is."""
    training = model.training
    model.eval()
    parts = [model(part).argmax(axis=1) for (part,) in convnative.data.batches(images, size=256)]
    model.train(training)
    return np.concatenate(parts)


def shifted(images: Array, rng: np.random.Generator) -> Array:
    """Return the images, each moved by up to one pixel in both directions: more data out of the same."""
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    height, width = images.shape[2:]
    windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(2, 3))
    rows, columns = rng.integers(0, 3, size=(2, len(images)))
    return np.ascontiguousarray(windows[np.arange(len(images)), :, rows, columns])


def train(
    model: nn.Module,
    optimizer: Any,
    digits: Digits,
    *,
    epochs: int,
    batch: int,
    rng: np.random.Generator,
    on_batch: Callable[[int, float, float, float], None],
    on_epoch: Callable[[int, History], None],
) -> History:
    """Train a model on the digits; the learning rate falls along half a cosine.

    Parameters
    ----------
    model : Module
        The model; it is left in evaluation mode.
    optimizer : Optimizer
        Its `lr` is the rate of the first epoch.
    digits : Digits
        The data.
    epochs, batch : int
        How often to go through the data, and how many images to take at a time.
    rng : numpy.random.Generator
        Source of the order and of the shifts.
    on_batch : callable
        Called after a batch with its number of images, the loss and the accuracy of the epoch so far, and
        the images per second.
    on_epoch : callable
        Called after an epoch with its number from 1 and the history.

    Returns
    -------
    History
        Losses and accuracies.
    """
    history = History()
    first_rate = optimizer.lr
    for epoch in range(epochs):
        optimizer.lr = first_rate * (1 + math.cos(math.pi * epoch / epochs)) / 2
        model.train()
        seen = right = 0
        total_loss = 0.0
        images = shifted(digits.images, rng)
        for x, target in convnative.data.batches(images, digits.labels, size=batch, shuffle=True, rng=rng):
            begin = time.perf_counter()

            def loss_of(model: nn.Module, x: Array = x, target: Array = target) -> tuple[Any, Any]:
                scores = model(x)
                return functional.cross_entropy(scores, target), scores

            (loss, scores), grads = convnative.value_and_grad(loss_of, model, has_aux=True)
            optimizer.step(grads)
            history.seconds += time.perf_counter() - begin
            history.images += len(x)
            seen += len(x)
            total_loss += float(loss) * len(x)
            right += int((scores.argmax(axis=1) == target).sum())
            on_batch(len(x), total_loss / seen, right / seen, history.images_per_second)
        history.losses.append(total_loss / seen)
        history.accuracies.append(right / seen)
        found = predict(model, digits.held_out_images)
        history.held_out_accuracies.append(float((found == digits.held_out_labels).mean()))
        on_epoch(epoch + 1, history)
    model.eval()
    return history
