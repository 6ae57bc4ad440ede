"""
An autoencoder with transposed convolutions packs each of scikit-learn's digits into a few numbers.

    python examples/autoencoder_digits.py
    python examples/autoencoder_digits.py --code 4

Two strided convolutions and a linear layer turn the 64 pixels into the code, and their transposes turn
the code into pixels again. The error on digits that were held out is compared with that of the best
linear code of the same size (principal components), and of the mean image.
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
SHADES = " .:-=+*#%@"


def encoder(code):
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, stride=2, padding=1),  # 8 x 8 -> 4 x 4
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),  # 4 x 4 -> 2 x 2
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(128, code),
    )


def decoder(code):
    return nn.Sequential(
        nn.Linear(code, 128),
        nn.ReLU(),
        nn.Unflatten(1, (32, 2, 2)),
        nn.ConvTranspose2d(32, 16, 4, stride=2, padding=1),  # 2 x 2 -> 4 x 4
        nn.ReLU(),
        nn.ConvTranspose2d(16, 16, 4, stride=2, padding=1),  # 4 x 4 -> 8 x 8
        nn.ReLU(),
        nn.Conv2d(16, 1, 3, padding=1),
        nn.Sigmoid(),
    )


def principal_components(train, test, code):
    """Return `test` projected on the mean and the first components of `train`."""
    flat = train.reshape(len(train), -1).astype(np.float64)
    mean = flat.mean(axis=0)
    components = np.linalg.svd(flat - mean, full_matrices=False)[2][:code]
    codes = (test.reshape(len(test), -1) - mean) @ components.T
    return (codes @ components + mean).reshape(test.shape)


def show(title, images):
    """Print images side by side."""
    print(f"\n{title}")
    levels = np.clip(images[:, 0] * len(SHADES), 0, len(SHADES) - 1).astype(int)
    for row in range(levels.shape[1]):
        print("   ".join("".join(SHADES[level] * 2 for level in image[row]) for image in levels))


def main():
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--epochs", type=int, default=60, help="passes over the data (default: 60)")
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (default: 0)")
    parser.add_argument("--code", type=int, default=8, help="numbers per digit (default: 8)")
    parser.add_argument("--quick", action="store_true", help="20 epochs")
    options = parser.parse_args()
    epochs = 20 if options.quick else options.epochs

    cn.manual_seed(options.seed)
    rng = np.random.default_rng(options.seed)
    images = (load_digits().images[:, np.newaxis] / 16).astype(np.float32)
    images = images[rng.permutation(len(images))]
    test, train = images[:HELD_OUT], images[HELD_OUT:]

    model = nn.Sequential(encoder(options.code), decoder(options.code))
    print(cn.summary(model, (1, 1, 8, 8)))
    optimizer = cn.optim.AdamW(model, lr=0.004, weight_decay=0.001)
    first_rate = optimizer.lr
    begin = time.perf_counter()
    for epoch in range(epochs):
        optimizer.lr = first_rate * (1 + math.cos(math.pi * epoch / epochs)) / 2
        losses = []
        for (x,) in cn.data.batches(train, size=32, shuffle=True, rng=rng):
            loss, grads = cn.value_and_grad(lambda m, x=x: F.mse_loss(m(x), x), model)
            optimizer.step(grads)
            losses.append(loss)
        if (epoch + 1) % 5 == 0:
            print(f"epoch {epoch + 1:2d}  mean squared error {np.mean(losses):.5f}")
    print(f"trained in {time.perf_counter() - begin:.1f} s")

    decoded = model(test)
    show("held out", test[:6])
    show(f"after {options.code} numbers", decoded[:6])
    linear = principal_components(train, test, options.code)
    print(f"\nmean squared error on {HELD_OUT} digits that were held out")
    print(f"  mean image   {np.mean((test - train.mean(axis=0)) ** 2):.5f}")
    print(f"  linear code  {np.mean((test - linear) ** 2):.5f}")
    print(f"  autoencoder  {np.mean((test - decoded) ** 2):.5f}")


if __name__ == "__main__":
    main()
