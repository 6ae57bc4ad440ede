// How close the micro-kernels come to the machine's multiply-add peak.
//
//   convnative_gemm_benchmark [threads...]        default: 1 and all usable CPUs
//
// The peak is measured by a loop in assembly (a C loop tends to be optimised into something else): ten
// independent chains of fused multiply-adds in registers. Each kernel then works on panels that fit L2 and
// not L1: one panel of B, KC deep, under MC rows of A, as the drivers use it.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/cpu.h"
#include "convnative/runtime.h"
#include "gemm/blocking.h"
#include "gemm/kernels.h"

namespace {

using namespace convnative;
using Clock = std::chrono::steady_clock;

constexpr double seconds_per_sample = 0.02;
constexpr int samples = 15;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// The best rate over the samples, all threads at work at once: noise only ever slows down.
template <class MakeWork>
double best_rate(int threads, MakeWork make_work) {
  std::atomic<int> waiting{0};
  std::vector<double> best(static_cast<std::size_t>(samples), 0);
  std::vector<std::vector<double>> rates(static_cast<std::size_t>(threads), std::vector<double>(samples, 0));
  std::vector<std::thread> pool;
  for (int thread = 0; thread < threads; ++thread)
    pool.emplace_back([&, thread] {
      auto work = make_work();
      for (int sample = 0; sample < samples; ++sample) {
        // All threads begin a sample together.
        ++waiting;
        while (waiting < (sample + 1) * threads) std::this_thread::yield();
        double flops = 0;
        const auto start = Clock::now();
        do {
          flops += work();
        } while (seconds_since(start) < seconds_per_sample);
        rates[static_cast<std::size_t>(thread)][static_cast<std::size_t>(sample)] =
            flops / seconds_since(start);
      }
    });
  for (std::thread& thread : pool) thread.join();
  for (const auto& thread_rates : rates)
    for (std::size_t sample = 0; sample < best.size(); ++sample) best[sample] += thread_rates[sample];
  return *std::max_element(best.begin(), best.end());
}

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

// FLOP/s in float32; 0 where there is no loop for the level.
double measure_peak(Isa isa, int threads) {
#if CONVNATIVE_X86_KERNELS
  constexpr long iterations = 100000;
  const auto loop = isa == Isa::avx512 ? fma_loop_avx512 : fma_loop_avx2;
  if (isa != Isa::baseline)
    return best_rate(threads, [loop] { return [loop] { return loop(iterations) * iterations; }; });
#else
  (void)isa;
  (void)threads;
#endif
  return 0;
}

template <class T>
double measure_kernel(const GemmKernels<T>& kernels, const GemmKernel<T>& kernel, int threads) {
  const GemmBlocking blocking = gemm_blocking<T>();
  return best_rate(threads, [&] {
    const std::int64_t columns = kernel.vectors * kernels.lanes;
    const std::int64_t tiles = blocking.mc / kernel.rows;
    const auto zeros = [](std::int64_t count) { return std::vector<T>(static_cast<std::size_t>(count)); };
    return [&kernel, columns, tiles, depth = blocking.kc, a = zeros(tiles * kernel.rows * blocking.kc),
            b = zeros(columns * blocking.kc + 16), c = zeros(kernel.rows * columns)]() mutable {
      // The panel on a cache line, as the drivers' is.
      T* const panel = reinterpret_cast<T*>(round_up_to_line(reinterpret_cast<std::size_t>(b.data())));
      for (std::int64_t tile = 0; tile < tiles; ++tile)
        kernel.run({a.data() + tile * kernel.rows * depth, depth, 1, panel, depth, c.data(), columns, columns,
                    nullptr, true});
      return 2.0 * static_cast<double>(tiles * kernel.rows * columns * depth);
    };
  });
}

template <class T>
void report(Isa isa, int threads, double peak, bool all) {
  const GemmKernels<T>& kernels = gemm_kernels<T>(isa);
  for (int i = 0; i < kernels.table_size(); ++i) {
    const GemmKernel<T>& kernel = kernels.table[i];
    if (!all && (kernel.rows < kernels.max_rows || kernel.vectors < kernels.max_vectors)) continue;
    const double rate = measure_kernel(kernels, kernel, threads);
    std::printf("%-24s %2d thread%s %8.1f GFLOP/s", kernel.name, threads, threads == 1 ? " " : "s",
                rate * 1e-9);
    if (peak > 0) std::printf("  %5.1f %% of the peak", 100 * rate / peak);
    std::printf("\n");
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<int> thread_counts;
  bool all = false;
  for (int i = 1; i < argc; ++i) {
    if (std::string(argv[i]) == "--all")
      all = true;
    else
      thread_counts.push_back(std::max(std::atoi(argv[i]), 1));
  }
  if (thread_counts.empty()) thread_counts = {1, usable_cpus()};
  for (const int threads : thread_counts)
    for (const Isa isa : available_isas()) {
      const double peak = measure_peak(isa, threads);
      if (peak > 0)
        std::printf("%-24s %2d thread%s %8.1f GFLOP/s  measured peak, float32\n", name(isa), threads,
                    threads == 1 ? " " : "s", peak * 1e-9);
      report<float>(isa, threads, peak, all);
      report<double>(isa, threads, peak / 2, all);
    }
}
