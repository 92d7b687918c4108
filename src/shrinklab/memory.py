"""How much memory does a forward pass hold?"""

import torch
from torch import nn  # noqa: F401  (the example uses it)
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from shrinklab.inference import evaluating, forward, need_network


def peak_memory(model, example):
    """Peak bytes of all tensors alive at once in a forward pass: weights, buffers, input and activations.

    Every tensor that an operation makes is counted from then until its storage is freed. Two runs give the same
    number on every machine; what is left out differs between them: the interpreter, the libraries, and the work
    space inside one operation.

    >>> model = nn.Sequential(nn.Linear(100, 50), nn.ReLU(), nn.Linear(50, 10))
    >>> peak_memory(model, torch.zeros(1, 100)) - 4 * (100 + 5050 + 510)  # two activations of 50 values at 4 bytes
    400
    """
    need_network(model)
    example = example.clone()  # split.images[:1] is a view, whose storage is that of the whole split
    given = [example, *model.parameters(), *model.buffers()]
    with evaluating(model), torch.inference_mode(), _LiveTensors(given) as tracker:
        forward(model, example)
    return tracker.peak


class _LiveTensors(TorchDispatchMode):
    """Follows each storage from the operation that makes it until it is freed; `peak` is in bytes."""

    def __init__(self, given):
        super().__init__()
        self._live, self.peak = {}, 0
        self._note(given)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        self._note(tree_leaves(result))
        return result

    def _note(self, values):
        for value in values:
            if isinstance(value, torch.Tensor):
                storage = value.untyped_storage()  # shared by views, so a view adds nothing
                self._live[StorageWeakRef(storage)] = storage.nbytes()
        self._live = {ref: size for ref, size in self._live.items() if not ref.expired()}
        self.peak = max(self.peak, sum(self._live.values()))
