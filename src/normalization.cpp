#include "convnative/normalization.h"

#include <pybind11/pybind11.h>

#include "arguments.h"
#include "bindings.h"

namespace convnative::python {
namespace {

// What a normalisation takes its statistics over, and the shape of its weight.
struct Geometry {
  NormShape shape;
  Sizes weight;
};

// `kind` "batch": channels over the batch; "group": `number` groups of channels; "layer": the last `number`
// axes.
Geometry take_geometry(const Input& x, py::handle kind, py::handle number) {
  const std::string word = take_str(kind, "kind");
  const std::int64_t count = take_int(number, "number");
  const auto rank = static_cast<std::int64_t>(x.shape.size());
  const auto begin = x.shape.begin(), end = x.shape.end();
  if (word == "layer") {
    if (count < 1 || count > rank)
      throw py::value_error("number: expected a number of axes from 1 to " + std::to_string(rank) +
                            ", received " + std::to_string(count));
    return {{product(begin, end - count), product(end - count, end), 1, 1, false}, {end - count, end}};
  }
  if (word != "batch" && word != "group")
    throw py::value_error("kind: expected 'batch', 'group' or 'layer', received '" + word + "'");
  if (rank < 2)
    throw py::value_error(std::string(x.argument) + ": expected shape (N, C, ...), received shape " +
                          text(x.shape));
  const bool across_batch = word == "batch";
  const std::int64_t channels = x.shape[1];
  if (!across_batch && (count < 1 || channels % count != 0))
    throw py::value_error("number: expected a divisor of the number of channels, " +
                          std::to_string(channels) + ", received " + std::to_string(count));
  return {{x.shape[0], channels, product(begin + 2, end), across_batch ? 1 : count, across_batch},
          {channels}};
}

Input take_statistics(py::handle value, const char* argument, const Geometry& geometry) {
  Input statistics = take_array(value, argument);
  if (statistics.dtype != DType::float64)
    throw py::type_error(std::string(argument) + ": expected dtype float64, received dtype " +
                         name(statistics.dtype));
  require_shape(statistics, {geometry.shape.group_count()});
  return statistics;
}

const void* data_or_null(const std::optional<Input>& input) {
  return input ? input->data() : nullptr;
}

py::array moments(py::handle input, py::handle kind, py::handle number) {
  const Input x = take_array(input, "input");
  const Geometry geometry = take_geometry(x, kind, number);
  const std::int64_t groups = geometry.shape.group_count();
  py::array result = make_output(py::none(), DType::float64, {2, groups}, {});
  auto* const data = static_cast<double*>(result.mutable_data());
  const py::gil_scoped_release release;
  norm_moments(geometry.shape, x.dtype, x.data(), data, data + groups);
  return result;
}

py::array normalize(py::handle input, py::handle mean, py::handle inverse, py::handle weight, py::handle bias,
                    py::handle kind, py::handle number, py::handle out) {
  const Input x = take_array(input, "input");
  const Geometry geometry = take_geometry(x, kind, number);
  const Input m = take_statistics(mean, "mean", geometry), r = take_statistics(inverse, "inverse", geometry);
  const std::optional<Input> w = take_optional(weight, "weight", x, geometry.weight);
  const std::optional<Input> b = take_optional(bias, "bias", x, geometry.weight);
  py::array y = make_output(out, x.dtype, x.shape, {&x, &m, &r, w ? &*w : nullptr, b ? &*b : nullptr});
  void* const data = y.mutable_data();
  const py::gil_scoped_release release;
  norm_forward(geometry.shape,
               {static_cast<const double*>(m.data()), static_cast<const double*>(r.data()), data_or_null(w),
                data_or_null(b)},
               x.dtype, x.data(), data);
  return y;
}

// (grad_input, grad_weight, grad_bias), None where not `wanted`.
py::tuple normalize_grad(py::handle input, py::handle grad_output, py::handle mean, py::handle inverse,
                         py::handle weight, py::handle kind, py::handle number, py::handle constant,
                         py::handle wanted) {
  const Input x = take_array(input, "input");
  const Geometry geometry = take_geometry(x, kind, number);
  const Input g = take_array_like(grad_output, "grad_output", x, x.shape);
  const Input m = take_statistics(mean, "mean", geometry), r = take_statistics(inverse, "inverse", geometry);
  const std::optional<Input> w = take_optional(weight, "weight", x, geometry.weight);
  const bool fixed = take_bool(constant, "constant");
  const std::string letters = take_str(wanted, "wanted");
  if (letters.empty() || letters.find_first_not_of("iwb") != std::string::npos)
    throw py::value_error("wanted: expected some of the letters i, w and b, received '" + letters + "'");
  py::object results[3] = {py::none(), py::none(), py::none()};
  void* data[3] = {};
  for (std::size_t i = 0; i < 3; ++i) {
    if (letters.find("iwb"[i]) == std::string::npos) continue;
    py::array result = make_output(py::none(), x.dtype, i == 0 ? x.shape : geometry.weight, {});
    data[i] = result.mutable_data();
    results[i] = result;
  }
  {
    const py::gil_scoped_release release;
    norm_grad(geometry.shape,
              {static_cast<const double*>(m.data()), static_cast<const double*>(r.data()), data_or_null(w)},
              fixed, x.dtype, x.data(), g.data(), {data[0], data[1], data[2]});
  }
  return py::make_tuple(results[0], results[1], results[2]);
}

LocalResponse take_channels(const Input& x, py::handle size) {
  if (x.shape.size() < 3)
    throw py::value_error(std::string(x.argument) + ": expected shape (N, C, L, ...), received shape " +
                          text(x.shape));
  LocalResponse problem;
  problem.batch = x.shape[0];
  problem.channels = x.shape[1];
  problem.inner = product(x.shape.begin() + 2, x.shape.end());
  problem.size = take_int(size, "size");
  if (problem.size < 1)
    throw py::value_error("size: expected an int >= 1, received " + std::to_string(problem.size));
  return problem;
}

LocalResponse take_local_response(const Input& x, py::handle size, py::handle alpha, py::handle beta,
                                  py::handle k) {
  LocalResponse problem = take_channels(x, size);
  problem.alpha = take_float(alpha, "alpha");
  problem.beta = take_float(beta, "beta");
  problem.k = take_float(k, "k");
  return problem;
}

py::array respond(py::handle input, py::handle size, py::handle alpha, py::handle beta, py::handle k,
                  py::handle out) {
  const Input x = take_array(input, "input");
  const LocalResponse problem = take_local_response(x, size, alpha, beta, k);
  py::array y = make_output(out, x.dtype, x.shape, {&x});
  void* const data = y.mutable_data();
  const py::gil_scoped_release release;
  local_response_forward(problem, x.dtype, x.data(), data);
  return y;
}

py::array respond_grad(py::handle input, py::handle grad_output, py::handle size, py::handle alpha,
                       py::handle beta, py::handle k) {
  const Input x = take_array(input, "input");
  const Input g = take_array_like(grad_output, "grad_output", x, x.shape);
  const LocalResponse problem = take_local_response(x, size, alpha, beta, k);
  py::array result = make_output(py::none(), x.dtype, x.shape, {});
  void* const data = result.mutable_data();
  const py::gil_scoped_release release;
  local_response_grad(problem, x.dtype, x.data(), g.data(), data);
  return result;
}

py::array window_sum(py::handle input, py::handle size, py::handle adjoint) {
  const Input x = take_array(input, "input");
  const LocalResponse problem = take_channels(x, size);
  const bool other_way = take_bool(adjoint, "adjoint");
  py::array result = make_output(py::none(), x.dtype, x.shape, {});
  void* const data = result.mutable_data();
  const py::gil_scoped_release release;
  channel_window_sum(problem, other_way, x.dtype, x.data(), data);
  return result;
}

}  // namespace

void bind_normalization(py::module_& module) {
  using py::arg;
  module.def("norm_moments", &moments, arg("input"), arg("kind"), arg("number"));
  module.def("norm_forward", &normalize, arg("input"), arg("mean"), arg("inverse"), arg("weight"),
             arg("bias"), arg("kind"), arg("number"), arg("out") = py::none());
  module.def("norm_grad", &normalize_grad, arg("input"), arg("grad_output"), arg("mean"), arg("inverse"),
             arg("weight"), arg("kind"), arg("number"), arg("constant"), arg("wanted"));
  module.def("local_response_forward", &respond, arg("input"), arg("size"), arg("alpha"), arg("beta"),
             arg("k"), arg("out") = py::none());
  module.def("local_response_grad", &respond_grad, arg("input"), arg("grad_output"), arg("size"),
             arg("alpha"), arg("beta"), arg("k"));
  module.def("channel_window_sum", &window_sum, arg("input"), arg("size"), arg("adjoint"));
}

}  // namespace convnative::python
