// The one-dimensional transforms of Winograd convolution with 3 taps, each applied to columns and then rows.
//
// With interpolation points p and m(x) = product of (x - p), Toom-Cook's matrices are (A^T has a column, G and
// B^T have a row per point; the last is the point at infinity):
//
//   A^T: (1, p, p^2, ...)      G: (1, p, p^2) / m'(p)      B^T: coefficients of m(x) / (x - p)
//   inf: (0, ..., 0, 1)        inf: (0, 0, 1)              inf: coefficients of m(x)
//
// Points that are reciprocals of each other keep the numbers near 1: with 0, +-1/sqrt(2), +-sqrt(2) F(4 x 4)
// costs the operations of the usual 0, +-1, +-2 and has half its error. (For the theory of points see
// Barabasz et al., "Error Analysis and Improving the Accuracy of Winograd Convolution for DNNs", 2020.)
#pragma once

#include "simd/vec.h"

namespace convnative {
namespace CONVNATIVE_ISA {
namespace {

// Points 0, +-a, +-b, infinity with a = 1/sqrt(2), b = sqrt(2):
// m(x) = x (x^2 - 1/2) (x^2 - 2) = x^5 - 5/2 x^3 + x,  m'(0) = 1,  m'(+-a) = -3/2,  m'(+-b) = 6.
template <class T>
struct WinogradF4 {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  static constexpr int outputs = 4, inputs = 6;
  static constexpr T a = static_cast<T>(0.70710678118654752440), b = static_cast<T>(1.41421356237309504880);

  static CONVNATIVE_INLINE Reg fma(T factor, Reg x, Reg y) { return V::fma(V::broadcast(factor), x, y); }

  static CONVNATIVE_INLINE void input(const Reg (&d)[6], Reg (&t)[6]) {
    const Reg even_a = fma(T(-2), d[2], d[4]), odd_a = fma(T(-2), d[1], d[3]);
    const Reg even_b = fma(T(-0.5), d[2], d[4]), odd_b = fma(T(-0.5), d[1], d[3]);
    t[0] = fma(T(-2.5), d[2], d[0] + d[4]);
    t[1] = fma(a, odd_a, even_a);
    t[2] = fma(-a, odd_a, even_a);
    t[3] = fma(b, odd_b, even_b);
    t[4] = fma(-b, odd_b, even_b);
    t[5] = fma(T(-2.5), d[3], d[1] + d[5]);
  }

  static CONVNATIVE_INLINE void weight(const Reg (&g)[3], Reg (&u)[6]) {
    const Reg scale_a = V::broadcast(static_cast<T>(-2.0 / 3)),
              scale_b = V::broadcast(static_cast<T>(1.0 / 6));
    const Reg even_a = fma(T(0.5), g[2], g[0]), even_b = fma(T(2), g[2], g[0]);
    u[0] = g[0];
    u[1] = scale_a * fma(a, g[1], even_a);
    u[2] = scale_a * fma(-a, g[1], even_a);
    u[3] = scale_b * fma(b, g[1], even_b);
    u[4] = scale_b * fma(-b, g[1], even_b);
    u[5] = g[2];
  }

  static CONVNATIVE_INLINE void output(const Reg (&m)[6], Reg (&y)[4]) {
    const Reg sum_a = m[1] + m[2], difference_a = m[1] - m[2];
    const Reg sum_b = m[3] + m[4], difference_b = m[3] - m[4];
    y[0] = m[0] + (sum_a + sum_b);
    y[1] = fma(b, difference_b, V::broadcast(a) * difference_a);
    y[2] = fma(T(2), sum_b, V::broadcast(T(0.5)) * sum_a);
    y[3] = fma(2 * b, difference_b, fma(a / 2, difference_a, m[5]));
  }
};

// Points 0, +-1, infinity: m(x) = x^3 - x; the signs of the row of 0 in G and B^T are both turned.
template <class T>
struct WinogradF2 {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  static constexpr int outputs = 2, inputs = 4;

  static CONVNATIVE_INLINE void input(const Reg (&d)[4], Reg (&t)[4]) {
    t[0] = d[0] - d[2];
    t[1] = d[2] + d[1];
    t[2] = d[2] - d[1];
    t[3] = d[3] - d[1];
  }

  static CONVNATIVE_INLINE void weight(const Reg (&g)[3], Reg (&u)[4]) {
    const Reg half = V::broadcast(T(0.5)), even = half * (g[0] + g[2]), odd = half * g[1];
    u[0] = g[0];
    u[1] = even + odd;
    u[2] = even - odd;
    u[3] = g[2];
  }

  static CONVNATIVE_INLINE void output(const Reg (&m)[4], Reg (&y)[2]) {
    y[0] = m[0] + (m[1] + m[2]);
    y[1] = (m[1] - m[2]) + m[3];
  }
};

}  // namespace
}  // namespace CONVNATIVE_ISA
}  // namespace convnative
