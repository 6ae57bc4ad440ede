// Lookups of rows in a table, and their gradient. Arrays are contiguous; results do not depend on the number
// of threads.
#pragma once

#include <cstdint>

#include "convnative/types.h"

namespace convnative {

// `size` lookups in a table of `rows` rows of `width` elements.
struct Embedding {
  std::int64_t rows = 0;
  std::int64_t width = 0;
  std::int64_t size = 0;
  const std::int64_t* index = nullptr;
  std::int64_t padding_index = -1;  // this row has no gradient; -1: every row has one
  bool scale_by_frequency = false;  // divide a row's gradient by the number of its lookups
};

// All throw, before any write, std::out_of_range where an index is not in [0, rows), and std::bad_alloc.

// result[i] = table[index[i]]
void embedding_forward(const Embedding& lookup, DType dtype, const void* table, void* result);

// grad_table[row] = the sum of grad_output[i] over the i with index[i] = row, in ascending order and float64.
void embedding_grad(const Embedding& lookup, DType dtype, const void* grad_output, void* grad_table);

// The adjoint of embedding_grad: result[i] = table[index[i]], 0 for the padding index, and divided by its
// frequency where the gradient is.
void embedding_grad_adjoint(const Embedding& lookup, DType dtype, const void* table, void* result);

// Scales the rows that are looked up and whose norm of order `norm_order` exceeds `max_norm` down to it.
void embedding_renormalise(const Embedding& lookup, DType dtype, double max_norm, double norm_order,
                           void* table);

}  // namespace convnative
