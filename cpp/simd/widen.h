// Loads of elements as float64, as many as a vector of them has.
#pragma once

#include "simd/vec.h"

namespace convnative {
namespace CONVNATIVE_ISA {
namespace {

CONVNATIVE_INLINE Vec<double>::Reg widen(const double* p) {
  return Vec<double>::load(p);
}

CONVNATIVE_INLINE Vec<double>::Reg widen(const float* p) {
#if CONVNATIVE_ISA_LEVEL == CONVNATIVE_ISA_avx512
  // Compilers convert vectors of 64 bytes half by half.
  return _mm512_cvtps_pd(_mm256_loadu_ps(p));
#else
  typedef float Floats __attribute__((vector_size(sizeof(float) * Vec<double>::lanes)));
  Floats floats;
  __builtin_memcpy(&floats, p, sizeof floats);
  return __builtin_convertvector(floats, Vec<double>::Reg);
#endif
}

}  // namespace
}  // namespace CONVNATIVE_ISA
}  // namespace convnative
