// What the Winograd drivers share.
#pragma once

#include <cstdint>

#include "conv/algorithm.h"
#include "conv/winograd_kernels.h"

namespace convnative {

// Distances that are no multiple of 4 KiB: else all frequencies compete for the same lines of L1.
inline std::int64_t winograd_padded(std::int64_t elements, int lanes) {
  return elements + lanes;
}

// By the side of the tiles, from 2 on.
inline constexpr const char* winograd_names[] = {"winograd_2", "winograd_3", "winograd_4"};

// The row for tiles of `outputs` on each axis, or null.
const WinogradKernels<float>* winograd_row(const ConvProblem& problem, int outputs);

// Why no tiles of `outputs` serve the problem, or null.
const char* winograd_obstacle(const ConvProblem& problem, int outputs);

// Cycles of one core, roughly, as if one core did all: nothing in a choice between algorithms may depend on
// the number of threads, which must not change results.
double winograd_direct_cycles(const ConvProblem& problem);
// Of the gradient in the weights by the fastest tiles that serve it; infinite if none does.
double winograd_grad_weight_cycles(const ConvProblem& problem);

}  // namespace convnative
