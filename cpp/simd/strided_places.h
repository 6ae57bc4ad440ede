// Places a run-time stride apart, each reached by one address.
//
// An address is a register and another one times 1, 2, 4 or 8: place i = odd * 2^n lies offset[odd] * 2^n bytes behind
// place 0, so that half as many registers as places serve up to 16 of them. Left alone, compilers add the stride
// again and again; on Intel's cores every such scalar instruction may take a port of the multiply-adds.
#pragma once

#include <cstddef>

#include "simd/isa_namespace.h"

namespace convnative {
namespace CONVNATIVE_ISA {
namespace {

template <class T, int Count>
class StridedPlaces {
  static_assert(Count <= 16);

 public:
  CONVNATIVE_INLINE explicit StridedPlaces(std::ptrdiff_t stride) {
#pragma GCC unroll 8
    for (int half = 0; half < halves; ++half) {
      offset_[half] = (2 * half + 1) * stride * static_cast<std::ptrdiff_t>(sizeof(T));
      // Opaque, lest the compiler compute the products anew where they are used.
      __asm__("" : "+r"(offset_[half]));
    }
  }

  // The element at place i < Count from `first` on, i known when it is compiled.
  CONVNATIVE_INLINE const T& at(const T* first, int i) const {
    const int power = i & -i;
    const char* const base = reinterpret_cast<const char*>(first);
    return *reinterpret_cast<const T*>(i == 0 ? base : base + offset_[i / power / 2] * power);
  }

 private:
  static constexpr int halves = (Count + 1) / 2;
  std::ptrdiff_t offset_[halves];
};

}  // namespace
}  // namespace CONVNATIVE_ISA
}  // namespace convnative
