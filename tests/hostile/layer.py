"""Constructors of layers, and layers called with what they do not take."""

from .rows import for_axes

CONVOLUTIONS = [
    ("{f}-in-0", "nn.{f}{n}d(0, 4, 3)", "ValueError", "in_channels"),
    ("{f}-in-negative", "nn.{f}{n}d(-2, 4, 3)", "ValueError", "in_channels"),
    ("{f}-in-float", "nn.{f}{n}d(2.0, 4, 3)", "TypeError", "in_channels"),
    ("{f}-in-bool", "nn.{f}{n}d(True, 4, 3)", "TypeError", "in_channels"),
    ("{f}-out-0", "nn.{f}{n}d(2, 0, 3)", "ValueError", "out_channels"),
    ("{f}-out-2**62", "nn.{f}{n}d(1, 2**62, 1)", "MemoryError OverflowError", "out_channels|shape"),
    ("{f}-kernel-0", "nn.{f}{n}d(2, 4, 0)", "ValueError", "kernel_size"),
    ("{f}-kernel-negative", "nn.{f}{n}d(2, 4, -3)", "ValueError", "kernel_size"),
    ("{f}-kernel-float", "nn.{f}{n}d(2, 4, 3.0)", "TypeError", "kernel_size"),
    ("{f}-kernel-of-other-length", "nn.{f}{n}d(2, 4, [3] * ({n} + 1))", "ValueError", "kernel_size"),
    ("{f}-kernel-2**62", "nn.{f}{n}d(2, 4, 2**62)", "MemoryError OverflowError", "kernel_size|shape"),
    ("{f}-stride-0", "nn.{f}{n}d(2, 4, 3, 0)", "ValueError", "stride"),
    ("{f}-stride-str", "nn.{f}{n}d(2, 4, 3, '1')", "TypeError", "stride"),
    ("{f}-padding-negative", "nn.{f}{n}d(2, 4, 3, padding=-1)", "ValueError", "padding"),
    ("{f}-padding-word", "nn.{f}{n}d(2, 4, 3, padding='full')", "ValueError TypeError", "padding"),
    ("{f}-dilation-0", "nn.{f}{n}d(2, 4, 3, dilation=0)", "ValueError", "dilation"),
    ("{f}-groups-0", "nn.{f}{n}d(2, 4, 3, groups=0)", "ValueError", "groups"),
    ("{f}-groups-that-do-not-divide", "nn.{f}{n}d(2, 4, 3, groups=4)", "ValueError", "groups"),
    ("{f}-padding-mode", "nn.{f}{n}d(2, 4, 3, padding_mode='mirror')", "ValueError", "padding_mode"),
    ("{f}-float16", "nn.{f}{n}d(2, 4, 3, dtype=np.float16)", "TypeError", "dtype"),
    ("{f}-called-with-other-channels", "nn.{f}{n}d(2, 4, 3)(ones(1, 3, *[5] * {n}))", "ValueError",
     "input|weight"),
    ("{f}-called-with-other-rank", "nn.{f}{n}d(2, 4, 3)(ones(2))", "ValueError", "input"),
    ("{f}-called-with-float64", "nn.{f}{n}d(2, 4, 3)(np.ones((1, 2, *[5] * {n})))", "TypeError",
     "input|weight"),
    ("{f}-called-with-none", "nn.{f}{n}d(2, 4, 3)(None)", "TypeError", "input"),
]  # fmt: skip

POOLS = [
    ("{f}-kernel-0", "nn.{f}{n}d(0)", "ValueError", "kernel_size"),
    ("{f}-kernel-negative", "nn.{f}{n}d(-2)", "ValueError", "kernel_size"),
    ("{f}-kernel-float", "nn.{f}{n}d(2.0)", "TypeError", "kernel_size"),
    ("{f}-stride-0", "nn.{f}{n}d(2, 0)", "ValueError", "stride"),
    ("{f}-padding-negative", "nn.{f}{n}d(2, 2, -1)", "ValueError", "padding"),
    ("{f}-called-with-too-small", "nn.{f}{n}d(3)(ones(1, 1, *[2] * {n}))", "ValueError", "kernel_size|input"),
]  # fmt: skip

OTHERS = [
    ("linear-in-negative", "nn.Linear(-1, 2)", "ValueError", "in_features"),
    ("linear-out-float", "nn.Linear(1, 2.0)", "TypeError", "out_features"),
    ("linear-out-2**62", "nn.Linear(1, 2**62)", "MemoryError OverflowError", "out_features|shape"),
    ("linear-dtype", "nn.Linear(1, 2, dtype=int)", "TypeError", "dtype"),
    ("linear-called-with-other-features", "nn.Linear(3, 2)(ones(1, 4))", "ValueError", "input|weight"),
    ("dropout-2", "nn.Dropout(2.0)", "ValueError", "p"),
    ("dropout-nan", "nn.Dropout(float('nan'))", "ValueError", "p"),
    ("dropout-str", "nn.Dropout('0.5')", "TypeError", "p"),
    ("dropout2d-negative", "nn.Dropout2d(-1.0)", "ValueError", "p"),
    ("softmax-dim-str", "nn.Softmax('1')(ones(2, 3))", "TypeError", "dim"),
    ("softmax-dim-9", "nn.Softmax(9)(ones(2, 3))", "IndexError ValueError", "dim"),
    ("flatten-str", "nn.Flatten('a')(ones(2, 3))", "TypeError", "start_dim"),
    ("batch-norm-float", "nn.BatchNorm2d(2.0)", "TypeError", "num_features"),
    ("batch-norm-negative", "nn.BatchNorm2d(-1)", "ValueError", "num_features"),
    ("batch-norm-2**62", "nn.BatchNorm2d(2**62)",
     "MemoryError OverflowError ValueError", "num_features|shape"),
    ("batch-norm-eps-str", "nn.BatchNorm1d(2, eps='x')(ones(3, 2))", "TypeError", "eps"),
    ("batch-norm-called-with-other-channels", "nn.BatchNorm2d(2)(ones(2, 3, 4, 4))", "ValueError",
     "input|running_mean|weight"),
    ("batch-norm-called-with-other-rank", "nn.BatchNorm2d(2)(ones(2, 2))", "ValueError", "input"),
    ("group-norm-0", "nn.GroupNorm(0, 4)", "ValueError", "num_groups"),
    ("group-norm-that-does-not-divide", "nn.GroupNorm(3, 4)", "ValueError", "num_groups|num_channels"),
    ("layer-norm-negative", "nn.LayerNorm(-3)", "ValueError", "normalized_shape"),
    ("layer-norm-float", "nn.LayerNorm(3.0)", "TypeError", "normalized_shape"),
    ("embedding-negative", "nn.Embedding(-1, 3)", "ValueError", "num_embeddings"),
    ("embedding-padding-past-the-end", "nn.Embedding(4, 3, padding_idx=4)",
     "ValueError IndexError", "padding_idx"),
    ("pixel-shuffle-0", "nn.PixelShuffle(0)(ones(1, 4, 2, 2))", "ValueError", "upscale_factor"),
    ("upsample-mode", "nn.Upsample(8, mode='best')(ones(1, 2, 4))", "ValueError", "mode"),
    ("sequential-of-a-number", "nn.Sequential(nn.ReLU(), 3)", "TypeError", r"\w+"),
    ("module-list-of-none", "nn.ModuleList([None, 1.0])", "TypeError", r"\w+"),
    ("load-other-shape", "nn.Linear(3, 2).load_state_dict(nn.Linear(2, 3).state_dict())", "ValueError",
     "state_dict"),
    ("load-other-type", "nn.Linear(3, 2).load_state_dict(nn.Linear(3, 2, dtype=float).state_dict())",
     "TypeError", "state_dict"),
    ("load-a-list", "nn.Linear(3, 2).load_state_dict([1.0])", "TypeError", "state_dict"),
]  # fmt: skip


def _of(rows, layer):
    return [(name.replace("{f}", layer), code.replace("{f}", layer), *rest) for name, code, *rest in rows]


CASES = (
    for_axes(
        _of(CONVOLUTIONS, "Conv")
        + _of(CONVOLUTIONS, "ConvTranspose")
        + _of(POOLS, "MaxPool")
        + _of(POOLS, "AvgPool")
    )
    + OTHERS
)
