"""From a fully connected layer to a convolution: how many weights each assumption saves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class DenseComparison:
    """How many weights layers of the same input and output have, biases left out.

    A dense layer connects every input with every output, each by a weight of its own: for one channel

        h[i, j] = sum over a, b of w[i, j, a, b] x[i + a, j + b].

    Translation invariance: the weight depends on the offset (a, b) alone, not on the output. The offsets go
    from minus the size of the input to the size of the output. Locality: only offsets up to some distance
    count. Both together are a convolution; see Zhang, Lipton, Li and Smola, "Dive into Deep Learning",
    section 7.1, whose numbers these are.

    Attributes
    ----------
    dense : int
        A dense layer: inputs times outputs, of one sample.
    translation_invariant : int
        A translation-invariant one: for each pair of channels one weight for each offset, ``input + output``
        of them along each axis.
    local : int
        A translation-invariant one that sees as far as this layer: for each pair of channels one weight for
        each position in its window, ``2 * distance + 1`` along each axis.
    layer : int
        This layer: fewer still if its kernels are dilated or its channels in groups.

    Examples
    --------
    An image of 1000 by 1000 pixels, seen up to a distance of 5:

    >>> DenseComparison.of((1, 1000, 1000), (1, 1000, 1000), extents=(11, 11), layer=121)
    DenseComparison(dense=1000000000000, translation_invariant=4000000, local=121, layer=121)
    """

    dense: int
    translation_invariant: int
    local: int
    layer: int

    @classmethod
    def of(
        cls, input_shape: Sequence[int], output_shape: Sequence[int], extents: Sequence[int], layer: int
    ) -> DenseComparison:
        """Return the comparison for shapes ``(channels, *spatial)`` of one sample.

        Parameters
        ----------
        input_shape, output_shape : sequence of int
            The shapes before and after.
        extents : sequence of int
            How many positions from the first to the last element of the kernel, on each axis.
        layer : int
            Number of weights of the layer.

        Returns
        -------
        DenseComparison
            The numbers of weights.
        """
        channels = input_shape[0] * output_shape[0]
        offsets = [before + after for before, after in zip(input_shape[1:], output_shape[1:], strict=True)]
        return cls(
            dense=math.prod(input_shape) * math.prod(output_shape),
            translation_invariant=channels * math.prod(offsets),
            local=channels * math.prod(extents),
            layer=layer,
        )


def compared(module: Any, input_shape: Sequence[int], output_shape: Sequence[int]) -> DenseComparison | None:
    """Return the comparison of a convolution layer; None for any other module."""
    from .nn._conv import ConvBase
    from .shapes import effective_kernel_size

    if not isinstance(module, ConvBase):
        return None
    axes = len(module.kernel_size)
    extents = map(effective_kernel_size, module.kernel_size, module.dilation)
    before, after = (shape[-axes - 1 :] for shape in (input_shape, output_shape))
    weight: Any = module.weight
    return DenseComparison.of(before, after, tuple(extents), int(weight.size))
