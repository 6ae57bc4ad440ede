// Lookups in parallel over blocks of them; gradients over rows of the table, each summed by one thread from
// the list of its lookups.
#include "convnative/embedding.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/checked.h"
#include "base/parallel.h"

namespace convnative {
namespace {

constexpr double elements_per_thread = 32 * 1024;
constexpr std::int64_t elements_per_task = 64 * 1024;

void require_rows(const Embedding& lookup) {
  for (std::int64_t i = 0; i < lookup.size; ++i)
    if (lookup.index[i] < 0 || lookup.index[i] >= lookup.rows)
      throw std::out_of_range("input: expected indices in [0, " + std::to_string(lookup.rows) +
                              "), received " + std::to_string(lookup.index[i]));
}

double elements(const Embedding& lookup) {
  return static_cast<double>(lookup.size) * static_cast<double>(lookup.width);
}

// Calls `body(i)` for every lookup.
template <class Body>
void for_each_lookup(const Embedding& lookup, const Body& body) {
  const std::int64_t per_task =
      std::max<std::int64_t>(elements_per_task / std::max<std::int64_t>(lookup.width, 1), 1);
  parallel_for(ceil_div(lookup.size, per_task), threads_for(elements(lookup), elements_per_thread),
               [&](std::int64_t task, int) {
                 const std::int64_t end = std::min((task + 1) * per_task, lookup.size);
                 for (std::int64_t i = task * per_task; i < end; ++i) body(i);
               });
}

// The lookups of each row, in ascending order: those of `row` are lookups[begin[row]] to
// lookups[begin[row + 1]].
class LookupsOfRows {
 public:
  explicit LookupsOfRows(const Embedding& lookup)
      : begin_(static_cast<std::size_t>(lookup.rows) + 1), lookups_(static_cast<std::size_t>(lookup.size)) {
    for (std::int64_t i = 0; i < lookup.size; ++i) ++begin_[at(lookup.index[i]) + 1];
    for (std::size_t row = 0; row + 1 < begin_.size(); ++row) begin_[row + 1] += begin_[row];
    std::vector<std::int64_t> next(begin_.begin(), begin_.end() - 1);
    for (std::int64_t i = 0; i < lookup.size; ++i) lookups_[at(next[at(lookup.index[i])]++)] = i;
  }

  std::int64_t count(std::int64_t row) const { return begin_[at(row) + 1] - begin_[at(row)]; }
  const std::int64_t* of(std::int64_t row) const { return lookups_.data() + begin_[at(row)]; }

  // The first row at or after which the rows and lookups before it are at least `work`: rows that are looked
  // up often and rows that never are share one measure.
  std::int64_t row_after(std::int64_t work) const {
    std::int64_t low = 0, high = static_cast<std::int64_t>(begin_.size()) - 1;
    while (low < high) {
      const std::int64_t middle = low + (high - low) / 2;
      if (middle + begin_[at(middle)] < work)
        low = middle + 1;
      else
        high = middle;
    }
    return low;
  }

 private:
  static std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

  std::vector<std::int64_t> begin_;
  std::vector<std::int64_t> lookups_;
};

template <class T>
void forward(const Embedding& lookup, const T* table, T* result) {
  for_each_lookup(lookup, [&](std::int64_t i) {
    std::copy_n(table + lookup.index[i] * lookup.width, lookup.width, result + i * lookup.width);
  });
}

template <class T>
void grad(const Embedding& lookup, const T* grad_output, T* grad_table) {
  const LookupsOfRows lookups(lookup);
  constexpr std::int64_t block = 64;  // columns whose sums are in flight
  const auto sum_row = [&](std::int64_t row, std::int64_t first, std::int64_t columns) {
    double sums[block] = {};
    const std::int64_t count = row == lookup.padding_index ? 0 : lookups.count(row);
    const std::int64_t* const rows = lookups.of(row);
    for (std::int64_t k = 0; k < count; ++k) {
      const T* const g = grad_output + rows[k] * lookup.width + first;
      for (std::int64_t j = 0; j < columns; ++j) sums[j] += static_cast<double>(g[j]);
    }
    const double divisor =
        lookup.scale_by_frequency ? static_cast<double>(std::max<std::int64_t>(count, 1)) : 1;
    T* const result = grad_table + row * lookup.width + first;
    for (std::int64_t j = 0; j < columns; ++j) result[j] = static_cast<T>(sums[j] / divisor);
  };
  // A task is a run of rows with all their lookups, in one block of columns.
  const std::int64_t column_blocks = ceil_div(lookup.width, block);
  const std::int64_t work_per_task =
      elements_per_task / std::min(block, std::max<std::int64_t>(lookup.width, 1));
  const std::int64_t runs = ceil_div(lookup.rows + lookup.size, work_per_task);
  const double work = elements(lookup) + static_cast<double>(lookup.rows) * static_cast<double>(lookup.width);
  parallel_for(runs * column_blocks, threads_for(work, elements_per_thread), [&](std::int64_t task, int) {
    const std::int64_t run = task / column_blocks, first = task % column_blocks * block;
    const std::int64_t end = run + 1 == runs ? lookup.rows : lookups.row_after((run + 1) * work_per_task);
    for (std::int64_t row = lookups.row_after(run * work_per_task); row < end; ++row)
      sum_row(row, first, std::min(block, lookup.width - first));
  });
}

template <class T>
void grad_adjoint(const Embedding& lookup, const T* table, T* result) {
  std::vector<std::int64_t> frequency(lookup.scale_by_frequency ? static_cast<std::size_t>(lookup.rows) : 0);
  if (lookup.scale_by_frequency)
    for (std::int64_t i = 0; i < lookup.size; ++i) ++frequency[static_cast<std::size_t>(lookup.index[i])];
  for_each_lookup(lookup, [&](std::int64_t i) {
    const std::int64_t row = lookup.index[i];
    T* const y = result + i * lookup.width;
    if (row == lookup.padding_index) {
      std::fill_n(y, lookup.width, T{0});
      return;
    }
    const double divisor =
        lookup.scale_by_frequency ? static_cast<double>(frequency[static_cast<std::size_t>(row)]) : 1;
    const T* const x = table + row * lookup.width;
    for (std::int64_t j = 0; j < lookup.width; ++j)
      y[j] = static_cast<T>(static_cast<double>(x[j]) / divisor);
  });
}

// (sum of |x|^order)^(1 / order) with its limits for the orders 0 and +-infinity.
template <class T>
double norm(const T* row, std::int64_t width, double order) {
  const double infinity = std::numeric_limits<double>::infinity();
  double result = order == -infinity ? infinity : 0;
  for (std::int64_t j = 0; j < width; ++j) {
    const double size = std::fabs(static_cast<double>(row[j]));
    if (order == 2)
      result += size * size;
    else if (order == 1)
      result += size;
    else if (order == 0)
      result += size != 0;
    else if (order == infinity)
      result = std::max(result, size);
    else if (order == -infinity)
      result = std::min(result, size);
    else
      result += std::pow(size, order);
  }
  if (order == 2) return std::sqrt(result);
  return order == 1 || order == 0 || std::isinf(order) ? result : std::pow(result, 1 / order);
}

template <class T>
void renormalise(const Embedding& lookup, double max_norm, double norm_order, T* table) {
  std::vector<char> seen(static_cast<std::size_t>(lookup.rows));
  std::vector<std::int64_t> rows;  // each once
  for (std::int64_t i = 0; i < lookup.size; ++i)
    if (char& mark = seen[static_cast<std::size_t>(lookup.index[i])]; !mark) {
      mark = 1;
      rows.push_back(lookup.index[i]);
    }
  const Embedding once{lookup.rows, lookup.width, static_cast<std::int64_t>(rows.size()), rows.data()};
  for_each_lookup(once, [&](std::int64_t i) {
    T* const row = table + once.index[i] * once.width;
    const double size = norm(row, once.width, norm_order);
    if (!(size > max_norm)) return;
    // The small number keeps the row below the bound after rounding.
    const double scale = max_norm / (size + 1e-7);
    for (std::int64_t j = 0; j < once.width; ++j)
      row[j] = static_cast<T>(static_cast<double>(row[j]) * scale);
  });
}

}  // namespace

void embedding_forward(const Embedding& lookup, DType dtype, const void* table, void* result) {
  require_rows(lookup);
  if (dtype == DType::float32)
    forward(lookup, static_cast<const float*>(table), static_cast<float*>(result));
  else
    forward(lookup, static_cast<const double*>(table), static_cast<double*>(result));
}

void embedding_grad(const Embedding& lookup, DType dtype, const void* grad_output, void* grad_table) {
  require_rows(lookup);
  if (dtype == DType::float32)
    grad(lookup, static_cast<const float*>(grad_output), static_cast<float*>(grad_table));
  else
    grad(lookup, static_cast<const double*>(grad_output), static_cast<double*>(grad_table));
}

void embedding_grad_adjoint(const Embedding& lookup, DType dtype, const void* table, void* result) {
  require_rows(lookup);
  if (dtype == DType::float32)
    grad_adjoint(lookup, static_cast<const float*>(table), static_cast<float*>(result));
  else
    grad_adjoint(lookup, static_cast<const double*>(table), static_cast<double*>(result));
}

void embedding_renormalise(const Embedding& lookup, DType dtype, double max_norm, double norm_order,
                           void* table) {
  require_rows(lookup);
  if (dtype == DType::float32)
    renormalise(lookup, max_norm, norm_order, static_cast<float*>(table));
  else
    renormalise(lookup, max_norm, norm_order, static_cast<double*>(table));
}

}  // namespace convnative
