// What the sums of an average pool's windows are divided by.
#pragma once

#include <algorithm>
#include <cstdint>

#include "convnative/shape.h"
#include "pool/kernels.h"
#include "pool/window.h"

namespace convnative {

template <class T>
class Divisors {
 public:
  Divisors(const PoolShape& shape, const AvgPoolDivisor& divisor) : shape_(shape), divisor_(divisor) {
    constexpr std::size_t axis = max_axes - 1;
    low_ = divisor.count_padding ? -shape.pad_before[axis] : 0;
    high_ = shape.input[axis] + (divisor.count_padding ? shape.pad_after[axis] : 0);
    if (divisor.fixed != 0) {
      full_end_ = shape.output[axis];
      return;
    }
    const std::int64_t stride = shape.stride[axis], pad = shape.pad_before[axis];
    const std::int64_t room = high_ - 1 - shape.dilation[axis] * (shape.kernel[axis] - 1) + pad;
    full_begin_ = ceil_div(low_ + pad, stride);
    full_end_ = room < 0 ? 0 : std::min(room / stride + 1, shape.output[axis]);
  }

  // For windows [begin, end) of the output's row `y` at `depth`.
  PoolDivide<T> divide(const T* source, T* result, std::int64_t depth, std::int64_t y, std::int64_t begin,
                       std::int64_t end) const {
    const bool fixed = divisor_.fixed != 0;
    const T rows = fixed ? static_cast<T>(divisor_.fixed)
                         : static_cast<T>(counted(0, depth)) * static_cast<T>(counted(1, y));
    return {source,
            result,
            begin,
            end,
            rows,
            fixed ? 1 : shape_.kernel[2],
            shape_.stride[2],
            shape_.dilation[2],
            shape_.pad_before[2],
            low_,
            high_,
            full_begin_,
            full_end_};
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
  std::int64_t low_, high_, full_begin_ = 0, full_end_;
};

}  // namespace convnative
