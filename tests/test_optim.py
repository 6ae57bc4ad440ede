"""Optimizers: formulas, state, refusals."""

import copy

import numpy as np
import pytest

import convnative as cn
from convnative import _core, nn, optim


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
def test_sizes_threads_and_layouts_do_not_show(make):
    """Every element is updated as if it were alone."""
    rng = np.random.default_rng(0)
    for shape in [(37, 11), (1023, 1), (1, 1025), (331, 303)]:
        start = rng.standard_normal(shape).astype(np.float32)
        grads = [rng.standard_normal(shape).astype(np.float32) for _ in range(4)]
        results = []
        for threads, order in [(1, "C"), (3, "C"), (2, "F")]:
            model = Holder(start.copy())
            optimizer = make(model)
            with cn.threads(threads):
                for grad in grads:
                    optimizer.step({"p0": np.asarray(grad, order=order)})
            results.append(model.p0)
        np.testing.assert_array_equal(results[0], results[1])
        np.testing.assert_array_equal(results[0], results[2])
        places = [(0, 0), (-1, -1), (shape[0] // 2, shape[1] // 2)]
        alone = Holder(np.array([start[place] for place in places]))
        optimizer = make(alone)
        for grad in grads:
            optimizer.step({"p0": np.array([grad[place] for place in places])})
        np.testing.assert_array_equal(alone.p0, [results[0][place] for place in places])


def by_numpy(
    value, grads, *, lr, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False, maximize=False
):
    """SGD as torch's documentation has it, operation by operation."""
    buffer = None
    for grad in grads:
        g = -grad if maximize else grad
        if weight_decay:
            g = g + value * weight_decay
        if momentum:
            buffer = g if buffer is None else buffer * momentum + g * (1 - dampening)
            g = g + buffer * momentum if nesterov else buffer
        value = value - g * lr
    return value


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"maximize": True},
        {"momentum": 0.9},
        {"momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01},
        {"momentum": 0.5, "nesterov": True, "weight_decay": 0.1, "maximize": True},
        {"weight_decay": 0.2},
    ],
)
def test_sgd_is_the_formula_bit_for_bit(settings, dtype):
    rng = np.random.default_rng(1)
    start = rng.standard_normal(5000).astype(dtype)
    grads = [rng.standard_normal(5000).astype(dtype) for _ in range(3)]
    model = Holder(start.copy())
    optimizer = optim.SGD(model, 0.1, **settings)
    for grad in grads:
        optimizer.step({"p0": grad})
    np.testing.assert_array_equal(model.p0, by_numpy(start, grads, lr=0.1, **settings))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("amsgrad", [False, True])
@pytest.mark.parametrize("maximize", [False, True])
def test_adamw_is_the_formula(amsgrad, maximize, dtype):
    rng = np.random.default_rng(2)
    start = rng.standard_normal(3000).astype(dtype)
    grads = [rng.standard_normal(3000).astype(dtype) * 10.0**-i for i in range(4)]
    model = Holder(start.copy())
    optimizer = optim.AdamW(model, 0.01, (0.8, 0.95), 1e-6, 0.1, amsgrad, maximize=maximize)
    value, mean, square, most = start.astype(np.float64), 0.0, 0.0, 0.0
    for t, grad in enumerate(grads, 1):
        optimizer.step({"p0": grad.astype(dtype)})
        g = (-grad if maximize else grad).astype(dtype).astype(np.float64)
        value = value * (1 - 0.01 * 0.1)
        mean, square = 0.8 * mean + 0.2 * g, 0.95 * square + 0.05 * g * g
        most = np.maximum(most, square) if amsgrad else square
        value = value - 0.01 * (mean / (1 - 0.8**t)) / (np.sqrt(most / (1 - 0.95**t)) + 1e-6)
    error = 2e-6 if dtype == np.float32 else 1e-14
    np.testing.assert_allclose(model.p0, value, rtol=0, atol=error * np.abs(value).max())


def test_nan_stays_in_its_element():
    model = Holder(np.ones(2000, np.float32))
    grad = np.ones(2000, np.float32)
    grad[7] = np.nan
    optimizer = optim.AdamW(model, 0.1, amsgrad=True)
    optimizer.step({"p0": grad})
    optimizer.step({"p0": np.ones(2000, np.float32)})
    assert np.flatnonzero(np.isnan(model.p0)).tolist() == [7]


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


def sgd_step(parameter, grad, buffer, *settings):
    _core.sgd_step(parameter, grad, buffer, *(settings or (0.1, 0.9, 0.0, 0.0, False, False, False)))


def adamw_step(parameter, grad, buffer, *settings):
    rest = settings or (0.1, 0.9, 0.99, 1e-8, 0.0, 1, False)
    _core.adamw_step(parameter, grad, np.zeros_like(parameter), np.zeros_like(parameter), buffer, *rest)


def read_only(array):
    array.flags.writeable = False
    return array


@pytest.mark.parametrize("step", [sgd_step, adamw_step])
@pytest.mark.parametrize(
    ("name", "place", "bad", "error"),
    [
        ("parameter", 0, [1.0, 2.0], TypeError),
        ("parameter", 0, np.ones(6, np.int32), TypeError),
        ("parameter", 0, np.ones((6, 2))[:, 0], ValueError),
        ("parameter", 0, np.ones(6).astype(">f8"), ValueError),
        ("parameter", 0, read_only(np.ones(6)), ValueError),
        ("grad", 1, np.ones(6, np.float32), TypeError),
        ("grad", 1, np.ones(5), ValueError),
        ("grad", 1, None, TypeError),
        ("buffer|max_square", 2, np.ones(7), ValueError),
        ("buffer|max_square", 2, np.ones(12)[::2], ValueError),
        ("buffer|max_square", 2, read_only(np.ones(6)), ValueError),
        ("buffer|max_square", 2, "no", TypeError),
    ],
)
def test_steps_refuse_what_they_cannot_change(step, name, place, bad, error):
    arrays = [np.ones(6), np.ones(6), np.ones(6)]
    arrays[place] = bad
    before = [np.array(array) for array in arrays]
    with pytest.raises(error, match=rf"^({name}): expected .*received"):
        step(*arrays)
    for array, old in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, old)


@pytest.mark.parametrize("bad", ["1", None, [1.0], object()])
def test_steps_refuse_what_is_no_number(bad):
    for place, name in enumerate(["rate", "momentum", "dampening", "weight_decay"]):
        settings = [0.1, 0.9, 0.0, 0.0, False, False, False]
        settings[place] = bad
        with pytest.raises(TypeError, match=rf"^{name}: "):
            sgd_step(np.ones(3), np.ones(3), np.ones(3), *settings)
    for place, name in enumerate(["rate", "beta1", "beta2", "epsilon", "weight_decay", "number", "maximize"]):
        settings = [0.1, 0.9, 0.99, 1e-8, 0.0, 1, False]
        settings[place] = bad
        with pytest.raises(TypeError, match=rf"^{name}: "):
            adamw_step(np.ones(3), np.ones(3), None, *settings)
