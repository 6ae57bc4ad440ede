// The gradient of a max pool from its taps, for planes of wide rows and strides 1 and 2: every row of the input
// gathers from the rows of windows over it (`gather_taps` in pool/kernels.h).
//
// A unit is a strip of rows of a plane at one depth. The rows of windows over it are staged first, with room around
// them, so that the loops need no edges: element i of a staged row is window `first + i`.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/parallel.h"
#include "pool/kernels.h"
#include "pool/reduce.h"
#include "pool/strips.h"
#include "pool/window.h"

namespace convnative {

template <class T>
class TapGather {
 public:
  TapGather(const PoolShape& shape, const PoolKernels<T>& kernels)
      : shape_(shape), kernels_(kernels) {
    const auto most_windows = [&](std::size_t axis) {
      return std::min(ceil_div(shape.kernel[axis], shape.stride[axis]), shape.output[axis]);
    };
    depths_ = most_windows(0);
    strips_ = Strips::buffered(shape.input[1], shape.input[2], most_windows(1) + 1, 1, depths_,
                               pool_buffer_bytes / static_cast<std::int64_t>(2 * sizeof(T)));
    for (std::int64_t y = 0; y < shape.input[1]; ++y) over_.push_back(windows_of_element(shape, 1, y));
    staged_width_ = strips_.columns / shape.stride[2] + shape.kernel[2] + kernels.lanes + 2;
  }

  // Elements are compared with every tap over them, while moving the value of a window costs as much as a few
  // dozen comparisons.
  static bool applies(const PoolShape& shape, int lanes) {
    const std::int64_t stride = shape.stride[2];
    return !has_dilation(shape) && stride <= 2 && elements_of_kernel(shape) <= 2 * lanes &&
           (stride == 1 ? 2 : 1) * shape.output[2] >= 3 * lanes / 2;
  }
  std::size_t buffer_bytes() const { return 2 * staged_bytes(); }
  int threads() const { return threads_for(operations(), pool_elements_per_thread); }

  void run(const std::uint8_t* taps, const T* grad_output, T* grad_input) const {
    const std::int64_t strips_per_depth = ceil_div(shape_.input[1], strips_.rows);
    const std::int64_t units_per_plane = shape_.input[0] * strips_per_depth;
    const std::int64_t units = shape_.planes() * units_per_plane;
    if (units == 0) return;
    const TaskSplit split(units, operations() / static_cast<double>(units));
    const int workers = threads();
    const AlignedBuffer buffers(buffer_bytes() * static_cast<std::size_t>(workers));
    parallel_for(split.tasks(), workers, [&](std::int64_t task, int thread) {
      char* const buffer =
          static_cast<char*>(buffers.data()) + buffer_bytes() * static_cast<std::size_t>(thread);
      for (std::int64_t unit = split.begin(task); unit < split.end(task); ++unit) {
        const std::int64_t plane = unit / units_per_plane, strip = unit % units_per_plane;
        const std::int64_t begin = strip % strips_per_depth * strips_.rows;
        run_strip(taps + plane * shape_.output_plane(), grad_output + plane * shape_.output_plane(),
                  grad_input + plane * shape_.input_plane(), strip / strips_per_depth, begin,
                  std::min(begin + strips_.rows, shape_.input[1]),
                  reinterpret_cast<PoolIndex<T>*>(buffer), reinterpret_cast<T*>(buffer + staged_bytes()));
      }
    });
  }

 private:
  static constexpr std::size_t most_rows = 64;  // of windows over an element: of the kernels that apply

  std::size_t staged_bytes() const {
    return round_up_to_line(
        static_cast<std::size_t>(depths_ * strips_.buffer_rows * staged_width_ + kernels_.lanes) * sizeof(T));
  }
  double operations() const {
    return elements_under_windows(shape_) + static_cast<double>(shape_.input_size());
  }

  void run_strip(const std::uint8_t* taps, const T* values, T* result, std::int64_t depth, std::int64_t begin,
                 std::int64_t end, PoolIndex<T>* where, T* staged) const {
    const Span depths = windows_of_element(shape_, 0, depth);
    const Span& last = over(end - 1);
    const std::int64_t first_row = over(begin).begin;
    const std::int64_t rows = last.begin + last.count - first_row;
    const std::int64_t kernel = shape_.kernel[2], stride = shape_.stride[2];
    for (std::int64_t left = 0; left < shape_.input[2]; left += strips_.columns) {
      const std::int64_t width = std::min(strips_.columns, shape_.input[2] - left);
      // The staged windows begin with one whose last tap is `left` or before it.
      const std::int64_t padded = left + shape_.pad_before[2] - (kernel - 1);
      const std::int64_t first = padded < 0 ? -ceil_div(-padded, stride) : padded / stride;
      const std::int64_t before = std::clamp<std::int64_t>(-first, 0, staged_width_);
      const std::int64_t end_window =
          std::clamp(shape_.output[2] - first, before, staged_width_);
      for (std::int64_t d = 0; d < depths.count; ++d)
        for (std::int64_t y = 0; y < rows; ++y) {
          const std::int64_t at = (d * rows + y) * staged_width_;
          const std::int64_t from =
              ((depths.begin + d) * shape_.output[1] + first_row + y) * shape_.output[2] + first + before;
          kernels_.stage_taps({taps + from, values + from, before, end_window - before, staged_width_,
                               where + at, staged + at});
        }
      for (std::int64_t y = begin; y < end; ++y) {
        const Span& windows = over(y);
        std::array<TapRow<T>, most_rows> tap_rows;
        std::int64_t count = 0;
        for (std::int64_t d = 0; d < depths.count; ++d)
          for (std::int64_t r = windows.begin; r < windows.begin + windows.count; ++r) {
            const std::int64_t at = (d * rows + r - first_row) * staged_width_;
            const std::int64_t depth_tap = depth - window_start(shape_, 0, depths.begin + d);
            const std::int64_t row_tap = y - window_start(shape_, 1, r);
            tap_rows[static_cast<std::size_t>(count++)] = {
                where + at, staged + at, (depth_tap * shape_.kernel[1] + row_tap) * kernel};
          }
        kernels_.gather_taps({tap_rows.data(), count,
                              result + (depth * shape_.input[1] + y) * shape_.input[2] + left, width, kernel,
                              stride, left + shape_.pad_before[2] - stride * first});
      }
    }
  }

  const Span& over(std::int64_t y) const { return over_[static_cast<std::size_t>(y)]; }

  const PoolShape& shape_;
  const PoolKernels<T>& kernels_;
  std::vector<Span> over_;  // rows of windows over each row of the input
  std::int64_t depths_, staged_width_;
  Strips strips_;
};

}  // namespace convnative
