"""The stubs of the compiled module say what it has: names, parameters and defaults."""

import ast
import importlib.resources
import inspect
import re
from typing import Any

import pytest

from convnative import _core

STUB = ast.parse(importlib.resources.files("convnative").joinpath("_core.pyi").read_text())
FUNCTIONS = {node.name: node for node in STUB.body if isinstance(node, ast.FunctionDef)}
METHODS = {
    (node.name, method.name): method
    for node in STUB.body
    if isinstance(node, ast.ClassDef)
    for method in node.body
    if isinstance(method, ast.FunctionDef)
}


def stub_parameters(function: ast.FunctionDef) -> list[str]:
    """`name` or `name=default` of each parameter, as the stub has them."""
    parameters = function.args.args
    defaults = [ast.unparse(default) for default in function.args.defaults]
    required = len(parameters) - len(defaults)
    return [p.arg for p in parameters[:required]] + [
        f"{p.arg}={default}" for p, default in zip(parameters[required:], defaults, strict=True)
    ]


def compiled_parameters(function: Any, name: str) -> list[str]:
    """The same from the first docstring line, which pybind11 writes: name(a: type, b: type = default)."""
    line = (function.__doc__ or "").splitlines()[0]
    match = re.fullmatch(rf"{name}\((.*)\) -> .*", line)
    assert match, line
    parameters = []
    for parameter in re.split(r", (?=\w+:)", match[1]) if match[1] else []:
        argument, _, default = parameter.partition(" = ")
        argument = argument.partition(":")[0]
        parameters.append(f"{argument}={default}" if default else argument)
    return parameters


def test_same_functions() -> None:
    compiled = {name for name, value in inspect.getmembers(_core, callable) if not name.startswith("_")}
    assert compiled == set(FUNCTIONS) | {name for name, _ in METHODS}


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_same_parameters(name: str) -> None:
    assert compiled_parameters(getattr(_core, name), name) == stub_parameters(FUNCTIONS[name])


def test_same_methods() -> None:
    for type_name in {name for name, _ in METHODS}:
        members = vars(getattr(_core, type_name))
        own = {name for name in members if not name.startswith("_")} | {"__call__"}
        assert own == {method for name, method in METHODS if name == type_name}


@pytest.mark.parametrize(("type_name", "name"), sorted(METHODS))
def test_same_parameters_of_methods(type_name: str, name: str) -> None:
    stub, compiled = METHODS[type_name, name], vars(getattr(_core, type_name))[name]
    if stub.decorator_list:
        assert isinstance(compiled, property)
    else:
        assert compiled_parameters(compiled, name) == stub_parameters(stub)
