// Depthwise convolution, one input channel per group: gradient in the weights.
//
//   grad_weight[k][t] = sum over images, points of grad_output[k][point] * input[k / multiplier][point, t]
//
// Lane l of a vector of sums takes the columns that are l modulo `wide`, whatever vectors the CPU has, so that
// the bits do not depend on them. For each tap the sum runs block by block of rows, in each block column by
// column of vectors and down the rows; blocks are short enough for the roundings of a lane to stay few. The
// lanes are added in float64.
//
//   tasks: output channels x parts of the (image, depth, block of rows) x taps, in parallel
//     for each block: kernels that walk down its rows with as many taps as the registers hold
//   tasks: output channels: parts, in ascending order, to grad_weight
//
// How the blocks are cut and shared out in parts depends on the shape alone.
//
// Lanes behind a row's last column multiply input by zero, and so do rows behind a block's. Where the input is
// not finite there, a tap is NaN that should be none: taps whose sum is not finite are computed again by the
// definition.
#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <numeric>
#include <string>

#include "base/aligned_buffer.h"
#include "base/checked.h"
#include "base/parallel.h"
#include "conv/algorithm.h"
#include "conv/depthwise_kernels.h"
#include "gemm/blocking.h"

namespace convnative {
namespace {

// Columns that are told apart: the lanes of the widest vectors.
template <class T>
constexpr std::int64_t wide = 64 / static_cast<std::int64_t>(sizeof(T));
// Vectors that a lane adds up before its sum joins those of other blocks.
constexpr std::int64_t block_vectors = 256;
// Channels that suffice to keep any number of threads at work; fewer are cut in parts.
constexpr std::int64_t enough_channels = 64;
constexpr std::int64_t most_part_bytes = 1 << 20;
constexpr std::int64_t least_part_macs = 1 << 16;
// Taps whose sums a task holds: 64 KiB.
constexpr std::int64_t most_task_taps = 1024;

template <class T>
class DepthwiseGradWeight final : public ConvAlgorithm {
 public:
  explicit DepthwiseGradWeight(const ConvProblem& problem)
      : shape_(problem.shape), kernels_(depthwise_kernels<T>(problem.isa)), threads_(problem.threads) {
    for (std::size_t axis = 0; axis < max_axes; ++axis) {
      axes_[axis] = {shape_.input[axis], shape_.output[axis], shape_.stride[axis], -shape_.pad_before[axis],
                     shape_.kernel[axis], shape_.dilation[axis], 1, 1};
      if (axes_[axis].points == 1) axes_[axis].step = 1;
      if (axes_[axis].taps == 1) axes_[axis].tap_step = 1;
    }
    axes_[0].pitch = shape_.input[1] * shape_.input[2], axes_[1].pitch = shape_.input[2];
    kind_ = depthwise_columns_kind(axes_[2]);

    // As in the forward: rows that are `shift` apart share what they load, and every `classes`-th tap.
    const DepthwiseAxis& row = axes_[1];
    const std::int64_t common = std::gcd(row.step, row.tap_step), shift = row.tap_step / common;
    const bool chains = row.taps > 1 && row.points > 1 && (shift == 1 || row.points / 4 >= shift);
    row_shift_ = chains ? shift : 1;
    classes_ = chains ? std::min(row.step / common, row.taps) : row.taps;

    const std::int64_t vectors = ceil_div(shape_.output[2], wide<T>);
    block_rows_ = std::clamp<std::int64_t>(block_vectors / vectors, 1, ceil_div(row.points, row_shift_));
    blocks_ = 0;
    const std::int64_t more = row.points % row_shift_, fewest = row.points / row_shift_;
    blocks_ = more * ceil_div(fewest + 1, block_rows_) + (row_shift_ - more) * ceil_div(fewest, block_rows_);
    units_ = shape_.batch * shape_.output[0] * blocks_;

    const std::int64_t taps = shape_.taps(), channels = shape_.out_channels;
    const std::int64_t by_work = std::max<std::int64_t>(shape_.macs() / channels / least_part_macs, 1);
    const std::int64_t by_memory =
        std::max<std::int64_t>(most_part_bytes / (channels * taps * std::int64_t{sizeof(double)}), 1);
    parts_ = units_ == 0 || channels >= enough_channels
                 ? 1
                 : std::min({ceil_div(enough_channels, channels), by_work, by_memory, units_});

    const std::int64_t planes = shape_.kernel[0] * shape_.kernel[1];  // rows of taps
    const std::int64_t unit_macs = std::max<std::int64_t>(shape_.macs() / std::max<std::int64_t>(channels * planes * parts_, 1), 1);
    task_rows_ = std::clamp<std::int64_t>(std::min(most_task_macs / unit_macs, most_task_taps / shape_.kernel[2]), 1, planes);
  }

  const char* name() const override { return "depthwise"; }
  std::string kernel() const override { return kernels_.sums_names[kind_]; }
  std::size_t workspace_bytes() const override { return sums_bytes() * static_cast<std::size_t>(threads_) + parts_bytes(); }

 private:
  static constexpr std::int64_t most_task_macs = 1 << 26;
  ConvShape shape_;
  const DepthwiseKernels<T>& kernels_;
  int threads_;
  std::array<DepthwiseAxis, max_axes> axes_;
  int kind_;
  std::int64_t row_shift_, classes_, block_rows_, blocks_, units_, parts_, task_rows_;
};

}  // namespace
}  // namespace convnative
