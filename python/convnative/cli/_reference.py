"""Convolution and its gradients in plain NumPy, as one would write them without a library.

One matrix product (`numpy.tensordot`, which calls the BLAS) for each kernel position, over all images and
channels at once: no Python loop over pixels, no copy of the input but the padded one. It is what our
convolution is compared with, in results and in time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Padding = tuple[tuple[int, int], tuple[int, int]]


def _positions(weight_shape: tuple[int, ...], height: int, width: int) -> Iterator[tuple[Any, int, int]]:
    """Yield the part of the padded input that each kernel position meets, for stride 1."""
    for row in range(weight_shape[2]):
        for column in range(weight_shape[3]):
            yield (..., slice(row, row + height), slice(column, column + width)), row, column


def conv2d(input: Array, weight: Array, bias: Array, padding: Padding) -> Array:
    """Return the convolution with stride 1."""
    padded = np.pad(input, ((0, 0), (0, 0), *padding))
    height, width = (padded.shape[axis] - weight.shape[axis] + 1 for axis in (2, 3))
    output = np.zeros((len(weight), len(input), height, width), dtype=input.dtype)
    for part, row, column in _positions(weight.shape, height, width):
        output += np.tensordot(weight[:, :, row, column], padded[part], axes=(1, 1))
    return np.ascontiguousarray(np.moveaxis(output, 0, 1) + bias[:, np.newaxis, np.newaxis])


def conv2d_grad_input(
    grad_output: Array, weight: Array, input_shape: tuple[int, ...], padding: Padding
) -> Array:
    """Return the gradient of a scalar with respect to the input."""
    (top, bottom), (left, right) = padding
    batch, channels, rows, columns = input_shape
    padded = np.zeros((channels, batch, rows + top + bottom, columns + left + right), grad_output.dtype)
    for part, row, column in _positions(weight.shape, *grad_output.shape[2:]):
        padded[part] += np.tensordot(weight[:, :, row, column], grad_output, axes=(0, 1))
    return np.ascontiguousarray(np.moveaxis(padded[:, :, top : top + rows, left : left + columns], 0, 1))


def conv2d_grad_weight(
    grad_output: Array, input: Array, weight_shape: tuple[int, ...], padding: Padding
) -> Array:
    """Return the gradient of a scalar with respect to the weight."""
    padded = np.pad(input, ((0, 0), (0, 0), *padding))
    gradient = np.empty(weight_shape, dtype=input.dtype)
    for part, row, column in _positions(weight_shape, *grad_output.shape[2:]):
        gradient[:, :, row, column] = np.tensordot(grad_output, padded[part], axes=((0, 2, 3), (0, 2, 3)))
    return gradient


def conv2d_grad_bias(grad_output: Array) -> Array:
    """Return the gradient of a scalar with respect to the bias."""
    return np.asarray(np.sum(grad_output, axis=(0, 2, 3)))
