// The kernels of depthwise convolution with channels in the lanes: contract in conv/depthwise_lanes_kernels.h; this
// source is compiled once per level.
//
// Eight neighbouring points of a row go together: a tap's weights are loaded once for all of them, and eight chains
// hide the latency of the multiply-adds, so that loads are the bound, two a cycle. Where weights are summed, a point of
// grad_output is loaded once for all taps that are in registers.
#include "conv/depthwise_lanes_kernels.h"

#include "simd/transposed_planes.h"
#include "simd/vec.h"

namespace convnative {
namespace CONVNATIVE_ISA {
namespace {

// `Inside`: all taps of all the points lie in the source.
template <class T, int Count, bool Inside>
CONVNATIVE_INLINE void add_points(const DepthwiseLanesPart<T>& p, std::int64_t row, std::int64_t first,
                                  T* result) {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  constexpr int lanes = V::lanes;
  const std::ptrdiff_t apart = p.column.step * lanes, tap_apart = p.column.tap_step * lanes;
  const std::ptrdiff_t result_apart = p.result_column * lanes;
  Reg sums[Count];
#pragma GCC unroll 8
  for (int c = 0; c < Count; ++c) sums[c] = V::load(p.start != nullptr ? p.start : result + c * result_apart);
  const T* row_weight = p.weight;
  for (std::int64_t r = 0; r < p.row.taps;
       ++r, row += p.row.tap_step, row_weight += p.row.weight_step * lanes) {
    const bool row_inside = Inside || (row >= 0 && row < p.row.extent);
    const T* weight = row_weight;
    if constexpr (Inside) {
      const T* source = p.source + ((row - p.source_row) * p.pitch + (first - p.source_column)) * lanes;
      for (std::int64_t t = p.column.taps; t > 0;
           --t, source += tap_apart, weight += p.column.weight_step * lanes) {
        const Reg factor = V::load(weight);
#pragma GCC unroll 8
        for (int c = 0; c < Count; ++c) sums[c] = V::fma(factor, V::load(source + c * apart), sums[c]);
      }
    } else {
      std::int64_t column = first;
      for (std::int64_t t = p.column.taps; t > 0;
           --t, column += p.column.tap_step, weight += p.column.weight_step * lanes) {
        const Reg factor = V::load(weight);
#pragma GCC unroll 8
        for (int c = 0; c < Count; ++c) {
          const std::int64_t place = column + c * p.column.step;
          const bool inside = row_inside && place >= 0 && place < p.column.extent;
          const Reg x =
              inside
                  ? V::load(p.source + ((row - p.source_row) * p.pitch + (place - p.source_column)) * lanes)
                  : V::zero();
          sums[c] = V::fma(factor, x, sums[c]);
        }
      }
    }
  }
#pragma GCC unroll 8
  for (int c = 0; c < Count; ++c) V::store(result + c * result_apart, sums[c]);
}

template <class T>
void add(const DepthwiseLanesPart<T>& given) {
  const DepthwiseLanesPart<T> p = given;  // which no store can change
  constexpr int lanes = Vec<T>::lanes;
  const std::int64_t row_span = (p.row.taps - 1) * p.row.tap_step;
  for (std::int64_t y = p.row_begin; y < p.row_end; ++y) {
    const std::int64_t row = p.row.at(y);
    const bool row_inside = row >= 0 && row + row_span < p.row.extent;
    T* result = p.result + (y - p.row_begin) * p.result_row * lanes;
    const auto add_some = [&](std::int64_t x, auto count) __attribute__((always_inline)) {
      constexpr int points = decltype(count)::value;
      const std::int64_t first = p.column.at(x);
      if (row_inside && p.column.inside(first, (points - 1) * p.column.step))
        add_points<T, points, true>(p, row, first, result);
      else
        add_points<T, points, false>(p, row, first, result);
      result += points * p.result_column * lanes;
    };
    std::int64_t x = p.column_begin;
    for (; x + 8 <= p.column_end; x += 8) add_some(x, std::integral_constant<int, 8>{});
    if (x + 4 <= p.column_end) {
      add_some(x, std::integral_constant<int, 4>{});
      x += 4;
    }
    if (x + 2 <= p.column_end) {
      add_some(x, std::integral_constant<int, 2>{});
      x += 2;
    }
    if (x < p.column_end) add_some(x, std::integral_constant<int, 1>{});
  }
}

template <class T>
void load(const T* source, std::ptrdiff_t plane_step, std::int64_t planes, std::int64_t count, T* block) {
  load_lanes(source, plane_step, planes, count, block);
}

template <class T>
void fill(const T* vector, std::int64_t count, T* block) {
  const typename Vec<T>::Reg value = Vec<T>::load(vector);
  for (std::int64_t i = 0; i < count; ++i) Vec<T>::store(block + i * Vec<T>::lanes, value);
}

template <class T, int Rows, int Columns>
void sum(const DepthwiseLanesSums<T>& given) {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  constexpr int lanes = V::lanes;
  const DepthwiseLanesSums<T> p = given;  // which no store can change
  const std::ptrdiff_t row_apart = p.tap_row * lanes, column_apart = p.tap_column * lanes;
  Reg sums[Rows][Columns];
  for (int r = 0; r < Rows; ++r)
    for (int c = 0; c < Columns; ++c) sums[r][c] = V::load(p.sums + (r * p.sums_row + c) * lanes);
  const T* grad = p.grad_output;
  for (std::int64_t y = 0; y < p.rows; ++y) {
    const T* source = p.source + y * p.source_row * lanes;
    for (std::int64_t x = p.columns; x > 0; --x, grad += lanes, source += p.source_column * lanes) {
      const Reg factor = V::load(grad);
#pragma GCC unroll 8
      for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 8
        for (int c = 0; c < Columns; ++c)
          sums[r][c] = V::fma(factor, V::load(source + r * row_apart + c * column_apart), sums[r][c]);
    }
  }
  for (int r = 0; r < Rows; ++r)
    for (int c = 0; c < Columns; ++c) V::store(p.sums + (r * p.sums_row + c) * lanes, sums[r][c]);
}

template <class T>
void total(T* sums, std::int64_t count, double* totals) {
  for (std::int64_t i = 0; i < count * Vec<T>::lanes; ++i) {
    totals[i] += static_cast<double>(sums[i]);
    sums[i] = 0;
  }
}

template <class T>
constexpr const char* name = "f32_depthwise_lanes_" CONVNATIVE_ISA_NAME;
template <>
constexpr const char* name<double> = "f64_depthwise_lanes_" CONVNATIVE_ISA_NAME;

template <class T>
constexpr DepthwiseLanesKernels<T> kernels{
    name<T>,
    Vec<T>::lanes,
    load<T>,
    store_lanes<T>,
    fill<T>,
    add<T>,
    {{sum<T, 1, 1>, sum<T, 1, 2>, sum<T, 1, 3>, sum<T, 1, 4>},
     {sum<T, 2, 1>, sum<T, 2, 2>, sum<T, 2, 3>, sum<T, 2, 4>},
     {sum<T, 3, 1>, sum<T, 3, 2>, sum<T, 3, 3>, sum<T, 3, 4>}},
    total<T>,
};

}  // namespace

extern const DepthwiseLanesKernels<float> depthwise_lanes_kernels_f32;
extern const DepthwiseLanesKernels<double> depthwise_lanes_kernels_f64;
const DepthwiseLanesKernels<float> depthwise_lanes_kernels_f32 = kernels<float>;
const DepthwiseLanesKernels<double> depthwise_lanes_kernels_f64 = kernels<double>;

}  // namespace CONVNATIVE_ISA
}  // namespace convnative
