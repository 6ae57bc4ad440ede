// Validated shapes: the one place where a convolution or pooling request is checked.
//
// `make_conv_shape` and `make_pool_shape` compute in checked 64-bit arithmetic and throw
// `std::invalid_argument` (a value is wrong) or `std::overflow_error` (a size does not fit), with a text that
// names the argument, what was expected and what was received. Everything behind them trusts the result:
// every product of sizes in it fits a signed 64-bit integer, in bytes.
#pragma once

#include <cstdint>
#include <vector>

#include "convnative/types.h"

namespace convnative {

// Padding as the user states it. `same` and `same_lower` follow ONNX SAME_UPPER and SAME_LOWER (also with
// stride); `causal` pads dilation * (kernel - 1) before and nothing after.
struct Padding {
  enum class Kind { explicit_sizes, valid, same, same_lower, causal };
  Kind kind = Kind::explicit_sizes;
  Extents before{0, 0, 0};  // read for explicit_sizes only
  Extents after{0, 0, 0};
  bool per_side = false;  // stated as (before, after) pairs, which pools bound less tightly
};

// What padding consists of: one value, or elements of the input. With x the input and | its ends:
//   reflect    x2 x1 | x0 x1 x2 ... (padding < size)      symmetric  x1 x0 | x0 x1 x2 ... (padding <= size)
//   replicate  x0 x0 | x0 x1 x2 ...                       circular   the elements of the other end
enum class PaddingMode { constant, reflect, replicate, circular, symmetric };

const char* name(PaddingMode mode);

struct ConvParameters {
  Extents stride{1, 1, 1};
  Extents dilation{1, 1, 1};
  Padding padding{};
  std::int64_t groups = 1;
  PaddingMode padding_mode = PaddingMode::constant;
  double padding_value = 0;  // read for constant only
};

struct ConvShape {
  int axes = 2;
  std::int64_t batch = 0;         // N
  std::int64_t in_channels = 0;   // C
  std::int64_t out_channels = 0;  // K
  std::int64_t groups = 1;        // G, divides C and K
  Extents input{1, 1, 1};
  Extents kernel{1, 1, 1};
  Extents stride{1, 1, 1};
  Extents dilation{1, 1, 1};
  Extents pad_before{0, 0, 0};
  Extents pad_after{0, 0, 0};  // negative where a transposed convolution has much output padding
  Extents output{1, 1, 1};
  // A convolution without padding has the mode of zeros.
  PaddingMode padding_mode = PaddingMode::constant;
  double padding_value = 0;

  bool pads_with_zeros() const { return padding_mode == PaddingMode::constant && padding_value == 0; }
  bool pads_with_input() const { return padding_mode != PaddingMode::constant; }
  std::int64_t in_channels_per_group() const { return in_channels / groups; }
  std::int64_t out_channels_per_group() const { return out_channels / groups; }
  std::int64_t input_plane() const { return volume(input); }
  std::int64_t output_plane() const { return volume(output); }
  std::int64_t taps() const { return volume(kernel); }
  std::int64_t input_size() const { return batch * in_channels * input_plane(); }
  std::int64_t output_size() const { return batch * out_channels * output_plane(); }
  std::int64_t weight_size() const { return out_channels * in_channels_per_group() * taps(); }
  // Whether each output reads its own place of the input alone.
  bool is_pointwise() const {
    return taps() == 1 && volume(stride) == 1 && pad_before == Extents{0, 0, 0} && output == input;
  }
  // Multiply-accumulates of the definition, those with padding zeros included; saturates at 2^63 - 1.
  std::int64_t macs() const;
};

// What the caller calls the arguments that hold the shapes; error texts use these names.
struct ShapeArgumentNames {
  const char* input = "input";
  const char* weight = "weight";
};

// `input`: (N, C, spatial...), `weight`: (K, C / groups, spatial...), each with axes + 2 sizes.
ConvShape make_conv_shape(int axes, const std::vector<std::int64_t>& input,
                          const std::vector<std::int64_t>& weight, const ConvParameters& parameters,
                          const ShapeArgumentNames& names = {});

// `same` and `same_lower` give an output of input * stride, as the convolution of that name would take;
// `causal` is refused.
struct ConvTransposeParameters {
  Extents stride{1, 1, 1};
  Extents dilation{1, 1, 1};
  Padding padding{};
  Extents output_padding{0, 0, 0};
  std::int64_t groups = 1;
};

// A transposed convolution is the gradient of a convolution in its input. Returned is the shape of that
// convolution: its `output` is the transposed convolution's input, its `input` the transposed one's output.
//
// `input`: (N, C, spatial...), `weight`: (C, K / groups, spatial...), each with axes + 2 sizes. On every axis
// the output has (input - 1) * stride + dilation * (kernel - 1) + 1 + output_padding - padding elements.
ConvShape make_conv_transpose_shape(int axes, const std::vector<std::int64_t>& input,
                                    const std::vector<std::int64_t>& weight,
                                    const ConvTransposeParameters& parameters,
                                    const ShapeArgumentNames& names = {});

struct PoolParameters {
  Extents kernel{1, 1, 1};
  Extents stride{1, 1, 1};
  Extents dilation{1, 1, 1};
  Padding padding{};
  bool ceil_mode = false;
};

struct PoolShape {
  int axes = 2;
  std::int64_t batch = 0;
  std::int64_t channels = 0;
  Extents input{1, 1, 1};
  Extents kernel{1, 1, 1};
  Extents stride{1, 1, 1};
  Extents dilation{1, 1, 1};
  Extents pad_before{0, 0, 0};
  Extents pad_after{0, 0, 0};
  Extents output{1, 1, 1};

  std::int64_t planes() const { return batch * channels; }
  std::int64_t input_plane() const { return volume(input); }
  std::int64_t output_plane() const { return volume(output); }
  std::int64_t input_size() const { return planes() * input_plane(); }
  std::int64_t output_size() const { return planes() * output_plane(); }
};

// `input`: (N, C, spatial...), axes + 2 sizes. Padding that is stated once for both sides is at most half the
// kernel (torch's rule). Stated per side it stays below the window's extent (what ONNX models need), so that
// every window covers part of the input; with dilation its elements may still all lie beside it. In ceil mode
// the last window is dropped where it would start in the padding after the input (torch's and ONNX's rule).
PoolShape make_pool_shape(int axes, const std::vector<std::int64_t>& input, const PoolParameters& parameters,
                          const ShapeArgumentNames& names = {});

// Planes of one size that become planes of another.
struct PlaneShape {
  int axes = 2;
  std::int64_t batch = 0;
  std::int64_t channels = 0;
  Extents input{1, 1, 1};
  Extents output{1, 1, 1};

  std::int64_t planes() const { return batch * channels; }
  std::int64_t input_plane() const { return volume(input); }
  std::int64_t output_plane() const { return volume(output); }
  std::int64_t input_size() const { return planes() * input_plane(); }
  std::int64_t output_size() const { return planes() * output_plane(); }
};

// `input`: (N, C, spatial...), axes + 2 sizes, those beside N at least 1 (`no_channels`: C may be 0); `output`
// at least 0.
PlaneShape make_plane_shape(int axes, const std::vector<std::int64_t>& input, const Extents& output,
                            bool no_channels = false, const ShapeArgumentNames& names = {});

// Fractional max pooling: windows of one size at pseudo-random distances.
struct FractionalPoolShape : PlaneShape {
  Extents kernel{1, 1, 1};
};

// As above; output + kernel - 1 must not exceed the input on any axis, and in volumes be less.
FractionalPoolShape make_fractional_pool_shape(int axes, const std::vector<std::int64_t>& input,
                                               const Extents& kernel, const Extents& output);

// What the sum of an average pool's window is divided by: `fixed` unless 0, else the number of the window's
// elements that lie in the input or, where `count_padding`, in the padded input.
struct AvgPoolDivisor {
  bool count_padding = true;
  std::int64_t fixed = 0;
};

// Power-average pooling: (scale * the sum of x^p over the window)^(1 / p). Its slope at 0 is 0.
struct LpNorm {
  double p = 2;           // any number but 0
  bool absolute = false;  // sums |x|^p
  bool scaled = true;     // scale = volume of the kernel / elements of the window in the padded input, else 1
};

}  // namespace convnative
