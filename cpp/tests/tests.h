// One function per file of the core's test program.
#pragma once

namespace convnative::test {

void test_conv();
void test_elementwise();
void test_embedding();
void test_gemm();
void test_image();
void test_kept_memory();
void test_normalization();
void test_loss();
void test_parallel();
void test_pool();
void test_rearrange();
void test_resample();
void test_shape();

}  // namespace convnative::test
