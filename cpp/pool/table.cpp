#include "pool/kernels.h"
#include "simd/tables.h"

namespace convnative {

CONVNATIVE_DEFINE_TABLES(PoolKernels, pool_kernels)

}  // namespace convnative
