#include "resample/kernels.h"
#include "simd/tables.h"

namespace convnative {

CONVNATIVE_DEFINE_TABLES(ResampleKernels, resample_kernels)

}  // namespace convnative
