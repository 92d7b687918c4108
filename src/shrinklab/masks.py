"""Unstructured pruning: masks that say which single weights stay.

Masks are a plain dict, {parameter name: bool tensor of its shape, True = keep}. They remove nothing by
themselves: `apply_masks` sets weights to zero in a copy of the model, whose tensors keep their size.
"""

import copy
from collections.abc import Mapping

import pandas as pd
import torch
from torch import nn  # noqa: F401  (the examples use it)

from shrinklab.criteria import l1
from shrinklab.errors import need
from shrinklab.metrics import accuracy
from shrinklab.scoring import chosen, comparable, fraction, kind, network, prunable, score

__all__ = [
    "apply_masks", "global_masks", "keep_highest", "layer_masks", "n_m_masks", "prunable", "scores", "sensitivity",
    "sparsity",
]


def scores(model, criterion=l1, names=None):
    """Score every weight: {name: tensor of the weight's shape}.

    criterion: a function weight -> scores (see `criteria`), or such a dict made beforehand, for scores that
    need more than the weight (gradients, data). The function gets a copy, so it cannot change the model.

    >>> scores(nn.Linear(2, 1), lambda weight: weight * 0 + 7)
    {'weight': tensor([[7., 7.]])}
    """
    names, weights = chosen(model, names), dict(model.named_parameters())
    return {name: score(name, weights[name].detach(), criterion) for name in names}


def keep_highest(scores, amount):
    """The mask of one tensor of scores: False for its round(amount x N) lowest, exactly, ties included.

    scores: any shape; amount: fraction to remove, 0 to 1. Returns a bool tensor of the same shape.

    >>> keep_highest(torch.tensor([[0.1, 0.4], [0.2, 0.3]]), 0.5)
    tensor([[False,  True],
            [False,  True]])
    """
    need(isinstance(scores, torch.Tensor) and scores.dtype != torch.bool, f"the scores are {kind(scores)}",
         "scores are a tensor of numbers, one per weight", "score the weights first, for example with l1(weight)")
    comparable(scores)
    return _keep(scores.reshape(-1), fraction(amount)).reshape(scores.shape)


def global_masks(model, amount, criterion=l1, names=None):
    """Masks that drop the lowest-scoring share of all the weights together; layers compete with each other.

    amount: fraction to remove, 0 to 1; round(amount x weights) of them go, exactly, ties included.
    names: the weights that take part; all of `prunable` unless given. The same masks as
    `torch.nn.utils.prune.global_unstructured` with L1Unstructured.

    >>> layer = nn.Linear(4, 1)
    >>> layer.weight.data = torch.tensor([[0.1, -0.4, 0.2, -0.3]])
    >>> global_masks(layer, 0.5)
    {'weight': tensor([[False,  True, False,  True]])}
    """
    amount = fraction(amount)
    table = scores(model, criterion, names)
    keep = _keep(torch.cat([values.reshape(-1) for values in table.values()]), amount)
    parts = keep.split([values.numel() for values in table.values()])
    return {name: part.reshape(table[name].shape) for name, part in zip(table, parts, strict=True)}


def layer_masks(model, amount, criterion=l1):
    """Masks that drop the lowest-scoring share inside each layer.

    amount: one fraction for every layer, or {weight name: fraction} for the layers named; others get no mask.
    The same masks as `torch.nn.utils.prune.l1_unstructured` for each layer.

    >>> masks = layer_masks(nn.Linear(100, 50), 0.2)
    >>> int(masks["weight"].sum())  # of 5,000
    4000
    """
    amounts = amount if isinstance(amount, Mapping) else dict.fromkeys(prunable(model), amount)
    amounts = {name: fraction(value) for name, value in amounts.items()}
    table = scores(model, criterion, list(amounts))
    return {name: keep_highest(values, amounts[name]) for name, values in table.items()}


def n_m_masks(model, n=2, m=4, criterion=l1, names=None):
    """Masks that keep exactly the n best of every m weights along the layer's inputs (2:4 and the like).

    A convolution's groups run along its input channels at one kernel position, as sparse tensor cores expect.
    Without names, layers whose number of inputs m does not divide get no mask, as in NVIDIA's own tool.
    Source: Mishra et al., "Accelerating Sparse Deep Neural Networks", 2021.

    >>> layer = nn.Linear(4, 1)
    >>> layer.weight.data = torch.tensor([[0.1, -0.4, 0.2, -0.3]])
    >>> n_m_masks(layer)
    {'weight': tensor([[False,  True, False,  True]])}
    """
    need(isinstance(n, int) and isinstance(m, int) and 1 <= n <= m, f"n is {n} and m is {m}",
         "n of every m weights are kept, 1 <= n <= m", "use n=2, m=4")
    found, weights = chosen(model, names), dict(model.named_parameters())
    if names is None:
        names = [name for name in found if weights[name].shape[1] % m == 0]
        need(names, f"m is {m}", f"no layer of this model has a number of inputs that {m} divides",
             "use a smaller m")
    for name in names:
        inputs = weights[name].shape[1]
        need(inputs % m == 0, f"{name} has {inputs} inputs", f"groups of {m} need a multiple of {m}",
             "leave the layer out of names")
    masks = {}
    for name, values in scores(model, criterion, names).items():
        rows = values.movedim(1, -1)
        groups = rows.reshape(-1, m)
        keep = torch.zeros_like(groups, dtype=torch.bool).scatter_(1, groups.topk(n, dim=1).indices, True)
        masks[name] = keep.reshape(rows.shape).movedim(-1, 1).contiguous()
    return masks


def apply_masks(model, masks):
    """A copy of the model with the masked-out weights set to zero; the model itself stays as it was.

    >>> layer = nn.Linear(2, 1)
    >>> pruned = apply_masks(layer, {"weight": torch.tensor([[True, False]])})
    >>> bool(pruned.weight[0, 0] == layer.weight[0, 0]), pruned.weight[0, 1].item()
    (True, 0.0)
    """
    network(model)
    pruned = copy.deepcopy(model)
    parameters = dict(pruned.named_parameters())
    for name, mask in masks.items():
        need(name in parameters, f"a mask is named {name!r}", "masks have the names of parameters",
             f"use names such as {', '.join(prunable(model)[:3])}")
        shape = tuple(parameters[name].shape)
        need(isinstance(mask, torch.Tensor) and mask.dtype == torch.bool and tuple(mask.shape) == shape,
             f"the mask of {name} is {kind(mask)}", f"a mask is a bool tensor of shape {shape}",
             "compare scores with a cut: scores > cut")
        # Filled, not multiplied: a negative weight times 0 is -0.0, whose bits are not all zero in a file.
        parameters[name].data.masked_fill_(~mask, 0.0)
    return pruned


def sparsity(model):
    """Share of zeros among the prunable weights, 0 to 1.

    >>> layer = nn.Linear(4, 1)
    >>> layer.weight.data = torch.tensor([[0.0, 1.0, 0.0, 0.0]])
    >>> sparsity(layer)
    0.75
    """
    names, weights = chosen(model, None), dict(model.named_parameters())
    left = sum(int(weights[name].count_nonzero()) for name in names)
    return 1 - left / sum(weights[name].numel() for name in names)


def sensitivity(model, split, amounts, criterion=l1):
    """Prune one layer at a time: a DataFrame of layer (weight name), amount, and accuracy (0 to 1) on split.

    Take a validation split: the amounts of the layers will be chosen by it.
    Source: Han et al., 2015, figure 6.
    """
    amounts = [fraction(amount) for amount in amounts]
    need(amounts, "amounts is empty", "a scan needs at least one amount", "use [0.2, 0.5, 0.8]")
    return pd.DataFrame([
        {"layer": name, "amount": amount,
         "accuracy": accuracy(apply_masks(model, layer_masks(model, {name: amount}, criterion)), split)}
        for name in chosen(model, None) for amount in amounts])


def _keep(flat, amount):
    """Bool mask of 1-D scores: False for the round(amount x N) lowest; torch.nn.utils.prune's own rule."""
    keep = torch.ones(flat.shape, dtype=torch.bool)
    # topk, where a cut `scores > threshold` would take every tied weight or none of them.
    keep[flat.topk(round(amount * len(flat)), largest=False, sorted=False).indices] = False
    return keep
