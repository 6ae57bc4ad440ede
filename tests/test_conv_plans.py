"""What a plan says of itself: its output, its memory and the cost of making it."""

import os
import subprocess
import sys
import time
from itertools import product

import pytest

from convnative import _core
from convolutions import FAMILIES

OPERATIONS = ["forward", "grad_input", "grad_weight"]
MEBIBYTE = 2**20


def explain(operation, dtype, *shapes, stride=1, padding=0, dilation=1, groups=1, **options):
    return _core.conv_explain(operation, str(dtype), *shapes, stride, padding, dilation, groups, **options)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_output_shape(operation, dtype):
    for family in FAMILIES.values():
        for case in family():
            names = "stride", "padding", "dilation", "groups", "padding_mode"
            geometry = dict(zip(names, case.geometry, strict=True))
            plan = explain(operation, dtype, case.input_shape, case.weight_shape, **geometry)
            assert plan["output_shape"] == case.output.shape, case


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_first_algorithm_that_is_wanted_is_chosen(operation, dtype, isa):
    shapes = (2, 16, 30, 30), (8, 16, 3, 3)
    names = [row["name"] for row in _core.conv_algorithms() if row["operation"] == operation]
    plan = explain(operation, dtype, *shapes)
    assert plan["isa"] == isa
    before = names[: names.index(plan["algorithm"])]
    assert [f"not {name}: " in plan["reason"] for name in before] == [True] * len(before)
    refused = {"cropped_kernel", "inner_product", "depthwise_lanes", "winograd_3"}
    if operation != "grad_weight":
        refused.add("depthwise")
    for name in names:
        if name in refused or (dtype == "float64" and name.startswith("winograd")):
            with pytest.raises(ValueError, match=f"algorithm: {name} does not apply: "):
                explain(operation, dtype, *shapes, algorithm=name)
        else:
            assert explain(operation, dtype, *shapes, algorithm=name)["algorithm"] == name


@pytest.mark.parametrize("operation", ["forward", "grad_input"])
@pytest.mark.parametrize("image", [(2, 512, 7, 7), (1, 512, 12, 12)])
def test_small_planes_of_many_channels_do_not_pack_more_than_allocators_keep(image, operation, isa):
    """Beyond 32 MiB the system clears new pages for every call, which took five times as long as the rest."""
    plan = explain(operation, "float32", image, (512, 512, 3, 3), padding=1)
    assert plan["packed_weight_bytes"] <= 32 * MEBIBYTE


@pytest.mark.parametrize("operation", OPERATIONS)
def test_workspace_is_bounded_whatever_the_sizes(operation, dtype, isa):
    """At most 2 MiB per thread, besides packed weights."""
    shapes = product([1, 64, 2048], [1, 64, 2048], [1, 4096], [1, 7, 4096], [1, 17], [1, 3, 31], [1, 5])
    for channels, outs, height, width, kernel_height, kernel_width, stride in shapes:
        padding = (kernel_height - 1, kernel_width - 1)
        weight = outs, channels, kernel_height, kernel_width
        image = 2, channels, height, width
        plan = explain(operation, dtype, image, weight, stride=stride, padding=padding)
        assert plan["workspace_bytes"] <= 2 * MEBIBYTE * plan["threads"], (image, weight, stride)


@pytest.mark.alone
@pytest.mark.parametrize("operation", OPERATIONS)
def test_making_a_plan_is_cheap_whatever_the_sizes(operation, dtype):
    """No work and no memory in proportion to an image, a stride or a kernel."""
    for size, kernel, stride, dilation in product([8, 1000], [1, 3], [1, 7, 999, 2**62], [1, 300]):
        padding = dilation * (kernel - 1)
        shapes = (4, 64, size, size), (64, 64, kernel, kernel)
        start = time.perf_counter()
        explain(operation, dtype, *shapes, stride=stride, padding=padding, dilation=dilation)
        assert time.perf_counter() - start < 0.1, (size, kernel, stride, dilation)


@pytest.mark.slow
@pytest.mark.skipif(
    not sys.platform.startswith("linux")
    or os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") < 4 * 2**30,
    reason="needs /proc and 4 GiB of memory",
)
def test_peak_memory_of_a_large_image():
    """Besides input, output and weights at most 16 MiB."""
    program = """
import sys
import numpy as np
import convnative as cn
def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
w, b = np.ones((64, 64, 3, 3), np.float32), np.ones(64, np.float32)
small = np.ones((1, 64, 300, 300), np.float32)
cn.functional.conv2d(small, w, b, padding=1)  # threads and their stacks are there from now on
x = np.full((1, 64, 2048, 2048), 0.5, np.float32)
before = peak()
y = cn.functional.conv2d(x, w, b, padding=1)
assert abs(y[0, 0, 1, 1] - 289) <= 6e-6 * 289  # 64 * 9 / 2 + 1
print(peak() - before - y.nbytes)
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(run.stdout) <= 16 * MEBIBYTE
