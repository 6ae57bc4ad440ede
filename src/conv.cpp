#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "arguments.h"
#include "bindings.h"
#include "convnative/conv.h"
#include "convnative/runtime.h"

namespace convnative::python {
namespace {

// The name of a mode, or the value of a constant.
void take_mode_or_value(py::handle value, ConvParameters& parameters) {
  if (py::isinstance<py::str>(value))
    parameters.padding_mode = take_padding_mode(value, "padding_mode", "zeros", " or a number");
  else
    parameters.padding_value = take_float(value, "padding_mode");
}

// The arguments that forward and every gradient share.
ConvShape take_conv_shape(int axes, const Sizes& input, const Sizes& weight, py::handle stride,
                          py::handle padding, py::handle dilation, py::handle groups, py::handle padding_mode,
                          const ShapeArgumentNames& names = {}) {
  ConvParameters parameters;
  parameters.stride = take_extents(stride, "stride", axes, 1);
  parameters.padding = take_padding(padding, axes);
  parameters.dilation = take_extents(dilation, "dilation", axes, 1);
  parameters.groups = take_int(groups, "groups");
  take_mode_or_value(padding_mode, parameters);
  return make_conv_shape(axes, input, weight, parameters, names);
}

ConvShape take_conv_transpose_shape(int axes, const Sizes& input, const Sizes& weight, py::handle stride,
                                    py::handle padding, py::handle output_padding, py::handle groups,
                                    py::handle dilation, const ShapeArgumentNames& names = {}) {
  ConvTransposeParameters parameters;
  parameters.stride = take_extents(stride, "stride", axes, 1);
  parameters.padding = take_padding(padding, axes);
  parameters.output_padding = take_extents(output_padding, "output_padding", axes, 0);
  parameters.groups = take_int(groups, "groups");
  parameters.dilation = take_extents(dilation, "dilation", axes, 1);
  return make_conv_transpose_shape(axes, input, weight, parameters, names);
}

Sizes conv_output_sizes(const ConvShape& shape) {
  Sizes sizes{shape.batch, shape.out_channels};
  sizes.insert(sizes.end(), shape.output.end() - shape.axes, shape.output.end());
  return sizes;
}

Sizes conv_input_sizes(const ConvShape& shape) {
  Sizes sizes{shape.batch, shape.in_channels};
  sizes.insert(sizes.end(), shape.input.end() - shape.axes, shape.input.end());
  return sizes;
}

ConvOptions options_with(py::handle algorithm, py::handle activation = py::none()) {
  ConvOptions options;
  if (!activation.is_none()) {
    if (!py::isinstance<py::tuple>(activation) || py::len(activation) != 2)
      throw py::type_error("activation: expected None or (name, parameters), received " +
                           py::repr(activation).cast<std::string>());
    const auto pair = py::reinterpret_borrow<py::tuple>(activation);
    options.activation = take_activation(pair[0], pair[1]);
  }
  if (algorithm.is_none()) return options;
  options.algorithm = take_str(algorithm, "algorithm");
  // To the core no name means its own choice; here None does.
  if (options.algorithm.empty()) throw py::value_error("algorithm: expected None or a name, received ''");
  return options;
}

py::array run(const ConvShape& shape, ConvOperation operation, DType dtype, ConvArrays arrays,
              py::array result, const ConvOptions& options) {
  arrays.result = result.mutable_data();
  const py::gil_scoped_release release;
  convolve(shape, operation, dtype, arrays, options);
  return result;
}

py::array conv_forward(py::handle axes_argument, py::handle input, py::handle weight, py::handle bias,
                       py::handle stride, py::handle padding, py::handle dilation, py::handle groups,
                       py::handle padding_mode, py::handle out, py::handle algorithm, py::handle activation) {
  const int axes = take_axes(axes_argument);
  const Input x = take_array(input, "input");
  const Input w = take_array_like(weight, "weight", x);
  const Batched batched = with_batch(x.shape, "input", axes);
  const ConvShape shape =
      take_conv_shape(axes, batched.sizes, w.shape, stride, padding, dilation, groups, padding_mode);
  const std::optional<Input> b = take_optional(bias, "bias", x, {shape.out_channels});
  py::array y =
      make_output(out, x.dtype, batched.strip(conv_output_sizes(shape)), {&x, &w, b ? &*b : nullptr});
  return run(shape, ConvOperation::forward, x.dtype,
             {.input = x.data(), .weight = w.data(), .bias = b ? b->data() : nullptr}, std::move(y),
             options_with(algorithm, activation));
}

py::array conv_grad_input(py::handle axes_argument, py::handle grad_output, py::handle weight,
                          py::handle input_shape, py::handle stride, py::handle padding, py::handle dilation,
                          py::handle groups, py::handle padding_mode, py::handle algorithm) {
  const int axes = take_axes(axes_argument);
  const Input g = take_array(grad_output, "grad_output");
  const Input w = take_array_like(weight, "weight", g);
  const Sizes user_shape = take_shape(input_shape, "input_shape");
  const Batched batched = with_batch(user_shape, "input_shape", axes);
  const ConvShape shape = take_conv_shape(axes, batched.sizes, w.shape, stride, padding, dilation, groups,
                                          padding_mode, {.input = "input_shape"});
  require_shape(g, batched.strip(conv_output_sizes(shape)));
  return run(shape, ConvOperation::grad_input, g.dtype, {.weight = w.data(), .grad_output = g.data()},
             make_output(py::none(), g.dtype, user_shape, {}), options_with(algorithm));
}

py::array conv_grad_weight(py::handle axes_argument, py::handle grad_output, py::handle input,
                           py::handle weight_shape, py::handle stride, py::handle padding,
                           py::handle dilation, py::handle groups, py::handle padding_mode,
                           py::handle algorithm) {
  const int axes = take_axes(axes_argument);
  const Input g = take_array(grad_output, "grad_output");
  const Input x = take_array_like(input, "input", g);
  const Sizes weight_sizes = take_shape(weight_shape, "weight_shape");
  const Batched batched = with_batch(x.shape, "input", axes);
  const ConvShape shape = take_conv_shape(axes, batched.sizes, weight_sizes, stride, padding, dilation,
                                          groups, padding_mode, {.weight = "weight_shape"});
  require_shape(g, batched.strip(conv_output_sizes(shape)));
  return run(shape, ConvOperation::grad_weight, g.dtype, {.input = x.data(), .grad_output = g.data()},
             make_output(py::none(), g.dtype, weight_sizes, {}), options_with(algorithm));
}

py::array conv_transpose_forward(py::handle axes_argument, py::handle input, py::handle weight,
                                 py::handle bias, py::handle stride, py::handle padding,
                                 py::handle output_padding, py::handle groups, py::handle dilation,
                                 py::handle out, py::handle algorithm) {
  const int axes = take_axes(axes_argument);
  const Input x = take_array(input, "input");
  const Input w = take_array_like(weight, "weight", x);
  const Batched batched = with_batch(x.shape, "input", axes);
  const ConvShape shape = take_conv_transpose_shape(axes, batched.sizes, w.shape, stride, padding,
                                                    output_padding, groups, dilation);
  const std::optional<Input> b = take_optional(bias, "bias", x, {shape.in_channels});
  py::array y =
      make_output(out, x.dtype, batched.strip(conv_input_sizes(shape)), {&x, &w, b ? &*b : nullptr});
  return run(shape, ConvOperation::grad_input, x.dtype,
             {.weight = w.data(), .bias = b ? b->data() : nullptr, .grad_output = x.data()}, std::move(y),
             options_with(algorithm));
}

py::array conv_transpose_grad_input(py::handle axes_argument, py::handle grad_output, py::handle weight,
                                    py::handle input_shape, py::handle stride, py::handle padding,
                                    py::handle output_padding, py::handle groups, py::handle dilation,
                                    py::handle algorithm) {
  const int axes = take_axes(axes_argument);
  const Input g = take_array(grad_output, "grad_output");
  const Input w = take_array_like(weight, "weight", g);
  const Sizes user_shape = take_shape(input_shape, "input_shape");
  const Batched batched = with_batch(user_shape, "input_shape", axes);
  const ConvShape shape =
      take_conv_transpose_shape(axes, batched.sizes, w.shape, stride, padding, output_padding, groups,
                                dilation, {.input = "input_shape"});
  require_shape(g, batched.strip(conv_input_sizes(shape)));
  return run(shape, ConvOperation::forward, g.dtype, {.input = g.data(), .weight = w.data()},
             make_output(py::none(), g.dtype, user_shape, {}), options_with(algorithm));
}

py::array conv_transpose_grad_weight(py::handle axes_argument, py::handle grad_output, py::handle input,
                                     py::handle weight_shape, py::handle stride, py::handle padding,
                                     py::handle output_padding, py::handle groups, py::handle dilation,
                                     py::handle algorithm) {
  const int axes = take_axes(axes_argument);
  const Input g = take_array(grad_output, "grad_output");
  const Input x = take_array_like(input, "input", g);
  const Sizes weight_sizes = take_shape(weight_shape, "weight_shape");
  const Batched batched = with_batch(x.shape, "input", axes);
  const ConvShape shape =
      take_conv_transpose_shape(axes, batched.sizes, weight_sizes, stride, padding, output_padding, groups,
                                dilation, {.weight = "weight_shape"});
  require_shape(g, batched.strip(conv_input_sizes(shape)));
  return run(shape, ConvOperation::grad_weight, g.dtype, {.input = g.data(), .grad_output = x.data()},
             make_output(py::none(), g.dtype, weight_sizes, {}), options_with(algorithm));
}

py::array grad_bias(py::handle axes_argument, py::handle grad_output) {
  const int axes = take_axes(axes_argument);
  const Input g = take_array(grad_output, "grad_output");
  const Sizes sizes = with_batch(g.shape, "grad_output", axes).sizes;
  std::int64_t plane = 1;
  for (std::size_t axis = 2; axis < sizes.size(); ++axis) plane *= sizes[axis];
  py::array result = make_output(py::none(), g.dtype, {sizes[1]}, {});
  void* const data = result.mutable_data();
  const py::gil_scoped_release release;
  convnative::conv_grad_bias(g.dtype, sizes[0], sizes[1], plane, g.data(), data);
  return result;
}

ConvOperation take_operation(const std::string& word) {
  for (const ConvOperation operation :
       {ConvOperation::forward, ConvOperation::grad_input, ConvOperation::grad_weight})
    if (word == name(operation)) return operation;
  throw py::value_error("operation: expected forward, grad_input or grad_weight, received '" + word + "'");
}

// A weight of a convolution over one to three axes.
Sizes take_weight_shape(py::handle weight_shape) {
  Sizes weight = take_shape(weight_shape, "weight_shape");
  if (weight.size() < 3 || weight.size() > 2 + max_axes)
    throw py::value_error("weight_shape: expected 3 to 5 sizes (K, C / groups, spatial...), received " +
                          text(weight));
  return weight;
}

// What a plan says of itself.
py::dict describe(const ConvPlan& plan, const std::string& operation_name, const Sizes& output) {
  py::dict result;
  result["operation"] = operation_name;
  result["dtype"] = name(plan.dtype());
  result["output_shape"] = py::tuple(py::cast(output));
  result["algorithm"] = plan.algorithm();
  result["kernel"] = plan.kernel();
  result["reason"] = plan.reason();
  result["isa"] = name(plan.isa());
  result["precision"] = name(plan.precision());
  result["threads"] = plan.threads();
  result["macs"] = plan.shape().macs();
  result["workspace_bytes"] = plan.workspace_bytes();
  result["packed_weight_bytes"] = plan.packed_weight_bytes();
  return result;
}

py::dict conv_explain(py::handle operation_name, py::handle dtype, py::handle input_shape,
                      py::handle weight_shape, py::handle stride, py::handle padding, py::handle dilation,
                      py::handle groups, py::handle padding_mode, py::handle algorithm) {
  const std::string operation = take_str(operation_name, "operation");
  const Sizes weight = take_weight_shape(weight_shape);
  const int axes = static_cast<int>(weight.size()) - 2;
  const Batched batched = with_batch(take_shape(input_shape, "input_shape"), "input_shape", axes);
  const ConvShape shape = take_conv_shape(axes, batched.sizes, weight, stride, padding, dilation, groups,
                                          padding_mode, {.input = "input_shape", .weight = "weight_shape"});
  return describe(ConvPlan(shape, take_operation(operation), take_dtype(dtype), options_with(algorithm)),
                  operation, batched.strip(conv_output_sizes(shape)));
}

py::dict conv_transpose_explain(py::handle dtype, py::handle input_shape, py::handle weight_shape,
                                py::handle stride, py::handle padding, py::handle output_padding,
                                py::handle groups, py::handle dilation, py::handle algorithm) {
  const Sizes weight = take_weight_shape(weight_shape);
  const int axes = static_cast<int>(weight.size()) - 2;
  const Batched batched = with_batch(take_shape(input_shape, "input_shape"), "input_shape", axes);
  const ConvShape shape =
      take_conv_transpose_shape(axes, batched.sizes, weight, stride, padding, output_padding, groups,
                                dilation, {.input = "input_shape", .weight = "weight_shape"});
  return describe(ConvPlan(shape, ConvOperation::grad_input, take_dtype(dtype), options_with(algorithm)),
                  "transposed forward", batched.strip(conv_input_sizes(shape)));
}

// A convolution, or a transposed one, whose weights are packed.
class Prepared {
 public:
  Prepared(const ConvShape& shape, ConvOperation operation, const Input& weight,
           const std::optional<Input>& bias, const Batched& batched, const ConvOptions& options)
      : conv_(prepare(shape, operation, weight, bias, options)),
        transposed_(operation == ConvOperation::grad_input),
        input_(batched.strip(transposed_ ? conv_output_sizes(shape) : conv_input_sizes(shape))),
        output_(batched.strip(transposed_ ? conv_input_sizes(shape) : conv_output_sizes(shape))) {}

  py::array run(py::handle input, py::handle residual, py::handle out) const {
    const Input x = take_array(input, "input");
    const DType dtype = conv_.plan().dtype();
    if (x.dtype != dtype)
      throw py::type_error(std::string("input: expected ") + name(dtype) + ", received " + name(x.dtype));
    require_shape(x, input_);
    const std::optional<Input> r = take_optional(residual, "residual", x, output_);
    py::array y = make_output(out, dtype, output_, {&x, r ? &*r : nullptr});
    void* const data = y.mutable_data();
    const py::gil_scoped_release release;
    conv_.run(x.data(), r ? r->data() : nullptr, data);
    return y;
  }
  py::dict explain() const {
    return describe(conv_.plan(), transposed_ ? "transposed forward" : "forward", output_);
  }
  py::tuple input_shape() const { return py::tuple(py::cast(input_)); }
  std::size_t bytes() const { return conv_.bytes(); }

 private:
  static PreparedConv prepare(const ConvShape& shape, ConvOperation operation, const Input& weight,
                              const std::optional<Input>& bias, const ConvOptions& options) {
    const void* const weights = weight.data();
    const void* const biases = bias ? bias->data() : nullptr;
    const py::gil_scoped_release release;
    return {shape, operation, weight.dtype, weights, biases, options};
  }

  PreparedConv conv_;
  bool transposed_;
  Sizes input_, output_;
};

Prepared prepare_conv(py::handle axes_argument, py::handle input_shape, py::handle weight, py::handle bias,
                      py::handle stride, py::handle padding, py::handle dilation, py::handle groups,
                      py::handle padding_mode, py::handle activation, py::handle algorithm) {
  const int axes = take_axes(axes_argument);
  const Input w = take_array(weight, "weight");
  const Batched batched = with_batch(take_shape(input_shape, "input_shape"), "input_shape", axes);
  const ConvShape shape = take_conv_shape(axes, batched.sizes, w.shape, stride, padding, dilation, groups,
                                          padding_mode, {.input = "input_shape"});
  return {shape,   ConvOperation::forward,
          w,       take_optional(bias, "bias", w, {shape.out_channels}),
          batched, options_with(algorithm, activation)};
}

Prepared prepare_conv_transpose(py::handle axes_argument, py::handle input_shape, py::handle weight,
                                py::handle bias, py::handle stride, py::handle padding,
                                py::handle output_padding, py::handle groups, py::handle dilation,
                                py::handle activation, py::handle algorithm) {
  const int axes = take_axes(axes_argument);
  const Input w = take_array(weight, "weight");
  const Batched batched = with_batch(take_shape(input_shape, "input_shape"), "input_shape", axes);
  const ConvShape shape =
      take_conv_transpose_shape(axes, batched.sizes, w.shape, stride, padding, output_padding, groups,
                                dilation, {.input = "input_shape"});
  return {shape,   ConvOperation::grad_input,          w, take_optional(bias, "bias", w, {shape.in_channels}),
          batched, options_with(algorithm, activation)};
}

py::list conv_algorithms() {
  py::list rows;
  for (const ConvOperation operation :
       {ConvOperation::forward, ConvOperation::grad_input, ConvOperation::grad_weight})
    for (const auto& [algorithm, strict] : conv_algorithm_names(operation)) {
      py::dict row;
      row["name"] = algorithm;
      row["strict"] = strict;
      row["operation"] = name(operation);
      rows.append(row);
    }
  return rows;
}

}  // namespace

void bind_conv(py::module_& module) {
  using py::arg;
  module.def("conv_forward", &conv_forward, arg("axes"), arg("input"), arg("weight"), arg("bias"),
             arg("stride"), arg("padding"), arg("dilation"), arg("groups"), arg("padding_mode") = "zeros",
             arg("out") = py::none(), arg("algorithm") = py::none(), arg("activation") = py::none());
  module.def("conv_grad_input", &conv_grad_input, arg("axes"), arg("grad_output"), arg("weight"),
             arg("input_shape"), arg("stride"), arg("padding"), arg("dilation"), arg("groups"),
             arg("padding_mode") = "zeros", arg("algorithm") = py::none());
  module.def("conv_grad_weight", &conv_grad_weight, arg("axes"), arg("grad_output"), arg("input"),
             arg("weight_shape"), arg("stride"), arg("padding"), arg("dilation"), arg("groups"),
             arg("padding_mode") = "zeros", arg("algorithm") = py::none());
  module.def("conv_grad_bias", &grad_bias, arg("axes"), arg("grad_output"));
  module.def("conv_transpose_forward", &conv_transpose_forward, arg("axes"), arg("input"), arg("weight"),
             arg("bias"), arg("stride"), arg("padding"), arg("output_padding"), arg("groups"),
             arg("dilation"), arg("out") = py::none(), arg("algorithm") = py::none());
  module.def("conv_transpose_grad_input", &conv_transpose_grad_input, arg("axes"), arg("grad_output"),
             arg("weight"), arg("input_shape"), arg("stride"), arg("padding"), arg("output_padding"),
             arg("groups"), arg("dilation"), arg("algorithm") = py::none());
  module.def("conv_transpose_grad_weight", &conv_transpose_grad_weight, arg("axes"), arg("grad_output"),
             arg("input"), arg("weight_shape"), arg("stride"), arg("padding"), arg("output_padding"),
             arg("groups"), arg("dilation"), arg("algorithm") = py::none());
  module.def("conv_explain", &conv_explain, arg("operation"), arg("dtype"), arg("input_shape"),
             arg("weight_shape"), arg("stride"), arg("padding"), arg("dilation"), arg("groups"),
             arg("padding_mode") = "zeros", arg("algorithm") = py::none());
  module.def("conv_transpose_explain", &conv_transpose_explain, arg("dtype"), arg("input_shape"),
             arg("weight_shape"), arg("stride"), arg("padding"), arg("output_padding"), arg("groups"),
             arg("dilation"), arg("algorithm") = py::none());
  py::class_<Prepared>(module, "PreparedConv")
      .def("__call__", &Prepared::run, arg("input"), arg("residual") = py::none(), arg("out") = py::none())
      .def("explain", &Prepared::explain)
      .def_property_readonly("input_shape", &Prepared::input_shape)
      .def_property_readonly("nbytes", &Prepared::bytes);
  module.def("prepare_conv", &prepare_conv, arg("axes"), arg("input_shape"), arg("weight"), arg("bias"),
             arg("stride"), arg("padding"), arg("dilation"), arg("groups"), arg("padding_mode") = "zeros",
             arg("activation") = py::none(), arg("algorithm") = py::none());
  module.def("prepare_conv_transpose", &prepare_conv_transpose, arg("axes"), arg("input_shape"),
             arg("weight"), arg("bias"), arg("stride"), arg("padding"), arg("output_padding"), arg("groups"),
             arg("dilation"), arg("activation") = py::none(), arg("algorithm") = py::none());
  module.def("conv_algorithms", &conv_algorithms, "Rows {name, operation, strict} in order of preference.");
}

}  // namespace convnative::python
