// Gradient in the weights by implicit im2col: the same patches as the forward, summed over points and images.
//
//   grad_weight[k][(c, t)] = sum over images, points of grad_output[k][point] * im2col[(c, t)][point]
//
// Here the patches are the left-hand matrix: MR of their rows, read along the points, are broadcast against
// panels of NR output channels of the transposed grad_output. Nothing is summed across threads.
//
//   tasks: group x block of (c, t) rows x block of output channels, in parallel
//     for each strip of points: pack im2col (rows x points)                  L2, reused by every panel
//       for each panel of NR output channels: pack grad_output transposed (points x NR)
//         for each MR rows: micro-kernel, on sums (rows x channels) in the workspace
//     sums, transposed, to grad_weight
//
// Points run on from image to image. Each element is one chain over images and points in ascending order.
#include <algorithm>
#include <cmath>
#include <memory>
#include <string>

#include "base/aligned_buffer.h"
#include "base/checked.h"
#include "base/parallel.h"
#include "conv/algorithm.h"
#include "conv/im2col_lattice.h"
#include "gemm/blocking.h"
#include "gemm/kernels.h"

namespace convnative {
namespace {

// Together some 0.7 MiB of float32: patches 288 x 192, sums 288 x 288, a panel of 192 x 48.
constexpr std::int64_t strip_points = 192;
constexpr std::int64_t block_rows = 288;
template <class T>
constexpr std::int64_t block_channels = 288 * 4 / static_cast<std::int64_t>(sizeof(T));

template <class T>
class Im2colGemmGradWeight final : public ConvAlgorithm {
 public:
  explicit Im2colGemmGradWeight(const ConvProblem& problem)
      : shape_(problem.shape),
        kernels_(gemm_kernels<T>(problem.isa)),
        threads_(problem.threads),
        points_(std::clamp(ceil_div(shape_.batch * shape_.output_plane(), kernels_.lanes), std::int64_t{1},
                           strip_points / kernels_.lanes) *
                kernels_.lanes),
        rows_(1, 1),
        channels_(shape_.out_channels_per_group(), block_channels<T>),
        lattice_(input_lattice(shape_)) {
    // Rows are cut finer than the memory asks for where threads would stay idle.
    const std::int64_t depth = shape_.in_channels_per_group() * shape_.taps();
    const std::int64_t wanted = ceil_div(threads_, shape_.groups * channels_.parts);
    rows_ =
        EvenSplit(depth, std::clamp<std::int64_t>(ceil_div(depth, wanted), kernels_.max_rows, block_rows));
  }

  const char* name() const override { return "im2col_gemm"; }
  std::string kernel() const override {
    return kernels_.kernel(kernels_.max_rows, kernels_.max_vectors).name;
  }
  std::size_t workspace_bytes() const override { return thread_bytes() * static_cast<std::size_t>(threads_); }

  void run(const ConvArrays& arrays, const void* /*packed*/, void* workspace) const override {
    parallel_for(shape_.groups * rows_.parts * channels_.parts, threads_, [&](std::int64_t task, int thread) {
      char* memory = static_cast<char*>(workspace) + thread_bytes() * static_cast<std::size_t>(thread);
      T* const patches = take(memory, max_rows() * points_);
      T* const panel = take(memory, points_ * panel_columns());
      T* const sums = take(memory, max_rows() * sums_columns());
      const std::int64_t group = task / channels_.parts / rows_.parts;
      const std::int64_t row_part = task / channels_.parts % rows_.parts;
      const Block block{group, rows_.begin(row_part), rows_.end(row_part),
                        channels_.begin(task % channels_.parts), channels_.end(task % channels_.parts)};
      sum_up(block, arrays, patches, panel, sums, memory);
      store(block, sums, static_cast<T*>(arrays.result));
    });
  }

 private:
  // What one task computes: rows (c, t) and output channels of one group.
  struct Block {
    std::int64_t group;
    std::int64_t row_begin, row_end;
    std::int64_t channel_begin, channel_end;
  };

  std::int64_t panel_columns() const { return kernels_.max_vectors * kernels_.lanes; }
  std::int64_t max_rows() const { return ceil_div(rows_.total, rows_.parts); }
  std::int64_t sums_columns() const {
    return ceil_div(ceil_div(channels_.total, channels_.parts), kernels_.lanes) * kernels_.lanes;
  }
  static T* take(char*& memory, std::int64_t elements) {
    T* const taken = reinterpret_cast<T*>(memory);
    memory += round_up_to_line(static_cast<std::size_t>(elements) * sizeof(T));
    return taken;
  }
  std::size_t thread_bytes() const {
    const auto bytes = [](std::int64_t elements) {
      return round_up_to_line(static_cast<std::size_t>(elements) * sizeof(T));
    };
    return bytes(max_rows() * points_) + bytes(points_ * panel_columns()) +
           bytes(max_rows() * sums_columns()) +
           Im2colRuns::bytes(lattice_, kernels_.lanes, points_, std::min(shape_.taps(), max_rows()));
  }

  void sum_up(const Block& block, const ConvArrays& arrays, T* patches, T* panel, T* sums,
              void* runs_memory) const {
    Im2colRuns runs(lattice_, kernels_.lanes, points_, runs_memory);
    const EvenSplit strips(lattice_.points(), points_);
    const EvenSplit panels(ceil_div(block.channel_end - block.channel_begin, kernels_.lanes),
                           kernels_.max_vectors);
    const EvenSplit tiles(block.row_end - block.row_begin, kernels_.max_rows);
    const T* const input = static_cast<const T*>(arrays.input) +
                           block.group * shape_.in_channels_per_group() * shape_.input_plane();
    const T* const grad_output =
        static_cast<const T*>(arrays.grad_output) +
        (block.group * shape_.out_channels_per_group() + block.channel_begin) * shape_.output_plane();
    for (std::int64_t strip = 0; strip < strips.parts && !stop_requested(); ++strip) {
      const std::int64_t first = strips.begin(strip), points = strips.end(strip) - first;
      const std::int64_t pitch = ceil_div(points, kernels_.lanes) * kernels_.lanes;
      pack_patches(block, input, first, points, runs, patches);
      for (std::int64_t index = 0; index < panels.parts; ++index) {
        const std::int64_t column = panels.begin(index) * kernels_.lanes;
        const std::int64_t columns =
            std::min(panels.end(index) * kernels_.lanes, block.channel_end - block.channel_begin) - column;
        const int vectors = static_cast<int>(panels.end(index) - panels.begin(index));
        pack_grad_output(grad_output + column * shape_.output_plane(), first, points, columns, vectors,
                         panel);
        for (std::int64_t tile = 0; tile < tiles.parts; ++tile) {
          const std::int64_t row = tiles.begin(tile);
          kernels_.kernel(static_cast<int>(tiles.end(tile) - row), vectors)
              .run({patches + row * pitch, pitch, 1, panel, points, sums + row * sums_columns() + column,
                    sums_columns(), columns, nullptr, strip > 0});
        }
      }
    }
    if (strips.parts == 0) std::fill(sums, sums + max_rows() * sums_columns(), T{0});
  }

  // Transposed to points x channels, image by image.
  void pack_grad_output(const T* grad_output, std::int64_t first, std::int64_t points, std::int64_t columns,
                        int vectors, T* panel) const {
    const std::int64_t plane = shape_.output_plane();
    for (std::int64_t p = 0; p < points;) {
      const std::int64_t image = (first + p) / plane, point = (first + p) % plane;
      const std::int64_t count = std::min(points - p, plane - point);
      kernels_.pack_matrix({grad_output + image * shape_.out_channels * plane + point, 1, plane, count,
                            columns, vectors, panel + p * vectors * kernels_.lanes});
      p += count;
    }
  }

  // Rows [row_begin, row_end) may begin and end in the middle of a channel's taps: those are packed apart.
  void pack_patches(const Block& block, const T* input, std::int64_t first, std::int64_t points,
                    Im2colRuns& runs, T* patches) const {
    const std::int64_t taps = shape_.taps();
    const int vectors = static_cast<int>(ceil_div(points, kernels_.lanes));
    const std::int64_t pitch = vectors * kernels_.lanes;
    std::int64_t built_tap = -1, built_taps = 0;
    for (std::int64_t row = block.row_begin; row < block.row_end;) {
      const std::int64_t tap = row % taps;
      const bool whole = tap == 0 && block.row_end - row >= taps;
      const std::int64_t count = whole ? taps : std::min(taps - tap, block.row_end - row);
      const std::int64_t channels = whole ? (block.row_end - row) / taps : 1;
      if (tap != built_tap || count != built_taps) runs.build(first, points, tap, count);
      built_tap = tap;
      built_taps = count;
      kernels_.pack_im2col({input + row / taps * shape_.input_plane(), shape_.input_plane(), channels,
                            runs.runs(), runs.runs_per_vector(), count, runs.step(),
                            static_cast<T>(shape_.padding_value), vectors,
                            patches + (row - block.row_begin) * pitch});
      row += channels * count;
    }
  }

  void store(const Block& block, const T* sums, T* grad_weight) const {
    const std::int64_t depth = rows_.total;
    const std::int64_t first_channel = block.group * channels_.total;
    for (std::int64_t k = block.channel_begin; k < block.channel_end; ++k)
      for (std::int64_t row = block.row_begin; row < block.row_end; ++row)
        grad_weight[(first_channel + k) * depth + row] =
            sums[(row - block.row_begin) * sums_columns() + k - block.channel_begin];
  }

  ConvShape shape_;
  const GemmKernels<T>& kernels_;
  int threads_;
  std::int64_t points_;  // of a strip, at most
  EvenSplit rows_, channels_;
  Im2colLattice lattice_;
};

// Fitted to measurements with AVX-512, and the same on any level, like the choice that follows from it. Nothing here
// may depend on the number of threads, which must not change results.
template <class T>
double cycles_of(const ConvProblem& problem) {
  const ConvShape& s = problem.shape;
  const std::int64_t lanes = gemm_kernels<T>(Isa::avx512).lanes;
  const auto rows = static_cast<double>(s.in_channels_per_group() * s.taps());
  const auto channels = static_cast<double>(ceil_div(s.out_channels_per_group(), lanes));
  const auto points = static_cast<double>(s.batch * s.output_plane());
  const double pieces =
      1 + static_cast<double>(lanes - 1) / static_cast<double>(std::max<std::int64_t>(s.output[2], 1));
  // Pieces of the vectors are found for every tap, then packed in every channel.
  const double vectors = points / static_cast<double>(lanes);
  const double finding = vectors * static_cast<double>(s.taps()) * pieces * 14;
  const double packing = vectors * rows * pieces * (s.stride[2] == 1 ? 2.5 : s.stride[2] == 2 ? 4 : 11);
  const double transposing = points * channels * 5 * std::ceil(rows / static_cast<double>(block_rows));
  const double products = points * rows * channels / 2 * (channels > 2 ? 1.2 : channels > 1 ? 1.35 : 1.8);
  return static_cast<double>(s.groups) * (finding + packing + transposing + products + 1500) +
         static_cast<double>(s.weight_size()) * 4;
}

}  // namespace

double im2col_gemm_grad_weight_cycles(const ConvProblem& problem) {
  return problem.dtype == DType::float32 ? cycles_of<float>(problem) : cycles_of<double>(problem);
}

std::shared_ptr<const ConvAlgorithm> make_im2col_gemm_grad_weight(const ConvProblem& problem) {
  if (problem.dtype == DType::float32) return std::make_shared<Im2colGemmGradWeight<float>>(problem);
  return std::make_shared<Im2colGemmGradWeight<double>>(problem);
}

}  // namespace convnative
