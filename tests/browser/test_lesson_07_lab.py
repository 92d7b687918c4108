"""Lesson 07 as a student meets it: opened in JupyterLab, run from top to bottom, its explorer moved."""

from functools import partial

import pytest
from everyone import fit_for_everyone
from lesson_pages import own_slider, picture, shown
from playwright.sync_api import expect

from shrinklab.affine import choose_qparams, fake_quantize, min_max
from shrinklab.data import load
from shrinklab.metrics import accuracy
from shrinklab.models import pretrained
from shrinklab.quantize import round_weights
from shrinklab.widgets import bits_explorer


def test_lesson_07_runs_and_its_explorer_shows_what_the_library_computes(lesson):
    assert lesson.errors == []
    explorer = lesson.reach_explorer()
    here = bits_explorer()
    slider = explorer.get_by_label("Bits of each weight")
    slider.focus()
    seen = set()
    for keys, setting in [(["Home"], {"bits": 2}), (["ArrowRight"], {"bits": 3}), ([], {"kind": "affine"}),
                          ([], {"scope": "channel"}), (["ArrowRight"] * 3, {"bits": 6})]:
        for key in keys:
            slider.press(key)
        for name, label in (("kind", "Grid"), ("scope", "A grid for")):
            if name in setting:
                explorer.get_by_label(label, exact=True).select_option(index=1)
        for name, value in setting.items():
            setattr(here, name, value)
        wanted = here.compute()
        expect(explorer.locator(".sl-headline")).to_have_text(wanted["headline"])
        for name, number in wanted["numbers"].items():
            assert shown(explorer, name) == pytest.approx(number["value"]), name
        seen.add(wanted["headline"])
    assert len(seen) == 5
    model, images = pretrained("lenet"), load("mnist").validation[:1000]
    grid = partial(choose_qparams, bits=2)
    small = round_weights(model, lambda weight: fake_quantize(weight, grid(*min_max(weight.flatten()))))
    own_slider(lesson, "Home", f"2 bits: {accuracy(small, images):.1%} of the images right", within=0.15)
    fit_for_everyone(lesson)
    assert lesson.failures == []
    picture(lesson, "07", explorer)
