#include "conv/direct_strip_kernels.h"
#include "simd/tables.h"

namespace convnative {

CONVNATIVE_DEFINE_TABLES(StripKernels, strip_kernels)

}  // namespace convnative
