"""
Well-known networks, with random weights.

Names, arguments and `state_dict` keys are those of torchvision.models, and so are the initial weights'
distributions: weights that were trained there load here. Every function takes the number of classes, the
dtype of the parameters and the source of the initial weights; the networks take images of shape
(N, 3, H, W), `lenet5` (N, 1, 32, 32).

Sources: LeCun et al., "Gradient-based learning applied to document recognition" (1998); Krizhevsky,
Sutskever and Hinton, "ImageNet classification with deep convolutional neural networks" (2012); Krizhevsky,
"One weird trick for parallelizing convolutional neural networks" (arXiv:1404.5997); Simonyan and Zisserman,
"Very deep convolutional networks for large-scale image recognition" (arXiv:1409.1556); He et al., "Deep
residual learning for image recognition" (arXiv:1512.03385); Sandler et al., "MobileNetV2: inverted residuals
and linear bottlenecks" (arXiv:1801.04381).

Examples
--------
Shapes and counts need no weights (`init.skip_random`) and no forward (`summary`):

>>> import convnative as cn
>>> with cn.init.skip_random():
...     table = cn.summary(cn.models.alexnet_2012(), (1, 3, 227, 227))
>>> for layer in table.layers[:5]:
...     print(layer.name, layer.kind, layer.output_shape, layer.weights, layer.biases)
features.0 Conv2d (1, 96, 55, 55) 34848 96
features.1 ReLU (1, 96, 55, 55) 0 0
features.2 LocalResponseNorm (1, 96, 55, 55) 0 0
features.3 MaxPool2d (1, 96, 27, 27) 0 0
features.4 Conv2d (1, 256, 27, 27) 614400 256
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import functional as F
from . import init, nn
from ._checks import integer, number
from ._random import generator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._typing import Array, DType, RandomSource

__all__ = ["alexnet", "alexnet_2012", "lenet5", "mobilenet_v2", "resnet18", "resnet50", "vgg16"]


# -- LeNet, AlexNet, VGG: one layer after the other -------------------------------------------------------


def lenet5(num_classes: int = 10, *, dtype: DType = np.float32, rng: RandomSource = None) -> nn.Module:
    """
    Return LeNet-5 (1998) as it is built today: full connections, ReLU and max pooling.

    Parameters
    ----------
    num_classes : int, default 10
        Number of outputs.
    dtype : float32 or float64, default float32
        Dtype of the parameters, and so of the images.
    rng : numpy.random.Generator or int, optional
        Source of the initial weights, or a seed for one; by default the generator of `manual_seed`.

    Returns
    -------
    Module
        Takes images of shape (N, 1, 32, 32); 61,706 parameters.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    Examples
    --------
    >>> import convnative as cn
    >>> cn.count_parameters(lenet5())
    ParameterCount(weights=61470, biases=236)
    """
    options: dict[str, Any] = {"dtype": dtype, "rng": generator(rng)}
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, **options),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5, **options),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120, **options),
        nn.ReLU(),
        nn.Linear(120, 84, **options),
        nn.ReLU(),
        nn.Linear(84, integer("num_classes", num_classes, 1), **options),
    )


class _Classifier(nn.Module):
    """Features, their means over a fixed grid, and fully connected layers."""

    def __init__(self, features: nn.Module, grid: int, classifier: nn.Module) -> None:
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d(grid)
        self.classifier = classifier

    def forward(self, input: Array) -> Array:
        """Return the scores of images of shape (N, 3, H, W)."""
        scores: Array = self.classifier(F.flatten(self.avgpool(self.features(input)), 1))
        return scores


class AlexNet(_Classifier):
    """The networks of `alexnet` and `alexnet_2012`."""


class VGG(_Classifier):
    """The network of `vgg16`."""


def alexnet(
    num_classes: int = 1000, dropout: float = 0.5, *, dtype: DType = np.float32, rng: RandomSource = None
) -> AlexNet:
    """
    Return AlexNet as torchvision has it: the variant of 2014, with 64 kernels in the first layer.

    The one of 2012, with 96, is `alexnet_2012`.

    Parameters
    ----------
    num_classes : int, default 1000
        Number of outputs.
    dropout : float, default 0.5
        Probability of the two dropout layers.
    dtype, rng
        As in `lenet5`.

    Returns
    -------
    Module
        Takes images of shape (N, 3, H, W), usually 224 by 224, from 63 by 63 on; 61,100,840 parameters.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    Examples
    --------
    >>> import convnative as cn
    >>> with cn.init.skip_random():
    ...     cn.count_parameters(alexnet()).total
    61100840
    """
    options: dict[str, Any] = {"dtype": dtype, "rng": generator(rng)}
    features = nn.Sequential(
        nn.Conv2d(3, 64, 11, stride=4, padding=2, **options),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2),
        nn.Conv2d(64, 192, 5, padding=2, **options),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2),
        nn.Conv2d(192, 384, 3, padding=1, **options),
        nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1, **options),
        nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1, **options),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2),
    )
    return AlexNet(features, 6, _alexnet_classifier(num_classes, dropout, options))


def alexnet_2012(
    num_classes: int = 1000,
    dropout: float = 0.5,
    *,
    groups: int = 1,
    dtype: DType = np.float32,
    rng: RandomSource = None,
) -> AlexNet:
    """
    Return AlexNet as first published: 96, 256, 384, 384 and 256 kernels, with local response norms.

    The paper draws it in two columns, one on each of two devices, which see each other's channels in the
    third convolution alone. On one device every convolution sees all channels: the table that most courses
    show, with 34,944 parameters in the first layer and 614,656 in the second.

    Parameters
    ----------
    num_classes : int, default 1000
        Number of outputs.
    dropout : float, default 0.5
        Probability of the two dropout layers.
    groups : int, default 1
        2 for the two columns of the paper: 307,456 parameters in the second layer, 60,965,224 in all.
    dtype, rng
        As in `lenet5`.

    Returns
    -------
    Module
        Takes images of shape (N, 3, H, W), usually 227 by 227; 62,378,344 parameters.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    Examples
    --------
    >>> import convnative as cn
    >>> with cn.init.skip_random():
    ...     cn.count_parameters(alexnet_2012()).total, cn.count_parameters(alexnet_2012(groups=2)).total
    (62378344, 60965224)
    """
    options: dict[str, Any] = {"dtype": dtype, "rng": generator(rng)}
    columns = {**options, "groups": groups}

    def norm() -> nn.Module:
        # The paper has alpha = 1e-4 times a sum of 5 squares; here, as in torch, alpha times the mean.
        return nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)

    features = nn.Sequential(
        nn.Conv2d(3, 96, 11, stride=4, **options),
        nn.ReLU(),
        norm(),
        nn.MaxPool2d(3, stride=2),
        nn.Conv2d(96, 256, 5, padding=2, **columns),
        nn.ReLU(),
        norm(),
        nn.MaxPool2d(3, stride=2),
        nn.Conv2d(256, 384, 3, padding=1, **options),
        nn.ReLU(),
        nn.Conv2d(384, 384, 3, padding=1, **columns),
        nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1, **columns),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2),
    )
    return AlexNet(features, 6, _alexnet_classifier(num_classes, dropout, options))


def _alexnet_classifier(num_classes: int, dropout: float, options: dict[str, Any]) -> nn.Module:
    return nn.Sequential(
        nn.Dropout(dropout),
        nn.Linear(256 * 6 * 6, 4096, **options),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(4096, 4096, **options),
        nn.ReLU(),
        nn.Linear(4096, integer("num_classes", num_classes, 1), **options),
    )


def vgg16(
    num_classes: int = 1000, dropout: float = 0.5, *, dtype: DType = np.float32, rng: RandomSource = None
) -> VGG:
    """
    Return VGG-16, configuration D of the paper.

    Parameters
    ----------
    num_classes : int, default 1000
        Number of outputs.
    dropout : float, default 0.5
        Probability of the two dropout layers.
    dtype, rng
        As in `lenet5`.

    Returns
    -------
    Module
        Takes images of shape (N, 3, H, W), usually 224 by 224, from 32 by 32 on; 138,357,544 parameters.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    Examples
    --------
    >>> import convnative as cn
    >>> with cn.init.skip_random():
    ...     cn.count_parameters(vgg16())
    ParameterCount(weights=138344128, biases=13416)
    """
    layers: list[nn.Module] = []
    with init.skip_random():
        channels = 3
        for width, depth in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
            for _ in range(depth):
                layers += [nn.Conv2d(channels, width, 3, padding=1, dtype=dtype), nn.ReLU()]
                channels = width
            layers.append(nn.MaxPool2d(2))
        classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096, dtype=dtype),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096, dtype=dtype),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(4096, integer("num_classes", num_classes, 1), dtype=dtype),
        )
    model = VGG(nn.Sequential(*layers), 7, classifier)
    _draw_weights(model, rng, linear=True)
    return model


def _draw_weights(model: nn.Module, rng: RandomSource, *, linear: bool) -> None:
    """Draw the weights as torchvision does; biases, scales and shifts have their values, 0 and 1, already.

    `linear` says whether the fully connected layers are drawn from a narrow normal distribution; else they
    have torch's usual one already.
    """
    source = generator(rng)
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.weight = init.kaiming_normal(
                module.weight.shape,
                mode="fan_out",
                nonlinearity="relu",
                dtype=module.weight.dtype,
                rng=source,
            )
        elif isinstance(module, nn.Linear) and linear:
            module.weight = init.normal(module.weight.shape, 0.0, 0.01, dtype=module.weight.dtype, rng=source)


# -- ResNet -----------------------------------------------------------------------------------------------


class _ResidualBlock(nn.Module):
    """What the blocks share: the shortcut, which changes the shape where the other path does."""

    expansion: int
    downsample: nn.Module | None

    def _shortcut(self, channels: int, width: int, stride: int, dtype: DType) -> nn.Module | None:
        out_channels = width * self.expansion
        if stride == 1 and channels == out_channels:
            return None
        return nn.Sequential(
            nn.Conv2d(channels, out_channels, 1, stride, bias=False, dtype=dtype),
            nn.BatchNorm2d(out_channels, dtype=dtype),
        )

    def _join(self, output: Array, input: Array) -> Array:
        joined: Array = self.relu(output + (input if self.downsample is None else self.downsample(input)))
        return joined


class BasicBlock(_ResidualBlock):
    """Two 3 by 3 convolutions beside a shortcut: the block of ResNet-18."""

    expansion = 1

    def __init__(self, channels: int, width: int, stride: int, dtype: DType) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, padding=1, bias=False, dtype=dtype)
        self.bn1 = nn.BatchNorm2d(width, dtype=dtype)
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False, dtype=dtype)
        self.bn2 = nn.BatchNorm2d(width, dtype=dtype)
        self.downsample = self._shortcut(channels, width, stride, dtype)

    def forward(self, input: Array) -> Array:
        """Return the output for an input of shape (N, C, H, W)."""
        output = self.relu(self.bn1(self.conv1(input)))
        return self._join(self.bn2(self.conv2(output)), input)


class Bottleneck(_ResidualBlock):
    """A 3 by 3 convolution between two of 1 by 1, beside a shortcut: the block of ResNet-50.

    The stride is that of the 3 by 3 convolution, as in torchvision; the paper has it in the first.
    """

    expansion = 4

    def __init__(self, channels: int, width: int, stride: int, dtype: DType) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False, dtype=dtype)
        self.bn1 = nn.BatchNorm2d(width, dtype=dtype)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False, dtype=dtype)
        self.bn2 = nn.BatchNorm2d(width, dtype=dtype)
        self.conv3 = nn.Conv2d(width, width * self.expansion, 1, bias=False, dtype=dtype)
        self.bn3 = nn.BatchNorm2d(width * self.expansion, dtype=dtype)
        self.relu = nn.ReLU()
        self.downsample = self._shortcut(channels, width, stride, dtype)

    def forward(self, input: Array) -> Array:
        """Return the output for an input of shape (N, C, H, W)."""
        output = self.relu(self.bn1(self.conv1(input)))
        output = self.relu(self.bn2(self.conv2(output)))
        return self._join(self.bn3(self.conv3(output)), input)


class ResNet(nn.Module):
    """The networks of `resnet18` and `resnet50`."""

    def __init__(
        self,
        block: type[BasicBlock | Bottleneck],
        depths: Sequence[int],
        num_classes: int,
        dtype: DType,
        rng: RandomSource,
    ) -> None:
        super().__init__()
        source = generator(rng)
        with init.skip_random():
            self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False, dtype=dtype)
            self.bn1 = nn.BatchNorm2d(64, dtype=dtype)
            self.relu = nn.ReLU()
            self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
            channels = 64
            for stage, depth in enumerate(depths):
                width, blocks = 64 * 2**stage, nn.Sequential()
                for index in range(depth):
                    blocks.append(block(channels, width, 2 if stage and not index else 1, dtype))
                    channels = width * block.expansion
                self.add_module(f"layer{stage + 1}", blocks)
            self.avgpool = nn.AdaptiveAvgPool2d(1)
        _draw_weights(self, source, linear=False)
        self.fc = nn.Linear(channels, integer("num_classes", num_classes, 1), dtype=dtype, rng=source)

    def forward(self, input: Array) -> Array:
        """Return the scores of images of shape (N, 3, H, W)."""
        output = self.maxpool(self.relu(self.bn1(self.conv1(input))))
        output = self.layer4(self.layer3(self.layer2(self.layer1(output))))
        scores: Array = self.fc(F.flatten(self.avgpool(output), 1))
        return scores


def resnet18(num_classes: int = 1000, *, dtype: DType = np.float32, rng: RandomSource = None) -> ResNet:
    """
    Return ResNet-18.

    Parameters
    ----------
    num_classes : int, default 1000
        Number of outputs.
    dtype, rng
        As in `lenet5`.

    Returns
    -------
    Module
        Takes images of shape (N, 3, H, W), usually 224 by 224; 11,689,512 parameters.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    Examples
    --------
    >>> import convnative as cn
    >>> with cn.init.skip_random():
    ...     cn.count_parameters(resnet18()).total
    11689512
    """
    return ResNet(BasicBlock, (2, 2, 2, 2), num_classes, dtype, rng)


def resnet50(num_classes: int = 1000, *, dtype: DType = np.float32, rng: RandomSource = None) -> ResNet:
    """
    Return ResNet-50, with the stride in the 3 by 3 convolutions.

    Parameters
    ----------
    num_classes : int, default 1000
        Number of outputs.
    dtype, rng
        As in `lenet5`.

    Returns
    -------
    Module
        Takes images of shape (N, 3, H, W), usually 224 by 224; 25,557,032 parameters.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    Examples
    --------
    >>> import convnative as cn
    >>> with cn.init.skip_random():
    ...     cn.count_parameters(resnet50()).total
    25557032
    """
    return ResNet(Bottleneck, (3, 4, 6, 3), num_classes, dtype, rng)


# -- MobileNetV2 ------------------------------------------------------------------------------------------

# Expansion, output channels, number of blocks and stride of the first (table 2 of the paper).
_INVERTED_RESIDUALS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def _conv_norm_relu6(
    channels: int, out_channels: int, kernel_size: int, dtype: DType, stride: int = 1, groups: int = 1
) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(
            channels, out_channels, kernel_size, stride, kernel_size // 2, 1, groups, bias=False, dtype=dtype
        ),
        nn.BatchNorm2d(out_channels, dtype=dtype),
        nn.ReLU6(),
    )


class InvertedResidual(nn.Module):
    """Widen by 1 by 1, filter each channel by 3 by 3, narrow by 1 by 1: the block of MobileNetV2."""

    def __init__(self, channels: int, out_channels: int, stride: int, expansion: int, dtype: DType) -> None:
        super().__init__()
        width = channels * expansion
        widen = [_conv_norm_relu6(channels, width, 1, dtype)] if expansion > 1 else []
        self.conv = nn.Sequential(
            *widen,
            _conv_norm_relu6(width, width, 3, dtype, stride, groups=width),
            nn.Conv2d(width, out_channels, 1, bias=False, dtype=dtype),
            nn.BatchNorm2d(out_channels, dtype=dtype),
        )
        self.use_res_connect = stride == 1 and channels == out_channels

    def forward(self, input: Array) -> Array:
        """Return the output for an input of shape (N, C, H, W)."""
        output: Array = self.conv(input)
        return input + output if self.use_res_connect else output


class MobileNetV2(nn.Module):
    """The network of `mobilenet_v2`."""

    def __init__(
        self, num_classes: int, width_mult: float, dropout: float, dtype: DType, rng: RandomSource
    ) -> None:
        super().__init__()
        channels = _multiple_of_8(32 * width_mult)
        last = _multiple_of_8(1280 * max(1.0, width_mult))
        with init.skip_random():
            features = nn.Sequential(_conv_norm_relu6(3, channels, 3, dtype, stride=2))
            for expansion, width, depth, stride in _INVERTED_RESIDUALS:
                out_channels = _multiple_of_8(width * width_mult)
                for index in range(depth):
                    features.append(
                        InvertedResidual(channels, out_channels, 1 if index else stride, expansion, dtype)
                    )
                    channels = out_channels
            features.append(_conv_norm_relu6(channels, last, 1, dtype))
            self.features = features
            self.classifier = nn.Sequential(
                nn.Dropout(dropout), nn.Linear(last, integer("num_classes", num_classes, 1), dtype=dtype)
            )
        _draw_weights(self, rng, linear=True)

    def forward(self, input: Array) -> Array:
        """Return the scores of images of shape (N, 3, H, W)."""
        scores: Array = self.classifier(F.flatten(F.adaptive_avg_pool2d(self.features(input), 1), 1))
        return scores


def _multiple_of_8(channels: float) -> int:
    """Round to the nearest multiple of 8, but not down by more than a tenth."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


def mobilenet_v2(
    num_classes: int = 1000,
    width_mult: float = 1.0,
    dropout: float = 0.2,
    *,
    dtype: DType = np.float32,
    rng: RandomSource = None,
) -> MobileNetV2:
    """
    Return MobileNetV2.

    Parameters
    ----------
    num_classes : int, default 1000
        Number of outputs.
    width_mult : float, default 1
        Factor of the number of channels of all layers, from 0.05 to 8; the results are multiples of 8.
    dropout : float, default 0.2
        Probability of the dropout layer.
    dtype, rng
        As in `lenet5`.

    Returns
    -------
    Module
        Takes images of shape (N, 3, H, W), usually 224 by 224; 3,504,872 parameters.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    Examples
    --------
    >>> import convnative as cn
    >>> with cn.init.skip_random():
    ...     cn.count_parameters(mobilenet_v2()).total
    3504872
    """
    return MobileNetV2(num_classes, number("width_mult", width_mult, 0.05, 8), dropout, dtype, rng)
