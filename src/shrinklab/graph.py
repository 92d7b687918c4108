"""The steps of a network's forward pass as a graph, each with the shape of its result (torch.fx)."""

import torch
from torch import fx

from shrinklab.errors import need
from shrinklab.metrics import evaluating, forward


def traced_graph(model, example):
    """Trace one forward pass in evaluation mode: model, input (N, C, ...) -> `torch.fx.Graph`.

    node.meta["shape"] is the shape of a step's result for a batch of two, or None where it is no tensor. ValueError,
    with the module's name, where the steps depend on the input's values.

    >>> graph = traced_graph(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 5)), torch.zeros(1, 3, 4))
    >>> [(node.name, node.meta["shape"]) for node in graph.nodes][:3]
    [('input_1', (2, 3, 4)), ('_0', (2, 12)), ('_1', (2, 5))]
    """
    shape = tuple(example.shape) if isinstance(example, torch.Tensor) else ()
    need(len(shape) > 1 and shape[0] > 0, f"example is a {type(example).__name__} of shape {shape}",
         "channels are followed on a batch of one input or more, a tensor (N, C, ...)", "pass data.example")
    images = torch.cat([example[:1]] * 2)  # two, so that a channel count of 1 is never taken for the batch
    with evaluating(model), torch.no_grad():
        graph = _Tracer().trace(model)
        try:
            _Shapes(model, graph=graph).run(images)
        except RuntimeError:
            forward(model, example)  # whose error is readable
            forward(model, images)
            raise
    return graph


class _Shapes(fx.Interpreter):
    """Runs a traced graph and notes the shape of each result."""

    def run_node(self, n):
        result = super().run_node(n)
        n.meta["shape"] = tuple(result.shape) if isinstance(result, torch.Tensor) else None
        return result


class _Tracer(fx.Tracer):
    """torch.fx's tracer, whose refusals name the module."""

    def trace(self, root, concrete_args=None):
        return self._named(type(root).__name__, super().trace, root, concrete_args)

    def call_module(self, m, forward, args, kwargs):
        return self._named(f"{self.path_of_module(m)} ({type(m).__name__})", super().call_module, m, forward, args,
                           kwargs)

    def _named(self, name, call, *args):
        try:
            return call(*args)
        except _Refused:
            raise
        except Exception as error:
            raise _Refused(f"{name} cannot be traced: {error}; its forward must do the same steps for every input; "
                           "take out what depends on values, such as an if on a tensor.") from error


class _Refused(ValueError):
    """Already carries the name of the innermost module."""
