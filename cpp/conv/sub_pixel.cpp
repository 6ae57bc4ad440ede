#include "conv/sub_pixel.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "base/checked.h"
#include "base/parallel.h"
#include "conv/transposed_weights.h"

namespace convnative {
namespace {

// A plan looks at each tap, and each phase has weights.
constexpr std::int64_t most_stride = 64;

}  // namespace

const char* SubPixels::why_not(const ConvShape& shape) {
  if (shape.pads_with_input()) return "for padding with zeros or a constant alone";
  for (std::size_t axis = 0; axis < max_axes; ++axis) {
    if (shape.stride[axis] > most_stride) return "for gradients of strides up to 64 alone";
    if (shape.stride[axis] > shape.kernel[axis]) return "for gradients that reach every input alone";
    if (shape.stride[axis] > 1 && shape.dilation[axis] > 1)
      return "for gradients of strides without dilation alone";
  }
  return nullptr;
}

SubPixels::Axis::Axis(const ConvShape& shape, std::size_t axis)
    : input(shape.input[axis]),
      stride(shape.stride[axis]),
      pad(shape.pad_before[axis]),
      first(pad / stride),
      points((input - 1 + pad) / stride - first + 1),
      taps(ceil_div(shape.kernel[axis], stride)) {}

SubPixels::SubPixels(const ConvShape& shape)
    : s_(shape), axes_{Axis(shape, 0), Axis(shape, 1), Axis(shape, 2)}, convolution_(shape), unequal_(false) {
  ConvShape& c = convolution_;
  std::swap(c.in_channels, c.out_channels);
  c.padding_mode = PaddingMode::constant;
  c.padding_value = 0;
  for (std::size_t axis = 0; axis < max_axes; ++axis) {
    const Axis& a = axes_[axis];
    c.out_channels *= a.stride;
    c.input[axis] = shape.output[axis];
    c.output[axis] = a.points;
    c.kernel[axis] = a.taps;
    c.stride[axis] = 1;
    c.pad_before[axis] = (a.taps - 1) * c.dilation[axis] - a.first;
    unequal_ = unequal_ || shape.kernel[axis] % a.stride != 0;
  }
}

template <class T>
void SubPixels::pack(const T* weight, T* packed, const GemmKernels<T>& kernels, int threads) const {
  const std::int64_t inputs = s_.in_channels_per_group(), outputs = s_.out_channels_per_group();
  const std::int64_t kernel = s_.taps(), taps = convolution_.taps(), depth = outputs * taps;
  const std::int64_t phases = convolution_.out_channels / s_.in_channels;
  if (taps == 1)
    return transpose_weights(s_, weight, packed, kernels, threads,
                             [=](std::int64_t group, std::int64_t channel, std::int64_t tap) {
                               return (group * inputs + channel) * kernel + tap;
                             });
  // Of each tap of a kernel, in its channel's rows.
  std::vector<std::int64_t> places;
  places.reserve(static_cast<std::size_t>(kernel));
  const auto& [slices, rows, columns] = axes_;
  for (std::int64_t d = 0; d < s_.kernel[0]; ++d)
    for (std::int64_t i = 0; i < s_.kernel[1]; ++i)
      for (std::int64_t j = 0; j < s_.kernel[2]; ++j) {
        const std::int64_t phase =
            (d % slices.stride * rows.stride + i % rows.stride) * columns.stride + j % columns.stride;
        const std::int64_t tap =
            (d / slices.stride * rows.taps + i / rows.stride) * columns.taps + j / columns.stride;
        places.push_back(phase * depth + tap);
      }
  parallel_for(s_.in_channels, threads, [&](std::int64_t channel, int) {
    T* target = packed + channel * phases * depth;
    if (unequal_) std::fill_n(target, phases * depth, T{0});
    const T* source = weight + (channel / inputs * outputs * inputs + channel % inputs) * kernel;
    for (std::int64_t k = 0; k < outputs; ++k, source += inputs * kernel, target += taps)
      for (std::int64_t t = 0; t < kernel; ++t) target[places[static_cast<std::size_t>(t)]] = source[t];
  });
}

// The input's element that the first sum of a line belongs to.
struct SubPixels::Element {
  std::int64_t channel, z, y, x;
};

template <class T>
SubPixels::Element SubPixels::first_element(const Sums<T>& sums) const {
  const auto& [slices, rows, columns] = axes_;
  return {sums.line / rows.stride / slices.stride,
          slices.at(sums.depth) + sums.line / rows.stride % slices.stride,
          rows.at(sums.row) + sums.line % rows.stride, columns.at(sums.column)};
}

template <class T>
T* SubPixels::row_of(std::int64_t image, const Element& e, const ConvArrays& arrays) const {
  const auto& [slices, rows, columns] = axes_;
  if (e.z < 0 || e.z >= slices.input || e.y < 0 || e.y >= rows.input) return nullptr;
  return static_cast<T*>(arrays.result) +
         (((image * s_.in_channels + e.channel) * slices.input + e.z) * rows.input + e.y) * columns.input;
}

template <class T>
const T* SubPixels::place(const Sums<T>& sums, const ConvArrays& arrays) const {
  const Element first = first_element(sums);
  const T* const row = row_of<T>(sums.image, first, arrays);
  return row == nullptr ? nullptr : row + std::max<std::int64_t>(first.x, 0);
}

template <class T>
void SubPixels::store(const Sums<T>& sums, const ConvArrays& arrays, const T* packed,
                      const GemmKernels<T>& kernels) const {
  const Element first = first_element(sums);
  T* const result = row_of<T>(sums.image, first, arrays);
  if (result == nullptr) return;
  const Axis& columns = axes_[2];
  const std::int64_t stride = columns.stride;
  const auto [channel, z, y, x] = first;
  // The first point's first phases and the last one's last may lie beside the input.
  bool finite = true;
  const auto store_single = [&](std::int64_t point) {
    for (std::int64_t r = 0; r < stride; ++r) {
      const std::int64_t at = x + point * stride + r;
      if (at < 0 || at >= columns.input) continue;
      result[at] = sums.sums[r * sums.pitch + point];
      finite = finite && std::isfinite(result[at]);
    }
  };
  std::int64_t begin = 0, end = sums.columns;
  if (x < 0) store_single(begin++);
  if (begin < end && x + end * stride > columns.input) store_single(--end);
  if (begin < end)
    finite &=
        kernels.interleave({sums.sums + begin, sums.pitch, stride, end - begin, result + x + begin * stride});
  if (finite || !unequal_) return;
  const std::int64_t last = std::min(x + sums.columns * stride, columns.input);
  for (std::int64_t at = std::max<std::int64_t>(x, 0); at < last; ++at)
    if (!std::isfinite(result[at]))
      result[at] = by_definition(sums.image, channel, {z, y, at}, arrays, packed);
}

template <class T>
T SubPixels::by_definition(std::int64_t image, std::int64_t channel,
                           std::array<std::int64_t, max_axes> element, const ConvArrays& arrays,
                           const T* packed) const {
  std::array<std::int64_t, max_axes> point{}, taps{};
  std::int64_t row = channel;
  for (std::size_t axis = 0; axis < max_axes; ++axis) {
    const Axis& a = axes_[axis];
    const std::int64_t phase = (element[axis] + a.pad) % a.stride;
    point[axis] = (element[axis] + a.pad) / a.stride;
    taps[axis] = ceil_div(s_.kernel[axis] - phase, a.stride);
    row = row * a.stride + phase;
  }
  const std::int64_t outputs = s_.out_channels_per_group(), plane = s_.output_plane();
  const T* weight = packed + row * outputs * convolution_.taps();
  const T* source = static_cast<const T*>(arrays.grad_output) +
                    (image * s_.out_channels + channel / s_.in_channels_per_group() * outputs) * plane;
  T sum = start<T>(arrays, row);
  for (std::int64_t k = 0; k < outputs; ++k, source += plane)
    for (std::int64_t d = 0; d < axes_[0].taps; ++d)
      for (std::int64_t i = 0; i < axes_[1].taps; ++i)
        for (std::int64_t j = 0; j < axes_[2].taps; ++j, ++weight) {
          if (d >= taps[0] || i >= taps[1] || j >= taps[2]) continue;
          const std::int64_t z = point[0] - d * s_.dilation[0], y = point[1] - i * s_.dilation[1];
          const std::int64_t x = point[2] - j * s_.dilation[2];
          const bool inside =
              z >= 0 && z < s_.output[0] && y >= 0 && y < s_.output[1] && x >= 0 && x < s_.output[2];
          sum = std::fma(*weight, inside ? source[(z * s_.output[1] + y) * s_.output[2] + x] : T{0}, sum);
        }
  return sum;
}

template void SubPixels::pack(const float*, float*, const GemmKernels<float>&, int) const;
template void SubPixels::pack(const double*, double*, const GemmKernels<double>&, int) const;
template const float* SubPixels::place(const Sums<float>&, const ConvArrays&) const;
template const double* SubPixels::place(const Sums<double>&, const ConvArrays&) const;
template void SubPixels::store(const Sums<float>&, const ConvArrays&, const float*,
                               const GemmKernels<float>&) const;
template void SubPixels::store(const Sums<double>&, const ConvArrays&, const double*,
                               const GemmKernels<double>&) const;

}  // namespace convnative
