#include "image/kernels.h"
#include "simd/tables.h"

namespace convnative {

CONVNATIVE_DEFINE_TABLE(std::uint8_t, PixelKernels, pixel_kernels, pixel_kernels_u8)
CONVNATIVE_DEFINE_TABLE(std::uint16_t, PixelKernels, pixel_kernels, pixel_kernels_u16)

}  // namespace convnative
