// How fast pieces of work go on several threads at once: for what measures the machine.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

namespace convnative {

// Does some work, some tens of microseconds of it, and returns its operations.
using Work = std::function<double()>;

// `make_works()` returns the works of a thread. They take turns, so that all run at one clock: a core's depends on what
// it has been doing. The result is operations per second of all threads, each work's best sample, as noise only ever
// slows down. A sample takes 20 ms for each work; all threads begin it together.
template <std::size_t Works, class MakeWorks>
std::array<double, Works> best_rates(int threads, int samples, MakeWorks make_works) {
  using Clock = std::chrono::steady_clock;
  using Seconds = std::chrono::duration<double>;
  constexpr Seconds sample_time{0.02 * Works};
  const auto count = static_cast<std::size_t>(samples);
  std::atomic<int> waiting{0};
  std::vector<std::vector<std::array<double, Works>>> rates(static_cast<std::size_t>(threads),
                                                            std::vector<std::array<double, Works>>(count));
  std::vector<std::thread> pool;
  for (auto& rates_of_thread : rates)
    pool.emplace_back([&] {
      const std::array<Work, Works> works = make_works();
      for (int sample = 0; sample < samples; ++sample) {
        ++waiting;
        while (waiting < (sample + 1) * threads) std::this_thread::yield();
        std::array<double, Works> operations{};
        std::array<Seconds, Works> times{};
        const auto start = Clock::now();
        auto now = start;
        do {
          for (std::size_t work = 0; work < Works; ++work) {
            operations[work] += works[work]();
            const auto before = std::exchange(now, Clock::now());
            times[work] += now - before;
          }
        } while (now - start < sample_time);
        for (std::size_t work = 0; work < Works; ++work)
          rates_of_thread[static_cast<std::size_t>(sample)][work] = operations[work] / times[work].count();
      }
    });
  for (std::thread& thread : pool) thread.join();
  std::array<double, Works> best{};
  for (std::size_t sample = 0; sample < count; ++sample)
    for (std::size_t work = 0; work < Works; ++work) {
      double sum = 0;
      for (const auto& rates_of_thread : rates) sum += rates_of_thread[sample][work];
      best[work] = std::max(best[work], sum);
    }
  return best;
}

}  // namespace convnative
