// Windows that need not be alike: where those of each axis begin and end, in tables.
//
// Adaptive and fractional pools differ in their tables alone. Along an axis neither the beginnings nor the ends
// ever go back, and no window is empty.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include "convnative/shape.h"
#include "pool/kernels.h"

namespace convnative {

struct WindowTable {
  std::vector<std::int64_t> begin, end;

  explicit WindowTable(std::int64_t windows = 0)
      : begin(static_cast<std::size_t>(windows)), end(static_cast<std::size_t>(windows)) {}
  std::int64_t size() const { return static_cast<std::int64_t>(begin.size()); }
  std::int64_t extent(std::int64_t window) const {
    return end[static_cast<std::size_t>(window)] - begin[static_cast<std::size_t>(window)];
  }
};

using WindowTables = std::array<WindowTable, max_axes>;

// The elements of a window along each axis, at most.
inline Extents most_extents(const WindowTables& tables) {
  Extents most{0, 0, 0};
  for (std::size_t axis = 0; axis < max_axes; ++axis)
    for (std::int64_t i = 0; i < tables[axis].size(); ++i)
      most[axis] = std::max(most[axis], tables[axis].extent(i));
  return most;
}

// The elements of one window, as ranges of elements that lie in a row.
class WindowRanges {
 public:
  WindowRanges(const WindowTables& tables, const Extents& input, std::int64_t depth, std::int64_t y,
               std::int64_t x) {
    const std::array<std::size_t, max_axes> window{static_cast<std::size_t>(depth),
                                                   static_cast<std::size_t>(y), static_cast<std::size_t>(x)};
    Extents begin, extent;
    for (std::size_t axis = 0; axis < max_axes; ++axis) {
      begin[axis] = tables[axis].begin[window[axis]];
      extent[axis] = tables[axis].end[window[axis]] - begin[axis];
    }
    elements_ = volume(extent);
    first_ = (begin[0] * input[1] + begin[1]) * input[2] + begin[2];
    length_ = extent[2];
    rows_ = extent[1];
    depths_ = extent[0];
    row_step_ = input[2];
    depth_step_ = input[1] * input[2];
    // Rows that the window covers from end to end follow on each other, and so may whole depths.
    if (length_ == input[2]) {
      length_ *= rows_;
      if (rows_ == input[1]) {
        length_ *= depths_;
        depths_ = 1;
      }
      rows_ = 1;
    }
  }

  std::int64_t elements() const { return elements_; }

  // Calls `body(first, count)` for each range, in row-major order.
  template <class Body>
  void for_each(const Body& body) const {
    for (std::int64_t d = 0; d < depths_; ++d)
      for (std::int64_t r = 0; r < rows_; ++r) body(first_ + d * depth_step_ + r * row_step_, length_);
  }

 private:
  std::int64_t elements_, first_, length_, rows_, depths_, row_step_, depth_step_;
};

// The last NaN of the elements taken, else their first maximum; they come in ascending order.
template <class T>
struct RangeMaximum {
  std::int64_t at = -1;  // in the plane
  T value = 0;

  void take(const RangeMaximum& next) {
    if (at < 0 || next.value > value || std::isnan(next.value)) *this = next;
  }

  void take(const PoolKernels<T>& kernels, const T* plane, std::int64_t first, std::int64_t count) {
    constexpr std::int64_t few = 16;  // a range that is shorter is not worth a call
    if (at < 0) {
      at = first;
      value = plane[first];
    }
    if (count < few) {
      for (std::int64_t i = first; i < first + count; ++i) take({i, plane[i]});
      return;
    }
    const T highest = kernels.max_range(plane + first, count);
    if (std::isnan(highest)) {
      at = first + count - 1;
      while (!std::isnan(plane[at])) --at;
    } else if (highest > value) {
      at = first;
      while (plane[at] != highest) ++at;
    } else {
      return;
    }
    value = plane[at];
  }
};

// The position in the plane of the window's last NaN, else of its first maximum.
template <class T>
std::int64_t argmax(const PoolKernels<T>& kernels, const T* plane, const WindowRanges& window) {
  RangeMaximum<T> best;
  window.for_each([&](std::int64_t first, std::int64_t count) { best.take(kernels, plane, first, count); });
  return best.at;
}

}  // namespace convnative
