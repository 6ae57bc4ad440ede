"""Every row of the micro-kernel table, on every tail of its tile."""

from fractions import Fraction

import numpy as np
import pytest

from arrays import assert_exact, assert_same_bits, generator, small_integers
from convnative import _core

KERNELS = _core.gemm_kernels()
DEPTHS = [*range(10), 15, 16, 17, 31, 32, 33, 63, 64, 65, 70]


@pytest.fixture(params=KERNELS, ids=lambda row: row["name"])
def kernel(request):
    return request.param


def widths(kernel):
    """The numbers of columns that the kernel serves: those that end in its last vector."""
    return range(kernel["columns"] - kernel["lanes"] + 1, kernel["columns"] + 1)


def run(kernel, a, b, c):
    """c + a @ b, by the kernel."""
    result = np.array(c, kernel["dtype"])
    _core.run_gemm_kernel(kernel["name"], a.astype(kernel["dtype"]), b.astype(kernel["dtype"]), result)
    return result


def check(kernel, n, k):
    rng = generator(kernel["name"], n, k)
    a, b, c = (small_integers(rng, shape) for shape in ((kernel["rows"], k), (k, n), (kernel["rows"], n)))
    assert_exact(run(kernel, a, b, c), c + a @ b, kernel["dtype"], (kernel["name"], n, k))


def test_the_table():
    """Names are unique and say type, tile and ISA."""
    names = [row["name"] for row in KERNELS]
    assert len(set(names)) == len(names)
    for row in KERNELS:
        prefix = {"float32": "f32", "float64": "f64"}[row["dtype"]]
        assert row["name"] == f"{prefix}_gemm_{row['rows']}x{row['columns']}_{row['isa']}"
    assert {row["isa"] for row in KERNELS} == set(_core.available_isas())


@pytest.mark.parametrize("isa", _core.available_isas())
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_table_has_every_tile_up_to_the_largest(isa, dtype):
    """So that every edge of a matrix has a kernel of its own."""
    rows = [row for row in KERNELS if (row["isa"], row["dtype"]) == (isa, dtype)]
    (lanes,) = {row["lanes"] for row in rows}
    tiles = {(row["rows"], row["columns"]) for row in rows}
    most_rows, most_columns = map(max, zip(*tiles, strict=True))
    expected = {(m, n) for m in range(1, most_rows + 1) for n in range(lanes, most_columns + 1, lanes)}
    assert tiles == expected
    assert len(rows) == len(expected)


def test_every_tail_at_every_depth(kernel):
    for n in widths(kernel):
        for k in DEPTHS:
            check(kernel, n, k)


def test_every_depth(kernel):
    for k in range(71):
        for n in (widths(kernel)[0], kernel["columns"]):
            check(kernel, n, k)


def test_what_lies_beyond_the_columns_stays(kernel):
    """C within a larger array, so that a store of a whole vector would be seen."""
    for n in widths(kernel):
        buffer = np.full(kernel["rows"] * n + 64, 7, kernel["dtype"])
        c = buffer[: kernel["rows"] * n].reshape(kernel["rows"], n)
        a, b = (np.ones(shape, kernel["dtype"]) for shape in ((kernel["rows"], 3), (3, n)))
        _core.run_gemm_kernel(kernel["name"], a, b, c)
        assert (c == 10).all(), n
        assert (buffer[c.size :] == 7).all(), n


def test_one_element_goes_where_it_belongs(kernel):
    """Each element of the tile alone, so that a transposed or shifted store cannot cancel out."""
    rows, columns, dtype = kernel["rows"], kernel["columns"], kernel["dtype"]
    for i in range(rows):
        for j in range(columns):
            a, b = np.zeros((rows, 3)), np.zeros((3, columns))
            a[i, 1], b[1, j] = 2, 3
            expected = np.zeros((rows, columns), dtype)
            expected[i, j] = 6
            assert_same_bits(run(kernel, a, b, np.zeros((rows, columns))), expected, (i, j))


def test_nan_stays_in_its_row_and_column(kernel):
    rows, columns, dtype = kernel["rows"], kernel["columns"], kernel["dtype"]
    a, b = np.ones((rows, 4)), np.ones((4, columns))
    a[rows // 2, 2] = np.nan
    b[1, columns // 3] = np.nan
    expected = np.full((rows, columns), 4, dtype)
    expected[rows // 2, :] = expected[:, columns // 3] = np.nan
    assert_same_bits(run(kernel, a, b, np.zeros((rows, columns))), expected)


def test_sums_run_in_the_order_of_k(kernel):
    """One fused multiply-add per product, in order: the same bits as the definition with exact arithmetic."""
    if kernel["isa"] == "baseline":
        pytest.skip("the baseline need not fuse the multiplication and the addition")
    dtype = np.dtype(kernel["dtype"])
    rng = generator("order", kernel["name"])
    a = rng.standard_normal((kernel["rows"], 40)).astype(dtype)
    b = rng.standard_normal((40, kernel["columns"])).astype(dtype)
    expected = np.zeros((kernel["rows"], kernel["columns"]), dtype)
    for i, j in np.ndindex(expected.shape):
        expected[i, j] = _fused_dot(a[i], b[:, j], dtype)
    assert_same_bits(run(kernel, a, b, np.zeros_like(expected)), expected)


def _fused_dot(x, y, dtype):
    """A chain of fused multiply-adds, each rounded once, from exact rationals."""
    total = dtype.type(0)
    for p, q in zip(x, y, strict=True):
        total = _rounded(Fraction(float(total)) + Fraction(float(p)) * Fraction(float(q)), dtype)
    return total


def _rounded(value, dtype):
    """The rational correctly rounded to the type: of the neighbours of a guess, the nearest, ties to even."""
    guess = dtype.type(float(value))
    candidates = [guess, np.nextafter(guess, dtype.type(np.inf)), np.nextafter(guess, dtype.type(-np.inf))]
    integer = np.dtype(f"u{dtype.itemsize}")
    return min(candidates, key=lambda c: (abs(Fraction(float(c)) - value), int(c.view(integer)) & 1))
