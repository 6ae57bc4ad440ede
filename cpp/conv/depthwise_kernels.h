// The kernel table of depthwise convolution: what the drivers call and the ISA sources provide.
//
// Neighbouring columns of a result are the lanes of a vector; nothing is copied, packed or padded in memory.
//
// Correlation (forward and gradient in the input). A tile holds `rows` accumulators of one vector each. A source
// row is loaded once for all row taps of a piece: with w[0 .. n) the taps of one column,
//
//   for i in [0, rows + n - 1):  x = row i of the source;  for r:  accumulator[i - r] += w[r] * x
//
// Row taps whose distance is the accumulators' make up a chain. With rows that are `step` apart from point to
// point and `tap_step` from tap to tap, those are every (step / g)-th tap, g = gcd(step, tap_step), for
// accumulators that are tap_step / g points apart: strided and dilated kernels run like dense ones. Long chains
// are cut into pieces; a kernel adds one piece to a row of tiles.
//
//   result[point] = start + sum over (plane, depth tap, chain, piece of the chain, column tap, row tap) of
//                   weight[tap] * source[point * step + first + tap * tap_step]
//
// is one chain of fused multiply-adds in that order (two neighbouring column taps take turns where the columns'
// step is 2 and their taps are neighbours), whatever the tile and its vectors. What lies outside of the source
// counts as zero and is never read.
//
// Walks (forward and gradient in the input, of the common kernels). One vector of columns of all row taps and all
// column taps: a source row is loaded once, for all accumulators that it meets, which move on as rows go by; rows
// have a step of 1, or 2 where the columns have. A walk may have any height. With AVX-512 two planes share a vector whose
// halves hold their columns, and 5 x 5 and 7 x 7 taps go down two vectors at a time. Results are chains too, the same
// ones:
//
//   result[point] = start + sum over (plane, depth tap, row tap, column tap) of weight[tap] * source[...]
//
// Sums of products (gradient in the weights). Each tap has a vector of sums, all in registers while the kernel
// walks down the rows; each row of the source and of grad_output is loaded once for all of them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "convnative/types.h"

namespace convnative {

// Tap t of point p is at p * step + first + t * tap_step of one axis of the source; taps rise with t.
struct DepthwiseAxis {
  std::int64_t extent;  // of the source
  std::int64_t points;
  std::int64_t step, first;
  std::int64_t taps, tap_step;
  std::ptrdiff_t pitch;        // elements from place to place in the source
  std::ptrdiff_t weight_step;  // elements from tap to tap in the weights

  std::int64_t at(std::int64_t point) const { return point * step + first; }
  // Whether every tap of the points from `at` on, `span` places in all, lies in the source.
  bool inside(std::int64_t at, std::int64_t span) const {
    return at >= 0 && at < extent && span + (taps - 1) * tap_step < extent - at;
  }
};

// One piece of a chain, added to a row of tiles.
template <class T>
struct DepthwisePiece {
  // The source's plane at the taps' depth; `extent` rows, or 0 where that depth lies outside.
  const T* source;
  std::int64_t extent;
  std::ptrdiff_t pitch;
  std::int64_t row;            // under the piece's first tap, of the first accumulator; may lie outside
  std::int64_t chain_step;     // rows from accumulator to accumulator and from tap to tap
  std::ptrdiff_t chain_pitch;  // the same in elements
  const T* weight;             // the piece's first row tap, the first column tap
  std::ptrdiff_t chain_weight_step, column_weight_step;
  const DepthwiseAxis* column;
  std::int64_t begin, end;  // points in a row
  std::int64_t full_begin,
      full_end;          // those all of whose taps and rows lie in the source, with what is loaded beside
  std::int64_t advance;  // points from tile to tile: `lanes`, or more where accumulators share a row
  const T* start;        // of every sum; null: what the result holds
  T* result;             // of point `begin` of the first accumulator
  std::ptrdiff_t result_step;       // from accumulator to accumulator
  std::int64_t row_begin, row_end;  // of the accumulators that exist
  // For walks: this many planes of results, each from one plane of the source, and the distances between them.
  std::int64_t planes;
  std::ptrdiff_t source_plane, weight_plane, start_plane, result_plane;
  bool far;  // source and result come from L3 or memory: they are asked for early
  // For walks of two columns: those in between, as many or one less; results are neighbours in memory.
  const DepthwiseAxis* odd_column;
  const T* odd_weight;
};

// Two heights of tiles.
inline constexpr int depthwise_tile_rows[] = {8, 4};
inline constexpr int depthwise_tile_heights = 2;

// The columns for which there are kernels: a step of 1; of 2, with neighbouring taps that share what they load;
// any other.
enum DepthwiseColumns { dense_columns, paired_columns, strided_columns };
inline constexpr int depthwise_columns_kinds = 3;

inline DepthwiseColumns depthwise_columns(const DepthwiseAxis& column) {
  if (column.step == 1) return dense_columns;
  return column.step == 2 && column.tap_step == 1 ? paired_columns : strided_columns;
}

// Row taps of a chain that are worked on together, of those that are left of it. Where the columns have a step,
// so have the rows as a rule, and chains are short.
constexpr int depthwise_chain_piece(DepthwiseColumns columns, std::int64_t left) {
  if (columns != dense_columns) return left == 4 ? 2 : left < 3 ? static_cast<int>(left) : 3;
  constexpr int pieces[] = {0, 1, 2, 3, 4, 5, 3, 7, 4, 5, 5, 5};
  return left < 12 ? pieces[left] : 7;
}
inline constexpr int depthwise_longest_piece = 7;

template <class T>
struct DepthwiseTileKernel {
  const char* name;  // f32_depthwise_stride1_avx512: type, family, columns' step, ISA
  bool full;         // reads tiles that lie in the source whole; then accumulators may share a row
  // By height and row taps - 1; null for those that depthwise_chain_piece never gives.
  void (*run[depthwise_tile_heights][depthwise_longest_piece])(const DepthwisePiece<T>&);
};

template <class T>
using DepthwiseWalk = void (*)(const DepthwisePiece<T>&);

// Kernels of size x size taps that walks are for.
inline constexpr int depthwise_walk_sizes[] = {3, 5, 7};
inline constexpr int depthwise_walk_kinds = 3;

// A strided gradient of 3 x 3 taps has places under one and under two taps of an axis, which take turns.
inline constexpr int depthwise_pair_rows = 2;

// Sums of one chain's row taps and some neighbouring column taps over a block of rows, of one image or of several.
template <class T>
struct DepthwiseSums {
  const T* grad_output;                    // row 0 of the block, column 0
  std::ptrdiff_t grad_pitch;               // from row to row of the block
  std::int64_t rows, columns;              // rows of the block; the column behind its last
  std::int64_t first_column, column_step;  // of the vectors
  const T* source;                         // the plane at the tap's depth; `extent` 0 where that lies outside
  std::int64_t images;
  std::ptrdiff_t grad_image, source_image;  // from image to image
  // What is brought near meanwhile: so far ahead of the block, of each vector of columns, and of each of its rows a line
  // or, with columns that have a step, four, unless that is 0.
  std::ptrdiff_t grad_ahead, source_ahead;
  std::ptrdiff_t grad_ahead_column, source_ahead_column, grad_ahead_row, source_ahead_row;
  // Two output channels that share what is read of the source: from plane to plane and from sums to sums.
  std::ptrdiff_t grad_second = 0, sums_second = 0;
  // From a plane to the one that takes the other half of the lanes, or 0; where the table has `twins`.
  std::ptrdiff_t grad_twin = 0, source_twin = 0;
  const DepthwiseAxis* column;
  std::int64_t row, extent;  // source row under the first tap of row 0; rows of the plane
  std::int64_t chain_step;   // source rows from row to row of the block, and from tap to tap
  std::ptrdiff_t pitch;
  std::int64_t column_tap;  // the first
  // Added to: [column tap][row tap], `sums_column` and `sums_row` elements apart, a vector each.
  T* sums;
  std::ptrdiff_t sums_column, sums_row;
};

inline constexpr int depthwise_most_columns = 8;

// Columns whose sums are kept apart: the lanes of the widest vectors.
template <class T>
inline constexpr std::int64_t depthwise_wide = 64 / static_cast<std::int64_t>(sizeof(T));

template <class T>
struct DepthwiseKernels {
  Isa isa;
  int lanes;
  DepthwiseTileKernel<T> tiles[depthwise_columns_kinds];
  // By depthwise_walk_sizes, for dense and paired columns. The piece is the whole kernel at one depth; chain_step is
  // that from source row to source row, and full_begin and full_end look at columns alone.
  DepthwiseWalk<T> walks[2][depthwise_walk_kinds];
  // By row taps - 1 and by the axis of columns that has two taps, the other having one; `start` is not null.
  DepthwiseWalk<T> pair_walks[depthwise_pair_rows][2];
  // low[2i] = even[i], low[2i + 1] = odd[i] for `columns` results.
  void (*interleave)(const T* even, const T* odd, std::int64_t columns, T* result);
  // [output channels - 1][columns][row taps - 1][column taps - 1], null where the registers do not suffice.
  using Sums = void (*)(const DepthwiseSums<T>&);
  Sums sums[2][depthwise_columns_kinds][depthwise_longest_piece][depthwise_most_columns];
  const char* sums_names[depthwise_columns_kinds];
  // Whether `sums` take two planes at a time, one in each half of the lanes, for dense and paired columns: where
  // grad_output's fit it and a row of the source fits a vector.
  bool twins;
  // result[i] = sums[i * depthwise_wide + 0] + ... of all its lanes, always in the same order; of twins result[i] and
  // result[count + i] of the two halves, as if the other half were zeros.
  void (*add_lanes)(const T* sums, std::int64_t count, double* result);
  void (*add_twin_lanes)(const T* sums, std::int64_t count, double* result);
};

template <class T>
const DepthwiseKernels<T>& depthwise_kernels(Isa isa);

}  // namespace convnative
