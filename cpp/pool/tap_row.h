// The loop that gives the values of windows to the taps where their maxima are, a row of elements at a time:
// contract at `gather_taps` in pool/kernels.h.
//
// A vector holds neighbouring elements, for stride 2 those of even and of odd columns apart: in each, tap s belongs to
// windows that follow on each other, so that everything is a plain load and a comparison, and nothing is scattered.
#pragma once

#include "pool/kernels.h"
#include "simd/strided.h"
#include "simd/vec.h"

namespace convnative {
namespace CONVNATIVE_ISA {
namespace {

template <class T>
void stage_taps(const TapStage<T>& p) {
  using V = Vec<T>;
  using Flags = LaneFlags<T>;
  constexpr std::int64_t lanes = V::lanes;
  const auto nothing = [&](std::int64_t begin, std::int64_t end) __attribute__((always_inline)) {
    const Flags none = Flags{} - 1;
    for (std::int64_t i = begin; i < end; i += lanes) __builtin_memcpy(p.where + i, &none, sizeof none);
  };
  nothing(0, p.before);
  const std::int64_t whole = p.count / lanes * lanes;
  nothing(p.before + whole, p.width);
  const auto stage = [&](std::int64_t i) __attribute__((always_inline)) {
    const Flags numbers = LaneBytes<T>::load(p.taps + i);
    __builtin_memcpy(p.where + p.before + i, &numbers, sizeof numbers);
    V::store(p.staged + p.before + i, V::load(p.values + i));
  };
  for (std::int64_t i = 0; i < whole; i += lanes) stage(i);
  // The last windows go with some that are done already.
  if (p.count >= lanes) return stage(p.count - lanes);
  for (std::int64_t i = 0; i < p.count; ++i) {
    p.where[p.before + i] = p.taps[i];
    p.staged[p.before + i] = p.values[i];
  }
}

// `Odd`: that of pad, for stride 2. `Kernel` 0: any.
template <class T, int Stride, int Kernel, int Odd>
void gather_taps_of(const PoolTaps<T>& p) {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  using Flags = LaneFlags<T>;
  constexpr std::int64_t lanes = V::lanes;
  constexpr auto lane = std::make_integer_sequence<int, V::lanes>{};
  const std::int64_t kernel = Kernel > 0 ? Kernel : p.kernel;
  for (std::int64_t begin = 0; begin < p.width; begin += Stride * lanes) {
    Reg sums[Stride] = {};
    for (std::int64_t r = 0; r < p.row_count; ++r) {
      const TapRow<T> row = p.rows[r];
      const Flags first = Flags{} + static_cast<LaneNumber<T>>(row.number);
#pragma GCC unroll 2
      for (int phase = 0; phase < Stride; ++phase) {
        // Of the taps over these elements, from the last to the first: the windows of each lie one further.
        const std::int64_t last = kernel - 1 - (kernel - 1 + Odd + phase) % Stride;
        const std::int64_t window = (begin + p.pad + phase - last) / Stride;
#pragma GCC unroll 5
        for (std::int64_t i = 0; i <= last / Stride; ++i) {
          Flags where;
          __builtin_memcpy(&where, row.where + window + i, sizeof where);
          const Flags tap = first + static_cast<LaneNumber<T>>(last - i * Stride);
          sums[phase] = where == tap ? sums[phase] + V::load(row.values + window + i) : sums[phase];
        }
      }
    }
    Reg elements[Stride];
    if constexpr (Stride == 1) {
      elements[0] = sums[0];
    } else {
      elements[0] = interleave_low(sums[0], sums[1], lane);
      elements[1] = interleave_high(sums[0], sums[1], lane);
    }
#pragma GCC unroll 2
    for (int part = 0; part < Stride; ++part) {
      const std::int64_t at = begin + part * lanes;
      if (at + lanes <= p.width)
        V::store(p.result + at, elements[part]);
      else if (at < p.width)
        V::store(lane_mask<T>(0, p.width - at), p.result + at, elements[part]);
    }
  }
}

template <class T, int Stride, int Odd>
CONVNATIVE_INLINE void gather_taps_apart(const PoolTaps<T>& p) {
  switch (p.kernel) {
    case 2:
      return gather_taps_of<T, Stride, 2, Odd>(p);
    case 3:
      return gather_taps_of<T, Stride, 3, Odd>(p);
    case 5:
      return gather_taps_of<T, Stride, 5, Odd>(p);
    default:
      return gather_taps_of<T, Stride, 0, Odd>(p);
  }
}

template <class T>
void gather_taps(const PoolTaps<T>& p) {
  if (p.stride == 1) return gather_taps_apart<T, 1, 0>(p);
  if (p.pad % 2 == 0) return gather_taps_apart<T, 2, 0>(p);
  return gather_taps_apart<T, 2, 1>(p);
}

}  // namespace
}  // namespace CONVNATIVE_ISA
}  // namespace convnative
