// The windows of adaptive pools: window i of an axis covers [floor(i I / O), ceil((i + 1) I / O)).
#pragma once

#include <cstddef>
#include <cstdint>

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

// Windows that are all alike are those of a plain pool. Its sums are of the type of the elements, which few of them do
// not mind.
inline bool has_plain_average(const PlaneShape& shape) {
  constexpr std::int64_t few = 16;
  std::int64_t elements = 1;
  for (std::size_t axis = 0; axis < max_axes; ++axis) {
    if (shape.output[axis] == 0 || shape.input[axis] % shape.output[axis] != 0) return false;
    const std::int64_t extent = shape.input[axis] / shape.output[axis];
    if (extent > few) return false;
    elements *= extent;
  }
  return elements <= few && shape.output_plane() > 1;
}

inline PoolShape plain_average(const PlaneShape& shape) {
  PoolShape plain;
  plain.axes = shape.axes;
  plain.batch = shape.batch;
  plain.channels = shape.channels;
  plain.input = shape.input;
  plain.output = shape.output;
  for (std::size_t axis = 0; axis < max_axes; ++axis)
    plain.kernel[axis] = plain.stride[axis] = shape.input[axis] / shape.output[axis];
  return plain;
}

}  // namespace convnative
