// AVX2 + FMA: 32-byte registers, lane masks as vectors of all-ones and all-zeros.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "simd/isa_namespace.h"

namespace convnative {
namespace CONVNATIVE_ISA {
namespace {

template <class T>
struct Vec;

template <>
struct Vec<float> {
  using Scalar = float;
  using Reg = __m256;
  using Mask = __m256i;
  static constexpr int lanes = 8;

  static CONVNATIVE_INLINE Reg zero() { return _mm256_setzero_ps(); }
  static CONVNATIVE_INLINE Reg broadcast(float x) { return _mm256_set1_ps(x); }
  static CONVNATIVE_INLINE Reg load(const float* p) { return _mm256_loadu_ps(p); }
  static CONVNATIVE_INLINE void store(float* p, Reg r) { _mm256_storeu_ps(p, r); }
  static CONVNATIVE_INLINE Mask mask(std::uint32_t bits) {
    const __m256i lane_bit = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    return _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(static_cast<int>(bits)), lane_bit),
                              lane_bit);
  }
  static CONVNATIVE_INLINE Reg load(Mask m, const float* p) { return _mm256_maskload_ps(p, m); }
  static CONVNATIVE_INLINE Reg load(Reg r, Mask m, const float* p) {
    return _mm256_blendv_ps(r, _mm256_maskload_ps(p, m), _mm256_castsi256_ps(m));
  }
  static CONVNATIVE_INLINE void store(Mask m, float* p, Reg r) { _mm256_maskstore_ps(p, m, r); }
  static CONVNATIVE_INLINE Reg gather(Reg r, Mask m, const float* p, std::ptrdiff_t stride) {
    const __m256i low = _mm256_setr_epi64x(0, stride, 2 * stride, 3 * stride);
    const __m256i high = _mm256_add_epi64(low, _mm256_set1_epi64x(4 * stride));
    const __m128 low_mask = _mm_castsi128_ps(_mm256_castsi256_si128(m));
    const __m128 high_mask = _mm_castsi128_ps(_mm256_extracti128_si256(m, 1));
    const __m128 first = _mm256_mask_i64gather_ps(_mm256_castps256_ps128(r), p, low, low_mask, 4);
    const __m128 second = _mm256_mask_i64gather_ps(_mm256_extractf128_ps(r, 1), p, high, high_mask, 4);
    return _mm256_insertf128_ps(_mm256_castps128_ps256(first), second, 1);
  }
  static CONVNATIVE_INLINE Reg add_where(Reg sum, const std::uint8_t* bytes, std::uint8_t byte,
                                         const float* p) {
    const __m128i given = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes));
    const __m128i equal = _mm_cmpeq_epi8(given, _mm_set1_epi8(static_cast<char>(byte)));
    return sum + _mm256_and_ps(_mm256_castsi256_ps(_mm256_cvtepi8_epi32(equal)), _mm256_loadu_ps(p));
  }
  static CONVNATIVE_INLINE Reg fma(Reg a, Reg b, Reg c) { return _mm256_fmadd_ps(a, b, c); }
  static CONVNATIVE_INLINE Reg max_of_numbers(Reg a, Reg b) { return _mm256_max_ps(b, a); }
  static CONVNATIVE_INLINE Reg max(Reg a, Reg b) {
    // The instruction returns its second operand where either is NaN or both compare equal.
    return _mm256_blendv_ps(_mm256_max_ps(b, a), b, _mm256_cmp_ps(b, b, _CMP_UNORD_Q));
  }
};

template <>
struct Vec<double> {
  using Scalar = double;
  using Reg = __m256d;
  using Mask = __m256i;
  static constexpr int lanes = 4;

  static CONVNATIVE_INLINE Reg zero() { return _mm256_setzero_pd(); }
  static CONVNATIVE_INLINE Reg broadcast(double x) { return _mm256_set1_pd(x); }
  static CONVNATIVE_INLINE Reg load(const double* p) { return _mm256_loadu_pd(p); }
  static CONVNATIVE_INLINE void store(double* p, Reg r) { _mm256_storeu_pd(p, r); }
  static CONVNATIVE_INLINE Mask mask(std::uint32_t bits) {
    const __m256i lane_bit = _mm256_setr_epi64x(1, 2, 4, 8);
    return _mm256_cmpeq_epi64(_mm256_and_si256(_mm256_set1_epi64x(static_cast<long long>(bits)), lane_bit),
                              lane_bit);
  }
  static CONVNATIVE_INLINE Reg load(Mask m, const double* p) { return _mm256_maskload_pd(p, m); }
  static CONVNATIVE_INLINE Reg load(Reg r, Mask m, const double* p) {
    return _mm256_blendv_pd(r, _mm256_maskload_pd(p, m), _mm256_castsi256_pd(m));
  }
  static CONVNATIVE_INLINE void store(Mask m, double* p, Reg r) { _mm256_maskstore_pd(p, m, r); }
  static CONVNATIVE_INLINE Reg gather(Reg r, Mask m, const double* p, std::ptrdiff_t stride) {
    const __m256i lane = _mm256_setr_epi64x(0, stride, 2 * stride, 3 * stride);
    return _mm256_mask_i64gather_pd(r, p, lane, _mm256_castsi256_pd(m), 8);
  }
  static CONVNATIVE_INLINE Reg add_where(Reg sum, const std::uint8_t* bytes, std::uint8_t byte,
                                         const double* p) {
    const __m128i given = _mm_loadu_si32(bytes);
    const __m128i equal = _mm_cmpeq_epi8(given, _mm_set1_epi8(static_cast<char>(byte)));
    return sum + _mm256_and_pd(_mm256_castsi256_pd(_mm256_cvtepi8_epi64(equal)), _mm256_loadu_pd(p));
  }
  static CONVNATIVE_INLINE Reg fma(Reg a, Reg b, Reg c) { return _mm256_fmadd_pd(a, b, c); }
  static CONVNATIVE_INLINE Reg max_of_numbers(Reg a, Reg b) { return _mm256_max_pd(b, a); }
  static CONVNATIVE_INLINE Reg max(Reg a, Reg b) {
    return _mm256_blendv_pd(_mm256_max_pd(b, a), b, _mm256_cmp_pd(b, b, _CMP_UNORD_Q));
  }
};

}  // namespace
}  // namespace CONVNATIVE_ISA
}  // namespace convnative
