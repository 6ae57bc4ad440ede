"""Containers: the methods of lists and dicts, names, forwards, text, copies."""

import copy
import pickle
from collections import OrderedDict

import numpy as np
import pytest

import convnative as cn
from convnative import nn

rng = np.random.default_rng(3)


class Add(nn.Module):
    """A layer that tells itself from others."""

    def __init__(self, number):
        super().__init__()
        self.number = number

    def forward(self, x):
        return x + self.number

    def extra_repr(self):
        return f"{self.number}"


def numbers(modules):
    return [module.number for module in modules]


def names(container):
    return [name for name, _ in container.named_children()]


def chain(*values):
    return nn.Sequential(*map(Add, values))


SEQUENCES = [
    pytest.param(lambda modules: nn.Sequential(*modules), id="Sequential"),
    pytest.param(nn.ModuleList, id="ModuleList"),
    pytest.param(lambda modules: nn.Concat(*modules, dim=0), id="Concat"),
]


@pytest.mark.parametrize("make", SEQUENCES)
def test_list_methods_against_a_list(make):
    draw = np.random.default_rng(0)
    expected = [Add(number) for number in range(4)]
    container = make(expected)
    for step in range(200):
        length = len(expected)
        index = int(draw.integers(-length, length)) if length else 0
        choice = draw.integers(0, 7)
        if choice == 0 or not length:
            assert container.append(Add(step)) is container
            expected.append(container[-1])
        elif choice == 1:
            assert container.insert(index, Add(step)) is container
            expected.insert(index, container[index - 1 if index < 0 else index])
        elif choice == 2:
            del container[index]
            del expected[index]
        elif choice == 3:
            assert container.pop(index) is expected.pop(index)
        elif choice == 4:
            expected[index] = container[index] = Add(step)
        elif choice == 5:
            part = slice(*sorted(draw.integers(0, length + 1, 2)), int(draw.integers(1, 3)))
            assert list(container[part]) == expected[part]
            if length > 6:
                del container[part]
                del expected[part]
        else:
            more = [Add(step), Add(step + 1)]
            container += more
            expected += more
        assert list(container) == expected
        assert len(container) == len(expected)
        assert names(container) == [str(position) for position in range(len(expected))]
    assert type(container) is type(make([]))
    assert container[0] in container
    assert Add(0) not in container


@pytest.mark.parametrize("make", SEQUENCES)
def test_list_methods_refuse(make):
    container = make([Add(1), Add(2)])
    for index in (2, -3):
        with pytest.raises(IndexError, match=rf"^index: expected an int from -2 to 1, received {index}"):
            container[index]
        with pytest.raises(IndexError, match=r"^index: "):
            container[index] = Add(3)
        with pytest.raises(IndexError, match=r"^index: "):
            del container[index]
        with pytest.raises(IndexError, match=r"^index: "):
            container.pop(index)
    for index in (3, -3):
        with pytest.raises(IndexError, match=r"^index: expected an int from -2 to 2"):
            container.insert(index, Add(3))
    for change in (
        lambda: container.append(3),
        lambda: container.insert(0, None),
        lambda: container.extend([Add(3), 4]),
        lambda: container.__setitem__(0, np.tanh),
    ):
        with pytest.raises(TypeError, match=r"^module: expected a Module"):
            change()
    with pytest.raises(TypeError):
        container["0"]
    with pytest.raises(TypeError, match=r"^modules: expected a Module for '1'"):
        make([Add(1), "relu"])
    assert numbers(container) == [1, 2]


def test_extend_with_itself():
    model = chain(1, 2)
    model.extend(model)
    assert numbers(model) == [1, 2, 1, 2]
    assert list(dict(model.named_modules())) == ["", "0", "1"]  # each once
    assert [name for name, _ in model.named_modules(remove_duplicate=False)] == ["", "0", "1", "2", "3"]


# -- Sequential -----------------------------------------------------------------------------------


def test_sequential_arithmetic():
    first, second = chain(1, 2), chain(10)
    both = first + second
    assert numbers(both) == [1, 2, 10]
    assert both(0) == 13
    assert both[0] is first[0]
    assert numbers(first) == [1, 2]
    first += second
    assert numbers(first) == [1, 2, 10]
    assert (chain(1) * 3)(0) == (3 * chain(1))(0) == 3
    twice = chain(1, 2)
    same = twice
    twice *= 2
    assert twice is same
    assert numbers(twice) == [1, 2, 1, 2]
    assert twice[0] is twice[2]
    with pytest.raises(ValueError, match=r"^times: "):
        chain(1) * 0
    with pytest.raises(TypeError, match=r"^times: "):
        chain(1) * 1.5
    with pytest.raises(TypeError):
        chain(1) + (Add(2),)  # noqa: RUF005


def test_sequential_names():
    model = nn.Sequential(OrderedDict(first=Add(1), second=Add(2), third=Add(3)))
    assert names(model) == names(nn.Sequential({"first": Add(1), "second": Add(2), "third": Add(3)}))
    assert names(model[1:]) == ["second", "third"]
    model[1] = Add(5)
    assert model.second.number == 5
    assert names(model.append(Add(4))) == ["first", "second", "third", "3"]
    del model[0]  # torch numbers the rest
    assert names(model) == ["0", "1", "2"]
    part = model[1:]
    assert names(part) == ["1", "2"]
    assert names(part.append(Add(7))) == ["1", "2", "3"]
    assert len(nn.Sequential(nn.ModuleDict())) == 1  # a module, not a mapping of modules


def test_slice_of_a_subclass():
    class Block(nn.Sequential):
        def __init__(self, width, *, gain):
            super().__init__(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1))
            self.gain = gain

        def forward(self, input):
            return self.gain * super().forward(input)

    block = Block(3, gain=2.0).eval()
    part = block[:2]
    assert type(part) is Block
    assert part.gain == 2.0
    assert not part.training
    part.append(nn.ReLU())
    assert len(block) == 3


# -- ModuleList, ModuleDict, parameters -----------------------------------------------------------


def test_module_list():
    layers = nn.ModuleList(Add(number) for number in range(3))
    assert numbers(layers) == [0, 1, 2]
    assert names(layers[1:]) == ["0", "1"]
    longer = layers + [Add(9)]  # noqa: RUF005
    assert type(longer) is nn.ModuleList
    assert numbers(longer) == [0, 1, 2, 9]
    assert len(layers) == 3
    assert len(nn.ModuleList()) == 0
    with pytest.raises(NotImplementedError, match="ModuleList"):
        layers(1)


def test_module_dict():
    layers = nn.ModuleDict({"a": Add(1), "b": Add(2)})
    assert list(layers) == list(layers.keys()) == ["a", "b"]
    assert numbers(layers.values()) == [1, 2]
    assert [(name, module.number) for name, module in layers.items()] == [("a", 1), ("b", 2)]
    assert "a" in layers
    assert "c" not in layers
    assert layers.a is layers["a"]
    layers["c"] = Add(3)
    layers.update({"a": Add(4), "d": Add(5)})
    layers.update([("e", Add(6))])
    assert numbers(layers.values()) == [4, 2, 3, 5, 6]
    assert layers.pop("b").number == 2
    del layers["e"]
    assert names(layers) == list(layers) == ["a", "c", "d"]
    assert len(layers) == 3
    for missing in (lambda: layers["x"], lambda: layers.pop("x"), lambda: layers.__delitem__("x")):
        with pytest.raises(KeyError, match="x"):
            missing()
    with pytest.raises(TypeError, match=r"^module: "):
        layers["x"] = 3
    with pytest.raises(TypeError, match=r"^name: "):
        layers[3] = Add(3)
    for name in ("", "a.b", "keys", "training", "_modules"):
        with pytest.raises(ValueError, match=r"^name: "):
            layers[name] = Add(3)
    assert layers == layers
    assert layers != nn.ModuleDict(layers)
    assert layers in {layers}
    layers.clear()
    assert len(layers) == 0
    assert list(nn.ModuleDict([("a", Add(1))])) == ["a"]


def test_parameter_list():
    own = np.ones(3)
    values = nn.ParameterList([own, nn.Parameter(np.zeros((2, 2), np.float32))])
    assert values[0] is own
    assert values[-1].shape == (2, 2)
    assert [value.shape for value in values[:]] == [(3,), (2, 2)]
    assert [name for name, _ in values.named_parameters()] == ["0", "1"]
    assert values.append(np.ones(1)) is values
    values += [np.ones(4)]
    assert len(values) == len(list(values)) == 4
    values[1] = np.full(2, 7.0)
    assert values.state_dict()["1"].tolist() == [7.0, 7.0]
    assert len(nn.ParameterList()) == 0
    with pytest.raises(IndexError, match=r"^index: "):
        values[4]
    with pytest.raises(TypeError, match=r"^4: "):
        values.append([1.0])
    assert repr(nn.ParameterList([np.ones(3), np.ones((2, 2), np.float32), np.ones(())])) == (
        "ParameterList(\n  (0): float64 of size 3\n  (1): float32 of size 2x2\n  (2): float64 of size 1\n)"
    )


def test_parameter_dict():
    values = nn.ParameterDict({"a": np.ones(3)})
    values["b"] = nn.Parameter(np.zeros(2), requires_grad=False)
    values["a"] = np.full(3, 2.0)
    assert [name for name, _ in values.named_parameters()] == ["a", "b"]
    assert [name for name, _ in values.named_parameters(requires_grad=True)] == ["a"]
    assert values["a"].tolist() == [2.0] * 3
    assert sorted(values) == ["a", "b"]
    del values["a"]
    assert list(values.keys()) == ["b"]
    with pytest.raises(TypeError, match=r"^c: "):
        values["c"] = [1.0]
    assert repr(values) == "ParameterDict((b): float64 of size 2)"


# -- Residual and Concat --------------------------------------------------------------------------


def test_residual():
    x = rng.standard_normal((2, 3, 4, 4)).astype(np.float32)
    inner = nn.Conv2d(3, 3, 3, padding=1)
    block = nn.Residual(inner, nn.ReLU())
    np.testing.assert_array_equal(block(x), x + nn.ReLU()(inner(x)))
    assert list(block.state_dict()) == ["body.0.weight", "body.0.bias"]
    down, short = nn.Conv2d(3, 5, 3, 2, padding=1), nn.Conv2d(3, 5, 1, 2)
    block = nn.Residual(OrderedDict(down=down), shortcut=short)
    np.testing.assert_array_equal(block(x), short(x) + down(x))
    assert list(block.state_dict()) == [
        "body.down.weight",
        "body.down.bias",
        "shortcut.weight",
        "shortcut.bias",
    ]
    np.testing.assert_array_equal(nn.Residual()(x), x + x)
    with pytest.raises(ValueError, match=r"^input: .*\(2, 3, 4, 4\).*\(2, 1, 4, 4\)"):
        nn.Residual(nn.Conv2d(3, 1, 1))(x)  # would broadcast
    with pytest.raises(TypeError, match=r"^shortcut: "):
        nn.Residual(nn.ReLU(), shortcut="conv")


def test_concat():
    x = rng.standard_normal((2, 3, 4, 4)).astype(np.float32)
    branches = nn.Conv2d(3, 2, 1), nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU()), nn.MaxPool2d(3, 1, 1)
    block = nn.Concat(*branches)
    np.testing.assert_array_equal(block(x), np.concatenate([branch(x) for branch in branches], axis=1))
    assert list(block.state_dict())[:3] == ["0.weight", "0.bias", "1.0.weight"]
    named = nn.Concat({"narrow": branches[0], "wide": branches[1]}, dim=-3)
    np.testing.assert_array_equal(named(x[0]), np.concatenate([b(x[0]) for b in branches[:2]], axis=0))
    assert named[:1].dim == -3
    assert repr(nn.Concat(nn.ReLU(), dim=2)) == "Concat(\n  dim=2\n  (0): ReLU()\n)"
    with pytest.raises(ValueError, match=r"^branches: .*\(2, 3, 4, 4\).*\(2, 3, 2, 2\)"):
        nn.Concat(nn.ReLU(), nn.MaxPool2d(2))(x)
    with pytest.raises(IndexError, match=r"^dim: expected an axis from -4 to 3, received 4"):
        nn.Concat(nn.ReLU(), dim=4)(x)
    with pytest.raises(ValueError, match=r"^branches: "):
        nn.Concat()(x)
    with pytest.raises(TypeError, match=r"^dim: "):
        nn.Concat(nn.ReLU(), dim="channels")


# -- all containers -------------------------------------------------------------------------------


class Everything(nn.Module):
    """Every container at once, one in the other."""

    def __init__(self):
        super().__init__()
        conv = nn.Conv2d(2, 2, 3, padding=1, dtype=np.float64, rng=0)
        self.stages = nn.ModuleList(
            nn.ModuleList(
                nn.Residual(nn.Conv2d(2, 2, 1, dtype=np.float64, rng=i), nn.ReLU()) for i in range(2)
            )
            for _ in range(2)
        )
        self.heads = nn.ModuleDict(
            {
                "left": nn.Concat(conv, nn.Sequential(conv, nn.ReLU())),
                "right": nn.Conv2d(2, 4, 1, dtype=np.float64, rng=1),
            }
        )
        self.gains = nn.ParameterList([np.full((2, 1, 1), 0.5), np.ones((2, 1, 1))])
        self.scales = nn.ParameterDict({"left": np.array(2.0), "right": np.array(-1.0)})

    def forward(self, x):
        for gain, stage in zip(self.gains, self.stages, strict=True):
            for block in stage:
                x = gain * block(x)
        return sum(self.scales[name] * head(x) for name, head in self.heads.items())


def test_all_containers_train():
    model = Everything()
    x = rng.standard_normal((2, 2, 3, 3))

    def loss(m):
        return (m(x) ** 2).mean()

    value, grads = cn.value_and_grad(loss, model)
    assert list(grads) == [name for name, _ in model.named_parameters()]
    assert "heads.left.0.weight" in grads
    assert "heads.left.1.0.weight" not in grads  # the same convolution
    for name, parameter in model.named_parameters():
        for index in list(np.ndindex(*parameter.shape))[:4]:
            before = parameter[index]
            parameter[index] = before + 1e-6
            upper = loss(model)
            parameter[index] = before - 1e-6
            lower = loss(model)
            parameter[index] = before
            assert grads[name][index] == pytest.approx((upper - lower) / 2e-6, rel=1e-5, abs=1e-7), name
    optimizer = cn.optim.SGD(model, lr=0.01)
    for _ in range(5):
        optimizer.step(cn.value_and_grad(loss, model)[1])
    assert loss(model) < value


@pytest.mark.parametrize(
    "clone", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"]
)
def test_copies_of_containers(clone):
    model = Everything()
    other = clone(model)
    x = rng.standard_normal((1, 2, 3, 3))
    np.testing.assert_array_equal(model(x), other(x))
    assert repr(other) == repr(model)
    assert other.heads["left"][0] is other.heads["left"][1][0]
    for name, array in model.state_dict().items():
        assert not np.shares_memory(other.state_dict()[name], array)


def test_summary_of_all_containers():
    model = Everything()
    table = cn.summary(model, (2, 2, 3, 3))
    assert table.output_shape == (2, 4, 3, 3)
    assert table.parameters == cn.count_parameters(model).total == sum(p.size for p in model.parameters())
    assert sum(layer.parameters for layer in table.layers) == table.parameters
    assert "Not called" not in str(table)
    kinds = [layer.kind for layer in table.layers]
    assert kinds.count("Conv2d") == 4 + 2 + 1
    assert [layer.reused for layer in table.layers if layer.name == "heads.left.0"] == [False, True]
    assert kinds.count("concatenate") == 1
    blocks = nn.Sequential(
        nn.Residual(nn.Conv2d(1, 1, 3, padding=1)),
        nn.Concat(nn.Conv2d(1, 1, 1), nn.Conv2d(1, 2, 5, padding=2)),
    )
    table = cn.summary(blocks, (1, 1, 9, 9))
    assert [layer.name for layer in table.layers] == ["0.body.0", "0.add", "1.0", "1.1", "1.concatenate"]
    assert [layer.receptive_field[0].size for layer in table.layers] == [3, 3, 3, 7, 7]


def test_repr_of_lists_counts_equal_modules():
    layers = nn.ModuleList([Add(1), Add(1), nn.Sequential(Add(2)), Add(1), Add(3), Add(3), Add(3)])
    assert repr(layers) == (
        "ModuleList(\n"
        "  (0-1): 2 x Add(1)\n"
        "  (2): Sequential(\n"
        "    (0): Add(2)\n"
        "  )\n"
        "  (3): Add(1)\n"
        "  (4-6): 3 x Add(3)\n"
        ")"
    )
    assert repr(nn.ModuleList()) == "ModuleList()"
    assert repr(nn.ModuleDict({"a": Add(1)})) == "ModuleDict(\n  (a): Add(1)\n)"
