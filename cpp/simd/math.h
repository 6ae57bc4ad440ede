// Elementary functions of a register, for the sources that are compiled per instruction-set level.
//
// Errors in units in the last place of the exact result, over all finite arguments (tests/test_activation.py
// holds the activations made of them to account). NaN gives NaN, infinities the limits, results below the
// smallest normal number are rounded to a subnormal one.
//
//   exp(x)           1 ulp
//   expm1(x)         1 ulp
//   log1p_unit(x)    1 ulp, for 0 <= x <= 1
//   gauss(a)         2 ulp, exp(-a^2 / 2)
//   normal_tail(a)   4 ulp, for a >= 0: the probability that a standard normal variable is beyond a
//
// Every operation is the same on all levels but for the fused multiply-add, so that levels that have it
// agree in every bit. The polynomials are minimax in the relative error of the function: Remez exchange in
// 60 digits, coefficients rounded to the type.
#pragma once

#include <cstdint>

#include "simd/vec.h"

namespace convnative {
namespace CONVNATIVE_ISA {
namespace {

template <class T>
struct MathConstants;

template <>
struct MathConstants<float> {
  using Bits = std::uint32_t;
  static constexpr int mantissa_bits = 23;
  static constexpr Bits bias = 127;
  // Adding it leaves the nearest integer in the low bits of the sum.
  static constexpr float round = 0x1.8p23F;
  // Where exp is 0 and infinite.
  static constexpr float exp_low = -104, exp_high = 89;
  // ln 2 in two parts; the first has so few bits that its product with an exponent is exact.
  static constexpr float ln2_high = 0x1.62e4p-1F, ln2_low = 1.4286068202862268e-6F;
  // (exp(x) - 1 - x) / x^2 for |x| <= 0.41, error 2^-30 of expm1
  static constexpr float exp_tail[] = {0.50000001194411903F,   0.16666665853716784F,
                                       0.041666070933583163F,  0.0083334334436044349F,
                                       0.0013961180056110474F, 0.00019847429805850917F};
  // (2 atanh(s) - 2 s) / s^3 in s^2 for s^2 <= 0.0401, error 2^-28 of 2 atanh(s)
  static constexpr float atanh_tail[] = {0.66666948481902602F, 0.39957690675090933F, 0.30363765239932023F};
  // normal_tail is 0 from here on
  static constexpr float tail_end = 14.5F;
  // exp(a^2 / 2) normal_tail(a) (1 + a sqrt(pi / 2)) in t = (a - centre) / (a + centre), error 2^-29
  static constexpr float tail_centre = 4;
  static constexpr float tail[] = {0.5677154076309129F,      -0.07803566743317297F,   -0.013961137189710692F,
                                   0.05400915968308682F,     -0.04817175932351731F,   0.0246368300872464F,
                                   -0.006400186039698706F,   -0.0005459091742845257F, 0.0009124723421082511F,
                                   -6.0656619924959473e-05F, -9.104193837669167e-05F};
};

template <>
struct MathConstants<double> {
  using Bits = std::uint64_t;
  static constexpr int mantissa_bits = 52;
  static constexpr Bits bias = 1023;
  static constexpr double round = 0x1.8p52;
  static constexpr double exp_low = -746, exp_high = 710;
  static constexpr double ln2_high = 0x1.62e42feep-1, ln2_low = 0x1.a39ef35793c76p-33;
  // error 2^-59 of expm1
  static constexpr double exp_tail[] = {
      0.50000000000000000635,     0.1666666666666671929,    0.041666666666665820919,
      0.0083333333332887928145,   0.0013888888889170315053, 0.00019841269963583817297,
      0.000024801586948268613219, 2.7557172744628588695e-6, 2.7557482471646708703e-7,
      2.5131680923806048405e-8,   2.087477270941348745e-9};
  // error 2^-62 of 2 atanh(s)
  static constexpr double atanh_tail[] = {
      0.66666666666666596291, 0.40000000000056710274, 0.2857142855581990799,  0.22222224297547360659,
      0.18181665801505995092, 0.15391114696701024869, 0.13173547724472416048, 0.13843423021209630516};
  static constexpr double tail_end = 39;
  // error 2^-56
  static constexpr double tail_centre = 5;
  static constexpr double tail[] = {
      0.5589395667632957,      -0.07840394227296243,    0.009488928482231047,   0.03302511924268748,
      -0.04521123766936684,    0.036683594924196636,    -0.021290937366374583,  0.008776710533723624,
      -0.002156260483755517,   -2.4248800568206734e-05, 0.00024382921471818256, -6.743114527576559e-05,
      -1.4086661272843697e-05, 1.1677991285400544e-05,  8.487838753399502e-08,  -1.7028916724960885e-06,
      1.3646934632720614e-07,  2.5846425847193106e-07,  -2.46556771298081e-08,  -4.103123907145212e-08,
      1.010712861462848e-10,   5.001594191433456e-09,   9.434246532975202e-10};
};

template <class T>
struct Math {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  using K = MathConstants<T>;
  using Word = typename K::Bits;
  typedef Word Bits __attribute__((vector_size(sizeof(Reg))));

  static CONVNATIVE_INLINE Reg constant(double x) { return V::broadcast(static_cast<T>(x)); }
  static CONVNATIVE_INLINE Bits bits(Reg x) { return reinterpret_cast<Bits>(x); }
  static CONVNATIVE_INLINE Reg real(Bits x) { return reinterpret_cast<Reg>(x); }

  static CONVNATIVE_INLINE Reg abs(Reg x) { return real(bits(x) & (Bits{} + ~sign_bit)); }
  // The sign of `other` for a magnitude >= 0.
  static CONVNATIVE_INLINE Reg with_sign(Reg magnitude, Reg other) {
    return real(bits(magnitude) | (bits(other) & (Bits{} + sign_bit)));
  }
  // NaN stays in both.
  static CONVNATIVE_INLINE Reg at_least(Reg x, double low) { return x < constant(low) ? constant(low) : x; }
  static CONVNATIVE_INLINE Reg at_most(Reg x, double high) { return x > constant(high) ? constant(high) : x; }

  static CONVNATIVE_INLINE Reg exp(Reg x) { return exp(x, V::zero()); }

  static CONVNATIVE_INLINE Reg expm1(Reg x) {
    // The result is -1 below `low`, and 2^n (1 + e) - 1 = 2^n (e + (1 - 2^-n)) from there on; the power is
    // finite up to `high`, and beyond too small to count.
    constexpr double low = -2 * K::mantissa_bits, high = 2 * K::mantissa_bits;
    const Reduced reduced = reduce(at_most(at_least(x, low), K::exp_high), V::zero());
    const Reg power = real((3 * K::bias - reduced.exponent) << K::mantissa_bits);
    const Reg missing = x > constant(high) ? V::zero() : power;
    return scale(expm1_reduced(reduced.rest) + (constant(1) - missing), reduced.exponent);
  }

  static CONVNATIVE_INLINE Reg log1p_unit(Reg x) {
    // log(1 + x) = log(1 + f) or log 2 + log(1 + f), -1/4 <= f <= 1/2 exact; with s = f / (2 + f),
    // log(1 + f) = 2 atanh(s) = f - (f^2 / 2 - s (f^2 / 2 + tail)).
    const auto beyond = x > constant(0.5);
    const Reg f = beyond ? (x - constant(1)) * constant(0.5) : x;
    const Reg half_square = constant(0.5) * f * f;
    const Reg s = f / (constant(2) + f);
    const Reg s2 = s * s;
    const Reg product = s * (half_square + s2 * polynomial(s2, K::atanh_tail));
    const Reg low = beyond ? constant(K::ln2_low) : V::zero();
    const Reg high = beyond ? constant(K::ln2_high) : V::zero();
    return high + (f - (half_square - (product + low)));
  }

  static CONVNATIVE_INLINE Reg normal_tail(Reg a) {
    a = at_most(a, K::tail_end);
    const Reg t = (a - constant(K::tail_centre)) / (a + constant(K::tail_centre));
    constexpr double sqrt_half_pi = 1.2533141373155002512;
    return gauss(a) * polynomial(t, K::tail) / (constant(1) + constant(sqrt_half_pi) * a);
  }

  // exp(-a^2 / 2), to 2 ulp: the square is taken exactly, in two parts.
  static CONVNATIVE_INLINE Reg gauss(Reg a) {
    a = at_most(abs(a), K::tail_end);
    const Reg high = real(bits(a) & (Bits{} + (~Word{} << (K::mantissa_bits / 2 + 1))));
    return exp(constant(-0.5) * high * high, constant(-0.5) * ((a - high) * (a + high)));
  }

 private:
  static constexpr Word sign_bit = Word{1} << (8 * sizeof(T) - 1);

  // x = n ln 2 + rest; `exponent` is n plus twice the bias, so that it is positive.
  struct Reduced {
    Reg rest;
    Bits exponent;
  };

  static CONVNATIVE_INLINE Reduced reduce(Reg x, Reg correction) {
    constexpr double log2_e = 1.4426950408889634074;
    const Reg shifted = V::fma(x, constant(log2_e), constant(K::round));
    const Reg n = shifted - constant(K::round);
    const Reg rest = V::fma(n, constant(-K::ln2_high), x);
    return {V::fma(n, constant(-K::ln2_low), rest) + correction,
            bits(shifted) - bits(constant(K::round)) + 2 * K::bias};
  }

  // x 2^n by two factors, each of which is a normal number.
  static CONVNATIVE_INLINE Reg scale(Reg x, Bits exponent) {
    const Bits first = exponent >> 1, second = exponent - first;
    return x * real(first << K::mantissa_bits) * real(second << K::mantissa_bits);
  }

  static CONVNATIVE_INLINE Reg expm1_reduced(Reg x) { return V::fma(x * x, polynomial(x, K::exp_tail), x); }

  // exp(x + correction), |correction| <= 0.06.
  static CONVNATIVE_INLINE Reg exp(Reg x, Reg correction) {
    const Reduced reduced = reduce(at_most(at_least(x, K::exp_low), K::exp_high), correction);
    return scale(constant(1) + expm1_reduced(reduced.rest), reduced.exponent);
  }

  template <int Count>
  static CONVNATIVE_INLINE Reg polynomial(Reg x, const T (&coefficients)[Count]) {
    Reg sum = V::broadcast(coefficients[Count - 1]);
#pragma GCC unroll 32
    for (int i = Count - 2; i >= 0; --i) sum = V::fma(sum, x, V::broadcast(coefficients[i]));
    return sum;
  }
};

}  // namespace
}  // namespace CONVNATIVE_ISA
}  // namespace convnative
