// Losses of two numbers, each element for itself or all of them in one sum.
//
// A block's values go through a small buffer in float64: the loss writes them, weights and gradients multiply
// them, and what is left is stored or summed. So a row of the table is a loop without options.
#include <algorithm>
#include <atomic>

#include "base/reject.h"
#include "loss/ordered_sum.h"
#include "loss/pairwise_table.h"

namespace convnative {
namespace {

constexpr std::int64_t buffer_size = 512;
constexpr double elements_per_thread = 16 * 1024;

template <class T>
class Terms {
 public:
  Terms(const PairwiseRow& row, const PairwiseLoss& problem)
      : function_(row.function<T>(problem.derivative)),
        parameter_(problem.parameter),
        input_(static_cast<const T*>(problem.input)),
        target_(static_cast<const T*>(problem.target)),
        weight_(static_cast<const T*>(problem.weight)),
        grad_(problem.one_grad ? nullptr : static_cast<const T*>(problem.grad)),
        scale_(problem.one_grad ? static_cast<double>(*static_cast<const T*>(problem.grad)) : 1) {}

  // What multiplies every term: the one gradient.
  double scale() const { return scale_; }

  // Calls `use(begin, values, count)` for pieces of [begin, end), in order. values[i] is the term of
  // begin + i, without the scale.
  template <class Use>
  void for_each_buffer(std::int64_t begin, std::int64_t end, const Use& use) const {
    double values[buffer_size];
    for (; begin < end; begin += buffer_size) {
      const std::int64_t count = std::min(buffer_size, end - begin);
      function_(parameter_, count, input_ + begin, target_ + begin, values);
      multiply(weight_, begin, count, values);
      multiply(grad_, begin, count, values);
      use(begin, values, count);
    }
  }

 private:
  static void multiply(const T* factors, std::int64_t begin, std::int64_t count, double* values) {
    if (factors == nullptr) return;
    for (std::int64_t i = 0; i < count; ++i) values[i] *= static_cast<double>(factors[begin + i]);
  }

  PairwiseFunction<T> function_;
  double parameter_;
  const T *input_, *target_, *weight_, *grad_;
  double scale_;
};

template <class T>
void require_domain(bool (*in_domain)(double), const char* argument, const char* domain, std::int64_t size,
                    const void* array) {
  if (in_domain == nullptr) return;
  const T* const values = static_cast<const T*>(array);
  std::atomic<std::int64_t> outside{size};  // the first one
  parallel_for(ceil_div(size, sum_block_size), threads_for(static_cast<double>(size), elements_per_thread),
               [&](std::int64_t block, int) {
                 const std::int64_t begin = block * sum_block_size;
                 const std::int64_t end = std::min(begin + sum_block_size, size);
                 for (std::int64_t i = begin; i < end; ++i)
                   if (!in_domain(static_cast<double>(values[i]))) {
                     std::int64_t first = outside;
                     while (i < first && !outside.compare_exchange_weak(first, i)) {
                     }
                     return;
                   }
               });
  if (outside < size) reject_argument(argument, domain, std::to_string(values[outside]));
}

template <class T>
const PairwiseRow& checked_row(const PairwiseLoss& problem) {
  const PairwiseRow& row = pairwise_row(problem.loss);
  row.require_parameter(problem.parameter);
  require_domain<T>(row.input_in_domain, "input", row.domain, problem.size, problem.input);
  require_domain<T>(row.target_in_domain, "target", row.domain, problem.size, problem.target);
  return row;
}

template <class T>
void store(const PairwiseLoss& problem, T* result) {
  const Terms<T> terms(checked_row<T>(problem), problem);
  const double scale = terms.scale() / problem.divisor;
  parallel_for(ceil_div(problem.size, sum_block_size),
               threads_for(static_cast<double>(problem.size), elements_per_thread),
               [&](std::int64_t block, int) {
                 const std::int64_t begin = block * sum_block_size;
                 terms.for_each_buffer(begin, std::min(begin + sum_block_size, problem.size),
                                       [&](std::int64_t at, const double* values, std::int64_t count) {
                                         for (std::int64_t i = 0; i < count; ++i)
                                           result[at + i] = static_cast<T>(scale * values[i]);
                                       });
               });
}

template <class T>
double sum(const PairwiseLoss& problem) {
  const Terms<T> terms(checked_row<T>(problem), problem);
  const double total =
      sum_of_blocks(problem.size, elements_per_thread, [&](std::int64_t begin, std::int64_t count) {
        ChainedSum block;
        terms.for_each_buffer(
            begin, begin + count,
            [&](std::int64_t, const double* values, std::int64_t size) { block.add(values, size); });
        return block.total();
      });
  return terms.scale() * total / problem.divisor;
}

}  // namespace

void pairwise_loss(const PairwiseLoss& problem, DType dtype, void* result) {
  if (dtype == DType::float32)
    store(problem, static_cast<float*>(result));
  else
    store(problem, static_cast<double*>(result));
}

double pairwise_loss_sum(const PairwiseLoss& problem, DType dtype) {
  return dtype == DType::float32 ? sum<float>(problem) : sum<double>(problem);
}

}  // namespace convnative
