// The kernel tables, so that tests run every variant that the CPU has, chosen or not.
#include <pybind11/pybind11.h>

#include "arguments.h"
#include "base/aligned_buffer.h"
#include "bindings.h"
#include "convnative/runtime.h"
#include "gemm/kernels.h"

namespace convnative::python {
namespace {

template <class T>
void append_gemm_rows(Isa level, py::list& rows) {
  const GemmKernels<T>& kernels = gemm_kernels<T>(level);
  for (int i = 0; i < kernels.table_size(); ++i) {
    py::dict row;
    row["name"] = kernels.table[i].name;
    row["isa"] = name(level);
    row["dtype"] = name(dtype_of<T>);
    row["rows"] = kernels.table[i].rows;
    row["columns"] = kernels.table[i].vectors * kernels.lanes;
    row["lanes"] = kernels.lanes;
    rows.append(row);
  }
}

py::list list_gemm_kernels() {
  py::list rows;
  for (const Isa level : available_isas()) {
    append_gemm_rows<float>(level, rows);
    append_gemm_rows<double>(level, rows);
  }
  return rows;
}

// False where the table of this level and type has no kernel of that name.
template <class T>
bool run_gemm_row(Isa level, const std::string& kernel_name, const Input& a, const Input& b, py::array& c) {
  const GemmKernels<T>& kernels = gemm_kernels<T>(level);
  for (int i = 0; i < kernels.table_size(); ++i) {
    const GemmKernel<T>& kernel = kernels.table[i];
    if (kernel_name != kernel.name) continue;
    const std::int64_t depth = a.shape[1], columns = b.shape[1];
    if (a.dtype != dtype_of<T>)
      throw py::type_error("a: expected the kernel's dtype " + std::string(name(dtype_of<T>)));
    if (a.shape[0] != kernel.rows)
      throw py::value_error("a: expected " + std::to_string(kernel.rows) + " rows, received shape " +
                            text(a.shape));
    if (columns <= (kernel.vectors - 1) * kernels.lanes || columns > kernel.vectors * kernels.lanes)
      throw py::value_error("b: expected columns of the kernel's last vector, received shape " +
                            text(b.shape));
    const AlignedBuffer panel(static_cast<std::size_t>(depth * kernel.vectors * kernels.lanes) * sizeof(T));
    kernels.pack_matrix({static_cast<const T*>(b.data()), columns, 1, depth, columns, kernel.vectors,
                         static_cast<T*>(panel.data())});
    kernel.run({static_cast<const T*>(a.data()), depth, 1, static_cast<const T*>(panel.data()), depth,
                static_cast<T*>(c.mutable_data()), columns, columns, nullptr, true});
    return true;
  }
  return false;
}

void run_gemm_kernel(const std::string& kernel_name, py::handle a, py::handle b, py::handle c) {
  const Input left = take_array(a, "a");
  const Input right = take_array_like(b, "b", left);
  if (left.shape.size() != 2 || right.shape.size() != 2 || left.shape[1] != right.shape[0])
    throw py::value_error("b: expected a matrix that fits a, received shape " + text(right.shape));
  py::array result = make_output(c, left.dtype, {left.shape[0], right.shape[1]}, {&left, &right});
  for (const Isa level : available_isas())
    if (run_gemm_row<float>(level, kernel_name, left, right, result) ||
        run_gemm_row<double>(level, kernel_name, left, right, result))
      return;
  throw py::value_error("name: expected a name of gemm_kernels(), received '" + kernel_name + "'");
}

}  // namespace

void bind_kernels(py::module_& module) {
  using py::arg;
  module.def("gemm_kernels", &list_gemm_kernels,
             "Rows {name, isa, dtype, rows, columns, lanes} that this CPU runs.");
  module.def("run_gemm_kernel", &run_gemm_kernel, arg("name"), arg("a"), arg("b"), arg("c"),
             "c += a @ b by one kernel of the table; a has its rows, b columns of its last vector.");
}

}  // namespace convnative::python
