"""Threads, forks and interrupts.

What could hang or leave the process in another state runs in a process of its own, under a time limit.
"""

import os
import shutil
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from arrays import assert_same_bits, generator
from convnative import _core

pytestmark = pytest.mark.alone

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
FORK = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")


def run_script(text, *, timeout=120, **environment):
    """Run Python code in a process of its own; its output, where it ended well."""
    prelude = """
        import os, signal, sys, threading, time
        import numpy as np
        from convnative import _core
        # A shell's background job ignores interrupts, and so do its children.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    """
    environment = {**os.environ, **environment}
    script = textwrap.dedent(prelude) + textwrap.dedent(text)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=timeout, env=environment
    )
    assert done.returncode == 0, f"exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def operations(dtype):
    """Calls of every kind that are large enough to run in parallel, each with its own operands."""
    rng = generator("threads")
    draw = lambda *shape: rng.standard_normal(shape).astype(dtype)  # noqa: E731
    x, w, b, g = draw(4, 24, 40, 41), draw(32, 24, 3, 3), draw(32), draw(4, 32, 40, 41)
    a, c = draw(300, 200), draw(200, 170)
    geometry = 1, 1, 1, 1
    target = rng.integers(0, 24, (4, 40, 41))
    return [
        lambda: _core.conv_forward(2, x, w, b, *geometry),
        lambda: _core.conv_grad_input(2, g, w, x.shape, *geometry),
        lambda: _core.conv_grad_weight(2, g, x, w.shape, *geometry),
        lambda: _core.conv_grad_bias(2, g),
        lambda: _core.max_pool_forward(2, x, 3, 2, 1, 1, False),
        lambda: _core.max_pool_grad(2, x, x, 3, 1, 1, 1, False),
        lambda: _core.avg_pool_forward(2, x, 3, 2, 1, False, True, None),
        lambda: _core.avg_pool_grad(2, x, x.shape, 3, 1, 1, False, True, None),
        lambda: _core.relu_forward(x),
        lambda: _core.matmul(a, c),
        lambda: _core.softmax_forward(x, 1, False),
        lambda: _core.cross_entropy_forward(x, target, None, -100, 0.1),
    ]


# -- many callers -----------------------------------------------------------------------------


def test_many_python_threads_at_once(dtype, threads):
    calls = operations(dtype)
    expected = [call() for call in calls]
    barrier = threading.Barrier(8)

    def work(first):
        barrier.wait(30)
        return [
            (i, calls[i]()) for turn in range(3) for i in np.roll(range(len(calls)), first + turn).tolist()
        ]

    with ThreadPoolExecutor(8) as pool:
        for results in pool.map(work, range(8)):
            for i, result in results:
                assert_same_bits(result, expected[i], f"operation {i}")


def test_threads_may_change_the_settings_of_running_calls(dtype):
    """Another thread count has the same bits, so it may change at any time."""
    calls = operations(dtype)
    expected = [call() for call in calls]
    stop = threading.Event()

    def fiddle():
        count = 0
        while not stop.wait(0.0005):
            count += 1
            _core.set_num_threads(1 + count % 5)

    other = threading.Thread(target=fiddle)
    other.start()
    try:
        for _ in range(5):
            for call, result in zip(calls, expected, strict=True):
                assert_same_bits(call(), result)
    finally:
        stop.set()
        other.join()


def test_the_interpreter_runs_during_a_call():
    """The GIL is released: a Python thread makes progress while a long convolution runs."""
    output = run_script("""
        x, w = np.ones((1, 128, 96, 96)), np.ones((128, 128, 9, 9))
        ticks, done = [], threading.Event()
        def tick():
            while not done.is_set():
                ticks.append(time.perf_counter())
                time.sleep(0.005)
        thread = threading.Thread(target=tick); thread.start()
        start = time.perf_counter()
        _core.conv_forward(2, x, w, None, 1, 4, 1, 1)
        end = time.perf_counter()
        done.set(); thread.join()
        print(sum(start < t < end for t in ticks), end - start)
    """)
    ticks, seconds = output.split()
    assert int(ticks) > 3, f"{ticks} ticks in {seconds} s"


@LINUX
def test_callers_share_the_threads():
    """Calls made while another runs do not each bring a team of their own."""
    output = run_script("""
        def running():
            states = []
            for task in os.listdir("/proc/self/task"):
                try:
                    with open(f"/proc/self/task/{task}/stat") as file:
                        states.append(file.read().rsplit(")", 1)[1].split()[0])
                except FileNotFoundError:
                    pass
            return states.count("R")
        _core.set_num_threads(4)
        x, w = np.ones((1, 64, 64, 64), np.float32), np.ones((64, 64, 5, 5), np.float32)
        stop = time.perf_counter() + 3
        def work():
            while time.perf_counter() < stop:
                _core.conv_forward(2, x, w, None, 1, 2, 1, 1)
        callers = [threading.Thread(target=work) for _ in range(6)]
        for caller in callers: caller.start()
        samples = []
        while time.perf_counter() < stop:
            samples.append(running()); time.sleep(0.01)
        for caller in callers: caller.join()
        print(max(samples), sorted(samples)[len(samples) // 2])
    """)
    most, median = map(int, output.split())
    # Six callers, three helpers, this sampler; six teams of four would be 25.
    assert median <= 6 + 3 + 1, (most, median)
    assert most <= 6 + 2 * 3 + 1, (most, median)


@LINUX
def test_small_problems_wake_no_pool():
    output = run_script("""
        _core.set_num_threads(4)
        before = len(os.listdir("/proc/self/task"))
        x, w = np.ones((1, 2, 8, 8), np.float32), np.ones((2, 2, 3, 3), np.float32)
        _core.conv_forward(2, x, w, None, 1, 1, 1, 1)
        _core.conv_grad_weight(2, x, x, w.shape, 1, 1, 1, 1)
        _core.max_pool_forward(2, x, 2, None, 0, 1, False)
        _core.relu_forward(x)
        _core.matmul(x[0, 0], x[0, 0])
        small = len(os.listdir("/proc/self/task"))
        x, w = np.ones((4, 64, 64, 64), np.float32), np.ones((64, 64, 3, 3), np.float32)
        _core.conv_forward(2, x, w, None, 1, 1, 1, 1)
        print(before, small, len(os.listdir("/proc/self/task")))
    """)
    before, small, large = map(int, output.split())
    assert small == before
    assert large > before


# -- fork -------------------------------------------------------------------------------------

WORK = """
    def work():
        x = np.random.default_rng(0).standard_normal((2, 32, 40, 40))
        w = np.random.default_rng(1).standard_normal((32, 32, 3, 3))
        y = _core.conv_forward(2, x, w, None, 1, 1, 1, 1)
        grad_weight = _core.conv_grad_weight(2, y, x, w.shape, 1, 1, 1, 1)
        return y, grad_weight, _core.matmul(x[0, 0], x[1, 1])
    def same(a, b):
        return all(i.tobytes() == j.tobytes() for i, j in zip(a, b))
    def finish(child, limit=30):
        stop = time.monotonic() + limit
        while time.monotonic() < stop:
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid:
                return status
            time.sleep(0.01)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        sys.exit("the child hangs")
"""


@FORK
def test_fork_after_use():
    """The child computes in parallel, and so does its child, and the parent goes on."""
    run_script(
        WORK
        + """
    _core.set_num_threads(4)
    expected = work()
    for _ in range(5):
        child = os.fork()
        if child == 0:
            good = same(work(), expected)
            grandchild = os.fork()
            if grandchild == 0:
                os._exit(0 if same(work(), expected) else 1)
            status = finish(grandchild)
            os._exit(0 if good and status == 0 else 1)
        assert same(work(), expected)
        assert finish(child) == 0
    assert same(work(), expected)
    """
    )


@FORK
def test_fork_before_use():
    run_script(
        WORK
        + """
    _core.set_num_threads(4)
    child = os.fork()
    results = work()
    if child == 0:
        os._exit(0 if same(results, work()) else 1)
    assert finish(child) == 0
    """
    )


@FORK
@LINUX
@pytest.mark.skipif(shutil.which("gcc") is None, reason="builds a library that uses OpenMP")
def test_fork_after_another_library_used_openmp(tmp_path):
    """The OpenMP runtime is one for the whole process; its pool does not live on in the child."""
    source, library = tmp_path / "other.c", tmp_path / "libother.so"
    source.write_text("""
    #include <omp.h>
    int team(void) {
        int size = 0;
        #pragma omp parallel num_threads(4) reduction(+:size)
        size += 1;
        return size;
    }
    """)
    built = subprocess.run(["gcc", "-fopenmp", "-shared", "-fPIC", "-o", library, source], timeout=60)
    if built.returncode:
        pytest.skip("gcc has no OpenMP here")
    run_script(
        WORK
        + f"""
    import ctypes
    assert ctypes.CDLL({str(library)!r}).team() >= 1
    _core.set_num_threads(4)
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    assert finish(child) == 0
    """
    )


@FORK
def test_fork_while_another_thread_computes():
    run_script(
        WORK
        + """
    _core.set_num_threads(3)
    expected = work()
    stop = threading.Event()
    def busy():
        while not stop.is_set():
            work()
    others = [threading.Thread(target=busy) for _ in range(2)]
    for other in others: other.start()
    for _ in range(20):
        child = os.fork()
        if child == 0:
            os._exit(0 if same(work(), expected) else 1)
        assert finish(child) == 0
    stop.set()
    for other in others: other.join()
    """
    )


@FORK
def test_multiprocessing_fork():
    run_script("""
        import multiprocessing
        def job(seed):
            x = np.random.default_rng(seed).standard_normal((2, 32, 40, 40))
            w = np.random.default_rng(1).standard_normal((32, 32, 3, 3))
            return _core.conv_forward(2, x, w, None, 1, 1, 1, 1).tobytes()
        expected = [job(seed) for seed in range(6)]
        with multiprocessing.get_context("fork").Pool(2) as pool:
            assert pool.map_async(job, range(6)).get(60) == expected
    """)


# -- interrupts -------------------------------------------------------------------------------

CONV = "x, w = np.ones((1, 256, 224, 224)), np.ones((256, 256, 7, 7))"
LARGE_KERNEL = "x, w = np.ones((2, 256, 144, 144)), np.ones((256, 256, 19, 19))"
POOL = "x = np.random.default_rng(0).standard_normal((24, 64, 128, 128))"
LONG_CALLS = {
    "conv_forward": (CONV, "_core.conv_forward(2, x, w, None, 1, 3, 1, 1)"),
    "conv_grad_input": (CONV, "_core.conv_grad_input(2, x, w, x.shape, 1, 3, 1, 1)"),
    "conv_grad_weight": (CONV, "_core.conv_grad_weight(2, x, x, w.shape, 1, 3, 1, 1)"),
    "conv_forward, large kernel": (LARGE_KERNEL, "_core.conv_forward(2, x, w, None, 1, 9, 1, 1)"),
    "conv_grad_input, large kernel": (LARGE_KERNEL, "_core.conv_grad_input(2, x, w, x.shape, 1, 9, 1, 1)"),
    "conv_grad_weight, large kernel": (LARGE_KERNEL, "_core.conv_grad_weight(2, x, x, w.shape, 1, 9, 1, 1)"),
    "reference": (CONV, "_core.conv_forward(2, x, w, None, 1, 3, 1, 1, algorithm='reference')"),
    "grouped": (LARGE_KERNEL, "_core.conv_forward(2, x, w[:, :1], None, 1, 9, 1, 256)"),
    "matmul": ("a = np.ones((7000, 7000))", "_core.matmul(a, a)"),
    "max_pool_forward": (POOL, "_core.max_pool_forward(2, x, 61, 1, 30, 1, False)"),
    "max_pool_grad": (POOL, "_core.max_pool_grad(2, x, x, 61, 1, 30, 1, False)"),
    "avg_pool_forward": (POOL, "_core.avg_pool_forward(2, x, 61, 1, 30, False, True, None)"),
    "avg_pool_grad": (POOL, "_core.avg_pool_grad(2, x, x.shape, 61, 1, 30, False, True, None)"),
}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("call", LONG_CALLS)
def test_interrupt(call, threads):
    """SIGINT during a call raises KeyboardInterrupt within 0.2 s, and the core works on.

    The best of three counts, with 0.05 s for scheduling: other work on the machine can only make it slower.
    """
    operands, statement = LONG_CALLS[call]
    output = run_script(f"""
        _core.set_num_threads({threads})
        {operands}
        def interrupt():
            time.sleep(0.3)
            sent.append(time.perf_counter())
            os.kill(os.getpid(), signal.SIGINT)
        for _ in range(3):
            sent, end = [], None
            thread = threading.Thread(target=interrupt)
            thread.start()
            start = time.perf_counter()
            try:
                {statement}
                end = time.perf_counter()
                time.sleep(2)
            except KeyboardInterrupt:
                now = time.perf_counter()
            print(now - sent[0], end - start if end else None)
            thread.join()
        small = _core.conv_forward(2, np.ones((1, 1, 3, 3)), np.ones((1, 1, 3, 3)), None, 1, 0, 1, 1)
        assert small.tolist() == [[[[9.0]]]]
    """)
    latencies, durations = zip(*(line.split() for line in output.splitlines()), strict=True)
    # A call that ends before the signal comes says nothing about interrupts.
    finished = [float(duration) for duration in durations if duration != "None"]
    if finished and min(finished) < 0.35:
        pytest.skip(f"the call takes {min(finished)} s here, too little to interrupt it")
    assert set(durations) == {"None"}, f"the calls ran to their end: {output}"
    assert min(map(float, latencies)) < 0.2 + 0.05, f"{latencies} s"


def test_interrupt_from_a_handler_that_does_not_raise():
    """A handler of the caller's own runs, and the call goes on to its right result."""
    run_script("""
        seen = []
        signal.signal(signal.SIGINT, lambda *_: seen.append(1))
        x, w = np.ones((1, 64, 96, 96), np.float32), np.ones((64, 64, 9, 9), np.float32)
        expected = _core.conv_forward(2, x, w, None, 1, 4, 1, 1)
        stop = threading.Event()
        def pester():
            while not stop.wait(0.01):
                os.kill(os.getpid(), signal.SIGINT)
        thread = threading.Thread(target=pester); thread.start()
        for _ in range(3):
            assert _core.conv_forward(2, x, w, None, 1, 4, 1, 1).tobytes() == expected.tobytes()
        stop.set(); thread.join()
        assert seen
    """)


# -- defaults and environment -----------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs os.sched_setaffinity")
def test_default_threads_follow_the_affinity():
    script = """
        import os
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        from convnative import _core
        print(_core.get_num_threads())
    """
    environment = {
        k: v for k, v in os.environ.items() if k not in ("CONVNATIVE_NUM_THREADS", "OMP_NUM_THREADS")
    }
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
    )
    assert done.stdout.strip() == "1", done.stderr


def test_environment_sets_the_threads():
    assert run_script("print(_core.get_num_threads())", CONVNATIVE_NUM_THREADS="3").strip() == "3"


def test_environment_caps_the_isa():
    for cap in _core.available_isas():
        output = run_script("print(_core.isa(), *_core.available_isas())", CONVNATIVE_MAX_ISA=cap).split()
        assert output[0] == output[-1] == cap


@pytest.mark.parametrize(
    ("variable", "values"),
    [
        ("CONVNATIVE_NUM_THREADS", ["0", "-1", "two", "1.5", "99999999999999999999", " "]),
        ("CONVNATIVE_MAX_ISA", ["sse9", "AVX2", "avx", "0"]),
    ],
)
def test_environment_with_a_bad_value_raises(variable, values):
    for value in values:
        with pytest.raises(AssertionError, match=variable) as caught:
            run_script("print(_core.get_num_threads(), _core.isa())", **{variable: value})
        assert "Error" in str(caught.value)
        assert value in str(caught.value)
