// What this CPU can run and how much of it this process may use.
#pragma once

#include <cstdint>

#include "convnative/types.h"

namespace convnative {

// The highest instruction-set level that both this build and this CPU have.
Isa detect_isa();

// CPUs that this process may use: the affinity mask, cut by the cgroup's CPU quota; at least 1.
int usable_cpus();

// Bytes of the second-level cache of a core; 1 MiB where the system does not say. For the sizes of blocks,
// which change no result, and never for a choice between algorithms, which would.
std::int64_t l2_cache_bytes();

// Arrays of more, input and output together, do not stay in most L2 caches from call to call: what is read and written
// next is asked for early. Of every CPU, as it changes no result.
inline constexpr std::int64_t far_bytes = std::int64_t{8} << 20;

}  // namespace convnative
