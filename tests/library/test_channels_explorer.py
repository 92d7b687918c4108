"""Lesson 06's explorer shows what the library computes, for the network and the images that it is given."""

import inspect

import pytest
import torch

from shrinklab.channels import channel_groups, recalibrate_batch_norm, shrink_channels
from shrinklab.criteria import l1, l2, random
from shrinklab.data import load
from shrinklab.files import file_bytes
from shrinklab.measure import count_macs
from shrinklab.metrics import accuracy
from shrinklab.models import build, pretrained
from shrinklab.widgets import channels_explorer
from shrinklab.widgets.channels import boxes

IMAGES, LOOK = load("cifar10").validation[:100], load("cifar10").train.images[:50]
CRITERIA = {"l1": l1, "l2": l2, "lot": random}


@pytest.fixture(scope="module")
def resnet():
    return pretrained("resnet8")


@pytest.fixture(scope="module")
def explorer(resnet):
    return channels_explorer(resnet, IMAGES, LOOK, repeats=2)


def shrunk(model, amount, criterion, round_to, recalibrate):
    small = shrink_channels(model, amount, criterion=CRITERIA[criterion], example=IMAGES.images[:1], round_to=round_to)
    return recalibrate_batch_norm(small, LOOK) if recalibrate else small


@pytest.mark.parametrize(("amount", "criterion", "round_to", "recalibrate"), [
    (0.0, "l1", 1, False), (0.25, "l1", 1, True), (0.5, "l2", 4, False), (0.4, "lot", 8, True), (0.75, "l1", 1, True)])
def test_every_number_is_the_librarys(explorer, resnet, amount, criterion, round_to, recalibrate):
    setting = {"criterion": criterion, "round_to": round_to, "recalibrate": recalibrate}
    answer = explorer.compute(amount=amount, **setting)
    small = shrunk(resnet, amount, **setting)
    shown = {name: number["value"] for name, number in answer["numbers"].items()}
    assert shown.pop("latency") > 0
    # The explorer folds batch norm to be sooner: float rounding may turn one image in a hundred.
    assert shown.pop("accuracy") == pytest.approx(accuracy(small, IMAGES), abs=0.011)
    costs = {"parameters": sum(p.numel() for p in small.parameters()), "MACs": count_macs(small, IMAGES.images[:1]),
             "dense file": file_bytes(small)}
    left = sum(group.size for group in channel_groups(small, IMAGES.images[:1]))
    assert shown == costs | {"channels left": left}
    whole = {"parameters": 77_946, "MACs": count_macs(resnet, IMAGES.images[:1]), "dense file": file_bytes(resnet)}
    bars = dict(zip(answer["left"]["labels"], answer["left"]["values"], strict=True))
    assert bars.pop("latency") > 0
    assert bars == {name: costs[name] / whole[name] for name in costs}
    assert f"{costs['MACs'] / whole['MACs']:.0%} of the MACs".replace("%", " %") in answer["headline"]


def test_the_drawing_has_the_shapes_of_the_tensors(explorer, resnet):
    drawn = explorer.compute(amount=0.5)["network"]
    small = shrunk(resnet, 0.5, "l1", 1, False)
    for network, layers in ((small, drawn["layers"]), (resnet, drawn["before"])):
        for layer in layers:
            assert (layer["outputs"], layer["inputs"]) == network.get_submodule(layer["name"]).weight.shape[:2]
        assert [layer["name"] for layer in layers if layer.get("branch")] == ["block2.shortcut", "block3.shortcut"]


def test_a_depthwise_layer_reads_one_channel_for_each_that_it_makes():
    drawn = {layer["name"]: layer for layer in boxes(build("mobilenet"))}
    layer = drawn["blocks.0.depthwise"]
    assert (layer["inputs"], layer["outputs"], layer["note"]) == (1, 16, "depthwise")


@pytest.mark.parametrize("amount", [0.0, 0.5])
def test_another_checkpoint_changes_every_number(explorer, amount):
    torch.manual_seed(1)
    other = channels_explorer(build("resnet8", widths=[8, 12, 8, 20, 24, 30, 40]), IMAGES, LOOK, repeats=2)
    first, second = explorer.compute(amount=amount), other.compute(amount=amount)
    for name, number in first["numbers"].items():
        assert number["value"] != second["numbers"][name]["value"], name
    assert first["headline"] != second["headline"]
    assert first["network"] != second["network"]


def test_other_weights_in_the_same_network_change_the_accuracy(explorer):
    moved = pretrained("resnet8")
    moved.fc.weight.data.mul_(-1)
    other = channels_explorer(moved, IMAGES, LOOK, repeats=2)
    assert other.compute(amount=0.1)["numbers"]["accuracy"] != explorer.compute(amount=0.1)["numbers"]["accuracy"]


def test_lenet_is_drawn_by_square_roots_and_has_images_of_its_own():
    digits = load("mnist").validation[:50]
    explorer = channels_explorer(pretrained("lenet"), digits, repeats=2)
    assert explorer.views[0]["scale"] == "root"
    assert explorer.compute(amount=0.5, recalibrate=True)["numbers"]["channels left"]["value"] == 113
    assert explorer.title == "Cut channels out of a LeNet and test it on 50 validation images"


def test_a_move_leaves_the_network_as_it_was(explorer, resnet):
    before = {name: tensor.clone() for name, tensor in resnet.state_dict().items()}
    explorer.compute(amount=0.75, recalibrate=True)
    assert all(torch.equal(tensor, before[name]) for name, tensor in resnet.state_dict().items())


def test_it_opens_with_the_whole_network(explorer):
    assert (explorer.amount, explorer.recalibrate) == (0, False)
    assert explorer.first["answer"]["headline"].startswith("0.0 % of the channels removed: 100 % of the MACs")


def test_no_images_are_refused(resnet):
    with pytest.raises(ValueError, match="holds 0 images"):
        channels_explorer(resnet, IMAGES[:0])


def test_an_amount_outside_the_range_is_refused(explorer):
    with pytest.raises(ValueError, match="amount is 50"):
        explorer.compute(amount=50)


def test_the_settings_function_is_short(explorer):
    assert len(inspect.getsource(explorer._settings).splitlines()) <= 40
