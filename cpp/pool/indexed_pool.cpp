// Moves between planes by index: unpooling, and the gradients of pools that keep the indices of their maxima.
#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <string>

#include "base/parallel.h"
#include "convnative/pool.h"
#include "pool/planes.h"

namespace convnative {
namespace {

void require_indices(std::int64_t count, const std::int64_t* indices, std::int64_t lowest,
                     std::int64_t plane) {
  constexpr std::int64_t block = 1 << 16;
  std::atomic<bool> good{true};
  const auto is_good = [&](std::int64_t index) { return index >= lowest && index < plane; };
  parallel_for(ceil_div(count, block),
               threads_for(static_cast<double>(count), 4 * indexed_elements_per_thread),
               [&](std::int64_t task, int) {
                 const std::int64_t* const begin = indices + task * block;
                 std::int64_t low = 0, high = -1;
                 for (std::int64_t i = 0; i < std::min(block, count - task * block); ++i) {
                   low = std::min(low, begin[i]);
                   high = std::max(high, begin[i]);
                 }
                 if (low < lowest || high >= plane) good = false;
               });
  if (good) return;
  const std::int64_t* const bad = std::find_if_not(indices, indices + count, is_good);
  throw std::out_of_range("indices: expected integers in [" + std::to_string(lowest) + ", " +
                          std::to_string(plane) + "), received " + std::to_string(*bad));
}

template <class T>
void unpool(const PlaneShape& shape, const T* input, const std::int64_t* indices, T* output) {
  const std::int64_t from = shape.input_plane(), to = shape.output_plane();
  for_each_plane(shape.planes(), static_cast<double>(from + to), indexed_elements_per_thread,
                 [&](std::int64_t plane) {
                   T* const result = output + plane * to;
                   std::fill_n(result, to, T{0});
                   for (std::int64_t i = plane * from; i < (plane + 1) * from; ++i)
                     result[indices[i]] = input[i];
                 });
}

template <class T>
void add(const PlaneShape& shape, const T* values, const std::int64_t* indices, T* result) {
  const std::int64_t from = shape.input_plane(), to = shape.output_plane();
  for_each_plane(shape.planes(), static_cast<double>(from + to), indexed_elements_per_thread,
                 [&](std::int64_t plane) {
                   T* const sums = result + plane * to;
                   std::fill_n(sums, to, T{0});
                   for (std::int64_t i = plane * from; i < (plane + 1) * from; ++i)
                     if (indices[i] >= 0) sums[indices[i]] += values[i];
                 });
}

template <class T>
void pick(const PlaneShape& shape, const T* values, const std::int64_t* indices, T missing, T* result) {
  const std::int64_t from = shape.input_plane(), to = shape.output_plane();
  for_each_plane(shape.planes(), static_cast<double>(to), indexed_elements_per_thread,
                 [&](std::int64_t plane) {
                   const T* const source = values + plane * from;
                   for (std::int64_t i = plane * to; i < (plane + 1) * to; ++i)
                     result[i] = indices[i] >= 0 ? source[indices[i]] : missing;
                 });
}

}  // namespace

void max_unpool_forward(const PlaneShape& shape, DType dtype, const void* input, const std::int64_t* indices,
                        void* output) {
  require_indices(shape.input_size(), indices, 0, shape.output_plane());
  if (dtype == DType::float32)
    unpool(shape, static_cast<const float*>(input), indices, static_cast<float*>(output));
  else
    unpool(shape, static_cast<const double*>(input), indices, static_cast<double*>(output));
}

void indexed_add(const PlaneShape& shape, DType dtype, const void* values, const std::int64_t* indices,
                 void* result) {
  require_indices(shape.input_size(), indices, -1, shape.output_plane());
  if (dtype == DType::float32)
    add(shape, static_cast<const float*>(values), indices, static_cast<float*>(result));
  else
    add(shape, static_cast<const double*>(values), indices, static_cast<double*>(result));
}

void indexed_pick(const PlaneShape& shape, DType dtype, const void* values, const std::int64_t* indices,
                  double missing, void* result) {
  require_indices(shape.output_size(), indices, -1, shape.input_plane());
  if (dtype == DType::float32)
    pick(shape, static_cast<const float*>(values), indices, static_cast<float>(missing),
         static_cast<float*>(result));
  else
    pick(shape, static_cast<const double*>(values), indices, missing, static_cast<double*>(result));
}

}  // namespace convnative
