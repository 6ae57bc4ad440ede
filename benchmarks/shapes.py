"""
The convolutions that are measured: every distinct one of known networks, a row each, and some beside them.

A row is a `Shape`; its class is read off its geometry, and reports give a mean per class.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

CLASSES = (
    "3x3 s1 @28+",
    "3x3 s1 @14",
    "3x3 s1 @7",
    "3x3 s2",
    "5x5",
    "1x1, stem, dilated",
    "depthwise",
    "groups",
    "few channels",
    "1-D, 3-D",
    "transposed",
)

BATCHES = (1, 8, 32)
# Elements of input and output together, 256 MB in float32: larger ones are left out of BATCHES but for N = 1.
MOST_ELEMENTS = 2**26


@dataclass(frozen=True)
class Shape:
    """
    One convolution over one to three axes; transposed, it goes from `out_channels` planes to larger ones.

    `size` is that of the input's planes, (H, W) in two dimensions.
    """

    batch: int
    in_channels: int
    size: tuple[int, ...]
    out_channels: int
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int = 1
    transposed: bool = False

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Shape:
        """Undo `dataclasses.asdict` and JSON, which has no tuples."""
        restored: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
        return cls(**restored)

    @property
    def label(self) -> str:
        """Such as "N=1 3x3 s2 128-128 @56"; padding is told where it does not keep the size."""
        kernel = "x".join(map(str, self.kernel_size))
        words = [f"N={self.batch}", kernel if len(self.size) > 1 else f"k{kernel}"]
        if self.transposed:
            words.append("transposed")
        for letter, values in (("s", self.stride), ("d", self.dilation)):
            if set(values) != {1}:
                words.append(letter + _text(values))
        keeping = tuple(d * (k - 1) // 2 for d, k in zip(self.dilation, self.kernel_size, strict=True))
        if self.padding != keeping:
            words.append(f"p{_text(self.padding)}")
        if self.depthwise and self.out_channels == self.in_channels:
            words.append(f"depthwise {self.in_channels}")
        else:
            words += [f"g{self.groups}"] * (self.groups > 1)
            words.append(f"{self.in_channels}-{self.out_channels}")
        return " ".join([*words, f"@{_text(self.size)}"])

    @property
    def depthwise(self) -> bool:
        return self.groups == self.in_channels > 1

    @property
    def kind(self) -> str:
        """The one of CLASSES that it belongs to."""
        plane = min(self.output_shape[2:])
        by_plane = "3x3 s1 @28+" if plane > 20 else "3x3 s1 @14" if plane >= 10 else "3x3 s1 @7"
        few = "few channels" if set(self.stride) == {1} else "1x1, stem, dilated"
        rules = (
            (self.transposed, "transposed"),
            (len(self.size) != 2, "1-D, 3-D"),
            (self.depthwise, "depthwise"),
            (self.groups > 1, "groups"),
            (self.in_channels <= 4, few),
            (set(self.dilation) != {1}, "1x1, stem, dilated"),
            (self.kernel_size == (3, 3) and self.stride == (1, 1), by_plane),
            (self.kernel_size == (3, 3), "3x3 s2"),
            (self.kernel_size == (5, 5), "5x5"),
        )
        return next((name for applies, name in rules if applies), "1x1, stem, dilated")

    @property
    def input_shape(self) -> tuple[int, ...]:
        return self.batch, self.in_channels, *self.size

    @property
    def weight_shape(self) -> tuple[int, ...]:
        small, big = self.in_channels, self.out_channels
        if not self.transposed:
            small, big = big, small
        return small, big // self.groups, *self.kernel_size

    @property
    def output_shape(self) -> tuple[int, ...]:
        steps = zip(self.size, self.kernel_size, self.stride, self.padding, self.dilation, strict=True)
        if self.transposed:
            sizes = [(size - 1) * s - 2 * p + d * (k - 1) + 1 for size, k, s, p, d in steps]
        else:
            sizes = [(size + 2 * p - d * (k - 1) - 1) // s + 1 for size, k, s, p, d in steps]
        return self.batch, self.out_channels, *sizes

    @property
    def flops(self) -> int:
        """Operations of the definition, for the forward and for each gradient; Winograd does fewer."""
        small = self.input_shape if self.transposed else self.output_shape
        return 2 * math.prod(small) * math.prod(self.weight_shape[1:])

    @property
    def elements(self) -> int:
        return math.prod(self.input_shape) + math.prod(self.output_shape)

    def in_two_dimensions(self) -> Shape:
        """Return a 1-D convolution as a 2-D one whose planes have one row."""
        assert len(self.size) == 1, self
        sizes = {name: (1, *getattr(self, name)) for name in ("size", "kernel_size", "stride", "dilation")}
        return replace(self, padding=(0, *self.padding), **sizes)


def conv(
    kernel: int | tuple[int, ...],
    in_channels: int,
    out_channels: int,
    size: int | tuple[int, ...],
    *,
    batch: int = 1,
    stride: int = 1,
    padding: int | None = None,
    dilation: int = 1,
    groups: int = 1,
    transposed: bool = False,
    axes: int = 2,
) -> Shape:
    """Return a row; by default padding keeps the size at stride 1."""
    kernel_size = (kernel,) * axes if isinstance(kernel, int) else kernel
    return Shape(
        batch,
        in_channels,
        (size,) * len(kernel_size) if isinstance(size, int) else size,
        out_channels,
        kernel_size,
        (stride,) * len(kernel_size),
        tuple(dilation * (k - 1) // 2 if padding is None else padding for k in kernel_size),
        (dilation,) * len(kernel_size),
        groups,
        transposed,
    )


def _text(values: tuple[int, ...]) -> str:
    return "x".join(map(str, values if len(set(values)) > 1 else values[:1]))


def depthwise(channels: int, size: int | tuple[int, ...], kernel: int = 3, **options: Any) -> Shape:
    return conv(kernel, channels, channels, size, groups=channels, **options)


def _vgg16() -> Iterable[Shape]:
    for size, before, channels in ((224, 3, 64), (112, 64, 128), (56, 128, 256), (28, 256, 512)):
        yield from (conv(3, before, channels, size), conv(3, channels, channels, size))
    yield conv(3, 512, 512, 14)


def _resnet18() -> Iterable[Shape]:
    yield from (conv(7, 3, 64, 224, stride=2), conv(3, 64, 64, 56))
    for size, channels in ((56, 64), (28, 128), (14, 256)):
        yield conv(3, channels, 2 * channels, size, stride=2)
        yield conv(1, channels, 2 * channels, size, stride=2)
        yield conv(3, 2 * channels, 2 * channels, size // 2)


def _resnet50() -> Iterable[Shape]:
    """The stride sits on the 3x3, as in today's implementations."""
    yield from (conv(7, 3, 64, 224, stride=2), conv(1, 64, 64, 56))
    for size, channels in ((56, 64), (28, 128), (14, 256), (7, 512)):
        yield from (conv(3, channels, channels, size), conv(1, channels, 4 * channels, size))
        yield conv(1, 4 * channels, channels, size)
        if size > 7:
            yield conv(1, 4 * channels, 2 * channels, size)
            yield conv(3, 2 * channels, 2 * channels, size, stride=2)
            yield conv(1, 4 * channels, 8 * channels, size, stride=2)


def _mobilenet_v2() -> Iterable[Shape]:
    yield from (conv(3, 3, 32, 224, stride=2), depthwise(32, 112), conv(1, 32, 16, 112))
    # channels before and after a block that widens six times, size before it, stride; repeats add a row each
    for before, after, size, stride in (
        (16, 24, 112, 2),
        (24, 24, 56, 1),
        (24, 32, 56, 2),
        (32, 32, 28, 1),
        (32, 64, 28, 2),
        (64, 64, 14, 1),
        (64, 96, 14, 1),
        (96, 96, 14, 1),
        (96, 160, 14, 2),
        (160, 160, 7, 1),
        (160, 320, 7, 1),
    ):
        wide = 6 * before
        yield from (conv(1, before, wide, size), depthwise(wide, size, stride=stride))
        yield conv(1, wide, after, size // stride)
    yield conv(1, 320, 1280, 7)


def _inception_v1() -> Iterable[Shape]:
    yield from (conv(7, 3, 64, 224, stride=2), conv(1, 64, 64, 56), conv(3, 64, 192, 56))
    # size, input, 1x1, before 3x3, 3x3, before 5x5, 5x5, after the pool: table 1 of Szegedy et al. 2014
    for size, channels, one, reduce3, three, reduce5, five, pool in (
        (28, 192, 64, 96, 128, 16, 32, 32),
        (28, 256, 128, 128, 192, 32, 96, 64),
        (14, 480, 192, 96, 208, 16, 48, 64),
        (14, 512, 160, 112, 224, 24, 64, 64),
        (14, 512, 128, 128, 256, 24, 64, 64),
        (14, 512, 112, 144, 288, 32, 64, 64),
        (14, 528, 256, 160, 320, 32, 128, 128),
        (7, 832, 256, 160, 320, 32, 128, 128),
        (7, 832, 384, 192, 384, 48, 128, 128),
    ):
        yield from (conv(1, channels, wide, size) for wide in (one, reduce3, reduce5, pool))
        yield from (conv(3, reduce3, three, size), conv(5, reduce5, five, size))


def _u_net() -> Iterable[Shape]:
    """Of Ronneberger et al. 2015 with padding, on 256x256."""
    before = 3
    for level in range(5):
        size, channels = 256 >> level, 64 << level
        yield from (conv(3, before, channels, size), conv(3, channels, channels, size))
        before = channels
    for level in reversed(range(4)):
        size, channels = 256 >> level, 64 << level
        yield conv(2, 2 * channels, channels, size // 2, stride=2, transposed=True)
        yield conv(3, 2 * channels, channels, size)
    yield conv(1, 64, 2, 256)


NETWORKS: dict[str, tuple[Shape, ...]] = {
    "alexnet": (
        conv(11, 3, 96, 227, stride=4, padding=0),
        conv(5, 96, 256, 27),
        conv(3, 256, 384, 13),
        conv(3, 384, 384, 13),
        conv(3, 384, 256, 13),
    ),
    "vgg16": tuple(_vgg16()),
    "resnet18": tuple(_resnet18()),
    "resnet50": tuple(_resnet50()),
    "mobilenetv2": tuple(_mobilenet_v2()),
    "inceptionv1": tuple(_inception_v1()),
    "unet": tuple(_u_net()),
    "textcnn": tuple(conv(k, 300, 100, 64, padding=0, axes=1) for k in (3, 4, 5)),
    # Causal: the input has the dilation's samples more in front. The gate takes half of the channels.
    "wavenet": (
        *(conv(2, 64, 128, 8000 + 2**i, padding=0, dilation=2**i, axes=1) for i in range(10)),
        conv(1, 64, 64, 8000, axes=1),
    ),
    "c3d": (
        conv(3, 3, 64, (16, 112, 112), axes=3),
        conv(3, 64, 128, (16, 56, 56), axes=3),
        conv(3, 128, 256, (8, 28, 28), axes=3),
        conv(3, 256, 256, (8, 28, 28), axes=3),
        conv(3, 256, 512, (4, 14, 14), axes=3),
        conv(3, 512, 512, (4, 14, 14), axes=3),
        conv(3, 512, 512, (2, 7, 7), axes=3),
    ),
    "lenet": (conv(5, 1, 6, 28), conv(5, 6, 16, 14, padding=0), conv(5, 16, 120, 5, padding=0)),
    "resnext50": tuple(
        conv(3, width, width, size, groups=32) for width, size in ((128, 56), (256, 28), (512, 14), (1024, 7))
    ),
    "dcgan": tuple(
        conv(4, channels, channels // 2, size, stride=2, padding=1, transposed=True)
        for channels, size in ((1024, 4), (512, 8), (256, 16), (128, 32))
    ),
    "others": (
        depthwise(96, 56, kernel=7),
        depthwise(64, (8, 28, 28), axes=3),
        depthwise(96, 28, dilation=2),
        conv(3, 256, 256, 28, dilation=2),
        conv(3, 128, 128, 56, stride=2),
        conv(5, 1, 32, 28),
        conv(7, 1, 16, (480, 640)),
        conv(3, 1, 1, 8, padding=0),  # the cost of a call
    ),
}

# One plane to one, and to several feature maps, at the sizes of photographs.
PHOTOS = ((480, 640), (1080, 1920), (3000, 4000))
IMAGES = (
    *(conv(k, 1, 1, size) for size in PHOTOS for k in (3, 5, 7)),
    *(conv(k, 1, channels, PHOTOS[1]) for k, channels in ((3, 8), (5, 8), (7, 16))),
)

REQUIRED = (
    conv(3, 64, 64, 56),
    conv(3, 64, 64, 56, batch=16),
    conv(3, 256, 256, 14),
    conv(3, 256, 256, 14, batch=16),
)

# A row or two of each class.
OVERVIEW = (
    conv(3, 64, 64, 56),
    conv(3, 64, 64, 224),
    conv(3, 256, 256, 14),
    conv(3, 512, 512, 7),
    conv(3, 128, 128, 56, stride=2),
    conv(5, 96, 256, 27),
    conv(1, 64, 256, 56),
    conv(1, 1024, 256, 14),
    conv(7, 3, 64, 224, stride=2),
    conv(11, 3, 96, 227, stride=4, padding=0),
    conv(3, 256, 256, 28, dilation=2),
    depthwise(144, 56),
    depthwise(96, 112, stride=2),
    conv(3, 128, 128, 56, groups=32),
    conv(3, 3, 64, 224),
    conv(5, 1, 32, 28, batch=32),
    conv(3, 300, 100, 64, padding=0, axes=1),
    conv(2, 64, 128, 8016, padding=0, dilation=16, axes=1),
    conv(3, 128, 256, (8, 28, 28), axes=3),
    conv(2, 512, 256, 32, stride=2, transposed=True),
    conv(4, 128, 64, 32, stride=2, padding=1, transposed=True),
)


def batched(rows: Iterable[Shape]) -> list[Shape]:
    shapes = (replace(row, batch=batch) for row in rows for batch in BATCHES)
    return [shape for shape in shapes if shape.batch == 1 or shape.elements <= MOST_ELEMENTS]


# Without what several networks share, in the order above.
SHAPES = tuple(
    dict.fromkeys(itertools.chain(REQUIRED, OVERVIEW, *(batched(rows) for rows in NETWORKS.values())))
)
