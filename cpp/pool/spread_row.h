// The loops that write rows of stride 2: contract in pool/kernels.h.
#pragma once

#include "pool/kernels.h"
#include "simd/strided.h"
#include "simd/vec.h"

namespace convnative {
namespace CONVNATIVE_ISA {
namespace {

template <class T>
void add_shares(const PoolShares<T>& p) {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  constexpr std::int64_t lanes = V::lanes;
  constexpr auto lane = std::make_integer_sequence<int, V::lanes>{};
  const auto add = [&p](std::int64_t at, Reg x) __attribute__((always_inline)) {
    T* const to = p.row + at;
    if (at >= 0 && at + lanes <= p.width) {
      V::store(to, V::load(to) + x);
    } else if (at > -lanes && at < p.width) {
      const typename V::Mask mask = lane_mask<T>(-at, p.width - at);
      V::store(mask, to, V::load(mask, to) + x);
    }
  };
  for (std::int64_t i = 0; i < p.count; i += lanes) {
    const Reg shares = V::load(lane_mask<T>(0, p.count - i), p.shares + i);
    const std::int64_t at = p.start + i * p.stride;
    if (p.stride == 1) {
      add(at, shares);
      continue;
    }
    add(at, interleave_low(shares, V::zero(), lane));
    add(at + lanes, interleave_high(shares, V::zero(), lane));
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
