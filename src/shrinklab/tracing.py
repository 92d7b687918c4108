"""Which channels belong together? Every channel gets a number, and the numbers are followed through the network.

A layer that makes channels gives each a new number. ReLU, pooling and batch norm hand the numbers on, flatten
repeats each for the pixels of its channel, a concatenation lines them up, and an addition says that two numbers
mean one channel: both can only go together. Source: Fang et al., "DepGraph: Towards Any Structural Pruning", 2023,
which follows dependencies between layers; numbering single channels does the same and makes flatten and
concatenation plain.
"""

from dataclasses import dataclass
from math import prod

import torch
from torch import nn

from shrinklab.errors import need
from shrinklab.graph import traced_graph

CONVOLUTIONS = nn.Conv1d, nn.Conv2d, nn.Conv3d
NORMS = nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d
# Channel i of the output depends on channel i of the input alone.
ALIKE_MODULES = (
    nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AvgPool1d, nn.AvgPool2d,
    nn.MaxPool1d, nn.MaxPool2d, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.ELU, nn.GELU, nn.Hardsigmoid, nn.Hardswish,
    nn.Hardtanh, nn.Identity, nn.LeakyReLU, nn.Mish, nn.ReLU, nn.SELU, nn.SiLU, nn.Sigmoid, nn.Softplus, nn.Tanh,
    nn.Upsample, nn.ZeroPad2d,
)
ALIKE = {  # functions and methods, by name
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_max_pool2d", "avg_pool1d", "avg_pool2d", "clamp", "clone",
    "contiguous", "dropout", "dropout2d", "elu", "gelu", "hardsigmoid", "hardswish", "hardtanh", "interpolate",
    "leaky_relu", "max_pool1d", "max_pool2d", "mean", "mish", "neg", "pad", "relu", "relu6", "relu_", "sigmoid",
    "silu", "softplus", "tanh", "truediv",
}
RESHAPES = {"Flatten", "flatten", "reshape", "squeeze", "view"}
MEETINGS = {"add", "add_", "iadd", "imul", "isub", "mul", "mul_", "sub", "sub_"}
KNOWN = ("shrinking follows channels through convolution, linear, batch norm, activation, pooling, flatten, "
         "concatenation and element-wise addition")


@dataclass(frozen=True)
class Layer:
    """A layer with weights, and the numbers of the channels that it reads (in,) and makes (out,).

    kind: "dense" (each output mixes all inputs), "depthwise" or "norm". places: output values per channel and
    image, over all calls of the layer.
    """

    kind: str
    reads: torch.Tensor
    makes: torch.Tensor
    places: int


@dataclass(frozen=True)
class Wiring:
    """All layers by module name, in calling order; fixed: bool (numbers,), True for channels that have to stay."""

    layers: dict
    fixed: torch.Tensor


def follow(model, example):
    """Number all channels in one forward pass in evaluation mode: model, input (N, C, ...) -> `Wiring`.

    ValueError, with the module's name, where channels are mixed in a way that is not known here.

    >>> wiring = follow(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 5)), torch.zeros(1, 1, 4, 4))
    >>> wiring.layers["0"].makes, wiring.layers["2"].reads  # number 0 is the image's only channel
    (tensor([1, 2]), tensor([1, 1, 1, 1, 2, 2, 2, 2]))
    """
    return _Follower(model).run(traced_graph(model, example))


class Sets:
    """Numbers that are joined into sets (union-find).

    >>> sets = Sets()
    >>> a, b = sets.add(2), sets.add(2)
    >>> sets.join(a, b)
    >>> sets.smallest()
    tensor([0, 1, 0, 1])
    """

    def __init__(self, count=0):
        self._parent = list(range(count))

    def add(self, count):
        first = len(self._parent)
        self._parent.extend(range(first, first + count))
        return torch.arange(first, first + count)

    def join(self, left, right):
        for a, b in zip(left.tolist(), right.tolist(), strict=True):
            a, b = sorted((self._root(a), self._root(b)))
            self._parent[b] = a

    def smallest(self):
        """For each number the smallest of its set, int64 (numbers,)."""
        parent = torch.tensor(self._parent, dtype=torch.long)
        while not torch.equal(parent[parent], parent):
            parent = parent[parent]
        return parent

    def _root(self, number):
        while self._parent[number] != number:
            self._parent[number] = number = self._parent[self._parent[number]]
        return number


class _Follower:
    """Goes through a traced graph in order and keeps, for each tensor, the numbers of its channels."""

    def __init__(self, model):
        self.model, self.sets, self.layers, self.numbers, self.owners = model, Sets(), {}, {}, {}

    def run(self, graph):
        kept = []
        for node in graph.nodes:
            shape = node.meta.get("shape")
            if node.op == "output":
                kept = [self.numbers[source] for source in node.all_input_nodes if source in self.numbers]
            elif shape is not None and node.op == "placeholder":
                self.image = self.numbers[node] = self.sets.add(shape[1])
            elif shape is not None:
                self.numbers[node] = self._step(node, shape)
        smallest = self.sets.smallest()
        fixed = torch.zeros(len(smallest), dtype=torch.bool)
        fixed[smallest[torch.cat([self.image, *kept])]] = True
        return Wiring({name: Layer(kind, smallest[reads], smallest[makes], places)
                       for name, (kind, reads, makes, places) in self.layers.items()}, fixed)

    def _step(self, node, shape):
        """The numbers of one result's channels, (channels,)."""
        module = self.model.get_submodule(node.target) if node.op == "call_module" else None
        name = type(module).__name__ if module is not None else getattr(node.target, "__name__", node.target)
        sources = [source for source in node.all_input_nodes if source in self.numbers]
        self._check(node, len(shape) > 1 and sources and node.op != "get_attr")
        first = self.numbers[sources[0]]
        if isinstance(module, (*CONVOLUTIONS, *NORMS, nn.Linear)):
            return self._layer(node, module, first, shape)
        if name in MEETINGS:  # no channel may be broadcast
            self._check(node, all(len(source.meta["shape"]) == len(shape) and source.meta["shape"][1] == shape[1]
                                  for source in sources))
            for other in sources[1:]:
                self.sets.join(first, self.numbers[other])
            return first
        if name in ("cat", "concat"):
            parts = node.args[0] if node.args else node.kwargs["tensors"]
            result = torch.cat([self.numbers[source] for source in parts])
            self._check(node, len(result) == shape[1])
            return result
        before = sources[0].meta["shape"]
        if name in ALIKE or isinstance(module, ALIKE_MODULES):
            self._check(node, len(sources) == 1 and shape[:2] == before[:2])
            return first
        self._check(node, name in RESHAPES and _follows_size(node, name))
        self._check(node, shape[:2] == before[:2] or shape == (before[0], prod(before[1:])))
        return first.repeat_interleave(shape[1] // len(first))

    def _layer(self, node, module, reads, shape):
        """Numbers made by a layer with weights. Called again, it shares its weights, and so the channels too."""
        norm, linear = isinstance(module, NORMS), isinstance(module, nn.Linear)
        dense = linear or not norm and module.groups == 1
        self._check(node, dense or norm or module.groups == module.in_channels)
        self._check(node, len(shape) == 2 or not linear)
        owner = self.owners.setdefault(id(module.weight), node.target)
        plain = norm and module.weight is None or "weight" in module._parameters
        need(plain and (owner == node.target or module.weight is None),
             f"{self._where(node)} shares or computes its weight", "each layer holds a weight of its own",
             "remove parametrizations, make masks permanent, or untie the weights")
        if node.target in self.layers:
            kind, known, makes, places = self.layers[node.target]
            self.sets.join(known, reads)
        else:
            kind, places = "dense" if dense else "norm" if norm else "depthwise", 0
            makes = self.sets.add(shape[1]) if dense else reads.repeat_interleave(shape[1] // len(reads))
        self.layers[node.target] = kind, reads, makes, places + prod(shape[2:])
        return makes

    def _where(self, node):
        """Where a step of the graph stands, for an error message."""
        if node.op == "call_module":
            return f"{node.target} ({type(self.model.get_submodule(node.target)).__name__})"
        stack = list(node.meta.get("nn_module_stack", {}).values())
        inside = stack[-1][0] if stack and stack[-1][0] else type(self.model).__name__
        return f"{getattr(node.target, '__name__', node.target)} in {inside}"

    def _check(self, node, condition):
        need(condition, f"{self._where(node)} cannot be traced", KNOWN,
             "use one of these instead, or shrink a part of the model without it")


def _follows_size(node, name):
    """Whether a reshape holds no channel count written as a number, which would be wrong after shrinking."""
    sizes = (*node.args[1:], *node.kwargs.values()) if name in ("view", "reshape") else ()
    sizes = sizes[0] if len(sizes) == 1 and isinstance(sizes[0], tuple | list) else sizes
    return not any(isinstance(size, int) and size > 1 for size in sizes)
