// Whether numbers are finite: 0 * x, summed over them, is 0 and not NaN.
#pragma once

#include "simd/vec.h"

namespace convnative {
namespace CONVNATIVE_ISA {
namespace {

template <class T>
bool all_zero(typename Vec<T>::Reg sums) {
  T lane[Vec<T>::lanes];
  Vec<T>::store(lane, sums);
  T sum = 0;
  for (const T x : lane) sum += x;
  return sum == 0;
}

}  // namespace
}  // namespace CONVNATIVE_ISA
}  // namespace convnative
