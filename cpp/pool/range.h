// The loops that reduce elements lying in a row to one number: contract in pool/kernels.h.
#pragma once

#include "simd/strided.h"
#include "simd/transpose.h"
#include "simd/vec.h"
#include "simd/widen.h"

namespace convnative {
namespace CONVNATIVE_ISA {
namespace {

// Sums of a row of elements go in sixteen chains of additions, enough to hide their latency, which are the same on every
// level: `chain_length` of them in T, whose sums are then added up in float64. Elements themselves in float64 would
// take three times as long and gain less than what rounding the result costs.
inline constexpr int sum_chains = 16;
inline constexpr std::int64_t chain_length = 16;
inline constexpr int sum_parts = sum_chains / Vec<double>::lanes;

template <class T>
CONVNATIVE_INLINE void add_up(const T* source, std::int64_t count, Vec<double>::Reg (&sums)[sum_parts]) {
  using V = Vec<T>;
  constexpr int registers = sum_chains / V::lanes;
  for (int i = 0; i < sum_parts; ++i) sums[i] = Vec<double>::zero();
  for (std::int64_t begin = 0; begin < count; begin += sum_chains * chain_length) {
    const std::int64_t left = count - begin, steps = left / sum_chains;
    const std::int64_t whole = sum_chains * (steps < chain_length ? steps : chain_length);
    const T* const block = source + begin;
    typename V::Reg chains[registers];
    for (int r = 0; r < registers; ++r) chains[r] = V::zero();
    for (std::int64_t i = 0; i < whole; i += sum_chains)
      for (int r = 0; r < registers; ++r) chains[r] = chains[r] + V::load(block + i + r * V::lanes);
    // Chains that start from +0 are never -0: zeros in place of what is missing change no bit.
    if (steps < chain_length && whole < left)
      for (int r = 0; r < registers; ++r)
        chains[r] =
            chains[r] + V::load(lane_mask<T>(0, left - whole - r * V::lanes), block + whole + r * V::lanes);
    T ends[sum_chains];
    for (int r = 0; r < registers; ++r) V::store(ends + r * V::lanes, chains[r]);
    for (int i = 0; i < sum_parts; ++i) sums[i] = sums[i] + widen(ends + i * Vec<double>::lanes);
  }
  for (int half = sum_parts / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) sums[i] = sums[i] + sums[i + half];
}

template <class T>
double sum_range(const T* source, std::int64_t count) {
  using D = Vec<double>;
  D::Reg sums[sum_parts];
  add_up(source, count, sums);
  double lanes[D::lanes];
  D::store(lanes, sums[0]);
  for (int half = D::lanes / 2; half > 0; half /= 2)
    for (int lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
  return lanes[0];
}

// For as many planes as a register has numbers: one transpose adds up the last chains of all of them.
template <class T>
void mean_planes(const T* source, std::int64_t planes, std::int64_t count, T* result) {
  using D = Vec<double>;
  const auto elements = static_cast<double>(count);
  for (std::int64_t first = 0; first < planes; first += D::lanes) {
    const std::int64_t left = planes - first < D::lanes ? planes - first : D::lanes;
    D::Reg sums[D::lanes];
    for (int p = 0; p < D::lanes; ++p) sums[p] = D::zero();
    for (std::int64_t p = 0; p < left; ++p) {
      D::Reg parts[sum_parts];
      add_up(source + (first + p) * count, count, parts);
      sums[p] = parts[0];
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
