"""
A 1-D convolution network tells four kinds of signals in noise apart.

    python examples/conv1d_signals.py
    python examples/conv1d_signals.py --noise 1.5

The data is made here: sines, square waves, sawtooths and chirps (sines whose frequency rises) with random
frequency, phase and amplitude, 160 samples long, under white noise. A linear classifier cannot learn
them, because a random phase leaves nothing that any one sample would tell; it is trained for comparison.
"""

import argparse
import math
import time

import numpy as np

import convnative as cn
from convnative import functional as F
from convnative import nn

KINDS = ("sine", "square", "sawtooth", "chirp")
LENGTH = 160


def make_signals(count, noise, rng):
    """Return signals of shape (count, 1, LENGTH) with mean 0 and deviation 1, and their kinds."""
    kinds = rng.integers(0, len(KINDS), count)
    time = np.linspace(0, 1, LENGTH)
    frequency = rng.uniform(3, 8, (count, 1))
    turns = frequency * time + rng.uniform(0, 1, (count, 1))
    sine = np.sin(2 * np.pi * turns)
    sawtooth = 2 * (turns % 1) - 1
    chirp = np.sin(2 * np.pi * (turns + frequency * time**2 / 2))  # twice the frequency at the end
    signals = np.choose(kinds[:, np.newaxis], (sine, np.sign(sine), sawtooth, chirp))
    signals *= rng.uniform(0.5, 2, (count, 1))
    signals += noise * signals.std(axis=1, keepdims=True) * rng.standard_normal(signals.shape)
    signals -= signals.mean(axis=1, keepdims=True)
    signals /= signals.std(axis=1, keepdims=True)
    return signals[:, np.newaxis].astype(np.float32), kinds


def convolution_network():
    return nn.Sequential(
        nn.Conv1d(1, 16, 15, stride=2, padding=7),
        nn.BatchNorm1d(16),
        nn.ReLU(),
        nn.MaxPool1d(2),
        nn.Conv1d(16, 32, 9, padding="same"),
        nn.BatchNorm1d(32),
        nn.ReLU(),
        nn.MaxPool1d(2),
        nn.Conv1d(32, 64, 5, padding="same"),
        nn.ReLU(),
        nn.AdaptiveAvgPool1d(2),
        nn.Flatten(),
        nn.Linear(128, len(KINDS)),
    )


def linear_classifier():
    return nn.Sequential(nn.Flatten(), nn.Linear(LENGTH, len(KINDS)))


def train(model, signals, kinds, epochs, rng):
    optimizer = cn.optim.AdamW(model, lr=0.005)
    first_rate = optimizer.lr
    for epoch in range(epochs):
        optimizer.lr = first_rate * (1 + math.cos(math.pi * epoch / epochs)) / 2
        losses = []
        for x, target in cn.data.batches(signals, kinds, size=64, shuffle=True, rng=rng):
            loss, grads = cn.value_and_grad(lambda m, x=x, t=target: F.cross_entropy(m(x), t), model)
            optimizer.step(grads)
            losses.append(loss)
        print(f"epoch {epoch + 1:2d}  loss {np.mean(losses):.4f}")
    model.eval()


def main():
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--epochs", type=int, default=10, help="passes over the data (default: 10)")
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (default: 0)")
    parser.add_argument("--noise", type=float, default=1.0, help="deviation, relative to the signal's (1)")
    parser.add_argument("--quick", action="store_true", help="3 epochs")
    options = parser.parse_args()
    epochs = 3 if options.quick else options.epochs

    cn.manual_seed(options.seed)
    rng = np.random.default_rng(options.seed)
    signals, kinds = make_signals(3000, options.noise, rng)
    test_signals, test_kinds = make_signals(1000, options.noise, rng)

    for name, model in (("linear", linear_classifier()), ("convolutional", convolution_network())):
        print(f"\n{name} model, {cn.count_parameters(model).total:,} parameters")
        begin = time.perf_counter()
        train(model, signals, kinds, epochs, rng)
        found = model(test_signals).argmax(axis=1)
        print(f"trained in {time.perf_counter() - begin:.1f} s")
        for kind, title in enumerate(KINDS):
            share = np.mean(found[test_kinds == kind] == kind)
            print(f"  {title:9s} {share:.1%} recognised")
        print(f"test accuracy {np.mean(found == test_kinds):.2%} of {len(test_kinds)} signals")


if __name__ == "__main__":
    main()
