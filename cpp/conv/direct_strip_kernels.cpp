// The strip kernels of one instruction-set level; this source is compiled once per level. Contract:
// conv/direct_strip_kernels.h.
#include "conv/direct_strip_kernels.h"

#include <utility>

#include "simd/strided.h"
#include "simd/vec.h"

namespace convnative {
namespace CONVNATIVE_ISA {
namespace {

constexpr Isa level = Isa::CONVNATIVE_ISA;

// The widest tile for each number of output channels. Accumulators, and beside them the vectors of one tap
// and one weight or the weights of one tap and one vector, fill the register file (32 of AVX-512, else 16).
// Few output channels share a load, so that those tiles are bound by loads however wide they are.
constexpr int max_rows = level == Isa::avx512 ? 8 : 6;
constexpr int max_vectors(int rows) {
  constexpr int of_32_registers[] = {8, 8, 8, 6, 4, 4, 3, 3};
  constexpr int of_16_registers[] = {8, 6, 4, 3, 2, 2};
  return level == Isa::avx512 ? of_32_registers[rows - 1] : of_16_registers[rows - 1];
}

// Output rows of a tall tile: with two vectors each they leave registers for a vector and a few weights.
constexpr int tall_rows = level == Isa::avx512 ? 8 : 4;

template <class T, int Rows, int Vectors>
void strip_tile(const StripTile<T>& given) {
  const StripTile<T> tile = given;  // which no store can change
  using V = Vec<T>;
  using Reg = typename V::Reg;
  constexpr std::uint32_t all = static_cast<std::uint32_t>((std::uint64_t{1} << V::lanes) - 1);

  // The outputs are wanted at the end; by then their lines have arrived. Near ones come as soon as they are stored to,
  // so that asking costs no less than it saves.
  if (tile.far) {
    T* const first = tile.output + tile.runs[tile.first_run[0]].place;
#pragma GCC unroll 8
    for (int i = 0; i < Rows; ++i)
#pragma GCC unroll 8
      for (int v = 0; v < Vectors; ++v) __builtin_prefetch(first + i * tile.output_row + v * V::lanes, 1);
  }

  Reg acc[Rows][Vectors];
#pragma GCC unroll 8
  for (int i = 0; i < Rows; ++i) {
    const Reg start = V::broadcast(tile.start != nullptr ? tile.start[i] : T{0});
#pragma GCC unroll 8
    for (int v = 0; v < Vectors; ++v) acc[i][v] = start;
  }

  std::ptrdiff_t row[Rows];
#pragma GCC unroll 8
  for (int i = 0; i < Rows; ++i) row[i] = i * tile.weight_row;

  const T* weight = tile.weight;
  for (std::int64_t p = 0; p < tile.depth; ++p, ++weight) {
    const T* const source = tile.source + tile.offsets[p];
    if constexpr (Rows < Vectors) {
      Reg factor[Rows];
#pragma GCC unroll 8
      for (int i = 0; i < Rows; ++i) factor[i] = V::broadcast(weight[row[i]]);
#pragma GCC unroll 8
      for (int v = 0; v < Vectors; ++v) {
        const Reg x = V::load(source + v * V::lanes);
#pragma GCC unroll 8
        for (int i = 0; i < Rows; ++i) acc[i][v] = V::fma(factor[i], x, acc[i][v]);
      }
    } else {
      Reg x[Vectors];
#pragma GCC unroll 8
      for (int v = 0; v < Vectors; ++v) x[v] = V::load(source + v * V::lanes);
#pragma GCC unroll 8
      for (int i = 0; i < Rows; ++i) {
        const Reg factor = V::broadcast(weight[row[i]]);
#pragma GCC unroll 8
        for (int v = 0; v < Vectors; ++v) acc[i][v] = V::fma(factor, x[v], acc[i][v]);
      }
    }
  }

  bool whole = tile.first_run[Vectors] - tile.first_run[0] == Vectors;
#pragma GCC unroll 8
  for (int v = 0; v < Vectors; ++v) whole = whole && tile.runs[tile.first_run[v]].lanes == all;
  if (whole) {
#pragma GCC unroll 8
    for (int v = 0; v < Vectors; ++v) {
      T* const output = tile.output + tile.runs[tile.first_run[0] + v].place;
#pragma GCC unroll 8
      for (int i = 0; i < Rows; ++i) V::store(output + i * tile.output_row, acc[i][v]);
    }
    return;
  }
#pragma GCC unroll 8
  for (int v = 0; v < Vectors; ++v)
    for (std::int32_t r = tile.first_run[v]; r < tile.first_run[v + 1]; ++r) {
      T* const output = tile.output + tile.runs[r].place;
      const typename V::Mask lanes = V::mask(tile.runs[r].lanes);
#pragma GCC unroll 8
      for (int i = 0; i < Rows; ++i) V::store(lanes, output + i * tile.output_row, acc[i][v]);
    }
}

// One output channel would need a load for each product. Where a kernel's rows follow one another without gaps
// or phases, a vector of the strip serves several rows of outputs instead: row i of the strip meets tap row r in
// output row i - r, all of which are known here.
template <class T, int Taps, int Vectors>
void strip_tall_tile(const StripTallTile<T>& tile) {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  constexpr int rows = tall_rows;
#pragma GCC unroll 8
  for (int i = 0; i < rows; ++i)
    if (i < tile.rows)
#pragma GCC unroll 2
      for (int v = 0; v < Vectors; ++v)
        __builtin_prefetch(tile.output + i * tile.output_row + v * V::lanes, 1);

  Reg acc[rows][Vectors];
  const Reg start = V::broadcast(tile.start);
#pragma GCC unroll 8
  for (int i = 0; i < rows; ++i)
#pragma GCC unroll 2
    for (int v = 0; v < Vectors; ++v) acc[i][v] = start;

  const T* weight = tile.weight;
  const std::int32_t* offset = tile.offsets;
  const std::ptrdiff_t pitch = tile.pitch, columns = tile.tap_columns;
  for (std::int64_t slice = 0; slice < tile.slices; ++slice) {
    const T* source = tile.source;
#pragma GCC unroll 24
    for (int i = 0; i < rows + Taps - 1; ++i) {
      for (std::ptrdiff_t s = 0; s < columns; ++s) {
        Reg x[Vectors];
#pragma GCC unroll 2
        for (int v = 0; v < Vectors; ++v) x[v] = V::load(source + offset[s] + v * V::lanes);
#pragma GCC unroll 16
        for (int r = 0; r < Taps; ++r)
          if (i - r >= 0 && i - r < rows) {
            const Reg factor = V::broadcast(weight[r * columns + s]);
#pragma GCC unroll 2
            for (int v = 0; v < Vectors; ++v) acc[i - r][v] = V::fma(factor, x[v], acc[i - r][v]);
          }
      }
      source += pitch;
    }
    weight += Taps * columns;
    offset += Taps * columns;
  }

  const std::int64_t last_columns = tile.columns - (Vectors - 1) * V::lanes;
  const typename V::Mask last = V::mask(first_lanes(last_columns));
#pragma GCC unroll 8
  for (int i = 0; i < rows; ++i) {
    if (i >= tile.rows) break;
    T* const output = tile.output + i * tile.output_row;
#pragma GCC unroll 2
    for (int v = 0; v < Vectors - 1; ++v) V::store(output + v * V::lanes, acc[i][v]);
    if (last_columns == V::lanes)
      V::store(output + (Vectors - 1) * V::lanes, acc[i][Vectors - 1]);
    else
      V::store(last, output + (Vectors - 1) * V::lanes, acc[i][Vectors - 1]);
  }
}

template <class T, int Stride>
void fill_rows(const StripFill<T>& f) {
  using V = Vec<T>;
  using Load = StridedLoad<T, Stride>;
  constexpr std::int64_t lanes = V::lanes;
  const typename V::Reg beside = V::broadcast(f.beside);
  const std::int64_t begin = f.begin, end = f.end, columns = f.columns, rows = f.rows;
  const std::ptrdiff_t step = f.step, pitch = f.pitch, source_row = f.source_row;
  // Vectors [first_whole, last_whole) need no mask.
  const std::int64_t first_whole = begin < end ? (begin + lanes - 1) / lanes * lanes : columns;
  const std::int64_t last_whole = end / lanes * lanes;
  T* target = f.target;
  const T* source = f.source;
  const auto cut = [&](std::int64_t j) {
    const std::int64_t from = begin > j ? begin - j : 0, to = end - j < lanes ? end - j : lanes;
    V::store(target + j, from < to ? Load::range(beside, from, to, source + j * step, step) : beside);
  };
  for (std::int64_t i = 0; i < rows; ++i, target += pitch, source += source_row) {
    std::int64_t j = 0;
    for (; j < first_whole && j < columns; j += lanes) cut(j);
    for (; j < last_whole; j += lanes) V::store(target + j, Load::all(source + j * step, step));
    for (; j < columns; j += lanes) cut(j);
  }
}

template <class T>
void fill(const StripFill<T>& f) {
  if (f.step == 1) return fill_rows<T, 1>(f);
  if (f.step == 2) return fill_rows<T, 2>(f);
  fill_rows<T, 0>(f);
}

template <class T, int Rows, class Indices>
struct TileRow;

template <class T, int Rows, int... Index>
struct TileRow<T, Rows, std::integer_sequence<int, Index...>> {
  static constexpr void (*run[])(const StripTile<T>&) = {strip_tile<T, Rows, Index + 1>...};
};

template <class T, class Indices>
struct TileTable;

template <class T, int... Index>
struct TileTable<T, std::integer_sequence<int, Index...>> {
  static constexpr StripTileRow<T> rows[] = {
      {max_vectors(Index + 1),
       TileRow<T, Index + 1, std::make_integer_sequence<int, max_vectors(Index + 1)>>::run}...};
};

template <class T, int Taps>
constexpr StripTallRow<T> tall_row{Taps, {strip_tall_tile<T, Taps, 1>, strip_tall_tile<T, Taps, 2>}};

template <class T>
constexpr StripTallRow<T> tall_table[] = {tall_row<T, 3>, tall_row<T, 5>, tall_row<T, 7>, tall_row<T, 9>,
                                          tall_row<T, 11>};

template <class T>
constexpr StripKernels<T> kernels{level,
                                  Vec<T>::lanes,
                                  max_rows,
                                  TileTable<T, std::make_integer_sequence<int, max_rows>>::rows,
                                  tall_rows,
                                  tall_table<T>,
                                  sizeof(tall_table<T>) / sizeof(tall_table<T>[0]),
                                  fill<T>};

}  // namespace

extern const StripKernels<float> strip_kernels_f32;
extern const StripKernels<double> strip_kernels_f64;
const StripKernels<float> strip_kernels_f32 = kernels<float>;
const StripKernels<double> strip_kernels_f64 = kernels<double>;

}  // namespace CONVNATIVE_ISA
}  // namespace convnative
