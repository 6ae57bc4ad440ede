// Gradient in the weights with output channels in the lanes, on the kernels of conv/direct_channels_kernels.h.
//
//   grad_weight[k][(c, t)] = sum over images, points of grad_output[k][point] * input[c][point * stride + tap]
//
// Here the steps of a tile's sum are points of the output, its "weights" are grad_output transposed,
// [point][output channels], and its "points" are channels or taps of a row of the kernel: for each step their
// elements of the input lie equally far apart, wherever they are, so that no patches are packed.
//
//   for each stage of the points: as many as the last-level cache keeps for all tiles of output channels
//     tasks: group x part of the points x tile of output channels x block of input channels, in parallel
//       for each block of points (some images, or some rows of one)
//         transpose grad_output                                     [point][lanes], L2
//         copy what the block needs of the input into a strip       L2; not where nothing is padded
//         for each tile of (c, t): kernel, added to the task's sums
//       the sums, transposed, to grad_weight, added to those of the stages before
//   sums of the parts, in their order
//
// A block is one chain of fused multiply-adds over its points in ascending order; blocks are added in order, then
// stages, then parts. The shape alone fixes all, so that threads change no bit.
#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/checked.h"
#include "base/parallel.h"
#include "conv/algorithm.h"
#include "conv/direct_channels.h"
#include "elementwise/kernels.h"
#include "gemm/blocking.h"
#include "gemm/kernels.h"

namespace convnative {
namespace {

// Points of a block: so long a chain that adding its sums costs little.
constexpr std::int64_t usual_points = 512;
constexpr std::int64_t most_strip_bytes = 512 << 10;
constexpr std::int64_t most_sums_bytes = 256 << 10;
// Parts of the points, where there are few other tasks: enough for many cores, in so much memory.
constexpr std::int64_t wanted_tasks = 32, most_parts = 16;
constexpr std::int64_t most_partial_bytes = 1 << 20;
// Every tile of output channels reads the whole input: from memory, unless it stays in the last-level cache. Beyond
// the first figure stages of the second cost less than that, though they add all sums once more.
constexpr std::int64_t least_staged_bytes = 8 << 20, stage_bytes = 4 << 20;

// The input is read where it lies where it has no padding and offsets reach everything.
bool reads_in_place(const ConvShape& s) {
  return reads_no_padding(s) && s.in_channels * s.input_plane() <= std::numeric_limits<std::int32_t>::max();
}

// What one slice of a strip needs for `rows` x `columns` points.
std::int64_t slice_rows(const ConvShape& s, std::int64_t rows) {
  return (rows - 1) * s.stride[1] + 1 + (s.kernel[1] - 1) * s.dilation[1];
}
std::int64_t slice_columns(const ConvShape& s, std::int64_t columns) {
  return (columns - 1) * s.stride[2] + 1 + (s.kernel[2] - 1) * s.dilation[2];
}

// How points, channels and output channels are cut up; the same for any number of threads.
struct GradWeightBlocks {
  bool in_place;
  std::int64_t images, rows, columns;  // of points in a block
  std::int64_t image_parts, row_parts, column_parts;
  std::int64_t channels;  // of a task, at most
  std::int64_t channel_parts;
  std::int64_t parts;   // of all blocks
  std::int64_t stages;  // of a part

  GradWeightBlocks(const ConvShape& s, std::int64_t panel_columns, std::int64_t element_bytes)
      : in_place(reads_in_place(s)) {
    columns = std::min(s.output[2], usual_points);
    rows = std::clamp<std::int64_t>(usual_points / columns, 1, s.output[1]);
    images =
        s.output[0] == 1 && rows == s.output[1] && columns == s.output[2]
            ? std::clamp<std::int64_t>(usual_points / (rows * columns), 1, std::max<std::int64_t>(s.batch, 1))
            : 1;
    if (in_place && images * s.in_channels * s.input_plane() > std::numeric_limits<std::int32_t>::max())
      images = 1;
    // In floating point because sizes may be anything.
    const auto slice_bytes = [&] {
      return static_cast<double>(images * s.kernel[0] * element_bytes) *
             static_cast<double>(slice_rows(s, rows)) * static_cast<double>(slice_columns(s, columns));
    };
    while (!in_place && slice_bytes() > most_strip_bytes && images * rows * columns > 1) {
      std::int64_t& longest = images > 1 ? images : rows > 1 ? rows : columns;
      longest = ceil_div(longest, 2);
    }
    image_parts = ceil_div(s.batch, images);
    row_parts = ceil_div(s.output[1], rows);
    column_parts = ceil_div(s.output[2], columns);

    const std::int64_t inputs = s.in_channels_per_group();
    std::int64_t most =
        std::max<std::int64_t>(most_sums_bytes / (s.taps() * panel_columns * element_bytes), 1);
    if (!in_place)
      most = std::clamp<std::int64_t>(static_cast<std::int64_t>(most_strip_bytes / slice_bytes()), 1, most);
    channel_parts = ceil_div(inputs, most);
    channels = ceil_div(inputs, channel_parts);

    // Not of the tasks that this level's tiles lead to: parts round differently.
    const std::int64_t others = s.groups * ceil_div(s.out_channels_per_group(), 32);
    parts = std::min({ceil_div(wanted_tasks, others), most_parts, count(s),
                      most_partial_bytes / std::max<std::int64_t>(s.weight_size() * element_bytes, 1)});
    parts = std::max<std::int64_t>(parts, 1);
    const double input_bytes = static_cast<double>(s.input_size()) * static_cast<double>(element_bytes);
    stages = 1;
    if (input_bytes > least_staged_bytes && s.out_channels_per_group() > 2 * panel_columns)
      stages = std::clamp<std::int64_t>(
          static_cast<std::int64_t>(input_bytes / static_cast<double>(parts * s.groups * stage_bytes)), 1,
          std::max<std::int64_t>(count(s) / parts, 1));
  }

  std::int64_t count(const ConvShape& s) const {
    return image_parts * s.output[0] * row_parts * column_parts;
  }
};

template <class T>
EvenSplit panels_of(const ConvShape& s, const ChannelsKernels<T>& kernels) {
  return {ceil_div(s.out_channels_per_group(), kernels.lanes), kernels.max_vectors};
}

template <class T>
GradWeightBlocks blocks_of(const ConvShape& s, const ChannelsKernels<T>& kernels) {
  return {s, kernels.max_vectors * kernels.lanes, sizeof(T)};
}

template <class T>
class DirectChannelsGradWeight final : public ConvAlgorithm {
 public:
  explicit DirectChannelsGradWeight(const ConvProblem& problem)
      : s_(problem.shape),
        kernels_(channels_kernels<T>(problem.isa)),
        gemm_(gemm_kernels<T>(problem.isa)),
        strips_(strip_kernels<T>(problem.isa)),
        elementwise_(elementwise_kernels<T>(problem.isa)),
        threads_(problem.threads),
        rows_(dense_axis(s_, 1)),
        columns_(dense_axis(s_, 2)),
        panels_(panels_of(s_, kernels_)),
        b_(blocks_of(s_, kernels_)),
        depth_(s_.in_channels_per_group() * s_.taps()),
        pitch_(b_.in_place ? s_.input[2] : slice_columns(s_, b_.columns)),
        plane_(b_.in_place ? s_.input[1] * s_.input[2] : pitch_ * slice_rows(s_, b_.rows)),
        channel_(b_.in_place ? s_.input_plane() : s_.kernel[0] * plane_),
        image_(b_.in_place ? s_.in_channels * s_.input_plane() : b_.channels * channel_) {}

  const char* name() const override { return "direct_channels"; }
  std::string kernel() const override { return channels_kernel_name(kernels_); }
  std::size_t workspace_bytes() const override {
    return partial_bytes() + thread_bytes() * static_cast<std::size_t>(threads_);
  }

  void run(const ConvArrays& arrays, const void* /*packed*/, void* workspace) const override {
    T* const result = static_cast<T*>(arrays.result);
    T* const partial = static_cast<T*>(workspace);
    char* const threads_memory = static_cast<char*>(workspace) + partial_bytes();
    const std::int64_t tasks = s_.groups * b_.parts * panels_.parts * b_.channel_parts;
    for (std::int64_t stage = 0; stage < b_.stages; ++stage)
      parallel_for(tasks, threads_, [&](std::int64_t task, int thread) {
        const std::int64_t part = task / b_.channel_parts / panels_.parts % b_.parts;
        run_task(task, part, stage, arrays, b_.parts == 1 ? result : partial + part * s_.weight_size(),
                 threads_memory + thread_bytes() * static_cast<std::size_t>(thread));
      });
    if (b_.parts == 1) return;
    std::copy_n(partial, s_.weight_size(), result);
    for (std::int64_t part = 1; part < b_.parts; ++part)
      elementwise_.add(s_.weight_size(), result, partial + part * s_.weight_size(), result);
  }

 private:
  // What one task works on.
  struct Task {
    std::int64_t group, first_channel, channels;  // input channels
    std::int64_t output, outputs, vectors;        // output channels
    T *packed, *strip, *tile_sums, *sums, *transposed;
    std::int32_t* offsets;
  };

  std::int64_t block_points() const { return b_.images * b_.rows * b_.columns; }
  std::int64_t panel_columns() const { return kernels_.max_vectors * kernels_.lanes; }
  static std::size_t bytes(std::int64_t elements) {
    return round_up_to_line(static_cast<std::size_t>(elements) * sizeof(T));
  }
  std::size_t partial_bytes() const { return b_.parts == 1 ? 0 : bytes(b_.parts * s_.weight_size()); }
  std::size_t strip_bytes() const { return b_.in_place ? 0 : bytes(b_.images * image_ + kernels_.lanes); }
  std::size_t tile_bytes() const { return bytes(kernels_.tiles(1).max_points * panel_columns()); }
  std::size_t sums_bytes() const { return bytes(b_.channels * s_.taps() * panel_columns()); }
  // Of a stage behind the first, to be added.
  std::size_t transposed_bytes() const { return b_.stages == 1 ? 0 : sums_bytes(); }
  std::size_t thread_bytes() const {
    return bytes(block_points() * panel_columns()) + strip_bytes() + tile_bytes() + sums_bytes() +
           transposed_bytes() +
           round_up_to_line(static_cast<std::size_t>(block_points() + channels_ahead) * sizeof(std::int32_t));
  }

  void run_task(std::int64_t index, std::int64_t part, std::int64_t stage, const ConvArrays& arrays,
                T* result, char* memory) const {
    const auto take = [&](std::size_t size) {
      char* const taken = memory;
      memory += size;
      return reinterpret_cast<T*>(taken);
    };
    Task task{};
    const std::int64_t channel_part = index % b_.channel_parts;
    const std::int64_t panel = index / b_.channel_parts % panels_.parts;
    task.group = index / b_.channel_parts / panels_.parts / b_.parts;
    task.first_channel = channel_part * s_.in_channels_per_group() / b_.channel_parts;
    task.channels = (channel_part + 1) * s_.in_channels_per_group() / b_.channel_parts - task.first_channel;
    task.vectors = panels_.end(panel) - panels_.begin(panel);
    task.output = panels_.begin(panel) * kernels_.lanes;
    task.outputs = std::min(s_.out_channels_per_group() - task.output, task.vectors * kernels_.lanes);
    task.packed = take(bytes(block_points() * panel_columns()));
    task.strip = take(strip_bytes());
    task.tile_sums = take(tile_bytes());
    task.sums = take(sums_bytes());
    task.transposed = take(transposed_bytes());
    task.offsets = reinterpret_cast<std::int32_t*>(memory);

    const std::int64_t rows = task.channels * s_.taps();
    std::fill_n(task.sums, rows * task.vectors * kernels_.lanes, T{0});
    const std::int64_t blocks = b_.count(s_), piece = part * b_.stages + stage, pieces = b_.parts * b_.stages;
    const std::int64_t end = (piece + 1) * blocks / pieces;
    for (std::int64_t block = piece * blocks / pieces; block < end && !stop_requested(); ++block)
      add_block(task, block, std::min(block + 1, end - 1), arrays);
    T* const target = result + (task.group * s_.out_channels_per_group() + task.output) * depth_ +
                      task.first_channel * s_.taps();
    const auto store = [&](T* to, std::int64_t row) {
      kernels_.store({task.sums, task.vectors * kernels_.lanes, rows, task.outputs, to, row, 1});
    };
    if (stage == 0) {
      store(target, depth_);
      return;
    }
    store(task.transposed, rows);
    for (std::int64_t k = 0; k < task.outputs; ++k)
      elementwise_.add(rows, target + k * depth_, task.transposed + k * rows, target + k * depth_);
  }

  // The points of a block, and where the first lies in grad_output in a task's first output channel.
  struct Points {
    std::int64_t image, images, depth, row, rows, column, columns;
    const T* grad_output;
    std::int64_t runs, length;  // of an image: runs of neighbours
  };

  Points points_of(const Task& task, std::int64_t block, const ConvArrays& arrays) const {
    Points p{};
    p.column = block % b_.column_parts * b_.columns;
    block /= b_.column_parts;
    p.row = block % b_.row_parts * b_.rows;
    block /= b_.row_parts;
    p.depth = block % s_.output[0], p.image = block / s_.output[0] * b_.images;
    p.images = std::min(b_.images, s_.batch - p.image);
    p.rows = std::min(b_.rows, s_.output[1] - p.row);
    p.columns = std::min(b_.columns, s_.output[2] - p.column);
    p.grad_output = static_cast<const T*>(arrays.grad_output) +
                    (p.image * s_.out_channels + task.group * s_.out_channels_per_group() + task.output) *
                        s_.output_plane() +
                    (p.depth * s_.output[1] + p.row) * s_.output[2] + p.column;
    const bool seamless = p.columns == s_.output[2];
    p.runs = seamless ? 1 : p.rows, p.length = seamless ? p.rows * p.columns : p.columns;
    return p;
  }

  // While a block is at work the points of the next come to L2.
  void add_block(const Task& task, std::int64_t block, std::int64_t next_block,
                 const ConvArrays& arrays) const {
    const auto [image, images, depth, row, rows, column, columns, grad_output, runs, length] =
        points_of(task, block, arrays);
    // grad_output, transposed.
    const std::int64_t output_plane = s_.output_plane(), width = s_.output[2];
    T* packed = task.packed;
    for (std::int64_t n = 0; n < images; ++n)
      for (std::int64_t y = 0; y < runs; ++y, packed += length * task.vectors * kernels_.lanes)
        gemm_.pack_matrix({grad_output + n * s_.out_channels * output_plane + y * width, 1, output_plane,
                           length, task.outputs, static_cast<int>(task.vectors), packed});

    // What it meets of the input.
    const std::int64_t first_row = row * s_.stride[1], first_column = column * s_.stride[2];
    const T* source = static_cast<const T*>(arrays.input);
    if (b_.in_place) {
      source += image * image_ + (task.group * s_.in_channels_per_group() + task.first_channel) * channel_ +
                (depth * s_.stride[0] - s_.pad_before[0]) * plane_ + (first_row - s_.pad_before[1]) * pitch_ +
                first_column - s_.pad_before[2];
    } else {
      const StripSource<T> strips(s_, rows_, columns_, strips_);
      for (std::int64_t n = 0; n < images; ++n)
        strips.fill({image + n, task.group, depth, first_row, slice_rows(s_, rows), first_column,
                     slice_columns(s_, columns), pitch_, plane_, task.first_channel, task.channels},
                    source, task.strip + n * image_);
      source = task.strip;
    }
    std::int32_t* next = task.offsets;
    for (std::int64_t n = 0; n < images; ++n)
      for (std::int64_t y = 0; y < rows; ++y)
        for (std::int64_t x = 0; x < columns; ++x)
          *next++ = static_cast<std::int32_t>(n * image_ + y * s_.stride[1] * pitch_ + x * s_.stride[2]);
    std::fill_n(next, channels_ahead, *(next - 1));
    add_tiles(task, source, images * rows * columns, points_of(task, next_block, arrays));
  }

  // The place of (channel, tap) in what is read, and its row in the sums.
  std::int64_t place(std::int64_t channel, std::int64_t tap) const {
    const std::int64_t column = tap % s_.kernel[2], row = tap / s_.kernel[2] % s_.kernel[1];
    const std::int64_t depth = tap / s_.kernel[2] / s_.kernel[1];
    return channel * channel_ + depth * (b_.in_place ? s_.dilation[0] : 1) * plane_ +
           row * s_.dilation[1] * pitch_ + column * s_.dilation[2];
  }

  // Tiles of channels with one tap, or of the taps of one row of the kernel: whichever are more. Where twice as
  // many fit, a tile takes two taps or rows.
  void add_tiles(const Task& task, const T* source, std::int64_t steps, const Points& ahead) const {
    const bool by_channel = task.channels >= s_.kernel[2];
    const std::int64_t taps = s_.taps();
    const std::int64_t inner = by_channel ? task.channels : s_.kernel[2];
    const std::int64_t outer = task.channels * taps / inner;
    const std::int64_t inner_place = by_channel ? channel_ : s_.dilation[2],
                       inner_row = by_channel ? taps : 1;
    const auto row_of = [&](std::int64_t o) { return by_channel ? o : o * inner; };
    const auto place_of = [&](std::int64_t o) { return place(row_of(o) / taps, row_of(o) % taps); };
    const ChannelsTileRow<T>& tile_row = kernels_.tiles(task.vectors);
    const EvenSplit tiles(inner, tile_row.max_points);
    const std::int64_t width = task.vectors * kernels_.lanes;
    alignas(cache_line_bytes) const std::array<T, 48> zeros{};
    const auto add = [&](std::int64_t row, std::int64_t points, const T* sums) {
      for (std::int64_t i = 0; i < points; ++i) {
        T* const target = task.sums + (row + i * inner_row) * width;
        elementwise_.add(width, target, sums + i * width, target);
      }
    };
    const bool pairs = 2 * inner <= tile_row.max_points;
    // A line a step: the next block's first run in each output channel, and then this block, which is near.
    constexpr std::int64_t line = channels_line<T>;
    const std::int64_t lines = ceil_div(ahead.length - 1, line) + 1;
    std::int64_t fetched = 0;  // output channels
    for (std::int64_t o = 0; o < outer; o += pairs ? 2 : 1)
      for (std::int64_t t = 0; t < tiles.parts; ++t) {
        const bool two = pairs && o + 1 < outer;
        const std::int64_t first = tiles.begin(t), count = tiles.end(t) - first;
        const std::int64_t points = two ? 2 * count : count;
        const std::int64_t begin = place_of(o);
        const bool fetching = fetched < task.outputs;
        tile_row.run[points - 1]({source + begin + first * inner_place, task.offsets, steps, inner_place,
                                  two ? place_of(o + 1) - begin : (points + 1) / 2 * inner_place, task.packed,
                                  fetching ? ahead.grad_output + fetched * s_.output_plane() : task.packed,
                                  zeros.data(), 0, task.tile_sums, lines, fetching ? s_.output_plane() : 0});
        fetched += ceil_div(steps, lines);
        add(row_of(o) + first * inner_row, count, task.tile_sums);
        if (two) add(row_of(o + 1), count, task.tile_sums + count * width);
      }
  }

  ConvShape s_;
  const ChannelsKernels<T>& kernels_;
  const GemmKernels<T>& gemm_;
  const StripKernels<T>& strips_;
  const ElementwiseKernels<T>& elementwise_;
  int threads_;
  StripAxis rows_, columns_;
  EvenSplit panels_;
  GradWeightBlocks b_;
  std::int64_t depth_;
  // Elements of what is read, from row to row, slice to slice, channel to channel and image to image.
  std::int64_t pitch_, plane_, channel_, image_;
};

// Cycles of one core with AVX-512, roughly, on any level: its sums round otherwise than im2col's, and strict
// precision promises the same bits on all that have fused multiply-adds.
template <class T>
double cycles_of(const ConvProblem& problem) {
  const ConvShape& s = problem.shape;
  const ChannelsKernels<T>& kernels = channels_kernels<T>(Isa::avx512);
  const GradWeightBlocks b = blocks_of(s, kernels);
  const EvenSplit panels = panels_of(s, kernels);
  const double vectors = static_cast<double>(panels.total) / static_cast<double>(panels.parts);
  const std::int64_t max_points = kernels.tiles(ceil_div(panels.total, panels.parts)).max_points;
  const std::int64_t inner = std::max(b.channels, s.kernel[2]);
  const std::int64_t fitting =
      2 * inner <= max_points ? 2 * inner : ceil_div(inner, ceil_div(inner, max_points));
  const auto rows = static_cast<double>(s.in_channels_per_group() * s.taps());
  const double tiles = rows / static_cast<double>(fitting);
  const double step = channels_step_cycles(static_cast<double>(fitting), vectors);
  const auto blocks = static_cast<double>(b.count(s));
  const auto points = static_cast<double>(s.batch * s.output_plane());
  const double adding = blocks * tiles * (40 + 5 * static_cast<double>(fitting) * vectors);
  const double transposing = points * vectors * 6 * static_cast<double>(b.channel_parts);
  const double copying =
      b.in_place
          ? 0
          : blocks * static_cast<double>(s.in_channels_per_group() * s.kernel[0]) *
                static_cast<double>(b.images * slice_rows(s, b.rows)) *
                (6 + static_cast<double>(slice_columns(s, b.columns)) * static_cast<double>(sizeof(T)) / 10);
  return static_cast<double>(s.groups * panels.parts) *
             (points * tiles * step + adding + transposing + copying + 1000) +
         static_cast<double>(s.weight_size()) * static_cast<double>(b.parts + 1);
}

}  // namespace

const char* direct_channels_grad_weight_why_not(const ConvProblem& problem) {
  const ConvShape& s = problem.shape;
  if (s.batch == 0 || s.weight_size() == 0 || s.output_plane() == 0 || s.input_plane() == 0)
    return "there is nothing to sum";
  const double taps = (1 + static_cast<double>(s.kernel[1] - 1) * static_cast<double>(s.dilation[1])) *
                      (1 + static_cast<double>(s.kernel[2] - 1) * static_cast<double>(s.dilation[2])) *
                      static_cast<double>(s.kernel[0]);
  if (!reads_in_place(s) &&
      taps * static_cast<double>(size_of(problem.dtype)) > static_cast<double>(most_strip_bytes))
    return "what one point needs of the input is larger than a strip";
  if (static_cast<double>(s.taps()) * static_cast<double>(48 * sizeof(float)) >
      static_cast<double>(4 * most_sums_bytes))
    return "the sums of one channel are too many";
  return nullptr;
}

const char* direct_channels_grad_weight_why_slower(const ConvProblem& problem) {
  const double own = problem.dtype == DType::float32 ? cycles_of<float>(problem) : cycles_of<double>(problem);
  // Of im2col's tasks there are fewer, which feed few threads.
  return own > 1.1 * im2col_gemm_grad_weight_cycles(problem)
             ? "tiles of few channels and taps would take longer than packing im2col panels"
             : nullptr;
}

double direct_channels_grad_weight_cycles(const ConvProblem& problem) {
  return problem.dtype == DType::float32 ? cycles_of<float>(problem) : cycles_of<double>(problem);
}

std::shared_ptr<const ConvAlgorithm> make_direct_channels_grad_weight(const ConvProblem& problem) {
  if (problem.dtype == DType::float32) return std::make_shared<DirectChannelsGradWeight<float>>(problem);
  return std::make_shared<DirectChannelsGradWeight<double>>(problem);
}

}  // namespace convnative
