"""
Runs ONNX graphs node by node, for the backend tests of the onnx package.

``OPERATORS`` says how each operator of ONNX is written with convnative.functional, ``GLUE`` computes with
NumPy what stands between them in a graph, and ``LEFT_OUT`` lists the cases that are not run and why.
"""

# ruff: noqa: ARG005 (every operator is given its attributes)
import fnmatch
import glob
import math
import os
import warnings

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.backend.test.loader import load_model_tests

from convnative import functional as F

# Cases that are not run, by pattern of their names: (pattern, reason).
LEFT_OUT = [
    ("test_*fp16*", "float16"),
    ("test_*_float16*", "float16"),
    ("test_*softmax_precision*", "float16"),
    ("test_*bf16*", "bfloat16"),
    ("test_*bfloat16*", "bfloat16"),
    ("test_*_int8_*", "int8"),
    ("test_*_uint8", "uint8"),
    ("test_dynamicquantizelinear_*", "quantisation to uint8; the Clip in it is of no floats of ours"),
    ("test_edge_pad", "int32"),
    ("test_reflect_pad", "int32"),
    ("test_wrap_pad", "int32"),
    ("test_range_*", "a loop, whose body contains a Relu of a single number, of any type"),
]


def left_out(name):
    """Return why the case is not run, or None."""
    return next((reason for pattern, reason in LEFT_OUT if fnmatch.fnmatchcase(name, pattern)), None)


# -- cases ----------------------------------------------------------------------------------------


class Case:
    """A model with inputs and the outputs that are expected for them."""

    def __init__(self, source):
        self.kind, self.name = source.kind, source.name
        self.rtol, self.atol = source.rtol, source.atol
        self._source = source
        self.model = source.model or onnx.load(os.path.join(source.model_dir, "model.onnx"))
        self.operators = {node.op_type for node in self.model.graph.node}

    def data_sets(self):
        """Yield the pairs of inputs and expected outputs."""
        if self._source.data_sets is not None:
            for inputs, outputs in self._source.data_sets:
                yield [_array(value) for value in inputs], [_array(value) for value in outputs]
            return
        for folder in sorted(glob.glob(os.path.join(self._source.model_dir, "test_data_set_*"))):
            yield _stored(folder, "input"), _stored(folder, "output")


def load_cases():
    """Every case of the kinds that test operators in which one of ours occurs, by name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some cases compute infinities to show that they can
        sources = [
            source
            for kind in ("node", "pytorch-converted", "pytorch-operator")
            for source in load_model_tests(kind=kind)
        ]
    cases = (Case(source) for source in sources)
    return sorted((case for case in cases if case.operators & OPERATORS.keys()), key=lambda case: case.name)


def _array(value):
    return numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value


def _stored(folder, kind):
    arrays = []
    while os.path.exists(path := os.path.join(folder, f"{kind}_{len(arrays)}.pb")):
        tensor = onnx.TensorProto()
        with open(path, "rb") as file:
            tensor.ParseFromString(file.read())
        arrays.append(numpy_helper.to_array(tensor))
    return arrays


# -- execution ------------------------------------------------------------------------------------


class Attributes(dict):
    """A node's attributes, the version of the operator set, and how many outputs are asked for."""

    def __init__(self, node, opset):
        super().__init__((a.name, onnx.helper.get_attribute_value(a)) for a in node.attribute)
        for name, value in self.items():
            if isinstance(value, bytes):
                self[name] = value.decode()
        self.opset = opset
        self.outputs = len(node.output)


def run(model, inputs):
    """Outputs of a model for inputs in the order of its graph."""
    graph = model.graph
    opset = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    values = {"": None} | {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    names = [entry.name for entry in graph.input if entry.name not in values]
    # Old models list their constants among the inputs, and their data may or may not include them.
    if len(inputs) > len(names):
        names = [entry.name for entry in graph.input]
    values.update(zip(names, inputs, strict=True))
    for node in graph.node:
        function = OPERATORS.get(node.op_type) or GLUE[node.op_type]
        results = function(Attributes(node, opset), *(values[name] for name in node.input))
        if not isinstance(results, tuple):
            results = (results,)
        values.update(zip(node.output, results, strict=False))
    return [np.asarray(values[entry.name]) for entry in graph.output]


# -- windows --------------------------------------------------------------------------------------

_AUTO_PAD = {"VALID": "valid", "SAME_UPPER": "same", "SAME_LOWER": "same_lower"}


def _pairs(pads):
    """ONNX lists the amounts before all axes and then those after them."""
    axes = len(pads) // 2
    return tuple(zip(pads[:axes], pads[axes:], strict=True))


def _padding(a, axes):
    return _AUTO_PAD.get(a.get("auto_pad")) or _pairs(a.get("pads", [0] * 2 * axes))


def _sizes(a, name, axes):
    return tuple(a.get(name, (1,) * axes))


def _for_axes(name, axes):
    """Return the 1-d, 2-d or 3-d function of a family."""
    return getattr(F, f"{name}{axes}d")


def conv(a, x, w, b=None):
    axes = x.ndim - 2
    return _for_axes("conv", axes)(
        x,
        w,
        b,
        _sizes(a, "strides", axes),
        _padding(a, axes),
        _sizes(a, "dilations", axes),
        a.get("group", 1),
    )


def conv_transpose(a, x, w, b=None):
    axes = x.ndim - 2
    stride, dilation = _sizes(a, "strides", axes), _sizes(a, "dilations", axes)
    extra = list(a.get("output_padding", (0,) * axes))
    pads = list(a.get("pads", (0,) * 2 * axes))
    automatic = a.get("auto_pad", "NOTSET")
    shape = a.get("output_shape")
    if shape is None and automatic.startswith("SAME"):
        shape = [size * step for size, step in zip(x.shape[2:], stride, strict=True)]
    for i in range(axes if shape is not None else 0):
        reach = dilation[i] * (w.shape[2 + i] - 1) + 1
        total = stride[i] * (x.shape[2 + i] - 1) + extra[i] + reach - shape[i]
        if total < 0:
            extra[i], total = extra[i] - total, 0
        smaller, larger = total // 2, total - total // 2
        pads[i], pads[axes + i] = (smaller, larger) if automatic == "SAME_UPPER" else (larger, smaller)
    return _for_axes("conv_transpose", axes)(
        x, w, b, stride, _pairs(pads), tuple(extra), a.get("group", 1), dilation
    )


def _window(a, axes):
    """Return kernel size, stride and padding."""
    return tuple(a["kernel_shape"]), _sizes(a, "strides", axes), _padding(a, axes)


def _ceil_mode(a):
    return "onnx" if a.get("ceil_mode", 0) else False


def max_pool(a, x):
    axes = x.ndim - 2
    settings = (*_window(a, axes), _sizes(a, "dilations", axes), _ceil_mode(a))
    pool = _for_axes("max_pool", axes)
    if a.outputs == 1:
        return pool(x, *settings)
    y, indices = pool(x, *settings, return_indices=True)
    # Ours count within a plane, ONNX's from the beginning of the array.
    if a.get("storage_order", 0):
        indices = np.ravel_multi_index(np.unravel_index(indices, x.shape[2:]), x.shape[2:], order="F")
    plane = math.prod(x.shape[2:])
    return y, indices + plane * np.arange(math.prod(x.shape[:2])).reshape(*x.shape[:2], *(1,) * axes)


def max_unpool(a, x, indices, output_shape=None):
    axes = x.ndim - 2
    kernel_size, stride, padding = _window(a, axes)
    settings = (kernel_size, stride, tuple(before for before, _ in padding))
    size = [
        (n - 1) * step + k - before - after
        for n, k, step, (before, after) in zip(x.shape[2:], kernel_size, stride, padding, strict=True)
    ]
    y = _for_axes("max_unpool", axes)(x, indices % math.prod(size), *settings, output_size=size)
    if output_shape is None:
        return y
    # The indices are those of the size that follows from the window; what exceeds it is zero.
    missing = [int(wanted) - n for wanted, n in zip(output_shape[2:], size, strict=True)]
    return F.pad(y, [amount for after in reversed(missing) for amount in (0, after)])


def avg_pool(a, x):
    axes = x.ndim - 2
    return _for_axes("avg_pool", axes)(
        x,
        *_window(a, axes),
        _ceil_mode(a),
        bool(a.get("count_include_pad", 0)),
        dilation=_sizes(a, "dilations", axes),
    )


def lp_pool(a, x):
    axes = x.ndim - 2
    kernel_size, stride, padding = _window(a, axes)
    return _for_axes("lp_pool", axes)(
        x,
        a.get("p", 2),
        kernel_size,
        stride,
        _ceil_mode(a),
        padding=padding,
        dilation=_sizes(a, "dilations", axes),
        definition="onnx",
    )


def col2im(a, x, image_shape, block_shape):
    axes = len(image_shape)
    return F.fold(
        x,
        tuple(image_shape.tolist()),
        tuple(block_shape.tolist()),
        _sizes(a, "dilations", axes),
        _padding(a, axes),
        _sizes(a, "strides", axes),
    )


# -- rearrangement and resampling -----------------------------------------------------------------


def pad(a, x, pads=None, value=None, axes=None):
    pads = a["pads"] if pads is None else pads.tolist()
    axes = range(x.ndim) if axes is None else axes.tolist()
    amounts = [(0, 0)] * x.ndim
    for axis, amount in zip(axes, _pairs(pads), strict=True):
        amounts[axis] = amount
    while len(amounts) > 1 and amounts[0] == (0, 0):  # F.pad counts from the last axis
        del amounts[0]
    flat = [size for pair in reversed(amounts) for size in pair]
    mode = {"edge": "replicate", "wrap": "circular"}.get(a.get("mode"), a.get("mode", "constant"))
    if mode != "constant":
        return F.pad(x, flat, mode)
    return F.pad(x, flat, mode, a.get("value", 0.0) if value is None else value.item())


def resize(a, x, roi=None, scales=None, sizes=None):
    return F.resize(
        x,
        sizes.tolist() if sizes is not None and sizes.size else None,
        scales.tolist() if scales is not None and scales.size else None,
        a.get("mode", "nearest"),
        axes=a.get("axes", list(range(x.ndim))),
        coordinate_transformation=a.get("coordinate_transformation_mode", "half_pixel"),
        nearest_mode=a.get("nearest_mode", "round_prefer_floor"),
        cubic_coefficient=a.get("cubic_coeff_a", -0.75),
        exclude_outside=bool(a.get("exclude_outside", 0)),
        antialias=bool(a.get("antialias", 0)),
        roi=roi.reshape(2, -1).T.tolist() if roi is not None and roi.size else None,
        extrapolation_value=a.get("extrapolation_value", 0.0),
        keep_aspect_ratio=a.get("keep_aspect_ratio_policy", "stretch"),
    )


def depth_to_space(a, x):
    return F.pixel_shuffle(x, a["blocksize"], order=a.get("mode", "DCR").lower())


def space_to_depth(a, x):
    return F.pixel_unshuffle(x, a["blocksize"], order=a.get("mode", "DCR").lower())


# -- normalisation --------------------------------------------------------------------------------


def batch_norm(a, x, scale, bias, mean, variance):
    eps = a.get("epsilon", 1e-5)
    if not a.get("training_mode", 0):
        return F.batch_norm(x, mean, variance, scale, bias, False, 0.0, eps)
    # ONNX keeps the variance of the batch itself, torch the estimate for the population behind it.
    batch_mean, batch_variance = np.zeros_like(mean), np.zeros_like(variance)
    y = F.batch_norm(x, batch_mean, batch_variance, scale, bias, True, 1.0, eps)
    n = x.size // x.shape[1]
    batch_variance *= (n - 1) / n
    kept = a.get("momentum", 0.9)
    return y, kept * mean + (1 - kept) * batch_mean, kept * variance + (1 - kept) * batch_variance


def instance_norm(a, x, scale, bias):
    return F.instance_norm(x, None, None, scale, bias, True, 0.0, a.get("epsilon", 1e-5))


def group_norm(a, x, scale, bias):
    groups = a["num_groups"]
    if a.opset < 21:  # one value per group
        scale, bias = (np.repeat(value, x.shape[1] // groups) for value in (scale, bias))
    return F.group_norm(x, groups, scale, bias, a.get("epsilon", 1e-5))


def layer_norm(a, x, scale, bias=None):
    axis = a.get("axis", -1) % x.ndim
    eps = a.get("epsilon", 1e-5)
    y = F.layer_norm(x, x.shape[axis:], scale, bias, eps)
    if a.outputs == 1:
        return y
    normalized = tuple(range(axis, x.ndim))
    deviation = np.sqrt(x.var(normalized, keepdims=True) + np.asarray(eps, x.dtype))
    return y, x.mean(normalized, keepdims=True), 1 / deviation


def local_response_norm(a, x):
    size = a["size"]
    assert size % 2, "of an even number of channels, ONNX takes the odd one after and torch before"
    return F.local_response_norm(x, size, a.get("alpha", 1e-4), a.get("beta", 0.75), a.get("bias", 1.0))


# -- dense products, softmax, activations ---------------------------------------------------------


def gemm(a, x, w, c=None):
    x = x.T if a.get("transA", 0) else x
    w = w if a.get("transB", 0) else w.T
    alpha, beta = (np.asarray(a.get(name, 1.0), x.dtype) for name in ("alpha", "beta"))
    if c is not None and c.shape == w.shape[:1]:
        return F.linear(alpha * x, w, beta * c)
    y = alpha * F.linear(x, w)
    return y if c is None else y + beta * c


def _along_an_axis(function):
    def operator(a, x):
        if a.opset >= 13:
            return function(x, a.get("axis", -1))
        # Older versions take all axes from this one on together.
        axis = a.get("axis", 1) % x.ndim
        return function(x.reshape(math.prod(x.shape[:axis]), -1), 1).reshape(x.shape)

    return operator


def prelu(a, x, slope):
    if a.opset < 7 and slope.size > 1:  # one slope per channel, whatever the number of axes
        slope = slope.reshape(-1, *(1,) * (x.ndim - 2))
    if slope.size == 1 or (x.ndim > 1 and slope.shape == (x.shape[1], *(1,) * (x.ndim - 2))):
        return F.prelu(x, slope.reshape(-1))
    # A slope of its own for every element: each is a channel of a batch of one.
    slopes = np.broadcast_to(slope, x.shape).reshape(-1)
    return F.prelu(x.reshape(1, -1), slopes).reshape(x.shape)


def selu(a, x):
    alpha, gamma = a.get("alpha"), a.get("gamma")
    if alpha is None and gamma is None:
        return F.selu(x)
    return np.asarray(gamma, x.dtype) * F.elu(x, alpha)


def hard_sigmoid(a, x):
    """The slope of ours is 1 / 6; any other comes from what it is applied to."""
    alpha, beta = a.get("alpha", 0.2), a.get("beta", 0.5)
    return F.hardsigmoid((6 * alpha * x + (6 * beta - 3)).astype(x.dtype))


def clip(a, x, low=None, high=None):
    low = a.get("min", -math.inf) if low is None else low.item()
    high = a.get("max", math.inf) if high is None else high.item()
    if (low, high) == (0, math.inf):
        return F.relu(x)
    if (low, high) == (0, 6):
        return F.relu6(x)
    return F.hardtanh(x, min(low, high), high)  # of crossed bounds, ONNX takes the upper one


def gelu(a, x):
    return F.gelu(x, approximate=a.get("approximate", "none"))


def swish(a, x):
    alpha = np.asarray(a.get("alpha", 1.0), x.dtype)
    return F.silu(alpha * x) / alpha


# -- losses ---------------------------------------------------------------------------------------


def _loss_settings(a):
    settings = {"reduction": a.get("reduction", "mean")}
    return settings | ({"ignore_index": a["ignore_index"]} if "ignore_index" in a else {})


def cross_entropy(a, scores, labels, weight=None):
    loss = F.cross_entropy(scores, labels, weight, **_loss_settings(a))
    return (loss, F.log_softmax(scores, 1)) if a.outputs > 1 else loss


def nll_loss(a, log_probabilities, labels, weight=None):
    return F.nll_loss(log_probabilities, labels, weight, **_loss_settings(a))


OPERATORS = {
    "AveragePool": avg_pool,
    "BatchNormalization": batch_norm,
    "Celu": lambda a, x: F.celu(x, a.get("alpha", 1.0)),
    "Clip": clip,
    "Col2Im": col2im,
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "DepthToSpace": depth_to_space,
    "Elu": lambda a, x: F.elu(x, a.get("alpha", 1.0)),
    "Gelu": gelu,
    "Gemm": gemm,
    "GlobalAveragePool": lambda a, x: F.global_avg_pool(x),
    "GlobalMaxPool": lambda a, x: F.global_max_pool(x),
    "GroupNormalization": group_norm,
    "HardSigmoid": hard_sigmoid,
    "HardSwish": lambda a, x: F.hardswish(x),
    "InstanceNormalization": instance_norm,
    "LRN": local_response_norm,
    "LayerNormalization": layer_norm,
    "LeakyRelu": lambda a, x: F.leaky_relu(x, a.get("alpha", 0.01)),
    "LogSoftmax": _along_an_axis(F.log_softmax),
    "LpPool": lp_pool,
    "MaxPool": max_pool,
    "MaxUnpool": max_unpool,
    "Mish": lambda a, x: F.mish(x),
    "NegativeLogLikelihoodLoss": nll_loss,
    "PRelu": prelu,
    "Pad": pad,
    "Relu": lambda a, x: F.relu(x),
    "Resize": resize,
    "Selu": selu,
    "Sigmoid": lambda a, x: F.sigmoid(x),
    "Softmax": _along_an_axis(F.softmax),
    "SoftmaxCrossEntropyLoss": cross_entropy,
    "Softplus": lambda a, x: F.softplus(x),
    "Softsign": lambda a, x: F.softsign(x),
    "SpaceToDepth": space_to_depth,
    "Swish": swish,
    "Tanh": lambda a, x: F.tanh(x),
    "ThresholdedRelu": lambda a, x: F.threshold(x, a.get("alpha", 1.0), 0.0),
}


# -- what stands between them ---------------------------------------------------------------------


def constant(a):
    (name, value), *_ = a.items()
    if name == "value":
        return numpy_helper.to_array(value)
    return np.asarray(value, np.float32 if "float" in name else np.int64)


def constant_of_shape(a, shape):
    value = numpy_helper.to_array(a["value"]) if "value" in a else np.zeros(1, np.float32)
    return np.full(shape, value[0], value.dtype)


def gather(a, x, indices):
    axis = a.get("axis", 0)
    if x.ndim == 2 and axis == 0 and x.dtype.kind == "f" and (indices >= 0).all():
        return F.embedding(indices, x)
    return np.take(x, indices, axis)


def cast(a, x):
    return x.astype(onnx.helper.tensor_dtype_to_np_dtype(a["to"]))


def flatten(a, x):
    axis = a.get("axis", 1)
    return x.reshape(math.prod(x.shape[:axis]), -1)


def shape(a, x):
    return np.asarray(x.shape[a.get("start", 0) : a.get("end")], np.int64)


def reshape(a, x, wanted=None):
    wanted = list(a["shape"] if wanted is None else wanted)
    if not a.get("allowzero", 0):
        wanted = [x.shape[i] if n == 0 else n for i, n in enumerate(wanted)]
    return x.reshape(wanted)


def _listed(a, name, given):
    return a.get(name) if given is None else given.tolist()


def squeeze(a, x, axes=None):
    axes = _listed(a, "axes", axes)
    return np.squeeze(x, None if axes is None else tuple(axes))


def slice_(a, x, starts, ends, axes=None, steps=None):
    axes = range(len(starts)) if axes is None else axes
    index = [slice(None)] * x.ndim
    for axis, start, end, step in zip(
        axes, starts, ends, [1] * len(starts) if steps is None else steps, strict=True
    ):
        index[axis] = slice(int(start), int(end), int(step))
    return x[tuple(index)]


def split(a, x, sizes=None):
    axis, sizes = a.get("axis", 0), _listed(a, "split", sizes)
    sections = a.outputs if sizes is None else np.cumsum(sizes)[:-1]
    return tuple(np.split(x, sections, axis))


def reduce_max(a, x, axes=None):
    axes = _listed(a, "axes", axes)
    return np.max(x, None if axes is None else tuple(axes), keepdims=bool(a.get("keepdims", 1)))


def _numpy(function):
    return lambda a, *arrays: function(*arrays)


GLUE = {
    "Add": _numpy(np.add),
    "And": _numpy(np.logical_and),
    "Cast": cast,
    "CastLike": lambda a, x, like: x.astype(like.dtype),
    "Concat": lambda a, *arrays: np.concatenate(arrays, a["axis"]),
    "Constant": constant,
    "ConstantOfShape": constant_of_shape,
    "Div": lambda a, x, y: (x // y if x.dtype.kind in "iu" else x / y).astype(x.dtype),
    "Equal": _numpy(np.equal),
    "Expand": lambda a, x, wanted: np.broadcast_to(x, np.broadcast_shapes(x.shape, tuple(wanted))),
    "Flatten": flatten,
    "Gather": gather,
    "GreaterOrEqual": _numpy(np.greater_equal),
    "Identity": lambda a, x: x,
    "Less": _numpy(np.less),
    "LessOrEqual": _numpy(np.less_equal),
    "MatMul": _numpy(np.matmul),
    "Max": lambda a, *arrays: np.maximum.reduce(arrays),
    "Mod": _numpy(np.mod),
    "Mul": _numpy(np.multiply),
    "Neg": _numpy(np.negative),
    "Not": _numpy(np.logical_not),
    "Pow": lambda a, x, y: np.power(x, y).astype(x.dtype),
    "Range": lambda a, start, limit, step: np.arange(start, limit, step, dtype=start.dtype),
    "ReduceMax": reduce_max,
    "Reshape": reshape,
    "Shape": shape,
    "Slice": slice_,
    "Split": split,
    "Sqrt": _numpy(np.sqrt),
    "Squeeze": squeeze,
    "Sub": _numpy(np.subtract),
    "Sum": lambda a, *arrays: sum(arrays[1:], arrays[0]),
    "Transpose": lambda a, x: np.transpose(x, a.get("perm")),
    "Unsqueeze": lambda a, x, axes=None: np.expand_dims(x, tuple(_listed(a, "axes", axes))),
    "Where": _numpy(np.where),
}
