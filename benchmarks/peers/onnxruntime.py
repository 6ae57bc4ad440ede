"""ONNX Runtime: a model of one node, weights in it, input and output bound to memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .base import Call, Peer, forward_only

if TYPE_CHECKING:
    from ..cases import Case


class OnnxRuntime(Peer):
    name = "onnxruntime"
    packages = ("onnxruntime", "onnx")

    def __init__(self, threads: int) -> None:
        import onnx
        import onnxruntime

        self._onnx, self._runtime = onnx, onnxruntime
        self._options = onnxruntime.SessionOptions()
        self._options.intra_op_num_threads = threads
        self._options.inter_op_num_threads = 1
        self._options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL

    def versions(self) -> dict[str, str]:
        return {"onnxruntime": self._runtime.__version__, "onnx": self._onnx.__version__}

    def convolution(self, case: Case) -> Call:
        forward_only(case)
        helper, shape = self._onnx.helper, case.shape
        float32 = self._onnx.TensorProto.FLOAT
        node = helper.make_node(
            "ConvTranspose" if shape.transposed else "Conv",
            ["x", "w"],
            ["y"],
            kernel_shape=shape.kernel_size,
            strides=shape.stride,
            pads=(*shape.padding, *shape.padding),
            dilations=shape.dilation,
            group=shape.groups,
        )
        graph = helper.make_graph(
            [node],
            "convolution",
            [helper.make_tensor_value_info("x", float32, shape.input_shape)],
            [helper.make_tensor_value_info("y", float32, shape.output_shape)],
            [self._onnx.numpy_helper.from_array(case.weight, "w")],
        )
        # Versions of the format that every release of the last years reads.
        model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
        session = self._runtime.InferenceSession(
            model.SerializeToString(), self._options, providers=["CPUExecutionProvider"]
        )
        binding = session.io_binding()
        binding.bind_cpu_input("x", case.input)
        binding.bind_output("y", "cpu")
        return Call(lambda: session.run_with_iobinding(binding), lambda _: binding.copy_outputs_to_cpu()[0])
