"""Lesson 10 as a student meets it: opened in JupyterLab, run from top to bottom, the explorer moved."""

import pytest
from everyone import fit_for_everyone
from lesson_pages import own_slider, shown
from notebook_page import settled
from playwright.sync_api import expect

from shrinklab.capstone import onnx_bytes
from shrinklab.data import load
from shrinklab.metrics import accuracy
from shrinklab.models import pretrained
from shrinklab.shipping import Bench, rounded, without_channels


def test_lesson_10_runs_and_its_explorer_shows_what_the_library_computes(lesson):
    assert lesson.errors == []
    explorer = lesson.reach_explorer()
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
    bench = Bench(model, data, data.validation[:500])
    mine = bench.measure("mine", rounded(model, data))
    said = f"{mine.file_bytes:,} bytes, {mine.drop_points:.1f} points lost: beaten"
    own_slider(lesson, "Home", said, within=0.3)
    fit_for_everyone(lesson)
    assert lesson.failures == []
