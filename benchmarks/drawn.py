"""Convolutions drawn at random: what no network has, and where nobody may have looked."""

from __future__ import annotations

import random

from .shapes import Shape

# Between what a call costs in any case and a tenth of a second.
FEWEST_FLOPS, MOST_FLOPS = 4e4, 8e8
# Elements of input and of output.
MOST_ELEMENTS = 2**24

CHANNELS = (1, 2, 3, 5, 8, 10, 13, 16, 17, 24, 31, 32, 33, 48, 64, 96, 100, 128, 192, 256, 384, 512)
SIZES = {
    1: (7, 16, 33, 64, 100, 250, 777, 1000, 4000, 8000),
    2: (1, 2, 3, 4, 5, 6, 7, 9, 11, 13, 14, 16, 19, 24, 28, 31, 33, 40, 50, 56, 64, 75, 100, 112, 130),
    3: (2, 4, 5, 8, 13, 16, 28),
}
KERNELS = {1: (1, 2, 3, 3, 4, 5, 7, 9, 15), 2: (1, 1, 2, 3, 3, 3, 3, 4, 5, 5, 7, 9, 11, 15), 3: (1, 2, 3, 3)}


def drawn(count: int, seed: int) -> list[Shape]:
    """Return `count` different convolutions, the same for the same seed."""
    rng = random.Random(seed)
    found: dict[Shape, None] = {}
    while len(found) < count:
        shape = _draw(rng)
        if shape is not None:
            found[shape] = None
    return list(found)


def _draw(rng: random.Random) -> Shape | None:
    """One of any sizes; None where they do not fit together, or are too large or too small."""
    axes = rng.choice((1, 2, 2, 2, 2, 3))

    def each(choices: tuple[int, ...], alike: float) -> tuple[int, ...]:
        values = [rng.choice(choices) for _ in range(axes)]
        return (values[0],) * axes if rng.random() < alike else tuple(values)

    in_channels, out_channels = rng.choice(CHANNELS), rng.choice(CHANNELS)
    groups = rng.choice((1, 1, 1, 1, 1, 2, 3, 4, 8, in_channels, in_channels))
    if groups == in_channels:
        out_channels = in_channels * rng.choice((1, 1, 2))
    kernel, dilation = each(KERNELS[axes], 0.7), each((1, 1, 1, 1, 2, 3), 0.9)
    padding = tuple(rng.choice((0, 1, 1)) * d * (k - 1) // 2 for k, d in zip(kernel, dilation, strict=True))
    shape = Shape(
        rng.choice((1, 1, 2, 3, 8, 16)), in_channels, each(SIZES[axes], 0.7), out_channels, kernel,
        each((1, 1, 1, 1, 2, 2, 3, 4), 0.9), padding, dilation, groups, rng.random() < 0.2,
    )  # fmt: skip
    fits = in_channels % groups == 0 and out_channels % groups == 0 and min(shape.output_shape) > 0
    if not fits or shape.elements > MOST_ELEMENTS:
        return None
    return shape if FEWEST_FLOPS <= shape.flops <= MOST_FLOPS else None
