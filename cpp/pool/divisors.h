// What the sums of an average pool's windows are divided by.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "convnative/shape.h"
#include "pool/kernels.h"
#include "pool/window.h"

namespace convnative {

template <class T>
class Divisors {
 public:
  Divisors(const PoolShape& shape, const AvgPoolDivisor& divisor) : shape_(shape), divisor_(divisor) {
    constexpr std::size_t axis = max_axes - 1;
    const bool fixed = divisor.fixed != 0;
    for (std::int64_t depth = 0; depth < shape.output[0]; ++depth)
      for (std::int64_t y = 0; y < shape.output[1]; ++y)
        rows_.push_back(fixed ? static_cast<T>(divisor.fixed)
                              : static_cast<T>(counted(0, depth)) * static_cast<T>(counted(1, y)));
    columns_.reserve(static_cast<std::size_t>(shape.output[axis] + most_lanes));
    for (std::int64_t x = 0; x < shape.output[axis]; ++x)
      columns_.push_back(fixed ? T{1} : static_cast<T>(counted(axis, x)));
    columns_.resize(columns_.size() + most_lanes, T{1});

    full_end_ = shape.output[axis];
    if (fixed) return;
    whole_ = static_cast<T>(shape.kernel[axis]);
    const std::int64_t low = divisor.count_padding ? -shape.pad_before[axis] : 0;
    const std::int64_t high = shape.input[axis] + (divisor.count_padding ? shape.pad_after[axis] : 0);
    const std::int64_t stride = shape.stride[axis], pad = shape.pad_before[axis];
    const std::int64_t room = high - 1 - shape.dilation[axis] * (shape.kernel[axis] - 1) + pad;
    full_begin_ = ceil_div(low + pad, stride);
    full_end_ = room < 0 ? 0 : std::min(room / stride + 1, shape.output[axis]);
  }

  // For the windows from row `y` at `depth` and from column `begin` on.
  PoolDivisors<T> from(std::int64_t depth, std::int64_t y, std::int64_t begin = 0) const {
    return {rows_.data() + depth * shape_.output[1] + y, columns_.data() + begin, whole_, full_begin_ - begin,
            full_end_ - begin};
  }

  T of_first_window() const { return rows_[0] * columns_[0]; }

  // For windows [begin, end) of the output's row `y` at `depth`.
  PoolDivide<T> divide(const T* source, T* result, std::int64_t depth, std::int64_t y, std::int64_t begin,
                       std::int64_t end) const {
    const PoolDivisors<T> divisors = from(depth, y, begin);
    return {source, result, 0, end - begin, divisors.rows[0], divisors};
  }

 private:
  // How many elements of a window count along an axis.
  std::int64_t counted(std::size_t axis, std::int64_t output) const {
    if (!divisor_.count_padding) return elements_of_window(shape_, axis, output).count;
    const std::int64_t start = window_start(shape_, axis, output);
    const std::int64_t last = shape_.input[axis] + shape_.pad_after[axis] - 1;
    return std::min(shape_.kernel[axis], (last - start) / shape_.dilation[axis] + 1);
  }

  const PoolShape& shape_;
  const AvgPoolDivisor divisor_;
  static constexpr std::size_t most_lanes = 16;
  std::vector<T> rows_, columns_;
  T whole_ = 1;
  std::int64_t full_begin_ = 0, full_end_;
};

}  // namespace convnative
