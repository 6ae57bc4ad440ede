// Activations: blocks of the array in parallel.
#include <algorithm>
#include <string>

#include "base/checked.h"
#include "base/parallel.h"
#include "base/reject.h"
#include "convnative/elementwise.h"
#include "elementwise/kernels.h"

namespace convnative {
namespace {

// Calls `body(begin, size)` for blocks of [0, size).
template <class Body>
void for_each_block(std::int64_t size, int cost, const Body& body) {
  constexpr std::int64_t block = 32 * 1024;
  constexpr double elements_per_thread = 64 * 1024;
  const int threads = threads_for(static_cast<double>(size) * cost, elements_per_thread);
  // Several blocks for each thread, also where an element takes long.
  const std::int64_t length = std::max<std::int64_t>(block / cost, 1024);
  parallel_for(ceil_div(size, length), threads,
               [&](std::int64_t task, int) { body(task * length, std::min(length, size - task * length)); });
}

template <class T>
const ElementwiseKernel<T>& kernel(const Activation& activation, Isa isa) {
  return elementwise_kernels<T>(isa).table[activation.row];
}

template <class T>
void forward(const Activation& activation, std::int64_t size, const T* input, T* result, Isa isa) {
  const ElementwiseKernel<T>& row = kernel<T>(activation, isa);
  for_each_block(size, row.cost, [&](std::int64_t begin, std::int64_t count) {
    row.value(activation.parameters.data(), count, input + begin, result + begin);
  });
}

template <class T>
void grad(const Activation& activation, int order, std::int64_t size, const T* input, const T* grad_output,
          T* grad_input, Isa isa) {
  const ElementwiseKernel<T>& row = kernel<T>(activation, isa);
  const auto apply = order == 1 ? row.grad : row.second;
  for_each_block(size, row.cost, [&](std::int64_t begin, std::int64_t count) {
    apply(activation.parameters.data(), count, input + begin, grad_output + begin, grad_input + begin);
  });
}

}  // namespace

std::vector<ActivationFunction> activation_functions() {
  const ElementwiseKernels<float>& kernels = elementwise_kernels<float>(Isa::baseline);
  std::vector<ActivationFunction> functions;
  for (int row = 0; row < kernels.table_size; ++row)
    functions.push_back({kernels.table[row].name, kernels.table[row].parameters});
  return functions;
}

Activation make_activation(const std::string& name, const std::vector<double>& parameters) {
  const ElementwiseKernels<float>& kernels = elementwise_kernels<float>(Isa::baseline);
  std::string names;
  for (int row = 0; row < kernels.table_size; ++row) {
    const ElementwiseKernel<float>& kernel = kernels.table[row];
    names += (row == 0 ? "" : ", ") + std::string(kernel.name);
    if (name != kernel.name) continue;
    if (parameters.size() != static_cast<std::size_t>(kernel.parameters))
      reject_argument("parameters", std::to_string(kernel.parameters) + " numbers for " + name,
                      std::to_string(parameters.size()));
    Activation activation{row, {}};
    std::copy(parameters.begin(), parameters.end(), activation.parameters.begin());
    return activation;
  }
  reject_argument("name", "one of " + names, "'" + name + "'");
}

void activation_forward(const Activation& activation, DType dtype, std::int64_t size, const void* input,
                        void* result, Isa isa) {
  if (dtype == DType::float32)
    forward(activation, size, static_cast<const float*>(input), static_cast<float*>(result), isa);
  else
    forward(activation, size, static_cast<const double*>(input), static_cast<double*>(result), isa);
}

void activation_grad(const Activation& activation, int order, DType dtype, std::int64_t size,
                     const void* input, const void* grad_output, void* grad_input, Isa isa) {
  if (order != 1 && order != 2) reject_argument("order", "1 or 2", std::to_string(order));
  if (dtype == DType::float32)
    grad(activation, order, size, static_cast<const float*>(input), static_cast<const float*>(grad_output),
         static_cast<float*>(grad_input), isa);
  else
    grad(activation, order, size, static_cast<const double*>(input), static_cast<const double*>(grad_output),
         static_cast<double*>(grad_input), isa);
}

}  // namespace convnative
