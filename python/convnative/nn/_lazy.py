"""Layers that take the number of their input features from their first input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from ._module import Module

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np


class LazyLayer(Module):
    """
    Base class of layers whose first argument, the number of input features, is left open.

    The first call makes the parameters and turns the object into an instance of the plain class; so does
    `load_state_dict` with a state that contains the weight. Until then the layer has no parameters: its
    `state_dict` is empty, and asking for them is an error, so that nobody passes over them.

    A subclass derives from this class and then from the plain one, whose first argument are the features.
    """

    _plain: ClassVar[Callable[..., Module]]
    _features: ClassVar[str]  # name of the argument and attribute
    _arrays: ClassVar[tuple[str, ...]] = ("weight", "bias")  # that the first call makes
    _telling: ClassVar[dict[str, int]] = {"weight": 2}  # those that tell the features, and their fewest axes
    _arguments: tuple[tuple[Any, ...], dict[str, Any]]  # of the plain class, without the features

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        import inspect

        # A plain layer of the fewest features checks the arguments and lends its settings; it draws its
        # weights elsewhere.
        signature = inspect.signature(self._plain)
        groups = signature.bind(None, *args, **kwargs).arguments.get("groups", 1)
        elsewhere = {"rng": 0} if "rng" in signature.parameters else {}
        lender = self._plain(groups, *args, **{**kwargs, **elsewhere})
        setattr(lender, self._features, 0)
        description = lender.extra_repr()
        self.__dict__.update(lender.__dict__, _parameters={}, _buffers={})
        self.__dict__.update(_description=description, _arguments=(args, kwargs))

    def _features_of_input(self, shape: tuple[int, ...]) -> int:
        """Return the number of features of an input of this shape."""
        raise NotImplementedError

    def _features_of_weight(self, shape: tuple[int, ...]) -> int:
        """Return the number of features that a weight of this shape takes."""
        raise NotImplementedError

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Become the plain layer for the features that the input has, and call it."""
        input = args[0] if args else kwargs.get("input")
        self._become_plain(self._features_of_input(tuple(getattr(input, "shape", ()))))
        return self(*args, **kwargs)

    def _become_plain(self, features: int) -> None:
        args, kwargs = self._arguments
        plain = self._plain(features, *args, **kwargs)
        plain.train(self.training)
        del self._arguments, self._description
        self.__dict__.update(plain.__dict__)
        self.__class__ = type(plain)  # type: ignore[assignment]

    def _before_load(self, prefix: str, state_dict: Mapping[str, Any]) -> None:
        for name, fewest_axes in self._telling.items():
            array = state_dict.get(f"{prefix}.{name}" if prefix else name)
            shape = tuple(getattr(array, "shape", ()))
            if len(shape) >= fewest_axes:
                self._become_plain(self._features_of_weight(shape))
                return

    def _before_conversion(self, dtype: np.dtype[Any]) -> None:
        args, kwargs = self._arguments
        self._arguments = args, {**kwargs, "dtype": dtype}

    def _require_parameters(self) -> None:
        raise ValueError(
            f"{type(self).__name__}: expected a first call, or a state to be loaded, before its parameters "
            "are asked for: they depend on the input"
        )

    def __getattr__(self, name: str) -> Any:
        if name in self._arrays:
            self._require_parameters()
        return super().__getattr__(name)

    def extra_repr(self) -> str:
        """Return the settings for `repr`, with 0 features."""
        description: str = self._description
        return description
