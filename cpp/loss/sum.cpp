#include "convnative/loss.h"
#include "loss/ordered_sum.h"

namespace convnative {
namespace {

template <class T>
double sum(std::int64_t size, const T* values) {
  constexpr double elements_per_thread = 64 * 1024;
  return sum_of_blocks(size, elements_per_thread, [&](std::int64_t begin, std::int64_t count) {
    ChainedSum block;
    block.add(values + begin, count);
    return block.total();
  });
}

}  // namespace

double sum(DType dtype, std::int64_t size, const void* values) {
  return dtype == DType::float32 ? sum(size, static_cast<const float*>(values))
                                 : sum(size, static_cast<const double*>(values));
}

}  // namespace convnative
