// Local response normalisation. An array (batch, channels, inner) is walked in blocks of neighbouring inner
// positions; a sum over the window of channels slides from channel to channel within a block.
#include <cmath>

#include "convnative/normalization.h"
#include "normalization/spans.h"

namespace convnative {
namespace {

constexpr std::int64_t block_size = 64;

struct Block {
  std::int64_t offset, count;  // element (channel, i) of the block is at offset + channel * inner + i
};

// A power costs as much as some ten sums.
constexpr std::int64_t cost = 10;

std::int64_t block_elements(const LocalResponse& problem) {
  return problem.channels * std::min(problem.inner, block_size);
}

int threads_of(const LocalResponse& problem) {
  const auto size = static_cast<double>(problem.batch * problem.channels * problem.inner);
  return threads_for(size * cost, elements_per_thread);
}

// Calls `body(block, thread)` for all blocks, in parallel.
template <class Body>
void for_each_block(const LocalResponse& problem, const Body& body) {
  const std::int64_t blocks = ceil_div(problem.inner, block_size), units = problem.batch * blocks;
  const std::int64_t per_task = std::max<std::int64_t>(
      elements_per_task / std::max<std::int64_t>(block_elements(problem) * cost, 1), 1);
  parallel_for(ceil_div(units, per_task), threads_of(problem), [&](std::int64_t task, int thread) {
    const std::int64_t end = std::min(units, (task + 1) * per_task);
    for (std::int64_t unit = task * per_task; unit < end; ++unit) {
      const std::int64_t begin = unit % blocks * block_size;
      body(Block{unit / blocks * problem.channels * problem.inner + begin,
                 std::min(block_size, problem.inner - begin)},
           thread);
    }
  });
}

// Calls `result(channel, sums)` with the sums of `term(channel, i)` over the channels from `before` before to
// `after` after it. Each sum is added up anew: sliding would lose digits.
template <class Term, class Result>
void for_each_window(std::int64_t channels, std::int64_t before, std::int64_t after, std::int64_t count,
                     const Term& term, const Result& result) {
  for (std::int64_t channel = 0; channel < channels; ++channel) {
    double sums[block_size] = {};
    const std::int64_t last = std::min(channels - 1, channel + after);
    for (std::int64_t other = std::max<std::int64_t>(0, channel - before); other <= last; ++other)
      for (std::int64_t i = 0; i < count; ++i) sums[i] += term(other, i);
    result(channel, sums);
  }
}

// Cut to what can exist, so that no position overflows.
std::int64_t before(const LocalResponse& problem) {
  return std::min(problem.size / 2, problem.channels);
}
std::int64_t after(const LocalResponse& problem) {
  return std::min((problem.size - 1) / 2, problem.channels);
}

// x^-beta; AlexNet's exponent by square roots.
double power(double x, double beta) {
  if (beta == 0.75) {
    const double root = std::sqrt(x);
    return 1 / (root * std::sqrt(root));
  }
  return std::pow(x, -beta);
}

template <class T>
void forward(const LocalResponse& problem, const T* input, T* result) {
  const double share = problem.alpha / static_cast<double>(problem.size);
  for_each_block(problem, [&](const Block& block, int) {
    const T* const x = input + block.offset;
    for_each_window(
        problem.channels, before(problem), after(problem), block.count,
        [&](std::int64_t c, std::int64_t i) {
          const auto value = static_cast<double>(x[c * problem.inner + i]);
          return value * value;
        },
        [&](std::int64_t c, const double* squares) {
          for (std::int64_t i = 0; i < block.count; ++i) {
            const std::int64_t at = c * problem.inner + i;
            result[block.offset + at] = static_cast<T>(static_cast<double>(x[at]) *
                                                       power(problem.k + share * squares[i], problem.beta));
          }
        });
  });
}

// With s the scale: grad_input = g s^-beta - 2 beta share x (sum of g x s^-(beta + 1) over the channels whose
// window holds this one).
template <class T>
void grad(const LocalResponse& problem, const T* input, const T* grad_output, T* grad_input) {
  const double share = problem.alpha / static_cast<double>(problem.size);
  // Of each thread: s^-beta, and the terms of the sum, of a block.
  const std::int64_t elements = block_elements(problem);
  std::vector<double> workspace(index(threads_of(problem) * elements * 2));
  for_each_block(problem, [&](const Block& block, int thread) {
    const T *const x = input + block.offset, *const g = grad_output + block.offset;
    double *const powers = workspace.data() + thread * elements * 2, *const falls = powers + elements;
    for_each_window(
        problem.channels, before(problem), after(problem), block.count,
        [&](std::int64_t c, std::int64_t i) {
          const auto value = static_cast<double>(x[c * problem.inner + i]);
          return value * value;
        },
        [&](std::int64_t c, const double* squares) {
          for (std::int64_t i = 0; i < block.count; ++i) {
            const std::int64_t at = c * problem.inner + i;
            const double scale = problem.k + share * squares[i];
            const double factor = power(scale, problem.beta);
            powers[c * block.count + i] = factor;
            falls[c * block.count + i] =
                static_cast<double>(g[at]) * static_cast<double>(x[at]) * factor / scale;
          }
        });
    for_each_window(
        problem.channels, after(problem), before(problem), block.count,
        [&](std::int64_t c, std::int64_t i) { return falls[c * block.count + i]; },
        [&](std::int64_t c, const double* sums) {
          for (std::int64_t i = 0; i < block.count; ++i) {
            const std::int64_t at = c * problem.inner + i;
            grad_input[block.offset + at] =
                static_cast<T>(static_cast<double>(g[at]) * powers[c * block.count + i] -
                               2 * problem.beta * share * static_cast<double>(x[at]) * sums[i]);
          }
        });
  });
}

template <class T>
void window_sum(const LocalResponse& problem, bool adjoint, const T* input, T* result) {
  const std::int64_t first = adjoint ? after(problem) : before(problem);
  const std::int64_t last = adjoint ? before(problem) : after(problem);
  for_each_block(problem, [&](const Block& block, int) {
    for_each_window(
        problem.channels, first, last, block.count,
        [&](std::int64_t c, std::int64_t i) {
          return static_cast<double>(input[block.offset + c * problem.inner + i]);
        },
        [&](std::int64_t c, const double* sums) {
          for (std::int64_t i = 0; i < block.count; ++i)
            result[block.offset + c * problem.inner + i] = static_cast<T>(sums[i]);
        });
  });
}

}  // namespace

void local_response_forward(const LocalResponse& problem, DType dtype, const void* input, void* result) {
  if (dtype == DType::float32)
    forward(problem, static_cast<const float*>(input), static_cast<float*>(result));
  else
    forward(problem, static_cast<const double*>(input), static_cast<double*>(result));
}

void local_response_grad(const LocalResponse& problem, DType dtype, const void* input,
                         const void* grad_output, void* grad_input) {
  if (dtype == DType::float32)
    grad(problem, static_cast<const float*>(input), static_cast<const float*>(grad_output),
         static_cast<float*>(grad_input));
  else
    grad(problem, static_cast<const double*>(input), static_cast<const double*>(grad_output),
         static_cast<double*>(grad_input));
}

void channel_window_sum(const LocalResponse& problem, bool adjoint, DType dtype, const void* input,
                        void* result) {
  if (dtype == DType::float32)
    window_sum(problem, adjoint, static_cast<const float*>(input), static_cast<float*>(result));
  else
    window_sum(problem, adjoint, static_cast<const double*>(input), static_cast<double*>(result));
}

}  // namespace convnative
