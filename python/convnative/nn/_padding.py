"""Padding layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import functional as F
from .. import shapes
from ._module import Module

if TYPE_CHECKING:
    from .._typing import Array, Size


class _PadNd(Module):
    """Padding of the last `_axes` axes in one mode."""

    _axes: int
    _mode: str

    def __init__(self, padding: Size) -> None:
        super().__init__()
        # Negative amounts crop.
        self.padding = shapes.normalize_size(padding, 2 * self._axes, "padding", minimum=-(2**63))

    def forward(self, input: Array) -> Array:
        """Pad an input with channels, with or without batch."""
        return F.pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        """Return the settings for `repr`, in torch's form."""
        return f"{self.padding}"


class _ConstantPadNd(_PadNd):
    _mode = "constant"

    def __init__(self, padding: Size, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Array) -> Array:
        """Pad the last axes of an input of any shape."""
        return F.pad(input, self.padding, self._mode, self.value)

    def extra_repr(self) -> str:
        """Return the settings for `repr`, in torch's form."""
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPadNd):
    """
    Padding with a constant, along the last axis; see `convnative.functional.pad`.

    Parameters
    ----------
    padding : int or pair of int
        One amount for both sides, or (before, after). Negative amounts crop.
    value : float
        The constant.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.ConstantPad1d(1, 3.5)(np.ones((1, 2))).shape
    (1, 4)
    """

    _axes = 1


class ConstantPad2d(_ConstantPadNd):
    """
    Padding with a constant, along the last two axes; see `convnative.functional.pad`.

    Parameters
    ----------
    padding : int or sequence of 4 int
        One amount for all sides, or (left, right, top, bottom). Negative amounts crop.
    value : float
        The constant.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.ConstantPad2d(1, 3.5)(np.ones((1, 1, 2))).shape
    (1, 3, 4)
    """

    _axes = 2


class ConstantPad3d(_ConstantPadNd):
    """
    Padding with a constant, along the last three axes; see `convnative.functional.pad`.

    Parameters
    ----------
    padding : int or sequence of 6 int
        One amount for all sides, or (left, right, top, bottom, front, back). Negative amounts crop.
    value : float
        The constant.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.ConstantPad3d(1, 3.5)(np.ones((1, 1, 1, 2))).shape
    (1, 3, 3, 4)
    """

    _axes = 3


class ZeroPad1d(_PadNd):
    """
    Padding with zeros, along the last axis; see `convnative.functional.pad`.

    Parameters
    ----------
    padding : int or pair of int
        One amount for both sides, or (before, after). Negative amounts crop.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.ZeroPad1d(1)(np.ones((1, 2))).shape
    (1, 4)
    """

    _axes = 1
    _mode = "constant"


class ZeroPad2d(_PadNd):
    """
    Padding with zeros, along the last two axes; see `convnative.functional.pad`.

    Parameters
    ----------
    padding : int or sequence of 4 int
        One amount for all sides, or (left, right, top, bottom). Negative amounts crop.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.ZeroPad2d(1)(np.ones((1, 1, 2))).shape
    (1, 3, 4)
    """

    _axes = 2
    _mode = "constant"


class ZeroPad3d(_PadNd):
    """
    Padding with zeros, along the last three axes; see `convnative.functional.pad`.

    Parameters
    ----------
    padding : int or sequence of 6 int
        One amount for all sides, or (left, right, top, bottom, front, back). Negative amounts crop.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.ZeroPad3d(1)(np.ones((1, 1, 1, 2))).shape
    (1, 3, 3, 4)
    """

    _axes = 3
    _mode = "constant"


class ReflectionPad1d(_PadNd):
    """
    Padding with the array's mirror image, along the last axis; see `convnative.functional.pad`.

    Parameters
    ----------
    padding : int or pair of int
        One amount for both sides, or (before, after). Negative amounts crop.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.ReflectionPad1d((1, 0))(np.array([[1.0, 2.0]])).tolist()
    [[2.0, 1.0, 2.0]]
    """

    _axes = 1
    _mode = "reflect"


class ReflectionPad2d(_PadNd):
    """
    Padding with the array's mirror image, along the last two axes; see `convnative.functional.pad`.

    Parameters
    ----------
    padding : int or sequence of 4 int
        One amount for all sides, or (left, right, top, bottom). Negative amounts crop.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.ReflectionPad2d((1, 0, 0, 0))(np.array([[1.0, 2.0]])[None]).tolist()
    [[[2.0, 1.0, 2.0]]]
    """

    _axes = 2
    _mode = "reflect"


class ReflectionPad3d(_PadNd):
    """
    Padding with the array's mirror image, along the last three axes; see `convnative.functional.pad`.

    Parameters
    ----------
    padding : int or sequence of 6 int
        One amount for all sides, or (left, right, top, bottom, front, back). Negative amounts crop.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.ReflectionPad3d((1, 0, 0, 0, 0, 0))(np.array([[1.0, 2.0]])[None, None]).tolist()
    [[[[2.0, 1.0, 2.0]]]]
    """

    _axes = 3
    _mode = "reflect"


class ReplicationPad1d(_PadNd):
    """
    Padding with the border elements, along the last axis; see `convnative.functional.pad`.

    Parameters
    ----------
    padding : int or pair of int
        One amount for both sides, or (before, after). Negative amounts crop.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.ReplicationPad1d(1)(np.ones((1, 2))).shape
    (1, 4)
    """

    _axes = 1
    _mode = "replicate"


class ReplicationPad2d(_PadNd):
    """
    Padding with the border elements, along the last two axes; see `convnative.functional.pad`.

    Parameters
    ----------
    padding : int or sequence of 4 int
        One amount for all sides, or (left, right, top, bottom). Negative amounts crop.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.ReplicationPad2d(1)(np.ones((1, 1, 2))).shape
    (1, 3, 4)
    """

    _axes = 2
    _mode = "replicate"


class ReplicationPad3d(_PadNd):
    """
    Padding with the border elements, along the last three axes; see `convnative.functional.pad`.

    Parameters
    ----------
    padding : int or sequence of 6 int
        One amount for all sides, or (left, right, top, bottom, front, back). Negative amounts crop.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.ReplicationPad3d(1)(np.ones((1, 1, 1, 2))).shape
    (1, 3, 3, 4)
    """

    _axes = 3
    _mode = "replicate"


class CircularPad1d(_PadNd):
    """
    Padding with the elements from the other end, along the last axis; see `convnative.functional.pad`.

    Parameters
    ----------
    padding : int or pair of int
        One amount for both sides, or (before, after). Negative amounts crop.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.CircularPad1d(1)(np.ones((1, 2))).shape
    (1, 4)
    """

    _axes = 1
    _mode = "circular"


class CircularPad2d(_PadNd):
    """
    Padding with the elements from the other end, along the last two axes; see `convnative.functional.pad`.

    Parameters
    ----------
    padding : int or sequence of 4 int
        One amount for all sides, or (left, right, top, bottom). Negative amounts crop.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.CircularPad2d(1)(np.ones((1, 1, 2))).shape
    (1, 3, 4)
    """

    _axes = 2
    _mode = "circular"


class CircularPad3d(_PadNd):
    """
    Padding with the elements from the other end, along the last three axes; see `convnative.functional.pad`.

    Parameters
    ----------
    padding : int or sequence of 6 int
        One amount for all sides, or (left, right, top, bottom, front, back). Negative amounts crop.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.CircularPad3d(1)(np.ones((1, 1, 1, 2))).shape
    (1, 3, 3, 4)
    """

    _axes = 3
    _mode = "circular"
