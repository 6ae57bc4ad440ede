// Sliding blocks of an image as columns, and back. Both are loops over rows of the result, so that what is
// added up in `fold` is gathered, in the order of the taps.
#include <algorithm>
#include <string>

#include "base/checked.h"
#include "base/pieces.h"
#include "base/reject.h"
#include "convnative/rearrange.h"

namespace convnative {
namespace {

// Rows of columns are at most this long, so that the longest image is many tasks.
constexpr std::int64_t longest_part = 16 * 1024;

// Blocks [begin, end) of an axis for which element `tap` of the block lies in [low, high) of the image.
struct Blocks {
  std::int64_t begin, end;
};

Blocks blocks_in(const ConvShape& shape, std::size_t axis, std::int64_t tap, std::int64_t low,
                 std::int64_t high) {
  const std::int64_t start = tap * shape.dilation[axis] - shape.pad_before[axis];
  const std::int64_t stride = shape.stride[axis];
  const std::int64_t begin = low <= start ? 0 : ceil_div(low - start, stride);
  const std::int64_t end = high <= start ? 0 : ceil_div(high - start, stride);
  return {std::min(begin, shape.output[axis]), std::min(end, shape.output[axis])};
}

// Where element `tap` of a block lies in the image.
std::int64_t position_in_image(const ConvShape& shape, std::size_t axis, std::int64_t tap,
                               std::int64_t block) {
  return block * shape.stride[axis] - shape.pad_before[axis] + tap * shape.dilation[axis];
}

// The block whose element `tap` lies at `position` of the image; -1 where there is none.
std::int64_t block_at(const ConvShape& shape, std::size_t axis, std::int64_t tap, std::int64_t position) {
  const std::int64_t from_start = position + shape.pad_before[axis] - tap * shape.dilation[axis];
  if (from_start < 0 || from_start % shape.stride[axis] != 0) return -1;
  const std::int64_t block = from_start / shape.stride[axis];
  return block < shape.output[axis] ? block : -1;
}

template <class T>
void unfold(const ConvShape& shape, const T* image, T* columns) {
  const Extents &in = shape.input, &out = shape.output, &kernel = shape.kernel;
  const std::int64_t parts = ceil_div(out[2], longest_part);
  const std::int64_t rows = shape.batch * shape.in_channels * shape.taps();
  const std::int64_t parts_per_row = out[0] * out[1] * parts;
  const double operations = static_cast<double>(std::min(out[2], longest_part)) + 10;
  for_each_piece(rows, parts_per_row, operations, threads_for_pieces(rows, parts_per_row, operations),
                 [&](std::int64_t row, std::int64_t first, std::int64_t last, int) {
                   const std::int64_t tap = row % shape.taps(), plane = row / shape.taps();
                   const std::int64_t s = tap % kernel[2], r = tap / kernel[2] % kernel[1];
                   const std::int64_t t = tap / kernel[2] / kernel[1];
                   const Blocks inside = blocks_in(shape, 2, s, 0, in[2]);
                   for (std::int64_t part = first; part < last; ++part) {
                     const std::int64_t line = part / parts;
                     const std::int64_t begin = part % parts * longest_part;
                     const std::int64_t end = std::min(begin + longest_part, out[2]);
                     const std::int64_t z = position_in_image(shape, 0, t, line / out[1]);
                     const std::int64_t y = position_in_image(shape, 1, r, line % out[1]);
                     T* const result = columns + row * shape.output_plane() + line * out[2];
                     if (z < 0 || z >= in[0] || y < 0 || y >= in[1]) {
                       std::fill(result + begin, result + end, T{0});
                       continue;
                     }
                     const T* const source = image + ((plane * in[0] + z) * in[1] + y) * in[2];
                     const std::int64_t low = std::clamp(inside.begin, begin, end);
                     const std::int64_t high = std::clamp(inside.end, low, end);
                     const std::int64_t stride = shape.stride[2], start = position_in_image(shape, 2, s, 0);
                     std::fill(result + begin, result + low, T{0});
                     if (stride == 1)
                       std::copy(source + start + low, source + start + high, result + low);
                     else
                       for (std::int64_t x = low; x < high; ++x) result[x] = source[start + x * stride];
                     std::fill(result + high, result + end, T{0});
                   }
                 });
}

template <class T>
void fold(const ConvShape& shape, const T* columns, T* image) {
  const Extents &in = shape.input, &out = shape.output, &kernel = shape.kernel;
  const std::int64_t rows = shape.batch * shape.in_channels * in[0] * in[1];
  double blocks = 1;  // that an element lies in
  for (std::size_t axis = 0; axis < max_axes; ++axis)
    blocks *= static_cast<double>(std::min(ceil_div(kernel[axis], shape.stride[axis]), out[axis]));
  for_each_piece(
      rows, in[2], blocks + 1, threads_for_pieces(rows, in[2], blocks + 1),
      [&](std::int64_t row, std::int64_t begin, std::int64_t end, int) {
        const std::int64_t y = row % in[1], z = row / in[1] % in[0], plane = row / in[1] / in[0];
        T* const result = image + row * in[2];
        std::fill(result + begin, result + end, T{0});
        for (std::int64_t t = 0; t < kernel[0]; ++t) {
          const std::int64_t depth = block_at(shape, 0, t, z);
          if (depth < 0) continue;
          for (std::int64_t r = 0; r < kernel[1]; ++r) {
            const std::int64_t line = block_at(shape, 1, r, y);
            if (line < 0) continue;
            for (std::int64_t s = 0; s < kernel[2]; ++s) {
              const std::int64_t tap = (t * kernel[1] + r) * kernel[2] + s;
              const T* const source = columns + (plane * shape.taps() + tap) * shape.output_plane() +
                                      (depth * out[1] + line) * out[2];
              const Blocks inside = blocks_in(shape, 2, s, begin, end);
              const std::int64_t stride = shape.stride[2], start = position_in_image(shape, 2, s, 0);
              if (stride == 1)
                for (std::int64_t x = inside.begin; x < inside.end; ++x) result[start + x] += source[x];
              else
                for (std::int64_t x = inside.begin; x < inside.end; ++x)
                  result[start + x * stride] += source[x];
            }
          }
        }
      });
}

}  // namespace

ConvShape make_unfold_shape(int axes, const std::vector<std::int64_t>& image, const Extents& kernel,
                            const ConvParameters& parameters, const char* image_name) {
  const auto first = static_cast<std::ptrdiff_t>(max_axes - axes);
  for (const std::int64_t extent : kernel)
    if (extent < 1)
      reject_argument("kernel_size", "every size >= 1", tuple_text({kernel.begin() + first, kernel.end()}));
  const std::vector<std::int64_t> sizes(image.begin() + std::min<std::ptrdiff_t>(2, std::ssize(image)),
                                        image.end());
  if (std::find_if(sizes.begin(), sizes.end(), [](std::int64_t size) { return size < 1; }) != sizes.end())
    reject_argument(image_name, "spatial sizes >= 1", "shape " + tuple_text(image));
  std::vector<std::int64_t> weight{1, image.size() > 1 ? image[1] : 0};
  weight.insert(weight.end(), kernel.begin() + first, kernel.end());
  const ConvShape shape =
      make_conv_shape(axes, image, weight, parameters, {.input = image_name, .weight = "kernel_size"});
  std::int64_t bytes = sizeof(double);
  for (const std::int64_t size :
       {std::max<std::int64_t>(shape.batch, 1), shape.in_channels, shape.taps(), shape.output_plane()})
    bytes = checked_mul(bytes, size, "kernel_size");
  return shape;
}

void unfold(const ConvShape& shape, DType dtype, const void* image, void* columns) {
  if (dtype == DType::float32)
    unfold(shape, static_cast<const float*>(image), static_cast<float*>(columns));
  else
    unfold(shape, static_cast<const double*>(image), static_cast<double*>(columns));
}

void fold(const ConvShape& shape, DType dtype, const void* columns, void* image) {
  if (dtype == DType::float32)
    fold(shape, static_cast<const float*>(columns), static_cast<float*>(image));
  else
    fold(shape, static_cast<const double*>(columns), static_cast<double*>(image));
}

}  // namespace convnative
