// Memory on cache-line boundaries, freed with its owner.
#pragma once

#include <cstddef>
#include <new>
#include <utility>

#include "base/kept_memory.h"

namespace convnative {

inline constexpr std::size_t cache_line_bytes = 64;

constexpr std::size_t round_up_to_line(std::size_t bytes) {
  return (bytes + cache_line_bytes - 1) / cache_line_bytes * cache_line_bytes;
}

// Uninitialised storage; throws std::bad_alloc. Large ones are kept (base/kept_memory.h).
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(std::size_t bytes)
      : data_(bytes == 0              ? nullptr
              : bytes < least_scratch ? ::operator new(bytes, alignment)
                                      : take_scratch(bytes)),
        scratch_(bytes >= least_scratch) {
    if (bytes > 0 && data_ == nullptr) throw std::bad_alloc();
  }
  AlignedBuffer(AlignedBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), scratch_(other.scratch_) {}
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(scratch_, other.scratch_);
    return *this;
  }
  AlignedBuffer(const AlignedBuffer&) = delete;
  AlignedBuffer& operator=(const AlignedBuffer&) = delete;
  ~AlignedBuffer() {
    if (scratch_)
      give_scratch(data_);
    else
      ::operator delete(data_, alignment);
  }

  void* data() const { return data_; }

 private:
  // malloc is faster for small ones, and keeps them itself.
  static constexpr std::size_t least_scratch = std::size_t{1} << 20;
  static constexpr std::align_val_t alignment{cache_line_bytes};

  void* data_ = nullptr;
  bool scratch_ = false;
};

}  // namespace convnative
