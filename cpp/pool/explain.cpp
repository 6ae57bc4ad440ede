// The choices of the pools, told without running them: each answer comes from the object that also runs.
#include <cstdio>
#include <string>

#include "convnative/pool.h"
#include "pool/adaptive_windows.h"
#include "pool/kernels.h"
#include "pool/lane_pool.h"
#include "pool/planes.h"
#include "pool/power.h"
#include "pool/reduce.h"
#include "pool/spread.h"
#include "pool/squares.h"
#include "pool/tap_places.h"
#include "pool/window_max.h"

namespace convnative {
namespace {

std::string rounded(double number) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", number);
  return text;
}

PoolExplanation reference(const PoolShape& shape, const char* reason) {
  return {"reference", "plain loops", reason, threads_for(elements_under_windows(shape), 1e5), 0, 0};
}

template <class Reduction>
PoolExplanation explain_reduction(const Reduction& reduction) {
  const int threads = reduction.threads();
  const auto workspace = static_cast<std::int64_t>(reduction.buffer_bytes()) * threads;
  const std::string costs = rounded(reduction.separable_operations()) +
                            " operations per output by rows and then columns, " +
                            rounded(reduction.direct_operations()) + " window by window";
  if (Reduction::transforms)
    return {"separable",
            reduction.kernel_name(),
            "rows of powers are summed as they are made",
            threads,
            workspace,
            0};
  if (reduction.separable())
    return {"separable", reduction.kernel_name(), "windows share rows: " + costs, threads, workspace, 0};
  return {"direct", reduction.kernel_name(), "windows share little: " + costs, threads, 0, 0};
}

template <class T>
PoolExplanation explain_spread(const PoolShape& shape, const PoolKernels<T>& kernels) {
  const PoolSpread<T> spread(shape, kernels);
  if (!spread.applies()) return reference(shape, "the rows under a window exceed the buffer");
  return {"spread",
          spread.kernel_name(),
          spread.by_taps() ? "windows with dilation give their shares to one tap after the other"
                           : "each element of the input gathers the shares of its windows",
          spread.threads(),
          static_cast<std::int64_t>(spread.buffer_bytes()) * spread.threads(),
          0};
}

template <class Shape>
std::int64_t buffered_taps(const Shape& shape) {
  return shape.output_plane() == 0
             ? 0
             : std::min(shape.planes(), most_buffered_taps / shape.output_plane()) * shape.output_plane();
}

template <class T>
PoolExplanation explain_argmax(const PoolShape& shape, const PoolKernels<T>& kernels, const char* reason) {
  const int threads = threads_for(elements_under_windows(shape), pool_elements_per_thread);
  if (finds_taps(shape))
    return {"argmax", for_stride(kernels.taps, shape.stride[2]).name, reason, threads, buffered_taps(shape),
            0};
  if (!has_narrow_offsets<T>(shape))
    return reference(shape, "offsets in a plane exceed the kernels' indices");
  return {"argmax", for_stride(kernels.argmax, shape.stride[2]).name, reason, threads, 0, 0};
}

template <class Pool>
PoolExplanation explain_lanes(const Pool& pool, const char* kernel) {
  return {"planes in lanes",
          kernel,
          "rows are short or windows far apart: a vector holds one element of as many planes",
          pool.threads(),
          static_cast<std::int64_t>(pool.buffer_bytes()) * pool.threads(),
          0};
}

PoolExplanation explain_squares(const PoolShape& shape, const char* kernel) {
  return {"squares",
          kernel,
          "2x2 windows side by side: their rows run on through the planes",
          squares_threads(shape),
          0,
          0};
}

template <class T>
PoolExplanation explain(PoolOperation operation, const PoolShape& shape, Isa isa) {
  const PoolKernels<T>& kernels = pool_kernels<T>(isa);
  const std::int64_t input = shape.input_size() * static_cast<std::int64_t>(sizeof(T));
  const std::int64_t output = shape.output_size() * static_cast<std::int64_t>(sizeof(T));
  const std::int64_t indices = shape.output_size() * static_cast<std::int64_t>(sizeof(std::int64_t));
  const auto touching = [](PoolExplanation explanation, std::int64_t bytes) {
    explanation.bytes_touched = bytes;
    return explanation;
  };
  const int lanes = kernels.lanes;
  const char* const argmax_name = kernels.planes.argmax_name;
  switch (operation) {
    case PoolOperation::max_forward:
      if (has_squares(shape))
        return touching(explain_squares(shape, kernels.max_squares_name), input + output);
      if (max_or_sum_prefers_lanes(shape, lanes)) {
        const LanePool<T> pool = lane_pool(shape, kernels, PoolReduction<T>(shape, kernels.max).separable());
        if (pool.fits()) return touching(explain_lanes(pool, kernels.planes.max_name), input + output);
      }
      return touching(explain_reduction(PoolReduction<T>(shape, kernels.max)), input + output);
    case PoolOperation::max_with_indices:
    case PoolOperation::max_grad: {
      const bool grad = operation == PoolOperation::max_grad;
      const std::int64_t bytes = grad ? 2 * input + output : input + output + indices;
      if (finds_taps(shape) && max_or_sum_prefers_lanes(shape, lanes)) {
        const LanePool<T> pool = lane_pool(shape, kernels, false);
        if (pool.fits()) {
          PoolExplanation explanation = explain_lanes(pool, argmax_name);
          explanation.workspace_bytes += buffered_taps(shape);
          return touching(explanation, bytes);
        }
      }
      return touching(explain_argmax(shape, kernels,
                                     grad ? "the positions of the maxima are found again, none are kept"
                                          : "the positions of the maxima are asked for"),
                      bytes);
    }
    case PoolOperation::avg_forward:
      if (has_squares(shape))
        return touching(explain_squares(shape, kernels.sum_squares_name), input + output);
      if (max_or_sum_prefers_lanes(shape, lanes)) {
        const LanePool<T> pool = lane_pool(shape, kernels, PoolReduction<T>(shape, kernels.sum).separable());
        if (pool.fits()) return touching(explain_lanes(pool, kernels.planes.sum_name), input + output);
      }
      return touching(explain_reduction(PoolReduction<T>(shape, kernels.sum)), input + output);
    case PoolOperation::avg_grad:
      if (has_squares(shape))
        return touching(explain_squares(shape, kernels.spread_squares_name), input + output);
      if (sum_grad_prefers_lanes<T>(shape, lanes) && PoolSpread<T>(shape, kernels).applies()) {
        const LanePool<T> pool = lane_pool_of_elements(shape, kernels);
        if (pool.fits()) return touching(explain_lanes(pool, kernels.planes.sum_name), input + output);
      }
      return touching(explain_spread(shape, kernels), input + output);
    case PoolOperation::lp_forward: {
      const PoolReduction<T, Power<T>> reduction(shape, kernels.sum, Power<T>(2, false));
      return touching(reduction.separable()
                          ? explain_reduction(reduction)
                          : reference(shape, "dilation of the rows, or rows that exceed the buffer"),
                      input + output);
    }
    case PoolOperation::lp_grad:
      break;
  }
  return touching(explain_spread(shape, kernels), 2 * input + 2 * output);
}

template <class T>
PoolExplanation explain_windows(const PlaneShape& shape, double elements, const char* name,
                                const char* reason, bool with_indices) {
  const auto size = static_cast<std::int64_t>(sizeof(T));
  const auto index = static_cast<std::int64_t>(with_indices ? sizeof(std::int64_t) : 0);
  return {"windows", name,
          reason,    threads_for_windows(shape, elements),
          0,         shape.input_size() * size + shape.output_size() * (size + index)};
}

template <class T>
PoolExplanation explain(PlanePoolOperation operation, const PlaneShape& shape, Isa isa) {
  const PoolKernels<T>& kernels = pool_kernels<T>(isa);
  const double elements = elements_per_adaptive_window(shape);
  const bool averages = operation == PlanePoolOperation::adaptive_avg_forward;
  const auto plain = averages ? plain_average(shape) : std::nullopt;
  if (plain) return explain<T>(PoolOperation::avg_forward, *plain, isa);
  if (averages && shape.output_plane() == 1)
    return explain_windows<T>(
        shape, elements,
        shape.input_plane() > elements_per_piece ? kernels.sum_range_name : kernels.mean_planes_name,
        "one window for each plane, summed in float64", false);
  if (operation != PlanePoolOperation::max_unpool_forward && shape.output_size() > 0 &&
      prefers_lanes<T>(shape, kernels.lanes)) {
    const WindowTables tables = adaptive_tables(shape);
    const LanePool<T> pool = lane_pool(shape, tables, kernels);
    const bool with_indices = operation == PlanePoolOperation::adaptive_max_with_indices;
    if (pool.fits() && (!with_indices || has_byte_taps(most_extents(tables)))) {
      PoolExplanation explanation = explain_lanes(pool, averages       ? kernels.planes.mean_name
                                                        : with_indices ? kernels.planes.argmax_name
                                                                       : kernels.planes.max_name);
      if (with_indices) explanation.workspace_bytes += buffered_taps(shape);
      explanation.bytes_touched = explain_windows<T>(shape, elements, "", "", with_indices).bytes_touched;
      return explanation;
    }
  }
  if (averages)
    return explain_windows<T>(shape, elements, kernels.sum_rows_name,
                              "windows differ in size; their columns are summed in float64", false);
  if (operation != PlanePoolOperation::max_unpool_forward)
    return explain_windows<T>(shape, elements, kernels.max_range_name,
                              "windows differ in size; their rows are searched one by one",
                              operation == PlanePoolOperation::adaptive_max_with_indices);
  const auto bytes = static_cast<std::int64_t>(sizeof(T));
  return {
      "scatter",
      "plain loops",
      "every value goes to its index",
      threads_for(static_cast<double>(shape.input_size() + shape.output_size()), indexed_elements_per_thread),
      0,
      shape.input_size() * (bytes + static_cast<std::int64_t>(sizeof(std::int64_t))) +
          shape.output_size() * bytes};
}

}  // namespace

PoolExplanation explain_pool(PoolOperation operation, const PoolShape& shape, DType dtype, Isa isa) {
  return dtype == DType::float32 ? explain<float>(operation, shape, isa)
                                 : explain<double>(operation, shape, isa);
}

PoolExplanation explain_pool(PlanePoolOperation operation, const PlaneShape& shape, DType dtype, Isa isa) {
  return dtype == DType::float32 ? explain<float>(operation, shape, isa)
                                 : explain<double>(operation, shape, isa);
}

PoolExplanation explain_pool(const FractionalPoolShape& shape, bool with_indices, DType dtype, Isa isa) {
  const char* const reason = "windows begin at pseudo-random places; their rows are searched one by one";
  const auto elements = static_cast<double>(volume(shape.kernel));
  return dtype == DType::float32
             ? explain_windows<float>(shape, elements, pool_kernels<float>(isa).max_range_name, reason,
                                      with_indices)
             : explain_windows<double>(shape, elements, pool_kernels<double>(isa).max_range_name, reason,
                                       with_indices);
}

}  // namespace convnative
