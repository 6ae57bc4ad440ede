// Lookups and their gradient against loops over the definition; the data are integers, the comparison exact.
#include "convnative/embedding.h"

#include <cmath>
#include <stdexcept>
#include <vector>

#include "check.h"
#include "random.h"
#include "tests.h"

namespace convnative::test {
namespace {

template <class T>
std::vector<T> draw(Random& random, std::int64_t size) {
  std::vector<T> values(static_cast<std::size_t>(size));
  for (T& value : values) value = static_cast<T>(random.between(-8, 8));
  return values;
}

template <class T>
void test_lookups(Random& random, std::int64_t rows, std::int64_t width, std::int64_t size) {
  std::vector<std::int64_t> index(static_cast<std::size_t>(size));
  // Half of the lookups share one row.
  for (std::int64_t& i : index) i = random.between(0, 1) == 0 ? rows / 2 : random.between(0, rows - 1);
  const std::vector<T> table = draw<T>(random, rows * width), g = draw<T>(random, size * width);
  for (const std::int64_t padding : {std::int64_t{-1}, rows / 2})
    for (const bool scaled : {false, true}) {
      const Embedding lookup{rows, width, size, index.data(), padding, scaled};
      std::vector<double> frequency(static_cast<std::size_t>(rows));
      for (const std::int64_t i : index) ++frequency[static_cast<std::size_t>(i)];
      std::vector<T> rows_of(g.size()), adjoint(g.size()), gradient(table.size());
      std::vector<double> sums(table.size());
      for (std::int64_t i = 0; i < size; ++i)
        for (std::int64_t j = 0; j < width; ++j) {
          const auto to = static_cast<std::size_t>(i * width + j);
          const std::int64_t row = index[static_cast<std::size_t>(i)];
          const auto from = static_cast<std::size_t>(row * width + j);
          const double divisor = scaled ? frequency[static_cast<std::size_t>(row)] : 1;
          rows_of[to] = table[from];
          adjoint[to] = row == padding ? T{0} : static_cast<T>(static_cast<double>(table[from]) / divisor);
          if (row != padding) sums[from] += static_cast<double>(g[to]);
        }
      for (std::size_t at = 0; at < table.size(); ++at) {
        const double count = frequency[at / static_cast<std::size_t>(width)];
        gradient[at] = static_cast<T>(scaled && count > 0 ? sums[at] / count : sums[at]);
      }
      std::vector<T> result(g.size(), T{42}), grad_table(table.size(), T{42});
      embedding_forward(lookup, dtype_of<T>, table.data(), result.data());
      CHECK(result == rows_of);
      embedding_grad_adjoint(lookup, dtype_of<T>, table.data(), result.data());
      CHECK(result == adjoint);
      embedding_grad(lookup, dtype_of<T>, g.data(), grad_table.data());
      CHECK(grad_table == gradient);
    }
}

void test_renormalise() {
  std::vector<double> table{3, 4, 6, 8, 0.3, 0.4};
  const std::int64_t index[] = {0, 2, 0};
  embedding_renormalise({3, 2, 3, index}, DType::float64, 1, 2, table.data());
  const double expected[] = {0.6, 0.8, 6, 8, 0.3, 0.4};
  for (std::size_t i = 0; i < table.size(); ++i) CHECK(std::fabs(table[i] - expected[i]) < 1e-6);
}

void test_bounds() {
  double table = 1, result = 42;
  for (const std::int64_t wrong : {-1, 1}) {
    const Embedding lookup{1, 1, 1, &wrong};
    CHECK_THROWS(std::out_of_range, embedding_forward(lookup, DType::float64, &table, &result));
    CHECK_THROWS(std::out_of_range, embedding_grad(lookup, DType::float64, &table, &result));
    CHECK_THROWS(std::out_of_range, embedding_grad_adjoint(lookup, DType::float64, &table, &result));
    CHECK_THROWS(std::out_of_range, embedding_renormalise(lookup, DType::float64, 1, 2, &result));
  }
  CHECK(result == 42);
}

template <class T>
void test_all(Random& random) {
  for (const std::int64_t width : {1, 3, 64, 65, 200})
    for (const std::int64_t size : {0, 1, 17, 3000}) test_lookups<T>(random, 11, width, size);
  test_lookups<T>(random, 5000, 2, 40);
}

}  // namespace

void test_embedding() {
  Random random(4);
  test_renormalise();
  test_bounds();
  test_all<float>(random);
  test_all<double>(random);
}

}  // namespace convnative::test
