// The negative log-likelihood: picks one class of each point; the gradient puts it back there.
#include <algorithm>

#include "elementwise/class_block.h"
#include "loss/class_targets.h"
#include "loss/ordered_sum.h"

namespace convnative {
namespace {

template <class T>
double weight_sum(const ClassTargets& targets) {
  constexpr double points_per_thread = 32 * 1024;
  return sum_of_blocks(targets.shape.points(), points_per_thread,
                       [&](std::int64_t begin, std::int64_t count) {
                         double total = 0;
                         for (std::int64_t point = begin; point < begin + count; ++point)
                           if (targets.target[point] != targets.ignore_index)
                             total += weight_of_class<T>(targets.class_weight, targets.target[point]);
                         return total;
                       });
}

template <class T>
void forward(const ClassTargets& targets, const T* input, T* losses) {
  const ClassShape& shape = targets.shape;
  for_each_class_block({shape.outer, 1, shape.inner}, [&](const ClassBlock& block) {
    const std::int64_t image = block.point / shape.inner;
    const T* const x = input + image * shape.classes * shape.inner + block.point % shape.inner;
    for (std::int64_t i = 0; i < block.count; ++i) {
      const std::int64_t y = targets.target[block.point + i];
      losses[block.point + i] = y == targets.ignore_index
                                    ? T{0}
                                    : static_cast<T>(-weight_of_class<T>(targets.class_weight, y) *
                                                     static_cast<double>(x[y * shape.inner + i]));
    }
  });
}

template <class T>
void grad(const ClassTargets& targets, const T* grad_losses, T* grad_input) {
  const ClassShape& shape = targets.shape;
  for_each_class_block(shape, [&](const ClassBlock& block) {
    for (std::int64_t c = 0; c < shape.classes; ++c)
      std::fill_n(grad_input + block.offset + c * shape.inner, block.count, T{0});
    for (std::int64_t i = 0; i < block.count; ++i) {
      const std::int64_t y = targets.target[block.point + i];
      if (y != targets.ignore_index)
        grad_input[block.offset + y * shape.inner + i] = static_cast<T>(
            -weight_of_class<T>(targets.class_weight, y) * static_cast<double>(grad_losses[block.point + i]));
    }
  });
}

}  // namespace

double target_weight(const ClassTargets& targets, DType dtype) {
  require_classes(targets);
  return dtype == DType::float32 ? weight_sum<float>(targets) : weight_sum<double>(targets);
}

void nll_forward(const ClassTargets& targets, DType dtype, const void* input, void* losses) {
  require_classes(targets);
  if (dtype == DType::float32)
    forward(targets, static_cast<const float*>(input), static_cast<float*>(losses));
  else
    forward(targets, static_cast<const double*>(input), static_cast<double*>(losses));
}

void nll_grad(const ClassTargets& targets, DType dtype, const void* grad_losses, void* grad_input) {
  require_classes(targets);
  if (dtype == DType::float32)
    grad(targets, static_cast<const float*>(grad_losses), static_cast<float*>(grad_input));
  else
    grad(targets, static_cast<const double*>(grad_losses), static_cast<double*>(grad_input));
}

}  // namespace convnative
