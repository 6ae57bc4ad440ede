// Dense matrix product on the core's micro-kernels.
#pragma once

#include <cstddef>
#include <cstdint>

#include "convnative/types.h"

namespace convnative {

// C (m x n, rows contiguous, c_row apart) = A (m x k) * B (k x n) + bias (may be null).
// A(i, p) = a[i * a_row + p * a_column], B(p, j) = b[p * b_row + j * b_column]: transposes are strides.
// Column j is given bias[j / bias_run].
// Each element of C is one chain of multiply-adds in the order of p, on top of its bias. With `in_parts` it is the sum
// of chains over parts of k that k alone decides on, for long sums, which round less so; without bias.
template <class T>
struct Matmul {
  std::int64_t m, n, k;
  const T* a;
  std::ptrdiff_t a_row, a_column;
  const T* b;
  std::ptrdiff_t b_row, b_column;
  const T* bias;
  T* c;
  std::ptrdiff_t c_row;
  std::int64_t bias_run = 1;
  bool in_parts = false;
};

// C must not overlap the operands. Allocates its workspace (a panel per thread); std::bad_alloc.
template <class T>
void matmul(const Matmul<T>& product, Isa isa);

// sums[j] = the sum of column j of a contiguous matrix (m x n), in float64 and the order of the rows.
template <class T>
void column_sums(std::int64_t m, std::int64_t n, const T* matrix, T* sums);

}  // namespace convnative
