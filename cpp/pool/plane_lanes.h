// The loops over planes in the lanes: contract at PoolLanes in pool/kernels.h.
//
// Loading and storing transpose squares of registers. In between everything is a plain load, at a rate that does
// not depend on widths; four windows in a row of windows go together, which hides the latency of their chains.
#pragma once

#include "pool/exact_inverse.h"
#include "pool/kernels.h"
#include "simd/transposed_planes.h"
#include "simd/vec.h"
#include "simd/widen.h"

namespace convnative {
namespace CONVNATIVE_ISA {
namespace {

// Reductions have `start(bool empty)` and `add(x, number)`, the number of the tap.

template <class T, bool Nan>
struct LaneMax {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  Reg best;
  CONVNATIVE_INLINE void start(bool) { best = V::broadcast(-__builtin_inff()); }
  CONVNATIVE_INLINE void add(Reg x, std::ptrdiff_t) {
    best = Nan ? V::max(best, x) : V::max_of_numbers(best, x);
  }
};

template <class T, bool Nan>
struct LaneArgmax {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  using Flags = LaneFlags<T>;
  Reg best;
  Flags where;
  // A window that never rises above -infinity has its maximum at its first point.
  CONVNATIVE_INLINE void start(bool empty) {
    best = V::broadcast(-__builtin_inff());
    where = Flags{} - static_cast<LaneNumber<T>>(empty ? 1 : 0);
  }
  CONVNATIVE_INLINE void add(Reg x, std::ptrdiff_t number) {
    const Flags rises = Nan ? (x > best) | (x != x) : x > best;
    best = rises ? x : best;
    where = rises ? Flags{} + static_cast<LaneNumber<T>>(number) : where;
  }
};

template <class T>
struct LaneSum {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  Reg sum;
  CONVNATIVE_INLINE void start(bool) { sum = V::zero(); }
  CONVNATIVE_INLINE void add(Reg x, std::ptrdiff_t) { sum = sum + x; }
};

// `Columns` windows next to each other, of the same number of taps. `Taps` 0: any.
template <int Columns, int Taps, class T, class Reduction>
CONVNATIVE_INLINE void reduce_lanes(const LaneWindows<T>& windows, const LaneSpan& rows,
                                    const LaneSpan* columns, const T* block, Reduction (&results)[Columns]) {
  using V = Vec<T>;
  const std::int64_t taps = Taps > 0 ? Taps : columns[0].count;
  const T* starts[Columns];
  for (int c = 0; c < Columns; ++c) {
    starts[c] = block + windows.start(rows, columns[c]) * V::lanes;
    results[c].start(windows.depths == 0 || rows.count == 0 || taps == 0);
  }
  for (std::int64_t d = 0; d < windows.depths; ++d)
    for (std::int64_t r = 0; r < rows.count; ++r) {
      std::ptrdiff_t at = d * windows.depth_step + r * windows.row_step;
      std::ptrdiff_t number = d * windows.numbers.depth + r * windows.numbers.row;
      for (std::int64_t s = 0; s < taps; ++s) {
        for (int c = 0; c < Columns; ++c) results[c].add(V::load(starts[c] + at * V::lanes), number);
        at += windows.column_step;
        number += windows.numbers.column;
      }
    }
}

template <int Columns, class T, class Reduction>
CONVNATIVE_INLINE void reduce_lanes(const LaneWindows<T>& windows, const LaneSpan& rows,
                                    const LaneSpan* columns, const T* block, Reduction (&results)[Columns]) {
  switch (columns[0].count) {
    case 1:
      return reduce_lanes<Columns, 1>(windows, rows, columns, block, results);
    case 2:
      return reduce_lanes<Columns, 2>(windows, rows, columns, block, results);
    case 3:
      return reduce_lanes<Columns, 3>(windows, rows, columns, block, results);
    default:
      return reduce_lanes<Columns, 0>(windows, rows, columns, block, results);
  }
}

// Whether four windows have the same number of taps.
CONVNATIVE_INLINE bool are_alike(const LaneSpan* columns) {
  return columns[1].count == columns[0].count && columns[2].count == columns[0].count &&
         columns[3].count == columns[0].count;
}

// Calls `sink(y, x, reduction)` for every window.
template <class Reduction, class T, class Sink>
CONVNATIVE_INLINE void for_each_lane_window(const LaneWindows<T>& given, const T* block, Sink&& sink) {
  const LaneWindows<T> windows = given;  // which no store can change
  constexpr int group = 4;
  for (std::int64_t y = 0; y < windows.row_count; ++y)
    for (std::int64_t x = 0; x < windows.column_count;) {
      const LaneSpan* const columns = windows.columns + x;
      if (x + group <= windows.column_count && are_alike(columns)) {
        Reduction results[group];
        reduce_lanes(windows, windows.rows[y], columns, block, results);
        for (int c = 0; c < group; ++c) sink(y, x + c, results[c]);
        x += group;
      } else {
        Reduction results[1];
        reduce_lanes(windows, windows.rows[y], columns, block, results);
        sink(y, x, results[0]);
        ++x;
      }
    }
}

template <class T, bool Nan>
void max_lanes(const LaneWindows<T>& windows, const T* block, T* result) {
  for_each_lane_window<LaneMax<T, Nan>>(windows, block,
                                        [&](std::int64_t, std::int64_t, const LaneMax<T, Nan>& maximum)
                                            __attribute__((always_inline)) {
                                              Vec<T>::store(result, maximum.best);
                                              result += Vec<T>::lanes;
                                            });
}

template <class T, bool Nan>
void argmax_lanes(const LaneWindows<T>& windows, const T* block, T* result, PoolIndex<T>* where) {
  using Flags = LaneFlags<T>;
  for_each_lane_window<LaneArgmax<T, Nan>>(
      windows, block,
      [&](std::int64_t y, std::int64_t x, const LaneArgmax<T, Nan>& maximum) __attribute__((always_inline)) {
        Vec<T>::store(result, maximum.best);
        Flags at = maximum.where;
        const std::int64_t first = windows.numbers.first + windows.rows[y].taps_before * windows.numbers.row +
                                   windows.columns[x].taps_before * windows.numbers.column;
        at = at < 0 ? at : at + static_cast<LaneNumber<T>>(first);
        __builtin_memcpy(where, &at, sizeof at);
        result += Vec<T>::lanes;
        where += Vec<T>::lanes;
      });
}

// Divides by one divisor after the other; neighbours mostly have the same.
template <class T>
struct LaneDivisor {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  T divisor = 1;
  bool exact = true;
  Reg factor = V::broadcast(1);

  CONVNATIVE_INLINE Reg divide(Reg x, T by) {
    if (by != divisor) {
      divisor = by;
      exact = has_exact_inverse(by);
      factor = V::broadcast(exact ? 1 / by : by);
    }
    return exact ? x * factor : x / factor;
  }
};

template <class T>
void sum_lanes(const LaneWindows<T>& windows, const T* block, T* result) {
  LaneDivisor<T> divisor;
  for_each_lane_window<LaneSum<T>>(
      windows, block,
      [&](std::int64_t y, std::int64_t x, const LaneSum<T>& sum) __attribute__((always_inline)) {
        const auto average =
            windows.row_divisors == nullptr
                ? sum.sum
                : divisor.divide(sum.sum, windows.row_divisors[y] * windows.column_divisors[x]);
        Vec<T>::store(result, average);
        result += Vec<T>::lanes;
      });
}

template <class T>
void divide_lanes(T* block, std::int64_t rows, std::int64_t columns, const T* row_divisors,
                  const T* column_divisors) {
  LaneDivisor<T> divisor;
  for (std::int64_t y = 0; y < rows; ++y)
    for (std::int64_t x = 0; x < columns; ++x, block += Vec<T>::lanes)
      Vec<T>::store(block, divisor.divide(Vec<T>::load(block), row_divisors[y] * column_divisors[x]));
}

// One vector of T as vectors of float64.
template <class T>
struct LaneDoubles {
  using D = Vec<double>;
  static constexpr int parts = Vec<T>::lanes / D::lanes;
  typedef T Part __attribute__((vector_size(sizeof(T) * D::lanes), aligned(alignof(T)), may_alias));
  typename D::Reg part[parts];

  static CONVNATIVE_INLINE LaneDoubles zero() {
    LaneDoubles result;
    for (int i = 0; i < parts; ++i) result.part[i] = D::zero();
    return result;
  }
  CONVNATIVE_INLINE void add(const T* x) {
    for (int i = 0; i < parts; ++i) part[i] = part[i] + widen(x + i * D::lanes);
  }
  CONVNATIVE_INLINE void add_doubles(const double* x) {
    for (int i = 0; i < parts; ++i) part[i] = part[i] + D::load(x + i * D::lanes);
  }
  CONVNATIVE_INLINE void add(const LaneDoubles& x) {
    for (int i = 0; i < parts; ++i) part[i] = part[i] + x.part[i];
  }
  CONVNATIVE_INLINE void store(T* result) const {
    for (int i = 0; i < parts; ++i)
      *reinterpret_cast<Part*>(result + i * D::lanes) = __builtin_convertvector(part[i], Part);
  }
};

template <class T>
void mean_lanes(const LaneWindows<T>& given, const T* block, T* result) {
  const LaneWindows<T> windows = given;  // which no store can change
  using Doubles = LaneDoubles<T>;
  constexpr int lanes = Vec<T>::lanes;
  LaneDivisor<double> divisor;
  for (std::int64_t y = 0; y < windows.row_count; ++y) {
    const LaneSpan& rows = windows.rows[y];
    for (std::int64_t x = 0; x < windows.column_count; ++x, result += lanes) {
      const LaneSpan& columns = windows.columns[x];
      const T* column = block + windows.start(rows, columns) * lanes;
      Doubles sum = Doubles::zero();
      for (std::int64_t s = 0; s < columns.count; ++s, column += windows.column_step * lanes) {
        Doubles column_sum = Doubles::zero();
        for (std::int64_t d = 0; d < windows.depths; ++d)
          for (std::int64_t r = 0; r < rows.count; ++r)
            column_sum.add(column + (d * windows.depth_step + r * windows.row_step) * lanes);
        sum.add(column_sum);
      }
      const auto elements = static_cast<double>(windows.depths * rows.count * columns.count);
      for (int i = 0; i < Doubles::parts; ++i) sum.part[i] = divisor.divide(sum.part[i], elements);
      sum.store(result);
    }
  }
}

template <class T>
void share_lanes(const T* block, std::int64_t rows, std::int64_t columns, const double* row_divisors,
                 const double* column_divisors, double* shares) {
  using Doubles = LaneDoubles<T>;
  LaneDivisor<double> divisor;
  for (std::int64_t y = 0; y < rows; ++y)
    for (std::int64_t x = 0; x < columns; ++x, block += Vec<T>::lanes) {
      Doubles share = Doubles::zero();
      share.add(block);
      for (int i = 0; i < Doubles::parts; ++i, shares += Doubles::D::lanes)
        Doubles::D::store(shares, divisor.divide(share.part[i], row_divisors[y] * column_divisors[x]));
    }
}

template <class T>
void sum_share_lanes(const LaneWindows<double>& given, const double* block, T* result) {
  using Doubles = LaneDoubles<T>;
  const LaneWindows<double> windows = given;  // which no store can change
  constexpr int lanes = Vec<T>::lanes;
  for (std::int64_t y = 0; y < windows.row_count; ++y) {
    const LaneSpan& rows = windows.rows[y];
    for (std::int64_t x = 0; x < windows.column_count; ++x, result += lanes) {
      const LaneSpan& columns = windows.columns[x];
      const double* column = block + windows.start(rows, columns) * lanes;
      Doubles sum = Doubles::zero();
      for (std::int64_t s = 0; s < columns.count; ++s, column += windows.column_step * lanes) {
        Doubles column_sum = Doubles::zero();
        for (std::int64_t d = 0; d < windows.depths; ++d)
          for (std::int64_t r = 0; r < rows.count; ++r)
            column_sum.add_doubles(column + (d * windows.depth_step + r * windows.row_step) * lanes);
        sum.add(column_sum);
      }
      sum.store(result);
    }
  }
}

template <class T>
void repeat_lanes(const T* values, const LaneSpan* runs, std::int64_t count, T* row) {
  using V = Vec<T>;
  for (std::int64_t i = 0; i < count; ++i) {
    const typename V::Reg value = V::load(values + i * V::lanes);
    for (std::int64_t point = runs[i].first; point < runs[i].first + runs[i].count; ++point)
      V::store(row + point * V::lanes, value);
  }
}

}  // namespace
}  // namespace CONVNATIVE_ISA
}  // namespace convnative
