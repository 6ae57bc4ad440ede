"""
The libraries that are measured: a file and a class each, listed in `PEERS`.

A library is imported when its class is instantiated, so that this package imports in every environment.
"""

from __future__ import annotations

from .base import Call, Peer, UnsupportedError
from .convnative import (
    ConvNative,
    ConvNativeOut,
    ConvNativePrepacked,
    ConvNativeStrict,
    ConvNativeStrictPrepacked,
)
from .jax import Jax
from .mnn import Mnn
from .ncnn import Ncnn
from .onnxruntime import OnnxRuntime
from .opencv import OpenCv
from .openvino import OpenVino
from .scipy import SciPyNdimage, SciPySignal
from .skimage import ScikitImage
from .torch import Torch, TorchChannelsLast, TorchPrepacked

__all__ = ["PEERS", "Call", "Peer", "UnsupportedError"]

PEERS: dict[str, type[Peer]] = {
    peer.name: peer
    for peer in (
        *(ConvNative, ConvNativePrepacked, ConvNativeOut, ConvNativeStrict, ConvNativeStrictPrepacked),
        *(Torch, TorchChannelsLast, TorchPrepacked),
        *(OnnxRuntime, OpenVino, Jax, Ncnn, Mnn),
        *(OpenCv, SciPyNdimage, SciPySignal, ScikitImage),
    )
}
