// Means and variances. Parts of a group that fit the cache are measured in two passes, and joined by the
// formula of Chan, Golub and LeVeque (1979); nothing cancels, whatever the mean.
#include "convnative/normalization.h"
#include "normalization/kernels.h"
#include "normalization/spans.h"

namespace convnative {
namespace {

struct Moments {
  double count = 0, mean = 0, squares = 0;  // squares: sum of (x - mean)^2

  void join(const Moments& other) {
    if (other.count == 0) return;
    const double total = count + other.count, distance = other.mean - mean;
    squares += other.squares + distance * distance * (count / total * other.count);
    mean += distance * (other.count / total);
    count = total;
  }
};

// What the deviations from a rounded mean tell about the exact one.
Moments corrected(double count, double mean, double deviations, double squares) {
  return {count, mean + deviations / count, squares - deviations * (deviations / count)};
}

void finish(const Moments& moments, double& mean, double& variance) {
  mean = moments.mean;
  variance = moments.count > 0 ? moments.squares / moments.count : 0;
}

// Groups of `segments` runs of `length` elements, `groups` runs of `length` apart.
template <class T>
void of_segments(std::int64_t segments, std::int64_t groups, std::int64_t length, const T* input,
                 double* mean, double* variance, const NormKernels<T>& kernels) {
  const std::int64_t pieces = std::max<std::int64_t>(pieces_of(length), 1);
  const std::int64_t segments_per_part =
      std::max<std::int64_t>(piece_size / std::max<std::int64_t>(length, 1), 1);
  const std::int64_t parts = ceil_div(segments, segments_per_part) * pieces;
  std::vector<Moments> measured(index(groups * parts));
  for_each_unit(groups * parts, std::min(piece_size, segments * length), [&](std::int64_t unit) {
    const std::int64_t group = unit / parts, part = unit % parts;
    const std::int64_t first = part / pieces * segments_per_part;
    const std::int64_t last = std::min(segments, first + segments_per_part);
    const std::int64_t begin = part % pieces * piece_size, size = std::min(piece_size, length - begin);
    const auto run = [&](std::int64_t segment) {
      return input + (segment * groups + group) * length + begin;
    };
    const auto count = static_cast<double>((last - first) * size);
    if (count == 0) return;
    double sum = 0;
    for (std::int64_t segment = first; segment < last; ++segment) sum += kernels.sum(size, run(segment));
    const double center = sum / count;
    double deviations = 0, squares = 0;
    for (std::int64_t segment = first; segment < last; ++segment) {
      const NormSums sums = kernels.deviations(size, run(segment), center);
      deviations += sums.first;
      squares += sums.second;
    }
    measured[index(unit)] = corrected(count, center, deviations, squares);
  });
  for (std::int64_t group = 0; group < groups; ++group) {
    Moments moments;
    for (std::int64_t part = 0; part < parts; ++part) moments.join(measured[index(group * parts + part)]);
    finish(moments, mean[group], variance[group]);
  }
}

// Groups of `width` neighbouring columns of a matrix (rows, columns).
template <class T>
void of_columns(std::int64_t rows, std::int64_t columns, std::int64_t width, const T* input, double* mean,
                double* variance, const NormKernels<T>& kernels) {
  const std::int64_t parts = ceil_div(rows, rows_per_part);
  std::vector<Moments> measured(index(parts * columns));
  for_each_column_block(
      rows, columns, 1,
      [&](std::int64_t first, std::int64_t last, std::int64_t begin, std::int64_t size, std::int64_t part) {
        double center[columns_per_block] = {}, deviations[columns_per_block] = {},
               squares[columns_per_block] = {};
        for (std::int64_t row = first; row < last; ++row)
          kernels.add_columns(size, input + row * columns + begin, center);
        const auto count = static_cast<double>(last - first);
        for (std::int64_t i = 0; i < size; ++i) center[i] /= count;
        for (std::int64_t row = first; row < last; ++row)
          kernels.add_deviations_columns(size, input + row * columns + begin, center, deviations, squares);
        for (std::int64_t i = 0; i < size; ++i)
          measured[index(part * columns + begin + i)] =
              corrected(count, center[i], deviations[i], squares[i]);
      });
  for (std::int64_t begin = 0; begin < columns; begin += width) {
    Moments moments;
    for (std::int64_t part = 0; part < parts; ++part)
      for (std::int64_t i = begin; i < begin + width; ++i) moments.join(measured[index(part * columns + i)]);
    finish(moments, mean[begin / width], variance[begin / width]);
  }
}

template <class T>
void moments(const NormShape& shape, const T* input, double* mean, double* variance, Isa isa) {
  const NormKernels<T>& kernels = norm_kernels<T>(isa);
  if (!shape.across_batch)
    of_segments(1, shape.group_count(), shape.group_size(), input, mean, variance, kernels);
  else if (by_planes(shape) || shape.size() == 0)
    of_segments(shape.batch, shape.channels, shape.inner, input, mean, variance, kernels);
  else
    of_columns(shape.batch, shape.channels * shape.inner, shape.inner, input, mean, variance, kernels);
}

}  // namespace

void norm_moments(const NormShape& shape, DType dtype, const void* input, double* mean, double* variance,
                  Isa isa) {
  if (dtype == DType::float32)
    moments(shape, static_cast<const float*>(input), mean, variance, isa);
  else
    moments(shape, static_cast<const double*>(input), mean, variance, isa);
}

}  // namespace convnative
