// The gradient of a max pool of windows one apart, from their taps: every element looks at the windows over it.
//
// Window by window it would be a scatter: a load, an addition and a store through an address that depends on the tap.
// Here a vector of elements compares the taps of the windows over it: as many comparisons and masked additions as a
// window has taps serve all of its lanes. Elements near a border have fewer windows, which would make every row's ends
// a case of their own: a band of rows of taps and values is first copied, between windows that have no tap.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/aligned_buffer.h"
#include "base/parallel.h"
#include "pool/kernels.h"
#include "pool/planes.h"
#include "pool/strips.h"
#include "pool/tap_places.h"

namespace convnative {

template <class T>
class TapGather {
 public:
  TapGather(const PoolShape& shape, const PoolKernels<T>& kernels)
      : shape_(shape),
        kernels_(kernels),
        before_rows_(shape.kernel[1] - 1 - shape.pad_before[1]),
        before_columns_(shape.kernel[2] - 1 - shape.pad_before[2]),
        pitch_(ceil_div(shape.input[2] + shape.kernel[2] - 1 + kernels.lanes, line) * line),
        band_(
            std::clamp<std::int64_t>(buffered_windows / pitch_ - (shape.kernel[1] - 1), 1, shape.input[1])) {}

  // Whether windows are one apart, small, and in rows of which a buffer holds some.
  static bool applies(const PoolShape& shape) {
    return !has_dilation(shape) && shape.input[0] == 1 && shape.output[0] == 1 && shape.kernel[0] == 1 &&
           shape.stride[1] == 1 && shape.stride[2] == 1 &&
           shape.kernel[1] * shape.kernel[2] <= most_looked_at && shape.input[2] >= narrowest &&
           shape.input[2] <= widest;
  }

  void run(const std::uint8_t* taps, const T* values, T* result) const {
    const std::int64_t bands = ceil_div(shape_.input[1], band_);
    const std::int64_t window_rows = band_ + shape_.kernel[1] - 1;
    const double operations = static_cast<double>(window_rows * pitch_);
    const TaskSplit split(shape_.planes() * bands, operations);
    const int threads =
        threads_for(operations * static_cast<double>(split.units), gathered_elements_per_thread);
    // Values behind one another, then taps. Margins hold no tap, and so their values are of no concern.
    const auto windows = static_cast<std::size_t>(window_rows * pitch_);
    const AlignedBuffer buffers(windows * (sizeof(T) + 1) * static_cast<std::size_t>(threads));
    parallel_for(split.tasks(), threads, [&](std::int64_t task, int thread) {
      char* const buffer =
          static_cast<char*>(buffers.data()) + windows * (sizeof(T) + 1) * static_cast<std::size_t>(thread);
      const Band band{reinterpret_cast<T*>(buffer),
                      reinterpret_cast<std::uint8_t*>(buffer + windows * sizeof(T))};
      for (std::int64_t unit = split.begin(task); unit < split.end(task); ++unit) {
        const std::int64_t plane = unit / bands, begin = unit % bands * band_;
        const std::int64_t end = std::min(begin + band_, shape_.input[1]);
        fill(band, taps + plane * shape_.output_plane(), values + plane * shape_.output_plane(), begin, end);
        for (std::int64_t y = begin; y < end; ++y)
          kernels_.gather_taps({band.taps + (y - begin) * pitch_, band.values + (y - begin) * pitch_, pitch_,
                                shape_.kernel[1], shape_.kernel[2],
                                result + plane * shape_.input_plane() + y * shape_.input[2],
                                shape_.input[2]});
      }
    });
  }

 private:
  // Of more taps, one window scattered costs less than looking at all of them.
  static constexpr std::int64_t most_looked_at = 16;
  // Rows of fewer elements leave most of their vectors empty.
  static constexpr std::int64_t narrowest = 12;
  static constexpr std::int64_t buffered_windows = 4096, widest = 1 << 14;
  static constexpr std::int64_t line = 64;  // elements: rows of both kinds begin on one
  static constexpr double gathered_elements_per_thread = 1e5;

  struct Band {
    T* values;
    std::uint8_t* taps;
  };

  // The windows over rows [begin, end) of a plane, each row behind `before_columns_` that are not there.
  void fill(const Band& band, const std::uint8_t* taps, const T* values, std::int64_t begin,
            std::int64_t end) const {
    const std::int64_t columns = shape_.output[2];
    for (std::int64_t r = 0; r < end - begin + shape_.kernel[1] - 1; ++r) {
      std::uint8_t* const row = band.taps + r * pitch_;
      const std::int64_t y = begin - before_rows_ + r;
      std::fill_n(row, pitch_, static_cast<std::uint8_t>(most_taps));
      if (y < 0 || y >= shape_.output[1]) continue;
      std::copy_n(taps + y * columns, columns, row + before_columns_);
      std::copy_n(values + y * columns, columns, band.values + r * pitch_ + before_columns_);
    }
  }

  const PoolShape& shape_;
  const PoolKernels<T>& kernels_;
  // Windows that would lie over the first element, but are not there.
  std::int64_t before_rows_, before_columns_;
  std::int64_t pitch_, band_;
};

}  // namespace convnative
