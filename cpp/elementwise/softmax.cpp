// Softmax and its logarithm, in blocks of neighbouring inner positions (elementwise/class_block.h). Exponentials
// are those of the type, by the vectors of the instruction-set level; sums and logarithms are in float64, and
// what is made of them is rounded once.
#include <algorithm>
#include <cmath>
#include <limits>

#include "convnative/elementwise.h"
#include "elementwise/class_block.h"
#include "elementwise/kernels.h"

namespace convnative {
namespace {

// Sum of term(i) in interleaved partial sums, in an order that the size alone fixes.
template <class Term>
double sum(std::int64_t size, const Term& term) {
  constexpr int lanes = 8;
  double sums[lanes] = {};
  const std::int64_t whole = size / lanes * lanes;
  for (std::int64_t i = 0; i < whole; i += lanes)
    for (int lane = 0; lane < lanes; ++lane) sums[lane] += term(i + lane);
  for (int lane = 0; lane < size - whole; ++lane) sums[lane] += term(whole + lane);
  return ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7]));
}

// Exponentials of a point that are made at a time.
constexpr std::int64_t chunk = 256;

// One point whose classes are neighbours in memory.
template <class T>
void softmax_row(std::int64_t classes, bool log, const T* x, T* y, const ElementwiseKernels<T>& kernels) {
  // A NaN fails the comparison here and returns in the sum.
  T largest = -std::numeric_limits<T>::infinity();
  for (std::int64_t c = 0; c < classes; ++c) largest = x[c] > largest ? x[c] : largest;
  T exponentials[chunk];
  double total = 0;
  for (std::int64_t c = 0; c < classes; c += chunk) {
    const std::int64_t size = std::min(chunk, classes - c);
    kernels.exp_row(size, x + c, largest, exponentials);
    total += sum(size, [&](std::int64_t i) { return static_cast<double>(exponentials[i]); });
    if (!log) std::copy_n(exponentials, size, y + c);
  }
  if (log) {
    const double log_total = std::log(total);
    for (std::int64_t c = 0; c < classes; ++c)
      y[c] = static_cast<T>(static_cast<double>(x[c]) - static_cast<double>(largest) - log_total);
  } else {
    for (std::int64_t c = 0; c < classes; ++c) y[c] = static_cast<T>(static_cast<double>(y[c]) / total);
  }
}

// A block of points that are neighbours in memory, their classes `inner` apart.
template <class T>
void softmax_columns(std::int64_t classes, std::int64_t inner, std::int64_t count, bool log, const T* x, T* y,
                     const ElementwiseKernels<T>& kernels) {
  T largest[class_block_size], exponentials[class_block_size];
  double total[class_block_size] = {};
  std::fill_n(largest, count, -std::numeric_limits<T>::infinity());
  for (std::int64_t c = 0; c < classes; ++c)
    for (std::int64_t i = 0; i < count; ++i)
      largest[i] = x[c * inner + i] > largest[i] ? x[c * inner + i] : largest[i];
  for (std::int64_t c = 0; c < classes; ++c) {
    kernels.exp_columns(count, x + c * inner, largest, exponentials);
    for (std::int64_t i = 0; i < count; ++i) total[i] += static_cast<double>(exponentials[i]);
    if (!log) std::copy_n(exponentials, count, y + c * inner);
  }
  if (log)
    for (std::int64_t i = 0; i < count; ++i) total[i] = std::log(total[i]);
  for (std::int64_t c = 0; c < classes; ++c)
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t at = c * inner + i;
      y[at] = static_cast<T>(log ? static_cast<double>(x[at]) - static_cast<double>(largest[i]) - total[i]
                                 : static_cast<double>(y[at]) / total[i]);
    }
}

template <class T>
void softmax(const ClassShape& shape, bool log, const T* input, T* result, Isa isa) {
  const ElementwiseKernels<T>& kernels = elementwise_kernels<T>(isa);
  for_each_class_block(shape, [&](const ClassBlock& block) {
    if (shape.inner == 1)
      softmax_row(shape.classes, log, input + block.offset, result + block.offset, kernels);
    else
      softmax_columns(shape.classes, shape.inner, block.count, log, input + block.offset,
                      result + block.offset, kernels);
  });
}

// What a class adds to the sum of its point, and what the sum makes of it. `e` is the exponential of the result
// of log_softmax, not read for softmax.
template <bool log, class T>
double grad_term(T y, T g) {
  return log ? static_cast<double>(g) : static_cast<double>(y) * static_cast<double>(g);
}
template <bool log, class T>
T grad_of(T y, T e, T g, double total) {
  return static_cast<T>(log ? static_cast<double>(g) - static_cast<double>(e) * total
                            : static_cast<double>(y) * (static_cast<double>(g) - total));
}

template <bool log, class T>
void grad_row(std::int64_t classes, const T* y, const T* g, T* result, const ElementwiseKernels<T>& kernels) {
  const double total = sum(classes, [&](std::int64_t c) { return grad_term<log>(y[c], g[c]); });
  T exponentials[chunk] = {};
  for (std::int64_t c = 0; c < classes; c += chunk) {
    const std::int64_t size = std::min(chunk, classes - c);
    if (log) kernels.exp_row(size, y + c, T{0}, exponentials);
    for (std::int64_t i = 0; i < size; ++i)
      result[c + i] = grad_of<log>(y[c + i], exponentials[i], g[c + i], total);
  }
}

template <bool log, class T>
void grad_columns(std::int64_t classes, std::int64_t inner, std::int64_t count, const T* y, const T* g,
                  T* result, const ElementwiseKernels<T>& kernels) {
  T shifts[class_block_size] = {}, exponentials[class_block_size] = {};
  double total[class_block_size] = {};
  for (std::int64_t c = 0; c < classes; ++c)
    for (std::int64_t i = 0; i < count; ++i) total[i] += grad_term<log>(y[c * inner + i], g[c * inner + i]);
  for (std::int64_t c = 0; c < classes; ++c) {
    if (log) kernels.exp_columns(count, y + c * inner, shifts, exponentials);
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t at = c * inner + i;
      result[at] = grad_of<log>(y[at], exponentials[i], g[at], total[i]);
    }
  }
}

template <bool log, class T>
void grad(const ClassShape& shape, const T* y, const T* g, T* result, Isa isa) {
  const ElementwiseKernels<T>& kernels = elementwise_kernels<T>(isa);
  for_each_class_block(shape, [&](const ClassBlock& block) {
    if (shape.inner == 1)
      grad_row<log>(shape.classes, y + block.offset, g + block.offset, result + block.offset, kernels);
    else
      grad_columns<log>(shape.classes, shape.inner, block.count, y + block.offset, g + block.offset,
                        result + block.offset, kernels);
  });
}

template <bool log>
void grad(const ClassShape& shape, DType dtype, const void* y, const void* g, void* result, Isa isa) {
  if (dtype == DType::float32)
    grad<log>(shape, static_cast<const float*>(y), static_cast<const float*>(g), static_cast<float*>(result),
              isa);
  else
    grad<log>(shape, static_cast<const double*>(y), static_cast<const double*>(g),
              static_cast<double*>(result), isa);
}

void softmax(const ClassShape& shape, bool log, DType dtype, const void* input, void* result, Isa isa) {
  if (dtype == DType::float32)
    softmax(shape, log, static_cast<const float*>(input), static_cast<float*>(result), isa);
  else
    softmax(shape, log, static_cast<const double*>(input), static_cast<double*>(result), isa);
}

}  // namespace

void softmax_forward(const ClassShape& shape, DType dtype, const void* input, void* result, Isa isa) {
  softmax(shape, false, dtype, input, result, isa);
}

void log_softmax_forward(const ClassShape& shape, DType dtype, const void* input, void* result, Isa isa) {
  softmax(shape, true, dtype, input, result, isa);
}

void softmax_grad(const ClassShape& shape, DType dtype, const void* result, const void* grad_output,
                  void* grad_input, Isa isa) {
  grad<false>(shape, dtype, result, grad_output, grad_input, isa);
}

void log_softmax_grad(const ClassShape& shape, DType dtype, const void* result, const void* grad_output,
                      void* grad_input, Isa isa) {
  grad<true>(shape, dtype, result, grad_output, grad_input, isa);
}

}  // namespace convnative
