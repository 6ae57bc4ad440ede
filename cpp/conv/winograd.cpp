// Winograd convolution F(4x4, r x r) and F(2x2, r x r), r = 3 or 5: forward and gradient in the input.
//
// The gradient in the input at stride 1 is the convolution of grad_output with the reversed taps, input and
// output channels exchanged, and padding kernel - 1 - pad; both operations are one `Problem` below.
//
//   tasks: group x block of tiles x part of the panels, in parallel
//     transform the block's input           V[frequency][tile][channel]        L2
//     for each panel of NR output channels
//       for each frequency                  U: KC x NR, in the order of use, from L3 or memory
//         for each MR tiles: micro-kernel   M[frequency][tile][NR]             L2
//       transform to outputs
//
// Each element of M is a sum over the channels in a fixed order, and a tile's transforms depend on the tile
// alone: blocks and threads change no bit.
//
// Arithmetic is 36 / 144 (F(4x4)) or 16 / 36 (F(2x2)) of the direct algorithm's with 3 taps, 64 / 400 or
// 36 / 100 with 5. Where a product is not finite,
// an infinity has met a transform (which spreads it over the tile as NaN) or a transform has overflowed: such
// tiles are computed again by the definition.
#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <string>

#include "base/aligned_buffer.h"
#include "base/checked.h"
#include "base/cpu.h"
#include "base/parallel.h"
#include "conv/algorithm.h"
#include "conv/epilogue.h"
#include "conv/winograd.h"
#include "conv/winograd_kernels.h"
#include "gemm/blocking.h"
#include "gemm/kernels.h"

namespace convnative {
namespace {

// V and M of a block take this share of L2, U passes through the rest; a thread's workspace stays below 2 MiB.
constexpr std::int64_t most_block_bytes = 1600 << 10;
constexpr std::int64_t most_block_share = 70;  // per cent
// More tiles gain nothing: each row of a panel is used often enough.
constexpr std::int64_t most_block_tiles = 80;
// The L2 that the choice of the algorithm reckons with: results must not depend on the CPU's.
constexpr std::int64_t nominal_l2_bytes = 1 << 20;

// Four times as many transformed weights still stay in most L3 caches: 36 MiB.
constexpr std::int64_t most_weights = 9 * (std::int64_t{1} << 18);
// One tile of V stays within a block.
constexpr std::int64_t most_channels = 4096;

// F(4x4, 5x5) rounds most: its sums over the channels are added up from short chains, and where channels or
// outputs are so few that its errors would not average out, it stays out. This keeps it within the error of
// F(4x4, 3x3).
constexpr std::int64_t most_chained_channels = 16;
constexpr std::int64_t least_channels = 32, least_outputs = 16384;

// Input channels whose taps are transposed together on their way to U.
constexpr std::int64_t packed_channels = 16;

constexpr std::int64_t line = cache_line_bytes / sizeof(float);

std::int64_t round_up(std::int64_t value, std::int64_t multiple) {
  return ceil_div(value, multiple) * multiple;
}

template <class T>
bool rounds_most(const WinogradKernels<T>& kernels) {
  return kernels.outputs == 4 && kernels.taps == 5;
}

// A convolution of stride 1, whichever operation it serves.
struct Problem {
  std::int64_t batch, groups;
  std::int64_t in_channels, out_channels;  // per group
  std::int64_t height, width;              // of the source
  std::int64_t out_height, out_width;
  std::int64_t pad_top, pad_left;
  std::int64_t taps;                                 // on each axis
  std::int64_t weight_in, weight_out, weight_group;  // elements from channel to channel, group to group
  bool flip;

  explicit Problem(const ConvProblem& problem) {
    const ConvShape& s = problem.shape;
    const std::int64_t inputs = s.in_channels_per_group(), outputs = s.out_channels_per_group();
    batch = s.batch;
    groups = s.groups;
    taps = s.kernel[1];
    weight_group = outputs * inputs * taps * taps;
    flip = problem.operation == ConvOperation::grad_input;
    if (!flip) {
      in_channels = inputs, out_channels = outputs;
      height = s.input[1], width = s.input[2];
      out_height = s.output[1], out_width = s.output[2];
      pad_top = s.pad_before[1], pad_left = s.pad_before[2];
      weight_in = taps * taps, weight_out = inputs * weight_in;
    } else {
      in_channels = outputs, out_channels = inputs;
      height = s.output[1], width = s.output[2];
      out_height = s.input[1], out_width = s.input[2];
      pad_top = taps - 1 - s.pad_before[1], pad_left = taps - 1 - s.pad_before[2];
      weight_out = taps * taps, weight_in = inputs * weight_out;
    }
  }
};

// Tiles that a block holds at the most.
template <class T>
std::int64_t fitting_tiles(const Problem& p, const WinogradKernels<T>& kernels, const GemmKernels<T>& gemm,
                           std::int64_t l2_bytes) {
  const std::int64_t panel = gemm.max_vectors * gemm.lanes;
  const std::int64_t tile_bytes =
      kernels.frequencies() * (round_up(p.in_channels, gemm.lanes) + panel) * std::int64_t{sizeof(T)};
  const std::int64_t tile_macs = kernels.frequencies() * p.in_channels * p.out_channels;
  const std::int64_t bytes = std::min(l2_bytes / 100 * most_block_share, most_block_bytes);
  return std::clamp<std::int64_t>(std::min(bytes / tile_bytes, most_macs_per_lane * gemm.lanes / tile_macs),
                                  1, most_block_tiles);
}

// Cycles of transforming and multiplying `tiles` tiles for so many vectors of output channels, roughly. The factors
// were fitted to measurements with AVX-512; they hold within a quarter from 16 to 512 channels.
template <class T>
double task_cycles(const Problem& p, const WinogradKernels<T>& kernels, const GemmKernels<T>& gemm,
                   double tiles, double out_vectors) {
  const auto in_vectors = static_cast<double>(ceil_div(p.in_channels, gemm.lanes));
  const auto frequencies = static_cast<double>(kernels.frequencies());
  const double weights = frequencies * static_cast<double>(p.in_channels) * out_vectors;  // vectors of U
  const double products = tiles * weights / 2;
  const double transforms = tiles * frequencies * (in_vectors + out_vectors) * 8.6;
  const double bytes = weights * gemm.lanes * static_cast<double>(sizeof(T));
  const bool near = bytes <= static_cast<double>(nominal_l2_bytes);  // U stays in L2
  return products + transforms + (near ? 0 : bytes / 23);
}

template <class T>
class Winograd final : public ConvAlgorithm {
 public:
  Winograd(const char* name, const ConvProblem& problem, const WinogradKernels<T>& kernels)
      : name_(name),
        p_(problem),
        kernels_(kernels),
        gemm_(gemm_kernels<T>(problem.isa)),
        epilogue_(problem),
        threads_(problem.threads),
        tiles_(p_.batch, p_.out_height, p_.out_width, kernels.outputs),
        panels_(ceil_div(p_.out_channels, gemm_.lanes), gemm_.max_vectors),
        tasks_(choose_tasks()),
        blocks_(tiles_.count, tasks_.block_tiles),
        v_tile_(round_up(p_.in_channels, gemm_.lanes)),
        v_frequency_(padded(ceil_div(tiles_.count, std::max<std::int64_t>(blocks_.parts, 1)) * v_tile_)),
        m_frequency_(padded(ceil_div(tiles_.count, std::max<std::int64_t>(blocks_.parts, 1)) *
                            gemm_.max_vectors * gemm_.lanes)) {}

  const char* name() const override { return name_; }
  std::string kernel() const override {
    return std::string(kernels_.name) + ", " + gemm_.kernel(gemm_.max_rows, gemm_.max_vectors).name;
  }
  std::size_t packed_weight_bytes() const override {
    return static_cast<std::size_t>(p_.groups * group_weights()) * sizeof(T);
  }
  std::size_t workspace_bytes() const override { return thread_bytes() * static_cast<std::size_t>(threads_); }
  bool fuses_epilogue() const override { return true; }

  void pack(const void* weight, void* packed) const override {
    const std::int64_t chunks = ceil_div(p_.in_channels, packed_channels);
    parallel_for(p_.groups * panels_.parts * chunks, threads_, [&](std::int64_t task, int) {
      const std::int64_t chunk = task % chunks, panel = task / chunks % panels_.parts;
      const std::int64_t group = task / chunks / panels_.parts;
      const std::int64_t first = chunk * packed_channels;
      pack_chunk(static_cast<const T*>(weight) + group * p_.weight_group, panel, first,
                 std::min(packed_channels, p_.in_channels - first),
                 static_cast<T*>(packed) + group * group_weights());
    });
  }

  void run(const ConvArrays& arrays, const void* packed, void* workspace) const override {
    const void* const source = p_.flip ? arrays.grad_output : arrays.input;
    const std::int64_t parts = tasks_.panel_parts;
    parallel_for(p_.groups * blocks_.parts * parts, threads_, [&](std::int64_t task, int thread) {
      char* const memory = static_cast<char*>(workspace) + thread_bytes() * static_cast<std::size_t>(thread);
      const std::int64_t part = task % parts;
      task /= parts;
      Block block{};
      block.group = task / blocks_.parts;
      block.first = blocks_.begin(task % blocks_.parts);
      block.last = blocks_.end(task % blocks_.parts);
      block.v = reinterpret_cast<T*>(memory);
      block.m = block.v + kernels_.frequencies() * v_frequency_;
      block.scratch = block.m + kernels_.frequencies() * m_frequency_;
      block.source = static_cast<const T*>(source);
      block.weight = static_cast<const T*>(arrays.weight) + block.group * p_.weight_group;
      block.start = arrays.bias == nullptr
                        ? nullptr
                        : static_cast<const T*>(arrays.bias) + block.group * p_.out_channels;
      block.result = static_cast<T*>(arrays.result);
      block.arrays = epilogue_.wanted(arrays) ? &arrays : nullptr;
      transform_input(block);
      const std::int64_t last_panel = (part + 1) * panels_.parts / parts;
      for (std::int64_t panel = part * panels_.parts / parts; panel < last_panel; ++panel) {
        multiply(block, panel, static_cast<const T*>(packed) + block.group * group_weights());
        transform_output(block, panel);
      }
    });
  }

 private:
  // What one task works on.
  struct Block {
    std::int64_t group;
    std::int64_t first, last;  // tiles
    T *v, *m, *scratch;
    const T *source, *weight, *start;
    T* result;
    const ConvArrays* arrays;  // for the epilogue; null: none
  };

  using Run = WinogradTiles::Run;

  std::int64_t padded(std::int64_t elements) const { return winograd_padded(elements, gemm_.lanes); }

  // Blocks of tiles and parts of the panels: as many as keep all threads at work to the end. Parts transform the
  // same input, each for itself, but share U out among them, which blocks fetch once each: for few tiles parts
  // are the better choice.
  struct Tasks {
    std::int64_t block_tiles, panel_parts;
  };

  Tasks choose_tasks() const {
    const std::int64_t count = std::max<std::int64_t>(tiles_.count, 1);
    const std::int64_t fewest = ceil_div(count, fitting_tiles(p_, kernels_, gemm_, l2_cache_bytes()));
    Tasks best{count, 1};
    double best_cost = std::numeric_limits<double>::infinity();
    for (std::int64_t parts = 1; parts <= std::min<std::int64_t>(panels_.parts, threads_); ++parts)
      for (std::int64_t blocks = fewest; blocks < fewest + 2 * threads_; ++blocks) {
        const std::int64_t size = ceil_div(count, blocks), panels = ceil_div(panels_.parts, parts);
        const std::int64_t rounds = ceil_div(p_.groups * ceil_div(count, size) * parts, threads_);
        const double cost = static_cast<double>(rounds) *
                            task_cycles(p_, kernels_, gemm_, static_cast<double>(size),
                                        static_cast<double>(panels * panels_.total) /
                                            static_cast<double>(std::max<std::int64_t>(panels_.parts, 1)));
        if (cost < best_cost) best_cost = cost, best = {size, parts};
      }
    return best;
  }

  std::int64_t panel_width(std::int64_t panel) const {
    return (panels_.end(panel) - panels_.begin(panel)) * gemm_.lanes;
  }
  // U: [panel][frequency][in channel][panel width], so that a block reads it from end to end.
  std::int64_t u_frequency(std::int64_t panel) const { return padded(p_.in_channels * panel_width(panel)); }
  std::int64_t u_panel(std::int64_t panel) const {
    return kernels_.frequencies() *
           (panels_.begin(panel) * gemm_.lanes * p_.in_channels + panel * gemm_.lanes);
  }
  std::int64_t group_weights() const { return u_panel(panels_.parts); }
  std::size_t thread_bytes() const {
    return round_up_to_line(
        (static_cast<std::size_t>(kernels_.frequencies() * (v_frequency_ + m_frequency_)) +
         kernels_.scratch_size) *
        sizeof(T));
  }

  void pack_chunk(const T* weight, std::int64_t panel, std::int64_t first, std::int64_t channels,
                  T* packed) const {
    alignas(cache_line_bytes) T lanes[packed_channels * most_taps * most_lanes];
    const std::int64_t taps = p_.taps * p_.taps;
    for (std::int64_t vector = panels_.begin(panel); vector < panels_.end(panel); ++vector) {
      const std::int64_t out = vector * gemm_.lanes;
      const T* const corner = weight + first * p_.weight_in + out * p_.weight_out;
      const std::int64_t outs = std::min<std::int64_t>(gemm_.lanes, p_.out_channels - out);
      if (p_.weight_in == taps) {
        gemm_.pack_matrix({corner, 1, p_.weight_out, channels * taps, outs, 1, lanes});
      } else {
        for (std::int64_t c = 0; c < channels; ++c)
          gemm_.pack_matrix(
              {corner + c * p_.weight_in, 1, p_.weight_out, taps, outs, 1, lanes + c * taps * gemm_.lanes});
      }
      const std::int64_t width = panel_width(panel);
      kernels_.transform_weights(
          {lanes, channels, p_.flip,
           packed + u_panel(panel) + first * width + (vector - panels_.begin(panel)) * gemm_.lanes, width,
           u_frequency(panel)});
    }
  }

  template <class Body>
  void for_each_run(const Block& block, const Body& body) const {
    tiles_.for_each_run(block.first, block.last, kernels_.run_tiles, body);
  }

  // The patch of a run's first tile, in the channels from `channel` on.
  WinogradPatch<T> patch(const Block& block, const Run& run, std::int64_t channel,
                         std::int64_t channels) const {
    const std::int64_t plane = p_.height * p_.width;
    const std::int64_t first = (run.image * p_.groups + block.group) * p_.in_channels + channel;
    return {block.source + first * plane, plane, channels, p_.height, p_.width, run.row - p_.pad_top,
            run.column - p_.pad_left};
  }

  void transform_input(const Block& block) const {
    for (std::int64_t channel = 0; channel < p_.in_channels; channel += gemm_.lanes)
      for_each_run(block, [&](const Run& run) {
        kernels_.transform_input(
            {patch(block, run, channel, std::min<std::int64_t>(gemm_.lanes, p_.in_channels - channel)),
             run.tiles, block.v + run.index * v_tile_ + channel, v_tile_, v_frequency_, block.scratch});
      });
  }

  void multiply(const Block& block, std::int64_t panel, const T* packed) const {
    const EvenSplit tiles(block.last - block.first, gemm_.max_rows);
    const bool split = rounds_most(kernels_);
    const std::int64_t most_depth = split ? most_chained_channels : gemm_blocking<T>().kc;
    const std::int64_t depth = ceil_div(p_.in_channels, ceil_div(p_.in_channels, most_depth));
    const std::int64_t width = panel_width(panel);
    const int vectors = static_cast<int>(width / gemm_.lanes);
    for (int frequency = 0; frequency < kernels_.frequencies(); ++frequency) {
      const T* const u = packed + u_panel(panel) + frequency * u_frequency(panel);
      const T* const v = block.v + frequency * v_frequency_;
      T* const m = block.m + frequency * m_frequency_;
      for (std::int64_t tile = 0; tile < tiles.parts; ++tile) {
        const std::int64_t row = tiles.begin(tile);
        const GemmKernel<T>& kernel = gemm_.kernel(static_cast<int>(tiles.end(tile) - row), vectors);
        for (std::int64_t channel = 0; channel < p_.in_channels; channel += depth) {
          const std::int64_t channels = std::min(depth, p_.in_channels - channel);
          const bool add = channel > 0;
          // U comes from L3: while this block of it is at work, the one behind it moves nearer.
          kernel.run({v + row * v_tile_ + channel, v_tile_, 1, u + channel * width, channels, m + row * width,
                      width, width, nullptr, add,
                      u + channel * width + u_frequency(panel) + tile * channels * line, split && add});
        }
      }
    }
  }

  void transform_output(const Block& block, std::int64_t panel) const {
    const std::int64_t width = panel_width(panel), plane = p_.out_height * p_.out_width;
    for_each_run(block, [&](const Run& run) {
      const std::int64_t y = run.row, x = run.column;
      for (std::int64_t vector = panels_.begin(panel); vector < panels_.end(panel); ++vector) {
        const std::int64_t channel = vector * gemm_.lanes;
        const std::int64_t channels = std::min<std::int64_t>(gemm_.lanes, p_.out_channels - channel);
        T* const output = block.result +
                          ((run.image * p_.groups + block.group) * p_.out_channels + channel) * plane +
                          y * p_.out_width + x;
        const WinogradOutputRun<T> outputs{
            block.m + run.index * width + (vector - panels_.begin(panel)) * gemm_.lanes,
            width,
            m_frequency_,
            run.tiles,
            channels,
            block.start == nullptr ? nullptr : block.start + channel,
            output,
            plane,
            p_.out_width,
            std::min<std::int64_t>(kernels_.outputs, p_.out_height - y),
            std::min<std::int64_t>(run.tiles * kernels_.outputs, p_.out_width - x),
            block.scratch};
        if (!kernels_.transform_output(outputs))
          for (std::int64_t c = 0; c < channels; ++c) repair(block, run, outputs, channel, c);
        if (block.arrays == nullptr) continue;
        for (std::int64_t c = 0; c < channels; ++c)
          for (std::int64_t i = 0; i < outputs.rows; ++i)
            epilogue_.finish(*block.arrays, output + c * plane + i * p_.out_width, outputs.columns);
      }
    });
  }

  // Computes the tiles of a run in which an output is not finite again, for output channel channel + c.
  void repair(const Block& block, const Run& run, const WinogradOutputRun<T>& outputs, std::int64_t channel,
              std::int64_t c) const {
    for (std::int64_t tile = 0; tile < run.tiles; ++tile) {
      T* const first = outputs.output + c * outputs.plane + tile * kernels_.outputs;
      const std::int64_t columns =
          std::min<std::int64_t>(kernels_.outputs, outputs.columns - tile * kernels_.outputs);
      bool finite = true;
      for (std::int64_t i = 0; i < outputs.rows; ++i)
        for (std::int64_t j = 0; j < columns; ++j) finite &= std::isfinite(first[i * outputs.pitch + j]);
      if (finite) continue;
      WinogradPatch<T> whole = patch(block, run, 0, p_.in_channels);
      whole.column += tile * kernels_.outputs;
      kernels_.direct_tile(
          {whole, block.weight + (channel + c) * p_.weight_out + (p_.flip ? p_.taps * p_.taps - 1 : 0),
           p_.weight_in, p_.flip ? -1 : 1, outputs.start == nullptr ? T{0} : outputs.start[c], first,
           outputs.pitch, outputs.rows, columns});
    }
  }

  static constexpr std::int64_t most_lanes = 64 / sizeof(T), most_taps = 25;

  const char* name_;
  Problem p_;
  const WinogradKernels<T>& kernels_;
  const GemmKernels<T>& gemm_;
  Epilogue<T> epilogue_;
  int threads_;
  WinogradTiles tiles_;
  EvenSplit panels_;
  Tasks tasks_;
  EvenSplit blocks_;
  std::int64_t v_tile_, v_frequency_, m_frequency_;
};

const WinogradKernels<float>* row(const ConvProblem& problem, int outputs) {
  return winograd_kernels<float>(problem.isa, outputs, problem.shape.kernel[1]);
}

// Of the algorithm, as winograd_direct_cycles; their ratio decides.
double cycles(const ConvProblem& problem, const WinogradKernels<float>& kernels) {
  const Problem p(problem);
  const GemmKernels<float>& gemm = gemm_kernels<float>(problem.isa);
  const auto tiles =
      static_cast<double>(WinogradTiles(p.batch, p.out_height, p.out_width, kernels.outputs).count);
  const auto out_vectors = static_cast<double>(ceil_div(p.out_channels, gemm.lanes));
  const double blocks =
      std::ceil(tiles / static_cast<double>(fitting_tiles(p, kernels, gemm, nominal_l2_bytes)));
  const double weights = static_cast<double>(kernels.frequencies() * p.in_channels) * out_vectors;
  const double bytes = weights * gemm.lanes * sizeof(float);
  // Allocators return memory beyond 32 MiB to the system, which hands it out again page by page, cleared.
  const bool kept = static_cast<double>(p.groups) * bytes <= 32 << 20;
  const double packing = problem.prepacked ? 0
                                           : weights * (bytes <= static_cast<double>(nominal_l2_bytes) ? 7
                                                        : kept                                         ? 14
                                                                                                       : 100);
  // The first block finds a large U far away.
  const double fetching = bytes > 8 * double{nominal_l2_bytes} ? bytes / 10 : 0;
  return static_cast<double>(p.groups) *
         (blocks * task_cycles(p, kernels, gemm, tiles / blocks, out_vectors) + packing + fetching);
}

constexpr const char* slower =
    "transforming input, weights and output would take longer than the products that it saves";

}  // namespace

// The fastest without Winograd. Implicit im2col: packing a panel costs about as much as six rows' products with it, and storing a
// gradient in the weights as much as fifty points' products.
double winograd_direct_cycles(const ConvProblem& problem) {
  const Problem p(problem);
  const std::int64_t points = std::max<std::int64_t>(p.batch * p.out_height * p.out_width, 1);
  const bool grad_weight = problem.operation == ConvOperation::grad_weight;
  const std::int64_t columns = grad_weight ? p.out_channels : points;  // in the lanes
  const auto vectors = static_cast<double>(ceil_div(columns, gemm_kernels<float>(problem.isa).lanes));
  const double products =
      static_cast<double>(problem.shape.macs()) / static_cast<double>(columns) * vectors / 2;
  const double im2col = 1.05 * products * (1 + 6 / static_cast<double>(p.out_channels)) *
                        (grad_weight ? 1 + 50 / static_cast<double>(points) : 1);
  double direct = im2col;
  if (grad_weight && direct_channels_grad_weight_why_not(problem) == nullptr) {
    // That model reckons with AVX-512.
    const double slower = static_cast<double>(gemm_kernels<float>(Isa::avx512).lanes) /
                          static_cast<double>(gemm_kernels<float>(problem.isa).lanes);
    direct = std::min(direct, slower * direct_channels_grad_weight_cycles(problem));
  }
  if (grad_weight) return direct;
  if (direct_strip_why_not(problem) == nullptr) direct = std::min(direct, direct_strip_cycles(problem));
  if (direct_channels_why_not(problem) == nullptr) direct = std::min(direct, direct_channels_cycles(problem));
  return direct;
}

const char* winograd_why_not(const ConvProblem& problem) {
  const ConvShape& s = problem.shape;
  if (problem.dtype != DType::float32) return "for float32 alone";
  if (s.axes != 2) return "for two spatial axes alone";
  if (s.pads_with_input() || (problem.operation != ConvOperation::grad_input && !s.pads_with_zeros()))
    return "for padding with zeros alone";
  for (std::size_t axis = 1; axis < max_axes; ++axis) {
    if (s.kernel[axis] != s.kernel[1] || winograd_kernels<float>(problem.isa, 4, s.kernel[axis]) == nullptr)
      return "for 3 x 3 and 5 x 5 kernels alone";
    if (s.stride[axis] != 1) return "for stride 1 alone";
    if (s.dilation[axis] != 1) return "for dilation 1 alone";
  }
  if (problem.operation == ConvOperation::grad_weight) return nullptr;
  if (s.weight_size() > most_weights || s.in_channels_per_group() > most_channels ||
      s.out_channels_per_group() > most_channels)
    return "so many transformed weights would come from memory for every block of tiles";
  return nullptr;
}

const char* winograd_4x4_why_not(const ConvProblem& problem) {
  const char* const obstacle = winograd_why_not(problem);
  if (obstacle != nullptr || !rounds_most(*row(problem, 4))) return obstacle;
  const Problem p(problem);
  return p.in_channels < least_channels ||
                 p.batch * p.groups * p.out_channels * p.out_height * p.out_width < least_outputs
             ? "for 5 x 5 kernels over many channels and outputs alone: else its rounding would show"
             : nullptr;
}

const char* winograd_4x4_why_slower(const ConvProblem& problem) {
  const double own = cycles(problem, *row(problem, 4));
  if (own > winograd_direct_cycles(problem)) return slower;
  return own > cycles(problem, *row(problem, 2)) ? "smaller tiles waste less at the edges of so small a plane"
                                                 : nullptr;
}

const char* winograd_2x2_why_slower(const ConvProblem& problem) {
  return cycles(problem, *row(problem, 2)) > winograd_direct_cycles(problem) ? slower : nullptr;
}

std::shared_ptr<const ConvAlgorithm> make_winograd_4x4(const ConvProblem& problem) {
  return std::make_shared<Winograd<float>>("winograd_4x4", problem, *row(problem, 4));
}

std::shared_ptr<const ConvAlgorithm> make_winograd_2x2(const ConvProblem& problem) {
  return std::make_shared<Winograd<float>>("winograd_2x2", problem, *row(problem, 2));
}

}  // namespace convnative
