#include "convnative/resample.h"

#include <pybind11/pybind11.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <string_view>

#include "arguments.h"
#include "base/checked.h"
#include "base/reject.h"
#include "bindings.h"

namespace convnative::python {
namespace {

template <class Value>
using Names = std::span<const std::pair<std::string_view, Value>>;

constexpr std::pair<std::string_view, Interpolation> interpolations[] = {{"nearest", Interpolation::nearest},
                                                                         {"linear", Interpolation::linear},
                                                                         {"cubic", Interpolation::cubic},
                                                                         {"lanczos", Interpolation::lanczos},
                                                                         {"area", Interpolation::area}};

constexpr std::pair<std::string_view, Coordinates> coordinate_names[] = {
    {"half_pixel", Coordinates::half_pixel},
    {"half_pixel_symmetric", Coordinates::half_pixel_symmetric},
    {"pytorch_half_pixel", Coordinates::pytorch_half_pixel},
    {"align_corners", Coordinates::align_corners},
    {"asymmetric", Coordinates::asymmetric},
    {"tf_crop_and_resize", Coordinates::tf_crop_and_resize},
    {"torch_half_pixel", Coordinates::torch_half_pixel},
    {"torch_align_corners", Coordinates::torch_align_corners},
    {"torch_align_corners_antialias", Coordinates::torch_align_corners_antialias},
    {"torch_nearest", Coordinates::torch_nearest},
    {"torch_nearest_exact", Coordinates::torch_nearest_exact},
    {"torch_small_image_nearest", Coordinates::torch_small_image_nearest},
    {"torch_small_image_nearest_exact", Coordinates::torch_small_image_nearest_exact}};

constexpr std::pair<std::string_view, NearestRounding> roundings[] = {
    {"round_prefer_floor", NearestRounding::round_prefer_floor},
    {"round_prefer_ceil", NearestRounding::round_prefer_ceil},
    {"floor", NearestRounding::floor},
    {"ceil", NearestRounding::ceil}};

template <class Value>
Value take_name(py::handle value, const char* argument, Names<Value> names) {
  const std::string word = take_str(value, argument);
  std::string expected = "one of ";
  for (const auto& [name, result] : names) {
    if (word == name) return result;
    expected += (&name == &names.front().first ? "'" : ", '") + std::string(name) + "'";
  }
  reject_argument(argument, expected, "'" + word + "'");
}

// What is not an array: see functional/_interpolate.py.
struct Resampling {
  ResampleRule rule;
  Sizes axes, output;
  std::vector<ResampleAxis> sizes;  // one for each of the axes
  double fill;

  std::vector<ResampleTable> tables(DType dtype) const {
    std::vector<ResampleTable> result;
    for (const ResampleAxis& axis : sizes) result.push_back(make_resample_table(rule, axis, dtype));
    return result;
  }
};

Sizes take_axis_numbers(py::handle value, std::size_t rank) {
  const Sizes axes = take_shape(value, "axes");
  for (std::size_t i = 0; i < axes.size(); ++i)
    if (axes[i] >= static_cast<std::int64_t>(rank) || (i > 0 && axes[i] <= axes[i - 1]))
      reject_argument("axes", "axes of the input in ascending order", text(axes));
  return axes;
}

double take_positive(py::handle value, const char* argument) {
  const double number = take_float(value, argument);
  if (!(number > 0) || std::isinf(number))
    reject_argument(argument, "finite numbers > 0", py::repr(value).cast<std::string>());
  return number;
}

double take_finite(py::handle value, const char* argument) {
  const double number = take_float(value, argument);
  if (!std::isfinite(number))
    reject_argument(argument, "finite numbers", py::repr(value).cast<std::string>());
  return number;
}

Resampling take_resampling(const Sizes& input, const char* input_name, py::tuple config) {
  if (py::len(config) != 11) throw py::value_error("config: expected 11 entries");
  Resampling result;
  result.axes = take_axis_numbers(config[0], input.size());
  const Sizes sizes = take_shape(config[1], "size");
  const auto scales = py::cast<py::tuple>(config[2]), crops = py::cast<py::tuple>(config[3]);
  if (sizes.size() != result.axes.size() || scales.size() != sizes.size() || crops.size() != sizes.size())
    reject_argument("size", "one for each of the axes " + text(result.axes), text(sizes));
  ResampleRule& rule = result.rule;
  rule.interpolation = take_name<Interpolation>(config[4], "mode", interpolations);
  rule.coordinates = take_name<Coordinates>(config[5], "coordinate_transformation", coordinate_names);
  rule.rounding = take_name<NearestRounding>(config[6], "nearest_mode", roundings);
  rule.cubic_coefficient = take_finite(config[7], "cubic_coefficient");
  rule.exclude_outside = take_bool(config[8], "exclude_outside");
  rule.antialias = take_bool(config[9], "antialias");
  result.fill = take_float(config[10], "extrapolation_value");

  // torch's mean over areas, unlike the rest, may be of nothing.
  const bool may_be_empty = rule.interpolation == Interpolation::area;
  std::vector<ResampleAxis>& axes = result.sizes;
  result.output = input;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const auto axis = static_cast<std::size_t>(result.axes[i]);
    if (input[axis] < 1) reject_argument(input_name, "resampled axes of size >= 1", "shape " + text(input));
    if (sizes[i] < (may_be_empty ? 0 : 1)) reject_argument("size", "every size >= 1", text(sizes));
    result.output[axis] = sizes[i];
    axes.push_back({.input = input[axis], .output = sizes[i]});
    if (!scales[i].is_none()) axes.back().scale = take_positive(scales[i], "scale_factor");
    if (crops[i].is_none()) continue;
    const auto crop = py::cast<py::tuple>(crops[i]);
    axes.back().crop_begin = take_finite(crop[0], "roi");
    axes.back().crop_end = take_finite(crop[1], "roi");
  }
  std::int64_t bytes = sizeof(double);
  for (const std::int64_t size : result.output)
    bytes = checked_mul(bytes, std::max<std::int64_t>(size, 1), "size");
  return result;
}

py::array interpolate(py::handle input, py::tuple config) {
  const Input x = take_array(input, "input");
  const Resampling resampling = take_resampling(x.shape, "input", config);
  py::array result = make_output(py::none(), x.dtype, resampling.output, {});
  void* const data = result.mutable_data();
  const py::gil_scoped_release release;
  resample(x.shape, resampling.axes, resampling.tables(x.dtype), x.dtype, x.data(), resampling.fill, data);
  return result;
}

py::array interpolate_grad(py::handle grad_output, py::handle input_shape, py::tuple config) {
  const Input g = take_array(grad_output, "grad_output");
  const Sizes sizes = take_shape(input_shape, "input_shape");
  const Resampling resampling = take_resampling(sizes, "input_shape", config);
  require_shape(g, resampling.output);
  py::array result = make_output(py::none(), g.dtype, sizes, {});
  void* const data = result.mutable_data();
  const py::gil_scoped_release release;
  std::vector<ResampleTable> tables = resampling.tables(g.dtype);
  for (ResampleTable& table : tables) table = transposed(table);
  resample(g.shape, resampling.axes, tables, g.dtype, g.data(), 0, data);
  return result;
}

}  // namespace

void bind_resample(py::module_& module) {
  using py::arg;
  module.def("resample_forward", &interpolate, arg("input"), arg("config"));
  module.def("resample_grad", &interpolate_grad, arg("grad_output"), arg("input_shape"), arg("config"));
}

}  // namespace convnative::python
