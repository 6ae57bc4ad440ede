// Cross-entropy against class indices. The gradient recomputes the softmax: that reads the input once more
// and keeps no array between the passes.
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "base/reject.h"
#include "convnative/loss.h"
#include "elementwise/class_block.h"
#include "loss/class_targets.h"

namespace convnative {
namespace {

// Of each point of a block: the largest x, and the sum of exp(x - largest) with its logarithm. A NaN, or an
// infinite maximum, makes the sum NaN and with it the whole point.
struct ClassSums {
  double largest[class_block_size];
  double sum[class_block_size];
  double log_sum[class_block_size];

  template <class T>
  ClassSums(const ClassShape& shape, const ClassBlock& block, const T* input) {
    std::fill_n(largest, block.count, -std::numeric_limits<double>::infinity());
    std::fill_n(sum, block.count, 0.0);
    for (std::int64_t c = 0; c < shape.classes; ++c) {
      const T* const x = input + block.offset + c * shape.inner;
      for (std::int64_t i = 0; i < block.count; ++i)
        largest[i] = std::max(largest[i], static_cast<double>(x[i]));
    }
    for (std::int64_t c = 0; c < shape.classes; ++c) {
      const T* const x = input + block.offset + c * shape.inner;
      for (std::int64_t i = 0; i < block.count; ++i)
        sum[i] += std::exp(static_cast<double>(x[i]) - largest[i]);
    }
    for (std::int64_t i = 0; i < block.count; ++i) log_sum[i] = std::log(sum[i]);
  }

  double softmax(double x, std::int64_t i) const { return std::exp(x - largest[i]) / sum[i]; }
  double log_softmax(double x, std::int64_t i) const { return x - largest[i] - log_sum[i]; }
};

void require_valid(const ClassTargets& targets, double label_smoothing) {
  if (!(label_smoothing >= 0 && label_smoothing <= 1))
    reject_argument("label_smoothing", "a number in [0, 1]", std::to_string(label_smoothing));
  require_classes(targets);
}

// The weight q[c] that log p[c] has in a loss: loss = -sum over c of q[c] * log(p[c]).
template <class T>
class TargetWeights {
 public:
  TargetWeights(const ClassTargets& targets, double label_smoothing)
      : class_weight_(targets.class_weight),
        on_target_(1 - label_smoothing),
        on_every_class_(label_smoothing / static_cast<double>(targets.shape.classes)) {
    if (!smooth()) return;
    for (std::int64_t c = 0; c < targets.shape.classes; ++c) sum_on_every_class_ += every_class(c);
  }

  bool smooth() const { return on_every_class_ > 0; }
  double every_class(std::int64_t c) const { return on_every_class_ * weight_of_class<T>(class_weight_, c); }
  double target(std::int64_t c) const { return on_target_ * weight_of_class<T>(class_weight_, c); }
  double sum(std::int64_t target_class) const { return target(target_class) + sum_on_every_class_; }

 private:
  const void* class_weight_;
  double on_target_;
  double on_every_class_;
  double sum_on_every_class_ = 0;
};

template <class T>
void forward(const ClassTargets& targets, double label_smoothing, const T* input, T* losses) {
  const ClassShape& shape = targets.shape;
  const TargetWeights<T> weights(targets, label_smoothing);
  for_each_class_block(shape, [&](const ClassBlock& block) {
    const ClassSums sums(shape, block, input);
    for (std::int64_t i = 0; i < block.count; ++i) {
      const std::int64_t y = targets.target[block.point + i];
      if (y == targets.ignore_index) {
        losses[block.point + i] = 0;
        continue;
      }
      const auto log_p = [&](std::int64_t c) {
        return sums.log_softmax(static_cast<double>(input[block.offset + c * shape.inner + i]), i);
      };
      double loss = -weights.target(y) * log_p(y);
      if (weights.smooth())
        for (std::int64_t c = 0; c < shape.classes; ++c) loss -= weights.every_class(c) * log_p(c);
      losses[block.point + i] = static_cast<T>(loss);
    }
  });
}

// d loss / d x[c] = sum(q) * p[c] - q[c]
template <class T>
void grad(const ClassTargets& targets, double label_smoothing, const T* input, const T* grad_losses,
          T* grad_input) {
  const ClassShape& shape = targets.shape;
  const TargetWeights<T> weights(targets, label_smoothing);
  for_each_class_block(shape, [&](const ClassBlock& block) {
    const ClassSums sums(shape, block, input);
    for (std::int64_t c = 0; c < shape.classes; ++c) {
      const T* const x = input + block.offset + c * shape.inner;
      T* const result = grad_input + block.offset + c * shape.inner;
      for (std::int64_t i = 0; i < block.count; ++i) {
        const std::int64_t y = targets.target[block.point + i];
        if (y == targets.ignore_index) {
          result[i] = 0;
          continue;
        }
        double gradient =
            weights.sum(y) * sums.softmax(static_cast<double>(x[i]), i) - weights.every_class(c);
        if (c == y) gradient -= weights.target(y);
        result[i] = static_cast<T>(gradient * static_cast<double>(grad_losses[block.point + i]));
      }
    }
  });
}

}  // namespace

void cross_entropy_forward(const ClassTargets& targets, double label_smoothing, DType dtype,
                           const void* input, void* losses) {
  require_valid(targets, label_smoothing);
  if (dtype == DType::float32)
    forward(targets, label_smoothing, static_cast<const float*>(input), static_cast<float*>(losses));
  else
    forward(targets, label_smoothing, static_cast<const double*>(input), static_cast<double*>(losses));
}

void cross_entropy_grad(const ClassTargets& targets, double label_smoothing, DType dtype, const void* input,
                        const void* grad_losses, void* grad_input) {
  require_valid(targets, label_smoothing);
  if (dtype == DType::float32)
    grad(targets, label_smoothing, static_cast<const float*>(input), static_cast<const float*>(grad_losses),
         static_cast<float*>(grad_input));
  else
    grad(targets, label_smoothing, static_cast<const double*>(input), static_cast<const double*>(grad_losses),
         static_cast<double*>(grad_input));
}

}  // namespace convnative
