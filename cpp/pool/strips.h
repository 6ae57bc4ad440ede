// How a pool's planes are cut into units of work, and units into tasks.
//
// A unit is a strip of rows of one plane, at one depth. Pools that are separable first reduce each row of the
// source that the strip needs along the columns, into a buffer that stays in cache, and then combine buffered
// rows; a strip is as high as the buffer allows, since rows at the seam of two strips are reduced twice. Wide
// planes are also cut into blocks of columns.
//
// Everything here depends on the shape and the type alone.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/checked.h"

namespace convnative {

struct Strips {
  std::int64_t rows;     // of the result, in a unit
  std::int64_t columns;  // of the result, in a block
  std::int64_t buffer_rows;

  // `row_step` more buffered rows for each further row of the result, `window_rows` for one, `depths` times
  // each. The buffer may take `budget` elements; it takes more where one row of the narrowest block needs it.
  static Strips buffered(std::int64_t rows, std::int64_t columns, std::int64_t window_rows,
                         std::int64_t row_step, std::int64_t depths, std::int64_t budget) {
    constexpr std::int64_t narrowest = 64;
    const std::int64_t block =
        std::min(columns, std::max(narrowest, budget / (2 * window_rows * depths) / narrowest * narrowest));
    const std::int64_t room = budget / (block * depths);
    const std::int64_t strip = room <= window_rows ? 1 : (room - window_rows) / row_step + 1;
    const std::int64_t height = std::min(strip, rows);
    return {height, block, window_rows + (height - 1) * row_step};
  }
};

// Units into tasks: enough work in one that taking it from the queue costs nothing.
struct TaskSplit {
  std::int64_t units, units_per_task;

  TaskSplit(std::int64_t unit_count, double operations_per_unit)
      : units(unit_count),
        units_per_task(
            static_cast<std::int64_t>(std::clamp(3e4 / std::max(operations_per_unit, 1.0), 1.0, 1e6))) {}

  std::int64_t tasks() const { return ceil_div(units, units_per_task); }
  std::int64_t begin(std::int64_t task) const { return task * units_per_task; }
  std::int64_t end(std::int64_t task) const { return std::min(units, (task + 1) * units_per_task); }
};

}  // namespace convnative
