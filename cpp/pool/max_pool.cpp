// Max pooling. What the gradient needs of the input is one byte per window, the tap of its maximum: a forward pass
// that is to be differentiated keeps them, and a gradient without them finds them once more.
#include <algorithm>
#include <limits>
#include <vector>

#include "base/aligned_buffer.h"
#include "convnative/pool.h"
#include "pool/kernels.h"
#include "pool/lane_pool.h"
#include "pool/planes.h"
#include "pool/reduce.h"
#include "pool/squares.h"
#include "pool/tap_gather.h"
#include "pool/tap_places.h"
#include "pool/window.h"
#include "ref/pool.h"

namespace convnative {
namespace {

template <class T>
void forward(const PoolShape& shape, const T* input, T* output, Isa isa) {
  const PoolKernels<T>& kernels = pool_kernels<T>(isa);
  if (has_squares(shape)) return pool_of_squares(shape, kernels.max_squares, input, output, T{1});
  const PoolReduction<T> reduction(shape, kernels.max);
  if (max_or_sum_prefers_lanes(shape, kernels.lanes)) {
    const LanePool<T> pool = lane_pool(shape, kernels, reduction.separable());
    if (pool.fits()) return pool.max(input, output);
  }
  reduction.run(input, output);
}

constexpr std::int64_t block_of_windows = 512;

// Calls `body(input_element, output_element)`, positions in the planes, for each window of a plane that has a
// maximum, in ascending order of the output. For kernels of any size.
template <class T, class Body>
void for_each_maximum(const PoolShape& shape, const PoolColumns& columns,
                      const PoolKernel<T, PoolIndex<T>>& argmax, const T* plane, const Body& body) {
  PoolIndex<T> where[block_of_windows];
  for (std::int64_t depth = 0; depth < shape.output[0]; ++depth)
    for (std::int64_t y = 0; y < shape.output[1]; ++y)
      for (std::int64_t begin = 0; begin < shape.output[2]; begin += block_of_windows) {
        const std::int64_t end = std::min(begin + block_of_windows, shape.output[2]);
        const PoolRow<T> row = window_row(shape, columns, plane, depth, y, begin, end);
        argmax.run(row, where);
        for (std::int64_t x = begin; x < end; ++x) {
          const std::int64_t offset = where[x - begin];
          if (offset >= 0)
            body(row.source - plane + window_start(shape, 2, x) + offset,
                 (depth * shape.output[1] + y) * shape.output[2] + x);
        }
      }
}

// Calls `body(plane)` for every plane whose windows are searched.
template <class Body>
void for_each_plane(const PoolShape& shape, const Body& body) {
  const double planes = static_cast<double>(std::max<std::int64_t>(shape.planes(), 1));
  convnative::for_each_plane(shape.planes(), elements_under_windows(shape) / planes, pool_elements_per_thread,
                             body);
}

// The maxima and their taps; `output` may be null. For has_taps().
template <class T>
void forward_with_taps(const PoolShape& shape, const PoolKernels<T>& kernels, const T* input, T* output,
                       std::uint8_t* taps) {
  if (max_or_sum_prefers_lanes(shape, kernels.lanes)) {
    const LanePool<T> pool = lane_pool(shape, kernels, false);
    if (pool.fits()) return pool.max_with_taps(tap_numbers(shape.kernel), input, output, taps);
  }
  const PoolColumns columns = pool_columns(shape);
  std::vector<LaneSpan> rows;
  std::int64_t most_rows = 0;
  for (std::int64_t y = 0; y < shape.output[1]; ++y) {
    const Span span = elements_of_window(shape, 1, y);
    rows.push_back({span.begin, span.count, span.taps_before});
    most_rows = std::max(most_rows, span.count);
  }
  const auto& taps_of_rows = for_stride(kernels.taps, shape.stride[2]).run_rows;
  const std::int64_t width = shape.input[2], depth_size = shape.input[1] * width;
  const double row_operations =
      elements_under_windows(shape) / static_cast<double>(shape.planes() * shape.output[0] * shape.output[1]);
  constexpr double operations_per_unit = 1e5;
  const auto strip = static_cast<std::int64_t>(
      std::clamp(operations_per_unit / row_operations, 1.0, static_cast<double>(shape.output[1])));
  const std::int64_t strips = ceil_div(shape.output[1], strip);
  convnative::for_each_plane(
      shape.planes() * shape.output[0] * strips, row_operations * static_cast<double>(strip),
      pool_elements_per_thread, [&](std::int64_t unit) {
        const std::int64_t plane = unit / strips / shape.output[0], depth = unit / strips % shape.output[0];
        const std::int64_t begin = unit % strips * strip;
        const Span depths = elements_of_window(shape, 0, depth);
        const std::int64_t at =
            plane * shape.output_plane() + (depth * shape.output[1] + begin) * shape.output[2];
        TapNumbers numbers = tap_numbers(shape.kernel);
        numbers.first = depths.taps_before * numbers.depth;
        // A dilation that leaves a window only one element may be of any size.
        PoolRows<T> windows{&columns,
                            input + plane * shape.input_plane() + depths.begin * depth_size,
                            rows.data() + begin,
                            std::min(strip, shape.output[1] - begin),
                            width,
                            depths.count,
                            depths.count > 1 ? shape.dilation[0] * depth_size : 0,
                            most_rows > 1 ? shape.dilation[1] * width : 0,
                            0,
                            shape.output[2],
                            shape.output[2]};
        windows.numbers = numbers;
        windows.values = output == nullptr ? nullptr : output + at;
        windows.far_step = far_step<T>(shape);
        taps_of_rows(windows, taps + at);
      });
}

// Windows side by side whose columns are pairs: every element lies under one window at most, so that the gradient is a
// stream of stores, row by row.
bool has_pairs(const PoolShape& shape) {
  return !has_dilation(shape) && shape.kernel[2] == 2 && shape.stride[2] == 2 && shape.pad_before[2] == 0 &&
         shape.kernel[0] <= shape.stride[0] && shape.kernel[1] <= shape.stride[1];
}

// A row of a plane: its first element, the first of the windows over it, -1 for none, and the number of its first tap.
struct PairRow {
  std::int64_t element, window, number;
};

std::vector<PairRow> pair_rows(const PoolShape& shape) {
  std::vector<PairRow> result;
  for (std::int64_t depth = 0; depth < shape.input[0]; ++depth)
    for (std::int64_t y = 0; y < shape.input[1]; ++y) {
      PairRow row{(depth * shape.input[1] + y) * shape.input[2], -1, 0};
      const Span depths = windows_of_element(shape, 0, depth), rows = windows_of_element(shape, 1, y);
      if (depths.count * rows.count > 0) {
        row.window = (depths.begin * shape.output[1] + rows.begin) * shape.output[2];
        row.number = ((depth - window_start(shape, 0, depths.begin)) * shape.kernel[1] + y -
                      window_start(shape, 1, rows.begin)) *
                     shape.kernel[2];
      }
      result.push_back(row);
    }
  return result;
}

template <class T>
void grad_of_taps(const PoolShape& shape, const PoolKernels<T>& kernels, const std::uint8_t* taps,
                  const T* grad_output, T* grad_input) {
  if (TapGather<T>::applies(shape)) return TapGather<T>(shape, kernels).run(taps, grad_output, grad_input);
  const TapPlaces places(shape);
  if (has_pairs(shape)) {
    const std::vector<PairRow> rows = pair_rows(shape);
    return places.for_each_plane(shape.planes(), [&](std::int64_t plane) {
      const std::int64_t first = plane * shape.output_plane();
      T* const result = grad_input + plane * shape.input_plane();
      for (const PairRow& row : rows)
        if (row.window < 0)
          std::fill_n(result + row.element, shape.input[2], T{0});
        else
          kernels.spread_pairs({taps + first + row.window, grad_output + first + row.window, shape.output[2],
                                result + row.element, shape.input[2], static_cast<PoolIndex<T>>(row.number)});
    });
  }
  places.for_each_plane(shape.planes(), [&](std::int64_t plane) {
    const T* const values = grad_output + plane * shape.output_plane();
    T* const result = grad_input + plane * shape.input_plane();
    std::fill_n(result, shape.input_plane(), T{0});
    places.for_each(taps + plane * shape.output_plane(),
                    [&](std::int64_t place, std::int64_t window) { result[place] += values[window]; });
  });
}

template <class T>
void pick_of_taps(const PoolShape& shape, const std::uint8_t* taps, const T* values, T* output) {
  const TapPlaces places(shape);
  places.for_each_plane(shape.planes(), [&](std::int64_t plane) {
    const T* const source = values + plane * shape.input_plane();
    T* const result = output + plane * shape.output_plane();
    std::fill_n(result, shape.output_plane(), T{0});
    places.for_each(taps + plane * shape.output_plane(),
                    [&](std::int64_t place, std::int64_t window) { result[window] = source[place]; });
  });
}

// Calls `body(part, plane, taps)` for parts of the planes, from `plane` on. `output` may be null.
template <class T, class Body>
void find_taps(const PoolShape& shape, const PoolKernels<T>& kernels, const T* input, T* output,
               const Body& body) {
  for_each_part_of_taps(
      shape.planes(), shape.output_plane(), [&](std::int64_t plane, std::int64_t planes, std::uint8_t* taps) {
        PoolShape part = shape;
        part.batch = 1;
        part.channels = planes;
        forward_with_taps(part, kernels, input + plane * shape.input_plane(),
                          output == nullptr ? nullptr : output + plane * shape.output_plane(), taps);
        body(part, plane, taps);
      });
}

template <class T>
void grad(const PoolShape& shape, const T* input, const T* grad_output, T* grad_input, Isa isa) {
  const PoolKernels<T>& kernels = pool_kernels<T>(isa);
  if (finds_taps(shape) && shape.output_plane() > 0)
    return find_taps<T>(shape, kernels, input, nullptr,
                        [&](const PoolShape& part, std::int64_t plane, const std::uint8_t* taps) {
                          grad_of_taps(part, kernels, taps, grad_output + plane * shape.output_plane(),
                                       grad_input + plane * shape.input_plane());
                        });
  if (!has_narrow_offsets<T>(shape)) return ref::max_pool_grad(shape, input, grad_output, grad_input);
  const PoolColumns columns = pool_columns(shape);
  const PoolKernel<T, PoolIndex<T>>& argmax = for_stride(kernels.argmax, shape.stride[2]);
  for_each_plane(shape, [&](std::int64_t plane) {
    const T* const source = grad_output + plane * shape.output_plane();
    T* const result = grad_input + plane * shape.input_plane();
    std::fill_n(result, shape.input_plane(), T{0});
    for_each_maximum<T>(shape, columns, argmax, input + plane * shape.input_plane(),
                        [&](std::int64_t at, std::int64_t window) { result[at] += source[window]; });
  });
}

template <class T>
void pick(const PoolShape& shape, const T* input, const T* values, T* output, Isa isa) {
  const PoolKernels<T>& kernels = pool_kernels<T>(isa);
  if (finds_taps(shape))
    return find_taps<T>(shape, kernels, input, nullptr,
                        [&](const PoolShape& part, std::int64_t plane, const std::uint8_t* taps) {
                          pick_of_taps(part, taps, values + plane * shape.input_plane(),
                                       output + plane * shape.output_plane());
                        });
  if (!has_narrow_offsets<T>(shape)) return ref::max_pool_pick(shape, input, values, output);
  const PoolColumns columns = pool_columns(shape);
  const PoolKernel<T, PoolIndex<T>>& argmax = for_stride(kernels.argmax, shape.stride[2]);
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
  const PoolKernels<T>& kernels = pool_kernels<T>(isa);
  if (finds_taps(shape)) {
    const TapPlaces places(shape);
    return find_taps<T>(shape, kernels, input, output,
                        [&](const PoolShape& part, std::int64_t plane, const std::uint8_t* taps) {
                          places.indices(part.planes(), taps, indices + plane * shape.output_plane());
                        });
  }
  if (!has_narrow_offsets<T>(shape)) return ref::max_pool_with_indices(shape, input, output, indices);
  const PoolColumns columns = pool_columns(shape);
  const PoolKernel<T, PoolIndex<T>>& argmax = for_stride(kernels.argmax, shape.stride[2]);
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

bool max_pool_has_taps(const PoolShape& shape) {
  return has_taps(shape);
}

void max_pool_with_taps(const PoolShape& shape, DType dtype, const void* input, void* output,
                        std::uint8_t* taps, Isa isa) {
  if (shape.output_size() == 0) return;
  if (dtype == DType::float32)
    forward_with_taps(shape, pool_kernels<float>(isa), static_cast<const float*>(input),
                      static_cast<float*>(output), taps);
  else
    forward_with_taps(shape, pool_kernels<double>(isa), static_cast<const double*>(input),
                      static_cast<double*>(output), taps);
}

void max_pool_grad_of_taps(const PoolShape& shape, DType dtype, const std::uint8_t* taps,
                           const void* grad_output, void* grad_input, Isa isa) {
  if (dtype == DType::float32)
    grad_of_taps(shape, pool_kernels<float>(isa), taps, static_cast<const float*>(grad_output),
                 static_cast<float*>(grad_input));
  else
    grad_of_taps(shape, pool_kernels<double>(isa), taps, static_cast<const double*>(grad_output),
                 static_cast<double*>(grad_input));
}

void max_pool_pick_of_taps(const PoolShape& shape, DType dtype, const std::uint8_t* taps, const void* values,
                           void* output) {
  if (dtype == DType::float32)
    pick_of_taps(shape, taps, static_cast<const float*>(values), static_cast<float*>(output));
  else
    pick_of_taps(shape, taps, static_cast<const double*>(values), static_cast<double*>(output));
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
