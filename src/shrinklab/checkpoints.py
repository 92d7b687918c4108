"""Checkpoints of a pruning run: the network after each cut, and again after the training that follows it."""

from dataclasses import dataclass

from torch import nn

from shrinklab.masks import apply_masks
from shrinklab.schedules import prune_gradually


@dataclass(frozen=True)
class Checkpoint:
    """A network at one step of a run: right after the cut, and after training with the mask held.

    amount: the share of the weights that is gone, 0 to 1. At the start nothing is, and both are the whole network.
    """

    amount: float
    pruned: nn.Module
    tuned: nn.Module


def prune_and_keep(model, data, amounts, recipe=None, **options):
    """Run `prune_gradually` and keep every network on the way: a list of `Checkpoint`, the whole network first.

    amounts, recipe, options: as for `schedules.prune_gradually`.

    >>> from types import SimpleNamespace as Part
    >>> from shrinklab.data import load
    >>> from shrinklab.masks import sparsity
    >>> from shrinklab.models import pretrained
    >>> data = load("mnist")
    >>> part = Part(train=data.train[:128], validation=data.validation[:50])
    >>> run = prune_and_keep(pretrained("lenet"), part, [0.5, 0.9], progress=False)
    >>> [(one.amount, round(sparsity(one.pruned), 3), round(sparsity(one.tuned), 3)) for one in run]
    [(0.0, 0.0, 0.0), (0.5, 0.5, 0.5), (0.9, 0.9, 0.9)]
    """
    whole = apply_masks(model, {})  # a copy
    run = [Checkpoint(0.0, whole, whole)]

    def keep(step, network):
        # Training holds the mask, so the zeros of the trained network are those of the cut before it.
        masks = {name: weight != 0 for name, weight in network.named_parameters() if weight.ndim > 1}
        run.append(Checkpoint(step.amount, apply_masks(run[-1].tuned, masks), network))

    prune_gradually(model, data, amounts, recipe, on_step=keep, **options)
    return run
