"""l1 masks side by side with torch.nn.utils.prune: the same weights, bit for bit? And how long does it take?

A share of all weights goes, the smallest over all layers, or the smallest of each layer. Each time is the median of
20 runs after 3 runs of warm-up, from the model to a pruned copy of it.
"""

import copy
from functools import partial

import torch
from report import Row, arguments, publish
from torch.nn.utils import prune

from shrinklab.masks import apply_masks, global_masks, layer_masks, prunable, sparsity
from shrinklab.measure import latency
from shrinklab.models import pretrained

AMOUNTS = 0.5, 0.8, 0.9
WAYS = {"global": global_masks, "per layer": layer_masks}


def ours(model, amount, way):
    return apply_masks(model, WAYS[way](model, amount))


def torchs(model, amount, way):
    pruned = copy.deepcopy(model)
    weights = [(pruned.get_submodule(name.rpartition(".")[0]), "weight") for name in prunable(pruned)]
    if way == "global":
        prune.global_unstructured(weights, pruning_method=prune.L1Unstructured, amount=amount)
    for module, name in weights:
        if way == "per layer":
            prune.l1_unstructured(module, name, amount=amount)
        prune.remove(module, name)
    return pruned


def kept(model):
    """Which weights are not zero, one bool tensor."""
    weights = dict(model.named_parameters())
    return torch.cat([(weights[name] != 0).flatten() for name in prunable(model)])


def rows(name):
    """Two rows an amount and way: in how many places the masks differ, and the times."""
    model = pretrained(name)
    for amount in AMOUNTS:
        for way in WAYS:
            mine, theirs = (method(model, amount, way) for method in (ours, torchs))
            different = int((kept(mine) != kept(theirs)).sum())
            what, against = f"{name}, {amount:.0%}, {way}", f"torch.nn.utils.prune, L1, {way}"
            yield Row(f"{what}: places where the masks differ", different, against=against, target="0",
                      met=different == 0,
                      more={"zeros": f"{sparsity(mine):.2%}"})
            times = [latency(partial(method, model, amount, way), warm_up=3, repeats=20, threads=1).p50_ms
                     for method in (ours, torchs)]
            yield Row(f"{what}: time", *times, against=against, unit="ms", target="reported")


def main(given):
    publish("masks", "l1 masks against torch.nn.utils.prune",
            [row for name in given.networks for row in rows(name)], given)


if __name__ == "__main__":
    main(arguments(__doc__))
