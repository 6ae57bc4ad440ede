// Padding, sliding blocks and the order of axes against their definitions, one element at a time, and every
// gradient by the identity <A x, y> = <x, A* y>, which is exact on small integers.
#include "convnative/rearrange.h"

#include <algorithm>
#include <cstdio>
#include <numeric>
#include <stdexcept>
#include <vector>

#include "check.h"
#include "random.h"
#include "tests.h"

namespace convnative::test {
namespace {

using Sizes = std::vector<std::int64_t>;

std::int64_t product(const Sizes& sizes) {
  return std::accumulate(sizes.begin(), sizes.end(), std::int64_t{1}, std::multiplies<>());
}

// The position in each axis of an element, given by its number.
Sizes position_of(std::int64_t number, const Sizes& sizes) {
  Sizes position(sizes.size());
  for (std::size_t axis = sizes.size(); axis-- > 0; number /= sizes[axis])
    position[axis] = number % sizes[axis];
  return position;
}

std::int64_t number_of(const Sizes& position, const Sizes& sizes) {
  std::int64_t number = 0;
  for (std::size_t axis = 0; axis < sizes.size(); ++axis) number = number * sizes[axis] + position[axis];
  return number;
}

template <class T>
double dot(const std::vector<T>& a, const std::vector<T>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

// Where position p of a padded axis comes from, p counted from the axis' first element; -1 for the constant.
std::int64_t source_of(PaddingMode mode, std::int64_t p, std::int64_t size) {
  switch (mode) {
    case PaddingMode::constant:
      return p < 0 || p >= size ? -1 : p;
    case PaddingMode::reflect:
      return p < 0 ? -p : p >= size ? 2 * (size - 1) - p : p;
    case PaddingMode::symmetric:
      return p < 0 ? -p - 1 : p >= size ? 2 * size - 1 - p : p;
    case PaddingMode::replicate:
      return std::clamp<std::int64_t>(p, 0, size - 1);
    default:
      return (p + size) % size;
  }
}

template <class T>
void test_pad(Random& random) {
  for (const PaddingMode mode : {PaddingMode::constant, PaddingMode::reflect, PaddingMode::symmetric,
                                 PaddingMode::replicate, PaddingMode::circular})
    for (int number = 0; number < 40; ++number) {
      const auto axes = static_cast<std::size_t>(random.between(1, 3));
      Sizes input{random.between(0, 2), random.between(1, 2)}, amounts;
      for (std::size_t axis = 0; axis < axes; ++axis) {
        input.push_back(random.between(5, 9));
        // Cropping in circular mode is another definition.
        for (int side = 0; side < 2; ++side)
          amounts.push_back(random.between(mode == PaddingMode::circular ? 0 : -2, 4));
      }
      const PadShape shape = make_pad_shape(input, amounts, mode);
      const std::vector<T> x = random.integers<T>(product(input));
      std::vector<T> y(static_cast<std::size_t>(product(shape.output)));
      pad_forward(shape, dtype_of<T>, x.data(), 3, y.data());
      bool same = true;
      for (std::int64_t i = 0; i < std::ssize(y); ++i) {
        Sizes position = position_of(i, shape.output);
        bool constant = false;
        for (std::size_t axis = 0; axis < input.size(); ++axis) {
          position[axis] = source_of(mode, position[axis] - shape.before[axis], input[axis]);
          constant |= position[axis] < 0;
        }
        const T expected = constant ? T{3} : x[static_cast<std::size_t>(number_of(position, input))];
        same &= y[static_cast<std::size_t>(i)] == expected;
      }
      CHECK(same);

      pad_forward(shape, dtype_of<T>, x.data(), 0, y.data());
      const std::vector<T> g = random.integers<T>(std::ssize(y));
      std::vector<T> back(x.size());
      pad_grad(shape, dtype_of<T>, g.data(), back.data());
      CHECK(dot(y, g) == dot(x, back));
    }
  CHECK_THROWS(std::invalid_argument, make_pad_shape({1, 1, 3}, {3, 0}, PaddingMode::reflect));
  CHECK_THROWS(std::invalid_argument, make_pad_shape({3}, {-2, -2}, PaddingMode::constant));
  CHECK_THROWS(std::overflow_error, make_pad_shape({3}, {INT64_MAX, 0}, PaddingMode::constant));
}

template <class T>
void test_unfold(Random& random) {
  for (int number = 0; number < 100; ++number) {
    const int axes = static_cast<int>(random.between(1, 3));
    Sizes image{random.between(0, 2), random.between(1, 3)};
    Extents kernel{1, 1, 1};
    ConvParameters parameters;
    for (auto axis = static_cast<std::size_t>(max_axes - axes); axis < max_axes; ++axis) {
      image.push_back(random.between(5, 9));
      kernel[axis] = random.between(1, 3);
      parameters.stride[axis] = random.between(1, 3);
      parameters.dilation[axis] = random.between(1, 2);
      parameters.padding.before[axis] = random.between(0, 3);
      parameters.padding.after[axis] = random.between(0, 3);
    }
    const ConvShape shape = make_unfold_shape(axes, image, kernel, parameters);
    const std::vector<T> x = random.integers<T>(product(image));
    const std::int64_t rows = shape.batch * shape.in_channels * shape.taps(), blocks = shape.output_plane();
    std::vector<T> columns(static_cast<std::size_t>(rows * blocks));
    unfold(shape, dtype_of<T>, x.data(), columns.data());
    bool same = true;
    for (std::int64_t i = 0; i < std::ssize(columns); ++i) {
      const Sizes tap = position_of(i / blocks % shape.taps(), {kernel.begin(), kernel.end()});
      const Sizes block = position_of(i % blocks, {shape.output.begin(), shape.output.end()});
      std::int64_t at = i / blocks / shape.taps();
      bool inside = true;
      for (std::size_t axis = 0; axis < max_axes; ++axis) {
        const std::int64_t p =
            block[axis] * shape.stride[axis] - shape.pad_before[axis] + tap[axis] * shape.dilation[axis];
        inside &= p >= 0 && p < shape.input[axis];
        at = at * shape.input[axis] + p;
      }
      same &= columns[static_cast<std::size_t>(i)] == (inside ? x[static_cast<std::size_t>(at)] : T{0});
    }
    CHECK(same);

    const std::vector<T> y = random.integers<T>(std::ssize(columns));
    std::vector<T> back(x.size());
    fold(shape, dtype_of<T>, y.data(), back.data());
    CHECK(dot(columns, y) == dot(x, back));
  }
}

template <class T>
void test_permute(Random& random) {
  for (int number = 0; number < 100; ++number) {
    Sizes sizes, order(static_cast<std::size_t>(random.between(1, 5)));
    std::iota(order.begin(), order.end(), 0);
    for (std::size_t axis = 0; axis < order.size(); ++axis) {
      sizes.push_back(random.between(1, order.size() < 3 ? 70 : 7));
      std::swap(order[axis], order[static_cast<std::size_t>(random.between(0, std::ssize(order) - 1))]);
    }
    Sizes output;
    for (const std::int64_t axis : order) output.push_back(sizes[static_cast<std::size_t>(axis)]);
    const std::vector<T> x = random.integers<T>(product(sizes));
    std::vector<T> y(x.size());
    permute(sizes, order, dtype_of<T>, x.data(), y.data());
    bool same = true;
    for (std::int64_t i = 0; i < std::ssize(y); ++i) {
      const Sizes there = position_of(i, output);
      Sizes here(there.size());
      for (std::size_t axis = 0; axis < order.size(); ++axis)
        here[static_cast<std::size_t>(order[axis])] = there[axis];
      same &= y[static_cast<std::size_t>(i)] == x[static_cast<std::size_t>(number_of(here, sizes))];
    }
    CHECK(same);
  }
}

}  // namespace

void test_rearrange() {
  Random random(31);
  test_pad<float>(random);
  test_pad<double>(random);
  test_unfold<float>(random);
  test_unfold<double>(random);
  test_permute<float>(random);
  test_permute<double>(random);
}

}  // namespace convnative::test
