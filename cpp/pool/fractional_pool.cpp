// Fractional max pooling (Graham, "Fractional max-pooling", 2014), in torch's form: in each plane the windows
// of an axis begin at
//
//     trunc((i + u) a) - trunc(u a),  a = (input - kernel) / (output - 1),      the last one at input - kernel
//
// u being the plane's random number for the axis. The arithmetic is that of the arrays' type, which decides
// where windows begin.
#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/parallel.h"
#include "convnative/pool.h"
#include "pool/kernels.h"
#include "pool/window_max.h"
#include "pool/window_tables.h"

namespace convnative {
namespace {

template <class T>
void set_windows(WindowTable& table, T sample, std::int64_t input, std::int64_t kernel) {
  const std::int64_t last = input - kernel, windows = table.size();
  for (std::int64_t i = 0; i < windows; ++i) {
    std::int64_t begin = last;
    if (i + 1 < windows) {
      const T step = static_cast<T>(last) / static_cast<T>(windows - 1);
      begin = static_cast<std::int64_t>((static_cast<T>(i) + sample) * step) -
              static_cast<std::int64_t>(sample * step);
    }
    // Rounding may lead one past the end where float32 no longer tells all sizes apart.
    begin = std::min(begin, last);
    table.begin[static_cast<std::size_t>(i)] = begin;
    table.end[static_cast<std::size_t>(i)] = begin + kernel;
  }
}

// A thread's windows, and the plane that they belong to.
struct PlaneWindows {
  std::int64_t plane = -1;
  WindowTables tables;
};

template <class T>
void forward(const FractionalPoolShape& shape, const T* samples, const T* input, T* output,
             std::int64_t* indices, Isa isa) {
  for (const T* sample = samples; sample < samples + shape.planes() * shape.axes; ++sample)
    if (!(*sample >= 0 && *sample <= 1))
      throw std::invalid_argument("_random_samples: expected numbers from 0 to 1, received " +
                                  std::to_string(*sample));
  const auto elements = static_cast<double>(volume(shape.kernel));
  const int threads = threads_for_windows(shape, elements);
  const PlaneWindows none{
      -1, {WindowTable(shape.output[0]), WindowTable(shape.output[1]), WindowTable(shape.output[2])}};
  std::vector<PlaneWindows> windows(static_cast<std::size_t>(threads), none);
  const auto tables = [&](std::int64_t plane, int thread) -> const WindowTables& {
    PlaneWindows& current = windows[static_cast<std::size_t>(thread)];
    if (current.plane != plane) {
      current.plane = plane;
      // torch's order: of two numbers the first is for the columns, of three for the depth.
      for (int i = 0; i < shape.axes; ++i) {
        const int user_axis = shape.axes == 2 ? 1 - i : i;
        const auto axis = static_cast<std::size_t>(max_axes - shape.axes + user_axis);
        set_windows(current.tables[axis], samples[plane * shape.axes + i], shape.input[axis],
                    shape.kernel[axis]);
      }
      for (std::size_t axis = 0; axis + static_cast<std::size_t>(shape.axes) < max_axes; ++axis)
        set_windows(current.tables[axis], T{0}, 1, 1);
    }
    return current.tables;
  };
  max_of_windows(shape, elements, pool_kernels<T>(isa), input, output, indices, threads, tables);
}

}  // namespace

void fractional_max_pool_forward(const FractionalPoolShape& shape, DType dtype, const void* samples,
                                 const void* input, void* output, std::int64_t* indices, Isa isa) {
  if (shape.output_size() == 0) return;
  if (dtype == DType::float32)
    forward(shape, static_cast<const float*>(samples), static_cast<const float*>(input),
            static_cast<float*>(output), indices, isa);
  else
    forward(shape, static_cast<const double*>(samples), static_cast<const double*>(input),
            static_cast<double*>(output), indices, isa);
}

}  // namespace convnative
