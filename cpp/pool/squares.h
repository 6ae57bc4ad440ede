// Pools of 2x2 windows side by side without padding (PoolSquares in pool/kernels.h): which shapes, and the loop over
// their rows, which run on through the planes.
#pragma once

#include <cstdint>

#include "base/parallel.h"
#include "pool/kernels.h"
#include "pool/reduce.h"
#include "pool/strips.h"
#include "pool/window.h"

namespace convnative {

// Depths are planes then.
inline bool has_squares(const PoolShape& shape) {
  for (std::size_t axis = 1; axis < max_axes; ++axis)
    if (shape.kernel[axis] != 2 || shape.stride[axis] != 2 || shape.dilation[axis] != 1 ||
        shape.pad_before[axis] != 0 || 2 * shape.output[axis] > shape.input[axis])
      return false;
  return shape.kernel[0] == 1 && shape.stride[0] == 1 && shape.pad_before[0] == 0 &&
         shape.input[0] == shape.output[0];
}

inline int squares_threads(const PoolShape& shape) {
  return threads_for(elements_under_windows(shape), pool_elements_per_thread);
}

template <class T>
void pool_of_squares(const PoolShape& shape, void (*kernel)(const PoolSquares<T>&), const T* input, T* output,
                     T divisor) {
  PoolSquares<T> all;
  all.source = input;
  all.source_end = input + shape.input_size();
  all.plane_step = shape.input[1] * shape.input[2];
  all.width = shape.input[2];
  all.rows = shape.output[1];
  all.columns = shape.output[2];
  all.result = output;
  all.divisor = divisor;
  const std::int64_t rows = shape.planes() * shape.input[0] * shape.output[1];
  const TaskSplit split(rows, static_cast<double>(4 * shape.output[2]));
  parallel_for(split.tasks(), squares_threads(shape), [&](std::int64_t task, int) {
    PoolSquares<T> squares = all;
    squares.begin = split.begin(task);
    squares.end = split.end(task);
    kernel(squares);
  });
}

}  // namespace convnative
