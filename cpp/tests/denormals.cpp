#include "denormals.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

void* operator new(std::size_t bytes, std::align_val_t alignment) {
  const auto line = static_cast<std::size_t>(alignment);
  const std::size_t size = (bytes + line - 1) / line * line;
  auto* const words = static_cast<std::uint32_t*>(std::aligned_alloc(line, size));
  if (words == nullptr) throw std::bad_alloc();
  for (std::size_t i = 0; i < size / sizeof(std::uint32_t); ++i) words[i] = 0x1234;
  return words;
}
void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}

namespace convnative::test {

#ifdef __SSE2__
// The control and status register of SSE and AVX: what was met since the bit was cleared.
constexpr unsigned met = 2;

void forget_denormals() {
  __builtin_ia32_ldmxcsr(__builtin_ia32_stmxcsr() & ~met);
}
bool met_denormals() {
  return (__builtin_ia32_stmxcsr() & met) != 0;
}
#else
void forget_denormals() {}
bool met_denormals() {
  return false;
}
#endif

}  // namespace convnative::test
