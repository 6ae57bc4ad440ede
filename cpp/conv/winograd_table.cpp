#include "conv/winograd_kernels.h"
#include "simd/tables.h"

namespace convnative {

// float32 alone: who asks for float64 wants its accuracy.
CONVNATIVE_DEFINE_TABLE(float, WinogradTable, winograd_table, winograd_table_f32)

}  // namespace convnative
