"""Classical image filters: kernels as arrays, and pictures through them.

A picture is an array of shape (H, W), or (H, W, channels) with 1 to 4 channels, each of which is filtered by
itself. `kernels` makes the kernels; the functions here apply them, on the convolution engine of
`convnative.functional` and on as many threads as `convnative.get_num_threads` says.

Numbers
    A float32 or float64 picture is computed in its own type, and its values are not limited. A uint8 or
    uint16 picture is converted to float32, filtered, rounded to the nearest integer (halves to even), limited
    to the range of its type and converted back; where a filter has several steps, that happens once at the
    end. Differences, which have both signs, come as float32: `laplacian`, `sobel` and the like.
Border
    What lies outside of the picture is said by `border`: "replicate" (the outermost pixels again and again,
    the default, so that a blur does not darken the border and an edge detector finds no edge there),
    "reflect" (mirrored, the border not repeated), "symmetric" (mirrored, the border repeated), "circular",
    "zeros", or a number. No padded copy of the picture is made.
Orientation
    `correlate` lays the kernel over the picture as it is printed; `convolve` turns it round first, as
    mathematics has it. All named filters correlate.

Examples
--------
>>> import numpy as np
>>> from convnative import filters
>>> image = np.zeros((5, 5), dtype=np.uint8)
>>> image[2, 2] = 90
>>> filters.box_blur(image, 3)
array([[ 0,  0,  0,  0,  0],
       [ 0, 10, 10, 10,  0],
       [ 0, 10, 10, 10,  0],
       [ 0, 10, 10, 10,  0],
       [ 0,  0,  0,  0,  0]], dtype=uint8)
"""

from . import kernels
from ._canny import canny
from ._correlate import convolve, correlate
from ._edges import Gradient, laplacian, prewitt, scharr, sobel
from ._named import kernel, kernel_names, load_kernel, parse_kernel
from ._smoothing import box_blur, details, gaussian_blur, sharpen, unsharp_mask

__all__ = [
    "Gradient",
    "box_blur",
    "canny",
    "convolve",
    "correlate",
    "details",
    "gaussian_blur",
    "kernel",
    "kernel_names",
    "kernels",
    "laplacian",
    "load_kernel",
    "parse_kernel",
    "prewitt",
    "scharr",
    "sharpen",
    "sobel",
    "unsharp_mask",
]
