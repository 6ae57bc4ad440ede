// The driver of resampling: one pass over the rows of the output.
//
// A row of the output is a combination of rows of the input, one for each element of the windows of the axes
// before, with the product of their weights. Where the last axis is resampled too, the combination goes into
// a buffer, and the windows of the last axis are taken from there. Rows that are one row of the input as it
// is are not copied.
#include <algorithm>
#include <stdexcept>

#include "base/aligned_buffer.h"
#include "base/checked.h"
#include "base/pieces.h"
#include "convnative/resample.h"
#include "resample/kernels.h"

namespace convnative {
namespace {

// Columns of the input that a buffer holds, and rows that are combined in the array's own type; the sums of
// more add up in float64.
constexpr std::int64_t buffer_columns = 8192;
constexpr std::int64_t rows_at_a_time = 32;
// Columns of the output that are made at a time.
constexpr std::int64_t block_columns = 2048;
static_assert(buffer_columns >= dot_block && buffer_columns >= block_columns);

bool is_identity(const ResampleTable& table) {
  if (table.output() != table.input) return false;
  for (std::size_t i = 0; i < table.start.size(); ++i)
    if (table.start[i] != static_cast<std::int64_t>(i) || table.first[i + 1] != table.first[i] + 1 ||
        table.weights[static_cast<std::size_t>(table.first[i])] != 1)
      return false;
  return true;
}

// An axis of the array; those that stay as they are, where neighbours, count as one.
struct Axis {
  std::int64_t input, output;
  const ResampleTable* table;  // null: stays as it is
};

std::vector<Axis> axes_of(const std::vector<std::int64_t>& sizes, const std::vector<std::int64_t>& numbers,
                          const std::vector<ResampleTable>& tables) {
  std::vector<Axis> axes;
  std::size_t next = 0;
  for (std::size_t axis = 0; axis < sizes.size(); ++axis) {
    const bool named = next < numbers.size() && numbers[next] == static_cast<std::int64_t>(axis);
    const ResampleTable* const table = named ? &tables[next++] : nullptr;
    if (table != nullptr && table->input != sizes[axis])
      throw std::invalid_argument("tables: expected one for each of the axes' sizes");
    if (table != nullptr && !is_identity(*table))
      axes.push_back({sizes[axis], table->output(), table});
    else if (!axes.empty() && axes.back().table == nullptr)
      axes.back().output = axes.back().input *= sizes[axis];
    else
      axes.push_back({sizes[axis], sizes[axis], nullptr});
  }
  if (axes.empty()) axes.push_back({1, 1, nullptr});
  return axes;
}

// Columns [begin, end) of a row of the output and the columns [low, high) of the input in their windows.
struct Block {
  std::int64_t begin, end;
  std::int64_t low, high;
};

// The windows of the last axis in the form that the kernels take.
template <class T>
class Columns {
 public:
  Columns(const Axis& axis) {
    if (axis.table == nullptr) {
      for (std::int64_t begin = 0; begin < axis.output; begin += block_columns) {
        const std::int64_t end = std::min(begin + block_columns, axis.output);
        blocks.push_back({begin, end, begin, end});
      }
      return;
    }
    const ResampleTable& table = *axis.table;
    for (std::size_t i = 0; i < table.start.size(); ++i)
      longest = std::max(longest, table.first[i + 1] - table.first[i]);
    make_blocks(table);
    if (longest <= short_window)
      make_short_windows(table);
    else
      weights.assign(table.weights.begin(), table.weights.end());
  }

  bool are_short() const { return longest <= short_window; }

  std::vector<Block> blocks;
  std::int64_t longest = 0;
  std::vector<ResampleIndex<T>> start, count;  // short windows: the start within the block's [low, high)
  std::vector<T> weights;                      // short windows: those of all first elements first

 private:
  // Blocks whose windows fit the buffer together; a window that does not by itself is a block.
  void make_blocks(const ResampleTable& table) {
    for (std::int64_t i = 0; i < table.output(); ++i) {
      const auto at = static_cast<std::size_t>(i);
      const std::int64_t window = table.first[at + 1] - table.first[at];
      const std::int64_t low = table.start[at], high = low + window;
      if (!blocks.empty()) {
        Block& block = blocks.back();
        const bool empty = block.low == block.high;
        const std::int64_t both_low = empty ? low : window == 0 ? block.low : std::min(block.low, low);
        const std::int64_t both_high = empty ? high : window == 0 ? block.high : std::max(block.high, high);
        if (both_high - both_low <= buffer_columns && block.end - block.begin < block_columns) {
          block = {block.begin, i + 1, both_low, both_high};
          continue;
        }
      }
      blocks.push_back({i, i + 1, low, high});
    }
  }

  void make_short_windows(const ResampleTable& table) {
    const auto outputs = static_cast<std::size_t>(table.output());
    start.resize(outputs);
    count.resize(outputs);
    weights.assign(outputs * static_cast<std::size_t>(longest), T{0});
    for (const Block& block : blocks)
      for (auto i = static_cast<std::size_t>(block.begin); i < static_cast<std::size_t>(block.end); ++i) {
        const std::int64_t window = table.first[i + 1] - table.first[i];
        start[i] = static_cast<ResampleIndex<T>>(window == 0 ? 0 : table.start[i] - block.low);
        count[i] = static_cast<ResampleIndex<T>>(window);
        for (std::int64_t k = 0; k < window; ++k)
          weights[static_cast<std::size_t>(k) * outputs + i] =
              static_cast<T>(table.weights[static_cast<std::size_t>(table.first[i] + k)]);
      }
  }
};

// What a thread works with, in memory of its own.
template <class T>
struct Workspace {
  T* columns;               // a part of a combined row
  double* totals;           // sums of such parts
  T* weights;               // of rows to combine
  std::ptrdiff_t* offsets;  // where these rows begin
  std::int64_t* windows;    // for each axis before the last: the output's number
  std::int64_t* elements;   // and the element of its window

  static std::size_t bytes(std::size_t axes) {
    return round_up_to_line(buffer_columns * sizeof(T)) + round_up_to_line(buffer_columns * sizeof(double)) +
           round_up_to_line(rows_at_a_time * sizeof(T)) +
           round_up_to_line(rows_at_a_time * sizeof(std::ptrdiff_t)) +
           2 * round_up_to_line(axes * sizeof(std::int64_t));
  }

  Workspace(void* memory, std::size_t axes) {
    auto* next = static_cast<std::byte*>(memory);
    const auto take = [&next](std::size_t size) {
      void* const taken = next;
      next += round_up_to_line(size);
      return taken;
    };
    columns = static_cast<T*>(take(buffer_columns * sizeof(T)));
    totals = static_cast<double*>(take(buffer_columns * sizeof(double)));
    weights = static_cast<T*>(take(rows_at_a_time * sizeof(T)));
    offsets = static_cast<std::ptrdiff_t*>(take(rows_at_a_time * sizeof(std::ptrdiff_t)));
    windows = static_cast<std::int64_t*>(take(axes * sizeof(std::int64_t)));
    elements = static_cast<std::int64_t*>(take(axes * sizeof(std::int64_t)));
  }
};

template <class T>
class Resampler {
 public:
  Resampler(std::vector<Axis> axes, T fill, Isa isa)
      : axes_(std::move(axes)),
        last_(axes_.back()),
        leading_(axes_.size() - 1),
        columns_(last_),
        fill_(fill),
        kernels_(resample_kernels<T>(isa)) {}

  void run(const T* input, T* output) const {
    std::int64_t rows = 1;
    double combined = 1;  // rows of the input in a row of the output, on average
    for (std::size_t axis = 0; axis < leading_; ++axis) {
      rows *= axes_[axis].output;
      if (axes_[axis].table != nullptr) combined *= average_window(*axes_[axis].table);
    }
    double windows = 0;
    for (const Block& block : columns_.blocks) windows += static_cast<double>(block.high - block.low);
    const auto blocks = static_cast<std::int64_t>(columns_.blocks.size());
    if (rows == 0 || blocks == 0) return;
    double operations =
        (combined * windows + static_cast<double>(last_.output)) / static_cast<double>(blocks);
    if (last_.table != nullptr)
      operations +=
          average_window(*last_.table) * static_cast<double>(last_.output) / static_cast<double>(blocks);

    const int threads = threads_for_pieces(rows, blocks, operations);
    const std::size_t bytes = Workspace<T>::bytes(leading_);
    const AlignedBuffer memory(bytes * static_cast<std::size_t>(threads));
    for_each_piece(rows, blocks, operations, threads,
                   [&](std::int64_t row, std::int64_t begin, std::int64_t end, int thread) {
                     const Workspace<T> workspace(
                         static_cast<std::byte*>(memory.data()) + bytes * static_cast<std::size_t>(thread),
                         leading_);
                     run_row(row, begin, end, input, output + row * last_.output, workspace);
                   });
  }

 private:
  static double average_window(const ResampleTable& table) {
    return static_cast<double>(table.weights.size()) / std::max(static_cast<double>(table.output()), 1.0);
  }

  std::int64_t window_size(const Axis& axis, std::int64_t output) const {
    const auto i = static_cast<std::size_t>(output);
    return axis.table == nullptr ? 1 : axis.table->first[i + 1] - axis.table->first[i];
  }

  void run_row(std::int64_t row, std::int64_t first_block, std::int64_t last_block, const T* input, T* result,
               const Workspace<T>& workspace) const {
    std::int64_t combinations = 1;
    for (std::size_t axis = leading_; axis-- > 0; row /= axes_[axis].output) {
      workspace.windows[axis] = row % axes_[axis].output;
      combinations *= window_size(axes_[axis], workspace.windows[axis]);
    }
    for (std::int64_t number = first_block; number < last_block; ++number) {
      const Block& block = columns_.blocks[static_cast<std::size_t>(number)];
      if (combinations == 0 || block.low == block.high)
        std::fill(result + block.begin, result + block.end, fill_);
      else if (last_.table == nullptr)
        combine(input, block.low, block.high, result + block.begin, combinations, workspace);
      else if (columns_.are_short())
        short_windows(block, combined(input, block.low, block.high, combinations, workspace), result);
      else
        long_windows(block, input, result, combinations, workspace);
    }
  }

  // The combined row's columns [low, high): in the buffer, or in the input where it is one of its rows.
  const T* combined(const T* input, std::int64_t low, std::int64_t high, std::int64_t combinations,
                    const Workspace<T>& workspace) const {
    if (combinations == 1) {
      std::fill_n(workspace.elements, leading_, 0);
      const auto [offset, weight] = source_row(workspace);
      if (weight == 1) return input + offset + low;
    }
    combine(input, low, high, workspace.columns, combinations, workspace);
    return workspace.columns;
  }

  struct SourceRow {
    std::ptrdiff_t offset;
    T weight;
  };

  // The row of the input for the elements of the windows that the workspace names.
  SourceRow source_row(const Workspace<T>& workspace) const {
    std::ptrdiff_t offset = 0, stride = last_.input;
    double weight = 1;
    for (std::size_t axis = leading_; axis-- > 0; stride *= axes_[axis].input) {
      std::int64_t position = workspace.windows[axis];
      if (const ResampleTable* const table = axes_[axis].table; table != nullptr) {
        const auto output = static_cast<std::size_t>(position);
        position = table->start[output] + workspace.elements[axis];
        weight *= table->weights[static_cast<std::size_t>(table->first[output] + workspace.elements[axis])];
      }
      offset += position * stride;
    }
    return {offset, static_cast<T>(weight)};
  }

  void combine(const T* input, std::int64_t low, std::int64_t high, T* result, std::int64_t combinations,
               const Workspace<T>& workspace) const {
    std::fill_n(workspace.elements, leading_, 0);
    for (std::int64_t first = 0; first < combinations; first += rows_at_a_time) {
      const std::int64_t rows = std::min(rows_at_a_time, combinations - first);
      for (std::int64_t row = 0; row < rows; ++row) {
        const auto [offset, weight] = source_row(workspace);
        workspace.offsets[row] = offset;
        workspace.weights[row] = weight;
        for (std::size_t axis = leading_; axis-- > 0;) {
          if (++workspace.elements[axis] < window_size(axes_[axis], workspace.windows[axis])) break;
          workspace.elements[axis] = 0;
        }
      }
      kernels_.combine_rows({input + low, rows, workspace.offsets, workspace.weights, high - low}, result);
      if (combinations <= rows_at_a_time) return;
      for (std::int64_t column = 0; column < high - low; ++column)
        workspace.totals[column] =
            (first == 0 ? 0 : workspace.totals[column]) + static_cast<double>(result[column]);
    }
    for (std::int64_t column = 0; column < high - low; ++column)
      result[column] = static_cast<T>(workspace.totals[column]);
  }

  void short_windows(const Block& block, const T* source, T* result) const {
    const auto first = static_cast<std::size_t>(block.begin);
    kernels_.short_windows(
        {source, &columns_.start[first], &columns_.count[first], columns_.weights.data() + first,
         last_.output, columns_.longest, block.end - block.begin, fill_},
        result + block.begin);
  }

  // Windows in parts of the kernel's size; the parts' sums add up in float64.
  void long_windows(const Block& block, const T* input, T* result, std::int64_t combinations,
                    const Workspace<T>& workspace) const {
    const ResampleTable& table = *last_.table;
    const bool fits = block.high - block.low <= buffer_columns;
    const T* const whole = fits ? combined(input, block.low, block.high, combinations, workspace) : nullptr;
    for (std::int64_t i = block.begin; i < block.end; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const std::int64_t count = table.first[at + 1] - table.first[at];
      double sum = count == 0 ? static_cast<double>(fill_) : 0;
      for (std::int64_t k = 0; k < count; k += dot_block) {
        const std::int64_t size = std::min(dot_block, count - k), low = table.start[at] + k;
        const T* const part =
            fits ? whole + (low - block.low) : combined(input, low, low + size, combinations, workspace);
        sum += static_cast<double>(kernels_.dot(size, columns_.weights.data() + table.first[at] + k, part));
      }
      result[i] = static_cast<T>(sum);
    }
  }

  const std::vector<Axis> axes_;
  const Axis last_;
  const std::size_t leading_;
  const Columns<T> columns_;
  const T fill_;
  const ResampleKernels<T>& kernels_;
};

}  // namespace

void resample(const std::vector<std::int64_t>& sizes, const std::vector<std::int64_t>& axes,
              const std::vector<ResampleTable>& tables, DType dtype, const void* input, double fill,
              void* output, Isa isa) {
  const std::vector<Axis> plan = axes_of(sizes, axes, tables);
  if (dtype == DType::float32)
    Resampler<float>(plan, static_cast<float>(fill), isa)
        .run(static_cast<const float*>(input), static_cast<float*>(output));
  else
    Resampler<double>(plan, fill, isa).run(static_cast<const double*>(input), static_cast<double*>(output));
}

}  // namespace convnative
