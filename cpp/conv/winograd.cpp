// Winograd convolution F(m x m, r x r): forward and gradient in the input.
//
// Both operations, with stride 1 or 2, holes and volumes, are sums of convolutions of stride 1
// (conv/winograd_geometry.h); `source` is the input or grad_output, `result` the output or grad_input.
//
//   tasks: group x block of tiles x part of the panels, in parallel
//     transform the block's source          V[frequency][tile][term, channel]        L2
//     for each panel of NR output channels
//       for each frequency                  U: KC x NR, in the order of use, from L3 or memory
//         for each MR tiles: micro-kernel   M[frequency][tile][NR]                   L2
//       transform to outputs
//
// Where few tiles fit a thread's L2 and U is large, threads share blocks of more tiles, so that U passes less often
// (conv/winograd_blocks.h):
//
//   for each block
//     transform its source, in parallel     V                                        L3
//     for some panels at a time
//       multiply, frequencies in parallel   M[panel][frequency][tile][NR]            L3; V of a frequency: L2
//       transform to outputs, in parallel
//
// Where one block holds all tiles and the weights are not packed beforehand, U is used once: each panel of it is made
// where it is used and never leaves L2.
//
// Each element of M is a sum over the terms and channels in a fixed order, and a tile's transforms depend on the
// tile alone: blocks and threads change no bit.
//
// Multiplications, of those of the direct algorithm: with stride 1 and 3 taps 36 of 144 (m = 4) or 16 of 36 (m = 2),
// with 5 taps 64 of 400 or 36 of 100; with stride 2 and 3 taps 81 of 144 (m = 4) or 49 of 81 (m = 3), with 4
// taps 100 of 256 or 64 of 144, with 5 taps 121 of 400 (m = 4).
//
// Where a product is not finite, an infinity has met a transform (which spreads it over the tile as NaN) or a
// transform has overflowed: such tiles are computed again by the definition.
#include <algorithm>
#include <array>
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
#include "conv/row_requests.h"
#include "conv/winograd.h"
#include "conv/winograd_blocks.h"
#include "conv/winograd_geometry.h"
#include "conv/winograd_kernels.h"
#include "gemm/blocking.h"
#include "gemm/kernels.h"

namespace convnative {
namespace {

// Transformed weights, those of all groups.
constexpr std::int64_t most_weights = 20 * (std::int64_t{1} << 20);
// One unit of V stays within a block.
constexpr std::int64_t most_channels = 4096;

// F(4x4, 5x5) rounds most: its sums over the channels are added up from short chains, and where channels or
// outputs are so few that its errors would not average out, it stays out. This keeps it within the error of
// F(4x4, 3x3). F(4, 5) on one axis rounds less. F(4x4, 2x2) needs chains of a length that costs one per cent.
constexpr std::int64_t least_channels = 32, least_plane_results = 16384, least_line_channels = 4;
// The largest of fewer results may be small by chance, beside the errors of its sum.
constexpr std::int64_t least_results = 64;

// Input channels whose taps are transposed together on their way to U, and taps of a slice at the most.
constexpr std::int64_t packed_channels = 16, most_kernel_taps = 36;

constexpr std::int64_t line = cache_line_bytes / sizeof(float);

template <class T>
bool rounds_most(const WinogradKernels<T>& kernels) {
  return kernels.row_outputs == 4 && kernels.row_taps == 5;
}

// Channels, of all terms, whose products are added one after the other before they are added to the others; 0: all.
template <class T>
std::int64_t most_chained_channels(const WinogradKernels<T>& kernels) {
  if (rounds_most(kernels)) return 16;
  return kernels.outputs == 4 && kernels.taps == 2 ? 128 : 0;
}

template <class T>
class Winograd final : public ConvAlgorithm {
 public:
  Winograd(const char* name, const ConvProblem& problem, const WinogradKernels<T>& kernels)
      : name_(name),
        g_(problem),
        kernels_(kernels),
        gemm_(gemm_kernels<T>(problem.isa)),
        epilogue_(problem),
        threads_(problem.threads),
        units_(g_.batch * g_.out_depth, g_.row, g_.column, kernels),
        run_units_(kernels.run_units(units_.phases * g_.column.source_phases,
                                     units_.phases * g_.column.result_phases)),
        v_tile_(round_up(g_.sum_channels(), gemm_.lanes)),
        passing_vectors_(problem.prepacked ? 0 : passing_vectors()),
        panels_(ceil_div(g_.out_channels, gemm_.lanes), passing() ? passing_vectors_ : gemm_.max_vectors),
        tasks_(choose_tasks()),
        blocks_(units_.count, tasks_.block_units),
        v_frequency_(padded(block_tiles() * v_tile_)),
        m_frequency_(padded(block_tiles() * gemm_.max_vectors * gemm_.lanes)),
        far_((problem.shape.input_size() + problem.shape.output_size()) * std::int64_t{sizeof(T)} >
             far_bytes) {
    for_each_phase([&](std::int64_t row, std::int64_t column) {
      const WinogradPhase &y = g_.row.at(row), &x = g_.column.at(column);
      for (std::int64_t u = 0; u < g_.row.taps; ++u)
        for (std::int64_t v = 0; v < g_.column.taps; ++v) {
          const bool exists = u < y.taps && v < x.taps;
          taps_[phase_index(row, column)][static_cast<std::size_t>(u * g_.column.taps + v)] =
              exists ? y.tap[static_cast<std::size_t>(u)] * g_.kernel_columns +
                           x.tap[static_cast<std::size_t>(v)]
                     : -1;
        }
    });
  }

  const char* name() const override { return name_; }
  std::string kernel() const override {
    return std::string(kernels_.name) + ", " + gemm_.kernel(gemm_.max_rows, gemm_.max_vectors).name +
           (tasks_.shared_panels > 0 ? ", shared blocks" : "");
  }
  std::size_t packed_weight_bytes() const override {
    return passing() ? 0 : static_cast<std::size_t>(g_.groups * group_weights()) * sizeof(T);
  }
  std::size_t workspace_bytes() const override {
    if (tasks_.shared_panels == 0) return thread_bytes() * static_cast<std::size_t>(threads_);
    return static_cast<std::size_t>(kernels_.frequencies() *
                                        (v_frequency_ + tasks_.shared_panels * m_frequency_) +
                                    threads_ * scratch_size()) *
           sizeof(T);
  }
  // Results that interleave are complete only behind the last panel.
  bool fuses_epilogue() const override { return g_.result_phases() == 1; }

  void pack(const void* weight, void* packed) const override {
    if (passing()) return;
    const std::int64_t chunks = ceil_div(g_.in_channels, packed_channels);
    parallel_for(g_.groups * panels_.parts * chunks, threads_, [&](std::int64_t task, int) {
      const std::int64_t panel = task / chunks % panels_.parts, group = task / chunks / panels_.parts;
      pack_chunk(static_cast<const T*>(weight) + group * g_.weight_group, panel, task % chunks,
                 static_cast<T*>(packed) + group * group_weights() + u_panel(panel));
    });
  }

  void run(const ConvArrays& arrays, const void* packed, void* workspace) const override {
    if (tasks_.shared_panels > 0) return run_shared(arrays, packed, static_cast<T*>(workspace));
    const std::int64_t parts = tasks_.panel_parts, panels = all_panels();
    parallel_for(g_.groups * blocks_.parts * parts, threads_, [&](std::int64_t task, int thread) {
      char* const memory = static_cast<char*>(workspace) + thread_bytes() * static_cast<std::size_t>(thread);
      const std::int64_t part = task % parts;
      Block block = block_of(task / parts, arrays, packed);
      block.v = reinterpret_cast<T*>(memory);
      block.m = block.v + kernels_.frequencies() * v_frequency_;
      block.passing = block.m + kernels_.frequencies() * m_frequency_;
      block.scratch = block.passing + passing_size(passing_vectors_);
      for (std::int64_t slice = 0; slice < source_slices(); ++slice) transform_source(block, slice);
      const std::int64_t first_panel = part * panels / parts, last_panel = (part + 1) * panels / parts;
      Requests sources((last_panel - first_panel) * multiplications(block));
      if (far_ && task / parts + 1 < g_.groups * blocks_.parts)
        request_source(block_of(task / parts + 1, arrays, packed), sources);
      for (std::int64_t p = first_panel; p < last_panel; ++p) {
        const Panel panel = panel_of(p);
        if (passing())
          for (std::int64_t chunk = 0; chunk * packed_channels < g_.in_channels; ++chunk)
            pack_chunk(block.weight, panel.index, chunk, block.passing);
        multiply(block, panel, passing() ? block.passing : block.packed + u_place(panel), sources);
        transform_output(block, panel);
      }
    });
  }

 private:
  // What one task works on.
  struct Block {
    std::int64_t group;
    std::int64_t first, last;  // units
    T *v, *m, *passing, *scratch;
    const T *source, *weight, *packed, *start;
    T* result;
    const ConvArrays* arrays;  // for the epilogue; null: none
  };

  // A panel of output channels and the phase of the result that it computes.
  struct Panel {
    std::int64_t index, row_phase, column_phase;
  };

  using Run = WinogradTiles::Run;
  using Requests = RowRequests<T, most_block_tiles>;

  std::int64_t padded(std::int64_t elements) const { return winograd_padded(elements, gemm_.lanes); }

  // All threads work on one block, a stage after the other: U passes once for more tiles than fit a thread's L2.
  void run_shared(const ConvArrays& arrays, const void* packed, T* workspace) const {
    T* const m = workspace + kernels_.frequencies() * v_frequency_;
    T* const scratch = m + tasks_.shared_panels * kernels_.frequencies() * m_frequency_;
    for (std::int64_t index = 0; index < g_.groups * blocks_.parts; ++index) {
      Block block = block_of(index, arrays, packed);
      block.v = workspace;
      // Calls body(piece of the block, item, first tile) for each of `items` items and of so many pieces that all threads
      // have some.
      const auto for_each_part = [&](std::int64_t items, const auto& body) {
        const std::int64_t parts =
            std::min(block.last - block.first, ceil_div(std::int64_t{4} * threads_, items));
        parallel_for(items * parts, threads_, [&](std::int64_t task, int thread) {
          const std::int64_t part = task % parts, units = block.last - block.first;
          Block piece = block;
          piece.first = block.first + part * units / parts;
          piece.last = block.first + (part + 1) * units / parts;
          piece.scratch = scratch + thread * scratch_size();
          body(piece, task / parts, (piece.first - block.first) * units_.phases);
        });
      };
      for_each_part(source_slices(), [&](Block& piece, std::int64_t slice, std::int64_t tile) {
        piece.v += tile * v_tile_;
        transform_source(piece, slice);
      });
      for (std::int64_t first = 0; first < all_panels(); first += tasks_.shared_panels) {
        const std::int64_t panels = std::min(tasks_.shared_panels, all_panels() - first);
        const auto m_of = [&](std::int64_t p) { return m + p * kernels_.frequencies() * m_frequency_; };
        // V of a frequency stays in L2 for the panels that meet it.
        parallel_for(kernels_.frequencies() * panels, threads_, [&](std::int64_t task, int) {
          const std::int64_t p = task % panels, frequency = task / panels;
          const Panel panel = panel_of(first + p), next = panel_of(first + (p + 1) % panels);
          Block piece = block;
          piece.m = m_of(p);
          const T* const next_u =
              block.packed + u_place(next) + (frequency + (p + 1) / panels) * u_frequency(next.index);
          multiply_frequency(piece, panel, block.packed + u_place(panel), static_cast<int>(frequency), next_u,
                             [] {});
        });
        for_each_part(panels, [&](Block& piece, std::int64_t p, std::int64_t tile) {
          const Panel panel = panel_of(first + p);
          piece.m = m_of(p) + tile * panel_width(panel.index);
          transform_output(piece, panel);
        });
      }
    }
  }

  Block block_of(std::int64_t index, const ConvArrays& arrays, const void* packed) const {
    Block block{};
    block.group = index / blocks_.parts;
    block.first = blocks_.begin(index % blocks_.parts);
    block.last = blocks_.end(index % blocks_.parts);
    block.source = static_cast<const T*>(g_.forward ? arrays.input : arrays.grad_output);
    block.weight = static_cast<const T*>(arrays.weight) + block.group * g_.weight_group;
    block.packed = static_cast<const T*>(packed) + block.group * group_weights();
    block.start =
        arrays.bias == nullptr ? nullptr : static_cast<const T*>(arrays.bias) + block.group * g_.out_channels;
    block.result = static_cast<T*>(arrays.result);
    block.arrays = fuses_epilogue() && epilogue_.wanted(arrays) ? &arrays : nullptr;
    return block;
  }

  // Panels of all phases of the result.
  std::int64_t all_panels() const { return g_.result_phases() * panels_.parts; }
  Panel panel_of(std::int64_t p) const {
    return {p % panels_.parts, p / panels_.parts / g_.column.result_phases,
            p / panels_.parts % g_.column.result_phases};
  }

  // Whether U is made panel by panel where it is used.
  bool passing() const { return passing_vectors_ > 0; }
  // Elements of a panel of U of so many vectors.
  std::int64_t passing_size(std::int64_t vectors) const {
    return vectors == 0 ? 0 : kernels_.frequencies() * padded(g_.sum_channels() * vectors * gemm_.lanes);
  }
  // Vectors of a panel that is made where it is used: as many as fit the workspace, two at the least. 0: not worth it.
  std::int64_t passing_vectors() const {
    const std::int64_t out_vectors = ceil_div(g_.out_channels, gemm_.lanes), tiles = units_.tiles();
    if (g_.result_phases() > 1 || units_.count == 0 ||
        units_.count > fitting_units(g_, kernels_, gemm_, units_.phases, l2_cache_bytes()))
      return 0;
    for (std::int64_t vectors = gemm_.max_vectors; vectors >= 2; --vectors)
      if (passing_bytes(g_, kernels_, gemm_, tiles, vectors) <= most_thread_bytes &&
          g_.groups * ceil_div(out_vectors, vectors) >= threads_)
        return vectors;
    return 0;
  }

  // Blocks of units and parts of the panels: as many as keep all threads at work to the end. Parts transform the
  // same source, each for itself, but share U out among them, which blocks fetch once each: for few tiles parts
  // are the better choice.
  struct Tasks {
    std::int64_t block_units, panel_parts;
    std::int64_t shared_panels = 0;  // of which M is held where threads share blocks
  };

  Tasks choose_tasks() const {
    const std::int64_t count = std::max<std::int64_t>(units_.count, 1);
    // Every part transforms the source anew: no more of them than threads that groups leave idle.
    if (passing()) return {count, std::min(panels_.parts, ceil_div(std::int64_t{threads_}, g_.groups))};
    const std::int64_t fewest =
        ceil_div(count, fitting_units(g_, kernels_, gemm_, units_.phases, l2_cache_bytes()));
    const std::int64_t all_panels = g_.result_phases() * std::max<std::int64_t>(panels_.parts, 1);
    Tasks best{count, 1};
    double best_cost = std::numeric_limits<double>::infinity();
    for (std::int64_t parts = 1; parts <= std::min<std::int64_t>(all_panels, threads_); ++parts)
      for (std::int64_t blocks = fewest; blocks < fewest + 2 * threads_; ++blocks) {
        const std::int64_t size = ceil_div(count, blocks), panels = ceil_div(all_panels, parts);
        const std::int64_t rounds = ceil_div(g_.groups * ceil_div(count, size) * parts, threads_);
        const double vectors = static_cast<double>(panels * panels_.total) / static_cast<double>(all_panels);
        const double cost =
            static_cast<double>(rounds) *
            (tile_cycles(g_, kernels_, gemm_, units_, static_cast<double>(size * units_.phases), vectors) +
             fetch_cycles(g_, kernels_, gemm_, vectors));
        if (cost < best_cost) best_cost = cost, best = {size, parts};
      }
    const SharedBlocks shared = shared_blocks(g_, kernels_, gemm_, units_, threads_);
    if (static_cast<double>(g_.groups) * shared.cycles < most_shared_cost * best_cost)
      return {shared.units, 1, shared.panels};
    return best;
  }

  std::int64_t block_tiles() const {
    return ceil_div(units_.count, std::max<std::int64_t>(blocks_.parts, 1)) * units_.phases;
  }

  // Calls body for each pair of phases, of the source or of the result, that the taps of rows and columns fall into.
  template <class Body>
  void for_each_phase(const Body& body) const {
    for (std::int64_t row = 0; row < g_.row.source_phases * g_.row.result_phases; ++row)
      for (std::int64_t column = 0; column < g_.column.source_phases * g_.column.result_phases; ++column)
        body(row, column);
  }
  static std::size_t phase_index(std::int64_t row, std::int64_t column) {
    return static_cast<std::size_t>(2 * row + column);
  }

  std::int64_t panel_width(std::int64_t panel) const {
    return (panels_.end(panel) - panels_.begin(panel)) * gemm_.lanes;
  }
  // U: [result phase][panel][frequency][term, in channel][panel width], so that a block reads it from end to end.
  // Terms without a product at a frequency leave a gap.
  std::int64_t u_frequency(std::int64_t panel) const {
    return padded(g_.sum_channels() * panel_width(panel));
  }
  std::int64_t u_panel(std::int64_t panel) const {
    return kernels_.frequencies() *
           (panels_.begin(panel) * gemm_.lanes * g_.sum_channels() + panel * gemm_.lanes);
  }
  std::int64_t u_phase(std::int64_t row, std::int64_t column) const {
    return (row * g_.column.result_phases + column) * u_panel(panels_.parts);
  }
  std::int64_t u_place(const Panel& panel) const {
    return u_panel(panel.index) + u_phase(panel.row_phase, panel.column_phase);
  }
  std::int64_t group_weights() const { return g_.result_phases() * u_panel(panels_.parts); }
  bool weights_are_far() const {
    return static_cast<double>(g_.groups * group_weights() * std::int64_t{sizeof(T)}) > most_cached_bytes;
  }
  std::size_t thread_bytes() const {
    return round_up_to_line((static_cast<std::size_t>(kernels_.frequencies() * (v_frequency_ + m_frequency_) +
                                                      passing_size(passing_vectors_)) +
                             kernels_.scratch_size) *
                            sizeof(T));
  }

  // Of a thread, on whole cache lines.
  std::int64_t scratch_size() const {
    return round_up(static_cast<std::int64_t>(kernels_.scratch_size), line);
  }

  // First place of a term in the sums.
  std::int64_t place(std::int64_t row_phase, std::int64_t column_phase, std::int64_t depth_tap) const {
    return ((row_phase * g_.column.source_phases + column_phase) * g_.depth_taps + depth_tap) *
           g_.in_channels;
  }

  // The taps of a chunk of input channels, of the group's weights, to a panel's U.
  void pack_chunk(const T* weight, std::int64_t panel, std::int64_t chunk, T* u) const {
    const std::int64_t first = chunk * packed_channels;
    const std::int64_t channels = std::min(packed_channels, g_.in_channels - first);
    alignas(cache_line_bytes) T lanes[packed_channels * most_kernel_taps * most_lanes];
    const std::int64_t taps = g_.slice_taps, width = panel_width(panel);
    for (std::int64_t vector = panels_.begin(panel); vector < panels_.end(panel); ++vector)
      for (std::int64_t depth_tap = 0; depth_tap < g_.depth_taps; ++depth_tap) {
        const std::int64_t out = vector * gemm_.lanes;
        const T* const corner = weight + first * g_.weight_in + out * g_.weight_out + depth_tap * taps;
        const std::int64_t outs = std::min<std::int64_t>(gemm_.lanes, g_.out_channels - out);
        if (g_.weight_in == taps) {
          gemm_.pack_matrix({corner, 1, g_.weight_out, channels * taps, outs, 1, lanes});
        } else {
          for (std::int64_t c = 0; c < channels; ++c)
            gemm_.pack_matrix(
                {corner + c * g_.weight_in, 1, g_.weight_out, taps, outs, 1, lanes + c * taps * gemm_.lanes});
        }
        for_each_phase([&](std::int64_t row, std::int64_t column) {
          const std::int64_t channel =
              first + (g_.forward ? place(row, column, depth_tap) : place(0, 0, depth_tap));
          kernels_.transform_weights({lanes, taps * gemm_.lanes, taps_[phase_index(row, column)].data(),
                                      channels,
                                      u + (g_.forward ? 0 : u_phase(row, column)) +
                                          (vector - panels_.begin(panel)) * gemm_.lanes + channel * width,
                                      width, u_frequency(panel)});
        });
      }
  }

  template <class Body>
  void for_each_run(const Block& block, const Body& body) const {
    units_.for_each_run(block.first, block.last, run_units_, body);
  }

  // The patch of a run's first tile in the channels from `channel` on.
  WinogradPatch<T> patch(const Block& block, const Run& run, std::int64_t row_phase, std::int64_t depth_tap,
                         std::int64_t channel, std::int64_t channels) const {
    const std::int64_t plane = g_.height * g_.width, image = run.image / g_.out_depth;
    const std::int64_t slice = g_.slice(run.image % g_.out_depth, depth_tap);
    const bool exists = slice >= 0 && slice < g_.depth;
    const std::int64_t first = (image * g_.groups + block.group) * g_.in_channels + channel;
    const WinogradAxis &row = g_.row, &column = g_.column;
    return {block.source + (first * g_.depth + (exists ? slice : 0)) * plane,
            g_.depth * plane,
            channels,
            exists ? g_.height : 0,
            g_.width,
            run.row * kernels_.row_outputs * row.in_step() + run.row_phase + row.source_offset + row_phase,
            run.column * kernels_.outputs * column.in_step() + run.column_phase + column.source_offset,
            column.in_step()};
  }

  // Pieces of a block's source: one vector of channels of one term, or of the terms of a row's phases.
  std::int64_t source_slices() const {
    return g_.row.source_phases * g_.depth_taps * ceil_div(g_.in_channels, gemm_.lanes);
  }

  void transform_source(const Block& block, std::int64_t slice) const {
    const bool phases_are_terms = g_.column.source_phases > 1;
    const std::int64_t vectors = ceil_div(g_.in_channels, gemm_.lanes);
    const std::int64_t row_phase = slice / vectors / g_.depth_taps,
                       depth_tap = slice / vectors % g_.depth_taps;
    const std::int64_t channel = slice % vectors * gemm_.lanes;
    for_each_run(block, [&](const Run& run) {
      kernels_.transform_input(
          {patch(block, run, row_phase, depth_tap, channel,
                 std::min<std::int64_t>(gemm_.lanes, g_.in_channels - channel)),
           run.units, phases_are_terms ? g_.column.source_phases : units_.phases,
           phases_are_terms ? g_.column.source_phases : run.phases,
           block.v + run.index * units_.phases * v_tile_ + place(row_phase, 0, depth_tap) + channel,
           units_.phases * v_tile_, phases_are_terms ? place(0, 1, 0) : v_tile_, v_frequency_,
           block.scratch});
    });
  }

  // Whether a phase has products at a frequency of `inputs`.
  static bool has(const WinogradAxis& axis, std::int64_t phase, int frequency, int inputs) {
    return axis.at(phase).taps == axis.taps || frequency < inputs - 1;
  }

  // Products of a panel, each of some tiles at a frequency.
  std::int64_t multiplications(const Block& block) const {
    return kernels_.frequencies() *
           EvenSplit((block.last - block.first) * units_.phases, gemm_.max_rows).parts;
  }

  // Asks for the rows of a run. Where units have some of the phases alone, what they need of a lone row are short
  // stretches, which are asked for as rows are; of several rows nothing is.
  void request(const Run& run, typename Requests::Piece piece, std::int64_t step, Requests& requests) const {
    if (units_.groups > 1) {
      if (kernels_.row_inputs > 1 || piece.rows < 1 || piece.elements < run.phases) return;
      piece.rows = (piece.elements - run.phases) / step + 1;
      piece.elements = run.phases;
      piece.pitch = step;
    }
    requests.add(piece);
  }

  // What the transform of a block's source is going to load.
  void request_source(const Block& block, Requests& requests) const {
    for_each_run(block, [&](const Run& run) {
      const WinogradPatch<T> p = patch(block, run, 0, g_.depth_taps - 1, 0, g_.in_channels);
      const std::int64_t rows = kernels_.row_inputs * g_.row.in_step();
      const std::int64_t columns =
          (run.units * kernels_.outputs + kernels_.inputs - kernels_.outputs) * g_.column.in_step();
      const std::int64_t first_row = std::clamp<std::int64_t>(p.row, 0, p.height),
                         first_column = std::clamp<std::int64_t>(p.column, 0, p.width);
      request(run,
              {p.channel + first_row * p.width + first_column,
               std::clamp<std::int64_t>(p.column + columns, 0, p.width) - first_column,
               std::clamp<std::int64_t>(p.row + rows, 0, p.height) - first_row, p.channels, p.width, p.plane},
              p.step, requests);
    });
  }

  void multiply(const Block& block, const Panel& panel, const T* packed, Requests& sources) const {
    const std::int64_t width = panel_width(panel.index);
    // What the panel's inverse transform is going to store.
    Requests results(multiplications(block));
    if (far_)
      for_each_run(block, [&](const Run& run) {
        const std::int64_t vector = panels_.begin(panel.index);
        const WinogradOutputRun<T> r = output_run(block, panel, run, vector);
        request(run,
                {r.output + r.first_row * r.pitch + r.first_column, r.last_column - r.first_column,
                 r.last_row - r.first_row, std::min(width, g_.out_channels - vector * gemm_.lanes), r.pitch,
                 r.plane},
                r.step, results);
      });
    for (int frequency = 0; frequency < kernels_.frequencies(); ++frequency)
      multiply_frequency(block, panel, packed, frequency, packed + (frequency + 1) * u_frequency(panel.index),
                         [&] {
                           results.request();
                           sources.request();
                         });
  }

  // `next_u`: what comes from L3 behind `packed`. Calls before_tiles() now and then.
  template <class BeforeTiles>
  void multiply_frequency(const Block& block, const Panel& panel, const T* packed, int frequency,
                          const T* next_u, const BeforeTiles& before_tiles) const {
    const EvenSplit tiles((block.last - block.first) * units_.phases, gemm_.max_rows);
    const std::int64_t width = panel_width(panel.index);
    const int row = frequency / kernels_.inputs, column = frequency % kernels_.inputs;
    T* const m = block.m + frequency * m_frequency_;
    if (!g_.forward && !(has(g_.row, panel.row_phase, row, kernels_.row_inputs) &&
                         has(g_.column, panel.column_phase, column, kernels_.inputs))) {
      std::fill(m, m + tiles.total * width, T{0});
      return;
    }
    const T* const u = packed + frequency * u_frequency(panel.index);
    const T* const v = block.v + frequency * v_frequency_;
    const std::int64_t rows = g_.row.source_phases > 1 && has(g_.row, 1, row, kernels_.row_inputs) ? 2 : 1;
    const bool all = g_.column.source_phases == 1 || has(g_.column, 1, column, kernels_.inputs);
    // From memory all of the next U has to be asked for while this one is used: 1.3 times as fast. Where it comes from L3,
    // more than a line a step delays what is needed now: 0.9.
    const std::int64_t next_lines = weights_are_far() ? ceil_div(ceil_div(width, line), tiles.parts) : 1;
    for (std::int64_t tile = 0; tile < tiles.parts; ++tile) {
      const std::int64_t first = tiles.begin(tile);
      before_tiles();
      const Rows part{v + first * v_tile_,
                      u,
                      m + first * width,
                      tiles.end(tile) - first,
                      tile * next_lines,
                      width,
                      next_u,
                      static_cast<int>(next_lines)};
      if (all)
        sum(part, 0, place(rows, 0, 0), false);
      else
        for (std::int64_t phase = 0; phase < rows; ++phase)
          sum(part, place(phase, 0, 0), place(phase, 1, 0), phase > 0);
    }
  }

  // Some tiles of one frequency and the panel.
  struct Rows {
    const T *v, *u;
    T* m;
    std::int64_t count, lines_before, width;  // lines of next_u, a step, that the rows before bring nearer
    const T* next_u;
    int next_lines;
  };

  // M (+)= the sums over [begin, end).
  void sum(const Rows& rows, std::int64_t begin, std::int64_t end, bool add) const {
    const std::int64_t most_chain = most_chained_channels(kernels_);
    const bool split = most_chain > 0;
    const std::int64_t most_depth = split ? most_chain : gemm_blocking<T>().kc;
    const std::int64_t depth = ceil_div(end - begin, ceil_div(end - begin, most_depth));
    const GemmKernel<T>& kernel =
        gemm_.kernel(static_cast<int>(rows.count), static_cast<int>(rows.width / gemm_.lanes));
    for (std::int64_t channel = begin; channel < end; channel += depth, add = true) {
      const std::int64_t channels = std::min(depth, end - channel);
      const T* const u = rows.u + channel * rows.width;
      // U comes from L3: while this block of it is at work, the one behind it moves nearer.
      kernel.run({rows.v + channel, v_tile_, 1, u, channels, rows.m, rows.width, rows.width, nullptr, add,
                  rows.next_u + channel * rows.width + rows.lines_before * channels * line, split && add,
                  rows.next_lines * line, rows.next_lines});
    }
  }

  // One vector of output channels of a run.
  WinogradOutputRun<T> output_run(const Block& block, const Panel& panel, const Run& run,
                                  std::int64_t vector) const {
    const WinogradAxis &row = g_.row, &column = g_.column;
    const std::int64_t width = panel_width(panel.index), plane = g_.out_height * g_.out_width;
    const std::int64_t row_m = kernels_.row_outputs, m = kernels_.outputs;
    const std::int64_t row_step = row.out_step(), step = column.out_step();
    const std::int64_t image = run.image / g_.out_depth, slice = run.image % g_.out_depth;
    const std::int64_t y = run.row * row_m * row_step + run.row_phase + row.at(panel.row_phase).result_offset;
    const std::int64_t x =
        run.column * m * step + run.column_phase + column.at(panel.column_phase).result_offset;
    const std::int64_t channel = vector * gemm_.lanes;
    const std::int64_t first = (image * g_.groups + block.group) * g_.out_channels + channel;
    return {block.m + run.index * units_.phases * width + (vector - panels_.begin(panel.index)) * gemm_.lanes,
            width,
            m_frequency_,
            run.units,
            units_.phases,
            run.phases,
            step,
            std::min<std::int64_t>(gemm_.lanes, g_.out_channels - channel),
            block.start == nullptr ? nullptr : block.start + channel,
            block.result + (first * g_.out_depth + slice) * plane + y * g_.out_width + x,
            g_.out_depth * plane,
            row_step * g_.out_width,
            std::clamp<std::int64_t>(ceil_div(-y, row_step), 0, row_m),
            std::clamp<std::int64_t>(ceil_div(g_.out_height - y, row_step), 0, row_m),
            std::max<std::int64_t>(-x, 0),
            std::min(run.units * m * step, g_.out_width - x),
            block.scratch};
  }

  void transform_output(const Block& block, const Panel& panel) const {
    for_each_run(block, [&](const Run& run) {
      for (std::int64_t vector = panels_.begin(panel.index); vector < panels_.end(panel.index); ++vector) {
        const WinogradOutputRun<T> outputs = output_run(block, panel, run, vector);
        if (!kernels_.transform_output(outputs))
          for (std::int64_t c = 0; c < outputs.channels; ++c)
            repair(block, run, outputs, panel, vector * gemm_.lanes, c);
        if (block.arrays == nullptr) continue;
        // Neighbours in memory: all of a row, or those of a unit's phases.
        const std::int64_t step = units_.groups == 1 ? outputs.last_column : outputs.step;
        const std::int64_t neighbours = units_.groups == 1 ? outputs.last_column : outputs.phases;
        for (std::int64_t c = 0; c < outputs.channels; ++c)
          for (std::int64_t i = outputs.first_row; i < outputs.last_row; ++i)
            for (std::int64_t x = 0; x < outputs.last_column; x += step)
              epilogue_.finish(*block.arrays, outputs.output + c * outputs.plane + i * outputs.pitch + x,
                               std::min(neighbours, outputs.last_column - x));
      }
    });
  }

  // Computes the tiles of a run in which an output is not finite again, for output channel channel + c.
  void repair(const Block& block, const Run& run, const WinogradOutputRun<T>& outputs, const Panel& panel,
              std::int64_t channel, std::int64_t c) const {
    const std::int64_t m = kernels_.outputs;
    for (std::int64_t tile = 0; tile < run.units * units_.phases; ++tile) {
      const std::int64_t unit = tile / units_.phases, phase = tile % units_.phases;
      // Calls body with each output that exists and its place in the tile.
      const auto for_each_output = [&](auto body) {
        for (std::int64_t i = outputs.first_row; i < outputs.last_row; ++i)
          for (std::int64_t j = 0; j < m; ++j) {
            const std::int64_t x = (unit * m + j) * outputs.step + phase;
            if (phase < outputs.phases && x >= outputs.first_column && x < outputs.last_column)
              body(outputs.output[c * outputs.plane + i * outputs.pitch + x],
                   static_cast<std::size_t>(i * m + j));
          }
      };
      bool finite = true;
      for_each_output([&](const T& output, std::size_t) { finite &= std::isfinite(output); });
      if (finite) continue;
      std::array<T, most_outputs * most_outputs> sums;
      sums.fill(outputs.start == nullptr ? T{0} : outputs.start[c]);
      for (std::int64_t row = 0; row < g_.row.source_phases; ++row)
        for (std::int64_t column = 0; column < g_.column.source_phases; ++column)
          for (std::int64_t depth_tap = 0; depth_tap < g_.depth_taps; ++depth_tap) {
            WinogradPatch<T> whole = patch(block, run, row, depth_tap, 0, g_.in_channels);
            whole.column += unit * m * whole.step + phase + column;
            const std::size_t taps =
                g_.forward ? phase_index(row, column) : phase_index(panel.row_phase, panel.column_phase);
            kernels_.direct_tile({whole,
                                  block.weight + (channel + c) * g_.weight_out + depth_tap * g_.slice_taps,
                                  g_.weight_in, taps_[taps].data(), sums.data()});
          }
      for_each_output([&](T& output, std::size_t place) { output = sums[place]; });
    }
  }

  static constexpr std::int64_t most_lanes = 64 / sizeof(T);
  static constexpr std::size_t most_outputs = 4;

  const char* name_;
  WinogradGeometry g_;
  const WinogradKernels<T>& kernels_;
  const GemmKernels<T>& gemm_;
  Epilogue<T> epilogue_;
  int threads_;
  WinogradTiles units_;
  std::int64_t run_units_;
  std::int64_t v_tile_;
  std::int64_t passing_vectors_;  // of a panel; 0: U is packed beforehand
  EvenSplit panels_;
  Tasks tasks_;
  EvenSplit blocks_;
  std::int64_t v_frequency_, m_frequency_;
  // Where source and result do not stay in a cache, rows of both are asked for: 1.05 to 1.25 times as fast. From L2 or L3
  // it would be up to 8 per cent slower.
  bool far_;
  // The kernel's taps of each pair of phases, as WinogradWeights has them.
  std::array<std::array<std::int64_t, winograd_most_taps * winograd_most_taps>, 4> taps_;
};

// Of the algorithm, as winograd_direct_cycles; their ratio decides.
double cycles(const ConvProblem& problem, int outputs) {
  const WinogradGeometry g(problem);
  const WinogradKernels<float>& kernels = *winograd_row(problem, outputs);
  const GemmKernels<float>& gemm = gemm_kernels<float>(problem.isa);
  const WinogradTiles units(g.batch * g.out_depth, g.row, g.column, kernels);
  const auto tiles = static_cast<double>(units.tiles());
  const auto out_vectors = static_cast<double>(ceil_div(g.out_channels, gemm.lanes));
  const double blocks = static_cast<double>(
      ceil_div(units.count, fitting_units(g, kernels, gemm, units.phases, nominal_l2_bytes)));
  const double weights = weight_vectors(g, kernels, out_vectors);
  const double bytes = weights * gemm.lanes * sizeof(float);
  // Allocators return memory beyond 32 MiB to the system, which hands it out again page by page, cleared.
  const bool kept = static_cast<double>(g.groups) * bytes <= 32 << 20;
  const bool near = bytes <= static_cast<double>(nominal_l2_bytes);
  const bool passing = !problem.prepacked && !near && g.result_phases() == 1 && blocks == 1 &&
                       passing_bytes(g, kernels, gemm, units.tiles(), 2) <= most_thread_bytes;
  const double packing = problem.prepacked ? 0 : weights * (near ? 7 : passing ? 12 : kept ? 14 : 100);
  // The first block finds what is large of U far away.
  const double fetching = passing ? 0 : std::max(bytes - 8 * double{nominal_l2_bytes}, 0.0) / 25;
  // A third of the next panel arrives under each of the first three tiles of rows; where there are fewer, the rest is
  // waited for.
  const double shares = std::clamp(std::ceil(tiles / gemm.max_rows), 1.0, 3.0);
  const double waiting =
      passing || near || blocks > 1 ? 0 : bytes / cached_bytes_per_cycle * (3 - shares) / (1 + shares);
  const double own_blocks = blocks * (tile_cycles(g, kernels, gemm, units, tiles / blocks, out_vectors) +
                                      (passing ? 0 : fetch_cycles(g, kernels, gemm, out_vectors))) +
                            waiting;
  const double shared = nominal_threads * shared_blocks(g, kernels, gemm, units, nominal_threads).cycles;
  const double work = !passing && shared < most_shared_cost * own_blocks ? shared : own_blocks;
  constexpr double starting = 6000;
  return starting + static_cast<double>(g.groups) * (work + packing + fetching);
}

// Why tiles of 2, 3 and 4 outputs do not serve a kernel.
constexpr const char* other_taps[] = {
    "for 3 x 3, 5 x 5 and 1 x 5 taps, with stride 2 of each parity, alone",
    "for 2 x 2, 1 x 2 and 1 x 4 taps, with stride 2 of each parity, alone",
    "for 2 x 2, 3 x 3, 5 x 5, 1 x 2, 1 x 3 and 1 x 5 taps, with stride 2 of each parity, alone"};
constexpr const char* rougher_sums = "for 3 x 3 kernels alone: with 5 x 5 its rounding would show";
constexpr const char* slower =
    "transforming input, weights and output would take longer than the products that it saves";

}  // namespace

// The fastest without Winograd.
double winograd_direct_cycles(const ConvProblem& problem) {
  if (problem.operation != ConvOperation::grad_weight) {
    double direct = im2col_gemm_cycles(problem);
    if (direct_strip_why_not(problem) == nullptr && direct_strip_why_slower(problem) == nullptr)
      direct = std::min(direct, direct_strip_cycles(problem));
    if (direct_channels_why_not(problem) == nullptr)
      direct = std::min(direct, direct_channels_cycles(problem));
    return direct;
  }
  // Of im2col, packing a panel costs about as much as six rows' products with it, and storing a gradient as much as
  // fifty points' products.
  const WinogradGeometry g(problem);
  const std::int64_t points = std::max<std::int64_t>(g.batch * g.out_depth * g.out_height * g.out_width, 1);
  const int lanes = gemm_kernels<float>(problem.isa).lanes;
  const auto vectors = static_cast<double>(ceil_div(g.out_channels, lanes));
  const double products =
      static_cast<double>(problem.shape.macs()) / static_cast<double>(g.out_channels) * vectors / 2;
  const double im2col = 1.05 * products * (1 + 6 / static_cast<double>(g.out_channels)) *
                        (1 + 50 / static_cast<double>(points));
  if (direct_channels_grad_weight_why_not(problem) != nullptr) return im2col;
  // That model reckons with AVX-512.
  const double slower =
      static_cast<double>(gemm_kernels<float>(Isa::avx512).lanes) / static_cast<double>(lanes);
  return std::min(im2col, slower * direct_channels_grad_weight_cycles(problem));
}

const WinogradKernels<float>* winograd_row(const ConvProblem& problem, int outputs) {
  const ConvShape& s = problem.shape;
  return winograd_kernels<float>(problem.isa, outputs, ceil_div(s.kernel[1], s.stride[1]),
                                 ceil_div(s.kernel[2], s.stride[2]));
}

const char* winograd_obstacle(const ConvProblem& problem, int outputs) {
  const ConvShape& s = problem.shape;
  const bool grad_weight = problem.operation == ConvOperation::grad_weight, one_row = s.kernel[1] == 1;
  if (problem.dtype != DType::float32) return "for float32 alone";
  if (s.pads_with_input() || (problem.operation != ConvOperation::grad_input && !s.pads_with_zeros()))
    return "for padding with zeros alone";
  if (!one_row &&
      (s.kernel[1] != s.kernel[2] || s.stride[1] != s.stride[2] || s.dilation[1] != s.dilation[2]))
    return "for kernels of one row, or rows and columns of the same kernel, stride and dilation, alone";
  if (s.stride[0] != 1 || (one_row && s.stride[1] != 1) || s.stride[2] > (grad_weight ? 1 : 2))
    return "for stride 1, forward and grad_input also 2, alone";
  if (s.stride[2] == 2 && s.dilation[2] != 1) return "for stride 1 or dilation 1 alone";
  const WinogradKernels<float>* const kernels = winograd_row(problem, outputs);
  if (kernels == nullptr || s.kernel[1] * s.kernel[2] > most_kernel_taps) return other_taps[outputs - 2];
  const WinogradGeometry g(problem);
  for (const WinogradAxis& axis : {g.row, g.column})
    if (axis.tile_phases > std::max<std::int64_t>(axis.least_outputs, 1))
      return "for dilations up to the size of the result alone";
  if (grad_weight && kernels->transform_sums == nullptr)
    return outputs == 3 || s.kernel[2] == 2 ? "for 3 taps or more alone" : rougher_sums;
  if (grad_weight) return nullptr;
  if (s.kernel[0] > most_channels) return "for few taps in depth alone";
  const std::int64_t phases = std::min(g.column.tile_phases, kernels->most_phases());
  if (g.in_channels > most_channels / (g.terms() * phases) || g.out_channels > most_channels ||
      g.groups * g.products(kernels->row_inputs, kernels->inputs) * g.in_channels * g.out_channels >
          most_weights)
    return "so many transformed weights would come from memory for every block of tiles";
  const std::int64_t results = g.batch * g.groups * g.out_channels * g.out_depth * g.out_height * g.out_width;
  if (results < least_results) return "for 64 results or more alone: else its rounding would not average out";
  if (rounds_most(*kernels) && (g.sum_channels() < least_channels || results < least_plane_results ||
                                std::min(g.height, g.width) < kernels->inputs))
    return "for 5 x 5 kernels over many channels and outputs alone: else its rounding would show";
  if (kernels->taps == 5 && outputs == 4 && g.sum_channels() < least_line_channels)
    return "for 5 taps over 4 channels or more alone: else its rounding would show";
  return nullptr;
}

template <int Outputs>
const char* winograd_why_not(const ConvProblem& problem) {
  return winograd_obstacle(problem, Outputs);
}

template <int Outputs>
const char* winograd_why_slower(const ConvProblem& problem) {
  const double own = cycles(problem, Outputs);
  if (own > winograd_direct_cycles(problem)) return slower;
  for (int outputs = 2; outputs < Outputs; ++outputs)
    if (winograd_row(problem, outputs) != nullptr && own > cycles(problem, outputs))
      return "smaller tiles waste less at the edges of so small a plane";
  return nullptr;
}

template <int Outputs>
std::shared_ptr<const ConvAlgorithm> make_winograd(const ConvProblem& problem) {
  return std::make_shared<Winograd<float>>(winograd_names[Outputs - 2], problem,
                                           *winograd_row(problem, Outputs));
}

template const char* winograd_why_not<2>(const ConvProblem&);
template const char* winograd_why_not<3>(const ConvProblem&);
template const char* winograd_why_not<4>(const ConvProblem&);
template const char* winograd_why_slower<2>(const ConvProblem&);
template const char* winograd_why_slower<3>(const ConvProblem&);
template const char* winograd_why_slower<4>(const ConvProblem&);
template std::shared_ptr<const ConvAlgorithm> make_winograd<2>(const ConvProblem&);
template std::shared_ptr<const ConvAlgorithm> make_winograd<3>(const ConvProblem&);
template std::shared_ptr<const ConvAlgorithm> make_winograd<4>(const ConvProblem&);

}  // namespace convnative
