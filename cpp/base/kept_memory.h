// Memory for large results and for what a call works in, kept when it is given back, and used again.
//
// New pages cost more than many kernels, as the system clears each before its first use: a 3x3 filter of an RGB
// photograph of 8 million pixels takes 14 ms with them and 7 without. malloc keeps some of what is freed, but nothing
// of large blocks, and returns the end of its heap when more than twice its largest block is free there, which every
// training step of a small network ends with: that of LeNet takes 4.0 ms with malloc and 2.4 with this. The 34 MB of
// transformed weights of a transposed 4x4 convolution cost 9 ms of new pages in a call that takes 4.
#pragma once

#include <cstddef>

namespace convnative {

// Memory on a cache-line boundary, uninitialised; null where there is none.
void* take_memory(std::size_t bytes) noexcept;

// Gives back what take_memory() has returned; null is allowed.
void give_memory(void* memory) noexcept;

// The bytes that may be used there, at least as many as were asked for.
std::size_t memory_bytes(const void* memory) noexcept;

// The same for memory that a call works in, kept apart: it lives shortly and serves any call that needs half as much
// or more, so that the layers of a network share few blocks.
void* take_scratch(std::size_t bytes) noexcept;
void give_scratch(void* memory) noexcept;

// Returns to the system what is kept, and says how many bytes that was.
std::size_t release_memory() noexcept;

}  // namespace convnative
