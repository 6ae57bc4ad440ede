"""No byte is read or written outside of an array: arrays lie flush against pages that nobody may touch."""

import ctypes
import faulthandler
import mmap
import os
import sys
import traceback

import numpy as np
import pytest

from arrays import generator
from convnative import _core
from convnative import functional as F
from convolutions import algorithms

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="needs fork, mmap and mprotect as Linux has them"
)


class Guarded:
    """Makes arrays that begin, or end, at a page that may not be touched."""

    def __init__(self, at_the_end):
        self.at_the_end = at_the_end
        self.maps = []

    def __call__(self, array):
        page = mmap.PAGESIZE
        pages = -(-max(array.nbytes, 1) // page)
        memory = mmap.mmap(-1, (pages + 2) * page)
        self.maps.append(memory)
        buffer = np.frombuffer(memory, np.uint8)
        libc, start = ctypes.CDLL(None, use_errno=True), buffer.ctypes.data
        for guard in (start, start + (pages + 1) * page):
            assert libc.mprotect(ctypes.c_void_p(guard), ctypes.c_size_t(page), 0) == 0
        first = page + (pages * page - array.nbytes if self.at_the_end else 0)
        guarded = buffer[first : first + array.nbytes].view(array.dtype).reshape(array.shape)
        guarded[...] = array
        return guarded


def survives(body):
    """Whether `body` ends well in a child, which a forbidden access kills."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try:
            body()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0


def test_the_guards_work():
    guarded = Guarded(True)(np.zeros(5))
    beyond = np.lib.stride_tricks.as_strided(guarded, (6,))
    before = np.lib.stride_tricks.as_strided(Guarded(False)(np.zeros(5))[::-1], (6,))

    def touch(array):
        faulthandler.disable()  # which would print where it died
        array.sum()

    assert survives(lambda: touch(guarded))
    assert not survives(lambda: touch(beyond))
    assert not survives(lambda: touch(before))


# input, weight, stride, padding, dilation, groups
CONVOLUTIONS = [
    *[((1, c, 5, c), (c + 1, c, 3, 3), 1, 1, 1, 1) for c in (1, 2, 3, 5, 15, 16, 17, 31, 33, 67)],
    *[((2, 3, 4, w), (5, 3, 2, 3), 1, ((0, 1), (2, 0)), 1, 1) for w in range(1, 68, 6)],
    *[((1, 6, 9, w), (9, 2, 3, 3), 2, 1, 1, 3) for w in (3, 8, 17, 30, 65)],
    *[((2, c, 7, 9), (2 * c, 1, 3, 3), s, 1, d, c) for c in (3, 17) for s in (1, 2, 3) for d in (1, 2)],
    *[((1, 1, 11, w), (1, 1, k, k), 1, k // 2, 1, 1) for w in (9, 33, 50) for k in (3, 5, 7)],
    *[((2, 6, 3, w), (20, 6, 1, 1), s, 0, 1, 1) for w in range(1, 68, 6) for s in (1, 2)],
    *[((2, 3, 6, w), (5, 3, 2, 2), 2, 0, 1, 1) for w in (2, 10, 34, 66)],
    ((1, 3, 23, 25), (20, 3, 7, 7), 2, 3, 1, 1),
    *[((2, 9, 3, w), (18, 9, 1, 2), 1, 0, (1, 19), 1) for w in (52, 67)],
    ((1, 5, 24, 33), (17, 5, 3, 3), 1, 11, 11, 1),
    ((3, 16, 13, 14), (16, 16, 5, 5), 1, 2, 1, 1),
    ((1, 33, 6, 7), (18, 33, 1, 1), 1, 0, 1, 1),
    ((1, 16, 6, 7), (32, 4, 3, 3), 1, 1, 1, 4),
]


@pytest.mark.parametrize("at_the_end", [False, True], ids=["begin", "end"])
@pytest.mark.parametrize("operation", ["forward", "grad_input", "grad_weight"])
def test_convolutions(operation, at_the_end, dtype, isa):
    names = [*algorithms(operation, strict=False), *algorithms(operation)]

    def body():
        rng = generator("guard pages")
        for x_shape, w_shape, *geometry in CONVOLUTIONS:
            for algorithm in names:
                try:
                    plan = _core.conv_explain(
                        operation, str(dtype), x_shape, w_shape, *geometry, algorithm=algorithm
                    )
                except ValueError:
                    continue
                guarded = Guarded(at_the_end)
                y_shape = plan["output_shape"]
                x, w, b, y = (
                    guarded(rng.standard_normal(shape).astype(dtype))
                    for shape in (x_shape, w_shape, w_shape[:1], y_shape)
                )
                options = {"algorithm": algorithm}
                if operation == "forward":
                    _core.conv_forward(2, x, w, b, *geometry, out=y, **options)
                elif operation == "grad_input":
                    _core.conv_grad_input(2, y, w, x_shape, *geometry, **options)
                else:
                    _core.conv_grad_weight(2, y, x, w_shape, *geometry, **options)

    assert survives(body)


OTHERS = {
    "max_pool2d": lambda x, like: F.max_pool2d(x, 2, out=like(F.max_pool2d(x, 2))),
    "max_pool2d 3x3 stride 2": lambda x, like: F.max_pool2d(x, 3, 2, 1, out=like(F.max_pool2d(x, 3, 2, 1))),
    "max_pool2d 3x3 stride 1": lambda x, like: F.max_pool2d(x, 3, 1, 1, out=like(F.max_pool2d(x, 3, 1, 1))),
    "avg_pool2d": lambda x, like: F.avg_pool2d(x, 2, out=like(F.avg_pool2d(x, 2))),
    "pools of squares": lambda x, like: [
        pool(like(x[:, :, :4].copy()), 2, out=like(pool(x[:, :, :4], 2)))
        for pool in (F.max_pool2d, F.avg_pool2d)
    ],
    "avg_pool2d 3x3": lambda x, like: F.avg_pool2d(x, 3, 2, 1, out=like(F.avg_pool2d(x, 3, 2, 1))),
    "adaptive_avg_pool2d": lambda x, _: F.adaptive_avg_pool2d(x, (3, 2)),
    "global_avg_pool": lambda x, _: F.global_avg_pool(x),
    "lp_pool2d": lambda x, _: F.lp_pool2d(x, 2.0, 2),
    "relu": lambda x, like: F.relu(x, out=like(x)),
    "gelu": lambda x, like: F.gelu(x, out=like(x)),
    "softmax": lambda x, _: (F.softmax(x, 1), F.softmax(x, 3)),
    "instance_norm": lambda x, _: F.instance_norm(x),
    "layer_norm": lambda x, _: F.layer_norm(x, x.shape[1:]),
    "interpolate": lambda x, _: F.interpolate(x, (9, 40), mode="bilinear"),
    "area": lambda x, _: F.interpolate(x, (2, 2), mode="area"),
    "unfold": lambda x, _: F.unfold(x, 2, padding=1),
    "pad": lambda x, _: F.pad(x, (1, 2, 0, 1), mode="replicate"),
    "correlate_picture": lambda x, like: [
        _core.correlate_picture(
            like(np.ones((5, x.shape[-1], 3), pixel)), like(kernel), row, (1, 1), "reflect", 0.0, False, False
        )
        for pixel in (np.uint8, np.uint16, x.dtype)
        for weight in [np.float32 if pixel is not x.dtype else x.dtype]
        for kernel, row in (
            (np.ones((3, 4), weight), None),
            (np.ones((4, 1), weight), like(np.ones((1, 3), weight))),
        )
    ],
    "linear": lambda x, like: F.linear(x, like(np.ones((3, x.shape[-1]), x.dtype))),
}


@pytest.mark.parametrize("at_the_end", [False, True], ids=["begin", "end"])
@pytest.mark.parametrize("name", OTHERS)
def test_other_functions(name, at_the_end, dtype, isa):
    def body():
        for width in (2, 3, 7, 8, 15, 16, 17, 31, 33, 66):
            guarded = Guarded(at_the_end)
            x = guarded(generator(width).standard_normal((2, 3, 5, width)).astype(dtype))
            OTHERS[name](x, guarded)

    assert survives(body)


# Of a small plane the rows do not fill a vector: the planes do.
POOLS = {
    "max_pool2d": lambda x, like: F.max_pool2d(x, 3, 2, 1, out=like(F.max_pool2d(x, 3, 2, 1))),
    "max_pool2d indices": lambda x, _: F.max_pool2d(x, 2, 1, return_indices=True),
    "max_pool2d_grad_input": lambda x, like: F.max_pool2d_grad_input(
        like(F.max_pool2d(x, 3, 2, 1)), x, 3, 2, 1
    ),
    "avg_pool2d": lambda x, like: F.avg_pool2d(x, 2, 3, 1, out=like(F.avg_pool2d(x, 2, 3, 1))),
    "avg_pool2d_grad_input": lambda x, like: F.avg_pool2d_grad_input(like(F.avg_pool2d(x, 2)), x.shape, 2),
    "adaptive_avg_pool2d": lambda x, like: F.adaptive_avg_pool2d(x, 3, out=like(F.adaptive_avg_pool2d(x, 3))),
    "adaptive_avg_pool2d grad": lambda x, like: _core.adaptive_avg_pool_grad(
        2, like(F.adaptive_avg_pool2d(x, 3)), x.shape, 3
    ),
    "adaptive_max_pool2d": lambda x, like: F.adaptive_max_pool2d(x, 2, out=like(F.adaptive_max_pool2d(x, 2))),
    "global_avg_pool": lambda x, like: F.adaptive_avg_pool2d(x, 1, out=like(F.global_avg_pool(x))),
}


@pytest.mark.parametrize("at_the_end", [False, True], ids=["begin", "end"])
@pytest.mark.parametrize("name", POOLS)
def test_pools_of_many_planes(name, at_the_end, dtype, isa):
    def body():
        for planes in (3, 7, 8, 9, 15, 16, 17, 25, 31, 33):
            guarded = Guarded(at_the_end)
            sizes = (planes % 4 + 3, planes % 7 + 3)
            x = guarded(generator(planes).standard_normal((1, planes, *sizes)).astype(dtype))
            POOLS[name](x, guarded)

    assert survives(body)
