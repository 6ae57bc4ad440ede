// The loops that reduce elements lying in a row to one number: contract in pool/kernels.h.
#pragma once

#include "simd/strided.h"
#include "simd/transpose.h"
#include "simd/vec.h"
#include "simd/widen.h"

namespace convnative {
namespace CONVNATIVE_ISA {
namespace {

// Sixteen chains of additions: enough to hide their latency, and the same on every level.
template <class T>
double sum_range(const T* source, std::int64_t count) {
  constexpr int chains = 16;
  double sums[chains] = {};
  std::int64_t i = 0;
  for (; i + chains <= count; i += chains)
    for (int chain = 0; chain < chains; ++chain) sums[chain] += static_cast<double>(source[i + chain]);
  for (int chain = 0; i + chain < count; ++chain) sums[chain] += static_cast<double>(source[i + chain]);
  for (int half = chains / 2; half > 0; half /= 2)
    for (int chain = 0; chain < half; ++chain) sums[chain] += sums[chain + half];
  return sums[0];
}

// The chains of sum_range, for as many planes as a register has numbers: one transpose adds up the last chains of
// all of them.
template <class T>
void mean_planes(const T* source, std::int64_t planes, std::int64_t count, T* result) {
  using D = Vec<double>;
  constexpr int chains = 16, parts = chains / D::lanes;
  const auto elements = static_cast<double>(count);
  const std::int64_t whole = count / chains * chains;
  for (std::int64_t first = 0; first < planes; first += D::lanes) {
    const std::int64_t left = planes - first < D::lanes ? planes - first : D::lanes;
    D::Reg sums[D::lanes];
    for (int p = 0; p < D::lanes; ++p) sums[p] = D::zero();
    for (std::int64_t p = 0; p < left; ++p) {
      const T* const plane = source + (first + p) * count;
      D::Reg part[parts] = {};
      const auto add = [&part](const T* x) __attribute__((always_inline)) {
        for (int i = 0; i < parts; ++i) part[i] = part[i] + widen(x + i * D::lanes);
      };
      for (std::int64_t i = 0; i < whole; i += chains) add(plane + i);
      if (whole < count) {
        // Chains that start from +0 are never -0: zeros in place of what is missing change no bit.
        T rest[chains];
        for (int i = 0; i < chains; i += Vec<T>::lanes)
          Vec<T>::store(rest + i, Vec<T>::load(lane_mask<T>(0, count - whole - i), plane + whole + i));
        add(rest);
      }
      for (int half = parts / 2; half > 0; half /= 2)
        for (int i = 0; i < half; ++i) part[i] = part[i] + part[i + half];
      sums[p] = part[0];
    }
    transpose(sums);
    for (int half = D::lanes / 2; half > 0; half /= 2)
      for (int i = 0; i < half; ++i) sums[i] = sums[i] + sums[i + half];
    double means[D::lanes];
    D::store(means, sums[0] / D::broadcast(elements));
    for (std::int64_t p = 0; p < left; ++p) result[first + p] = static_cast<T>(means[p]);
  }
}

// `Parts` vectors of columns. GCC 12 at -O3 takes a loop over their elements apart into scalars.
template <int Parts, class T>
CONVNATIVE_INLINE void sum_columns(const T* source, std::int64_t depths, std::ptrdiff_t depth_step,
                                   std::int64_t rows, std::ptrdiff_t row_step, double* sums) {
  using D = Vec<double>;
  D::Reg sum[Parts] = {};
  for (std::int64_t d = 0; d < depths; ++d)
    for (std::int64_t r = 0; r < rows; ++r)
      for (int i = 0; i < Parts; ++i)
        sum[i] = sum[i] + widen(source + (d * depth_step + r * row_step + i * D::lanes));
  for (int i = 0; i < Parts; ++i) D::store(sums + i * D::lanes, sum[i]);
}

template <class T>
void sum_rows(const T* source, std::int64_t depths, std::ptrdiff_t depth_step, std::int64_t rows,
              std::ptrdiff_t row_step, std::int64_t count, double* sums) {
  constexpr std::int64_t lanes = Vec<double>::lanes;
  constexpr int parts = 4;
  std::int64_t begin = 0;
  for (; begin + parts * lanes <= count; begin += parts * lanes)
    sum_columns<parts>(source + begin, depths, depth_step, rows, row_step, sums + begin);
  for (; begin < count && lanes <= count; begin += lanes) {
    // The last columns go with some that are done already.
    if (begin + lanes > count) begin = count - lanes;
    sum_columns<1>(source + begin, depths, depth_step, rows, row_step, sums + begin);
  }
  for (; begin < count; ++begin) {
    sums[begin] = 0;
    for (std::int64_t d = 0; d < depths; ++d)
      for (std::int64_t r = 0; r < rows; ++r)
        sums[begin] += static_cast<double>(source[d * depth_step + r * row_step + begin]);
  }
}

template <class T, int Half, int... Lane>
CONVNATIVE_INLINE typename Vec<T>::Reg max_of_halves(typename Vec<T>::Reg x,
                                                     std::integer_sequence<int, Lane...> lanes) {
  const typename Vec<T>::Reg best = Vec<T>::max(x, __builtin_shufflevector(x, x, (Lane ^ Half)...));
  if constexpr (Half > 1)
    return max_of_halves<T, Half / 2>(best, lanes);
  else
    return best;
}

template <class T>
T max_range(const T* source, std::int64_t count) {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  constexpr std::int64_t lanes = V::lanes;
  constexpr int chains = 4;
  const Reg lowest = V::broadcast(-__builtin_inff());
  Reg best[chains] = {lowest, lowest, lowest, lowest};
  std::int64_t i = 0;
  for (; i + chains * lanes <= count; i += chains * lanes)
    for (int chain = 0; chain < chains; ++chain)
      best[chain] = V::max(best[chain], V::load(source + i + chain * lanes));
  for (; i < count; i += lanes) {
    const std::int64_t left = count - i < lanes ? count - i : lanes;
    best[0] = V::max(best[0], V::load(lowest, lane_mask<T>(0, left), source + i));
  }
  const Reg all = V::max(V::max(best[0], best[1]), V::max(best[2], best[3]));
  return max_of_halves<T, V::lanes / 2>(all, std::make_integer_sequence<int, V::lanes>{})[0];
}

}  // namespace
}  // namespace CONVNATIVE_ISA
}  // namespace convnative
