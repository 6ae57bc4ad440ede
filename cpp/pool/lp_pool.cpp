// Power-average pooling. Rows of powers are summed on their way through a buffer, so that no array of powers
// is made.
#include <cmath>

#include "convnative/pool.h"
#include "pool/divisors.h"
#include "pool/kernels.h"
#include "pool/power.h"
#include "pool/reduce.h"
#include "pool/spread.h"
#include "ref/pool.h"

namespace convnative {
namespace {

template <class T>
void forward(const PoolShape& shape, const LpNorm& norm, const T* input, T* output, Isa isa) {
  const PoolKernels<T>& kernels = pool_kernels<T>(isa);
  const PoolReduction<T, Power<T>> reduction(shape, kernels.sum, Power<T>(norm.p, norm.absolute));
  if (!reduction.separable()) return ref::lp_pool_forward(shape, norm, input, output);
  const Divisors<T> divisors(shape, {});
  const Root<T> root(norm.p, norm.scaled ? static_cast<T>(volume(shape.kernel)) : T{1});
  reduction.run(input, output,
                [&](T* row, std::int64_t depth, std::int64_t y, std::int64_t begin, std::int64_t end) {
                  if (norm.scaled) kernels.divide(divisors.divide(row, row, depth, y, begin, end));
                  root.apply(row, end - begin);
                });
}

// d output / d x = scale * output^(1 - p) * x^(p - 1), scale being that of the window; 0 where the output is.
template <class T>
void grad(const PoolShape& shape, const LpNorm& norm, const T* input, const T* output, const T* grad_output,
          T* grad_input, Isa isa) {
  const PoolKernels<T>& kernels = pool_kernels<T>(isa);
  const PoolSpread<T> spread(shape, kernels);
  if (!spread.applies()) return ref::lp_pool_grad(shape, norm, input, output, grad_output, grad_input);
  const Divisors<T> divisors(shape, {});
  const Power<T> slope(norm.p - 1, norm.absolute, true);
  const T exponent = static_cast<T>(1 - norm.p);
  const T scale = norm.scaled ? static_cast<T>(volume(shape.kernel)) : T{1};
  spread.run(
      grad_input,
      [&](std::int64_t plane, std::int64_t depth, std::int64_t y, std::int64_t begin, std::int64_t end,
          T* shares) {
        const std::int64_t row =
            plane * shape.output_plane() + (depth * shape.output[1] + y) * shape.output[2] + begin;
        for (std::int64_t i = 0; i < end - begin; ++i)
          shares[i] = lp_share(output[row + i], grad_output[row + i] * scale, exponent);
        if (norm.scaled) kernels.divide(divisors.divide(shares, shares, depth, y, begin, end));
      },
      [&](T* row, std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) row[i - begin] *= slope(input[i]);
      });
}

}  // namespace

void lp_pool_forward(const PoolShape& shape, const LpNorm& norm, DType dtype, const void* input, void* output,
                     Isa isa) {
  if (dtype == DType::float32)
    forward(shape, norm, static_cast<const float*>(input), static_cast<float*>(output), isa);
  else
    forward(shape, norm, static_cast<const double*>(input), static_cast<double*>(output), isa);
}

void lp_pool_grad(const PoolShape& shape, const LpNorm& norm, DType dtype, const void* input,
                  const void* output, const void* grad_output, void* grad_input, Isa isa) {
  if (dtype == DType::float32)
    grad(shape, norm, static_cast<const float*>(input), static_cast<const float*>(output),
         static_cast<const float*>(grad_output), static_cast<float*>(grad_input), isa);
  else
    grad(shape, norm, static_cast<const double*>(input), static_cast<const double*>(output),
         static_cast<const double*>(grad_output), static_cast<double*>(grad_input), isa);
}

}  // namespace convnative
