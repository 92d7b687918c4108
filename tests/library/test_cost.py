"""Lesson 02's explorer shows what the library computes, for the network, images and machine that it is given."""

import inspect

import numpy as np
import pytest
import torch

from shrinklab.channels import recalibrate_batch_norm, shrink_channels
from shrinklab.data import load
from shrinklab.files import file_bytes
from shrinklab.measure import count_macs, peak_memory
from shrinklab.metrics import accuracy
from shrinklab.models import build, pretrained
from shrinklab.profiling import profile
from shrinklab.roofline import Machine
from shrinklab.timing import Latency
from shrinklab.widgets import cost_explorer

IMAGES = load("cifar10").validation[:40]
CALIBRATION = load("cifar10").validation.images[100:200]
MACHINE = Machine(macs_per_second=100e9, bytes_per_second=10e9, cache_bytes_per_second=50e9)


def stopwatch(run, *, warm_up, repeats, batch):
    """A clock of our own: the time is a function of what the network gives, so that tests need no real one."""
    return Latency(1 + run().abs().mean().item(), 9.0, repeats, 1, batch)


def explorer_of(model):
    return cost_explorer(model, IMAGES, MACHINE, calibration=CALIBRATION, timer=stopwatch)


@pytest.fixture(scope="module")
def resnet():
    return pretrained("resnet8")


@pytest.fixture(scope="module")
def explorer(resnet):
    return explorer_of(resnet)


def narrow(model, width):
    return recalibrate_batch_norm(shrink_channels(model, 1 - width, example=IMAGES.images[:1]), CALIBRATION)


@pytest.mark.parametrize("width", [1.0, 0.5, 0.3])
@pytest.mark.parametrize("batch", [1, 8])
def test_every_number_is_the_librarys(explorer, resnet, width, batch):
    answer, network, images = explorer.compute(width=width, batch=batch), narrow(resnet, width), IMAGES.images[:batch]
    macs, moved = count_macs(network, images), profile(network, images, repeats=1).moved_bytes()
    with torch.inference_mode():
        ms = stopwatch(lambda: network(images), warm_up=0, repeats=1, batch=batch).p50_ms
    rate = batch * macs / ms * 1000
    shown = {name: number["value"] for name, number in answer["numbers"].items()}
    assert shown.pop("latency") == pytest.approx(ms)
    assert shown.pop("throughput") == pytest.approx(batch / ms * 1000)
    assert shown.pop("share of the roof") == pytest.approx(rate / min(100e9, batch * macs / moved * 50e9))
    assert shown == {"accuracy": accuracy(network, IMAGES), "MACs an image": macs, "file": file_bytes(network),
                     "bytes moved": moved, "peak memory": peak_memory(network, images)}
    point = answer["roofline"]["series"][2]
    assert point["x"] == [answer["roofline"]["marker"]] == [pytest.approx(batch * macs / moved)]
    assert point["y"] == [pytest.approx(rate / 1e9)]
    assert f"{100 * accuracy(network, IMAGES):.1f} % of 40 images right" in answer["headline"]


def test_the_bars_stand_beside_the_whole_network(explorer, resnet):
    whole, half = (explorer.compute(width=width, batch=4) for width in (1.0, 0.5))
    assert whole["beside"]["values"] == [1.0, 1.0, 1.0, pytest.approx(1.0)]
    names = {"MACs": "MACs an image", "bytes moved": "bytes moved", "file": "file", "time": "latency"}
    for label, value in zip(half["beside"]["labels"], half["beside"]["values"], strict=True):
        first, second = (one["numbers"][names[label]]["value"] for one in (whole, half))
        assert value == pytest.approx(second / first), label


def test_the_roofs_are_the_machine_s(explorer):
    memory, cache, _ = explorer.compute()["roofline"]["series"]
    for series, rate in ((memory, 10), (cache, 50)):
        assert np.allclose(series["y"], np.minimum(100, np.array(series["x"]) * rate))


@pytest.mark.parametrize("width", [1.0, 0.5])
def test_another_checkpoint_changes_every_number(explorer, width):
    torch.manual_seed(1)
    other = explorer_of(build("resnet8", widths=[12, 20, 12, 28, 36, 60, 48]))
    first, second = explorer.compute(width=width, batch=2), other.compute(width=width, batch=2)
    for name, number in first["numbers"].items():
        assert number["value"] != second["numbers"][name]["value"], name
    assert first["headline"] != second["headline"]
    assert first["roofline"] != second["roofline"]


def test_other_weights_in_the_same_network_change_accuracy_and_time(explorer):
    torch.manual_seed(2)
    first, second = explorer.compute(), explorer_of(build("resnet8")).compute()
    for name in ("accuracy", "latency", "throughput", "share of the roof"):
        assert first["numbers"][name]["value"] != second["numbers"][name]["value"], name


def test_a_move_leaves_the_network_as_it_was(explorer, resnet):
    before = {name: tensor.clone() for name, tensor in resnet.state_dict().items()}
    explorer.compute(width=0.3, batch=16)
    assert all(torch.equal(tensor, before[name]) for name, tensor in resnet.state_dict().items())


def test_it_opens_with_the_whole_network_and_one_image(explorer):
    assert (explorer.width, explorer.batch) == (1.0, 1)
    assert explorer.first["answer"]["headline"].startswith("100 % of the channels, batch 1: ")
    assert explorer.title == "A narrower ResNet8, tested on 40 validation images"


def test_bad_input_is_refused(explorer, resnet):
    with pytest.raises(ValueError, match="holds 0 images"):
        cost_explorer(resnet, IMAGES[:0], MACHINE)
    with pytest.raises(ValueError, match="batch is 3"):
        explorer.compute(batch=3)
    with pytest.raises(ValueError, match="width is 0.1"):
        explorer.compute(width=0.1)


def test_only_batches_that_the_images_fill_are_offered(resnet):
    few = cost_explorer(resnet, IMAGES[:5], MACHINE, calibration=CALIBRATION, timer=stopwatch)
    assert [value for _, value in few.controls[1]["options"]] == [1, 2, 4]


def test_the_settings_function_is_short(explorer):
    assert len(inspect.getsource(explorer._settings).splitlines()) <= 40
