"""What every explorer of the lessons owes its reader when something goes wrong, and how it shows an accuracy."""

import json
from types import SimpleNamespace

import pytest
import torch

from shrinklab.checkpoints import prune_and_keep
from shrinklab.data import load
from shrinklab.models import build
from shrinklab.roofline import Machine
from shrinklab.widgets import (
    bits_explorer,
    calibration_explorer,
    channels_explorer,
    cost_explorer,
    low_bits_explorer,
    magnitude_explorer,
    pareto_explorer,
    recover_explorer,
    threshold_explorer,
    trust_explorer,
)

DIGITS, PHOTOS = load("mnist").validation, load("cifar10").validation


def lenet():
    return build("lenet", channels=[2, 4], hidden=[20, 10])


def resnet():
    return build("resnet8", widths=[4] * 7)


def recover(model):
    part = SimpleNamespace(train=load("mnist").train[:32], validation=DIGITS[:20])
    return recover_explorer(prune_and_keep(model, part, [0.5], progress=False), DIGITS[20:60])


MAKE = {
    "threshold": (lenet, lambda model: threshold_explorer(model, DIGITS[:500])),
    "cost": (resnet, lambda model: cost_explorer(model, PHOTOS[:20], Machine(1e11, 1e10, 1e11),
                                                 calibration=PHOTOS.images[:20])),
    "trust": (lenet, lambda model: trust_explorer(model, DIGITS[:300])),
    "magnitude": (lenet, lambda model: magnitude_explorer(model, DIGITS[:50], repeats=1)),
    "recover": (lenet, recover),
    "channels": (resnet, lambda model: channels_explorer(model, PHOTOS[:20], PHOTOS.images[:20], repeats=1)),
    "bits": (lenet, lambda model: bits_explorer(model, DIGITS[:50])),
    "calibration": (lenet, lambda model: calibration_explorer(model, DIGITS[:50], DIGITS[50:60])),
    "low bits": (lenet, lambda model: low_bits_explorer(model, DIGITS[:50], DIGITS.images[50:60])),
    "pareto": (lenet, lambda model: pareto_explorer({"lenet": model}, {"lenet": DIGITS[:50]}, rounds=2)),
}


def ask(explorer, values):
    """What the browser gets for these values, as it travels: strict JSON."""
    sent = []
    explorer.send = sent.append
    explorer._on_message(explorer, {"ask": 1, "view": "v", "values": values}, [])
    return json.loads(json.dumps(sent[0], allow_nan=False))["answer"]


@pytest.fixture(scope="module", params=MAKE)
def made(request):
    network, explorer = MAKE[request.param]
    torch.manual_seed(0)
    return explorer(network())


def test_a_bad_setting_is_one_readable_line_and_the_next_move_works(made):
    for control in made._controls:
        problem = ask(made, {**made.values, control.name: "nonsense"})
        assert set(problem) == {"error"}
        assert "Traceback" not in problem["error"]
        assert "\n" not in problem["error"]
        assert control.name in problem["error"]
        assert ask(made, made.values)["headline"]


def test_a_failure_inside_a_move_is_one_readable_line_and_the_next_move_works(made):
    """Such as a checkpoint that went bad since the explorer was made."""
    settings, made._cache = made._settings, {}

    def broken(**values):
        made._settings = settings
        return settings(**values)["no such key"]

    made._settings = broken
    assert ask(made, made.values) == {"error": "KeyError: 'no such key'"}
    assert ask(made, made.values)["headline"]


@pytest.mark.parametrize("name", MAKE)
def test_a_checkpoint_of_nan_is_refused_or_shown_and_never_a_traceback(name):
    network, explorer = MAKE[name]
    model = network()
    model.requires_grad_(False)
    next(model.parameters()).fill_(torch.nan)
    try:
        answer = ask(made := explorer(model), made.values)
    except ValueError as error:
        answer = {"error": str(error)}
    text = answer.get("error") or answer["headline"]
    assert "Error:" not in text, text
    assert "Traceback" not in text


def test_an_accuracy_comes_with_its_interval(made):
    shares = {name: number["text"] for name, number in made.compute()["numbers"].items()
              if name in ("accuracy", "your accuracy", "after the cut", "after fine-tuning", "no training")}
    if made.title.startswith("Find the class"):
        return  # thousands of images, and rates whose spread lesson 03 is about
    for name, text in shares.items():
        assert " % (95 % interval " in text, (name, text)
