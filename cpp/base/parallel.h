// The core's one way to use several threads, those of thread_pool.h.
//
// `parallel_for(tasks, threads, body)` calls `body(task, thread)` for every task in [0, tasks), each once, in
// no fixed order; `thread` < threads tells calls that run at the same time apart (to index workspaces).
// Results must not depend on which thread runs a task: split outputs, never sums.
//
// Each thread begins with a share of neighbouring tasks, the same in every call with as many tasks and threads:
// what it left in its caches is there for the next call. Then it helps with what is left of the others'.
//
// * One task or one thread runs on the caller, without waking anybody.
// * Calls from several threads share `num_threads()`: a call gets those that are free, at least its own.
// * After fork() the child's calls work, on threads of its own.
// * A body must not throw. A task should stay below some 50 ms, so that an interrupt is served in time, or ask
//   `stop_requested()` as often.
#pragma once

#include <cstdint>
#include <type_traits>

namespace convnative {

namespace detail {
using TaskFunction = void (*)(void* context, std::int64_t task, int thread);
void run_tasks(std::int64_t tasks, int threads, TaskFunction function, void* context);
}  // namespace detail

template <class Body>
void parallel_for(std::int64_t tasks, int threads, Body&& body) {
  using Plain = std::remove_reference_t<Body>;
  detail::run_tasks(
      tasks, threads,
      [](void* context, std::int64_t task, int thread) { (*static_cast<Plain*>(context))(task, thread); },
      const_cast<void*>(static_cast<const void*>(&body)));
}

// Within a body: whether it may return with its work undone, because parallel_for is going to throw Interrupted.
bool stop_requested();

// How many of `num_threads()` a job of this many operations can feed: waking a thread costs about as much
// time as a core needs for `operations_per_thread` of them.
int threads_for(double operations, double operations_per_thread);

}  // namespace convnative
