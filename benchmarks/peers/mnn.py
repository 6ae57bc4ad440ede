"""MNN: a module of one layer, in its layout of four channels together."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .base import Call, Peer, forward_only, need

if TYPE_CHECKING:
    from ..cases import Array, Case


class Mnn(Peer):
    """One-dimensional convolutions go as two-dimensional ones with one row."""

    name = "mnn"
    packages = ("MNN",)

    def __init__(self, threads: int) -> None:
        import MNN

        self._mnn, self._threads = MNN, threads

    def versions(self) -> dict[str, str]:
        return {"mnn": self._mnn.version()}

    def convolution(self, case: Case) -> Call:
        forward_only(case, axes=(1, 2))
        shape = case.shape
        # The builders of graphs compute something else for other groups (3.6.1).
        need(shape.groups == 1 or (shape.depthwise and not shape.transposed), "one group, or depthwise")
        flat = len(case.shape.size) == 1
        call = self._planes(case.in_two_dimensions() if flat else case)
        return Call(call.run, lambda result: call.read(result).squeeze(2)) if flat else call

    def _planes(self, case: Case) -> Call:
        expr, nn, shape = self._mnn.expr, self._mnn.nn, case.shape

        def constant(array: Array) -> Any:
            return expr.const(np.ascontiguousarray(array), array.shape, expr.NCHW, expr.float)

        input = expr.placeholder(shape.input_shape, expr.NC4HW4, expr.float)
        input.name = "x"
        geometry = (
            *(list(reversed(sizes)) for sizes in (shape.stride, shape.padding, shape.dilation)),
            shape.groups,
        )
        function = expr.conv2d_transpose if shape.transposed else expr.conv2d
        bias = np.zeros(shape.out_channels, np.float32)
        output = function(input, constant(case.weight), constant(bias), *geometry, expr.CAFFE)
        output.name = "y"

        settings = {"backend": expr.Backend.CPU, "numThread": self._threads, "precision": "high"}
        runtime = nn.create_runtime_manager((settings,))
        with tempfile.TemporaryDirectory() as folder:
            file = str(Path(folder, "layer.mnn"))
            expr.save([output], file)
            module = nn.load_module_from_file(file, ["x"], ["y"], runtime_manager=runtime)
        data = expr.convert(constant(case.input), expr.NC4HW4)
        data.read()  # computed here, not in the first call
        return Call(
            lambda: module.forward(data), lambda result: expr.convert(result, expr.NCHW).read().copy()
        )
