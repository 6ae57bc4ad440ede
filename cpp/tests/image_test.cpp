// Pictures through kernels of small integers, where every sum is exact, for every instruction-set level, beside
// the definition.
#include "convnative/image.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "check.h"
#include "convnative/runtime.h"
#include "random.h"
#include "tests.h"

namespace convnative::test {
namespace {

// The place of the picture that stands at one outside of it, found step by step.
std::int64_t place(PaddingMode mode, std::int64_t at, std::int64_t size) {
  while (at < 0 || at >= size) {
    const bool before = at < 0;
    if (mode == PaddingMode::replicate) return before ? 0 : size - 1;
    if (mode == PaddingMode::circular)
      at += before ? size : -size;
    else if (mode == PaddingMode::symmetric)
      at = before ? -1 - at : 2 * size - 1 - at;
    else if (size == 1)
      return 0;
    else
      at = before ? -at : 2 * size - 2 - at;
  }
  return at;
}

// Sums by the definition, in float64.
template <class Pixel, class T>
std::vector<double> sums(const Picture& p, const PictureKernel& k, const PictureBorder& border,
                         const std::vector<T>& weights, const std::vector<Pixel>& input) {
  std::vector<double> result;
  const auto inside = [](std::int64_t at, std::int64_t size) { return at >= 0 && at < size; };
  for (std::int64_t y = 0; y < p.height; ++y)
    for (std::int64_t x = 0; x < p.width; ++x)
      for (std::int64_t c = 0; c < p.channels; ++c) {
        double sum = 0;
        for (std::int64_t r = 0; r < k.rows; ++r)
          for (std::int64_t s = 0; s < k.columns; ++s) {
            std::int64_t row = y + r - k.centre_row, column = x + s - k.centre_column;
            double value = border.value;
            if (border.mode != PaddingMode::constant || (inside(row, p.height) && inside(column, p.width))) {
              row = place(border.mode, row, p.height), column = place(border.mode, column, p.width);
              value = static_cast<double>(
                  input[static_cast<std::size_t>((row * p.width + column) * p.channels + c)]);
            }
            sum += static_cast<double>(weights[static_cast<std::size_t>(r * k.columns + s)]) * value;
          }
        result.push_back(sum);
      }
  return result;
}

template <class Pixel, class T>
void compare(Random& random, PixelType type, std::int64_t height, std::int64_t width, std::int64_t channels,
             std::int64_t rows, std::int64_t columns) {
  const Picture picture{height, width, channels, type};
  const auto size = static_cast<std::size_t>(height * width * channels);
  std::vector<Pixel> input(size);
  for (Pixel& value : input) value = static_cast<Pixel>(random.between(0, 60));
  PictureKernel kernel{rows, columns, random.between(0, rows - 1), random.between(0, columns - 1)};
  const auto column = random.integers<T>(rows), row = random.integers<T>(columns);
  std::vector<T> product;
  for (const T a : column)
    for (const T b : row) product.push_back(a * b);
  std::vector<T> any = random.integers<T>(rows * columns);
  const PaddingMode mode =
      std::array{PaddingMode::constant, PaddingMode::reflect, PaddingMode::replicate, PaddingMode::circular,
                 PaddingMode::symmetric}[static_cast<std::size_t>(random.between(0, 4))];
  const PictureBorder border{mode, 3};
  for (const bool separable : {false, true})
    for (const bool absolute : {false, true}) {
      kernel.weights = separable ? column.data() : any.data();
      kernel.row_weights = separable ? row.data() : nullptr;
      const std::vector<double> expected = sums(picture, kernel, border, separable ? product : any, input);
      const auto right = [&](std::size_t i, double received, bool limited) {
        double value = absolute ? std::abs(expected[i]) : expected[i];
        if (limited) value = std::clamp(value, 0.0, static_cast<double>(static_cast<Pixel>(-1)));
        return received == value;
      };
      for (const Isa level : available_isas()) {
        std::vector<T> floats(size);
        correlate_picture(picture, kernel, border, {absolute, true}, input.data(), floats.data(), level);
        bool same = true;
        for (std::size_t i = 0; i < size; ++i) same &= right(i, static_cast<double>(floats[i]), false);
        CHECK(same);
        if (!std::is_integral_v<Pixel>) continue;
        std::vector<Pixel> pixels(size);
        correlate_picture(picture, kernel, border, {absolute, false}, input.data(), pixels.data(), level);
        same = true;
        for (std::size_t i = 0; i < size; ++i) same &= right(i, static_cast<double>(pixels[i]), true);
        CHECK(same);
      }
    }
}

}  // namespace

void test_image() {
  Random random(11);
  for (int i = 0; i < 60; ++i) {
    const std::int64_t height = random.between(1, i % 10 == 0 ? 12 : 40), channels = random.between(1, 4);
    const std::int64_t width = i % 10 == 0 ? random.between(1100, 1400) : random.between(1, 70);
    const std::int64_t rows = random.between(1, 9), columns = random.between(1, 9);
    compare<std::uint8_t, float>(random, PixelType::uint8, height, width, channels, rows, columns);
    compare<std::uint16_t, float>(random, PixelType::uint16, height, width, channels, rows, columns);
    compare<float, float>(random, PixelType::float32, height, width, channels, rows, columns);
    compare<double, double>(random, PixelType::float64, height, width, channels, rows, columns);
  }
  const std::vector<float> one{1};
  std::vector<std::uint8_t> pixel{7};
  const auto run = [&](const Picture& picture, const PictureKernel& kernel) {
    correlate_picture(picture, kernel, {}, {}, pixel.data(), pixel.data());
  };
  CHECK_THROWS(std::invalid_argument, run({0, 1, 1, PixelType::uint8}, {1, 1, 0, 0, one.data()}));
  CHECK_THROWS(std::invalid_argument, run({1, 1, 1, PixelType::uint8}, {1, 0, 0, 0, one.data()}));
  CHECK_THROWS(std::invalid_argument, run({1, 1, 1, PixelType::uint8}, {1, 1, 0, 1, one.data()}));
  for (const PictureKernel& kernel : {PictureKernel{std::int64_t{1} << 62, 1, 0, 0, one.data()},
                                      PictureKernel{1, INT64_MAX, 0, 0, one.data()}})
    CHECK_THROWS(std::overflow_error, run({1, 1, 1, PixelType::uint8}, kernel));
  CHECK_THROWS(std::overflow_error, run({std::int64_t{1} << 32, std::int64_t{1} << 31, 1, PixelType::uint8},
                                        {1, 1, 0, 0, one.data()}));
  CHECK_THROWS(std::overflow_error,
               run({1, 1, 4, PixelType::uint8}, {1, std::int64_t{1} << 62, 0, 0, one.data()}));
}

}  // namespace convnative::test
