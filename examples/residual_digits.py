"""
A residual network with batch normalization learns scikit-learn's 1,797 handwritten digits.

    python examples/residual_digits.py
    python examples/residual_digits.py --epochs 5 --seed 1

The network is that of He et al. 2015 in small: three blocks, each adding its input to what its two
convolutions make of it. 360 of the digits are held out; about 99 % of them are recognised.
"""

import argparse
import math
import time

import numpy as np
from sklearn.datasets import load_digits

import convnative as cn
from convnative import functional as F
from convnative import nn

HELD_OUT = 360


def conv_norm(in_channels, out_channels, kernel_size, stride=1):
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding=kernel_size // 2, bias=False),
        nn.BatchNorm2d(out_channels),
    )


def block(in_channels, out_channels, stride=1):
    same_shape = stride == 1 and in_channels == out_channels
    return nn.Sequential(
        nn.Residual(
            conv_norm(in_channels, out_channels, 3, stride),
            nn.ReLU(),
            conv_norm(out_channels, out_channels, 3),
            shortcut=None if same_shape else conv_norm(in_channels, out_channels, 1, stride),
        ),
        nn.ReLU(),
    )


def network():
    return nn.Sequential(
        conv_norm(1, 16, 3),
        nn.ReLU(),
        block(16, 16),
        block(16, 32, stride=2),
        block(32, 64, stride=2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, 10),
    )


def shifted(images, rng):
    """Each image moved by up to one pixel up or down, left or right: more data out of the same."""
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, images.shape[2:], axis=(2, 3))
    rows, columns = rng.integers(0, 3, size=(2, len(images)))
    return windows[np.arange(len(images)), :, rows, columns]


def accuracy(model, images, labels):
    model.eval()  # batch norm takes its running statistics
    found = model(images).argmax(axis=1)
    model.train()
    return np.mean(found == labels)


def main():
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--epochs", type=int, default=20, help="passes over the data (default: 20)")
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (default: 0)")
    parser.add_argument("--quick", action="store_true", help="3 epochs")
    options = parser.parse_args()
    epochs = 3 if options.quick else options.epochs

    cn.manual_seed(options.seed)
    rng = np.random.default_rng(options.seed)
    data = load_digits()
    images = (data.images[:, np.newaxis] / 16).astype(np.float32)
    order = rng.permutation(len(images))
    test, train = order[:HELD_OUT], order[HELD_OUT:]

    model = network()
    print(cn.summary(model, (1, 1, 8, 8)))
    optimizer = cn.optim.AdamW(model, lr=0.01, weight_decay=0.05)
    first_rate = optimizer.lr
    begin = time.perf_counter()
    for epoch in range(epochs):
        optimizer.lr = first_rate * (1 + math.cos(math.pi * epoch / epochs)) / 2
        losses = []
        batches = cn.data.batches(
            shifted(images[train], rng), data.target[train], size=64, shuffle=True, rng=rng
        )
        for x, labels in batches:
            loss, grads = cn.value_and_grad(
                lambda m, x=x, t=labels: F.cross_entropy(m(x), t, label_smoothing=0.1), model
            )
            optimizer.step(grads)
            losses.append(loss)
        held_out = accuracy(model, images[test], data.target[test])
        print(f"epoch {epoch + 1:2d}  loss {np.mean(losses):.4f}  held out {held_out:.2%}")
    print(f"trained in {time.perf_counter() - begin:.1f} s")
    print(f"test accuracy {held_out:.2%} of {HELD_OUT} digits")


if __name__ == "__main__":
    main()
