// Losses of class probabilities after the logarithm: sums of products, and the products themselves.
#include <algorithm>
#include <vector>

#include "base/checked.h"
#include "convnative/loss.h"
#include "elementwise/class_block.h"
#include "loss/class_targets.h"

namespace convnative {
namespace {

template <class T>
void forward(const ClassProduct& problem, const T* input, const T* probabilities, const void* class_weight,
             T* losses) {
  const ClassShape& shape = problem.shape;
  for_each_class_block(shape, [&](const ClassBlock& block) {
    double sums[class_block_size] = {};
    for (std::int64_t c = 0; c < shape.classes; ++c) {
      const T* const x = input + block.offset + c * shape.inner;
      const T* const p = probabilities + block.offset + c * shape.inner;
      const double weight = weight_of_class<T>(class_weight, c);
      for (std::int64_t i = 0; i < block.count; ++i)
        sums[i] +=
            weight * (problem.scale * static_cast<double>(p[i]) + problem.shift) * static_cast<double>(x[i]);
    }
    for (std::int64_t i = 0; i < block.count; ++i) losses[block.point + i] = static_cast<T>(-sums[i]);
  });
}

template <class T>
void grad(const ClassProduct& problem, const T* probabilities, const void* class_weight, const T* grad_losses,
          T* result) {
  const ClassShape& shape = problem.shape;
  for_each_class_block(shape, [&](const ClassBlock& block) {
    const T* const g = grad_losses + block.point;
    for (std::int64_t c = 0; c < shape.classes; ++c) {
      const T* const p = probabilities + block.offset + c * shape.inner;
      T* const products = result + block.offset + c * shape.inner;
      const double weight = weight_of_class<T>(class_weight, c);
      for (std::int64_t i = 0; i < block.count; ++i)
        products[i] = static_cast<T>(-weight * (problem.scale * static_cast<double>(p[i]) + problem.shift) *
                                     static_cast<double>(g[i]));
    }
  });
}

// Rows of `inner` neighbouring elements belong to one class. Groups of images each sum into an array of their
// own, and these are added up in order; the shape alone decides how many there are.
template <class T>
void points(const ClassProduct& problem, const T* input, const T* probabilities, const T* grad_losses,
            T* result) {
  const ClassShape& shape = problem.shape;
  constexpr double elements_per_group = 64 * 1024;
  constexpr std::int64_t most_groups = 64;
  const double elements = static_cast<double>(shape.points()) * static_cast<double>(shape.classes);
  const std::int64_t groups =
      std::clamp<std::int64_t>(static_cast<std::int64_t>(elements / elements_per_group), 1,
                               std::min(most_groups, std::max<std::int64_t>(shape.outer, 1)));
  const std::int64_t images_per_group = ceil_div(shape.outer, groups);
  std::vector<double> sums(static_cast<std::size_t>(groups * shape.classes));
  // A task is one class block of one group.
  constexpr std::int64_t classes_per_task = 64;
  const std::int64_t class_tasks = ceil_div(shape.classes, classes_per_task);
  parallel_for(groups * class_tasks, threads_for(elements, elements_per_group), [&](std::int64_t task, int) {
    const std::int64_t group = task / class_tasks, first = task % class_tasks * classes_per_task;
    const std::int64_t last = std::min(first + classes_per_task, shape.classes);
    const std::int64_t end = std::min((group + 1) * images_per_group, shape.outer);
    double* const group_sums = sums.data() + group * shape.classes;
    for (std::int64_t image = group * images_per_group; image < end; ++image) {
      const T* const g = grad_losses + image * shape.inner;
      for (std::int64_t c = first; c < last; ++c) {
        const std::int64_t offset = (image * shape.classes + c) * shape.inner;
        double sum = 0;
        for (std::int64_t i = 0; i < shape.inner; ++i)
          sum += (problem.scale * static_cast<double>(probabilities[offset + i]) + problem.shift) *
                 static_cast<double>(input[offset + i]) * static_cast<double>(g[i]);
        group_sums[c] += sum;
      }
    }
  });
  for (std::int64_t c = 0; c < shape.classes; ++c) {
    double sum = 0;
    for (std::int64_t group = 0; group < groups; ++group)
      sum += sums[static_cast<std::size_t>(group * shape.classes + c)];
    result[c] = static_cast<T>(-sum);
  }
}

}  // namespace

void class_product_forward(const ClassProduct& problem, DType dtype, const void* input,
                           const void* probabilities, const void* class_weight, void* losses) {
  if (dtype == DType::float32)
    forward(problem, static_cast<const float*>(input), static_cast<const float*>(probabilities), class_weight,
            static_cast<float*>(losses));
  else
    forward(problem, static_cast<const double*>(input), static_cast<const double*>(probabilities),
            class_weight, static_cast<double*>(losses));
}

void class_product_grad(const ClassProduct& problem, DType dtype, const void* probabilities,
                        const void* class_weight, const void* grad_losses, void* result) {
  if (dtype == DType::float32)
    grad(problem, static_cast<const float*>(probabilities), class_weight,
         static_cast<const float*>(grad_losses), static_cast<float*>(result));
  else
    grad(problem, static_cast<const double*>(probabilities), class_weight,
         static_cast<const double*>(grad_losses), static_cast<double*>(result));
}

void class_product_points(const ClassProduct& problem, DType dtype, const void* input,
                          const void* probabilities, const void* grad_losses, void* result) {
  if (dtype == DType::float32)
    points(problem, static_cast<const float*>(input), static_cast<const float*>(probabilities),
           static_cast<const float*>(grad_losses), static_cast<float*>(result));
  else
    points(problem, static_cast<const double*>(input), static_cast<const double*>(probabilities),
           static_cast<const double*>(grad_losses), static_cast<double*>(result));
}

}  // namespace convnative
