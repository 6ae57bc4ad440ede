#include "conv/depthwise_lanes_kernels.h"
#include "simd/tables.h"

namespace convnative {

CONVNATIVE_DEFINE_TABLES(DepthwiseLanesKernels, depthwise_lanes_kernels)

}  // namespace convnative
