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

// Calls `body(begin, end)` for parts of the rows of windows in all planes.
template <class Body>
void for_each_task_of_squares(const PoolShape& shape, const Body& body) {
  const std::int64_t rows = shape.planes() * shape.input[0] * shape.output[1];
  const TaskSplit split(rows, static_cast<double>(4 * shape.output[2]));
  parallel_for(split.tasks(), squares_threads(shape),
               [&](std::int64_t task, int) { body(split.begin(task), split.end(task)); });
}

template <class T>
void pool_of_squares(const PoolShape& shape, void (*kernel)(const PoolSquares<T>&), const T* input, T* output,
                     T divisor) {
  for_each_task_of_squares(shape, [&](std::int64_t begin, std::int64_t end) {
    kernel({input, input + shape.input_size(), shape.input[1], shape.input[2], shape.output[1],
            shape.output[2], begin, end, output, divisor});
  });
}

template <class T>
void spread_over_squares(const PoolShape& shape, void (*kernel)(const PoolSquareShares<T>&),
                         const T* grad_output, T* grad_input, T divisor) {
  for_each_task_of_squares(shape, [&](std::int64_t begin, std::int64_t end) {
    kernel({grad_output, grad_input, shape.input[1], shape.input[2], shape.output[1], shape.output[2], begin,
            end, divisor});
  });
}

}  // namespace convnative
