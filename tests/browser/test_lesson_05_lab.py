"""Lesson 05 as a student meets it: run from top to bottom, its explorer moved, its button pressed."""

import pytest
from everyone import fit_for_everyone
from notebook_page import settled
from playwright.sync_api import expect
from test_lessons import opened, shown

from shrinklab.checkpoints import prune_and_keep
from shrinklab.models import pretrained
from shrinklab.widgets import recover_explorer
from shrinklab.widgets.recover import AMOUNTS, RECIPE, portion


@pytest.fixture(scope="module")
def recover(browser, browser_context_args, jupyterlab):
    yield from opened(browser, browser_context_args, jupyterlab, "05_recover")


def test_lesson_05_runs_and_its_explorer_shows_what_the_library_computes(recover):
    assert recover.errors == []
    explorer = recover.reach_explorer()
    here = recover_explorer(prune_and_keep(pretrained("lenet"), portion(), AMOUNTS, RECIPE, progress=False))
    slider = explorer.get_by_label("Round")
    slider.focus()
    for keys, place in [(["End"], 8), (["ArrowLeft"] * 2, 6), (["Home"], 0), (["ArrowRight"] * 5, 5)]:
        for key in keys:
            slider.press(key)
        expected = here.compute(round=place)
        expect(explorer.locator(".sl-headline")).to_contain_text(f"Round {place}:")
        assert settled(explorer)["round"] == place
        for name, number in expected["numbers"].items():
            assert shown(explorer, name) == pytest.approx(number["value"], rel=0.05), name
    fit_for_everyone(recover)
    button = recover.page.get_by_role("button", name="Fine-tune now")
    button.scroll_into_view_if_needed()
    job = recover.page.locator(".sl-job").filter(has=button)
    button.click()
    expect(job.locator(".sl-headline")).to_contain_text("after fine-tuning", timeout=120_000)
    right = job.locator("[data-number='after fine-tuning']").get_attribute("data-value")
    assert float(right) > 0.95
    assert recover.failures == []
