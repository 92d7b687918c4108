import pytest
import torch
from torch import nn

from shrinklab.channel_criteria import path_channel_scores
from shrinklab.channels import shrink_channels
from shrinklab.criteria import l1, l2
from shrinklab.models import LeNet, MobileNet

IMAGE, COLOUR = torch.zeros(1, 1, 28, 28), torch.zeros(1, 3, 32, 32)


def test_the_score_is_the_sum_over_all_ways_through_the_channel():
    torch.manual_seed(0)
    first, carry, last = nn.Conv2d(2, 5, 1), nn.Conv2d(5, 5, 1, groups=5), nn.Conv2d(5, 3, 1)
    scores = path_channel_scores(nn.Sequential(first, carry, nn.ReLU(), last), example=torch.zeros(1, 2, 2, 2))["0"]
    first, carry, last = (layer.weight.detach()[:, :, 0, 0].square() for layer in (first, carry, last))
    every = [sum(float(first[c, i] * carry[c, 0] * last[o, c]) for i in range(2) for o in range(3)) for c in range(5)]
    torch.testing.assert_close(scores, torch.tensor(every))


def test_scaling_a_channel_up_before_a_relu_and_down_behind_it_changes_nothing():
    torch.manual_seed(0)
    model = LeNet()
    before = path_channel_scores(model, l1, example=IMAGE)
    factors = torch.rand(120) + 0.5
    model.fc1.weight.data *= factors[:, None]
    model.fc2.weight.data /= factors
    after = path_channel_scores(model, l1, example=IMAGE)
    torch.testing.assert_close(after["fc1"], before["fc1"])
    # They take part as a criterion.
    kept = shrink_channels(model, 0.5, criterion=after, example=IMAGE)
    assert torch.equal(kept.fc1.bias, model.fc1.bias[after["fc1"] >= after["fc1"].sort().values[60]])


def test_a_channel_whose_depthwise_weights_are_zero_has_no_path():
    model = MobileNet()
    model.blocks[1].depthwise.weight.data[7] = 0
    scores = path_channel_scores(model, l2, example=COLOUR)
    assert [name for name, values in scores.items() if bool((values == 0).any())] == ["blocks.0.pointwise"]
    assert scores["blocks.0.pointwise"].argmin() == 7


def test_messages_show_value_rule_and_fix():
    model = LeNet()
    with pytest.raises(ValueError, match="LeNet cannot take them"):
        path_channel_scores(model, example=COLOUR)
    with pytest.raises(ValueError, match="Sequential without channels that can go; .*; pass a deeper"):
        path_channel_scores(nn.Sequential(nn.Linear(2, 2)), example=torch.zeros(1, 2))
    model.fc1.weight.data[0, 0] = torch.nan
    with pytest.raises(ValueError, match="fc1.weight holds 1 weights that are NaN or inf; .*; "):
        path_channel_scores(model, example=IMAGE)
