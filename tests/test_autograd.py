"""value_and_grad: values, nesting, threads, exceptions, sharing."""

import threading
import time

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad

import convnative as cn
from convnative import functional as F
from convnative import nn


def small_network(seed=0):
    rng = np.random.default_rng(seed)
    return nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1, dtype=np.float64, rng=rng),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(8, 3, dtype=np.float64, rng=rng),
    )


X = np.random.default_rng(1).standard_normal((5, 1, 4, 4))
T = np.array([0, 1, 2, 1, 0])


def loss_of(model):
    return F.cross_entropy(model(X), T)


def arrays_only(model):
    return all(type(array) is np.ndarray for array in model.parameters())


def test_gradient_agrees_with_finite_differences():
    model = small_network()
    value, grads = cn.value_and_grad(loss_of, model)
    assert value == loss_of(model)
    assert list(grads) == [name for name, _ in model.named_parameters()]
    for name, parameter in model.named_parameters():
        assert grads[name].shape == parameter.shape
        assert grads[name].dtype == parameter.dtype
        for index in np.ndindex(*parameter.shape):
            before = parameter[index]
            parameter[index] = before + 1e-6
            upper = loss_of(model)
            parameter[index] = before - 1e-6
            lower = loss_of(model)
            parameter[index] = before
            assert grads[name][index] == pytest.approx((upper - lower) / 2e-6, abs=1e-7)


def test_float32_model_has_float32_gradients_in_float64_arithmetic():
    model = nn.Linear(3, 2)
    x = np.ones((4, 3), np.float32)
    value, grads = cn.value_and_grad(lambda m: ((m(x) - np.ones((4, 2))) ** 2).mean(), model)
    assert value.dtype == np.float64
    assert {array.dtype for array in grads.values()} == {np.dtype(np.float32)}


def test_model_is_not_touched_and_no_trace_stays_when_the_function_raises():
    model = small_network()
    kept = []

    def failing(stand_in):
        kept.append(stand_in)
        stand_in(X)
        raise RuntimeError("from the function")

    before = [id(array) for array in model.parameters()]
    with pytest.raises(RuntimeError, match="from the function"):
        cn.value_and_grad(failing, model)
    assert [id(array) for array in model.parameters()] == before
    assert arrays_only(model)
    assert not arrays_only(kept[0])
    assert type(model(X)) is np.ndarray
    value, _ = cn.value_and_grad(loss_of, model)
    assert value == loss_of(model)


def test_attributes_set_during_the_call_do_not_leak_traces():
    class Remembering(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(2, 2, dtype=np.float64)
            self.register_buffer("mean", np.zeros(2))

        def forward(self, x):
            self.last = self.linear(x)
            self.mean = 0.5 * self.mean + 0.5 * self.last.mean(axis=0)
            return self.last

    model = Remembering()
    x = np.ones((3, 2))
    cn.value_and_grad(lambda m: m(x).sum(), model)
    assert not hasattr(model, "last")
    assert type(model.mean) is np.ndarray  # buffers are shared with the stand-in, without traces
    np.testing.assert_allclose(model.mean, 0.5 * model(x)[0])


def test_parameters_may_be_recomputed_in_the_stand_in_only():
    model = nn.Linear(2, 2, bias=False, dtype=np.float64)
    x = np.array([[1.0, -1.0]])

    def normalised(m):
        m.weight = m.weight / anp.sqrt(anp.sum(m.weight**2))
        return (m(x) ** 2).sum()

    before = model.weight.copy()
    _, grads = cn.value_and_grad(normalised, model)
    np.testing.assert_array_equal(model.weight, before)
    # The value does not depend on the length of the weights.
    assert (grads["weight"] * before).sum() == pytest.approx(0, abs=1e-12)

    def leaking(m):
        model.weight = m.weight * 2
        return (m(x) ** 2).sum()

    with pytest.raises(TypeError, match=r"^weight: "):
        cn.value_and_grad(leaking, model)
    assert arrays_only(model)


def test_nested_gradient_penalty_agrees_with_finite_differences():
    model = nn.Sequential(nn.Linear(2, 3, dtype=np.float64), nn.Softmax(1), nn.Linear(3, 1, dtype=np.float64))
    x = np.array([[0.3, -0.2], [1.0, 0.5]])

    def penalty(m):
        _, inner = cn.value_and_grad(lambda k: (k(x) ** 2).sum(), m)
        return sum((array**2).sum() for array in inner.values())

    value, grads = cn.value_and_grad(penalty, model)
    assert type(value) is np.float64
    assert arrays_only(model)
    for name, parameter in model.named_parameters():
        assert type(grads[name]) is np.ndarray
        for index in np.ndindex(*parameter.shape):
            before = parameter[index]
            parameter[index] = before + 1e-5
            upper = penalty(model)
            parameter[index] = before - 1e-5
            lower = penalty(model)
            parameter[index] = before
            assert grads[name][index] == pytest.approx((upper - lower) / 2e-5, rel=1e-5, abs=1e-7)


def test_gradient_of_the_input_inside_the_gradient_of_the_parameters():
    model = nn.Linear(2, 1, bias=False, dtype=np.float64)
    x = np.array([[1.0, 2.0]])

    def norm_of_input_gradient(m):
        return (grad(lambda x: (m(x) ** 2).sum())(x) ** 2).sum()

    _, grads = cn.value_and_grad(norm_of_input_gradient, model)
    w = model.weight[0]
    s = x[0] @ w  # the input's gradient is 2 s w, its squared norm 4 s² w·w
    np.testing.assert_allclose(grads["weight"][0], 8 * s * (w @ w) * x[0] + 8 * s**2 * w)


def test_plain_autograd_differentiates_a_model_with_replaced_parameters():
    model = nn.Linear(2, 1, dtype=np.float64)
    x = np.ones((1, 2))

    def step_and_evaluate(lr):
        _, grads = cn.value_and_grad(lambda m: (m(x) ** 2).sum(), model)
        weight = model.weight - lr * grads["weight"]
        return anp.sum(F.linear(x, weight, model.bias) ** 2)

    assert grad(step_and_evaluate)(0.1) < 0


def test_shared_arrays_are_one_parameter():
    first = nn.Linear(2, 2, bias=False, dtype=np.float64)
    second = nn.Linear(2, 2, bias=False, dtype=np.float64)
    second.weight = first.weight
    model = nn.Sequential(first, second)
    x = np.array([[1.0, -2.0]])
    _, grads = cn.value_and_grad(lambda m: m(x).sum(), model)
    assert list(grads) == ["0.weight"]
    expected = grad(lambda w: anp.sum(anp.dot(anp.dot(x, w.T), w.T)))(first.weight)
    np.testing.assert_allclose(grads["0.weight"], expected)


def test_shared_module_appears_once():
    layer = nn.Linear(2, 2, bias=False, dtype=np.float64)
    model = nn.Sequential(layer, layer)
    seen = []
    cn.value_and_grad(lambda m: (seen.append(m[0] is m[1]), m(np.ones((1, 2))).sum())[1], model)
    assert seen == [True]
    assert [name for name, _ in model.named_parameters()] == ["0.weight"]


def test_gradients_share_no_memory():
    class Sum(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Parameter(np.zeros(3))
            self.b = nn.Parameter(np.zeros(3))
            self.c = nn.Parameter(np.zeros((3, 1)))

    model = Sum()
    x = np.arange(3.0)
    _, grads = cn.value_and_grad(lambda m: ((m.a + m.b + m.c.reshape(3)) * x).sum(), model)
    for name, expected in (("a", x), ("b", x), ("c", x[:, None])):
        np.testing.assert_array_equal(grads[name], expected)
        assert grads[name].flags.writeable
    grads["a"] *= 0
    np.testing.assert_array_equal(grads["b"], x)
    np.testing.assert_array_equal(grads["c"], x[:, None])


def test_parameter_without_influence_has_zero_gradient():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    x = np.ones((1, 2), np.float32)
    _, grads = cn.value_and_grad(lambda m: m[0](x).sum(), model)
    assert grads["0.weight"].any()
    assert not grads["1.weight"].any()
    assert grads["1.weight"].dtype == np.float32


def test_value_may_be_an_array_of_no_axes_or_a_parameter():
    class Number(nn.Module):
        def __init__(self):
            super().__init__()
            self.value = nn.Parameter(np.array(3.0))

    value, grads = cn.value_and_grad(lambda m: m.value, Number())
    assert value == 3
    np.testing.assert_array_equal(grads["value"], 1)


def test_aux_is_returned_without_traces():
    model = small_network()

    def with_outputs(m):
        scores = m(X)
        return F.cross_entropy(scores, T), {"scores": scores, "list": [scores, (1, "text")]}

    (value, aux), grads = cn.value_and_grad(with_outputs, model, has_aux=True)
    assert value == loss_of(model)
    assert type(aux["scores"]) is np.ndarray
    assert type(aux["list"][0]) is np.ndarray
    assert aux["list"][1] == (1, "text")
    assert len(grads) == 4


def test_model_without_parameters():
    assert cn.value_and_grad(lambda m: m(np.ones(3)).sum(), nn.ReLU()) == (3.0, {})


@pytest.mark.parametrize(
    ("function", "kind", "message"),
    [
        (lambda m: m(X), ValueError, "scalar"),
        (lambda _: None, TypeError, "scalar"),
        (lambda _: 1.0, ValueError, "depends"),
        (lambda m: (m(X).sum(), 1), TypeError, "scalar"),
    ],
    ids=["array", "nothing", "constant", "pair"],
)
def test_what_the_function_may_not_return(function, kind, message):
    with pytest.raises(kind, match=rf"^function: .*{message}"):
        cn.value_and_grad(function, small_network())


def test_other_wrong_arguments():
    with pytest.raises(TypeError, match=r"^model: "):
        cn.value_and_grad(lambda _: 1.0, {"weight": np.ones(3)})
    with pytest.raises(TypeError, match=r"^function: .*pair"):
        cn.value_and_grad(loss_of, small_network(), has_aux=True)


def test_model_reached_around_the_argument_is_an_error():
    model = small_network()
    with pytest.raises(ValueError, match="argument"):
        cn.value_and_grad(lambda _: loss_of(model), model)


def test_threads_that_begin_and_end_traces_in_turn_do_not_disturb_each_other():
    """A trace of one thread ends while another thread is inside of a nested one."""
    first_inside, second_ended = threading.Event(), threading.Event()
    results = {}

    def nested(x):
        def inner(y):
            return x * y * y

        def outer():
            first_inside.set()
            assert second_ended.wait(10)
            # With one shared counter, this trace would now get the number of the one around it.
            return grad(inner)(3.0)

        return x * outer()

    def first():
        results["first"] = grad(nested)(2.0)

    def second():
        def function(x):
            assert first_inside.wait(10)
            return x * x

        results["second"] = grad(function)(5.0)
        second_ended.set()

    threads = [threading.Thread(target=second), threading.Thread(target=first)]
    for thread in threads:
        thread.start()
        time.sleep(0.05)
    for thread in threads:
        thread.join()
    # nested(x) = x · 6 x = 6 x²
    assert results == {"first": 24.0, "second": 10.0}


def test_many_threads_on_one_model():
    model = nn.Sequential(nn.Linear(3, 4, dtype=np.float64), nn.ReLU(), nn.Linear(4, 1, dtype=np.float64))
    inputs = [np.random.default_rng(i).standard_normal((2, 3)) for i in range(6)]

    def penalty(m, x):
        _, inner = cn.value_and_grad(lambda k: (k(x) ** 2).sum(), m)
        return sum((array**2).sum() for array in inner.values())

    expected = [cn.value_and_grad(lambda m, x=x: penalty(m, x), model) for x in inputs]
    failures = []

    def work(i):
        for _ in range(20):
            value, grads = cn.value_and_grad(lambda m: penalty(m, inputs[i]), model)
            if value != expected[i][0] or any((grads[k] != v).any() for k, v in expected[i][1].items()):
                failures.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(inputs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert arrays_only(model)
