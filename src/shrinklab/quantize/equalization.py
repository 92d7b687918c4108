"""Mend a network for quantization without training: cross-layer equalization and bias correction.

Source: Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", 2019.
"""

import copy
import math

import torch
from torch import nn
from torch.nn import functional as F

from shrinklab.errors import need
from shrinklab.metrics import predict
from shrinklab.quantize import graph
from shrinklab.quantize.calibration import calibration_images
from shrinklab.quantize.model import QuantizedModel, refuse_quantized
from shrinklab.quantize.steps import Steps

ENOUGH = 2**15  # values of a channel for its mean
FLATTENS = {nn.Flatten, torch.flatten, "flatten"}
# What lets a channel's positive factor through: f(s x) = s f(x). ReLU6 does not.
SCALABLE = (graph.RELUS - graph.UP_TO_SIX) | FLATTENS | {
    nn.MaxPool1d, nn.MaxPool2d, nn.AvgPool1d, nn.AvgPool2d, nn.AdaptiveMaxPool2d, nn.AdaptiveAvgPool2d,
    F.max_pool2d, torch.max_pool2d, F.avg_pool2d, F.adaptive_avg_pool2d}


def equal_ranges(before, after):
    """The factors s that give both sides of each channel one range: before (C, N), after (C, M) -> (C,).

    Rows hold the weights that make a channel and those that read it; the first are divided by s, the second multiplied.
    A channel that one side does not use has nothing to share, and factor 1.

    >>> equal_ranges(torch.tensor([[8.0, -2.0], [1.0, 0.5]]), torch.tensor([[2.0], [-4.0]]))
    tensor([2.0000, 0.5000])
    """
    before, after = before.abs().amax(1), after.abs().amax(1)
    factor = (before / after).sqrt()
    return torch.where((before > 0) & (after > 0) & factor.isfinite() & (factor > 0), factor, 1.0)


def equalize(model, rounds=20, *, factors=equal_ranges):
    """A copy of the model, batch norm folded, whose neighbouring layers share their weight ranges; same outputs.

    Channel i between two layers may be made s times smaller if the next layer's weights for it are made s times
    larger. With s = sqrt(range before / range after) both get the same range, so that one grid for a whole weight
    tensor wastes no steps on a single large channel. Pairs are layers with nothing between them but ReLU and
    pooling; sums and ReLU6 stop it. rounds: how often all pairs are gone through. factors: the rule for s, a function
    of the weights before and after, (C, N) and (C, M), to (C,).

    >>> model = nn.Sequential(nn.Linear(1, 2, bias=False), nn.Linear(2, 1, bias=False))
    >>> model[0].weight.data, model[1].weight.data = torch.tensor([[1.0], [100.0]]), torch.tensor([[1.0, 0.01]])
    >>> [layer.weight.flatten().tolist() for layer in equalize(model)]
    [[1.0, 1.0], [1.0, 1.0]]
    """
    need(isinstance(rounds, int) and rounds >= 1, f"rounds is {rounds!r}", "all pairs are gone through at least once",
         "use 20")
    refuse_quantized(model)
    body = graph.prepare(model)
    equal = graph.fold_batch_norm(model)
    for _ in range(rounds):
        for first, second in pairs(body):
            _share(equal.get_submodule(first), equal.get_submodule(second), factors)
    return equal


def unbalance(model, factor=6.0, seed=1):
    """Equalization turned backwards: a copy, batch norm folded, whose channels have uneven ranges; same outputs.

    The channels between two layers are multiplied by numbers drawn by lot between 1/factor and factor (their logarithm
    evenly), and the next layer's weights divided. Networks that nobody rescaled can come out of training like this.

    >>> model = nn.Sequential(nn.Linear(1, 2, bias=False), nn.Linear(2, 1, bias=False))
    >>> uneven, x = unbalance(model), torch.ones(1, 1)
    >>> torch.allclose(uneven(x), model(x)), torch.equal(uneven[0].weight, model[0].weight)
    (True, False)
    """
    need(factor >= 1, f"factor is {factor}", "channels are made up to so many times larger, or smaller", "use 6")
    draw, reach = torch.Generator().manual_seed(seed), math.log(factor)
    return equalize(model, 1, factors=lambda before, after: torch.exp(
        (1 - 2 * torch.rand(len(before), generator=draw)) * reach))


def pairs(body):
    """(layer, next layer) names of a prepared graph between which a channel can be scaled."""
    nodes, found = graph.layer_nodes(body), []
    for name, node in nodes.items():
        node, flat = _skip(node, body)
        if node in nodes.values() and _fits(body.get_submodule(name), body.get_submodule(node.target), flat):
            found.append((name, node.target))
    return found


def correct_bias(quantized, model, images):
    """A copy of the quantized model whose layers give the same mean output, channel by channel, as the float model.

    Rounding the weights shifts a layer's mean output; the bias takes the shift back. The mean is that after the layer's
    ReLU, where it has one. Layer after layer, so that each is corrected for what the earlier ones still change.
    images: float (N, ...) or a split, without labels.

    >>> from shrinklab.quantize import Scheme, quantize_model
    >>> model = nn.Linear(2, 1, bias=False)
    >>> model.weight.data = torch.tensor([[1.0, 0.25]])  # at 2 bits: 1 and 0
    >>> small = quantize_model(model, scheme=Scheme(weight_bits=2, activation_bits=None))
    >>> correct_bias(small, model, torch.ones(8, 2)).layers["0"].bias
    tensor([0.2500])
    """
    need(isinstance(quantized, QuantizedModel), f"quantized is a {type(quantized).__name__}",
         "bias correction mends a QuantizedModel", "make one with quantize_model")
    images, mended = calibration_images(images), copy.deepcopy(quantized)
    floats, integers = Steps(float_body(model, quantized), images), Steps(mended.body, images)
    for name, layer in mended.layers.items():
        wanted = floats.after(name)
        plain = copy.deepcopy(layer)
        plain.output_grid = plain.clip = None
        got = predict(plain, integers.before(name))
        # Channels are dimension 1 of a convolution's result, the last one of a linear layer's.
        axis = 1 if layer.kind is not nn.Linear else wanted.ndim - 1
        shift = _shift(*(_rows(values, axis) for values in (wanted, got)), layer.clip)
        bias = layer.real_bias()
        layer.set_bias(shift if bias is None else bias + shift)
    return mended


def _rows(values, axis):
    """(C, N): each channel's values, or evenly spread ones where there are very many; they tell the mean as well."""
    rows = values.transpose(0, axis).flatten(1)
    return rows[:, ::math.ceil(rows.shape[1] / ENOUGH)]


def _shift(wanted, got, clip):
    """What to add to each channel, (C,), so that its values (C, N) have the wanted ones' mean after the ReLU.

    After it, because a channel that is mostly far below 0 has a mean that says little of what it passes on: to match
    that one cost a wide network 3 points at 4 bits. By Newton's method; the slope is the share of values inside.
    """
    low, high = (-torch.inf, torch.inf) if clip is None else (clip[0], torch.inf if clip[1] is None else clip[1])
    target, shift = wanted.clamp(low, high).mean(1, dtype=torch.float64), torch.zeros(len(got), dtype=torch.float64)
    for _ in range(1 if clip is None else 6):
        moved = got + shift.float()[:, None]
        inside = ((moved > low) & (moved < high)).double().mean(1)
        step = (target - moved.clamp(low, high).mean(1, dtype=torch.float64)) / inside
        # A channel without a value inside says nothing of where to go; one with few is not thrown far.
        reach = (got.amax(1) - got.amin(1)).double() / 2
        shift += step if clip is None else torch.where(inside > 0, step, 0.0).clamp(-reach, reach)
    return shift.float()


def float_body(model, quantized):
    """The prepared graph of the float model, which has to have the quantized one's layers."""
    need(isinstance(quantized, QuantizedModel), f"quantized is a {type(quantized).__name__}",
         "it is the QuantizedModel that the float model gave", "make one with quantize_model", TypeError)
    refuse_quantized(model)
    body = graph.prepare(model)
    shapes = {name: body.get_submodule(name).weight.shape for name in graph.layer_nodes(body)}
    need(shapes == {name: layer.weight.shape for name, layer in quantized.layers.items()},
         f"the float model has the layers {', '.join(shapes)}",
         f"the quantized one has {', '.join(quantized.layers)}, of their own shapes",
         "pass the model that was quantized")
    return body


def _skip(node, body):
    """The first user of a node's value that does not just let factors through, and whether a flatten was passed."""
    flat = False
    while len(node.users) == 1:
        node = next(iter(node.users))
        if graph.kind(node, body) not in SCALABLE:
            return node, flat
        flat = flat or graph.kind(node, body) in FLATTENS
    return None, flat


def _fits(first, second, flat):
    """Whether each output channel of first feeds input channels of second of its own."""
    channels = first.weight.shape[0]
    if isinstance(second, nn.Linear):  # flattened channels are blocks of a linear layer's inputs
        return second.in_features % channels == 0 if flat else type(first) is nn.Linear
    return second.groups == 1 or second.groups == channels == second.weight.shape[0]


def _share(first, second, factors):
    """Scale one pair of layers, in place."""
    channels = first.weight.shape[0]
    rows, columns = first.weight.data.flatten(1), _by_input_channel(second, channels)
    factor = torch.as_tensor(factors(rows.clone(), columns.clone()))
    need(factor.shape == (channels,) and bool((factor > 0).all()) and bool(factor.isfinite().all()),
         f"the factors are {factor.tolist()!r:.80}", f"a rule for s gives {channels} numbers above 0, one a channel",
         "return 1 where there is nothing to share")
    rows /= factor[:, None]
    if first.bias is not None:
        first.bias.data /= factor
    columns *= factor[:, None]
    _set_by_input_channel(second, columns)


def _by_input_channel(layer, channels):
    """A layer's weight as rows (channels, N), one for each input channel."""
    weight = layer.weight.data
    if isinstance(layer, nn.Linear):
        return weight.reshape(len(weight), channels, -1).transpose(0, 1).flatten(1).clone()
    return (weight if layer.groups > 1 else weight.transpose(0, 1)).flatten(1).clone()


def _set_by_input_channel(layer, rows):
    weight = layer.weight.data
    if isinstance(layer, nn.Linear):
        values = rows.reshape(len(rows), len(weight), -1).transpose(0, 1)
    elif layer.groups > 1:
        values = rows
    else:
        values = rows.reshape(len(rows), len(weight), *weight.shape[2:]).transpose(0, 1)
    weight.copy_(values.reshape(weight.shape))
