// Parameters of normalisation written out for every element of a row (channels, inner).
#pragma once

#include "normalization/spans.h"

namespace convnative {

// Element i of a row gets `value(channel of i)`.
template <class Value>
std::vector<double> row_parameters(const NormShape& shape, const Value& value) {
  std::vector<double> row(index(shape.channels * shape.inner));
  for (std::int64_t channel = 0; channel < shape.channels; ++channel)
    std::fill_n(row.begin() + channel * shape.inner, shape.inner, value(channel));
  return row;
}

// A weight or bias, or what stands for the lack of one.
template <class T>
class ChannelValues {
 public:
  ChannelValues(const void* values, double otherwise)
      : values_(static_cast<const T*>(values)), otherwise_(otherwise) {}
  double operator()(std::int64_t channel) const {
    return values_ == nullptr ? otherwise_ : static_cast<double>(values_[channel]);
  }

 private:
  const T* values_;
  double otherwise_;
};

}  // namespace convnative
