"""OpenCV: `filter2D`, from one plane to each of the outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .base import Call, Peer, need

if TYPE_CHECKING:
    from ..cases import Array, Case
    from ..pictures import PictureCase


def plane_filter(case: Case) -> None:
    """Refuse what image filters do not compute."""
    shape = case.shape
    need(case.operation == "forward", "forward")
    need((shape.batch, shape.in_channels, len(shape.size)) == (1, 1, 2), "single planes")
    need(shape.output_shape[2:] == shape.size and not shape.transposed, "outputs of the input's size")
    need(set(shape.dilation) == {1}, "dilation 1")


class OpenCv(Peer):
    name = "opencv"
    packages = ("opencv-python-headless",)

    def __init__(self, threads: int) -> None:
        import cv2

        self._cv2 = cv2
        cv2.setNumThreads(threads)

    def versions(self) -> dict[str, str]:
        return {"opencv": self._cv2.__version__}

    def convolution(self, case: Case) -> Call:
        plane_filter(case)
        cv2, (plane,), kernels = self._cv2, case.input[0], case.weight[:, 0]
        outputs = np.empty(case.shape.output_shape, case.dtype)

        def run() -> Array:
            for kernel, output in zip(kernels, outputs[0], strict=True):
                cv2.filter2D(plane, -1, kernel, dst=output, borderType=cv2.BORDER_CONSTANT)
            return outputs

        return Call(run)

    def picture(self, case: PictureCase) -> Call:
        cv2, image, shape = self._cv2, case.image, case.shape
        border = cv2.BORDER_REPLICATE
        if shape.sigma:
            size = (shape.kernel, shape.kernel)
            return Call(lambda: cv2.GaussianBlur(image, size, shape.sigma, borderType=border))
        return Call(lambda: cv2.filter2D(image, -1, case.weight, borderType=border))
