"""Quantization-aware training: round in the forward pass, train through it, and end with integers.

Rounding has derivative 0 almost everywhere. The straight-through estimator takes it as 1 inside the grid and 0
beyond it (Bengio et al., 2013). With "learned" scales the grid's step is trained too: Esser et al., "Learned Step
Size Quantization", 2020. With "observed" scales the grids of weights follow the weights, by the
scheme's own observer, and those of activations stay as calibrated.
"""

import copy
from dataclasses import replace

import torch  # noqa: F401  (the example uses it)
from torch import nn

from shrinklab.affine import choose_qparams, quantize  # noqa: F401  (the example uses one)
from shrinklab.errors import need
from shrinklab.quantize.assemble import weight_grid
from shrinklab.quantize.equalization import float_body
from shrinklab.quantize.layers import RUN, Grid, QuantizedLayer, Quantizer
from shrinklab.quantize.model import QuantizedModel, Scheme
from shrinklab.train import Recipe, fit


def qat(quantized, model, data, recipe=None, *, scales="learned", **options):
    """Train a quantized model's weights and grids; return a new QuantizedModel. Both models stay as they were.

    quantized: from `quantize_model(model, ...)`, the start; model: its float model, which gives the weights.
    data, recipe and further options: as for `train.fit`, masks under the float model's names. Batch norm is folded,
    so a hundredth of the usual learning rate is enough, and a tenth can diverge. The epoch with the best validation
    accuracy is kept. scales: "learned" or "observed".

    >>> from types import SimpleNamespace as Part
    >>> from shrinklab.data import load
    >>> from shrinklab.models import pretrained
    >>> from shrinklab.quantize import quantize_model
    >>> model, data = pretrained("lenet"), load("mnist")
    >>> small = quantize_model(model, data.train[:64], Scheme(weight_bits=2))
    >>> part = Part(train=data.train[:256], validation=data.validation[:50])
    >>> qat(small, model, part, Recipe(learning_rate=0.01), progress=False).layers["fc1"].weight.unique().tolist()
    [-1, 0, 1]
    """
    need(isinstance(quantized, QuantizedModel), f"quantized is a {type(quantized).__name__}",
         "training starts from a QuantizedModel", "make one with quantize_model")
    need(scales in ("learned", "observed"), f"scales is {scales!r}", 'known ways are "learned" and "observed"',
         "use one of them")
    student = trainable(quantized, model, learned=scales == "learned")
    fit(student, data, recipe or Recipe(epochs=3, learning_rate=0.001), **options)
    return frozen(student, quantized)


class RoundedGrid(nn.Module):
    """fake_quantize with a straight-through derivative, on a grid whose step can be trained.

    per_image: the values come in batches, which LSQ's damping of the step's derivative does not count.
    """

    def __init__(self, qparams, learned, per_image=True):
        super().__init__()
        self.start, self.per_image = qparams, per_image
        self.scale = nn.Parameter(qparams.scale.clone(), requires_grad=learned)

    def forward(self, x, observed=None):
        if observed is not None:
            return straight_through(x, observed)
        # The step collects a derivative from each value: damped, so that it moves as slowly as a weight.
        values = x[0].numel() if self.per_image else x.numel() // self.scale.numel()
        damping = (values * self.start.high) ** -0.5
        scale = self.qparams.scale
        return straight_through(x, self._grid(scale * damping + (scale - scale * damping).detach()))

    @property
    def qparams(self):
        # A channel with small weights has a small step, which training could carry past 0: it stops at a quarter of
        # the start. The derivative goes on through the stop, so that the step can come back.
        return self._grid(self.scale + (self.scale.maximum(self.start.scale / 4) - self.scale).detach())

    def _grid(self, scale):
        return replace(self.start, scale=scale)


def straight_through(x, qparams):
    """fake_quantize, bit for bit up to float rounding, with derivative 1 inside the grid and 0 beyond it.

    >>> x = torch.tensor([0.3, 9.0], requires_grad=True)
    >>> straight_through(x, choose_qparams(-1.0, 3.0)).sum().backward()
    >>> x.grad
    tensor([1., 0.])
    """
    scale, zero_point = qparams.along(x)
    steps = (x / scale).clamp(qparams.low - zero_point, qparams.high - zero_point)
    return (steps + (steps.round() - steps).detach()) * scale


class TrainableLayer(nn.Module):
    """The float twin of a QuantizedLayer: weights and results are rounded on the way, and can be trained."""

    def __init__(self, layer, weight, learned, observer):
        super().__init__()
        self.kind, self.settings, self.clip = layer.kind, layer.settings, layer.clip
        self.learned, self.observer = learned, observer
        bias = layer.real_bias()
        self.weight = nn.Parameter(weight.detach().clone())
        self.bias = None if bias is None else nn.Parameter(bias.clone())
        self.input_grid = ()  # a tuple around the module, so that its parameters are not counted twice
        self.weight_grid = RoundedGrid(layer.weight_grid.qparams, learned, per_image=False)
        self.output_grid = layer.output_grid and RoundedGrid(layer.output_grid.qparams, learned)

    def forward(self, x):
        observed = None if self.learned else self.final_grid()
        y = RUN[self.kind](x, self.weight_grid(self.weight, observed), self._bias(observed), **self.settings)
        y = y if self.clip is None else y.clamp(*self.clip)
        return y if self.output_grid is None else self.output_grid(y)

    def _bias(self, observed):
        """The bias in the steps that an int32 bias will have: at few bits a hair's difference flips later values."""
        if self.bias is None or not self.input_grid:
            return self.bias
        step = (self.input_grid[0].qparams.scale * (observed or self.weight_grid.qparams).scale).detach()
        return self.bias + ((self.bias / step).round() * step - self.bias).detach()

    def final_grid(self):
        """The weights' grid as trained, or over the weights as they are now."""
        if self.learned:
            return _plain(self.weight_grid.qparams)
        start = self.weight_grid.start
        scheme = Scheme(start.bits, per_channel=start.axis is not None, weight_observer=self.observer)
        return weight_grid(self, scheme, self.input_grid[0].qparams if self.input_grid else None)


def trainable(quantized, model, *, learned=True):
    """The quantized model with float weights and straight-through rounding in place of its integers.

    For training loops of one's own, such as distillation; `frozen` makes the integers again. learned: the grids'
    steps are parameters. Raises ValueError when `model` is not the float model that was quantized.
    """
    floats = float_body(model, quantized)
    for name, layer in quantized.layers.items():
        need(layer.dynamic_bits is None, f"{name} is dynamic", "training needs grids that stay",
             "start from a static scheme")
    body, grids = copy.deepcopy(quantized.body), {}
    for node in body.graph.nodes:
        module = body.get_submodule(node.target) if node.op == "call_module" else None
        if isinstance(module, Quantizer):
            grids[node] = RoundedGrid(module.qparams, learned)
            body.set_submodule(node.target, grids[node])
        elif isinstance(module, QuantizedLayer):
            weight, observer = floats.get_submodule(node.target).weight, quantized.scheme.weight_observer
            twin = TrainableLayer(module, weight, learned, observer)
            grids[node] = twin.output_grid
            if module.input_grid is not None:
                twin.input_grid = (_input_grid(node, grids),)
            body.set_submodule(node.target, twin)
    return body


def _input_grid(node, grids):
    """The RoundedGrid that a layer's input comes from; the operations in between only move values."""
    source = node.args[0]
    while source not in grids:
        source = source.args[0]
    return grids[source]


def frozen(student, quantized):
    """The QuantizedModel of a trained `trainable(quantized, ...)`: its weights and grids, as integers again."""
    done, twins = copy.deepcopy(quantized), dict(student.named_modules())
    for name, module in list(done.body.named_modules()):
        if isinstance(module, Quantizer):
            done.body.set_submodule(name, Quantizer(_plain(twins[name].qparams)))
        elif isinstance(module, QuantizedLayer):
            _freeze(module, twins[name])
    return done


def _freeze(layer, twin):
    """Round one layer's trained weights, in place."""
    grid = twin.final_grid()
    layer.weight, layer.weight_grid, layer.bias = quantize(twin.weight.detach(), grid), Grid(grid), None
    layer.connect(_plain(twin.input_grid[0].qparams) if twin.input_grid else None,
                  twin.output_grid and _plain(twin.output_grid.qparams))
    layer.set_bias(None if twin.bias is None else twin.bias.detach().clone())


def _plain(qparams):
    """The grid by itself, without derivatives."""
    return replace(qparams, scale=qparams.scale.detach().clone())
