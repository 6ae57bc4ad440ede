"""The base class of all layers and networks."""

from __future__ import annotations

import operator
from collections import OrderedDict
from types import MethodType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
from autograd.tracer import getval, isbox

from .._checks import FLOATS, float_dtype

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from .._typing import Array, DType

    ModuleT = TypeVar("ModuleT", bound="Module")


class Parameter:
    """
    Mark an array as a parameter when it is assigned to an attribute of a module.

    Only the assignment sees the mark: the attribute then is the plain array.

    Parameters
    ----------
    data : ndarray
        float32 or float64. Used as it is where it is C-contiguous, writable and in native byte order;
        otherwise copied, as optimizers update parameters in place.
    requires_grad : bool, default True
        Whether the parameter is trained; see `Module.requires_grad_`.

    Raises
    ------
    TypeError
        If `data` is not a float32 or float64 array.

    Examples
    --------
    >>> import numpy as np
    >>> from convnative import nn
    >>> class Scale(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.factor = nn.Parameter(np.ones(1))
    ...     def forward(self, x):
    ...         return self.factor * x
    >>> Scale().factor
    array([1.])
    """

    __slots__ = ("data", "requires_grad")

    def __init__(self, data: Array, requires_grad: bool = True) -> None:
        self.data = _parameter_array("data", data)
        self.requires_grad = _flag("requires_grad", requires_grad)

    def __repr__(self) -> str:
        return f"Parameter({self.data!r}{'' if self.requires_grad else ', requires_grad=False'})"


class IncompatibleKeys(NamedTuple):
    """Names that `Module.load_state_dict` found missing and unexpected."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class Module:
    """
    Base class of all layers and networks.

    A subclass calls ``super().__init__()``, assigns parameters (`Parameter`), buffers
    (`register_buffer`) and other modules to attributes, and defines `forward`. Names of nested
    parameters are joined by dots, as in torch, so that ``state_dict`` keys agree.

    Modules can be pickled and copied with ``copy.deepcopy``.

    Attributes
    ----------
    training : bool
        Whether layers such as Dropout behave as in training; see `train` and `eval`.

    Examples
    --------
    >>> from convnative import nn, functional as F
    >>> class Net(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.conv = nn.Conv2d(1, 4, 3)
    ...         self.head = nn.Linear(4, 2)
    ...     def forward(self, x):
    ...         return self.head(F.relu(self.conv(x)).mean(axis=(2, 3)))
    >>> net = Net()
    >>> net
    Net(
      (conv): Conv2d(1, 4, kernel_size=(3, 3), stride=(1, 1))
      (head): Linear(in_features=4, out_features=2, bias=True)
    )
    >>> [name for name, _ in net.named_parameters()]
    ['conv.weight', 'conv.bias', 'head.weight', 'head.bias']
    """

    training: bool
    _parameters: dict[str, Any]
    _buffers: dict[str, Any]
    _modules: dict[str, Module]
    _transient: set[str]  # buffers that are not in the state_dict
    _frozen: set[str]  # parameters that are not trained
    _is_stand_in = False

    def __init__(self) -> None:
        # Straight into __dict__: __setattr__ needs the registries that are being made here.
        self.__dict__.update(
            _parameters={}, _buffers={}, _modules={}, _transient=set(), _frozen=set(), training=True
        )

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the result; every subclass defines its own."""
        raise NotImplementedError(f"{type(self).__name__} does not define forward()")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call `forward`; an array without values, see `convnative.summary`, takes over by itself."""
        if args and hasattr(args[0], "__convnative_abstract__"):
            return args[0].__convnative_abstract__(self, *args, **kwargs)
        return self.forward(*args, **kwargs)

    # -- attributes ---------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        # Called for names that are not in __dict__. The registries may be missing while unpickling.
        own = self.__dict__
        for registry in ("_parameters", "_buffers", "_modules"):
            if name in own.get(registry, ()):
                return own[registry][name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        own = self.__dict__
        if "_parameters" not in own:
            raise AttributeError(
                f"{name}: expected super().__init__() to be called before the first assignment "
                f"in {type(self).__name__}.__init__"
            )
        if isinstance(value, Parameter):
            self.register_parameter(name, value)
        elif isinstance(value, Module):
            self._make_room(name, "_modules")
            own["_modules"][name] = value
        elif name in own["_parameters"]:
            # Inside of a derivative, the stand-in for a model may have its parameters recomputed.
            if value is not None and not (self._is_stand_in and isbox(value)):
                value = self._checked_parameter(name, value)
            own["_parameters"][name] = value
        elif name in own["_buffers"]:
            own["_buffers"][name] = _buffer_array(name, value)
        else:
            if name in own["_modules"]:
                if value is not None:
                    raise TypeError(f"{name}: expected a Module or None, received {type(value).__name__}")
                del own["_modules"][name]
            object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        for registry in ("_parameters", "_buffers", "_modules"):
            if name in self.__dict__.get(registry, ()):
                del self.__dict__[registry][name]
                self._transient.discard(name)
                self._frozen.discard(name)
                return
        object.__delattr__(self, name)

    def __copy__(self: ModuleT) -> ModuleT:
        """Return a module of the same arrays and modules, in registries of its own."""
        other = object.__new__(type(self))
        own = self.__dict__
        other.__dict__.update(own, **{name: own[name].copy() for name in _REGISTRIES})
        return other

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._parameters, *self._buffers, *self._modules})

    def register_parameter(self, name: str, value: Array | Parameter | None) -> None:
        """
        Add a parameter; the same as assigning a `Parameter`.

        Parameters
        ----------
        name : str
            Attribute name, without dots.
        value : ndarray, Parameter or None
            float32 or float64. None declares a parameter that this instance does without, such as the
            bias of a layer made with ``bias=False``.

        Raises
        ------
        TypeError
            If `value` is not a float32 or float64 array.
        ValueError
            If the name contains a dot or is empty.
        """
        array = None if value is None else self._checked_parameter(name, value)
        self._make_room(name, "_parameters")
        self._parameters[name] = array
        if isinstance(value, Parameter) and not value.requires_grad:
            self._frozen.add(name)

    def register_buffer(self, name: str, value: Array | None, persistent: bool = True) -> None:
        """
        Add an array that belongs to the module but is not trained.

        Assigning to the attribute later replaces the buffer; a value that autograd traces is stored
        without its trace.

        Parameters
        ----------
        name : str
            Attribute name, without dots.
        value : ndarray or None
            Of any dtype. None declares a buffer that this instance does without.
        persistent : bool, default True
            Whether it is part of the ``state_dict``.

        Raises
        ------
        TypeError
            If `value` is not an array.
        ValueError
            If the name contains a dot or is empty.
        """
        array = _buffer_array(name, value)
        self._make_room(name, "_buffers")
        self._buffers[name] = array
        if not persistent:
            self._transient.add(name)

    def add_module(self, name: str, module: Module) -> None:
        """
        Add a child module; the same as assigning it to the attribute `name`.

        Parameters
        ----------
        name : str
            Attribute name, without dots.
        module : Module
            The child.

        Raises
        ------
        TypeError
            If `module` is not a Module.
        ValueError
            If the name contains a dot or is empty.
        """
        if not isinstance(module, Module):
            raise TypeError(f"module: expected a Module, received {type(module).__name__}")
        self._make_room(name, "_modules")
        self._modules[name] = module

    def _checked_parameter(self, name: str, value: Any) -> Any:
        if self._is_stand_in and self._parameters.get(name) is None:
            raise ValueError(
                f"{name}: expected a parameter of {type(self).__name__} that exists before it is "
                "differentiated, received a new one; call the model once before"
            )
        return _parameter_array(name, value)

    def _make_room(self, name: str, registry: str) -> None:
        """Check the name and take it out of every other place an attribute can be in."""
        if not isinstance(name, str):
            raise TypeError(f"name: expected a str, received {type(name).__name__}")
        if not name or "." in name:
            raise ValueError(f"name: expected a name without dots, received {name!r}")
        own = self.__dict__
        if name in _OWN_ATTRIBUTES or (
            name not in own and name not in own[registry] and hasattr(type(self), name)
        ):
            raise ValueError(
                f"name: expected a name that {type(self).__name__} does not define, received {name!r}"
            )
        for other in ("_parameters", "_buffers", "_modules"):
            if other != registry:
                own[other].pop(name, None)
        self._transient.discard(name)
        self._frozen.discard(name)
        own.pop(name, None)

    # -- traversal ----------------------------------------------------------------------------

    def named_modules(
        self, *, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """
        Yield (name, module) for this module and all below it.

        Parameters
        ----------
        prefix : str, default ""
            Name of this module, with which all names begin.
        remove_duplicate : bool, default True
            Whether a module that is there several times comes once.
        """
        seen: set[int] = set()
        stack = [(prefix, self)]
        while stack:
            path, module = stack.pop()
            if remove_duplicate:
                if id(module) in seen:
                    continue
                seen.add(id(module))
            yield path, module
            for name, child in reversed(module._modules.items()):
                stack.append((_join(path, name), child))

    def modules(self) -> Iterator[Module]:
        """Yield this module and all below it, each once."""
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Yield (name, module) for the direct children, each once."""
        first: dict[int, tuple[str, Module]] = {}
        for name, child in self._modules.items():
            first.setdefault(id(child), (name, child))
        return iter(first.values())

    def children(self) -> Iterator[Module]:
        """Yield the direct children, each once."""
        return (child for _, child in self.named_children())

    def named_parameters(
        self,
        prefix: str = "",
        recurse: bool = True,
        remove_duplicate: bool = True,
        *,
        requires_grad: bool | None = None,
    ) -> Iterator[tuple[str, Array]]:
        """
        Yield (name, array) for the parameters.

        Parameters
        ----------
        prefix : str, default ""
            Name of this module, with which all names begin.
        recurse : bool, default True
            Whether to go through the modules below this one too.
        remove_duplicate : bool, default True
            Whether an array that several modules share comes once.
        requires_grad : bool, optional
            True for the parameters that are trained alone, False for the frozen ones alone; see
            `requires_grad_`.
        """
        return self._named_arrays("_parameters", prefix, recurse, remove_duplicate, requires_grad)

    def parameters(self, recurse: bool = True) -> Iterator[Array]:
        """Yield all parameters, each once; without `recurse` those of this module alone."""
        return (array for _, array in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Array]]:
        """Yield (name, array) for the buffers; the arguments are those of `named_parameters`."""
        return self._named_arrays("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Array]:
        """Yield all buffers, each once; without `recurse` those of this module alone."""
        return (array for _, array in self.named_buffers(recurse=recurse))

    def _named_arrays(
        self,
        registry: str,
        prefix: str,
        recurse: bool,
        remove_duplicate: bool,
        requires_grad: bool | None = None,
    ) -> Iterator[tuple[str, Any]]:
        modules = [(prefix, self)]
        if recurse:
            modules = list(self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate))
        frozen = {id(module._parameters[name]) for _, module in modules for name in module._frozen}
        seen: set[int] = set()
        for path, module in modules:
            if registry == "_parameters":
                module._require_parameters()
            for name, array in module.__dict__[registry].items():
                if array is None or id(array) in seen:
                    continue
                if requires_grad is not None and (id(array) not in frozen) is not requires_grad:
                    continue
                if remove_duplicate:
                    seen.add(id(array))
                yield _join(path, name), array

    def _require_parameters(self) -> None:
        """Raise ValueError where the parameters do not exist yet."""

    def get_submodule(self, target: str) -> Module:
        """
        Return the module of a name as `named_modules` has them; "" is this module.

        Raises
        ------
        AttributeError
            If there is no such module.

        Examples
        --------
        >>> from convnative import nn
        >>> model = nn.Sequential(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), nn.ReLU())
        >>> model.get_submodule("0.1")
        Linear(in_features=4, out_features=2, bias=True)
        """
        module: Module | None = self
        for name in target.split(".") if target else ():
            module = None if module is None else module._modules.get(name)
        if module is None:
            raise AttributeError(
                f"target: expected the name of a module of {type(self).__name__}, received {target!r}"
            )
        return module

    def get_parameter(self, target: str) -> Array:
        """Return the parameter of a name as `named_parameters` has them; else AttributeError."""
        array: Array = self._get_array("_parameters", "parameter", target)
        return array

    def get_buffer(self, target: str) -> Array:
        """Return the buffer of a name as `named_buffers` has them; else AttributeError."""
        array: Array = self._get_array("_buffers", "buffer", target)
        return array

    def _get_array(self, registry: str, kind: str, target: str) -> Any:
        path, _, name = target.rpartition(".")
        array = self.get_submodule(path).__dict__[registry].get(name)
        if array is None:
            raise AttributeError(
                f"target: expected the name of a {kind} of {type(self).__name__}, received {target!r}"
            )
        return array

    def apply(self: ModuleT, function: Callable[[Module], Any]) -> ModuleT:
        """
        Call a function on every module below this one, then on this one.

        Parameters
        ----------
        function : callable
            Takes a module; its result is ignored.

        Returns
        -------
        Module
            This module.

        Examples
        --------
        >>> import convnative as cn
        >>> from convnative import nn
        >>> def he(module):
        ...     if isinstance(module, (nn.Conv2d, nn.Linear)):
        ...         module.weight = cn.init.kaiming_normal(module.weight.shape)
        >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU()).apply(he)
        """
        for child in self.children():
            child.apply(function)
        function(self)
        return self

    def train(self: ModuleT, mode: bool = True) -> ModuleT:
        """Set the mode of this module and all below it to training (or, with False, not); return it."""
        _flag("mode", mode)
        for module in self.modules():
            module.training = mode
        return self

    def eval(self: ModuleT) -> ModuleT:
        """Set the mode of this module and all below it to inference; return it."""
        return self.train(False)

    def requires_grad_(self: ModuleT, requires_grad: bool = True) -> ModuleT:
        """
        Freeze the parameters of this module and all below it, or set them free again.

        `convnative.value_and_grad` takes frozen parameters for constants and optimizers leave them as they
        are. An array that several modules share is trained unless one of them has frozen it. One
        parameter alone is frozen by its mark: ``Parameter(data, requires_grad=False)``.

        Parameters
        ----------
        requires_grad : bool, default True
            Whether to train the parameters.

        Returns
        -------
        Module
            This module.

        Examples
        --------
        >>> from convnative import nn
        >>> model = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
        >>> _ = model[0].requires_grad_(False)
        >>> [name for name, _ in model.named_parameters(requires_grad=True)]
        ['1.weight', '1.bias']
        """
        _flag("requires_grad", requires_grad)
        for module in self.modules():
            module._require_parameters()
            module._frozen.clear()
            if not requires_grad:
                module._frozen.update(module._parameters)
        return self

    def to(self: ModuleT, dtype: DType) -> ModuleT:
        """
        Convert the parameters and the floating buffers of this module and all below it; return it.

        Parameters
        ----------
        dtype : float32 or float64
            What to convert to. Arrays of this dtype stay the same arrays; others are replaced, so that an
            optimizer has to be made afterwards.

        Raises
        ------
        TypeError
            If `dtype` is another.

        Examples
        --------
        >>> import numpy as np
        >>> from convnative import nn
        >>> nn.Linear(2, 1).to(np.float64)(np.ones((1, 2))).dtype
        dtype('float64')
        """
        dtype = float_dtype("dtype", dtype)
        converted: dict[int, Any] = {}  # an array that modules share stays shared
        for module in self.modules():
            module._before_conversion(dtype)
            for registry in (module._parameters, module._buffers):
                for name, array in registry.items():
                    if array is not None and array.dtype.kind == "f" and array.dtype != dtype:
                        if id(array) not in converted:
                            # The old array is kept as well: its id may not be given away meanwhile.
                            converted[id(array)] = array, array.astype(dtype)
                        registry[name] = converted[id(array)][1]
        return self

    def float(self: ModuleT) -> ModuleT:
        """Convert to float32; see `to`."""
        return self.to(np.float32)

    def double(self: ModuleT) -> ModuleT:
        """Convert to float64; see `to`."""
        return self.to(np.float64)

    # -- state --------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Array]:
        """
        Parameters and persistent buffers by name.

        Returns
        -------
        dict of str to ndarray
            The arrays themselves, as in torch: training changes them in place. Take
            ``copy.deepcopy(model.state_dict())`` to keep a state.

        Examples
        --------
        >>> from convnative import nn
        >>> {name: array.shape for name, array in nn.Linear(3, 2).state_dict().items()}
        {'weight': (2, 3), 'bias': (2,)}
        """
        return {name: getval(array) for name, _, _, array in self._state()}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> IncompatibleKeys:
        """
        Copy arrays into the parameters and persistent buffers.

        Everything is checked before the first array is changed.

        Parameters
        ----------
        state_dict : mapping of str to ndarray
            As `state_dict` returns it. Shapes and dtypes have to agree, whether strict or not.
        strict : bool, default True
            Whether the names have to agree exactly.

        Returns
        -------
        IncompatibleKeys
            A named tuple of the lists ``missing_keys`` and ``unexpected_keys``.

        Raises
        ------
        ValueError
            If shapes differ, or names do and `strict` is set; the message lists all of them.
        TypeError
            If a value is not an array or of another dtype.

        Examples
        --------
        >>> from convnative import nn
        >>> one, other = nn.Linear(3, 2), nn.Linear(3, 2)
        >>> one.load_state_dict(other.state_dict())
        IncompatibleKeys(missing_keys=[], unexpected_keys=[])
        >>> one.load_state_dict({"weight": other.weight, "scale": other.bias}, strict=False)
        IncompatibleKeys(missing_keys=['bias'], unexpected_keys=['scale'])
        """
        if not hasattr(state_dict, "keys"):
            raise TypeError(
                f"state_dict: expected a mapping of names to arrays, received {type(state_dict).__name__}"
            )
        for prefix, module in self.named_modules():
            module._before_load(prefix, state_dict)
        places = {name: (registry, key, array) for name, registry, key, array in self._state()}
        keys = IncompatibleKeys(
            [name for name in places if name not in state_dict],
            [name for name in state_dict if name not in places],
        )
        problems = []
        if strict and keys.missing_keys:
            problems.append("missing " + ", ".join(map(repr, keys.missing_keys)))
        if strict and keys.unexpected_keys:
            problems.append("unexpected " + ", ".join(map(repr, keys.unexpected_keys)))
        wrong_types = []
        for name, (_, _, array) in places.items():
            if name not in state_dict:
                continue
            value = state_dict[name]
            if not isinstance(value, np.ndarray):
                wrong_types.append(f"{name!r}: expected a numpy.ndarray, received {type(value).__name__}")
            elif value.dtype.newbyteorder("=") != array.dtype:
                wrong_types.append(f"{name!r}: expected {array.dtype}, received {value.dtype}")
            elif value.shape != array.shape:
                problems.append(f"{name!r}: expected shape {array.shape}, received {value.shape}")
        if wrong_types:
            raise TypeError(f"state_dict: of {type(self).__name__}: " + "; ".join(wrong_types))
        if problems:
            raise ValueError(f"state_dict: of {type(self).__name__}: " + "; ".join(problems))
        for name, (registry, key, array) in places.items():
            if name not in state_dict:
                continue
            if array.flags.writeable:
                np.copyto(array, state_dict[name])
            else:  # a buffer that was made from a read-only array
                registry[key] = np.array(state_dict[name], dtype=array.dtype)
        return keys

    def _before_load(self, prefix: str, state_dict: Mapping[str, Any]) -> None:
        """Make the parameters where their shapes were left open until now; `prefix` is the module's name."""

    def _before_conversion(self, dtype: np.dtype[Any]) -> None:
        """Remember `dtype` where there are no parameters yet."""

    def _state(self) -> Iterator[tuple[str, dict[str, Any], str, Any]]:
        """Full name, registry, name in the registry and array of everything in the state_dict."""

        def walk(module: Module, prefix: str) -> Iterator[tuple[str, dict[str, Any], str, Any]]:
            for registry in (module._parameters, module._buffers):
                for name, array in registry.items():
                    if array is not None and name not in module._transient:
                        yield _join(prefix, name), registry, name, array
            for name, child in module._modules.items():
                yield from walk(child, _join(prefix, name))

        return walk(self, "")

    def _with_parameters(self: ModuleT, replacements: Mapping[int, Any]) -> ModuleT:
        """
        Return a stand-in for this module whose parameters are replaced.

        The modules are copied shallowly, with buffers, mode and other attributes shared at this moment;
        what is shared inside of the model stays shared. Lists, tuples, dicts and bound methods among the
        attributes lead to the copies too, where they lead to a module or parameter of this model.

        Parameters
        ----------
        replacements : mapping
            From the ``id`` of a parameter's array to what takes its place.
        """
        copies: dict[int, Module] = {}

        def copy(module: Module) -> Module:
            if id(module) not in copies:
                stand_in = object.__new__(type(module))
                copies[id(module)] = stand_in
                parameters, children = module._parameters.items(), module._modules.items()
                stand_in.__dict__.update(
                    module.__dict__,
                    _parameters={name: replacements.get(id(array), array) for name, array in parameters},
                    _modules={name: copy(child) for name, child in children},
                    _frozen=set(module._frozen),
                    _is_stand_in=True,
                )
            return copies[id(module)]

        def replaced(value: Any) -> Any:
            kind = type(value)
            if kind in _CONTAINERS:
                values = value.values() if issubclass(kind, dict) else value
                if _ATOMS.issuperset(map(type, values)):  # sizes, and the lists of numbers that models keep
                    return value
                items = list(map(replaced, values))
                if all(map(operator.is_, items, values)):
                    return value
                return kind(zip(value, items, strict=True) if issubclass(kind, dict) else items)
            if kind is MethodType:
                owner = replaced(value.__self__)
                return value if owner is value.__self__ else MethodType(value.__func__, owner)
            return copies.get(id(value), replacements.get(id(value), value))

        result = copy(self)
        for stand_in in copies.values():
            own = stand_in.__dict__
            for name, value in own.items():
                if type(value) not in _ATOMS and name not in _OWN_ATTRIBUTES:
                    own[name] = replaced(value)
        return result  # type: ignore[return-value]

    # -- text ---------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """Return the settings for `repr`, on one line."""
        return ""

    def _child_lines(self) -> Iterator[str]:
        return (f"({name}): {child!r}" for name, child in self._modules.items())

    def __repr__(self) -> str:
        name, extra = type(self).__name__, self.extra_repr()
        lines = [line.replace("\n", "\n  ") for line in self._child_lines()]
        if not lines and "\n" not in extra:
            return f"{name}({extra})"
        if extra:
            lines = [*extra.split("\n"), *lines]
        return f"{name}(\n  " + "\n  ".join(lines) + "\n)"


_REGISTRIES = ("_parameters", "_buffers", "_modules", "_transient", "_frozen")
# What every module has in its __dict__; the values there that lead nowhere; those that may lead to modules.
_OWN_ATTRIBUTES = frozenset({*_REGISTRIES, "training", "_is_stand_in"})
_ATOMS = frozenset({bool, int, float, str, type(None)})
_CONTAINERS = frozenset({list, tuple, dict, OrderedDict})


def _join(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def _parameter_array(name: str, value: Any) -> Any:
    """Check a parameter's value; a copy only where it could not be updated in place."""
    if isinstance(value, Parameter):
        return value.data
    if type(value) is not np.ndarray:
        raise TypeError(
            f"{name}: expected a numpy.ndarray of float32 or float64, received {type(value).__name__}"
        )
    dtype = value.dtype.newbyteorder("=")
    if dtype not in FLOATS:
        raise TypeError(f"{name}: expected an array of float32 or float64, received {value.dtype}")
    if value.flags.carray and value.dtype.isnative:  # C-contiguous, aligned, writable
        return value
    return np.array(value, dtype=dtype, order="C")


def _buffer_array(name: str, value: Any) -> Any:
    value = getval(value)
    if value is None:
        return None
    if not isinstance(value, (np.ndarray, np.generic)):
        raise TypeError(f"{name}: expected a numpy.ndarray, received {type(value).__name__}")
    return np.asarray(value)


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{name}: expected a bool, received {value!r}")
    return value
