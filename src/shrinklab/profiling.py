"""What does each layer of a network cost? MACs, bytes moved and measured time, layer by layer in calling order."""

import time
from dataclasses import dataclass
from statistics import median

from torch import nn

from shrinklab.errors import need
from shrinklab.inference import evaluating, forward, need_network
from shrinklab.quantize.model import QuantizedModel
from shrinklab.roofline import roofline
from shrinklab.timing import call_times

WARM_UP = 3


@dataclass(frozen=True)
class LayerCost:
    """One call of one layer. macs and image_bytes are for one image, time_ms for the whole batch.

    image_bytes: what goes in and what comes out; weight_bytes: parameters and buffers, moved once a batch.
    weight_shape, output_shape: as `roofline.conv_cost` takes them; weight_shape is None for a layer without MACs.
    """

    name: str
    kind: str
    macs: int
    weight_bytes: int
    image_bytes: int
    time_ms: float
    weight_shape: tuple | None
    output_shape: tuple

    def moved_bytes(self, batch):
        """Bytes that at least have to move for one batch: weights, inputs and outputs, each once.

        >>> LayerCost("fc", "Linear", 640, 2600, 296, 0.01, (10, 64), (1, 10)).moved_bytes(batch=2)
        3192
        """
        return self.weight_bytes + batch * self.image_bytes


@dataclass(frozen=True)
class Profile:
    """The layers of a forward pass, in calling order, and the time of the whole pass."""

    layers: tuple[LayerCost, ...]
    total_ms: float
    batch: int

    @property
    def rest_ms(self):
        """Time of the pass outside all layers: additions between them, and Python itself."""
        return self.total_ms - sum(layer.time_ms for layer in self.layers)

    @property
    def macs(self):
        """MACs of all layers for the whole batch."""
        return self.batch * sum(layer.macs for layer in self.layers)

    def moved_bytes(self, batch=None):
        """Bytes that all layers have to move for this batch, or for one of another size."""
        return sum(layer.moved_bytes(self.batch if batch is None else batch) for layer in self.layers)


def profile(model, images, *, repeats=11, threads=1):
    """Run the model on images (N, ...), time each layer on the way; return a `Profile`. The model stays as it was.

    A layer is a module without modules of its own; Identity is none, it moves nothing. Each time is the median over the
    passes, that of the rest too, and the total is their sum: one interruption spoils none of them. They hold the cost
    of asking the clock, about a microsecond a layer. macs: those of convolutions and linear layers, as in
    `measure.count_macs`.

    >>> import torch
    >>> found = profile(nn.Sequential(nn.Linear(4, 3), nn.ReLU()), torch.zeros(2, 4), repeats=1)
    >>> [(layer.kind, layer.macs, layer.moved_bytes(2)) for layer in found.layers]
    [('Linear', 12, 116), ('ReLU', 0, 48)]
    """
    need_network(model)
    need(not isinstance(model, QuantizedModel), "the model is a QuantizedModel",
         "its integers are simulated in floats, so the times would say nothing", "profile the float model")
    need(isinstance(repeats, int) and repeats >= 1, f"repeats is {repeats!r}", "at least one pass counts", "use 11")
    clock = _Clock()
    with evaluating(model), clock.on(model):
        totals = call_times(lambda: clock.run(model, images), WARM_UP + repeats, threads=threads)[WARM_UP:]
    passes = clock.passes[WARM_UP:]
    rest = median(total - sum(spent) for total, spent in zip(totals, passes, strict=True))
    layers = tuple(_cost(call, median(times)) for call, *times in zip(clock.calls, *passes, strict=True))
    return Profile(layers, sum(layer.time_ms for layer in layers) + rest, len(images))


def bound_ms(found, machine, rule=roofline):
    """Least time of a `Profile`'s layers on a machine whose data is in the cache: the sum of the layers' bounds.

    rule: (macs, moved bytes, MACs a second, bytes a second) -> (ms, name of the roof), for example one of your own.
    """
    return sum(rule(found.batch * layer.macs, layer.moved_bytes(found.batch), machine.macs_per_second,
                    machine.cache_bytes_per_second)[0] for layer in found.layers)


class _Clock:
    """Asks the clock before and after each layer; `passes` holds the milliseconds of each pass, call by call."""

    def __init__(self):
        self.calls, self.passes, self._start = [], [], 0

    def on(self, model):
        layers = {name: module for name, module in model.named_modules()
                  if not any(module.children()) and not isinstance(module, nn.Identity)}
        handles = _Handles()
        for name, module in layers.items():
            handles.append(module.register_forward_pre_hook(self._before))
            handles.append(module.register_forward_hook(
                lambda module, inputs, output, name=name: self._after(name, module, inputs, output)))
        return handles

    def run(self, model, images):
        self.passes.append([])
        forward(model, images)

    def _before(self, module, inputs):
        self._start = time.perf_counter_ns()

    def _after(self, name, module, inputs, output):
        self.passes[-1].append((time.perf_counter_ns() - self._start) / 1e6)
        if len(self.passes) == 1:
            self.calls.append((name, module, inputs[0].shape, inputs[0].itemsize, output.shape))


class _Handles(list):
    """Hooks that are taken off at the end of a with block."""

    def __enter__(self):
        return self

    def __exit__(self, *problem):
        for handle in self:
            handle.remove()


def _cost(call, spent):
    name, module, given, itemsize, made = call
    counts = isinstance(module, (nn.Linear, nn.modules.conv._ConvNd))
    shape = tuple(module.weight.shape) if counts else None
    values = given if getattr(module, "transposed", False) else made  # as in measure.count_macs
    macs = values.numel() // values[0] * module.weight[0].numel() if counts else 0
    weights = sum(tensor.nbytes for tensor in (*module.parameters(), *module.buffers()))
    moved = (given.numel() + made.numel()) // made[0] * itemsize
    return LayerCost(name, type(module).__name__, macs, weights, moved, spent, shape, tuple(made))
