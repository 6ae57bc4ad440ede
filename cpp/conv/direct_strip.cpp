// Direct convolution on strips of the input (conv/direct_strip_kernels.h): pixels in the lanes, weights broadcast. The
// strongest for groups of so few channels that packing im2col panels would cost more than the products.
//
//   tasks: image x group x block of output rows and columns x part of the output channels, in parallel
//     fill the strip: what the block needs of the input, padded         L1 or L2
//     for each tile of output channels
//       for each tile of neighbouring points: kernel                    weights: read where they lie, L1
//       epilogue
//
// Points of neighbouring rows share vectors, unless rows of whole vectors take fewer: those store whole lines.
//
// Compared with im2col, every element of the input is copied once (conv/strip.h), not once per tap, and a tile may
// have as few rows as there are output channels.
//
// Each output is one chain of fused multiply-adds in the order of (channel, tap) on top of its bias, the same
// as im2col's: blocks, tiles, threads and vector lengths change no bit.
//
// The gradient in the input is a forward convolution of grad_output with its taps in reverse (conv/sub_pixel.h); its
// weights are packed. With strides the sums of a few lines of output channels wait in L1 until they can be interleaved.
#include <algorithm>
#include <bit>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/checked.h"
#include "base/cpu.h"
#include "base/parallel.h"
#include "conv/algorithm.h"
#include "conv/direct_strip_kernels.h"
#include "conv/epilogue.h"
#include "conv/row_requests.h"
#include "conv/strip.h"
#include "conv/sub_pixel.h"
#include "gemm/blocking.h"
#include "gemm/kernels.h"

namespace convnative {
namespace {

// A strip takes about so much of L2, and more where neighbouring strips would share so many rows that copying
// them twice tells: at least so many rows per shared one.
constexpr std::int64_t usual_strip_bytes = 128 << 10;
constexpr std::int64_t most_strip_bytes = 768 << 10;
constexpr std::int64_t most_share = 4;
// Blocks have at least so many points, where the output has.
constexpr std::int64_t fewest_points = 64;
// Tall tiles of one output channel need the strip at L1's speed, and rows so long that fetching them pays.
constexpr std::int64_t tall_strip_bytes = 28 << 10;
constexpr std::int64_t fewest_tall_columns = 256;
// As measured, results of so many bytes are worth asking for: no stores wait for smaller ones.
constexpr std::int64_t far_result_bytes = 16 << 20;

// Of the weights that a block meets and of the input that all blocks share, per input channel.
bool weights_outweigh_input(const ConvShape& s) {
  return s.out_channels_per_group() * s.taps() > s.input_plane();
}

// How the outputs are cut into blocks and how a block's strip is laid out:
// [row phase][column phase][channel, depth tap][row][column].
struct StripLayout {
  StripAxis rows, columns;
  std::int64_t slices;                     // channels x depth taps
  std::int64_t row_parts, column_parts;    // blocks
  std::int64_t block_rows, block_columns;  // of the largest block
  std::int64_t pitch, plane;               // of one phase
  // Of a row of outputs, where vectors begin and end with rows; 0: points are neighbours across rows.
  std::int64_t row_vectors = 0;

  // `tall`: of how many rows of outputs a tile consists; strips are made of whole tiles. `waiting`: output channels
  // whose sums wait beside the strip.
  StripLayout(const ConvShape& shape, std::int64_t element_bytes, int lanes, int threads, std::int64_t tall,
              std::int64_t waiting)
      : rows(shape, 1), columns(shape, 2), slices(shape.in_channels_per_group() * shape.kernel[0]) {
    // Bytes of a strip and the sums: unit * (rows + rows.ahead) * pitch, roughly.
    const std::int64_t unit = (phases() + waiting) * element_bytes;
    const auto fitting_rows = [&](std::int64_t bytes) { return bytes / (unit * pitch) - rows.ahead; };
    const auto fitting_columns = [&](std::int64_t least_rows, std::int64_t bytes) {
      return bytes / (unit * (least_rows + rows.ahead)) - columns.ahead;
    };
    const std::int64_t usual = tall > 1 ? tall_strip_bytes : usual_strip_bytes;
    const std::int64_t fewest =
        std::max(tall > 1 ? fewest_tall_columns : fewest_points, most_share * columns.ahead);
    const std::int64_t width = std::max(fitting_columns(tall > 1 ? 2 * tall : 1, usual),
                                        std::min(fitting_columns(tall, most_strip_bytes), fewest));
    column_parts = ceil_div(columns.output, std::max<std::int64_t>(width, 1));
    block_columns = ceil_div(columns.output, column_parts);
    pitch = block_columns + columns.ahead;
    // Rows have vectors of their own where that takes fewer: they store whole lines of the output, and rows of the strip
    // begin on lines too.
    const std::int64_t vectors = ceil_div(block_columns, std::int64_t{lanes});
    if (tall == 1 && waiting == 0 && vectors > 1 && vectors * lanes < pitch) {
      row_vectors = vectors;
      pitch = ceil_div(pitch, std::int64_t{lanes}) * lanes;
    }
    // Every block meets all weights: where those are more than the input, the fewest blocks are best.
    const std::int64_t shared = weights_outweigh_input(shape) ? rows.output : most_share * rows.ahead;
    const std::int64_t most = std::max(std::min(fitting_rows(most_strip_bytes), shared), fitting_rows(usual));
    row_parts = ceil_div(rows.output, std::max<std::int64_t>(most / tall * tall, tall));
    // So many tasks that all threads end at about the same time.
    const std::int64_t others = std::max<std::int64_t>(shape.batch * shape.groups * column_parts, 1);
    if (threads > 1 && others * row_parts < 4 * threads)
      row_parts = std::max(row_parts, std::min(ceil_div(4 * threads, others),
                                               ceil_div(rows.output * block_columns, fewest_points)));
    block_rows = ceil_div(ceil_div(rows.output, std::min(row_parts, rows.output)), tall) * tall;
    row_parts = ceil_div(rows.output, block_rows);
    plane = (block_rows + rows.ahead) * pitch;
  }

  std::int64_t phases() const { return slices * rows.phases * columns.phases; }
  std::int64_t elements() const { return phases() * plane; }
};

// The convolution that a problem asks for, as a forward one.
ConvShape forward_shape(const ConvProblem& problem) {
  return problem.operation == ConvOperation::forward ? problem.shape : SubPixels(problem.shape).convolution();
}

bool interleaves(const ConvProblem& problem) {
  return problem.operation == ConvOperation::grad_input && problem.shape.stride != Extents{1, 1, 1};
}

// Output channels whose sums wait to be interleaved: some lines at a time, or one that is longer.
constexpr std::int64_t most_waiting_channels = 24;
std::int64_t waiting_channels(const ConvProblem& problem) {
  if (!interleaves(problem)) return 0;
  const std::int64_t line = problem.shape.stride[2];
  return std::min(std::max<std::int64_t>(most_waiting_channels / line, 1) * line,
                  forward_shape(problem).out_channels_per_group());
}

// The tall tiles that serve the problem, or null.
template <class T>
const StripTallRow<T>* tall_tiles(const ConvProblem& problem, const StripKernels<T>& kernels) {
  const ConvShape& s = problem.shape;
  if (problem.operation != ConvOperation::forward || s.out_channels_per_group() > 1 || s.stride[1] > 1 ||
      s.dilation[1] > 1)
    return nullptr;
  return kernels.tall(s.kernel[1]);
}

template <class T>
class DirectStrip final : public ConvAlgorithm {
 public:
  explicit DirectStrip(const ConvProblem& problem)
      : s_(forward_shape(problem)),
        sub_pixels_(problem.operation == ConvOperation::grad_input ? std::optional<SubPixels>(problem.shape)
                                                                   : std::nullopt),
        interleaves_(interleaves(problem)),
        gemm_(gemm_kernels<T>(problem.isa)),
        kernels_(strip_kernels<T>(problem.isa)),
        epilogue_(problem),
        threads_(problem.threads),
        far_((s_.input_size() + s_.output_size()) * std::int64_t{sizeof(T)} > far_bytes),
        far_result_(s_.output_size() * std::int64_t{sizeof(T)} > far_result_bytes && !interleaves_),
        tall_(tall_tiles(problem, kernels_)),
        waiting_channels_(waiting_channels(problem)),
        layout_(s_, sizeof(T), kernels_.lanes, threads_by_blocks(), tall_ == nullptr ? 1 : kernels_.tall_rows,
                waiting_channels_),
        offsets_(tap_offsets()) {
    const std::int64_t channel_macs = layout_.block_rows * layout_.block_columns * depth();
    const std::int64_t channels = s_.out_channels_per_group(), most_rows = kernels_.max_rows;
    channel_parts_ =
        ceil_div(channels, std::max(most_macs_per_lane * kernels_.lanes / channel_macs, most_rows));
    const std::int64_t blocks =
        s_.batch * s_.groups * s_.output[0] * layout_.row_parts * layout_.column_parts;
    if (threads_ > 1 && blocks < 2 * threads_)
      channel_parts_ = std::max(
          channel_parts_,
          std::min(ceil_div(2 * threads_, std::max<std::int64_t>(blocks, 1)), channels / (2 * most_rows)));
    if (interleaves_)
      channel_parts_ = std::min(channel_parts_, s_.out_channels_per_group() / sub_pixels_->line());
  }

  const char* name() const override { return "direct_strip"; }
  std::string kernel() const override {
    if (tall_ != nullptr) return text("strip_tall", kernels_.tall_rows, 2);
    const std::int64_t rows = std::min<std::int64_t>(s_.out_channels_per_group(), kernels_.max_rows);
    return text("strip", rows, kernels_.tiles(rows).max_vectors);
  }
  std::size_t workspace_bytes() const override { return thread_bytes() * static_cast<std::size_t>(threads_); }
  std::size_t packed_weight_bytes() const override {
    return sub_pixels_ ? static_cast<std::size_t>(s_.weight_size()) * sizeof(T) : 0;
  }
  bool fuses_epilogue() const override { return !interleaves_; }

  void pack(const void* weight, void* packed) const override {
    if (sub_pixels_)
      sub_pixels_->pack(static_cast<const T*>(weight), static_cast<T*>(packed), gemm_, threads_);
  }

  void run(const ConvArrays& arrays, const void* packed, void* workspace) const override {
    const auto* const source = static_cast<const T*>(sub_pixels_ ? arrays.grad_output : arrays.input);
    const auto* const weight = static_cast<const T*>(sub_pixels_ ? packed : arrays.weight);
    const std::int64_t blocks = s_.output[0] * layout_.row_parts * layout_.column_parts;
    parallel_for(
        s_.batch * s_.groups * blocks * channel_parts_, threads_, [&](std::int64_t task, int thread) {
          char* const memory =
              static_cast<char*>(workspace) + thread_bytes() * static_cast<std::size_t>(thread);
          Block block = block_of(task);
          block.strip = reinterpret_cast<T*>(memory);
          block.runs = reinterpret_cast<StripRun*>(memory + strip_bytes());
          block.first_run = reinterpret_cast<std::int32_t*>(memory + strip_bytes() + run_bytes());
          block.sums = reinterpret_cast<T*>(memory + strip_bytes() + run_bytes() + first_run_bytes());
          block.start = block.sums + waiting_channels_ * sum_pitch();
          fill_strip(block, source);
          if (tall_ == nullptr) cut_points(block);
          convolve_block(block, weight, arrays);
        });
  }

 private:
  // Threads that blocks of the outputs keep at work. Where the weights are larger than the input, which each block
  // would meet anew, threads share the output channels instead.
  int threads_by_blocks() const { return weights_outweigh_input(s_) ? 1 : threads_; }

  // Of the lines that wait: as many as output channels where the columns have no stride.
  using Requests = RowRequests<T, most_waiting_channels>;

  // What one task works on.
  struct Block {
    std::int64_t image, group, depth, channel_part;
    std::int64_t row, rows, column, columns;  // of the output
    T* strip;
    StripRun* runs;
    std::int32_t* first_run;
    std::int64_t vectors;  // of a row where they end with rows, else of all points
    T *sums, *start;       // of output channels that are to interleave
  };

  std::string text(const char* family, std::int64_t rows, int vectors) const {
    return std::string(dtype_of<T> == DType::float32 ? "f32_" : "f64_") + family + "_" +
           std::to_string(rows) + "x" + std::to_string(vectors * kernels_.lanes) + "_" +
           convnative::name(kernels_.isa);
  }

  std::int64_t depth() const { return s_.in_channels_per_group() * s_.taps(); }
  std::int64_t block_vectors() const { return ceil_div(layout_.block_rows * layout_.pitch, kernels_.lanes); }
  std::size_t strip_bytes() const {
    return round_up_to_line(static_cast<std::size_t>(layout_.elements() + 2 * kernels_.lanes) * sizeof(T));
  }
  // A run begins where a vector or a row does.
  std::size_t run_bytes() const {
    return round_up_to_line(static_cast<std::size_t>(block_vectors() + layout_.block_rows) *
                            sizeof(StripRun));
  }
  std::size_t first_run_bytes() const {
    return round_up_to_line(static_cast<std::size_t>(block_vectors() + 1) * sizeof(std::int32_t));
  }
  // Of sums that are to interleave: elements from output channel to output channel.
  std::int64_t sum_pitch() const { return block_vectors() * kernels_.lanes; }
  std::size_t sum_bytes() const {
    return round_up_to_line(static_cast<std::size_t>(waiting_channels_ * (sum_pitch() + 1)) * sizeof(T));
  }
  std::size_t thread_bytes() const { return strip_bytes() + run_bytes() + first_run_bytes() + sum_bytes(); }

  Block block_of(std::int64_t task) const {
    const StripLayout& l = layout_;
    Block block{};
    block.channel_part = task % channel_parts_;
    task /= channel_parts_;
    const std::int64_t column_part = task % l.column_parts, row_part = task / l.column_parts % l.row_parts;
    task /= l.column_parts * l.row_parts;
    block.depth = task % s_.output[0];
    block.group = task / s_.output[0] % s_.groups;
    block.image = task / s_.output[0] / s_.groups;
    block.row = row_part * l.block_rows;
    block.rows = std::min(l.block_rows, s_.output[1] - block.row);
    block.column = column_part * s_.output[2] / l.column_parts;
    block.columns = (column_part + 1) * s_.output[2] / l.column_parts - block.column;
    return block;
  }

  // Tiles read whole vectors, and whole tall tiles: what their points in vain meet must be ordinary numbers. Products
  // with denormals, as which left-overs of memory may read, take many times as long.
  void fill_strip(const Block& block, const T* source) const {
    const StripLayout& l = layout_;
    const std::int64_t tall = tall_ == nullptr ? 1 : kernels_.tall_rows, behind = 2 * kernels_.lanes;
    const std::int64_t rows = ceil_div(block.rows, tall) * tall + l.rows.ahead;
    StripSource<T>(s_, l.rows, l.columns, kernels_)
        .fill({block.image, block.group, block.depth, block.row, rows, block.column, l.pitch, l.pitch,
               l.plane, 0, s_.in_channels_per_group()},
              source, block.strip);
    // What a block of fewer rows than others leaves of each plane.
    const std::int64_t left = l.plane - rows * l.pitch;
    for (std::int64_t p = 0; left > 0 && p < l.phases(); ++p)
      std::fill_n(block.strip + p * l.plane + rows * l.pitch, std::min(left, behind), T{0});
    std::fill_n(block.strip + l.elements(), behind, T{0});
  }

  // The weights keep their order; flipped, each tap reads where its mirror image would.
  std::vector<std::int32_t> tap_offsets() const {
    const StripLayout& l = layout_;
    const auto seen = [&](std::size_t axis, std::int64_t tap) {
      return sub_pixels_ ? s_.kernel[axis] - 1 - tap : tap;
    };
    std::vector<std::int32_t> offsets;
    offsets.reserve(static_cast<std::size_t>(depth()));
    const auto add = [&](std::int64_t offset) { offsets.push_back(static_cast<std::int32_t>(offset)); };
    const std::int64_t first_slice = seen(0, 0);
    for (std::int64_t r = 0; r < s_.kernel[1]; ++r)
      for (std::int64_t c = 0; c < s_.kernel[2]; ++c) {
        const std::int64_t y = seen(1, r), x = seen(2, c);
        const std::int64_t phase = l.rows.phase(y) * l.columns.phases + l.columns.phase(x);
        add((phase * l.slices + first_slice) * l.plane + l.rows.ahead_of(y) * l.pitch +
            l.columns.ahead_of(x));
      }
    const std::size_t taps = offsets.size();
    for (std::int64_t channel = 0; channel < s_.in_channels_per_group(); ++channel)
      for (std::int64_t tap = 0; tap < s_.kernel[0]; ++tap) {
        if (channel == 0 && tap == 0) continue;
        const std::int64_t slice = channel * s_.kernel[0] + seen(0, tap);
        for (std::size_t t = 0; t < taps; ++t) add(offsets[t] + (slice - first_slice) * l.plane);
      }
    return offsets;
  }

  // Which lanes of the block's vectors go where in the output; all of them into sums that are still to interleave.
  void cut_points(Block& block) const {
    if (interleaves_) {
      block.vectors = ceil_div((block.rows - 1) * layout_.pitch + block.columns, kernels_.lanes);
      const auto all = static_cast<std::uint32_t>((std::uint64_t{1} << kernels_.lanes) - 1);
      for (std::int64_t v = 0; v <= block.vectors; ++v) {
        block.first_run[v] = static_cast<std::int32_t>(v);
        if (v < block.vectors) block.runs[v] = {v * kernels_.lanes, all};
      }
      return;
    }
    const std::int64_t width = s_.output[2], lanes = kernels_.lanes;
    if (layout_.row_vectors > 0) {
      block.vectors = layout_.row_vectors;
      std::int32_t run = 0;
      for (std::int64_t y = 0; y < block.rows; ++y)
        for (std::int64_t x = 0; x < block.vectors * lanes; x += lanes, ++run) {
          const std::int64_t count = std::clamp<std::int64_t>(block.columns - x, 0, lanes);
          block.first_run[run] = run;
          block.runs[run] = {y * width + x, static_cast<std::uint32_t>((std::uint64_t{1} << count) - 1)};
        }
      block.first_run[run] = run;
      return;
    }
    // Without columns in between, all rows are one.
    const bool seamless = layout_.pitch == width;
    const std::int64_t rows = seamless ? 1 : block.rows;
    const std::int64_t columns = seamless ? block.rows * width : block.columns;
    const std::int64_t pitch = seamless ? columns : layout_.pitch;
    const std::int64_t points = (rows - 1) * pitch + columns;
    block.vectors = ceil_div(points, lanes);
    std::int32_t run = 0;
    std::int64_t row = 0, column = 0;  // of the next point
    for (std::int64_t v = 0; v < block.vectors; ++v) {
      block.first_run[v] = run;
      for (std::int64_t lane = 0; lane < lanes && row < rows;) {
        const std::int64_t count = std::min(columns - column, lanes - lane);
        if (count > 0) {
          const std::uint64_t bits = ((std::uint64_t{1} << count) - 1) << lane;
          block.runs[run++] = {row * width + column - lane, static_cast<std::uint32_t>(bits)};
        }
        const std::int64_t passed = std::min(pitch - column, lanes - lane);
        lane += passed;
        column += passed;
        if (column == pitch) column = 0, ++row;
      }
    }
    block.first_run[block.vectors] = run;
  }

  void convolve_block(const Block& block, const T* weights, const ConvArrays& arrays) const {
    const std::int64_t channels = s_.out_channels_per_group(), width = s_.output[2];
    const std::int64_t output_plane = s_.output_plane();
    // Lines of output channels that interleave stay together.
    const std::int64_t line = interleaves_ ? sub_pixels_->line() : 1;
    const std::int64_t begin = block.channel_part * (channels / line) / channel_parts_ * line;
    const std::int64_t end = (block.channel_part + 1) * (channels / line) / channel_parts_ * line;
    if (interleaves_) return interleave_block(block, begin, end, weights, arrays);
    const EvenSplit channel_tiles(end - begin, kernels_.max_rows);
    for (std::int64_t i = 0; i < channel_tiles.parts; ++i) {
      const std::int64_t first = begin + channel_tiles.begin(i);
      const std::int64_t rows = begin + channel_tiles.end(i) - first;
      const std::int64_t k = block.group * channels + first;
      T* const output = static_cast<T*>(arrays.result) + (block.image * s_.out_channels + k) * output_plane +
                        (block.depth * s_.output[1] + block.row) * width + block.column;
      const T* const weight = weights + k * depth();
      const T* const start = arrays.bias == nullptr ? nullptr : static_cast<const T*>(arrays.bias) + k;
      if (tall_ != nullptr) {
        run_tall_tiles(block, weight, start == nullptr ? T{0} : *start, output);
      } else {
        run_tiles(block, rows, weight, start, output, output_plane);
      }
      if (!epilogue_.wanted(arrays)) continue;
      const bool seamless = block.columns == width;
      for (std::int64_t c = 0; c < rows; ++c)
        for (std::int64_t y = 0; y < (seamless ? 1 : block.rows); ++y)
          epilogue_.finish(arrays, output + c * output_plane + y * width,
                           seamless ? block.rows * width : block.columns);
    }
  }

  // `rows` output channels of a block.
  void run_tiles(const Block& block, std::int64_t rows, const T* weight, const T* start, T* output,
                 std::int64_t output_row, Requests* requests = nullptr) const {
    const StripTileRow<T>& tiles = kernels_.tiles(rows);
    const EvenSplit point_tiles(block.vectors, tiles.max_vectors);
    const std::int64_t lines = layout_.row_vectors > 0 ? block.rows : 1;
    for (std::int64_t y = 0; y < lines; ++y)
      for (std::int64_t j = 0; j < point_tiles.parts; ++j) {
        const std::int64_t v = point_tiles.begin(j);
        if (requests != nullptr) requests->request();
        tiles.run[point_tiles.end(j) - v - 1](
            {block.strip + y * layout_.pitch + v * kernels_.lanes, offsets_.data(), depth(), weight, depth(),
             start, output, output_row, block.runs, block.first_run + y * block.vectors + v, far_result_});
      }
  }

  // Output channels [begin, end) of a group, some lines at a time.
  void interleave_block(const Block& block, std::int64_t begin, std::int64_t end, const T* weights,
                        const ConvArrays& arrays) const {
    const std::int64_t line = sub_pixels_->line(), pitch = sum_pitch();
    const EvenSplit parts((end - begin) / line, waiting_channels_ / line);
    for (std::int64_t p = 0; p < parts.parts; ++p) {
      const std::int64_t first_line =
          (block.group * s_.out_channels_per_group() + begin) / line + parts.begin(p);
      const std::int64_t lines = parts.end(p) - parts.begin(p);
      for (std::int64_t row = 0; row < lines * line; ++row)
        block.start[row] = sub_pixels_->start<T>(arrays, first_line * line + row);
      const auto sums_of = [&](std::int64_t l, std::int64_t y) -> SubPixels::Sums<T> {
        return {block.image,
                first_line + l,
                block.depth,
                block.row + y,
                block.column,
                block.columns,
                block.sums + l * line * pitch + y * layout_.pitch,
                pitch};
      };
      const EvenSplit tiles(lines * line, kernels_.max_rows);
      Requests requests(tiles.parts * ceil_div(block.vectors, kernels_.tiles(tiles.end(0)).max_vectors));
      for (std::int64_t l = 0; far_ && l < lines; ++l)
        if (const T* const place = sub_pixels_->place(sums_of(l, 0), arrays); place != nullptr)
          requests.add({place, block.columns * line, block.rows, 1, sub_pixels_->row_step(), 0});
      for (std::int64_t i = 0; i < tiles.parts; ++i) {
        const std::int64_t row = tiles.begin(i), channel = first_line * line + row;
        run_tiles(block, tiles.end(i) - row, weights + channel * depth(), block.start + row,
                  block.sums + row * pitch, pitch, &requests);
      }
      for (std::int64_t l = 0; l < lines; ++l)
        for (std::int64_t y = 0; y < block.rows; ++y)
          sub_pixels_->store(sums_of(l, y), arrays, weights, gemm_);
    }
  }

  void run_tall_tiles(const Block& block, const T* weight, T start, T* output) const {
    const std::int64_t lanes = kernels_.lanes, pitch = layout_.pitch, width = s_.output[2];
    for (std::int64_t y = 0; y < block.rows; y += kernels_.tall_rows)
      for (std::int64_t x = 0; x < block.columns; x += 2 * lanes) {
        const std::int64_t columns = std::min(block.columns - x, 2 * lanes);
        tall_->run[columns > lanes ? 1 : 0](
            {block.strip + y * pitch + x, pitch, offsets_.data(), layout_.slices, s_.kernel[2], weight, start,
             output + y * width + x, width, std::min<std::int64_t>(block.rows - y, kernels_.tall_rows),
             columns});
      }
  }

  ConvShape s_;                          // of the forward convolution that is run
  std::optional<SubPixels> sub_pixels_;  // of a gradient; then its taps are reversed
  bool interleaves_;
  const GemmKernels<T>& gemm_;
  const StripKernels<T>& kernels_;
  Epilogue<T> epilogue_;
  int threads_;
  bool far_;                     // the arrays come from L3 or memory
  bool far_result_;              // so does the result, in which tiles store
  const StripTallRow<T>* tall_;  // null: tiles of neighbouring points
  std::int64_t waiting_channels_;
  StripLayout layout_;
  std::vector<std::int32_t> offsets_;
  std::int64_t channel_parts_ = 1;
};

// Cycles of one core, roughly, of this algorithm and of im2col. The factors were fitted to measurements with
// AVX-512 of some thousand convolutions: 1 to 64 input channels per group, 1 to 256 output channels, planes of 7
// to 224, kernels of 1 to 11, strides of 1 to 4. Nothing here may depend on the number of threads, which must
// not change results.
template <class T>
double strip_cycles(const ConvProblem& problem) {
  const ConvShape s = forward_shape(problem);
  const StripKernels<T>& kernels = strip_kernels<T>(problem.isa);
  const bool tall = tall_tiles(problem, kernels) != nullptr;
  const StripLayout l(s, sizeof(T), kernels.lanes, 1, tall ? kernels.tall_rows : 1,
                      waiting_channels(problem));
  const auto outputs = static_cast<double>(s.out_channels_per_group());
  const auto depth = static_cast<double>(s.in_channels_per_group() * s.taps());

  // A vector that is loaded for one output channel's product or for two waits for the loads.
  const double per_product = tall || outputs > 2 ? 0.5 : outputs > 1 ? 0.6 : 1;
  const std::int64_t vectors = tall || l.row_vectors > 0
                                   ? l.block_rows * ceil_div(l.block_columns, kernels.lanes)
                                   : ceil_div((l.block_rows - 1) * l.pitch + l.block_columns, kernels.lanes);
  // Sums that interleave are stored twice, then row by row of a line.
  const auto stride = static_cast<double>(problem.shape.stride[2]);
  const double lines = interleaves(problem) ? outputs / stride : 0;
  const bool shuffled = std::has_single_bit(static_cast<std::uint64_t>(problem.shape.stride[2]));
  const double interleaving = shuffled ? 14 : stride == 3 ? 30 : 110;
  const double storing = interleaves(problem) ? interleaving : l.row_vectors > 0 ? 6 : 7;
  const double products = static_cast<double>(vectors) * outputs * (depth * per_product + storing) +
                          lines * static_cast<double>(l.block_rows) * 50;
  // Wider strides are gathered.
  const double per_copy = l.columns.stride == 1 ? 7 : l.columns.stride == 2 ? 10 : 30;
  const std::int64_t rows = l.block_rows + l.rows.ahead;
  const double copying = static_cast<double>(l.phases()) *
                         (36 + static_cast<double>(rows) *
                                   (4 + per_copy * static_cast<double>(ceil_div(l.pitch, kernels.lanes))));
  // Every block meets all weights; those that L2 does not keep come from L3.
  const double weight_bytes = depth * outputs * sizeof(T);
  const double fetching = std::max(weight_bytes - 256 * 1024, 0.0) / 10;
  // A gradient's weights are brought into another order, tap by tap, or transposed where points have one tap.
  double packing = 0;
  if (problem.operation == ConvOperation::grad_input && !problem.prepacked) {
    const auto weights = static_cast<double>(problem.shape.weight_size());
    const double kernels_packed =
        weights / static_cast<double>(std::max<std::int64_t>(problem.shape.taps(), 1));
    packing = s.taps() == 1 ? 1.3 * weights
                            : 14 * kernels_packed + 2 * weights + 0.3 * static_cast<double>(s.weight_size());
  }
  const std::int64_t blocks = s.batch * s.groups * s.output[0] * l.row_parts * l.column_parts;
  // Threads that share a block's output channels fill a strip each.
  const double copies = blocks < 4 && s.out_channels_per_group() >= 4 * kernels.max_rows ? 2 : 1;
  const double cycles =
      static_cast<double>(blocks) * (products + copies * copying + fetching + 230) + packing;
  // Strips of many channels come from L2, in pieces that no hardware foresees: of one tap for every product. Not
  // so, as measured, where their sums interleave.
  constexpr std::int64_t near_channels = 32;
  if (s.in_channels_per_group() <= near_channels || (lines > 0 && s.taps() == 1)) return cycles;
  return (s.taps() > 1 ? 1.03 : 1.12) * cycles;
}

}  // namespace

const char* direct_strip_why_not(const ConvProblem& problem) {
  if (problem.operation == ConvOperation::grad_input) {
    const char* const obstacle = SubPixels::why_not(problem.shape);
    if (obstacle != nullptr) return obstacle;
  }
  const ConvShape s = forward_shape(problem);
  const StripAxis rows(s, 1), columns(s, 2);
  const StripKernels<float>& kernels = strip_kernels<float>(problem.isa);
  const std::int64_t fewest_rows = tall_tiles(problem, kernels) == nullptr ? 1 : kernels.tall_rows;
  const double smallest =
      static_cast<double>(s.in_channels_per_group() * s.kernel[0]) *
      static_cast<double>(rows.phases * columns.phases) * static_cast<double>(fewest_rows + rows.ahead) *
      (static_cast<double>(std::min(columns.output, fewest_points)) + static_cast<double>(columns.ahead));
  if (smallest * static_cast<double>(size_of(problem.dtype)) > static_cast<double>(most_strip_bytes))
    return "what a row of outputs needs of the input is larger than a strip";
  if (s.groups > 1 && problem.shape.in_channels_per_group() == 1)
    return "for more than one channel per group, or one group";
  return nullptr;
}

double direct_strip_cycles(const ConvProblem& problem) {
  return problem.dtype == DType::float32 ? strip_cycles<float>(problem) : strip_cycles<double>(problem);
}

const char* direct_strip_why_slower(const ConvProblem& problem) {
  const double own = direct_strip_cycles(problem);
  if (own > im2col_gemm_cycles(problem))
    return "copying and columns computed in vain would take longer than packing im2col panels";
  return direct_channels_why_not(problem) == nullptr && own > direct_channels_cycles(problem)
             ? "columns computed in vain would take longer than tiles with output channels in the lanes"
             : nullptr;
}

std::shared_ptr<const ConvAlgorithm> make_direct_strip(const ConvProblem& problem) {
  if (problem.dtype == DType::float32) return std::make_shared<DirectStrip<float>>(problem);
  return std::make_shared<DirectStrip<double>>(problem);
}

}  // namespace convnative
