"""Convolution layers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from .. import functional as F
from .. import init, shapes
from .._checks import choice, float_dtype, integer
from .._random import generator
from ..functional._prepared import conv_activated, prepare_conv
from ._activation import epilogue
from ._lazy import LazyLayer
from ._module import Module

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .._typing import Array, DType, Padding, PaddingMode, RandomSource, Size
    from ..functional._conv_primitives import Config
    from ..functional._prepared import ActivationRow, PreparedConv

_PADDING_MODES = ("zeros", "reflect", "replicate", "circular", "symmetric")


class ConvBase(Module):
    """What convolutions and transposed convolutions over `_axes` spatial axes have in common."""

    _axes: ClassVar[int]
    weight: Array
    bias: Array | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size,
        padding: Padding,
        dilation: Size,
        groups: int,
    ) -> None:
        super().__init__()
        axes = self._axes
        self.in_channels = integer("in_channels", in_channels, 1)
        self.out_channels = integer("out_channels", out_channels, 1)
        self.kernel_size = shapes.normalize_size(kernel_size, axes, "kernel_size")
        self.stride = shapes.normalize_size(stride, axes, "stride")
        self.padding = _layer_padding(padding, axes)
        self.dilation = shapes.normalize_size(dilation, axes, "dilation")
        self.groups = integer("groups", groups, 1)
        for name, channels in (("in_channels", self.in_channels), ("out_channels", self.out_channels)):
            if channels % self.groups:
                raise ValueError(f"groups: expected a divisor of {name} = {channels}, received {self.groups}")

    def _initialize(self, channels: tuple[int, int], bias: bool, dtype: DType, rng: RandomSource) -> None:
        """Make the parameters; `channels` are the first two sizes of the weight."""
        dtype = float_dtype("dtype", dtype)
        rng = generator(rng)
        shape = (*channels, *self.kernel_size)
        weight = init.kaiming_uniform(shape, a=math.sqrt(5), dtype=dtype, rng=rng)
        bound = 1 / math.sqrt(math.prod(shape[1:]))
        biases = (self.out_channels,)
        self.register_parameter("weight", weight)
        self.register_parameter(
            "bias", init.uniform(biases, -bound, bound, dtype=dtype, rng=rng) if bias else None
        )

    def prepare(self, input_shape: Sequence[int], *, activation: Module | None = None) -> PreparedConv:
        """
        Pack the weights once, for many inputs of one shape.

        Parameters
        ----------
        input_shape : sequence of int
            (N, C, *spatial) or (C, *spatial).
        activation : ReLU, ReLU6, LeakyReLU, Hardswish or SiLU layer, optional
            Applied to the result in the same pass.

        Returns
        -------
        PreparedConv
            A function of an input, and of an array to add before the activation. It owns a copy of the
            weights as they are now: prepare again after changing them.

        Raises
        ------
        TypeError
            If `activation` is something else.
        ValueError
            If the shape does not fit the layer.

        Examples
        --------
        >>> import numpy as np
        >>> from convnative import nn
        >>> prepared = nn.Conv1d(3, 8, 5).prepare((2, 3, 9), activation=nn.ReLU())
        >>> prepared(np.zeros((2, 3, 9), np.float32)).shape
        (2, 8, 5)
        """
        self._require_parameters()
        row = None if activation is None else epilogue(activation)
        if activation is not None and row is None:
            raise TypeError(
                "activation: expected a ReLU, ReLU6, LeakyReLU, Hardswish or SiLU layer, "
                f"received {type(activation).__name__}"
            )
        return self._prepare(input_shape, row)

    def _prepare(self, input_shape: Sequence[int], activation: ActivationRow | None) -> PreparedConv:
        raise NotImplementedError

    def extra_repr(self) -> str:
        """Return the settings for `repr`: those of torch, in torch's form."""
        text = (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        )
        if self.padding != (0,) * self._axes:
            text += f", padding={self.padding}"
        if self.dilation != (1,) * self._axes:
            text += f", dilation={self.dilation}"
        text += self._own_repr()
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        return text

    def _own_repr(self) -> str:
        return ""


class _ConvNd(ConvBase):
    """Convolution layer; the subclasses say over how many axes."""

    _function: ClassVar[Callable[..., Array]]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Padding = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: PaddingMode = "zeros",
        *,
        dtype: DType = np.float32,
        rng: RandomSource = None,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups)
        self.padding_mode = _layer_padding_mode(padding_mode)
        self._initialize((self.out_channels, self.in_channels // self.groups), bias, dtype, rng)

    def forward(self, input: Array) -> Array:
        """Convolve an input of shape (N, C, *spatial) or (C, *spatial)."""
        return self._function(
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self.dilation,
            self.groups,
            padding_mode=self.padding_mode,
        )

    def forward_activated(self, input: Array, activation: ActivationRow) -> Array:
        """Apply the layer and then an activation, in one pass. All arrays are plain, none is traced."""
        return conv_activated(input, self.weight, self.bias, self._config(), activation)

    def _config(self) -> Config:
        return self._axes, self.stride, self.padding, self.dilation, self.groups, self.padding_mode

    def _prepare(self, input_shape: Sequence[int], activation: ActivationRow | None) -> PreparedConv:
        return prepare_conv(input_shape, self.weight, self.bias, self._config(), activation)

    def extra_repr(self) -> str:
        """Return the settings for `repr`: those of torch, in torch's form."""
        mode = "" if self.padding_mode == "zeros" else f", padding_mode={self.padding_mode}"
        return super().extra_repr() + mode


class Conv1d(_ConvNd):
    """
    1-D convolution layer; see `Conv2d` for the arguments.

    Attributes
    ----------
    weight : ndarray, shape (out_channels, in_channels / groups, L)
    bias : ndarray, shape (out_channels,), or None

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; the message names it.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.Conv1d(3, 8, 5, padding="causal")(np.zeros((1, 3, 9), np.float32)).shape
    (1, 8, 9)
    """

    _axes = 1
    _function = staticmethod(F.conv1d)


class Conv2d(_ConvNd):
    """
    2-D convolution layer.

    Parameters
    ----------
    in_channels, out_channels : int
        Number of channels of the input and of the result.
    kernel_size : int or pair of int
        Height and width of the kernels.
    stride, dilation : int or pair of int, default 1
        See `convnative.functional.conv2d`.
    padding : int, pair of int, pair of (before, after) pairs, or str, default 0
        See `convnative.functional.conv2d`.
    groups : int, default 1
        Divides both numbers of channels.
    bias : bool, default True
        Whether to add a learned number per output channel.
    padding_mode : str or float, default "zeros"
        What the padding consists of; see `convnative.functional.conv2d`.
    dtype : float32 or float64, default float32
        Dtype of the parameters, and so of the inputs.
    rng : numpy.random.Generator or int, optional
        Source of the initial weights, or a seed for one; by default the generator of `manual_seed`.

    Attributes
    ----------
    weight : ndarray, shape (out_channels, in_channels / groups, R, S)
        Initially uniform in ±1 / sqrt(in_channels / groups * R * S), torch's choice.
    bias : ndarray, shape (out_channels,), or None
        Initially uniform in the same interval.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; the message names it.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> conv = nn.Conv2d(3, 8, 5, stride=2, padding="same")
    >>> conv(np.zeros((1, 3, 9, 9), np.float32)).shape
    (1, 8, 5, 5)
    """

    _axes = 2
    _function = staticmethod(F.conv2d)


class Conv3d(_ConvNd):
    """
    3-D convolution layer; see `Conv2d` for the arguments.

    Attributes
    ----------
    weight : ndarray, shape (out_channels, in_channels / groups, T, R, S)
    bias : ndarray, shape (out_channels,), or None

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; the message names it.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.Conv3d(3, 8, 3, padding=1, padding_mode="circular")(np.zeros((1, 3, 4, 4, 4), np.float32)).shape
    (1, 8, 4, 4, 4)
    """

    _axes = 3
    _function = staticmethod(F.conv3d)


class LazyConvBase(LazyLayer):
    """What lazy convolutions and transposed convolutions have in common."""

    _features = "in_channels"
    _axes: ClassVar[int]

    def _features_of_input(self, shape: tuple[int, ...]) -> int:
        axes = self._axes
        if len(shape) not in (axes + 1, axes + 2):
            raise ValueError(
                f"input: expected an array of {axes + 1} or {axes + 2} dimensions, received shape {shape}"
            )
        return shape[-axes - 1]


class _LazyConvNd(LazyConvBase):
    groups: int

    def _features_of_weight(self, shape: tuple[int, ...]) -> int:
        return shape[1] * self.groups


class LazyConv1d(_LazyConvNd, Conv1d):
    """
    `Conv1d` that takes `in_channels` from its first input; see `LazyLayer`.

    The arguments are those of `Conv1d` without the first.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> conv = nn.LazyConv1d(8, 3)
    >>> conv
    LazyConv1d(0, 8, kernel_size=(3,), stride=(1,))
    >>> conv(np.zeros((2, 4, 5), np.float32)).shape
    (2, 8, 3)
    >>> conv
    Conv1d(4, 8, kernel_size=(3,), stride=(1,))
    """

    _plain = Conv1d


class LazyConv2d(_LazyConvNd, Conv2d):
    """
    `Conv2d` that takes `in_channels` from its first input; see `LazyLayer`.

    The arguments are those of `Conv2d` without the first.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> conv = nn.LazyConv2d(8, 3)
    >>> conv
    LazyConv2d(0, 8, kernel_size=(3, 3), stride=(1, 1))
    >>> conv(np.zeros((2, 4, 5, 5), np.float32)).shape
    (2, 8, 3, 3)
    >>> conv
    Conv2d(4, 8, kernel_size=(3, 3), stride=(1, 1))
    """

    _plain = Conv2d


class LazyConv3d(_LazyConvNd, Conv3d):
    """
    `Conv3d` that takes `in_channels` from its first input; see `LazyLayer`.

    The arguments are those of `Conv3d` without the first.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> conv = nn.LazyConv3d(8, 3)
    >>> conv
    LazyConv3d(0, 8, kernel_size=(3, 3, 3), stride=(1, 1, 1))
    >>> conv(np.zeros((2, 4, 5, 5, 5), np.float32)).shape
    (2, 8, 3, 3, 3)
    >>> conv
    Conv3d(4, 8, kernel_size=(3, 3, 3), stride=(1, 1, 1))
    """

    _plain = Conv3d


def _layer_padding(padding: Padding, axes: int) -> Padding:
    """Return the padding as torch keeps it: the name of a rule, or one int per axis, else pairs."""
    pairs = shapes.normalize_padding(padding, axes)
    if isinstance(padding, str) or isinstance(pairs, str):
        return padding
    if all(before == after for before, after in pairs):
        return tuple(before for before, _ in pairs)
    return pairs


def _layer_padding_mode(padding_mode: PaddingMode) -> PaddingMode:
    """Return the mode, or the number to pad with; errors as the function's."""
    if isinstance(padding_mode, str):
        return choice("padding_mode", padding_mode, _PADDING_MODES)
    if isinstance(padding_mode, bool) or not isinstance(padding_mode, (int, float, np.integer, np.floating)):
        raise TypeError(f"padding_mode: expected the name of a mode or a number, received {padding_mode!r}")
    return float(padding_mode)
