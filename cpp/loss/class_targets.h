// What the losses of class indices share: the check of the targets and their weights.
#pragma once

#include <stdexcept>
#include <string>

#include "convnative/loss.h"

namespace convnative {

inline void require_classes(const ClassTargets& targets) {
  const std::int64_t classes = targets.shape.classes;
  for (std::int64_t point = 0; point < targets.shape.points(); ++point) {
    const std::int64_t y = targets.target[point];
    if ((y < 0 || y >= classes) && y != targets.ignore_index)
      throw std::out_of_range("target: expected class indices in [0, " + std::to_string(classes) +
                              ") or ignore_index = " + std::to_string(targets.ignore_index) + ", received " +
                              std::to_string(y));
  }
}

template <class T>
double weight_of_class(const void* class_weight, std::int64_t c) {
  return class_weight == nullptr ? 1.0 : static_cast<double>(static_cast<const T*>(class_weight)[c]);
}

}  // namespace convnative
