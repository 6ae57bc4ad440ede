// The validator: sizes computed by hand, and requests that must be refused.
#include <limits>
#include <stdexcept>

#include "check.h"
#include "convnative/shape.h"
#include "tests.h"

namespace convnative::test {
namespace {

constexpr std::int64_t huge = std::numeric_limits<std::int64_t>::max();

ConvParameters with(std::int64_t stride, std::int64_t dilation, std::int64_t before, std::int64_t after,
                    std::int64_t groups = 1) {
  ConvParameters parameters;
  parameters.stride[2] = stride;
  parameters.dilation[2] = dilation;
  parameters.padding.before[2] = before;
  parameters.padding.after[2] = after;
  parameters.groups = groups;
  return parameters;
}

std::int64_t conv_output(std::int64_t input, std::int64_t kernel, const ConvParameters& parameters) {
  return make_conv_shape(1, {1, 4, input}, {4, 4 / parameters.groups, kernel}, parameters).output[2];
}

void test_conv_sizes() {
  CHECK(conv_output(7, 3, with(2, 1, 0, 0)) == 3);
  CHECK(conv_output(288, 3, with(2, 1, 0, 0)) == 143);
  CHECK(conv_output(5, 3, with(1, 2, 1, 2)) == 4);
  CHECK(conv_output(1, 1, with(huge, huge, 0, 0)) == 1);
  CHECK(conv_output(4, 2, with(2, 1, 0, 0, 2)) == 2);

  for (const Padding::Kind kind : {Padding::Kind::same, Padding::Kind::same_lower, Padding::Kind::causal}) {
    ConvParameters parameters = with(1, 1, 0, 0);
    parameters.padding.kind = kind;
    CHECK(conv_output(6, 3, parameters) == 6);
    const ConvShape shape = make_conv_shape(1, {1, 4, 6}, {4, 4, 4}, parameters);
    CHECK(shape.pad_before[2] == (kind == Padding::Kind::same         ? 1
                                  : kind == Padding::Kind::same_lower ? 2
                                                                      : 3));
    CHECK(shape.output[2] == 6);
    parameters.stride[2] = 2;
    CHECK(conv_output(7, 3, parameters) == 4);
  }
}

void test_conv_refusals() {
  CHECK_THROWS(std::invalid_argument, conv_output(7, 3, with(0, 1, 0, 0)));
  CHECK_THROWS(std::invalid_argument, conv_output(7, 3, with(1, -1, 0, 0)));
  CHECK_THROWS(std::invalid_argument, conv_output(7, 3, with(1, 1, -1, 0)));
  CHECK_THROWS(std::invalid_argument, conv_output(7, 8, with(1, 1, 0, 0)));
  CHECK_THROWS(std::invalid_argument, conv_output(7, 0, with(1, 1, 0, 0)));
  CHECK_THROWS(std::invalid_argument, make_conv_shape(1, {1, 4, 7}, {4, 4, 3}, with(1, 1, 0, 0, 3)));
  CHECK_THROWS(std::invalid_argument, make_conv_shape(1, {1, 4, 7}, {4, 3, 3}, {}));
  CHECK_THROWS(std::invalid_argument, make_conv_shape(1, {1, 4, 7, 7}, {4, 4, 3}, {}));
  CHECK_THROWS(std::overflow_error, conv_output(7, 3, with(1, huge, 0, 0)));
  CHECK_THROWS(std::overflow_error, conv_output(7, 3, with(1, 1, huge, huge)));
  CHECK_THROWS(std::overflow_error, conv_output(7, 3, with(1, 1, huge / 2, huge / 2)));
  CHECK_THROWS(std::overflow_error, make_conv_shape(1, {huge / 2, huge / 2, 7}, {4, huge / 2, 3}, {}));
}

// Throws where the mode cannot pad so many elements.
void pad(PaddingMode mode, std::int64_t before, std::int64_t after, std::int64_t input = 7) {
  ConvParameters parameters = with(1, 1, before, after);
  parameters.padding_mode = mode;
  make_conv_shape(1, {1, 4, input}, {4, 4, 1}, parameters);
}

void test_padding_modes() {
  pad(PaddingMode::reflect, 6, 6);
  pad(PaddingMode::circular, 7, 7);
  pad(PaddingMode::symmetric, 7, 7);
  pad(PaddingMode::replicate, 1000, 1000);
  CHECK_THROWS(std::invalid_argument, pad(PaddingMode::reflect, 7, 0));
  CHECK_THROWS(std::invalid_argument, pad(PaddingMode::circular, 0, 8));
  CHECK_THROWS(std::invalid_argument, pad(PaddingMode::symmetric, 8, 0));
  CHECK_THROWS(std::invalid_argument, pad(PaddingMode::replicate, 1, 0, 0));
  CHECK_THROWS(std::invalid_argument, pad(PaddingMode::reflect, huge / 4, 0));

  ConvParameters parameters = with(1, 1, 0, 0);
  parameters.padding_mode = PaddingMode::reflect;
  CHECK(make_conv_shape(1, {1, 4, 7}, {4, 4, 3}, parameters).pads_with_zeros());
}

std::int64_t transposed_output(std::int64_t input, std::int64_t kernel, std::int64_t stride,
                               std::int64_t padding, std::int64_t output_padding, std::int64_t dilation = 1,
                               Padding::Kind kind = Padding::Kind::explicit_sizes) {
  ConvTransposeParameters parameters;
  parameters.stride[2] = stride;
  parameters.dilation[2] = dilation;
  parameters.output_padding[2] = output_padding;
  parameters.padding.before[2] = parameters.padding.after[2] = padding;
  parameters.padding.kind = kind;
  const ConvShape shape = make_conv_transpose_shape(1, {1, 4, input}, {4, 5, kernel}, parameters);
  CHECK(shape.in_channels == 5 && shape.out_channels == 4 && shape.output[2] == input);
  return shape.input[2];
}

void test_conv_transpose_sizes() {
  CHECK(transposed_output(7, 3, 2, 1, 0) == 13);
  CHECK(transposed_output(7, 3, 2, 1, 1) == 14);
  CHECK(transposed_output(1, 1, huge, 0, 0) == 1);
  CHECK(transposed_output(3, 3, 1, 0, 2, 3) == 11);
  CHECK(transposed_output(7, 3, 2, 0, 0, 1, Padding::Kind::same) == 14);
  CHECK(transposed_output(7, 1, 3, 0, 0, 1, Padding::Kind::same_lower) == 21);
  CHECK_THROWS(std::invalid_argument, transposed_output(7, 3, 2, 0, 0, 1, Padding::Kind::causal));
  CHECK_THROWS(std::invalid_argument, transposed_output(7, 3, 2, 1, 2));
  CHECK_THROWS(std::invalid_argument, transposed_output(7, 3, 2, 1, -1));
  CHECK_THROWS(std::invalid_argument, transposed_output(3, 3, 1, 3, 0));
  CHECK_THROWS(std::invalid_argument, transposed_output(0, 3, 1, 0, 0));
  CHECK_THROWS(std::overflow_error, transposed_output(7, 3, huge, 0, 0));
  CHECK_THROWS(std::overflow_error, transposed_output(7, 3, 1, 0, 0, huge));
  CHECK_THROWS(std::overflow_error, transposed_output(2, 3, huge / 2, 0, 0, huge / 4));
  CHECK_THROWS(std::overflow_error, transposed_output(2, 3, huge / 32, 0, 0));
}

std::int64_t pool_output(std::int64_t input, std::int64_t kernel, std::int64_t stride, std::int64_t padding,
                         bool ceil_mode) {
  PoolParameters parameters;
  parameters.kernel[2] = kernel;
  parameters.stride[2] = stride;
  parameters.padding.before[2] = parameters.padding.after[2] = padding;
  parameters.ceil_mode = ceil_mode;
  return make_pool_shape(1, {1, 1, input}, parameters).output[2];
}

void test_pool_sizes() {
  CHECK(pool_output(143, 3, 2, 0, false) == 71);
  CHECK(pool_output(6, 3, 2, 0, false) == 2);
  CHECK(pool_output(6, 3, 2, 0, true) == 3);
  // The last window would start in the padding.
  CHECK(pool_output(4, 2, 3, 1, true) == 2);
  CHECK(pool_output(2, 3, 2, 0, true) == 1);
  CHECK_THROWS(std::invalid_argument, pool_output(2, 3, 2, 0, false));
  CHECK_THROWS(std::invalid_argument, pool_output(7, 3, 2, 2, false));
  CHECK_THROWS(std::invalid_argument, pool_output(7, 0, 1, 0, false));
}

}  // namespace

void test_shape() {
  test_conv_sizes();
  test_conv_refusals();
  test_padding_modes();
  test_conv_transpose_sizes();
  test_pool_sizes();
}

}  // namespace convnative::test
