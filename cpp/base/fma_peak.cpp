// A loop in assembly, as a C loop tends to be optimised into something else: ten independent chains of fused
// multiply-adds in registers, enough for two units of a latency of four or five cycles.
#include "base/fma_peak.h"

#include <array>

#include "base/best_rate.h"

namespace convnative {
namespace {

#if CONVNATIVE_X86_KERNELS
  #define CONVNATIVE_CHAINS(instruction, reg)                                                             \
    instruction " %%" reg "10, %%" reg "11, %%" reg "0\n" instruction " %%" reg "10, %%" reg "11, %%" reg \
                "1\n" instruction " %%" reg "10, %%" reg "11, %%" reg "2\n" instruction " %%" reg         \
                "10, %%" reg "11, %%" reg "3\n" instruction " %%" reg "10, %%" reg "11, %%" reg           \
                "4\n" instruction " %%" reg "10, %%" reg "11, %%" reg "5\n" instruction " %%" reg         \
                "10, %%" reg "11, %%" reg "6\n" instruction " %%" reg "10, %%" reg "11, %%" reg           \
                "7\n" instruction " %%" reg "10, %%" reg "11, %%" reg "8\n" instruction " %%" reg         \
                "10, %%" reg "11, %%" reg "9\n"
constexpr int chains = 10;

double fma_loop_avx512(long iterations) {
  asm volatile(
      "vpxorq %%zmm10, %%zmm10, %%zmm10\n vpxorq %%zmm11, %%zmm11, %%zmm11\n"
      "1:\n" CONVNATIVE_CHAINS("vfmadd231ps", "zmm") "sub $1, %0\n jnz 1b\n vzeroupper\n"
      : "+r"(iterations)
      :
      : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",
        "cc");
  return 16 * 2 * chains;
}

double fma_loop_avx2(long iterations) {
  asm volatile(
      "vpxor %%ymm10, %%ymm10, %%ymm10\n vpxor %%ymm11, %%ymm11, %%ymm11\n"
      "1:\n" CONVNATIVE_CHAINS("vfmadd231ps", "ymm") "sub $1, %0\n jnz 1b\n vzeroupper\n"
      : "+r"(iterations)
      :
      : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",
        "cc");
  return 8 * 2 * chains;
}
#endif

}  // namespace

bool has_fma_loop([[maybe_unused]] Isa level) {
#if CONVNATIVE_X86_KERNELS
  return level != Isa::baseline;
#else
  return false;
#endif
}

double run_fma_loop([[maybe_unused]] Isa level, [[maybe_unused]] long cycles) {
#if CONVNATIVE_X86_KERNELS
  const long iterations = cycles / (chains / 2) + 1;
  if (level == Isa::avx512) return fma_loop_avx512(iterations) * static_cast<double>(iterations);
  if (level == Isa::avx2) return fma_loop_avx2(iterations) * static_cast<double>(iterations);
#endif
  return 0;
}

double fma_peak(Isa level, int threads, int samples) {
  if (!has_fma_loop(level)) return 0;
  return best_rates<1>(threads, samples, [level] {
    return std::array<Work, 1>{[level] { return run_fma_loop(level, 30'000); }};
  })[0];
}

}  // namespace convnative
