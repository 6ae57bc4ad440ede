"""The inverse problems: which input, kernel, stride or padding gives an output."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ._arguments import Pair, _as_int
from ._padding import _one_axis, effective_kernel_size


@dataclass(frozen=True)
class Solution:
    """One answer to an inverse problem.

    Attributes
    ----------
    value : int
        The size, kernel, stride or padding.
    exact : bool
        Whether the stride divides, so that the windows cover the padded input to its end. Otherwise the
        solution relies on the floor in the output size: some elements at the end are not looked at.
    """

    value: int
    exact: bool


@dataclass(frozen=True)
class Solutions:
    """All answers to an inverse problem, in rising order; a sequence of `Solution`, computed on demand.

    Attributes
    ----------
    values : range
        The values that give the wanted output.
    exact_values : range
        Those for which the stride divides.

    Examples
    --------
    >>> solutions = solve_kernel_size(32, 14, stride=2)
    >>> list(solutions)
    [Solution(value=5, exact=False), Solution(value=6, exact=True)]
    >>> len(solutions), 5 in solutions, 7 in solutions
    (2, True, False)
    """

    values: range
    exact_values: range

    def __iter__(self) -> Iterator[Solution]:
        return (Solution(value, value in self.exact_values) for value in self.values)

    def __len__(self) -> int:
        return len(self.values)

    def __bool__(self) -> bool:
        return bool(self.values)

    def __contains__(self, value: object) -> bool:
        return value in self.values


def _sides(padding: int | str | Sequence[int]) -> Pair:
    sides = _one_axis(padding)
    if isinstance(sides, str):
        raise ValueError(
            f"padding: expected an int, a (before, after) pair or 'valid', received {sides!r}, "
            "whose amount follows from the other arguments"
        )
    return sides


def _only(values: range, value: int) -> range:
    """Return the part of a range that is one value: empty if the value is not in it."""
    return range(value, value + 1) if value in values else range(0)


def solve_input_size(
    output_size: int,
    kernel_size: int,
    stride: int = 1,
    padding: int | str | Sequence[int] = 0,
    dilation: int = 1,
) -> Solutions:
    """Return the input sizes for which a convolution gives the wanted output size.

    Parameters
    ----------
    output_size : int
        The wanted output size.
    kernel_size, stride, dilation : int
        The window.
    padding : int, (int, int) or "valid"
        Elements on each side.

    Returns
    -------
    Solutions
        At most `stride` sizes, of which the smallest is exact.

    Raises
    ------
    TypeError, ValueError, OverflowError
        If an argument is not valid.

    Examples
    --------
    >>> [solution.value for solution in solve_input_size(112, kernel_size=7, stride=2, padding=3)]
    [223, 224]
    """
    output = _as_int(output_size, "output_size", "an int >= 1", 1)
    extent = effective_kernel_size(kernel_size, dilation)
    step = _as_int(stride, "stride", "an int >= 1", 1)
    smallest = (output - 1) * step + extent - sum(_sides(padding))
    values = range(max(smallest, 0), max(smallest + step, 0))
    return Solutions(values, _only(values, smallest))


def solve_kernel_size(
    input_size: int,
    output_size: int,
    stride: int = 1,
    padding: int | str | Sequence[int] = 0,
    dilation: int = 1,
) -> Solutions:
    """Return the kernel sizes for which a convolution gives the wanted output size.

    Parameters
    ----------
    input_size, output_size : int
        The sizes before and after.
    stride, dilation : int
        The window.
    padding : int, (int, int) or "valid"
        Elements on each side.

    Returns
    -------
    Solutions
        The kernel sizes; none if no kernel does.

    Raises
    ------
    TypeError, ValueError, OverflowError
        If an argument is not valid.

    Examples
    --------
    >>> list(solve_kernel_size(227, 55, stride=4))[-1]
    Solution(value=11, exact=True)
    >>> list(solve_kernel_size(288, 143, stride=2))
    [Solution(value=3, exact=False), Solution(value=4, exact=True)]
    """
    size = _as_int(input_size, "input_size", "an int >= 0", 0)
    output = _as_int(output_size, "output_size", "an int >= 1", 1)
    step = _as_int(stride, "stride", "an int >= 1", 1)
    spread = _as_int(dilation, "dilation", "an int >= 1", 1)
    # The extents that do are (padded - output*stride, padded - (output - 1)*stride], the last one exact.
    largest = size + sum(_sides(padding)) - (output - 1) * step
    first = max(-((step - largest) // spread) + 1, 1)
    values = range(first, max((largest - 1) // spread + 2, first))
    exact = (largest - 1) // spread + 1 if (largest - 1) % spread == 0 else 0
    return Solutions(values, _only(values, exact))


def solve_stride(
    input_size: int,
    output_size: int,
    kernel_size: int,
    padding: int | str | Sequence[int] = 0,
    dilation: int = 1,
) -> Solutions:
    """Return the strides for which a convolution gives the wanted output size.

    Parameters
    ----------
    input_size, output_size : int
        The sizes before and after.
    kernel_size, dilation : int
        The window.
    padding : int, (int, int) or "valid"
        Elements on each side.

    Returns
    -------
    Solutions
        The strides; none if no stride does. For a single output any large stride does: those up to the padded
        input are listed.

    Raises
    ------
    TypeError, ValueError, OverflowError
        If an argument is not valid.

    Examples
    --------
    >>> list(solve_stride(227, 55, kernel_size=11))
    [Solution(value=4, exact=True)]
    >>> list(solve_stride(10, 2, kernel_size=3))  # doctest: +NORMALIZE_WHITESPACE
    [Solution(value=4, exact=False), Solution(value=5, exact=False),
     Solution(value=6, exact=False), Solution(value=7, exact=True)]
    """
    size = _as_int(input_size, "input_size", "an int >= 0", 0)
    output = _as_int(output_size, "output_size", "an int >= 1", 1)
    padded = size + sum(_sides(padding))
    slack = padded - effective_kernel_size(kernel_size, dilation)
    if slack < 0:
        return Solutions(range(0), range(0))
    first = slack // output + 1
    if output == 1:
        values = range(first, padded + 1)
        return Solutions(values, values if slack == 0 else range(0))
    values = range(first, max(slack // (output - 1) + 1, first))
    return Solutions(values, _only(values, slack // (output - 1) if slack % (output - 1) == 0 else 0))


def solve_padding(
    input_size: int, output_size: int, kernel_size: int, stride: int = 1, dilation: int = 1
) -> Solutions:
    """Return the paddings, the same on both sides, for which a convolution gives the wanted output size.

    Parameters
    ----------
    input_size, output_size : int
        The sizes before and after.
    kernel_size, stride, dilation : int
        The window.

    Returns
    -------
    Solutions
        The paddings of one side; none if no equal padding of both sides does.

    Raises
    ------
    TypeError, ValueError, OverflowError
        If an argument is not valid.

    Examples
    --------
    >>> list(solve_padding(224, 224, kernel_size=3))
    [Solution(value=1, exact=True)]
    >>> list(solve_padding(224, 112, kernel_size=7, stride=2))
    [Solution(value=3, exact=False)]
    """
    size = _as_int(input_size, "input_size", "an int >= 0", 0)
    output = _as_int(output_size, "output_size", "an int >= 1", 1)
    step = _as_int(stride, "stride", "an int >= 1", 1)
    # Totals in [total, total + stride) do, the first of them exact; each side is half of an even one.
    total = (output - 1) * step + effective_kernel_size(kernel_size, dilation) - size
    first = max(-(-total // 2), 0)
    values = range(first, max((total + step - 1) // 2 + 1, first))
    return Solutions(values, _only(values, total // 2 if total % 2 == 0 else -1))
