// The Winograd kernels of one instruction-set level; this source is compiled once per level. Contract:
// conv/winograd_kernels.h.
#include "conv/winograd_kernels.h"

#include "conv/winograd_transforms.h"
#include "simd/transpose.h"
#include "simd/vec.h"

namespace convnative {
namespace CONVNATIVE_ISA {
namespace {

// Pixels of the longest run, with the two that the last tile looks ahead: 24 KiB of strip in float32 AVX-512.
constexpr std::int64_t run_pixels = 64;

constexpr std::int64_t clamp(std::int64_t value, std::int64_t low, std::int64_t high) {
  return value < low ? low : value > high ? high : value;
}

// Columns are transformed where pixels are the lanes, as they lie in memory; squares of pixels and channels
// are transposed; rows are transformed where channels are the lanes, as the products want them.
template <class T, template <class> class Transform>
void transform_input(const WinogradInputRun<T>& run) {
  using V = Vec<T>;
  using F = Transform<T>;
  using Reg = typename V::Reg;
  constexpr int lanes = V::lanes, inputs = F::inputs;
  constexpr std::ptrdiff_t square = lanes * lanes, strip_row = run_pixels * lanes;
  const WinogradPatch<T>& p = run.patch;
  T* const columns = run.scratch;              // [frequency row][channel][pixel], one vector of pixels
  T* const strip = columns + inputs * square;  // [frequency row][pixel][channel]
  const std::int64_t first_row = clamp(-p.row, 0, inputs), last_row = clamp(p.height - p.row, 0, inputs);
  const std::int64_t pixels = run.tiles * F::outputs + F::inputs - F::outputs;

  for (std::int64_t pixel = 0; pixel < pixels; pixel += lanes) {
    const std::int64_t x = p.column + pixel;
    const std::int64_t first = clamp(-x, 0, lanes), last = clamp(p.width - x, 0, lanes);
    T* target = strip + pixel * lanes;
    if (first >= last || first_row >= last_row) {
#pragma GCC unroll 6
      for (int r = 0; r < inputs; ++r)
        for (int j = 0; j < lanes; ++j) V::store(target + r * strip_row + j * lanes, V::zero());
      continue;
    }
    const typename V::Mask mask = V::mask(first_lanes(last) & ~first_lanes(first));
    for (std::int64_t c = 0; c < p.channels; ++c) {
      const T* const source = p.channel + c * p.plane + p.row * p.width + x;
      Reg d[inputs], t[inputs];
#pragma GCC unroll 6
      for (int r = 0; r < inputs; ++r)
        d[r] = r >= first_row && r < last_row ? V::load(mask, source + r * p.width) : V::zero();
      F::input(d, t);
#pragma GCC unroll 6
      for (int r = 0; r < inputs; ++r) V::store(columns + r * square + c * lanes, t[r]);
    }
    for (int r = 0; r < inputs; ++r) {
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
    const T* source = strip + tile * F::outputs * lanes;
    T* v = run.v + tile * run.tile_stride;
    for (int r = 0; r < inputs; ++r, source += strip_row) {
      Reg d[inputs], t[inputs];
#pragma GCC unroll 6
      for (int i = 0; i < inputs; ++i) d[i] = V::load(source + i * lanes);
      F::input(d, t);
#pragma GCC unroll 6
      for (int i = 0; i < inputs; ++i, v += run.frequency_stride) V::store(v, t[i]);
    }
  }
}

template <class T, template <class> class Transform>
void transform_weights(const WinogradWeights<T>& w) {
  using V = Vec<T>;
  using F = Transform<T>;
  using Reg = typename V::Reg;
  constexpr int taps = winograd_taps, inputs = F::inputs;
  const std::ptrdiff_t step = w.flip ? -V::lanes : V::lanes;
  for (std::int64_t c = 0; c < w.channels; ++c) {
    const T* const first = w.taps + (c * taps * taps + (w.flip ? taps * taps - 1 : 0)) * V::lanes;
    Reg columns[taps][inputs];
#pragma GCC unroll 3
    for (int s = 0; s < taps; ++s) {
      Reg g[taps];
#pragma GCC unroll 3
      for (int r = 0; r < taps; ++r) g[r] = V::load(first + (r * taps + s) * step);
      F::weight(g, columns[s]);
    }
    T* u = w.u + c * w.channel_stride;
#pragma GCC unroll 6
    for (int r = 0; r < inputs; ++r) {
      const Reg g[taps] = {columns[0][r], columns[1][r], columns[2][r]};
      Reg t[inputs];
      F::weight(g, t);
#pragma GCC unroll 6
      for (int i = 0; i < inputs; ++i, u += w.frequency_stride) V::store(u, t[i]);
    }
  }
}

template <class T, template <class> class Transform>
bool transform_output(const WinogradOutputRun<T>& run) {
  using V = Vec<T>;
  using F = Transform<T>;
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
#pragma GCC unroll 6
      for (int i = 0; i < inputs; ++i) {
        Reg column[inputs];
#pragma GCC unroll 6
        for (int r = 0; r < inputs; ++r) column[r] = V::load(m + (r * inputs + i) * run.frequency_stride);
        F::output(column, columns[i]);
      }
#pragma GCC unroll 4
      for (int r = 0; r < outputs; ++r) {
        Reg row[inputs], y[outputs];
#pragma GCC unroll 6
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

  T lane[lanes];
  V::store(lane, finite);
  T sum = 0;
  for (int c = 0; c < lanes; ++c) sum += lane[c];
  return sum == 0;
}

template <class T, template <class> class Transform>
void direct_tile(const WinogradDirectTile<T>& tile) {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  constexpr int outputs = Transform<T>::outputs, taps = winograd_taps;
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

template <class T, template <class> class Transform>
constexpr WinogradKernels<T> kernels(const char* name) {
  using F = Transform<T>;
  constexpr int lanes = Vec<T>::lanes;
  return {name,
          Isa::CONVNATIVE_ISA,
          lanes,
          F::outputs,
          F::inputs,
          static_cast<int>((run_pixels - (F::inputs - F::outputs)) / F::outputs),
          static_cast<std::size_t>(F::inputs * (lanes * lanes + run_pixels * lanes)),
          transform_input<T, Transform>,
          transform_weights<T, Transform>,
          transform_output<T, Transform>,
          direct_tile<T, Transform>};
}

}  // namespace

extern const WinogradTable<float> winograd_table_f32;
const WinogradTable<float> winograd_table_f32 = {
    kernels<float, WinogradF4>("f32_winograd_4x4_3x3_" CONVNATIVE_ISA_NAME),
    kernels<float, WinogradF2>("f32_winograd_2x2_3x3_" CONVNATIVE_ISA_NAME)};

}  // namespace CONVNATIVE_ISA
}  // namespace convnative
