"""The specification: every operation of the core in plain NumPy.

The only loops run over kernel positions; each step is one definition written down, with no blocking, no
transforms and no shared code with the core. Arrays are `(N, channels, *spatial)` with one to three spatial
axes, or without N.

Results come in the *accumulator* type of the input, wider than it, so that the caller decides how to
round or compare:

========================  ==================================================
input                     accumulator and result
========================  ==================================================
any integer               int64, exact
float32                   float64
float64                   longdouble
object (Python integers)  object, exact at any magnitude
========================  ==================================================

The max pool and `pad` select values and therefore keep the type of their input.
"""

from itertools import product

import numpy as np


def accumulator(*arrays):
    """The type that a sum over these arrays is carried in."""
    dtype = np.result_type(*arrays)
    if dtype.kind == "O":
        return np.dtype(object)
    if dtype.kind in "iu":
        return np.dtype(np.int64)
    return np.dtype(np.longdouble if dtype == np.float64 else np.float64)


# -- sizes and padding ------------------------------------------------------------------------


def per_axis(value, axes):
    """One integer for every axis from an integer, a sequence of one, or one per axis."""
    values = list(value) if np.iterable(value) else [value]
    return values * axes if len(values) == 1 else values


def padding_pairs(padding, sizes, kernel, stride, dilation):
    """One (before, after) pair per axis from any padding specification."""
    axes = len(sizes)
    kernel, stride, dilation = per_axis(kernel, axes), per_axis(stride, axes), per_axis(dilation, axes)
    if not isinstance(padding, str):
        return [tuple(p) if np.iterable(p) else (p, p) for p in per_axis(padding, axes)]
    if padding == "valid":
        return [(0, 0)] * axes
    if padding == "causal":
        return [(d * (k - 1), 0) for k, d in zip(kernel, dilation, strict=True)]
    if padding in ("same", "same_lower"):
        pairs = []
        for size, k, s, d in zip(sizes, kernel, stride, dilation, strict=True):
            outputs = -(-size // s)
            total = max((outputs - 1) * s + d * (k - 1) + 1 - size, 0)
            less, more = total // 2, total - total // 2
            pairs.append((less, more) if padding == "same" else (more, less))
        return pairs
    raise ValueError(padding)


def conv_output_size(size, kernel, stride=1, padding=(0, 0), dilation=1):
    """How many windows of one axis fit into the padded extent."""
    return (size + sum(padding) - dilation * (kernel - 1) - 1) // stride + 1


def pool_output_size(size, kernel, stride=1, padding=(0, 0), dilation=1, ceil_mode=False):
    """As `conv_output_size`; ceil mode adds a window over the end unless it starts in the padding after."""
    span = size + sum(padding) - dilation * (kernel - 1) - 1
    if not ceil_mode:
        return span // stride + 1
    outputs = -(-span // stride) + 1
    return outputs - 1 if (outputs - 1) * stride >= size + padding[0] else outputs


# -- windows ----------------------------------------------------------------------------------


def batched(array, axes):
    """The array with a batch axis, and whether it came with one."""
    return (array, True) if array.ndim == axes + 2 else (array[None], False)


def window_slices(kernel, stride, dilation, outputs):
    """For each kernel position: the position, and the index of what it meets in the padded input."""
    for position in product(*map(range, kernel)):
        first = [p * d for p, d in zip(position, dilation, strict=True)]
        spatial = tuple(
            slice(f, f + (o - 1) * s + 1, s) for f, o, s in zip(first, outputs, stride, strict=True)
        )
        yield position, (..., *spatial)


def padded(array, pairs, value):
    """The array with `value` around its spatial axes."""
    widths = [(0, 0)] * (array.ndim - len(pairs)) + list(pairs)
    return np.pad(array, widths, constant_values=np.array(value, array.dtype))


def unpadded(array, pairs, sizes):
    """The inverse of `padded`."""
    return array[
        (..., *(slice(before, before + size) for (before, _), size in zip(pairs, sizes, strict=True)))
    ]


# -- convolution ------------------------------------------------------------------------------


class _Convolution:
    """The geometry that a convolution and its two gradients share."""

    def __init__(self, input_shape, weight_shape, stride, padding, dilation, groups, padding_mode):
        self.kernel = weight_shape[2:]
        axes = len(self.kernel)
        self.groups = groups
        self.padding_mode = padding_mode
        self.stride, self.dilation = per_axis(stride, axes), per_axis(dilation, axes)
        self.sizes = input_shape[-axes:]
        self.pairs = padding_pairs(padding, self.sizes, self.kernel, self.stride, self.dilation)
        self.outputs = [
            conv_output_size(*each)
            for each in zip(self.sizes, self.kernel, self.stride, self.pairs, self.dilation, strict=True)
        ]

    def positions(self):
        return window_slices(self.kernel, self.stride, self.dilation, self.outputs)

    def padded(self, input):
        if self.padding_mode == "zeros":
            return padded(input, self.pairs, 0)
        if not isinstance(self.padding_mode, str):
            return padded(input, self.pairs, self.padding_mode)
        return pad(input, self.pairs, self.padding_mode)

    def unpadded(self, grad):
        """The adjoint of `padded`'s linear part: the gradient of a repeated element goes back to it."""
        if self.padding_mode == "zeros" or not isinstance(self.padding_mode, str):
            return unpadded(grad, self.pairs, self.sizes)
        for axis, ((before, after), size) in enumerate(zip(self.pairs, self.sizes, strict=True)):
            axis -= len(self.sizes)
            total = np.zeros((size, *np.moveaxis(grad, axis, 0).shape[1:]), grad.dtype)
            np.add.at(total, _pad_indices(size, before, after, self.padding_mode), np.moveaxis(grad, axis, 0))
            grad = np.moveaxis(total, 0, axis)
        return grad

    def grouped(self, array):
        """(N, channels, *spatial) -> (N, groups, channels / groups, *spatial)."""
        n, channels, *spatial = array.shape
        return array.reshape(n, self.groups, channels // self.groups, *spatial)

    def grouped_weight(self, weight):
        """(K, C / groups, *kernel) -> (groups, K / groups, C / groups, *kernel)."""
        return weight.reshape(self.groups, weight.shape[0] // self.groups, *weight.shape[1:])


def _flat(array, axes):
    """Merge the last `axes` axes."""
    return array.reshape(*array.shape[: array.ndim - axes], int(np.prod(array.shape[array.ndim - axes :])))


def conv_forward(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1, padding_mode="zeros"):
    """y[n, k, o] = bias[k] + sum over c, r of w[k, c, r] * x[n, c, o * stride + r * dilation - before]."""
    axes = weight.ndim - 2
    dtype = accumulator(input, weight)
    x, has_batch = batched(input.astype(dtype), axes)
    conv = _Convolution(x.shape, weight.shape, stride, padding, dilation, groups, padding_mode)
    x = conv.grouped(conv.padded(x))
    w = conv.grouped_weight(weight.astype(dtype))
    y = np.zeros((x.shape[0], groups, w.shape[1], int(np.prod(conv.outputs))), dtype)
    for position, where in conv.positions():
        y += w[(..., *position)] @ _flat(x[where], axes)
    y = y.reshape(x.shape[0], weight.shape[0], *conv.outputs)
    if bias is not None:
        y = y + bias.astype(dtype).reshape(-1, *[1] * axes)
    return y if has_batch else y[0]


def conv_grad_input(
    grad_output, weight, input_shape, stride=1, padding=0, dilation=1, groups=1, padding_mode="zeros"
):
    """Each output hands its gradient back, times the weight, to every input it read."""
    axes = weight.ndim - 2
    dtype = accumulator(grad_output, weight)
    g, has_batch = batched(grad_output.astype(dtype), axes)
    shape = tuple(input_shape) if has_batch else (1, *input_shape)
    conv = _Convolution(shape, weight.shape, stride, padding, dilation, groups, padding_mode)
    g = _flat(conv.grouped(g), axes)
    w = conv.grouped_weight(weight.astype(dtype))
    grad = conv.grouped(padded(np.zeros(shape, dtype), conv.pairs, 0))
    for position, where in conv.positions():
        grad[where] += (np.swapaxes(w[(..., *position)], -1, -2) @ g).reshape(grad[where].shape)
    grad = conv.unpadded(grad.reshape(*shape[:2], *grad.shape[3:]))
    return grad if has_batch else grad[0]


def conv_grad_weight(
    grad_output, input, weight_shape, stride=1, padding=0, dilation=1, groups=1, padding_mode="zeros"
):
    """Each weight collects gradient times input from every output it served, over the whole batch."""
    axes = len(weight_shape) - 2
    dtype = accumulator(grad_output, input)
    g, _ = batched(grad_output.astype(dtype), axes)
    x, _ = batched(input.astype(dtype), axes)
    conv = _Convolution(x.shape, weight_shape, stride, padding, dilation, groups, padding_mode)
    g = _flat(conv.grouped(g), axes)
    x = conv.grouped(conv.padded(x))
    grad = np.zeros((groups, weight_shape[0] // groups, *weight_shape[1:]), dtype)
    for position, where in conv.positions():
        grad[(..., *position)] = (g @ np.swapaxes(_flat(x[where], axes), -1, -2)).sum(axis=0)
    return grad.reshape(weight_shape)


def conv_grad_bias(grad_output, axes):
    """The bias of a channel reaches every output of that channel once."""
    g, _ = batched(grad_output.astype(accumulator(grad_output)), axes)
    return g.sum(axis=(0, *range(2, axes + 2)))


# -- pooling ----------------------------------------------------------------------------------


def _max_pool(input, kernel_size, stride, padding, dilation, ceil_mode, axes):
    """The maxima, and the flat spatial index of the element that each came from (-1: no real element).

    The scan goes over the window in row-major order and keeps what it has unless the next is greater, so
    that the first maximum wins. A NaN is greater than everything, so that the last NaN stays. What lies in
    the padding is no candidate, whatever its value.
    """
    x, has_batch = batched(input, axes)
    kernel = per_axis(kernel_size, axes)
    stride = kernel if stride is None else per_axis(stride, axes)
    dilation = per_axis(dilation, axes)
    sizes = x.shape[2:]
    pairs = padding_pairs(padding, sizes, kernel, stride, dilation)
    outputs = [
        pool_output_size(*each, ceil_mode)
        for each in zip(sizes, kernel, stride, pairs, dilation, strict=True)
    ]
    # Ceil mode lets the last window run over the end by less than one stride.
    extended = [(before, after + s) for (before, after), s in zip(pairs, stride, strict=True)]
    values = padded(x, extended, 0)
    indices = padded(np.arange(np.prod(sizes)).reshape(sizes), extended, -1)
    best = np.full((*x.shape[:2], *outputs), -np.inf, x.dtype)
    source = np.full(best.shape, -1)
    for _, where in window_slices(kernel, stride, dilation, outputs):
        candidate, index = values[where], np.broadcast_to(indices[where], best.shape)
        with np.errstate(invalid="ignore"):
            greater = (candidate > best) | np.isnan(candidate)
        better = (index >= 0) & ((source < 0) | greater)
        best, source = np.where(better, candidate, best), np.where(better, index, source)
    return (best, source) if has_batch else (best[0], source[0])


def max_pool_forward(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, *, axes):
    return _max_pool(input, kernel_size, stride, padding, dilation, ceil_mode, axes)[0]


def max_pool_grad(
    input, grad_output, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, *, axes
):
    """Every output hands its gradient to the one element that it took."""
    source = _max_pool(input, kernel_size, stride, padding, dilation, ceil_mode, axes)[1]
    lead = input.shape[:-axes]
    grad = np.zeros((int(np.prod(lead)), int(np.prod(input.shape[-axes:]))), accumulator(grad_output))
    planes = (grad.shape[0], int(np.prod(source.shape[-axes:])))
    source, g = source.reshape(planes), grad_output.reshape(planes)
    row, output = np.nonzero(source >= 0)
    np.add.at(grad, (row, source[row, output]), g[row, output].astype(grad.dtype))
    return grad.reshape(input.shape)


def max_pool_pick(input, values, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, *, axes):
    """The element of `values` at the place of each maximum of `input`, 0 for a window with no element."""
    source = _max_pool(input, kernel_size, stride, padding, dilation, ceil_mode, axes)[1]
    flat = _flat(values, axes)
    picked = np.take_along_axis(flat, np.maximum(_flat(source, axes), 0), axis=-1).reshape(source.shape)
    return np.where(source >= 0, picked, np.zeros((), values.dtype))


class _AveragePool:
    """The geometry of an average pool and its gradient, and the divisor of every window."""

    def __init__(
        self, sizes, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, dilation=1
    ):
        axes = len(sizes)
        self.kernel = per_axis(kernel_size, axes)
        self.stride = self.kernel if stride is None else per_axis(stride, axes)
        self.dilation = per_axis(dilation, axes)
        self.sizes = sizes
        pairs = padding_pairs(padding, sizes, self.kernel, self.stride, self.dilation)
        self.outputs = [
            pool_output_size(*each, ceil_mode)
            for each in zip(sizes, self.kernel, self.stride, pairs, self.dilation, strict=True)
        ]
        self.pairs = [(before, after + s) for (before, after), s in zip(pairs, self.stride, strict=True)]
        if divisor_override is not None:
            self.divisor = np.full(self.outputs, divisor_override)
            return
        # A window counts the elements inside the real extent, or inside the extent with its padding, never
        # those beyond it that ceil mode lets it reach.
        self.divisor = np.ones(self.outputs, np.int64)
        for axis, (size, k, s, d, (before, after)) in enumerate(
            zip(sizes, self.kernel, self.stride, self.dilation, pairs, strict=True)
        ):
            taps = np.arange(self.outputs[axis])[:, None] * s - before + np.arange(k) * d
            low, high = (-before, size + after) if count_include_pad else (0, size)
            count = ((taps >= low) & (taps < high)).sum(axis=1)
            self.divisor *= count.reshape([-1 if a == axis else 1 for a in range(axes)])

    def divide(self, sums):
        """The sums over their divisors; the average of nothing is NaN."""
        return np.where(self.divisor == 0, np.nan, sums / np.where(self.divisor == 0, 1, self.divisor))

    def positions(self):
        return window_slices(self.kernel, self.stride, self.dilation, self.outputs)


def avg_pool_forward(
    input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True,
    divisor_override=None, dilation=1, *, axes,
):  # fmt: skip
    pool = _AveragePool(
        input.shape[-axes:], kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override,
        dilation,
    )  # fmt: skip
    x = padded(input.astype(accumulator(input)), pool.pairs, 0)
    total = np.zeros((*input.shape[:-axes], *pool.outputs), x.dtype)
    for _, where in pool.positions():
        total += x[where]
    return pool.divide(total)


def avg_pool_grad(
    grad_output, input_shape, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True,
    divisor_override=None, dilation=1, *, axes,
):  # fmt: skip
    """Every output hands its gradient, divided as its sum was, to each element of its window."""
    sizes = tuple(input_shape[-axes:])
    pool = _AveragePool(
        sizes, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, dilation
    )
    # A window of which nothing counts covers padding alone, and its NaN is cut off with that.
    share = pool.divide(grad_output.astype(accumulator(grad_output)))
    grad = padded(np.zeros(input_shape, share.dtype), pool.pairs, 0)
    for _, where in pool.positions():
        grad[where] += share
    return unpadded(grad, pool.pairs, sizes)


# -- elementwise, dense, loss -----------------------------------------------------------------


def relu(input):
    """max(x, 0), with NaN for NaN."""
    return np.where(input > 0, input, np.where(np.isnan(input), input, np.zeros((), input.dtype)))


def relu_grad(input, grad_output):
    """The gradient passes unless the input is at most 0; so it passes at a NaN, as in torch."""
    return np.where(input <= 0, np.zeros((), grad_output.dtype), grad_output)


def linear(input, weight, bias=None):
    """input @ weight.T + bias."""
    dtype = accumulator(input, weight)
    y = input.astype(dtype) @ weight.astype(dtype).T
    return y if bias is None else y + bias.astype(dtype)


def log_softmax(input, dim):
    x = input.astype(accumulator(input))
    shifted = x - x.max(axis=dim, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=dim, keepdims=True))


def softmax(input, dim):
    return np.exp(log_softmax(input, dim))


def _target_weights(input, target, class_weight, ignore_index, label_smoothing):
    """How much each class's -log p counts in each element's loss, in the shape (N, C, *d)."""
    classes = input.shape[1]
    ignored = target == ignore_index
    one_hot = np.moveaxis(np.eye(classes)[np.where(ignored, 0, target)], -1, 1)
    weights = ((1 - label_smoothing) * one_hot + label_smoothing / classes).astype(accumulator(input))
    if class_weight is not None:
        weights = weights * class_weight.astype(weights.dtype).reshape(-1, *[1] * (input.ndim - 2))
    return np.where(ignored[:, None], 0, weights)


def cross_entropy(input, target, class_weight=None, ignore_index=-100, label_smoothing=0.0):
    """The loss of each element: -log p of its target, mixed with the mean over all classes by smoothing."""
    if input.ndim == 1:
        return cross_entropy(input[None], target[None], class_weight, ignore_index, label_smoothing)[0]
    weights = _target_weights(input, target, class_weight, ignore_index, label_smoothing)
    return -(weights * log_softmax(input, 1)).sum(axis=1)


def cross_entropy_grad(input, target, grad_losses, class_weight=None, ignore_index=-100, label_smoothing=0.0):
    """d(-sum of w_c log p_c) / d x_j = p_j * sum of w_c - w_j."""
    if input.ndim == 1:
        rows = cross_entropy_grad(
            input[None], target[None], grad_losses[None], class_weight, ignore_index, label_smoothing
        )
        return rows[0]
    weights = _target_weights(input, target, class_weight, ignore_index, label_smoothing)
    slope = softmax(input, 1) * weights.sum(axis=1, keepdims=True) - weights
    return slope * grad_losses.astype(slope.dtype)[:, None]


# -- pad --------------------------------------------------------------------------------------


def _pad_indices(size, before, after, mode):
    """Which element of one axis each place of the padded axis shows."""
    place = np.arange(-before, size + after)
    if mode == "circular":
        return place % size
    if mode == "replicate":
        return np.clip(place, 0, size - 1)
    if mode == "reflect":  # the edge is the mirror and is not repeated
        period = max(2 * (size - 1), 1)
        return np.minimum(place % period, period - place % period) if size > 1 else place * 0
    if mode == "symmetric":  # the mirror lies behind the edge, which is repeated
        return np.minimum(place % (2 * size), 2 * size - 1 - place % (2 * size))
    raise ValueError(mode)


def pad(input, pairs, mode="constant", value=0):
    """Pad the last `len(pairs)` axes, in their order; in constant mode a negative amount crops."""
    axes = range(input.ndim - len(pairs), input.ndim)
    if mode != "constant":
        for axis, (before, after) in zip(axes, pairs, strict=True):
            input = np.take(input, _pad_indices(input.shape[axis], before, after, mode), axis=axis)
        return input
    for axis, (before, after) in zip(axes, pairs, strict=True):
        size = input.shape[axis]
        input = np.take(input, range(max(-before, 0), size + min(after, 0)), axis=axis)
        widths = [(0, 0)] * input.ndim
        widths[axis] = (max(before, 0), max(after, 0))
        input = np.pad(input, widths, constant_values=value)
    return input


# -- activations ------------------------------------------------------------------------------


def normal_density(x):
    return np.exp(-x * x / 2) / np.sqrt(2 * np.arctan(x.dtype.type(1)) * 4)


def normal_probability(x):
    """The probability that a standard normal variable is below x: a series, and in the tail a fraction."""
    a = np.abs(x)
    small = np.minimum(a, 2)
    term, series = small, small
    for k in range(1, 60):
        term = term * small * small / (2 * k + 1)
        series = series + term
    near = x.dtype.type(0.5) - normal_density(small) * series
    large = np.minimum(np.maximum(a, x.dtype.type(1.5)), 150)
    fraction = large
    for k in range(400, 0, -1):
        fraction = large + k / fraction
    below = np.where(a < 1.5, near, normal_density(large) / fraction)
    return np.where(x < 0, below, 1 - below)


def _logistic(x):
    return 1 / (1 + np.exp(-x))


def _gelu_tanh_argument(x):
    return np.sqrt(8 / (4 * np.arctan(x.dtype.type(1)))) * (x + x**3 * 44715 / 1000000)


# name -> (function, derivative), each of (x, *parameters) with x in a wide type
ACTIVATIONS = {
    "relu": (lambda x: np.where(x < 0, 0, x), lambda x: np.where(x <= 0, 0.0, 1.0)),
    "leaky_relu": (lambda x, s: np.where(x > 0, x, s * x), lambda x, s: np.where(x > 0, 1, s)),
    "threshold": (lambda x, t, v: np.where(x <= t, v, x), lambda x, t, _: np.where(x <= t, 0.0, 1.0)),
    "hardtanh": (
        lambda x, low, high: np.clip(x, low, high),
        lambda x, low, high: np.where((x <= low) | (x >= high), 0.0, 1.0),
    ),
    "hardsigmoid": (
        lambda x: np.clip(x + 3, 0, 6) / 6,
        lambda x: np.where((x > -3) & (x < 3), 1 / x.dtype.type(6), 0),
    ),
    "hardswish": (
        lambda x: x * np.clip(x + 3, 0, 6) / 6,
        lambda x: np.where(x <= -3, 0, np.where(x >= 3, 1, x / 3 + 0.5)),
    ),
    "elu": (
        lambda x, alpha, scale, rate: scale * np.where(x > 0, x, alpha * np.expm1(rate * np.minimum(x, 0))),
        lambda x, alpha, scale, rate: (
            scale * np.where(x > 0, 1, alpha * rate * np.exp(rate * np.minimum(x, 0)))
        ),
    ),
    "sigmoid": (_logistic, lambda x: _logistic(x) * _logistic(-x)),
    "silu": (
        lambda x: x * _logistic(x),
        lambda x: _logistic(x) + x * _logistic(x) * _logistic(-x),
    ),
    "tanh": (np.tanh, lambda x: 1 / np.cosh(x) ** 2),
    "softplus": (
        lambda x, beta, t: np.where(beta * x > t, x, np.logaddexp(0, beta * x) / beta),
        lambda x, beta, t: np.where(beta * x > t, 1, _logistic(beta * x)),
    ),
    "logsigmoid": (lambda x: -np.logaddexp(0, -x), lambda x: _logistic(-x)),
    "softsign": (lambda x: x / (1 + np.abs(x)), lambda x: 1 / (1 + np.abs(x)) ** 2),
    "mish": (
        lambda x: x * np.tanh(np.logaddexp(0, x)),
        lambda x: np.tanh(np.logaddexp(0, x)) + x * _logistic(x) / np.cosh(np.logaddexp(0, x)) ** 2,
    ),
    "gelu": (
        lambda x: x * normal_probability(x),
        lambda x: normal_probability(x) + x * normal_density(x),
    ),
    "gelu_tanh": (
        lambda x: x * _logistic(_gelu_tanh_argument(x)),
        lambda x: (
            _logistic(_gelu_tanh_argument(x))
            + x
            * _logistic(_gelu_tanh_argument(x))
            * _logistic(-_gelu_tanh_argument(x))
            * np.sqrt(8 / (4 * np.arctan(x.dtype.type(1))))
            * (1 + x * x * 134145 / 1000000)
        ),
    ),
}


def activation(input, name, parameters):
    with np.errstate(all="ignore"):
        return ACTIVATIONS[name][0](input.astype(accumulator(input)), *parameters)


def activation_grad(input, name, parameters):
    with np.errstate(all="ignore"):
        return ACTIVATIONS[name][1](input.astype(accumulator(input)), *parameters)


def prelu(input, weight):
    """A slope for every channel, or one for all, where the input is not positive."""
    slope = weight if weight.size == 1 else weight.reshape(-1, *[1] * (input.ndim - 2))
    return np.where(input > 0, input, slope * input).reshape(input.shape)


def prelu_grad(input, weight, grad_output):
    """Gradients in input and weight."""
    x, w, g = (array.astype(accumulator(array)) for array in (input, weight, grad_output))
    slope = w if w.size == 1 else w.reshape(-1, *[1] * (x.ndim - 2))
    negative = np.where(x > 0, 0, x * g)
    axes = None if w.size == 1 else (0, *range(2, x.ndim))
    return np.where(x > 0, g, slope * g).reshape(x.shape), negative.sum(axis=axes).reshape(w.shape)


# -- normalisation ----------------------------------------------------------------------------


def _norm_axes(input, kind, number):
    """The input with its groups apart, the axes of a group, and the shape that weights broadcast from."""
    n, rank = input.shape[0], input.ndim
    if kind == "batch":
        return input, (0, *range(2, rank)), (-1, *[1] * (rank - 2))
    if kind == "layer":
        return input, tuple(range(rank - number, rank)), input.shape[rank - number :]
    grouped = input.reshape(n, number, input.shape[1] // number, *input.shape[2:])
    return grouped, tuple(range(2, rank + 1)), (-1, *[1] * (rank - 2))


def norm_moments(input, kind, number):
    """Mean and biased variance of each group, in the order of memory."""
    x, axes, _ = _norm_axes(input.astype(accumulator(input)), kind, number)
    return np.stack([x.mean(axis=axes).ravel(), x.var(axis=axes).ravel()])


def norm(input, kind, number, weight=None, bias=None, eps=1e-5):
    x, axes, shape = _norm_axes(input.astype(accumulator(input)), kind, number)
    z = (x - x.mean(axis=axes, keepdims=True)) / np.sqrt(x.var(axis=axes, keepdims=True) + eps)
    z = z.reshape(input.shape)
    z = z if weight is None else z * weight.astype(z.dtype).reshape(shape)
    return z if bias is None else z + bias.astype(z.dtype).reshape(shape)


def norm_grad(input, grad_output, kind, number, weight=None, eps=1e-5):
    """Gradients in input, weight and bias, of which the first goes through mean and variance too."""
    g = grad_output.astype(accumulator(grad_output))
    z = norm(input, kind, number, eps=eps)
    shape = _norm_axes(input, kind, number)[2]
    kept = tuple(range(input.ndim - number)) if kind == "layer" else (0, *range(2, input.ndim))
    u = g if weight is None else g * weight.astype(g.dtype).reshape(shape)
    x, axes, _ = _norm_axes(input.astype(g.dtype), kind, number)
    u, zs = u.reshape(x.shape), z.reshape(x.shape)
    mean_u, mean_uz = (array.mean(axis=axes, keepdims=True) for array in (u, u * zs))
    grad = (u - mean_u - zs * mean_uz) / np.sqrt(x.var(axis=axes, keepdims=True) + eps)
    return grad.reshape(input.shape), (g * z).sum(axis=kept), g.sum(axis=kept)


def channel_window_sum(input, size, adjoint=False):
    """The sum over `size` channels around each, of which size // 2 lie before, or after for the adjoint."""
    before, after = size // 2, (size - 1) // 2
    before, after = (after, before) if adjoint else (before, after)
    total = np.zeros(input.shape, accumulator(input))
    for shift in range(-before, after + 1):
        for channel in range(input.shape[1]):
            if 0 <= channel + shift < input.shape[1]:
                total[:, channel] += input[:, channel + shift]
    return total


def local_response_norm(input, size, alpha, beta, k):
    x = input.astype(accumulator(input))
    return x * (k + x.dtype.type(alpha) / size * channel_window_sum(x * x, size).astype(x.dtype)) ** -beta


def local_response_norm_grad(input, grad_output, size, alpha, beta, k):
    x, g = (array.astype(accumulator(array)) for array in (input, grad_output))
    share = x.dtype.type(alpha) / size
    scale = k + share * channel_window_sum(x * x, size).astype(x.dtype)
    falls = channel_window_sum(g * x * scale ** (-beta - 1), size, adjoint=True).astype(x.dtype)
    return g * scale**-beta - 2 * beta * share * x * falls


# -- losses of pairs --------------------------------------------------------------------------


def _times_log(t):
    """t log t, 0 where t is 0."""
    return np.where(t == 0, 0, t * np.log(np.where(t == 0, 1, t)))


def _softplus(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


# f(x, t, parameter) by the definition, in the type of its arguments.
PAIRWISE = {
    "mse": lambda x, t, _: (x - t) ** 2,
    "l1": lambda x, t, _: np.abs(x - t),
    "smooth_l1": lambda x, t, beta: np.where(
        np.abs(x - t) < beta, (x - t) ** 2 / (2 * beta), np.abs(x - t) - beta / 2
    ),
    "huber": lambda x, t, delta: np.where(
        np.abs(x - t) <= delta, (x - t) ** 2 / 2, delta * (np.abs(x - t) - delta / 2)
    ),
    "binary_cross_entropy": lambda x, t, _: -t * np.log(x) - (1 - t) * np.log1p(-x),
    "binary_cross_entropy_with_logits": lambda x, t, _: (1 - t) * _softplus(x) + t * _softplus(-x),
    "binary_cross_entropy_with_logits_negative": lambda x, t, _: (1 - t) * _softplus(x),
    "binary_cross_entropy_with_logits_positive": lambda x, t, _: t * _softplus(-x),
    "kl_div": lambda x, t, _: _times_log(t) - t * x,
    "kl_div_log_target": lambda x, t, _: np.exp(t) * (t - x),
}


def pairwise_loss(loss, parameter, input, target, weight=None):
    """weight f(input, target), each element for itself."""
    wide = accumulator(input, target)
    # As the core computes with it.
    parameter = wide.type(parameter) if wide.kind == "f" else parameter
    values = PAIRWISE[loss](input.astype(wide), target.astype(wide), parameter)
    return values if weight is None else values * weight.astype(wide)


def nll(input, target, class_weight=None, ignore_index=-100):
    """Minus the weighted score of the target's class, one loss per element."""
    if input.ndim == 1:
        return nll(input[None], np.asarray(target)[None], class_weight, ignore_index)[0]
    weights = _target_weights(input, target, class_weight, ignore_index, 0.0)
    return -(weights * input.astype(accumulator(input))).sum(axis=1)


def class_product(input, probabilities, class_weight=None, scale=1, shift=0):
    """Minus the sum over the classes of weight (scale probabilities + shift) input."""
    axis = 0 if input.ndim == 1 else 1
    wide = accumulator(input)
    products = (scale * probabilities.astype(wide) + shift) * input.astype(wide)
    if class_weight is not None:
        products = products * class_weight.reshape(-1, *(1,) * (input.ndim - 1 - axis)).astype(wide)
    return -products.sum(axis=axis)


# -- embedding --------------------------------------------------------------------------------


def embedding_grad(indices, grad_output, shape, padding_idx=None, scale_grad_by_freq=False):
    """The gradient in the table: a product with the matrix of ones where a lookup names a row."""
    flat = indices.reshape(-1)
    chosen = (flat == np.arange(shape[0])[:, None]).astype(accumulator(grad_output))
    if padding_idx is not None:
        chosen[padding_idx] = 0
    if scale_grad_by_freq:
        chosen = chosen / np.maximum(chosen.sum(axis=1, keepdims=True), 1)
    return chosen @ grad_output.reshape(flat.size, shape[1]).astype(chosen.dtype)


# -- transposed convolution -------------------------------------------------------------------


def conv_transpose_forward(
    input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1
):
    """Every input paints the kernel, times its value, at its place in the output, which is then cropped."""
    axes = weight.ndim - 2
    dtype = accumulator(input, weight)
    x, has_batch = batched(input.astype(dtype), axes)
    stride, dilation, extra = (per_axis(value, axes) for value in (stride, dilation, output_padding))
    sizes, kernel = x.shape[2:], weight.shape[2:]
    whole = [
        (size - 1) * s + d * (k - 1) + 1 + e
        for size, k, s, d, e in zip(sizes, kernel, stride, dilation, extra, strict=True)
    ]
    if padding in ("same", "same_lower"):  # an output of input * stride, filled up where the kernel is short
        wanted = [size * s for size, s in zip(sizes, stride, strict=True)]
        totals = [max(w - size, 0) for w, size in zip(whole, wanted, strict=True)]
        whole = [max(w, size) for w, size in zip(whole, wanted, strict=True)]
        less_first = padding == "same"
        pairs = [(t // 2, t - t // 2) if less_first else (t - t // 2, t // 2) for t in totals]
    else:
        pairs = padding_pairs(padding, sizes, kernel, stride, dilation)
    channels = weight.shape[1] * groups
    y = np.zeros((len(x), groups, weight.shape[1], *whole), dtype)
    x = x.reshape(len(x), groups, x.shape[1] // groups, *sizes)
    w = weight.astype(dtype).reshape(groups, weight.shape[0] // groups, *weight.shape[1:])
    for position, where in window_slices(kernel, stride, dilation, sizes):
        y[where] += (np.swapaxes(w[(..., *position)], -1, -2) @ _flat(x, axes)).reshape(y[where].shape)
    y = y.reshape(len(x), channels, *whole)
    cropped = [size - sum(pair) for size, pair in zip(whole, pairs, strict=True)]
    y = unpadded(y, pairs, cropped)
    if bias is not None:
        y = y + bias.astype(dtype).reshape(-1, *[1] * axes)
    return y if has_batch else y[0]


# -- pools of other windows -------------------------------------------------------------------


def lp_pool_forward(
    input, norm_type, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, absolute=False,
    scaled=True, *, axes,
):  # fmt: skip
    """(sum of x^p)^(1/p); scaled: the sum times the kernel's volume over the elements that count."""
    x = input.astype(accumulator(input))
    powers = (np.abs(x) if absolute else x) ** norm_type
    geometry = kernel_size, stride, padding, ceil_mode, True
    sums = avg_pool_forward(powers, *geometry, None if scaled else 1, dilation, axes=axes)
    if scaled:
        sums = sums * np.prod(per_axis(kernel_size, axes))
    return sums ** (1 / sums.dtype.type(norm_type))


def adaptive_windows(size, outputs):
    """(begin, end) of each window, in whole numbers."""
    return [(i * size // outputs, -(-(i + 1) * size // outputs)) for i in range(outputs)]


def _box_windows(tables):
    """For each output: its position, and the index of its window in the input."""
    for position in product(*(range(len(table)) for table in tables)):
        yield position, (..., *(slice(*table[i]) for table, i in zip(tables, position, strict=True)))


def _adaptive_tables(sizes, output_size):
    return [adaptive_windows(*each) for each in zip(sizes, output_size, strict=True)]


def adaptive_avg_pool_forward(input, output_size):
    axes = len(output_size)
    x = input.astype(accumulator(input))
    y = np.zeros((*x.shape[:-axes], *output_size), np.result_type(x, np.float64))
    for position, window in _box_windows(_adaptive_tables(x.shape[-axes:], output_size)):
        y[(..., *position)] = x[window].mean(axis=tuple(range(-axes, 0)), dtype=y.dtype)
    return y


def adaptive_avg_pool_grad(grad_output, input_shape, output_size):
    axes = len(output_size)
    g = grad_output.astype(accumulator(grad_output))
    grad = np.zeros(input_shape, np.result_type(g, np.float64))
    for position, window in _box_windows(_adaptive_tables(input_shape[-axes:], output_size)):
        covered = grad[window]
        covered += (g[(..., *position)] / grad.dtype.type(np.prod(covered.shape[-axes:])))[
            (..., *[None] * axes)
        ]
    return grad


def _max_of_boxes(input, tables):
    """The maxima, and their flat spatial indices: the last NaN, else the first maximum."""
    axes = len(tables)
    where = np.arange(np.prod(input.shape[-axes:])).reshape(input.shape[-axes:])
    shape = (*input.shape[:-axes], *map(len, tables))
    values, indices = np.zeros(shape, input.dtype), np.zeros(shape, np.int64)
    for position, window in _box_windows(tables):
        x, at = _flat(input[window], axes), where[window].ravel()
        nan = np.isnan(x)
        last = x.shape[-1] - 1 - nan[..., ::-1].argmax(axis=-1)
        first = np.where(nan, -np.inf, x).argmax(axis=-1)
        best = np.where(nan.any(axis=-1), last, first)
        values[(..., *position)] = np.take_along_axis(x, best[..., None], axis=-1)[..., 0]
        indices[(..., *position)] = at[best]
    return values, indices


def adaptive_max_pool(input, output_size):
    """The maxima and their indices."""
    return _max_of_boxes(input, _adaptive_tables(input.shape[-len(output_size) :], output_size))


def fractional_max_pool(input, kernel_size, output_size, samples):
    """The maxima and their indices; samples (N, C, axes), in two axes the columns' first."""
    axes = len(output_size)
    x, has_batch = batched(input, axes)
    values = np.zeros((*x.shape[:2], *output_size), x.dtype)
    indices = np.zeros(values.shape, np.int64)
    for plane in np.ndindex(x.shape[:2]):
        u = samples[plane][::-1] if axes == 2 else samples[plane]
        tables = [
            [(begin, begin + k) for begin in _fractional_starts(size, k, count, sample)]
            for size, k, count, sample in zip(x.shape[2:], kernel_size, output_size, u, strict=True)
        ]
        values[plane], indices[plane] = _max_of_boxes(x[plane], tables)
    return (values, indices) if has_batch else (values[0], indices[0])


def _fractional_starts(size, kernel, outputs, sample):
    """In the arithmetic of the samples' type."""
    real = sample.dtype.type
    if outputs == 1:
        return [size - kernel]
    step = real(size - kernel) / real(outputs - 1)
    return [int((real(i) + sample) * step) - int(sample * step) for i in range(outputs - 1)] + [size - kernel]


def max_unpool(input, indices, output_size):
    """Values put at their indices, the last one where several meet."""
    axes = len(output_size)
    y = np.zeros((*input.shape[:-axes], int(np.prod(output_size))), input.dtype)
    for plane in np.ndindex(input.shape[:-axes]):
        for value, index in zip(input[plane].ravel(), indices[plane].ravel(), strict=True):
            y[plane][index] = value
    return y.reshape((*input.shape[:-axes], *output_size))


def indexed_pick(values, indices, axes, missing=0):
    flat, at = _flat(values, axes), _flat(indices, axes)
    picked = np.where(at < 0, missing, np.take_along_axis(flat, np.maximum(at, 0), axis=-1))
    return picked.reshape(indices.shape)


def indexed_add(values, indices, output_size):
    axes = len(output_size)
    y = np.zeros((*values.shape[:-axes], int(np.prod(output_size))), accumulator(values))
    for plane in np.ndindex(values.shape[:-axes]):
        kept = indices[plane].ravel() >= 0
        np.add.at(y[plane], indices[plane].ravel()[kept], values[plane].ravel()[kept])
    return y.reshape((*values.shape[:-axes], *output_size))


def pad_grad(grad_output, input_shape, pairs, mode="constant"):
    """Every element of the input gets the sum of the gradients of the elements that show it."""
    grad = np.zeros(input_shape, accumulator(grad_output))
    # Element numbers from 1 on, padded like the input; 0 stands for the constant.
    numbers = pad(np.arange(1, grad.size + 1).reshape(input_shape), pairs, mode)
    shown = numbers > 0
    np.add.at(grad.reshape(-1), numbers[shown] - 1, grad_output.astype(grad.dtype)[shown])
    return grad


# -- sliding blocks ---------------------------------------------------------------------------


def unfold(input, kernel, dilation=1, padding=0, stride=1):
    """Columns (N, C * taps, blocks) of an image (N, C, *spatial)."""
    axes = len(kernel)
    x, has_batch = batched(input, axes)
    stride, dilation = per_axis(stride, axes), per_axis(dilation, axes)
    pairs = padding_pairs(padding, x.shape[2:], kernel, stride, dilation)
    outputs = [
        conv_output_size(*each) for each in zip(x.shape[2:], kernel, stride, pairs, dilation, strict=True)
    ]
    around = padded(x, pairs, 0)
    taps = [around[index] for _, index in window_slices(kernel, stride, dilation, outputs)]
    columns = np.stack(taps, axis=2).reshape(x.shape[0], x.shape[1] * len(taps), int(np.prod(outputs)))
    return columns if has_batch else columns[0]


def fold(columns, sizes, kernel, dilation=1, padding=0, stride=1):
    """The image (N, C, *sizes) whose every element is the sum of those of the columns that show it."""
    has_batch = columns.ndim == 3
    columns = columns.astype(accumulator(columns))
    columns = columns if has_batch else columns[None]
    channels = columns.shape[1] // int(np.prod(kernel))
    shape = (1, channels, *sizes)
    image = np.zeros((len(columns), *shape[1:]), columns.dtype)
    # Column elements name the elements of the image that they show; 0 is padding.
    numbers = unfold(np.arange(1, int(np.prod(shape)) + 1).reshape(shape), kernel, dilation, padding, stride)
    shown = numbers[0] > 0
    for each, values in zip(image.reshape(len(columns), int(np.prod(shape))), columns, strict=True):
        np.add.at(each, numbers[0][shown] - 1, values[shown])
    return image if has_batch else image[0]


# -- resampling -------------------------------------------------------------------------------


def _cubic(distance, coefficient):
    """Keys' kernel (Cubic convolution interpolation for digital image processing, 1981, equation 15)."""
    x = np.abs(distance)
    inner = (coefficient + 2) * x**3 - (coefficient + 3) * x**2 + 1
    outer = coefficient * (x**3 - 5 * x**2 + 8 * x - 4)
    return np.where(x <= 1, inner, np.where(x < 2, outer, 0))


def resampling_matrix(mode, size, output, coefficient=-0.75):
    """(output, size): what each element weighs in each output, for pixels that cover the same extent."""
    if mode == "nearest":
        return (np.arange(output) * size // output)[:, None] == np.arange(size)
    if mode == "area":
        starts = np.arange(output) * size // output
        ends = -(-np.arange(1, output + 1) * size // output)
        j = np.arange(size)
        inside = (j >= starts[:, None]) & (j < ends[:, None])
        return inside / inside.sum(axis=1, keepdims=True)
    positions = (np.arange(output) + 0.5) * size / output - 0.5
    if mode == "linear":
        return np.stack([np.interp(positions, np.arange(size), row) for row in np.eye(size)], axis=1)
    matrix = np.zeros((output, size))
    for offset in range(-1, 3):
        element = np.floor(positions).astype(int) + offset
        np.add.at(
            matrix,
            (np.arange(output), element.clip(0, size - 1)),
            _cubic(positions - element, coefficient),
        )
    return matrix


def resample(input, matrices):
    """The last axes multiplied by matrices, one for each."""
    result = input.astype(accumulator(input))
    for axis, matrix in zip(range(input.ndim - len(matrices), input.ndim), matrices, strict=True):
        result = np.moveaxis(np.tensordot(matrix.astype(result.dtype), result, (1, axis)), 0, axis)
    return result
