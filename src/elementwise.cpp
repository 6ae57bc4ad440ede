#include "convnative/elementwise.h"

#include <pybind11/pybind11.h>

#include <algorithm>

#include "arguments.h"
#include "bindings.h"
#include "convnative/runtime.h"

namespace convnative::python {
namespace {

// A negative `dim` counts from the end, as everywhere in Python; a scalar counts as one class.
ClassShape classes_along(const Sizes& shape, std::int64_t dim) {
  const auto rank = std::max<std::int64_t>(static_cast<std::int64_t>(shape.size()), 1);
  if (dim < -rank || dim >= rank)
    throw py::index_error("dim: expected an int in [" + std::to_string(-rank) + ", " + std::to_string(rank) +
                          "), received " + std::to_string(dim));
  if (shape.empty()) return {1, 1, 1};
  const auto axis = shape.begin() + (dim < 0 ? dim + rank : dim);
  return {product(shape.begin(), axis), *axis, product(axis + 1, shape.end())};
}

py::array softmax(py::handle input, py::handle dim, py::handle log, py::handle out) {
  const Input x = take_array(input, "input");
  const ClassShape shape = classes_along(x.shape, take_int(dim, "dim"));
  const auto forward = take_bool(log, "log") ? log_softmax_forward : softmax_forward;
  py::array y = make_output(out, x.dtype, x.shape, {&x});
  void* const data = y.mutable_data();
  const py::gil_scoped_release release;
  forward(shape, x.dtype, x.data(), data, isa());
  return y;
}

py::array softmax_gradient(py::handle result, py::handle grad_output, py::handle dim, py::handle log) {
  const Input y = take_array(result, "result");
  const Input g = take_array_like(grad_output, "grad_output", y, y.shape);
  const ClassShape shape = classes_along(y.shape, take_int(dim, "dim"));
  const auto gradient = take_bool(log, "log") ? log_softmax_grad : softmax_grad;
  py::array grad_input = make_output(py::none(), y.dtype, y.shape, {});
  void* const data = grad_input.mutable_data();
  const py::gil_scoped_release release;
  gradient(shape, y.dtype, y.data(), g.data(), data, isa());
  return grad_input;
}

}  // namespace

void bind_elementwise(py::module_& module) {
  using py::arg;
  module.def("softmax_forward", &softmax, arg("input"), arg("dim"), arg("log"), arg("out") = py::none());
  module.def("softmax_grad", &softmax_gradient, arg("result"), arg("grad_output"), arg("dim"), arg("log"));
}

}  // namespace convnative::python
