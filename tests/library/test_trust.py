"""Lesson 03's explorer shows what the library computes, for the network, the images and the draw that it is given."""

import inspect

import pytest
import torch

from shrinklab.criteria import l1, random
from shrinklab.data import load
from shrinklab.masks import apply_masks, global_masks, layer_masks
from shrinklab.metrics import bootstrap_interval, correct, mcnemar, predict
from shrinklab.models import build, pretrained
from shrinklab.significance import drop_interval
from shrinklab.widgets import trust_explorer

SPLIT = load("mnist").validation[:600]


@pytest.fixture(scope="module")
def lenet():
    return pretrained("lenet")


@pytest.fixture(scope="module")
def explorer(lenet):
    return trust_explorer(lenet, SPLIT)


def flags(lenet, images, amount, draw):
    rows = torch.randperm(len(SPLIT), generator=torch.Generator().manual_seed(draw))[:images]
    return [correct(predict(network, SPLIT.images[rows]), SPLIT.labels[rows])
            for network in (lenet, apply_masks(lenet, global_masks(lenet, amount)))]


@pytest.mark.parametrize(("images", "amount", "draw"), [(100, 0.92, 1), (300, 0.88, 2), (600, 0.9, 3)])
def test_every_number_is_the_librarys(explorer, lenet, images, amount, draw):
    answer = explorer.compute(images=images, amount=amount, draw=draw)
    first, second = flags(lenet, images, amount, draw)
    test, (low, high) = mcnemar(first, second), drop_interval(first, second)
    shown = {name: number["value"] for name, number in answer["numbers"].items()}
    assert shown == pytest.approx({
        "whole": first.double().mean().item(), "pruned": second.double().mean().item(),
        "drop": 100 * (first.double().mean() - second.double().mean()).item(),
        "drop, low end": 100 * low, "drop, high end": 100 * high, "p-value": test.p_value})
    (both, lost), (gained, neither) = answer["pairs"]["counts"]
    assert (lost, gained) == (test.b, test.c)
    assert both + lost + gained + neither == images
    assert both == int((first & second).sum())
    assert ("The two differ" in answer["headline"]) == (test.p_value < 0.05)
    assert answer["headline"].startswith(f"{images:,} images: ")


def test_the_curves_end_at_the_measured_size_and_hold_its_intervals(explorer, lenet):
    answer = explorer.compute(images=500, amount=0.88, draw=4)
    first, second = flags(lenet, 500, 0.88, 4)
    drop, flat = answer["drops"]["series"]
    assert drop["x"] == flat["x"] == [50, 100, 150, 200, 250, 300, 350, 400, 450, 500]
    assert answer["drops"]["marker"] == answer["accuracies"]["marker"] == 500
    assert flat["y"] == [0.0] * 10
    for place, size in enumerate(drop["x"]):
        low, high = drop_interval(first[:size], second[:size])
        assert (drop["low"][place], drop["high"][place]) == pytest.approx((100 * low, 100 * high))
        for series, right in zip(answer["accuracies"]["series"], (first, second), strict=True):
            assert (series["low"][place], series["high"][place]) == bootstrap_interval(right[:size])
            assert series["y"][place] == pytest.approx(right[:size].double().mean().item())


def test_more_images_narrow_the_interval(explorer):
    widths = []
    for images in (100, 400):
        numbers = explorer.compute(images=images, amount=0.9, draw=1)["numbers"]
        widths.append(numbers["drop, high end"]["value"] - numbers["drop, low end"]["value"])
    assert widths[1] < 0.65 * widths[0]


def test_another_draw_takes_other_images(explorer):
    answers = [explorer.compute(images=200, amount=0.9, draw=draw) for draw in (1, 2, 3)]
    assert len({str(answer["pairs"]["counts"]) for answer in answers}) > 1
    assert explorer.compute(images=200, amount=0.9, draw=2) == answers[1]


@pytest.mark.parametrize("amount", [0.88, 0.9])
def test_another_checkpoint_changes_every_number(explorer, amount):
    torch.manual_seed(1)
    other = trust_explorer(build("lenet", channels=[3, 8], hidden=[60, 42]), SPLIT)
    first, second = (one.compute(amount=amount, images=400) for one in (explorer, other))
    for name, number in first["numbers"].items():
        assert number["value"] != second["numbers"][name]["value"], name
    assert first["headline"] != second["headline"]
    for view in ("drops", "accuracies", "pairs"):
        assert first[view] != second[view], view


def test_other_weights_in_the_same_network_change_the_answer(explorer, lenet):
    moved = apply_masks(lenet, layer_masks(lenet, {"conv2.weight": 0.6}))
    first, second = (one.compute(amount=0.9, images=600) for one in (explorer, trust_explorer(moved, SPLIT)))
    assert first["numbers"] != second["numbers"]
    assert first["pairs"] != second["pairs"]


def test_a_criterion_of_ones_own_is_used_and_its_error_is_a_line(lenet):
    assert trust_explorer(lenet, SPLIT, random).compute(amount=0.8)["numbers"]["pruned"]["value"] < 0.8

    def unfinished(weight):
        raise NotImplementedError("write magnitude_scores")

    assert trust_explorer(lenet, SPLIT, unfinished).first["answer"] == {
        "error": "Not written yet: write magnitude_scores"}


def test_a_move_leaves_the_network_as_it_was(explorer, lenet):
    before = {name: tensor.clone() for name, tensor in lenet.state_dict().items()}
    explorer.compute(amount=0.95)
    assert all(torch.equal(tensor, before[name]) for name, tensor in lenet.state_dict().items())


def test_it_opens_with_few_images(explorer):
    assert (explorer.images, explorer.draw) == (200, 1)
    assert explorer.title == "Test a LeNet and its pruned copy on validation images"
    assert explorer.first["answer"]["headline"].startswith("200 images")


def test_too_few_images_are_refused(lenet):
    with pytest.raises(ValueError, match="holds 150 images"):
        trust_explorer(lenet, SPLIT[:150], l1)


def test_a_tiny_p_value_is_said_in_words(explorer):
    assert explorer.compute(images=600, amount=0.94)["headline"].endswith("The two differ (p below 0.001).")
    assert explorer.compute(images=100, amount=0.5)["headline"].endswith("do not tell the two apart (p = 1.000).")


def test_the_settings_function_is_short(explorer):
    assert len(inspect.getsource(explorer._settings).splitlines()) <= 40
