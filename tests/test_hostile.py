"""Hostile calls, each in a process of its own: the documented exception or the right answer, nothing else."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from hostile import CASES
from hostile.sandbox import addresses_are_shadowed

DOCUMENTED = {"ValueError", "TypeError", "IndexError", "OverflowError", "MemoryError"}


class Sandbox:
    """A process that imports the library once and forks for every call."""

    def __init__(self):
        tests = Path(__file__).parent
        # Threads of NumPy's take addresses. Under AddressSanitizer, where addresses cannot be limited, an
        # allocation that is refused for its size stands for the limit.
        options = [os.environ.get("ASAN_OPTIONS"), "allocator_may_return_null=1:max_allocation_size_mb=1024"]
        environment = {"OPENBLAS_NUM_THREADS": "1", "ASAN_OPTIONS": ":".join(filter(None, options))}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "hostile.sandbox"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=tests,
            env={**os.environ, **environment},
        )

    def __call__(self, code, check=None, seconds=10):
        print(json.dumps([code, check, seconds]), file=self._process.stdin, flush=True)
        return json.loads(self._process.stdout.readline())

    def close(self):
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(30)


@pytest.fixture(scope="module")
def sandbox():
    sandbox = Sandbox()
    yield sandbox
    sandbox.close()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_hostile(sandbox, case):
    if case.outcome == "ok":
        outcome = sandbox(case.code, case.detail)
        assert outcome.get("holds"), f"{case.code}: {outcome}"
        return
    outcome = sandbox(case.code)
    assert "raised" in outcome, f"{case.code}: {outcome}"
    assert set(case.outcome.split()) & set(outcome["raised"]), f"{case.code}: {outcome}"
    if "MemoryError" not in outcome["raised"]:
        assert re.match(rf"(?s)({case.detail}): .*expected .*received ", outcome["message"]), (
            f"{case.code}: {outcome}"
        )


def test_the_tables():
    repeated = [name for name, count in Counter(case.name for case in CASES).items() if count > 1]
    assert repeated == []
    assert len(CASES) >= 200
    for case in CASES:
        assert case.outcome == "ok" or set(case.outcome.split()) <= DOCUMENTED, case


@pytest.mark.parametrize(
    ("code", "died"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL"),
        ("import os; os._exit(3)", "exit status 3"),
        ("import time; time.sleep(60)", "no answer in 0.5 s"),
    ],
)
def test_the_sandbox_notices_what_must_not_happen(sandbox, code, died):
    assert sandbox(code, seconds=0.5) == {"died": died}


def test_the_sandbox_limits_memory(sandbox):
    outcome = sandbox("[np.ones(2**25) for _ in range(8)]")  # 2 GiB
    if addresses_are_shadowed():
        outcome = sandbox("np.ones(2**28)")
    assert "MemoryError" in outcome.get("raised", []), outcome


def test_the_sandbox_looks_at_values(sandbox):
    assert sandbox("1 + 1", "y == 2") == {"returned": "2", "holds": True}
    assert sandbox("y = 1 + 1", "y == 3") == {"returned": "2", "holds": False}
    assert sandbox("1 + 1") == {"returned": "2", "holds": False}
