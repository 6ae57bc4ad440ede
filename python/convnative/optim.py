"""
Optimizers.

They update the parameters of a model in place, from the gradients that `convnative.value_and_grad`
returns. Everything is checked before the first parameter changes. A step reads and writes every array once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _core
from ._checks import integer, number
from .nn import Module

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ._typing import Array

__all__ = ["SGD", "AdamW", "Optimizer"]


class Optimizer(ABC):
    """
    Base class of the optimizers.

    A subclass sets its hyperparameters as attributes named in `_hyperparameters` and defines
    `_update`. Hyperparameters may be changed between steps, for schedules: ``optimizer.lr *= 0.1``.

    Parameters
    ----------
    model : Module
        Its parameters are looked up by name at every step.
    """

    _hyperparameters: tuple[str, ...]

    def __init__(self, model: Module) -> None:
        if not isinstance(model, Module):
            raise TypeError(f"model: expected a convnative.nn.Module, received {type(model).__name__}")
        self.model = model
        self.steps = 0
        self._state: dict[str, dict[str, Array]] = {}
        self._ages: dict[str, int] = {}  # updates of each state: where parameters were frozen, below `steps`

    def step(self, grads: Mapping[str, Array]) -> None:
        """
        Update every parameter once that is not frozen (see `convnative.nn.Module.requires_grad_`).

        Parameters
        ----------
        grads : mapping of str to ndarray
            One gradient per name of ``model.named_parameters(requires_grad=True)``, of the parameter's
            shape and dtype. They are not changed.

        Raises
        ------
        ValueError
            If names are missing or unknown, or a shape differs.
        TypeError
            If a gradient is not an array or of another dtype.
        """
        parameters = dict(self.model.named_parameters(requires_grad=True))
        _check_grads(parameters, grads)
        _check_writable(parameters)
        self.steps += 1
        for name, parameter in parameters.items():
            state = self._state.setdefault(name, {})
            if not state:
                state.update(self._initial_state(parameter))
                self._ages[name] = 0
            self._ages[name] += 1
            self._update(parameter, grads[name], state, self._ages[name])

    @abstractmethod
    def _initial_state(self, parameter: Array) -> dict[str, Array]:
        """Return the arrays, of the parameter's shape, that are kept from step to step."""

    @abstractmethod
    def _update(self, value: Array, grad: Array, state: dict[str, Array], age: int) -> None:
        """Update a parameter and its state in place; `age` is 1 at the first update of the state."""

    def state_dict(self) -> dict[str, Any]:
        """
        Return what is needed to continue later.

        Returns
        -------
        dict
            "steps": int, "hyperparameters": dict, "state": arrays by parameter and kind, "ages": number of
            updates of the state by parameter. The arrays are those in use, not copies.
        """
        return {
            "steps": self.steps,
            "hyperparameters": {name: getattr(self, name) for name in self._hyperparameters},
            "state": {name: dict(arrays) for name, arrays in self._state.items()},
            "ages": dict(self._ages),
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """
        Continue from what `state_dict` returned; the arrays are copied.

        Parameters
        ----------
        state_dict : mapping
            Of the same kind of optimizer for a model with the same parameters.

        Raises
        ------
        ValueError
            If names, shapes or dtypes do not fit; nothing is changed then.
        """
        expected_keys = {"steps", "hyperparameters", "state", "ages"}
        if set(state_dict) != expected_keys:
            raise ValueError(
                f"state_dict: expected the keys {sorted(expected_keys)}, received {sorted(state_dict)}"
            )
        hyperparameters = dict(state_dict["hyperparameters"])
        if set(hyperparameters) != set(self._hyperparameters):
            raise ValueError(
                f"state_dict: expected the hyperparameters {sorted(self._hyperparameters)}, "
                f"received {sorted(hyperparameters)}"
            )
        ages = {name: integer("state_dict", age, 1) for name, age in state_dict["ages"].items()}
        if set(ages) != set(state_dict["state"]):
            raise ValueError(
                f"state_dict: expected ages of {sorted(state_dict['state'])}, received {sorted(ages)}"
            )
        parameters = dict(self.model.named_parameters())
        state: dict[str, dict[str, Array]] = {}
        for name, arrays in state_dict["state"].items():
            if name not in parameters:
                raise ValueError(f"state_dict: expected names of parameters, received {name!r}")
            state[name] = {}
            for kind, array in arrays.items():
                if array.shape != parameters[name].shape or array.dtype != parameters[name].dtype:
                    raise ValueError(
                        f"state_dict: expected {parameters[name].dtype} of shape {parameters[name].shape} "
                        f"for {kind} of {name!r}, received {array.dtype} of shape {array.shape}"
                    )
                state[name][kind] = np.array(array, order="C")
        self.steps = int(state_dict["steps"])
        self._state = state
        self._ages = ages
        for name, value in hyperparameters.items():
            setattr(self, name, value)

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={getattr(self, name)!r}" for name in self._hyperparameters)
        return f"{type(self).__name__}({settings})"


class SGD(Optimizer):
    """
    Stochastic gradient descent, with momentum if wanted.

    With g the gradient plus weight_decay times the parameter, and b the momentum buffer (the first g at
    the first step), as in torch::

        b = momentum * b + (1 - dampening) * g
        parameter -= lr * (g + momentum * b  if nesterov else  b)

    Parameters
    ----------
    model : Module
        The model to train.
    lr : float, default 1e-3
        Learning rate.
    momentum, dampening, weight_decay : float, default 0
        See above.
    nesterov : bool, default False
        Nesterov's momentum; needs momentum > 0 and dampening = 0.
    maximize : bool, default False
        Go up instead of down.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; the message names it.

    Examples
    --------
    >>> import numpy as np, convnative as cn
    >>> model = cn.nn.Linear(1, 1, bias=False)
    >>> model.weight[...] = 1.0
    >>> optimizer = cn.optim.SGD(model, lr=0.5)
    >>> optimizer.step({"weight": np.full((1, 1), 0.5, np.float32)})
    >>> model.weight.tolist()
    [[0.75]]
    """

    _hyperparameters = ("lr", "momentum", "dampening", "weight_decay", "nesterov", "maximize")

    def __init__(
        self,
        model: Module,
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(model)
        self.lr = number("lr", lr, 0)
        self.momentum = number("momentum", momentum, 0)
        self.dampening = number("dampening", dampening, 0)
        self.weight_decay = number("weight_decay", weight_decay, 0)
        self.nesterov = bool(nesterov)
        self.maximize = bool(maximize)
        if self.nesterov and (self.momentum == 0 or self.dampening != 0):
            raise ValueError(
                "nesterov: expected momentum > 0 and dampening = 0, "
                f"received momentum = {self.momentum} and dampening = {self.dampening}"
            )

    def _initial_state(self, parameter: Array) -> dict[str, Array]:
        return {"momentum": np.zeros_like(parameter)} if self.momentum else {}

    def _update(self, value: Array, grad: Array, state: dict[str, Array], age: int) -> None:
        _core.sgd_step(
            value,
            grad,
            state.get("momentum"),
            self.lr,
            self.momentum,
            self.dampening,
            self.weight_decay,
            self.nesterov,
            self.maximize,
            age == 1,
        )


class AdamW(Optimizer):
    """
    Adam with decoupled weight decay (Loshchilov and Hutter, 2019), as in torch.

    With g the gradient and t the number of the step::

        parameter *= 1 - lr * weight_decay
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g²
        parameter -= lr * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)

    Parameters
    ----------
    model : Module
        The model to train.
    lr : float, default 1e-3
        Learning rate.
    betas : pair of float, default (0.9, 0.999)
        Decay of the two averages, from 0 to below 1.
    eps : float, default 1e-8
        Keeps the denominator away from 0.
    weight_decay : float, default 1e-2
        See above.
    amsgrad : bool, default False
        Use the largest v so far in the denominator (Reddi et al., 2018).
    maximize : bool, default False
        Go up instead of down.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; the message names it.

    Examples
    --------
    >>> import numpy as np, convnative as cn
    >>> model = cn.nn.Linear(1, 1, bias=False)
    >>> model.weight[...] = 1.0
    >>> optimizer = cn.optim.AdamW(model, lr=0.25, weight_decay=0.0)
    >>> optimizer.step({"weight": np.full((1, 1), 3.0, np.float32)})
    >>> model.weight.round(4).tolist()
    [[0.75]]
    """

    _hyperparameters = ("lr", "betas", "eps", "weight_decay", "amsgrad", "maximize")

    def __init__(
        self,
        model: Module,
        lr: float = 1e-3,
        betas: Sequence[float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(model)
        self.lr = number("lr", lr, 0)
        if not isinstance(betas, (tuple, list)) or len(betas) != 2:
            raise TypeError(f"betas: expected a pair of numbers, received {betas!r}")
        self.betas = (number("betas", betas[0], 0), number("betas", betas[1], 0))
        if max(self.betas) >= 1:
            raise ValueError(f"betas: expected numbers below 1, received {self.betas}")
        self.eps = number("eps", eps, 0)
        self.weight_decay = number("weight_decay", weight_decay, 0)
        self.amsgrad = bool(amsgrad)
        self.maximize = bool(maximize)

    def _initial_state(self, parameter: Array) -> dict[str, Array]:
        kinds = ("mean", "square", "max_square") if self.amsgrad else ("mean", "square")
        return {kind: np.zeros_like(parameter) for kind in kinds}

    def _update(self, value: Array, grad: Array, state: dict[str, Array], age: int) -> None:
        _core.adamw_step(
            value,
            grad,
            state["mean"],
            state["square"],
            state.get("max_square"),
            self.lr,
            *self.betas,
            self.eps,
            self.weight_decay,
            age,
            self.maximize,
        )


def _check_grads(parameters: Mapping[str, Array], grads: Mapping[str, Array]) -> None:
    unknown = [name for name in grads if name not in parameters]
    missing = [name for name in parameters if name not in grads]
    if unknown or missing:
        parts = ["missing " + ", ".join(map(repr, missing))] if missing else []
        parts += ["unknown " + ", ".join(map(repr, unknown))] if unknown else []
        raise ValueError(f"grads: expected one gradient per trained parameter, received {'; '.join(parts)}")
    for name, parameter in parameters.items():
        grad = grads[name]
        if type(grad) is not np.ndarray:
            raise TypeError(f"grads: expected a numpy.ndarray for {name!r}, received {type(grad).__name__}")
        if grad.dtype != parameter.dtype:
            raise TypeError(f"grads: expected {parameter.dtype} for {name!r}, received {grad.dtype}")
        if grad.shape != parameter.shape:
            raise ValueError(f"grads: expected shape {parameter.shape} for {name!r}, received {grad.shape}")


def _check_writable(parameters: Mapping[str, Array]) -> None:
    for name, parameter in parameters.items():
        if type(parameter) is not np.ndarray:
            raise TypeError(
                f"model: expected arrays as parameters, received {type(parameter).__name__} for {name!r}; "
                "a step cannot be differentiated"
            )
        if not parameter.flags.writeable:
            raise ValueError(f"model: expected writable parameters, received a read-only array for {name!r}")
