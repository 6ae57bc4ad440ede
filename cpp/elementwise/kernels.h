// The table of elementwise functions: what the drivers call and the ISA sources provide. The rows are those
// of elementwise/functions.h, on every level the same in the same order.
//
//   value   result[i] = f(x[i])
//   grad    result[i] = f'(x[i]) g[i]
//   second  result[i] = f''(x[i]) g[i]
//
// for i < size. Besides, the exponentials of softmax: exp(x[i] - shift), with one shift or one per element; and
// a[i] + b[i]. No alignment is required; the result may be one of the arguments.
#pragma once

#include <cstdint>

#include "convnative/types.h"

namespace convnative {

template <class T>
struct ElementwiseKernel {
  const char* name;
  int parameters;
  int cost;  // of an element, in those of relu
  void (*value)(const double* parameters, std::int64_t size, const T* x, T* result);
  void (*grad)(const double* parameters, std::int64_t size, const T* x, const T* g, T* result);
  void (*second)(const double* parameters, std::int64_t size, const T* x, const T* g, T* result);
};

template <class T>
struct ElementwiseKernels {
  Isa isa;
  const ElementwiseKernel<T>* table;
  int table_size;
  void (*exp_row)(std::int64_t size, const T* x, T shift, T* result);
  void (*exp_columns)(std::int64_t size, const T* x, const T* shift, T* result);
  void (*add)(std::int64_t size, const T* a, const T* b, T* result);
};

template <class T>
const ElementwiseKernels<T>& elementwise_kernels(Isa isa);

}  // namespace convnative
