// The driver of resampling on tables of small integers, where every sum is exact, for every instruction-set
// level; and what the tables of interpolation have in common.
#include "convnative/resample.h"

#include <cmath>
#include <numeric>
#include <vector>

#include "check.h"
#include "convnative/runtime.h"
#include "random.h"
#include "resample/kernels.h"
#include "tests.h"

namespace convnative::test {
namespace {

using Sizes = std::vector<std::int64_t>;

std::int64_t product(const Sizes& sizes) {
  return std::accumulate(sizes.begin(), sizes.end(), std::int64_t{1}, std::multiplies<>());
}

// Windows of up to `longest` elements that move on with the outputs; some of them are empty.
ResampleTable draw_table(Random& random, std::int64_t input, std::int64_t output, std::int64_t longest) {
  ResampleTable table;
  table.input = input;
  for (std::int64_t i = 0; i < output; ++i) {
    const std::int64_t start = i * (input - 1) / std::max<std::int64_t>(output - 1, 1);
    const std::int64_t count = std::min(random.between(longest > 1 ? 0 : 1, longest), input - start);
    table.start.push_back(start);
    for (std::int64_t k = 0; k < count; ++k)
      table.weights.push_back(static_cast<double>(random.between(-2, 2)));
    table.first.push_back(std::ssize(table.weights));
  }
  return table;
}

// One axis by the definition.
std::vector<double> apply(const ResampleTable& table, std::int64_t inner, const std::vector<double>& x,
                          double fill) {
  const std::int64_t outer = std::ssize(x) / (table.input * inner);
  std::vector<double> y;
  for (std::int64_t plane = 0; plane < outer; ++plane)
    for (std::size_t i = 0; i < table.start.size(); ++i)
      for (std::int64_t column = 0; column < inner; ++column) {
        double sum = table.first[i + 1] == table.first[i] ? fill : 0;
        for (std::int64_t at = table.first[i]; at < table.first[i + 1]; ++at) {
          const std::int64_t row = plane * table.input + table.start[i] + at - table.first[i];
          sum +=
              table.weights[static_cast<std::size_t>(at)] * x[static_cast<std::size_t>(row * inner + column)];
        }
        y.push_back(sum);
      }
  return y;
}

template <class T>
void test_driver(Random& random) {
  const Sizes shapes[] = {{7}, {67}, {2, 33}, {3, 40, 5}, {2, 3, 9, 35}, {50, 1, 20}, {1, 9000}, {300, 70}};
  for (const Sizes& shape : shapes)
    for (const std::int64_t longest : {1, 2, 4, 8, 20, 700})
      for (int number = 0; number < 4; ++number) {
        Sizes axes, sizes = shape;
        std::vector<ResampleTable> tables;
        const std::vector<T> x = random.integers<T>(product(shape));
        std::vector<double> expected(x.begin(), x.end());
        for (std::size_t axis = 0; axis < shape.size(); ++axis) {
          if (axis + 1 < shape.size() && random.between(0, 2) == 0) continue;
          if (axis + 1 == shape.size() && number == 3) continue;
          axes.push_back(static_cast<std::int64_t>(axis));
          tables.push_back(draw_table(
              random, shape[axis], random.between(1, 2 * std::min<std::int64_t>(shape[axis], 40)), longest));
        }
        // The last axis first, as its empty windows would be mixed with others; nothing is filled but there.
        for (std::size_t i = axes.size(); i-- > 0;) {
          const auto axis = static_cast<std::size_t>(axes[i]);
          expected = apply(tables[i], product({sizes.begin() + axes[i] + 1, sizes.end()}), expected, 0);
          sizes[axis] = tables[i].output();
        }
        for (const Isa isa : available_isas()) {
          std::vector<T> y(static_cast<std::size_t>(product(sizes)));
          resample(shape, axes, tables, dtype_of<T>, x.data(), 0, y.data(), isa);
          CHECK(std::vector<double>(y.begin(), y.end()) == expected);
        }

        std::vector<ResampleTable> adjoint;
        for (const ResampleTable& table : tables) adjoint.push_back(transposed(table));
        const std::vector<T> g = random.integers<T>(product(sizes));
        std::vector<T> back(x.size());
        resample(sizes, axes, adjoint, dtype_of<T>, g.data(), 0, back.data());
        CHECK(std::inner_product(expected.begin(), expected.end(), g.begin(), 0.0) ==
              std::inner_product(back.begin(), back.end(), x.begin(), 0.0));
      }
}

void test_fill() {
  const ResampleTable table{2, {0, 0, 0}, {0, 1, 1, 2}, {1, 1}};
  const std::vector<float> x{5, 6};
  std::vector<float> y(3);
  resample({2}, {0}, {table}, DType::float32, x.data(), 9, y.data());
  CHECK(y == std::vector<float>{5, 9, 5});
}

void test_tables() {
  for (const Interpolation interpolation :
       {Interpolation::nearest, Interpolation::linear, Interpolation::cubic, Interpolation::lanczos,
        Interpolation::area})
    for (const bool antialias : {false, true})
      for (std::int64_t input = 1; input < 20; ++input)
        for (std::int64_t output = 1; output < 20; ++output) {
          const ResampleTable table =
              make_resample_table({.interpolation = interpolation, .antialias = antialias},
                                  {.input = input, .output = output}, DType::float64);
          CHECK(table.output() == output);
          bool inside = true, whole = true;
          for (std::size_t i = 0; i < table.start.size(); ++i) {
            const std::int64_t count = table.first[i + 1] - table.first[i];
            inside &= count > 0 && table.start[i] >= 0 && table.start[i] + count <= input;
            const double sum = std::accumulate(table.weights.begin() + table.first[i],
                                               table.weights.begin() + table.first[i + 1], 0.0);
            // Only with antialias are the weights of Lanczos' kernel divided by their sum.
            whole &=
                std::fabs(sum - 1) < (interpolation == Interpolation::lanczos && !antialias ? 0.02 : 1e-12);
          }
          CHECK(inside && whole);
        }
}

}  // namespace

void test_resample() {
  Random random(37);
  for (const Isa isa : available_isas()) {
    CHECK(resample_kernels<float>(isa).isa == isa);
    CHECK(resample_kernels<double>(isa).isa == isa);
  }
  test_driver<float>(random);
  test_driver<double>(random);
  test_fill();
  test_tables();
}

}  // namespace convnative::test
