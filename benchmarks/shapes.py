"""The convolutions and the pools that are measured: one row each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

Pair = tuple[int, int]


class Row:
    """What the rows of every table have in common."""

    name: str
    batch: int
    required: bool

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Self:
        """Undo `dataclasses.asdict` and JSON, which has no tuples."""
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()})

    @property
    def label(self) -> str:
        return f"N={self.batch} {self.name}"


@dataclass(frozen=True)
class Shape(Row):
    """One 2-D convolution. `required` marks the rows that every report holds."""

    name: str
    batch: int
    in_channels: int
    height: int
    width: int
    out_channels: int
    kernel_size: Pair
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1
    required: bool = False

    @property
    def input_shape(self) -> tuple[int, ...]:
        return self.batch, self.in_channels, self.height, self.width

    @property
    def weight_shape(self) -> tuple[int, ...]:
        return self.out_channels, self.in_channels // self.groups, *self.kernel_size

    @property
    def output_shape(self) -> tuple[int, ...]:
        sizes = (
            (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
            for size, kernel, stride, padding, dilation in zip(
                (self.height, self.width),
                self.kernel_size,
                self.stride,
                self.padding,
                self.dilation,
                strict=True,
            )
        )
        return self.batch, self.out_channels, *sizes

    @property
    def flops(self) -> int:
        """Operations of the definition, for the forward and for each gradient; Winograd does fewer."""
        return 2 * math.prod(self.output_shape) * math.prod(self.weight_shape[1:])


SHAPES = (
    Shape("3x3 64-64 @56", 1, 64, 56, 56, 64, (3, 3), padding=(1, 1), required=True),
    Shape("3x3 64-64 @56", 16, 64, 56, 56, 64, (3, 3), padding=(1, 1), required=True),
    Shape("3x3 128-128 @28", 1, 128, 28, 28, 128, (3, 3), padding=(1, 1)),
    Shape("3x3 256-256 @14", 1, 256, 14, 14, 256, (3, 3), padding=(1, 1), required=True),
    Shape("3x3 256-256 @14", 16, 256, 14, 14, 256, (3, 3), padding=(1, 1), required=True),
    Shape("3x3 512-512 @7", 1, 512, 7, 7, 512, (3, 3), padding=(1, 1)),
    Shape("3x3 64-64 @224", 1, 64, 224, 224, 64, (3, 3), padding=(1, 1)),
    Shape("3x3 256-256 @56", 1, 256, 56, 56, 256, (3, 3), padding=(1, 1)),
    Shape("3x3 512-512 @28", 1, 512, 28, 28, 512, (3, 3), padding=(1, 1)),
    Shape("3x3 s2 128-128 @56", 1, 128, 56, 56, 128, (3, 3), stride=(2, 2), padding=(1, 1)),
    Shape("7x7 s2 3-64 @224", 1, 3, 224, 224, 64, (7, 7), stride=(2, 2), padding=(3, 3)),
    Shape("11x11 s4 3-96 @227", 1, 3, 227, 227, 96, (11, 11), stride=(4, 4)),
    Shape("3x3 3-64 @224", 1, 3, 224, 224, 64, (3, 3), padding=(1, 1)),
    Shape("5x5 1-32 @28", 64, 1, 28, 28, 32, (5, 5), padding=(2, 2)),
    Shape("7x7 1-16 @1080p", 1, 1, 1080, 1920, 16, (7, 7), padding=(3, 3)),
    Shape("5x5 96-256 @27", 1, 96, 27, 27, 256, (5, 5), padding=(2, 2)),
    Shape("1x1 64-256 @56", 1, 64, 56, 56, 256, (1, 1)),
    Shape("1x1 1024-256 @14", 1, 1024, 14, 14, 256, (1, 1)),
    Shape("1x1 2048-512 @7", 1, 2048, 7, 7, 512, (1, 1)),
    Shape("3x3 d2 256-256 @28", 1, 256, 28, 28, 256, (3, 3), padding=(2, 2), dilation=(2, 2)),
    Shape("3x3 g32 128-128 @56", 1, 128, 56, 56, 128, (3, 3), padding=(1, 1), groups=32),
    Shape("3x3 g32 256-256 @56", 1, 256, 56, 56, 256, (3, 3), padding=(1, 1), groups=32),
    Shape("3x3 g32 512-512 @28", 1, 512, 28, 28, 512, (3, 3), padding=(1, 1), groups=32),
    Shape("3x3 g32 1024-1024 @14", 1, 1024, 14, 14, 1024, (3, 3), padding=(1, 1), groups=32),
    Shape("3x3 depthwise 144 @56", 1, 144, 56, 56, 144, (3, 3), padding=(1, 1), groups=144),
    Shape("3x3 s2 depthwise 96 @112", 1, 96, 112, 112, 96, (3, 3), (2, 2), padding=(1, 1), groups=96),
    Shape("7x7 depthwise 96 @56", 1, 96, 56, 56, 96, (7, 7), padding=(3, 3), groups=96),
    Shape("5x5 depthwise 256 @28", 1, 256, 28, 28, 256, (5, 5), padding=(2, 2), groups=256),
    Shape("5x5 s2 depthwise 144 @56", 1, 144, 56, 56, 144, (5, 5), (2, 2), padding=(2, 2), groups=144),
    Shape("3x3 depthwise 32 @112", 1, 32, 112, 112, 32, (3, 3), padding=(1, 1), groups=32),
    Shape("3x3 depthwise 960 @7", 1, 960, 7, 7, 960, (3, 3), padding=(1, 1), groups=960),
    Shape("3x3 depthwise 17 @13", 1, 17, 13, 13, 17, (3, 3), padding=(1, 1), groups=17),
    Shape("3x3 depthwise 31 @55", 1, 31, 55, 55, 31, (3, 3), padding=(1, 1), groups=31),
    Shape("3x3 depthwise 100 @113", 1, 100, 113, 113, 100, (3, 3), padding=(1, 1), groups=100),
    Shape("3x3 d2 depthwise 144 @56", 1, 144, 56, 56, 144, (3, 3), (1, 1), (2, 2), (2, 2), groups=144),
    Shape("3x3 d4 depthwise 144 @56", 1, 144, 56, 56, 144, (3, 3), (1, 1), (4, 4), (4, 4), groups=144),
    Shape("1x5 depthwise 256 @1x2000", 1, 256, 1, 2000, 256, (1, 5), padding=(0, 2), groups=256),
    Shape("1x15 depthwise 256 @1x2000", 1, 256, 1, 2000, 256, (1, 15), padding=(0, 7), groups=256),
    Shape("3x3 depthwise 144 @56", 8, 144, 56, 56, 144, (3, 3), padding=(1, 1), groups=144),
    Shape("3x3 s2 depthwise 96 @112", 8, 96, 112, 112, 96, (3, 3), (2, 2), padding=(1, 1), groups=96),
    Shape("3x3 1-1 @1080p", 1, 1, 1080, 1920, 1, (3, 3), padding=(1, 1)),
    Shape("5x5 1-1 @1080p", 1, 1, 1080, 1920, 1, (5, 5), padding=(2, 2)),
    Shape("7x7 1-1 @1080p", 1, 1, 1080, 1920, 1, (7, 7), padding=(3, 3)),
    Shape("3x3 1-1 @8", 1, 1, 8, 8, 1, (3, 3)),  # the cost of a call
)


@dataclass(frozen=True)
class PoolShape(Row):
    """
    A pool: kind "max" or "avg" of windows at even distances, or, where it has an `output_size`, adaptive.

    Stride 0 stands for that of the kernel.
    """

    name: str
    batch: int
    channels: int
    sizes: tuple[int, ...]
    kind: str
    kernel: int = 0
    stride: int = 0
    padding: int = 0
    output_size: int = 0
    required: bool = False

    @property
    def axes(self) -> int:
        return len(self.sizes)

    @property
    def step(self) -> int:
        return self.stride or self.kernel

    @property
    def input_shape(self) -> tuple[int, ...]:
        return self.batch, self.channels, *self.sizes

    @property
    def output_shape(self) -> tuple[int, ...]:
        if self.output_size:
            return self.batch, self.channels, *(self.output_size for _ in self.sizes)
        sizes = ((size + 2 * self.padding - self.kernel) // self.step + 1 for size in self.sizes)
        return self.batch, self.channels, *sizes


POOL_SHAPES = (
    PoolShape("max 3x3 s2 64 @112", 1, 64, (112, 112), "max", 3, 2, 1, required=True),
    PoolShape("max 3x3 s2 64 @112", 8, 64, (112, 112), "max", 3, 2, 1),
    PoolShape("max 3x3 s2 64 @112", 32, 64, (112, 112), "max", 3, 2, 1),
    PoolShape("max 2x2 64 @224", 1, 64, (224, 224), "max", 2, required=True),
    PoolShape("max 2x2 64 @224", 8, 64, (224, 224), "max", 2),
    PoolShape("max 2x2 256 @56", 1, 256, (56, 56), "max", 2),
    PoolShape("max 2x2 256 @56", 32, 256, (56, 56), "max", 2),
    PoolShape("max 3x3 s1 192 @28", 1, 192, (28, 28), "max", 3, 1, 1),
    PoolShape("max 3x3 s1 192 @28", 8, 192, (28, 28), "max", 3, 1, 1),
    PoolShape("max 3x3 s2 256 @13", 8, 256, (13, 13), "max", 3, 2),
    PoolShape("max 3x3 s2 96 @55", 1, 96, (55, 55), "max", 3, 2),
    PoolShape("max 3x3 s2 64 @113", 8, 64, (113, 113), "max", 3, 2, 1),
    PoolShape("max 3x3 s3 96 @55", 1, 96, (55, 55), "max", 3),
    PoolShape("max 5x5 s1 256 @20", 1, 256, (20, 20), "max", 5, 1, 2),
    PoolShape("max 2 1-D 128 @4096", 8, 128, (4096,), "max", 2),
    PoolShape("max 2x2x2 64 @16x56x56", 1, 64, (16, 56, 56), "max", 2),
    PoolShape("avg 2x2 256 @56", 1, 256, (56, 56), "avg", 2, required=True),
    PoolShape("avg 2x2 256 @56", 8, 256, (56, 56), "avg", 2),
    PoolShape("avg 2x2 512 @14", 32, 512, (14, 14), "avg", 2),
    PoolShape("avg 3x3 s2 64 @112", 1, 64, (112, 112), "avg", 3, 2, 1),
    PoolShape("avg 3x3 s2 64 @112", 8, 64, (112, 112), "avg", 3, 2, 1),
    PoolShape("avg 3x3 s1 192 @35", 1, 192, (35, 35), "avg", 3, 1, 1),
    PoolShape("avg 3x3 s1 192 @35", 8, 192, (35, 35), "avg", 3, 1, 1),
    PoolShape("avg 5x5 s3 768 @17", 1, 768, (17, 17), "avg", 5, 3),
    PoolShape("global avg 2048 @7", 1, 2048, (7, 7), "avg", output_size=1, required=True),
    PoolShape("global avg 2048 @7", 32, 2048, (7, 7), "avg", output_size=1),
    PoolShape("global avg 512 @14", 8, 512, (14, 14), "avg", output_size=1),
    PoolShape("global max 2048 @7", 1, 2048, (7, 7), "max", output_size=1),
    PoolShape("adaptive avg 6x6 256 @13", 1, 256, (13, 13), "avg", output_size=6),
    PoolShape("adaptive avg 7x7 512 @14", 8, 512, (14, 14), "avg", output_size=7),
    PoolShape("adaptive max 6x6 256 @13", 1, 256, (13, 13), "max", output_size=6),
    PoolShape("max 2x2 1 @8", 1, 1, (8, 8), "max", 2),  # the cost of a call
)


def select(which: str, rows: Sequence[Row] = SHAPES) -> list[Any]:
    """Rows for "all", "required", or the part of a label."""
    if which == "all":
        return list(rows)
    if which == "required":
        return [row for row in rows if row.required]
    return [row for row in rows if which in row.label]
