#include "convnative/normalization.h"
#include "normalization/kernels.h"
#include "normalization/row_parameters.h"
#include "normalization/spans.h"

namespace convnative {
namespace {

template <class T>
void forward(const NormShape& shape, const NormParameters& parameters, const T* input, T* result, Isa isa) {
  const NormKernels<T>& kernels = norm_kernels<T>(isa);
  const double *const mean = parameters.mean, *const inverse = parameters.inverse;
  const ChannelValues<T> weight(parameters.weight, 1), bias(parameters.bias, 0);
  if (by_planes(shape)) {
    for_each_piece(shape.planes(), shape.inner,
                   [&](std::int64_t plane, std::int64_t begin, std::int64_t size, std::int64_t) {
                     const std::int64_t channel = plane % shape.channels,
                                        group = group_of_plane(shape, plane);
                     const std::int64_t at = plane * shape.inner + begin;
                     kernels.affine_plane(size, input + at, mean[group], inverse[group] * weight(channel),
                                          bias(channel), result + at);
                   });
    return;
  }
  const std::int64_t columns = shape.channels * shape.inner;
  const std::vector<double> offset = row_parameters(shape, bias);
  if (shape.across_batch) {
    const std::vector<double> center = row_parameters(shape, [&](std::int64_t c) { return mean[c]; });
    const std::vector<double> scale =
        row_parameters(shape, [&](std::int64_t c) { return inverse[c] * weight(c); });
    for_each_piece(shape.batch, columns,
                   [&](std::int64_t row, std::int64_t begin, std::int64_t size, std::int64_t) {
                     const std::int64_t at = row * columns + begin;
                     kernels.affine_columns(size, input + at, center.data() + begin, scale.data() + begin,
                                            offset.data() + begin, result + at);
                   });
    return;
  }
  const std::vector<double> scale = row_parameters(shape, weight);
  const std::int64_t length = shape.group_size();
  for_each_piece(shape.group_count(), length,
                 [&](std::int64_t group, std::int64_t begin, std::int64_t size, std::int64_t) {
                   const std::int64_t at = group * length + begin;
                   const std::int64_t column = group % shape.groups * length + begin;
                   kernels.affine_row(size, input + at, mean[group], inverse[group], scale.data() + column,
                                      offset.data() + column, result + at);
                 });
}

}  // namespace

void norm_forward(const NormShape& shape, const NormParameters& parameters, DType dtype, const void* input,
                  void* result, Isa isa) {
  if (dtype == DType::float32)
    forward(shape, parameters, static_cast<const float*>(input), static_cast<float*>(result), isa);
  else
    forward(shape, parameters, static_cast<const double*>(input), static_cast<double*>(result), isa);
}

}  // namespace convnative
