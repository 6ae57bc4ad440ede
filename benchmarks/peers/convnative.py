"""The library that this repository holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..training import our_step, results
from .base import Call, Peer, need

if TYPE_CHECKING:
    from ..cases import Case
    from ..pictures import PictureCase
    from ..pooling import PoolCase
    from ..training import TrainingStep


# Plain loops: operations beyond which a comparison of errors does without them.
MOST_REFERENCE_FLOPS = 2e8


class ConvNative(Peer):
    """As users call it: a new output in each call, and the weights packed inside of it."""

    name = "convnative"
    packages = ("convnative",)
    ours = True

    def __init__(self, threads: int) -> None:
        import convnative

        self._library = convnative
        convnative.set_num_threads(threads)

    def versions(self) -> dict[str, str]:
        return {
            "convnative": self._library.__version__,
            "isa": self._library.isa(),
            "precision": self._library.get_precision(),
        }

    def convolution(self, case: Case) -> Call:
        functional, axes = self._library.functional, len(case.shape.size)
        if case.shape.transposed:
            if case.operation != "forward":
                return self._by_core(case)  # the public way to them is autograd
            function = getattr(functional, f"conv_transpose{axes}d")
        elif case.operation == "forward":
            function = getattr(functional, f"conv{axes}d")
        else:
            function = getattr(functional, f"conv{axes}d_{case.operation}")
        arguments, options = _arguments(case), self._options(case)
        return Call(lambda: function(*arguments, **options))

    def _options(self, _: Case) -> dict[str, Any]:
        """Return arguments beyond those of the definition."""
        return {}

    @staticmethod
    def _by_core(case: Case, **algorithm: str) -> Call:
        from convnative import _core

        prefix = "conv_transpose" if case.shape.transposed else "conv"
        function = getattr(_core, f"{prefix}_{case.operation}")
        arguments = len(case.shape.size), *_arguments(case)
        return Call(lambda: function(*arguments, **algorithm))

    def training_step(self, step: TrainingStep) -> Call:
        model, run = our_step(step.network, "float32", step.state)
        return Call(
            lambda: run(step.input, step.target),
            lambda loss: results(loss, step.state, model.named_parameters()),
        )

    def picture(self, case: PictureCase) -> Call:
        from convnative import filters

        need(type(self) is ConvNative, "as users call it,")

        image, shape = case.image, case.shape
        if shape.sigma:
            radius = shape.kernel // 2
            return Call(lambda: filters.gaussian_blur(image, shape.sigma, radius=radius))
        return Call(lambda: filters.correlate(image, case.weight))

    def pool(self, case: PoolCase) -> Call:
        shape, input, grad_output = case.shape, case.input, case.grad_output
        prefix = "adaptive_" if shape.output_size else ""
        pool = getattr(self._library.functional, f"{prefix}{shape.kind}_pool{shape.axes}d")
        arguments = (shape.output_size,) if shape.output_size else (shape.kernel, shape.step, shape.padding)
        if case.operation == "forward":
            return Call(lambda: pool(input, *arguments))
        from autograd import make_vjp

        # What the forward keeps for it is not timed.
        product, _ = make_vjp(lambda x: pool(x, *arguments))(input)
        return Call(lambda: product(grad_output))

    def variants(self, case: Case) -> dict[str, Call]:
        """Both precisions, and every algorithm that applies."""
        from convnative import _core

        usual = self.convolution(case)

        def strictly() -> Any:
            with self._library.precision("strict"):
                return usual.run()

        calls = {"convnative": usual, "convnative strict": Call(strictly)}
        for row in _core.conv_algorithms():
            too_slow = row["name"] == "reference" and case.shape.flops > MOST_REFERENCE_FLOPS
            if row["operation"] != case.operation or case.shape.transposed or too_slow:
                continue
            call = self._by_core(case, algorithm=row["name"])
            try:
                call.run()
            except ValueError:  # it does not apply to the shape
                continue
            calls[row["name"]] = call
        return calls


class ConvNativePrepacked(ConvNative):
    """A prepared convolution: weights packed beforehand, as inference engines do."""

    name = "convnative-prepacked"

    def convolution(self, case: Case) -> Call:
        from convnative import _core

        need(case.operation == "forward", "forward")
        prepare = _core.prepare_conv_transpose if case.shape.transposed else _core.prepare_conv
        _, *arguments = _arguments(case)
        prepared = prepare(len(case.shape.size), case.shape.input_shape, *arguments)
        return Call(lambda: prepared(case.input))


class ConvNativeOut(ConvNative):
    """Into an array of the caller's, as loops over images do: the system has no new pages to clear."""

    name = "convnative-out"

    def _options(self, case: Case) -> dict[str, Any]:
        need(case.operation == "forward", "forward")
        return {"out": np.empty(case.shape.output_shape, case.dtype)}


class ConvNativeStrict(ConvNative):
    """In strict precision."""

    name = "convnative-strict"

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        self._mode = self._library.precision("strict")  # kept: it ends with the process
        self._mode.__enter__()


class ConvNativeStrictPrepacked(ConvNativeStrict, ConvNativePrepacked):
    """In strict precision, with weights packed beforehand."""

    name = "convnative-strict-prepacked"


def _arguments(case: Case) -> tuple[Any, ...]:
    """Return the arguments of the operation, which functional and the core have in one order."""
    shape = case.shape
    arrays: dict[str, tuple[Any, ...]] = {
        "forward": (case.input, case.weight, None),
        "grad_input": (case.grad_output, case.weight, shape.input_shape),
        "grad_weight": (case.grad_output, case.input, shape.weight_shape),
    }
    if shape.transposed:
        geometry: tuple[Any, ...] = (shape.stride, shape.padding, 0, shape.groups, shape.dilation)
    else:
        geometry = (shape.stride, shape.padding, shape.dilation, shape.groups)
    return *arrays[case.operation], *geometry
