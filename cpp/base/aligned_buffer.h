// Memory on cache-line boundaries, freed with its owner.
#pragma once

#include <cstddef>
#include <new>
#include <utility>

namespace convnative {

inline constexpr std::size_t cache_line_bytes = 64;

constexpr std::size_t round_up_to_line(std::size_t bytes) {
  return (bytes + cache_line_bytes - 1) / cache_line_bytes * cache_line_bytes;
}

// Uninitialised storage; throws std::bad_alloc.
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(std::size_t bytes)
      : data_(bytes == 0 ? nullptr : ::operator new(bytes, std::align_val_t{cache_line_bytes})) {}
  AlignedBuffer(AlignedBuffer&& other) noexcept : data_(std::exchange(other.data_, nullptr)) {}
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    return *this;
  }
  AlignedBuffer(const AlignedBuffer&) = delete;
  AlignedBuffer& operator=(const AlignedBuffer&) = delete;
  ~AlignedBuffer() { ::operator delete(data_, std::align_val_t{cache_line_bytes}); }

  void* data() const { return data_; }

 private:
  void* data_ = nullptr;
};

}  // namespace convnative
