// Rows of an array cut into pieces and shared out among threads.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/checked.h"
#include "base/parallel.h"

namespace convnative {

// Calls body(row, begin, end, thread) for pieces that together are columns [0, columns) of every row. A piece
// takes about `operations_per_column` for each of its columns; pieces depend on the arguments alone.
template <class Body>
void for_each_piece(std::int64_t rows, std::int64_t columns, double operations_per_column, int threads,
                    const Body& body) {
  constexpr double operations_per_task = 1e5;
  const double most =
      std::clamp(operations_per_task / std::max(operations_per_column, 1e-3), 1.0, operations_per_task);
  const std::int64_t columns_per_piece = std::min(static_cast<std::int64_t>(most), columns);
  if (rows == 0 || columns_per_piece == 0) return;
  const std::int64_t pieces_per_row = ceil_div(columns, columns_per_piece);
  const std::int64_t rows_per_task = pieces_per_row > 1 ? 1 : static_cast<std::int64_t>(most) / columns;
  const std::int64_t tasks = ceil_div(rows, rows_per_task) * pieces_per_row;
  parallel_for(tasks, threads, [&](std::int64_t task, int thread) {
    const std::int64_t first = task / pieces_per_row * rows_per_task;
    const std::int64_t begin = task % pieces_per_row * columns_per_piece;
    for (std::int64_t row = first; row < std::min(first + rows_per_task, rows); ++row)
      body(row, begin, std::min(begin + columns_per_piece, columns), thread);
  });
}

// How many threads that work can feed.
inline int threads_for_pieces(std::int64_t rows, std::int64_t columns, double operations_per_column) {
  constexpr double operations_per_thread = 64 * 1024;
  return threads_for(static_cast<double>(rows) * static_cast<double>(columns) * operations_per_column,
                     operations_per_thread);
}

}  // namespace convnative
