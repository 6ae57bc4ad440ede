#include "convnative/image.h"

#include <pybind11/pybind11.h>

#include <optional>
#include <tuple>
#include <utility>

#include "arguments.h"
#include "bindings.h"

namespace convnative::python {
namespace {

PictureBorder take_border(py::handle mode, py::handle value) {
  return {take_padding_mode(mode, "border", "constant"), take_float(value, "value")};
}

std::pair<std::int64_t, std::int64_t> take_centre(py::handle value) {
  const Sizes centre = take_shape(value, "centre");
  if (centre.size() != 2)
    throw py::value_error("centre: expected a row and a column, received " + text(centre));
  return {centre[0], centre[1]};
}

py::array correlate(py::handle image, py::handle kernel, py::handle row, py::handle centre, py::handle border,
                    py::handle value, py::handle absolute, py::handle as_float) {
  const Pixels pixels = take_pixels(image, "image");
  const std::size_t rank = pixels.shape.size();
  if (rank != 2 && rank != 3)
    throw py::value_error("image: expected shape (H, W) or (H, W, channels), received " + text(pixels.shape));
  const Picture picture{pixels.shape[0], pixels.shape[1], rank == 3 ? pixels.shape[2] : 1, pixels.type};

  const Input weights = take_array(kernel, "kernel");
  const DType expected = pixels.type == PixelType::float64 ? DType::float64 : DType::float32;
  if (weights.dtype != expected)
    throw py::type_error(std::string("kernel: expected dtype ") + name(expected) +
                         " for the image, received dtype " + name(weights.dtype));
  if (weights.shape.size() != 2)
    throw py::value_error("kernel: expected shape (R, S), received " + text(weights.shape));
  PictureKernel taps{weights.shape[0], weights.shape[1], 0, 0, weights.data(), nullptr};
  std::optional<Input> row_weights;
  if (!row.is_none()) {
    row_weights = take_array_like(row, "row", weights);
    if (weights.shape[1] != 1)
      throw py::value_error("kernel: expected shape (R, 1) beside a row, received " + text(weights.shape));
    if (row_weights->shape.size() != 2 || row_weights->shape[0] != 1)
      throw py::value_error("row: expected shape (1, S), received " + text(row_weights->shape));
    taps.columns = row_weights->shape[1];
    taps.row_weights = row_weights->data();
  }
  std::tie(taps.centre_row, taps.centre_column) = take_centre(centre);

  const PictureBorder outside = take_border(border, value);
  const PictureResult form{take_bool(absolute, "absolute"), take_bool(as_float, "as_float")};
  py::array result = make_pixels(form.as_working ? working_type(pixels.type) : pixels.type, pixels.shape);
  void* const data = result.mutable_data();
  const py::gil_scoped_release release;
  correlate_picture(picture, taps, outside, form, pixels.array.data(), data);
  return result;
}

}  // namespace

void bind_image(py::module_& module) {
  using py::arg;
  module.def("correlate_picture", &correlate, arg("image"), arg("kernel"), arg("row"), arg("centre"),
             arg("border"), arg("value"), arg("absolute"), arg("as_float"));
}

}  // namespace convnative::python
