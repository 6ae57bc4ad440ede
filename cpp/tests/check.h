// CHECK(condition) for the core's own test program: counts, and prints what failed with its place.
#pragma once

#include <cstdio>

namespace convnative::test {

inline int checks = 0;
inline int failures = 0;

inline bool check(bool passed, const char* condition, const char* file, int line) {
  ++checks;
  if (!passed) {
    ++failures;
    std::fprintf(stderr, "%s:%d: CHECK(%s) failed\n", file, line, condition);
  }
  return passed;
}

// Prints the counts; the exit status of main().
inline int report() {
  std::printf("%d checks, %d failures\n", checks, failures);
  return failures == 0 ? 0 : 1;
}

}  // namespace convnative::test

// The value is whether it held: `if (!CHECK(a == b)) std::fprintf(stderr, "...")` adds what a reader needs to
// know.
#define CHECK(...) ::convnative::test::check(static_cast<bool>(__VA_ARGS__), #__VA_ARGS__, __FILE__, __LINE__)

// Holds where `expression` throws an Exception.
#define CHECK_THROWS(Exception, expression) \
  ::convnative::test::check(                \
      [&] {                                 \
        try {                               \
          (void)(expression);               \
        } catch (const Exception&) {        \
          return true;                      \
        }                                   \
        return false;                       \
      }(),                                  \
      #expression " throws " #Exception, __FILE__, __LINE__)
