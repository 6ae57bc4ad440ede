// The kernel table of one instruction-set level; this source is compiled once per level. Contract:
// pool/kernels.h.
#include "pool/kernels.h"

#include "pool/gather_row.h"
#include "pool/pair_row.h"
#include "pool/plane_lanes.h"
#include "pool/range.h"
#include "pool/row.h"
#include "pool/spread_row.h"
#include "pool/square_rows.h"

namespace convnative {
namespace CONVNATIVE_ISA {
namespace {

#define CONVNATIVE_POOL_ROW(T, type, family, Reduction, label, stride) \
  {type "_" family "_pool_row_" label "_" CONVNATIVE_ISA_NAME, stride, pool_rows<T, stride, Reduction<T>>}

#define CONVNATIVE_POOL_FAMILY(...)                                                                \
  {CONVNATIVE_POOL_ROW(__VA_ARGS__, "stride1", 1), CONVNATIVE_POOL_ROW(__VA_ARGS__, "stride2", 2), \
   CONVNATIVE_POOL_ROW(__VA_ARGS__, "strided", 0)}

#define CONVNATIVE_POOL_LANES(T, type)              \
  {type "_max_plane_lanes_" CONVNATIVE_ISA_NAME,    \
   type "_argmax_plane_lanes_" CONVNATIVE_ISA_NAME, \
   type "_sum_plane_lanes_" CONVNATIVE_ISA_NAME,    \
   type "_mean_plane_lanes_" CONVNATIVE_ISA_NAME,   \
   load_lanes<T>,                                   \
   store_lanes<T>,                                  \
   {max_lanes<T, false>, max_lanes<T, true>},       \
   {argmax_lanes<T, false>, argmax_lanes<T, true>}, \
   sum_lanes<T>,                                    \
   mean_lanes<T>,                                   \
   share_lanes<T>,                                  \
   sum_share_lanes<T>,                              \
   repeat_lanes<T>,                                 \
   divide_lanes<T>}

#define CONVNATIVE_POOL_KERNELS(T, type)                       \
  {Isa::CONVNATIVE_ISA,                                        \
   Vec<T>::lanes,                                              \
   CONVNATIVE_POOL_FAMILY(T, type, "max", MaxReduction),       \
   CONVNATIVE_POOL_FAMILY(T, type, "sum", SumReduction),       \
   CONVNATIVE_POOL_FAMILY(T, type, "argmax", ArgmaxReduction), \
   CONVNATIVE_POOL_FAMILY(T, type, "taps", TapsReduction),     \
   type "_max_squares_" CONVNATIVE_ISA_NAME,                   \
   pool_squares<T, MaxReduction<T>>,                           \
   type "_sum_squares_" CONVNATIVE_ISA_NAME,                   \
   pool_squares<T, SumReduction<T>>,                           \
   type "_spread_squares_" CONVNATIVE_ISA_NAME,                \
   spread_squares<T>,                                          \
   type "_pool_divide_" CONVNATIVE_ISA_NAME,                   \
   divide_row<T>,                                              \
   type "_sum_range_" CONVNATIVE_ISA_NAME,                     \
   sum_range<T>,                                               \
   type "_mean_planes_" CONVNATIVE_ISA_NAME,                   \
   mean_planes<T>,                                             \
   type "_sum_rows_" CONVNATIVE_ISA_NAME,                      \
   sum_rows<T>,                                                \
   type "_max_range_" CONVNATIVE_ISA_NAME,                     \
   max_range<T>,                                               \
   type "_pool_add_shares_" CONVNATIVE_ISA_NAME,               \
   add_shares<T>,                                              \
   spread_pairs<T>,                                            \
   gather_taps<T>,                                             \
   interleave<T>,                                              \
   CONVNATIVE_POOL_LANES(T, type)}

}  // namespace

extern const PoolKernels<float> pool_kernels_f32;
extern const PoolKernels<double> pool_kernels_f64;
const PoolKernels<float> pool_kernels_f32 = CONVNATIVE_POOL_KERNELS(float, "f32");
const PoolKernels<double> pool_kernels_f64 = CONVNATIVE_POOL_KERNELS(double, "f64");

}  // namespace CONVNATIVE_ISA
}  // namespace convnative
