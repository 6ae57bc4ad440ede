"""The stubs of the compiled module say what it has: names, parameters and defaults."""

import ast
import importlib.resources
import inspect
import re

import pytest

from convnative import _core

STUB = importlib.resources.files("convnative").joinpath("_core.pyi").read_text()
FUNCTIONS = {node.name: node for node in ast.parse(STUB).body if isinstance(node, ast.FunctionDef)}


def stub_parameters(function: ast.FunctionDef) -> list[str]:
    """`name` or `name=default` of each parameter, as the stub has them."""
    parameters = function.args.args
    defaults = [ast.unparse(default) for default in function.args.defaults]
    required = len(parameters) - len(defaults)
    return [p.arg for p in parameters[:required]] + [
        f"{p.arg}={default}" for p, default in zip(parameters[required:], defaults, strict=True)
    ]


def compiled_parameters(name: str) -> list[str]:
    """The same from the first docstring line, which pybind11 writes: name(a: type, b: type = default)."""
    line = (getattr(_core, name).__doc__ or "").splitlines()[0]
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
    assert compiled == set(FUNCTIONS)


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_same_parameters(name: str) -> None:
    assert compiled_parameters(name) == stub_parameters(FUNCTIONS[name])
