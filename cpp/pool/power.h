// The functions of one number that power-average pooling is made of.
#pragma once

#include <cmath>
#include <cstdint>

namespace convnative {

// x^exponent. `absolute`: of |x|; `keeps_sign`: and with the sign of x, 0 for 0 (the slope of |x|^p).
template <class T>
class Power {
 public:
  Power(double exponent, bool absolute, bool keeps_sign = false)
      : exponent_(static_cast<T>(exponent)), absolute_(absolute), signed_(absolute && keeps_sign) {}

  T operator()(T x) const {
    const T size = absolute_ ? std::abs(x) : x;
    const T power = raised(size);
    if (!signed_) return power;
    return x > 0 ? power : x < 0 ? -power : x * 0;
  }

  void apply(const T* row, std::int64_t begin, std::int64_t end, T* result) const {
    const std::int64_t count = end - begin;
    if (exponent_ == 2 && !signed_)  // the Euclidean norm: a loop that vectorises
      for (std::int64_t i = 0; i < count; ++i) result[i] = row[begin + i] * row[begin + i];
    else
      for (std::int64_t i = 0; i < count; ++i) result[i] = (*this)(row[begin + i]);
  }

 private:
  T raised(T x) const {
    if (exponent_ == 0) return 1;
    if (exponent_ == 1) return x;
    if (exponent_ == 2) return x * x;
    if (exponent_ == 3) return x * x * x;
    return std::pow(x, exponent_);
  }

  T exponent_;
  bool absolute_, signed_;
};

// (scale * sum)^(1 / p)
template <class T>
class Root {
 public:
  Root(double p, T scale) : p_(p), inverse_(static_cast<T>(1 / p)), scale_(scale) {}

  void apply(T* row, std::int64_t count) const {
    if (p_ == 1)
      for (std::int64_t i = 0; i < count; ++i) row[i] *= scale_;
    else if (p_ == 2)
      for (std::int64_t i = 0; i < count; ++i) row[i] = std::sqrt(row[i] * scale_);
    else
      for (std::int64_t i = 0; i < count; ++i) row[i] = std::pow(row[i] * scale_, inverse_);
  }

 private:
  double p_;
  T inverse_, scale_;
};

// What a window of norm `output` hands on of its gradient: gradient * output^exponent, exponent = 1 - p. A
// window of zeros hands on nothing (torch's choice of the subgradient).
template <class T>
T lp_share(T output, T gradient, T exponent) {
  if (output == 0) return 0;
  if (exponent == 0) return gradient;
  if (exponent == -1) return gradient / output;
  return gradient * std::pow(output, exponent);
}

}  // namespace convnative
