// The few plain types that every header of the core shares.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace convnative {

enum class DType { float32, float64 };

// Instruction-set levels, in rising order. `baseline` is what the compiler targets without any flag.
enum class Isa { baseline, avx2, avx512 };

// What the numbers promise. `strict`: every output is one sum in an order that the shape alone fixes.
// `standard` (Python calls it "default") may also choose algorithms with fewer multiplications.
enum class Precision { standard, strict };

inline constexpr int max_axes = 3;

// One number per spatial axis, right-aligned: [0] depth, [1] height, [2] width. Axes that a 1-D or 2-D
// operation lacks hold extent 1, kernel 1, stride 1, dilation 1, padding 0, so that loops over three axes
// serve every dimension.
using Extents = std::array<std::int64_t, max_axes>;

constexpr std::int64_t volume(const Extents& extents) {
  return extents[0] * extents[1] * extents[2];
}

// In bytes.
constexpr std::size_t size_of(DType dtype) {
  return dtype == DType::float32 ? sizeof(float) : sizeof(double);
}

const char* name(DType dtype);
const char* name(Isa isa);
const char* name(Precision precision);

template <class T>
inline constexpr DType dtype_of = DType::float32;
template <>
inline constexpr DType dtype_of<double> = DType::float64;

}  // namespace convnative
