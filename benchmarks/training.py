"""Training steps: forward, backward through autograd, and the step of SGD, of networks of known kinds."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .cases import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from .cases import Array

# The first step is checked: it moves the weights by much more than they are rounded. The steps that are timed
# barely move them: a network that knows its one batch by heart would compute with subnormal numbers.
FIRST_RATE, TIMED_RATE = 0.1, 1e-9
CLASSES = 10
VOCABULARY, WORDS, FEATURES = 5000, 64, 128
MOST_DRAWS = 20  # of a batch, for a steady step


# The layers come from something with torch.nn's names, and beside those `Residual(*layers, shortcut=None)`,
# `Concat(*branches)` and `Transpose()` of the last two axes.


def _lenet(nn: Any) -> Any:
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU()),
        nn.Linear(84, CLASSES),
    )


def _vgg11(nn: Any) -> Any:
    """The convolutions of VGG-11 and one linear layer, as usual for images of 32x32."""
    layers, before = [], 3
    for channels in (64, 0, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0):
        if channels:
            layers += [nn.Conv2d(before, channels, 3, padding=1), nn.ReLU()]
            before = channels
        else:
            layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(before, CLASSES))


def _resnet18(nn: Any) -> Any:
    def conv_norm(before: int, channels: int, kernel: int, stride: int = 1) -> Any:
        conv = nn.Conv2d(before, channels, kernel, stride, padding=kernel // 2, bias=False)
        return nn.Sequential(conv, nn.BatchNorm2d(channels))

    def block(before: int, channels: int, stride: int) -> Iterator[Any]:
        yield nn.Residual(
            conv_norm(before, channels, 3, stride),
            nn.ReLU(),
            conv_norm(channels, channels, 3),
            shortcut=None if before == channels else conv_norm(before, channels, 1, stride),
        )
        yield nn.ReLU()

    stages = [
        layer
        for before, channels in ((64, 64), (64, 128), (128, 256), (256, 512))
        for first, stride in ((before, channels // before), (channels, 1))
        for layer in block(first, channels, stride)
    ]
    return nn.Sequential(
        *(conv_norm(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1), *stages),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, CLASSES)),
    )


def _text_cnn(nn: Any) -> Any:
    """Three widths of windows over words and the largest of each feature: Kim 2014."""
    branches = (
        nn.Sequential(nn.Conv1d(FEATURES, 100, width), nn.ReLU(), nn.AdaptiveMaxPool1d(1))
        for width in (3, 4, 5)
    )
    return nn.Sequential(
        *(nn.Embedding(VOCABULARY, FEATURES), nn.Transpose(), nn.Concat(*branches)),
        *(nn.Flatten(), nn.Linear(300, CLASSES)),
    )


# The network, the batch, the shape of one input; one without channels holds words.
NETWORKS: dict[str, tuple[Callable[[Any], Any], int, tuple[int, ...]]] = {
    "LeNet": (_lenet, 64, (1, 28, 28)),
    "VGG-11": (_vgg11, 32, (3, 32, 32)),
    "ResNet-18": (_resnet18, 16, (3, 64, 64)),
    "text CNN": (_text_cnn, 64, (WORDS,)),
}


def our_layers() -> Any:
    """Return convnative.nn with what the networks use beside torch's names."""
    from types import SimpleNamespace

    from convnative import nn

    class Transpose(nn.Module):
        def forward(self, input: Any) -> Any:
            return input.swapaxes(-1, -2)

    return SimpleNamespace(**{name: getattr(nn, name) for name in nn.__all__}, Transpose=Transpose)


def our_step(
    network: str, dtype: str, state: Mapping[str, Array]
) -> tuple[Any, Callable[[Array, Array], float]]:
    """Return a convnative model and the function that takes it one step further and returns the loss."""
    import convnative
    from convnative import functional

    model = NETWORKS[network][0](our_layers())
    model.load_state_dict(dict(state))
    if dtype == "float64":
        model.double()
    optimizer = convnative.optim.SGD(model, lr=FIRST_RATE)
    rates = learning_rates()

    def step(input: Array, target: Array) -> float:
        optimizer.lr = next(rates)
        loss, grads = convnative.value_and_grad(lambda m: functional.cross_entropy(m(input), target), model)
        optimizer.step(grads)
        return float(loss)

    return model, step


def learning_rates() -> Iterator[float]:
    """Yield the learning rate of each step."""
    return itertools.chain((FIRST_RATE,), itertools.repeat(TIMED_RATE))


def results(loss: float, before: Mapping[str, Array], after: Iterable[tuple[str, Array]]) -> list[Array]:
    """Return what peers must agree about: the loss, and by how much each parameter moved."""
    return [np.asarray(loss), *(np.asarray(value) - before[name] for name, value in sorted(after))]


@dataclass(frozen=True)
class TrainingStep(Problem):
    """One step of one network with given weights; each call goes on from the weights of the one before."""

    kind = "training_step"
    unit = "examples/s"
    operation = "step"
    # A rounding error that moves a value over the corner of a ReLU, or to another maximum of a pool, changes
    # a few elements of a gradient by more than itself: hence the mean, and its size.
    measure = "rms error / rms of loss and updates"
    tolerance = 0.01

    network: str
    batch: int
    input: Array
    target: Array
    state: dict[str, Array]

    @classmethod
    def random(
        cls, network: str, _operation: str, rng: np.random.Generator, _dtype: str = "float32"
    ) -> TrainingStep:
        """Draw a batch in which rounding hardly moves a value over a corner, if one is found soon."""
        for _ in range(MOST_DRAWS):
            case = cls._draw(network, rng)
            if case._is_steady(rng):
                break
        return case

    @classmethod
    def _draw(cls, network: str, rng: np.random.Generator) -> TrainingStep:
        build, batch, shape = NETWORKS[network]
        if len(shape) == 1:
            input = rng.integers(0, VOCABULARY, (batch, *shape))
        else:
            input = rng.standard_normal((batch, *shape), dtype=np.float32)
        state = {name: np.asarray(value) for name, value in build(our_layers()).state_dict().items()}
        return cls(network, batch, input, rng.integers(0, CLASSES, batch), state)

    def _is_steady(self, rng: np.random.Generator) -> bool:
        """Whether the step in float64 moves little when its input moves by some roundings of float32."""
        if self.input.dtype.kind != "f":
            return True
        expected = self.reference()
        for _ in range(4):
            moved = self.input * (1 + 1e-6 * rng.standard_normal(self.input.shape))
            near = replace(self, input=moved).reference()
            if any(self.error(a, b) > self.tolerance / 4 for a, b in zip(near, expected, strict=True)):
                return False
        return True

    @property
    def label(self) -> str:
        return f"{self.network} N={self.batch} {'x'.join(map(str, self.input.shape[1:]))}"

    @property
    def group(self) -> str:
        return "training"

    @property
    def work(self) -> float:
        return self.batch

    @staticmethod
    def error(result: Array, expected: Array) -> float:
        square = np.mean((result - expected) ** 2) / (np.mean(expected**2) or 1)
        return float(np.sqrt(square))

    def description(self) -> dict[str, Any]:
        return {"network": self.network, "batch": self.batch}

    def arrays(self) -> dict[str, Array]:
        parameters = {f"state/{name}": value for name, value in self.state.items()}
        return {"input": self.input, "target": self.target, **parameters}

    @classmethod
    def load(cls, description: dict[str, Any], arrays: Mapping[str, Array]) -> TrainingStep:
        state = {name.removeprefix("state/"): a for name, a in arrays.items() if name.startswith("state/")}
        return cls(description["network"], description["batch"], arrays["input"], arrays["target"], state)

    def reference(self) -> list[Array]:
        """By our own layers in float64: what is independent here is torch."""
        model, step = our_step(self.network, "float64", self.state)
        before = {name: value.copy() for name, value in model.named_parameters()}
        input = self.input.astype(np.float64) if self.input.dtype.kind == "f" else self.input
        return results(step(input, self.target), before, model.named_parameters())
