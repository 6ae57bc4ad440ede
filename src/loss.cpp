#include "convnative/loss.h"

#include <pybind11/pybind11.h>

#include "arguments.h"
#include "base/checked.h"
#include "bindings.h"

namespace convnative::python {
namespace {

// An array without axes.
py::array scalar(DType dtype, double value) {
  py::array result = make_output(py::none(), dtype, {}, {});
  if (dtype == DType::float32)
    *static_cast<float*>(result.mutable_data()) = static_cast<float>(value);
  else
    *static_cast<double*>(result.mutable_data()) = value;
  return result;
}

py::array sum_all(py::handle input, py::handle divisor) {
  const Input x = take_array(input, "input");
  const double divide_by = take_float(divisor, "divisor");
  double total = 0;
  {
    const py::gil_scoped_release release;
    total = sum(x.dtype, x.array.size(), x.data());
  }
  return scalar(x.dtype, total / divide_by);
}

// -- losses of two numbers --------------------------------------------------------------------------------

Derivative take_derivative(py::handle value) {
  const std::string word = take_str(value, "derivative");
  constexpr std::pair<const char*, Derivative> names[] = {
      {"value", Derivative::value}, {"dx", Derivative::dx},   {"dt", Derivative::dt},
      {"dxx", Derivative::dxx},     {"dxt", Derivative::dxt}, {"dtt", Derivative::dtt}};
  for (const auto& [name, derivative] : names)
    if (word == name) return derivative;
  throw py::value_error("derivative: expected 'value', 'dx', 'dt', 'dxx', 'dxt' or 'dtt', received '" + word +
                        "'");
}

py::array loss_of_pairs(py::handle loss, py::handle derivative, py::handle parameter, py::handle input,
                        py::handle target, py::handle weight, py::handle grad, py::handle reduce,
                        py::handle divisor) {
  const Input x = take_array(input, "input");
  const Input t = take_array_like(target, "target", x, x.shape);
  const std::optional<Input> w = take_optional(weight, "weight", x, x.shape);
  std::optional<Input> g;
  if (!grad.is_none()) g = take_array_like(grad, "grad", x);
  const bool one_grad = g && g->shape.empty();
  if (g && !one_grad) require_shape(*g, x.shape);
  const PairwiseLoss problem{take_str(loss, "loss"),
                             take_derivative(derivative),
                             take_float(parameter, "parameter"),
                             x.array.size(),
                             x.data(),
                             t.data(),
                             w ? w->data() : nullptr,
                             g ? g->data() : nullptr,
                             one_grad,
                             take_float(divisor, "divisor")};
  if (take_bool(reduce, "reduce")) {
    double total = 0;
    {
      const py::gil_scoped_release release;
      total = pairwise_loss_sum(problem, x.dtype);
    }
    return scalar(x.dtype, total);
  }
  py::array result = make_output(py::none(), x.dtype, x.shape, {});
  void* const data = result.mutable_data();
  const py::gil_scoped_release release;
  pairwise_loss(problem, x.dtype, data);
  return result;
}

// -- losses over classes ----------------------------------------------------------------------------------

// An input's classes, and the shape of what has one element for all of them: targets and losses.
struct Classes {
  ClassShape shape;
  Sizes points;
};

Classes split_classes(const Sizes& shape, const char* argument) {
  if (shape.empty())
    throw py::value_error(std::string(argument) + ": expected shape (C,) or (N, C, ...), received shape ()");
  const std::size_t axis = shape.size() == 1 ? 0 : 1;
  Classes classes;
  classes.shape = {axis == 0 ? 1 : shape[0], shape[axis], 1};
  if (axis == 1) classes.points.push_back(shape[0]);
  for (std::size_t i = axis + 1; i < shape.size(); ++i) {
    classes.points.push_back(shape[i]);
    classes.shape.inner = checked_mul(classes.shape.inner, shape[i], argument);
  }
  return classes;
}

// Targets with what they are made of.
struct TargetArguments {
  Sizes points;
  py::array indices;
  std::optional<Input> class_weight;
  ClassTargets targets;
};

TargetArguments take_targets(const Sizes& input_shape, const char* argument, py::handle target,
                             std::optional<Input> weight, py::handle ignore_index) {
  Classes classes = split_classes(input_shape, argument);
  py::array indices = take_indices(target, "target", classes.points);
  if (weight) require_shape(*weight, {classes.shape.classes});
  const ClassTargets targets{classes.shape, static_cast<const std::int64_t*>(indices.data()),
                             weight ? weight->data() : nullptr, take_int(ignore_index, "ignore_index")};
  return {std::move(classes.points), std::move(indices), std::move(weight), targets};
}

std::optional<Input> take_class_weight(py::handle class_weight, const Input& like) {
  if (class_weight.is_none()) return std::nullopt;
  return take_array_like(class_weight, "class_weight", like);
}

double weight_of_targets(py::handle input_shape, py::handle target, py::handle class_weight,
                         py::handle ignore_index) {
  std::optional<Input> weight;
  if (!class_weight.is_none()) weight = take_array(class_weight, "class_weight");
  const TargetArguments arguments = take_targets(take_shape(input_shape, "input_shape"), "input_shape",
                                                 target, std::move(weight), ignore_index);
  const py::gil_scoped_release release;
  return target_weight(arguments.targets,
                       arguments.class_weight ? arguments.class_weight->dtype : DType::float64);
}

py::array nll(py::handle input, py::handle target, py::handle class_weight, py::handle ignore_index) {
  const Input x = take_array(input, "input");
  const TargetArguments arguments =
      take_targets(x.shape, "input", target, take_class_weight(class_weight, x), ignore_index);
  py::array losses = make_output(py::none(), x.dtype, arguments.points, {});
  void* const data = losses.mutable_data();
  const py::gil_scoped_release release;
  nll_forward(arguments.targets, x.dtype, x.data(), data);
  return losses;
}

py::array nll_gradient(py::handle input_shape, py::handle target, py::handle class_weight,
                       py::handle ignore_index, py::handle grad_losses) {
  const Input g = take_array(grad_losses, "grad_losses");
  const Sizes shape = take_shape(input_shape, "input_shape");
  const TargetArguments arguments =
      take_targets(shape, "input_shape", target, take_class_weight(class_weight, g), ignore_index);
  require_shape(g, arguments.points);
  py::array result = make_output(py::none(), g.dtype, shape, {});
  void* const data = result.mutable_data();
  const py::gil_scoped_release release;
  nll_grad(arguments.targets, g.dtype, g.data(), data);
  return result;
}

py::array cross_entropy(py::handle input, py::handle target, py::handle class_weight, py::handle ignore_index,
                        py::handle label_smoothing) {
  const Input x = take_array(input, "input");
  const TargetArguments arguments =
      take_targets(x.shape, "input", target, take_class_weight(class_weight, x), ignore_index);
  const double smoothing = take_float(label_smoothing, "label_smoothing");
  py::array losses = make_output(py::none(), x.dtype, arguments.points, {});
  void* const data = losses.mutable_data();
  const py::gil_scoped_release release;
  cross_entropy_forward(arguments.targets, smoothing, x.dtype, x.data(), data);
  return losses;
}

py::array cross_entropy_gradient(py::handle input, py::handle target, py::handle class_weight,
                                 py::handle ignore_index, py::handle label_smoothing,
                                 py::handle grad_losses) {
  const Input x = take_array(input, "input");
  const TargetArguments arguments =
      take_targets(x.shape, "input", target, take_class_weight(class_weight, x), ignore_index);
  const double smoothing = take_float(label_smoothing, "label_smoothing");
  const Input g = take_array_like(grad_losses, "grad_losses", x, arguments.points);
  py::array result = make_output(py::none(), x.dtype, x.shape, {});
  void* const data = result.mutable_data();
  const py::gil_scoped_release release;
  cross_entropy_grad(arguments.targets, smoothing, x.dtype, x.data(), g.data(), data);
  return result;
}

ClassProduct product_over(const ClassShape& shape, py::handle scale, py::handle shift) {
  return {shape, take_float(scale, "scale"), take_float(shift, "shift")};
}

py::array class_product(py::handle input, py::handle probabilities, py::handle class_weight, py::handle scale,
                        py::handle shift) {
  const Input x = take_array(input, "input");
  const Classes classes = split_classes(x.shape, "input");
  const Input p = take_array_like(probabilities, "probabilities", x, x.shape);
  const std::optional<Input> w = take_optional(class_weight, "class_weight", x, {classes.shape.classes});
  const ClassProduct problem = product_over(classes.shape, scale, shift);
  py::array losses = make_output(py::none(), x.dtype, classes.points, {});
  void* const data = losses.mutable_data();
  const py::gil_scoped_release release;
  class_product_forward(problem, x.dtype, x.data(), p.data(), w ? w->data() : nullptr, data);
  return losses;
}

py::array product_gradient(py::handle probabilities, py::handle class_weight, py::handle grad_losses,
                           py::handle scale, py::handle shift) {
  const Input p = take_array(probabilities, "probabilities");
  const Classes classes = split_classes(p.shape, "probabilities");
  const std::optional<Input> w = take_optional(class_weight, "class_weight", p, {classes.shape.classes});
  const Input g = take_array_like(grad_losses, "grad_losses", p, classes.points);
  const ClassProduct problem = product_over(classes.shape, scale, shift);
  py::array result = make_output(py::none(), p.dtype, p.shape, {});
  void* const data = result.mutable_data();
  const py::gil_scoped_release release;
  class_product_grad(problem, p.dtype, p.data(), w ? w->data() : nullptr, g.data(), data);
  return result;
}

py::array product_over_points(py::handle input, py::handle probabilities, py::handle grad_losses,
                              py::handle scale, py::handle shift) {
  const Input x = take_array(input, "input");
  const Classes classes = split_classes(x.shape, "input");
  const Input p = take_array_like(probabilities, "probabilities", x, x.shape);
  const Input g = take_array_like(grad_losses, "grad_losses", x, classes.points);
  const ClassProduct problem = product_over(classes.shape, scale, shift);
  py::array result = make_output(py::none(), x.dtype, {classes.shape.classes}, {});
  void* const data = result.mutable_data();
  const py::gil_scoped_release release;
  class_product_points(problem, x.dtype, x.data(), p.data(), g.data(), data);
  return result;
}

}  // namespace

void bind_loss(py::module_& module) {
  using py::arg;
  module.def("sum", &sum_all, arg("input"), arg("divisor") = 1);
  module.def("pairwise_losses", [] {
    py::list names;
    for (const std::string& name : pairwise_losses()) names.append(name);
    return names;
  });
  module.def("pairwise_loss", &loss_of_pairs, arg("loss"), arg("derivative"), arg("parameter"), arg("input"),
             arg("target"), arg("weight"), arg("grad"), arg("reduce"), arg("divisor"));
  module.def("target_weight", &weight_of_targets, arg("input_shape"), arg("target"), arg("class_weight"),
             arg("ignore_index"));
  module.def("nll_forward", &nll, arg("input"), arg("target"), arg("class_weight"), arg("ignore_index"));
  module.def("nll_grad", &nll_gradient, arg("input_shape"), arg("target"), arg("class_weight"),
             arg("ignore_index"), arg("grad_losses"));
  module.def("cross_entropy_forward", &cross_entropy, arg("input"), arg("target"), arg("class_weight"),
             arg("ignore_index"), arg("label_smoothing"));
  module.def("cross_entropy_grad", &cross_entropy_gradient, arg("input"), arg("target"), arg("class_weight"),
             arg("ignore_index"), arg("label_smoothing"), arg("grad_losses"));
  module.def("class_product_forward", &class_product, arg("input"), arg("probabilities"), arg("class_weight"),
             arg("scale"), arg("shift"));
  module.def("class_product_grad", &product_gradient, arg("probabilities"), arg("class_weight"),
             arg("grad_losses"), arg("scale"), arg("shift"));
  module.def("class_product_points", &product_over_points, arg("input"), arg("probabilities"),
             arg("grad_losses"), arg("scale"), arg("shift"));
}

}  // namespace convnative::python
