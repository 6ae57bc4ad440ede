"""The fully connected layer, and the one that does nothing."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import functional as F
from .. import init
from .._checks import float_dtype, integer
from .._random import generator
from ._lazy import LazyLayer
from ._module import Module

if TYPE_CHECKING:
    from .._typing import Array, DType, RandomSource


class Linear(Module):
    """
    Affine map of the last axis.

    Parameters
    ----------
    in_features, out_features : int
        Size of the last axis of the input and of the result.
    bias : bool, default True
        Whether to add a learned vector.
    dtype : float32 or float64, default float32
        Dtype of the parameters, and so of the inputs.
    rng : numpy.random.Generator or int, optional
        Source of the initial weights, or a seed for one; by default the generator of `manual_seed`.

    Attributes
    ----------
    weight : ndarray, shape (out_features, in_features)
        Initially uniform in ±1 / sqrt(in_features), torch's choice.
    bias : ndarray, shape (out_features,), or None
        Initially uniform in the same interval.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; the message names it.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.Linear(4, 2)(np.zeros((3, 4), np.float32)).shape
    (3, 2)
    """

    weight: Array
    bias: Array | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        dtype: DType = np.float32,
        rng: RandomSource = None,
    ) -> None:
        super().__init__()
        self.in_features = integer("in_features", in_features, 1)
        self.out_features = integer("out_features", out_features, 1)
        dtype = float_dtype("dtype", dtype)
        rng = generator(rng)
        shape = (self.out_features, self.in_features)
        weight = init.kaiming_uniform(shape, a=math.sqrt(5), dtype=dtype, rng=rng)
        bound = 1 / math.sqrt(self.in_features)
        self.register_parameter("weight", weight)
        self.register_parameter(
            "bias", init.uniform(shape[:1], -bound, bound, dtype=dtype, rng=rng) if bias else None
        )

    def forward(self, input: Array) -> Array:
        """Map an input of shape (..., in_features)."""
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        """Return the settings for `repr`, in torch's form."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"
        )


class LazyLinear(LazyLayer, Linear):
    """
    `Linear` that takes `in_features` from its first input; see `LazyLayer`.

    The arguments are those of `Linear` without the first.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> linear = nn.LazyLinear(2)
    >>> linear(np.zeros((3, 4), np.float32)).shape
    (3, 2)
    >>> linear
    Linear(in_features=4, out_features=2, bias=True)
    """

    _plain = Linear
    _features = "in_features"

    def _features_of_input(self, shape: tuple[int, ...]) -> int:
        if not shape:
            raise ValueError("input: expected an array of shape (..., in_features), received shape ()")
        return shape[-1]

    def _features_of_weight(self, shape: tuple[int, ...]) -> int:
        return shape[1]


class Identity(Module):
    """
    Return the input as it is: a place for a layer in a network that has none there.

    Parameters
    ----------
    *args, **kwargs
        Ignored, so that it can take the place of any layer.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.Identity(54, unused=True)(np.ones(2)).tolist()
    [1.0, 1.0]
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002
        super().__init__()

    def forward(self, input: Array) -> Array:
        """Return the input."""
        return input
