// The kernel table of the direct convolution with output channels in the lanes: what the driver calls and the
// ISA sources provide.
//
// A tile is some neighbouring points of one row of outputs, or of two rows, times one or two vectors of output
// channels. For each (channel, tap) the vectors of weights are loaded once and the elements of the input that the
// points read are broadcast from where they lie:
//
//   sums[point][out channel] = start[out channel] + sum over (channel, tap) of
//       weight[(channel, tap)][out channel] * source[channel * channel_stride + taps[tap] + place of the point]
//
// The points of the first half, of (points + 1) / 2, lie point_stride apart from 0 on, the others from
// second_half on.
//
// Broadcasts need neither alignment nor neighbours, so that every stride and dilation is read without packing,
// and tiles end where rows do. 14 x 2 vectors leave 4 of the 32 registers of AVX-512 for weights and elements;
// a step's 28 multiply-adds take 14 cycles, its 16 loads 8.
//
// * Each sum is one chain of fused multiply-adds in the order of (channel, tap), starting from `start`.
// * No alignment is required; weights on cache lines are fastest.
#pragma once

#include <cstddef>
#include <cstdint>

#include "convnative/types.h"

namespace convnative {

template <class T>
struct ChannelsTile {
  const T* source;
  std::ptrdiff_t channel_stride, point_stride, second_half;
  std::int64_t channels;
  const std::ptrdiff_t* taps;
  std::int64_t tap_count;
  const T* weight;  // [(channel, tap)][vectors * lanes]
  const T* start;   // vectors * lanes
  T* sums;          // [point][vectors * lanes]
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

template <class T>
struct ChannelsKernels {
  Isa isa;
  int lanes;
  int max_points, max_vectors;
  void (*const* table)(const ChannelsTile<T>&);  // [(points - 1) * max_vectors + vectors - 1]
  void (*store)(const ChannelsStore<T>&);

  void run(std::int64_t points, std::int64_t vectors, const ChannelsTile<T>& tile) const {
    table[(points - 1) * max_vectors + vectors - 1](tile);
  }
};

template <class T>
const ChannelsKernels<T>& channels_kernels(Isa isa);

}  // namespace convnative
