// The loops of 2x2 windows side by side: contract at PoolSquares in pool/kernels.h.
//
// Every load is a whole register at the next row of the plane, every store one at the next row of the result: where rows
// end within a register, the lanes behind hold numbers of no meaning, which the row that follows writes over. Masks
// serve only where there is no more to read or to write over.
#pragma once

#include "pool/kernels.h"
#include "pool/plane_lanes.h"
#include "pool/row.h"
#include "simd/strided.h"
#include "simd/vec.h"

namespace convnative {
namespace CONVNATIVE_ISA {
namespace {

template <class T, int... Lane>
CONVNATIVE_INLINE void store_halves(T* first, T* second, typename Vec<T>::Reg x,
                                    std::integer_sequence<int, Lane...>) {
  constexpr int half = sizeof...(Lane);
  typedef T Half __attribute__((vector_size(half * sizeof(T)), aligned(alignof(T)), may_alias));
  *reinterpret_cast<Half*>(first) = __builtin_shufflevector(x, x, Lane...);
  *reinterpret_cast<Half*>(second) = __builtin_shufflevector(x, x, (Lane + half)...);
}

// Rows of windows, one after the other through all planes.
template <class T>
class SquareRows {
 public:
  CONVNATIVE_INLINE explicit SquareRows(const PoolSquares<T>& squares)
      : row_(squares.source +
             (squares.begin / squares.rows * squares.height + squares.begin % squares.rows * 2) *
                 squares.width),
        row_step_(2 * squares.width),
        to_next_plane_((squares.height - 2 * squares.rows) * squares.width),
        rows_(squares.rows),
        left_(squares.rows - squares.begin % squares.rows) {}

  // The first of the two rows of elements under them.
  CONVNATIVE_INLINE const T* next() {
    const T* const row = row_;
    row_ += row_step_;
    if (--left_ == 0) {
      left_ = rows_;
      row_ += to_next_plane_;
    }
    return row;
  }

 private:
  const T* row_;
  const std::ptrdiff_t row_step_, to_next_plane_;
  const std::int64_t rows_;
  std::int64_t left_;
};

template <class T, class Reduction>
void pool_squares(const PoolSquares<T>& given) {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  constexpr std::int64_t lanes = V::lanes, half = lanes / 2;
  const PoolSquares<T> squares = given;  // which no store can change
  const std::int64_t width = squares.width, columns = squares.columns;
  SquareRows<T> rows(squares);
  T* result = squares.result + squares.begin * columns;
  T* const end = squares.result + squares.end * columns;
  LaneDivisor<T> divisor;

  // Half of the windows begin at `low`, half at `high`, which lies behind.
  const auto reduce = [&](const T* low, const T* high) __attribute__((always_inline)) {
    Reg x[4];
    if (high + width + lanes <= squares.source_end) {
      x[0] = V::load(low);
      x[1] = V::load(high);
      x[2] = V::load(low + width);
      x[3] = V::load(high + width);
    } else {
      const auto load = [&](const T* from) __attribute__((always_inline)) {
        return V::load(lane_mask<T>(0, squares.source_end - from), from);
      };
      x[0] = load(low);
      x[1] = load(high);
      x[2] = load(low + width);
      x[3] = load(high + width);
    }
    Reduction reduction;
    reduction.start(true, 0);
    for (int row = 0; row < 4; row += 2) {
      reduction.add(even_elements<T>(x[row], x[row + 1]), 0);
      reduction.add(odd_elements<T>(x[row], x[row + 1]), 0);
    }
    if constexpr (std::is_same_v<Reduction, SumReduction<T>>)
      reduction.sum = divisor.divide(reduction.sum, squares.divisor);
    return reduction;
  };

  if constexpr (half > 1)
    if (columns <= half) {
      for (; result + 2 * columns <= end; result += 2 * columns) {
        const T* const low = rows.next();
        const Reduction reduction = reduce(low, rows.next());
        if (result + columns + half <= end) {
          store_halves(result, result + columns, reduction.value(), std::make_integer_sequence<int, half>{});
        } else {
          reduction.store(result, columns);
          V::store(lane_mask<T>(half, half + columns), result + (columns - half), reduction.value());
        }
      }
      if (result < end) {
        const T* const low = rows.next();
        reduce(low, low).store(result, columns);
      }
      return;
    }
  for (; result < end; result += columns) {
    const T* const row = rows.next();
    for (std::int64_t column = 0; column < columns; column += lanes) {
      // The last windows go with some that are done already.
      if (column + lanes > columns && lanes <= columns) column = columns - lanes;
      const Reduction reduction = reduce(row + 2 * column, row + 2 * column + lanes);
      if (result + column + lanes <= end)
        reduction.store(result + column);
      else
        reduction.store(result + column, end - result - column);
    }
  }
}

template <class T>
void spread_squares(const PoolSquareShares<T>& given) {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  constexpr std::int64_t lanes = V::lanes;
  constexpr auto lane = std::make_integer_sequence<int, V::lanes>{};
  const PoolSquareShares<T> squares = given;  // which no store can change
  const std::int64_t width = squares.width, columns = squares.columns, rows = squares.rows;
  const auto first_under = [&](std::int64_t row) {
    return squares.elements + (row / rows * squares.height + row % rows * 2) * width;
  };
  T* row = first_under(squares.begin);
  T* const end = first_under(squares.end);
  const T* shares = squares.shares + squares.begin * columns;
  const auto store = [end](T* to, Reg x) __attribute__((always_inline)) {
    if (to + lanes <= end)
      V::store(to, x);
    else
      V::store(lane_mask<T>(0, end - to), to, x);
  };
  LaneDivisor<T> divisor;
  const auto share = [&](Reg x) __attribute__((always_inline)) {
    return V::zero() + divisor.divide(x, squares.divisor);
  };
  std::int64_t left = rows - squares.begin % rows;
  for (std::int64_t i = squares.begin; i < squares.end; ++i, shares += columns, row += 2 * width) {
    if (columns < lanes) {
      // Zeros behind the end of a row, which are right up to the row that follows and written over there.
      const Reg x = share(V::load(lane_mask<T>(0, columns), shares));
      const Reg low = interleave_low(x, x, lane), high = interleave_high(x, x, lane);
      for (T* to = row; to <= row + width; to += width) {
        store(to, low);
        if (lanes < width) store(to + lanes, high);
      }
    } else {
      for (std::int64_t column = 0; column < columns; column += lanes) {
        // The last windows go with some that are done already.
        if (column + lanes > columns) column = columns - lanes;
        const Reg x = share(V::load(shares + column));
        const Reg low = interleave_low(x, x, lane), high = interleave_high(x, x, lane);
        for (T* to = row + 2 * column; to <= row + 2 * column + width; to += width) {
          V::store(to, low);
          V::store(to + lanes, high);
        }
      }
      if (2 * columns < width) row[width - 1] = row[2 * width - 1] = 0;
    }
    if (--left == 0) {
      left = rows;
      for (std::int64_t y = 2 * rows; y < squares.height; ++y, row += width)
        for (std::int64_t column = 0; column < width; column += lanes)
          store(row + 2 * width + column, V::zero());
    }
  }
}

}  // namespace
}  // namespace CONVNATIVE_ISA
}  // namespace convnative
