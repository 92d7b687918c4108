"""Lesson 03 as a student meets it: opened in JupyterLab, run from top to bottom, its explorer moved."""

import pytest
from everyone import fit_for_everyone
from lesson_pages import own_slider, picture, shown
from notebook_page import settled
from playwright.sync_api import expect

from shrinklab.data import load
from shrinklab.masks import apply_masks, global_masks
from shrinklab.metrics import bootstrap_interval, correct, predict
from shrinklab.models import pretrained
from shrinklab.widgets import trust_explorer


def test_lesson_03_runs_and_its_explorer_shows_what_the_library_computes(lesson):
    assert lesson.errors == []
    explorer, here = lesson.reach_explorer(), trust_explorer()
    for label, keys, setting in [("Number of test images", ["Home"], {"images": 100}),
                                 ("Number of test images", ["ArrowRight"] * 9, {"images": 1000}),
                                 ("Share of weights removed", ["ArrowRight"] * 5, {"amount": 0.85}),
                                 ("Draw", ["End"], {"draw": 20})]:
        slider = explorer.get_by_label(label)
        slider.focus()
        for key in keys:
            slider.press(key)
        for name, value in setting.items():
            setattr(here, name, value)
        expected = here.compute()
        expect(explorer.locator(".sl-headline")).to_have_text(expected["headline"])
        assert settled(explorer) == here.values
        for name, number in expected["numbers"].items():
            assert shown(explorer, name) == pytest.approx(number["value"])
    digits, lenet = load("mnist").validation[:1000], pretrained("lenet")
    logits = predict(apply_masks(lenet, global_masks(lenet, 0.9)), digits.images)
    low, high = bootstrap_interval(correct(logits, digits.labels))
    own_slider(lesson, "End", f"{low:.1%} to {high:.1%}, {100 * (high - low):.1f} points wide")
    fit_for_everyone(lesson)
    assert lesson.failures == []
    picture(lesson, "03", explorer)
