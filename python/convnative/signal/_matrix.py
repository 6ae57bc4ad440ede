"""A convolution layer as the matrix of a linear map."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import shapes
from .._checks import boolean, float_array
from .._typing import Array, Padding, Size


def convolution_matrix(
    kernel: Array,
    input_shape: Sequence[int],
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
    *,
    sparse: bool = False,
) -> Any:
    """Return the matrix whose product with the flattened input is a convolution layer's flattened output.

    The layer is that of `convnative.functional.conv2d` (or 1d, 3d): cross-correlation, zeros outside. In one
    dimension, and in blocks in more, it is a Toeplitz matrix: constant along its diagonals, for stride 1. Row
    i holds the connections of output i: as many numbers as the kernel has elements inside the input, zeros
    everywhere else, where a dense layer has a weight of its own. The transposed matrix is the gradient in the
    input, and the transposed convolution.

    Parameters
    ----------
    kernel : ndarray
        float32 or float64. The elements alone, one to three axes, for a single channel; or the weight of a
        layer, ``(out_channels, in_channels / groups, *kernel_size)``.
    input_shape : sequence of int
        ``(*spatial)`` for a single channel, ``(in_channels, *spatial)`` for a layer: its length says which.
    stride, padding, dilation, groups
        As for the convolution.
    sparse : bool, optional
        Return a ``scipy.sparse.csr_array``, which holds the connections alone. Needs SciPy.

    Returns
    -------
    ndarray or scipy.sparse.csr_array, shape (outputs, inputs)
        The matrix, of the kernel's type.

    Raises
    ------
    TypeError
        If the kernel is not of float32 or float64.
    ValueError
        If shapes or settings do not fit together.
    ModuleNotFoundError
        If a sparse matrix is asked for and SciPy is not installed.

    Examples
    --------
    The first output of a 2 by 2 kernel on a 4 by 4 image sees the inputs 1, 2, 5 and 6:

    >>> matrix = convolution_matrix(np.array([[1.0, 2], [3, 4]]), (4, 4))
    >>> matrix.shape
    (9, 16)
    >>> np.flatnonzero(matrix[0]) + 1
    array([1, 2, 5, 6])
    >>> convolution_matrix(np.array([1.0, 2, 3]), (5,))
    array([[1., 2., 3., 0., 0.],
           [0., 1., 2., 3., 0.],
           [0., 0., 1., 2., 3.]])
    """
    weight, sizes = float_array("kernel", kernel), tuple(input_shape)
    boolean("sparse", sparse)
    if weight.ndim == len(sizes):  # of a single channel
        weight, sizes = weight[None, None], (1, *sizes)
    axes = len(sizes) - 1
    if weight.ndim != axes + 2 or axes not in (1, 2, 3):
        raise ValueError(
            "kernel: expected one to three axes and as many sizes in input_shape, or a weight (out_channels, "
            "in_channels / groups, *kernel_size) with input_shape (in_channels, *spatial), received shape "
            f"{np.shape(kernel)} and {tuple(input_shape)}"
        )
    output_shape = shapes.conv_output_shape(sizes, weight.shape, stride, padding, dilation, groups)
    outputs = tuple(size for size in output_shape[1:] if isinstance(size, int))
    rows, columns, values = _connections(weight, sizes, outputs, stride, padding, dilation, groups)
    shape = (weight.shape[0] * math.prod(outputs), math.prod(sizes))
    if sparse:
        try:
            from scipy.sparse import csr_array
        except ImportError as error:
            raise ModuleNotFoundError("sparse: a sparse matrix needs SciPy: pip install scipy") from error
        return csr_array((values, (rows, columns)), shape=shape)
    matrix = np.zeros(shape, weight.dtype)
    matrix[rows, columns] = values
    return matrix


def _connections(
    weight: Array,
    sizes: tuple[int, ...],
    outputs: tuple[int, ...],
    stride: Size,
    padding: Padding,
    dilation: Size,
    groups: int,
) -> tuple[Array, Array, Array]:
    """Return output, input and weight of every connection, one element of the kernels after the other."""
    spatial, taps = sizes[1:], weight.shape[2:]
    strides = shapes.normalize_size(stride, len(spatial), "stride")
    dilations = shapes.normalize_size(dilation, len(spatial), "dilation")
    before = [sides[0] for sides in shapes.resolve_padding(padding, spatial, taps, stride, dilation)]
    # Channels: which input channel belongs to channel c of the kernels of output channel k.
    per_group, group_size = weight.shape[1], weight.shape[0] // groups
    out_channels = np.repeat(np.arange(weight.shape[0]), per_group)
    in_channels = out_channels // group_size * per_group + np.tile(np.arange(per_group), weight.shape[0])
    parts = []
    for tap in itertools.product(*map(range, taps)):
        # On each axis: the outputs for which this element of the kernel lies in the input, and where.
        positions = [
            np.arange(count) * step + offset * spread - pad
            for count, step, offset, spread, pad in zip(outputs, strides, tap, dilations, before, strict=True)
        ]
        inside = [
            np.flatnonzero((at >= 0) & (at < size)) for at, size in zip(positions, spatial, strict=True)
        ]
        seen = [at[kept] for at, kept in zip(positions, inside, strict=True)]
        output, input = _flat(inside, outputs), _flat(seen, spatial)
        rows = out_channels[:, None] * math.prod(outputs) + output
        columns = in_channels[:, None] * math.prod(spatial) + input
        element: Any = (..., *tap)
        values = np.repeat(weight[element].ravel(), output.size)
        parts.append((rows.ravel(), columns.ravel(), values))
    rows, columns, values = (np.concatenate(column) for column in zip(*parts, strict=True))
    return rows, columns, values


def _flat(indices: Sequence[Array], sizes: Sequence[int]) -> Array:
    """Return the positions in a flattened array of all combinations of some indices."""
    flat: Array = np.zeros(1, np.intp)
    for index, size in zip(indices, sizes, strict=True):
        flat = (flat[:, None] * size + index).ravel()
    return flat
