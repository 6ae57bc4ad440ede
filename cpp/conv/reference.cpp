// The reference loops (ref/conv.h) as the last entry of the list.
#include <memory>
#include <string>

#include "conv/algorithm.h"
#include "ref/conv.h"

namespace convnative {
namespace {

template <class T>
class Reference final : public ConvAlgorithm {
 public:
  explicit Reference(const ConvProblem& problem) : shape_(problem.shape), operation_(problem.operation) {}

  const char* name() const override { return "reference"; }
  std::string kernel() const override { return "plain loops"; }

  void run(const ConvArrays& arrays, const void* /*packed*/, void* /*workspace*/) const override {
    const auto* input = static_cast<const T*>(arrays.input);
    const auto* weight = static_cast<const T*>(arrays.weight);
    const auto* grad_output = static_cast<const T*>(arrays.grad_output);
    const auto* bias = static_cast<const T*>(arrays.bias);
    auto* result = static_cast<T*>(arrays.result);
    switch (operation_) {
      case ConvOperation::forward:
        return ref::conv_forward(shape_, input, weight, bias, result);
      case ConvOperation::grad_input:
        return ref::conv_grad_input(shape_, grad_output, weight, bias, result);
      case ConvOperation::grad_weight:
        return ref::conv_grad_weight(shape_, grad_output, input, result);
    }
  }

 private:
  ConvShape shape_;
  ConvOperation operation_;
};

}  // namespace

std::shared_ptr<const ConvAlgorithm> make_reference(const ConvProblem& problem) {
  if (problem.dtype == DType::float32) return std::make_shared<Reference<float>>(problem);
  return std::make_shared<Reference<double>>(problem);
}

}  // namespace convnative
