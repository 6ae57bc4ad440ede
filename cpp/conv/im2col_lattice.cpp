#include "conv/im2col_lattice.h"

#include <algorithm>
#include <bit>

#include "base/aligned_buffer.h"
#include "base/checked.h"

namespace convnative {

std::int64_t repeated_element(PaddingMode mode, std::int64_t coordinate, std::int64_t source) {
  if (coordinate >= 0 && coordinate < source) return coordinate;
  const bool before = coordinate < 0;
  switch (mode) {
    case PaddingMode::reflect:
      return (before ? 0 : 2 * (source - 1)) - coordinate;
    case PaddingMode::symmetric:
      return (before ? -1 : 2 * source - 1) - coordinate;
    case PaddingMode::circular:
      return coordinate + (before ? source : -source);
    case PaddingMode::replicate:
    case PaddingMode::constant:
      break;
  }
  return before ? 0 : source - 1;
}

Im2colLattice input_lattice(const ConvShape& shape) {
  Im2colLattice lattice;
  for (std::size_t axis = 0; axis < max_axes; ++axis)
    lattice.axes[axis] = {shape.input[axis],       shape.output[axis], shape.stride[axis],
                          -shape.pad_before[axis], shape.kernel[axis], shape.dilation[axis]};
  lattice.images = shape.batch;
  lattice.image_stride = shape.in_channels * shape.input_plane();
  lattice.padding_mode = shape.padding_mode;
  lattice.padding_value = shape.padding_value;
  return lattice;
}

Im2colBlocks::Im2colBlocks(std::int64_t channels, std::int64_t taps, std::int64_t most)
    : channels_(channels), taps_(taps) {
  channel_parts_ = ceil_div(channels, std::max<std::int64_t>(most / taps, 1));
  tap_parts_ = ceil_div(taps, most);
  max_taps_ = std::min(taps, most);
  max_rows_ = std::min(channels * max_taps_, most);
}

Im2colBlock Im2colBlocks::operator[](std::int64_t index) const {
  const std::int64_t channel_part = index / tap_parts_, tap_part = index % tap_parts_;
  const std::int64_t channel = channel_part * channels_ / channel_parts_;
  const std::int64_t tap = tap_part * taps_ / tap_parts_;
  return {channel, (channel_part + 1) * channels_ / channel_parts_ - channel, tap,
          (tap_part + 1) * taps_ / tap_parts_ - tap};
}

// Where the points lie further apart than the source is wide, no two lanes of a row can both be inside: each
// lane is a run of its own, and addresses stay within reach of the source however large the step is.
bool Im2colRuns::single_lane_runs(const Im2colLattice& lattice) {
  return lattice.axes[2].step >= lattice.axes[2].source;
}

std::int64_t Im2colRuns::max_runs_per_vector(const Im2colLattice& lattice, int lanes) {
  // Lanes that padding repeats are runs of their own.
  if (single_lane_runs(lattice) || lattice.padding_mode != PaddingMode::constant) return lanes;
  // A vector may begin and end in the middle of a row of the grid.
  return std::min<std::int64_t>((lanes - 2 + lattice.axes[2].grid) / lattice.axes[2].grid + 1, lanes);
}

std::size_t Im2colRuns::bytes(const Im2colLattice& lattice, int lanes, std::int64_t points,
                              std::int64_t taps) {
  const auto vectors = static_cast<std::size_t>(ceil_div(points, lanes));
  const auto runs = vectors * static_cast<std::size_t>(max_runs_per_vector(lattice, lanes));
  return round_up_to_line(vectors * sizeof(int)) + round_up_to_line(runs * sizeof(GridRun)) +
         round_up_to_line(runs * static_cast<std::size_t>(taps) * sizeof(Im2colRun));
}

Im2colRuns::Im2colRuns(const Im2colLattice& lattice, int lanes, std::int64_t points, void* memory)
    : lattice_(lattice),
      lanes_(lanes),
      max_run_length_(single_lane_runs(lattice) ? 1 : lanes),
      step_(single_lane_runs(lattice) ? 1 : lattice.axes[2].step) {
  const auto vectors = static_cast<std::size_t>(ceil_div(points, lanes));
  const auto runs = vectors * static_cast<std::size_t>(max_runs_per_vector(lattice, lanes));
  char* next = static_cast<char*>(memory);
  runs_per_vector_ = reinterpret_cast<int*>(next);
  next += round_up_to_line(vectors * sizeof(int));
  grid_runs_ = reinterpret_cast<GridRun*>(next);
  next += round_up_to_line(runs * sizeof(GridRun));
  runs_ = reinterpret_cast<Im2colRun*>(next);
}

// Fills grid_runs_ and runs_per_vector_; returns the number of runs.
std::int64_t Im2colRuns::cut_into_rows(std::int64_t first_point, std::int64_t points) {
  const auto& [depth_axis, row_axis, column_axis] = lattice_.axes;
  std::int64_t column = first_point % column_axis.grid;
  std::int64_t row = first_point / column_axis.grid % row_axis.grid;
  std::int64_t depth = first_point / column_axis.grid / row_axis.grid % depth_axis.grid;
  std::int64_t image = first_point / lattice_.grid_plane();
  std::int64_t count = 0;
  for (std::int64_t vector = 0; points > 0; ++vector) {
    const std::int64_t before = count;
    for (std::int64_t lane = 0; lane < lanes_ && points > 0;) {
      const std::int64_t length =
          std::min({lanes_ - lane, column_axis.grid - column, points, max_run_length_});
      grid_runs_[count++] = {image, depth, row, column, lane, length, 1};
      lane += length;
      points -= length;
      column += length;
      if (column == column_axis.grid) {
        column = 0;
        if (++row == row_axis.grid) {
          row = 0;
          if (++depth == depth_axis.grid) {
            depth = 0;
            ++image;
          }
        }
      }
    }
    runs_per_vector_[vector] = static_cast<int>(count - before);
  }
  return count;
}

// Lanes of a run whose source column lies inside the source; `column` is that of the run's first lane.
std::uint32_t Im2colRuns::inner_lanes(const GridRun& run, std::int64_t column) const {
  const std::int64_t source = lattice_.axes[2].source;
  if (column >= source) return 0;
  const std::int64_t begin = column >= 0 ? 0 : (-column - 1) / step_ + 1;
  const std::int64_t end = std::min(run.length, (source - 1 - column) / step_ + 1);
  if (begin >= end) return 0;
  return static_cast<std::uint32_t>(((std::uint64_t{1} << (end - begin)) - 1) << (run.lane + begin));
}

void Im2colRuns::build(std::int64_t first_point, std::int64_t points, std::int64_t tap, std::int64_t taps) {
  const std::int64_t count = cut_into_rows(first_point, points);
  if (lattice_.padding_mode == PaddingMode::constant)
    build_without_border(count, tap, taps);
  else
    build_with_border(count, tap, taps);
}

// Lanes beside the source are in no run.
void Im2colRuns::build_without_border(std::int64_t count, std::int64_t tap, std::int64_t taps) {
  const auto& [depth_axis, row_axis, column_axis] = lattice_.axes;
  Im2colRun* next = runs_;
  for (std::int64_t t = tap; t < tap + taps; ++t) {
    const std::int64_t column_tap = t % column_axis.taps;
    const std::int64_t row_tap = t / column_axis.taps % row_axis.taps;
    const std::int64_t depth_tap = t / column_axis.taps / row_axis.taps;
    for (std::int64_t i = 0; i < count; ++i) {
      const GridRun& run = grid_runs_[i];
      const std::int64_t depth = depth_axis.at(run.depth, depth_tap);
      const std::int64_t row = row_axis.at(run.row, row_tap);
      const std::int64_t column = column_axis.at(run.column, column_tap);
      const bool inside = depth >= 0 && depth < depth_axis.source && row >= 0 && row < row_axis.source;
      const std::uint32_t lanes = inside ? inner_lanes(run, column) : 0;
      // The place of a lane 0 that may not exist: lane l reads source + l * step.
      const std::int64_t source = lanes == 0 ? 0
                                             : run.image * lattice_.image_stride +
                                                   (depth * row_axis.source + row) * column_axis.source +
                                                   column - run.lane * step_;
      *next++ = {source, lanes};
    }
  }
}

// Lanes beside the source are runs of one lane.
void Im2colRuns::build_with_border(std::int64_t count, std::int64_t tap, std::int64_t taps) {
  const auto& [depth_axis, row_axis, column_axis] = lattice_.axes;
  const PaddingMode mode = lattice_.padding_mode;
  count_pieces(count, tap, taps);
  Im2colRun* next = runs_;
  for (std::int64_t t = tap; t < tap + taps; ++t) {
    const std::int64_t column_tap = t % column_axis.taps;
    const std::int64_t row_tap = t / column_axis.taps % row_axis.taps;
    const std::int64_t depth_tap = t / column_axis.taps / row_axis.taps;
    for (std::int64_t i = 0; i < count; ++i) {
      const GridRun& run = grid_runs_[i];
      const std::int64_t depth =
          repeated_element(mode, depth_axis.at(run.depth, depth_tap), depth_axis.source);
      const std::int64_t row = repeated_element(mode, row_axis.at(run.row, row_tap), row_axis.source);
      const std::int64_t line =
          run.image * lattice_.image_stride + (depth * row_axis.source + row) * column_axis.source;
      const std::int64_t column = column_axis.at(run.column, column_tap);
      const std::uint32_t inner = inner_lanes(run, column);
      Im2colRun* const end = next + run.pieces;
      if (inner != 0) *next++ = {line + column - run.lane * step_, inner};
      for (std::int64_t l = 0; l < run.length; ++l) {
        const std::int64_t lane = run.lane + l;
        if ((inner >> lane & 1) != 0) continue;
        *next++ = {line + repeated_element(mode, column + l * step_, column_axis.source) - lane * step_,
                   std::uint32_t{1} << lane};
      }
      std::fill(next, end, Im2colRun{0, 0});
      next = end;
    }
  }
}

// Every tap gets as many places in the table as the one that needs most, so that the table stays regular.
void Im2colRuns::count_pieces(std::int64_t count, std::int64_t tap, std::int64_t taps) {
  const Im2colLattice::Axis& axis = lattice_.axes[2];
  const std::int64_t column_taps = std::min(taps, axis.taps);
  const GridRun* const end = grid_runs_ + count;
  int* runs_in_vector = runs_per_vector_;
  for (GridRun* run = grid_runs_; run != end; ++runs_in_vector) {
    std::int64_t pieces = 0;
    for (GridRun* const next = run + *runs_in_vector; run != next; ++run) {
      run->pieces = 1;
      for (std::int64_t t = tap; t < tap + column_taps; ++t) {
        const std::uint32_t inner = inner_lanes(*run, axis.at(run->column, t % axis.taps));
        run->pieces = std::max(run->pieces, run->length - std::popcount(inner) + (inner != 0 ? 1 : 0));
      }
      pieces += run->pieces;
    }
    *runs_in_vector = static_cast<int>(pieces);
  }
}

}  // namespace convnative
