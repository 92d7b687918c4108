"""The lottery ticket: does a sparse network train well because of its masks, or because of the weights it started with?

    start = LeNet()                                                       # the weights before any training
    dense = trained(start, data, recipe)
    ticket = prune_gradually(dense, data, geometric_schedule(0.95, 6), recipe, rewind_to=start)
    compare_tickets(start, ticket.masks, data, recipe)                    # against new weights, and shuffled masks

For late rewinding, which larger networks need, go back to a network that was trained a little:
`early = trained(start, data, Recipe(epochs=1))` in the place of start.
Sources: Frankle and Carbin, "The Lottery Ticket Hypothesis: Finding Sparse, Trainable Neural Networks", 2019;
Frankle et al., "Linear Mode Connectivity and the Lottery Ticket Hypothesis", 2020 (late rewinding).
"""

import copy
from dataclasses import replace

import pandas as pd
import torch
from torch import nn

from shrinklab.errors import need
from shrinklab.masks import apply_masks, keep_highest
from shrinklab.metrics import accuracy
from shrinklab.train import Recipe, fit


def trained(model, data, recipe=None, *, masks=None, **options):
    """A trained copy of a model, with masks held at zero from the start; the model stays as it was.

    recipe, masks and further options are those of `train.fit`.

    >>> from types import SimpleNamespace as Part
    >>> split = Part(images=torch.tensor([[1.0], [-1.0]]), labels=torch.tensor([1, 0]))
    >>> network = trained(nn.Linear(1, 2), Part(train=split, validation=split), Recipe(epochs=50), progress=False)
    >>> accuracy(network, split)
    1.0
    """
    network = apply_masks(model, masks or {})  # a copy
    fit(network, data, recipe, masks=masks, **options)
    return network


def rewound(start, trained, amount):
    """A ticket of one tensor: the weights of `start`, where those of `trained` are far from zero, and 0 elsewhere.

    start, trained: the same shape; amount: the share that goes, 0 to 1, exactly, ties included.

    >>> rewound(torch.tensor([0.5, -0.1, 0.3, 0.2]), torch.tensor([0.1, -2.0, 0.0, 1.5]), 0.5)
    tensor([ 0.0000, -0.1000,  0.0000,  0.2000])
    """
    need(start.shape == trained.shape, f"start has shape {tuple(start.shape)}, trained {tuple(trained.shape)}",
         "both are the same weights at two times", "pass the same layer of the same network")
    return start.where(keep_highest(trained.abs(), amount), 0.0)


def reinitialized(model, seed=0):
    """A copy of a model with new weights, drawn as for a new network; the global random state stays.

    ValueError for a module with parameters that has no reset_parameters().

    >>> old, new = nn.Linear(2, 2), reinitialized(nn.Linear(2, 2), seed=1)
    >>> bool((new.weight == reinitialized(old, seed=1).weight).all()), bool((new.weight == old.weight).any())
    (True, False)
    """
    need(isinstance(model, nn.Module), f"the model is a {type(model).__name__}", "new weights need a torch.nn.Module",
         "pass a network, for example LeNet()", TypeError)
    need(any(True for _ in model.parameters()), f"the model is a {type(model).__name__} without parameters",
         "new weights take the place of floats", "pass the float model; prune and train before quantizing")
    fresh = copy.deepcopy(model)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for name, module in fresh.named_modules():
            own = any(True for _ in module.parameters(recurse=False))
            reset = getattr(module, "reset_parameters", None)
            need(reset or not own, f"{name or 'the model'} is a {type(module).__name__} without reset_parameters()",
                 "a module with parameters says how they start", "build a new model and seed it yourself")
            if reset:
                reset()
    return fresh


def shuffled(masks, seed=0):
    """Masks that keep as many weights of each layer as the given ones, drawn by lot.

    masks: {weight name: bool tensor}. Source: the random reinitialisation's counterpart in Frankle et al., "Pruning
    Neural Networks at Initialization: Why Are We Missing the Mark?", 2021.

    >>> int(shuffled({"fc": torch.tensor([[True, False, False, False]])})["fc"].sum())
    1
    """
    generator = torch.Generator().manual_seed(seed)
    return {name: mask.flatten()[torch.randperm(mask.numel(), generator=generator)].reshape(mask.shape)
            for name, mask in masks.items()}


def compare_tickets(start, masks, data, recipe=None, *, seeds=(0, 1, 2), judge=None, **options):
    """Train a ticket and its two controls: a DataFrame of start, seed and accuracy (0 to 1).

    start: the network that was rewound to; masks: the ticket's, {weight name: bool tensor}. "rewound" trains start
    under the masks, "reinitialized" new weights under the same masks, "shuffled" start under as many weights a layer
    drawn by lot. seeds: each draws new weights, new masks and a new order of the images. judge: the split that gives
    the accuracy; data.validation, which also chooses the epoch, unless given.
    recipe and further options: those of `train.fit`.
    """
    seeds = list(seeds)
    need(seeds, "seeds is empty", "a comparison needs at least one", "use (0, 1, 2), to see the spread")
    need(masks, "masks is empty", "a ticket has masks", "pass the masks of prune_gradually(..., rewind_to=start)")
    recipe, rows = recipe or Recipe(), []
    for seed in seeds:
        # Seeds apart from the one that made start, which a seed of 0 would draw again.
        tickets = {"rewound": (start, masks), "reinitialized": (reinitialized(start, 1000 + seed), masks),
                   "shuffled": (start, shuffled(masks, 1000 + seed))}
        for name, (network, kept) in tickets.items():
            result = trained(network, data, replace(recipe, seed=recipe.seed + seed), masks=kept, **options)
            rows.append({"start": name, "seed": seed, "accuracy": accuracy(result, judge or data.validation)})
    return pd.DataFrame(rows)
