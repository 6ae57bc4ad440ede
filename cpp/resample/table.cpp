// Tables of interpolation. A table is made in two steps: where the outputs lie in the input, in units of its
// elements, with element j at j; and which elements weigh how much there.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <string>

#include "base/reject.h"
#include "convnative/resample.h"

namespace convnative {
namespace {

struct Positions {
  std::vector<double> at;  // NaN: beside what may be looked at
  double step = 1;         // from one output to the next
};

// torch's coordinates, rounded where it rounds them. `T` is the array's type.
template <class T>
Positions torch_positions(Coordinates coordinates, const ResampleAxis& axis) {
  const bool aligned = coordinates == Coordinates::torch_align_corners ||
                       coordinates == Coordinates::torch_align_corners_antialias;
  const bool small_image = coordinates == Coordinates::torch_small_image_nearest ||
                           coordinates == Coordinates::torch_small_image_nearest_exact;
  const auto input = static_cast<T>(axis.input), output = static_cast<T>(axis.output);
  T step = axis.scale > 0 ? static_cast<T>(1 / axis.scale) : input / output;
  if (aligned)
    step = axis.output > 1 ? static_cast<T>(axis.input - 1) / static_cast<T>(axis.output - 1) : T{0};
  const float image_step = axis.scale > 0 ? static_cast<float>(1 / axis.scale)
                                          : static_cast<float>(axis.input) / static_cast<float>(axis.output);

  const auto position = [&](std::int64_t i) -> double {
    const T half{0.5};
    switch (coordinates) {
      case Coordinates::torch_half_pixel:
      case Coordinates::torch_align_corners_antialias:
        return static_cast<double>(step * (static_cast<T>(i) + half) - half);
      case Coordinates::torch_nearest:
        return std::floor(static_cast<float>(step * static_cast<T>(i)));
      case Coordinates::torch_nearest_exact:
        return std::floor(static_cast<float>(std::fma(step, static_cast<T>(i) + half, -half) + half));
      case Coordinates::torch_small_image_nearest:
        if (axis.output == axis.input) return static_cast<double>(i);
        if (axis.output == 2 * axis.input) return static_cast<double>(i / 2);
        return std::floor(static_cast<float>(i) * image_step);
      case Coordinates::torch_small_image_nearest_exact:
        return std::floor(
            static_cast<float>((static_cast<double>(i) + 0.5) * static_cast<double>(image_step)));
      default:
        return static_cast<double>(step * static_cast<T>(i));
    }
  };
  Positions positions;
  positions.step = static_cast<double>(small_image ? static_cast<T>(image_step) : step);
  positions.at.reserve(static_cast<std::size_t>(axis.output));
  for (std::int64_t i = 0; i < axis.output; ++i) positions.at.push_back(position(i));
  return positions;
}

Positions onnx_positions(Coordinates coordinates, const ResampleAxis& axis) {
  const auto input = static_cast<double>(axis.input), output = static_cast<double>(axis.output);
  const double scale = axis.scale > 0 ? axis.scale : output / input;
  const double exact_output = scale * input;  // before it was rounded to a number of elements
  const double extent = input - 1;
  const double symmetric_offset = input / 2 * (1 - output / exact_output);
  const double crop = axis.crop_end - axis.crop_begin;

  const auto position = [&](double x) -> double {
    switch (coordinates) {
      case Coordinates::align_corners:
        return exact_output == 1 ? 0 : x * extent / (exact_output - 1);
      case Coordinates::asymmetric:
        return x / scale;
      case Coordinates::tf_crop_and_resize: {
        const double inside = exact_output == 1 ? crop * extent / 2 : x * crop * extent / (exact_output - 1);
        const double at = inside + axis.crop_begin * extent;
        return at >= 0 && at <= extent ? at : std::numeric_limits<double>::quiet_NaN();
      }
      case Coordinates::pytorch_half_pixel:
        return exact_output == 1 ? -0.5 : (x + 0.5) / scale - 0.5;
      case Coordinates::half_pixel_symmetric:
        return symmetric_offset + (x + 0.5) / scale - 0.5;
      default:
        return (x + 0.5) / scale - 0.5;
    }
  };
  Positions positions;
  positions.step = 1 / scale;
  positions.at.reserve(static_cast<std::size_t>(axis.output));
  for (std::int64_t i = 0; i < axis.output; ++i) positions.at.push_back(position(static_cast<double>(i)));
  return positions;
}

Positions positions_of(Coordinates coordinates, const ResampleAxis& axis, DType dtype) {
  if (coordinates < Coordinates::torch_half_pixel) return onnx_positions(coordinates, axis);
  return dtype == DType::float32 ? torch_positions<float>(coordinates, axis)
                                 : torch_positions<double>(coordinates, axis);
}

double nearest_of(double position, NearestRounding rounding) {
  const double below = std::floor(position), rest = position - below;
  switch (rounding) {
    case NearestRounding::floor:
      return below;
    case NearestRounding::ceil:
      return std::ceil(position);
    case NearestRounding::round_prefer_ceil:
      return rest < 0.5 ? below : below + 1;
    default:
      return rest <= 0.5 ? below : below + 1;
  }
}

// How far a kernel reaches to either side.
double reach_of(Interpolation interpolation) {
  switch (interpolation) {
    case Interpolation::linear:
      return 1;
    case Interpolation::cubic:
      return 2;
    case Interpolation::lanczos:
      return 3;
    default:
      return 0;
  }
}

double sinc(double x) {
  const double angle = std::numbers::pi * x;
  return x == 0 ? 1 : std::sin(angle) / angle;
}

// The kernel at a distance from its centre.
double kernel_at(const ResampleRule& rule, double distance) {
  const double x = std::abs(distance), a = rule.cubic_coefficient;
  if (x >= reach_of(rule.interpolation)) return 0;
  switch (rule.interpolation) {
    case Interpolation::linear:
      return 1 - x;
    case Interpolation::cubic:
      return x <= 1 ? ((a + 2) * x - (a + 3)) * x * x + 1 : ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
    default:
      return sinc(x) * sinc(x / 3);
  }
}

class TableBuilder {
 public:
  explicit TableBuilder(std::int64_t input) { table_.input = input; }

  // Weights of elements from `start` on; those that are zero at either end drop out, so that what they stand
  // for, perhaps an infinity, takes no part.
  void add(std::int64_t start, const std::vector<double>& weights) {
    auto begin = weights.begin(), end = weights.end();
    while (begin != end && *begin == 0) ++begin;
    while (begin != end && end[-1] == 0) --end;
    table_.start.push_back(begin == end ? 0 : start + (begin - weights.begin()));
    table_.weights.insert(table_.weights.end(), begin, end);
    table_.first.push_back(static_cast<std::int64_t>(table_.weights.size()));
  }

  ResampleTable finish() { return std::move(table_); }

 private:
  ResampleTable table_;
};

// The windows of torch's adaptive pooling.
ResampleTable area_table(const ResampleAxis& axis) {
  TableBuilder builder(axis.input);
  __extension__ using Wide = __int128;
  for (std::int64_t i = 0; i < axis.output; ++i) {
    const auto begin = static_cast<std::int64_t>(static_cast<Wide>(i) * axis.input / axis.output);
    const auto end =
        static_cast<std::int64_t>((static_cast<Wide>(i + 1) * axis.input + axis.output - 1) / axis.output);
    const auto count = static_cast<std::size_t>(end - begin);
    builder.add(begin, std::vector<double>(count, 1 / static_cast<double>(count)));
  }
  return builder.finish();
}

}  // namespace

ResampleTable make_resample_table(const ResampleRule& rule, const ResampleAxis& axis, DType dtype) {
  if (rule.interpolation == Interpolation::area) return area_table(axis);
  const Positions positions = positions_of(rule.coordinates, axis, dtype);
  const double spread = rule.antialias ? std::max(positions.step, 1.0) : 1.0;
  const double reach = reach_of(rule.interpolation) * spread;
  const std::int64_t last = axis.input - 1;

  TableBuilder builder(axis.input);
  std::vector<double> weights, within;
  for (double position : positions.at) {
    weights.clear();
    if (std::isnan(position)) {
      builder.add(0, weights);
      continue;
    }
    // Beyond the kernel's reach the border elements are all that there is.
    position = std::clamp(position, -reach - 2, static_cast<double>(axis.input) + reach + 1);
    std::int64_t begin, end;
    if (rule.interpolation == Interpolation::nearest) {
      begin = static_cast<std::int64_t>(nearest_of(position, rule.rounding));
      end = begin + 1;
      weights.push_back(1);
    } else {
      begin = static_cast<std::int64_t>(std::floor(position - reach)) + 1;
      end = static_cast<std::int64_t>(std::ceil(position + reach));
      for (std::int64_t j = begin; j < end; ++j)
        weights.push_back(kernel_at(rule, (static_cast<double>(j) - position) / spread));
    }

    // What lies beside the array goes to its border elements, or nowhere.
    const std::int64_t low = std::clamp<std::int64_t>(begin, 0, last);
    within.assign(static_cast<std::size_t>(std::clamp<std::int64_t>(end - 1, 0, last) - low + 1), 0);
    double total = 0, total_within = 0;
    for (std::int64_t j = begin; j < end; ++j) {
      const double weight = weights[static_cast<std::size_t>(j - begin)];
      total += weight;
      if (rule.exclude_outside && (j < 0 || j > last)) continue;
      total_within += weight;
      within[static_cast<std::size_t>(std::clamp<std::int64_t>(j, 0, last) - low)] += weight;
    }
    const double divisor = rule.exclude_outside ? total_within : total;
    if ((rule.exclude_outside || rule.antialias) && divisor != 0)
      for (double& weight : within) weight /= divisor;
    builder.add(low, within);
  }
  return builder.finish();
}

ResampleTable transposed(const ResampleTable& table) {
  // For every element of the input, the outputs from the first to the last that it weighs in. They are
  // neighbours, since both ends of the windows move in one direction.
  struct Range {
    std::int64_t begin = std::numeric_limits<std::int64_t>::max(), end = 0;
  };
  std::vector<Range> ranges(static_cast<std::size_t>(table.input));
  const auto for_each_weight = [&](const auto& body) {
    for (std::size_t i = 0; i < table.start.size(); ++i)
      for (std::int64_t at = table.first[i]; at < table.first[i + 1]; ++at)
        body(static_cast<std::int64_t>(i), static_cast<std::size_t>(table.start[i] + at - table.first[i]),
             table.weights[static_cast<std::size_t>(at)]);
  };
  for_each_weight([&](std::int64_t output, std::size_t element, double) {
    ranges[element].begin = std::min(ranges[element].begin, output);
    ranges[element].end = output + 1;
  });

  ResampleTable result;
  result.input = table.output();
  for (const Range& range : ranges) {
    const std::int64_t count = std::max<std::int64_t>(range.end - range.begin, 0);
    result.start.push_back(count == 0 ? 0 : range.begin);
    result.first.push_back(result.first.back() + count);
  }
  result.weights.assign(static_cast<std::size_t>(result.first.back()), 0);
  for_each_weight([&](std::int64_t output, std::size_t element, double weight) {
    result.weights[static_cast<std::size_t>(result.first[element] + output - result.start[element])] = weight;
  });
  return result;
}

}  // namespace convnative
