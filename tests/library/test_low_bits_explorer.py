"""Lesson 09's explorer shows what the library computes, for the network and the images that it is given."""

import inspect

import pytest
import torch

from shrinklab.codebook import codebook_bytes, codebook_sizes, share_weights
from shrinklab.data import load
from shrinklab.files import file_bytes
from shrinklab.metrics import accuracy
from shrinklab.models import build, pretrained
from shrinklab.quantize import Scheme, quantize_model, quantized_bytes
from shrinklab.widgets import low_bits_explorer

IMAGES, CALIBRATION = load("mnist").validation[:200], load("mnist").train.images[:64]
WAYS = ["codebook", "weights", "all"]


def in_few_bits(model, way, bits):
    """The network that the explorer should show, made here in the library's own words."""
    if way == "codebook":
        return share_weights(model, bits)
    values = {"weights": 8, "all": bits}[way]
    return quantize_model(model, CALIBRATION, Scheme(weight_bits=bits, activation_bits=values, per_channel=False,
                                                     observer="mse", weight_observer="mse"))


@pytest.fixture(scope="module")
def lenet():
    return pretrained("lenet")


@pytest.fixture(scope="module")
def explorer(lenet):
    return low_bits_explorer(lenet, IMAGES, CALIBRATION)


def values(answer):
    return {name: number["value"] for name, number in answer["numbers"].items()}


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("way", WAYS)
def test_every_number_is_the_librarys(explorer, lenet, way, bits):
    answer, small = explorer.compute(way=way, bits=bits, layer="conv2"), in_few_bits(lenet, way, bits)
    size = (codebook_bytes if way == "codebook" else quantized_bytes)(small)
    different = 2**bits if way == "codebook" else 2**bits - 1
    share = accuracy(small, IMAGES)
    assert values(answer) == {"no training": share, "after training": None, "different values in the layer": different,
                              "file": size, "times smaller": file_bytes(lenet) / size}
    assert answer["accuracy"]["values"] == [accuracy(lenet, IMAGES), share, None]
    assert answer["headline"].startswith(f"{bits} bits a weight: {share:.1%}".replace("%", " %"))


def test_the_parts_of_a_codebook_file_add_up(explorer, lenet):
    answer, shared = explorer.compute(way="codebook", bits=3), share_weights(lenet, 3)
    packed, coded, tables, rest, whole = (round(1000 * part) for part in answer["parts"]["values"])
    sizes = codebook_sizes(shared)
    assert packed == sizes.packed_bytes.sum()
    assert coded == sum(row[f"{row.coding}_bytes"] for _, row in sizes.iterrows())
    assert (tables, whole) == (5 * 8 * 4, codebook_bytes(shared))
    assert coded + tables + rest == whole
    assert rest > 236 * 4  # the biases, and a header


def test_the_parts_of_a_grid_s_file_add_up(explorer):
    packed, coded, scales, rest, whole = explorer.compute(way="weights", bits=4)["parts"]["values"]
    assert coded is None
    assert round(1000 * packed) == 61_470 // 2
    assert round(1000 * scales) == 5 * 4
    assert packed + scales + rest == pytest.approx(whole)


@pytest.mark.parametrize("way", WAYS)
def test_the_line_shows_where_the_layer_s_weights_land(explorer, lenet, way):
    line, small = explorer.compute(way=way, bits=3, layer="fc3")["line"], in_few_bits(lenet, way, 3)
    weight = lenet.fc3.weight.detach().flatten().tolist()
    assert set(line["values"]) <= set(weight)
    assert line["values"] == sorted(line["values"])
    assert (line["values"][0], line["values"][-1]) == (min(weight), max(weight))
    grid = torch.tensor(line["grid"])
    nearest = grid[(torch.tensor(line["values"])[:, None] - grid).abs().argmin(1)]
    assert torch.allclose(nearest, torch.tensor(line["rounded"]))
    if way == "codebook":
        assert line["clip"] is None
        assert line["grid"] == small.layers["fc3"].centroids.tolist()
    else:
        assert line["clip"] == [line["grid"][0], line["grid"][-1]]


def test_a_trained_network_is_measured_beside_the_untrained_one(lenet):
    after = build("lenet")
    explorer = low_bits_explorer(lenet, IMAGES, CALIBRATION, trained={("all", 2): after})
    shown = explorer.compute(way="all", bits=2)
    assert shown["numbers"]["after training"]["value"] == accuracy(after, IMAGES) == shown["accuracy"]["values"][2]
    assert shown["headline"].endswith("after it.")
    assert explorer.compute(way="weights", bits=2)["numbers"]["after training"]["text"] == "not trained here"


@pytest.mark.parametrize("way", WAYS)
def test_another_checkpoint_changes_every_number(explorer, way):
    torch.manual_seed(1)
    other = low_bits_explorer(build("lenet", channels=[3, 8], hidden=[60, 42]), IMAGES, CALIBRATION)
    first, second = (one.compute(way=way, bits=4, layer="fc1") for one in (explorer, other))
    same = {"after training", "different values in the layer"}  # 16 values are 16 values; none was trained
    assert [name for name, value in values(first).items() if name not in same and value == values(second)[name]] == []
    for view in ("line", "accuracy", "parts"):
        assert first[view] != second[view], view


def test_a_move_leaves_the_network_as_it_was(explorer, lenet):
    before = {name: tensor.clone() for name, tensor in lenet.state_dict().items()}
    for way in WAYS:
        explorer.compute(way=way, bits=2)
    assert all(torch.equal(tensor, before[name]) for name, tensor in lenet.state_dict().items())


def test_it_opens_at_eight_bits(explorer):
    assert explorer.bits == 8
    assert explorer.first["answer"]["headline"].startswith("8 bits a weight")
    assert explorer.title == "A LeNet in few bits, tested on 200 validation images"


def test_bad_input_is_refused(explorer, lenet):
    with pytest.raises(ValueError, match="holds 0 images"):
        low_bits_explorer(lenet, IMAGES[:0])
    with pytest.raises(ValueError, match="bits is 1"):
        explorer.compute(bits=1)
    with pytest.raises(ValueError, match="layer is 'fc9'"):
        explorer.compute(layer="fc9")


def test_the_settings_function_is_short(explorer):
    assert len(inspect.getsource(explorer._settings).splitlines()) <= 40
