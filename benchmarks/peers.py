"""
The libraries that are measured: one class each, listed in `PEERS`.

A library is imported when its class is instantiated, so that this file imports in every environment.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from .cases import PoolCase

if TYPE_CHECKING:
    from collections.abc import Callable

    from .cases import Array, Case


class Peer(ABC):
    """A library with its best settings, alone in its process."""

    name: ClassVar[str]

    @abstractmethod
    def __init__(self, threads: int) -> None:
        """Import the library and set it up."""

    @abstractmethod
    def versions(self) -> dict[str, str]:
        """What a report says about the library."""

    def prepare(self, case: Case | PoolCase) -> Callable[[], Any]:
        """
        Return the call that is timed.

        What is done here is free: the peer's favourite layout of the data, and whatever it can set up once.
        `numpy.asarray` of the call's result is the NCHW result.
        """
        if isinstance(case, PoolCase):
            return self.prepare_pool(case)
        return self.prepare_conv(case)

    @abstractmethod
    def prepare_conv(self, case: Case) -> Callable[[], Any]:
        """`prepare` for a convolution."""

    @abstractmethod
    def prepare_pool(self, case: PoolCase) -> Callable[[], Any]:
        """`prepare` for a pool. What a forward keeps for its gradient is no part of the gradient's time."""


class ConvNative(Peer):
    name = "convnative"

    def __init__(self, threads: int) -> None:
        from autograd import make_vjp

        import convnative

        self._make_vjp = make_vjp
        self._library = convnative
        convnative.set_num_threads(threads)

    def versions(self) -> dict[str, str]:
        return {
            "convnative": self._library.__version__,
            "isa": self._library.isa(),
            "precision": self._library.get_precision(),
        }

    def prepare_conv(self, case: Case) -> Callable[[], Array]:
        functional, shape = self._library.functional, case.shape
        geometry = shape.stride, shape.padding, shape.dilation, shape.groups
        input, weight, grad_output = case.input, case.weight, case.grad_output
        if case.operation == "forward":
            return lambda: functional.conv2d(input, weight, None, *geometry)
        if case.operation == "grad_input":
            return lambda: functional.conv2d_grad_input(grad_output, weight, input.shape, *geometry)
        return lambda: functional.conv2d_grad_weight(grad_output, input, weight.shape, *geometry)

    def prepare_pool(self, case: PoolCase) -> Callable[[], Array]:
        shape, input, grad_output = case.shape, case.input, case.grad_output
        prefix = "adaptive_" if shape.output_size else ""
        pool = getattr(self._library.functional, f"{prefix}{shape.kind}_pool{shape.axes}d")
        arguments = (shape.output_size,) if shape.output_size else (shape.kernel, shape.step, shape.padding)
        if case.operation == "forward":
            return lambda: pool(input, *arguments)
        product, _ = self._make_vjp(lambda x: pool(x, *arguments))(input)
        return lambda: product(grad_output)


class Torch(Peer):
    name = "torch"

    def __init__(self, threads: int) -> None:
        import torch

        self._torch = torch
        self._layout = torch.contiguous_format
        torch.set_num_threads(threads)
        torch.set_grad_enabled(False)

    def versions(self) -> dict[str, str]:
        return {"torch": self._torch.__version__, "isa": self._torch.backends.cpu.get_cpu_capability()}

    def prepare_conv(self, case: Case) -> Callable[[], Any]:
        torch, shape = self._torch, case.shape
        input, weight, grad_output = map(self._tensor, (case.input, case.weight, case.grad_output))
        geometry = shape.stride, shape.padding, shape.dilation
        if case.operation == "forward":
            return lambda: torch.nn.functional.conv2d(input, weight, None, *geometry, shape.groups)
        # What both autograd and torch.nn.grad call. The latter gives it a stand-in for the tensor that is
        # not needed, which hides its layout.
        index = ("grad_input", "grad_weight").index(case.operation)
        wanted = [index == 0, index == 1, False]
        backward = torch.ops.aten.convolution_backward.default
        options = (None, *geometry, False, (0, 0), shape.groups, wanted)
        return lambda: backward(grad_output, input, weight, *options)[index]

    def prepare_pool(self, case: PoolCase) -> Callable[[], Any]:
        torch, shape = self._torch, case.shape
        input, grad_output = map(self._tensor, (case.input, case.grad_output))
        prefix = "adaptive_" if shape.output_size else ""
        pool = getattr(torch.nn.functional, f"{prefix}{shape.kind}_pool{shape.axes}d")
        arguments = (shape.output_size,) if shape.output_size else (shape.kernel, shape.step, shape.padding)
        if case.operation == "forward":
            return lambda: pool(input, *arguments)
        with torch.enable_grad():
            output = pool(input.requires_grad_(), *arguments)
        return lambda: torch.autograd.grad(output, input, grad_output, retain_graph=True)[0]

    def _tensor(self, array: Array) -> Any:
        # A copy into an empty tensor has the layout's own strides even where a size of 1 leaves them open.
        tensor = self._torch.from_numpy(array)
        if array.ndim == 4:
            return self._torch.empty(array.shape, memory_format=self._layout).copy_(tensor)
        if array.ndim == 5 and self._layout is self._torch.channels_last:
            return tensor.contiguous(memory_format=self._torch.channels_last_3d)
        return tensor


class TorchChannelsLast(Torch):
    name = "torch-channels-last"

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        self._layout = self._torch.channels_last


OURS = ConvNative.name
PEERS: dict[str, type[Peer]] = {peer.name: peer for peer in (ConvNative, Torch, TorchChannelsLast)}
