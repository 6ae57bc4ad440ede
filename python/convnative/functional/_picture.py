"""Pictures through kernels, for `convnative.filters`, which checks their arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import _core

if TYPE_CHECKING:
    from .._typing import Array


def correlate_picture(
    image: Array,
    factors: tuple[Array, ...],
    centre: tuple[int, int],
    border: str | float,
    *,
    absolute: bool,
    as_float: bool,
) -> Any:
    """
    Correlate every channel of a picture by itself.

    Parameters
    ----------
    image : ndarray, shape (H, W) or (H, W, channels)
        uint8, uint16, float32 or float64.
    factors : tuple of ndarray
        The kernel (R, S), or the column (R, 1) and the row (1, S) whose product it is; float64 for a float64
        image, else float32.
    centre : (int, int)
        The element of the kernel that lies on the pixel.
    border : str or float
        "replicate", "reflect", "symmetric" or "circular", or the number that lies outside of the image.
    absolute : bool
        Whether to return magnitudes.
    as_float : bool
        Whether to return the sums over an integer image as they are, neither rounded nor limited.

    Returns
    -------
    ndarray, shape of the image
        Of its type, or with `as_float` of that of the kernel.
    """
    kernel, row = factors if len(factors) == 2 else (factors[0], None)
    mode, value = (border, 0.0) if isinstance(border, str) else ("constant", border)
    return _core.correlate_picture(image, kernel, row, centre, mode, value, absolute, as_float)
