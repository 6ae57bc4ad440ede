#include <algorithm>
#include <stdexcept>

#include "base/aligned_buffer.h"
#include "base/checked.h"
#include "base/parallel.h"
#include "conv/algorithm.h"
#include "conv/epilogue.h"
#include "convnative/conv.h"
#include "convnative/runtime.h"
#include "gemm/blocking.h"

namespace convnative {
namespace {

const char* why_not(const ConvAlgorithmEntry& entry, const ConvProblem& problem) {
  if (problem.precision == Precision::strict && !entry.strict)
    return "strict precision wants each output to be one sum";
  return entry.why_not(problem);
}

// The epilogue in a pass of its own.
template <class T>
void finish(const ConvProblem& problem, const ConvArrays& arrays) {
  const Epilogue<T> epilogue(problem);
  const std::int64_t size =
      problem.operation == ConvOperation::forward ? problem.shape.output_size() : problem.shape.input_size();
  constexpr std::int64_t block = 16 * 1024;
  parallel_for(ceil_div(size, block), problem.threads, [&](std::int64_t task, int) {
    epilogue.finish(arrays, static_cast<T*>(arrays.result) + task * block,
                    std::min(block, size - task * block));
  });
}

}  // namespace

const char* name(ConvOperation operation) {
  switch (operation) {
    case ConvOperation::grad_input:
      return "grad_input";
    case ConvOperation::grad_weight:
      return "grad_weight";
    case ConvOperation::forward:
      break;
  }
  return "forward";
}

ConvOptions::ConvOptions()
    : isa(convnative::isa()), precision(convnative::precision()), threads(num_threads()) {}

ConvPlan::ConvPlan(const ConvShape& shape, ConvOperation operation, DType dtype, const ConvOptions& options)
    : shape_(shape), operation_(operation), dtype_(dtype), options_(options) {
  if (operation == ConvOperation::grad_weight && options.activation)
    throw std::invalid_argument("activation: not for grad_weight");
  // Where there are few products for each, moving the elements takes the time.
  constexpr double macs_per_element = 10;
  const double work = static_cast<double>(shape.macs()) +
                      macs_per_element * static_cast<double>(shape.input_size() + shape.output_size());
  threads_ = std::min(options.threads, threads_for(work, macs_per_thread));
  const ConvProblem problem = this->problem();
  for (const ConvAlgorithmEntry& entry : conv_algorithms()) {
    const bool forced = options.algorithm == entry.name;
    if (entry.operation != operation || !(forced || options.algorithm.empty())) continue;
    const char* const obstacle = why_not(entry, problem);
    if (obstacle == nullptr && (forced || entry.why_slower(problem) == nullptr)) {
      algorithm_ = entry.make(problem);
      return;
    }
    if (forced)
      throw std::invalid_argument("algorithm: " + options.algorithm + " does not apply: " + obstacle);
  }
  std::string names;
  for (const ConvAlgorithmName& known : conv_algorithm_names(operation))
    names += (names.empty() ? "" : ", ") + known.name;
  throw std::invalid_argument("algorithm: expected one of " + names + " for " + name(operation) +
                              ", received '" + options.algorithm + "'");
}

ConvProblem ConvPlan::problem() const {
  return {shape_,
          operation_,
          dtype_,
          options_.isa,
          options_.precision,
          threads_,
          options_.prepacked,
          options_.activation ? &*options_.activation : nullptr};
}

const char* ConvPlan::algorithm() const {
  return algorithm_->name();
}
std::string ConvPlan::kernel() const {
  return algorithm_->kernel();
}
std::string ConvPlan::reason() const {
  // Told on request: a plan is made in every call.
  const ConvProblem problem = this->problem();
  std::string text;
  for (const ConvAlgorithmEntry& entry : conv_algorithms()) {
    if (entry.operation != operation_) continue;
    if (std::string(entry.name) == algorithm()) return text + entry.reason;
    const char* obstacle = why_not(entry, problem);
    if (obstacle == nullptr) obstacle = entry.why_slower(problem);
    text += std::string("not ") + entry.name + ": " +
            (obstacle == nullptr ? "another was asked for" : obstacle) + "; ";
  }
  return text;
}
std::size_t ConvPlan::packed_weight_bytes() const {
  return algorithm_->packed_weight_bytes();
}
std::size_t ConvPlan::workspace_bytes() const {
  return algorithm_->workspace_bytes();
}
void ConvPlan::pack(const void* weight, void* packed) const {
  algorithm_->pack(weight, packed);
}
void ConvPlan::run(const ConvArrays& arrays, const void* packed, void* workspace) const {
  algorithm_->run(arrays, packed, workspace);
  if (algorithm_->fuses_epilogue() || !(options_.activation || arrays.residual != nullptr)) return;
  if (dtype_ == DType::float32)
    finish<float>(problem(), arrays);
  else
    finish<double>(problem(), arrays);
}

void convolve(const ConvShape& shape, ConvOperation operation, DType dtype, const ConvArrays& arrays,
              const ConvOptions& options) {
  const ConvPlan plan(shape, operation, dtype, options);
  const AlignedBuffer packed(plan.packed_weight_bytes());
  const AlignedBuffer workspace(plan.workspace_bytes());
  if (plan.packed_weight_bytes() > 0) plan.pack(arrays.weight, packed.data());
  plan.run(arrays, packed.data(), workspace.data());
}

std::vector<ConvAlgorithmName> conv_algorithm_names(ConvOperation operation) {
  std::vector<ConvAlgorithmName> names;
  for (const ConvAlgorithmEntry& entry : conv_algorithms())
    if (entry.operation == operation) names.push_back({entry.name, entry.strict});
  return names;
}

}  // namespace convnative
