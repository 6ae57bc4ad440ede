// The Winograd kernels of one instruction-set level; this source is compiled once per level. Contract:
// conv/winograd_kernels.h.
#include "conv/winograd_kernels.h"

#include "conv/winograd_transforms.h"
#include "simd/finite.h"
#include "simd/transpose.h"
#include "simd/vec.h"

namespace convnative {
namespace CONVNATIVE_ISA {
namespace {

// Pixels of the longest run, with those that the last tile looks ahead: 24 KiB of strip in float32 AVX-512 at
// a = 6, 16 KiB of kernels of one row. A multiple of all lanes.
constexpr std::int64_t run_pixels(int row_inputs) {
  return row_inputs == 1 ? 256 : 64;
}

constexpr std::int64_t clamp(std::int64_t value, std::int64_t low, std::int64_t high) {
  return value < low ? low : value > high ? high : value;
}

// What a tile's transform reads of each line of a plane, and what becomes of it.
template <class F>
struct OfInput {
  static constexpr int size = F::inputs, step = F::outputs, frequencies = F::inputs;
  static constexpr bool pads = false;  // what lies behind the last channel is another phase's
  template <class Reg>
  static CONVNATIVE_INLINE void apply(const Reg (&d)[size], Reg (&t)[frequencies]) {
    F::input(d, t);
  }
};

template <class F>
struct OfGradOutput {
  static constexpr int size = F::outputs, step = F::outputs, frequencies = F::inputs;
  static constexpr bool pads = true;  // panels have zeros behind the last channel
  template <class Reg>
  static CONVNATIVE_INLINE void apply(const Reg (&e)[size], Reg (&t)[frequencies]) {
    WinogradTransform<typename F::V::Scalar, F::taps, F::outputs>::weight(e, t);
  }
};

// Columns are transformed where pixels are the lanes, as they lie in memory; squares of pixels and channels
// are transposed; rows are transformed where channels are the lanes, as the products want them.

// The first of these for `count` pixels from `pixel` on, to columns[frequency row][channel][pixel], with zeros behind
// them. `false`: all lie outside, and nothing is stored.
template <class T, class Row>
CONVNATIVE_INLINE bool transform_columns(const WinogradPatch<T>& p, std::int64_t pixel, std::int64_t count,
                                         T* columns) {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  constexpr int lanes = V::lanes, rows_read = Row::size, row_frequencies = Row::frequencies;
  const std::int64_t first_row = clamp((p.step - 1 - p.row) / p.step, 0, rows_read);
  const std::int64_t last_row = clamp((p.height - p.row + p.step - 1) / p.step, 0, rows_read);
  const std::int64_t x = p.column + pixel;
  const std::int64_t first = clamp(-x, 0, lanes), last = clamp(p.width - x, 0, count < lanes ? count : lanes);
  if (first >= last || first_row >= last_row) return false;
  const typename V::Mask mask = V::mask(first_lanes(last) & ~first_lanes(first));
  const std::ptrdiff_t row_stride = p.step * p.width;
  const T* source = p.channel + p.row * p.width + x;
  for (std::int64_t c = 0; c < p.channels; ++c, source += p.plane, columns += lanes) {
    Reg d[rows_read], t[row_frequencies];
#pragma GCC unroll 8
    for (int r = 0; r < rows_read; ++r)
      d[r] = r >= first_row && r < last_row ? V::load(mask, source + r * row_stride) : V::zero();
    Row::apply(d, t);
#pragma GCC unroll 8
    for (int r = 0; r < row_frequencies; ++r) V::store(columns + r * (lanes * lanes), t[r]);
  }
  return true;
}

// The first `count` vectors, and zeros behind them.
template <class T>
CONVNATIVE_INLINE void load_square(const T* source, std::int64_t count,
                                   typename Vec<T>::Reg (&rows)[Vec<T>::lanes]) {
  using V = Vec<T>;
  if (count == V::lanes) {
#pragma GCC unroll 16
    for (int i = 0; i < V::lanes; ++i) rows[i] = V::load(source + i * V::lanes);
  } else {
#pragma GCC unroll 16
    for (int i = 0; i < V::lanes; ++i) rows[i] = i < count ? V::load(source + i * V::lanes) : V::zero();
  }
}

// One row of one tile, or of one phase of it, to the frequencies of V.
template <class T, class Line>
CONVNATIVE_INLINE void transform_row(const typename Vec<T>::Reg (&d)[Line::size], std::int64_t channels, T* v,
                                     std::ptrdiff_t frequency_stride) {
  using V = Vec<T>;
  typename V::Reg t[Line::frequencies];
  Line::apply(d, t);
  if (Line::pads || channels == V::lanes) {
#pragma GCC unroll 8
    for (int i = 0; i < Line::frequencies; ++i, v += frequency_stride) V::store(v, t[i]);
  } else {
    const typename V::Mask exist = V::mask(first_lanes(channels));
#pragma GCC unroll 8
    for (int i = 0; i < Line::frequencies; ++i, v += frequency_stride) V::store(exist, v, t[i]);
  }
}

// Where vectors of pixels are whole units, rows are transformed from the registers that have been transposed; what the
// next vector needs of them is kept.
template <class T, class Row, class Line, int Step>
void transform_whole_units(const WinogradInputRun<T>& request) {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  constexpr int lanes = V::lanes, size = Line::size, unit_pixels = Line::step * Step;
  constexpr int more = (size - Line::step) * Step,
                kept = (more + unit_pixels - 1) / unit_pixels * unit_pixels;
  static_assert(lanes % unit_pixels == 0);
  // A copy: what a reference reaches may change with every store.
  const WinogradInputRun<T> run = request;
  const WinogradPatch<T> p = run.patch;
  T* const columns = run.scratch;
  T* const rest = columns + Row::frequencies * lanes * lanes;  // [frequency row][pixel][channel]
  const std::int64_t pixels = run.units * unit_pixels + more;
  for (std::int64_t pixel = 0; pixel < pixels; pixel += lanes) {
    const std::int64_t channels = transform_columns<T, Row>(p, pixel, lanes, columns) ? p.channels : 0;
    const std::int64_t first_unit = (pixel - kept) / unit_pixels;
#pragma GCC unroll 1
    for (int r = 0; r < Row::frequencies; ++r) {
      Reg transposed[lanes], window[kept + lanes];
      load_square<T>(columns + r * lanes * lanes, channels, transposed);
      if (channels > 0) transpose(transposed);
#pragma GCC unroll 16
      for (int i = 0; i < kept; ++i) window[i] = V::load(rest + (r * kept + i) * lanes);
#pragma GCC unroll 16
      for (int i = 0; i < lanes; ++i) window[kept + i] = transposed[i];
#pragma GCC unroll 16
      for (int i = 0; i < kept; ++i) V::store(rest + (r * kept + i) * lanes, window[lanes + i]);
      T* const v = run.v + r * Line::frequencies * run.frequency_stride;
#pragma GCC unroll 8
      for (int u = 0; u < lanes / unit_pixels; ++u) {
        const std::int64_t unit = first_unit + u;
        if (unit < 0 || unit >= run.units) continue;
#pragma GCC unroll 2
        for (int phase = 0; phase < Step; ++phase) {
          Reg d[size];
#pragma GCC unroll 8
          for (int i = 0; i < size; ++i) d[i] = window[u * unit_pixels + i * Step + phase];
          transform_row<T, Line>(d, p.channels, v + unit * run.unit_stride + phase * run.phase_stride,
                                 run.frequency_stride);
        }
      }
    }
  }
}

template <class T, class Row, class Line>
void transform_lines(const WinogradInputRun<T>& request) {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  constexpr int lanes = V::lanes, row_frequencies = Row::frequencies, size = Line::size;
  if constexpr (lanes % Line::step == 0)
    if (request.patch.step == 1) return transform_whole_units<T, Row, Line, 1>(request);
  if constexpr (lanes % (Line::step * 2) == 0)
    if (request.patch.step == 2) return transform_whole_units<T, Row, Line, 2>(request);
  // Whole vectors are stored, a part of which may lie behind the last pixel.
  constexpr std::ptrdiff_t square = lanes * lanes, strip_row = (run_pixels(row_frequencies) + lanes) * lanes;
  const WinogradInputRun<T> run = request;
  const WinogradPatch<T> p = run.patch;
  T* const columns = run.scratch;
  T* const strip = columns + row_frequencies * square;  // [frequency row][pixel][channel]
  const std::int64_t elements = run.units * Line::step + size - Line::step;
  // Neighbours in memory: all, or those of the unit's phases.
  const bool dense = run.unit_phases == p.step;
  const std::int64_t stretches = dense ? 1 : elements, pixels = dense ? elements * p.step : run.unit_phases;
  for (std::int64_t stretch = 0; stretch < stretches; ++stretch)
    for (std::int64_t pixel = 0; pixel < pixels; pixel += lanes) {
      const bool some =
          transform_columns<T, Row>(p, stretch * p.step + pixel, dense ? lanes : run.phases - pixel, columns);
      const std::int64_t channels = some ? p.channels : 0;
#pragma GCC unroll 1
      for (int r = 0; r < row_frequencies; ++r) {
        Reg transposed[lanes];
        load_square<T>(columns + r * square, channels, transposed);
        if (channels > 0) transpose(transposed);
        T* const target = strip + r * strip_row + (stretch * pixels + pixel) * lanes;
#pragma GCC unroll 16
        for (int i = 0; i < lanes; ++i) V::store(target + i * lanes, transposed[i]);
      }
    }

  const std::ptrdiff_t step = run.unit_phases * lanes;
  for (std::int64_t unit = 0; unit < run.units; ++unit)
    for (std::int64_t phase = 0; phase < run.unit_phases; ++phase) {
      const T* source = strip + unit * Line::step * step + phase * lanes;
      T* v = run.v + unit * run.unit_stride + phase * run.phase_stride;
#pragma GCC unroll 1
      for (int r = 0; r < row_frequencies;
           ++r, source += strip_row, v += Line::frequencies * run.frequency_stride) {
        Reg d[size];
#pragma GCC unroll 8
        for (int i = 0; i < size; ++i) d[i] = V::load(source + i * step);
        transform_row<T, Line>(d, p.channels, v, run.frequency_stride);
      }
    }
}

template <class T, class RowF, class F>
void transform_weights(const WinogradWeights<T>& request) {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  constexpr int row_taps = RowF::taps, taps = F::taps, row_inputs = RowF::inputs, inputs = F::inputs;
  const WinogradWeights<T> w = request;
  for (std::int64_t c = 0; c < w.channels; ++c) {
    const T* const channel = w.taps + c * w.taps_stride;
    Reg columns[taps][row_inputs];
#pragma GCC unroll 8
    for (int s = 0; s < taps; ++s) {
      Reg g[row_taps];
#pragma GCC unroll 8
      for (int r = 0; r < row_taps; ++r) {
        const std::int64_t tap = w.tap[r * taps + s];
        g[r] = tap < 0 ? V::zero() : V::load(channel + tap * V::lanes);
      }
      RowF::weight(g, columns[s]);
    }
    T* u = w.u + c * w.channel_stride;
#pragma GCC unroll 8
    for (int r = 0; r < row_inputs; ++r) {
      Reg g[taps], t[inputs];
#pragma GCC unroll 8
      for (int i = 0; i < taps; ++i) g[i] = columns[i][r];
      F::weight(g, t);
#pragma GCC unroll 8
      for (int i = 0; i < inputs; ++i, u += w.frequency_stride) V::store(u, t[i]);
    }
  }
}

// Vectors over channels of `count` pixels to the channels' planes. Not inlined: the caller's registers would not hold
// the places of all planes.
template <class T>
[[gnu::noinline]] void store_pixels(const T* pixels, std::int64_t count, std::int64_t channels,
                                    std::uint32_t exist, T* output, std::ptrdiff_t plane) {
  using V = Vec<T>;
  constexpr int lanes = V::lanes;
  typename V::Reg rows[lanes];
  load_square<T>(pixels, count, rows);
  transpose(rows);
  if (exist == first_lanes(lanes) && channels == lanes) {
#pragma GCC unroll 16
    for (int c = 0; c < lanes; ++c) V::store(output + c * plane, rows[c]);
  } else {
    const typename V::Mask mask = V::mask(exist);
#pragma GCC unroll 16
    for (int c = 0; c < lanes; ++c)
      if (c < channels) V::store(mask, output + c * plane, rows[c]);
  }
}

template <class T, class RowF, class F>
bool transform_output(const WinogradOutputRun<T>& request) {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  constexpr int lanes = V::lanes, inputs = F::inputs, outputs = F::outputs;
  constexpr int row_inputs = RowF::inputs, row_outputs = RowF::outputs;
  const WinogradOutputRun<T> run = request;
  // Units whose outputs fill vectors of pixels, or all.
  const std::int64_t pass_units = run.step == 1 && lanes % outputs == 0 ? lanes / outputs : run.units;
  // Neighbours in memory: all, of one phase of the result every other one, or those of the unit's phases.
  const bool dense = run.unit_phases == 1 || run.step == run.unit_phases;
  const std::uint32_t wanted =
      dense && run.step > run.unit_phases ? 0x55555555U : ~0U;   // of a vector's pixels
  const std::int64_t step = dense ? run.step : run.unit_phases;  // from output to output among the pixels
  const std::int64_t unit_pixels = outputs * step;
  const std::ptrdiff_t row_size = (pass_units * unit_pixels + lanes - 1) / lanes * lanes * lanes;
  T* const pixels = run.scratch;  // [row][pixel][channel]
  const Reg start = run.start == nullptr ? V::zero() : V::load(V::mask(first_lanes(run.channels)), run.start);
  // 0 * y, summed: NaN once y is not finite. One sum would wait for itself.
  Reg finite[outputs] = {};
  const T* tile = run.m;

  for (std::int64_t unit = 0; unit < run.units; unit += pass_units) {
    const std::int64_t units = run.units - unit < pass_units ? run.units - unit : pass_units;
    for (std::int64_t u = 0; u < units; ++u)
      for (std::int64_t phase = 0; phase < run.unit_phases; ++phase, tile += run.tile_stride) {
        // In memory: they are as many as there are registers.
        alignas(sizeof(Reg)) T columns[row_outputs][inputs][lanes];
#pragma GCC unroll 1
        for (int i = 0; i < inputs; ++i) {
          Reg column[row_inputs], y[row_outputs];
#pragma GCC unroll 8
          for (int r = 0; r < row_inputs; ++r)
            column[r] = V::load(tile + (r * inputs + i) * run.frequency_stride);
          RowF::output(column, y);
#pragma GCC unroll 8
          for (int r = 0; r < row_outputs; ++r) V::store(columns[r][i], y[r]);
        }
        T* const target = pixels + (u * unit_pixels + phase) * lanes;
#pragma GCC unroll 1
        for (int r = 0; r < row_outputs; ++r) {
          Reg row[inputs], y[outputs];
#pragma GCC unroll 8
          for (int i = 0; i < inputs; ++i) row[i] = V::load(columns[r][i]);
          F::output(row, y);
#pragma GCC unroll 8
          for (int j = 0; j < outputs; ++j) {
            const Reg value = y[j] + start;
            finite[j] = V::fma(V::zero(), value, finite[j]);
            V::store(target + r * row_size + j * step * lanes, value);
          }
        }
      }
    const std::int64_t stretches = dense ? 1 : units * outputs,
                       size = dense ? units * unit_pixels : run.phases;
    for (std::int64_t stretch = 0; stretch < stretches; ++stretch)
      for (std::int64_t pixel = 0; pixel < size; pixel += lanes) {
        const std::int64_t x = (unit * outputs + stretch) * run.step + pixel;
        const std::int64_t count = size - pixel < lanes ? size - pixel : lanes;
        const std::int64_t first = clamp(run.first_column - x, 0, lanes);
        const std::int64_t last = clamp(run.last_column - x, first, count);
        for (std::int64_t r = run.first_row; r < run.last_row; ++r)
          store_pixels<T>(pixels + r * row_size + (stretch * step + pixel) * lanes, count, run.channels,
                          first_lanes(last) & ~first_lanes(first) & wanted, run.output + r * run.pitch + x,
                          run.plane);
      }
  }

#pragma GCC unroll 8
  for (int j = 1; j < outputs; ++j) finite[0] = finite[0] + finite[j];
  return all_zero<T>(finite[0]);
}

// Lanes are output channels; squares of them and of (channel, tap) are transposed to lie as grad_weight does.
template <class T, class RowF, class F>
bool transform_sums(const WinogradSums<T>& request) {
  using V = Vec<T>;
  using RowInverse = WinogradTransform<T, RowF::taps, RowF::outputs>;
  using Inverse = WinogradTransform<T, F::taps, F::outputs>;
  using Reg = typename V::Reg;
  constexpr int lanes = V::lanes, inputs = F::inputs, taps = F::taps;
  constexpr int row_inputs = RowF::inputs, row_taps = RowF::taps;
  const WinogradSums<T> sums = request;
  T* const results = sums.scratch;  // [channel][tap][out channel]
  Reg finite = V::zero();

  for (std::int64_t c = 0; c < sums.channels; ++c) {
    const T* const s = sums.s + c * sums.channel_stride;
    Reg columns[inputs][row_taps];
#pragma GCC unroll 8
    for (int i = 0; i < inputs; ++i) {
      Reg column[row_inputs];
#pragma GCC unroll 8
      for (int r = 0; r < row_inputs; ++r) {
        const T* const sum = s + (r * inputs + i) * sums.frequency_stride;
        column[r] = V::load(sum);
        // More streams than the hardware follows.
        __builtin_prefetch(sum + sums.channel_stride);
      }
      RowInverse::output(column, columns[i]);
    }
#pragma GCC unroll 8
    for (int r = 0; r < row_taps; ++r) {
      Reg row[inputs], y[taps];
#pragma GCC unroll 8
      for (int i = 0; i < inputs; ++i) row[i] = columns[i][r];
      Inverse::output(row, y);
#pragma GCC unroll 8
      for (int j = 0; j < taps; ++j) {
        finite = V::fma(V::zero(), y[j], finite);
        V::store(results + ((c * row_taps + r) * taps + j) * lanes, y[j]);
      }
    }
  }

  // Of all channels at once, or of one after the other.
  const bool dense = sums.grad_channel_stride == row_taps * taps;
  const std::int64_t pieces = dense ? 1 : sums.channels;
  const std::int64_t count = dense ? sums.channels * row_taps * taps : row_taps * taps;
  for (std::int64_t piece = 0; piece < pieces; ++piece)
    for (std::int64_t first = 0; first < count; first += lanes) {
      const std::int64_t left = count - first;
      const typename V::Mask mask = V::mask(first_lanes(left < lanes ? left : lanes));
      const T* const source = results + (piece * count + first) * lanes;
      Reg rows[lanes];
#pragma GCC unroll 16
      for (int j = 0; j < lanes; ++j) rows[j] = j < left ? V::load(source + j * lanes) : V::zero();
      transpose(rows);
      T* const target = sums.grad_weight + piece * sums.grad_channel_stride + first;
#pragma GCC unroll 16
      for (int k = 0; k < lanes; ++k)
        if (k < sums.out_channels) V::store(mask, target + k * sums.out_channel_stride, rows[k]);
    }
  return all_zero<T>(finite);
}

template <class T, class RowF, class F>
void direct_tile(const WinogradDirectTile<T>& tile) {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  constexpr int outputs = F::outputs, taps = F::taps;
  const WinogradPatch<T>& p = tile.patch;
  for (int j = 0; j < outputs; j += V::lanes) {
    const int columns = outputs - j < V::lanes ? outputs - j : V::lanes;
    const typename V::Mask exist = V::mask(first_lanes(columns));
    typename V::Mask inside[taps];
    for (int s = 0; s < taps; ++s) {
      const std::int64_t x =
          p.column + (j + s) * p.step;  // lanes whose element is before 0, and before width
      const std::int64_t before = clamp((p.step - 1 - x) / p.step, 0, columns);
      const std::int64_t last = clamp((p.width - x + p.step - 1) / p.step, before, columns);
      inside[s] = V::mask(first_lanes(last) & ~first_lanes(before));
    }
    for (int i = 0; i < RowF::outputs; ++i) {
      Reg y = V::load(exist, tile.sums + i * outputs + j);
      for (std::int64_t c = 0; c < p.channels; ++c)
        for (int r = 0; r < RowF::taps; ++r)
          for (int s = 0; s < taps; ++s) {
            const std::int64_t tap = tile.tap[r * taps + s], row = p.row + (i + r) * p.step;
            if (tap < 0) continue;
            const T* const source = p.channel + c * p.plane + row * p.width + p.column + (j + s) * p.step;
            const Reg x =
                row >= 0 && row < p.height ? V::gather(V::zero(), inside[s], source, p.step) : V::zero();
            y = V::fma(V::broadcast(tile.weight[c * tile.weight_channel + tap]), x, y);
          }
      V::store(exist, tile.sums + i * outputs + j, y);
    }
  }
}

constexpr int larger(int a, int b) {
  return a > b ? a : b;
}

template <class T, int RowOutputs, int RowTaps, int Outputs, int Taps>
constexpr WinogradKernels<T> kernels(const char* name) {
  using RowF = WinogradTransform<T, RowOutputs, RowTaps>;
  using F = WinogradTransform<T, Outputs, Taps>;
  constexpr int lanes = Vec<T>::lanes;
  constexpr int pixels = static_cast<int>(run_pixels(RowF::inputs));
  WinogradKernels<T> row{
      name,
      Isa::CONVNATIVE_ISA,
      lanes,
      RowOutputs,
      RowTaps,
      RowF::inputs,
      Outputs,
      Taps,
      F::inputs,
      pixels,
      static_cast<std::size_t>(
          larger(larger(RowF::inputs * (2 * lanes + pixels), RowOutputs * pixels), RowTaps * Taps * lanes) *
          lanes),
      transform_lines<T, OfInput<RowF>, OfInput<F>>,
      transform_weights<T, RowF, F>,
      transform_output<T, RowF, F>,
      nullptr,
      nullptr,
      direct_tile<T, RowF, F>};
  // With more points on two axes the gradient in the weights would round too much.
  if constexpr (Taps > 2 && (RowTaps == 1 || F::inputs < 8)) {
    row.transform_grad_output = transform_lines<T, OfGradOutput<RowF>, OfGradOutput<F>>;
    row.transform_sums = transform_sums<T, RowF, F>;
  }
  return row;
}

}  // namespace

extern const WinogradTable<float> winograd_table_f32;
const WinogradTable<float> winograd_table_f32 = {{
    kernels<float, 4, 3, 4, 3>("f32_winograd_4x4_3x3_" CONVNATIVE_ISA_NAME),
    kernels<float, 2, 3, 2, 3>("f32_winograd_2x2_3x3_" CONVNATIVE_ISA_NAME),
    kernels<float, 4, 5, 4, 5>("f32_winograd_4x4_5x5_" CONVNATIVE_ISA_NAME),
    kernels<float, 2, 5, 2, 5>("f32_winograd_2x2_5x5_" CONVNATIVE_ISA_NAME),
    kernels<float, 4, 2, 4, 2>("f32_winograd_4x4_2x2_" CONVNATIVE_ISA_NAME),
    kernels<float, 3, 2, 3, 2>("f32_winograd_3x3_2x2_" CONVNATIVE_ISA_NAME),
    kernels<float, 1, 1, 4, 3>("f32_winograd_1x4_1x3_" CONVNATIVE_ISA_NAME),
    kernels<float, 1, 1, 4, 5>("f32_winograd_1x4_1x5_" CONVNATIVE_ISA_NAME),
    kernels<float, 1, 1, 2, 5>("f32_winograd_1x2_1x5_" CONVNATIVE_ISA_NAME),
    kernels<float, 1, 1, 3, 4>("f32_winograd_1x3_1x4_" CONVNATIVE_ISA_NAME),
    kernels<float, 1, 1, 4, 2>("f32_winograd_1x4_1x2_" CONVNATIVE_ISA_NAME),
    kernels<float, 1, 1, 3, 2>("f32_winograd_1x3_1x2_" CONVNATIVE_ISA_NAME),
}};

}  // namespace CONVNATIVE_ISA
}  // namespace convnative
