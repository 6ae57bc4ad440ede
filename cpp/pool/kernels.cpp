// The kernel table of one instruction-set level; this source is compiled once per level. Contract:
// pool/kernels.h.
#include "pool/kernels.h"

#include "pool/range.h"
#include "pool/row.h"
#include "pool/spread_row.h"

namespace convnative {
namespace CONVNATIVE_ISA {
namespace {

#define CONVNATIVE_POOL_ROW(T, type, family, Reduction, label, stride) \
  {type "_" family "_pool_row_" label "_" CONVNATIVE_ISA_NAME, stride, pool_row<T, stride, Reduction<T>>}

#define CONVNATIVE_POOL_FAMILY(...)                                                                \
  {CONVNATIVE_POOL_ROW(__VA_ARGS__, "stride1", 1), CONVNATIVE_POOL_ROW(__VA_ARGS__, "stride2", 2), \
   CONVNATIVE_POOL_ROW(__VA_ARGS__, "strided", 0)}

#define CONVNATIVE_POOL_KERNELS(T, type)                       \
  {Isa::CONVNATIVE_ISA,                                        \
   Vec<T>::lanes,                                              \
   CONVNATIVE_POOL_FAMILY(T, type, "max", MaxReduction),       \
   CONVNATIVE_POOL_FAMILY(T, type, "sum", SumReduction),       \
   CONVNATIVE_POOL_FAMILY(T, type, "argmax", ArgmaxReduction), \
   type "_pool_divide_" CONVNATIVE_ISA_NAME,                   \
   divide_row<T>,                                              \
   type "_sum_range_" CONVNATIVE_ISA_NAME,                     \
   sum_range<T>,                                               \
   type "_sum_rows_" CONVNATIVE_ISA_NAME,                      \
   sum_rows<T>,                                                \
   type "_max_range_" CONVNATIVE_ISA_NAME,                     \
   max_range<T>,                                               \
   type "_pool_spread_maxima_" CONVNATIVE_ISA_NAME,            \
   spread_maxima<T>,                                           \
   interleave<T>}

}  // namespace

extern const PoolKernels<float> pool_kernels_f32;
extern const PoolKernels<double> pool_kernels_f64;
const PoolKernels<float> pool_kernels_f32 = CONVNATIVE_POOL_KERNELS(float, "f32");
const PoolKernels<double> pool_kernels_f64 = CONVNATIVE_POOL_KERNELS(double, "f64");

}  // namespace CONVNATIVE_ISA
}  // namespace convnative
