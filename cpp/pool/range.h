// The loops that reduce elements lying in a row to one number: contract in pool/kernels.h.
#pragma once

#include "simd/strided.h"
#include "simd/vec.h"

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
  T result = all[0];
  for (int lane = 1; lane < lanes; ++lane)
    result = all[lane] > result || all[lane] != all[lane] ? all[lane] : result;
  return result;
}

}  // namespace
}  // namespace CONVNATIVE_ISA
}  // namespace convnative
