// The rate of multiply-adds that this machine's cores reach when they do nothing else.
#pragma once

#include "convnative/types.h"

namespace convnative {

// Whether there is a loop of multiply-adds for the level.
bool has_fma_loop(Isa level);

// Runs it, for about `cycles` cycles of the core, and returns its float32 operations: none where there is no loop.
double run_fma_loop(Isa level, long cycles);

// FLOP/s in float32, half of that in float64; 0 where there is no loop. Takes 20 ms a sample, and `samples` >= 1 of
// them. Starts `threads` threads of its own.
double fma_peak(Isa level, int threads, int samples);

}  // namespace convnative
