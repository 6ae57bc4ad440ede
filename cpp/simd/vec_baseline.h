// Portable 16-byte vectors for any CPU that GCC or Clang targets; masked accesses go lane by lane.
#pragma once

#include <cstddef>
#include <cstdint>

#include "simd/isa_namespace.h"

namespace convnative {
namespace CONVNATIVE_ISA {
namespace {

template <class T>
struct Vec {
  using Scalar = T;
  typedef T Reg __attribute__((vector_size(16)));
  typedef T Unaligned __attribute__((vector_size(16), aligned(alignof(T)), may_alias));
  using Mask = std::uint32_t;
  static constexpr int lanes = 16 / static_cast<int>(sizeof(T));

  static CONVNATIVE_INLINE Reg zero() { return Reg{}; }
  // Unlike a sum with zeros, this keeps the sign of -0.
  static CONVNATIVE_INLINE Reg broadcast(T x) { return x - Reg{}; }
  static CONVNATIVE_INLINE Reg load(const T* p) { return *reinterpret_cast<const Unaligned*>(p); }
  static CONVNATIVE_INLINE void store(T* p, Reg r) { *reinterpret_cast<Unaligned*>(p) = r; }
  static CONVNATIVE_INLINE Mask mask(std::uint32_t bits) { return bits; }
  static CONVNATIVE_INLINE Reg load(Mask m, const T* p) { return gather(zero(), m, p, 1); }
  static CONVNATIVE_INLINE Reg load(Reg r, Mask m, const T* p) { return gather(r, m, p, 1); }
  static CONVNATIVE_INLINE void store(Mask m, T* p, Reg r) {
    for (int lane = 0; lane < lanes; ++lane)
      if (m >> lane & 1) p[lane] = r[lane];
  }
  static CONVNATIVE_INLINE Reg gather(Reg r, Mask m, const T* p, std::ptrdiff_t stride) {
    for (int lane = 0; lane < lanes; ++lane)
      if (m >> lane & 1) r[lane] = p[lane * stride];
    return r;
  }
  static CONVNATIVE_INLINE Reg add_where(Reg sum, const std::uint8_t* bytes, std::uint8_t byte, const T* p) {
    decltype(Reg{} < Reg{}) given;
    for (int lane = 0; lane < lanes; ++lane) given[lane] = bytes[lane];
    return sum + (given == byte ? load(p) : zero());
  }
  static CONVNATIVE_INLINE Reg fma(Reg a, Reg b, Reg c) { return a * b + c; }
  static CONVNATIVE_INLINE Reg max_of_numbers(Reg a, Reg b) { return b > a ? b : a; }
  static CONVNATIVE_INLINE Reg max(Reg a, Reg b) {
    // False for NaN in either: a NaN in a stays, one in b is taken by the second choice.
    const Reg larger = b > a ? b : a;
    return b != b ? b : larger;
  }
};

}  // namespace
}  // namespace CONVNATIVE_ISA
}  // namespace convnative
