// The rate of multiply-adds that this machine's cores reach when they do nothing else.
#pragma once

#include "convnative/types.h"

namespace convnative {

// FLOP/s in float32, half of that in float64; 0 where there is no loop for the level. Takes 20 ms a sample, and
// `samples` >= 1 of them. Starts `threads` threads of its own.
double fma_peak(Isa level, int threads, int samples);

}  // namespace convnative
