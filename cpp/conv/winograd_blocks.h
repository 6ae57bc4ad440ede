// How tiles fall into blocks, and about how long those take: for the driver, which shares them out among threads, and
// for the choice of the algorithm. V, U and M: conv/winograd.cpp.
//
// A thread's own block stays in its L2, and all of U passes it. Where V of a tile is large, so that few tiles fit, and U
// lies in L3 or memory, that is the bound: with 512 channels F(4x4, 3x3) has 9 tiles in 1 MiB, for which 38 MB of U pass.
// Threads then share larger blocks, a stage after the other, with V and M in L3: 40 tiles of two threads, 1.6 times as
// fast.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "base/checked.h"
#include "conv/winograd.h"
#include "conv/winograd_geometry.h"
#include "conv/winograd_kernels.h"
#include "gemm/blocking.h"
#include "gemm/kernels.h"

namespace convnative {

// V and M of a block take this share of L2, U passes through the rest.
inline constexpr std::int64_t most_block_bytes = 1600 << 10;
inline constexpr std::int64_t most_block_share = 70;  // per cent
// More tiles gain nothing: each row of a panel is used often enough.
inline constexpr std::int64_t most_block_tiles = 80;
// The L2 that the choice of the algorithm reckons with: results must not depend on the CPU's.
inline constexpr std::int64_t nominal_l2_bytes = 1 << 20;

// U that stays in most L3 caches; more may come from memory.
inline constexpr double most_cached_bytes = 32 << 20;
// Bytes of U or V that arrive from L3 and from memory in a cycle; of U in shared blocks half arrives under the products.
inline constexpr double cached_bytes_per_cycle = 23, memory_bytes_per_cycle = 14, shared_share = 0.5;

// Of memory for a block that threads share: V and M are to stay in L3, and a task's thread still has 2 MiB.
inline constexpr std::int64_t most_thread_bytes = std::int64_t{2} << 20,
                              most_shared_bytes = std::int64_t{16} << 20;
inline constexpr std::int64_t fewest_shared_panels = 4;
// All threads wait for the last at the end of a stage, and each reads what the others wrote: between cores of different L3
// caches, 280 ns apart and not 30, that takes 1.1 to 1.5 times as long. Blocks are shared where it saves a quarter at the
// least, which pays there too.
inline constexpr double stage_cycles = 6000, most_shared_cost = 0.75;
// The threads that the choice of the algorithm reckons with: results must not depend on their number.
inline constexpr int nominal_threads = 2;

inline std::int64_t round_up(std::int64_t value, std::int64_t multiple) {
  return ceil_div(value, multiple) * multiple;
}

// Units of so many tiles that a block holds at the most.
template <class T>
std::int64_t fitting_units(const WinogradGeometry& g, const WinogradKernels<T>& kernels,
                           const GemmKernels<T>& gemm, std::int64_t phases, std::int64_t l2_bytes) {
  const std::int64_t panel = gemm.max_vectors * gemm.lanes;
  const std::int64_t tile_bytes =
      kernels.frequencies() * (round_up(g.sum_channels(), gemm.lanes) + panel) * std::int64_t{sizeof(T)};
  const std::int64_t tile_macs =
      g.products(kernels.row_inputs, kernels.inputs) * g.in_channels * g.out_channels;
  const std::int64_t bytes = std::min(l2_bytes / 100 * most_block_share, most_block_bytes);
  const std::int64_t tiles = std::min(bytes / tile_bytes, most_macs_per_lane * gemm.lanes / tile_macs);
  return std::clamp<std::int64_t>(tiles / phases, 1, std::max<std::int64_t>(most_block_tiles / phases, 1));
}

// A thread's workspace where one block holds all tiles and U is made where it is used, `vectors` of it at a time.
template <class T>
std::int64_t passing_bytes(const WinogradGeometry& g, const WinogradKernels<T>& kernels,
                           const GemmKernels<T>& gemm, std::int64_t tiles, std::int64_t vectors) {
  const auto padded = [&](std::int64_t elements) { return winograd_padded(elements, gemm.lanes); };
  const std::int64_t elements =
      kernels.frequencies() *
          (padded(tiles * round_up(g.sum_channels(), gemm.lanes)) +
           padded(tiles * gemm.max_vectors * gemm.lanes) + padded(g.sum_channels() * vectors * gemm.lanes)) +
      static_cast<std::int64_t>(kernels.scratch_size) + gemm.lanes;
  return elements * std::int64_t{sizeof(T)};
}

// Vectors of U for so many vectors of output channels of a group.
template <class T>
double weight_vectors(const WinogradGeometry& g, const WinogradKernels<T>& kernels, double out_vectors) {
  return static_cast<double>(g.products(kernels.row_inputs, kernels.inputs) * g.in_channels) * out_vectors;
}

// Cycles of transforming and multiplying `tiles` tiles for so many vectors of output channels, roughly. The factors
// were fitted to measurements with AVX-512; they hold within a quarter from 16 to 512 channels.
template <class T>
double tile_cycles(const WinogradGeometry& g, const WinogradKernels<T>& kernels, const GemmKernels<T>& gemm,
                   const WinogradTiles& units, double tiles, double out_vectors) {
  const auto in_vectors = static_cast<double>(g.terms() * ceil_div(g.in_channels, gemm.lanes));
  const auto results = static_cast<double>(g.result_phases());
  // U passes from L2 to L1 at so many bytes a cycle, however few tiles it meets; what lies further counts as fetched.
  constexpr double near_bytes_per_cycle = 26;
  const double weights = weight_vectors(g, kernels, out_vectors);
  const double bytes = weights * gemm.lanes * sizeof(T);
  const double arriving = bytes <= static_cast<double>(nominal_l2_bytes) ? bytes / near_bytes_per_cycle : 0;
  const double products = std::max(tiles * weights / 2, arriving);
  // Phases are gathered and scattered.
  const double per_vector = g.column.source_phases > 1 || g.column.result_phases > 1 ? 14 : 8.6;
  // Of kernels of one row each row of tiles is a run: a call, and a vector of pixels that it does not fill.
  const auto row_tiles = static_cast<double>(units.columns * units.phases);
  const double per_row = kernels.row_inputs == 1 ? 120 / std::max(row_tiles, 1.0) : 0;
  // Of some of a dilation's phases pixels that are neighbours do not fill vectors; half of a transform works on them.
  const auto filled =
      static_cast<double>(units.phases) / static_cast<double>(round_up(units.phases, gemm.lanes));
  const double stretches = units.groups > 1 ? 0.4 + 0.6 / filled : 1;
  const double transforms = tiles * (in_vectors + results * out_vectors) *
                            (kernels.frequencies() * per_vector * stretches + per_row);
  return products + transforms;
}

// Cycles in which U of so many vectors of output channels passes from where it lies to L2.
template <class T>
double fetch_cycles(const WinogradGeometry& g, const WinogradKernels<T>& kernels, const GemmKernels<T>& gemm,
                    double out_vectors) {
  const double bytes = weight_vectors(g, kernels, out_vectors) * gemm.lanes * static_cast<double>(sizeof(T));
  if (bytes <= static_cast<double>(nominal_l2_bytes)) return 0;  // it stays in L2
  const bool cached = static_cast<double>(g.groups) * bytes <= most_cached_bytes;
  return bytes / (cached ? cached_bytes_per_cycle : memory_bytes_per_cycle);
}

// Blocks of tiles that all threads work on, a stage after the other, with V and M of some panels in L3.
struct SharedBlocks {
  std::int64_t units = 0;                                   // of a block; 0: not even one fits
  std::int64_t panels = 0;                                  // whose M there is room for
  double cycles = std::numeric_limits<double>::infinity();  // of a group, on each thread
};

// The largest that `threads` threads have the workspace for.
template <class T>
SharedBlocks shared_blocks(const WinogradGeometry& g, const WinogradKernels<T>& kernels,
                           const GemmKernels<T>& gemm, const WinogradTiles& units, int threads) {
  const std::int64_t out_vectors = ceil_div(g.out_channels, gemm.lanes);
  const std::int64_t all_panels = g.result_phases() * ceil_div(out_vectors, gemm.max_vectors);
  // Stages end together where each thread has several tasks: a panel's frequencies.
  const std::int64_t panels = std::min(
      all_panels, std::max(fewest_shared_panels, ceil_div(std::int64_t{4} * threads, kernels.frequencies())));
  const std::int64_t tile_elements = kernels.frequencies() * (round_up(g.sum_channels(), gemm.lanes) +
                                                              panels * gemm.max_vectors * gemm.lanes);
  const std::int64_t padding = kernels.frequencies() * (1 + panels) * gemm.lanes;
  const std::int64_t elements = std::min(threads * (most_thread_bytes / std::int64_t{sizeof(T)} -
                                                    static_cast<std::int64_t>(kernels.scratch_size)),
                                         most_shared_bytes / std::int64_t{sizeof(T)}) -
                                padding;
  const std::int64_t fitting = elements / (tile_elements * units.phases);
  if (fitting < 1 || units.count == 0) return {};
  const std::int64_t blocks = ceil_div(units.count, fitting), size = ceil_div(units.count, blocks);
  const auto tiles = static_cast<double>(size * units.phases);
  const double v_bytes = static_cast<double>(kernels.frequencies() * g.sum_channels()) * tiles * sizeof(T);
  const auto passes = static_cast<double>(ceil_div(all_panels, panels)), stages = 1 + 2 * passes;
  const auto vectors = static_cast<double>(out_vectors);
  const double work = tile_cycles(g, kernels, gemm, units, tiles, vectors) +
                      shared_share * fetch_cycles(g, kernels, gemm, vectors) +
                      passes * v_bytes / cached_bytes_per_cycle;
  return {size, panels,
          static_cast<double>(blocks) * (work / threads + (threads > 1 ? stages * stage_cycles : 0))};
}

}  // namespace convnative
