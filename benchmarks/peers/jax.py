"""JAX, compiled, on the layout with channels last that its CPU backend works in."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from .base import Call, Peer

if TYPE_CHECKING:
    from ..cases import Case


class Jax(Peer):
    name = "jax"
    packages = ("jax",)

    def __init__(self, threads: int) -> None:
        # XLA takes as many threads as there are CPUs for the process.
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
        import jax

        jax.config.update("jax_enable_x64", True)
        jax.config.update("jax_platforms", "cpu")
        self._jax = jax

    def versions(self) -> dict[str, str]:
        return {"jax": self._jax.__version__}

    def convolution(self, case: Case) -> Call:
        jax, shape = self._jax, case.shape
        axes = tuple(range(2, len(shape.size) + 2))
        last, first = (0, *axes, 1), (0, len(axes) + 1, *range(1, len(axes) + 1))
        spatial = "DHW"[-len(axes) :]
        numbers = (f"N{spatial}C", f"{spatial}IO", f"N{spatial}C")

        def to_small(big: Any, weight: Any) -> Any:
            return jax.lax.conv_general_dilated(
                big,
                weight,
                window_strides=shape.stride,
                padding=[(p, p) for p in shape.padding],
                rhs_dilation=shape.dilation,
                dimension_numbers=numbers,
                feature_group_count=shape.groups,
                precision=jax.lax.Precision.HIGHEST,
            )

        def to_big(values: Any, weight: Any) -> Any:
            return jax.linear_transpose(lambda like: to_small(like, weight), big)(values)[0]

        def to_weight(values: Any, big: Any) -> Any:
            return jax.linear_transpose(lambda like: to_small(big, like), weight)(values)[0]

        # A convolution reads its large side, a transposed one is the adjoint of that.
        input, grad_output = (jax.device_put(a.transpose(last)) for a in (case.input, case.grad_output))
        weight = jax.device_put(case.weight.transpose(*axes, 1, 0))
        big, values = (grad_output, input) if shape.transposed else (input, grad_output)
        if case.operation == "grad_weight":
            compiled, arguments = jax.jit(to_weight), (values, big)
        elif (case.operation == "forward") != shape.transposed:
            compiled, arguments = jax.jit(to_small), (big, weight)
        else:
            compiled, arguments = jax.jit(to_big), (values, weight)

        order = (len(axes) + 1, len(axes), *range(len(axes))) if case.operation == "grad_weight" else first
        return Call(
            lambda: compiled(*arguments).block_until_ready(),
            lambda result: np.asarray(result).transpose(order),
        )
