"""The convolutions that are measured: one row each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

Pair = tuple[int, int]


@dataclass(frozen=True)
class Shape:
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

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Shape:
        """Undo `dataclasses.asdict` and JSON, which has no tuples."""
        restored: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
        return cls(**restored)

    @property
    def label(self) -> str:
        return f"N={self.batch} {self.name}"

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
    Shape("5x5 96-256 @27", 1, 96, 27, 27, 256, (5, 5), padding=(2, 2)),
    Shape("1x1 64-256 @56", 1, 64, 56, 56, 256, (1, 1)),
    Shape("1x1 1024-256 @14", 1, 1024, 14, 14, 256, (1, 1)),
    Shape("1x1 2048-512 @7", 1, 2048, 7, 7, 512, (1, 1)),
    Shape("3x3 d2 256-256 @28", 1, 256, 28, 28, 256, (3, 3), padding=(2, 2), dilation=(2, 2)),
    Shape("3x3 g32 128-128 @56", 1, 128, 56, 56, 128, (3, 3), padding=(1, 1), groups=32),
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
    Shape("3x3 1-1 @8", 1, 1, 8, 8, 1, (3, 3)),  # the cost of a call
)


def select(which: str) -> list[Shape]:
    """Rows for "all", "required", or the part of a label."""
    if which == "all":
        return list(SHAPES)
    if which == "required":
        return [shape for shape in SHAPES if shape.required]
    return [shape for shape in SHAPES if which in shape.label]
