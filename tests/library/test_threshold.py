"""Lesson 01's explorer shows what the library computes, for the network and the images that it is given."""

import inspect

import pytest
import torch
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, precision_score, recall_score

from shrinklab.data import load
from shrinklab.masks import apply_masks, global_masks
from shrinklab.models import build, pretrained
from shrinklab.rare import class_scores, with_share
from shrinklab.widgets import threshold_explorer

IMAGES = load("mnist").validation[:1500]
NUMBERS = {"precision": precision_score, "recall": recall_score, "F1": f1_score, "accuracy": accuracy_score}


@pytest.fixture(scope="module")
def lenet():
    return pretrained("lenet")


@pytest.fixture(scope="module")
def explorer(lenet):
    return threshold_explorer(lenet, IMAGES)


def decided(model, split, positive, *, threshold, share):
    """Labels and decisions, by the library and not by the explorer."""
    stream = with_share(split, positive, share)
    return (stream.labels == positive).numpy(), (class_scores(model, stream.images, positive) >= threshold).numpy()


@pytest.mark.parametrize("network", ["pruned", "whole"])
@pytest.mark.parametrize(("threshold", "share"), [(0.5, 0.02), (0.05, 0.02), (0.5, 0.5), (0.99, 0.01)])
def test_every_number_agrees_with_scikit_learn(explorer, lenet, network, threshold, share):
    answer = explorer.compute(threshold=threshold, share=share, network=network)
    model = lenet if network == "whole" else apply_masks(lenet, global_masks(lenet, 0.91))
    truth, flags = decided(model, IMAGES, 0, threshold=threshold, share=share)
    assert answer["matrix"]["counts"] == confusion_matrix(truth, flags, labels=[False, True]).tolist()
    for name, oracle in NUMBERS.items():
        extra = {} if name == "accuracy" else {"zero_division": 0}
        shown = answer["numbers"][name]
        assert shown["value"] == pytest.approx(oracle(truth, flags, **extra)), name
        assert shown["text"] == f"{shown['value']:.1%}".replace("%", " %")
    for name in ("accuracy", "recall"):
        assert answer["numbers"][name]["text"] in answer["headline"]


def test_the_bars_below_the_threshold_are_the_misses(explorer):
    answer = explorer.compute(threshold=0.5, share=0.1)
    (_, _), (missed, found) = answer["matrix"]["counts"]
    edges, counts = answer["scores"]["edges"], answer["scores"]["counts"]
    assert answer["scores"]["cut"] == [0.0, 0.5]
    below = sum(count for left, count in zip(edges[:-1], counts, strict=True) if left < 0.5 - 1e-6)
    assert (below, sum(counts)) == (missed, missed + found)


def test_the_curves_pass_through_the_numbers_shown(explorer):
    answer = explorer.compute(threshold=0.25, share=0.1)
    assert answer["curves"]["marker"] == 0.25
    for line in answer["curves"]["series"]:
        at = min(range(len(line["x"])), key=lambda i: abs(line["x"][i] - 0.25))
        assert line["x"][at] == pytest.approx(0.25)
        assert line["y"][at] == pytest.approx(answer["numbers"][line["name"]]["value"]), line["name"]


def test_a_curve_has_a_gap_where_nothing_is_flagged(explorer):
    curves = {line["name"]: line for line in explorer.compute(threshold=0.99)["curves"]["series"]}
    assert explorer.compute(threshold=0.99)["matrix"]["counts"][1][1] == 0
    assert curves["precision"]["y"][-1] is None
    assert curves["recall"]["y"][-1] == 0


def test_another_checkpoint_changes_every_number(lenet):
    torch.manual_seed(4)
    noisy = pretrained("lenet")
    for weight in noisy.parameters():
        weight.data.add_(0.08 * torch.randn(weight.shape))
    explorer, other = threshold_explorer(lenet), threshold_explorer(noisy)
    for network in ("pruned", "whole"):
        setting = {"network": network, "threshold": 0.02, "share": 0.1}
        first, second = explorer.compute(**setting), other.compute(**setting)
        for name, number in first["numbers"].items():
            assert number["value"] != second["numbers"][name]["value"], (setting, name)
        for row in (0, 1):
            for column in (0, 1):
                assert first["matrix"]["counts"][row][column] != second["matrix"]["counts"][row][column], setting
        for view in ("headline", "scores", "curves"):
            assert first[view] != second[view], (setting, view)


def test_each_move_runs_the_network_again(lenet):
    seen = []
    explorer = threshold_explorer(lenet, IMAGES)
    handle = lenet.register_forward_hook(lambda module, inputs, output: seen.append(len(output)))
    try:
        for setting in ({"threshold": 0.3}, {"threshold": 0.31}, {"share": 0.2}):
            seen.clear()
            shown = explorer.compute(network="whole", **setting)
            assert sum(seen) == sum(map(sum, shown["matrix"]["counts"]))
    finally:
        handle.remove()


def test_the_balance_changes_the_images_and_accuracy_with_them(explorer):
    rare, even = (explorer.compute(threshold=0.5, share=share) for share in (0.02, 0.5))
    assert rare["numbers"]["accuracy"]["value"] > 0.97
    assert even["numbers"]["accuracy"]["value"] < 0.7


def test_the_course_s_warning_is_real(lenet):
    """98 % accuracy, and most of the positives missed: what the lesson builds on."""
    shown = threshold_explorer(lenet).compute(network="pruned", threshold=0.5, share=0.02)["numbers"]
    assert round(shown["accuracy"]["value"], 2) == 0.98
    assert shown["recall"]["value"] < 0.25


def test_the_first_view_does_not_tell_what_the_lesson_asks(lenet):
    """The lesson's first guess: how many zeros the pruned network finds at 0.5."""
    explorer = threshold_explorer(lenet)
    asked = explorer.compute(network="pruned", threshold=0.5, share=0.02)["headline"].split(" found")[0]
    assert asked not in explorer.compute()["headline"]


def test_one_false_alarm_is_not_told_as_several(lenet):
    headlines = [threshold_explorer(lenet).compute(threshold=step / 100)["headline"] for step in range(5, 15)]
    assert any(" 1 false alarm in " in headline for headline in headlines)
    assert not any(" 1 false alarms" in headline for headline in headlines)


def test_another_class_and_another_amount(lenet):
    ones = threshold_explorer(lenet, IMAGES, positive=1, amount=0.5)
    assert ones.compute(threshold=0.5)["numbers"]["recall"]["value"] > 0.9
    assert ones.compute()["matrix"]["labels"] == ["not 1", "1"]


def test_a_move_leaves_the_network_as_it_was(explorer, lenet):
    before = {name: tensor.clone() for name, tensor in lenet.state_dict().items()}
    explorer.compute(network="pruned", threshold=0.2)
    assert all(torch.equal(tensor, before[name]) for name, tensor in lenet.state_dict().items())


def test_images_without_the_class_are_refused():
    model = build("lenet", channels=[2, 4], hidden=[20, 10])
    split = load("mnist").validation
    without = type(split)("no zeros", split.images[split.labels != 0][:20], split.labels[split.labels != 0][:20])
    with pytest.raises(ValueError, match="no zeros holds 0 images of class 0"):
        threshold_explorer(model, without)


def test_the_settings_function_is_short(explorer):
    assert len(inspect.getsource(explorer._settings).splitlines()) <= 40
