"""SciPy's two packages for images and signals, which use one thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .base import Call, Peer, UnsupportedError
from .opencv import plane_filter

if TYPE_CHECKING:
    from ..cases import Array, Case
    from ..pictures import PictureCase


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

    def picture(self, case: PictureCase) -> Call:
        ndimage, image, shape = self._scipy.ndimage, case.image, case.shape
        if shape.sigma:
            options = {"mode": "nearest", "radius": shape.kernel // 2, "axes": (0, 1)}
            return Call(lambda: ndimage.gaussian_filter(image, shape.sigma, **options))
        kernel = case.weight if image.ndim == 2 else case.weight[..., None]
        return Call(lambda: ndimage.correlate(image, kernel, mode="nearest"))


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

    def picture(self, case: PictureCase) -> Call:  # noqa: ARG002
        raise UnsupportedError("no pictures: its borders are zeros")
