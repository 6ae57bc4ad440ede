"""Modules that users write with a forward alone: they train, whatever their attributes are."""

import copy
import functools
import pickle
from collections import OrderedDict

import autograd.numpy as anp
import numpy as np
import pytest

import convnative as cn
from convnative import functional as F
from convnative import nn

rng = np.random.default_rng(5)
X = rng.standard_normal((6, 4))
T = rng.integers(0, 3, 6)

linear = functools.partial(nn.Linear, dtype=np.float64)


def assert_trains(model, x=X, target=T):
    """Gradients agree with finite differences, none is zero, and steps along them lower the loss."""

    def loss(m):
        return F.cross_entropy(m(x), target)

    value, grads = cn.value_and_grad(loss, model)
    assert list(grads) == [name for name, _ in model.named_parameters(requires_grad=True)]
    for name, grad in grads.items():
        assert np.any(grad), name
        parameter = model.get_parameter(name)
        index = np.unravel_index(np.abs(grad).argmax(), grad.shape)
        before = parameter[index]
        parameter[index] = before + 1e-6
        upper = loss(model)
        parameter[index] = before - 1e-6
        lower = loss(model)
        parameter[index] = before
        assert grad[index] == pytest.approx((upper - lower) / 2e-6, rel=1e-5, abs=1e-8), name
    optimizer = cn.optim.SGD(model, lr=0.05, momentum=0.5)
    for _ in range(10):
        optimizer.step(cn.value_and_grad(loss, model)[1])
    assert loss(model) < value
    assert all(type(array) is np.ndarray for array in model.parameters())


class WithParameters(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(rng.standard_normal((4, 3)))
        self.shift = nn.Parameter(np.full(3, 0.1))

    def forward(self, x):
        return anp.tanh(x @ self.weight) + self.shift


class NestedLists(nn.Module):
    def __init__(self):
        super().__init__()
        self.grid = nn.ModuleList(
            [nn.ModuleList([linear(4, 4), linear(4, 4)]), nn.ModuleList([linear(4, 3), linear(4, 3)])]
        )

    def forward(self, x):
        for row in self.grid:
            x = sum(layer(x) for layer in row)
        return x


class PlainLists(nn.Module):
    """Plain lists, tuples, dicts and methods that lead to modules which are registered elsewhere."""

    def __init__(self):
        super().__init__()
        self.steps = [linear(4, 5), nn.ReLU(), [linear(5, 3)]]
        self.body = nn.Sequential(self.steps[0], self.steps[2][0])
        self.pair = (self.body, "text", 3)
        self.table = {"head": {"last": self.steps[2][0]}}
        self.gain = nn.Parameter(np.ones(3))
        self.gains = [self.gain]
        self.alias = self.gain
        self.first = self.run_first

    def run_first(self, x):
        return self.pair[0][0](x)

    def forward(self, x):
        x = self.steps[1](self.first(x))
        return self.table["head"]["last"](x) * self.gains[0] + self.steps[2][0](x) * self.alias


class Branch(nn.Module):
    """A part that knows the whole, which knows it in turn."""

    def __init__(self, whole):
        super().__init__()
        self.scale = nn.Parameter(np.ones(4))
        self.whole = [whole]
        object.__setattr__(self, "also", whole)

    def forward(self, x):
        return x * self.scale + self.whole[0].shift * self.also.shift


class Whole(nn.Module):
    def __init__(self):
        super().__init__()
        self.shift = nn.Parameter(np.full(4, 0.5))
        self.branch = Branch(self)
        self.head = linear(4, 3)
        self.named = OrderedDict(head=self.head)

    def forward(self, x):
        return self.named["head"](self.branch(x))


class Tied(nn.Module):
    """An autoencoder's decoder with the weights of its encoder, and a head."""

    def __init__(self):
        super().__init__()
        self.encode = linear(4, 3, bias=False)
        self.decode = linear(3, 4)
        self.decode.weight = self.encode.weight.T.copy()
        self.again = linear(4, 3)
        self.again.weight = self.encode.weight

    def forward(self, x):
        return self.again(self.decode(self.encode(x)))


class Inherited(WithParameters):
    def __init__(self):
        super().__init__()
        self.mix = linear(3, 3)

    def forward(self, x, scale=1.0):
        return self.mix(super().forward(x)) * scale


class Recurrent(nn.Module):
    """The same layers again and again, with control flow over values."""

    def __init__(self):
        super().__init__()
        self.into, self.step, self.out = linear(2, 5), linear(5, 5), linear(5, 3)

    def forward(self, x):
        state = self.into(x[:, :2])
        for index in range(2):
            if np.ndim(state) == 2:
                state = anp.tanh(self.step(state) + self.into(x[:, 2:])) if index % 2 else anp.sin(state)
        return self.out(state)


class FunctionalOnly(nn.Module):
    """No parameters but those of a list, all of the work in functions."""

    def __init__(self):
        super().__init__()
        self.weights = nn.ParameterList([rng.standard_normal((5, 4)), rng.standard_normal((3, 5))])

    def forward(self, x):
        for weight in self.weights:
            x = F.linear(x, weight)
        return F.log_softmax(x, dim=1)


MODELS = [WithParameters, NestedLists, PlainLists, Whole, Tied, Inherited, Recurrent, FunctionalOnly]


@pytest.mark.parametrize("model", MODELS)
def test_modules_with_a_forward_alone_train(model):
    assert_trains(model())


@pytest.mark.parametrize("model", MODELS)
def test_inside_of_containers(model):
    assert_trains(nn.Sequential(nn.Residual(linear(4, 4)), model(), nn.Concat(linear(3, 2), linear(3, 1))))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    "clone", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"]
)
def test_copies_train_without_the_original(model, clone):
    original = model()
    before = copy.deepcopy(original.state_dict())
    other = clone(original)
    assert list(other.state_dict()) == list(before)
    assert_trains(other)
    for name, array in original.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_shared_weights_are_one_parameter():
    model = Tied()
    names = [name for name, _ in model.named_parameters()]
    assert names == ["encode.weight", "decode.weight", "decode.bias", "again.bias"]
    assert cn.count_parameters(model).total == 12 + 12 + 4 + 3
    assert len(list(model.named_parameters(remove_duplicate=False))) == 5
    _, grads = cn.value_and_grad(lambda m: m(X).sum(), model)
    encode, decode = model.encode.weight, model.decode.weight
    hidden = X @ encode.T @ decode.T + model.decode.bias
    backward = np.ones((6, 3)) @ encode @ decode
    np.testing.assert_allclose(grads["encode.weight"], np.ones((3, 6)) @ hidden + backward.T @ X)
    state = model.state_dict()
    assert state["again.weight"] is state["encode.weight"]


# -- buffers --------------------------------------------------------------------------------------


class RunningMean(nn.Module):
    """A layer with running statistics, as batch normalization has them."""

    def __init__(self, features, track=True):
        super().__init__()
        self.scale = nn.Parameter(np.ones(features))
        self.register_buffer("mean", np.zeros(features) if track else None)
        self.register_buffer("batches", np.array(0) if track else None)
        self.register_buffer("last", np.zeros(features), persistent=False)

    def forward(self, x):
        mean = x.mean(axis=0)
        if self.training:
            if self.mean is not None:
                self.mean = 0.9 * self.mean + 0.1 * mean
                self.batches += 1
            self.last = mean
        elif self.mean is not None:
            mean = self.mean
        return (x - mean) * self.scale


def test_running_statistics():
    model = nn.Sequential(linear(4, 3), RunningMean(3), linear(3, 3))
    norm = model[1]
    expected = np.zeros(3)
    for step in range(3):
        _, grads = cn.value_and_grad(lambda m: F.cross_entropy(m(X), T), model)
        assert set(grads) == {"0.weight", "0.bias", "1.scale", "2.weight", "2.bias"}
        expected = 0.9 * expected + 0.1 * model[0](X).mean(axis=0)
        np.testing.assert_allclose(norm.mean, expected, rtol=1e-12)
        assert norm.batches == step + 1
        assert type(norm.mean) is np.ndarray
        assert type(norm.last) is np.ndarray
    assert list(norm.state_dict()) == ["scale", "mean", "batches"]
    assert [name for name, _ in norm.named_buffers()] == ["mean", "batches", "last"]
    model.eval()
    before = norm.mean
    model(X)
    assert norm.mean is before
    other = nn.Sequential(linear(4, 3), RunningMean(3), linear(3, 3)).eval()
    other.load_state_dict(model.state_dict())
    np.testing.assert_array_equal(other(X), model(X))
    assert_trains(model)  # in evaluation mode, with constant statistics


def test_a_buffer_may_be_none():
    layer = RunningMean(3, track=False)
    assert layer.mean is None
    assert list(layer.state_dict()) == ["scale"]
    assert [name for name, _ in layer.named_buffers()] == ["last"]
    layer(X[:, :3])
    layer.mean = np.ones(3)
    assert list(layer.state_dict()) == ["scale", "mean"]
    layer.mean = None
    assert layer.eval()(X[:, :3]).shape == (6, 3)
    with pytest.raises(AttributeError, match=r"^target: .*buffer"):
        layer.get_buffer("mean")


# -- frozen parameters ----------------------------------------------------------------------------


def test_frozen_parameters_are_constants():
    model = nn.Sequential(linear(4, 5), nn.ReLU(), linear(5, 3))
    assert model[0].requires_grad_(False) is model[0]
    assert [name for name, _ in model.named_parameters(requires_grad=True)] == ["2.weight", "2.bias"]
    assert [name for name, _ in model.named_parameters(requires_grad=False)] == ["0.weight", "0.bias"]
    assert len(list(model.named_parameters())) == 4
    assert_trains(model)
    before = copy.deepcopy(model.state_dict())
    optimizer = cn.optim.AdamW(model, lr=0.1, weight_decay=0.5)
    _, grads = cn.value_and_grad(lambda m: F.cross_entropy(m(X), T), model)
    optimizer.step(grads)
    np.testing.assert_array_equal(model[0].weight, before["0.weight"])  # no decay either
    assert np.all(model[2].weight != before["2.weight"])
    with pytest.raises(ValueError, match=r"^grads: .*trained parameter, received unknown '0.bias'"):
        optimizer.step({**grads, "0.bias": np.zeros(5)})
    model.requires_grad_()
    with pytest.raises(ValueError, match=r"^grads: .*missing '0.weight', '0.bias'"):
        optimizer.step(grads)
    assert_trains(model)
    assert list(model.state_dict()) == list(before)


def test_everything_frozen():
    model = linear(4, 3).requires_grad_(False)
    assert cn.value_and_grad(lambda m: m(X).sum(), model)[1] == {}
    cn.optim.SGD(model).step({})
    with pytest.raises(TypeError, match=r"^requires_grad: "):
        model.requires_grad_(0)


def test_one_parameter_frozen_by_its_mark():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.fixed = nn.Parameter(np.full(3, 2.0), requires_grad=False)
            self.layer = linear(4, 3)

        def forward(self, x):
            return self.layer(x) * self.fixed

    model = Scaled()
    assert_trains(model)
    assert model.fixed.tolist() == [2.0] * 3
    assert repr(nn.Parameter(np.ones(1), False)) == "Parameter(array([1.]), requires_grad=False)"
    model.fixed = np.full(3, 3.0)  # another array in the same place
    assert "fixed" not in dict(model.named_parameters(requires_grad=True))
    model.fixed = nn.Parameter(np.full(3, 3.0))
    assert "fixed" in dict(model.named_parameters(requires_grad=True))
    other = copy.deepcopy(model.requires_grad_(False))
    assert list(other.named_parameters(requires_grad=True)) == []
    del model.fixed
    model.fixed = nn.Parameter(np.ones(3))
    assert [name for name, _ in model.named_parameters(requires_grad=True)] == ["fixed"]


def test_a_shared_array_is_frozen_by_any_of_its_owners():
    model = Tied()
    model.again.requires_grad_(False)
    assert [name for name, _ in model.named_parameters(requires_grad=True)] == [
        "decode.weight",
        "decode.bias",
    ]
    before = model.encode.weight.copy()
    assert_trains(model)
    np.testing.assert_array_equal(model.encode.weight, before)


def test_a_generator_and_its_critic_train_in_turns():
    model = nn.ModuleDict({"generator": linear(2, 4), "critic": linear(4, 1)})
    x = X[:, :2]

    def score(m):
        return m["critic"](m["generator"](x)).mean()

    for trained, fixed in (("generator", "critic"), ("critic", "generator")):
        model.requires_grad_(True)[fixed].requires_grad_(False)
        _, grads = cn.value_and_grad(score, model)
        assert set(grads) == {f"{trained}.weight", f"{trained}.bias"}
        cn.optim.SGD(model, lr=0.1).step(grads)


# -- structure ------------------------------------------------------------------------------------


def test_get_by_name():
    model = PlainLists()
    assert model.get_submodule("") is model
    assert model.get_submodule("body.1") is model.steps[2][0]
    assert model.get_parameter("body.0.weight") is model.body[0].weight
    assert model.get_parameter("gain") is model.gain
    norm = nn.Sequential(RunningMean(3))
    assert norm.get_buffer("0.mean") is norm[0].mean
    for call, kind in (
        (lambda: model.get_submodule("body.2"), "module"),
        (lambda: model.get_submodule("gain"), "module"),
        (lambda: model.get_parameter("body.0"), "parameter"),
        (lambda: model.get_parameter("nothing.weight"), "module"),
        (lambda: norm.get_buffer("0.scale"), "buffer"),
    ):
        with pytest.raises(AttributeError, match=rf"^target: expected the name of a {kind}"):
            call()


def test_prefix_and_recurse():
    model = nn.Sequential(linear(4, 3), RunningMean(3))
    model.gain = nn.Parameter(np.ones(1))
    assert [name for name, _ in model.named_parameters(prefix="net")] == [
        "net.gain",
        "net.0.weight",
        "net.0.bias",
        "net.1.scale",
    ]
    assert [name for name, _ in model.named_parameters(recurse=False)] == ["gain"]
    assert len(list(model.parameters(recurse=False))) == 1
    assert [name for name, _ in model.named_buffers("net")] == ["net.1.mean", "net.1.batches", "net.1.last"]
    assert list(model.buffers(recurse=False)) == []
    assert [name for name, _ in model.named_modules(prefix="net")] == ["net", "net.0", "net.1"]


def test_children_come_once_but_calls_are_counted():
    layer = linear(4, 4)
    model = nn.Sequential(layer, layer)
    assert list(model.children()) == [layer]
    other = linear(4, 4)
    assert [name for name, _ in nn.Sequential(layer, other, layer).named_children()] == ["0", "1"]
    applied = []
    model.apply(applied.append)
    assert applied == [layer, model]


def test_a_module_may_be_taken_away():
    model = PlainLists()
    model.body = None
    assert model.body is None
    assert [name for name, _ in model.named_children()] == []
    with pytest.raises(ValueError, match=r"^name: "):
        model.add_module("training", nn.ReLU())
    assert model.training is True


def test_a_shallow_copy_has_places_of_its_own():
    model = Whole()
    other = copy.copy(model)
    assert other.shift is model.shift
    assert other.head is model.head
    other.head = linear(4, 2)
    other.shift = np.zeros(4)
    other.register_buffer("more", np.zeros(1))
    other.branch = None
    assert model.shift[0] == 0.5
    assert model.head.out_features == 3
    assert [name for name, _ in model.named_children()] == ["branch", "head"]
    assert list(model.buffers()) == []


def test_conversion():
    model = nn.Sequential(nn.Linear(4, 3, bias=False), RunningMean(3).float(), nn.Linear(4, 3, bias=False))
    model[2].weight = model[0].weight
    weight = model[0].weight
    assert model.float() is model
    assert model[0].weight is weight
    assert model.double() is model
    assert {array.dtype.name for array in model.parameters()} == {"float64"}
    assert model[1].mean.dtype == np.float64
    assert model[1].batches.dtype.kind == "i"
    assert model[2].weight is model[0].weight
    np.testing.assert_array_equal(weight, model[0].weight)
    assert model.to(np.float32)[0].weight.dtype == np.float32
    with pytest.raises(TypeError, match=r"^dtype: "):
        model.to(np.float16)


def test_a_parameter_cannot_appear_in_the_middle_of_a_derivative():
    """What would be made there would be lost with the stand-in for the model."""

    class Late(nn.Module):
        def __init__(self, declared):
            super().__init__()
            if declared:
                self.register_parameter("weight", None)
            self.head = linear(4, 3)

        def forward(self, x):
            if getattr(self, "weight", None) is None:
                self.weight = nn.Parameter(np.ones(x.shape[1]))
            return self.head(x * self.weight)

    for declared in (True, False):
        model = Late(declared)
        with pytest.raises(ValueError, match=r"^weight: expected a parameter of Late .* call the model once"):
            cn.value_and_grad(lambda m: m(X).sum(), model)
        model(X)
        assert_trains(model)


def test_empty_containers_in_lists_are_copied_too():
    class Growing(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = linear(4, 3)
            self.rest = nn.Sequential()
            self.parts = [self.head, self.rest]

        def forward(self, x):
            assert self.parts[1] is self.rest
            for part in self.parts:
                x = part(x)
            return x

    assert_trains(Growing())


def test_lists_of_values_stay_the_same_lists():
    class Logging(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = linear(4, 3)
            self.shapes = []
            self.sizes = (1, [2, 3])

        def forward(self, x):
            self.shapes.append(x.shape)
            assert self.sizes[1] is model.sizes[1]
            return self.layer(x)

    model = Logging()
    assert_trains(model)
    assert len(model.shapes) > 10
    assert set(model.shapes) == {(6, 4)}


# -- summaries ------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
def test_summaries(model):
    model = model()
    table = cn.summary(model, (6, 4))
    assert table.output_shape == (6, 3)
    assert table.parameters == cn.count_parameters(model).total
    assert sum(layer.parameters for layer in table.layers) == table.parameters
    assert sum(layer.macs for layer in table.layers) > 0


def test_summary_of_several_inputs():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.image = nn.Conv2d(3, 4, 3)
            self.vector = nn.Linear(5, 4)

        def forward(self, image, vector, index=None):
            x = self.image(image) + self.vector(vector).reshape(-1, 4, 1, 1)
            return x if index is None else x * index.reshape(-1, 1, 1, 1)

    table = cn.summary(Two(), [(2, 3, 8, 8), (2, 5)])
    assert table.output_shape == (2, 4, 6, 6)
    assert table.input_shapes == ((2, 3, 8, 8), (2, 5))
    assert (table.input_shape, table.dtype) == ((2, 3, 8, 8), np.float32)
    assert table.input_memory == 4 * (2 * 3 * 8 * 8 + 2 * 5)
    assert table.receptive_field[0].size == 3  # of the first input
    assert str(table).startswith("Two, input 2x3x8x8 float32, 2x5 float32\n")
    table = cn.summary(Two(), [(2, 3, 8, 8), (2, 5), (2,)], dtype=[np.float32, np.float32, np.int64])
    assert table.dtypes[2] == np.int64
    assert table.output_shape == (2, 4, 6, 6)
    with pytest.raises(ValueError, match=r"^dtype: expected one for each of 2 inputs, received 1"):
        cn.summary(Two(), [(2, 3, 8, 8), (2, 5)], dtype=[np.float32])
    with pytest.raises(ValueError, match=r"^input_shape: "):
        cn.summary(Two(), [(2, 3, 8, 8), (2, -5)])
    with pytest.raises(TypeError, match=r"^input_shape: "):
        cn.summary(Two(), (2, 3.5))
