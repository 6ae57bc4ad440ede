// The loops of a pool's forward pass: every window of every plane to one number.
//
//   direct      each row of the output from the rows of the input under its windows
//   separable   rows of the input along the columns first, each once per strip, then the results along rows
//   and depth:
//               fewer operations where windows overlap. An associative reduction gives the same bits either
//               way; a sum does not, and the choice therefore depends on the shape alone.
//
// A pool of a function of the elements goes the second way, which meets each element about once: the rows pass
// through the function on their way into the reduction.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/parallel.h"
#include "pool/divisors.h"
#include "pool/kernels.h"
#include "pool/strips.h"
#include "pool/window.h"

namespace convnative {

// Elements under windows that keep a core busy for about as long as it takes to wake another.
inline constexpr double pool_elements_per_thread = 1e5;
inline constexpr std::int64_t pool_buffer_bytes = 128 * 1024;

// Elements as they are. Other functions have `apply(row, begin, end, result)`, which sets result[i] to the
// function of row[begin + i].
struct Unchanged {};

template <class T, class Function = Unchanged>
class PoolReduction {
 public:
  static constexpr bool transforms = !std::is_same_v<Function, Unchanged>;

  PoolReduction(const PoolShape& shape, const PoolKernel<T, T> (&family)[pool_strides],
                Function function = {})
      : shape_(shape),
        columns_(pool_columns(shape)),
        reduce_(for_stride(family, shape.stride[2])),
        combine_(for_stride(family, 1)),
        function_(function) {
    // What a window holds at most; hostile kernels reach far beyond the input.
    const auto taps = [&](std::size_t axis) {
      return static_cast<double>(
          std::min(shape.kernel[axis], ceil_div(shape.input[axis], shape.dilation[axis])));
    };
    const double direct = taps(0) * taps(1) * taps(2);
    const double separable = taps(0) * static_cast<double>(shape.stride[1]) * taps(2) + taps(0) * taps(1);
    constexpr double store_and_load = 2;
    separable_ = shape.dilation[1] == 1 && (transforms || separable + store_and_load < direct);
    direct_operations_ = direct;
    separable_operations_ = separable + store_and_load;
    elements_per_row_ = static_cast<double>(shape.output[2]) * (separable_ ? separable : direct);

    if (separable_) {
      const std::int64_t window_rows = std::min(shape.kernel[1], shape.input[1]);
      depths_ = std::min(shape.kernel[0], shape.input[0]);
      strips_ = Strips::buffered(shape.output[1], shape.output[2], window_rows, shape.stride[1], depths_,
                                 pool_buffer_bytes / static_cast<std::int64_t>(sizeof(T)));
      if constexpr (transforms) {
        const std::int64_t reach = std::min(shape.dilation[2] * (shape.kernel[2] - 1), shape.input[2]);
        const std::int64_t step = std::min(shape.stride[2], shape.input[2]);
        transformed_ = std::min(shape.input[2], reach + 1 + (strips_.columns - 1) * step);
      }
      // A window that a buffer of any use cannot hold.
      if (buffer_bytes() > 8 * pool_buffer_bytes) separable_ = false;
    }
    rows_.reserve(static_cast<std::size_t>(shape.output[1]));
    for (std::int64_t y = 0; y < shape.output[1]; ++y) {
      const Span rows = elements_of_window(shape, 1, y);
      rows_.push_back({rows.begin, rows.count});
      most_rows_ = std::max(most_rows_, rows.count);
    }
    if (separable_ && !transforms)
      for (std::int64_t y = 0; y < shape.input[1]; ++y) each_row_.push_back({y, 1});
    if (!separable_) {
      constexpr double elements_per_unit = 1e5;
      const double rows =
          std::clamp(elements_per_unit / elements_per_row_, 1.0, static_cast<double>(shape.output[1]));
      strips_ = {static_cast<std::int64_t>(rows), shape.output[2], 0};
      depths_ = transformed_ = 0;
    }
  }

  bool separable() const { return separable_; }
  // For each element of the output.
  double direct_operations() const { return direct_operations_; }
  double separable_operations() const { return separable_operations_; }
  // Bytes for each thread.
  std::size_t buffer_bytes() const {
    return round_up_to_line(
        static_cast<std::size_t>(depths_ * strips_.buffer_rows * strips_.columns + transformed_) * sizeof(T));
  }
  const char* kernel_name() const { return reduce_.name; }
  int threads() const {
    return threads_for(elements_per_row_ * static_cast<double>(shape_.output[0] * shape_.output[1]) *
                           static_cast<double>(shape_.planes()),
                       pool_elements_per_thread);
  }

  // A reduction of a function must be separable. `finish(row, depth, y, begin, end)` is called for each piece of a row of the output when it is complete.
  template <class Finish>
  void run(const T* input, T* output, const Finish& finish) const {
    run(input, output, nullptr, finish);
  }

  void run(const T* input, T* output) const {
    run(input, output, [](T*, std::int64_t, std::int64_t, std::int64_t, std::int64_t) {});
  }

  // Sums, divided as they are stored.
  void run_averages(const T* input, T* output, const Divisors<T>& divisors) const {
    run(input, output, &divisors, [](T*, std::int64_t, std::int64_t, std::int64_t, std::int64_t) {});
  }

 private:
  template <class Finish>
  void run(const T* input, T* output, const Divisors<T>* divisors, const Finish& finish) const {
    const std::int64_t strips_per_depth = ceil_div(shape_.output[1], strips_.rows);
    const std::int64_t units_per_plane = shape_.output[0] * strips_per_depth;
    const TaskSplit split(shape_.planes() * units_per_plane,
                          elements_per_row_ * static_cast<double>(strips_.rows));
    const int workers = threads();
    const AlignedBuffer buffers(buffer_bytes() * static_cast<std::size_t>(workers));

    parallel_for(split.tasks(), workers, [&](std::int64_t task, int thread) {
      T* const buffer = reinterpret_cast<T*>(static_cast<char*>(buffers.data()) +
                                             buffer_bytes() * static_cast<std::size_t>(thread));
      for (std::int64_t unit = split.begin(task); unit < split.end(task); ++unit) {
        const std::int64_t plane = unit / units_per_plane, strip = unit % units_per_plane;
        const std::int64_t depth = strip / strips_per_depth;
        const std::int64_t begin = strip % strips_per_depth * strips_.rows;
        const std::int64_t end = std::min(begin + strips_.rows, shape_.output[1]);
        const T* const source = input + plane * shape_.input_plane();
        T* const result = output + plane * shape_.output_plane();
        if (transforms || separable_)
          run_separable(source, result, depth, begin, end, buffer, divisors, finish);
        else
          run_direct(source, result, depth, begin, end, divisors, finish);
      }
    });
  }

  template <class Finish>
  void run_direct(const T* source, T* result, std::int64_t depth, std::int64_t begin, std::int64_t end,
                  const Divisors<T>* divisors, const Finish& finish) const {
    const std::int64_t width = shape_.output[2];
    T* const first = result + (depth * shape_.output[1] + begin) * width;
    PoolRows<T> rows = window_rows(source, depth, begin, end);
    if (divisors != nullptr) rows.divisors = divisors->from(depth, begin);
    rows.far_step = far_step<T>(shape_);
    reduce_.run_rows(rows, first);
    for (std::int64_t y = begin; y < end; ++y) finish(first + (y - begin) * width, depth, y, 0, width);
  }

  // Rows [begin, end) of windows at `depth`, over a plane of the input.
  PoolRows<T> window_rows(const T* plane, std::int64_t depth, std::int64_t begin, std::int64_t end) const {
    const Span depths = elements_of_window(shape_, 0, depth);
    const std::int64_t width = shape_.input[2], depth_size = shape_.input[1] * width;
    // A dilation that leaves a window only one element may be of any size.
    return {&columns_,
            plane + depths.begin * depth_size,
            rows_.data() + begin,
            end - begin,
            width,
            depths.count,
            depths.count > 1 ? shape_.dilation[0] * depth_size : 0,
            most_rows_ > 1 ? shape_.dilation[1] * width : 0,
            0,
            shape_.output[2],
            shape_.output[2]};
  }

  template <class Finish>
  void run_separable(const T* source, T* result, std::int64_t depth, std::int64_t begin, std::int64_t end,
                     T* buffer, const Divisors<T>* divisors, const Finish& finish) const {
    const std::int64_t width = shape_.input[2];
    const Span depths = elements_of_window(shape_, 0, depth);
    const LaneSpan &first = row_span(begin), &last = row_span(end - 1);
    const std::int64_t first_row = first.first, end_row = last.first + last.count;

    for (std::int64_t left = 0; left < shape_.output[2]; left += strips_.columns) {
      const std::int64_t right = std::min(left + strips_.columns, shape_.output[2]);
      const std::int64_t block = right - left;
      const std::int64_t buffer_depth = strips_.buffer_rows * block;
      for (std::int64_t d = 0; d < depths.count; ++d) {
        const std::int64_t depth_row = (depths.begin + d * shape_.dilation[0]) * shape_.input[1];
        if constexpr (transforms)
          for (std::int64_t y = first_row; y < end_row; ++y)
            reduce_row(source + (depth_row + y) * width, left, right, buffer + transformed_offset(),
                       buffer + d * buffer_depth + (y - first_row) * block);
        else
          reduce_.run_rows({.columns = &columns_,
                            .source = source + depth_row * width,
                            .rows = each_row_.data() + first_row,
                            .row_count = end_row - first_row,
                            .width = width,
                            .depths = 1,
                            .depth_step = 0,
                            .row_step = 0,
                            .begin = left,
                            .end = right,
                            .result_step = block,
                            .far_step = far_step<T>(shape_) > 0 ? width : 0},
                           buffer + d * buffer_depth);
      }

      const PoolColumns block_columns = plain_columns(block);
      T* const rows = result + (depth * shape_.output[1] + begin) * shape_.output[2] + left;
      combine_.run_rows({&block_columns, buffer - first_row * block, rows_.data() + begin, end - begin, block,
                         depths.count, buffer_depth, block, 0, block, shape_.output[2],
                         divisors != nullptr ? divisors->from(depth, begin, left) : PoolDivisors<T>{}},
                        rows);
      for (std::int64_t y = begin; y < end; ++y)
        finish(rows + (y - begin) * shape_.output[2], depth, y, left, right);
    }
  }

  const LaneSpan& row_span(std::int64_t y) const { return rows_[static_cast<std::size_t>(y)]; }

  std::int64_t transformed_offset() const { return depths_ * strips_.buffer_rows * strips_.columns; }

  // The function of one row of the input along windows [left, right); `scratch` has room for the elements under
  // them.
  void reduce_row(const T* row, std::int64_t left, std::int64_t right, T* scratch, T* result) const {
    const std::int64_t last_start = window_start(shape_, 2, right - 1);
    const std::int64_t reach = shape_.dilation[2] * (shape_.kernel[2] - 1);
    const std::int64_t begin = std::clamp<std::int64_t>(window_start(shape_, 2, left), 0, columns_.width);
    const std::int64_t end = last_start >= columns_.width - reach
                                 ? columns_.width
                                 : std::max<std::int64_t>(last_start + reach + 1, begin);
    function_.apply(row, begin, end, scratch);
    PoolColumns columns = columns_;
    columns.width = end - begin;
    columns.pad += begin;
    reduce_.run({&columns, scratch, 1, 0, 1, 0, left, right}, result);
  }

  const PoolShape& shape_;
  PoolColumns columns_;
  const PoolKernel<T, T>& reduce_;
  const PoolKernel<T, T>& combine_;
  Function function_;
  bool separable_;
  double direct_operations_, separable_operations_;
  double elements_per_row_;
  std::int64_t depths_ = 0;
  std::int64_t transformed_ = 0;  // elements of a row on their way through the function
  Strips strips_{};
  std::vector<LaneSpan> rows_;      // of the input under each row of windows
  std::vector<LaneSpan> each_row_;  // of the input, on its own
  std::int64_t most_rows_ = 0;      // under a window
};

}  // namespace convnative
