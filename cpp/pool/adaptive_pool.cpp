// Adaptive pooling: window i of an axis covers [floor(i I / O), ceil((i + 1) I / O)).
//
// Averages are summed in float64, since one window may hold a whole plane. The gradient gathers: a row of the
// input is covered by a few rows of the output, whose shares are added up once and then written over the
// columns that they cover.
#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/parallel.h"
#include "convnative/pool.h"
#include "pool/adaptive_windows.h"
#include "pool/kernels.h"
#include "pool/lane_pool.h"
#include "pool/squares.h"
#include "pool/tap_places.h"
#include "pool/window_max.h"
#include "pool/window_tables.h"

namespace convnative {
namespace {

bool is_empty(const PlaneShape& shape) {
  return shape.input_size() == 0 || shape.output_size() == 0;
}

// Calls reduce(piece, plane, first, count) for the pieces of every plane, `pieces` of them in each.
template <class Reduce>
void for_each_piece_of_planes(const PlaneShape& shape, std::int64_t pieces, const Reduce& reduce) {
  const std::int64_t plane_size = shape.input_plane();
  const TaskSplit split(shape.planes() * pieces,
                        static_cast<double>(std::min(plane_size, elements_per_piece)));
  const int threads = threads_for(static_cast<double>(shape.input_size()), pool_elements_per_thread);
  parallel_for(split.tasks(), threads, [&](std::int64_t task, int) {
    for (std::int64_t piece = split.begin(task); piece < split.end(task); ++piece) {
      const std::int64_t first = piece % pieces * elements_per_piece;
      reduce(piece, piece / pieces, first, std::min(elements_per_piece, plane_size - first));
    }
  });
}

template <class T>
void global_avg_of_small_planes(const PlaneShape& shape, const PoolKernels<T>& kernels, const T* input,
                                T* output) {
  constexpr std::int64_t group = 16;  // a multiple of what the kernel takes at once
  const std::int64_t plane_size = shape.input_plane();
  const TaskSplit split(ceil_div(shape.planes(), group), static_cast<double>(group * plane_size));
  const int threads = threads_for(static_cast<double>(shape.input_size()), pool_elements_per_thread / 2);
  parallel_for(split.tasks(), threads, [&](std::int64_t task, int) {
    const std::int64_t first = split.begin(task) * group;
    const std::int64_t planes = std::min(split.end(task) * group, shape.planes()) - first;
    kernels.mean_planes(input + first * plane_size, planes, plane_size, output + first);
  });
}

template <class T>
void global_avg(const PlaneShape& shape, const T* input, T* output, Isa isa) {
  const PoolKernels<T>& kernels = pool_kernels<T>(isa);
  const std::int64_t plane_size = shape.input_plane(), pieces = ceil_div(plane_size, elements_per_piece);
  const auto elements = static_cast<double>(plane_size);
  if (pieces == 1) return global_avg_of_small_planes(shape, kernels, input, output);
  std::vector<double> sums(static_cast<std::size_t>(shape.planes() * pieces));
  for_each_piece_of_planes(
      shape, pieces, [&](std::int64_t piece, std::int64_t plane, std::int64_t first, std::int64_t count) {
        sums[static_cast<std::size_t>(piece)] = kernels.sum_range(input + plane * plane_size + first, count);
      });
  for (std::int64_t plane = 0; plane < shape.planes(); ++plane) {
    double sum = 0;
    for (std::int64_t piece = 0; piece < pieces; ++piece)
      sum += sums[static_cast<std::size_t>(plane * pieces + piece)];
    output[plane] = static_cast<T>(sum / elements);
  }
}

template <class T>
void global_max(const PlaneShape& shape, const T* input, T* output, std::int64_t* indices, Isa isa) {
  const PoolKernels<T>& kernels = pool_kernels<T>(isa);
  const std::int64_t plane_size = shape.input_plane(), pieces = ceil_div(plane_size, elements_per_piece);
  std::vector<RangeMaximum<T>> maxima(static_cast<std::size_t>(shape.planes() * pieces));
  for_each_piece_of_planes(
      shape, pieces, [&](std::int64_t piece, std::int64_t plane, std::int64_t first, std::int64_t count) {
        maxima[static_cast<std::size_t>(piece)].take(kernels, input + plane * plane_size, first, count);
      });
  for (std::int64_t plane = 0; plane < shape.planes(); ++plane) {
    RangeMaximum<T> best;
    for (std::int64_t piece = 0; piece < pieces; ++piece)
      best.take(maxima[static_cast<std::size_t>(plane * pieces + piece)]);
    output[plane] = best.value;
    if (indices != nullptr) indices[plane] = best.at;
  }
}

// Rows under a row of windows are added up column by column, and the columns under each window then.
template <class T>
void avg_forward(const PlaneShape& shape, const T* input, T* output, Isa isa) {
  if (shape.output_plane() == 1) return global_avg(shape, input, output, isa);
  const PoolKernels<T>& kernels = pool_kernels<T>(isa);
  const WindowTables tables = adaptive_tables(shape);
  if (prefers_lanes<T>(shape, kernels.lanes)) {
    const LanePool<T> pool = lane_pool(shape, tables, kernels);
    if (pool.fits()) return pool.mean(input, output);
  }
  const std::int64_t rows = shape.output[0] * shape.output[1], columns = shape.output[2];
  const std::int64_t width = shape.input[2], depth_step = shape.input[1] * width;
  const double elements = elements_per_adaptive_window(shape);
  const TaskSplit split(shape.planes() * rows, elements * static_cast<double>(columns));
  const int threads = threads_for_windows(shape, elements);
  const std::int64_t block = std::min<std::int64_t>(width, 4096);
  const std::size_t bytes = round_up_to_line(static_cast<std::size_t>(block) * sizeof(double));
  const AlignedBuffer buffers(bytes * static_cast<std::size_t>(threads));
  parallel_for(split.tasks(), threads, [&](std::int64_t task, int thread) {
    auto* const sums = reinterpret_cast<double*>(static_cast<char*>(buffers.data()) +
                                                 bytes * static_cast<std::size_t>(thread));
    for (std::int64_t unit = split.begin(task); unit < split.end(task); ++unit) {
      const auto depth = static_cast<std::size_t>(unit % rows / shape.output[1]);
      const auto y = static_cast<std::size_t>(unit % rows % shape.output[1]);
      const std::int64_t depths = tables[0].extent(static_cast<std::int64_t>(depth));
      const std::int64_t window_rows = tables[1].extent(static_cast<std::int64_t>(y));
      const T* const source = input + unit / rows * shape.input_plane() +
                              tables[0].begin[depth] * depth_step + tables[1].begin[y] * width;
      std::int64_t first = 0, behind = 0;  // the columns that `sums` holds
      for (std::int64_t x = 0; x < columns; ++x) {
        const std::int64_t begin = tables[2].begin[static_cast<std::size_t>(x)];
        const std::int64_t end = tables[2].end[static_cast<std::size_t>(x)];
        double sum = 0;
        for (std::int64_t column = begin; column < end; ++column) {
          if (column >= behind || column < first) {  // A window may begin in the block before.
            first = column;
            behind = std::min(column + block, width);
            kernels.sum_rows(source + first, depths, depth_step, window_rows, width, behind - first, sums);
          }
          sum += sums[column - first];
        }
        output[unit * columns + x] =
            static_cast<T>(sum / static_cast<double>(depths * window_rows * (end - begin)));
      }
    }
  });
}

// Neighbouring elements of an axis that lie in the same windows.
struct Run {
  std::int64_t begin, end;     // elements
  std::int64_t first, behind;  // windows
};

std::vector<Run> runs_of(const WindowTable& table, std::int64_t input) {
  std::vector<Run> runs;
  std::int64_t first = 0, behind = 0;
  for (std::int64_t element = 0; element < input;) {
    while (table.end[static_cast<std::size_t>(first)] <= element) ++first;
    while (behind < table.size() && table.begin[static_cast<std::size_t>(behind)] <= element) ++behind;
    std::int64_t end = table.end[static_cast<std::size_t>(first)];
    if (behind < table.size()) end = std::min(end, table.begin[static_cast<std::size_t>(behind)]);
    runs.push_back({element, end, first, behind});
    element = end;
  }
  return runs;
}

using Runs = std::array<std::vector<Run>, max_axes>;

// With planes in the lanes: the shares of all windows of a block of planes, then their sums for each run, then as
// many copies as it has elements.
template <class T>
void avg_grad_in_lanes(const PlaneShape& shape, const WindowTables& tables, const Runs& runs,
                       const PoolKernels<T>& kernels, const T* grad_output, T* grad_input) {
  const PoolLanes<T>& lane_kernels = kernels.planes;
  const std::int64_t lanes = kernels.lanes, from = shape.output_plane(), to = shape.input_plane();
  const std::int64_t width = shape.input[2];
  std::array<std::vector<LaneSpan>, max_axes> windows, elements;
  for (std::size_t axis = 0; axis < max_axes; ++axis)
    for (const Run& run : runs[axis]) {
      windows[axis].push_back({run.first, run.behind - run.first});
      elements[axis].push_back({run.begin, run.end - run.begin});
    }
  std::vector<double> row_divisors, column_divisors;
  for (std::int64_t d = 0; d < shape.output[0]; ++d)
    for (std::int64_t y = 0; y < shape.output[1]; ++y)
      row_divisors.push_back(static_cast<double>(tables[0].extent(d) * tables[1].extent(y)));
  for (std::int64_t x = 0; x < shape.output[2]; ++x)
    column_divisors.push_back(static_cast<double>(tables[2].extent(x)));

  const auto row_runs = static_cast<std::int64_t>(runs[1].size());
  const auto column_runs = static_cast<std::int64_t>(runs[2].size());
  const auto bytes = [&](std::int64_t points, std::size_t size) {
    return static_cast<std::size_t>(points * lanes) * size;
  };
  const std::size_t gradient_bytes = bytes(from + lanes, sizeof(T)),
                    share_bytes = bytes(from, sizeof(double));
  const std::size_t sum_bytes = bytes(row_runs * column_runs, sizeof(T));
  const std::size_t buffer_bytes = gradient_bytes + share_bytes + sum_bytes + bytes(to + lanes, sizeof(T));
  const std::int64_t blocks = ceil_div(shape.planes(), lanes);
  const double operations = lane_operations(0, shape.planes() * (to + 2 * from));
  const TaskSplit split(blocks, operations / static_cast<double>(blocks));
  const int threads = threads_for(operations, lane_operations_per_thread);
  const AlignedBuffer buffers(buffer_bytes * static_cast<std::size_t>(threads));
  parallel_for(split.tasks(), threads, [&](std::int64_t task, int thread) {
    char* const buffer = static_cast<char*>(buffers.data()) + buffer_bytes * static_cast<std::size_t>(thread);
    T* const gradient = reinterpret_cast<T*>(buffer);
    auto* const shares = reinterpret_cast<double*>(buffer + gradient_bytes);
    T* const sums = reinterpret_cast<T*>(buffer + gradient_bytes + share_bytes);
    T* const block = reinterpret_cast<T*>(buffer + gradient_bytes + share_bytes + sum_bytes);
    for (std::int64_t unit = split.begin(task); unit < split.end(task); ++unit) {
      const std::int64_t plane = unit * lanes, planes = std::min(lanes, shape.planes() - plane);
      lane_kernels.load(grad_output + plane * from, from, planes, from, gradient);
      lane_kernels.share(gradient, shape.output[0] * shape.output[1], shape.output[2], row_divisors.data(),
                         column_divisors.data(), shares);
      for (std::size_t depth = 0; depth < runs[0].size(); ++depth) {
        LaneWindows<double> sources;
        sources.rows = windows[1].data();
        sources.columns = windows[2].data();
        sources.row_count = row_runs;
        sources.column_count = column_runs;
        sources.first_row = 0;
        sources.width = sources.row_step = shape.output[2];
        sources.depths = windows[0][depth].count;
        sources.depth_step = shape.output[1] * shape.output[2];
        sources.column_step = 1;
        lane_kernels.sum_shares(sources, shares + windows[0][depth].first * sources.depth_step * lanes, sums);
        const LaneSpan& depths = elements[0][depth];
        T* const first_depth = block + depths.first * shape.input[1] * width * lanes;
        for (std::int64_t i = 0; i < row_runs; ++i) {
          const LaneSpan& rows = elements[1][static_cast<std::size_t>(i)];
          T* const first = first_depth + rows.first * width * lanes;
          lane_kernels.repeat(sums + i * column_runs * lanes, elements[2].data(), column_runs, first);
          for (std::int64_t y = 1; y < rows.count; ++y)
            std::copy_n(first, width * lanes, first + y * width * lanes);
        }
        const std::int64_t depth_size = shape.input[1] * width * lanes;
        for (std::int64_t d = 1; d < depths.count; ++d)
          std::copy_n(first_depth, depth_size, first_depth + d * depth_size);
      }
      lane_kernels.store(block, to, grad_input + plane * to, to, planes);
    }
  });
}

template <class T>
void avg_grad(const PlaneShape& shape, const T* grad_output, T* grad_input, Isa isa) {
  const WindowTables tables = adaptive_tables(shape);
  const Runs runs{runs_of(tables[0], shape.input[0]), runs_of(tables[1], shape.input[1]),
                  runs_of(tables[2], shape.input[2])};
  const PoolKernels<T>& kernels = pool_kernels<T>(isa);
  if (prefers_lanes<T>(shape, kernels.lanes))
    return avg_grad_in_lanes(shape, tables, runs, kernels, grad_output, grad_input);
  const auto row_runs = static_cast<std::int64_t>(runs[1].size());
  const std::int64_t units_per_plane = static_cast<std::int64_t>(runs[0].size()) * row_runs;
  const std::int64_t units = shape.planes() * units_per_plane;
  const double operations = static_cast<double>(shape.input_size() + 4 * shape.output_size());
  const TaskSplit split(units, operations / static_cast<double>(units));
  const int threads = threads_for(operations, pool_elements_per_thread);
  const std::int64_t columns = shape.output[2];
  const std::size_t bytes = round_up_to_line(static_cast<std::size_t>(columns) * sizeof(double));
  const AlignedBuffer buffers(bytes * static_cast<std::size_t>(threads));

  // A unit is a run of rows at a run of depths: all of them are alike.
  parallel_for(split.tasks(), threads, [&](std::int64_t task, int thread) {
    auto* const shares = reinterpret_cast<double*>(static_cast<char*>(buffers.data()) +
                                                   bytes * static_cast<std::size_t>(thread));
    for (std::int64_t unit = split.begin(task); unit < split.end(task); ++unit) {
      const std::int64_t plane = unit / units_per_plane, place = unit % units_per_plane;
      const Run& depths = runs[0][static_cast<std::size_t>(place / row_runs)];
      const Run& rows = runs[1][static_cast<std::size_t>(place % row_runs)];
      std::fill_n(shares, columns, 0.0);
      for (std::int64_t d = depths.first; d < depths.behind; ++d)
        for (std::int64_t y = rows.first; y < rows.behind; ++y) {
          const auto elements = static_cast<double>(tables[0].extent(d) * tables[1].extent(y));
          const T* const gradient =
              grad_output + plane * shape.output_plane() + (d * shape.output[1] + y) * columns;
          for (std::int64_t x = 0; x < columns; ++x)
            shares[x] +=
                static_cast<double>(gradient[x]) / (elements * static_cast<double>(tables[2].extent(x)));
        }
      T* const result = grad_input + plane * shape.input_plane();
      T* const first_row = result + (depths.begin * shape.input[1] + rows.begin) * shape.input[2];
      for (const Run& run : runs[2]) {
        double sum = 0;
        for (std::int64_t x = run.first; x < run.behind; ++x) sum += shares[x];
        std::fill(first_row + run.begin, first_row + run.end, static_cast<T>(sum));
      }
      for (std::int64_t d = depths.begin; d < depths.end; ++d)
        for (std::int64_t y = rows.begin; y < rows.end; ++y) {
          T* const row = result + (d * shape.input[1] + y) * shape.input[2];
          if (row != first_row) std::copy_n(first_row, shape.input[2], row);
        }
    }
  });
}

template <class T>
void max_forward(const PlaneShape& shape, const T* input, T* output, std::int64_t* indices, Isa isa) {
  const PoolKernels<T>& kernels = pool_kernels<T>(isa);
  const WindowTables tables = adaptive_tables(shape);
  if (prefers_lanes<T>(shape, kernels.lanes)) {
    const LanePool<T> pool = lane_pool(shape, tables, kernels);
    const Extents kernel = most_extents(tables);
    if (pool.fits() && indices == nullptr) return pool.max(input, output);
    if (pool.fits() && has_byte_taps(kernel)) {
      const TapPlaces places(shape, tables);
      return for_each_part_of_taps(shape.planes(), shape.output_plane(),
                                   [&](std::int64_t plane, std::int64_t planes, std::uint8_t* taps) {
                                     PlaneShape part = shape;
                                     part.batch = 1;
                                     part.channels = planes;
                                     lane_pool(part, tables, kernels)
                                         .max_with_taps(tap_numbers(kernel),
                                                        input + plane * shape.input_plane(),
                                                        output + plane * shape.output_plane(), taps);
                                     places.indices(planes, taps, indices + plane * shape.output_plane());
                                   });
    }
  }
  if (shape.output_plane() == 1) return global_max(shape, input, output, indices, isa);
  const double elements = elements_per_adaptive_window(shape);
  max_of_windows(shape, elements, kernels, input, output, indices, threads_for_windows(shape, elements),
                 [&](std::int64_t, int) -> const WindowTables& { return tables; });
}

}  // namespace

void adaptive_avg_pool_forward(const PlaneShape& shape, DType dtype, const void* input, void* output,
                               Isa isa) {
  if (is_empty(shape)) return;
  if (const auto plain = plain_average(shape)) return avg_pool_forward(*plain, {}, dtype, input, output, isa);
  if (dtype == DType::float32)
    avg_forward(shape, static_cast<const float*>(input), static_cast<float*>(output), isa);
  else
    avg_forward(shape, static_cast<const double*>(input), static_cast<double*>(output), isa);
}

void adaptive_avg_pool_grad(const PlaneShape& shape, DType dtype, const void* grad_output, void* grad_input,
                            Isa isa) {
  if (shape.input_size() == 0) return;
  if (shape.output_size() == 0) {
    const std::size_t width = dtype == DType::float32 ? sizeof(float) : sizeof(double);
    std::memset(grad_input, 0, static_cast<std::size_t>(shape.input_size()) * width);
    return;
  }
  if (const auto plain = plain_average(shape); plain && has_squares(*plain))
    return avg_pool_grad(*plain, {}, dtype, grad_output, grad_input, isa);
  if (dtype == DType::float32)
    avg_grad(shape, static_cast<const float*>(grad_output), static_cast<float*>(grad_input), isa);
  else
    avg_grad(shape, static_cast<const double*>(grad_output), static_cast<double*>(grad_input), isa);
}

void adaptive_max_pool_forward(const PlaneShape& shape, DType dtype, const void* input, void* output,
                               std::int64_t* indices, Isa isa) {
  if (is_empty(shape)) return;
  if (dtype == DType::float32)
    max_forward(shape, static_cast<const float*>(input), static_cast<float*>(output), indices, isa);
  else
    max_forward(shape, static_cast<const double*>(input), static_cast<double*>(output), indices, isa);
}

}  // namespace convnative
