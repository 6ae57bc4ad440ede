// Planes in the lanes: a block holds the elements of up to `lanes` planes, one vector for each place.
//
// Squares of registers are transposed on the way, at some four cycles a vector. Blocks have room for whole squares:
// `count` is rounded up to a multiple of the lanes. Lanes without a plane hold a copy of the last one's.
#pragma once

#include "simd/strided.h"
#include "simd/transpose.h"
#include "simd/vec.h"

namespace convnative {
namespace CONVNATIVE_ISA {
namespace {

// Rows of a block's planes lie far apart: too many streams for a processor to foresee.
constexpr std::int64_t prefetched_vectors = 4;

// block[i][plane] = source[plane * plane_step + i]. Answers whether any of them is not finite.
template <class T>
bool load_lanes(const T* source, std::ptrdiff_t plane_step, std::int64_t planes, std::int64_t count,
                T* block) {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  constexpr int lanes = V::lanes;
  std::ptrdiff_t plane[lanes];
  for (int l = 0; l < lanes; ++l) plane[l] = (l < planes ? l : planes - 1) * plane_step;
  // A product by 0 is NaN for NaN, and for infinities.
  constexpr int chains = 4;
  Reg products[chains] = {};
  for (std::int64_t point = 0; point < count; point += lanes) {
    Reg rows[lanes];
    for (int l = 0; l < lanes; ++l)
      __builtin_prefetch(source + point + prefetched_vectors * lanes + plane[l]);
    if (point + lanes <= count) {
      for (int l = 0; l < lanes; ++l) rows[l] = V::load(source + point + plane[l]);
    } else {
      const typename V::Mask mask = lane_mask<T>(0, count - point);
      for (int l = 0; l < lanes; ++l) rows[l] = V::load(mask, source + point + plane[l]);
    }
    for (int l = 0; l < lanes; ++l) products[l % chains] = V::fma(rows[l], V::zero(), products[l % chains]);
    transpose(rows);
    for (int l = 0; l < lanes; ++l) V::store(block + (point + l) * lanes, rows[l]);
  }
  for (int chain = 1; chain < chains; ++chain) products[0] = products[0] + products[chain];
  bool any = false;
  for (int l = 0; l < lanes; ++l) any |= products[0][l] != products[0][l];
  return any;
}

// result[plane * plane_step + i] = block[i][plane].
template <class T>
void store_lanes(const T* block, std::int64_t count, T* result, std::ptrdiff_t plane_step,
                 std::int64_t planes) {
  using V = Vec<T>;
  constexpr int lanes = V::lanes;
  for (std::int64_t point = 0; point < count; point += lanes) {
    typename V::Reg rows[lanes];
    for (int l = 0; l < lanes; ++l) rows[l] = V::load(block + (point + l) * lanes);
    transpose(rows);
    T* const to = result + point;
    for (int l = 0; l < lanes; ++l)
      if (l < planes) __builtin_prefetch(to + prefetched_vectors * lanes + l * plane_step, 1);
    if (point + lanes <= count && planes == lanes) {
      for (int l = 0; l < lanes; ++l) V::store(to + l * plane_step, rows[l]);
    } else {
      const typename V::Mask mask = lane_mask<T>(0, count - point);
      for (int l = 0; l < lanes; ++l)
        if (l < planes) V::store(mask, to + l * plane_step, rows[l]);
    }
  }
}

}  // namespace
}  // namespace CONVNATIVE_ISA
}  // namespace convnative
