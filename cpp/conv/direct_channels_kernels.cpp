// The kernels of the direct convolution with output channels in the lanes, of one instruction-set level; this
// source is compiled once per level. Contract: conv/direct_channels_kernels.h.
#include "conv/direct_channels_kernels.h"

#include <algorithm>
#include <utility>

#include "simd/strided.h"
#include "simd/strided_places.h"
#include "simd/transpose.h"
#include "simd/vec.h"

namespace convnative {
namespace CONVNATIVE_ISA {
namespace {

constexpr Isa level = Isa::CONVNATIVE_ISA;

// Accumulators, a step's weights and one element fill the register file: 32 of AVX-512, else 16. One vector
// alone waits for the broadcasts.
constexpr int max_vectors = level == Isa::avx512 ? 3 : 2;
constexpr int max_points(int vectors) {
  constexpr int of_32_registers[] = {14, 14, 9};
  constexpr int of_16_registers[] = {12, 6};
  return level == Isa::avx512 ? of_32_registers[vectors - 1] : of_16_registers[vectors - 1];
}

template <class T, int Points, int Vectors>
void channels_tile(const ChannelsTile<T>& tile) {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  constexpr int half = (Points + 1) / 2;
  Reg acc[Points][Vectors];
#pragma GCC unroll 16
  for (int i = 0; i < Points; ++i)
#pragma GCC unroll 3
    for (int v = 0; v < Vectors; ++v) acc[i][v] = V::load(tile.start + i * tile.start_step + v * V::lanes);
  const StridedPlaces<T, half> points(tile.point_stride);
  const std::ptrdiff_t second_half = tile.second_half;
  const T* weight = tile.weight;
  const T *next = tile.next, *next_run = tile.next;
  std::int64_t next_left = tile.next_run_lines;
  const std::int32_t* offset = tile.offsets;
#pragma GCC unroll 2
  for (std::int64_t p = tile.steps; p > 0; --p, ++offset, weight += Vectors * V::lanes) {
    const T* const first = tile.source + *offset;
    const T* const second = first + second_half;
    __builtin_prefetch(tile.source + offset[channels_ahead]);
    __builtin_prefetch(next, 0, 2);
    next += channels_line<T>;
    if (--next_left == 0) next_left = tile.next_run_lines, next = next_run += tile.next_run_stride;
    Reg factor[Vectors];
#pragma GCC unroll 3
    for (int v = 0; v < Vectors; ++v) {
      __builtin_prefetch(weight + (channels_ahead * Vectors + v) * V::lanes);
      factor[v] = V::load(weight + v * V::lanes);
    }
#pragma GCC unroll 16
    for (int i = 0; i < Points; ++i) {
      const Reg element = V::broadcast(i < half ? points.at(first, i) : points.at(second, i - half));
#pragma GCC unroll 3
      for (int v = 0; v < Vectors; ++v) acc[i][v] = V::fma(element, factor[v], acc[i][v]);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < Points; ++i)
#pragma GCC unroll 3
    for (int v = 0; v < Vectors; ++v) V::store(tile.sums + (i * Vectors + v) * V::lanes, acc[i][v]);
}

// Lanes 0, 2, 4 ... of two vectors that cover twice the elements of one.
template <class T>
CONVNATIVE_INLINE void store_every_other(T* target, typename Vec<T>::Reg r, std::int64_t count) {
  using V = Vec<T>;
  const auto even = [](std::int64_t lanes) {
    return V::mask(first_lanes(std::min<std::int64_t>(2 * lanes, V::lanes)) & 0x55555555u);
  };
  constexpr auto lanes = std::make_integer_sequence<int, V::lanes>{};
  V::store(even(count), target, interleave_low(r, r, lanes));
  if (count > V::lanes / 2)
    V::store(even(count - V::lanes / 2), target + V::lanes, interleave_high(r, r, lanes));
}

template <class T>
void store(const ChannelsStore<T>& s) {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  for (std::int64_t c = 0; c < s.channels; c += V::lanes) {
    const std::int64_t channels = std::min<std::int64_t>(s.channels - c, V::lanes);
    for (std::int64_t p = 0; p < s.points; p += V::lanes) {
      const std::int64_t points = std::min<std::int64_t>(s.points - p, V::lanes);
      Reg rows[V::lanes];
#pragma GCC unroll 16
      for (int i = 0; i < V::lanes; ++i)
        rows[i] = i < points ? V::load(s.sums + (p + i) * s.sum_stride + c) : V::zero();
      transpose(rows);
      alignas(64) T block[V::lanes][V::lanes];
#pragma GCC unroll 16
      for (int i = 0; i < V::lanes; ++i) V::store(block[i], rows[i]);
      T* target = s.result + c * s.plane + p * s.step;
      for (std::int64_t i = 0; i < channels; ++i, target += s.plane) {
        const Reg r = V::load(block[i]);
        if (s.step == 1 && points == V::lanes)
          V::store(target, r);
        else if (s.step == 1)
          V::store(V::mask(first_lanes(points)), target, r);
        else if (s.step == 2)
          store_every_other<T>(target, r, points);
        else
          for (std::int64_t l = 0; l < points; ++l) target[l * s.step] = block[i][l];
      }
    }
  }
}

template <class T, int Vectors, class Indices>
struct TileRow;

template <class T, int Vectors, int... Index>
struct TileRow<T, Vectors, std::integer_sequence<int, Index...>> {
  static constexpr void (*run[])(const ChannelsTile<T>&) = {channels_tile<T, Index + 1, Vectors>...};
};

template <class T, class Indices>
struct TileTable;

template <class T, int... Index>
struct TileTable<T, std::integer_sequence<int, Index...>> {
  static constexpr ChannelsTileRow<T> rows[] = {
      {max_points(Index + 1),
       TileRow<T, Index + 1, std::make_integer_sequence<int, max_points(Index + 1)>>::run}...};
};

template <class T>
constexpr ChannelsKernels<T> kernels{level, Vec<T>::lanes, max_vectors,
                                     TileTable<T, std::make_integer_sequence<int, max_vectors>>::rows,
                                     store<T>};

}  // namespace

extern const ChannelsKernels<float> channels_kernels_f32;
extern const ChannelsKernels<double> channels_kernels_f64;
const ChannelsKernels<float> channels_kernels_f32 = kernels<float>;
const ChannelsKernels<double> channels_kernels_f64 = kernels<double>;

}  // namespace CONVNATIVE_ISA
}  // namespace convnative
