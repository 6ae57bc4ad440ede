// The one-dimensional transforms of Winograd convolution, each applied to columns and then rows.
//
// For m outputs of a filter of r taps, with a = m + r - 1 interpolation points p and m(x) = product of (x - p),
// Toom-Cook's matrices are (A^T has a column, G and B^T have a row per point; the last is the point at infinity):
//
//   A^T: (1, p, p^2, ...)      G: (1, p, p^2, ...) / m'(p)    B^T: coefficients of m(x) / (x - p)
//   inf: (0, ..., 0, 1)        inf: (0, ..., 0, 1)            inf: coefficients of m(x)
//
// Where a is even, the points are 0, infinity and pairs +-p, so that m(x) = x * product of (x^2 - p^2) and all sums
// fall into an even and an odd half, of which a pair takes the sum and the difference. The product of the p^2 is 1:
// then m'(0) is 1 or -1, and its sign is moved from G to B^T. Where a is 5, they are 0, infinity, -1, 1/2 and 2.
//
// Points that are reciprocals of each other keep the numbers near 1: with 0, +-1/sqrt(2), +-sqrt(2) F(4 x 4,
// 3 x 3) costs the operations of the usual 0, +-1, +-2 and has half its error. (For the theory of points see
// Barabasz et al., "Error Analysis and Improving the Accuracy of Winograd Convolution for DNNs", 2020.)
#pragma once

#include "simd/vec.h"

namespace convnative {
namespace CONVNATIVE_ISA {
namespace {

// The pairs +-point, their squares, and the polynomials in x^2 that the transforms are made of.
template <int Pairs>
struct WinogradPoints;

template <>
struct WinogradPoints<1> {
  static constexpr double point[] = {1}, square[] = {1};
};

template <>
struct WinogradPoints<2> {
  static constexpr double point[] = {0.70710678118654752440, 1.41421356237309504880}, square[] = {0.5, 2};
};

template <>
struct WinogradPoints<3> {
  static constexpr double point[] = {0.5, 1, 2}, square[] = {0.25, 1, 4};
};

template <int Pairs>
struct WinogradPolynomials {
  using Points = WinogradPoints<Pairs>;
  double all[Pairs + 1] = {};        // product of (x^2 - square[j]), lowest power first
  double others[Pairs][Pairs] = {};  // the same without pair i
  double scale[Pairs] = {};          // 1 / m'(+-point[i])

  constexpr WinogradPolynomials() {
    multiply(all, -1);
    for (int i = 0; i < Pairs; ++i) {
      multiply(others[i], i);
      double derivative = 2 * Points::square[i];
      for (int j = 0; j < Pairs; ++j)
        if (j != i) derivative *= Points::square[i] - Points::square[j];
      scale[i] = 1 / derivative;
    }
  }

 private:
  static constexpr void multiply(double* product, int without) {
    product[0] = 1;
    int degree = 0;
    for (int j = 0; j < Pairs; ++j) {
      if (j == without) continue;
      ++degree;
      product[degree] = product[degree - 1];
      for (int power = degree - 1; power > 0; --power)
        product[power] = product[power - 1] - Points::square[j] * product[power];
      product[0] *= -Points::square[j];
    }
  }
};

// F(Outputs, Taps) of one dimension.
template <class T, int Outputs, int Taps>
struct WinogradTransform {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  static constexpr int outputs = Outputs, taps = Taps, inputs = Outputs + Taps - 1, pairs = (inputs - 2) / 2;
  static_assert(inputs == 2 + 2 * pairs);
  using Points = WinogradPoints<pairs>;
  static constexpr WinogradPolynomials<pairs> polynomials{};

  static CONVNATIVE_INLINE Reg fma(double factor, Reg x, Reg y) {
    return V::fma(V::broadcast(static_cast<T>(factor)), x, y);
  }

  // B^T
  static CONVNATIVE_INLINE void input(const Reg (&d)[inputs], Reg (&t)[inputs]) {
    constexpr double sign = pairs % 2 == 0 ? 1 : -1;
    t[0] = V::broadcast(static_cast<T>(sign)) * d[inputs - 2];
    t[inputs - 1] = d[inputs - 1];
#pragma GCC unroll 8
    for (int j = pairs - 1; j >= 0; --j) {
      t[0] = fma(sign * polynomials.all[j], d[2 * j], t[0]);
      t[inputs - 1] = fma(polynomials.all[j], d[2 * j + 1], t[inputs - 1]);
    }
#pragma GCC unroll 8
    for (int i = 0; i < pairs; ++i) {
      Reg even = d[2 * pairs], odd = d[2 * pairs - 1];
#pragma GCC unroll 8
      for (int j = pairs - 2; j >= 0; --j) {
        even = fma(polynomials.others[i][j], d[2 * j + 2], even);
        odd = fma(polynomials.others[i][j], d[2 * j + 1], odd);
      }
      t[1 + 2 * i] = fma(Points::point[i], odd, even);
      t[2 + 2 * i] = fma(-Points::point[i], odd, even);
    }
  }

  // G
  static CONVNATIVE_INLINE void weight(const Reg (&g)[taps], Reg (&u)[inputs]) {
    u[0] = g[0];
    u[inputs - 1] = g[taps - 1];
#pragma GCC unroll 8
    for (int i = 0; i < pairs; ++i) {
      // Horner's rule in the square, from the highest even and the highest odd tap down.
      constexpr int last_even = (taps - 1) / 2 * 2, last_odd = taps / 2 * 2 - 1;
      Reg even = g[last_even], odd = g[last_odd];
#pragma GCC unroll 8
      for (int j = last_even - 2; j >= 0; j -= 2) even = fma(Points::square[i], even, g[j]);
#pragma GCC unroll 8
      for (int j = last_odd - 2; j >= 1; j -= 2) odd = fma(Points::square[i], odd, g[j]);
      const Reg scale = V::broadcast(static_cast<T>(polynomials.scale[i]));
      u[1 + 2 * i] = scale * fma(Points::point[i], odd, even);
      u[2 + 2 * i] = scale * fma(-Points::point[i], odd, even);
    }
  }

  // A^T
  static CONVNATIVE_INLINE void output(const Reg (&m)[inputs], Reg (&y)[outputs]) {
    Reg half[2][pairs];  // of each pair the sum, for even powers, and the difference, for odd ones
#pragma GCC unroll 8
    for (int i = 0; i < pairs; ++i) {
      half[0][i] = m[1 + 2 * i] + m[2 + 2 * i];
      half[1][i] = m[1 + 2 * i] - m[2 + 2 * i];
    }
#pragma GCC unroll 8
    for (int j = 0; j < outputs; ++j) {
      Reg sum = V::broadcast(static_cast<T>(power(0, j))) * half[j % 2][0];
#pragma GCC unroll 8
      for (int i = 1; i < pairs; ++i) sum = fma(power(i, j), half[j % 2][i], sum);
      if (j == 0) sum = m[0] + sum;
      if (j == outputs - 1) sum = sum + m[inputs - 1];
      y[j] = sum;
    }
  }

 private:
  static constexpr double power(int i, int exponent) {
    double result = exponent % 2 == 0 ? 1 : Points::point[i];
    for (int j = 1; j < exponent; j += 2) result *= Points::square[i];
    return result;
  }
};

// F(4, 2), with five points: m(x) = x (x + 1) (x^2 - (s + 1/s) x + 1) reads the same from both ends, so that the points s
// and 1/s share their sums as pairs +-p do elsewhere. A pair +-1 with a third point costs 17 operations in B^T and A^T in
// place of 20 and has twice the error.
template <class T>
struct WinogradTransform<T, 4, 2> {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  static constexpr int outputs = 4, taps = 2, inputs = 5;
  // The points are 0, -1, s, 1/s and infinity.
  static constexpr double s = 0.5, reciprocal = 1 / s, sum = s + reciprocal;

  static CONVNATIVE_INLINE Reg fma(double factor, Reg x, Reg y) {
    return V::fma(V::broadcast(static_cast<T>(factor)), x, y);
  }

  // B^T
  static CONVNATIVE_INLINE void input(const Reg (&d)[inputs], Reg (&t)[inputs]) {
    const Reg low = d[1] + d[2], high = d[2] + d[3];
    t[0] = fma(1 - sum, low, d[0] + d[3]);
    t[1] = fma(-2 - sum, d[2], low + high);
    t[2] = fma(-reciprocal, low, high);
    t[3] = fma(-s, low, high);
    t[4] = fma(1 - sum, high, d[1] + d[4]);
  }

  // G
  static CONVNATIVE_INLINE void weight(const Reg (&g)[taps], Reg (&u)[inputs]) {
    const auto scaled = [](double derivative, Reg x) {
      return V::broadcast(static_cast<T>(1 / derivative)) * x;
    };
    u[0] = g[0];
    u[1] = scaled(-2 - sum, g[0] - g[1]);
    u[2] = scaled(s * (s + 1) * (s - reciprocal), fma(s, g[1], g[0]));
    u[3] = scaled(reciprocal * (reciprocal + 1) * (reciprocal - s), fma(reciprocal, g[1], g[0]));
    u[4] = g[1];
  }

  // A^T
  static CONVNATIVE_INLINE void output(const Reg (&m)[inputs], Reg (&y)[outputs]) {
    y[0] = (m[0] + m[1]) + (m[2] + m[3]);
    y[1] = fma(s, m[2], fma(reciprocal, m[3], -m[1]));
    y[2] = fma(s * s, m[2], fma(reciprocal * reciprocal, m[3], m[1]));
    y[3] = fma(s * s * s, m[2], fma(reciprocal * reciprocal * reciprocal, m[3], m[4] - m[1]));
  }
};

// Of an axis on which the kernel has one tap: nothing to transform.
template <class T>
struct WinogradTransform<T, 1, 1> {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  static constexpr int outputs = 1, taps = 1, inputs = 1, pairs = 0;

  static CONVNATIVE_INLINE void input(const Reg (&d)[1], Reg (&t)[1]) { t[0] = d[0]; }
  static CONVNATIVE_INLINE void weight(const Reg (&g)[1], Reg (&u)[1]) { u[0] = g[0]; }
  static CONVNATIVE_INLINE void output(const Reg (&m)[1], Reg (&y)[1]) { y[0] = m[0]; }
};

}  // namespace
}  // namespace CONVNATIVE_ISA
}  // namespace convnative
