"""Other libraries that `convnative bench` measures where they are installed: a row each in `PEERS`."""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._typing import Array

    Call = Callable[[], Any]


class Convolution(NamedTuple):
    """What is computed: a forward with zero padding that keeps the size, up to the stride."""

    input: Array
    weight: Array
    stride: int
    padding: int
    groups: int


def _torch(case: Convolution, threads: int) -> Call:
    torch = importlib.import_module("torch")
    torch.set_num_threads(threads)
    input, weight = torch.from_numpy(case.input), torch.from_numpy(case.weight)

    def call() -> Any:
        with torch.no_grad():
            return torch.nn.functional.conv2d(input, weight, None, case.stride, case.padding, 1, case.groups)

    return call


def _openvino(case: Convolution, threads: int) -> Call:
    openvino, ops = importlib.import_module("openvino"), importlib.import_module("openvino.opset13")
    input = ops.parameter(case.input.shape, np.float32)
    pair = [case.padding] * 2
    geometry = {"strides": [case.stride] * 2, "pads_begin": pair, "pads_end": pair, "dilations": [1, 1]}
    if case.groups > 1:
        weight = case.weight.reshape(case.groups, -1, *case.weight.shape[1:])
        output = ops.group_convolution(input, ops.constant(weight), **geometry)
    else:
        output = ops.convolution(input, ops.constant(case.weight), **geometry)
    options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1}
    model = openvino.Core().compile_model(openvino.Model([output], [input], "bench"), "CPU", options)
    request = model.create_infer_request()
    request.set_input_tensor(openvino.Tensor(case.input, shared_memory=True))

    def call() -> Any:
        request.infer()
        return request.get_output_tensor().data

    return call


def _jax(case: Convolution, _: int) -> Call:
    jax = importlib.import_module("jax")
    convolution = jax.jit(
        lambda input, weight: jax.lax.conv_general_dilated(
            input,
            weight,
            (case.stride, case.stride),
            [(case.padding, case.padding)] * 2,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=case.groups,
        )
    )
    input = jax.device_put(case.input.transpose(0, 2, 3, 1))
    weight = jax.device_put(case.weight.transpose(2, 3, 1, 0))
    return lambda: convolution(input, weight).block_until_ready().transpose(0, 3, 1, 2)


def _one_plane(case: Convolution) -> bool:
    return (*case.weight.shape[:2], case.input.shape[0], case.stride) == (1, 1, 1, 1)


def _opencv(case: Convolution, threads: int) -> Call | None:
    cv2 = importlib.import_module("cv2")
    cv2.setNumThreads(threads)
    plane, kernel = case.input[0, 0], case.weight[0, 0]
    if not _one_plane(case):
        return None
    return lambda: cv2.filter2D(plane, -1, kernel, borderType=cv2.BORDER_CONSTANT)[None, None]


def _scipy(case: Convolution, _: int) -> Call | None:
    ndimage = importlib.import_module("scipy.ndimage")
    plane, kernel = case.input[0, 0], case.weight[0, 0]
    if not _one_plane(case):
        return None
    return lambda: ndimage.correlate(plane, kernel, mode="constant")[None, None]


# The name of the column, the module that has to be there, and what makes the call, or None for what the
# library does not compute.
PEERS: dict[str, tuple[str, Callable[[Convolution, int], Call | None]]] = {
    "torch": ("torch", _torch),
    "OpenVINO": ("openvino", _openvino),
    "JAX": ("jax", _jax),
    "OpenCV": ("cv2", _opencv),
    "SciPy": ("scipy", _scipy),
}


def installed() -> list[str]:
    """Return the names of the peers that this interpreter finds."""
    return [name for name, (module, _) in PEERS.items() if importlib.util.find_spec(module) is not None]
