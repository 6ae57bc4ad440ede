// What the Winograd drivers share: tiles, and when Winograd applies.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/checked.h"
#include "conv/algorithm.h"
#include "conv/winograd_kernels.h"

namespace convnative {

// A plane of each image cut into tiles of `size` x `size` outputs, numbered image by image, row by row.
struct WinogradTiles {
  int size;
  std::int64_t rows, columns, count;

  WinogradTiles(std::int64_t batch, std::int64_t height, std::int64_t width, int size_)
      : size(size_),
        rows(ceil_div(height, size)),
        columns(ceil_div(width, size)),
        count(batch * rows * columns) {}

  // Neighbouring tiles of one row of tiles.
  struct Run {
    std::int64_t image, row, column;  // of the first tile, in outputs
    std::int64_t index;               // of the first tile in [first, last)
    std::int64_t tiles;
  };

  // Calls body(Run) for runs of at most `most` that together are tiles [first, last).
  template <class Body>
  void for_each_run(std::int64_t first, std::int64_t last, std::int64_t most, Body body) const {
    for (std::int64_t tile = first; tile < last;) {
      const std::int64_t column = tile % columns, row = tile / columns;
      const std::int64_t tiles = std::min({columns - column, last - tile, most});
      body(Run{row / rows, row % rows * size, column * size, tile - first, tiles});
      tile += tiles;
    }
  }
};

// Distances that are no multiple of 4 KiB: else all frequencies compete for the same lines of L1.
inline std::int64_t winograd_padded(std::int64_t elements, int lanes) {
  return elements + lanes;
}

// Cycles of one core, roughly, as if one core did all: nothing in a choice between algorithms may depend on
// the number of threads, which must not change results.
double winograd_direct_cycles(const ConvProblem& problem);

}  // namespace convnative
