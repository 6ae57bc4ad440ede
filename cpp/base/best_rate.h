// How fast a piece of work goes on several threads at once: for what measures the machine.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <thread>
#include <vector>

namespace convnative {

// `make_work()` returns, on each thread, a function that does some work and returns its operations. The result
// is operations per second of all threads: the best sample, as noise only ever slows down. A sample takes
// 20 ms; all threads begin it together.
template <class MakeWork>
double best_rate(int threads, int samples, MakeWork make_work) {
  using Clock = std::chrono::steady_clock;
  constexpr double seconds_per_sample = 0.02;
  const auto seconds_since = [](Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  const auto count = static_cast<std::size_t>(samples);
  std::atomic<int> waiting{0};
  std::vector<double> best(count, 0);
  std::vector<std::vector<double>> rates(static_cast<std::size_t>(threads), std::vector<double>(count, 0));
  std::vector<std::thread> pool;
  for (int thread = 0; thread < threads; ++thread)
    pool.emplace_back([&, thread] {
      auto work = make_work();
      for (int sample = 0; sample < samples; ++sample) {
        ++waiting;
        while (waiting < (sample + 1) * threads) std::this_thread::yield();
        double operations = 0;
        const auto start = Clock::now();
        do {
          operations += work();
        } while (seconds_since(start) < seconds_per_sample);
        rates[static_cast<std::size_t>(thread)][static_cast<std::size_t>(sample)] =
            operations / seconds_since(start);
      }
    });
  for (std::thread& thread : pool) thread.join();
  for (const auto& thread_rates : rates)
    for (std::size_t sample = 0; sample < best.size(); ++sample) best[sample] += thread_rates[sample];
  return *std::max_element(best.begin(), best.end());
}

}  // namespace convnative
