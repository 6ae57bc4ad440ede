#include <pybind11/pybind11.h>

#include "arguments.h"
#include "bindings.h"
#include "convnative/elementwise.h"

namespace convnative::python {
namespace {

std::int64_t elements(const Input& input) {
  return product(input.shape.begin(), input.shape.end());
}

py::array forward(const Activation& activation, py::handle input, py::handle out) {
  const Input x = take_array(input, "input");
  py::array y = make_output(out, x.dtype, x.shape, {&x});
  void* const data = y.mutable_data();
  const py::gil_scoped_release release;
  activation_forward(activation, x.dtype, elements(x), x.data(), data);
  return y;
}

py::array gradient(const Activation& activation, int order, py::handle input, py::handle grad_output) {
  const Input x = take_array(input, "input");
  const Input g = take_array_like(grad_output, "grad_output", x, x.shape);
  py::array result = make_output(py::none(), x.dtype, x.shape, {});
  void* const data = result.mutable_data();
  const py::gil_scoped_release release;
  activation_grad(activation, order, x.dtype, elements(x), x.data(), g.data(), data);
  return result;
}

const Activation& relu() {
  static const Activation activation = make_activation("relu", {});
  return activation;
}

py::list list_activations() {
  py::list rows;
  for (const ActivationFunction& function : activation_functions())
    rows.append(py::make_tuple(function.name, function.parameters));
  return rows;
}

// A weight for all elements, or one for each channel: the second axis, and one channel where there is none.
ChannelShape prelu_shape(const Input& x, const Input& weight) {
  if (weight.shape.size() > 1)
    throw py::value_error(std::string(weight.argument) + ": expected shape () or (C,), received shape " +
                          text(weight.shape));
  const std::int64_t weights = weight.shape.empty() ? 1 : weight.shape[0];
  const std::int64_t channels = x.shape.size() < 2 ? 1 : x.shape[1];
  if (weights == 1) return {1, 1, elements(x)};
  if (weights != channels)
    throw py::value_error(std::string(weight.argument) + ": expected shape (1,) or one weight for each of " +
                          std::to_string(channels) + " channels, received shape " + text(weight.shape));
  return {x.shape[0], channels, product(x.shape.begin() + 2, x.shape.end())};
}

py::array select_by_sign(py::handle input, py::handle values, py::handle weight, py::handle pass,
                         py::handle out) {
  const Input x = take_array(input, "input");
  const Input v = take_array_like(values, "values", x, x.shape);
  const Input w = take_array_like(weight, "weight", x);
  const ChannelShape shape = prelu_shape(x, w);
  const bool positive = take_bool(pass, "pass_positive");
  py::array y = make_output(out, x.dtype, x.shape, {&x, &v, &w});
  void* const data = y.mutable_data();
  const py::gil_scoped_release release;
  prelu_select(shape, positive, x.dtype, x.data(), v.data(), w.data(), data);
  return y;
}

py::array sum_products(py::handle input, py::handle a, py::handle b, py::handle weight_shape) {
  const Input x = take_array(input, "input");
  const Input first = take_array_like(a, "a", x, x.shape);
  const Input second = take_array_like(b, "b", x, x.shape);
  const Sizes sizes = take_shape(weight_shape, "weight_shape");
  py::array result = make_output(py::none(), x.dtype, sizes, {});
  const ChannelShape shape = prelu_shape(x, Input{"weight_shape", result, result, x.dtype, sizes});
  void* const data = result.mutable_data();
  const py::gil_scoped_release release;
  prelu_sums(shape, x.dtype, x.data(), first.data(), second.data(), data);
  return result;
}

}  // namespace

void bind_activation(py::module_& module) {
  using py::arg;
  module.def(
      "relu_forward", [](py::handle input, py::handle out) { return forward(relu(), input, out); },
      arg("input"), arg("out") = py::none());
  module.def(
      "relu_grad",
      [](py::handle input, py::handle grad_output) { return gradient(relu(), 1, input, grad_output); },
      arg("input"), arg("grad_output"));
  module.def("activation_functions", &list_activations, "Rows (name, number of parameters).");
  module.def(
      "activation_forward",
      [](py::handle input, py::handle name, py::handle parameters, py::handle out) {
        return forward(take_activation(name, parameters), input, out);
      },
      arg("input"), arg("name"), arg("parameters"), arg("out") = py::none());
  module.def(
      "activation_grad",
      [](py::handle input, py::handle grad_output, py::handle name, py::handle parameters, py::handle order) {
        return gradient(take_activation(name, parameters), static_cast<int>(take_int(order, "order")), input,
                        grad_output);
      },
      arg("input"), arg("grad_output"), arg("name"), arg("parameters"), arg("order") = 1);
  module.def("prelu_forward", &select_by_sign, arg("input"), arg("values"), arg("weight"),
             arg("pass_positive") = true, arg("out") = py::none());
  module.def("prelu_sums", &sum_products, arg("input"), arg("a"), arg("b"), arg("weight_shape"));
}

}  // namespace convnative::python
