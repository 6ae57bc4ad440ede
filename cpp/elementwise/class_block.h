// Softmax and the cross-entropy walk an array (outer, classes, inner) in blocks of neighbouring inner
// positions, so that each pass over the classes reads whole cache lines whatever `inner` is.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/checked.h"
#include "base/parallel.h"
#include "convnative/elementwise.h"

namespace convnative {

inline constexpr std::int64_t class_block_size = 64;

// `count` <= class_block_size points: element (c, i) of the block is at `offset` + c * inner + i, and point i
// at `point` + i of an array (outer, inner).
struct ClassBlock {
  std::int64_t offset, point, count;
};

// Calls `body(block)` for all blocks, in parallel.
template <class Body>
void for_each_class_block(const ClassShape& shape, const Body& body) {
  const std::int64_t blocks = ceil_div(shape.inner, class_block_size);
  // A unit is one block; some thousand exponentials make a task, and twice as many are worth a thread.
  constexpr double elements_per_task = 4096;
  const std::int64_t units = shape.outer * blocks;
  const double elements_per_unit =
      static_cast<double>(shape.classes) * static_cast<double>(std::min(shape.inner, class_block_size));
  const auto units_per_task = static_cast<std::int64_t>(
      std::clamp(elements_per_task / std::max(elements_per_unit, 1.0), 1.0, 4096.0));
  const int threads = threads_for(static_cast<double>(units) * elements_per_unit, 2 * elements_per_task);
  parallel_for(ceil_div(units, units_per_task), threads, [&](std::int64_t task, int) {
    const std::int64_t end = std::min(units, (task + 1) * units_per_task);
    for (std::int64_t unit = task * units_per_task; unit < end; ++unit) {
      const std::int64_t image = unit / blocks, begin = unit % blocks * class_block_size;
      body(ClassBlock{image * shape.classes * shape.inner + begin, image * shape.inner + begin,
                      std::min(class_block_size, shape.inner - begin)});
    }
  });
}

}  // namespace convnative
