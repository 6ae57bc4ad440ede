// Threads that wait for work, for parallel.cpp.
//
// `run(threads, function, context)` calls `function(context, 0)` on the caller and, on other threads at the same time,
// `function(context, n)` for some n of [1, threads). The caller's own call must be able to do all that there is to do: a
// helper that has not begun when it returns is called off, so that nobody waits for a thread that the system runs
// elsewhere or not at all (a barrier would: beside one other busy process a call of a millisecond would take sixteen).
//
// * Helper n is the same thread in one call after another, unless other callers use it.
// * Threads start when they are first needed and live as long as the process. One that has nothing to do looks out for
//   work for about a millisecond, most of it yielding its CPU to whoever wants it, then sleeps.
// * Any number of callers at a time. Where the system gives no more threads, fewer help.
// * After fork() a child starts threads of its own.
#pragma once

namespace convnative {

using ThreadFunction = void (*)(void* context, int thread);

void run_on_threads(int threads, ThreadFunction function, void* context);

}  // namespace convnative
