// Tile and block sizes of the matrix product, per instruction-set level and type.
//
// MR x NR is the micro-kernel's tile, held in registers: MR * NR / lanes accumulators, NR / lanes of B and
// one broadcast of A must fit the register file (32 of AVX-512, 16 of AVX2 and of the baseline). Per step of
// k a tile does MR * NR / lanes multiply-adds for MR + NR / lanes loads; with two ports for each, the tile
// must offer at least as many multiply-adds as loads, and enough chains to hide the latency (4 cycles x 2
// ports = 8).
//
// KC x NR is a packed panel of B. It is read once per MR rows, from L2: 12 cycles per 3 vectors at 8 x 48,
// below a quarter of what L2 delivers, so KC is chosen long, to load and store C seldom, and the panel still
// takes at most an eighth of a 1 MB L2. MC x KC of A is read once per panel and has to stay in L2 beside it.
// NC columns are worked on before the next KC, so that MC x KC stays where it is.
#pragma once

#include <cstdint>

#include "convnative/types.h"

namespace convnative {

struct GemmTileSize {
  int rows;     // MR
  int vectors;  // NR in vectors
};

constexpr GemmTileSize gemm_tile_size(Isa isa) {
  switch (isa) {
    case Isa::avx512:
      return {8, 3};
    case Isa::avx2:
      return {6, 2};
    case Isa::baseline:
      break;
  }
  return {6, 2};
}

// Multiply-adds that keep a core busy for about as long as it takes to wake another.
inline constexpr double macs_per_thread = 4e5;

// Multiply-adds per lane of a task at the most: a few milliseconds, so that an interrupt is served in time.
inline constexpr std::int64_t most_macs_per_lane = 28'000'000;

struct GemmBlocking {
  std::int64_t kc, mc, nc;
};

template <class T>
constexpr GemmBlocking gemm_blocking() {
  // 640 floats deep: the panel takes 120 KiB at NR = 48. 256 x 640 of A: 640 KiB.
  return {640 * 4 / static_cast<std::int64_t>(sizeof(T)), 256, 960};
}

// Cuts `total` into the fewest parts of at most `most`, as even as can be: part i is
// [i * total / parts, (i + 1) * total / parts). A remainder of one row or vector would leave the
// multiply-adds waiting for loads.
struct EvenSplit {
  std::int64_t total, parts;

  EvenSplit(std::int64_t total_, std::int64_t most) : total(total_), parts((total_ + most - 1) / most) {}
  std::int64_t begin(std::int64_t part) const { return part * total / parts; }
  std::int64_t end(std::int64_t part) const { return (part + 1) * total / parts; }
};

}  // namespace convnative
