// Pooling against the plain loops of ref/, for every instruction-set level that the CPU has.
#include "convnative/pool.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <utility>
#include <vector>

#include "check.h"
#include "convnative/runtime.h"
#include "pool/kernels.h"
#include "random.h"
#include "ref/pool.h"
#include "tests.h"

namespace convnative::test {
namespace {

struct Case {
  int axes;
  std::vector<std::int64_t> input;
  PoolParameters parameters;
};

Extents extents(std::int64_t depth, std::int64_t height, std::int64_t width) {
  return {depth, height, width};
}

// Kernels, strides, dilations and paddings 1 to 7 on widths around the vectors' sizes, in one to three axes.
std::vector<Case> random_cases(Random& random, int count) {
  const auto draw = [&](std::int64_t low, std::int64_t high) { return random.between(low, high); };
  std::vector<Case> cases;
  while (static_cast<int>(cases.size()) < count) {
    // Now and then planes enough for one to each lane, and some more.
    Case c{static_cast<int>(draw(1, 3)), {draw(1, 2), draw(1, 4) == 4 ? draw(4, 19) : draw(1, 3)}, {}};
    for (int axis = max_axes - c.axes; axis < max_axes; ++axis) {
      const auto a = static_cast<std::size_t>(axis);
      c.input.push_back(axis == 2 ? draw(1, 67) : draw(1, 9));
      c.parameters.kernel[a] = draw(1, axis == 2 ? 7 : 4);
      c.parameters.stride[a] = draw(1, 4);
      c.parameters.dilation[a] = draw(1, 3) == 3 ? draw(1, 3) : 1;
      const std::int64_t span = c.parameters.dilation[a] * (c.parameters.kernel[a] - 1);
      c.parameters.padding.before[a] = draw(0, span);
      c.parameters.padding.after[a] = draw(0, span);
      c.parameters.padding.per_side = true;
    }
    c.parameters.ceil_mode = draw(0, 1) == 1;
    try {
      make_pool_shape(c.axes, c.input, c.parameters);
      cases.push_back(c);
    } catch (const std::invalid_argument&) {
      // The window does not fit: draw again.
    }
  }
  return cases;
}

// Where windows overlap much (separable), kernels larger than the input, strides beyond it, wide rows, tall
// planes.
std::vector<Case> chosen_cases() {
  const auto make = [](int axes, std::vector<std::int64_t> input, Extents kernel, Extents stride,
                       Extents padding, bool ceil_mode = false, Extents dilation = {1, 1, 1}) {
    return Case{
        axes,
        std::move(input),
        {kernel, stride, dilation, {Padding::Kind::explicit_sizes, padding, padding, false}, ceil_mode}};
  };
  const std::int64_t huge = std::int64_t{1} << 40;
  return {
      make(2, {2, 3, 20, 70}, {1, 3, 3}, {1, 1, 1}, {0, 1, 1}),
      make(2, {1, 2, 33, 41}, {1, 5, 5}, {1, 1, 1}, {0, 2, 2}),
      make(2, {1, 1, 40, 37}, {1, 13, 13}, {1, 1, 1}, {0, 6, 6}),
      make(2, {1, 1, 300, 300}, {1, 5, 5}, {1, 1, 1}, {0, 2, 2}),
      make(2, {1, 1, 12, 5000}, {1, 9, 3}, {1, 2, 2}, {0, 4, 1}, true),
      make(2, {1, 2, 700, 19}, {1, 200, 2}, {1, 3, 1}, {0, 100, 0}),
      make(3, {1, 2, 9, 10, 35}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}),
      make(3, {1, 2, 9, 10, 35}, {3, 5, 5}, {2, 1, 2}, {1, 2, 2}, true),
      make(2, {2, 2, 9, 64}, {1, 2, 2}, {1, 2, 2}, {0, 0, 0}),
      make(2, {2, 2, 9, 65}, {1, 3, 3}, {1, 2, 2}, {0, 1, 1}),
      make(2, {1, 2, 7, 7}, {1, 7, 7}, {1, 7, 7}, {0, 0, 0}),
      make(1, {1, 1, 100}, {1, 1, 4}, {1, 1, 70}, {0, 0, 2}, true),
      make(1, {1, 1, 10}, {1, 1, huge}, {1, 1, 3}, {0, 0, huge / 2}),
      make(2, {1, 1, 3, 10}, {1, huge, huge}, {1, 1, 1}, {0, huge / 2, huge / 2}),
      make(1, {1, 1, 10}, {1, 1, 3}, {1, 1, std::numeric_limits<std::int64_t>::max()}, {0, 0, 1}),
      make(2, {1, 1, 2, 6}, {1, 4, 1}, {1, 4 * huge, 1}, {0, 0, 0}, true,
           {1, huge, std::numeric_limits<std::int64_t>::max()}),
      Case{1,
           {1, 1, 10},
           {extents(1, 1, huge),
            extents(1, 1, huge / 2),
            extents(1, 1, 1),
            {Padding::Kind::explicit_sizes, extents(0, 0, huge - 1), extents(0, 0, huge - 2), true},
            false}},
      Case{2,  // windows that dilation leaves without an element
           {1, 2, 1, 2},
           {extents(1, 2, 2),
            extents(1, 1, 1),
            extents(1, 3, 4),
            {Padding::Kind::explicit_sizes, extents(0, 3, 4), extents(0, 2, 3), true},
            false}},
  };
}

template <class T>
std::vector<T> draw(Random& random, std::int64_t size, int magnitude) {
  std::vector<T> values(static_cast<std::size_t>(size));
  for (T& value : values) value = static_cast<T>(random.between(-magnitude, magnitude));
  return values;
}

// Few different values: zeros of both signs, infinities, mostly -infinity, and now and then a NaN.
template <class T>
std::vector<T> draw_hostile(Random& random, std::int64_t size) {
  constexpr T infinity = std::numeric_limits<T>::infinity();
  constexpr T choices[] = {T{0}, -T{0}, T{1}, -T{1}, infinity, -infinity, -infinity, -infinity};
  std::vector<T> values(static_cast<std::size_t>(size));
  for (T& value : values)
    value = random.between(0, 40) == 0 ? std::numeric_limits<T>::quiet_NaN() : choices[random.between(0, 7)];
  return values;
}

// The same bits, or both NaN.
template <class T>
bool same(const std::vector<T>& a, const std::vector<T>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!(std::isnan(a[i]) && std::isnan(b[i])) && std::memcmp(&a[i], &b[i], sizeof(T)) != 0) return false;
  return true;
}

template <class T>
bool near(const std::vector<T>& a, const std::vector<T>& b, double tolerance) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!(std::isnan(a[i]) && std::isnan(b[i])) &&
        !(std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[i])) <= tolerance))
      return false;
  return true;
}

template <class T>
std::vector<T> empty(std::int64_t size) {
  return std::vector<T>(static_cast<std::size_t>(size), T{42});
}

template <class T>
void test_max(const PoolShape& shape, Random& random) {
  const std::vector<T> grad_output = draw<T>(random, shape.output_size(), 99);
  const std::vector<T> values = draw<T>(random, shape.input_size(), 99);
  for (const std::vector<T>& input :
       {draw<T>(random, shape.input_size(), 3), draw_hostile<T>(random, shape.input_size())}) {
    std::vector<T> output = empty<T>(shape.output_size()), grad = empty<T>(shape.input_size()),
                   picked = empty<T>(shape.output_size());
    std::vector<std::int64_t> positions(output.size()), indices(output.size());
    ref::max_pool_with_indices(shape, input.data(), output.data(), positions.data());
    ref::max_pool_grad(shape, input.data(), grad_output.data(), grad.data());
    ref::max_pool_pick(shape, input.data(), values.data(), picked.data());
    for (const Isa isa : available_isas()) {
      std::vector<T> result = empty<T>(shape.output_size());
      max_pool_forward(shape, dtype_of<T>, input.data(), result.data(), isa);
      CHECK(same(result, output));
      max_pool_with_indices(shape, dtype_of<T>, input.data(), result.data(), indices.data(), isa);
      CHECK(same(result, output));
      CHECK(indices == positions);
      max_pool_pick(shape, dtype_of<T>, input.data(), values.data(), result.data(), isa);
      CHECK(same(result, picked));
      std::vector<T> gradient = empty<T>(shape.input_size());
      max_pool_grad(shape, dtype_of<T>, input.data(), grad_output.data(), gradient.data(), isa);
      CHECK(same(gradient, grad));
    }
  }
}

template <class T>
void test_avg(const PoolShape& shape, const AvgPoolDivisor& divisor, Random& random) {
  // Sums of small integers are exact: with a divisor of 1 every order gives the same bits.
  const bool exact = divisor.fixed == 1;
  const std::vector<T> input = draw<T>(random, shape.input_size(), 9);
  const std::vector<T> grad_output = draw<T>(random, shape.output_size(), 9);
  std::vector<T> output = empty<T>(shape.output_size()), grad = empty<T>(shape.input_size());
  ref::avg_pool_forward(shape, divisor, input.data(), output.data());
  ref::avg_pool_grad(shape, divisor, grad_output.data(), grad.data());
  const double tolerance = exact ? 0 : 1e3 * static_cast<double>(std::numeric_limits<T>::epsilon());
  std::vector<T> first_output, first_grad;
  for (const Isa isa : available_isas()) {
    std::vector<T> result = empty<T>(shape.output_size()), gradient = empty<T>(shape.input_size());
    avg_pool_forward(shape, divisor, dtype_of<T>, input.data(), result.data(), isa);
    avg_pool_grad(shape, divisor, dtype_of<T>, grad_output.data(), gradient.data(), isa);
    CHECK(near(result, output, tolerance));
    CHECK(near(gradient, grad, tolerance));
    if (isa == Isa::baseline) {
      first_output = result;
      first_grad = gradient;
    }
    CHECK(same(result, first_output));
    CHECK(same(gradient, first_grad));
  }
}

template <class T>
void test_lp(const PoolShape& shape, const LpNorm& norm, Random& random) {
  std::vector<T> input = draw<T>(random, shape.input_size(), 9);
  for (T& x : input) x = x == 0 ? T{1} : x;
  const std::vector<T> grad_output = draw<T>(random, shape.output_size(), 9);
  std::vector<T> output = empty<T>(shape.output_size()), grad = empty<T>(shape.input_size());
  ref::lp_pool_forward(shape, norm, input.data(), output.data());
  ref::lp_pool_grad(shape, norm, input.data(), output.data(), grad_output.data(), grad.data());
  const double tolerance = 1e5 * static_cast<double>(std::numeric_limits<T>::epsilon());
  for (const Isa isa : available_isas()) {
    std::vector<T> result = empty<T>(shape.output_size()), gradient = empty<T>(shape.input_size());
    lp_pool_forward(shape, norm, dtype_of<T>, input.data(), result.data(), isa);
    lp_pool_grad(shape, norm, dtype_of<T>, input.data(), output.data(), grad_output.data(), gradient.data(),
                 isa);
    CHECK(near(result, output, tolerance));
    CHECK(near(gradient, grad, tolerance));
  }
}

// Adaptive and fractional pools and the moves by index: the adjoint of picking is adding, and the windows'
// maxima are what is picked at their indices.
template <class T>
void test_planes(Random& random) {
  for (int count = 0; count < 50; ++count) {
    const auto size = [&] { return random.between(1, 20); };
    const PlaneShape shape = make_plane_shape(2, {2, random.between(1, 19), size(), 3 * size()},
                                              {1, random.between(1, 25), random.between(1, 70)});
    const std::vector<T> input = draw<T>(random, shape.input_size(), 99);
    std::vector<T> output = empty<T>(shape.output_size()), picked = empty<T>(shape.output_size());
    std::vector<std::int64_t> indices(output.size());
    for (const Isa isa : available_isas()) {
      adaptive_max_pool_forward(shape, dtype_of<T>, input.data(), output.data(), indices.data(), isa);
      indexed_pick(shape, dtype_of<T>, input.data(), indices.data(), 0, picked.data());
      CHECK(same(picked, output));
    }
    std::vector<T> fractions = input;
    for (T& x : fractions) x /= T{97};
    std::vector<T> averages[2] = {output, output}, gradients[2] = {input, input};
    for (const Isa isa : available_isas()) {
      const std::size_t run = isa == Isa::baseline ? 0 : 1;
      adaptive_avg_pool_forward(shape, dtype_of<T>, fractions.data(), averages[run].data(), isa);
      adaptive_avg_pool_grad(shape, dtype_of<T>, averages[0].data(), gradients[run].data(), isa);
      if (run == 0) averages[1] = averages[0], gradients[1] = gradients[0];
      CHECK(same(averages[1], averages[0]));
      CHECK(same(gradients[1], gradients[0]));
    }
    PlaneShape back = shape;
    std::swap(back.input, back.output);
    std::vector<T> added = empty<T>(shape.input_size());
    indexed_add(back, dtype_of<T>, output.data(), indices.data(), added.data());
    double left = 0, right = 0;
    for (std::size_t i = 0; i < added.size(); ++i) left += static_cast<double>(added[i] * input[i]);
    for (std::size_t i = 0; i < picked.size(); ++i) right += static_cast<double>(picked[i] * output[i]);
    CHECK(left == right);

    // Ones average to one, and the gradient's sum is that of what came in.
    const std::vector<T> ones(input.size(), T{1});
    adaptive_avg_pool_forward(shape, dtype_of<T>, ones.data(), output.data());
    CHECK(same(output, std::vector<T>(output.size(), T{1})));
    adaptive_avg_pool_grad(shape, dtype_of<T>, output.data(), added.data());
    double sum = 0;
    for (const T x : added) sum += static_cast<double>(x);
    CHECK(std::fabs(sum - static_cast<double>(output.size())) < 1e-3 * sum);
  }
  const PlaneShape shape = make_plane_shape(1, {1, 1, 2}, {1, 1, 4});
  const std::vector<T> values{1, 2};
  std::vector<T> output = empty<T>(4);
  for (const std::int64_t bad : {std::int64_t{-1}, std::int64_t{4}, (std::int64_t{1} << 32) + 3}) {
    const std::vector<std::int64_t> indices{0, bad};
    CHECK_THROWS(std::out_of_range,
                 max_unpool_forward(shape, dtype_of<T>, values.data(), indices.data(), output.data()));
    CHECK(same(output, empty<T>(4)));
  }
}

template <class T>
void test_threads(Random& random) {
  const int threads = num_threads();
  for (const std::int64_t kernel : {2, 5}) {
    PoolParameters parameters;
    parameters.kernel = {1, kernel, kernel};
    parameters.stride = {1, 1, kernel == 2 ? 2 : 1};
    const PoolShape shape = make_pool_shape(2, {2, 5, 130, 160}, parameters);
    std::vector<T> input(static_cast<std::size_t>(shape.input_size()));
    for (T& x : input) x = static_cast<T>(random.between(-1000000, 1000000)) / T{999983};
    std::vector<T> results[2][4];
    for (const int run : {0, 1}) {
      set_num_threads(run == 0 ? 1 : 3);
      for (int i = 0; i < 4; ++i)
        results[run][i] = empty<T>(i % 2 == 0 ? shape.output_size() : shape.input_size());
      max_pool_forward(shape, dtype_of<T>, input.data(), results[run][0].data());
      max_pool_grad(shape, dtype_of<T>, input.data(), results[run][0].data(), results[run][1].data());
      avg_pool_forward(shape, {}, dtype_of<T>, input.data(), results[run][2].data());
      avg_pool_grad(shape, {}, dtype_of<T>, results[run][2].data(), results[run][3].data());
    }
    for (int i = 0; i < 4; ++i) CHECK(same(results[0][i], results[1][i]));
  }
  set_num_threads(threads);
}

template <class T>
void test_all(Random& random) {
  std::vector<Case> cases = chosen_cases();
  for (Case& drawn : random_cases(random, 400)) cases.push_back(drawn);
  int number = 0;
  for (const Case& c : cases) {
    const PoolShape shape = make_pool_shape(c.axes, c.input, c.parameters);
    const int failures_before = failures;
    test_max<T>(shape, random);
    for (const AvgPoolDivisor divisor : {AvgPoolDivisor{true, 0}, {false, 0}, {true, 1}, {true, -3}})
      test_avg<T>(shape, divisor, random);
    if (++number % 4 == 0)
      for (const LpNorm norm : {LpNorm{1, true, true}, {2, false, false}, {2.5, true, true}})
        test_lp<T>(shape, norm, random);
    if (failures > failures_before)
      for (std::size_t axis = 0; axis < max_axes; ++axis)
        std::fprintf(
            stderr, "  axis %zu: input %lld kernel %lld stride %lld dilation %lld padding %lld %lld\n", axis,
            static_cast<long long>(shape.input[axis]), static_cast<long long>(shape.kernel[axis]),
            static_cast<long long>(shape.stride[axis]), static_cast<long long>(shape.dilation[axis]),
            static_cast<long long>(shape.pad_before[axis]), static_cast<long long>(shape.pad_after[axis]));
  }
  test_planes<T>(random);
  test_threads<T>(random);
}

void test_tables() {
  for (const Isa isa : available_isas()) {
    CHECK(pool_kernels<float>(isa).isa == isa);
    CHECK(pool_kernels<double>(isa).isa == isa);
    CHECK(for_stride(pool_kernels<float>(isa).max, 2).stride == 2);
    CHECK(for_stride(pool_kernels<float>(isa).max, 3).stride == 0);
  }
}

void test_values() {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  PoolParameters parameters;
  parameters.kernel = {1, 2, 2};
  parameters.stride = {1, 2, 2};
  const PoolShape shape = make_pool_shape(2, {1, 1, 2, 4}, parameters);
  const std::vector<float> input{1, 5, nan, 2, 5, 3, 9, nan};
  const std::vector<float> grad_output{10, 20}, values{0, 1, 2, 3, 4, 5, 6, 7};
  std::vector<float> output(2), picked(2), grad(8);
  max_pool_forward(shape, DType::float32, input.data(), output.data());
  CHECK(same(output, {5, nan}));
  max_pool_pick(shape, DType::float32, input.data(), values.data(), picked.data());
  CHECK(same(picked, {1, 7}));
  max_pool_grad(shape, DType::float32, input.data(), grad_output.data(), grad.data());
  CHECK(same(grad, {0, 10, 0, 0, 0, 0, 0, 20}));
  avg_pool_forward(shape, {}, DType::float32, values.data(), output.data());
  CHECK(same(output, {2.5F, 4.5F}));

  std::vector<std::int64_t> indices(2);
  max_pool_with_indices(shape, DType::float32, input.data(), output.data(), indices.data());
  CHECK(same(output, {5, nan}));
  CHECK(indices == (std::vector<std::int64_t>{1, 7}));

  // An empty batch.
  const PoolShape none = make_pool_shape(2, {0, 3, 4, 4}, {});
  max_pool_forward(none, DType::float32, nullptr, nullptr);
  max_pool_grad(none, DType::float32, nullptr, nullptr, nullptr);
  avg_pool_forward(none, {}, DType::float64, nullptr, nullptr);
  avg_pool_grad(none, {}, DType::float64, nullptr, nullptr);
}

}  // namespace

void test_pool() {
  Random random(1);
  test_tables();
  test_values();
  test_all<float>(random);
  test_all<double>(random);
}

}  // namespace convnative::test
