"""Weight sharing for a whole network: 2^b different weights in a layer, so that each takes b bits and a table lookup.

The arithmetic stays in floats: a codebook makes the file smaller, and the network no faster.
Source: Han et al., "Deep Compression: Compressing Deep Neural Networks with Pruning, Trained Quantization and Huffman
Coding", 2016, section 3.
"""

import copy

import torch
from torch import nn

from shrinklab.codebook.kmeans import kmeans
from shrinklab.codebook.layers import SHARED, Shared, plain_layer, shared_layer
from shrinklab.errors import need
from shrinklab.inference import need_network
from shrinklab.models import ARCHITECTURES, architecture
from shrinklab.quantize.model import QuantizedModel


class CodebookModel(nn.Module):
    """A network whose convolutions and linear layers look their weights up.

    body: the network, with `Shared` layers; its parameters are centroids, biases and batch norm. source: name and
    config of the float network, as `models.build` takes them (None where it has none).
    """

    def __init__(self, body, source):
        super().__init__()
        self.body, self.source = body, source

    def forward(self, x):
        return self.body(x)

    @property
    def layers(self):
        """{name in the float model: layer with .centroids (K,), .indices (uint8, the weight's shape) and .bits}."""
        return {name: module for name, module in self.body.named_modules() if isinstance(module, Shared)}

    def to_float(self):
        """The float network that computes the same numbers, with its weights written out; for export and measuring.

        >>> shared = share_weights(nn.Linear(8, 4), 2)
        >>> len(shared.to_float().get_submodule("0").weight.unique())
        4
        """
        body = copy.deepcopy(self.body)
        for name in self.layers:
            replace_layer(body, name, plain_layer(body.get_submodule(name)))
        return body


def share_weights(model, bits=4, *, layers=None, init="linear", keep_zeros=True, seed=0):
    """A copy of the model with the weights of each layer shared by k-means; -> CodebookModel. The model stays.

    bits: 2 to 8 for each index, so 2^bits centroids a layer (fewer where a layer has fewer different weights).
    layers: {layer name: bits of its own, or None to stay float}; init and seed: see `kmeans`. keep_zeros: weights of
    exactly 0, which were pruned, stay 0; the centroid for them is one of the 2^bits, and tuning does not move it.

    >>> layer = nn.Linear(4, 2, bias=False)
    >>> layer.weight.data = torch.tensor([[0.0, 0.1, 0.9, 1.0], [-1.1, -0.9, 0.0, 2.0]])
    >>> shared = share_weights(layer, 2, keep_zeros=False)
    >>> shared.layers["0"].centroids.tolist(), shared.layers["0"].indices.tolist()
    ([-1.0, 0.03333333507180214, 0.949999988079071, 2.0], [[1, 1, 2, 2], [0, 0, 1, 3]])
    """
    _check_model(model)
    body = copy.deepcopy(model) if _children(model) else nn.Sequential(copy.deepcopy(model))
    bits_of = _bits(body, bits, layers)
    for name, own in bits_of.items():
        layer = body.get_submodule(name)
        centroids, indices = _codebook(layer.weight, own, init, keep_zeros, seed)
        replace_layer(body, name, shared_layer(layer, centroids, indices, own))
    return CodebookModel(body, _source(model))


def shareable(model):
    """Names of the layers that get a codebook: convolutions and linear layers of PyTorch's own types, in model order.

    >>> shareable(nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(4, 5)))
    ['0', '2']
    """
    need_network(model)
    return [name for name, module in model.named_modules() if type(module) in SHARED]


def replace_layer(body, name, layer):
    """Put a layer in place of the one with this name, which may have other names as well. Changes the body."""
    old = body.get_submodule(name)
    for place in [place for place, module in body.named_modules(remove_duplicate=False) if module is old]:
        body.set_submodule(place, layer)


def _codebook(weight, bits, init, keep_zeros, seed):
    """Centroids and indices of one weight tensor; with zeros kept, one centroid is exactly 0."""
    zero = weight.detach() == 0
    if not keep_zeros or not zero.any():
        return kmeans(weight, 2**bits, init=init, seed=seed)
    if zero.all():
        return torch.zeros(1), torch.zeros_like(zero, dtype=torch.uint8)
    centroids, others = kmeans(weight[~zero], 2**bits - 1, init=init, seed=seed)
    place = int((centroids < 0).sum())
    indices = torch.full(weight.shape, place, dtype=torch.uint8)
    indices[~zero] = others + (others >= place)
    return torch.cat([centroids[:place], torch.zeros(1), centroids[place:]]), indices


def _bits(body, bits, layers):
    """{layer name: bits} of the layers to share."""
    names, layers = shareable(body), dict(layers or {})
    need(names, f"the {type(body).__name__} has no convolution or linear layer", "a codebook holds their weights",
         "pass a network that has some")
    for name in layers:
        need(name in names, f"layers names {name!r}", f"the model's layers are {', '.join(names)}", "use one of them")
    table = {name: layers.get(name, bits) for name in names}
    for name, own in table.items():
        right = isinstance(own, int) and not isinstance(own, bool) and 2 <= own <= 8
        need(right or (own is None and name in layers), f"bits is {own!r}", "an index has 2 to 8 bits",
             "use 4, for 16 centroids a layer")
    return {name: own for name, own in table.items() if own is not None}


def _check_model(model):
    need(isinstance(model, nn.Module), f"the model is a {type(model).__name__}", "weights are shared in an nn.Module",
         "pass the network", TypeError)
    need(not isinstance(model, QuantizedModel), "the model is a QuantizedModel", "it is quantized already",
         "share the weights of the float model")
    shared = any(isinstance(module, CodebookModel | Shared) for module in model.modules())
    need(not shared, "the model has a codebook already", "a float model gets one",
         "share the float model again, with other bits")
    for name, tensor in model.state_dict().items():
        need(bool(tensor.isfinite().all()), f"{name} holds NaN or infinite values", "k-means averages numbers",
             "look for a diverged training")


def _children(model):
    return next(model.children(), None) is not None


def _source(model):
    known = type(model) in ARCHITECTURES.values()
    return {"architecture": architecture(model), "config": model.config} if known else None
