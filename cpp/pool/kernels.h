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
//   argmax  result[column - begin] = where the last NaN, else the first maximum is, as an offset from
//           d = r = s = 0; -1 for an empty window. Every offset must fit PoolIndex<T>.
//
// * Only elements of the rows are read, no alignment is required, `pad` may be negative.
// * A row of the table serves one stride, `stride`, or every stride where that is 0.
// * The bits of a result do not depend on the level.
//
// `divide` sets result[i] = source[i] / (rows * columns), columns being the number of elements of window
// begin + i that lie in [low, high); the two may be the same array.
//
// `spread_maxima` gives the values of a row of windows to one row of elements: for s from the last tap to the
// first, row[start + i * stride + s * dilation] += values[i] for those i < count whose where[i] is
// offset + s * dilation. Columns outside [0, width) are left alone. It serves strides 1 and 2.
//
// `interleave` sets result[2 i] = even[i] and result[2 i + 1] = odd[i] for i < count.
//
// Two kernels reduce `count` elements in a row, whatever their number, a third several rows at once:
//
//   sum_range  their sum in float64, in an order that `count` alone fixes
//   sum_rows   sums[i] = the sum in float64 of source[d * depth_step + r * row_step + i], r running fastest
//   max_range  the largest; NaN where there is one, -infinity for none. Of zeros of both signs it is either.
#pragma once

#include <cstddef>
#include <cstdint>

#include "convnative/types.h"

namespace convnative {

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
};

template <class T>
struct PoolDivide {
  const T* source;
  T* result;
  std::int64_t begin, end;
  T rows;
  std::int64_t kernel, stride, dilation, pad;
  std::int64_t low, high;             // the columns that count
  std::int64_t full_begin, full_end;  // windows of which all columns count
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
struct PoolMaxima {
  const PoolIndex<T>* where;
  const T* values;
  std::int64_t count;
  T* row;
  std::int64_t width, start;
  std::int64_t kernel, stride, dilation;
  std::int64_t offset;
};

template <class T, class Result>
struct PoolKernel {
  const char* name;  // f32_max_pool_row_stride2_avx512: type, family, stride, ISA
  int stride;        // 0: any
  void (*run)(const PoolRow<T>&, Result* result);
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
  const char* divide_name;
  void (*divide)(const PoolDivide<T>&);
  const char* sum_range_name;
  double (*sum_range)(const T* source, std::int64_t count);
  const char* sum_rows_name;
  void (*sum_rows)(const T* source, std::int64_t depths, std::ptrdiff_t depth_step, std::int64_t rows,
                   std::ptrdiff_t row_step, std::int64_t count, double* sums);
  const char* max_range_name;
  T (*max_range)(const T* source, std::int64_t count);
  const char* spread_maxima_name;
  void (*spread_maxima)(const PoolMaxima<T>&);
  void (*interleave)(const T* even, const T* odd, std::int64_t count, T* result);
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
