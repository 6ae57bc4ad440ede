// Gradient in the bias: sums of grad_output.
#include "base/parallel.h"
#include "convnative/conv.h"

namespace convnative {
namespace {

// Sums run in float64, so that their order does not show in float32's result for any plane of practical size;
// they are taken in ascending order of image and point.
template <class T>
void sum_channels(std::int64_t batch, std::int64_t channels, std::int64_t plane, const T* grad_output,
                  T* grad_bias) {
  constexpr double adds_per_thread = 1e5;
  const double adds = static_cast<double>(batch) * static_cast<double>(channels) * static_cast<double>(plane);
  parallel_for(channels, threads_for(adds, adds_per_thread), [&](std::int64_t channel, int) {
    // Independent partial sums hide the latency of the addition.
    constexpr std::int64_t chains = 8;
    double sums[chains] = {};
    for (std::int64_t image = 0; image < batch; ++image) {
      const T* const values = grad_output + (image * channels + channel) * plane;
      std::int64_t i = 0;
      for (; i + chains <= plane; i += chains)
        for (std::int64_t chain = 0; chain < chains; ++chain)
          sums[chain] += static_cast<double>(values[i + chain]);
      for (; i < plane; ++i) sums[i % chains] += static_cast<double>(values[i]);
    }
    double total = 0;
    for (const double sum : sums) total += sum;
    grad_bias[channel] = static_cast<T>(total);
  });
}

}  // namespace

void conv_grad_bias(DType dtype, std::int64_t batch, std::int64_t channels, std::int64_t plane,
                    const void* grad_output, void* grad_bias) {
  if (dtype == DType::float32)
    sum_channels(batch, channels, plane, static_cast<const float*>(grad_output),
                 static_cast<float*>(grad_bias));
  else
    sum_channels(batch, channels, plane, static_cast<const double*>(grad_output),
                 static_cast<double*>(grad_bias));
}

}  // namespace convnative
