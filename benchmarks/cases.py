"""One operation on one shape with its data, and the same in float64: what every peer must agree with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .shapes import Shape

Array = np.ndarray[Any, np.dtype[Any]]

COMMANDS = {"layers": ("forward",), "backward": ("grad_input", "grad_weight")}


@dataclass(frozen=True)
class Case:
    """`operation` is "forward", "grad_input" or "grad_weight"; the arrays are C-contiguous float32, NCHW."""

    shape: Shape
    operation: str
    input: Array
    weight: Array
    grad_output: Array

    @classmethod
    def random(cls, shape: Shape, operation: str, rng: np.random.Generator) -> Case:
        sizes = shape.input_shape, shape.weight_shape, shape.output_shape
        return cls(shape, operation, *(rng.standard_normal(size, dtype=np.float32) for size in sizes))


def reference(case: Case) -> Array:
    """Compute the case's result in float64, one matrix product per tap of the kernel."""
    shape, groups = case.shape, case.shape.groups
    batch, _, out_height, out_width = shape.output_shape
    pads = ((0, 0), (0, 0), *((p, p) for p in shape.padding))
    padded = np.pad(case.input.astype(np.float64), pads)
    by_group = (groups, shape.out_channels // groups, shape.in_channels // groups, *shape.kernel_size)
    weight = case.weight.astype(np.float64).reshape(by_group)
    grad_output = case.grad_output.astype(np.float64).reshape(batch, groups, by_group[1], -1)

    output, grad_padded, grad_weight = (
        np.zeros_like(grad_output),
        np.zeros_like(padded),
        np.zeros_like(weight),
    )
    for r, s in np.ndindex(*shape.kernel_size):
        rows, columns = (
            slice(tap * dilation, tap * dilation + (size - 1) * stride + 1, stride)
            for tap, dilation, size, stride in zip(
                (r, s), shape.dilation, (out_height, out_width), shape.stride, strict=True
            )
        )
        seen = padded[:, :, rows, columns]
        pixels = seen.reshape(batch, groups, by_group[2], -1)
        if case.operation == "forward":
            output += weight[..., r, s] @ pixels
        elif case.operation == "grad_input":
            spread = weight[..., r, s].swapaxes(1, 2) @ grad_output
            grad_padded[:, :, rows, columns] += spread.reshape(seen.shape)
        else:
            grad_weight[..., r, s] = (grad_output @ pixels.swapaxes(2, 3)).sum(axis=0)

    if case.operation == "forward":
        return output.reshape(shape.output_shape)
    if case.operation == "grad_weight":
        return grad_weight.reshape(shape.weight_shape)
    (top, left), (height, width) = shape.padding, (shape.height, shape.width)
    return grad_padded[:, :, top : top + height, left : left + width]
