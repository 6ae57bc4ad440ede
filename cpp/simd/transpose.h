// Transpose of a square of registers, in place, without memory.
//
// Blocks of 16 bytes are what cheap shuffles work on: first each square of single elements within blocks, then the
// square of blocks. (Halving the square down to single elements takes as many shuffles, but half of them are general
// permutations of two registers, each with a copy of one.)
#pragma once

#include <utility>

#include "simd/vec.h"

namespace convnative {
namespace CONVNATIVE_ISA {
namespace {

// In each block of two registers, interleaves runs of H elements of the low halves, and those of the high halves:
// with blocks of 4, H = 1: low = a[0] b[0] a[1] b[1], high = a[2] b[2] a[3] b[3]; H = 2: a[0..2) b[0..2), a[2..4) b[2..4).
template <int Block, int H, class Reg, int... Lane>
CONVNATIVE_INLINE void interleave(Reg& a, Reg& b, std::integer_sequence<int, Lane...>) {
  constexpr int lanes = static_cast<int>(sizeof...(Lane));
  const Reg low = __builtin_shufflevector(
      a, b,
      (Lane / Block * Block + Lane % Block / (2 * H) * H + Lane % H + ((Lane & H) != 0 ? lanes : 0))...);
  const Reg high = __builtin_shufflevector(a, b,
                                           (Lane / Block * Block + Block / 2 + Lane % Block / (2 * H) * H +
                                            Lane % H + ((Lane & H) != 0 ? lanes : 0))...);
  a = low;
  b = high;
}

// The even blocks of two registers, and the odd ones: even = a[0] a[2] ... b[0] b[2] ...
template <int Block, class Reg, int... Lane>
CONVNATIVE_INLINE void part_blocks(Reg& a, Reg& b, std::integer_sequence<int, Lane...>) {
  const Reg even = __builtin_shufflevector(a, b, (Lane / Block * 2 * Block + Lane % Block)...);
  const Reg odd = __builtin_shufflevector(a, b, (Lane / Block * 2 * Block + Block + Lane % Block)...);
  a = even;
  b = odd;
}

// rows[first + i * Stride], of which block k becomes block i of rows[first + k * Stride].
template <int Block, int Stride, int Lanes, class Reg>
CONVNATIVE_INLINE void transpose_blocks(Reg (&rows)[Lanes], int first) {
  constexpr auto all = std::make_integer_sequence<int, Lanes>{};
  constexpr int blocks = Lanes / Block;
  static_assert(blocks <= 4);
  if constexpr (blocks > 1) {
#pragma GCC unroll 2
    for (int i = 0; i < blocks; i += 2)
      part_blocks<Block>(rows[first + i * Stride], rows[first + (i + 1) * Stride], all);
  }
  if constexpr (blocks > 2) {
    part_blocks<Block>(rows[first], rows[first + 2 * Stride], all);
    part_blocks<Block>(rows[first + Stride], rows[first + 3 * Stride], all);
  }
}

// rows[i] lane j becomes rows[j] lane i.
template <int Lanes, class Reg>
CONVNATIVE_INLINE void transpose(Reg (&rows)[Lanes]) {
  constexpr auto all = std::make_integer_sequence<int, Lanes>{};
  constexpr int block = 16 * Lanes / static_cast<int>(sizeof(Reg));
  static_assert(block == 2 || block == 4);
#pragma GCC unroll 8
  for (int row = 0; row < Lanes; row += 2) interleave<block, 1>(rows[row], rows[row + 1], all);
  if constexpr (block == 4) {
#pragma GCC unroll 4
    for (int row = 0; row < Lanes; row += 4) {
      interleave<block, 2>(rows[row], rows[row + 2], all);
      interleave<block, 2>(rows[row + 1], rows[row + 3], all);
      std::swap(rows[row + 1], rows[row + 2]);
    }
  }
#pragma GCC unroll 4
  for (int row = 0; row < block; ++row) transpose_blocks<block, block>(rows, row);
}

}  // namespace
}  // namespace CONVNATIVE_ISA
}  // namespace convnative
