// The leaky rectifier with a learned slope per channel, and its gradients: two functions that between them are
// closed under differentiation.
//
// Where a channel has few neighbouring elements, a row of all channels is walked instead, with a slope for
// every one of its elements.
#include <algorithm>
#include <numeric>
#include <vector>

#include "base/checked.h"
#include "base/pieces.h"
#include "convnative/elementwise.h"

namespace convnative {
namespace {

// Neighbours that make a loop of their own worth while: some vectors.
constexpr std::int64_t long_inner = 64;

bool walks_rows(const ChannelShape& shape) {
  return shape.channels > 1 && shape.inner < long_inner;
}

template <class T>
void select(const ChannelShape& shape, bool pass, const T* x, const T* values, const T* weight, T* result) {
  const bool rows = walks_rows(shape);
  const std::int64_t outer = rows ? shape.outer : shape.outer * shape.channels;
  const std::int64_t size = rows ? shape.channels * shape.inner : shape.inner;
  std::vector<T> slopes;
  if (rows) {
    slopes.resize(static_cast<std::size_t>(size));
    for (std::int64_t channel = 0; channel < shape.channels; ++channel)
      std::fill_n(slopes.begin() + channel * shape.inner, shape.inner, weight[channel]);
  }
  const auto put = [&](std::int64_t at, T slope) {
    result[at] = x[at] > 0 ? (pass ? values[at] : T{0}) : slope * values[at];
  };
  for_each_piece(outer, size, 1, threads_for_pieces(outer, size, 1),
                 [&](std::int64_t row, std::int64_t begin, std::int64_t end, int) {
                   const std::int64_t first = row * size;
                   if (rows) {
                     const T* const slope = slopes.data();
                     for (std::int64_t i = begin; i < end; ++i) put(first + i, slope[i]);
                   } else {
                     const T slope = weight[row % shape.channels];
                     for (std::int64_t i = begin; i < end; ++i) put(first + i, slope);
                   }
                 });
}

// Sums are chains of partial sums over blocks of about so many elements, which the shape alone fixes, added in
// order.
constexpr std::int64_t elements_per_task = 16 * 1024;

template <class T>
double product_where_negative(const T* x, const T* a, const T* b, std::int64_t i) {
  return x[i] > 0 ? 0.0 : static_cast<double>(a[i]) * static_cast<double>(b[i]);
}

// result[i] = the sum over `rows` of element i of a row of `size`.
template <class T>
std::vector<double> sums_of_columns(std::int64_t rows, std::int64_t size, const T* x, const T* a,
                                    const T* b) {
  constexpr std::int64_t columns_per_task = 256, rows_per_task = elements_per_task / columns_per_task;
  const std::int64_t parts = ceil_div(rows, rows_per_task), blocks = ceil_div(size, columns_per_task);
  std::vector<double> partial(static_cast<std::size_t>(parts * size)), result(static_cast<std::size_t>(size));
  parallel_for(parts * blocks, threads_for_pieces(rows, size, 1), [&](std::int64_t task, int) {
    const std::int64_t part = task / blocks, begin = task % blocks * columns_per_task;
    const std::int64_t count = std::min(columns_per_task, size - begin);
    double* const sums = partial.data() + part * size + begin;
    for (std::int64_t row = part * rows_per_task; row < std::min((part + 1) * rows_per_task, rows); ++row)
      for (std::int64_t i = 0; i < count; ++i)
        sums[i] += product_where_negative(x, a, b, row * size + begin + i);
  });
  for (std::int64_t part = 0; part < parts; ++part)
    for (std::int64_t i = 0; i < size; ++i)
      result[static_cast<std::size_t>(i)] += partial[static_cast<std::size_t>(part * size + i)];
  return result;
}

template <class T>
void sums_of_planes(const ChannelShape& shape, const T* x, const T* a, const T* b, T* result) {
  const std::int64_t outer_per_part =
      std::max<std::int64_t>(elements_per_task / std::max<std::int64_t>(shape.inner, 1), 1);
  const std::int64_t per_plane = ceil_div(shape.inner, elements_per_task);
  const std::int64_t parts = ceil_div(shape.outer, outer_per_part) * per_plane;
  std::vector<double> partial(static_cast<std::size_t>(shape.channels * parts));
  const int threads = threads_for_pieces(shape.outer * shape.channels, shape.inner, 1);
  parallel_for(shape.channels * parts, threads, [&](std::int64_t task, int) {
    const std::int64_t channel = task / parts, part = task % parts;
    const std::int64_t first = part / per_plane * outer_per_part;
    const std::int64_t last = std::min(shape.outer, first + outer_per_part);
    const std::int64_t begin = part % per_plane * elements_per_task;
    const std::int64_t end = std::min(shape.inner, begin + elements_per_task);
    double sum = 0;
    for (std::int64_t outer = first; outer < last; ++outer) {
      const std::int64_t plane = (outer * shape.channels + channel) * shape.inner;
      for (std::int64_t i = plane + begin; i < plane + end; ++i) sum += product_where_negative(x, a, b, i);
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

template <class T>
void sums(const ChannelShape& shape, const T* x, const T* a, const T* b, T* result) {
  if (!walks_rows(shape)) return sums_of_planes(shape, x, a, b, result);
  const std::vector<double> columns = sums_of_columns(shape.outer, shape.channels * shape.inner, x, a, b);
  for (std::int64_t channel = 0; channel < shape.channels; ++channel) {
    const auto first = columns.begin() + channel * shape.inner;
    result[channel] = static_cast<T>(std::accumulate(first, first + shape.inner, 0.0));
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
