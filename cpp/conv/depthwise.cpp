// Depthwise convolution, one input channel per group: forward and gradient in the input.
//
// Both are correlations of planes (conv/depthwise_kernels.h). The forward takes each result plane from one
// plane of the input; the gradient in the input sums over the outputs that the channel feeds, with the taps in
// reverse, phase by phase (conv/input_phases.h).
//
//   tasks: result planes x depths x tiles of rows x blocks of columns, in parallel
//     for each vector of columns: a tile, from the source to the result
//
// Nothing is copied, packed or padded: the workspace is empty and the weights are read as they lie.
#include <algorithm>
#include <array>
#include <memory>
#include <numeric>
#include <string>

#include "base/checked.h"
#include "base/parallel.h"
#include "conv/algorithm.h"
#include "conv/depthwise_kernels.h"
#include "conv/input_phases.h"

namespace convnative {
namespace {

constexpr int tallest = depthwise_tile_rows[0];
constexpr std::int64_t most_lanes = 16;
// Multiply-adds that a task has at the least and at the most: taking it from the queue costs nothing, and an
// interrupt is served in time.
constexpr std::int64_t least_task_macs = 1 << 16;
constexpr std::int64_t most_task_macs = 1 << 24;

// One axis of a lattice: where its points and taps lie in source, weight and result.
struct Axis {
  DepthwiseAxis source;
  std::int64_t weight_first;                 // tap 0 in the weights
  std::int64_t result_first, result_step;    // in places of the result's axis
};

// Irrelevant distances may be as large as they like; they become 1.
Axis normalized(Axis axis) {
  if (axis.source.points == 1) axis.source.step = axis.result_step = 1;
  if (axis.source.taps == 1) axis.source.tap_step = 1;
  return axis;
}

Axis forward_axis(const ConvShape& s, std::size_t axis) {
  return normalized({{s.input[axis], s.output[axis], s.stride[axis], -s.pad_before[axis], s.kernel[axis],
                      s.dilation[axis], 0, 1},
                     0,
                     0,
                     1});
}

// The taps in reverse, so that they rise in the source.
Axis phase_axis(const ConvShape& s, std::size_t axis, const AxisPhase& p) {
  const std::int64_t stride = s.stride[axis], dilation = s.dilation[axis];
  const std::int64_t tap_step = p.taps == 1 ? 1 : p.step * dilation / stride;
  const std::int64_t first = (p.coordinate + s.pad_before[axis] - p.first * dilation) / stride;
  return normalized({{s.output[axis], p.points, 1, first - (p.taps - 1) * tap_step, p.taps, tap_step, 0, -p.step},
                     p.first + (p.taps - 1) * p.step,
                     p.coordinate,
                     stride});
}

// Points of one axis cut into tiles of the two heights; the last tile reaches back where it can.
struct RowTile {
  std::int64_t first;
  int height;               // index in depthwise_tile_rows
  std::int64_t begin, end;  // of the accumulators that are this tile's own
};

std::int64_t tiles_of(std::int64_t points) {
  return ceil_div(points, tallest);
}

RowTile row_tile(std::int64_t points, std::int64_t index) {
  const std::int64_t own = index * tallest, left = points - own;
  if (left >= tallest) return {own, 0, 0, tallest};
  const int height = left <= depthwise_tile_rows[1] ? 1 : 0;
  const std::int64_t first = std::max<std::int64_t>(0, points - depthwise_tile_rows[height]);
  return {first, height, own - first, points - first};
}

template <class T>
class Depthwise final : public ConvAlgorithm {
 public:
  explicit Depthwise(const ConvProblem& problem)
      : shape_(problem.shape),
        forward_(problem.operation == ConvOperation::forward),
        kernels_(depthwise_kernels<T>(problem.isa)),
        threads_(problem.threads),
        multiplier_(shape_.out_channels_per_group()) {}

  const char* name() const override { return "depthwise"; }
  std::string kernel() const override {
    DepthwiseAxis column{};
    column.step = forward_ ? shape_.stride[2] : 1;
    column.tap_step = shape_.dilation[2];
    return kernels_.tiles[depthwise_columns_kind(column)].name;
  }

  void run(const ConvArrays& arrays, const void* /*packed*/, void* /*workspace*/) const override {
    if (forward_) {
      run_lattice(arrays, {forward_axis(shape_, 0), forward_axis(shape_, 1), forward_axis(shape_, 2)});
      return;
    }
    const auto phases = [&](std::size_t axis) { return AxisPhases(shape_, axis, shape_.pad_before[axis], shape_.input[axis]); };
    const AxisPhases depths = phases(0), rows = phases(1), columns = phases(2);
    if (!depths.cover_all_inputs() || !rows.cover_all_inputs() || !columns.cover_all_inputs()) fill(arrays);
    depths.for_each([&](const AxisPhase& depth) {
      rows.for_each([&](const AxisPhase& row) {
        if (shape_.stride[2] == 2 && columns.count() == 2) {
          std::array<Axis, 2> pair;
          columns.for_each([&](const AxisPhase& column) {
            pair[static_cast<std::size_t>(column.coordinate)] = phase_axis(shape_, 2, column);
          });
          run_lattice(arrays, {phase_axis(shape_, 0, depth), phase_axis(shape_, 1, row), pair[0]}, &pair[1]);
          return;
        }
        columns.for_each([&](const AxisPhase& column) {
          run_lattice(arrays, {phase_axis(shape_, 0, depth), phase_axis(shape_, 1, row),
                               phase_axis(shape_, 2, column)});
        });
      });
    });
  }

 private:
  // Everything that the tasks of a lattice share. The geometry's source, weight and start are each plane's.
  struct Lattice {
    DepthwisePlane<T> plane, odd;  // odd: of the columns in between, where there are any
    bool has_odd;
    bool along_columns;                              // accumulators are neighbours in a row
    std::int64_t row_shift;                          // points from accumulator to accumulator
    std::int64_t long_residues, tiles, short_tiles;  // of points alike modulo row_shift
    std::int64_t depth_units, column_block, units;
    const DepthwiseTileKernel<T>*kernel, *odd_kernel;
    std::ptrdiff_t result_first;
    std::array<std::ptrdiff_t, max_axes> result_step;
    const T* weight;
    const T* odd_weight;
  };

  void fill(const ConvArrays& arrays) const {
    auto* const result = static_cast<T*>(arrays.result);
    const auto* const bias = static_cast<const T*>(arrays.bias);
    parallel_for(shape_.batch * shape_.in_channels, threads_, [&](std::int64_t plane, int) {
      const T start = bias == nullptr ? T{0} : bias[plane % shape_.in_channels];
      std::fill_n(result + plane * shape_.input_plane(), shape_.input_plane(), start);
    });
  }

  DepthwisePlane<T> geometry(const std::array<Axis, max_axes>& axes) const {
    const Extents& extents = forward_ ? shape_.input : shape_.output;
    DepthwisePlane<T> plane{};
    plane.depth = axes[0].source, plane.row = axes[1].source, plane.column = axes[2].source;
    plane.depth.pitch = extents[1] * extents[2], plane.row.pitch = extents[2], plane.column.pitch = 1;
    plane.row.weight_step *= shape_.kernel[2];
    plane.depth.weight_step *= shape_.kernel[1] * shape_.kernel[2];
    plane.planes = forward_ ? 1 : multiplier_;
    plane.source_plane = volume(extents);
    plane.weight_plane = shape_.taps();
    return plane;
  }

  static std::ptrdiff_t weight_offset(const ConvShape& s, const std::array<Axis, max_axes>& axes) {
    return (axes[0].weight_first * s.kernel[1] + axes[1].weight_first) * s.kernel[2] + axes[2].weight_first;
  }

  void run_lattice(const ConvArrays& arrays, std::array<Axis, max_axes> axes, const Axis* odd = nullptr) const {
    Lattice lattice{};
    DepthwisePlane<T>& p = lattice.plane;
    p = geometry(axes);
    if (shape_.batch == 0 || p.depth.points == 0 || p.row.points == 0 || p.column.points == 0) return;

    const auto* const weight = static_cast<const T*>(arrays.weight);
    lattice.weight = weight + weight_offset(shape_, axes);
    lattice.kernel = &kernels_.tiles[depthwise_columns_kind(p.column)];

    // Chains, as depthwise_kernels.h says; where so few points are alike that tiles would stay empty, each tap
    // is a chain of its own. This fixes the order of the sums and looks at the shape alone.
    const std::int64_t common = std::gcd(p.row.step, p.row.tap_step);
    lattice.row_shift = p.row.tap_step / common;
    const bool chains = p.row.taps > 1 && p.row.points > 1 &&
                        (lattice.row_shift == 1 || p.row.points / 4 >= lattice.row_shift);
    if (!chains) lattice.row_shift = 1;
    const auto set_chains = [&](DepthwisePlane<T>& plane) {
      plane.classes = chains ? std::min(plane.row.step / common, plane.row.taps) : plane.row.taps;
      plane.chain_taps = ceil_div(plane.row.taps, plane.classes);
      plane.longer_classes = plane.row.taps - (plane.chain_taps - 1) * plane.classes;
      plane.chain_step = lattice.row_shift * plane.row.step;
      plane.chain_pitch = plane.chain_step * plane.row.pitch;
    };
    set_chains(p);
    lattice.along_columns = p.row.points == 1 && p.column.step <= 2 && lattice.kernel->full[0] != nullptr;
    if (lattice.along_columns) p.chain_pitch = kernels_.lanes * p.column.step;

    const Extents& result = forward_ ? shape_.output : shape_.input;
    const std::array<std::ptrdiff_t, max_axes> pitch{result[1] * result[2], result[2], 1};
    for (std::size_t axis = 0; axis < max_axes; ++axis) {
      lattice.result_first += axes[axis].result_first * pitch[axis];
      lattice.result_step[axis] = axes[axis].result_step * pitch[axis];
    }

    lattice.has_odd = odd != nullptr && odd->source.points > 0;
    if (odd != nullptr) lattice.result_step[2] = 2;
    if (lattice.has_odd) {
      axes[2] = *odd;
      lattice.odd = geometry(axes);
      set_chains(lattice.odd);
      lattice.odd_weight = weight + weight_offset(shape_, axes);
      lattice.odd_kernel = &kernels_.tiles[depthwise_columns_kind(lattice.odd.column)];
      lattice.along_columns = false;
    }

    lattice.long_residues = p.row.points % lattice.row_shift;
    lattice.short_tiles = tiles_of(p.row.points / lattice.row_shift);
    lattice.tiles = tiles_of(ceil_div(p.row.points, lattice.row_shift));
    lattice.depth_units = lattice.long_residues * lattice.tiles +
                          (lattice.row_shift - lattice.long_residues) * lattice.short_tiles;
    const std::int64_t column_macs = shape_.taps() * p.planes * std::min<std::int64_t>(tallest, p.row.points);
    const std::int64_t step = tallest * most_lanes;
    lattice.column_block = ceil_div(std::max<std::int64_t>(least_task_macs / column_macs, 1), step) * step;
    const std::int64_t blocks = ceil_div(p.column.points, lattice.column_block);
    lattice.units = p.depth.points * lattice.depth_units * blocks;

    const std::int64_t planes = shape_.batch * (forward_ ? shape_.out_channels : shape_.in_channels);
    const std::int64_t unit_macs = std::min(lattice.column_block, p.column.points) * column_macs;
    const std::int64_t total = planes * lattice.units;
    const std::int64_t per_task =
        std::clamp(total / (8 * threads_), ceil_div(least_task_macs, unit_macs),
                   std::max(most_task_macs / unit_macs, ceil_div(least_task_macs, unit_macs)));
    parallel_for(ceil_div(total, per_task), threads_, [&](std::int64_t task, int) {
      const std::int64_t last = std::min(total, (task + 1) * per_task);
      for (std::int64_t unit = task * per_task; unit < last;) {
        const std::int64_t plane = unit / lattice.units, first = unit - plane * lattice.units;
        const std::int64_t count = std::min(lattice.units - first, last - unit);
        run_plane(arrays, lattice, plane, first, first + count);
        unit += count;
      }
    });
  }

  // Units [first, last) of one plane of results.
  void run_plane(const ConvArrays& arrays, const Lattice& lattice, std::int64_t index, std::int64_t first,
                 std::int64_t last) const {
    const std::int64_t channels = forward_ ? shape_.out_channels : shape_.in_channels;
    const std::int64_t channel = index % channels;
    const std::int64_t source = forward_ ? index / multiplier_ : index * multiplier_;
    DepthwisePlane<T> plane = lattice.plane, odd = lattice.odd;
    plane.source = static_cast<const T*>(forward_ ? arrays.input : arrays.grad_output) + source * plane.source_plane;
    const std::ptrdiff_t channel_weight = channel * plane.planes * plane.weight_plane;
    plane.weight = lattice.weight + channel_weight;
    plane.start = arrays.bias == nullptr ? T{0} : static_cast<const T*>(arrays.bias)[channel];
    if (lattice.has_odd) {
      odd.source = plane.source;
      odd.weight = lattice.odd_weight + channel_weight;
      odd.start = plane.start;
    }
    T* const result = static_cast<T*>(arrays.result) +
                      index * (forward_ ? shape_.output_plane() : shape_.input_plane()) + lattice.result_first;

    for (std::int64_t unit = first; unit < last; ++unit) {
      const std::int64_t blocks = ceil_div(plane.column.points, lattice.column_block);
      const std::int64_t block = unit % blocks;
      const std::int64_t row_unit = unit / blocks % lattice.depth_units;
      const std::int64_t depth = unit / blocks / lattice.depth_units;
      // Residues with one more point come first.
      const std::int64_t long_units = lattice.long_residues * lattice.tiles;
      const bool is_long = row_unit < long_units;
      const std::int64_t tiles = is_long ? lattice.tiles : lattice.short_tiles;
      const std::int64_t within = is_long ? row_unit : row_unit - long_units;
      const std::int64_t residue = within / tiles + (is_long ? 0 : lattice.long_residues);
      const std::int64_t points = (plane.row.points - residue - 1) / lattice.row_shift + 1;
      const RowTile tile = row_tile(points, within % tiles);
      const std::int64_t row = residue + tile.first * lattice.row_shift;
      T* const target = result + depth * lattice.result_step[0] + row * lattice.result_step[1];
      const std::int64_t begin = block * lattice.column_block;
      const std::int64_t end = std::min(begin + lattice.column_block, plane.column.points);
      const DepthwiseTile<T> corner{plane.depth.at(depth), plane.row.at(row), 0, target,
                                    lattice.row_shift * lattice.result_step[1], tile.begin, tile.end, 0};
      const std::int64_t rows = depthwise_tile_rows[tile.height];
      const bool rows_inside =
          lattice.kernel->full[0] != nullptr &&
          plane.depth.inside(corner.depth, 0) &&
          (lattice.along_columns ? plane.row.inside(corner.row, 0)
                                 : points >= rows && plane.row.inside(corner.row, (rows - 1) * plane.chain_step));
      if (lattice.result_step[2] == 1)
        run_row(lattice, plane, corner, tile.height, rows_inside, begin, end);
      else
        run_spread_row(lattice, plane, odd, corner, tile.height, rows_inside, begin, end);
    }
  }

  // Whether every element that a full tile of `vectors` neighbouring vectors reads lies in the row.
  bool columns_inside(const DepthwisePlane<T>& plane, std::int64_t at, std::int64_t vectors) const {
    const DepthwiseAxis& column = plane.column;
    // Neighbouring taps are loaded in pairs where the step is 2.
    const std::int64_t more = column.step == 2 ? column.taps % 2 : 0;
    return column.inside(at, (vectors * kernels_.lanes - 1) * column.step + more);
  }

  void run_row(const Lattice& lattice, const DepthwisePlane<T>& plane, DepthwiseTile<T> tile, int height,
               bool rows_inside, std::int64_t begin, std::int64_t end) const {
    const std::int64_t lanes = kernels_.lanes;
    T* const row = tile.result;
    const std::ptrdiff_t result_step = tile.result_step;
    for (std::int64_t x = begin; x < end;) {
      tile.column = plane.column.at(x);
      tile.result = row + x;
      if (lattice.along_columns && rows_inside) {
        int tall = 0;
        for (; tall < depthwise_tile_heights; ++tall) {
          const std::int64_t vectors = depthwise_tile_rows[tall];
          if (end - x < vectors * lanes || !columns_inside(plane, tile.column, vectors)) continue;
          tile.columns = lanes;
          tile.result_step = lanes;
          tile.row_begin = 0, tile.row_end = vectors;
          lattice.kernel->full[tall](plane, tile);
          x += vectors * lanes;
          break;
        }
        if (tall < depthwise_tile_heights) continue;
        tile.result_step = result_step;
        tile.row_begin = 0, tile.row_end = 1;
      }
      tile.columns = std::min(lanes, end - x);
      const bool full = rows_inside && !lattice.along_columns && tile.columns == lanes && columns_inside(plane, tile.column, 1);
      (full ? lattice.kernel->full : lattice.kernel->partial)[height](plane, tile);
      x += tile.columns;
    }
  }

  // Results that are not neighbours: by way of a buffer, in pairs where the columns in between are computed too.
  void run_spread_row(const Lattice& lattice, const DepthwisePlane<T>& plane, const DepthwisePlane<T>& odd,
                      const DepthwiseTile<T>& corner, int height, bool rows_inside, std::int64_t begin,
                      std::int64_t end) const {
    alignas(64) T buffers[2][tallest * most_lanes];
    const std::int64_t lanes = kernels_.lanes, step = lattice.result_step[2];
    const auto compute = [&](const DepthwisePlane<T>& p, const DepthwiseTileKernel<T>& kernel, std::int64_t x,
                             std::int64_t columns, T* buffer) {
      DepthwiseTile<T> tile = corner;
      tile.column = p.column.at(x);
      tile.columns = columns;
      tile.result = buffer;
      tile.result_step = lanes;
      const bool full = rows_inside && kernel.full[0] != nullptr && columns == lanes && columns_inside(p, tile.column, 1);
      (full ? kernel.full : kernel.partial)[height](p, tile);
    };
    for (std::int64_t x = begin; x < end; x += lanes) {
      const std::int64_t columns = std::min(lanes, end - x);
      compute(plane, *lattice.kernel, x, columns, buffers[0]);
      const std::int64_t odd_columns = lattice.has_odd ? std::min(lanes, odd.column.points - x) : 0;
      if (odd_columns > 0) compute(odd, *lattice.odd_kernel, x, odd_columns, buffers[1]);
      for (std::int64_t i = corner.row_begin; i < corner.row_end; ++i) {
        T* const target = corner.result + i * corner.result_step + x * step;
        const T* const values = buffers[0] + i * lanes;
        if (odd_columns > 0)
          kernels_.interleave(values, buffers[1] + i * lanes, columns + odd_columns, target);
        else
          for (std::int64_t j = 0; j < columns; ++j) target[j * step] = values[j];
      }
    }
  }

  ConvShape shape_;
  bool forward_;
  const DepthwiseKernels<T>& kernels_;
  int threads_;
  std::int64_t multiplier_;
};

}  // namespace

const char* depthwise_why_not(const ConvProblem& problem) {
  const ConvShape& s = problem.shape;
  if (s.in_channels_per_group() != 1) return "for one input channel per group alone";
  if (s.pads_with_input() || (problem.operation != ConvOperation::grad_input && !s.pads_with_zeros()))
    return "for padding with zeros alone";
  return nullptr;
}

std::shared_ptr<const ConvAlgorithm> make_depthwise(const ConvProblem& problem) {
  if (problem.dtype == DType::float32) return std::make_shared<Depthwise<float>>(problem);
  return std::make_shared<Depthwise<double>>(problem);
}

}  // namespace convnative
