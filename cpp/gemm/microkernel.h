// The micro-kernel: contract in gemm/kernels.h.
//
// Rows x Vectors accumulators stay in registers over the whole sum. Per step of k the panel's vectors are
// loaded once and each of the rows' elements is broadcast from memory: the load ports have room for that (8
// broadcasts and 3 loads in the 12 cycles that 24 multiply-adds take), and broadcasting from anywhere means
// that weights need no packing.
//
// A step has few scalar instructions, which may take a port of the multiply-adds (simd/strided_places.h): addresses of
// a constant step, two steps to a turn.
#pragma once

#include <type_traits>

#include "gemm/kernels.h"
#include "simd/strided_places.h"
#include "simd/vec.h"

namespace convnative {
namespace CONVNATIVE_ISA {
namespace {

template <class T, int Rows, int Vectors>
void microkernel(const GemmTile<T>& tile) {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  constexpr int panel = Vectors * V::lanes;
  const typename V::Mask last = V::mask(first_lanes(tile.columns - (Vectors - 1) * V::lanes));

  // C is wanted at the end; by then it has arrived.
#pragma GCC unroll 8
  for (int i = 0; i < Rows; ++i)
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; ++v) __builtin_prefetch(tile.c + i * tile.c_row + v * V::lanes, 1);

  Reg acc[Rows][Vectors];
#pragma GCC unroll 8
  for (int i = 0; i < Rows; ++i) {
    const Reg start = V::broadcast(tile.row_start != nullptr ? tile.row_start[i] : T{0});
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; ++v) acc[i][v] = start;
  }
  if (tile.accumulate && !tile.add_last) {
#pragma GCC unroll 8
    for (int i = 0; i < Rows; ++i) {
      const T* c = tile.c + i * tile.c_row;
#pragma GCC unroll 4
      for (int v = 0; v < Vectors - 1; ++v) acc[i][v] = V::load(c + v * V::lanes);
      acc[i][Vectors - 1] = V::load(last, c + (Vectors - 1) * V::lanes);
    }
  }

  const StridedPlaces<T, Rows> rows(tile.a_row);
  const auto step = [&](const T* a, const T* b, auto whole) __attribute__((always_inline)) {
    Reg row[Vectors];
#pragma GCC unroll 4
    for (int v = 0; v < Vectors - 1; ++v) row[v] = V::load(b + v * V::lanes);
    const T* const b_last = b + (Vectors - 1) * V::lanes;
    row[Vectors - 1] = whole ? V::load(b_last) : V::load(last, b_last);
#pragma GCC unroll 8
    for (int i = 0; i < Rows; ++i) {
      const Reg factor = V::broadcast(rows.at(a, i));
#pragma GCC unroll 4
      for (int v = 0; v < Vectors; ++v) acc[i][v] = V::fma(factor, row[v], acc[i][v]);
    }
  };

  const T* a = tile.a;
  const T* b = tile.b;
  const auto sum = [&](auto b_row) __attribute__((always_inline)) {
    if (tile.next == nullptr) {
#pragma GCC unroll 2
      for (std::int64_t p = tile.depth; p > 0; --p, ++a, b += b_row) step(a, b, std::true_type{});
    } else if (tile.next_lines == 1) {
      const T* next = tile.next;
#pragma GCC unroll 2
      for (std::int64_t p = tile.depth; p > 0; --p, ++a, b += b_row, next += tile.next_step) {
        step(a, b, std::true_type{});
        __builtin_prefetch(next, 0, 2);
      }
    } else {
      constexpr int line = 64 / sizeof(T);
      const T* next = tile.next;
      for (std::int64_t p = tile.depth; p > 0; --p, ++a, b += b_row, next += tile.next_step) {
        step(a, b, std::true_type{});
#pragma GCC unroll 1
        for (int l = 0; l < tile.next_lines; ++l) __builtin_prefetch(next + l * line, 0, 2);
      }
    }
  };
  if (tile.a_inner != 1)
    for (std::int64_t p = tile.depth; p > 0; --p, a += tile.a_inner, b += panel) step(a, b, std::true_type{});
  else if (tile.b_row == 0)
    sum(std::integral_constant<std::ptrdiff_t, panel>{});
  else if (tile.columns == panel)
    sum(tile.b_row);
  else
    for (std::int64_t p = tile.depth; p > 0; --p, ++a, b += tile.b_row) step(a, b, std::false_type{});

  if (tile.add_last) {
#pragma GCC unroll 8
    for (int i = 0; i < Rows; ++i) {
      const T* c = tile.c + i * tile.c_row;
#pragma GCC unroll 4
      for (int v = 0; v < Vectors - 1; ++v) acc[i][v] = V::load(c + v * V::lanes) + acc[i][v];
      acc[i][Vectors - 1] = V::load(last, c + (Vectors - 1) * V::lanes) + acc[i][Vectors - 1];
    }
  }

  // Masked stores are slow on some CPUs: whole tiles, the common case, do without.
  if (tile.columns == panel) {
#pragma GCC unroll 8
    for (int i = 0; i < Rows; ++i)
#pragma GCC unroll 4
      for (int v = 0; v < Vectors; ++v) V::store(tile.c + i * tile.c_row + v * V::lanes, acc[i][v]);
    return;
  }
#pragma GCC unroll 8
  for (int i = 0; i < Rows; ++i) {
    T* c = tile.c + i * tile.c_row;
#pragma GCC unroll 4
    for (int v = 0; v < Vectors - 1; ++v) V::store(c + v * V::lanes, acc[i][v]);
    V::store(last, c + (Vectors - 1) * V::lanes, acc[i][Vectors - 1]);
  }
}

}  // namespace
}  // namespace CONVNATIVE_ISA
}  // namespace convnative
