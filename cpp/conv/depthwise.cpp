// Depthwise convolution, one input channel per group: forward and gradient in the input.
//
// Both are correlations of planes (conv/depthwise_kernels.h). The forward takes each result plane from one
// plane of the input; the gradient in the input sums over the outputs that the channel feeds, with the taps in
// reverse, phase by phase (conv/input_phases.h).
//
//   tasks: result planes x depths x tiles of rows x blocks of columns, in parallel
//     for each piece of the taps (most 2-D kernels are one): added to the row of tiles; or, for the common kernels,
//     a walk down the rows, over several planes where they are small
//
// Nothing is copied, packed or padded, and the weights are read as they lie. Columns of a strided gradient go
// through a buffer on their way to places that are no neighbours.
#include <algorithm>
#include <array>
#include <memory>
#include <numeric>
#include <string>

#include "base/checked.h"
#include "base/cpu.h"
#include "base/parallel.h"
#include "conv/algorithm.h"
#include "conv/depthwise_axis.h"
#include "conv/depthwise_kernels.h"
#include "conv/epilogue.h"
#include "conv/input_phases.h"
#include "conv/row_requests.h"

namespace convnative {
namespace {

constexpr int tallest = depthwise_tile_rows[0];
constexpr std::int64_t most_lanes = 16;
// Of a row that is computed before it is spread: with 2 x 8 rows 32 KiB of float32.
constexpr std::int64_t buffer_columns = 512;
// Multiply-adds that a task has at the least and at the most: taking it from the queue costs nothing, and an
// interrupt is served in time.
constexpr std::int64_t least_task_macs = 1 << 16;
constexpr std::int64_t most_task_macs = 1 << 24;
// Bytes; of shorter rows requests would be for the same lines again and again.
constexpr std::int64_t shortest_far_row = 48;
// Of far arrays a row of tiles asks for what lies below it, a share before each so many columns: hardware follows a row
// to the end of a page, but does not foresee the next one. Two threads, from memory: with 7 x 7 taps 2.3 to 2.5 times
// as fast, else 1.0 to 1.12.
constexpr std::int64_t requested_columns = 64;
constexpr std::int64_t page = 4096;
// Results that a walk computes, in a block of a plane or in several planes: so many that its start and the rows that
// neighbouring blocks both read do not show. The rows of a block follow from its columns, if it had at most so many.
constexpr std::int64_t walk_points = 8192;
constexpr std::int64_t most_walk_columns = 256;
// Rows of more results than this go tile by tile, along the rows. A walk down a wide plane takes one or two cache
// lines of each row, which fall into few sets of the first cache and onto a page each: at 1920 columns it takes 1.6 to
// 3 times as long, at 3840 2.5 to 7 times. Tiles of large kernels also load less often. Measured with AVX-512.
constexpr std::int64_t widest_walk = 320, widest_walk_of_7 = 96, widest_walk_of_step_2 = 640;

// Points of one axis cut into tiles of the two heights; the last tile reaches back where it can.
struct RowTile {
  std::int64_t first;
  int height;               // index in depthwise_tile_rows
  std::int64_t begin, end;  // of the accumulators that are this tile's own
};

RowTile row_tile(std::int64_t points, std::int64_t index) {
  const std::int64_t own = index * tallest, left = points - own;
  if (left >= tallest) return {own, 0, 0, tallest};
  const int height = left <= depthwise_tile_rows[1] ? 1 : 0;
  const std::int64_t first = std::max<std::int64_t>(0, points - depthwise_tile_rows[height]);
  return {first, height, own - first, points - first};
}

// Of a walk, which has any height.
RowTile walk_tile(std::int64_t points, std::int64_t index, std::int64_t rows) {
  const std::int64_t first = index * rows;
  return {first, 0, 0, std::min(rows, points - first)};
}

template <class T>
class Depthwise final : public ConvAlgorithm {
 public:
  explicit Depthwise(const ConvProblem& problem)
      : shape_(problem.shape),
        forward_(problem.operation == ConvOperation::forward),
        kernels_(depthwise_kernels<T>(problem.isa)),
        epilogue_(problem),
        threads_(problem.threads),
        far_((shape_.input_size() + shape_.output_size()) * element > far_bytes),
        multiplier_(shape_.out_channels_per_group()) {}

  const char* name() const override { return "depthwise"; }
  std::string kernel() const override {
    DepthwiseAxis column{};
    column.step = forward_ ? shape_.stride[2] : 1;
    column.tap_step = shape_.dilation[2];
    return kernels_.tiles[depthwise_columns(column)].name;
  }

  std::size_t workspace_bytes() const override { return thread_bytes() * static_cast<std::size_t>(threads_); }

  // Inputs that no tap reaches are nobody's tile.
  bool fuses_epilogue() const override { return forward_; }

  void run(const ConvArrays& arrays, const void* /*packed*/, void* workspace) const override {
    if (shape_.batch == 0) return;
    if (forward_) {
      run_lattice(arrays, workspace,
                  {forward_axis(shape_, 0), forward_axis(shape_, 1), forward_axis(shape_, 2)});
      return;
    }
    const auto phases = [&](std::size_t axis) {
      return AxisPhases(shape_, axis, shape_.pad_before[axis], shape_.input[axis]);
    };
    const AxisPhases depths = phases(0), rows = phases(1), columns = phases(2);
    if (!depths.cover_all_inputs() || !rows.cover_all_inputs() || !columns.cover_all_inputs()) fill(arrays);
    depths.for_each([&](const AxisPhase& depth) {
      rows.for_each([&](const AxisPhase& row) {
        if (shape_.stride[2] == 2 && columns.count() == 2) {
          std::array<LatticeAxis, 2> pair;
          columns.for_each([&](const AxisPhase& column) {
            pair[static_cast<std::size_t>(column.coordinate)] = phase_axis(shape_, 2, column);
          });
          run_lattice(arrays, workspace, {phase_axis(shape_, 0, depth), phase_axis(shape_, 1, row), pair[0]},
                      &pair[1]);
          return;
        }
        columns.for_each([&](const AxisPhase& column) {
          run_lattice(
              arrays, workspace,
              {phase_axis(shape_, 0, depth), phase_axis(shape_, 1, row), phase_axis(shape_, 2, column)});
        });
      });
    });
  }

 private:
  // The columns of a lattice.
  struct Columns {
    DepthwiseAxis axis;
    std::int64_t full_begin, full_end;  // points whose vectors lie in the source
    const DepthwiseTileKernel<T>* kernel;
    std::ptrdiff_t weight_first;
  };

  // Everything that the tasks of a lattice share.
  struct Lattice {
    DepthwiseAxis depth, row;
    std::array<Columns, 2> columns;  // those in between are the second; without points where there are none
    std::int64_t planes;             // of the source, summed
    std::int64_t row_shift;          // points from accumulator to accumulator
    std::int64_t classes;            // chains take every `classes`-th row tap
    std::int64_t chain_step;
    bool along_columns;      // accumulators share a row
    DepthwiseWalk<T> walk;   // null where tiles are used
    std::int64_t tile_rows;  // of a walk, or the tallest tile's
    std::int64_t group;      // planes that a walk takes at once
    std::int64_t column_block, blocks;
    std::int64_t units;  // of a plane
    std::ptrdiff_t result_first;
    std::array<std::ptrdiff_t, max_axes> result_step;

    std::int64_t tiles_of(std::int64_t points) const { return ceil_div(points, tile_rows); }
  };

  // A row of tiles: one block of the columns of one tile of the points of one residue at one depth.
  struct Unit {
    std::int64_t depth = 0, residue = 0, tile = 0, block = 0;
    std::int64_t points = 0;  // of the residue

    Unit(const Lattice& lattice, std::int64_t index) {
      count_points(lattice);
      const std::int64_t per_depth = lattice.units / lattice.depth.points;
      depth = index / per_depth;
      index -= depth * per_depth;
      while (index >= lattice.tiles_of(points) * lattice.blocks) {
        index -= lattice.tiles_of(points) * lattice.blocks;
        ++residue;
        count_points(lattice);
      }
      tile = index / lattice.blocks;
      block = index % lattice.blocks;
    }
    void step(const Lattice& lattice) {
      if (++block < lattice.blocks) return;
      block = 0;
      if (++tile < lattice.tiles_of(points)) return;
      tile = 0;
      if (++residue == lattice.row_shift) residue = 0, ++depth;
      count_points(lattice);
    }

   private:
    void count_points(const Lattice& lattice) {
      const std::int64_t rows = lattice.row.points, shift = lattice.row_shift;
      points = shift == 1 ? rows : (rows - residue - 1) / shift + 1;
    }
  };

  void fill(const ConvArrays& arrays) const {
    auto* const result = static_cast<T*>(arrays.result);
    const auto* const bias = static_cast<const T*>(arrays.bias);
    parallel_for(shape_.batch * shape_.in_channels, threads_, [&](std::int64_t plane, int) {
      const T start = bias == nullptr ? T{0} : bias[plane % shape_.in_channels];
      std::fill_n(result + plane * shape_.input_plane(), shape_.input_plane(), start);
    });
  }

  Columns columns_of(const LatticeAxis& axis) const {
    Columns columns{axis.source, 0, 0, &kernels_.tiles[depthwise_columns(axis.source)], axis.weight_first};
    DepthwiseAxis& column = columns.axis;
    // Tiles load neighbouring taps in pairs where the step is 2: the last may have a neighbour too many.
    const std::int64_t behind =
        (column.taps - 1) * column.tap_step + (column.step == 2 ? column.taps % 2 : 0);
    const std::int64_t last = column.extent - 1 - behind - column.first;
    if (column.points > 1 && last >= 0) {
      columns.full_begin = column.first >= 0 ? 0 : (-column.first - 1) / column.step + 1;
      columns.full_end = std::min(last / column.step + 1, column.points);
    }
    return columns;
  }

  // `odd`: the columns between those of `axes`, where both are computed together.
  void run_lattice(const ConvArrays& arrays, void* workspace, const std::array<LatticeAxis, max_axes>& axes,
                   const LatticeAxis* odd = nullptr) const {
    Lattice lattice{};
    lattice.depth = axes[0].source, lattice.row = axes[1].source;
    if (lattice.depth.points == 0 || lattice.row.points == 0 || axes[2].source.points == 0) return;
    const Extents& source = forward_ ? shape_.input : shape_.output;
    const Extents& result = forward_ ? shape_.output : shape_.input;
    lattice.depth.pitch = source[1] * source[2], lattice.row.pitch = source[2];
    lattice.row.weight_step *= shape_.kernel[2];
    lattice.depth.weight_step *= shape_.kernel[1] * shape_.kernel[2];
    const std::ptrdiff_t weight_first =
        (axes[0].weight_first * shape_.kernel[1] + axes[1].weight_first) * shape_.kernel[2];
    lattice.columns[0] = columns_of(axes[2]);
    if (odd != nullptr) lattice.columns[1] = columns_of(*odd);
    for (Columns& columns : lattice.columns) columns.weight_first += weight_first;
    lattice.planes = forward_ ? 1 : multiplier_;

    const std::array<std::ptrdiff_t, max_axes> pitch{result[1] * result[2], result[2], 1};
    for (std::size_t axis = 0; axis < max_axes; ++axis) {
      lattice.result_first += axes[axis].result_first * pitch[axis];
      lattice.result_step[axis] = axes[axis].result_step * pitch[axis];
    }
    if (odd != nullptr) lattice.result_step[2] = 2;

    const DepthwiseAxis &row = lattice.row, &column = lattice.columns[0].axis;
    const std::int64_t common = std::gcd(row.step, row.tap_step), shift = row.tap_step / common;
    const bool shared = row.taps > 1 && row.points > 1 && shift <= row.points;
    // The common kernels' own, which fix another order of the sums; the choice looks at the shape alone.
    if (lattice.result_step[2] == 1 && shared) lattice.walk = walk_of(row, column);
    // Chains, as depthwise_kernels.h says; where so few points are alike that tiles would stay empty, each tap
    // is a chain of its own. This fixes the order of the sums too.
    const bool chains = shared && (lattice.walk != nullptr || shift == 1 || row.points / 4 >= shift);
    lattice.row_shift = chains ? shift : 1;
    lattice.classes = chains ? std::min(row.step / common, row.taps) : row.taps;
    lattice.chain_step = lattice.row_shift * row.step;
    lattice.along_columns = row.points == 1 && lattice.result_step[2] == 1 && lattice.columns[0].kernel->full;

    if (odd != nullptr && lattice.planes == 1 && lattice.depth.taps == 1 && (chains || row.taps == 1))
      lattice.walk = pair_walk_of(row, column, lattice.columns[1].axis);
    lattice.tile_rows = tallest;
    if (lattice.walk != nullptr) {
      lattice.tile_rows =
          std::max<std::int64_t>(tallest, walk_points / std::min(column.points, most_walk_columns));
      lattice.chain_step = lattice.row_shift * (row.step == 1 ? 1 : row.tap_step);
    }

    const std::int64_t column_macs =
        shape_.taps() * lattice.planes * std::min<std::int64_t>(lattice.tile_rows, row.points);
    lattice.column_block = column_block(column_macs);
    lattice.blocks = ceil_div(column.points, lattice.column_block);
    const std::int64_t more = row.points % lattice.row_shift, fewest = row.points / lattice.row_shift;
    lattice.units =
        lattice.depth.points * lattice.blocks *
        (more * lattice.tiles_of(fewest + 1) + (lattice.row_shift - more) * lattice.tiles_of(fewest));

    lattice.group = 1;
    if (lattice.walk != nullptr && lattice.units == lattice.row_shift && multiplier_ == 1 &&
        lattice.depth.taps == 1)
      lattice.group = std::max<std::int64_t>(1, walk_points / (row.points * column.points));
    // Planes that go together do so residue by residue.
    const std::int64_t together = lattice.group > 1 ? lattice.units : 1,
                       plane_units = lattice.units / together;

    const std::int64_t channels = forward_ ? shape_.out_channels : shape_.in_channels;
    const std::int64_t total = shape_.batch * channels * plane_units;
    const std::int64_t unit_macs = std::min(lattice.column_block, column.points) * column_macs;
    const std::int64_t least = ceil_div(least_task_macs, unit_macs);
    const std::int64_t per_task =
        std::clamp(total / (8 * threads_), least, std::max(most_task_macs / unit_macs, least));
    parallel_for(ceil_div(total, per_task), threads_, [&](std::int64_t task, int thread) {
      T* const buffer = reinterpret_cast<T*>(static_cast<char*>(workspace) +
                                             thread_bytes() * static_cast<std::size_t>(thread));
      const std::int64_t last = std::min(total, (task + 1) * per_task);
      for (std::int64_t unit = task * per_task; unit < last;) {
        const std::int64_t plane = unit / plane_units, first = unit - plane * plane_units;
        const std::int64_t count = std::min(plane_units - first, last - unit);
        const std::int64_t planes =
            lattice.group == 1 ? 1 : std::min({lattice.group, last - unit, channels - plane % channels});
        run_plane(arrays, lattice, plane, planes, first, count * together, buffer);
        unit += planes * count;
      }
    });
  }

  // The walk for kernels of these taps, if there is one.
  DepthwiseWalk<T> walk_of(const DepthwiseAxis& row, const DepthwiseAxis& column) const {
    const bool paired = depthwise_columns(column) == paired_columns && row.step == 2 && row.tap_step == 1;
    if (row.taps != column.taps || !(paired || (column.step == 1 && row.step == 1))) return nullptr;
    if (column.points > (paired ? widest_walk_of_step_2 : row.taps == 7 ? widest_walk_of_7 : widest_walk))
      return nullptr;
    const auto* const size =
        std::find(std::begin(depthwise_walk_sizes), std::end(depthwise_walk_sizes), row.taps);
    return size == std::end(depthwise_walk_sizes) ? nullptr
                                                  : kernels_.walks[paired][size - depthwise_walk_sizes];
  }

  DepthwiseWalk<T> pair_walk_of(const DepthwiseAxis& row, const DepthwiseAxis& even,
                                const DepthwiseAxis& odd) const {
    if (row.step != 1 || row.taps > depthwise_pair_rows || row.taps == 0) return nullptr;
    if (std::max(even.taps, odd.taps) != 2 || std::min(even.taps, odd.taps) != 1) return nullptr;
    return kernels_.pair_walks[row.taps - 1][even.taps == 2 ? 0 : 1];
  }

  // Points of a row of tiles, so many that the kernel's start does not show.
  std::int64_t column_block(std::int64_t column_macs) const {
    constexpr std::int64_t step = tallest * most_lanes;
    if (!forward_ && shape_.stride[2] > 1) return buffer_columns;
    return ceil_div(std::max<std::int64_t>(least_task_macs / column_macs, 1), step) * step;
  }

  // Results of two columns that are not neighbours in memory, before they are spread.
  std::size_t thread_bytes() const {
    return forward_ || shape_.stride[2] == 1 ? 0 : std::size_t{2} * tallest * buffer_columns * sizeof(T);
  }

  // `count` units of one plane of results, or all units of several planes.
  void run_plane(const ConvArrays& arrays, const Lattice& lattice, std::int64_t index, std::int64_t planes,
                 std::int64_t first, std::int64_t count, T* buffer) const {
    const std::int64_t channel = index % (forward_ ? shape_.out_channels : shape_.in_channels);
    const std::int64_t source_index = forward_ ? index / multiplier_ : index * multiplier_;
    const T zero{0};
    const T* const start = arrays.bias == nullptr ? &zero : static_cast<const T*>(arrays.bias) + channel;
    const Plane plane{static_cast<const T*>(forward_ ? arrays.input : arrays.grad_output) +
                          source_index * (forward_ ? shape_.input_plane() : shape_.output_plane()),
                      static_cast<const T*>(arrays.weight) + channel * lattice.planes * shape_.taps(), start,
                      planes, arrays.bias == nullptr ? 0 : 1};
    T* const result = static_cast<T*>(arrays.result) +
                      index * (forward_ ? shape_.output_plane() : shape_.input_plane()) +
                      lattice.result_first;

    const bool whole = lattice.walk != nullptr && (lattice.units == 1 || lattice.group > 1);
    for (Unit unit(lattice, first); count > 0; --count, unit.step(lattice)) {
      const RowTile tile = lattice.walk == nullptr ? row_tile(unit.points, unit.tile)
                                                   : walk_tile(unit.points, unit.tile, lattice.tile_rows);
      const std::int64_t row = unit.residue + tile.first * lattice.row_shift;
      T* const target = result + unit.depth * lattice.result_step[0] + row * lattice.result_step[1];
      const std::int64_t begin = unit.block * lattice.column_block;
      const std::int64_t end = std::min(begin + lattice.column_block, lattice.columns[0].axis.points);
      const std::ptrdiff_t row_step = lattice.row_shift * lattice.result_step[1];
      if (lattice.result_step[2] == 1 || lattice.walk != nullptr) {
        run_row(lattice, plane, lattice.columns[0], unit, tile, begin, end,
                target + begin * lattice.result_step[2], row_step);
        if (whole || !fuses_epilogue() || !epilogue_.wanted(arrays)) continue;
        for (std::int64_t i = tile.begin; i < tile.end; ++i)
          epilogue_.finish(arrays, target + i * row_step + begin, end - begin);
        continue;
      }
      T* const odd_buffer = buffer + tallest * buffer_columns;
      const std::int64_t odd_end = std::min(end, lattice.columns[1].axis.points);
      run_row(lattice, plane, lattice.columns[0], unit, tile, begin, end, buffer, buffer_columns);
      if (odd_end > begin)
        run_row(lattice, plane, lattice.columns[1], unit, tile, begin, odd_end, odd_buffer, buffer_columns);
      for (std::int64_t i = tile.begin; i < tile.end; ++i)
        spread(buffer + i * buffer_columns, end - begin, odd_buffer + i * buffer_columns,
               std::max<std::int64_t>(odd_end - begin, 0),
               target + i * row_step + begin * lattice.result_step[2], lattice.result_step[2]);
    }
    if (whole && fuses_epilogue() && epilogue_.wanted(arrays))
      epilogue_.finish(arrays, result, planes * shape_.output_plane());
  }

  // The first of `count` planes.
  struct Plane {
    const T *source, *weight, *start;
    std::int64_t count;
    std::ptrdiff_t start_step;
  };

  // All pieces of the columns [begin, end) of one row of tiles.
  void run_row(const Lattice& lattice, const Plane& plane, const Columns& columns, const Unit& unit,
               const RowTile& tile, std::int64_t begin, std::int64_t end, T* result,
               std::ptrdiff_t row_step) const {
    const DepthwiseAxis &depth = lattice.depth, &row = lattice.row;
    const std::int64_t rows = depthwise_tile_rows[tile.height];
    const std::int64_t first_row = row.at(unit.residue + tile.first * lattice.row_shift);
    DepthwisePiece<T> piece;
    piece.pitch = row.pitch;
    piece.chain_step = lattice.chain_step;
    piece.chain_pitch = lattice.chain_step * row.pitch;
    piece.chain_weight_step = lattice.classes * row.weight_step;
    piece.column_weight_step = columns.axis.weight_step;
    piece.column = &columns.axis;
    piece.begin = begin, piece.end = end;
    piece.advance = kernels_.lanes;
    piece.start = plane.start;
    piece.result = result;
    piece.result_step = row_step;
    piece.row_begin = tile.begin, piece.row_end = tile.end;
    const std::ptrdiff_t source_plane = depth.extent * depth.pitch;
    const DepthwiseColumns kind = depthwise_columns(columns.axis);
    const bool far = far_ && row.pitch * element >= shortest_far_row;

    for (std::int64_t k = 0; k < lattice.planes; ++k) {
      const T* const source = plane.source + k * source_plane;
      const T* const weight = plane.weight + k * shape_.taps() + columns.weight_first;
      for (std::int64_t d = 0; d < depth.taps; ++d) {
        const std::int64_t at = depth.at(unit.depth) + d * depth.tap_step;
        const bool exists = at >= 0 && at < depth.extent;
        piece.source = exists ? source + at * depth.pitch : source;
        piece.extent = exists ? row.extent : 0;
        if (lattice.walk != nullptr) {
          piece.row = first_row;
          piece.weight = weight + d * depth.weight_step;
          // The last tap meets the slice that comes next.
          piece.far = far && d + 1 == depth.taps;
          run_walk(lattice, plane, columns, piece);
          piece.start = nullptr;
          continue;
        }
        for (std::int64_t c = 0; c < lattice.classes; ++c)
          for (std::int64_t tap = c; tap < row.taps;) {
            const int taps = depthwise_chain_piece(kind, (row.taps - 1 - tap) / lattice.classes + 1);
            piece.row = first_row + tap * row.tap_step;
            piece.weight = weight + d * depth.weight_step + tap * row.weight_step;
            if (lattice.along_columns) {
              run_along_columns(columns, piece);
            } else {
              const bool inside = unit.points >= rows && piece.row >= 0 &&
                                  piece.row + (rows + taps - 2) * lattice.chain_step < piece.extent;
              piece.full_begin = columns.full_begin;
              piece.full_end = inside ? columns.full_end : 0;
              run_tiles(columns, piece, tile.height, taps, unit.points >= 2 * rows);
            }
            piece.start = nullptr;
            tap += taps * lattice.classes;
          }
      }
    }
  }

  // The whole kernel at one depth.
  void run_walk(const Lattice& lattice, const Plane& plane, const Columns& columns,
                DepthwisePiece<T>& piece) const {
    piece.chain_weight_step = lattice.row.weight_step;
    piece.full_begin = columns.full_begin, piece.full_end = columns.full_end;
    if (lattice.result_step[2] == 2) {
      const Columns& odd = lattice.columns[1];
      piece.odd_column = &odd.axis;
      piece.odd_weight = plane.weight + odd.weight_first;
      piece.full_begin = std::max(piece.full_begin, odd.full_begin);
      piece.full_end = std::min(piece.full_end, odd.full_end);
    }
    piece.planes = plane.count;
    piece.source_plane = lattice.depth.extent * lattice.depth.pitch;
    piece.weight_plane = shape_.taps();
    piece.start_plane = plane.start_step;
    piece.result_plane = forward_ ? shape_.output_plane() : shape_.input_plane();
    lattice.walk(piece);
  }

  // A row of tiles; `below`: there are others.
  void run_tiles(const Columns& columns, const DepthwisePiece<T>& whole, int height, int taps,
                 bool below) const {
    const auto run = columns.kernel->run[height][taps - 1];
    if (!below || !far_ || whole.pitch * element >= page) {
      run(whole);
      return;
    }
    const std::int64_t rows = depthwise_tile_rows[height], points = whole.end - whole.begin;
    RowRequests<T, 2> requests(ceil_div(points, requested_columns));
    requests.add(
        {whole.source + (whole.row + rows * whole.chain_step) * whole.pitch + columns.axis.at(whole.begin),
         points * columns.axis.step, rows, 1, whole.chain_pitch, 0});
    requests.add({whole.result + rows * whole.result_step, points, rows, 1, whole.result_step, 0});
    for (std::int64_t x = whole.begin; x < whole.end; x += requested_columns) {
      DepthwisePiece<T> part = whole;
      part.result += x - whole.begin;
      part.begin = x, part.end = std::min(x + requested_columns, whole.end);
      requests.request();
      run(part);
    }
  }

  // The accumulators of whole tiles are neighbours in the one row that there is.
  void run_along_columns(const Columns& columns, const DepthwisePiece<T>& whole) const {
    const bool exists = whole.row >= 0 && whole.row < whole.extent;
    const std::int64_t advance = tallest * kernels_.lanes;
    const std::int64_t first = std::min(
        ceil_div(std::max(columns.full_begin, whole.begin) - whole.begin, kernels_.lanes) * kernels_.lanes +
            whole.begin,
        whole.end);
    const std::int64_t count =
        exists ? std::max<std::int64_t>(std::min(columns.full_end, whole.end) - first, 0) / advance : 0;
    const auto run = [&](DepthwisePiece<T> part, std::int64_t begin, std::int64_t end, int height) {
      if (begin == end) return;
      part.result += begin - part.begin;
      part.begin = begin, part.end = end;
      columns.kernel->run[height][0](part);
    };
    DepthwisePiece<T> edge = whole, inner = whole;
    edge.full_begin = edge.full_end = 0;
    inner.chain_pitch = kernels_.lanes * columns.axis.step;
    inner.advance = advance;
    inner.result_step = kernels_.lanes;
    inner.row_begin = 0, inner.row_end = tallest;
    inner.full_begin = columns.full_begin, inner.full_end = columns.full_end;
    run(edge, whole.begin, first, 1);
    run(inner, first, first + count * advance, 0);
    run(edge, first + count * advance, whole.end, 1);
  }

  // To places `step` apart, the odd ones between the even ones.
  void spread(const T* even, std::int64_t evens, const T* odd, std::int64_t odds, T* result,
              std::ptrdiff_t step) const {
    if (odds == 0) {
      for (std::int64_t i = 0; i < evens; ++i) result[i * step] = even[i];
      return;
    }
    const std::int64_t lanes = kernels_.lanes, total = evens + odds;
    for (std::int64_t i = 0; 2 * i < total; i += lanes)
      kernels_.interleave(even + i, odd + i, std::min(2 * lanes, total - 2 * i), result + 2 * i);
  }

  static constexpr std::int64_t element = sizeof(T);

  ConvShape shape_;
  bool forward_;
  const DepthwiseKernels<T>& kernels_;
  Epilogue<T> epilogue_;
  int threads_;
  bool far_;  // the arrays come from L3 or memory
  std::int64_t multiplier_;
};

// Cycles of one core with AVX-512 forward, roughly: fitted to some hundred convolutions of stride 1 to 3.
double forward_cycles(const ConvShape& s) {
  const auto planes = static_cast<double>(s.batch * s.out_channels * s.output[0]);
  const auto vectors = static_cast<double>(s.output[1] * ceil_div(s.output[2], depthwise_wide<float>));
  const auto taps = static_cast<double>(s.taps());
  switch (depthwise_columns(forward_axis(s, 2).source)) {
    case dense_columns:
      return planes * (300 + vectors * (12 + 1.6 * taps));
    case paired_columns:
      return planes * (300 + vectors * (20 + 2.2 * taps));
    case strided_columns:
      break;
  }
  return planes * (300 + vectors * (110 + 5.5 * taps));  // gathered lane by lane
}

// What a plane costs: for its start, and for each tile of rows, row and tap of a row by vectors of columns.
struct PlaneCosts {
  double start, tile, row, tap, tile_tap = 0;
  bool tiled = false;  // no walk
};

PlaneCosts plane_costs(const ConvShape& s, bool forward) {
  const bool one_row = (forward ? s.output[1] : s.input[1]) == 1;
  const bool walks = s.kernel[1] == s.kernel[2] && !one_row && s.stride[1] == s.stride[2] &&
                     s.dilation[1] == s.dilation[2] &&
                     std::ranges::count(depthwise_walk_sizes, s.kernel[2]) > 0;
  if (s.stride[2] == 1) {
    if (walks) return {s.input[0] > 1 ? 60.0 : 0.0, 11, 0.5, 0.7};
    return one_row ? PlaneCosts{490, 2.4, 0, 2.2} : PlaneCosts{90, 58, 0, 0.6, 10, true};
  }
  if (!forward) {
    // Two columns at once write what is whole.
    const bool pairs = s.out_channels == s.groups && s.stride[2] == 2 && s.kernel[2] == 3 &&
                       s.dilation[2] == 1 &&
                       (one_row ? s.kernel[1] == 1 : s.kernel[1] == 3 && s.stride[1] == 2);
    if (pairs) return {0, 0, 0, one_row ? 3.2 : 2.4};
    return one_row ? PlaneCosts{260, 0, 20, 6} : PlaneCosts{33, 51, 11, 0.6, 0, true};
  }
  if (s.stride[2] == 2 && s.dilation[2] == 1) {
    if (walks) return {0, 0, 6.4, 1.1};
    return one_row ? PlaneCosts{440, 0, 14, 0} : PlaneCosts{19, 6, 18, 0, 42, true};
  }
  return one_row ? PlaneCosts{290, 0, 48, 21} : PlaneCosts{170, 23, 200, 9, 0, true};
}

// The same of the gradient in the input of one channel: planes of grad_output, of volumes their slices, go one by one.
double one_channel_gradient_cycles(const ConvShape& s) {
  const double planes = static_cast<double>(s.batch * s.out_channels) * static_cast<double>(s.input[0]) *
                        static_cast<double>(s.kernel[0]);
  const auto vectors = static_cast<double>(s.input[1] * ceil_div(s.input[2], depthwise_wide<float>));
  const auto taps = static_cast<double>(s.kernel[1] * s.kernel[2]);
  const double starting = s.input[0] > 1 ? 50 + 15 * static_cast<double>(s.kernel[1]) : 50;
  return planes * (starting + vectors * (6 + 0.8 * taps));
}

}  // namespace

// Fitted to three hundred convolutions.
double depthwise_cycles(const ConvShape& s, bool forward) {
  const PlaneCosts costs = plane_costs(s, forward);
  const auto share = [&](std::size_t axis) {
    return forward ? std::int64_t{1} : std::min(s.stride[axis], s.kernel[axis]);
  };
  // Phases of a gradient, their points and their taps.
  const Extents& result = forward ? s.output : s.input;
  const auto taps = [&](std::size_t axis) {
    return static_cast<double>(s.kernel[axis]) / static_cast<double>(share(axis));
  };
  const std::int64_t rows = forward ? result[1] : ceil_div(result[1], s.stride[1]);
  const std::int64_t columns = forward ? result[2] : ceil_div(result[2], s.stride[2]);
  const auto vectors = static_cast<double>(ceil_div(columns, depthwise_wide<float>));
  const auto tiles = static_cast<double>(ceil_div(rows, tallest));
  const double plane =
      costs.start + vectors * (tiles * (costs.tile + costs.tile_tap * taps(2)) +
                               static_cast<double>(rows) * (costs.row + costs.tap * taps(1) * taps(2)));
  // Tiles ask for the rows below, not for the first ones of a plane, which come late from L3 or memory. Of images as of
  // one alone, or a split of the batch might change the order of the sums.
  const Extents& source = forward ? s.input : s.output;
  constexpr std::int64_t near_elements = 1 << 19;
  const bool far = s.in_channels * s.input_plane() + s.out_channels * s.output_plane() > near_elements;
  const double late = costs.tiled && far
                          ? 30 * static_cast<double>(std::min(source[1], std::int64_t{2 * tallest}) *
                                                     ceil_div(source[2], depthwise_wide<float>))
                          : 0;
  return static_cast<double>(s.batch * s.out_channels * result[0]) *
         (static_cast<double>(share(1)) * static_cast<double>(share(2)) * taps(0) * plane + late);
}

const char* depthwise_why_not(const ConvProblem& problem) {
  const ConvShape& s = problem.shape;
  if (s.in_channels_per_group() != 1) return "for one input channel per group alone";
  if (s.pads_with_input() || (problem.operation != ConvOperation::grad_input && !s.pads_with_zeros()))
    return "for padding with zeros alone";
  return nullptr;
}

const char* depthwise_why_slower(const ConvProblem& problem) {
  const ConvShape& s = problem.shape;
  const bool forward = problem.operation == ConvOperation::forward;
  // On any level as with AVX-512 and for one image: its sums round otherwise, and strict precision promises the same bits
  // on all levels that have fused multiply-adds and for any split of the batch.
  ConvProblem other = problem;
  other.isa = Isa::avx512;
  other.shape.batch = 1;
  if (s.groups > 1) {
    if (!forward || direct_channels_why_not(problem) != nullptr) return nullptr;
    return forward_cycles(other.shape) > direct_channels_cycles(other)
               ? "a group's outputs in the lanes take fewer loads than strided or narrow rows"
               : nullptr;
  }
  if (forward) return s.out_channels > 1 ? "a strip of the one channel serves all outputs" : nullptr;
  if (one_channel_gradient_cycles(other.shape) > im2col_gemm_cycles(other))
    return "one product over all planes takes less than starting on each";
  if (direct_strip_why_not(problem) != nullptr) return nullptr;
  // The gradient in the input runs phase by phase, without a stride; two phases, of few planes, as fast as one product
  // for all of them.
  const std::int64_t stride = std::max(s.stride[1], s.stride[2]);
  if (stride > 1 && (stride > 2 || s.out_channels > 3))
    return "one product for all phases of the stride would take fewer loads";
  // A lone row shares no loads among rows.
  constexpr std::int64_t fewest_products = 32;
  return s.input[0] * s.input[1] == 1 && s.out_channels * s.taps() >= fewest_products
             ? "a strip serves many output channels and taps of a row with fewer loads"
             : nullptr;
}

std::shared_ptr<const ConvAlgorithm> make_depthwise(const ConvProblem& problem) {
  if (problem.dtype == DType::float32) return std::make_shared<Depthwise<float>>(problem);
  return std::make_shared<Depthwise<double>>(problem);
}

}  // namespace convnative
