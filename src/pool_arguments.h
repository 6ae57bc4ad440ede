// What the bindings of all pools share.
#pragma once

#include "arguments.h"
#include "convnative/shape.h"

namespace convnative::python {

// The validated shape of a pool of windows at even distances; `stride` may be None.
PoolShape take_pool_shape(int axes, const Sizes& input, py::handle kernel_size, py::handle stride,
                          py::handle padding, py::handle dilation, py::handle ceil_mode,
                          const char* input_name = "input");

// The output's shape, with the batch.
Sizes output_sizes(const PoolShape& shape);
Sizes output_sizes(const PlaneShape& shape);

}  // namespace convnative::python
