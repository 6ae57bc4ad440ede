#include "conv/algorithm.h"

namespace convnative {
namespace {

// An algorithm that serves everything, or is as fast as any that comes after it.
const char* never(const ConvProblem&) {
  return nullptr;
}

constexpr const char* winograd_4x4_reason = "Winograd F(4x4, 3x3): a quarter of the multiplications";
constexpr const char* winograd_2x2_reason = "Winograd F(2x2, 3x3): 16 multiplications of 36";
constexpr const char* depthwise_reason =
    "depthwise: planes are correlated where they lie, each source row loaded once for all taps of a column";
constexpr const char* depthwise_sums_reason =
    "depthwise: the sums of many taps stay in registers while planes are read once";
constexpr const char* im2col_reason =
    "implicit im2col: one dense matrix product, patches packed on the fly, serves every shape";
constexpr const char* reference_reason = "the definition, summed in float64: the yardstick for all others";

using enum ConvOperation;
constexpr ConvAlgorithmEntry entries[] = {
    {"depthwise", forward, depthwise_reason, true, depthwise_why_not, depthwise_why_slower, make_depthwise},
    {"winograd_4x4", forward, winograd_4x4_reason, false, winograd_why_not, winograd_4x4_why_slower,
     make_winograd_4x4},
    {"winograd_2x2", forward, winograd_2x2_reason, false, winograd_why_not, winograd_2x2_why_slower,
     make_winograd_2x2},
    {"im2col_gemm", forward, im2col_reason, true, never, never, make_im2col_gemm_forward},
    {"reference", forward, reference_reason, true, never, never, make_reference},

    {"depthwise", grad_input, depthwise_reason, true, depthwise_why_not, depthwise_why_slower,
     make_depthwise},
    {"winograd_4x4", grad_input, winograd_4x4_reason, false, winograd_why_not, winograd_4x4_why_slower,
     make_winograd_4x4},
    {"winograd_2x2", grad_input, winograd_2x2_reason, false, winograd_why_not, winograd_2x2_why_slower,
     make_winograd_2x2},
    {"im2col_gemm", grad_input, im2col_reason, true, never, never, make_im2col_gemm_grad_input},
    {"reference", grad_input, reference_reason, true, never, never, make_reference},

    {"depthwise", grad_weight, depthwise_sums_reason, true, depthwise_why_not, depthwise_why_slower,
     make_depthwise_grad_weight},
    {"im2col_gemm", grad_weight, im2col_reason, true, never, never, make_im2col_gemm_grad_weight},
    {"reference", grad_weight, reference_reason, true, never, never, make_reference},
};

}  // namespace

std::span<const ConvAlgorithmEntry> conv_algorithms() {
  return entries;
}

}  // namespace convnative
