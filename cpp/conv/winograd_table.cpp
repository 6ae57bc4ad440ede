#include "conv/winograd_kernels.h"
#include "simd/tables.h"

namespace convnative {

CONVNATIVE_DECLARE_LEVEL(baseline, WinogradTable, winograd_table)
CONVNATIVE_DECLARE_X86_LEVELS(WinogradTable, winograd_table)
// float32 alone: who asks for float64 wants its accuracy.
CONVNATIVE_DEFINE_TABLE(float, WinogradTable, winograd_table, winograd_table_f32)

}  // namespace convnative
