from dataclasses import dataclass
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from shrinklab.channel_amounts import _Plan, amount_for_macs, sensitive_amounts, shrink_to_macs
from shrinklab.channels import channel_groups, recalibrate_batch_norm, shrink_channels
from shrinklab.criteria import l1
from shrinklab.measure import count_macs
from shrinklab.metrics import predict
from shrinklab.models import LeNet, MobileNet, ResNet8, ResNet12

COLOUR = torch.zeros(1, 3, 32, 32)
EXAMPLES = {LeNet: torch.zeros(1, 1, 28, 28), ResNet8: COLOUR, ResNet12: COLOUR, MobileNet: COLOUR}


@dataclass
class Few:
    images: torch.Tensor
    labels: torch.Tensor


def share_left(model, amount, example, **options):
    return count_macs(shrink_channels(model, amount, example=example, **options), example) / count_macs(model, example)


@settings(max_examples=12, deadline=None)
@given(st.sampled_from(list(EXAMPLES)), st.floats(0.3, 1), st.sampled_from(["uniform", "global"]),
       st.sampled_from([1, 4]))
def test_the_amount_leaves_at_most_the_share_and_hardly_less(kind, share, how, round_to):
    torch.manual_seed(0)
    model, example = kind(), EXAMPLES[kind]
    amount = amount_for_macs(model, share, example=example, how=how, round_to=round_to)
    assert share_left(model, amount, example, how=how, round_to=round_to) <= share
    small = shrink_to_macs(model, share, example=example, how=how, round_to=round_to)
    assert small.config == shrink_channels(model, amount, example=example, how=how, round_to=round_to).config
    if amount:
        one = 1 / sum(group.size for group in channel_groups(model, example))
        assert share_left(model, max(0.0, amount - one), example, how=how, round_to=round_to) > share


def test_depthwise_work_is_counted_too():
    example = torch.zeros(1, 3, 8, 8)
    model = nn.Sequential(
        nn.Conv2d(3, 16, 1), nn.Conv2d(16, 16, 5, groups=16, padding=2), nn.BatchNorm2d(16), nn.Conv2d(16, 8, 1))
    amount = amount_for_macs(model, 0.5, example=example)
    assert amount == pytest.approx(7.5 / 16, abs=1e-3)  # all work is in proportion to the 16 channels


class Joined(nn.Module):
    """Concatenations, an addition of two, and flatten: layers that read several groups, and some channels twice."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c, self.d = (nn.Conv2d(2, size, 3, padding=1) for size in (2, 4, 4, 2))
        self.mix, self.last = nn.Conv2d(8, 6, 3, groups=1), nn.Linear(24, 3)

    def forward(self, x):
        both = torch.cat([self.a(x), self.b(x)], 1) + torch.cat([self.c(x), self.d(x)], 1)
        return self.last(self.mix(torch.cat([both, self.a(x)], 1)).flatten(1))


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_the_work_is_that_of_the_cut_network(data):
    model, example = Joined().eval(), torch.zeros(1, 2, 4, 4)
    amounts = {group.name: data.draw(st.floats(0, 1)) for group in channel_groups(model, example)}
    plan = _Plan(model, 1.0, l1, example, 1)
    assert plan.macs(amounts) == count_macs(shrink_channels(model, amounts, example=example), example)


def test_groups_without_scores_stay_whole():
    table = {"conv1": torch.arange(6.0)}
    small = shrink_to_macs(LeNet(), 0.7, table, example=EXAMPLES[LeNet])
    assert small.config["channels"][0] < 6
    assert small.config == {"channels": [small.config["channels"][0], 16], "hidden": [120, 84]}


class Middle(nn.Module):
    """Two branches: the logits hang on `useful` alone, and `idle` is read with small weights."""

    def __init__(self):
        super().__init__()
        self.useful, self.idle = nn.Linear(8, 8, bias=False), nn.Linear(8, 8, bias=False)
        self.one, self.two = nn.Linear(8, 8, bias=False), nn.Linear(8, 8, bias=False)
        for layer in (self.useful, self.idle, self.one):
            layer.weight.data = torch.eye(8)
        self.two.weight.data = torch.eye(8) * 1e-4

    def forward(self, x):
        return self.one(self.useful(x)) + self.two(self.idle(x))


def test_the_group_that_hurts_least_gives_its_channels():
    labels = torch.arange(8).repeat(4)
    split = Few(10 * F.one_hot(labels, 8).float(), labels)
    model, before = Middle(), {name: t.clone() for name, t in Middle().state_dict().items()}
    amounts = sensitive_amounts(model, split, 0.7, steps=4)
    assert amounts["useful"] == 0
    assert amounts["idle"] > 0.5
    assert share_left(model, amounts, split.images[:1]) <= 0.7
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    # Beyond what the idle branch can give, the useful one has to.
    assert sensitive_amounts(model, split, 0.4, steps=4)["useful"] > 0
    # A step that no group can give alone takes several.
    assert share_left(model, sensitive_amounts(model, split, 0.2, steps=1), split.images[:1]) <= 0.2


def test_sensitive_amounts_beat_one_amount_for_all():
    from shrinklab.data import load
    from shrinklab.models import pretrained

    model, data = pretrained("lenet"), load("mnist")
    chosen, judged = data.train[:300], data.train[300:800]
    amounts = sensitive_amounts(model, chosen, 0.6, steps=5)
    one = amount_for_macs(model, 0.6, example=data.example)
    losses = []
    for amount in (amounts, one):
        small = recalibrate_batch_norm(shrink_channels(model, amount, example=data.example), chosen.images)
        losses.append(F.cross_entropy(predict(small, judged.images), judged.labels).item())
    assert share_left(model, amounts, data.example) <= 0.6
    assert losses[0] < losses[1] / 2


def test_with_batch_norm_and_a_multiple():
    torch.manual_seed(0)
    split = Few(torch.randn(8, 3, 32, 32), torch.arange(8))
    model = ResNet8()
    amounts = sensitive_amounts(model, split, 0.5, steps=2, round_to=8)
    small = shrink_channels(model, amounts, example=split.images[:1], round_to=8)
    assert all(width % 8 == 0 for width in small.config["widths"])
    assert share_left(model, amounts, split.images[:1], round_to=8) <= 0.5
    assert model.training


def test_bad_input_is_refused_with_value_rule_and_fix():
    model, example = LeNet(), EXAMPLES[LeNet]
    split = Few(torch.zeros(4, 1, 28, 28), torch.zeros(4, dtype=torch.long))
    for share in (0, 50, -1, True, "half"):
        for call in (partial(amount_for_macs, example=example), lambda model, s: sensitive_amounts(model, split, s)):
            with pytest.raises(ValueError, match=r"share is .*; share is the fraction of the MACs that stays, .*use"):
                call(model, share)
    for call in (lambda: amount_for_macs(model, 0.01, example=example), lambda: sensitive_amounts(model, split, 0.01)):
        with pytest.raises(ValueError, match=r"share is 0.01; with one channel in each group, .* 0.053 of the MACs"):
            call()
    with pytest.raises(ValueError, match="steps is 0; steps is a whole number from 1; use 10"):
        sensitive_amounts(model, split, 0.5, steps=0)
    with pytest.raises(ValueError, match="the split has 0 images; a loss is measured on two or more"):
        sensitive_amounts(model, Few(split.images[:0], split.labels[:0]), 0.5)
    with pytest.raises(ValueError, match="how is 'both'"):
        amount_for_macs(model, 0.5, example=example, how="both")
