// Pools that turn planes of one size into planes of another: adaptive and fractional ones, unpooling, and moves
// by index.
#include <pybind11/pybind11.h>

#include "arguments.h"
#include "bindings.h"
#include "convnative/pool.h"
#include "filled.h"
#include "pool_arguments.h"

namespace convnative::python {
namespace {

// An array with or without the batch axis, and the shape that an output size leads it to.
struct PlaneInput {
  Input input;
  Batched batched;
  PlaneShape shape;

  PlaneInput(py::handle axes_argument, py::handle array, py::handle output_size, bool no_channels = false,
             const char* name = "input")
      : PlaneInput(take_axes(axes_argument), array, output_size, no_channels, name) {}

  Sizes output_shape() const { return batched.strip(output_sizes(shape)); }

 private:
  PlaneInput(int axes, py::handle array, py::handle output_size, bool no_channels, const char* name)
      : input(take_array(array, name)),
        batched(with_batch(input.shape, name, axes)),
        shape(make_plane_shape(axes, batched.sizes, take_extents(output_size, "output_size", axes, 1),
                               no_channels, {.input = name})) {}
};

py::array adaptive_avg_forward(py::handle axes, py::handle input, py::handle output_size, py::handle out) {
  const PlaneInput x(axes, input, output_size, true);
  return filled(make_output(out, x.input.dtype, x.output_shape(), {&x.input}),
                [&](void* data) { adaptive_avg_pool_forward(x.shape, x.input.dtype, x.input.data(), data); });
}

py::array adaptive_avg_grad(py::handle axes_argument, py::handle grad_output, py::handle input_shape,
                            py::handle output_size) {
  const int axes = take_axes(axes_argument);
  const Input g = take_array(grad_output, "grad_output");
  const Sizes sizes = take_shape(input_shape, "input_shape");
  const Batched batched = with_batch(sizes, "input_shape", axes);
  const PlaneShape shape = make_plane_shape(
      axes, batched.sizes, take_extents(output_size, "output_size", axes, 1), true, {.input = "input_shape"});
  require_shape(g, batched.strip(output_sizes(shape)));
  return filled(make_output(py::none(), g.dtype, sizes, {}),
                [&](void* data) { adaptive_avg_pool_grad(shape, g.dtype, g.data(), data); });
}

py::array adaptive_max_forward(py::handle axes, py::handle input, py::handle output_size, py::handle out) {
  const PlaneInput x(axes, input, output_size);
  return filled(make_output(out, x.input.dtype, x.output_shape(), {&x.input}), [&](void* data) {
    adaptive_max_pool_forward(x.shape, x.input.dtype, x.input.data(), data, nullptr);
  });
}

py::tuple adaptive_max_with_indices(py::handle axes, py::handle input, py::handle output_size,
                                    py::handle out) {
  const PlaneInput x(axes, input, output_size);
  return filled_with_indices(
      make_output(out, x.input.dtype, x.output_shape(), {&x.input}), [&](void* data, std::int64_t* indices) {
        adaptive_max_pool_forward(x.shape, x.input.dtype, x.input.data(), data, indices);
      });
}

// An array, and where the windows over its planes shall lie.
struct FractionalInput {
  Input input;
  Batched batched;
  FractionalPoolShape shape;
  Input samples;

  FractionalInput(py::handle axes_argument, py::handle array, py::handle kernel_size, py::handle output_size,
                  py::handle samples_argument)
      : FractionalInput(take_axes(axes_argument), array, kernel_size, output_size, samples_argument) {
    // As torch: rows of samples for more arrays than the batch has are not looked at.
    const Sizes& given = samples.shape;
    if (given.size() != 3 || given[0] < shape.batch || given[1] != shape.channels || given[2] != shape.axes)
      throw py::value_error("_random_samples: expected shape " +
                            text({shape.batch, shape.channels, shape.axes}) + ", received shape " +
                            text(given));
  }

  Sizes output_shape() const { return batched.strip(output_sizes(shape)); }

 private:
  FractionalInput(int axes, py::handle array, py::handle kernel_size, py::handle output_size,
                  py::handle samples_argument)
      : input(take_array(array, "input")),
        batched(with_batch(input.shape, "input", axes)),
        shape(make_fractional_pool_shape(axes, batched.sizes,
                                         take_extents(kernel_size, "kernel_size", axes, 1),
                                         take_extents(output_size, "output_size", axes, 1))),
        samples(take_array_like(samples_argument, "_random_samples", input)) {}
};

py::array fractional_max_forward(py::handle axes, py::handle input, py::handle kernel_size,
                                 py::handle output_size, py::handle random_samples, py::handle out) {
  const FractionalInput x(axes, input, kernel_size, output_size, random_samples);
  return filled(make_output(out, x.input.dtype, x.output_shape(), {&x.input, &x.samples}), [&](void* data) {
    fractional_max_pool_forward(x.shape, x.input.dtype, x.samples.data(), x.input.data(), data, nullptr);
  });
}

py::tuple fractional_max_with_indices(py::handle axes, py::handle input, py::handle kernel_size,
                                      py::handle output_size, py::handle random_samples, py::handle out) {
  const FractionalInput x(axes, input, kernel_size, output_size, random_samples);
  return filled_with_indices(make_output(out, x.input.dtype, x.output_shape(), {&x.input, &x.samples}),
                             [&](void* data, std::int64_t* indices) {
                               fractional_max_pool_forward(x.shape, x.input.dtype, x.samples.data(),
                                                           x.input.data(), data, indices);
                             });
}

const std::int64_t* positions(const py::array& indices) {
  return static_cast<const std::int64_t*>(indices.data());
}

py::array unpool(py::handle axes, py::handle input, py::handle indices, py::handle output_size,
                 py::handle out) {
  const PlaneInput x(axes, input, output_size);
  const py::array where = take_indices(indices, "indices", x.input.shape);
  const std::int64_t* const at = positions(where);
  return filled(make_output(out, x.input.dtype, x.output_shape(), {&x.input}),
                [&](void* data) { max_unpool_forward(x.shape, x.input.dtype, x.input.data(), at, data); });
}

py::array add_at_indices(py::handle axes, py::handle values, py::handle indices, py::handle output_size) {
  const PlaneInput x(axes, values, output_size, true, "values");
  const py::array where = take_indices(indices, "indices", x.input.shape);
  const std::int64_t* const at = positions(where);
  return filled(make_output(py::none(), x.input.dtype, x.output_shape(), {}),
                [&](void* data) { indexed_add(x.shape, x.input.dtype, x.input.data(), at, data); });
}

py::array pick_at_indices(py::handle axes_argument, py::handle values, py::handle indices,
                          py::handle missing) {
  const int axes = take_axes(axes_argument);
  const Input x = take_array(values, "values");
  const Batched batched = with_batch(x.shape, "values", axes);
  if (!py::isinstance<py::array>(indices))
    throw py::type_error("indices: expected a numpy.ndarray of integers, received " +
                         py::str(py::type::handle_of(indices)).cast<std::string>());
  // The spatial sizes are those of the indices.
  const auto given = py::reinterpret_borrow<py::array>(indices);
  Extents output{1, 1, 1};
  if (given.ndim() >= axes)
    for (int axis = 0; axis < axes; ++axis)
      output[static_cast<std::size_t>(max_axes - axes + axis)] = given.shape(given.ndim() - axes + axis);
  const PlaneShape shape = make_plane_shape(axes, batched.sizes, output, true, {.input = "values"});
  const Sizes sizes = batched.strip(output_sizes(shape));
  const py::array where = take_indices(indices, "indices", sizes);
  const std::int64_t* const at = positions(where);
  const double otherwise = take_float(missing, "missing");
  return filled(make_output(py::none(), x.dtype, sizes, {}),
                [&](void* data) { indexed_pick(shape, x.dtype, x.data(), at, otherwise, data); });
}

}  // namespace

void bind_plane_pool(py::module_& module) {
  using py::arg;
  module.def("adaptive_avg_pool_forward", &adaptive_avg_forward, arg("axes"), arg("input"),
             arg("output_size"), arg("out") = py::none());
  module.def("adaptive_avg_pool_grad", &adaptive_avg_grad, arg("axes"), arg("grad_output"),
             arg("input_shape"), arg("output_size"));
  module.def("adaptive_max_pool_forward", &adaptive_max_forward, arg("axes"), arg("input"),
             arg("output_size"), arg("out") = py::none());
  module.def("adaptive_max_pool_with_indices", &adaptive_max_with_indices, arg("axes"), arg("input"),
             arg("output_size"), arg("out") = py::none());
  module.def("fractional_max_pool_forward", &fractional_max_forward, arg("axes"), arg("input"),
             arg("kernel_size"), arg("output_size"), arg("_random_samples"), arg("out") = py::none());
  module.def("fractional_max_pool_with_indices", &fractional_max_with_indices, arg("axes"), arg("input"),
             arg("kernel_size"), arg("output_size"), arg("_random_samples"), arg("out") = py::none());
  module.def("max_unpool_forward", &unpool, arg("axes"), arg("input"), arg("indices"), arg("output_size"),
             arg("out") = py::none());
  module.def("indexed_add", &add_at_indices, arg("axes"), arg("values"), arg("indices"), arg("output_size"));
  module.def("indexed_pick", &pick_at_indices, arg("axes"), arg("values"), arg("indices"), arg("missing"));
}

}  // namespace convnative::python
