"""Transposed convolution: the adjoint of the convolution as a layer of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .. import _core
from ._conv_primitives import conv_transpose
from ._differentiation import refuse_traced

if TYPE_CHECKING:
    from .._typing import Array, Padding, Size
    from ._conv_primitives import Config


def conv_transpose2d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Size = 1,
    padding: Padding = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
    *,
    out: Array | None = None,
) -> Array:
    """
    2-D transposed convolution, also called fractionally strided convolution or "deconvolution".

    Every element of the input paints a kernel, times its value, into the result, `stride` apart; what they
    paint adds up, and `padding` rows and columns are cut off at the edges. It is the gradient of `conv2d`
    with respect to its input, with the same settings. No zeros are put between the elements of the input.

    Parameters
    ----------
    input : ndarray, shape (N, C, H, W) or (C, H, W)
        float32 or float64, any memory layout.
    weight : ndarray, shape (C, K / groups, R, S)
        Of the input's dtype.
    bias : ndarray, shape (K,), optional
        Of the input's dtype.
    stride, dilation : int or pair of int, default 1
        At least 1.
    padding : int, pair of int, pair of (before, after) pairs, or str, default 0
        Rows and columns cut off from the result. "same" cuts off, or leaves to the end, as many as give
        H * stride rows, so that ``conv2d`` with "same" leads back to H; of an odd number more at the end,
        with "same_lower" more at the beginning (ONNX's SAME_UPPER and SAME_LOWER, Keras' "same"). "valid"
        is none.
    output_padding : int or pair of int, default 0
        Rows and columns added at the end, to choose between the sizes that a strided convolution leads to
        one result; below stride or dilation.
    groups : int, default 1
        Divides C and K.
    out : ndarray, optional
        Array to write the result into: of the exact shape and dtype, C-contiguous, not overlapping an
        argument. Not possible while autograd differentiates.

    Returns
    -------
    ndarray, shape (N, K, OH, OW) or (K, OH, OW)
        OH = (H - 1) * stride + dilation * (R - 1) + 1 + output_padding - before - after, OW likewise.

    Raises
    ------
    TypeError
        If an argument is not a float32 or float64 array, or the dtypes differ.
    ValueError
        If shapes or settings do not fit together; the message names the argument.

    See Also
    --------
    conv2d_grad_input : the same map with the shape of the result given.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> x = np.array([[1.0, 2.0], [3.0, 4.0]]).reshape(1, 1, 2, 2)
    >>> F.conv_transpose2d(x, np.ones((1, 1, 2, 2)), stride=2)[0, 0].tolist()
    [[1.0, 1.0, 2.0, 2.0], [1.0, 1.0, 2.0, 2.0], [3.0, 3.0, 4.0, 4.0], [3.0, 3.0, 4.0, 4.0]]
    >>> F.conv_transpose2d(x, np.ones((1, 1, 3, 3)), stride=2, padding="same").shape
    (1, 1, 4, 4)
    """
    return _conv_transpose(input, weight, bias, (2, stride, padding, output_padding, groups, dilation), out)


def conv_transpose1d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Size = 1,
    padding: Padding = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
    *,
    out: Array | None = None,
) -> Array:
    """
    1-D transposed convolution; see `conv_transpose2d`.

    Parameters
    ----------
    input : ndarray, shape (N, C, L) or (C, L)
        float32 or float64.
    weight : ndarray, shape (C, K / groups, R)
        Of the input's dtype.
    bias, stride, padding, output_padding, groups, dilation, out
        As in `conv_transpose2d`, for one spatial axis.

    Returns
    -------
    ndarray, shape (N, K, OL) or (K, OL)

    Raises
    ------
    TypeError, ValueError
        As `conv_transpose2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.conv_transpose1d(np.array([[[1.0, 2.0]]]), np.array([[[1.0, 1.0, 5.0]]]), stride=2).tolist()
    [[[1.0, 1.0, 7.0, 2.0, 10.0]]]
    """
    config = (1, stride, padding, output_padding, groups, dilation)
    return _conv_transpose(input, weight, bias, config, out)


def conv_transpose3d(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Size = 1,
    padding: Padding = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
    *,
    out: Array | None = None,
) -> Array:
    """
    3-D transposed convolution; see `conv_transpose2d`.

    Parameters
    ----------
    input : ndarray, shape (N, C, D, H, W) or (C, D, H, W)
        float32 or float64.
    weight : ndarray, shape (C, K / groups, T, R, S)
        Of the input's dtype.
    bias, stride, padding, output_padding, groups, dilation, out
        As in `conv_transpose2d`, for three spatial axes.

    Returns
    -------
    ndarray, shape (N, K, OD, OH, OW) or (K, OD, OH, OW)

    Raises
    ------
    TypeError, ValueError
        As `conv_transpose2d`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import functional as F
    >>> F.conv_transpose3d(np.ones((1, 1, 2, 2, 2)), np.ones((1, 4, 3, 3, 3)), stride=2).shape
    (1, 4, 5, 5, 5)
    """
    config = (3, stride, padding, output_padding, groups, dilation)
    return _conv_transpose(input, weight, bias, config, out)


def _conv_transpose(
    input: Array, weight: Array, bias: Array | None, config: Config, out: Array | None
) -> Array:
    if out is not None:
        refuse_traced(input, weight, bias)
    elif not (
        type(input) is np.ndarray
        and type(weight) is np.ndarray
        and (bias is None or type(bias) is np.ndarray)
    ):
        return conv_transpose(input, weight, bias, config)
    axes, stride, padding, output_padding, groups, dilation = config
    result: Array = _core.conv_transpose_forward(
        axes, input, weight, bias, stride, padding, output_padding, groups, dilation, out
    )
    return result
