"""
Three ways to halve an image (maximum, average, a convolution of stride 2) and one to mix its channels.

    python examples/downsampling.py
    python examples/downsampling.py --epochs 10

First on numbers that can be followed by hand; then as the downsampling layer of three networks, equal
otherwise, that learn scikit-learn's handwritten digits. The strided convolution learns what to keep, and has
weights for it; the pools have none.
"""

import argparse
import time

import numpy as np
from sklearn.datasets import load_digits

import convnative as cn
from convnative import functional as F
from convnative import nn

HELD_OUT = 360
IMAGE = np.array([[1.0, 3, 2, 0], [5, 7, 0, 2], [4, 4, 8, 1], [0, 4, 2, 9]])


def by_hand():
    image = IMAGE[np.newaxis, np.newaxis]
    corner = np.array([[1.0, 0], [0, 0]])[np.newaxis, np.newaxis]
    mean = np.full((1, 1, 2, 2), 0.25)
    print("an image of 4 x 4\n" + str(IMAGE))
    for name, result in {
        "max pooling 2": F.max_pool2d(image, 2),
        "average pooling 2": F.avg_pool2d(image, 2),
        "convolution of stride 2, four quarters": F.conv2d(image, mean, stride=2),
        "convolution of stride 2, the upper left number": F.conv2d(image, corner, stride=2),
    }.items():
        print(f"{name}: {result[0, 0].tolist()}")


def mix_channels():
    """A 1 x 1 convolution is a weighted sum of the channels of each pixel: here, of colour to grey."""
    pixel = np.array([0.2, 0.8, 0.1]).reshape(1, 3, 1, 1)
    weight = np.array([0.3, 0.5, 0.2]).reshape(1, 3, 1, 1)
    grey = F.conv2d(pixel, weight).item()
    print(f"0.3 R + 0.5 G + 0.2 B of (0.2, 0.8, 0.1) is {grey:.2f}\n")


def network(downsampling):
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding="same"),
        nn.ReLU(),
        downsampling(16),
        nn.Conv2d(16, 32, 3, padding="same"),
        nn.ReLU(),
        downsampling(32),
        nn.Conv2d(32, 16, 1),  # mixes the channels
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(64, 10),
    )


DOWNSAMPLING = {
    "max pooling": lambda _: nn.MaxPool2d(2),
    "average pooling": lambda _: nn.AvgPool2d(2),
    "strided convolution": lambda channels: nn.Conv2d(channels, channels, 2, stride=2),
}


def train(model, images, labels, epochs, rng):
    optimizer = cn.optim.AdamW(model, lr=0.005)
    for _ in range(epochs):
        for x, target in cn.data.batches(images, labels, size=64, shuffle=True, rng=rng):
            _, grads = cn.value_and_grad(lambda m, x=x, t=target: F.cross_entropy(m(x), t), model)
            optimizer.step(grads)


def main():
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--epochs", type=int, default=15, help="passes over the digits (default: 15)")
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (default: 0)")
    parser.add_argument("--quick", action="store_true", help="8 epochs")
    options = parser.parse_args()
    epochs = 8 if options.quick else options.epochs

    by_hand()
    mix_channels()
    data = load_digits()
    images = (data.images[:, np.newaxis] / 16).astype(np.float32)
    order = np.random.default_rng(options.seed).permutation(len(images))
    test, kept = order[:HELD_OUT], order[HELD_OUT:]
    for name, downsampling in DOWNSAMPLING.items():
        cn.manual_seed(options.seed)
        model = network(downsampling)
        begin = time.perf_counter()
        train(model, images[kept], data.target[kept], epochs, np.random.default_rng(options.seed))
        seconds = time.perf_counter() - begin
        right = np.mean(model(images[test]).argmax(axis=1) == data.target[test])
        count = cn.count_parameters(model).total
        print(f"{name:19s} {count:6,} parameters, {seconds:.1f} s, test accuracy {right:.2%}")


if __name__ == "__main__":
    main()
