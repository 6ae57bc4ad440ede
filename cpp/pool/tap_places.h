// Where the taps of windows lie in a plane. Taps, the bytes that a max pool keeps for its gradient, are numbers of
// tap_numbers(), or most_taps for none.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/aligned_buffer.h"
#include "convnative/shape.h"
#include "pool/kernels.h"
#include "pool/planes.h"
#include "pool/window.h"
#include "pool/window_tables.h"

namespace convnative {

// Where taps are asked for that nobody has kept, they are found for as many planes at a time as this many fill.
inline constexpr std::int64_t most_buffered_taps = 1 << 20;

inline bool finds_taps(const PoolShape& shape) {
  return has_taps(shape) && shape.output_plane() <= most_buffered_taps;
}

// Calls `body(plane, planes, taps)` for parts of the planes, from `plane` on, `taps` having room for them.
template <class Body>
void for_each_part_of_taps(std::int64_t planes, std::int64_t outputs, const Body& body) {
  if (planes * outputs == 0) return;
  const std::int64_t most = std::min(planes, most_buffered_taps / outputs);
  const AlignedBuffer taps(static_cast<std::size_t>(most * outputs));
  for (std::int64_t plane = 0; plane < planes; plane += most)
    body(plane, std::min(most, planes - plane), static_cast<std::uint8_t*>(taps.data()));
}

class TapPlaces {
 public:
  explicit TapPlaces(const PoolShape& shape) : TapPlaces(shape.input, shape.kernel, shape.dilation) {
    for (std::size_t axis = 0; axis < max_axes; ++axis)
      for (std::int64_t i = 0; i < shape.output[axis]; ++i)
        starts_[axis].push_back(window_start(shape, axis, i) * steps_[axis]);
  }

  TapPlaces(const PlaneShape& shape, const WindowTables& tables)
      : TapPlaces(shape.input, most_extents(tables), {1, 1, 1}) {
    for (std::size_t axis = 0; axis < max_axes; ++axis)
      for (const std::int64_t start : tables[axis].begin) starts_[axis].push_back(start * steps_[axis]);
  }

  // Calls `body(place, window)` for windows of a plane in ascending order: those that have a tap, and whose tap lies
  // in the plane, for taps come from outside of the core.
  template <class Body>
  void for_each(const std::uint8_t* taps, const Body& body) const {
    const std::uint64_t plane = plane_;
    std::int64_t window = 0;
    for (const std::int64_t depth : starts_[0])
      for (const std::int64_t row : starts_[1])
        for (const std::int64_t column : starts_[2]) {
          const std::int64_t place = depth + row + column + offsets_[taps[window]];
          if (static_cast<std::uint64_t>(place) < plane) body(place, window);
          ++window;
        }
  }

  // Calls `body(plane)` for every plane whose taps are known.
  template <class Body>
  void for_each_plane(std::int64_t planes, const Body& body) const {
    convnative::for_each_plane(planes, static_cast<double>(plane_ + windows()), indexed_elements_per_thread,
                               body);
  }

  // The positions in their planes of what the taps name, -1 for none.
  void indices(std::int64_t planes, const std::uint8_t* taps, std::int64_t* result) const {
    const auto size = static_cast<std::int64_t>(windows());
    for_each_plane(planes, [&](std::int64_t plane) {
      std::int64_t* const where = result + plane * size;
      std::fill_n(where, size, std::int64_t{-1});
      for_each(taps + plane * size, [&](std::int64_t place, std::int64_t window) { where[window] = place; });
    });
  }

 private:
  // More than any sum of the starts of windows.
  static constexpr std::int64_t nowhere = std::int64_t{1} << 62;

  TapPlaces(const Extents& input, const Extents& kernel, const Extents& dilation)
      : plane_(static_cast<std::uint64_t>(volume(input))), steps_{input[1] * input[2], input[2], 1} {
    offsets_.fill(nowhere);
    std::size_t tap = 0;
    for (std::int64_t d = 0; d < kernel[0]; ++d)
      for (std::int64_t r = 0; r < kernel[1]; ++r)
        for (std::int64_t s = 0; s < kernel[2]; ++s)
          offsets_[tap++] = d * dilation[0] * steps_[0] + r * dilation[1] * steps_[1] + s * dilation[2];
  }

  std::uint64_t windows() const { return starts_[0].size() * starts_[1].size() * starts_[2].size(); }

  std::uint64_t plane_;
  Extents steps_;
  std::array<std::int64_t, most_taps + 1> offsets_;
  std::array<std::vector<std::int64_t>, max_axes> starts_;
};

}  // namespace convnative
