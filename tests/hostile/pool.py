"""Pools of every kind and what undoes them."""

from .rows import for_axes

X = "ramp(1, 2, *[6] * {n})"
VALUES = "ones(1, 1, *[2] * {n})"
INDICES = "np.zeros((1, 1, *[2] * {n}), int)"

WINDOWS = [
    ("{f}-kernel-0", "F.{f}{n}d({x}, {p}0)", "ValueError", "kernel_size"),
    ("{f}-kernel-negative", "F.{f}{n}d({x}, {p}-2)", "ValueError", "kernel_size"),
    ("{f}-kernel-too-large", "F.{f}{n}d({x}, {p}7)", "ValueError", "kernel_size|input"),
    ("{f}-kernel-2**63-1", "F.{f}{n}d({x}, {p}2**63 - 1)", "ValueError OverflowError", "kernel_size|input"),
    ("{f}-kernel-2**63", "F.{f}{n}d({x}, {p}2**63)", "OverflowError", "kernel_size"),
    ("{f}-kernel-none", "F.{f}{n}d({x}, {p}None)", "TypeError", "kernel_size"),
    ("{f}-kernel-float", "F.{f}{n}d({x}, {p}2.0)", "TypeError", "kernel_size"),
    ("{f}-kernel-bool", "F.{f}{n}d({x}, {p}True)", "TypeError", "kernel_size"),
    ("{f}-kernel-str", "F.{f}{n}d({x}, {p}'2')", "TypeError", "kernel_size"),
    ("{f}-kernel-empty", "F.{f}{n}d({x}, {p}[])", "ValueError", "kernel_size"),
    ("{f}-kernel-of-other-length", "F.{f}{n}d({x}, {p}[2] * ({n} + 1))", "ValueError", "kernel_size"),
    ("{f}-kernel-numpy", "F.{f}{n}d({x}, {p}np.int64(2))", "ok", "y.shape[2:] == (3,) * (y.ndim - 2)"),
    ("{f}-stride-0", "F.{f}{n}d({x}, {p}2, 0)", "ValueError", "stride"),
    ("{f}-stride-negative", "F.{f}{n}d({x}, {p}2, -1)", "ValueError", "stride"),
    ("{f}-stride-float", "F.{f}{n}d({x}, {p}2, 1.5)", "TypeError", "stride"),
    ("{f}-stride-greatest", "F.{f}{n}d({x}, {p}2, 2**63 - 1)", "ok", "y.shape[2:] == (1,) * (y.ndim - 2)"),
    ("{f}-stride-greatest-ceil", "F.{f}{n}d({x}, {p}2, 2**63 - 1, ceil_mode=True)", "ok",
     "y.shape[2:] == (1,) * (y.ndim - 2)"),
    ("{f}-ceil-mode-word", "F.{f}{n}d({x}, {p}2, ceil_mode='up')", "TypeError ValueError", "ceil_mode"),
    ("{f}-ceil-mode-number", "F.{f}{n}d({x}, {p}2, ceil_mode=1)", "TypeError", "ceil_mode"),
    ("{f}-ceil-mode-none", "F.{f}{n}d({x}, {p}2, ceil_mode=None)", "TypeError", "ceil_mode"),
    ("{f}-input-without-axes", "F.{f}{n}d(ones(), {p}2)", "ValueError", "input"),
    ("{f}-input-of-too-few-axes", "F.{f}{n}d(ones(*[6] * {n}), {p}2)", "ValueError", "input"),
    ("{f}-input-of-too-many-axes", "F.{f}{n}d(ones(1, 1, 2, *[6] * {n}), {p}2)", "ValueError", "input"),
    ("{f}-input-empty-space", "F.{f}{n}d(ones(1, 2, *[0] * {n}), {p}2)", "ValueError", "input|kernel_size"),
    ("{f}-input-huge-view", "F.{f}{n}d(huge(2**20, 2, *[2**12] * {n}), {p}1)", "MemoryError OverflowError",
     "input|output"),
    ("{f}-batch-empty", "F.{f}{n}d({x}[:0], {p}2)", "ok", "y.shape == (0, 2, *[3] * (y.ndim - 2))"),
]  # fmt: skip

PADDED = [
    ("{f}-padding-negative", "F.{f}{n}d({x}, 2, padding=-1)", "ValueError", "padding"),
    ("{f}-padding-over-half", "F.{f}{n}d({x}, 3, padding=2)", "ValueError", "padding"),
    ("{f}-padding-2**62", "F.{f}{n}d({x}, 2, padding=2**62)", "ValueError OverflowError", "padding|output"),
    ("{f}-padding-2**62-kernel-2**63-1", "F.{f}{n}d({x}, 2**63 - 1, padding=2**62)",
     "ValueError OverflowError MemoryError", "padding|kernel_size|output"),
    ("{f}-padding-2**63", "F.{f}{n}d({x}, 2, padding=2**63)", "OverflowError", "padding"),
    ("{f}-padding-word", "F.{f}{n}d({x}, 2, padding='SAME')", "ValueError", "padding"),
    ("{f}-padding-float", "F.{f}{n}d({x}, 2, padding=1.0)", "TypeError", "padding"),
    ("{f}-padding-triples", "F.{f}{n}d({x}, 2, padding=[(0, 1, 0)] * {n})", "ValueError", "padding"),
    ("{f}-dilation-0", "F.{f}{n}d({x}, 2, dilation=0)", "ValueError", "dilation"),
    ("{f}-dilation-negative", "F.{f}{n}d({x}, 2, dilation=-1)", "ValueError", "dilation"),
    ("{f}-dilation-2**31-1-of-kernel-1", "F.{f}{n}d({x}, 1, dilation=2**31 - 1)", "ok",
     "(y == ramp(*y.shape)).all()"),
    ("{f}-dilation-times-kernel-past-int64", "F.{f}{n}d({x}, 4, dilation=2**62)", "OverflowError ValueError",
     "kernel_size|dilation"),
    ("{f}-grad-other-size", "F.{f}{n}d_grad_input({g}, {i}, 3)", "ValueError", "grad_output|{j}"),
    ("{f}-grad-float64", "F.{f}{n}d_grad_input({g}.astype(np.float16), {i}, 2)", "TypeError",
     "grad_output|input"),
    ("{f}-grad-other-batch", "F.{f}{n}d_grad_input({g}[:0], {i}, 2)", "ValueError", "grad_output|{j}"),
    ("{f}-grad-stride-0", "F.{f}{n}d_grad_input({g}, {i}, 2, 0)", "ValueError", "stride"),
    ("{f}-out-read-only", "F.{f}{n}d({x}, 2, out=read_only(1, 2, *[3] * {n}))", "ValueError", "out"),
    ("{f}-out-of-other-shape", "F.{f}{n}d({x}, 2, out=ones(1, 2, *[4] * {n}))", "ValueError", "out"),
    ("{f}-out-float64", "F.{f}{n}d({x}, 2, out=np.ones((1, 2, *[3] * {n})))", "TypeError", "out"),
    ("{f}-out-is-input", "x = {x}; y = F.{f}{n}d(x, 1, out=x)", "ValueError", "out"),
    ("{f}-out-reversed", "F.{f}{n}d({x}, 2, out=ones(1, 2, *[3] * {n})[::-1, ::-1])", "ValueError", "out"),
]  # fmt: skip

ANY = [
    ("avg-include-word", "F.avg_pool{n}d({x}, 2, count_include_pad='no')", "TypeError", "count_include_pad"),
    ("max-indices-word", "F.max_pool{n}d({x}, 2, return_indices='yes')", "TypeError", "return_indices"),
    ("max-indices-of-nan", "F.max_pool{n}d({x} * np.nan, 6, return_indices=True)", "ok",
     "np.isnan(y[0]).all() and (y[1] == 6 ** (y[0].ndim - 2) - 1).all()"),
    ("max-of-minus-infinity", "F.max_pool{n}d({x} - np.inf, 3, padding=1)", "ok", "np.isneginf(y).all()"),
    ("lp-norm-0", "F.lp_pool{n}d({x}, 0, 2)", "ValueError", "norm_type"),
    ("lp-norm-str", "F.lp_pool{n}d({x}, '2', 2)", "TypeError", "norm_type"),
    ("lp-norm-none", "F.lp_pool{n}d({x}, None, 2)", "TypeError", "norm_type"),
    ("lp-norm-complex", "F.lp_pool{n}d({x}, 2j, 2)", "TypeError", "norm_type"),
]  # fmt: skip

DIVISORS = [
    ("avg-divisor-0", "F.avg_pool{n}d({x}, 2, divisor_override=0)", "ValueError", "divisor_override"),
    ("avg-divisor-float", "F.avg_pool{n}d({x}, 2, divisor_override=1.5)", "TypeError", "divisor_override"),
    ("avg-divisor-bool", "F.avg_pool{n}d({x}, 2, divisor_override=True)", "TypeError", "divisor_override"),
    ("avg-divisor-past-int64", "F.avg_pool{n}d({x}, 2, divisor_override=2**63)", "OverflowError",
     "divisor_override"),
    ("avg-divisor-least", "F.avg_pool{n}d({x}, 2, divisor_override=-2**63)", "ok", "np.abs(y).max() < 1e-10"),
]  # fmt: skip

ADAPTIVE = [
    ("{f}-negative", "F.{f}{n}d({x}, -1)", "ValueError", "output_size"),
    ("{f}-float", "F.{f}{n}d({x}, 2.0)", "TypeError", "output_size"),
    ("{f}-bool", "F.{f}{n}d({x}, True)", "TypeError", "output_size"),
    ("{f}-str", "F.{f}{n}d({x}, '2')", "TypeError", "output_size"),
    ("{f}-empty", "F.{f}{n}d({x}, [])", "ValueError", "output_size"),
    ("{f}-of-other-length", "F.{f}{n}d({x}, [2] * ({n} + 1))", "ValueError", "output_size"),
    ("{f}-2**62", "F.{f}{n}d({x}, 2**62)", "OverflowError MemoryError", "output_size|output"),
    ("{f}-2**63-1", "F.{f}{n}d({x}, 2**63 - 1)", "OverflowError MemoryError", "output_size|output"),
    ("{f}-2**63", "F.{f}{n}d({x}, 2**63)", "OverflowError", "output_size"),
    ("{f}-product-past-int64", "F.{f}{n}d(huge(2**30, 2**28, *[1] * {n}), 2**31)",
     "OverflowError MemoryError", "output_size|output|input"),
    ("{f}-larger-than-input", "F.{f}{n}d(ones(1, 2, *[2] * {n}), 5)", "ok",
     "y.shape[2:] == (5,) * (y.ndim - 2) and (y == 1).all()"),
    ("{f}-input-without-axes", "F.{f}{n}d(ones(), 2)", "ValueError", "input"),
    ("{f}-input-empty-space", "F.{f}{n}d(ones(1, 2, *[0] * {n}), 2)", "ValueError", "input|output_size"),
    ("{f}-batch-empty", "F.{f}{n}d({x}[:0], 2)", "ok", "y.shape == (0, 2, *[2] * (y.ndim - 2))"),
]  # fmt: skip

UNPOOL = [
    ("unpool-index-negative", "F.max_unpool{n}d({v}, np.full((1, 1, *[2] * {n}), -1), 2)",
     "IndexError ValueError", "indices"),
    ("unpool-index-past-the-end",
     "F.max_unpool{n}d({v}, np.full((1, 1, *[2] * {n}), 4**{n}), 2)",
     "IndexError ValueError", "indices"),
    ("unpool-index-2**32+3",
     "F.max_unpool{n}d({v}, np.full((1, 1, *[2] * {n}), 2**32 + 3), 2)",
     "IndexError ValueError", "indices"),
    ("unpool-index-greatest",
     "F.max_unpool{n}d({v}, np.full((1, 1, *[2] * {n}), 2**63 - 1), 2)",
     "IndexError ValueError", "indices"),
    ("unpool-index-least",
     "F.max_unpool{n}d({v}, np.full((1, 1, *[2] * {n}), -2**63), 2)",
     "IndexError ValueError", "indices"),
    ("unpool-index-uint64",
     "F.max_unpool{n}d({v}, np.full((1, 1, *[2] * {n}), 2**64 - 1, np.uint64), 2)",
     "IndexError ValueError TypeError", "indices"),
    ("unpool-one-bad-among-good",
     "i = {i}; i.flat[-1] = 4**{n}; "
     "y = F.max_unpool{n}d({v}, i, 2)",
     "IndexError ValueError", "indices"),
    ("unpool-index-float", "F.max_unpool{n}d({v}, ones(1, 1, *[2] * {n}), 2)",
     "TypeError", "indices"),
    ("unpool-index-bool",
     "F.max_unpool{n}d({v}, np.ones((1, 1, *[2] * {n}), bool), 2)",
     "TypeError", "indices"),
    ("unpool-index-list", "F.max_unpool{n}d({v}, [0], 2)", "TypeError", "indices"),
    ("unpool-index-of-other-shape",
     "F.max_unpool{n}d({v}, np.zeros((1, 1, *[1] * {n}), int), 2)",
     "ValueError", "indices"),
    ("unpool-kernel-0",
     "F.max_unpool{n}d({v}, {i}, 0)",
     "ValueError", "kernel_size"),
    ("unpool-stride-2**62",
     "F.max_unpool{n}d({v}, {i}, 2, 2**62)",
     "OverflowError MemoryError", "stride|output|output_size"),
    ("unpool-padding-too-large",
     "F.max_unpool{n}d({v}, {i}, 2, 2, 2**62)",
     "ValueError OverflowError", "padding|output"),
    ("unpool-size-other",
     "F.max_unpool{n}d({v}, {i}, 2, output_size=[9] * {n})",
     "ValueError", "output_size"),
    ("unpool-size-negative",
     "F.max_unpool{n}d({v}, {i}, 2, output_size=[-1] * {n})",
     "ValueError", "output_size"),
    ("unpool-size-past-int64",
     "F.max_unpool{n}d({v}, {i}, 2, output_size=[2**63] * {n})",
     "OverflowError ValueError", "output_size"),
    ("unpool-size-of-other-length",
     "F.max_unpool{n}d({v}, {i}, 2, output_size=[4] * ({n} + 3))",
     "ValueError", "output_size"),
    ("unpool-the-same-index-twice",
     "F.max_unpool{n}d({v}, {i}, 2)",
     "ok", "y.flat[0] == 1 and y.sum() == 1"),
]  # fmt: skip

FRACTIONAL = [
    ("fractional-kernel-0", "F.fractional_max_pool{n}d({x}, 0, 2, _random_samples=ones(1, 2, {n}) / 2)",
     "ValueError", "kernel_size"),
    ("fractional-neither", "F.fractional_max_pool{n}d({x}, 2)", "ValueError", "output_size|output_ratio"),
    ("fractional-size-too-large", "F.fractional_max_pool{n}d({x}, 3, 5)", "ValueError",
     "output_size|kernel_size|input"),
    ("fractional-size-negative", "F.fractional_max_pool{n}d({x}, 2, -1)", "ValueError", "output_size"),
    ("fractional-size-2**63-1", "F.fractional_max_pool{n}d({x}, 2, 2**63 - 1)", "ValueError OverflowError",
     "output_size|kernel_size|input"),
    ("fractional-ratio-nan", "F.fractional_max_pool{n}d({x}, 2, output_ratio=float('nan'))", "ValueError",
     "output_ratio"),
    ("fractional-ratio-2", "F.fractional_max_pool{n}d({x}, 2, output_ratio=2.0)", "ValueError",
     "output_ratio"),
    ("fractional-samples-of-other-shape",
     "F.fractional_max_pool{n}d({x}, 2, 3, _random_samples=ones(1, 3, {n}) / 2)", "ValueError",
     "_random_samples"),
    ("fractional-samples-nan",
     "F.fractional_max_pool{n}d({x}, 2, 3, _random_samples=ones(1, 2, {n}) * np.nan)", "ValueError",
     "_random_samples"),
    ("fractional-samples-large",
     "F.fractional_max_pool{n}d({x}, 2, 3, _random_samples=ones(1, 2, {n}) * 1e30)", "ValueError",
     "_random_samples"),
    ("fractional-samples-negative",
     "F.fractional_max_pool{n}d({x}, 2, 3, _random_samples=-ones(1, 2, {n}))", "ValueError",
     "_random_samples"),
]  # fmt: skip

GLOBAL = [
    ("global-avg-without-axes", "F.global_avg_pool(ones())", "ValueError", "input"),
    ("global-max-without-axes", "F.global_max_pool(ones())", "ValueError", "input"),
    ("global-max-of-nothing", "F.global_max_pool(ones(1, 2, 0))", "ValueError", "input"),
    ("global-avg-huge-view", "F.global_avg_pool(huge(1, 1, 2**40))", "MemoryError", "input"),
]  # fmt: skip


def _of(rows, function, before="", **names):
    """Fill the name of a function into the rows, and what stands before its kernel_size."""
    names = {"f": function, "p": before, **names}
    filled = []
    for name, code, outcome, detail in rows:
        for key, value in names.items():
            name, code, detail = (text.replace(f"{{{key}}}", value) for text in (name, code, detail))
        filled.append((name, code, outcome, detail))
    return filled


CASES = (
    for_axes(
        [
            *_of(WINDOWS, "max_pool"),
            *_of(WINDOWS, "avg_pool"),
            *_of(WINDOWS, "lp_pool", "2, "),
            *_of(PADDED, "max_pool", g="ones(1, 2, *[3] * {n})", i="{x}", j="input"),
            *_of(PADDED, "avg_pool", g="ones(1, 2, *[3] * {n})", i="(1, 2, *[6] * {n})", j="input_shape"),
            *ANY,
            *_of(ADAPTIVE, "adaptive_avg_pool"),
            *_of(ADAPTIVE, "adaptive_max_pool"),
            *UNPOOL,
        ],
        x=X,
        v=VALUES,
        i=INDICES,
    )
    + for_axes(DIVISORS + FRACTIONAL, axes=(2, 3), x=X)
    + GLOBAL
)
