#include "convnative/embedding.h"

#include <pybind11/pybind11.h>

#include "arguments.h"
#include "bindings.h"

namespace convnative::python {
namespace {

struct LookupArguments {
  py::array indices;
  Sizes result_shape;
  Embedding lookup;
};

// Indices of any shape, looked up in a table (rows, width).
LookupArguments take_lookup(py::handle input, const Sizes& table_shape, py::handle padding_index,
                            py::handle scale_by_frequency) {
  Sizes shape;
  if (py::isinstance<py::array>(input)) {
    const auto array = py::reinterpret_borrow<py::array>(input);
    shape.assign(array.shape(), array.shape() + array.ndim());
  }
  py::array indices = take_indices(input, "input", shape);
  if (table_shape.size() != 2)
    throw py::value_error("weight: expected shape (num_embeddings, embedding_dim), received shape " +
                          text(table_shape));
  const Embedding lookup{table_shape[0],
                         table_shape[1],
                         indices.size(),
                         static_cast<const std::int64_t*>(indices.data()),
                         padding_index.is_none() ? -1 : take_int(padding_index, "padding_idx"),
                         take_bool(scale_by_frequency, "scale_grad_by_freq")};
  if (lookup.padding_index < -1 || lookup.padding_index >= lookup.rows)
    throw py::value_error("padding_idx: expected the index of one of " + std::to_string(lookup.rows) +
                          " rows, received " + std::to_string(lookup.padding_index));
  shape.push_back(lookup.width);
  return {std::move(indices), std::move(shape), lookup};
}

py::array look_up(py::handle input, py::handle weight) {
  const Input table = take_array(weight, "weight");
  const LookupArguments arguments = take_lookup(input, table.shape, py::none(), py::bool_(false));
  py::array result = make_output(py::none(), table.dtype, arguments.result_shape, {});
  void* const data = result.mutable_data();
  const py::gil_scoped_release release;
  embedding_forward(arguments.lookup, table.dtype, table.data(), data);
  return result;
}

py::array lookup_gradient(py::handle input, py::handle grad_output, py::handle weight_shape,
                          py::handle padding_idx, py::handle scale_grad_by_freq) {
  const Input g = take_array(grad_output, "grad_output");
  const Sizes shape = take_shape(weight_shape, "weight_shape");
  const LookupArguments arguments = take_lookup(input, shape, padding_idx, scale_grad_by_freq);
  require_shape(g, arguments.result_shape);
  py::array result = make_output(py::none(), g.dtype, shape, {});
  void* const data = result.mutable_data();
  const py::gil_scoped_release release;
  embedding_grad(arguments.lookup, g.dtype, g.data(), data);
  return result;
}

py::array lookup_gradient_adjoint(py::handle input, py::handle weight, py::handle padding_idx,
                                  py::handle scale_grad_by_freq) {
  const Input table = take_array(weight, "weight");
  const LookupArguments arguments = take_lookup(input, table.shape, padding_idx, scale_grad_by_freq);
  py::array result = make_output(py::none(), table.dtype, arguments.result_shape, {});
  void* const data = result.mutable_data();
  const py::gil_scoped_release release;
  embedding_grad_adjoint(arguments.lookup, table.dtype, table.data(), data);
  return result;
}

void renormalise(py::handle input, py::handle weight, py::handle max_norm, py::handle norm_type) {
  Input table = take_in_place(weight, "weight");  // as max_norm is given
  const LookupArguments arguments = take_lookup(input, table.shape, py::none(), py::bool_(false));
  const double bound = take_float(max_norm, "max_norm"), order = take_float(norm_type, "norm_type");
  void* const data = table.array.mutable_data();
  const py::gil_scoped_release release;
  embedding_renormalise(arguments.lookup, table.dtype, bound, order, data);
}

}  // namespace

void bind_embedding(py::module_& module) {
  using py::arg;
  module.def("embedding_forward", &look_up, arg("input"), arg("weight"));
  module.def("embedding_grad", &lookup_gradient, arg("input"), arg("grad_output"), arg("weight_shape"),
             arg("padding_idx"), arg("scale_grad_by_freq"));
  module.def("embedding_grad_adjoint", &lookup_gradient_adjoint, arg("input"), arg("weight"),
             arg("padding_idx"), arg("scale_grad_by_freq"));
  module.def("embedding_renormalise", &renormalise, arg("input"), arg("weight"), arg("max_norm"),
             arg("norm_type"));
}

}  // namespace convnative::python
