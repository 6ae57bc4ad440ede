// The kernel table of integer pixels of one instruction-set level; this source is compiled once per level.
// Contract: image/kernels.h.
#include "image/kernels.h"

#include "simd/vec.h"

namespace convnative {
namespace CONVNATIVE_ISA {
namespace {

template <class Pixel>
void load_pixels(const Pixel* __restrict source, std::int64_t count, float* __restrict result) {
  for (std::int64_t i = 0; i < count; ++i) result[i] = static_cast<float>(source[i]);
}

// A block of whole registers of the source; `count` of it go into the result.
constexpr int block = 64;

template <class Pixel>
CONVNATIVE_INLINE void store_block(const float* __restrict source, std::int64_t count,
                                   Pixel* __restrict result) {
  using V = Vec<float>;
  using Reg = V::Reg;
  typedef std::int32_t Whole __attribute__((vector_size(sizeof(Reg)), may_alias));
  const Reg zero = V::zero();
  const Whole largest = reinterpret_cast<Whole>(V::broadcast(static_cast<float>(static_cast<Pixel>(-1))));
  // At 2^23 the numbers of float32 are the integers: the sum is rounded as every sum is, to the nearest even, and
  // ends in the number's bits.
  const Reg integers = V::broadcast(0x1p23F);
  alignas(Reg) std::int32_t whole[block];
  for (int v = 0; v < block / V::lanes; ++v) {
    // Positive floats are in the order of their bits.
    const auto positive = reinterpret_cast<Whole>(V::max_of_numbers(zero, V::load(source + v * V::lanes)));
    const Whole limited = positive < largest ? positive : largest;
    reinterpret_cast<Whole*>(whole)[v] = reinterpret_cast<Whole>(reinterpret_cast<Reg>(limited) + integers);
  }
  for (std::int64_t i = 0; i < count; ++i) result[i] = static_cast<Pixel>(whole[i]);
}

template <class Pixel>
void store_pixels(const float* source, std::int64_t count, Pixel* result) {
  std::int64_t i = 0;
  for (; i + block <= count; i += block) store_block(source + i, block, result + i);
  if (i == count) return;
  float rest[block] = {};
  for (int k = 0; k < count - i; ++k) rest[k] = source[i + k];
  store_block(rest, count - i, result + i);
}

}  // namespace

extern const PixelKernels<std::uint8_t> pixel_kernels_u8;
extern const PixelKernels<std::uint16_t> pixel_kernels_u16;
const PixelKernels<std::uint8_t> pixel_kernels_u8 = {Isa::CONVNATIVE_ISA, load_pixels<std::uint8_t>,
                                                     store_pixels<std::uint8_t>};
const PixelKernels<std::uint16_t> pixel_kernels_u16 = {Isa::CONVNATIVE_ISA, load_pixels<std::uint16_t>,
                                                       store_pixels<std::uint16_t>};

}  // namespace CONVNATIVE_ISA
}  // namespace convnative
