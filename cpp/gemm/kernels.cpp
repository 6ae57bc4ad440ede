// The kernel table of one instruction-set level; this source is compiled once per level.
#include "gemm/kernels.h"

#include "gemm/blocking.h"
#include "gemm/microkernel.h"
#include "gemm/pack.h"
#include "simd/vec.h"

namespace convnative {
namespace CONVNATIVE_ISA {
namespace {

constexpr Isa level = Isa::CONVNATIVE_ISA;
constexpr GemmTileSize tile_size = gemm_tile_size(level);

// "f32_gemm_8x48_avx512", written into static storage at compile time.
struct KernelName {
  char text[32];
};

constexpr KernelName kernel_name(const char* type, int rows, int columns) {
  KernelName name{};
  int length = 0;
  const auto append = [&](const char* text) {
    while (*text != 0) name.text[length++] = *text++;
  };
  const auto append_number = [&](int number) {
    if (number >= 10) name.text[length++] = static_cast<char>('0' + number / 10);
    name.text[length++] = static_cast<char>('0' + number % 10);
  };
  append(type);
  append("_gemm_");
  append_number(rows);
  append("x");
  append_number(columns);
  append("_" CONVNATIVE_ISA_NAME);
  return name;
}

template <class T>
constexpr const char* type_name = "f32";
template <>
constexpr const char* type_name<double> = "f64";

template <class T, int Rows, int Vectors>
struct KernelRow {
  static constexpr KernelName name = kernel_name(type_name<T>, Rows, Vectors* Vec<T>::lanes);
  static constexpr GemmKernel<T> row{name.text, Rows, Vectors, microkernel<T, Rows, Vectors>};
};

template <class T, class Indices>
struct KernelTable;

template <class T, int... Index>
struct KernelTable<T, std::integer_sequence<int, Index...>> {
  static constexpr GemmKernel<T> rows[] = {
      KernelRow<T, Index / tile_size.vectors + 1, Index % tile_size.vectors + 1>::row...};
};

template <class T>
constexpr GemmKernels<T> kernels{
    level,
    Vec<T>::lanes,
    tile_size.rows,
    tile_size.vectors,
    KernelTable<T, std::make_integer_sequence<int, tile_size.rows * tile_size.vectors>>::rows,
    max_loaded_step,
    pack_im2col<T>,
    pack_matrix<T>,
    transpose_columns<T>,
    transpose_runs<T>,
    interleave<T>,
    copy_rows<T>};

}  // namespace

extern const GemmKernels<float> gemm_kernels_f32;
extern const GemmKernels<double> gemm_kernels_f64;
const GemmKernels<float> gemm_kernels_f32 = kernels<float>;
const GemmKernels<double> gemm_kernels_f64 = kernels<double>;

}  // namespace CONVNATIVE_ISA
}  // namespace convnative
