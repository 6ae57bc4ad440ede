// The core's own test program: no Python, no framework. Exit status 0 where every check held.
#include "tests.h"

#include "check.h"

int main() {
  using namespace convnative::test;
  test_shape();
  test_parallel();
  test_kept_memory();
  test_gemm();
  test_conv();
  test_pool();
  test_rearrange();
  test_resample();
  test_image();
  test_elementwise();
  test_normalization();
  test_loss();
  test_embedding();
  return report();
}
