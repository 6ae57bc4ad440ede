// The end of every sum: result = activation(sum + residual).
//
// An algorithm calls it on each stretch of results as soon as their sums are complete, while they are in L1 or
// L2: in a pass of its own an epilogue costs as much as 40 multiply-adds for each element that memory holds.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "conv/algorithm.h"
#include "elementwise/kernels.h"

namespace convnative {

template <class T>
class Epilogue {
 public:
  explicit Epilogue(const ConvProblem& problem) : kernels_(&elementwise_kernels<T>(problem.isa)) {
    if (problem.activation == nullptr) return;
    function_ = kernels_->table[problem.activation->row].value;
    parameters_ = problem.activation->parameters;
  }

  bool wanted(const ConvArrays& arrays) const { return function_ != nullptr || arrays.residual != nullptr; }

  // Finishes `count` neighbouring sums that lie in the result.
  void finish(const ConvArrays& arrays, T* sums, std::int64_t count) const {
    if (arrays.residual != nullptr) {
      const std::ptrdiff_t place = sums - static_cast<const T*>(arrays.result);
      kernels_->add(count, sums, static_cast<const T*>(arrays.residual) + place, sums);
    }
    if (function_ != nullptr) function_(parameters_.data(), count, sums, sums);
  }

 private:
  const ElementwiseKernels<T>* kernels_;
  void (*function_)(const double* parameters, std::int64_t size, const T* x, T* result) = nullptr;
  std::array<double, 3> parameters_{};
};

}  // namespace convnative
