"""
Runs each hostile call in a process of its own, forked from this one, in which convnative is imported.

A request is a line of JSON on the standard input, the arguments of `run`; the answer, a line of JSON on the
standard output, says how the call ended.
"""

import json
import os
import resource
import select
import signal
import sys
import time

import numpy as np

import convnative as cn
from convnative import _core, filters, nn
from convnative import functional as F

BYTES = 2**30


def ones(*shape):
    return np.ones(shape, np.float32)


def ramp(*shape):
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


def huge(*shape):
    """As large as one likes without memory of its own."""
    return np.broadcast_to(np.float32(1), shape)


def read_only(*shape):
    array = ones(*shape)
    array.flags.writeable = False
    return array


class Subclass(np.ndarray):
    """An array that is not quite a plain one."""


class Number:
    """An integer by its ``__index__`` alone, which does something else first."""

    def __init__(self, value, action=lambda: None):
        self.value, self.action = value, action

    def __index__(self):
        self.action()
        return self.value


NAMES = {"np": np, "cn": cn, "F": F, "nn": nn, "filters": filters, "core": _core} | {
    thing.__name__: thing for thing in (ones, ramp, huge, read_only, Subclass, Number)
}


def addresses_are_shadowed():
    """Whether AddressSanitizer is here, which reserves terabytes of addresses for itself."""
    with open("/proc/self/maps") as maps:
        return "libasan" in maps.read()


def evaluate(code):
    """Return the value of an expression, or what statements assign to y."""
    names = dict(NAMES)
    try:
        expression = compile(code, "<case>", "eval")
    except SyntaxError:
        exec(code, names)
        return names["y"]
    return eval(expression, names)


def judge(code, check):
    """Run the code and describe what came of it."""
    try:
        y = evaluate(code)
    except BaseException as error:
        return {"raised": [kind.__name__ for kind in type(error).__mro__], "message": str(error)[:1000]}
    holds = check is not None and bool(eval(check, {**NAMES, "y": y}))
    return {"returned": repr(y)[:200], "holds": holds}


def run(code, check, seconds, limit_memory):
    """
    Run code in a new process.

    Parameters
    ----------
    code : str
        An expression, or statements that assign y.
    check : str or None
        An expression in y.
    seconds : float
        When to give up.
    limit_memory : bool
        Whether the process may have no more than a gibibyte of addresses.

    Returns
    -------
    dict
        With "raised" (the names of the exception's classes) and "message"; or with "returned" and "holds";
        or with "died", which says of what.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if limit_memory:
            resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
        with os.fdopen(writing, "w") as pipe:
            json.dump(judge(code, check), pipe)
        os._exit(0)
    os.close(writing)
    deadline = time.monotonic() + seconds
    answer = b""
    with os.fdopen(reading, "rb", buffering=0) as pipe:
        while select.select([pipe], [], [], max(0, deadline - time.monotonic()))[0]:
            part = pipe.read(65536)
            if not part:
                break
            answer += part
        else:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return {"died": f"no answer in {seconds} s"}
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return {"died": signal.Signals(os.WTERMSIG(status)).name}
    if os.WEXITSTATUS(status):
        return {"died": f"exit status {os.WEXITSTATUS(status)}"}
    return json.loads(answer)


if __name__ == "__main__":
    limit_memory = not addresses_are_shadowed()
    for line in sys.stdin:
        print(json.dumps(run(*json.loads(line), limit_memory)), flush=True)
