"""Which channels matter? Scores of whole channels that no function of one weight tensor could give.

Each function makes a table of the whole model, {group name: scores (size,)}, with `channels.channel_groups`'s names:
`shrink_channels(model, 0.5, criterion=taylor_channel_scores(model, data.train[:512]), example=data.example)`.
"""

import torch
from torch import nn  # noqa: F401  (the examples use it)

from shrinklab.criteria import l2, slopes, some
from shrinklab.errors import need
from shrinklab.groups import groups_of
from shrinklab.scoring import score
from shrinklab.tracing import follow


def taylor_channel_scores(model, split, *, batch_size=32):
    """Taylor scores of whole channels, {group name: scores (size,)}, as a criterion for `shrink_channels` and others.

    A removed channel is read as 0. So its gate, a factor 1 on what all its readers get, goes to 0, and the loss's
    slope along the gate, squared and averaged over the batches, is the score. Signs count: weights whose effects
    cancel make no important channel, where sums of single scores would say they do.
    Source: Molchanov et al., 2019, section 3.1 (gates).

    >>> from types import SimpleNamespace as Split
    >>> model = nn.Sequential(nn.Linear(1, 3, bias=False), nn.Linear(3, 2, bias=False))
    >>> model[0].weight.data, model[1].weight.data = torch.ones(3, 1), torch.tensor([[1.0, 2.0, 0.0], [1.0, 0.0, 2.0]])
    >>> taylor_channel_scores(model, Split(images=torch.ones(1, 1), labels=torch.tensor([0])))
    {'0': tensor([0., 1., 1.])}
    """
    some(split)
    wiring = follow(model, split.images[:1])
    groups = _found(groups_of(wiring), model)
    total = torch.zeros(len(wiring.fixed), dtype=torch.float64)
    for share, pairs in slopes(model, split, batch_size):
        gates = torch.zeros_like(total)
        for name, layer in wiring.layers.items():
            if layer.kind == "dense":
                # A layer is linear in what it reads: along the gate of an input, the slope is the sum of w * dL/dw.
                weight, gradient = pairs[f"{name}.weight"]
                effect = score(name, weight, gradient.mul).reshape(*weight.shape[:2], -1)
                gates.index_add_(0, layer.reads, effect.sum((0, 2), dtype=torch.float64))
        total += share * gates.square()
    return {group.name: total[group.channels].float() for group in groups}


def path_channel_scores(model, criterion=l2, *, example):
    """Scores of the paths through a channel, {group name: scores (size,)}, as a criterion for `shrink_channels`.

    The product of what makes the channel, what carries it and what reads it, each the sum of the criterion's scores:
    with l2 that is the sum, over all ways in and out, of the squared products of their weights. Doubling what makes a
    channel and halving what reads it changes nothing behind a ReLU, and not this score either, where a sum does.
    Source: Neyshabur et al., "Path-SGD: Path-Normalized Optimization in Deep Neural Networks", 2015 (the path norm).

    >>> model = nn.Sequential(nn.Linear(1, 2, bias=False), nn.Linear(2, 1))
    >>> model[0].weight.data, model[1].weight.data = torch.tensor([[1.0], [-2.0]]), torch.tensor([[4.0, 0.5]])
    >>> path_channel_scores(model, example=torch.zeros(1, 1))
    {'0': tensor([16.,  1.])}
    """
    wiring = follow(model, example)
    groups = _found(groups_of(wiring), model)
    made, read = torch.zeros(2, len(wiring.fixed), dtype=torch.float64)
    carried = torch.ones_like(made)
    for name, layer in wiring.layers.items():
        if layer.kind != "norm":
            values = score(f"{name}.weight", model.get_submodule(name).weight.detach(), criterion)
            pairs = values.flatten(2).sum(2, dtype=torch.float64) if values.ndim > 2 else values.double()
            if layer.kind == "dense":
                made.index_add_(0, layer.makes, pairs.sum(1))
                read.index_add_(0, layer.reads, pairs.sum(0))
            else:
                carried *= torch.zeros_like(made).index_add_(0, layer.makes, pairs.sum(1)).where(
                    torch.isin(torch.arange(len(made)), layer.makes), 1.0)
    return {group.name: (made * carried * read)[group.channels].float() for group in groups}


def bn_scale_channel_scores(model, *, example):
    """Absolute batch-norm scales, {group name: scores (size,)}, as a criterion for `shrink_channels` and others.

    The scale gamma multiplies a normalised channel; near 0 the channel is nearly constant. Where an addition
    ties channels, their batch norms' scales add up. Groups without batch norm get no score, and stay whole. The
    scales say most after a training that pulls them to 0: add 1e-4 times the sum of their absolute values to the loss.
    Source: Liu et al., "Learning Efficient Convolutional Networks through Network Slimming", 2017.

    >>> model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Conv2d(2, 4, 1))
    >>> model[1].weight.data = torch.tensor([0.5, -2.0])
    >>> bn_scale_channel_scores(model, example=torch.zeros(1, 1, 4, 4))
    {'0': tensor([0.5000, 2.0000])}
    """
    wiring = follow(model, example)
    total, seen = _scales(model, wiring)
    groups = [group for group in groups_of(wiring) if bool(seen[group.channels].all())]
    return {group.name: total[group.channels] for group in _found(groups, model, "with batch norm ")}


def bn_scale_scores(model, *, example):
    """The channel scores of `bn_scale_channel_scores` for single weights: {weight name: tensor of its shape}.

    Each weight has the score of the channel that it helps to make, so that masks take whole filters. Layers without
    batch norm have no entry: `global_masks(model, 0.5, table, names=list(table))`.

    >>> model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.Conv2d(2, 4, 1))
    >>> model[1].weight.data = torch.tensor([0.5, -2.0])
    >>> bn_scale_scores(model, example=torch.zeros(1, 1, 4, 4))["0.weight"].flatten()
    tensor([0.5000, 2.0000])
    """
    wiring = follow(model, example)
    total, seen = _scales(model, wiring)
    layers = {name: layer for name, layer in wiring.layers.items()
              if layer.kind != "norm" and bool(seen[layer.makes].all())}
    table = {}
    for name, layer in layers.items():
        weight = model.get_submodule(name).weight
        table[f"{name}.weight"] = total[layer.makes].reshape(-1, *[1] * (weight.ndim - 1)).expand(weight.shape).clone()
    return _found(table, model, "with batch norm ")


def _scales(model, wiring):
    """For every channel number the sum of the absolute scales of its batch norms, and whether it has any."""
    total, seen = torch.zeros(len(wiring.fixed)), torch.zeros(len(wiring.fixed), dtype=torch.bool)
    for name, layer in wiring.layers.items():
        scale = model.get_submodule(name).weight if layer.kind == "norm" else None
        if scale is not None:
            total.index_add_(0, layer.makes, score(name, scale.detach(), torch.abs))
            seen[layer.makes] = True
    return total, seen


def _found(found, model, what=""):
    need(found, f"the model is a {type(model).__name__} without channels {what}that can go",
         "the channels of inputs and outputs stay, and a score needs something to read off",
         "pass a deeper model, or prune with l1")
    return found
