// One function per topic; module.cpp calls them all.
#pragma once

#include <pybind11/pybind11.h>

namespace convnative::python {

void bind_activation(pybind11::module_& module);
void bind_conv(pybind11::module_& module);
void bind_dense(pybind11::module_& module);
void bind_elementwise(pybind11::module_& module);
void bind_embedding(pybind11::module_& module);
void bind_image(pybind11::module_& module);
void bind_kernels(pybind11::module_& module);
void bind_memory(pybind11::module_& module);
void bind_normalization(pybind11::module_& module);
void bind_loss(pybind11::module_& module);
void bind_optimizer(pybind11::module_& module);
void bind_plane_pool(pybind11::module_& module);
void bind_pool(pybind11::module_& module);
void bind_pool_explain(pybind11::module_& module);
void bind_rearrange(pybind11::module_& module);
void bind_resample(pybind11::module_& module);
void bind_runtime(pybind11::module_& module);

}  // namespace convnative::python
