"""What the two sides of `channels.py` choose from, how each prunes to half the MACs, and the choice on validation."""

import copy
import warnings
from statistics import mean

import pandas as pd
import torch
import torch_pruning

from shrinklab.channel_amounts import shrink_to_macs
from shrinklab.channel_criteria import path_channel_scores
from shrinklab.channels import channel_groups, recalibrate_batch_norm, shrink_channels
from shrinklab.criteria import l1, l2
from shrinklab.data import load
from shrinklab.measure import count_macs
from shrinklab.metrics import accuracy
from shrinklab.models import DATA_OF, pretrained

SHARE = 0.5
# What each side chooses from. Ours: a criterion, and whether groups compete.
CRITERIA = {"l1": lambda model, example: l1, "l2": lambda model, example: l2,
            "paths, l1": lambda model, example: path_channel_scores(model, l1, example=example),
            "paths, l2": lambda model, example: path_channel_scores(model, l2, example=example)}
OURS = [(criterion, how) for criterion in CRITERIA for how in ("uniform", "global")]
# Theirs: p and reduction of GroupMagnitudeImportance, its normalizer, and how layers compete.
THEIRS = [*((p, reduction, "mean", "local") for p in (1, 2) for reduction in ("mean", "first", "gate")),
          *((p, "mean", "mean", scope) for p in (1, 2) for scope in ("global", "isomorphic")),
          *((1, "gate", normalizer, scope) for normalizer in ("gaussian", "mean")
            for scope in ("global", "isomorphic")), (1, "mean", None, "global"), (2, "mean", None, "global")]


def ours(setting, model, example):
    criterion, how = setting
    return shrink_to_macs(model, SHARE, CRITERIA[criterion](model, example), example=example, how=how)


def our_step(setting, model, example, amount):
    criterion, how = setting
    return shrink_channels(model, amount, criterion=CRITERIA[criterion](model, example), example=example, how=how)


def their_step(setting, model, example, amount):
    """Torch-Pruning's own way from a model to a copy without a share of the channels."""
    p, reduction, normalizer, scope = setting
    pruned = copy.deepcopy(model)
    head = [module for module in pruned.modules() if isinstance(module, torch.nn.Linear)][-1]
    importance = torch_pruning.importance.GroupMagnitudeImportance(p=p, group_reduction=reduction,
                                                                   normalizer=normalizer)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch_pruning.pruner.BasePruner(
            pruned, example, importance, pruning_ratio=amount, ignored_layers=[head],
            global_pruning=scope != "local", isomorphic=scope == "isomorphic").step()
    return pruned


def theirs(setting, model, example):
    """The smallest amount that leaves half the MACs, by bisection to half a channel, as `shrink_to_macs` does it."""
    limit, low, high, found = SHARE * count_macs(model, example), 0.0, 1.0, None
    channels = sum(group.size for group in channel_groups(model, example))
    while high - low > 0.5 / channels:
        middle = (low + high) / 2
        small = their_step(setting, model, example, middle)
        if count_macs(small, example) <= limit:
            high, found = middle, small
        else:
            low = middle
    return found


def chosen(method, settings, given):
    """The setting with the best mean accuracy over the networks, one-shot, on validation images, and all of them."""
    tried = []
    for setting in settings:
        record = {"setting": ", ".join(map(str, setting))}
        for name in given.networks:
            data, model = load(DATA_OF[name]), pretrained(name)
            small = method(setting, model, data.example)
            small = recalibrate_batch_norm(small, data.train.images[:given.images or 500])
            record[name] = accuracy(small, data.validation[:given.images or 1000])
        tried.append(record | {"mean": mean(record[name] for name in given.networks)})
    best = max(range(len(settings)), key=lambda i: tried[i]["mean"])
    table = pd.DataFrame(tried).sort_values("mean", ascending=False)
    return settings[best], table.map(lambda value: value if isinstance(value, str) else f"{value:.2%}")
