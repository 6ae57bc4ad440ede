"""How far a layer or a network commutes with shifts of its input, by trying."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._checks import float_array, integer, number
from .._typing import Array


@dataclass(frozen=True)
class EquivarianceStage:
    """What a layer, after all layers before it, does with shifts of the input.

    Attributes
    ----------
    name : str
        Which layer.
    period : int or None
        The smallest shift of the input that shifts the output; None if none of those that were tried does.
    output_shift : int or None
        By how much it shifts the output.
    borders : (int, int) or None
        How many outputs at the beginning and at the end of the axis do not take part, because they see the
        border, or what the shift has brought in there.
    outputs : int or None
        Size of the output on this axis; None if it has no such axis any more.
    error : float or None
        Largest difference between the shifted output and the output of the shifted input, without the
        borders, relative to the largest output.
    """

    name: str
    period: int | None
    output_shift: int | None
    borders: tuple[int, int] | None
    outputs: int | None
    error: float | None

    def __str__(self) -> str:
        if self.period is None:
            axis = "" if self.outputs is not None else " (the axis is gone)"
            return f"{self.name}: not equivariant{axis}"
        if self.output_shift == 0:
            return f"{self.name}: invariant under shifts"
        text = f"{self.name}: a shift by {self.period} shifts the output by {self.output_shift}"
        return text if self.borders == (0, 0) else f"{text}, but for {self.borders} outputs at the borders"


@dataclass(frozen=True)
class Equivariance:
    """The stages of a network, in their order; printed, one line for each.

    Attributes
    ----------
    stages : tuple of EquivarianceStage
        After each layer of a `Sequential`; one for anything else.
    """

    stages: tuple[EquivarianceStage, ...]

    @property
    def every_shift_ends_at(self) -> str | None:
        """The first layer after which a shift by 1 does not shift the output: stride or pooling, mostly."""
        return next((stage.name for stage in self.stages if stage.period != 1), None)

    @property
    def borders_begin_at(self) -> str | None:
        """The first layer after which outputs at the borders do not take part."""
        return next((stage.name for stage in self.stages if stage.borders not in (None, (0, 0))), None)

    @property
    def ends_at(self) -> str | None:
        """The first layer after which no shift that was tried shifts the output."""
        return next((stage.name for stage in self.stages if stage.period is None), None)

    def __str__(self) -> str:
        return "\n".join(map(str, self.stages))


def translation_equivariance(
    function: Callable[[Any], Any],
    input: Array,
    *,
    axis: int = -1,
    largest_shift: int = 8,
    tolerance: float = 1e-4,
) -> Equivariance:
    """Measure how far a layer or a network commutes with shifts: f(shift(x)) against shift(f(x)).

    The input is shifted in a circle, so that the border stays a border: a layer that pads in a circle
    commutes everywhere, any other but for those outputs that see the border. Convolutions commute with every
    shift; after a stride or a pool of 2 only shifts by 2 do, and so on. For every shift from 1 on, the shift
    of the output with which the longest run of outputs agrees is looked for; half of the outputs must.

    Parameters
    ----------
    function : callable
        A layer, a network, or any function of an array. A `Sequential` is measured after each of its layers.
        It should be in evaluation mode: dropout and batch statistics do not commute with anything.
    input : ndarray, shape (N, C, *spatial)
        What to try with: without structure, such as random numbers, or runs of outputs agree by chance.
    axis : int, optional
        Which axis to shift.
    largest_shift : int, optional
        How far to try; less than the size of the axis.
    tolerance : float, optional
        Differences below this share of the largest output are rounding.

    Returns
    -------
    Equivariance
        What was measured; `str` tells it.

    Raises
    ------
    TypeError
        If the input is not an array of float32 or float64.
    ValueError
        If the axis does not exist, or a number is out of range.

    Examples
    --------
    >>> from convnative import nn
    >>> x = np.random.default_rng(0).standard_normal((1, 1, 16, 16))
    >>> network = nn.Sequential(
    ...     nn.Conv2d(1, 2, 3, padding=1, dtype="float64"), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()
    ... )
    >>> report = translation_equivariance(network, x)
    >>> print(report)
    0 (Conv2d): a shift by 1 shifts the output by 1, but for (2, 1) outputs at the borders
    1 (ReLU): a shift by 1 shifts the output by 1, but for (2, 1) outputs at the borders
    2 (MaxPool2d): a shift by 2 shifts the output by 1, but for (2, 1) outputs at the borders
    3 (Flatten): not equivariant (the axis is gone)
    >>> report.every_shift_ends_at
    '2 (MaxPool2d)'
    """
    from ..nn import Sequential

    x = float_array("input", input)
    if not -x.ndim <= axis < x.ndim:
        raise ValueError(f"axis: expected an axis of an input of shape {x.shape}, received {axis}")
    place = axis % x.ndim
    bound = number("tolerance", tolerance, 0)
    if integer("largest_shift", largest_shift, 1) >= x.shape[place]:
        raise ValueError(
            f"largest_shift: expected less than the {x.shape[place]} elements of the axis, "
            f"received {largest_shift}"
        )
    parts: list[tuple[str, Callable[[Any], Any]]]
    if isinstance(function, Sequential):
        parts = [(f"{name} ({type(layer).__name__})", layer) for name, layer in function.named_children()]
    else:
        parts = [(getattr(function, "__name__", type(function).__name__), function)]
    # Row s of a stage's outputs belongs to the input shifted by s.
    outputs = [np.roll(x, shift, place) for shift in range(largest_shift + 1)]
    stages = []
    for name, part in parts:
        outputs = [part(values) for values in outputs]
        stages.append(_stage(name, outputs, place, x.ndim, bound))
    return Equivariance(tuple(stages))


def _stage(name: str, outputs: list[Array], axis: int, axes: int, tolerance: float) -> EquivarianceStage:
    """Find the smallest shift of the input that shifts the output."""
    original = outputs[0]
    if original.ndim != axes:
        return EquivarianceStage(name, None, None, None, None, None)
    size = original.shape[axis]
    scale = float(np.abs(original).max(initial=0)) or 1.0
    for shift, shifted in enumerate(outputs[1:], 1):
        best = EquivarianceStage(name, None, None, None, size, None)
        longest = 0
        for output_shift in range(min(shift, size - 1) + 1):
            difference = np.abs(shifted - np.roll(original, output_shift, axis))
            errors = np.moveaxis(difference, axis, 0).reshape(size, -1).max(axis=1, initial=0) / scale
            first, last = _longest_run(errors <= tolerance)
            if last - first > longest and 2 * (last - first) >= size:
                longest = last - first
                borders = (first, size - last)
                error = float(errors[first:last].max())
                best = EquivarianceStage(name, shift, output_shift, borders, size, error)
        if best.period is not None:
            return best
    return EquivarianceStage(name, None, None, None, size, None)


def _longest_run(agree: Array) -> tuple[int, int]:
    """Return where the longest run of True begins and ends."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], agree, [False]])))
    if not edges.size:
        return 0, 0
    begins, ends = edges[::2], edges[1::2]
    longest = int(np.argmax(ends - begins))
    return int(begins[longest]), int(ends[longest])
