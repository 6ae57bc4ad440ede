// A kernel without the taps that meet padding alone: 3 x 3 taps on a plane of one element are 1 x 1, the outer ones of
// a dilated kernel often lie beside a small plane, for every output. Any algorithm then does what is left.
//
//   packed:  the weights of the taps that are left, which of its output channels have others that are not finite, and
//            what that algorithm packs
//
// Taps go from the ends of each axis, as far as its padding lasts.
//
// Products of padding and of weights that are not finite are NaN: outputs of channels with such weights beside the
// plane are NaN, as by the definition, and so are the gradients of weights there under a grad_output that is not
// finite, else zero. Gradients in the input have no products there.
#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/checked.h"
#include "base/parallel.h"
#include "conv/algorithm.h"
#include "conv/epilogue.h"

namespace convnative {
namespace {

// Of one axis: the taps [first, first + count), the others lie before the input for the last output, or behind it for
// the first.
struct LiveTaps {
  std::int64_t first, count;

  LiveTaps(const ConvShape& s, std::size_t axis) {
    const std::int64_t dilation = s.dilation[axis], before = s.pad_before[axis], after = s.pad_after[axis];
    const std::int64_t reach = (s.output[axis] - 1) * s.stride[axis];
    first = reach >= before ? 0 : std::min(ceil_div(before - reach, dilation), before / dilation);
    const std::int64_t last = (s.input[axis] - 1 + before) / dilation;
    const std::int64_t behind =
        std::clamp<std::int64_t>(s.kernel[axis] - 1 - last, 0, std::max<std::int64_t>(after, 0) / dilation);
    count = std::max<std::int64_t>(s.kernel[axis] - behind - first, 1);
    first = std::min(first, s.kernel[axis] - count);
  }
  bool has(std::int64_t tap) const { return tap >= first && tap < first + count; }
};

ConvShape cropped(const ConvShape& s) {
  ConvShape result = s;
  for (std::size_t axis = 0; axis < max_axes; ++axis) {
    const LiveTaps live(s, axis);
    result.kernel[axis] = live.count;
    result.pad_before[axis] -= live.first * s.dilation[axis];
    result.pad_after[axis] -= (s.kernel[axis] - live.count - live.first) * s.dilation[axis];
  }
  return result;
}

ConvOptions options_of(const ConvProblem& problem) {
  ConvOptions options;
  options.isa = problem.isa;
  options.precision = problem.precision;
  options.threads = problem.threads;
  options.prepacked = problem.prepacked;
  if (problem.activation != nullptr) options.activation = *problem.activation;
  return options;
}

template <class T>
bool all_finite(const T* x, std::int64_t count) {
  constexpr std::int64_t chains = 16;
  T products[chains] = {};  // by 0: NaN where one is not finite
  std::int64_t i = 0;
  for (; i + chains <= count; i += chains)
    for (std::int64_t c = 0; c < chains; ++c) products[c] += x[i + c] * T{0};
  for (; i < count; ++i) products[0] += x[i] * T{0};
  return std::all_of(products, products + chains, [](T product) { return product == 0; });
}

template <class T>
class CroppedKernel final : public ConvAlgorithm {
 public:
  explicit CroppedKernel(const ConvProblem& problem)
      : shape_(problem.shape),
        operation_(problem.operation),
        plan_(cropped(shape_), operation_, problem.dtype, options_of(problem)),
        epilogue_(problem),
        threads_(threads_for(static_cast<double>(shape_.weight_size()), 1e5)) {
    const LiveTaps depths(shape_, 0), rows(shape_, 1), columns(shape_, 2);
    for (std::int64_t tap = 0; tap < shape_.taps(); ++tap) {
      const std::int64_t row = tap / shape_.kernel[2];
      const bool is_live = depths.has(row / shape_.kernel[1]) && rows.has(row % shape_.kernel[1]) &&
                           columns.has(tap % shape_.kernel[2]);
      (is_live ? live_ : beside_).push_back(tap);
    }
  }

  const char* name() const override { return "cropped_kernel"; }
  std::string kernel() const override { return plan_.kernel(); }
  bool fuses_epilogue() const override { return true; }
  std::size_t packed_weight_bytes() const override {
    if (operation_ == ConvOperation::grad_weight) return 0;
    return weight_bytes() + flag_bytes() + plan_.packed_weight_bytes();
  }
  std::size_t workspace_bytes() const override { return plan_.workspace_bytes(); }

  void pack(const void* weight, void* packed) const override {
    if (operation_ == ConvOperation::grad_weight) return;
    const auto* const from = static_cast<const T*>(weight);
    auto* const to = static_cast<T*>(packed);
    bool* const finite = reinterpret_cast<bool*>(static_cast<char*>(packed) + weight_bytes());
    const std::int64_t count = channel_weights(shape_);
    parallel_for(shape_.out_channels, threads_, [&](std::int64_t channel, int) {
      const T* const whole = from + channel * count;
      T* target = to + channel * channel_weights(plan_.shape());
      for (const T* source = whole; source < whole + count; source += shape_.taps())
        for (const std::int64_t tap : live_) *target++ = source[tap];
      if (operation_ == ConvOperation::forward) finite[channel] = beside_is_finite(whole);
    });
    plan_.pack(packed, inner_packed(packed));
  }

  void run(const ConvArrays& arrays, const void* packed, void* workspace) const override {
    if (operation_ == ConvOperation::grad_weight) return run_grad_weight(arrays, workspace);
    ConvArrays inner = arrays;
    inner.weight = packed;
    plan_.run(inner, inner_packed(const_cast<void*>(packed)), workspace);
    if (operation_ == ConvOperation::grad_input) return;
    const auto* const finite =
        reinterpret_cast<const bool*>(static_cast<const char*>(packed) + weight_bytes());
    const std::int64_t plane = shape_.output_plane();
    for (std::int64_t channel = 0; channel < shape_.out_channels; ++channel)
      for (std::int64_t image = 0; !finite[channel] && image < shape_.batch; ++image) {
        T* const sums = static_cast<T*>(arrays.result) + (image * shape_.out_channels + channel) * plane;
        std::fill_n(sums, plane, std::numeric_limits<T>::quiet_NaN());
        if (epilogue_.wanted(arrays)) epilogue_.finish(arrays, sums, plane);
      }
  }

 private:
  static std::int64_t channel_weights(const ConvShape& s) { return s.in_channels_per_group() * s.taps(); }
  std::size_t weight_bytes() const {
    return round_up_to_line(static_cast<std::size_t>(plan_.shape().weight_size()) * sizeof(T));
  }
  std::size_t flag_bytes() const {
    return operation_ == ConvOperation::forward
               ? round_up_to_line(static_cast<std::size_t>(shape_.out_channels) * sizeof(bool))
               : 0;
  }
  void* inner_packed(void* packed) const {
    return static_cast<char*>(packed) + weight_bytes() + flag_bytes();
  }

  // Of an output channel's weights, those that the cropped kernel lacks.
  bool beside_is_finite(const T* weights) const {
    const std::int64_t count = channel_weights(shape_);
    if (all_finite(weights, count)) return true;
    for (const T* source = weights; source < weights + count; source += shape_.taps())
      for (const std::int64_t tap : beside_)
        if (!std::isfinite(source[tap])) return false;
    return true;
  }

  // The gradients of the taps that are left come first; each then moves to its place. Those of the last channels are
  // done at once, as many as have places behind all that have not moved; in a channel the last come first.
  void run_grad_weight(const ConvArrays& arrays, void* workspace) const {
    plan_.run(arrays, nullptr, workspace);
    auto* const result = static_cast<T*>(arrays.result);
    const std::int64_t taps = shape_.taps(), live_taps = plan_.shape().taps();
    const std::int64_t inputs = shape_.in_channels_per_group();
    for (std::int64_t end = shape_.out_channels, begin = end; end > 0; end = begin) {
      begin = ceil_div(end * live_taps, taps);
      const bool apart = begin < end;
      if (!apart) begin = end - 1;
      parallel_for(end - begin, threads_, [&](std::int64_t task, int) {
        const std::int64_t channel = begin + task;
        const T beside = grad_is_finite(arrays, channel) ? T{0} : std::numeric_limits<T>::quiet_NaN();
        T* const to = result + channel * inputs * taps;
        const T* from = result + (channel + 1) * inputs * live_taps;
        if (apart) std::fill_n(to, inputs * taps, beside);
        for (std::int64_t c = inputs; c-- > 0;)
          for (auto tap = live_.rbegin(); tap != live_.rend(); ++tap) to[c * taps + *tap] = *--from;
        for (std::int64_t c = 0; !apart && c < inputs; ++c)
          for (const std::int64_t tap : beside_) to[c * taps + tap] = beside;
      });
    }
  }

  bool grad_is_finite(const ConvArrays& arrays, std::int64_t channel) const {
    const std::int64_t plane = shape_.output_plane();
    const auto* const first = static_cast<const T*>(arrays.grad_output) + channel * plane;
    bool finite = true;
    for (std::int64_t image = 0; image < shape_.batch; ++image)
      finite &= all_finite(first + image * shape_.out_channels * plane, plane);
    return finite;
  }

  ConvShape shape_;
  ConvOperation operation_;
  std::vector<std::int64_t> live_, beside_;  // taps that are left, and those that are not
  ConvPlan plan_;
  Epilogue<T> epilogue_;
  int threads_;
};

}  // namespace

const char* cropped_kernel_why_not(const ConvProblem& problem) {
  const ConvShape& s = problem.shape;
  if (!s.pads_with_zeros()) return "for padding with zeros alone";
  if (s.input_size() == 0 || s.output_size() == 0) return "there is nothing to sum";
  return cropped(s).taps() == s.taps() ? "every tap meets the input" : nullptr;
}

// In cycles for a pair of channels, roughly. Packing weights takes part of what a smaller kernel saves; depthwise
// convolution packs none. In strict precision as for one image: a smaller kernel may have another order of the sums.
const char* cropped_kernel_why_slower(const ConvProblem& problem) {
  const ConvShape& s = problem.shape;
  const auto taps = static_cast<double>(s.taps()), live = static_cast<double>(cropped(s).taps());
  const std::int64_t images = problem.precision == Precision::strict ? 1 : s.batch;
  const double work = static_cast<double>(images) * static_cast<double>(s.output_plane()) / 26;
  const bool depthwise = s.in_channels_per_group() == 1;
  const double saved = taps * (work + (depthwise ? -2 : 0.2)), spent = live * (work + (depthwise ? 4 : 1.5));
  return problem.prepacked || saved > spent ? nullptr : "copying the weights would take longer";
}

std::shared_ptr<const ConvAlgorithm> make_cropped_kernel(const ConvProblem& problem) {
  if (problem.dtype == DType::float32) return std::make_shared<CroppedKernel<float>>(problem);
  return std::make_shared<CroppedKernel<double>>(problem);
}

}  // namespace convnative
