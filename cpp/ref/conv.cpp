#include "ref/conv.h"

#include <algorithm>
#include <array>

#include "base/checked.h"
#include "base/parallel.h"

namespace convnative::ref {
namespace {

using Point = std::array<std::int64_t, max_axes>;

template <class Body>
void for_each_point(const Extents& extents, Body body) {
  Point p;
  for (p[0] = 0; p[0] < extents[0]; ++p[0])
    for (p[1] = 0; p[1] < extents[1]; ++p[1])
      for (p[2] = 0; p[2] < extents[2]; ++p[2]) body(p);
}

// Calls body(plane, point) for every point of every plane, in parallel over rows.
template <class Body>
void for_each_row(const ConvShape& shape, std::int64_t planes, const Extents& extents, Body body) {
  const std::int64_t rows = extents[0] * extents[1];
  parallel_for(planes * rows, threads_for(static_cast<double>(shape.macs()), 1e5),
               [&](std::int64_t task, int) {
                 Point p{task % rows / extents[1], task % rows % extents[1], 0};
                 for (; p[2] < extents[2]; ++p[2]) body(task / rows, p);
               });
}

std::int64_t index(const Extents& extents, const Point& p) {
  return (p[0] * extents[1] + p[1]) * extents[2] + p[2];
}

// Places [first, last] of an axis of the padded input, counted from the input's first element.
struct Places {
  std::int64_t first, last;
};

// Where the padded input shows element i of `size`: there and in up to two parts of the padding.
std::array<Places, 3> shown(PaddingMode mode, std::int64_t i, std::int64_t size, std::int64_t before,
                            std::int64_t after) {
  constexpr Places none{0, -1};
  const auto within_padding = [&](std::int64_t place) {
    const bool inside = (place >= -before && place < 0) || (place >= size && place < size + after);
    return inside ? Places{place, place} : none;
  };
  const Places self{i, i};
  switch (mode) {
    case PaddingMode::reflect:  // mirrored at the outermost element
      return {self, within_padding(-i), within_padding(2 * (size - 1) - i)};
    case PaddingMode::symmetric:  // mirrored at the edge
      return {self, within_padding(-1 - i), within_padding(2 * size - 1 - i)};
    case PaddingMode::circular:
      return {self, within_padding(i - size), within_padding(i + size)};
    case PaddingMode::replicate:
      return {self, i == 0 ? Places{-before, -1} : none,
              i == size - 1 ? Places{size, size + after - 1} : none};
    case PaddingMode::constant:
      break;
  }
  return {self, none, none};
}

// The element that the padded input shows at a place of one axis; -1: none, but the padding's value.
std::int64_t element_at(const ConvShape& shape, std::size_t axis, std::int64_t place) {
  const std::int64_t size = shape.input[axis];
  if (place >= 0 && place < size) return place;
  switch (shape.padding_mode) {
    case PaddingMode::reflect:
      return place < 0 ? -place : 2 * (size - 1) - place;
    case PaddingMode::symmetric:
      return place < 0 ? -1 - place : 2 * size - 1 - place;
    case PaddingMode::circular:
      return (place + size) % size;
    case PaddingMode::replicate:
      return place < 0 ? 0 : size - 1;
    case PaddingMode::constant:
      break;
  }
  return -1;
}

// The element under `tap` of the window at `output`. Padding of zeros is numbers: an infinite weight times
// one of them is NaN.
template <class T>
double padded_element(const ConvShape& shape, const T* plane, const Point& output, const Point& tap) {
  Point input;
  for (std::size_t axis = 0; axis < max_axes; ++axis) {
    input[axis] = element_at(
        shape, axis,
        output[axis] * shape.stride[axis] - shape.pad_before[axis] + tap[axis] * shape.dilation[axis]);
    if (input[axis] < 0) return static_cast<double>(static_cast<T>(shape.padding_value));
  }
  return static_cast<double>(plane[index(shape.input, input)]);
}

// Calls body for every window of one axis whose `tap` lies on a place that shows `input`.
template <class Body>
void for_each_window(const ConvShape& shape, std::size_t axis, std::int64_t input, std::int64_t tap,
                     Body body) {
  const std::int64_t stride = shape.stride[axis], before = shape.pad_before[axis];
  for (const Places& places :
       shown(shape.padding_mode, input, shape.input[axis], before, shape.pad_after[axis])) {
    if (places.last < places.first) continue;
    // Window o has its tap at o * stride + offset.
    const std::int64_t offset = tap * shape.dilation[axis] - before;
    const std::int64_t first = std::max<std::int64_t>(-floor_div(offset - places.first, stride), 0);
    const std::int64_t last = std::min(floor_div(places.last - offset, stride), shape.output[axis] - 1);
    for (std::int64_t window = first; window <= last; ++window) body(window);
  }
}

}  // namespace

template <class T>
void conv_forward(const ConvShape& shape, const T* input, const T* weight, const T* bias, T* output) {
  const std::int64_t group_inputs = shape.in_channels_per_group();
  const std::int64_t group_outputs = shape.out_channels_per_group();
  for_each_row(shape, shape.batch * shape.out_channels, shape.output,
               [&](std::int64_t plane, const Point& o) {
                 const std::int64_t n = plane / shape.out_channels, k = plane % shape.out_channels;
                 double sum = bias == nullptr ? 0 : static_cast<double>(bias[k]);
                 for (std::int64_t c = 0; c < group_inputs; ++c) {
                   const std::int64_t channel = k / group_outputs * group_inputs + c;
                   const T* const x = input + (n * shape.in_channels + channel) * shape.input_plane();
                   const T* const w = weight + (k * group_inputs + c) * shape.taps();
                   for_each_point(shape.kernel, [&](const Point& t) {
                     sum += static_cast<double>(w[index(shape.kernel, t)]) * padded_element(shape, x, o, t);
                   });
                 }
                 output[plane * shape.output_plane() + index(shape.output, o)] = static_cast<T>(sum);
               });
}

template <class T>
void conv_grad_input(const ConvShape& shape, const T* grad_output, const T* weight, const T* bias,
                     T* grad_input) {
  const std::int64_t group_inputs = shape.in_channels_per_group();
  const std::int64_t group_outputs = shape.out_channels_per_group();
  for_each_row(shape, shape.batch * shape.in_channels, shape.input, [&](std::int64_t plane, const Point& i) {
    const std::int64_t n = plane / shape.in_channels, c = plane % shape.in_channels;
    const std::int64_t first = c / group_inputs * group_outputs;  // output channel of the group
    const T* const g = grad_output + (n * shape.out_channels + first) * shape.output_plane();
    const T* const w = weight + (first * group_inputs + c % group_inputs) * shape.taps();
    double sum = bias == nullptr ? 0 : static_cast<double>(bias[c]);
    const auto add_window = [&](const Point& o, const Point& t) {
      const T* const gradient = g + index(shape.output, o);
      const T* const factor = w + index(shape.kernel, t);
      for (std::int64_t k = 0; k < group_outputs; ++k)
        sum += static_cast<double>(factor[k * group_inputs * shape.taps()]) *
               static_cast<double>(gradient[k * shape.output_plane()]);
    };
    for_each_point(shape.kernel, [&](const Point& t) {
      for_each_window(shape, 0, i[0], t[0], [&](std::int64_t depth) {
        for_each_window(shape, 1, i[1], t[1], [&](std::int64_t row) {
          for_each_window(shape, 2, i[2], t[2],
                          [&](std::int64_t column) { add_window({depth, row, column}, t); });
        });
      });
    });
    grad_input[plane * shape.input_plane() + index(shape.input, i)] = static_cast<T>(sum);
  });
}

template <class T>
void conv_grad_weight(const ConvShape& shape, const T* grad_output, const T* input, T* grad_weight) {
  const std::int64_t group_inputs = shape.in_channels_per_group();
  const std::int64_t group_outputs = shape.out_channels_per_group();
  for_each_row(shape, shape.out_channels * group_inputs, shape.kernel,
               [&](std::int64_t plane, const Point& t) {
                 const std::int64_t k = plane / group_inputs;
                 const std::int64_t c = k / group_outputs * group_inputs + plane % group_inputs;
                 double sum = 0;
                 for (std::int64_t n = 0; n < shape.batch; ++n) {
                   const T* const x = input + (n * shape.in_channels + c) * shape.input_plane();
                   const T* const g = grad_output + (n * shape.out_channels + k) * shape.output_plane();
                   for_each_point(shape.output, [&](const Point& o) {
                     sum += static_cast<double>(g[index(shape.output, o)]) * padded_element(shape, x, o, t);
                   });
                 }
                 grad_weight[plane * shape.taps() + index(shape.kernel, t)] = static_cast<T>(sum);
               });
}

template void conv_forward(const ConvShape&, const float*, const float*, const float*, float*);
template void conv_forward(const ConvShape&, const double*, const double*, const double*, double*);
template void conv_grad_input(const ConvShape&, const float*, const float*, const float*, float*);
template void conv_grad_input(const ConvShape&, const double*, const double*, const double*, double*);
template void conv_grad_weight(const ConvShape&, const float*, const float*, float*);
template void conv_grad_weight(const ConvShape&, const double*, const double*, double*);

}  // namespace convnative::ref
