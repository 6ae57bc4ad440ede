"""What a model is made of and what it costs, from shapes alone.

Nothing is computed: the model is followed with arrays that have a shape and no values, so that a summary of
a network for large images takes no memory and no time.

Conventions
-----------
MACs
    Multiply-accumulates of convolutions, linear layers and matrix products, as the definition has them:
    output elements times kernel elements times input channels per group. Products with padding are counted;
    biases, pools, activations and elementwise arithmetic are not. An operation count is twice this number.
Memory
    Bytes of the outputs that are arrays of their own, which training keeps for the gradients; views
    (flatten, reshape) take none.
Receptive field
    Size, jump and start on each spatial axis of the (first) input, as in `convnative.shapes.ReceptiveField`.
    A linear layer sees everything that its inputs see.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ._abstract import Effect, Shape
    from ._comparison import DenseComparison
    from ._shape_rules import shape_rule
    from ._summary_table import LayerSummary, ParameterCount, Summary
    from .nn import Module

__all__ = [
    "DenseComparison",
    "Effect",
    "LayerSummary",
    "ParameterCount",
    "Summary",
    "count_parameters",
    "shape_rule",
    "summary",
]


# The package has the function `summary` in the place of this module, and so imports it at once; the rest
# is imported when it is first asked for.
_MODULES = {
    "DenseComparison": "_comparison",
    "Effect": "_abstract",
    "LayerSummary": "_summary_table",
    "ParameterCount": "_summary_table",
    "Summary": "_summary_table",
    "shape_rule": "_shape_rules",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(f".{_MODULES[name]}", __package__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def count_parameters(model: Module) -> ParameterCount:
    """Count the parameters of a model, those of its children included; shared ones count once.

    Parameters
    ----------
    model : Module
        The model.

    Returns
    -------
    ParameterCount
        Weights, biases and their total.

    Raises
    ------
    TypeError
        If `model` is not a Module.

    Examples
    --------
    The first two convolutions of AlexNet as published, with 2 groups in the second:

    >>> from convnative import nn
    >>> count_parameters(nn.Conv2d(3, 96, 11, stride=4))
    ParameterCount(weights=34848, biases=96)
    >>> count_parameters(nn.Conv2d(96, 256, 5, padding=2, groups=2)).total
    307456
    """
    _check_model(model)
    return _count(model.named_parameters(), set())


def _check_model(model: Any) -> None:
    from .nn import Module

    if not isinstance(model, Module):
        raise TypeError(f"model: expected a convnative.nn.Module, received {type(model).__name__}")


def _count(named_parameters: Any, counted: set[int]) -> ParameterCount:
    """Count the parameters whose identity is not yet in `counted`, and add them to it."""
    from ._summary_table import ParameterCount

    weights = biases = 0
    for name, parameter in named_parameters:
        if id(parameter) in counted:
            continue
        counted.add(id(parameter))
        if name.rpartition(".")[2].endswith("bias"):
            biases += parameter.size
        else:
            weights += parameter.size
    return ParameterCount(weights, biases)


def summary(
    model: Module,
    input_shape: Sequence[int] | Sequence[Sequence[int]],
    dtype: Any = None,
    *,
    compare: str | None = None,
) -> Summary:
    """Describe a model layer by layer for a given input, without running it.

    The forward is followed with an array that has a shape but no values, so that any Python code in it is
    understood: residual additions, branches, reshapes, calls of `convnative.functional` and of NumPy. A
    module without children is a layer, and a row of the table; an operation in the forward of a module with
    children is a row of its own. A layer whose forward looks at values needs a rule, see `shape_rule`.

    Parameters
    ----------
    model : Module
        The model.
    input_shape : sequence of int, or sequence of such sequences
        Shape of the input, with its batch: MACs and memory are those of the whole batch. Several shapes
        for a forward that takes several inputs.
    dtype : dtype, or list of dtype, optional
        Type of the inputs, or of each input: float32, float64, or int32 or int64 for inputs that are
        indices. By default that of the model's first parameter, or float32.
    compare : "dense", optional
        Add to every convolution how many weights a dense layer of the same input and output has, a
        translation-invariant one, and one that is local too; see `DenseComparison`.

    Returns
    -------
    Summary
        Layers and totals as data. ``str()`` gives a plain table; rich prints a rich one.

    Raises
    ------
    TypeError
        If `model` is not a Module, its forward needs values, or an argument is not as described.
    ValueError
        If a layer does not accept the shape that reaches it (the message names the layer), or `compare` is
        unknown.

    Examples
    --------
    >>> from convnative import nn
    >>> lenet = nn.Sequential(
    ...     nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2),
    ...     nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
    ...     nn.Flatten(), nn.Linear(400, 10),
    ... )
    >>> print(summary(lenet, (1, 1, 32, 32)))
    Sequential, input 1x1x32x32 float32
    ------------------------------------------------------------------------------------
    Layer  Type       Output      Weights  Biases     MACs    Memory  Field  Jump  Start
    ------------------------------------------------------------------------------------
    0      Conv2d     1x6x28x28       150       6  117,600  18.4 KiB    5x5     1      0
    1      ReLU       1x6x28x28         -       -        -  18.4 KiB    5x5     1      0
    2      MaxPool2d  1x6x14x14         -       -        -   4.6 KiB    6x6     2      0
    3      Conv2d     1x16x10x10    2,400      16  240,000   6.2 KiB  14x14     2      0
    4      ReLU       1x16x10x10        -       -        -   6.2 KiB  14x14     2      0
    5      MaxPool2d  1x16x5x5          -       -        -   1.6 KiB  16x16     4      0
    6      Flatten    1x400             -       -        -         -  16x16     4      0
    7      Linear     1x10          4,000      10    4,000      40 B  32x32     0      0
    ------------------------------------------------------------------------------------
    Parameters       6,582 = 6,550 weights + 32 biases (25.7 KiB)
    MACs             361,600
    Memory           55.4 KiB of activations, 4.0 KiB of input
    Receptive field  32x32, jump 0, start 0

    From a fully connected layer to a convolution:

    >>> convolution = nn.Conv2d(1, 1, 11, padding=5, bias=False)
    >>> (layer,) = summary(convolution, (1, 1, 1000, 1000), compare="dense").layers
    >>> layer.comparison
    DenseComparison(dense=1000000000000, translation_invariant=4000000, local=121, layer=121)
    """
    from ._abstract import Field, ShapeArray, Walk, own_parameters
    from ._checks import choice
    from ._comparison import compared
    from ._shape_rules import RULES
    from ._summary_table import LayerSummary, Summary
    from .shapes import ReceptiveField

    _check_model(model)
    if compare is not None:
        choice("compare", compare, ("dense",))
    input_shapes = _input_shapes(input_shape)
    parameters = list(model.named_parameters())
    default = parameters[0][1].dtype if parameters else np.float32
    dtypes = _input_dtypes(default if dtype is None else dtype, len(input_shapes))
    spatial = input_shapes[0][2:]
    field = Field((ReceptiveField(),) * len(spatial), spatial, spatial) if spatial else None
    walk = Walk(model, RULES)
    model(
        *(
            ShapeArray(walk, shape, dtype, None if index else field)
            for index, (shape, dtype) in enumerate(zip(input_shapes, dtypes, strict=True))
        )
    )
    counted: set[int] = set()
    layers = []
    for call in walk.calls:
        owned = [] if call.module is None else list(own_parameters(call.module))
        reused = any(id(value) in counted for _, value in owned)
        count = _count(owned, counted)
        layers.append(
            LayerSummary(
                name=call.name,
                kind=call.kind,
                output_shape=call.shape,
                weights=count.weights,
                biases=count.biases,
                macs=call.macs,
                memory=call.memory,
                receptive_field=call.field.axes if call.field else (),
                reused=reused,
                comparison=compared(call.module, call.input_shape, call.shape) if compare else None,
            )
        )
    total = _count(parameters, set())
    return Summary(
        model=type(model).__name__,
        input_shapes=input_shapes,
        dtypes=dtypes,
        layers=tuple(layers),
        weights=total.weights,
        biases=total.biases,
        parameter_memory=sum({id(value): value.nbytes for _, value in parameters}.values()),
    )


def _input_shapes(input_shape: Any) -> tuple[Shape, ...]:
    """Return the shapes of the inputs: one shape is that of a single input."""
    from .shapes import element_count

    sizes = tuple(input_shape)
    shapes = sizes if sizes and all(isinstance(size, Sequence) for size in sizes) else (sizes,)
    checked = []
    for shape in shapes:
        try:
            checked.append(tuple(operator.index(size) for size in shape))
        except TypeError:
            raise TypeError(f"input_shape: expected ints, received {shape!r}") from None
        if any(size < 0 for size in checked[-1]):
            raise ValueError(f"input_shape: expected ints >= 0, received {checked[-1]}")
        element_count(checked[-1])
    return tuple(checked)


def _input_dtypes(dtype: Any, inputs: int) -> tuple[np.dtype[Any], ...]:
    """Return the type of each input: one type is that of all."""
    dtypes = tuple(map(np.dtype, dtype if isinstance(dtype, (list, tuple)) else [dtype] * inputs))
    if len(dtypes) != inputs:
        raise ValueError(f"dtype: expected one for each of {inputs} inputs, received {len(dtypes)}")
    for known in dtypes:
        if known not in (np.float32, np.float64, np.int32, np.int64):
            raise TypeError(f"dtype: expected float32, float64, int32 or int64, received {known}")
    return dtypes
