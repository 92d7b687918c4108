"""Lesson 10 as a student meets it: opened in JupyterLab, run from top to bottom, the explorer moved."""

import pytest
from everyone import fit_for_everyone
from notebook_page import settled
from playwright.sync_api import expect
from test_lessons import opened, shown

from shrinklab.capstone import onnx_bytes
from shrinklab.data import load
from shrinklab.metrics import accuracy
from shrinklab.models import pretrained
from shrinklab.shipping import rounded, without_channels


@pytest.fixture(scope="module")
def shipping(browser, browser_context_args, jupyterlab):
    yield from opened(browser, browser_context_args, jupyterlab, "10_ship_it")


def test_lesson_10_runs_and_its_explorer_shows_what_the_library_computes(shipping):
    assert shipping.errors == []
    explorer = shipping.reach_explorer()
    data, model = load("cifar10"), pretrained("resnet8")
    photos = data.validation[:250]
    assert settled(explorer)["network"] == "resnet8"
    explorer.get_by_label("Yours: weights and values as").select_option(label="int8")
    slider = explorer.get_by_label("Yours: share of the channels removed")
    slider.focus()
    for presses, amount in [(0, 0.0), (1, 0.125), (1, 0.25)]:
        for _ in range(presses):
            slider.press("ArrowRight")
        small = rounded(without_channels(model, amount, data) if amount else model, data)
        expect(explorer.locator("[data-number='your file']")).to_contain_text(f"{onnx_bytes(small):,}")
        assert settled(explorer)["amount"] == amount
        # the file on integer kernels and its simulation may differ in a photo
        assert shown(explorer, "your accuracy") == pytest.approx(accuracy(small, photos), abs=0.009)
    limit = explorer.get_by_label("File, share of dense: at most")
    limit.focus()
    before = shown(explorer, "ways that fit")
    limit.press("Home")
    expect(explorer.locator(".sl-headline")).to_contain_text("Nothing here fits")
    assert shown(explorer, "ways that fit") == 0 < before
    fit_for_everyone(shipping)
    assert shipping.failures == []
