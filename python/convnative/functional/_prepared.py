"""Convolutions with their weights packed beforehand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import _core
from ._differentiation import refuse_traced

if TYPE_CHECKING:
    from .._typing import Array
    from ._conv_primitives import Config

    # A row of the core's table of functions of one number, and its parameters.
    ActivationRow = tuple[str, tuple[float, ...]]


class PreparedConv:
    """
    A convolution layer as it was when it was prepared, for inputs of one shape.

    It owns a copy of the layer's weights, packed for the algorithm that is fastest once packing is paid for:
    later changes of the layer do not reach it. It cannot be changed, and any number of threads may call it
    at once. Autograd does not see through it. Made by ``prepare`` of a convolution layer.

    The algorithm may be another than that of the layer's own calls, and so may the rounding. Precision and
    instruction set are those of the moment of preparation.

    Attributes
    ----------
    input_shape : tuple of int
        Of the inputs that it takes.
    nbytes : int
        Memory that it holds.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> conv = nn.Conv2d(8, 8, 3, padding=1)
    >>> prepared = conv.prepare((1, 8, 6, 6), activation=nn.ReLU())
    >>> x = np.ones((1, 8, 6, 6), np.float32)
    >>> bool(np.allclose(prepared(x), np.maximum(conv(x), 0), atol=1e-5))
    True
    >>> prepared
    PreparedConv(input_shape=(1, 8, 6, 6))
    """

    __slots__ = ("_core",)

    def __init__(self, core: Any) -> None:
        self._core = core

    def __call__(self, input: Array, residual: Array | None = None, *, out: Array | None = None) -> Array:
        """
        Apply the layer: activation(convolution + residual).

        Parameters
        ----------
        input : ndarray, shape `input_shape`
            Of the weights' dtype.
        residual : ndarray, shape of the result, optional
            Added before the activation, as at the end of a residual block.
        out : ndarray, optional
            Array to write the result into; not overlapping the others.

        Raises
        ------
        TypeError
            If an argument is not an array of the weights' dtype, or autograd differentiates.
        ValueError
            If a shape is another.
        """
        result: Array = self._core(input, residual, out)
        return result

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of the inputs that it takes."""
        shape: tuple[int, ...] = self._core.input_shape
        return shape

    @property
    def nbytes(self) -> int:
        """Memory that it holds."""
        nbytes: int = self._core.nbytes
        return nbytes

    def facts(self) -> dict[str, Any]:
        """Return what `convnative.explain` says of it."""
        facts: dict[str, Any] = self._core.explain()
        return facts

    def __repr__(self) -> str:
        return f"PreparedConv(input_shape={self.input_shape})"


def prepare_conv(
    input_shape: Any, weight: Array, bias: Array | None, config: Config, activation: ActivationRow | None
) -> PreparedConv:
    """Pack the weights of a convolution; `config` as `conv` takes it."""
    refuse_traced(weight, bias)
    axes, stride, padding, dilation, groups, mode = config
    return PreparedConv(
        _core.prepare_conv(
            axes, input_shape, weight, bias, stride, padding, dilation, groups, mode, activation
        )
    )


def prepare_conv_transpose(
    input_shape: Any, weight: Array, bias: Array | None, config: Config, activation: ActivationRow | None
) -> PreparedConv:
    """Pack the weights of a transposed convolution; `config` as `conv_transpose` takes it."""
    refuse_traced(weight, bias)
    axes, stride, padding, output_padding, groups, dilation = config
    return PreparedConv(
        _core.prepare_conv_transpose(
            axes, input_shape, weight, bias, stride, padding, output_padding, groups, dilation, activation
        )
    )


def conv_activated(
    input: Array, weight: Array, bias: Array | None, config: Config, activation: ActivationRow
) -> Array:
    """Convolve arrays (not traced values), and apply an activation in the same pass."""
    axes, stride, padding, dilation, groups, mode = config
    result: Array = _core.conv_forward(
        axes, input, weight, bias, stride, padding, dilation, groups, mode, activation=activation
    )
    return result
