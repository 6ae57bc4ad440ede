// Process-wide settings. Each is safe to read and set from any thread.
#pragma once

#include <vector>

#include "convnative/types.h"

namespace convnative {

// Threads that the core may use in all. Default: the CPUs this process may use, or CONVNATIVE_NUM_THREADS.
int num_threads();
void set_num_threads(int threads);  // std::invalid_argument unless >= 1

// The instruction-set level in use. Default: the best that build and CPU have, capped by CONVNATIVE_MAX_ISA.
Isa isa();
void set_isa(Isa level);  // std::invalid_argument unless available
std::vector<Isa> available_isas();

Precision precision();
void set_precision(Precision mode);

// Reads the environment variables. Called by the first use of a setting; call it earlier to see its
// std::invalid_argument, which names the variable and its value, at a chosen place.
void initialize_from_environment();

// Long work asks `check` now and then, on the thread that called it; where it answers true, the work stops
// and throws `Interrupted`, leaving its output unspecified. Null (the default) never stops anything.
using InterruptCheck = bool (*)();
void set_interrupt_check(InterruptCheck check);
class Interrupted {};

}  // namespace convnative
