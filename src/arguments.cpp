#include "arguments.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <sstream>
#include <stdexcept>

#include "result_memory.h"

namespace convnative::python {
namespace {

constexpr int c_contiguous = 0x0001;  // NPY_ARRAY_C_CONTIGUOUS
constexpr int aligned = 0x0100;       // NPY_ARRAY_ALIGNED
constexpr int ensure_array = 0x0040;  // NPY_ARRAY_ENSUREARRAY: the base class
constexpr int not_swapped = 0x0200;   // NPY_ARRAY_NOTSWAPPED
constexpr int force_cast = 0x0010;    // NPY_ARRAY_FORCECAST
constexpr int plain_memory = c_contiguous | aligned;

std::string type_name(py::handle value) {
  return py::str(py::type::handle_of(value).attr("__name__")).cast<std::string>();
}

std::string shown(py::handle value) {
  std::string words = py::repr(value).cast<std::string>();
  constexpr std::size_t most = 80;
  if (words.size() > most) words = words.substr(0, most) + "...";
  return words;
}

[[noreturn]] void reject_type(const char* argument, const std::string& expected,
                              const std::string& received) {
  throw py::type_error(std::string(argument) + ": expected " + expected + ", received " + received);
}

[[noreturn]] void reject_value(const char* argument, const std::string& expected,
                               const std::string& received) {
  throw py::value_error(std::string(argument) + ": expected " + expected + ", received " + received);
}

bool is_native(const py::dtype& dtype) {
  return dtype.byteorder() == '=' || dtype.byteorder() == '|';
}

py::dtype dtype_object(DType dtype) {
  return dtype == DType::float32 ? py::dtype::of<float>() : py::dtype::of<double>();
}

py::dtype dtype_object(PixelType type) {
  switch (type) {
    case PixelType::uint8:
      return py::dtype::of<std::uint8_t>();
    case PixelType::uint16:
      return py::dtype::of<std::uint16_t>();
    case PixelType::float32:
      return py::dtype::of<float>();
    case PixelType::float64:
      break;
  }
  return py::dtype::of<double>();
}

constexpr const char* float_array = "a numpy.ndarray of float32 or float64";

void require_plain_type(py::handle value, const char* argument, const char* expected) {
  if (!py::isinstance<py::array>(value)) reject_type(argument, expected, type_name(value));
  // Subclasses are read as the plain array they hold, but a mask would be lost.
  if (Py_TYPE(value.ptr()) != py::detail::npy_api::get().PyArray_Type_ &&
      py::isinstance(value, py::module_::import("numpy.ma").attr("MaskedArray")))
    reject_type(argument, expected, "a masked array");
}

Sizes shape_of(const py::array& array) {
  return Sizes(array.shape(), array.shape() + array.ndim());
}

// NumPy says ValueError, and no name, to an array of more bytes than there are addresses.
void require_addressable(const char* argument, const Sizes& shape, py::ssize_t itemsize) {
  std::int64_t bytes = itemsize;
  bool overflows = false;
  for (const std::int64_t size : shape)
    overflows |= __builtin_mul_overflow(bytes, std::max<std::int64_t>(size, 1), &bytes);
  if (overflows)
    throw std::overflow_error(std::string(argument) + ": expected fewer than 2**63 bytes, received shape " +
                              text(shape));
}

// The array itself where it is native, aligned and C-contiguous memory of this type, else a copy that is.
py::array in_plain_memory(const py::array& original, const char* argument, py::dtype dtype) {
  if ((original.flags() & plain_memory) == plain_memory && original.dtype().num() == dtype.num() &&
      is_native(original.dtype()))
    return original;
  require_addressable(argument, shape_of(original), dtype.itemsize());
  auto* const copy = py::detail::npy_api::get().PyArray_FromAny_(
      original.ptr(), dtype.release().ptr(), 0, 0, plain_memory | ensure_array | not_swapped | force_cast,
      nullptr);
  if (copy == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::array>(copy);
}

// Exact, and only where the bounds of the two overlap at all slow.
bool share_memory(const py::array& a, const py::array& b) {
  return py::module_::import("numpy").attr("shares_memory")(a, b).cast<bool>();
}

struct Bounds {
  const char *low, *high;
};

Bounds bounds_of(const py::array& array) {
  const char* low = static_cast<const char*>(array.data());
  const char* high = low + array.itemsize();
  for (py::ssize_t axis = 0; axis < array.ndim(); ++axis) {
    if (array.shape(axis) == 0) return {low, low};
    const py::ssize_t span = (array.shape(axis) - 1) * array.strides(axis);
    (span < 0 ? low : high) += span;
  }
  return {low, high};
}

bool overlap(const py::array& a, const py::array& b) {
  const Bounds first = bounds_of(a), second = bounds_of(b);
  return first.low < second.high && second.low < first.high && share_memory(a, b);
}

bool is_sequence(py::handle value) {
  return py::isinstance<py::tuple>(value) || py::isinstance<py::list>(value);
}

// The items as they are now: the __index__ of one of them may change the sequence.
py::tuple items_of(py::handle sequence) {
  auto items = py::reinterpret_steal<py::tuple>(PySequence_Tuple(sequence.ptr()));
  if (!items) throw py::error_already_set();
  return items;
}

std::string extents_expected(int axes) {
  return axes == 1 ? "an int or a sequence of 1 int"
                   : "an int or a sequence of " + std::to_string(axes) + " ints";
}

}  // namespace

Activation take_activation(py::handle name, py::handle parameters) {
  if (!py::isinstance<py::tuple>(parameters) && !py::isinstance<py::list>(parameters))
    throw py::type_error("parameters: expected a tuple of floats, received " +
                         py::str(py::type::handle_of(parameters).attr("__name__")).cast<std::string>());
  std::vector<double> numbers;
  for (const py::handle number : parameters) numbers.push_back(take_float(number, "parameters"));
  return make_activation(take_str(name, "name"), numbers);
}

std::string text(const Sizes& sizes) {
  std::ostringstream out;
  out << "(";
  for (std::size_t i = 0; i < sizes.size(); ++i) out << (i == 0 ? "" : ", ") << sizes[i];
  out << (sizes.size() == 1 ? ",)" : ")");
  return out.str();
}

std::int64_t product(Sizes::const_iterator begin, Sizes::const_iterator end) {
  return std::accumulate(begin, end, std::int64_t{1}, std::multiplies<>());
}

Input take_array(py::handle value, const char* argument) {
  require_plain_type(value, argument, float_array);
  const auto original = py::reinterpret_borrow<py::array>(value);
  const py::dtype dtype = original.dtype();
  DType type;
  if (dtype.num() == py::dtype::num_of<float>())
    type = DType::float32;
  else if (dtype.num() == py::dtype::num_of<double>())
    type = DType::float64;
  else
    reject_type(argument, "dtype float32 or float64", "dtype " + py::str(dtype).cast<std::string>());

  return {argument, original, in_plain_memory(original, argument, dtype_object(type)), type,
          shape_of(original)};
}

Input take_array_like(py::handle value, const char* argument, const Input& other) {
  Input input = take_array(value, argument);
  if (input.dtype != other.dtype)
    reject_type(argument, std::string("dtype ") + name(other.dtype) + " as " + other.argument,
                std::string("dtype ") + name(input.dtype));
  return input;
}

Input take_array_like(py::handle value, const char* argument, const Input& other, const Sizes& shape) {
  Input input = take_array_like(value, argument, other);
  require_shape(input, shape);
  return input;
}

void require_shape(const Input& input, const Sizes& shape) {
  if (input.shape != shape)
    reject_value(input.argument, "shape " + text(shape), "shape " + text(input.shape));
}

std::optional<Input> take_optional(py::handle value, const char* argument, const Input& other,
                                   const Sizes& shape) {
  if (value.is_none()) return std::nullopt;
  return take_array_like(value, argument, other, shape);
}

Input take_in_place(py::handle value, const char* argument) {
  Input input = take_array(value, argument);
  if (!input.original.writeable() || input.array.ptr() != input.original.ptr())
    reject_value(argument, "a writable C-contiguous array in native byte order",
                 "one that cannot be changed in place");
  return input;
}

Input take_in_place_like(py::handle value, const char* argument, const Input& other) {
  take_array_like(value, argument, other, other.shape);
  return take_in_place(value, argument);
}

Pixels take_pixels(py::handle value, const char* argument) {
  require_plain_type(value, argument, "a numpy.ndarray of uint8, uint16, float32 or float64");
  const auto original = py::reinterpret_borrow<py::array>(value);
  for (const PixelType type : {PixelType::uint8, PixelType::uint16, PixelType::float32, PixelType::float64}) {
    const py::dtype dtype = dtype_object(type);
    if (original.dtype().num() == dtype.num())
      return {in_plain_memory(original, argument, dtype), type, shape_of(original)};
  }
  reject_type(argument, "dtype uint8, uint16, float32 or float64",
              "dtype " + py::str(original.dtype()).cast<std::string>());
}

py::array make_pixels(PixelType type, const Sizes& shape) {
  return new_array(dtype_object(type), shape);
}

py::array take_indices(py::handle value, const char* argument, const Sizes& shape) {
  constexpr const char* expected = "a numpy.ndarray of integers";
  require_plain_type(value, argument, expected);
  const auto original = py::reinterpret_borrow<py::array>(value);
  const char kind = original.dtype().kind();
  if (kind != 'i' && kind != 'u')
    reject_type(argument, expected, "dtype " + py::str(original.dtype()).cast<std::string>());
  if (shape_of(original) != shape)
    reject_value(argument, "shape " + text(shape), "shape " + text(shape_of(original)));
  py::array indices = in_plain_memory(original, argument, py::dtype::of<std::int64_t>());
  if (kind == 'u' && original.itemsize() == 8) {
    // The upper half of uint64 is beyond int64, and wrapped to negative numbers.
    const auto* const begin = static_cast<const std::int64_t*>(indices.data());
    const auto* const end = begin + indices.size();
    const auto* const wrapped = std::find_if(begin, end, [](std::int64_t index) { return index < 0; });
    if (wrapped != end)
      throw py::index_error(std::string(argument) + ": expected integers below 2**63, received " +
                            std::to_string(static_cast<std::uint64_t>(*wrapped)));
  }
  return indices;
}

py::array take_bytes(py::handle value, const char* argument, const Sizes& shape) {
  require_plain_type(value, argument, "a numpy.ndarray of uint8");
  const auto bytes = py::reinterpret_borrow<py::array>(value);
  if (bytes.dtype().num() != py::dtype::of<std::uint8_t>().num())
    reject_type(argument, "dtype uint8", "dtype " + py::str(bytes.dtype()).cast<std::string>());
  if (shape_of(bytes) != shape)
    reject_value(argument, "shape " + text(shape), "shape " + text(shape_of(bytes)));
  return in_plain_memory(bytes, argument, bytes.dtype());
}

Sizes Batched::strip(const Sizes& sizes_with_batch) const {
  return batched ? sizes_with_batch : Sizes(sizes_with_batch.begin() + 1, sizes_with_batch.end());
}

Batched with_batch(const Sizes& shape, const char* argument, int axes) {
  const auto rank = static_cast<std::size_t>(axes) + 2;
  if (shape.size() == rank) return {shape, true};
  if (shape.size() + 1 != rank)
    reject_value(argument,
                 std::to_string(rank - 1) + " or " + std::to_string(rank) +
                     " dimensions, (C, spatial...) or (N, C, spatial...)",
                 "shape " + text(shape));
  Sizes sizes{1};
  sizes.insert(sizes.end(), shape.begin(), shape.end());
  return {sizes, false};
}

py::array make_output(py::handle out, DType dtype, const Sizes& shape,
                      std::initializer_list<const Input*> inputs) {
  if (out.is_none()) {
    require_addressable("output", shape, dtype_object(dtype).itemsize());
    return new_array(dtype_object(dtype), shape);
  }
  require_plain_type(out, "out", float_array);
  auto array = py::reinterpret_borrow<py::array>(out);
  if (array.dtype().num() != dtype_object(dtype).num() || !is_native(array.dtype()))
    reject_type("out", std::string("native dtype ") + name(dtype),
                "dtype " + py::str(array.dtype()).cast<std::string>());
  if (shape_of(array) != shape) reject_value("out", "shape " + text(shape), "shape " + text(shape_of(array)));
  if (!array.writeable()) reject_value("out", "a writable array", "a read-only one");
  if ((array.flags() & plain_memory) != plain_memory)
    reject_value("out", "an aligned C-contiguous array",
                 "strides " + text(Sizes(array.strides(), array.strides() + array.ndim())));
  for (const Input* input : inputs)
    if (input != nullptr && overlap(array, input->original))
      reject_value("out", std::string("memory apart from ") + input->argument, "an array that overlaps it");
  return array;
}

int take_axes(py::handle value) {
  const std::int64_t axes = take_int(value, "axes");
  if (axes < 1 || axes > max_axes)
    throw py::value_error("axes: expected 1, 2 or 3, received " + std::to_string(axes));
  return static_cast<int>(axes);
}

std::int64_t take_int(py::handle value, const char* argument) {
  // bool is an int to Python, but never a size; numpy integers come through __index__.
  if (py::isinstance<py::bool_>(value) || PyIndex_Check(value.ptr()) == 0 || py::isinstance<py::array>(value))
    reject_type(argument, "an int", type_name(value) + " " + shown(value));
  const auto number = py::reinterpret_steal<py::object>(PyNumber_Index(value.ptr()));
  if (!number) throw py::error_already_set();
  int overflow = 0;
  const long long result = PyLong_AsLongLongAndOverflow(number.ptr(), &overflow);
  if (overflow != 0) {
    const std::string message =
        std::string(argument) + ": expected an int below 2**63 in magnitude, received " + shown(number);
    PyErr_SetString(PyExc_OverflowError, message.c_str());
    throw py::error_already_set();
  }
  return result;
}

bool take_bool(py::handle value, const char* argument) {
  // A numpy.bool is what comparisons of arrays give.
  const char* const type = Py_TYPE(value.ptr())->tp_name;
  if (!py::isinstance<py::bool_>(value) && std::string(type) != "numpy.bool" &&
      std::string(type) != "numpy.bool_")
    reject_type(argument, "a bool", type_name(value) + " " + shown(value));
  return PyObject_IsTrue(value.ptr()) == 1;
}

double take_float(py::handle value, const char* argument) {
  const bool number = PyNumber_Check(value.ptr()) != 0 && !py::isinstance<py::bool_>(value) &&
                      !py::isinstance<py::array>(value) && !PyComplex_Check(value.ptr());
  const double result = number ? PyFloat_AsDouble(value.ptr()) : 0;
  if (number && PyErr_Occurred() == nullptr) return result;
  PyErr_Clear();
  reject_type(argument, "a float", type_name(value) + " " + shown(value));
}

std::string take_str(py::handle value, const char* argument) {
  if (!py::isinstance<py::str>(value)) reject_type(argument, "a str", type_name(value) + " " + shown(value));
  return value.cast<std::string>();
}

DType take_dtype(py::handle value) {
  const std::string word = take_str(value, "dtype");
  if (word != "float32" && word != "float64") reject_value("dtype", "float32 or float64", "'" + word + "'");
  return word == "float32" ? DType::float32 : DType::float64;
}

Sizes take_shape(py::handle value, const char* argument) {
  if (!is_sequence(value)) reject_type(argument, "a tuple of ints", type_name(value) + " " + shown(value));
  Sizes sizes;
  for (const py::handle item : items_of(value)) {
    sizes.push_back(take_int(item, argument));
    if (sizes.back() < 0) reject_value(argument, "sizes >= 0", shown(value));
  }
  return sizes;
}

Extents take_extents(py::handle value, const char* argument, int axes, std::int64_t fill) {
  Extents extents;
  extents.fill(fill);
  const auto first = static_cast<std::size_t>(max_axes - axes);
  if (!is_sequence(value)) {
    if (PyIndex_Check(value.ptr()) == 0 || py::isinstance<py::array>(value))
      reject_type(argument, extents_expected(axes), type_name(value) + " " + shown(value));
    std::fill(extents.begin() + first, extents.end(), take_int(value, argument));
    return extents;
  }
  const py::tuple items = items_of(value);
  const std::size_t length = items.size();
  if (length != 1 && length != static_cast<std::size_t>(axes))
    reject_value(argument, extents_expected(axes), shown(value));
  std::size_t axis = first;
  for (const py::handle item : items) extents[axis++] = take_int(item, argument);
  if (length == 1) std::fill(extents.begin() + first, extents.end(), extents[first]);
  return extents;
}

Padding take_padding(py::handle value, int axes) {
  Padding padding;
  if (py::isinstance<py::str>(value)) {
    const auto word = value.cast<std::string>();
    using Kind = Padding::Kind;
    constexpr std::pair<const char*, Kind> kinds[] = {{"valid", Kind::valid},
                                                      {"same", Kind::same},
                                                      {"same_lower", Kind::same_lower},
                                                      {"causal", Kind::causal}};
    for (const auto& [name, kind] : kinds)
      if (word == name) {
        padding.kind = kind;
        return padding;
      }
    reject_value("padding", "'valid', 'same', 'same_lower' or 'causal' where it is a str", shown(value));
  }
  const bool pairs = is_sequence(value) && std::any_of(value.begin(), value.end(), is_sequence);
  if (!pairs) {
    padding.before = padding.after = take_extents(value, "padding", axes, 0);
    return padding;
  }
  const py::tuple items = items_of(value);
  value = items;
  const std::string expected = "one (before, after) pair for each of " + std::to_string(axes) + " axes";
  if (py::len(value) != static_cast<std::size_t>(axes)) reject_value("padding", expected, shown(value));
  padding.per_side = true;
  auto axis = static_cast<std::size_t>(max_axes - axes);
  for (const py::handle pair : value) {
    const py::tuple sides = is_sequence(pair) ? items_of(pair) : py::tuple();
    if (sides.size() != 2) reject_value("padding", expected, shown(value));
    padding.before[axis] = take_int(sides[0], "padding");
    padding.after[axis] = take_int(sides[1], "padding");
    ++axis;
  }
  return padding;
}

PaddingMode take_padding_mode(py::handle value, const char* argument, const char* constant,
                              const char* others) {
  const std::string word = take_str(value, argument);
  std::string names;
  for (const PaddingMode mode : {PaddingMode::constant, PaddingMode::reflect, PaddingMode::replicate,
                                 PaddingMode::circular, PaddingMode::symmetric}) {
    const char* const name_of_mode = mode == PaddingMode::constant ? constant : name(mode);
    if (word == name_of_mode) return mode;
    names += (names.empty() ? "'" : ", '") + std::string(name_of_mode) + "'";
  }
  reject_value(argument, "one of " + names + others, shown(value));
}

}  // namespace convnative::python
