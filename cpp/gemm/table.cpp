#include "gemm/kernels.h"
#include "simd/tables.h"

namespace convnative {

CONVNATIVE_DEFINE_TABLES(GemmKernels, gemm_kernels)

}  // namespace convnative
