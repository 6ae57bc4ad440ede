#include "conv/depthwise_kernels.h"
#include "simd/tables.h"

namespace convnative {

CONVNATIVE_DEFINE_TABLES(DepthwiseKernels, depthwise_kernels)

}  // namespace convnative
