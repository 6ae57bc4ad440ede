// The loop that gives windows' values to where their maxima are: contract in pool/kernels.h.
//
// A vector holds neighbouring windows. Those whose maximum lies under a tap are found by comparison, so that
// nothing is scattered; for stride 2 the results of two taps, or of one and nothing, are interleaved. Taps go
// from the last to the first, so that an element meets its windows in ascending order whatever the vectors'
// width.
#pragma once

#include "pool/kernels.h"
#include "simd/strided.h"
#include "simd/vec.h"

namespace convnative {
namespace CONVNATIVE_ISA {
namespace {

template <class T>
CONVNATIVE_INLINE void add_to_row(const PoolMaxima<T>& p, std::int64_t at, typename Vec<T>::Reg x) {
  using V = Vec<T>;
  T* const to = p.row + at;
  if (at >= 0 && at + V::lanes <= p.width) {
    V::store(to, V::load(to) + x);
  } else if (at > -V::lanes && at < p.width) {
    const typename V::Mask mask = lane_mask<T>(-at, p.width - at);
    V::store(mask, to, V::load(mask, to) + x);
  }
}

template <class T>
void spread_maxima(const PoolMaxima<T>& p) {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  using Flags = LaneFlags<T>;
  constexpr std::int64_t lanes = V::lanes;
  constexpr auto lane = std::make_integer_sequence<int, V::lanes>{};
  // Two taps of stride 2 that are neighbours go together.
  const std::int64_t pair = p.stride == 2 && p.dilation == 1 ? 2 : 1;
  for (std::int64_t end = p.kernel; end > 0;) {
    const std::int64_t taps = pair == 2 && end % 2 == 0 ? 2 : 1, s = end - taps;
    end = s;
    const Flags first = Flags{} + static_cast<LaneNumber<T>>(p.offset + s * p.dilation);
    const Flags second = first + static_cast<LaneNumber<T>>(1);
    for (std::int64_t i = 0; i < p.count; i += lanes) {
      Flags where;
      Reg values;
      if (i + lanes <= p.count) {
        __builtin_memcpy(&where, p.where + i, sizeof where);
        values = V::load(p.values + i);
      } else {
        PoolIndex<T> rest[lanes];
        for (std::int64_t l = 0; l < lanes; ++l) rest[l] = i + l < p.count ? p.where[i + l] : -1;
        __builtin_memcpy(&where, rest, sizeof where);
        values = V::load(lane_mask<T>(0, p.count - i), p.values + i);
      }
      const std::int64_t at = p.start + i * p.stride + s * p.dilation;
      const Reg one = where == first ? values : V::zero();
      if (p.stride == 1) {
        add_to_row(p, at, one);
        continue;
      }
      const Reg other = taps == 2 ? (where == second ? values : V::zero()) : V::zero();
      add_to_row(p, at, interleave_low(one, other, lane));
      add_to_row(p, at + lanes, interleave_high(one, other, lane));
    }
  }
}

template <class T>
void interleave(const T* even, const T* odd, std::int64_t count, T* result) {
  using V = Vec<T>;
  constexpr auto lane = std::make_integer_sequence<int, V::lanes>{};
  std::int64_t i = 0;
  for (; i + V::lanes <= count; i += V::lanes) {
    const typename V::Reg first = V::load(even + i), second = V::load(odd + i);
    V::store(result + 2 * i, interleave_low(first, second, lane));
    V::store(result + 2 * i + V::lanes, interleave_high(first, second, lane));
  }
  for (; i < count; ++i) {
    result[2 * i] = even[i];
    result[2 * i + 1] = odd[i];
  }
}

}  // namespace
}  // namespace CONVNATIVE_ISA
}  // namespace convnative
