// Normalisation against its definition, for every instruction-set level that the CPU has.
#include "convnative/normalization.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "check.h"
#include "convnative/runtime.h"
#include "normalization/kernels.h"
#include "random.h"
#include "tests.h"

namespace convnative::test {
namespace {

template <class T>
std::vector<T> draw(Random& random, std::int64_t size) {
  std::vector<T> values(static_cast<std::size_t>(size));
  for (T& value : values) value = static_cast<T>(random.between(-1000, 1000)) / T{256};
  return values;
}

std::int64_t group_of(const NormShape& shape, std::int64_t element) {
  const std::int64_t plane = element / shape.inner;
  return shape.across_batch ? plane % shape.channels : plane / (shape.channels / shape.groups);
}

template <class T>
bool near(const std::vector<T>& a, const std::vector<double>& b) {
  const double tolerance = 256 * static_cast<double>(std::numeric_limits<T>::epsilon());
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!(std::fabs(static_cast<double>(a[i]) - b[i]) <= tolerance * (1 + std::fabs(b[i])))) return false;
  return true;
}

template <class T>
bool same(const std::vector<T>& a, const std::vector<T>& b) {
  return a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

template <class T>
void test_shape(Random& random, const NormShape& shape) {
  const auto size = static_cast<std::size_t>(shape.size()),
             count = static_cast<std::size_t>(shape.group_count());
  const std::vector<T> x = draw<T>(random, shape.size()), g = draw<T>(random, shape.size());
  const std::vector<T> weight = draw<T>(random, shape.channels), bias = draw<T>(random, shape.channels);
  const auto elements = static_cast<double>(shape.group_size());
  const auto at = [&](std::size_t i) {
    return static_cast<std::size_t>(group_of(shape, static_cast<std::int64_t>(i)));
  };
  const auto channel = [&](std::size_t i) {
    return static_cast<std::size_t>(static_cast<std::int64_t>(i) / shape.inner % shape.channels);
  };

  std::vector<double> mean(count), variance(count), inverse(count);
  for (std::size_t i = 0; i < size; ++i) mean[at(i)] += static_cast<double>(x[i]) / elements;
  for (std::size_t i = 0; i < size; ++i)
    variance[at(i)] += std::pow(static_cast<double>(x[i]) - mean[at(i)], 2) / elements;
  for (std::size_t q = 0; q < count; ++q) inverse[q] = 1 / std::sqrt(variance[q] + 0.01);
  std::vector<double> y(size), grad_input(size), grad_weight(weight.size()), grad_bias(weight.size());
  std::vector<double> u(count), uz(count);
  for (std::size_t i = 0; i < size; ++i) {
    const double z = (static_cast<double>(x[i]) - mean[at(i)]) * inverse[at(i)],
                 gradient = static_cast<double>(g[i]);
    y[i] = z * static_cast<double>(weight[channel(i)]) + static_cast<double>(bias[channel(i)]);
    grad_weight[channel(i)] += gradient * z;
    grad_bias[channel(i)] += gradient;
    u[at(i)] += gradient * static_cast<double>(weight[channel(i)]) / elements;
    uz[at(i)] += gradient * static_cast<double>(weight[channel(i)]) * z / elements;
  }
  for (std::size_t i = 0; i < size; ++i) {
    const double z = (static_cast<double>(x[i]) - mean[at(i)]) * inverse[at(i)];
    grad_input[i] = inverse[at(i)] * (static_cast<double>(g[i]) * static_cast<double>(weight[channel(i)]) -
                                      u[at(i)] - z * uz[at(i)]);
  }

  std::vector<T> first;
  for (const Isa isa : available_isas()) {
    CHECK(norm_kernels<T>(isa).isa == isa);
    std::vector<double> measured_mean(count), measured_variance(count);
    norm_moments(shape, dtype_of<T>, x.data(), measured_mean.data(), measured_variance.data(), isa);
    CHECK(near(measured_mean, mean));
    CHECK(near(measured_variance, variance));
    const NormParameters parameters{mean.data(), inverse.data(), weight.data(), bias.data()};
    std::vector<T> result(size), of_weight(weight.size()), of_bias(weight.size());
    norm_forward(shape, parameters, dtype_of<T>, x.data(), result.data(), isa);
    CHECK(near(result, y));
    norm_grad(shape, parameters, false, dtype_of<T>, x.data(), g.data(),
              {result.data(), of_weight.data(), of_bias.data()}, isa);
    CHECK(near(result, grad_input));
    CHECK(near(of_weight, grad_weight));
    CHECK(near(of_bias, grad_bias));
    if (first.empty()) first = result;
    CHECK(same(result, first));
  }
}

template <class T>
void test_all(Random& random) {
  for (const NormShape& shape : {NormShape{3, 4, 40, 1, true},
                                 {5, 3, 1, 1, true},
                                 {300, 3, 5, 1, true},
                                 {2, 2, 9000, 1, true},
                                 {2, 6, 40, 3, false},
                                 {140, 6, 5, 2, false},
                                 {4, 67, 1, 1, false},
                                 {2, 9000, 1, 1, false},
                                 {0, 4, 3, 2, false},
                                 {2, 4, 0, 1, true}})
    test_shape<T>(random, shape);
}

void test_local_response() {
  const std::vector<double> x{1, 2, 3, 4}, g{1, 0, 0, 0};
  std::vector<double> y(4), sum(4);
  const LocalResponse problem{1, 4, 1, 2, 2.0, 1.0, 1.0};  // scale: 1 + x[c - 1]^2 + x[c]^2
  local_response_forward(problem, DType::float64, x.data(), y.data());
  CHECK(near(y, {1.0 / 2, 2.0 / 6, 3.0 / 14, 4.0 / 26}));
  channel_window_sum(problem, false, DType::float64, x.data(), sum.data());
  CHECK(near(sum, {1, 3, 5, 7}));
  channel_window_sum(problem, true, DType::float64, x.data(), sum.data());
  CHECK(near(sum, {3, 5, 7, 4}));
  local_response_grad(problem, DType::float64, x.data(), g.data(), y.data());
  CHECK(near(y, {1.0 / 2 - 2.0 / 4, 0, 0, 0}));
}

}  // namespace

void test_normalization() {
  Random random(3);
  test_all<float>(random);
  test_all<double>(random);
  test_local_response();
}

}  // namespace convnative::test
