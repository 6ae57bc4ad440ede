"""Convolution (cross-correlation, as everywhere in this field) and its gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .. import _core
from ._conv_primitives import conv, conv_grad_bias, conv_grad_input, conv_grad_weight, reverse_kernel
from ._differentiation import refuse_traced

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._typing import Array, Padding, PaddingMode, Size
    from ._conv_primitives import Config


def conv2d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
    *,
    padding_mode: PaddingMode = "zeros",
    flip_kernel: bool = False,
    out: Array | None = None,
) -> Array:
    r"""
    2-D convolution of images with a bank of kernels.

    .. math::

        y_{n,k,i,j} = b_k + \sum_{c,r,s} w_{k,c,r,s} \,
            x_{n,\, c,\; i \cdot stride + r \cdot dilation - before,
            \; j \cdot stride + s \cdot dilation - before}

    with x outside of the image as `padding_mode` says and, for `groups` > 1, c running over the channels of
    k's group.

    This is cross-correlation, as in every library of neural networks. With `flip_kernel` it is convolution
    as in mathematics and signal processing: with a padding of R - 1 and S - 1 on each side,

    .. math:: Y_{i,j} = \sum_{a,b} K_{a,b} \, X_{i-a,\, j-b}

    which is ``scipy.signal.convolve(X, K)``; less padding gives the inner part of it.

    Parameters
    ----------
    input : ndarray, shape (N, C, H, W) or (C, H, W)
        float32 or float64, any memory layout.
    weight : ndarray, shape (K, C / groups, R, S)
        Of the input's dtype.
    bias : ndarray, shape (K,), optional
        Of the input's dtype.
    stride, dilation : int or pair of int, default 1
        At least 1.
    padding : int, pair of int, pair of (before, after) pairs, or str, default 0
        Rows and columns around the image. "valid" is none; "same" gives ceil(H / stride) rows, with the odd
        one of the padding rows at the end, "same_lower" with it at the beginning; "causal" pads
        dilation * (R - 1) before and none after.
    groups : int, default 1
        Divides C and K.
    padding_mode : str or float, default "zeros"
        What the padding consists of: "zeros", any other number, or elements of the image: "reflect" (the
        image mirrored at its outermost row, which is not repeated; less padding than rows), "symmetric"
        (mirrored at the edge: the outermost row comes twice; at most as much padding as rows), "replicate"
        (the outermost row again and again), "circular" (the rows of the other end; at most as much padding
        as rows). No padded copy of the image is made.
    flip_kernel : bool, default False
        Whether to reverse the kernels' rows and columns.
    out : ndarray, optional
        Array to write the result into: of the exact shape and dtype, C-contiguous, not overlapping an
        argument. Not possible while autograd differentiates.

    Returns
    -------
    ndarray, shape (N, K, OH, OW) or (K, OH, OW)
        OH = floor((H + before + after - dilation * (R - 1) - 1) / stride) + 1, OW likewise.

    Raises
    ------
    TypeError
        If an argument is not a float32 or float64 array, or the dtypes differ.
    ValueError
        If shapes or settings do not fit together; the message names the argument.

    See Also
    --------
    conv2d_grad_input, conv2d_grad_weight, conv2d_grad_bias : the gradients, which autograd uses.
    conv_transpose2d : the transposed convolution.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> x = np.arange(16.0).reshape(1, 1, 4, 4)
    >>> laplacian = np.array([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]]).reshape(1, 1, 3, 3)
    >>> F.conv2d(x, laplacian).tolist()
    [[[[0.0, 0.0], [0.0, 0.0]]]]
    >>> F.conv2d(x, laplacian, padding="same", stride=2).shape
    (1, 1, 2, 2)
    >>> F.conv2d(x, laplacian, padding=1, padding_mode="replicate")[0, 0, 0].tolist()
    [5.0, 4.0, 4.0, 3.0]
    """
    return _conv(input, weight, bias, (2, stride, padding, dilation, groups, padding_mode), flip_kernel, out)


def conv2d_grad_input(
    grad_output: Array,
    weight: Array,
    input_shape: Sequence[int],
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
    *,
    padding_mode: PaddingMode = "zeros",
    flip_kernel: bool = False,
) -> Array:
    """
    Gradient of `conv2d` with respect to its input.

    The adjoint of the convolution as a linear map of the input.

    Parameters
    ----------
    grad_output : ndarray, shape (N, K, OH, OW) or (K, OH, OW)
        Gradient of a scalar with respect to the convolution's result.
    weight : ndarray, shape (K, C / groups, R, S)
        The convolution's weight.
    input_shape : sequence of int
        Shape of the convolution's input: (N, C, H, W) or (C, H, W).
    stride, padding, dilation, groups, padding_mode, flip_kernel
        As in `conv2d`.

    Returns
    -------
    ndarray, shape `input_shape`

    Raises
    ------
    TypeError
        If an argument is not a float32 or float64 array, or the dtypes differ.
    ValueError
        If the shapes do not belong to one convolution.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> g = np.ones((1, 1, 2, 2))
    >>> w = np.array([[1.0, 2.0], [3.0, 4.0]]).reshape(1, 1, 2, 2)
    >>> F.conv2d_grad_input(g, w, (1, 1, 3, 3)).tolist()
    [[[[1.0, 3.0, 2.0], [4.0, 10.0, 6.0], [3.0, 7.0, 4.0]]]]
    """
    config = (2, stride, padding, dilation, groups, padding_mode)
    return conv_grad_input(grad_output, _oriented(weight, 2, flip_kernel), input_shape, config)


def conv2d_grad_weight(
    grad_output: Array,
    input: Array,
    weight_shape: Sequence[int],
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
    *,
    padding_mode: PaddingMode = "zeros",
    flip_kernel: bool = False,
) -> Array:
    """
    Gradient of `conv2d` with respect to its weight.

    Parameters
    ----------
    grad_output : ndarray, shape (N, K, OH, OW) or (K, OH, OW)
        Gradient of a scalar with respect to the convolution's result.
    input : ndarray, shape (N, C, H, W) or (C, H, W)
        The convolution's input.
    weight_shape : sequence of int
        Shape of the convolution's weight: (K, C / groups, R, S).
    stride, padding, dilation, groups, padding_mode, flip_kernel
        As in `conv2d`.

    Returns
    -------
    ndarray, shape `weight_shape`

    Raises
    ------
    TypeError
        If an argument is not a float32 or float64 array, or the dtypes differ.
    ValueError
        If the shapes do not belong to one convolution.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> x = np.arange(9.0).reshape(1, 1, 3, 3)
    >>> F.conv2d_grad_weight(np.ones((1, 1, 2, 2)), x, (1, 1, 2, 2)).tolist()
    [[[[8.0, 12.0], [20.0, 24.0]]]]
    """
    config = (2, stride, padding, dilation, groups, padding_mode)
    return _oriented(conv_grad_weight(grad_output, input, weight_shape, config), 2, flip_kernel)


def conv2d_grad_bias(grad_output: Array) -> Array:
    """
    Gradient of `conv2d` with respect to its bias: the sum over all axes but the channels.

    Parameters
    ----------
    grad_output : ndarray, shape (N, K, OH, OW) or (K, OH, OW)
        Gradient of a scalar with respect to the convolution's result.

    Returns
    -------
    ndarray, shape (K,)

    Raises
    ------
    TypeError
        If the argument is not a float32 or float64 array.
    ValueError
        If it has another number of axes.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.conv2d_grad_bias(np.ones((5, 2, 3, 3))).tolist()
    [45.0, 45.0]
    """
    return conv_grad_bias(grad_output, 2)


def conv1d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
    *,
    padding_mode: PaddingMode = "zeros",
    flip_kernel: bool = False,
    out: Array | None = None,
) -> Array:
    """
    1-D convolution of sequences; see `conv2d`.

    Parameters
    ----------
    input : ndarray, shape (N, C, L) or (C, L)
        float32 or float64.
    weight : ndarray, shape (K, C / groups, R)
        Of the input's dtype.
    bias, stride, padding, dilation, groups, padding_mode, flip_kernel, out
        As in `conv2d`, for one spatial axis.

    Returns
    -------
    ndarray, shape (N, K, OL) or (K, OL)

    Raises
    ------
    TypeError, ValueError
        As `conv2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.conv1d(np.arange(5.0).reshape(1, 1, 5), np.ones((1, 1, 2)), stride=2).tolist()
    [[[1.0, 5.0]]]
    """
    config = (1, stride, padding, dilation, groups, padding_mode)
    return _conv(input, weight, bias, config, flip_kernel, out)


def conv1d_grad_input(
    grad_output: Array,
    weight: Array,
    input_shape: Sequence[int],
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
    *,
    padding_mode: PaddingMode = "zeros",
    flip_kernel: bool = False,
) -> Array:
    """
    Gradient of `conv1d` with respect to its input; see `conv2d_grad_input`.

    Parameters
    ----------
    grad_output : ndarray, shape (N, K, OL) or (K, OL)
        Gradient of a scalar with respect to the convolution's result.
    weight : ndarray, shape (K, C / groups, R)
        The convolution's weight.
    input_shape : sequence of int
        Shape of the convolution's input.
    stride, padding, dilation, groups, padding_mode, flip_kernel
        As in `conv1d`.

    Returns
    -------
    ndarray, shape `input_shape`

    Raises
    ------
    TypeError, ValueError
        As `conv2d_grad_input`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> g, w = np.ones((1, 1, 2)), np.ones((1, 1, 2))
    >>> F.conv1d_grad_input(g, w, (1, 1, 3)).tolist()
    [[[1.0, 2.0, 1.0]]]
    """
    config = (1, stride, padding, dilation, groups, padding_mode)
    return conv_grad_input(grad_output, _oriented(weight, 1, flip_kernel), input_shape, config)


def conv1d_grad_weight(
    grad_output: Array,
    input: Array,
    weight_shape: Sequence[int],
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
    *,
    padding_mode: PaddingMode = "zeros",
    flip_kernel: bool = False,
) -> Array:
    """
    Gradient of `conv1d` with respect to its weight; see `conv2d_grad_weight`.

    Parameters
    ----------
    grad_output : ndarray, shape (N, K, OL) or (K, OL)
        Gradient of a scalar with respect to the convolution's result.
    input : ndarray, shape (N, C, L) or (C, L)
        The convolution's input.
    weight_shape : sequence of int
        Shape of the convolution's weight.
    stride, padding, dilation, groups, padding_mode, flip_kernel
        As in `conv1d`.

    Returns
    -------
    ndarray, shape `weight_shape`

    Raises
    ------
    TypeError, ValueError
        As `conv2d_grad_weight`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> g, x = np.ones((1, 1, 2)), np.ones((1, 1, 3))
    >>> F.conv1d_grad_weight(g, x, (1, 1, 2)).ravel()[:2].tolist()
    [2.0, 2.0]
    """
    config = (1, stride, padding, dilation, groups, padding_mode)
    return _oriented(conv_grad_weight(grad_output, input, weight_shape, config), 1, flip_kernel)


def conv1d_grad_bias(grad_output: Array) -> Array:
    """
    Gradient of `conv1d` with respect to its bias; see `conv2d_grad_bias`.

    Parameters
    ----------
    grad_output : ndarray, shape (N, K, OL) or (K, OL)
        Gradient of a scalar with respect to the convolution's result.

    Returns
    -------
    ndarray, shape (K,)

    Raises
    ------
    TypeError, ValueError
        As `conv2d_grad_bias`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.conv1d_grad_bias(np.ones((5, 2, 3))).tolist()
    [15.0, 15.0]
    """
    return conv_grad_bias(grad_output, 1)


def conv3d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
    *,
    padding_mode: PaddingMode = "zeros",
    flip_kernel: bool = False,
    out: Array | None = None,
) -> Array:
    """
    3-D convolution of volumes; see `conv2d`.

    Parameters
    ----------
    input : ndarray, shape (N, C, D, H, W) or (C, D, H, W)
        float32 or float64.
    weight : ndarray, shape (K, C / groups, T, R, S)
        Of the input's dtype.
    bias, stride, padding, dilation, groups, padding_mode, flip_kernel, out
        As in `conv2d`, for three spatial axes.

    Returns
    -------
    ndarray, shape (N, K, OD, OH, OW) or (K, OD, OH, OW)

    Raises
    ------
    TypeError, ValueError
        As `conv2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.conv3d(np.arange(27.0).reshape(1, 1, 3, 3, 3), np.ones((1, 1, 2, 2, 2)), stride=2).ravel().tolist()
    [52.0]
    """
    config = (3, stride, padding, dilation, groups, padding_mode)
    return _conv(input, weight, bias, config, flip_kernel, out)


def conv3d_grad_input(
    grad_output: Array,
    weight: Array,
    input_shape: Sequence[int],
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
    *,
    padding_mode: PaddingMode = "zeros",
    flip_kernel: bool = False,
) -> Array:
    """
    Gradient of `conv3d` with respect to its input; see `conv2d_grad_input`.

    Parameters
    ----------
    grad_output : ndarray, shape (N, K, OD, OH, OW) or (K, OD, OH, OW)
        Gradient of a scalar with respect to the convolution's result.
    weight : ndarray, shape (K, C / groups, T, R, S)
        The convolution's weight.
    input_shape : sequence of int
        Shape of the convolution's input.
    stride, padding, dilation, groups, padding_mode, flip_kernel
        As in `conv3d`.

    Returns
    -------
    ndarray, shape `input_shape`

    Raises
    ------
    TypeError, ValueError
        As `conv2d_grad_input`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> g, w = np.ones((1, 1, 2, 2, 2)), np.ones((1, 1, 2, 2, 2))
    >>> F.conv3d_grad_input(g, w, (1, 1, 3, 3, 3))[0, 0, 1].tolist()
    [[2.0, 4.0, 2.0], [4.0, 8.0, 4.0], [2.0, 4.0, 2.0]]
    """
    config = (3, stride, padding, dilation, groups, padding_mode)
    return conv_grad_input(grad_output, _oriented(weight, 3, flip_kernel), input_shape, config)


def conv3d_grad_weight(
    grad_output: Array,
    input: Array,
    weight_shape: Sequence[int],
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
    *,
    padding_mode: PaddingMode = "zeros",
    flip_kernel: bool = False,
) -> Array:
    """
    Gradient of `conv3d` with respect to its weight; see `conv2d_grad_weight`.

    Parameters
    ----------
    grad_output : ndarray, shape (N, K, OD, OH, OW) or (K, OD, OH, OW)
        Gradient of a scalar with respect to the convolution's result.
    input : ndarray, shape (N, C, D, H, W) or (C, D, H, W)
        The convolution's input.
    weight_shape : sequence of int
        Shape of the convolution's weight.
    stride, padding, dilation, groups, padding_mode, flip_kernel
        As in `conv3d`.

    Returns
    -------
    ndarray, shape `weight_shape`

    Raises
    ------
    TypeError, ValueError
        As `conv2d_grad_weight`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> g, x = np.ones((1, 1, 2, 2, 2)), np.ones((1, 1, 3, 3, 3))
    >>> F.conv3d_grad_weight(g, x, (1, 1, 2, 2, 2)).ravel()[:2].tolist()
    [8.0, 8.0]
    """
    config = (3, stride, padding, dilation, groups, padding_mode)
    return _oriented(conv_grad_weight(grad_output, input, weight_shape, config), 3, flip_kernel)


def conv3d_grad_bias(grad_output: Array) -> Array:
    """
    Gradient of `conv3d` with respect to its bias; see `conv2d_grad_bias`.

    Parameters
    ----------
    grad_output : ndarray, shape (N, K, OD, OH, OW) or (K, OD, OH, OW)
        Gradient of a scalar with respect to the convolution's result.

    Returns
    -------
    ndarray, shape (K,)

    Raises
    ------
    TypeError, ValueError
        As `conv2d_grad_bias`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.conv3d_grad_bias(np.ones((5, 2, 3, 3, 3))).tolist()
    [135.0, 135.0]
    """
    return conv_grad_bias(grad_output, 3)


def _conv(
    input: Array, weight: Array, bias: Array | None, config: Config, flip_kernel: bool, out: Array | None
) -> Array:
    weight = _oriented(weight, config[0], flip_kernel)
    if out is not None:
        refuse_traced(input, weight, bias)
    elif not (
        type(input) is np.ndarray
        and type(weight) is np.ndarray
        and (bias is None or type(bias) is np.ndarray)
    ):
        return conv(input, weight, bias, config)
    axes, stride, padding, dilation, groups, mode = config
    result: Array = _core.conv_forward(
        axes, input, weight, bias, stride, padding, dilation, groups, mode, out
    )
    return result


def _oriented(weight: Array, axes: int, flip_kernel: bool) -> Array:
    """Return the weight with its kernels reversed where asked for."""
    if flip_kernel is False:
        return weight
    if flip_kernel is not True:
        raise TypeError(f"flip_kernel: expected a bool, received {flip_kernel!r}")
    # What is no weight is left to the core to refuse.
    return reverse_kernel(weight, axes) if getattr(weight, "ndim", 0) == axes + 2 else weight
