#include "conv/strip.h"

#include "conv/row_requests.h"

namespace convnative {

template <class T>
void StripSource<T>::fill(const StripPlace& place, const T* input, T* strip) const {
  const std::int64_t plane = s_.input[1] * s_.input[2];
  const std::int64_t channel =
      (place.image * s_.groups + place.group) * s_.in_channels_per_group() + place.first_channel;
  const T* const first = input + channel * s_.input[0] * plane;
  // Of the input that a tap in depth reads, or -1 where it lies beside.
  const auto slice_of = [&](std::int64_t tap) {
    std::int64_t z = place.depth * s_.stride[0] + tap * s_.dilation[0] - s_.pad_before[0];
    if (s_.pads_with_input()) z = repeated_element(s_.padding_mode, z, s_.input[0]);
    return z < s_.input[0] ? std::max<std::int64_t>(z, -1) : -1;
  };
  for (std::int64_t p = 0; p < rows_.phases; ++p)
    for (std::int64_t q = 0; q < columns_.phases; ++q) {
      const PhasePart part{rows_.at(p, place.row),
                           place.rows,
                           rows_.before(p, 0, place.row, place.rows),
                           rows_.before(p, rows_.input, place.row, place.rows),
                           columns_.at(q, place.column),
                           place.columns,
                           columns_.before(q, 0, place.column, place.columns),
                           columns_.before(q, columns_.input, place.column, place.columns),
                           place.pitch};
      // A channel is copied while the next one's rows come: they are short pieces of more planes than hardware follows.
      // The phases of the columns share their lines, slices of the output all but the last of a channel's.
      RowRequests<T, 1> requests(place.channels);
      const std::int64_t last = slice_of(s_.kernel[0] - 1);
      if (far_ && q == 0 && last >= 0 && part.left < part.right)
        requests.add({first + (s_.input[0] + last) * plane +
                          (part.first_row + part.top * rows_.stride) * columns_.input + part.first_column +
                          part.left * columns_.stride,
                      (part.right - part.left - 1) * columns_.stride + 1, part.bottom - part.top,
                      place.channels - 1, rows_.stride * columns_.input, s_.input[0] * plane});
      for (std::int64_t c = 0; c < place.channels; ++c) {
        requests.request();
        for (std::int64_t t = 0; t < s_.kernel[0]; ++t, strip += place.plane) {
          const std::int64_t z = slice_of(t);
          fill_plane(part, z < 0 ? nullptr : first + (c * s_.input[0] + z) * plane, strip);
        }
      }
    }
}

// One phase of a slice of the input; null: of padding.
template <class T>
void StripSource<T>::fill_plane(const PhasePart& part, const T* source, T* target) const {
  const std::int64_t input_width = columns_.input;
  const auto fill = [&](std::int64_t begin, std::int64_t end, const T* row, std::int64_t row_stride) {
    if (begin == end) return;
    kernels_.fill({target + begin * part.pitch, part.pitch, end - begin, part.columns,
                   row == nullptr ? nullptr : row + part.first_column, row_stride, columns_.stride,
                   row == nullptr ? 0 : part.left, row == nullptr ? 0 : part.right,
                   static_cast<T>(s_.padding_value)});
  };
  if (source == nullptr) return fill(0, part.rows, nullptr, 0);
  if (!s_.pads_with_input()) {
    fill(0, part.top, nullptr, 0);
    fill(part.top, part.bottom, source + (part.first_row + part.top * rows_.stride) * input_width,
         rows_.stride * input_width);
    fill(part.bottom, part.rows, nullptr, 0);
    return;
  }
  // What lies beyond the padding serves points that are computed in vain; there is no element that it repeats.
  const std::int64_t row_end = rows_.input + s_.pad_after[1], column_end = input_width + s_.pad_after[2];
  for (std::int64_t i = 0; i < part.rows; ++i) {
    const std::int64_t row_at = part.first_row + i * rows_.stride;
    if (row_at >= row_end) return fill(i, part.rows, nullptr, 0);
    const T* const row = source + repeated_element(s_.padding_mode, row_at, rows_.input) * input_width;
    fill(i, i + 1, row, 0);
    const auto repeat = [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t j = begin; j < end; ++j) {
        const std::int64_t at = part.first_column + j * columns_.stride;
        if (at >= column_end) return;
        target[i * part.pitch + j] = row[repeated_element(s_.padding_mode, at, input_width)];
      }
    };
    repeat(0, part.left);
    repeat(part.right, part.columns);
  }
}

template class StripSource<float>;
template class StripSource<double>;

}  // namespace convnative
