// One step of an optimizer for one parameter, in place. Arrays hold `count` elements of `dtype` and are contiguous;
// results do not depend on the number of threads. Every element is computed in its type, operation by operation.
#pragma once

#include <cstdint>

#include "convnative/types.h"

namespace convnative {

// With g = grad + weight_decay * parameter, and b = momentum * b + (1 - dampening) * g, at the first step g:
//   parameter -= rate * (nesterov ? g + momentum * b : b)
// Up instead of down where `maximize`: with -grad for grad.
struct SgdStep {
  double rate = 0;
  double momentum = 0;
  double dampening = 0;
  double weight_decay = 0;
  bool nesterov = false;
  bool maximize = false;
  bool first = false;
};

// `buffer`, which holds b, may be null where momentum is 0.
void sgd_step(const SgdStep& step, DType dtype, std::int64_t count, const void* grad, void* parameter,
              void* buffer);

// Adam with decoupled weight decay (Loshchilov and Hutter, 2019): at step `number` = t, counted from 1,
//   parameter *= 1 - rate * weight_decay
//   mean = beta1 * mean + (1 - beta1) * grad        square = beta2 * square + (1 - beta2) * grad^2
//   parameter -= rate / (1 - beta1^t) * mean / (sqrt(square) / sqrt(1 - beta2^t) + epsilon)
// in which the largest square so far takes the place of `square` where there is `max_square` (Reddi et al., 2018).
struct AdamWStep {
  double rate = 0;
  double beta1 = 0;
  double beta2 = 0;
  double epsilon = 0;
  double weight_decay = 0;
  std::int64_t number = 1;
  bool maximize = false;
};

// `max_square` may be null.
void adamw_step(const AdamWStep& step, DType dtype, std::int64_t count, const void* grad, void* parameter,
                void* mean, void* square, void* max_square);

}  // namespace convnative
