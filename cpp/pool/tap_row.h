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
void stage_taps(const std::uint8_t* taps, const T* values, std::int64_t count, PoolIndex<T>* where, T* staged) {
  using V = Vec<T>;
  typedef std::uint8_t Bytes __attribute__((vector_size(V::lanes)));
  using Flags = LaneFlags<T>;
  std::int64_t i = 0;
  for (; i + V::lanes <= count; i += V::lanes) {
    Bytes bytes;
    __builtin_memcpy(&bytes, taps + i, sizeof bytes);
    const Flags numbers = __builtin_convertvector(bytes, Flags);
    __builtin_memcpy(where + i, &numbers, sizeof numbers);
    V::store(staged + i, V::load(values + i));
  }
  for (; i < count; ++i) {
    where[i] = taps[i];
    staged[i] = values[i];
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
    Reg sums[Stride];
    for (int phase = 0; phase < Stride; ++phase) sums[phase] = V::zero();
    for (std::int64_t r = 0; r < p.row_count; ++r) {
      const TapRow<T> row = p.rows[r];
      for (int phase = 0; phase < Stride; ++phase)
        for (std::int64_t s = kernel - 1 - (kernel - 1 + Odd + phase) % Stride; s >= 0; s -= Stride) {
          const std::int64_t window = (begin + p.pad + phase - s) / Stride;
          Flags where;
          __builtin_memcpy(&where, row.where + window, sizeof where);
          const Flags tap = Flags{} + static_cast<LaneNumber<T>>(row.number + s);
          sums[phase] = where == tap ? sums[phase] + V::load(row.values + window) : sums[phase];
        }
    }
    Reg elements[Stride];
    if constexpr (Stride == 1) {
      elements[0] = sums[0];
    } else {
      elements[0] = interleave_low(sums[0], sums[1], lane);
      elements[1] = interleave_high(sums[0], sums[1], lane);
    }
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
CONVNATIVE_INLINE void gather_taps_of(const PoolTaps<T>& p) {
  switch (p.kernel) {
    case 2:
      return gather_taps_of<T, Stride, 2, Odd>(p);
    case 3:
      return gather_taps_of<T, Stride, 3, Odd>(p);
    default:
      return gather_taps_of<T, Stride, 0, Odd>(p);
  }
}

template <class T>
void gather_taps(const PoolTaps<T>& p) {
  if (p.stride == 1) return gather_taps_of<T, 1, 0>(p);
  if (p.pad % 2 == 0) return gather_taps_of<T, 2, 0>(p);
  return gather_taps_of<T, 2, 1>(p);
}

}  // namespace
}  // namespace CONVNATIVE_ISA
}  // namespace convnative
