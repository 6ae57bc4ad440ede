// What the pools would run: facts for convnative.explain.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "arguments.h"
#include "bindings.h"
#include "convnative/pool.h"
#include "pool_arguments.h"

namespace convnative::python {
namespace {

py::dict facts(const std::string& operation, DType dtype, const Sizes& output,
               const PoolExplanation& explanation) {
  py::dict result;
  result["operation"] = operation;
  result["dtype"] = name(dtype);
  result["output_shape"] = py::tuple(py::cast(output));
  result["algorithm"] = explanation.algorithm;
  result["kernel"] = explanation.kernel;
  result["reason"] = explanation.reason;
  result["isa"] = name(isa());
  result["threads"] = explanation.threads;
  result["workspace_bytes"] = explanation.workspace_bytes;
  result["bytes_touched"] = explanation.bytes_touched;
  return result;
}

template <class Operation, std::size_t Count>
Operation find(const std::pair<const char*, Operation> (&names)[Count], const std::string& word) {
  for (const auto& [known, operation] : names)
    if (word == known) return operation;
  throw py::value_error("operation: expected the name of a pool, received '" + word + "'");
}

py::dict pool_explain(py::handle operation_name, py::handle dtype_name, py::handle axes_argument,
                      py::handle input_shape, py::handle kernel_size, py::handle stride, py::handle padding,
                      py::handle dilation, py::handle ceil_mode) {
  constexpr std::pair<const char*, PoolOperation> names[] = {
      {"max_pool_forward", PoolOperation::max_forward},
      {"max_pool_with_indices", PoolOperation::max_with_indices},
      {"max_pool_grad", PoolOperation::max_grad},
      {"avg_pool_forward", PoolOperation::avg_forward},
      {"avg_pool_grad", PoolOperation::avg_grad},
      {"lp_pool_forward", PoolOperation::lp_forward},
      {"lp_pool_grad", PoolOperation::lp_grad}};
  const std::string operation = take_str(operation_name, "operation");
  const int axes = take_axes(axes_argument);
  const Batched batched = with_batch(take_shape(input_shape, "input_shape"), "input_shape", axes);
  const PoolShape shape =
      take_pool_shape(axes, batched.sizes, kernel_size, stride, padding, dilation, ceil_mode, "input_shape");
  const DType dtype = take_dtype(dtype_name);
  return facts(operation, dtype, batched.strip(output_sizes(shape)),
               explain_pool(find(names, operation), shape, dtype));
}

// `kernel_size` is None but for fractional pools.
py::dict plane_pool_explain(py::handle operation_name, py::handle dtype_name, py::handle axes_argument,
                            py::handle input_shape, py::handle output_size, py::handle kernel_size) {
  constexpr std::pair<const char*, PlanePoolOperation> names[] = {
      {"adaptive_avg_pool_forward", PlanePoolOperation::adaptive_avg_forward},
      {"adaptive_max_pool_forward", PlanePoolOperation::adaptive_max_forward},
      {"adaptive_max_pool_with_indices", PlanePoolOperation::adaptive_max_with_indices},
      {"max_unpool_forward", PlanePoolOperation::max_unpool_forward}};
  const std::string operation = take_str(operation_name, "operation");
  const int axes = take_axes(axes_argument);
  const Batched batched = with_batch(take_shape(input_shape, "input_shape"), "input_shape", axes);
  const Extents output = take_extents(output_size, "output_size", axes, 1);
  const DType dtype = take_dtype(dtype_name);
  if (!kernel_size.is_none()) {
    const FractionalPoolShape shape = make_fractional_pool_shape(
        axes, batched.sizes, take_extents(kernel_size, "kernel_size", axes, 1), output);
    return facts(operation, dtype, batched.strip(output_sizes(shape)),
                 explain_pool(shape, operation == "fractional_max_pool_with_indices", dtype));
  }
  const PlaneShape shape = make_plane_shape(axes, batched.sizes, output, true, {.input = "input_shape"});
  return facts(operation, dtype, batched.strip(output_sizes(shape)),
               explain_pool(find(names, operation), shape, dtype));
}

}  // namespace

void bind_pool_explain(py::module_& module) {
  using py::arg;
  module.def("pool_explain", &pool_explain, arg("operation"), arg("dtype"), arg("axes"), arg("input_shape"),
             arg("kernel_size"), arg("stride"), arg("padding"), arg("dilation"), arg("ceil_mode"));
  module.def("plane_pool_explain", &plane_pool_explain, arg("operation"), arg("dtype"), arg("axes"),
             arg("input_shape"), arg("output_size"), arg("kernel_size") = py::none());
}

}  // namespace convnative::python
