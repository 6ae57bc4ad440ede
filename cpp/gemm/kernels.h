// The kernel table of the matrix product: what the drivers call and the ISA sources provide.
//
// One micro-kernel serves every product in the core. It updates a tile of C, `rows` x `columns`:
//
//     C[i][j] (+)= sum over p < depth of  A(i, p) * B(p, j)
//
//   A(i, p) = a[i * a_row + p * a_inner]     any strided place, packed or the caller's array itself; broadcast
//   B(p, j) = b[p * vectors * lanes + j]     a packed panel, or b[p * b_row + j]: rows where they lie
//   C[i][j] = c[i * c_row + j]               rows contiguous
//
// * Each element of C is one chain of fused multiply-adds in the order of p, starting from C's value where
//   `accumulate`, else from row_start[i] (0 where row_start is null). Cutting the sum into several calls
//   therefore changes no bit, and neither does the tile's size.
// * With `add_last` as well, the chain starts from row_start[i] all the same and C's value is added at its end: a
//   long sum in parts rounds less than one chain.
// * With `accumulate` off, C is never read.
// * The kernel of a row of the table handles exactly `rows` rows, and columns in ((vectors - 1) * lanes,
//   vectors * lanes]; it touches C in the first `columns` columns only. B's panel is readable in full, its
//   columns from `columns` on may hold anything; of rows that lie elsewhere those columns alone are read.
// * No alignment is required; panels on cache lines are fastest.
#pragma once

#include <cstddef>
#include <cstdint>

#include "convnative/types.h"

namespace convnative {

template <class T>
struct GemmTile {
  const T* a;
  std::ptrdiff_t a_row, a_inner;
  const T* b;
  std::int64_t depth;
  T* c;
  std::ptrdiff_t c_row;
  std::int64_t columns;
  const T* row_start;
  bool accumulate;
  // What is read next, or null: with a_inner 1 some cache lines of it are brought near in every step of p, but where
  // B lies elsewhere and its last vector is a part of one.
  const T* next = nullptr;
  bool add_last = false;                      // with `accumulate` alone
  std::ptrdiff_t next_step = 64 / sizeof(T);  // elements from step to step
  int next_lines = 1;                         // of a step, one after the other
  std::ptrdiff_t b_row = 0;  // of B where it is no packed panel, else 0; with a_inner 1 alone
};

template <class T>
struct GemmKernel {
  const char* name;  // f32_gemm_8x48_avx512: type, family, rows x columns, ISA
  int rows;
  int vectors;  // columns / lanes
  void (*run)(const GemmTile<T>&);
};

// A run of lanes of an im2col vector whose source elements lie `step` apart in one row of the input.
// Lane l reads channel[source + l * step] where bit l of `lanes` is set; `source` may lie outside the
// channel.
struct Im2colRun {
  std::int64_t source;
  std::uint32_t lanes;
};

// Packs an im2col panel of channels * taps rows, `vectors` wide. `runs` holds for each tap and each of the
// panel's vectors `runs_per_vector[vector]` runs; lanes in no run hold `beside`.
template <class T>
struct Im2colPanel {
  const T* channel;
  std::ptrdiff_t channel_stride;
  std::int64_t channels;
  const Im2colRun* runs;
  const int* runs_per_vector;
  std::int64_t taps;
  std::ptrdiff_t step;
  T beside;
  int vectors;
  T* panel;
};

// Packs `count` rows of a panel from a matrix: panel[p * vectors * lanes + j] = source[p * row + j * column]
// for j < columns, zero from there on. One of `row`, `column` being 1 is the fast case.
template <class T>
struct MatrixPanel {
  const T* source;
  std::ptrdiff_t row, column;
  std::int64_t count;
  std::int64_t columns;
  int vectors;
  T* panel;
};

// The columns of a matrix, up to `lanes` of them, as rows: targets[i][j] = source[j * row + i] for j < rows, i < columns.
template <class T>
struct MatrixColumns {
  static constexpr std::size_t most = 16;  // the lanes of any level
  const T* source;
  std::ptrdiff_t row;
  std::int64_t rows, columns;
  T* const* targets;
};

// A matrix of runs of `length` elements, transposed: the run at target + i * target_row + j * length is that at
// source + j * row + i * length, for j < rows, i < columns. Targets are written in ascending order of j, and past their
// runs where further ones follow.
template <class T>
struct MatrixRuns {
  const T* source;
  std::ptrdiff_t row;
  std::int64_t rows, columns, length;
  T* target;
  std::ptrdiff_t target_row;
};

// Rows of results, element by element: target[j * rows + i] = source[i * row + j] for i < rows, j < columns.
// 2, 4, 8 and 16 rows are the fast cases.
template <class T>
struct InterleavedRows {
  const T* source;
  std::ptrdiff_t row;
  std::int64_t rows, columns;
  T* target;
};

// Pieces of rows: target[i * target_row + j] = source[i * source_row + j] for i < rows, j < columns.
template <class T>
struct CopiedRows {
  const T* source;
  std::ptrdiff_t source_row;
  std::int64_t rows, columns;
  T* target;
  std::ptrdiff_t target_row;
};

template <class T>
struct GemmKernels {
  Isa isa;
  int lanes;        // elements in a vector
  int max_rows;     // MR
  int max_vectors;  // NR / lanes
  // rows[(rows - 1) * max_vectors + vectors - 1]: every tile up to MR x NR has its own kernel, so that edges
  // cost what they compute.
  const GemmKernel<T>* table;
  // Up to this step pack_im2col loads vectors; elements farther apart are gathered one by one.
  std::ptrdiff_t max_loaded_step;
  void (*pack_im2col)(const Im2colPanel<T>&);
  void (*pack_matrix)(const MatrixPanel<T>&);
  void (*transpose_columns)(const MatrixColumns<T>&);
  void (*transpose_runs)(const MatrixRuns<T>&);
  bool (*interleave)(const InterleavedRows<T>&);  // answers whether all elements are finite
  void (*copy_rows)(const CopiedRows<T>&);

  int table_size() const { return max_rows * max_vectors; }
  const GemmKernel<T>& kernel(int rows, int vectors) const {
    return table[(rows - 1) * max_vectors + vectors - 1];
  }
};

template <class T>
const GemmKernels<T>& gemm_kernels(Isa isa);

}  // namespace convnative
