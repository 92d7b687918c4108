"""Lesson 08's explorer shows what the library computes, for the network and the images that it is given."""

import inspect

import pytest
import torch

from shrinklab.affine import fake_quantize, percentile, sqnr
from shrinklab.data import load
from shrinklab.metrics import accuracy, predict
from shrinklab.models import build, pretrained
from shrinklab.quantize import Scheme, collect, quantize_model
from shrinklab.stability import flip_rate
from shrinklab.widgets import calibration_explorer
from shrinklab.widgets.calibration import _histogram

DIGITS = load("mnist").validation
TEST, CALIBRATION = DIGITS[:200], DIGITS[200:264]
SETTINGS = [
    {"observer": "min_max", "granularity": "channel", "weight_bits": 8, "activation_bits": 8},
    {"observer": "percentile", "percentile": 97.0, "granularity": "tensor", "weight_bits": 8, "activation_bits": 3},
    {"observer": "mse", "granularity": "channel", "weight_bits": 3, "activation_bits": 4},
    {"observer": "entropy", "granularity": "tensor", "weight_bits": 4, "activation_bits": 3},
]


@pytest.fixture(scope="module")
def lenet():
    return pretrained("lenet")


@pytest.fixture(scope="module")
def explorer(lenet):
    return calibration_explorer(lenet, TEST, CALIBRATION)


def scheme_of(observer, granularity, percentile=None, **bits):
    return Scheme(per_channel=granularity == "channel", observer=observer, **bits)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting["observer"])
def test_every_number_is_the_librarys(explorer, lenet, setting):
    answer = explorer.compute(layer="conv2", **setting)
    scheme = scheme_of(**setting)
    if setting["observer"] == "percentile":
        scheme = scheme_of(**setting | {"observer": lambda values: percentile(values, 0.97)})
    small = quantize_model(lenet, CALIBRATION, scheme)
    values, grid = collect(lenet, CALIBRATION).values["conv2"], small.activations["conv2"]
    rounded = fake_quantize(values, grid)
    shown = {name: number["value"] for name, number in answer["numbers"].items()}
    assert shown == {
        "accuracy": accuracy(small, TEST),
        "answers changed": flip_rate(predict(lenet, TEST.images).argmax(1), predict(small, TEST.images).argmax(1)),
        "clipped in this layer": pytest.approx(
            ((values - rounded).abs() > grid.scale * 0.501).double().mean().item(), abs=2e-4),
        "step in this layer": grid.scale.item(),
        "signal to noise in this layer": sqnr(values, rounded),
    }
    assert f"{accuracy(small, TEST):.1%}".replace("%", " %") in answer["headline"]
    assert answer["kept"]["labels"] == list(small.activations)


def test_the_lines_are_the_ends_of_the_grid_and_the_bars_hold_all_values(explorer, lenet):
    answer = explorer.compute(observer="percentile", percentile=95.0, layer="fc1")["values"]
    values = collect(lenet, CALIBRATION).values["fc1"]
    low, high = percentile(values, 0.95)
    step = (high - low).item() / 255
    assert answer["cut"] == pytest.approx([low.item(), high.item()], abs=step)
    assert sum(answer["counts"]) == len(values)
    beyond = sum(count for count, edge in zip(answer["counts"], answer["edges"], strict=False)
                 if edge > answer["cut"][1])
    assert 0 < beyond < 0.03 * len(values)


def test_the_whole_range_clips_nothing_and_keeps_everything(explorer):
    answer = explorer.compute(observer="min_max", layer="conv2")
    assert answer["numbers"]["clipped in this layer"]["value"] == 0
    assert min(answer["kept"]["values"]) > 0.99
    cut = explorer.compute(observer="percentile", percentile=95.0, layer="conv2")
    assert max(cut["kept"]["values"]) < 1
    assert cut["numbers"]["clipped in this layer"]["value"] > 0.01


def test_equal_values_have_a_histogram():
    assert sum(_histogram(torch.zeros(20), 0.0, 0.0)["counts"]) == 20


@pytest.mark.parametrize("setting", SETTINGS[1:], ids=lambda setting: setting["observer"])
def test_another_checkpoint_changes_every_number(explorer, setting):
    torch.manual_seed(1)
    other = calibration_explorer(build("lenet", channels=[6, 16], hidden=[60, 42]), TEST, CALIBRATION)
    first, second = (one.compute(layer="conv2", **setting) for one in (explorer, other))
    for name, number in first["numbers"].items():
        assert number["value"] != second["numbers"][name]["value"], name
    for view in ("headline", "values", "kept"):
        assert first[view] != second[view], view


def test_a_move_leaves_the_network_as_it_was(explorer, lenet):
    before = {name: tensor.clone() for name, tensor in lenet.state_dict().items()}
    explorer.compute(weight_bits=2, activation_bits=2)
    assert all(torch.equal(tensor, before[name]) for name, tensor in lenet.state_dict().items())


def test_it_opens_with_eight_bits_and_the_whole_range(explorer):
    assert (explorer.observer, explorer.weight_bits, explorer.activation_bits) == ("min_max", 8, 8)
    assert explorer.title == "Calibrate a LeNet and test it on 200 validation images"
    assert "error" not in explorer.first["answer"]


def test_bad_input_is_refused(lenet):
    with pytest.raises(ValueError, match="holds 0 images"):
        calibration_explorer(lenet, TEST[:0], CALIBRATION)
    with pytest.raises(ValueError, match="holds 0 images"):
        calibration_explorer(lenet, TEST, CALIBRATION[:0])
    with pytest.raises(ValueError, match="cannot take them"):
        calibration_explorer(lenet, TEST, torch.zeros(4, 3, 32, 32))


def test_the_settings_function_is_short(explorer):
    assert len(inspect.getsource(explorer._settings).splitlines()) <= 40
