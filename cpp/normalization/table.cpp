#include "normalization/kernels.h"
#include "simd/tables.h"

namespace convnative {

CONVNATIVE_DEFINE_TABLES(NormKernels, norm_kernels)

}  // namespace convnative
