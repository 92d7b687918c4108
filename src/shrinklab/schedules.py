"""How much to prune when: all at once, or step by step with training in between.

A schedule is a plain list of amounts, each the share of the weights that is gone after its step. `[0.95]` is
one-shot. `prune_gradually` walks along any such list.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from numbers import Real

import torch
from torch import nn

from shrinklab.criteria import l1
from shrinklab.errors import need
from shrinklab.masks import apply_masks, global_masks, scores, sparsity
from shrinklab.metrics import accuracy
from shrinklab.scoring import fraction, score
from shrinklab.train import Recipe, fit

RECIPE = Recipe(learning_rate=0.01)  # one epoch, gentle: what a step trains with unless told otherwise


def cubic_schedule(amount, steps, *, start=0.0):
    """Amounts that rise steeply first, while there is much to spare, and level off at `amount`: a list of `steps`.

    start: the share that is gone before the first step.
    Source: Zhu and Gupta, "To prune, or not to prune: exploring the efficacy of pruning for model compression", 2017.

    >>> [round(amount, 4) for amount in cubic_schedule(0.8, 4)]
    [0.4625, 0.7, 0.7875, 0.8]
    """
    _check_schedule(amount, steps, start)
    return [cubic_amount(step, steps, start, amount) for step in range(1, steps + 1)]


def cubic_amount(step, steps, start, end):
    """The share that is gone at `step` of `steps` of Zhu and Gupta's schedule; start before it, end after it.

    step, steps: whole numbers, steps at least 1; start, end: 0 to 1 -> float.

    >>> [round(cubic_amount(step, 4, 0.0, 0.8), 4) for step in (-1, 0, 2, 4, 9)]
    [0.0, 0.0, 0.7, 0.8, 0.8]
    """
    _check_schedule(end, steps, start)
    return end + (start - end) * (1 - min(max(step / steps, 0), 1)) ** 3


def geometric_schedule(amount, steps, *, start=0.0):
    """Amounts of which each step removes the same share of what is left, ending at `amount`: a list of `steps`.

    This is iterative pruning as in Han et al., 2015, and in Frankle and Carbin, "The Lottery Ticket Hypothesis",
    2019, who take a fifth of what is left every time.

    >>> [round(amount, 4) for amount in geometric_schedule(0.488, 3)]  # a fifth, three times: 1 - 0.8 ** 3
    [0.2, 0.36, 0.488]
    """
    _check_schedule(amount, steps, start)
    need(amount < 1, f"amount is {amount}", "steps that each leave a share of the weights never end at 0 weights",
         "use less than 1, for example 0.99")
    left = (1 - amount) / (1 - start)
    return [1 - (1 - start) * left ** (step / steps) for step in range(1, steps)] + [float(amount)]  # the last exact


@dataclass(frozen=True)
class Step:
    """One step of pruning. Accuracies are on the validation split, 0 to 1.

    amount: the share that was asked for; sparsity: the share of zeros that is there; accuracy_pruned: right after
    pruning (or rewinding); accuracy: after training. epochs: what `fit` recorded.
    """

    step: int
    amount: float
    sparsity: float
    accuracy_pruned: float
    accuracy: float
    epochs: tuple


@dataclass(frozen=True)
class PrunedModel:
    """What pruning gave: the network, its masks {weight name: bool tensor, True = keep}, and a `Step` for each amount.

    `pandas.DataFrame(result.history)` is a table of the steps.
    """

    model: nn.Module
    masks: dict
    history: tuple


def prune_gradually(model, data, amounts, recipe=None, *, criterion=l1, rescore=None, choose=global_masks,
                    rewind_to=None, on_step=None, **options):
    """Prune to each amount in turn, train after each with the masks held, and return a `PrunedModel`.

    amounts: one share for one-shot, or a list that never falls, such as `cubic_schedule(0.9, 8)`. What is pruned
    stays pruned. recipe: the training after every step, whose seed grows by 1 a step. Each starts where the last one
    ended, or, with rewind_to, a network of the same kind, from its weights: see `lottery`.
    criterion: as for `masks.scores`; rescore: a function model -> {weight name: scores} in its place, called anew at
    every step, such as `lambda model: taylor_scores(model, data.train[:512])`.
    choose: `global_masks`, `layer_masks`, or a function (model, amount, {weight name: scores}) -> masks.
    on_step: called with each `Step` and a copy of its network. Further options go to `train.fit`.

    >>> from types import SimpleNamespace as Part
    >>> from shrinklab.data import load
    >>> from shrinklab.models import pretrained
    >>> model, data = pretrained("lenet"), load("mnist")
    >>> part = Part(train=data.train[:256], validation=data.validation[:100])
    >>> pruned = prune_gradually(model, part, [0.5, 0.9], Recipe(learning_rate=0.01), progress=False)
    >>> [round(step.sparsity, 3) for step in pruned.history], round(sparsity(pruned.model), 3), sparsity(model)
    ([0.5, 0.9], 0.9, 0.0)
    """
    amounts, recipe = _never_falling(amounts), recipe or RECIPE
    rescore = rescore or partial(scores, criterion=criterion)
    _same_kind(model, rewind_to)
    masks, history, network = {}, [], model
    for number, amount in enumerate(amounts, 1):
        masks = further_masks(network, masks, amount, rescore(network), choose)
        network = apply_masks(rewind_to or network, masks)
        before = accuracy(network, data.validation)
        epochs = fit(network, data, replace(recipe, seed=recipe.seed + number - 1), masks=masks, **options)
        after = accuracy(network, data.validation)
        history.append(Step(number, amount, sparsity(network), before, after, tuple(epochs)))
        if on_step:
            on_step(history[-1], copy.deepcopy(network))
    return PrunedModel(network, masks, tuple(history))


def further_masks(model, masks, amount, table, choose=global_masks):
    """Masks for a larger amount, in which all that `masks` already drops is dropped again.

    table: {weight name: scores}. The dropped weights rank lowest whatever their scores, so that the count is exact,
    where a criterion such as random could otherwise bring some back.

    >>> layer = nn.Linear(4, 1)
    >>> first, table = {"weight": torch.tensor([[True, True, True, False]])}, {"weight": torch.tensor([[1, 2, 3, 4]])}
    >>> further_masks(layer, first, 0.5, table)
    {'weight': tensor([[False,  True,  True, False]])}
    """
    table = dict(table)
    for name in masks.keys() & table.keys():
        values = score(name, dict(model.named_parameters())[name].detach(), table)
        values = values if values.dtype.is_floating_point else values.double()
        table[name] = values.masked_fill(~masks[name], -torch.inf)
    found = choose(model, amount, table)
    need(isinstance(found, Mapping), f"choose gave a {type(found).__name__}",
         "it gives masks, {weight name: bool tensor}", "end it with `return masks`", TypeError)
    apply_masks(model, found)  # checks names, types and shapes
    return {**masks, **{name: mask & masks[name] if name in masks else mask for name, mask in found.items()}}


def _never_falling(amounts):
    amounts = [amounts] if isinstance(amounts, Real) else list(amounts)
    need(amounts, "amounts is empty", "pruning takes at least one step", "use [0.9], or cubic_schedule(0.9, 8)")
    amounts = [fraction(amount) for amount in amounts]
    for now, then in pairwise(amounts):
        need(now <= then, f"the amounts fall from {now:g} to {then:g}", "what is pruned stays pruned",
             "use a list that never falls, such as cubic_schedule(0.9, 8)")
    return amounts


def _same_kind(model, origin):
    if origin is not None:
        shapes, others = ({name: tuple(tensor.shape) for name, tensor in net.state_dict().items()}
                          for net in (model, origin))
        need(shapes == others, f"rewind_to is a {type(origin).__name__} with other tensors than the model's",
             "pruning rewinds to an earlier state of the same network", "pass the network as it was before training")


def _check_schedule(amount, steps, start):
    need(isinstance(steps, int) and not isinstance(steps, bool) and steps >= 1, f"steps is {steps!r}",
         "a schedule has a whole number of steps, 1 or more", "use 8")
    need(fraction(start) <= fraction(amount), f"start is {start} and amount is {amount}",
         "a schedule never falls", "use start=0.0")
