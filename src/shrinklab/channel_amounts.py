"""How many channels should go, and from which group, so that a share of the work is left?

One amount for all, found by bisection, or an amount for each group, found by trying on data which removal hurts
least. Both count multiply-accumulates (MACs) without building any network.
"""

from numbers import Real

import torch
from torch.nn import functional as F

from shrinklab.channels import choose, kept_counts, recalibrate_batch_norm, scores_of, shrink_channels  # noqa: F401 (examples)
from shrinklab.criteria import l1
from shrinklab.errors import need
from shrinklab.groups import cut_channels, groups_of, staying
from shrinklab.metrics import predict
from shrinklab.tracing import follow


def amount_for_macs(model, share, criterion=l1, *, example, how="uniform", round_to=1):
    """The smallest amount for `shrink_channels` that leaves at most this share of the MACs, to half a channel.

    share: fraction of the MACs that may stay, above 0 to 1; criterion, how and round_to as in `channel_masks`.
    ValueError where even one channel a group is more.

    >>> from shrinklab.models import LeNet
    >>> image = torch.zeros(1, 1, 28, 28)
    >>> shrink_channels(LeNet(), amount_for_macs(LeNet(), 0.5, example=image), example=image).config
    {'channels': [4, 10], 'hidden': [79, 55]}
    """
    return _Plan(model, share, criterion, example, round_to).smallest(how)


def shrink_to_macs(model, share, criterion=l1, *, example, how="uniform", round_to=1):
    """A copy of the model with at most this share of its MACs: `amount_for_macs` and `shrink_channels` in one trace.

    >>> from shrinklab.models import LeNet
    >>> shrink_to_macs(LeNet(), 0.5, example=torch.zeros(1, 1, 28, 28)).config
    {'channels': [4, 10], 'hidden': [79, 55]}
    """
    plan = _Plan(model, share, criterion, example, round_to)
    return plan.cut(plan.smallest(how), how)


def sensitive_amounts(model, split, share, criterion=l1, *, steps=10, round_to=1):
    """An amount for each group, {group name: fraction}, that leaves at most this share of the MACs.

    Every step takes the same number of MACs away. Each group in turn is tried as the one that gives them; the
    network is cut, its batch norm recalibrated, its loss measured on split, and the group that hurts least gives
    its channels. So a group is tried beside all that is gone already, not alone.

    split: .images (N, ...) and .labels (N,), some hundred or more, from training or validation, never from the test
    set. steps: more are finer and slower: the networks tried are about steps x groups.
    Source: Yang et al., "NetAdapt: Platform-Aware Neural Network Adaptation for Mobile Applications", 2018.
    """
    need(len(split.images) > 1, f"the split has {len(split.images)} images", "a loss is measured on two or more",
         "use some hundred training images")
    need(isinstance(steps, int) and steps >= 1, f"steps is {steps!r}", "steps is a whole number from 1", "use 10")
    plan = _Plan(model, share, criterion, split.images[:1], round_to)
    sizes = {name: len(values) for name, values in plan.scores.items()}
    plan.reach(dict.fromkeys(sizes, 1.0))
    amounts = dict.fromkeys(sizes, 0.0)
    now = plan.macs(amounts)
    step = (now - plan.limit) / steps
    while now > plan.limit:
        goal = max(plan.limit, now - step)
        tries = [found for name, size in sizes.items() if (found := _given(plan, amounts, name, size, now, goal))]
        # A group that can no longer give a whole step takes part only when none can.
        enough = [found for found in tries if plan.macs(found) <= goal]
        amounts = min(enough or tries, key=lambda found: plan.loss(found, split))
        now = plan.macs(amounts)
    return amounts


class _Plan:
    """A traced model, its scores and its limit in MACs, to try amounts on."""

    def __init__(self, model, share, criterion, example, round_to):
        right = isinstance(share, Real) and not isinstance(share, bool) and 0 < share <= 1
        need(right, f"share is {share!r}", "share is the fraction of the MACs that stays, above 0 to 1",
             "use 0.5 for half the work")
        self.model, self.wiring, self.round_to = model, follow(model, example), round_to
        self.groups = groups_of(self.wiring)
        self.scores = scores_of(model, self.wiring, self.groups, criterion)
        self.work = _Work(model, self.wiring, self.groups)
        self.all = self.work.macs({group.name: group.size for group in self.groups})
        self.limit = share * self.all

    def smallest(self, how):
        """By bisection the smallest amount within the limit, to half of one channel of all."""
        self.reach(1.0, how)
        low, high, half = 0.0, 1.0, 0.5 / sum(group.size for group in self.groups)
        if self.macs(low, how) <= self.limit:
            return low
        while high - low > half:
            middle = (low + high) / 2
            low, high = (low, middle) if self.macs(middle, how) <= self.limit else (middle, high)
        return high

    def reach(self, most, how="uniform"):
        """Refuse a share that even the largest amounts do not reach."""
        least = self.macs(most, how)
        need(least <= self.limit, f"share is {self.limit / self.all:g}",
             f"with one channel in each group, or round_to of them, {least / self.all:.3f} of the MACs are left",
             "use a larger share")

    def macs(self, amount, how="uniform"):
        return self.work.macs(kept_counts(self.scores, amount, how, self.round_to))

    def cut(self, amount, how="uniform"):
        keep = choose(self.scores, amount, how, self.round_to)
        return cut_channels(self.model, self.wiring, staying(self.groups, keep, len(self.wiring.fixed)))

    def loss(self, amounts, split):
        small = recalibrate_batch_norm(self.cut(amounts), split.images)
        return F.cross_entropy(predict(small, split.images), torch.as_tensor(split.labels)).item()


class _Work:
    """The MACs of a traced model from the counts of channels that stay, without looking at which stay.

    Additions and concatenations treat a whole layer's channels alike, so each layer makes (and reads) some multiple
    of each group's channels, besides those that are in no group.
    """

    def __init__(self, model, wiring, groups):
        self.groups = groups
        owner = torch.full((len(wiring.fixed),), len(groups))  # which group each numbered channel is in
        for i, group in enumerate(groups):
            owner[group.channels] = i
        sizes = torch.tensor([group.size for group in groups] + [1])
        layers = {name: layer for name, layer in wiring.layers.items() if layer.kind != "norm"}

        def multiples(numbers):
            return owner[numbers].bincount(minlength=len(sizes)).double() / sizes

        self.makes = torch.stack([multiples(layer.makes) for layer in layers.values()])
        # A depthwise layer reads one channel for each that it makes.
        one = torch.zeros(len(sizes), dtype=torch.double).index_fill_(0, torch.tensor(len(groups)), 1.0)
        self.reads = torch.stack([multiples(layer.reads) if layer.kind == "dense" else one
                                  for layer in layers.values()])
        self.products = torch.tensor([layer.places * model.get_submodule(name).weight[0, 0].numel()
                                      for name, layer in layers.items()], dtype=torch.double)

    def macs(self, counts):
        """counts: {group name: channels that stay}; groups without an entry stay whole."""
        kept = torch.tensor([counts.get(group.name, group.size) for group in self.groups] + [1], dtype=torch.double)
        return round(float((self.makes @ kept * (self.reads @ kept)) @ self.products))


def _given(plan, amounts, name, size, now, goal):
    """Amounts with just so many more channels of one group gone that the goal is met, or all it has; else None."""
    low, high = round(amounts[name] * size), size  # bisection: low keeps the MACs above the goal
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if plan.macs(amounts | {name: middle / size}) <= goal else (middle, high)
    found = amounts | {name: high / size}
    return found if plan.macs(found) < now else None
