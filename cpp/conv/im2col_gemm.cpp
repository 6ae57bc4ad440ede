#include "conv/im2col_gemm.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <optional>

#include "base/aligned_buffer.h"
#include "base/checked.h"
#include "base/parallel.h"
#include "conv/algorithm.h"
#include "gemm/blocking.h"

namespace convnative {
namespace {

template <class T>
constexpr auto line = static_cast<std::int64_t>(cache_line_bytes / sizeof(T));

// Packing one vector takes about as long as the multiply-adds of this many rows with it: half a cycle a row against 2.5
// cycles for each of its pieces, 4 where elements lie 2 apart, 20 where they are gathered.
template <class T>
double pack_cost_rows(const Im2colLattice& lattice, const GemmKernels<T>& kernels) {
  const Im2colLattice::Axis& columns = lattice.axes[2];
  const double pieces = 1 + static_cast<double>(kernels.lanes - 1) /
                                static_cast<double>(std::max<std::int64_t>(columns.grid, 1));
  return pieces * (columns.step == 1 ? 5 : columns.step <= kernels.max_loaded_step ? 8 : 40);
}

// Rows of A that stay in L2 while panels pass: as many as MC of the deepest.
template <class T>
std::int64_t resident_rows(std::int64_t depth) {
  const GemmBlocking blocking = gemm_blocking<T>();
  return blocking.mc * blocking.kc / std::clamp<std::int64_t>(depth, 1, blocking.kc);
}

constexpr std::size_t most_tile_rows = gemm_tile_size(Isa::avx512).rows;  // the most of any level

// Points [first, first + length) of a panel whose places in the result are `step` apart.
struct PointRun {
  std::int64_t first, length;
  std::int64_t place;
};

template <class T>
EvenSplit panels_of(const Im2colGemm& gemm, const GemmKernels<T>& kernels) {
  return EvenSplit(ceil_div(gemm.lattice.points(), kernels.lanes), kernels.max_vectors);
}

template <class T>
Im2colBlocks blocks_of(const Im2colGemm& gemm) {
  // Rows that interleave are stored once.
  return Im2colBlocks(gemm.channels, gemm.lattice.taps(),
                      gemm.line > 1 ? im2col_most_depth_of_lines<T> : gemm_blocking<T>().kc);
}

// The parts of a thread's workspace, in bytes.
template <class T>
struct ThreadMemory {
  std::size_t panel, tile, point_runs, im2col_runs;

  ThreadMemory(const Im2colGemm& gemm, const GemmKernels<T>& kernels) {
    const Im2colBlocks blocks = blocks_of<T>(gemm);
    const std::int64_t columns = kernels.max_vectors * kernels.lanes;
    panel = round_up_to_line(static_cast<std::size_t>(blocks.max_rows() * columns) * sizeof(T));
    tile = round_up_to_line(static_cast<std::size_t>(kernels.max_rows * columns) * sizeof(T));
    point_runs = round_up_to_line(static_cast<std::size_t>(columns) * sizeof(PointRun));
    im2col_runs = Im2colRuns::bytes(gemm.lattice, kernels.lanes, columns, blocks.max_taps());
  }
  // The next panel's runs are built while this one's are in use.
  std::size_t total() const { return panel + tile + point_runs + 2 * im2col_runs; }
};

// Cuts the points of a panel into runs; returns their number. Rows and planes that follow one another without
// a gap are one run.
std::int64_t place_points(const Im2colLattice& lattice, const PointPlacement& placement,
                          std::int64_t first_point, std::int64_t points, PointRun* runs) {
  const auto& axes = lattice.axes;
  const std::int64_t row_length = axes[2].grid;
  const std::int64_t step = placement.step[2];
  std::int64_t count = 0;
  for (std::int64_t p = 0; p < points;) {
    const std::int64_t point = first_point + p;
    const std::int64_t column = point % row_length;
    const std::int64_t place = placement.first + point / lattice.grid_plane() * placement.image +
                               point / row_length / axes[1].grid % axes[0].grid * placement.step[0] +
                               point / row_length % axes[1].grid * placement.step[1] + column * step;
    const std::int64_t length = std::min(row_length - column, points - p);
    if (count > 0 && runs[count - 1].place + runs[count - 1].length * step == place)
      runs[count - 1].length += length;
    else
      runs[count++] = {p, length, place};
    p += length;
  }
  return count;
}

// A tile on its way from and to places that are not neighbours.
template <class T>
class ScatteredTile {
 public:
  ScatteredTile(const GemmKernels<T>& kernels, T* buffer, std::ptrdiff_t pitch, const PointRun* runs,
                std::int64_t count, const PointPlacement& placement)
      : kernels_(kernels),
        buffer_(buffer),
        pitch_(pitch),
        runs_(runs),
        count_(count),
        step_(placement.step[2]),
        plane_(placement.plane) {}

  void gather(const T* result, std::int64_t rows) const {
    for (const PointRun* run = runs_; run < runs_ + count_; ++run)
      if (step_ == 1)
        kernels_.copy_rows({result + run->place, plane_, rows, run->length, buffer_ + run->first, pitch_});
      else
        for_each(*run, rows, [&](std::int64_t place, std::int64_t index) { buffer_[index] = result[place]; });
  }
  void scatter(T* result, std::int64_t rows) const {
    for (const PointRun* run = runs_; run < runs_ + count_; ++run)
      if (step_ == 1)
        kernels_.copy_rows({buffer_ + run->first, pitch_, rows, run->length, result + run->place, plane_});
      else
        for_each(*run, rows, [&](std::int64_t place, std::int64_t index) { result[place] = buffer_[index]; });
  }
  // Calls body for each stretch of neighbours in the result.
  template <class Body>
  void for_each_stretch(T* result, std::int64_t rows, Body body) const {
    for (std::int64_t i = 0; i < rows; ++i)
      for (std::int64_t run = 0; run < count_; ++run)
        for (std::int64_t j = 0; j < (step_ == 1 ? 1 : runs_[run].length); ++j)
          body(result + i * plane_ + runs_[run].place + j * step_, step_ == 1 ? runs_[run].length : 1);
  }

 private:
  template <class Move>
  void for_each(const PointRun& run, std::int64_t rows, Move move) const {
    for (std::int64_t i = 0; i < rows; ++i)
      for (std::int64_t j = 0; j < run.length; ++j)
        move(i * plane_ + run.place + j * step_, i * pitch_ + run.first + j);
  }

  const GemmKernels<T>& kernels_;
  T* buffer_;
  std::ptrdiff_t pitch_;
  const PointRun* runs_;
  std::int64_t count_;
  std::ptrdiff_t step_, plane_;
};

// A tile of rows that interleave on its way to the result.
template <class T>
class InterleavedTile {
 public:
  InterleavedTile(const Im2colGemm& gemm, const PointPlacement& placement, std::int64_t first_line,
                  std::int64_t lines, const PointRun* runs, std::int64_t count, T* result)
      : rows_(gemm.line), lines_(lines), runs_(runs), count_(count) {
    std::int64_t row = first_line % placement.lines, slice = first_line / placement.lines % placement.slices;
    T* plane = result + first_line / placement.lines / placement.slices * placement.plane;
    for (std::int64_t i = 0; i < lines; ++i) {
      targets_[static_cast<std::size_t>(i)] =
          plane + slice * placement.slice_step + row * placement.line_step;
      if (++row < placement.lines) continue;
      row = 0;
      if (++slice < placement.slices) continue;
      slice = 0;
      plane += placement.plane;
    }
  }

  // The lines of the result are wanted after the products.
  void prefetch() const {
    for_each([&](std::int64_t, const PointRun& run, T* target) {
      for (std::int64_t i = 0; i < run.length * rows_; i += line<T>) __builtin_prefetch(target + i, 1);
    });
  }
  void store(const T* buffer, std::int64_t pitch, const GemmKernels<T>& kernels) const {
    for_each([&](std::int64_t i, const PointRun& run, T* target) {
      kernels.interleave({buffer + i * rows_ * pitch + run.first, pitch, rows_, run.length, target});
    });
  }

 private:
  template <class Body>
  void for_each(Body body) const {
    for (std::int64_t i = 0; i < lines_; ++i)
      for (std::int64_t run = 0; run < count_; ++run)
        body(i, runs_[run], targets_[static_cast<std::size_t>(i)] + runs_[run].place);
  }

  std::int64_t rows_, lines_;
  const PointRun* runs_;
  std::int64_t count_;
  std::array<T*, most_tile_rows> targets_;
};

// What the sums of a tile's rows start from: that of their plane.
template <class T>
class RowStarts {
 public:
  RowStarts(const T* start, std::int64_t rows_of_plane) : start_(start), rows_of_plane_(rows_of_plane) {}

  const T* operator()(std::int64_t first, std::int64_t rows) {
    if (start_ == nullptr) return nullptr;
    if (rows_of_plane_ == 1) return start_ + first;
    const T* start = start_ + first / rows_of_plane_;
    std::int64_t left = rows_of_plane_ - first % rows_of_plane_;
    for (std::int64_t i = 0; i < rows; ++i) {
      of_rows_[static_cast<std::size_t>(i)] = *start;
      if (--left == 0) ++start, left = rows_of_plane_;
    }
    return of_rows_.data();
  }

 private:
  const T* start_;
  std::int64_t rows_of_plane_;
  std::array<T, most_tile_rows> of_rows_;
};

// How the rows and the panels are cut into tasks: those parts that end soonest on `threads` threads. They
// change no result. A chunk's panels are neighbours, which share source rows and fetch each other's; its
// first one does without, which costs a part of a panel. At the end threads wait for the slowest, on average
// for half a chunk.
struct Tasks {
  std::int64_t row_parts, chunks;
};

template <class T>
Tasks choose_tasks(const Im2colGemm& gemm, const GemmKernels<T>& kernels, int threads) {
  const GemmBlocking blocking = gemm_blocking<T>();
  const std::int64_t panels = panels_of(gemm, kernels).parts;
  const std::int64_t columns = kernels.max_vectors * kernels.lanes;
  const std::int64_t row_macs = gemm.depth() * columns, most_macs = most_macs_per_lane * kernels.lanes;
  const std::int64_t most_rows =
      std::clamp<std::int64_t>(most_macs / row_macs, kernels.max_rows, resident_rows<T>(gemm.depth()));
  const std::int64_t most_panels = std::clamp<std::int64_t>(
      most_macs / (std::min(gemm.rows, most_rows) * row_macs), 1, blocking.nc / columns);
  const std::int64_t fewest_chunks = ceil_div(panels, most_panels);
  const std::int64_t fewest_parts = ceil_div(gemm.rows, most_rows);
  const std::int64_t most_parts = std::max(fewest_parts, ceil_div(gemm.rows, kernels.max_rows));

  const double packing = pack_cost_rows(gemm.lattice, kernels);
  Tasks best{fewest_parts, fewest_chunks};
  double best_cost = std::numeric_limits<double>::infinity();
  for (std::int64_t row_parts = fewest_parts; row_parts <= most_parts; row_parts *= 2) {
    const std::int64_t rows = ceil_div(ceil_div(gemm.rows, row_parts), kernels.max_rows) * kernels.max_rows;
    for (std::int64_t chunks = fewest_chunks; chunks <= std::min(panels, fewest_chunks + 12 * threads);
         ++chunks) {
      const std::int64_t rounds = ceil_div(gemm.groups * chunks * row_parts, threads);
      const auto chunk = static_cast<double>(ceil_div(panels, chunks));
      const double cost = (static_cast<double>(rounds) * (chunk + 0.15) + 0.5 * chunk) *
                          (static_cast<double>(rows) + packing);
      if (cost < best_cost) {
        best_cost = cost;
        best = {row_parts, chunks};
      }
    }
  }
  return best;
}

// Brings near what the next panel will be packed from: the share of its channels that belongs to one tile of
// this one, so that the requests spread over the work. The middle tap and the last one reach every source row
// that the panel before did not.
template <class T>
void prefetch_source(const Im2colPanel<T>& panel, std::int64_t tile, std::int64_t tiles) {
  std::int64_t runs_per_tap = 0;
  for (int v = 0; v < panel.vectors; ++v) runs_per_tap += panel.runs_per_vector[v];
  const std::int64_t begin = tile * panel.channels / tiles, end = (tile + 1) * panel.channels / tiles;
  for (std::int64_t tap = panel.taps / 2; tap < panel.taps;
       tap += std::max<std::int64_t>(panel.taps - 1 - tap, 1))
    for (const Im2colRun* run = panel.runs + tap * runs_per_tap; run < panel.runs + (tap + 1) * runs_per_tap;
         ++run) {
      if (run->lanes == 0) continue;
      const T* const first = panel.channel + run->source + std::countr_zero(run->lanes) * panel.step;
      for (std::int64_t c = begin; c < end; ++c) __builtin_prefetch(first + c * panel.channel_stride);
    }
}

// Brings a tile's weights near while the tile before is at work. Wanted where a block of them is met for the
// first time: they come from L3 or memory then, in short rows that hardware prefetching hardly catches.
template <class T>
void prefetch_weights(const T* weight, std::int64_t rows, std::ptrdiff_t row_stride, std::int64_t depth) {
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t p = 0; p < depth; p += line<T>) __builtin_prefetch(weight + i * row_stride + p);
}

// The factors were fitted to measurements with AVX-512 of some thousand convolutions: 1 to 512 channels, planes of
// 3 to 224, kernels of 1 to 7, strides of 1 to 3. Nothing here may depend on the number of threads, which must not
// change results.
template <class T>
double cycles_of(const ConvProblem& problem) {
  const ConvShape& s = problem.shape;
  const GemmKernels<T>& kernels = gemm_kernels<T>(problem.isa);
  // Phases that interleave are one product over grad_output's points, like a forward one of stride 1.
  const bool gradient = problem.operation == ConvOperation::grad_input;
  const bool interleaves = gradient && phases_interleave(s, kernels), forward = !gradient || interleaves;
  const std::int64_t stride = interleaves ? 1 : s.stride[2], lanes = kernels.lanes;
  const std::int64_t plane = forward ? s.output_plane() : s.input_plane();
  const std::int64_t points = s.batch * plane;
  const std::int64_t row = forward ? s.output[2] : std::max<std::int64_t>(s.input[2] / stride, 1);
  const EvenSplit panels(std::max<std::int64_t>(ceil_div(points, lanes), 1), kernels.max_vectors);
  const auto vectors = static_cast<double>(panels.total);
  // Tiles narrower than the widest load more for a product.
  const double per_product = 0.41 + 0.14 * static_cast<double>(panels.parts * kernels.max_vectors) / vectors;
  const auto rows = static_cast<double>(!gradient     ? s.out_channels_per_group()
                                        : interleaves ? s.in_channels_per_group() * s.taps()
                                                      : s.in_channels_per_group());
  // Products for each of the rows' points; a gradient's taps are shared out among the phases of the stride, and meet
  // zeros around grad_output.
  const double depth = forward ? static_cast<double>(s.macs()) / static_cast<double>(s.groups) /
                                     std::max(static_cast<double>(points) * rows, 1.0)
                               : static_cast<double>(s.out_channels_per_group() * s.taps()) /
                                     static_cast<double>(s.stride[0]) / static_cast<double>(s.stride[1]) /
                                     static_cast<double>(s.stride[2]);
  // Panels that span images.
  const double spanning =
      s.batch > 1
          ? std::min(3 * static_cast<double>(lanes) / static_cast<double>(std::max<std::int64_t>(plane, 1)),
                     1.0)
          : 0;
  // A vector of points consists of pieces of the rows of a plane, each of which is found for every tap, then
  // packed in every channel; panels of the source itself are not packed.
  const double pieces = 1 + static_cast<double>(lanes - 1) / static_cast<double>(row);
  const double packing = s.is_pointwise()                    ? 2.5 * spanning
                         : !forward || stride == 1           ? 2.5
                         : stride <= kernels.max_loaded_step ? 4
                                                             : 15;
  // Tiles that span images or lie apart take a detour; results that no cache holds come slowly where each tile
  // touches all channels.
  constexpr double near = 2 << 20, cached = 8 << 20, beyond_caches = 32 << 20;
  const double result_bytes = static_cast<double>(points) * rows * sizeof(T);
  const auto kc = static_cast<double>(gemm_blocking<T>().kc);
  const double blocks = interleaves ? 1 : std::max(std::ceil(depth / kc), 1.0);
  // A panel of more than KC shares L2 with more of the weights.
  const double interleaving =
      interleaves ? (result_bytes > beyond_caches ? 16 : 6) + (depth > kc ? 0.06 * depth : 0) : 0;
  // The phases of a stride come to each line of a gradient one after the other.
  const double storing = forward || stride == 1  ? 8 * spanning + (result_bytes <= cached ? 4
                                                                   : blocks > 1           ? 12
                                                                                          : 7)
                         : result_bytes > cached ? 150
                         : result_bytes > near   ? 70
                                                 : 45;
  // From L2 on a line arrives as fast as this, while products run; all of a tile's at once where rows interleave.
  const double arriving = interleaves && result_bytes > cached ? 45 : result_bytes > near ? 15 : 0;
  // A gradient's weights are brought into another order, one by one where a phase has some of the taps.
  const double weights =
      !gradient || problem.prepacked ? 0 : static_cast<double>(s.weight_size()) * (stride > 1 ? 2.3 : 1.3);
  // Weights that L2 does not keep come from L3.
  const double weight_bytes = static_cast<double>(s.weight_size()) * sizeof(T);
  const double fetching = std::max(weight_bytes - 256 * 1024, 0.0) / 10;
  return static_cast<double>(s.groups) * vectors *
             (rows * std::max(depth * per_product + blocks * storing + interleaving, arriving) +
              depth * packing * pieces + 14 * (interleaves ? 1 : static_cast<double>(s.taps())) * pieces +
              100) +
         weights + fetching;
}

template <bool Interleaves, class T>
void run_product(const Im2colGemm& gemm, const PointPlacement& placement, const Im2colGemmArrays<T>& arrays,
                 const GemmKernels<T>& kernels, int threads, void* workspace) {
  const Im2colLattice& lattice = gemm.lattice;
  const std::int64_t line_rows = Interleaves ? gemm.line : 1;
  const Tasks tasks = choose_tasks(gemm, kernels, threads);
  const EvenSplit panels = panels_of(gemm, kernels);
  const Im2colBlocks blocks = blocks_of<T>(gemm);
  const ThreadMemory<T> memory(gemm, kernels);
  const std::int64_t depth = gemm.depth(), taps = lattice.taps(), source_plane = lattice.source_plane();
  const std::int64_t max_columns = kernels.max_vectors * kernels.lanes;
  // Panels of the source itself need no packing where they lie in one image. Channels 4 KiB apart would fall into one
  // set of L1.
  constexpr std::int64_t apart = 4096 / sizeof(T);
  const std::int64_t plane = lattice.grid_plane();
  const bool read_in_place = lattice.is_source() && source_plane % apart != 0;

  parallel_for(gemm.groups * tasks.chunks * tasks.row_parts, threads, [&](std::int64_t task, int thread) {
    char* const base = static_cast<char*>(workspace) + memory.total() * static_cast<std::size_t>(thread);
    T* const panel = reinterpret_cast<T*>(base);
    T* const tile_buffer = reinterpret_cast<T*>(base + memory.panel);
    auto* const point_runs = reinterpret_cast<PointRun*>(base + memory.panel + memory.tile);
    char* const runs_memory = base + memory.panel + memory.tile + memory.point_runs;
    std::array<Im2colRuns, 2> im2col_runs{
        Im2colRuns(lattice, kernels.lanes, max_columns, runs_memory),
        Im2colRuns(lattice, kernels.lanes, max_columns, runs_memory + memory.im2col_runs)};

    const std::int64_t row_part = task % tasks.row_parts;
    const std::int64_t chunk = task / tasks.row_parts % tasks.chunks;
    const std::int64_t group = task / tasks.row_parts / tasks.chunks;
    const std::int64_t lines = gemm.rows / line_rows, line_begin = row_part * lines / tasks.row_parts;
    const EvenSplit tiles((row_part + 1) * lines / tasks.row_parts - line_begin,
                          kernels.max_rows / line_rows);
    const std::int64_t first_line = group * lines + line_begin, first_row = first_line * line_rows;

    const T* const source = arrays.source + group * gemm.channels * source_plane;
    const T* const weight = arrays.weight + first_row * depth;
    RowStarts<T> starts_of(arrays.start, Interleaves ? placement.rows(line_rows) : 1);

    const std::int64_t first_panel = chunk * panels.parts / tasks.chunks;
    const std::int64_t panel_count = (chunk + 1) * panels.parts / tasks.chunks - first_panel;
    const auto first_point_of = [&](std::int64_t index) { return panels.begin(index) * kernels.lanes; };
    // Of a channel of a panel, which may begin in the middle of one.
    const std::int64_t panel_lines = max_columns / line<T> + 1;
    const std::int64_t next_lines = ceil_div(panel_lines, tiles.parts);
    const auto points_of = [&](std::int64_t index) {
      return std::min(panels.end(index) * kernels.lanes, lattice.points()) - first_point_of(index);
    };
    // Step s packs panel s % panel_count of block s / panel_count.
    const auto describe = [&](std::int64_t s) {
      const Im2colBlock block = blocks[s / panel_count];
      const std::int64_t index = first_panel + s % panel_count;
      Im2colRuns& runs = im2col_runs[static_cast<std::size_t>(s % 2)];
      runs.build(first_point_of(index), points_of(index), block.tap, block.taps);
      return Im2colPanel<T>{source + block.channel * source_plane,
                            source_plane,
                            block.channels,
                            runs.runs(),
                            runs.runs_per_vector(),
                            block.taps,
                            runs.step(),
                            static_cast<T>(lattice.padding_value),
                            static_cast<int>(panels.end(index) - panels.begin(index)),
                            panel};
    };

    const std::int64_t steps = blocks.count() * panel_count;
    Im2colPanel<T> next = describe(0);
    for (std::int64_t s = 0; s < steps; ++s) {
      const Im2colPanel<T> patches = next;
      const std::int64_t index = first_panel + s % panel_count, points = points_of(index);
      const bool in_place = read_in_place && first_point_of(index) % plane + points <= plane;
      if (!in_place) kernels.pack_im2col(patches);
      if (s + 1 < steps) next = describe(s + 1);

      const Im2colBlock block = blocks[s / panel_count];
      const bool starts = s < panel_count && !arrays.accumulate;
      const T* const block_weight = weight + block.channel * taps + block.tap;
      T* const first_place = Interleaves ? nullptr : arrays.result + first_row * placement.plane;
      const std::int64_t count = place_points(lattice, placement, first_point_of(index), points, point_runs);
      const bool neighbours = !Interleaves && count == 1 && (placement.step[2] == 1 || points == 1);
      const ScatteredTile<T> scattered(kernels, tile_buffer, max_columns, point_runs, count, placement);
      // With one tap a tile's share of the lines of each channel in its step, which hides memory's latency best: in
      // bursts requests wait for one another, and the products for them.
      const bool follows = s + 1 < steps, spread = follows && next.taps == 1 && next.step == 1;
      GemmTile<T> product{.a = nullptr,
                          .a_row = depth,
                          .a_inner = 1,
                          .b = in_place ? patches.channel + patches.runs->source : panel,
                          .depth = block.channels * block.taps,
                          .c = tile_buffer,
                          .c_row = neighbours ? placement.plane : max_columns,
                          .columns = points,
                          .row_start = nullptr,
                          .accumulate = !starts,
                          .next_step = next.channel_stride,
                          .next_lines = static_cast<int>(next_lines),
                          .b_row = in_place ? source_plane : 0};
      const T* const next_source = spread ? next.channel + next.runs->source : nullptr;
      // What a tile needs before its products begin is a wait for the core: divisions are done for the tile behind.
      std::int64_t row = 0, end_row = tiles.end(0) * line_rows;
      for (std::int64_t tile = 0; tile < tiles.parts; ++tile) {
        const std::int64_t rows = end_row - row;
        // Rows that interleave have no plane of their own.
        T* const place = Interleaves ? nullptr : first_place + row * placement.plane;
        product.a = block_weight + row * depth;
        product.row_start = starts_of(first_row + row, rows);
        product.next =
            spread && tile * next_lines < panel_lines ? next_source + tile * next_lines * line<T> : nullptr;
        if (neighbours) product.c = place + point_runs[0].place;
        std::optional<InterleavedTile<T>> interleaved;
        if constexpr (Interleaves)
          interleaved
              .emplace(gemm, placement, first_line + tiles.begin(tile), tiles.end(tile) - tiles.begin(tile),
                       point_runs, count, arrays.result)
              .prefetch();
        else if (!neighbours && !starts)
          scattered.gather(place, rows);
        const std::int64_t next_row = end_row;
        if (tile + 1 < tiles.parts) end_row = tiles.end(tile + 1) * line_rows;
        if (s % panel_count == 0 && tile + 1 < tiles.parts)
          prefetch_weights(block_weight + next_row * depth, end_row - next_row, depth, product.depth);
        if (follows && !spread) prefetch_source(next, tile, tiles.parts);
        kernels.kernel(static_cast<int>(rows), patches.vectors).run(product);
        if constexpr (Interleaves)
          interleaved->store(tile_buffer, max_columns, kernels);
        else if (!neighbours)
          scattered.scatter(place, rows);
        if (arrays.epilogue != nullptr && s >= steps - panel_count)
          scattered.for_each_stretch(place, rows, [&](T* sums, std::int64_t count) {
            arrays.epilogue->finish(*arrays.conv_arrays, sums, count);
          });
        row = next_row;
      }
    }
  });
}

}  // namespace

double im2col_gemm_cycles(const ConvProblem& problem) {
  return problem.dtype == DType::float32 ? cycles_of<float>(problem) : cycles_of<double>(problem);
}

template <class T>
std::size_t im2col_gemm_thread_bytes(const Im2colGemm& gemm, const GemmKernels<T>& kernels) {
  return ThreadMemory<T>(gemm, kernels).total();
}

template <class T>
void run_im2col_gemm(const Im2colGemm& gemm, const PointPlacement& placement,
                     const Im2colGemmArrays<T>& arrays, const GemmKernels<T>& kernels, int threads,
                     void* workspace) {
  if (gemm.lattice.points() == 0) return;
  const auto run = gemm.line > 1 ? run_product<true, T> : run_product<false, T>;
  run(gemm, placement, arrays, kernels, threads, workspace);
}

template std::size_t im2col_gemm_thread_bytes(const Im2colGemm&, const GemmKernels<float>&);
template std::size_t im2col_gemm_thread_bytes(const Im2colGemm&, const GemmKernels<double>&);
template void run_im2col_gemm(const Im2colGemm&, const PointPlacement&, const Im2colGemmArrays<float>&,
                              const GemmKernels<float>&, int, void*);
template void run_im2col_gemm(const Im2colGemm&, const PointPlacement&, const Im2colGemmArrays<double>&,
                              const GemmKernels<double>&, int, void*);

}  // namespace convnative
