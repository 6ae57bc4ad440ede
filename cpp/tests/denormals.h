// Whether denormal numbers, whose products and sums take many times as long, were met.
//
// In this program new memory on cache lines (base/aligned_buffer.h) holds denormals in either type, as left-overs may
// read anywhere. Kernels that compute on whole vectors and tiles may read what lies beside their numbers, but not that.
#pragma once

namespace convnative::test {

// By the calling thread; where the processor does not tell, never.
void forget_denormals();
bool met_denormals();

}  // namespace convnative::test
