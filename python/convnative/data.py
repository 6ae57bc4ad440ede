"""Iterating over data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ._checks import integer
from ._random import generator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._typing import Array, RandomSource

__all__ = ["Batches", "batches"]


class Batches:
    """
    Equal slices of several arrays, as often as they are iterated over; made by `batches`.

    ``len()`` is the number of batches.
    """

    def __init__(
        self, arrays: tuple[Array, ...], size: int, shuffle: bool, drop_last: bool, rng: RandomSource
    ) -> None:
        self._arrays = arrays
        self._size = size
        self._shuffle = shuffle
        self._drop_last = drop_last
        self._rng = rng

    def __len__(self) -> int:
        full, rest = divmod(len(self._arrays[0]), self._size)
        return full + (rest > 0 and not self._drop_last)

    def __iter__(self) -> Iterator[tuple[Array, ...]]:
        order = generator(self._rng).permutation(len(self._arrays[0])) if self._shuffle else None
        for batch in range(len(self)):
            part = slice(batch * self._size, (batch + 1) * self._size)
            yield tuple(array[part if order is None else order[part]] for array in self._arrays)

    def __repr__(self) -> str:
        return f"Batches({len(self)} of size {self._size}, shuffle={self._shuffle})"


def batches(
    *arrays: Array, size: int, shuffle: bool = False, drop_last: bool = False, rng: RandomSource = None
) -> Batches:
    """
    Cut arrays into batches along their first axis.

    Parameters
    ----------
    *arrays : ndarray
        At least one, of any dtype, all with the same length.
    size : int
        Elements per batch.
    shuffle : bool, default False
        Whether every iteration goes through the elements in a new random order. Without it the batches
        are views.
    drop_last : bool, default False
        Whether to leave out a last batch that is smaller.
    rng : numpy.random.Generator or int, optional
        Source of the random order, or a seed for one; by default the generator of `manual_seed`. With a
        seed, the orders of one object differ from iteration to iteration but are the same for every
        object made with this seed.

    Returns
    -------
    Batches
        Iterable, any number of times, over tuples of one array per argument; it has a length.

    Raises
    ------
    TypeError
        If an argument is not an array or an int.
    ValueError
        If the lengths differ, an array has no axes, there is no array, or `size` is below 1.

    Examples
    --------
    >>> import numpy as np, convnative as cn
    >>> x, t = np.arange(5.0), np.arange(5)
    >>> for batch_x, batch_t in cn.data.batches(x, t, size=2):
    ...     print(batch_x, batch_t)
    [0. 1.] [0 1]
    [2. 3.] [2 3]
    [4.] [4]
    >>> len(cn.data.batches(x, t, size=2, drop_last=True))
    2
    """
    size = integer("size", size, 1)
    if not arrays:
        raise ValueError("arrays: expected at least one array, received none")
    for position, array in enumerate(arrays):
        if not isinstance(array, np.ndarray):
            raise TypeError(
                f"arrays: expected a numpy.ndarray at {position}, received {type(array).__name__}"
            )
        if array.ndim == 0:
            raise ValueError(f"arrays: expected at least one axis at {position}, received shape ()")
        if len(array) != len(arrays[0]):
            raise ValueError(
                f"arrays: expected the length {len(arrays[0])} of the first, "
                f"received {len(array)} at {position}"
            )
    if rng is not None:
        rng = generator(rng)
    return Batches(arrays, size, bool(shuffle), bool(drop_last), rng)
