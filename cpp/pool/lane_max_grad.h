// The gradient of a max pool with planes in the lanes.
//
// A unit is a strip of the input's rows of a block of planes, at all depths. The windows over it are searched once
// more, and each gives its value to the point that it names, by comparison; those at the seam of two strips are
// searched for both.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/parallel.h"
#include "pool/kernels.h"
#include "pool/lane_pool.h"

namespace convnative {

template <class T>
class LaneMaxGrad {
 public:
  LaneMaxGrad(const PoolShape& shape, const PoolLanes<T>& kernels, int lanes)
      : shape_(shape), kernels_(kernels), lanes_(lanes), axes_(lane_axes(shape)) {
    for (std::int64_t height = shape.input[1];; height = (height + 1) / 2) {
      cut(height);
      if (height <= 1 || most_points() * lanes_ * size <= budget) break;
    }
  }

  // Of volumes a strip has all depths: several strips would be few rows with much of a seam.
  bool fits() const {
    const std::int64_t most = shape_.input[0] == 1 ? 4 * budget : budget;
    return most_points() * lanes_ * size <= most && (shape_.input[0] == 1 || strips_.size() <= 1);
  }
  // Bytes for each thread.
  std::size_t buffer_bytes() const {
    const std::int64_t points = 2 * block_points() + 3 * result_points();
    return static_cast<std::size_t>(points * lanes_ * size);
  }
  int threads() const { return threads_for(operations(), lane_operations_per_thread); }

  void run(const T* input, const T* grad_output, T* grad_input) const {
    const auto strips = static_cast<std::int64_t>(strips_.size());
    const std::int64_t units = ceil_div(shape_.planes(), lanes_) * strips;
    if (units == 0) return;
    const TaskSplit split(units, operations() / static_cast<double>(units));
    const int workers = threads();
    const AlignedBuffer buffers(buffer_bytes() * static_cast<std::size_t>(workers));
    parallel_for(split.tasks(), workers, [&](std::int64_t task, int thread) {
      T* const buffer = reinterpret_cast<T*>(static_cast<char*>(buffers.data()) +
                                             buffer_bytes() * static_cast<std::size_t>(thread));
      for (std::int64_t unit = split.begin(task); unit < split.end(task); ++unit)
        run_strip(unit / strips * lanes_, strips_[static_cast<std::size_t>(unit % strips)], input,
                  grad_output, grad_input, buffer);
    });
  }

 private:
  static constexpr std::int64_t size = sizeof(T);
  // Of the input's rows in a unit, their gradients, results, their places and gradients, each.
  static constexpr std::int64_t budget = 128 * 1024;

  struct Strip {
    std::int64_t begin, end;                // rows of the input
    std::int64_t first_window, end_window;  // rows of windows over them
    LaneSpan rows;                          // of the input, with all that those windows cover
  };

  void cut(std::int64_t height) {
    strips_.clear();
    rows_ = windows_ = 0;
    for (std::int64_t begin = 0; begin < shape_.input[1]; begin += height) {
      // Windows never go back: none before the last strip's first lies over this one.
      const std::int64_t from = strips_.empty() ? 0 : strips_.back().first_window;
      Strip strip{begin, std::min(begin + height, shape_.input[1]), from, from, {}};
      bool any = false;
      for (std::int64_t y = from; y < axes_[1].size() && window_start(shape_, 1, y) < strip.end; ++y) {
        const LaneSpan reach = axes_[1].reach(y, y + 1);
        if (reach.count == 0 || reach.first + reach.count <= begin || reach.first >= strip.end) continue;
        if (!any) strip.first_window = y;
        strip.end_window = y + 1;
        any = true;
      }
      const LaneSpan covered = axes_[1].reach(strip.first_window, strip.end_window);
      strip.rows.first = covered.count == 0 ? begin : std::min(begin, covered.first);
      strip.rows.count = std::max(strip.end, covered.first + covered.count) - strip.rows.first;
      rows_ = std::max(rows_, strip.rows.count);
      windows_ = std::max(windows_, strip.end_window - strip.first_window);
      strips_.push_back(strip);
    }
  }

  std::int64_t block_points() const { return shape_.input[0] * rows_ * shape_.input[2] + lanes_; }
  std::int64_t most_points() const { return std::max(block_points(), result_points()); }
  std::int64_t result_points() const { return windows_ * shape_.output[2] + lanes_; }
  double operations() const {
    return lane_operations(2 * elements_under_windows(shape_),
                           2 * shape_.input_size() + shape_.output_size());
  }

  void run_strip(std::int64_t plane, const Strip& strip, const T* input, const T* grad_output, T* grad_input,
                 T* block) const {
    const std::int64_t planes = std::min<std::int64_t>(lanes_, shape_.planes() - plane);
    const std::int64_t width = shape_.input[2], depth_points = strip.rows.count * width;
    T* const grad = block + block_points() * lanes_;
    T* const values = grad + block_points() * lanes_;
    T* const maxima = values + result_points() * lanes_;
    auto* const where = reinterpret_cast<PoolIndex<T>*>(maxima + result_points() * lanes_);

    bool nan = false;
    for (std::int64_t d = 0; d < shape_.input[0]; ++d)
      nan |= kernels_.load(
          input + plane * shape_.input_plane() + (d * shape_.input[1] + strip.rows.first) * width,
          shape_.input_plane(), planes, depth_points, block + d * depth_points * lanes_);
    std::fill_n(grad, shape_.input[0] * depth_points * lanes_, T{0});

    LaneWindows<T> windows;
    windows.rows = axes_[1].windows.data() + strip.first_window;
    windows.row_count = strip.end_window - strip.first_window;
    windows.columns = axes_[2].windows.data();
    windows.column_count = shape_.output[2];
    windows.first_row = strip.rows.first;
    windows.width = width;
    windows.depth_step = windows.where_depth_step = axes_[0].step * depth_points;
    windows.row_step = axes_[1].step * width;
    windows.column_step = axes_[2].step;
    for (std::int64_t depth = 0; depth < shape_.output[0]; ++depth) {
      const LaneSpan& depths = axes_[0][depth];
      windows.depths = depths.count;
      const std::int64_t first = depths.first * depth_points * lanes_;
      kernels_.load(grad_output + plane * shape_.output_plane() +
                        (depth * shape_.output[1] + strip.first_window) * shape_.output[2],
                    shape_.output_plane(), planes, windows.row_count * shape_.output[2], values);
      kernels_.argmax[nan](windows, block + first, maxima, where);
      kernels_.spread(windows, where, values, grad + first);
    }

    for (std::int64_t d = 0; d < shape_.input[0]; ++d)
      kernels_.store(grad + (d * depth_points + (strip.begin - strip.rows.first) * width) * lanes_,
                     (strip.end - strip.begin) * width,
                     grad_input + plane * shape_.input_plane() + (d * shape_.input[1] + strip.begin) * width,
                     shape_.input_plane(), planes);
  }

  const PoolShape& shape_;
  const PoolLanes<T>& kernels_;
  std::int64_t lanes_;
  LaneAxes axes_;
  std::vector<Strip> strips_;
  std::int64_t rows_ = 0, windows_ = 0;  // of a strip at most
};

}  // namespace convnative
