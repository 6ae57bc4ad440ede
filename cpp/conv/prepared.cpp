// A convolution with its weights packed beforehand.
#include <cstring>
#include <utility>

#include "base/aligned_buffer.h"
#include "convnative/conv.h"

namespace convnative {
namespace {

AlignedBuffer copy(const void* data, std::size_t bytes) {
  AlignedBuffer buffer(bytes);
  if (bytes > 0) std::memcpy(buffer.data(), data, bytes);
  return buffer;
}

ConvOptions prepacked(ConvOptions options) {
  options.prepacked = true;
  return options;
}

}  // namespace

struct PreparedConv::State {
  ConvPlan plan;
  bool forward;
  std::size_t weight_bytes, bias_bytes;
  AlignedBuffer weight, bias, packed;

  State(const ConvShape& shape, ConvOperation operation, DType dtype, const void* weight_data,
        const void* bias_data, const ConvOptions& options)
      : plan(shape, operation, dtype, options),
        forward(operation == ConvOperation::forward),
        weight_bytes(static_cast<std::size_t>(shape.weight_size()) * size_of(dtype)),
        bias_bytes(bias_data == nullptr
                       ? 0
                       : static_cast<std::size_t>(forward ? shape.out_channels : shape.in_channels) *
                             size_of(dtype)),
        weight(copy(weight_data, weight_bytes)),
        bias(copy(bias_data, bias_bytes)),
        packed(plan.packed_weight_bytes()) {
    if (plan.packed_weight_bytes() > 0) plan.pack(weight.data(), packed.data());
  }
};

PreparedConv::PreparedConv(const ConvShape& shape, ConvOperation operation, DType dtype, const void* weight,
                           const void* bias, ConvOptions options)
    : state_(std::make_unique<State>(shape, operation, dtype, weight, bias, prepacked(std::move(options)))) {}
PreparedConv::~PreparedConv() = default;
PreparedConv::PreparedConv(PreparedConv&&) noexcept = default;

const ConvPlan& PreparedConv::plan() const {
  return state_->plan;
}
std::size_t PreparedConv::bytes() const {
  return state_->weight_bytes + state_->bias_bytes + state_->plan.packed_weight_bytes();
}
void PreparedConv::run(const void* input, const void* residual, void* result) const {
  const AlignedBuffer workspace(state_->plan.workspace_bytes());
  ConvArrays arrays;
  (state_->forward ? arrays.input : arrays.grad_output) = input;
  arrays.weight = state_->weight.data();
  arrays.bias = state_->bias_bytes > 0 ? state_->bias.data() : nullptr;
  arrays.residual = residual;
  arrays.result = result;
  state_->plan.run(arrays, state_->packed.data(), workspace.data());
}

}  // namespace convnative
