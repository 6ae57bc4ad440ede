"""Transposed convolution layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from .. import functional as F
from .. import shapes
from .._checks import choice
from ..functional._prepared import prepare_conv_transpose
from ._conv import ConvBase, LazyConvBase

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .._typing import Array, DType, Padding, RandomSource, Size
    from ..functional._prepared import ActivationRow, PreparedConv


class _ConvTransposeNd(ConvBase):
    """Transposed convolution layer; the subclasses say over how many axes."""

    _function: ClassVar[Callable[..., Array]]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Padding = 0,
        output_padding: Size = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Size = 1,
        padding_mode: str = "zeros",
        *,
        dtype: DType = np.float32,
        rng: RandomSource = None,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups)
        self.output_padding = shapes.normalize_size(output_padding, self._axes, "output_padding", 0)
        self.padding_mode = choice("padding_mode", padding_mode, ("zeros",))
        self._initialize((self.in_channels, self.out_channels // self.groups), bias, dtype, rng)

    def forward(self, input: Array, output_size: Sequence[int] | None = None) -> Array:
        """
        Apply the layer to an input of shape (N, C, *spatial) or (C, *spatial).

        `output_size`, the spatial sizes or the whole shape of the result, takes the place of
        `output_padding`: of the up to `stride` sizes that a convolution leads to the input's, the one meant.
        """
        padding = self.output_padding if output_size is None else self._output_padding(input, output_size)
        return self._function(
            input, self.weight, self.bias, self.stride, self.padding, padding, self.groups, self.dilation
        )

    def _prepare(self, input_shape: Sequence[int], activation: ActivationRow | None) -> PreparedConv:
        config = self._axes, self.stride, self.padding, self.output_padding, self.groups, self.dilation
        return prepare_conv_transpose(input_shape, self.weight, self.bias, config, activation)

    def _output_padding(self, input: Array, output_size: Sequence[int]) -> tuple[int, ...]:
        axes = self._axes
        if len(output_size) not in (axes, input.ndim):
            raise ValueError(
                f"output_size: expected {axes} or {input.ndim} sizes for an input of {input.ndim} "
                f"dimensions, received {tuple(output_size)}"
            )
        wanted = shapes.normalize_size(tuple(output_size[-axes:]), axes, "output_size")
        sides = shapes.normalize_padding(self.padding, axes)
        smallest = tuple(
            shapes.conv_transpose_output_size(
                size,
                kernel,
                stride,
                sides if isinstance(sides, str) else sides[axis],
                dilation=dilation,
            )
            for axis, (size, kernel, stride, dilation) in enumerate(
                zip(input.shape[-axes:], self.kernel_size, self.stride, self.dilation, strict=True)
            )
        )
        largest = tuple(size + stride - 1 for size, stride in zip(smallest, self.stride, strict=True))
        if not all(low <= size <= high for low, size, high in zip(smallest, wanted, largest, strict=True)):
            raise ValueError(
                f"output_size: expected sizes from {smallest} to {largest} for an input of shape "
                f"{tuple(input.shape)}, received {wanted}"
            )
        return tuple(size - low for size, low in zip(wanted, smallest, strict=True))

    def _own_repr(self) -> str:
        if self.output_padding == (0,) * self._axes:
            return ""
        return f", output_padding={self.output_padding}"


class ConvTranspose2d(_ConvTransposeNd):
    """
    2-D transposed convolution layer.

    Parameters
    ----------
    in_channels, out_channels : int
        Number of channels of the input and of the result.
    kernel_size : int or pair of int
        Height and width of the kernels.
    stride, padding, output_padding, dilation
        See `convnative.functional.conv_transpose2d`.
    groups : int, default 1
        Divides both numbers of channels.
    bias : bool, default True
        Whether to add a learned number per output channel.
    padding_mode : str, default "zeros"
        For torch's sake; zeros is the only mode.
    dtype : float32 or float64, default float32
        Dtype of the parameters, and so of the inputs.
    rng : numpy.random.Generator or int, optional
        Source of the initial weights, or a seed for one; by default the generator of `manual_seed`.

    Attributes
    ----------
    weight : ndarray, shape (in_channels, out_channels / groups, R, S)
        Initially uniform in ±1 / sqrt(out_channels / groups * R * S), torch's choice.
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
    >>> up = nn.ConvTranspose2d(8, 3, 3, stride=2, padding=1)
    >>> x = np.zeros((1, 8, 7, 7), np.float32)
    >>> up(x).shape
    (1, 3, 13, 13)
    >>> up(x, output_size=(14, 14)).shape
    (1, 3, 14, 14)
    """

    _axes = 2
    _function = staticmethod(F.conv_transpose2d)


class ConvTranspose1d(_ConvTransposeNd):
    """
    1-D transposed convolution layer; see `ConvTranspose2d` for the arguments.

    Attributes
    ----------
    weight : ndarray, shape (in_channels, out_channels / groups, R)
    bias : ndarray, shape (out_channels,), or None

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; the message names it.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> up = nn.ConvTranspose1d(8, 3, 4, stride=2, padding="same")
    >>> up(np.zeros((1, 8, 5), np.float32)).shape
    (1, 3, 10)
    """

    _axes = 1
    _function = staticmethod(F.conv_transpose1d)


class ConvTranspose3d(_ConvTransposeNd):
    """
    3-D transposed convolution layer; see `ConvTranspose2d` for the arguments.

    Attributes
    ----------
    weight : ndarray, shape (in_channels, out_channels / groups, T, R, S)
    bias : ndarray, shape (out_channels,), or None

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; the message names it.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> up = nn.ConvTranspose3d(8, 3, 4, stride=2, padding="same")
    >>> up(np.zeros((1, 8, 5, 5, 5), np.float32)).shape
    (1, 3, 10, 10, 10)
    """

    _axes = 3
    _function = staticmethod(F.conv_transpose3d)


class _LazyConvTransposeNd(LazyConvBase):
    def _features_of_weight(self, shape: tuple[int, ...]) -> int:
        return shape[0]


class LazyConvTranspose1d(_LazyConvTransposeNd, ConvTranspose1d):
    """
    `ConvTranspose1d` that takes `in_channels` from its first input; see `LazyLayer`.

    The arguments are those of `ConvTranspose1d` without the first.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> up = nn.LazyConvTranspose1d(3, 2, stride=2)
    >>> up(np.zeros((1, 4, 5), np.float32)).shape
    (1, 3, 10)
    """

    _plain = ConvTranspose1d


class LazyConvTranspose2d(_LazyConvTransposeNd, ConvTranspose2d):
    """
    `ConvTranspose2d` that takes `in_channels` from its first input; see `LazyLayer`.

    The arguments are those of `ConvTranspose2d` without the first.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> up = nn.LazyConvTranspose2d(3, 2, stride=2)
    >>> up(np.zeros((1, 4, 5, 5), np.float32)).shape
    (1, 3, 10, 10)
    """

    _plain = ConvTranspose2d


class LazyConvTranspose3d(_LazyConvTransposeNd, ConvTranspose3d):
    """
    `ConvTranspose3d` that takes `in_channels` from its first input; see `LazyLayer`.

    The arguments are those of `ConvTranspose3d` without the first.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> up = nn.LazyConvTranspose3d(3, 2, stride=2)
    >>> up(np.zeros((1, 4, 5, 5, 5), np.float32)).shape
    (1, 3, 10, 10, 10)
    """

    _plain = ConvTranspose3d
