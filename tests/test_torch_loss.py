"""Agreement with torch on losses, linear and embedding, over shapes and settings that Hypothesis draws."""

import itertools

import numpy as np
import pytest
from autograd import grad
from hypothesis import given, settings
from hypothesis import strategies as st

from arrays import generator
from convnative import functional as F
from convnative import nn

torch = pytest.importorskip("torch", reason="torch is not installed: agreement with it is not checked")
TF = torch.nn.functional

pytestmark = pytest.mark.filterwarnings(
    "ignore:reduction:UserWarning",  # torch's, of the mean of kl_div
    "ignore:Output seems independent of input:UserWarning",  # autograd's, of second derivatives that are 0
)

TOLERANCE = {np.float32: {"rtol": 2e-5, "atol": 2e-6}, np.float64: {"rtol": 1e-10, "atol": 1e-12}}
shapes = st.lists(st.integers(0, 4), max_size=4).map(tuple)
dtypes = st.sampled_from([np.float32, np.float64])
reductions = st.sampled_from(["none", "mean", "sum"])
seeds = st.integers(0, 2**32 - 1)


def to_torch(value):
    return torch.from_numpy(np.array(value)) if isinstance(value, (np.ndarray, np.generic)) else value


def compare(ours, theirs, *arrays, gradients=None, order=1, **tolerance):
    """The loss, its gradients, and with order 2 the gradients of a function of the gradients."""
    dtype = arrays[0].dtype.type
    tolerance = {**TOLERANCE[dtype], **tolerance}
    gradients = range(len(arrays)) if gradients is None else gradients
    tensors = [to_torch(a).requires_grad_(i in gradients) for i, a in enumerate(arrays)]
    expected = theirs(*tensors)
    actual = ours(*arrays)
    assert actual.dtype == dtype
    assert np.shape(actual) == tuple(expected.shape)
    np.testing.assert_allclose(actual, expected.detach().numpy(), **tolerance)
    weights = generator(expected.shape).standard_normal(tuple(expected.shape)).astype(dtype)

    def ours_total(*a):
        return (ours(*a) * weights).sum()

    total = (expected * torch.from_numpy(np.asarray(weights))).sum()
    slopes = torch.autograd.grad(total, [tensors[i] for i in gradients], create_graph=order > 1)
    for i, slope in zip(gradients, slopes, strict=True):
        gradient = np.asarray(grad(ours_total, i)(*arrays))
        np.testing.assert_allclose(gradient, slope.detach().numpy(), **tolerance)
    if order == 1:
        return
    for i, j in itertools.product(gradients, repeat=2):
        second = np.asarray(grad(lambda *a, i=i: (grad(ours_total, i)(*a) ** 2).sum(), j)(*arrays))
        square = (slopes[gradients.index(i)] ** 2).sum()
        if square.requires_grad:
            (wanted,) = torch.autograd.grad(square, [tensors[j]], retain_graph=True, allow_unused=True)
        else:
            wanted = None
        np.testing.assert_allclose(second, 0 if wanted is None else wanted.numpy(), **tolerance)


def pair(seed, shape, dtype, low=-2.0, high=2.0):
    rng = np.random.default_rng(seed)
    return [np.asarray(rng.uniform(low, high, shape), dtype) for _ in range(2)]


@settings(max_examples=40)
@given(seeds, shapes, dtypes, reductions, st.booleans())
def test_squared_and_absolute_differences(seed, shape, dtype, reduction, weighted):
    x, t = pair(seed, shape, dtype)
    w = np.abs(pair(seed + 1, shape, dtype)[0]) + dtype(0.5)
    arrays = (x, t, w) if weighted else (x, t)
    for name in ("mse_loss", "l1_loss", "huber_loss"):
        compare(
            lambda x, t, w=None, name=name: getattr(F, name)(x, t, reduction=reduction, weight=w),
            lambda x, t, w=None, name=name: getattr(TF, name)(x, t, reduction=reduction, weight=w),
            *arrays,
        )


@settings(max_examples=40)
@given(seeds, shapes, dtypes, reductions, st.sampled_from([0, 0.25, 1, 1.5, 10, float("inf")]))
def test_differences_that_change_their_form(seed, shape, dtype, reduction, width):
    x, t = np.round(pair(seed, shape, dtype), 2)  # ends of the square are met
    compare(
        lambda x, t: F.smooth_l1_loss(x, t, reduction=reduction, beta=width),
        lambda x, t: TF.smooth_l1_loss(x, t, reduction=reduction, beta=width),
        x,
        t,
    )
    if width:
        compare(
            lambda x, t: F.huber_loss(x, t, reduction, width),
            lambda x, t: TF.huber_loss(x, t, reduction, width),
            x,
            t,
        )


def weight_shapes(shape):
    """Shapes that broadcast to `shape`."""
    return st.integers(0, len(shape)).flatmap(
        lambda cut: st.tuples(*(st.sampled_from([1, size]) for size in shape[cut:]))
    )


@settings(max_examples=40)
@given(seeds, shapes, dtypes, reductions, st.data())
def test_binary_cross_entropies(seed, shape, dtype, reduction, data):
    x, t = pair(seed, shape, dtype, 0, 1)
    rng = np.random.default_rng(seed)
    w, p = (np.asarray(rng.random(data.draw(weight_shapes(shape))), dtype) for _ in range(2))
    x = np.clip(x, dtype(0.01), dtype(0.99))
    for weight in (None, w):
        compare(
            lambda x, t, w=weight: F.binary_cross_entropy(x, t, w, reduction=reduction),
            lambda x, t, w=weight: TF.binary_cross_entropy(x, t, to_torch(w), reduction=reduction),
            x,
            t,
        )
        for positive in (None, p):
            options = {"reduction": reduction}
            compare(
                lambda x, t, w=weight, p=positive, o=options: F.binary_cross_entropy_with_logits(
                    x * 20 - 10, t, w, pos_weight=p, **o
                ),
                lambda x, t, w=weight, p=positive, o=options: TF.binary_cross_entropy_with_logits(
                    x * 20 - 10, t, to_torch(w), pos_weight=to_torch(p), **o
                ),
                x,
                t,
            )


@settings(max_examples=40)
@given(seeds, shapes.filter(len), dtypes, st.sampled_from(["none", "mean", "sum", "batchmean"]))
def test_kl_div(seed, shape, dtype, reduction):
    x, t = pair(seed, shape, dtype)
    for log_target in (False, True):
        target = t if log_target else np.abs(t) + dtype(0.01)
        compare(
            lambda x, t, log=log_target: F.kl_div(x, t, reduction=reduction, log_target=log),
            lambda x, t, log=log_target: TF.kl_div(x, t, reduction=reduction, log_target=log),
            x,
            target,
        )


EXTREME = [
    ("binary_cross_entropy", [0, 1, 0, 1, 0.5], [0, 1, 1, 0, 0.5]),
    ("binary_cross_entropy_with_logits", [np.inf, -np.inf, np.nan, 1000, -1000, 0], [0.5, 0, 0, 1, 1, 0]),
    ("kl_div", [-1, -np.inf, -1, 0], [0, 0, -0.5, 1]),
    ("mse_loss", [np.nan, np.inf, -np.inf, np.inf], [0, 0, np.inf, np.inf]),
    ("l1_loss", [np.nan, np.inf, 0, np.inf], [0, 0, 0, np.inf]),
    ("smooth_l1_loss", [np.nan, np.inf, 1, -1], [0, 0, 0, 0]),
    ("huber_loss", [np.nan, np.inf, 1, -1], [0, 0, 0, 0]),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("name", "x", "t"), EXTREME, ids=[row[0] for row in EXTREME])
def test_extreme_values(name, x, t, dtype):
    x, t = np.array(x, dtype), np.array(t, dtype)
    with np.errstate(invalid="ignore"):
        compare(
            lambda x, t: getattr(F, name)(x, t, reduction="none"),
            lambda x, t: getattr(TF, name)(x, t, reduction="none"),
            x,
            t,
            # torch's bound of the denominator is the float32 next to 1e-12.
            rtol=1e-8 if dtype is np.float64 else 2e-5,
        )


def test_second_derivatives_of_pairs():
    x, t = pair(1, (3, 4), np.float64, 0.1, 0.9)
    for name, reduction in itertools.product(
        ("mse_loss", "smooth_l1_loss", "huber_loss", "binary_cross_entropy", "kl_div"), ("mean", "none")
    ):
        compare(
            lambda x, t, name=name, r=reduction: getattr(F, name)(x, t, reduction=r),
            lambda x, t, name=name, r=reduction: getattr(TF, name)(x, t, reduction=r),
            x,
            t,
            order=2,
        )


# -- classes ------------------------------------------------------------------------------------

class_shapes = st.one_of(
    st.tuples(st.integers(1, 5)),
    st.tuples(st.integers(0, 4), st.integers(1, 5), *(st.integers(0, 3) for _ in range(2))),
    st.tuples(st.integers(0, 4), st.integers(1, 5)),
    st.tuples(st.integers(0, 4), st.integers(1, 5), st.integers(1, 3)),
)


@settings(max_examples=40)
@given(seeds, class_shapes, dtypes, reductions, st.booleans(), st.sampled_from([0.0, 0.1, 1.0]), st.data())
def test_class_indices(seed, shape, dtype, reduction, weighted, smoothing, data):
    axis = 0 if len(shape) == 1 else 1
    rng = np.random.default_rng(seed)
    x = np.asarray(rng.standard_normal(shape) * 3, dtype)
    w = rng.random(shape[axis]).astype(dtype) if weighted else None
    target = np.asarray(rng.integers(0, shape[axis], shape[:axis] + shape[axis + 1 :]))
    ignore_index = data.draw(st.sampled_from([-100, 0, shape[axis] - 1]))
    options = {"ignore_index": ignore_index, "reduction": reduction}
    compare(
        lambda x: F.cross_entropy(x, target, w, label_smoothing=smoothing, **options),
        lambda x: TF.cross_entropy(x, to_torch(target), to_torch(w), label_smoothing=smoothing, **options),
        x,
    )
    compare(
        lambda x: F.nll_loss(x, target, w, **options),
        lambda x: TF.nll_loss(x, to_torch(target), to_torch(w), **options),
        x,
    )


@settings(max_examples=40)
@given(seeds, class_shapes, dtypes, reductions, st.sampled_from([0.0, 0.1, 1.0]))
def test_class_probabilities(seed, shape, dtype, reduction, smoothing):
    rng = np.random.default_rng(seed)
    x, p = (np.asarray(a, dtype) for a in (rng.standard_normal(shape) * 3, rng.random(shape)))
    w = rng.random(shape[0 if len(shape) == 1 else 1]).astype(dtype)
    options = {"reduction": reduction, "label_smoothing": smoothing}
    compare(
        lambda x, p: F.cross_entropy(x, p, **options), lambda x, p: TF.cross_entropy(x, p, **options), x, p
    )
    compare(
        lambda x, p, w: F.cross_entropy(x, p, w, **options),
        lambda x, p, w: TF.cross_entropy(x, p, w, **options),
        x,
        p,
        w,
    )


def test_second_derivatives_over_classes():
    rng = np.random.default_rng(2)
    x, p, w = rng.standard_normal((3, 4)), rng.random((3, 4)), rng.random(4)
    t = np.array([0, 3, 1])
    for reduction in ("none", "mean", "sum"):
        compare(
            lambda x, p, w, r=reduction: F.cross_entropy(x, p, w, label_smoothing=0.1, reduction=r),
            lambda x, p, w, r=reduction: TF.cross_entropy(x, p, w, label_smoothing=0.1, reduction=r),
            x,
            p,
            w,
            order=2,
        )
        compare(
            lambda x, r=reduction: F.cross_entropy(x, t, w, label_smoothing=0.1, reduction=r),
            lambda x, r=reduction: TF.cross_entropy(
                x, to_torch(t), to_torch(w), label_smoothing=0.1, reduction=r
            ),
            x,
            order=2,
        )


def test_infinite_scores_and_weights_of_zero():
    inf = np.inf
    x = np.array([[0.0, -inf, 2.0], [1.0, 2.0, 3.0]])
    zero, last = np.zeros(3), np.array([0.0, 0.0, 1.0])
    targets = [np.array([0, 1]), np.array([1, -100]), np.array([2, 2]), np.array([[0.5, 0, 0.5], [0, 1, 0]])]
    for target, w, smoothing, reduction in itertools.product(
        targets, (None, zero, last), (0.0, 0.1), ("none", "mean", "sum")
    ):
        actual = F.cross_entropy(x, target, w, label_smoothing=smoothing, reduction=reduction)
        expected = TF.cross_entropy(
            to_torch(x), to_torch(target), to_torch(w), label_smoothing=smoothing, reduction=reduction
        )
        np.testing.assert_allclose(actual, expected.numpy(), rtol=1e-12)


def refuses(call):
    try:
        call()
    except (RuntimeError, ValueError, TypeError, IndexError, AssertionError):
        return True
    return False


X = np.zeros((2, 3))
REFUSED = {
    "target beyond": (F.cross_entropy, TF.cross_entropy, (X, np.array([0, 3]))),
    "target negative": (F.nll_loss, TF.nll_loss, (X, np.array([0, -1]))),
    "smoothing": (
        lambda *a: F.cross_entropy(*a, label_smoothing=1.1),
        lambda *a: TF.cross_entropy(*a, label_smoothing=1.1),
        (X, np.array([0, 1])),
    ),
    "integers as probabilities": (F.cross_entropy, TF.cross_entropy, (X, np.zeros((2, 3), int))),
    "bools as probabilities": (F.cross_entropy, TF.cross_entropy, (X, np.zeros((2, 3), bool))),
    "ignore_index": (
        lambda *a: F.cross_entropy(*a, ignore_index=1),
        lambda *a: TF.cross_entropy(*a, ignore_index=1),
        (X, X),
    ),
    "points": (F.cross_entropy, TF.cross_entropy, (X, np.array([0]))),
    "class weights": (F.nll_loss, TF.nll_loss, (X, np.array([0, 1]), np.ones(2))),
    "probabilities": (F.binary_cross_entropy, TF.binary_cross_entropy, (X + 1.5, X)),
    "targets": (F.binary_cross_entropy, TF.binary_cross_entropy, (X, X - 0.5)),
    "bce shapes": (F.binary_cross_entropy, TF.binary_cross_entropy, (X, X[0])),
    "bce weight": (F.binary_cross_entropy, TF.binary_cross_entropy, (X, X, np.ones((4, 2, 3)))),
    "delta": (lambda *a: F.huber_loss(*a, delta=0), lambda *a: TF.huber_loss(*a, delta=0), (X, X)),
    "beta": (lambda *a: F.smooth_l1_loss(*a, beta=-1), lambda *a: TF.smooth_l1_loss(*a, beta=-1), (X, X)),
    "index": (F.embedding, TF.embedding, (np.array([3]), np.ones((3, 2)))),
    "negative index": (F.embedding, TF.embedding, (np.array([-1]), np.ones((3, 2)))),
    "padding": (F.embedding, TF.embedding, (np.array([0]), np.ones((3, 2)), 3)),
    "table": (F.embedding, TF.embedding, (np.array([0]), np.ones(3))),
    "features": (F.linear, TF.linear, (X, np.ones((2, 4)))),
    "bias": (F.linear, TF.linear, (X, np.ones((2, 3)), np.ones(3))),
    "one_hot": (F.one_hot, TF.one_hot, (np.array([-1]),)),
    "one_hot empty": (F.one_hot, TF.one_hot, (np.zeros(0, int),)),
    "one_hot beyond": (F.one_hot, TF.one_hot, (np.array([2]), 2)),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_torch_refuses_is_refused(name):
    ours, theirs, arguments = REFUSED[name]
    assert refuses(lambda: theirs(*map(to_torch, arguments)))
    assert refuses(lambda: ours(*arguments))


# -- linear, embedding --------------------------------------------------------------------------


@settings(max_examples=40)
@given(seeds, shapes, st.integers(1, 5), st.none() | st.integers(1, 5), dtypes, st.booleans())
def test_linear(seed, leading, in_features, out_features, dtype, with_bias):
    rng = np.random.default_rng(seed)
    columns = () if out_features is None else (out_features,)
    drawn = ((*leading, in_features), (*columns, in_features), columns)
    with_bias &= out_features is not None  # torch refuses one number, but for some shapes of the input
    arrays = [np.asarray(rng.standard_normal(s), dtype) for s in drawn[: 3 if with_bias else 2]]
    compare(F.linear, TF.linear, *arrays)
    if dtype is np.float64:
        compare(F.linear, TF.linear, *arrays, gradients=range(2), order=2)


@settings(max_examples=40)
@given(seeds, shapes, st.integers(1, 6), st.integers(0, 5), dtypes, st.booleans(), st.data())
def test_embedding(seed, shape, rows, width, dtype, scaled, data):
    rng = np.random.default_rng(seed)
    index, table = np.asarray(rng.integers(0, rows, shape)), rng.standard_normal((rows, width)).astype(dtype)
    padding_idx = data.draw(st.none() | st.integers(-rows, rows - 1))
    options = {"padding_idx": padding_idx, "scale_grad_by_freq": scaled}
    compare(
        lambda w: F.embedding(index, w, **options),
        lambda w: TF.embedding(to_torch(index), w, **options),
        table,
    )
    max_norm = data.draw(st.sampled_from([0.0, 0.5, 1.0, float("inf")]))
    # torch refuses the greatest of no numbers.
    order = data.draw(st.sampled_from([1.0, 2.0, 3.0, 0.0] + [float("inf")] * (width > 0)))
    theirs = to_torch(table)
    expected = TF.embedding(to_torch(index), theirs, max_norm=max_norm, norm_type=order)
    actual = F.embedding(index, table, max_norm=max_norm, norm_type=order)
    np.testing.assert_allclose(actual, expected.numpy(), **TOLERANCE[dtype])
    np.testing.assert_allclose(table, theirs.numpy(), **TOLERANCE[dtype])


@given(st.lists(st.integers(0, 6), min_size=1, max_size=5), st.sampled_from([-1, 7, 9]))
def test_one_hot(classes, num_classes):
    t = np.array(classes)
    expected = TF.one_hot(to_torch(t), num_classes).numpy()
    np.testing.assert_array_equal(F.one_hot(t, num_classes), expected, strict=True)


# -- layers -------------------------------------------------------------------------------------

LAYERS = [
    ("CrossEntropyLoss", {}),
    ("CrossEntropyLoss", {"weight": np.array([1, 2, 3], np.float32), "label_smoothing": 0.1}),
    ("NLLLoss", {"ignore_index": 1}),
    ("MSELoss", {"reduction": "sum"}),
    ("L1Loss", {}),
    ("SmoothL1Loss", {"beta": 0.5}),
    ("HuberLoss", {"delta": 0.5}),
    ("BCELoss", {"weight": np.array([1, 2, 3], np.float32)}),
    ("BCEWithLogitsLoss", {"pos_weight": np.array([1, 2, 3], np.float32)}),
    ("KLDivLoss", {"reduction": "batchmean", "log_target": True}),
]


@pytest.mark.parametrize(("name", "options"), LAYERS, ids=[f"{name}-{len(o)}" for name, o in LAYERS])
def test_loss_layers(name, options):
    ours = getattr(nn, name)(**options)
    theirs = getattr(torch.nn, name)(**{key: to_torch(value) for key, value in options.items()})
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    x, t = pair(3, (4, 3), np.float32, 0, 1)
    t = np.array([0, 2, 1, 1]) if name in ("CrossEntropyLoss", "NLLLoss") else t
    np.testing.assert_allclose(ours(x, t), theirs(to_torch(x), to_torch(t)).item(), rtol=1e-5)


@pytest.mark.parametrize("arguments", [(5, 3), (5, 3, -1), (5, 3, 1, 2.0, 1.0, True), (0, 3)], ids=str)
def test_embedding_layer(arguments):
    ours, theirs = nn.Embedding(*arguments), torch.nn.Embedding(*arguments)
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict({key: value.numpy() for key, value in theirs.state_dict().items()})
    index = np.array([[0, 4], [1, 1]] if arguments[0] else [], np.int64)
    np.testing.assert_allclose(ours(index), theirs(to_torch(index)).detach().numpy(), rtol=1e-6)
