// Max pooling. The gradient recomputes where the maxima are: that reads the input once more and keeps no
// array of indices between the passes.
#include <algorithm>
#include <limits>

#include "convnative/pool.h"
#include "pool/kernels.h"
#include "pool/lane_max_grad.h"
#include "pool/lane_pool.h"
#include "pool/planes.h"
#include "pool/reduce.h"
#include "pool/window.h"
#include "ref/pool.h"

namespace convnative {
namespace {

template <class T>
void forward(const PoolShape& shape, const T* input, T* output, Isa isa) {
  const PoolKernels<T>& kernels = pool_kernels<T>(isa);
  const PoolReduction<T> reduction(shape, kernels.max);
  if (max_or_sum_prefers_lanes(shape, kernels.lanes)) {
    const LanePool<T> pool = lane_pool(shape, kernels, reduction.separable());
    if (pool.fits()) return pool.max(input, output);
  }
  reduction.run(input, output);
}

constexpr std::int64_t block_of_windows = 512;

// Calls `body(row, where, y, begin, end)` for blocks of windows in a row, in ascending order of the output:
// `where` holds the offsets of the maxima of windows [begin, end) of row `y`, counted over depths.
template <class T, class Body>
void for_each_block(const PoolShape& shape, const PoolColumns& columns,
                    void (*argmax)(const PoolRow<T>&, PoolIndex<T>*), const T* plane, const Body& body) {
  PoolIndex<T> where[block_of_windows];
  for (std::int64_t depth = 0; depth < shape.output[0]; ++depth)
    for (std::int64_t y = 0; y < shape.output[1]; ++y)
      for (std::int64_t begin = 0; begin < shape.output[2]; begin += block_of_windows) {
        const std::int64_t end = std::min(begin + block_of_windows, shape.output[2]);
        const PoolRow<T> row = window_row(shape, columns, plane, depth, y, begin, end);
        argmax(row, where);
        body(row, where, depth * shape.output[1] + y, begin, end);
      }
}

// Calls `body(input_element, output_element)`, positions in the planes, for each window of a plane that has a
// maximum, in ascending order of the output.
template <class T, class Body>
void for_each_maximum(const PoolShape& shape, const PoolColumns& columns,
                      void (*argmax)(const PoolRow<T>&, PoolIndex<T>*), const T* plane, const Body& body) {
  for_each_block<T>(shape, columns, argmax, plane,
                    [&](const PoolRow<T>& row, const PoolIndex<T>* where, std::int64_t y, std::int64_t begin,
                        std::int64_t end) {
                      for (std::int64_t x = begin; x < end; ++x) {
                        const std::int64_t offset = where[x - begin];
                        if (offset >= 0)
                          body(row.source - plane + window_start(shape, 2, x) + offset,
                               y * shape.output[2] + x);
                      }
                    });
}

// Calls `body(plane)` for every plane.
template <class Body>
void for_each_plane(const PoolShape& shape, const Body& body) {
  const double planes = static_cast<double>(std::max<std::int64_t>(shape.planes(), 1));
  convnative::for_each_plane(shape.planes(), elements_under_windows(shape) / planes, pool_elements_per_thread,
                             body);
}

template <class T>
void grad(const PoolShape& shape, const T* input, const T* grad_output, T* grad_input, Isa isa) {
  if (!has_narrow_offsets<T>(shape)) return ref::max_pool_grad(shape, input, grad_output, grad_input);
  const PoolKernels<T>& kernels = pool_kernels<T>(isa);
  if (max_grad_prefers_lanes<T>(shape, kernels.lanes)) {
    const LaneMaxGrad<T> pool(shape, kernels.planes, kernels.lanes);
    if (pool.fits()) return pool.run(input, grad_output, grad_input);
  }
  const PoolColumns columns = pool_columns(shape);
  const auto argmax = for_stride(kernels.argmax, shape.stride[2]).run;
  // Looking for the maxima under every tap pays for few taps; both ways add in the same order.
  constexpr double most_taps = 4;
  const bool few_taps = shape.stride[2] <= 2 && elements_of_kernel(shape) <= most_taps;
  for_each_plane(shape, [&](std::int64_t plane) {
    const T* const source = grad_output + plane * shape.output_plane();
    T* const result = grad_input + plane * shape.input_plane();
    std::fill_n(result, shape.input_plane(), T{0});
    if (few_taps) {
      const T* const elements = input + plane * shape.input_plane();
      for_each_block<T>(shape, columns, argmax, elements,
                        [&](const PoolRow<T>& row, const PoolIndex<T>* where, std::int64_t y,
                            std::int64_t begin, std::int64_t end) {
                          for (std::int64_t d = 0; d < row.depths; ++d)
                            for (std::int64_t r = 0; r < row.rows; ++r) {
                              const std::int64_t offset = d * row.depth_step + r * row.row_step;
                              kernels.spread_maxima({where, source + y * shape.output[2] + begin, end - begin,
                                                     result + (row.source - elements) + offset, columns.width,
                                                     window_start(shape, 2, begin), columns.kernel,
                                                     columns.stride, columns.dilation, offset});
                            }
                        });
      return;
    }
    for_each_maximum<T>(shape, columns, argmax, input + plane * shape.input_plane(),
                        [&](std::int64_t at, std::int64_t window) { result[at] += source[window]; });
  });
}

template <class T>
void pick(const PoolShape& shape, const T* input, const T* values, T* output, Isa isa) {
  if (!has_narrow_offsets<T>(shape)) return ref::max_pool_pick(shape, input, values, output);
  const PoolColumns columns = pool_columns(shape);
  const auto argmax = for_stride(pool_kernels<T>(isa).argmax, shape.stride[2]).run;
  for_each_plane(shape, [&](std::int64_t plane) {
    const T* const source = values + plane * shape.input_plane();
    T* const result = output + plane * shape.output_plane();
    std::fill_n(result, shape.output_plane(), T{0});
    for_each_maximum<T>(shape, columns, argmax, input + plane * shape.input_plane(),
                        [&](std::int64_t at, std::int64_t window) { result[window] = source[at]; });
  });
}

template <class T>
void forward_with_indices(const PoolShape& shape, const T* input, T* output, std::int64_t* indices, Isa isa) {
  if (!has_narrow_offsets<T>(shape)) return ref::max_pool_with_indices(shape, input, output, indices);
  const PoolKernels<T>& kernels = pool_kernels<T>(isa);
  if (indices_prefer_lanes(shape, kernels.lanes)) {
    const LanePool<T> pool = lane_pool(shape, kernels, false);
    if (pool.fits()) return pool.max_with_indices(input, output, indices);
  }
  const PoolColumns columns = pool_columns(shape);
  const auto argmax = for_stride(kernels.argmax, shape.stride[2]).run;
  for_each_plane(shape, [&](std::int64_t plane) {
    const T* const source = input + plane * shape.input_plane();
    T* const values = output + plane * shape.output_plane();
    std::int64_t* const where = indices + plane * shape.output_plane();
    std::fill_n(values, shape.output_plane(), -std::numeric_limits<T>::infinity());
    std::fill_n(where, shape.output_plane(), std::int64_t{-1});
    for_each_maximum<T>(shape, columns, argmax, source, [&](std::int64_t at, std::int64_t window) {
      values[window] = source[at];
      where[window] = at;
    });
  });
}

}  // namespace

void max_pool_forward(const PoolShape& shape, DType dtype, const void* input, void* output, Isa isa) {
  if (dtype == DType::float32)
    forward(shape, static_cast<const float*>(input), static_cast<float*>(output), isa);
  else
    forward(shape, static_cast<const double*>(input), static_cast<double*>(output), isa);
}

void max_pool_with_indices(const PoolShape& shape, DType dtype, const void* input, void* output,
                           std::int64_t* indices, Isa isa) {
  if (dtype == DType::float32)
    forward_with_indices(shape, static_cast<const float*>(input), static_cast<float*>(output), indices, isa);
  else
    forward_with_indices(shape, static_cast<const double*>(input), static_cast<double*>(output), indices,
                         isa);
}

void max_pool_grad(const PoolShape& shape, DType dtype, const void* input, const void* grad_output,
                   void* grad_input, Isa isa) {
  if (dtype == DType::float32)
    grad(shape, static_cast<const float*>(input), static_cast<const float*>(grad_output),
         static_cast<float*>(grad_input), isa);
  else
    grad(shape, static_cast<const double*>(input), static_cast<const double*>(grad_output),
         static_cast<double*>(grad_input), isa);
}

void max_pool_pick(const PoolShape& shape, DType dtype, const void* input, const void* values, void* output,
                   Isa isa) {
  if (dtype == DType::float32)
    pick(shape, static_cast<const float*>(input), static_cast<const float*>(values),
         static_cast<float*>(output), isa);
  else
    pick(shape, static_cast<const double*>(input), static_cast<const double*>(values),
         static_cast<double*>(output), isa);
}

}  // namespace convnative
