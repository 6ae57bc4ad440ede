// A convolution as a matrix product whose right-hand matrix, im2col, is never stored whole.
//
// A lattice describes that matrix: its columns are the points of a grid of outputs, image after image, its
// rows are (channel, tap) pairs, and its elements are elements of the source or of its padding:
//
//   im2col[(channel, tap)][(image, point)] = source[image][channel][point * step + first + tap * tap_step]
//
// with the coordinates on every axis. Images are folded into the columns so that small planes fill vectors
// too. The forward convolution is one lattice (step = stride, tap_step = dilation, first = -pad_before). The
// gradient in the input with stride s is a lattice for each of the s phases of the input's coordinates, with
// step 1 and the taps that reach that phase: no zeros are inserted and no product is wasted.
//
// Padding is never stored either: a lane beside the source holds the padding's value, or reads the element
// that the padding repeats there.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "convnative/shape.h"
#include "convnative/types.h"
#include "gemm/kernels.h"

namespace convnative {

struct Im2colLattice {
  struct Axis {
    std::int64_t source;  // extent of the source
    std::int64_t grid;    // number of points
    std::int64_t step;    // source elements from point to point
    std::int64_t first;   // source coordinate of tap 0 at point 0; may be negative
    std::int64_t taps;
    std::int64_t tap_step;  // source elements from tap to tap; may be negative

    std::int64_t at(std::int64_t point, std::int64_t tap) const {
      return point * step + first + tap * tap_step;
    }
  };
  std::array<Axis, max_axes> axes;
  std::int64_t images;
  std::int64_t image_stride;  // source elements from image to image
  PaddingMode padding_mode = PaddingMode::constant;
  double padding_value = 0;

  std::int64_t grid_plane() const { return axes[0].grid * axes[1].grid * axes[2].grid; }
  std::int64_t points() const { return images * grid_plane(); }
  std::int64_t taps() const { return axes[0].taps * axes[1].taps * axes[2].taps; }
  std::int64_t source_plane() const { return axes[0].source * axes[1].source * axes[2].source; }
  // Whether the points of an image are the elements of its source, in their order.
  bool is_source() const {
    return std::all_of(axes.begin(), axes.end(), [](const Axis& axis) {
      return axis.taps == 1 && axis.step == 1 && axis.first == 0 && axis.grid == axis.source;
    });
  }
};

// The element of the source that padding repeats at a coordinate beside it; others stay as they are.
std::int64_t repeated_element(PaddingMode mode, std::int64_t coordinate, std::int64_t source);

// The patches of a convolution's input: the forward and the gradient in the weights are made of them.
Im2colLattice input_lattice(const ConvShape& shape);

// The rows of im2col that are packed together: whole channels, or, for kernels with more taps than a block is
// deep, some of one channel's taps.
struct Im2colBlock {
  std::int64_t channel, channels;
  std::int64_t tap, taps;
};

// Cuts (channels x taps) rows into blocks of at most `most` rows, in order.
class Im2colBlocks {
 public:
  Im2colBlocks(std::int64_t channels, std::int64_t taps, std::int64_t most);
  std::int64_t count() const { return channel_parts_ * tap_parts_; }
  Im2colBlock operator[](std::int64_t index) const;
  // Bounds that never fall when channels or taps rise.
  std::int64_t max_taps() const { return max_taps_; }
  std::int64_t max_rows() const { return max_rows_; }

 private:
  std::int64_t channels_, taps_, channel_parts_, tap_parts_, max_taps_, max_rows_;
};

// Which source elements make up a panel: the runs that a packing kernel reads (gemm/kernels.h). They depend
// on the points and taps alone and serve every channel.
class Im2colRuns {
 public:
  // Memory for panels of at most `points` points and `taps` taps.
  static std::size_t bytes(const Im2colLattice& lattice, int lanes, std::int64_t points, std::int64_t taps);

  // `memory`: bytes(...) of the same arguments. `lattice` must outlive this.
  Im2colRuns(const Im2colLattice& lattice, int lanes, std::int64_t points, void* memory);

  // The panel of `points` points from `first_point` on, for taps [tap, tap + taps).
  void build(std::int64_t first_point, std::int64_t points, std::int64_t tap, std::int64_t taps);

  const Im2colRun* runs() const { return runs_; }
  const int* runs_per_vector() const { return runs_per_vector_; }
  std::ptrdiff_t step() const { return step_; }

 private:
  // A run before a tap is applied: `length` lanes from `lane` on, in one row of the grid.
  struct GridRun {
    std::int64_t image, depth, row, column;
    std::int64_t lane, length;
    std::int64_t pieces;  // places in the table that any one of the taps needs for it
  };

  static bool single_lane_runs(const Im2colLattice& lattice);
  static std::int64_t max_runs_per_vector(const Im2colLattice& lattice, int lanes);
  std::int64_t cut_into_rows(std::int64_t first_point, std::int64_t points);
  std::uint32_t inner_lanes(const GridRun& run, std::int64_t column) const;
  void build_without_border(std::int64_t count, std::int64_t tap, std::int64_t taps);
  void build_with_border(std::int64_t count, std::int64_t tap, std::int64_t taps);
  void count_pieces(std::int64_t count, std::int64_t tap, std::int64_t taps);

  const Im2colLattice& lattice_;
  int lanes_;
  std::int64_t max_run_length_;
  std::ptrdiff_t step_;
  int* runs_per_vector_;
  GridRun* grid_runs_;
  Im2colRun* runs_;
};

}  // namespace convnative
