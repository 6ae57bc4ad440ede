// Normalisation of contiguous arrays by mean and variance: batch, layer, group and instance norm are one
// operation on different groups of elements. All arithmetic is in float64, in an order that the shape alone
// fixes: the same bits for any number of threads and on every instruction-set level.
#pragma once

#include <cstdint>

#include "convnative/runtime.h"
#include "convnative/types.h"

namespace convnative {

// An array (batch, channels, inner) in groups that are normalised each by itself. With `across_batch` a group
// is a channel, over the whole batch; without, it is one of `groups` equal sets of neighbouring channels of
// one batch entry. Layer norm has one group and as many channels as it has weights.
struct NormShape {
  std::int64_t batch = 0;
  std::int64_t channels = 0;
  std::int64_t inner = 1;
  std::int64_t groups = 1;  // divides channels
  bool across_batch = false;

  std::int64_t planes() const { return batch * channels; }
  std::int64_t size() const { return planes() * inner; }
  // Number of groups, and of elements in each.
  std::int64_t group_count() const { return across_batch ? channels : batch * groups; }
  std::int64_t group_size() const { return across_batch ? batch * inner : channels / groups * inner; }
};

// The mean of each group and the mean square distance from it; without elements, both 0.
void norm_moments(const NormShape& shape, DType dtype, const void* input, double* mean, double* variance,
                  Isa isa = isa());

// What an array is normalised with.
struct NormParameters {
  const double* mean;            // of each group
  const double* inverse;         // 1 / standard deviation of each group
  const void* weight = nullptr;  // of each channel, of the array's type; null: 1
  const void* bias = nullptr;    // null: 0
};

// result = (input - mean) * inverse * weight + bias. `result` may be `input`.
void norm_forward(const NormShape& shape, const NormParameters& parameters, DType dtype, const void* input,
                  void* result, Isa isa = isa());

// The gradients of norm_forward, those that are not null. With z = (input - mean) * inverse:
//
//   grad_weight[channel] = sum of grad_output * z
//   grad_bias[channel]   = sum of grad_output
//   grad_input           = inverse * (u - mean(u) - z * mean(u * z)),   u = weight * grad_output
//
// with means over groups: mean and inverse are functions of the input. Where they are `constant` instead,
// grad_input = inverse * u. Parameters' bias is not read.
struct NormGradients {
  void* grad_input = nullptr;
  void* grad_weight = nullptr;
  void* grad_bias = nullptr;
};
void norm_grad(const NormShape& shape, const NormParameters& parameters, bool constant, DType dtype,
               const void* input, const void* grad_output, const NormGradients& gradients, Isa isa = isa());

// Local response normalisation of an array (batch, channels, inner) over `size` neighbouring channels, of which
// size / 2 lie before: result = input * scale^-beta, scale = k + alpha / size * (sum of squares); channels
// beyond the ends count 0.
struct LocalResponse {
  std::int64_t batch = 0;
  std::int64_t channels = 0;
  std::int64_t inner = 1;
  std::int64_t size = 1;
  double alpha = 1e-4, beta = 0.75, k = 1;
};
void local_response_forward(const LocalResponse& problem, DType dtype, const void* input, void* result);
void local_response_grad(const LocalResponse& problem, DType dtype, const void* input,
                         const void* grad_output, void* grad_input);
// result = the sum over each channel's neighbours: size / 2 before and the rest after it, or with `adjoint` the
// other way round.
void channel_window_sum(const LocalResponse& problem, bool adjoint, DType dtype, const void* input,
                        void* result);

}  // namespace convnative
