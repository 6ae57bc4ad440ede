// Threads: every task once, from many callers at a time, in a forked child, and stopped by an interrupt.
#include <atomic>
#include <thread>
#include <vector>

#include "base/parallel.h"
#include "check.h"
#include "convnative/runtime.h"
#include "tests.h"

#ifdef __unix__
  #include <sys/wait.h>
  #include <unistd.h>
#endif

namespace convnative::test {
namespace {

bool each_task_once(std::int64_t tasks, int threads) {
  std::vector<std::atomic<int>> runs(static_cast<std::size_t>(tasks));
  std::atomic<bool> thread_in_range{true};
  parallel_for(tasks, threads, [&](std::int64_t task, int thread) {
    ++runs[static_cast<std::size_t>(task)];
    if (thread < 0 || thread >= threads) thread_in_range = false;
  });
  for (const auto& count : runs)
    if (count != 1) return false;
  return thread_in_range;
}

void test_tasks() {
  for (const int threads : {1, 2, 3, 7})
    for (const std::int64_t tasks : {0, 1, 2, 100}) CHECK(each_task_once(tasks, threads));
}

void test_many_callers() {
  std::atomic<int> failures{0};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 8; ++caller)
    callers.emplace_back([&] {
      for (int round = 0; round < 50; ++round)
        if (!each_task_once(20, 3)) ++failures;
    });
  for (std::thread& caller : callers) caller.join();
  CHECK(failures == 0);
}

void test_fork() {
#ifdef __unix__
  CHECK(each_task_once(100, 2));
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);
    _exit(each_task_once(100, 2) ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
#endif
}

void test_interrupt() {
  set_interrupt_check([] { return true; });
  std::atomic<int> done{0};
  const auto endless = [&] {
    parallel_for(1000000, 2, [&](std::int64_t, int) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      ++done;
    });
  };
  CHECK_THROWS(Interrupted, (endless(), 0));
  CHECK(done < 10000);
  set_interrupt_check(nullptr);
  CHECK(each_task_once(100, 2));
}

}  // namespace

void test_parallel() {
  const int before = num_threads();
  set_num_threads(4);
  test_tasks();
  test_many_callers();
  test_fork();
  test_interrupt();
  set_num_threads(before);
}

}  // namespace convnative::test
