"""Losses."""

PAIRS = [
    ("{f}-shapes-differ", "F.{f}(ones(3) / 2, ones(4))", "ValueError", "input|target"),
    ("{f}-types-differ", "F.{f}(ones(3) / 2, np.ones(3))", "TypeError", "input|target"),
    ("{f}-target-of-integers", "F.{f}(ones(3) / 2, np.ones(3, int))", "TypeError", "target"),
    ("{f}-target-list", "F.{f}(ones(3) / 2, [1.0] * 3)", "TypeError", "target"),
    ("{f}-target-none", "F.{f}(ones(3) / 2, None)", "TypeError", "target"),
    ("{f}-input-masked", "F.{f}(np.ma.masked_array(ones(3) / 2, [0, 1, 0]), ones(3))", "TypeError", "input"),
    ("{f}-reduction", "F.{f}(ones(3) / 2, ones(3), reduction='average')", "ValueError", "reduction"),
    ("{f}-reduction-none", "F.{f}(ones(3) / 2, ones(3), reduction=None)",
     "ValueError TypeError", "reduction"),
    ("{f}-reduction-list", "F.{f}(ones(3) / 2, ones(3), reduction=['sum'])",
     "ValueError TypeError", "reduction"),
    ("{f}-huge-views", "F.{f}(huge(2**40), huge(2**40))", "MemoryError", "input|target"),
    ("{f}-of-nothing", "F.{f}(ones(0), ones(0), reduction='sum')", "ok", "y == 0"),
]  # fmt: skip

CASES = [
    (name.format(f=f), code.format(f=f), outcome, detail)
    for f in (
        "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "binary_cross_entropy",
        "binary_cross_entropy_with_logits", "kl_div",
    )
    for name, code, outcome, detail in PAIRS
] + [
    ("huber-delta-0", "F.huber_loss(ones(3), ones(3), delta=0)", "ValueError", "delta"),
    ("huber-delta-negative", "F.huber_loss(ones(3), ones(3), delta=-1.0)", "ValueError", "delta"),
    ("huber-delta-nan", "F.huber_loss(ones(3), ones(3), delta=float('nan'))", "ValueError", "delta"),
    ("huber-delta-str", "F.huber_loss(ones(3), ones(3), delta='1')", "TypeError", "delta"),
    ("smooth-beta-negative", "F.smooth_l1_loss(ones(3), ones(3), beta=-1.0)", "ValueError", "beta"),
    ("smooth-beta-nan", "F.smooth_l1_loss(ones(3), ones(3), beta=float('nan'))", "ValueError", "beta"),
    ("bce-input-over-1", "F.binary_cross_entropy(ones(3) * 2, ones(3))", "ValueError", "input"),
    ("bce-input-nan", "F.binary_cross_entropy(ones(3) * np.nan, ones(3))", "ValueError", "input"),
    ("bce-input-0", "F.binary_cross_entropy(ones(3) * 0, ones(3))", "ok", "y == 100"),
    ("bce-weight-other", "F.binary_cross_entropy(ones(3), ones(3), ones(2))", "ValueError", "weight"),
    ("bce-logits-infinite", "F.binary_cross_entropy_with_logits(ones(3) * 1e30, ones(3))", "ok", "y == 0"),
    ("bce-pos-weight-other", "F.binary_cross_entropy_with_logits(ones(3), ones(3), pos_weight=ones(2))",
     "ValueError", "pos_weight"),
    ("kl-log-target-word", "F.kl_div(ones(3), ones(3), log_target='no')", "TypeError", "log_target"),
] + [
    (name.format(f=f), code.format(f=f), outcome, detail)
    for f in ("cross_entropy", "nll_loss")
    for name, code, outcome, detail in [
        ("{f}-target-past-the-end", "F.{f}(ones(2, 3), np.array([0, 3]))", "IndexError ValueError", "target"),
        ("{f}-target-negative", "F.{f}(ones(2, 3), np.array([0, -1]))", "IndexError ValueError", "target"),
        ("{f}-target-2**32+1", "F.{f}(ones(2, 3), np.array([0, 2**32 + 1]))",
         "IndexError ValueError", "target"),
        ("{f}-target-uint64", "F.{f}(ones(2, 3), np.array([0, 2**64 - 1], np.uint64))",
         "IndexError ValueError", "target"),
        ("{f}-target-bool", "F.{f}(ones(2, 3), np.array([True, False]))", "TypeError", "target"),
        ("{f}-target-object", "F.{f}(ones(2, 3), np.array([0, 1], object))", "TypeError", "target"),
        ("{f}-target-list", "F.{f}(ones(2, 3), [0, 1])", "TypeError", "target"),
        ("{f}-target-other-batch", "F.{f}(ones(2, 3), np.array([0, 1, 2]))", "ValueError", "target|input"),
        ("{f}-target-other-space", "F.{f}(ones(2, 3, 4), np.zeros((2, 5), int))",
         "ValueError", "target|input"),
        ("{f}-input-without-axes", "F.{f}(ones(), np.array(0))", "ValueError", "input"),
        ("{f}-weight-other", "F.{f}(ones(2, 3), np.array([0, 1]), ones(2))", "ValueError", "weight"),
        ("{f}-weight-float64", "F.{f}(ones(2, 3), np.array([0, 1]), np.ones(3))", "TypeError", "weight"),
        ("{f}-weight-list", "F.{f}(ones(2, 3), np.array([0, 1]), [1.0] * 3)", "TypeError", "weight"),
        ("{f}-ignore-float", "F.{f}(ones(2, 3), np.array([0, 1]), ignore_index=0.0)", "TypeError",
         "ignore_index"),
        ("{f}-ignore-past-int64", "F.{f}(ones(2, 3), np.array([0, 1]), ignore_index=2**63)",
         "OverflowError", "ignore_index"),
        ("{f}-ignore-all", "F.{f}(ones(2, 3), np.array([1, 1]), ignore_index=1)", "ok", "np.isnan(y)"),
        ("{f}-reduction", "F.{f}(ones(2, 3), np.array([0, 1]), reduction='max')", "ValueError", "reduction"),
        ("{f}-huge-view", "F.{f}(huge(2**20, 2**20), np.zeros(2**20, int))", "MemoryError", "input"),
    ]
] + [
    ("cross-entropy-smoothing-negative",
     "F.cross_entropy(ones(2, 3), np.array([0, 1]), label_smoothing=-0.1)",
     "ValueError", "label_smoothing"),
    ("cross-entropy-smoothing-2", "F.cross_entropy(ones(2, 3), np.array([0, 1]), label_smoothing=2.0)",
     "ValueError", "label_smoothing"),
    ("cross-entropy-smoothing-nan",
     "F.cross_entropy(ones(2, 3), np.array([0, 1]), label_smoothing=float('nan'))",
     "ValueError", "label_smoothing"),
    ("cross-entropy-probabilities-other-type", "F.cross_entropy(ones(2, 3), np.ones((2, 3)))", "TypeError",
     "target|input"),
    ("cross-entropy-probabilities-other-shape", "F.cross_entropy(ones(2, 3), ones(2, 4))", "ValueError",
     "target|input"),
]  # fmt: skip
