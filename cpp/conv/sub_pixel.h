// The gradient in the input with strides as one convolution of stride 1: the sub-pixel form of a transposed
// convolution, https://arxiv.org/abs/1609.07009
//
// On one axis let x + pad = s * q + r with 0 <= r < s. Elements of all phases r then read the same grad_output:
//
//   grad_input[c][x] = sum over (k, j) of weight[k][c][r + j * s] * grad_output[k][q - j]
//
// A convolution of grad_output whose output channels are the pairs (c, r) computes them all, point by point q. Taps
// that a phase does not have count as zeros: of 7 x 7 taps with stride 2, 49 of 64 products count, of 11 x 11 with
// stride 4 121 of 144. A product for each phase would waste none, but has C output channels only, which are few in
// first layers. With stride 1 there is one phase, and the form is the gradient's usual one.
#pragma once

#include <array>
#include <cstdint>

#include "convnative/conv.h"
#include "convnative/shape.h"
#include "gemm/kernels.h"

namespace convnative {

class SubPixels {
 public:
  // Null where the form serves the gradient of this convolution, else why not.
  static const char* why_not(const ConvShape& shape);

  explicit SubPixels(const ConvShape& shape);

  // From grad_output to the pairs of channels and phases, its taps in reverse.
  const ConvShape& convolution() const { return convolution_; }

  // Output channels of the convolution that share rows of the input; they follow one another.
  std::int64_t line() const { return axes_[2].stride; }

  // packed[(c, r)][k][j], c running over all groups, k over one group's.
  template <class T>
  void pack(const T* weight, T* packed, const GemmKernels<T>& kernels, int threads) const;

  // Sums of the convolution on their way into the input: those of one line at neighbouring points of a row.
  template <class T>
  struct Sums {
    std::int64_t image, line;  // of all groups' lines
    std::int64_t depth, row, column, columns;
    const T* sums;  // sums[r * pitch + j]
    std::int64_t pitch;
  };
  // Interleaves them. Where one is not finite and phases have unequal numbers of taps, an infinity or a NaN may have
  // met a zero that stands for no tap: it is computed again from its own taps.
  template <class T>
  void store(const Sums<T>& sums, const ConvArrays& arrays, const T* packed,
             const GemmKernels<T>& kernels) const;

  // Where the first of them goes that has a place, or null where the whole row lies outside of the input; and from
  // there to the place of the same line at the next row of points.
  template <class T>
  const T* place(const Sums<T>& sums, const ConvArrays& arrays) const;
  std::ptrdiff_t row_step() const { return axes_[1].stride * axes_[2].input; }

  // What the sums of an output channel of the convolution start from.
  template <class T>
  T start(const ConvArrays& arrays, std::int64_t output_channel) const {
    const std::int64_t phases = convolution_.out_channels / s_.in_channels;
    return arrays.bias == nullptr ? T{0} : static_cast<const T*>(arrays.bias)[output_channel / phases];
  }

 private:
  struct Axis {
    std::int64_t input, stride, pad;
    std::int64_t first, points, taps;  // points q, counted from `first` on

    Axis(const ConvShape& shape, std::size_t axis);
    // The input's coordinate of phase 0 at a point; may be negative.
    std::int64_t at(std::int64_t point) const { return (point + first) * stride - pad; }
  };

  struct Element;
  template <class T>
  Element first_element(const Sums<T>& sums) const;
  // The row of the input that an element lies in, or null.
  template <class T>
  T* row_of(std::int64_t image, const Element& e, const ConvArrays& arrays) const;
  template <class T>
  T by_definition(std::int64_t image, std::int64_t channel, std::array<std::int64_t, max_axes> element,
                  const ConvArrays& arrays, const T* packed) const;

  ConvShape s_;
  std::array<Axis, max_axes> axes_;
  ConvShape convolution_;
  bool unequal_;  // phases have unequal numbers of taps
};

}  // namespace convnative
