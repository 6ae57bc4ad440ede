// Max, average, power-average, adaptive and fractional pooling over 1 to 3 spatial axes, with what their
// gradients need, and unpooling.
//
// Layouts: input, values and grad_input N C spatial with shape.input; output, indices and grad_output N C
// spatial with shape.output; all contiguous. A result overlaps none of the other arrays. Results do not depend
// on the number of threads or on the instruction-set level.
//
// Throws std::bad_alloc before any write, and Interrupted where the interrupt check says so.
#pragma once

#include <cstdint>
#include <string>

#include "convnative/runtime.h"
#include "convnative/shape.h"
#include "convnative/types.h"

namespace convnative {

// The maximum of each window; NaN where the window holds one. Padding never wins: a window without an element
// of the input, which dilation makes possible, gives -infinity.
void max_pool_forward(const PoolShape& shape, DType dtype, const void* input, void* output, Isa isa = isa());

// The position of a window's maximum is that of its last NaN, else of its first element that equals the
// maximum, in row-major order (torch's rule); an empty window has none.
//
// with_indices: as forward, and the positions in the plane of the input, -1 for an empty window.
// grad: grad_input = for each element the sum of grad_output over the windows whose maximum it is.
// pick: output = for each window the element of `values` where `input` has its maximum, 0 for an empty
// window. It is the adjoint of grad in grad_output.
void max_pool_with_indices(const PoolShape& shape, DType dtype, const void* input, void* output,
                           std::int64_t* indices, Isa isa = isa());
void max_pool_grad(const PoolShape& shape, DType dtype, const void* input, const void* grad_output,
                   void* grad_input, Isa isa = isa());
void max_pool_pick(const PoolShape& shape, DType dtype, const void* input, const void* values, void* output,
                   Isa isa = isa());

// with_taps: as forward, and for each window the tap of its maximum, a number in row-major order of all taps of the
// kernel, 255 for an empty window. Not for kernels of more than 255 taps. grad_of_taps and pick_of_taps are grad
// and pick of the input that the taps come from; whatever the taps are, they touch no memory but the arrays'.
bool max_pool_has_taps(const PoolShape& shape);
void max_pool_with_taps(const PoolShape& shape, DType dtype, const void* input, void* output,
                        std::uint8_t* taps, Isa isa = isa());
void max_pool_grad_of_taps(const PoolShape& shape, DType dtype, const std::uint8_t* taps,
                           const void* grad_output, void* grad_input, Isa isa = isa());
void max_pool_pick_of_taps(const PoolShape& shape, DType dtype, const std::uint8_t* taps, const void* values,
                           void* output);

// Sums run in the arrays' own type, each in an order that the shape alone fixes. A window of which nothing
// counts, which dilation makes possible, gives NaN. grad is the adjoint of forward.
void avg_pool_forward(const PoolShape& shape, const AvgPoolDivisor& divisor, DType dtype, const void* input,
                      void* output, Isa isa = isa());
void avg_pool_grad(const PoolShape& shape, const AvgPoolDivisor& divisor, DType dtype,
                   const void* grad_output, void* grad_input, Isa isa = isa());

// Power-average pooling: see LpNorm. grad takes the output that forward gave.
void lp_pool_forward(const PoolShape& shape, const LpNorm& norm, DType dtype, const void* input, void* output,
                     Isa isa = isa());
void lp_pool_grad(const PoolShape& shape, const LpNorm& norm, DType dtype, const void* input,
                  const void* output, const void* grad_output, void* grad_input, Isa isa = isa());

// Adaptive pooling: along each axis window i covers [floor(i I / O), ceil((i + 1) I / O)). Sums run in float64.
// `indices`, which may be null, are those of max_pool_with_indices.
void adaptive_avg_pool_forward(const PlaneShape& shape, DType dtype, const void* input, void* output,
                               Isa isa = isa());
void adaptive_avg_pool_grad(const PlaneShape& shape, DType dtype, const void* grad_output, void* grad_input,
                            Isa isa = isa());
void adaptive_max_pool_forward(const PlaneShape& shape, DType dtype, const void* input, void* output,
                               std::int64_t* indices, Isa isa = isa());

// Fractional max pooling with windows of one size. `samples`: (N, C, axes) numbers from 0 to 1, else
// std::invalid_argument, that place the windows of each plane; of two, the first is for the columns.
void fractional_max_pool_forward(const FractionalPoolShape& shape, DType dtype, const void* samples,
                                 const void* input, void* output, std::int64_t* indices, Isa isa = isa());

// Moves between planes by positions in the larger one. They throw std::out_of_range, before any write, for an
// index that is neither a position nor, in add and pick, -1, which stands for none.
//
// unpool: output[indices[i]] = input[i], the last one where several meet, 0 elsewhere
// add:    result[indices[i]] = the sum of such values[i]; `indices` and `values` have shape.input
// pick:   result[i] = values[indices[i]], `missing` for -1; `indices` has shape.output. The adjoint of add.
void max_unpool_forward(const PlaneShape& shape, DType dtype, const void* input, const std::int64_t* indices,
                        void* output);
void indexed_add(const PlaneShape& shape, DType dtype, const void* values, const std::int64_t* indices,
                 void* result);
void indexed_pick(const PlaneShape& shape, DType dtype, const void* values, const std::int64_t* indices,
                  double missing, void* result);

// What a call would run, and why.
struct PoolExplanation {
  std::string algorithm;
  std::string kernel;
  std::string reason;
  int threads = 1;
  std::int64_t workspace_bytes = 0;
  std::int64_t bytes_touched = 0;  // of the arrays read and written, each once
};

enum class PoolOperation {
  max_forward,
  max_with_indices,
  max_grad,
  avg_forward,
  avg_grad,
  lp_forward,
  lp_grad,
};
PoolExplanation explain_pool(PoolOperation operation, const PoolShape& shape, DType dtype, Isa isa = isa());

enum class PlanePoolOperation {
  adaptive_avg_forward,
  adaptive_max_forward,
  adaptive_max_with_indices,
  max_unpool_forward,
};
PoolExplanation explain_pool(PlanePoolOperation operation, const PlaneShape& shape, DType dtype,
                             Isa isa = isa());
PoolExplanation explain_pool(const FractionalPoolShape& shape, bool with_indices, DType dtype,
                             Isa isa = isa());

}  // namespace convnative
