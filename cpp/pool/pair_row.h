// The loop that gives the values of windows of two columns, side by side, to the taps where their maxima are: contract
// at `spread_pairs` in pool/kernels.h. A pure stream of stores.
#pragma once

#include "pool/kernels.h"
#include "simd/strided.h"
#include "simd/vec.h"

namespace convnative {
namespace CONVNATIVE_ISA {
namespace {

template <class T>
void spread_pairs(const PoolPairs<T>& p) {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  using Flags = LaneFlags<T>;
  constexpr std::int64_t lanes = V::lanes;
  constexpr auto lane = std::make_integer_sequence<int, V::lanes>{};
  const Flags left = Flags{} + p.number, right = Flags{} + (p.number + 1);
  const auto store = [&p](std::int64_t at, Reg x) __attribute__((always_inline)) {
    if (at + lanes <= p.width)
      V::store(p.row + at, x);
    else if (at < p.width)
      V::store(lane_mask<T>(0, p.width - at), p.row + at, x);
  };
  std::int64_t i = 0;
  for (; i < p.count; i += lanes) {
    // The last windows go with some that are done already.
    if (i + lanes > p.count && p.count >= lanes) i = p.count - lanes;
    Flags taps;
    Reg values;
    if (i + lanes <= p.count) {
      taps = LaneBytes<T>::load(p.taps + i);
      values = V::load(p.values + i);
    } else {
      std::uint8_t rest[lanes] = {};
      for (std::int64_t l = 0; i + l < p.count; ++l) rest[l] = p.taps[i + l];
      taps = LaneBytes<T>::load(rest);
      values = V::load(lane_mask<T>(0, p.count - i), p.values + i);
    }
    const Reg even = taps == left ? values : V::zero(), odd = taps == right ? values : V::zero();
    store(2 * i, interleave_low(even, odd, lane));
    store(2 * i + lanes, interleave_high(even, odd, lane));
  }
  for (std::int64_t at = 2 * i; at < p.width; at += lanes) store(at, V::zero());
}

}  // namespace
}  // namespace CONVNATIVE_ISA
}  // namespace convnative
