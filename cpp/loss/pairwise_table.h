// The table of losses of two numbers. A row is a class of pairwise_table.cpp with the loss and its partial
// derivatives as functions; a new row is bound, tested and differentiated with no other edit than its public
// function.
#pragma once

#include <cstdint>
#include <string>

#include "convnative/loss.h"

namespace convnative {

inline constexpr int derivatives = 6;  // of enum class Derivative

// values[i] = the loss, or a derivative of it, at x[i] and t[i].
template <class T>
using PairwiseFunction = void (*)(double parameter, std::int64_t size, const T* x, const T* t,
                                  double* values);

struct PairwiseRow {
  const char* name;
  PairwiseFunction<float> f32[derivatives];
  PairwiseFunction<double> f64[derivatives];
  // Throws std::invalid_argument.
  void (*require_parameter)(double parameter);
  // Null where the loss is defined everywhere. Both are called with an element of input and target.
  bool (*input_in_domain)(double x);
  bool (*target_in_domain)(double t);
  const char* domain;

  template <class T>
  PairwiseFunction<T> function(Derivative derivative) const {
    if constexpr (dtype_of<T> == DType::float32)
      return f32[static_cast<int>(derivative)];
    else
      return f64[static_cast<int>(derivative)];
  }
};

// Throws std::invalid_argument where there is none of this name.
const PairwiseRow& pairwise_row(const std::string& name);

}  // namespace convnative
