"""Every argument that is an array, with arrays of every other type."""

# Arrays of one element, to be given the shape that is expected.
TYPES = {
    "float16": "np.ones(1, np.float16)",
    "int64": "np.ones(1, np.int64)",
    "bool": "np.ones(1, bool)",
    "complex": "np.ones(1, np.complex64)",
    "longdouble": "np.ones(1, np.longdouble)",
    "object": "np.array([1.0], object)",
    "str": "np.array(['1.0'])",
    "structured": "np.zeros(1, [('a', 'f4'), ('b', 'f4')])",
    "datetime": "np.zeros(1, 'M8[s]')",
    "void": "np.zeros(1, 'V4')",
}
# (name, argument, its shape, call with the argument as x)
CALLS = [
    ("conv2d", "input", (1, 1, 3, 3), "F.conv2d(x, ones(1, 1, 2, 2))"),
    ("conv2d-weight", "weight", (1, 1, 2, 2), "F.conv2d(ones(1, 1, 3, 3), x)"),
    ("conv_transpose2d", "input", (1, 1, 3, 3), "F.conv_transpose2d(x, ones(1, 1, 2, 2))"),
    ("max_pool2d", "input", (1, 1, 4, 4), "F.max_pool2d(x, 2)"),
    ("avg_pool2d", "input", (1, 1, 4, 4), "F.avg_pool2d(x, 2)"),
    ("lp_pool2d", "input", (1, 1, 4, 4), "F.lp_pool2d(x, 2, 2)"),
    ("adaptive_avg_pool2d", "input", (1, 1, 4, 4), "F.adaptive_avg_pool2d(x, 2)"),
    ("adaptive_max_pool2d", "input", (1, 1, 4, 4), "F.adaptive_max_pool2d(x, 2)"),
    ("fractional_max_pool2d", "input", (1, 1, 4, 4), "F.fractional_max_pool2d(x, 2, 2)"),
    ("max_unpool2d", "input", (1, 1, 1, 1), "F.max_unpool2d(x, np.zeros((1, 1, 1, 1), int), 2)"),
    ("global_avg_pool", "input", (1, 1, 4, 4), "F.global_avg_pool(x)"),
    ("unfold", "input", (1, 1, 4, 4), "F.unfold(x, 2)"),
    ("fold", "input", (1, 4, 9), "F.fold(x, 4, 2)"),
    ("pad", "input", (1, 1, 4), "F.pad(x, (1, 1))"),
    ("pad-reflect", "input", (1, 1, 4), "F.pad(x, (1, 1), 'reflect')"),
    ("interpolate", "input", (1, 1, 4), "F.interpolate(x, 8)"),
    ("pixel_shuffle", "input", (1, 4, 2, 2), "F.pixel_shuffle(x, 2)"),
    ("pixel_unshuffle", "input", (1, 1, 4, 4), "F.pixel_unshuffle(x, 2)"),
    ("relu", "input", (3,), "F.relu(x)"),
    ("gelu", "input", (3,), "F.gelu(x)"),
    ("softmax", "input", (3,), "F.softmax(x, 0)"),
    ("prelu", "input", (2, 3), "F.prelu(x, ones(3))"),
    ("dropout", "input", (3,), "F.dropout(x, 0.5)"),
    ("dropout-idle", "input", (3,), "F.dropout(x, 0.5, False)"),
    ("batch_norm", "input", (2, 3), "F.batch_norm(x, ones(3), ones(3))"),
    ("layer_norm", "input", (2, 3), "F.layer_norm(x, (3,))"),
    ("group_norm", "input", (2, 4, 3), "F.group_norm(x, 2)"),
    ("instance_norm", "input", (2, 3, 4), "F.instance_norm(x)"),
    ("local_response_norm", "input", (1, 4, 3), "F.local_response_norm(x, 3)"),
    ("linear", "input", (2, 3), "F.linear(x, ones(4, 3))"),
    ("embedding", "weight", (4, 2), "F.embedding(np.array([0]), x)"),
    ("cross_entropy", "input", (2, 3), "F.cross_entropy(x, np.array([0, 1]))"),
    ("nll_loss", "input", (2, 3), "F.nll_loss(x, np.array([0, 1]))"),
    ("mse_loss", "input", (3,), "F.mse_loss(x, ones(3))"),
    ("kl_div", "input", (3,), "F.kl_div(x, ones(3))"),
]
# Arrays that hold what they should, in an unusual way.
HOLDERS = {
    "subclass": "ones(*{shape}).view(Subclass)",
    "swapped": "ones(*{shape}).astype('>f4')",
    "broadcast": "huge(*{shape})",
    "read-only": "read_only(*{shape})",
    "misaligned": "np.zeros(4 * int(np.prod({shape})) + 1, np.uint8)[1:].view(np.float32).reshape({shape})",
}
_PLAIN = "not any(type(part) is Subclass for part in (y if isinstance(y, tuple) else (y,)))"

CASES = (
    [
        (f"{name}-{kind}", f"x = np.broadcast_to({array}, {shape}); y = {call}", "TypeError", argument)
        for name, argument, shape, call in CALLS
        for kind, array in TYPES.items()
    ]
    + [
        (f"{name}-masked", f"x = np.ma.ones({shape}, np.float32); y = {call}", "TypeError", argument)
        for name, argument, shape, call in CALLS
    ]
    + [
        (f"{name}-{kind}", f"x = {array.format(shape=shape)}; y = {call}", "ok", _PLAIN)
        for name, _, shape, call in CALLS
        for kind, array in HOLDERS.items()
    ]
)
