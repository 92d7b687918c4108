"""Lesson 01 as a student meets it: opened in JupyterLab, run from top to bottom, its explorer moved."""

import pytest
from everyone import fit_for_everyone
from lesson_pages import own_slider, picture, shown
from notebook_page import settled
from playwright.sync_api import expect

from shrinklab.data import load
from shrinklab.masks import apply_masks, global_masks
from shrinklab.models import pretrained
from shrinklab.rare import class_scores, precision_recall, two_by_two, with_share
from shrinklab.widgets import threshold_explorer


def test_lesson_01_runs_and_its_explorer_shows_what_the_library_computes(lesson):
    assert lesson.errors == []
    explorer = lesson.reach_explorer()
    here = threshold_explorer()
    slider = explorer.get_by_label("Decision threshold")
    slider.focus()
    for keys, threshold in [(["End"], 0.99), (["Home"], 0.01), (["ArrowRight"] * 29, 0.3)]:
        for key in keys:
            slider.press(key)
        expected = here.compute(threshold=threshold)
        expect(explorer.locator(".sl-headline")).to_have_text(expected["headline"])
        assert settled(explorer)["threshold"] == threshold
        for name, number in expected["numbers"].items():
            assert shown(explorer, name) == pytest.approx(number["value"])
    pruned = apply_masks(pretrained("lenet"), global_masks(pretrained("lenet"), 0.91))
    stream = with_share(load("mnist").validation, positive=0, share=0.02)
    flagged = class_scores(pruned, stream.images, 0) >= 0.99
    right, found = precision_recall(two_by_two(stream.labels == 0, flagged))
    own_slider(lesson, "End", f"{int(flagged.sum())} alarms: precision {right:.1%}, recall {found:.1%}")
    fit_for_everyone(lesson)
    assert lesson.failures == []
    picture(lesson, "01", explorer)
