// Loops over planes: no two of them share an element of a result.
#pragma once

#include <cstdint>

#include "base/parallel.h"
#include "pool/strips.h"

namespace convnative {

// An element moved by index costs about as much as four elements under a window.
inline constexpr double indexed_elements_per_thread = 2.5e4;

// Calls `body(plane)` for every plane; waking a thread costs as much as `operations_per_thread`.
template <class Body>
void for_each_plane(std::int64_t planes, double operations_per_plane, double operations_per_thread,
                    const Body& body) {
  const TaskSplit split(planes, operations_per_plane);
  const int threads = threads_for(operations_per_plane * static_cast<double>(planes), operations_per_thread);
  parallel_for(split.tasks(), threads, [&](std::int64_t task, int) {
    for (std::int64_t plane = split.begin(task); plane < split.end(task); ++plane) body(plane);
  });
}

}  // namespace convnative
