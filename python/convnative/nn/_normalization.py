"""Normalisation layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from .. import functional as F
from .. import init
from .._checks import float_dtype, integer, real
from ._lazy import LazyLayer
from ._module import Module

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._typing import Array, DType


class _ChannelNorm(Module):
    """What batch and instance norm share: parameters and running statistics of each channel."""

    weight: Array | None
    bias: Array | None
    running_mean: Array | None
    running_var: Array | None
    num_batches_tracked: Array | None
    _dimensions: ClassVar[tuple[int, ...]]  # that the layer takes

    def __init__(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        dtype: DType,
        bias: bool,
    ) -> None:
        super().__init__()
        self.num_features = integer("num_features", num_features, 0)
        self.eps = real("eps", eps)
        self.momentum = None if momentum is None else real("momentum", momentum)
        self.affine = bool(affine)
        self.track_running_stats = bool(track_running_stats)
        dtype = float_dtype("dtype", dtype)
        _register_affine(self, (self.num_features,), self.affine, self.affine and bias, dtype)
        if self.track_running_stats:
            self.register_buffer("running_mean", init.zeros((self.num_features,), dtype=dtype))
            self.register_buffer("running_var", init.ones((self.num_features,), dtype=dtype))
            self.register_buffer("num_batches_tracked", np.zeros((), np.int64))
        else:
            self.running_mean = self.running_var = self.num_batches_tracked = None

    def reset_running_stats(self) -> None:
        """Set the running statistics back to those of a new layer."""
        if self.running_mean is not None and self.running_var is not None:
            self.running_mean[...] = 0
            self.running_var[...] = 1
        if self.num_batches_tracked is not None:
            self.num_batches_tracked[...] = 0

    def _require_dimensions(self, shape: tuple[int, ...]) -> None:
        if len(shape) not in self._dimensions:
            expected = " or ".join(map(str, self._dimensions))
            raise ValueError(f"input: expected {expected} dimensions, received shape {shape}")

    def extra_repr(self) -> str:
        """Return the settings for `repr`, in torch's form."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(_ChannelNorm):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        bias: bool = True,
        dtype: DType = np.float32,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, dtype, bias)

    def forward(self, input: Array) -> Array:
        """Normalise an input of the layer's number of dimensions."""
        self._require_dimensions(input.shape)
        update = self.training and self.num_batches_tracked is not None
        batches = int(self.num_batches_tracked) + 1 if self.num_batches_tracked is not None else 0
        momentum = self.momentum
        if momentum is None:  # the mean over all batches so far
            momentum = 1 / batches if update else 0.0
        use_running = update or not self.training
        result = F.batch_norm(
            input,
            self.running_mean if use_running else None,
            self.running_var if use_running else None,
            self.weight,
            self.bias,
            self.training or self.running_mean is None,
            momentum,
            self.eps,
        )
        if update and not hasattr(input, "__convnative_function__"):
            assert self.num_batches_tracked is not None
            self.num_batches_tracked[...] = batches
        return result


class _InstanceNorm(_ChannelNorm):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        *,
        bias: bool = True,
        dtype: DType = np.float32,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, dtype, bias)

    def forward(self, input: Array) -> Array:
        """Normalise an input with or without the batch axis."""
        self._require_dimensions(input.shape)
        batched = input.ndim == max(self._dimensions)
        channels = input.shape[1 if batched else 0]
        if self.affine and channels != self.num_features:
            raise ValueError(f"input: expected {self.num_features} channels, received shape {input.shape}")
        result = F.instance_norm(
            input if batched else input.reshape(1, *input.shape),
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )
        return result if batched else result.reshape(input.shape)


class BatchNorm1d(_BatchNorm):
    """
    Batch normalisation of vectors or sequences; see `convnative.functional.batch_norm`.

    While training, channels are normalised by the statistics of the batch, which also enter the running
    statistics; afterwards by the running statistics. Statistics never hold traced values: also inside of
    `value_and_grad` they are updated in place.

    Parameters
    ----------
    num_features : int
        Number of channels.
    eps : float, default 1e-5
        Added to the variance.
    momentum : float or None, default 0.1
        How much of the batch enters the running statistics; None: they are the mean over all batches.
    affine : bool, default True
        Whether to learn a weight and a bias per channel.
    track_running_stats : bool, default True
        Without, the statistics of the batch are always used.
    bias : bool, default True
        Whether to learn a bias where `affine` is set.
    dtype : float32 or float64, default float32
        Dtype of the parameters, and so of the inputs.

    Attributes
    ----------
    weight, bias : ndarray, shape (num_features,), or None
        Initially 1 and 0.
    running_mean, running_var : ndarray, shape (num_features,), or None
        Buffers, initially 0 and 1.
    num_batches_tracked : ndarray, shape (), int64, or None
        Buffer: how many batches have entered the running statistics.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; the message names it.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> norm = nn.BatchNorm1d(1)
    >>> norm(np.array([[1.0], [3.0]], np.float32)).round(3).tolist()
    [[-1.0], [1.0]]
    >>> norm.running_mean.round(3).tolist(), norm.num_batches_tracked.tolist()
    ([0.20000000298023224], 1)
    """

    _dimensions = (2, 3)


class BatchNorm2d(_BatchNorm):
    """
    Batch normalisation of images; see `BatchNorm1d`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.BatchNorm2d(3)(np.ones((2, 3, 4, 4), np.float32)).shape
    (2, 3, 4, 4)
    """

    _dimensions = (4,)


class BatchNorm3d(_BatchNorm):
    """
    Batch normalisation of volumes; see `BatchNorm1d`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.BatchNorm3d(3)(np.ones((2, 3, 4, 4, 4), np.float32)).shape
    (2, 3, 4, 4, 4)
    """

    _dimensions = (5,)


class InstanceNorm1d(_InstanceNorm):
    """
    Normalisation of each channel of each sequence; see `convnative.functional.instance_norm`.

    Parameters
    ----------
    num_features : int
        Number of channels.
    eps : float, default 1e-5
        Added to the variance.
    momentum : float or None, default 0.1
        How much of the batch enters the running statistics.
    affine : bool, default False
        Whether to learn a weight and a bias per channel.
    track_running_stats : bool, default False
        Whether to keep running statistics, and to normalise by them when not training.
    bias : bool, default True
        Whether to learn a bias where `affine` is set.
    dtype : float32 or float64, default float32
        Dtype of the parameters, and so of the inputs.

    Attributes
    ----------
    weight, bias, running_mean, running_var, num_batches_tracked
        As in `BatchNorm1d`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; the message names it.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.InstanceNorm1d(1)(np.array([[1.0, 3.0]])).round(3).tolist()
    [[-1.0, 1.0]]
    """

    _dimensions = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """
    Normalisation of each channel of each image; see `InstanceNorm1d`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.InstanceNorm2d(3)(np.ones((2, 3, 4, 4))).shape
    (2, 3, 4, 4)
    """

    _dimensions = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """
    Normalisation of each channel of each volume; see `InstanceNorm1d`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.InstanceNorm3d(3)(np.ones((2, 3, 4, 4, 4))).shape
    (2, 3, 4, 4, 4)
    """

    _dimensions = (4, 5)


class _LazyBatchNorm(LazyLayer, _BatchNorm):
    _features = "num_features"
    _arrays = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    _telling: ClassVar[dict[str, int]] = {"weight": 1, "running_mean": 1}

    def _features_of_input(self, shape: tuple[int, ...]) -> int:
        self._require_dimensions(shape)
        return shape[1]

    def _features_of_weight(self, shape: tuple[int, ...]) -> int:
        return shape[0]


class LazyBatchNorm1d(_LazyBatchNorm, BatchNorm1d):
    """
    `BatchNorm1d` that takes `num_features` from its first input; see `LazyLayer`.

    The arguments are those of `BatchNorm1d` without the first.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> norm = nn.LazyBatchNorm1d()
    >>> norm(np.ones((2, 3, 4), np.float32)).shape
    (2, 3, 4)
    >>> norm.num_features
    3
    """

    _plain = BatchNorm1d


class LazyBatchNorm2d(_LazyBatchNorm, BatchNorm2d):
    """
    `BatchNorm2d` that takes `num_features` from its first input; see `LazyLayer`.

    The arguments are those of `BatchNorm2d` without the first.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> norm = nn.LazyBatchNorm2d()
    >>> norm(np.ones((2, 3, 4, 4), np.float32)).shape
    (2, 3, 4, 4)
    >>> norm.num_features
    3
    """

    _plain = BatchNorm2d


class LazyBatchNorm3d(_LazyBatchNorm, BatchNorm3d):
    """
    `BatchNorm3d` that takes `num_features` from its first input; see `LazyLayer`.

    The arguments are those of `BatchNorm3d` without the first.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> norm = nn.LazyBatchNorm3d()
    >>> norm(np.ones((2, 3, 4, 4, 4), np.float32)).shape
    (2, 3, 4, 4, 4)
    >>> norm.num_features
    3
    """

    _plain = BatchNorm3d


class GroupNorm(Module):
    """
    Normalisation of groups of channels; see `convnative.functional.group_norm`.

    Parameters
    ----------
    num_groups : int
        Divides `num_channels`.
    num_channels : int
        Number of channels.
    eps : float, default 1e-5
        Added to the variance.
    affine : bool, default True
        Whether to learn a weight and a bias per channel.
    bias : bool, default True
        Whether to learn a bias where `affine` is set.
    dtype : float32 or float64, default float32
        Dtype of the parameters, and so of the inputs.

    Attributes
    ----------
    weight, bias : ndarray, shape (num_channels,), or None
        Initially 1 and 0.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; the message names it.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.GroupNorm(2, 4)(np.array([[1, 3, 10, 30]], np.float32)).round(3).tolist()
    [[-1.0, 1.0, -1.0, 1.0]]
    """

    weight: Array | None
    bias: Array | None

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        *,
        bias: bool = True,
        dtype: DType = np.float32,
    ) -> None:
        super().__init__()
        self.num_groups = integer("num_groups", num_groups, 1)
        self.num_channels = integer("num_channels", num_channels, 0)
        if self.num_channels % self.num_groups:
            raise ValueError(
                f"num_groups: expected a divisor of num_channels = {num_channels}, received {num_groups}"
            )
        self.eps = real("eps", eps)
        self.affine = bool(affine)
        dtype = float_dtype("dtype", dtype)
        _register_affine(self, (self.num_channels,), self.affine, self.affine and bias, dtype)

    def forward(self, input: Array) -> Array:
        """Normalise an input of shape (N, C) or (N, C, spatial...)."""
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Return the settings for `repr`, in torch's form."""
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


class LayerNorm(Module):
    """
    Normalisation over the last axes; see `convnative.functional.layer_norm`.

    Parameters
    ----------
    normalized_shape : int or sequence of int
        Size of the last axis, or sizes of the last axes.
    eps : float, default 1e-5
        Added to the variance.
    elementwise_affine : bool, default True
        Whether to learn weights and biases.
    bias : bool, default True
        Whether to learn biases where `elementwise_affine` is set.
    dtype : float32 or float64, default float32
        Dtype of the parameters, and so of the inputs.

    Attributes
    ----------
    weight, bias : ndarray, shape `normalized_shape`, or None
        Initially 1 and 0.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; the message names it.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.LayerNorm(2)(np.array([[1, 3], [10, 30]], np.float32)).round(3).tolist()
    [[-1.0, 1.0], [-1.0, 1.0]]
    """

    weight: Array | None
    bias: Array | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        dtype: DType = np.float32,
    ) -> None:
        super().__init__()
        sizes: Any = normalized_shape if isinstance(normalized_shape, (tuple, list)) else (normalized_shape,)
        self.normalized_shape = tuple(integer("normalized_shape", size, 0) for size in sizes)
        if not self.normalized_shape:
            raise ValueError("normalized_shape: expected at least one size, received none")
        self.eps = real("eps", eps)
        self.elementwise_affine = bool(elementwise_affine)
        dtype = float_dtype("dtype", dtype)
        affine = self.elementwise_affine
        _register_affine(self, self.normalized_shape, affine, affine and bias, dtype)

    def forward(self, input: Array) -> Array:
        """Normalise an input of shape (..., *normalized_shape)."""
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Return the settings for `repr`, in torch's form."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )


class LocalResponseNorm(Module):
    """
    Normalisation by neighbouring channels; see `convnative.functional.local_response_norm`.

    Parameters
    ----------
    size : int
        Number of channels in a sum.
    alpha, beta, k : float, default 1e-4, 0.75 and 1
        Of the formula.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; the message names it.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.LocalResponseNorm(2)(np.ones((1, 3, 4, 4))).shape
    (1, 3, 4, 4)
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size = integer("size", size, 1)
        self.alpha = real("alpha", alpha)
        self.beta = real("beta", beta)
        self.k = real("k", k)

    def forward(self, input: Array) -> Array:
        """Normalise an input of shape (N, C, spatial...)."""
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        """Return the settings for `repr`, in torch's form."""
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


def _register_affine(
    module: Module, shape: tuple[int, ...], weight: bool, bias: bool, dtype: np.dtype[Any]
) -> None:
    module.register_parameter("weight", init.ones(shape, dtype=dtype) if weight else None)
    module.register_parameter("bias", init.zeros(shape, dtype=dtype) if bias else None)
