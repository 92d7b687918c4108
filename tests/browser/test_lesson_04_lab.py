"""Lesson 04 as a student meets it: opened in JupyterLab, run from top to bottom, its explorer moved."""

import pytest
from everyone import fit_for_everyone
from lesson_pages import own_slider, picture, shown
from notebook_page import settled
from playwright.sync_api import expect

from shrinklab.data import load
from shrinklab.masks import apply_masks, global_masks, sparsity
from shrinklab.metrics import accuracy
from shrinklab.models import pretrained


def test_lesson_04_runs_and_its_explorer_shows_what_the_library_computes(lesson):
    assert lesson.errors == []
    explorer = lesson.reach_explorer()
    model, images = pretrained("lenet"), load("mnist").validation[:1000]
    slider = explorer.get_by_label("Share of weights removed")
    slider.focus()
    assert shown(explorer, "accuracy") == pytest.approx(accuracy(model, images)), "it opens whole"
    seen = set()
    for keys, amount in [(["End"], 0.95), (["ArrowLeft"] * 2, 0.85), (["Home"], 0.0), (["ArrowRight"] * 18, 0.9)]:
        for key in keys:
            slider.press(key)
        expect(explorer.locator(".sl-headline")).to_contain_text(f"{amount:.1%}".replace("%", " %"))
        assert settled(explorer)["amount"] == amount
        expected = accuracy(apply_masks(model, global_masks(model, amount)), images)
        assert shown(explorer, "accuracy") == pytest.approx(expected)
        seen.add(expected)
    assert len(seen) > 2
    pruned = apply_masks(model, global_masks(model, 0.95))
    own_slider(lesson, "End", f"{sparsity(pruned):.0%} zero, {accuracy(pruned, images):.1%} of the images right")
    fit_for_everyone(lesson)
    assert lesson.failures == []
    picture(lesson, "04", explorer)


HIDDEN = """() => Array.from(window.jupyterapp.shell.currentWidget.content.widgets)
  .filter((cell) => /^(at_sixty.*\\n)?Guess\\(/.test(cell.model.sharedModel.source))
  .map((cell) => cell.inputHidden)"""


def test_no_guess_of_lesson_04_shows_the_code_of_its_answer(lesson):
    hidden = lesson.page.evaluate(HIDDEN)
    assert len(hidden) >= 7
    assert all(hidden)
