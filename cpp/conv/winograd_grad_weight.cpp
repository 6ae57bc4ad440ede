// Winograd gradient in the weights, F(r x r, 4 x 4) and F(r x r, 2 x 2): grad_weight is the convolution of the
// input with grad_output, here a sum over tiles of grad_output, each the filter of a small convolution of its own.
//
//   tasks: group x tap in depth x block of input channels x block of output channels, in parallel
//     for each part of the output channels
//       for each chunk of tiles
//         transform the input                 V[frequency][tile][channel]                 L2
//         for each panel of NR output channels
//           transform grad_output             W[frequency][tile][NR]                      L2
//           for each frequency
//             for each MR channels: micro-kernel, added to S[frequency][channel][out channel]
//       transform S to grad_weight
//
// S has to be held from chunk to chunk, which bounds a block: all of its output channels are one part, and inputs
// are transformed once for every block of output channels, and the other way round. Where one chunk holds all
// tiles, S is done with after every panel: panels are parts, V serves them all, and blocks are larger.
//
// Nothing is summed across threads: an element of S is a sum of chains over some 32 tiles each, in ascending
// order; they depend on the shape alone. Short chains also make up for the rounding of the
// transforms.
//
// An infinity or a NaN of an input reaches many sums through the transforms: where a result is not finite, the
// direct algorithm computes all of them again.
#include <algorithm>
#include <array>
#include <atomic>
#include <limits>
#include <memory>
#include <string>

#include "base/aligned_buffer.h"
#include "base/checked.h"
#include "base/parallel.h"
#include "conv/algorithm.h"
#include "conv/winograd.h"
#include "conv/winograd_geometry.h"
#include "conv/winograd_kernels.h"
#include "gemm/blocking.h"
#include "gemm/kernels.h"

namespace convnative {
namespace {

// Tiles of a chain: enough to pay for loading and storing S, few enough to round little.
constexpr std::int64_t most_chain_tiles = 32;
// As many tiles at the most are one chunk. It would save little to hold more of V than of S.
constexpr std::int64_t most_chunk_tiles = 64;
constexpr std::int64_t most_thread_bytes = 2 << 20;
// Blocks are cut in steps of as many channels: a whole number of vectors at every level.
constexpr std::int64_t unit = 16;
// Input channels of a block at the most, in units, and MR rows of them.
constexpr std::int64_t most_in_units = 32, most_rows = most_in_units * unit / 6 + 1;

// Cycles per vector of a transform, and of products, as the choices below reckon; fitted with AVX-512.
constexpr double transform_cycles = 8.6, product_cycles = 0.55, store_cycles = 5;

// Units of a chain. Whole rows of tiles where they are short: a run that is cut costs as much as a longer one.
std::int64_t chain_units(const WinogradTiles& tiles) {
  const std::int64_t most = std::max<std::int64_t>(most_chain_tiles / tiles.phases, 1);
  return tiles.columns == 0 || tiles.columns > most / 2 ? most : most / tiles.columns * tiles.columns;
}

template <class T>
WinogradTiles grad_output_tiles(const ConvShape& shape, const WinogradKernels<T>& kernels) {
  constexpr bool forward = true;
  return {shape.batch * shape.output[0], {shape, 1, forward}, {shape, 2, forward}, kernels};
}

// How the channels of a group are cut into blocks, in units.
struct Blocks {
  EvenSplit in, out;

  std::int64_t count() const { return in.parts * out.parts; }
  std::int64_t in_units() const { return ceil_div(in.total, in.parts); }
  std::int64_t out_units() const { return ceil_div(out.total, out.parts); }
};

// Sizes that the choice of blocks needs.
template <class T>
struct Sizes {
  const WinogradKernels<T>& kernels;
  std::int64_t in, out;                      // channels of a group in units
  std::int64_t products;                     // of a group and a tap in depth each
  std::int64_t panel;                        // elements
  std::int64_t tiles, chain, chunk, chunks;  // whole units

  Sizes(const ConvShape& shape, const WinogradKernels<T>& kernels_, const GemmKernels<T>& gemm)
      : kernels(kernels_),
        in(ceil_div(shape.in_channels_per_group(), unit)),
        out(ceil_div(shape.out_channels_per_group(), unit)),
        products(shape.groups * shape.kernel[0]),
        panel(gemm.max_vectors * gemm.lanes) {
    const WinogradTiles all = grad_output_tiles(shape, kernels);
    tiles = all.tiles();
    chain = chain_units(all) * all.phases;
    chunk = tiles <= most_chunk_tiles ? std::max<std::int64_t>(tiles, 1) : chain;
    chunks = ceil_div(tiles, chunk);
  }

  std::size_t thread_bytes(std::int64_t in_units, std::int64_t out_units) const {
    const std::int64_t channels = in_units * unit;
    const std::int64_t held = chunks > 1 ? out_units * unit : panel;
    const std::int64_t elements = winograd_padded(channels * held, kernels.lanes) +
                                  winograd_padded(chunk * channels, kernels.lanes) +
                                  winograd_padded(chunk * panel, kernels.lanes);
    return round_up_to_line(
        (static_cast<std::size_t>(kernels.frequencies() * elements) + kernels.scratch_size) * sizeof(T));
  }

  // Multiply-adds of a block in one chunk.
  std::int64_t chunk_macs(std::int64_t in_units, std::int64_t out_units) const {
    return kernels.frequencies() * chunk * in_units * out_units * unit * unit;
  }

  // The blocks that fit, keep no interrupt waiting and take the least time on `threads` threads.
  Blocks choose(int threads) const {
    Blocks best{{in, 1}, {out, 1}};
    double best_cycles = std::numeric_limits<double>::max();
    for (std::int64_t in_units = 1; in_units <= std::min(in, most_in_units); ++in_units) {
      if (thread_bytes(in_units, 1) > most_thread_bytes) break;
      for (std::int64_t out_units = 1; out_units <= out; ++out_units) {
        if (thread_bytes(in_units, out_units) > most_thread_bytes ||
            chunk_macs(in_units, out_units) > most_macs_per_lane * kernels.lanes)
          break;
        const Blocks blocks{{in, in_units}, {out, out_units}};
        // As many blocks of fewer channels have been seen.
        if (blocks.in_units() < in_units || blocks.out_units() < out_units) continue;
        const double cycles =
            static_cast<double>(ceil_div(products * blocks.count(), threads)) * cycles_of(blocks);
        if (cycles < best_cycles) best = blocks, best_cycles = cycles;
      }
    }
    return best;
  }

  // Cycles of a block.
  double cycles_of(const Blocks& blocks) const {
    const double vectors = static_cast<double>(unit) / kernels.lanes;
    const auto ins = static_cast<double>(blocks.in_units()), outs = static_cast<double>(blocks.out_units());
    return kernels.frequencies() * vectors *
           (static_cast<double>(tiles) *
                (ins * outs * unit * product_cycles + (ins + outs) * transform_cycles) +
            ins * outs * unit * store_cycles);
  }
};

template <class T>
class WinogradGradWeight final : public ConvAlgorithm {
 public:
  WinogradGradWeight(const char* name, const ConvProblem& problem, const WinogradKernels<T>& kernels)
      : name_(name),
        shape_(problem.shape),
        kernels_(kernels),
        gemm_(gemm_kernels<T>(problem.isa)),
        threads_(problem.threads),
        tiles_(grad_output_tiles(shape_, kernels)),
        run_units_(kernels.run_units(tiles_.phases, tiles_.phases)),
        sizes_(shape_, kernels, gemm_),
        blocks_(sizes_.choose(threads_)),
        direct_(make_im2col_gemm_grad_weight(problem)) {}

  const char* name() const override { return name_; }
  std::string kernel() const override {
    return std::string(kernels_.name) + ", " + gemm_.kernel(gemm_.max_rows, gemm_.max_vectors).name;
  }
  std::size_t workspace_bytes() const override {
    return std::max(thread_bytes() * static_cast<std::size_t>(threads_), direct_->workspace_bytes());
  }

  void run(const ConvArrays& arrays, const void* packed, void* workspace) const override {
    const std::int64_t chunks = sizes_.chunks, blocks = sizes_.products * blocks_.count();
    if (chunks == 0) return direct_->run(arrays, packed, workspace);
    // Where one task would keep an interrupt waiting, as many blocks as there are threads advance together.
    const EvenSplit spans(chunks, most_macs_per_lane * gemm_.lanes /
                                      sizes_.chunk_macs(blocks_.in_units(), blocks_.out_units()));
    const std::int64_t wave = spans.parts == 1 ? blocks : threads_;
    std::atomic<bool> finite{true};
    for (std::int64_t first = 0; first < blocks; first += wave)
      for (std::int64_t span = 0; span < spans.parts; ++span)
        parallel_for(std::min(wave, blocks - first), threads_, [&](std::int64_t task, int thread) {
          const std::int64_t slot = spans.parts == 1 ? thread : task;
          const Block block(*this, arrays, first + task,
                            static_cast<char*>(workspace) + thread_bytes() * static_cast<std::size_t>(slot));
          for (std::int64_t part = 0; part < block.parts.parts; ++part) {
            for (std::int64_t chunk = spans.begin(span); chunk < spans.end(span); ++chunk)
              add_chunk(block, part, chunk);
            if (span == spans.parts - 1 && !store(block, part)) finite = false;
          }
        });
    if (!finite) direct_->run(arrays, packed, workspace);
  }

 private:
  // What one task computes: some input and output channels of one group.
  struct Block {
    std::int64_t in_channels, out_channels;
    const T *input, *grad_output;  // the planes of these channels in the first image
    std::int64_t slice;            // of the input that meets grad_output's first
    T* grad_weight;                // of these channels and the tap in depth
    EvenSplit panels;              // of vectors of output channels
    EvenSplit parts;               // of panels
    EvenSplit rows;                // of input channels, MR at the most
    std::array<int, most_rows + 1> row_begin;
    std::int64_t v_tile, v_frequency, w_frequency, s_channel, s_frequency;
    T *s, *v, *w, *scratch;

    Block(const WinogradGradWeight& a, const ConvArrays& arrays, std::int64_t task, char* memory)
        : panels(0, 1), parts(0, 1), rows(0, 1) {
      const ConvShape& shape = a.shape_;
      const int lanes = a.kernels_.lanes, frequencies = a.kernels_.frequencies();
      const std::int64_t index = task % a.blocks_.count(), product = task / a.blocks_.count();
      const std::int64_t group = product / shape.kernel[0], tap = product % shape.kernel[0];
      const std::int64_t in_block = index / a.blocks_.out.parts, out_block = index % a.blocks_.out.parts;
      const std::int64_t group_in = shape.in_channels_per_group(), group_out = shape.out_channels_per_group();
      const std::int64_t in = a.blocks_.in.begin(in_block) * unit,
                         out = a.blocks_.out.begin(out_block) * unit;
      in_channels = std::min(a.blocks_.in.end(in_block) * unit, group_in) - in;
      out_channels = std::min(a.blocks_.out.end(out_block) * unit, group_out) - out;
      input = static_cast<const T*>(arrays.input) + (group * group_in + in) * shape.input_plane();
      grad_output =
          static_cast<const T*>(arrays.grad_output) + (group * group_out + out) * shape.output_plane();
      slice = tap * shape.dilation[0] - shape.pad_before[0];
      grad_weight = static_cast<T*>(arrays.result) +
                    ((group * group_out + out) * group_in + in) * shape.taps() +
                    tap * shape.kernel[1] * shape.kernel[2];

      panels = EvenSplit(ceil_div(out_channels, lanes), a.gemm_.max_vectors);
      parts = EvenSplit(panels.parts, a.sizes_.chunks > 1 ? panels.parts : 1);
      rows = EvenSplit(in_channels, a.gemm_.max_rows);
      for (std::int64_t row = 0; row <= rows.parts; ++row)
        row_begin[static_cast<std::size_t>(row)] = static_cast<int>(rows.begin(row));
      v_tile = ceil_div(in_channels, lanes) * lanes;
      s_channel = a.sizes_.chunks > 1 ? panels.total * lanes : a.sizes_.panel;
      v_frequency = winograd_padded(a.sizes_.chunk * v_tile, lanes);
      w_frequency = winograd_padded(a.sizes_.chunk * a.sizes_.panel, lanes);
      s_frequency = winograd_padded(in_channels * s_channel, lanes);
      s = reinterpret_cast<T*>(memory);
      v = s + frequencies * s_frequency;
      w = v + frequencies * v_frequency;
      scratch = w + frequencies * w_frequency;
    }

    // First output channel of a part.
    std::int64_t begin(std::int64_t part, int lanes) const { return panels.begin(parts.begin(part)) * lanes; }
  };

  std::size_t thread_bytes() const { return sizes_.thread_bytes(blocks_.in_units(), blocks_.out_units()); }

  // Adds the sums over a chunk of tiles to S of a part.
  void add_chunk(const Block& block, std::int64_t part, std::int64_t chunk) const {
    const std::int64_t first = chunk * sizes_.chunk, last = std::min(first + sizes_.chunk, sizes_.tiles);
    const Extents& pad = shape_.pad_before;
    if (part == 0)
      transform(
          kernels_.transform_input,
          {block.input, block.in_channels, shape_.in_channels, shape_.input, block.slice, pad[1], pad[2]},
          {block.v, block.v_tile, block.v_frequency}, first, last, block.scratch);
    for (std::int64_t panel = block.parts.begin(part); panel < block.parts.end(part); ++panel) {
      const std::int64_t channel = block.panels.begin(panel) * kernels_.lanes;
      const std::int64_t width = block.panels.end(panel) * kernels_.lanes - channel;
      transform(kernels_.transform_grad_output,
                {block.grad_output + channel * shape_.output_plane(),
                 std::min(width, block.out_channels - channel), shape_.out_channels, shape_.output, 0, 0, 0},
                {block.w, width, block.w_frequency}, first, last, block.scratch);
      multiply(block, last - first, width, block.s + channel - block.begin(part, kernels_.lanes), chunk > 0);
    }
  }

  // Some channels of every image, as tiles of every slice of grad_output meet them.
  struct Planes {
    const T* first;                         // in the first image
    std::int64_t channels, image_channels;  // of these, and of an image
    const Extents& size;
    std::int64_t slice, top,
        left;  // the first slice meets `slice`; the first tile starts at row -top, column -left
  };

  struct Transformed {
    T* first;
    std::int64_t tile_stride, frequency_stride;
  };

  // Transforms tiles [first, last) of some planes.
  void transform(void (*kernel)(const WinogradInputRun<T>&), const Planes& planes, const Transformed& target,
                 std::int64_t first, std::int64_t last, T* scratch) const {
    const std::int64_t phases = tiles_.phases, step = tiles_.column_phases;
    const std::int64_t row_unit = kernels_.row_outputs * tiles_.row_phases;
    const std::int64_t depth = planes.size[0], height = planes.size[1], width = planes.size[2];
    const std::int64_t plane = height * width, slices = shape_.output[0];
    for (std::int64_t channel = 0; channel < planes.channels; channel += kernels_.lanes)
      tiles_.for_each_run(first / phases, last / phases, run_units_, [&](const WinogradTiles::Run& run) {
        const std::int64_t volume = run.image / slices * planes.image_channels + channel;
        const std::int64_t slice = run.image % slices + planes.slice;
        const bool exists = slice >= 0 && slice < depth;
        kernel({{planes.first + (volume * depth + (exists ? slice : 0)) * plane, depth * plane,
                 std::min<std::int64_t>(kernels_.lanes, planes.channels - channel), exists ? height : 0,
                 width, run.row * row_unit + run.row_phase - planes.top,
                 run.column * kernels_.outputs * step + run.column_phase - planes.left, step},
                run.units,
                phases,
                run.phases,
                target.first + run.index * phases * target.tile_stride + channel,
                phases * target.tile_stride,
                target.tile_stride,
                target.frequency_stride,
                scratch});
      });
  }

  // One panel, all frequencies.
  void multiply(const Block& block, std::int64_t tiles, std::int64_t width, T* sums, bool add) const {
    const int vectors = static_cast<int>(width / kernels_.lanes);
    for (int frequency = 0; frequency < kernels_.frequencies(); ++frequency) {
      const T* const v = block.v + frequency * block.v_frequency;
      const T* const w = block.w + frequency * block.w_frequency;
      T* const s = sums + frequency * block.s_frequency;
      for (std::int64_t row = 0; row < block.rows.parts; ++row) {
        const int channel = block.row_begin[static_cast<std::size_t>(row)];
        const int channels = block.row_begin[static_cast<std::size_t>(row) + 1] - channel;
        for (std::int64_t tile = 0; tile < tiles; tile += sizes_.chain)
          gemm_.kernel(channels, vectors)
              .run({v + tile * block.v_tile + channel, 1, block.v_tile, w + tile * width,
                    std::min(sizes_.chain, tiles - tile), s + channel * block.s_channel, block.s_channel,
                    width, nullptr, add || tile > 0, nullptr, add || tile > 0});
      }
    }
  }

  // Answers whether every result is finite.
  bool store(const Block& block, std::int64_t part) const {
    bool finite = true;
    const std::int64_t taps = shape_.taps(), depth = shape_.in_channels_per_group() * taps;
    const std::int64_t begin = block.begin(part, kernels_.lanes);
    const std::int64_t end = std::min(block.begin(part + 1, kernels_.lanes), block.out_channels);
    for (std::int64_t channel = 0; channel < block.in_channels; channel += kernels_.lanes)
      for (std::int64_t out = begin; out < end; out += kernels_.lanes)
        finite &= kernels_.transform_sums(
            {block.s + channel * block.s_channel + out - begin, block.s_channel, block.s_frequency,
             std::min<std::int64_t>(kernels_.lanes, block.in_channels - channel),
             std::min<std::int64_t>(kernels_.lanes, end - out),
             block.grad_weight + out * depth + channel * taps, depth, taps, block.scratch});
    return finite;
  }

  const char* name_;
  ConvShape shape_;
  const WinogradKernels<T>& kernels_;
  const GemmKernels<T>& gemm_;
  int threads_;
  WinogradTiles tiles_;
  std::int64_t run_units_;
  Sizes<T> sizes_;
  Blocks blocks_;
  std::shared_ptr<const ConvAlgorithm> direct_;
};

// Of the algorithm, as winograd_direct_cycles; their ratio decides.
double cycles(const ConvProblem& problem, const WinogradKernels<float>& kernels) {
  const Sizes<float> sizes(problem.shape, kernels, gemm_kernels<float>(problem.isa));
  const Blocks blocks = sizes.choose(1);
  return static_cast<double>(sizes.products * blocks.count()) * sizes.cycles_of(blocks);
}

// Sums over fewer points than this would round more than twice as much as one chain.
std::int64_t least_points(const WinogradKernels<float>& kernels) {
  if (kernels.row_taps == 1) return kernels.taps < 5 ? 48 : kernels.outputs == 4 ? 384 : 96;
  if (kernels.taps == 3) return kernels.outputs == 4 ? 384 : 32;
  return 720;
}

bool rounds_more(const ConvProblem& problem, const WinogradKernels<float>& kernels) {
  return problem.shape.batch * problem.shape.output_plane() < least_points(kernels);
}

constexpr const char* rougher = "over so few points its rounding would show";
constexpr const char* slower =
    "transforming input, grad_output and sums would take longer than the products that it saves";

}  // namespace

double winograd_grad_weight_cycles(const ConvProblem& problem) {
  double best = std::numeric_limits<double>::infinity();
  for (const int outputs : {2, 3, 4}) {
    if (winograd_obstacle(problem, outputs) != nullptr) continue;
    const WinogradKernels<float>& kernels = *winograd_row(problem, outputs);
    if (!rounds_more(problem, kernels)) best = std::min(best, cycles(problem, kernels));
  }
  return best;
}

template <int Outputs>
const char* winograd_grad_weight_why_slower(const ConvProblem& problem) {
  const WinogradKernels<float>& kernels = *winograd_row(problem, Outputs);
  if (rounds_more(problem, kernels)) return rougher;
  const double own = cycles(problem, kernels);
  if (own > winograd_direct_cycles(problem)) return slower;
  const WinogradKernels<float>* const smaller = winograd_row(problem, 2);
  return Outputs > 2 && smaller != nullptr && own > cycles(problem, *smaller)
             ? "smaller tiles waste less at the edges of so small a plane"
             : nullptr;
}

template <int Outputs>
std::shared_ptr<const ConvAlgorithm> make_winograd_grad_weight(const ConvProblem& problem) {
  return std::make_shared<WinogradGradWeight<float>>(winograd_names[Outputs - 2], problem,
                                                     *winograd_row(problem, Outputs));
}

template const char* winograd_grad_weight_why_slower<2>(const ConvProblem&);
template const char* winograd_grad_weight_why_slower<3>(const ConvProblem&);
template const char* winograd_grad_weight_why_slower<4>(const ConvProblem&);
template std::shared_ptr<const ConvAlgorithm> make_winograd_grad_weight<2>(const ConvProblem&);
template std::shared_ptr<const ConvAlgorithm> make_winograd_grad_weight<3>(const ConvProblem&);
template std::shared_ptr<const ConvAlgorithm> make_winograd_grad_weight<4>(const ConvProblem&);

}  // namespace convnative
