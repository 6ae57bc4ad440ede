// The gradient in the weights of depthwise convolution with channels in the lanes; any number of outputs per channel.
//
//   grad_weight[c][j][tap] = sum over images, points of grad_output[c][j][point] * input[c][point, tap]
//
// Planes are transposed as in the forward (conv/depthwise_lanes.cpp), what the input pads as zeros, so that no tap looks
// for an edge: a point takes one load for itself and one for each tap, at any stride and dilation.
//
//   tasks: block of channels x part of the (image, depth, block of rows, block of columns), in parallel
//     for each block and each tap in depth: transpose the input                                         block: L2
//       for each output of a channel: transpose grad_output                                             block: L2
//         for some rows, for some taps: add to their sums in registers
//   tasks: blocks of weights: the parts, in ascending order, to grad_weight
//
// A lane adds up to most_chain points, whatever blocks they lie in; then its sum joins the others in float64. Blocks,
// parts and where chains end depend on the shape alone.
#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <string>
#include <type_traits>

#include "base/aligned_buffer.h"
#include "base/checked.h"
#include "base/parallel.h"
#include "conv/algorithm.h"
#include "conv/depthwise_axis.h"
#include "conv/depthwise_lanes_kernels.h"

namespace convnative {
namespace {

constexpr std::int64_t most_block_vectors = 3072;  // of the input
constexpr std::int64_t most_chain = 256;
constexpr std::int64_t most_weight_vectors = 1024;  // of the weights of a block of channels
// Tasks that suffice to keep any number of threads at work, and what one is worth in multiply-adds of vectors.
constexpr std::int64_t enough_tasks = 64, least_part_work = 1 << 12;
constexpr std::int64_t most_part_bytes = 1 << 20;
constexpr std::int64_t square_cycles = 4;  // of transposing a vector; moving it takes one

// How points are cut into blocks: as many whole rows as fit, else pieces of a row.
struct SumsBlocks {
  std::array<DepthwiseAxis, max_axes> axes;
  std::int64_t rows = 0, columns = 0;
  bool fits = false;

  explicit SumsBlocks(const ConvShape& s) {
    for (std::size_t axis = 0; axis < max_axes; ++axis) axes[axis] = forward_axis(s, axis).source;
    if (s.output_size() == 0) return;
    columns = ceil_div(axes[2].points, ceil_div(axes[2].points, most_chain));
    while (places(1, 1) > most_block_vectors / places(2, columns) && columns > 1)
      columns = ceil_div(columns, 2);
    const std::int64_t most_rows = most_block_vectors / places(2, columns);
    fits = places(1, 1) <= most_rows;
    if (!fits) return;
    rows = 1;
    if (axes[1].points > 1) rows = std::min((most_rows - places(1, 1)) / axes[1].step + 1, axes[1].points);
    rows = ceil_div(axes[1].points, ceil_div(axes[1].points, rows));
  }
  // Of the source, that `points` neighbouring ones need.
  std::int64_t places(std::size_t axis, std::int64_t points) const {
    return (points - 1) * axes[axis].step + (axes[axis].taps - 1) * axes[axis].tap_step + 1;
  }
};

template <class T>
class DepthwiseLanesGradWeight final : public ConvAlgorithm {
 public:
  explicit DepthwiseLanesGradWeight(const ConvProblem& problem)
      : shape_(problem.shape),
        kernels_(depthwise_lanes_kernels<T>(problem.isa)),
        blocks_(shape_),
        outputs_(shape_.out_channels_per_group()),
        row_blocks_(ceil_div(shape_.output[1], blocks_.rows)),
        column_blocks_(ceil_div(shape_.output[2], blocks_.columns)),
        units_(shape_.batch * shape_.output[0] * row_blocks_ * column_blocks_),
        rows_at_once_(std::max<std::int64_t>(most_chain / blocks_.columns, 1)),
        threads_(problem.threads) {
    const std::int64_t channel_blocks = ceil_div(shape_.groups, depthwise_wide<T>);
    const std::int64_t work = shape_.macs() / shape_.groups;
    const std::int64_t fitting = most_part_bytes / std::int64_t{sizeof(double)} / shape_.weight_size();
    parts_ = std::max<std::int64_t>(
        std::min({ceil_div(enough_tasks, channel_blocks), work / least_part_work, fitting, units_}), 1);
  }

  const char* name() const override { return "depthwise_lanes"; }
  std::string kernel() const override { return kernels_.name; }
  std::size_t workspace_bytes() const override {
    return part_sums_bytes() + static_cast<std::size_t>(threads_) * thread_bytes();
  }

  void run(const ConvArrays& arrays, const void* /*packed*/, void* workspace) const override {
    auto* const part_sums = static_cast<double*>(workspace);
    char* const memory = static_cast<char*>(workspace) + part_sums_bytes();
    const std::int64_t weights = shape_.weight_size(), per_channel = outputs_ * shape_.taps();
    parallel_for(
        ceil_div(shape_.groups, kernels_.lanes) * parts_, threads_, [&](std::int64_t task, int thread) {
          const std::int64_t part = task % parts_, channel = task / parts_ * kernels_.lanes;
          const Thread own(*this, memory + static_cast<std::size_t>(thread) * thread_bytes());
          sum_part(arrays, channel, part, own);
          const std::int64_t planes = std::min<std::int64_t>(kernels_.lanes, shape_.groups - channel);
          const auto keep = [&](auto* to) {
            for (std::int64_t c = 0; c < planes; ++c)
              for (std::int64_t i = 0; i < per_channel; ++i)
                to[c * per_channel + i] =
                    static_cast<std::remove_reference_t<decltype(*to)>>(own.totals[i * kernels_.lanes + c]);
          };
          if (parts_ > 1) return keep(part_sums + part * weights + channel * per_channel);
          keep(static_cast<T*>(arrays.result) + channel * per_channel);
        });
    if (parts_ == 1) return;
    constexpr std::int64_t piece = 256;
    parallel_for(ceil_div(weights, piece), threads_for(static_cast<double>(weights * parts_), 1e5),
                 [&](std::int64_t task, int) {
                   T* const result = static_cast<T*>(arrays.result);
                   for (std::int64_t i = task * piece; i < std::min(weights, (task + 1) * piece); ++i) {
                     double sum = 0;
                     for (std::int64_t part = 0; part < parts_; ++part) sum += part_sums[part * weights + i];
                     result[i] = static_cast<T>(sum);
                   }
                 });
  }

 private:
  // Points [row_begin, row_end) x [column_begin, column_end) of a slice of one image.
  struct Block {
    std::int64_t image, depth, row_begin, row_end, column_begin, column_end;
    std::int64_t height() const { return row_end - row_begin; }
    std::int64_t width() const { return column_end - column_begin; }
  };

  // What a thread holds.
  struct Thread {
    double* totals;
    T *sums, *grad_output, *source;

    Thread(const DepthwiseLanesGradWeight& of, char* memory)
        : totals(reinterpret_cast<double*>(memory)),
          sums(reinterpret_cast<T*>(totals + of.sum_vectors() * of.kernels_.lanes)),
          grad_output(sums + of.sum_vectors() * of.kernels_.lanes),
          source(grad_output + of.grad_vectors() * of.kernels_.lanes) {}
  };

  std::int64_t sum_vectors() const { return outputs_ * shape_.taps(); }
  // With what squares write beside them.
  std::int64_t grad_vectors() const { return blocks_.rows * blocks_.columns + kernels_.lanes; }
  std::int64_t source_vectors() const {
    return blocks_.places(1, blocks_.rows) * blocks_.places(2, blocks_.columns) + kernels_.lanes;
  }
  std::size_t part_sums_bytes() const {
    if (parts_ == 1) return 0;
    return round_up_to_line(static_cast<std::size_t>(shape_.weight_size() * parts_) * sizeof(double));
  }
  std::size_t thread_bytes() const {
    const std::int64_t vectors = sum_vectors() + grad_vectors() + source_vectors();
    const std::int64_t bytes =
        (vectors * std::int64_t{sizeof(T)} + sum_vectors() * std::int64_t{sizeof(double)}) * kernels_.lanes;
    return round_up_to_line(static_cast<std::size_t>(bytes));
  }

  void sum_part(const ConvArrays& arrays, std::int64_t channel, std::int64_t part, const Thread& own) const {
    const std::int64_t lanes = kernels_.lanes, planes = std::min(lanes, shape_.groups - channel);
    const std::int64_t taps = shape_.kernel[1] * shape_.kernel[2];
    std::fill_n(own.totals, sum_vectors() * lanes, 0.0);
    std::fill_n(own.sums, sum_vectors() * lanes, T{0});
    const DepthwiseAxis& depth = blocks_.axes[0];
    std::int64_t chain = 0;  // the points in the sums
    for (std::int64_t unit = part * units_ / parts_; unit < (part + 1) * units_ / parts_; ++unit) {
      const std::int64_t column = unit % column_blocks_ * blocks_.columns;
      const std::int64_t row = unit / column_blocks_ % row_blocks_ * blocks_.rows;
      const std::int64_t slice = unit / column_blocks_ / row_blocks_;
      const Block b{slice / depth.points,
                    slice % depth.points,
                    row,
                    std::min(row + blocks_.rows, shape_.output[1]),
                    column,
                    std::min(column + blocks_.columns, shape_.output[2])};
      std::int64_t after = chain;
      for (std::int64_t t = 0; t < depth.taps; ++t) {
        load_source(arrays, channel, planes, b, depth.at(b.depth) + t * depth.tap_step, own.source);
        for (std::int64_t output = 0; output < outputs_; ++output) {
          if (outputs_ > 1 || t == 0) load_grad_output(arrays, channel, planes, b, output, own.grad_output);
          const std::int64_t first = (output * depth.taps + t) * taps * lanes;
          after = sum_block(b, own, own.sums + first, own.totals + first, chain);
        }
      }
      chain = after;
    }
    kernels_.total(own.sums, sum_vectors(), own.totals);
  }

  // The block's rows, some at a time. Answers how many points the sums of these taps hold, which held `chain`.
  std::int64_t sum_block(const Block& b, const Thread& own, T* sums, double* totals,
                         std::int64_t chain) const {
    const DepthwiseAxis &row = blocks_.axes[1], &column = blocks_.axes[2];
    const std::int64_t lanes = kernels_.lanes, pitch = blocks_.places(2, b.width());
    DepthwiseLanesSums<T> some;
    some.columns = b.width();
    some.source_row = row.step * pitch, some.source_column = column.step;
    some.tap_row = row.tap_step * pitch, some.tap_column = column.tap_step;
    some.sums_row = column.taps;
    for (std::int64_t y = 0; y < b.height(); y += some.rows) {
      some.rows = std::min(rows_at_once_, b.height() - y);
      if (chain + some.rows * some.columns > most_chain) {
        kernels_.total(sums, row.taps * column.taps, totals);
        chain = 0;
      }
      chain += some.rows * some.columns;
      some.grad_output = own.grad_output + y * some.columns * lanes;
      for_each_piece(row.taps, depthwise_lanes_most_rows, [&](std::int64_t r, std::size_t rows) {
        for_each_piece(column.taps, depthwise_lanes_most_columns, [&](std::int64_t c, std::size_t columns) {
          some.source = own.source + (y * some.source_row + r * some.tap_row + c * some.tap_column) * lanes;
          some.sums = sums + (r * column.taps + c) * lanes;
          kernels_.sum[rows - 1][columns - 1](some);
        });
      });
    }
    return chain;
  }

  // Even ones: few taps leave the multiply-adds waiting.
  template <class Body>
  static void for_each_piece(std::int64_t taps, std::int64_t most, Body body) {
    for (std::int64_t first = 0, pieces = ceil_div(taps, most); pieces > 0; --pieces) {
      const std::int64_t count = ceil_div(taps - first, pieces);
      body(first, static_cast<std::size_t>(count));
      first += count;
    }
  }

  void load_grad_output(const ConvArrays& arrays, std::int64_t channel, std::int64_t planes, const Block& b,
                        std::int64_t output, T* block) const {
    const std::int64_t plane = shape_.output_plane(), width = b.width();
    const T* const first = static_cast<const T*>(arrays.grad_output) +
                           (b.image * shape_.out_channels + channel * outputs_ + output) * plane +
                           (b.depth * shape_.output[1] + b.row_begin) * shape_.output[2] + b.column_begin;
    if (width == shape_.output[2])
      return kernels_.load(first, outputs_ * plane, planes, b.height() * width, block);
    for (std::int64_t y = 0; y < b.height(); ++y)
      kernels_.load(first + y * shape_.output[2], outputs_ * plane, planes, width,
                    block + y * width * kernels_.lanes);
  }

  void load_source(const ConvArrays& arrays, std::int64_t channel, std::int64_t planes, const Block& b,
                   std::int64_t slice, T* block) const {
    const DepthwiseAxis &row = blocks_.axes[1], &column = blocks_.axes[2];
    const std::int64_t lanes = kernels_.lanes, extent = shape_.input[2];
    const std::int64_t height = blocks_.places(1, b.height()), pitch = blocks_.places(2, b.width());
    const std::int64_t first_row = row.at(b.row_begin), first_column = column.at(b.column_begin);
    // Those of the block that the source has.
    const std::int64_t left = std::clamp<std::int64_t>(-first_column, 0, pitch);
    const std::int64_t width = std::clamp<std::int64_t>(extent - first_column, left, pitch) - left;
    const std::int64_t top = std::clamp<std::int64_t>(-first_row, 0, height);
    std::int64_t bottom = std::clamp<std::int64_t>(row.extent - first_row, top, height);
    if (slice < 0 || slice >= blocks_.axes[0].extent || width == 0) bottom = top;
    const std::int64_t rows = bottom - top;
    const auto clear = [&](std::int64_t first, std::int64_t count) {
      std::fill_n(block + first * lanes, count * lanes, T{0});
    };
    if (rows == 0) return clear(0, height * pitch);

    const std::int64_t plane = shape_.input_plane();
    const T* const source = static_cast<const T*>(arrays.input) +
                            (b.image * shape_.in_channels + channel) * plane +
                            (slice * row.extent + first_row + top) * extent + first_column + left;
    clear(0, top * pitch);
    if (width == pitch && width == extent) {
      kernels_.load(source, plane, planes, rows * width, block + top * pitch * lanes);
    } else {
      // Short rows leave most of their squares empty: they go together, to the block's end, from where each moves to
      // its place before another's place reaches it.
      const std::int64_t empty = ceil_div(width, lanes) * lanes - width;
      T* together = nullptr;
      if (width == extent && square_cycles * empty > width) {
        together = block + (height * pitch - rows * width) * lanes;
        kernels_.load(source, plane, planes, rows * width, together);
      }
      for (std::int64_t y = 0; y < rows; ++y) {
        const std::int64_t place = (top + y) * pitch;
        T* const to = block + (place + left) * lanes;
        if (together != nullptr)
          std::memmove(to, together + y * width * lanes, static_cast<std::size_t>(width * lanes) * sizeof(T));
        else
          kernels_.load(source + y * extent, plane, planes, width, to);
        clear(place, left);
        clear(place + left + width, pitch - left - width);
      }
    }
    clear(bottom * pitch, (height - bottom) * pitch);
  }

  ConvShape shape_;
  const DepthwiseLanesKernels<T>& kernels_;
  SumsBlocks blocks_;
  std::int64_t outputs_;  // of a channel
  std::int64_t row_blocks_, column_blocks_, units_;
  std::int64_t rows_at_once_;  // of a block, for a chain
  int threads_;
  std::int64_t parts_;
};

// Of one core with AVX-512, roughly; fitted to five hundred convolutions.
double cycles_of(const ConvShape& s, std::int64_t lanes) {
  const auto places = [&](std::size_t axis) {
    return static_cast<double>(s.output[axis] - 1) * static_cast<double>(s.stride[axis]) +
           static_cast<double>(s.kernel[axis] - 1) * static_cast<double>(s.dilation[axis]) + 1;
  };
  const auto outputs = static_cast<double>(s.out_channels_per_group());
  const auto rows = static_cast<double>(s.output[1]), points = rows * static_cast<double>(s.output[2]);
  const auto taps = static_cast<double>(s.kernel[1] * s.kernel[2]);
  const auto pieces = static_cast<double>(ceil_div(s.kernel[1], depthwise_lanes_most_rows) *
                                          ceil_div(s.kernel[2], depthwise_lanes_most_columns));
  const double slice = 150 + 3.5 * places(1) * places(2) +
                       outputs * (points * (3.1 + 0.43 * taps + 2.1 * pieces) + 12 * rows * pieces);
  return static_cast<double>(ceil_div(s.groups, lanes) * s.kernel[0]) *
         (static_cast<double>(s.batch * s.output[0]) * slice + 20 * outputs * taps);
}

}  // namespace

const char* depthwise_lanes_grad_weight_why_not(const ConvProblem& problem) {
  const ConvShape& s = problem.shape;
  if (s.groups != s.in_channels || s.groups < 2) return "for several groups of one input channel alone";
  if (!s.pads_with_zeros()) return "for padding with zeros alone";
  if (s.input_size() == 0 || s.output_size() == 0) return "there is nothing to sum";
  if (s.taps() > most_weight_vectors / s.out_channels_per_group())
    return "for kernels whose sums stay in L1 alone";
  if (!SumsBlocks(s).fits) return "what one output needs of the input is larger than a block";
  return nullptr;
}

// By the shape alone: they have other orders of the sums.
const char* depthwise_lanes_grad_weight_why_slower(const ConvProblem& problem) {
  const std::int64_t lanes = problem.dtype == DType::float32 ? depthwise_wide<float> : depthwise_wide<double>;
  const double own = cycles_of(problem.shape, lanes);
  if (own > depthwise_grad_weight_cycles(problem)) return "columns in the lanes need no transposition";
  return own > grad_weight_products_cycles(problem) ? "output channels share what is read in a matrix product"
                                                    : nullptr;
}

std::shared_ptr<const ConvAlgorithm> make_depthwise_lanes_grad_weight(const ConvProblem& problem) {
  if (problem.dtype == DType::float32) return std::make_shared<DepthwiseLanesGradWeight<float>>(problem);
  return std::make_shared<DepthwiseLanesGradWeight<double>>(problem);
}

}  // namespace convnative
