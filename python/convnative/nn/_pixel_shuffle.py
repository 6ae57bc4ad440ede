"""Layers that move elements between channels and space, or among channels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import functional as F
from ._module import Module

if TYPE_CHECKING:
    from .._typing import Array


class PixelShuffle(Module):
    """
    Larger image out of groups of channels; see `convnative.functional.pixel_shuffle`.

    Parameters
    ----------
    upscale_factor : int
        How much larger the image's sides become.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.PixelShuffle(2)(np.zeros((8, 12, 16, 16))).shape
    (8, 3, 32, 32)
    """

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input: Array) -> Array:
        """Rearrange an input of shape (..., C * r * r, H, W)."""
        return F.pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self) -> str:
        """Return the settings for `repr`, in torch's form."""
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """
    Smaller image with more channels; see `convnative.functional.pixel_unshuffle`.

    Parameters
    ----------
    downscale_factor : int
        How much smaller the image's sides become.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.PixelUnshuffle(2)(np.zeros((8, 3, 32, 32))).shape
    (8, 12, 16, 16)
    """

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, input: Array) -> Array:
        """Rearrange an input of shape (..., C, H * r, W * r)."""
        return F.pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self) -> str:
        """Return the settings for `repr`, in torch's form."""
        return f"downscale_factor={self.downscale_factor}"


class ChannelShuffle(Module):
    """
    Channels of which neighbours come from different groups; see `convnative.functional.channel_shuffle`.

    Parameters
    ----------
    groups : int
        Divides the channels.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.ChannelShuffle(2)(np.arange(4.0).reshape(1, 4, 1)).ravel().tolist()
    [0.0, 2.0, 1.0, 3.0]
    """

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, input: Array) -> Array:
        """Rearrange an input of shape (N, C, spatial...)."""
        return F.channel_shuffle(input, self.groups)

    def extra_repr(self) -> str:
        """Return the settings for `repr`, in torch's form."""
        return f"groups={self.groups}"
