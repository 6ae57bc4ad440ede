// The driver of pictures through kernels: blocks of the picture, each from rows of its own.
//
//   tasks: blocks of columns x blocks of rows, in parallel
//     for each 8 rows of results:
//       rows of the picture that they see and that are not in memory yet: converted, with the border around
//         them; of floats that see no border read where they lie
//       the depthwise kernels (conv/depthwise_kernels.h), whose columns' taps are `channels` elements apart;
//         of a column times a row once down and once across
//       integers: rounded and limited
//
// What lies between the picture and the result stays in a core's cache. Memory per thread: half a MiB, for large
// kernels as many rows as they have and a quarter more, of 1024 elements and the kernel's reach; and 16 rows of
// sums.
#include <algorithm>
#include <cmath>
#include <type_traits>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/checked.h"
#include "base/parallel.h"
#include "base/reject.h"
#include "conv/depthwise_kernels.h"
#include "convnative/image.h"
#include "image/kernels.h"

namespace convnative {
namespace {

constexpr std::int64_t tile_rows = depthwise_tile_rows[0];
// Elements that a block has in a row; and bytes of its rows, so few that a core's second cache holds the
// picture's and the result's beside them.
constexpr std::int64_t most_columns = 8192, least_columns = 1024;
constexpr std::int64_t block_bytes = 1 << 19;

constexpr std::int64_t round_up(std::int64_t a, std::int64_t step) {
  return ceil_div(a, step) * step;
}

// Elements of a row in memory: an odd number of cache lines, so that rows do not fall onto each other.
template <class T>
std::int64_t pitch_of(std::int64_t columns) {
  constexpr std::int64_t line = cache_line_bytes / sizeof(T);
  return (ceil_div(columns, line) | 1) * line;
}

// Which element stands at a place outside of an axis.
std::int64_t repeated(PaddingMode mode, std::int64_t place, std::int64_t size) {
  const auto modulo = [](std::int64_t a, std::int64_t b) { return a - floor_div(a, b) * b; };
  switch (mode) {
    case PaddingMode::circular:
      return modulo(place, size);
    case PaddingMode::symmetric:
      return std::min(modulo(place, 2 * size), 2 * size - 1 - modulo(place, 2 * size));
    case PaddingMode::reflect: {
      const std::int64_t period = std::max<std::int64_t>(2 * size - 2, 1);
      return std::min(modulo(place, period), period - modulo(place, period));
    }
    case PaddingMode::replicate:
    case PaddingMode::constant:
      break;
  }
  return std::clamp<std::int64_t>(place, 0, size - 1);
}

// Pixel is the picture's type, T the working type.
template <class Pixel, class T>
class Correlation {
 public:
  Correlation(const Picture& picture, const PictureKernel& kernel, const PictureBorder& border,
              const PictureResult& result, Isa isa)
      : picture_(picture),
        kernel_(kernel),
        border_(border),
        absolute_(result.absolute),
        converted_(std::is_integral_v<Pixel> && !result.as_working),
        separable_(kernel.row_weights != nullptr),
        kernels_(depthwise_kernels<T>(isa)),
        isa_(isa) {
    const std::int64_t channels = picture.channels;
    reach_ = checked_mul(kernel.columns - 1, channels, "kernel");
    const std::int64_t column_bytes =
        checked_mul(checked_add(kernel.rows, tile_rows, "kernel"), 2 * sizeof(T), "kernel");
    const std::int64_t columns = std::clamp(block_bytes / column_bytes, least_columns, most_columns);
    column_blocks_ = ceil_div(picture.width, std::max<std::int64_t>(columns / channels, 1));
    block_width_ = ceil_div(picture.width, column_blocks_);
    constexpr std::int64_t most_padding = 1024;  // of a row, to whole vectors and lines
    checked_mul(checked_add(block_width_ * channels + most_padding, reach_, "kernel"), sizeof(T), "kernel");
    pitch_ = pitch_of<T>(round_up(block_width_ * channels, kernels_.lanes) + reach_);
    const std::int64_t pitch_bytes = pitch_ * static_cast<std::int64_t>(sizeof(T));

    const double taps = static_cast<double>(separable_ ? kernel.rows + kernel.columns
                                                       : checked_mul(kernel.rows, kernel.columns, "kernel"));
    constexpr double conversion = 8;  // in multiply-adds
    threads_ = threads_for(static_cast<double>(picture.height) * static_cast<double>(picture.width) *
                               static_cast<double>(channels) * (taps + conversion),
                           64 * 1024);
    const std::int64_t fitting = std::min(block_bytes / pitch_bytes - kernel.rows,
                                          ceil_div(picture.height, std::int64_t{8} * threads_));
    block_height_ = round_up(std::max({fitting, kernel.rows / 4, std::int64_t{1}}), tile_rows);
    row_blocks_ = ceil_div(picture.height, block_height_);
    rows_ = checked_add(block_height_, kernel.rows - 1, "kernel");
    thread_bytes_ = checked_mul(checked_add(rows_, 2 * tile_rows, "kernel"), pitch_bytes, "kernel");

    if (border.mode == PaddingMode::constant) return;
    const std::int64_t after = kernel.columns - 1 - kernel.centre_column;
    for (std::int64_t i = 0; i < kernel.centre_column; ++i)
      before_.push_back(repeated(border.mode, i - kernel.centre_column, picture.width));
    for (std::int64_t i = 0; i < after; ++i)
      after_.push_back(repeated(border.mode, picture.width + i, picture.width));
  }

  void run(const Pixel* input, void* output) const {
    const AlignedBuffer workspace(static_cast<std::size_t>(checked_mul(thread_bytes_, threads_, "kernel")));
    parallel_for(column_blocks_ * row_blocks_, threads_, [&](std::int64_t task, int thread) {
      auto* const memory = static_cast<char*>(workspace.data()) + thread * thread_bytes_;
      run_block(task / column_blocks_ * block_height_, task % column_blocks_ * block_width_, input, output,
                reinterpret_cast<T*>(memory));
    });
  }

 private:
  // Rows of the picture, or of memory of our own, in which whole vectors may be read behind the last element.
  struct Rows {
    const T* first;
    std::ptrdiff_t pitch;
    bool own;
  };

  void run_block(std::int64_t top, std::int64_t left, const Pixel* input, void* output, T* memory) const {
    const std::int64_t bottom = std::min(top + block_height_, picture_.height);
    const std::int64_t right = std::min(left + block_width_, picture_.width);
    const std::int64_t first = top - kernel_.centre_row;  // of the picture's rows, that memory begins with
    std::int64_t filled = 0;
    const auto run_in_memory = [&](std::int64_t row, std::int64_t rows, std::int64_t begin,
                                   std::int64_t end) {
      if (begin >= end) return;
      filled = std::max(filled, row - top);
      for (; filled < row - top + rows + kernel_.rows - 1; ++filled)
        fill(first + filled, begin, end - begin, input, memory + filled * pitch_);
      clear_rows(memory + filled * pitch_, tile_height(rows) - rows, end - begin);
      run_rows({memory + (row - top) * pitch_, pitch_, true}, row, rows, begin, end, output, memory);
    };
    for (std::int64_t row = top; row < bottom; row += tile_rows) {
      if (stop_requested()) return;
      const std::int64_t rows = std::min(tile_rows, bottom - row);
      if constexpr (std::is_same_v<Pixel, T>) {
        const std::int64_t above = row - kernel_.centre_row, width = picture_.width;
        const std::int64_t begin = std::max(left, kernel_.centre_column);
        const std::int64_t end = std::min(right, width - (kernel_.columns - 1 - kernel_.centre_column));
        if (rows == tile_rows && above >= 0 && above + rows + kernel_.rows - 1 <= picture_.height &&
            begin < end) {
          filled = 0;  // memory is for the columns on one side, then for those on the other
          run_in_memory(row, rows, left, begin);
          filled = 0;
          run_in_memory(row, rows, end, right);
          filled = 0;
          const std::int64_t channels = picture_.channels;
          run_rows(
              {input + (above * width + begin - kernel_.centre_column) * channels, width * channels, false},
              row, rows, begin, end, output, memory);
          continue;
        }
      }
      run_in_memory(row, rows, left, right);
    }
  }

  // The columns [begin, end) of some rows of results, from the rows and columns that they see.
  void run_rows(const Rows& source, std::int64_t row, std::int64_t rows, std::int64_t begin, std::int64_t end,
                void* output, T* memory) const {
    T *const sums = memory + rows_ * pitch_, *const down = sums + tile_rows * pitch_;
    const std::int64_t row_elements = picture_.width * picture_.channels;
    const std::int64_t columns = (end - begin) * picture_.channels;
    const std::int64_t place = row * row_elements + begin * picture_.channels;
    T* const result = converted_ ? sums : static_cast<T*>(output) + place;
    const std::int64_t result_pitch = converted_ ? pitch_ : row_elements;
    // In memory of our own whole vectors are stored.
    const std::int64_t stored = converted_ ? round_up(columns, kernels_.lanes) : columns;
    const auto* const weights = static_cast<const T*>(kernel_.weights);
    if (separable_) {
      const std::int64_t wide = columns + reach_;
      const std::int64_t down_columns = source.own ? round_up(wide, kernels_.lanes) : wide;
      add_products(source, rows, down_columns, {weights, kernel_.rows, 1}, down, pitch_);
      for (std::int64_t i = 0; i < rows; ++i)
        clear(down + i * pitch_ + down_columns, elements_seen(end - begin) - down_columns);
      clear_rows(down + rows * pitch_, tile_height(rows) - rows, end - begin);
      add_products({down, pitch_, true}, rows, stored,
                   {static_cast<const T*>(kernel_.row_weights), 1, kernel_.columns}, result, result_pitch);
    } else {
      add_products(source, rows, stored, {weights, kernel_.rows, kernel_.columns}, result, result_pitch);
    }
    for (std::int64_t i = 0; i < rows; ++i)
      finish(result + i * result_pitch, columns, output, place + i * row_elements);
  }

  // One row of the picture, or of what lies around it, from before the first result's pixel to behind the last's.
  void fill(std::int64_t row, std::int64_t left, std::int64_t width, const Pixel* input, T* target) const {
    const std::int64_t channels = picture_.channels;
    const std::int64_t begin = left - kernel_.centre_column, end = begin + width + kernel_.columns - 1;
    if (row < 0 || row >= picture_.height) {
      if (border_.mode == PaddingMode::constant) {
        std::fill_n(target, elements_seen(width), static_cast<T>(border_.value));
        return;
      }
      row = repeated(border_.mode, row, picture_.height);
    }
    const Pixel* const source = input + row * picture_.width * channels;
    const std::int64_t inner_begin = std::clamp<std::int64_t>(begin, 0, picture_.width);
    const std::int64_t inner_end = std::clamp<std::int64_t>(end, 0, picture_.width);
    load(source + inner_begin * channels, (inner_end - inner_begin) * channels,
         target + (inner_begin - begin) * channels);
    const auto outside = [&](std::int64_t from, std::int64_t to, const std::vector<std::int64_t>& places,
                             std::int64_t first) {
      for (std::int64_t pixel = from; pixel < to; ++pixel)
        for (std::int64_t c = 0; c < channels; ++c)
          target[(pixel - begin) * channels + c] =
              border_.mode == PaddingMode::constant
                  ? static_cast<T>(border_.value)
                  : static_cast<T>(source[places[static_cast<std::size_t>(pixel - first)] * channels + c]);
    };
    outside(begin, std::min<std::int64_t>(end, 0), before_, -kernel_.centre_column);
    outside(std::max(begin, picture_.width), end, after_, picture_.width);
    clear(target + (end - begin) * channels, elements_seen(width) - (end - begin) * channels);
  }

  // Whole tiles of whole vectors read more than their results need. Left-overs of memory may read as denormals there,
  // whose products take many times as long.
  static std::int64_t tile_height(std::int64_t rows) {
    return rows > depthwise_tile_rows[1] ? tile_rows : depthwise_tile_rows[1];
  }
  std::int64_t elements_seen(std::int64_t width) const {
    const std::int64_t columns = width * picture_.channels, lanes = kernels_.lanes;
    return std::max(round_up(columns, lanes) + reach_, round_up(columns + reach_, lanes));
  }
  static void clear(T* elements, std::int64_t count) {
    if (count > 0) std::fill_n(elements, count, T{0});
  }
  void clear_rows(T* rows, std::int64_t count, std::int64_t width) const {
    for (std::int64_t i = 0; i < count; ++i) clear(rows + i * pitch_, elements_seen(width));
  }

  void load(const Pixel* source, std::int64_t count, T* target) const {
    if constexpr (std::is_integral_v<Pixel>)
      pixel_kernels<Pixel>(isa_).load(source, count, target);
    else
      std::copy_n(source, count, target);
  }

  struct Taps {
    const T* weights;
    std::int64_t rows, columns;
  };

  // Rows of results, each element the sum of the products of the taps with the source from there on.
  void add_products(const Rows& source, std::int64_t rows, std::int64_t columns, const Taps& taps, T* result,
                    std::ptrdiff_t result_pitch) const {
    const T zero{0};
    const int height = tile_height(rows) == tile_rows ? 0 : 1;
    const std::int64_t channels = picture_.channels;
    const DepthwiseAxis column{
        columns + (taps.columns - 1) * channels, columns, 1, 0, taps.columns, channels, 1, 1};
    DepthwisePiece<T> piece;
    piece.source = source.first;
    piece.extent = rows + taps.rows - 1;
    piece.pitch = piece.chain_pitch = source.pitch;
    piece.chain_step = 1;
    piece.chain_weight_step = taps.columns;
    piece.column_weight_step = 1;
    piece.column = &column;
    piece.begin = piece.full_begin = 0;
    // Whole tiles read what lies in memory of our own below the last row, and nothing comes of it.
    piece.end = piece.full_end = columns;
    piece.advance = kernels_.lanes;
    piece.start = &zero;
    piece.result = result;
    piece.result_step = result_pitch;
    piece.row_begin = 0, piece.row_end = rows;
    for (piece.row = 0; piece.row < taps.rows; piece.start = nullptr) {
      if (stop_requested()) return;
      const int count = depthwise_chain_piece(dense_columns, taps.rows - piece.row);
      piece.weight = taps.weights + piece.row * taps.columns;
      kernels_.tiles[dense_columns].run[height][count - 1](piece);
      piece.row += count;
    }
  }

  // A row of sums into its place in the output.
  void finish(T* sums, std::int64_t count, void* output, std::int64_t place) const {
    if (absolute_)
      for (std::int64_t i = 0; i < count; ++i) sums[i] = std::abs(sums[i]);
    if constexpr (std::is_integral_v<Pixel>)
      if (converted_) pixel_kernels<Pixel>(isa_).store(sums, count, static_cast<Pixel*>(output) + place);
  }

  const Picture picture_;
  const PictureKernel kernel_;
  const PictureBorder border_;
  const bool absolute_, converted_, separable_;
  const DepthwiseKernels<T>& kernels_;
  const Isa isa_;
  std::int64_t reach_;  // elements that a row of the picture has beyond those of the results
  std::int64_t column_blocks_, block_width_, row_blocks_, block_height_;  // width in pixels
  std::int64_t pitch_, rows_, thread_bytes_;
  int threads_;
  std::vector<std::int64_t> before_, after_;  // columns of the picture that stand beside it
};

void require_positive(const char* argument, std::int64_t height, std::int64_t width, std::int64_t channels) {
  if (height < 1 || width < 1 || channels < 1)
    reject_argument(argument, "every size >= 1", tuple_text({height, width, channels}));
}

}  // namespace

void correlate_picture(const Picture& picture, const PictureKernel& kernel, const PictureBorder& border,
                       const PictureResult& result, const void* input, void* output, Isa isa) {
  require_positive("image", picture.height, picture.width, picture.channels);
  require_positive("kernel", kernel.rows, kernel.columns, 1);
  const std::int64_t row_elements = checked_mul(picture.width, picture.channels, "image");
  checked_mul(checked_mul(picture.height, row_elements, "image"), sizeof(double), "image");
  if (kernel.centre_row < 0 || kernel.centre_row >= kernel.rows || kernel.centre_column < 0 ||
      kernel.centre_column >= kernel.columns)
    reject_argument("centre",
                    "an element of the kernel of shape " + tuple_text({kernel.rows, kernel.columns}),
                    tuple_text({kernel.centre_row, kernel.centre_column}));
  const auto run = [&]<class Pixel, class T>(Pixel, T) {
    Correlation<Pixel, T>(picture, kernel, border, result, isa).run(static_cast<const Pixel*>(input), output);
  };
  switch (picture.type) {
    case PixelType::uint8:
      return run(std::uint8_t{}, float{});
    case PixelType::uint16:
      return run(std::uint16_t{}, float{});
    case PixelType::float32:
      return run(float{}, float{});
    case PixelType::float64:
      return run(double{}, double{});
  }
}

}  // namespace convnative
