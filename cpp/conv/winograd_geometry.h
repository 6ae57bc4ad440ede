// Which convolutions of stride 1 without holes a convolution is made of, so that Winograd's tiles serve it.
//
// On one axis, a tile takes every `in_step()`-th element of the source and gives every `out_step()`-th of the result:
//
//                              tile_phases   source_phases   result_phases   taps
//   stride 1, dilation d            d              1               1         kernel
//   stride 2, forward               1              2               1         (kernel + 1) / 2
//   stride 2, grad_input            1              1               2         (kernel + 1) / 2
//
// Dilation: outputs whose coordinates are alike modulo d see elements that are alike modulo d, without holes. A unit
// is d tiles that interleave, or, where no run holds so many, some of them.
//
// Stride 2 forward: even taps meet elements of one parity, odd taps those of the other; the output is the sum of two
// convolutions of stride 1, whose products are added up before the one inverse transform. In grad_input the two
// parities of the result have taps of their own (conv/input_phases.h), over the same transformed source.
//
// A phase with a tap fewer than the other has no product at the last frequency, the point at infinity.
//
// An axis on which the kernel has one tap is not transformed. Nor is the third axis, the depth of volumes: its taps
// are further terms of the sum over the channels.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/checked.h"
#include "conv/algorithm.h"
#include "conv/winograd_kernels.h"

namespace convnative {

constexpr std::int64_t winograd_most_taps = 5;

// Taps of the kernel that a phase has, in the order of the elements that they meet.
struct WinogradPhase {
  std::int64_t taps;
  std::array<std::int64_t, winograd_most_taps> tap;
  std::int64_t result_offset;  // of the first tile's first output; -1 or -2: it lies before the result
};

struct WinogradAxis {
  std::int64_t taps;  // of the phase that has most
  std::int64_t tile_phases = 1, source_phases = 1, result_phases = 1;
  // Of the first tile's first element in the first phase of the source; in the second phase it is the next.
  std::int64_t source_offset;
  std::int64_t least_outputs;  // of a phase: those that tiles have to cover
  std::array<WinogradPhase, 2> phase{};

  // `forward`, else grad_input; a gradient in the weights transforms the input as forward does.
  WinogradAxis(const ConvShape& s, std::size_t axis, bool forward) {
    const std::int64_t kernel = s.kernel[axis], stride = s.stride[axis], dilation = s.dilation[axis];
    const std::int64_t pad = s.pad_before[axis];
    taps = ceil_div(kernel, stride);
    if (stride == 1 && kernel > 1) tile_phases = dilation;
    (forward ? source_phases : result_phases) = stride;
    if (forward) {
      source_offset = -pad;
      for (std::int64_t p = 0; p < stride; ++p) {
        WinogradPhase& own = phase[static_cast<std::size_t>(p)];
        own = {ceil_div(kernel - p, stride), {}, 0};
        for (std::int64_t u = 0; u < own.taps; ++u) own.tap[static_cast<std::size_t>(u)] = p + u * stride;
      }
      least_outputs = s.output[axis];
    } else {
      // Element q of a phase p has the first tap t = (p + pad) mod stride; it meets source element
      // q + (p + pad - t) / stride, tap t + j * stride the j-th before it.
      std::array<std::int64_t, 2> start{};
      for (std::int64_t p = 0; p < stride; ++p) {
        const std::int64_t first = (p + pad) % stride;
        WinogradPhase& own = phase[static_cast<std::size_t>(p)];
        own = {ceil_div(kernel - first, stride), {}, 0};
        for (std::int64_t u = 0; u < own.taps; ++u)
          own.tap[static_cast<std::size_t>(u)] = first + (own.taps - 1 - u) * stride;
        start[static_cast<std::size_t>(p)] = (p + pad - first) / stride - (own.taps - 1) * tile_phases;
      }
      source_offset = *std::min_element(start.begin(), start.begin() + stride);
      least_outputs = 0;
      for (std::int64_t p = 0; p < stride; ++p) {
        const std::int64_t shift = start[static_cast<std::size_t>(p)] - source_offset;
        phase[static_cast<std::size_t>(p)].result_offset = p - shift * stride;
        least_outputs = std::max(least_outputs, ceil_div(s.input[axis] - p, stride) + shift);
      }
    }
  }

  std::int64_t in_step() const { return tile_phases * source_phases; }
  std::int64_t out_step() const { return tile_phases * result_phases; }
  std::int64_t units(int outputs) const { return ceil_div(least_outputs, outputs * tile_phases); }

  // Pairs of a phase and a frequency that have products.
  std::int64_t products(std::int64_t frequencies) const {
    std::int64_t pairs = 0;
    for (std::int64_t p = 0; p < source_phases * result_phases; ++p)
      pairs += frequencies - (at(p).taps < taps ? 1 : 0);
    return pairs;
  }

  const WinogradPhase& at(std::int64_t p) const { return phase[static_cast<std::size_t>(p)]; }
};

// Tiles of planes, numbered in units of `phases` neighbours in one row of tiles; image by image, row by row, and all
// units of some phases of the columns before those of the next ones.
struct WinogradTiles {
  std::int64_t row_phases, column_phases;
  std::int64_t groups, phases;  // of the columns' phases, and in each; the last may have fewer
  std::int64_t rows, columns;   // of tiles; of units of a group
  std::int64_t count;           // units

  template <class T>
  WinogradTiles(std::int64_t images, const WinogradAxis& row, const WinogradAxis& column,
                const WinogradKernels<T>& kernels)
      : row_phases(row.tile_phases),
        column_phases(column.tile_phases),
        groups(ceil_div(column_phases, kernels.most_phases())),
        phases(ceil_div(column_phases, groups)),
        rows(row.units(kernels.row_outputs) * row_phases),
        columns(column.units(kernels.outputs)),
        count(images * rows * groups * columns) {}

  std::int64_t tiles() const { return count * phases; }

  // Neighbouring units of one row of tiles.
  struct Run {
    std::int64_t image;
    std::int64_t row, row_phase;        // of units, and of the tile in it
    std::int64_t column, column_phase;  // of the first unit, and of its first tile
    std::int64_t phases;                // of each unit, that exist
    std::int64_t index;                 // of the first unit in [first, last)
    std::int64_t units;
  };

  // Calls body(Run) for runs of at most `most` that together are units [first, last).
  template <class Body>
  void for_each_run(std::int64_t first, std::int64_t last, std::int64_t most, Body body) const {
    for (std::int64_t unit = first; unit < last;) {
      const std::int64_t column = unit % columns, group = unit / columns % groups,
                         row = unit / columns / groups;
      const std::int64_t units = std::min({columns - column, last - unit, most}), phase = group * phases;
      body(Run{row / rows, row % rows / row_phases, row % rows % row_phases, column, phase,
               std::min(phases, column_phases - phase), unit - first, units});
      unit += units;
    }
  }
};

// Forward or gradient in the input, as the sum of convolutions that the tiles compute.
struct WinogradGeometry {
  bool forward;
  std::int64_t batch, groups;
  std::int64_t in_channels, out_channels;  // per group
  std::int64_t depth, height, width;       // of the source
  std::int64_t out_depth, out_height, out_width;
  WinogradAxis row, column;
  std::int64_t kernel_columns, slice_taps, depth_taps;  // taps of a slice of the kernel, and slices
  std::int64_t weight_in, weight_out, weight_group;     // elements from channel to channel, group to group

  explicit WinogradGeometry(const ConvProblem& problem)
      : forward(problem.operation != ConvOperation::grad_input),
        batch(problem.shape.batch),
        groups(problem.shape.groups),
        row(problem.shape, 1, forward),
        column(problem.shape, 2, forward),
        kernel_columns(problem.shape.kernel[2]),
        slice_taps(problem.shape.kernel[1] * kernel_columns),
        depth_taps(problem.shape.kernel[0]),
        depth_dilation_(problem.shape.dilation[0]),
        depth_pad_(problem.shape.pad_before[0]) {
    const ConvShape& s = problem.shape;
    const std::int64_t inputs = s.in_channels_per_group(), outputs = s.out_channels_per_group();
    in_channels = forward ? inputs : outputs, out_channels = forward ? outputs : inputs;
    const Extents &source = forward ? s.input : s.output, &result = forward ? s.output : s.input;
    depth = source[0], height = source[1], width = source[2];
    out_depth = result[0], out_height = result[1], out_width = result[2];
    weight_in = forward ? s.taps() : inputs * s.taps();
    weight_out = forward ? inputs * s.taps() : s.taps();
    weight_group = outputs * inputs * s.taps();
  }

  // Convolutions that add up to one result. They are numbered by the phases of row and column and the tap in depth.
  std::int64_t terms() const { return row.source_phases * column.source_phases * depth_taps; }
  // Length of the sums over the frequencies.
  std::int64_t sum_channels() const { return terms() * in_channels; }
  std::int64_t result_phases() const { return row.result_phases * column.result_phases; }

  // The slice of the source that a tap meets in a slice of the result; may lie outside.
  std::int64_t slice(std::int64_t out_slice, std::int64_t tap) const {
    return forward ? out_slice - depth_pad_ + tap * depth_dilation_
                   : out_slice + depth_pad_ - tap * depth_dilation_;
  }

  // Products of one pair of channels in a tile.
  std::int64_t products(std::int64_t row_inputs, std::int64_t inputs) const {
    return row.products(row_inputs) * column.products(inputs) * depth_taps;
  }

 private:
  std::int64_t depth_dilation_, depth_pad_;
};

}  // namespace convnative
