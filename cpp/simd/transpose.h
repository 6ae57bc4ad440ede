// Transpose of a square of registers, in place, without memory.
#pragma once

#include <utility>

#include "simd/vec.h"

namespace convnative {
namespace CONVNATIVE_ISA {
namespace {

// Swaps the off-diagonal blocks of width H of two registers that lie H rows apart:
//   low  = a[0..H) b[0..H) a[2H..3H) b[2H..3H) ...     high = a[H..2H) b[H..2H) a[3H..4H) ...
// Done for H = lanes / 2, lanes / 4, ..., 1, that is the recursive transpose of a square matrix.
template <int H, class Reg, int... Lane>
CONVNATIVE_INLINE void swap_blocks(Reg& a, Reg& b, std::integer_sequence<int, Lane...>) {
  constexpr int lanes = static_cast<int>(sizeof...(Lane));
  const Reg low = __builtin_shufflevector(a, b, ((Lane & H) != 0 ? lanes + Lane - H : Lane)...);
  const Reg high = __builtin_shufflevector(a, b, ((Lane & H) != 0 ? lanes + Lane : Lane + H)...);
  a = low;
  b = high;
}

template <int H, int Lanes, class Reg>
CONVNATIVE_INLINE void transpose_step(Reg (&rows)[Lanes]) {
#pragma GCC unroll 16
  for (int row = 0; row < Lanes; ++row)
    if ((row & H) == 0) swap_blocks<H>(rows[row], rows[row + H], std::make_integer_sequence<int, Lanes>{});
  if constexpr (H > 1) transpose_step<H / 2>(rows);
}

// rows[i] lane j becomes rows[j] lane i.
template <int Lanes, class Reg>
CONVNATIVE_INLINE void transpose(Reg (&rows)[Lanes]) {
  transpose_step<Lanes / 2>(rows);
}

}  // namespace
}  // namespace CONVNATIVE_ISA
}  // namespace convnative
