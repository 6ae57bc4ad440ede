import os

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

import arrays
from convnative import _core

# The ISA fixture holds still while Hypothesis draws examples, so sharing it between them is safe.
_shared = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
settings.register_profile("developer", deadline=None, suppress_health_check=_shared)
settings.register_profile(
    "ci", deadline=None, suppress_health_check=_shared, derandomize=True, print_blob=True
)
settings.load_profile("ci" if os.environ.get("CI") else "developer")


@pytest.fixture(autouse=True)
def _runtime_restored():
    """No test leaves another ISA, thread count or precision behind."""
    before = _core.isa(), _core.get_num_threads(), _core.precision()
    yield
    _core.set_isa(before[0])
    _core.set_num_threads(before[1])
    _core.set_precision(before[2])


# A cap asks for one level: a run per level covers them all, each once.
_levels = [_core.isa()] if "CONVNATIVE_MAX_ISA" in os.environ else _core.available_isas()


@pytest.fixture(params=_levels)
def isa(request):
    """Each instruction set of this CPU, or the one that CONVNATIVE_MAX_ISA caps it to."""
    _core.set_isa(request.param)
    return request.param


@pytest.fixture(params=[np.float32, np.float64], ids=["float32", "float64"])
def dtype(request):
    return np.dtype(request.param)


@pytest.fixture(params=[1, 2, 3, 7], ids=lambda n: f"{n}-threads")
def threads(request):
    _core.set_num_threads(request.param)
    return request.param


@pytest.fixture
def strict():
    """Each output is one sum in an order fixed by the shape."""
    _core.set_precision("strict")


@pytest.fixture
def layouts():
    """A function that yields (name, array with the same values) for every memory layout."""
    return arrays.layouts
