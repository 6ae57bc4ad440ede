// The kernel table of depthwise convolution with channels in the lanes: what the driver calls and the ISA sources
// provide.
//
// A block holds what some results need of up to `lanes` channels, one vector for each place (simd/transposed_planes.h),
// and so do the weights, one for each tap. A tap of a result is then a load and a multiply-add for all the channels,
// whatever the stride:
//
//   result[point] = start +
//       sum over (row tap, column tap) of weight[tap] * source[point * step + first + tap * tap_step]
//
// * Each lane is one chain of fused multiply-adds in that order.
// * What lies outside of the source counts as zero and is not read.
//
// For the gradient in the weights the source's block holds zeros where it pads, and some taps have a vector of sums each
// in registers:
//
//   sums[row tap][column tap] += sum over points of grad_output[point] * source[point * step + tap * tap_step]
//
// * Each lane goes on its chain, down the rows.
#pragma once

#include <cstddef>
#include <cstdint>

#include "conv/depthwise_kernels.h"
#include "convnative/types.h"

namespace convnative {

// Distances of blocks are in vectors. The axes' weight_step, too; their pitch is not used.
template <class T>
struct DepthwiseLanesPart {
  const T* source;  // the place (source_row, source_column)
  std::int64_t source_row, source_column;
  std::ptrdiff_t pitch;  // of the source's rows
  DepthwiseAxis row, column;
  std::int64_t row_begin, row_end, column_begin, column_end;  // points
  const T* weight;                                            // of the first tap
  const T* start;                                             // of every sum; null: what the result holds
  T* result;                                                  // of the point (row_begin, column_begin)
  std::ptrdiff_t result_row, result_column;                   // from point to point
};

// Distances are in vectors.
template <class T>
struct DepthwiseLanesSums {
  const T* grad_output;  // rows x columns, one after the other
  std::int64_t rows, columns;
  const T* source;                           // under the first tap of the first point
  std::ptrdiff_t source_row, source_column;  // from point to point
  std::ptrdiff_t tap_row, tap_column;        // from tap to tap
  T* sums;
  std::ptrdiff_t sums_row;  // from row tap to row tap
};

// Taps that have their sums in registers at once, on any level.
inline constexpr int depthwise_lanes_most_rows = 3, depthwise_lanes_most_columns = 4;

template <class T>
struct DepthwiseLanesKernels {
  const char* name;
  int lanes;
  // Planes of `count` elements, `plane_step` apart, to and from a block, which has room for a multiple of the lanes.
  void (*load)(const T* source, std::ptrdiff_t plane_step, std::int64_t planes, std::int64_t count, T* block);
  void (*store)(const T* block, std::int64_t count, T* result, std::ptrdiff_t plane_step,
                std::int64_t planes);
  void (*fill)(const T* vector, std::int64_t count, T* block);
  void (*add)(const DepthwiseLanesPart<T>&);
  // By row taps - 1 and column taps - 1.
  using Sum = void (*)(const DepthwiseLanesSums<T>&);
  Sum sum[depthwise_lanes_most_rows][depthwise_lanes_most_columns];
  // totals[i] += sums[i] for `count` vectors, and sums[i] = 0.
  void (*total)(T* sums, std::int64_t count, double* totals);
};

template <class T>
const DepthwiseLanesKernels<T>& depthwise_lanes_kernels(Isa isa);

}  // namespace convnative
