// Checked 64-bit arithmetic for sizes that come from outside.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

namespace convnative {

[[noreturn]] inline void throw_overflow(const char* what, std::int64_t a, const char* sign, std::int64_t b) {
  throw std::overflow_error(std::string(what) + ": expected a size below 2**63, received " +
                            std::to_string(a) + sign + std::to_string(b));
}

inline std::int64_t checked_add(std::int64_t a, std::int64_t b, const char* what) {
  std::int64_t sum;
  if (__builtin_add_overflow(a, b, &sum)) throw_overflow(what, a, " + ", b);
  return sum;
}

inline std::int64_t checked_mul(std::int64_t a, std::int64_t b, const char* what) {
  std::int64_t product;
  if (__builtin_mul_overflow(a, b, &product)) throw_overflow(what, a, " * ", b);
  return product;
}

constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) {
  return a / b + (a % b > 0 ? 1 : 0);
}

constexpr std::int64_t floor_div(std::int64_t a, std::int64_t b) {
  return a / b - (a % b < 0 ? 1 : 0);
}

}  // namespace convnative
