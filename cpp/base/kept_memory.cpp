#include "base/kept_memory.h"

#include <algorithm>
#include <array>
#include <bit>
#include <mutex>
#include <new>

#include "base/aligned_buffer.h"

#if defined(__linux__)
  #include <sys/mman.h>
#endif

namespace convnative {
namespace {

// In front of the memory that is handed out, on a cache line of its own.
struct alignas(cache_line_bytes) Block {
  std::size_t bytes;  // behind this
};

#if defined(__SANITIZE_ADDRESS__)
// A block that is never used again shows who does so.
constexpr std::size_t most_kept_bytes = 0;
#else
// Enough for the activations of most training steps, and for a photograph of 8 million pixels in float32; as much again
// for scratch, enough for the transformed weights of most layers.
constexpr std::size_t most_kept_bytes = std::size_t{128} << 20;
#endif
constexpr std::size_t most_kept_blocks = 512;  // all of which are looked at for one that fits

constexpr std::size_t huge_page_bytes = std::size_t{2} << 20;

// Eight sizes an octave: at most an eighth is wasted, and sizes that differ little share blocks.
std::size_t size_class(std::size_t bytes) {
  if (most_kept_bytes == 0) return bytes;  // to the byte, for who watches
  const std::size_t step = std::max(std::bit_floor(bytes) / 8, cache_line_bytes);
  return (bytes + step - 1) / step * step;
}

std::align_val_t alignment(std::size_t bytes) {
  return std::align_val_t{bytes >= 2 * huge_page_bytes ? huge_page_bytes : alignof(Block)};
}

Block* allocate(std::size_t bytes) noexcept {
  const std::size_t whole = sizeof(Block) + bytes;
  void* const memory = ::operator new(whole, alignment(bytes), std::nothrow);
  if (memory == nullptr) return nullptr;
#if defined(__linux__)
  // Fewer pages to clear one by one, and to find again.
  if (bytes >= 2 * huge_page_bytes) madvise(memory, whole / huge_page_bytes * huge_page_bytes, MADV_HUGEPAGE);
#endif
  return new (memory) Block{bytes};
}

void free_block(Block* block) noexcept {
  ::operator delete(block, alignment(block->bytes));
}

// From the oldest to the newest. Sizes stand beside the addresses: to look into the blocks would be a cache miss each.
class KeptBlocks {
 public:
  // The smallest of these sizes, the newest of several, or null.
  Block* take(std::size_t bytes, std::size_t most) noexcept {
    const std::lock_guard lock(mutex_);
    std::size_t best = count_;
    for (std::size_t i = count_; i-- > 0;)
      if (entries_[i].bytes >= bytes && entries_[i].bytes <= most) {
        best = i, most = entries_[i].bytes - 1;
        if (entries_[i].bytes == bytes) break;
      }
    if (best == count_) return nullptr;
    Block* const block = entries_[best].block;
    remove(best, best + 1);
    return block;
  }

  void keep(Block* block) noexcept {
    if (block->bytes > most_kept_bytes) return free_block(block);
    const std::lock_guard lock(mutex_);
    if (count_ == most_kept_blocks) free_oldest(1);
    entries_[count_++] = {block->bytes, block};
    bytes_ += block->bytes;
    std::size_t surplus = 0;
    for (std::size_t left = bytes_; left > most_kept_bytes; ++surplus) left -= entries_[surplus].bytes;
    free_oldest(surplus);
  }

  std::size_t release() noexcept {
    const std::lock_guard lock(mutex_);
    const std::size_t bytes = bytes_;
    free_oldest(count_);
    return bytes;
  }

 private:
  struct Entry {
    std::size_t bytes;
    Block* block;
  };

  void remove(std::size_t begin, std::size_t end) noexcept {
    for (std::size_t i = begin; i < end; ++i) bytes_ -= entries_[i].bytes;
    std::move(entries_.begin() + end, entries_.begin() + count_, entries_.begin() + begin);
    count_ -= end - begin;
  }

  void free_oldest(std::size_t count) noexcept {
    for (std::size_t i = 0; i < count; ++i) free_block(entries_[i].block);
    remove(0, count);
  }

  std::mutex mutex_;
  std::array<Entry, most_kept_blocks> entries_;
  std::size_t count_ = 0;
  std::size_t bytes_ = 0;
};

// Never destroyed: results may outlive everything else.
KeptBlocks& kept_results() {
  static KeptBlocks& blocks = *new KeptBlocks;
  return blocks;
}
KeptBlocks& kept_scratch() {
  static KeptBlocks& blocks = *new KeptBlocks;
  return blocks;
}

Block* block_of(void* memory) {
  return static_cast<Block*>(memory) - 1;
}

void* take(KeptBlocks& blocks, std::size_t bytes, std::size_t times) noexcept {
  if (bytes > std::size_t{1} << 62) return nullptr;  // lest rounding up overflow
  bytes = size_class(bytes);
  Block* block = blocks.take(bytes, times * bytes);
  if (block == nullptr) block = allocate(bytes);
  if (block == nullptr && release_memory() > 0) block = allocate(bytes);
  return block == nullptr ? nullptr : block + 1;
}

void give(KeptBlocks& blocks, void* memory) noexcept {
  if (memory != nullptr) blocks.keep(block_of(memory));
}

}  // namespace

void* take_memory(std::size_t bytes) noexcept {
  return take(kept_results(), bytes, 1);
}

void give_memory(void* memory) noexcept {
  give(kept_results(), memory);
}

std::size_t memory_bytes(const void* memory) noexcept {
  return (static_cast<const Block*>(memory) - 1)->bytes;
}

void* take_scratch(std::size_t bytes) noexcept {
  return take(kept_scratch(), bytes, 2);
}

void give_scratch(void* memory) noexcept {
  give(kept_scratch(), memory);
}

std::size_t release_memory() noexcept {
  return kept_results().release() + kept_scratch().release();
}

}  // namespace convnative
