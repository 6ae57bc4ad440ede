// How close the micro-kernels come to the machine's multiply-add peak.
//
//   convnative_gemm_benchmark [threads...]        default: 1 and all usable CPUs
//
// Each kernel works on panels that fit L2 and not L1: one panel of B, KC deep, under MC rows of A, as the
// drivers use it.
#include <algorithm>
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

template <class T>
double measure_kernel(const GemmKernels<T>& kernels, const GemmKernel<T>& kernel, int threads) {
  const GemmBlocking blocking = gemm_blocking<T>();
  return best_rate(threads, samples, [&] {
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
      const double peak = fma_peak(isa, threads, samples);
      if (peak > 0)
        std::printf("%-24s %2d thread%s %8.1f GFLOP/s  measured peak, float32\n", name(isa), threads,
                    threads == 1 ? " " : "s", peak * 1e-9);
      report<float>(isa, threads, peak, all);
      report<double>(isa, threads, peak / 2, all);
    }
}
