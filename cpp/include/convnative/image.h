// Pictures through a kernel: every channel of an (H, W, channels) array correlated by itself, with any border.
//
// Integers are computed in float32, rounded to the nearest (halves to even) and limited to the range of their
// type; a value that is not a number becomes 0. Floats are computed in their own type. Results do not depend on
// the number of threads. Throws std::invalid_argument and std::overflow_error for wrong arguments and
// std::bad_alloc, all before any write, and Interrupted.
#pragma once

#include <cstdint>

#include "convnative/runtime.h"
#include "convnative/shape.h"
#include "convnative/types.h"

namespace convnative {

enum class PixelType { uint8, uint16, float32, float64 };

// In which pixels are computed.
constexpr PixelType working_type(PixelType type) {
  return type == PixelType::float64 ? PixelType::float64 : PixelType::float32;
}

struct Picture {
  std::int64_t height = 0, width = 0, channels = 1;  // each >= 1
  PixelType type = PixelType::uint8;
};

// output[y, x] = the sum over (r, s) of weight[r, s] * input[y + r - centre_row, x + s - centre_column]
struct PictureKernel {
  std::int64_t rows = 1, columns = 1;              // R, S
  std::int64_t centre_row = 0, centre_column = 0;  // in [0, R) and [0, S)
  // In the working type, R x S. Of a kernel that is a column times a row: the R weights of the column, and the S
  // of the row, by which its sums are added up.
  const void* weights = nullptr;
  const void* row_weights = nullptr;
};

// What lies outside of a picture: its elements at any distance, or a value. A mirror of one element repeats it.
struct PictureBorder {
  PaddingMode mode = PaddingMode::replicate;
  double value = 0;  // read for constant only
};

struct PictureResult {
  bool absolute = false;    // magnitudes
  bool as_working = false;  // in the working type, neither rounded nor limited
};

void correlate_picture(const Picture& picture, const PictureKernel& kernel, const PictureBorder& border,
                       const PictureResult& result, const void* input, void* output, Isa isa = isa());

}  // namespace convnative
