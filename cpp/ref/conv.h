// The definition of convolution and its gradients as plain loops that accumulate in float64: the last entry
// of the algorithm list, applicable to everything, and the yardstick for the rest.
#pragma once

#include "convnative/shape.h"

namespace convnative::ref {

template <class T>
void conv_forward(const ConvShape& shape, const T* input, const T* weight, const T* bias, T* output);

// The bias is of the transposed convolution; null: none.
template <class T>
void conv_grad_input(const ConvShape& shape, const T* grad_output, const T* weight, const T* bias,
                     T* grad_input);

template <class T>
void conv_grad_weight(const ConvShape& shape, const T* grad_output, const T* input, T* grad_weight);

}  // namespace convnative::ref
