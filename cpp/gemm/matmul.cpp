// The loops around the micro-kernel for a plain matrix product.
//
//   tasks: blocks of MC rows x NC columns of C, in parallel        A block: MC x KC, L2
//     for each KC of k                                             A is read where it lies
//       for each panel of NR columns: pack B (KC x NR)             panel: read MC / MR times from L2
//         for each MR rows: micro-kernel
#include "convnative/gemm.h"

#include <algorithm>
#include <type_traits>

#include "base/aligned_buffer.h"
#include "base/checked.h"
#include "base/parallel.h"
#include "gemm/blocking.h"
#include "gemm/kernels.h"

namespace convnative {
namespace {

template <class T>
void start_from_bias(const Matmul<T>& p, std::int64_t row_begin, std::int64_t row_end, std::int64_t begin,
                     std::int64_t end) {
  for (std::int64_t i = row_begin; i < row_end; ++i)
    std::copy(p.bias + begin, p.bias + end, p.c + i * p.c_row + begin);
}

}  // namespace

template <class T>
void matmul(const Matmul<T>& p, Isa isa) {
  if (p.m == 0 || p.n == 0) return;
  const GemmKernels<T>& kernels = gemm_kernels<T>(isa);
  const GemmBlocking blocking = gemm_blocking<T>();
  const double macs = static_cast<double>(p.m) * static_cast<double>(p.n) * static_cast<double>(p.k);
  const int threads = threads_for(macs, macs_per_thread);

  // Two blocks per thread even out their ends; columns are cut first, because each row block packs B again.
  const EvenSplit panels(ceil_div(p.n, kernels.lanes), kernels.max_vectors);
  const std::int64_t columns = kernels.max_vectors * kernels.lanes;
  const std::int64_t row_macs = std::max<std::int64_t>(p.k, 1) * columns;
  const std::int64_t most_macs = most_macs_per_lane * kernels.lanes;
  const std::int64_t most_rows =
      std::clamp<std::int64_t>(most_macs / row_macs, kernels.max_rows, blocking.mc);
  const std::int64_t most_panels =
      std::clamp<std::int64_t>(most_macs / (std::min(p.m, most_rows) * row_macs), 1, blocking.nc / columns);
  const std::int64_t panels_per_block =
      std::clamp<std::int64_t>(ceil_div(panels.parts, 2 * threads), 1, most_panels);
  const std::int64_t column_blocks = ceil_div(panels.parts, panels_per_block);
  const std::int64_t wanted_row_blocks = ceil_div(2 * threads, column_blocks);
  const EvenSplit row_blocks(
      p.m, std::clamp<std::int64_t>(ceil_div(p.m, wanted_row_blocks),
                                    std::min<std::int64_t>(kernels.max_rows, p.m), most_rows));
  const EvenSplit depth_blocks(std::max<std::int64_t>(p.k, 1), blocking.kc);

  const std::size_t panel_bytes = round_up_to_line(
      static_cast<std::size_t>(std::min(blocking.kc, std::max<std::int64_t>(p.k, 1)) * columns) * sizeof(T));
  const AlignedBuffer workspace(panel_bytes * static_cast<std::size_t>(threads));

  parallel_for(row_blocks.parts * column_blocks, threads, [&](std::int64_t task, int thread) {
    T* const panel = reinterpret_cast<T*>(static_cast<char*>(workspace.data()) +
                                          panel_bytes * static_cast<std::size_t>(thread));
    const std::int64_t row_block = task % row_blocks.parts;
    const std::int64_t row_begin = row_blocks.begin(row_block), row_end = row_blocks.end(row_block);
    const EvenSplit rows(row_end - row_begin, kernels.max_rows);
    const std::int64_t first_panel = task / row_blocks.parts * panels_per_block;
    const std::int64_t last_panel = std::min(first_panel + panels_per_block, panels.parts);

    for (std::int64_t block = 0; block < depth_blocks.parts; ++block) {
      const std::int64_t k_begin = std::min(depth_blocks.begin(block), p.k);
      const std::int64_t k_end = std::min(depth_blocks.end(block), p.k);
      for (std::int64_t index = first_panel; index < last_panel; ++index) {
        const std::int64_t begin = panels.begin(index) * kernels.lanes;
        const std::int64_t end = std::min(panels.end(index) * kernels.lanes, p.n);
        const int vectors = static_cast<int>(panels.end(index) - panels.begin(index));
        kernels.pack_matrix({p.b + k_begin * p.b_row + begin * p.b_column, p.b_row, p.b_column,
                             k_end - k_begin, end - begin, vectors, panel});
        if (block == 0 && p.bias != nullptr) start_from_bias(p, row_begin, row_end, begin, end);
        for (std::int64_t tile = 0; tile < rows.parts; ++tile) {
          const std::int64_t i = row_begin + rows.begin(tile);
          const int tile_rows = static_cast<int>(rows.end(tile) - rows.begin(tile));
          kernels.kernel(tile_rows, vectors)
              .run({p.a + i * p.a_row + k_begin * p.a_column, p.a_row, p.a_column, panel, k_end - k_begin,
                    p.c + i * p.c_row + begin, p.c_row, end - begin, nullptr,
                    block > 0 || p.bias != nullptr});
        }
      }
    }
  });
}

template void matmul(const Matmul<float>&, Isa);
template void matmul(const Matmul<double>&, Isa);

}  // namespace convnative
