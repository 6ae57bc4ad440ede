// The weights of gradients in the input whose products have one tap each: a group's matrix K x (C * taps), transposed.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "base/checked.h"
#include "base/parallel.h"
#include "convnative/shape.h"
#include "gemm/kernels.h"

namespace convnative {

// Row place(group, channel, tap) of `packed` holds the group's K weights of that channel and tap.
template <class T, class Place>
void transpose_weights(const ConvShape& shape, const T* weight, T* packed, const GemmKernels<T>& kernels,
                       int threads, Place place) {
  const std::int64_t outputs = shape.out_channels_per_group(), taps = shape.taps();
  const std::int64_t columns = shape.in_channels_per_group() * taps;
  const std::int64_t blocks = ceil_div(columns, kernels.lanes);
  parallel_for(shape.groups * blocks, threads, [&](std::int64_t task, int) {
    const std::int64_t group = task / blocks, first = task % blocks * kernels.lanes;
    const std::int64_t count = std::min<std::int64_t>(columns - first, kernels.lanes);
    std::array<T*, MatrixColumns<T>::most> targets{};
    for (std::int64_t i = 0; i < count; ++i)
      targets[static_cast<std::size_t>(i)] =
          packed + place(group, (first + i) / taps, (first + i) % taps) * outputs;
    kernels.transpose_columns(
        {weight + group * outputs * columns + first, columns, outputs, count, targets.data()});
  });
}

}  // namespace convnative
