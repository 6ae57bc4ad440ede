"""torch (oneDNN) on its two layouts, and with its weights packed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..training import FIRST_RATE, NETWORKS, learning_rates, results
from .base import Call, Peer, UnsupportedError, forward_only, need

if TYPE_CHECKING:
    from ..cases import Array, Case
    from ..pooling import PoolCase
    from ..training import TrainingStep


class Torch(Peer):
    name = "torch"
    packages = ("torch",)

    def __init__(self, threads: int) -> None:
        import torch

        self._torch = torch
        torch.set_num_threads(threads)
        torch.set_float32_matmul_precision("highest")

    def versions(self) -> dict[str, str]:
        return {"torch": self._torch.__version__, "isa": self._torch.backends.cpu.get_cpu_capability()}

    def convolution(self, case: Case) -> Call:
        torch, shape = self._torch, case.shape
        torch.set_grad_enabled(False)
        input, weight, grad_output = map(self._tensor, (case.input, case.weight, case.grad_output))
        transposed, still = shape.transposed, (0,) * len(shape.size)
        geometry = (shape.stride, shape.padding, shape.dilation, transposed, still, shape.groups)
        if case.operation == "forward":
            convolution = torch.ops.aten.convolution.default
            return Call(lambda: convolution(input, weight, None, *geometry))
        # What both autograd and torch.nn.grad call. The latter gives it a stand-in for the tensor that is
        # not needed, which hides its layout.
        index = ("grad_input", "grad_weight").index(case.operation)
        wanted = [index == 0, index == 1, False]
        backward = torch.ops.aten.convolution_backward.default
        return Call(lambda: backward(grad_output, input, weight, None, *geometry, wanted)[index])

    def pool(self, case: PoolCase) -> Call:
        torch, shape = self._torch, case.shape
        torch.set_grad_enabled(False)
        input, grad_output = self._tensor(case.input), self._tensor(case.grad_output)
        prefix = "adaptive_" if shape.output_size else ""
        pool = getattr(torch.nn.functional, f"{prefix}{shape.kind}_pool{shape.axes}d")
        arguments = (shape.output_size,) if shape.output_size else (shape.kernel, shape.step, shape.padding)
        if case.operation == "forward":
            return Call(lambda: pool(input, *arguments))
        with torch.enable_grad():
            output = pool(input.requires_grad_(), *arguments)
        return Call(lambda: torch.autograd.grad(output, input, grad_output, retain_graph=True)[0])

    def training_step(self, step: TrainingStep) -> Call:
        torch = self._torch
        torch.set_grad_enabled(True)
        model = NETWORKS[step.network][0](_layers(torch))
        model.load_state_dict({name: torch.from_numpy(value) for name, value in step.state.items()})
        model = self._placed(model)
        optimizer = torch.optim.SGD(model.parameters(), lr=FIRST_RATE)
        rates = learning_rates()
        floats = step.input.dtype.kind == "f"
        input = self._tensor(step.input) if floats else torch.from_numpy(step.input)
        target = torch.from_numpy(step.target)

        def run() -> Any:
            optimizer.param_groups[0]["lr"] = next(rates)
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(input), target)
            loss.backward()
            optimizer.step()
            return loss

        def read(loss: Any) -> list[Array]:
            after = ((name, value.detach().numpy()) for name, value in model.named_parameters())
            return results(loss.item(), step.state, after)

        return Call(run, read)

    def _tensor(self, array: Array) -> Any:
        return self._torch.from_numpy(array).clone()

    def _placed(self, model: Any) -> Any:
        return model


class TorchChannelsLast(Torch):
    """One-dimensional convolutions go as two-dimensional ones with one row, which have this layout."""

    name = "torch-channels-last"

    def convolution(self, case: Case) -> Call:
        if len(case.shape.size) > 1:
            return super().convolution(case)
        call = super().convolution(case.in_two_dimensions())
        return Call(call.run, lambda result: np.asarray(result).squeeze(2))

    def pool(self, case: PoolCase) -> Call:
        need(case.shape.axes > 1, "2, 3 spatial axes")
        return super().pool(case)

    def training_step(self, step: TrainingStep) -> Call:
        need(step.input.ndim == 4, "images")
        return super().training_step(step)

    def _tensor(self, array: Array) -> Any:
        # A copy into an empty tensor has the layout's own strides even where a size of 1 leaves them open.
        source = self._torch.from_numpy(array)
        layout = self._torch.channels_last if array.ndim == 4 else self._torch.channels_last_3d
        return self._torch.empty(array.shape, dtype=source.dtype, memory_format=layout).copy_(source)

    def _placed(self, model: Any) -> Any:
        return model.to(memory_format=self._torch.channels_last)


class TorchPrepacked(TorchChannelsLast):
    """The forward that torch.compile makes of a frozen model: oneDNN's own layout of the weights."""

    name = "torch-prepacked"

    def convolution(self, case: Case) -> Call:
        forward_only(case, transposed=False, axes=(2,))
        torch, shape = self._torch, case.shape
        torch.set_grad_enabled(False)
        geometry = shape.padding, shape.stride, shape.dilation, shape.groups
        input = self._tensor(case.input)
        dense = torch.from_numpy(case.weight).to_mkldnn()
        weight = torch._C._nn.mkldnn_reorder_conv2d_weight(dense, *geometry, shape.input_shape)
        convolution = torch.ops.mkldnn._convolution_pointwise
        return Call(lambda: convolution(input, weight, None, *geometry, "none", [], ""))

    def pool(self, _: PoolCase) -> Call:
        raise UnsupportedError("convolutions only")

    def training_step(self, _: TrainingStep) -> Call:
        raise UnsupportedError("forward only")


def _layers(torch: Any) -> Any:
    """Return torch.nn with what the networks use beside it, under the parameter names of convnative.nn."""
    from types import SimpleNamespace

    nn = torch.nn

    class Residual(nn.Module):
        def __init__(self, *layers: Any, shortcut: Any = None) -> None:
            super().__init__()
            self.body = nn.Sequential(*layers)
            self.shortcut = shortcut

        def forward(self, input: Any) -> Any:
            around = input if self.shortcut is None else self.shortcut(input)
            return around + self.body(input)

    class Concat(nn.Sequential):
        def forward(self, input: Any) -> Any:
            return torch.cat([branch(input) for branch in self], dim=1)

    class Transpose(nn.Module):
        def forward(self, input: Any) -> Any:
            return input.transpose(-1, -2)

    return SimpleNamespace(**vars(nn), Residual=Residual, Concat=Concat, Transpose=Transpose)
