// Padding as a copy of rows: each axis is a list of runs that say where its positions come from.
//
// Forward, every row of the output has one source row, or none where a constant stands, and is the runs of
// the last axis one after the other. The adjoint gathers: every row of the input adds up the rows of the
// output that show it, in ascending order, run by run.
#include <algorithm>
#include <array>
#include <numeric>
#include <span>
#include <string>

#include "base/checked.h"
#include "base/pieces.h"
#include "base/reject.h"
#include "convnative/rearrange.h"

namespace convnative {
namespace {

using Sizes = std::vector<std::int64_t>;

constexpr std::int64_t nowhere = -1;

// Consecutive positions of a padded axis: position i of the run shows source + i * step, or the constant
// where source is `nowhere`.
struct Run {
  std::int64_t source, count;
  std::int64_t step;
};

// An axis as the copy sees it: neighbours that are not padded count as one.
struct Axis {
  std::int64_t input, output;
  bool padded;
  std::vector<Run> runs;  // together all positions of the output
};

// What the mode asks of an axis.
void require_amounts(PaddingMode mode, std::int64_t size, std::int64_t before, std::int64_t after) {
  const std::string received = tuple_text({before, after});
  const std::int64_t larger = std::max(before, after);
  // What cropping leaves: torch crops first where it pads with constants and copies of the whole.
  const std::int64_t left = size + std::min<std::int64_t>(before, 0) + std::min<std::int64_t>(after, 0);
  switch (mode) {
    case PaddingMode::constant:
      if (left < 0)
        reject_argument("pad", "to crop at most the axis' " + std::to_string(size) + " elements", received);
      return;
    case PaddingMode::replicate:
      return;
    case PaddingMode::reflect:
      if (larger >= size && larger > 0)
        reject_argument("pad", "less than the axis' " + std::to_string(size) + " elements", received);
      return;
    case PaddingMode::symmetric:
      if (larger > size)
        reject_argument("pad", "at most the axis' " + std::to_string(size) + " elements", received);
      return;
    case PaddingMode::circular:
      if (larger > std::max<std::int64_t>(left, 0))
        reject_argument("pad",
                        "at most the " + std::to_string(std::max<std::int64_t>(left, 0)) +
                            " elements that the axis has after cropping",
                        received);
      return;
  }
}

std::vector<Run> runs_of(PaddingMode mode, std::int64_t size, std::int64_t before, std::int64_t after) {
  const std::int64_t front = std::max<std::int64_t>(before, 0), back = std::max<std::int64_t>(after, 0);
  std::vector<Run> runs;
  if (mode == PaddingMode::circular) {
    // What cropping leaves is what repeats.
    const std::int64_t first = std::max<std::int64_t>(-before, 0);
    const std::int64_t length = size - first - std::max<std::int64_t>(-after, 0);
    runs = {{first + length - front, front, 1}, {first, length, 1}, {first, back, 1}};
  } else {
    // Runs for positions [-front, size + back), of which those outside [-before, size + after) are cropped.
    switch (mode) {
      case PaddingMode::reflect:
        runs = {{front, front, -1}, {0, size, 1}, {size - 2, back, -1}};
        break;
      case PaddingMode::symmetric:
        runs = {{front - 1, front, -1}, {0, size, 1}, {size - 1, back, -1}};
        break;
      case PaddingMode::replicate:
        runs = {{0, front, 0}, {0, size, 1}, {size - 1, back, 0}};
        break;
      default:
        runs = {{nowhere, front, 0}, {0, size, 1}, {nowhere, back, 0}};
    }
    std::int64_t position = -front;
    for (Run& run : runs) {
      const std::int64_t end = position + run.count;
      const std::int64_t begin = std::max(position, -before);
      run.source += (begin - position) * run.step;
      run.count = std::min(end, size + after) - begin;
      position = end;
    }
  }
  std::erase_if(runs, [](const Run& run) { return run.count <= 0; });
  return runs;
}

std::vector<Axis> axes_of(const PadShape& shape) {
  std::vector<Axis> axes;
  for (std::size_t axis = 0; axis < shape.input.size(); ++axis) {
    const std::int64_t size = shape.input[axis];
    const bool padded = shape.before[axis] != 0 || shape.after[axis] != 0;
    if (!padded && !axes.empty() && !axes.back().padded) {
      axes.back().input *= size;
      axes.back().output *= size;
      axes.back().runs = {{0, axes.back().input, 1}};
    } else {
      axes.push_back({size, shape.output[axis], padded,
                      runs_of(shape.mode, size, shape.before[axis], shape.after[axis])});
    }
  }
  if (axes.empty()) axes.push_back({1, 1, false, {{0, 1, 1}}});
  return axes;
}

// For every position of the output's axis, the position of the input that it shows; empty where that is
// itself.
Sizes sources_of(const Axis& axis) {
  Sizes sources;
  if (!axis.padded) return sources;
  sources.reserve(static_cast<std::size_t>(axis.output));
  for (const Run& run : axis.runs)
    for (std::int64_t i = 0; i < run.count; ++i) sources.push_back(run.source + i * run.step);
  return sources;
}

std::int64_t rows_of(const std::vector<Axis>& axes, std::int64_t Axis::* size) {
  std::int64_t rows = 1;
  for (std::size_t axis = 0; axis + 1 < axes.size(); ++axis) rows *= axes[axis].*size;
  return rows;
}

// Calls body(run, offset, count) for the parts of runs that are positions [begin, end) of the output: `run`
// cut to its part, which stands `offset` behind begin.
template <class Body>
void for_each_part(const std::vector<Run>& runs, std::int64_t begin, std::int64_t end, const Body& body) {
  std::int64_t position = 0;
  for (const Run& run : runs) {
    const std::int64_t first = std::max(position, begin), last = std::min(position + run.count, end);
    if (first < last)
      body(Run{run.source + (first - position) * run.step, last - first, run.step}, first - begin);
    position += run.count;
  }
}

template <class T>
void forward(const PadShape& shape, const T* input, T value, T* output) {
  const std::vector<Axis> axes = axes_of(shape);
  const Axis& last = axes.back();
  std::vector<Sizes> sources;
  for (std::size_t axis = 0; axis + 1 < axes.size(); ++axis) sources.push_back(sources_of(axes[axis]));

  const std::int64_t rows = rows_of(axes, &Axis::output), columns = last.output;
  for_each_piece(rows, columns, 1, threads_for_pieces(rows, columns, 1),
                 [&](std::int64_t row, std::int64_t begin, std::int64_t end, int) {
                   T* const result = output + row * columns + begin;
                   std::int64_t source_row = 0, stride = 1, rest = row;
                   for (std::size_t axis = sources.size(); axis-- > 0;) {
                     const std::int64_t position = rest % axes[axis].output;
                     const std::int64_t source =
                         axes[axis].padded ? sources[axis][static_cast<std::size_t>(position)] : position;
                     if (source == nowhere) {
                       std::fill_n(result, end - begin, value);
                       return;
                     }
                     source_row += source * stride;
                     stride *= axes[axis].input;
                     rest /= axes[axis].output;
                   }
                   const T* const elements = input + source_row * last.input;
                   for_each_part(last.runs, begin, end, [&](const Run& run, std::int64_t offset) {
                     T* const part = result + offset;
                     if (run.source == nowhere)
                       std::fill_n(part, run.count, value);
                     else if (run.step == 1)
                       std::copy_n(elements + run.source, run.count, part);
                     else if (run.step == 0)
                       std::fill_n(part, run.count, elements[run.source]);
                     else
                       std::reverse_copy(elements + run.source - run.count + 1, elements + run.source + 1,
                                         part);
                   });
                 });
}

// For every position of a padded axis of the input, the positions of the output that show it, in ascending
// order.
class Images {
 public:
  explicit Images(const Axis& axis) {
    if (!axis.padded) return;
    const Sizes sources = sources_of(axis);
    first_.resize(static_cast<std::size_t>(axis.input) + 1);
    for (const std::int64_t source : sources) ++first_[static_cast<std::size_t>(source) + 1];
    std::partial_sum(first_.begin(), first_.end(), first_.begin());
    positions_.resize(sources.size());
    Sizes next(first_.begin(), first_.end() - 1);
    for (std::size_t position = 0; position < sources.size(); ++position)
      positions_[static_cast<std::size_t>(next[static_cast<std::size_t>(sources[position])]++)] =
          static_cast<std::int64_t>(position);
  }

  std::span<const std::int64_t> of(std::int64_t source) const {
    const auto begin = static_cast<std::size_t>(first_[static_cast<std::size_t>(source)]);
    const auto end = static_cast<std::size_t>(first_[static_cast<std::size_t>(source) + 1]);
    return {positions_.data() + begin, end - begin};
  }

 private:
  Sizes first_, positions_;
};

template <class T>
T sum(const T* values, std::int64_t count) {
  return static_cast<T>(std::accumulate(values, values + count, 0.0));
}

// result[i] += what the row `gradient` of the output gives to column begin + i, for columns [begin, end).
template <class T>
void add_row(const std::vector<Run>& runs, const T* gradient, std::int64_t begin, std::int64_t end,
             T* result) {
  std::int64_t position = 0;
  for (const Run& run : runs) {
    const T* const part = gradient + position;
    position += run.count;
    if (run.step == 0) {
      if (run.source >= begin && run.source < end) result[run.source - begin] += sum(part, run.count);
      continue;
    }
    const std::int64_t low = run.step > 0 ? run.source : run.source - run.count + 1;
    const std::int64_t first = std::max(low, begin), last = std::min(low + run.count, end);
    if (run.step > 0)
      for (std::int64_t i = first; i < last; ++i) result[i - begin] += part[i - run.source];
    else
      for (std::int64_t i = first; i < last; ++i) result[i - begin] += part[run.source - i];
  }
}

template <class T>
void grad(const PadShape& shape, const T* grad_output, T* grad_input) {
  // At most three axes are padded, with as many stretches of others between and before them.
  constexpr std::size_t most_axes = 2 * max_axes;
  const std::vector<Axis> axes = axes_of(shape);
  const Axis& last = axes.back();
  const std::size_t leading = axes.size() - 1;
  std::vector<Images> images;
  for (std::size_t axis = 0; axis < leading; ++axis) images.emplace_back(axes[axis]);

  const std::int64_t rows = rows_of(axes, &Axis::input), columns = last.input;
  for_each_piece(rows, columns, 2, threads_for_pieces(rows, columns, 2),
                 [&](std::int64_t row, std::int64_t begin, std::int64_t end, int) {
                   T* const result = grad_input + row * columns + begin;
                   std::fill_n(result, end - begin, T{0});
                   std::array<std::int64_t, most_axes> position;
                   std::array<std::span<const std::int64_t>, most_axes> shown;
                   std::int64_t rest = row, combinations = 1;
                   for (std::size_t axis = leading; axis-- > 0;) {
                     position[axis] = rest % axes[axis].input;
                     shown[axis] =
                         axes[axis].padded ? images[axis].of(position[axis]) : std::span(&position[axis], 1);
                     combinations *= static_cast<std::int64_t>(shown[axis].size());
                     rest /= axes[axis].input;
                   }
                   for (std::int64_t combination = 0; combination < combinations; ++combination) {
                     std::int64_t gradient_row = 0, stride = 1, digits = combination;
                     for (std::size_t axis = leading; axis-- > 0;) {
                       const auto size = static_cast<std::int64_t>(shown[axis].size());
                       gradient_row += shown[axis][static_cast<std::size_t>(digits % size)] * stride;
                       stride *= axes[axis].output;
                       digits /= size;
                     }
                     add_row(last.runs, grad_output + gradient_row * last.output, begin, end, result);
                   }
                 });
}

}  // namespace

PadShape make_pad_shape(const Sizes& input, const Sizes& amounts, PaddingMode mode, const char* input_name) {
  const std::size_t count = amounts.size() / 2;
  if (amounts.size() % 2 != 0 || count > input.size())
    reject_argument("pad", "(before, after) for at most " + std::to_string(input.size()) + " axes",
                    std::to_string(amounts.size()) + " ints");
  if (mode != PaddingMode::constant) {
    if (count < 1 || count > max_axes || (input.size() != count + 1 && input.size() != count + 2))
      reject_argument(
          "pad",
          "the last k axes of an input with k + 1 or k + 2 axes, k from 1 to 3, in a mode other than "
          "'constant'",
          std::to_string(amounts.size()) + " ints for an input of shape " + tuple_text(input));
    // As in torch, only the batch may be empty; what repeats itself may be.
    const bool batched = input.size() == count + 2;
    if (mode != PaddingMode::circular && std::find(input.begin() + batched, input.end(), 0) != input.end())
      reject_argument(input_name, "sizes >= 1 behind the batch", "shape " + tuple_text(input));
  }

  PadShape shape{mode, input, Sizes(input.size()), Sizes(input.size()), input};
  for (std::size_t pair = 0; pair < count; ++pair) {
    const std::size_t axis = input.size() - 1 - pair;
    const std::int64_t before = amounts[2 * pair], after = amounts[2 * pair + 1];
    const std::int64_t size = checked_add(checked_add(input[axis], before, "pad"), after, "pad");
    if (size < 0)
      reject_argument("pad", "a result of size >= 0",
                      tuple_text({before, after}) + " for axis " + std::to_string(axis) + " of size " +
                          std::to_string(input[axis]));
    require_amounts(mode, input[axis], before, after);
    shape.before[axis] = before;
    shape.after[axis] = after;
    shape.output[axis] = size;
  }
  std::int64_t bytes = sizeof(double);
  for (const std::int64_t size : shape.output)
    bytes = checked_mul(bytes, std::max<std::int64_t>(size, 1), "pad");
  return shape;
}

void pad_forward(const PadShape& shape, DType dtype, const void* input, double value, void* output) {
  if (dtype == DType::float32)
    forward(shape, static_cast<const float*>(input), static_cast<float>(value), static_cast<float*>(output));
  else
    forward(shape, static_cast<const double*>(input), value, static_cast<double*>(output));
}

void pad_grad(const PadShape& shape, DType dtype, const void* grad_output, void* grad_input) {
  if (shape.mode == PaddingMode::constant) {
    PadShape adjoint{shape.mode, shape.output, shape.before, shape.after, shape.input};
    for (Sizes* amounts : {&adjoint.before, &adjoint.after})
      for (std::int64_t& amount : *amounts) amount = -amount;
    pad_forward(adjoint, dtype, grad_output, 0, grad_input);
  } else if (dtype == DType::float32) {
    grad(shape, static_cast<const float*>(grad_output), static_cast<float*>(grad_input));
  } else {
    grad(shape, static_cast<const double*>(grad_output), static_cast<double*>(grad_input));
  }
}

}  // namespace convnative
