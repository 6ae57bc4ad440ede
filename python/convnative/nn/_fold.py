"""Layers of sliding blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import functional as F
from ._module import Module

if TYPE_CHECKING:
    from .._typing import Array, Padding, Size


class Unfold(Module):
    """
    Sliding blocks of an image, each one a column; see `convnative.functional.unfold`.

    Parameters
    ----------
    kernel_size : int or pair of int
        Size of a block.
    dilation, padding, stride
        See `convnative.functional.unfold`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.Unfold(3)(np.zeros((8, 4, 10, 12))).shape
    (8, 36, 80)
    """

    def __init__(self, kernel_size: Size, dilation: Size = 1, padding: Padding = 0, stride: Size = 1) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Array) -> Array:
        """Unfold an input of shape (N, C, H, W) or (C, H, W)."""
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        """Return the settings for `repr`, in torch's form."""
        return (
            f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, "
            f"stride={self.stride}"
        )


class Fold(Module):
    """
    Image that columns add up to; see `convnative.functional.fold`.

    Parameters
    ----------
    output_size : int or pair of int
        Size of the image.
    kernel_size : int or pair of int
        Size of a block.
    dilation, padding, stride
        See `convnative.functional.unfold`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.Fold((10, 12), 3)(np.zeros((8, 36, 80))).shape
    (8, 4, 10, 12)
    """

    def __init__(
        self,
        output_size: Size,
        kernel_size: Size,
        dilation: Size = 1,
        padding: Padding = 0,
        stride: Size = 1,
    ) -> None:
        super().__init__()
        self.output_size = output_size
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Array) -> Array:
        """Fold an input of shape (N, C * kernel elements, blocks), or the same without N."""
        return F.fold(input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        """Return the settings for `repr`, in torch's form."""
        return (
            f"output_size={self.output_size}, kernel_size={self.kernel_size}, dilation={self.dilation}, "
            f"padding={self.padding}, stride={self.stride}"
        )
