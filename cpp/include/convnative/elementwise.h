// Activations on contiguous arrays. Results do not depend on the number of threads; those of the
// activations agree on all instruction-set levels with fused multiply-add, and those without an exponential
// on every level.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "convnative/runtime.h"
#include "convnative/types.h"

namespace convnative {

// A function f of one number that activation_functions() lists, with its parameters; elementwise/functions.h
// defines them. Make it by make_activation, which throws std::invalid_argument.
struct ActivationFunction {
  const char* name;
  int parameters;
};
struct Activation {
  int row;
  std::array<double, 3> parameters;
};
std::vector<ActivationFunction> activation_functions();
Activation make_activation(const std::string& name, const std::vector<double>& parameters);

// result[i] = f(input[i]). `result` may be `input`.
void activation_forward(const Activation& activation, DType dtype, std::int64_t size, const void* input,
                        void* result, Isa isa = isa());

// grad_input[i] = f'(input[i]) grad_output[i], or with order 2 f''(input[i]) grad_output[i]; 0 where the
// derivative is 0 by definition, such as that of relu where input <= 0. `grad_input` may be an argument.
void activation_grad(const Activation& activation, int order, DType dtype, std::int64_t size,
                     const void* input, const void* grad_output, void* grad_input, Isa isa = isa());

// An array (outer, channels, inner).
struct ChannelShape {
  std::int64_t outer = 0;
  std::int64_t channels = 0;
  std::int64_t inner = 1;

  std::int64_t size() const { return outer * channels * inner; }
};

// result = x > 0 ? values : weight[channel] * values, or with `pass` false x > 0 ? 0 : .... The leaky rectifier
// with a slope per channel is this of x with itself as values; its gradients are this and prelu_sums.
void prelu_select(const ChannelShape& shape, bool pass, DType dtype, const void* x, const void* values,
                  const void* weight, void* result);
// result[channel] = the sum of a * b where not x > 0; in float64.
void prelu_sums(const ChannelShape& shape, DType dtype, const void* x, const void* a, const void* b,
                void* result);

// An array with an axis of classes, all axes before it and all axes after it taken together.
struct ClassShape {
  std::int64_t outer = 0;
  std::int64_t classes = 0;
  std::int64_t inner = 1;

  std::int64_t points() const { return outer * inner; }
};

// result = exp(x) / sum(exp(x)) along the classes, or its logarithm; both from x - max(x), sums in float64.
// `result` may be `input`.
void softmax_forward(const ClassShape& shape, DType dtype, const void* input, void* result, Isa isa = isa());
void log_softmax_forward(const ClassShape& shape, DType dtype, const void* input, void* result,
                         Isa isa = isa());

// The gradients, of the results: with y = softmax(x), grad_input = y (g - the sum of y g), and with
// y = log_softmax(x), grad_input = g - exp(y) times the sum of g. Sums are in float64; `grad_input` may not be
// an argument.
void softmax_grad(const ClassShape& shape, DType dtype, const void* result, const void* grad_output,
                  void* grad_input, Isa isa = isa());
void log_softmax_grad(const ClassShape& shape, DType dtype, const void* result, const void* grad_output,
                      void* grad_input, Isa isa = isa());

}  // namespace convnative
