"""Convolution as mathematics has it: of arrays, as a matrix, and as a map that commutes with shifts.

`convolve`, `correlate` and `autocorrelate` take arrays with one to three axes and agree with
``scipy.signal``; `convolve_sampled` approximates the integral. `convolution_matrix` writes a layer out as the
matrix that it is. `translation_equivariance` measures how far a layer or a network commutes with shifts.

Examples
--------
>>> import numpy as np
>>> from convnative import signal
>>> signal.convolve(np.array([1.0, 2, 3]), np.array([0.0, 1, 0.5]))
array([0. , 1. , 2.5, 4. , 1.5])
"""

from ._convolve import autocorrelate, convolve, convolve_sampled, correlate
from ._equivariance import Equivariance, EquivarianceStage, translation_equivariance
from ._matrix import convolution_matrix

__all__ = [
    "Equivariance",
    "EquivarianceStage",
    "autocorrelate",
    "convolution_matrix",
    "convolve",
    "convolve_sampled",
    "correlate",
    "translation_equivariance",
]
