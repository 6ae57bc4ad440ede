// The loop over the elements of a parameter. What bounds it is memory: a block of gradients stays in L1 from one
// operation to the next, each of which is a loop that the compiler turns into vectors.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/checked.h"
#include "base/parallel.h"

namespace convnative {

inline constexpr std::int64_t optimizer_block = 1024;

// Calls `body(begin, count)` for blocks of at most optimizer_block elements.
template <class Body>
void for_each_block(std::int64_t count, const Body& body) {
  constexpr std::int64_t blocks_per_task = 32;
  constexpr double elements_per_thread = 32 * 1024;
  constexpr std::int64_t task_size = blocks_per_task * optimizer_block;
  parallel_for(ceil_div(count, task_size), threads_for(static_cast<double>(count), elements_per_thread),
               [&](std::int64_t task, int) {
                 const std::int64_t end = std::min((task + 1) * task_size, count);
                 for (std::int64_t begin = task * task_size; begin < end; begin += optimizer_block)
                   body(begin, std::min(optimizer_block, end - begin));
               });
}

}  // namespace convnative
