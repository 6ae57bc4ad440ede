// The kernel table of Winograd convolution: what the driver calls and the ISA sources provide.
//
// F(m x m, 3 x 3) computes m x m outputs of a 3 x 3 convolution of stride 1 from a = m + 2 rows and columns of
// the input with a x a products instead of 9 m x m (Lavin and Gray, "Fast Algorithms for Convolutional Neural
// Networks", 2015):
//
//   Y = A^T [ (G g G^T) . (B^T d B) ] A        . elementwise, summed over the input channels
//
// Each of the a x a products, a "frequency", is a matrix product over channels on the kernels of gemm/. The
// kernels here are the transforms; a vector holds `lanes` channels:
//
//   input   V[frequency][tile][channel]           = B^T d B    the left-hand matrices, read in place
//   weight  U[frequency][channel][out channel]    = G g G^T    panels as gemm/kernels.h packs them
//   output  Y = A^T M A,  M[frequency][tile][out channel]
//
// Tiles come in runs: neighbours in one row of tiles. Whatever lies outside of a plane counts as zero and is
// never read. Vectors are stored whole, also where fewer channels exist. No alignment is required.
#pragma once

#include <cstddef>
#include <cstdint>

#include "convnative/types.h"

namespace convnative {

inline constexpr int winograd_taps = 3;  // on each axis

// A plane of each of some channels, and the place of a patch in it.
template <class T>
struct WinogradPatch {
  const T* channel;      // first channel's plane
  std::ptrdiff_t plane;  // elements from channel to channel
  std::int64_t channels;
  std::int64_t height, width;
  std::int64_t row, column;  // of the patch's first element; may lie outside
};

template <class T>
struct WinogradInputRun {
  WinogradPatch<T> patch;  // of the first tile; at most `lanes` channels
  std::int64_t tiles;      // at most run_tiles
  T* v;                    // first tile of the run, first channel of the vector
  std::ptrdiff_t tile_stride, frequency_stride;
  T* scratch;  // scratch_size elements
};

template <class T>
struct WinogradWeights {
  const T* taps;  // [channel][9][lanes], lanes over output channels
  std::int64_t channels;
  bool flip;  // the taps in reverse order
  T* u;       // first channel, first output channel of the vector
  std::ptrdiff_t channel_stride, frequency_stride;
};

template <class T>
struct WinogradOutputRun {
  const T* m;  // first tile of the run, first output channel of the vector
  std::ptrdiff_t tile_stride, frequency_stride;
  std::int64_t tiles;
  std::int64_t channels;        // at most `lanes`
  const T* start;               // of each output channel, or null for 0
  T* output;                    // first output of the run in the first channel's plane
  std::ptrdiff_t plane, pitch;  // elements from channel to channel and from row to row
  std::int64_t rows, columns;   // of the run that exist: at most m and tiles * m
  T* scratch;
};

// One tile of one output channel by the definition: a chain of fused multiply-adds in the order of
// (channel, tap), starting from `start`.
template <class T>
struct WinogradDirectTile {
  WinogradPatch<T> patch;  // every input channel
  const T* weight;         // of tap 0 of the first channel
  std::ptrdiff_t weight_channel, weight_tap;
  T start;
  T* output;
  std::ptrdiff_t pitch;
  std::int64_t rows, columns;
};

template <class T>
struct WinogradKernels {
  const char* name;  // f32_winograd_4x4_3x3_avx512: type, family, outputs, taps, ISA
  Isa isa;
  int lanes;
  int outputs;    // m
  int inputs;     // a = m + 2
  int run_tiles;  // longest run
  std::size_t scratch_size;
  void (*transform_input)(const WinogradInputRun<T>&);
  void (*transform_weights)(const WinogradWeights<T>&);
  // Answers whether every output is finite. Padding lanes count, so that a `false` may be a false alarm.
  bool (*transform_output)(const WinogradOutputRun<T>&);
  void (*direct_tile)(const WinogradDirectTile<T>&);

  int frequencies() const { return inputs * inputs; }
};

template <class T>
struct WinogradTable {
  WinogradKernels<T> f4x4, f2x2;
};

// Of float alone: who asks for float64 wants its accuracy.
template <class T>
const WinogradTable<T>& winograd_table(Isa isa);

}  // namespace convnative
