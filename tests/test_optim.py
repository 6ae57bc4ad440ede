"""Optimizers: formulas, state, refusals."""

import copy

import numpy as np
import pytest

import convnative as cn
from convnative import nn, optim


class Holder(nn.Module):
    def __init__(self, *arrays):
        super().__init__()
        for i, array in enumerate(arrays):
            self.register_parameter(f"p{i}", array)


def test_sgd_by_hand():
    model = Holder(np.array([1.0, 2.0]))
    optimizer = optim.SGD(model, 0.1, momentum=0.5, weight_decay=0.1)
    grads = {"p0": np.array([1.0, 1.0])}
    optimizer.step(grads)  # g = [1.1, 1.2] = b
    np.testing.assert_allclose(model.p0, [0.89, 1.88])
    optimizer.step(grads)  # g = [1.089, 1.188], b = [1.639, 1.788]
    np.testing.assert_allclose(model.p0, [0.7261, 1.7012])
    np.testing.assert_array_equal(grads["p0"], 1)


@pytest.mark.parametrize(
    "make",
    [
        lambda m: optim.SGD(m, 0.1),
        lambda m: optim.SGD(m, 0.1, 0.9, nesterov=True, weight_decay=0.01),
        lambda m: optim.SGD(m, 0.1, 0.9, 0.5, maximize=True),
        lambda m: optim.AdamW(m, 0.1),
        lambda m: optim.AdamW(m, 0.1, amsgrad=True, maximize=True),
    ],
)
def test_blocks_do_not_show(make, monkeypatch):
    rng = np.random.default_rng(0)
    start = rng.standard_normal((37, 11)).astype(np.float32)
    grads = [rng.standard_normal((37, 11)).astype(np.float32) for _ in range(4)]
    results = []
    for block in (16384, 10):
        monkeypatch.setattr(optim, "_BLOCK", block)
        model = Holder(start.copy())
        optimizer = make(model)
        for grad in grads:
            optimizer.step({"p0": grad})
        results.append(model.p0)
    np.testing.assert_array_equal(*results)
    # A gradient in another memory layout means the same.
    model = Holder(start.copy())
    optimizer = make(model)
    for grad in grads:
        optimizer.step({"p0": np.asfortranarray(grad)})
    np.testing.assert_array_equal(model.p0, results[0])


@pytest.mark.parametrize("make", [lambda m: optim.SGD(m, 0.1, 0.9), lambda m: optim.AdamW(m, amsgrad=True)])
def test_updates_are_in_place_and_training_can_be_continued(make):
    rng = np.random.default_rng(0)
    model = Holder(np.ones(3), np.ones((), np.float32), np.empty((0, 2)))
    arrays = list(model.parameters())
    grads = [
        {"p0": rng.standard_normal(3), "p1": np.array(0.5, np.float32), "p2": np.empty((0, 2))}
        for _ in range(6)
    ]
    optimizer = make(model)
    for step in grads[:3]:
        optimizer.step(step)
    assert [a is b for a, b in zip(model.parameters(), arrays, strict=True)] == [True] * 3
    other_model = copy.deepcopy(model)
    other = make(other_model)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for step in grads[3:]:
        optimizer.step(step)
        other.step(step)
    for a, b in zip(model.parameters(), other_model.parameters(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_hyperparameters_can_change_between_steps():
    model = Holder(np.zeros(1))
    optimizer = optim.SGD(model, lr=1.0)
    optimizer.step({"p0": np.ones(1)})
    optimizer.lr *= 0.5
    optimizer.step({"p0": np.ones(1)})
    assert model.p0[0] == -1.5
    assert repr(optimizer).startswith("SGD(lr=0.5, momentum=0.0")


@pytest.mark.parametrize("make", [lambda m: optim.SGD(m, 0.1, 0.9, 0.5), lambda m: optim.AdamW(m, 0.1)])
def test_a_parameter_that_was_frozen_begins_as_at_the_first_step(make):
    first, late = np.array([1.0]), np.array([1.0])
    model = nn.ModuleDict({"first": Holder(first), "late": Holder(late)})
    optimizer = make(model)
    model["late"].requires_grad_(False)
    for _ in range(3):
        optimizer.step({"first.p0": np.ones(1)})
    np.testing.assert_array_equal(late, 1)
    model.requires_grad_()
    model["first"].requires_grad_(False)
    for _ in range(3):
        optimizer.step({"late.p0": np.ones(1)})
    np.testing.assert_array_equal(late, first)
    assert optimizer.steps == 6
    other = make(copy.deepcopy(model))
    other.load_state_dict(optimizer.state_dict())
    for each in (optimizer, other):
        each.step({"late.p0": np.ones(1)})
    np.testing.assert_array_equal(other.model["late"].p0, late)


def test_momentum_may_begin_later():
    model = Holder(np.zeros(1))
    optimizer = optim.SGD(model, lr=1.0, dampening=0.5)
    optimizer.step({"p0": np.ones(1)})
    optimizer.momentum = 0.5
    optimizer.step({"p0": np.ones(1)})  # the momentum is the gradient, without dampening
    optimizer.step({"p0": np.ones(1)})  # 0.5 + 0.5
    assert model.p0[0] == -3.0


def test_nothing_changes_when_a_gradient_is_wrong():
    model = Holder(np.ones(2), np.ones(3))
    optimizer = optim.SGD(model, 0.1, 0.9)
    good = {"p0": np.ones(2), "p1": np.ones(3)}
    cases = [
        ({"p0": np.ones(2)}, ValueError, "missing 'p1'"),
        ({**good, "p2": np.ones(1)}, ValueError, "unknown 'p2'"),
        ({**good, "p1": np.ones(2)}, ValueError, "'p1'"),
        ({**good, "p1": np.ones(3, np.float32)}, TypeError, "'p1'"),
        ({**good, "p1": [1.0, 1.0, 1.0]}, TypeError, "'p1'"),
    ]
    for grads, kind, text in cases:
        with pytest.raises(kind, match=rf"^grads: .*{text}"):
            optimizer.step(grads)
    np.testing.assert_array_equal(model.p0, 1)
    assert optimizer.steps == 0
    model.p1.flags.writeable = False
    with pytest.raises(ValueError, match=r"^model: .*'p1'"):
        optimizer.step(good)
    np.testing.assert_array_equal(model.p0, 1)


def test_a_step_inside_a_derivative_is_refused():
    model = nn.Linear(1, 1)

    def stepping(m):
        optim.SGD(m, 0.1).step({"weight": np.ones((1, 1), np.float32), "bias": np.ones(1, np.float32)})

    with pytest.raises(TypeError, match=r"^model: "):
        cn.value_and_grad(stepping, model)


def test_wrong_state_is_refused():
    model = Holder(np.ones(2))
    optimizer = optim.SGD(model, 0.1, 0.9)
    optimizer.step({"p0": np.ones(2)})
    state = optimizer.state_dict()
    for wrong in (
        {},
        {**state, "hyperparameters": {}},
        {**state, "state": {"p9": {}}, "ages": {"p9": 1}},
        {**state, "ages": {}},
        {**state, "ages": {"p0": 0}},
        {**state, "state": {"p0": {"momentum": np.ones(3)}}},
    ):
        with pytest.raises(ValueError, match=r"^state_dict: "):
            optimizer.load_state_dict(wrong)


@pytest.mark.parametrize(
    ("make", "kind", "name"),
    [
        (lambda m: optim.SGD(m, -1), ValueError, "lr"),
        (lambda m: optim.SGD(m, float("nan")), ValueError, "lr"),
        (lambda m: optim.SGD(m, "fast"), TypeError, "lr"),
        (lambda m: optim.SGD(m, momentum=-0.1), ValueError, "momentum"),
        (lambda m: optim.SGD(m, nesterov=True), ValueError, "nesterov"),
        (lambda m: optim.SGD(m, momentum=0.9, dampening=0.1, nesterov=True), ValueError, "nesterov"),
        (lambda m: optim.SGD(list(m.parameters())), TypeError, "model"),
        (lambda m: optim.AdamW(m, betas=(0.9, 1.0)), ValueError, "betas"),
        (lambda m: optim.AdamW(m, betas=0.9), TypeError, "betas"),
        (lambda m: optim.AdamW(m, eps=-1), ValueError, "eps"),
        (lambda m: optim.AdamW(m, weight_decay=-1), ValueError, "weight_decay"),
    ],
)
def test_errors_name_the_argument(make, kind, name):
    with pytest.raises(kind, match=rf"^{name}: "):
        make(nn.Linear(1, 1))
