"""Threads, instruction sets, precision, explanations, and what importing the package costs."""

import subprocess
import sys

import numpy as np
import pytest

import convnative as cn
from convnative import functional as F
from convnative import runtime


def test_threads_are_restored_also_after_an_exception():
    before = cn.get_num_threads()

    def failing():
        with cn.threads(3):
            assert cn.get_num_threads() == 3
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        failing()
    assert cn.get_num_threads() == before
    for wrong, kind in ((0, ValueError), (1.5, TypeError), (True, TypeError)):
        with pytest.raises(kind, match=r"^threads: "):
            cn.set_num_threads(wrong)
        with pytest.raises(kind, match=r"^threads: "), cn.threads(wrong):
            pass


def test_multiply_add_peak(isa):
    assert (runtime.fma_peak() > 0) == (isa != "baseline")


def test_precision_is_restored():
    assert cn.get_precision() == "default"
    with cn.precision("strict"):
        assert cn.get_precision() == "strict"
        with cn.precision("default"):
            assert cn.get_precision() == "default"
        assert cn.get_precision() == "strict"
    assert cn.get_precision() == "default"
    with pytest.raises(ValueError, match=r"^mode: .*'strict'"), cn.precision("exact"):
        pass


def test_isa():
    before = cn.isa()
    assert "baseline" in cn.available_isas()
    for name in cn.available_isas():
        cn.set_isa(name)
        assert cn.isa() == name
    cn.set_isa(before)
    with pytest.raises(ValueError, match=r"^name: .*'baseline'"):
        cn.set_isa("mmx")


def test_explain_takes_shapes_or_arrays():
    x, w = np.zeros((1, 4, 8, 8)), np.zeros((2, 4, 3, 3))
    by_shape = cn.explain(F.conv2d, x.shape, w.shape, padding="same", dtype=np.float64)
    assert by_shape == cn.explain(F.conv2d, x, w, padding="same")
    assert "algorithm" in by_shape
    assert by_shape["algorithm"] in str(by_shape)
    g = np.zeros((1, 2, 6, 6))
    assert "algorithm" in cn.explain(F.conv2d_grad_input, g, w, x.shape)
    assert "algorithm" in cn.explain(F.conv2d_grad_weight, g.shape, x.shape, w.shape)
    with pytest.raises(ValueError, match=r"^function: .*one_hot"):
        cn.explain(F.one_hot, x)
    with pytest.raises(TypeError, match="weight"):
        cn.explain(F.conv2d, x)
    with pytest.raises(TypeError, match=r"^dtype: "):
        cn.explain(F.conv2d, x.shape, w.shape, dtype=np.int32)


def test_config_is_text_for_a_bug_report(capsys):
    config = cn.show_config()
    assert capsys.readouterr().out == ""
    for fact in ("convnative", "NumPy", "Python", "ISA", "threads"):
        assert fact in str(config)
    assert config["convnative"] == cn.__version__


def test_public_names_exist():
    for name in cn.__all__:
        assert getattr(cn, name) is not None
    assert set(cn.__all__) <= set(dir(cn))
    with pytest.raises(AttributeError, match="nothing"):
        _ = cn.nothing


def run(code):
    """What a new interpreter prints that runs `code`."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize(
    ("statement", "loaded"),
    [
        ("import convnative", ()),
        ("from convnative import nn, functional", ("functional", "init", "nn", "shapes")),
        ("import convnative; convnative.nn.Conv2d(1, 1, 3)", ("functional", "init", "nn", "shapes")),
    ],
)
def test_import_is_light(statement, loaded):
    """No package and no larger module of Python that few programs need, and of our own what is asked for."""
    new = run(
        f"import sys, numpy, autograd; before = set(sys.modules); {statement}; "
        "print(*set(sys.modules) - before)"
    )
    heavy = (
        "rich safetensors PIL matplotlib scipy asyncio concurrent csv ctypes dataclasses email http "
        "importlib.metadata importlib.resources inspect json logging multiprocessing pathlib platform pprint "
        "shutil socket subprocess tempfile textwrap unittest urllib xml zipfile"
    )
    assert not set(new) & set(heavy.split())
    always = {"_autograd", "_checks", "_core", "_random", "runtime", "serialization", "summary"}
    ours = {name for name in new if name.startswith("convnative.") and name.count(".") == 1}
    assert ours == {f"convnative.{name}" for name in (*always, *loaded)}
    rules = {"_arguments", "_symbols"} if "Conv2d" in statement else set()
    assert {name.rpartition(".")[2] for name in new if "convnative.shapes." in name} == rules


@pytest.mark.parametrize("name", cn._SUBMODULES)
def test_each_module_loads_alone(name):
    assert run(f"import convnative; print(convnative.{name} is convnative.{name})") == ["True"]


def test_summary_stays_a_function():
    """Beside the module of its name, in whichever way that is imported."""
    for statement in (
        "import convnative.summary",
        "import convnative; from convnative.summary import Summary",
        "import importlib, convnative; importlib.import_module('convnative.summary')",
        "from convnative import *; import convnative",
    ):
        assert run(f"{statement}; print(type(convnative.summary).__name__)") == ["function"]


def test_threads_load_modules_at_once():
    code = """
import sys, threading, convnative
sys.setswitchinterval(1e-6)
names = ["nn", "optim", "functional", "shapes", "init", "data", "models", "nn"] * 2
start, found = threading.Barrier(len(names)), []
def load(name):
    start.wait()
    module = getattr(convnative, name)
    found.extend(public for public in getattr(module, "__all__", ()) if not hasattr(module, public))
    found.append(module is sys.modules[f"convnative.{name}"])
threads = [threading.Thread(target=load, args=(name,)) for name in names]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(*found)
"""
    assert run(code) == ["True"] * 16


IMAGES = (2, 8, 6, 6)
EXPLAINED = {
    "gelu": ((IMAGES,), IMAGES),
    "prelu": ((IMAGES, (8,)), IMAGES),
    "softmax": ((IMAGES, 1), IMAGES),
    "batch_norm": ((IMAGES, (8,), (8,)), IMAGES),
    "layer_norm": ((IMAGES, (6,)), IMAGES),
    "local_response_norm": ((IMAGES, 3), IMAGES),
    "linear": (((4, 3), (5, 3), (5,)), (4, 5)),
    "embedding": (((4, 3), (10, 5)), (4, 3, 5)),
    "cross_entropy": (((4, 3), (4,)), ()),
    "nll_loss": (((4, 3), (4,)), ()),
    "mse_loss": ((IMAGES, IMAGES), ()),
    "pad": ((IMAGES, (1, 1)), (2, 8, 6, 8)),
    "unfold": ((IMAGES, 3), (2, 72, 16)),
    "fold": (((2, 72, 16), (6, 6), 3), IMAGES),
    "interpolate": ((IMAGES, 12), (2, 8, 12, 12)),
    "pixel_shuffle": ((IMAGES, 2), (2, 2, 12, 12)),
    "flatten": ((IMAGES,), (576,)),
    "dropout": ((IMAGES,), IMAGES),
    "global_max_pool": ((IMAGES,), (2, 8, 1, 1)),
    "conv2d_grad_bias": ((IMAGES,), (8,)),
    "conv_transpose2d": ((IMAGES, (8, 3, 2, 2)), (2, 3, 7, 7)),
    "conv3d": (((2, 8, 6, 6, 6), (3, 8, 2, 2, 2)), (2, 3, 5, 5, 5)),
    "max_pool1d": (((2, 8, 6), 2), (2, 8, 3)),
}


@pytest.mark.parametrize("name", EXPLAINED)
def test_explain_knows_every_kind_of_function(name):
    arguments, output_shape = EXPLAINED[name]
    explanation = cn.explain(getattr(F, name), *arguments)
    assert explanation["output_shape"] == output_shape
    assert {"algorithm", "kernel", "reason", "threads"} <= set(explanation)
    assert "received" not in str(explanation)


def test_explain_counts_the_products_and_bytes_of_a_linear_layer():
    explanation = cn.explain(F.linear, (4, 3), (5, 3), dtype=np.float64)
    assert explanation["macs"] == 4 * 3 * 5
    assert explanation["bytes_touched"] == 8 * (4 * 3 + 4 * 5)
