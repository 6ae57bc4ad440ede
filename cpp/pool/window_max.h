// The maximum of windows that tables describe.
#pragma once

#include <algorithm>

#include "base/parallel.h"
#include "pool/kernels.h"
#include "pool/reduce.h"
#include "pool/strips.h"
#include "pool/window_tables.h"

namespace convnative {

// `tables(plane, thread)` returns the windows of a plane; `elements` is how many a window has on average.
// `indices` may be null.
template <class T, class Tables>
void max_of_windows(const PlaneShape& shape, double elements, const PoolKernels<T>& kernels, const T* input,
                    T* output, std::int64_t* indices, int threads, const Tables& tables) {
  const std::int64_t rows = shape.output[0] * shape.output[1], columns = shape.output[2];
  constexpr double elements_per_unit = 1e5;
  const double per_row = elements * static_cast<double>(columns);
  const auto strip =
      static_cast<std::int64_t>(std::clamp(elements_per_unit / per_row, 1.0, static_cast<double>(rows)));
  const std::int64_t strips = ceil_div(rows, strip);
  const TaskSplit split(shape.planes() * strips, per_row * static_cast<double>(strip));
  parallel_for(split.tasks(), threads, [&](std::int64_t task, int thread) {
    for (std::int64_t unit = split.begin(task); unit < split.end(task); ++unit) {
      const std::int64_t plane = unit / strips, begin = unit % strips * strip;
      const T* const source = input + plane * shape.input_plane();
      const WindowTables& windows = tables(plane, thread);
      for (std::int64_t row = begin; row < std::min(begin + strip, rows); ++row)
        for (std::int64_t x = 0; x < columns; ++x) {
          const WindowRanges window(windows, shape.input, row / shape.output[1], row % shape.output[1], x);
          const std::int64_t at = argmax(kernels, source, window);
          const std::int64_t result = plane * shape.output_plane() + row * columns + x;
          output[result] = source[at];
          if (indices != nullptr) indices[result] = at;
        }
    }
  });
}

inline double elements_per_adaptive_window(const PlaneShape& shape) {
  double elements = 1;
  for (std::size_t axis = 0; axis < max_axes; ++axis)
    if (shape.output[axis] > 0)
      elements *= static_cast<double>(ceil_div(shape.input[axis], shape.output[axis]));
  return elements;
}

inline int threads_for_windows(const PlaneShape& shape, double elements) {
  return threads_for(elements * static_cast<double>(shape.output_size()), pool_elements_per_thread);
}

}  // namespace convnative
