"""The convolutions that the tests of the forward and of the gradients share, with exact results."""

from dataclasses import dataclass, replace
from functools import cache, cached_property
from itertools import product

import numpy as np
import pytest

import reference
from arrays import covering, generator, small_integers
from convnative import _core


@dataclass(frozen=True)
class Case:
    """One convolution; `batch` is None for an unbatched input."""

    batch: int | None
    in_channels: int
    out_channels: int
    sizes: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...] | str
    dilation: tuple[int, ...]
    groups: int = 1
    bias: bool = True
    padding_mode: str | float = "zeros"

    def __str__(self):
        join = lambda values: "x".join(map(str, values))  # noqa: E731
        return f"{join(self.input_shape)} by {join(self.weight_shape)} stride {join(self.stride)}"

    @property
    def axes(self):
        return len(self.sizes)

    @property
    def input_shape(self):
        lead = () if self.batch is None else (self.batch,)
        return (*lead, self.in_channels, *self.sizes)

    @property
    def weight_shape(self):
        return (self.out_channels, self.in_channels // self.groups, *self.kernel)

    @property
    def geometry(self):
        return self.stride, self.padding, self.dilation, self.groups, self.padding_mode

    @property
    def products(self):
        """Products per output."""
        return int(np.prod(self.weight_shape[1:]))

    @cached_property
    def data(self):
        """Integer input, weight and bias (or None)."""
        rng = generator(self)
        return (
            small_integers(rng, self.input_shape),
            small_integers(rng, self.weight_shape),
            small_integers(rng, self.out_channels, 100) if self.bias else None,
        )

    @cached_property
    def output(self):
        return reference.conv_forward(*self.data, *self.geometry)

    @cached_property
    def grad_output(self):
        return small_integers(generator(self, "grad_output"), self.output.shape)

    @cached_property
    def grad_input(self):
        return reference.conv_grad_input(self.grad_output, self.data[1], self.input_shape, *self.geometry)

    @cached_property
    def grad_weight(self):
        return reference.conv_grad_weight(self.grad_output, self.data[0], self.weight_shape, *self.geometry)


def floats(rng, shape, dtype):
    return rng.standard_normal(shape).astype(dtype)


def cast(arrays, dtype):
    return [None if a is None else a.astype(dtype) for a in arrays]


# -- the cases --------------------------------------------------------------------------------

KERNELS, STRIDES, DILATIONS, PADDINGS = range(1, 6), range(1, 4), range(1, 4), range(4)


def _size_for(kernel, dilation, pair, extra):
    """A size at which the padded extent holds the kernel and `extra` more elements."""
    return max(dilation * (kernel - 1) + 1 - sum(pair), 1) + extra


def _case(batch, channels, sizes, kernel, stride, padding, dilation, groups, bias, padding_mode="zeros"):
    in_channels, out_channels = (groups * c for c in channels)
    return Case(
        batch, in_channels, out_channels, tuple(sizes), tuple(kernel), tuple(stride), tuple(padding),
        tuple(dilation), groups, bias, padding_mode,
    )  # fmt: skip


@cache
def axis_cases():
    """Every (kernel, stride, dilation, before, after) along the rows, and every one along the columns."""
    grid = list(product(KERNELS, STRIDES, DILATIONS, PADDINGS, PADDINGS))
    rng = generator("axis cases")
    cases = []
    for number, (row, column) in enumerate(zip(grid, rng.permutation(grid).tolist(), strict=True)):
        kernel, stride, dilation, before, after = zip(row, column, strict=True)
        padding = tuple(zip(before, after, strict=True))
        extras = rng.integers(0, 9), rng.integers(0, 20)
        sizes = [_size_for(*each) for each in zip(kernel, dilation, padding, map(int, extras), strict=True)]
        channels = 1 + number % 5, 1 + number % 7
        groups, batch, bias = 1 + number % 3, (1, 3, None, 2, 0)[number % 5], number % 2 == 0
        cases.append(_case(batch, channels, sizes, kernel, stride, padding, dilation, groups, bias))
    return cases


@cache
def channel_cases():
    """Every number of input channels and of output channels from 1 to 67, so every tail of every tile."""
    outs = generator("channel cases").permutation(np.arange(1, 68)).tolist()
    cases = []
    for number, (c, k) in enumerate(zip(range(1, 68), outs, strict=True)):
        kernel = ((3, 3), (1, 1), (2, 3), (5, 1))[number % 4]
        stride, padding = (1 + number % 2,) * 2, ((number % 3, 1), (1, number % 2))
        cases.append(
            _case(1 + number % 2, (c, k), (6, 5 + number % 9), kernel, stride, padding, (1, 1), 1, True)
        )
    for number, groups in enumerate(range(2, 68)):  # depthwise, with one or two outputs per channel
        channels = (1, 1 + number % 2)
        cases.append(_case(2, channels, (5, 7), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), groups, False))
    return cases


@cache
def width_cases():
    """Every width from 1 to 67, so every vector tail, for each kernel width and stride."""
    cases = []
    for width in range(1, 68):
        for number, (kernel, stride) in enumerate(product((1, 2, 3, 5), (1, 2))):
            before = min(kernel // 2, 2)
            after = kernel - 1 - before
            channels = 1 + (width + number) % 6, 1 + (width * 3 + number) % 19
            shape = (2 + width % 3, width), (1, kernel), (1, stride), ((0, 0), (before, after))
            cases.append(_case(1, channels, *shape, (1, 1), 1, number % 2 == 0))
    return cases


@cache
def mixed_cases():
    """Every pair of values of every two parameters."""
    rows = covering(
        {
            "batch": [0, 1, 3, None],
            "channels": [(1, 1), (3, 8), (16, 17), (5, 33), (33, 4), (8, 16)],
            "groups": [1, 2, 5],
            "extra": [(0, 0), (1, 7), (9, 15), (3, 33), (12, 1)],
            "kernel": [(1, 1), (3, 3), (5, 5), (2, 4), (1, 5), (4, 1), (3, 2)],
            "stride": [(1, 1), (2, 2), (3, 1), (1, 2), (3, 3)],
            "dilation": [(1, 1), (2, 2), (1, 3), (3, 1)],
            "padding": [
                ((0, 0), (0, 0)),
                ((1, 1), (1, 1)),
                ((0, 3), (2, 1)),
                ((3, 0), (1, 3)),
                ((2, 2), (0, 1)),
            ],
            "bias": [True, False],
        },
        key="mixed",
    )
    cases = []
    for row in rows:
        extra = row.pop("extra")
        sizes = [
            _size_for(*each)
            for each in zip(row["kernel"], row["dilation"], row["padding"], extra, strict=True)
        ]
        cases.append(_case(sizes=sizes, **row))
    return cases


@cache
def small_image_cases():
    """Batches of images smaller than a vector, so that one vector holds pixels of several."""
    cases = []
    for number, (batch, size, kernel, stride) in enumerate(
        product(
            [2, 5, 16, 19], [(1, 1), (1, 3), (2, 2), (3, 5), (4, 4), (7, 2)], [(1, 1), (3, 3), (2, 3)], [1, 2]
        )
    ):
        padding = tuple((k // 2, k // 2) for k in kernel)
        channels = 1 + number % 9, 1 + number % 11
        geometry = kernel, (stride, stride), padding, (1, 1), 1 + number % 2
        cases.append(_case(batch, channels, size, *geometry, number % 3 == 0))
    return cases


@cache
def pointwise_cases():
    """1 x 1 convolutions, whose matrix is the input itself: every tail of a plane, panels of one image and of
    several, sums in one part and in more, channels 4 KiB apart."""
    planes = [*((1, width) for width in range(1, 68)), (7, 7), (14, 14), (32, 32), (28, 30)]
    cases = [
        _case(1 + number % 3, (1 + number % 13, 1 + number % 20), size, (1, 1), (1, 1), ((0, 0),) * 2, (1, 1),
              1 + number % 2, number % 3 == 0)
        for number, size in enumerate(planes)
    ]  # fmt: skip
    long = [_case(2, (1100, 9), (5, 13), (1, 1), (1, 1), ((0, 0),) * 2, (1, 1), 1, True)]
    others = [_case(3, (5, 7), sizes, (1,) * len(sizes), (1,) * len(sizes), ((0, 0),) * len(sizes),
                    (1,) * len(sizes), 1, True) for sizes in [(50,), (129,), (3, 5, 9)]]  # fmt: skip
    return cases + long + others


@cache
def named_padding_cases():
    """The paddings that have names, on sizes that the stride divides and does not."""
    cases = []
    for number, (name, kernel, stride, dilation, size) in enumerate(
        product(["valid", "same", "same_lower", "causal"], [1, 2, 3, 4], [1, 2, 3], [1, 2], [8, 9, 10])
    ):
        sizes = (size, 19 - size)
        kernels = (kernel, 1 + (kernel + number) % 4)
        cases.append(Case(1, 3, 4, sizes, kernels, (stride, 1 + number % 3), name, (dilation, 1), 1, False))
    return cases


@cache
def other_axes_cases():
    """One and three spatial axes."""
    rng = generator("other axes")
    cases = []
    for number in range(120):
        axes = (1, 3)[number % 2]
        draw = lambda low, high, axes=axes: tuple(rng.integers(low, high, axes).tolist())  # noqa: E731
        kernel, stride, dilation = draw(1, 5), draw(1, 4), draw(1, 4)
        padding = tuple(zip(draw(0, 4), draw(0, 4), strict=True))
        extra = draw(0, 30 if axes == 1 else 6)
        sizes = [_size_for(*each) for each in zip(kernel, dilation, padding, extra, strict=True)]
        channels = 1 + number % 7, 1 + number % 18
        batch, groups = (1, 3, None, 2, 0)[number % 5], 1 + number % 3
        cases.append(
            _case(batch, channels, sizes, kernel, stride, padding, dilation, groups, number % 3 == 0)
        )
    return cases


PADDING_MODES = ["reflect", "replicate", "circular", "symmetric", 3.0]


def room_for(padding_mode, pair):
    """The smallest axis that can be padded so."""
    return {"reflect": max(pair) + 1, "circular": max(pair), "symmetric": max(pair)}.get(padding_mode, 1)


@cache
def padding_mode_cases():
    """Every mode with every number of axes, on sizes from the smallest that it allows to several vectors."""
    rng = generator("padding modes")
    cases = []
    for number, (mode, axes, padding) in enumerate(
        product(PADDING_MODES, (1, 2, 2, 3), ["pairs"] * 12 + ["same", "same_lower", "causal"])
    ):
        draw = lambda low, high, axes=axes: tuple(rng.integers(low, high, axes).tolist())  # noqa: E731
        kernel, stride, dilation = draw(1, 5), draw(1, 4), draw(1, 4)
        extra = draw(0, (60, 30, 4)[axes - 1])
        if number % 4 == 0:
            extra = (0,) * axes
        if padding == "pairs":
            pairs = tuple(zip(draw(0, 5), draw(0, 5), strict=True))
            name = pairs
        else:
            pairs = [(d * (k - 1), d * (k - 1)) for d, k in zip(dilation, kernel, strict=True)]
            name = padding
        sizes = [
            max(room_for(mode, pair), d * (k - 1) + 1 - (sum(pair) if padding == "pairs" else 0)) + e
            for pair, k, d, e in zip(pairs, kernel, dilation, extra, strict=True)
        ]
        groups, batch = 1 + number % 3, (1, 3, None, 2, 0)[number % 5]
        case = _case(
            batch, (1 + number % 5, 1 + number % 9), sizes, kernel, stride, pairs, dilation, groups,
            number % 2 == 0, mode,
        )  # fmt: skip
        cases.append(replace(case, padding=name))
    # More taps than a block of the sum, more padding than input, and a whole row of border.
    cases.append(Case(1, 1, 2, (30, 29), (29, 27), (1, 1), ((14, 14), (13, 13)), (1, 1), 1, True, "reflect"))
    cases.append(Case(2, 2, 3, (2, 3), (3, 3), (1, 2), ((9, 7), (8, 40)), (1, 1), 1, True, "replicate"))
    cases.append(Case(2, 2, 3, (1, 1), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 1, True, "circular"))
    cases.append(Case(2, 2, 3, (1, 1), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 1, True, "symmetric"))
    cases.append(Case(2, 40, 33, (14, 14), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 1, True, "reflect"))
    cases.append(Case(1, 3, 3, (6, 50), (3, 2), (1, 60), ((0, 0), (20, 50)), (1, 1), 3, True, "symmetric"))
    return cases


@cache
def wide_cases():
    """Channels against widths against kernels at large: minutes."""
    rows = covering(
        {
            "in_channels": list(range(1, 68)),
            "out_channels": list(range(1, 68)),
            "width": list(range(1, 68)),
            "kernel": [(1, 1), (3, 3), (5, 5), (2, 3), (3, 1)],
            "stride": [1, 2, 3],
            "padding": [0, 1, 2],
        },
        tries=1,
        key="wide",
    )
    cases = []
    for row in rows:
        kernel, pad = row["kernel"], row["padding"]
        width = max(row["width"], kernel[1] - 2 * pad)
        sizes, stride = (max(4, kernel[0] - 2 * pad), width), (row["stride"],) * 2
        channels = row["in_channels"], row["out_channels"]
        cases.append(_case(1, channels, sizes, kernel, stride, ((pad, pad),) * 2, (1, 1), 1, True))
    return cases


FAMILIES = {
    "axis": axis_cases,
    "channels": channel_cases,
    "widths": width_cases,
    "mixed": mixed_cases,
    "small images": small_image_cases,
    "pointwise": pointwise_cases,
    "named padding": named_padding_cases,
    "other axes": other_axes_cases,
    "padding modes": padding_mode_cases,
}


# -- the algorithms ---------------------------------------------------------------------------


def algorithms(operation, strict=True):
    """The names of the algorithms of an operation, in the order in which the core tries them.

    Those that strict precision admits, which are exact on integers, or those that it does not.
    """
    return [
        row["name"]
        for row in _core.conv_algorithms()
        if row["operation"] == operation and row["strict"] == strict
    ]


def try_algorithm(function, *arguments, algorithm):
    """The result, or None where the algorithm says that it does not apply to this convolution."""
    try:
        return function(*arguments, algorithm=algorithm)
    except ValueError as error:
        message = str(error)
        if not message.startswith("algorithm:"):
            raise
        assert algorithm in message, message
        return None


def run_family(cases, algorithm, check):
    """Check the algorithm on each case that it applies to; skip, saying so, if it applies to none."""
    applied = sum(check(case, algorithm) for case in cases)
    if not applied:
        pytest.skip(f"{algorithm} applies to none of these {len(cases)} convolutions")
