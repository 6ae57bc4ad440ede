// The interface of a convolution algorithm and the ordered list of them.
//
// A new algorithm is one file that implements ConvAlgorithm, a declaration below and a row in algorithm.cpp.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "convnative/conv.h"

namespace convnative {

struct ConvProblem {
  ConvShape shape;
  ConvOperation operation;
  DType dtype;
  Isa isa;
  Precision precision;
  int threads;  // at most this many
  bool prepacked = false;
  const Activation* activation = nullptr;
};

// One algorithm with its tile sizes for one problem. Immutable.
class ConvAlgorithm {
 public:
  virtual ~ConvAlgorithm() = default;
  virtual const char* name() const = 0;
  virtual std::string kernel() const = 0;
  virtual std::size_t packed_weight_bytes() const { return 0; }
  virtual std::size_t workspace_bytes() const { return 0; }
  virtual void pack(const void* /*weight*/, void* /*packed*/) const {}
  virtual void run(const ConvArrays& arrays, const void* packed, void* workspace) const = 0;
  // Whether `run` takes care of the epilogue (conv/epilogue.h); else the plan does, in a pass of its own.
  virtual bool fuses_epilogue() const { return false; }
};

struct ConvAlgorithmEntry {
  const char* name;
  ConvOperation operation;
  const char* reason;  // why it is taken where it applies
  bool strict;         // each output is one sum in an order that the shape fixes, as Precision::strict wants
  // Null where it applies, else why not; and null where it is wanted, else why another is faster.
  const char* (*why_not)(const ConvProblem&);
  const char* (*why_slower)(const ConvProblem&);
  std::shared_ptr<const ConvAlgorithm> (*make)(const ConvProblem&);
};

// In order of preference; the last entry of each operation applies to everything.
std::span<const ConvAlgorithmEntry> conv_algorithms();

std::shared_ptr<const ConvAlgorithm> make_im2col_gemm_forward(const ConvProblem&);
std::shared_ptr<const ConvAlgorithm> make_im2col_gemm_grad_input(const ConvProblem&);
std::shared_ptr<const ConvAlgorithm> make_im2col_gemm_grad_weight(const ConvProblem&);
std::shared_ptr<const ConvAlgorithm> make_reference(const ConvProblem&);

const char* cropped_kernel_why_not(const ConvProblem&);
const char* cropped_kernel_why_slower(const ConvProblem&);
std::shared_ptr<const ConvAlgorithm> make_cropped_kernel(const ConvProblem&);
const char* inner_product_why_not(const ConvProblem&);
std::shared_ptr<const ConvAlgorithm> make_inner_product(const ConvProblem&);
const char* direct_strip_why_not(const ConvProblem&);
const char* direct_strip_why_slower(const ConvProblem&);
// Of one core, roughly; for problems to which it applies.
double direct_strip_cycles(const ConvProblem&);
std::shared_ptr<const ConvAlgorithm> make_direct_strip(const ConvProblem&);
const char* direct_channels_why_not(const ConvProblem&);
const char* direct_channels_why_slower(const ConvProblem&);
double direct_channels_cycles(const ConvProblem&);
std::shared_ptr<const ConvAlgorithm> make_direct_channels(const ConvProblem&);
const char* direct_channels_grad_weight_why_not(const ConvProblem&);
const char* direct_channels_grad_weight_why_slower(const ConvProblem&);
double direct_channels_grad_weight_cycles(const ConvProblem&);
std::shared_ptr<const ConvAlgorithm> make_direct_channels_grad_weight(const ConvProblem&);
// Of the implicit im2col products on one core, roughly.
double im2col_gemm_cycles(const ConvProblem&);
double im2col_gemm_grad_weight_cycles(const ConvProblem&);
const char* depthwise_why_not(const ConvProblem&);
const char* depthwise_why_slower(const ConvProblem&);
std::shared_ptr<const ConvAlgorithm> make_depthwise(const ConvProblem&);
// Of groups of one channel, on one core with AVX-512, roughly.
double depthwise_cycles(const ConvShape& shape, bool forward);
const char* depthwise_lanes_why_not(const ConvProblem&);
const char* depthwise_lanes_why_slower(const ConvProblem&);
std::shared_ptr<const ConvAlgorithm> make_depthwise_lanes(const ConvProblem&);
const char* depthwise_lanes_grad_weight_why_not(const ConvProblem&);
const char* depthwise_lanes_grad_weight_why_slower(const ConvProblem&);
std::shared_ptr<const ConvAlgorithm> make_depthwise_lanes_grad_weight(const ConvProblem&);
const char* depthwise_grad_weight_why_not(const ConvProblem&);
const char* depthwise_grad_weight_why_slower(const ConvProblem&);
// Of it, and of the matrix products that are the alternative, on one core with AVX-512, roughly.
double depthwise_grad_weight_cycles(const ConvProblem&);
double grad_weight_products_cycles(const ConvProblem&);
std::shared_ptr<const ConvAlgorithm> make_depthwise_grad_weight(const ConvProblem&);

// Winograd in tiles of Outputs x Outputs; 2, 3 or 4.
template <int Outputs>
const char* winograd_why_not(const ConvProblem&);
template <int Outputs>
const char* winograd_why_slower(const ConvProblem&);
template <int Outputs>
std::shared_ptr<const ConvAlgorithm> make_winograd(const ConvProblem&);
template <int Outputs>
const char* winograd_grad_weight_why_slower(const ConvProblem&);
template <int Outputs>
std::shared_ptr<const ConvAlgorithm> make_winograd_grad_weight(const ConvProblem&);

}  // namespace convnative
