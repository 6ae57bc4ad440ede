// How the drivers of normalisation walk an array. All splits depend on the shape alone.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/checked.h"
#include "base/parallel.h"
#include "convnative/normalization.h"

namespace convnative {

// A piece stays in the first-level cache between the two passes over it.
inline constexpr std::int64_t piece_size = 4096;
inline constexpr std::int64_t elements_per_task = 16 * 1024;
inline constexpr double elements_per_thread = 32 * 1024;
// Planes shorter than this are not worth a call each: rows of the array are walked instead, with parameters
// written out for every element of a row.
inline constexpr std::int64_t shortest_plane = 32;
inline constexpr std::int64_t rows_per_part = 128;
inline constexpr std::int64_t columns_per_block = 128;

inline bool by_planes(const NormShape& shape) {
  return shape.inner >= shortest_plane;
}

inline std::size_t index(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

inline std::int64_t pieces_of(std::int64_t length) {
  return ceil_div(length, piece_size);
}

// Which group the elements of a plane belong to.
inline std::int64_t group_of_plane(const NormShape& shape, std::int64_t plane) {
  return shape.across_batch ? plane % shape.channels : plane / (shape.channels / shape.groups);
}

// Calls `body(unit)` for all units of about `size` elements, in parallel.
template <class Body>
void for_each_unit(std::int64_t units, std::int64_t size, const Body& body) {
  const std::int64_t per_task =
      std::max<std::int64_t>(elements_per_task / std::max<std::int64_t>(size, 1), 1);
  const int threads =
      threads_for(static_cast<double>(units) * static_cast<double>(size), elements_per_thread);
  parallel_for(ceil_div(units, per_task), threads, [&](std::int64_t task, int) {
    const std::int64_t end = std::min(units, (task + 1) * per_task);
    for (std::int64_t unit = task * per_task; unit < end; ++unit) body(unit);
  });
}

// Calls `body(span, begin, size, unit)` for the pieces of `spans` spans of `length` elements that lie one after
// the other; `begin` counts from the start of the span, `unit` numbers the pieces.
template <class Body>
void for_each_piece(std::int64_t spans, std::int64_t length, const Body& body) {
  const std::int64_t pieces = pieces_of(length);
  for_each_unit(spans * pieces, std::min(length, piece_size), [&](std::int64_t unit) {
    const std::int64_t begin = unit % pieces * piece_size;
    body(unit / pieces, begin, std::min(piece_size, length - begin), unit);
  });
}

// Calls `body(first_row, last_row, begin, size, part)` for blocks of columns of a matrix (rows, columns): each
// block within one of `sections` equal sections of neighbouring columns, its rows in parts.
template <class Body>
void for_each_column_block(std::int64_t rows, std::int64_t columns, std::int64_t sections, const Body& body) {
  const std::int64_t width = columns / sections;
  const std::int64_t blocks = ceil_div(width, columns_per_block);
  const std::int64_t parts = ceil_div(rows, rows_per_part);
  const std::int64_t size = std::min(rows, rows_per_part) * std::min(width, columns_per_block);
  for_each_unit(parts * sections * blocks, size, [&](std::int64_t unit) {
    const std::int64_t part = unit / (sections * blocks), block = unit % blocks;
    const std::int64_t section = unit / blocks % sections;
    body(part * rows_per_part, std::min(rows, (part + 1) * rows_per_part),
         section * width + block * columns_per_block,
         std::min(columns_per_block, width - block * columns_per_block), part);
  });
}

}  // namespace convnative
