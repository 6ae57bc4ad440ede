// The definitions of pooling and its gradients as plain loops, sums in float64: the yardstick for the rest,
// and the fallback for sizes that the kernels' indices cannot hold.
#pragma once

#include "convnative/shape.h"

namespace convnative::ref {

template <class T>
void max_pool_forward(const PoolShape& shape, const T* input, T* output);

template <class T>
void max_pool_with_indices(const PoolShape& shape, const T* input, T* output, std::int64_t* indices);

template <class T>
void max_pool_grad(const PoolShape& shape, const T* input, const T* grad_output, T* grad_input);

template <class T>
void max_pool_pick(const PoolShape& shape, const T* input, const T* values, T* output);

template <class T>
void avg_pool_forward(const PoolShape& shape, const AvgPoolDivisor& divisor, const T* input, T* output);

template <class T>
void avg_pool_grad(const PoolShape& shape, const AvgPoolDivisor& divisor, const T* grad_output,
                   T* grad_input);

template <class T>
void lp_pool_forward(const PoolShape& shape, const LpNorm& norm, const T* input, T* output);

template <class T>
void lp_pool_grad(const PoolShape& shape, const LpNorm& norm, const T* input, const T* output,
                  const T* grad_output, T* grad_input);

}  // namespace convnative::ref
