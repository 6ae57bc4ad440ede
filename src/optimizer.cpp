#include "convnative/optimizer.h"

#include <pybind11/pybind11.h>

#include "arguments.h"
#include "bindings.h"

namespace convnative::python {
namespace {

void sgd(py::handle parameter, py::handle grad, py::handle buffer, py::handle rate, py::handle momentum,
         py::handle dampening, py::handle weight_decay, py::handle nesterov, py::handle maximize,
         py::handle first) {
  Input p = take_in_place(parameter, "parameter");
  const Input g = take_array_like(grad, "grad", p, p.shape);
  const SgdStep step{.rate = take_float(rate, "rate"),
                     .momentum = take_float(momentum, "momentum"),
                     .dampening = take_float(dampening, "dampening"),
                     .weight_decay = take_float(weight_decay, "weight_decay"),
                     .nesterov = take_bool(nesterov, "nesterov"),
                     .maximize = take_bool(maximize, "maximize"),
                     .first = take_bool(first, "first")};
  std::optional<Input> b;
  if (step.momentum != 0) b = take_in_place_like(buffer, "buffer", p);
  void* const data = p.array.mutable_data();
  void* const state = b ? b->array.mutable_data() : nullptr;
  const std::int64_t count = product(p.shape.begin(), p.shape.end());
  const py::gil_scoped_release release;
  sgd_step(step, p.dtype, count, g.data(), data, state);
}

void adamw(py::handle parameter, py::handle grad, py::handle mean, py::handle square, py::handle max_square,
           py::handle rate, py::handle beta1, py::handle beta2, py::handle epsilon, py::handle weight_decay,
           py::handle number, py::handle maximize) {
  Input p = take_in_place(parameter, "parameter");
  const Input g = take_array_like(grad, "grad", p, p.shape);
  Input m = take_in_place_like(mean, "mean", p), s = take_in_place_like(square, "square", p);
  std::optional<Input> most;
  if (!max_square.is_none()) most = take_in_place_like(max_square, "max_square", p);
  const AdamWStep step{.rate = take_float(rate, "rate"),
                       .beta1 = take_float(beta1, "beta1"),
                       .beta2 = take_float(beta2, "beta2"),
                       .epsilon = take_float(epsilon, "epsilon"),
                       .weight_decay = take_float(weight_decay, "weight_decay"),
                       .number = take_int(number, "number"),
                       .maximize = take_bool(maximize, "maximize")};
  void* const data = p.array.mutable_data();
  void *const means = m.array.mutable_data(), *const squares = s.array.mutable_data();
  void* const largest = most ? most->array.mutable_data() : nullptr;
  const std::int64_t count = product(p.shape.begin(), p.shape.end());
  const py::gil_scoped_release release;
  adamw_step(step, p.dtype, count, g.data(), data, means, squares, largest);
}

}  // namespace

void bind_optimizer(py::module_& module) {
  using py::arg;
  module.def("sgd_step", &sgd, arg("parameter"), arg("grad"), arg("buffer"), arg("rate"), arg("momentum"),
             arg("dampening"), arg("weight_decay"), arg("nesterov"), arg("maximize"), arg("first"));
  module.def("adamw_step", &adamw, arg("parameter"), arg("grad"), arg("mean"), arg("square"),
             arg("max_square"), arg("rate"), arg("beta1"), arg("beta2"), arg("epsilon"), arg("weight_decay"),
             arg("number"), arg("maximize"));
}

}  // namespace convnative::python
