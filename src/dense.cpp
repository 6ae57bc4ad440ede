#include <pybind11/pybind11.h>

#include "arguments.h"
#include "bindings.h"
#include "convnative/gemm.h"
#include "convnative/runtime.h"

namespace convnative::python {
namespace {

void require_matrix(const Input& input) {
  if (input.shape.size() != 2)
    throw py::value_error(std::string(input.argument) + ": expected 2 dimensions, received shape " +
                          text(input.shape));
}

py::array multiply(py::handle a, py::handle b, py::handle a_transposed, py::handle b_transposed,
                   py::handle bias, py::handle out) {
  const Input left = take_array(a, "a");
  const Input right = take_array_like(b, "b", left);
  const bool transpose_a = take_bool(a_transposed, "transpose_a");
  const bool transpose_b = take_bool(b_transposed, "transpose_b");
  require_matrix(left);
  require_matrix(right);
  const std::int64_t m = left.shape[transpose_a ? 1 : 0], k = left.shape[transpose_a ? 0 : 1];
  const std::int64_t n = right.shape[transpose_b ? 0 : 1], right_k = right.shape[transpose_b ? 1 : 0];
  if (k != right_k)
    throw py::value_error("b: expected " + std::to_string(k) +
                          " elements along the summed axis as a, received shape " + text(right.shape));
  const std::optional<Input> addend = take_optional(bias, "bias", left, {n});
  py::array result = make_output(out, left.dtype, {m, n}, {&left, &right, addend ? &*addend : nullptr});
  void* const data = result.mutable_data();
  const Isa level = isa();
  compute(left.dtype, [&](auto type) {
    using T = decltype(type);
    const std::ptrdiff_t left_pitch = left.shape[1], right_pitch = right.shape[1];
    matmul<T>({m, n, k, static_cast<const T*>(left.data()), transpose_a ? 1 : left_pitch,
               transpose_a ? left_pitch : 1, static_cast<const T*>(right.data()),
               transpose_b ? 1 : right_pitch, transpose_b ? right_pitch : 1,
               addend ? static_cast<const T*>(addend->data()) : nullptr, static_cast<T*>(data), n},
              level);
  });
  return result;
}

py::array sum_columns(py::handle matrix) {
  const Input input = take_array(matrix, "matrix");
  require_matrix(input);
  py::array result = make_output(py::none(), input.dtype, {input.shape[1]}, {});
  void* const data = result.mutable_data();
  compute(input.dtype, [&](auto type) {
    using T = decltype(type);
    column_sums(input.shape[0], input.shape[1], static_cast<const T*>(input.data()), static_cast<T*>(data));
  });
  return result;
}

}  // namespace

void bind_dense(py::module_& module) {
  using py::arg;
  module.def("matmul", &multiply, arg("a"), arg("b"), arg("transpose_a") = false, arg("transpose_b") = false,
             arg("bias") = py::none(), arg("out") = py::none());
  module.def("column_sums", &sum_columns, arg("matrix"));
}

}  // namespace convnative::python
