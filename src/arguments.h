// From Python objects to what the core takes, and back: types, ranks and values that the core's validator
// cannot see are checked here. Every error names the argument, what was expected and what was received.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "convnative/elementwise.h"
#include "convnative/image.h"
#include "convnative/shape.h"
#include "convnative/types.h"

namespace convnative::python {

namespace py = pybind11;

using Sizes = std::vector<std::int64_t>;

// An argument that is read: native, aligned, C-contiguous memory. An array that is none of that is copied, so
// that its layout cannot change a result.
struct Input {
  const char* argument;
  py::array original;
  py::array array;
  DType dtype;
  Sizes shape;

  const void* data() const { return array.data(); }
};

// TypeError unless `value` is a numpy.ndarray (no masked array) of float32 or float64.
Input take_array(py::handle value, const char* argument);
// As above, of the same type as `other` and of this shape; TypeError, ValueError.
Input take_array_like(py::handle value, const char* argument, const Input& other, const Sizes& shape);
Input take_array_like(py::handle value, const char* argument, const Input& other);
// ValueError unless the argument has this shape.
void require_shape(const Input& input, const Sizes& shape);
// None: nothing.
std::optional<Input> take_optional(py::handle value, const char* argument, const Input& other,
                                   const Sizes& shape);

// An array that is changed: as take_array, and ValueError unless it is writable and lies in plain memory itself.
Input take_in_place(py::handle value, const char* argument);
// As above, of the type and the shape of `other`; TypeError, ValueError.
Input take_in_place_like(py::handle value, const char* argument, const Input& other);

// A picture's elements in plain memory.
struct Pixels {
  py::array array;
  PixelType type;
  Sizes shape;
};
// TypeError unless `value` is a numpy.ndarray (no masked array) of one of those types.
Pixels take_pixels(py::handle value, const char* argument);
// A new array.
py::array make_pixels(PixelType type, const Sizes& shape);

// Integers of any type and layout as contiguous int64, of this shape; TypeError, ValueError, or IndexError
// where one does not fit.
py::array take_indices(py::handle value, const char* argument, const Sizes& shape);

// A contiguous array of bytes of this shape; TypeError, ValueError.
py::array take_bytes(py::handle value, const char* argument, const Sizes& shape);

// An argument or result with or without the batch axis: `sizes` always has it, `batched` tells whether the
// user's has.
struct Batched {
  Sizes sizes;
  bool batched;

  // The user's view of sizes that have a batch axis.
  Sizes strip(const Sizes& with_batch) const;
};
// ValueError unless `shape` has axes + 1 or axes + 2 dimensions.
Batched with_batch(const Sizes& shape, const char* argument, int axes);

// A new array, or the caller's `out` after checks: its type, shape and layout, writable, apart from `inputs`.
py::array make_output(py::handle out, DType dtype, const Sizes& shape,
                      std::initializer_list<const Input*> inputs);

// The number of spatial axes; ValueError unless 1 <= axes <= max_axes.
int take_axes(py::handle value);
std::int64_t take_int(py::handle value, const char* argument);
bool take_bool(py::handle value, const char* argument);
double take_float(py::handle value, const char* argument);
std::string take_str(py::handle value, const char* argument);
// "float32" or "float64", given for the argument `dtype`.
DType take_dtype(py::handle value);
// A shape given as a sequence of ints.
Sizes take_shape(py::handle value, const char* argument);
// An int, or a sequence of one int or of `axes` ints; missing axes get `fill`.
Extents take_extents(py::handle value, const char* argument, int axes, std::int64_t fill);
// The padding specification: see convnative.functional.
Padding take_padding(py::handle value, int axes);
// The mode of a name, of which `constant` is that for values; `others` ends the list of what is expected.
PaddingMode take_padding_mode(py::handle value, const char* argument, const char* constant,
                              const char* others = "");

// The function of one number that goes by `name`.
Activation take_activation(py::handle name, py::handle parameters);

std::string text(const Sizes& sizes);

// The number of elements that these axes of an array's shape span.
std::int64_t product(Sizes::const_iterator begin, Sizes::const_iterator end);

// Calls body<float>() or body<double>() without the GIL.
template <class Body>
void compute(DType dtype, Body&& body) {
  const py::gil_scoped_release release;
  if (dtype == DType::float32)
    body(float{});
  else
    body(double{});
}

}  // namespace convnative::python
