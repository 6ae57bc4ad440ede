// The kernel table of one instruction-set level; this source is compiled once per level. Contract:
// resample/kernels.h.
#include "resample/kernels.h"

#include "simd/vec.h"

namespace convnative {
namespace CONVNATIVE_ISA {
namespace {

// `Vectors` registers of neighbouring columns. The weights of all rows pass over them before they are stored.
template <class T, int Vectors>
CONVNATIVE_INLINE void combine_block(const RowCombination<T>& rows, std::int64_t column, T* result) {
  using V = Vec<T>;
  typename V::Reg sums[Vectors];
  const typename V::Reg first = V::broadcast(rows.weights[0]);
  for (int v = 0; v < Vectors; ++v)
    sums[v] = first * V::load(rows.source + rows.offsets[0] + column + v * V::lanes);
  for (std::int64_t row = 1; row < rows.rows; ++row) {
    const typename V::Reg weight = V::broadcast(rows.weights[row]);
    const T* const source = rows.source + rows.offsets[row] + column;
    for (int v = 0; v < Vectors; ++v) sums[v] = sums[v] + weight * V::load(source + v * V::lanes);
  }
  for (int v = 0; v < Vectors; ++v) V::store(result + column + v * V::lanes, sums[v]);
}

template <class T>
void combine_rows(const RowCombination<T>& rows, T* result) {
  using V = Vec<T>;
  constexpr int vectors = 4;  // as many sums at a time hide most of an addition's latency
  std::int64_t column = 0;
  for (; column + vectors * V::lanes <= rows.columns; column += vectors * V::lanes)
    combine_block<T, vectors>(rows, column, result);
  for (; column + V::lanes <= rows.columns; column += V::lanes) combine_block<T, 1>(rows, column, result);
  for (; column < rows.columns; ++column) {
    T sum = rows.weights[0] * rows.source[rows.offsets[0] + column];
    for (std::int64_t row = 1; row < rows.rows; ++row)
      sum = sum + rows.weights[row] * rows.source[rows.offsets[row] + column];
    result[column] = sum;
  }
}

// Windows of at most `Longest` elements, one after the other: gathering them into vectors takes longer.
template <class T, int Longest>
CONVNATIVE_INLINE void windows_up_to(const ShortWindows<T>& windows, T* result) {
  for (std::int64_t c = 0; c < windows.columns; ++c) {
    const ResampleIndex<T> count = windows.count[c];
    const T* const window = windows.source + windows.start[c];
    const T* const weights = windows.weights + c;
    T sum = weights[0] * window[0];
#pragma GCC unroll 8
    for (ResampleIndex<T> k = 1; k < Longest; ++k)
      if (k < count) sum = sum + weights[k * windows.weight_stride] * window[k];
    result[c] = count == 0 ? windows.fill : sum;
  }
}

template <class T>
void short_windows(const ShortWindows<T>& windows, T* result) {
  if (windows.longest <= 1)
    windows_up_to<T, 1>(windows, result);
  else if (windows.longest <= 2)
    windows_up_to<T, 2>(windows, result);
  else if (windows.longest <= 4)
    windows_up_to<T, 4>(windows, result);
  else
    windows_up_to<T, short_window>(windows, result);
}

template <class T>
T dot(std::int64_t size, const T* weights, const T* source) {
  using V = Vec<T>;
  constexpr int vectors = dot_lanes / V::lanes;
  typename V::Reg sums[vectors];
  for (int v = 0; v < vectors; ++v) sums[v] = V::zero();
  std::int64_t k = 0;
  for (; k + dot_lanes <= size; k += dot_lanes)
    for (int v = 0; v < vectors; ++v)
      sums[v] = sums[v] + V::load(weights + k + v * V::lanes) * V::load(source + k + v * V::lanes);
  T lanes[dot_lanes];
  for (int v = 0; v < vectors; ++v) V::store(lanes + v * V::lanes, sums[v]);
  for (int lane = 0; k < size; ++k, ++lane) lanes[lane] = lanes[lane] + weights[k] * source[k];
  for (int half = dot_lanes / 2; half > 0; half /= 2)
    for (int lane = 0; lane < half; ++lane) lanes[lane] = lanes[lane] + lanes[lane + half];
  return lanes[0];
}

}  // namespace

#define CONVNATIVE_RESAMPLE_KERNELS(T, type)   \
  {Isa::CONVNATIVE_ISA,                        \
   type "_combine_rows_" CONVNATIVE_ISA_NAME,  \
   combine_rows<T>,                            \
   type "_short_windows_" CONVNATIVE_ISA_NAME, \
   short_windows<T>,                           \
   type "_dot_" CONVNATIVE_ISA_NAME,           \
   dot<T>}

extern const ResampleKernels<float> resample_kernels_f32;
extern const ResampleKernels<double> resample_kernels_f64;
const ResampleKernels<float> resample_kernels_f32 = CONVNATIVE_RESAMPLE_KERNELS(float, "f32");
const ResampleKernels<double> resample_kernels_f64 = CONVNATIVE_RESAMPLE_KERNELS(double, "f64");

}  // namespace CONVNATIVE_ISA
}  // namespace convnative
