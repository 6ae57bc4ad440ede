"""Containers of modules and of parameters."""

from __future__ import annotations

import copy
import itertools
import operator
from collections.abc import Iterable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, TypeVar, overload

import autograd.numpy as anp
import numpy as np

from .._checks import integer
from ._activation import epilogue
from ._conv import Conv1d, Conv2d, Conv3d
from ._module import Module, Parameter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .._typing import Array
    from ..functional._prepared import ActivationRow

    Pairs = Mapping[str, Any] | Iterable[tuple[str, Any]]
    SequenceT = TypeVar("SequenceT", bound="_ModuleSequence")


class _ModuleSequence(Module):
    """
    Modules in an order, with the methods of a list; what it does with them is up to the subclasses.

    The modules are named by their positions, or as the mapping has them that the container was made from.
    """

    def __init__(self, *modules: Module | Mapping[str, Module]) -> None:
        super().__init__()
        named: Iterable[tuple[Any, Any]] = enumerate(modules)
        if len(modules) == 1 and isinstance(modules[0], Mapping) and not isinstance(modules[0], Module):
            named = modules[0].items()
        for name, module in named:
            if not isinstance(module, Module):
                raise TypeError(
                    f"modules: expected a Module for {str(name)!r}, received {type(module).__name__}"
                )
            self.add_module(str(name), module)

    def append(self: SequenceT, module: Module) -> SequenceT:
        """Add a module at the end, named by its position or the next free number; return this container."""
        position = len(self)
        while str(position) in self._modules:  # a slice keeps the names that its modules had
            position += 1
        self.add_module(str(position), module)
        return self

    def extend(self: SequenceT, modules: Iterable[Module]) -> SequenceT:
        """Add modules at the end; return this container."""
        for module in list(map(_module, modules)):
            self.append(module)
        return self

    def insert(self: SequenceT, index: int, module: Module) -> SequenceT:
        """Add a module before the one at a position and number all anew; return this container."""
        modules = list(self)
        if not -len(modules) <= index <= len(modules):
            raise IndexError(
                f"index: expected an int from {-len(modules)} to {len(modules)}, received {index}"
            )
        modules.insert(index, _module(module))
        return self._renumber(modules)

    def pop(self, index: int = -1) -> Module:
        """Take the module at a position out, number the others anew and return it."""
        module = self[index]
        del self[index]
        return module

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(list(self._modules.values()))

    @overload
    def __getitem__(self, index: int) -> Module: ...
    @overload
    def __getitem__(self: SequenceT, index: slice) -> SequenceT: ...
    def __getitem__(self: SequenceT, index: int | slice) -> Module | SequenceT:
        """Return the module at a position; for a slice, a container of this kind of the same modules."""
        if not isinstance(index, slice):
            return self._modules[self._name(index)]
        part = copy.copy(self)  # whatever arguments the constructor of a subclass may take
        part._modules = dict(self._slice(index))
        return part

    def _slice(self, index: slice) -> Iterable[tuple[str, Module]]:
        return list(self._modules.items())[index]

    def __setitem__(self, index: int, module: Module) -> None:
        """Replace the module at a position."""
        self._modules[self._name(index)] = _module(module)

    def __delitem__(self, index: int | slice) -> None:
        """Take the module at a position, or those of a slice, out and number the others anew."""
        modules = list(self)
        del modules[index if isinstance(index, slice) else self._position(index)]
        self._renumber(modules)

    def __iadd__(self: SequenceT, other: Iterable[Module]) -> SequenceT:
        """Add modules at the end."""
        return self.extend(other)

    def _renumber(self: SequenceT, modules: Iterable[Module]) -> SequenceT:
        self._modules = {str(index): module for index, module in enumerate(modules)}
        return self

    def _position(self, index: int) -> int:
        return _position(index, len(self._modules))

    def _name(self, index: int) -> str:
        return next(itertools.islice(self._modules, self._position(index), None))


def _common_pass(module: Any, following: Module, input: Any) -> ActivationRow | None:
    """Return the activation that `module` can apply in place of `following`, or None."""
    if type(module) not in (Conv1d, Conv2d, Conv3d) or module.training or following.training:
        return None
    arrays = (input, module.weight) if module.bias is None else (input, module.weight, module.bias)
    if any(type(array) is not np.ndarray for array in arrays):  # autograd or a summary follows it
        return None
    return epilogue(following)


class Sequential(_ModuleSequence):
    """
    Modules that run one after the other.

    In evaluation mode (``eval()``) a convolution layer followed by a ReLU, ReLU6, LeakyReLU, Hardswish or
    SiLU layer runs with it in one pass over memory; the result has the same bits.

    It has the methods of a list: indices, slices (with the names that the modules had), ``append``,
    ``extend``, ``insert``, ``pop``, ``del``, ``+`` and ``*``.

    Parameters
    ----------
    *modules : Module
        Named "0", "1", …; or a single mapping (dict, OrderedDict) of names to modules.

    Raises
    ------
    TypeError
        If something is not a Module.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2), nn.ReLU())
    >>> model(np.zeros((3, 2, 2), np.float32)).shape
    (3, 2)
    >>> model[1:]
    Sequential(
      (1): Linear(in_features=4, out_features=2, bias=True)
      (2): ReLU()
    )
    """

    def forward(self, input: Any) -> Any:
        """Pass `input` through all modules."""
        rest = list(self._modules.values())
        while rest:
            module = rest.pop(0)
            activation = _common_pass(module, rest[0], input) if rest else None
            if activation is None:
                input = module(input)
            else:
                input = module.forward_activated(input, activation)
                del rest[0]
        return input

    def __add__(self, other: Sequential) -> Sequential:
        """Return a Sequential of the modules of both."""
        if not isinstance(other, Sequential):
            return NotImplemented
        return Sequential(*self, *other)

    def __mul__(self, times: int) -> Sequential:
        """Return a Sequential that runs the same modules several times."""
        return Sequential(*list(self) * integer("times", times, 1))

    __rmul__ = __mul__

    def __imul__(self, times: int) -> Sequential:
        """Run the same modules several times."""
        return self._renumber(list(self) * integer("times", times, 1))


class Residual(Module):
    """
    Layers around which their input goes: x + f(x), the block of residual networks (He et al. 2015).

    Parameters
    ----------
    *layers : Module
        f: these run one after the other. They are the child ``body``, a `Sequential`.
    shortcut : Module, optional
        Where the layers change the shape: what the input goes through before it is added, such as a
        convolution with kernel size 1.

    Raises
    ------
    TypeError
        If something is not a Module.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> block = nn.Residual(nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1))
    >>> block(np.zeros((1, 4, 6, 6), np.float32)).shape
    (1, 4, 6, 6)
    >>> half = nn.Residual(nn.Conv2d(4, 8, 3, 2, padding=1), shortcut=nn.Conv2d(4, 8, 1, 2))
    >>> half(np.zeros((1, 4, 6, 6), np.float32)).shape
    (1, 8, 3, 3)
    """

    def __init__(self, *layers: Module | Mapping[str, Module], shortcut: Module | None = None) -> None:
        super().__init__()
        self.body = Sequential(*layers)
        self.shortcut = shortcut
        if not (shortcut is None or isinstance(shortcut, Module)):
            raise TypeError(f"shortcut: expected a Module or None, received {type(shortcut).__name__}")

    def forward(self, input: Any) -> Any:
        """Add the input, or what the shortcut makes of it, to what the layers make of it."""
        result = self.body(input)
        around = input if self.shortcut is None else self.shortcut(input)
        if result.shape != around.shape:
            raise ValueError(
                f"input: expected layers that give the shape {around.shape} of the shortcut, "
                f"received {result.shape}"
            )
        return around + result


class Concat(_ModuleSequence):
    """
    Branches that all take the same input, their results side by side (Szegedy et al. 2014).

    It has the methods of a list, as `Sequential` does.

    Parameters
    ----------
    *branches : Module
        Named "0", "1", …; or a single mapping of names to modules.
    dim : int, default 1
        The axis along which the results are concatenated; 1 is that of the channels of a batch.

    Raises
    ------
    TypeError
        If something is not a Module.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> block = nn.Concat(nn.Conv2d(3, 4, 1), nn.Conv2d(3, 8, 3, padding=1), nn.MaxPool2d(3, 1, 1))
    >>> block(np.zeros((1, 3, 6, 6), np.float32)).shape
    (1, 15, 6, 6)
    """

    def __init__(self, *branches: Module | Mapping[str, Module], dim: int = 1) -> None:
        super().__init__(*branches)
        self.dim = integer("dim", dim, -64)  # NumPy's largest number of axes

    def forward(self, input: Any) -> Any:
        """Concatenate what the branches make of the input."""
        results = [branch(input) for branch in self._modules.values()]
        self._check([result.shape for result in results])
        return anp.concatenate(results, axis=self.dim)

    def _check(self, shapes: list[tuple[int, ...]]) -> None:
        if not shapes:
            raise ValueError("branches: expected at least one, received none")
        axes = len(shapes[0])
        if not -axes <= self.dim < axes:
            raise IndexError(f"dim: expected an axis from {-axes} to {axes - 1}, received {self.dim}")
        axis = self.dim % axes
        if len({(len(shape), shape[:axis], shape[axis + 1 :]) for shape in shapes}) != 1:
            raise ValueError(
                f"branches: expected results whose shapes agree but for axis {axis}, received {shapes}"
            )

    def extra_repr(self) -> str:
        """Return the settings for `repr`."""
        return f"dim={self.dim}"


class ModuleList(_ModuleSequence):
    """
    Modules in a list, for a forward that makes its own use of them.

    It has the methods of a list: indices, slices, ``append``, ``extend``, ``insert``, ``pop``, ``del``
    and ``+``.

    Parameters
    ----------
    modules : iterable of Module, optional
        The modules, named "0", "1", ….

    Raises
    ------
    TypeError
        If something is not a Module.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> class Sum(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.heads = nn.ModuleList([nn.Linear(3, 2) for _ in range(4)])
    ...     def forward(self, x):
    ...         return sum(head(x) for head in self.heads)
    >>> Sum()(np.zeros((5, 3), np.float32)).shape
    (5, 2)
    >>> Sum()
    Sum(
      (heads): ModuleList(
        (0-3): 4 x Linear(in_features=3, out_features=2, bias=True)
      )
    )
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__(*(() if modules is None else modules))

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        """Return a ModuleList of the modules of both."""
        return ModuleList([*self, *other])

    def _slice(self, index: slice) -> Iterable[tuple[str, Module]]:
        return ((str(position), module) for position, module in enumerate(list(self)[index]))

    def _child_lines(self) -> Iterator[str]:
        first = 0
        for text, group in itertools.groupby(map(repr, self)):
            count = len(list(group))
            yield f"({first}): {text}" if count == 1 else f"({first}-{first + count - 1}): {count} x {text}"
            first += count


class _NamedItems(Module, MutableMapping[str, Any]):
    """The methods of a dict on one registry of a module."""

    _registry: str

    def __init__(self, items: Pairs | None = None) -> None:
        super().__init__()
        if items is not None:
            self.update(items)

    def __getitem__(self, name: str) -> Any:
        return self.__dict__[self._registry][name]

    def __delitem__(self, name: str) -> None:
        self[name]  # for a KeyError
        delattr(self, name)

    def __iter__(self) -> Iterator[str]:
        return iter(list(self.__dict__[self._registry]))

    def __len__(self) -> int:
        return len(self.__dict__[self._registry])

    # A mapping compares its items; a module is itself alone.
    __eq__ = Module.__eq__
    __hash__ = Module.__hash__


class ModuleDict(_NamedItems):
    """
    Modules by name, for a forward that makes its own use of them; it has the methods of a dict.

    Parameters
    ----------
    modules : mapping of str to Module, or iterable of pairs, optional
        The modules.

    Raises
    ------
    TypeError
        If something is not a Module, or a name not a str.
    ValueError
        If a name is empty, contains a dot, or is that of a method.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> heads = nn.ModuleDict({"digit": nn.Linear(8, 10), "writer": nn.Linear(8, 43)})
    >>> heads["writer"](np.zeros((1, 8), np.float32)).shape
    (1, 43)
    >>> [name for name, _ in heads.named_parameters()]
    ['digit.weight', 'digit.bias', 'writer.weight', 'writer.bias']
    """

    _registry = "_modules"

    def __setitem__(self, name: str, module: Module) -> None:
        """Add or replace a module."""
        self.add_module(name, module)


class ParameterDict(_NamedItems):
    """
    Parameters by name; it has the methods of a dict.

    Parameters
    ----------
    parameters : mapping of str to ndarray or Parameter, or iterable of pairs, optional
        The parameters.

    Raises
    ------
    TypeError
        If something is not a float32 or float64 array, or a name not a str.
    ValueError
        If a name is empty, contains a dot, or is that of a method.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> scales = nn.ParameterDict({"height": np.ones(3), "width": np.ones(4)})
    >>> scales["width"].shape
    (4,)
    """

    _registry = "_parameters"

    def __setitem__(self, name: str, value: Array | Parameter) -> None:
        """Add or replace a parameter."""
        if name in self:
            setattr(self, name, value)
        else:
            self.register_parameter(name, value)

    def extra_repr(self) -> str:
        """Return a line for each parameter."""
        return _parameter_lines(self)


class ParameterList(Module):
    """
    Parameters in a list.

    Parameters
    ----------
    parameters : iterable of ndarray or Parameter, optional
        The parameters, named "0", "1", ….

    Raises
    ------
    TypeError
        If something is not a float32 or float64 array.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> scales = nn.ParameterList([np.ones(3), np.ones(4)])
    >>> [scale.shape for scale in scales]
    [(3,), (4,)]
    """

    def __init__(self, parameters: Iterable[Array | Parameter] | None = None) -> None:
        super().__init__()
        if parameters is not None:
            self.extend(parameters)

    def append(self, parameter: Array | Parameter) -> ParameterList:
        """Add a parameter at the end; return this list."""
        self.register_parameter(str(len(self)), parameter)
        return self

    def extend(self, parameters: Iterable[Array | Parameter]) -> ParameterList:
        """Add parameters at the end; return this list."""
        for parameter in list(parameters):
            self.append(parameter)
        return self

    __iadd__ = extend

    def __len__(self) -> int:
        return len(self._parameters)

    def __iter__(self) -> Iterator[Array]:
        return iter(list(self._parameters.values()))

    @overload
    def __getitem__(self, index: int) -> Array: ...
    @overload
    def __getitem__(self, index: slice) -> list[Array]: ...
    def __getitem__(self, index: int | slice) -> Array | list[Array]:
        """Return the parameter at a position, or a list of those of a slice."""
        values = list(self._parameters.values())
        return values[index if isinstance(index, slice) else _position(index, len(values))]

    def __setitem__(self, index: int, value: Array | Parameter) -> None:
        """Replace the parameter at a position."""
        setattr(self, str(_position(index, len(self))), value)

    def extra_repr(self) -> str:
        """Return a line for each parameter."""
        return _parameter_lines(self)


def _module(value: Any) -> Module:
    if not isinstance(value, Module):
        raise TypeError(f"module: expected a Module, received {type(value).__name__}")
    return value


def _position(index: Any, length: int) -> int:
    """Return a position from 0 for an index that may count from the end."""
    position = operator.index(index)
    if not -length <= position < length:
        raise IndexError(f"index: expected an int from {-length} to {length - 1}, received {index}")
    return position % length


def _parameter_lines(module: Module) -> str:
    lines = []
    for name, array in module._parameters.items():
        size = "x".join(map(str, array.shape)) or "1"
        lines.append(f"({name}): {array.dtype} of size {size}")
    return "\n".join(lines)
