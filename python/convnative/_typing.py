"""Names for the types that the public signatures share."""

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
"""A float32 or float64 array; while autograd differentiates, the box that stands for one."""

Size: TypeAlias = int | Sequence[int]
"""One int for every spatial axis, or one int per spatial axis."""

Padding: TypeAlias = int | str | Sequence[int] | Sequence[tuple[int, int]]
"""An int, one int or one (before, after) pair per spatial axis, or the name of a rule such as "same"."""

CeilMode: TypeAlias = bool | Literal["torch", "onnx"]
"""Whether a pool rounds its output size up; the names say whose rule it follows then."""

OutputSize: TypeAlias = int | Sequence[int | None] | None
"""The spatial sizes of an output: one for every axis, or one per axis; None keeps the input's."""

Pooled: TypeAlias = Any
"""The array that a pool gives, or with ``return_indices`` the pair of it and its indices."""

DType: TypeAlias = type[np.floating[Any]] | np.dtype[Any] | str
"""What the ``dtype`` arguments take: float32 or float64."""

RandomSource: TypeAlias = np.random.Generator | int | None
"""A generator, a seed for a new one, or None for the generator that ``manual_seed`` seeds."""

PaddingMode: TypeAlias = str | float
"""What padding consists of: the name of a mode, such as "reflect", or the number that it is filled with."""
