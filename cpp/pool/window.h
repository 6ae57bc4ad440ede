// Where the windows of a pool lie: integer arithmetic that the drivers share.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "base/checked.h"
#include "base/cpu.h"
#include "convnative/shape.h"
#include "pool/kernels.h"

namespace convnative {

struct Span {
  std::int64_t begin, count;
  std::int64_t taps_before = 0;  // the first element's, in the padding
};

inline std::int64_t window_start(const PoolShape& shape, std::size_t axis, std::int64_t output) {
  return output * shape.stride[axis] - shape.pad_before[axis];
}

// The elements of the input under a window, `dilation` apart: position of the first one and how many there
// are.
inline Span elements_of_window(const PoolShape& shape, std::size_t axis, std::int64_t output) {
  const std::int64_t start = window_start(shape, axis, output), dilation = shape.dilation[axis];
  const std::int64_t first_tap = start < 0 ? ceil_div(-start, dilation) : 0;
  const std::int64_t end_tap =
      start >= shape.input[axis]
          ? 0
          : std::min(shape.kernel[axis], (shape.input[axis] - 1 - start) / dilation + 1);
  if (first_tap >= end_tap) return {0, 0};
  return {start + first_tap * dilation, end_tap - first_tap, first_tap};
}

// The windows over an element of the input, for dilation 1.
inline Span windows_of_element(const PoolShape& shape, std::size_t axis, std::int64_t element) {
  const std::int64_t padded = element + shape.pad_before[axis], stride = shape.stride[axis];
  const std::int64_t begin =
      padded < shape.kernel[axis] ? 0 : ceil_div(padded - (shape.kernel[axis] - 1), stride);
  const std::int64_t end = std::min(padded / stride + 1, shape.output[axis]);
  return {std::min(begin, end), std::max<std::int64_t>(end - begin, 0)};
}

inline bool has_dilation(const PoolShape& shape) {
  return shape.dilation != Extents{1, 1, 1};
}

// A tap of a window fits a byte.
inline bool has_byte_taps(const Extents& kernel) {
  double taps = 1;
  for (const std::int64_t extent : kernel) taps *= static_cast<double>(extent);
  return taps <= most_taps;
}

// And positions under windows, padding and all, stay far below 2^62.
inline bool has_taps(const PoolShape& shape) {
  double plane = 1;
  for (std::size_t axis = 0; axis < max_axes; ++axis)
    plane *= static_cast<double>(shape.input[axis]) + static_cast<double>(shape.pad_before[axis]) +
             static_cast<double>(shape.dilation[axis]) * static_cast<double>(shape.kernel[axis]);
  return has_byte_taps(shape.kernel) && plane < 0x1p60;
}

// The numbers of a window's taps in row-major order, all of the kernel counted.
inline TapNumbers tap_numbers(const Extents& kernel) {
  return {0, kernel[1] * kernel[2], kernel[2], 1};
}

// Offsets within a window fit the kernels' indices.
template <class T>
bool has_narrow_offsets(const PoolShape& shape) {
  return shape.input_plane() + shape.pad_before[2] <= std::numeric_limits<PoolIndex<T>>::max();
}

// Elements under a window, at most.
inline double elements_of_kernel(const PoolShape& shape) {
  double elements = 1;
  for (const std::int64_t kernel : shape.kernel) elements *= static_cast<double>(kernel);
  return elements;
}

// Elements under all windows, at most.
inline double elements_under_windows(const PoolShape& shape) {
  double elements = static_cast<double>(shape.output_size());
  for (std::size_t axis = 0; axis < max_axes; ++axis)
    elements *= static_cast<double>(std::min(shape.kernel[axis], shape.input[axis]));
  return elements;
}

// Of input and output that do not stay in a cache: elements of the input from one row of windows to the next, see
// PoolRows. Else 0.
template <class T>
std::int64_t far_step(const PoolShape& shape) {
  if (shape.input_size() + shape.output_size() <= far_bytes / std::int64_t{sizeof(T)}) return 0;
  return std::min({shape.stride[1], shape.kernel[1], shape.input[1]}) * shape.input[2];
}

inline PoolColumns pool_columns(const PoolShape& shape) {
  constexpr std::size_t axis = max_axes - 1;
  const std::int64_t stride = shape.stride[axis], pad = shape.pad_before[axis];
  const std::int64_t room = shape.input[axis] - 1 - shape.dilation[axis] * (shape.kernel[axis] - 1) + pad;
  return {shape.input[axis],
          shape.kernel[axis],
          stride,
          shape.dilation[axis],
          pad,
          ceil_div(pad, stride),
          room < 0 ? 0 : std::min(room / stride + 1, shape.output[axis])};
}

// The windows of the output's row `y` at `depth`, in one plane of the input; the numbers of taps are offsets.
template <class T>
PoolRow<T> window_row(const PoolShape& shape, const PoolColumns& columns, const T* plane, std::int64_t depth,
                      std::int64_t y, std::int64_t begin, std::int64_t end) {
  const Span depths = elements_of_window(shape, 0, depth), rows = elements_of_window(shape, 1, y);
  const std::int64_t width = shape.input[2], height = shape.input[1];
  // A dilation that leaves a window only one element may be of any size.
  const std::ptrdiff_t depth_step = depths.count > 1 ? shape.dilation[0] * height * width : 0;
  const std::ptrdiff_t row_step = rows.count > 1 ? shape.dilation[1] * width : 0;
  return {&columns,
          plane + (depths.begin * height + rows.begin) * width,
          depths.count,
          depth_step,
          rows.count,
          row_step,
          begin,
          end,
          {0, depth_step, row_step, columns.dilation}};
}

// Columns that the kernels take one by one: `count` of them, each its own window.
inline PoolColumns plain_columns(std::int64_t count) {
  return {count, 1, 1, 1, 0, 0, count};
}

}  // namespace convnative
