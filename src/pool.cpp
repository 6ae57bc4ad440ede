// Pools of windows at even distances: max, average and power-average.
#include "convnative/pool.h"

#include <pybind11/pybind11.h>

#include <cmath>

#include "arguments.h"
#include "bindings.h"
#include "filled.h"
#include "pool_arguments.h"
#include "result_memory.h"

namespace convnative::python {
namespace {

AvgPoolDivisor take_divisor(py::handle count_include_pad, py::handle divisor_override) {
  AvgPoolDivisor divisor{.count_padding = take_bool(count_include_pad, "count_include_pad")};
  if (divisor_override.is_none()) return divisor;
  divisor.fixed = take_int(divisor_override, "divisor_override");
  if (divisor.fixed == 0)
    throw py::value_error("divisor_override: expected None or an int other than 0, received 0");
  return divisor;
}

// What every pool of an array takes: the array, with or without the batch axis, and the shape that it leads
// to.
struct PooledInput {
  Input input;
  Batched batched;
  PoolShape shape;

  PooledInput(py::handle axes_argument, py::handle array, py::handle kernel_size, py::handle stride,
              py::handle padding, py::handle dilation, py::handle ceil_mode)
      : PooledInput(take_axes(axes_argument), array, kernel_size, stride, padding, dilation, ceil_mode) {}

  Sizes output_shape() const { return batched.strip(output_sizes(shape)); }

 private:
  PooledInput(int axes, py::handle array, py::handle kernel_size, py::handle stride, py::handle padding,
              py::handle dilation, py::handle ceil_mode)
      : input(take_array(array, "input")),
        batched(with_batch(input.shape, "input", axes)),
        shape(take_pool_shape(axes, batched.sizes, kernel_size, stride, padding, dilation, ceil_mode)) {}
};

py::array max_forward(py::handle axes, py::handle input, py::handle kernel_size, py::handle stride,
                      py::handle padding, py::handle dilation, py::handle ceil_mode, py::handle out) {
  const PooledInput x(axes, input, kernel_size, stride, padding, dilation, ceil_mode);
  return filled(make_output(out, x.input.dtype, x.output_shape(), {&x.input}),
                [&](void* data) { max_pool_forward(x.shape, x.input.dtype, x.input.data(), data); });
}

py::tuple max_with_indices(py::handle axes, py::handle input, py::handle kernel_size, py::handle stride,
                           py::handle padding, py::handle dilation, py::handle ceil_mode, py::handle out) {
  const PooledInput x(axes, input, kernel_size, stride, padding, dilation, ceil_mode);
  const py::array values = make_output(out, x.input.dtype, x.output_shape(), {&x.input});
  return filled_with_indices(values, [&](void* data, std::int64_t* indices) {
    max_pool_with_indices(x.shape, x.input.dtype, x.input.data(), data, indices);
  });
}

// (values, taps), or (values, None) for a kernel whose taps no byte can name.
py::tuple max_with_taps(py::handle axes, py::handle input, py::handle kernel_size, py::handle stride,
                        py::handle padding, py::handle dilation, py::handle ceil_mode) {
  const PooledInput x(axes, input, kernel_size, stride, padding, dilation, ceil_mode);
  const Sizes sizes = x.output_shape();
  const py::array values = make_output(py::none(), x.input.dtype, sizes, {});
  if (!max_pool_has_taps(x.shape))
    return py::make_tuple(
        filled(values, [&](void* data) { max_pool_forward(x.shape, x.input.dtype, x.input.data(), data); }),
        py::none());
  py::array taps = new_array(py::dtype::of<std::uint8_t>(), sizes);
  auto* const numbers = static_cast<std::uint8_t*>(taps.mutable_data());
  return py::make_tuple(
      filled(values,
             [&](void* data) { max_pool_with_taps(x.shape, x.input.dtype, x.input.data(), data, numbers); }),
      taps);
}

// Taps that max_with_taps gave, or nothing.
std::optional<py::array> take_taps(py::handle value, const Sizes& shape) {
  if (value.is_none()) return std::nullopt;
  return take_bytes(value, "taps", shape);
}

py::array max_grad(py::handle axes, py::handle input, py::handle grad_output, py::handle kernel_size,
                   py::handle stride, py::handle padding, py::handle dilation, py::handle ceil_mode,
                   py::handle taps) {
  const PooledInput x(axes, input, kernel_size, stride, padding, dilation, ceil_mode);
  const Input g = take_array_like(grad_output, "grad_output", x.input, x.output_shape());
  const std::optional<py::array> kept = take_taps(taps, x.output_shape());
  return filled(make_output(py::none(), x.input.dtype, x.input.shape, {}), [&](void* data) {
    if (kept)
      max_pool_grad_of_taps(x.shape, x.input.dtype, static_cast<const std::uint8_t*>(kept->data()), g.data(),
                            data);
    else
      max_pool_grad(x.shape, x.input.dtype, x.input.data(), g.data(), data);
  });
}

py::array max_pick(py::handle axes, py::handle input, py::handle values, py::handle kernel_size,
                   py::handle stride, py::handle padding, py::handle dilation, py::handle ceil_mode,
                   py::handle taps) {
  const PooledInput x(axes, input, kernel_size, stride, padding, dilation, ceil_mode);
  const Input picked = take_array_like(values, "values", x.input, x.input.shape);
  const std::optional<py::array> kept = take_taps(taps, x.output_shape());
  return filled(make_output(py::none(), x.input.dtype, x.output_shape(), {}), [&](void* data) {
    if (kept)
      max_pool_pick_of_taps(x.shape, x.input.dtype, static_cast<const std::uint8_t*>(kept->data()),
                            picked.data(), data);
    else
      max_pool_pick(x.shape, x.input.dtype, x.input.data(), picked.data(), data);
  });
}

py::array avg_forward(py::handle axes, py::handle input, py::handle kernel_size, py::handle stride,
                      py::handle padding, py::handle ceil_mode, py::handle count_include_pad,
                      py::handle divisor_override, py::handle out, py::handle dilation) {
  const PooledInput x(axes, input, kernel_size, stride, padding, dilation, ceil_mode);
  const AvgPoolDivisor divisor = take_divisor(count_include_pad, divisor_override);
  return filled(make_output(out, x.input.dtype, x.output_shape(), {&x.input}),
                [&](void* data) { avg_pool_forward(x.shape, divisor, x.input.dtype, x.input.data(), data); });
}

py::array avg_grad(py::handle axes_argument, py::handle grad_output, py::handle input_shape,
                   py::handle kernel_size, py::handle stride, py::handle padding, py::handle ceil_mode,
                   py::handle count_include_pad, py::handle divisor_override, py::handle dilation) {
  const int axes = take_axes(axes_argument);
  const Input g = take_array(grad_output, "grad_output");
  const Sizes sizes = take_shape(input_shape, "input_shape");
  const Batched batched = with_batch(sizes, "input_shape", axes);
  const PoolShape shape =
      take_pool_shape(axes, batched.sizes, kernel_size, stride, padding, dilation, ceil_mode, "input_shape");
  const AvgPoolDivisor divisor = take_divisor(count_include_pad, divisor_override);
  require_shape(g, batched.strip(output_sizes(shape)));
  return filled(make_output(py::none(), g.dtype, sizes, {}),
                [&](void* data) { avg_pool_grad(shape, divisor, g.dtype, g.data(), data); });
}

LpNorm take_norm(py::handle norm_type, py::handle absolute, py::handle scaled) {
  const LpNorm norm{take_float(norm_type, "norm_type"), take_bool(absolute, "absolute"),
                    take_bool(scaled, "scaled")};
  if (!std::isfinite(norm.p) || norm.p == 0)
    throw py::value_error("norm_type: expected a finite number other than 0, received " +
                          py::repr(norm_type).cast<std::string>());
  return norm;
}

py::array lp_forward(py::handle axes, py::handle input, py::handle norm_type, py::handle kernel_size,
                     py::handle stride, py::handle padding, py::handle dilation, py::handle ceil_mode,
                     py::handle absolute, py::handle scaled, py::handle out) {
  const PooledInput x(axes, input, kernel_size, stride, padding, dilation, ceil_mode);
  const LpNorm norm = take_norm(norm_type, absolute, scaled);
  return filled(make_output(out, x.input.dtype, x.output_shape(), {&x.input}),
                [&](void* data) { lp_pool_forward(x.shape, norm, x.input.dtype, x.input.data(), data); });
}

py::array lp_grad(py::handle axes, py::handle input, py::handle output, py::handle grad_output,
                  py::handle norm_type, py::handle kernel_size, py::handle stride, py::handle padding,
                  py::handle dilation, py::handle ceil_mode, py::handle absolute, py::handle scaled) {
  const PooledInput x(axes, input, kernel_size, stride, padding, dilation, ceil_mode);
  const LpNorm norm = take_norm(norm_type, absolute, scaled);
  const Input g = take_array_like(grad_output, "grad_output", x.input, x.output_shape());
  const Input y = take_array_like(output, "output", x.input, x.output_shape());
  return filled(make_output(py::none(), x.input.dtype, x.input.shape, {}), [&](void* data) {
    lp_pool_grad(x.shape, norm, x.input.dtype, x.input.data(), y.data(), g.data(), data);
  });
}

}  // namespace

void bind_pool(py::module_& module) {
  using py::arg;
  module.def("max_pool_forward", &max_forward, arg("axes"), arg("input"), arg("kernel_size"), arg("stride"),
             arg("padding"), arg("dilation"), arg("ceil_mode"), arg("out") = py::none());
  module.def("max_pool_with_indices", &max_with_indices, arg("axes"), arg("input"), arg("kernel_size"),
             arg("stride"), arg("padding"), arg("dilation"), arg("ceil_mode"), arg("out") = py::none());
  module.def("max_pool_with_taps", &max_with_taps, arg("axes"), arg("input"), arg("kernel_size"),
             arg("stride"), arg("padding"), arg("dilation"), arg("ceil_mode"));
  module.def("max_pool_grad", &max_grad, arg("axes"), arg("input"), arg("grad_output"), arg("kernel_size"),
             arg("stride"), arg("padding"), arg("dilation"), arg("ceil_mode"), arg("taps") = py::none());
  module.def("max_pool_pick", &max_pick, arg("axes"), arg("input"), arg("values"), arg("kernel_size"),
             arg("stride"), arg("padding"), arg("dilation"), arg("ceil_mode"), arg("taps") = py::none());
  module.def("avg_pool_forward", &avg_forward, arg("axes"), arg("input"), arg("kernel_size"), arg("stride"),
             arg("padding"), arg("ceil_mode"), arg("count_include_pad"), arg("divisor_override"),
             arg("out") = py::none(), arg("dilation") = 1);
  module.def("avg_pool_grad", &avg_grad, arg("axes"), arg("grad_output"), arg("input_shape"),
             arg("kernel_size"), arg("stride"), arg("padding"), arg("ceil_mode"), arg("count_include_pad"),
             arg("divisor_override"), arg("dilation") = 1);
  module.def("lp_pool_forward", &lp_forward, arg("axes"), arg("input"), arg("norm_type"), arg("kernel_size"),
             arg("stride"), arg("padding"), arg("dilation"), arg("ceil_mode"), arg("absolute"), arg("scaled"),
             arg("out") = py::none());
  module.def("lp_pool_grad", &lp_grad, arg("axes"), arg("input"), arg("output"), arg("grad_output"),
             arg("norm_type"), arg("kernel_size"), arg("stride"), arg("padding"), arg("dilation"),
             arg("ceil_mode"), arg("absolute"), arg("scaled"));
}

}  // namespace convnative::python
