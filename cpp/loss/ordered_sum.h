// Sums whose order the size alone fixes: blocks in parallel, each into one number, and then these in a row.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <numeric>
#include <vector>

#include "base/checked.h"
#include "base/parallel.h"

namespace convnative {

inline constexpr std::int64_t sum_block_size = 16 * 1024;

// Independent partial sums, which hide the latency of the addition. The i-th number goes to chain i % chains.
class ChainedSum {
 public:
  template <class T>
  void add(const T* values, std::int64_t size) {
    std::int64_t i = 0;
    for (; i + chains <= size; i += chains)
      for (std::int64_t chain = 0; chain < chains; ++chain)
        sums_[chain] += static_cast<double>(values[i + chain]);
    for (std::int64_t chain = 0; i < size; ++i, ++chain) sums_[chain] += static_cast<double>(values[i]);
  }
  double total() const { return std::accumulate(sums_, sums_ + chains, 0.0); }

 private:
  static constexpr std::int64_t chains = 8;
  double sums_[chains] = {};
};

// The sum over all blocks of [0, size) of what `body(begin, count)` returns for each, evaluated in parallel.
template <class Body>
double sum_of_blocks(std::int64_t size, double elements_per_thread, const Body& body) {
  std::vector<double> sums(static_cast<std::size_t>(ceil_div(size, sum_block_size)));
  parallel_for(static_cast<std::int64_t>(sums.size()),
               threads_for(static_cast<double>(size), elements_per_thread), [&](std::int64_t block, int) {
                 const std::int64_t begin = block * sum_block_size;
                 sums[static_cast<std::size_t>(block)] = body(begin, std::min(sum_block_size, size - begin));
               });
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

}  // namespace convnative
