"""Threads, instruction sets and precision of the core, and what it says about itself."""

from __future__ import annotations

import math
import os
import platform
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _core
from ._checks import choice, float_dtype, integer

if TYPE_CHECKING:
    import inspect
    from collections.abc import Callable, Iterable, Iterator

__all__ = [
    "Explanation",
    "available_isas",
    "explain",
    "get_num_threads",
    "get_precision",
    "isa",
    "precision",
    "set_isa",
    "set_num_threads",
    "show_config",
    "threads",
]


def set_num_threads(threads: int) -> None:
    """
    Set how many threads one call may use, in the whole process.

    Results do not depend on it. The default is the number of CPUs that the process may use, or
    ``CONVNATIVE_NUM_THREADS``.

    Parameters
    ----------
    threads : int
        At least 1.

    Raises
    ------
    TypeError, ValueError
        If `threads` is not an int >= 1.

    Examples
    --------
    >>> import convnative as cn
    >>> before = cn.get_num_threads()
    >>> cn.set_num_threads(1)
    >>> cn.get_num_threads()
    1
    >>> cn.set_num_threads(before)
    """
    _core.set_num_threads(integer("threads", threads, 1))


def get_num_threads() -> int:
    """
    Return how many threads one call may use.

    Returns
    -------
    int
    """
    return _core.get_num_threads()


@contextmanager
def threads(threads: int) -> Iterator[None]:
    """
    Set the number of threads for the length of a ``with`` block.

    The number is the process's: calls from other Python threads see it too.

    Parameters
    ----------
    threads : int
        At least 1.

    Raises
    ------
    TypeError, ValueError
        If `threads` is not an int >= 1.

    Examples
    --------
    >>> import convnative as cn
    >>> with cn.threads(1):
    ...     print(cn.get_num_threads())
    1
    """
    before = get_num_threads()
    set_num_threads(threads)
    try:
        yield
    finally:
        _core.set_num_threads(before)


def isa() -> str:
    """
    Return the name of the instruction set that the core uses.

    Returns
    -------
    str
        "baseline", "avx2" or "avx512".
    """
    return _core.isa()


def available_isas() -> list[str]:
    """
    Return the instruction sets that this CPU can use, the best last.

    ``CONVNATIVE_MAX_ISA`` caps them.

    Returns
    -------
    list of str

    Examples
    --------
    >>> import convnative as cn
    >>> cn.isa() in cn.available_isas()
    True
    """
    return list(_core.available_isas())


def set_isa(name: str) -> None:
    """
    Choose the instruction set, in the whole process.

    Parameters
    ----------
    name : str
        One of `available_isas`.

    Raises
    ------
    ValueError
        If it is not available; the message lists those that are.

    Examples
    --------
    >>> import convnative as cn
    >>> cn.set_isa(cn.isa())
    """
    _core.set_isa(choice("name", name, available_isas()))


def get_precision() -> str:
    """
    Return the precision mode, "default" or "strict"; see `precision`.

    Returns
    -------
    str
    """
    return _core.precision()


@contextmanager
def precision(mode: str) -> Iterator[None]:
    """
    Choose the precision mode for the length of a ``with`` block.

    The mode is the process's: calls from other Python threads see it too.

    Parameters
    ----------
    mode : {"default", "strict"}
        In strict mode every output is one sum in an order that the shape alone decides: the same bits for
        any number of threads, any split of the batch, any memory layout. The default mode may also use
        faster algorithms with somewhat larger errors.

    Raises
    ------
    ValueError
        If the mode is another.

    Examples
    --------
    >>> import convnative as cn
    >>> with cn.precision("strict"):
    ...     print(cn.get_precision())
    strict
    """
    choice("mode", mode, ("default", "strict"))
    before = _core.precision()
    _core.set_precision(mode)
    try:
        yield
    finally:
        _core.set_precision(before)


def fma_peak() -> float:
    """
    Measure the rate of multiply-adds of the threads in use, which no kernel can exceed.

    It takes a tenth of a second, and means something on a machine that does nothing else.

    Returns
    -------
    float
        FLOP/s in float32; 0 on the instruction set "baseline", for which there is no such loop.
    """
    return _core.fma_peak()


def release_memory() -> int:
    """
    Return to the system the memory that is kept for later calls.

    The memory of results of 16 KiB and more is kept when they are gone, up to 128 MiB of it, and so is what
    calls work in, transformed weights for example: blocks of 1 MiB and more, up to 128 MiB of them too.

    Returns
    -------
    int
        How many bytes that was.

    Examples
    --------
    >>> import numpy as np, convnative as cn
    >>> y = cn.functional.relu(np.ones((256, 256), np.float32))
    >>> del y
    >>> cn.runtime.release_memory() >= 256 * 256 * 4
    True
    """
    return _core.release_memory()


class Explanation(dict[str, Any]):
    """Facts by name that show as lines of text."""

    def __repr__(self) -> str:
        width = max((len(str(key)) for key in self), default=0)
        return "\n".join(f"{key:<{width}}  {_text(value)}" for key, value in self.items())


def explain(function: Callable[..., Any], /, *args: Any, dtype: Any = None, **kwargs: Any) -> Explanation:
    """
    Say which algorithm and kernel a call would run, and why, without running it.

    Parameters
    ----------
    function : callable
        Of `convnative.functional`. The convolutions and their gradients choose between algorithms, pools
        between kernels; the other functions have one way each, of which the sizes are told. Or a
        `convnative.nn.PreparedConv`, without further arguments.
    *args, **kwargs
        Arguments as for `function`. In the place of an array its shape may be given.
    dtype : float32 or float64, optional
        By default that of the arrays given, or float32 when all are shapes.

    Returns
    -------
    Explanation
        A dict that prints as text: algorithm, kernel, reason, workspace bytes, arithmetic.

    Raises
    ------
    ValueError
        If `function` is another one, or the arguments do not fit together.
    TypeError
        If arguments are missing or unknown.

    Examples
    --------
    >>> import convnative as cn
    >>> from convnative import functional as F
    >>> explanation = cn.explain(F.conv2d, (1, 64, 56, 56), (64, 64, 3, 3), padding=1)
    >>> "algorithm" in explanation
    True
    """
    import inspect

    from . import functional
    from .functional._prepared import PreparedConv

    if isinstance(function, PreparedConv):
        return Explanation(function.facts())
    if function in _pools():
        return _explain_pool(function, inspect.signature(function).bind(*args, **kwargs), dtype)
    convolutions = _convolutions()
    if function not in convolutions:
        name = getattr(function, "__name__", "")
        known = name in functional.__all__ and getattr(functional, name) is function
        if not known or function in (functional.one_hot, functional.relu_grad_input):
            raise ValueError(
                "function: expected one of convnative.functional (not one_hot, not relu_grad_input), "
                f"received {function!r}"
            )
        return _explain_by_shape(function, inspect.signature(function).bind(*args, **kwargs), dtype)
    operation, input_name, weight_name = convolutions[function]
    bound = inspect.signature(function).bind(*args, **kwargs)
    bound.apply_defaults()
    given = bound.arguments
    problem = _dtype_of(given.values(), dtype), _shape_of(given[input_name]), _shape_of(given[weight_name])
    if operation == "transposed":
        settings = [given[name] for name in ("stride", "padding", "output_padding", "groups", "dilation")]
        return Explanation(_core.conv_transpose_explain(*problem, *settings))
    settings = [given[name] for name in ("stride", "padding", "dilation", "groups", "padding_mode")]
    return Explanation(_core.conv_explain(operation, *problem, *settings))


def _dtype_of(values: Iterable[Any], dtype: Any) -> str:
    """Return the name of `dtype`, or without one that of the arrays among `values`."""
    if dtype is None:
        dtypes = {value.dtype for value in values if isinstance(value, np.ndarray)}
        if len(dtypes) > 1:
            raise TypeError(f"dtype: expected arrays of one dtype, received {sorted(map(str, dtypes))}")
        dtype = dtypes.pop() if dtypes else np.float32
    return float_dtype("dtype", dtype).name


def _convolutions() -> dict[Callable[..., Any], tuple[str, str, str]]:
    """Return the operation behind each convolution, and which arguments have the shapes of its arrays."""
    from . import functional

    families = {
        "conv{}d": ("forward", "input", "weight"),
        "conv{}d_grad_input": ("grad_input", "input_shape", "weight"),
        "conv{}d_grad_weight": ("grad_weight", "input", "weight_shape"),
        "conv_transpose{}d": ("transposed", "input", "weight"),
    }
    return {
        getattr(functional, name.format(axes)): operation
        for name, operation in families.items()
        for axes in (1, 2, 3)
    }


def _pools() -> dict[Callable[..., Any], tuple[str, int]]:
    """Return the operation of the core and the number of axes behind each pool."""
    from . import functional

    families = {
        "max_pool{}d": "max_pool_forward",
        "max_pool{}d_grad_input": "max_pool_grad",
        "avg_pool{}d": "avg_pool_forward",
        "avg_pool{}d_grad_input": "avg_pool_grad",
        "lp_pool{}d": "lp_pool_forward",
        "adaptive_avg_pool{}d": "adaptive_avg_pool_forward",
        "adaptive_max_pool{}d": "adaptive_max_pool_forward",
        "fractional_max_pool{}d": "fractional_max_pool_forward",
        "max_unpool{}d": "max_unpool_forward",
    }
    return {
        getattr(functional, name.format(axes)): (operation, axes)
        for name, operation in families.items()
        for axes in (1, 2, 3)
        if hasattr(functional, name.format(axes))
    }


def _explain_pool(function: Callable[..., Any], bound: inspect.BoundArguments, dtype: Any) -> Explanation:
    from . import shapes

    operation, axes = _pools()[function]
    bound.apply_defaults()
    given = bound.arguments
    shape = _shape_of(given["input_shape"] if operation == "avg_pool_grad" else given["input"])
    # The indices of an unpool are no matter of its dtype.
    kind = _dtype_of((value for name, value in given.items() if name != "indices"), dtype)
    if given.get("return_indices"):
        operation = operation.replace("forward", "with_indices")
    if operation.startswith(("max_pool", "avg_pool", "lp_pool")):
        names = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
        return Explanation(_core.pool_explain(operation, kind, axes, shape, *(given[name] for name in names)))
    output: tuple[Any, ...]
    if operation == "max_unpool_forward":
        output = shapes.unpool_output_shape(
            shape, given["kernel_size"], given["stride"], given["padding"], given["output_size"], axes=axes
        )
    elif operation.startswith("adaptive"):
        output = shapes.adaptive_output_shape(shape, given["output_size"], axes=axes)
    else:
        output = shapes.fractional_output_shape(
            shape, given["kernel_size"], given["output_size"], given["output_ratio"], axes=axes
        )
    kernel_size = given["kernel_size"] if operation.startswith("fractional") else None
    return Explanation(_core.plane_pool_explain(operation, kind, axes, shape, output[-axes:], kernel_size))


# Arguments that are arrays, for which `explain` takes shapes.
_ARRAYS = {"input", "grad_output", "weight", "bias", "target", "running_mean", "running_var", "pos_weight"}


def _explain_by_shape(function: Callable[..., Any], bound: inspect.BoundArguments, dtype: Any) -> Explanation:
    from . import functional
    from ._abstract import ShapeArray, Walk
    from ._shape_rules import RULES
    from .nn import Module

    walk = Walk(Module(), RULES)
    given = bound.arguments
    first = next(iter(given))
    shape = _shape_of(given[first])
    if isinstance(given[first], np.ndarray):
        kind = given[first].dtype
    elif function is functional.embedding:
        kind = np.dtype(np.int64)
    else:
        kind = float_dtype("dtype", dtype or np.float32)
    for name, value in given.items():
        if name in _ARRAYS and isinstance(value, (tuple, list)):
            # Targets without an axis of classes are their indices.
            indices = name == "target" and len(value) == len(shape) - 1
            given[name] = np.broadcast_to(np.zeros((), np.int64 if indices else kind), tuple(value))
    given[first] = ShapeArray(walk, shape, kind)
    output = function(*bound.args, **bound.kwargs)
    output = output[0] if isinstance(output, tuple) else output
    return Explanation(
        operation=function.__name__,
        dtype=kind.name,
        output_shape=output.shape,
        algorithm="direct",
        kernel=", ".join(call.kind for call in walk.calls) or "none: a view",
        reason="the core has one way to compute it",
        isa=isa(),
        threads=get_num_threads(),
        macs=sum(call.macs for call in walk.calls),
        bytes_touched=math.prod(shape) * kind.itemsize + sum(call.memory for call in walk.calls),
    )


def show_config() -> Explanation:
    """
    Return what a bug report should say about this installation.

    Returns
    -------
    Explanation
        A dict that prints as text: versions, CPU, instruction sets, threads, how the core was built.

    Examples
    --------
    >>> import convnative as cn
    >>> config = cn.show_config()
    >>> config["NumPy"] == np.__version__
    True
    """
    from importlib.metadata import version

    facts: dict[str, Any] = {
        "convnative": version("convnative"),
        "NumPy": np.__version__,
        "autograd": version("autograd"),
        "Python": platform.python_version(),
        "platform": platform.platform(),
        "ISA": isa(),
        "available ISAs": available_isas(),
        "threads": get_num_threads(),
        "precision": get_precision(),
    }
    for name in ("CONVNATIVE_NUM_THREADS", "CONVNATIVE_MAX_ISA"):
        if name in os.environ:
            facts[name] = os.environ[name]
    for name, value in _core.build_info().items():
        facts.setdefault(name, value)
    return Explanation(facts)


def _shape_of(value: Any) -> tuple[int, ...]:
    return tuple(getattr(value, "shape", value))


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return str(value)
