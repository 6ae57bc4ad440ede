// The elementwise functions: the one place that says what an activation is.
//
// A row has `name`, the number of its `parameters`, its `cost` per element (1: a comparison or two, 8: an
// exponential and a division), a constructor from the parameters, and of registers
//
//   value(x)      f(x)
//   grad(x, g)    f'(x) g
//   second(x, g)  f''(x) g
//
// Where f has a kink, f' is what torch takes, and f'' is that of the pieces. NaN gives NaN. A gradient that
// does not pass is 0 whatever g is. Where a factor falls to 0 faster than another grows, infinite arguments
// give the limit of the product; `finite` sees to that.
#pragma once

#include "simd/math.h"

namespace convnative {
namespace CONVNATIVE_ISA {
namespace {

template <class T>
struct Row {
  using V = Vec<T>;
  using M = Math<T>;
  using Reg = typename V::Reg;

  static CONVNATIVE_INLINE Reg constant(double x) { return M::constant(x); }
  static CONVNATIVE_INLINE Reg zero() { return V::zero(); }
  static CONVNATIVE_INLINE Reg one() { return constant(1); }
  // Large enough that every f that ends in 0 or 1 has got there.
  static CONVNATIVE_INLINE Reg finite(Reg x) { return M::at_most(M::at_least(x, -1e6), 1e6); }
};

// What the compiler cannot find in a base class that depends on T.
#define CONVNATIVE_ROW(T)           \
  using Reg = typename Row<T>::Reg; \
  using M = typename Row<T>::M;     \
  using Row<T>::constant;           \
  using Row<T>::zero;               \
  using Row<T>::one;                \
  using Row<T>::finite;

// -- pieces of straight lines -------------------------------------------------------------------------------

// x < 0 ? 0 : x
template <class T>
struct Relu : Row<T> {
  CONVNATIVE_ROW(T)
  static constexpr const char* name = "relu";
  static constexpr int parameters = 0, cost = 1;
  explicit Relu(const double*) {}
  CONVNATIVE_INLINE Reg value(Reg x) const { return x < zero() ? zero() : x; }
  CONVNATIVE_INLINE Reg grad(Reg x, Reg g) const { return x <= zero() ? zero() : g; }
  CONVNATIVE_INLINE Reg second(Reg, Reg) const { return zero(); }
};

// x > 0 ? x : slope x
template <class T>
struct LeakyRelu : Row<T> {
  CONVNATIVE_ROW(T)
  static constexpr const char* name = "leaky_relu";
  static constexpr int parameters = 1, cost = 1;
  Reg slope;
  explicit LeakyRelu(const double* p) : slope(constant(p[0])) {}
  CONVNATIVE_INLINE Reg value(Reg x) const { return x > zero() ? x : slope * x; }
  CONVNATIVE_INLINE Reg grad(Reg x, Reg g) const { return x > zero() ? g : slope * g; }
  CONVNATIVE_INLINE Reg second(Reg, Reg) const { return zero(); }
};

// x <= threshold ? otherwise : x
template <class T>
struct Threshold : Row<T> {
  CONVNATIVE_ROW(T)
  static constexpr const char* name = "threshold";
  static constexpr int parameters = 2, cost = 1;
  Reg threshold, otherwise;
  explicit Threshold(const double* p) : threshold(constant(p[0])), otherwise(constant(p[1])) {}
  CONVNATIVE_INLINE Reg value(Reg x) const { return x <= threshold ? otherwise : x; }
  CONVNATIVE_INLINE Reg grad(Reg x, Reg g) const { return x <= threshold ? zero() : g; }
  CONVNATIVE_INLINE Reg second(Reg, Reg) const { return zero(); }
};

// x cut to [low, high]; at the ends the gradient does not pass
template <class T>
struct Hardtanh : Row<T> {
  CONVNATIVE_ROW(T)
  static constexpr const char* name = "hardtanh";
  static constexpr int parameters = 2, cost = 1;
  Reg low, high;
  explicit Hardtanh(const double* p) : low(constant(p[0])), high(constant(p[1])) {}
  CONVNATIVE_INLINE Reg value(Reg x) const {
    const Reg raised = x < low ? low : x;
    return raised > high ? high : raised;
  }
  CONVNATIVE_INLINE Reg grad(Reg x, Reg g) const { return ((x <= low) | (x >= high)) != 0 ? zero() : g; }
  CONVNATIVE_INLINE Reg second(Reg, Reg) const { return zero(); }
};

// (x + 3) / 6 cut to [0, 1]
template <class T>
struct Hardsigmoid : Row<T> {
  CONVNATIVE_ROW(T)
  static constexpr const char* name = "hardsigmoid";
  static constexpr int parameters = 0, cost = 1;
  explicit Hardsigmoid(const double*) {}
  CONVNATIVE_INLINE Reg value(Reg x) const {
    return M::at_most(M::at_least(x + constant(3), 0), 6) / constant(6);
  }
  CONVNATIVE_INLINE Reg grad(Reg x, Reg g) const {
    return ((x > constant(-3)) & (x < constant(3))) != 0 ? g / constant(6) : zero();
  }
  CONVNATIVE_INLINE Reg second(Reg, Reg) const { return zero(); }
};

// x hardsigmoid(x): of two lines and a parabola
template <class T>
struct Hardswish : Row<T> {
  CONVNATIVE_ROW(T)
  static constexpr const char* name = "hardswish";
  static constexpr int parameters = 0, cost = 1;
  explicit Hardswish(const double*) {}
  CONVNATIVE_INLINE Reg value(Reg x) const {
    const Reg factor = M::at_most(M::at_least(x + constant(3), 0), 6) / constant(6);
    return M::at_least(x, -1e6) * factor;
  }
  CONVNATIVE_INLINE Reg grad(Reg x, Reg g) const {
    const Reg below = x <= constant(-3) ? zero() : g * (x / constant(3) + constant(0.5));
    return ((x >= constant(3)) | (x != x)) != 0 ? g : below;
  }
  CONVNATIVE_INLINE Reg second(Reg x, Reg g) const {
    return ((x > constant(-3)) & (x < constant(3))) != 0 ? g / constant(3) : zero();
  }
};

// -- exponentials -------------------------------------------------------------------------------------------

// x > 0 ? scale x : scale alpha (exp(rate x) - 1): elu, celu and selu; 0 keeps its sign
template <class T>
struct Elu : Row<T> {
  CONVNATIVE_ROW(T)
  static constexpr const char* name = "elu";
  static constexpr int parameters = 3, cost = 8;  // alpha, scale, rate
  Reg scale, rate, depth, slope, curvature;
  explicit Elu(const double* p)
      : scale(constant(p[1])),
        rate(constant(p[2])),
        depth(constant(p[0] * p[1])),
        slope(constant(p[0] * p[1] * p[2])),
        curvature(constant(p[0] * p[1] * p[2] * p[2])) {}
  CONVNATIVE_INLINE Reg value(Reg x) const { return x >= zero() ? scale * x : depth * M::expm1(rate * x); }
  CONVNATIVE_INLINE Reg grad(Reg x, Reg g) const {
    return x > zero() ? scale * g : slope * M::exp(rate * x) * g;
  }
  CONVNATIVE_INLINE Reg second(Reg x, Reg g) const {
    return x >= zero() ? zero() : curvature * M::exp(rate * x) * g;
  }
};

// 1 / (1 + exp(-x)) and its derivatives, from e = exp(-|x|), which cannot overflow.
template <class T>
struct Logistic : Row<T> {
  CONVNATIVE_ROW(T)
  Reg value, slope, curvature;
  explicit CONVNATIVE_INLINE Logistic(Reg x) {
    const Reg a = M::abs(x), e = M::exp(zero() - a), inverse = one() / (one() + e);
    value = x < zero() ? e * inverse : inverse;
    slope = e * inverse * inverse;
    // -(1 - e) / (1 + e), of the sign opposite to x
    curvature = slope * M::with_sign((one() - e) * inverse, zero() - x);
  }
};

template <class T>
struct Sigmoid : Row<T> {
  CONVNATIVE_ROW(T)
  static constexpr const char* name = "sigmoid";
  static constexpr int parameters = 0, cost = 8;
  explicit Sigmoid(const double*) {}
  CONVNATIVE_INLINE Reg value(Reg x) const { return Logistic<T>(x).value; }
  CONVNATIVE_INLINE Reg grad(Reg x, Reg g) const { return Logistic<T>(x).slope * g; }
  CONVNATIVE_INLINE Reg second(Reg x, Reg g) const { return Logistic<T>(x).curvature * g; }
};

// x sigmoid(x)
template <class T>
struct Silu : Row<T> {
  CONVNATIVE_ROW(T)
  static constexpr const char* name = "silu";
  static constexpr int parameters = 0, cost = 8;
  explicit Silu(const double*) {}
  CONVNATIVE_INLINE Reg value(Reg x) const { return M::at_least(x, -1e6) * Logistic<T>(x).value; }
  CONVNATIVE_INLINE Reg grad(Reg x, Reg g) const {
    const Logistic<T> s(x);
    return (s.value + finite(x) * s.slope) * g;
  }
  CONVNATIVE_INLINE Reg second(Reg x, Reg g) const {
    const Logistic<T> s(x);
    return (constant(2) * s.slope + finite(x) * s.curvature) * g;
  }
};

template <class T>
struct Tanh : Row<T> {
  CONVNATIVE_ROW(T)
  static constexpr const char* name = "tanh";
  static constexpr int parameters = 0, cost = 8;
  explicit Tanh(const double*) {}
  CONVNATIVE_INLINE Reg value(Reg x) const {
    const Reg e = M::expm1(constant(-2) * M::abs(x));  // in [-1, 0]
    return M::with_sign((zero() - e) / (constant(2) + e), x);
  }
  CONVNATIVE_INLINE Reg grad(Reg x, Reg g) const { return slope(x) * g; }
  CONVNATIVE_INLINE Reg second(Reg x, Reg g) const { return constant(-2) * value(x) * slope(x) * g; }

 private:
  // 1 - tanh(x)^2 = 4 e / (1 + e)^2 with e = exp(-2 |x|)
  static CONVNATIVE_INLINE Reg slope(Reg x) {
    const Reg e = M::exp(constant(-2) * M::abs(x)), inverse = one() / (one() + e);
    return constant(4) * e * inverse * inverse;
  }
};

// log(1 + exp(beta x)) / beta, and x itself where beta x > threshold
template <class T>
struct Softplus : Row<T> {
  CONVNATIVE_ROW(T)
  static constexpr const char* name = "softplus";
  static constexpr int parameters = 2, cost = 8;
  Reg beta, threshold;
  explicit Softplus(const double* p) : beta(constant(p[0])), threshold(constant(p[1])) {}
  CONVNATIVE_INLINE Reg value(Reg x) const {
    const Reg z = beta * x;
    const Reg positive = z < zero() ? zero() : z;
    const Reg soft = positive + M::log1p_unit(M::exp(zero() - M::abs(z)));
    return z > threshold ? x : soft / beta;
  }
  CONVNATIVE_INLINE Reg grad(Reg x, Reg g) const {
    return beta * x > threshold ? g : Logistic<T>(beta * x).value * g;
  }
  CONVNATIVE_INLINE Reg second(Reg x, Reg g) const {
    return beta * x > threshold ? zero() : beta * Logistic<T>(beta * x).slope * g;
  }
};

// log(sigmoid(x))
template <class T>
struct LogSigmoid : Row<T> {
  CONVNATIVE_ROW(T)
  static constexpr const char* name = "logsigmoid";
  static constexpr int parameters = 0, cost = 8;
  explicit LogSigmoid(const double*) {}
  CONVNATIVE_INLINE Reg value(Reg x) const {
    const Reg negative = x > zero() ? zero() : x;
    return negative - M::log1p_unit(M::exp(zero() - M::abs(x)));
  }
  CONVNATIVE_INLINE Reg grad(Reg x, Reg g) const { return Logistic<T>(zero() - x).value * g; }
  CONVNATIVE_INLINE Reg second(Reg x, Reg g) const { return zero() - Logistic<T>(x).slope * g; }
};

// x / (1 + |x|)
template <class T>
struct Softsign : Row<T> {
  CONVNATIVE_ROW(T)
  static constexpr const char* name = "softsign";
  static constexpr int parameters = 0, cost = 2;
  explicit Softsign(const double*) {}
  CONVNATIVE_INLINE Reg value(Reg x) const {
    const Reg a = M::abs(x);
    return M::abs(x) > constant(largest) ? M::with_sign(one(), x) : x / (one() + a);
  }
  CONVNATIVE_INLINE Reg grad(Reg x, Reg g) const {
    const Reg inverse = one() / (one() + M::abs(x));
    return inverse * inverse * g;
  }
  CONVNATIVE_INLINE Reg second(Reg x, Reg g) const {
    const Reg inverse = one() / (one() + M::abs(x));
    const Reg curvature = M::with_sign(constant(2) * inverse * inverse * inverse, zero() - x);
    return (x == zero() ? zero() : curvature) * g;
  }

 private:
  static constexpr double largest = 1e30;
};

// x tanh(softplus(x)) = x w with w = n / (n + 2), n = e^x (e^x + 2). Each derivative of w is a rational
// function of e = exp(-|x|).
template <class T>
struct Mish : Row<T> {
  CONVNATIVE_ROW(T)
  static constexpr const char* name = "mish";
  static constexpr int parameters = 0, cost = 8;
  explicit Mish(const double*) {}

  struct Weight {
    Reg value, slope, curvature;
    explicit CONVNATIVE_INLINE Weight(Reg x) {
      const auto negative = x < zero();
      const Reg e = M::exp(zero() - M::abs(x)), two = constant(2), four = constant(4);
      const Reg n = negative ? e * (e + two) : one() + two * e;
      const Reg rest = negative ? two : two * e * e;  // of n to the denominator
      const Reg inverse = one() / (n + rest);
      value = n * inverse;
      const Reg u = one() + e, square = inverse * inverse;
      slope = four * e * u * square * (negative ? one() : e);
      const Reg below = (one() + two * e) * (n + rest) - four * e * u * u;
      const Reg above = e * (four * e * u * (one() + two * e) - (two + constant(3) * e) * (n + rest));
      curvature = four * e * square * inverse * (negative ? below : above);
    }
  };

  CONVNATIVE_INLINE Reg value(Reg x) const { return M::at_least(x, -1e6) * Weight(x).value; }
  CONVNATIVE_INLINE Reg grad(Reg x, Reg g) const {
    const Weight w(x);
    return (w.value + finite(x) * w.slope) * g;
  }
  CONVNATIVE_INLINE Reg second(Reg x, Reg g) const {
    const Weight w(x);
    return (constant(2) * w.slope + finite(x) * w.curvature) * g;
  }
};

// x times the probability that a standard normal variable is below x
template <class T>
struct Gelu : Row<T> {
  CONVNATIVE_ROW(T)
  static constexpr const char* name = "gelu";
  static constexpr int parameters = 0, cost = 16;
  explicit Gelu(const double*) {}
  CONVNATIVE_INLINE Reg value(Reg x) const { return M::at_least(x, -1e6) * probability(x); }
  CONVNATIVE_INLINE Reg grad(Reg x, Reg g) const { return (probability(x) + finite(x) * density(x)) * g; }
  CONVNATIVE_INLINE Reg second(Reg x, Reg g) const {
    const Reg near = finite(x);
    return density(x) * (constant(2) - near * near) * g;
  }

 private:
  static CONVNATIVE_INLINE Reg probability(Reg x) {
    const Reg tail = M::normal_tail(M::abs(x));
    return x < zero() ? tail : one() - tail;
  }
  static CONVNATIVE_INLINE Reg density(Reg x) {
    constexpr double inverse_sqrt_two_pi = 0.39894228040143267794;
    return constant(inverse_sqrt_two_pi) * M::gauss(x);
  }
};

// x sigmoid(2 u) with u = sqrt(2 / pi) (x + 0.044715 x^3), the approximation with tanh
template <class T>
struct GeluTanh : Row<T> {
  CONVNATIVE_ROW(T)
  static constexpr const char* name = "gelu_tanh";
  static constexpr int parameters = 0, cost = 8;
  explicit GeluTanh(const double*) {}
  CONVNATIVE_INLINE Reg value(Reg x) const { return M::at_least(x, -1e6) * Logistic<T>(twice_u(x)).value; }
  CONVNATIVE_INLINE Reg grad(Reg x, Reg g) const {
    const Logistic<T> s(twice_u(x));
    const Reg near = finite(x);
    return (s.value + near * slope(near) * s.slope) * g;
  }
  CONVNATIVE_INLINE Reg second(Reg x, Reg g) const {
    const Logistic<T> s(twice_u(x));
    const Reg near = finite(x), u1 = slope(near), u2 = constant(6 * rate * cubic) * near;
    return ((constant(2) * u1 + near * u2) * s.slope + near * u1 * u1 * s.curvature) * g;
  }

 private:
  static constexpr double rate = 1.5957691216057307117, cubic = 0.044715;  // rate: 2 sqrt(2 / pi)
  static CONVNATIVE_INLINE Reg twice_u(Reg x) {
    const Reg near = finite(x);
    return constant(rate) * near * (one() + constant(cubic) * near * near);
  }
  static CONVNATIVE_INLINE Reg slope(Reg near) {
    return constant(rate) * (one() + constant(3 * cubic) * near * near);
  }
};

#undef CONVNATIVE_ROW

}  // namespace
}  // namespace CONVNATIVE_ISA
}  // namespace convnative
