"""Dropout layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import functional as F
from .._checks import number
from .._random import generator
from ._module import Module

if TYPE_CHECKING:
    from .._typing import Array, RandomSource


class _DropoutNd(Module):
    """What the dropout layers share; the subclasses say what is dropped."""

    def __init__(self, p: float = 0.5, *, rng: RandomSource = None) -> None:
        super().__init__()
        self.p = number("p", p, 0, 1)
        self.rng = None if rng is None else generator(rng)

    def extra_repr(self) -> str:
        """Return the settings for `repr`."""
        return f"p={self.p}"


class Dropout(_DropoutNd):
    """
    Zero random elements while training; see `convnative.functional.dropout`.

    Parameters
    ----------
    p : float, default 0.5
        Probability of an element to be zeroed.
    rng : numpy.random.Generator or int, optional
        Source of the random numbers, or a seed for one that this layer then keeps; by default the
        generator of `manual_seed`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; the message names it.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.Dropout(0.5).eval()(np.ones(3)).tolist()
    [1.0, 1.0, 1.0]
    """

    def forward(self, input: Array) -> Array:
        """Apply to an input of any shape."""
        return F.dropout(input, self.p, self.training, rng=self.rng)


class Dropout1d(_DropoutNd):
    """
    Zero random channels of sequences while training; see `convnative.functional.dropout1d`.

    Parameters
    ----------
    p, rng
        See `Dropout`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.Dropout1d(0.5).eval()(np.ones((1, 2, 3))).shape
    (1, 2, 3)
    """

    def forward(self, input: Array) -> Array:
        """Apply to an input of shape (N, C, L) or (C, L)."""
        return F.dropout1d(input, self.p, self.training, rng=self.rng)


class Dropout2d(_DropoutNd):
    """
    Zero random channels of images while training; see `convnative.functional.dropout2d`.

    Parameters
    ----------
    p, rng
        See `Dropout`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.Dropout2d(0.5).eval()(np.ones((1, 2, 3, 3))).shape
    (1, 2, 3, 3)
    """

    def forward(self, input: Array) -> Array:
        """Apply to an input of shape (N, C, H, W) or (C, H, W)."""
        return F.dropout2d(input, self.p, self.training, rng=self.rng)


class Dropout3d(_DropoutNd):
    """
    Zero random channels of volumes while training; see `convnative.functional.dropout3d`.

    Parameters
    ----------
    p, rng
        See `Dropout`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.Dropout3d(0.5).eval()(np.ones((1, 2, 3, 3, 3))).shape
    (1, 2, 3, 3, 3)
    """

    def forward(self, input: Array) -> Array:
        """Apply to an input of shape (N, C, D, H, W) or (C, D, H, W)."""
        return F.dropout3d(input, self.p, self.training, rng=self.rng)


class AlphaDropout(_DropoutNd):
    """
    Dropout that keeps mean 0 and variance 1; see `convnative.functional.alpha_dropout`.

    Parameters
    ----------
    p, rng
        See `Dropout`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.AlphaDropout(0.5).eval()(np.ones((2, 3))).shape
    (2, 3)
    """

    def forward(self, input: Array) -> Array:
        """Apply to an input of any shape."""
        return F.alpha_dropout(input, self.p, self.training, rng=self.rng)


class FeatureAlphaDropout(_DropoutNd):
    """
    Dropout of channels that keeps mean 0 and variance 1; see `convnative.functional.feature_alpha_dropout`.

    Parameters
    ----------
    p, rng
        See `Dropout`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.FeatureAlphaDropout(0.5).eval()(np.ones((1, 2, 3))).shape
    (1, 2, 3)
    """

    def forward(self, input: Array) -> Array:
        """Apply to an input of shape (N, C, ...)."""
        return F.feature_alpha_dropout(input, self.p, self.training, rng=self.rng)
