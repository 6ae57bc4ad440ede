"""Kernels some of whose taps meet padding alone: exact on integers, and NaN where the definition has it."""

import numpy as np
import pytest

import reference
from arrays import assert_exact, assert_same_bits, generator, small_integers
from convnative import _core

OPERATIONS = ["forward", "grad_input", "grad_weight"]
ALGORITHM = {"algorithm": "cropped_kernel"}

# Input, output channels, kernel, and (stride, padding, dilation, groups).
PROBLEMS = [
    ((3, 20, 1, 1), 33, (3, 3), (1, 1, 1, 1)),
    ((3, 20, 2, 2), 17, (3, 3), (2, 1, 1, 1)),
    ((2, 8, 1, 5), 12, (3, 3), (1, 1, 1, 4)),
    ((2, 18, 1, 1), 18, (5, 5), (1, 2, 1, 18)),
    ((2, 18, 1, 1), 36, (5, 5), (1, 2, 1, 18)),
    ((2, 5, 9, 8), 6, (3, 3), (1, 10, 10, 1)),
    ((2, 5, 7, 7), 6, (15, 15), (1, 7, 1, 1)),
    ((2, 5, 4, 3), 6, (8, 9), (1, ((2, 5), (6, 2)), 1, 1)),
    ((2, 5, 3), 6, (9,), (1, 4, 1, 1)),
    ((2, 4, 40), 6, (3,), (1, ((50, 20),), 45, 2)),
    ((2, 3, 2), 4, (9,), (5, 7, 1, 1)),
    ((1, 3, 2), 1, (9,), (5, 7, 1, 1)),
    ((2, 6, 1, 3, 1), 9, (3, 3, 5), (1, (1, 1, 2), 1, 3)),
]


def data(shape, outputs, kernel, geometry, dtype):
    rng = generator("cropped", shape, outputs, kernel, geometry)
    weight_shape = outputs, shape[1] // geometry[3], *kernel
    output = reference.conv_forward(np.zeros(shape), np.zeros(weight_shape), None, *geometry)
    shapes = shape, weight_shape, (outputs,), output.shape
    return [small_integers(rng, each).astype(dtype) for each in shapes]


def run(operation, arrays, geometry, **options):
    x, w, b, g = arrays
    axes, options = x.ndim - 2, ALGORITHM | options
    if operation == "forward":
        return _core.conv_forward(axes, x, w, b, *geometry, **options)
    if operation == "grad_input":
        return _core.conv_grad_input(axes, g, w, x.shape, *geometry, **options)
    return _core.conv_grad_weight(axes, g, x, w.shape, *geometry, **options)


def exact(operation, arrays, geometry):
    x, w, b, g = arrays
    if operation == "forward":
        return reference.conv_forward(x, w, b, *geometry)
    if operation == "grad_input":
        return reference.conv_grad_input(g, w, x.shape, *geometry)
    return reference.conv_grad_weight(g, x, w.shape, *geometry)


@pytest.mark.parametrize("precision", ["default", "strict"])
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_it_is_exact(problem, operation, precision, dtype, isa):
    *shapes, geometry = problem
    arrays = data(*shapes, geometry, dtype)
    _core.set_precision(precision)
    for threads in (1, 3):
        _core.set_num_threads(threads)
        assert_exact(run(operation, arrays, geometry), exact(operation, arrays, geometry), dtype)


def choice(operation, dtype, shape, outputs, kernel, geometry):
    weight = outputs, shape[1] // geometry[3], *kernel
    return _core.conv_explain(operation, str(dtype), shape, weight, *geometry)["algorithm"]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_choice(operation, dtype, isa):
    """Where a smaller kernel saves more than copying the weights costs."""
    for shape, outputs, kernel, geometry in [
        ((1, 512, 1, 1), 512, (3, 3), (1, 1, 1, 1)),
        ((32, 256, 2, 2), 512, (3, 3), (2, 1, 1, 1)),
        ((1, 64, 33, 33), 64, (3, 3), (1, 36, 36, 1)),
        ((16, 64, 70, 2), 64, (7, 7), (1, 3, 1, 64)),
    ]:
        assert choice(operation, dtype, shape, outputs, kernel, geometry) == "cropped_kernel", shape
    assert choice(operation, dtype, (1, 64, 7, 7), 64, (15, 15), (1, 7, 1, 1)) != "cropped_kernel"
    assert choice(operation, dtype, (1, 64, 7, 7), 64, (15, 15), (1, 7, 1, 64)) != "cropped_kernel"


def test_with_packed_weights_it_is_always_taken(dtype, isa):
    for shape, outputs, kernel, geometry in PROBLEMS:
        if len(shape) != 4:
            continue
        w = np.zeros((outputs, shape[1] // geometry[3], *kernel), dtype)
        assert _core.prepare_conv(2, shape, w, None, *geometry).explain()["algorithm"] == "cropped_kernel"


DEPTHWISE_PROBLEMS = [
    ((40, 64, 5, 4), 128, (3, 3), (2, 1, 1, 64)),
    ((17, 32, 9, 9), 32, (4, 4), (2, 1, 1, 32)),
    ((9, 512, 33, 33), 512, (4, 4), (2, 0, 1, 512)),
    ((30, 24, 7, 2), 48, (7, 7), (1, 3, 1, 24)),
]


@pytest.mark.parametrize("operation", ["forward", "grad_input"])
@pytest.mark.parametrize("problem", [*PROBLEMS, *DEPTHWISE_PROBLEMS], ids=str)
def test_strict_precision_chooses_for_any_split_of_the_batch_alike(problem, operation, isa, strict):
    """So that an image's bits do not depend on those beside it."""
    (images, *shape), outputs, kernel, geometry = problem
    for shapes in [(1, *shape), (3 * images, *shape)]:
        x, w, b, g = data(shapes, outputs, kernel, geometry, np.float32)
        rng = generator("split", problem)
        x, w, b, g = (rng.standard_normal(array.shape, np.float32) for array in (x, w, b, g))
        whole = run(operation, (x, w, b, g), geometry, algorithm=None)
        alone = run(operation, (x[-1:], w, b, g[-1:]), geometry, algorithm=None)
        assert_same_bits(alone, whole[-1:])


@pytest.mark.parametrize(
    ("shape", "weight", "geometry", "reason"),
    [
        ((2, 3, 9, 9), (4, 3, 3, 3), (1, 1, 1, 1), "every tap meets the input"),
        ((2, 3, 1, 1), (4, 3, 3, 3), (1, 1, 1, 1, "replicate"), "padding with zeros"),
        ((0, 3, 1, 1), (4, 3, 3, 3), (1, 1, 1, 1), "nothing to sum"),
    ],
)
def test_where_it_does_not_apply(shape, weight, geometry, reason):
    with pytest.raises(ValueError, match=f"cropped_kernel does not apply: .*{reason}"):
        _core.conv_explain("forward", "float32", shape, weight, *geometry, **ALGORITHM)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("operation", ["forward", "grad_weight"])
@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_non_finite_values_appear_where_the_definition_puts_them(problem, operation, value, dtype):
    """Weights in the padding make their channel's outputs NaN, grad_output the gradients of such weights."""
    *shapes, geometry = problem
    for which in {"forward": (0, 1), "grad_weight": (0, 3)}[operation]:
        arrays = data(*shapes, geometry, dtype)
        for place in (0, arrays[which].size // 2, arrays[which].size - 1):
            changed = [array.copy() for array in arrays]
            changed[which].flat[place] = value
            with np.errstate(invalid="ignore"):
                expected = exact(operation, [array.astype(np.float64) for array in changed], geometry)
            actual = run(operation, changed, geometry)
            np.testing.assert_array_equal(np.isnan(actual), np.isnan(expected))
            np.testing.assert_array_equal(np.isinf(actual), np.isinf(expected))


@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_gradients_in_the_input_have_no_products_with_what_lies_beside(value, dtype):
    """Of weights in the padding none, as by the definition."""
    shape, outputs, kernel, geometry = PROBLEMS[0]
    x, w, b, g = data(shape, outputs, kernel, geometry, dtype)
    changed = w.copy()
    changed[3, 2, 0, 1] = value
    assert_same_bits(
        run("grad_input", (x, changed, b, g), geometry), run("grad_input", (x, w, b, g), geometry)
    )


def test_activations_and_residuals_of_such_channels(dtype, isa):
    """As if in passes of their own."""
    shape, outputs, kernel, geometry = PROBLEMS[0]
    x, w, b, r = data(shape, outputs, kernel, geometry, dtype)
    w[5, 4, 2, 2] = np.inf
    sums = run("forward", (x, w, b, None), geometry)
    assert np.isnan(sums[:, 5]).all()
    assert np.isfinite(np.delete(sums, 5, axis=1)).all()
    for activation in (None, ("relu", ()), ("hardtanh", (0.0, 6.0)), ("silu", ())):
        expected = sums + r
        if activation is not None:
            expected = _core.activation_forward(expected, *activation)
        prepared = _core.prepare_conv(2, shape, w, b, *geometry, activation=activation)
        assert prepared.explain()["algorithm"] == "cropped_kernel"
        assert_same_bits(prepared(x, r), expected, activation)
