// Strips: copies of what a block of neighbouring outputs needs of the input, padding included.
//
// The direct convolutions read their input from strips, which stay in L1 or L2 while they are used many times
// over. Every element is copied once, not once per tap. A third axis takes part as more channels: the slices of
// the input that the kernel's depth covers, copied for every slice of the output.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>

#include "base/checked.h"
#include "base/cpu.h"
#include "conv/direct_strip_kernels.h"
#include "conv/im2col_lattice.h"
#include "convnative/shape.h"

namespace convnative {

// One axis of a strip. Tap t of output point p reads coordinate p * stride + t * dilation - pad of the input. Taps
// whose t * dilation are alike modulo the stride share a phase; phase q's element i is coordinate
// i * stride + first(q) - pad.
struct StripAxis {
  std::int64_t input, output, kernel, stride, dilation, pad;
  std::int64_t phases;
  std::int64_t ahead;  // most elements that a tap looks ahead of its point in a phase

  StripAxis(const ConvShape& shape, std::size_t axis)
      : input(shape.input[axis]),
        output(shape.output[axis]),
        kernel(shape.kernel[axis]),
        stride(shape.stride[axis]),
        dilation(shape.dilation[axis]),
        pad(shape.pad_before[axis]),
        phases(std::min(kernel, stride / std::gcd(stride, dilation))),
        ahead((kernel - 1) * dilation / stride) {}

  std::int64_t phase(std::int64_t tap) const { return tap % phases; }
  std::int64_t ahead_of(std::int64_t tap) const { return tap * dilation / stride; }
  std::int64_t at(std::int64_t phase, std::int64_t index) const {
    return index * stride + phase * dilation % stride - pad;
  }
  // How many elements of a phase lie before `coordinate`, counted from `index` on: within [0, count].
  std::int64_t before(std::int64_t phase, std::int64_t coordinate, std::int64_t index,
                      std::int64_t count) const {
    const std::int64_t first = -floor_div(at(phase, 0) - coordinate, stride);
    return std::clamp<std::int64_t>(first - index, 0, count);
  }
};

// Where a strip begins: the first row and column count elements of a phase.
struct StripPlace {
  std::int64_t image, group;
  std::int64_t depth;  // of the output
  std::int64_t row, rows;
  std::int64_t column, columns;
  std::int64_t pitch, plane;             // of the strip: elements from row to row and from slice to slice
  std::int64_t first_channel, channels;  // of the group
};

// Fills strips [row phase][column phase][channel, depth tap][row][column] of the inputs of one convolution.
template <class T>
class StripSource {
 public:
  StripSource(const ConvShape& shape, const StripAxis& rows, const StripAxis& columns,
              const StripKernels<T>& kernels)
      : s_(shape),
        rows_(rows),
        columns_(columns),
        kernels_(kernels),
        far_(shape.input_size() * std::int64_t{sizeof(T)} > (shape.taps() > 1 ? 2 << 20 : far_bytes)) {}

  // In ascending order of addresses: each row that is filled may spoil the first elements of the next, and the
  // last one those behind the strip, `lanes` of them.
  void fill(const StripPlace& place, const T* input, T* strip) const;

 private:
  // What a strip holds of one phase: its elements [top, bottom) x [left, right) are the input's, the rest
  // padding.
  struct PhasePart {
    std::int64_t first_row, rows, top, bottom;  // the first row is a coordinate of the input
    std::int64_t first_column, columns, left, right;
    std::int64_t pitch;
  };

  void fill_plane(const PhasePart& part, const T* source, T* target) const;

  const ConvShape& s_;
  const StripAxis &rows_, &columns_;
  const StripKernels<T>& kernels_;
  // The input. Several taps have the time to hide what requests cost also where L3 holds it.
  bool far_;
};

}  // namespace convnative
