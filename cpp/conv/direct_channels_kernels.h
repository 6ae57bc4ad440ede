// The kernel table of the direct convolution with output channels in the lanes: what the driver calls and the
// ISA sources provide.
//
// A tile is some neighbouring points of one row of outputs, or of two rows, times a few vectors of output channels.
// For each (channel, tap) the vectors of weights are loaded once and the elements of the input that the points
// read are broadcast from where they lie:
//
//   sums[point][out channel] = start[point][out channel] + sum over steps, that is pairs (channel, tap), of
//                              weight[step][out channel] * source[offsets[step] + place of the point]
//
// The points of the first half, of (points + 1) / 2, lie point_stride apart from 0 on, the others from
// second_half on.
//
// Broadcasts need neither alignment nor neighbours, so that every stride and dilation is read without packing,
// and tiles end where rows do. 9 points x 3 vectors leave 5 of the 32 registers of AVX-512 for weights and
// elements; a step's 27 multiply-adds take 13.5 cycles, its 12 loads 6. Weights come from L2 and elements from
// places that no hardware foresees: both are fetched some steps ahead.
//
// * Each sum is one chain of fused multiply-adds in the order of (channel, tap), starting from `start`.
// * No alignment is required; weights on cache lines are fastest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include "convnative/types.h"

namespace convnative {

// So many steps ahead a tile's kernel fetches what it reads.
inline constexpr int channels_ahead = 8;
// Elements of a cache line.
template <class T>
inline constexpr std::ptrdiff_t channels_line = 64 / sizeof(T);

template <class T>
struct ChannelsTile {
  const T* source;
  const std::int32_t* offsets;  // of each step, and channels_ahead more
  std::int64_t steps;
  std::ptrdiff_t point_stride, second_half;
  const T* weight;            // [step][vectors * lanes]
  const T* next;              // a cache line of it is brought to L2 in every step, see next_run_lines
  const T* start;             // [point][vectors * lanes]; may be `sums`
  std::ptrdiff_t start_step;  // elements from point to point, 0: all points start alike
  T* sums;                    // [point][vectors * lanes]
  // Of `next`: lines that follow one another, and elements from one such run to the next.
  std::int64_t next_run_lines = std::numeric_limits<std::int64_t>::max();
  std::ptrdiff_t next_run_stride = 0;
};

// Brings sums into the output: result[channel * plane + point * step] for point < points, channel < channels.
// Nothing else of the result is touched.
template <class T>
struct ChannelsStore {
  const T* sums;  // [point][sum_stride], readable in whole vectors
  std::ptrdiff_t sum_stride;
  std::int64_t points, channels;
  T* result;
  std::ptrdiff_t plane, step;
};

// The tiles of a number of vectors: of any number of points up to max_points.
template <class T>
struct ChannelsTileRow {
  int max_points;
  void (*const* run)(const ChannelsTile<T>&);  // [points - 1]
};

template <class T>
struct ChannelsKernels {
  Isa isa;
  int lanes;
  int max_vectors;
  const ChannelsTileRow<T>* table;  // [vectors - 1]
  void (*store)(const ChannelsStore<T>&);

  const ChannelsTileRow<T>& tiles(std::int64_t vectors) const { return table[vectors - 1]; }
};

template <class T>
const ChannelsKernels<T>& channels_kernels(Isa isa);

}  // namespace convnative
