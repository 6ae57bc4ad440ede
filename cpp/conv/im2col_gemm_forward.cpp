// Forward convolution by implicit im2col. The weights' own layout K x (C/G * taps) is the left-hand matrix,
// so there is nothing to pack.
#include <memory>
#include <string>

#include "conv/algorithm.h"
#include "conv/im2col_gemm.h"

namespace convnative {
namespace {

Im2colGemm forward_gemm(const ConvShape& shape) {
  return {input_lattice(shape), shape.groups, shape.out_channels_per_group(), shape.in_channels_per_group()};
}

template <class T>
class Im2colGemmForward final : public ConvAlgorithm {
 public:
  explicit Im2colGemmForward(const ConvProblem& problem)
      : gemm_(forward_gemm(problem.shape)),
        placement_{0,
                   {problem.shape.output[1] * problem.shape.output[2], problem.shape.output[2], 1},
                   problem.shape.output_plane(),
                   problem.shape.out_channels * problem.shape.output_plane()},
        kernels_(gemm_kernels<T>(problem.isa)),
        epilogue_(problem),
        threads_(problem.threads),
        thread_bytes_(im2col_gemm_thread_bytes(gemm_, kernels_)) {}

  const char* name() const override { return "im2col_gemm"; }
  std::string kernel() const override {
    return kernels_.kernel(kernels_.max_rows, kernels_.max_vectors).name;
  }
  std::size_t workspace_bytes() const override { return thread_bytes_ * static_cast<std::size_t>(threads_); }

  void run(const ConvArrays& arrays, const void* /*packed*/, void* workspace) const override {
    run_im2col_gemm<T>(gemm_, placement_,
                       {static_cast<const T*>(arrays.input), static_cast<const T*>(arrays.weight),
                        static_cast<const T*>(arrays.bias), static_cast<T*>(arrays.result), false,
                        epilogue_.wanted(arrays) ? &epilogue_ : nullptr, &arrays},
                       kernels_, threads_, workspace);
  }
  bool fuses_epilogue() const override { return true; }

 private:
  Im2colGemm gemm_;
  PointPlacement placement_;
  const GemmKernels<T>& kernels_;
  Epilogue<T> epilogue_;
  int threads_;
  std::size_t thread_bytes_;
};

}  // namespace

std::shared_ptr<const ConvAlgorithm> make_im2col_gemm_forward(const ConvProblem& problem) {
  if (problem.dtype == DType::float32) return std::make_shared<Im2colGemmForward<float>>(problem);
  return std::make_shared<Im2colGemmForward<double>>(problem);
}

}  // namespace convnative
