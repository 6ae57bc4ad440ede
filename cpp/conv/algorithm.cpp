#include "conv/algorithm.h"

namespace convnative {
namespace {

// An algorithm that serves everything, or is as fast as any that comes after it.
const char* never(const ConvProblem&) {
  return nullptr;
}

constexpr const char* cropped_kernel_reason =
    "some taps meet padding alone: a smaller kernel, by any other algorithm";
constexpr const char* inner_product_reason =
    "the kernel covers the input: one dense product over the images, matrices read where they lie";
constexpr const char* winograd_4_reason =
    "Winograd in tiles of 4 x 4: 36 multiplications of 144 with 3 x 3 taps, 64 of 400 with 5 x 5, 25 of 64 "
    "with 2 x 2, 81 of 144 with 3 x 3 and stride 2; 1 x 4: 6 of 12, 8 of 20, 5 of 8";
constexpr const char* winograd_2_reason =
    "Winograd in tiles of 2 x 2: 16 multiplications of 36 with 3 x 3 taps, 36 of 100 with 5 x 5";
constexpr const char* winograd_3_reason =
    "Winograd in tiles of 3 x 3: 16 multiplications of 36 with 2 x 2 taps, 49 of 81 with 3 x 3 and stride 2; "
    "1 x 3: 4 of 6";
constexpr const char* direct_strip_reason =
    "direct on strips of rows: every element of the input is copied once, few channels fill whole tiles";
constexpr const char* direct_channels_reason =
    "direct with output channels in the lanes: long sums over an input that is read where it lies or copied "
    "once";
constexpr const char* direct_channels_sums_reason =
    "direct with output channels in the lanes: sums over points, for which no patches are packed";
constexpr const char* depthwise_reason =
    "depthwise: planes are correlated where they lie, each source row loaded once for all taps of a column";
constexpr const char* depthwise_lanes_reason =
    "depthwise with channels in the lanes: planes are transposed, then a tap is one load at any stride";
constexpr const char* depthwise_lanes_sums_reason =
    "depthwise with channels in the lanes: planes are transposed, the sums of many taps stay in registers";
constexpr const char* depthwise_sums_reason =
    "depthwise: the sums of many taps stay in registers while planes are read once";
constexpr const char* im2col_reason =
    "implicit im2col: one dense matrix product, patches packed on the fly, serves every shape";
constexpr const char* reference_reason = "the definition, summed in float64: the yardstick for all others";

using enum ConvOperation;
constexpr ConvAlgorithmEntry entries[] = {
    {"cropped_kernel", forward, cropped_kernel_reason, true, cropped_kernel_why_not,
     cropped_kernel_why_slower, make_cropped_kernel},
    {"inner_product", forward, inner_product_reason, true, inner_product_why_not, never, make_inner_product},
    {"depthwise_lanes", forward, depthwise_lanes_reason, true, depthwise_lanes_why_not,
     depthwise_lanes_why_slower, make_depthwise_lanes},
    {"depthwise", forward, depthwise_reason, true, depthwise_why_not, depthwise_why_slower, make_depthwise},
    {"winograd_4", forward, winograd_4_reason, false, winograd_why_not<4>, winograd_why_slower<4>,
     make_winograd<4>},
    {"winograd_2", forward, winograd_2_reason, false, winograd_why_not<2>, winograd_why_slower<2>,
     make_winograd<2>},
    {"winograd_3", forward, winograd_3_reason, false, winograd_why_not<3>, winograd_why_slower<3>,
     make_winograd<3>},
    {"direct_strip", forward, direct_strip_reason, true, direct_strip_why_not, direct_strip_why_slower,
     make_direct_strip},
    {"direct_channels", forward, direct_channels_reason, true, direct_channels_why_not,
     direct_channels_why_slower, make_direct_channels},
    {"im2col_gemm", forward, im2col_reason, true, never, never, make_im2col_gemm_forward},
    {"reference", forward, reference_reason, true, never, never, make_reference},

    {"cropped_kernel", grad_input, cropped_kernel_reason, true, cropped_kernel_why_not,
     cropped_kernel_why_slower, make_cropped_kernel},
    {"inner_product", grad_input, inner_product_reason, true, inner_product_why_not, never,
     make_inner_product},
    {"depthwise_lanes", grad_input, depthwise_lanes_reason, true, depthwise_lanes_why_not,
     depthwise_lanes_why_slower, make_depthwise_lanes},
    {"depthwise", grad_input, depthwise_reason, true, depthwise_why_not, depthwise_why_slower,
     make_depthwise},
    {"winograd_4", grad_input, winograd_4_reason, false, winograd_why_not<4>, winograd_why_slower<4>,
     make_winograd<4>},
    {"winograd_2", grad_input, winograd_2_reason, false, winograd_why_not<2>, winograd_why_slower<2>,
     make_winograd<2>},
    {"winograd_3", grad_input, winograd_3_reason, false, winograd_why_not<3>, winograd_why_slower<3>,
     make_winograd<3>},
    {"direct_strip", grad_input, direct_strip_reason, true, direct_strip_why_not, direct_strip_why_slower,
     make_direct_strip},
    {"direct_channels", grad_input, direct_channels_reason, true, direct_channels_why_not,
     direct_channels_why_slower, make_direct_channels},
    {"im2col_gemm", grad_input, im2col_reason, true, never, never, make_im2col_gemm_grad_input},
    {"reference", grad_input, reference_reason, true, never, never, make_reference},

    {"cropped_kernel", grad_weight, cropped_kernel_reason, true, cropped_kernel_why_not,
     cropped_kernel_why_slower, make_cropped_kernel},
    {"inner_product", grad_weight, inner_product_reason, true, inner_product_why_not, never,
     make_inner_product},
    {"depthwise_lanes", grad_weight, depthwise_lanes_sums_reason, true, depthwise_lanes_grad_weight_why_not,
     depthwise_lanes_grad_weight_why_slower, make_depthwise_lanes_grad_weight},
    {"depthwise", grad_weight, depthwise_sums_reason, true, depthwise_grad_weight_why_not,
     depthwise_grad_weight_why_slower, make_depthwise_grad_weight},
    {"winograd_4", grad_weight, winograd_4_reason, false, winograd_why_not<4>,
     winograd_grad_weight_why_slower<4>, make_winograd_grad_weight<4>},
    {"winograd_2", grad_weight, winograd_2_reason, false, winograd_why_not<2>,
     winograd_grad_weight_why_slower<2>, make_winograd_grad_weight<2>},
    {"winograd_3", grad_weight, winograd_3_reason, false, winograd_why_not<3>,
     winograd_grad_weight_why_slower<3>, make_winograd_grad_weight<3>},
    {"direct_channels", grad_weight, direct_channels_sums_reason, true, direct_channels_grad_weight_why_not,
     direct_channels_grad_weight_why_slower, make_direct_channels_grad_weight},
    {"im2col_gemm", grad_weight, im2col_reason, true, never, never, make_im2col_gemm_grad_weight},
    {"reference", grad_weight, reference_reason, true, never, never, make_reference},
};

}  // namespace

std::span<const ConvAlgorithmEntry> conv_algorithms() {
  return entries;
}

}  // namespace convnative
