"""What every peer is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..cases import Array, Case, Problem


class UnsupportedError(Exception):
    """The library has no such operation, type or size: it has no time in this row, and that is no failure."""


@dataclass(frozen=True)
class Call:
    """What is timed, and the function that makes plain arrays, N C spatial, of what it returns."""

    run: Callable[[], Any]
    read: Callable[[Any], Array | Sequence[Array]] = np.asarray


class Peer(ABC):
    """
    A library with its best settings, alone in its process.

    A problem is prepared by the method that its `kind` names: `convolution(case)`, `training_step(step)`.
    It returns a `Call`. What is done before that is free: the peer's favourite layout of the data, and
    whatever it can set up once, such as packing weights.
    """

    name: ClassVar[str]
    packages: ClassVar[tuple[str, ...]]  # what pip installs, in an environment of its own
    ours: ClassVar[bool] = False

    @abstractmethod
    def __init__(self, threads: int) -> None:
        """Import the library and set it up."""

    @abstractmethod
    def versions(self) -> dict[str, str]:
        """What a report says about the library."""

    def prepare(self, problem: Problem) -> Call:
        method = getattr(self, problem.kind, None)
        if method is None:
            raise UnsupportedError(f"no {problem.kind}")
        call: Call = method(problem)
        return call

    def variants(self, case: Case) -> dict[str, Call]:
        """Return the ways of the library to compute one case, for the comparison of errors."""
        return {self.name: self.prepare(case)}


def need(condition: object, what: str) -> None:
    """Raise UnsupportedError: the library does `what` alone."""
    if not condition:
        raise UnsupportedError(f"{what} only")


def forward_only(case: Case, *, transposed: bool = True, axes: tuple[int, ...] = (1, 2, 3)) -> None:
    """Refuse what inference engines do not have."""
    need(case.operation == "forward", "forward")
    need(case.dtype == "float32", "float32")
    need(len(case.shape.size) in axes, f"{', '.join(map(str, axes))} spatial axes")
    need(transposed or not case.shape.transposed, "convolutions that are not transposed")
