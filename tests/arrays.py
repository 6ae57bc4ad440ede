"""What the tests share: data, comparison bit for bit and by bounds, memory layouts, covering designs."""

import zlib
from fractions import Fraction
from itertools import combinations, product

import numpy as np

UNIT_ROUNDOFF = {np.dtype(np.float32): Fraction(1, 2**24), np.dtype(np.float64): Fraction(1, 2**53)}


# -- data -------------------------------------------------------------------------------------


def generator(*key):
    """A random generator that depends on the key alone, whichever test runs first."""
    return np.random.default_rng(zlib.crc32(repr(key).encode()))


def small_integers(rng, shape, largest=4):
    """Integers so small that every sum in these tests is exact in float32."""
    return rng.integers(-largest, largest + 1, shape)


# -- comparison -------------------------------------------------------------------------------


def assert_same_bits(actual, expected, context=""):
    """The arrays agree in type, shape and every bit, except that one NaN is as good as another."""
    assert isinstance(actual, np.ndarray), (type(actual), context)
    assert actual.dtype == expected.dtype, (actual.dtype, expected.dtype, context)
    assert actual.shape == expected.shape, (actual.shape, expected.shape, context)
    bits = np.dtype(f"u{expected.dtype.itemsize}")
    actual, expected = np.ascontiguousarray(actual), np.ascontiguousarray(expected)
    different = (actual.view(bits) != expected.view(bits)) & ~(np.isnan(actual) & np.isnan(expected))
    if different.any():
        where = tuple(int(i) for i in np.argwhere(different)[0])
        raise AssertionError(
            f"{different.sum()} of {different.size} elements differ, first at {where}: "
            f"{actual[where]!r}, expected {expected[where]!r}; {context}"
        )


def assert_exact(actual, expected, dtype, context=""):
    """`actual` is the exact result `expected`, rounded once to `dtype`."""
    assert_same_bits(actual, np.asarray(expected).astype(dtype), context)


def gamma(count, dtype):
    """The relative error bound of `count` roundings in a row (Higham, Accuracy and Stability, 3.1)."""
    u = UNIT_ROUNDOFF[np.dtype(dtype)]
    return count * u / (1 - count * u)


def assert_within(actual, expected, bound, context=""):
    """|actual - expected| <= bound, componentwise, in the type of `expected`."""
    assert actual.shape == expected.shape, (actual.shape, expected.shape, context)
    error = np.abs(actual.astype(expected.dtype) - expected)
    beyond = ~(error <= bound)
    if beyond.any():
        where = tuple(int(i) for i in np.argwhere(beyond)[0])
        raise AssertionError(
            f"{beyond.sum()} of {beyond.size} elements beyond the bound, first at {where}: "
            f"{actual[where]!r}, expected {expected[where]!r}, "
            f"error {error[where]}, bound {np.broadcast_to(bound, error.shape)[where]}; {context}"
        )


# -- memory layouts ---------------------------------------------------------------------------


def _misaligned(array):
    """The array one byte into a buffer, so that no element lies on a multiple of its size."""
    buffer = np.empty(array.nbytes + 1, np.uint8)
    moved = buffer[1:].view(array.dtype).reshape(array.shape)
    moved[...] = array
    return moved


def _reversed(array):
    """Negative strides along every axis."""
    back = (slice(None, None, -1),) * array.ndim
    return np.ascontiguousarray(array[back])[back]


def _sliced(array):
    """Every second element of an array twice as long along each axis; NaN lies in between."""
    larger = np.full([2 * size + 1 for size in array.shape], np.nan, array.dtype)
    view = larger[tuple(slice(1, 2 * size + 1, 2) for size in array.shape)]
    view[...] = array
    return view


def _interior(array):
    """The middle of an array one larger on every side, so that rows are contiguous and apart; NaN around."""
    larger = np.full([size + 2 for size in array.shape], np.nan, array.dtype)
    view = larger[(slice(1, -1),) * array.ndim]
    view[...] = array
    return view


def _broadcast(array):
    """The array behind a stride of 0 along its first axis, where its values allow it."""
    return np.broadcast_to(array[:1], array.shape) if array.ndim and (array == array[:1]).all() else array


def _read_only(array):
    frozen = array.copy()
    frozen.flags.writeable = False
    return frozen


def layouts(array):
    """Yield (name, array with the same values) for each way that NumPy can hold an array in memory."""
    yield "transposed", np.ascontiguousarray(array.T).T
    yield "channels last", np.moveaxis(np.ascontiguousarray(np.moveaxis(array, -1, 0)), 0, -1)
    yield "reversed", _reversed(array)
    yield "sliced", _sliced(array)
    yield "interior", _interior(array)
    yield "misaligned", _misaligned(array)
    yield "byte-swapped", array.astype(array.dtype.newbyteorder())
    yield "misaligned and byte-swapped", _misaligned(array.astype(array.dtype.newbyteorder()))
    yield "read-only", _read_only(array)
    yield "broadcast", _broadcast(array)
    yield "subclass", array.view(_Subclass)


class _Subclass(np.ndarray):
    """A subclass without behaviour of its own."""


# -- covering designs -------------------------------------------------------------------------


def covering(factors, strength=2, tries=12, key=0):
    """Rows in which every combination of values of every `strength` factors occurs.

    Greedy: each row starts from a combination still missing and takes, out of `tries` completions, the one
    that covers most others. `factors` maps a name to its values; a row maps a name to one value.
    """
    rng = generator("covering", key)
    names = list(factors)
    missing = {
        (chosen, levels)
        for chosen in combinations(range(len(names)), strength)
        for levels in product(*(range(len(factors[names[i]])) for i in chosen))
    }
    order = sorted(missing)
    rng.shuffle(order)
    rows = []
    for chosen, levels in ((tuple(map(int, c)), tuple(map(int, v))) for c, v in order):
        if (chosen, levels) not in missing:
            continue
        best, best_new = None, None
        for _ in range(tries):
            row = [int(rng.integers(len(factors[name]))) for name in names]
            for i, level in zip(chosen, levels, strict=True):
                row[i] = level
            new = {
                (subset, tuple(row[i] for i in subset))
                for subset in combinations(range(len(names)), strength)
            } & missing
            if best is None or len(new) > len(best_new):
                best, best_new = row, new
        missing -= best_new
        rows.append({name: factors[name][level] for name, level in zip(names, best, strict=True)})
    return rows
