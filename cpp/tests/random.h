// Data for tests: small integers, so that every sum is exact and results compare bit for bit.
#pragma once

#include <cstdint>
#include <vector>

namespace convnative::test {

// xorshift64*, so that every run and every machine sees the same cases.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed * 2654435761u + 88172645463325252ull) {}

  // In [low, high].
  std::int64_t between(std::int64_t low, std::int64_t high) {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    const std::uint64_t bits = (state_ * 2685821657736338717ull) >> 33;
    return low + static_cast<std::int64_t>(bits % static_cast<std::uint64_t>(high - low + 1));
  }

  template <class T>
  std::vector<T> integers(std::int64_t count) {
    std::vector<T> values(static_cast<std::size_t>(count));
    for (T& value : values) value = static_cast<T>(between(-4, 4));
    return values;
  }

 private:
  std::uint64_t state_;
};

}  // namespace convnative::test
