// Convolution: plans, the ordered list of algorithms, and how to run them.
//
//   ConvPlan plan(make_conv_shape(...), ConvOperation::forward, DType::float32);
//   // the caller's memory: `packed` of plan.packed_weight_bytes(), `workspace` of plan.workspace_bytes()
//   plan.pack(weight, packed);                      once per value of the weights
//   plan.run({.input = x, .weight = w, .bias = b, .result = y}, packed, workspace);
//
// Making a plan is cheap and pure; running one allocates nothing. A plan is immutable: any number of threads
// may run it at once, each with its own workspace.
//
// Layouts: input N C spatial, weight K C/G spatial, output N K spatial, contiguous.
//   forward      output      = bias + weight (*) input        (cross-correlation)
//   grad_input   grad_input  = bias + its adjoint in input, applied to grad_output
//   grad_weight  grad_weight = its adjoint in weight, applied to grad_output
//
// grad_input with a bias is the transposed convolution: see make_conv_transpose_shape.
//
// An epilogue may follow the sums of forward and grad_input: result = activation(sums + residual), the same
// bits as in passes of their own.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "convnative/elementwise.h"
#include "convnative/shape.h"
#include "convnative/types.h"

namespace convnative {

enum class ConvOperation { forward, grad_input, grad_weight };

const char* name(ConvOperation operation);

// What a plan may depend on besides the shape. `algorithm` empty: the first of the list that applies.
struct ConvOptions {
  Isa isa;
  Precision precision;
  int threads;
  std::string algorithm;
  bool prepacked = false;  // packed weights serve many runs: packing counts for nothing in the choice
  std::optional<Activation> activation;  // not for grad_weight

  ConvOptions();  // the process-wide settings
};

// The arrays of a run, each contiguous.
struct ConvArrays {
  const void* input = nullptr;        // read by forward and grad_weight
  const void* weight = nullptr;       // read by forward and grad_input
  const void* bias = nullptr;         // per channel of the result of forward or grad_input; may be null
  const void* grad_output = nullptr;  // read by grad_input and grad_weight
  const void* residual = nullptr;     // of the result's shape, added to it; not for grad_weight; may be null
  void* result = nullptr;             // output, grad_input or grad_weight; overlaps none of the others
};

class ConvAlgorithm;
struct ConvProblem;

class ConvPlan {
 public:
  // Throws std::invalid_argument where options.algorithm is unknown or does not apply, with the reason.
  ConvPlan(const ConvShape& shape, ConvOperation operation, DType dtype, const ConvOptions& options = {});

  const ConvShape& shape() const { return shape_; }
  ConvOperation operation() const { return operation_; }
  DType dtype() const { return dtype_; }
  Isa isa() const { return options_.isa; }
  Precision precision() const { return options_.precision; }
  int threads() const { return threads_; }
  const char* algorithm() const;
  // The micro-kernel that does most of the work, and why this algorithm was chosen over those before it.
  std::string kernel() const;
  std::string reason() const;

  std::size_t packed_weight_bytes() const;
  std::size_t workspace_bytes() const;

  // Brings the weights into the algorithm's own layout; `packed` must be aligned to 64 bytes.
  void pack(const void* weight, void* packed) const;
  // `workspace` must be aligned to 64 bytes. Throws Interrupted where the interrupt check says so.
  void run(const ConvArrays& arrays, const void* packed, void* workspace) const;

 private:
  ConvProblem problem() const;

  ConvShape shape_;
  ConvOperation operation_;
  DType dtype_;
  ConvOptions options_;
  int threads_ = 1;
  std::shared_ptr<const ConvAlgorithm> algorithm_;
};

// A plan with weights of its own, packed: later changes of the caller's do not reach it. Immutable.
class PreparedConv {
 public:
  // forward or grad_input, in which case it is the transposed convolution. `bias` may be null.
  PreparedConv(const ConvShape& shape, ConvOperation operation, DType dtype, const void* weight,
               const void* bias, ConvOptions options = {});
  ~PreparedConv();
  PreparedConv(PreparedConv&&) noexcept;

  const ConvPlan& plan() const;
  std::size_t bytes() const;  // that it holds
  // `input`: what the operation is applied to. Allocates the workspace; throws std::bad_alloc before any write.
  void run(const void* input, const void* residual, void* result) const;

 private:
  struct State;
  std::unique_ptr<const State> state_;
};

// Makes a plan, allocates packed weights and workspace, and runs it. Throws std::bad_alloc before any write.
void convolve(const ConvShape& shape, ConvOperation operation, DType dtype, const ConvArrays& arrays,
              const ConvOptions& options = {});

// grad_bias[k] = the sum of grad_output (N K spatial) over all but k.
void conv_grad_bias(DType dtype, std::int64_t batch, std::int64_t channels, std::int64_t plane,
                    const void* grad_output, void* grad_bias);

// The ordered list, for tests and explanations.
struct ConvAlgorithmName {
  std::string name;
  bool strict;  // also where Precision::strict asks for one sum per output
};
std::vector<ConvAlgorithmName> conv_algorithm_names(ConvOperation operation);

}  // namespace convnative
