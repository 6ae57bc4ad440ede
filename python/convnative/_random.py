"""The one default source of random numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ._typing import RandomSource

# A Generator holds its bit generator's lock while it draws, so threads may share this one; which
# thread gets which numbers then depends on their timing. Replacing it is one atomic assignment.
_default = np.random.default_rng()


def manual_seed(seed: int) -> np.random.Generator:
    """
    Restart the default random generator from a seed.

    Everything random in convnative (initial weights, dropout, shuffled batches) draws from it unless it
    is given its own ``rng``. For reproducible numbers in several threads, give each thread its own.

    Parameters
    ----------
    seed : int
        A number >= 0.

    Returns
    -------
    numpy.random.Generator
        The new default generator.

    Examples
    --------
    >>> import convnative as cn
    >>> _ = cn.manual_seed(0)
    >>> first = cn.init.normal((2, 2))
    >>> _ = cn.manual_seed(0)
    >>> bool((cn.init.normal((2, 2)) == first).all())
    True
    """
    global _default
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
        raise TypeError(f"seed: expected an int >= 0, received {seed!r}")
    if seed < 0:
        raise ValueError(f"seed: expected an int >= 0, received {seed}")
    generator = np.random.default_rng(seed)
    _default = generator
    return generator


def generator(rng: RandomSource) -> np.random.Generator:
    """Return the generator that an ``rng`` argument means."""
    if rng is None:
        return _default
    if isinstance(rng, np.random.Generator):
        return rng
    if isinstance(rng, bool) or not isinstance(rng, (int, np.integer)):
        raise TypeError(
            f"rng: expected a numpy.random.Generator, an int seed or None, received {type(rng).__name__}"
        )
    if rng < 0:
        raise ValueError(f"rng: expected a seed >= 0, received {rng}")
    return np.random.default_rng(rng)
