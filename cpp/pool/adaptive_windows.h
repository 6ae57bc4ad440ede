// The windows of adaptive pools: window i of an axis covers [floor(i I / O), ceil((i + 1) I / O)).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "convnative/shape.h"
#include "pool/window_tables.h"

namespace convnative {

// Global pools: a plane that is longer than this is reduced piece by piece, and the pieces in their order.
inline constexpr std::int64_t elements_per_piece = 1 << 16;

inline WindowTable adaptive_table(std::int64_t input, std::int64_t output) {
  WindowTable table(output);
  if (output == 0) return table;
  // i I / O step by step: no product, nothing can overflow.
  const std::int64_t step = input / output, remainder = input % output;
  std::int64_t floor = 0, excess = 0;
  for (std::size_t i = 0; i < table.begin.size(); ++i) {
    table.begin[i] = floor;
    floor += step;
    excess += remainder;
    if (excess >= output) {
      excess -= output;
      ++floor;
    }
    table.end[i] = floor + (excess > 0 ? 1 : 0);
  }
  return table;
}

// Of all axes.
inline WindowTables adaptive_tables(const PlaneShape& shape) {
  return {adaptive_table(shape.input[0], shape.output[0]), adaptive_table(shape.input[1], shape.output[1]),
          adaptive_table(shape.input[2], shape.output[2])};
}

// Windows that are all alike, at equal distances, are those of a plain pool. Its sums are of the type of the elements,
// which few of them do not mind.
inline std::optional<PoolShape> plain_average(const PlaneShape& shape) {
  constexpr std::int64_t few = 16;
  if (shape.output_plane() <= 1) return std::nullopt;
  PoolShape plain;
  plain.axes = shape.axes;
  plain.batch = shape.batch;
  plain.channels = shape.channels;
  plain.input = shape.input;
  plain.output = shape.output;
  std::int64_t elements = 1;
  for (std::size_t axis = 0; axis < max_axes; ++axis) {
    const WindowTable windows = adaptive_table(shape.input[axis], shape.output[axis]);
    const std::int64_t extent = windows.extent(0), stride = windows.size() > 1 ? windows.begin[1] : extent;
    if (stride < 1 || extent > few) return std::nullopt;
    for (std::int64_t i = 0; i < windows.size(); ++i)
      if (windows.begin[static_cast<std::size_t>(i)] != i * stride || windows.extent(i) != extent)
        return std::nullopt;
    plain.kernel[axis] = extent;
    plain.stride[axis] = stride;
    elements *= extent;
  }
  if (elements > few) return std::nullopt;
  return plain;
}

}  // namespace convnative
