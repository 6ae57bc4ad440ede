// The phases of a gradient in the input.
//
// grad_input[c][i] = sum over (k, t) with i + pad_before - t * dilation = o * stride of weight[k][c][t] *
// grad_output[k][o].
//
// On one axis, inputs of the same phase p = i mod stride share their taps: with g = gcd(stride, dilation),
// those t with t * dilation = p + pad_before (mod stride), every (stride / g)-th one or none. Each of the
// first stride / g taps t0 therefore leads to a phase of its own. For i = p + stride * q and the j-th tap of
// the phase,
//     o = q + (p + pad_before - t0 * dilation) / stride - j * dilation / g:
// a convolution of stride 1 over grad_output, whose results lie `stride` apart. Stride 1 has one phase, the
// well-known convolution with the flipped kernel. Inputs that no tap reaches are zero.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>

#include "base/checked.h"
#include "convnative/shape.h"

namespace convnative {

// The inputs coordinate, coordinate + stride, ... of an axis, `points` of them, and their taps first,
// first + step, ...
struct AxisPhase {
  std::int64_t coordinate, points;
  std::int64_t first, step, taps;
};

// The phases of `length` elements from `begin` on of one axis of the padded input, numbered by their first tap.
class AxisPhases {
 public:
  AxisPhases(const ConvShape& shape, std::size_t axis, std::int64_t begin, std::int64_t length)
      : input_(length),
        kernel_(shape.kernel[axis]),
        stride_(shape.stride[axis]),
        dilation_(shape.dilation[axis]),
        pad_before_(begin),
        step_(stride_ / std::gcd(stride_, dilation_)) {}

  std::int64_t count() const { return std::min(step_, kernel_); }
  std::int64_t most_taps() const { return ceil_div(kernel_, step_); }
  bool cover_all_inputs() const { return step_ == stride_ && kernel_ >= stride_; }

  // Calls body for each phase, also for those that have no points here.
  template <class Body>
  void for_each(Body body) const {
    // (t * dilation - pad_before) mod stride, tap by tap, because the product could overflow.
    std::int64_t coordinate = (stride_ - pad_before_ % stride_) % stride_;
    for (std::int64_t tap = 0; tap < count(); ++tap) {
      const std::int64_t points = coordinate < input_ ? (input_ - 1 - coordinate) / stride_ + 1 : 0;
      body(AxisPhase{coordinate, points, tap, step_, (kernel_ - 1 - tap) / step_ + 1});
      const std::int64_t room = stride_ - dilation_ % stride_;
      coordinate = coordinate >= room ? coordinate - room : coordinate + dilation_ % stride_;
    }
  }

 private:
  std::int64_t input_, kernel_, stride_, dilation_, pad_before_, step_;
};

}  // namespace convnative
