"""
Convolution, pooling and their gradients for NumPy arrays, from a fast C++ core for CPUs.

>>> import numpy as np, convnative as cn
>>> from convnative import nn, functional as F
>>> y = F.conv2d(np.ones((1, 1, 4, 4)), np.ones((1, 1, 3, 3)), padding=1)
>>> y[0, 0].tolist()
[[4.0, 6.0, 6.0, 4.0], [6.0, 9.0, 9.0, 6.0], [6.0, 9.0, 9.0, 6.0], [4.0, 6.0, 6.0, 4.0]]
"""

from typing import TYPE_CHECKING, Any

from ._autograd import value_and_grad
from ._random import manual_seed
from .runtime import (
    available_isas,
    explain,
    get_num_threads,
    get_precision,
    isa,
    precision,
    set_isa,
    set_num_threads,
    show_config,
    threads,
)
from .serialization import load, save
from .summary import count_parameters, summary

if TYPE_CHECKING:
    from . import data, filters, functional, init, models, nn, optim, plot, shapes, signal

    __version__: str

__all__ = [
    "available_isas",
    "count_parameters",
    "data",
    "explain",
    "filters",
    "functional",
    "get_num_threads",
    "get_precision",
    "init",
    "isa",
    "load",
    "manual_seed",
    "models",
    "nn",
    "optim",
    "plot",
    "precision",
    "save",
    "set_isa",
    "set_num_threads",
    "shapes",
    "show_config",
    "signal",
    "summary",
    "threads",
    "value_and_grad",
]

_SUBMODULES = ("data", "filters", "functional", "init", "models", "nn", "optim", "plot", "shapes", "signal")


def __getattr__(name: str) -> Any:
    # A program pays for the modules that it asks for. Their import, which Python does once and for one thread
    # at a time, makes them attributes of the package.
    if name in _SUBMODULES:
        from importlib import import_module

        return import_module(f".{name}", __name__)
    if name == "__version__":
        from importlib.metadata import version

        return version(__name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
