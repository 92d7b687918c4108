"""Channel pruning: whole channels are cut out of every layer that makes, carries or reads them.

The tensors really become smaller, and so do the file, the work and the time, with no sparse kernel anywhere.
Channels that an addition ties together form a group (see `tracing`) and go together.
"""

import copy
from collections.abc import Mapping
from contextlib import contextmanager
from numbers import Real

import torch
from torch import nn  # noqa: F401  (the examples use it)

from shrinklab import masks, scoring
from shrinklab.criteria import l1
from shrinklab.errors import need
from shrinklab.groups import cut_channels, groups_of, known, staying
from shrinklab.inference import evaluating, forward, need_network
from shrinklab.tracing import NORMS, follow


def channel_groups(model, example):
    """The groups of channels that can be pruned, in calling order. The network's inputs and outputs are in none.

    example: input (N, C, ...), of which the sizes matter. ValueError with the module's name where channels can't
    be followed.

    >>> model = nn.Sequential(nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(24, 10))
    >>> channel_groups(model, torch.zeros(1, 1, 4, 4))
    [Group(name='0', size=6, makes=('0',), carries=('1',), reads=('4',))]
    """
    return groups_of(follow(model, example))


def channel_scores(model, criterion=l1, *, example, reads=True):
    """Score every channel that can be pruned: {group name: scores (size,)}; the larger, the more it matters.

    A channel's score is the sum of the criterion's scores over all weights of convolutions and linear layers that
    make or carry it and, unless reads is False, that read it. Small weights on either side make a channel matter
    little: on ResNet8, at half the MACs, counting both keeps about 10 points more of the validation accuracy than
    makers alone; on LeNet neither is clearly better.

    criterion: a function weight -> scores, or {weight name: scores} made beforehand (see `masks.scores`), or
    {group name: scores (size,)}, which count as they are (see `channel_criteria`); groups without scores stay whole.

    >>> model = nn.Sequential(nn.Linear(1, 2, bias=False), nn.Linear(2, 1))
    >>> model[0].weight.data, model[1].weight.data = torch.tensor([[1.0], [-2.0]]), torch.tensor([[4.0, 0.5]])
    >>> channel_scores(model, example=torch.zeros(1, 1))
    {'0': tensor([5.0000, 2.5000])}
    """
    wiring = follow(model, example)
    return scores_of(model, wiring, groups_of(wiring), criterion, reads)


def channel_masks(model, amount, criterion=l1, *, example, how="uniform", round_to=1):
    """Say which channels stay: {group name: bool (size,), True = keep}. `remove_channels` then removes the others.

    amount: the fraction of channels to remove, 0 to 1, or {group name: fraction} (groups not named stay whole).
    how: "uniform" takes round(amount x size) from every group; "global" takes round(amount x all channels) of all
    groups together, by scores divided by their group's mean. round_to: kept counts become the nearest multiple
    of it, at least one, where the group is that large. At least one channel of each group stays.

    >>> model = nn.Sequential(nn.Linear(1, 2, bias=False), nn.Linear(2, 1))
    >>> model[0].weight.data, model[1].weight.data = torch.tensor([[1.0], [-2.0]]), torch.tensor([[4.0, 0.5]])
    >>> channel_masks(model, 0.5, example=torch.zeros(1, 1))
    {'0': tensor([ True, False])}
    """
    return choose(channel_scores(model, criterion, example=example), amount, how, round_to)


def choose(scores, amount, how="uniform", round_to=1):
    """The choice of `channel_masks` from scores made beforehand, {group name: scores (size,)}.

    >>> choose({"a": torch.tensor([1.0, 9.0]), "b": torch.tensor([4.0, 5.0, 6.0])}, 0.4, "global")
    {'a': tensor([False,  True]), 'b': tensor([False,  True,  True])}
    """
    counts = kept_counts(scores, amount, how, round_to)
    return {name: masks.keep_highest(values, 1 - counts[name] / len(values)) for name, values in scores.items()}


def kept_counts(scores, amount, how="uniform", round_to=1):
    """How many channels of each group `choose` keeps, {group name: count}, without saying which.

    >>> kept_counts({"a": torch.tensor([1.0, 9.0]), "b": torch.tensor([4.0, 5.0, 6.0])}, 0.4, "global")
    {'a': 1, 'b': 2}
    """
    need(isinstance(round_to, int) and not isinstance(round_to, bool) and round_to >= 1, f"round_to is {round_to!r}",
         "round_to is a whole number from 1", "use 8 for kept counts of 8, 16, 24, …")
    need(how in ("uniform", "global"), f"how is {how!r}", 'how is "uniform" or "global"', "use one of them")
    if isinstance(amount, Mapping):
        need(how == "uniform", f"how is {how!r} with an amount for each group",
             "a global choice takes one fraction for all", "leave out how")
        known(amount, scores)
        counts = {name: len(scores[name]) - round(_fraction(part) * len(scores[name])) for name, part in amount.items()}
    elif how == "uniform":
        counts = {name: len(values) - round(_fraction(amount) * len(values)) for name, values in scores.items()}
    else:
        counts = _compete(scores, _fraction(amount))
    return {name: _rounded(counts.get(name, len(values)), len(values), round_to) for name, values in scores.items()}


def remove_channels(model, keep, *, example):
    """A copy of the model without some channels; the model itself stays as it was.

    keep: {group name: bool tensor (size,), True = keep}; groups without an entry stay whole. The logits are those
    of the model in which every layer that reads a removed channel gets 0 for it.

    >>> model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    >>> remove_channels(model, {"0": torch.tensor([True, False, True])}, example=torch.zeros(1, 4))[2]
    Linear(in_features=2, out_features=2, bias=True)
    """
    wiring = follow(model, example)
    return cut_channels(model, wiring, staying(groups_of(wiring), keep, len(wiring.fixed)))


def shrink_channels(model, amount, *, criterion=l1, example, how="uniform", round_to=1):
    """A copy of the model, really smaller: `channel_masks`, then `remove_channels`.

    The course's four networks stay what they are, with a smaller `.config`. Source: Li et al., "Pruning Filters for
    Efficient ConvNets", 2017.

    >>> model = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 10))
    >>> shrink_channels(model, 0.75, example=torch.zeros(1, 3, 4, 4))[3]
    Linear(in_features=16, out_features=10, bias=True)
    """
    wiring = follow(model, example)
    groups = groups_of(wiring)
    keep = choose(scores_of(model, wiring, groups, criterion), amount, how, round_to)
    return cut_channels(model, wiring, staying(groups, keep, len(wiring.fixed)))


def recalibrate_batch_norm(model, images, batch_size=500):
    """A copy of the model whose batch norms take mean and variance from these images (N, ...); no labels needed.

    Pruning changes what arrives at each layer, and the stored statistics are those of the old network. Use
    training images, some hundreds at least. All else is in evaluation mode meanwhile. A model without batch norm
    comes back as a plain copy. Source: Li et al., "EagleEye: Fast Sub-net Evaluation for Efficient Neural Network
    Pruning", 2020 (adaptive batch normalization).

    >>> model = nn.Sequential(nn.BatchNorm1d(1))
    >>> recalibrate_batch_norm(model, torch.tensor([[3.0], [5.0]]))[0].running_mean
    tensor([4.])
    """
    need(isinstance(images, torch.Tensor), f"images is a {type(images).__name__}", "images are a tensor (N, ...)",
         "pass data.train.images[:1000]", TypeError)
    need(len(images) > 1, f"{len(images)} images are given", "a variance needs at least two",
         "pass some hundred training images")
    need(batch_size > 1, f"batch_size is {batch_size}", "a variance needs at least two images", "use 500")
    need_network(model)
    fresh = copy.deepcopy(model)
    with recalibrating(fresh), torch.no_grad():
        # Of nearly one size, because each counts the same, and none of a single image.
        for batch in images.tensor_split(max(1, len(images) // batch_size)):
            forward(fresh, batch)
    return fresh


@contextmanager
def recalibrating(model):
    """Batch norms of this model (it is changed) take new statistics from the batches that pass; all else is in eval."""
    norms = [module for module in model.modules() if isinstance(module, NORMS) and module.track_running_stats]
    momenta = [norm.momentum for norm in norms]
    with evaluating(model):
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a plain average over the batches
            norm.training = True
        yield
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def scores_of(model, wiring, groups, criterion, reads=True):
    """`channel_scores` of a network that was traced before."""
    need(groups, f"the model is a {type(model).__name__} without channels that can go",
         "the channels of inputs and outputs stay, so pruning needs a hidden layer", "pass a deeper model")
    if isinstance(criterion, Mapping) and any(group.name in criterion for group in groups):
        return _given(groups, criterion)
    total = torch.zeros(len(wiring.fixed), dtype=torch.float64)
    layers = {f"{name}.weight": layer for name, layer in wiring.layers.items() if layer.kind != "norm"}
    for name, values in masks.scores(model, criterion, list(layers)).items():
        layer, pairs = layers[name], values.flatten(2).sum(2) if values.ndim > 2 else values  # (makes, reads)
        total.index_add_(0, layer.makes, pairs.sum(1, dtype=torch.float64))
        if reads and layer.kind == "dense":
            total.index_add_(0, layer.reads, pairs.sum(0, dtype=torch.float64))
    return {group.name: total[group.channels].float() for group in groups}


def _given(groups, table):
    """Scores of whole channels, made beforehand and checked, in the groups' order."""
    known(table, [group.name for group in groups])
    groups = [group for group in groups if group.name in table]
    for group in groups:
        values = table[group.name]
        right = isinstance(values, torch.Tensor) and values.dtype != torch.bool and values.shape == (group.size,)
        need(right, f"the scores of group {group.name} are {scoring.kind(values)}",
             f"a channel has one score: a tensor of shape ({group.size},)", "sum the weights' scores over each channel")
        scoring.comparable(values, f"the scores of group {group.name}")
    return {group.name: table[group.name].float() for group in groups}


def _compete(scores, amount):
    """Kept counts {group name: count} where all groups' channels compete; the best of each group is safe."""
    pooled = []
    for values in scores.values():
        share = values / values.abs().mean().clamp_min(1e-30)
        share[share.argmax()] = torch.inf
        pooled.append(share)
    sizes, pooled = [len(share) for share in pooled], torch.cat(pooled)
    removed = min(round(amount * len(pooled)), len(pooled) - len(sizes))
    parts = masks.keep_highest(pooled, removed / len(pooled)).split(sizes)
    return {name: int(part.sum()) for name, part in zip(scores, parts, strict=True)}


def _rounded(count, size, round_to):
    """A count as the nearest multiple of round_to, at least one multiple of it, at most all there are."""
    return min(size, max(1, (2 * count + round_to) // (2 * round_to)) * round_to)


def _fraction(amount):
    right = isinstance(amount, Real) and not isinstance(amount, bool) and 0 <= amount <= 1
    need(right, f"amount is {amount!r}", "amount is a fraction from 0 to 1", "use 0.5 to remove half")
    return float(amount)
