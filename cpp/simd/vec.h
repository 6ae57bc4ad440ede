// One small vector type per instruction-set level: Vec<float> and Vec<double>.
//
// A Vec is a set of static functions over a register `Reg` of `lanes` elements and a `Mask` of one flag per
// lane; it holds nothing. Registers are GCC/Clang vectors, so + - * and comparisons work on them directly.
// Every level offers the same functions:
//
//   zero(), broadcast(x)                  all lanes alike
//   load(p), store(p, r)                  any alignment
//   mask(bits)                            lane l is on where bit l of `bits` is set
//   load(m, p), store(m, p, r)            lanes that are off read 0 / leave memory alone; never touched there
//   load(r, m, p)                         lanes that are off keep r's
//   gather(r, m, p, stride)               lane l from p[l * stride]
//   add_where(sum, bytes, byte, p)        sum + p[l] in lanes where bytes[l] == byte, where sum is not -0
//   fma(a, b, c)                          a * b + c; rounded once where the level has FMA, twice on baseline
//   max_of_numbers(a, b)                  the larger; a where they compare equal or either is NaN
//   max(a, b)                             the larger; NaN where either is NaN; a where they compare equal
//
// and with AVX-512, where a permutation takes any lanes of two registers for the price of one:
//
//   pick(m, low, numbers, high)           lane l from lane numbers[l] of low followed by high; 0 where off
//
// An FMA chain gives the same bits on every level that has FMA, whatever its width.
#pragma once

#include <cstdint>

#include "simd/isa_namespace.h"

#define CONVNATIVE_ISA_baseline 1
#define CONVNATIVE_ISA_avx2 2
#define CONVNATIVE_ISA_avx512 3
#define CONVNATIVE_CONCAT_(a, b) a##b
#define CONVNATIVE_CONCAT(a, b) CONVNATIVE_CONCAT_(a, b)
#define CONVNATIVE_ISA_LEVEL CONVNATIVE_CONCAT(CONVNATIVE_ISA_, CONVNATIVE_ISA)

#if CONVNATIVE_ISA_LEVEL == CONVNATIVE_ISA_avx512
  #include "simd/vec_avx512.h"
#elif CONVNATIVE_ISA_LEVEL == CONVNATIVE_ISA_avx2
  #include "simd/vec_avx2.h"
#else
  #include "simd/vec_baseline.h"
#endif

namespace convnative {
namespace CONVNATIVE_ISA {
namespace {

// Bits of the first `count` lanes.
CONVNATIVE_INLINE std::uint32_t first_lanes(std::int64_t count) {
  return static_cast<std::uint32_t>((std::uint64_t{1} << count) - 1);
}

}  // namespace
}  // namespace CONVNATIVE_ISA
}  // namespace convnative
