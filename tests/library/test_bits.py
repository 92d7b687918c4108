"""Lesson 07's explorer shows what the library computes, for the network and the images that it is given."""

import inspect
from itertools import pairwise

import pytest
import torch

from shrinklab.affine import dequantize, fake_quantize, quantize, sqnr
from shrinklab.data import load
from shrinklab.metrics import accuracy, predict
from shrinklab.models import build, pretrained
from shrinklab.quantize import fold_batch_norm, round_weights, weight_qparams
from shrinklab.stability import flip_rate
from shrinklab.widgets import bits_explorer
from shrinklab.widgets.bits import _quietest

IMAGES = load("mnist").validation[:200]
WAYS = [("symmetric", "layer"), ("symmetric", "channel"), ("affine", "layer"), ("affine", "channel")]


@pytest.fixture(scope="module")
def lenet():
    return pretrained("lenet")


@pytest.fixture(scope="module")
def explorer(lenet):
    return bits_explorer(lenet, IMAGES)


def grid_of(weight, bits, kind, scope):
    return weight_qparams(weight, bits, symmetric=kind == "symmetric", per_channel=scope == "channel")


def expected(model, split, layer, *setting):
    """The numbers of the explorer, from the library alone."""
    small = round_weights(model, lambda weight: fake_quantize(weight, grid_of(weight, *setting)))
    weight = dict(model.named_parameters())[layer].detach()
    before, after = (predict(one, split.images).argmax(1) for one in (model, small))
    scales = grid_of(weight, *setting).scale.reshape(-1)
    return {"accuracy": accuracy(small, split), "predictions changed": flip_rate(before, after),
            "SQNR of this layer": pytest.approx(sqnr(weight, fake_quantize(weight, grid_of(weight, *setting))), 1e-4),
            "step on the number line": pytest.approx(scales[_quietest(weight) if len(scales) > 1 else 0].item(), 1e-4)}


@pytest.mark.parametrize("bits", [2, 3, 5, 8])
@pytest.mark.parametrize(("kind", "scope"), WAYS)
def test_every_number_is_the_librarys(explorer, lenet, bits, kind, scope):
    answer = explorer.compute(bits=bits, kind=kind, scope=scope, layer="conv2.weight")
    shown = {name: number["value"] for name, number in answer["numbers"].items()}
    assert shown == expected(lenet, IMAGES, "conv2.weight", bits, kind, scope)
    assert f"{shown['accuracy']:.1%}".replace("%", " %") in answer["headline"]
    assert answer["headline"].startswith(f"{bits} bits, one {kind} grid for each {scope}")


def test_a_network_with_batch_norm_is_folded_first():
    photos, resnet = load("cifar10").validation[:100], pretrained("resnet8")
    answer = bits_explorer(resnet, photos).compute(bits=4, scope="channel", layer="conv.weight")
    shown = {name: number["value"] for name, number in answer["numbers"].items()}
    assert shown == expected(fold_batch_norm(resnet), photos, "conv.weight", 4, "symmetric", "channel")


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize(("kind", "scope"), WAYS)
def test_the_pictures_show_the_layer_on_its_grid(explorer, lenet, bits, kind, scope):
    answer = explorer.compute(bits=bits, kind=kind, scope=scope, layer="fc2.weight")
    weight = lenet.fc2.weight.detach()
    grid = grid_of(weight, bits, kind, scope)
    integers = quantize(weight, grid)
    line, channel = answer["line"], _quietest(weight)
    own = weight[channel].sort().values
    assert line["values"][0] == own[0].item()
    assert line["values"][-1] == own[-1].item()
    assert set(line["rounded"]) <= set(line["grid"])
    landed = dict(zip(weight[channel].tolist(), dequantize(integers, grid)[channel].tolist(), strict=True))
    assert line["rounded"] == [landed[value] for value in line["values"]]
    step = answer["numbers"]["step on the number line"]["value"]
    assert all(high - low == pytest.approx(step, 1e-3) for low, high in pairwise(line["grid"]))
    assert max(abs(a - b) for a, b in zip(line["values"], line["rounded"], strict=True)) <= step / 2 * 1.001
    bars = answer["integers"]
    levels = 2**bits - 1 if kind == "symmetric" else 2**bits
    assert len(bars["counts"]) == levels
    assert bars["counts"] == [int((integers.int() == level).sum()) for level in range(grid.low, grid.high + 1)]
    assert bars["edges"][0] == grid.low - 0.5
    measured, rule = answer["noise"]["series"]
    assert measured["y"][bits - 2] == answer["numbers"]["SQNR of this layer"]["value"]
    assert rule["y"][-1] == measured["y"][-1]
    assert answer["noise"]["marker"] == bits


@pytest.mark.parametrize("bits", [2, 3])
def test_another_checkpoint_changes_every_number(explorer, bits):
    torch.manual_seed(1)
    other = bits_explorer(build("lenet", channels=[3, 8], hidden=[60, 42]), IMAGES)
    first, second = explorer.compute(bits=bits), other.compute(bits=bits)
    for name, number in first["numbers"].items():
        assert number["value"] != second["numbers"][name]["value"], name
    for part in ("headline", "line", "integers", "noise"):
        assert first[part] != second[part], part


def test_a_move_leaves_the_network_as_it_was(explorer, lenet):
    before = {name: tensor.clone() for name, tensor in lenet.state_dict().items()}
    explorer.compute(bits=2)
    assert all(torch.equal(tensor, before[name]) for name, tensor in lenet.state_dict().items())


def test_it_opens_with_eight_bits_and_the_largest_layer(explorer):
    assert (explorer.bits, explorer.kind, explorer.scope, explorer.layer) == (8, "symmetric", "layer", "fc1.weight")
    assert "error" not in explorer.first["answer"]
    assert explorer.title == "Round the weights of a LeNet and test it on 200 validation images"


def test_a_channel_of_zeros_is_not_the_quietest(lenet):
    emptied = round_weights(lenet, lambda weight: weight)
    emptied.fc3.weight.data[4] = 0
    line = bits_explorer(emptied, IMAGES).compute(bits=4, layer="fc3.weight")["line"]
    assert any(line["values"])


def test_what_does_not_fit_is_refused(explorer, lenet):
    with pytest.raises(ValueError, match="holds 0 images"):
        bits_explorer(lenet, IMAGES[:0])
    with pytest.raises(ValueError, match="layer is 'fc9'"):
        bits_explorer(lenet, IMAGES, layer="fc9")
    with pytest.raises(ValueError, match="bits is a number from 2 to 8"):
        explorer.compute(bits=1)


def test_the_settings_function_is_short(explorer):
    assert len(inspect.getsource(explorer._settings).splitlines()) <= 40
