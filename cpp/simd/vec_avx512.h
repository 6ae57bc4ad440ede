// AVX-512 (F, BW, DQ, VL): 64-byte registers, lane masks in mask registers.
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
  using Reg = __m512;
  using Mask = __mmask16;
  static constexpr int lanes = 16;

  static CONVNATIVE_INLINE Reg zero() { return _mm512_setzero_ps(); }
  static CONVNATIVE_INLINE Reg broadcast(float x) { return _mm512_set1_ps(x); }
  static CONVNATIVE_INLINE Reg load(const float* p) { return _mm512_loadu_ps(p); }
  static CONVNATIVE_INLINE void store(float* p, Reg r) { _mm512_storeu_ps(p, r); }
  static CONVNATIVE_INLINE Mask mask(std::uint32_t bits) { return static_cast<Mask>(bits); }
  static CONVNATIVE_INLINE Reg load(Mask m, const float* p) { return _mm512_maskz_loadu_ps(m, p); }
  static CONVNATIVE_INLINE Reg load(Reg r, Mask m, const float* p) { return _mm512_mask_loadu_ps(r, m, p); }
  static CONVNATIVE_INLINE void store(Mask m, float* p, Reg r) { _mm512_mask_storeu_ps(p, m, r); }
  static CONVNATIVE_INLINE Reg gather(Reg r, Mask m, const float* p, std::ptrdiff_t stride) {
    const __m512i step = _mm512_set1_epi64(stride);
    const __m512i low = _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7);
    const __m512i high = _mm512_setr_epi64(8, 9, 10, 11, 12, 13, 14, 15);
    const __m256 first = _mm512_mask_i64gather_ps(_mm512_castps512_ps256(r), static_cast<__mmask8>(m),
                                                  _mm512_mullo_epi64(low, step), p, 4);
    const __m256 second = _mm512_mask_i64gather_ps(
        _mm512_extractf32x8_ps(r, 1), static_cast<__mmask8>(m >> 8), _mm512_mullo_epi64(high, step), p, 4);
    return _mm512_insertf32x8(_mm512_castps256_ps512(first), second, 1);
  }
  static CONVNATIVE_INLINE Reg add_where(Reg sum, const std::uint8_t* bytes, std::uint8_t byte,
                                         const float* p) {
    const __m128i wanted = _mm_set1_epi8(static_cast<char>(byte));
    const __m128i given = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
    return _mm512_mask_add_ps(sum, _mm_cmpeq_epi8_mask(given, wanted), sum, _mm512_loadu_ps(p));
  }
  template <class Numbers>
  static CONVNATIVE_INLINE Reg pick(Mask m, Reg low, Numbers numbers, Reg high) {
    return _mm512_maskz_permutex2var_ps(m, low, reinterpret_cast<__m512i>(numbers), high);
  }
  static CONVNATIVE_INLINE Reg fma(Reg a, Reg b, Reg c) { return _mm512_fmadd_ps(a, b, c); }
  static CONVNATIVE_INLINE Reg max_of_numbers(Reg a, Reg b) { return _mm512_max_ps(b, a); }
  static CONVNATIVE_INLINE Reg max(Reg a, Reg b) {
    // The instruction returns its second operand where either is NaN or both compare equal.
    const Reg larger = _mm512_max_ps(b, a);
    return _mm512_mask_mov_ps(larger, _mm512_cmp_ps_mask(b, b, _CMP_UNORD_Q), b);
  }
};

template <>
struct Vec<double> {
  using Scalar = double;
  using Reg = __m512d;
  using Mask = __mmask8;
  static constexpr int lanes = 8;

  static CONVNATIVE_INLINE Reg zero() { return _mm512_setzero_pd(); }
  static CONVNATIVE_INLINE Reg broadcast(double x) { return _mm512_set1_pd(x); }
  static CONVNATIVE_INLINE Reg load(const double* p) { return _mm512_loadu_pd(p); }
  static CONVNATIVE_INLINE void store(double* p, Reg r) { _mm512_storeu_pd(p, r); }
  static CONVNATIVE_INLINE Mask mask(std::uint32_t bits) { return static_cast<Mask>(bits); }
  static CONVNATIVE_INLINE Reg load(Mask m, const double* p) { return _mm512_maskz_loadu_pd(m, p); }
  static CONVNATIVE_INLINE Reg load(Reg r, Mask m, const double* p) { return _mm512_mask_loadu_pd(r, m, p); }
  static CONVNATIVE_INLINE void store(Mask m, double* p, Reg r) { _mm512_mask_storeu_pd(p, m, r); }
  static CONVNATIVE_INLINE Reg gather(Reg r, Mask m, const double* p, std::ptrdiff_t stride) {
    const __m512i lane = _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm512_mask_i64gather_pd(r, m, _mm512_mullo_epi64(lane, _mm512_set1_epi64(stride)), p, 8);
  }
  static CONVNATIVE_INLINE Reg add_where(Reg sum, const std::uint8_t* bytes, std::uint8_t byte,
                                         const double* p) {
    const __m128i wanted = _mm_set1_epi8(static_cast<char>(byte));
    const __m128i given = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes));
    const auto equal = static_cast<__mmask8>(_mm_cmpeq_epi8_mask(given, wanted));
    return _mm512_mask_add_pd(sum, equal, sum, _mm512_loadu_pd(p));
  }
  template <class Numbers>
  static CONVNATIVE_INLINE Reg pick(Mask m, Reg low, Numbers numbers, Reg high) {
    return _mm512_maskz_permutex2var_pd(m, low, reinterpret_cast<__m512i>(numbers), high);
  }
  static CONVNATIVE_INLINE Reg fma(Reg a, Reg b, Reg c) { return _mm512_fmadd_pd(a, b, c); }
  static CONVNATIVE_INLINE Reg max_of_numbers(Reg a, Reg b) { return _mm512_max_pd(b, a); }
  static CONVNATIVE_INLINE Reg max(Reg a, Reg b) {
    const Reg larger = _mm512_max_pd(b, a);
    return _mm512_mask_mov_pd(larger, _mm512_cmp_pd_mask(b, b, _CMP_UNORD_Q), b);
  }
};

}  // namespace
}  // namespace CONVNATIVE_ISA
}  // namespace convnative
