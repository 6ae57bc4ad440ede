// Packing of B panels: contracts in gemm/kernels.h.
#pragma once

#include <type_traits>

#include "gemm/kernels.h"
#include "simd/finite.h"
#include "simd/strided.h"
#include "simd/transpose.h"
#include "simd/vec.h"

namespace convnative {
namespace CONVNATIVE_ISA {
namespace {

// Masked loads that go lane by lane are no better than gathering.
constexpr std::ptrdiff_t max_loaded_step = Isa::CONVNATIVE_ISA == Isa::baseline ? 1 : 2;

// Bit l of the lanes as bit 2 l.
CONVNATIVE_INLINE std::uint32_t every_other_bit(std::uint32_t lanes) {
  lanes = (lanes | lanes << 8) & 0x00ff00ffu;
  lanes = (lanes | lanes << 4) & 0x0f0f0f0fu;
  lanes = (lanes | lanes << 2) & 0x33333333u;
  return (lanes | lanes << 1) & 0x55555555u;
}

// A vector on its way into the panel, a run at a time. A masked load per register needs no shuffling: a run's lanes
// already lie where they belong when the load starts `lane * step` elements before its source, and lanes that are off
// are never touched. Of step 2 a vector's lanes are every other one of two registers.
template <class T, int Step>
class RunLoads {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  static_assert(Step == 1 || Step == 2);

 public:
  struct Masks {
    typename V::Mask part[Step];
  };
  static CONVNATIVE_INLINE Masks masks(std::uint32_t lanes) {
    if constexpr (Step == 1) {
      return {{V::mask(lanes)}};
    } else {
      const std::uint32_t wanted = every_other_bit(lanes);
      return {{V::mask(wanted & first_lanes(V::lanes)), V::mask(wanted >> V::lanes)}};
    }
  }

  CONVNATIVE_INLINE RunLoads(const Masks& masks, const T* source) {
#pragma GCC unroll 2
    for (int i = 0; i < Step; ++i) part_[i] = V::load(masks.part[i], source + i * V::lanes);
  }
  explicit CONVNATIVE_INLINE RunLoads(T beside) {
#pragma GCC unroll 2
    for (int i = 0; i < Step; ++i) part_[i] = V::broadcast(beside);
  }
  CONVNATIVE_INLINE void add(const Masks& masks, const T* source) {
#pragma GCC unroll 2
    for (int i = 0; i < Step; ++i) part_[i] = V::load(part_[i], masks.part[i], source + i * V::lanes);
  }
  CONVNATIVE_INLINE Reg vector() const {
    if constexpr (Step == 1)
      return part_[0];
    else
      return even_elements<T>(part_[0], part_[1]);
  }

 private:
  Reg part_[Step];
};

// One vector of one tap, for all channels. Going through the channels innermost keeps masks and addresses in
// registers: loads, a permutation for step 2 and a store are all that is left.
template <class T, int Step, int Runs>
void pack_few_runs(const Im2colPanel<T>& p, const Im2colRun* runs, T* target) {
  using Loads = RunLoads<T, Step>;
  const std::ptrdiff_t target_stride = p.taps * p.vectors * Vec<T>::lanes, channel_stride = p.channel_stride;
  const T* source[Runs];
  typename Loads::Masks masks[Runs];
#pragma GCC unroll 4
  for (int i = 0; i < Runs; ++i) {
    source[i] = p.channel + runs[i].source;
    masks[i] = Loads::masks(runs[i].lanes);
  }
#pragma GCC unroll 2
  for (std::int64_t c = 0; c < p.channels; ++c) {
    Loads loads(masks[0], source[0] + c * channel_stride);
#pragma GCC unroll 4
    for (int i = 1; i < Runs; ++i) loads.add(masks[i], source[i] + c * channel_stride);
    Vec<T>::store(target + c * target_stride, loads.vector());
  }
}

// The same for any number of runs and any value beside them.
template <class T, int Step>
void pack_many_runs(const Im2colPanel<T>& p, const Im2colRun* runs, int count, T* target) {
  using Loads = RunLoads<T, Step>;
  const std::ptrdiff_t target_stride = p.taps * p.vectors * Vec<T>::lanes;
  for (std::int64_t c = 0; c < p.channels; ++c) {
    const T* channel = p.channel + c * p.channel_stride;
    Loads loads(p.beside);
    for (int i = 0; i < count; ++i) loads.add(Loads::masks(runs[i].lanes), channel + runs[i].source);
    Vec<T>::store(target + c * target_stride, loads.vector());
  }
}

// And for any step.
template <class T>
void pack_gathered_runs(const Im2colPanel<T>& p, const Im2colRun* runs, int count, T* target) {
  using V = Vec<T>;
  const std::ptrdiff_t target_stride = p.taps * p.vectors * V::lanes;
  for (std::int64_t c = 0; c < p.channels; ++c) {
    const T* channel = p.channel + c * p.channel_stride;
    typename V::Reg r = V::broadcast(p.beside);
    for (int i = 0; i < count; ++i)
      r = V::gather(r, V::mask(runs[i].lanes), channel + runs[i].source, p.step);
    V::store(target + c * target_stride, r);
  }
}

// Planes of a vector's width and more have one or two runs in a vector, three where an image ends in it, planes of a
// half up to four.
template <class T, int Step>
void pack_runs(const Im2colPanel<T>& p, const Im2colRun* runs, int count, T* target) {
  const bool zeros = p.beside == T{0};
  if (zeros && count == 1) return pack_few_runs<T, Step, 1>(p, runs, target);
  if (zeros && count == 2) return pack_few_runs<T, Step, 2>(p, runs, target);
  if (zeros && count == 3) return pack_few_runs<T, Step, 3>(p, runs, target);
  if (zeros && count == 4) return pack_few_runs<T, Step, 4>(p, runs, target);
  pack_many_runs<T, Step>(p, runs, count, target);
}

// A block of channels at a time, so that what one tap has loaded is still in L1 for the next.
template <class T>
void pack_im2col(const Im2colPanel<T>& p) {
  constexpr std::int64_t channels_per_block = 16;
  const auto pack = p.step == 1                 ? pack_runs<T, 1>
                    : p.step <= max_loaded_step ? pack_runs<T, 2>
                                                : pack_gathered_runs<T>;
  Im2colPanel<T> block = p;
  for (std::int64_t first = 0; first < p.channels; first += channels_per_block) {
    const std::int64_t left = p.channels - first;
    block.channels = left < channels_per_block ? left : channels_per_block;
    const Im2colRun* runs = p.runs;
    T* target = block.panel;
    for (std::int64_t tap = 0; tap < p.taps; ++tap)
      for (int v = 0; v < p.vectors; ++v) {
        const int count = p.runs_per_vector[v];
        pack(block, runs, count, target);
        runs += count;
        target += Vec<T>::lanes;
      }
    block.channel += block.channels * p.channel_stride;
    block.panel += block.channels * p.taps * p.vectors * Vec<T>::lanes;
  }
}

// Pieces of rows that lie far apart are too short for the hardware to notice them in time.
constexpr std::int64_t rows_ahead = 16;

// Rows of the panel lie contiguous in the source: copied.
template <class T>
CONVNATIVE_INLINE void pack_rows(const MatrixPanel<T>& p) {
  using V = Vec<T>;
  const typename V::Mask last = V::mask(first_lanes(p.columns - (p.vectors - 1) * V::lanes));
  T* panel = p.panel;
  for (std::int64_t k = 0; k < p.count; ++k) {
    const T* source = p.source + k * p.row;
    for (int v = 0; v < p.vectors - 1; ++v, panel += V::lanes, source += V::lanes) {
      __builtin_prefetch(source + rows_ahead * p.row);
      V::store(panel, V::load(source));
    }
    __builtin_prefetch(source + rows_ahead * p.row);
    V::store(panel, V::load(last, source));
    panel += V::lanes;
  }
}

// Columns of the panel lie contiguous in the source: squares of lanes x lanes are transposed in registers. So many
// columns at once are more than the hardware follows: what is read a few squares on is asked for.
template <class T>
CONVNATIVE_INLINE void pack_columns(const MatrixPanel<T>& p) {
  using V = Vec<T>;
  constexpr int lanes = V::lanes;
  constexpr std::int64_t ahead = 256 / sizeof(T);
  const std::ptrdiff_t width = p.vectors * lanes;
  for (int v = 0; v < p.vectors; ++v) {
    const T* source = p.source + v * lanes * p.column;
    T* panel = p.panel + v * lanes;
    const std::int64_t columns = p.columns - v * lanes;
    for (std::int64_t k = 0; k < p.count; k += lanes, source += lanes) {
      const std::int64_t rows = p.count - k < lanes ? p.count - k : lanes;
      const typename V::Mask mask = V::mask(first_lanes(rows));
      typename V::Reg square[lanes];
#pragma GCC unroll 16
      for (int j = 0; j < lanes; ++j) {
        __builtin_prefetch(source + j * p.column + ahead);
        square[j] = j < columns ? V::load(mask, source + j * p.column) : V::zero();
      }
      transpose(square);
#pragma GCC unroll 16
      for (int i = 0; i < lanes; ++i)
        if (i < rows) V::store(panel + (k + i) * width, square[i]);
    }
  }
}

template <class T>
void pack_matrix(const MatrixPanel<T>& p) {
  using V = Vec<T>;
  if (p.column == 1) return pack_rows(p);
  if (p.row == 1) return pack_columns(p);
  T* panel = p.panel;
  for (std::int64_t k = 0; k < p.count; ++k)
    for (int v = 0; v < p.vectors; ++v, panel += V::lanes) {
      const std::int64_t left = p.columns - v * V::lanes;
      const typename V::Mask lanes = V::mask(first_lanes(left < V::lanes ? left : V::lanes));
      V::store(panel, V::gather(V::zero(), lanes, p.source + k * p.row + v * V::lanes * p.column, p.column));
    }
}

template <class T>
void transpose_columns(const MatrixColumns<T>& p) {
  using V = Vec<T>;
  constexpr int lanes = V::lanes;
  const typename V::Mask columns = V::mask(first_lanes(p.columns));
  for (std::int64_t j = 0; j < p.rows; j += lanes) {
    const std::int64_t rows = p.rows - j < lanes ? p.rows - j : lanes;
    const typename V::Mask wanted = V::mask(first_lanes(rows));
    typename V::Reg square[lanes];
#pragma GCC unroll 16
    for (int r = 0; r < lanes; ++r)
      square[r] = r < rows ? V::load(columns, p.source + (j + r) * p.row) : V::zero();
    transpose(square);
#pragma GCC unroll 16
    for (int i = 0; i < lanes; ++i)
      if (i < p.columns) V::store(wanted, p.targets[i] + j, square[i]);
  }
}

// Whole vectors wherever what lies behind a run is there to read and still to be written.
template <class T>
void transpose_runs(const MatrixRuns<T>& p) {
  using V = Vec<T>;
  constexpr int lanes = V::lanes;
  const T* const source_end = p.source + ((p.rows - 1) * p.row + p.columns * p.length);
  for (std::int64_t j = 0; j < p.rows; ++j) {
    const std::int64_t room = (p.rows - j) * p.length;  // of a target
    const T* source = p.source + j * p.row;
    T* target = p.target + j * p.length;
    for (std::int64_t i = 0; i < p.columns; ++i, source += p.length, target += p.target_row)
      for (std::int64_t done = 0; done < p.length; done += lanes) {
        if (done + lanes <= room && source + done + lanes <= source_end) {
          V::store(target + done, V::load(source + done));
        } else {
          const std::int64_t left = p.length - done;
          const typename V::Mask mask = V::mask(first_lanes(left < lanes ? left : lanes));
          V::store(mask, target + done, V::load(mask, source + done));
        }
      }
  }
}

template <class T>
bool all_finite(const T* x, std::int64_t count) {
  using V = Vec<T>;
  typename V::Reg sums = V::zero();
  for (std::int64_t j = 0; j < count; j += V::lanes) {
    const std::int64_t left = count - j;
    sums = V::fma(V::zero(), V::load(V::mask(first_lanes(left < V::lanes ? left : V::lanes)), x + j), sums);
  }
  return all_zero<T>(sums);
}

// A number of rows that the compiler knows makes shuffles of it.
template <class T, class Rows>
CONVNATIVE_INLINE void interleave_elements(const InterleavedRows<T>& p, Rows rows) {
  const T* const source = p.source;
  T* __restrict target = p.target;
  for (std::int64_t j = 0; j < p.columns; ++j)
    for (std::int64_t i = 0; i < rows; ++i) target[j * rows + i] = source[i * p.row + j];
}

// A perfect shuffle of vectors: pairs of them that lie Rows / 2 apart are interleaved, log2(Rows) times.
template <class T, int Rows>
bool interleave_vectors(const InterleavedRows<T>& p) {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  constexpr auto lane = std::make_integer_sequence<int, V::lanes>{};
  Reg finite = V::zero();  // 0 * x, summed: NaN once x is not finite
  for (std::int64_t j = 0; j < p.columns; j += V::lanes) {
    const std::int64_t left = p.columns - j;
    const typename V::Mask columns = V::mask(first_lanes(left < V::lanes ? left : V::lanes));
    Reg rows[Rows];
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i) {
      rows[i] = V::load(columns, p.source + i * p.row + j);
      finite = V::fma(V::zero(), rows[i], finite);
    }
#pragma GCC unroll 4
    for (int apart = 1; apart < Rows; apart *= 2) {
      Reg pairs[Rows];
#pragma GCC unroll 8
      for (int i = 0; i < Rows / 2; ++i) {
        pairs[2 * i] = interleave_low(rows[i], rows[i + Rows / 2], lane);
        pairs[2 * i + 1] = interleave_high(rows[i], rows[i + Rows / 2], lane);
      }
#pragma GCC unroll 16
      for (int i = 0; i < Rows; ++i) rows[i] = pairs[i];
    }
    T* const target = p.target + j * Rows;
    if (left >= V::lanes) {
#pragma GCC unroll 16
      for (int i = 0; i < Rows; ++i) V::store(target + i * V::lanes, rows[i]);
    } else {
#pragma GCC unroll 16
      for (int i = 0; i < Rows; ++i) {
        const std::int64_t count = left * Rows - i * V::lanes;
        if (count > 0)
          V::store(V::mask(first_lanes(count < V::lanes ? count : V::lanes)), target + i * V::lanes, rows[i]);
      }
    }
  }
  return all_zero<T>(finite);
}

template <class T>
bool interleave(const InterleavedRows<T>& p) {
  switch (p.rows) {
    case 2:
      return interleave_vectors<T, 2>(p);
    case 4:
      return interleave_vectors<T, 4>(p);
    case 8:
      return interleave_vectors<T, 8>(p);
    case 16:
      return interleave_vectors<T, 16>(p);
    default:
      break;
  }
  bool finite = true;
  for (std::int64_t i = 0; i < p.rows; ++i) finite &= all_finite(p.source + i * p.row, p.columns);
  if (p.rows == 3)
    interleave_elements(p, std::integral_constant<std::int64_t, 3>{});
  else
    interleave_elements(p, p.rows);
  return finite;
}

// Short pieces, as loops compiled for any length would spend more time around their vectors than in them: what is left
// goes with some that is done already.
template <class T>
void copy_rows(const CopiedRows<T>& given) {
  using V = Vec<T>;
  const CopiedRows<T> p = given;  // which no store can change
  const std::int64_t last = p.columns - V::lanes;
  const T* source = p.source;
  T* target = p.target;
  if (last < 0) {
    const typename V::Mask mask = V::mask(first_lanes(p.columns));
    for (std::int64_t i = 0; i < p.rows; ++i, source += p.source_row, target += p.target_row)
      V::store(mask, target, V::load(mask, source));
    return;
  }
  for (std::int64_t i = 0; i < p.rows; ++i, source += p.source_row, target += p.target_row) {
    for (std::int64_t j = 0; j < last; j += V::lanes) V::store(target + j, V::load(source + j));
    V::store(target + last, V::load(source + last));
  }
}

}  // namespace
}  // namespace CONVNATIVE_ISA
}  // namespace convnative
