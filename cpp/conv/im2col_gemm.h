// The loops of an implicit im2col matrix product over one lattice; forward and grad_input are made of it.
//
//   result[row][point] = start[row] + sum over (channel, tap) of
//                        weight[row][(channel, tap)] * im2col[(channel, tap)][point]
//
//   tasks: group x chunk of panels x part of the rows, in parallel
//     for each block of (channel, tap) rows, KC of them             weights: read where they lie, MC x KC in
//     L2
//       for each panel of NR points: pack im2col (KC x NR)          panel: read rows / MR times from L2; where it
//                                                                   is a piece of the source, there
//         for each MR rows: micro-kernel
//
// Points are in the lanes, so most tiles are stored straight into N K spatial order. A tile whose points are
// not neighbours in the result (it spans two images, or lies in one phase of a strided gradient) goes through
// a small buffer.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "conv/epilogue.h"
#include "conv/im2col_lattice.h"
#include "convnative/types.h"
#include "gemm/kernels.h"

namespace convnative {

// The product of one lattice, without its arrays.
struct Im2colGemm {
  Im2colLattice lattice;
  std::int64_t groups;
  std::int64_t rows;      // of the result per group
  std::int64_t channels;  // of the source per group

  std::int64_t depth() const { return channels * lattice.taps(); }
};

// Where points go in the result: element first + sum over the axes of point * step, in each plane.
struct PointPlacement {
  std::int64_t first;
  std::array<std::int64_t, max_axes> step;
  std::int64_t plane;  // elements from row to row of the result
  std::int64_t image;  // elements from image to image
};

template <class T>
struct Im2colGemmArrays {
  const T* source;  // images x (groups * channels) x source plane
  const T* weight;  // (groups * rows) x depth
  const T* start;   // groups * rows, or null for 0
  T* result;        // images x (groups * rows) x placement.plane
  bool accumulate;  // on top of what the result holds, in the place of start
  // Finishes complete sums, or null. `conv_arrays`: what it reads and where the result begins.
  const Epilogue<T>* epilogue = nullptr;
  const ConvArrays* conv_arrays = nullptr;
};

template <class T>
std::size_t im2col_gemm_thread_bytes(const Im2colGemm& gemm, const GemmKernels<T>& kernels);

// `workspace`: threads * thread_bytes.
template <class T>
void run_im2col_gemm(const Im2colGemm& gemm, const PointPlacement& placement,
                     const Im2colGemmArrays<T>& arrays, const GemmKernels<T>& kernels, int threads,
                     void* workspace);

}  // namespace convnative
