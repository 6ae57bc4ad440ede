"""Layers that change the shape alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import functional as F
from .._checks import integer
from ._module import Module

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._typing import Array


class Flatten(Module):
    """
    Join consecutive axes into one; by default all but the first.

    Parameters
    ----------
    start_dim, end_dim : int
        First and last axis to join; negative numbers count from the end.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.Flatten()(np.zeros((2, 3, 4))).shape
    (2, 12)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: Array) -> Array:
        """Reshape the input."""
        return F.flatten(input, self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        """Return the settings for `repr`, in torch's form."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """
    Split one axis into several.

    Parameters
    ----------
    dim : int
        The axis to split; a negative number counts from the end.
    unflattened_size : sequence of int
        The sizes of the axes that take its place; one of them may be -1 and is then what is left.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.Unflatten(1, (3, 4))(np.zeros((2, 12))).shape
    (2, 3, 4)
    """

    def __init__(self, dim: int, unflattened_size: Sequence[int]) -> None:
        super().__init__()
        self.dim = integer("dim", dim, -(2**63))
        if not isinstance(unflattened_size, (tuple, list)):
            raise TypeError(f"unflattened_size: expected a tuple of ints, received {unflattened_size!r}")
        self.unflattened_size = tuple(integer("unflattened_size", size, -1) for size in unflattened_size)

    def forward(self, input: Array) -> Array:
        """Reshape the input."""
        return F.unflatten(input, self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        """Return the settings for `repr`, in torch's form."""
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
