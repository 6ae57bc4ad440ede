// Direct convolution with output channels in the lanes (conv/direct_channels_kernels.h): weights packed, elements
// of the input broadcast from where they lie. The strongest where sums are long: no im2col, no columns computed
// in vain, any stride and dilation at the same speed.
//
//   tasks: image x group x slice x block of output rows and columns x part of the output channels, in parallel
//     copy what the block needs of the input into a strip             L2; not where nothing is padded
//     for each tile of output channels (up to three vectors)          weights: from end to end, L2
//       for each few rows of the block
//         for each tile of points of a row or two: kernel             sums: L1
//         bring the sums into the output, epilogue
//
// Where a single block meets all weights, and they are not packed beforehand, a tile's are packed where they are used.
//
// Forward is one such product. The gradient in the input is one for each phase of the stride
// (conv/input_phases.h): a convolution of grad_output with the taps of that phase, in reverse, whose results lie
// `stride` apart.
//
// Each output is one chain of fused multiply-adds in the order of (channel, tap) on top of its bias, the same as
// im2col's: blocks, tiles, threads and vector lengths change no bit.
//
// Packed weights: for each product [group][tile of output channels][(channel, tap)][lanes of the tile], zero where
// there are no output channels.
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
#include "conv/epilogue.h"
#include "conv/input_phases.h"
#include "gemm/blocking.h"
#include "gemm/kernels.h"

namespace convnative {
namespace {

// What a block needs of the input stays in L2, beside the weights of a tile of output channels.
constexpr std::int64_t most_strip_bytes = 512 << 10;
constexpr std::int64_t most_source_bytes = 1 << 20;  // where it is not copied
// Sums that wait for being stored: so many points, or a row.
constexpr std::int64_t usual_points = 96;
constexpr std::int64_t most_columns = 512;
// Steps whose weights, 384 KiB, stay in L2 while they meet those points.
constexpr std::int64_t most_steps = 2048;
// A panel of the weights that is packed where it is used.
constexpr double most_passing_bytes = 1 << 20;
// Summed channels whose weights are transposed in one task.
constexpr std::int64_t packed_channels_at_once = 32;
// Phases of a gradient in the input, a product each.
constexpr std::int64_t most_stride = 4;

// One product: a convolution and where its outputs go.
struct ChannelsProduct {
  ConvShape shape;
  std::array<AxisPhase, max_axes> taps;  // of the convolution's kernel that the product sums over
  bool reversed;                         // tap 0 reads the last place
  std::int64_t first;                    // place of output point 0 in a plane of the result
  std::array<std::int64_t, max_axes> step;
};

ChannelsProduct forward_product(const ConvShape& shape) {
  ChannelsProduct product{shape, {}, false, 0, {shape.output[1] * shape.output[2], shape.output[2], 1}};
  for (std::size_t axis = 0; axis < max_axes; ++axis) product.taps[axis] = {0, 0, 0, 1, shape.kernel[axis]};
  return product;
}

std::vector<ChannelsProduct> grad_input_products(const ConvShape& shape) {
  const auto phases = [&](std::size_t axis) {
    return AxisPhases(shape, axis, shape.pad_before[axis], shape.input[axis]);
  };
  const std::array<std::int64_t, max_axes> input_step{shape.input[1] * shape.input[2], shape.input[2], 1};
  std::vector<ChannelsProduct> products;
  phases(0).for_each([&](const AxisPhase& depth) {
    phases(1).for_each([&](const AxisPhase& row) {
      phases(2).for_each([&](const AxisPhase& column) {
        ChannelsProduct product{shape, {depth, row, column}, true, 0, {}};
        ConvShape& s = product.shape;
        std::swap(s.in_channels, s.out_channels);
        s.padding_value = 0;
        for (std::size_t axis = 0; axis < max_axes; ++axis) {
          const AxisPhase& p = product.taps[axis];
          const std::int64_t stride = shape.stride[axis], dilation = shape.dilation[axis];
          s.input[axis] = shape.output[axis];
          s.output[axis] = p.points;
          s.kernel[axis] = p.taps;
          s.stride[axis] = 1;
          s.dilation[axis] = p.taps == 1 ? 1 : p.step * dilation / stride;
          s.pad_before[axis] = (p.taps - 1) * s.dilation[axis] -
                               (p.coordinate + shape.pad_before[axis] - p.first * dilation) / stride;
          product.first += p.coordinate * input_step[axis];
          product.step[axis] = stride * input_step[axis];
        }
        if (s.output[0] * s.output[1] * s.output[2] > 0) products.push_back(product);
      });
    });
  });
  return products;
}

// Of a single tap a strip holds what the points read, else all that lies between as well.
StripAxis strip_axis(const ConvShape& shape, std::size_t axis) {
  return shape.kernel[axis] == 1 ? StripAxis(shape, axis) : dense_axis(shape, axis);
}

// Elements of such an axis from point to point.
std::int64_t point_step(const ConvShape& shape, std::size_t axis) {
  return shape.kernel[axis] == 1 ? 1 : shape.stride[axis];
}

// Whether the input is read where it lies: no tap of any output lies beside it, and its channels, each of which
// may cost a miss of the TLB, lie near to one another or are read for many taps, and not 4 KiB apart, where all of
// them would fall into one set of L1.
bool reads_in_place(const ConvShape& s) {
  constexpr std::int64_t near = 256, apart = 1024;
  return reads_no_padding(s) && s.input_plane() <= near * s.taps() && s.input_plane() % apart != 0 &&
         s.in_channels_per_group() * s.input_plane() <= std::numeric_limits<std::int32_t>::max();
}

// Points of a 1 x 1 convolution of stride 1 are one row.
ConvShape flattened(const ChannelsProduct& product) {
  ConvShape s = product.shape;
  if (!s.is_pointwise() ||
      product.step != std::array<std::int64_t, max_axes>{s.output[1] * s.output[2], s.output[2], 1})
    return s;
  s.input = s.output = {1, 1, s.output_plane()};
  return s;
}

// Tiles of output channels, the same in all products: the fewest, or, where threads share those of few images, as many
// for each thread.
template <class T>
EvenSplit channel_tiles(const ConvShape& s, const ChannelsKernels<T>& kernels, std::int64_t threads) {
  EvenSplit tiles(ceil_div(s.out_channels_per_group(), kernels.lanes), kernels.max_vectors);
  const std::int64_t even = ceil_div(tiles.parts, threads) * threads;
  if (tiles.parts > threads && even <= tiles.total && s.batch * s.groups < threads) tiles.parts = even;
  return tiles;
}

// How the outputs of a product are cut into blocks.
template <class T>
struct ChannelsBlocks {
  std::int64_t row_parts = 1, column_parts = 1, channel_parts = 1;
  std::int64_t rows = 1, columns = 1;                       // of the largest block
  double cycles = std::numeric_limits<double>::infinity();  // of all tasks, on so many threads

  // `scattered`: outputs are no neighbours.
  ChannelsBlocks(const ConvShape& s, bool scattered, const ChannelsKernels<T>& kernels, int threads);
};

// What so many rows and columns of points need of the input: rows of all channels, elements; in floating point because
// sizes may be anything.
double block_extent(const ConvShape& s, std::size_t axis, std::int64_t points) {
  return static_cast<double>((points - 1) * point_step(s, axis) + 1 +
                             (s.kernel[axis] - 1) * s.dilation[axis]);
}
double block_lines(const ConvShape& s, std::int64_t rows) {
  return static_cast<double>(s.in_channels_per_group() * s.kernel[0]) * block_extent(s, 1, rows);
}
double block_elements(const ConvShape& s, std::int64_t rows, std::int64_t columns) {
  return block_lines(s, rows) * block_extent(s, 2, columns);
}

template <class T>
ChannelsBlocks<T>::ChannelsBlocks(const ConvShape& s, bool scattered, const ChannelsKernels<T>& kernels,
                                  int threads) {
  constexpr auto element_bytes = static_cast<std::int64_t>(sizeof(T));
  const std::int64_t depth = s.in_channels_per_group() * s.taps();
  const std::int64_t height = s.output[1], width = s.output[2];
  const bool copies = !reads_in_place(s);
  const auto most = static_cast<double>((copies ? most_strip_bytes : most_source_bytes) / element_bytes);
  const EvenSplit all_tiles = channel_tiles(s, kernels, threads);
  const std::int64_t max_vectors = ceil_div(all_tiles.total, all_tiles.parts);
  const std::int64_t max_points = kernels.tiles(max_vectors).max_points;
  const std::int64_t task_columns =
      std::clamp(most_macs_per_lane / (depth * max_vectors), max_points, most_columns);
  const auto smallest = [](std::int64_t total, const auto& fits) {
    std::int64_t parts = 1;
    while (parts < total && !fits(ceil_div(total, parts))) parts = std::max(parts + 1, parts * 9 / 8);
    return std::min(parts, total);
  };
  const std::int64_t fewest_column_parts =
      smallest(width, [&](std::int64_t c) { return c <= task_columns && block_elements(s, 1, c) <= most; });
  const std::int64_t widest = ceil_div(width, fewest_column_parts);
  const std::int64_t fewest_row_parts = smallest(height, [&](std::int64_t r) {
    return block_elements(s, r, widest) <= most &&
           static_cast<double>(r * widest) * static_cast<double>(depth * max_vectors) <= most_macs_per_lane;
  });
  // Threads share the points of a single row too.
  const std::int64_t most_column_parts =
      threads > 1 && height == 1 ? std::min(width, fewest_column_parts + 4 * threads) : fewest_column_parts;

  // Channels a multiple of 256 elements apart take a tenth longer (planes of 16 x 16, float32), presumably since they
  // share a few sets of L1.
  const double sharing = !copies && s.input_plane() % 256 == 0 ? 1.1 : 1;
  // Few points of many channels are stored at a time: results that L2 or no cache holds come slowly.
  const double result_bytes = static_cast<double>(s.batch * s.out_channels) *
                              static_cast<double>(s.output_plane()) * static_cast<double>(element_bytes);
  const bool distant = result_bytes > 8 << 20, far = result_bytes > 2 << 20;
  // Scattered, each line of them comes for every phase of the stride.
  const double storing = scattered ? (distant ? 300 : far ? 180 : 32) : (distant ? 54 : far ? 34 : 20);
  const auto consider = [&](std::int64_t c, std::int64_t r, std::int64_t q) {
    const std::int64_t block_rows = ceil_div(height, r), block_columns = ceil_div(width, q);
    // Two short rows share a tile.
    const bool pairs = 2 * block_columns <= max_points && block_rows > 1;
    const EvenSplit points(pairs ? 2 * block_columns : block_columns, max_points);
    const double row_step =
        static_cast<double>(points.parts) / (pairs ? 2 : 1) *
        channels_step_cycles(static_cast<double>(points.total) / static_cast<double>(points.parts),
                             static_cast<double>(all_tiles.total) / static_cast<double>(all_tiles.parts));
    const std::int64_t rounds = ceil_div(s.batch * s.groups * s.output[0] * q * r * c, threads);
    const auto tiles = static_cast<double>(ceil_div(all_tiles.parts, c));
    const double products =
        tiles * static_cast<double>(block_rows) *
        (row_step * static_cast<double>(depth) * sharing + static_cast<double>(block_columns) * storing +
         static_cast<double>(points.parts) * 30);
    const double elements = block_elements(s, block_rows, block_columns);
    // From L3, then to and from L2, row by row for each phase of the columns, a few cycles for each of the shortest.
    const double lines = block_lines(s, block_rows) * static_cast<double>(point_step(s, 2));
    const double bytes = elements * static_cast<double>(element_bytes);
    const double copying = copies ? std::max(bytes / 10, 3.5 * lines) : bytes / 60;
    const double weights =
        tiles * static_cast<double>(depth * max_vectors * kernels.lanes * element_bytes) / 24;
    const double total = static_cast<double>(rounds) * (products + copying + weights + 600);
    if (total >= cycles) return;
    cycles = total;
    rows = block_rows, columns = block_columns;
    row_parts = ceil_div(height, rows), column_parts = q, channel_parts = c;
  };
  for (std::int64_t c = 1; c <= std::min<std::int64_t>(all_tiles.parts, 4 * threads); c *= 2)
    for (std::int64_t r = fewest_row_parts;
         r <= std::min<std::int64_t>(height, fewest_row_parts + 4 * threads); ++r)
      for (std::int64_t q = fewest_column_parts; q <= most_column_parts; ++q) consider(c, r, q);
}

// Whether each panel of the weights serves a single block: packed where it is used, it never leaves L2.
template <class T>
bool panels_pass(const ConvShape& s, const ChannelsBlocks<T>& blocks, const ChannelsKernels<T>& kernels) {
  const auto panel = static_cast<double>(s.in_channels_per_group() * s.taps() * kernels.max_vectors *
                                         kernels.lanes * std::int64_t{sizeof(T)});
  return s.batch * s.output[0] * blocks.row_parts * blocks.column_parts == 1 && panel <= most_passing_bytes;
}

template <class T>
class DirectChannels final : public ConvAlgorithm {
 public:
  explicit DirectChannels(const ConvProblem& problem)
      : s_(problem.shape),
        forward_(problem.operation == ConvOperation::forward),
        kernels_(channels_kernels<T>(problem.isa)),
        gemm_(gemm_kernels<T>(problem.isa)),
        strips_(strip_kernels<T>(problem.isa)),
        epilogue_(problem),
        threads_(problem.threads),
        result_plane_(forward_ ? s_.output_plane() : s_.input_plane()) {
    const std::vector<ChannelsProduct> products =
        forward_ ? std::vector{forward_product(s_)} : grad_input_products(s_);
    for (const ChannelsProduct& product : products) {
      Part part(product, *this);
      part.weights_first = weights_;
      weights_ += s_.groups * part.group_weights;
      thread_bytes_ = std::max(thread_bytes_, part.thread_bytes());
      parts_.push_back(part);
    }
    if (!forward_) tap_places_ = places_of_taps();
    passing_ = !problem.prepacked && parts_.size() == 1 &&
               panels_pass(parts_.front().s, parts_.front().blocks, kernels_);
    if (passing_) thread_bytes_ += panel_bytes(parts_.front());
  }

  const char* name() const override { return "direct_channels"; }
  std::string kernel() const override { return channels_kernel_name(kernels_); }
  std::size_t packed_weight_bytes() const override {
    return passing_ ? 0 : static_cast<std::size_t>(weights_) * sizeof(T);
  }
  std::size_t workspace_bytes() const override { return thread_bytes_ * static_cast<std::size_t>(threads_); }
  bool fuses_epilogue() const override { return parts_.size() == 1; }

  void pack(const void* weight, void* packed) const override {
    if (passing_) return;
    const std::int64_t panels = parts_.empty() ? 0 : parts_.front().panels.parts, inputs = packed_channels();
    const std::int64_t chunks = forward_ ? 1 : ceil_div(inputs, packed_channels_at_once);
    parallel_for(s_.groups * panels * chunks, threads_, [&](std::int64_t task, int) {
      const std::int64_t first = task % chunks * packed_channels_at_once;
      pack_panel(task / chunks / panels, task / chunks % panels, first,
                 forward_ ? inputs : std::min(packed_channels_at_once, inputs - first),
                 static_cast<const T*>(weight), static_cast<T*>(packed));
    });
  }

  void run(const ConvArrays& arrays, const void* packed, void* workspace) const override {
    for (const Part& part : parts_)
      parallel_for(part.tasks(), threads_, [&](std::int64_t task, int thread) {
        run_task(part, task, arrays, static_cast<const T*>(packed) + part.weights_first,
                 static_cast<char*>(workspace) + thread_bytes_ * static_cast<std::size_t>(thread));
      });
  }

 private:
  struct Part {
    ChannelsProduct product;
    ConvShape s;  // of the convolution that is run
    StripAxis rows, columns;
    bool in_place;
    std::int64_t depth;
    EvenSplit panels;  // vectors of output channels
    EvenSplit steps;   // of the sums, in parts whose weights stay in L2 for some rows
    ChannelsBlocks<T> blocks;
    std::int64_t group_weights;
    std::int64_t weights_first = 0;
    // Elements of what is read, from point to point, row to row, slice to slice and channel to channel.
    std::int64_t row_step, column_step, pitch, plane, channel_stride;
    std::int64_t chunk_rows;
    std::int64_t lanes, max_vectors;
    std::vector<std::int32_t> offsets;  // of each step

    Part(const ChannelsProduct& p, const DirectChannels& d)
        : product(p),
          s(flattened(p)),
          rows(strip_axis(s, 1)),
          columns(strip_axis(s, 2)),
          in_place(reads_in_place(s)),
          depth(s.in_channels_per_group() * s.taps()),
          panels(channel_tiles(s, d.kernels_, d.threads_)),
          steps(depth, most_steps),
          blocks(s, product.step[2] > 1, d.kernels_, d.threads_),
          group_weights(panels.total * d.kernels_.lanes * depth),
          row_step(in_place ? s.stride[1] : point_step(s, 1)),
          column_step(in_place ? s.stride[2] : point_step(s, 2)),
          pitch(in_place ? s.input[2] : (blocks.columns - 1) * column_step + 1 + columns.ahead),
          plane(in_place ? s.input[1] * s.input[2] : pitch * ((blocks.rows - 1) * row_step + 1 + rows.ahead)),
          channel_stride(in_place ? s.input_plane() : plane * s.kernel[0]),
          chunk_rows(std::clamp<std::int64_t>(usual_points / blocks.columns, 1, blocks.rows)),
          lanes(d.kernels_.lanes),
          max_vectors(d.kernels_.max_vectors) {
      const auto place = [&](std::size_t axis, std::int64_t tap) {
        return product.reversed ? s.kernel[axis] - 1 - tap : tap;
      };
      offsets.reserve(static_cast<std::size_t>(depth + channels_ahead));
      for (std::int64_t c = 0; c < s.in_channels_per_group(); ++c)
        for (std::int64_t t = 0; t < s.kernel[0]; ++t)
          for (std::int64_t i = 0; i < s.kernel[1]; ++i)
            for (std::int64_t j = 0; j < s.kernel[2]; ++j)
              offsets.push_back(static_cast<std::int32_t>(
                  c * channel_stride + place(0, t) * (in_place ? s.dilation[0] : 1) * plane +
                  place(1, i) * s.dilation[1] * pitch + place(2, j) * s.dilation[2]));
      offsets.resize(static_cast<std::size_t>(depth + channels_ahead), offsets.back());
    }

    std::int64_t tasks() const {
      return s.batch * s.groups * s.output[0] * blocks.row_parts * blocks.column_parts * blocks.channel_parts;
    }
    std::size_t strip_bytes() const {
      if (in_place) return 0;
      return round_up_to_line(static_cast<std::size_t>(s.in_channels_per_group() * channel_stride + lanes) *
                              sizeof(T));
    }
    // Whole vectors of points are read when the sums are brought into the output.
    std::size_t sums_bytes() const {
      return static_cast<std::size_t>((chunk_rows * blocks.columns + 1) * max_vectors * lanes) * sizeof(T);
    }
    std::size_t thread_bytes() const { return strip_bytes() + round_up_to_line(sums_bytes()); }
  };

  static std::size_t panel_bytes(const Part& part) {
    return round_up_to_line(static_cast<std::size_t>(part.depth * part.max_vectors * part.lanes) * sizeof(T));
  }

  // Channels per group that the products sum over.
  std::int64_t packed_channels() const {
    return forward_ ? s_.in_channels_per_group() : s_.out_channels_per_group();
  }

  // A panel of every product, `channels` of its summed channels from the first on; where panels pass, of the only one.
  void pack_panel(std::int64_t group, std::int64_t panel, std::int64_t first_channel, std::int64_t channels,
                  const T* weight, T* packed) const {
    const Part& any = parts_.front();  // their panels are alike
    const std::int64_t lanes = kernels_.lanes, outputs = any.s.out_channels_per_group(), taps = s_.taps();
    const std::int64_t first = any.panels.begin(panel) * lanes;
    const auto vectors = static_cast<int>(any.panels.end(panel) - any.panels.begin(panel));
    const std::int64_t width = vectors * lanes, columns = std::min(outputs - first, width);
    const auto target = [&](const Part& part) {
      return passing_ ? packed
                      : packed + part.weights_first + group * part.group_weights + first * part.depth;
    };
    weight += group * packed_channels() * outputs * taps;
    if (forward_) {
      gemm_.pack_matrix({weight + first * any.depth, 1, any.depth, any.depth, columns, vectors, target(any)});
      return;
    }
    weight += (first_channel * outputs + first) * taps;
    if (taps == 1) {
      gemm_.pack_matrix(
          {weight, outputs, 1, channels, columns, vectors, target(any) + first_channel * width});
      return;
    }
    // The taps of a kernel are neighbours, those of the channels in the lanes a kernel apart: squares of both are
    // transposed, all products' taps at once.
    constexpr std::size_t most_vectors = 3;
    std::array<T, MatrixColumns<T>::most * most_vectors> nowhere;  // taps that meet no point
    std::array<T*, MatrixColumns<T>::most> targets{};
    for (std::int64_t channel = 0; channel < channels; ++channel, weight += outputs * taps)
      for (std::int64_t tap = 0; tap < taps; tap += lanes) {
        const std::int64_t count = std::min<std::int64_t>(taps - tap, lanes);
        for (std::int64_t i = 0; i < count; ++i) {
          const TapPlace& place = tap_places_[static_cast<std::size_t>(tap + i)];
          T*& row = targets[static_cast<std::size_t>(i)];
          row = nowhere.data();
          if (place.part == nullptr) continue;
          row = target(*place.part) + ((first_channel + channel) * place.part->s.taps() + place.step) * width;
          std::fill(row + columns, row + width, T{0});
        }
        gemm_.transpose_columns({weight + tap, taps, columns, count, targets.data()});
      }
  }

  // Where a tap of the kernel is summed: in one product, or in none that has points.
  struct TapPlace {
    const Part* part;
    std::int64_t step;
  };
  std::vector<TapPlace> places_of_taps() const {
    std::vector<TapPlace> places(static_cast<std::size_t>(s_.taps()), TapPlace{nullptr, 0});
    for (const Part& part : parts_) {
      const auto& [depth, row, column] = part.product.taps;
      std::int64_t step = 0;
      for (std::int64_t i = 0, d = depth.first; i < depth.taps; ++i, d += depth.step)
        for (std::int64_t j = 0, r = row.first; j < row.taps; ++j, r += row.step)
          for (std::int64_t l = 0, c = column.first; l < column.taps; ++l, c += column.step)
            places[static_cast<std::size_t>((d * s_.kernel[1] + r) * s_.kernel[2] + c)] = {&part, step++};
    }
    return places;
  }

  void run_task(const Part& part, std::int64_t task, const ConvArrays& arrays, const T* packed,
                char* memory) const {
    const ConvShape& s = part.s;
    const ChannelsBlocks<T>& b = part.blocks;
    const std::int64_t channel_part = task % b.channel_parts;
    task /= b.channel_parts;
    const std::int64_t column_part = task % b.column_parts, row_part = task / b.column_parts % b.row_parts;
    task /= b.column_parts * b.row_parts;
    const std::int64_t depth = task % s.output[0], group = task / s.output[0] % s.groups;
    const std::int64_t image = task / s.output[0] / s.groups;
    const std::int64_t row = row_part * b.rows, rows = std::min(b.rows, s.output[1] - row);
    const std::int64_t column = column_part * s.output[2] / b.column_parts;
    const std::int64_t columns = (column_part + 1) * s.output[2] / b.column_parts - column;

    const T* source = static_cast<const T*>(forward_ ? arrays.input : arrays.grad_output);
    T* const strip = reinterpret_cast<T*>(memory);
    T* const sums = reinterpret_cast<T*>(memory + part.strip_bytes());
    T* const passing = reinterpret_cast<T*>(memory + part.thread_bytes());
    if (part.in_place) {
      source += (image * s.groups + group) * s.in_channels_per_group() * part.channel_stride +
                (depth * s.stride[0] - s.pad_before[0]) * part.plane +
                (row * s.stride[1] - s.pad_before[1]) * part.pitch + column * s.stride[2] - s.pad_before[2];
    } else {
      StripSource<T>(s, part.rows, part.columns, strips_)
          .fill({image, group, depth, row * part.row_step, (rows - 1) * part.row_step + 1 + part.rows.ahead,
                 column * part.column_step, (columns - 1) * part.column_step + 1 + part.columns.ahead,
                 part.pitch, part.plane, 0, s.in_channels_per_group()},
                source, strip);
      source = strip;
    }

    const std::int64_t lanes = kernels_.lanes, outputs = s.out_channels_per_group();
    const std::int64_t last_panel = (channel_part + 1) * part.panels.parts / b.channel_parts;
    for (std::int64_t panel = channel_part * part.panels.parts / b.channel_parts; panel < last_panel;
         ++panel) {
      const std::int64_t first = part.panels.begin(panel) * lanes;
      const std::int64_t vectors = part.panels.end(panel) - part.panels.begin(panel), width = vectors * lanes;
      const ChannelsTileRow<T>& tile_row = kernels_.tiles(vectors);
      const EvenSplit tiles(columns, tile_row.max_points);
      const std::int64_t channel = group * outputs + first;
      const std::int64_t channels = std::min(outputs - first, width);
      if (passing_)
        pack_panel(group, panel, 0, packed_channels(), static_cast<const T*>(arrays.weight), passing);
      alignas(cache_line_bytes) std::array<T, 48> start{};
      if (arrays.bias != nullptr)
        std::copy_n(static_cast<const T*>(arrays.bias) + channel, channels, start.data());
      const T* const weights = passing_ ? passing : packed + group * part.group_weights + first * part.depth;
      ChannelsTile<T> tile{};
      tile.point_stride = part.column_step;
      T* const result = static_cast<T*>(arrays.result) +
                        (image * s.groups * outputs + channel) * result_plane_ + part.product.first +
                        depth * part.product.step[0] + column * part.product.step[2];
      for (std::int64_t y = 0; y < rows; y += part.chunk_rows) {
        const std::int64_t count = std::min(part.chunk_rows, rows - y);
        std::int64_t fetching = 0;  // tiles that share what is fetched
        const auto run = [&](std::int64_t i, std::int64_t first_point, std::int64_t points) {
          tile.source = source + i * part.row_step * part.pitch + first_point * part.column_step;
          tile_row.run[points - 1](tile);
          tile.sums += points * width;
          tile.start += points * tile.start_step;
          tile.next = --fetching > 0 ? tile.next + tile.steps * channels_line<T> : tile.weight;
        };
        for (std::int64_t steps = 0; steps < part.steps.parts; ++steps) {
          const std::int64_t first_step = part.steps.begin(steps);
          tile.offsets = part.offsets.data() + first_step;
          tile.steps = part.steps.end(steps) - first_step;
          tile.weight = weights + first_step * width;
          // The part behind this one, the panel behind this one, or the first part once more.
          tile.next =
              steps + 1 == part.steps.parts && y + count < rows ? weights : tile.weight + tile.steps * width;
          fetching = width / channels_line<T>;
          tile.sums = sums;
          tile.start = steps == 0 ? start.data() : sums;
          tile.start_step = steps == 0 ? 0 : width;
          std::int64_t i = y;
          if (2 * columns <= tile_row.max_points) {
            tile.second_half = part.row_step * part.pitch;
            for (; i + 1 < y + count; i += 2) run(i, 0, 2 * columns);
          }
          for (; i < y + count; ++i)
            for (std::int64_t t = 0; t < tiles.parts; ++t) {
              const std::int64_t points = tiles.end(t) - tiles.begin(t);
              tile.second_half = (points + 1) / 2 * part.column_step;
              run(i, tiles.begin(t), points);
            }
        }
        store(part, arrays, sums, width, channels, count, columns, result + (row + y) * part.product.step[1]);
      }
    }
  }

  void store(const Part& part, const ConvArrays& arrays, const T* sums, std::int64_t sum_stride,
             std::int64_t channels, std::int64_t rows, std::int64_t columns, T* result) const {
    const std::int64_t plane = result_plane_;
    const std::int64_t row_step = part.product.step[1], step = part.product.step[2];
    // Rows that follow one another without a gap are one.
    const bool seamless = columns * step == row_step;
    const std::int64_t count = seamless ? 1 : rows, points = seamless ? rows * columns : columns;
    const bool wanted = fuses_epilogue() && epilogue_.wanted(arrays);
    for (std::int64_t y = 0; y < count; ++y, sums += points * sum_stride, result += row_step) {
      kernels_.store({sums, sum_stride, points, channels, result, plane, step});
      if (!wanted) continue;
      for (std::int64_t c = 0; c < channels; ++c) epilogue_.finish(arrays, result + c * plane, points);
    }
  }

  ConvShape s_;
  bool forward_;
  const ChannelsKernels<T>& kernels_;
  const GemmKernels<T>& gemm_;
  const StripKernels<T>& strips_;
  Epilogue<T> epilogue_;
  int threads_;
  std::int64_t result_plane_;
  std::int64_t weights_ = 0;
  std::size_t thread_bytes_ = 0;
  std::vector<Part> parts_;
  std::vector<TapPlace> tap_places_;  // of the gradient in the input
  bool passing_ = false;              // panels of the weights are packed where they are used
};

// Cycles of one core, roughly; for problems to which it applies.
template <class T>
double channels_cycles(const ConvProblem& problem) {
  const ChannelsKernels<T>& kernels = channels_kernels<T>(problem.isa);
  const bool forward = problem.operation == ConvOperation::forward;
  const std::vector<ChannelsProduct> products =
      forward ? std::vector{forward_product(problem.shape)} : grad_input_products(problem.shape);
  double cycles = 0;
  for (const ChannelsProduct& product : products) {
    const ConvShape s = flattened(product);
    const std::int64_t vectors = ceil_div(s.out_channels_per_group(), kernels.lanes);
    const ChannelsBlocks<T> blocks(s, product.step[2] > 1, kernels, 1);
    cycles += blocks.cycles;
    if (problem.prepacked) continue;
    const auto weights = static_cast<double>(s.groups * vectors * s.in_channels_per_group() * s.taps());
    // Packed weights that do not stay in L2 come back from L3. Allocators return memory beyond 32 MiB to the system,
    // which hands it out again page by page, cleared.
    const double bytes = weights * static_cast<double>(kernels.lanes) * sizeof(T);
    const bool pass = products.size() == 1 && panels_pass(s, blocks, kernels);
    const bool near = pass || (forward && bytes <= 1 << 20), kept = bytes <= 32 << 20;
    const double packing = forward ? 10 : 15;
    cycles += weights * (near ? packing : kept ? packing + 6 : 30);
  }
  return cycles;
}

}  // namespace

const char* direct_channels_why_not(const ConvProblem& problem) {
  const ConvShape& s = problem.shape;
  if (problem.operation == ConvOperation::grad_input) {
    if (s.pads_with_input()) return "for padding with zeros or a constant alone";
    for (std::size_t axis = 0; axis < max_axes; ++axis) {
      if (s.stride[axis] > most_stride) return "for gradients of strides up to 4 alone";
      if (!AxisPhases(s, axis, s.pad_before[axis], s.input[axis]).cover_all_inputs())
        return "for gradients that reach every input alone";
    }
  }
  if (s.weight_size() == 0 || s.output_plane() == 0 || s.input_plane() == 0) return "there is nothing to sum";
  for (const ChannelsProduct& product : problem.operation == ConvOperation::forward
                                            ? std::vector{forward_product(s)}
                                            : grad_input_products(s)) {
    if (!reads_in_place(product.shape) &&
        block_elements(product.shape, 1, 1) * static_cast<double>(size_of(problem.dtype)) >
            static_cast<double>(most_strip_bytes))
      return "what one output needs of the input is larger than a strip";
  }
  return nullptr;
}

double direct_channels_cycles(const ConvProblem& problem) {
  return problem.dtype == DType::float32 ? channels_cycles<float>(problem) : channels_cycles<double>(problem);
}

const char* direct_channels_why_slower(const ConvProblem& problem) {
  return direct_channels_cycles(problem) > im2col_gemm_cycles(problem)
             ? "packing the weights, or tiles of few channels and points, would take longer than packing "
               "im2col "
               "panels"
             : nullptr;
}

std::shared_ptr<const ConvAlgorithm> make_direct_channels(const ConvProblem& problem) {
  if (problem.dtype == DType::float32) return std::make_shared<DirectChannels<float>>(problem);
  return std::make_shared<DirectChannels<double>>(problem);
}

}  // namespace convnative
