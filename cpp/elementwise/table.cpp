#include "elementwise/kernels.h"
#include "simd/tables.h"

namespace convnative {

CONVNATIVE_DEFINE_TABLES(ElementwiseKernels, elementwise_kernels)

}  // namespace convnative
