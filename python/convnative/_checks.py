"""Checks of arguments that Python handles by itself; what the core handles, the core checks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._typing import Array, DType

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def float_dtype(name: str, dtype: DType) -> np.dtype[Any]:
    """Return `dtype` as a NumPy dtype; TypeError unless it is float32 or float64."""
    try:
        result = np.dtype(dtype)
    except TypeError:
        raise TypeError(f"{name}: expected float32 or float64, received {dtype!r}") from None
    if result not in FLOATS:
        raise TypeError(f"{name}: expected float32 or float64, received {result}")
    return result


def float_array(name: str, value: Any) -> Array:
    """Return `value` as a plain array in native byte order; TypeError unless of float32 or float64."""
    if not isinstance(value, np.ndarray) or hasattr(value, "mask"):  # a masked array's mask would be lost
        raise TypeError(
            f"{name}: expected a numpy.ndarray of float32 or float64, received {type(value).__name__}"
        )
    native = value.dtype.newbyteorder("=")
    if native not in FLOATS:
        raise TypeError(f"{name}: expected an array of float32 or float64, received {value.dtype}")
    return np.asarray(value, dtype=native)


def boolean(name: str, value: Any) -> bool:
    """Return `value` as a bool; TypeError unless it is one."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name}: expected True or False, received {value!r}")
    return bool(value)


def integer(name: str, value: Any, minimum: int) -> int:
    """Return `value` as an int; TypeError unless it is one, ValueError when it is below `minimum`."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name}: expected an int >= {minimum}, received {value!r}")
    if value < minimum:
        raise ValueError(f"{name}: expected an int >= {minimum}, received {value}")
    return int(value)


def number(name: str, value: Any, minimum: float, maximum: float = float("inf")) -> float:
    """Return `value` as a float; ValueError unless minimum <= value <= maximum and it is finite."""
    expected = (
        f"a finite number >= {minimum:g}"
        if maximum == float("inf")
        else (f"a number from {minimum:g} to {maximum:g}")
    )
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name}: expected {expected}, received {value!r}")
    if not minimum <= value <= maximum or value == float("inf"):
        raise ValueError(f"{name}: expected {expected}, received {value}")
    return float(value)


def choice(name: str, value: Any, choices: Iterable[str]) -> str:
    """Return `value`; ValueError that lists the choices when it is not one of them."""
    choices = tuple(choices)
    if not isinstance(value, str) or value not in choices:
        listed = ", ".join(repr(item) for item in choices)
        raise ValueError(f"{name}: expected one of {listed}, received {value!r}")
    return value


def real(name: str, value: Any) -> float:
    """Return `value` as a float; TypeError unless it is a real number."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name}: expected a float, received {value!r}")
    return float(value)
