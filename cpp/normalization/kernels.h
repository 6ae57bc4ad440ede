// The kernel table of normalisation: loops over a span of contiguous elements, which the drivers call and the
// ISA sources provide. Elements are of type T, all else is float64. A parameter is one number for the span
// (Scalar) or one per element; the suffix of a kernel says which:
//
//   _plane    every parameter is one number:             a span lies within one channel of one group
//   _row      mean, b and c one number, a per element:   a span lies within one group
//   _columns  every parameter per element
//
// Sums run in 16 interleaved partial sums, added in a fixed tree: the same bits on every level. No alignment is
// required; results may be arguments of the same type.
#pragma once

#include <cstdint>

#include "convnative/types.h"

namespace convnative {

struct NormSums {
  double first, second;
};

template <class T>
struct NormKernels {
  Isa isa;

  // sum of x
  double (*sum)(std::int64_t size, const T* x);
  // sums of d and of d^2 with d = x - mean
  NormSums (*deviations)(std::int64_t size, const T* x, double mean);
  // sums of u and of u * (x - mean), with u = g, or u = a * g
  NormSums (*products_plane)(std::int64_t size, const T* x, const T* g, double mean);
  NormSums (*products_row)(std::int64_t size, const T* x, const T* g, double mean, const double* a);

  // sum[i] += x[i]
  void (*add_columns)(std::int64_t size, const T* x, double* sum);
  // first[i] += d, second[i] += d^2 with d = x - mean
  void (*add_deviations_columns)(std::int64_t size, const T* x, const double* mean, double* first,
                                 double* second);
  // first[i] += g, second[i] += factor * g * (x - mean)
  void (*add_products_row)(std::int64_t size, const T* x, const T* g, double mean, double factor,
                           double* first, double* second);
  void (*add_products_columns)(std::int64_t size, const T* x, const T* g, const double* mean, double* first,
                               double* second);

  // result = (x - mean) * a + b
  void (*affine_plane)(std::int64_t size, const T* x, double mean, double a, double b, T* result);
  void (*affine_row)(std::int64_t size, const T* x, double mean, double factor, const double* a,
                     const double* b, T* result);  // (x - mean) * factor * a + b, a and b per element
  void (*affine_columns)(std::int64_t size, const T* x, const double* mean, const double* a, const double* b,
                         T* result);

  // result = a * g + b + c * (x - mean)
  void (*combine_plane)(std::int64_t size, const T* x, const T* g, double mean, double a, double b, double c,
                        T* result);
  void (*combine_row)(std::int64_t size, const T* x, const T* g, double mean, double factor, const double* a,
                      double b, double c, T* result);  // factor * a * g + b + c * (x - mean)
  void (*combine_columns)(std::int64_t size, const T* x, const T* g, const double* mean, const double* a,
                          const double* b, const double* c, T* result);
};

template <class T>
const NormKernels<T>& norm_kernels(Isa isa);

}  // namespace convnative
