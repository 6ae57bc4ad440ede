"""Agreement with torch on containers: names, order, text, state dicts, gradients of composed models."""

from collections import OrderedDict

import numpy as np
import pytest

import convnative as cn
from convnative import functional as F
from convnative import nn

torch = pytest.importorskip("torch", reason="torch is not installed: agreement with it is not checked")


def layers(library, count=5):
    return [library.Linear(index + 1, index + 2, bias=index % 2 == 0) for index in range(count)]


def describe(container):
    """Names and sizes of everything in a container."""
    return [
        (name, module.in_features)
        for name, module in container.named_modules(remove_duplicate=False)
        if hasattr(module, "in_features")
    ]


def sequential(library):
    return library.Sequential(*layers(library))


def named(library):
    return library.Sequential(OrderedDict(zip("abcde", layers(library), strict=True)))


def module_list(library):
    return library.ModuleList(layers(library))


def on_torch_and_here(function):
    return function(nn), function(torch.nn)


def delete(container, index):
    del container[index]
    return container


CHANGES = {
    "slice": lambda c, _: c[1:4],
    "steps": lambda c, _: c[::2],
    "append": lambda c, library: c.append(library.Linear(9, 9)),
    "extend": lambda c, library: c.extend(layers(library, 2)),
    "delete": lambda c, _: delete(c, 1),
    "delete from the end": lambda c, _: delete(c, -2),
    "delete slice": lambda c, _: delete(c, slice(1, 4, 2)),
    "pop": lambda c, _: (c.pop(2), c)[1],
    "insert": lambda c, library: (c.insert(2, library.Linear(9, 9)), c)[1],
    "set": lambda c, library: (c.__setitem__(-1, library.Linear(9, 9)), c)[1],
    "plus": lambda c, _: c + c,
}


# With names of their own, torch's insert raises KeyError; here it numbers all modules anew, as del does.
CASES = [(make, change) for make in (sequential, named, module_list) for change in CHANGES]
CASES.remove((named, "insert"))


@pytest.mark.parametrize(("make", "change"), CASES)
def test_changes(make, change):
    ours, theirs = on_torch_and_here(lambda library: CHANGES[change](make(library), library))
    assert describe(ours) == describe(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert repr(ours) == repr(theirs)


def test_repeated():
    ours, theirs = on_torch_and_here(lambda library: sequential(library)[:2] * 3)
    assert describe(ours) == describe(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]


def test_module_list_and_dict_text():
    def make(library):
        return library.ModuleDict(
            {
                "blocks": library.ModuleList(library.Sequential(library.ReLU()) for _ in range(3)),
                "head": library.Linear(3, 2),
                "none": library.ModuleList(),
            }
        )

    ours, theirs = on_torch_and_here(make)
    assert repr(ours) == repr(theirs)
    assert list(ours) == list(theirs)
    assert [n for n, _ in ours.named_modules()] == [n for n, _ in theirs.named_modules()]


class Shared:
    """The same user-defined module in both libraries."""

    @staticmethod
    def build(library):
        class Net(library.Module):
            def __init__(self):
                super().__init__()
                self.stem = library.Conv2d(2, 3, 3, padding=1)
                self.blocks = library.ModuleList(library.Conv2d(3, 3, 3, padding=1) for _ in range(2))
                self.blocks.append(self.blocks[0])
                self.act = library.ReLU()
                self.heads = library.ModuleDict({"a": library.Linear(12, 4), "b": library.Linear(12, 4)})
                self.heads["b"].weight = self.heads["a"].weight

            def forward(self, x):
                x = self.stem(x)
                for block in self.blocks:
                    x = x + self.act(block(x))
                x = x.reshape(len(x), -1)
                return self.heads["a"](x) * self.heads["b"](x)

        return Net()


def test_a_user_defined_module_with_shared_parts():
    ours, theirs = on_torch_and_here(Shared.build)
    theirs = theirs.double()
    ours.double().load_state_dict({name: value.numpy() for name, value in theirs.state_dict().items()})
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]
    assert [n for n, _ in ours.named_parameters(remove_duplicate=False)] == [
        n for n, _ in theirs.named_parameters(remove_duplicate=False)
    ]
    assert [n for n, _ in ours.named_children()] == [n for n, _ in theirs.named_children()]
    assert [n for n, _ in ours.named_modules(remove_duplicate=False)] == [
        n for n, _ in theirs.named_modules(remove_duplicate=False)
    ]
    ours.blocks[1].requires_grad_(False)
    theirs.blocks[1].requires_grad_(False)
    x, target = np.random.default_rng(0).standard_normal((5, 2, 2, 2)), np.array([0, 1, 2, 3, 0])
    value, grads = cn.value_and_grad(lambda m: F.cross_entropy(m(x), target), ours)
    expected = torch.nn.functional.cross_entropy(theirs(torch.from_numpy(x)), torch.from_numpy(target))
    expected.backward()
    assert value == pytest.approx(expected.item(), rel=1e-12)
    with_gradient = {name: p.grad.numpy() for name, p in theirs.named_parameters() if p.requires_grad}
    assert list(grads) == list(with_gradient)
    for name, gradient in with_gradient.items():
        np.testing.assert_allclose(grads[name], gradient, rtol=1e-10, atol=1e-13)
