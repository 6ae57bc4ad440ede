// Elements moved to other places: padding, sliding blocks and the order of axes, with their adjoints, which
// add up what comes from one place.
//
// Arrays are contiguous and results overlap none of the arguments. Results do not depend on the number of
// threads. The makers of shapes validate, in checked arithmetic, and throw std::invalid_argument or
// std::overflow_error with a text that names the argument; the operations throw std::bad_alloc before any
// write, and Interrupted.
#pragma once

#include <cstdint>
#include <vector>

#include "convnative/shape.h"
#include "convnative/types.h"

namespace convnative {

struct PadShape {
  PaddingMode mode = PaddingMode::constant;
  std::vector<std::int64_t> input;
  std::vector<std::int64_t> before, after;  // for every axis; negative amounts crop
  std::vector<std::int64_t> output;
};

// `amounts`: before and after the last axis, then of the one before it, and so on (torch's order). The modes
// other than `constant` pad the last k axes of an array of k + 1 or k + 2, k from 1 to 3.
PadShape make_pad_shape(const std::vector<std::int64_t>& input, const std::vector<std::int64_t>& amounts,
                        PaddingMode mode, const char* input_name = "input");

void pad_forward(const PadShape& shape, DType dtype, const void* input, double value, void* output);
// The adjoint of `pad_forward` with value 0.
void pad_grad(const PadShape& shape, DType dtype, const void* grad_output, void* grad_input);

// Sliding blocks of an image (N, C, spatial...) as columns (N, C * taps, blocks). The geometry is that of a
// convolution of one output channel. `image` has axes + 2 sizes.
ConvShape make_unfold_shape(int axes, const std::vector<std::int64_t>& image, const Extents& kernel,
                            const ConvParameters& parameters, const char* image_name = "input");

void unfold(const ConvShape& shape, DType dtype, const void* image, void* columns);
// The adjoint of `unfold`: every element of the image is the sum of the elements of columns that show it.
void fold(const ConvShape& shape, DType dtype, const void* columns, void* image);

// output = input with its axes in another order: axis i of the output is axis order[i] of the input.
void permute(const std::vector<std::int64_t>& sizes, const std::vector<std::int64_t>& order, DType dtype,
             const void* input, void* output);

}  // namespace convnative
