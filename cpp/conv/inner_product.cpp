// A kernel that covers the input: each output channel of an image is the inner product of its weights with the whole
// image, and the convolution one dense product over the images. So it is for a plane of one element, too.
//
//   forward      output (N x K)          = input (N x D)     * weight' (D x K) + bias of k
//   grad_input   grad_input (N x D)      = grad_output (N x K) * weight (K x D) + bias of c
//   grad_weight  grad_weight (K x D)     = grad_output' (K x N) * input (N x D)
//
// with D = C * taps. The products are those of gemm/matmul.h, which reads all of these matrices where they lie; images
// are its rows, so that few of them cost little more than reading the weights once.
//
// Each element of forward and grad_input is one chain in ascending order; of grad_weight, whose sums over the images
// may be long, the sum of chains over parts of the batch.
#include <memory>
#include <string>

#include "conv/algorithm.h"
#include "gemm/matmul.h"

namespace convnative {
namespace {

template <class T>
Matmul<T> product_of(const ConvShape& s, ConvOperation operation, const ConvArrays& arrays) {
  const std::int64_t depth = s.in_channels * s.taps();
  const auto* const input = static_cast<const T*>(arrays.input);
  const auto* const weight = static_cast<const T*>(arrays.weight);
  const auto* const bias = static_cast<const T*>(arrays.bias);
  const auto* const grad_output = static_cast<const T*>(arrays.grad_output);
  auto* const result = static_cast<T*>(arrays.result);
  switch (operation) {
    case ConvOperation::grad_input:
      return {s.batch, depth, s.out_channels, grad_output, s.out_channels, 1,       weight,
              depth,   1,     bias,           result,      depth,          s.taps()};
    case ConvOperation::grad_weight:
      return {s.out_channels, depth,  s.batch, grad_output, 1,   s.out_channels, input, depth, 1,
              nullptr,        result, depth,   1,           true};
    case ConvOperation::forward:
      break;
  }
  return {s.batch, s.out_channels, depth, input, depth, 1, weight, 1, depth, bias, result, s.out_channels};
}

template <class T>
class InnerProduct final : public ConvAlgorithm {
 public:
  explicit InnerProduct(const ConvProblem& problem)
      : shape_(problem.shape),
        operation_(problem.operation),
        plan_(product_of<T>(shape_, operation_, {}), problem.isa, problem.threads,
              problem.prepacked && operation_ != ConvOperation::grad_weight) {}

  const char* name() const override { return "inner_product"; }
  std::string kernel() const override {
    const GemmKernels<T>& kernels = plan_.kernels();
    return kernels.kernel(kernels.max_rows, kernels.max_vectors).name;
  }
  std::size_t packed_weight_bytes() const override { return plan_.packed_bytes(); }
  std::size_t workspace_bytes() const override { return plan_.workspace_bytes(); }
  void pack(const void* weight, void* packed) const override {
    plan_.pack(static_cast<const T*>(weight), static_cast<T*>(packed));
  }
  void run(const ConvArrays& arrays, const void* packed, void* workspace) const override {
    plan_.run(product_of<T>(shape_, operation_, arrays), static_cast<const T*>(packed), workspace);
  }

 private:
  ConvShape shape_;
  ConvOperation operation_;
  MatmulPlan<T> plan_;
};

}  // namespace

const char* inner_product_why_not(const ConvProblem& problem) {
  const ConvShape& s = problem.shape;
  constexpr Extents none{0, 0, 0};
  if (s.groups != 1) return "for one group alone";
  if (s.kernel != s.input || s.output_plane() != 1 || s.pad_before != none || s.pad_after != none)
    return "for kernels that cover the input, without padding, alone";
  return nullptr;
}

std::shared_ptr<const ConvAlgorithm> make_inner_product(const ConvProblem& problem) {
  if (problem.dtype == DType::float32) return std::make_shared<InnerProduct<float>>(problem);
  return std::make_shared<InnerProduct<double>>(problem);
}

}  // namespace convnative
