"""
Losses as layers: they take (input, target).

As in torch, weights are buffers, part of the ``state_dict`` where they are given. The settings after the
weights go by name where torch has obsolete ones between them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import functional as F
from .._checks import choice
from ._module import Module

if TYPE_CHECKING:
    from .._typing import Array


class _Loss(Module):
    """What all losses have: a reduction, and weights as buffers."""

    _reductions: tuple[str, ...] = ("none", "mean", "sum")

    def __init__(self, reduction: str, **weights: Array | None) -> None:
        super().__init__()
        self.reduction = choice("reduction", reduction, self._reductions)
        for name, weight in weights.items():
            if weight is None:
                setattr(self, name, None)
            else:
                self.register_buffer(name, weight)


class CrossEntropyLoss(_Loss):
    """
    Cross-entropy of class scores; see `convnative.functional.cross_entropy`.

    Parameters
    ----------
    weight : ndarray, shape (C,), optional
        Weight of each class.
    ignore_index : int, default -100
        Elements with this class index count nothing.
    reduction : {"mean", "sum", "none"}
        Whether to return the mean of the elements' losses, their sum, or all of them.
    label_smoothing : float, default 0
        From 0 to 1.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> scores = np.log([[0.25, 0.75], [0.5, 0.5]])
    >>> print(nn.CrossEntropyLoss()(scores, np.array([1, 0])).round(4))
    0.4904
    """

    weight: Array | None

    def __init__(
        self,
        weight: Array | None = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(reduction, weight=weight)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, input: Array, target: Any) -> Any:
        """Return the loss of an input for a target."""
        return F.cross_entropy(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class NLLLoss(_Loss):
    """
    Negative log-likelihood of log-probabilities; see `convnative.functional.nll_loss`.

    Parameters
    ----------
    weight : ndarray, shape (C,), optional
        Weight of each class.
    ignore_index : int, default -100
        Elements with this class index count nothing.
    reduction : {"mean", "sum", "none"}
        Whether to return the mean of the elements' losses, their sum, or all of them.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> print(nn.NLLLoss()(np.array([[-0.5, -1.0], [-2.0, -0.25]]), np.array([0, 1])))
    0.375
    """

    weight: Array | None

    def __init__(
        self, weight: Array | None = None, *, ignore_index: int = -100, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction, weight=weight)
        self.ignore_index = ignore_index

    def forward(self, input: Array, target: Any) -> Any:
        """Return the loss of an input for a target."""
        return F.nll_loss(
            input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction
        )


class MSELoss(_Loss):
    """
    Squared difference; see `convnative.functional.mse_loss`.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
        Whether to return the mean of the elements' losses, their sum, or all of them.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> print(nn.MSELoss()(np.array([1.0, 2.0]), np.array([1.0, 4.0])))
    2.0
    """

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__(reduction)

    def forward(self, input: Array, target: Any) -> Any:
        """Return the loss of an input for a target."""
        return F.mse_loss(input, target, reduction=self.reduction)


class L1Loss(_Loss):
    """
    Absolute difference; see `convnative.functional.l1_loss`.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
        Whether to return the mean of the elements' losses, their sum, or all of them.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> print(nn.L1Loss()(np.array([1.0, 2.0]), np.array([1.0, 4.0])))
    1.0
    """

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__(reduction)

    def forward(self, input: Array, target: Any) -> Any:
        """Return the loss of an input for a target."""
        return F.l1_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(_Loss):
    """
    Absolute difference, squared near 0; see `convnative.functional.smooth_l1_loss`.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
        Whether to return the mean of the elements' losses, their sum, or all of them.
    beta : float, default 1
        Where the square ends.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> print(nn.SmoothL1Loss()(np.array([1.0, 2.0]), np.array([1.0, 4.0])))
    0.75
    """

    def __init__(self, *, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction)
        self.beta = beta

    def forward(self, input: Array, target: Any) -> Any:
        """Return the loss of an input for a target."""
        return F.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class HuberLoss(_Loss):
    """
    Absolute difference, squared near 0; see `convnative.functional.huber_loss`.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
        Whether to return the mean of the elements' losses, their sum, or all of them.
    delta : float, default 1
        Where the square ends.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> print(nn.HuberLoss(delta=0.5)(np.array([1.0, 2.0]), np.array([1.0, 4.0])))
    0.4375
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction)
        self.delta = delta

    def forward(self, input: Array, target: Any) -> Any:
        """Return the loss of an input for a target."""
        return F.huber_loss(input, target, self.reduction, self.delta)


class BCELoss(_Loss):
    """
    Cross-entropy of two classes; see `convnative.functional.binary_cross_entropy`.

    Parameters
    ----------
    weight : ndarray, optional
        Factor of each element, of a shape that broadcasts to the input's.
    reduction : {"mean", "sum", "none"}
        Whether to return the mean of the elements' losses, their sum, or all of them.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> print(nn.BCELoss()(np.array([0.5, 0.25]), np.array([1.0, 0.0])).round(4))
    0.4904
    """

    weight: Array | None

    def __init__(self, weight: Array | None = None, *, reduction: str = "mean") -> None:
        super().__init__(reduction, weight=weight)

    def forward(self, input: Array, target: Any) -> Any:
        """Return the loss of an input for a target."""
        return F.binary_cross_entropy(input, target, self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(_Loss):
    """
    Sigmoid and `BCELoss`; see `convnative.functional.binary_cross_entropy_with_logits`.

    Parameters
    ----------
    weight : ndarray, optional
        Factor of each element, of a shape that broadcasts to the input's.
    reduction : {"mean", "sum", "none"}
        Whether to return the mean of the elements' losses, their sum, or all of them.
    pos_weight : ndarray, optional
        Factor of the term of the positives, of a shape that broadcasts to the input's.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> print(nn.BCEWithLogitsLoss()(np.array([0.0, 1000.0]), np.array([1.0, 1.0])).round(4))
    0.3466
    """

    weight: Array | None
    pos_weight: Array | None

    def __init__(
        self,
        weight: Array | None = None,
        *,
        reduction: str = "mean",
        pos_weight: Array | None = None,
    ) -> None:
        super().__init__(reduction, weight=weight, pos_weight=pos_weight)

    def forward(self, input: Array, target: Any) -> Any:
        """Return the loss of an input for a target."""
        return F.binary_cross_entropy_with_logits(
            input, target, self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )


class KLDivLoss(_Loss):
    """
    Kullback-Leibler divergence; see `convnative.functional.kl_div`.

    Parameters
    ----------
    reduction : {"mean", "batchmean", "sum", "none"}
        "batchmean" is the divergence as mathematics defines it.
    log_target : bool, default False
        Whether the target is logarithms of probabilities.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> p, q = np.array([[0.5, 0.5]]), np.array([[0.25, 0.75]])
    >>> print(nn.KLDivLoss(reduction="batchmean")(np.log(q), p).round(4))
    0.1438
    """

    _reductions = (*_Loss._reductions, "batchmean")

    def __init__(self, *, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__(reduction)
        self.log_target = log_target

    def forward(self, input: Array, target: Any) -> Any:
        """Return the loss of an input for a target."""
        return F.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)
