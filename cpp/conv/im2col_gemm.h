// The loops of an implicit im2col matrix product over one lattice; forward and grad_input are made of it.
//
//   result[row][point] = start[row] + sum over (channel, tap) of
//                        weight[row][(channel, tap)] * im2col[(channel, tap)][point]
//
//   tasks: group x chunk of panels x part of the rows, in parallel
//     for each block of (channel, tap) rows, KC of them             weights: where they lie, MC x KC in L2
//       for each panel of NR points: pack im2col (KC x NR)          panel: read rows / MR times from L2
//         for each MR rows: micro-kernel
//
// A panel that is a piece of the source, as of 1 x 1 kernels within an image, is read where it lies.
//
// Points are in the lanes, so most tiles are stored straight into N K spatial order. A tile whose points are
// not neighbours in the result (it spans two images, or lies in one phase of a strided gradient) goes through
// a small buffer. Of a strided gradient whose phases have a tap each, rows are (channel, phase): those of neighbouring
// columns are interleaved on their way out of the buffer.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "conv/epilogue.h"
#include "conv/im2col_lattice.h"
#include "convnative/types.h"
#include "gemm/blocking.h"
#include "gemm/kernels.h"

namespace convnative {

// The longest sums of rows that interleave, whose panels still stay in L2 whole.
template <class T>
inline constexpr std::int64_t im2col_most_depth_of_lines = 2 * gemm_blocking<T>().kc;

// The product of one lattice, without its arrays.
struct Im2colGemm {
  Im2colLattice lattice;
  std::int64_t groups;
  std::int64_t rows;      // of the result per group
  std::int64_t channels;  // of the source per group
  // Rows that share rows of the result, element by element: `line` of them follow one another, 1: each has its own.
  std::int64_t line = 1;

  std::int64_t depth() const { return channels * lattice.taps(); }
};

// Where points go in the result: element first + sum over the axes of point * step, in each plane.
struct PointPlacement {
  std::int64_t first;
  std::array<std::int64_t, max_axes> step;
  std::int64_t plane;  // elements from row to row of the result
  std::int64_t image;  // elements from image to image
  // Of rows that interleave: lines share planes too, so many in a slice of it and so many slices; and elements from
  // line to line and from slice to slice.
  std::int64_t lines = 1, slices = 1, line_step = 0, slice_step = 0;

  // Rows of a plane.
  std::int64_t rows(std::int64_t line) const { return line * lines * slices; }
};

template <class T>
struct Im2colGemmArrays {
  const T* source;  // images x (groups * channels) x source plane
  const T* weight;  // (groups * rows) x depth
  const T* start;   // one for each plane of an image's result, or null for 0
  T* result;        // images x (groups * rows) x placement.plane
  bool accumulate;  // on top of what the result holds, in the place of start
  // Finishes complete sums, or null. `conv_arrays`: what it reads and where the result begins.
  const Epilogue<T>* epilogue = nullptr;
  const ConvArrays* conv_arrays = nullptr;
};

// Whether the phases of a gradient in the input are rows of one product that interleave.
template <class T>
bool phases_interleave(const ConvShape& shape, const GemmKernels<T>& kernels) {
  for (std::size_t axis = 0; axis < max_axes; ++axis)
    if (shape.kernel[axis] != shape.stride[axis] || shape.pad_before[axis] != 0 ||
        shape.dilation[axis] != 1 || shape.input[axis] % shape.stride[axis] != 0 ||
        shape.input[axis] / shape.stride[axis] != shape.output[axis])
      return false;
  return shape.stride[2] > 1 && shape.stride[2] <= kernels.max_rows &&
         shape.out_channels_per_group() <= im2col_most_depth_of_lines<T>;
}

template <class T>
std::size_t im2col_gemm_thread_bytes(const Im2colGemm& gemm, const GemmKernels<T>& kernels);

// `workspace`: threads * thread_bytes.
template <class T>
void run_im2col_gemm(const Im2colGemm& gemm, const PointPlacement& placement,
                     const Im2colGemmArrays<T>& arrays, const GemmKernels<T>& kernels, int threads,
                     void* workspace);

}  // namespace convnative
