// How close the micro-kernels come to the machine's multiply-add peak.
//
//   convnative_gemm_benchmark [threads...]        default: 1 and all usable CPUs
//
// Each kernel works on panels that fit L2 and not L1: one panel of B, KC deep, under MC rows of A, as the
// drivers use it. It takes turns with the loop of multiply-adds, block by block: left alone, that loop needs less power
// than any kernel, so that some CPUs run it at a higher clock.
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/best_rate.h"
#include "base/cpu.h"
#include "base/fma_peak.h"
#include "convnative/runtime.h"
#include "gemm/blocking.h"
#include "gemm/kernels.h"

namespace {

using namespace convnative;

constexpr int samples = 15;

struct Rates {
  double kernel;
  double peak;  // in float32, at the same clock
};

template <class T>
Rates measure_kernel(const GemmKernels<T>& kernels, const GemmKernel<T>& kernel, int threads) {
  const GemmBlocking blocking = gemm_blocking<T>();
  const auto [kernel_rate, peak_rate] = best_rates<2>(threads, samples, [&] {
    const std::int64_t columns = kernel.vectors * kernels.lanes;
    const std::int64_t tiles = blocking.mc / kernel.rows;
    const auto zeros = [](std::int64_t count) { return std::vector<T>(static_cast<std::size_t>(count)); };
    return std::array<Work, 2>{
        [&kernel, columns, tiles, depth = blocking.kc, a = zeros(tiles * kernel.rows * blocking.kc),
         b = zeros(columns * blocking.kc + 16), c = zeros(kernel.rows * columns)]() mutable {
          // The panel on a cache line, as the drivers' is.
          T* const panel = reinterpret_cast<T*>(round_up_to_line(reinterpret_cast<std::size_t>(b.data())));
          for (std::int64_t tile = 0; tile < tiles; ++tile)
            kernel.run({a.data() + tile * kernel.rows * depth, depth, 1, panel, depth, c.data(), columns,
                        columns, nullptr, true});
          return 2.0 * static_cast<double>(tiles * kernel.rows * columns * depth);
        },
        [isa = kernels.isa] { return run_fma_loop(isa, 100'000); }};
  });
  return {kernel_rate, peak_rate};
}

template <class T>
void report(Isa isa, int threads, bool all) {
  const GemmKernels<T>& kernels = gemm_kernels<T>(isa);
  for (int i = 0; i < kernels.table_size(); ++i) {
    const GemmKernel<T>& kernel = kernels.table[i];
    if (!all && (kernel.rows < kernels.max_rows || kernel.vectors < kernels.max_vectors)) continue;
    const Rates rates = measure_kernel(kernels, kernel, threads);
    std::printf("%-24s %2d thread%s %8.1f GFLOP/s", kernel.name, threads, threads == 1 ? " " : "s",
                rates.kernel * 1e-9);
    const double peak = rates.peak * static_cast<double>(sizeof(float)) / sizeof(T);
    if (peak > 0)
      std::printf("  %5.1f %% of the peak beside it, %.1f", 100 * rates.kernel / peak, peak * 1e-9);
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
      const double peak = fma_peak(isa, threads, samples);
      if (peak > 0)
        std::printf("%-24s %2d thread%s %8.1f GFLOP/s  peak of multiply-adds alone, float32\n", name(isa),
                    threads, threads == 1 ? " " : "s", peak * 1e-9);
      report<float>(isa, threads, all);
      report<double>(isa, threads, all);
    }
}
