#include "bindings.h"

PYBIND11_MODULE(_core, module, pybind11::mod_gil_not_used()) {
  using namespace convnative::python;
  module.doc() =
      "The C++ core of convnative. Its functions check their arguments; their home is convnative.functional.";
  bind_runtime(module);  // first: it reads the environment and sets up interrupts and exceptions
  bind_conv(module);
  bind_dense(module);
  bind_pool(module);
  bind_activation(module);
  bind_pool_explain(module);
  bind_plane_pool(module);
  bind_rearrange(module);
  bind_resample(module);
  bind_image(module);
  bind_elementwise(module);
  bind_normalization(module);
  bind_embedding(module);
  bind_loss(module);
  bind_optimizer(module);
  bind_kernels(module);
  bind_memory(module);
}
