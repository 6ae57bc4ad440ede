// Depthwise convolution with channels in the lanes: forward and gradient in the input, any number of outputs per channel.
//
// Strides part what a vector of columns reads, and small planes leave most of its lanes empty. Here the lanes are
// channels (conv/depthwise_lanes_kernels.h): planes are transposed into a block and results back, at some four cycles a
// vector each, and in between a tap takes one load at any stride, dilation and width.
//
//   tasks: image x block of channels x depth x block of rows x block of columns, in parallel
//     for each output of a channel: transpose its weights
//       for each tap in depth: transpose what the block needs of that slice of the source      block: L2
//         for each phase of the rows and the columns (conv/input_phases.h): add its taps       result: L2
//       of the forward, and of the gradient's last: transpose the result back, epilogue
//
// Each result is one chain of fused multiply-adds in the order of (output, depth tap, row tap, column tap), the gradient's
// taps in reverse, on top of its bias.
#include <algorithm>
#include <array>
#include <memory>
#include <string>

#include "base/aligned_buffer.h"
#include "base/checked.h"
#include "base/parallel.h"
#include "conv/algorithm.h"
#include "conv/depthwise_axis.h"
#include "conv/depthwise_lanes_kernels.h"
#include "conv/epilogue.h"

namespace convnative {
namespace {

constexpr std::int64_t most_block_bytes = 192 << 10;  // of the source, and of the result
constexpr std::int64_t most_weight_bytes = 64 << 10;
constexpr std::int64_t widest_lanes_bytes = 64;
// Multiply-adds and moved elements of a task at the least.
constexpr std::int64_t least_task_work = 1 << 14;

// Places of the source that `count` neighbouring results need at the most.
std::int64_t source_extent(const ConvShape& s, bool forward, std::size_t axis, std::int64_t count) {
  const std::int64_t reach = (s.kernel[axis] - 1) * s.dilation[axis];
  if (!forward) return std::min(s.output[axis], ceil_div(count, s.stride[axis]) + reach / s.stride[axis] + 1);
  if (count > s.input[axis] / s.stride[axis] + 1) return s.input[axis];
  return std::min(s.input[axis], (count - 1) * s.stride[axis] + reach + 1);
}

// How results are cut: into blocks of rows x columns whose source and results stay in L2.
struct LanesBlocks {
  std::int64_t rows = 0, columns = 0;
  std::int64_t source_vectors = 0, result_vectors = 0;  // with what squares write beside them
  bool fits = false;

  LanesBlocks(const ConvShape& s, bool forward, std::int64_t lanes, std::int64_t element_bytes) {
    const Extents& result = forward ? s.output : s.input;
    const std::int64_t most = most_block_bytes / (lanes * element_bytes);
    const auto try_out = [&](std::int64_t r, std::int64_t c) {
      const std::int64_t width = source_extent(s, forward, 2, c), height = source_extent(s, forward, 1, r);
      const bool whole = c == result[2];
      const std::int64_t pitch = whole ? (forward ? s.input[2] : s.output[2]) : width;
      if (pitch > most || height > most / std::max<std::int64_t>(pitch, 1) || r > most / c) return false;
      rows = r, columns = c;
      source_vectors = height * pitch + lanes, result_vectors = r * c + lanes;
      return true;
    };
    if (volume(result) == 0) return;
    columns = result[2];
    while (!try_out(1, columns) && columns > 1) columns = ceil_div(columns, 2);
    fits = try_out(1, columns);
    if (!fits) return;
    std::int64_t parts = ceil_div(result[1], std::min(result[1], most / columns));
    while (!try_out(ceil_div(result[1], parts), columns)) parts = std::max(parts + 1, parts * 9 / 8);
  }
};

template <class T>
class DepthwiseLanes final : public ConvAlgorithm {
 public:
  explicit DepthwiseLanes(const ConvProblem& problem)
      : shape_(problem.shape),
        forward_(problem.operation == ConvOperation::forward),
        source_(forward_ ? shape_.input : shape_.output),
        result_(forward_ ? shape_.output : shape_.input),
        kernels_(depthwise_lanes_kernels<T>(problem.isa)),
        blocks_(shape_, forward_, kernels_.lanes, sizeof(T)),
        outputs_(shape_.out_channels_per_group()),
        covers_(forward_ || (phases(0).cover_all_inputs() && phases(1).cover_all_inputs() &&
                             phases(2).cover_all_inputs())),
        epilogue_(problem),
        threads_(problem.threads) {}

  const char* name() const override { return "depthwise_lanes"; }
  std::string kernel() const override { return kernels_.name; }
  std::size_t workspace_bytes() const override {
    return static_cast<std::size_t>(thread_vectors() * kernels_.lanes) * sizeof(T) *
           static_cast<std::size_t>(threads_);
  }
  bool fuses_epilogue() const override { return true; }

  void run(const ConvArrays& arrays, const void* /*packed*/, void* workspace) const override {
    const std::int64_t channel_blocks = ceil_div(shape_.groups, kernels_.lanes);
    const std::int64_t column_blocks = ceil_div(result_[2], blocks_.columns);
    // Threads share the rows where there is nothing else to share.
    const std::int64_t others = shape_.batch * channel_blocks * result_[0] * column_blocks;
    const std::int64_t rows_at_once =
        std::min(blocks_.rows, ceil_div(result_[1], ceil_div(threads_, others)));
    const std::int64_t row_blocks = ceil_div(result_[1], rows_at_once);
    const std::int64_t units = shape_.batch * channel_blocks * result_[0] * row_blocks * column_blocks;
    const std::int64_t unit_work =
        (blocks_.source_vectors + blocks_.result_vectors * (1 + shape_.taps())) * outputs_;
    const std::int64_t per_task =
        std::clamp(units / (8 * threads_), std::int64_t{1}, ceil_div(least_task_work, unit_work));
    parallel_for(ceil_div(units, per_task), threads_, [&](std::int64_t task, int thread) {
      T* const memory = static_cast<T*>(workspace) + thread_vectors() * kernels_.lanes * thread;
      for (std::int64_t unit = task * per_task; unit < std::min(units, (task + 1) * per_task); ++unit) {
        const std::int64_t column = unit % column_blocks, row = unit / column_blocks % row_blocks;
        const std::int64_t rest = unit / column_blocks / row_blocks;
        run_block(arrays,
                  {rest / result_[0] / channel_blocks, rest / result_[0] % channel_blocks * kernels_.lanes,
                   rest % result_[0], row * rows_at_once, std::min((row + 1) * rows_at_once, result_[1]),
                   column * blocks_.columns, std::min((column + 1) * blocks_.columns, result_[2])},
                  memory);
      }
    });
  }

 private:
  // Results [row_begin, row_end) x [column_begin, column_end) of one slice of up to `lanes` channels.
  struct Block {
    std::int64_t image, channel, depth;
    std::int64_t row_begin, row_end, column_begin, column_end;
  };
  // The points of an axis whose results lie in a range.
  struct Range {
    std::int64_t begin, end;

    Range(const LatticeAxis& axis, std::int64_t result_begin, std::int64_t result_end)
        : begin(first_at(axis, result_begin)), end(first_at(axis, result_end)) {}
    static std::int64_t first_at(const LatticeAxis& axis, std::int64_t place) {
      return place <= axis.result_first
                 ? 0
                 : std::min(ceil_div(place - axis.result_first, axis.result_step), axis.source.points);
    }
  };
  struct Places {
    std::int64_t begin, end;
    bool empty() const { return begin >= end; }
  };

  std::int64_t weight_vectors() const { return ceil_div(shape_.taps(), kernels_.lanes) * kernels_.lanes; }
  std::int64_t thread_vectors() const {
    return weight_vectors() + 1 + blocks_.source_vectors + blocks_.result_vectors;
  }

  AxisPhases phases(std::size_t axis) const {
    return AxisPhases(shape_, axis, shape_.pad_before[axis], shape_.input[axis]);
  }
  template <class Body>
  void for_each_phase(std::size_t axis, Body body) const {
    if (forward_) return body(forward_axis(shape_, axis));
    phases(axis).for_each([&](const AxisPhase& p) {
      if (p.points > 0) body(phase_axis(shape_, axis, p));
    });
  }

  Places source_places(std::size_t axis, std::int64_t begin, std::int64_t end) const {
    Places places{source_[axis], 0};
    for_each_phase(axis, [&](const LatticeAxis& phase) {
      const Range points(phase, begin, end);
      if (points.begin >= points.end) return;
      const DepthwiseAxis& a = phase.source;
      places.begin = std::min(places.begin, std::max<std::int64_t>(a.at(points.begin), 0));
      places.end =
          std::max(places.end, std::min(a.at(points.end - 1) + (a.taps - 1) * a.tap_step + 1, source_[axis]));
    });
    return places;
  }

  void run_block(const ConvArrays& arrays, const Block& b, T* memory) const {
    const std::int64_t lanes = kernels_.lanes, planes = std::min(lanes, shape_.groups - b.channel);
    T* const weights = memory;
    T* const start = weights + weight_vectors() * lanes;
    T* const source = start + lanes;
    T* const result = source + blocks_.source_vectors * lanes;
    const std::int64_t height = b.row_end - b.row_begin, width = b.column_end - b.column_begin;

    const Places rows = source_places(1, b.row_begin, b.row_end);
    Places columns = source_places(2, b.column_begin, b.column_end);
    const bool whole = width == result_[2];
    if (whole) columns = {0, source_[2]};
    DepthwiseLanesPart<T> part{};
    part.source = source, part.pitch = columns.end - columns.begin;
    part.source_row = rows.begin, part.source_column = columns.begin;
    for (std::int64_t output = 0; output < outputs_; ++output) {
      if (forward_ || output == 0) {
        const auto* const bias = static_cast<const T*>(arrays.bias);
        const std::int64_t step = forward_ ? outputs_ : 1;
        for (std::int64_t l = 0; l < lanes; ++l)
          start[l] = bias == nullptr ? T{0} : bias[(b.channel + std::min(l, planes - 1)) * step + output];
        if (!covers_) kernels_.fill(start, height * width, result);
      }
      kernels_.load(static_cast<const T*>(arrays.weight) + (b.channel * outputs_ + output) * shape_.taps(),
                    outputs_ * shape_.taps(), planes, shape_.taps(), weights);
      for_each_phase(0, [&](const LatticeAxis& depth) {
        const Range points(depth, b.depth, b.depth + 1);
        if (points.begin >= points.end) return;
        for (std::int64_t t = 0; t < depth.source.taps; ++t) {
          const std::int64_t slice = depth.source.at(points.begin) + t * depth.source.tap_step;
          const bool inside = slice >= 0 && slice < source_[0] && !rows.empty() && !columns.empty();
          // The forward's outputs read the same slices.
          if (inside && (output == 0 || !forward_ || depth.source.taps > 1))
            load_source(arrays, b, output, planes, slice, rows, columns, whole, source);
          const std::int64_t depth_weight = depth.weight_first + t * depth.source.weight_step;
          for_each_phase(1, [&](const LatticeAxis& row) {
            for_each_phase(2, [&](const LatticeAxis& column) {
              const Range y(row, b.row_begin, b.row_end), x(column, b.column_begin, b.column_end);
              if (y.begin >= y.end || x.begin >= x.end) return;
              part.row = row.source, part.column = column.source;
              if (!inside) part.row.extent = 0;
              part.start = covers_ && t == 0 && (forward_ || output == 0) ? start : nullptr;
              part.row.weight_step *= shape_.kernel[2];
              part.row_begin = y.begin, part.row_end = y.end;
              part.column_begin = x.begin, part.column_end = x.end;
              part.weight =
                  weights + ((depth_weight * shape_.kernel[1] + row.weight_first) * shape_.kernel[2] +
                             column.weight_first) *
                                lanes;
              part.result = result + ((row.result_first + y.begin * row.result_step - b.row_begin) * width +
                                      column.result_first + x.begin * column.result_step - b.column_begin) *
                                         lanes;
              part.result_row = row.result_step * width, part.result_column = column.result_step;
              kernels_.add(part);
            });
          });
        }
      });
      if (forward_ || output + 1 == outputs_)
        store_result(arrays, b, forward_ ? output : 0, planes, whole, result);
    }
  }

  void load_source(const ConvArrays& arrays, const Block& b, std::int64_t output, std::int64_t planes,
                   std::int64_t slice, const Places& rows, const Places& columns, bool whole,
                   T* source) const {
    const std::int64_t plane = volume(source_), width = columns.end - columns.begin;
    // From channel to channel.
    const std::int64_t step = forward_ ? 1 : outputs_;
    const T* const first = static_cast<const T*>(forward_ ? arrays.input : arrays.grad_output) +
                           ((b.image * shape_.groups + b.channel) * step + (forward_ ? 0 : output)) * plane +
                           (slice * source_[1] + rows.begin) * source_[2] + columns.begin;
    const std::int64_t height = rows.end - rows.begin;
    if (whole) return kernels_.load(first, step * plane, planes, height * width, source);
    for (std::int64_t i = 0; i < height; ++i)
      kernels_.load(first + i * source_[2], step * plane, planes, width, source + i * width * kernels_.lanes);
  }

  void store_result(const ConvArrays& arrays, const Block& b, std::int64_t output, std::int64_t planes,
                    bool whole, const T* result) const {
    const std::int64_t plane = volume(result_), width = b.column_end - b.column_begin;
    const std::int64_t height = b.row_end - b.row_begin;
    const std::int64_t runs = whole ? 1 : height, length = whole ? height * width : width;
    const std::int64_t step = forward_ ? outputs_ : 1;  // from channel to channel
    const bool wanted = epilogue_.wanted(arrays);
    for (std::int64_t i = 0; i < runs; ++i) {
      T* const target = static_cast<T*>(arrays.result) +
                        ((b.image * shape_.groups + b.channel) * step + output) * plane +
                        (b.depth * result_[1] + b.row_begin + i) * result_[2] + b.column_begin;
      kernels_.store(result + i * width * kernels_.lanes, length, target, step * plane, planes);
      for (std::int64_t p = 0; wanted && p < planes; ++p)
        epilogue_.finish(arrays, target + p * step * plane, length);
    }
  }

  ConvShape shape_;
  bool forward_;
  Extents source_, result_;
  const DepthwiseLanesKernels<T>& kernels_;
  LanesBlocks blocks_;
  std::int64_t outputs_;  // of a channel
  bool covers_;           // every result has a tap
  Epilogue<T> epilogue_;
  int threads_;
};

// Cycles of one core with AVX-512, roughly; fitted to three hundred convolutions.
double lanes_cycles(const ConvShape& s, bool forward) {
  const Extents &source = forward ? s.input : s.output, &result = forward ? s.output : s.input;
  const auto share = [&](std::size_t axis) {
    return static_cast<double>(forward ? std::int64_t{1} : std::min(s.stride[axis], s.kernel[axis]));
  };
  const double slice_taps = static_cast<double>(s.kernel[0]) / share(0);
  const double taps = static_cast<double>(s.kernel[1] * s.kernel[2]) / (share(1) * share(2));
  const auto results = static_cast<double>(result[1] * result[2]);
  const auto outputs = static_cast<double>(s.out_channels_per_group());
  const double sources = forward && s.kernel[0] == 1 ? 1 : outputs;
  const double slice = 570 +
                       slice_taps * (sources * 3.1 * static_cast<double>(source[1] * source[2]) +
                                     outputs * 12 * static_cast<double>(result[1]) * share(2)) +
                       results * ((forward ? outputs : 1) * 10 + outputs * 1.4 * taps * slice_taps);
  return static_cast<double>(s.batch * ceil_div(s.groups, depthwise_wide<float>) * result[0]) * slice;
}

}  // namespace

const char* depthwise_lanes_why_not(const ConvProblem& problem) {
  const ConvShape& s = problem.shape;
  if (s.groups != s.in_channels || s.groups < 2) return "for several groups of one input channel alone";
  if (s.pads_with_input() || (problem.operation == ConvOperation::forward && !s.pads_with_zeros()))
    return "for padding with zeros alone";
  const auto bytes = static_cast<std::int64_t>(size_of(problem.dtype));
  if (s.input_size() == 0 || s.output_size() == 0) return "there is nothing to sum";
  if (s.taps() > most_weight_bytes / widest_lanes_bytes) return "for kernels whose weights stay in L1 alone";
  if (!LanesBlocks(s, problem.operation == ConvOperation::forward, widest_lanes_bytes / bytes, bytes).fits)
    return "what one output needs of the input is larger than a block";
  return nullptr;
}

// By the shape of one image alone: the others have other orders of the sums.
const char* depthwise_lanes_why_slower(const ConvProblem& problem) {
  ConvProblem other = problem;
  other.isa = Isa::avx512;
  other.shape.batch = 1;
  const ConvShape& s = other.shape;
  const bool forward = problem.operation == ConvOperation::forward;
  const double own = lanes_cycles(s, forward);
  if (own > depthwise_cycles(s, forward)) return "columns in the lanes need no transposition";
  if (!forward || s.groups == s.out_channels || direct_channels_why_not(problem) != nullptr) return nullptr;
  return own > direct_channels_cycles(other) ? "a group's outputs in the lanes share what is read" : nullptr;
}

std::shared_ptr<const ConvAlgorithm> make_depthwise_lanes(const ConvProblem& problem) {
  if (problem.dtype == DType::float32) return std::make_shared<DepthwiseLanes<float>>(problem);
  return std::make_shared<DepthwiseLanes<double>>(problem);
}

}  // namespace convnative
