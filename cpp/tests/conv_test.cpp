// Convolutions: every algorithm of every operation, on every level, against the reference, bit for bit.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/aligned_buffer.h"
#include "check.h"
#include "convnative/conv.h"
#include "convnative/runtime.h"
#include "denormals.h"
#include "random.h"
#include "tests.h"

namespace convnative::test {
namespace {

constexpr ConvOperation operations[] = {ConvOperation::forward, ConvOperation::grad_input,
                                        ConvOperation::grad_weight};

std::string describe(const ConvShape& s) {
  std::string text = "N " + std::to_string(s.batch) + " C " + std::to_string(s.in_channels) + " K " +
                     std::to_string(s.out_channels) + " G " + std::to_string(s.groups);
  for (std::size_t axis = 0; axis < max_axes; ++axis)
    text += "; input " + std::to_string(s.input[axis]) + " kernel " + std::to_string(s.kernel[axis]) +
            " stride " + std::to_string(s.stride[axis]) + " dilation " + std::to_string(s.dilation[axis]) +
            " padding " + std::to_string(s.pad_before[axis]) + "," + std::to_string(s.pad_after[axis]);
  text += "; mode " + std::to_string(static_cast<int>(s.padding_mode)) + " value " +
          std::to_string(s.padding_value);
  return text;
}

// Runs through the plan, with guards behind what it may write. What it finds in its memory must cost nothing.
template <class T>
std::vector<T> run(const ConvShape& shape, ConvOperation operation, const ConvOptions& options,
                   const std::vector<T>& input, const std::vector<T>& weight, const std::vector<T>& bias,
                   const std::vector<T>& grad_output) {
  const ConvPlan plan(shape, operation, dtype_of<T>, options);
  constexpr std::size_t guard = 256;
  const AlignedBuffer packed(plan.packed_weight_bytes() + guard), workspace(plan.workspace_bytes() + guard);
  char* const ends[] = {static_cast<char*>(packed.data()) + plan.packed_weight_bytes(),
                        static_cast<char*>(workspace.data()) + plan.workspace_bytes()};
  for (char* end : ends) std::fill(end, end + guard, char{77});
  const std::int64_t size = operation == ConvOperation::forward      ? shape.output_size()
                            : operation == ConvOperation::grad_input ? shape.input_size()
                                                                     : shape.weight_size();
  std::vector<T> result(static_cast<std::size_t>(size), T{-12345});
  ConvArrays arrays;
  arrays.input = input.data();
  arrays.weight = weight.data();
  arrays.bias = bias.data();
  arrays.grad_output = grad_output.data();
  arrays.result = result.data();
  forget_denormals();
  plan.pack(weight.data(), packed.data());
  plan.run(arrays, packed.data(), workspace.data());
  CHECK(!met_denormals());
  for (char* end : ends) CHECK(std::count(end, end + guard, char{77}) == guard);
  CHECK(plan.workspace_bytes() <= (std::size_t{2} << 20) * static_cast<std::size_t>(plan.threads()));
  return result;
}

template <class T>
bool applies(const ConvShape& shape, ConvOperation operation, const ConvOptions& options) {
  try {
    ConvPlan(shape, operation, dtype_of<T>, options);
    return true;
  } catch (const std::invalid_argument&) {
    return false;
  }
}

// Largest difference, in units of the largest value.
template <class T>
double largest_error(const std::vector<T>& result, const std::vector<T>& expected) {
  double error = 0, scale = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double difference = std::abs(static_cast<double>(result[i]) - static_cast<double>(expected[i]));
    if (!(difference <= error)) error = difference;
    scale = std::max(scale, std::abs(static_cast<double>(expected[i])));
  }
  return scale == 0 ? error : error / scale;
}

template <class T>
void compare_algorithms(const ConvShape& shape, Random& random) {
  const auto input = random.integers<T>(shape.input_size());
  const auto weight = random.integers<T>(shape.weight_size());
  // Of the forward, or of grad_input as a transposed convolution.
  const auto bias = random.integers<T>(std::max(shape.out_channels, shape.in_channels));
  const auto grad_output = random.integers<T>(shape.output_size());
  for (const ConvOperation operation : operations) {
    ConvOptions options;
    options.algorithm = "reference";
    const auto expected = run(shape, operation, options, input, weight, bias, grad_output);
    for (const auto& [algorithm, strict] : conv_algorithm_names(operation))
      for (const Isa level : available_isas()) {
        if (algorithm == "reference") continue;  // the same on every level
        options.algorithm = algorithm;
        options.isa = level;
        // What strict precision admits is exact on integers.
        options.precision = strict ? Precision::strict : Precision::standard;
        if (!applies<T>(shape, operation, options)) continue;
        const auto result = run(shape, operation, options, input, weight, bias, grad_output);
        if (!CHECK(strict ? result == expected : largest_error(result, expected) < 6e-6))
          std::fprintf(stderr, "  %s %s %s %s: %s\n", name(operation), algorithm.c_str(), name(level),
                       name(dtype_of<T>), describe(shape).c_str());
      }
  }
}

// A random problem; throws std::invalid_argument where the kernel does not fit.
ConvShape draw(Random& random) {
  const int axes = static_cast<int>(random.between(1, 3));
  const std::int64_t groups = random.between(1, 3), most = axes == 3 ? 8 : 33;
  ConvParameters parameters;
  parameters.groups = groups;
  std::vector<std::int64_t> input{random.between(0, 3), groups * random.between(1, 12)};
  std::vector<std::int64_t> weight{groups * random.between(1, 20), input[1] / groups};
  for (std::size_t axis = max_axes - static_cast<std::size_t>(axes); axis < max_axes; ++axis) {
    input.push_back(random.between(1, most));
    weight.push_back(random.between(1, 5));
    parameters.stride[axis] = random.between(1, 4);
    parameters.dilation[axis] = random.between(1, 3);
    parameters.padding.before[axis] = random.between(0, 3);
    parameters.padding.after[axis] = random.between(0, 3);
  }
  if (random.between(0, 1) == 1) {
    constexpr PaddingMode modes[] = {PaddingMode::constant, PaddingMode::reflect, PaddingMode::replicate,
                                     PaddingMode::circular, PaddingMode::symmetric};
    parameters.padding_mode = modes[random.between(0, 4)];
    parameters.padding_value = static_cast<double>(random.between(-2, 2));
  }
  return make_conv_shape(axes, input, weight, parameters);
}

// A random transposed convolution; throws std::invalid_argument where nothing is left of the output.
ConvShape draw_transposed(Random& random) {
  const int axes = static_cast<int>(random.between(1, 3));
  const std::int64_t groups = random.between(1, 3), most = axes == 3 ? 6 : 25;
  ConvTransposeParameters parameters;
  parameters.groups = groups;
  std::vector<std::int64_t> input{random.between(0, 3), groups * random.between(1, 12)};
  std::vector<std::int64_t> weight{input[1], random.between(1, 20)};
  for (std::size_t axis = max_axes - static_cast<std::size_t>(axes); axis < max_axes; ++axis) {
    input.push_back(random.between(1, most));
    weight.push_back(random.between(1, 5));
    parameters.stride[axis] = random.between(1, 4);
    parameters.dilation[axis] = random.between(1, 3);
    parameters.output_padding[axis] =
        random.between(0, std::max(parameters.stride[axis], parameters.dilation[axis]) - 1);
    parameters.padding.before[axis] = random.between(0, 3);
    parameters.padding.after[axis] = random.between(0, 3);
  }
  constexpr Padding::Kind kinds[] = {Padding::Kind::explicit_sizes, Padding::Kind::explicit_sizes,
                                     Padding::Kind::same, Padding::Kind::same_lower};
  parameters.padding.kind = kinds[random.between(0, 3)];
  return make_conv_transpose_shape(axes, input, weight, parameters);
}

void test_random_shapes() {
  Random random(1);
  for (int i = 0; i < 600; ++i) {
    ConvShape shape;
    try {
      shape = i % 3 == 2 ? draw_transposed(random) : draw(random);
    } catch (const std::invalid_argument&) {
      continue;
    }
    if (i % 2 == 0)
      compare_algorithms<float>(shape, random);
    else
      compare_algorithms<double>(shape, random);
  }
}

// Blocks of every kind: more rows than MC, sums longer than KC, more taps than KC, several chunks and
// threads.
void test_large_shapes() {
  Random random(2);
  const auto compare = [&](std::vector<std::int64_t> input, std::vector<std::int64_t> weight,
                           std::int64_t stride, std::int64_t padding,
                           PaddingMode mode = PaddingMode::constant) {
    ConvParameters parameters;
    parameters.padding_mode = mode;
    parameters.stride = {1, stride, stride};
    parameters.padding.before = parameters.padding.after = {0, padding, padding};
    compare_algorithms<float>(make_conv_shape(2, input, weight, parameters), random);
  };
  compare({1, 100, 14, 14}, {300, 100, 3, 3}, 1, 1);
  compare({2, 90, 13, 13}, {70, 90, 3, 3}, 2, 1);
  compare({1, 100, 14, 14}, {100, 100, 5, 5}, 2, 2);
  compare({1, 2, 40, 33}, {5, 2, 31, 29}, 1, 15);
  compare({3, 16, 60, 60}, {32, 16, 3, 3}, 1, 1);
  compare({16, 64, 1, 1}, {64, 64, 1, 1}, 1, 0);
  compare({2, 90, 13, 13}, {70, 90, 3, 3}, 2, 1, PaddingMode::reflect);
  compare({1, 2, 40, 33}, {5, 2, 31, 29}, 1, 15, PaddingMode::symmetric);
  compare({1, 2, 9, 12}, {5, 2, 31, 29}, 1, 15, PaddingMode::replicate);
  compare({3, 16, 60, 60}, {32, 16, 3, 3}, 1, 1, PaddingMode::circular);
}

// 3 x 3 and 5 x 5 kernels of stride 1, which have algorithms of their own: tails of channels, planes and tiles.
void test_winograd_shapes() {
  Random random(4);
  for (int i = 0; i < 24; ++i) {
    ConvParameters parameters;
    parameters.groups = random.between(1, 2);
    for (std::size_t axis = 1; axis < max_axes; ++axis) {
      parameters.padding.before[axis] = random.between(0, 3);
      parameters.padding.after[axis] = random.between(0, 3);
    }
    const std::int64_t groups = parameters.groups, channels = random.between(1, 40),
                       taps = i % 4 == 0 ? 5 : 3;
    compare_algorithms<float>(
        make_conv_shape(
            2, {random.between(0, 3), groups * channels, random.between(taps, 30), random.between(taps, 67)},
            {groups * random.between(1, 67), channels, taps, taps}, parameters),
        random);
  }
}

// Few input channels per group, which have an algorithm of their own: every tile, phases of the stride, several
// blocks of rows and of columns.
void test_strip_shapes() {
  Random random(6);
  for (int i = 0; i < 40; ++i) {
    ConvParameters parameters;
    parameters.groups = random.between(1, 3);
    const std::int64_t groups = parameters.groups, channels = random.between(1, 6);
    std::vector<std::int64_t> input{random.between(1, 2), groups * channels};
    std::vector<std::int64_t> weight{groups * (i % 3 == 0 ? 1 : random.between(1, 20)), channels};
    for (std::size_t axis = 1; axis < max_axes; ++axis) {
      weight.push_back(random.between(1, 11));
      parameters.stride[axis] = i % 2 == 0 ? 1 : random.between(1, 4);
      parameters.dilation[axis] = i % 4 == 0 ? random.between(1, 20) : 1;
      parameters.padding.before[axis] = random.between(0, 6);
      parameters.padding.after[axis] = random.between(0, 6);
      input.push_back(parameters.dilation[axis] * (weight.back() - 1) +
                      random.between(1, axis == 1 ? 20 : 67));
    }
    if (i % 2 == 0)
      compare_algorithms<float>(make_conv_shape(2, input, weight, parameters), random);
    else
      compare_algorithms<double>(make_conv_shape(2, input, weight, parameters), random);
  }
  compare_algorithms<float>(make_conv_shape(1, {1, 1, 40000}, {2, 1, 7}, {}), random);
  compare_algorithms<double>(make_conv_shape(2, {1, 1, 31, 1100}, {1, 1, 5, 3}, {}), random);
  compare_algorithms<float>(make_conv_shape(2, {1, 16, 60, 60}, {3, 16, 3, 3}, {}), random);
}

// So large an input that gradients of its weights are summed in stages.
void test_staged_shape() {
  Random random(10);
  ConvParameters parameters;
  parameters.stride[1] = parameters.stride[2] = 2;
  compare_algorithms<float>(make_conv_shape(2, {3, 700, 34, 34}, {200, 700, 1, 1}, parameters), random);
}

// One input channel per group: tails of planes and tiles, kernels longer than a piece of a chain.
void test_depthwise_shapes() {
  Random random(6);
  for (int i = 0; i < 150; ++i) {
    const int axes = static_cast<int>(random.between(1, 3));
    ConvParameters parameters;
    parameters.groups = random.between(1, 4);
    std::vector<std::int64_t> input{random.between(0, 2), parameters.groups};
    std::vector<std::int64_t> weight{parameters.groups * random.between(1, 3), 1};
    for (std::size_t axis = max_axes - static_cast<std::size_t>(axes); axis < max_axes; ++axis) {
      constexpr std::int64_t most_taps[] = {16, 9, 4}, most_extra[] = {300, 45, 9};
      weight.push_back(random.between(1, most_taps[axes - 1]));
      parameters.stride[axis] = random.between(1, 4);
      parameters.dilation[axis] = random.between(1, 4);
      parameters.padding.before[axis] = random.between(0, 5);
      parameters.padding.after[axis] = random.between(0, 5);
      input.push_back(parameters.dilation[axis] * (weight.back() - 1) + 1 +
                      random.between(0, most_extra[axes - 1]));
    }
    const ConvShape shape = make_conv_shape(axes, input, weight, parameters);
    if (i % 2 == 0)
      compare_algorithms<float>(shape, random);
    else
      compare_algorithms<double>(shape, random);
  }
}

// An infinity or a NaN appears exactly where the definition puts it.
void test_winograd_not_finite() {
  Random random(5);
  ConvParameters parameters;
  parameters.padding.before = parameters.padding.after = {0, 1, 1};
  const ConvShape shape = make_conv_shape(2, {1, 20, 13, 19}, {37, 20, 3, 3}, parameters);
  const float infinity = std::numeric_limits<float>::infinity();
  for (int i = 0; i < 6; ++i) {
    auto input = random.integers<float>(shape.input_size()),
         weight = random.integers<float>(shape.weight_size());
    auto grad_output = random.integers<float>(shape.output_size());
    const auto bias = random.integers<float>(shape.out_channels);
    const auto spoil = [&](std::vector<float>& values, float value) {
      values[static_cast<std::size_t>(random.between(0, static_cast<std::int64_t>(values.size()) - 1))] =
          value;
    };
    spoil(input, i % 3 == 0 ? std::nanf("") : infinity);
    if (i % 2 == 0) spoil(input, -infinity);
    if (i % 4 == 0) spoil(weight, infinity);
    if (i % 5 == 0) spoil(input, 3e38f);
    spoil(grad_output, i % 2 == 0 ? std::nanf("") : infinity);
    for (const ConvOperation operation : operations)
      for (const Isa level : available_isas()) {
        ConvOptions options;
        options.isa = level;
        options.algorithm = "im2col_gemm";
        const auto expected = run(shape, operation, options, input, weight, bias, grad_output);
        for (const char* algorithm : {"winograd_4", "winograd_2"}) {
          options.algorithm = algorithm;
          const auto result = run(shape, operation, options, input, weight, bias, grad_output);
          std::int64_t differences = 0;
          for (std::size_t j = 0; j < expected.size(); ++j) {
            if (std::isfinite(expected[j]))
              differences += !std::isfinite(result[j]);
            else
              differences += std::isnan(expected[j]) ? !std::isnan(result[j]) : result[j] != expected[j];
          }
          CHECK(differences == 0);
        }
      }
  }
}

void compare_threads(const ConvShape& shape) {
  Random random(3);
  const auto real = [&](std::int64_t count) {
    std::vector<float> values(static_cast<std::size_t>(count));
    for (float& value : values) value = static_cast<float>(random.between(-1000000, 1000000)) * 1e-5f;
    return values;
  };
  const auto input = real(shape.input_size()), weight = real(shape.weight_size());
  const auto bias = real(std::max(shape.out_channels, shape.in_channels)),
             grad_output = real(shape.output_size());
  const int before = num_threads();
  for (const ConvOperation operation : operations)
    for (const auto& [algorithm, strict] : conv_algorithm_names(operation)) {
      std::vector<float> expected;
      for (const int threads : {1, 2, 3, 7}) {
        set_num_threads(threads);
        ConvOptions options;
        options.algorithm = algorithm;
        if (!applies<float>(shape, operation, options)) continue;
        const auto result = run(shape, operation, options, input, weight, bias, grad_output);
        if (expected.empty()) expected = result;
        CHECK(result == expected);
      }
    }
  set_num_threads(before);
}

void test_same_bits_for_any_threads() {
  ConvParameters parameters;
  parameters.padding.before = parameters.padding.after = {0, 1, 1};
  for (const PaddingMode mode : {PaddingMode::constant, PaddingMode::reflect, PaddingMode::replicate}) {
    parameters.padding_mode = mode;
    compare_threads(make_conv_shape(2, {2, 40, 23, 23}, {50, 40, 3, 3}, parameters));
    ConvParameters depthwise = parameters;
    depthwise.groups = 6;
    compare_threads(make_conv_shape(2, {3, 6, 61, 67}, {12, 1, 3, 3}, depthwise));
  }
}

// A prepared convolution is its plan, then the residual, then the activation, and keeps its weights.
void test_prepared() {
  Random random(7);
  ConvParameters parameters;
  parameters.padding.before = parameters.padding.after = {0, 1, 1};
  const ConvShape shape = make_conv_shape(2, {2, 20, 11, 13}, {17, 20, 3, 3}, parameters);
  const auto input = random.integers<float>(shape.input_size());
  auto weight = random.integers<float>(shape.weight_size());
  const auto bias = random.integers<float>(shape.out_channels);
  const auto residual = random.integers<float>(shape.output_size());
  for (const auto& [algorithm, strict] : conv_algorithm_names(ConvOperation::forward)) {
    ConvOptions options;
    options.algorithm = algorithm;
    if (!applies<float>(shape, ConvOperation::forward, options)) continue;
    auto expected = run(shape, ConvOperation::forward, options, input, weight, bias, {});
    for (std::size_t i = 0; i < expected.size(); ++i) expected[i] = std::max(expected[i] + residual[i], 0.0f);
    options.activation = make_activation("relu", {});
    const PreparedConv prepared(shape, ConvOperation::forward, DType::float32, weight.data(), bias.data(),
                                options);
    CHECK(prepared.bytes() >= weight.size() * sizeof(float));
    const auto kept = weight;
    std::fill(weight.begin(), weight.end(), 0.0f);
    std::vector<float> result(expected.size());
    prepared.run(input.data(), residual.data(), result.data());
    CHECK(result == expected);
    weight = kept;
  }
  ConvOptions options;
  options.activation = make_activation("relu", {});
  CHECK_THROWS(std::invalid_argument, ConvPlan(shape, ConvOperation::grad_weight, DType::float32, options));
}

void test_unknown_algorithm() {
  const ConvShape shape = make_conv_shape(1, {1, 1, 5}, {1, 1, 3}, {});
  ConvOptions options;
  options.algorithm = "guess";
  CHECK_THROWS(std::invalid_argument, ConvPlan(shape, ConvOperation::forward, DType::float32, options));
}

}  // namespace

void test_conv() {
  test_random_shapes();
  test_large_shapes();
  test_winograd_shapes();
  test_strip_shapes();
  test_staged_shape();
  test_depthwise_shapes();
  test_winograd_not_finite();
  test_same_bits_for_any_threads();
  test_prepared();
  test_unknown_algorithm();
}

}  // namespace convnative::test
