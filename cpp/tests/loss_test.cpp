// Losses against their definitions, and their derivatives against differences.
#include "convnative/loss.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <vector>

#include "check.h"
#include "convnative/runtime.h"
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

// Where element (c, i) of image o is, in an array of this shape.
std::size_t place(const ClassShape& shape, std::int64_t o, std::int64_t c, std::int64_t i) {
  return static_cast<std::size_t>((o * shape.classes + c) * shape.inner + i);
}

// log p of every element, by the definition.
template <class T>
std::vector<double> log_softmax(const ClassShape& shape, const std::vector<T>& input) {
  std::vector<double> result(input.size());
  for (std::int64_t o = 0; o < shape.outer; ++o)
    for (std::int64_t i = 0; i < shape.inner; ++i) {
      long double sum = 0;
      for (std::int64_t c = 0; c < shape.classes; ++c)
        sum += std::exp(static_cast<long double>(input[place(shape, o, c, i)]));
      for (std::int64_t c = 0; c < shape.classes; ++c)
        result[place(shape, o, c, i)] =
            static_cast<double>(static_cast<long double>(input[place(shape, o, c, i)]) - std::log(sum));
    }
  return result;
}

template <class T>
void test_class_indices(Random& random, const ClassShape& shape, double label_smoothing, bool weighted) {
  const std::vector<T> input = draw<T>(random, shape.outer * shape.classes * shape.inner);
  const std::vector<double> log_p = log_softmax(shape, input);
  std::vector<T> class_weight = draw<T>(random, shape.classes);
  for (T& w : class_weight) w = weighted ? std::fabs(w) : T{1};
  const auto points = static_cast<std::size_t>(shape.points());
  std::vector<std::int64_t> target(points);
  for (std::size_t i = 0; i < points; ++i) target[i] = i % 5 == 4 ? -7 : random.between(0, shape.classes - 1);
  const std::vector<T> grad_losses = draw<T>(random, shape.points());

  std::vector<double> losses(points), gradient(input.size()), nll(points), nll_gradient(input.size());
  double total_weight = 0;
  for (std::size_t point = 0; point < points; ++point) {
    if (target[point] == -7) continue;
    const std::int64_t o = static_cast<std::int64_t>(point) / shape.inner;
    const std::int64_t i = static_cast<std::int64_t>(point) % shape.inner;
    const auto at = [&](std::int64_t c) { return place(shape, o, c, i); };
    const auto w = [&](std::int64_t c) {
      return static_cast<double>(class_weight[static_cast<std::size_t>(c)]);
    };
    const double g = static_cast<double>(grad_losses[point]);
    total_weight += w(target[point]);
    nll[point] = -w(target[point]) * static_cast<double>(input[at(target[point])]);
    nll_gradient[at(target[point])] = -w(target[point]) * g;
    for (std::int64_t c = 0; c < shape.classes; ++c) {
      const double q = w(c) * (label_smoothing / static_cast<double>(shape.classes) +
                               (c == target[point] ? 1 - label_smoothing : 0));
      losses[point] -= q * log_p[at(c)];
      for (std::int64_t other = 0; other < shape.classes; ++other)
        gradient[at(other)] += g * q * (std::exp(log_p[at(other)]) - (c == other ? 1 : 0));
    }
  }
  const ClassTargets targets{shape, target.data(), weighted ? class_weight.data() : nullptr, -7};
  std::vector<T> loss(points), result(input.size());
  cross_entropy_forward(targets, label_smoothing, dtype_of<T>, input.data(), loss.data());
  CHECK(near(loss, losses));
  cross_entropy_grad(targets, label_smoothing, dtype_of<T>, input.data(), grad_losses.data(), result.data());
  CHECK(near(result, gradient));
  nll_forward(targets, dtype_of<T>, input.data(), loss.data());
  CHECK(near(loss, nll));
  nll_grad(targets, dtype_of<T>, grad_losses.data(), result.data());
  CHECK(near(result, nll_gradient));
  CHECK(std::fabs(target_weight(targets, dtype_of<T>) - total_weight) <= 1e-12 * total_weight);
}

// So small that all sums of products are exact.
template <class T>
std::vector<T> draw_integers(Random& random, std::int64_t size) {
  std::vector<T> values(static_cast<std::size_t>(size));
  for (T& value : values) value = static_cast<T>(random.between(-8, 8));
  return values;
}

template <class T>
void test_class_products(Random& random, const ClassShape& shape) {
  const ClassProduct problem{shape, 0.75, 0.125};
  const std::int64_t size = shape.outer * shape.classes * shape.inner;
  const std::vector<T> input = draw_integers<T>(random, size), p = draw_integers<T>(random, size);
  const std::vector<T> weight = draw_integers<T>(random, shape.classes),
                       g = draw_integers<T>(random, shape.points());
  std::vector<double> losses(g.size()), products(p.size()), over_points(weight.size());
  for (std::int64_t o = 0; o < shape.outer; ++o)
    for (std::int64_t c = 0; c < shape.classes; ++c)
      for (std::int64_t i = 0; i < shape.inner; ++i) {
        const std::size_t at = place(shape, o, c, i), point = static_cast<std::size_t>(o * shape.inner + i);
        const std::size_t of_class = static_cast<std::size_t>(c);
        const double q = 0.75 * static_cast<double>(p[at]) + 0.125, x = static_cast<double>(input[at]);
        losses[point] -= static_cast<double>(weight[of_class]) * q * x;
        products[at] = -static_cast<double>(weight[of_class]) * q * static_cast<double>(g[point]);
        over_points[of_class] -= static_cast<double>(g[point]) * q * x;
      }
  std::vector<T> loss(g.size()), result(p.size()), sums(weight.size());
  class_product_forward(problem, dtype_of<T>, input.data(), p.data(), weight.data(), loss.data());
  CHECK(near(loss, losses));
  class_product_grad(problem, dtype_of<T>, p.data(), weight.data(), g.data(), result.data());
  CHECK(near(result, products));
  class_product_points(problem, dtype_of<T>, input.data(), p.data(), g.data(), sums.data());
  CHECK(near(sums, over_points));
}

// What f and its derivatives are at one place.
double evaluate(const std::string& loss, Derivative derivative, double x, double t) {
  double result = 0;
  PairwiseLoss problem{loss, derivative, 0.7, 1, &x, &t};
  pairwise_loss(problem, DType::float64, &result);
  return result;
}

// Every derivative of every row is the slope of the function that it belongs to.
void test_pairwise_derivatives() {
  using D = Derivative;
  struct Slope {
    D function, in_x, in_t;
  };
  constexpr Slope slopes[] = {{D::value, D::dx, D::dt}, {D::dx, D::dxx, D::dxt}, {D::dt, D::dxt, D::dtt}};
  constexpr double places[][2] = {{0.3, 0.6}, {0.9, 0.11}, {0.5, 0.37}, {0.15, 0.95}};
  constexpr double h = 1e-6;
  for (const std::string& loss : pairwise_losses())
    for (const Slope& slope : slopes)
      for (const auto& [x, t] : places) {
        const double in_x =
            (evaluate(loss, slope.function, x + h, t) - evaluate(loss, slope.function, x - h, t)) / (2 * h);
        const double in_t =
            (evaluate(loss, slope.function, x, t + h) - evaluate(loss, slope.function, x, t - h)) / (2 * h);
        const double dx = evaluate(loss, slope.in_x, x, t), dt = evaluate(loss, slope.in_t, x, t);
        if (!CHECK(std::fabs(in_x - dx) <= 1e-6 * (1 + std::fabs(dx))))
          std::fprintf(stderr, "%s\n", loss.c_str());
        if (!CHECK(std::fabs(in_t - dt) <= 1e-6 * (1 + std::fabs(dt))))
          std::fprintf(stderr, "%s\n", loss.c_str());
      }
}

template <class T>
void test_pairwise_sums(Random& random) {
  for (const std::int64_t size : {0, 1, 7, 8, 9, 511, 512, 513, 16384, 16385, 70001}) {
    const std::vector<T> x = draw<T>(random, size), t = draw<T>(random, size);
    const std::vector<T> w = draw<T>(random, size), g = draw<T>(random, size);
    PairwiseLoss problem{"mse", Derivative::value, 0, size, x.data(), t.data(), w.data(), g.data()};
    problem.divisor = 3;
    std::vector<double> expected(x.size());
    long double total = 0, magnitude = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double e = static_cast<double>(x[i]) - static_cast<double>(t[i]);
      expected[i] = static_cast<double>(g[i]) * static_cast<double>(w[i]) * e * e / 3;
      total += expected[i];
      magnitude += std::fabs(expected[i]);
    }
    std::vector<T> result(x.size());
    pairwise_loss(problem, dtype_of<T>, result.data());
    CHECK(near(result, expected));
    const double sum_of_terms = pairwise_loss_sum(problem, dtype_of<T>);
    CHECK(std::fabs(sum_of_terms - static_cast<double>(total)) <= 1e-13 * static_cast<double>(magnitude));

    const T factor = T{2};
    problem.grad = &factor;
    problem.one_grad = true;
    problem.weight = nullptr;
    long double doubled = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const long double e = static_cast<long double>(x[i]) - static_cast<long double>(t[i]);
      doubled += 2 * e * e / 3;
    }
    CHECK(std::fabs(pairwise_loss_sum(problem, dtype_of<T>) - static_cast<double>(doubled)) <=
          1e-13 * static_cast<double>(doubled));
  }
}

void test_bounds() {
  // Ignored points are 0 whatever the input holds there.
  const std::vector<double> spoilt{std::nan(""), 1};
  const std::int64_t ignored = -100;
  std::vector<double> loss{42}, gradient{42, 42}, grad_losses{1};
  const ClassTargets targets{{1, 2, 1}, &ignored};
  cross_entropy_forward(targets, 0, DType::float64, spoilt.data(), loss.data());
  cross_entropy_grad(targets, 0, DType::float64, spoilt.data(), grad_losses.data(), gradient.data());
  CHECK(same(loss, {0}));
  CHECK(same(gradient, {0, 0}));

  for (const std::int64_t wrong :
       {std::int64_t{2}, std::int64_t{-1}, std::numeric_limits<std::int64_t>::min()}) {
    const ClassTargets beyond{{1, 2, 1}, &wrong};
    CHECK_THROWS(std::out_of_range,
                 cross_entropy_forward(beyond, 0, DType::float64, spoilt.data(), loss.data()));
    CHECK_THROWS(std::out_of_range, nll_forward(beyond, DType::float64, spoilt.data(), loss.data()));
    CHECK_THROWS(std::out_of_range, target_weight(beyond, DType::float64));
  }
  for (const double wrong : {-0.1, 1.5, std::nan("")})
    CHECK_THROWS(std::invalid_argument,
                 cross_entropy_forward(targets, wrong, DType::float64, spoilt.data(), loss.data()));

  const double one = 1, beyond_one = 1.5;
  double result = 42;
  const auto attempt = [&](const char* name, double parameter, const double* x, const double* t) {
    pairwise_loss({name, Derivative::value, parameter, 1, x, t}, DType::float64, &result);
  };
  CHECK_THROWS(std::invalid_argument, attempt("none such", 0, &one, &one));
  CHECK_THROWS(std::invalid_argument, attempt("huber", 0, &one, &one));
  CHECK_THROWS(std::invalid_argument, attempt("smooth_l1", -1, &one, &one));
  CHECK_THROWS(std::invalid_argument, attempt("binary_cross_entropy", 0, &beyond_one, &one));
  CHECK_THROWS(std::invalid_argument, attempt("binary_cross_entropy", 0, &one, &beyond_one));
  CHECK(result == 42);
}

template <class T>
void test_all(Random& random) {
  test_pairwise_sums<T>(random);
  for (const ClassShape& shape : {ClassShape{3, 10, 1},
                                  {1, 5, 1},
                                  {2, 7, 63},
                                  {2, 3, 65},
                                  {1, 4, 200},
                                  {700, 12, 1},
                                  {0, 3, 1},
                                  {2, 3, 0},
                                  {2, 1, 3}}) {
    for (const double label_smoothing : {0.0, 0.3, 1.0})
      for (const bool weighted : {false, true})
        test_class_indices<T>(random, shape, label_smoothing, weighted);
    test_class_products<T>(random, shape);
  }
}

}  // namespace

void test_loss() {
  Random random(3);
  test_bounds();
  test_pairwise_derivatives();
  test_all<float>(random);
  test_all<double>(random);
}

}  // namespace convnative::test
