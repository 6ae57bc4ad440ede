// Average pooling: windows summed, then divided; the gradient divides, then spreads.
#include "convnative/pool.h"
#include "pool/divisors.h"
#include "pool/kernels.h"
#include "pool/lane_pool.h"
#include "pool/reduce.h"
#include "pool/spread.h"
#include "pool/squares.h"
#include "ref/pool.h"

namespace convnative {
namespace {

template <class T>
void forward(const PoolShape& shape, const AvgPoolDivisor& divisor, const T* input, T* output, Isa isa) {
  const PoolKernels<T>& kernels = pool_kernels<T>(isa);
  const Divisors<T> divisors(shape, divisor);
  if (has_squares(shape))
    return pool_of_squares(shape, kernels.sum_squares, input, output, divisors.of_first_window());
  const PoolReduction<T> reduction(shape, kernels.sum);
  if (max_or_sum_prefers_lanes(shape, kernels.lanes)) {
    const LanePool<T> pool = lane_pool(shape, kernels, reduction.separable());
    if (pool.fits()) return pool.sum(input, output, divisors);
  }
  reduction.run_averages(input, output, divisors);
}

template <class T>
void grad(const PoolShape& shape, const AvgPoolDivisor& divisor, const T* grad_output, T* grad_input,
          Isa isa) {
  const PoolKernels<T>& kernels = pool_kernels<T>(isa);
  if (has_squares(shape)) {
    const T by = Divisors<T>(shape, divisor).of_first_window();
    return spread_over_squares(shape, kernels.spread_squares, grad_output, grad_input, by);
  }
  const PoolSpread<T> spread(shape, kernels);
  if (!spread.applies()) return ref::avg_pool_grad(shape, divisor, grad_output, grad_input);
  const Divisors<T> divisors(shape, divisor);
  if (sum_grad_prefers_lanes<T>(shape, kernels.lanes)) {
    const LanePool<T> pool = lane_pool_of_elements(shape, kernels);
    if (pool.fits()) return pool.sum_of_shares(grad_output, grad_input, divisors);
  }
  spread.run(
      grad_input,
      [&](std::int64_t plane, std::int64_t depth, std::int64_t y, std::int64_t begin, std::int64_t end,
          T* shares) {
        const T* const row =
            grad_output + plane * shape.output_plane() + (depth * shape.output[1] + y) * shape.output[2];
        kernels.divide(divisors.divide(row + begin, shares, depth, y, begin, end));
      },
      [](T*, std::int64_t, std::int64_t) {});
}

}  // namespace

void avg_pool_forward(const PoolShape& shape, const AvgPoolDivisor& divisor, DType dtype, const void* input,
                      void* output, Isa isa) {
  if (dtype == DType::float32)
    forward(shape, divisor, static_cast<const float*>(input), static_cast<float*>(output), isa);
  else
    forward(shape, divisor, static_cast<const double*>(input), static_cast<double*>(output), isa);
}

void avg_pool_grad(const PoolShape& shape, const AvgPoolDivisor& divisor, DType dtype,
                   const void* grad_output, void* grad_input, Isa isa) {
  if (dtype == DType::float32)
    grad(shape, divisor, static_cast<const float*>(grad_output), static_cast<float*>(grad_input), isa);
  else
    grad(shape, divisor, static_cast<const double*>(grad_output), static_cast<double*>(grad_input), isa);
}

}  // namespace convnative
