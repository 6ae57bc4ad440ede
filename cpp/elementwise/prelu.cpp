// The leaky rectifier with a learned slope per channel, and its gradients: two functions that between them are
// closed under differentiation.
#include <algorithm>
#include <vector>

#include "base/checked.h"
#include "base/parallel.h"
#include "convnative/elementwise.h"

namespace convnative {
namespace {

constexpr std::int64_t elements_per_task = 16 * 1024;
constexpr double elements_per_thread = 64 * 1024;

// Calls `body(channel, begin, size)` for runs of elements of one channel, in parallel.
template <class Body>
void for_each_run(const ChannelShape& shape, const Body& body) {
  const std::int64_t per_plane = ceil_div(shape.inner, elements_per_task);
  const std::int64_t runs = shape.outer * shape.channels * per_plane;
  const std::int64_t runs_per_task =
      std::max<std::int64_t>(elements_per_task / std::max<std::int64_t>(shape.inner, 1), 1);
  const int threads = threads_for(static_cast<double>(shape.size()), elements_per_thread);
  parallel_for(ceil_div(runs, runs_per_task), threads, [&](std::int64_t task, int) {
    const std::int64_t end = std::min(runs, (task + 1) * runs_per_task);
    for (std::int64_t run = task * runs_per_task; run < end; ++run) {
      const std::int64_t plane = run / per_plane, begin = run % per_plane * elements_per_task;
      body(plane % shape.channels, plane * shape.inner + begin,
           std::min(elements_per_task, shape.inner - begin));
    }
  });
}

template <class T>
void select(const ChannelShape& shape, bool pass, const T* x, const T* values, const T* weight, T* result) {
  for_each_run(shape, [&](std::int64_t channel, std::int64_t begin, std::int64_t size) {
    const T slope = weight[channel];
    for (std::int64_t i = begin; i < begin + size; ++i)
      result[i] = x[i] > 0 ? (pass ? values[i] : T{0}) : slope * values[i];
  });
}

// Each channel is a chain of partial sums over a fixed number of outer positions, added in their order.
template <class T>
void sums(const ChannelShape& shape, const T* x, const T* a, const T* b, T* result) {
  const std::int64_t outer_per_part =
      std::max<std::int64_t>(elements_per_task / std::max<std::int64_t>(shape.inner, 1), 1);
  const std::int64_t per_plane = ceil_div(shape.inner, elements_per_task);
  const std::int64_t parts = ceil_div(shape.outer, outer_per_part) * per_plane;
  std::vector<double> partial(static_cast<std::size_t>(shape.channels * parts));
  const int threads = threads_for(static_cast<double>(shape.size()), elements_per_thread);
  parallel_for(shape.channels * parts, threads, [&](std::int64_t task, int) {
    const std::int64_t channel = task / parts, part = task % parts;
    const std::int64_t first = part / per_plane * outer_per_part;
    const std::int64_t last = std::min(shape.outer, first + outer_per_part);
    const std::int64_t begin = part % per_plane * elements_per_task;
    const std::int64_t end = std::min(shape.inner, begin + elements_per_task);
    double sum = 0;
    for (std::int64_t outer = first; outer < last; ++outer) {
      const std::int64_t plane = (outer * shape.channels + channel) * shape.inner;
      for (std::int64_t i = plane + begin; i < plane + end; ++i)
        sum += x[i] > 0 ? 0.0 : static_cast<double>(a[i]) * static_cast<double>(b[i]);
    }
    partial[static_cast<std::size_t>(task)] = sum;
  });
  for (std::int64_t channel = 0; channel < shape.channels; ++channel) {
    double sum = 0;
    for (std::int64_t part = 0; part < parts; ++part)
      sum += partial[static_cast<std::size_t>(channel * parts + part)];
    result[channel] = static_cast<T>(sum);
  }
}

}  // namespace

void prelu_select(const ChannelShape& shape, bool pass, DType dtype, const void* x, const void* values,
                  const void* weight, void* result) {
  if (dtype == DType::float32)
    select(shape, pass, static_cast<const float*>(x), static_cast<const float*>(values),
           static_cast<const float*>(weight), static_cast<float*>(result));
  else
    select(shape, pass, static_cast<const double*>(x), static_cast<const double*>(values),
           static_cast<const double*>(weight), static_cast<double*>(result));
}

void prelu_sums(const ChannelShape& shape, DType dtype, const void* x, const void* a, const void* b,
                void* result) {
  if (dtype == DType::float32)
    sums(shape, static_cast<const float*>(x), static_cast<const float*>(a), static_cast<const float*>(b),
         static_cast<float*>(result));
  else
    sums(shape, static_cast<const double*>(x), static_cast<const double*>(a), static_cast<const double*>(b),
         static_cast<double*>(result));
}

}  // namespace convnative
