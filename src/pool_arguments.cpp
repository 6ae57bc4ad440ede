#include "pool_arguments.h"

namespace convnative::python {
namespace {

// The rules of torch and of ONNX, which both drop a last window that starts in the padding behind the input.
bool take_ceil_mode(py::handle value) {
  if (!py::isinstance<py::str>(value)) return take_bool(value, "ceil_mode");
  const auto word = value.cast<std::string>();
  if (word != "torch" && word != "onnx")
    throw py::value_error("ceil_mode: expected a bool, 'torch' or 'onnx', received '" + word + "'");
  return true;
}

template <class Shape>
Sizes sizes_of(const Shape& shape) {
  Sizes sizes{shape.batch, shape.channels};
  sizes.insert(sizes.end(), shape.output.end() - shape.axes, shape.output.end());
  return sizes;
}

}  // namespace

PoolShape take_pool_shape(int axes, const Sizes& input, py::handle kernel_size, py::handle stride,
                          py::handle padding, py::handle dilation, py::handle ceil_mode,
                          const char* input_name) {
  PoolParameters parameters;
  parameters.kernel = take_extents(kernel_size, "kernel_size", axes, 1);
  parameters.stride = stride.is_none() ? parameters.kernel : take_extents(stride, "stride", axes, 1);
  parameters.padding = take_padding(padding, axes);
  parameters.dilation = take_extents(dilation, "dilation", axes, 1);
  parameters.ceil_mode = take_ceil_mode(ceil_mode);
  return make_pool_shape(axes, input, parameters, {.input = input_name});
}

Sizes output_sizes(const PoolShape& shape) {
  return sizes_of(shape);
}

Sizes output_sizes(const PlaneShape& shape) {
  return sizes_of(shape);
}

}  // namespace convnative::python
