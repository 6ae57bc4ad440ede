"""
Pinned hostile calls: what must give the documented exception or the right answer, never a signal or a hang.

Each table holds rows of (name, code, outcome, detail). The code is an expression, or statements that assign
``y``; it sees the names of `sandbox.NAMES`. The outcome is "ok" or the names of the exceptions that are good,
and the detail accordingly an expression in ``y`` that must hold, or the arguments that the message may blame,
separated by "|" (for MemoryError none needs to be blamed).
"""

from typing import NamedTuple

from . import (
    activation,
    array,
    conv,
    conv_transpose,
    image,
    layer,
    linear,
    loss,
    loss_and_embedding,
    normalization,
    pool,
    rearrange,
)


class Case(NamedTuple):
    name: str
    code: str
    outcome: str
    detail: str


CASES = [
    Case(f"{module.__name__.rpartition('.')[2]}-{row[0]}", *row[1:])
    for module in (
        conv,
        conv_transpose,
        pool,
        rearrange,
        activation,
        normalization,
        loss,
        loss_and_embedding,
        linear,
        array,
        image,
        layer,
    )
    for row in module.CASES
]
