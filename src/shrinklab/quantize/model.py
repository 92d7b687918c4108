"""Post-training quantization of a whole network: integer weights, integer grids for the values between layers."""

from dataclasses import dataclass

import torch  # noqa: F401  (the example uses it)
from torch import nn

from shrinklab.affine import choose_qparams, quantize
from shrinklab.errors import need
from shrinklab.models import ARCHITECTURES, architecture
from shrinklab.quantize import graph
from shrinklab.quantize.assemble import assemble, layers_of, weight_grid
from shrinklab.quantize.calibration import Collected, calibration_images, observer_named, record, sample_size
from shrinklab.quantize.layers import QuantizedLayer, Quantizer


@dataclass(frozen=True)
class Scheme:
    """How to quantize. Bits are 2 to 8.

    activation_bits=None leaves the values between the layers as floats (weights only); per_channel: a weight grid
    for each output channel; symmetric: activation grids around 0 (int8) in place of affine ones (uint8); weight
    grids are always symmetric. observer, weight_observer: "min_max", "percentile", "mse", "entropy", or a function
    values -> (low, high); below 8 bits "mse" is the better choice for weights. dynamic: each batch chooses its own
    input grids, with no calibration.

    >>> Scheme(weight_bits=1)
    Traceback (most recent call last):
        ...
    ValueError: weight_bits is 1; a grid has 2 to 8 bits; use 8, or 4.
    """

    weight_bits: int = 8
    activation_bits: int | None = 8
    per_channel: bool = True
    symmetric: bool = False
    observer: object = "min_max"
    weight_observer: object = "min_max"
    dynamic: bool = False

    def __post_init__(self):
        for name in ("weight_bits", "activation_bits"):
            bits = getattr(self, name)
            right = isinstance(bits, int) and not isinstance(bits, bool) and 2 <= bits <= 8
            need(right or (bits is None and name == "activation_bits"), f"{name} is {bits!r}",
                 "a grid has 2 to 8 bits", "use 8, or 4")
        need(not self.dynamic or (self.activation_bits and not self.symmetric),
             "dynamic is True without affine activation grids", "a dynamic model rounds each layer's input affinely",
             "leave symmetric False and activation_bits 8")
        for observer in (self.observer, self.weight_observer):
            observer_named(observer, bits=8, symmetric=True)


class QuantizedModel(nn.Module):
    """A network with integer weights; calling it computes what integer kernels compute, in floats that hold integers.

    body: an fx.GraphModule. Its `graph` holds `QuantizedLayer`s, `Quantizer`s, and float operations (additions,
    average pooling) on values between them; a ReLU directly after a layer is part of the layer (`clip`).
    source: name and config of the float network, as `models.build` takes them (None where it has none).
    """

    def __init__(self, body, scheme, source):
        super().__init__()
        self.body, self.scheme, self.source = body, scheme, source
        self.eval()

    def forward(self, x):
        return self.body(x)

    @property
    def layers(self):
        """{name in the float model: QuantizedLayer}, in the order of execution."""
        return layers_of(self.body)

    @property
    def activations(self):
        """{name of the graph node that makes the value: its QParams}."""
        found = {}
        for node in self.body.graph.nodes:
            module = self.body.get_submodule(node.target) if node.op == "call_module" else None
            if isinstance(module, Quantizer):
                found[node.args[0].name] = module.qparams
            elif isinstance(module, QuantizedLayer) and module.output_grid is not None:
                found[node.name] = module.output_grid.qparams
        return found


def quantize_model(model, images=None, scheme=None, *, layers=None):
    """A quantized copy of the model; the model itself stays as it was.

    images: float (N, ...) or a split, for calibration, or what `collect` kept of them; not needed for dynamic and
    weights-only schemes.
    layers: {layer name: Scheme} for layers with bits of their own. A value that several layers read takes the most
    bits that one of them asks for; one that is only added, 8.

    >>> model = nn.Linear(2, 1, bias=False)
    >>> model.weight.data = torch.tensor([[0.5, -1.0]])
    >>> small = quantize_model(model, torch.tensor([[1.0, -3.0]]))
    >>> small.layers["0"].weight, small(torch.tensor([[1.0, -3.0]]))  # in floats: 3.5000
    (tensor([[  64, -127]], dtype=torch.int8), tensor([[3.5020]]))
    """
    scheme = chosen_scheme(scheme, Scheme())
    refuse_quantized(model)
    body = graph.prepare(model)
    schemes = schemes_of(body, scheme, layers)
    grids = {}
    if scheme.activation_bits and not scheme.dynamic:
        grids = activation_grids(body, _values(body, images, scheme), scheme, schemes)
    inputs, weights = graph.input_sites(body), {}
    for name in graph.layer_nodes(body):
        layer = body.get_submodule(name)
        grid = weight_grid(layer, schemes[name], grids.get(inputs[name]))
        weights[name] = quantize(layer.weight.detach(), grid), grid
    body = assemble(body, weights, grids)
    for name, layer in layers_of(body).items():
        layer.dynamic_bits = schemes[name].activation_bits if scheme.dynamic else None
    return QuantizedModel(body, scheme, _source(model))


def chosen_scheme(scheme, default):
    """The scheme given, or the default for None.

    >>> chosen_scheme(None, Scheme(weight_bits=4)).weight_bits
    4
    """
    need(scheme is None or isinstance(scheme, Scheme), f"scheme is {scheme!r}", "how to quantize is said by a Scheme",
         "pass Scheme(weight_bits=8)", TypeError)
    return scheme or default


def refuse_quantized(model):
    """Raise ValueError for a model that is quantized already."""
    need(not isinstance(model, QuantizedModel), "the model is a QuantizedModel", "it is quantized already",
         "quantize the float model, with another Scheme")


def schemes_of(body, scheme, layers):
    """{layer name: Scheme} of every layer of a prepared graph."""
    layers, names = dict(layers or {}), list(graph.layer_nodes(body))
    for name, own in layers.items():
        need(name in names, f"layers names {name!r}", f"the model's layers are {', '.join(names)}", "use one of them")
        need(isinstance(own, Scheme) and own.dynamic == scheme.dynamic, f"the scheme of {name} is {own!r}",
             "a layer's own Scheme is as dynamic as the model's", "pass Scheme(weight_bits=8)")
    return {name: layers.get(name, scheme) for name in names}


def activation_grids(body, values, scheme, schemes):
    """{site name: QParams}: each value with the most bits that a layer reading it asks for, or 8.

    values: {site name: (n,)}, as `record` gives them.
    """
    layers = {node: schemes[name] for name, node in graph.layer_nodes(body).items()}
    grids, places = {}, graph.sites(body)
    for name, seen in values.items():
        asked = [layers[user].activation_bits for user in graph.consumers(places[name], body) if user in layers]
        if None in asked:  # a layer with weights only reads floats
            continue
        bits = max(asked, default=8)
        low, high = observer_named(scheme.observer, bits=bits, symmetric=scheme.symmetric)(seen)
        grids[name] = choose_qparams(low, high, bits=bits, symmetric=scheme.symmetric)
    return grids


def _values(body, images, scheme):
    """{site name: (n,)} that the images give, or that were collected from this network before."""
    places = graph.sites(body)
    if not isinstance(images, Collected):
        return record(body, places, calibration_images(images), sample_size(scheme.observer))
    need(set(images.values) == set(places), f"the values were collected at {', '.join(images.values)}",
         f"the model has {', '.join(places)}", "collect them from the model that you quantize")
    return images.values


def _source(model):
    known = type(model) in ARCHITECTURES.values()
    return {"architecture": architecture(model), "config": model.config} if known else None
