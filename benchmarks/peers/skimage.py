"""scikit-image, which uses one thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .base import Call, Peer

if TYPE_CHECKING:
    from ..pictures import PictureCase


class ScikitImage(Peer):
    name = "scikit-image"
    packages = ("scikit-image",)

    def __init__(self, threads: int) -> None:  # noqa: ARG002 (there is nothing to set)
        import skimage
        import skimage.filters

        self._version, self._filters = skimage.__version__, skimage.filters

    def versions(self) -> dict[str, str]:
        return {"scikit-image": self._version}

    def picture(self, case: PictureCase) -> Call:
        image, shape = case.image, case.shape
        if shape.sigma:
            options = {
                "sigma": shape.sigma,
                "truncate": shape.kernel // 2 / shape.sigma,
                "mode": "nearest",
                "preserve_range": True,
                "channel_axis": None if image.ndim == 2 else -1,
            }
            return Call(lambda: self._filters.gaussian(image, **options))
        kernel = case.weight if image.ndim == 2 else case.weight[..., None]
        return Call(lambda: self._filters.correlate_sparse(image, kernel, mode="nearest"))
