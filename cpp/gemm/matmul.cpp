#include "gemm/matmul.h"

#include <algorithm>
#include <array>
#include <type_traits>

#include "base/aligned_buffer.h"
#include "base/checked.h"
#include "base/cpu.h"
#include "base/parallel.h"

namespace convnative {
namespace {

// Sums in the workspace, MC x NC of them, together with panels within 2 MiB.
constexpr std::int64_t most_transposed_panels = 4;

// Rows of B that are read in place are asked for this many steps ahead.
constexpr std::int64_t rows_ahead = 16;

// Panels that are packed together where B is larger than L2, and rows of it at a time. Pieces as wide as one panel are
// too short for the hardware to follow, and where rows lie a multiple of 4 KiB apart those of a panel evict one another.
constexpr std::int64_t most_grouped_panels = 4;
constexpr std::int64_t grouped_rows = 8;

// Up to so many tiles of rows B is read anew by each for less than packing it takes.
constexpr std::int64_t most_tiles_in_place = 6;

template <class T>
void start_from_bias(const Matmul<T>& p, std::int64_t row_begin, std::int64_t row_end, std::int64_t begin,
                     std::int64_t end) {
  for (std::int64_t i = row_begin; i < row_end; ++i) {
    T* const c = p.c + i * p.c_row;
    if (p.bias_run == 1)
      std::copy(p.bias + begin, p.bias + end, c + begin);
    else
      for (std::int64_t j = begin; j < end;) {
        const std::int64_t run = j / p.bias_run, stop = std::min((run + 1) * p.bias_run, end);
        std::fill(c + j, c + stop, p.bias[run]);
        j = stop;
      }
  }
}

// Brings a tile's rows near while the tile before is at work: pieces of KC of rows are too short for the hardware to
// notice in time.
template <class T>
void prefetch_rows(const T* first, std::int64_t rows, std::ptrdiff_t row_stride, std::int64_t depth) {
  constexpr auto line = static_cast<std::int64_t>(cache_line_bytes / sizeof(T));
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t p = 0; p < depth; p += line) __builtin_prefetch(first + i * row_stride + p);
}

}  // namespace

// Blocks of the operand in rows and of panels; its thread's workspace.
template <class T>
struct MatmulPlan<T>::Task {
  std::int64_t row_begin, row_end;
  std::int64_t first_panel, last_panel;
  T* panels;
  T* sums;  // of transposed products: (row_end - row_begin) x sums_row
  std::ptrdiff_t sums_row;
};

template <class T>
MatmulPlan<T>::MatmulPlan(const Matmul<T>& product, Isa isa, int threads, bool prepacked)
    : kernels_(gemm_kernels<T>(isa)),
      threads_(threads),
      prepacked_(prepacked),
      k_(product.k),
      b_row_(product.b_row),
      b_column_(product.b_column),
      operands_(cheapest(product)),
      row_blocks_(0, 1),
      panels_(ceil_div(transposes() ? product.m : product.n, kernels_.lanes), kernels_.max_vectors),
      depth_blocks_(std::max<std::int64_t>(k_, 1), gemm_blocking<T>().kc),
      columns_(transposes() ? product.m : product.n) {
  const std::int64_t rows = transposes() ? product.n : product.m;
  if (rows == 0 || columns_ == 0) return;
  // Two blocks per thread even out their ends; columns are cut first, because each row block packs B again.
  const std::int64_t most = most_rows(rows);
  const std::int64_t most_panels = std::clamp<std::int64_t>(
      most_macs_per_lane * kernels_.lanes / (most * row_macs()), 1, most_panels_together(product));
  panels_per_block_ = std::clamp<std::int64_t>(ceil_div(panels_.parts, 2 * threads), 1, most_panels);
  column_blocks_ = ceil_div(panels_.parts, panels_per_block_);
  if (!transposes() && product.b_column == 1 &&
      product.n * product.k * static_cast<std::int64_t>(sizeof(T)) > l2_cache_bytes())
    panels_per_group_ = std::min(panels_per_block_, most_grouped_panels);
  const std::int64_t wanted = ceil_div(2 * threads, column_blocks_);
  row_blocks_ =
      EvenSplit(rows, std::clamp<std::int64_t>(ceil_div(rows, wanted),
                                               std::min<std::int64_t>(kernels_.max_rows, rows), most));
}

// Of a row of a panel; a sum may be of any length.
template <class T>
std::int64_t MatmulPlan<T>::row_macs() const {
  return std::clamp<std::int64_t>(k_, 1, most_macs_per_lane * kernels_.lanes) * panel_columns();
}

// Panels of a block: NC, or as many as there are sums for. Where A stays in L2 for all of k, B's columns are read in
// one go, panel after panel, as the hardware expects.
template <class T>
std::int64_t MatmulPlan<T>::most_panels_together(const Matmul<T>& p) const {
  if (transposes()) return most_transposed_panels;
  const bool columns_are_read = packs() && p.b_row == 1;
  if (columns_are_read && p.m * p.k * static_cast<std::int64_t>(sizeof(T)) <= l2_cache_bytes() / 4) return 1;
  return gemm_blocking<T>().nc / panel_columns();
}

// Rows of a block: MC, fewer where k is so long that a task would take too long.
template <class T>
std::int64_t MatmulPlan<T>::most_rows(std::int64_t rows) const {
  return std::min(rows, std::clamp<std::int64_t>(most_macs_per_lane * kernels_.lanes / row_macs(),
                                                 kernels_.max_rows, gemm_blocking<T>().mc));
}

// Cycles of a core, roughly, for each step of k. Two loads or multiply-adds a cycle; 8 chains hide their latency.
template <class T>
double MatmulPlan<T>::product_cycles(std::int64_t rows, std::int64_t columns) const {
  const EvenSplit tiles(rows, kernels_.max_rows);
  const EvenSplit panels(ceil_div(columns, kernels_.lanes), kernels_.max_vectors);
  const double tile_rows = static_cast<double>(rows) / static_cast<double>(tiles.parts);
  const double vectors = static_cast<double>(panels.total) / static_cast<double>(panels.parts);
  return static_cast<double>(tiles.parts * panels.parts) / 2 *
         std::max({tile_rows * vectors, tile_rows + vectors, 8.0});
}

template <class T>
double MatmulPlan<T>::pack_cycles(std::int64_t columns, bool contiguous, std::int64_t rows) const {
  const auto blocks = static_cast<double>(ceil_div(rows, most_rows(rows)));
  return static_cast<double>(ceil_div(columns, kernels_.lanes)) * (contiguous ? 1.5 : 5) * blocks;
}

template <class T>
MatmulOperands MatmulPlan<T>::cheapest(const Matmul<T>& p) const {
  if (prepacked_ || p.m == 0 || p.n == 0) return MatmulOperands::panels;
  if (p.m <= most_tiles_in_place * kernels_.max_rows && p.b_column == 1 && p.a_column == 1)
    return MatmulOperands::rows_in_place;
  // In rows B is read along k: where that leads from line to line it has to be packed.
  if (p.b_row != 1 || p.bias_run != 1) return MatmulOperands::panels;
  const double panels = pack_cycles(p.n, false, p.m) + product_cycles(p.m, p.n);
  const double transposed = pack_cycles(p.m, p.a_row == 1, p.n) + product_cycles(p.n, p.m);
  return transposed < panels ? MatmulOperands::transposed : MatmulOperands::panels;
}

template <class T>
typename MatmulPlan<T>::Panel MatmulPlan<T>::panel(std::int64_t index) const {
  const std::int64_t first = panels_.begin(index), last = panels_.end(index);
  return {first * kernels_.lanes, std::min(last * kernels_.lanes, columns_), static_cast<int>(last - first)};
}

template <class T>
std::size_t MatmulPlan<T>::panel_bytes() const {
  if (!packs()) return 0;
  const std::int64_t depth = ceil_div(depth_blocks_.total, depth_blocks_.parts);
  return round_up_to_line(static_cast<std::size_t>(depth * panels_per_group_ * panel_columns()) * sizeof(T));
}

template <class T>
std::size_t MatmulPlan<T>::sums_bytes() const {
  if (!transposes()) return 0;
  const std::int64_t rows = ceil_div(row_blocks_.total, row_blocks_.parts);
  return round_up_to_line(static_cast<std::size_t>(rows * panels_per_block_ * panel_columns()) * sizeof(T));
}

template <class T>
std::size_t MatmulPlan<T>::packed_bytes() const {
  return prepacked_ ? static_cast<std::size_t>(k_ * panels_.total * kernels_.lanes) * sizeof(T) : 0;
}

template <class T>
std::size_t MatmulPlan<T>::workspace_bytes() const {
  return (panel_bytes() + sums_bytes()) * static_cast<std::size_t>(threads_);
}

// KC after KC, and in each panel after panel.
template <class T>
const T* MatmulPlan<T>::packed_panel(const T* packed, std::int64_t block, std::int64_t index) const {
  const std::int64_t begin = depth_blocks_.begin(block), depth = depth_blocks_.end(block) - begin;
  return packed + (begin * panels_.total + depth * panels_.begin(index)) * kernels_.lanes;
}

template <class T>
void MatmulPlan<T>::pack(const T* b, T* packed) const {
  if (!prepacked_ || k_ == 0) return;
  parallel_for(panels_.parts, threads_, [&](std::int64_t index, int) {
    const auto [begin, end, vectors] = panel(index);
    for (std::int64_t block = 0; block < depth_blocks_.parts; ++block) {
      const std::int64_t k_begin = depth_blocks_.begin(block);
      kernels_.pack_matrix({b + k_begin * b_row_ + begin * b_column_, b_row_, b_column_,
                            depth_blocks_.end(block) - k_begin, end - begin, vectors,
                            const_cast<T*>(packed_panel(packed, block, index))});
    }
  });
}

template <class T>
void MatmulPlan<T>::run(const Matmul<T>& product, const T* packed, void* workspace) const {
  if (product.m == 0 || product.n == 0) return;
  const std::size_t thread_bytes = panel_bytes() + sums_bytes();
  parallel_for(row_blocks_.parts * column_blocks_, threads_, [&](std::int64_t index, int thread) {
    char* const memory = static_cast<char*>(workspace) + thread_bytes * static_cast<std::size_t>(thread);
    const std::int64_t row_block = index % row_blocks_.parts;
    const std::int64_t first_panel = index / row_blocks_.parts * panels_per_block_;
    run_task(product, packed,
             {row_blocks_.begin(row_block), row_blocks_.end(row_block), first_panel,
              std::min(first_panel + panels_per_block_, panels_.parts), reinterpret_cast<T*>(memory),
              reinterpret_cast<T*>(memory + panel_bytes()), panels_per_block_ * panel_columns()});
  });
}

// Panels [first, last) of a block, one behind the other.
template <class T>
void MatmulPlan<T>::pack_group(const Operand& columns, std::int64_t k_begin, std::int64_t depth,
                               std::int64_t first, std::int64_t last, T* panels) const {
  const std::int64_t rows = last - first > 1 ? grouped_rows : depth;
  for (std::int64_t p = 0; p < depth; p += rows)
    for (std::int64_t index = first; index < last; ++index) {
      const Panel panel = this->panel(index);
      const std::int64_t lanes = panel.vectors * kernels_.lanes;
      kernels_.pack_matrix(
          {columns.at(panel.begin, k_begin + p), columns.inner, columns.outer, std::min(rows, depth - p),
           panel.end - panel.begin, panel.vectors,
           panels + (panels_.begin(index) - panels_.begin(first)) * kernels_.lanes * depth + p * lanes});
    }
}

template <class T>
void MatmulPlan<T>::run_task(const Matmul<T>& p, const T* packed, const Task& task) const {
  const Operand a{p.a, p.a_row, p.a_column}, b{p.b, p.b_column, p.b_row};
  const Operand in_rows = transposes() ? b : a, in_columns = transposes() ? a : b;
  const bool in_place = operands_ == MatmulOperands::rows_in_place;
  const EvenSplit tiles(task.row_end - task.row_begin, kernels_.max_rows);
  const std::int64_t first_column = panels_.begin(task.first_panel) * kernels_.lanes;
  for (std::int64_t block = 0; block < depth_blocks_.parts; ++block) {
    const std::int64_t k_begin = std::min(depth_blocks_.begin(block), k_);
    const std::int64_t depth = std::min(depth_blocks_.end(block), k_) - k_begin;
    for (std::int64_t index = task.first_panel; index < task.last_panel; ++index) {
      const auto [begin, end, vectors] = panel(index);
      const T* const lies = in_columns.at(begin, k_begin);
      const T* b_panel = prepacked_ ? packed_panel(packed, block, index) : lies;
      if (packs()) {
        const std::int64_t first_of_group = index - (index - task.first_panel) % panels_per_group_;
        if (index == first_of_group)
          pack_group(in_columns, k_begin, depth, index, std::min(index + panels_per_group_, task.last_panel),
                     task.panels);
        b_panel =
            task.panels + (panels_.begin(index) - panels_.begin(first_of_group)) * kernels_.lanes * depth;
      }
      const bool biased = block == 0 && p.bias != nullptr;
      if (biased && !transposes()) start_from_bias(p, task.row_begin, task.row_end, begin, end);

      GemmTile<T> tile{.a = nullptr,
                       .a_row = in_rows.outer,
                       .a_inner = in_rows.inner,
                       .b = b_panel,
                       .depth = depth,
                       .c = nullptr,
                       .c_row = transposes() ? task.sums_row : p.c_row,
                       .columns = end - begin,
                       .row_start = nullptr,
                       .accumulate = block > 0 || (biased && !transposes()),
                       .add_last = block > 0 && p.in_parts,
                       .next_step = in_columns.inner,
                       .next_lines = vectors,
                       .b_row = in_place ? in_columns.inner : 0};
      for (std::int64_t t = 0; t < tiles.parts; ++t) {
        const std::int64_t i = task.row_begin + tiles.begin(t), i_end = task.row_begin + tiles.end(t);
        tile.a = in_rows.at(i, k_begin);
        tile.c = transposes() ? task.sums + (i - task.row_begin) * task.sums_row + begin - first_column
                              : p.c + i * p.c_row + begin;
        // Rows of B ahead of those in work, which the first tile brings near for the others.
        tile.next = in_place && t == 0 ? lies + rows_ahead * in_columns.inner : nullptr;
        if (biased && transposes()) tile.row_start = p.bias + i;
        if (index == task.first_panel && in_rows.inner == 1 && t + 1 < tiles.parts)
          prefetch_rows(in_rows.at(i_end, k_begin), tiles.end(t + 1) - tiles.end(t), in_rows.outer, depth);
        kernels_.kernel(static_cast<int>(i_end - i), vectors).run(tile);
      }
    }
  }
  if (transposes()) store_transposed(p, task, first_column);
}

template <class T>
void MatmulPlan<T>::store_transposed(const Matmul<T>& p, const Task& task, std::int64_t first_column) const {
  const std::int64_t end = std::min(panels_.end(task.last_panel - 1) * kernels_.lanes, columns_);
  for (std::int64_t column = first_column; column < end; column += kernels_.lanes) {
    const std::int64_t columns = std::min<std::int64_t>(end - column, kernels_.lanes);
    std::array<T*, MatrixColumns<T>::most> targets{};
    for (std::int64_t j = 0; j < columns; ++j)
      targets[static_cast<std::size_t>(j)] = p.c + (column + j) * p.c_row + task.row_begin;
    kernels_.transpose_columns({task.sums + column - first_column, task.sums_row,
                                task.row_end - task.row_begin, columns, targets.data()});
  }
}

template <class T>
void matmul(const Matmul<T>& product, Isa isa) {
  const double macs =
      static_cast<double>(product.m) * static_cast<double>(product.n) * static_cast<double>(product.k);
  const MatmulPlan<T> plan(product, isa, threads_for(macs, macs_per_thread));
  const AlignedBuffer workspace(plan.workspace_bytes());
  plan.run(product, nullptr, workspace.data());
}

template class MatmulPlan<float>;
template class MatmulPlan<double>;
template void matmul(const Matmul<float>&, Isa);
template void matmul(const Matmul<double>&, Isa);

}  // namespace convnative
