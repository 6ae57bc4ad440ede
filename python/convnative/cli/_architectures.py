"""Small and well-known networks by name, each with the shape of one input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .. import models, nn


@dataclass(frozen=True)
class Architecture:
    """A network and what it takes.

    Attributes
    ----------
    build : callable
        Makes the network.
    input_shape : tuple of int
        Channels, height and width of one input.
    """

    build: Callable[[], nn.Module]
    input_shape: tuple[int, int, int]


def digits() -> nn.Module:
    """Return a LeNet-like network for the 8 by 8 digits of scikit-learn."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding="same"),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding="same"),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding="same"),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.4),
        nn.Linear(256, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )


ARCHITECTURES = {
    "digits": Architecture(digits, (1, 8, 8)),
    "lenet5": Architecture(models.lenet5, (1, 32, 32)),
    "alexnet": Architecture(models.alexnet, (3, 224, 224)),
    "alexnet_2012": Architecture(models.alexnet_2012, (3, 227, 227)),
    "vgg16": Architecture(models.vgg16, (3, 224, 224)),
    "resnet18": Architecture(models.resnet18, (3, 224, 224)),
    "resnet50": Architecture(models.resnet50, (3, 224, 224)),
    "mobilenet_v2": Architecture(models.mobilenet_v2, (3, 224, 224)),
}
