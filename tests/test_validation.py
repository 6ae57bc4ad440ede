"""Bad input: an error of the documented kind that names the argument and shows what was received.

Each core function is called with good arguments of which one is replaced by something hostile.
"""

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from convnative import _core

DOCUMENTED = (ValueError, TypeError, IndexError, OverflowError, MemoryError)


@dataclass(frozen=True)
class Operation:
    """A core function, good arguments for it, and what kind of thing each argument is."""

    name: str
    arguments: dict
    kinds: dict = field(repr=False)

    def __call__(self, **changes):
        result = getattr(_core, self.name)(**{**self.arguments, **changes})
        return result[0] if isinstance(result, tuple) else result  # values beside indices

    def having(self, *kinds):
        return [name for name, kind in self.kinds.items() if kind in kinds]


def ones(*shape):
    return np.ones(shape, np.float32)


GEOMETRY = {"stride": 1, "padding": 1, "dilation": 1, "groups": 1, "padding_mode": "zeros"}
GEOMETRY_KINDS = {
    "stride": "positive", "padding": "padding", "dilation": "positive", "groups": "groups",
    "padding_mode": "padding mode",
}  # fmt: skip
TRANSPOSED = {"stride": 2, "padding": 1, "output_padding": 1, "groups": 1, "dilation": 1}
TRANSPOSED_KINDS = {
    "stride": "growing positive", "padding": "padding", "output_padding": "output padding",
    "groups": "groups", "dilation": "growing positive",
}  # fmt: skip
MAX = {"kernel_size": 3, "stride": 2, "padding": 1, "dilation": 1, "ceil_mode": False}
MAX_KINDS = {
    "kernel_size": "positive", "stride": "optional positive", "padding": "padding", "dilation": "positive",
    "ceil_mode": "rounding",
}  # fmt: skip
AVERAGE = {
    "kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": False, "count_include_pad": True,
    "divisor_override": None, "dilation": 1,
}  # fmt: skip
AVERAGE_KINDS = {
    "kernel_size": "positive", "stride": "optional positive", "padding": "padding", "ceil_mode": "rounding",
    "count_include_pad": "bool", "divisor_override": "divisor", "dilation": "positive",
}  # fmt: skip
POWER = {"norm_type": 2.5, **MAX, "absolute": True, "scaled": False}
POWER_KINDS = {"norm_type": "exponent", **MAX_KINDS, "absolute": "bool", "scaled": "bool"}
INDICES = np.zeros((2, 3, 5, 6), np.int64)
FRACTIONAL = {
    "axes": 2, "input": ones(2, 3, 5, 6), "kernel_size": 2, "output_size": 3, "_random_samples": ones(2, 3, 2)
}  # fmt: skip
FRACTIONAL_KINDS = {
    "axes": "axes", "input": "array", "kernel_size": "positive", "output_size": "size",
    "_random_samples": "array",
}  # fmt: skip
LOSS = {"class_weight": ones(4), "ignore_index": -100, "label_smoothing": 0.1}
LOSS_KINDS = {"class_weight": "optional array", "ignore_index": "integer", "label_smoothing": "fraction"}
GROUPS = {"kind": "group", "number": 2}
STATISTICS = {**GROUPS, "mean": np.zeros(4), "inverse": np.ones(4), "weight": ones(4)}
RESPONSE = {"size": 3, "alpha": 1e-4, "beta": 0.75, "k": 1.0}
NLL = {"class_weight": ones(4), "ignore_index": -100}
NLL_KINDS = {"class_weight": "optional array", "ignore_index": "integer"}
AFFINE = {"scale": 0.9, "shift": 0.1}

WINDOWS = {"kernel_size": 3, "dilation": 1, "padding": 1, "stride": 2}
WINDOWS_KINDS = {
    "kernel_size": "positive", "dilation": "positive", "padding": "padding", "stride": "positive"
}  # fmt: skip

OPERATIONS = [
    Operation(
        "unfold",
        {"axes": 2, "input": ones(2, 4, 5, 6), **WINDOWS},
        {"axes": "axes", "input": "array", **WINDOWS_KINDS},
    ),
    Operation(
        "conv_forward",
        {"axes": 2, "input": ones(2, 4, 5, 6), "weight": ones(6, 4, 3, 3), "bias": ones(6), **GEOMETRY},
        {"axes": "axes", "input": "array", "weight": "array", "bias": "optional array", **GEOMETRY_KINDS},
    ),
    Operation(
        "conv_grad_input",
        {
            "axes": 2, "grad_output": ones(2, 6, 5, 6), "weight": ones(6, 4, 3, 3),
            "input_shape": (2, 4, 5, 6), **GEOMETRY,
        },
        {"axes": "axes", "grad_output": "array", "weight": "array", "input_shape": "shape", **GEOMETRY_KINDS},
    ),
    Operation(
        "conv_grad_weight",
        {
            "axes": 2, "grad_output": ones(2, 6, 5, 6), "input": ones(2, 4, 5, 6),
            "weight_shape": (6, 4, 3, 3), **GEOMETRY,
        },
        {"axes": "axes", "grad_output": "array", "input": "array", "weight_shape": "shape", **GEOMETRY_KINDS},
    ),
    Operation(
        "conv_grad_bias",
        {"axes": 2, "grad_output": ones(2, 6, 5, 6)},
        {"axes": "axes", "grad_output": "array"},
    ),
    Operation(
        "conv_transpose_forward",
        {"axes": 2, "input": ones(2, 4, 5, 6), "weight": ones(4, 6, 3, 3), "bias": ones(6), **TRANSPOSED},
        {"axes": "axes", "input": "array", "weight": "array", "bias": "optional array", **TRANSPOSED_KINDS},
    ),
    Operation(
        "conv_transpose_grad_input",
        {
            "axes": 2, "grad_output": ones(2, 6, 10, 12), "weight": ones(4, 6, 3, 3),
            "input_shape": (2, 4, 5, 6), **TRANSPOSED,
        },
        {
            "axes": "axes", "grad_output": "array", "weight": "array", "input_shape": "shape",
            **TRANSPOSED_KINDS,
        },
    ),
    Operation(
        "conv_transpose_grad_weight",
        {
            "axes": 2, "grad_output": ones(2, 6, 10, 12), "input": ones(2, 4, 5, 6),
            "weight_shape": (4, 6, 3, 3), **TRANSPOSED,
        },
        {
            "axes": "axes", "grad_output": "array", "input": "array", "weight_shape": "shape",
            **TRANSPOSED_KINDS,
        },
    ),
    Operation("matmul", {"a": ones(3, 4), "b": ones(4, 5), "bias": ones(5)},
              {"a": "array", "b": "array", "bias": "optional array"}),
    Operation("max_pool_forward", {"axes": 2, "input": ones(2, 3, 5, 6), **MAX},
              {"axes": "axes", "input": "array", **MAX_KINDS}),
    Operation("max_pool_grad", {"axes": 2, "input": ones(2, 3, 5, 6), "grad_output": ones(2, 3, 3, 3), **MAX},
              {"axes": "axes", "input": "array", "grad_output": "array", **MAX_KINDS, "taps": "taps"}),
    Operation("max_pool_pick", {"axes": 2, "input": ones(2, 3, 5, 6), "values": ones(2, 3, 5, 6), **MAX},
              {"axes": "axes", "input": "array", "values": "array", **MAX_KINDS, "taps": "taps"}),
    Operation("max_pool_with_taps", {"axes": 2, "input": ones(2, 3, 5, 6), **MAX},
              {"axes": "axes", "input": "array", **MAX_KINDS}),
    Operation("avg_pool_forward", {"axes": 2, "input": ones(2, 3, 5, 6), **AVERAGE},
              {"axes": "axes", "input": "array", **AVERAGE_KINDS}),
    Operation(
        "avg_pool_grad",
        {"axes": 2, "grad_output": ones(2, 3, 3, 3), "input_shape": (2, 3, 5, 6), **AVERAGE},
        {"axes": "axes", "grad_output": "array", "input_shape": "shape", **AVERAGE_KINDS},
    ),
    Operation("max_pool_with_indices", {"axes": 2, "input": ones(2, 3, 5, 6), **MAX},
              {"axes": "axes", "input": "array", **MAX_KINDS}),
    Operation("lp_pool_forward", {"axes": 2, "input": ones(2, 3, 5, 6), **POWER},
              {"axes": "axes", "input": "array", **POWER_KINDS}),
    Operation(
        "lp_pool_grad",
        {
            "axes": 2, "input": ones(2, 3, 5, 6), "output": ones(2, 3, 3, 3), "grad_output": ones(2, 3, 3, 3),
            **POWER,
        },
        {"axes": "axes", "input": "array", "output": "array", "grad_output": "array", **POWER_KINDS},
    ),
    *(
        Operation(name, {"axes": 2, "input": ones(2, 3, 5, 6), "output_size": 3},
                  {"axes": "axes", "input": "array", "output_size": "size"})
        for name in (
            "adaptive_avg_pool_forward", "adaptive_max_pool_forward", "adaptive_max_pool_with_indices"
        )
    ),
    Operation(
        "adaptive_avg_pool_grad",
        {"axes": 2, "grad_output": ones(2, 3, 3, 3), "input_shape": (2, 3, 5, 6), "output_size": 3},
        {"axes": "axes", "grad_output": "array", "input_shape": "any shape", "output_size": "size"},
    ),
    Operation("fractional_max_pool_forward", FRACTIONAL, FRACTIONAL_KINDS),
    Operation("fractional_max_pool_with_indices", FRACTIONAL, FRACTIONAL_KINDS),
    Operation("max_unpool_forward",
              {"axes": 2, "input": ones(2, 3, 5, 6), "indices": INDICES, "output_size": 7},
              {"axes": "axes", "input": "array", "indices": "indices", "output_size": "size"}),
    Operation("indexed_add", {"axes": 2, "values": ones(2, 3, 5, 6), "indices": INDICES, "output_size": 7},
              {"axes": "axes", "values": "array", "indices": "indices", "output_size": "size"}),
    Operation("indexed_pick", {"axes": 2, "values": ones(2, 3, 5, 6), "indices": INDICES, "missing": 0.0},
              {"axes": "axes", "values": "array", "indices": "indices", "missing": "number"}),
    Operation("relu_forward", {"input": ones(3, 4)}, {"input": "any rank"}),
    Operation("relu_grad", {"input": ones(3, 4), "grad_output": ones(3, 4)},
              {"input": "any rank", "grad_output": "any rank"}),
    Operation("activation_forward", {"input": ones(3, 4), "name": "elu", "parameters": (1.0, 1.0, 1.0)},
              {"input": "any rank"}),
    Operation(
        "activation_grad",
        {"input": ones(3, 4), "grad_output": ones(3, 4), "name": "elu", "parameters": (1.0, 1.0, 1.0)},
        {"input": "any rank", "grad_output": "any rank"},
    ),
    Operation("prelu_forward", {"input": ones(3, 4), "values": ones(3, 4), "weight": ones(4)},
              {"input": "any rank", "values": "any rank", "weight": "any rank"}),
    Operation("prelu_sums", {"input": ones(3, 4), "a": ones(3, 4), "b": ones(3, 4), "weight_shape": (4,)},
              {"input": "any rank", "a": "any rank", "b": "any rank"}),
    Operation("norm_moments", {"input": ones(2, 4, 5), **GROUPS}, {"input": "any rank"}),
    Operation("norm_forward", {"input": ones(2, 4, 5), **STATISTICS, "bias": ones(4)},
              {"input": "any rank", "weight": "optional array", "bias": "optional array"}),
    Operation(
        "norm_grad",
        {
            "input": ones(2, 4, 5), "grad_output": ones(2, 4, 5), **STATISTICS, "constant": False,
            "wanted": "iwb",
        },
        {"input": "any rank", "grad_output": "array", "weight": "optional array", "constant": "bool"},
    ),
    Operation("local_response_forward", {"input": ones(2, 3, 4), **RESPONSE},
              {"input": "any rank", "size": "one positive"}),
    Operation("local_response_grad", {"input": ones(2, 3, 4), "grad_output": ones(2, 3, 4), **RESPONSE},
              {"input": "any rank", "grad_output": "any rank", "size": "one positive"}),
    Operation("channel_window_sum", {"input": ones(2, 3, 4), "size": 3, "adjoint": False},
              {"input": "any rank", "size": "one positive", "adjoint": "bool"}),
    Operation("softmax_forward", {"input": ones(3, 4), "dim": 1, "log": False},
              {"input": "any rank", "dim": "dim", "log": "bool"}),
    Operation("softmax_grad", {"result": ones(3, 4), "grad_output": ones(3, 4), "dim": 1, "log": False},
              {"result": "any rank", "grad_output": "any rank", "dim": "dim", "log": "bool"}),
    Operation("cross_entropy_forward", {"input": ones(3, 4), "target": np.array([0, 1, 2]), **LOSS},
              {"input": "array", "target": "target", **LOSS_KINDS}),
    Operation(
        "cross_entropy_grad",
        {"input": ones(3, 4), "target": np.array([0, 1, 2]), **LOSS, "grad_losses": ones(3)},
        {"input": "array", "target": "target", **LOSS_KINDS, "grad_losses": "array"},
    ),
    Operation("nll_forward", {"input": ones(3, 4), "target": np.array([0, 1, 2]), **NLL},
              {"input": "any rank", "target": "target", **NLL_KINDS}),
    Operation(
        "nll_grad",
        {"input_shape": (3, 4), "target": np.array([0, 1, 2]), **NLL, "grad_losses": ones(3)},
        {"target": "target", **NLL_KINDS, "grad_losses": "any rank"},
    ),
    Operation(
        "pairwise_loss",
        {
            "loss": "huber", "derivative": "dx", "parameter": 1.0, "input": ones(3, 4), "target": ones(3, 4),
            "weight": ones(3, 4), "grad": ones(), "reduce": False, "divisor": 2.0,
        },
        {"input": "any rank", "target": "array", "weight": "optional array", "reduce": "bool"},
    ),
    Operation("sum", {"input": ones(3, 4)}, {"input": "any rank"}),
    Operation("class_product_forward",
              {"input": ones(3, 4), "probabilities": ones(3, 4), "class_weight": ones(4), **AFFINE},
              {"input": "any rank", "probabilities": "array", "class_weight": "optional array"}),
    Operation("class_product_grad",
              {"probabilities": ones(3, 4), "class_weight": ones(4), "grad_losses": ones(3), **AFFINE},
              {"probabilities": "any rank", "class_weight": "optional array", "grad_losses": "array"}),
    Operation("class_product_points",
              {"input": ones(3, 4), "probabilities": ones(3, 4), "grad_losses": ones(3), **AFFINE},
              {"input": "any rank", "probabilities": "array", "grad_losses": "array"}),
    Operation("column_sums", {"matrix": ones(3, 4)}, {"matrix": "array"}),
    Operation("embedding_forward", {"input": np.array([0, 1, 2]), "weight": ones(4, 2)},
              {"weight": "any rank"}),
    Operation(
        "embedding_grad",
        {
            "input": np.array([0, 1, 2]), "grad_output": ones(3, 2), "weight_shape": (4, 2),
            "padding_idx": None, "scale_grad_by_freq": False,
        },
        {"grad_output": "array", "scale_grad_by_freq": "bool"},
    ),
    Operation(
        "embedding_grad_adjoint",
        {
            "input": np.array([0, 1, 2]), "weight": ones(4, 2), "padding_idx": None,
            "scale_grad_by_freq": True,
        },
        {"weight": "any rank", "scale_grad_by_freq": "bool"},
    ),
]  # fmt: skip
WITHOUT_OUT = ("cross_entropy", "nll", "class_product", "embedding")
WITH_OUT = [
    o
    for o in OPERATIONS
    if (o.name.endswith("_forward") and not o.name.startswith(WITHOUT_OUT)) or o.name == "matmul"
]


def pairs(*kinds):
    """(operation, argument) for every argument of these kinds."""
    found = [(operation, name) for operation in OPERATIONS for name in operation.having(*kinds)]
    assert found
    return pytest.mark.parametrize(
        ("operation", "argument"), [pytest.param(*p, id=f"{p[0].name}-{p[1]}") for p in found]
    )


def values(*hostile):
    return pytest.mark.parametrize("value", [pytest.param(v, id=describe(v)) for v in hostile])


def describe(value):
    if isinstance(value, np.ndarray):
        return f"{type(value).__name__} {value.dtype} {value.shape}".replace("\n", "")
    return f"{type(value).__name__} {value!r}"[:60]


def received(value):
    """What an error about this value may show of it: itself, all its elements, or its type."""
    shown = {repr(value), str(value), type(value).__name__}
    if isinstance(value, np.ma.MaskedArray):
        shown |= {"masked"}
    elif isinstance(value, np.ndarray):
        shown |= {str(value.dtype), str(value.shape), str(value.tolist()), *map(str, value.flat)}
    return shown


def elements(value):
    if not isinstance(value, (list, tuple, set)):
        return [repr(value)]
    return [text for element in value for text in elements(element)]


def shows(message, value):
    """Whether the end of the message shows the value, or all elements, or the one that is to blame."""
    end = message.split("received", 1)[-1]
    inside = elements(value) if isinstance(value, (list, tuple, set)) else [repr(value)]
    return any(text in end for text in received(value)) or any(text in end for text in inside)


def assert_refuses(operation, argument, value, expected=(ValueError, TypeError, OverflowError)):
    with pytest.raises(expected) as caught:
        operation(**{argument: value})
    message = str(caught.value)
    assert message.startswith(f"{argument}: "), message
    assert "expected" in message, message
    assert shows(message, value), message


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: o.name)
def test_the_good_arguments_are_good(operation):
    assert isinstance(operation(), (np.ndarray, tuple))


def test_every_function_of_arrays_is_here():
    """A new core function must be added to the table above."""
    runtime = {
        # functional/ checks the arguments of these; tests/hostile has the cases.
        "fold", "pad_forward", "pad_grad", "permute", "resample_forward", "resample_grad",
            "correlate_picture",
        # The second and third give no array back; their own tests have hostile arguments.
        "pairwise_losses", "target_weight", "embedding_renormalise",
        # These change a parameter in place; tests/test_optim.py has what they refuse.
        "sgd_step", "adamw_step",
        # These give a plan back; tests/test_conv_prepared.py has what they refuse.
        "PreparedConv", "prepare_conv", "prepare_conv_transpose",
        "available_isas", "build_info", "get_num_threads", "isa", "precision", "set_isa", "set_num_threads",
        "set_precision", "conv_algorithms", "conv_explain", "gemm_kernels", "run_gemm_kernel",
        "activation_functions", "conv_transpose_explain", "pool_explain", "plane_pool_explain", "fma_peak",
        "release_memory",
    }  # fmt: skip
    public = {name for name in dir(_core) if not name.startswith("_") and callable(getattr(_core, name))}
    assert {operation.name for operation in OPERATIONS} == public - runtime


# -- integers ---------------------------------------------------------------------------------

NO_INTEGERS = [
    1.0, 2.5, float("nan"), float("inf"), "1", b"1", 1j, {}, {1}, object, np.float32(1), np.array(1.0),
    np.array([1.0, 1.0]), np.array(["1"]), [1, None], [1, 1.5], ["1", 1], [[1, 1]], [[1], [1]], slice(1),
]  # fmt: skip
WRONG_LENGTHS = [[], [1, 1, 1], (), (1, 1, 1, 1), np.array([], int), np.ones((1, 2), int)]
NOT_POSITIVE = [0, -1, -(2**31), -(2**63), 2**64, -(2**64), 10**30, [0, 1], [1, 0], (1, -1), [1, 2**64],
                np.int64(0), np.int8(-1), np.array([1, 0])]  # fmt: skip


@pairs("positive", "optional positive", "growing positive")
@values(*NO_INTEGERS, *WRONG_LENGTHS, *NOT_POSITIVE)
def test_positive_integers(operation, argument, value):
    assert_refuses(operation, argument, value)


@pairs("one positive")
@values(*NO_INTEGERS, *WRONG_LENGTHS, [1], 0, -1, -(2**63), 2**64, np.int64(0))
def test_one_positive_integer(operation, argument, value):
    assert_refuses(operation, argument, value)


@pairs("positive", "growing positive")
@values(None, [None, None])
def test_positive_integers_are_required(operation, argument, value):
    assert_refuses(operation, argument, value)


@pairs("output padding")
@values(*NO_INTEGERS, *WRONG_LENGTHS, None, -1, 2, [0, 2], [-1, 0], 2**31, 2**63 - 1, -(2**63), 2**64)
def test_output_padding(operation, argument, value):
    """Below the stride, which is 2."""
    assert_refuses(operation, argument, value)


@pairs("padding mode")
@values(None, "", "Reflect", "constant", "same", b"zeros", True, [0.0], 1j, {}, object, np.array(1.0))
def test_padding_mode(operation, argument, value):
    assert_refuses(operation, argument, value)


@pairs("growing positive")
@values(2**62, 2**63 - 1, [2**62, 1], (2**63 - 1, 1))
def test_integers_that_make_the_output_huge(operation, argument, value):
    assert_refuses(operation, argument, value, OverflowError)


@pairs("groups")
@values(*NO_INTEGERS, [1, 1], [], None, 0, -1, 3, 5, 2**31, 2**63 - 1, -(2**63), 2**64, 10**30)
def test_groups(operation, argument, value):
    assert_refuses(operation, argument, value)


@pairs("padding")
@values(*NO_INTEGERS, None, [], [1, 1, 1], [(1, 1)] * 3, [(1, 1, 1), (1, 1)], [(1,), (1,)], [(1, 1), 1],
        -1, -(2**31), -(2**63), 2**64, 10**30, [-1, 0], [(1, -1), (0, 0)], [(0, 2**64), (0, 0)],
        "", "SAME", "sames", "full", "zeros", np.ones((3, 2), int), np.ones((2, 2)))  # fmt: skip
def test_padding(operation, argument, value):
    assert_refuses(operation, argument, value)


@pairs("axes")
@values(0, -1, 4, 2**31, 2**63, 2**64, 1.0, 2.0, "2", None, [2])
def test_axes(operation, argument, value):
    with pytest.raises(DOCUMENTED, match="axes"):
        operation(**{argument: value})


@pairs("shape")
@values(None, 5, "2456", [], [2], (2, 3, 4, 5, 6, 7), [2.0, 3, 5, 6], [2, 3, -5, 6], [2, 3, None, 6],
        [2, 3, 5, 2**64], [2, 3, 2**63 - 1, 6], [2**62, 3, 5, 6], [[2, 3, 5, 6]], [2, 3, 50, 60],
        [0, 0, 0, 0], np.ones(4))  # fmt: skip
def test_shapes(operation, argument, value):
    """A shape that is none is to blame itself; of one that does not fit the arrays either may be."""
    with pytest.raises((ValueError, TypeError, OverflowError)) as caught:
        operation(**{argument: value})
    blamed = str(caught.value).split(":")[0]
    is_shape = (
        isinstance(value, list) and len(value) == 4 and all(isinstance(n, int) and n >= 0 for n in value)
    )
    assert blamed == argument or (is_shape and blamed in {*operation.kinds, "output"}), caught.value


@pairs("divisor")
@values(0, 1.0, 2.5, "1", [1], [], 2**64, -(2**64), 1j, np.float32(2))
def test_divisor(operation, argument, value):
    assert_refuses(operation, argument, value)


@pairs("integer")
@values(1.0, "1", None, [1], 2**64, -(2**64), 1j)
def test_integer(operation, argument, value):
    assert_refuses(operation, argument, value)


@pairs("dim")
@values(2, -3, 2**31, 2**63 - 1, -(2**63), 2**64, 1.0, "1", None, [1], 1j)
def test_dim(operation, argument, value):
    assert_refuses(operation, argument, value, (IndexError, ValueError, TypeError, OverflowError))


@pairs("fraction")
@values(-0.1, 1.1, float("nan"), float("inf"), -1, 2, 2**64, "0.1", None, [0.1], 1j)
def test_fraction(operation, argument, value):
    assert_refuses(operation, argument, value)


@pairs("bool")
@values("yes", "", None, [], 1.0, 2, object)
def test_bool(operation, argument, value):
    assert_refuses(operation, argument, value, TypeError)


@pairs("rounding")
@values("yes", "", "Torch", None, [], 1.0, 2, object, b"onnx")
def test_rounding(operation, argument, value):
    assert_refuses(operation, argument, value, ValueError if isinstance(value, str) else TypeError)


@pairs("exponent")
@values(0, 0.0, float("nan"), float("inf"), "2", None, [2], 1j, True)
def test_exponent(operation, argument, value):
    assert_refuses(operation, argument, value)


@pairs("size")
@values(-1, 2.5, "3", None, [1, 2, 3], [3, -1], [3, 2.0], 2**62, 2**63, 2**64)
def test_output_size(operation, argument, value):
    assert_refuses(operation, argument, value)


@pairs("indices")
@values(
    ones(2, 3, 5, 6), np.zeros((2, 3, 5), int), np.zeros((2, 3, 5, 6), bool), np.full((2, 3, 5, 6), -2),
    np.full((2, 3, 5, 6), 2**32 + 3), np.full((2, 3, 5, 6), 2**64 - 1, np.uint64), [0], None,
    np.ma.zeros((2, 3, 5, 6), int), np.array(0),
)  # fmt: skip
def test_indices(operation, argument, value):
    with pytest.raises((IndexError, ValueError, TypeError), match=r"^indices: expected .*received "):
        operation(**{argument: value})


@pytest.mark.parametrize(
    "name",
    [
        name.format(operation)
        for operation in ("forward", "grad_input", "grad_weight")
        for name in ("conv_{}", "conv_transpose_{}")
    ],
)
@values("", "nonsense", "Reference", 3, b"reference", ["reference"])
def test_algorithm(name, value):
    operation = next(o for o in OPERATIONS if o.name == name)
    assert_refuses(operation, "algorithm", value)


# -- sizes that do not fit --------------------------------------------------------------------


@pairs("positive", "optional positive")
@values(2**31, 2**62, 2**63 - 1, [1, 2**31], (2**63 - 1, 1))
def test_huge_integers(operation, argument, value):
    """A huge stride leaves one window; a huge kernel or dilation fits nothing."""
    if argument == "stride":
        expected = {"grad_output", "stride"} if "grad" in operation.name else {"stride"}
        try:
            assert operation(**{argument: value}).size
        except (ValueError, OverflowError) as error:
            assert str(error).split(":")[0] in expected, error
        return
    with pytest.raises((ValueError, OverflowError)) as caught:
        operation(**{argument: value})
    assert argument in str(caught.value)


@pairs("padding")
@values(2**31, 2**62, 2**63 - 1, [(0, 2**63 - 1), (0, 0)], [2**40, 2**40])
def test_huge_padding(operation, argument, value):
    with pytest.raises((ValueError, OverflowError, MemoryError)) as caught:
        operation(**{argument: value})
    assert str(caught.value).split(":")[0] in {argument, "grad_output", "output"}, caught.value


def test_output_beyond_memory():
    """2**60 bytes: the sizes fit into 64 bits, the array into no machine."""
    with pytest.raises(MemoryError):
        _core.conv_forward(2, ones(1, 1, 5, 5), ones(1, 1, 1, 1), None, 1, 2**28, 1, 1)


def test_output_beyond_64_bits():
    with pytest.raises(OverflowError):
        _core.conv_forward(2, ones(1, 1, 5, 5), ones(1, 1, 1, 1), None, 1, 2**31, 1, 1)


def test_kernel_larger_than_the_padded_input():
    for call in (
        lambda: _core.conv_forward(2, ones(1, 1, 2, 2), ones(1, 1, 3, 3), None, 1, 0, 1, 1),
        lambda: _core.conv_forward(2, ones(1, 1, 5, 5), ones(1, 1, 3, 3), None, 1, 0, 3, 1),
        lambda: _core.max_pool_forward(2, ones(1, 1, 2, 2), 3, None, 0, 1, False),
        lambda: _core.avg_pool_forward(2, ones(1, 1, 2, 2), 3, None, 0, False, True, None),
    ):
        with pytest.raises(ValueError, match=r"(?s)expected.*received"):
            call()


@pytest.mark.parametrize("padding", [3, [0, 3], [(3, 0), (0, 0)], [(0, 0), (0, 4)]])
def test_pool_padding_is_smaller_than_the_kernel(padding):
    """A window that lies in the padding alone would have no maximum."""
    for operation in OPERATIONS:
        if "pool" in operation.name and "padding" in operation.kinds:
            assert_refuses(operation, "padding", padding, ValueError)


# -- arrays -----------------------------------------------------------------------------------

STRUCTURE = np.zeros(4, [("a", "f4"), ("b", "f4")])


@pairs("array", "optional array", "any rank")
@values(np.ones(4, np.int64), np.ones(4, bool), np.ones(4, np.complex64), np.ones(4, np.float16),
        np.ones(4, np.longdouble), np.array([1.0, None]), np.array(["a"]), np.zeros(4, "M8[s]"), STRUCTURE,
        np.ma.masked_array(np.ones(4, np.float32), [0, 1, 0, 0]))  # fmt: skip
def test_array_types(operation, argument, value):
    """Of the rank expected, so that nothing but the type is wrong."""
    good = operation.arguments[argument]
    shaped = np.broadcast_to(value[:1], good.shape) if not isinstance(value, np.ma.MaskedArray) else value
    if isinstance(value, np.ma.MaskedArray):
        shaped = np.ma.masked_array(good, np.zeros(good.shape, bool))
    assert_refuses(operation, argument, shaped, TypeError)


@pairs("array", "any rank")
@values(None, 1, 1.0, "array", b"array", {}, object, [1.0, 2.0], [[1.0]], np.float32(1))
def test_no_arrays(operation, argument, value):
    if operation.name.startswith("relu") and isinstance(value, np.float32):
        pytest.skip("a NumPy scalar is an array without axes")
    assert_refuses(operation, argument, value)


@pairs("optional array")
@values(1, 1.0, "array", b"array", {}, object, [1.0, 2.0], [[1.0]], False)
def test_no_optional_arrays(operation, argument, value):
    assert_refuses(operation, argument, value)


@pairs("array", "optional array")
@values((), (1,), (2,), (2, 3), (2, 3, 4), (2, 3, 4, 5, 6), (2, 3, 4, 5, 6, 7), (9, 9, 9, 9), (1, 0))
def test_array_shapes(operation, argument, value):
    """Of a wrong rank, or wrong against the other arguments; some shapes happen to be good."""
    array = np.ones(value, np.float32)
    try:
        operation(**{argument: array})
    except (ValueError, IndexError) as error:
        names = {*operation.kinds, "out"}
        assert str(error).split(":")[0] in names, error
        assert "received" in str(error), error
    else:
        good = operation.arguments[argument]
        free = {"conv_grad_bias", "max_pool_forward", "avg_pool_forward", "cross_entropy_forward"}
        assert operation.name in free or good.ndim in (array.ndim, array.ndim + 1), "accepted"


@pairs("array", "optional array", "any rank")
def test_mixed_types(operation, argument):
    arrays = operation.having("array", "optional array", "any rank")
    if len(arrays) == 1:
        assert operation(**{argument: operation.arguments[argument].astype(np.float64)}).dtype == np.float64
        return
    with pytest.raises(TypeError) as caught:
        operation(**{argument: operation.arguments[argument].astype(np.float64)})
    message = str(caught.value)
    assert message.split(":")[0] in arrays
    assert "float32" in message
    assert "float64" in message


@pytest.mark.parametrize(
    ("name", "changes", "blamed"),
    [
        ("conv_forward", {"input": ones(2, 5, 5, 6)}, "input"),
        ("conv_forward", {"weight": ones(6, 5, 3, 3)}, "weight"),
        ("conv_forward", {"weight": ones(6, 4, 3)}, "weight"),
        ("conv_forward", {"weight": ones(6, 4, 0, 3)}, "weight"),
        ("conv_forward", {"bias": ones(5)}, "bias"),
        ("conv_forward", {"bias": ones(6, 1)}, "bias"),
        ("conv_forward", {"input": ones(4, 6)}, "input"),
        ("conv_grad_input", {"grad_output": ones(2, 6, 5, 5)}, "grad_output"),
        ("conv_grad_input", {"grad_output": ones(2, 5, 5, 6)}, "grad_output"),
        ("conv_grad_input", {"grad_output": ones(1, 6, 5, 6)}, "grad_output"),
        ("conv_grad_weight", {"grad_output": ones(3, 6, 5, 6)}, "grad_output"),
        ("conv_grad_weight", {"weight_shape": (6, 3, 3, 3)}, "weight_shape"),
        ("conv_transpose_forward", {"input": ones(2, 6, 5, 6)}, "input"),
        ("conv_transpose_forward", {"weight": ones(6, 4, 3, 3)}, "weight"),
        ("conv_transpose_forward", {"weight": ones(4, 6, 3)}, "weight"),
        ("conv_transpose_forward", {"weight": ones(4, 6, 3, 0)}, "weight"),
        ("conv_transpose_forward", {"weight": ones(4, 0, 3, 3)}, "weight"),
        ("conv_transpose_forward", {"input": ones(2, 4, 0, 6)}, "input"),
        ("conv_transpose_forward", {"bias": ones(4)}, "bias"),
        ("conv_transpose_forward", {"padding": "causal"}, "padding"),
        ("conv_transpose_forward", {"padding": [(6, 6), (0, 0)]}, "padding"),
        ("conv_transpose_grad_input", {"grad_output": ones(2, 6, 9, 12)}, "grad_output"),
        ("conv_transpose_grad_weight", {"grad_output": ones(2, 4, 10, 12)}, "grad_output"),
        ("conv_transpose_grad_weight", {"weight_shape": (6, 4, 3, 3)}, "weight_shape"),
        ("matmul", {"b": ones(5, 5)}, "b"),
        ("matmul", {"a": ones(3)}, "a"),
        ("matmul", {"bias": ones(4)}, "bias"),
        ("max_pool_grad", {"grad_output": ones(2, 3, 3, 2)}, "grad_output"),
        ("max_pool_grad", {"grad_output": ones(3, 3, 3)}, "grad_output"),
        ("max_pool_grad", {"taps": np.zeros((2, 3, 3, 2), np.uint8)}, "taps"),
        ("max_pool_pick", {"taps": np.zeros((2, 3, 5, 6), np.uint8)}, "taps"),
        ("max_pool_pick", {"values": ones(2, 3, 5, 5)}, "values"),
        ("avg_pool_grad", {"grad_output": ones(2, 3, 3, 4)}, "grad_output"),
        ("relu_grad", {"grad_output": ones(4, 3)}, "grad_output"),
        ("cross_entropy_forward", {"target": np.array([0, 1])}, "target"),
        ("cross_entropy_forward", {"class_weight": ones(3)}, "class_weight"),
        ("cross_entropy_forward", {"input": ones()}, "input"),
        ("cross_entropy_grad", {"grad_losses": ones(4)}, "grad_losses"),
    ],
)
def test_shapes_that_do_not_match(name, changes, blamed):
    operation = next(o for o in OPERATIONS if o.name == name)
    with pytest.raises(ValueError, match=r"(?s)expected.*received") as caught:
        operation(**changes)
    # Of two arguments that contradict each other either may be blamed, but the other must be named too.
    message = str(caught.value)
    assert blamed in message, message
    assert message.split(":")[0] in operation.kinds, message


def test_softmax_of_a_scalar():
    """As in torch, a scalar counts as one axis of one element."""
    for dim in (0, -1):
        assert _core.softmax_forward(np.full((), 3, np.float32), dim, False) == 1
    for dim in (1, -2):
        with pytest.raises((ValueError, IndexError), match=r"^dim: "):
            _core.softmax_forward(np.ones((), np.float32), dim, False)


@pairs("target")
@values(np.array([0, 1, 4]), np.array([0, -1, 2]), np.array([0, 1, 2**40]), np.array([0, 1, -(2**63)]),
        np.array([0, 1, 2**63], np.uint64))  # fmt: skip
def test_targets_out_of_range(operation, argument, value):
    assert_refuses(operation, argument, value, IndexError)


@pairs("target")
@values(np.array([0.0, 1.0, 2.0]), np.array([0, 1, None]), np.array([True, False, True]), None, 1, "012",
        np.array([0, 1, 2j]), np.ma.masked_array([0, 1, 2], [0, 1, 0]),
        np.array(["0", "1", "2"]))  # fmt: skip
def test_targets_of_other_types(operation, argument, value):
    assert_refuses(operation, argument, value)


# -- out --------------------------------------------------------------------------------------


def _refused_outs(good):
    """(reason, an array that out must not be) for a result like `good`."""
    shape, dtype = good.shape, good.dtype
    yield "shape", np.zeros((*shape[:-1], shape[-1] + 1), dtype)
    yield "rank", np.zeros((1, *shape), dtype)
    yield "float64", np.zeros(shape, np.float64)
    yield "integers", np.zeros(shape, np.int32)
    yield "byte order", np.zeros(shape, dtype.newbyteorder())
    yield "strides", np.zeros(shape[::-1], dtype).T
    yield "slices", np.zeros((*shape[:-1], 2 * shape[-1]), dtype)[..., ::2]
    yield "reversed", np.zeros(shape, dtype)[::-1]
    yield "misaligned", np.zeros(good.nbytes + 1, np.uint8)[1:].view(dtype).reshape(shape)
    read_only = np.zeros(shape, dtype)
    read_only.flags.writeable = False
    yield "read-only", read_only
    yield "masked", np.ma.zeros(shape, dtype)
    yield "list", good.tolist()
    yield "number", 1.0
    yield "text", "out"


@pytest.mark.parametrize("operation", WITH_OUT, ids=lambda o: o.name)
def test_out(operation):
    for reason, out in _refused_outs(operation()):
        with pytest.raises((ValueError, TypeError)) as caught:
            operation(out=out)
        assert str(caught.value).startswith("out: "), (reason, caught.value)
        if isinstance(out, np.ndarray):
            assert not np.any(out), f"{reason}: written before it was refused"


@pytest.mark.parametrize("operation", WITH_OUT, ids=lambda o: o.name)
def test_out_must_not_overlap_an_input(operation):
    """In whole, in part, and by the last byte alone."""
    result = operation()
    for argument in operation.having("array", "optional array", "any rank"):
        good = operation.arguments[argument]
        for shared in (min(good.size, result.size), 1):
            buffer = np.zeros(good.size + result.size, np.float32)
            array = buffer[: good.size].reshape(good.shape)
            array[...] = good
            out = buffer[good.size - shared : good.size - shared + result.size].reshape(result.shape)
            before = buffer.copy()
            with pytest.raises(ValueError, match=r"^out: "):
                operation(**{argument: array, "out": out})
            assert (buffer == before).all()
        # Side by side is no overlap.
        buffer = np.zeros(good.size + result.size, np.float32)
        array = buffer[: good.size].reshape(good.shape)
        array[...] = good
        out = buffer[good.size :].reshape(result.shape)
        operation(**{argument: array, "out": out})
        assert (out == result).all()


@pytest.mark.parametrize("operation", WITH_OUT, ids=lambda o: o.name)
def test_out_keeps_its_values_on_an_error(operation):
    sentinel = np.full(operation().shape, 7, np.float32)
    hostile = {"positive": 0, "optional positive": -1, "padding": -1, "groups": 3, "array": ones(1), "dim": 5,
               "divisor": 0, "any rank": np.ones(3), "optional array": ones(1), "axes": 9}  # fmt: skip
    for argument, kind in operation.kinds.items():
        if kind in hostile:
            with pytest.raises(DOCUMENTED):
                operation(**{argument: hostile[kind], "out": sentinel})
            assert (sentinel == 7).all(), argument


# -- runtime ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "argument", "hostile"),
    [
        ("set_num_threads", "threads", [0, -1, -(2**63), 2**31, 2**64, 1.0, 1.5, "2", None, [1]]),
        ("set_isa", "isa", ["", "sse9", "AVX2", "avx", 3, None, b"avx2", ["avx2"]]),
        ("set_precision", "precision", ["", "fast", "Strict", 3, None, b"strict"]),
    ],
)
def test_runtime_settings(name, argument, hostile):
    get = {"set_num_threads": _core.get_num_threads, "set_isa": _core.isa, "set_precision": _core.precision}[
        name
    ]
    before = get()
    for value in hostile:
        with pytest.raises((ValueError, TypeError, OverflowError)) as caught:
            getattr(_core, name)(value)
        message = str(caught.value)
        assert shows(message, value), message
        assert get() == before, value


# -- drawn ------------------------------------------------------------------------------------

ANYTHING = st.one_of(
    st.integers(),
    st.integers(-3, 9),
    st.sampled_from([2**31 - 1, 2**31, 2**32, 2**63 - 1, 2**63, 2**64, -(2**63)]),
    st.floats(),
    st.text(max_size=8),
    st.binary(max_size=4),
    st.none(),
    st.booleans(),
    st.complex_numbers(),
    st.lists(
        st.one_of(st.integers(-2, 4), st.sampled_from([2**31, 2**63 - 1, 2**64]), st.none()), max_size=4
    ),
    st.lists(st.tuples(st.integers(-2, 4), st.integers(-2, 4)), max_size=4),
    st.sampled_from(
        [np.int8(1), np.uint64(2**64 - 1), np.float64(1), np.array(1), np.array([1, 1]), np.array([1.0])]
    ),
    st.sampled_from(
        [ones(2, 4, 5, 6), ones(3, 4), ones(), ones(0), np.ones((2, 4, 5, 6)), np.ones((3, 4), int)]
    ),
)


@given(data=st.data())
@settings(max_examples=1500)
def test_anything_at_all(data):
    """Whatever replaces whichever arguments, the call gives an array or an error that blames one."""
    operation = data.draw(st.sampled_from(OPERATIONS))
    names = data.draw(st.lists(st.sampled_from(sorted(operation.kinds)), min_size=1, max_size=3, unique=True))
    changes = {name: data.draw(ANYTHING, label=name) for name in names}
    # A padding of millions is good where there is memory; keep to what is refused for certain.
    assume(not any(2**8 < size < 2**31 for size in _integers(changes.values())))
    # Nor make arrays that would fill the memory.
    assume("output_size" not in changes or not any(2**8 < n < 2**60 for n in _integers(changes.values())))
    try:
        assert isinstance(operation(**changes), np.ndarray)
    except DOCUMENTED as error:
        if isinstance(error, MemoryError):
            return
        blamed = str(error).split(":")[0]
        assert blamed in operation.kinds.keys() | operation.arguments.keys(), error
        assert "expected" in str(error), error
        assert "received" in str(error), error


def _integers(values):
    for value in values:
        if isinstance(value, (list, tuple)):
            yield from _integers(value)
        elif isinstance(value, int):
            yield value
