#include "ref/pool.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/parallel.h"

namespace convnative::ref {
namespace {

using Point = std::array<std::int64_t, max_axes>;

std::int64_t index(const Extents& extents, const Point& p) {
  return (p[0] * extents[1] + p[1]) * extents[2] + p[2];
}

template <class Body>
void for_each_window(const PoolShape& shape, Body body) {
  Point o;
  for (o[0] = 0; o[0] < shape.output[0]; ++o[0])
    for (o[1] = 0; o[1] < shape.output[1]; ++o[1])
      for (o[2] = 0; o[2] < shape.output[2]; ++o[2]) body(o, index(shape.output, o));
}

// Calls `body(position)` for the elements of the input under the window at `output`, in row-major order.
template <class Body>
void for_each_element(const PoolShape& shape, const Point& output, Body body) {
  // Only the taps on the input: a hostile kernel has far more of them than that.
  Point first, end, t, p;
  for (std::size_t axis = 0; axis < max_axes; ++axis) {
    const std::int64_t start = output[axis] * shape.stride[axis] - shape.pad_before[axis];
    const std::int64_t behind = shape.input[axis] - 1 - start;
    first[axis] = start >= 0 ? 0 : (-start - 1) / shape.dilation[axis] + 1;
    end[axis] = behind < 0 ? 0 : std::min(shape.kernel[axis], behind / shape.dilation[axis] + 1);
  }
  const auto position = [&](std::size_t axis) {
    return output[axis] * shape.stride[axis] - shape.pad_before[axis] + t[axis] * shape.dilation[axis];
  };
  for (t[0] = first[0]; t[0] < end[0]; ++t[0])
    for (t[1] = first[1]; t[1] < end[1]; ++t[1])
      for (t[2] = first[2]; t[2] < end[2]; ++t[2]) {
        p = {position(0), position(1), position(2)};
        body(index(shape.input, p));
      }
}

// Calls `body(output)` for the windows over an element of the input, in row-major order.
template <class Body>
void for_each_window_over(const PoolShape& shape, const Point& input, Body body) {
  Point o;
  const auto first = [&](std::size_t axis) {
    const std::int64_t reach = shape.dilation[axis] * (shape.kernel[axis] - 1);
    const std::int64_t before = input[axis] + shape.pad_before[axis] - reach;
    return before <= 0 ? 0 : (before - 1) / shape.stride[axis] + 1;
  };
  const auto meets_a_tap = [&] {
    for (std::size_t axis = 0; axis < max_axes; ++axis)
      if ((input[axis] + shape.pad_before[axis] - o[axis] * shape.stride[axis]) % shape.dilation[axis] != 0)
        return false;
    return true;
  };
  const auto inside = [&](std::size_t axis) {
    return o[axis] < shape.output[axis] &&
           o[axis] * shape.stride[axis] <= input[axis] + shape.pad_before[axis];
  };
  for (o[0] = first(0); inside(0); ++o[0])
    for (o[1] = first(1); inside(1); ++o[1])
      for (o[2] = first(2); inside(2); ++o[2])
        if (meets_a_tap()) body(o);
}

constexpr std::int64_t nowhere = -1;

// The position of the last NaN, else of the first maximum.
template <class T>
std::int64_t argmax(const PoolShape& shape, const Point& output, const T* plane) {
  std::int64_t best = nowhere;
  for_each_element(shape, output, [&](std::int64_t at) {
    if (best == nowhere || plane[at] > plane[best] || std::isnan(plane[at])) best = at;
  });
  return best;
}

double divisor_of(const PoolShape& shape, const AvgPoolDivisor& divisor, const Point& output) {
  if (divisor.fixed != 0) return static_cast<double>(divisor.fixed);
  double product = 1;
  for (std::size_t axis = 0; axis < max_axes; ++axis) {
    const std::int64_t start = output[axis] * shape.stride[axis] - shape.pad_before[axis];
    const std::int64_t low = divisor.count_padding ? -shape.pad_before[axis] : 0;
    const std::int64_t high = shape.input[axis] + (divisor.count_padding ? shape.pad_after[axis] : 0);
    const std::int64_t dilation = shape.dilation[axis];
    const std::int64_t first = start < low ? (low - start - 1) / dilation + 1 : 0;
    const std::int64_t behind = start < high ? (high - start - 1) / dilation + 1 : 0;
    product *= static_cast<double>(std::max<std::int64_t>(std::min(shape.kernel[axis], behind) - first, 0));
  }
  return product;
}

template <class Body>
void for_each_plane(const PoolShape& shape, Body body) {
  double elements = static_cast<double>(shape.output_size());
  for (std::size_t axis = 0; axis < max_axes; ++axis)
    elements *= static_cast<double>(std::min(shape.kernel[axis], shape.input[axis]));
  parallel_for(shape.planes(), threads_for(elements, 1e5), [&](std::int64_t plane, int) { body(plane); });
}

}  // namespace

template <class T>
void max_pool_forward(const PoolShape& shape, const T* input, T* output) {
  for_each_plane(shape, [&](std::int64_t plane) {
    const T* const source = input + plane * shape.input_plane();
    T* const result = output + plane * shape.output_plane();
    for_each_window(shape, [&](const Point& o, std::int64_t window) {
      const std::int64_t at = argmax(shape, o, source);
      result[window] = at == nowhere ? -std::numeric_limits<T>::infinity() : source[at];
    });
  });
}

template <class T>
void max_pool_with_indices(const PoolShape& shape, const T* input, T* output, std::int64_t* indices) {
  max_pool_forward(shape, input, output);
  for_each_plane(shape, [&](std::int64_t plane) {
    for_each_window(shape, [&](const Point& o, std::int64_t window) {
      indices[plane * shape.output_plane() + window] = argmax(shape, o, input + plane * shape.input_plane());
    });
  });
}

template <class T>
void max_pool_grad(const PoolShape& shape, const T* input, const T* grad_output, T* grad_input) {
  for_each_plane(shape, [&](std::int64_t plane) {
    const T* const source = input + plane * shape.input_plane();
    const T* const gradient = grad_output + plane * shape.output_plane();
    T* const result = grad_input + plane * shape.input_plane();
    std::fill_n(result, shape.input_plane(), T{0});
    for_each_window(shape, [&](const Point& o, std::int64_t window) {
      const std::int64_t at = argmax(shape, o, source);
      if (at != nowhere) result[at] += gradient[window];
    });
  });
}

template <class T>
void max_pool_pick(const PoolShape& shape, const T* input, const T* values, T* output) {
  for_each_plane(shape, [&](std::int64_t plane) {
    const T* const source = input + plane * shape.input_plane();
    const T* const picked = values + plane * shape.input_plane();
    T* const result = output + plane * shape.output_plane();
    for_each_window(shape, [&](const Point& o, std::int64_t window) {
      const std::int64_t at = argmax(shape, o, source);
      result[window] = at == nowhere ? T{0} : picked[at];
    });
  });
}

template <class T>
void avg_pool_forward(const PoolShape& shape, const AvgPoolDivisor& divisor, const T* input, T* output) {
  for_each_plane(shape, [&](std::int64_t plane) {
    const T* const source = input + plane * shape.input_plane();
    T* const result = output + plane * shape.output_plane();
    for_each_window(shape, [&](const Point& o, std::int64_t window) {
      double sum = 0;
      for_each_element(shape, o, [&](std::int64_t at) { sum += static_cast<double>(source[at]); });
      result[window] = static_cast<T>(sum / divisor_of(shape, divisor, o));
    });
  });
}

template <class T>
void avg_pool_grad(const PoolShape& shape, const AvgPoolDivisor& divisor, const T* grad_output,
                   T* grad_input) {
  for_each_plane(shape, [&](std::int64_t plane) {
    const T* const gradient = grad_output + plane * shape.output_plane();
    T* const result = grad_input + plane * shape.input_plane();
    Point i;
    for (i[0] = 0; i[0] < shape.input[0]; ++i[0])
      for (i[1] = 0; i[1] < shape.input[1]; ++i[1])
        for (i[2] = 0; i[2] < shape.input[2]; ++i[2]) {
          double sum = 0;
          for_each_window_over(shape, i, [&](const Point& o) {
            sum += static_cast<double>(gradient[index(shape.output, o)]) / divisor_of(shape, divisor, o);
          });
          result[index(shape.input, i)] = static_cast<T>(sum);
        }
  });
}

// How much the sum of a window counts.
double lp_scale(const PoolShape& shape, const LpNorm& norm, const Point& output) {
  return norm.scaled ? static_cast<double>(volume(shape.kernel)) / divisor_of(shape, {}, output) : 1;
}

template <class T>
void lp_pool_forward(const PoolShape& shape, const LpNorm& norm, const T* input, T* output) {
  for_each_plane(shape, [&](std::int64_t plane) {
    const T* const source = input + plane * shape.input_plane();
    T* const result = output + plane * shape.output_plane();
    for_each_window(shape, [&](const Point& o, std::int64_t window) {
      double sum = 0;
      for_each_element(shape, o, [&](std::int64_t at) {
        const auto x = static_cast<double>(source[at]);
        sum += std::pow(norm.absolute ? std::abs(x) : x, norm.p);
      });
      result[window] = static_cast<T>(std::pow(sum * lp_scale(shape, norm, o), 1 / norm.p));
    });
  });
}

template <class T>
void lp_pool_grad(const PoolShape& shape, const LpNorm& norm, const T* input, const T* output,
                  const T* grad_output, T* grad_input) {
  for_each_plane(shape, [&](std::int64_t plane) {
    const T* const source = input + plane * shape.input_plane();
    const T* const norms = output + plane * shape.output_plane();
    const T* const gradient = grad_output + plane * shape.output_plane();
    T* const result = grad_input + plane * shape.input_plane();
    Point i;
    for (i[0] = 0; i[0] < shape.input[0]; ++i[0])
      for (i[1] = 0; i[1] < shape.input[1]; ++i[1])
        for (i[2] = 0; i[2] < shape.input[2]; ++i[2]) {
          const std::int64_t at = index(shape.input, i);
          const auto x = static_cast<double>(source[at]);
          const double power = std::pow(norm.absolute ? std::abs(x) : x, norm.p - 1);
          const double slope = !norm.absolute || x > 0 ? power : x < 0 ? -power : x * 0;
          double sum = 0;
          for_each_window_over(shape, i, [&](const Point& o) {
            const std::int64_t window = index(shape.output, o);
            const auto y = static_cast<double>(norms[window]);
            if (y != 0)
              sum +=
                  static_cast<double>(gradient[window]) * lp_scale(shape, norm, o) * std::pow(y, 1 - norm.p);
          });
          result[at] = static_cast<T>(sum * slope);
        }
  });
}

template void max_pool_forward(const PoolShape&, const float*, float*);
template void max_pool_forward(const PoolShape&, const double*, double*);
template void max_pool_with_indices(const PoolShape&, const float*, float*, std::int64_t*);
template void max_pool_with_indices(const PoolShape&, const double*, double*, std::int64_t*);
template void max_pool_grad(const PoolShape&, const float*, const float*, float*);
template void max_pool_grad(const PoolShape&, const double*, const double*, double*);
template void max_pool_pick(const PoolShape&, const float*, const float*, float*);
template void max_pool_pick(const PoolShape&, const double*, const double*, double*);
template void avg_pool_forward(const PoolShape&, const AvgPoolDivisor&, const float*, float*);
template void avg_pool_forward(const PoolShape&, const AvgPoolDivisor&, const double*, double*);
template void avg_pool_grad(const PoolShape&, const AvgPoolDivisor&, const float*, float*);
template void avg_pool_grad(const PoolShape&, const AvgPoolDivisor&, const double*, double*);

template void lp_pool_forward(const PoolShape&, const LpNorm&, const float*, float*);
template void lp_pool_forward(const PoolShape&, const LpNorm&, const double*, double*);
template void lp_pool_grad(const PoolShape&, const LpNorm&, const float*, const float*, const float*, float*);
template void lp_pool_grad(const PoolShape&, const LpNorm&, const double*, const double*, const double*,
                           double*);

}  // namespace convnative::ref
