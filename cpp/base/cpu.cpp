#include "base/cpu.h"

#include <algorithm>
#include <fstream>
#include <string>
#include <thread>

#ifdef __linux__
  #include <sched.h>
  #include <unistd.h>
#endif

namespace convnative {
namespace {

int affinity_cpus() {
#ifdef __linux__
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return std::max(CPU_COUNT(&set), 1);
#endif
  return std::max(static_cast<int>(std::thread::hardware_concurrency()), 1);
}

// The quota of cgroup v2 ("max 100000" or "150000 100000") or v1, in whole CPUs, rounded up; 0: none.
int quota_cpus() {
  long long quota = -1, period = 0;
  std::string word;
  if (std::ifstream v2("/sys/fs/cgroup/cpu.max"); v2 >> word >> period) {
    if (word != "max") quota = std::stoll(word);
  } else {
    std::ifstream("/sys/fs/cgroup/cpu/cpu.cfs_quota_us") >> quota;
    std::ifstream("/sys/fs/cgroup/cpu/cpu.cfs_period_us") >> period;
  }
  if (quota <= 0 || period <= 0) return 0;
  return static_cast<int>((quota + period - 1) / period);
}

}  // namespace

Isa detect_isa() {
#if CONVNATIVE_X86_KERNELS
  // libgcc's check includes the operating system's (XGETBV): saved registers, not only the CPU's word.
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (!avx2) return Isa::baseline;
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  return avx512 ? Isa::avx512 : Isa::avx2;
#else
  return Isa::baseline;
#endif
}

int usable_cpus() {
  const int cpus = affinity_cpus();
  const int quota = quota_cpus();
  return quota > 0 ? std::min(cpus, quota) : cpus;
}

std::int64_t l2_cache_bytes() {
  static const std::int64_t bytes = [] {
#ifdef _SC_LEVEL2_CACHE_SIZE
    if (const long size = sysconf(_SC_LEVEL2_CACHE_SIZE); size > 0) return std::int64_t{size};
#endif
    return std::int64_t{1} << 20;
  }();
  return bytes;
}

}  // namespace convnative
