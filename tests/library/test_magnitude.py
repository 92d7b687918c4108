"""Lesson 04's explorer shows what the library computes, for the network and the images that it is given."""

import inspect

import pytest
import torch

from shrinklab.criteria import l1, random
from shrinklab.data import load
from shrinklab.files import file_bytes, gzip_bytes, sparse_bytes
from shrinklab.masks import apply_masks, global_masks, layer_masks, sparsity
from shrinklab.metrics import accuracy
from shrinklab.models import build, pretrained
from shrinklab.widgets import magnitude_explorer
from shrinklab.widgets.magnitude import _histogram

IMAGES = load("mnist").validation[:200]
MASKS = {
    "global": lambda model, amount: global_masks(model, amount),
    "each": lambda model, amount: layer_masks(model, amount),
    "one": lambda model, amount: layer_masks(model, {"fc2.weight": amount}),
}


@pytest.fixture(scope="module")
def lenet():
    return pretrained("lenet")


@pytest.fixture(scope="module")
def explorer(lenet):
    return magnitude_explorer(lenet, IMAGES, repeats=2)


@pytest.mark.parametrize("amount", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("scope", MASKS)
def test_every_number_is_the_librarys(explorer, lenet, scope, amount):
    answer = explorer.compute(amount=amount, scope=scope, layer="fc2.weight")
    pruned = apply_masks(lenet, MASKS[scope](lenet, amount))
    shown = {name: number["value"] for name, number in answer["numbers"].items()}
    assert shown.pop("latency") > 0
    assert shown == {
        "accuracy": accuracy(pruned, IMAGES),
        "weights left": round(61_470 * (1 - sparsity(pruned))),
        "dense file": file_bytes(pruned), "gzip file": gzip_bytes(pruned), "sparse file": sparse_bytes(pruned),
    }
    kept = pruned.fc2.weight.count_nonzero().item() / pruned.fc2.weight.numel()
    assert dict(zip(answer["layers"]["labels"], answer["layers"]["values"], strict=True))["fc2.weight"] == kept
    assert f"{accuracy(pruned, IMAGES):.1%}".replace("%", " %") in answer["headline"]


def test_the_cut_parts_removed_from_kept(explorer, lenet):
    answer = explorer.compute(amount=0.9, scope="global", layer="conv2.weight")["weights"]
    weight, mask = lenet.conv2.weight.detach(), global_masks(lenet, 0.9)["conv2.weight"]
    low, high = answer["cut"]
    assert high == weight[~mask].abs().max().item() == -low
    assert bool((weight[mask].abs() >= high).all())
    assert sum(answer["counts"]) == weight.numel()


def test_no_cut_is_drawn_where_there_is_none(explorer):
    assert explorer.compute(amount=0.0)["weights"]["cut"] is None
    assert explorer.compute(amount=0.5, scope="one", layer="fc3.weight")["weights"]["cut"] is not None
    by_lot = magnitude_explorer(pretrained("lenet"), IMAGES, random, repeats=2)
    assert by_lot.compute(amount=0.5)["weights"]["cut"] is None


def test_a_layer_of_zeros_has_a_histogram():
    assert sum(_histogram(torch.zeros(4, 5), torch.ones(4, 5, dtype=torch.bool))["counts"]) == 20


@pytest.mark.parametrize("amount", [0.0, 0.5, 0.9])
def test_another_checkpoint_changes_every_number(explorer, amount):
    torch.manual_seed(1)
    other = magnitude_explorer(build("lenet", channels=[3, 8], hidden=[60, 42]), IMAGES, repeats=2)
    first, second = explorer.compute(amount=amount), other.compute(amount=amount)
    for name, number in first["numbers"].items():
        assert number["value"] != second["numbers"][name]["value"], name
    assert first["headline"] != second["headline"]
    for view in ("weights", "files"):
        assert first[view] != second[view], view


def test_other_weights_in_the_same_network_change_the_pictures(explorer, lenet):
    moved = apply_masks(lenet, layer_masks(lenet, {"fc1.weight": 0.3}))
    moved.fc3.weight.data.mul_(-0.5)
    first, second = (one.compute(amount=0.5) for one in (explorer, magnitude_explorer(moved, IMAGES, repeats=2)))
    for name in ("accuracy", "gzip file"):
        assert first["numbers"][name]["value"] != second["numbers"][name]["value"], name
    assert first["weights"] != second["weights"]
    assert first["layers"] != second["layers"]


def test_a_students_criterion_is_used_and_its_error_is_a_line(lenet):
    lowest_first = magnitude_explorer(lenet, IMAGES, lambda weight: -l1(weight), repeats=2)
    assert lowest_first.compute(amount=0.5)["numbers"]["accuracy"]["value"] < 0.5

    def unfinished(weight):
        raise NotImplementedError("write magnitude_scores")

    broken = magnitude_explorer(lenet, IMAGES, unfinished, repeats=2)
    assert broken.first["answer"] == {"error": "Not written yet: write magnitude_scores"}


def test_a_move_leaves_the_network_as_it_was(explorer, lenet):
    before = {name: tensor.clone() for name, tensor in lenet.state_dict().items()}
    explorer.compute(amount=0.95)
    assert all(torch.equal(tensor, before[name]) for name, tensor in lenet.state_dict().items())


def test_it_opens_with_the_whole_network(explorer, lenet):
    assert explorer.amount == 0
    assert explorer.first["answer"]["headline"].startswith("0.0 % of the weights removed")
    assert explorer.title == "Prune a LeNet and test it on 200 validation images"


def test_no_images_are_refused(lenet):
    with pytest.raises(ValueError, match="holds 0 images"):
        magnitude_explorer(lenet, IMAGES[:0])


def test_the_settings_function_is_short(explorer):
    assert len(inspect.getsource(explorer._settings).splitlines()) <= 40
