#include "base/thread_pool.h"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <thread>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/cpu.h"

#ifdef __unix__
  #include <pthread.h>
#endif

namespace convnative {
namespace {

using Clock = std::chrono::steady_clock;

// Layers of a network follow one another within microseconds: so long a thread waits at full speed, then politely.
constexpr auto spinning = std::chrono::microseconds(50);
constexpr auto looking = std::chrono::milliseconds(1);

void relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

// Returns true as soon as `done()`, false after `looking`.
template <class Done>
bool look_for(bool spin, const Done& done) {
  const auto start = Clock::now();
  for (;;) {
    for (int i = 0; i < 16; ++i) {
      if (done()) return true;
      relax();
    }
    const auto waited = Clock::now() - start;
    if (waited > looking) return false;
    if (!spin || waited > spinning) std::this_thread::yield();
  }
}

class Helper;

// What a caller asks of one helper. It lives until the helper has ended or was called off.
struct Offer {
  ThreadFunction function;
  void* context;
  int thread;
  Helper* helper;  // null: the system gave none

  std::uintptr_t made() const { return reinterpret_cast<std::uintptr_t>(this); }
  std::uintptr_t taken() const { return made() + 1; }
};

class Helper {
 public:
  // The first offer is there before the thread is.
  explicit Helper(const Offer& offer) : state_(offer.made()) {}

  std::atomic<Helper*> next{nullptr};

  bool accepts(const Offer& offer) {
    std::uintptr_t idle = 0;
    if (!state_.compare_exchange_strong(idle, offer.made())) return false;
    if (asleep_) {
      ++calls_;
      calls_.notify_one();
    }
    return true;
  }

  // Calls the offer off, or waits until it is done with.
  void finish(const Offer& offer) {
    std::uintptr_t made = offer.made();
    if (state_.compare_exchange_strong(made, 0)) return;
    while (!look_for(true, [&] { return state_ != offer.taken(); }))
      std::this_thread::sleep_for(std::chrono::microseconds(50));
  }

  [[noreturn]] void live(bool spin) {
    for (;;) {
      if (!look_for(spin, [&] { return state_ != 0; })) {
        // Whoever makes an offer either sees that this thread is asleep, or is seen.
        const std::uint32_t calls = calls_;
        asleep_ = true;
        if (state_ == 0) calls_.wait(calls);
        asleep_ = false;
      }
      std::uintptr_t made = state_;
      if (made == 0 || !state_.compare_exchange_strong(made, made + 1)) continue;
      const Offer& offer = *reinterpret_cast<const Offer*>(made);
      offer.function(offer.context, offer.thread);
      state_ = 0;
    }
  }

 private:
  // 0: idle. An Offer's address: offered; one more: at work on it.
  alignas(cache_line_bytes) std::atomic<std::uintptr_t> state_;
  std::atomic<bool> asleep_{false};
  std::atomic<std::uint32_t> calls_{0};
};
static_assert(alignof(Offer) > 1);

// A list that only grows, never taken down: its threads outlive everything that could do so.
std::atomic<Helper*> first_helper{nullptr};
std::atomic<int> helper_count{0};

// A thread with this as its first offer, or null where the system gives none: others may be at work already, so that
// nothing may be thrown.
Helper* start_helper(const Offer& offer) {
  // More threads than CPUs would only keep each other from working.
  const bool spin = ++helper_count < usable_cpus();
  try {
    auto helper = std::make_unique<Helper>(offer);
    std::thread([made = helper.get(), spin] { made->live(spin); }).detach();
    std::atomic<Helper*>* link = &first_helper;
    for (Helper* taken = nullptr; !link->compare_exchange_strong(taken, helper.get()); taken = nullptr)
      link = &taken->next;
    return helper.release();
  } catch (const std::exception&) {
    --helper_count;
    return nullptr;
  }
}

#ifdef __unix__
// Only the thread that forks lives on in the child.
[[maybe_unused]] const bool watching_forks = [] {
  pthread_atfork(nullptr, nullptr, [] {
    first_helper = nullptr;
    helper_count = 0;
  });
  return true;
}();
#endif

}  // namespace

void run_on_threads(int threads, ThreadFunction function, void* context) {
  std::vector<Offer> offers;
  offers.reserve(static_cast<std::size_t>(threads) - 1);
  Helper* idle = first_helper;
  for (int thread = 1; thread < threads; ++thread) {
    Offer& offer = offers.emplace_back(Offer{function, context, thread, nullptr});
    while (idle != nullptr && !idle->accepts(offer)) idle = idle->next;
    offer.helper = idle != nullptr ? idle : start_helper(offer);
    if (offer.helper == nullptr) break;
    if (idle != nullptr) idle = idle->next;
  }
  function(context, 0);
  for (const Offer& offer : offers)
    if (offer.helper != nullptr) offer.helper->finish(offer);
}

}  // namespace convnative
