"""`convnative.shapes` and the core answer every question about sizes alike, refusals included."""

import numpy as np
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from convnative import _core, shapes

# Mostly good values, and some of every bad kind.
WINDOW = st.sampled_from([1, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5, 7, 0, -1])
SIDES = st.sampled_from([0, 0, 0, 1, 1, 1, 2, 2, 3, 4, -1])
ODD = st.sampled_from(
    [1.0, None, "1", 2**63 - 1, 2**63, 2**64, -(2**63), [], [1, 1, 1, 1], [[1]], [None], True]
)
NAMES = st.sampled_from(["valid", "same", "same_lower", "causal", "full", ""])


def rarely(odd, common, share=12):
    return st.integers(1, share).flatmap(lambda n: odd if n == 1 else common)


def one_or_each(values, axes):
    return st.one_of(
        values, st.lists(values, min_size=1, max_size=1), st.lists(values, min_size=axes, max_size=axes)
    )


def paddings(axes):
    pairs = st.lists(st.tuples(SIDES, SIDES), min_size=axes, max_size=axes)
    return rarely(ODD, st.one_of(one_or_each(SIDES, axes), pairs, NAMES))


@st.composite
def convolutions(draw):
    axes = draw(st.integers(1, 3))
    groups = draw(rarely(ODD, st.integers(0, 4)))
    factor = groups if isinstance(groups, int) and 0 < groups < 9 else 1
    per_group = draw(rarely(st.just(0), st.integers(1, 3)))
    channels = draw(rarely(st.integers(0, 9), st.just(per_group * factor)))
    out_channels = draw(rarely(st.integers(0, 7), st.integers(1, 3).map(lambda k: k * factor)))
    batch = draw(st.sampled_from([(), (0,), (1,), (2,)]))
    sizes = draw(st.lists(rarely(st.just(0), st.integers(1, 12), 30), min_size=axes, max_size=axes))
    kernel = draw(st.lists(rarely(st.just(0), st.integers(1, 5), 30), min_size=axes, max_size=axes))
    return {
        "input_shape": (*batch, channels, *sizes),
        "weight_shape": (out_channels, per_group, *kernel),
        "stride": draw(rarely(ODD, one_or_each(WINDOW, axes))),
        "padding": draw(paddings(axes)),
        "dilation": draw(rarely(ODD, one_or_each(WINDOW, axes))),
        "groups": groups,
    }


@st.composite
def pools(draw):
    axes = draw(st.integers(1, 3))
    batch = draw(st.sampled_from([(), (0,), (1,), (2,)]))
    sizes = draw(st.lists(rarely(st.just(0), st.integers(1, 12), 30), min_size=axes, max_size=axes))
    return {
        "axes": axes,
        "input_shape": (*batch, draw(rarely(st.just(0), st.integers(1, 3))), *sizes),
        "kernel_size": draw(rarely(ODD, one_or_each(WINDOW, axes))),
        "stride": draw(st.one_of(st.none(), rarely(ODD, one_or_each(WINDOW, axes)))),
        "padding": draw(paddings(axes)),
        "dilation": draw(rarely(ODD, one_or_each(WINDOW, axes))),
        "ceil_mode": draw(st.booleans()),
    }


def outcome(function):
    """The shape, or the kind of error."""
    try:
        return tuple(function())
    except (ValueError, TypeError, OverflowError) as error:
        return type(error)


def agree(ours, core, context):
    event("refused" if isinstance(ours, type) else "answered")
    if isinstance(ours, type) and isinstance(core, type):
        # An argument that is bad in two ways may be refused for either.
        kinds = {ours, core}
        assert len(kinds) == 1 or TypeError not in kinds or context_is_bad_twice(context), (
            ours,
            core,
            context,
        )
    else:
        assert ours == core, (ours, core, context)


def context_is_bad_twice(context):
    """Whether more than one argument is of a kind that neither side takes."""

    def bad(value):
        if isinstance(value, (list, tuple)):
            return any(map(bad, value)) or not value
        return isinstance(value, bool) or not isinstance(value, int) or not -1 < value < 2**63

    return sum(bad(value) for name, value in context.items() if name != "ceil_mode") > 1


@given(case=convolutions())
@settings(max_examples=1500)
@example(case={"input_shape": (1, 1, 5), "weight_shape": (1, 1, 3), "stride": 2**63 - 1, "padding": 0,
               "dilation": 1, "groups": 1})  # fmt: skip
def test_convolutions(case):
    ours = outcome(lambda: shapes.conv_output_shape(**case))
    axes = len(case["weight_shape"]) - 2
    x, w = (np.zeros(case[name], np.float32) for name in ("input_shape", "weight_shape"))
    geometry = case["stride"], case["padding"], case["dilation"], case["groups"]
    agree(ours, outcome(lambda: _core.conv_forward(axes, x, w, None, *geometry).shape), case)


@given(case=pools())
@settings(max_examples=1500)
def test_max_pools(case):
    ours = outcome(lambda: shapes.pool_output_shape(**case))
    x = np.zeros(case["input_shape"], np.float32)
    names = "kernel_size", "stride", "padding", "dilation", "ceil_mode"
    agree(
        ours, outcome(lambda: _core.max_pool_forward(case["axes"], x, *(case[n] for n in names)).shape), case
    )


@given(case=pools())
@settings(max_examples=1500)
def test_average_pools(case):
    case["dilation"] = 1
    ours = outcome(lambda: shapes.pool_output_shape(**case))
    x = np.zeros(case["input_shape"], np.float32)
    values = [case[n] for n in ("kernel_size", "stride", "padding", "ceil_mode")]
    agree(ours, outcome(lambda: _core.avg_pool_forward(case["axes"], x, *values, True, None).shape), case)


@given(case=convolutions())
@settings(max_examples=300)
def test_the_amount_of_padding(case):
    """Where a named padding puts its elements, not only how many outputs it gives."""
    try:
        kernel_size = case["weight_shape"][2:]
        input_size = case["input_shape"][-len(kernel_size) :]
        pairs = shapes.resolve_padding(
            case["padding"], input_size, kernel_size, case["stride"], case["dilation"]
        )
        shapes.conv_output_shape(**case)
    except (ValueError, TypeError, OverflowError):
        return
    axes = len(pairs)
    rng = np.random.default_rng(0)
    x, w = (rng.integers(-4, 5, case[name]).astype(np.float32) for name in ("input_shape", "weight_shape"))
    named = _core.conv_forward(
        axes, x, w, None, case["stride"], case["padding"], case["dilation"], case["groups"]
    )
    explicit = _core.conv_forward(
        axes, x, w, None, case["stride"], list(pairs), case["dilation"], case["groups"]
    )
    assert (named == explicit).all()
