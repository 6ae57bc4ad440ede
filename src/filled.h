// Results that a computation fills while others may run Python.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>

#include "result_memory.h"

namespace convnative::python {

namespace py = pybind11;

// Calls compute(data) without the GIL, data being the memory of `result`, which it fills.
template <class Compute>
py::array filled(py::array result, Compute compute) {
  void* const data = result.mutable_data();
  const py::gil_scoped_release release;
  compute(data);
  return result;
}

// As above with compute(data, indices); returns (values, indices), indices an int64 array of the same shape.
template <class Compute>
py::tuple filled_with_indices(py::array values, Compute compute) {
  py::array indices =
      new_array(py::dtype::of<std::int64_t>(), {values.shape(), values.shape() + values.ndim()});
  void* const data = values.mutable_data();
  auto* const positions = static_cast<std::int64_t*>(indices.mutable_data());
  {
    const py::gil_scoped_release release;
    compute(data, positions);
  }
  return py::make_tuple(values, indices);
}

}  // namespace convnative::python
