// Pools with planes in the lanes (PoolLanes in pool/kernels.h): which shapes, and the loops over blocks of planes.
//
// A unit is a strip of rows of a block of planes. Its rows are transposed into a buffer that stays in cache, pooled
// there and transposed back; a strip is as high as the buffer allows, since rows at the seam of two strips are
// transposed twice. Everything here depends on the shape, the type and the level alone, and no result depends on
// it: windows are reduced in the order of the other drivers.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/parallel.h"
#include "pool/divisors.h"
#include "pool/kernels.h"
#include "pool/strips.h"
#include "pool/window.h"
#include "pool/window_tables.h"

namespace convnative {

// Operations that a core does while another wakes.
inline constexpr double lane_operations_per_thread = 1e5;

// An element that is transposed costs as much as a few under windows.
inline double lane_operations(double elements_under_windows, std::int64_t elements_transposed) {
  return elements_under_windows + 3 * static_cast<double>(elements_transposed);
}

// Whether there are planes enough: half of the lanes may be idle.
inline bool fills_lanes(std::int64_t planes, int lanes) {
  return 2 * planes >= ceil_div(planes, lanes) * lanes;
}

// Transposing costs the same for every width, while rows of one plane are pooled the faster the wider they are. The
// widths are about where the two meet, of planes 14 to 224 wide on AVX-512; with AVX2 they meet a little later.
inline bool max_or_sum_prefers_lanes(const PoolShape& shape, int lanes) {
  if (!fills_lanes(shape.planes(), lanes)) return false;
  // Rows gather elements that lie further apart one by one.
  if (shape.stride[2] > 2 || shape.dilation[2] > 1) return true;
  return shape.input[2] <= (shape.kernel[2] > shape.stride[2] ? 64 : 40);
}

template <class T>
bool sum_grad_prefers_lanes(const PoolShape& shape, int lanes) {
  if (has_dilation(shape) || !fills_lanes(shape.planes(), lanes)) return false;
  return shape.stride[2] > 2 || shape.input[2] * static_cast<std::int64_t>(sizeof(T)) <= 512;
}

// Adaptive pools, whose windows differ: unless whole planes are too large to stay in cache.
template <class T>
bool prefers_lanes(const PlaneShape& shape, int lanes) {
  constexpr std::int64_t most_bytes = 256 * 1024;
  return fills_lanes(shape.planes(), lanes) &&
         std::max(shape.input_plane(), shape.output_plane()) <=
             most_bytes / (lanes * static_cast<std::int64_t>(sizeof(T)));
}

// The windows of an axis: points under each, `step` apart.
struct LaneAxis {
  std::vector<LaneSpan> windows;
  std::int64_t step = 1;
  std::int64_t most = 0;  // points under a window

  LaneAxis() = default;
  explicit LaneAxis(const WindowTable& table) {
    windows.reserve(table.begin.size());
    for (std::int64_t i = 0; i < table.size(); ++i)
      add({table.begin[static_cast<std::size_t>(i)], table.extent(i)});
  }
  // span(window) gives what lies under it.
  template <class Span>
  LaneAxis(std::int64_t count, std::int64_t dilation, const Span& span) : step(dilation) {
    windows.reserve(static_cast<std::size_t>(count));
    for (std::int64_t i = 0; i < count; ++i) add(span(i));
    if (most <= 1) step = 1;  // A dilation that leaves every window one element may be of any size.
  }

  const LaneSpan& operator[](std::int64_t window) const { return windows[static_cast<std::size_t>(window)]; }
  std::int64_t size() const { return static_cast<std::int64_t>(windows.size()); }
  // The points from the first under windows [begin, end) to behind the last.
  LaneSpan reach(std::int64_t begin, std::int64_t end) const {
    std::int64_t low = 0, high = 0;
    for (std::int64_t i = begin; i < end; ++i) {
      const LaneSpan& span = (*this)[i];
      if (span.count == 0) continue;
      low = high == 0 ? span.first : std::min(low, span.first);
      high = std::max(high, span.first + (span.count - 1) * step + 1);
    }
    return {low, high - low};
  }

 private:
  void add(const LaneSpan& span) {
    windows.push_back(span);
    most = std::max(most, span.count);
  }
};

using LaneAxes = std::array<LaneAxis, max_axes>;

// The elements of the input under each window.
inline LaneAxes lane_axes(const PoolShape& shape) {
  LaneAxes axes;
  for (std::size_t axis = 0; axis < max_axes; ++axis)
    axes[axis] = LaneAxis(shape.output[axis], shape.dilation[axis], [&](std::int64_t window) {
      const Span span = elements_of_window(shape, axis, window);
      return LaneSpan{span.begin, span.count, span.taps_before};
    });
  return axes;
}

inline LaneAxes lane_axes(const WindowTables& tables) {
  return {LaneAxis(tables[0]), LaneAxis(tables[1]), LaneAxis(tables[2])};
}

// The windows over each element of the input, for dilation 1.
inline LaneAxes lane_axes_of_elements(const PoolShape& shape) {
  LaneAxes axes;
  for (std::size_t axis = 0; axis < max_axes; ++axis)
    axes[axis] = LaneAxis(shape.input[axis], 1, [&](std::int64_t element) {
      const Span span = windows_of_element(shape, axis, element);
      return LaneSpan{span.begin, span.count};
    });
  return axes;
}

template <class T>
class LanePool {
 public:
  // From planes of `input` to planes of axes' windows. `separable`: along rows first, then along columns.
  LanePool(std::int64_t planes, const Extents& input, LaneAxes axes, const PoolLanes<T>& kernels, int lanes,
           bool separable)
      : planes_(planes),
        input_(input),
        output_{axes[0].size(), axes[1].size(), axes[2].size()},
        axes_(std::move(axes)),
        kernels_(kernels),
        lanes_(lanes),
        separable_(separable) {
    depths_ = axes_[0].most;
    strip_ = output_[1];
    for (;;) {
      height_ = 1;
      for (std::int64_t y = 0; y < output_[1]; y += strip_)
        height_ = std::max(height_, axes_[1].reach(y, std::min(y + strip_, output_[1])).count);
      if (strip_ <= 1 || most_points() * lanes_ * size <= budget) break;
      strip_ = (strip_ + 1) / 2;
    }
    strips_ = ceil_div(output_[1], strip_);
    if (separable_)
      for (std::int64_t i = 0; i < std::max(depths_ * height_, output_[2]); ++i) each_.push_back({i, 1});
  }

  bool fits() const { return most_points() * lanes_ * size <= 4 * budget; }
  // Bytes for each thread.
  std::size_t buffer_bytes() const {
    return bytes(block_points()) + bytes(staged_points()) + 2 * bytes(result_points());
  }
  int threads() const { return threads_for(operations(), lane_operations_per_thread); }

  void max(const T* input, T* output) const {
    for_each_unit([&](const Unit& unit, T* buffer) {
      const bool nan = load(input, unit, buffer);
      T* const result = reduce(kernels_.max[nan], unit, buffer, {});
      store(result, unit, output);
    });
  }

  // `output` may be null.
  void max_with_taps(const TapNumbers& numbers, const T* input, T* output, std::uint8_t* taps) const {
    for_each_unit([&](const Unit& unit, T* buffer) {
      const bool nan = load(input, unit, buffer);
      LaneWindows<T> windows = windows_of(unit);
      windows.numbers = numbers;
      windows.numbers.first = unit.depths.taps_before * numbers.depth;
      T* const result = buffer + elements(block_points() + staged_points());
      T* const second = result + elements(result_points());
      kernels_.argmax[nan](windows, buffer, result, reinterpret_cast<PoolIndex<T>*>(second));
      if (output != nullptr) store(result, unit, output);
      // Back into planes as a vector's bits, then made narrower.
      const std::int64_t count = unit.result_rows() * output_[2];
      kernels_.store(second, count, result, count, unit.planes);
      const auto* from = reinterpret_cast<const PoolIndex<T>*>(result);
      for (std::int64_t l = 0; l < unit.planes; ++l)
        std::transform(from + l * count, from + (l + 1) * count,
                       taps + (unit.plane + l) * output_plane() + first_result(unit),
                       [](PoolIndex<T> number) { return static_cast<std::uint8_t>(number); });
    });
  }

  void sum(const T* input, T* output, const Divisors<T>& divisors) const {
    for_each_unit([&](const Unit& unit, T* buffer) {
      load(input, unit, buffer);
      store(reduce(kernels_.sum, unit, buffer, divisors.from(unit.depth, unit.begin)), unit, output);
    });
  }

  void mean(const T* input, T* output) const {
    for_each_unit([&](const Unit& unit, T* buffer) {
      load(input, unit, buffer);
      T* const result = buffer + elements(block_points() + staged_points());
      kernels_.mean(windows_of(unit), buffer, result);
      store(result, unit, output);
    });
  }

  // The adjoint of an average, its axes being those of elements: divides the input, then sums.
  void sum_of_shares(const T* input, T* output, const Divisors<T>& divisors) const {
    for_each_unit([&](const Unit& unit, T* buffer) {
      load(input, unit, buffer);
      for (std::int64_t d = 0; d < unit.depths.count; ++d) {
        const PoolDivisors<T> factors = divisors.from(unit.depths.first + d, unit.rows.first);
        kernels_.divide(buffer + elements(d * unit.rows.count * input_[2]), unit.rows.count, input_[2],
                        factors.rows, factors.columns);
      }
      store(reduce(kernels_.sum, unit, buffer, {}), unit, output);
    });
  }

 private:
  static constexpr std::int64_t size = sizeof(T);
  // Of the input's rows in a unit, of what is staged and of results.
  static constexpr std::int64_t budget = 128 * 1024;

  struct Unit {
    std::int64_t plane, planes;      // the first one and how many
    std::int64_t depth, begin, end;  // rows [begin, end) of the output
    LaneSpan depths, rows;           // of the input
    std::int64_t result_rows() const { return end - begin; }
  };

  std::int64_t elements(std::int64_t points) const { return points * lanes_; }
  std::size_t bytes(std::int64_t points) const { return static_cast<std::size_t>(elements(points) * size); }
  // With room for a square of registers more.
  std::int64_t block_points() const { return depths_ * height_ * input_[2] + lanes_; }
  std::int64_t staged_points() const { return separable_ ? depths_ * height_ * output_[2] : 0; }
  std::int64_t result_points() const { return strip_ * output_[2] + lanes_; }
  std::int64_t most_points() const { return std::max({block_points(), staged_points(), result_points()}); }
  std::int64_t output_plane() const { return volume(output_); }
  std::int64_t input_plane() const { return volume(input_); }
  std::int64_t first_result(const Unit& unit) const {
    return (unit.depth * output_[1] + unit.begin) * output_[2];
  }
  double operations() const {
    double taps = static_cast<double>(planes_ * output_plane());
    for (const LaneAxis& axis : axes_) taps *= static_cast<double>(std::max<std::int64_t>(axis.most, 1));
    return lane_operations(taps, planes_ * (input_plane() + output_plane()));
  }

  template <class Body>
  void for_each_unit(const Body& body) const {
    const std::int64_t blocks = ceil_div(planes_, lanes_), per_block = output_[0] * strips_;
    if (blocks * per_block == 0) return;
    const TaskSplit split(blocks * per_block, operations() / static_cast<double>(blocks * per_block));
    const int workers = threads();
    const AlignedBuffer buffers(buffer_bytes() * static_cast<std::size_t>(workers));
    parallel_for(split.tasks(), workers, [&](std::int64_t task, int thread) {
      T* const buffer = reinterpret_cast<T*>(static_cast<char*>(buffers.data()) +
                                             buffer_bytes() * static_cast<std::size_t>(thread));
      for (std::int64_t number = split.begin(task); number < split.end(task); ++number) {
        Unit unit;
        unit.plane = number / per_block * lanes_;
        unit.planes = std::min<std::int64_t>(lanes_, planes_ - unit.plane);
        unit.depth = number % per_block / strips_;
        unit.begin = number % strips_ * strip_;
        unit.end = std::min(unit.begin + strip_, output_[1]);
        unit.depths = axes_[0].reach(unit.depth, unit.depth + 1);
        unit.depths.count = axes_[0][unit.depth].count;
        unit.depths.taps_before = axes_[0][unit.depth].taps_before;
        unit.rows = axes_[1].reach(unit.begin, unit.end);
        body(unit, buffer);
      }
    });
  }

  // Whether there may be a NaN among the rows.
  bool load(const T* input, const Unit& unit, T* block) const {
    bool nan = false;
    const std::int64_t count = unit.rows.count * input_[2];
    for (std::int64_t d = 0; d < unit.depths.count; ++d) {
      const std::int64_t depth = unit.depths.first + d * axes_[0].step;
      nan |= kernels_.load(
          input + unit.plane * input_plane() + (depth * input_[1] + unit.rows.first) * input_[2],
          input_plane(), unit.planes, count, block + elements(d * count));
    }
    return nan;
  }

  void store(const T* result, const Unit& unit, T* output) const {
    kernels_.store(result, unit.result_rows() * output_[2],
                   output + unit.plane * output_plane() + first_result(unit), output_plane(), unit.planes);
  }

  // The windows of a unit as they lie in its block.
  LaneWindows<T> windows_of(const Unit& unit) const {
    LaneWindows<T> windows;
    windows.rows = axes_[1].windows.data() + unit.begin;
    windows.columns = axes_[2].windows.data();
    windows.row_count = unit.result_rows();
    windows.column_count = output_[2];
    windows.first_row = unit.rows.first;
    windows.width = input_[2];
    windows.depths = unit.depths.count;
    windows.depth_step = unit.rows.count * input_[2];
    windows.row_step = axes_[1].step * input_[2];
    windows.column_step = axes_[2].step;
    return windows;
  }

  // The reduction of a unit's block by a kernel, in the rest of the buffer.
  T* reduce(void (*kernel)(const LaneWindows<T>&, const T*, T*), const Unit& unit, T* buffer,
            const PoolDivisors<T>& divisors) const {
    T* const staged = buffer + elements(block_points());
    T* const result = staged + elements(staged_points());
    LaneWindows<T> windows = windows_of(unit);
    if (separable_) {
      LaneWindows<T> rows = windows;
      rows.rows = each_.data();
      rows.row_count = unit.depths.count * unit.rows.count;
      rows.first_row = 0;
      rows.depths = 1;
      kernel(rows, buffer, staged);
      windows.columns = each_.data();
      windows.width = output_[2];
      windows.depth_step = unit.rows.count * output_[2];
      windows.row_step = axes_[1].step * output_[2];
    }
    windows.row_divisors = divisors.rows;
    windows.column_divisors = divisors.columns;
    kernel(windows, separable_ ? staged : buffer, result);
    return result;
  }

  std::int64_t planes_;
  Extents input_, output_;
  LaneAxes axes_;
  const PoolLanes<T>& kernels_;
  std::int64_t lanes_;
  bool separable_;
  std::int64_t depths_, strip_, height_, strips_;
  std::vector<LaneSpan> each_;  // rows, or columns, that are windows of their own
};

template <class T>
LanePool<T> lane_pool(const PoolShape& shape, const PoolKernels<T>& kernels, bool separable) {
  return {shape.planes(), shape.input, lane_axes(shape), kernels.planes, kernels.lanes, separable};
}

// The adjoint: from the output's planes to the input's.
template <class T>
LanePool<T> lane_pool_of_elements(const PoolShape& shape, const PoolKernels<T>& kernels) {
  return {shape.planes(), shape.output, lane_axes_of_elements(shape), kernels.planes, kernels.lanes, true};
}

template <class T>
LanePool<T> lane_pool(const PlaneShape& shape, const WindowTables& tables, const PoolKernels<T>& kernels) {
  return {shape.planes(), shape.input, lane_axes(tables), kernels.planes, kernels.lanes, false};
}

}  // namespace convnative
