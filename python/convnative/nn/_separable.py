"""Depthwise separable convolution layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from .._checks import integer
from .._random import generator
from ._conv import Conv1d, Conv2d
from ._module import Module

if TYPE_CHECKING:
    from .._typing import Array, DType, Padding, PaddingMode, RandomSource, Size


class _SeparableConvNd(Module):
    """A depthwise and a pointwise convolution; the subclasses say over how many axes."""

    _conv: ClassVar[type[Conv1d] | type[Conv2d]]
    depthwise: Conv1d | Conv2d
    pointwise: Conv1d | Conv2d

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Padding = 0,
        dilation: Size = 1,
        depth_multiplier: int = 1,
        bias: bool = True,
        padding_mode: PaddingMode = "zeros",
        *,
        dtype: DType = np.float32,
        rng: RandomSource = None,
    ) -> None:
        super().__init__()
        rng = generator(rng)
        in_channels = integer("in_channels", in_channels, 1)
        channels = in_channels * integer("depth_multiplier", depth_multiplier, 1)
        self.depthwise = self._conv(
            in_channels, channels, kernel_size, stride, padding, dilation,
            groups=in_channels, bias=False, padding_mode=padding_mode, dtype=dtype, rng=rng,
        )  # fmt: skip
        self.pointwise = self._conv(channels, out_channels, 1, bias=bias, dtype=dtype, rng=rng)

    def forward(self, input: Array) -> Array:
        """Convolve an input of shape (N, C, *spatial) or (C, *spatial)."""
        output: Array = self.pointwise(self.depthwise(input))
        return output


class SeparableConv2d(_SeparableConvNd):
    """
    2-D depthwise separable convolution layer, Keras' ``SeparableConv2D``.

    Every input channel is convolved by itself with `depth_multiplier` kernels (`depthwise`), and the results
    are mixed at every position (`pointwise`, which also adds the bias).

    Keras' ``depthwise_kernel[r, s, c, m]`` is ``depthwise.weight[c * depth_multiplier + m, 0, r, s]`` here,
    its ``pointwise_kernel[0, 0, i, k]`` is ``pointwise.weight[k, i, 0, 0]``, and its ``bias`` is
    ``pointwise.bias``; its ``filters``, ``strides`` and ``dilation_rate`` are `out_channels`, `stride` and
    `dilation`.

    Parameters
    ----------
    in_channels, out_channels : int
        Number of channels of the input and of the result.
    kernel_size : int or pair of int
        Height and width of the depthwise kernels.
    stride, padding, dilation, padding_mode
        Of the depthwise convolution; see `convnative.functional.conv2d`.
    depth_multiplier : int, default 1
        Number of kernels per input channel.
    bias : bool, default True
        Whether to add a learned number per output channel.
    dtype : float32 or float64, default float32
        Dtype of the parameters, and so of the inputs.
    rng : numpy.random.Generator or int, optional
        Source of the initial weights, or a seed for one; by default the generator of `manual_seed`.

    Attributes
    ----------
    depthwise : Conv2d
        Weight of shape (in_channels * depth_multiplier, 1, R, S), no bias.
    pointwise : Conv2d
        Weight of shape (out_channels, in_channels * depth_multiplier, 1, 1).

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; the message names it.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> layer = nn.SeparableConv2d(3, 8, 3, padding="same", depth_multiplier=2)
    >>> layer(np.zeros((1, 3, 5, 5), np.float32)).shape
    (1, 8, 5, 5)
    >>> [(name, array.shape) for name, array in layer.named_parameters()]
    [('depthwise.weight', (6, 1, 3, 3)), ('pointwise.weight', (8, 6, 1, 1)), ('pointwise.bias', (8,))]
    """

    _conv = Conv2d


class SeparableConv1d(_SeparableConvNd):
    """
    1-D depthwise separable convolution layer, Keras' ``SeparableConv1D``; see `SeparableConv2d`.

    Attributes
    ----------
    depthwise : Conv1d
        Weight of shape (in_channels * depth_multiplier, 1, R), no bias.
    pointwise : Conv1d
        Weight of shape (out_channels, in_channels * depth_multiplier, 1).

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; the message names it.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.SeparableConv1d(3, 8, 3)(np.zeros((1, 3, 9), np.float32)).shape
    (1, 8, 7)
    """

    _conv = Conv1d
