// A plain matrix product C = A * B + bias, planned: how its operands come to the micro-kernel, how it is cut.
//
// The micro-kernel broadcasts elements of one operand, in rows, against vectors of the other, in columns:
//
//   panels         rows of A against panels of NR columns of B, packed: for every product, or once, beforehand
//   rows_in_place  the same, B's rows loaded where they lie: few rows of A do not use a packed element often enough
//   transposed     C' = B' * A': columns of B, contiguous where they lie, against panels of rows of A. Packing A is
//                  less work than packing B where A has few rows; they should fill vectors
//
// All three compute the same chains of multiply-adds: the choice changes no bit.
//
//   tasks: blocks of up to MC rows x NC columns, in parallel       rows: MC x KC, L2, read where they lie
//     for each KC of k
//       for each panel of NR columns, packed in groups (KC x NR)   panel: read MC / MR times from L2
//         for each MR rows: micro-kernel
//
// Transposed results are summed in the workspace, MC x NC of them, and transposed on their way to C.
#pragma once

#include <cstddef>
#include <cstdint>

#include "convnative/gemm.h"
#include "gemm/blocking.h"
#include "gemm/kernels.h"

namespace convnative {

enum class MatmulOperands { panels, rows_in_place, transposed };

template <class T>
class MatmulPlan {
 public:
  // Sizes and strides of `product` count, not its arrays. `prepacked`: B's panels come from pack().
  MatmulPlan(const Matmul<T>& product, Isa isa, int threads, bool prepacked = false);

  const GemmKernels<T>& kernels() const { return kernels_; }
  std::size_t packed_bytes() const;
  std::size_t workspace_bytes() const;

  // `packed` and `workspace` on cache lines. Without `prepacked` there is nothing to pack.
  void pack(const T* b, T* packed) const;
  // `product` with the sizes and strides of the plan.
  void run(const Matmul<T>& product, const T* packed, void* workspace) const;

 private:
  MatmulOperands cheapest(const Matmul<T>& product) const;
  double pack_cycles(std::int64_t columns, bool contiguous, std::int64_t rows) const;
  double product_cycles(std::int64_t rows, std::int64_t columns) const;
  std::int64_t most_rows(std::int64_t rows) const;
  std::int64_t row_macs() const;
  std::int64_t most_panels_together(const Matmul<T>& product) const;
  bool packs() const { return !prepacked_ && operands_ != MatmulOperands::rows_in_place; }
  bool transposes() const { return operands_ == MatmulOperands::transposed; }
  std::int64_t panel_columns() const { return kernels_.max_vectors * kernels_.lanes; }
  std::size_t panel_bytes() const;
  std::size_t sums_bytes() const;
  const T* packed_panel(const T* packed, std::int64_t block, std::int64_t index) const;

  // One operand as the loops see it: element i of its outer axis at step p of k.
  struct Operand {
    const T* data;
    std::ptrdiff_t outer, inner;
    const T* at(std::int64_t i, std::int64_t p) const { return data + i * outer + p * inner; }
  };
  struct Panel {
    std::int64_t begin, end;  // columns
    int vectors;
  };
  struct Task;

  Panel panel(std::int64_t index) const;
  void pack_group(const Operand& columns, std::int64_t k_begin, std::int64_t depth, std::int64_t first,
                  std::int64_t last, T* panels) const;
  void run_task(const Matmul<T>& product, const T* packed, const Task& task) const;
  void store_transposed(const Matmul<T>& product, const Task& task, std::int64_t first_column) const;

  const GemmKernels<T>& kernels_;
  int threads_;
  bool prepacked_;
  std::int64_t k_, b_row_, b_column_;
  MatmulOperands operands_;
  // Of the operand in rows, of that in columns, of k.
  EvenSplit row_blocks_, panels_, depth_blocks_;
  std::int64_t columns_, panels_per_block_ = 1, panels_per_group_ = 1, column_blocks_ = 0;
};

}  // namespace convnative
