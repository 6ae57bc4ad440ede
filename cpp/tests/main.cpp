// The core's own test program: no Python, no framework. Exit status 0 where every check held.
#include "tests.h"

#include "check.h"
#include "denormals.h"

int main() {
  using namespace convnative::test;
  const auto run = [](void (*test)()) {
    forget_denormals();
    test();
    CHECK(!met_denormals());
  };
  run(test_shape);
  run(test_parallel);
  run(test_kept_memory);
  run(test_gemm);
  run(test_conv);
  run(test_pool);
  run(test_rearrange);
  run(test_resample);
  run(test_image);
  run(test_elementwise);
  run(test_normalization);
  run(test_loss);
  run(test_embedding);
  return report();
}
