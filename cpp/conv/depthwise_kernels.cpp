// The depthwise kernels of one instruction-set level; this source is compiled once per level. Contract:
// conv/depthwise_kernels.h.
#include "conv/depthwise_kernels.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "simd/strided.h"
#include "simd/vec.h"
#include "simd/widen.h"

namespace convnative {
namespace CONVNATIVE_ISA {
namespace {

constexpr bool is_inside(std::int64_t place, std::int64_t extent) {
  return static_cast<std::uint64_t>(place) < static_cast<std::uint64_t>(extent);
}

// Hides from the compiler where a value comes from. It would otherwise compute the addresses of all rows ahead,
// keep them in memory, and load each row once per use of it.
CONVNATIVE_INLINE void conceal(std::uint64_t& value) {
  asm volatile("" : "+r"(value));
}

// What goes lane by lane on some level or other is worth a call: in line it would make up half of the library.
template <class T>
__attribute__((noinline)) typename Vec<T>::Reg load_lanes(typename Vec<T>::Mask mask, const T* p,
                                                          std::ptrdiff_t step) {
  return Vec<T>::gather(Vec<T>::zero(), mask, p, step);
}

// The columns under some neighbouring taps of one vector of points, `at` the first tap of lane 0. Step is 1, 2
// for neighbouring taps that share their loads, or 0 for one known at run time. `Full`: all of them lie in the
// source.
template <class T, int Step, int Taps, bool Full>
struct Columns {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  static constexpr int lanes = V::lanes;
  // Where the step is 2: two registers with the first two taps, then one element for each other tap.
  static constexpr int loads = Step == 2 && Taps == 1 ? 2 : Taps;

  // Of tap 0 in a row. The others are found from it: loops have few registers left, and with a place of each tap in
  // memory walks take up to 1.4 times as long.
  std::int64_t first;
  std::ptrdiff_t tap_step, step;
  typename V::Mask mask[loads];
  bool inside[loads];
  bool some_lanes = Full;

  CONVNATIVE_INLINE Columns(const DepthwiseAxis& axis, std::int64_t at, std::int64_t count)
      : first(at),
        tap_step(axis.tap_step),
        step(count > 1 ? axis.step : 0) {  // a lone column's may be too large for a gather to multiply
    if constexpr (Full) return;
#pragma GCC unroll 8
    for (int i = 0; i < loads; ++i) {
      const std::int64_t here = place(i);
      std::int64_t begin = here >= 0 ? 0 : -here, end = axis.extent - here;
      if constexpr (Step == 0) {
        begin = here >= 0 ? 0 : (-here - 1) / axis.step + 1;
        end = here >= axis.extent ? 0 : (axis.extent - 1 - here) / axis.step + 1;
        end = end < count ? end : count;
      }
      if (Step == 2 && i >= 2) end = std::min<std::int64_t>(end, 1);
      const bool some = begin < lanes && begin < end;
      some_lanes |= some;
      inside[i] = some;
      mask[i] = lane_mask<T>(begin, end);
    }
  }

  // Whether any lane under any tap lies in the source.
  CONVNATIVE_INLINE bool any() const { return some_lanes; }

  // x[t] = the lanes under tap t.
  CONVNATIVE_INLINE void load(const T* row, Reg (&x)[Taps]) const {
    if constexpr (Step == 2) {
      // Lane by lane the same elements as two taps before, a lane further: other loads would nearly all cross cache lines.
      const Reg low = load_one(row, 0), high = load_one(row, 1);
      x[0] = even_elements<T>(low, high);
      if constexpr (Taps > 1) x[1] = odd_elements<T>(low, high);
#pragma GCC unroll 8
      for (int s = 2; s < Taps; ++s)
        x[s] = next_elements<T>(x[s - 2], V::broadcast(Full || inside[s] ? row[place(s)] : T{0}));
    } else {
#pragma GCC unroll 8
      for (int i = 0; i < loads; ++i) x[i] = load_one(row, i);
    }
  }

  CONVNATIVE_INLINE Reg load_one(const T* row, int i) const {
    const T* const source = row + place(i);
    if constexpr (Full) return V::load(source);
    if constexpr (Step == 0) return load_lanes(mask[i], source, step);
    if constexpr (CONVNATIVE_ISA_LEVEL == CONVNATIVE_ISA_baseline) return load_lanes(mask[i], source, 1);
    return V::load(mask[i], source);
  }

 private:
  // Of what is loaded; where all lanes lie outside, so may this.
  CONVNATIVE_INLINE std::int64_t place(int i) const {
    return first + (Step != 2 ? i * tap_step : i < 2 ? i * lanes : 2 * lanes + i - 2);
  }
};

// Whether two planes share a vector where their columns fit its halves. Narrower vectors are one half, with the same sums.
template <class T>
constexpr bool twins = Vec<T>::lanes == depthwise_wide<T>;

// The low half of one register and the high half of the other.
template <class Reg, int... Lane>
CONVNATIVE_INLINE Reg halves_of(Reg low, Reg high, std::integer_sequence<int, Lane...>) {
  constexpr int lanes = sizeof...(Lane);
  return __builtin_shufflevector(low, high, (Lane < lanes / 2 ? Lane : lanes + Lane)...);
}

// All columns of rows that two registers hold: of one plane, or of two planes that lie `twin` elements apart, a half of
// the lanes for each. A row is loaded once for all taps, which are permutations of it; loads of rows that are so short
// would nearly all cross cache lines.
template <class T, int Step, int Taps, int Planes>
struct NarrowColumns {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  static constexpr int lanes = V::lanes, points = lanes / Planes;

  static constexpr bool fit(const DepthwiseAxis& axis, std::int64_t count) {
    return count <= points && axis.extent <= 2 * points;
  }

  LaneFlags<T> numbers[Taps];
  typename V::Mask mask[Taps], low_mask, high_mask;
  std::ptrdiff_t second;  // what the second register begins with

  CONVNATIVE_INLINE NarrowColumns(const DepthwiseAxis& axis, std::int64_t at, std::ptrdiff_t twin)
      : low_mask(lane_mask<T>(0, axis.extent)),
        high_mask(Planes == 2 ? low_mask : lane_mask<T>(0, axis.extent - lanes)),
        second(Planes == 2 ? twin : std::min<std::int64_t>(axis.extent, lanes)) {
    const LaneFlags<T> lane = lane_numbers<T>(std::make_integer_sequence<int, lanes>{});
#pragma GCC unroll 8
    for (int s = 0; s < Taps; ++s) {
      // Points whose tap lies in the row. Far outside, its place need not fit a lane's number.
      const std::int64_t first = at + s * axis.tap_step, behind = axis.extent - first;
      const std::int64_t begin = first >= 0 ? 0 : std::min<std::int64_t>((-first - 1) / Step + 1, points);
      const std::int64_t end = behind <= 0 ? 0 : std::min<std::int64_t>((behind - 1) / Step + 1, points);
      const std::uint32_t bits = begin < end ? first_lanes(end) & ~first_lanes(begin) : 0;
      mask[s] = V::mask(Planes == 2 ? bits | bits << points : bits);
      numbers[s] = (lane & (points - 1)) * Step + static_cast<LaneNumber<T>>(begin < end ? first : 0);
      if (Planes == 2) numbers[s] += (lane & points) * 2;
    }
  }

  CONVNATIVE_INLINE bool any() const { return true; }

  CONVNATIVE_INLINE void load(const T* row, Reg (&x)[Taps]) const {
    const Reg low = V::load(low_mask, row), high = V::load(high_mask, row + second);
#pragma GCC unroll 8
    for (int s = 0; s < Taps; ++s) x[s] = V::pick(mask[s], low, numbers[s], high);
  }

  static CONVNATIVE_INLINE Reg load_halves(const T* one, const T* other, typename V::Mask low,
                                           typename V::Mask high) {
    return halves_of(V::load(low, one), V::load(high, other - points),
                     std::make_integer_sequence<int, lanes>{});
  }
};

// Adds what `Rows` row taps and `Taps` column taps give to a tile.
template <class T, int Step, bool Full, int Height, int Rows, int Taps>
CONVNATIVE_INLINE void add_columns(typename Vec<T>::Reg (&sums)[Height], const DepthwisePiece<T>& p,
                                   std::int64_t at, std::int64_t count, const T* weight) {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  const Columns<T, Step, Taps, Full> columns(*p.column, at, count);
  Reg w[Rows][Taps];
#pragma GCC unroll 7
  for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 2
    for (int s = 0; s < Taps; ++s) w[r][s] = V::broadcast(weight[s * p.column_weight_step]);
    weight += p.chain_weight_step;
  }
  const std::uint64_t extent = columns.any() ? static_cast<std::uint64_t>(p.extent) : 0;
  auto row = static_cast<std::uint64_t>(p.row);
  // In elements; it wraps around where a row far outside is only looked at.
  std::uint64_t place = row * static_cast<std::uint64_t>(p.pitch);
#pragma GCC unroll 16
  for (int i = 0; i < Height + Rows - 1; ++i) {
    Reg x[Taps];
    if (Full || row < extent) {
      columns.load(p.source + static_cast<std::int64_t>(place), x);
    } else {
#pragma GCC unroll 2
      for (int s = 0; s < Taps; ++s) x[s] = V::zero();
    }
    place += static_cast<std::uint64_t>(p.chain_pitch);
    conceal(place);
    if constexpr (!Full) {
      row += static_cast<std::uint64_t>(p.chain_step);
      conceal(row);
    }
#pragma GCC unroll 7
    for (int r = 0; r < Rows; ++r)
      if (i - r >= 0 && i - r < Height) {
#pragma GCC unroll 2
        for (int s = 0; s < Taps; ++s) sums[i - r] = V::fma(w[r][s], x[s], sums[i - r]);
      }
  }
}

template <class T, int Step, bool Full, int Height, int Rows>
CONVNATIVE_INLINE void add_tile(const DepthwisePiece<T>& p, std::int64_t x) {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  const std::int64_t count = p.end - x < V::lanes ? p.end - x : V::lanes;
  const typename V::Mask mask = V::mask(first_lanes(count));
  T* const result = p.result + (x - p.begin);
  Reg sums[Height];
  if (p.start != nullptr) {
#pragma GCC unroll 8
    for (int i = 0; i < Height; ++i) sums[i] = V::broadcast(*p.start);
  } else {
    const T* held = result;
#pragma GCC unroll 8
    for (int i = 0; i < Height; ++i, held += p.result_step) {
      sums[i] = V::zero();
      // Others may be writing those before row_begin.
      if (i >= p.row_begin && i < p.row_end) sums[i] = Full ? V::load(held) : V::load(mask, held);
    }
  }

  constexpr int taps = Step == 2 ? 2 : 1;
  std::int64_t at = p.column->at(x);
  const T* weight = p.weight;
  std::int64_t left = p.column->taps;
  for (; left >= taps; left -= taps) {
    add_columns<T, Step, Full, Height, Rows, taps>(sums, p, at, count, weight);
    at += taps * p.column->tap_step;
    weight += taps * p.column_weight_step;
  }
  if (taps > 1 && left > 0) add_columns<T, Step, Full, Height, Rows, 1>(sums, p, at, count, weight);

  T* target = result;
#pragma GCC unroll 8
  for (int i = 0; i < Height; ++i, target += p.result_step)
    if (i >= p.row_begin && i < p.row_end) {
      if (Full)
        V::store(target, sums[i]);
      else
        V::store(mask, target, sums[i]);
    }
}

// A row of tiles.
template <class T, int Step, int Height, int Rows>
void add_piece(const DepthwisePiece<T>& piece) {
  // A copy that nothing else can point to: its values may stay in registers.
  const DepthwisePiece<T> p = piece;
  for (std::int64_t x = p.begin; x < p.end; x += p.advance) {
    if (Step != 0 && x >= p.full_begin && x + p.advance <= p.full_end)
      add_tile<T, Step, Step != 0, Height, Rows>(p, x);
    else
      add_tile<T, Step, false, Height, Rows>(p, x);
  }
}

// Adds what the next RowStep rows of the source give to all accumulators. Accumulator k is that of the point k
// before the newest.
template <class T, int RowStep, int Taps, class Source>
CONVNATIVE_INLINE void add_rows(typename Vec<T>::Reg (&sums)[(Taps - 1) / RowStep + 1],
                                const typename Vec<T>::Reg (&w)[Taps][Taps], Source& source) {
  constexpr int older = (Taps - 1) / RowStep;
#pragma GCC unroll 2
  for (int e = 0; e < RowStep; ++e) {
    typename Vec<T>::Reg x[Taps];
    source.next(x);
#pragma GCC unroll 7
    for (int s = 0; s < Taps; ++s)
#pragma GCC unroll 7
      for (int k = older; k >= 0; --k)
        if (e + RowStep * k < Taps) sums[k] = Vec<T>::fma(w[e + RowStep * k][s], x[s], sums[k]);
  }
}

// Far rows of the source and of the result are asked for so early, those of the planes behind a walk's own too: hardware
// follows neither a column of a plane nor many short rows. Two threads, from L3 or memory: 1.2 to 3 times as fast.
constexpr std::int64_t source_rows_ahead = 32, result_rows_ahead = 16;

// Rows of one of a walk's planes of the source, one after the other, zeros outside. `Width`: elements that a vector of
// columns spans.
template <class T, class Lanes, int Taps, int Width, bool Far, int Planes = 1>
struct SourceRows {
  static constexpr int line = 64 / sizeof(T);
  const Lanes& lanes;
  const T* source;
  std::uint64_t extent, row, step, place, pitch;  // `place` wraps around far outside
  std::ptrdiff_t ahead;
  bool begins, wide;  // whether the row's first line and others behind it are asked for

  CONVNATIVE_INLINE SourceRows(const Lanes& l, const DepthwisePiece<T>& p, std::int64_t x, std::int64_t plane)
      : lanes(l),
        source(p.source + plane * p.source_plane),
        extent(l.any() ? static_cast<std::uint64_t>(p.extent) : 0),
        row(static_cast<std::uint64_t>(p.row)),
        step(static_cast<std::uint64_t>(p.chain_step)),
        place(row * static_cast<std::uint64_t>(p.pitch)),
        pitch(static_cast<std::uint64_t>(p.chain_pitch)),
        ahead(Planes * source_rows_ahead * p.chain_pitch + (p.column->at(x) > 0 ? p.column->at(x) : 0)),
        begins(x == p.begin),
        wide(Planes * p.column->extent > Width) {}

  // The next row, or null outside.
  CONVNATIVE_INLINE const T* next() {
    const T* here = nullptr;
    if (row < extent) {
      here = source + static_cast<std::int64_t>(place);
      // Rows of several planes in memory are one after the other here.
      const T* const later = source + Planes * static_cast<std::int64_t>(place) + ahead;
      if (Far && begins) __builtin_prefetch(later);
      if (Far && wide)
#pragma GCC unroll 2
        for (int i = line; i <= Width; i += line) __builtin_prefetch(later + i);
    }
    row += step;
    place += pitch;
    return here;
  }

  CONVNATIVE_INLINE void next(typename Vec<T>::Reg (&x)[Taps]) {
    const T* const here = next();
    if (here != nullptr) {
      lanes.load(here, x);
    } else {
#pragma GCC unroll 7
      for (int s = 0; s < Taps; ++s) x[s] = Vec<T>::zero();
    }
  }
};

// What a walk's vector holds of each row: columns of one plane.
template <class T, class LanesOf, bool Full>
struct OnePlane {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  static constexpr int planes = 1;
  std::int64_t count;
  LanesOf lanes;
  typename V::Mask mask;

  CONVNATIVE_INLINE OnePlane(const DepthwisePiece<T>& p, std::int64_t x)
      : count(p.end - x < V::lanes ? p.end - x : V::lanes),
        lanes(*p.column, p.column->at(x), count),
        mask(V::mask(first_lanes(count))) {}

  // One number of each plane, numbers and results `step` apart from plane to plane.
  CONVNATIVE_INLINE Reg broadcast(const T* one, std::ptrdiff_t /*step*/) const { return V::broadcast(*one); }
  CONVNATIVE_INLINE Reg load(const T* result, std::ptrdiff_t /*step*/) const {
    return Full ? V::load(result) : V::load(mask, result);
  }
  CONVNATIVE_INLINE void store(T* result, std::ptrdiff_t /*step*/, Reg sums) const {
    if (Full)
      V::store(result, sums);
    else
      V::store(mask, result, sums);
  }
};

// Or two planes, whose rows fill a half of the vector each at the most, with the sums that each has alone.
template <class T, int Step, int Taps>
struct TwoPlanes {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  using Lanes = NarrowColumns<T, Step, Taps, 2>;
  static constexpr int planes = 2;
  Lanes lanes;
  typename V::Mask low, high;

  CONVNATIVE_INLINE TwoPlanes(const DepthwisePiece<T>& p, std::int64_t x)
      : lanes(*p.column, p.column->at(x), p.source_plane),
        low(lane_mask<T>(0, p.end - x)),
        high(lane_mask<T>(Lanes::points, Lanes::points + p.end - x)) {}

  CONVNATIVE_INLINE Reg broadcast(const T* one, std::ptrdiff_t step) const {
    return halves_of(V::broadcast(one[0]), V::broadcast(one[step]),
                     std::make_integer_sequence<int, V::lanes>{});
  }
  CONVNATIVE_INLINE Reg load(const T* result, std::ptrdiff_t step) const {
    return Lanes::load_halves(result, result + step, low, high);
  }
  CONVNATIVE_INLINE void store(T* result, std::ptrdiff_t step, Reg sums) const {
    V::store(low, result, sums);
    V::store(high, result + step - Lanes::points, sums);
  }
};

// One vector of columns of all planes, downwards.
template <class T, int Step, int RowStep, bool Far, int Taps, class Planes>
CONVNATIVE_INLINE void walk_columns(const DepthwisePiece<T>& p, std::int64_t x) {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  constexpr int older = (Taps - 1) / RowStep;
  const Planes at(p, x);

  for (std::int64_t plane = 0; plane < p.planes; plane += Planes::planes) {
    const T* const weight = p.weight + plane * p.weight_plane;
    Reg w[Taps][Taps];
#pragma GCC unroll 7
    for (int r = 0; r < Taps; ++r)
#pragma GCC unroll 7
      for (int s = 0; s < Taps; ++s)
        w[r][s] = at.broadcast(weight + r * p.chain_weight_step + s * p.column_weight_step, p.weight_plane);
    const bool held = p.start == nullptr;
    const Reg start = held ? V::zero() : at.broadcast(p.start + plane * p.start_plane, p.start_plane);
    constexpr int width = Planes::planes == 2 ? V::lanes : V::lanes * Step;
    SourceRows<T, decltype(at.lanes), Taps, width, Far, Planes::planes> source(at.lanes, p, x, plane);
    T* result = p.result + plane * p.result_plane + (x - p.begin);
    const T* newest = result;
    Reg sums[older + 1];
#pragma GCC unroll 7
    for (int k = 0; k <= older; ++k) sums[k] = V::zero();
    for (std::int64_t i = -older; i < p.row_end; ++i) {
#pragma GCC unroll 7
      for (int k = older; k > 0; --k) sums[k] = sums[k - 1];
      sums[0] = start;
      if (held && i < p.row_end - older) {
        sums[0] = at.load(newest, p.result_plane);
        newest += p.result_step;
      }
      add_rows<T, RowStep, Taps>(sums, w, source);
      if (i < 0) continue;
      if constexpr (Far)
        __builtin_prefetch(result + (Planes::planes * (i + result_rows_ahead) - i) * p.result_step, 1);
      at.store(result, p.result_plane, sums[older]);
      result += p.result_step;
    }
  }
}

// The columns of two vectors side by side.
template <class T, int Taps, bool Full>
struct ColumnsBeside {
  Columns<T, 1, Taps, Full> left, right;
  CONVNATIVE_INLINE bool any() const { return left.any() || right.any(); }
};

// As walk_columns, for two vectors of dense columns at a time, the second of which may be a part. Registers do not hold
// the weights of 7 x 7 taps, nor those of 5 x 5 beside the rest: each is loaded once for both. 3 x 3 taps would lose.
template <class T, bool Full, bool Far, int Taps>
CONVNATIVE_INLINE void walk_columns_beside(const DepthwisePiece<T>& p, std::int64_t x) {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  using Lanes = ColumnsBeside<T, Taps, Full>;
  constexpr int older = Taps - 1;
  const DepthwiseAxis& column = *p.column;
  const std::int64_t count = p.end - x - V::lanes < V::lanes ? p.end - x - V::lanes : V::lanes;
  const Lanes lanes{{column, column.at(x), V::lanes}, {column, column.at(x + V::lanes), count}};
  const typename V::Mask mask = V::mask(first_lanes(count));

  for (std::int64_t plane = 0; plane < p.planes; ++plane) {
    // At places that the compiler knows.
    T w[Taps][Taps];
    for (int r = 0; r < Taps; ++r)
      for (int s = 0; s < Taps; ++s)
        w[r][s] = p.weight[plane * p.weight_plane + r * p.chain_weight_step + s * p.column_weight_step];
    const bool held = p.start == nullptr;
    const Reg start = held ? V::zero() : V::broadcast(p.start[plane * p.start_plane]);
    SourceRows<T, Lanes, Taps, 2 * V::lanes, Far> source(lanes, p, x, plane);
    T* result = p.result + plane * p.result_plane + (x - p.begin);
    const T* newest = result;
    Reg first[Taps], second[Taps];
#pragma GCC unroll 7
    for (int k = 0; k <= older; ++k) first[k] = second[k] = V::zero();
    for (std::int64_t i = -older; i < p.row_end; ++i) {
#pragma GCC unroll 7
      for (int k = older; k > 0; --k) first[k] = first[k - 1], second[k] = second[k - 1];
      first[0] = second[0] = start;
      if (held && i < p.row_end - older) {
        first[0] = V::load(newest), second[0] = V::load(mask, newest + V::lanes);
        newest += p.result_step;
      }
      const auto add_row = [&](auto load) __attribute__((always_inline)) {
#pragma GCC unroll 7
        for (int s = 0; s < Taps; ++s) {
          const Reg low = load(lanes.left, s), high = load(lanes.right, s);
#pragma GCC unroll 7
          for (int k = older; k >= 0; --k) {
            const Reg tap = V::broadcast(w[k][s]);
            first[k] = V::fma(tap, low, first[k]);
            second[k] = V::fma(tap, high, second[k]);
          }
        }
      };
      const T* const row = source.next();
      if (row != nullptr)
        add_row([&](const auto& columns, int s) { return columns.load_one(row, s); });
      else
        add_row([&](const auto&, int) { return V::zero(); });
      if (i < 0) continue;
      if constexpr (Far) {
        __builtin_prefetch(result + result_rows_ahead * p.result_step, 1);
        __builtin_prefetch(result + result_rows_ahead * p.result_step + V::lanes, 1);
      }
      V::store(result, first[older]);
      V::store(mask, result + V::lanes, second[older]);
      result += p.result_step;
    }
  }
}

template <class T, int Step, int RowStep, bool Far, int Taps>
CONVNATIVE_INLINE void walk_rows(const DepthwisePiece<T>& p) {
  constexpr int lanes = Vec<T>::lanes;
  std::int64_t x = p.begin;
  if constexpr (twins<T> && Step == 1 && Taps > 3)
    for (; x + lanes < p.end; x += 2 * lanes) {
      if (x >= p.full_begin && x + 2 * lanes <= p.full_end)
        walk_columns_beside<T, true, Far, Taps>(p, x);
      else
        walk_columns_beside<T, false, Far, Taps>(p, x);
    }
  for (; x < p.end; x += lanes) {
    if (Step != 0 && x >= p.full_begin && x + lanes <= p.full_end)
      walk_columns<T, Step, RowStep, Far, Taps, OnePlane<T, Columns<T, Step, Taps, true>, true>>(p, x);
    else
      walk_columns<T, Step, RowStep, Far, Taps, OnePlane<T, Columns<T, Step, Taps, false>, false>>(p, x);
  }
}

template <class T, int Step, int RowStep, bool Far, int Taps>
CONVNATIVE_INLINE void walk_planes(DepthwisePiece<T> p) {
  if constexpr (twins<T>) {
    using Twins = TwoPlanes<T, Step, Taps>;
    const std::int64_t pairs = Twins::Lanes::fit(*p.column, p.end - p.begin) ? p.planes / 2 * 2 : 0;
    if (pairs > 0) {
      const std::int64_t planes = p.planes;
      p.planes = pairs;
      walk_columns<T, Step, RowStep, Far, Taps, Twins>(p, p.begin);
      if (pairs == planes) return;
      p.planes = 1;
      p.source += pairs * p.source_plane;
      p.weight += pairs * p.weight_plane;
      p.result += pairs * p.result_plane;
      if (p.start != nullptr) p.start += pairs * p.start_plane;
    }
    // Dense columns of one plane gain nothing.
    if constexpr (Step == 2) {
      using Alone = NarrowColumns<T, Step, Taps, 1>;
      if (Alone::fit(*p.column, p.end - p.begin)) {
        walk_columns<T, Step, RowStep, Far, Taps, OnePlane<T, Alone, false>>(p, p.begin);
        return;
      }
    }
  }
  walk_rows<T, Step, RowStep, Far, Taps>(p);
}

template <class T, int Step, int RowStep, int Taps>
void walk(const DepthwisePiece<T>& piece) {
  if (piece.far)
    walk_planes<T, Step, RowStep, true, Taps>(piece);
  else
    walk_planes<T, Step, RowStep, false, Taps>(piece);
}

// The first `columns` of first[0], second[0], first[1], second[1], ...
template <class T>
CONVNATIVE_INLINE void interleave(typename Vec<T>::Reg first, typename Vec<T>::Reg second,
                                  std::int64_t columns, T* result) {
  using V = Vec<T>;
  constexpr auto lane = std::make_integer_sequence<int, V::lanes>{};
  const typename V::Reg low = interleave_low(first, second, lane),
                        high = interleave_high(first, second, lane);
  if (columns == 2 * V::lanes) {
    V::store(result, low);
    V::store(result + V::lanes, high);
  } else {
    V::store(lane_mask<T>(0, columns), result, low);
    V::store(lane_mask<T>(0, columns - V::lanes), result + V::lanes, high);
  }
}

// The columns under the taps of a point and of the one between it and the next.
template <class T, int Evens, int Odds, bool Full>
struct ColumnPair {
  using Reg = typename Vec<T>::Reg;
  Columns<T, 1, Evens, Full> even;
  Columns<T, 1, Odds, Full> odd;

  CONVNATIVE_INLINE bool any() const { return even.any() || odd.any(); }

  CONVNATIVE_INLINE void load(const T* row, Reg (&x)[Evens + Odds]) const {
    Reg first[Evens], second[Odds];
    even.load(row, first);
    odd.load(row, second);
    for (int s = 0; s < Evens; ++s) x[s] = first[s];
    for (int s = 0; s < Odds; ++s) x[Evens + s] = second[s];
  }
};

// As walk_columns, for two columns whose results take turns in memory.
template <class T, bool Full, bool Far, int Rows, int Evens, int Odds>
CONVNATIVE_INLINE void walk_column_pairs(const DepthwisePiece<T>& p, std::int64_t x) {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  using Lanes = ColumnPair<T, Evens, Odds, Full>;
  constexpr int older = Rows - 1, taps = Evens + Odds;
  const DepthwiseAxis &even = *p.column, &odd = *p.odd_column;
  const std::int64_t evens = p.end - x < V::lanes ? p.end - x : V::lanes;
  const std::int64_t odds = odd.points - x < evens ? odd.points - x : evens;
  const Lanes lanes{{even, even.at(x), evens}, {odd, odd.at(x), odds}};

  for (std::int64_t plane = 0; plane < p.planes; ++plane) {
    Reg w[Rows][taps];
    for (int r = 0; r < Rows; ++r)
      for (int s = 0; s < taps; ++s) {
        const T* const weight =
            s < Evens ? p.weight + s * even.weight_step : p.odd_weight + (s - Evens) * odd.weight_step;
        w[r][s] = V::broadcast(weight[plane * p.weight_plane + r * p.chain_weight_step]);
      }
    const Reg start = V::broadcast(p.start[plane * p.start_plane]);
    SourceRows<T, Lanes, taps, V::lanes, Far> source(lanes, p, x, plane);
    T* result = p.result + plane * p.result_plane + 2 * (x - p.begin);
    Reg first[Rows], second[Rows];
    for (int k = 0; k <= older; ++k) first[k] = second[k] = start;
    for (std::int64_t i = -older; i < p.row_end; ++i) {
      for (int k = older; k > 0; --k) first[k] = first[k - 1], second[k] = second[k - 1];
      first[0] = second[0] = start;
      Reg at[taps];
      source.next(at);
      for (int k = older; k >= 0; --k) {
        for (int s = 0; s < Evens; ++s) first[k] = V::fma(w[k][s], at[s], first[k]);
        for (int s = Evens; s < taps; ++s) second[k] = V::fma(w[k][s], at[s], second[k]);
      }
      if (i < 0) continue;
      if constexpr (Far) __builtin_prefetch(result + result_rows_ahead * p.result_step, 1);
      interleave<T>(first[older], second[older], Full ? 2 * V::lanes : evens + odds, result);
      result += p.result_step;
    }
  }
}

template <class T, bool Far, int Rows, int Evens, int Odds>
CONVNATIVE_INLINE void walk_pair_rows(const DepthwisePiece<T>& p) {
  for (std::int64_t x = p.begin; x < p.end; x += Vec<T>::lanes) {
    if (x >= p.full_begin && x + Vec<T>::lanes <= p.full_end)
      walk_column_pairs<T, true, Far, Rows, Evens, Odds>(p, x);
    else
      walk_column_pairs<T, false, Far, Rows, Evens, Odds>(p, x);
  }
}

template <class T, int Rows, int Evens, int Odds>
void walk_pairs(const DepthwisePiece<T>& piece) {
  const DepthwisePiece<T> p = piece;
  if (p.far)
    walk_pair_rows<T, true, Rows, Evens, Odds>(p);
  else
    walk_pair_rows<T, false, Rows, Evens, Odds>(p);
}

template <class T>
void interleave_columns(const T* even, const T* odd, std::int64_t columns, T* result) {
  interleave<T>(Vec<T>::load(even), Vec<T>::load(odd), columns, result);
}

// One vector of columns of a block, downwards: row i of the source meets rows i, i - 1, ... of grad_output,
// which move through the registers. No hardware looks for a column's next lines. What the next block needs is asked for
// in the order of memory, each vector of columns a part of it: asked for column by column it came half as fast.
enum class Planes { one, one_full, twins };

template <class T, int Step, Planes Of, int Outputs, int Rows, int Taps>
CONVNATIVE_INLINE void walk_down(typename Vec<T>::Reg (&sums)[Outputs][Taps][Rows], const DepthwiseSums<T>& a,
                                 std::int64_t column) {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  constexpr bool full = Of == Planes::one_full;
  constexpr std::int64_t line = 64 / sizeof(T);
  const std::int64_t count = a.columns - column < V::lanes ? a.columns - column : V::lanes;
  const auto columns = [&] {
    const std::int64_t at = a.column->at(column) + a.column_tap * a.column->tap_step;
    if constexpr (Of == Planes::twins)
      return NarrowColumns<T, Step, Taps, 2>(*a.column, at, a.source_twin);
    else
      return Columns<T, Step, Taps, full>(*a.column, at, count);
  }();
  const typename V::Mask grad_mask = V::mask(first_lanes(count));
  const typename V::Mask twin_mask = lane_mask<T>(V::lanes / 2, V::lanes / 2 + count);
  const auto load_grad = [&](const T* from) __attribute__((always_inline)) {
    if constexpr (Of == Planes::twins)
      return NarrowColumns<T, Step, Taps, 2>::load_halves(from, from + a.grad_twin, grad_mask, twin_mask);
    else
      return full ? V::load(from) : V::load(grad_mask, from);
  };
  // Steps [before, last) have a row of the source, the first a.rows one of grad_output. The source's other rows are
  // zeros and are left out, though they would make NaN of infinities: those show in the sums of other taps, or else,
  // where a row of grad_output meets no row of the source, they are added to a sum as products with zero.
  const auto steps_to = [&](std::int64_t rows) __attribute__((always_inline)) {
    return a.chain_step == 1 ? rows : (rows - 1) / a.chain_step + 1;
  };
  const std::int64_t extent = columns.any() ? a.extent : 0;
  const std::int64_t outside = a.row < 0 ? steps_to(-a.row) : 0;
  const std::int64_t inside = a.row < extent ? std::min(a.rows + Rows - 1, steps_to(extent - a.row)) : 0;
  const std::int64_t before = outside < inside ? outside : 0, last = outside < inside ? inside : 0;
  if (before >= Rows || last < a.rows) [[unlikely]] {
    for (std::int64_t image = 0; image < a.images; ++image)
      for (std::int64_t row = 0; row < a.rows; ++row)
        for (int o = 0; o < Outputs && (row <= before - Rows || row >= last); ++o) {
          const T* const grad =
              a.grad_output + o * a.grad_second + image * a.grad_image + row * a.grad_pitch + column;
          T* const target = a.sums + o * a.sums_second;
          V::store(target, V::fma(load_grad(grad), V::zero(), V::load(target)));
        }
    if (last == 0) return;
  }
  const std::ptrdiff_t first_place = (a.row + before * a.chain_step) * a.pitch;
  const std::ptrdiff_t source_step = a.chain_step * a.pitch, grad_step = a.grad_pitch;
  const std::ptrdiff_t source_ahead_row = a.source_ahead_row, grad_ahead_row = a.grad_ahead_row;
  const std::int64_t vector = column / depthwise_wide<T>;
  const bool asks = a.source_ahead != 0;
  for (std::int64_t image = 0; image < a.images; ++image) {
    const T* source = a.source + image * a.source_image + first_place;
    const T* source_later = source + a.source_ahead + vector * a.source_ahead_column;
    const T* grad_later = a.grad_output + image * a.grad_image + a.grad_ahead + vector * a.grad_ahead_column;
    const T* grad = a.grad_output + image * a.grad_image + column;
    Reg g[Outputs][Rows];
#pragma GCC unroll 2
    for (int o = 0; o < Outputs; ++o)
#pragma GCC unroll 7
      for (int r = 0; r < Rows; ++r) g[o][r] = V::zero();
    const auto shift = [&]() __attribute__((always_inline)) {
#pragma GCC unroll 2
      for (int o = 0; o < Outputs; ++o) {
#pragma GCC unroll 7
        for (int r = Rows - 1; r > 0; --r) g[o][r] = g[o][r - 1];
        g[o][0] = V::zero();
      }
    };
    const auto next_grad = [&]() __attribute__((always_inline)) {
      shift();
#pragma GCC unroll 2
      for (int o = 0; o < Outputs; ++o) {
        g[o][0] = load_grad(o == 0 ? grad : grad + a.grad_second);
        __builtin_prefetch(o == 0 ? grad_later : grad_later + a.grad_second);
      }
      if constexpr (Of == Planes::twins) __builtin_prefetch(grad_later + a.grad_twin);
      grad += grad_step;
      grad_later += grad_ahead_row;
    };
    const auto add_source = [&]() __attribute__((always_inline)) {
      Reg x[Taps];
      columns.load(source, x);
      if (Step == 1 || asks)
#pragma GCC unroll 4
        for (int i = 0; i < (Step == 1 ? 1 : 4); ++i) __builtin_prefetch(source_later + i * line);
      if constexpr (Of == Planes::twins) __builtin_prefetch(source_later + a.source_twin);
      source += source_step;
      source_later += source_ahead_row;
#pragma GCC unroll 8
      for (int s = 0; s < Taps; ++s)
#pragma GCC unroll 2
        for (int o = 0; o < Outputs; ++o)
#pragma GCC unroll 7
          for (int r = 0; r < Rows; ++r) sums[o][s][r] = V::fma(g[o][r], x[s], sums[o][s][r]);
    };
    std::int64_t i = 0;
    for (; i < before && i < a.rows; ++i) next_grad();
    for (; i < before; ++i) shift();
    for (; i < last && i < a.rows; ++i) next_grad(), add_source();
    for (; i < last; ++i) shift(), add_source();
  }
}

template <class T, int Step, int Outputs, int Rows, int Taps>
void sum_products(const DepthwiseSums<T>& block) {
  const DepthwiseSums<T> a = block;
  using V = Vec<T>;
  constexpr std::int64_t lanes = V::lanes;
  typename V::Reg sums[Outputs][Taps][Rows];
#pragma GCC unroll 2
  for (int o = 0; o < Outputs; ++o)
#pragma GCC unroll 8
    for (int s = 0; s < Taps; ++s)
#pragma GCC unroll 7
      for (int r = 0; r < Rows; ++r) sums[o][s][r] = V::zero();

  for (std::int64_t column = a.first_column; column < a.columns; column += a.column_step) {
    bool full = false;
    if constexpr (Step != 0) {
      // Registers that hold two taps are loaded whole.
      constexpr std::int64_t behind = Step == 2 ? 2 * lanes - 1 + std::max(Taps - 2, 0) : lanes - 1;
      const std::int64_t first = a.column->at(column) + a.column_tap * a.column->tap_step;
      const std::int64_t last = first + behind + (Step == 2 ? 0 : (Taps - 1) * a.column->tap_step);
      full = a.columns - column >= lanes && first >= 0 && last < a.column->extent;
    }
    if constexpr (twins<T> && Step != 0 && Outputs == 1) {
      if (a.source_twin != 0) {
        walk_down<T, Step, Planes::twins>(sums, a, column);
        continue;
      }
    }
    if (full)
      walk_down<T, Step, Step != 0 ? Planes::one_full : Planes::one>(sums, a, column);
    else
      walk_down<T, Step, Planes::one>(sums, a, column);
  }

#pragma GCC unroll 2
  for (int o = 0; o < Outputs; ++o)
#pragma GCC unroll 8
    for (int s = 0; s < Taps; ++s)
#pragma GCC unroll 7
      for (int r = 0; r < Rows; ++r) {
        T* const target = a.sums + o * a.sums_second + s * a.sums_column + r * a.sums_row;
        V::store(target, V::load(target) + sums[o][s][r]);
      }
}

// Halves are added until one lane is left, in float64.
template <class T, int Wide = depthwise_wide<T>>
CONVNATIVE_INLINE double sum_of_lanes(const T* sums) {
  constexpr int lanes = Vec<double>::lanes < Wide ? Vec<double>::lanes : Wide, vectors = Wide / lanes;
  alignas(64) double lane[Vec<double>::lanes];
  if constexpr (lanes < Vec<double>::lanes) {
    for (int l = 0; l < Wide; ++l) lane[l] = static_cast<double>(sums[l]);
  } else {
    typename Vec<double>::Reg part[vectors];
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) part[v] = widen(sums + v * lanes);
#pragma GCC unroll 3
    for (int half = vectors / 2; half > 0; half /= 2)
#pragma GCC unroll 4
      for (int v = 0; v < half; ++v) part[v] = part[v] + part[v + half];
    Vec<double>::store(lane, part[0]);
  }
  for (int half = lanes / 2; half > 0; half /= 2)
    for (int l = 0; l < half; ++l) lane[l] += lane[l + half];
  return lane[0];
}

template <class T>
void add_lanes(const T* sums, std::int64_t count, double* result) {
  for (std::int64_t i = 0; i < count; ++i) result[i] = sum_of_lanes<T>(sums + i * depthwise_wide<T>);
}

template <class T>
void add_twin_lanes(const T* sums, std::int64_t count, double* result) {
  constexpr int half = depthwise_wide<T> / 2;
  for (std::int64_t i = 0; i < count; ++i)
    for (int twin = 0; twin < 2; ++twin)
      // A zero of the other half makes -0 a +0.
      result[twin * count + i] = sum_of_lanes<T, half>(sums + i * depthwise_wide<T> + twin * half) + 0.0;
}

// What fits the registers beside Rows of grad_output, of each output channel, and one of the source.
constexpr int most_paired_sums = CONVNATIVE_ISA_LEVEL == CONVNATIVE_ISA_avx512 ? 9 : 0;
constexpr int most_sums = CONVNATIVE_ISA_LEVEL == CONVNATIVE_ISA_avx512 ? 21 : 10;
// Without shuffles of its own the baseline gathers.
constexpr int paired_step = CONVNATIVE_ISA_LEVEL == CONVNATIVE_ISA_baseline ? 0 : 2;

// Whether depthwise_chain_piece ever asks for it.
constexpr bool is_piece(int step, int rows) {
  return step == 1 ? rows != 6 : rows <= 3;
}
// Beyond these more taps save few loads.
constexpr int most_taps(int step, int rows) {
  return step == 0 ? 1 : rows > 1 ? 3 : step == 1 ? depthwise_most_columns : 4;
}

template <class T, int Step, int Outputs, int Rows, int Taps>
constexpr typename DepthwiseKernels<T>::Sums sums_kernel() {
  // One row or column of taps has little of the source to share.
  constexpr bool fits = Outputs == 1 ? Rows * Taps <= most_sums
                                     : Step != 0 && Rows > 1 && Taps > 1 && Rows * Taps <= most_paired_sums;
  if constexpr (is_piece(Step, Rows) && fits && Taps <= most_taps(Step, Rows))
    return sum_products<T, Step, Outputs, Rows, Taps>;
  else
    return nullptr;
}

template <class T, int Step, int Height, int Rows>
constexpr auto piece_kernel() -> void (*)(const DepthwisePiece<T>&) {
  if constexpr (is_piece(Step, Rows))
    return add_piece<T, Step, Height, Rows>;
  else
    return nullptr;
}

#define CONVNATIVE_SUMS_ROW(T, step, outputs, rows)                                    \
  {sums_kernel<T, step, outputs, rows, 1>(), sums_kernel<T, step, outputs, rows, 2>(), \
   sums_kernel<T, step, outputs, rows, 3>(), sums_kernel<T, step, outputs, rows, 4>(), \
   sums_kernel<T, step, outputs, rows, 5>(), sums_kernel<T, step, outputs, rows, 6>(), \
   sums_kernel<T, step, outputs, rows, 7>(), sums_kernel<T, step, outputs, rows, 8>()}

#define CONVNATIVE_SUMS(T, step, outputs)                                              \
  {CONVNATIVE_SUMS_ROW(T, step, outputs, 1), CONVNATIVE_SUMS_ROW(T, step, outputs, 2), \
   CONVNATIVE_SUMS_ROW(T, step, outputs, 3), CONVNATIVE_SUMS_ROW(T, step, outputs, 4), \
   CONVNATIVE_SUMS_ROW(T, step, outputs, 5), CONVNATIVE_SUMS_ROW(T, step, outputs, 6), \
   CONVNATIVE_SUMS_ROW(T, step, outputs, 7)}

#define CONVNATIVE_SUMS_OF(T, outputs) \
  {CONVNATIVE_SUMS(T, 1, outputs), CONVNATIVE_SUMS(T, paired_step, outputs), CONVNATIVE_SUMS(T, 0, outputs)}

#define CONVNATIVE_PIECES(T, step, height)                                    \
  {                                                                           \
      piece_kernel<T, step, height, 1>(), piece_kernel<T, step, height, 2>(), \
      piece_kernel<T, step, height, 3>(), piece_kernel<T, step, height, 4>(), \
      piece_kernel<T, step, height, 5>(), nullptr,                            \
      piece_kernel<T, step, height, 7>()}

#define CONVNATIVE_TILES(T, type, label, step)                                                               \
  {                                                                                                          \
    type "_depthwise_" label "_" CONVNATIVE_ISA_NAME, step != 0, {                                           \
      CONVNATIVE_PIECES(T, step, depthwise_tile_rows[0]), CONVNATIVE_PIECES(T, step, depthwise_tile_rows[1]) \
    }                                                                                                        \
  }

#define CONVNATIVE_WALKS(T, step, row_step) \
  {walk<T, step, row_step, 3>, walk<T, step, row_step, 5>, walk<T, step, row_step, 7>}

#define CONVNATIVE_DEPTHWISE_KERNELS(T, type)                                                            \
  {Isa::CONVNATIVE_ISA,                                                                                  \
   Vec<T>::lanes,                                                                                        \
   {CONVNATIVE_TILES(T, type, "stride1", 1), CONVNATIVE_TILES(T, type, "stride2", paired_step),          \
    CONVNATIVE_TILES(T, type, "strided", 0)},                                                            \
   {CONVNATIVE_WALKS(T, 1, 1), CONVNATIVE_WALKS(T, paired_step, 2)},                                     \
   {{walk_pairs<T, 1, 2, 1>, walk_pairs<T, 1, 1, 2>}, {walk_pairs<T, 2, 2, 1>, walk_pairs<T, 2, 1, 2>}}, \
   interleave_columns<T>,                                                                                \
   {CONVNATIVE_SUMS_OF(T, 1), CONVNATIVE_SUMS_OF(T, 2)},                                                 \
   {type "_depthwise_sums_stride1_" CONVNATIVE_ISA_NAME,                                                 \
    type "_depthwise_sums_stride2_" CONVNATIVE_ISA_NAME,                                                 \
    type "_depthwise_sums_strided_" CONVNATIVE_ISA_NAME},                                                \
   twins<T>,                                                                                             \
   add_lanes<T>,                                                                                         \
   add_twin_lanes<T>}

}  // namespace

extern const DepthwiseKernels<float> depthwise_kernels_f32;
extern const DepthwiseKernels<double> depthwise_kernels_f64;
const DepthwiseKernels<float> depthwise_kernels_f32 = CONVNATIVE_DEPTHWISE_KERNELS(float, "f32");
const DepthwiseKernels<double> depthwise_kernels_f64 = CONVNATIVE_DEPTHWISE_KERNELS(double, "f64");

}  // namespace CONVNATIVE_ISA
}  // namespace convnative
