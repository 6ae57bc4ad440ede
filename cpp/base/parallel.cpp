#include "base/parallel.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>

#include "base/aligned_buffer.h"
#include "base/thread_pool.h"
#include "convnative/runtime.h"

#ifdef __unix__
  #include <pthread.h>
#endif

namespace convnative {
namespace {

std::atomic<InterruptCheck> interrupt_check{nullptr};
std::atomic<int> busy_threads{0};

// The threads that this call may use, handed back at its end.
class ThreadLease {
 public:
  explicit ThreadLease(int wanted) {
    int busy = busy_threads.load();
    do {
      granted_ = std::clamp(num_threads() - busy, 1, std::max(wanted, 1));
    } while (!busy_threads.compare_exchange_weak(busy, busy + granted_));
  }
  ~ThreadLease() { busy_threads -= granted_; }
  ThreadLease(const ThreadLease&) = delete;
  ThreadLease& operator=(const ThreadLease&) = delete;

  int granted() const { return granted_; }

 private:
  int granted_ = 1;
};

class TaskQueue {
 public:
  TaskQueue(std::int64_t tasks, int threads, detail::TaskFunction function, void* context)
      : shares_(std::min(threads, most_shares)), function_(function), context_(context) {
    for (int s = 0; s < shares_; ++s) {
      share_[s].next = tasks / shares_ * s + std::min<std::int64_t>(s, tasks % shares_);
      share_[s].end = share_[s].next + tasks / shares_ + (s < tasks % shares_ ? 1 : 0);
    }
  }

  // Takes the tasks of its own share, then what is left of the others'.
  void work(int thread) {
    const Place outer = place_;
    place_ = {this, thread == 0 ? interrupt_check.load() : nullptr, Clock::now() + interval};
    for (int s = 0; s < shares_; ++s) {
      Share& share = share_[(thread + s) % shares_];
      for (std::int64_t task = share.next++; task < share.end && !stopped_; task = share.next++) {
        function_(context_, task, thread);
        ask();
      }
    }
    place_ = outer;
  }

  bool stopped() const { return stopped_; }

  // Whether the call that this thread works for is to stop.
  static bool stop_requested() {
    if (place_.queue == nullptr) return false;
    ask();
    return place_.queue->stopped_;
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr auto interval = std::chrono::milliseconds(50);

  // What a thread is at work on. The calling thread (0) alone has a check.
  struct Place {
    TaskQueue* queue = nullptr;
    InterruptCheck check = nullptr;
    Clock::time_point next_check{};
  };

  static void ask() {
    if (place_.check == nullptr || Clock::now() < place_.next_check) return;
    if (place_.check()) place_.queue->stopped_ = true;
    place_.next_check = Clock::now() + interval;
  }

  static thread_local Place place_;

  // Neighbouring tasks, the same for each thread in every call: it finds in its caches what it left there.
  struct alignas(cache_line_bytes) Share {
    std::atomic<std::int64_t> next{0};
    std::int64_t end = 0;
  };
  static constexpr int most_shares = 64;  // further threads help with these

  const int shares_;
  std::array<Share, most_shares> share_;
  const detail::TaskFunction function_;
  void* const context_;
  std::atomic<bool> stopped_{false};
};

thread_local TaskQueue::Place TaskQueue::place_;

#ifdef __unix__
[[maybe_unused]] const bool watching_forks = [] {
  pthread_atfork(nullptr, nullptr, [] { busy_threads = 0; });
  return true;
}();
#endif

}  // namespace

namespace detail {

void run_tasks(std::int64_t tasks, int threads, TaskFunction function, void* context) {
  const ThreadLease lease(static_cast<int>(std::min<std::int64_t>(threads, tasks)));
  TaskQueue queue(tasks, lease.granted(), function, context);
  if (lease.granted() == 1)
    queue.work(0);
  else
    run_on_threads(
        lease.granted(), [](void* work, int thread) { static_cast<TaskQueue*>(work)->work(thread); }, &queue);
  if (queue.stopped()) throw Interrupted();
}

}  // namespace detail

bool stop_requested() {
  return TaskQueue::stop_requested();
}

int threads_for(double operations, double operations_per_thread) {
  const double useful = operations / operations_per_thread;
  return useful < 2 ? 1 : static_cast<int>(std::min<double>(useful, num_threads()));
}

void set_interrupt_check(InterruptCheck check) {
  interrupt_check = check;
}

}  // namespace convnative
