// The gradient in the weights, one pair of an output and an input channel after the other: of depthwise convolution,
// and where so few outputs share an input channel that a matrix product would leave most of its lanes empty.
//
//   grad_weight[k][c][t] = sum over images, points of grad_output[k][point] * input[c][point, t]
//
// Lane l of a vector of sums takes the columns that are l modulo `wide`, whatever vectors the CPU has, so that
// the bits do not depend on them. For each tap the sum runs block by block of rows and columns, in each block column by
// column of vectors and down the rows; blocks are small enough for the roundings of a lane to stay few. The
// lanes are added in float64.
//
//   tasks: some input channels of a group x parts of the (image, depth, block of rows and columns) x some of its output
//   channels x some groups of taps, in parallel
//     for each block                                                              of a plane: L1
//       for each group of taps, for each pair: a kernel that walks down its rows, the group's sums in registers
//   tasks: pairs: the parts, in ascending order, to grad_weight
//
// How blocks are cut and shared out in parts depends on the shape alone. How many pairs share a task, and the blocks
// that it has brought near, depends on the threads too and changes no sum.
//
// Rows of at most half as many columns leave one half of the lanes empty: depthwise convolution then takes the next
// channel's plane into it, where vectors are that wide. Each channel's sums are the same as alone.
//
// Lanes behind a row's last column multiply input by zero, and so do rows behind a block's; rows of grad_output do not
// meet those of the input that lie in the padding. Where values are not finite a tap may then be NaN that should be
// none, or miss one, but some tap of the group is not finite either way: its taps are then computed by the definition.
#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/checked.h"
#include "base/parallel.h"
#include "conv/algorithm.h"
#include "conv/depthwise_kernels.h"
#include "conv/winograd.h"
#include "gemm/blocking.h"

namespace convnative {
namespace {

template <class T>
constexpr std::int64_t wide = depthwise_wide<T>;
// Vectors that a lane adds up before its sum joins those of other blocks.
constexpr std::int64_t block_vectors = 256;
// Of those, in a row. The fewer, the more rows a block has and the less it shows that a kernel meets rows - 1 more of
// the source; but long rows fall into few sets of the first cache, which hold fewer of them.
constexpr std::int64_t most_columns = 8, most_columns_of_long = 16;
constexpr std::int64_t long_row_bytes = 2560;
constexpr std::int64_t most_plane_ahead_bytes = 128 << 10;
// Pairs of channels that suffice to keep any number of threads at work; fewer are cut in parts.
constexpr std::int64_t enough_pairs = 64;
constexpr std::int64_t least_part_macs = 1 << 16;
constexpr std::int64_t most_part_bytes = 1 << 20;
// Input channels that a task takes from each block, where output channels are the more and would be read anew for each:
// with many more planes in turn their lines came late.
constexpr std::int64_t most_inputs = 4;
// Sums of the pairs of a task, which stay in L2 beside the blocks.
constexpr std::int64_t most_sums_bytes = 64 << 10;
// A task's multiply-adds: taking it from the queue costs nothing.
constexpr std::int64_t least_task_macs = 1 << 17;

template <class T>
class DepthwiseGradWeight final : public ConvAlgorithm {
 public:
  explicit DepthwiseGradWeight(const ConvProblem& problem)
      : shape_(problem.shape), kernels_(depthwise_kernels<T>(problem.isa)), threads_(problem.threads) {
    for (std::size_t axis = 0; axis < max_axes; ++axis) {
      axes_[axis] = {shape_.input[axis],
                     shape_.output[axis],
                     shape_.stride[axis],
                     -shape_.pad_before[axis],
                     shape_.kernel[axis],
                     shape_.dilation[axis],
                     1,
                     1};
      // Irrelevant distances may be as large as they like.
      if (axes_[axis].points == 1) axes_[axis].step = 1;
      if (axes_[axis].taps == 1) axes_[axis].tap_step = 1;
    }
    kind_ = depthwise_columns(axes_[2]);

    // As in the forward: rows that are row_shift apart share what they load, and every `classes`-th tap.
    const DepthwiseAxis& row = axes_[1];
    const std::int64_t common = std::gcd(row.step, row.tap_step), shift = row.tap_step / common;
    const bool chains = row.taps > 1 && row.points > 1 && (shift == 1 || row.points / 4 >= shift);
    row_shift_ = chains ? shift : 1;
    classes_ = chains ? std::min(row.step / common, row.taps) : row.taps;

    const std::int64_t vectors = ceil_div(shape_.output[2], wide<T>);
    const std::int64_t row_bytes = axes_[2].extent * std::int64_t{sizeof(T)};
    // A lone row is one block, as a plane of as many rows would be.
    const std::int64_t most = row.points == 1              ? block_vectors
                              : row_bytes > long_row_bytes ? most_columns_of_long
                                                           : most_columns;
    column_blocks_ = ceil_div(vectors, most);
    const std::int64_t block_columns = ceil_div(vectors, column_blocks_);
    block_columns_ = block_columns * wide<T>;
    block_rows_ =
        std::clamp<std::int64_t>(block_vectors / block_columns, 1, ceil_div(row.points, row_shift_));
    const std::int64_t more = row.points % row_shift_, fewest = row.points / row_shift_;
    plane_blocks_ = more * blocks_of(fewest + 1) + (row_shift_ - more) * blocks_of(fewest);
    // Of small planes some images at once: the kernel's start would cost more than such a plane.
    if (shape_.output[0] == 1 && plane_blocks_ == 1)
      block_images_ = std::clamp<std::int64_t>(block_vectors / (block_columns * row.points), 1,
                                               std::max<std::int64_t>(shape_.batch, 1));
    blocks_ = ceil_div(shape_.batch, block_images_) * shape_.output[0] * plane_blocks_;

    const std::int64_t pairs = shape_.out_channels * shape_.in_channels_per_group(), taps = shape_.taps();
    const std::int64_t pair_macs = shape_.macs() / pairs;
    const std::int64_t wanted = std::max(std::min(ceil_div(enough_pairs, pairs), pair_macs / least_part_macs),
                                         pair_macs / taps / most_macs_per_lane);
    const std::int64_t fitting = most_part_bytes / std::int64_t{sizeof(double)} / taps / pairs;
    parts_ = std::max<std::int64_t>(std::min({wanted, fitting, blocks_}), 1);
    groups_ = make_groups();
    twins_ = kernels_.twins && kind_ != strided_columns && shape_.in_channels_per_group() == 1 &&
             shape_.out_channels_per_group() == 1 && 2 * shape_.output[2] <= wide<T> &&
             shape_.input[2] <= wide<T>;
    share_out_pairs();
  }

  const char* name() const override { return "depthwise"; }
  std::string kernel() const override { return kernels_.sums_names[kind_]; }
  std::size_t workspace_bytes() const override {
    return part_sums_bytes() + static_cast<std::size_t>(threads_) * thread_bytes();
  }

  void run(const ConvArrays& arrays, const void* /*packed*/, void* workspace) const override {
    auto* const part_sums = static_cast<double*>(workspace);
    char* const thread_sums = static_cast<char*>(workspace) + part_sums_bytes();
    const std::int64_t tap_chunks = ceil_div(tap_groups(), tap_groups_at_once_);
    const std::int64_t pairs = shape_.out_channels * shape_.in_channels_per_group();
    const std::int64_t outputs = shape_.out_channels_per_group(), inputs = shape_.in_channels_per_group();
    const std::int64_t output_chunks = ceil_div(outputs, outputs_at_once_);
    const std::int64_t input_chunks = ceil_div(inputs, inputs_at_once_), together = twins_ ? 2 : 1;
    const std::int64_t tasks =
        ceil_div(shape_.groups, together) * input_chunks * parts_ * output_chunks * tap_chunks;
    const std::int64_t task_macs = std::max<std::int64_t>(shape_.macs() / tasks, 1);
    const std::int64_t per_task =
        std::clamp(least_task_macs / task_macs, std::int64_t{1}, ceil_div(tasks, 4 * threads_));
    parallel_for(ceil_div(tasks, per_task), threads_, [&](std::int64_t index, int thread) {
      T* const sums = reinterpret_cast<T*>(thread_sums + static_cast<std::size_t>(thread) * thread_bytes());
      const std::int64_t first = index * per_task, last = std::min(tasks, first + per_task);
      std::int64_t rest = first;
      const auto take = [&](std::int64_t count) {
        const std::int64_t digit = rest % count;
        rest /= count;
        return digit;
      };
      std::int64_t tap_chunk = take(tap_chunks), output = take(output_chunks), part = take(parts_);
      std::int64_t input = take(input_chunks), group = rest * together;
      for (std::int64_t task = first; task < last; ++task) {
        const std::int64_t first_output = output * outputs_at_once_, first_input = input * inputs_at_once_;
        const Pairs some{{group * outputs + first_output, group * inputs + first_input},
                         std::min(outputs_at_once_, outputs - first_output),
                         std::min(inputs_at_once_, inputs - first_input),
                         twins_ && group + 1 < shape_.groups};
        sum_groups(arrays, some, part, tap_chunk * tap_groups_at_once_, sums, part_sums);
        // Counted on: planes of 7 x 7 take less time than so many divisions.
        if (++tap_chunk < tap_chunks) continue;
        tap_chunk = 0;
        if (++output < output_chunks) continue;
        output = 0;
        if (++part < parts_) continue;
        part = 0;
        if (++input < input_chunks) continue;
        input = 0, group += together;
      }
    });
    if (parts_ == 1) return;
    parallel_for(pairs, threads_for(static_cast<double>(shape_.weight_size() * parts_), 1e5),
                 [&](std::int64_t index, int) {
                   const std::int64_t output = index / shape_.in_channels_per_group();
                   const Pair pair{output,
                                   output / shape_.out_channels_per_group() * shape_.in_channels_per_group() +
                                       index % shape_.in_channels_per_group()};
                   T* const result = static_cast<T*>(arrays.result) + first_place(pair);
                   const double* sums = part_sums + first_place(pair) * parts_;
                   bool finite = true;
                   for (std::int64_t tap = 0; tap < shape_.taps(); ++tap, sums += parts_) {
                     double sum = 0;
                     for (std::int64_t part = 0; part < parts_; ++part) sum += sums[part];
                     result[tap] = static_cast<T>(sum);
                     finite &= std::isfinite(sum);
                   }
                   if (finite) return;
                   for (std::int64_t tap = 0; tap < shape_.taps(); ++tap)
                     result[tap] = by_definition(arrays, pair, tap);
                 });
  }

 private:
  // An output channel and an input channel of its group.
  struct Pair {
    std::int64_t output, input;
  };
  // Those of neighbouring output and input channels of one group. `twins`: of the next group as well, which have one of
  // each.
  struct Pairs {
    Pair first;
    std::int64_t outputs, inputs;
    bool twins;
  };
  // Of its first tap among the weights.
  std::int64_t first_place(const Pair& pair) const {
    const std::int64_t inputs = shape_.in_channels_per_group();
    return (pair.output * inputs + pair.input % inputs) * shape_.taps();
  }

  // Taps that are summed at once: row taps row, row + classes, ... and neighbouring column taps.
  struct Group {
    std::int64_t depth, row, column;
    int rows, columns;
    typename DepthwiseKernels<T>::Sums kernel, of_two;  // of one output channel and of two
  };

  std::size_t part_sums_bytes() const {
    if (parts_ == 1) return 0;
    return round_up_to_line(static_cast<std::size_t>(shape_.weight_size() * parts_) * sizeof(double));
  }
  // Sums of the groups of taps of the pairs of a task.
  std::size_t thread_bytes() const {
    constexpr std::size_t page = 4096;  // whose lines no other thread's prefetcher takes away
    const auto sums = static_cast<std::size_t>(tap_groups_at_once_ * outputs_at_once_ * inputs_at_once_ *
                                               pair_sums_ * wide<T>);
    return (sums * sizeof(T) + page - 1) / page * page;
  }

  // The more pairs in a task the fewer times their blocks come from L2 and beyond, as long as all threads have tasks.
  void share_out_pairs() {
    for (const Group& group : groups_)
      pair_sums_ = std::max<std::int64_t>(pair_sums_, group.rows * group.columns);
    const std::int64_t most =
        std::max<std::int64_t>(most_sums_bytes / (pair_sums_ * wide<T> * std::int64_t{sizeof(T)}), 1);
    const std::int64_t outputs = shape_.out_channels_per_group(), inputs = shape_.in_channels_per_group();
    inputs_at_once_ = std::clamp<std::int64_t>(inputs, 1, std::min(outputs > inputs ? most_inputs : 1, most));
    outputs_at_once_ = std::min(outputs, most / inputs_at_once_);
    const auto tasks = [&] {
      return shape_.groups * parts_ * ceil_div(tap_groups(), tap_groups_at_once_) *
             ceil_div(outputs, outputs_at_once_) * ceil_div(inputs, inputs_at_once_);
    };
    // Output channels go in twos.
    while (tasks() < 4 * threads_ && outputs_at_once_ > 1)
      outputs_at_once_ = outputs_at_once_ == 2 ? 1 : ceil_div(outputs_at_once_, 4) * 2;
    if (tasks() < 4 * threads_) inputs_at_once_ = 1;
    tap_groups_at_once_ =
        std::clamp<std::int64_t>(most / (inputs_at_once_ * outputs_at_once_), 1, tap_groups());
    while (tasks() < 4 * threads_ && tap_groups_at_once_ > 1)
      tap_groups_at_once_ = ceil_div(tap_groups_at_once_, 2);
  }

  std::int64_t blocks_of(std::int64_t points) const { return ceil_div(points, block_rows_) * column_blocks_; }

  // The most column taps, of those that are left, that the registers hold with so many row taps.
  int columns_beside(int rows, std::int64_t left) const {
    const auto& kernels = kernels_.sums[0][kind_][rows - 1];
    int most = depthwise_most_columns;
    while (kernels[most - 1] == nullptr) --most;
    // Even parts: a last one of a single tap would leave the multiply-adds waiting.
    return static_cast<int>(ceil_div(left, ceil_div(left, most)));
  }

  std::vector<Group> make_groups() const {
    std::vector<Group> groups;
    for (std::int64_t depth = 0; depth < axes_[0].taps; ++depth)
      for (std::int64_t c = 0; c < classes_; ++c)
        for (std::int64_t row = c; row < axes_[1].taps;) {
          const int rows = depthwise_chain_piece(kind_, (axes_[1].taps - 1 - row) / classes_ + 1);
          for (std::int64_t column = 0; column < axes_[2].taps;) {
            const int columns = columns_beside(rows, axes_[2].taps - column);
            const auto kernel = [&](std::size_t outputs) {
              return kernels_.sums[outputs - 1][kind_][rows - 1][columns - 1];
            };
            groups.push_back({depth, row, column, rows, columns, kernel(1), kernel(2)});
            column += columns;
          }
          row += rows * classes_;
        }
    return groups;
  }
  std::int64_t tap_groups() const { return static_cast<std::int64_t>(groups_.size()); }

  // From group `first_group` on.
  void sum_groups(const ConvArrays& arrays, const Pairs& pairs, std::int64_t part, std::int64_t first_group,
                  T* sums, double* part_sums) const {
    const std::int64_t last_group = std::min(first_group + tap_groups_at_once_, tap_groups());
    const DepthwiseAxis &depth = axes_[0], &row = axes_[1];
    const std::int64_t width = shape_.input[2], source_plane = shape_.input[1] * width;
    // Of a group of taps.
    const std::int64_t group_sums = pairs.outputs * pairs.inputs * pair_sums_ * wide<T>;
    std::fill_n(sums, (last_group - first_group) * group_sums, T{0});

    DepthwiseSums<T> block;
    block.grad_pitch = row_shift_ * shape_.output[2];
    block.column_step = wide<T>;
    block.column = &axes_[2];
    block.chain_step = row_shift_ * row.step;
    block.pitch = width;
    const bool several = shape_.batch > 1;
    block.grad_image = several ? shape_.out_channels * shape_.output_plane() : 0;
    block.source_image = several ? shape_.in_channels * shape_.input_plane() : 0;
    // The next channel of those here, else the next slice, the rows below, or the next image where it does not leave L2
    // meanwhile. Two planes of so few columns are done before memory answers.
    const std::int64_t images = twins_ ? 2 : 1;
    std::ptrdiff_t source_ahead = images * block.source_image;
    block.grad_ahead = images * block.grad_image;
    if (depth.points > 1) {
      source_ahead = depth.step * source_plane, block.grad_ahead = shape_.output[1] * shape_.output[2];
    } else if (plane_blocks_ > 1 &&
               (!several || source_plane * std::int64_t{sizeof(T)} > most_plane_ahead_bytes)) {
      source_ahead = block_rows_ * block.chain_step * width,
      block.grad_ahead = block_rows_ * block.grad_pitch;
    }
    if (pairs.inputs > 1) source_ahead = shape_.input_plane();
    if (pairs.outputs > 1) block.grad_ahead = 2 * shape_.output_plane();
    block.grad_second = shape_.output_plane();
    // Shares of the planes' rows, for each vector of columns one. Rows that are apart are asked for where they lie.
    const std::int64_t vectors = ceil_div(shape_.output[2], wide<T>);
    const bool ordered = row_shift_ == 1;
    block.grad_ahead_row = ordered ? ceil_div(shape_.output[2], vectors) : block.grad_pitch;
    block.source_ahead_row = ordered ? ceil_div(block.chain_step * width, vectors) : block.chain_step * width;
    if (pairs.twins) block.grad_twin = shape_.output_plane(), block.source_twin = shape_.input_plane();
    block.sums_row = wide<T>;

    const std::int64_t first = part * blocks_ / parts_, last = (part + 1) * blocks_ / parts_;
    std::int64_t plane = first / plane_blocks_, left = first % plane_blocks_, residue = 0;
    for (std::int64_t done = first; done < last; ++plane, residue = 0, left = 0)
      for (; residue < row_shift_ && done < last; ++residue) {
        const std::int64_t points = (row.points - residue - 1) / row_shift_ + 1;
        const std::int64_t blocks = blocks_of(points);
        if (left >= blocks) {
          left -= blocks;
          continue;
        }
        const std::int64_t image = plane / depth.points * block_images_, point = plane % depth.points;
        block.images = std::min(block_images_, shape_.batch - image);
        const T* const input = static_cast<const T*>(arrays.input) +
                               (image * shape_.in_channels + pairs.first.input) * shape_.input_plane();
        const T* const grad_output =
            static_cast<const T*>(arrays.grad_output) +
            (image * shape_.out_channels + pairs.first.output) * shape_.output_plane() +
            point * shape_.output[1] * shape_.output[2];
        for (; left < blocks && done < last; ++left, ++done) {
          const std::int64_t begin = left / column_blocks_ * block_rows_;
          const std::int64_t output_row = residue + begin * row_shift_;
          const std::int64_t column = left % column_blocks_ * block_columns_;
          block.rows = std::min(block_rows_, points - begin);
          block.columns = std::min(column + block_columns_, shape_.output[2]);
          block.grad_ahead_column = ordered ? block.rows * block.grad_ahead_row : wide<T>;
          block.source_ahead_column = ordered ? block.rows * block.source_ahead_row : wide<T> * axes_[2].step;
          for (std::int64_t index = first_group; index < last_group; ++index) {
            const Group& group = groups_[static_cast<std::size_t>(index)];
            const std::int64_t at_once = pairs.outputs > 1 && group.of_two != nullptr ? 2 : 1;
            const std::int64_t at = depth.at(point) + group.depth * depth.tap_step;
            const bool exists = at >= 0 && at < depth.extent;
            const T* const source = input + (exists ? at * source_plane : 0);
            block.extent = exists ? row.extent : 0;
            block.row = row.at(output_row) + group.row * row.tap_step;
            block.column_tap = group.column;
            // The first group asks for all rows.
            block.source_ahead = index == first_group || kind_ == dense_columns ? source_ahead : 0;
            block.sums_column = group.rows * wide<T>;
            const std::int64_t count = group.rows * group.columns;
            block.sums_second = pairs.inputs * count * wide<T>;
            for (std::int64_t i = 0; i < pairs.inputs; ++i) {
              block.source = source + i * shape_.input_plane();
              for (std::int64_t o = 0; o < pairs.outputs; o += at_once) {
                const auto kernel = at_once == 2 && o + 2 <= pairs.outputs ? group.of_two : group.kernel;
                block.grad_output = grad_output + o * shape_.output_plane() + output_row * shape_.output[2];
                for (std::int64_t lane = 0; lane < wide<T>; lane += kernels_.lanes) {
                  block.first_column = column + lane;
                  block.sums = sums + (index - first_group) * group_sums +
                               (o * pairs.inputs + i) * count * wide<T> + lane;
                  kernel(block);
                }
              }
            }
          }
        }
        left = 0;
      }

    for (std::int64_t index = first_group; index < last_group; ++index) {
      const Group& group = groups_[static_cast<std::size_t>(index)];
      const std::int64_t count = group.rows * group.columns;
      const T* pair_sums = sums + (index - first_group) * group_sums;
      for (std::int64_t o = 0; o < pairs.outputs; ++o)
        for (std::int64_t i = 0; i < pairs.inputs; ++i, pair_sums += count * wide<T>) {
          std::array<double, 2 * most_sums> totals;
          (pairs.twins ? kernels_.add_twin_lanes : kernels_.add_lanes)(pair_sums, count, totals.data());
          const Pair pair{pairs.first.output + o, pairs.first.input + i};
          keep(arrays, pair, part, group, totals.data(), part_sums);
          if (pairs.twins)
            keep(arrays, {pair.output + 1, pair.input + 1}, part, group, totals.data() + count, part_sums);
        }
    }
  }

  // A pair's sums of a group of taps in a part.
  void keep(const ConvArrays& arrays, const Pair& pair, std::int64_t part, const Group& group,
            const double* sums, double* part_sums) const {
    const std::int64_t first_tap = (group.depth * axes_[1].taps + group.row) * axes_[2].taps + group.column;
    const std::int64_t first = first_place(pair) + first_tap, row_step = classes_ * axes_[2].taps;
    const std::int64_t rows = group.rows, columns = group.columns, parts = parts_;
    const auto for_each = [&](const auto& body) __attribute__((always_inline)) {
      for (std::int64_t s = 0; s < columns; ++s)
        for (std::int64_t r = 0; r < rows; ++r) body(r * row_step + s, sums[s * rows + r]);
    };
    if (parts > 1) {
      double* const to = part_sums + first * parts + part;
      for_each([&](std::int64_t tap, double sum) { to[tap * parts] = sum; });
      return;
    }
    T* const to = static_cast<T*>(arrays.result) + first;
    bool finite = true;
    for_each([&](std::int64_t tap, double sum) {
      to[tap] = static_cast<T>(sum);
      finite &= std::isfinite(sum);
    });
    if (finite) return;
    for_each([&](std::int64_t tap, double) { to[tap] = by_definition(arrays, pair, first_tap + tap); });
  }

  // Not inlined: it is hardly ever wanted.
  [[gnu::noinline]] T by_definition(const ConvArrays& arrays, const Pair& pair, std::int64_t tap) const {
    const std::array<std::int64_t, max_axes> taps{tap / axes_[2].taps / axes_[1].taps,
                                                  tap / axes_[2].taps % axes_[1].taps, tap % axes_[2].taps};
    const auto at = [&](std::size_t axis, std::int64_t point) {
      const std::int64_t place = axes_[axis].at(point) + taps[axis] * axes_[axis].tap_step;
      return place < axes_[axis].extent ? place : -1;
    };
    double sum = 0;
    for (std::int64_t image = 0; image < shape_.batch; ++image) {
      const T* const input = static_cast<const T*>(arrays.input) +
                             (image * shape_.in_channels + pair.input) * shape_.input_plane();
      const T* grad = static_cast<const T*>(arrays.grad_output) +
                      (image * shape_.out_channels + pair.output) * shape_.output_plane();
      for (std::int64_t d = 0; d < shape_.output[0]; ++d)
        for (std::int64_t r = 0; r < shape_.output[1]; ++r)
          for (std::int64_t c = 0; c < shape_.output[2]; ++c, ++grad) {
            const std::int64_t depth = at(0, d), row = at(1, r), column = at(2, c);
            const bool inside = depth >= 0 && row >= 0 && column >= 0;
            const T x = inside ? input[(depth * shape_.input[1] + row) * shape_.input[2] + column] : T{0};
            sum += static_cast<double>(*grad) * static_cast<double>(x);
          }
    }
    return static_cast<T>(sum);
  }

  static constexpr std::int64_t most_sums = 24;  // of any kernel

  ConvShape shape_;
  const DepthwiseKernels<T>& kernels_;
  int threads_;
  std::array<DepthwiseAxis, max_axes> axes_;
  DepthwiseColumns kind_;
  std::int64_t row_shift_, classes_;
  std::int64_t column_blocks_, block_columns_, block_rows_, plane_blocks_;
  std::int64_t block_images_ = 1;
  std::int64_t blocks_, parts_;
  std::vector<Group> groups_;
  bool twins_;                  // two channels at a time
  std::int64_t pair_sums_ = 1;  // the most of a group of taps
  std::int64_t outputs_at_once_, inputs_at_once_, tap_groups_at_once_ = 1;
};

// Cycles of one core with AVX-512, roughly, on any level, as those of the other algorithms; for groups of one input
// channel. Fitted to five hundred convolutions.
template <class T>
double channels_cycles(const ConvShape& s) {
  const auto pairs = static_cast<double>(s.out_channels);
  const auto taps = static_cast<double>(s.taps()), depth_taps = static_cast<double>(s.kernel[0]);
  const std::int64_t rows = s.output[1], vectors = ceil_div(s.output[2], wide<T>);
  const auto slices = static_cast<double>(s.batch * s.output[0]);
  const bool dense = s.stride[2] == 1;
  if (!dense && (s.stride[2] != 2 || (s.dilation[2] != 1 && s.kernel[2] != 1)))
    return pairs * (100 + slices * static_cast<double>(rows * vectors) * (16 + 14 * taps));
  // As the groups of taps are made, but for dilated rows with a stride.
  const std::int64_t classes = rows > 1 && s.dilation[1] == 1 ? std::min(s.stride[1], s.kernel[1]) : 1;
  const std::int64_t pieces = classes * ceil_div(ceil_div(s.kernel[1], classes), std::int64_t{dense ? 7 : 3});
  const std::int64_t piece = ceil_div(s.kernel[1], pieces);
  constexpr std::int64_t registers = 24;
  const double groups = depth_taps * static_cast<double>(pieces) *
                        static_cast<double>(ceil_div(
                            s.kernel[2], std::min<std::int64_t>(registers / piece, depthwise_most_columns)));
  const std::int64_t apart = s.kernel[1] > 1 ? std::min(s.dilation[1], rows) : 1;
  const std::int64_t columns = std::min(vectors, most_columns);
  const auto row_blocks =
      static_cast<double>(apart * ceil_div(ceil_div(rows, apart), block_vectors / columns));
  const double images = s.input[0] == 1
                            ? static_cast<double>(std::clamp<std::int64_t>(
                                  block_vectors / std::min(columns * rows, block_vectors), 1, s.batch))
                            : 1;
  const double calls = slices / images * row_blocks * static_cast<double>(ceil_div(vectors, most_columns));
  const double walks = slices * static_cast<double>(vectors);
  const double walk = 7.5 * row_blocks + (dense ? 2.9 : 3.7) * (static_cast<double>(rows) +
                                                                static_cast<double>(piece - 1) * row_blocks);
  const double sums = walks * static_cast<double>(rows) * taps * (dense ? 0.4 : 0.62);
  const bool twins =
      pairs > 1 && s.out_channels_per_group() == 1 && 2 * s.output[2] <= wide<T> && s.input[2] <= wide<T>;
  return pairs * ((dense ? 47 + 7 * taps : 23 + 12 * taps) +
                  (groups * (70 * calls + walks * walk) + sums) / (twins ? 2 : 1));
}

// The same of other groups.
template <class T>
double pairs_cycles(const ConvShape& s) {
  const auto pairs = static_cast<double>(s.out_channels * s.in_channels_per_group());
  const auto taps = static_cast<double>(s.taps()), depth_taps = static_cast<double>(s.kernel[0]);
  const std::int64_t slices = s.batch * s.output[0], vectors = s.output[1] * ceil_div(s.output[2], wide<T>);
  const auto blocks = static_cast<double>(ceil_div(slices * vectors, block_vectors));
  const bool paired = s.stride[2] == 2 && s.dilation[2] == 1;
  // Rows of taps share what they load, as do two output channels.
  const bool shares = s.out_channels_per_group() > 1 && s.kernel[1] > 1 && s.kernel[2] > 1 &&
                      s.kernel[1] <= 3 && s.kernel[2] <= 3;
  const double per_tap = s.kernel[1] > 1 ? 0.6 : 2.1;
  const double step = (shares ? 0.7 : 1) * (s.stride[2] == 1 ? 4.5 * depth_taps + per_tap * taps
                                            : paired         ? 12 * depth_taps + 1.4 * taps
                                                             : 32 * depth_taps + 7 * taps);
  // The slices of a volume go one by one, those of images of one slice together.
  const double starting = s.input[0] > 1 ? static_cast<double>(slices) * (10 + 20 * depth_taps) : 0;
  return pairs * (80 + 22 * taps + blocks * (40 + 2.4 * taps) + starting +
                  static_cast<double>(slices * vectors) * step);
}

}  // namespace

const char* depthwise_grad_weight_why_not(const ConvProblem& problem) {
  if (!problem.shape.pads_with_zeros()) return "for padding with zeros alone";
  return problem.shape.weight_size() == 0 ? "there is nothing to sum" : nullptr;
}

double depthwise_grad_weight_cycles(const ConvProblem& problem) {
  const ConvShape& s = problem.shape;
  if (s.groups > 1 && s.groups == s.in_channels)
    return problem.dtype == DType::float32 ? channels_cycles<float>(s) : channels_cycles<double>(s);
  return problem.dtype == DType::float32 ? pairs_cycles<float>(s) : pairs_cycles<double>(s);
}

double grad_weight_products_cycles(const ConvProblem& problem) {
  double cycles = im2col_gemm_grad_weight_cycles(problem);
  if (direct_channels_grad_weight_why_not(problem) == nullptr)
    cycles = std::min(cycles, direct_channels_grad_weight_cycles(problem));
  // Those models are that much slower than what they describe where outputs are few.
  constexpr std::int64_t few_outputs = 32;
  if (problem.shape.out_channels_per_group() < few_outputs) cycles *= 0.85;
  if (problem.precision != Precision::strict) cycles = std::min(cycles, winograd_grad_weight_cycles(problem));
  return cycles;
}

const char* depthwise_grad_weight_why_slower(const ConvProblem& problem) {
  return depthwise_grad_weight_cycles(problem) > grad_weight_products_cycles(problem)
             ? "output channels share what is read in a matrix product"
             : nullptr;
}

std::shared_ptr<const ConvAlgorithm> make_depthwise_grad_weight(const ConvProblem& problem) {
  if (problem.dtype == DType::float32) return std::make_shared<DepthwiseGradWeight<float>>(problem);
  return std::make_shared<DepthwiseGradWeight<double>>(problem);
}

}  // namespace convnative
