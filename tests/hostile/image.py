"""Pictures through kernels: the public functions and the call of the core below them."""

PICTURE = "np.ones((4, 5), np.uint8)"
KERNEL = "ones(3, 3)"

FILTERS = [
    ("list", "filters.correlate([[1]], ones(1, 1))", "TypeError", "image"),
    ("dtype", "filters.correlate(np.ones((4, 5), np.int8), ones(1, 1))", "TypeError", "image"),
    ("bool", "filters.correlate(np.ones((4, 5), bool), ones(1, 1))", "TypeError", "image"),
    ("flat", "filters.correlate(ones(4), ones(1, 1))", "ValueError", "image"),
    ("empty", "filters.correlate(ones(4, 0), ones(1, 1))", "ValueError", "image"),
    ("channels", "filters.correlate(ones(4, 5, 9), ones(1, 1))", "ValueError", "image"),
    ("huge", "filters.correlate(huge(2**20, 2**20), ones(1, 1))", "MemoryError", "image|output"),
    ("kernel-empty", f"filters.correlate({PICTURE}, ones(0, 3))", "ValueError", "kernel"),
    ("kernel-nan", f"filters.correlate({PICTURE}, ones(3, 3) * np.nan)", "ValueError", "kernel"),
    ("kernel-object", f"filters.correlate({PICTURE}, np.array([[None]]))", "TypeError", "kernel"),
    ("kernel-huge-view", f"filters.correlate({PICTURE}, huge(2**20, 2**20))", "MemoryError", "kernel"),
    ("kernel-larger", f"filters.correlate({PICTURE}, ones(301, 301) / 301**2)", "ok", "(y == 1).all()"),
    ("border", f"filters.correlate({PICTURE}, ones(3, 3), border='edge')", "ValueError", "border"),
    (
        "border-nan",
        "filters.correlate(ones(4, 5), ones(3, 3), border=float('nan'))",
        "ok",
        "np.isnan(y[0]).all() and y[1, 1] == 9",
    ),
    (
        "no-number",
        f"filters.correlate({PICTURE}, ones(3, 3), border=float('nan'))",
        "ok",
        "y[0, 0] == 0 and y[1, 1] == 9",
    ),
    ("read-only", "filters.correlate(read_only(4, 5), ones(1, 1))", "ok", "(y == 1).all()"),
    (
        "subclass",
        "filters.correlate(ones(4, 5).view(Subclass), ones(1, 1))",
        "ok",
        "type(y) is np.ndarray and (y == 1).all()",
    ),
]


def core(name, outcome, blamed, **changes):
    arguments = {
        "image": PICTURE,
        "kernel": KERNEL,
        "row": "None",
        "centre": "(1, 1)",
        "border": "'reflect'",
        "value": "0.0",
        "absolute": "False",
        "as_float": "False",
    } | changes
    call = ", ".join(f"{key}={value}" for key, value in arguments.items())
    return (f"core-{name}", f"core.correlate_picture({call})", outcome, blamed)


CASES = [
    *FILTERS,
    core("image-list", "TypeError", "image", image="[1]"),
    core("image-masked", "TypeError", "image", image="np.ma.ones((3, 3))"),
    core("image-dtype", "TypeError", "image", image="np.ones((4, 5), np.int32)"),
    core("image-flat", "ValueError", "image", image="ones(4)"),
    core("image-empty", "ValueError", "image", image="ones(0, 4)"),
    core("image-strided", "ok", "(y == 9).all()", image="np.ones((8, 10), np.uint16)[::-2, ::2]"),
    core("image-swapped", "ok", "(y == 9).all()", image="np.ones((4, 5), '>u2')"),
    core("image-many-channels", "ok", "(y == 9).all()", image="np.ones((2, 3, 700), np.uint8)"),
    core("kernel-dtype", "TypeError", "kernel", kernel="np.ones((3, 3))"),
    core("kernel-of-a-double", "TypeError", "kernel", image="np.ones((4, 5))"),
    core("kernel-none", "TypeError", "kernel", kernel="None"),
    core("kernel-flat", "ValueError", "kernel", kernel="ones(3)"),
    core("kernel-empty", "ValueError", "kernel", kernel="ones(0, 3)"),
    core("row-beside-a-matrix", "ValueError", "kernel", row="ones(1, 3)"),
    core("row-flat", "ValueError", "row", kernel="ones(3, 1)", row="ones(3)"),
    core("row-of-two", "ValueError", "row", kernel="ones(3, 1)", row="ones(2, 3)"),
    core("row-dtype", "TypeError", "row", kernel="ones(3, 1)", row="np.ones((1, 3))"),
    core("row-empty", "ValueError", "kernel", kernel="ones(3, 1)", row="ones(1, 0)"),
    core("centre-outside", "ValueError", "centre", centre="(1, 3)"),
    core("centre-negative", "ValueError", "centre", centre="(-1, 0)"),
    core("centre-greatest", "ValueError", "centre", centre="(2**63 - 1, 0)"),
    core("centre-past-int64", "OverflowError", "centre", centre="(2**63, 0)"),
    core("centre-alone", "ValueError", "centre", centre="(1,)"),
    core("centre-none", "TypeError", "centre", centre="None"),
    core("border", "ValueError", "border", border="'edge'"),
    core("border-none", "TypeError", "border", border="None"),
    core("value-str", "TypeError", "value", value="'1'"),
    core(
        "value-infinite",
        "ok",
        "(y[0] == 255).all() and y[1, 1] == 9",
        border="'constant'",
        value="float('inf')",
    ),
    core("absolute-number", "TypeError", "absolute", absolute="1"),
    core("as-float-none", "TypeError", "as_float", as_float="None"),
]
