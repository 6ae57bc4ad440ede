"""The C++ core. Its functions check their arguments; their home is convnative.functional.

Arrays are float32 or float64 ndarrays of any layout; `axes` is the number of spatial axes. Sizes are an int
or a sequence of ints, padding as convnative.functional describes it. tests/test_stubs.py holds this file and
the module together.
"""

from typing import Any

from numpy import ndarray

# Convolution: src/conv.cpp
def conv_forward(
    axes: int,
    input: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: Any,
    padding_mode: Any = "zeros",
    out: Any = None,
    algorithm: str | None = None,
    activation: tuple[str, tuple[float, ...]] | None = None,
) -> ndarray: ...
def conv_grad_input(
    axes: int,
    grad_output: Any,
    weight: Any,
    input_shape: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: Any,
    padding_mode: Any = "zeros",
    algorithm: str | None = None,
) -> ndarray: ...
def conv_grad_weight(
    axes: int,
    grad_output: Any,
    input: Any,
    weight_shape: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: Any,
    padding_mode: Any = "zeros",
    algorithm: str | None = None,
) -> ndarray: ...
def conv_grad_bias(axes: int, grad_output: Any) -> ndarray: ...
def conv_transpose_forward(
    axes: int,
    input: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: Any,
    dilation: Any,
    out: Any = None,
    algorithm: str | None = None,
) -> ndarray: ...
def conv_transpose_grad_input(
    axes: int,
    grad_output: Any,
    weight: Any,
    input_shape: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: Any,
    dilation: Any,
    algorithm: str | None = None,
) -> ndarray: ...
def conv_transpose_grad_weight(
    axes: int,
    grad_output: Any,
    input: Any,
    weight_shape: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: Any,
    dilation: Any,
    algorithm: str | None = None,
) -> ndarray: ...
def conv_explain(
    operation: str,
    dtype: str,
    input_shape: Any,
    weight_shape: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: Any,
    padding_mode: Any = "zeros",
    algorithm: str | None = None,
) -> dict[str, Any]: ...
def conv_transpose_explain(
    dtype: str,
    input_shape: Any,
    weight_shape: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: Any,
    dilation: Any,
    algorithm: str | None = None,
) -> dict[str, Any]: ...
def prepare_conv(
    axes: int,
    input_shape: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: Any,
    padding_mode: Any = "zeros",
    activation: tuple[str, tuple[float, ...]] | None = None,
    algorithm: str | None = None,
) -> PreparedConv: ...
def prepare_conv_transpose(
    axes: int,
    input_shape: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: Any,
    dilation: Any,
    activation: tuple[str, tuple[float, ...]] | None = None,
    algorithm: str | None = None,
) -> PreparedConv: ...

class PreparedConv:
    def __call__(self, input: Any, residual: Any = None, out: Any = None) -> ndarray: ...
    def explain(self) -> dict[str, Any]: ...
    @property
    def input_shape(self) -> tuple[int, ...]: ...
    @property
    def nbytes(self) -> int: ...

def conv_algorithms() -> list[dict[str, Any]]: ...

# Dense products: src/dense.cpp
def matmul(
    a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False, bias: Any = None, out: Any = None
) -> ndarray: ...
def column_sums(matrix: Any) -> ndarray: ...

# Pooling: src/pool.cpp
def max_pool_forward(
    axes: int,
    input: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: Any,
    out: Any = None,
) -> ndarray: ...
def max_pool_with_indices(
    axes: int,
    input: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: Any,
    out: Any = None,
) -> tuple[ndarray, ndarray]: ...
def max_pool_with_taps(
    axes: int, input: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: Any
) -> tuple[ndarray, ndarray | None]: ...
def max_pool_grad(
    axes: int,
    input: Any,
    grad_output: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: Any,
    taps: Any = None,
) -> ndarray: ...
def max_pool_pick(
    axes: int,
    input: Any,
    values: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: Any,
    taps: Any = None,
) -> ndarray: ...
def avg_pool_forward(
    axes: int,
    input: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: Any,
    count_include_pad: bool,
    divisor_override: Any,
    out: Any = None,
    dilation: Any = 1,
) -> ndarray: ...
def avg_pool_grad(
    axes: int,
    grad_output: Any,
    input_shape: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: Any,
    count_include_pad: bool,
    divisor_override: Any,
    dilation: Any = 1,
) -> ndarray: ...
def lp_pool_forward(
    axes: int,
    input: Any,
    norm_type: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: Any,
    absolute: bool,
    scaled: bool,
    out: Any = None,
) -> ndarray: ...
def lp_pool_grad(
    axes: int,
    input: Any,
    output: Any,
    grad_output: Any,
    norm_type: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: Any,
    absolute: bool,
    scaled: bool,
) -> ndarray: ...

# Pools to an output size, moves by index: src/plane_pool.cpp
def adaptive_avg_pool_forward(axes: int, input: Any, output_size: Any, out: Any = None) -> ndarray: ...
def adaptive_avg_pool_grad(axes: int, grad_output: Any, input_shape: Any, output_size: Any) -> ndarray: ...
def adaptive_max_pool_forward(axes: int, input: Any, output_size: Any, out: Any = None) -> ndarray: ...
def adaptive_max_pool_with_indices(
    axes: int, input: Any, output_size: Any, out: Any = None
) -> tuple[ndarray, ndarray]: ...
def fractional_max_pool_forward(
    axes: int, input: Any, kernel_size: Any, output_size: Any, _random_samples: Any, out: Any = None
) -> ndarray: ...
def fractional_max_pool_with_indices(
    axes: int, input: Any, kernel_size: Any, output_size: Any, _random_samples: Any, out: Any = None
) -> tuple[ndarray, ndarray]: ...
def max_unpool_forward(axes: int, input: Any, indices: Any, output_size: Any, out: Any = None) -> ndarray: ...
def indexed_add(axes: int, values: Any, indices: Any, output_size: Any) -> ndarray: ...
def indexed_pick(axes: int, values: Any, indices: Any, missing: Any) -> ndarray: ...

# What pools would run: src/pool_explain.cpp
def pool_explain(
    operation: str,
    dtype: str,
    axes: int,
    input_shape: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: Any,
) -> dict[str, Any]: ...
def plane_pool_explain(
    operation: str, dtype: str, axes: int, input_shape: Any, output_size: Any, kernel_size: Any = None
) -> dict[str, Any]: ...

# Padding, sliding blocks, order of axes: src/rearrange.cpp
def pad_forward(input: Any, pad: Any, mode: Any, value: Any) -> ndarray: ...
def pad_grad(grad_output: Any, input_shape: Any, pad: Any, mode: Any) -> ndarray: ...
def unfold(axes: Any, input: Any, kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> ndarray: ...
def fold(
    axes: Any, input: Any, output_size: Any, kernel_size: Any, dilation: Any, padding: Any, stride: Any
) -> ndarray: ...
def permute(input: Any, view: Any, order: Any, shape: Any) -> ndarray: ...

# Pictures: src/image.cpp
def correlate_picture(
    image: Any, kernel: Any, row: Any, centre: Any, border: Any, value: Any, absolute: Any, as_float: Any
) -> ndarray: ...

# Resampling: src/resample.cpp; config is that of functional/_interpolate.py
def resample_forward(input: Any, config: tuple[Any, ...]) -> ndarray: ...
def resample_grad(grad_output: Any, input_shape: Any, config: tuple[Any, ...]) -> ndarray: ...

# Activations: src/activation.cpp
def relu_forward(input: Any, out: Any = None) -> ndarray: ...
def relu_grad(input: Any, grad_output: Any) -> ndarray: ...
def activation_functions() -> list[tuple[str, int]]: ...
def activation_forward(input: Any, name: Any, parameters: Any, out: Any = None) -> ndarray: ...
def activation_grad(input: Any, grad_output: Any, name: Any, parameters: Any, order: Any = 1) -> ndarray: ...
def prelu_forward(
    input: Any, values: Any, weight: Any, pass_positive: Any = True, out: Any = None
) -> ndarray: ...
def prelu_sums(input: Any, a: Any, b: Any, weight_shape: Any) -> ndarray: ...

# Elementwise: src/elementwise.cpp
def softmax_forward(input: Any, dim: Any, log: bool, out: Any = None) -> ndarray: ...
def softmax_grad(result: Any, grad_output: Any, dim: Any, log: bool) -> ndarray: ...

# Steps of optimizers, in place: src/optimizer.cpp
def sgd_step(
    parameter: Any,
    grad: Any,
    buffer: Any,
    rate: Any,
    momentum: Any,
    dampening: Any,
    weight_decay: Any,
    nesterov: Any,
    maximize: Any,
    first: Any,
) -> None: ...
def adamw_step(
    parameter: Any,
    grad: Any,
    mean: Any,
    square: Any,
    max_square: Any,
    rate: Any,
    beta1: Any,
    beta2: Any,
    epsilon: Any,
    weight_decay: Any,
    number: Any,
    maximize: Any,
) -> None: ...

# Embedding: src/embedding.cpp
def embedding_forward(input: Any, weight: Any) -> ndarray: ...
def embedding_grad(
    input: Any, grad_output: Any, weight_shape: Any, padding_idx: Any, scale_grad_by_freq: Any
) -> ndarray: ...
def embedding_grad_adjoint(input: Any, weight: Any, padding_idx: Any, scale_grad_by_freq: Any) -> ndarray: ...
def embedding_renormalise(input: Any, weight: Any, max_norm: Any, norm_type: Any) -> None: ...

# Losses: src/loss.cpp
def sum(input: Any, divisor: Any = 1) -> ndarray: ...
def pairwise_losses() -> list[str]: ...
def pairwise_loss(
    loss: Any,
    derivative: Any,
    parameter: Any,
    input: Any,
    target: Any,
    weight: Any,
    grad: Any,
    reduce: Any,
    divisor: Any,
) -> ndarray: ...
def target_weight(input_shape: Any, target: Any, class_weight: Any, ignore_index: Any) -> float: ...
def nll_forward(input: Any, target: Any, class_weight: Any, ignore_index: Any) -> ndarray: ...
def nll_grad(
    input_shape: Any, target: Any, class_weight: Any, ignore_index: Any, grad_losses: Any
) -> ndarray: ...
def cross_entropy_forward(
    input: Any, target: Any, class_weight: Any, ignore_index: Any, label_smoothing: Any
) -> ndarray: ...
def cross_entropy_grad(
    input: Any, target: Any, class_weight: Any, ignore_index: Any, label_smoothing: Any, grad_losses: Any
) -> ndarray: ...

# Normalisation: src/normalization.cpp
def norm_moments(input: Any, kind: Any, number: Any) -> ndarray: ...
def norm_forward(
    input: Any, mean: Any, inverse: Any, weight: Any, bias: Any, kind: Any, number: Any, out: Any = None
) -> ndarray: ...
def norm_grad(
    input: Any,
    grad_output: Any,
    mean: Any,
    inverse: Any,
    weight: Any,
    kind: Any,
    number: Any,
    constant: Any,
    wanted: Any,
) -> tuple[Any, Any, Any]: ...
def local_response_forward(
    input: Any, size: Any, alpha: Any, beta: Any, k: Any, out: Any = None
) -> ndarray: ...
def local_response_grad(
    input: Any, grad_output: Any, size: Any, alpha: Any, beta: Any, k: Any
) -> ndarray: ...
def channel_window_sum(input: Any, size: Any, adjoint: Any) -> ndarray: ...
def class_product_forward(
    input: Any, probabilities: Any, class_weight: Any, scale: Any, shift: Any
) -> ndarray: ...
def class_product_grad(
    probabilities: Any, class_weight: Any, grad_losses: Any, scale: Any, shift: Any
) -> ndarray: ...
def class_product_points(
    input: Any, probabilities: Any, grad_losses: Any, scale: Any, shift: Any
) -> ndarray: ...

# Kernel tables: src/kernels.cpp
def gemm_kernels() -> list[dict[str, Any]]: ...
def run_gemm_kernel(name: str, a: Any, b: Any, c: Any) -> None: ...

# Settings: src/runtime.cpp
def set_num_threads(threads: Any) -> None: ...
def get_num_threads() -> int: ...
def available_isas() -> list[str]: ...
def isa() -> str: ...
def set_isa(isa: str) -> None: ...
def precision() -> str: ...
def set_precision(precision: str) -> None: ...
def build_info() -> dict[str, Any]: ...
def fma_peak() -> float: ...
def release_memory() -> int: ...
