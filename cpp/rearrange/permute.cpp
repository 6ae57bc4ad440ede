// A copy with the axes in another order, in square tiles of the two axes along which the arrays' memory runs.
#include <algorithm>

#include "base/checked.h"
#include "base/pieces.h"
#include "convnative/rearrange.h"

namespace convnative {
namespace {

struct Axis {
  std::int64_t size, input_stride, output_stride;
};

// The output's axes in their order, neighbours in both arrays taken together, those of one element left out.
std::vector<Axis> axes_of(const std::vector<std::int64_t>& sizes, const std::vector<std::int64_t>& order) {
  std::vector<std::int64_t> strides(sizes.size(), 1);
  for (std::size_t axis = sizes.size(); axis-- > 1;) strides[axis - 1] = strides[axis] * sizes[axis];
  std::vector<Axis> axes;
  for (const std::int64_t number : order) {
    const auto source = static_cast<std::size_t>(number);
    if (sizes[source] == 1) continue;
    if (!axes.empty() && axes.back().input_stride == sizes[source] * strides[source]) {
      axes.back().size *= sizes[source];
      axes.back().input_stride = strides[source];
    } else {
      axes.push_back({sizes[source], strides[source], 0});
    }
  }
  std::int64_t stride = 1;
  for (std::size_t axis = axes.size(); axis-- > 0; stride *= axes[axis].size)
    axes[axis].output_stride = stride;
  return axes;
}

template <class T>
void permute(const std::vector<std::int64_t>& sizes, const std::vector<std::int64_t>& order, const T* input,
             T* output) {
  std::vector<Axis> axes = axes_of(sizes, order);
  // Along `outward` the output is contiguous, along `inward` the input; where that is one axis, a second one of
  // a single element stands in.
  Axis outward{1, 1, 1}, inward{1, 1, 1};
  if (!axes.empty()) {
    outward = axes.back();
    axes.pop_back();
  }
  const auto contiguous =
      std::find_if(axes.begin(), axes.end(), [](const Axis& axis) { return axis.input_stride == 1; });
  if (contiguous != axes.end()) {
    inward = *contiguous;
    axes.erase(contiguous);
  }

  const bool rows_alike = outward.input_stride == 1;
  const std::int64_t tile = rows_alike ? 4096 : 32;
  const std::int64_t across = ceil_div(outward.size, tile), tiles = across * ceil_div(inward.size, tile);
  std::int64_t planes = 1;
  for (const Axis& axis : axes) planes *= axis.size;
  const double elements =
      static_cast<double>(std::min(outward.size, tile)) * static_cast<double>(std::min(inward.size, tile));
  for_each_piece(planes, tiles, elements, threads_for_pieces(planes, tiles, elements),
                 [&](std::int64_t plane, std::int64_t first, std::int64_t last, int) {
                   const T* source = input;
                   T* result = output;
                   for (std::size_t axis = axes.size(); axis-- > 0; plane /= axes[axis].size) {
                     source += plane % axes[axis].size * axes[axis].input_stride;
                     result += plane % axes[axis].size * axes[axis].output_stride;
                   }
                   for (std::int64_t number = first; number < last; ++number) {
                     const std::int64_t i = number % across * tile, j = number / across * tile;
                     const std::int64_t i_end = std::min(i + tile, outward.size);
                     if (rows_alike) {
                       std::copy(source + i, source + i_end, result + i);
                       continue;
                     }
                     const std::int64_t j_end = std::min(j + tile, inward.size);
                     for (std::int64_t y = i; y < i_end; ++y)
                       for (std::int64_t x = j; x < j_end; ++x)
                         result[x * inward.output_stride + y] = source[y * outward.input_stride + x];
                   }
                 });
}

}  // namespace

void permute(const std::vector<std::int64_t>& sizes, const std::vector<std::int64_t>& order, DType dtype,
             const void* input, void* output) {
  if (std::find(sizes.begin(), sizes.end(), 0) != sizes.end()) return;
  if (dtype == DType::float32)
    permute(sizes, order, static_cast<const float*>(input), static_cast<float*>(output));
  else
    permute(sizes, order, static_cast<const double*>(input), static_cast<double*>(output));
}

}  // namespace convnative
