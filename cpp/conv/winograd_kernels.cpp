// The Winograd kernels of one instruction-set level; this source is compiled once per level. Contract:
// conv/winograd_kernels.h.
#include "conv/winograd_kernels.h"

#include "conv/winograd_transforms.h"
#include "simd/transpose.h"
#include "simd/vec.h"

namespace convnative {
namespace CONVNATIVE_ISA {
namespace {

// Pixels of the longest run, with those that the last tile looks ahead: 24 KiB of strip in float32 AVX-512 at
// a = 6.
constexpr std::int64_t run_pixels = 64;

constexpr std::int64_t clamp(std::int64_t value, std::int64_t low, std::int64_t high) {
  return value < low ? low : value > high ? high : value;
}

// What a tile's transform reads of each line of a plane, and what becomes of it.
template <class F>
struct OfInput {
  static constexpr int size = F::inputs, step = F::outputs, frequencies = F::inputs;
  template <class Reg>
  static CONVNATIVE_INLINE void apply(const Reg (&d)[size], Reg (&t)[frequencies]) {
    F::input(d, t);
  }
};

template <class F>
struct OfGradOutput {
  static constexpr int size = F::outputs, step = F::outputs, frequencies = F::inputs;
  template <class Reg>
  static CONVNATIVE_INLINE void apply(const Reg (&e)[size], Reg (&t)[frequencies]) {
    WinogradTransform<typename F::V::Scalar, F::taps, F::outputs>::weight(e, t);
  }
};

// Columns are transformed where pixels are the lanes, as they lie in memory; squares of pixels and channels
// are transposed; rows are transformed where channels are the lanes, as the products want them.
template <class T, class Line>
void transform_lines(const WinogradInputRun<T>& run) {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  constexpr int lanes = V::lanes, size = Line::size, frequencies = Line::frequencies;
  constexpr std::ptrdiff_t square = lanes * lanes, strip_row = run_pixels * lanes;
  const WinogradPatch<T>& p = run.patch;
  T* const columns = run.scratch;                   // [frequency row][channel][pixel], one vector of pixels
  T* const strip = columns + frequencies * square;  // [frequency row][pixel][channel]
  const std::int64_t first_row = clamp(-p.row, 0, size), last_row = clamp(p.height - p.row, 0, size);
  const std::int64_t pixels = run.tiles * Line::step + size - Line::step;

  for (std::int64_t pixel = 0; pixel < pixels; pixel += lanes) {
    const std::int64_t x = p.column + pixel;
    const std::int64_t first = clamp(-x, 0, lanes), last = clamp(p.width - x, 0, lanes);
    T* target = strip + pixel * lanes;
    if (first >= last || first_row >= last_row) {
#pragma GCC unroll 8
      for (int r = 0; r < frequencies; ++r)
        for (int j = 0; j < lanes; ++j) V::store(target + r * strip_row + j * lanes, V::zero());
      continue;
    }
    const typename V::Mask mask = V::mask(first_lanes(last) & ~first_lanes(first));
    for (std::int64_t c = 0; c < p.channels; ++c) {
      const T* const source = p.channel + c * p.plane + p.row * p.width + x;
      Reg d[size], t[frequencies];
#pragma GCC unroll 8
      for (int r = 0; r < size; ++r)
        d[r] = r >= first_row && r < last_row ? V::load(mask, source + r * p.width) : V::zero();
      Line::apply(d, t);
#pragma GCC unroll 8
      for (int r = 0; r < frequencies; ++r) V::store(columns + r * square + c * lanes, t[r]);
    }
    for (int r = 0; r < frequencies; ++r) {
      Reg rows[lanes];
#pragma GCC unroll 16
      for (int j = 0; j < lanes; ++j)
        rows[j] = j < p.channels ? V::load(columns + r * square + j * lanes) : V::zero();
      transpose(rows);
#pragma GCC unroll 16
      for (int j = 0; j < lanes; ++j) V::store(target + r * strip_row + j * lanes, rows[j]);
    }
  }

  for (std::int64_t tile = 0; tile < run.tiles; ++tile) {
    const T* source = strip + tile * Line::step * lanes;
    T* v = run.v + tile * run.tile_stride;
    for (int r = 0; r < frequencies; ++r, source += strip_row) {
      Reg d[size], t[frequencies];
#pragma GCC unroll 8
      for (int i = 0; i < size; ++i) d[i] = V::load(source + i * lanes);
      Line::apply(d, t);
#pragma GCC unroll 8
      for (int i = 0; i < frequencies; ++i, v += run.frequency_stride) V::store(v, t[i]);
    }
  }
}

template <class T, class F>
void transform_weights(const WinogradWeights<T>& w) {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  constexpr int taps = F::taps, inputs = F::inputs;
  const std::ptrdiff_t step = w.flip ? -V::lanes : V::lanes;
  for (std::int64_t c = 0; c < w.channels; ++c) {
    const T* const first = w.taps + (c * taps * taps + (w.flip ? taps * taps - 1 : 0)) * V::lanes;
    Reg columns[taps][inputs];
#pragma GCC unroll 8
    for (int s = 0; s < taps; ++s) {
      Reg g[taps];
#pragma GCC unroll 8
      for (int r = 0; r < taps; ++r) g[r] = V::load(first + (r * taps + s) * step);
      F::weight(g, columns[s]);
    }
    T* u = w.u + c * w.channel_stride;
#pragma GCC unroll 8
    for (int r = 0; r < inputs; ++r) {
      Reg g[taps], t[inputs];
#pragma GCC unroll 8
      for (int i = 0; i < taps; ++i) g[i] = columns[i][r];
      F::weight(g, t);
#pragma GCC unroll 8
      for (int i = 0; i < inputs; ++i, u += w.frequency_stride) V::store(u, t[i]);
    }
  }
}

template <class T>
bool all_zero(typename Vec<T>::Reg r) {
  T lane[Vec<T>::lanes];
  Vec<T>::store(lane, r);
  T sum = 0;
  for (const T x : lane) sum += x;
  return sum == 0;
}

template <class T, class F>
bool transform_output(const WinogradOutputRun<T>& run) {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  constexpr int lanes = V::lanes, inputs = F::inputs, outputs = F::outputs;
  constexpr int square_tiles = lanes / outputs;  // tiles whose outputs fill a vector of pixels
  static_assert(lanes % outputs == 0);
  T* const squares = run.scratch;  // [row][pixel][channel]
  const Reg start = run.start == nullptr ? V::zero() : V::load(V::mask(first_lanes(run.channels)), run.start);
  Reg finite = V::zero();  // 0 * y, summed: NaN once y is not finite

  for (std::int64_t tile = 0; tile < run.tiles; tile += square_tiles) {
    const std::int64_t tiles = run.tiles - tile < square_tiles ? run.tiles - tile : square_tiles;
    for (std::int64_t t = 0; t < tiles; ++t) {
      const T* const m = run.m + (tile + t) * run.tile_stride;
      Reg columns[inputs][outputs];
#pragma GCC unroll 8
      for (int i = 0; i < inputs; ++i) {
        Reg column[inputs];
#pragma GCC unroll 8
        for (int r = 0; r < inputs; ++r) column[r] = V::load(m + (r * inputs + i) * run.frequency_stride);
        F::output(column, columns[i]);
      }
#pragma GCC unroll 4
      for (int r = 0; r < outputs; ++r) {
        Reg row[inputs], y[outputs];
#pragma GCC unroll 8
        for (int i = 0; i < inputs; ++i) row[i] = columns[i][r];
        F::output(row, y);
#pragma GCC unroll 4
        for (int j = 0; j < outputs; ++j) {
          const Reg value = y[j] + start;
          finite = V::fma(V::zero(), value, finite);
          V::store(squares + (r * lanes + t * outputs + j) * lanes, value);
        }
      }
    }
    const std::int64_t left = run.columns - tile * outputs;
    const typename V::Mask mask = V::mask(first_lanes(left < lanes ? left : lanes));
    for (std::int64_t r = 0; r < run.rows; ++r) {
      Reg rows[lanes];
#pragma GCC unroll 16
      for (int j = 0; j < lanes; ++j)
        rows[j] = j < tiles * outputs ? V::load(squares + (r * lanes + j) * lanes) : V::zero();
      transpose(rows);
      T* const output = run.output + r * run.pitch + tile * outputs;
      if (left >= lanes && run.channels == lanes) {
#pragma GCC unroll 16
        for (int c = 0; c < lanes; ++c) V::store(output + c * run.plane, rows[c]);
      } else {
#pragma GCC unroll 16
        for (int c = 0; c < lanes; ++c)
          if (c < run.channels) V::store(mask, output + c * run.plane, rows[c]);
      }
    }
  }

  return all_zero<T>(finite);
}

// Lanes are output channels; squares of them and of (channel, tap) are transposed to lie as grad_weight does.
template <class T, class F>
bool transform_sums(const WinogradSums<T>& sums) {
  using V = Vec<T>;
  using Inverse = WinogradTransform<T, F::taps, F::outputs>;
  using Reg = typename V::Reg;
  constexpr int lanes = V::lanes, inputs = F::inputs, taps = F::taps;
  T* const results = sums.scratch;  // [channel][tap][out channel]
  Reg finite = V::zero();

  for (std::int64_t c = 0; c < sums.channels; ++c) {
    const T* const s = sums.s + c * sums.channel_stride;
    Reg columns[inputs][taps];
#pragma GCC unroll 8
    for (int i = 0; i < inputs; ++i) {
      Reg column[inputs];
#pragma GCC unroll 8
      for (int r = 0; r < inputs; ++r) {
        const T* const sum = s + (r * inputs + i) * sums.frequency_stride;
        column[r] = V::load(sum);
        // More streams than the hardware follows.
        __builtin_prefetch(sum + sums.channel_stride);
      }
      Inverse::output(column, columns[i]);
    }
#pragma GCC unroll 8
    for (int r = 0; r < taps; ++r) {
      Reg row[inputs], y[taps];
#pragma GCC unroll 8
      for (int i = 0; i < inputs; ++i) row[i] = columns[i][r];
      Inverse::output(row, y);
#pragma GCC unroll 8
      for (int j = 0; j < taps; ++j) {
        finite = V::fma(V::zero(), y[j], finite);
        V::store(results + ((c * taps + r) * taps + j) * lanes, y[j]);
      }
    }
  }

  const std::int64_t count = sums.channels * taps * taps;
  for (std::int64_t first = 0; first < count; first += lanes) {
    const std::int64_t left = count - first;
    const typename V::Mask mask = V::mask(first_lanes(left < lanes ? left : lanes));
    Reg rows[lanes];
#pragma GCC unroll 16
    for (int j = 0; j < lanes; ++j) rows[j] = j < left ? V::load(results + (first + j) * lanes) : V::zero();
    transpose(rows);
    T* const target = sums.grad_weight + first;
#pragma GCC unroll 16
    for (int k = 0; k < lanes; ++k)
      if (k < sums.out_channels) V::store(mask, target + k * sums.out_channel_stride, rows[k]);
  }
  return all_zero<T>(finite);
}

template <class T, class F>
void direct_tile(const WinogradDirectTile<T>& tile) {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  constexpr int outputs = F::outputs, taps = F::taps;
  const WinogradPatch<T>& p = tile.patch;
  typename V::Mask inside[taps];
  for (int s = 0; s < taps; ++s) {
    const std::int64_t x = p.column + s;
    inside[s] = V::mask(first_lanes(clamp(p.width - x, 0, outputs)) & ~first_lanes(clamp(-x, 0, outputs)));
  }
  Reg y[outputs];
  for (int i = 0; i < outputs; ++i) y[i] = V::broadcast(tile.start);
  for (std::int64_t c = 0; c < p.channels; ++c) {
    const T* const source = p.channel + c * p.plane + p.row * p.width + p.column;
    const T* weight = tile.weight + c * tile.weight_channel;
    for (int r = 0; r < taps; ++r)
      for (int s = 0; s < taps; ++s, weight += tile.weight_tap) {
        const Reg factor = V::broadcast(*weight);
        for (int i = 0; i < outputs; ++i) {
          const std::int64_t row = p.row + i + r;
          const Reg x =
              row >= 0 && row < p.height ? V::load(inside[s], source + (i + r) * p.width + s) : V::zero();
          y[i] = V::fma(factor, x, y[i]);
        }
      }
  }
  const typename V::Mask columns = V::mask(first_lanes(tile.columns));
  for (std::int64_t i = 0; i < tile.rows; ++i) V::store(columns, tile.output + i * tile.pitch, y[i]);
}

constexpr int larger(int a, int b) {
  return a > b ? a : b;
}

template <class T, int Outputs, int Taps>
constexpr WinogradKernels<T> kernels(const char* name) {
  using F = WinogradTransform<T, Outputs, Taps>;
  constexpr int lanes = Vec<T>::lanes;
  constexpr bool grad_weight = F::pairs < 3;  // more points would round too much
  return {name,
          Isa::CONVNATIVE_ISA,
          lanes,
          Outputs,
          Taps,
          F::inputs,
          static_cast<int>((run_pixels - (Taps - 1)) / Outputs),
          static_cast<std::size_t>(
              larger(F::inputs * (lanes * lanes + run_pixels * lanes), Taps * Taps * lanes * lanes)),
          transform_lines<T, OfInput<F>>,
          transform_weights<T, F>,
          transform_output<T, F>,
          grad_weight ? transform_lines<T, OfGradOutput<F>> : nullptr,
          grad_weight ? transform_sums<T, F> : nullptr,
          direct_tile<T, F>};
}

}  // namespace

extern const WinogradTable<float> winograd_table_f32;
const WinogradTable<float> winograd_table_f32 = {{
    kernels<float, 4, 3>("f32_winograd_4x4_3x3_" CONVNATIVE_ISA_NAME),
    kernels<float, 2, 3>("f32_winograd_2x2_3x3_" CONVNATIVE_ISA_NAME),
    kernels<float, 4, 5>("f32_winograd_4x4_5x5_" CONVNATIVE_ISA_NAME),
    kernels<float, 2, 5>("f32_winograd_2x2_5x5_" CONVNATIVE_ISA_NAME),
}};

}  // namespace CONVNATIVE_ISA
}  // namespace convnative
