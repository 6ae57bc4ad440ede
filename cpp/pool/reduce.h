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

#include "base/aligned_buffer.h"
#include "base/parallel.h"
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
          run_separable(source, result, depth, begin, end, buffer, finish);
        else
          run_direct(source, result, depth, begin, end, finish);
      }
    });
  }

 private:
  template <class Finish>
  void run_direct(const T* source, T* result, std::int64_t depth, std::int64_t begin, std::int64_t end,
                  const Finish& finish) const {
    for (std::int64_t y = begin; y < end; ++y) {
      T* const row = result + (depth * shape_.output[1] + y) * shape_.output[2];
      reduce_.run(window_row(shape_, columns_, source, depth, y, 0, shape_.output[2]), row);
      finish(row, depth, y, 0, shape_.output[2]);
    }
  }

  template <class Finish>
  void run_separable(const T* source, T* result, std::int64_t depth, std::int64_t begin, std::int64_t end,
                     T* buffer, const Finish& finish) const {
    const std::int64_t width = shape_.input[2];
    const Span depths = elements_of_window(shape_, 0, depth);
    const Span first = elements_of_window(shape_, 1, begin), last = elements_of_window(shape_, 1, end - 1);
    const std::int64_t first_row = first.begin, end_row = last.begin + last.count;

    for (std::int64_t left = 0; left < shape_.output[2]; left += strips_.columns) {
      const std::int64_t right = std::min(left + strips_.columns, shape_.output[2]);
      const std::int64_t block = right - left;
      const std::int64_t buffer_depth = strips_.buffer_rows * block;
      for (std::int64_t d = 0; d < depths.count; ++d)
        for (std::int64_t y = first_row; y < end_row; ++y)
          reduce_row(source + ((depths.begin + d * shape_.dilation[0]) * shape_.input[1] + y) * width, left,
                     right, buffer + transformed_offset(),
                     buffer + d * buffer_depth + (y - first_row) * block);

      const PoolColumns block_columns = plain_columns(block);
      for (std::int64_t y = begin; y < end; ++y) {
        const Span rows = elements_of_window(shape_, 1, y);
        T* const row = result + (depth * shape_.output[1] + y) * shape_.output[2] + left;
        combine_.run({&block_columns, buffer + (rows.begin - first_row) * block, depths.count, buffer_depth,
                      rows.count, block, 0, block},
                     row);
        finish(row, depth, y, left, right);
      }
    }
  }

  std::int64_t transformed_offset() const { return depths_ * strips_.buffer_rows * strips_.columns; }

  // One row of the input along windows [left, right); `scratch` has room for the elements under them.
  void reduce_row(const T* row, std::int64_t left, std::int64_t right, [[maybe_unused]] T* scratch,
                  T* result) const {
    if constexpr (transforms) {
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
    } else {
      reduce_.run({&columns_, row, 1, 0, 1, 0, left, right}, result);
    }
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
};

}  // namespace convnative
