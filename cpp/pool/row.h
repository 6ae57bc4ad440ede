// The loop behind the kernels of pooling: contract in pool/kernels.h.
//
// A vector holds neighbouring output columns. For strides 1 and 2 without dilation, elements beyond the ends of a
// row are read as the reduction's neutral element, which changes no bit; two loads give two taps of stride 2, and each
// other tap is the one two before, a lane further: loads would nearly all cross cache lines.
// Otherwise, where no window meets the padding, every tap is one strided load, and elsewhere each tap loads the
// lanes for which it lies in the row. The same paths serve the last columns of a row.
#pragma once

#include <type_traits>

#include "pool/exact_inverse.h"
#include "pool/kernels.h"
#include "simd/strided.h"
#include "simd/vec.h"

namespace convnative {
namespace CONVNATIVE_ISA {
namespace {

// A reduction has: `neutral()`; `start(full, number)`, that of the first tap; `add(x, number)` for a tap that every
// lane has; `add(x, begin, end, number)` for one that lanes [begin, end) have, the others holding the neutral
// element; `store(result, count)`; `undecided(count)`, whether one of the first lanes needs to know which of its taps
// were neutral elements.

template <class T>
struct MaxReduction {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  using Result = T;
  Reg best;

  static CONVNATIVE_INLINE Reg neutral() { return V::broadcast(-__builtin_inff()); }
  CONVNATIVE_INLINE void start(bool, std::ptrdiff_t) { best = neutral(); }
  static CONVNATIVE_INLINE bool undecided(std::int64_t) { return false; }
  CONVNATIVE_INLINE void add(Reg x, std::ptrdiff_t) { best = V::max(best, x); }
  CONVNATIVE_INLINE void add(Reg x, std::int64_t, std::int64_t, std::ptrdiff_t) { best = V::max(best, x); }
  CONVNATIVE_INLINE Reg value() const { return best; }
  CONVNATIVE_INLINE void store(T* result) const { V::store(result, best); }
  CONVNATIVE_INLINE void store(T* result, std::int64_t count) const {
    V::store(lane_mask<T>(0, count), result, best);
  }
};

template <class T>
struct SumReduction {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  using Result = T;
  Reg sum;

  static CONVNATIVE_INLINE Reg neutral() { return V::zero(); }
  CONVNATIVE_INLINE void start(bool, std::ptrdiff_t) { sum = V::zero(); }
  static CONVNATIVE_INLINE bool undecided(std::int64_t) { return false; }
  // A chain that starts from +0 is never -0, so that the neutral +0 changes no bit.
  CONVNATIVE_INLINE void add(Reg x, std::ptrdiff_t) { sum = sum + x; }
  CONVNATIVE_INLINE void add(Reg x, std::int64_t, std::int64_t, std::ptrdiff_t) { sum = sum + x; }
  CONVNATIVE_INLINE Reg value() const { return sum; }
  CONVNATIVE_INLINE void store(T* result) const { V::store(result, sum); }
  CONVNATIVE_INLINE void store(T* result, std::int64_t count) const {
    V::store(lane_mask<T>(0, count), result, sum);
  }
};

template <class T, class Number = PoolIndex<T>>
struct ArgmaxReduction {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  using Flags = LaneFlags<T>;
  using Result = Number;
  Reg best;
  Flags where;

  static CONVNATIVE_INLINE Reg neutral() { return V::broadcast(-__builtin_inff()); }
  // A full window that never rises above -infinity has its maximum at its first tap; others wait for theirs.
  CONVNATIVE_INLINE void start(bool full, std::ptrdiff_t first) {
    best = neutral();
    where = Flags{} + static_cast<LaneNumber<T>>(full ? first : -1);
  }
  CONVNATIVE_INLINE void add(Reg x, std::ptrdiff_t number) { take(rises(x), x, number); }
  CONVNATIVE_INLINE void add(Reg x, std::int64_t begin, std::int64_t end, std::ptrdiff_t number) {
    const Flags none_yet = where < Flags{};
    take((rises(x) | none_yet) & lane_flags<T>(begin, end), x, number);
  }
  // Nothing above -infinity: it may be an element's or that of the padding.
  CONVNATIVE_INLINE bool undecided(std::int64_t count) const {
    bool any = false;
    for (int lane = 0; lane < V::lanes; ++lane) any |= lane < count && where[lane] < 0;
    return any;
  }
  CONVNATIVE_INLINE void store(Result* result) const {
    if constexpr (sizeof(Number) == 1)
      LaneBytes<T>::store(result, where);
    else
      __builtin_memcpy(result, &where, sizeof where);
  }
  CONVNATIVE_INLINE void store(Result* result, std::int64_t count) const {
    for (int lane = 0; lane < V::lanes; ++lane)
      if (lane < count) result[lane] = static_cast<Result>(where[lane]);
  }

 private:
  // Where x is larger, or a NaN.
  CONVNATIVE_INLINE Flags rises(Reg x) const { return (x > best) | (x != x); }
  CONVNATIVE_INLINE void take(Flags lanes, Reg x, std::ptrdiff_t number) {
    best = lanes ? x : best;
    where = lanes ? Flags{} + static_cast<LaneNumber<T>>(number) : where;
  }
};
template <class T>
using TapsReduction = ArgmaxReduction<T, std::uint8_t>;

template <class T>
CONVNATIVE_INLINE std::ptrdiff_t row_number(const PoolRow<T>& row, std::int64_t d, std::int64_t r) {
  return row.numbers.first + d * row.numbers.depth + r * row.numbers.row;
}

// Output columns from `column` on, as many as a vector has, whose windows hold no padding. In all loops
// `finish(reduction, column, count)` comes before windows are stored.
template <class T, int Stride, class Reduction, class Finish>
CONVNATIVE_INLINE void reduce_full(const PoolRow<T>& row, std::int64_t column,
                                   typename Reduction::Result* result, const Finish& finish) {
  const PoolColumns& columns = *row.columns;
  const std::int64_t stride = Stride > 0 ? Stride : columns.stride;
  const T* const start = row.source + (column * stride - columns.pad);
  Reduction reduction;
  reduction.start(row.depths > 0 && row.rows > 0, row.numbers.first);
  for (std::int64_t d = 0; d < row.depths; ++d)
    for (std::int64_t r = 0; r < row.rows; ++r) {
      const T* const first = start + (d * row.depth_step + r * row.row_step);
      const std::ptrdiff_t number = row_number(row, d, r);
      for (std::int64_t s = 0; s < columns.kernel; ++s)
        reduction.add(StridedLoad<T, Stride>::all(first + s * columns.dilation, stride),
                      number + s * row.numbers.column);
    }
  finish(reduction, column, Vec<T>::lanes);
  reduction.store(result);
}

// `count` <= lanes output columns from `column` on, whatever their windows hold.
template <class T, int Stride, class Reduction, class Finish>
CONVNATIVE_INLINE void reduce_partial(const PoolRow<T>& row, std::int64_t column, std::int64_t count,
                                      typename Reduction::Result* result, const Finish& finish) {
  const PoolColumns& columns = *row.columns;
  const std::int64_t stride = Stride > 0 ? Stride : columns.stride;
  const std::int64_t start = column * stride - columns.pad;
  // The first tap that the last window has, and the end of those that the first one has.
  const std::int64_t last_start = start + (count - 1) * stride;
  const std::int64_t first_tap = last_start >= 0 ? 0 : (-last_start - 1) / columns.dilation + 1;
  std::int64_t end_tap = start >= columns.width ? 0 : (columns.width - 1 - start) / columns.dilation + 1;
  if (end_tap > columns.kernel) end_tap = columns.kernel;
  // A lone column's stride is of no use, and may be too large for a gather to multiply.
  const std::int64_t load_stride = count > 1 ? stride : 0;

  Reduction reduction;
  reduction.start(false, 0);
  for (std::int64_t d = 0; d < row.depths; ++d)
    for (std::int64_t r = 0; r < row.rows; ++r) {
      const std::ptrdiff_t row_offset = d * row.depth_step + r * row.row_step;
      const std::ptrdiff_t number = row_number(row, d, r);
      for (std::int64_t s = first_tap; s < end_tap; ++s) {
        const std::int64_t at = start + s * columns.dilation;  // of lane 0
        const std::int64_t begin = at >= 0 ? 0 : (-at - 1) / stride + 1;
        std::int64_t end = at >= columns.width ? 0 : (columns.width - 1 - at) / stride + 1;
        if (end > count) end = count;
        if (begin >= end) continue;
        const typename Reduction::Reg x = StridedLoad<T, Stride>::range(
            Reduction::neutral(), begin, end, row.source + (row_offset + at), load_stride);
        reduction.add(x, begin, end, number + s * row.numbers.column);
      }
    }
  finish(reduction, column, count);
  reduction.store(result, count);
}

// The taps of a vector of output columns from `column` on, for stride 1 or 2 and no dilation. `Kernel` 0: any.
// `Inside`: all elements lie in the row.
template <class T, int Stride, int Kernel, bool Inside, class Reduction>
CONVNATIVE_INLINE void add_taps(const PoolRow<T>& row, std::int64_t column, Reduction& reduction) {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  constexpr std::int64_t lanes = V::lanes;
  const std::int64_t kernel = Kernel > 0 ? Kernel : row.columns->kernel;
  const std::int64_t width = row.columns->width, start = column * Stride - row.columns->pad;
  const auto load = [width](const T* source, std::int64_t at) __attribute__((always_inline)) {
    if constexpr (Inside)
      return V::load(source + at);
    else
      return V::load(Reduction::neutral(), lane_mask<T>(-at, width - at), source + at);
  };
  const auto element = [width](const T* source, std::int64_t at) __attribute__((always_inline)) {
    return V::broadcast(Inside || (at >= 0 && at < width) ? source[at] : Reduction::neutral()[0]);
  };
  const std::ptrdiff_t step = row.numbers.column;
  const auto add_row = [&](const T* source, std::ptrdiff_t number) __attribute__((always_inline)) {
    if constexpr (Stride == 1) {
      for (std::int64_t s = 0; s < kernel; ++s) reduction.add(load(source, start + s), number + s * step);
    } else if (kernel == 1) {
      reduction.add(StridedLoad<T, 2>::sort(load(source, start), load(source, start + lanes - 1)), number);
    } else {
      const Reg low = load(source, start), high = load(source, start + lanes);
      Reg even = even_elements<T>(low, high), odd = odd_elements<T>(low, high);
      for (std::int64_t s = 0; s < kernel; s += 2) {
        const std::int64_t behind = start + 2 * lanes + s - 2;
        if (s > 0) even = next_elements<T>(even, element(source, behind));
        reduction.add(even, number + s * step);
        if (s + 1 == kernel) break;
        if (s > 0) odd = next_elements<T>(odd, element(source, behind + 1));
        reduction.add(odd, number + (s + 1) * step);
      }
    }
  };
  // Square windows, which most are, without the cost of loops.
  if (Kernel > 1 && row.depths == 1 && row.rows == Kernel) {
#pragma GCC unroll 3
    for (int r = 0; r < Kernel; ++r) add_row(row.source + r * row.row_step, row_number(row, 0, r));
    return;
  }
  for (std::int64_t d = 0; d < row.depths; ++d)
    for (std::int64_t r = 0; r < row.rows; ++r)
      add_row(row.source + (d * row.depth_step + r * row.row_step), row_number(row, d, r));
}

// Quotients of the sums of a row of windows.
template <class T>
struct RowDivisors {
  using V = Vec<T>;
  using Reg = typename V::Reg;

  CONVNATIVE_INLINE RowDivisors(const PoolDivisors<T>& given, T first) : divisors(given) { find(first); }
  // Neighbouring rows mostly have the same.
  CONVNATIVE_INLINE void set_row(T next) {
    if (next != row) find(next);
  }
  CONVNATIVE_INLINE Reg divide(Reg sums, std::int64_t column, std::int64_t count) const {
    const bool multiply = exact && column >= divisors.full_begin && column + count <= divisors.full_end;
    return multiply ? sums * inverse : sums / (rows * V::load(divisors.columns + column));
  }
  CONVNATIVE_INLINE void operator()(SumReduction<T>& reduction, std::int64_t column,
                                    std::int64_t count) const {
    reduction.sum = divide(reduction.sum, column, count);
  }

  const PoolDivisors<T>& divisors;
  T row;
  bool exact;
  Reg rows, inverse;

 private:
  CONVNATIVE_INLINE void find(T next) {
    row = next;
    exact = has_exact_inverse(row * divisors.whole);
    rows = V::broadcast(row);
    inverse = V::broadcast(exact ? 1 / (row * divisors.whole) : 0);
  }
};

struct AsTheyAre {
  template <class Reduction>
  CONVNATIVE_INLINE void operator()(Reduction&, std::int64_t, std::int64_t) const {}
};

// Stores the maxima, column `begin` first, unless there is nowhere to.
template <class T>
struct KeptMaxima {
  T* values;
  std::int64_t begin;
  CONVNATIVE_INLINE void operator()(TapsReduction<T>& reduction, std::int64_t column,
                                    std::int64_t count) const {
    if (values != nullptr) Vec<T>::store(lane_mask<T>(0, count), values + (column - begin), reduction.best);
  }
};

template <class T, int Stride, int Kernel, class Reduction, class Finish>
CONVNATIVE_INLINE void pool_row_of(const PoolRow<T>& row, typename Reduction::Result* result,
                                   const Finish& finish) {
  constexpr std::int64_t lanes = Vec<T>::lanes;
  const PoolColumns& columns = *row.columns;
  const std::int64_t full_end = columns.full_end < row.end ? columns.full_end : row.end;
  // Where they hold no padding, the last windows go with some that are done already rather than under a mask.
  const std::int64_t last = row.end - lanes;
  const bool shifts = full_end == row.end && last >= columns.full_begin && last >= row.begin;
  for (std::int64_t column = row.begin; column < row.end; column += lanes, result += lanes) {
    if (shifts && column > last) {
      result -= column - last;
      column = last;
    }
    Reduction reduction;
    if (column >= columns.full_begin && column + lanes <= full_end) {
      reduction.start(row.depths > 0 && row.rows > 0, row.numbers.first);
      add_taps<T, Stride, Kernel, true>(row, column, reduction);
      finish(reduction, column, lanes);
      reduction.store(result);
    } else {
      const std::int64_t count = row.end - column < lanes ? row.end - column : lanes;
      reduction.start(false, 0);
      add_taps<T, Stride, Kernel, false>(row, column, reduction);
      if (reduction.undecided(count)) {
        reduce_partial<T, Stride, Reduction>(row, column, count, result, finish);
      } else {
        finish(reduction, column, count);
        reduction.store(result, count);
      }
    }
  }
}

// Whether the rows of strides 1 and 2 serve: a window far beyond both ends of its row has many taps that are not
// there.
template <int Stride, int Lanes>
CONVNATIVE_INLINE bool loads_neighbours(const PoolColumns& columns) {
  return Stride > 0 && columns.dilation == 1 && columns.kernel <= columns.width + Lanes;
}

template <class T>
void divide_row(const PoolDivide<T>& p) {
  using V = Vec<T>;
  constexpr std::int64_t lanes = V::lanes;
  const RowDivisors<T> divisors(p.divisors, p.row);
  for (std::int64_t column = p.begin; column < p.end; column += lanes) {
    const T* const source = p.source + (column - p.begin);
    T* const result = p.result + (column - p.begin);
    const std::int64_t count = p.end - column < lanes ? p.end - column : lanes;
    if (count == lanes) {
      V::store(result, divisors.divide(V::load(source), column, count));
    } else {
      const typename V::Mask mask = lane_mask<T>(0, count);
      V::store(mask, result, divisors.divide(V::load(mask, source), column, count));
    }
  }
}

template <class T, int Stride, class Reduction, class Finish>
CONVNATIVE_INLINE void pool_row_strided(const PoolRow<T>& row, typename Reduction::Result* result,
                                        const Finish& finish) {
  constexpr std::int64_t lanes = Vec<T>::lanes;
  const PoolColumns& columns = *row.columns;
  const std::int64_t full_end = columns.full_end < row.end ? columns.full_end : row.end;
  // Windows that lie far apart share few taps: going through all that any of them has would take forever for
  // strides and kernels far beyond the row.
  const std::int64_t partial = Stride == 0 && columns.stride > 4 * lanes ? 1 : lanes;
  std::int64_t column = row.begin;
  while (column < row.end) {
    if (column >= columns.full_begin && column + lanes <= full_end) {
      reduce_full<T, Stride, Reduction>(row, column, result + (column - row.begin), finish);
      column += lanes;
    } else {
      const std::int64_t count = partial < row.end - column ? partial : row.end - column;
      reduce_partial<T, Stride, Reduction>(row, column, count, result + (column - row.begin), finish);
      column += count;
    }
  }
}

// Calls `body(way)`, `way` being an object whose `run(row, result, finish)` is the loop for these columns.
template <class T, int Stride, int Kernel, class Reduction>
struct NeighbourLoads {
  template <class Finish>
  static CONVNATIVE_INLINE void run(const PoolRow<T>& row, typename Reduction::Result* result,
                                    const Finish& finish) {
    pool_row_of<T, Stride, Kernel, Reduction>(row, result, finish);
  }
};
template <class T, int Stride, class Reduction>
struct StridedLoads {
  template <class Finish>
  static CONVNATIVE_INLINE void run(const PoolRow<T>& row, typename Reduction::Result* result,
                                    const Finish& finish) {
    pool_row_strided<T, Stride, Reduction>(row, result, finish);
  }
};
template <class T, int Stride, class Reduction, class Body>
CONVNATIVE_INLINE void with_loads(const PoolColumns& columns, const Body& body) {
  if constexpr (Stride > 0)
    if (loads_neighbours<Stride, Vec<T>::lanes>(columns)) {
      // Offsets are for windows of more taps than a byte counts: few of them are that narrow.
      if constexpr (!std::is_same_v<Reduction, ArgmaxReduction<T>>) {
        if (columns.kernel == 1) return body(NeighbourLoads<T, Stride, 1, Reduction>{});
        if (columns.kernel == 2) return body(NeighbourLoads<T, Stride, 2, Reduction>{});
        if (columns.kernel == 3) return body(NeighbourLoads<T, Stride, 3, Reduction>{});
      }
      return body(NeighbourLoads<T, Stride, 0, Reduction>{});
    }
  body(StridedLoads<T, Stride, Reduction>{});
}

template <class T>
CONVNATIVE_INLINE PoolRow<T> row_of(const PoolRows<T>& rows, const PoolColumns& columns, std::int64_t y) {
  TapNumbers numbers = rows.numbers;
  numbers.first += rows.rows[y].taps_before * numbers.row;
  return {&columns,
          rows.source + rows.rows[y].first * rows.width,
          rows.depths,
          rows.depth_step,
          rows.rows[y].count,
          rows.row_step,
          rows.begin,
          rows.end,
          numbers};
}

// What lies in L3 or memory is asked for so many bytes ahead: hardware stops at the end of every page.
inline constexpr std::int64_t far_bytes_ahead = 16384;

// Not inlined: loops over rows keep their registers.
template <class T>
[[gnu::noinline]] void request(const T* first, std::int64_t count) {
  constexpr std::int64_t line = 64 / sizeof(T);
  first += far_bytes_ahead / static_cast<std::int64_t>(sizeof(T));
  for (std::int64_t i = 0; i < count; i += line) __builtin_prefetch(first + i);
}

template <class T, class Reduction, class Loads>
void pool_rows_with(const PoolRows<T>& given, typename Reduction::Result* result, Loads) {
  const PoolRows<T> rows = given;  // which no store can change
  const PoolColumns columns = *rows.columns;
  const auto for_each_row = [&](const auto& run) __attribute__((always_inline)) {
    for (std::int64_t y = 0; y < rows.row_count; ++y) {
      if (rows.far_step > 0) request(rows.source + rows.rows[y].first * rows.width, rows.far_step);
      run(y, result + y * rows.result_step);
    }
  };
  if constexpr (std::is_same_v<Reduction, TapsReduction<T>>)
    return for_each_row([&](std::int64_t y, std::uint8_t* taps) __attribute__((always_inline)) {
      T* const values = rows.values == nullptr ? nullptr : rows.values + y * rows.result_step;
      Loads::run(row_of(rows, columns, y), taps, KeptMaxima<T>{values, rows.begin});
    });
  if constexpr (std::is_same_v<Reduction, SumReduction<T>>)
    if (rows.divisors.rows != nullptr) {
      RowDivisors<T> divisors(rows.divisors, 1);
      return for_each_row([&](std::int64_t y, T* averages) __attribute__((always_inline)) {
        divisors.set_row(rows.divisors.rows[y]);
        Loads::run(row_of(rows, columns, y), averages, divisors);
      });
    }
  for_each_row([&](std::int64_t y, typename Reduction::Result* to)
                   __attribute__((always_inline)) { Loads::run(row_of(rows, columns, y), to, AsTheyAre{}); });
}

template <class T, int Stride, class Reduction>
void pool_rows(const PoolRows<T>& rows, typename Reduction::Result* result) {
  with_loads<T, Stride, Reduction>(*rows.columns,
                                   [&](auto loads) { pool_rows_with<T, Reduction>(rows, result, loads); });
}

}  // namespace
}  // namespace CONVNATIVE_ISA
}  // namespace convnative
