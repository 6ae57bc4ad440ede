// The kernel table of the direct convolution on strips: what the driver calls and the ISA sources provide.
//
// A strip holds what a block of neighbouring output rows needs of the input, padding included, with the
// columns and rows of each phase of the stride in planes of their own. All planes have one pitch, that of a
// row of outputs with the columns that the taps look ahead, so that output point f = row * pitch + column
// reads, for every tap of every channel,
//
//   strip[f + offset of (channel, tap)]
//
// Points are in the lanes. Those of the columns between one row's end and the next one's begin are computed
// in vain and never stored.
//
// * Each output is one chain of fused multiply-adds in the order of (channel, tap), starting from `start`.
// * A tile's kernel handles exactly `rows` output channels and `vectors` vectors of neighbouring points. It
//   reads whole vectors of the strip: `lanes - 1` elements behind the last point must be readable and hold
//   ordinary numbers; nothing comes of them.
// * Outputs are touched where a run says so and nowhere else; they are never read.
// * No alignment is required.
#pragma once

#include <cstddef>
#include <cstdint>

#include "convnative/types.h"

namespace convnative {

// Lanes of a vector of points that are neighbours in the output: lane l belongs to output[place + l] where
// bit l of `lanes` is set. `place` may be negative.
struct StripRun {
  std::int64_t place;
  std::uint32_t lanes;
};

template <class T>
struct StripTile {
  const T* source;                // the strip at the first point
  const std::int32_t* offsets;    // of each (channel, tap)
  std::int64_t depth;             // channels * taps
  const T* weight;                // of the first output channel, (channel, tap) contiguous
  std::ptrdiff_t weight_row;      // elements from output channel to output channel
  const T* start;                 // of each output channel, or null for 0
  T* output;                      // of the first output channel: what the runs' places count from
  std::ptrdiff_t output_row;      // elements from output channel to output channel
  const StripRun* runs;           // of all vectors of the strip
  const std::int32_t* first_run;  // the tile's vector v has runs [first_run[v], first_run[v + 1])
  bool far;                       // the outputs' lines are asked for while the sums are made
};

// A tile of one output channel: `rows` rows of `columns` outputs below one another, for kernels whose rows are
// neighbours in the strip. The strip is read for tall_rows whole rows of whole vectors, whatever `rows` and `columns`;
// what lies there must be ordinary numbers.
template <class T>
struct StripTallTile {
  const T* source;              // the strip at the first point
  std::ptrdiff_t pitch;         // of the strip
  const std::int32_t* offsets;  // of each (channel, tap); those of a channel's first row of taps are read
  std::int64_t slices;          // channels
  std::int64_t tap_columns;     // taps of each row
  const T* weight;              // of the output channel, (channel, tap) contiguous
  T start;
  T* output;
  std::ptrdiff_t output_row;   // elements from row to row
  std::int64_t rows, columns;  // at most tall_rows; in ((vectors - 1) * lanes, vectors * lanes]
};

// Rows of one plane of a strip that lie inside of the input, or, with begin = end, those beside it:
//
//   target[i * pitch + j] = begin <= j < end ? source[i * source_row + j * step] : beside
//
// for j < columns. Written in ascending order and whole vectors: up to lanes - 1 elements behind each row hold
// anything afterwards. Nothing but elements begin to end - 1 of each row is read.
template <class T>
struct StripFill {
  T* target;
  std::ptrdiff_t pitch;
  std::int64_t rows, columns;
  const T* source;
  std::ptrdiff_t source_row, step;
  std::int64_t begin, end;
  T beside;
};

// The widest tile of a number of output channels, and a kernel for each narrower one.
template <class T>
struct StripTileRow {
  int max_vectors;
  void (*const* run)(const StripTile<T>&);  // [vectors - 1]
};

// The tall tiles of kernels of `taps` rows.
template <class T>
struct StripTallRow {
  int taps;
  void (*run[2])(const StripTallTile<T>&);  // [vectors - 1]
};

template <class T>
struct StripKernels {
  Isa isa;
  int lanes;
  int max_rows;
  const StripTileRow<T>* table;  // [rows - 1]
  int tall_rows;
  const StripTallRow<T>* tall_table;
  int tall_table_size;
  void (*fill)(const StripFill<T>&);

  const StripTileRow<T>& tiles(std::int64_t rows) const { return table[rows - 1]; }
  // Null where no tall tile has kernels of so many rows.
  const StripTallRow<T>* tall(std::int64_t taps) const {
    for (int i = 0; i < tall_table_size; ++i)
      if (tall_table[i].taps == taps) return tall_table + i;
    return nullptr;
  }
};

template <class T>
const StripKernels<T>& strip_kernels(Isa isa);

}  // namespace convnative
