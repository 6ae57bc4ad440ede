"""Layers that give images another size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .. import functional as F
from ._module import Module

if TYPE_CHECKING:
    from .._typing import Array, Size


class Upsample(Module):
    """
    Signals, images or volumes of another size; see `convnative.functional.interpolate`.

    Parameters
    ----------
    size : int or sequence of int, optional
        Size of the output's spatial axes.
    scale_factor : float or sequence of float, optional
        The same in units of the input's. Either this or `size`.
    mode : str
        The kind of interpolation, "nearest" by default.
    align_corners, recompute_scale_factor : bool, optional
        See `convnative.functional.interpolate`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.Upsample(scale_factor=2)(np.array([[[1.0, 2.0]]])).tolist()
    [[[1.0, 1.0, 2.0, 2.0]]]
    """

    def __init__(
        self,
        size: Size | None = None,
        scale_factor: float | Sequence[float] | None = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__()
        self.size = size
        if isinstance(scale_factor, Sequence):
            scale_factor = tuple(map(float, scale_factor))
        elif scale_factor is not None:
            scale_factor = float(scale_factor)
        self.scale_factor = scale_factor
        self.mode = mode
        self.align_corners = align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, input: Array) -> Array:
        """Resample an input of shape (N, C, spatial...)."""
        return F.interpolate(
            input, self.size, self.scale_factor, self.mode, self.align_corners, self.recompute_scale_factor
        )

    def extra_repr(self) -> str:
        """Return the settings for `repr`, in torch's form."""
        target = f"size={self.size}" if self.scale_factor is None else f"scale_factor={self.scale_factor}"
        return f"{target}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """
    Larger images by repeating elements.

    Parameters
    ----------
    size : int or pair of int, optional
        Size of the output.
    scale_factor : float or pair of float, optional
        The same in units of the input's. Either this or `size`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.UpsamplingNearest2d(scale_factor=2)(np.zeros((1, 3, 4, 5))).shape
    (1, 3, 8, 10)
    """

    def __init__(self, size: Size | None = None, scale_factor: float | Sequence[float] | None = None) -> None:
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """
    Larger images by linear interpolation between elements, with aligned corners.

    Parameters
    ----------
    size : int or pair of int, optional
        Size of the output.
    scale_factor : float or pair of float, optional
        The same in units of the input's. Either this or `size`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.UpsamplingBilinear2d((1, 3))(np.array([[[[0.0, 4.0]]]])).tolist()
    [[[[0.0, 2.0, 4.0]]]]
    """

    def __init__(self, size: Size | None = None, scale_factor: float | Sequence[float] | None = None) -> None:
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)
