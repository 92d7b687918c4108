"""Lesson 05 as a student meets it: run from top to bottom, its explorer moved, its button pressed."""

import pytest
import torch
from everyone import fit_for_everyone
from lesson_pages import own_slider, shown
from notebook_page import settled
from playwright.sync_api import expect
from torch.nn.functional import cross_entropy

from shrinklab.checkpoints import prune_and_keep
from shrinklab.data import load
from shrinklab.masks import apply_masks, global_masks, sparsity
from shrinklab.metrics import accuracy
from shrinklab.models import pretrained
from shrinklab.widgets import recover_explorer
from shrinklab.widgets.recover import AMOUNTS, RECIPE, portion


def after_one_batch():
    """What lesson 05's own slider says after one step: 95 % cut, one batch of 32, the mask held."""
    model, images = pretrained("lenet"), load("mnist").validation[:1000]
    masks, batch = global_masks(model, 0.95), portion().train[:32]
    network = apply_masks(model, masks)
    cross_entropy(network(batch.images), batch.labels).backward()
    torch.optim.SGD(network.parameters(), lr=0.02).step()
    network = apply_masks(network, masks)
    return f"{accuracy(network, images):.1%} of the images right, {sparsity(network):.1%} of the weights 0"


def test_lesson_05_runs_and_its_explorer_shows_what_the_library_computes(lesson):
    assert lesson.errors == []
    explorer = lesson.reach_explorer()
    # The first rounds are the same without those that follow.
    here = recover_explorer(prune_and_keep(pretrained("lenet"), portion(), AMOUNTS[:3], RECIPE, progress=False))
    slider = explorer.get_by_label("Round")
    slider.focus()
    slider.press("End")
    expect(explorer.locator(".sl-headline")).to_contain_text("Round 8:")
    for keys, place in [(["Home"], 0), (["ArrowRight"], 1), (["ArrowRight"] * 2, 3)]:
        for key in keys:
            slider.press(key)
        expected = here.compute(round=place)
        expect(explorer.locator(".sl-headline")).to_contain_text(f"Round {place}:")
        assert settled(explorer)["round"] == place
        for name, number in expected["numbers"].items():
            assert shown(explorer, name) == pytest.approx(number["value"], rel=0.05), name
    own_slider(lesson, "ArrowRight", after_one_batch(), within=0.3)
    fit_for_everyone(lesson)
    button = lesson.page.get_by_role("button", name="Fine-tune now")
    button.scroll_into_view_if_needed()
    job = lesson.page.locator(".sl-job").filter(has=button)
    button.click()
    expect(job.locator(".sl-headline")).to_contain_text("after fine-tuning", timeout=120_000)
    right = job.locator("[data-number='after fine-tuning']").get_attribute("data-value")
    assert float(right) > 0.95
    assert lesson.failures == []
