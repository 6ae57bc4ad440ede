// The validator. Forward, every gradient and pooling come through here and nowhere else.
#include "convnative/shape.h"

#include <algorithm>
#include <limits>
#include <sstream>
#include <stdexcept>
#include <string>

#include "base/checked.h"
#include "base/reject.h"

namespace convnative {
namespace {

// The user's axes of right-aligned extents, as Python would print them: "3" or "(3, 1)".
std::string text(const Extents& extents, int axes) {
  if (axes == 1) return std::to_string(extents[2]);
  std::ostringstream out;
  for (int axis = max_axes - axes; axis < max_axes; ++axis)
    out << (axis == max_axes - axes ? "(" : ", ") << extents[static_cast<std::size_t>(axis)];
  out << ")";
  return out.str();
}

void require_at_least_one(const char* argument, const Extents& extents, int axes) {
  for (const std::int64_t extent : extents)
    if (extent < 1) reject_argument(argument, "every size >= 1", text(extents, axes));
}

void require_rank(const char* argument, const std::vector<std::int64_t>& sizes, int axes,
                  const char* layout) {
  if (sizes.size() != static_cast<std::size_t>(axes) + 2)
    reject_argument(argument, std::to_string(axes + 2) + " dimensions " + layout,
                    "shape " + tuple_text(sizes));
  for (const std::int64_t size : sizes)
    if (size < 0) reject_argument(argument, "sizes >= 0", "shape " + tuple_text(sizes));
}

Extents spatial(const std::vector<std::int64_t>& sizes, int axes) {
  Extents extents{1, 1, 1};
  std::copy(sizes.begin() + 2, sizes.end(), extents.begin() + (max_axes - axes));
  return extents;
}

// Checks the product of all sizes, in bytes of the widest type, so that no later product can overflow.
void require_addressable(const char* argument, const char* array, std::int64_t first, std::int64_t second,
                         const Extents& extents, int axes) {
  std::int64_t bytes = sizeof(double);
  bool overflows = false;
  for (const std::int64_t size : {first, second, extents[0], extents[1], extents[2]})
    overflows |= __builtin_mul_overflow(bytes, std::max<std::int64_t>(size, 1), &bytes);
  if (!overflows) return;
  std::vector<std::int64_t> shape{first, second};
  shape.insert(shape.end(), extents.end() - axes, extents.end());
  throw std::overflow_error(std::string(argument) + ": expected " + array +
                            " of less than 2**63 bytes, received one of shape " + tuple_text(shape));
}

struct ResolvedPadding {
  std::int64_t before, after;
};

// Padding of one axis in elements. `span` is dilation * (kernel - 1), the window's extent less one.
ResolvedPadding resolve(const Padding& padding, std::size_t axis, std::int64_t input, std::int64_t span,
                        std::int64_t stride) {
  switch (padding.kind) {
    case Padding::Kind::explicit_sizes:
      return {padding.before[axis], padding.after[axis]};
    case Padding::Kind::valid:
      return {0, 0};
    case Padding::Kind::causal:
      return {span, 0};
    case Padding::Kind::same:
    case Padding::Kind::same_lower:
      break;
  }
  // ceil(input / stride) windows, the last one starting at (windows - 1) * stride < input.
  const std::int64_t last_start = input == 0 ? -stride : (input - 1) / stride * stride;
  const std::int64_t total = std::max<std::int64_t>(checked_add(last_start - input, span, "padding") + 1, 0);
  const std::int64_t smaller = total / 2;
  return padding.kind == Padding::Kind::same ? ResolvedPadding{smaller, total - smaller}
                                             : ResolvedPadding{total - smaller, smaller};
}

void require_padding(const Padding& padding, int axes) {
  if (padding.kind != Padding::Kind::explicit_sizes) return;
  for (std::size_t axis = 0; axis < max_axes; ++axis)
    if (padding.before[axis] < 0 || padding.after[axis] < 0)
      reject_argument("padding", "every size >= 0",
                      "before " + text(padding.before, axes) + ", after " + text(padding.after, axes));
}

// Padding made of the input's elements goes no further than these reach.
void require_border(PaddingMode mode, std::int64_t input, const ResolvedPadding& padding) {
  if (mode == PaddingMode::constant || (padding.before == 0 && padding.after == 0)) return;
  const std::int64_t most = mode == PaddingMode::reflect ? std::max<std::int64_t>(input - 1, 0)
                            : mode == PaddingMode::replicate && input > 0
                                ? std::numeric_limits<std::int64_t>::max()
                                : input;
  if (padding.before > most || padding.after > most)
    reject_argument("padding",
                    "at most " + std::to_string(most) + " per side on an axis of " + std::to_string(input) +
                        " elements with padding_mode " + name(mode),
                    "before " + std::to_string(padding.before) + ", after " + std::to_string(padding.after));
}

// Padding of one axis of a transposed convolution, whose output without any is `whole` elements long.
ResolvedPadding resolve_transposed(const Padding& padding, std::size_t axis, std::int64_t input,
                                   std::int64_t whole, std::int64_t stride) {
  const bool lower = padding.kind == Padding::Kind::same_lower;
  if (!lower && padding.kind != Padding::Kind::same) return resolve(padding, axis, input, 0, stride);
  const std::int64_t total = std::max<std::int64_t>(whole - checked_mul(input, stride, "stride"), 0);
  const std::int64_t less = total / 2, more = total - less;
  return lower ? ResolvedPadding{more, less} : ResolvedPadding{less, more};
}

}  // namespace

const char* name(PaddingMode mode) {
  switch (mode) {
    case PaddingMode::reflect:
      return "reflect";
    case PaddingMode::replicate:
      return "replicate";
    case PaddingMode::circular:
      return "circular";
    case PaddingMode::symmetric:
      return "symmetric";
    case PaddingMode::constant:
      break;
  }
  return "constant";
}

std::int64_t ConvShape::macs() const {
  std::int64_t product = in_channels_per_group();
  for (const std::int64_t factor : {taps(), batch, out_channels, output_plane()})
    if (__builtin_mul_overflow(product, factor, &product)) return std::numeric_limits<std::int64_t>::max();
  return product;
}

ConvShape make_conv_shape(int axes, const std::vector<std::int64_t>& input,
                          const std::vector<std::int64_t>& weight, const ConvParameters& parameters,
                          const ShapeArgumentNames& names) {
  require_rank(names.input, input, axes, "(N, C, spatial...)");
  require_rank(names.weight, weight, axes, "(K, C / groups, spatial...)");
  require_at_least_one("stride", parameters.stride, axes);
  require_at_least_one("dilation", parameters.dilation, axes);
  require_padding(parameters.padding, axes);
  if (parameters.groups < 1) reject_argument("groups", "an int >= 1", std::to_string(parameters.groups));

  ConvShape shape;
  shape.axes = axes;
  shape.batch = input[0];
  shape.in_channels = input[1];
  shape.out_channels = weight[0];
  shape.groups = parameters.groups;
  shape.input = spatial(input, axes);
  shape.kernel = spatial(weight, axes);
  shape.stride = parameters.stride;
  shape.dilation = parameters.dilation;

  if (shape.in_channels < 1)
    reject_argument(names.input, "at least one channel", "shape " + tuple_text(input));
  if (shape.out_channels < 1)
    reject_argument(names.weight, "at least one output channel", "shape " + tuple_text(weight));
  for (const std::int64_t extent : shape.kernel)
    if (extent < 1)
      reject_argument(names.weight, "a kernel of every size >= 1", "shape " + tuple_text(weight));
  if (shape.in_channels % shape.groups != 0 || shape.out_channels % shape.groups != 0)
    reject_argument("groups",
                    "a divisor of in_channels = " + std::to_string(shape.in_channels) +
                        " and out_channels = " + std::to_string(shape.out_channels),
                    std::to_string(shape.groups));
  if (weight[1] != shape.in_channels_per_group())
    reject_argument(names.weight,
                    std::to_string(shape.in_channels_per_group()) + " input channels per group (input has " +
                        std::to_string(shape.in_channels) +
                        " channels, groups = " + std::to_string(shape.groups) + ")",
                    "shape " + tuple_text(weight));

  for (std::size_t axis = 0; axis < max_axes; ++axis) {
    const std::int64_t span = checked_mul(shape.dilation[axis], shape.kernel[axis] - 1, "dilation");
    const ResolvedPadding padding =
        resolve(parameters.padding, axis, shape.input[axis], span, shape.stride[axis]);
    require_border(parameters.padding_mode, shape.input[axis], padding);
    shape.pad_before[axis] = padding.before;
    shape.pad_after[axis] = padding.after;
    const std::int64_t padded =
        checked_add(checked_add(shape.input[axis], padding.before, "padding"), padding.after, "padding");
    if (span >= padded)
      reject_argument(names.weight,
                      "a kernel whose extent dilation * (kernel - 1) + 1 fits the padded input (" +
                          std::to_string(padded) + " on an axis)",
                      "kernel " + text(shape.kernel, axes) + " with dilation " + text(shape.dilation, axes) +
                          " on input " + text(shape.input, axes));
    shape.output[axis] = (padded - 1 - span) / shape.stride[axis] + 1;
  }
  require_addressable(names.input, "an array", shape.batch, shape.in_channels, shape.input, axes);
  require_addressable(names.weight, "an array", shape.out_channels, shape.in_channels_per_group(),
                      shape.kernel, axes);
  // The input fits: it is the padding that makes the output too large, or else the number of kernels.
  const bool padded = shape.pad_before != Extents{} || shape.pad_after != Extents{};
  require_addressable(padded ? "padding" : names.weight, "an output", shape.batch, shape.out_channels,
                      shape.output, axes);
  if (padded) {
    shape.padding_mode = parameters.padding_mode;
    shape.padding_value = parameters.padding_mode == PaddingMode::constant ? parameters.padding_value : 0;
  }
  return shape;
}

ConvShape make_conv_transpose_shape(int axes, const std::vector<std::int64_t>& input,
                                    const std::vector<std::int64_t>& weight,
                                    const ConvTransposeParameters& parameters,
                                    const ShapeArgumentNames& names) {
  require_rank(names.input, input, axes, "(N, C, spatial...)");
  require_rank(names.weight, weight, axes, "(C, K / groups, spatial...)");
  require_at_least_one("stride", parameters.stride, axes);
  require_at_least_one("dilation", parameters.dilation, axes);
  require_padding(parameters.padding, axes);
  if (parameters.padding.kind == Padding::Kind::causal)
    reject_argument("padding", "sizes, 'valid', 'same' or 'same_lower' of a transposed convolution",
                    "'causal'");
  if (parameters.groups < 1) reject_argument("groups", "an int >= 1", std::to_string(parameters.groups));

  ConvShape shape;
  shape.axes = axes;
  shape.batch = input[0];
  shape.out_channels = input[1];
  shape.groups = parameters.groups;
  shape.output = spatial(input, axes);
  shape.kernel = spatial(weight, axes);
  shape.stride = parameters.stride;
  shape.dilation = parameters.dilation;

  if (shape.out_channels < 1)
    reject_argument(names.input, "at least one channel", "shape " + tuple_text(input));
  for (const std::int64_t extent : shape.output)
    if (extent < 1) reject_argument(names.input, "spatial sizes >= 1", "shape " + tuple_text(input));
  for (std::size_t i = 1; i < weight.size(); ++i)
    if (weight[i] < 1)
      reject_argument(names.weight, "at least one output channel and a kernel of every size >= 1",
                      "shape " + tuple_text(weight));
  if (shape.out_channels % shape.groups != 0)
    reject_argument("groups", "a divisor of in_channels = " + std::to_string(shape.out_channels),
                    std::to_string(shape.groups));
  if (weight[0] != shape.out_channels)
    reject_argument(names.weight,
                    std::to_string(shape.out_channels) + " input channels, as many as input has",
                    "shape " + tuple_text(weight));
  shape.in_channels = checked_mul(weight[1], shape.groups, names.weight);

  for (std::size_t axis = 0; axis < max_axes; ++axis) {
    const std::int64_t stride = shape.stride[axis], extra = parameters.output_padding[axis];
    if (extra < 0 || (extra > 0 && extra >= std::max(stride, shape.dilation[axis])))
      reject_argument("output_padding", "sizes >= 0 and below stride or dilation",
                      text(parameters.output_padding, axes) + " with stride " + text(shape.stride, axes) +
                          " and dilation " + text(shape.dilation, axes));
    const std::int64_t span = checked_mul(shape.dilation[axis], shape.kernel[axis] - 1, "dilation");
    const std::int64_t steps = checked_mul(shape.output[axis] - 1, stride, "stride");
    const std::int64_t covered = checked_add(checked_add(steps, span, "dilation"), 1, "dilation");
    const std::int64_t whole = checked_add(covered, extra, "output_padding");
    const ResolvedPadding padding =
        resolve_transposed(parameters.padding, axis, shape.output[axis], whole, stride);
    const bool same = parameters.padding.kind == Padding::Kind::same ||
                      parameters.padding.kind == Padding::Kind::same_lower;
    const std::int64_t cropped = checked_add(padding.before, padding.after, "padding");
    shape.input[axis] = same ? shape.output[axis] * stride : whole - cropped;
    if (shape.input[axis] < 1)
      reject_argument(
          "padding", "less than the output's " + std::to_string(whole) + " elements on an axis",
          "before " + std::to_string(padding.before) + ", after " + std::to_string(padding.after));
    shape.pad_before[axis] = padding.before;
    shape.pad_after[axis] = covered - shape.input[axis] - padding.before;
  }
  require_addressable(names.input, "an array", shape.batch, shape.out_channels, shape.output, axes);
  require_addressable(names.weight, "an array", shape.out_channels, weight[1], shape.kernel, axes);
  require_addressable("stride", "an output", shape.batch, shape.in_channels, shape.input, axes);
  return shape;
}

PoolShape make_pool_shape(int axes, const std::vector<std::int64_t>& input, const PoolParameters& parameters,
                          const ShapeArgumentNames& names) {
  require_rank(names.input, input, axes, "(N, C, spatial...)");
  require_at_least_one("kernel_size", parameters.kernel, axes);
  require_at_least_one("stride", parameters.stride, axes);
  require_at_least_one("dilation", parameters.dilation, axes);
  require_padding(parameters.padding, axes);

  PoolShape shape;
  shape.axes = axes;
  shape.batch = input[0];
  shape.channels = input[1];
  shape.input = spatial(input, axes);
  shape.kernel = parameters.kernel;
  shape.stride = parameters.stride;
  shape.dilation = parameters.dilation;
  if (shape.channels < 1) reject_argument(names.input, "at least one channel", "shape " + tuple_text(input));
  for (const std::int64_t extent : shape.input)
    if (extent < 1) reject_argument(names.input, "spatial sizes >= 1", "shape " + tuple_text(input));

  for (std::size_t axis = 0; axis < max_axes; ++axis) {
    const std::int64_t span = checked_mul(shape.dilation[axis], shape.kernel[axis] - 1, "dilation");
    const ResolvedPadding padding =
        resolve(parameters.padding, axis, shape.input[axis], span, shape.stride[axis]);
    const bool once =
        parameters.padding.kind == Padding::Kind::explicit_sizes && !parameters.padding.per_side;
    const std::int64_t most = once ? shape.kernel[axis] / 2 : span;
    if (padding.before > most || padding.after > most)
      reject_argument(
          "padding",
          "at most " + std::to_string(most) + " per side (" +
              (once ? "half the kernel_size" : "less than the window's extent") + ") for kernel_size " +
              text(shape.kernel, axes),
          "before " + std::to_string(padding.before) + ", after " + std::to_string(padding.after));
    shape.pad_before[axis] = padding.before;
    shape.pad_after[axis] = padding.after;
    const std::int64_t padded =
        checked_add(checked_add(shape.input[axis], padding.before, "padding"), padding.after, "padding");
    const std::int64_t stride = shape.stride[axis];
    const std::int64_t free = padded - 1 - span;  // how far the window can move; negative: it does not fit
    std::int64_t output = floor_div(free, stride) + 1;
    if (parameters.ceil_mode && free % stride != 0) {
      // One more window, unless it would start behind the input.
      const std::int64_t start = checked_mul(output, stride, "stride");
      if (start < shape.input[axis] + padding.before) ++output;
    }
    if (output < 1)
      reject_argument("kernel_size",
                      "a window whose extent dilation * (kernel_size - 1) + 1 fits the padded input (" +
                          std::to_string(padded) + " on an axis)",
                      text(shape.kernel, axes) + " with dilation " + text(shape.dilation, axes) +
                          " on input " + text(shape.input, axes));
    shape.output[axis] = output;
  }
  require_addressable(names.input, "an array", shape.batch, shape.channels, shape.input, axes);
  require_addressable("padding", "an output", shape.batch, shape.channels, shape.output, axes);
  return shape;
}

PlaneShape make_plane_shape(int axes, const std::vector<std::int64_t>& input, const Extents& output,
                            bool no_channels, const ShapeArgumentNames& names) {
  require_rank(names.input, input, axes, "(N, C, spatial...)");
  PlaneShape shape;
  shape.axes = axes;
  shape.batch = input[0];
  shape.channels = input[1];
  shape.input = spatial(input, axes);
  shape.output = output;
  if (shape.channels < 1 && !no_channels)
    reject_argument(names.input, "at least one channel", "shape " + tuple_text(input));
  for (const std::int64_t extent : shape.input)
    if (extent < 1) reject_argument(names.input, "spatial sizes >= 1", "shape " + tuple_text(input));
  for (const std::int64_t extent : shape.output)
    if (extent < 0) reject_argument("output_size", "every size >= 0", text(shape.output, axes));
  require_addressable(names.input, "an array", shape.batch, shape.channels, shape.input, axes);
  require_addressable("output_size", "an output", shape.batch, shape.channels, shape.output, axes);
  return shape;
}

FractionalPoolShape make_fractional_pool_shape(int axes, const std::vector<std::int64_t>& input,
                                               const Extents& kernel, const Extents& output) {
  require_at_least_one("kernel_size", kernel, axes);
  const FractionalPoolShape shape{make_plane_shape(axes, input, output), kernel};
  // As torch has it, a volume keeps an element to spare on each axis.
  const std::int64_t spare = axes == 3 ? 1 : 0;
  for (std::size_t axis = max_axes - static_cast<std::size_t>(axes); axis < max_axes; ++axis)
    if (kernel[axis] > shape.input[axis] || output[axis] > shape.input[axis] - kernel[axis] + 1 - spare)
      reject_argument("output_size",
                      "at most input - kernel_size" + std::string(spare == 0 ? " + 1" : "") +
                          " on every axis, for input " + text(shape.input, axes) + " and kernel_size " +
                          text(kernel, axes),
                      text(output, axes));
  return shape;
}

}  // namespace convnative
