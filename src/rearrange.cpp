#include "convnative/rearrange.h"

#include <pybind11/pybind11.h>

#include <numeric>

#include "arguments.h"
#include "base/reject.h"
#include "bindings.h"

namespace convnative::python {
namespace {

Sizes take_amounts(py::handle value) {
  if (!py::isinstance<py::tuple>(value) && !py::isinstance<py::list>(value))
    throw py::type_error("pad: expected a tuple of ints, received " + py::repr(value).cast<std::string>());
  Sizes amounts;
  for (const py::handle item : value) amounts.push_back(take_int(item, "pad"));
  return amounts;
}

double take_pad_value(py::handle value, PaddingMode mode) {
  const double number = value.is_none() ? 0 : take_float(value, "value");
  if (mode != PaddingMode::constant && number != 0)
    throw py::value_error("value: expected None in a mode other than 'constant', received " +
                          py::repr(value).cast<std::string>());
  return number;
}

py::array pad(py::handle input, py::handle amounts, py::handle mode_name, py::handle value) {
  const Input x = take_array(input, "input");
  const PaddingMode mode = take_padding_mode(mode_name, "mode", "constant");
  const double number = take_pad_value(value, mode);
  const PadShape shape = make_pad_shape(x.shape, take_amounts(amounts), mode);
  py::array result = make_output(py::none(), x.dtype, shape.output, {});
  void* const data = result.mutable_data();
  const py::gil_scoped_release release;
  pad_forward(shape, x.dtype, x.data(), number, data);
  return result;
}

py::array pad_gradient(py::handle grad_output, py::handle input_shape, py::handle amounts, py::handle mode) {
  const Input g = take_array(grad_output, "grad_output");
  const PadShape shape = make_pad_shape(take_shape(input_shape, "input_shape"), take_amounts(amounts),
                                        take_padding_mode(mode, "mode", "constant"), "input_shape");
  require_shape(g, shape.output);
  py::array result = make_output(py::none(), g.dtype, shape.input, {});
  void* const data = result.mutable_data();
  const py::gil_scoped_release release;
  pad_grad(shape, g.dtype, g.data(), data);
  return result;
}

ConvParameters take_unfold_parameters(int axes, py::handle dilation, py::handle padding, py::handle stride) {
  ConvParameters parameters;
  parameters.dilation = take_extents(dilation, "dilation", axes, 1);
  parameters.padding = take_padding(padding, axes);
  parameters.stride = take_extents(stride, "stride", axes, 1);
  return parameters;
}

py::array unfold_image(py::handle axes_argument, py::handle input, py::handle kernel_size,
                       py::handle dilation, py::handle padding, py::handle stride) {
  const int axes = take_axes(axes_argument);
  const Input x = take_array(input, "input");
  const Batched image = with_batch(x.shape, "input", axes);
  const Extents kernel = take_extents(kernel_size, "kernel_size", axes, 1);
  const ConvShape shape =
      make_unfold_shape(axes, image.sizes, kernel, take_unfold_parameters(axes, dilation, padding, stride));
  const Sizes columns{shape.batch, shape.in_channels * shape.taps(), shape.output_plane()};
  py::array result = make_output(py::none(), x.dtype, image.strip(columns), {});
  void* const data = result.mutable_data();
  const py::gil_scoped_release release;
  unfold(shape, x.dtype, x.data(), data);
  return result;
}

py::array fold_columns(py::handle axes_argument, py::handle input, py::handle output_size,
                       py::handle kernel_size, py::handle dilation, py::handle padding, py::handle stride) {
  const int axes = take_axes(axes_argument);
  const Input x = take_array(input, "input");
  const Batched columns = with_batch(x.shape, "input", 1);
  const Extents size = take_extents(output_size, "output_size", axes, 1);
  const Extents kernel = take_extents(kernel_size, "kernel_size", axes, 1);
  const ConvParameters parameters = take_unfold_parameters(axes, dilation, padding, stride);

  // One channel tells how many rows a channel has, and how many columns there are.
  Sizes image{columns.sizes[0], 1};
  image.insert(image.end(), size.end() - axes, size.end());
  const ConvShape one = make_unfold_shape(axes, image, kernel, parameters, "output_size");
  if (columns.sizes[1] % one.taps() != 0 || columns.sizes[1] == 0 || columns.sizes[2] != one.output_plane())
    reject_argument("input",
                    "a positive multiple of the kernel's " + std::to_string(one.taps()) + " elements by " +
                        std::to_string(one.output_plane()) + " blocks",
                    "shape " + text(x.shape));
  image[1] = columns.sizes[1] / one.taps();
  const ConvShape shape = make_unfold_shape(axes, image, kernel, parameters, "output_size");
  py::array result = make_output(py::none(), x.dtype, columns.strip(image), {});
  void* const data = result.mutable_data();
  const py::gil_scoped_release release;
  fold(shape, x.dtype, x.data(), data);
  return result;
}

// The array seen with shape `view`, its axes in another order, in the shape `shape`.
py::array permute_axes(py::handle input, py::handle view, py::handle order, py::handle shape) {
  const Input x = take_array(input, "input");
  const Sizes sizes = take_shape(view, "view"), numbers = take_shape(order, "order");
  const Sizes result_sizes = take_shape(shape, "shape");
  Sizes sorted = numbers, ascending(sizes.size());
  std::sort(sorted.begin(), sorted.end());
  std::iota(ascending.begin(), ascending.end(), 0);
  if (sorted != ascending) reject_argument("order", "every axis of the view once", text(numbers));
  for (const Sizes* all : {&sizes, &result_sizes})
    if (product(all->begin(), all->end()) != product(x.shape.begin(), x.shape.end()))
      reject_argument("input", "as many elements as " + text(*all) + " has", "shape " + text(x.shape));
  py::array result = make_output(py::none(), x.dtype, result_sizes, {});
  void* const data = result.mutable_data();
  const py::gil_scoped_release release;
  permute(sizes, numbers, x.dtype, x.data(), data);
  return result;
}

}  // namespace

void bind_rearrange(py::module_& module) {
  using py::arg;
  module.def("pad_forward", &pad, arg("input"), arg("pad"), arg("mode"), arg("value"));
  module.def("pad_grad", &pad_gradient, arg("grad_output"), arg("input_shape"), arg("pad"), arg("mode"));
  module.def("unfold", &unfold_image, arg("axes"), arg("input"), arg("kernel_size"), arg("dilation"),
             arg("padding"), arg("stride"));
  module.def("fold", &fold_columns, arg("axes"), arg("input"), arg("output_size"), arg("kernel_size"),
             arg("dilation"), arg("padding"), arg("stride"));
  module.def("permute", &permute_axes, arg("input"), arg("view"), arg("order"), arg("shape"));
}

}  // namespace convnative::python
