// Loads of elements that lie a stride apart.
//
// StridedLoad<T, Stride> with Stride 1 or 2 known, or 0 for one given at run time:
//
//   all(p, stride)                    lane l from p[l * stride]
//   range(off, begin, end, p, stride) the same for lanes in [begin, end), 0 <= begin < end <= lanes; off's
//   elsewhere
//
// Nothing is read before the first wanted element or behind the last one; what lies between may be.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "simd/vec.h"

namespace convnative {
namespace CONVNATIVE_ISA {
namespace {

// A vector of integers as wide as T: what comparing two registers gives.
template <class T>
using LaneFlags = decltype(typename Vec<T>::Reg{} < typename Vec<T>::Reg{});

// The type of its elements.
template <class T>
struct LaneNumberOf {
  using Type = std::int32_t;
};
template <>
struct LaneNumberOf<double> {
  using Type = std::int64_t;
};
template <class T>
using LaneNumber = typename LaneNumberOf<T>::Type;

template <class T, int... Lane>
CONVNATIVE_INLINE LaneFlags<T> lane_numbers(std::integer_sequence<int, Lane...>) {
  return LaneFlags<T>{Lane...};
}

// A byte for each lane. Compilers convert vectors well where elements become twice or half as wide, one by one else.
template <class T>
struct LaneBytes {
  template <class Element>
  struct Of {
    typedef Element Type __attribute__((vector_size(sizeof(Element) * Vec<T>::lanes)));
  };
  using Bytes = typename Of<std::uint8_t>::Type;
  using Halves = typename Of<std::int16_t>::Type;
  using Words = typename Of<std::int32_t>::Type;

  static CONVNATIVE_INLINE LaneFlags<T> load(const std::uint8_t* p) {
    Bytes bytes;
    __builtin_memcpy(&bytes, p, sizeof bytes);
    return __builtin_convertvector(__builtin_convertvector(__builtin_convertvector(bytes, Halves), Words),
                                   LaneFlags<T>);
  }
  // The low byte of each.
  static CONVNATIVE_INLINE void store(std::uint8_t* p, LaneFlags<T> numbers) {
    const Bytes bytes = __builtin_convertvector(
        __builtin_convertvector(__builtin_convertvector(numbers, Words), Halves), Bytes);
    __builtin_memcpy(p, &bytes, sizeof bytes);
  }
};

// All bits set in lanes [begin, end).
template <class T>
CONVNATIVE_INLINE LaneFlags<T> lane_flags(std::int64_t begin, std::int64_t end) {
  const LaneFlags<T> lane = lane_numbers<T>(std::make_integer_sequence<int, Vec<T>::lanes>{});
  return (lane >= static_cast<LaneNumber<T>>(begin)) & (lane < static_cast<LaneNumber<T>>(end));
}

// The mask of lanes [begin, end), cut to those that exist.
template <class T>
CONVNATIVE_INLINE typename Vec<T>::Mask lane_mask(std::int64_t begin, std::int64_t end) {
  begin = begin < 0 ? 0 : begin;
  end = end > Vec<T>::lanes ? Vec<T>::lanes : end;
  return Vec<T>::mask(begin < end ? first_lanes(end) & ~first_lanes(begin) : 0);
}

template <class Reg, int... Lane>
CONVNATIVE_INLINE Reg every_other(Reg low, Reg high, std::integer_sequence<int, Lane...>) {
  return __builtin_shufflevector(low, high, 2 * Lane...);
}
template <class Reg, int... Lane>
CONVNATIVE_INLINE Reg every_other_odd(Reg low, Reg high, std::integer_sequence<int, Lane...>) {
  return __builtin_shufflevector(low, high, (2 * Lane + 1)...);
}

// Elements 0, 2, 4 ... and 1, 3, 5 ... of two vectors in a row.
template <class T>
CONVNATIVE_INLINE typename Vec<T>::Reg even_elements(typename Vec<T>::Reg low, typename Vec<T>::Reg high) {
  return every_other(low, high, std::make_integer_sequence<int, Vec<T>::lanes>{});
}
template <class T>
CONVNATIVE_INLINE typename Vec<T>::Reg odd_elements(typename Vec<T>::Reg low, typename Vec<T>::Reg high) {
  return every_other_odd(low, high, std::make_integer_sequence<int, Vec<T>::lanes>{});
}

// Elements 1, 2, 3 ... of a vector and, last, the first of what lies behind it.
template <class Reg, int... Lane>
CONVNATIVE_INLINE Reg shifted(Reg x, Reg behind, std::integer_sequence<int, Lane...>) {
  return __builtin_shufflevector(x, behind, (Lane + 1)...);
}
template <class T>
CONVNATIVE_INLINE typename Vec<T>::Reg next_elements(typename Vec<T>::Reg x, typename Vec<T>::Reg behind) {
  return shifted(x, behind, std::make_integer_sequence<int, Vec<T>::lanes>{});
}

// The inverse of even and odd elements: low followed by high is even[0], odd[0], even[1], odd[1], ...
template <class Reg, int... Lane>
CONVNATIVE_INLINE Reg interleave_low(Reg even, Reg odd, std::integer_sequence<int, Lane...>) {
  constexpr int lanes = sizeof...(Lane);
  return __builtin_shufflevector(even, odd, (Lane / 2 + (Lane % 2 == 0 ? 0 : lanes))...);
}
template <class Reg, int... Lane>
CONVNATIVE_INLINE Reg interleave_high(Reg even, Reg odd, std::integer_sequence<int, Lane...>) {
  constexpr int lanes = sizeof...(Lane);
  return __builtin_shufflevector(even, odd, ((Lane + lanes) / 2 + (Lane % 2 == 0 ? 0 : lanes))...);
}

template <class T, int Stride>
struct StridedLoad;

template <class T>
struct StridedLoad<T, 1> {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  static CONVNATIVE_INLINE Reg all(const T* p, std::ptrdiff_t) { return V::load(p); }
  static CONVNATIVE_INLINE Reg range(Reg off, std::int64_t begin, std::int64_t end, const T* p,
                                     std::ptrdiff_t) {
    return V::load(off, lane_mask<T>(begin, end), p);
  }
};

// Two loads, the second of which starts one element early: the wanted elements lie in the even lanes of the
// first and in the odd lanes of the second, so that a blend brings all of them into one register and a
// permutation sorts them.
template <class T>
struct StridedLoad<T, 2> {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  static constexpr int lanes = V::lanes;

  static CONVNATIVE_INLINE Reg all(const T* p, std::ptrdiff_t) {
    return sort(V::load(p), V::load(p + lanes - 1));
  }
  // From elements 0 to lanes - 1 and lanes - 1 to 2 lanes - 2.
  static CONVNATIVE_INLINE Reg sort(Reg low, Reg high) {
    return sort(low, high, std::make_integer_sequence<int, lanes>{});
  }
  static CONVNATIVE_INLINE Reg range(Reg off, std::int64_t begin, std::int64_t end, const T* p,
                                     std::ptrdiff_t) {
    const std::int64_t first = 2 * begin, last = 2 * end - 1;
    const Reg low = V::load(lane_mask<T>(first, last), p);
    const Reg high = V::load(lane_mask<T>(first - (lanes - 1), last - (lanes - 1)), p + lanes - 1);
    const Reg sorted = sort(low, high);
    return lane_flags<T>(begin, end) ? sorted : off;
  }

 private:
  template <int... Lane>
  static CONVNATIVE_INLINE Reg sort(Reg low, Reg high, std::integer_sequence<int, Lane...>) {
    const Reg mixed = __builtin_shufflevector(low, high, (Lane % 2 == 0 ? Lane : lanes + Lane)...);
    return __builtin_shufflevector(mixed, mixed, (Lane < lanes / 2 ? 2 * Lane : 2 * Lane - lanes + 1)...);
  }
};

template <class T>
struct StridedLoad<T, 0> {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  static CONVNATIVE_INLINE Reg all(const T* p, std::ptrdiff_t stride) {
    return V::gather(V::zero(), lane_mask<T>(0, V::lanes), p, stride);
  }
  static CONVNATIVE_INLINE Reg range(Reg off, std::int64_t begin, std::int64_t end, const T* p,
                                     std::ptrdiff_t stride) {
    return V::gather(off, lane_mask<T>(begin, end), p, stride);
  }
};

}  // namespace
}  // namespace CONVNATIVE_ISA
}  // namespace convnative
