"""Lesson 07 as a student meets it: opened in JupyterLab, run from top to bottom, its explorer moved."""

import pytest
from everyone import fit_for_everyone
from playwright.sync_api import expect
from test_lessons import opened, picture, shown

from shrinklab.widgets import bits_explorer


@pytest.fixture(scope="module")
def bits(browser, browser_context_args, jupyterlab):
    yield from opened(browser, browser_context_args, jupyterlab, "07_int8_by_hand")


def test_lesson_07_runs_and_its_explorer_shows_what_the_library_computes(bits):
    assert bits.errors == []
    explorer = bits.reach_explorer()
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
    fit_for_everyone(bits)
    assert bits.failures == []
    picture(bits, "07", explorer)
