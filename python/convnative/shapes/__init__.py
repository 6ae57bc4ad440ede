"""Integer arithmetic of convolution and pooling windows, without arrays.

Every function here answers one question about sizes: which output a window gives, which padding a mode
means, which kernel, stride or padding leads to a wanted output, how far an output sees into the input. Sizes
are ints or symbolic: a name such as ``"H"`` stands for an unknown size and the answer is then an
`Expression`. The rules and the limits are those of the C++ core, which checks its arguments in signed 64-bit
arithmetic; nothing is imported from it, nor from NumPy.

The letters are those of Dumoulin and Visin, "A guide to convolution arithmetic for deep learning"
(arXiv:1603.07285): input I, kernel F, stride S, padding P, and the output
``floor((I + P_before + P_after - F) / S) + 1``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._arguments import MAX_SIZE, normalize_padding, normalize_size
    from ._inverse import (
        Solution,
        Solutions,
        solve_input_size,
        solve_kernel_size,
        solve_padding,
        solve_stride,
    )
    from ._padding import effective_kernel_size, resolve_padding
    from ._pools import (
        adaptive_output_shape,
        adaptive_windows,
        fractional_output_shape,
        unpool_output_shape,
        unpool_output_size,
    )
    from ._rearranging import (
        fold_output_shape,
        interpolate_output_shape,
        normalize_scale,
        pad_output_shape,
        pixel_shuffle_output_shape,
        pixel_unshuffle_output_shape,
        unfold_output_shape,
    )
    from ._receptive_field import (
        InputRegion,
        ReceptiveField,
        compose_receptive_fields,
        halo,
        input_region,
        receptive_field,
    )
    from ._symbols import Expression, symbol
    from ._transposed import conv_transpose_output_shape, conv_transpose_output_size
    from ._windows import (
        conv_output_shape,
        conv_output_size,
        element_count,
        flatten_output_shape,
        linear_output_shape,
        pool_output_shape,
        pool_output_size,
    )

__all__ = [
    "MAX_SIZE",
    "Expression",
    "InputRegion",
    "ReceptiveField",
    "Solution",
    "Solutions",
    "adaptive_output_shape",
    "adaptive_windows",
    "compose_receptive_fields",
    "conv_output_shape",
    "conv_output_size",
    "conv_transpose_output_shape",
    "conv_transpose_output_size",
    "effective_kernel_size",
    "element_count",
    "flatten_output_shape",
    "fold_output_shape",
    "fractional_output_shape",
    "halo",
    "input_region",
    "interpolate_output_shape",
    "linear_output_shape",
    "normalize_padding",
    "normalize_scale",
    "normalize_size",
    "pad_output_shape",
    "pixel_shuffle_output_shape",
    "pixel_unshuffle_output_shape",
    "pool_output_shape",
    "pool_output_size",
    "receptive_field",
    "resolve_padding",
    "solve_input_size",
    "solve_kernel_size",
    "solve_padding",
    "solve_stride",
    "symbol",
    "unfold_output_shape",
    "unpool_output_shape",
    "unpool_output_size",
]

# Layers and functions use single rules: each module is imported when one of its names is first asked for.
_MODULES = {
    "_arguments": ("MAX_SIZE", "normalize_padding", "normalize_size"),
    "_inverse": (
        "Solution",
        "Solutions",
        "solve_input_size",
        "solve_kernel_size",
        "solve_padding",
        "solve_stride",
    ),
    "_padding": ("effective_kernel_size", "resolve_padding"),
    "_pools": (
        "adaptive_output_shape",
        "adaptive_windows",
        "fractional_output_shape",
        "unpool_output_shape",
        "unpool_output_size",
    ),
    "_rearranging": (
        "fold_output_shape",
        "interpolate_output_shape",
        "normalize_scale",
        "pad_output_shape",
        "pixel_shuffle_output_shape",
        "pixel_unshuffle_output_shape",
        "unfold_output_shape",
    ),
    "_receptive_field": (
        "InputRegion",
        "ReceptiveField",
        "compose_receptive_fields",
        "halo",
        "input_region",
        "receptive_field",
    ),
    "_symbols": ("Expression", "symbol"),
    "_transposed": ("conv_transpose_output_shape", "conv_transpose_output_size"),
    "_windows": (
        "conv_output_shape",
        "conv_output_size",
        "element_count",
        "flatten_output_shape",
        "linear_output_shape",
        "pool_output_shape",
        "pool_output_size",
    ),
}


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            value = globals()[name] = getattr(import_module(f".{module}", __name__), name)
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
