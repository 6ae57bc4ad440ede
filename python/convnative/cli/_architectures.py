"""Small and well-known networks by name, each with the shape of one input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .. import nn


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


def lenet5() -> nn.Module:
    """Return LeNet-5 (LeCun et al. 1998) as it is built today: full connections, ReLU and max pooling."""
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


def alexnet() -> nn.Module:
    """Return AlexNet (Krizhevsky, Sutskever and Hinton 2012) on one device, without its groups."""
    return nn.Sequential(
        nn.Conv2d(3, 96, 11, stride=4),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2),
        nn.Conv2d(96, 256, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2),
        nn.Conv2d(256, 384, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(384, 384, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(9216, 4096),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(4096, 4096),
        nn.ReLU(),
        nn.Linear(4096, 1000),
    )


def vgg16() -> nn.Module:
    """Return VGG-16 (Simonyan and Zisserman 2014, configuration D)."""
    layers: list[nn.Module] = []
    channels = 3
    for width, depth in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(depth):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
        layers.append(nn.MaxPool2d(2))
    layers += [nn.Flatten(), nn.Linear(25088, 4096), nn.ReLU(), nn.Dropout(0.5)]
    layers += [nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4096, 1000)]
    return nn.Sequential(*layers)


ARCHITECTURES = {
    "digits": Architecture(digits, (1, 8, 8)),
    "lenet5": Architecture(lenet5, (1, 32, 32)),
    "alexnet": Architecture(alexnet, (3, 227, 227)),
    "vgg16": Architecture(vgg16, (3, 224, 224)),
}
