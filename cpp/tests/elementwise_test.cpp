// Activations against their definitions, for every instruction-set level that the CPU has.
#include "convnative/elementwise.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "check.h"
#include "convnative/runtime.h"
#include "elementwise/kernels.h"
#include "random.h"
#include "tests.h"

namespace convnative::test {
namespace {

template <class T>
std::vector<T> draw(Random& random, std::int64_t size) {
  std::vector<T> values(static_cast<std::size_t>(size));
  for (T& value : values) value = static_cast<T>(random.between(-1000000, 1000000)) / T{199999};
  return values;
}

template <class T>
bool near(const std::vector<T>& a, const std::vector<double>& b) {
  const double tolerance = 64 * static_cast<double>(std::numeric_limits<T>::epsilon());
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!(std::fabs(static_cast<double>(a[i]) - b[i]) <= tolerance * (1 + std::fabs(b[i])))) return false;
  return true;
}

template <class T>
bool same(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

template <class T>
void test_relu(Random& random) {
  const Activation relu = make_activation("relu", {});
  const T nan = std::numeric_limits<T>::quiet_NaN(), infinity = std::numeric_limits<T>::infinity();
  for (const Isa isa : available_isas()) {
    CHECK(elementwise_kernels<T>(isa).isa == isa);
    for (const std::int64_t size : {0, 1, 3, 4, 7, 8, 15, 16, 17, 33, 67, 70001}) {
      std::vector<T> input = draw<T>(random, size), gradient = draw<T>(random, size);
      const T special[] = {nan, T{0}, -T{0}, infinity, -infinity};
      for (std::size_t i = 0; i < input.size(); i += 3) input[i] = special[i / 3 % 5];
      std::vector<T> expected(input.size()), expected_grad(input.size());
      for (std::size_t i = 0; i < input.size(); ++i) {
        expected[i] = input[i] < 0 ? T{0} : input[i];
        expected_grad[i] = input[i] <= 0 ? T{0} : gradient[i];
      }
      std::vector<T> result(input.size());
      activation_forward(relu, dtype_of<T>, size, input.data(), result.data(), isa);
      CHECK(same(result, expected));
      activation_grad(relu, 1, dtype_of<T>, size, input.data(), gradient.data(), result.data(), isa);
      CHECK(same(result, expected_grad));
      activation_forward(relu, dtype_of<T>, size, input.data(), input.data(), isa);
      CHECK(same(input, expected));
    }
  }
}

// log p of every element, by the definition.
template <class T>
std::vector<double> log_softmax(const ClassShape& shape, const std::vector<T>& input) {
  std::vector<double> result(input.size());
  for (std::int64_t o = 0; o < shape.outer; ++o)
    for (std::int64_t i = 0; i < shape.inner; ++i) {
      const auto at = [&](std::int64_t c) {
        return static_cast<std::size_t>((o * shape.classes + c) * shape.inner + i);
      };
      long double sum = 0;
      for (std::int64_t c = 0; c < shape.classes; ++c)
        sum += std::exp(static_cast<long double>(input[at(c)]));
      for (std::int64_t c = 0; c < shape.classes; ++c)
        result[at(c)] = static_cast<double>(static_cast<long double>(input[at(c)]) - std::log(sum));
    }
  return result;
}

template <class T>
void test_softmax(Random& random, const ClassShape& shape) {
  const std::vector<T> input = draw<T>(random, shape.outer * shape.classes * shape.inner);
  const std::vector<double> log_p = log_softmax(shape, input);
  std::vector<double> p(log_p);
  for (double& x : p) x = std::exp(x);

  std::vector<T> result(input.size());
  log_softmax_forward(shape, dtype_of<T>, input.data(), result.data());
  CHECK(near(result, log_p));
  softmax_forward(shape, dtype_of<T>, input.data(), result.data());
  CHECK(near(result, p));

  // The gradients: y (g - <y, g>) and g - exp(y) <1, g>.
  const std::vector<T> g = draw<T>(random, static_cast<std::int64_t>(input.size()));
  std::vector<T> gradient(input.size()), log_gradient(input.size()), log_result(input.size());
  log_softmax_forward(shape, dtype_of<T>, input.data(), log_result.data());
  std::vector<double> expected(input.size()), log_expected(input.size());
  for (std::int64_t o = 0; o < shape.outer; ++o)
    for (std::int64_t i = 0; i < shape.inner; ++i) {
      const auto at = [&](std::int64_t c) {
        return static_cast<std::size_t>((o * shape.classes + c) * shape.inner + i);
      };
      double product = 0, total = 0;
      for (std::int64_t c = 0; c < shape.classes; ++c) {
        product += p[at(c)] * static_cast<double>(g[at(c)]);
        total += static_cast<double>(g[at(c)]);
      }
      for (std::int64_t c = 0; c < shape.classes; ++c) {
        expected[at(c)] = p[at(c)] * (static_cast<double>(g[at(c)]) - product);
        log_expected[at(c)] = static_cast<double>(g[at(c)]) - p[at(c)] * total;
      }
    }
  for (const Isa isa : available_isas()) {
    softmax_grad(shape, dtype_of<T>, result.data(), g.data(), gradient.data(), isa);
    CHECK(near(gradient, expected));
    log_softmax_grad(shape, dtype_of<T>, log_result.data(), g.data(), log_gradient.data(), isa);
    CHECK(near(log_gradient, log_expected));
  }
}

void test_values() {
  const double infinity = std::numeric_limits<double>::infinity();
  const std::vector<double> input{1000, 1000, -infinity, 1000};
  std::vector<double> result(4);
  softmax_forward({1, 4, 1}, DType::float64, input.data(), result.data());
  CHECK(near(result, {1.0 / 3, 1.0 / 3, 0, 1.0 / 3}));
  softmax_forward({1, 2, 2}, DType::float64, input.data(), result.data());
  CHECK(near(result, {1, 0.5, 0, 0.5}));
}

template <class T>
void test_all(Random& random) {
  test_relu<T>(random);
  for (const ClassShape& shape : {ClassShape{3, 10, 1},
                                  {1, 5, 1},
                                  {2, 7, 63},
                                  {2, 3, 65},
                                  {1, 4, 200},
                                  {700, 12, 1},
                                  {0, 3, 1},
                                  {2, 3, 0},
                                  {2, 1, 3}})
    test_softmax<T>(random, shape);
}

}  // namespace

void test_elementwise() {
  Random random(2);
  test_values();
  test_all<float>(random);
  test_all<double>(random);
}

}  // namespace convnative::test
