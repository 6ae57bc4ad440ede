// Interpolation of arrays along their axes, one after the other: every rule of interpolation is a table for
// each axis, and one driver serves them all.
//
// Results do not depend on the number of threads or on the instruction-set level. Throws
// std::invalid_argument and std::overflow_error for wrong arguments and std::bad_alloc, all before any write,
// and Interrupted.
#pragma once

#include <cstdint>
#include <vector>

#include "convnative/runtime.h"
#include "convnative/types.h"

namespace convnative {

// What an output is made of: the nearest element; a triangle, Keys' cubic or Lanczos' windowed sinc over the
// elements around it; the mean of the elements that it covers.
enum class Interpolation { nearest, linear, cubic, lanczos, area };

// Where an output lies in the input. The first six are ONNX's, in float64. The rest are torch's, in the
// array's own type: with antialias, aligned corners tell the step alone; and small images (see
// functional.interpolate) take the nearest element by other formulas than the rest.
enum class Coordinates {
  half_pixel,
  half_pixel_symmetric,
  pytorch_half_pixel,
  align_corners,
  asymmetric,
  tf_crop_and_resize,
  torch_half_pixel,
  torch_align_corners,
  torch_align_corners_antialias,
  torch_nearest,
  torch_nearest_exact,
  torch_small_image_nearest,
  torch_small_image_nearest_exact,
};

// Which element is nearest.
enum class NearestRounding { round_prefer_floor, round_prefer_ceil, floor, ceil };

struct ResampleRule {
  Interpolation interpolation = Interpolation::nearest;
  Coordinates coordinates = Coordinates::half_pixel;
  NearestRounding rounding = NearestRounding::round_prefer_floor;
  double cubic_coefficient = -0.75;
  bool exclude_outside =
      false;               // elements beside the array have no weight; else they are its border elements
  bool antialias = false;  // where the output is coarser, the kernel is as wide as one of its steps
};

struct ResampleAxis {
  std::int64_t input = 0, output = 0;
  double scale = 0;                     // outputs per input; 0: output / input
  double crop_begin = 0, crop_end = 1;  // tf_crop_and_resize: the part of the axis, in units of its extent
};

// Output i is the sum over k < first[i + 1] - first[i] of weights[first[i] + k] * input[start[i] + k], or the
// fill value where it is made of nothing.
struct ResampleTable {
  std::int64_t input = 0;
  std::vector<std::int64_t> start, first{0};
  std::vector<double> weights;

  std::int64_t output() const { return static_cast<std::int64_t>(start.size()); }
};

// `dtype` is that of the array, in which torch computes coordinates.
ResampleTable make_resample_table(const ResampleRule& rule, const ResampleAxis& axis, DType dtype);
// The table of the adjoint.
ResampleTable transposed(const ResampleTable& table);

// `input` has `sizes`; tables[i] serves axis axes[i], the axes in ascending order. The result has the same
// sizes but for those axes.
void resample(const std::vector<std::int64_t>& sizes, const std::vector<std::int64_t>& axes,
              const std::vector<ResampleTable>& tables, DType dtype, const void* input, double fill,
              void* output, Isa isa = isa());

}  // namespace convnative
