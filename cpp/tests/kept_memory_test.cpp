// Memory that is kept: nothing is handed out twice, and what is given back comes again.
#include <cstdint>
#include <cstring>
#include <new>
#include <thread>
#include <utility>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/kept_memory.h"
#include "check.h"
#include "tests.h"

namespace convnative::test {
namespace {

void test_sizes() {
  for (const std::size_t bytes : {0u, 1u, 64u, 65u, 1000u, 16384u, 100'000u, 5'000'000u}) {
    void* const memory = take_memory(bytes);
    CHECK(memory != nullptr);
    CHECK(reinterpret_cast<std::uintptr_t>(memory) % cache_line_bytes == 0);
    CHECK(memory_bytes(memory) >= bytes);
    CHECK(memory_bytes(memory) <= bytes + bytes / 8 + cache_line_bytes);
    std::memset(memory, 1, memory_bytes(memory));
    give_memory(memory);
  }
  give_memory(nullptr);
  CHECK(take_memory(~std::size_t{0}) == nullptr);
}

void test_memory_comes_again() {
  release_memory();
  void* const first = take_memory(100'000);
  void* const second = take_memory(100'000);
  CHECK(first != second);
  give_memory(first);
  give_memory(second);
  if (release_memory() == 0) return;  // built with a sanitizer
  CHECK(release_memory() == 0);

  void* const third = take_memory(100'000);
  give_memory(third);
  void* const smaller = take_memory(50'000);
  CHECK(smaller != third);
  CHECK(take_memory(100'000 - 8) == third);
  give_memory(third);
  give_memory(smaller);

  std::vector<void*> many;
  for (int i = 0; i < 300; ++i) many.push_back(take_memory(1 << 20));
  for (void* const memory : many) give_memory(memory);
  CHECK(release_memory() <= std::size_t{128} << 20);
}

void test_scratch() {
  release_memory();
  void* const first = take_scratch(3'000'000);
  CHECK(reinterpret_cast<std::uintptr_t>(first) % cache_line_bytes == 0);
  std::memset(first, 1, 3'000'000);
  give_scratch(first);
  if (release_memory() == 0) return;  // built with a sanitizer

  // The smallest that is large enough, at most twice as large, and never a result's.
  void* const small = take_scratch(3'000'000);
  void* const large = take_scratch(5'000'000);
  CHECK(small != large);
  give_scratch(small);
  give_scratch(large);
  void* const result = take_memory(3'000'000);
  CHECK(result != small);
  CHECK(take_scratch(2'900'000) == small);
  CHECK(take_scratch(2'900'000) == large);
  give_scratch(large);
  void* const none_so_small = take_scratch(2'000'000);
  CHECK(none_so_small != large);
  give_scratch(none_so_small);
  give_scratch(small);
  give_memory(result);
  give_scratch(nullptr);
  CHECK(release_memory() > 13'000'000);
}

void test_aligned_buffers() {
  release_memory();
  for (const std::size_t bytes : {std::size_t{1}, std::size_t{1} << 20, std::size_t{9} << 20}) {
    AlignedBuffer buffer(bytes);
    CHECK(reinterpret_cast<std::uintptr_t>(buffer.data()) % cache_line_bytes == 0);
    std::memset(buffer.data(), 1, bytes);
    AlignedBuffer moved(std::move(buffer)), other(3 * bytes);
    CHECK(moved.data() != nullptr && moved.data() != other.data());
    moved = std::move(other);
    std::memset(moved.data(), 1, 3 * bytes);
  }
  // What the last call worked in serves the next.
  const void* last = nullptr;
  {
    const AlignedBuffer buffer(std::size_t{20} << 20);
    last = buffer.data();
  }
  const AlignedBuffer next(std::size_t{20} << 20);
  CHECK(next.data() == last || release_memory() == 0);
  bool refused = false;
  try {
    const AlignedBuffer all(~std::size_t{0});
  } catch (const std::bad_alloc&) {
    refused = true;
  }
  CHECK(refused);
}

void test_threads() {
  std::vector<std::thread> threads;
  std::vector<int> wrong(4, 0);
  for (std::size_t thread = 0; thread < wrong.size(); ++thread)
    threads.emplace_back([&wrong, thread] {
      for (int round = 0; round < 2000; ++round) {
        auto* const memory = static_cast<std::size_t*>(take_memory(20'000));
        for (int i = 0; i < 8; ++i) memory[i] = thread;
        for (int i = 0; i < 8; ++i) wrong[thread] += memory[i] != thread;
        give_memory(memory);
      }
    });
  for (std::thread& thread : threads) thread.join();
  for (const int count : wrong) CHECK(count == 0);
}

}  // namespace

void test_kept_memory() {
  test_sizes();
  test_memory_comes_again();
  test_scratch();
  test_aligned_buffers();
  test_threads();
}

}  // namespace convnative::test
