// The kernel table of Winograd convolution: what the drivers call and the ISA sources provide.
//
// F(m x m, r x r) computes m x m outputs of an r x r convolution of stride 1 from a = m + r - 1 rows and columns
// of the input with a x a products instead of r r m m (Lavin and Gray, "Fast Algorithms for Convolutional Neural
// Networks", 2015):
//
//   Y = A^T [ (G g G^T) . (B^T d B) ] A        . elementwise, summed over the input channels
//
// On one axis alone, the other having one tap, these are m outputs from a products in place of r m.
//
// Each of the a x a products, a "frequency", is a matrix product over channels on the kernels of gemm/. The
// kernels here are the transforms; a vector holds `lanes` channels:
//
//   input   V[frequency][tile][channel]           = B^T d B    the left-hand matrices, read in place
//   weight  U[frequency][channel][out channel]    = G g G^T    panels as gemm/kernels.h packs them
//   output  Y = A^T M A,  M[frequency][tile][out channel]
//
// The gradient in the weights is a convolution as well, of the input with grad_output, which has r x r results:
// F(r x r, m x m) with the same a points, where tiles of grad_output play the filter and sums run over the tiles:
//
//   input        V[frequency][tile][channel]       = B^T d B         the left-hand matrices, transposed
//   grad_output  W[frequency][tile][out channel]   = G' e G'^T       panels
//   grad_weight  A'^T S A',  S[frequency][channel][out channel]
//
// Tiles come in runs: neighbours in one row of tiles, whose elements may lie a step apart (conv/winograd_geometry.h);
// tiles of other elements then lie in between. Whatever lies outside of a plane counts as zero and is never read.
// Transforms of weights and of grad_output store whole vectors, also where fewer channels exist. No alignment is
// required.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "convnative/types.h"

namespace convnative {

// A plane of each of some channels, and the place of a patch in it.
template <class T>
struct WinogradPatch {
  const T* channel;      // first channel's plane
  std::ptrdiff_t plane;  // elements from channel to channel
  std::int64_t channels;
  std::int64_t height, width;
  std::int64_t row, column;  // of the patch's first element; may lie outside
  std::int64_t step;         // from element to element of the patch, in rows and columns
};

// Of the input, a x a of it for each tile, or of grad_output, m x m.
template <class T>
struct WinogradInputRun {
  WinogradPatch<T> patch;    // of the first tile; at most `lanes` channels
  std::int64_t units;        // at most run_units()
  std::int64_t unit_phases;  // interleaved tiles or phases of a tile: patch.step of them, or fewer
  std::int64_t phases;       // those that exist; the others become zeros
  T* v;                      // first unit of the run, first channel of the vector
  std::ptrdiff_t unit_stride, phase_stride, frequency_stride;
  T* scratch;  // scratch_size elements
};

template <class T>
struct WinogradWeights {
  const T* taps;             // [channel][tap of the kernel][lanes], lanes over output channels
  std::int64_t taps_stride;  // from channel to channel
  const std::int64_t* tap;   // the tap of the kernel at each of r x r places; -1: zero
  std::int64_t channels;
  T* u;  // first channel, first output channel of the vector
  std::ptrdiff_t channel_stride, frequency_stride;
};

template <class T>
struct WinogradOutputRun {
  const T* m;  // first tile of the run, first output channel of the vector
  std::ptrdiff_t tile_stride, frequency_stride;
  std::int64_t units, unit_phases;  // `unit_phases` interleaved tiles are a unit
  std::int64_t phases;              // those that exist
  std::int64_t step;      // from output to output of a tile: at least `unit_phases`; 2 where there is one
  std::int64_t channels;  // at most `lanes`
  const T* start;         // of each output channel, or null for 0
  T* output;              // first output of the run in the first channel's plane
  std::ptrdiff_t plane, pitch;       // elements from channel to channel and from a tile's row to its next
  std::int64_t first_row, last_row;  // rows of the tiles that exist, of m
  std::int64_t first_column, last_column;  // columns behind `output` that exist, of units * m * step
  T* scratch;
};

template <class T>
struct WinogradSums {
  const T* s;  // first channel, first output channel of the vector
  std::ptrdiff_t channel_stride, frequency_stride;
  std::int64_t channels;      // of the input, at most `lanes`
  std::int64_t out_channels;  // at most `lanes`
  T* grad_weight;             // tap 0 of the first channels; [out channel][channel][r r]
  std::ptrdiff_t out_channel_stride;
  std::ptrdiff_t grad_channel_stride;  // r r, or more in volumes
  T* scratch;
};

// Adds a term to one tile of one output channel by the definition: a chain of fused multiply-adds in the order of
// (channel, place) on each of the m x m `sums`.
template <class T>
struct WinogradDirectTile {
  WinogradPatch<T> patch;  // every input channel
  const T* weight;         // of the first channel
  std::ptrdiff_t weight_channel;
  const std::int64_t* tap;  // as WinogradWeights has them
  T* sums;
};

template <class T>
struct WinogradKernels {
  const char* name;  // f32_winograd_4x4_3x3_avx512: type, family, outputs, taps, ISA
  Isa isa;
  int lanes;
  // m, r and a = m + r - 1 of rows, 1 where the kernel has one row, and of columns.
  int row_outputs, row_taps, row_inputs;
  int outputs, taps, inputs;
  int run_pixels;  // of a plane's row that a run takes or gives at the most
  std::size_t scratch_size;
  void (*transform_input)(const WinogradInputRun<T>&);
  void (*transform_weights)(const WinogradWeights<T>&);
  // The transforms of outputs and sums answer whether every result is finite. Padding lanes count, so that a `false`
  // may be a false alarm.
  bool (*transform_output)(const WinogradOutputRun<T>&);
  // Null where F is not used for the gradient in the weights.
  void (*transform_grad_output)(const WinogradInputRun<T>&);
  bool (*transform_sums)(const WinogradSums<T>&);
  void (*direct_tile)(const WinogradDirectTile<T>&);

  int frequencies() const { return row_inputs * inputs; }

  // Interleaved tiles of a unit at the most: as many as a run holds, and no more than fill the widest vectors of pixels.
  std::int64_t most_phases() const { return std::min<std::int64_t>(run_pixels / inputs, 16); }
  // Units of the longest run, of so many phases in the source and in the result.
  std::int64_t run_units(std::int64_t in_phases, std::int64_t out_phases) const {
    return std::min((run_pixels - (taps - 1) * in_phases) / (outputs * in_phases),
                    run_pixels / (outputs * out_phases));
  }
};

template <class T>
struct WinogradTable {
  static constexpr int size = 12;
  WinogradKernels<T> rows[size];
};

// Of float alone: who asks for float64 wants its accuracy.
template <class T>
const WinogradTable<T>& winograd_table(Isa isa);

// The row of F(outputs x outputs, taps x taps) or, for a kernel of one row, F(1 x outputs, 1 x taps), or null.
template <class T>
const WinogradKernels<T>* winograd_kernels(Isa isa, int outputs, std::int64_t row_taps, std::int64_t taps) {
  for (const WinogradKernels<T>& row : winograd_table<T>(isa).rows)
    if (row.outputs == outputs && row.row_taps == row_taps && row.taps == taps) return &row;
  return nullptr;
}

}  // namespace convnative
