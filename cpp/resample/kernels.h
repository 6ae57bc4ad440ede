// The kernel table of resampling: what the driver calls and the ISA sources provide.
//
//   combine_rows  result[c] = the sum over r < rows of weights[r] * source[offsets[r] + c], in ascending order
//                 of r, starting from the first product; for c < columns, rows >= 1
//   short_windows result[c] = the same over k < count[c] of weights[k * weight_stride + c] * source[start[c] +
//                 k], or `fill` where count[c] is 0; no count exceeds short_window
//   dot           the sum over k < size of weights[k] * source[k]: products are added up in dot_lanes sums,
//                 number k in sum k % dot_lanes, and these pairwise. size <= dot_block
//
// Products and sums are rounded one by one: the bits of a result do not depend on the level. Nothing outside
// of rows and windows is read, but the first element of an empty window is; no alignment is required.
#pragma once

#include <cstddef>
#include <cstdint>

#include "convnative/types.h"

namespace convnative {

inline constexpr std::int64_t short_window = 8;
inline constexpr int dot_lanes = 16;
inline constexpr std::int64_t dot_block = 512;

// As wide as T, so that indices and values move in step.
template <class T>
struct ResampleIndexOf {
  using Type = std::int32_t;
};
template <>
struct ResampleIndexOf<double> {
  using Type = std::int64_t;
};
template <class T>
using ResampleIndex = typename ResampleIndexOf<T>::Type;

template <class T>
struct RowCombination {
  const T* source;
  std::int64_t rows;
  const std::ptrdiff_t* offsets;
  const T* weights;
  std::int64_t columns;
};

template <class T>
struct ShortWindows {
  const T* source;
  const ResampleIndex<T>* start;
  const ResampleIndex<T>* count;
  const T* weights;
  std::int64_t weight_stride;
  std::int64_t longest;  // of the counts
  std::int64_t columns;
  T fill;
};

template <class T>
struct ResampleKernels {
  Isa isa;
  const char* combine_rows_name;  // f32_combine_rows_avx512: type, operation, ISA
  void (*combine_rows)(const RowCombination<T>&, T* result);
  const char* short_windows_name;
  void (*short_windows)(const ShortWindows<T>&, T* result);
  const char* dot_name;
  T (*dot)(std::int64_t size, const T* weights, const T* source);
};

template <class T>
const ResampleKernels<T>& resample_kernels(Isa isa);

}  // namespace convnative
