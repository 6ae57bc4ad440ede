"""How far an output sees into the input."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ._arguments import _as_int
from ._inverse import _sides
from ._padding import effective_kernel_size


@dataclass(frozen=True)
class ReceptiveField:
    """Which part of the input each output along one axis depends on.

    Output ``i`` depends on the `size` inputs that begin at ``start + i * jump``. A negative position lies in
    the padding. The same triple describes a single layer and, after composition, a whole network; see Araujo,
    Norris and Sim, "Computing Receptive Fields of Convolutional Neural Networks" (Distill, 2019).

    Attributes
    ----------
    size : int
        Number of input positions from the first to the last that an output depends on.
    jump : int
        Distance in the input between neighbouring outputs; 0 if all outputs depend on the same part.
    start : int
        Where the field of the first output begins.
    """

    size: int = 1
    jump: int = 1
    start: int = 0

    def then(self, following: ReceptiveField) -> ReceptiveField:
        """Return the field of the outputs of a following layer, seen from the input of this one.

        Parameters
        ----------
        following : ReceptiveField
            The field of the following layer in its own input.

        Returns
        -------
        ReceptiveField
            The composed field.

        Examples
        --------
        >>> receptive_field(3, stride=2, padding=1).then(receptive_field(3, padding=1))
        ReceptiveField(size=7, jump=2, start=-3)
        """
        return ReceptiveField(
            self.size + (following.size - 1) * self.jump,
            self.jump * following.jump,
            self.start + following.start * self.jump,
        )

    def hull(self, count: int) -> ReceptiveField:
        """Return the field of something that depends on the first `count` outputs at once.

        Parameters
        ----------
        count : int
            Number of outputs.

        Returns
        -------
        ReceptiveField
            The field, with a jump of 0.

        Examples
        --------
        >>> receptive_field(5, stride=2).hull(14)
        ReceptiveField(size=31, jump=0, start=0)
        """
        return ReceptiveField(self.size + max(count - 1, 0) * self.jump, 0, self.start)


def receptive_field(
    kernel_size: int, stride: int = 1, padding: int | Sequence[int] = 0, dilation: int = 1
) -> ReceptiveField:
    """Return the receptive field of one convolution or pooling layer along one axis.

    Parameters
    ----------
    kernel_size, stride, dilation : int
        The window.
    padding : int or (int, int), optional
        Elements on each side, or ``(before, after)``.

    Returns
    -------
    ReceptiveField
        The field of the layer in its own input.

    Raises
    ------
    TypeError, ValueError, OverflowError
        If an argument is not valid.

    Examples
    --------
    >>> receptive_field(3, padding=1)
    ReceptiveField(size=3, jump=1, start=-1)
    """
    step = _as_int(stride, "stride", "an int >= 1", 1)
    return ReceptiveField(effective_kernel_size(kernel_size, dilation), step, -_sides(padding)[0])


def compose_receptive_fields(layers: Iterable[ReceptiveField]) -> ReceptiveField:
    """Return the receptive field of layers one after the other.

    Layer l widens the field by ``F_l - 1`` of its own inputs, which lie as far apart in the input of the
    first as the strides before it multiply to: the size is ``1 + sum((F_l - 1) * S_1 * ... * S_(l - 1))``
    with the effective kernel sizes F, and for L layers of kernel size K and stride 1 it is
    ``1 + L * (K - 1)``. Pools count as layers.

    Parameters
    ----------
    layers : iterable of ReceptiveField
        The field of each layer in its own input, from the first layer to the last.

    Returns
    -------
    ReceptiveField
        The field of the last layer's outputs in the input of the first.

    Examples
    --------
    Three 3 by 3 convolutions see as much as one of 7 by 7:

    >>> compose_receptive_fields([receptive_field(3)] * 3)
    ReceptiveField(size=7, jump=1, start=0)
    """
    field = ReceptiveField()
    for layer in layers:
        field = field.then(layer)
    return field


@dataclass(frozen=True)
class InputRegion:
    """The inputs that some outputs depend on, along one axis.

    Attributes
    ----------
    start, stop : int
        The real inputs, as a half-open range; empty if the outputs see padding alone.
    before, after : int
        Number of padding elements seen before the first and after the last real input.
    """

    start: int
    stop: int
    before: int
    after: int


def input_region(field: ReceptiveField, output: int | Sequence[int], input_size: int) -> InputRegion:
    """Return which inputs one output, or a run of neighbouring outputs, depends on.

    Parameters
    ----------
    field : ReceptiveField
        The field of the outputs.
    output : int or (int, int)
        Index of an output, or a half-open range of outputs: a tile.
    input_size : int
        Size of the input.

    Returns
    -------
    InputRegion
        The real inputs and the padding around them.

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If an index is negative or the range is empty.

    Examples
    --------
    >>> input_region(receptive_field(3, padding=1), 0, input_size=8)
    InputRegion(start=0, stop=2, before=1, after=0)
    >>> input_region(receptive_field(3, stride=2, padding=1), (2, 4), input_size=8)
    InputRegion(start=3, stop=8, before=0, after=0)
    """
    size = _as_int(input_size, "input_size", "an int >= 0", 0)
    expected = "an int >= 0 or a (start, stop) pair of them with start < stop"
    if isinstance(output, Sequence):
        if len(output) != 2:
            raise ValueError(f"output: expected {expected}, received {output!r}")
        first, stop = (_as_int(index, "output", expected, 0) for index in output)
        if stop <= first:
            raise ValueError(f"output: expected {expected}, received {output!r}")
    else:
        first = _as_int(output, "output", expected, 0)
        stop = first + 1
    begin = field.start + first * field.jump
    end = field.start + (stop - 1) * field.jump + field.size
    start = min(max(begin, 0), size)
    return InputRegion(
        start=start,
        stop=max(min(end, size), start),
        before=max(min(end, 0) - begin, 0),
        after=max(end - max(begin, size), 0),
    )


def halo(field: ReceptiveField) -> int:
    """Return how many inputs two neighbouring tiles of outputs share.

    Parameters
    ----------
    field : ReceptiveField
        The field of the outputs.

    Returns
    -------
    int
        ``max(size - jump, 0)``: what one tile must read of the other's inputs.

    Examples
    --------
    >>> halo(receptive_field(5))
    4
    >>> halo(receptive_field(2, stride=2))
    0
    """
    return max(field.size - field.jump, 0)
