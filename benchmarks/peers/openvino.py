"""OpenVINO: a compiled model of one node, weights in it, in float32 also where the CPU has bfloat16."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .base import Call, Peer, forward_only

if TYPE_CHECKING:
    from ..cases import Case


class OpenVino(Peer):
    name = "openvino"
    packages = ("openvino",)

    def __init__(self, threads: int) -> None:
        import openvino

        self._openvino, self._core = openvino, openvino.Core()
        self._options = {
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
        }

    def versions(self) -> dict[str, str]:
        return {"openvino": self._openvino.__version__.partition("-")[0]}

    def convolution(self, case: Case) -> Call:
        forward_only(case)
        from openvino import opset13 as ops

        shape, weight = case.shape, case.weight
        function = "convolution_backprop_data" if shape.transposed else "convolution"
        if shape.groups > 1:
            function = f"group_{function}"
            weight = weight.reshape(shape.groups, -1, *weight.shape[1:])
        input = ops.parameter(shape.input_shape, np.float32)
        geometry = {
            "strides": shape.stride,
            "pads_begin": shape.padding,
            "pads_end": shape.padding,
            "dilations": shape.dilation,
        }
        output = getattr(ops, function)(input, ops.constant(weight), **geometry)
        model = self._openvino.Model([output], [input], "convolution")
        request = self._core.compile_model(model, "CPU", self._options).create_infer_request()
        request.set_input_tensor(self._openvino.Tensor(case.input, shared_memory=True))
        return Call(request.infer, lambda _: request.get_output_tensor().data)
