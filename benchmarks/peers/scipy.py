"""SciPy's two packages for images and signals, which use one thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .base import Call, Peer
from .opencv import plane_filter

if TYPE_CHECKING:
    from ..cases import Array, Case


class SciPyNdimage(Peer):
    name = "scipy-ndimage"
    packages = ("scipy",)

    def __init__(self, threads: int) -> None:  # noqa: ARG002 (there is nothing to set)
        import scipy.ndimage

        self._scipy = scipy

    def versions(self) -> dict[str, str]:
        return {"scipy": self._scipy.__version__}

    def convolution(self, case: Case) -> Call:
        plane_filter(case)
        correlate, (plane,), kernels = self._scipy.ndimage.correlate, case.input[0], case.weight[:, 0]
        outputs = np.empty(case.shape.output_shape, case.dtype)

        def run() -> Array:
            for kernel, output in zip(kernels, outputs[0], strict=True):
                correlate(plane, kernel, output=output, mode="constant")
            return outputs

        return Call(run)


class SciPySignal(SciPyNdimage):
    """Directly or by the Fourier transform, as SciPy chooses."""

    name = "scipy-signal"

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        import scipy.signal

        self._signal = scipy.signal

    def convolution(self, case: Case) -> Call:
        plane_filter(case)
        plane, kernels = case.input[0, 0], case.weight[:, 0]
        correlate = self._signal.correlate
        return Call(
            lambda: [correlate(plane, kernel, mode="same") for kernel in kernels],
            lambda planes: np.stack(planes)[None],
        )
