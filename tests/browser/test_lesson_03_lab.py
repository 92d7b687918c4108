"""Lesson 03 as a student meets it: opened in JupyterLab, run from top to bottom, its explorer moved."""

import pytest
from everyone import fit_for_everyone
from notebook_page import settled
from playwright.sync_api import expect
from test_lessons import opened, picture, shown

from shrinklab.widgets import trust_explorer


@pytest.fixture(scope="module")
def trust(browser, browser_context_args, jupyterlab):
    yield from opened(browser, browser_context_args, jupyterlab, "03_trust")


def test_lesson_03_runs_and_its_explorer_shows_what_the_library_computes(trust):
    assert trust.errors == []
    explorer, here = trust.reach_explorer(), trust_explorer()
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
    fit_for_everyone(trust)
    assert trust.failures == []
    picture(trust, "03", explorer)
