"""ncnn: a network of one layer, in float32, on its packed layout."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .base import Call, Peer, forward_only, need

if TYPE_CHECKING:
    from ..cases import Array, Case
    from ..shapes import Shape

OFF = (
    *("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic"),
    *("use_bf16_packed", "use_bf16_storage", "use_int8_inference"),
)


class Ncnn(Peer):
    name = "ncnn"
    packages = ("ncnn",)

    def __init__(self, threads: int) -> None:
        import ncnn

        self._ncnn, self._threads = ncnn, threads

    def versions(self) -> dict[str, str]:
        return {"ncnn": self._ncnn.__version__}

    def convolution(self, case: Case) -> Call:
        forward_only(case)
        shape = case.shape
        need(shape.batch == 1, "N = 1")
        weight = case.weight
        if shape.transposed:
            need(shape.groups == 1, "transposed convolutions in one group")
            weight = weight.swapaxes(0, 1)

        net = self._ncnn.Net()
        options = net.opt
        options.num_threads = self._threads
        for name in OFF:
            setattr(options, name, False)
        net.opt = options
        with tempfile.TemporaryDirectory() as folder:
            graph, data = Path(folder, "graph"), Path(folder, "data")
            graph.write_text(f"7767517\n2 2\nInput x 0 1 x\n{_layer(shape)}\n")
            data.write_bytes(bytes(4) + weight.tobytes())  # the flag of float32
            net.load_param(str(graph))
            net.load_model(str(data))

        plain = self._ncnn.Mat(case.input[0])
        packs = (pack for pack in (16, 8, 4) if shape.in_channels % pack == 0 and plain.dims > 2)
        input = self._ncnn.convert_packing(plain, next(packs, 1), options)

        def run() -> Any:
            extractor = net.create_extractor()
            extractor.input("x", input)
            return extractor.extract("y", 1)[1]  # in the layout that the layer leaves

        def read(result: Any) -> Array:
            return np.array(self._ncnn.convert_packing(result, 1, options))[None]

        return Call(run, read)


def _layer(shape: Shape) -> str:
    """Write the layer: its keys go axis by axis from the innermost, ten apart."""
    axes = len(shape.size)
    kind = ("Deconvolution" if shape.transposed else "Convolution") + (
        "DepthWise" if shape.groups > 1 else ""
    )
    kind += {1: "1D", 2: "", 3: "3D"}[axes]
    keys = {0: shape.out_channels, 5: 0, 6: int(np.prod(shape.weight_shape))}
    if shape.groups > 1:
        keys[7] = shape.groups
    for first, values in ((1, shape.kernel_size), (2, shape.dilation), (3, shape.stride), (4, shape.padding)):
        for axis, value in enumerate(reversed(values)):
            keys[first + 10 * axis] = value
    return f"{kind} y 1 1 x y {' '.join(f'{key}={value}' for key, value in keys.items())}"
