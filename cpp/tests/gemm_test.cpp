// Matrix products: every kernel of every level with all its tails, and the blocked loops.
#include <array>
#include <cstdio>
#include <limits>
#include <utility>
#include <vector>

#include "check.h"
#include "convnative/gemm.h"
#include "convnative/runtime.h"
#include "gemm/kernels.h"
#include "random.h"
#include "tests.h"

namespace convnative::test {
namespace {

template <class T>
void test_kernels(Isa level) {
  Random random(4);
  const GemmKernels<T>& kernels = gemm_kernels<T>(level);
  for (int index = 0; index < kernels.table_size(); ++index) {
    const GemmKernel<T>& kernel = kernels.table[index];
    const std::int64_t width = kernel.vectors * kernels.lanes;
    for (std::int64_t columns = width - kernels.lanes + 1; columns <= width; ++columns)
      for (const std::int64_t depth : {0, 1, 5, 33}) {
        const auto a = random.integers<T>(kernel.rows * depth), b = random.integers<T>(depth * columns);
        const auto start = random.integers<T>(kernel.rows);
        // One column more than the kernel may touch.
        const std::int64_t pitch = columns + 1;
        auto c = random.integers<T>(kernel.rows * pitch);
        std::vector<T> panel(static_cast<std::size_t>(depth * width) + 1);
        kernels.pack_matrix({b.data(), columns, 1, depth, columns, kernel.vectors, panel.data()});
        for (const int mode : {0, 1, 2}) {
          const bool accumulate = mode > 0, add_last = mode == 2;
          auto expected = c;
          for (std::int64_t i = 0; i < kernel.rows; ++i)
            for (std::int64_t j = 0; j < columns; ++j) {
              T& sum = expected[static_cast<std::size_t>(i * pitch + j)];
              if (!accumulate) sum = 0;
              if (!accumulate || add_last) sum += start[static_cast<std::size_t>(i)];
              for (std::int64_t p = 0; p < depth; ++p)
                sum +=
                    a[static_cast<std::size_t>(i * depth + p)] * b[static_cast<std::size_t>(p * columns + j)];
            }
          auto in_place = c;
          kernel.run({a.data(), depth, 1, panel.data(), depth, c.data(), pitch, columns, start.data(),
                      accumulate, nullptr, add_last});
          if (!CHECK(c == expected))
            std::fprintf(stderr, "  %s, %d columns\n", kernel.name, static_cast<int>(columns));
          // Of rows where they lie the columns alone are read: the last one ends with the memory. Requests go anywhere.
          GemmTile<T> tile{a.data(), depth,        1,          b.data(), depth,   in_place.data(), pitch,
                           columns,  start.data(), accumulate, b.data(), add_last};
          tile.b_row = columns;
          tile.next_lines = 1 + static_cast<int>(depth % 3);
          kernel.run(tile);
          if (!CHECK(in_place == expected))
            std::fprintf(stderr, "  %s, %d columns\n", kernel.name, static_cast<int>(columns));
        }
      }
  }
}

template <class T>
void test_transpositions(Isa level) {
  Random random(6);
  const GemmKernels<T>& kernels = gemm_kernels<T>(level);
  const auto at = [](const std::vector<T>& values, std::int64_t i) {
    return values[static_cast<std::size_t>(i)];
  };
  for (const std::int64_t rows : {1, 2, 15, 16, 17, 40})
    for (std::int64_t columns = 1; columns <= kernels.lanes; ++columns) {
      const std::int64_t pitch = columns + 3;
      const auto source = random.integers<T>(rows * pitch - 3);
      auto result = random.integers<T>(columns * rows);
      std::array<T*, MatrixColumns<T>::most> targets{};
      for (std::int64_t i = 0; i < columns; ++i)
        targets[static_cast<std::size_t>(i)] = result.data() + (columns - 1 - i) * rows;
      kernels.transpose_columns({source.data(), pitch, rows, columns, targets.data()});
      for (std::int64_t i = 0; i < columns; ++i)
        for (std::int64_t j = 0; j < rows; ++j)
          CHECK(at(result, (columns - 1 - i) * rows + j) == at(source, j * pitch + i));
    }
  for (const std::int64_t length : {1, 3, 4, 9, 16, 25, 49})
    for (const std::int64_t rows : {1, 2, 7})
      for (const std::int64_t columns : {1, 2, 5}) {
        const std::int64_t pitch = columns * length + 2, target_pitch = rows * length + 1;
        const auto source = random.integers<T>(rows * pitch - 2);
        auto result = random.integers<T>(columns * target_pitch);
        auto expected = result;
        for (std::int64_t i = 0; i < columns; ++i)
          for (std::int64_t j = 0; j < rows; ++j)
            for (std::int64_t l = 0; l < length; ++l)
              expected[static_cast<std::size_t>(i * target_pitch + j * length + l)] =
                  at(source, j * pitch + i * length + l);
        kernels.transpose_runs({source.data(), pitch, rows, columns, length, result.data(), target_pitch});
        CHECK(result == expected);
      }
}

template <class T>
void test_interleave(Isa level) {
  const GemmKernels<T>& kernels = gemm_kernels<T>(level);
  Random random(6);
  for (const std::int64_t rows : {1, 2, 3, 4, 5, 7, 8, 11, 16, 20})
    for (std::int64_t columns = 1; columns <= 67; ++columns) {
      const std::int64_t pitch = columns + 1;
      auto source = random.integers<T>(rows * pitch - 1);
      std::vector<T> result(static_cast<std::size_t>(rows * columns + 1), T{99}), expected = result;
      for (std::int64_t j = 0; j < columns; ++j)
        for (std::int64_t i = 0; i < rows; ++i)
          expected[static_cast<std::size_t>(j * rows + i)] = source[static_cast<std::size_t>(i * pitch + j)];
      CHECK(kernels.interleave({source.data(), pitch, rows, columns, result.data()}));
      CHECK(result == expected);
      // What lies between the rows does not count.
      for (std::int64_t i = 0; i + 1 < rows; ++i)
        source[static_cast<std::size_t>(i * pitch + columns)] = std::numeric_limits<T>::quiet_NaN();
      CHECK(kernels.interleave({source.data(), pitch, rows, columns, result.data()}));
      for (const T value : {std::numeric_limits<T>::infinity(), std::numeric_limits<T>::quiet_NaN()}) {
        T& element = source[static_cast<std::size_t>(random.between(0, rows - 1) * pitch +
                                                     random.between(0, columns - 1))];
        const T before = std::exchange(element, value);
        CHECK(!kernels.interleave({source.data(), pitch, rows, columns, result.data()}));
        element = before;
      }
    }
}

template <class T>
void test_matmul(Isa level) {
  Random random(5);
  for (int round = 0; round < 60; ++round) {
    const std::int64_t m = random.between(0, 70), n = random.between(0, 70),
                       k = round == 0 ? 1500 : random.between(0, 90);
    const auto a = random.integers<T>(m * k), b = random.integers<T>(k * n), bias = random.integers<T>(n);
    const bool transpose_a = random.between(0, 1) == 1, transpose_b = random.between(0, 1) == 1;
    const std::ptrdiff_t a_row = transpose_a ? 1 : k, a_column = transpose_a ? m : 1;
    const std::ptrdiff_t b_row = transpose_b ? 1 : n, b_column = transpose_b ? k : 1;
    std::vector<T> expected(static_cast<std::size_t>(m * n)), c(expected.size(), T{99});
    for (std::int64_t i = 0; i < m; ++i)
      for (std::int64_t j = 0; j < n; ++j) {
        T sum = bias[static_cast<std::size_t>(j)];
        for (std::int64_t p = 0; p < k; ++p)
          sum += a[static_cast<std::size_t>(i * a_row + p * a_column)] *
                 b[static_cast<std::size_t>(p * b_row + j * b_column)];
        expected[static_cast<std::size_t>(i * n + j)] = sum;
      }
    matmul<T>({m, n, k, a.data(), a_row, a_column, b.data(), b_row, b_column, bias.data(), c.data(), n},
              level);
    CHECK(c == expected);
  }
}

}  // namespace

void test_gemm() {
  for (const Isa level : available_isas()) {
    test_kernels<float>(level);
    test_kernels<double>(level);
    test_transpositions<float>(level);
    test_transpositions<double>(level);
    test_interleave<float>(level);
    test_interleave<double>(level);
    test_matmul<float>(level);
    test_matmul<double>(level);
  }
}

}  // namespace convnative::test
