// Arrays for results, whose memory is kept when they are gone (base/kept_memory.h).
#pragma once

#include <pybind11/numpy.h>

#include <cstdint>
#include <vector>

namespace convnative::python {

namespace py = pybind11;

// A new array, uninitialised; MemoryError.
py::array new_array(const py::dtype& dtype, const std::vector<std::int64_t>& shape);

}  // namespace convnative::python
