// The loop that adds up, for each element of a row, the values of the windows whose taps it is: contract at PoolTapRow
// in pool/kernels.h. In ascending order of the windows, as a loop over windows would.
#pragma once

#include "pool/kernels.h"
#include "simd/strided.h"
#include "simd/vec.h"

namespace convnative {
namespace CONVNATIVE_ISA {
namespace {

template <class T, int Vectors>
CONVNATIVE_INLINE void gather_columns(const PoolTapRow<T>& p, std::int64_t column) {
  using V = Vec<T>;
  typename V::Reg sums[Vectors];
#pragma GCC unroll 4
  for (int v = 0; v < Vectors; ++v) sums[v] = V::zero();
  auto number = static_cast<std::uint8_t>(p.rows * p.columns - 1);
  for (std::int64_t r = 0; r < p.rows; ++r)
    for (std::int64_t s = 0; s < p.columns; ++s, --number) {
      const std::ptrdiff_t at = r * p.pitch + column + s;
#pragma GCC unroll 4
      for (int v = 0; v < Vectors; ++v)
        sums[v] = V::add_where(sums[v], p.taps + at + v * V::lanes, number, p.values + at + v * V::lanes);
    }
#pragma GCC unroll 4
  for (int v = 0; v < Vectors; ++v) {
    const std::int64_t left = p.width - column - v * V::lanes;
    if (left >= V::lanes)
      V::store(p.row + column + v * V::lanes, sums[v]);
    else if (left > 0)
      V::store(lane_mask<T>(0, left), p.row + column + v * V::lanes, sums[v]);
  }
}

template <class T>
void gather_taps(const PoolTapRow<T>& given) {
  const PoolTapRow<T> p = given;  // which no store can change
  constexpr std::int64_t lanes = Vec<T>::lanes;
  std::int64_t column = 0;
  for (; column + 3 * lanes < p.width; column += 4 * lanes) gather_columns<T, 4>(p, column);
  for (; column + lanes < p.width; column += 2 * lanes) gather_columns<T, 2>(p, column);
  if (column < p.width) gather_columns<T, 1>(p, column);
}

}  // namespace
}  // namespace CONVNATIVE_ISA
}  // namespace convnative
