#include "convnative/optimizer.h"
#include "optimizer/blocks.h"

namespace convnative {
namespace {

template <class T>
void run(const SgdStep& step, std::int64_t count, const T* grad, T* parameter, T* buffer) {
  const T rate = static_cast<T>(step.rate), momentum = static_cast<T>(step.momentum);
  const T weight_decay = static_cast<T>(step.weight_decay), fresh = static_cast<T>(1 - step.dampening);
  const bool decays = step.weight_decay != 0;
  for_each_block(count, [&](std::int64_t begin, std::int64_t size) {
    T direction[optimizer_block];
    const T* const g = grad + begin;
    T* const p = parameter + begin;
    if (decays && step.maximize)
      for (std::int64_t i = 0; i < size; ++i) direction[i] = p[i] * weight_decay - g[i];
    else if (decays)
      for (std::int64_t i = 0; i < size; ++i) direction[i] = p[i] * weight_decay + g[i];
    else
      for (std::int64_t i = 0; i < size; ++i) direction[i] = step.maximize ? -g[i] : g[i];
    if (buffer != nullptr) {
      T* const b = buffer + begin;
      if (step.first)
        for (std::int64_t i = 0; i < size; ++i) b[i] = direction[i];
      else
        for (std::int64_t i = 0; i < size; ++i) b[i] = b[i] * momentum + direction[i] * fresh;
      if (step.nesterov)
        for (std::int64_t i = 0; i < size; ++i) direction[i] = direction[i] + b[i] * momentum;
      else
        for (std::int64_t i = 0; i < size; ++i) direction[i] = b[i];
    }
    for (std::int64_t i = 0; i < size; ++i) p[i] = p[i] - direction[i] * rate;
  });
}

}  // namespace

void sgd_step(const SgdStep& step, DType dtype, std::int64_t count, const void* grad, void* parameter,
              void* buffer) {
  if (dtype == DType::float32)
    run(step, count, static_cast<const float*>(grad), static_cast<float*>(parameter),
        static_cast<float*>(buffer));
  else
    run(step, count, static_cast<const double*>(grad), static_cast<double*>(parameter),
        static_cast<double*>(buffer));
}

}  // namespace convnative
