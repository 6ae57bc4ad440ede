// Sums of the columns of a matrix.
#include <algorithm>

#include "base/checked.h"
#include "base/parallel.h"
#include "convnative/gemm.h"

namespace convnative {

template <class T>
void column_sums(std::int64_t m, std::int64_t n, const T* matrix, T* sums) {
  constexpr std::int64_t block = 64;  // columns whose sums are in flight
  constexpr double adds_per_thread = 1e5;
  const double adds = static_cast<double>(m) * static_cast<double>(n);
  parallel_for(ceil_div(n, block), threads_for(adds, adds_per_thread), [&](std::int64_t task, int) {
    const std::int64_t first = task * block, columns = std::min(block, n - first);
    double totals[block] = {};
    for (std::int64_t i = 0; i < m; ++i) {
      const T* const row = matrix + i * n + first;
      for (std::int64_t j = 0; j < columns; ++j) totals[j] += static_cast<double>(row[j]);
    }
    for (std::int64_t j = 0; j < columns; ++j) sums[first + j] = static_cast<T>(totals[j]);
  });
}

template void column_sums(std::int64_t, std::int64_t, const float*, float*);
template void column_sums(std::int64_t, std::int64_t, const double*, double*);

}  // namespace convnative
