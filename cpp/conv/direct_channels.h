// What the direct convolutions with output channels in the lanes share beside their kernels.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>

#include "conv/direct_channels_kernels.h"
#include "conv/strip.h"
#include "convnative/shape.h"
#include "convnative/types.h"

namespace convnative {

// The largest tile's: f32_channels_9x48_avx512.
template <class T>
std::string channels_kernel_name(const ChannelsKernels<T>& kernels) {
  const int vectors = kernels.max_vectors;
  return std::string(dtype_of<T> == DType::float32 ? "f32" : "f64") + "_channels_" +
         std::to_string(kernels.tiles(vectors).max_points) + "x" + std::to_string(vectors * kernels.lanes) +
         "_" + name(kernels.isa);
}

// The axis of a strip without phases: it holds all that lies between points, `stride` apart.
inline StripAxis dense_axis(ConvShape shape, std::size_t axis) {
  shape.output[axis] = (shape.output[axis] - 1) * shape.stride[axis] + 1;
  shape.stride[axis] = 1;
  return {shape, axis};
}

// Whether no tap of any output lies beside the input.
inline bool reads_no_padding(const ConvShape& s) {
  for (std::size_t axis = 0; axis < max_axes; ++axis)
    if (s.pad_before[axis] > 0 || (s.output[axis] - 1) * s.stride[axis] +
                                          (s.kernel[axis] - 1) * s.dilation[axis] - s.pad_before[axis] >=
                                      s.input[axis])
      return false;
  return true;
}

// Cycles of a step of a tile: bound by the multiply-adds, their latency or the loads.
inline double channels_step_cycles(double points, double vectors) {
  return std::max({points * vectors / 2, 4.0, (points + vectors + 1) / 1.4}) * 1.04;
}

}  // namespace convnative
