"""Embedding, its gradients and the layer; one_hot."""

import pickle

import numpy as np
import pytest
from autograd import grad
from autograd.test_util import check_grads
from hypothesis import given
from hypothesis import strategies as st

import convnative as cn
import reference
from arrays import assert_exact, assert_same_bits, generator, small_integers
from convnative import _core, nn
from convnative import functional as F

rng = np.random.default_rng(5)


def indices_for(rows, shape, key=0):
    """Indices of which about half name one row."""
    g = generator(rows, shape, key)
    return np.where(g.random(shape) < 0.5, rows // 2, g.integers(0, rows, shape))


# -- the core -----------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(), (0,), (1,), (7,), (3, 0, 2), (4, 5), (2, 3, 4), (3000,)], ids=str)
@pytest.mark.parametrize(("rows", "width"), [(1, 1), (5, 3), (11, 64), (11, 67), (7, 200), (700, 2), (4, 0)])
def test_gather_and_scatter_are_exact(rows, width, shape, dtype):
    index = indices_for(rows, shape)
    table = small_integers(generator(rows, width), (rows, width))
    g = small_integers(generator(rows, width, "g"), (*shape, width), 8)
    assert_exact(_core.embedding_forward(index, table.astype(dtype)), table[index], dtype)
    for padding_idx in (None, rows // 2):
        expected = reference.embedding_grad(index, g, table.shape, padding_idx)
        actual = _core.embedding_grad(index, g.astype(dtype), table.shape, padding_idx, False)
        assert_exact(actual, expected, dtype, padding_idx)
        for scaled in (False, True):
            gradient = _core.embedding_grad(index, g.astype(dtype), table.shape, padding_idx, scaled)
            wanted = reference.embedding_grad(index, g.astype(np.float64), table.shape, padding_idx, scaled)
            np.testing.assert_allclose(gradient, wanted.astype(np.float64), rtol=1e-6, atol=1e-12)
            adjoint = _core.embedding_grad_adjoint(index, table.astype(dtype), padding_idx, scaled)
            np.testing.assert_allclose(
                (adjoint.astype(np.float64) * g).sum(), (gradient * table).sum(), rtol=1e-5, atol=1e-3
            )


@given(st.integers(1, 60), st.integers(0, 80), st.integers(0, 200), st.booleans())
def test_drawn_sizes(rows, width, size, with_padding):
    index = indices_for(rows, (size,))
    g = small_integers(generator(size, width), (size, width))
    padding_idx = rows - 1 if with_padding else None
    expected = reference.embedding_grad(index, g, (rows, width), padding_idx)
    actual = _core.embedding_grad(index, g.astype(np.float32), (rows, width), padding_idx, False)
    assert_exact(actual, expected, np.float32)


@pytest.mark.parametrize("integer", [np.int8, np.uint8, np.int32, np.uint32, np.int64, np.uint64, ">i4"])
def test_indices_of_every_type(integer, dtype):
    table = rng.standard_normal((5, 3)).astype(dtype)
    index = np.array([[4, 0], [2, 2]])
    assert_same_bits(F.embedding(index.astype(integer), table), table[index])
    assert_same_bits(F.embedding(np.asfortranarray(index), table), table[index])
    assert_same_bits(F.embedding(index[0, 0], table), table[4])


def test_same_bits_however_it_runs(dtype, layouts):
    index = indices_for(500, (40, 90))
    g = rng.standard_normal((40, 90, 67)).astype(dtype)
    table = rng.standard_normal((500, 67)).astype(dtype)
    for scaled in (False, True):
        gradient = _core.embedding_grad(index, g, table.shape, 3, scaled)
        adjoint = _core.embedding_grad_adjoint(index, table, 3, scaled)
        for threads in (1, 2, 3, 7):
            _core.set_num_threads(threads)
            assert_same_bits(_core.embedding_grad(index, g, table.shape, 3, scaled), gradient, threads)
            assert_same_bits(_core.embedding_grad_adjoint(index, table, 3, scaled), adjoint, threads)
            assert_same_bits(_core.embedding_forward(index, table), table[index], threads)
    for name, variant in layouts(g):
        assert_same_bits(_core.embedding_grad(index, variant, table.shape, 3, True), gradient, name)
    for name, variant in layouts(table):
        assert_same_bits(_core.embedding_forward(index, variant), table[index], name)


def test_sums_of_many_float32_gradients_are_accurate(threads):
    g = np.full((1_000_000, 1), 0.1, np.float32)
    gradient = _core.embedding_grad(np.zeros(len(g), np.int64), g, (2, 1), None, False)
    assert gradient[0, 0] == np.float32(np.float64(np.float32(0.1)) * len(g))


# -- derivatives --------------------------------------------------------------------------------


@pytest.mark.parametrize("padding_idx", [None, 1, -1])
@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("shape", [(), (4,), (2, 3)], ids=str)
def test_derivatives(shape, scaled, padding_idx):
    index, table = indices_for(4, shape), rng.standard_normal((4, 3))
    if padding_idx is None and not scaled:
        check_grads(lambda w: F.embedding(index, w), modes=["fwd", "rev"], order=2)(table)
    # Otherwise the gradient is not the derivative; it is itself linear, and its derivative exact.
    scale = rng.standard_normal((*shape, 3))

    def gradient(s):
        return grad(lambda w: (F.embedding(index, w, padding_idx, None, 2.0, scaled) * s).sum())(table)

    check_grads(gradient, modes=["fwd", "rev"], order=2)(scale)


def test_gradient_by_hand():
    table = np.arange(6.0).reshape(3, 2)
    index, scale = np.array([2, 0, 2]), np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])

    def gradient(**options):
        return grad(lambda w: (F.embedding(index, w, **options) * scale).sum())(table).tolist()

    assert gradient() == [[3, 4], [0, 0], [6, 8]]
    assert gradient(padding_idx=2) == [[3, 4], [0, 0], [0, 0]]
    assert gradient(padding_idx=-3) == [[0, 0], [0, 0], [6, 8]]
    assert gradient(scale_grad_by_freq=True) == [[3, 4], [0, 0], [3, 4]]


def test_gradients_keep_the_dtype():
    table = rng.standard_normal((4, 3)).astype(np.float32)
    gradient = grad(lambda w: (F.embedding(np.array([1, 2]), w) * np.float64(np.pi)).sum())(table)
    assert gradient.dtype == np.float32


# -- max_norm -----------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [0.5, 1, 2, 3.5, np.inf, 0])
def test_max_norm_scales_the_rows_that_are_looked_up(order, dtype, threads):
    table = (rng.standard_normal((40, 5)) * 3).astype(dtype)
    before, index = table.copy(), indices_for(20, (100,))
    norms = np.array([np.linalg.norm(row.astype(np.float64), order) for row in before])
    scale = np.where((norms > 2) & np.isin(np.arange(40), index), 2 / (norms + 1e-7), 1)
    result = F.embedding(index, table, max_norm=2, norm_type=order)
    tolerance = 1e-6 if dtype == np.float32 else 1e-14
    np.testing.assert_allclose(table, before * scale[:, None], rtol=tolerance)
    assert_same_bits(table[20:], before[20:])
    assert_same_bits(result, table[index])


def test_max_norm_under_autograd():
    table = np.array([[3.0, 4.0], [6.0, 8.0]])
    gradient = grad(lambda w: F.embedding(np.array([0]), w, max_norm=1.0).sum())(table)
    np.testing.assert_allclose(table, [[0.6, 0.8], [6.0, 8.0]], atol=1e-6)
    np.testing.assert_array_equal(gradient, [[1, 1], [0, 0]])
    with pytest.raises(TypeError, match=r"^weight: .*max_norm.*computed"):
        grad(lambda w: F.embedding(np.array([0]), 2 * w, max_norm=1.0).sum())(table)


def test_max_norm_changes_nothing_where_it_cannot():
    table = np.full((2, 2), 5.0)
    frozen, reversed_ = table.copy(), table[::-1]
    frozen.flags.writeable = False
    for bad in (frozen, reversed_, table.astype(">f8")):
        with pytest.raises(ValueError, match=r"^weight: .*in place"):
            F.embedding(np.array([0]), bad, max_norm=1.0)
    with pytest.raises(IndexError, match=r"^input: "):
        F.embedding(np.array([0, 2]), table, max_norm=1.0)
    np.testing.assert_array_equal(table, 5)


# -- the layer ----------------------------------------------------------------------------------


def test_layer():
    layer = nn.Embedding(10, 4, padding_idx=-2, rng=0)
    assert layer.padding_idx == 8
    assert layer.weight.dtype == np.float32
    assert not layer.weight[8].any()
    assert layer.weight[[0, 9]].all()
    assert repr(layer) == "Embedding(10, 4, padding_idx=8)"
    assert repr(nn.Embedding(4, 3, 1, 2.0, 1.0, True)) == (
        "Embedding(4, 3, padding_idx=1, max_norm=2.0, norm_type=1.0, scale_grad_by_freq=True)"
    )
    index = np.array([[1, 8], [8, 9]], np.int32)
    np.testing.assert_array_equal(layer(index), layer.weight[index])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(layer))(index), layer(index))
    _, grads = cn.value_and_grad(lambda m: m(index).sum(), layer)
    assert grads["weight"].sum(axis=1).tolist() == [0, 4, 0, 0, 0, 0, 0, 0, 0, 4]


def test_initial_values_are_standard_normal():
    weight = nn.Embedding(500, 100, rng=1).weight
    assert abs(weight.mean()) < 0.02
    assert abs(weight.std() - 1) < 0.02
    np.testing.assert_array_equal(weight, nn.Embedding(500, 100, rng=1).weight)


def test_from_pretrained():
    table = np.arange(6.0).reshape(3, 2)
    frozen = nn.Embedding.from_pretrained(table)
    assert frozen.weight is table
    assert list(frozen.parameters()) == []
    assert list(frozen.state_dict()) == ["weight"]
    trained = nn.Embedding.from_pretrained(table, freeze=False, padding_idx=-1, max_norm=100)
    assert [name for name, _ in trained.named_parameters()] == ["weight"]
    assert repr(trained) == "Embedding(3, 2, padding_idx=2, max_norm=100)"
    assert (trained.num_embeddings, trained.embedding_dim) == (3, 2)


def test_max_norm_of_the_layer_changes_its_parameter_while_training():
    layer = nn.Embedding(4, 3, max_norm=0.5, rng=2)
    weight, before = layer.weight, layer.weight.copy()
    cn.value_and_grad(lambda m: m(np.array([1, 1, 2])).sum(), layer)
    assert layer.weight is weight
    np.testing.assert_array_equal(weight[[0, 3]], before[[0, 3]])
    np.testing.assert_allclose(np.linalg.norm(weight[[1, 2]], axis=1), 0.5, rtol=1e-5)


def test_a_network_with_an_embedding_trains():
    class Classifier(nn.Module):
        def __init__(self):
            super().__init__()
            self.words = nn.Embedding(6, 4, padding_idx=0, rng=0)
            self.head = nn.Linear(4, 2, rng=1)

        def forward(self, x):
            return self.head(self.words(x).mean(axis=1))

    model = Classifier()
    x, t = np.array([[1, 2, 0], [3, 4, 0], [1, 5, 2], [4, 3, 3]]), np.array([0, 1, 0, 1])
    optimizer = cn.optim.SGD(model, 0.5)
    for _ in range(50):
        loss, grads = cn.value_and_grad(lambda m: F.cross_entropy(m(x), t), model)
        optimizer.step(grads)
    assert loss < 0.05
    assert not model.words.weight[0].any()


def test_summary():
    model = nn.Sequential(nn.Embedding(10, 4), nn.Flatten(), nn.Linear(12, 2))
    table = cn.summary(model, (5, 3))
    assert table.layers[0].output_shape == (5, 3, 4)
    assert table.layers[0].weights == 40
    assert table.output_shape == (5, 2)
    assert cn.count_parameters(nn.Embedding.from_pretrained(np.ones((3, 2)))).total == 0


# -- one_hot ------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 9), max_size=6), st.sampled_from([10, 12]))
def test_one_hot(classes, num_classes):
    t = np.array(classes, np.int64)
    expected = (t[:, None] == np.arange(num_classes)).astype(np.int64)
    np.testing.assert_array_equal(F.one_hot(t, num_classes), expected, strict=True)
    if classes:
        np.testing.assert_array_equal(F.one_hot(t), expected[:, : max(classes) + 1], strict=True)


def test_one_hot_of_every_shape():
    assert F.one_hot(np.int64(2)).tolist() == [0, 0, 1]
    assert F.one_hot(np.array(1), 3).tolist() == [0, 1, 0]
    assert F.one_hot(np.zeros((2, 0), int), 3).shape == (2, 0, 3)
    assert F.one_hot(np.array([[1], [0]], np.uint8)).tolist() == [[[0, 1]], [[1, 0]]]


# -- errors -------------------------------------------------------------------------------------

TABLE = np.ones((4, 3))
ZERO = np.array([0])
ERRORS = {
    "list": (lambda: F.embedding([0], TABLE), TypeError, "input"),
    "int": (lambda: F.embedding(0, TABLE), TypeError, "input"),
    "floats": (lambda: F.embedding(np.array([0.0]), TABLE), TypeError, "input"),
    "bools": (lambda: F.embedding(np.array([True]), TABLE), TypeError, "input"),
    "masked": (lambda: F.embedding(np.ma.array([0]), TABLE), TypeError, "input"),
    "beyond": (lambda: F.embedding(np.array([4]), TABLE), IndexError, "input"),
    "negative": (lambda: F.embedding(np.array([-1]), TABLE), IndexError, "input"),
    "uint64": (lambda: F.embedding(np.array([2**63], np.uint64), TABLE), IndexError, "input"),
    "no rows": (lambda: F.embedding(ZERO, np.ones((0, 3))), IndexError, "input"),
    "weight list": (lambda: F.embedding(ZERO, [[1.0]]), TypeError, "weight"),
    "weight integers": (lambda: F.embedding(ZERO, np.ones((4, 3), int)), TypeError, "weight"),
    "weight rank": (lambda: F.embedding(ZERO, np.ones(3)), ValueError, "weight"),
    "weight rank 3": (lambda: F.embedding(ZERO, np.ones((3, 3, 3))), ValueError, "weight"),
    "padding": (lambda: F.embedding(ZERO, TABLE, 4), ValueError, "padding_idx"),
    "padding negative": (lambda: F.embedding(ZERO, TABLE, -5), ValueError, "padding_idx"),
    "padding float": (lambda: F.embedding(ZERO, TABLE, 1.0), TypeError, "padding_idx"),
    "max_norm": (lambda: F.embedding(ZERO, TABLE, max_norm=-1), ValueError, "max_norm"),
    "max_norm NaN": (lambda: F.embedding(ZERO, TABLE, max_norm=np.nan), ValueError, "max_norm"),
    "max_norm str": (lambda: F.embedding(ZERO, TABLE, max_norm="1"), TypeError, "max_norm"),
    "norm_type": (lambda: F.embedding(ZERO, TABLE, max_norm=1, norm_type="2"), TypeError, "norm_type"),
    "norm_type NaN": (lambda: F.embedding(ZERO, TABLE, None, 1, np.nan), ValueError, "norm_type"),
    "scale": (lambda: F.embedding(ZERO, TABLE, scale_grad_by_freq=1), TypeError, "scale_grad_by_freq"),
    "layer size": (lambda: nn.Embedding(-1, 3), ValueError, "num_embeddings"),
    "layer dim": (lambda: nn.Embedding(3, 2.0), TypeError, "embedding_dim"),
    "layer padding": (lambda: nn.Embedding(3, 2, 3), ValueError, "padding_idx"),
    "layer padding negative": (lambda: nn.Embedding(3, 2, -4), ValueError, "padding_idx"),
    "pretrained rank": (lambda: nn.Embedding.from_pretrained(np.ones(3)), ValueError, "embeddings"),
    "pretrained": (lambda: nn.Embedding.from_pretrained(np.ones((3, 2), int)), TypeError, "embeddings"),
    "one_hot list": (lambda: F.one_hot([1]), TypeError, "tensor"),
    "one_hot floats": (lambda: F.one_hot(np.array([1.0])), TypeError, "tensor"),
    "one_hot negative": (lambda: F.one_hot(np.array([-1])), IndexError, "tensor"),
    "one_hot beyond": (lambda: F.one_hot(np.array([0, 2]), 2), IndexError, "tensor"),
    "one_hot none": (lambda: F.one_hot(np.zeros(0, int)), ValueError, "num_classes"),
    "one_hot zero": (lambda: F.one_hot(np.zeros(0, int), 0), ValueError, "num_classes"),
    "one_hot below": (lambda: F.one_hot(np.array([0]), -2), ValueError, "num_classes"),
}  # fmt: skip


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name):
    call, kind, argument = ERRORS[name]
    with pytest.raises(kind, match=rf"^{argument}: .*expected .*received"):
        call()
