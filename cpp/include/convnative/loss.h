// Losses and their gradients on contiguous arrays. Sums run in float64, in an order that the shape alone
// fixes; results do not depend on the number of threads.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "convnative/elementwise.h"
#include "convnative/types.h"

namespace convnative {

// The sum of all elements.
double sum(DType dtype, std::int64_t size, const void* values);

// -- losses of two numbers --------------------------------------------------------------------------------

// A loss f(x, t) of an input x and its target t, or one of its partial derivatives.
enum class Derivative { value, dx, dt, dxx, dxt, dtt };

// grad[i] * weight[i] * f(x[i], t[i]) for a loss f of `pairwise_losses()` or a derivative of it.
struct PairwiseLoss {
  std::string loss;
  Derivative derivative = Derivative::value;
  double parameter = 0;  // what the loss has: beta, delta
  std::int64_t size = 0;
  const void* input = nullptr;   // x
  const void* target = nullptr;  // t
  const void* weight = nullptr;  // 1 where null
  const void* grad = nullptr;    // 1 where null
  bool one_grad = false;         // `grad` is one number for all elements
  double divisor = 1;            // of every product, or of the sum
};

// The names of the losses, in the order of their table (loss/pairwise_table.cpp).
std::vector<std::string> pairwise_losses();

// Both throw std::invalid_argument, before any write, where there is no such loss, its parameter is out of
// range, or an element is outside of its domain.
void pairwise_loss(const PairwiseLoss& problem, DType dtype, void* result);
double pairwise_loss_sum(const PairwiseLoss& problem, DType dtype);

// -- losses of class indices ------------------------------------------------------------------------------

// Which class is right at each point of an input of `shape`. Points whose target is `ignore_index` count
// nothing: their losses and gradients are 0 whatever the input holds there.
struct ClassTargets {
  ClassShape shape;  // of the input; target and losses: (outer, inner)
  const std::int64_t* target = nullptr;
  const void* class_weight = nullptr;  // w, (classes,), of the input's type; 1 where null
  std::int64_t ignore_index = -100;
};

// All functions of class indices throw std::out_of_range, before any write, where a target is neither a class
// nor ignore_index; those of the cross-entropy std::invalid_argument where label_smoothing is out of [0, 1].

// The sum of w[target] over the points that count.
double target_weight(const ClassTargets& targets, DType dtype);

// loss = -w[y] * x[y] with y = target[point], and the gradient in x of the losses weighted with grad_losses.
void nll_forward(const ClassTargets& targets, DType dtype, const void* input, void* losses);
void nll_grad(const ClassTargets& targets, DType dtype, const void* grad_losses, void* grad_input);

// With p = softmax(input), e = label_smoothing:
//
//   loss = -(1 - e) * w[y] * log(p[y]) - e / classes * sum over c of w[c] * log(p[c])
void cross_entropy_forward(const ClassTargets& targets, double label_smoothing, DType dtype,
                           const void* input, void* losses);
void cross_entropy_grad(const ClassTargets& targets, double label_smoothing, DType dtype, const void* input,
                        const void* grad_losses, void* grad_input);

// -- losses of class probabilities ------------------------------------------------------------------------

// loss = -sum over c of w[c] * q[c] * x[c] with q = scale * probabilities + shift. It is linear in w, q and
// x, and so are its gradients, which therefore are each other's:
//
//   class_product_grad    result[c] = -w[c] * q[c] * grad_losses: in x; in the probabilities, with x in their
//                         place, shift = 0
//   class_product_points  result[c] = -sum over the points of grad_losses * q[c] * x[c]: in w
struct ClassProduct {
  ClassShape shape;
  double scale = 1;
  double shift = 0;
};

// `class_weight` may be null.
void class_product_forward(const ClassProduct& problem, DType dtype, const void* input,
                           const void* probabilities, const void* class_weight, void* losses);
void class_product_grad(const ClassProduct& problem, DType dtype, const void* probabilities,
                        const void* class_weight, const void* grad_losses, void* result);
void class_product_points(const ClassProduct& problem, DType dtype, const void* input,
                          const void* probabilities, const void* grad_losses, void* result);

}  // namespace convnative
