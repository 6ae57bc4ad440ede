// The kernel table of pooling: what the drivers call and the ISA sources provide.
//
// One loop serves every pool. It reduces, for each output column in [begin, end), the elements under the
// window
//
//     source[d * depth_step + r * row_step + column * stride - pad + s * dilation]
//                                       d < depths, r < rows, s < kernel, in this order, s running fastest
//
// of which those outside [0, width) along the columns are padding and take no part; rows and depths are
// clipped by the driver. The families:
//
//   max     result[column - begin] = the maximum; NaN where there is one, the first of equal elements, else
//           -infinity
//   sum     result[column - begin] = the sum, one chain of additions in the order above that starts from +0
//   argmax  result[column - begin] = the number (TapNumbers) of the tap of the last NaN, else of the first
//           maximum; -1 for an empty window. Every number must fit PoolIndex<T>.
//   taps    the same for numbers up to most_taps, as bytes, 255 for an empty window; `values`, unless they are
//           null, get the maxima
//
// * Only elements of the rows are read, no alignment is required, `pad` may be negative.
// * A row of the table serves one stride, `stride`, or every stride where that is 0.
// * The bits of a result do not depend on the level.
//
// `divide` sets result[i] = source[i] / (row * divisors.columns[begin + i]); the two may be the same array.
//
// `add_shares` does row[start + i * stride] += shares[i] for those i < count for which that lies in [0, width). It
// serves strides 1 and 2.
//
// `spread_pairs` gives the values of a row of windows of stride 2 without padding to one row of elements:
// row[2 i + s] = values[i] where taps[i] is number + s, s being 0 or 1, and 0 elsewhere in [0, width).
//
// `interleave` sets result[2 i] = even[i] and result[2 i + 1] = odd[i] for i < count.
//
// Kernels that reduce `count` elements in a row, whatever their number, one or several rows at once:
//
//   sum_range  their sum in an order that `count` alone fixes, of at most 16 elements at a time in T and then in
//              float64
//   mean_planes  for each of `planes` planes that follow on each other that sum over their number
//   sum_rows   sums[i] = the sum in float64 of source[d * depth_step + r * row_step + i], r running fastest
//   max_range  the largest; NaN where there is one, -infinity for none. Of zeros of both signs it is either.
//
// PoolSquares: windows of two rows and two columns side by side, without padding, reduced as above. `begin` and `end`
// count rows of windows through the planes, which follow on each other. Nothing outside of [source, source_end) is read,
// nothing but the results of those rows is written.
//
// PoolSquareShares: their adjoint. Every element of a window becomes +0 + its share over `divisor`, those under no window,
// the last of odd sizes, +0. The rows of elements from the first under row `begin` up to the first under row `end` are
// written, nothing else.
//
// PoolLanes: small planes, whose rows fill no vectors, are pooled with PLANES IN THE LANES. A block holds as many
// planes as a vector has lanes, point by point: element `point` of plane `l` lies at block[point * lanes + l].
// Offsets, steps and counts are in points. A window is any set of points that three spans and three steps
// describe, so that one loop serves every stride, padding, dilation and adaptive pool.
//
//   load      block[point * lanes + l] = source[l * plane_step + point] for point < count; lanes from `planes` on
//             repeat the last plane. The block has room for `lanes` points more. Returns false where no element
//             is a NaN; true promises nothing.
//   store     the inverse, for lanes below `planes`
//   max       the maximum of every window, as above; `max[0]` where there is no NaN
//   argmax    the same, and where: the number of the tap, -1 for an empty window
//   sum       the sum, as above, over row_divisors[y] * column_divisors[x] unless they are null
//   mean      sums in float64, of each column of the window over depths and rows and then of those, over their
//             number
//   share     shares[(y * columns + x) * lanes + l] = the same quotient of float64
//   sum_shares  sums of shares in the order of `mean`
//   repeat    row[point * lanes + l] = values[i * lanes + l] for the points of runs[i]
//   divide    block[(y * columns + x) * lanes + l] /= row_divisors[y] * column_divisors[x]
#pragma once

#include <cstddef>
#include <cstdint>

#include "convnative/types.h"

namespace convnative {

// What lies under a window along an axis: points, or rows. The taps before the first lie in the padding.
struct LaneSpan {
  std::int64_t first, count;
  std::int64_t taps_before = 0;
};

// The number of tap s of row r at depth d: first + d * depth + r * row + s * column.
struct TapNumbers {
  std::int64_t first = 0;
  std::ptrdiff_t depth = 0, row = 0, column = 0;
};
inline constexpr int most_taps = 255;

// How the windows lie along the columns. The windows of columns in [full_begin, full_end) hold no padding.
struct PoolColumns {
  std::int64_t width;  // elements in a row of the source
  std::int64_t kernel, stride, dilation, pad;
  std::int64_t full_begin, full_end;
};

template <class T>
struct PoolRow {
  const PoolColumns* columns;
  const T* source;  // column 0 of the window's first row
  std::int64_t depths;
  std::ptrdiff_t depth_step;
  std::int64_t rows;
  std::ptrdiff_t row_step;
  std::int64_t begin, end;
  TapNumbers numbers = {};
};

// What sums are divided by: rows[y] * columns[column] for the windows of row `y`. `columns` has room for a vector
// more.
template <class T>
struct PoolDivisors {
  const T* rows = nullptr;
  const T* columns = nullptr;
  T whole = 1;                                // the factor of columns of which all taps count
  std::int64_t full_begin = 0, full_end = 0;  // which they are
};

// One row of windows after the other; sums are divided where there are divisors.
template <class T>
struct PoolRows {
  const PoolColumns* columns;
  const T* source;       // column 0 of the first depth under the windows
  const LaneSpan* rows;  // rows of the source under each row of windows
  std::int64_t row_count;
  std::int64_t width;  // of a row of the source
  std::int64_t depths;
  std::ptrdiff_t depth_step;
  std::ptrdiff_t row_step;
  std::int64_t begin, end;
  std::ptrdiff_t result_step;
  PoolDivisors<T> divisors = {};
  TapNumbers numbers = {};
  T* values = nullptr;  // of the maxima, as the results lie
  // Elements of the source from one row of windows to the next, where it is far away and asked for early; else 0.
  std::int64_t far_step = 0;
};

template <class T>
struct PoolDivide {
  const T* source;
  T* result;
  std::int64_t begin, end;
  T row;
  PoolDivisors<T> divisors;
};

// As wide as T, so that indices and values move in step.
template <class T>
struct PoolIndexOf {
  using Type = std::int32_t;
};
template <>
struct PoolIndexOf<double> {
  using Type = std::int64_t;
};
template <class T>
using PoolIndex = typename PoolIndexOf<T>::Type;

template <class T>
struct PoolShares {
  const T* shares;
  std::int64_t count;
  T* row;
  std::int64_t width, start, stride;
};

template <class T>
struct PoolPairs {
  const std::uint8_t* taps;
  const T* values;
  std::int64_t count;
  T* row;
  std::int64_t width;
  PoolIndex<T> number;
};

// A row of elements under windows one apart. Column x + s of row r of `taps` and `values` is the window that has
// element x for its tap of number (rows - 1 - r) * columns + columns - 1 - s; both are readable for a vector more than
// `width` + `columns` - 1 columns.
template <class T>
struct PoolTapRow {
  const std::uint8_t* taps;
  const T* values;
  std::ptrdiff_t pitch;
  std::int64_t rows, columns;  // of a window
  T* row;
  std::int64_t width;
};

template <class T>
struct PoolSquares {
  const T* source;  // of the first plane
  const T* source_end;
  std::int64_t height, width;  // of a plane of the source
  std::int64_t rows, columns;  // of windows, in a plane
  std::int64_t begin, end;
  T* result;  // of the first plane
  T divisor;  // of sums
};

template <class T>
struct PoolSquareShares {
  const T* shares;             // of the first plane
  T* elements;                 // of the first plane
  std::int64_t height, width;  // of a plane of elements
  std::int64_t rows, columns;  // of windows, in a plane
  std::int64_t begin, end;
  T divisor;
};

template <class T>
struct LaneWindows {
  const LaneSpan* rows;
  const LaneSpan* columns;
  std::int64_t row_count, column_count;
  std::int64_t first_row;  // that the block holds
  std::int64_t width;      // points in a row of the block
  std::int64_t depths;
  std::ptrdiff_t depth_step, row_step, column_step;
  TapNumbers numbers = {};
  const T* row_divisors = nullptr;
  const T* column_divisors = nullptr;

  // A window's first point.
  std::ptrdiff_t start(const LaneSpan& row, const LaneSpan& column) const {
    return (row.first - first_row) * width + column.first;
  }
};

template <class T>
struct PoolLanes {
  const char* max_name;
  const char* argmax_name;
  const char* sum_name;
  const char* mean_name;
  bool (*load)(const T* source, std::ptrdiff_t plane_step, std::int64_t planes, std::int64_t count, T* block);
  void (*store)(const T* block, std::int64_t count, T* result, std::ptrdiff_t plane_step,
                std::int64_t planes);
  void (*max[2])(const LaneWindows<T>&, const T* block, T* result);
  void (*argmax[2])(const LaneWindows<T>&, const T* block, T* result, PoolIndex<T>* where);
  void (*sum)(const LaneWindows<T>&, const T* block, T* result);
  void (*mean)(const LaneWindows<T>&, const T* block, T* result);
  void (*share)(const T* block, std::int64_t rows, std::int64_t columns, const double* row_divisors,
                const double* column_divisors, double* shares);
  void (*sum_shares)(const LaneWindows<double>&, const double* shares, T* result);
  void (*repeat)(const T* values, const LaneSpan* runs, std::int64_t count, T* row);
  void (*divide)(T* block, std::int64_t rows, std::int64_t columns, const T* row_divisors,
                 const T* column_divisors);
};

template <class T, class Result>
struct PoolKernel {
  const char* name;  // f32_max_pool_row_stride2_avx512: type, family, stride, ISA
  int stride;        // 0: any
  void (*run_rows)(const PoolRows<T>&, Result* result);  // row y at result + y * result_step

  void run(const PoolRow<T>& row, Result* result) const {
    const LaneSpan rows{0, row.rows};
    run_rows({.columns = row.columns,
              .source = row.source,
              .rows = &rows,
              .row_count = 1,
              .width = 0,
              .depths = row.depths,
              .depth_step = row.depth_step,
              .row_step = row.row_step,
              .begin = row.begin,
              .end = row.end,
              .result_step = 0,
              .numbers = row.numbers},
             result);
  }
};

// The strides that have a row of their own come first, the row for any stride last.
inline constexpr int pool_strides = 3;

template <class T>
struct PoolKernels {
  Isa isa;
  int lanes;  // elements in a vector
  PoolKernel<T, T> max[pool_strides];
  PoolKernel<T, T> sum[pool_strides];
  PoolKernel<T, PoolIndex<T>> argmax[pool_strides];
  PoolKernel<T, std::uint8_t> taps[pool_strides];
  const char* max_squares_name;
  void (*max_squares)(const PoolSquares<T>&);
  const char* sum_squares_name;
  void (*sum_squares)(const PoolSquares<T>&);
  const char* spread_squares_name;
  void (*spread_squares)(const PoolSquareShares<T>&);
  const char* divide_name;
  void (*divide)(const PoolDivide<T>&);
  const char* sum_range_name;
  double (*sum_range)(const T* source, std::int64_t count);
  const char* mean_planes_name;
  void (*mean_planes)(const T* source, std::int64_t planes, std::int64_t count, T* result);
  const char* sum_rows_name;
  void (*sum_rows)(const T* source, std::int64_t depths, std::ptrdiff_t depth_step, std::int64_t rows,
                   std::ptrdiff_t row_step, std::int64_t count, double* sums);
  const char* max_range_name;
  T (*max_range)(const T* source, std::int64_t count);
  const char* add_shares_name;
  void (*add_shares)(const PoolShares<T>&);
  void (*spread_pairs)(const PoolPairs<T>&);
  void (*gather_taps)(const PoolTapRow<T>&);
  void (*interleave)(const T* even, const T* odd, std::int64_t count, T* result);
  PoolLanes<T> planes;
};

template <class T>
const PoolKernels<T>& pool_kernels(Isa isa);

// The kernel of a family for a stride.
template <class T, class Result>
const PoolKernel<T, Result>& for_stride(const PoolKernel<T, Result> (&family)[pool_strides],
                                        std::int64_t stride) {
  int row = 0;
  while (family[row].stride != 0 && family[row].stride != stride) ++row;
  return family[row];
}

}  // namespace convnative
