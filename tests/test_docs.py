"""The examples in the docstrings run, and everything public has a docstring."""

import doctest
import importlib
import inspect
import pkgutil

import pytest

import convnative


def module_names():
    names = ["convnative"]
    for info in pkgutil.walk_packages(convnative.__path__, "convnative."):
        if info.name.rpartition(".")[2] not in ("_core", "__main__"):
            names.append(info.name)
    return names


@pytest.mark.parametrize("name", module_names())
def test_examples(name):
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        pytest.skip(f"{name} needs a package that is not installed: {error}")
    result = doctest.testmod(module)
    assert result.failed == 0


@pytest.mark.parametrize(
    "name", ["functional", "nn", "optim", "init", "data", "filters", "models", "plot", "signal"]
)
def test_everything_public_is_documented(name):
    module = getattr(convnative, name)
    assert sorted(module.__all__) == sorted(set(module.__all__))
    for public in module.__all__:
        value = getattr(module, public)
        assert value.__doc__, public
        if inspect.isfunction(value):
            assert "Examples" in value.__doc__, public
            for parameter in inspect.signature(value).parameters.values():
                assert parameter.annotation is not inspect.Parameter.empty, (public, parameter)
