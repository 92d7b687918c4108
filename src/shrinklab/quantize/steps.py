"""Running a network layer by layer, each once, for methods that mend one layer after another."""

import torch
from torch import fx

BATCH = 500


class Steps(fx.Interpreter):
    """One run of a graph that stops where it is told to; only the values that are still needed are kept.

    body: a prepared graph, whose modules take one tensor; images: (N, ...). Layers are asked for in the order of
    execution. A layer that is changed while the run waits before it runs as it is by then.

    >>> from shrinklab.quantize.graph import prepare
    >>> steps = Steps(prepare(torch.nn.Sequential(torch.nn.Linear(1, 1), torch.nn.ReLU())), torch.ones(1, 1))
    >>> steps.before("0")
    tensor([[1.]])
    """

    def __init__(self, body, images):
        super().__init__(body)
        self.args_iter, self._left = iter((images,)), list(body.graph.nodes)

    def before(self, layer):
        """The input of a layer, (N, ...)."""
        while not self._is(self._left[0], layer):
            self._next()
        return self.env[self._left[0].args[0]]

    def after(self, layer):
        """The output of a layer, (N, ...)."""
        self.before(layer)
        return self._next()

    def call_module(self, target, args, kwargs):
        """In batches, as the values between the parts of a module can take more room than its result."""
        module = self.fetch_attr(target)
        return torch.cat([module(batch) for batch in args[0].split(BATCH)])

    def _is(self, node, layer):
        return node.op == "call_module" and node.target == layer

    def _next(self):
        node = self._left.pop(0)
        with torch.no_grad():
            value = self.env[node] = self.run_node(node)
        for used_up in self.user_to_last_uses.get(node, []):
            del self.env[used_up]
        return value
