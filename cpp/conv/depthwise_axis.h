// The points of one axis of a depthwise convolution: of the forward, or of one phase of the gradient in the input.
#pragma once

#include <cstddef>
#include <cstdint>

#include "conv/depthwise_kernels.h"
#include "conv/input_phases.h"
#include "convnative/shape.h"

namespace convnative {

// One axis of a lattice: where its points and taps lie in source, weight and result.
struct LatticeAxis {
  DepthwiseAxis source;
  std::int64_t weight_first;               // tap 0 in the weights
  std::int64_t result_first, result_step;  // in places of the result's axis
};

// Irrelevant distances may be as large as they like; they become 1.
inline LatticeAxis normalized(LatticeAxis axis) {
  if (axis.source.points == 1) axis.source.step = axis.result_step = 1;
  if (axis.source.taps == 1) axis.source.tap_step = axis.source.weight_step = 1;
  return axis;
}

inline LatticeAxis forward_axis(const ConvShape& s, std::size_t axis) {
  return normalized({{s.input[axis], s.output[axis], s.stride[axis], -s.pad_before[axis], s.kernel[axis],
                      s.dilation[axis], 0, 1},
                     0,
                     0,
                     1});
}

// The taps in reverse, so that they rise in the source.
inline LatticeAxis phase_axis(const ConvShape& s, std::size_t axis, const AxisPhase& p) {
  const std::int64_t stride = s.stride[axis], dilation = s.dilation[axis];
  const std::int64_t tap_step = p.taps == 1 ? 1 : p.step * dilation / stride;
  const std::int64_t first = (p.coordinate + s.pad_before[axis] - p.first * dilation) / stride;
  return normalized(
      {{s.output[axis], p.points, 1, first - (p.taps - 1) * tap_step, p.taps, tap_step, 0, -p.step},
       p.first + (p.taps - 1) * p.step,
       p.coordinate,
       stride});
}

}  // namespace convnative
