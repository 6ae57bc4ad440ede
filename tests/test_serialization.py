"""Saving and loading: exact values, atomic replacement, clear errors."""

import os
import stat
import sys

import numpy as np
import pytest

import convnative as cn
from convnative import nn

pytest.importorskip("safetensors", reason="safetensors is not installed")


def test_round_trip_is_exact(tmp_path):
    base = np.random.default_rng(0).standard_normal((6, 4))
    arrays = {
        "plain": base,
        "transposed": base.T,
        "reversed": base[::-1, ::2],
        "swapped": base.astype(">f4"),
        "integers": np.arange(3),
        "nothing": np.empty((0, 3), np.float32),
        "number": np.array(2.5),
        "special": np.array([np.nan, np.inf, -0.0]),
    }
    path = tmp_path / "arrays.safetensors"
    cn.save(arrays, path)
    loaded = cn.load(str(path))
    assert set(loaded) == set(arrays)
    for name, array in arrays.items():
        assert loaded[name].dtype == array.dtype.newbyteorder("=")
        np.testing.assert_array_equal(loaded[name], array)
    assert np.signbit(loaded["special"][2])


def test_a_model_comes_back_and_can_be_trained(tmp_path):
    model, other = nn.Linear(3, 2), nn.Linear(3, 2)
    cn.save(model.state_dict(), tmp_path / "m")
    state = cn.load(tmp_path / "m")
    other.load_state_dict(state)
    np.testing.assert_array_equal(other.weight, model.weight)
    other.weight = state["weight"]
    cn.optim.SGD(other, 0.1).step({"weight": np.ones((2, 3), np.float32), "bias": np.ones(2, np.float32)})


def test_failed_save_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "weights"
    cn.save({"a": np.ones(3)}, path)
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk")))
    with pytest.raises(OSError, match="disk"):
        cn.save({"a": np.zeros(3)}, path)
    np.testing.assert_array_equal(cn.load(path)["a"], 1)
    assert os.listdir(tmp_path) == ["weights"]


def test_a_link_stays_a_link_and_permissions_are_the_usual(tmp_path):
    target, link, other = tmp_path / "target", tmp_path / "link", tmp_path / "other"
    target.write_bytes(b"old")
    link.symlink_to(target)
    cn.save({"a": np.ones(3)}, link)
    assert link.is_symlink()
    np.testing.assert_array_equal(cn.load(target)["a"], 1)
    other.touch()
    assert stat.S_IMODE(target.stat().st_mode) == stat.S_IMODE(other.stat().st_mode)


def test_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing"):
        cn.load(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError):
        cn.save({"a": np.ones(3)}, tmp_path / "no folder" / "file")
    (tmp_path / "text").write_text("not a safetensors file")
    with pytest.raises(ValueError, match=r"^path: .*text"):
        cn.load(tmp_path / "text")
    for state in ({"a": [1.0]}, {1: np.ones(1)}, {"a": np.array(["text"])}, {"a": np.array([object()])}):
        with pytest.raises(TypeError, match=r"^state_dict: "):
            cn.save(state, tmp_path / "file")
    assert sorted(os.listdir(tmp_path)) == ["text"]


def test_missing_package_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(ImportError, match=r"convnative\[safetensors\]"):
        cn.save({}, tmp_path / "file")
    with pytest.raises(ImportError, match=r"convnative\[safetensors\]"):
        cn.load(tmp_path / "file")
