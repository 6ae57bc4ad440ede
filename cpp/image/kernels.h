// The kernel table of integer pixels: what the driver calls and the ISA sources provide.
//
//   load   result[i] = source[i]
//   store  result[i] = source[i] rounded to the nearest, halves to even, and limited to the range of Pixel; 0
//          where it is not a number
//
// for i < count. No alignment is required, and nothing outside is read or written.
#pragma once

#include <cstdint>

#include "convnative/types.h"

namespace convnative {

template <class Pixel>
struct PixelKernels {
  Isa isa;
  void (*load)(const Pixel* source, std::int64_t count, float* result);
  void (*store)(const float* source, std::int64_t count, Pixel* result);
};

template <class Pixel>
const PixelKernels<Pixel>& pixel_kernels(Isa isa);

}  // namespace convnative
