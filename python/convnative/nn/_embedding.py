"""The table of vectors that indices look up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import functional as F
from .. import init
from .._checks import float_dtype, integer
from .._random import generator
from ._module import Module, _parameter_array

if TYPE_CHECKING:
    from .._typing import Array, DType, RandomSource


class Embedding(Module):
    """
    Look up learned vectors; see `convnative.functional.embedding`.

    Parameters
    ----------
    num_embeddings, embedding_dim : int
        Number of vectors and their length.
    padding_idx : int, optional
        A row that starts as zeros and has no gradient. A negative one counts from the end.
    max_norm : float, optional
        Rows that are looked up and have a larger norm are scaled down to it, in `weight` itself.
    norm_type : float, default 2
        Order p of that norm.
    scale_grad_by_freq : bool, default False
        Divide the gradient of each row by the number of times that it is looked up.
    dtype : float32 or float64, default float32
        Dtype of the vectors.
    rng : numpy.random.Generator or int, optional
        Source of the initial vectors, or a seed for one; by default the generator of `manual_seed`.

    Attributes
    ----------
    weight : ndarray, shape (num_embeddings, embedding_dim)
        Initially standard normal, torch's choice.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; the message names it.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> nn.Embedding(10, 3)(np.array([[1, 2, 4], [4, 3, 9]])).shape
    (2, 3, 3)
    """

    weight: Array

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        *,
        dtype: DType = np.float32,
        rng: RandomSource = None,
    ) -> None:
        super().__init__()
        shape = (integer("num_embeddings", num_embeddings, 0), integer("embedding_dim", embedding_dim, 0))
        self._set(shape, padding_idx, max_norm, norm_type, scale_grad_by_freq)
        weight = init.normal(shape, dtype=float_dtype("dtype", dtype), rng=generator(rng))
        if self.padding_idx is not None:
            weight[self.padding_idx] = 0
        self.register_parameter("weight", weight)

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Array,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
    ) -> Embedding:
        """
        Make a layer from given vectors.

        Parameters
        ----------
        embeddings : ndarray, shape (num_embeddings, embedding_dim)
            float32 or float64; used as it is, not copied, where it can be changed in place.
        freeze : bool, default True
            Whether the vectors are a buffer, which training leaves alone, instead of a parameter. The
            ``state_dict`` is the same.
        padding_idx, max_norm, norm_type, scale_grad_by_freq
            As for the class.

        Returns
        -------
        Embedding

        Raises
        ------
        TypeError, ValueError
            If an argument is not as described; the message names it.

        Examples
        --------
        >>> import numpy as np
        >>> from convnative import nn
        >>> layer = nn.Embedding.from_pretrained(np.array([[1.0, 2.0], [3.0, 4.0]]))
        >>> layer(np.array([1])).tolist(), list(layer.named_parameters())
        ([[3.0, 4.0]], [])
        """
        weight = _parameter_array("embeddings", embeddings)
        if weight.ndim != 2:
            raise ValueError(
                f"embeddings: expected shape (num_embeddings, embedding_dim), received {weight.shape}"
            )
        if not isinstance(freeze, bool):
            raise TypeError(f"freeze: expected a bool, received {freeze!r}")
        layer = cls.__new__(cls)
        Module.__init__(layer)
        layer._set(weight.shape, padding_idx, max_norm, norm_type, scale_grad_by_freq)
        if freeze:
            layer.register_buffer("weight", weight)
        else:
            layer.register_parameter("weight", weight)
        return layer

    def _set(
        self, shape: tuple[Any, ...], padding_idx: Any, max_norm: Any, norm_type: Any, scale_grad_by_freq: Any
    ) -> None:
        self.num_embeddings, self.embedding_dim = shape
        if padding_idx is not None:
            padding_idx = integer("padding_idx", padding_idx, -self.num_embeddings)
            if padding_idx >= self.num_embeddings:
                raise ValueError(
                    f"padding_idx: expected an int below {self.num_embeddings}, received {padding_idx}"
                )
            padding_idx %= self.num_embeddings
        self.padding_idx: int | None = padding_idx
        self.max_norm: float | None = max_norm
        self.norm_type: float = norm_type
        self.scale_grad_by_freq: bool = scale_grad_by_freq

    def forward(self, input: Any) -> Array:
        """Look up the vectors of an array of indices, of any shape."""
        return F.embedding(
            input, self.weight, self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq
        )

    def extra_repr(self) -> str:
        """Return the settings for `repr`, in torch's form."""
        text = f"{self.num_embeddings}, {self.embedding_dim}"
        if self.padding_idx is not None:
            text += f", padding_idx={self.padding_idx}"
        if self.max_norm is not None:
            text += f", max_norm={self.max_norm}"
        if self.norm_type != 2:
            text += f", norm_type={self.norm_type}"
        if self.scale_grad_by_freq:
            text += ", scale_grad_by_freq=True"
        return text
