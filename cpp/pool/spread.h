// The adjoint of summing windows: each element of the input gets the sum of what the windows over it give.
//
// It is the same kind of loop turned round, gathering in ascending order of the windows, so that nothing is
// scattered and strips run in parallel. For a strip of the result, rows of shares (one number per window) are
// spread along the columns into a buffer, once each, and the buffered rows then summed along rows and depth.
// Spreading with stride S is S sums of stride 1, one for each phase of the columns, written S apart.
//
// With dilation, the windows over an element do not follow on each other: planes are filled tap by tap, each
// window giving its share to the elements under it.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/aligned_buffer.h"
#include "base/parallel.h"
#include "pool/kernels.h"
#include "pool/planes.h"
#include "pool/reduce.h"
#include "pool/strips.h"
#include "pool/window.h"

namespace convnative {

template <class T>
class PoolSpread {
 public:
  PoolSpread(const PoolShape& shape, const PoolKernels<T>& kernels)
      : shape_(shape), kernels_(kernels), sum_(for_stride(kernels.sum, 1)) {
    if (by_taps()) {
      buffer_bytes_ = 0;
      operations_per_row_ =
          elements_under_windows(shape) /
          static_cast<double>(std::max<std::int64_t>(shape.planes(), 1) * shape.input[0] * shape.input[1]);
      return;
    }
    const auto most_windows = [&](std::size_t axis) {
      return std::min(ceil_div(shape.kernel[axis], shape.stride[axis]), shape.output[axis]);
    };
    depths_ = most_windows(0);
    strips_ = Strips::buffered(shape.input[1], shape.input[2], most_windows(1) + 1, 1, depths_,
                               pool_buffer_bytes / static_cast<std::int64_t>(sizeof(T)));
    // Buffered rows, and for a row on its way into one of them: its shares and two phases of their sums.
    shares_ = std::min(most_windows(2) + strips_.columns, shape.output[2]);
    buffer_bytes_ =
        round_up_to_line(static_cast<std::size_t>(depths_ * strips_.buffer_rows * strips_.columns + shares_ +
                                                  2 * strips_.columns) *
                         sizeof(T));
    operations_per_row_ = static_cast<double>(shape.input[2]) * static_cast<double>(depths_) *
                          static_cast<double>(most_windows(1) + most_windows(2));
  }

  // False for a kernel that a buffer of any use cannot hold.
  bool applies() const { return buffer_bytes_ <= 8 * pool_buffer_bytes; }
  std::size_t buffer_bytes() const { return buffer_bytes_; }
  bool by_taps() const { return has_dilation(shape_); }
  const char* kernel_name() const { return by_taps() ? kernels_.add_shares_name : sum_.name; }
  int threads() const {
    return threads_for(operations_per_row_ * static_cast<double>(shape_.input[0] * shape_.input[1]) *
                           static_cast<double>(shape_.planes()),
                       pool_elements_per_thread);
  }

  // `share(plane, depth, y, begin, end, shares)` sets the shares of windows [begin, end) of a row of the
  // output; `finish(row, begin, end)` is called for each piece of a row of the result when it is complete,
  // `begin` and `end` being positions in the result.
  template <class Share, class Finish>
  void run(T* result, const Share& share, const Finish& finish) const {
    if (by_taps()) return run_by_taps(result, share, finish);
    const std::int64_t strips_per_depth = ceil_div(shape_.input[1], strips_.rows);
    const std::int64_t units_per_plane = shape_.input[0] * strips_per_depth;
    const TaskSplit split(shape_.planes() * units_per_plane,
                          operations_per_row_ * static_cast<double>(strips_.rows));
    const int workers = threads();
    const AlignedBuffer buffers(buffer_bytes_ * static_cast<std::size_t>(workers));

    parallel_for(split.tasks(), workers, [&](std::int64_t task, int thread) {
      T* const buffer = reinterpret_cast<T*>(static_cast<char*>(buffers.data()) +
                                             buffer_bytes_ * static_cast<std::size_t>(thread));
      for (std::int64_t unit = split.begin(task); unit < split.end(task); ++unit) {
        const std::int64_t plane = unit / units_per_plane, strip = unit % units_per_plane;
        const std::int64_t begin = strip % strips_per_depth * strips_.rows;
        run_strip(plane, result, strip / strips_per_depth, begin,
                  std::min(begin + strips_.rows, shape_.input[1]), buffer, share, finish);
      }
    });
  }

 private:
  template <class Share, class Finish>
  void run_strip(std::int64_t plane, T* result, std::int64_t depth, std::int64_t begin, std::int64_t end,
                 T* buffer, const Share& share, const Finish& finish) const {
    const Span depths = windows_of_element(shape_, 0, depth);
    const std::int64_t first_row = windows_of_element(shape_, 1, begin).begin;
    const Span last = windows_of_element(shape_, 1, end - 1);
    const std::int64_t end_row = last.begin + last.count;
    T* const scratch = buffer + depths_ * strips_.buffer_rows * strips_.columns;

    for (std::int64_t left = 0; left < shape_.input[2]; left += strips_.columns) {
      const std::int64_t right = std::min(left + strips_.columns, shape_.input[2]);
      const std::int64_t block = right - left;
      const std::int64_t buffer_depth = strips_.buffer_rows * block;
      for (std::int64_t d = 0; d < depths.count; ++d)
        for (std::int64_t y = first_row; y < end_row; ++y)
          spread(plane, depths.begin + d, y, left, right, scratch,
                 buffer + d * buffer_depth + (y - first_row) * block, share);

      const PoolColumns columns = plain_columns(block);
      for (std::int64_t y = begin; y < end; ++y) {
        const Span rows = windows_of_element(shape_, 1, y);
        const std::int64_t at =
            plane * shape_.input_plane() + (depth * shape_.input[1] + y) * shape_.input[2] + left;
        sum_.run({&columns, buffer + (rows.begin - first_row) * block, depths.count, buffer_depth, rows.count,
                  block, 0, block},
                 result + at);
        finish(result + at, at, at + block);
      }
    }
  }

  template <class Share, class Finish>
  void run_by_taps(T* result, const Share& share, const Finish& finish) const {
    constexpr std::int64_t block = 512;
    const PoolColumns columns = pool_columns(shape_);
    const std::int64_t size = shape_.input_plane(), outputs = shape_.output[0] * shape_.output[1];
    const double operations = operations_per_row_ * static_cast<double>(shape_.input[0] * shape_.input[1]);
    for_each_plane(shape_.planes(), operations, pool_elements_per_thread, [&](std::int64_t plane) {
      T shares[block];
      T* const target = result + plane * size;
      std::fill_n(target, size, T{0});
      for (std::int64_t y = 0; y < outputs; ++y)
        for (std::int64_t begin = 0; begin < shape_.output[2]; begin += block) {
          const std::int64_t end = std::min(begin + block, shape_.output[2]);
          const std::int64_t depth = y / shape_.output[1], output_row = y % shape_.output[1];
          share(plane, depth, output_row, begin, end, shares);
          const PoolRow<T> row = window_row<T>(shape_, columns, target, depth, output_row, begin, end);
          T* const first_row = target + (row.source - target);
          for (std::int64_t d = 0; d < row.depths; ++d)
            for (std::int64_t r = 0; r < row.rows; ++r)
              add_taps(first_row + d * row.depth_step + r * row.row_step, begin, end, shares);
        }
      finish(target, plane * size, (plane + 1) * size);
    });
  }

  // Gives the shares of windows [begin, end) to one row of elements, from the last tap to the first, so that
  // an element meets its windows in ascending order.
  void add_taps(T* row, std::int64_t begin, std::int64_t end, const T* shares) const {
    const std::int64_t stride = shape_.stride[2], dilation = shape_.dilation[2], width = shape_.input[2];
    const std::int64_t start = window_start(shape_, 2, begin), last = window_start(shape_, 2, end - 1);
    const std::int64_t first_tap = last < 0 ? ceil_div(-last, dilation) : 0;
    const std::int64_t end_tap =
        start >= width ? 0 : std::min(shape_.kernel[2], (width - 1 - start) / dilation + 1);
    for (std::int64_t s = end_tap - 1; s >= first_tap; --s) {
      const std::int64_t at = start + s * dilation;
      if (stride <= 2) {
        kernels_.add_shares({shares, end - begin, row, width, at, stride});
        continue;
      }
      for (std::int64_t i = 0; i < end - begin; ++i) {
        const std::int64_t x = at + i * stride;
        if (x >= 0 && x < width) row[x] += shares[i];
      }
    }
  }

  // spread_row[x - left] = the sum of the shares that the windows of row `y` over column x give, for x in
  // [left, right).
  template <class Share>
  void spread(std::int64_t plane, std::int64_t depth, std::int64_t y, std::int64_t left, std::int64_t right,
              T* scratch, T* spread_row, const Share& share) const {
    const std::int64_t stride = shape_.stride[2], kernel = shape_.kernel[2];
    const std::int64_t first = windows_of_element(shape_, 2, left).begin;
    const Span last = windows_of_element(shape_, 2, right - 1);
    const std::int64_t count = std::max<std::int64_t>(last.begin + last.count - first, 0);
    T* const shares = scratch;
    share(plane, depth, y, first, first + count, shares);

    for (std::int64_t x = left; x < left + std::min(stride, right - left); ++x) {
      // Elements x, x + stride, ... start under tap `phase` of window `newest`, then that of the next window.
      const std::int64_t padded = x + shape_.pad_before[2];
      const std::int64_t phase = padded % stride, newest = padded / stride - first;
      const std::int64_t taps = phase < kernel ? (kernel - 1 - phase) / stride + 1 : 0;
      const std::int64_t elements = (right - 1 - x) / stride + 1;
      const std::int64_t pad = taps - 1 - newest;
      const PoolColumns columns{
          count, taps, 1, 1, pad, std::max<std::int64_t>(pad, 0), count - taps + 1 + pad};
      T* const phases = scratch + shares_;
      // Of stride 2 the phase in the even columns waits for the other one.
      const bool second = stride == 2 && x > left;
      T* const sums = stride == 1 ? spread_row : second ? phases + strips_.columns : phases;
      sum_.run({&columns, shares, 1, 0, 1, 0, 0, elements}, sums);
      if (second) {
        kernels_.interleave(phases, sums, elements, spread_row);
        if ((right - left) % 2 != 0) spread_row[2 * elements] = phases[elements];
      } else if (stride > 2 || (stride == 2 && right - left == 1)) {
        for (std::int64_t i = 0; i < elements; ++i) spread_row[x - left + i * stride] = sums[i];
      }
    }
  }

  const PoolShape& shape_;
  const PoolKernels<T>& kernels_;
  const PoolKernel<T, T>& sum_;
  std::int64_t depths_ = 0;
  Strips strips_{};
  std::int64_t shares_ = 0;
  std::size_t buffer_bytes_;
  double operations_per_row_;
};

}  // namespace convnative
