"""Activation layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import functional as F
from .._checks import choice, float_dtype, integer, real
from ._module import Module

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._typing import Array, DType
    from ..functional._prepared import ActivationRow


class ReLU(Module):
    """
    Positive part of every element; see `convnative.functional.relu`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.ReLU()(np.array([-1.0, 2.0])).round(4).tolist()
    [0.0, 2.0]
    """

    def forward(self, input: Array) -> Array:
        """Apply to an input of any shape."""
        return F.relu(input)


class ReLU6(Module):
    """
    Every element cut to the interval from 0 to 6; see `convnative.functional.relu6`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.ReLU6()(np.array([-1.0, 2.0])).round(4).tolist()
    [0.0, 2.0]
    """

    def forward(self, input: Array) -> Array:
        """Apply to an input of any shape."""
        return F.relu6(input)


class LeakyReLU(Module):
    """
    Identity for positive elements, a flatter line for the others; see `convnative.functional.leaky_relu`.

    Parameters
    ----------
    negative_slope : float, default 0.01
        Slope for elements that are not positive.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; the message names it.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.LeakyReLU(0.25)(np.array([-1.0, 2.0])).round(4).tolist()
    [-0.25, 2.0]
    """

    def __init__(self, negative_slope: float = 0.01) -> None:
        super().__init__()
        self.negative_slope = real("negative_slope", negative_slope)

    def forward(self, input: Array) -> Array:
        """Apply to an input of any shape."""
        return F.leaky_relu(input, self.negative_slope)

    def extra_repr(self) -> str:
        """Return the settings for `repr`, in torch's form."""
        return f"negative_slope={self.negative_slope}"


class PReLU(Module):
    """
    Leaky rectifier with learned slopes; see `convnative.functional.prelu`.

    He et al., "Delving deep into rectifiers" (2015).

    Parameters
    ----------
    num_parameters : int, default 1
        1: one slope for all; or the number of channels: one for each.
    init : float, default 0.25
        Initial slope.
    dtype : float32 or float64, default float32
        Dtype of the slopes, and so of the inputs.

    Attributes
    ----------
    weight : ndarray, shape (num_parameters,)
        The slopes.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; the message names it.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.PReLU()(np.array([-1.0, 2.0], np.float32)).tolist()
    [-0.25, 2.0]
    """

    weight: Array

    def __init__(self, num_parameters: int = 1, init: float = 0.25, *, dtype: DType = np.float32) -> None:
        super().__init__()
        self.num_parameters = integer("num_parameters", num_parameters, 1)
        self.init = real("init", init)
        slopes = np.full(self.num_parameters, self.init, float_dtype("dtype", dtype))
        self.register_parameter("weight", slopes)

    def forward(self, input: Array) -> Array:
        """Apply to an input of shape (N, C, ...), or of any with one slope."""
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        """Return the settings for `repr`, in torch's form."""
        return f"num_parameters={self.num_parameters}"


class Threshold(Module):
    """
    Elements above a threshold, and one value in place of the others; see `convnative.functional.threshold`.

    Parameters
    ----------
    threshold : float
        What an element has to exceed.
    value : float
        What takes the place of the others.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; the message names it.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.Threshold(1.0, 0.0)(np.array([-1.0, 2.0])).round(4).tolist()
    [0.0, 2.0]
    """

    def __init__(self, threshold: float, value: float) -> None:
        super().__init__()
        self.threshold = real("threshold", threshold)
        self.value = real("value", value)

    def forward(self, input: Array) -> Array:
        """Apply to an input of any shape."""
        return F.threshold(input, self.threshold, self.value)

    def extra_repr(self) -> str:
        """Return the settings for `repr`, in torch's form."""
        return f"threshold={self.threshold}, value={self.value}"


class Hardtanh(Module):
    """
    Every element cut to an interval; see `convnative.functional.hardtanh`.

    Parameters
    ----------
    min_val, max_val : float, default -1 and 1
        The ends of the interval.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; the message names it.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.Hardtanh()(np.array([-1.0, 2.0])).round(4).tolist()
    [-1.0, 1.0]
    """

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0) -> None:
        super().__init__()
        self.min_val = real("min_val", min_val)
        self.max_val = real("max_val", max_val)
        if self.min_val > self.max_val:
            raise ValueError(f"min_val: expected at most max_val = {max_val}, received {min_val}")

    def forward(self, input: Array) -> Array:
        """Apply to an input of any shape."""
        return F.hardtanh(input, self.min_val, self.max_val)

    def extra_repr(self) -> str:
        """Return the settings for `repr`, in torch's form."""
        return f"min_val={self.min_val}, max_val={self.max_val}"


class Hardsigmoid(Module):
    """
    Line through (-3, 0) and (3, 1), cut to the interval from 0 to 1; see `convnative.functional.hardsigmoid`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.Hardsigmoid()(np.array([-1.0, 2.0])).round(4).tolist()
    [0.3333, 0.8333]
    """

    def forward(self, input: Array) -> Array:
        """Apply to an input of any shape."""
        return F.hardsigmoid(input)


class Hardswish(Module):
    """
    x times hardsigmoid(x); see `convnative.functional.hardswish`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.Hardswish()(np.array([-1.0, 2.0])).round(4).tolist()
    [-0.3333, 1.6667]
    """

    def forward(self, input: Array) -> Array:
        """Apply to an input of any shape."""
        return F.hardswish(input)


class ELU(Module):
    """
    Identity for positive elements, alpha (exp(x) - 1) for the others; see `convnative.functional.elu`.

    Parameters
    ----------
    alpha : float, default 1
        Minus the limit for very negative elements.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; the message names it.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.ELU()(np.array([-1.0, 2.0])).round(4).tolist()
    [-0.6321, 2.0]
    """

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        self.alpha = real("alpha", alpha)

    def forward(self, input: Array) -> Array:
        """Apply to an input of any shape."""
        return F.elu(input, self.alpha)

    def extra_repr(self) -> str:
        """Return the settings for `repr`, in torch's form."""
        return f"alpha={self.alpha}"


class SELU(Module):
    """
    Self-normalising ELU; see `convnative.functional.selu`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.SELU()(np.array([-1.0, 2.0])).round(4).tolist()
    [-1.1113, 2.1014]
    """

    def forward(self, input: Array) -> Array:
        """Apply to an input of any shape."""
        return F.selu(input)


class CELU(Module):
    """
    ELU with a continuous derivative; see `convnative.functional.celu`.

    Parameters
    ----------
    alpha : float, default 1
        Minus the limit for very negative elements; not 0.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; the message names it.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.CELU(2.0)(np.array([-1.0, 2.0])).round(4).tolist()
    [-0.7869, 2.0]
    """

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        self.alpha = real("alpha", alpha)
        if self.alpha == 0:
            raise ValueError("alpha: expected a number other than 0, received 0")

    def forward(self, input: Array) -> Array:
        """Apply to an input of any shape."""
        return F.celu(input, self.alpha)

    def extra_repr(self) -> str:
        """Return the settings for `repr`, in torch's form."""
        return f"alpha={self.alpha}"


class Sigmoid(Module):
    """
    Logistic function; see `convnative.functional.sigmoid`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.Sigmoid()(np.array([-1.0, 2.0])).round(4).tolist()
    [0.2689, 0.8808]
    """

    def forward(self, input: Array) -> Array:
        """Apply to an input of any shape."""
        return F.sigmoid(input)


class LogSigmoid(Module):
    """
    Logarithm of the logistic function; see `convnative.functional.logsigmoid`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.LogSigmoid()(np.array([-1.0, 2.0])).round(4).tolist()
    [-1.3133, -0.1269]
    """

    def forward(self, input: Array) -> Array:
        """Apply to an input of any shape."""
        return F.logsigmoid(input)


class Tanh(Module):
    """
    Hyperbolic tangent; see `convnative.functional.tanh`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.Tanh()(np.array([-1.0, 2.0])).round(4).tolist()
    [-0.7616, 0.964]
    """

    def forward(self, input: Array) -> Array:
        """Apply to an input of any shape."""
        return F.tanh(input)


class Softplus(Module):
    """
    Smooth rectifier; see `convnative.functional.softplus`.

    Parameters
    ----------
    beta : float, default 1
        How sharp the bend is.
    threshold : float, default 20
        Where beta x is above it, the result is x.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; the message names it.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.Softplus()(np.array([-1.0, 2.0])).round(4).tolist()
    [0.3133, 2.1269]
    """

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = real("beta", beta)
        self.threshold = real("threshold", threshold)

    def forward(self, input: Array) -> Array:
        """Apply to an input of any shape."""
        return F.softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        """Return the settings for `repr`, in torch's form."""
        return f"beta={self.beta}, threshold={self.threshold}"


class Softsign(Module):
    """
    x / (1 + |x|); see `convnative.functional.softsign`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.Softsign()(np.array([-1.0, 2.0])).round(4).tolist()
    [-0.5, 0.6667]
    """

    def forward(self, input: Array) -> Array:
        """Apply to an input of any shape."""
        return F.softsign(input)


class SiLU(Module):
    """
    x times its logistic function, also known as swish; see `convnative.functional.silu`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.SiLU()(np.array([-1.0, 2.0])).round(4).tolist()
    [-0.2689, 1.7616]
    """

    def forward(self, input: Array) -> Array:
        """Apply to an input of any shape."""
        return F.silu(input)


class Mish(Module):
    """
    x tanh(softplus(x)); see `convnative.functional.mish`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.Mish()(np.array([-1.0, 2.0])).round(4).tolist()
    [-0.3034, 1.944]
    """

    def forward(self, input: Array) -> Array:
        """Apply to an input of any shape."""
        return F.mish(input)


class GELU(Module):
    """
    x times the probability that a standard normal variable is below x; see `convnative.functional.gelu`.

    Parameters
    ----------
    approximate : {"none", "tanh"}
        With "tanh", an approximation by the hyperbolic tangent.

    Raises
    ------
    ValueError
        If `approximate` is neither.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.GELU()(np.array([-1.0, 2.0])).round(4).tolist()
    [-0.1587, 1.9545]
    """

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = choice("approximate", approximate, ("none", "tanh"))

    def forward(self, input: Array) -> Array:
        """Apply to an input of any shape."""
        return F.gelu(input, self.approximate)

    def extra_repr(self) -> str:
        """Return the settings for `repr`, in torch's form."""
        return f"approximate={self.approximate!r}"


class Softmax(Module):
    """
    Exponentials scaled to the sum 1; see `convnative.functional.softmax`.

    Parameters
    ----------
    dim : int
        The axis along which the results sum to 1.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.Softmax(dim=1)(np.zeros((1, 4))).tolist()
    [[0.25, 0.25, 0.25, 0.25]]
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = _axis(dim)

    def forward(self, input: Array) -> Array:
        """Apply to an input of any shape."""
        return F.softmax(input, self.dim)

    def extra_repr(self) -> str:
        """Return the settings for `repr`, in torch's form."""
        return f"dim={self.dim}"


class Softmin(Module):
    """
    Softmax of the negative input; see `convnative.functional.softmin`.

    Parameters
    ----------
    dim : int
        The axis along which the results sum to 1.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.Softmin(dim=0)(np.log([1.0, 3.0])).round(3).tolist()
    [0.75, 0.25]
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = _axis(dim)

    def forward(self, input: Array) -> Array:
        """Apply to an input of any shape."""
        return F.softmin(input, self.dim)

    def extra_repr(self) -> str:
        """Return the settings for `repr`, in torch's form."""
        return f"dim={self.dim}"


class LogSoftmax(Module):
    """
    Logarithm of softmax; see `convnative.functional.log_softmax`.

    Parameters
    ----------
    dim : int
        The axis along which the exponentials of the results sum to 1.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.LogSoftmax(dim=0)(np.array([1000.0, 0.0])).tolist()
    [0.0, -1000.0]
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = _axis(dim)

    def forward(self, input: Array) -> Array:
        """Apply to an input of any shape."""
        return F.log_softmax(input, self.dim)

    def extra_repr(self) -> str:
        """Return the settings for `repr`, in torch's form."""
        return f"dim={self.dim}"


class Softmax2d(Module):
    """
    Softmax over the channels at each position of an image; see `convnative.functional.softmax`.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.Softmax2d()(np.zeros((4, 1, 1))).ravel().tolist()
    [0.25, 0.25, 0.25, 0.25]
    """

    def forward(self, input: Array) -> Array:
        """Apply to an input of shape (N, C, H, W) or (C, H, W)."""
        if input.ndim not in (3, 4):
            raise ValueError(f"input: expected shape (N, C, H, W) or (C, H, W), received {input.shape}")
        return F.softmax(input, -3)


def _axis(dim: int) -> int:
    return integer("dim", dim, -64)  # NumPy's largest number of axes


# Exact types: the forward of a subclass may be another.
_EPILOGUES: dict[type[Module], Callable[[Any], ActivationRow]] = {
    ReLU: lambda _: ("relu", ()),
    ReLU6: lambda _: ("hardtanh", (0.0, 6.0)),
    LeakyReLU: lambda layer: ("leaky_relu", (layer.negative_slope,)),
    Hardswish: lambda _: ("hardswish", ()),
    SiLU: lambda _: ("silu", ()),
}


def epilogue(module: Module) -> ActivationRow | None:
    """Return the activation that a convolution can apply in its own pass in place of `module`, or None."""
    row = _EPILOGUES.get(type(module))
    return row and row(module)
