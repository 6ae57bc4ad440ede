#include <cmath>

#include "convnative/optimizer.h"
#include "optimizer/blocks.h"

namespace convnative {
namespace {

template <class T>
void run(const AdamWStep& step, std::int64_t count, const T* grad, T* parameter, T* mean, T* square,
         T* max_square) {
  const auto number = static_cast<double>(step.number);
  const T kept = static_cast<T>(1 - step.rate * step.weight_decay);
  const T beta1 = static_cast<T>(step.beta1), beta2 = static_cast<T>(step.beta2);
  const T fresh1 = static_cast<T>(step.maximize ? step.beta1 - 1 : 1 - step.beta1);
  const T fresh2 = static_cast<T>(1 - step.beta2), epsilon = static_cast<T>(step.epsilon);
  const T root = static_cast<T>(std::sqrt(1 - std::pow(step.beta2, number)));
  const T rate = static_cast<T>(step.rate / (1 - std::pow(step.beta1, number)));
  for_each_block(count, [&](std::int64_t begin, std::int64_t size) {
    T spread[optimizer_block];
    const T* const g = grad + begin;
    T *const p = parameter + begin, *const m = mean + begin, *const s = square + begin;
    for (std::int64_t i = 0; i < size; ++i) m[i] = m[i] * beta1 + g[i] * fresh1;
    for (std::int64_t i = 0; i < size; ++i) s[i] = s[i] * beta2 + g[i] * g[i] * fresh2;
    if (max_square == nullptr) {
      for (std::int64_t i = 0; i < size; ++i) spread[i] = std::sqrt(s[i]);
    } else {
      T* const most = max_square + begin;
      // A NaN in either stays.
      for (std::int64_t i = 0; i < size; ++i) most[i] = most[i] > s[i] || most[i] != most[i] ? most[i] : s[i];
      for (std::int64_t i = 0; i < size; ++i) spread[i] = std::sqrt(most[i]);
    }
    for (std::int64_t i = 0; i < size; ++i) p[i] = p[i] * kept - m[i] / (spread[i] / root + epsilon) * rate;
  });
}

}  // namespace

void adamw_step(const AdamWStep& step, DType dtype, std::int64_t count, const void* grad, void* parameter,
                void* mean, void* square, void* max_square) {
  if (dtype == DType::float32)
    run(step, count, static_cast<const float*>(grad), static_cast<float*>(parameter),
        static_cast<float*>(mean), static_cast<float*>(square), static_cast<float*>(max_square));
  else
    run(step, count, static_cast<const double*>(grad), static_cast<double*>(parameter),
        static_cast<double*>(mean), static_cast<double*>(square), static_cast<double*>(max_square));
}

}  // namespace convnative
