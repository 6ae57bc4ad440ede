#include "conv/direct_channels_kernels.h"
#include "simd/tables.h"

namespace convnative {

CONVNATIVE_DEFINE_TABLES(ChannelsKernels, channels_kernels)

}  // namespace convnative
