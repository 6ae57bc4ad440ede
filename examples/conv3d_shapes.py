"""
A 3-D convolution network tells balls, shells, rods and rings in noisy volumes apart.

    python examples/conv3d_shapes.py
    python examples/conv3d_shapes.py --noise 1.5

The data is made here: volumes of 16 x 16 x 16 voxels, as a scanner would give them, with one solid in each,
of random size, place and orientation, under white noise. A ball and a hollow shell differ inside alone.
"""

import argparse
import math
import time

import numpy as np

import convnative as cn
from convnative import functional as F
from convnative import nn

KINDS = ("ball", "shell", "rod", "ring")
SIZE = 16


def random_rotation(rng):
    """An orthogonal matrix whose axes have no preferred direction."""
    matrix, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    return matrix


def make_volumes(count, noise, rng):
    """Return volumes of shape (count, 1, SIZE, SIZE, SIZE) and the kinds of the solids in them."""
    kinds = rng.integers(0, len(KINDS), count)
    grid = np.stack(np.meshgrid(*[np.arange(SIZE) - (SIZE - 1) / 2] * 3, indexing="ij"), axis=-1)
    volumes = noise * rng.standard_normal((count, 1, SIZE, SIZE, SIZE), dtype=np.float32)
    for volume, kind in zip(volumes[:, 0], kinds, strict=True):
        x, y, z = np.moveaxis((grid - rng.uniform(-2, 2, 3)) @ random_rotation(rng), -1, 0)
        radius, distance = rng.uniform(4, 6), np.sqrt(x**2 + y**2 + z**2)
        inside = {
            "ball": distance <= radius,
            "shell": abs(distance - radius + 0.75) <= 0.75,
            "rod": (np.hypot(x, y) <= 0.4 * radius) & (abs(z) <= radius),
            "ring": np.hypot(np.hypot(x, y) - 0.75 * radius, z) <= 0.25 * radius,
        }[KINDS[kind]]
        volume += inside
    return volumes, kinds


def network():
    return nn.Sequential(
        nn.Conv3d(1, 8, 3, padding=1),
        nn.BatchNorm3d(8),
        nn.ReLU(),
        nn.MaxPool3d(2),
        nn.Conv3d(8, 16, 3, padding=1),
        nn.BatchNorm3d(16),
        nn.ReLU(),
        nn.AvgPool3d(2),
        nn.Conv3d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveMaxPool3d(1),
        nn.Flatten(),
        nn.Linear(32, len(KINDS)),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--epochs", type=int, default=8, help="passes over the data (default: 8)")
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (default: 0)")
    parser.add_argument("--noise", type=float, default=0.7, help="deviation of the noise (default: 0.7)")
    parser.add_argument("--quick", action="store_true", help="3 epochs on fewer volumes")
    options = parser.parse_args()
    epochs, count = (3, 400) if options.quick else (options.epochs, 1200)

    cn.manual_seed(options.seed)
    rng = np.random.default_rng(options.seed)
    volumes, kinds = make_volumes(count, options.noise, rng)
    test_volumes, test_kinds = make_volumes(300, options.noise, rng)

    model = network()
    print(cn.summary(model, (1, 1, SIZE, SIZE, SIZE)))
    optimizer = cn.optim.AdamW(model, lr=0.005)
    first_rate = optimizer.lr
    begin = time.perf_counter()
    for epoch in range(epochs):
        optimizer.lr = first_rate * (1 + math.cos(math.pi * epoch / epochs)) / 2
        losses = []
        for x, target in cn.data.batches(volumes, kinds, size=32, shuffle=True, rng=rng):
            loss, grads = cn.value_and_grad(lambda m, x=x, t=target: F.cross_entropy(m(x), t), model)
            optimizer.step(grads)
            losses.append(loss)
        print(f"epoch {epoch + 1:2d}  loss {np.mean(losses):.4f}")
    model.eval()
    found = model(test_volumes).argmax(axis=1)
    print(f"trained in {time.perf_counter() - begin:.1f} s")
    print(f"test accuracy {np.mean(found == test_kinds):.2%} of {len(test_kinds)} volumes")


if __name__ == "__main__":
    main()
