"""Pooling layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from .. import functional as F
from .. import shapes
from .._random import generator
from ._module import Module

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .._typing import Array, CeilMode, OutputSize, Padding, Pooled, RandomSource, Size


class _MaxPoolNd(Module):
    _axes: ClassVar[int]
    _function: ClassVar[Callable[..., Pooled]]

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Padding = 0,
        dilation: Size = 1,
        return_indices: bool = False,
        ceil_mode: CeilMode = False,
    ) -> None:
        super().__init__()
        self.kernel_size = _size("kernel_size", kernel_size, self._axes)
        self.stride = self.kernel_size if stride is None else _size("stride", stride, self._axes)
        shapes.normalize_padding(padding, self._axes)
        self.padding = padding
        self.dilation = _size("dilation", dilation, self._axes)
        self.return_indices = bool(return_indices)
        self.ceil_mode = _ceil_mode(ceil_mode)

    def forward(self, input: Array) -> Pooled:
        """Pool an input of shape (N, C, spatial...) or (C, spatial...)."""
        return type(self)._function(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            self.ceil_mode,
            self.return_indices,
        )

    def extra_repr(self) -> str:
        """Return the settings for `repr`, in torch's form."""
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPoolNd):
    """
    Maximum of every window of a signal; see `MaxPool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.MaxPool1d(2)(np.arange(4.0).reshape(1, 4)).tolist()
    [[1.0, 3.0]]
    """

    _axes = 1
    _function = F.max_pool1d


class MaxPool2d(_MaxPoolNd):
    """
    Maximum of every window.

    Parameters
    ----------
    kernel_size : int or pair of int
        Size of the window.
    stride : int or pair of int, optional
        Step from one window to the next; `kernel_size` by default.
    padding, dilation, return_indices, ceil_mode
        See `convnative.functional.max_pool2d`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; the message names it.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.MaxPool2d(2)(np.arange(16.0).reshape(1, 4, 4)).tolist()
    [[[5.0, 7.0], [13.0, 15.0]]]
    """

    _axes = 2
    _function = F.max_pool2d


class MaxPool3d(_MaxPoolNd):
    """
    Maximum of every window of a volume; see `MaxPool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.MaxPool3d(2)(np.arange(8.0).reshape(1, 2, 2, 2)).tolist()
    [[[[7.0]]]]
    """

    _axes = 3
    _function = F.max_pool3d


class _MaxUnpoolNd(Module):
    _axes: ClassVar[int]
    _function: ClassVar[Callable[..., Array]]

    def __init__(self, kernel_size: Size, stride: Size | None = None, padding: Padding = 0) -> None:
        super().__init__()
        self.kernel_size = shapes.normalize_size(kernel_size, self._axes, "kernel_size")
        self.stride = (
            self.kernel_size if stride is None else shapes.normalize_size(stride, self._axes, "stride")
        )
        self.padding: Padding
        if isinstance(padding, (tuple, list)) and any(isinstance(side, (tuple, list)) for side in padding):
            self.padding = shapes.normalize_padding(padding, self._axes)
        else:
            self.padding = shapes.normalize_size(cast("Size", padding), self._axes, "padding", 0)

    def forward(self, input: Array, indices: Array, output_size: Sequence[int] | None = None) -> Array:
        """Put an input of shape (N, C, spatial...) or (C, spatial...) back to `indices`."""
        return type(self)._function(input, indices, self.kernel_size, self.stride, self.padding, output_size)

    def extra_repr(self) -> str:
        """Return the settings for `repr`, in torch's form."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpoolNd):
    """
    Put the maxima of a signal back; see `MaxUnpool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.MaxUnpool1d(2)(np.array([[5.0, 7.0]]), np.array([[1, 2]])).tolist()
    [[0.0, 5.0, 7.0, 0.0]]
    """

    _axes = 1
    _function = F.max_unpool1d


class MaxUnpool2d(_MaxUnpoolNd):
    """
    Put the maxima of a pool back to where they came from.

    Parameters
    ----------
    kernel_size, stride : int or pair of int
        Those of the pool; see `convnative.functional.max_unpool2d`.
    padding : int, pair of int, or pair of (before, after) pairs, default 0
        That of the pool.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; the message names it.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> pool, unpool = nn.MaxPool2d(2, return_indices=True), nn.MaxUnpool2d(2)
    >>> unpool(*pool(np.array([[[1.0, 2.0], [3.0, 4.0]]]))).tolist()
    [[[0.0, 0.0], [0.0, 4.0]]]
    """

    _axes = 2
    _function = F.max_unpool2d


class MaxUnpool3d(_MaxUnpoolNd):
    """
    Put the maxima of a volume back; see `MaxUnpool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.MaxUnpool3d((1, 1, 2))(np.array([[[[5.0]]]]), np.array([[[[1]]]])).tolist()
    [[[[0.0, 5.0]]]]
    """

    _axes = 3
    _function = F.max_unpool3d


class _AvgPoolNd(Module):
    """The part that the average pools of two and three axes share with that of one."""

    _axes: ClassVar[int]

    def extra_repr(self) -> str:
        """Return the settings for `repr`, in torch's form."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool1d(_AvgPoolNd):
    """
    Mean of every window of a signal; see `AvgPool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.AvgPool1d(2)(np.arange(4.0).reshape(1, 4)).tolist()
    [[0.5, 2.5]]
    """

    _axes = 1

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Padding = 0,
        ceil_mode: CeilMode = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
        *,
        dilation: Size = 1,
    ) -> None:
        super().__init__()
        self.kernel_size = shapes.normalize_size(kernel_size, 1, "kernel_size")
        self.stride = self.kernel_size if stride is None else shapes.normalize_size(stride, 1, "stride")
        shapes.normalize_padding(padding, 1)
        self.padding = (padding,) if isinstance(padding, int) else padding
        self.ceil_mode = _ceil_mode(ceil_mode)
        self.count_include_pad = bool(count_include_pad)
        self.divisor_override = divisor_override
        self.dilation = shapes.normalize_size(dilation, 1, "dilation")

    def forward(self, input: Array) -> Array:
        """Pool an input of shape (N, C, L) or (C, L)."""
        return F.avg_pool1d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
            dilation=self.dilation,
        )


class _DivisorAvgPoolNd(_AvgPoolNd):
    _function: ClassVar[Callable[..., Array]]

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Padding = 0,
        ceil_mode: CeilMode = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
        *,
        dilation: Size = 1,
    ) -> None:
        super().__init__()
        self.kernel_size = _size("kernel_size", kernel_size, self._axes)
        self.stride = self.kernel_size if stride is None else _size("stride", stride, self._axes)
        shapes.normalize_padding(padding, self._axes)
        self.padding = padding
        self.ceil_mode = _ceil_mode(ceil_mode)
        self.count_include_pad = bool(count_include_pad)
        self.divisor_override = divisor_override
        self.dilation = _size("dilation", dilation, self._axes)

    def forward(self, input: Array) -> Array:
        """Pool an input of shape (N, C, spatial...) or (C, spatial...)."""
        return type(self)._function(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
            dilation=self.dilation,
        )


class AvgPool2d(_DivisorAvgPoolNd):
    """
    Mean of every window.

    Parameters
    ----------
    kernel_size : int or pair of int
        Size of the window.
    stride : int or pair of int, optional
        Step from one window to the next; `kernel_size` by default.
    padding, ceil_mode, count_include_pad, divisor_override, dilation
        See `convnative.functional.avg_pool2d`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; the message names it.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.AvgPool2d(2)(np.arange(16.0).reshape(1, 4, 4)).tolist()
    [[[2.5, 4.5], [10.5, 12.5]]]
    """

    _axes = 2
    _function = F.avg_pool2d


class AvgPool3d(_DivisorAvgPoolNd):
    """
    Mean of every window of a volume; see `AvgPool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.AvgPool3d(2)(np.arange(8.0).reshape(1, 2, 2, 2)).tolist()
    [[[[3.5]]]]
    """

    _axes = 3
    _function = F.avg_pool3d


class _LPPoolNd(Module):
    _axes: ClassVar[int]
    _function: ClassVar[Callable[..., Array]]

    def __init__(
        self,
        norm_type: float,
        kernel_size: Size,
        stride: Size | None = None,
        ceil_mode: CeilMode = False,
        *,
        padding: Padding = 0,
        dilation: Size = 1,
        definition: str = "torch",
    ) -> None:
        super().__init__()
        self.norm_type = norm_type
        self.kernel_size = _size("kernel_size", kernel_size, self._axes)
        self.stride = None if stride is None else _size("stride", stride, self._axes)
        self.ceil_mode = _ceil_mode(ceil_mode)
        shapes.normalize_padding(padding, self._axes)
        self.padding = padding
        self.dilation = _size("dilation", dilation, self._axes)
        self.definition = definition

    def forward(self, input: Array) -> Array:
        """Pool an input of shape (N, C, spatial...) or (C, spatial...)."""
        return type(self)._function(
            input,
            self.norm_type,
            self.kernel_size,
            self.stride,
            self.ceil_mode,
            padding=self.padding,
            dilation=self.dilation,
            definition=self.definition,
        )

    def extra_repr(self) -> str:
        """Return the settings for `repr`, in torch's form."""
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPoolNd):
    """
    Power average of every window of a signal; see `LPPool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.LPPool1d(2, 2)(np.array([[3.0, 4.0]])).tolist()
    [[5.0]]
    """

    _axes = 1
    _function = F.lp_pool1d


class LPPool2d(_LPPoolNd):
    """
    Power average of every window.

    Parameters
    ----------
    norm_type : float
        The exponent.
    kernel_size : int or pair of int
        Size of the window.
    stride : int or pair of int, optional
        Step from one window to the next; `kernel_size` by default.
    ceil_mode, padding, dilation, definition
        See `convnative.functional.lp_pool2d`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; the message names it.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.LPPool2d(2, (1, 2))(np.array([[[3.0, 4.0]]])).tolist()
    [[[5.0]]]
    """

    _axes = 2
    _function = F.lp_pool2d


class LPPool3d(_LPPoolNd):
    """
    Power average of every window of a volume; see `LPPool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.LPPool3d(2, (1, 1, 2))(np.array([[[[3.0, 4.0]]]])).tolist()
    [[[[5.0]]]]
    """

    _axes = 3
    _function = F.lp_pool3d


class _AdaptivePoolNd(Module):
    _axes: ClassVar[int]

    def __init__(self, output_size: OutputSize) -> None:
        super().__init__()
        shapes.adaptive_output_shape((1,) * (self._axes + 1), output_size, axes=self._axes)
        self.output_size = output_size

    def extra_repr(self) -> str:
        """Return the settings for `repr`, in torch's form."""
        return f"output_size={self.output_size}"


class _AdaptiveAvgPoolNd(_AdaptivePoolNd):
    _function: ClassVar[Callable[..., Array]]

    def forward(self, input: Array) -> Array:
        """Pool an input of shape (N, C, spatial...) or (C, spatial...)."""
        return type(self)._function(input, self.output_size)


class AdaptiveAvgPool1d(_AdaptiveAvgPoolNd):
    """
    Mean of a number of windows of a signal; see `AdaptiveAvgPool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.AdaptiveAvgPool1d(2)(np.arange(4.0).reshape(1, 4)).tolist()
    [[0.5, 2.5]]
    """

    _axes = 1
    _function = F.adaptive_avg_pool1d


class AdaptiveAvgPool2d(_AdaptiveAvgPoolNd):
    """
    Mean of as many windows as the output has elements.

    Parameters
    ----------
    output_size : int or pair of int or None
        (OH, OW), or one number for both; None keeps a size of the input.

    Raises
    ------
    TypeError, ValueError
        If `output_size` is not as described.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.AdaptiveAvgPool2d((1, None))(np.arange(6.0).reshape(1, 2, 3)).tolist()
    [[[1.5, 2.5, 3.5]]]
    """

    _axes = 2
    _function = F.adaptive_avg_pool2d


class AdaptiveAvgPool3d(_AdaptiveAvgPoolNd):
    """
    Mean of a number of windows of a volume; see `AdaptiveAvgPool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.AdaptiveAvgPool3d(1)(np.arange(8.0).reshape(1, 2, 2, 2)).tolist()
    [[[[3.5]]]]
    """

    _axes = 3
    _function = F.adaptive_avg_pool3d


class _AdaptiveMaxPoolNd(_AdaptivePoolNd):
    _function: ClassVar[Callable[..., Pooled]]

    def __init__(self, output_size: OutputSize, return_indices: bool = False) -> None:
        super().__init__(output_size)
        self.return_indices = bool(return_indices)

    def forward(self, input: Array) -> Pooled:
        """Pool an input of shape (N, C, spatial...) or (C, spatial...)."""
        return type(self)._function(input, self.output_size, self.return_indices)


class AdaptiveMaxPool1d(_AdaptiveMaxPoolNd):
    """
    Maximum of a number of windows of a signal; see `AdaptiveMaxPool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.AdaptiveMaxPool1d(2)(np.arange(4.0).reshape(1, 4)).tolist()
    [[1.0, 3.0]]
    """

    _axes = 1
    _function = F.adaptive_max_pool1d


class AdaptiveMaxPool2d(_AdaptiveMaxPoolNd):
    """
    Maximum of as many windows as the output has elements.

    Parameters
    ----------
    output_size : int or pair of int or None
        (OH, OW), or one number for both; None keeps a size of the input.
    return_indices : bool, default False
        Return the positions of the maxima too; see `convnative.functional.adaptive_max_pool2d`.

    Raises
    ------
    TypeError, ValueError
        If `output_size` is not as described.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.AdaptiveMaxPool2d((1, None))(np.arange(6.0).reshape(1, 2, 3)).tolist()
    [[[3.0, 4.0, 5.0]]]
    """

    _axes = 2
    _function = F.adaptive_max_pool2d


class AdaptiveMaxPool3d(_AdaptiveMaxPoolNd):
    """
    Maximum of a number of windows of a volume; see `AdaptiveMaxPool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.AdaptiveMaxPool3d(1)(np.arange(8.0).reshape(1, 2, 2, 2)).tolist()
    [[[[7.0]]]]
    """

    _axes = 3
    _function = F.adaptive_max_pool3d


class _FractionalMaxPoolNd(Module):
    _axes: ClassVar[int]
    _function: ClassVar[Callable[..., Pooled]]

    def __init__(
        self,
        kernel_size: Size,
        output_size: Size | None = None,
        output_ratio: float | Sequence[float] | None = None,
        return_indices: bool = False,
        _random_samples: Array | None = None,
        *,
        rng: RandomSource = None,
    ) -> None:
        super().__init__()
        axes = self._axes
        self.kernel_size = shapes.normalize_size(kernel_size, axes, "kernel_size")
        self.return_indices = bool(return_indices)
        self.output_size = (
            None if output_size is None else shapes.normalize_size(output_size, axes, "output_size", 0)
        )
        self.output_ratio = output_ratio
        self._random_samples = _random_samples
        self.rng = None if rng is None else generator(rng)
        if output_ratio is not None:
            if output_size is not None:
                raise ValueError("output_ratio: expected None beside an output_size, received both")
            ratios = (output_ratio,) if isinstance(output_ratio, (int, float)) else output_ratio
            if not all(0 < ratio < 1 for ratio in ratios):
                raise ValueError(f"output_ratio: expected numbers between 0 and 1, received {output_ratio!r}")
        if output_size is None and output_ratio is None:
            raise ValueError("output_size: expected a size, or an output_ratio in its place, received None")

    def forward(self, input: Array) -> Pooled:
        """Pool an input of shape (N, C, spatial...) or (C, spatial...)."""
        return type(self)._function(
            input,
            self.kernel_size,
            self.output_size,
            self.output_ratio,
            self.return_indices,
            self._random_samples,
            rng=self.rng,
        )


class FractionalMaxPool2d(_FractionalMaxPoolNd):
    """
    Maximum of windows at pseudo-random distances.

    Parameters
    ----------
    kernel_size : int or pair of int
        Size of the window.
    output_size : int or pair of int, optional
        (OH, OW).
    output_ratio : float or pair of float, optional
        The output size as a part of the input's, between 0 and 1; one of the two must be given.
    return_indices : bool, default False
        Return the positions of the maxima too.
    _random_samples : ndarray, shape (N, C, 2), optional
        The random numbers; see `convnative.functional.fractional_max_pool2d`.
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
    >>> nn.FractionalMaxPool2d(2, output_ratio=0.7, rng=0)(np.ones((1, 10, 10))).shape
    (1, 7, 7)
    """

    _axes = 2
    _function = F.fractional_max_pool2d


class FractionalMaxPool3d(_FractionalMaxPoolNd):
    """
    Maximum of windows at pseudo-random distances of a volume; see `FractionalMaxPool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.FractionalMaxPool3d(2, 3, rng=0)(np.ones((1, 5, 5, 5))).shape
    (1, 3, 3, 3)
    """

    _axes = 3
    _function = F.fractional_max_pool3d


class _GlobalPool(Module):
    _function: ClassVar[Callable[..., Array]]

    def __init__(self, keepdims: bool = True) -> None:
        super().__init__()
        self.keepdims = bool(keepdims)

    def forward(self, input: Array) -> Array:
        """Pool an input of shape (N, C, spatial...)."""
        return type(self)._function(input, keepdims=self.keepdims)

    def extra_repr(self) -> str:
        """Return the settings for `repr`."""
        return f"keepdims={self.keepdims}"


class GlobalAvgPool(_GlobalPool):
    """
    Mean of every channel over all positions; see `convnative.functional.global_avg_pool`.

    Parameters
    ----------
    keepdims : bool, default True
        Keep the spatial axes, of size 1.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.GlobalAvgPool(keepdims=False)(np.arange(8.0).reshape(1, 2, 2, 2)).tolist()
    [[1.5, 5.5]]
    """

    _function = F.global_avg_pool


class GlobalMaxPool(_GlobalPool):
    """
    Maximum of every channel over all positions; see `convnative.functional.global_max_pool`.

    Parameters
    ----------
    keepdims : bool, default True
        Keep the spatial axes, of size 1.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.GlobalMaxPool(keepdims=False)(np.arange(8.0).reshape(1, 2, 2, 2)).tolist()
    [[3.0, 7.0]]
    """

    _function = F.global_max_pool


def _size(name: str, value: Size, axes: int) -> Size:
    """Check a size but keep it as it was given: the pools show it so, as torch's do."""
    shapes.normalize_size(value, axes, name)
    return value if isinstance(value, int) else tuple(value)


def _ceil_mode(value: CeilMode) -> CeilMode:
    if isinstance(value, str) and value not in ("torch", "onnx"):
        raise ValueError(f"ceil_mode: expected a bool, 'torch' or 'onnx', received {value!r}")
    return value if isinstance(value, str) else bool(value)
