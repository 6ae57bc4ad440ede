// Gradient in the input by implicit im2col, phase by phase.
//
// The phases are those of conv/input_phases.h, each a product of its own with results `stride` apart.
//
// As in the forward, what lies outside of grad_output counts as zeros.
//
// Padding that repeats elements of the input hands its gradient on to them. The border of the padded input is
// cut into boxes; the gradient of each is a problem like that of the interior, with other extents, and is
// added to what the interior and the boxes before it left in the input, in places that a step of 1 or -1
// leads through. No two points of a box share a place: replicated padding is cut into boxes one element wide.
//
// Packed weights: for each phase a matrix C x (K/G * taps of the phase), one after the other. Interior and
// border share them.
//
// Where the kernel's copies cover the input once (stride = kernel, as networks enlarge their planes), all phases are
// one product: its rows are (channel, tap), as the packed weights', and those of a row of taps interleave in the
// result.
#include <algorithm>
#include <array>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "base/checked.h"
#include "base/parallel.h"
#include "conv/algorithm.h"
#include "conv/im2col_gemm.h"
#include "conv/input_phases.h"
#include "conv/transposed_weights.h"
#include "gemm/blocking.h"

namespace convnative {
namespace {

// Elements [begin, begin + length) of one axis of the padded input, whose gradient belongs to the input's
// elements target, target + step, ...
struct Segment {
  std::int64_t begin, length;
  std::int64_t target, step;
};

using Box = std::array<Segment, max_axes>;

Segment interior(const ConvShape& shape, std::size_t axis) {
  return {shape.pad_before[axis], shape.input[axis], 0, 1};
}

// The first element from `place` on of a padded axis that a window reads; none: the largest number there is.
std::int64_t next_read(const ConvShape& shape, std::size_t axis, std::int64_t place) {
  std::int64_t next = std::numeric_limits<std::int64_t>::max();
  for (std::int64_t tap = 0; tap < shape.kernel[axis]; ++tap) {
    const std::int64_t offset = tap * shape.dilation[axis];
    const std::int64_t window = place > offset ? ceil_div(place - offset, shape.stride[axis]) : 0;
    if (window < shape.output[axis]) next = std::min(next, offset + window * shape.stride[axis]);
  }
  return next;
}

// Calls body for the interior of an axis, then for the parts of its padding that repeat elements.
template <class Body>
void for_each_segment(const ConvShape& shape, std::size_t axis, Body body) {
  const std::int64_t input = shape.input[axis];
  const std::int64_t before = shape.pad_before[axis], after = shape.pad_after[axis], end = before + input;
  body(interior(shape, axis));
  const auto border = [&](std::int64_t first_target, std::int64_t last_target, std::int64_t step) {
    if (before > 0) body(Segment{0, before, first_target, step});
    if (after > 0) body(Segment{end, after, last_target, step});
  };
  switch (shape.padding_mode) {
    case PaddingMode::constant:
      return;
    case PaddingMode::reflect:
      return border(before, input - 2, -1);
    case PaddingMode::symmetric:
      return border(before - 1, input - 1, -1);
    case PaddingMode::circular:
      return border(input - before, 0, 1);
    case PaddingMode::replicate:
      break;
  }
  const auto repeat = [&](std::int64_t place, std::int64_t last, std::int64_t target) {
    while ((place = next_read(shape, axis, place)) < last) body(Segment{place++, 1, target, 1});
  };
  repeat(0, before, 0);
  repeat(end, end + after, input - 1);
}

struct Phase {
  std::array<AxisPhase, max_axes> axes;
  Im2colGemm gemm;
  PointPlacement placement;
};

Im2colGemm gemm_of(const ConvShape& shape) {
  Im2colGemm gemm;
  gemm.lattice.images = shape.batch;
  gemm.lattice.image_stride = shape.out_channels * shape.output_plane();
  gemm.groups = shape.groups;
  gemm.rows = shape.in_channels_per_group();
  gemm.channels = shape.out_channels_per_group();
  return gemm;
}

Im2colGemm interleaved_gemm(const ConvShape& shape) {
  Im2colGemm gemm = gemm_of(shape);
  for (std::size_t axis = 0; axis < max_axes; ++axis)
    gemm.lattice.axes[axis] = {shape.output[axis], shape.output[axis], 1, 0, 1, 0};
  gemm.rows *= shape.taps();
  gemm.line = shape.stride[2];
  return gemm;
}

PointPlacement interleaved_placement(const ConvShape& shape) {
  const std::int64_t row = shape.input[2], slice = shape.input[1] * row;
  return {0,
          {shape.stride[0] * slice, shape.stride[1] * row, shape.stride[2]},
          shape.input_plane(),
          shape.in_channels * shape.input_plane(),
          shape.stride[1],
          shape.stride[0],
          row,
          slice};
}

Phase phase_of(const ConvShape& shape, const Box& box, const std::array<AxisPhase, max_axes>& axes) {
  Phase phase{axes, gemm_of(shape), {0, {}, shape.input_plane(), shape.in_channels * shape.input_plane()}};
  const std::array<std::int64_t, max_axes> input_step{shape.input[1] * shape.input[2], shape.input[2], 1};
  for (std::size_t axis = 0; axis < max_axes; ++axis) {
    const AxisPhase& p = axes[axis];
    if (p.points == 0) {  // its coordinate may lie anywhere
      phase.gemm.lattice.axes[axis] = {shape.output[axis], 0, 1, 0, p.taps, 0};
      continue;
    }
    const std::int64_t stride = shape.stride[axis], dilation = shape.dilation[axis];
    phase.gemm.lattice.axes[axis] = {shape.output[axis],
                                     p.points,
                                     1,
                                     (p.coordinate + box[axis].begin - p.first * dilation) / stride,
                                     p.taps,
                                     p.taps == 1 ? 0 : -(p.step * dilation / stride)};
    const std::int64_t step = box[axis].step * input_step[axis];
    phase.placement.first += box[axis].target * input_step[axis] + p.coordinate * step;
    // An axis with one point has no next one; stepping by the stride could overflow.
    phase.placement.step[axis] = p.points == 1 ? step : stride * step;
  }
  return phase;
}

// Workspace for any phase: none has more taps or a shorter grid than this one, and the workspace rises with
// the taps and falls with the grid. O(1), whatever the sizes.
template <class T>
std::size_t thread_bytes_of(const ConvShape& shape, const std::array<AxisPhases, max_axes>& phases,
                            const GemmKernels<T>& kernels) {
  Im2colGemm gemm = gemm_of(shape);
  for (std::size_t axis = 0; axis < max_axes; ++axis) {
    const std::int64_t shortest = shape.pads_with_input() ? 1 : shape.input[axis] / shape.stride[axis];
    gemm.lattice.axes[axis] = {
        shape.output[axis], std::max<std::int64_t>(shortest, 1), 1, 0, phases[axis].most_taps(), 1};
  }
  return im2col_gemm_thread_bytes(gemm, kernels);
}

template <class T>
class Im2colGemmGradInput final : public ConvAlgorithm {
 public:
  explicit Im2colGemmGradInput(const ConvProblem& problem)
      : shape_(problem.shape),
        interior_{interior(shape_, 0), interior(shape_, 1), interior(shape_, 2)},
        phases_(phases(interior_)),
        kernels_(gemm_kernels<T>(problem.isa)),
        interleaves_(phases_interleave<T>(shape_, kernels_)),
        threads_(problem.threads),
        thread_bytes_(interleaves_ ? im2col_gemm_thread_bytes(interleaved_gemm(shape_), kernels_)
                                   : thread_bytes_of(shape_, phases_, kernels_)) {}

  const char* name() const override { return "im2col_gemm"; }
  std::string kernel() const override {
    return kernels_.kernel(kernels_.max_rows, kernels_.max_vectors).name;
  }
  std::size_t packed_weight_bytes() const override {
    return static_cast<std::size_t>(shape_.weight_size()) * sizeof(T);
  }
  std::size_t workspace_bytes() const override { return thread_bytes_ * static_cast<std::size_t>(threads_); }

  void pack(const void* weight, void* packed) const override {
    const auto all_phases = [&](auto holds) { return std::all_of(phases_.begin(), phases_.end(), holds); };
    if (all_phases([](const AxisPhases& p) { return p.most_taps() == 1; }))
      return pack_single_taps(static_cast<const T*>(weight), static_cast<T*>(packed));
    if (all_phases([](const AxisPhases& p) { return p.count() == 1; }))
      return pack_whole_kernels(static_cast<const T*>(weight), static_cast<T*>(packed));
    auto* next = static_cast<T*>(packed);
    for_each_phase(interior_, [&](const Phase& phase) {
      pack_phase(phase, static_cast<const T*>(weight), next);
      next += shape_.in_channels * phase.gemm.depth();
    });
  }

  void run(const ConvArrays& arrays, const void* packed, void* workspace) const override {
    if (interleaves_)
      return run_im2col_gemm<T>(interleaved_gemm(shape_), interleaved_placement(shape_),
                                {static_cast<const T*>(arrays.grad_output), static_cast<const T*>(packed),
                                 static_cast<const T*>(arrays.bias), static_cast<T*>(arrays.result), false},
                                kernels_, threads_, workspace);
    const auto* const bias = static_cast<const T*>(arrays.bias);
    auto* const grad_input = static_cast<T*>(arrays.result);
    if (!std::all_of(phases_.begin(), phases_.end(),
                     [](const AxisPhases& p) { return p.cover_all_inputs(); }))
      parallel_for(shape_.batch * shape_.in_channels, threads_, [&](std::int64_t plane, int) {
        const T start = bias == nullptr ? T{0} : bias[plane % shape_.in_channels];
        std::fill_n(grad_input + plane * shape_.input_plane(), shape_.input_plane(), start);
      });
    Im2colGemmArrays<T> product{static_cast<const T*>(arrays.grad_output), nullptr, bias, grad_input, false};
    for_each_box([&](const Box& box) {
      product.weight = static_cast<const T*>(packed);
      for_each_phase(box, [&](const Phase& phase) {
        run_im2col_gemm<T>(phase.gemm, phase.placement, product, kernels_, threads_of(phase, product),
                           workspace);
        product.weight += shape_.in_channels * phase.gemm.depth();
      });
      product.accumulate = true;
    });
  }

 private:
  std::array<AxisPhases, max_axes> phases(const Box& box) const {
    const auto of = [&](std::size_t axis) {
      return AxisPhases(shape_, axis, box[axis].begin, box[axis].length);
    };
    return {of(0), of(1), of(2)};
  }

  // The interior comes first.
  template <class Body>
  void for_each_box(Body body) const {
    for_each_segment(shape_, 0, [&](const Segment& depth) {
      for_each_segment(shape_, 1, [&](const Segment& row) {
        for_each_segment(shape_, 2, [&](const Segment& column) { body(Box{depth, row, column}); });
      });
    });
  }

  template <class Body>
  void for_each_phase(const Box& box, Body body) const {
    const std::array<AxisPhases, max_axes> axes = phases(box);
    axes[0].for_each([&](const AxisPhase& depth) {
      axes[1].for_each([&](const AxisPhase& row) {
        axes[2].for_each([&](const AxisPhase& column) { body(phase_of(shape_, box, {depth, row, column})); });
      });
    });
  }

  // A box of the border is small: few threads or one.
  int threads_of(const Phase& phase, const Im2colGemmArrays<T>& product) const {
    if (!product.accumulate) return threads_;
    const double macs = static_cast<double>(phase.gemm.lattice.points()) *
                        static_cast<double>(shape_.in_channels) * static_cast<double>(phase.gemm.depth());
    return std::min(threads_, threads_for(macs, macs_per_thread));
  }

  // Tap t is all that phase t has; where phases interleave, theirs follow one another for each channel.
  void pack_single_taps(const T* weight, T* packed) const {
    const std::int64_t channels = shape_.in_channels, inputs = shape_.in_channels_per_group();
    const std::int64_t tap_step = interleaves_ ? 1 : channels;
    const std::int64_t channel_step = interleaves_ ? shape_.taps() : 1;
    transpose_weights(shape_, weight, packed, kernels_, threads_,
                      [=](std::int64_t group, std::int64_t channel, std::int64_t tap) {
                        return tap * tap_step + (group * inputs + channel) * channel_step;
                      });
  }

  // One phase, which has all taps.
  void pack_whole_kernels(const T* weight, T* packed) const {
    const std::int64_t outputs = shape_.out_channels_per_group(), inputs = shape_.in_channels_per_group();
    // Rows of the target at a time, lest they throw each other out of the caches.
    constexpr std::int64_t block = 16;
    const std::int64_t blocks = ceil_div(inputs, block), taps = shape_.taps();
    parallel_for(shape_.groups * blocks, threads_, [&](std::int64_t task, int) {
      const std::int64_t group = task / blocks, first = task % blocks * block;
      kernels_.transpose_runs({weight + (group * outputs * inputs + first) * taps, inputs * taps, outputs,
                               std::min(block, inputs - first), taps,
                               packed + (group * inputs + first) * outputs * taps, outputs * taps});
    });
  }

  void pack_phase(const Phase& phase, const T* weight, T* packed) const {
    const std::int64_t outputs = phase.gemm.channels;  // K / G
    const std::int64_t inputs = phase.gemm.rows;       // C / G
    const auto& [depth, row, column] = phase.axes;
    std::vector<std::int64_t> taps;  // places in a kernel
    for (std::int64_t i = 0, d = depth.first; i < depth.taps; ++i, d += depth.step)
      for (std::int64_t j = 0, r = row.first; j < row.taps; ++j, r += row.step)
        for (std::int64_t l = 0, s = column.first; l < column.taps; ++l, s += column.step)
          taps.push_back((d * shape_.kernel[1] + r) * shape_.kernel[2] + s);
    const auto phase_taps = static_cast<std::int64_t>(taps.size());
    // A transposition: in blocks of channels, lest every kernel take a cache line of its own; few of them where
    // targets that alias are written a tap at a time.
    const std::int64_t block = phase_taps < 4 ? 8 : 16;
    const std::int64_t blocks = ceil_div(inputs, block);
    parallel_for(shape_.groups * blocks, threads_, [&](std::int64_t task, int) {
      const std::int64_t group = task / blocks, first = task % blocks * block;
      const std::int64_t channels = std::min(block, inputs - first);
      T* target = packed + (group * inputs + first) * outputs * phase_taps;
      for (std::int64_t k = 0; k < outputs; ++k, target += phase_taps) {
        const T* kernel = weight + ((group * outputs + k) * inputs + first) * shape_.taps();
        for (std::int64_t c = 0; c < channels; ++c, kernel += shape_.taps())
          for (std::int64_t t = 0; t < phase_taps; ++t)
            target[c * outputs * phase_taps + t] = kernel[taps[static_cast<std::size_t>(t)]];
      }
    });
  }

  ConvShape shape_;
  Box interior_;
  std::array<AxisPhases, max_axes> phases_;
  const GemmKernels<T>& kernels_;
  bool interleaves_;
  int threads_;
  std::size_t thread_bytes_;
};

}  // namespace

std::shared_ptr<const ConvAlgorithm> make_im2col_gemm_grad_input(const ConvProblem& problem) {
  if (problem.dtype == DType::float32) return std::make_shared<Im2colGemmGradInput<float>>(problem);
  return std::make_shared<Im2colGemmGradInput<double>>(problem);
}

}  // namespace convnative
