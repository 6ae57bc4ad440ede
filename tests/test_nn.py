"""Modules: registration, traversal, state, text, copies; and the layers' arguments."""

import copy
import pickle
from collections import OrderedDict

import numpy as np
import pytest

import convnative as cn
from convnative import functional as F
from convnative import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3, rng=0)
        self.body = nn.Sequential(nn.ReLU(), nn.Dropout(0.5))
        self.scale = nn.Parameter(np.ones(2, np.float32))
        self.register_buffer("seen", np.zeros((), np.int64))
        self.register_buffer("cache", np.zeros(3), persistent=False)

    def forward(self, x):
        return self.body(self.conv(x)) * self.scale[:, None, None]


def test_registration_and_names():
    net = Net()
    assert [name for name, _ in net.named_parameters()] == ["scale", "conv.weight", "conv.bias"]
    assert [name for name, _ in net.named_buffers()] == ["seen", "cache"]
    assert [name for name, _ in net.named_children()] == ["conv", "body"]
    assert [name for name, _ in net.named_modules()] == ["", "conv", "body", "body.0", "body.1"]
    assert list(net.state_dict()) == ["scale", "seen", "conv.weight", "conv.bias"]
    assert type(net.scale) is np.ndarray
    assert len(list(net.parameters())) == 3
    assert len(list(net.buffers())) == 2
    assert len(list(net.modules())) == 5
    assert {"conv", "scale", "seen", "forward"} <= set(dir(net))


def test_assignment_replaces_and_moves_between_kinds():
    net = Net()
    net.scale = np.zeros(2, np.float32)
    assert "scale" in dict(net.named_parameters())
    net.scale = nn.ReLU()
    assert "scale" not in dict(net.named_parameters())
    assert "scale" in dict(net.named_children())
    net.seen = np.int64(4)
    assert net.state_dict()["seen"] == 4
    net.plain = 3
    net.plain = nn.Parameter(np.ones(1))
    assert "plain" in net.state_dict()
    del net.plain
    assert not hasattr(net, "plain")
    with pytest.raises(AttributeError, match="plain"):
        del net.plain


def test_parameters_can_be_updated_in_place_whatever_they_were_made_from():
    read_only = np.arange(6, dtype=np.float32).reshape(2, 3)
    read_only.flags.writeable = False
    for data in (read_only, read_only.T, read_only.astype(">f4")):
        parameter = nn.Parameter(data).data
        assert parameter.flags.writeable
        assert parameter.flags.c_contiguous
        assert parameter.dtype.isnative
        np.testing.assert_array_equal(parameter, data)
    own = np.ones(3)
    assert nn.Parameter(own).data is own


def test_wrong_assignments():
    net = Net()
    with pytest.raises(TypeError, match=r"^scale: "):
        net.scale = [1.0, 2.0]
    with pytest.raises(TypeError, match=r"^scale: .*int64"):
        net.scale = np.arange(2)
    with pytest.raises(TypeError, match=r"^conv: "):
        net.conv = 3
    with pytest.raises(TypeError, match=r"^seen: "):
        net.seen = "text"
    with pytest.raises(TypeError, match=r"^data: "):
        nn.Parameter([1.0])
    with pytest.raises(ValueError, match=r"^name: "):
        net.register_parameter("a.b", np.ones(1))
    with pytest.raises(ValueError, match=r"^name: .*forward"):
        net.register_buffer("forward", np.ones(1))
    with pytest.raises(TypeError, match=r"^module: "):
        net.add_module("x", 3)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = net.nothing

    class Forgetful(nn.Module):
        def __init__(self):
            self.layer = nn.ReLU()

    with pytest.raises(AttributeError, match=r"super\(\).__init__\(\)"):
        Forgetful()
    with pytest.raises(NotImplementedError, match="Module"):
        nn.Module()(1)


def test_train_and_eval_reach_every_module():
    net = Net()
    assert net.eval() is net
    assert not any(module.training for module in net.modules())
    net.train()
    assert all(module.training for module in net.modules())
    x = np.ones((1, 1, 5, 5), np.float32)
    assert (net(x) != net(x)).any()
    net.eval()
    np.testing.assert_array_equal(net(x), net(x))
    with pytest.raises(TypeError, match=r"^mode: "):
        net.train("yes")


def test_apply_reaches_every_module_children_first():
    order = []
    net = Net()
    assert net.apply(lambda module: order.append(type(module).__name__)) is net
    assert order == ["Conv2d", "ReLU", "Dropout", "Sequential", "Net"]


@pytest.mark.parametrize(
    "clone", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"]
)
def test_copies_are_equal_and_independent(clone):
    net = Net()
    net.tied = nn.Conv2d(1, 2, 3)
    net.tied.weight = net.conv.weight
    other = clone(net.eval())
    assert repr(other) == repr(net)
    assert not other.training
    assert list(other.state_dict()) == list(net.state_dict())
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(other.state_dict()[name], array)
        assert not np.shares_memory(other.state_dict()[name], array)
    assert other.tied.weight is other.conv.weight
    x = np.ones((1, 1, 5, 5), np.float32)
    np.testing.assert_array_equal(net(x), other(x))
    copy.copy(net).extra = 3
    assert not hasattr(net, "extra")


# -- state_dict ---------------------------------------------------------------------------------


def test_load_state_dict_copies_into_the_arrays():
    one, other = Net(), Net()
    other.scale[...] = 5
    other.seen = np.asarray(7)
    weight = one.conv.weight
    keys = one.load_state_dict(other.state_dict())
    assert keys == ([], [])
    assert one.conv.weight is weight
    np.testing.assert_array_equal(weight, other.conv.weight)
    assert one.seen == 7
    assert not np.shares_memory(one.scale, other.scale)


def test_load_state_dict_strict_lists_everything_and_changes_nothing():
    net = Net()
    before = copy.deepcopy(net.state_dict())
    state = copy.deepcopy(before)
    for array in state.values():
        array += 1
    state["conv.weight"] = np.zeros((1, 1, 3, 3), np.float32)
    state["extra"] = state.pop("scale")
    with pytest.raises(ValueError, match=r"^state_dict: ") as caught:
        net.load_state_dict(state)
    for part in ("missing 'scale'", "unexpected 'extra'", "'conv.weight': expected shape (2, 1, 3, 3)"):
        assert part in str(caught.value)
    with pytest.raises(ValueError, match=r"conv.weight"):
        net.load_state_dict(state, strict=False)
    state["conv.weight"] = np.zeros((2, 1, 3, 3))
    with pytest.raises(TypeError, match=r"conv.weight.*float32.*float64"):
        net.load_state_dict(state, strict=False)
    state["conv.weight"] = [1.0]
    with pytest.raises(TypeError, match=r"conv.weight.*list"):
        net.load_state_dict(state, strict=False)
    with pytest.raises(TypeError, match=r"^state_dict: "):
        net.load_state_dict([1, 2])
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_load_state_dict_not_strict_takes_what_fits():
    net = Net()
    keys = net.load_state_dict({"scale": np.full(2, 3, np.float32), "other": np.ones(1)}, strict=False)
    assert keys.missing_keys == ["seen", "conv.weight", "conv.bias"]
    assert keys.unexpected_keys == ["other"]
    np.testing.assert_array_equal(net.scale, 3)


def test_shared_array_appears_under_each_name_in_the_state():
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    model[1].weight = model[0].weight
    assert list(model.state_dict()) == ["0.weight", "1.weight"]
    model.load_state_dict({name: np.full((2, 2), 4, np.float32) for name in model.state_dict()})
    assert model[0].weight is model[1].weight


# -- Sequential ---------------------------------------------------------------------------------


def test_sequential_is_a_sequence():
    layers = [nn.ReLU(), nn.Flatten(), nn.Dropout()]
    model = nn.Sequential(*layers)
    assert len(model) == 3
    assert list(model) == layers
    assert model[0] is layers[0]
    assert model[-1] is layers[2]
    part = model[1:]
    assert isinstance(part, nn.Sequential)
    assert list(part) == layers[1:]
    assert list(dict(part.append(nn.ReLU()).named_children())) == ["1", "2", "3"]
    assert model.append(nn.ReLU()) is model
    assert len(model) == 4
    model[1] = nn.Softmax(1)
    assert isinstance(model[1], nn.Softmax)
    with pytest.raises(IndexError, match=r"^index: "):
        _ = model[4]
    with pytest.raises(TypeError, match=r"^module: "):
        model[0] = 3
    with pytest.raises(TypeError, match=r"^modules: "):
        nn.Sequential(nn.ReLU(), F.relu)
    assert nn.Sequential()(3) == 3


def test_sequential_of_named_modules():
    model = nn.Sequential(OrderedDict(first=nn.Linear(2, 3), second=nn.ReLU()))
    assert list(model.state_dict()) == ["first.weight", "first.bias"]
    assert model.first is model[0]


# -- layers -------------------------------------------------------------------------------------


def test_parameter_shapes_dtypes_and_initial_values():
    conv = nn.Conv2d(4, 6, (3, 5), groups=2, rng=0)
    assert conv.weight.shape == (6, 2, 3, 5)
    assert conv.bias.shape == (6,)
    assert conv.weight.dtype == np.float32
    bound = 1 / np.sqrt(2 * 3 * 5)
    assert 0.9 * bound < np.abs(conv.weight).max() <= bound
    assert np.abs(conv.bias).max() <= bound
    linear = nn.Linear(100, 50, dtype=np.float64, rng=0)
    assert linear.weight.shape == (50, 100)
    assert linear.bias.dtype == np.float64
    assert 0.09 < np.abs(linear.weight).max() <= 0.1
    assert nn.Conv2d(1, 1, 1, bias=False).bias is None
    assert list(nn.Linear(2, 2, bias=False).state_dict()) == ["weight"]


def test_layers_are_reproducible():
    for make in (lambda **o: nn.Conv2d(1, 2, 3, **o), lambda **o: nn.Linear(3, 2, **o)):
        np.testing.assert_array_equal(make(rng=5).weight, make(rng=5).weight)
        assert (make(rng=5).weight != make(rng=6).weight).any()
        cn.manual_seed(3)
        first = make().weight
        cn.manual_seed(3)
        np.testing.assert_array_equal(make().weight, first)


def test_layers_call_their_functions():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 4, 6, 7)).astype(np.float32)
    for padding in (1, (0, 2), "same", "valid", [(1, 0), (0, 2)]):
        conv = nn.Conv2d(4, 2, 3, stride=2, padding=padding, dilation=2, groups=2)
        expected = F.conv2d(x, conv.weight, conv.bias, 2, padding, 2, 2)
        np.testing.assert_array_equal(conv(x), expected)
        np.testing.assert_array_equal(conv(x[0]), expected[0])
    pool = nn.MaxPool2d(3, 2, 1, 1, ceil_mode=True)
    np.testing.assert_array_equal(pool(x), F.max_pool2d(x, 3, 2, 1, 1, True))
    pool = nn.AvgPool2d(3, 2, 1, True, False, 7)
    np.testing.assert_array_equal(pool(x), F.avg_pool2d(x, 3, 2, 1, True, False, 7))
    np.testing.assert_array_equal(nn.Softmax(1)(x), F.softmax(x, 1))
    assert nn.Flatten()(x).shape == (2, 168)
    assert nn.Flatten(0, 1)(x).shape == (8, 6, 7)
    dropout = nn.Dropout(0.5, rng=1)
    assert (dropout(x) != dropout(x)).any()
    assert dropout.eval()(x) is x


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (lambda: nn.Conv2d(1, 2, 3), "Conv2d(1, 2, kernel_size=(3, 3), stride=(1, 1))"),
        (
            lambda: nn.Conv2d(2, 4, (3, 2), 2, (1, 0), 2, 2, False),
            "Conv2d(2, 4, kernel_size=(3, 2), stride=(2, 2), padding=(1, 0), dilation=(2, 2), "
            "groups=2, bias=False)",
        ),
        (
            lambda: nn.Conv2d(1, 2, 3, padding="same"),
            "Conv2d(1, 2, kernel_size=(3, 3), stride=(1, 1), padding=same)",
        ),
        (
            lambda: nn.Conv2d(1, 2, 3, padding=[(0, 1), (2, 2)]),
            "Conv2d(1, 2, kernel_size=(3, 3), stride=(1, 1), padding=((0, 1), (2, 2)))",
        ),
        (
            lambda: nn.MaxPool2d(2),
            "MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)",
        ),
        (lambda: nn.AvgPool2d((2, 3), 1), "AvgPool2d(kernel_size=(2, 3), stride=1, padding=0)"),
        (lambda: nn.Linear(2, 3), "Linear(in_features=2, out_features=3, bias=True)"),
        (lambda: nn.Flatten(), "Flatten(start_dim=1, end_dim=-1)"),
        (lambda: nn.Dropout(), "Dropout(p=0.5)"),
        (lambda: nn.ReLU(), "ReLU()"),
        (lambda: nn.Softmax(1), "Softmax(dim=1)"),
        (lambda: nn.Sequential(), "Sequential()"),
    ],
)
def test_repr(layer, text):
    assert repr(layer()) == text


def test_repr_of_nested_modules():
    assert repr(Net()) == (
        "Net(\n"
        "  (conv): Conv2d(1, 2, kernel_size=(3, 3), stride=(1, 1))\n"
        "  (body): Sequential(\n"
        "    (0): ReLU()\n"
        "    (1): Dropout(p=0.5)\n"
        "  )\n"
        ")"
    )


@pytest.mark.parametrize(
    ("make", "kind", "name"),
    [
        (lambda: nn.Conv2d(0, 1, 3), ValueError, "in_channels"),
        (lambda: nn.Conv2d(1, 1.5, 3), TypeError, "out_channels"),
        (lambda: nn.Conv2d(1, 1, 0), ValueError, "kernel_size"),
        (lambda: nn.Conv2d(1, 1, (3, 3, 3)), ValueError, "kernel_size"),
        (lambda: nn.Conv2d(1, 1, 3, stride=-1), ValueError, "stride"),
        (lambda: nn.Conv2d(1, 1, 3, padding=-1), ValueError, "padding"),
        (lambda: nn.Conv2d(1, 1, 3, padding="full"), ValueError, "padding"),
        (lambda: nn.Conv2d(1, 1, 3, dilation=0), ValueError, "dilation"),
        (lambda: nn.Conv2d(3, 4, 3, groups=2), ValueError, "groups"),
        (lambda: nn.Conv2d(4, 3, 3, groups=2), ValueError, "groups"),
        (lambda: nn.Conv2d(1, 1, 3, padding_mode="mirror"), ValueError, "padding_mode"),
        (lambda: nn.Conv2d(1, 1, 3, dtype=np.float16), TypeError, "dtype"),
        (lambda: nn.Conv2d(1, 1, 3, rng="seed"), TypeError, "rng"),
        (lambda: nn.MaxPool2d(0), ValueError, "kernel_size"),
        (lambda: nn.MaxPool2d(2, 0), ValueError, "stride"),
        (lambda: nn.MaxPool2d(2, dilation=0), ValueError, "dilation"),
        (lambda: nn.MaxPool2d(2, padding=(1, 1, 1)), ValueError, "padding"),
        (lambda: nn.AvgPool2d(2, padding="full"), ValueError, "padding"),
        (lambda: nn.Linear(2, 0), ValueError, "out_features"),
        (lambda: nn.Linear(2, 2, dtype="int8"), TypeError, "dtype"),
        (lambda: nn.Dropout(-0.1), ValueError, "p"),
        (lambda: nn.Softmax("1"), TypeError, "dim"),
    ],
)
def test_errors_name_the_argument(make, kind, name):
    with pytest.raises(kind, match=rf"^{name}: "):
        make()
